"""Pruning on the mean over folds, after every epoch.

The folds of a trial advance side by side, so their mean validation curve is known while they
train. Optuna's pruners judge it as they judge the curve of a single network.
"""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from optuna.exceptions import TrialPruned
from optuna.study import StudyDirection
from optuna.trial import BaseTrial

from skdl.estimators.base import monitor_mode
from skdl.exceptions import InvalidParameterError
from skdl.training import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import optuna

    from skdl.training import ObservedMember

__all__ = ["MeanCurve", "OptunaPruning"]


class MeanCurve(Observer):
    """Decides after each epoch, by all folds of one trial, whether the trial continues.

    Parameters
    ----------
    value_of : callable
        ``value_of(member, logs)`` returns a fold's value after an epoch, of any kind.
    should_prune : callable
        ``should_prune(values, epoch)`` is called once per epoch, counted from 1, with the values
        of all folds; it returns whether the trial ends here.
    n_folds : int or None, default=None
        Number of folds; None is as many as start together.
    may_end_early : bool, default=True
        Whether `should_prune` or `ends_at_rung` may return True.
    rungs : sequence of int, default=()
        Epochs after which the trial waits for others that train at the same time.
    ends_at_rung : callable, optional
        ``ends_at_rung(epoch)`` is called once per rung that the folds come to, when the others
        have come to it too; it returns whether the trial ends here.

    Attributes
    ----------
    n_epochs : int
        Epochs trained so far, summed over the folds.
    """

    def __init__(
        self,
        value_of: Callable[[ObservedMember, dict[str, float]], Any],
        should_prune: Callable[[list[Any], int], bool],
        n_folds: int | None = None,
        *,
        may_end_early: bool = True,
        rungs: Sequence[int] = (),
        ends_at_rung: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.may_end_early = may_end_early
        self.rungs = rungs
        self._ends_at_rung = ends_at_rung
        self._judged_at: set[int] = set()
        self._value_of = value_of
        self._should_prune = should_prune
        self._n_folds = n_folds
        self._curves: dict[ObservedMember, list[Any]] = {}
        self._n_reported = 0
        self.n_epochs = 0
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether all folds have trained for the last time."""
        return all(member.stopped for member in self._curves)

    def on_train_begin(self, member: ObservedMember) -> None:
        with self._lock:
            self._curves[member] = []

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        del epoch
        with self._lock:
            self._curves[member].append(self._value_of(member, logs))
            self.n_epochs += 1
            while values := self._next_values():
                self._n_reported += 1
                if self._should_prune(values, self._n_reported):
                    self._end_trial(self._n_reported)
                    return

    def on_rung(self, member: ObservedMember, n_epochs: int) -> None:
        del member
        with self._lock:
            # All folds come by; where one is still to be trained, it is the last that counts.
            if n_epochs in self._judged_at or self._n_reported != n_epochs:
                return
            self._judged_at.add(n_epochs)
            if self._ends_at_rung(n_epochs):
                self._end_trial(n_epochs)

    def _end_trial(self, epoch: int) -> None:
        for fold in self._curves:
            fold.abandon(TrialPruned(f"Pruned after epoch {epoch}."))

    def _next_values(self) -> list[Any]:
        """Return the folds' values of the next epoch, once all have come so far or have ended.

        A fold that ended earlier counts with its last value, or its best if it went back to it.
        """
        if self._n_folds is not None and len(self._curves) < self._n_folds:
            return []
        values = []
        n_reached = 0
        for member, curve in self._curves.items():
            if len(curve) > self._n_reported:
                values.append(curve[self._n_reported])
                n_reached += 1
            elif member.stopped and curve:
                # A fold that diverged reported nothing in its last epoch.
                n_kept = member.kept_epoch - (member.last_epoch - member.epochs)
                values.append(curve[min(n_kept, len(curve)) - 1])
            elif not member.stopped:
                return []
        return values if n_reached else []


class OptunaPruning(Observer):
    """Callback that prunes a trial on the mean over all folds which train in lockstep.

    For objectives of your own around scikit-learn's functions; `OptunaSearchCV` needs no callback.
    Inside ``skdl.lockstep()`` the folds advance side by side: after each epoch their mean is
    reported to the trial, once, and if its pruner says so, ``optuna.TrialPruned`` leaves
    ``cross_val_score`` or the like, whatever its `error_score` is. Without lockstep the folds come
    one after another, so only the first can be judged; a warning says so.

    Parameters
    ----------
    trial : optuna.Trial
        Of a study with one objective. A ``FixedTrial`` or ``FrozenTrial``, with which an objective
        is called again by hand, never prunes.
    monitor : str or None, default=None
        What to report: a name in ``history_``. None is ``"val_loss"`` where there are validation
        rows (``early_stopping=True``, or `X_val`), else ``"loss"``.

    Raises
    ------
    InvalidParameterError
        If `trial` is none, or its study has several objectives; from ``cross_val_score`` or the
        like, whatever its `error_score` is, if the fits do not report `monitor`.

    Notes
    -----
    Epochs are reported as steps that count from 1. A study that maximizes is told the negative of
    a value that is better when smaller, such as a loss.

    Examples
    --------
    >>> import optuna, skdl
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import cross_val_score
    >>> X, y = load_diabetes(return_X_y=True)
    >>> def objective(trial):
    ...     model = skdl.MLPRegressor(
    ...         hidden_units=trial.suggest_categorical("units", [8, 16]),
    ...         epochs=3,
    ...         random_state=0,
    ...         callbacks=skdl.OptunaPruning(trial),
    ...     )
    ...     with skdl.lockstep():
    ...         return cross_val_score(model, X, y, cv=3).mean()
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner())
    >>> study.optimize(objective, n_trials=2)
    >>> sorted(study.trials[0].intermediate_values)
    [1, 2, 3]
    """

    may_end_early = True

    def __init__(self, trial: optuna.Trial, monitor: str | None = None) -> None:
        if not isinstance(trial, BaseTrial):
            raise InvalidParameterError(
                f"OptunaPruning: trial={trial!r} is no trial of Optuna. Expected the one that the "
                "objective was called with."
            )
        study = getattr(trial, "study", None)
        directions = [StudyDirection.MINIMIZE] if study is None else study.directions
        if len(directions) != 1:
            raise InvalidParameterError(
                f"OptunaPruning: trial {trial.number} belongs to a study with {len(directions)} "
                "objectives. Expected a study with one: Optuna cannot prune for several. Leave "
                "the callback out."
            )
        if monitor is not None and not isinstance(monitor, str):
            raise InvalidParameterError(
                f"OptunaPruning: monitor={monitor!r} is not allowed. Expected None or a name in "
                "history_, for example 'val_loss'."
            )
        self.trial = trial
        self.monitor = monitor
        self._maximizes = directions[0] == StudyDirection.MAXIMIZE
        self._curve = MeanCurve(self._value_of, self._report)
        self._n_ended = 0

    def __deepcopy__(self, memo: object) -> Self:
        # The clones that scikit-learn makes, and fit's own copies, all speak of the one trial.
        return self

    def __reduce__(self) -> Any:
        raise TypeError(
            "OptunaPruning belongs to a trial that runs in this process and cannot be pickled. "
            "Run the folds in lockstep instead of in other processes; before you pickle a fitted "
            "estimator, call set_params(callbacks=None)."
        )

    def on_train_begin(self, member: ObservedMember) -> None:
        names = member.log_names()
        if self.monitor is not None and self.monitor not in names:
            # No error of this fit alone, of which error_score would make a missing score.
            error = InvalidParameterError(
                f"OptunaPruning: monitor={self.monitor!r} is not reported by this fit. Expected "
                f"one of {names}; a metric must be named in `metrics`, and a name with 'val_' "
                "needs validation rows."
            )
            member.abandon(error)
        elif not self._n_ended:
            self._curve.on_train_begin(member)
        elif self._n_ended == 1:
            warnings.warn(
                "OptunaPruning: folds are trained one after another, so the trial was judged on "
                "the first alone. Wrap the call in `with skdl.lockstep():` to prune on the mean "
                "over all folds; networks that train through Keras itself always come one by one.",
                UserWarning,
                stacklevel=2,
            )

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        if not self._n_ended and member.error is None:
            self._curve.on_epoch_end(member, epoch, logs)

    def on_train_end(self, member: ObservedMember) -> None:
        del member
        self._n_ended += 1

    on_failure = on_train_end

    def _value_of(self, member: ObservedMember, logs: dict[str, float]) -> float:
        del member
        name = self.monitor or ("val_loss" if "val_loss" in logs else "loss")
        is_better_small = monitor_mode(name) == "min"
        return -logs[name] if self._maximizes == is_better_small else logs[name]

    def _report(self, values: list[float], epoch: int) -> bool:
        self.trial.report(float(np.mean(values)), epoch)
        return self.trial.should_prune()
