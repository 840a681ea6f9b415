"""Batches that hold pairs: some classes, several rows of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["ClassBatches"]


class ClassBatches:
    """Batches of rows of drawn classes.

    Each batch has ``batch_size // rows_per_class`` classes, or all if there are fewer, and the
    same number of rows of each, or all rows of a smaller class. The rows of a class come in an
    order that is drawn anew once all have come.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,)
        Class of each row, from 0 to the last.
    batch_size, rows_per_class : int
    rng : numpy.random.Generator
    """

    def __init__(
        self,
        codes: NDArray[np.intp],
        batch_size: int,
        rows_per_class: int,
        rng: np.random.Generator,
    ) -> None:
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes))[:-1]
        self._rows_of = np.split(order, ends)
        self._left: list[NDArray[np.intp]] = [rows[:0] for rows in self._rows_of]
        n_classes = len(self._rows_of)
        self.n_classes = max(2, min(n_classes, batch_size // rows_per_class))
        self.n_rows = max(2, batch_size // self.n_classes)
        self._rng = rng
        self.n_batches = -(-len(codes) // batch_size)

    def __iter__(self) -> Iterator[NDArray[np.intp]]:
        """Give the batches of one epoch, each as numbers of rows."""
        for _ in range(self.n_batches):
            chosen = self._rng.choice(len(self._rows_of), self.n_classes, replace=False)
            yield np.concatenate([self._next(int(number)) for number in chosen])

    def _next(self, number: int) -> NDArray[np.intp]:
        """Return the next rows of a class, each once."""
        rows = self._rows_of[number]
        n_rows = min(self.n_rows, len(rows))
        if len(self._left[number]) < n_rows:
            self._left[number] = self._rng.permutation(rows)
        taken, self._left[number] = np.split(self._left[number], [n_rows])
        return taken
