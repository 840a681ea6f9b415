"""Layers that turn each number into several."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._on_numbers import NumericColumnsRule, numeric_columns_layer
from skdl.layers._quantiles import column_quantiles
from skdl.layers._rule import Variable
from skdl.layers._scaling import robust_units
from skdl.layers._shapes import concatenated, shape_of
from skdl.networks import PACKAGE, bins_width, embedding_variables, embedding_width

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["PeriodicEmbeddingRule", "PiecewiseLinearEmbeddingRule", "bins"]

# Beyond any number of float32 that a network computes with, and yet finite.
_OPEN_END = 1e38


@functools.cache
def _periodic_embedding() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class PeriodicEmbedding(numeric_columns_layer()):  # type: ignore[misc]
        """Several numbers for each feature, by sines and cosines of learned frequencies."""

        def __init__(
            self,
            form: str,
            n_frequencies: int,
            units: int,
            frequency_scale: float = 1.0,
            **keywords: object,
        ) -> None:
            super().__init__(**keywords)
            self.form = form
            self.n_frequencies = n_frequencies
            self.units = units
            self.frequency_scale = frequency_scale

        def build(self, input_shape: Shape) -> None:
            variables = embedding_variables(
                self.form, self.n_of(input_shape), self.n_frequencies, self.units
            )
            self.parts = [
                self.add_weight(name=name, shape=shape, initializer="zeros")
                for name, shape in variables
            ]

        def of_numbers(self, x: Tensor) -> Any:
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

        def _flat(self, values: Tensor) -> Any:
            _, n_features, n_values = values.shape
            return ops.reshape(values, (-1, n_features * n_values))

        def width(self) -> int:
            return embedding_width(self.form, self.n_frequencies, self.units)

        def get_config(self) -> dict[str, Any]:
            names = ("form", "n_frequencies", "units", "frequency_scale")
            return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    return PeriodicEmbedding


class PeriodicEmbeddingRule(NumericColumnsRule):
    """Sines and cosines of learned frequencies, see `skdl.networks.numeric_embedding`."""

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _periodic_embedding()

    def structure(self, layer: Layer) -> Hashable:
        return layer["form"], layer.get("n_numeric")

    def variables_of(self, layer: Layer, position: int, n_numeric: int) -> list[Variable]:
        named = embedding_variables(
            layer["form"], n_numeric, layer["n_frequencies"], layer["units"]
        )
        return [Variable(position, name, own) for name, own in named]

    def width(self, layer: Layer) -> int:
        return embedding_width(layer["form"], layer["n_frequencies"], layer["units"])

    def peak_width(self, layer: Layer, shape: Shape) -> int:
        return int(layer.get("n_numeric") or shape[-1]) * 2 * int(layer["n_frequencies"])

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

    def of_numbers(
        self, layer: Layer, x: Tensor, context: LayerContext
    ) -> tuple[Tensor, list[Tensor]]:
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

    def forward_of_numbers(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        form, frequency = layer["form"], weights[0]
        column = ops.new_axis(x, 2)
        angles = ops.multiply(column, np.float32(2.0 * math.pi) * frequency)
        if form == "pbld":
            waves = ops.cos(ops.add(angles, weights[1]))
        else:
            waves = ops.concatenate([ops.sin(angles), ops.cos(angles)])
        if form == "periodic":
            return ops.flat_rows(waves)
        weight, bias = weights[-2:]
        mixed = ops.add(ops.matmul_by_group(waves, weight), bias)
        if form == "plr":
            return ops.flat_rows(ops.maximum(mixed, 0.0))
        return ops.flat_rows(ops.concatenate([column, mixed]))


@functools.cache
def _piecewise_linear_embedding() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class PiecewiseLinearEmbedding(numeric_columns_layer()):  # type: ignore[misc]
        """How far each feature has come through each of its bins; nothing is trained."""

        def __init__(self, n_bins: int, with_number: bool = False, **keywords: object) -> None:
            super().__init__(**keywords)
            self.n_bins = n_bins
            self.with_number = with_number

        def build(self, input_shape: Shape) -> None:
            shape = (self.n_of(input_shape), self.width())
            self.parts = [
                self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
                for name in ("start", "slope", "low", "high")
            ]

        def of_numbers(self, x: Tensor) -> Any:
            start, slope, low, high = self.parts
            values = (ops.expand_dims(x, -1) - start) * slope
            values = ops.maximum(ops.minimum(values, high), low)
            _, n_features, n_values = values.shape
            return ops.reshape(values, (-1, n_features * n_values))

        def width(self) -> int:
            return bins_width(self.n_bins, self.with_number)

        def get_config(self) -> dict[str, Any]:
            own = {"n_bins": self.n_bins, "with_number": self.with_number}
            return {**super().get_config(), **own}

    return PiecewiseLinearEmbedding


class PiecewiseLinearEmbeddingRule(NumericColumnsRule):
    """How far each feature has come through each of its bins (Gorishniy et al. 2022, Eq. 1).

    A bin gives ``(x - start) * slope``, cut off at `low` and `high`: 0 and 1, but for the outer
    ends of the first and last bin, which are open. With `with_number`, which is ours, the number
    itself, in robust units, comes first: a bin that is open at both ends. It lets the network carry
    a trend beyond the training rows. These constants come with the job.
    """

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _piecewise_linear_embedding()

    def constants(
        self, layer: Layer, X: NDArray[Any]
    ) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
        constants = bins(X, layer["n_bins"])
        if layer.get("with_number"):
            number = _open_bins(X)
            constants = {
                name: np.concatenate([number[name], own], 1) for name, own in constants.items()
            }
        return constants, X

    def variables_of(self, layer: Layer, position: int, n_numeric: int) -> list[Variable]:
        shape = (n_numeric, self.width(layer))
        names = ("start", "slope", "low", "high")
        return [Variable(position, name, shape, trainable=False) for name in names]

    def width(self, layer: Layer) -> int:
        return bins_width(layer["n_bins"], layer.get("with_number"))

    def of_numbers(
        self, layer: Layer, x: Tensor, context: LayerContext
    ) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer
        start, slope, low, high = (part[:, None] for part in context.variables)
        values = (x[..., None] - start) * slope
        kept = [tf.reshape(part, [shape_of(part)[0], -1]) for part in context.variables]
        return flat(tf.maximum(tf.minimum(values, high), low)), kept

    def forward_of_numbers(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer
        start, slope, low, high = weights
        values = ops.multiply(ops.subtract(ops.new_axis(x, 2), start), slope)
        return ops.flat_rows(ops.maximum(ops.minimum(values, high), low))


def flat(values: Tensor) -> Tensor:
    """Return ``[M, B, F * n]`` of ``[M, B, F, n]``."""
    import tensorflow as tf

    rows = tf.reshape(values, concatenated(shape_of(values)[:2], [-1]))
    rows.set_shape([None, None, None])
    return rows


def bins(X: NDArray[Any], n_bins: int) -> dict[str, NDArray[np.float64]]:
    """Return where the bins of each feature start, their slopes and bounds, (n_features, n_bins).

    Edges are quantiles (Gorishniy et al. 2022, section 3.2.1); where many rows have one value,
    quantiles of the other rows take the place of those that fall together. A feature of few
    values has fewer bins, and the rest of its places gives 0.
    """
    shape = (X.shape[1], n_bins)
    start, slope, low, high = (np.zeros(shape) for _ in range(4))
    # In float32, as the network sees them: two edges must not become one.
    quantiles = column_quantiles(X, np.linspace(0, 1, n_bins + 1)).astype(np.float32)
    for feature, edges in enumerate(quantiles.T):
        own, counts = np.unique(edges, return_counts=True)
        if len(own) > 1 and len(own) <= n_bins:
            others = X[:, feature].astype(np.float32)
            others = others[~np.isin(others, own[counts > 1]) & ~np.isnan(others)]
            own = _with_more_edges(own, others, n_bins + 1 - len(own))
        own = own.astype(np.float64)
        n_own = len(own) - 1
        if n_own < 1:
            continue
        start[feature, :n_own] = own[:-1]
        slope[feature, :n_own] = 1.0 / np.diff(own)
        high[feature, :n_own] = 1.0
        low[feature, 0] = -_OPEN_END
        high[feature, n_own - 1] = _OPEN_END
    return {"start": start, "slope": slope, "low": low, "high": high}


def _open_bins(X: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Return one bin for each feature that gives its number in robust units, as `bins` does."""
    center, scale = (of_columns[:, None] for of_columns in robust_units(X))
    end = np.full(center.shape, _OPEN_END)
    return {"start": center, "slope": 1.0 / scale, "low": -end, "high": end}


def _with_more_edges(
    edges: NDArray[np.float32], values: NDArray[np.float32], n_more: int
) -> NDArray[np.float32]:
    """Return edges with at most so many more, at quantiles of some values."""
    distinct = np.setdiff1d(values, edges)
    if len(distinct) > n_more:
        shares = np.linspace(0, 1, n_more + 2)[1:-1]
        distinct = np.quantile(values, shares, method="nearest")
    return np.union1d(edges, distinct)
