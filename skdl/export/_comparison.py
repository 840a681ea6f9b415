"""Files against the estimators that they were made of: equal, or near enough once quantized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skdl.exceptions import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = [
    "FLOAT_TOLERANCE",
    "Difference",
    "check_equal",
    "check_near",
    "checked_options",
    "checked_representative",
    "float_tolerance",
]

FLOAT_TOLERANCE = 1e-5
# Of quantized files: a share of rows, or of the spread of the predictions.
_QUANTIZED_TOLERANCE = 0.02
# Ranges of values that are taken from fewer rows say little of those to come.
_FEWEST_ROWS = 32


class Difference(NamedTuple):
    """How far a file is from its estimator on the rows given.

    Parameters
    ----------
    largest : float
        Of a probability, or of a prediction in multiples of the largest of each output.
    quantization_error : float or None
        What `tolerance` bounds in a quantized file.
    """

    largest: float
    quantization_error: float | None = None


def checked_options(
    function: str, quantize: Any, allowed: Iterable[str], tolerance: float | None
) -> float:
    """Return the tolerance, from the arguments of a call.

    Raises
    ------
    ExportError
        If `quantize` or `tolerance` are not among what is allowed.
    """
    if quantize is not None and quantize not in allowed:
        expected = " or ".join(["None", *(repr(name) for name in allowed)])
        raise ExportError(f"{function}: quantize={quantize!r}. Expected {expected}.")
    if tolerance is None:
        return FLOAT_TOLERANCE if quantize is None else _QUANTIZED_TOLERANCE
    if not tolerance > 0:
        example = FLOAT_TOLERANCE if quantize is None else _QUANTIZED_TOLERANCE
        raise ExportError(
            f"{function}: tolerance={tolerance!r}. Expected a number > 0, such as {example:g}."
        )
    return tolerance


def float_tolerance(tolerance: float) -> float:
    """Return what a file may differ before it is quantized."""
    return max(tolerance, FLOAT_TOLERANCE)


def checked_representative(function: str, representative: Any, X: Any) -> Any:
    """Return the rows from which ranges of values are taken.

    Raises
    ------
    ExportError
        If they are too few.
    """
    rows = X if representative is None else representative
    if len(rows) < _FEWEST_ROWS:
        name = "X" if representative is None else "representative"
        raise ExportError(
            f"{function}: {name} has {len(rows)} rows, too few to take the ranges of all values "
            f"from. Expected at least {_FEWEST_ROWS}, better some hundred, of the training data: "
            "pass them as representative."
        )
    return rows


def check_equal(
    function: str,
    owner: str,
    expected: NDArray[Any],
    found: NDArray[Any],
    tolerance: float,
    *,
    of_classes: bool,
) -> Difference:
    """Return the largest difference between file and estimator, or refuse it.

    Parameters
    ----------
    function, owner : str
        What is called, and the class of the estimator, for the message.
    expected, found : ndarray of shape (n_samples, ...)
        Probabilities or numbers, of the estimator and of the file.
    tolerance : float
    of_classes : bool
        Whether they are probabilities.
    """
    errors = _errors_by_row(expected, found, of_classes=of_classes)
    difference, row = float(errors.max()), int(errors.argmax())
    if not difference <= tolerance:
        of_what = "probability" if of_classes else "largest prediction"
        raise ExportError(
            f"{function}: the file differs from {owner} by {difference:.2g} of the {of_what} in "
            f"row {row} of X, and by more than {tolerance:g} in "
            f"{int((~(errors <= tolerance)).sum())} of {len(errors)} rows. Expected at most "
            f"tolerance={tolerance:g}. Look for a step that computes in float32 where scikit-learn "
            "takes float64, or pass a larger tolerance."
        )
    return Difference(difference)


def check_near(
    function: str,
    owner: str,
    expected: NDArray[Any],
    found: NDArray[Any],
    tolerance: float,
    *,
    changed: NDArray[np.bool_] | None,
) -> Difference:
    """Return how far a quantized file is from the estimator, or refuse it.

    Parameters
    ----------
    function, owner, expected, found, tolerance
        As in `check_equal`.
    changed : ndarray of shape (n_samples,), optional
        Of classifiers, the rows for which another class is predicted.
    """
    of_classes = changed is not None
    largest = float(_errors_by_row(expected, found, of_classes=of_classes).max())
    if changed is None:
        error = _relative_error(expected, found)
        what = f"differs from {owner} by {error:.2g} standard deviations of its predictions"
    else:
        error = float(changed.mean())
        what = f"predicts another class than {owner} in {int(changed.sum())} of {len(changed)} rows"
    if not error <= tolerance:
        raise ExportError(
            f"{function}: the quantized file {what}. Expected at most tolerance={tolerance:g} "
            f"{'of them' if changed is None else 'of the rows'}. Pass more rows of the training "
            "data as representative, clip outliers of the inputs (skdl.SmoothClipScaler), which "
            "leave the other values few steps of int8, raise the tolerance, or pass quantize=None."
        )
    return Difference(largest, error)


def _errors_by_row(
    expected: NDArray[Any], found: NDArray[Any], *, of_classes: bool
) -> NDArray[np.float64]:
    errors = np.abs(found.reshape(expected.shape) - expected)
    if not of_classes:
        size = np.abs(expected).max(0)
        errors = errors / np.where(size > 0, size, 1.0)
    by_row: NDArray[np.float64] = errors.reshape(len(expected), -1).max(1)
    return by_row


def _relative_error(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the root mean squared difference over the standard deviation, of the worst output."""
    squared = (found.reshape(expected.shape) - expected) ** 2
    spread = expected.std(0)
    return float((np.sqrt(squared.mean(0)) / np.where(spread > 0, spread, 1.0)).max())
