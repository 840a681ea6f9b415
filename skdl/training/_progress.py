"""One progress bar for a whole batch of jobs."""

from __future__ import annotations

__all__ = ["StackProgress"]


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
