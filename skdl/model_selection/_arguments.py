"""Checks on what cross-validation, searches and ensembles share, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils import get_tags, indexable

from skdl._input_kinds import cure_for, in_memory
from skdl._row_groups import check_is_array
from skdl._rows import source_of, targets_of
from skdl._validation import AnyOf, Constraint, Integer, OneOf, Predicate, show
from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ESTIMATOR",
    "MOST",
    "N_JOBS",
    "SCORING",
    "check_data",
    "check_rows",
    "checked_splits",
    "weights_among",
]

# More members, iterations or trials at once than this are a slip of the keyboard.
MOST = 100_000


def _is_estimator(value: object) -> bool:
    return hasattr(value, "fit") and not isinstance(value, type)


class _Scoring(Constraint):
    """What scikit-learn takes as ``scoring``."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(get_scorer_names())

    def accepts(self, value: Any) -> bool:
        if isinstance(value, dict):
            return bool(value) and all(
                isinstance(name, str) and scorer is not None and self._is_one(scorer)
                for name, scorer in value.items()
            )
        if isinstance(value, list | tuple | set):
            are_names = all(isinstance(name, str) and self._is_one(name) for name in value)
            return bool(value) and are_names and len(set(value)) == len(value)
        return value is None or self._is_one(value)

    def _is_one(self, value: object) -> bool:
        if isinstance(value, str):
            return value in self.names
        return callable(value) and not isinstance(value, type)

    def suggest(self, value: object) -> str:
        listed = value if isinstance(value, list | tuple | set) else [value]
        wrong = [name for name in listed if not self.accepts(name)]
        return super().suggest(wrong[0]) if wrong else ""

    def describe(self) -> str:
        return (
            "None, a name from sklearn.metrics.get_scorer_names(), for example 'r2', a scorer, a "
            "list of different names, or a dict from names to such"
        )


ESTIMATOR = Predicate(_is_estimator, "an estimator, an instance and not a class")
N_JOBS = AnyOf(OneOf(None), Integer(1, example=2), Integer(None, -1))
SCORING = _Scoring()


def check_rows(owner: str, name: str, value: Any) -> None:
    """Refuse what does not consist of rows, such as a text, None or a number."""
    if name == "groups":
        check_is_array(owner, value)
    cure = cure_for(value)
    if cure is not None:
        raise InvalidParameterError(f"{owner}: {name} is {cure}")
    has_shape = hasattr(value, "shape")
    has_rows = has_shape or hasattr(value, "__len__") or hasattr(value, "__array__")
    is_scalar = not has_rows or getattr(value, "shape", None) == ()
    # Sparse matrices by keys are dicts too.
    is_dict = isinstance(value, dict) and not has_shape
    if is_scalar or is_dict or isinstance(value, str | bytes | type):
        raise InvalidParameterError(
            f"{owner}: {name}={show(value)} is no table of rows. Expected an array, a list or a "
            "frame with one entry for each row."
        )


def check_data(owner: str, estimator: Any, X: Any, y: Any, **others: Any) -> list[Any]:
    """Return data that can be indexed by rows.

    Parameters
    ----------
    owner : str
        Begins the messages.
    estimator : object
        Decides whether there must be a `y`.
    X, y : array-like
    **others : array-like or None
        Under the names that the user knows them by.

    Returns
    -------
    arrays : list
        X, y and the others.

    Raises
    ------
    InvalidParameterError
        If they are no rows, or differ in number.
    """
    y = targets_of(X, y)
    given = {"X": X, "y": y, **others}
    for name, value in given.items():
        if name == "X" or value is not None:
            check_rows(owner, name, value)
    given = {name: in_memory(value) for name, value in given.items()}
    if y is None and get_tags(estimator).target_tags.required:
        raise InvalidParameterError(
            f"{owner}: {type(estimator).__name__} requires y to be passed, but the target y is "
            "None. Expected a target for each row of X."
        )
    try:
        return list(indexable(*given.values()))
    except ValueError as error:
        lengths = {
            name: value.shape[0] if hasattr(value, "shape") else len(value)
            for name, value in given.items()
            if value is not None
        }
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InvalidParameterError(
            f"{owner}: {error} Expected as many rows in each, and {told}."
        ) from error


def weights_among(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return those arguments of ``fit`` that have a weight for each row, for `check_data`."""
    return {
        name: value
        for name, value in params.items()
        if name.rpartition("__")[2] == "sample_weight" and np.ndim(value) > 0
    }


def checked_splits(
    owner: str, cv: Any, splitter: Any, X: Any, y: Any, **params: Any
) -> list[tuple[Any, Any]]:
    """Return all splits, each checked.

    Parameters
    ----------
    owner : str
        Begins the messages.
    cv : object
        As the user passed it.
    splitter : object
        What it stands for.
    X, y : array-like
    **params : object
        Further arguments of ``split``.

    Returns
    -------
    splits : list of (train, test)
        Positions of rows.

    Raises
    ------
    InvalidParameterError
        If there is no split, or one that is no pair of positions of rows.
    """
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    is_read = source_of(X) is not None
    # Splits that the user listed are looked at as they are: scikit-learn would unpack them first.
    listed = None if hasattr(cv, "split") else getattr(splitter, "cv", None)
    try:
        given = splitter.split(X, y, **params) if listed is None else listed
        # One after the other, so that those of a large table are not held twice.
        splits = [_checked(owner, cv, i, split, n_rows) for i, split in enumerate(given)]
        if is_read:
            # Rows of a source are read in their own order.
            splits = [(np.sort(train), np.sort(test)) for train, test in splits]
    except ValueError as error:
        if owner in str(error):
            raise
        raise ValueError(f"{owner}: cv={show(cv)} cannot split these rows: {error}") from error
    if not splits:
        raise InvalidParameterError(
            f"{owner}: cv={show(cv)} yields no split. Expected at least one pair of rows to train "
            "on and rows to test on."
        )
    return splits


def _checked(owner: str, cv: Any, number: int, split: Any, n_rows: int) -> tuple[Any, Any]:
    try:
        train, test = (np.asarray(rows) for rows in split)
    except (TypeError, ValueError):
        wrong = f"is {show(split)}"
    else:
        rows = {"training": train, "test": test}
        wrong = next(
            (f"has {told} as {name} rows" for name, r in rows.items() if (told := _why(r, n_rows))),
            "",
        )
        if not wrong:
            # As everywhere below: positions, never masks.
            train, test = (np.flatnonzero(r) if r.dtype.kind == "b" else r for r in (train, test))
            # Half the bytes of what splitters make, for as many positions as folds times rows.
            kind = np.int32 if n_rows < np.iinfo(np.int32).max else np.int64
            return train.astype(kind), test.astype(kind)
    raise InvalidParameterError(
        f"{owner}: cv={show(cv)} is not allowed: split {number} {wrong}. Expected a pair (train, "
        f"test) of row numbers from 0 to {n_rows - 1}, neither of them empty."
    )


def _why(rows: Any, n_rows: int) -> str:
    """Return what is wrong with the positions of one side of a split; "" if nothing is."""
    if rows.ndim != 1 or rows.dtype.kind not in "biu":
        return "none" if rows.ndim == 1 and not len(rows) else show(rows)
    if rows.dtype.kind == "b":
        return ("" if rows.any() else "none") if len(rows) == n_rows else show(rows)
    if not len(rows):
        return "none"
    outside = rows[(rows < 0) | (rows >= n_rows)]
    return f"{outside[0]}" if len(outside) else ""
