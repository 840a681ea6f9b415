"""How often intervals and prediction sets hold the truth, over all rows and in groups of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.utils.validation import check_consistent_length

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["coverage_by_group"]

_ALL_ROWS = "all rows"
_N_ENDS = 2


def coverage_by_group(
    y: ArrayLike, predicted: ArrayLike, groups: Any = None, *, classes: ArrayLike | None = None
) -> pd.DataFrame:
    """Return which share of targets lie in their intervals or sets, for all rows and by group.

    Conformal intervals and sets promise their coverage over all rows. This shows for whom they
    hold less.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        True targets of rows that were not learned from.
    predicted : array-like of shape (n_samples, 2) or (n_samples, n_classes)
        What ``predict_interval`` returned, or with `classes` what ``predict_set`` did.
    groups : array-like of shape (n_samples,), default=None
        To which group each row belongs, such as a column of the table.
    classes : array-like of shape (n_classes,), default=None
        The classifier's ``classes_``, for sets.

    Returns
    -------
    table : DataFrame
        A line for all rows, then one for each group in sorted order. ``coverage`` is the share
        held, ``low`` and ``high`` its 95 % confidence interval (Wilson 1927), ``size`` the mean
        width of the intervals or number of classes in the sets, ``n_rows`` the number of rows.

    Raises
    ------
    ValueError
        If shapes do not fit, or `y` holds other labels than `classes`.

    Examples
    --------
    >>> from skdl.model_selection import coverage_by_group
    >>> intervals = [[0, 2], [0, 2], [0, 4], [0, 4]]
    >>> table = coverage_by_group([1, 3, 3, 1], intervals, groups=["a", "a", "b", "b"])
    >>> table["coverage"].to_dict()
    {'all rows': 0.75, 'a': 0.5, 'b': 1.0}
    """
    truth, sizes = np.asarray(y), np.asarray(predicted)
    if truth.ndim != 1 or sizes.ndim != _N_ENDS or (classes is None and sizes.shape[1] != _N_ENDS):
        raise ValueError(
            f"coverage_by_group: y has shape {truth.shape} and predicted {sizes.shape}. Expected "
            "(n_samples,) and (n_samples, 2) from predict_interval, or classes=classifier.classes_ "
            "and (n_samples, n_classes) from predict_set."
        )
    check_consistent_length(truth, sizes)
    if classes is None:
        is_held = (sizes[:, 0] <= truth) & (truth <= sizes[:, 1])
        width = sizes[:, 1] - sizes[:, 0]
    else:
        is_held, width = _in_sets(truth, sizes, np.asarray(classes)), sizes.sum(1)
    rows = pd.DataFrame({"is_held": is_held, "size": width})
    lines = {_ALL_ROWS: _line(rows)}
    if groups is not None:
        check_consistent_length(truth, groups)
        by_group = rows.groupby(np.asarray(groups), observed=True)
        lines |= {name: _line(own) for name, own in by_group}
    return pd.DataFrame.from_dict(lines, orient="index")


def _in_sets(
    truth: NDArray[Any], sets: NDArray[np.bool_], classes: NDArray[Any]
) -> NDArray[np.bool_]:
    is_known = np.isin(truth, classes)
    if not is_known.all() or sets.shape[1] != len(classes):
        raise ValueError(
            f"coverage_by_group: the sets have {sets.shape[1]} columns, classes are "
            f"{classes.tolist()}, and y holds {np.unique(truth[~is_known]).tolist()} beside them. "
            "Expected a column for each class, and their labels in y."
        )
    held: NDArray[np.bool_] = sets[np.arange(len(truth)), np.searchsorted(classes, truth)]
    return held.astype(bool)


def _line(rows: pd.DataFrame) -> dict[str, float]:
    n_held, n_rows = int(rows["is_held"].sum()), len(rows)
    near = binomtest(n_held, n_rows).proportion_ci(method="wilson")
    return {
        "n_rows": n_rows, "coverage": n_held / n_rows, "low": near.low, "high": near.high,
        "size": float(rows["size"].mean()),
    }  # fmt: skip
