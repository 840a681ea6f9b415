"""What the shape of loss curves says: whether they still fall, rise again, or jump about.

Every curve is judged on its own, then the mean over the folds is held against its standard error,
as the folds' curves rise and fall together where training does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Curve = NDArray[np.float64]

__all__ = ["Mean", "fall_at_end", "jitter", "mean_of", "rise_after_best"]

# Second differences of fewer values say little about their spread.
_FEWEST_FOR_JITTER = 6


class Mean(NamedTuple):
    """A mean over folds and its standard error, NaN for a single one."""

    value: float
    error: float

    def exceeds(self, threshold: float) -> bool:
        """Tell whether it is above a threshold, and above 0 by a standard error where known."""
        return self.value > threshold and (math.isnan(self.error) or self.value > self.error)


def mean_of(values: Sequence[float] | NDArray[np.float64], ratio: float) -> Mean:
    """Return the mean over folds, its error corrected for training sets that overlap.

    Nadeau and Bengio (2003): the variance of the mean of J values is taken to be
    ``(1/J + n_test/n_train) * S**2``; `ratio` is ``n_test/n_train``.
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if not len(known):
        return Mean(math.nan, math.nan)
    spread = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return Mean(float(known.mean()), math.sqrt(1 / len(known) + ratio) * spread)


def fall_at_end(curve: Curve) -> float:
    """Return by how much the last fifth of a curve lies below the fifth before it.

    As a share of the whole fall, from the first value to the mean of the last fifth; NaN for a
    curve of fewer than 2 epochs, 0 for one that has not fallen.
    """
    n_last = max(1, round(len(curve) / 5))
    if len(curve) < 2 * n_last:
        return math.nan
    last = curve[-n_last:].mean()
    fall = curve[0] - last
    if fall <= 0:
        return 0.0
    return float((curve[-2 * n_last : -n_last].mean() - last) / fall)


def rise_after_best(kept: float, lowest: float) -> float:
    """Return the generalisation loss of Prechelt (1998) as a share.

    By how much the loss of the weights that were kept lies above the lowest one.
    """
    return kept / lowest - 1 if lowest > 0 else math.nan


def jitter(curve: Curve) -> float:
    """Return the noise from epoch to epoch in the second half of a curve, relative to its level.

    The noise is the standard deviation of pseudo-residuals, ``(a - 2b + c) / sqrt(6)`` of three
    values in a row, which no straight trend contributes to (Gasser, Sroka and Jennen-Steinmetz
    1986). The level is the median, but no less than a tenth of the first value, so that a loss
    next to 0 is not called noisy. NaN if there are fewer than 6 epochs in that half.
    """
    half = curve[len(curve) // 2 :]
    if len(half) < _FEWEST_FOR_JITTER:
        return math.nan
    residuals = (half[:-2] - 2 * half[1:-1] + half[2:]) / math.sqrt(6)
    level = max(abs(float(np.median(half))), 0.1 * abs(float(curve[0])))
    return float(np.sqrt(np.mean(residuals**2))) / level if level else math.nan
