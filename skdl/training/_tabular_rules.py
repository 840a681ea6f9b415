"""Rules for layers of our own for tables: what scales, embeds and bends numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.networks import CLIP, embedding_variables, embedding_width
from skdl.training._rules import ActivationRule, LayerContext, Rule, Variable

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from skdl.networks import Layer

__all__ = ["TABULAR_RULES"]


class SmoothClipRule(Rule):
    """``z / sqrt(1 + (z / 3)**2)``, ``z = (x - center) * factor`` (Holzmüller et al. 2024).

    Its two constants come with the job.
    """

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        del layer
        return [
            Variable(position, "center", shape, trainable=False),
            Variable(position, "factor", shape, trainable=False, initializer="ones"),
        ]

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        del layer
        center, factor = context.variables
        z = (x - center[:, None, :]) * factor[:, None, :]
        return z * tf.math.rsqrt(1.0 + tf.square(z / CLIP)), context.variables


class FeatureScaleRule(Rule):
    """``x * (1 + gain * w)`` with one learned w per feature."""

    def structure(self, layer: Layer) -> Hashable:
        gain: Hashable = layer["gain"]
        return gain

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        del layer
        return [Variable(position, "weight", shape[-1:])]

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        (weight,) = context.variables
        return x * (1.0 + layer["gain"] * weight[:, None, :]), []


class ParametricActivationRule(ActivationRule):
    """``x + (1 + w) * (f(x) - x)`` with one learned w per unit (Holzmüller et al. 2024)."""

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        del layer
        return [Variable(position, "weight", shape[-1:])]

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        (weight,) = context.variables
        bent, _ = super().apply(layer, x, context)
        return x + (1.0 + weight[:, None, :]) * (bent - x), []


class PeriodicEmbeddingRule(Rule):
    """Sines and cosines of learned frequencies, see `skdl.networks.numeric_embedding`."""

    def structure(self, layer: Layer) -> Hashable:
        form: Hashable = layer["form"]
        return form

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        named = embedding_variables(
            layer["form"], shape[-1], layer["n_frequencies"], layer["units"]
        )
        return [Variable(position, name, own) for name, own in named]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        width = embedding_width(layer["form"], layer["n_frequencies"], layer["units"])
        return (shape[-1] * width,)

    def width_inside(self, layer: Layer, shape: tuple[int, ...]) -> int:
        return int(shape[-1]) * 2 * int(layer["n_frequencies"])

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        shape = variable.shape
        if variable.name == "frequency":
            normal = generator.standard_normal(shape, dtype=np.float32)
            return normal * np.float32(layer["frequency_scale"])
        unit = generator.random(shape, dtype=np.float32) * 2 - 1
        if variable.name == "phase":
            return unit * np.float32(math.pi)
        # As wide as the weights and biases of a dense layer of as many inputs in PyTorch.
        n_waves = layer["n_frequencies"] * (1 if layer["form"] == "pbld" else 2)
        return unit / np.float32(math.sqrt(n_waves))

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        form = layer["form"]
        frequency = context.variables[0]
        angles = x[..., None] * (2.0 * math.pi * frequency[:, None])
        if form == "pbld":
            waves = tf.cos(angles + context.variables[1][:, None])
        else:
            waves = tf.concat([tf.sin(angles), tf.cos(angles)], -1)
        if form == "periodic":
            return flat(waves), []
        weight, bias = context.variables[-2:]
        mixed = tf.einsum("mbfk,mfkd->mbfd", waves, weight) + bias[:, None]
        if form == "plr":
            return flat(tf.nn.relu(mixed)), []
        return flat(tf.concat([x[..., None], mixed], -1)), []


class PiecewiseLinearEmbeddingRule(Rule):
    """How far each feature has come through each of its bins (Gorishniy et al. 2022, Eq. 1).

    A bin gives ``(x - start) * slope``, cut off at `low` and `high`: 0 and 1, but for the outer
    ends of the first and last bin, which are open. These constants come with the job.
    """

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        own = (shape[-1], layer["n_bins"])
        names = ("start", "slope", "low", "high")
        return [Variable(position, name, own, trainable=False) for name in names]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[-1] * layer["n_bins"],)

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        del layer
        start, slope, low, high = (part[:, None] for part in context.variables)
        values = (x[..., None] - start) * slope
        kept = [tf.reshape(part, [tf.shape(part)[0], -1]) for part in context.variables]
        return flat(tf.maximum(tf.minimum(values, high), low)), kept


def flat(values: Any) -> Any:
    """Return ``[M, B, F * n]`` of ``[M, B, F, n]``."""
    import tensorflow as tf

    rows = tf.reshape(values, tf.concat([tf.shape(values)[:2], [-1]], 0))
    rows.set_shape([None, None, None])
    return rows


TABULAR_RULES: dict[str, Rule] = {
    "SmoothClip": SmoothClipRule(),
    "FeatureScale": FeatureScaleRule(),
    "ParametricActivation": ParametricActivationRule(),
    "PeriodicEmbedding": PeriodicEmbeddingRule(),
    "PiecewiseLinearEmbedding": PiecewiseLinearEmbeddingRule(),
}
