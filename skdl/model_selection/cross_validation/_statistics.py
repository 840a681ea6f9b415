"""What the scores of overlapping folds say about the mean score, and about a difference of two.

Training sets of different folds share rows, so their scores are correlated and the usual S²/J
understates the variance of their mean, the more so the more folds there are. The correction of
Nadeau and Bengio (2003) puts

    (1/J + n_test/n_train) · S²

in its place, with J scores of sample variance S² and Student's t with J − 1 degrees of freedom.
It was derived for random train-test splits; Bouckaert and Frank (2004) found it to hold for
iterated K-fold, with J the number of all folds.

References
----------
C. Nadeau and Y. Bengio: Inference for the generalization error. Machine Learning 52 (2003),
239-281: the corrected resampled t-test.

R. Bouckaert and E. Frank: Evaluating the replicability of significance tests for comparing
learning algorithms. PAKDD (2004), 3-12: the corrected repeated k-fold cv test.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Comparison", "Interval", "corrected_interval", "corrected_t_test"]


class Interval(NamedTuple):
    """Mean score, standard deviation over the folds, and a confidence interval of the mean."""

    mean: float
    std: float
    low: float
    high: float


class Comparison(NamedTuple):
    """Mean difference of paired scores, its t statistic, and the two-sided p-value."""

    difference: float
    statistic: float
    p_value: float


def corrected_interval(
    scores: ArrayLike, n_train: ArrayLike, n_test: ArrayLike, confidence: float = 0.95
) -> Interval:
    """Return a confidence interval of the mean score that allows for overlapping training sets.

    Parameters
    ----------
    scores : array-like of shape (n_folds,)
        One score for each fold; NaN for a fold that failed, which is left out.
    n_train, n_test : int or array-like of shape (n_folds,)
        Rows that each fold was trained and scored on. Where folds differ in size, the mean of
        ``n_test / n_train`` counts.
    confidence : float in (0, 1), default=0.95
        Probability with which the interval is meant to cover the true mean.

    Returns
    -------
    interval : Interval
        ``(mean, std, low, high)``; of a single score only the mean is known, the rest is NaN.

    Examples
    --------
    >>> corrected_interval([0.7, 0.8, 0.9], n_train=100, n_test=50)
    Interval(mean=0.8, std=0.1, low=0.407, high=1.193)
    """
    known, ratio = _known(scores, n_train, n_test)
    mean, std, error = _moments(known, ratio)
    # A t distribution of 0 degrees of freedom has NaN for a quantile, and so has the interval.
    half_width = stats.t.ppf((1 + confidence) / 2, max(len(known) - 1, 0)) * error
    return Interval(mean, std, float(mean - half_width), float(mean + half_width))


def corrected_t_test(
    scores_a: ArrayLike, scores_b: ArrayLike, n_train: ArrayLike, n_test: ArrayLike
) -> Comparison:
    """Test whether two estimators differ in their mean score over the same folds.

    Parameters
    ----------
    scores_a, scores_b : array-like of shape (n_folds,)
        Scores of two estimators on the same folds; a fold in which either is NaN is left out.
    n_train, n_test : int or array-like of shape (n_folds,)
        Rows that each fold was trained and scored on.

    Returns
    -------
    comparison : Comparison
        ``(difference, statistic, p_value)`` of ``scores_a - scores_b``. Differences that are
        the same in every fold give a p-value of 1 where they are 0, and of 0 where not; of a
        single fold only the difference is known, the rest is NaN.

    Examples
    --------
    >>> corrected_t_test([0.7, 0.8, 0.9], [0.6, 0.6, 0.6], n_train=100, n_test=50)
    Comparison(difference=0.2, statistic=2.191, p_value=0.16)
    """
    differences = np.asarray(scores_a, float) - np.asarray(scores_b, float)
    known, ratio = _known(differences, n_train, n_test)
    mean, _, error = _moments(known, ratio)
    if error == 0:
        is_tie = mean == 0
        statistic = 0.0 if is_tie else math.copysign(math.inf, mean)
        return Comparison(mean, statistic, float(is_tie))
    statistic = mean / error
    p_value = 2 * stats.t.sf(abs(statistic), max(len(known) - 1, 0))
    return Comparison(mean, statistic, float(p_value))


def _known(
    scores: ArrayLike, n_train: ArrayLike, n_test: ArrayLike
) -> tuple[NDArray[np.float64], float]:
    """Return the scores that are numbers, and the mean n_test / n_train of their folds."""
    scores = np.asarray(scores, float)
    ratios = np.broadcast_to(np.asarray(n_test) / np.asarray(n_train), scores.shape)
    is_known = ~np.isnan(scores)
    return scores[is_known], float(ratios[is_known].mean()) if is_known.any() else math.nan


def _moments(scores: NDArray[Any], ratio: float) -> tuple[float, float, float]:
    """Return mean, standard deviation, and corrected standard error of the mean."""
    n_scores = len(scores)
    if not n_scores:
        return math.nan, math.nan, math.nan
    # An infinite score, such as a log loss may be, has a mean but no standard deviation.
    with np.errstate(invalid="ignore"):
        mean = float(scores.mean())
        std = float(scores.std(ddof=1)) if n_scores > 1 else math.nan
    return mean, std, math.sqrt(1 / n_scores + ratio) * std
