"""What ``verbose=1`` shows: bars in a terminal, a line that stays in a notebook, text elsewhere.

Rich draws the bars of a terminal. In a notebook it would ask for ipywidgets, and leave nothing in
the saved page; there, a plain HTML output is replaced as work goes on, and its last state is
saved. In a log file a line is written at the end, and from time to time before.
"""

from __future__ import annotations

import dataclasses
import html
import sys
import time
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Bars", "Line", "open_bars"]

# Between two states that a notebook is sent.
_NOTEBOOK_SECONDS = 0.2
# Between two lines of a log: a tenth of the time since the start, but at least this.
_LOG_SECONDS = 5.0


@dataclasses.dataclass(eq=False)
class Line:
    """One bar: how much of something is done.

    Attributes
    ----------
    title : str
        Stands in front.
    total : int or None
        None where it is not known.
    unit : str
        Stands before the count, such as ``"epoch "``.
    is_minor : bool
        Whether a log does without it.
    note : str
        Stands behind.
    done : int
    start : float
        Monotonic seconds.
    """

    title: str
    total: int | None
    unit: str = ""
    is_minor: bool = False
    note: str = ""
    done: int = 0
    start: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.start = time.monotonic()

    @property
    def count(self) -> str:
        """How much is done, of how much."""
        return f"{self.unit}{self.done}/{'?' if self.total is None else self.total}"

    @property
    def elapsed(self) -> str:
        """Time since the start."""
        return str(timedelta(seconds=int(time.monotonic() - self.start)))

    def as_text(self) -> str:
        """Return it without a bar."""
        return "  ".join(filter(None, [self.title.strip(), self.count, self.elapsed, self.note]))


class Bars(ABC):
    """The lines that are shown together; made by `open_bars`."""

    @abstractmethod
    def add(self, line: Line) -> None:
        """Show a line."""

    @abstractmethod
    def show(self, line: Line) -> None:
        """Show what has become of it."""

    @abstractmethod
    def remove(self, line: Line) -> None:
        """Show it no more."""

    @abstractmethod
    def stop(self) -> None:
        """Leave the lines as they are."""


def open_bars() -> Bars:
    """Return what suits the place where standard output goes."""
    from rich.console import Console

    console = Console()
    if console.is_jupyter:
        return _NotebookBars()
    return _TerminalBars() if console.is_terminal else _LogBars()


class _TerminalBars(Bars):
    def __init__(self) -> None:
        from rich import progress

        self._bars = progress.Progress(
            "{task.description}",
            progress.BarColumn(bar_width=30),
            "{task.fields[count]}",
            progress.TimeElapsedColumn(),
            "{task.fields[note]}",
        )
        self._bars.start()
        self._tasks: dict[Line, Any] = {}

    def add(self, line: Line) -> None:
        self._tasks[line] = self._bars.add_task(
            line.title, total=line.total, count=line.count, note=line.note
        )

    def show(self, line: Line) -> None:
        self._bars.update(self._tasks[line], completed=line.done, count=line.count, note=line.note)

    def remove(self, line: Line) -> None:
        self._bars.remove_task(self._tasks.pop(line))

    def stop(self) -> None:
        self._bars.stop()


class _NotebookBars(Bars):
    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._handle: Any = None
        self._last = 0.0

    def add(self, line: Line) -> None:
        self._lines.append(line)
        self._send()

    def show(self, line: Line) -> None:
        del line
        if time.monotonic() - self._last >= _NOTEBOOK_SECONDS:
            self._send()

    def remove(self, line: Line) -> None:
        self._lines.remove(line)

    def stop(self) -> None:
        self._send()

    def _send(self) -> None:
        from IPython.display import display

        self._last = time.monotonic()
        data = {"text/html": _as_html(self._lines), "text/plain": _as_text(self._lines)}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def _as_html(lines: Iterable[Line]) -> str:
    rows = []
    for line in lines:
        total = "" if line.total is None else f' value="{line.done}" max="{line.total}"'
        cells = [line.title, f"<progress{total}></progress>", line.count, line.elapsed, line.note]
        told = "".join(
            f'<td style="text-align:left;padding:0 .8em 0 0">'
            f"{cell if cell.startswith('<progress') else html.escape(cell)}</td>"
            for cell in cells
        )
        rows.append(f"<tr>{told}</tr>")
    return f'<table style="border:0;font-variant-numeric:tabular-nums">{"".join(rows)}</table>'


def _as_text(lines: Iterable[Line]) -> str:
    return "\n".join(line.as_text() for line in lines)


class _LogBars(Bars):
    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._start = self._last = time.monotonic()

    def add(self, line: Line) -> None:
        if not line.is_minor:
            self._lines.append(line)

    def show(self, line: Line) -> None:
        del line
        now = time.monotonic()
        if now - self._last >= max(_LOG_SECONDS, (now - self._start) / 10):
            self._last = now
            self._write()

    def remove(self, line: Line) -> None:
        if line in self._lines:
            self._lines.remove(line)

    def stop(self) -> None:
        self._write()

    def _write(self) -> None:
        sys.stdout.write(f"{_as_text(self._lines)}\n")
        sys.stdout.flush()
