"""The kernels of a finished graph as int8, by onnxruntime's static quantization.

Each product of the network gets its kernel as int8 with a scale for each output channel, and its
input through int8 with the range that it had on representative rows. All else stays as it is:
steps in front of the network compute in float64, so do the units of targets.

Kernels use 7 of the 8 bits. Processors with AVX2 or AVX512 alone add two products in 16 bits, which
8 bits overflow without a word: a network on the diabetes data was then off by 0.08 standard
deviations of its predictions, by 0.01 with 7 bits. Results of products are left in float32, which
predicts better and takes less time than int8 for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._extras import needs_extra
from skdl.exceptions import ExportError
from skdl.export._graph import MERGED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from skdl.export._onnx_model import OnnxModel

__all__ = ["quantized_to_int8"]

_PRODUCTS = ["Conv", "Gemm", "MatMul"]
_ROWS_AT_ONCE = 256
# Of members or of embedded columns, inputs and outputs; kernels of one axis of space alike.
_N_AXES_OF_STACK = 3
# onnxruntime asks through the root logger for its own preparation, unless a file says it is done.
_PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}


def quantized_to_int8(model: Any, original: OnnxModel, rows: Any, path: Path) -> Any:
    """Return a model with kernels of int8.

    Parameters
    ----------
    model : onnx.ModelProto
    original : OnnxModel
        The same, to say how rows become inputs, and to run.
    rows : DataFrame or array-like
        Representative ones.
    path : Path
        A file to write in between.

    Raises
    ------
    ExportError
        If there is no kernel, or rows are predicted to be NaN.
    """
    with needs_extra("export", "skdl.export"):
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    products = _products(onnx, model)
    if not products:
        raise ExportError(
            "to_onnx: quantize='int8', but no layer of the estimator has a kernel of numbers that "
            "int8 could hold. Expected an MLP or CNN of skdl in it; use quantize=None."
        )
    inputs = original.inputs(rows)
    _check_finite(original, inputs)
    onnx.helper.set_model_props(model, _PREPARED)
    # onnxruntime multiplies stacks of matrices by one scale alone.
    of_one_scale = {"quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": True}
    stacks = {kernel.name for kernel in products.values() if _is_stack(kernel)}
    options = {
        "OpTypesToExcludeOutputQuantization": _PRODUCTS,
        "TensorQuantOverrides": {name: [dict(of_one_scale)] for name in stacks},
    }
    quantize_static(
        model, path, _calibration(inputs), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, reduce_range=True,
        op_types_to_quantize=_PRODUCTS, nodes_to_quantize=list(products), extra_options=options,
    )  # fmt: skip
    quantized = onnx.load(path)
    del quantized.graph.value_info[:]
    return quantized


def _products(onnx: Any, model: Any) -> dict[str, Any]:
    """Return the kernels of the networks by node, not of the steps in front of the networks."""
    constants = {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    return {
        node.name: constants[node.input[1]]
        for node in model.graph.node
        if node.op_type in _PRODUCTS
        and node.input[1] in constants
        and not node.name.startswith(MERGED)
    }


def _is_stack(kernel: Any) -> bool:
    return len(kernel.dims) == _N_AXES_OF_STACK


def _check_finite(original: OnnxModel, inputs: dict[str, NDArray[Any]]) -> None:
    is_classifier = original.metadata_["task"] == "classification"
    name = "probabilities" if is_classifier else "prediction"
    outputs = original.session_.run([name], inputs)[0]
    if not np.isfinite(outputs).all():
        raise ExportError(
            "to_onnx: rows of representative have NaN or infinite predictions, so that the ranges "
            "of values are not known. Expected rows that the estimator predicts."
        )


def _calibration(inputs: dict[str, NDArray[Any]]) -> Any:
    """Return a reader that hands onnxruntime the rows in batches."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self, batches: Iterator[dict[str, NDArray[Any]]]) -> None:
            self._batches = batches

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(self._batches, None)

    n_rows = len(next(iter(inputs.values())))
    return Reader(
        {name: values[start : start + _ROWS_AT_ONCE] for name, values in inputs.items()}
        for start in range(0, n_rows, _ROWS_AT_ONCE)
    )
