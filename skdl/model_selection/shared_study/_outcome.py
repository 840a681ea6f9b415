"""How a trial ended, and whether it counts against the budget of its study."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import FrozenTrial

__all__ = ["REASON", "UNCOUNTED", "Outcome", "is_counted"]

# User attributes of a trial: why it ended early, and that it uses up no trial of the budget.
REASON = "skdl:reason"
UNCOUNTED = "skdl:uncounted"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a trial ended; made by one of the class methods.

    Attributes
    ----------
    state : optuna.trial.TrialState
    values : tuple of float or None
        One for each objective, if the trial was completed.
    reason : str
        Why it ended early; empty if it did not.
    is_counted : bool
        Whether it uses up a trial of the budget.
    error : Exception or None
        To be raised once all outcomes are recorded.
    """

    state: TrialState
    values: tuple[float, ...] | None = None
    reason: str = ""
    is_counted: bool = True
    error: Exception | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def completed(cls, values: float | Sequence[float]) -> Outcome:
        """Return the outcome of a trial with a value for each objective; NaN makes it failed."""
        objective_values = tuple(
            float(v) for v in (values if hasattr(values, "__iter__") else [values])
        )
        if any(math.isnan(value) for value in objective_values):
            return cls.failed("the value of the objective is NaN")
        return cls(TrialState.COMPLETE, objective_values)

    @classmethod
    def pruned(cls, reason: str = "") -> Outcome:
        """Return the outcome of a trial that was given up; its last report is its value."""
        return cls(TrialState.PRUNED, reason=reason)

    @classmethod
    def failed(cls, reason: str, error: Exception | None = None) -> Outcome:
        """Return the outcome of a trial that went wrong, with an error to raise if there is one."""
        return cls(TrialState.FAIL, reason=reason, error=error)

    @classmethod
    def cut_short(cls) -> Outcome:
        """Return the outcome of a trial beside which another raised, to be done again."""
        return cls(TrialState.FAIL, reason="cut short by another trial's error", is_counted=False)

    @classmethod
    def interrupted(cls) -> Outcome:
        """Return the outcome of a trial cut short by the user, to be done again by somebody."""
        return cls(TrialState.FAIL, reason="interrupted", is_counted=False)


def is_counted(trial: FrozenTrial) -> bool:
    """Tell whether a trial uses up a part of the budget: not if it was lost, or still runs."""
    if trial.state == TrialState.FAIL:
        return not trial.user_attrs.get(UNCOUNTED, False)
    return bool(trial.state.is_finished())
