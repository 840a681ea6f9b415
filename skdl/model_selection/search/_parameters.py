"""What the parameters of a search may be."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from skdl._validation import (
    ERROR_SCORE,
    RANDOM_STATE,
    VERBOSE,
    AnyOf,
    Boolean,
    Constraint,
    Integer,
    OneOf,
    Predicate,
    Real,
    SequenceOf,
    check_parameters,
)
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._arguments import ESTIMATOR, MOST, N_JOBS, SCORING
from skdl.model_selection.search._ensemble import ENSEMBLE
from skdl.model_selection.search._workers import check_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_search_parameters", "check_target_score"]

_OWNER = "OptunaSearchCV"


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


_CONSTRAINTS: dict[str, Constraint] = {
    "estimator": ESTIMATOR,
    "scoring": SCORING,
    "n_jobs": N_JOBS,
    "n_trials": AnyOf(OneOf(None), Integer(1, example=50)),
    "timeout": AnyOf(OneOf(None), Real(0, low_open=True, example=600)),
    "sampler": AnyOf(
        OneOf(None), Predicate(lambda v: isinstance(v, BaseSampler), "an Optuna sampler")
    ),
    "pruner": AnyOf(
        OneOf(None, "auto"), Predicate(lambda v: isinstance(v, BasePruner), "an Optuna pruner")
    ),
    "study_name": AnyOf(OneOf(None), Predicate(lambda v: isinstance(v, str), "a string")),
    "load_if_exists": Boolean(),
    "study": AnyOf(
        OneOf(None), Predicate(lambda v: isinstance(v, optuna.Study), "a study of Optuna")
    ),
    "start_trial": Boolean(),
    "initial_params": AnyOf(
        OneOf(None),
        SequenceOf(Predicate(lambda v: isinstance(v, Mapping), "a dict of parameters")),
    ),
    "target_score": AnyOf(OneOf(None), Predicate(_is_number, "a number")),
    "refit": AnyOf(
        Boolean(),
        Predicate(lambda v: isinstance(v, str), "the name of a metric"),
        Predicate(callable, "a function of cv_results_"),
    ),
    "trials_together": AnyOf(OneOf("auto"), Integer(1, MOST, example=4)),
    "callbacks": AnyOf(
        OneOf(None), SequenceOf(Predicate(callable, "a function of study and trial"))
    ),
    "engine": AnyOf(
        OneOf(None), Predicate(lambda v: isinstance(v, str), "the name of an engine of joblib")
    ),
    "n_workers": AnyOf(OneOf(None), Integer(1, example=4)),
    "verbose": VERBOSE,
    "return_train_score": Boolean(),
    "error_score": ERROR_SCORE,
    "random_state": RANDOM_STATE,
}


def check_search_parameters(values: Mapping[str, Any]) -> None:
    """Refuse parameters that are not allowed, each by itself or together.

    Parameters
    ----------
    values : mapping of str to object
        From ``get_params(deep=False)``.

    Raises
    ------
    InvalidParameterError
        If any is not allowed.
    """
    check_parameters(_OWNER, {name: values[name] for name in _CONSTRAINTS}, _CONSTRAINTS)
    check_engine(values)
    study, storage, study_name = values["study"], values["storage"], values["study_name"]
    if values["n_trials"] is None and values["timeout"] is None:
        raise InvalidParameterError(
            f"{_OWNER}: n_trials=None and timeout=None would search for ever. Expected at "
            "least one of them."
        )
    scoring = values["scoring"]
    is_one_metric = scoring is None or isinstance(scoring, str) or callable(scoring)
    if values["refit"] == ENSEMBLE and not is_one_metric:
        raise InvalidParameterError(
            f"{_OWNER}: refit='ensemble' came with several metrics, scoring={scoring!r}. "
            "Expected one, as members are selected for a single score: pass its name alone."
        )
    if study is not None and (storage is not None or study_name is not None):
        raise InvalidParameterError(
            f"{_OWNER}: study came with storage={storage!r} and "
            f"study_name={study_name!r}. Expected one or the other: a study knows where "
            "it is kept. Leave out storage and study_name."
        )


def check_target_score(target_score: float | None, objectives: Sequence[str]) -> None:
    """Refuse a score that is good enough where there are several to reach."""
    if target_score is not None and len(objectives) > 1:
        raise InvalidParameterError(
            f"{_OWNER}: target_score={target_score!r} came with {len(objectives)} "
            f"objectives. Expected one: name the metric to maximize, refit={objectives[0]!r}."
        )
