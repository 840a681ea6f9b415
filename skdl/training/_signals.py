"""Exceptions by which training is ended from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skdl.training._trained import Trained

__all__ = ["AbortParallelCall", "InterruptedFit", "InterruptedTrainingError"]


class InterruptedFit(KeyboardInterrupt):
    """Ctrl-C in a fit, which brings along what was learned until then.

    Parameters
    ----------
    trained : Trained
        After the last whole epoch, or the best one if that was asked for.
    """

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.trained = trained


class InterruptedTrainingError(RuntimeError):
    """Raised in tasks whose results nobody waits for any more."""


class AbortParallelCall(BaseException):
    """Ends all tasks of one call of Parallel, whose caller sees the reason instead.

    No `Exception`, as scikit-learn takes those for a fit that failed and goes on.

    Parameters
    ----------
    reason : Exception
        What the caller of Parallel is to see, or of ``fit`` where there is no lockstep.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        self.reason = reason
