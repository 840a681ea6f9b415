"""One vector of all steps of a sequence."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from skdl.layers._rule import Rule, Variable
from skdl.layers._shapes import concatenated, shape_of
from skdl.networks import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from tensorflow import Tensor

    from skdl.layers._rule import LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["SequencePoolingRule"]

# Stands for minus infinity: exponentials are 0, and differences of two are numbers.
_LOWEST = -1e30


@functools.cache
def _sequence_pooling() -> type[keras.layers.Layer]:
    import keras

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SequencePooling(keras.layers.Layer):
        """The last step that counts, or the mean, maximum or weighted mean of those that count.

        With ``mode="attention"``, weights are the softmax of a learned score. A sequence of which
        no step counts gives zeros.
        """

        def __init__(self, mode: str, **keywords: object) -> None:
            super().__init__(**keywords)
            self.mode = mode
            self.supports_masking = True

        def build(self, input_shape: Shape) -> None:
            if self.mode == "attention":
                self.score = self.add_weight(
                    name="score", shape=(input_shape[-1], 1), initializer="glorot_uniform"
                )

        def call(self, inputs: Tensor, mask: Tensor | None = None) -> Any:
            score = self.score if self.mode == "attention" else None
            return _pooled_by_keras(self.mode, inputs, mask, score)

        def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
            del inputs, mask

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return (input_shape[0], input_shape[-1])

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "mode": self.mode}

    return SequencePooling


def _pooled_by_keras(
    mode: str, inputs: Tensor, mask: Tensor | None, score: Tensor | None
) -> Tensor:
    from keras import ops

    counts = ops.ones_like(inputs[..., :1], dtype="bool")
    if mask is not None:
        counts = ops.expand_dims(ops.cast(mask, "bool"), -1)
    if mode == "max":
        largest = ops.max(ops.where(counts, inputs, _LOWEST), 1)
        return ops.where(ops.any(counts, 1), largest, 0.0)
    if mode == "attention":
        scores = ops.where(counts, ops.matmul(inputs, score), _LOWEST)
        shares = ops.where(counts, ops.softmax(scores, 1), 0.0)
        return ops.sum(shares * inputs, 1)
    if mode == "last":
        places = ops.cumsum(ops.cast(counts, "int32"), 1)
        counts = ops.logical_and(counts, places == ops.max(places, 1, keepdims=True))
    n_steps = ops.sum(ops.cast(counts, inputs.dtype), 1)
    return ops.sum(ops.where(counts, inputs, 0.0), 1) / ops.maximum(n_steps, 1.0)


class SequencePoolingRule(Rule):
    """``"last"``, ``"mean"``, ``"max"`` or ``"attention"`` over the steps that count.

    Attention is a mean whose weights are the softmax of a learned score of each step (as
    Bahdanau et al. 2015, Eq. 6, without a query). A sequence of which no step counts gives zeros.
    """

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _sequence_pooling()

    def summary(self, layer: Layer) -> str:
        return f"SequencePooling: {layer['mode']}"

    def structure(self, layer: Layer) -> Hashable:
        mode: Hashable = layer["mode"]
        return mode

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        score = Variable(position, "score", (shape[-1], 1), initializer="glorot_uniform")
        return [score] if layer["mode"] == "attention" else []

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        del layer
        return shape[-1:]

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        mode, mask = layer["mode"], context.mask
        counts = None if mask is None else mask[..., None]
        if mode == "attention":
            return self._weighted_mean(x, context.variables[0], counts), []
        if counts is None:
            whole = {"mean": tf.reduce_mean, "max": tf.reduce_max}
            return (x[:, :, -1] if mode == "last" else whole[mode](x, 2)), []
        if mode == "max":
            largest = tf.reduce_max(tf.where(counts, x, _LOWEST), 2)
            return tf.where(tf.reduce_any(counts, 2), largest, 0.0), []
        if mode == "last":
            places = tf.cumsum(tf.cast(counts, tf.int32), 2)
            counts &= places == tf.reduce_max(places, 2, keepdims=True)
        n_steps = tf.maximum(tf.reduce_sum(tf.cast(counts, tf.float32), 2), 1.0)
        return tf.reduce_sum(tf.where(counts, x, 0.0), 2) / n_steps, []

    def _weighted_mean(self, x: Tensor, score: Tensor, counts: Tensor | None) -> Tensor:
        import tensorflow as tf

        shape = shape_of(x)
        flat = tf.reshape(x, [shape[0], -1, shape[-1]])
        scores = tf.reshape(tf.matmul(flat, score), concatenated(shape[:-1], [1]))
        if counts is None:
            return tf.reduce_sum(tf.nn.softmax(scores, 2) * x, 2)
        shares = tf.nn.softmax(tf.where(counts, scores, _LOWEST), 2)
        return tf.reduce_sum(tf.where(counts, shares, 0.0) * x, 2)
