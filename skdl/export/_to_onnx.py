"""A whole estimator, all steps in front of its networks included, as one ONNX file."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdl._extras import installed_version, needs_extra
from skdl._whole_files import write_whole
from skdl.estimators.base import predicted_quantiles
from skdl.exceptions import ExportError
from skdl.export._comparison import (
    Difference,
    check_equal,
    check_near,
    checked_options,
    checked_representative,
    float_tolerance,
)
from skdl.export._converters import register_converters
from skdl.export._gaps import note_refused_gaps
from skdl.export._graph import Graph
from skdl.export._inputs import add_inputs
from skdl.export._int8 import quantized_to_int8
from skdl.export._networks import emit_label
from skdl.export._onnx_model import OnnxModel
from skdl.export._predictors import emit_predictor

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from skdl.export._networks import Prediction

__all__ = ["OnnxExport", "to_onnx"]

_PACKAGES = ("skdl", "scikit-learn", "onnx", "skl2onnx", "onnxruntime", "numpy")


class OnnxExport(NamedTuple):
    """What `to_onnx` wrote.

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
    inputs : tuple of str
        Names of the inputs that the file takes.
    quantization_error : float, optional
        Of a quantized file: the share of rows for which another class is predicted, or of
        regressors the root mean squared difference in standard deviations of the predictions.
    """

    path: Path
    largest_difference: float
    n_rows: int
    n_bytes: int
    inputs: tuple[str, ...]
    quantization_error: float | None = None


def to_onnx(
    estimator: Any,
    X: Any,
    path: str | os.PathLike[str],
    *,
    quantize: Literal["int8"] | None = None,
    representative: Any = None,
    tolerance: float | None = None,
) -> OnnxExport:
    """Write a fitted estimator, with all steps of its pipeline, as one ONNX file.

    The file predicts what the estimator does, without TensorFlow, scikit-learn and pandas: it is
    compared with ``predict_proba`` or ``predict`` on the rows given before it is written.

    Parameters
    ----------
    estimator : object
        A fitted MLP or CNN of skdl, or what holds some: a pipeline with steps of scikit-learn, a
        `KFoldEnsembleClassifier` or the like, a search, a ``TransformedTargetRegressor``, or a
        ``CalibratedClassifierCV``.
    X : DataFrame or array-like of shape (n_samples, ...)
        Rows as ``predict`` takes them. Each column of a DataFrame becomes an input of its own,
        by name; an array becomes the input ``X``.
    path : str or path-like
        Where to write; by custom it ends in ``.onnx``.
    quantize : {"int8"}, optional
        Write the networks' kernels as int8, with a scale for each output channel, and take their
        inputs through int8 too. Large networks take about a quarter of the size; time is not
        saved. Steps in front of the networks stay as they are.
    representative : DataFrame or array-like of shape (n_samples, ...), optional
        Rows to take the ranges of values from with `quantize`, some hundred of the training data;
        `X` by default.
    tolerance : float > 0, optional
        Largest difference allowed on `X`, by default 1e-5: of probabilities, or of a regressor's
        predictions in multiples of the largest of each output. With `quantize`, by default 0.02:
        of classifiers the share of rows for which another class is predicted, of regressors the
        root mean squared difference in standard deviations of the predictions.

    Returns
    -------
    report : OnnxExport
        The path, the largest difference, the size and the inputs.

    Raises
    ------
    ExportError
        If a part of the estimator cannot be exported, the file's predictions differ by more
        than the tolerance, or there is nothing to quantize. No file is written then.
    ImportError
        If onnx, onnxruntime or skl2onnx are not installed (``pip install "skdl[export]"``).
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    OnnxModel : Predicts from the file, with onnxruntime and NumPy alone.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl import MLPRegressor
    >>> from skdl.export import to_onnx
    >>> X, y = load_diabetes(as_frame=True, return_X_y=True)
    >>> network = MLPRegressor(16, epochs=5, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = to_onnx(pipeline, X, Path(folder) / "diabetes.onnx")
    >>> report.largest_difference < 1e-5
    True
    >>> report.inputs[:3]
    ('age', 'sex', 'bmi')
    """
    tolerance = checked_options("to_onnx", quantize, ("int8",), tolerance)
    if quantize is not None:
        representative = checked_representative("to_onnx", representative, X)
    check_is_fitted(estimator)
    register_converters()
    graph = Graph()
    table = add_inputs(graph, X, getattr(estimator, "feature_names_in_", None))
    prediction = emit_predictor(graph, estimator, table)
    outputs = _outputs(graph, prediction)
    model = graph.model(outputs)
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        metadata = _metadata(graph, estimator, prediction)
        _write(model, metadata, draft)
        original = OnnxModel(draft)
        allowed = tolerance if quantize is None else float_tolerance(tolerance)
        expected = _expected(estimator, X, prediction)
        difference = _compared(estimator, X, expected, original, allowed)
        # After the draft, which calibrates: its rows with gaps are refused in words of their own.
        note_refused_gaps(graph.inputs, estimator, X)
        metadata = _metadata(graph, estimator, prediction)
        if quantize is not None:
            metadata["quantize"] = quantize
            model = quantized_to_int8(model, original, representative, draft.with_stem("int8"))
            _write(model, metadata, draft)
            quantized = OnnxModel(draft)
            difference = _compared(estimator, X, expected, quantized, tolerance, is_quantized=True)
        metadata |= {"largest_difference": difference.largest, "n_rows_compared": len(X)}
        if difference.quantization_error is not None:
            metadata["quantization_error"] = difference.quantization_error
        _write(model, metadata, path)
    names = tuple(column.name for column in graph.inputs)
    size = path.stat().st_size
    return OnnxExport(path, difference.largest, len(X), size, names, difference.quantization_error)


def _write(model: Any, metadata: dict[str, Any], path: Path) -> None:
    with needs_extra("export", "skdl.export"):
        import onnx
    onnx.helper.set_model_props(model, {"skdl": json.dumps(metadata)})
    write_whole(path, model.SerializeToString())


def _outputs(graph: Graph, prediction: Prediction) -> list[tuple[str, str, str, list[Any]]]:
    """Return the outputs of the graph: tensors, names, types and shapes of a row."""
    if prediction.classes is None:
        if not prediction.is_flat:
            return [(prediction.value, "prediction", "float64", [prediction.width])]
        flat = graph.node("Squeeze", prediction.value, graph.integers(1))
        outputs: list[tuple[str, str, str, list[Any]]] = [(flat, "prediction", "float64", [])]
        if prediction.quantiles is not None:
            outputs.append((prediction.quantiles, "quantiles", "float64", ["quantiles"]))
        return outputs
    probabilities = (prediction.value, "probabilities", "float64", [prediction.width])
    if prediction.is_multilabel:
        label = emit_label(graph, prediction)
        return [(label, "label", "int64", [prediction.width]), probabilities]
    labels, kind = _labels(prediction.classes)
    return [(emit_label(graph, prediction, labels), "label", kind, []), probabilities]


def _labels(classes: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Return labels as an array that ONNX can hold, and its type."""
    if classes.dtype.kind == "b":
        return classes, "bool"
    if classes.dtype.kind in "iu" and classes.max() <= np.iinfo(np.int64).max:
        return classes.astype(np.int64), "int64"
    if classes.dtype.kind == "f":
        return classes.astype(np.float64), "float64"
    cells = classes.tolist()
    if not all(isinstance(cell, str) for cell in cells):
        raise ExportError(
            f"to_onnx: the classes are {cells[:5]}, of types that ONNX does not have. Expected "
            "text, integers below 2**63, booleans or numbers."
        )
    return np.array(cells, object), "string"


def _metadata(graph: Graph, estimator: Any, prediction: Prediction) -> dict[str, Any]:
    is_classifier = prediction.classes is not None
    metadata = {
        "format": 1,
        "task": "classification" if is_classifier else "regression",
        "estimator": type(estimator).__name__,
        "inputs": [dataclasses.asdict(column) for column in graph.inputs],
        "exported": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "versions": {name: installed_version(name) for name in _PACKAGES},
    }
    if prediction.classes is not None:
        metadata["classes"] = prediction.classes.tolist()
    metadata["has_quantiles"] = prediction.quantiles is not None
    return metadata


# ------------------------------------------------------------------------- the comparison


def _expected(estimator: Any, X: Any, prediction: Prediction) -> NDArray[np.float64]:
    """Return what the estimator says of rows: probabilities, or numbers."""
    of_classes = prediction.classes is not None
    values = estimator.predict_proba(X) if of_classes else estimator.predict(X)
    if prediction.quantiles is not None:
        values = np.column_stack([values, predicted_quantiles(estimator, X)])
    return np.asarray(values, np.float64)


def _compared(
    estimator: Any,
    X: Any,
    expected: NDArray[np.float64],
    model: OnnxModel,
    tolerance: float,
    *,
    is_quantized: bool = False,
) -> Difference:
    """Return the difference between file and estimator, or refuse it."""
    owner = type(estimator).__name__
    of_classes = model.metadata_["task"] == "classification"
    try:
        found = model.predict_proba(X) if of_classes else model.predict(X)
    except ValueError as error:
        raise ExportError(
            f"to_onnx: the file does not predict X as {owner} does. {error}"
        ) from error
    if model.metadata_["has_quantiles"]:
        found = np.column_stack([found, model.predict_quantiles(X)])
    if not is_quantized:
        return check_equal("to_onnx", owner, expected, found, tolerance, of_classes=of_classes)
    changed = None
    if of_classes:
        others = model.predict(X) != np.asarray(estimator.predict(X))
        changed = others.reshape(len(expected), -1).any(1)
    return check_near("to_onnx", owner, expected, found, tolerance, changed=changed)
