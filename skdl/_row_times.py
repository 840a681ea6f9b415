"""Times of rows: checked once at the door, then where a table is cut into earlier and later rows.

A time is a number, a date or a duration. Of the times nothing but their order matters, and for a
gap their distance.
"""

from __future__ import annotations

import datetime as dt
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skdl._compat_sklearn import num_samples
from skdl._validation import list_values, nearest_name, show
from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["block_starts", "check_gap", "checked_times", "is_gap", "rows_before"]

_MOST_SHOWN = 10
_AXES_OF_A_COLUMN = 2
_FORMS = (
    "one number, date or ISO 8601 text such as '2026-03-01' for each row of X, or the name of a "
    "column of a DataFrame"
)


def checked_times(owner: str, time: Any, X: Any) -> NDArray[Any]:
    """Return the time of each row, as numbers, dates or durations of NumPy.

    Parameters
    ----------
    owner : str
        Begins the messages.
    time : array-like of shape (n_samples,) or str
        As the user passed it; a text is the name of a column of `X`.
    X : array-like of shape (n_samples, ...)

    Returns
    -------
    times : ndarray of shape (n_samples,)
        Of float64, int64, datetime64 or timedelta64. Dates of a time zone are those of UTC.

    Raises
    ------
    InvalidParameterError
        If there is no such column, if there are not as many times as rows, or if these are no
        times.
    ValueError
        If times are missing.
    """
    name = "time"
    if isinstance(time, str):
        name, time = f"time={time!r}", _column(owner, time, X)
    elif np.ndim(time) == 0 or isinstance(time, bytes | dict):
        raise InvalidParameterError(
            f"{owner}: time={show(time)} is not allowed. Expected {_FORMS}."
        )
    cells = _cells(time)
    if cells is None or len(cells) != num_samples(X):
        shape = np.shape(time)
        raise InvalidParameterError(
            f"{owner}: {name} is of shape {shape}, and X has {num_samples(X)} rows. Expected "
            f"{_FORMS}."
        )
    missing = cells.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"{owner}: {name} is missing (NaN, NaT or None) in {missing.sum()} of {len(missing)} "
            f"rows, the first of them row {int(missing.argmax())}. Expected a time for each row: "
            "fill them in, or leave out these rows."
        )
    times = _as_plain(cells)
    if times is None:
        raise InvalidParameterError(
            f"{owner}: {name} holds {show(cells.iloc[0])}, and its order cannot be told. Expected "
            f"{_FORMS}. Other texts become dates by pandas.to_datetime(..., format=...)."
        )
    return times


def _column(owner: str, name: str, X: Any) -> Any:
    columns = [column for column in getattr(X, "columns", ()) if isinstance(column, str)]
    if name in columns:
        return X[name]
    if not columns:
        cure = "X has no columns of names. Expected a DataFrame, or the times themselves"
    else:
        near = nearest_name(name, columns)
        cure = (
            f"X has no such column. Did you mean {near!r}"
            if near
            else (f"X has no such column. Expected one of {list_values(columns, _MOST_SHOWN)}")
        )
    raise InvalidParameterError(f"{owner}: time={name!r} is not allowed: {cure}.")


def _cells(time: Any) -> pd.Series | None:
    """Return times as a column of pandas; None if they are of several axes."""
    if type(time).__module__.startswith("polars"):
        # Without pyarrow, which pandas would ask for.
        zone = getattr(time.dtype, "time_zone", None)
        is_plain = type(time.dtype).__name__ in {"Date", "Datetime", "Duration"}
        cells = pd.Series(time.to_numpy() if is_plain else time.to_list())
        return cells if zone is None else cells.dt.tz_localize("UTC")
    if isinstance(time, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return pd.Series(time).reset_index(drop=True)
    array = np.asarray(time)
    if array.ndim == _AXES_OF_A_COLUMN and array.shape[1] == 1:
        array = array[:, 0]
    return pd.Series(array) if array.ndim == 1 else None


def _as_plain(cells: pd.Series) -> NDArray[Any] | None:
    """Return times as an array of NumPy; None for what is no time."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = pd.Series(np.asarray(cells))
    if isinstance(cells.dtype, pd.ArrowDtype) and cells.dtype.kind in {"m", "M"}:
        cells = _without_arrow(cells, cells.dtype)
    types, dtype = pd.api.types, cells.dtype
    if types.is_bool_dtype(dtype) or types.is_complex_dtype(dtype):
        return None
    if types.is_numeric_dtype(dtype):
        return cells.to_numpy(np.int64 if types.is_integer_dtype(dtype) else np.float64)
    if isinstance(dtype, pd.PeriodDtype):
        cells = cells.dt.to_timestamp()
    elif not types.is_timedelta64_dtype(dtype) and not types.is_datetime64_any_dtype(dtype):
        return _of_objects(cells)
    if isinstance(dtype, pd.DatetimeTZDtype):
        cells = cells.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(cells)


def _without_arrow(cells: pd.Series, dtype: pd.ArrowDtype) -> pd.Series:
    """Return dates or durations of Arrow as those of NumPy, in universal time."""
    arrow = dtype.pyarrow_dtype
    if getattr(arrow, "tz", None) is not None:
        cells = cells.dt.tz_convert("UTC").dt.tz_localize(None)
    name = "datetime64" if dtype.kind == "M" else "timedelta64"
    return cells.astype(f"{name}[{getattr(arrow, 'unit', 'ms')}]")


def _of_objects(cells: pd.Series) -> NDArray[Any] | None:
    kind = pd.api.types.infer_dtype(cells)
    if kind in {"integer", "floating", "mixed-integer-float", "decimal"}:
        return cells.astype(float).to_numpy()
    if kind not in {"string", "date", "datetime", "datetime64"}:
        return None
    try:
        dates = pd.to_datetime(cells, utc=True, format="ISO8601" if kind == "string" else None)
    except ValueError:
        return None
    return np.asarray(dates.dt.tz_localize(None))


def is_gap(value: object) -> bool:
    """Tell whether a value may stand between times: a number or a duration, not negative."""
    if isinstance(value, np.timedelta64 | dt.timedelta):
        return not pd.isna(value) and pd.Timedelta(value) >= pd.Timedelta(0)
    return not isinstance(value, bool) and isinstance(value, Real) and bool(float(value) >= 0)


def check_gap(owner: str, gap: Any, times: NDArray[Any]) -> Any:
    """Return a gap in a form that can be taken from the times.

    Raises
    ------
    InvalidParameterError
        If the gap is a number and the times are dates, or the other way round.
    """
    if gap is None:
        return None
    is_duration = isinstance(gap, np.timedelta64 | dt.timedelta)
    if is_duration != (times.dtype.kind in "mM"):
        told = "dates" if times.dtype.kind == "M" else "durations"
        told, example = (
            ("numbers", "gap=7") if is_duration else (told, "gap=datetime.timedelta(days=7)")
        )
        raise InvalidParameterError(
            f"{owner}: gap={show(gap)} cannot stand between times that are {told}. Expected a gap "
            f"in their unit, for example {example}."
        )
    return pd.Timedelta(gap).to_timedelta64() if is_duration else gap


def block_starts(
    owner: str, times: NDArray[Any], n_earlier: Sequence[int], cure: str = "ask for fewer splits"
) -> NDArray[Any]:
    """Return the first times of consecutive blocks of rows, the first block left out.

    Rows of equal times are in one block, so a block begins where that is nearest to what was asked.

    Parameters
    ----------
    owner : str
        Begins the message.
    times : ndarray of shape (n_rows,)
    n_earlier : sequence of int
        How many rows there should be before each block, in ascending order.
    cure : str, default="ask for fewer splits"
        What to do where times are too few.

    Returns
    -------
    starts : ndarray of shape (len(n_earlier),)
        Strictly ascending, and later than the earliest time.

    Raises
    ------
    ValueError
        If there are too few distinct times.
    """
    values, counts = np.unique(times, return_counts=True)
    n_blocks = len(n_earlier) + 1
    if len(values) < n_blocks:
        raise ValueError(
            f"{owner}: time holds {len(values)} distinct times, too few for {n_blocks} blocks of "
            "rows one after another, as equal times stay together. Expected at least "
            f"{n_blocks}: {cure}, or use finer times."
        )
    n_before = np.cumsum(counts)[:-1]
    chosen: list[int] = []
    for block, wanted in enumerate(n_earlier):
        least = chosen[-1] + 1 if chosen else 0
        most = len(n_before) - (len(n_earlier) - block)
        nearest = np.abs(n_before[least : most + 1] - wanted).argmin()
        chosen.append(least + int(nearest))
    return np.asarray(values[1:][chosen])


def rows_before(times: NDArray[Any], start: Any, gap: Any = None) -> NDArray[np.bool_]:
    """Tell which rows are earlier than a block that begins at `start`, by `gap` at least."""
    is_before = times < start
    return is_before if gap is None else is_before & (times <= start - gap)
