"""Whether the trials that a study holds compare with those that a search will add to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from optuna.trial import TrialState
from scipy import sparse

from skdl._compat_optuna import hidden_attrs, set_hidden_study_attr
from skdl.model_selection.search._results import finished_trials
from skdl.model_selection.search._start import is_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna

    from skdl.model_selection.search._space import Space

__all__ = ["check_comparable", "fingerprint"]

_OWNER = "OptunaSearchCV"
_DATA = "skdl:data"
_SCORING = "skdl:scoring"
_ESTIMATOR = "skdl:estimator"
# Parameters that decide how something is computed, not what comes out.
_NO_MATTER = {"memory", "memory_limit", "n_jobs", "verbose"}
_LONGEST_TEXT = 100
_MOST_NAMED = 3


def check_comparable(
    study: optuna.Study,
    space: Space,
    estimator: Any,
    arrays: Sequence[Any],
    *,
    beside: Mapping[str, Any],
    scoring: Any,
    objectives: Sequence[str],
) -> None:
    """Refuse a study whose trials were made of another estimator, or with other rows or scoring.

    Parameters
    ----------
    study : optuna.Study
        What it lacks is noted in it, for those to come.
    space : Space
    estimator : estimator
        As the user made it, compared by its parameters, searched or not.
    arrays : sequence of array-like
        Data and splits, compared by their values.
    beside : mapping of str to object
        What ``fit`` is given beside the data, such as weights; by name.
    scoring : object
        As the user passed it.
    objectives : sequence of str

    Raises
    ------
    ValueError
        If scores would not compare.
    InvalidParameterError
        If trials lack parameters of `space`.
    """
    _check(
        study,
        _DATA,
        fingerprint(*arrays),
        "other data or splits",
        "the X, y and cv that it was made with (a cv that shuffles needs a random_state; in nested "
        "cross-validation leave storage=None)",
    )
    wanted = f"{_described(scoring)}, of which {', '.join(map(str, objectives))}"
    _check(study, _SCORING, wanted, "another scoring", "the one that it was made for")
    for trial in finished_trials(study):
        if trial.state == TrialState.COMPLETE and not is_start(trial):
            space.params_of(trial)
    _check_estimator(study, _described_estimator(estimator, beside))


def fingerprint(*arrays: Any) -> str:
    """Return a text that arrays have in common with those of the same values alone.

    Parameters
    ----------
    *arrays : array-like

    Returns
    -------
    fingerprint : str
    """
    return str(joblib.hash([_values(array) for array in arrays]))


def _check(study: optuna.Study, key: str, wanted: str, wrong: str, expected: str) -> None:
    known = hidden_attrs(study).get(key)
    if known is None:
        set_hidden_study_attr(study, key, wanted)
    elif known != wanted:
        raise ValueError(
            f"{_OWNER}: study_name={study.study_name!r} holds trials for {wrong}, whose scores do "
            f"not compare. Expected {expected}; or pass another study_name."
        )


def _check_estimator(study: optuna.Study, wanted: dict[str, str]) -> None:
    known = hidden_attrs(study).get(_ESTIMATOR)
    if known is None:
        set_hidden_study_attr(study, _ESTIMATOR, json.dumps(wanted))
        return
    held = json.loads(known)
    names = [n for n in {**held, **wanted} if held.get(n) != wanted.get(n)]
    if not names:
        return
    here = ", ".join(f"{n}={wanted.get(n, 'nothing')}" for n in names[:_MOST_NAMED])
    there = ", ".join(f"{n}={held.get(n, 'nothing')}" for n in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    raise ValueError(
        f"{_OWNER}: study_name={study.study_name!r} holds trials of an estimator with other "
        f"parameters of its own: {there} there, {here} here{more}. Their scores do not compare. "
        "Expected the estimator that it was made with; or pass another study_name."
    )


def _described_estimator(estimator: Any, beside: Mapping[str, Any]) -> dict[str, str]:
    """Return texts of all that decides what a fit learns, apart from the rows."""
    values = {"estimator": estimator, **estimator.get_params(deep=True)}
    matters = {n: v for n, v in values.items() if n.split("__")[-1] not in _NO_MATTER}
    given = {f"fit({name})": value for name, value in beside.items() if value is not None}
    return {name: _short(_text(value)) for name, value in {**matters, **given}.items()}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:40]}… {joblib.hash(text)}"


def _text(value: Any) -> str:
    """Return a text for a parameter that is the same in every process."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value)).removesuffix(".0")
    if value is None or isinstance(value, bool | str | bytes):
        return repr(value)
    if isinstance(value, dict):
        value = sorted((_text(name), _text(entry)) for name, entry in value.items())
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_text, value))})"
    if sparse.issparse(value) or hasattr(value, "__array__") or hasattr(value, "columns"):
        return fingerprint(value)
    if callable(value) and not hasattr(value, "get_params"):
        return getattr(value, "__qualname__", None) or type(value).__name__
    return type(value).__name__


def _values(array: Any) -> Any:
    """Return what an array holds, however it lies in memory: its hash would tell of that too."""
    if sparse.issparse(array):
        array = array.tocsc().sorted_indices()
        buffers = (array.data, array.indices.astype(np.int64), array.indptr.astype(np.int64))
        return [array.shape, *buffers]
    if hasattr(array, "columns"):
        series = (
            array.iloc[:, i] if hasattr(array, "iloc") else array[:, i]
            for i in range(array.shape[1])
        )
        return [list(map(str, array.columns)), *map(_values, series)]
    return np.ascontiguousarray(array) if hasattr(array, "__array__") else array


def _described(scoring: Any) -> str:
    """Return a text for a scoring that is the same in every process."""
    if isinstance(scoring, dict):
        return str({name: _described(scorer) for name, scorer in scoring.items()})
    if callable(scoring):
        return getattr(scoring, "__qualname__", None) or type(scoring).__name__
    return str(scoring)
