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
    from collections.abc import Sequence

    import keras

__all__ = [
    "CLIP",
    "CUSTOM_LAYERS",
    "category_width",
    "custom_layer_class",
    "embedding_variables",
    "embedding_width",
    "shared_variables",
]

# Bound of the values behind smooth clipping (Holzmüller et al. 2024, section 3).
CLIP = 3.0

_lock = threading.RLock()


@functools.cache
def _on_numbers() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    class OnNumbers(keras.layers.Layer):
        """Base of what changes the first `n_numeric` columns (None: all) and hands on the rest."""

        def __init__(self, n_numeric: int | None = None, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.n_numeric = n_numeric

        def call(self, x: Any) -> Any:
            if self.n_numeric is None:
                return self.of_numbers(x)
            numbers, rest = x[:, : self.n_numeric], x[:, self.n_numeric :]
            return ops.concatenate([self.of_numbers(numbers), rest], -1)

        def n_of(self, shape: Any) -> int:
            return int(shape[-1]) if self.n_numeric is None else self.n_numeric

        def compute_output_shape(self, input_shape: Any) -> Any:
            n_numeric = self.n_of(input_shape)
            rest = int(input_shape[-1]) - n_numeric
            return (*input_shape[:-1], n_numeric * self.width() + rest)

        def width(self) -> int:
            return 1

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "n_numeric": self.n_numeric}

    return OnNumbers


@functools.cache
def _smooth_clip() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SmoothClip(_on_numbers()):  # type: ignore[misc]
        """``z / sqrt(1 + (z / 3)**2)`` with ``z = (x - center) * factor``; nothing is trained."""

        def build(self, input_shape: Any) -> None:
            width = (self.n_of(input_shape),)
            fixed = {"shape": width, "trainable": False}
            self.center = self.add_weight(name="center", initializer="zeros", **fixed)
            self.factor = self.add_weight(name="factor", initializer="ones", **fixed)

        def of_numbers(self, x: Any) -> Any:
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
    class PeriodicEmbedding(_on_numbers()):  # type: ignore[misc]
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
                self.form, self.n_of(input_shape), self.n_frequencies, self.units
            )
            self.parts = [
                self.add_weight(name=name, shape=shape, initializer="zeros")
                for name, shape in variables
            ]

        def of_numbers(self, x: Any) -> Any:
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

        def width(self) -> int:
            return embedding_width(self.form, self.n_frequencies, self.units)

        def get_config(self) -> dict[str, Any]:
            names = ("form", "n_frequencies", "units", "frequency_scale")
            return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    return PeriodicEmbedding


@functools.cache
def _piecewise_linear_embedding() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class PiecewiseLinearEmbedding(_on_numbers()):  # type: ignore[misc]
        """How far each feature has come through each of its bins; nothing is trained."""

        def __init__(self, n_bins: int, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.n_bins = n_bins

        def build(self, input_shape: Any) -> None:
            shape = (self.n_of(input_shape), self.n_bins)
            self.parts = [
                self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
                for name in ("start", "slope", "low", "high")
            ]

        def of_numbers(self, x: Any) -> Any:
            start, slope, low, high = self.parts
            values = (ops.expand_dims(x, -1) - start) * slope
            values = ops.maximum(ops.minimum(values, high), low)
            _, n_features, n_values = values.shape
            return ops.reshape(values, (-1, n_features * n_values))

        def width(self) -> int:
            return self.n_bins

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "n_bins": self.n_bins}

    return PiecewiseLinearEmbedding


@functools.cache
def _categories() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class Categories(keras.layers.Layer):
        """Columns of numbers as they are, then one column or vector for each category's level.

        Levels are numbered from 1 on; 0 is an unknown one, of which nothing is known.
        """

        def __init__(
            self, n_numeric: int, one_hot: Any, embedded: Any, units: int, **keywords: Any
        ) -> None:
            super().__init__(**keywords)
            self.n_numeric = n_numeric
            self.one_hot = list(one_hot)
            self.embedded = list(embedded)
            self.units = units

        def build(self, input_shape: Any) -> None:
            del input_shape
            self.tables = [
                self.add_weight(name=f"table_{i}", shape=(n, self.units), initializer="normal")
                for i, n in enumerate(self.embedded)
            ]

        def call(self, x: Any) -> Any:
            codes = ops.cast(x[:, self.n_numeric :], "int32") - 1
            parts = [x[:, : self.n_numeric]]
            for i, n_levels in enumerate(self.one_hot):
                parts.append(ops.one_hot(codes[:, i], n_levels, dtype=x.dtype))
            for i, table in enumerate(self.tables, len(self.one_hot)):
                known = ops.cast(codes[:, i : i + 1] >= 0, x.dtype)
                # Multiplied, so that its gradient is dense: Keras' optimizers take the rows of a
                # sparse one for single values, and square them before they are added up.
                dense = table * 1.0
                parts.append(ops.take(dense, ops.maximum(codes[:, i], 0), axis=0) * known)
            return ops.concatenate(parts, -1)

        def compute_output_shape(self, input_shape: Any) -> Any:
            width = category_width(self.one_hot, self.embedded, self.units)
            return (*input_shape[:-1], self.n_numeric + width)

        def get_config(self) -> dict[str, Any]:
            names = ("n_numeric", "one_hot", "embedded", "units")
            return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    return Categories


@functools.cache
def _missing_numbers() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class MissingNumbers(keras.layers.Layer):
        """A learned number for NaN in each column, and 1 behind the others where there was one."""

        def __init__(self, n_numeric: int, shown: Any, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.n_numeric = n_numeric
            self.shown = list(shown)

        def build(self, input_shape: Any) -> None:
            del input_shape
            self.value = self.add_weight(name="value", shape=(self.n_numeric,), initializer="zeros")

        def call(self, x: Any) -> Any:
            numbers, rest = x[:, : self.n_numeric], x[:, self.n_numeric :]
            is_missing = ops.isnan(numbers)
            shown = [ops.cast(is_missing[:, i : i + 1], x.dtype) for i in self.shown]
            filled = ops.where(is_missing, self.value, numbers)
            return ops.concatenate([filled, rest, *shown], -1)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (*input_shape[:-1], int(input_shape[-1]) + len(self.shown))

        def get_config(self) -> dict[str, Any]:
            own = {"n_numeric": self.n_numeric, "shown": self.shown}
            return {**super().get_config(), **own}

    return MissingNumbers


@functools.cache
def _shared_dense() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SharedDense(keras.layers.Layer):
        """``((x * r) W) * s + b`` for several networks that share W; r, s, b are their own.

        The first one takes ``(batch, inputs)`` and makes ``(batch, networks, units)`` of it. There
        r has one factor for all that an embedded feature became: `embedding_width` inputs for
        each of the first `n_numeric` features (None: all), one for each of the rest.
        """

        def __init__(
            self,
            units: int,
            n_shared: int,
            is_first: bool,
            embedding_width: int = 1,
            n_numeric: int | None = None,
            kernel_regularizer: Any = None,
            **keywords: Any,
        ) -> None:
            super().__init__(**keywords)
            self.units = units
            self.n_shared = n_shared
            self.is_first = is_first
            self.embedding_width = embedding_width
            self.n_numeric = n_numeric
            self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

        def build(self, input_shape: Any) -> None:
            width = input_shape[-1]
            self.parts = [
                self.add_weight(
                    name=name,
                    shape=shape,
                    initializer="glorot_uniform" if name == "kernel" else "zeros",
                    regularizer=self.kernel_regularizer if name == "kernel" else None,
                )
                for name, shape in shared_variables(
                    self.n_shared, width, self.units, self.embedding_width, self.n_numeric
                )
            ]

        def call(self, x: Any) -> Any:
            before, kernel, behind, bias = self.parts
            if self.is_first:
                x = ops.expand_dims(x, 1) * self._of_inputs(before)
            else:
                x *= 1.0 + before
            return ops.matmul(x, kernel) * (1.0 + behind) + bias

        def _of_inputs(self, factors: Any) -> Any:
            if self.embedding_width == 1:
                return factors
            n_numeric = factors.shape[1] if self.n_numeric is None else self.n_numeric
            numbers = ops.repeat(factors[:, :n_numeric], self.embedding_width, axis=1)
            return ops.concatenate([numbers, factors[:, n_numeric:]], 1)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (input_shape[0], self.n_shared, self.units)

        def get_config(self) -> dict[str, Any]:
            names = ("units", "n_shared", "is_first", "embedding_width", "n_numeric")
            return {
                **super().get_config(),
                **{name: getattr(self, name) for name in names},
                "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            }

    return SharedDense


@functools.cache
def _shared_heads() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SharedHeads(keras.layers.Layer):
        """The last layers of several networks, which share nothing here."""

        def __init__(
            self, units: int, n_shared: int, kernel_regularizer: Any = None, **keywords: Any
        ) -> None:
            super().__init__(**keywords)
            self.units = units
            self.n_shared = n_shared
            self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

        def build(self, input_shape: Any) -> None:
            shape = (self.n_shared, input_shape[-1], self.units)
            self.kernel = self.add_weight(
                name="kernel", shape=shape, regularizer=self.kernel_regularizer
            )
            self.bias = self.add_weight(
                name="bias", shape=(shape[0], shape[2]), initializer="zeros"
            )

        def call(self, x: Any) -> Any:
            return ops.einsum("bki,kio->bko", x, self.kernel) + self.bias

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (input_shape[0], self.n_shared, self.units)

        def get_config(self) -> dict[str, Any]:
            return {
                **super().get_config(),
                "units": self.units,
                "n_shared": self.n_shared,
                "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            }

    return SharedHeads


@functools.cache
def _shared_mean() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SharedMean(keras.layers.Layer):
        """The mean of what several networks predict."""

        def call(self, x: Any) -> Any:
            return ops.mean(x, 1)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (input_shape[0], input_shape[2])

    return SharedMean


_FACTORIES = {
    "SharedDense": _shared_dense,
    "SharedHeads": _shared_heads,
    "SharedMean": _shared_mean,
    "Categories": _categories,
    "MissingNumbers": _missing_numbers,
    "SmoothClip": _smooth_clip,
    "FeatureScale": _feature_scale,
    "ParametricActivation": _parametric_activation,
    "PeriodicEmbedding": _periodic_embedding,
    "PiecewiseLinearEmbedding": _piecewise_linear_embedding,
}
CUSTOM_LAYERS = tuple(_FACTORIES)


def custom_layer_class(kind: str) -> type[keras.layers.Layer]:
    """Return the Keras class of one of `CUSTOM_LAYERS`."""
    with _lock:
        return _FACTORIES[kind]()


def shared_variables(
    n_shared: int, n_inputs: int, units: int, embedding_width: int = 1, n_numeric: int | None = None
) -> list[tuple[str, tuple[int, ...]]]:
    """Return name and shape of each variable of a shared dense layer, in Keras' order."""
    n_embedded = n_inputs // embedding_width if n_numeric is None else n_numeric
    n_factors = n_inputs - n_embedded * (embedding_width - 1)
    return [
        ("before", (n_shared, n_factors)),
        ("kernel", (n_inputs, units)),
        ("behind", (n_shared, units)),
        ("bias", (n_shared, units)),
    ]


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


def category_width(one_hot: Sequence[int], embedded: Sequence[int], units: int) -> int:
    """Return how many numbers a row's categories become."""
    return sum(one_hot) + units * len(embedded)


def embedding_width(form: str, n_frequencies: int, units: int) -> int:
    """Return into how many numbers a periodic embedding turns each feature."""
    return 2 * n_frequencies if form == "periodic" else units
