"""Private parts of Optuna that we use, each with what breaks if it goes away.

Nothing else in the package looks up a private name of Optuna. All of them serve the shared study:
Optuna's own loop can neither evaluate several trials in one call nor keep a budget among processes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

__all__ = [
    "FIXED_PARAMS",
    "Stop",
    "drop_cached_trials",
    "fixed_params",
    "frozen_trial",
    "grid_point",
    "hidden_attrs",
    "queue",
    "report_fold_scores",
    "set_hidden_attr",
    "set_hidden_study_attr",
    "set_metric_names",
    "stoppable",
    "storage_of",
    "study_id",
    "study_without",
    "trial_id",
    "untold_storage",
]

# Where Optuna keeps what a trial was enqueued with.
FIXED_PARAMS = "fixed_params"
_GRID = ("search_space", "grid_id")


def storage_of(study: optuna.Study) -> BaseStorage:
    """Return where a study keeps its trials.

    A study has no public way to it. Without it, trials cannot be signed, given back or declared
    lost, so several processes could not share one budget.
    """
    return study._storage


@contextlib.contextmanager
def untold_storage() -> Iterator[None]:
    """Let this thread make a study in memory without a line in the log.

    The name of the logger is private. Without it, who loads a search would be told of a new study.
    """
    thread = threading.get_ident()
    logger = logging.getLogger("optuna.storages._in_memory")

    def is_told(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_told)
    try:
        yield
    finally:
        logger.removeFilter(is_told)


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
    return trial.system_attrs.get(FIXED_PARAMS, {})


def frozen_trial(trial: optuna.Trial) -> FrozenTrial:
    """Return a running trial as its study holds it now.

    Without it, a running trial could not be asked what it was enqueued with.
    """
    return storage_of(trial.study).get_trial(trial_id(trial))


def hidden_attrs(holder: optuna.Study | FrozenTrial) -> dict[str, Any]:
    """Return what a trial or study holds for programs alone; dashboards do not show it.

    Optuna calls it system attributes. Without them, each trial of a dashboard would show its
    folds' scores as one long line among the attributes that are meant to be read.
    """
    from optuna import Study

    if isinstance(holder, Study):
        return storage_of(holder).get_study_system_attrs(study_id(holder))
    return holder.system_attrs


def set_hidden_attr(trial: optuna.Trial, key: str, value: Any) -> None:
    """Set one of a trial's `hidden_attrs`."""
    storage_of(trial.study).set_trial_system_attr(trial_id(trial), key, value)


def set_hidden_study_attr(study: optuna.Study, key: str, value: Any) -> None:
    """Set one of a study's `hidden_attrs`."""
    storage_of(study).set_study_system_attr(study_id(study), key, value)


def set_metric_names(study: optuna.Study, names: Sequence[str]) -> None:
    """Name the objectives of a study that has no names for them yet.

    Optuna calls the public method experimental, in a warning that is not for our users. What it
    writes is all that is used here, as to silence warnings is not safe among threads.
    """
    if study.metric_names is None:
        set_hidden_study_attr(study, "study:metric_names", list(names))


def report_fold_scores(trial: optuna.Trial, scores: Sequence[float]) -> None:
    """Let Optuna's terminators know the scores of a trial's folds, of which they need two.

    The public function warns that terminators are to become a package of their own. Without it,
    those could not tell when a search is as good as the noise of its folds allows.
    """
    if len(scores) > 1:
        set_hidden_attr(trial, "terminator:cv_scores", list(scores))


def study_without(study: optuna.Study, is_hidden: Callable[[FrozenTrial], bool]) -> Any:
    """Return a study as samplers see it, without some of its trials.

    Samplers read trials through private names. Without these, they would see all trials.

    Parameters
    ----------
    study : optuna.Study
    is_hidden : callable
        ``is_hidden(trial)`` tells whether a sampler must not see a trial.
    """
    return _View(study, is_hidden)


class _View:
    """A study or a storage without some of its trials, as samplers see it.

    Optuna's own Hyperband shows samplers parts of a study in the same way.
    """

    def __init__(self, whole: Any, is_hidden: Callable[[FrozenTrial], bool]) -> None:
        self._whole = whole
        self._is_hidden = is_hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    @property
    def _storage(self) -> Any:
        return _View(self._whole._storage, self._is_hidden)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.get_trials()

    def get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        return self._shown(self._whole.get_trials(*args, **kwargs))

    def _get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        return self._shown(self._whole._get_trials(*args, **kwargs))

    def get_all_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        return self._shown(self._whole.get_all_trials(*args, **kwargs))

    def _shown(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        return [trial for trial in trials if not self._is_hidden(trial)]


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
