"""A network as a SavedModel, for TensorFlow Serving and TensorFlow in other languages."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.exceptions import ExportError
from skdl.export._comparison import check_equal, checked_options
from skdl.export._keras_function import keras_function, write_saved_model

if TYPE_CHECKING:
    import os

    from skdl.export._keras_function import KerasFunction

__all__ = ["to_saved_model"]


def to_saved_model(
    estimator: Any, X: Any, path: str | os.PathLike[str], *, tolerance: float | None = None
) -> float:
    """Write a fitted network as a SavedModel, by Keras' exporter.

    ``tf.saved_model.load(path).serve(rows)``, with rows of float32 in the shape of `X`, returns a
    dict of one tensor: ``"probabilities"``, as ``predict_proba``, or ``"prediction"`` in the units
    of the target, as ``predict``. Class labels are not in it, their order is ``classes_``. A model
    of your own (`KerasClassifier`, `KerasRegressor`) gives ``"outputs"`` as they leave the Keras
    model; if it has several inputs or outputs, it is written by ``model_.export``.

    Parameters
    ----------
    estimator : object
        A fitted MLP or CNN of skdl that takes numbers, `KerasClassifier` or `KerasRegressor`. Of a
        pipeline, the last step.
    X : array-like of shape (n_samples, ...)
        Rows to compare the file with the estimator on.
    path : str or path-like
        A folder that does not exist.
    tolerance : float > 0, optional
        Largest difference allowed on `X`, by default 1e-5: of probabilities, or of numbers in
        multiples of the largest of each output.

    Returns
    -------
    difference : float
        The largest found.

    Raises
    ------
    ExportError
        If the estimator is not a network of numbers, the folder exists, or the file's predictions
        differ by more than the tolerance. No folder is written then.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    to_onnx : One file for whole pipelines, which needs no TensorFlow.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skdl import MLPClassifier
    >>> from skdl.export import to_saved_model
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_saved_model(network, X, Path(folder) / "iris") < 1e-5
    True
    """
    tolerance = checked_options("to_saved_model", None, (), tolerance)
    path = Path(path)
    if path.exists():
        raise ExportError(
            f"to_saved_model: {str(path)!r} exists. Expected a folder that does not, as files of "
            "two models would be mixed; remove it first."
        )
    function = keras_function("to_saved_model", estimator, X)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model"
        write_saved_model(function, str(draft))
        largest = _compared(type(estimator).__name__, function, draft, tolerance)
        shutil.copytree(draft, path)
    return largest


def _compared(owner: str, function: KerasFunction, path: Path, tolerance: float) -> float:
    """Return the largest difference, or refuse it."""
    import tensorflow as tf

    # Its variables live as long as this object.
    loaded = tf.saved_model.load(str(path))
    if isinstance(function.rows, np.ndarray):
        results = loaded.serve(function.rows)
    else:
        results = _served_by_name(loaded.signatures["serving_default"], function)
    pairs = zip(tf.nest.flatten(function.expected), tf.nest.flatten(results), strict=True)
    return max(
        check_equal(
            "to_saved_model", owner, np.asarray(expected, np.float64), np.asarray(found),
            tolerance, of_classes=function.of_classes,
        ).largest
        for expected, found in pairs
    )  # fmt: skip


def _served_by_name(signature: Any, function: KerasFunction) -> list[Any]:
    """Return what a signature says of rows of several inputs, in the order of the outputs."""
    rows = function.rows
    names = [tensor.name for tensor in function.model.inputs]
    given = rows if isinstance(rows, dict) else dict(zip(names, rows, strict=True))
    _, specs = signature.structured_input_signature
    inputs = {name: np.asarray(given[name], spec.dtype.name) for name, spec in specs.items()}
    results = signature(**inputs)
    return [results[name] for name in sorted(results, key=lambda name: (len(name), name))]
