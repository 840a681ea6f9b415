"""Tables of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl.layers._rule import Rule, Variable

if TYPE_CHECKING:
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["EmbeddingRule"]


class EmbeddingRule(Rule):
    """Row number ``x`` of a table for each entry of the input, whose fractions are cut off.

    Gradients of one row of the table are added up before an optimizer squares them, as Keras does
    on JAX and PyTorch. On TensorFlow, Keras adds up the squares, which depends on how often a
    batch uses the row.
    """

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
