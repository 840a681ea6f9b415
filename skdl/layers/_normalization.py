"""Normalisation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import Affine, Rule, Variable, by_row
from skdl.layers._shapes import concatenated, n_row_axes, shape_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["BatchNormalizationRule", "LayerNormalizationRule"]


class BatchNormalizationRule(Rule):
    """Batch normalisation whose moments leave padding rows out (Ioffe and Szegedy 2015, Alg. 1)."""

    absorbs_shift = True
    keeps_mask = True

    def structure(self, layer: Layer) -> Hashable:
        return layer["momentum"], self._epsilon(layer), self._has(layer)

    def _epsilon(self, layer: Layer) -> float:
        return float(layer.get("epsilon", 1e-3))

    def _has(self, layer: Layer) -> tuple[bool, bool]:
        """Tell whether there are gamma and beta."""
        return bool(layer.get("scale", True)), bool(layer.get("center", True))

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        width = shape[-1:]
        scale, center = self._has(layer)
        return [
            *[Variable(position, "gamma", width, initializer="ones")] * scale,
            *[Variable(position, "beta", width)] * center,
            Variable(position, "moving_mean", width, trainable=False),
            Variable(position, "moving_variance", width, trainable=False, initializer="ones"),
        ]

    def keeps_units_apart(self, layer: Layer) -> bool:
        del layer
        return True

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        run = context.run
        if n_row_axes(x) > 1:
            # Each position of an image counts as a row of its own.
            shape = tf.shape(x)
            n_positions = tf.reduce_prod(shape[2:-1])
            x = tf.reshape(x, [shape[0], shape[1] * n_positions, shape[-1]])
            mask = tf.repeat(run.mask, n_positions, axis=1) if run.training else None
            if mask is not None and context.mask is not None:
                mask *= tf.reshape(tf.cast(context.mask, tf.float32), tf.shape(mask))
            flat = dataclasses.replace(run, mask=mask)
            own = dataclasses.replace(context, run=flat, mask=None)
            x, updates = self.apply(layer, x, own)
            return tf.reshape(x, shape), updates
        epsilon = self._epsilon(layer)
        *trained, moving_mean, moving_variance = context.variables
        scale, center = self._has(layer)
        gamma = trained[0] if scale else tf.ones_like(moving_mean)
        beta = trained[-1] if center else tf.zeros_like(moving_mean)
        if not run.training:
            factor = gamma * tf.math.rsqrt(moving_variance + epsilon)
            return (x - by_row(moving_mean)) * by_row(factor) + by_row(beta), []
        share = run.mask / tf.maximum(tf.reduce_sum(run.mask, 1, keepdims=True), 1.0)
        x, mean, variance = self._normalised(x, gamma, beta, tf.expand_dims(share, 2), epsilon)
        pace = (1 - layer["momentum"]) * tf.expand_dims(run.step_share, 1)
        return x, [
            moving_mean + pace * (mean - moving_mean),
            moving_variance + pace * (variance - moving_variance),
        ]

    def _normalised(
        self, x: Tensor, gamma: Tensor, beta: Tensor, share: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return normalised rows and the batch's moments.

        The gradient is written out (Ioffe and Szegedy 2015, section 3, with each row's share in
        place of 1/m): half the operations of the automatic one, and half the time to compile.
        """
        import tensorflow as tf

        @tf.custom_gradient
        def normalised(x: Tensor, gamma: Tensor, beta: Tensor) -> Any:
            mean = tf.reduce_sum(x * share, 1)
            centred = x - by_row(mean)
            variance = tf.reduce_sum(tf.square(centred) * share, 1)
            inverse = tf.math.rsqrt(variance + epsilon)
            unit = centred * by_row(inverse)

            def gradient(up: Tensor, *_: Tensor) -> Any:
                # The moments leave only into the moving ones, which have no gradient.
                along_gamma = tf.reduce_sum(up * unit, 1)
                along_beta = tf.reduce_sum(up, 1)
                common = by_row(along_beta) + unit * by_row(along_gamma)
                along_x = by_row(gamma * inverse) * (up - share * common)
                return along_x, along_gamma, along_beta

            return (unit * by_row(gamma) + by_row(beta), mean, variance), gradient

        return normalised(x, gamma, beta)

    def as_affine(self, layer: Layer, weights: Arrays) -> Affine:
        *trained, moving_mean, moving_variance = (array.astype(np.float64) for array in weights)
        scale, center = self._has(layer)
        factor = 1.0 / np.sqrt(moving_variance + self._epsilon(layer))
        if scale:
            factor = factor * trained[0]
        offset = -moving_mean * factor
        return Affine(factor, offset + trained[-1] if center else offset)

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        factor, offset = (array.astype(np.float32) for array in self.as_affine(layer, weights))
        return ops.add(ops.multiply(x, factor), offset)


class LayerNormalizationRule(Rule):
    """Normalisation of each row, or each position of it, over its last axis (Ba et al. 2016)."""

    keeps_mask = True

    def structure(self, layer: Layer) -> Hashable:
        return layer["epsilon"], layer["scale"], layer["center"]

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        width = shape[-1:]
        return [
            *[Variable(position, "gamma", width, initializer="ones")] * layer["scale"],
            *[Variable(position, "beta", width)] * layer["center"],
        ]

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        x = (x - mean) * tf.math.rsqrt(variance + layer["epsilon"])
        # Members have one factor and one offset per unit: [M, n] becomes [M, 1, ..., n].
        by_unit = [tf.reshape(v, _by_unit(v, x)) for v in context.variables]
        if layer["scale"]:
            x *= by_unit[0]
        return (x + by_unit[-1] if layer["center"] else x), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        centred = ops.subtract(x, ops.mean(x, (-1,), keep_axes=True))
        variance = ops.mean(ops.multiply(centred, centred), (-1,), keep_axes=True)
        x = ops.divide(centred, ops.sqrt(ops.add(variance, float(layer["epsilon"]))))
        if layer["scale"]:
            x = ops.multiply(x, weights[0])
        return ops.add(x, weights[-1]) if layer["center"] else x


def _by_unit(values: Tensor, x: Tensor) -> Any:
    """Return the shape ``[M, 1, ..., n]`` in which ``[M, n]`` stands beside ``[M, B, ..., n]``."""
    n_members, width = shape_of(values)[:1], shape_of(values)[1:]
    return concatenated(n_members, [1] * n_row_axes(x), width)
