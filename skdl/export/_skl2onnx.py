"""Estimators that skl2onnx can write down, as parts of our graphs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from sklearn.base import is_classifier

from skdl._extras import needs_extra
from skdl.exceptions import ExportError
from skdl.export._graph import OPSETS, Block, Graph, Table

if TYPE_CHECKING:
    from skdl.export._graph import Kind

__all__ = ["by_skl2onnx", "converted"]


def by_skl2onnx(graph: Graph, step: Any, table: Table) -> Table:
    """Add what a fitted transformer does by skl2onnx's converter, in float64 where it has one.

    Raises
    ------
    ExportError
        If skl2onnx cannot convert it.
    """
    outputs, model = converted(graph, step, table)
    found = model.graph.output[0].type.tensor_type
    kinds: dict[int, Kind] = {
        graph.element_type(kind): kind for kind in ("float64", "float32", "int64", "string")
    }
    kind = kinds.get(found.elem_type)
    axes = [axis.dim_value for axis in found.shape.dim]
    width = axes[1] if len(axes) > 1 and axes[1] else _width_of(step)
    if kind is None or width is None:
        raise ExportError(
            f"{type(step).__name__}: skl2onnx does not say what its converter returns. Expected a "
            "tensor of numbers or text of known width."
        )
    return (Block(outputs[0], width, kind),)


def _width_of(step: Any) -> int | None:
    try:
        return len(step.get_feature_names_out())
    except (AttributeError, ValueError):
        return None


def converted(graph: Graph, estimator: Any, table: Table) -> tuple[list[str], Any]:
    """Add the graph that skl2onnx makes of an estimator.

    Returns
    -------
    outputs : list of str
        Names of its outputs in our graph.
    model : onnx.ModelProto
        What skl2onnx made.
    """
    is_text = table[0].kind == "string"
    if len({block.kind == "string" for block in table}) > 1:
        raise ExportError(
            f"{type(estimator).__name__}: its columns hold text and numbers, which skl2onnx takes "
            "as one tensor. Expected a ColumnTransformer in front of it that encodes the text."
        )
    single = {block.kind for block in table} == {"float32"}
    tries: list[Kind] = ["string"] if is_text else ["float32"] if single else ["float64", "float32"]
    errors = []
    for kind in tries:
        try:
            model = _model(estimator, kind, sum(block.width for block in table))
        except Exception as error:  # noqa: BLE001 - whatever a converter raises
            errors.append(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
            continue
        return graph.merge(model, [graph.joined(table, kind)]), model
    if type(estimator).__module__.startswith("skdl."):
        raise ExportError(
            f"{type(estimator).__name__}: no file holds what it computes. Expected the steps "
            "behind it, such as pipeline[1:], and rows that it has transformed, "
            "pipeline[:1].transform(X)."
        )
    raise ExportError(
        f"{type(estimator).__name__}: skl2onnx cannot convert it ({errors[0]}). Expected an "
        "estimator that skl2onnx supports (skl2onnx.supported_converters()), or one that you "
        "registered with skl2onnx.update_registered_converter."
    )


def _model(estimator: Any, kind: Kind, width: int) -> Any:
    """Return skl2onnx's model of an estimator, if onnxruntime can load it."""
    with needs_extra("export", "skdl.export"):
        import onnxruntime
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
    types = {"float64": DoubleTensorType, "float32": FloatTensorType, "string": StringTensorType}
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = convert_sklearn(
            estimator,
            initial_types=[("X", types[kind]([None, width]))],
            target_opset=OPSETS,
            options=options,
        )
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    return model
