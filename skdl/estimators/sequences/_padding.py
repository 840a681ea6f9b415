"""Sequences of unequal length in one array: steps of NaN stand behind the end of the shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._lazy_rows import LazyRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "PaddedRows",
    "blocks_of_like_length",
    "check_missing",
    "padded",
    "rounded_up",
    "sequences_in",
]

# Of a block of rows of like length, but for the last one.
_LEAST_ROWS = 64
# Of a table, and of one sequence with its channels.
_TWO_AXES = 2


class PaddedRows(LazyRows):
    """Sequences ``(n, timesteps, channels)`` of float32 that were padded and checked."""

    @property
    def is_ragged(self) -> bool:
        """Whether some sequence is shorter than the array."""
        return bool(np.isnan(self.base[:, -1]).any())


def rounded_up(n_steps: int) -> int:
    """Round a number of steps up to one of a few, at most an eighth more.

    So that folds with other longest sequences still train in one program.

    Examples
    --------
    >>> [rounded_up(n) for n in (7, 16, 17, 100)]
    [7, 16, 18, 104]
    """
    eighth = 1 << max(0, (n_steps - 1).bit_length() - 4)
    return -(-n_steps // eighth) * eighth


def blocks_of_like_length(rows: Any) -> list[tuple[NDArray[np.intp], int]]:
    """Sort rows by length, so that short sequences need not be computed as long as the longest.

    Parameters
    ----------
    rows : array-like of shape (n, timesteps, channels)
        Steps that are NaN in all channels are not there.

    Returns
    -------
    blocks : list of (ndarray of int, int)
        Positions of rows, and to how many steps they may be cut: a power of two, or all. Few rows
        join those of the next length, as a block takes a time for each step whatever its rows.

    Examples
    --------
    >>> rows = np.full((300, 10, 1), np.nan)
    >>> rows[:200, :3] = rows[200:] = 0
    >>> [(len(index), n_steps) for index, n_steps in blocks_of_like_length(rows)]
    [(200, 4), (100, 10)]
    """
    n_rows, n_steps = rows.shape[:2]
    if n_rows < 2 * _LEAST_ROWS:
        return [(np.arange(n_rows), n_steps)]
    is_there = ~np.isnan(np.asarray(rows)).all(2)
    # Rows without any step count as one step long.
    lengths = np.where(is_there, np.arange(1, n_steps + 1), 1).max(1)
    sizes = np.minimum(2 ** np.ceil(np.log2(lengths)).astype(int), n_steps)
    blocks, waiting = [], np.array([], np.intp)
    for size in np.unique(sizes):
        waiting = np.concatenate([waiting, np.flatnonzero(sizes == size)])
        if len(waiting) >= _LEAST_ROWS or size == sizes.max():
            blocks.append((waiting, int(size)))
            waiting = np.array([], np.intp)
    return blocks


def sequences_in(X: Any, *, tables_too: bool = False) -> list[Any] | None:
    """Return the sequences of a list, column or ragged tensor; None where `X` is no such thing.

    Parameters
    ----------
    X : object
    tables_too : bool
        Whether lists of flat rows of one length are sequences of one channel; otherwise they are
        a table.
    """
    rows = _listed(X)
    if rows is None:
        return None
    axes = {_n_axes(row) for row in rows}
    if _TWO_AXES in axes:
        return rows
    if axes != {1}:
        return None
    is_table = isinstance(X, list | tuple) and len({len(row) for row in rows}) == 1
    return rows if tables_too or not is_table else None


def _listed(X: Any) -> list[Any] | None:
    """Return the entries of what has one for each row; None for tables of numbers."""
    if isinstance(X, list | tuple):
        return list(X)
    if isinstance(X, np.ndarray):
        is_column = X.ndim == 1 or X.shape[1:] == (1,)
        return list(X.ravel()) if X.dtype == object and is_column else None
    if hasattr(X, "column_names"):  # pyarrow, whose columns are lists
        return X.column(0).to_pylist() if len(X.column_names) == 1 else None
    if hasattr(X, "columns"):
        return _listed(X[X.columns[0]]) if len(X.columns) == 1 else None
    if isinstance(getattr(X, "dtype", None), np.dtype) and X.dtype != object:
        return None
    # Of pyarrow; of pandas, polars and TensorFlow's ragged tensors.
    as_list = getattr(X, "to_pylist", getattr(X, "to_list", None))
    return None if as_list is None else as_list()


def _n_axes(row: Any) -> int:
    if isinstance(row, list | tuple):
        return 1 + (_n_axes(row[0]) if row else 0)
    return len(getattr(row, "shape", ()))


def padded(
    owner: str,
    sequences: Sequence[Any],
    *,
    channels: str,
    may_miss: bool,
    name: str = "X",
) -> PaddedRows:
    """Return sequences in one array.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins messages.
    sequences : sequence of array-like
        Of shape (timesteps, channels), or (timesteps,) for one channel.
    channels : {"first", "last"}
        Whether they are of shape (channels, timesteps) instead.
    may_miss : bool
        Whether steps may be NaN.
    name : str
        Of the argument, for messages.

    Raises
    ------
    ValueError
        If a sequence is empty, holds something else than finite numbers, or has other channels
        than the first one; if steps miss in some channels only, or all steps of a sequence.
    """
    arrays = [
        _as_array(f"{owner}: {name}[{i}]", sequence, channels)
        for i, sequence in enumerate(sequences)
    ]
    widths = [array.shape[1] for array in arrays]
    if len(set(widths)) > 1:
        other = next(i for i, width in enumerate(widths) if width != widths[0])
        raise ValueError(
            f"{owner}: {name}[0] has {widths[0]} channels and {name}[{other}] has {widths[other]}. "
            "Expected sequences of shape (timesteps, channels) that differ in their timesteps "
            "only; for (channels, timesteps) set channels='first'."
        )
    n_steps = [len(array) for array in arrays]
    shape = (len(arrays), rounded_up(max(n_steps)), widths[0])
    base = np.full(shape, np.nan, np.float32)
    for row, array in zip(base, arrays, strict=True):
        row[: len(array)] = array
    _check_numbers(owner, base, n_steps, name, may_miss=may_miss)
    if may_miss:
        check_missing(owner, base, name)
    return PaddedRows(base)


def _as_array(what: str, sequence: Any, channels: str) -> NDArray[Any]:
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(sequence, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{what} is not an array of numbers ({error}). Expected shape (timesteps, channels)."
        ) from error
    if array.ndim == 1:
        array = array[:, None]
    elif channels == "first" and array.ndim == _TWO_AXES:
        array = array.T
    if array.ndim != _TWO_AXES or 0 in array.shape:
        raise ValueError(
            f"{what} has shape {np.shape(sequence)}. Expected (timesteps, channels) with at least "
            "one step and one channel; leave empty sequences out."
        )
    return array


def _check_numbers(
    owner: str, base: NDArray[np.float32], n_steps: list[int], name: str, *, may_miss: bool
) -> None:
    is_there = np.arange(base.shape[1]) < np.array(n_steps)[:, None]
    is_bad = np.isinf(base) if may_miss else ~np.isfinite(base)
    wrong = (is_bad & is_there[..., None]).any((1, 2))
    if wrong.any():
        found = "infinity" if may_miss else "NaN or infinity"
        cure = "" if may_miss else ", or mask_missing=True for steps of NaN in all channels"
        raise ValueError(
            f"{owner}: {name} contains {found} in {wrong.sum()} of {len(base)} sequences, the "
            f"first of them {name}[{int(wrong.argmax())}]. Expected finite numbers{cure}."
        )


def check_missing(owner: str, rows: NDArray[np.float32], name: str = "X") -> None:
    """Refuse steps that are missing in some channels only, and sequences without any step.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins messages.
    rows : ndarray of shape (n, timesteps, channels)
    name : str
        Of the argument, for messages.

    Raises
    ------
    ValueError
        If there are such.
    """
    missing: NDArray[np.bool_] = np.isnan(rows)
    is_whole = np.asarray(missing.all(2))
    if (in_part := (missing.any(2) != is_whole).any(1)).any():
        raise ValueError(
            f"{owner}: {name} contains NaN in some channels of a step in {in_part.sum()} of "
            f"{len(rows)} sequences, the first of them row {int(in_part.argmax())}. Expected NaN "
            "in all channels of a missing step, as mask_missing=True leaves whole steps out; fill "
            "the others in, for example with the value of the step before."
        )
    if (empty := is_whole.all(1)).any():
        raise ValueError(
            f"{owner}: all steps of {name} are NaN in {empty.sum()} of {len(rows)} sequences, the "
            f"first of them row {int(empty.argmax())}. Expected at least one step; leave these "
            "rows out."
        )
