"""Rows of a source on their way into batches: read once an epoch, ahead of time, in a thread."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl._rows import RowSource

__all__ = ["RowReader", "shuffled_by_blocks"]

# Positions that are looked at at once.
_AT_ONCE = 2**20


class RowReader:
    """Blocks of a source that batches to come are made of.

    Which rows come, and in which order, is said before (`expect`). So a thread reads each block
    before it is needed, and each is let go with the last of its rows. At most two buffers are held;
    a block that a batch waits for is read in any case.

    Parameters
    ----------
    source : RowSource

    Attributes
    ----------
    error : Exception or None
        What reading has failed with.
    n_held, most_held : int
        Rows that are in memory, now and at most so far.
    """

    def __init__(self, source: RowSource) -> None:
        self.source = source
        self.error: Exception | None = None
        self.n_held = self.most_held = 0
        self._sizes = np.diff(source.block_starts)
        self._limit = 2 * source.buffer_rows
        self._keeps_all = len(source) <= self._limit
        # Rows of each block that are still to be used.
        self._n_to_come = np.zeros(len(self._sizes), np.int64)
        self._coming: collections.deque[int] = collections.deque()
        self._held: dict[int, NDArray[Any]] = {}
        self._wanted: set[int] = set()
        self._reading: int | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def expect(self, rows: NDArray[np.int32]) -> None:
        """Take note of rows to come, in the order of their use."""
        flat = rows.reshape(-1)
        n_uses = np.zeros(len(self._sizes), np.int64)
        order: dict[int, None] = {}
        for start in range(0, len(flat), _AT_ONCE):
            blocks = self.source.blocks_of(flat[start : start + _AT_ONCE])
            n_uses += np.bincount(blocks, minlength=len(n_uses))
            numbers, first = np.unique(blocks, return_index=True)
            order |= dict.fromkeys(numbers[np.argsort(first)].tolist())
        with self._changed:
            self._n_to_come += n_uses
            known = {*self._held, *self._coming, self._reading}
            self._coming.extend(number for number in order if number not in known)
            self._start_reading()

    def read(self, rows: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Write rows into an array of their shape; wait until they are there."""
        blocks = self.source.blocks_of(rows)
        within = rows - self.source.block_starts[blocks]
        order = np.argsort(blocks, kind="stable")
        numbers, starts = np.unique(blocks[order], return_index=True)
        for number, here in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            out[here] = self._block(number)[within[here]]
            self._used(number, len(here))

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._is_closed = True
            self._held.clear()
            self._changed.notify_all()

    def _block(self, number: int) -> NDArray[Any]:
        with self._changed:
            while number not in self._held:
                if self.error is not None:
                    raise self.error
                self._wanted.add(number)
                if number != self._reading and number not in self._coming:
                    self._coming.append(number)
                self._start_reading()
                self._changed.notify_all()
                self._changed.wait()
            return self._held[number]

    def _used(self, number: int, n_rows: int) -> None:
        with self._changed:
            self._n_to_come[number] -= n_rows
            if self._n_to_come[number] <= 0 and not self._keeps_all and number in self._held:
                self._n_to_come[number] = 0
                del self._held[number]
                self.n_held -= int(self._sizes[number])
                self._changed.notify_all()

    def _start_reading(self) -> None:
        if self._coming and self._thread is None:
            self._thread = threading.Thread(target=self._read_ahead, name="skdl-rows", daemon=True)
            self._thread.start()

    def _read_ahead(self) -> None:
        """Read what comes, until nothing does."""
        while True:
            with self._changed:
                while not self._is_closed and self._coming and not self._may_read():
                    self._changed.wait()
                if self._is_closed or not self._coming or self.error is not None:
                    self._thread = None
                    return
                number = next((n for n in self._coming if n in self._wanted), self._coming[0])
                self._coming.remove(number)
                self._wanted.discard(number)
                self._reading = number
            try:
                block = self.source.read_block(number)
            except Exception as error:  # noqa: BLE001 - raised where the rows are needed
                with self._changed:
                    self.error, self._reading = error, None
                    self._changed.notify_all()
                continue
            with self._changed:
                self._held[number] = block
                # Who waits for it may have asked again while it was read.
                self._wanted.discard(number)
                self._reading = None
                self.n_held += int(self._sizes[number])
                self.most_held = max(self.most_held, self.n_held)
                self._changed.notify_all()
            del block

    def _may_read(self) -> bool:
        following = int(self._sizes[self._coming[0]])
        return not self._held or bool(self._wanted) or self.n_held + following <= self._limit


def shuffled_by_blocks(
    rows: NDArray[np.int32],
    source: RowSource,
    generator: np.random.Generator,
    of_blocks: np.random.Generator,
) -> NDArray[np.int32]:
    """Return rows in a new order: blocks shuffled, then the rows of as many as a buffer holds.

    Parameters
    ----------
    rows : ndarray of int32
        Positions, rising.
    source : RowSource
    generator : Generator
        Shuffles rows.
    of_blocks : Generator
        Shuffles blocks: in one state for all networks that train together, so that each block is
        read once for all of them.
    """
    if len(source) <= source.buffer_rows:
        return generator.permutation(rows)
    starts = source.block_starts
    bounds = np.searchsorted(rows, starts)
    shuffled = np.empty_like(rows)
    filled = n_mixed = 0
    mixed: list[NDArray[np.int32]] = []
    order = of_blocks.permutation(len(starts) - 1).tolist()
    for place, number in enumerate(order, 1):
        mixed.append(rows[bounds[number] : bounds[number + 1]])
        # By all rows of the source, not by these: buffers of all folds end at the same places.
        n_mixed += int(starts[number + 1] - starts[number])
        if n_mixed >= source.buffer_rows or place == len(order):
            buffer = generator.permutation(np.concatenate(mixed))
            shuffled[filled : filled + len(buffer)] = buffer
            filled += len(buffer)
            mixed, n_mixed = [], 0
    return shuffled
