"""What a column of a frame holds, and its numbers in float64.

Numbers are numbers, whether their dtype says so or each cell does; dates, periods and durations
are numbers of days; all else that can be compared is a category. Text stays text, digits or not:
nobody can tell whether "01067" is a postcode.
"""

from __future__ import annotations

import datetime as dt
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Kind = Literal["number", "date", "duration", "category", "complex", "nested", "nothing"]

__all__ = [
    "as_pandas",
    "days",
    "family_of",
    "has_time_zone",
    "is_plain",
    "kind_of",
    "moments",
    "numbers",
]

_DAY = pd.Timedelta(days=1)
_KINDS_OF_CELLS: dict[str, Kind] = {
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "complex": "complex",
    "date": "date",
    "datetime": "date",
    "datetime64": "date",
    "period": "date",
    "time": "duration",
    "timedelta": "duration",
    "timedelta64": "duration",
    "empty": "nothing",
}


def as_pandas(X: Any) -> Any:
    """Return a polars frame as one of pandas, without pyarrow; anything else as it is."""
    if not (hasattr(X, "get_columns") and type(X).__module__.startswith("polars")):
        return X
    return pd.DataFrame({column.name: _pandas_series(column) for column in X.get_columns()})


def _pandas_series(column: Any) -> pd.Series:
    name = type(column.dtype).__name__
    if name == "Enum":
        return pd.Series(pd.Categorical(column.to_list(), column.dtype.categories.to_list()))
    if column.dtype.is_numeric() and name != "Decimal":
        return pd.Series(column.to_numpy())
    if name in {"Date", "Datetime", "Duration"}:
        zone = getattr(column.dtype, "time_zone", None)
        values = pd.Series(column.to_numpy())
        return values if zone is None else values.dt.tz_localize("UTC")
    return pd.Series(column.to_list(), dtype=object)


def is_plain(dtype: Any) -> bool:
    """Tell whether a dtype is one of real numbers, of NumPy or pandas."""
    types = pd.api.types
    return bool(
        types.is_numeric_dtype(dtype)
        and not types.is_bool_dtype(dtype)
        and not types.is_complex_dtype(dtype)
    )


def kind_of(values: pd.Series) -> Kind:
    """Tell what a column holds; "nothing" if all of its cells are missing and of no dtype."""
    types, dtype = pd.api.types, values.dtype
    by_dtype: dict[Kind, bool] = {
        "number": is_plain(dtype),
        "complex": types.is_complex_dtype(dtype),
        "category": isinstance(dtype, pd.CategoricalDtype) or types.is_bool_dtype(dtype),
        "date": types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype),
        "duration": types.is_timedelta64_dtype(dtype),
    }
    return next((kind for kind, is_one in by_dtype.items() if is_one), None) or _by_cells(values)


def _by_cells(values: pd.Series) -> Kind:
    if isinstance(values.dtype, pd.ArrowDtype) and values.dtype.type in {list, dict}:
        return "nested"
    cells = pd.api.types.infer_dtype(values, skipna=True)
    if cells in _KINDS_OF_CELLS:
        return _KINDS_OF_CELLS[cells]
    if cells.startswith("mixed"):
        present = values[~values.isna()]
        if all(isinstance(cell, dt.date | np.datetime64) for cell in present):
            return "date"
        if not all(map(_can_be_compared, present)):
            return "nested"
        if any(isinstance(cell, complex) for cell in present):
            return "complex"
    return "category"


def _can_be_compared(cell: Any) -> bool:
    try:
        hash(cell)
    except TypeError:
        return False
    return True


def family_of(cell: Any) -> str:
    """Return the noun for cells that may equal this one: True equals 1, but no text does."""
    if isinstance(cell, str):
        return "text"
    if isinstance(cell, bytes):
        return "bytes"
    if isinstance(cell, Number | np.bool_ | bool):
        return "numbers"
    return f"values of type {type(cell).__name__}"


def numbers(values: pd.Series) -> NDArray[np.float64]:
    """Return a column of numbers as float64, with NaN for missing ones."""
    if is_plain(values.dtype):
        if isinstance(values.dtype, pd.SparseDtype):
            values = values.sparse.to_dense()
        return values.to_numpy(np.float64, na_value=np.nan)
    is_missing = values.isna().to_numpy()
    result = np.full(len(values), np.nan)
    result[~is_missing] = [float(cell) for cell in values[~is_missing]]
    return result


def has_time_zone(values: pd.Series) -> bool:
    """Tell whether dates are moments: known apart from their time zone."""
    return getattr(_dates(values).dt, "tz", None) is not None


def days(values: pd.Series, origin: pd.Timestamp | None) -> NDArray[np.float64]:
    """Return a column of durations, or of dates since `origin`, in days; NaN for missing ones."""
    spans = _durations(values) if origin is None else moments(values) - origin
    result: NDArray[np.float64] = (spans / _DAY).to_numpy(np.float64, na_value=np.nan)
    return result


def moments(values: pd.Series) -> pd.Series:
    """Return dates as timestamps without a time zone; those with one in universal time."""
    dates = _dates(values)
    is_zoned = getattr(dates.dt, "tz", None) is not None
    return dates.dt.tz_convert("UTC").dt.tz_localize(None) if is_zoned else dates


def _dates(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.PeriodDtype):
        return values.dt.to_timestamp()
    if isinstance(values.dtype, pd.ArrowDtype) and values.dtype.type is dt.date:
        # Of dates without a time of day, pandas does not tell the time zone.
        return values.astype("datetime64[ms]")
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values
    if pd.api.types.infer_dtype(values, skipna=True) == "period":
        return pd.Series(pd.PeriodIndex(values)).dt.to_timestamp()
    cells = values.astype(object)
    zones = {getattr(cell, "tzinfo", None) for cell in cells[~cells.isna()]}
    return pd.to_datetime(cells, utc=len(zones) > 1)


def _durations(values: pd.Series) -> pd.Series:
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        return values
    cells = values.astype(object)
    return pd.to_timedelta(cells.map(_since_midnight))


def _since_midnight(cell: Any) -> Any:
    """Return a time of day as a duration, anything else as it is."""
    if not isinstance(cell, dt.time):
        return cell
    return dt.timedelta(
        hours=cell.hour, minutes=cell.minute, seconds=cell.second, microseconds=cell.microsecond
    )
