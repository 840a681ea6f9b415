"""What a search shows while it runs: a line per running trial, the best so far, the counts."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Self

from optuna.trial import TrialState

from skdl._progress import Line, open_bars
from skdl._tensorflow_import import announced
from skdl.model_selection.search._start import is_start

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from skdl.model_selection.shared_study import Event

__all__ = ["SearchProgress"]


class SearchProgress:
    """Context that shows a search in the terminal or notebook.

    Parameters
    ----------
    is_shown : bool
    n_trials : int or None
        How many there will be in the study, if that is known.
    n_epochs : int or None
        Length of a trial's line, if that is known.
    """

    def __init__(self, n_trials: int | None, n_epochs: int | None, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._n_trials = n_trials
        self._n_epochs = n_epochs
        self._lines: dict[int, Line] = {}
        self._counts = dict.fromkeys(("finished", "pruned", "failed", "lost"), 0)
        self._best = -math.inf
        self._start = math.nan
        self._is_waiting = False
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._is_shown:
            self._exits.enter_context(announced(verbose=True))
            self._bars = open_bars()
            self._total = Line("trials", self._n_trials)
            self._bars.add(self._total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._bars.stop()
        self._exits.close()

    def begin_with(self, trials: list[FrozenTrial]) -> None:
        """Count the trials that the study holds already."""
        for trial in trials:
            self._count(trial)
        self._show_total()

    def event(self, event: Event, trials: list[FrozenTrial]) -> None:
        """Take in what the study loop tells."""
        self._is_waiting = event == "waiting"
        for trial in trials:
            if event == "begun" and self._is_shown:
                title = f"  trial {trial.number}"
                line = Line(title, self._n_epochs, "epoch ", is_minor=True)
                self._lines[trial.number] = line
                self._bars.add(line)
            elif event == "finished":
                self._count(trial)
                if self._is_shown and trial.number in self._lines:
                    self._bars.remove(self._lines.pop(trial.number))
            elif event == "lost":
                self._counts["lost"] += 1
        self._show_total()

    def epoch(self, number: int, epoch: int, value: float) -> None:
        """Show how far a trial is; NaN is an epoch without a value."""
        if number in self._lines:
            line = self._lines[number]
            line.done = epoch
            if not math.isnan(value):
                line.note = f"{value:.4g}"
            self._bars.show(line)

    def _count(self, trial: FrozenTrial) -> None:
        state = {TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}.get(trial.state)
        self._counts[state or "finished"] += 1
        with contextlib.suppress(RuntimeError):  # several objectives have no best value
            if trial.state == TrialState.COMPLETE and trial.value is not None:
                self._best = max(self._best, trial.value)
                if is_start(trial):
                    self._start = trial.value

    def _show_total(self) -> None:
        if not self._is_shown:
            return
        counts = self._counts
        n_done = counts["finished"] + counts["pruned"] + counts["failed"]
        told = [f"{n} {name}" for name, n in counts.items() if n or name == "finished"]
        if self._best > -math.inf:
            start = "" if math.isnan(self._start) else f" (start {self._start:.4g})"
            told.insert(0, f"best {self._best:.4g}{start}")
        if self._is_waiting:
            told.append("waiting for trials of other processes")
        self._total.done, self._total.note = n_done, ", ".join(told)
        self._bars.show(self._total)
