"""Predictions with their targets, wherever they come from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.reporting._subject import Subject

__all__ = ["Predictions", "predictions_of"]

_PROBABILITY = "proba_"


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Targets and what was predicted of them.

    Attributes
    ----------
    y, predicted : ndarray of shape (n_rows,)
        Numbers; of classifiers, positions in `classes`.
    source : str
        Of which rows.
    is_out_of_fold : bool
        Whether it is certain that no row was trained on.
    classes : list of str
        Empty for regressors.
    probabilities : ndarray of shape (n_rows, n_classes), optional
    """

    y: NDArray[Any]
    predicted: NDArray[Any]
    source: str
    is_out_of_fold: bool
    classes: list[str] = dataclasses.field(default_factory=list)
    probabilities: NDArray[np.float64] | None = None


def predictions_of(subject: Subject) -> Predictions | None:
    """Return the predictions that there are; None without any, and for several outputs."""
    if subject.kind == "cross-validation":
        return _of_cross_validation(subject.given)
    if subject.X is None or subject.y is None or not hasattr(subject.given, "predict"):
        return None
    y = np.asarray(subject.y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    if y.ndim != 1:
        return None
    found = _of_ensemble(subject, y) if subject.kind == "ensemble" else None
    return _of_rows(subject, y) if found is None else found


def _of_rows(subject: Subject, y: NDArray[Any]) -> Predictions | None:
    estimator = subject.given
    source = f"the {len(y):,} rows that were passed"
    predicted = np.asarray(estimator.predict(subject.X))
    if predicted.ndim != 1:
        return None
    if not subject.is_classifier:
        y, predicted = np.asarray(y, float), predicted.astype(float)
        return Predictions(y, predicted, source, is_out_of_fold=False)
    probabilities = None
    if hasattr(estimator, "predict_proba"):
        probabilities = np.asarray(estimator.predict_proba(subject.X), float)
    classes = np.asarray(estimator.classes_)
    return _of_classes(y, predicted, classes, probabilities, source, is_out_of_fold=False)


def _of_cross_validation(result: Any) -> Predictions | None:
    table = getattr(result, "predictions", None)
    if table is None or "y_true" not in table or "y_pred" not in table:
        return None
    source = f"{len(table):,} out-of-fold predictions"
    columns = [name for name in table if str(name).startswith(_PROBABILITY)]
    if not is_classifier(result.unfitted_estimator):
        y, predicted = (table[name].to_numpy(float) for name in ("y_true", "y_pred"))
        return Predictions(y, predicted, source, is_out_of_fold=True)
    y, predicted = (table[name].astype(str).to_numpy() for name in ("y_true", "y_pred"))
    if columns:
        classes = np.array([str(name).removeprefix(_PROBABILITY) for name in columns])
        probabilities = table[columns].to_numpy(float)
        if np.isnan(probabilities).any():  # folds that lack a class
            probabilities = None
    else:
        classes, probabilities = np.unique(np.concatenate([y, predicted])), None
    return _of_classes(y, predicted, classes, probabilities, source, is_out_of_fold=True)


def _of_ensemble(subject: Subject, y: NDArray[Any]) -> Predictions | None:
    """Return what members say of rows that they did not train on, if these are the rows."""
    ensemble = subject.given
    held_out = ensemble.oof_predictions_
    if len(held_out) != len(y):
        return None
    is_known = np.isfinite(held_out).reshape(len(y), -1).all(axis=1)
    source = f"the out-of-fold predictions of {int(is_known.sum()):,} rows"
    if not subject.is_classifier:
        if held_out.ndim != 1:
            return None
        found = Predictions(
            np.asarray(y, float)[is_known], held_out[is_known], source, is_out_of_fold=True
        )
    else:
        classes = np.asarray(ensemble.classes_)
        labels = classes[held_out[is_known].argmax(axis=1)]
        made = _of_classes(
            y[is_known], labels, classes, held_out[is_known], source, is_out_of_fold=True
        )
        if made is None:
            return None
        found = made
    # Other rows of the same number would score otherwise.
    return found if np.isclose(_score(found), ensemble.oof_score_, atol=1e-6) else None


def _score(found: Predictions) -> float:
    if found.classes:
        return float((found.y == found.predicted).mean())
    rest = ((found.y - found.predicted) ** 2).sum()
    return float(1 - rest / ((found.y - found.y.mean()) ** 2).sum())


def _of_classes(
    y: NDArray[Any],
    predicted: NDArray[Any],
    classes: NDArray[Any],
    probabilities: NDArray[np.float64] | None,
    source: str,
    *,
    is_out_of_fold: bool,
) -> Predictions | None:
    """Return positions of classes in place of classes; None if there are others."""
    names = classes.astype(str)
    order = np.argsort(names, kind="stable")
    positions = []
    for labels in (y, predicted):
        found = np.searchsorted(names[order], labels.astype(str)).clip(max=len(names) - 1)
        codes = order[found]
        if (names[codes] != labels.astype(str)).any():
            return None
        positions.append(codes)
    if probabilities is not None and probabilities.shape != (len(y), len(names)):
        probabilities = None
    return Predictions(
        positions[0], positions[1], source, is_out_of_fold, names.tolist(), probabilities
    )
