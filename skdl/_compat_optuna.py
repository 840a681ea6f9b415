"""Private parts of Optuna that we use, each with what breaks if it goes away.

Nothing else in the package looks up a private name of Optuna. All of them serve the shared study:
Optuna's own loop can neither evaluate several trials in one call nor keep a budget among processes.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

__all__ = [
    "Stop",
    "drop_cached_trials",
    "fixed_params",
    "grid_point",
    "queue",
    "stoppable",
    "storage_of",
    "study_id",
    "trial_id",
]

_GRID = ("search_space", "grid_id")


def storage_of(study: optuna.Study) -> BaseStorage:
    """Return where a study keeps its trials.

    A study has no public way to it. Without it, trials cannot be signed, given back or declared
    lost, so several processes could not share one budget.
    """
    return study._storage


def study_id(study: optuna.Study) -> int:
    """Return the number of a study in its storage, which the storage's own methods ask for.

    Without it, a trial could not be created and signed in one step.
    """
    return study._study_id


def trial_id(trial: optuna.Trial | FrozenTrial) -> int:
    """Return the number of a trial in its storage, which the storage's own methods ask for.

    The public ``trial.number`` counts within one study. Without this one, no trial could be signed,
    given back or declared lost.
    """
    return trial._trial_id


def fixed_params(trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters with which a trial was enqueued.

    They stand under a key of Optuna's own. Without it, a retry of a lost trial would draw anew
    those of its enqueued parameters that had not been suggested yet.
    """
    return trial.system_attrs.get("fixed_params", {})


def grid_point(trial: FrozenTrial) -> dict[str, Any]:
    """Return what a ``GridSampler`` has noted of a trial; empty for other samplers.

    It draws a point by its number, before any parameter is suggested. Without it, a retry of a
    trial lost so early would draw another point, and the sampler fails on trials without a number
    (``KeyError: 'grid_id'``, when the last point but one has ended).
    """
    return {key: trial.system_attrs[key] for key in _GRID if key in trial.system_attrs}


def drop_cached_trials(study: optuna.Study) -> None:
    """Let this thread's next look at a study see all its trials, as ``study.ask`` does.

    Without it, a sampler may not see trials that have ended since.
    """
    study._thread_local.cached_all_trials = None


def queue(
    study: optuna.Study,
    params: dict[str, Any],
    grid_point: dict[str, Any],
    user_attrs: dict[str, Any],
) -> None:
    """Let some worker evaluate parameters, as ``study.enqueue_trial`` does, and a grid's point.

    The key under which fixed parameters stand is Optuna's own. Without it, see `grid_point`.
    """
    from optuna.trial import TrialState, create_trial

    fixed = {"fixed_params": params} if params else {}
    study.add_trial(
        create_trial(
            state=TrialState.WAITING, system_attrs={**fixed, **grid_point}, user_attrs=user_attrs
        )
    )


class Stop:
    """Tells whether ``study.stop()`` was called; without it, see `stoppable`."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __call__(self) -> bool:
        return self._study._stop_flag

    def take_back(self) -> None:
        """Let the study go on, as if it had not been called."""
        self._study._stop_flag = False


@contextlib.contextmanager
def stoppable(study: optuna.Study) -> Iterator[Stop]:
    """Let ``study.stop()`` work, which Optuna allows inside ``study.optimize`` only.

    Yields what tells whether it was called. Without it, callbacks of the user's could not end a
    search.
    """
    local = study._thread_local
    before = local.in_optimize_loop
    local.in_optimize_loop, study._stop_flag = True, False
    try:
        yield Stop(study)
    finally:
        local.in_optimize_loop = before
