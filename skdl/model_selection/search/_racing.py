"""The pruner of a search: a trial races against the best, fold by fold.

What is hard in one fold is hard for all trials, so it is their differences on the same folds that
tell who is ahead. A trial ends at a rung if it is behind the leader there, and if that is more than
the folds differ among themselves. Of the trials that run side by side, at most half go on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from optuna.pruners import BasePruner
from optuna.trial import TrialState

from skdl._compat_optuna import frozen_trial, hidden_attrs, set_hidden_attr
from skdl.model_selection.cross_validation import corrected_t_test

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna
    from numpy.typing import NDArray
    from optuna.trial import FrozenTrial

__all__ = ["RacingPruner", "record_rung", "rungs_of"]

# What a trial leaves in the study: for each rung that it reached, the values of its folds.
_RUNGS = "skdl:rungs"
# After fewer epochs the leader may be who merely began fastest.
_FEWEST_EPOCHS = 3
# Of so few trials nobody can tell the good from the bad.
_FEWEST_TRIALS = 5
_FIRST_SHARE = 0.05
# Of more trials at a time, the first halvings come earlier: what they cost grows with the trials.
_MOST_AT_FIRST_RUNG = 64
# Waves of "coslog4" end where log2(1 + 15 t) is whole. A cosine is down at its very end only; these
# have half of the rate and a seventh.
_RATE_IS_DOWN = {"coslog4": (1 / 15, 3 / 15, 7 / 15), "cosine": (1 / 2, 3 / 4)}


def rungs_of(n_epochs: int, schedule: str, n_together: int = 1) -> tuple[int, ...]:
    """Return the epochs after which trials are compared.

    Where the learning rate is high, the loss of a good network may be that of a poor one. So
    trials are compared where a schedule has the rate down; with a flat rate, after 5 % of the
    epochs and at each doubling. There, more than 64 trials at a time are halved earlier than that,
    after one epoch at the earliest: much worse than the others is seen at once (Egele et al. 2024,
    arXiv:2404.04111).

    Parameters
    ----------
    n_epochs : int
        Of a whole trial.
    schedule : str
        See `skdl.training.Schedule`.
    n_together : int, default=1
        Trials of a round.

    Returns
    -------
    rungs : tuple of int
        In rising order, before the last epoch.
    """
    if schedule in _RATE_IS_DOWN:
        epochs = [math.ceil(share * n_epochs) for share in _RATE_IS_DOWN[schedule]]
        epochs = [e for e in epochs if e >= _FEWEST_EPOCHS]
    else:
        first = max(_FEWEST_EPOCHS, round(_FIRST_SHARE * n_epochs))
        while first > 1 and n_together > _MOST_AT_FIRST_RUNG:
            first, n_together = first // 2, n_together // 2
        epochs = [first << i for i in range(max(1, n_epochs).bit_length())]
    return tuple(sorted({e for e in epochs if e < n_epochs}))


class RacingPruner(BasePruner):
    """Ends trials that are behind the leader on the same folds, beyond their noise.

    Racing is due to Maron and Moore (1994, "Hoeffding races"); here it is over epochs, and judged
    by the t-test for overlapping folds of Nadeau and Bengio (2003), one-sided. The leader at a
    rung is the best of all trials that came so far, whether it was pruned later or not.

    Of many trials that come to a rung at the same time, the better half goes on, as in successive
    halving (Jamieson and Talwalkar 2016, Alg. 1). At first the best go on however far they are
    behind the leader, so many that `n_trials` end whole.

    Parameters
    ----------
    rungs : sequence of int
        Epochs after which trials are compared.
    n_train, n_test : ndarray of shape (n_folds,)
        Rows of each fold.
    significance : float in (0, 1), default=0.15
        Chance at most that a trial as good as the leader ends at one rung.
    n_trials : int, default=5
        Nothing ends before so many trials have been completed, or twice as many have come to the
        rung. The best of these then go on until so many have been completed.
    """

    def __init__(
        self,
        rungs: Sequence[int],
        n_train: NDArray[np.int64],
        n_test: NDArray[np.int64],
        *,
        significance: float = 0.15,
        n_trials: int = _FEWEST_TRIALS,
    ) -> None:
        self.rungs = tuple(rungs)
        self.n_train, self.n_test = n_train, n_test
        self.significance, self.n_trials = significance, n_trials

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether a trial that has just come to a rung ends there."""
        step = trial.last_step
        own = _values_at(trial, step)
        if own is None or step is None:
            return False
        trials = study.get_trials(deepcopy=False)
        others = [
            (t.state, values)
            for t in trials
            if t.number != trial.number
            and (values := _values_at(t, step)) is not None
            and len(values) == len(own)
        ]
        n_completed = sum(t.state == TrialState.COMPLETE for t in trials)
        is_known = len(others) >= self.n_trials and n_completed >= self.n_trials
        if not is_known and len(others) < 2 * self.n_trials:
            return False
        own_mean = _mean(own)
        means = [_mean(values) for _, values in others]
        beside = [
            mean
            for (state, _), mean in zip(others, means, strict=True)
            if state == TrialState.RUNNING
        ]
        n_better = sum(mean > own_mean for mean in beside)
        # However far the leader is ahead: who leads after few epochs need not in the end.
        if n_better < self.n_trials - n_completed:
            return False
        better_half = (len(beside) + 2) // 2
        if n_better >= better_half:
            return True
        if step < _FEWEST_EPOCHS:
            return False
        return self._is_behind(own, others[means.index(max(means))][1])

    def _is_behind(self, own: list[float], leader: list[float]) -> bool:
        """Tell whether the leader is ahead by more than the folds' noise."""
        found = corrected_t_test(np.array(own), np.array(leader), self.n_train, self.n_test)
        is_behind = bool(found.difference < 0)
        # Of a single fold, nobody knows the noise.
        if math.isnan(found.p_value):
            return is_behind
        return is_behind and found.p_value / 2 < self.significance


def record_rung(trial: optuna.Trial, epoch: int, values: NDArray[np.float64]) -> None:
    """Leave in the study what the folds of a trial have reached at a rung.

    Parameters
    ----------
    trial : optuna.Trial
    epoch : int
    values : ndarray of shape (n_folds,)
        Larger is better; NaN for a fold that has none.
    """
    known = hidden_attrs(frozen_trial(trial)).get(_RUNGS, {})
    # JSON, in which databases keep it, has neither NaN nor infinity.
    plain = [float(value) if math.isfinite(value) else None for value in values]
    set_hidden_attr(trial, _RUNGS, {**known, str(epoch): plain})


def _values_at(trial: FrozenTrial, step: int | None) -> list[float] | None:
    """Return the values of a trial's folds at a rung; None if it did not come so far.

    A race compares each trial with each other one, so this is no array, which would be slower.
    """
    rungs: Mapping[str, list[float | None]] = hidden_attrs(trial).get(_RUNGS, {})
    values = [math.nan if value is None else value for value in rungs.get(str(step), ())]
    return None if all(map(math.isnan, values)) else values


def _mean(values: list[float]) -> float:
    """Return the mean of those folds that have a value."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known)
