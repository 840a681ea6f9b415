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
_MOST_NAMES = 5
_SEVERAL_OUTPUTS = "Predictions are left out: the page shows them for one target, and here are {}."
_NO_TARGETS = (
    "Predictions are left out: rows were passed without their targets. Pass both: "
    "`skdl.report(estimator, X_test, y_test)`."
)
_OTHER_ROWS = (
    "These are as many rows as the ensemble was fitted on, but not the same in the same order. So "
    "all members predict each row, those that trained on it too."
)
_NO_FOLDS = (
    "Predictions are left out: no fold was predicted. Pass `error_score='raise'` to "
    "`cross_validate` to see why."
)


class _LeftOutError(Exception):
    """Why there are no predictions, in a sentence for the page."""


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
    notes : tuple of str
        What is left out of them, and why.
    """

    y: NDArray[Any]
    predicted: NDArray[Any]
    source: str
    is_out_of_fold: bool
    classes: list[str] = dataclasses.field(default_factory=list)
    probabilities: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()


def predictions_of(subject: Subject) -> tuple[Predictions | None, str]:
    """Return the predictions that there are.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    predictions : Predictions or None
    reason : str
        Why there are none; "" where nobody asked for any.
    """
    try:
        return _found(subject), ""
    except _LeftOutError as reason:
        return None, str(reason)


def _found(subject: Subject) -> Predictions | None:
    if subject.kind == "cross-validation":
        return _of_cross_validation(subject.given)
    if subject.X is None and subject.y is None:
        return None
    if subject.X is None or subject.y is None:
        raise _LeftOutError(_NO_TARGETS)
    if not hasattr(subject.given, "predict"):
        raise _LeftOutError(
            f"Predictions are left out: this {type(subject.given).__name__} kept no estimator that "
            "predicts. Pass `refit=True` to it, and fit it again."
        )
    y = np.asarray(subject.y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    if y.ndim != 1:
        raise _LeftOutError(_SEVERAL_OUTPUTS.format(f"targets of shape {y.shape}"))
    if subject.kind != "ensemble":
        return _of_rows(subject, y)
    found = _of_ensemble(subject, y)
    if found is not None:
        return found
    found = _of_rows(subject, y)
    is_alike = len(subject.given.oof_predictions_) == len(y)
    return dataclasses.replace(found, notes=(*found.notes, _OTHER_ROWS)) if is_alike else found


def _of_rows(subject: Subject, y: NDArray[Any]) -> Predictions:
    estimator = subject.given
    source = f"the {len(y):,} rows that were passed"
    predicted = np.asarray(estimator.predict(subject.X))
    if predicted.ndim == 2 and predicted.shape[1] == 1:
        predicted = predicted.ravel()
    if predicted.shape != y.shape:
        what = f"predictions of shape {predicted.shape} for targets of shape {y.shape}"
        raise _LeftOutError(_SEVERAL_OUTPUTS.format(what))
    if not subject.is_classifier:
        y, predicted = np.asarray(y, float), predicted.astype(float)
        return Predictions(y, predicted, source, is_out_of_fold=False)
    probabilities, reason = None, "the estimator has no `predict_proba`"
    if hasattr(estimator, "predict_proba"):
        probabilities = np.asarray(estimator.predict_proba(subject.X), float)
    classes = np.asarray(estimator.classes_)
    return _of_classes(y, predicted, classes, probabilities, source, reason, is_out_of_fold=False)


def _of_cross_validation(result: Any) -> Predictions | None:
    table = getattr(result, "predictions", None)
    if table is None:
        return None
    if not len(table):
        raise _LeftOutError(_NO_FOLDS)
    if "y_true" not in table or "y_pred" not in table:
        n_targets = sum(str(name).startswith("y_true") for name in table)
        raise _LeftOutError(_SEVERAL_OUTPUTS.format(f"{n_targets} targets"))
    source = f"{len(table):,} out-of-fold predictions"
    columns = [name for name in table if str(name).startswith(_PROBABILITY)]
    if not is_classifier(result.unfitted_estimator):
        y, predicted = (table[name].to_numpy(float) for name in ("y_true", "y_pred"))
        return Predictions(y, predicted, source, is_out_of_fold=True)
    y, predicted = (table[name].astype(str).to_numpy() for name in ("y_true", "y_pred"))
    probabilities, reason = None, "the estimator has no `predict_proba`"
    if columns:
        classes = np.array([str(name).removeprefix(_PROBABILITY) for name in columns])
        probabilities = table[columns].to_numpy(float)
        lacking = np.sort(classes[np.isnan(probabilities).any(axis=0)])
        if len(lacking):
            probabilities = None
            reason = (
                f"some folds had no row of {_listed(lacking)} to train on. `StratifiedKFold`, the "
                "default for classifiers, shares every class out to all folds"
            )
    else:
        classes = np.unique(np.concatenate([y, predicted]))
    return _of_classes(y, predicted, classes, probabilities, source, reason, is_out_of_fold=True)


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
        found = _of_classes(
            y[is_known], labels, classes, held_out[is_known], source, "", is_out_of_fold=True
        )
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
    reason: str,
    *,
    is_out_of_fold: bool,
) -> Predictions:
    """Return positions of classes in place of classes; `reason` says why probabilities lack."""
    names = classes.astype(str)
    order = np.argsort(names, kind="stable")
    positions = []
    for labels, what in ((y, "the targets"), (predicted, "the predictions")):
        texts = labels.astype(str)
        found = np.searchsorted(names[order], texts).clip(max=len(names) - 1)
        codes = order[found]
        is_unknown = names[codes] != texts
        if is_unknown.any():
            raise _LeftOutError(_unseen(texts[is_unknown], what, names))
        positions.append(codes)
    if probabilities is not None and probabilities.shape != (len(y), len(names)):
        reason = f"they have shape {probabilities.shape}, where {(len(y), len(names))} was expected"
        probabilities = None
    left_out = f"Calibration, log loss and ROC AUC need probabilities, and are left out: {reason}."
    notes = () if probabilities is not None else (left_out,)
    return Predictions(
        positions[0], positions[1], source, is_out_of_fold, names.tolist(), probabilities, notes
    )


def _unseen(texts: NDArray[np.str_], what: str, known: NDArray[np.str_]) -> str:
    """Return why rows of classes that were not trained on cannot be judged."""
    classes = np.unique(texts)
    is_one = len(classes) == 1
    rows = f"{len(texts):,} row{'' if len(texts) == 1 else 's'}"
    return (
        f"Predictions are left out: {what} hold {'a class' if is_one else 'classes'} that `fit` "
        f"did not see: {_listed(classes)}, in {rows}. It saw {_listed(known)}. Leave these rows "
        "out, or fit on rows of every class."
    )


def _listed(names: NDArray[np.str_]) -> str:
    shown = ", ".join(repr(str(name)) for name in names[:_MOST_NAMES])
    rest = len(names) - _MOST_NAMES
    return f"{shown} and {rest:,} more" if rest > 0 else shown
