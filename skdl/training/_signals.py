"""Exceptions by which training is ended from outside."""

from __future__ import annotations

__all__ = ["AbortParallelCall", "InterruptedTrainingError"]


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
