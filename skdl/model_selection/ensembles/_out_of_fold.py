"""Out-of-fold predictions: what the members that did not learn from a row say of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NO_MEMBER", "OutOfFoldPredictions", "averaged_members", "cv_plus_intervals"]

# Bounds the memory that intervals of many new rows need.
_LARGEST_TABLE = 10_000_000
NO_MEMBER = -1


class OutOfFoldPredictions:
    """Sums up the predictions of held-out rows, and keeps which member predicted which row.

    Parameters
    ----------
    n_rows : int
        Number of all rows.
    """

    def __init__(self, n_rows: int) -> None:
        self._counts = np.zeros(n_rows, int)
        self._total: NDArray[np.float64] | None = None
        self._member_of: list[NDArray[np.int64]] = []

    def add(self, member: int, rows: NDArray[Any], predictions: NDArray[np.float64]) -> None:
        """Take in what a member predicts for the rows that it did not learn from.

        Parameters
        ----------
        member : int
            Number of the member.
        rows : ndarray of int
            Positions of the rows, each of them once.
        predictions : ndarray of shape (len(rows), ...)
        """
        if self._total is None:
            self._total = np.zeros((len(self._counts), *predictions.shape[1:]))
        self._total[rows] += predictions
        if self._counts[rows].max(initial=0) >= len(self._member_of):
            self._member_of.append(np.full(len(self._counts), NO_MEMBER))
        for n_before, members in enumerate(self._member_of):
            members[rows[self._counts[rows] == n_before]] = member
        self._counts[rows] += 1

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Whether any member predicted a row, of shape (n_rows,)."""
        return self._counts > 0

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean prediction of each row; NaN where every member learned from it."""
        if self._total is None:
            raise ValueError("There are no splits. Expected a splitter that yields at least one.")
        counts = self._counts.reshape(-1, *[1] * (self._total.ndim - 1))
        with np.errstate(invalid="ignore"):
            return self._total / counts

    @property
    def member_of(self) -> NDArray[np.int64]:
        """Numbers of the members that predicted a row, of shape (n_iterations, n_rows).

        The first member of each row stands in the first line, and so on; -1 where there is none.
        """
        return np.array(self._member_of)


def averaged_members(
    *predictions: NDArray[np.float64], n_rows: int
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Return the mean of the members as the only member, and as that of all rows of ``fit``.

    Parameters
    ----------
    *predictions : ndarray of shape (n_members, n_new, ...)
    n_rows : int
        Number of the rows of ``fit``.

    Returns
    -------
    predictions : list of ndarray of shape (1, n_new, ...)
    member_of : ndarray of shape (1, n_rows)
        See `OutOfFoldPredictions`.
    """
    means = [by_member.mean(axis=0, keepdims=True) for by_member in predictions]
    return means, np.zeros((1, n_rows), np.int64)


def cv_plus_intervals(
    predictions: NDArray[np.float64],
    member_of: NDArray[np.int64],
    errors: NDArray[np.float64],
    coverage: float,
    upper: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the intervals of CV+ (Barber et al. 2021, section 3) for new rows.

    Around quantiles instead of means, with the errors of conformalized quantile regression
    (Romano et al. 2019, Eq. 6), they are those of nested conformal prediction (Gupta et al. 2022,
    section 4).

    Parameters
    ----------
    predictions : ndarray of shape (n_members, n_new)
        What each member predicts for the new rows, or the lower quantile that it predicts.
    member_of : ndarray of shape (n_iterations, n_rows)
        See `OutOfFoldPredictions`; as many members for each row.
    errors : ndarray of shape (n_rows,)
        Absolute errors of the out-of-fold predictions; around quantiles how far a target lies
        outside, negative where it lies inside.
    coverage : float in (0, 1)
        Share of targets that the intervals are to hold.
    upper : ndarray of shape (n_members, n_new), optional
        The upper quantile that each member predicts.

    Returns
    -------
    intervals : ndarray of shape (n_new, 2)
        Lower and upper ends; infinite where there are too few rows for so large a share.
    """
    n_new = predictions.shape[1]
    intervals = np.empty((n_new, 2))
    step = max(1, _LARGEST_TABLE // member_of.size)
    column = errors[:, None]
    upper = predictions if upper is None else upper
    for start in range(0, n_new, step):
        batch = slice(start, start + step)
        # What the members that did not learn from a row predict, (rows of fit, new rows).
        intervals[batch, 0] = -_quantile(
            column - predictions[member_of, batch].mean(axis=0), coverage
        )
        intervals[batch, 1] = _quantile(column + upper[member_of, batch].mean(axis=0), coverage)
    # Negative errors can turn the ends around.
    return np.sort(intervals, axis=1)


def _quantile(values: NDArray[np.float64], coverage: float) -> NDArray[np.float64]:
    """Return of each column the ``ceil(coverage * (n + 1))``-th smallest of its n values."""
    n_rows = len(values)
    # Rounded first, as 0.9 * 10 must be 9.
    rank = math.ceil(round(coverage * (n_rows + 1), 9))
    if rank > n_rows:
        return np.full(values.shape[1], np.inf)
    return np.partition(values, rank - 1, axis=0)[rank - 1]
