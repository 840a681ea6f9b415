"""Fully connected layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import Affine, Rule, Variable, by_row, penalty_of_kernel
from skdl.layers._shapes import concatenated, n_row_axes, shape_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["DenseRule"]


class DenseRule(Rule):
    """``x W + b`` with L1 and L2 penalties on the kernel, added to the loss as Keras does."""

    scalars = ("l1", "l2")
    adds_bias = True

    def structure(self, layer: Layer) -> Hashable:
        return "use_bias" if layer.get("use_bias", True) else ()

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        units = layer["units"]
        kernel = Variable(position, "kernel", (shape[-1], units), initializer="glorot_uniform")
        return [kernel, *[Variable(position, "bias", (units,))] * layer.get("use_bias", True)]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        return (*shape[:-1], layer["units"])

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        if n_row_axes(x) > 1:
            shape = shape_of(x)
            flat = tf.reshape(x, [shape[0], -1, shape[-1]])
            result, _ = self.apply(layer, flat, context)
            return tf.reshape(result, concatenated(shape[:-1], shape_of(result)[-1:])), []
        kernel, *bias = context.variables
        result = tf.matmul(x, kernel)
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
        kernel, *bias = (array.astype(np.float64) for array in weights)
        offset = np.broadcast_to(affine.offset, len(kernel)) @ kernel + sum(bias)
        return _as_float32(kernel * np.broadcast_to(affine.factor, len(kernel))[:, None], offset)

    def before_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        del layer
        kernel, *bias = (array.astype(np.float64) for array in weights)
        return _as_float32(kernel * affine.factor, sum(bias) * affine.factor + affine.offset)


def _as_float32(kernel: NDArray[np.float64], bias: Any) -> Arrays:
    bias = np.broadcast_to(bias, kernel.shape[-1])
    return [kernel.astype(np.float32), bias.astype(np.float32)]
