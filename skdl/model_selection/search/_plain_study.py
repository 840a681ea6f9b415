"""Studies of Optuna in files of plain data: their trials, in a storage in memory.

What drew the trials, and where they were stored, stays behind: a sampler and a storage are what
the reader's own search is given.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import TrialState, create_trial

from skdl._compat_optuna import hidden_attrs, set_hidden_study_attr, untold_storage
from skdl._plain_data import (
    any_value,
    items,
    mapping,
    natural,
    one_of,
    optional,
    refused,
    register,
    register_foreign,
    sequence,
    text,
)
from skdl._validation import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import FrozenTrial

__all__ = ["SavedStudy", "SavedTrial"]


@dataclasses.dataclass(frozen=True)
class SavedTrial:
    """One trial of a study.

    Parameters
    ----------
    state : str
        Name of one of Optuna's states.
    values, params, user_attrs, hidden_attrs : object
        As the trial has them.
    distributions : dict of str to str
        As Optuna writes them, JSON.
    curve : tuple of (int, float) pairs
        What it reported, by step.
    began, ended : str or None
        Dates in ISO 8601.
    """

    state: str
    values: list[float] | None
    params: dict[str, Any]
    distributions: dict[str, str]
    user_attrs: dict[str, Any]
    hidden_attrs: dict[str, Any]
    curve: tuple[tuple[int, float], ...]
    began: str | None
    ended: str | None

    @classmethod
    def of(cls, trial: FrozenTrial) -> SavedTrial:
        """Describe a trial; one that still runs elsewhere has failed as far as a copy can tell."""
        is_running = trial.state == TrialState.RUNNING
        return cls(
            "FAIL" if is_running else trial.state.name,
            trial.values,
            dict(trial.params),
            {name: distribution_to_json(own) for name, own in trial.distributions.items()},
            dict(trial.user_attrs),
            dict(hidden_attrs(trial)),
            tuple(trial.intermediate_values.items()),
            _written(trial.datetime_start),
            _written(trial.datetime_complete),
        )

    def made(self) -> FrozenTrial:
        """Return the trial, of which a study decides the number."""
        trial = create_trial(
            state=TrialState[self.state],
            values=self.values,
            params=self.params,
            distributions={n: json_to_distribution(own) for n, own in self.distributions.items()},
            user_attrs=self.user_attrs,
            system_attrs=self.hidden_attrs,
            intermediate_values=dict(self.curve),
        )
        trial.datetime_start = _read(self.began)
        trial.datetime_complete = _read(self.ended)
        return trial


def _written(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _read(moment: str | None) -> dt.datetime | None:
    return None if moment is None else dt.datetime.fromisoformat(moment)


@dataclasses.dataclass(frozen=True)
class SavedStudy:
    """A study.

    Parameters
    ----------
    name : str
    directions : tuple of {"MINIMIZE", "MAXIMIZE"}
    user_attrs, hidden_attrs : dict
    trials : tuple of SavedTrial
        By number.
    """

    name: str
    directions: tuple[str, ...]
    user_attrs: dict[str, Any]
    hidden_attrs: dict[str, Any]
    trials: tuple[SavedTrial, ...]

    @classmethod
    def of(cls, study: optuna.Study) -> SavedStudy:
        """Describe a study."""
        return cls(
            study.study_name,
            tuple(direction.name for direction in study.directions),
            dict(study.user_attrs),
            dict(hidden_attrs(study)),
            tuple(map(SavedTrial.of, study.get_trials(deepcopy=False))),
        )


def _read_study(
    name: str,
    directions: tuple[str, ...],
    user_attrs: Mapping[str, Any],
    hidden_attrs: Mapping[str, Any],
    trials: tuple[SavedTrial, ...],
) -> optuna.Study:
    try:
        storage = optuna.storages.InMemoryStorage()
        with untold_storage():
            storage.create_new_study(
                [optuna.study.StudyDirection[direction] for direction in directions], name
            )
        study = optuna.Study(name, storage)
        for key, value in user_attrs.items():
            study.set_user_attr(key, value)
        for key, value in hidden_attrs.items():
            set_hidden_study_attr(study, key, value)
        study.add_trials([trial.made() for trial in trials])
    except Exception as error:
        raise refused(
            f"a study of Optuna that cannot be ({type(error).__name__}: {error})",
            "trials as Optuna has them",
        ) from error
    return study


@dataclasses.dataclass(frozen=True)
class _SavedDistribution:
    config: str


def _read_distribution(config: str) -> BaseDistribution:
    try:
        return json_to_distribution(config)
    except Exception as error:
        raise refused(f"the distribution {show(config)}", "one of Optuna's") from error


register(
    SavedTrial,
    {
        "state": one_of(*(state.name for state in TrialState)),
        "values": optional(sequence(lambda value: isinstance(value, float | int))),
        "params": mapping(any_value),
        "distributions": mapping(text),
        "user_attrs": mapping(any_value),
        "hidden_attrs": mapping(any_value),
        "curve": items(
            lambda pair: type(pair) is tuple and len(pair) == 2 and natural(pair[0])
            and isinstance(pair[1], float | int)
        ),
        "began": optional(text),
        "ended": optional(text),
    },
)  # fmt: skip
register(
    SavedStudy,
    {
        "name": text,
        "directions": items(one_of("MINIMIZE", "MAXIMIZE")),
        "user_attrs": mapping(any_value),
        "hidden_attrs": mapping(any_value),
        "trials": items(lambda value: isinstance(value, SavedTrial)),
    },
    tag="Study",
    read=_read_study,
)
register(_SavedDistribution, {"config": text}, tag="Distribution", read=_read_distribution)
register_foreign(
    lambda value: (
        _SavedDistribution(distribution_to_json(value))
        if isinstance(value, BaseDistribution)
        else None
    )
)
register_foreign(lambda value: SavedStudy.of(value) if isinstance(value, optuna.Study) else None)
