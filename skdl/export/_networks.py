"""Our own networks as nodes: from the rows that users pass to probabilities, or numbers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.estimators.base import (
    CategoryColumn,
    added_to_probabilities,
    described_prediction,
    why_not_described,
)
from skdl.exceptions import ExportError
from skdl.export._graph import places_of
from skdl.export._levels import numbered
from skdl.export._onnx_operations import OnnxOperations
from skdl.layers import ForwardPass, NoForwardPassError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.estimators.base import DescribedPrediction, NumericColumn, TargetForm
    from skdl.export._graph import Block, Graph, Table

__all__ = ["Prediction", "emit_label", "emit_network", "with_temperature"]

_THRESHOLD = 0.5
_NANOSECONDS_A_DAY = 86_400e9
# How NumPy writes a missing date as a number.
_NO_TIME = np.iinfo(np.int64).min


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What a predictor adds to a graph.

    Parameters
    ----------
    value : str
        Tensor of float64: probabilities ``[N, n_classes]``, or numbers ``[N, n_outputs]``.
    width : int
        Its columns.
    is_flat : bool
        Whether `predict` returns one axis.
    classes : ndarray, optional
        Labels of a classifier.
    is_multilabel : bool
        Whether each column is the probability of one label, of several.
    quantiles : str, optional
        Tensor ``[N, n_quantiles]`` of float64 that stands beside `value`.
    threshold : float, optional
        From which probability of the second class on it is predicted; 0.5 by default.
    """

    value: str
    width: int
    is_flat: bool = True
    classes: NDArray[Any] | None = None
    is_multilabel: bool = False
    threshold: float | None = None
    quantiles: str | None = None


# Keras exports a model that was called once.
_KERAS_ALONE = (
    "for the Keras model alone, without the steps around it, pip install tf2onnx, "
    "model_.predict(rows) once, and model_.export(path, format='onnx')"
)


def emit_network(graph: Graph, network: Any, table: Table) -> Prediction:
    """Add what a fitted network predicts.

    Raises
    ------
    ExportError
        If it has layers or inputs that a file cannot hold.
    """
    owner = type(network).__name__
    described = described_prediction(network)
    if described is None:
        raise ExportError(f"{owner}: {why_not_described(network)}; {_KERAS_ALONE}.")
    operations = OnnxOperations(graph)
    if described.inputs.columns is None:
        rows = _inputs(graph, owner, described, table)
    else:
        rows = _encoded(graph, owner, described.inputs.columns, table, operations)
    try:
        outputs = ForwardPass(described.network, described.arrays)(operations, rows)
    except NoForwardPassError as error:
        raise ExportError(
            f"{owner}: {error}. Expected layers and activations that Keras knows by name, such as "
            f"activation='relu'; {_KERAS_ALONE}."
        ) from error
    return _prediction(graph, graph.cast(outputs, "float64"), described.targets)


def emit_label(graph: Graph, prediction: Prediction, labels: NDArray[Any] | None = None) -> str:
    """Add which class is predicted.

    Parameters
    ----------
    graph : Graph
    prediction : Prediction
        Of a classifier.
    labels : ndarray of shape (n_classes,), optional
        The classes, as the file is to hold them. Without them 1 for each of several labels whose
        probability is above 0.5, else 0.

    Returns
    -------
    label : str
        Tensor ``[N]``, of several labels int64 ``[N, n_classes]``.
    """
    if labels is None:
        above = graph.node("Greater", prediction.value, np.float64(_THRESHOLD))
        return graph.cast(above, "int64")
    if prediction.threshold is None:
        number = graph.node("ArgMax", prediction.value, axis=1, keepdims=0)
    else:
        second = graph.node("Gather", prediction.value, np.int64(1), axis=1)
        above = graph.node("GreaterOrEqual", second, np.float64(prediction.threshold))
        number = graph.cast(above, "int64")
    return graph.node("Gather", labels, number, axis=0)


def _prediction(graph: Graph, outputs: str, targets: TargetForm) -> Prediction:
    if targets.classes is None:
        scale = np.asarray(targets.scale, np.float64)
        if targets.median_weights is not None:
            return _quantiles(graph, outputs, targets, targets.median_weights)
        value = graph.node("Add", graph.node("Mul", outputs, scale), targets.offset)
        return Prediction(value, scale.size, targets.is_flat)
    n_classes = len(targets.classes)
    if targets.is_multilabel:
        value = outputs
    elif n_classes == 2:
        value = graph.node("Concat", graph.node("Sub", np.float64(1.0), outputs), outputs, axis=1)
    else:
        total = graph.node("ReduceSum", outputs, graph.integers(1), keepdims=1)
        value = graph.node("Div", outputs, total)
    made = Prediction(value, n_classes, targets.is_flat, targets.classes, targets.is_multilabel)
    return with_temperature(graph, made, targets.temperature)


def with_temperature(graph: Graph, prediction: Prediction, temperature: float) -> Prediction:
    """Add what divides the logits of a classifier's probabilities by a temperature.

    Parameters
    ----------
    graph : Graph
    prediction : Prediction
    temperature : float
        1 adds nothing.

    Returns
    -------
    prediction : Prediction
    """
    if temperature == 1.0:
        return prediction
    by_label, value = prediction.is_multilabel, prediction.value
    added = np.float64(added_to_probabilities(prediction.width, by_label=by_label))
    logits = graph.node("Log", graph.node("Add", value, added))
    if by_label:
        others = graph.node("Log", graph.node("Sub", 1.0 + added, value))
        logits = graph.node("Sub", logits, others)
    logits = graph.node("Div", logits, np.float64(temperature))
    last = graph.node("Sigmoid", logits) if by_label else graph.node("Softmax", logits, axis=1)
    return dataclasses.replace(prediction, value=last)


def _quantiles(
    graph: Graph, outputs: str, targets: TargetForm, median_weights: NDArray[np.float64]
) -> Prediction:
    """Return sorted quantiles, and the median that is predicted by them."""
    # ONNX sorts by taking as many of the smallest as there are.
    n_quantiles = graph.integers(len(median_weights))
    ordered = graph.node("TopK", outputs, n_quantiles, n_unused=1, axis=1, largest=0, sorted=1)
    scaled = graph.node("Mul", ordered, np.asarray(targets.scale, np.float64))
    values = graph.node("Add", scaled, np.asarray(targets.offset, np.float64))
    median = graph.node("MatMul", values, median_weights[:, None])
    return Prediction(median, 1, targets.is_flat, quantiles=values)


def _inputs(graph: Graph, owner: str, described: DescribedPrediction, table: Table) -> str:
    """Return the network's inputs, float32 and in its shape."""
    form = described.inputs
    texts = [block for block in table if block.kind == "string"]
    if texts:
        raise ExportError(
            f"{owner}: columns {[n for b in texts for n in b.names]} hold text, but numbers in "
            "fit. Expected X as in fit."
        )
    if len(table) == 1 and table[0].row_shape is not None:
        block = table[0]
        rows = graph.cast(block.value, "float32") if block.kind != "float32" else block.value
    elif form.offsets is None:
        rows = graph.joined(table, "float32")
    else:
        rows = graph.node("Sub", graph.joined(table, "float64"), form.offsets)
        rows = graph.cast(rows, "float32")
    given = table[0].row_shape or (sum(block.width for block in table),)
    if given == form.row_shape:
        return rows
    return graph.node("Reshape", rows, graph.integers(0, *form.row_shape))


def _encoded(
    graph: Graph,
    owner: str,
    columns: tuple[NumericColumn | CategoryColumn, ...],
    table: Table,
    operations: OnnxOperations,
) -> str:
    """Return the columns of a DataFrame as its encoder would: numbers, then numbers of levels."""
    where = places_of(table)
    numbers, categories = [], []
    for own in columns:
        single = graph.column(*where[own.column])
        if isinstance(own, CategoryColumn):
            categories.append(numbered(graph, owner, single, own.numbers))
        else:
            numbers.append(_number(graph, owner, single, own))
    parts = [(value, 1) for value in categories]
    if numbers:
        joined = numbers[0] if len(numbers) == 1 else graph.node("Concat", *numbers, axis=1)
        parts.insert(0, (graph.cast(joined, "float32"), len(numbers)))
    return operations.joined(parts)


def _number(graph: Graph, owner: str, block: Block, own: NumericColumn) -> str:
    """Return one column of numbers, dates or durations in float64."""
    kinds = {"number": "numbers", "date": "dates", "duration": "durations"}
    is_time = block.kind == "int64"
    if block.kind == "string" or (own.kind != "number") != is_time:
        raise ExportError(
            f"{owner}: column {block.name_of(0)!r} held {kinds[own.kind]} in fit. Expected "
            "the same in X, of a dtype that says so (pd.to_numeric, pd.to_datetime, "
            "pd.to_timedelta)."
        )
    value = graph.joined((block,), "int64" if is_time else "float64")
    if is_time:
        is_missing = graph.node("Equal", value, np.int64(_NO_TIME))
        # Subtracted as whole nanoseconds, of which float64 does not hold all since 1970.
        since = graph.node("Sub", value, np.int64(own.origin))
        days = graph.node("Div", graph.cast(since, "float64"), np.float64(_NANOSECONDS_A_DAY))
        value = graph.node("Where", is_missing, np.float64(np.nan), days)
    return graph.node("Sub", value, np.float64(own.offset)) if own.offset else value
