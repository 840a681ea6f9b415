"""Dropout noise for all members of a stack out of one table."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NoiseTable"]

_N_STARTS = 1 << 16


class NoiseTable:
    """A table of uint32 noise, of which every step and layer uses another piece.

    Which piece depends on the number of the epoch and step alone, and each member turns it by
    amounts of its own, so a member's noise does not depend on who else is in the stack.

    Parameters
    ----------
    size : int
        Elements of the largest piece: rows of a batch times the width of the widest layer.
    """

    def __init__(self, size: int) -> None:
        self.values = _table(size + _N_STARTS)

    @staticmethod
    def starts(epoch: int, n_steps: int, n_layers: int) -> NDArray[np.int32]:
        """Return where the pieces of an epoch begin, shape (n_steps, n_layers)."""
        generator = np.random.default_rng(epoch)
        return generator.integers(0, _N_STARTS, (n_steps, n_layers), np.int32)


@functools.lru_cache(maxsize=8)
def _table(size: int) -> NDArray[np.uint32]:
    return np.random.default_rng(0).integers(0, 2**32, size, np.uint32)
