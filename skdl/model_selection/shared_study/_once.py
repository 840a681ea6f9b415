"""A trial that a study gets once, however many processes ask for it at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from skdl._compat_optuna import FIXED_PARAMS, fixed_params, storage_of, study_id, trial_id
from skdl.model_selection.shared_study._heartbeat import SIGNATURE
from skdl.model_selection.shared_study._outcome import REASON, UNCOUNTED
from skdl.model_selection.shared_study._worker import RETRY_OF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import FrozenTrial

__all__ = ["enqueue_once"]


def enqueue_once(study: optuna.Study, params: Mapping[str, Any]) -> None:
    """Enqueue a trial with these parameters fixed, unless the study has one already.

    Storages number trials in one step. So each process adds a trial that nobody can take yet, and
    looks: the one with the lowest number is to be evaluated, and others withdraw theirs.

    Parameters
    ----------
    study : optuna.Study
    params : mapping of str to object
        As for ``study.enqueue_trial``. A trial with these fixed, and others too, is the same one.
    """
    if _trials_with(study, params):
        return
    storage = storage_of(study)
    template = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        # Taken for lost, and so done by somebody, if this process ends before the next lines.
        user_attrs={SIGNATURE: None},
        system_attrs={FIXED_PARAMS: dict(params)},
    )
    id_in_storage = storage.create_new_trial(study_id(study), template)
    first = min(_trials_with(study, params), key=lambda trial: trial.number)
    if trial_id(first) == id_in_storage:
        storage.set_trial_state_values(id_in_storage, TrialState.WAITING)
        return
    storage.set_trial_user_attr(id_in_storage, REASON, "another process has enqueued the same")
    storage.set_trial_user_attr(id_in_storage, UNCOUNTED, value=True)
    # Its own successor: nobody has to do it again.
    storage.set_trial_user_attr(id_in_storage, RETRY_OF, storage.get_trial(id_in_storage).number)
    storage.set_trial_state_values(id_in_storage, TrialState.FAIL)


def _trials_with(study: optuna.Study, params: Mapping[str, Any]) -> list[FrozenTrial]:
    """Return the trials that were enqueued with these parameters, but for those given up."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if params.items() <= fixed_params(trial).items()
        and not (trial.state == TrialState.FAIL and trial.user_attrs.get(UNCOUNTED, False))
    ]
