"""Sets of classes that hold the true one with a given probability, made of out-of-fold scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["adaptive_scores", "cross_conformal_sets", "row_shares"]

# Digits of probabilities that do not depend on a row's company.
_SURE_DIGITS = 4
_STEP = 0x9E3779B97F4A7C15
_MIXING = [
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
]


def adaptive_scores(
    probabilities: NDArray[np.float64], shares: NDArray[np.float64], size_penalty: float
) -> NDArray[np.float64]:
    """Return from which level on each class belongs to a row's adaptive set.

    The probabilities of all classes that are more probable, and a random share of its own (Romano,
    Sesia and Candès 2020, Eq. 4); regularised by the class's rank (Angelopoulos et al. 2021, Eq. 4,
    with one class that costs nothing).

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_classes)
    shares : ndarray of shape (n_rows,)
        Uniform random numbers, the same for all classes of a row.
    size_penalty : float >= 0
        Added for each class that is more probable.

    Returns
    -------
    scores : ndarray of shape (n_rows, n_classes)
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ordered = np.take_along_axis(probabilities, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered
    ranks = np.arange(probabilities.shape[1])
    scores = np.empty_like(probabilities)
    found = before + shares[:, None] * ordered + size_penalty * ranks
    np.put_along_axis(scores, order, found, axis=1)
    return scores


def cross_conformal_sets(
    predictions: NDArray[np.float64],
    member_of: NDArray[Any],
    row_scores: NDArray[np.float64],
    shares: NDArray[np.float64],
    coverage: float,
    size_penalty: float,
) -> NDArray[np.bool_]:
    """Return the sets of CV+ for classes (Romano, Sesia and Candès 2020, Eq. 7).

    A class belongs to the set of a new row unless its score is above too many of those of the true
    classes of the rows of ``fit``, each compared by the members that did not learn from that row.

    Parameters
    ----------
    predictions : ndarray of shape (n_members, n_new, n_classes)
        Probabilities that each member predicts for the new rows.
    member_of : ndarray of shape (n_iterations, n_rows)
        Which members did not learn from each row of ``fit``.
    row_scores : ndarray of shape (n_rows,)
        Scores of the true classes of the rows of ``fit``.
    shares : ndarray of shape (n_new,)
        See `adaptive_scores`.
    coverage : float in (0, 1)
    size_penalty : float >= 0

    Returns
    -------
    sets : ndarray of shape (n_new, n_classes), bool
    """
    together, number = np.unique(member_of, axis=1, return_inverse=True)
    n_below = np.zeros(predictions.shape[1:], int)
    for i, members in enumerate(together.T):
        own = np.sort(row_scores[number.ravel() == i])
        scores = adaptive_scores(predictions[members].mean(axis=0), shares, size_penalty)
        n_below += np.searchsorted(own, scores)
    # Rounded first, as 0.9 * 10 must be 9.
    in_set: NDArray[np.bool_] = n_below < round(coverage * (len(row_scores) + 1), 9)
    return in_set


def row_shares(X: Any, probabilities: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return a random number for each row that follows from what the row holds.

    So it is the same whatever the row is predicted with, and rows that come one at a time do not
    all have the same one.

    Parameters
    ----------
    X : array-like of shape (n_rows, ...)
    probabilities : ndarray of shape (n_members, n_rows, n_classes)
        Stand for rows that are neither an array nor a frame, such as sparse ones.
    seed : int

    Returns
    -------
    shares : ndarray of shape (n_rows,)
        Uniform in [0, 1).
    """
    try:
        is_frame = hasattr(X, "iloc") and hasattr(X, "columns")
        table = X if is_frame else pd.DataFrame(np.asarray(X).reshape(len(X), -1))
        hashes = pd.util.hash_pandas_object(table, index=False).to_numpy()
    except (TypeError, ValueError):
        rounded = probabilities.round(_SURE_DIGITS).transpose(1, 0, 2)
        table = pd.DataFrame(rounded.reshape(len(rounded), -1) + 0.0)  # no -0.0
        hashes = pd.util.hash_pandas_object(table, index=False).to_numpy()
    step = np.array([seed * _STEP % 2**64], np.uint64)
    return _mixed(hashes + step) / 2.0**64


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of numbers, as the generator SplitMix64 does (Steele et al. 2014, Fig. 16).

    Examples
    --------
    >>> _mixed(np.array([0x9E3779B97F4A7C15], np.uint64)).tolist() == [0xE220A8397B1DCDAF]
    True
    """
    for shift, factor in _MIXING:
        numbers = (numbers ^ (numbers >> shift)) * factor
    return numbers ^ (numbers >> np.uint64(31))
