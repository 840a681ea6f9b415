"""Whether the trials that a study holds compare with those that a search will add to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from optuna.trial import TrialState
from scipy import sparse

from skdl._compat_optuna import hidden_attrs, set_hidden_study_attr
from skdl.model_selection.search._results import finished_trials
from skdl.model_selection.search._start import is_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna

    from skdl.model_selection.search._space import Space
    from skdl.model_selection.search._start import Start

__all__ = ["check_comparable", "fingerprint"]

_OWNER = "OptunaSearchCV"
_DATA = "skdl:data"
_SCORING = "skdl:scoring"
_START = "skdl:start"


def check_comparable(
    study: optuna.Study,
    space: Space,
    start: Start,
    arrays: Sequence[Any],
    *,
    scoring: Any,
    objectives: Sequence[str],
) -> None:
    """Refuse a study whose trials were made with other rows, splits, scoring, start or parameters.

    Parameters
    ----------
    study : optuna.Study
        What it lacks is noted in it, for those to come.
    space : Space
    start : Start
    arrays : sequence of array-like
        Data and splits, compared by their values.
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
    _check(
        study,
        _START,
        str(start.texts),
        "an estimator with other parameters of its own",
        "the estimator that it was made with",
    )


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
