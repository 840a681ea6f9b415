"""Where the ticks of an axis of epochs are: whole numbers from 1."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

__all__ = ["EpochLocator"]


class EpochLocator(MaxNLocator):
    """Whole numbers from 1: there is no epoch 0."""

    def __init__(self) -> None:
        super().__init__(integer=True)

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Return the ticks, the first of them 1 where the axis begins there."""
        # Of an axis that is shorter than an epoch there are ticks in between.
        ticks = [float(tick) for tick in super().tick_values(vmin, vmax)]
        later = [tick for tick in ticks if tick > 1 and tick.is_integer()]
        return [1.0, *later] if vmin <= 1 <= vmax else later
