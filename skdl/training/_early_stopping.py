"""Early stopping, member by member, with the rules of ``keras.callbacks.EarlyStopping``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skdl.training._settings import EarlyStopping

__all__ = ["Stopper"]


class Stopper:
    """Watches one member's monitored value.

    Attributes
    ----------
    best : float
        Best value so far.
    best_epoch : int
        Number of epochs after which it was reached; 0 while nothing improved.
    """

    def __init__(self, settings: EarlyStopping) -> None:
        self.settings = settings
        self.sign = 1.0 if settings.mode == "min" else -1.0
        self.best = math.inf
        self.best_epoch = 0
        self.epochs_without = 0

    def improved(self, epoch: int, value: float) -> bool:
        """Take in the value after `epoch` epochs; tell whether it is the best so far."""
        value *= self.sign
        if value < self.best - self.settings.min_delta or (
            self.best_epoch == 0 and math.isfinite(value)
        ):
            self.best, self.best_epoch, self.epochs_without = value, epoch, 0
            return True
        self.epochs_without += 1
        return False

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.epochs_without >= max(self.settings.patience, 1)
