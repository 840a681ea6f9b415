"""The sampler and the pruner of a search, where its user names none."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BruteForceSampler, TPESampler
from sklearn.utils import check_random_state

from skdl.estimators.base import max_epochs_of
from skdl.model_selection._networks import nested_networks
from skdl.model_selection._split import rows_of_splits
from skdl.model_selection.search._racing import RacingPruner, rungs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from optuna.samplers import BaseSampler

__all__ = ["make_pruner", "make_sampler", "max_epochs", "size_of_round"]

# Enough that the first round can be judged, and few for a sampler to suggest at once.
_TRIALS_OF_A_RACE = 12


def max_epochs(estimator: Any, splits: Sequence[tuple[Any, Any]]) -> int | None:
    """Return the epochs of the longest of an estimator's networks; None without a network."""
    n_rows = len(splits[0][0])
    networks = nested_networks(estimator).values()
    return max((max_epochs_of(network, n_rows) for network in networks), default=None)


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


def make_pruner(
    pruner: BasePruner | str | None,
    estimator: Any,
    splits: Sequence[tuple[Any, Any]],
    *,
    is_judged: bool,
    trials_together: int | str = "auto",
    n_trials: int | None = None,
) -> BasePruner:
    """Return a pruner for one search.

    Parameters
    ----------
    pruner : optuna.pruners.BasePruner, "auto" or None
        The user's, of which a copy is returned; ``"auto"`` is a `RacingPruner`; None is none.
    estimator : object
        Whose trials are judged.
    splits : sequence of (train, test)
    is_judged : bool
        Whether its epochs can be: those of a network, by a single objective.
    trials_together : int or "auto", default="auto"
    n_trials : int or None, default=None
        Of the search.

    Returns
    -------
    pruner : optuna.pruners.BasePruner
    """
    if isinstance(pruner, BasePruner):
        return copy.deepcopy(pruner)  # Hyperband's takes its measures from a study
    n_epochs = max_epochs(estimator, splits)
    if pruner is None or n_epochs is None or not is_judged:
        return NopPruner()
    schedules = {
        getattr(network, "learning_rate_schedule", "constant")
        for network in nested_networks(estimator).values()
    }
    schedule = schedules.pop() if len(schedules) == 1 else "constant"
    n_together = _TRIALS_OF_A_RACE if isinstance(trials_together, str) else trials_together
    rungs = rungs_of(n_epochs, schedule, min(n_together, n_trials or n_together))
    return RacingPruner(rungs, *rows_of_splits(splits))


def size_of_round(
    trials_together: int | str, pruner: BasePruner, sampler: BaseSampler | None
) -> int:
    """Return how many trials are asked for and trained at once.

    Parameters
    ----------
    trials_together : int or "auto"
    pruner : optuna.pruners.BasePruner
        That of `make_pruner`.
    sampler : optuna.samplers.BaseSampler or None
        The user's. One that tries all there is would draw at the end what is under way already.

    Returns
    -------
    n_trials : int
    """
    if isinstance(trials_together, str) and isinstance(sampler, BruteForceSampler):
        return 1
    if isinstance(trials_together, str):
        return _TRIALS_OF_A_RACE if isinstance(pruner, RacingPruner) else 1
    return trials_together
