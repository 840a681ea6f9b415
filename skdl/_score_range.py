"""How far a metric can go: no interval and no band may promise more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["range_of_curve", "range_of_score"]

_FROM_0_TO_1 = (
    "accuracy",
    "auc",
    "average_precision",
    "balanced_accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "f1",
    "jaccard",
    "precision",
    "recall",
    "roc_auc",
    "sparse_categorical_accuracy",
    "top_k_",
)
_AT_MOST_1 = ("d2_", "explained_variance", "r2")
_FROM_MINUS_1_TO_1 = ("matthews_corrcoef",)


def range_of_score(name: str, values: ArrayLike = ()) -> tuple[float, float]:
    """Return the least and the greatest value of a score, infinite where there is no bound.

    Parameters
    ----------
    name : str
        Of one of scikit-learn's scorers; of others, whose range is not known, nothing is assumed.
    values : array-like, default=()
        Values that were seen. Where any lies outside, the name means something else.

    Examples
    --------
    >>> range_of_score("roc_auc_ovr")
    (0.0, 1.0)
    >>> range_of_score("neg_log_loss")
    (-inf, 0.0)
    """
    if name.startswith(_FROM_0_TO_1):
        bounds = (0.0, 1.0)
    elif name.startswith(_FROM_MINUS_1_TO_1):
        bounds = (-1.0, 1.0)
    elif name.startswith(_AT_MOST_1):
        bounds = (-math.inf, 1.0)
    elif name.startswith("neg_"):
        bounds = (-math.inf, 0.0)
    else:
        bounds = (-math.inf, math.inf)
    return _unless_left(bounds, values)


def range_of_curve(metric: str, values: ArrayLike) -> tuple[float, float]:
    """Return the least and the greatest value of a loss or a metric of Keras.

    Parameters
    ----------
    metric : str
        Such as ``"loss"`` or ``"accuracy"``. Errors are not negative, unless one of `values` is.
    values : array-like
    """
    low, high = range_of_score(metric, values)
    if math.isinf(low) and math.isinf(high):
        return _unless_left((0.0, math.inf), values)
    return low, high


def _unless_left(bounds: tuple[float, float], values: ArrayLike) -> tuple[float, float]:
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    is_left = bool(((known < bounds[0]) | (known > bounds[1])).any())
    return (-math.inf, math.inf) if is_left else bounds
