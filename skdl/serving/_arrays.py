"""Lists of JSON as arrays of a given shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.serving._cells import check_types, numbers
from skdl.serving._refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["array_rows", "flat", "integers"]


def flat(data: list[Any], shape: Sequence[int], what: str) -> list[Any]:
    """Return the cells of nested lists in order; a flat list is taken as it is.

    Parameters
    ----------
    data : list
    shape : sequence of int
        Lengths of the lists, from the outermost on.
    what : str
        The array, which begins a message.

    Raises
    ------
    RefusedError
        If the lists have other lengths.
    """
    n_expected = math.prod(shape)
    if list in set(map(type, data)):
        lengths = {len(data)}
        for axis, n in enumerate(shape):
            if lengths - {n}:
                raise RefusedError(
                    f"{what} has lists of {min(lengths - {n})} on axis {axis}. Expected "
                    f"{n} there, as the shape is {list(shape)}."
                )
            if axis + 1 < len(shape):
                check_types(data, {list}, what, f"a list of {shape[axis + 1]}")
                lengths = set(map(len, data))
                data = [cell for part in data for cell in part]
    if len(data) != n_expected:
        raise RefusedError(
            f"{what} has {len(data)} values. Expected {n_expected}, as the shape is {list(shape)}."
        )
    return data


def integers(cells: list[Any], dtype: str, what: str) -> NDArray[Any]:
    """Return integers in a type that holds them.

    Raises
    ------
    RefusedError
        If a cell is no integer, or beyond the type.
    """
    limits = np.iinfo(dtype)
    expected = f"an integer from {limits.min} to {limits.max}"
    check_types(cells, {int}, what, expected)
    if cells and (min(cells) < limits.min or max(cells) > limits.max):
        row = next(i for i, cell in enumerate(cells) if not limits.min <= cell <= limits.max)
        raise RefusedError(f"row {row} of {what} holds {cells[row]}. Expected {expected}.")
    return np.array(cells, dtype)


def array_rows(described: dict[str, Any], rows: list[Any]) -> NDArray[Any]:
    """Return rows that are lists as the array that the file takes.

    Raises
    ------
    RefusedError
        If they have another shape, or hold something else than numbers.
    """
    shape = (len(rows), *described["shape"])
    check_types(rows, {list}, "'rows'", f"a list of shape {described['shape']}")
    cells = flat(rows, shape, "'rows'")
    if described["dtype"] == "uint8":
        return integers(cells, "uint8", "the values of 'rows'").reshape(shape)
    return numbers(cells, "the values of 'rows'").reshape(shape)
