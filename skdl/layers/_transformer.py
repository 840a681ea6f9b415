"""Transformer encoders: blocks of self-attention, and what says where a step stands."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._dropout import kept_units
from skdl.layers._rule import Rule, Variable, by_row, penalty_of_kernel
from skdl.layers._shapes import concatenated, shape_of
from skdl.networks import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from tensorflow import Tensor

    from skdl.layers._rule import LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["PositionalEncodingRule", "TransformerBlockRule"]

# As in Keras' layers.
_EPSILON = 1e-3
_LOWEST = -1e9
# Vaswani et al. 2017, section 3.5.
_LONGEST_WAVE = 10_000.0


def _block_variables(width: int, units: int) -> list[tuple[str, tuple[int, ...], str]]:
    """Return name, shape and initializer of each variable of a block, in Keras' order."""
    square = (width, width)
    kernel, zeros, ones = "glorot_uniform", "zeros", "ones"
    return [
        ("attention_gamma", (width,), ones),
        ("attention_beta", (width,), zeros),
        ("query_kernel", square, kernel),
        ("query_bias", (width,), zeros),
        ("key_kernel", square, kernel),
        ("key_bias", (width,), zeros),
        ("value_kernel", square, kernel),
        ("value_bias", (width,), zeros),
        ("output_kernel", square, kernel),
        ("output_bias", (width,), zeros),
        ("dense_gamma", (width,), ones),
        ("dense_beta", (width,), zeros),
        ("wide_kernel", (width, units), kernel),
        ("wide_bias", (units,), zeros),
        ("narrow_kernel", (units, width), kernel),
        ("narrow_bias", (width,), zeros),
    ]


@functools.cache
def _transformer_block() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class TransformerBlock(keras.layers.Layer):
        """Self-attention and a dense network for each step, each added to what it is given.

        Layer normalisation stands in front of both (Xiong et al. 2020), dropout behind.
        """

        def __init__(
            self,
            n_heads: int,
            units: int,
            rate: float = 0.0,
            seed: int | None = None,
            kernel_regularizer: Any = None,
            **keywords: object,
        ) -> None:
            super().__init__(**keywords)
            self.n_heads, self.units, self.rate, self.seed = n_heads, units, rate, seed
            self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
            self.dropout = keras.layers.Dropout(rate, seed=seed)
            self.supports_masking = True

        def build(self, input_shape: Shape) -> None:
            for name, shape, initializer in _block_variables(input_shape[-1], self.units):
                is_kernel = name.endswith("kernel")
                weight = self.add_weight(
                    name=name, shape=shape, initializer=initializer,
                    regularizer=self.kernel_regularizer if is_kernel else None,
                )  # fmt: skip
                setattr(self, name, weight)

        def normalized(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Any:
            mean = ops.mean(x, -1, keepdims=True)
            variance = ops.mean(ops.square(x - mean), -1, keepdims=True)
            return (x - mean) * ops.rsqrt(variance + _EPSILON) * gamma + beta

        def attended(self, x: Tensor, mask: Tensor | None) -> Any:
            n_steps, width = x.shape[1], x.shape[2]
            shape = (-1, n_steps, self.n_heads, width // self.n_heads)
            q, k, v = (
                ops.transpose(ops.reshape(ops.matmul(x, kernel) + bias, shape), (0, 2, 1, 3))
                for kernel, bias in (
                    (self.query_kernel, self.query_bias),
                    (self.key_kernel, self.key_bias),
                    (self.value_kernel, self.value_bias),
                )
            )
            scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / math.sqrt(shape[-1])
            if mask is not None:
                counts = ops.cast(mask, "bool")[:, None, None, :]
                scores = ops.where(counts, scores, _LOWEST)
            mixed = ops.transpose(ops.matmul(ops.softmax(scores), v), (0, 2, 1, 3))
            mixed = ops.reshape(mixed, (-1, n_steps, width))
            return ops.matmul(mixed, self.output_kernel) + self.output_bias

        def call(
            self, inputs: Tensor, mask: Tensor | None = None, training: bool | None = None
        ) -> Any:
            x = self.normalized(inputs, self.attention_gamma, self.attention_beta)
            x = inputs + self.dropout(self.attended(x, mask), training=training)
            z = self.normalized(x, self.dense_gamma, self.dense_beta)
            z = ops.relu(ops.matmul(z, self.wide_kernel) + self.wide_bias)
            z = ops.matmul(z, self.narrow_kernel) + self.narrow_bias
            return x + self.dropout(z, training=training)

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return input_shape

        def get_config(self) -> dict[str, Any]:
            return {
                **super().get_config(),
                "n_heads": self.n_heads,
                "units": self.units,
                "rate": self.rate,
                "seed": self.seed,
                "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            }

    return TransformerBlock


class TransformerBlockRule(Rule):
    """Self-attention and a dense network for each step, each added to what it is given.

    As the encoder of Vaswani et al. 2017 (section 3.1), with layer normalisation in front of both
    parts instead of behind them, which trains without a warm-up (Xiong et al. 2020, "On layer
    normalization in the transformer architecture"). Steps that do not count are not attended to.
    """

    scalars = ("l1", "l2", "rate")
    noise_scalars = ("rate",)
    draws_noise = True
    keeps_mask = True

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _transformer_block()

    def summary(self, layer: Layer) -> str:
        return f"TransformerBlock: {layer['n_heads']} heads"

    def structure(self, layer: Layer) -> Hashable:
        n_heads: Hashable = layer["n_heads"]
        return n_heads

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        return [
            Variable(position, name, own, initializer=initializer)
            for name, own, initializer in _block_variables(shape[-1], layer["units"])
        ]

    def peak_width(self, layer: Layer, shape: Shape) -> int:
        n_steps, width = shape
        of_scores: int = layer["n_heads"] * n_steps**2
        return max(3 * n_steps * width + of_scores, n_steps * layer["units"])

    def noise_size(self, layer: Layer, shape: Shape) -> int:
        del layer
        return 2 * math.prod(shape)

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        kernels = [v for v in variables if len(v.shape) > 2]
        return sum(penalty_of_kernel(kernel, scalars) for kernel in kernels)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        v = context.variables
        shape = shape_of(x)
        flat = concatenated(shape[:1], [-1], shape[3:])
        dropped = self._dropout(x, context)
        z = _normalized(tf.reshape(x, flat), *v[:2])
        z = self._attended(layer, z, shape, v[2:10], context.mask)
        x += dropped[0](tf.reshape(z, shape))
        z = _normalized(tf.reshape(x, flat), *v[10:12])
        z = tf.nn.relu(tf.matmul(z, v[12]) + by_row(v[13]))
        z = tf.matmul(z, v[14]) + by_row(v[15])
        return x + dropped[1](tf.reshape(z, shape)), []

    def _attended(
        self, layer: Layer, z: Tensor, shape: Any, variables: list[Tensor], mask: Tensor | None
    ) -> Tensor:
        """Return what heads gather for each step, ``[M, B * T, n]``."""
        import tensorflow as tf

        n_heads = layer["n_heads"]
        of_head = shape[3:] // n_heads
        apart = concatenated(shape[:3], [n_heads], of_head)
        *projections, kernel, bias = variables
        pairs = zip(projections[::2], projections[1::2], strict=True)
        q, k, v = (
            tf.transpose(tf.reshape(tf.matmul(z, own) + by_row(b), apart), [0, 1, 3, 2, 4])
            for own, b in pairs
        )
        scores = tf.matmul(q, k, transpose_b=True)
        scores *= tf.math.rsqrt(tf.cast(of_head[0], tf.float32))
        if mask is not None:
            scores = tf.where(mask[:, :, None, None], scores, _LOWEST)
        mixed = tf.transpose(tf.matmul(tf.nn.softmax(scores), v), [0, 1, 3, 2, 4])
        flat = concatenated(shape[:1], [-1], shape[3:])
        return tf.matmul(tf.reshape(mixed, flat), kernel) + by_row(bias)

    def _dropout(self, x: Tensor, context: LayerContext) -> list[Any]:
        """Return what drops numbers behind each of the two parts."""
        import tensorflow as tf

        if not context.run.training or "rate" not in context.scalars:
            return [tf.identity, tf.identity]
        shape = shape_of(x)
        noise = context.run.noise(context.position, concatenated(shape[1:3], shape[3:] * 2))
        kept, rate = kept_units(noise, context.scalars["rate"])
        factors = tf.where(kept, 1.0 / (1.0 - rate), 0.0)
        return [functools.partial(tf.multiply, own) for own in tf.split(factors, 2, -1)]


def _normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    import tensorflow as tf

    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + _EPSILON) * by_row(gamma) + by_row(beta)


@functools.cache
def _positional_encoding() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class PositionalEncoding(keras.layers.Layer):
        """Adds to each step sines and cosines of its number."""

        def __init__(self, **keywords: object) -> None:
            super().__init__(**keywords)
            self.supports_masking = True

        def call(self, inputs: Tensor) -> Any:
            n_steps, width = inputs.shape[1:]
            return inputs + ops.convert_to_tensor(waves(n_steps, width))

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return input_shape

    return PositionalEncoding


def waves(n_steps: int, width: int) -> Any:
    """Return the sines and cosines of each step, ``[T, n]``, as float32.

    Vaswani et al. 2017, section 3.5: even channels are sines, odd ones cosines, with waves from
    2π to 10,000 · 2π steps.
    """
    channel = np.arange(width)
    angle = np.arange(n_steps)[:, None] / _LONGEST_WAVE ** (channel // 2 * 2 / width)
    return np.where(channel % 2, np.cos(angle), np.sin(angle)).astype(np.float32)


class PositionalEncodingRule(Rule):
    """Adds to each step sines and cosines of its number (Vaswani et al. 2017, section 3.5)."""

    keeps_mask = True

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _positional_encoding()

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer, context
        shape = shape_of(x)
        if isinstance(shape, np.ndarray):
            return x + waves(int(shape[2]), int(shape[3])), []
        channel = tf.range(shape[3])
        exponent = tf.cast(channel // 2 * 2, tf.float32) / tf.cast(shape[3], tf.float32)
        steps = tf.cast(tf.range(shape[2]), tf.float32)[:, None]
        angle = steps / tf.pow(_LONGEST_WAVE, exponent)
        return x + tf.where(channel % 2 == 1, tf.cos(angle), tf.sin(angle)), []
