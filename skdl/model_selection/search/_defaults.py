"""The sampler and the pruner of a search, where its user names none."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import optuna
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState
from sklearn.utils import check_random_state

from skdl.estimators.base import max_epochs_of
from skdl.model_selection._networks import nested_networks

if TYPE_CHECKING:
    import numpy as np
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

__all__ = ["make_pruner", "make_sampler", "max_epochs"]

# A curve of fewer epochs says nothing.
_FEWEST_EPOCHS = 3
# Of so few trials nobody can tell the good from the bad.
_FEWEST_TRIALS = 5


def max_epochs(estimator: Any) -> int | None:
    """Return the epochs of the longest of an estimator's networks; None without a network."""
    networks = nested_networks(estimator).values()
    return max(map(max_epochs_of, networks), default=None)


def make_sampler(
    sampler: BaseSampler | None,
    random_state: int | np.random.RandomState | None,
    *,
    is_parallel: bool,
) -> BaseSampler:
    """Return a sampler for one search.

    Parameters
    ----------
    sampler : optuna.samplers.BaseSampler or None
        The user's, of which a copy is returned; None is a tree-structured Parzen estimator.
    random_state : int, RandomState or None
        Seeds the latter.
    is_parallel : bool
        Whether several trials may run at the same time.

    Returns
    -------
    sampler : optuna.samplers.BaseSampler
    """
    if sampler is not None:
        return copy.deepcopy(sampler)  # the study changes it
    seed = None
    if random_state is not None:
        seed = int(check_random_state(random_state).randint(2**31 - 1))
    with warnings.catch_warnings():
        # Optuna calls options experimental that have been there for years.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Trials that run at the same time must not all be suggested from the same place.
        return TPESampler(seed=seed, constant_liar=is_parallel)


def make_pruner(pruner: BasePruner | str | None, n_epochs: int | None) -> BasePruner:
    """Return a pruner for one search.

    Parameters
    ----------
    pruner : optuna.pruners.BasePruner, "auto" or None
        The user's, of which a copy is returned; ``"auto"`` is successive halving, once
        five trials have been completed; None is none.
    n_epochs : int or None
        Length of a trial; None if its epochs cannot be judged.

    Returns
    -------
    pruner : optuna.pruners.BasePruner
    """
    if isinstance(pruner, BasePruner):
        return copy.deepcopy(pruner)  # Hyperband's takes its measures from a study
    if pruner is None or n_epochs is None:
        return NopPruner()
    first_rung = max(_FEWEST_EPOCHS, n_epochs // 20)
    return _AfterTrials(
        SuccessiveHalvingPruner(min_resource=first_rung, reduction_factor=4), _FEWEST_TRIALS
    )


class _AfterTrials(BasePruner):
    """Another pruner, but for the time until some trials have been completed.

    Parameters
    ----------
    pruner : optuna.pruners.BasePruner
    n_trials : int
    """

    def __init__(self, pruner: BasePruner, n_trials: int) -> None:
        self.pruner = pruner
        self.n_trials = n_trials
        self._has_begun = False

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        # Asked in any case, as it takes note of the values that later trials are compared with.
        is_behind = self.pruner.prune(study, trial)
        if is_behind and not self._has_begun:
            complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            self._has_begun = len(complete) >= self.n_trials
        return is_behind and self._has_begun
