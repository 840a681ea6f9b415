"""Tables of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import Rule, Variable

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["EmbeddingRule"]

# Of the entries of a new table.
_LARGEST = 0.05


class EmbeddingRule(Rule):
    """Row number ``x`` of a table for each entry of the input, whose fractions are cut off.

    Gradients of one row of the table are added up before an optimizer squares them, as Keras does
    on JAX and PyTorch. On TensorFlow, Keras adds up the squares, which depends on how often a
    batch uses the row. With ``mask_zero``, entries of 0 are steps that do not count.
    """

    def structure(self, layer: Layer) -> Hashable:
        return "mask_zero" if layer.get("mask_zero") else ()

    def has_mask(self, layer: Layer, given: Sequence[bool]) -> bool:
        del given
        return bool(layer.get("mask_zero"))

    def mask(self, layer: Layer, x: Tensor, given: Any) -> Tensor:
        import tensorflow as tf

        del layer, given
        return tf.not_equal(x, 0)

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        # As Keras draws them.
        del layer
        unit = generator.random(variable.shape, dtype=np.float32) * 2 - 1
        return unit * np.float32(_LARGEST)

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        del shape
        table = (layer["input_dim"], layer["output_dim"])
        return [Variable(position, "embeddings", table, initializer="uniform")]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        return (*shape, layer["output_dim"])

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer
        (table,) = context.variables
        index = tf.cast(x, tf.int32)
        found = tf.gather(table, index, batch_dims=1)
        # XLA takes the nearest row for a number outside the table; the plain graph raises.
        is_inside = (index >= 0) & (index < tf.shape(table)[1])
        return tf.where(is_inside[..., None], found, tf.constant(float("nan"))), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer
        (table,) = weights
        return ops.take(table, x)
