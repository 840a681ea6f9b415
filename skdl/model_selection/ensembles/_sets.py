"""Sets of classes that hold the true one with a given probability, made of out-of-fold scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["adaptive_scores", "cross_conformal_sets"]


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
