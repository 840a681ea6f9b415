"""A network as a file for LiteRT, once TensorFlow Lite, on phones and microcontrollers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from skdl._extras import needs_extra
from skdl._whole_files import write_whole
from skdl.exceptions import ExportError
from skdl.export._comparison import (
    check_equal,
    check_near,
    checked_options,
    checked_representative,
)
from skdl.export._keras_function import keras_function, write_saved_model

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from skdl.export._comparison import Difference
    from skdl.export._keras_function import KerasFunction

__all__ = ["LitertExport", "to_litert"]

_SIGNATURE = "serving_default"
_QUANTIZE = ("float16", "int8")
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


class LitertExport(NamedTuple):
    """What `to_litert` wrote.

    Parameters
    ----------
    path : Path
        The file.
    largest_difference : float
        Between the file and the estimator on the rows given: of probabilities, or of a regressor's
        predictions in multiples of the largest of each output.
    n_rows : int
        Rows that were compared.
    n_bytes : int
        Size of the file.
    quantization_error : float, optional
        Of a quantized file: the share of rows for which another class is predicted, or of
        regressors the root mean squared difference in standard deviations of the predictions.
    """

    path: Path
    largest_difference: float
    n_rows: int
    n_bytes: int
    quantization_error: float | None = None


def to_litert(
    estimator: Any,
    X: Any,
    path: str | os.PathLike[str],
    *,
    quantize: Literal["float16", "int8"] | None = None,
    representative: Any = None,
    tolerance: float | None = None,
) -> LitertExport:
    """Write a fitted network as a file for LiteRT, by TensorFlow's converter.

    The file takes one row of float32 in the shape of a row of `X`, with an axis of length 1 in
    front, and returns ``"probabilities"``, as ``predict_proba``, or ``"prediction"`` in the units
    of the target, as ``predict``. Class labels are not in it, their order is ``classes_``. A model
    of your own (`KerasClassifier`, `KerasRegressor`) gives ``"outputs"`` as they leave the Keras
    model.

    Parameters
    ----------
    estimator : object
        A fitted MLP or CNN of skdl that takes numbers, or a `KerasClassifier` or `KerasRegressor`
        with a model of one input and one output. Of a pipeline, the last step.
    X : array-like of shape (n_samples, ...)
        Rows to compare the file with the estimator on.
    path : str or path-like
        Where to write; by custom it ends in ``.tflite``.
    quantize : {"float16", "int8"}, optional
        ``"float16"`` halves the size. ``"int8"`` takes about a quarter for large networks: all is
        computed in int8, but for the row that goes in and the numbers that come out.
    representative : array-like of shape (n_samples, ...), optional
        Rows to take the ranges of values from with ``quantize="int8"``, some hundred of the
        training data; `X` by default.
    tolerance : float > 0, optional
        Largest difference allowed on `X`, by default 1e-5: of probabilities, or of numbers in
        multiples of the largest of each output. With `quantize`, by default 0.02: of classifiers
        the share of rows for which another class is predicted, of regressors the root mean squared
        difference in standard deviations of the predictions.

    Returns
    -------
    report : LitertExport
        The path, the largest difference and the size.

    Raises
    ------
    ExportError
        If the estimator is not a network of numbers, the converter refuses a layer, or the file's
        predictions differ by more than the tolerance. No file is written then.
    ImportError
        If ai-edge-litert is not installed (``pip install "skdl[litert]"``).
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    to_onnx : One file for whole pipelines.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skdl import MLPClassifier
    >>> from skdl.export import to_litert
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = to_litert(network, X, Path(folder) / "iris.tflite")
    >>> report.largest_difference < 1e-5
    True
    """
    tolerance = checked_options("to_litert", quantize, _QUANTIZE, tolerance)
    with needs_extra("litert", "skdl.export.to_litert"):
        from ai_edge_litert.interpreter import Interpreter
    function = keras_function("to_litert", estimator, X)
    if function.call is None:
        raise ExportError(
            f"to_litert: the Keras model of {type(estimator).__name__} has several inputs or "
            "outputs. Expected one of each; use tf.lite.TFLiteConverter on model_."
        )
    if quantize == "float16" and function.unit > _LARGEST_FLOAT16:
        raise ExportError(
            f"to_litert: quantize='float16' holds numbers up to {_LARGEST_FLOAT16:,.0f}, "
            f"but the targets of {type(estimator).__name__} have a scale of {function.unit:,.0f}. "
            "Expected targets in larger units, such as y / 1000 in fit; or use 'int8'."
        )
    rows = None
    if quantize == "int8":
        rows = checked_representative("to_litert", representative, function.rows)
        rows = np.asarray(rows, function.rows.dtype)
    content = _converted(function, quantize, rows)
    found = _run(Interpreter(model_content=content), function.rows)
    difference = _compared(type(estimator).__name__, function, found, quantize, tolerance)
    path = Path(path)
    write_whole(path, content)
    return LitertExport(
        path, difference.largest, len(found), len(content), difference.quantization_error
    )


def _converted(function: KerasFunction, quantize: str | None, rows: NDArray[Any] | None) -> bytes:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(function, folder, n_rows=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[_SIGNATURE])
        if quantize is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if rows is not None:
            converter.representative_dataset = lambda: _one_by_one(rows)
        try:
            content: bytes = converter.convert()
        except Exception as error:
            raise ExportError(
                f"to_litert: TensorFlow's converter refuses the network: {str(error).strip()} "
                "Expected layers that LiteRT has; skdl.export.to_onnx takes more."
            ) from error
    return content


def _one_by_one(rows: NDArray[Any]) -> Iterator[list[NDArray[Any]]]:
    for start in range(len(rows)):
        yield [rows[start : start + 1]]


def _run(interpreter: Any, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return what a file says of rows, one call for each."""
    run = interpreter.get_signature_runner(_SIGNATURE)
    (given,) = run.get_input_details()
    results = [next(iter(run(**{given: row}).values())) for (row,) in _one_by_one(rows)]
    return np.concatenate(results).reshape(len(rows), -1).astype(np.float64)


def _compared(
    owner: str,
    function: KerasFunction,
    found: NDArray[np.float64],
    quantize: str | None,
    tolerance: float,
) -> Difference:
    """Return the difference between file and estimator, or refuse it."""
    if quantize is None:
        return check_equal(
            "to_litert", owner, function.expected, found, tolerance, of_classes=function.of_classes
        )
    changed = function.changed(found)
    return check_near("to_litert", owner, function.expected, found, tolerance, changed=changed)
