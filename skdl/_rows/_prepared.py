"""Rows of a source in the form in which a network takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._lazy_rows import all_finite
from skdl._rows._source import RowSource

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

__all__ = ["PreparedRows"]

_MOST_SHOWN = 5


class PreparedRows(RowSource):
    """Rows of a source, each block checked and converted once it is read.

    Parameters
    ----------
    source : RowSource
    owner : str
        Name of the estimator, which begins a message.
    allow_nan : bool
        Whether the network takes missing numbers.
    cure : str
        What to do about missing numbers.
    offsets : ndarray of shape (n_features,), optional
        Subtracted in float64.
    encode : callable, optional
        Takes the source and the number of a block, and returns its rows as numbers; by default
        they are numbers.
    encoding : hashable, optional
        Equal where `encode` does the same.
    row_shape : tuple of int, optional
        Shape of each row, if another than that of the source.
    """

    def __init__(
        self,
        source: RowSource,
        owner: str,
        *,
        allow_nan: bool,
        cure: str = "",
        offsets: NDArray[np.float64] | None = None,
        encode: Callable[[Any, int], NDArray[Any]] | None = None,
        encoding: Hashable = None,
        row_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.source = source
        self.buffer_rows = source.buffer_rows
        self.feature_names = source.feature_names
        self._owner = owner
        self._allow_nan = allow_nan
        self._cure = cure
        self._offsets = offsets
        self._encode = encode
        self._encoding = encoding
        shape = source.shape if row_shape is None else (len(source), *row_shape)
        self._set_blocks(shape, source.dtype, source.block_starts[1:].tolist())
        self._is_checked = np.zeros(len(self.block_starts) - 1, bool)

    @property
    def identity(self) -> Hashable:
        offsets = None if self._offsets is None else self._offsets.tobytes()
        return self.source.identity, self._allow_nan, offsets, self._encoding, self.shape

    @property
    def is_wide(self) -> bool:
        return self.source.is_wide

    def with_offsets(self, offsets: NDArray[np.float64] | None) -> PreparedRows:
        """Return the rows less what is to be subtracted from each column."""
        return self._with(offsets=offsets)

    def reshape(self, n_rows: int, *shape: int) -> PreparedRows:
        """Return the same rows, each of another shape."""
        del n_rows
        return self._with(row_shape=shape)

    def _with(self, **changes: Any) -> PreparedRows:
        options = {
            "allow_nan": self._allow_nan,
            "cure": self._cure,
            "offsets": self._offsets,
            "encode": self._encode,
            "encoding": self._encoding,
            "row_shape": self.shape[1:],
        }
        return PreparedRows(self.source, self._owner, **{**options, **changes})

    def read_block(self, number: int, dtype: Any = None) -> NDArray[Any]:
        if self._encode is not None:
            rows = self._encode(self.source, number)
        elif self._offsets is not None and dtype is None:
            wide = self.source.read_block(number, np.float64)
            with np.errstate(over="ignore"):
                rows = (wide - self._offsets).astype(np.float32)
        else:
            rows = self.source.read_block(number, dtype)
        if not self._is_checked[number]:
            self._check(rows, int(self.block_starts[number]))
            self._is_checked[number] = True
        return rows.reshape(len(rows), *self.shape[1:])

    def _check(self, rows: NDArray[Any], start: int) -> None:
        """Refuse NaN and infinite numbers."""
        if rows.dtype.kind != "f" or all_finite(rows):
            return
        flat = rows.reshape(len(rows), -1)
        wrong = np.isinf(flat)
        if wrong.any():
            what = "infinity or a value too large for dtype('float32')"
            cure = "Expected finite numbers of less than 3e38."
        elif self._allow_nan:
            return
        else:
            wrong, what = np.isnan(flat), "NaN"
            cure = f"Expected a number in each cell: {self._cure}."
        columns: list[Any] = np.flatnonzero(wrong.any(0)).tolist()
        if self.feature_names is not None and self.ndim == len(("rows", "features")):
            columns = [self.feature_names[i] for i in columns]
        more = len(columns) - _MOST_SHOWN
        listed = f"{columns[:_MOST_SHOWN]}" + (f" and {more} more" if more > 0 else "")
        raise ValueError(
            f"{self._owner}: Input X contains {what}, in columns {listed}, first in row "
            f"{start + int(wrong.any(1).argmax())}. {cure}"
        )
