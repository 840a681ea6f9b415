"""Temperature scaling: one number that makes a classifier's probabilities less or more extreme.

Guo et al. (2017, "On calibration of modern neural networks", section 4.2) divide the logits by a
temperature, fitted by the log loss on held-out rows. Which class is most probable stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["added_to_probabilities", "fitted_temperature", "tempered"]

# Added to probabilities in front of their logarithm. Where one float32 stands for two outcomes, the
# complement of one near 1 is known to 6e-8 only: 1e-4 keeps that error below 1e-5 behind
# temperatures of 2, and as it is added rows keep their order.
_ADDED_TO_TWO = 1e-4
_ADDED_TO_SEVERAL = 2.0**-24
_TWO = 2
# The logarithm of the temperature lies between minus and plus this.
_WIDEST = 3.0


def added_to_probabilities(n_columns: int, *, by_label: bool) -> float:
    """Return what is added to probabilities, so that their logarithms are finite and stable."""
    return _ADDED_TO_TWO if by_label or n_columns == _TWO else _ADDED_TO_SEVERAL


def fitted_temperature(
    probabilities: NDArray[Any],
    truth: NDArray[Any],
    *,
    by_label: bool,
    weight: NDArray[Any] | None = None,
) -> float:
    """Return the temperature of least log loss.

    The loss of one member is convex in its inverse. Targets are smoothed by ``1 / (n + 1)``, as if
    each row had been seen once more without a label (Platt 1999, section 2.2, has a similar
    correction): a few rows that are all predicted right do not make probabilities certain.

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_classes) or (n_members, n_rows, n_classes)
        Of rows that were not learned from. Those of several members are meant to be divided by
        one temperature, and then averaged.
    truth : ndarray of shape (n_rows, n_classes)
        1 for each row's class, or for its labels, else 0.
    by_label : bool
        Whether columns are labels that do not exclude each other.
    weight : ndarray of shape (n_rows,), optional
        How much each row counts.

    Returns
    -------
    temperature : float
        Above 1 where the probabilities are too extreme.
    """
    n_rows, n_columns = truth.shape
    share = 1.0 / (n_rows + 1)
    targets = truth * (1.0 - share) + share * (0.5 if by_label else 1.0 / n_columns)
    logits = _logits(probabilities, by_label=by_label)
    logits = logits.reshape(-1, n_rows, n_columns)

    def mean_log_loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if by_label:
            others = (1.0 - targets) * _log_mean(log_expit(-scaled))
            by_row = -(targets * _log_mean(log_expit(scaled)) + others).sum(1)
        else:
            by_row = -(targets * _log_mean(log_softmax(scaled, axis=2))).sum(1)
        return float(np.average(by_row, weights=weight))

    found = minimize_scalar(mean_log_loss, bounds=(-_WIDEST, _WIDEST), method="bounded")
    return float(np.exp(found.x))


def _log_mean(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the mean over members of what has these logarithms."""
    if len(logs) == 1:
        return logs[0]
    mean: NDArray[np.float64] = logsumexp(logs, axis=0) - np.log(len(logs))
    return mean


def tempered(
    probabilities: NDArray[Any], temperature: float, *, by_label: bool
) -> NDArray[np.float64]:
    """Return probabilities whose logits are divided by a temperature.

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_classes)
    temperature : float > 0
        1 leaves them as they are.
    by_label : bool
        Whether columns are labels that do not exclude each other.
    """
    if temperature == 1.0:
        return np.asarray(probabilities, np.float64)
    scaled = _logits(probabilities, by_label=by_label) / temperature
    calibrated: NDArray[np.float64] = expit(scaled) if by_label else softmax(scaled, axis=1)
    return calibrated


def _logits(probabilities: NDArray[Any], *, by_label: bool) -> NDArray[np.float64]:
    values = np.asarray(probabilities, np.float64)
    added = added_to_probabilities(values.shape[-1], by_label=by_label)
    logs = np.log(values + added)
    return logs - np.log(1.0 - values + added) if by_label else logs
