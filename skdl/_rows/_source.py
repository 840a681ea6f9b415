"""Sources of rows: arrays on disk, or anything of two methods, read block by block."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._lazy_rows import LazyRows
from skdl._validation import Constraint, Integer, check_parameters, show
from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

__all__ = ["BUFFER_ROWS", "RowSource", "merged", "source_of", "targets_of"]

# Of 50 numbers each, these are 26 MB.
BUFFER_ROWS = 2**17
# Blocks of a buffer, at least: so many places of the source are mixed.
BLOCKS_OF_A_BUFFER = 8
CONSTRAINTS: dict[str, Constraint] = {"buffer_rows": Integer(1, example=BUFFER_ROWS)}
# Rows, height and width; or rows, length and channels.
_AXES_OF_IMAGES = 3


class RowSource:
    """Rows that stay where they are, such as in a file, and are read when they are needed.

    Give it to ``fit``, ``predict`` and ``skdl.model_selection.cross_validate`` instead of an array.
    Blocks of rows are read once an epoch, ahead of time in a thread; they are never all in memory.

    With ``shuffle=True``, the blocks come in a new order in each epoch. As many of them as hold
    `buffer_rows` rows are mixed at a time. Rows that come in order, such as sorted by class or
    date, are mixed well only if a buffer holds a fair share of them: shuffle such a file once.

    Parameters
    ----------
    data : array-like or sequence
        Has ``shape``, ``dtype`` and slices of rows (a NumPy memory map, an HDF5 or zarr dataset, a
        Dask array); or is an object of your own with two methods: ``__len__``, and ``__getitem__``
        that returns an array for a slice of rows. Numbers; they become float32 when they are read,
        but for images of uint8.
    buffer_rows : int, default=131072
        Rows that are mixed at a time. Up to twice as many are in memory. What is read as a whole,
        such as a row group or a chunk, counts as a buffer if it has more rows.

    Attributes
    ----------
    shape : tuple of int
        Shape of the rows together.
    ndim : int
        Number of axes.
    dtype : dtype
        What the rows are read as: float32, or uint8.
    feature_names : list of str or None
        Names of the features, where they have any.
    block_starts : ndarray of shape (n_blocks + 1,)
        First row of each block, and the number of rows.

    See Also
    --------
    ParquetRows : Rows of Parquet files.

    Examples
    --------
    >>> import numpy as np
    >>> from skdl import MLPRegressor, RowSource
    >>> class Squares:
    ...     def __len__(self):
    ...         return 1000
    ...
    ...     def __getitem__(self, rows):
    ...         return np.arange(1000.0)[rows, None] ** [1, 2] / 1e6
    >>> rows = RowSource(Squares())
    >>> rows.shape
    (1000, 2)
    >>> y = np.arange(1000.0)
    >>> MLPRegressor(epochs=2).fit(rows, y).predict(rows[:3]).shape
    (3,)
    """

    feature_names: list[str] | None = None

    def __init__(self, data: Any, *, buffer_rows: int = BUFFER_ROWS) -> None:
        owner = type(self).__name__
        check_parameters(owner, {"buffer_rows": buffer_rows}, CONSTRAINTS)
        self.data = data
        self.buffer_rows = int(buffer_rows)
        shape, dtype = _looked_at(owner, data)
        size = dtype.itemsize + (dtype.kind in "iu")  # of 4 bytes, integers have more digits
        self._is_wide = size > np.dtype(np.float32).itemsize
        is_bytes = dtype == np.uint8 and len(shape) >= _AXES_OF_IMAGES
        least = max(1, self.buffer_rows // BLOCKS_OF_A_BUFFER)
        ends = _natural_ends(data, shape[0], least)
        self._set_blocks(shape, np.dtype(np.uint8 if is_bytes else np.float32), ends)

    def _set_blocks(self, shape: tuple[int, ...], dtype: Any, ends: Sequence[int]) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.block_starts: NDArray[np.int64] = np.array([0, *ends], np.int64)
        sizes = np.diff(self.block_starts)
        self._equal_size = int(sizes[0]) if len(set(sizes[:-1].tolist())) <= 1 else None
        if len(sizes) > 1 and sizes[-1] > sizes[0]:
            self._equal_size = None
        self._last: tuple[int, NDArray[Any]] | None = None

    # ------------------------------------------------------------------ as an array

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks that are in memory at a time, at most."""
        n_rows = min(len(self), 2 * self.buffer_rows + int(np.diff(self.block_starts).max()))
        return n_rows * int(np.prod(self.shape[1:])) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Return one row as an array, or several as a view that reads them when they are needed."""
        if not isinstance(key, slice | tuple) and np.ndim(key) == 0:
            return self.rows_at(np.array([range(len(self))[operator.index(key)]]))[0]
        return LazyRows(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        del copy
        rows = self.rows_at(np.arange(len(self)))
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": None}

    # ------------------------------------------------------------------ for whoever reads them

    @property
    def identity(self) -> Hashable:
        """Equal for sources of the same rows in the same form."""
        return id(self)

    @property
    def is_wide(self) -> bool:
        """Whether numbers have digits that float32 may lose."""
        return self._is_wide

    def blocks_of(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the block of each row.

        Parameters
        ----------
        rows : ndarray of int

        Returns
        -------
        blocks : ndarray of int
        """
        if self._equal_size is not None:
            return rows // self._equal_size
        return np.searchsorted(self.block_starts, rows, "right") - 1

    def read_block(self, number: int, dtype: Any = None) -> NDArray[Any]:
        """Read the rows of a block.

        Parameters
        ----------
        number : int
            From 0 on.
        dtype : dtype, default=None
            Of the result; `dtype` of the source by default.

        Returns
        -------
        rows : ndarray of shape (n_rows_of_block, ...)

        Raises
        ------
        ValueError
            If the source returns another number of rows, or rows of another shape.
        """
        start, stop = self.block_starts[number : number + 2].tolist()
        rows = np.asarray(self.data[start:stop])
        if rows.shape != (stop - start, *self.shape[1:]):
            raise ValueError(
                f"{type(self).__name__}: rows {start} to {stop} of the "
                f"{type(self.data).__name__} have shape {rows.shape}. Expected "
                f"{(stop - start, *self.shape[1:])}, as __len__ and its first row say."
            )
        with np.errstate(over="ignore"):  # what is too large is refused by who checks the rows
            return np.ascontiguousarray(rows, self.dtype if dtype is None else dtype)

    def rows_at(self, index: NDArray[Any]) -> NDArray[Any]:
        """Read some rows, one block at a time.

        Parameters
        ----------
        index : ndarray of int
            Positions of rows.

        Returns
        -------
        rows : ndarray of shape (len(index), ...)
        """
        result = np.empty((len(index), *self.shape[1:]), self.dtype)
        blocks = self.blocks_of(index)
        for number in np.unique(blocks).tolist():
            here = np.flatnonzero(blocks == number)
            # Slices that follow one another, as in `predict`, meet each block once.
            last = self._last
            if last is None or last[0] != number:
                last = self._last = (number, self.read_block(number))
            result[here] = last[1][index[here] - self.block_starts[number]]
        return result


def targets_of(X: Any, y: Any) -> Any:
    """Return `y`; where it is None those that a source has itself, if any."""
    return getattr(X, "y", None) if y is None and isinstance(X, RowSource) else y


def source_of(X: Any) -> RowSource | None:
    """Return the source that rows, or a view of rows, are read from; None for rows in memory."""
    base = X.base if isinstance(X, LazyRows) else X
    return base if isinstance(base, RowSource) else None


def merged(ends: Sequence[int], least: int) -> list[int]:
    """Return ends of blocks so that each holds so many rows at least, but for the last.

    Examples
    --------
    >>> merged([10, 20, 30, 35], 15)
    [20, 35]
    """
    found: list[int] = []
    start = 0
    for end in ends:
        if end - start >= least:
            found.append(end)
            start = end
    if ends and start < ends[-1]:
        found.append(ends[-1])
    return found


def _looked_at(owner: str, data: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of all rows."""
    if not (hasattr(data, "__getitem__") and (hasattr(data, "shape") or hasattr(data, "__len__"))):
        raise InvalidParameterError(
            f"{owner}: data={show(data)} has no rows to read. Expected what has shape, dtype and "
            "slices of rows, such as a memory map, an HDF5 or zarr dataset or a Dask array; or an "
            "object with __len__ and with __getitem__ that returns an array for a slice. For files "
            "of Parquet, skdl.ParquetRows(path)."
        )
    shape, dtype = getattr(data, "shape", None), getattr(data, "dtype", None)
    if shape is None or dtype is None:
        n_rows = len(data)
        first = np.asarray(data[0 : min(1, n_rows)])
        shape, dtype = (n_rows, *first.shape[1:]), first.dtype
    if any(n != n for n in shape):  # noqa: PLR0124 - NaN
        raise InvalidParameterError(
            f"{owner}: data of shape {shape} does not know its number of rows. Expected a known "
            "one; of a Dask array, data.compute_chunk_sizes()."
        )
    shape, dtype = tuple(int(n) for n in shape), np.dtype(dtype)
    if len(shape) < len(("rows", "features")) or 0 in shape:
        raise InvalidParameterError(
            f"{owner}: data has shape {shape}. Expected at least one row, and at least one feature "
            "along a second axis."
        )
    if dtype.kind not in "fiub":
        raise InvalidParameterError(f"{owner}: data is of dtype {dtype}. Expected numbers.")
    return shape, dtype


def _natural_ends(data: Any, n_rows: int, least: int) -> list[int]:
    """Return ends of blocks, at borders of chunks where the data have any along the rows."""
    chunks = getattr(data, "chunks", None)
    of_rows = chunks[0] if isinstance(chunks, tuple) and chunks else 1
    if isinstance(of_rows, tuple):  # Dask
        return merged(np.cumsum(of_rows).tolist(), least)
    step = -(-least // int(of_rows)) * int(of_rows)
    return [*range(step, n_rows, step), n_rows]
