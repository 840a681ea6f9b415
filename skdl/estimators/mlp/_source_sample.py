"""What perceptrons learn from the rows of a source before training: from some rows, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skdl.estimators.mlp._offsets import large_offsets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from skdl._rows import ParquetRows, RowSource

__all__ = ["LEARNING_ROWS", "offsets_of_source", "sample_frame"]

# Rows that quartiles, bins and the kinds of columns are learned from.
LEARNING_ROWS = 2**17
# An offset need not be exact: so many places of the source tell it.
_BLOCKS_FOR_OFFSETS = 8
_ROWS_OF_A_BLOCK = 2000


def offsets_of_source(source: RowSource, index: NDArray[np.int32]) -> NDArray[np.float64] | None:
    """Return what to subtract from each column, see `large_offsets`.

    Parameters
    ----------
    source : RowSource
    index : ndarray of int
        Rows to learn from.
    """
    if not source.is_wide:
        return None
    blocks = np.unique(source.blocks_of(index))
    chosen = blocks[:: -(-len(blocks) // _BLOCKS_FOR_OFFSETS)]
    sample = []
    for number in chosen.tolist():
        within = _rows_in_block(source, index, number)
        step = max(1, len(within) // _ROWS_OF_A_BLOCK)
        sample.append(source.read_block(number, np.float64)[within[::step]])
    return large_offsets(np.concatenate(sample))


def sample_frame(
    source: ParquetRows, index: NDArray[np.int32], categories: Sequence[Any]
) -> pd.DataFrame:
    """Return rows that show what each column holds, every level of a category among them.

    Parameters
    ----------
    source : ParquetRows
    index : ndarray of int
        Rows to learn from.
    categories : sequence of str
        Columns that may hold categories.
    """
    step = -(-len(index) // LEARNING_ROWS)
    seen: dict[Any, pd.Series] = {}
    frames = []
    for number in np.unique(source.blocks_of(index)).tolist():
        frame = source.read_frame(number)
        frame = frame.iloc[_rows_in_block(source, index, number)]
        chosen = np.zeros(len(frame), bool)
        chosen[::step] = True
        for name in categories:
            levels = frame[name].drop_duplicates()
            known = seen.get(name)
            is_new = np.ones(len(levels), bool) if known is None else ~levels.isin(known).to_numpy()
            if known is not None and known.isna().any():
                is_new &= levels.notna().to_numpy()
            chosen[frame.index.get_indexer(levels.index[is_new])] = True
            # As values: each block has categories of its own.
            new = levels[is_new].astype(object)
            seen[name] = new if known is None else pd.concat([known, new])
        frames.append(frame[chosen])
    return _joined(frames)


def _rows_in_block(source: RowSource, index: NDArray[np.int32], number: int) -> NDArray[np.int32]:
    """Return which rows of a block are among those to learn from."""
    here = index[source.blocks_of(index) == number]
    within: NDArray[np.int32] = np.sort(here) - int(source.block_starts[number])
    return within


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return frames as one; columns of categories keep to all categories that any block has."""
    first = frames[0]
    joined: dict[Any, Any] = {}
    for name in first.columns:
        parts = [frame[name] for frame in frames]
        if isinstance(first[name].dtype, pd.CategoricalDtype):
            joined[name] = pd.api.types.union_categoricals([part.array for part in parts])
        else:
            joined[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(joined)
