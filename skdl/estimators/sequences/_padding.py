"""Sequences of unequal length in one array: steps of NaN stand behind the end of the shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skdl._lazy_rows import LazyRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["PaddedRows", "padded", "rounded_up", "sequences_in"]

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


def sequences_in(X: Any, *, tables_too: bool = False) -> list[Any] | None:
    """Return the sequences of a list, object array or Series; None where `X` is no such thing.

    Parameters
    ----------
    X : object
    tables_too : bool
        Whether lists of flat rows of one length are sequences of one channel; otherwise they are
        a table.
    """
    is_objects = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    if not (is_objects or isinstance(X, list | tuple | pd.Series)):
        return None
    rows = list(X)
    axes = {_n_axes(row) for row in rows}
    if _TWO_AXES in axes:
        return rows
    if axes != {1}:
        return None
    is_table = len({len(row) for row in rows}) == 1
    return rows if tables_too or not is_table else None


def _n_axes(row: Any) -> int:
    if isinstance(row, list | tuple):
        return 1 + (_n_axes(row[0]) if row else 0)
    return getattr(row, "ndim", 0)


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
        than the first one.
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
