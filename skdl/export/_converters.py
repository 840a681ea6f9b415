"""Our networks for users of skl2onnx, and for its converters of estimators that hold them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier

from skdl._extras import needs_extra
from skdl.estimators import (
    CNN1DClassifier,
    CNN1DRegressor,
    CNNClassifier,
    CNNRegressor,
    MLPClassifier,
    MLPRegressor,
    RNNClassifier,
    RNNRegressor,
    TransformerClassifier,
    TransformerRegressor,
)
from skdl.exceptions import ExportError
from skdl.export._graph import Block, Graph, names_inside, rename
from skdl.export._networks import emit_label, emit_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["register_converters"]

_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [False],
}
_KINDS = (
    MLPClassifier, MLPRegressor, CNNClassifier, CNNRegressor, RNNClassifier, RNNRegressor,
    CNN1DClassifier, CNN1DRegressor, TransformerClassifier, TransformerRegressor,
)  # fmt: skip


@functools.cache
def register_converters() -> None:
    """Teach skl2onnx our networks, inside any estimator that it knows.

    `to_onnx` does so itself; call it for ``skl2onnx.to_onnx`` of your own. Rows are one tensor
    there: columns of text are encoded by the steps in front.

    Raises
    ------
    ImportError
        If skl2onnx is not installed (``pip install "skdl[export]"``).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdl import MLPClassifier
    >>> from skdl.export import register_converters
    >>> register_converters()
    >>> import skl2onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, epochs=2, random_state=0).fit(X, y)
    >>> model = skl2onnx.to_onnx(network, X[:1].astype("float32"), options={"zipmap": False})
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    with needs_extra("export", "skdl.export"):
        from skl2onnx import update_registered_converter
    for kind in _KINDS:
        of_classes = issubclass(kind, ClassifierMixin)
        update_registered_converter(
            kind,
            f"Skdl{kind.__name__}",
            _shape_of_classes if of_classes else _shape_of_numbers,
            _convert,
            options=_OPTIONS if of_classes else None,
        )


def _shape_of_classes(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    estimator = operator.raw_operator
    labels = _labels(estimator)
    is_text = labels is not None and labels.dtype == object
    is_multilabel = labels is None
    n_rows = operator.inputs[0].get_first_dimension()
    n_classes = len(estimator.classes_)
    label_type = StringTensorType if is_text else Int64TensorType
    operator.outputs[0].type = label_type([n_rows, n_classes] if is_multilabel else [n_rows])
    operator.outputs[1].type = FloatTensorType([n_rows, n_classes])


def _shape_of_numbers(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    n_rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([n_rows, operator.raw_operator.n_outputs_])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a network to the container of skl2onnx."""
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    network = operator.raw_operator
    if len(operator.inputs) != 1:
        raise ExportError(
            f"{type(network).__name__}: skl2onnx hands it {len(operator.inputs)} tensors. Expected "
            "one; skdl.export.to_onnx takes the columns of DataFrames."
        )
    graph = Graph()
    source = operator.inputs[0]
    if isinstance(source.type, StringTensorType):
        raise ExportError(
            f"{type(network).__name__}: skl2onnx hands it text, which ONNX would read as numbers. "
            "Expected a tensor of numbers: encode text in a step before it, or use "
            "skdl.export.to_onnx, which takes the columns of DataFrames."
        )
    kind: Any = "float64" if isinstance(source.type, DoubleTensorType) else "float32"
    given = source.full_name
    if not isinstance(source.type, DoubleTensorType):
        given = graph.cast(given, "float32")
    width = int(np.prod(source.type.shape[1:]))
    prediction = emit_network(graph, network, (Block(given, width, kind),))
    value = graph.cast(prediction.value, "float32")
    results = {value: operator.outputs[-1].full_name}
    if is_classifier(network):
        label = emit_label(graph, prediction, _labels(network))
        results[label] = operator.outputs[0].full_name
    _copy(graph, scope, container, results)


def _labels(network: Any) -> NDArray[Any] | None:
    """Return labels as skl2onnx has them, text or int64; None where a row may have several.

    Raises
    ------
    ExportError
        If they are neither, nor numbers or booleans that int64 holds as they are.
    """
    if network.n_outputs_ > 1:
        return None
    classes = network.classes_
    cells = classes.tolist()
    if all(isinstance(cell, str) for cell in cells):
        return np.array(cells, object)
    if all(isinstance(cell, int | float) and _fits_int64(cell) for cell in cells):
        return np.array(cells, np.int64)
    raise ExportError(
        f"{type(network).__name__}: the classes are {cells[:5]}, but skl2onnx has text and int64 "
        "for labels, which would change them. Expected text or whole numbers as y, or "
        "skdl.export.to_onnx, which takes fractions too."
    )


def _fits_int64(number: float) -> bool:
    return float(number).is_integer() and abs(number) < 2.0**63


def _copy(graph: Graph, scope: Any, container: Any, results: dict[str, str]) -> None:
    """Add nodes and constants under names that skl2onnx has not given away."""
    from onnx import helper, numpy_helper

    names: dict[str, str] = {}
    for tensor in graph.initializers:
        names[tensor.name] = scope.get_unique_variable_name(tensor.name)
        array = numpy_helper.to_array(tensor)
        values = array.ravel().tolist()
        container.add_initializer(names[tensor.name], tensor.data_type, list(array.shape), values)
    for node in graph.nodes:
        inside = set().union(*(names_inside(a.g) for a in node.attribute))
        for name in (*node.output, *sorted(inside)):
            names[name] = scope.get_unique_variable_name(name)
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        for attribute in node.attribute:
            rename(attribute.g, lambda name: names.get(name, name))
        container.add_node(
            node.op_type,
            [names.get(name, name) for name in node.input],
            [names[name] for name in node.output],
            op_domain=node.domain,
            op_version=graph.opsets[node.domain],
            name=scope.get_unique_operator_name(node.op_type),
            **attributes,
        )
    for tensor, output in results.items():
        container.add_node(
            "Identity",
            [names[tensor]],
            [output],
            name=scope.get_unique_operator_name("Identity"),
        )
