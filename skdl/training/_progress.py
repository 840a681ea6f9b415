"""One progress bar for a whole batch of jobs."""

from __future__ import annotations

from skdl._progress import Line, open_bars

__all__ = ["StackProgress"]


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
