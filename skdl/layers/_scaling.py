"""Layers that scale features: smooth clipping by given constants, learned factors."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._on_numbers import NumericColumnsRule, numeric_columns_layer
from skdl.layers._quantiles import column_quantiles
from skdl.layers._rule import Affine, Rule, Variable
from skdl.layers._shapes import shape_of
from skdl.networks import CLIP, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["FeatureScaleRule", "SmoothClipRule", "robust_units", "scaled_units", "smoothly_clipped"]


def robust_units(X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and scale of each column; NaN does not count.

    The scale is the distance between the quartiles; where they coincide, half the distance
    between the extremes; of a constant column infinite, so that it becomes 0.
    """
    # A column without any number becomes 0, as a constant one does.
    low, q1, median, q3, high = column_quantiles(X, [0, 0.25, 0.5, 0.75, 1])
    scale = q3 - q1
    scale = np.where(scale > 0, scale, 0.5 * (high - low))
    return median, np.where(scale > 0, scale, np.inf)


def smoothly_clipped(
    X: NDArray[Any], center: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``z / sqrt(1 + (z / 3)**2)`` with ``z = (X - center) / scale``."""
    z = (X - center) / scale
    return z / np.sqrt(1.0 + (z / CLIP) ** 2)


@functools.cache
def _smooth_clip() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SmoothClip(numeric_columns_layer()):  # type: ignore[misc]
        """``z / sqrt(1 + (z / 3)**2)`` with ``z = (x - center) * factor``; nothing is trained."""

        def build(self, input_shape: Shape) -> None:
            width = (self.n_of(input_shape),)
            fixed = {"shape": width, "trainable": False}
            self.center = self.add_weight(name="center", initializer="zeros", **fixed)
            self.factor = self.add_weight(name="factor", initializer="ones", **fixed)

        def of_numbers(self, x: Tensor) -> Any:
            z = (x - self.center) * self.factor
            return z / ops.sqrt(1.0 + ops.square(z / CLIP))

    return SmoothClip


class SmoothClipRule(NumericColumnsRule):
    """``z / sqrt(1 + (z / 3)**2)``, ``z = (x - center) * factor`` (Holzmüller et al. 2024).

    Its two constants come with the job.
    """

    shifted_variables = ("center",)

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _smooth_clip()

    def constants(
        self, layer: Layer, X: NDArray[Any]
    ) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
        del layer
        center, scale = robust_units(X)
        return {"center": center, "factor": 1.0 / scale}, smoothly_clipped(X, center, scale)

    def variables_of(self, layer: Layer, position: int, n_numeric: int) -> list[Variable]:
        del layer
        shape = (n_numeric,)
        return [
            Variable(position, "center", shape, trainable=False),
            Variable(position, "factor", shape, trainable=False, initializer="ones"),
        ]

    def of_numbers(
        self, layer: Layer, x: Tensor, context: LayerContext
    ) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer
        center, factor = context.variables
        z = (x - center[:, None, :]) * factor[:, None, :]
        return z * tf.math.rsqrt(1.0 + tf.square(z / CLIP)), context.variables

    def forward_of_numbers(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer
        center, factor = weights
        z = ops.multiply(ops.subtract(x, center), factor)
        share = ops.multiply(z, 1.0 / CLIP)
        return ops.divide(z, ops.sqrt(ops.add(ops.multiply(share, share), 1.0)))


@functools.cache
def _feature_scale() -> type[keras.layers.Layer]:
    import keras

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class FeatureScale(keras.layers.Layer):
        """``x * (1 + gain * w)`` with one learned w per feature, 0 at first."""

        def __init__(self, gain: float = 1.0, **keywords: object) -> None:
            super().__init__(**keywords)
            self.gain = gain

        def build(self, input_shape: Shape) -> None:
            shape = (input_shape[-1],)
            self.weight = self.add_weight(name="weight", shape=shape, initializer="zeros")

        def call(self, x: Tensor) -> Any:
            return x * (1.0 + self.gain * self.weight)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "gain": self.gain}

    return FeatureScale


class FeatureScaleRule(Rule):
    """``x * (1 + gain * w)`` with one learned w per feature."""

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _feature_scale()

    def structure(self, layer: Layer) -> Hashable:
        gain: Hashable = layer["gain"]
        return gain

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        del layer
        return [Variable(position, "weight", shape[-1:])]

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        (weight,) = context.variables
        return x * (1.0 + layer["gain"] * weight[:, None, :]), []

    def as_affine(self, layer: Layer, weights: Arrays) -> Affine:
        (weight,) = weights
        return Affine(1.0 + layer["gain"] * weight.astype(np.float64), np.float64(0.0))

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        return ops.multiply(x, self.as_affine(layer, weights).factor.astype(np.float32))


def scaled_units(x: Tensor, factor: Tensor) -> Tensor:
    """Return ``[M, ..., n]`` times a factor for each member's units, ``[M, n]``.

    The gradient for the factors sums over all that lies between as a matrix product: XLA sums
    products of rows number by number, which took a tenth of an ensemble's time.
    """
    import tensorflow as tf

    shape = shape_of(x)

    @tf.custom_gradient
    def of(rows: Tensor, factor: Tensor) -> Any:
        def gradient(up: Tensor) -> Any:
            ones = tf.ones_like(rows[:, None, :, 0])
            return up * factor[:, None], tf.matmul(ones, up * rows)[:, 0]

        return rows * factor[:, None], gradient

    return tf.reshape(of(tf.reshape(x, [shape[0], -1, shape[-1]]), factor), shape)
