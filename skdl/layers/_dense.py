"""Fully connected layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl.layers._rule import (
    Rule,
    Variable,
    by_row,
    kernel_before_affine,
    kernel_behind_affine,
    penalty_of_kernel,
)
from skdl.layers._shapes import concatenated, n_row_axes, shape_of
from skdl.layers._sparse_rows import SparseRows

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Affine, Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["DenseRule"]


class DenseRule(Rule):
    """``x W + b`` with L1 and L2 penalties on the kernel, added to the loss as Keras does."""

    scalars = ("l1", "l2")
    adds_bias = True
    keeps_mask = True
    takes_sparse_rows = True

    def structure(self, layer: Layer) -> Hashable:
        return "use_bias" if layer.get("use_bias", True) else ()

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        units = layer["units"]
        kernel = Variable(position, "kernel", (shape[-1], units), initializer="glorot_uniform")
        return [kernel, *[Variable(position, "bias", (units,))] * layer.get("use_bias", True)]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        return (*shape[:-1], layer["units"])

    def keeps_units_apart(self, layer: Layer) -> bool:
        del layer
        return True

    def apply(
        self, layer: Layer, x: Tensor | SparseRows, context: LayerContext
    ) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        is_sparse = isinstance(x, SparseRows)
        if not is_sparse and n_row_axes(x) > 1:
            shape = shape_of(x)
            flat = tf.reshape(x, [shape[0], -1, shape[-1]])
            result, _ = self.apply(layer, flat, context)
            return tf.reshape(result, concatenated(shape[:-1], shape_of(result)[-1:])), []
        kernel, *bias = context.variables
        result = x.times(kernel) if is_sparse else tf.matmul(x, kernel)
        return (result + by_row(bias[0]) if bias else result), []

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        return penalty_of_kernel(variables[0], scalars)

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer
        kernel, *bias = weights
        result = ops.matmul(x, kernel)
        return ops.add(result, bias[0]) if bias else result

    def behind_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        del layer
        return kernel_behind_affine(weights, affine)

    def before_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        del layer
        return kernel_before_affine(weights, affine)
