"""Cells of one column as JSON has them, checked, as what `OnnxModel` takes."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.serving._refusal import RefusedError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["as_column", "check_types", "numbers", "texts"]

_NUMBERS: set[type] = {int, float, bool, type(None)}
_TEXTS: set[type] = {str, type(None)}
_NANOSECONDS = 1_000_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# The least int64 stands for a missing time.
_MOST_NANOSECONDS = 2**63 - 1


def as_column(described: dict[str, Any], cells: list[Any], what: str) -> Any:
    """Return the cells of one column of records.

    Parameters
    ----------
    described : dict
        The column in the metadata of the file.
    cells : list
        Of JSON; None is a missing value.
    what : str
        The column, which begins a message.

    Raises
    ------
    RefusedError
        If a cell holds something else than the column.
    """
    return _COLUMNS[described["kind"]](cells, what)


def check_types(cells: Sequence[Any], allowed: set[type], what: str, expected: str) -> None:
    """Refuse cells of other types than those allowed, naming the first.

    Raises
    ------
    RefusedError
        If there is such a cell.
    """
    if set(map(type, cells)) <= allowed:
        return
    row = next(i for i, cell in enumerate(cells) if type(cell) not in allowed)
    raise RefusedError(f"row {row} of {what} holds {shown(cells[row])}. Expected {expected}.")


def numbers(cells: list[Any], what: str) -> NDArray[np.float64]:
    """Return numbers, NaN where they are missing.

    Raises
    ------
    RefusedError
        If a cell is no number, or not finite.
    """
    check_types(cells, _NUMBERS, what, "a number, or null where it is missing")
    try:
        column = np.array(cells, np.float64)
    except OverflowError as error:
        raise RefusedError(
            f"{what} holds a number beyond 1e308. Expected finite numbers."
        ) from error
    infinite = np.isinf(column)
    if infinite.any():
        row = int(infinite.argmax())
        raise RefusedError(
            f"row {row} of {what} holds a number beyond 1e308. Expected a finite number."
        )
    return column


def texts(cells: list[Any], what: str) -> list[str | None]:
    """Return texts, None where they are missing.

    Raises
    ------
    RefusedError
        If a cell is no text, or holds half a character.
    """
    check_types(cells, _TEXTS, what, "a string, or null where it is missing")
    try:
        "".join(cell for cell in cells if cell).encode()
    except UnicodeEncodeError as error:
        raise RefusedError(
            f"{what} holds half a character, such as \\ud800. Expected valid Unicode."
        ) from error
    return cells


def _dates(cells: list[Any], what: str) -> NDArray[np.datetime64]:
    check_types(cells, _TEXTS, what, "a date such as '2024-05-31T12:00:00', or null")
    found = [_nanoseconds_of_date(cell, row, what) for row, cell in enumerate(cells)]
    return np.array(found, np.int64).view("datetime64[ns]")


def _nanoseconds_of_date(cell: str | None, row: int, what: str) -> int:
    if cell is None:
        return -_MOST_NANOSECONDS - 1
    try:
        date = dt.datetime.fromisoformat(cell)
    except ValueError as error:
        raise RefusedError(
            f"row {row} of {what} holds {shown(cell)}, which is no date of ISO 8601. Expected one "
            "such as '2024-05-31T12:00:00' or '2024-05-31'."
        ) from error
    if date.tzinfo is None:
        date = date.replace(tzinfo=dt.UTC)
    passed = date - _EPOCH
    seconds = passed.days * 86_400 + passed.seconds
    return _in_range(seconds * _NANOSECONDS + passed.microseconds * 1000, cell, row, what)


def _durations(cells: list[Any], what: str) -> NDArray[np.timedelta64]:
    check_types(cells, _NUMBERS, what, "a duration in seconds, or null")
    found = [_nanoseconds_of_duration(cell, row, what) for row, cell in enumerate(cells)]
    return np.array(found, np.int64).view("timedelta64[ns]")


def _nanoseconds_of_duration(cell: float | None, row: int, what: str) -> int:
    # Integers may be beyond all floats.
    if cell is None or (not isinstance(cell, int) and math.isnan(cell)):
        return -_MOST_NANOSECONDS - 1
    nanoseconds = cell * _NANOSECONDS
    is_infinite = isinstance(nanoseconds, float) and math.isinf(nanoseconds)
    return _in_range(_MOST_NANOSECONDS + 1 if is_infinite else round(nanoseconds), cell, row, what)


def _in_range(nanoseconds: int, cell: Any, row: int, what: str) -> int:
    if abs(nanoseconds) > _MOST_NANOSECONDS:
        raise RefusedError(
            f"row {row} of {what} holds {shown(cell)}, which nanoseconds cannot count. Expected "
            "times within 292 years, dates between 1678 and 2262."
        )
    return nanoseconds


_COLUMNS: dict[str, Callable[[list[Any], str], Any]] = {
    "number": numbers,
    "string": texts,
    "datetime": _dates,
    "timedelta": _durations,
}
