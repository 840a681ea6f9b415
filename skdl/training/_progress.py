"""One progress bar for a whole batch of jobs, or for all that workers train."""

from __future__ import annotations

from typing import Self

from skdl._progress import Line, open_bars

__all__ = ["StackProgress", "WorkersProgress"]


class StackProgress:
    """Shows members, epochs and how many members are still running."""

    def start(self, n_members: int, epochs: int) -> None:
        """Show a new bar for one stack."""
        self._bars = open_bars()
        title = f"lockstep: {n_members} fits"
        self._line = Line(title, epochs, "epoch ", note=f"{n_members} running")
        self._bars.add(self._line)

    def advance(self, running: int) -> None:
        """Take note of an epoch, after which `running` members go on."""
        self._line.done += 1
        self._line.note = f"{running} running"
        self._bars.show(self._line)

    def stop(self) -> None:
        """Leave the bar as it is."""
        self._bars.stop()


class WorkersProgress:
    """Shows how many of the fits have come back from their workers.

    Parameters
    ----------
    n_fits, n_workers : int
    """

    def __init__(self, n_fits: int, n_workers: int) -> None:
        self._line = Line(f"lockstep: {n_workers} workers", n_fits, "tasks ")

    def __enter__(self) -> Self:
        self._bars = open_bars()
        self._bars.add(self._line)
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def advance(self, n_fits: int) -> None:
        """Take note of fits that have come back."""
        self._line.done += n_fits
        self._bars.show(self._line)
