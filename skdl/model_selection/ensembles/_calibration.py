"""The temperature of an ensemble's members, from what they say of rows out of fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.estimators.base import fitted_temperature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["temperature_of_folds"]


def temperature_of_folds(
    folds: Sequence[tuple[NDArray[Any], NDArray[np.float64]]],
    truth: NDArray[np.float64],
    *,
    by_label: bool,
) -> float:
    """Return by what the logits of members are divided, so that their mean has least log loss.

    The mean of several is less sure than each of them (Ranjan and Gneiting 2010, Theorem 1). Where
    each row has been held out from several, the temperature is that of their mean. Where it was
    held out from one, nothing tells by how much the mean is less sure: a temperature above 1, which
    makes single members less sure, may be too much of it, and becomes 1.

    Parameters
    ----------
    folds : sequence of (rows, probabilities)
        Of each member, the rows that it did not learn from, and its probabilities of all classes;
        NaN in rows that do not count.
    truth : ndarray of shape (n_rows, n_classes)
        1 for each row's class, or for its labels, else 0.
    by_label : bool
        Whether columns are labels that do not exclude each other.
    """
    n_seen = np.zeros(len(truth), int)
    by_iteration: list[NDArray[np.float64]] = []
    for rows, probabilities in folds:
        if n_seen[rows].max() >= len(by_iteration):
            by_iteration.append(np.full(truth.shape, np.nan))
        for number in np.unique(n_seen[rows]):
            is_own = n_seen[rows] == number
            by_iteration[number][rows[is_own]] = probabilities[is_own]
        n_seen[rows] += 1
    # Some splitters hold out a few rows several times, and others never.
    are_alike = n_seen.min() == n_seen.max()
    together = np.array(by_iteration if are_alike else by_iteration[:1])
    is_known = np.isfinite(together).all(axis=(0, 2))
    found = fitted_temperature(together[:, is_known], truth[is_known], by_label=by_label)
    return found if len(together) > 1 else min(found, 1.0)
