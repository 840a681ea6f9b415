"""What a network's estimator predicts as one function of TensorFlow, and as a SavedModel of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdl.estimators import KerasClassifier, KerasRegressor
from skdl.estimators.base import (
    BaseNetwork,
    added_to_probabilities,
    described_prediction,
    why_not_described,
)
from skdl.exceptions import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

    from skdl.estimators.base import DescribedPrediction, TargetForm

__all__ = ["KerasFunction", "keras_function", "write_saved_model"]

_THRESHOLD = 0.5
# Rows of probabilities that add up to 1 are those of one label.
_SUM_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, eq=False)
class KerasFunction:
    """A network as a function from rows to what its estimator predicts.

    Parameters
    ----------
    model : keras.Model
    call : callable, optional
        Takes a tensor of rows, returns a dict of one tensor. None if the model has several inputs
        or outputs, and is written as it is.
    rows : ndarray, or what a model of several inputs takes
        `X` as it takes it.
    expected : ndarray of shape (n_samples, n_outputs)
        What the estimator says of them.
    of_classes : bool
        Whether these are probabilities.
    unit : float
        Of a regressor's targets, the largest of all outputs.
    """

    model: keras.Model
    call: Callable[[Any], dict[str, Any]] | None
    rows: Any
    expected: NDArray[Any]
    of_classes: bool
    unit: float = 1.0

    def changed(self, found: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return the rows for which a file predicts another class; None for numbers."""
        if not self.of_classes:
            return None
        pair = [np.asarray(self.expected), np.asarray(found).reshape(self.expected.shape)]
        is_one_label = np.allclose(pair[0].sum(1), 1.0, atol=_SUM_TOLERANCE)
        if is_one_label and pair[0].shape[1] > 1:
            old, new = (values.argmax(1)[:, None] for values in pair)
        else:
            old, new = (values > _THRESHOLD for values in pair)
        changed: NDArray[np.bool_] = (old != new).any(1)
        return changed


def keras_function(function: str, estimator: Any, X: Any) -> KerasFunction:
    """Return a fitted network as a function of TensorFlow.

    Raises
    ------
    ExportError
        If the estimator is no network, or has inputs that no tensor of numbers holds.
    """
    owner = type(estimator).__name__
    if isinstance(estimator, Pipeline):
        raise ExportError(
            f"{function}: {owner} has steps that TensorFlow does not compute. Expected a network "
            "alone: pass its last step, pipeline[-1], and transformed rows, "
            "pipeline[:-1].transform(X). skdl.export.to_onnx takes whole pipelines."
        )
    if not isinstance(estimator, BaseNetwork):
        raise ExportError(
            f"{function}: {owner} is not a network. Expected an MLP, a CNN, KerasClassifier or "
            "KerasRegressor, such as search.best_estimator_ or ensemble.estimators_[0]. "
            "skdl.export.to_onnx takes searches and ensembles as they are."
        )
    check_is_fitted(estimator)
    if isinstance(estimator, KerasClassifier | KerasRegressor):
        return _of_user_model(estimator, X)
    described = described_prediction(estimator)
    if described is None:
        raise ExportError(
            f"{function}: {owner}: {why_not_described(estimator)}, or a KerasClassifier or "
            "KerasRegressor."
        )
    return _of_described(function, estimator, described, X)


def _of_described(
    function: str, estimator: Any, described: DescribedPrediction, X: Any
) -> KerasFunction:
    import tensorflow as tf

    if described.inputs.columns is not None:
        raise ExportError(
            f"{function}: {type(estimator).__name__} takes a DataFrame with categories, which "
            "no tensor of numbers holds. Expected a network of numbers: encode the categories in "
            "steps in front of it, or use skdl.export.to_onnx."
        )
    model, form, targets = estimator.model_, described.inputs, described.targets
    offsets = None if form.offsets is None else np.asarray(form.offsets, np.float32)

    def call(rows: Any) -> dict[str, Any]:
        shifted = rows if offsets is None else rows - offsets
        inputs = tf.reshape(shifted, (-1, *form.row_shape))
        return _predictions(model(inputs, training=False), targets)

    of_classes = is_classifier(estimator)
    expected = estimator.predict_proba(X) if of_classes else estimator.predict(X)
    expected = np.asarray(expected, np.float64).reshape(len(X), -1)
    unit = 1.0 if of_classes else float(np.max(np.asarray(targets.scale, np.float64)))
    return KerasFunction(model, call, np.asarray(X, np.float32), expected, of_classes, unit)


def _predictions(outputs: Any, targets: TargetForm) -> dict[str, Any]:
    """Return what `predict_proba`, or `predict` of a regressor, makes of a network's outputs."""
    import tensorflow as tf

    if targets.classes is None:
        scale, offset = (np.asarray(own, np.float64) for own in (targets.scale, targets.offset))
        if targets.median_weights is not None:
            weights = targets.median_weights[:, None].astype(np.float32)
            outputs = tf.linalg.matmul(tf.sort(outputs, axis=1), weights)
        # In this order, constants of float16 round the result by a share of its spread.
        shifted = outputs + (offset / scale).astype(np.float32)
        return {"prediction": shifted * scale.astype(np.float32)}
    if not targets.is_multilabel and len(targets.classes) == 2:
        outputs = tf.concat([1.0 - outputs, outputs], axis=1)
    if targets.temperature != 1.0:
        by_label = targets.is_multilabel
        added = added_to_probabilities(len(targets.classes), by_label=by_label)
        logits = tf.math.log(outputs + added)
        if by_label:
            logits -= tf.math.log(1.0 - outputs + added)
        logits /= targets.temperature
        outputs = tf.sigmoid(logits) if by_label else tf.nn.softmax(logits)
    return {"probabilities": outputs}


def _of_user_model(estimator: Any, X: Any) -> KerasFunction:
    model = estimator.model_
    encoder = getattr(estimator, "feature_encoder_", None)
    inputs = X if encoder is None else encoder.transform(X)
    tensors = list(model.inputs or [])
    is_plain = len(tensors) == 1 and len(model.outputs) == 1 and not isinstance(inputs, dict)
    if is_plain:
        inputs = np.asarray(inputs, tensors[0].dtype)
    elif not isinstance(inputs, dict | list | tuple):
        inputs = np.asarray(inputs, np.float32)
    expected = model.predict(inputs, verbose=0)
    is_plain &= isinstance(expected, np.ndarray)

    def call(rows: Any) -> dict[str, Any]:
        return {"outputs": model(rows, training=False)}

    of_classes = is_classifier(estimator) and hasattr(estimator, "predict_proba")
    if is_plain:
        expected = expected.reshape(len(expected), -1)
    return KerasFunction(model, call if is_plain else None, inputs, expected, of_classes)


def write_saved_model(function: KerasFunction, path: str, n_rows: int | None = None) -> None:
    """Write a SavedModel by Keras' exporter.

    Parameters
    ----------
    function : KerasFunction
    path : str
    n_rows : int, optional
        Of each call; any number by default.
    """
    import keras
    import tensorflow as tf

    if function.call is None:
        function.model.export(path, format="tf_saved_model", verbose=False)
        return
    archive = keras.export.ExportArchive()
    archive.track(function.model)
    shape = (n_rows, *function.rows.shape[1:])
    signature = [tf.TensorSpec(shape, function.rows.dtype, name="X")]
    archive.add_endpoint("serve", function.call, input_signature=signature)
    archive.write_out(path, verbose=False)
