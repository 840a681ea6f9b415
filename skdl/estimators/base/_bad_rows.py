"""Rows that scikit-learn's checks refuse: which columns, and what takes them."""

from __future__ import annotations

import datetime as dt
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from skdl._input_kinds import cure_for, cure_of_array
from skdl._rows import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    _Columns = list[tuple[Any, Any]]

__all__ = ["columns_named", "refuse_dates", "sampling_step", "warn_about_offsets"]

_MOST_SHOWN = 5
_AXES_OF_A_TABLE = 2
# Rows that are looked at for offsets; and a median of so many times the distance between the
# quartiles that float32 may not tell the rows apart.
_SAMPLE, _LARGE = 10_000, 10_000.0
_LEAST_SHARE_KEPT = 0.9


@contextmanager
def columns_named(network: Any, X: Any, input_name: str = "X") -> Iterator[None]:
    """Let a refusal of rows with texts, lists or NaN say in which columns, and what takes them."""
    try:
        yield
    except (ValueError, TypeError) as error:
        is_ours = str(error).startswith(type(network).__name__)
        message = None if is_ours else _explained(network, X, input_name, str(error))
        if message is None:
            raise
        raise ValueError(message) from error


def _explained(network: Any, X: Any, input_name: str, error: str) -> str | None:
    """Return a message that says more than `error`, where the cells tell why it came."""
    cure = cure_for(X) or cure_of_array(X)
    if cure is not None:
        return f"{type(network).__name__}: {input_name} is {cure}"
    columns = _cells(X)
    if columns is None:
        return None
    owner, parameters = type(network).__name__, network.get_params(deep=False)
    told = _of_lists(columns, input_name, is_frame=hasattr(X, "columns"))
    if told is None and ("float() argument" in error or "promoted" in error):
        told = _of_dates(columns, input_name, owner, parameters)
    if told is None and ("could not convert string" in error or "Cannot cast" in error):
        told = _of_texts(columns, input_name, owner, parameters)
    if told is None and f"{input_name} contains NaN" in error:
        told = _of_gaps(columns, input_name, owner, parameters)
    return None if told is None else f"{owner}: {told}"


def _of_lists(columns: _Columns, input_name: str, *, is_frame: bool) -> str | None:
    kinds: dict[str, Any] = {"list": list | tuple | np.ndarray}
    if is_frame:  # of arrays, scikit-learn's own TypeError is expected
        kinds["dict"] = dict
    found = {
        noun: [name for name, cells in columns if _holds(cells, types)]
        for noun, types in kinds.items()
    }
    noun = next((noun for noun, names in found.items() if names), None)
    if noun is None:
        return None
    return (
        f"columns {_listed(found[noun])} of {input_name} hold a {noun} in a cell. Expected one "
        "number in each cell: make columns of the entries, such as with "
        "pd.DataFrame(column.tolist())."
    )


def refuse_dates(network: Any, X: Any) -> None:
    """Raise if columns are of dates or durations: as numbers they are nanoseconds.

    Raises
    ------
    ValueError
        With the columns, and what takes them.
    """
    kinds = X.dtypes if isinstance(X, pd.DataFrame) else [getattr(X, "dtype", None)]
    if not any(getattr(kind, "kind", "") in {"m", "M"} for kind in kinds):
        return
    owner, columns = type(network).__name__, _cells(X) or []
    told = _of_dates(columns, "X", owner, network.get_params(deep=False))
    raise ValueError(f"{owner}: {told}")


def _of_dates(
    columns: _Columns, input_name: str, owner: str, parameters: dict[str, Any]
) -> str | None:
    kinds = (dt.date, dt.time, dt.timedelta, pd.Period)
    dates = [
        name
        for name, cells in columns
        if getattr(cells.dtype, "kind", "") in {"m", "M"} or _holds(cells, kinds)
    ]
    if not dates:
        return None
    cure = (
        "make numbers of them, such as the year, the month and the days since a date "
        "(X['day'].dt.year)"
    )
    if "categorical_features" in parameters:
        cure = (
            "pass a DataFrame and set categorical_features='from_dtype', as "
            f"{owner}.tabular() does, which reads dates as numbers; or {cure}"
        )
    return (
        f"columns {_listed(dates)} of {input_name} hold dates or durations. Expected numbers: "
        f"{cure}."
    )


def _of_texts(
    columns: _Columns, input_name: str, owner: str, parameters: dict[str, Any]
) -> str | None:
    texts = {name: cells for name, cells in columns if _holds(cells, str)}
    if not texts:
        return None
    cell = next(cell for cell in next(iter(texts.values())) if isinstance(cell, str))
    cure = "encode them in a pipeline (sklearn.preprocessing.OneHotEncoder, TargetEncoder)"
    if "categorical_features" in parameters:
        cure = (
            "pass a DataFrame and set categorical_features='from_dtype', as "
            f"{owner}.tabular() does; or {cure}"
        )
    return (
        f"could not convert string to float: {str(cell)!r}. Columns {_listed(list(texts))} of "
        f"{input_name} hold text. Expected numbers: {cure}."
    )


def _of_gaps(
    columns: _Columns, input_name: str, owner: str, parameters: dict[str, Any]
) -> str | None:
    gaps = [name for name, cells in columns if pd.isna(cells).any()]
    if not gaps:
        return None
    cure = "fill them in a pipeline (sklearn.impute.SimpleImputer), or leave out these rows"
    if "missing_numbers" in parameters:
        cure = f"set missing_numbers='learn', as {owner}.tabular() does; or {cure}"
    return (
        f"Input {input_name} contains NaN, in columns {_listed(gaps)}. Expected a number in each "
        f"cell: {cure}."
    )


def _cells(X: Any) -> _Columns | None:
    """Return names, or numbers, of the columns with their cells; None for what is no table."""
    if hasattr(X, "get_columns"):  # polars
        return [(column.name, np.array(column.to_list(), object)) for column in X.get_columns()]
    if isinstance(X, pd.DataFrame):
        return [(name, values.array) for name, values in X.items()]
    if sparse.issparse(X) or source_of(X) is not None:
        return None
    try:
        array = np.asarray(X)
    except ValueError:
        array = np.asarray(X, object)
    if array.ndim != _AXES_OF_A_TABLE:
        return None
    return [(i, array[:, i]) for i in range(array.shape[1])]


def _holds(cells: Any, types: Any) -> bool:
    dtype = cells.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "US":
        return bool(types is str)
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return False
    return any(isinstance(cell, types) for cell in cells)


def _listed(names: list[Any]) -> str:
    more = len(names) - _MOST_SHOWN
    return f"{names[:_MOST_SHOWN]}" + (f" and {more} more" if more > 0 else "")


def warn_about_offsets(network: Any, X: Any) -> None:
    """Warn of columns whose rows float32 cannot tell apart: they vary too little for their size."""
    names, sample = _sample(X)
    if sample is None or not len(sample):
        return
    low, median, high = np.quantile(sample, [0.25, 0.5, 0.75], axis=0, method="nearest")
    small = (high > low) & (np.abs(median) > _LARGE * (high - low))
    lost = [i for i in np.flatnonzero(small) if not _survives(sample[:, i])]
    if not lost:
        return
    parameters = network.get_params(deep=False)
    cure = "subtract an offset before, such as by a StandardScaler in a pipeline"
    if "input_scaling" in parameters:
        cure = f"set input_scaling='smooth_clip', or {cure}"
    warnings.warn(
        f"{type(network).__name__}: columns {_listed([names[i] for i in lost])} of X vary by "
        f"less than float32, in which networks compute, can tell at their size (about "
        f"{median[lost[0]]:.3g}). Rows that differ became equal; {cure}.",
        DataConversionWarning,
        stacklevel=2,
    )


def _survives(values: NDArray[np.float64]) -> bool:
    n_distinct = len(np.unique(values))
    return len(np.unique(values.astype(np.float32))) >= _LEAST_SHARE_KEPT * n_distinct


def sampling_step(n_rows: int) -> int:
    """Return how far apart the rows are that `warn_about_offsets` looks at."""
    return max(1, n_rows // _SAMPLE)


def _sample(X: Any) -> tuple[Any, NDArray[np.float64] | None]:
    """Return names and some rows of the columns that float32 may change, if there are any."""
    if isinstance(X, pd.DataFrame):
        kinds = [isinstance(d, np.dtype) and d.kind in "fiu" and d.itemsize > 4 for d in X.dtypes]
        kept = np.flatnonzero(kinds)
        if not len(kept):
            return None, None
        rows = X.iloc[:: sampling_step(len(X)), kept]
        return list(rows.columns), rows.to_numpy(np.float64)
    is_table = isinstance(X, np.ndarray) and X.ndim == _AXES_OF_A_TABLE
    if not is_table or X.dtype.kind not in "fiu" or X.dtype.itemsize <= 4:
        return None, None
    return range(X.shape[1]), np.asarray(X[:: sampling_step(len(X))], np.float64)
