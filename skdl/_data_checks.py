"""Checks on data at the door, each with a message that says what to do.

They take what scikit-learn's ``validate_data`` has already turned into arrays.
"""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._lazy_rows import all_finite
from skdl._validation import list_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

MAX_SHOWN_LABELS = 10
MAX_SHOWN_TEXT = 600
# Sums of more would overflow float32 in the middle of a fit.
MAX_WEIGHT = 1e30
# Where all are smaller, float32 takes them, or what they are multiplied by, for zero.
MIN_WEIGHT = 1e-30
# Of more, products with weights overflow float32.
MAX_FEATURE = 1e15


def check_validation_pair(
    owner: str, X_val: object, y_val: object, sample_weight_val: object
) -> None:
    """Refuse validation data of which a part is missing (None), with a ``ValueError``."""
    if X_val is None and y_val is not None:
        raise ValueError(f"{owner}: y_val was passed without X_val. Pass both or neither.")
    if X_val is not None and y_val is None:
        raise ValueError(f"{owner}: X_val was passed without y_val. Pass both or neither.")
    if X_val is None and sample_weight_val is not None:
        raise ValueError(
            f"{owner}: sample_weight_val was passed without X_val and y_val. Pass all three, or "
            "leave out sample_weight_val."
        )


def check_weights(owner: str, sample_weight: NDArray[Any], name: str = "sample_weight") -> None:
    """Refuse sample weights by which nothing can be weighed, with a ``ValueError``.

    They are NaN, infinite, negative, all zero, or too large or too small for float32.
    """
    if not np.isfinite(sample_weight).all():
        wrong = "holds NaN or infinite weights"
    elif (sample_weight < 0).any():
        wrong = f"holds negative weights (the least is {sample_weight.min():g})"
    elif not sample_weight.any():
        wrong = "holds only zero weights, which leaves no rows to learn from"
    elif sample_weight.max() > MAX_WEIGHT:
        wrong = (
            f"holds weights up to {sample_weight.max():g}, of which sums overflow; divide them all "
            "by one number"
        )
    elif sample_weight.max() < MIN_WEIGHT:
        wrong = (
            f"holds weights of {sample_weight.max():g} at the most, too small for float32; "
            "multiply them all by one number, so that they are about 1"
        )
    else:
        return
    raise ValueError(
        f"{owner}: {name} {wrong}. Expected finite numbers >= 0, at least one of them "
        f"positive; use weight 0 to leave out a row, or {name}=None to weigh all rows alike."
    )


def check_outputs(owner: str, X: Any, outputs: Any) -> None:
    """Refuse, with a ``ValueError``, features so large that predictions are NaN or infinite."""
    if not isinstance(outputs, np.ndarray) or all_finite(outputs):
        return
    values = X.data if hasattr(X, "indptr") else X
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if largest > MAX_FEATURE:
        is_finite = np.isfinite(outputs.reshape(len(outputs), -1)).all(1)
        raise ValueError(
            f"{owner}: the outputs of {(~is_finite).sum()} of {len(outputs)} rows, the first of "
            f"them row {int(is_finite.argmin())}, are NaN or infinite: X holds values up to "
            f"{largest:g}, too large for sums in float32. Expected rows of about the size of those "
            "in fit; SmoothClipScaler, or input_scaling='smooth_clip' of MLPs, takes any."
        )


def check_enough_rows_to_split(owner: str, n_samples: int, validation_fraction: float) -> None:
    """Refuse, with a ``ValueError``, to split rows if one side would be left empty.

    As in scikit-learn's ``train_test_split``, the share of the validation rows is rounded up.
    """
    n_train = n_samples - math.ceil(n_samples * validation_fraction)
    if n_train < 1:
        raise ValueError(
            f"{owner}: n_samples={n_samples} with validation_fraction={validation_fraction!r} "
            f"leaves no rows to train on. Expected at least one row on either side: pass more "
            "rows, lower validation_fraction, pass X_val and y_val, or set early_stopping=False."
        )


def check_known_labels(owner: str, y: ArrayLike, classes: ArrayLike) -> None:
    """Refuse labels in `y` that are not among `classes`, with a ``ValueError``."""
    # Hashing, unlike np.setdiff1d, also takes labels of types that cannot be sorted together.
    known = dict.fromkeys(np.asarray(classes).tolist())
    seen = dict.fromkeys(np.asarray(y).ravel().tolist())
    if unknown := [label for label in seen if label not in known]:
        wrong, right = (list_values(list(labels), MAX_SHOWN_LABELS) for labels in (unknown, known))
        raise ValueError(
            f"{owner}: y holds labels that were not seen in training: {wrong}. Expected only "
            f"{right}. Remove those rows, or train with every label (with partial_fit, name them "
            "all as classes in the first call)."
        )


def check_two_classes(owner: str, classes: ArrayLike) -> None:
    """Refuse, with a ``ValueError``, to train a classifier on fewer than two classes."""
    labels = np.asarray(classes).tolist()
    if len(labels) <= 1:
        found = f"1 class, {labels[0]!r}" if labels else "no class"
        raise ValueError(
            f"{owner}: the rows to train on hold only {found}. Expected at least 2 classes. Check "
            "how the rows were chosen (stratify the split, sample_weight > 0 in every class), or "
            "use sklearn.dummy.DummyClassifier."
        )


@contextmanager
def naming(owner: str, argument: str) -> Iterator[None]:
    """Put the name of an argument into a ``ValueError`` or ``TypeError`` that does not have it.

    Numbers too large for float32 become infinite inside, without NumPy's warnings, and are refused.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins the message.
    argument : str
        Name of the data that are checked inside.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (ValueError, TypeError) as error:
        text = str(error)
        if len(text) > MAX_SHOWN_TEXT:
            # scikit-learn shows the data themselves.
            text = text.splitlines()[0][:MAX_SHOWN_TEXT]
        named = rf"\b({argument}|y)\b" if argument == "X" else rf"\b{argument}\b"
        if re.search(named, text):
            raise
        kind = ValueError if isinstance(error, ValueError) else TypeError
        text = text.removeprefix(f"{owner}: ")
        if argument.startswith("X") and (told := re.match(r"(Input )?X\b", text)):
            text = text[told.end() :].lstrip()
            raise kind(f"{owner}: {told[1] or ''}{argument} {text}") from error
        both = argument == "X" and "inconsistent" in text
        subject = "X and y do not go together" if both else f"{argument} is not as expected"
        raise kind(f"{owner}: {subject}. {text}") from error
