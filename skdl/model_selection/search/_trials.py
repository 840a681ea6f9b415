"""What one trial of a search is: parameters in, the scores of all folds out."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from optuna.exceptions import TrialPruned
from optuna.pruners import NopPruner, WilcoxonPruner
from sklearn.base import clone

from skdl._compat_model_selection import is_multimetric, strict_scorer
from skdl._compat_optuna import (
    fixed_params,
    frozen_trial,
    report_fold_scores,
    set_hidden_attr,
)
from skdl._compat_sklearn import check_method_params, safe_split
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._lockstep import ensure_lockstep, with_sklearn_config
from skdl.model_selection.cross_validation import unscored
from skdl.model_selection.search._pruning import MeanCurve
from skdl.model_selection.search._racing import RacingPruner, record_rung
from skdl.model_selection.search._start import is_start
from skdl.model_selection.shared_study import Outcome
from skdl.training.lockstep import MOST_WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import optuna
    from numpy.typing import NDArray

    from skdl.model_selection.cross_validation import Fold, Folds
    from skdl.model_selection.search._library import Library
    from skdl.model_selection.search._progress import SearchProgress
    from skdl.model_selection.search._space import Space
    from skdl.model_selection.search._start import Start

__all__ = ["FAILED_FOLDS", "N_EPOCHS", "SCORES", "SECONDS", "Trials"]

# What a trial leaves in the study, so that every process can read the results of all.
SCORES = "skdl:scores"
N_EPOCHS = "skdl:n_epochs"
SECONDS = "skdl:seconds"
FAILED_FOLDS = "skdl:failed_folds"
# For readers of the study: the values of the estimator as it is, in the space or not.
_START = "skdl:start"

_LONGEST_REASON = 1000


@dataclasses.dataclass
class Trials:
    """Evaluates trials of one search, each by cross-validation.

    Parameters
    ----------
    estimator : object
        Cloned for each trial.
    space : Space
    start : Start
        The estimator as it is.
    folds : Folds
        The splits, the same for all trials.
    metrics : list of str
        ``["score"]`` where there is one without a name.
    objectives : list of str
        Those of the metrics that are to be maximized.
    takes_first : bool
        Whether of a dict that a function of the user's returns, the first score is maximized.
    pruner : optuna.pruners.BasePruner
    splits_per_iteration : int
        How many splits a pruner that judges fold by fold lets train together.
    n_jobs : int or None
        For estimators without networks.
    progress : SearchProgress
    make_library : callable
        ``make_library(estimator, folds)`` returns where completed trials are kept for an ensemble,
        or None.
    """

    estimator: Any
    space: Space
    start: Start
    folds: Folds
    metrics: list[str]
    objectives: list[str]
    takes_first: bool
    pruner: optuna.pruners.BasePruner
    splits_per_iteration: int
    n_jobs: int | None
    progress: SearchProgress
    make_library: Callable[[Any, Folds], Library | None]

    def __post_init__(self) -> None:
        # Scores and losses must not meet in one study, so the first score decides for all trials.
        self._is_scored_by_epoch = False
        self.problem = ""
        self._raised: dict[int, Exception] = {}
        # Of guesses that a function of the user's did not ask for, by trial.
        self.unused: dict[int, list[str]] = {}
        self._library = self.make_library(self.estimator, self.folds)
        self._epoch_scorer = _scorer_of(self.folds.scorer, self.objectives[0])

    @property
    def _prunes_by_epoch(self) -> bool:
        is_by_fold_or_never = isinstance(self.pruner, NopPruner | WilcoxonPruner)
        return not is_by_fold_or_never and len(self.objectives) == 1

    @property
    def _rungs(self) -> tuple[int, ...]:
        """Epochs after which the trials of a round are judged, all of them at once."""
        pruner = self.pruner
        return pruner.rungs if isinstance(pruner, RacingPruner) and self._prunes_by_epoch else ()

    def __call__(self, trials: list[optuna.Trial]) -> list[Outcome]:
        """Evaluate trials together; return how each ended."""
        try:
            return self._evaluate_together(trials)
        except Exception as error:
            if not any(raised is error for raised in self._raised.values()):
                raise
            # The others are not to blame for it: they are done again, once it is mended.
            return [
                Outcome.failed(_reason(error), error)
                if self._raised.get(trial.number) is error
                else Outcome.cut_short()
                for trial in trials
            ]

    def _evaluate_together(self, trials: list[optuna.Trial]) -> list[Outcome]:
        # One after another, as a sampler looks at what it has suggested to the others.
        suggested = [(trial, self._suggest(trial)) for trial in trials]
        if len(suggested) == 1:
            return [self._evaluate(*suggested[0])]
        run = delayed(with_sklearn_config(self._evaluate))
        # All folds of a trial must wait together to be judged together.
        at_once = max(1, MOST_WAITING // len(self.folds.splits))
        outcomes: list[Outcome] = []
        with ensure_lockstep():
            for i in range(0, len(suggested), at_once):
                outcomes += Parallel()(run(*each) for each in suggested[i : i + at_once])
        return outcomes

    def _suggest(self, trial: optuna.Trial) -> dict[str, Any] | Outcome:
        """Return a trial's parameters, or how it ended if a function of the user's raises."""
        frozen = frozen_trial(trial)
        if is_start(frozen):
            self.space.suggest_fixed(trial, fixed_params(frozen))
            trial.set_user_attr(_START, self.start.texts)
            return {}
        try:
            params = self.space.suggest(trial)
        except Exception as error:
            # Of wrong names no trial would fare better, and samplers are not the user's to mend.
            if self.space.names is not None or isinstance(error, InvalidParameterError):
                self._raised[trial.number] = error
                raise
            return self._outcome_of_error(trial, error)
        if unused := [name for name in fixed_params(frozen) if name not in trial.params]:
            self.unused[trial.number] = unused
        return params

    def _evaluate(self, trial: optuna.Trial, params: dict[str, Any] | Outcome) -> Outcome:
        start = time.monotonic()
        is_first = is_start(frozen_trial(trial))
        curve = MeanCurve(
            lambda member, _: (member.held_out.get("score"), member.held_out.get("loss")),
            # After the last epoch there is nothing to be saved, and a score to be had.
            lambda values, epoch: (
                # What all others are compared with runs to its end.
                self._should_prune(trial, self._fold_values(values), epoch)
                and not curve.is_over
                and not is_first
            ),
            n_folds=len(self.folds.splits),
            may_end_early=self._prunes_by_epoch,
            rungs=self._rungs,
            ends_at_rung=lambda _: not is_first and trial.should_prune(),
        )
        outcome = params if isinstance(params, Outcome) else self._try_params(trial, params, curve)
        set_hidden_attr(trial, N_EPOCHS, curve.n_epochs)
        set_hidden_attr(trial, SECONDS, time.monotonic() - start)
        return outcome

    def _try_params(self, trial: optuna.Trial, params: dict[str, Any], curve: MeanCurve) -> Outcome:
        try:
            folds = self._run(trial, clone(self.estimator).set_params(**params), curve)
        except Exception as error:  # noqa: BLE001 - recorded with the trial
            return self._outcome_of_error(trial, error)
        self.problem = self.problem or unscored(folds)
        return self._record_scores(trial, folds)

    def _outcome_of_error(self, trial: optuna.Trial, error: Exception) -> Outcome:
        if isinstance(error, TrialPruned):
            return Outcome.pruned(str(error))
        if self.folds.error_score == "raise":
            self._raised[trial.number] = error
            raise error
        return Outcome.failed(_reason(error))

    def _run(self, trial: optuna.Trial, estimator: Any, curve: MeanCurve) -> list[Fold]:
        if isinstance(self.pruner, WilcoxonPruner) and len(self.objectives) == 1:
            return self._run_fold_by_fold(trial, estimator, curve)
        return self.folds.run(
            estimator,
            n_jobs=self.n_jobs,
            epoch_scorer=self._epoch_scorer if self._prunes_by_epoch else None,
            epochs=self._rungs or None,
            observers=[curve],
        )

    def _run_fold_by_fold(
        self, trial: optuna.Trial, estimator: Any, curve: MeanCurve
    ) -> list[Fold]:
        """Judge a trial by the scores of single folds, against the best trial's on the same."""
        n_splits = len(self.folds.splits)
        # One pass over the rows trains together, as judging it needs all of it; with a single
        # pass, each fold is one to be judged.
        at_once = self.splits_per_iteration if self.splits_per_iteration < n_splits else 1
        done: list[Fold] = []
        for start in range(0, n_splits, at_once):
            splits = self.folds.splits[start : start + at_once]
            folds = dataclasses.replace(self.folds, splits=splits)
            done += folds.run(estimator, n_jobs=self.n_jobs, observers=[curve])
            for i in range(start, len(done)):
                value = self._value(_scores_of(done[i]), self.objectives[0])
                if not math.isnan(value):
                    trial.report(value, i)
            if trial.should_prune() and not is_start(frozen_trial(trial)):
                raise TrialPruned(f"Pruned after {len(done)} of {n_splits} folds.")
        return done

    def _should_prune(self, trial: optuna.Trial, values: NDArray[np.float64], epoch: int) -> bool:
        # A fold that cannot be scored (one class only, say) is left out.
        known = values[~np.isnan(values)]
        mean = float(known.mean()) if len(known) else math.nan
        self.progress.epoch(trial.number, epoch, mean)
        # Pruners end what is NaN; left alone, it diverges and is recorded as failed.
        if not self._prunes_by_epoch or math.isnan(mean):
            return False
        trial.report(mean, epoch)
        if epoch in self._rungs:
            record_rung(trial, epoch, values)
        return not self._rungs and trial.should_prune()

    def _fold_values(
        self, values: Sequence[tuple[float | None, float | None]]
    ) -> NDArray[np.float64]:
        """Return the score of each fold, or its negative loss if nothing is scored."""
        scores = np.array([score for score, _ in values], float)  # None becomes NaN
        self._is_scored_by_epoch = self._is_scored_by_epoch or not np.isnan(scores).all()
        if self._is_scored_by_epoch:
            return scores
        losses = -np.array([loss for _, loss in values], float)
        # A loss that is no number is that of a network about to be given up, and of no other fold.
        return np.full_like(losses, np.nan) if np.isnan(losses).any() else losses

    def _record_scores(self, trial: optuna.Trial, folds: Sequence[Fold]) -> Outcome:
        """Record the scores of all folds, and return what they come to."""
        failed = [f.result["fit_error"] for f in folds if f.result["fit_error"] is not None]
        names = next((list(s) for s in map(_scores_of, folds) if s), self.metrics)
        error = dict.fromkeys(names, self.folds.error_score)
        scores: dict[str, Any] = {
            rows: [_scores_of(fold, rows) or error for fold in folds]
            for rows in (("test", "train") if self.folds.return_train_score else ("test",))
        }
        for name in ("fit_time", "score_time"):
            scores[name] = [fold.result[name] for fold in folds]
        # JSON, in which databases keep it, has no NaN.
        set_hidden_attr(trial, SCORES, _without_nan(scores))
        if failed:
            set_hidden_attr(trial, FAILED_FOLDS, len(failed))
        of_folds = [[self._value(s, name) for s in scores["test"]] for name in self.objectives]
        values = [float(np.mean(own)) for own in of_folds]
        reason = _shorten(_exception(failed[0])) if failed else ""
        if any(map(math.isnan, values)):
            return Outcome.failed(reason or self._scoring_error(folds))
        if self._library is not None:
            self._library.add(trial.number, folds)
        if len(of_folds) == 1 and all(map(math.isfinite, of_folds[0])):
            report_fold_scores(trial, of_folds[0])
        return dataclasses.replace(Outcome.completed(values), reason=reason)

    def _value(self, scores: dict[str, float], name: str) -> float:
        """Return the score of an objective, NaN for a fit that failed."""
        if not scores:
            return math.nan
        # Only a call tells whether a function of the user's returns one score or a dict of them.
        score = scores.get(name, scores.get("score"))
        if score is None and self.takes_first:
            score = next(iter(scores.values()))
        if score is None:
            raise InvalidParameterError(
                f"OptunaSearchCV: scoring returned a dict of {list(scores)}, and refit does not "
                "name one of them. Expected the name of the one to maximize, for example "
                f"refit={next(iter(scores))!r}."
            )
        return score

    def _scoring_error(self, folds: Sequence[Fold]) -> str:
        """Return why a score is NaN, which scikit-learn tells in a warning alone."""
        scorer = self.folds.scorer
        if is_multimetric(scorer):
            scorer = strict_scorer(scorer)
        for fold, (train, test) in zip(folds, self.folds.splits, strict=True):
            if not any(map(math.isnan, _scores_of(fold).values())):
                continue
            estimator = fold.result["estimator"]
            X, y = safe_split(estimator, self.folds.X, self.folds.y, test, train)
            params = check_method_params(self.folds.X, self.folds.score_params, indices=test)
            try:
                scorer(estimator, X, *(() if y is None else (y,)), **params)
            except Exception as error:  # noqa: BLE001 - a scorer is the user's code
                return _reason(error)
        return "a score is NaN"


def _scorer_of(scorers: Any, name: str) -> Callable[..., float]:
    """Return the scorer of one metric."""
    if is_multimetric(scorers):
        # Not the scorer itself: this one hands on no weights that it does not take.
        scorers = strict_scorer(scorers, name)

    def score(*args: Any, **kwargs: Any) -> float:
        scores = scorers(*args, **kwargs)
        return scores[name] if isinstance(scores, dict) else scores

    return score


def _scores_of(fold: Fold, rows: str = "test") -> dict[str, float]:
    """Return a fold's scores by name; none for a fit that failed."""
    if fold.result["fit_error"] is not None:
        return {}
    scores = fold.result[f"{rows}_scores"]
    return dict(scores) if isinstance(scores, dict) else {"score": scores}


def _exception(trace: str) -> str:
    """Return what a traceback ends with: the exception and its message."""
    frames, _, rest = trace.strip().rpartition("Traceback (most recent call last):\n")
    del frames
    lines = rest.splitlines()
    start = next((i for i, line in enumerate(lines) if not line.startswith(" ")), 0)
    kind, *message = "\n".join(lines[start:]).partition(":")
    return "".join([kind.rpartition(".")[2], *message])


def _reason(error: Exception) -> str:
    return _shorten(f"{type(error).__name__}: {error}")


def _shorten(reason: str) -> str:
    """Return a reason that is fit for a table: TensorFlow tells of whole graphs."""
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]} ..."


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return float(value) if math.isfinite(value) else None
