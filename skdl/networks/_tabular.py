"""Keras layers of our own, for tables, registered with Keras on first use.

Each has a stacked rule in `skdl.training`; here is what a Keras model of the network computes.
"""

from __future__ import annotations

import functools
import math
import threading
from typing import TYPE_CHECKING, Any

from skdl.networks._loss import PACKAGE

if TYPE_CHECKING:
    import keras

__all__ = ["CLIP", "OWN_LAYERS", "embedding_variables", "embedding_width", "own_layer_class"]

# Bound of the values behind smooth clipping (Holzmüller et al. 2024, section 3).
CLIP = 3.0

_lock = threading.RLock()


@functools.cache
def _smooth_clip() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SmoothClip(keras.layers.Layer):
        """``z / sqrt(1 + (z / 3)**2)`` with ``z = (x - center) * factor``; nothing is trained."""

        def build(self, input_shape: Any) -> None:
            width = (input_shape[-1],)
            fixed = {"shape": width, "trainable": False}
            self.center = self.add_weight(name="center", initializer="zeros", **fixed)
            self.factor = self.add_weight(name="factor", initializer="ones", **fixed)

        def call(self, x: Any) -> Any:
            z = (x - self.center) * self.factor
            return z / ops.sqrt(1.0 + ops.square(z / CLIP))

    return SmoothClip


@functools.cache
def _feature_scale() -> type[keras.layers.Layer]:
    import keras

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class FeatureScale(keras.layers.Layer):
        """``x * (1 + gain * w)`` with one learned w per feature, 0 at first."""

        def __init__(self, gain: float = 1.0, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.gain = gain

        def build(self, input_shape: Any) -> None:
            shape = (input_shape[-1],)
            self.weight = self.add_weight(name="weight", shape=shape, initializer="zeros")

        def call(self, x: Any) -> Any:
            return x * (1.0 + self.gain * self.weight)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "gain": self.gain}

    return FeatureScale


@functools.cache
def _parametric_activation() -> type[keras.layers.Layer]:
    import keras

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class ParametricActivation(keras.layers.Layer):
        """``x + (1 + w) * (f(x) - x)`` with one learned w per unit, 0 at first."""

        def __init__(self, function: Any, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.function = keras.activations.get(function)

        def build(self, input_shape: Any) -> None:
            shape = (input_shape[-1],)
            self.weight = self.add_weight(name="weight", shape=shape, initializer="zeros")

        def call(self, x: Any) -> Any:
            return x + (1.0 + self.weight) * (self.function(x) - x)

        def get_config(self) -> dict[str, Any]:
            function = keras.activations.serialize(self.function)
            return {**super().get_config(), "function": function}

    return ParametricActivation


@functools.cache
def _periodic_embedding() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class PeriodicEmbedding(keras.layers.Layer):
        """Several numbers for each feature, by sines and cosines of learned frequencies."""

        def __init__(
            self,
            form: str,
            n_frequencies: int,
            units: int,
            frequency_scale: float = 1.0,
            **keywords: Any,
        ) -> None:
            super().__init__(**keywords)
            self.form = form
            self.n_frequencies = n_frequencies
            self.units = units
            self.frequency_scale = frequency_scale

        def build(self, input_shape: Any) -> None:
            variables = embedding_variables(
                self.form, input_shape[-1], self.n_frequencies, self.units
            )
            self.parts = [
                self.add_weight(name=name, shape=shape, initializer="zeros")
                for name, shape in variables
            ]

        def call(self, x: Any) -> Any:
            angles = 2.0 * math.pi * ops.expand_dims(x, -1) * self.parts[0]
            if self.form == "pbld":
                waves = ops.cos(angles + self.parts[1])
            else:
                waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], -1)
            if self.form == "periodic":
                return self._flat(waves)
            weight, bias = self.parts[-2:]
            mixed = ops.einsum("bfk,fkd->bfd", waves, weight) + bias
            if self.form == "plr":
                return self._flat(ops.relu(mixed))
            return self._flat(ops.concatenate([ops.expand_dims(x, -1), mixed], -1))

        def _flat(self, values: Any) -> Any:
            _, n_features, n_values = values.shape
            return ops.reshape(values, (-1, n_features * n_values))

        def compute_output_shape(self, input_shape: Any) -> Any:
            width = embedding_width(self.form, self.n_frequencies, self.units)
            return (*input_shape[:-1], input_shape[-1] * width)

        def get_config(self) -> dict[str, Any]:
            names = ("form", "n_frequencies", "units", "frequency_scale")
            return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    return PeriodicEmbedding


@functools.cache
def _piecewise_linear_embedding() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class PiecewiseLinearEmbedding(keras.layers.Layer):
        """How far each feature has come through each of its bins; nothing is trained."""

        def __init__(self, n_bins: int, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.n_bins = n_bins

        def build(self, input_shape: Any) -> None:
            shape = (input_shape[-1], self.n_bins)
            self.parts = [
                self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
                for name in ("start", "slope", "low", "high")
            ]

        def call(self, x: Any) -> Any:
            start, slope, low, high = self.parts
            values = (ops.expand_dims(x, -1) - start) * slope
            values = ops.maximum(ops.minimum(values, high), low)
            _, n_features, n_values = values.shape
            return ops.reshape(values, (-1, n_features * n_values))

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (*input_shape[:-1], input_shape[-1] * self.n_bins)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "n_bins": self.n_bins}

    return PiecewiseLinearEmbedding


_FACTORIES = {
    "SmoothClip": _smooth_clip,
    "FeatureScale": _feature_scale,
    "ParametricActivation": _parametric_activation,
    "PeriodicEmbedding": _periodic_embedding,
    "PiecewiseLinearEmbedding": _piecewise_linear_embedding,
}
OWN_LAYERS = tuple(_FACTORIES)


def own_layer_class(kind: str) -> type[keras.layers.Layer]:
    """Return the Keras class of one of `OWN_LAYERS`."""
    with _lock:
        return _FACTORIES[kind]()


def embedding_variables(
    form: str, n_features: int, n_frequencies: int, units: int
) -> list[tuple[str, tuple[int, ...]]]:
    """Return name and shape of each variable of a periodic embedding, in Keras' order."""
    variables: list[tuple[str, tuple[int, ...]]] = [("frequency", (n_features, n_frequencies))]
    if form == "pbld":
        variables.append(("phase", (n_features, n_frequencies)))
    if form == "periodic":
        return variables
    n_waves = n_frequencies if form == "pbld" else 2 * n_frequencies
    # With "pbld" the feature itself is one of the units.
    n_mixed = units - 1 if form == "pbld" else units
    return [
        *variables,
        ("weight", (n_features, n_waves, n_mixed)),
        ("bias", (n_features, n_mixed)),
    ]


def embedding_width(form: str, n_frequencies: int, units: int) -> int:
    """Return into how many numbers a periodic embedding turns each feature."""
    return 2 * n_frequencies if form == "periodic" else units
