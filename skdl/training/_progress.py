"""One progress bar for a whole batch of jobs, or for all that workers train."""

from __future__ import annotations

from typing import Self

__all__ = ["StackProgress", "WorkersProgress"]


class StackProgress:
    """Shows members, epochs and how many members are still running."""

    def start(self, n_members: int, epochs: int) -> None:
        """Show a new bar for one stack."""
        from rich import progress

        self._bar = progress.Progress(
            "{task.description}",
            progress.BarColumn(),
            "epoch {task.completed:.0f}/{task.total:.0f}",
            "{task.fields[running]} running",
            progress.TimeElapsedColumn(),
        )
        self._bar.start()
        self._task = self._bar.add_task(
            f"lockstep: {n_members} fits", total=epochs, running=n_members
        )

    def advance(self, running: int) -> None:
        """Take note of an epoch, after which `running` members go on."""
        self._bar.update(self._task, advance=1, running=running)

    def stop(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()


class WorkersProgress:
    """Shows how many of the fits have come back from their workers.

    Parameters
    ----------
    n_fits, n_workers : int
    """

    def __init__(self, n_fits: int, n_workers: int) -> None:
        from rich import progress

        self._bar = progress.Progress(
            "{task.description}",
            progress.BarColumn(),
            "{task.completed:.0f}/{task.total:.0f} tasks",
            progress.TimeElapsedColumn(),
        )
        self._task = self._bar.add_task(f"lockstep: {n_workers} workers", total=n_fits)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, n_fits: int) -> None:
        """Take note of fits that have come back."""
        self._bar.update(self._task, advance=n_fits)
