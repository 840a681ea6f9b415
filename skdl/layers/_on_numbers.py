"""Rules for layers of our own for tables: what scales, embeds and bends numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import (
    ActivationRule,
    LayerContext,
    Rule,
    Variable,
    penalty_of_kernel,
)
from skdl.layers._shapes import concatenated, shape_of
from skdl.networks import (
    CLIP,
    category_width,
    embedding_variables,
    embedding_width,
    shared_variables,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from skdl.networks import Layer

__all__ = ["TABULAR_RULES"]


class NumericColumnsRule(Rule):
    """Base of what changes the first `n_numeric` columns (None: all) and hands on the rest."""

    def structure(self, layer: Layer) -> Hashable:
        n_numeric: Hashable = layer.get("n_numeric")
        return n_numeric

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        return self.variables_of(layer, position, layer.get("n_numeric") or shape[-1])

    def variables_of(self, layer: Layer, position: int, n_numeric: int) -> list[Variable]:
        """Return the variables for so many columns of numbers."""
        raise NotImplementedError

    def width(self, layer: Layer) -> int:
        """Return how many numbers one becomes."""
        del layer
        return 1

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        n_numeric = layer.get("n_numeric") or shape[-1]
        return (shape[-1] - n_numeric + n_numeric * self.width(layer),)

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        n_numeric = layer.get("n_numeric")
        if n_numeric is None:
            return self.of_numbers(layer, x, context)
        values, kept = self.of_numbers(layer, x[..., :n_numeric], context)
        return tf.concat([values, x[..., n_numeric:]], -1), kept

    def of_numbers(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        """Return what the columns of numbers become, and variables that are not trained."""
        raise NotImplementedError


class CategoriesRule(Rule):
    """Numbers as they are, then one column or learned vector for the level of each category.

    Levels are numbered from 1 on; 0 is an unknown one and gives zeros.
    """

    def structure(self, layer: Layer) -> Hashable:
        return layer["n_numeric"], layer["one_hot"], len(layer["embedded"])

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        del shape
        return [
            Variable(position, f"table_{i}", (n_levels, layer["units"]))
            for i, n_levels in enumerate(layer["embedded"])
        ]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        del shape
        width = category_width(layer["one_hot"], layer["embedded"], layer["units"])
        return (layer["n_numeric"] + width,)

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        del layer
        return generator.standard_normal(variable.shape, dtype=np.float32)

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        n_numeric, one_hot = layer["n_numeric"], layer["one_hot"]
        codes = tf.cast(x[..., n_numeric:], tf.int32) - 1
        parts = [x[..., :n_numeric]]
        for i, n_levels in enumerate(one_hot):
            parts.append(tf.one_hot(codes[..., i], n_levels))
        for i, table in enumerate(context.variables, len(one_hot)):
            known = tf.cast(codes[..., i, None] >= 0, tf.float32)
            vectors = tf.gather(table, tf.maximum(codes[..., i], 0), batch_dims=1)
            parts.append(vectors * known)
        return tf.concat(parts, -1), []


class MissingValuesRule(Rule):
    """A learned number for NaN in each column, and 1 behind the others where there was one."""

    def structure(self, layer: Layer) -> Hashable:
        return layer["n_numeric"], layer["shown"]

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        del shape
        return [Variable(position, "value", (layer["n_numeric"],))]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[-1] + len(layer["shown"]),)

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        (value,) = context.variables
        n_numeric = layer["n_numeric"]
        numbers, rest = x[..., :n_numeric], x[..., n_numeric:]
        is_missing = tf.math.is_nan(numbers)
        shown = [tf.cast(is_missing[..., i : i + 1], tf.float32) for i in layer["shown"]]
        filled = tf.where(is_missing, value[:, None, :], numbers)
        return tf.concat([filled, rest, *shown], -1), []


class SmoothClipRule(NumericColumnsRule):
    """``z / sqrt(1 + (z / 3)**2)``, ``z = (x - center) * factor`` (Holzmüller et al. 2024).

    Its two constants come with the job.
    """

    def variables_of(self, layer: Layer, position: int, n_numeric: int) -> list[Variable]:
        del layer
        shape = (n_numeric,)
        return [
            Variable(position, "center", shape, trainable=False),
            Variable(position, "factor", shape, trainable=False, initializer="ones"),
        ]

    def of_numbers(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
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
        return x + _scaled_units(bent - x, 1.0 + weight), []


def _scaled_units(x: Any, factor: Any) -> Any:
    """Return ``[M, ..., n]`` times a factor for each member's units, ``[M, n]``.

    The gradient for the factors sums over all that lies between as a matrix product: XLA sums
    products of rows number by number, which took a tenth of an ensemble's time.
    """
    import tensorflow as tf

    shape = shape_of(x)

    @tf.custom_gradient
    def of(rows: Any, factor: Any) -> Any:
        def gradient(up: Any) -> Any:
            ones = tf.ones_like(rows[:, None, :, 0])
            return up * factor[:, None], tf.matmul(ones, up * rows)[:, 0]

        return rows * factor[:, None], gradient

    return tf.reshape(of(tf.reshape(x, [shape[0], -1, shape[-1]]), factor), shape)


class PeriodicEmbeddingRule(NumericColumnsRule):
    """Sines and cosines of learned frequencies, see `skdl.networks.numeric_embedding`."""

    def structure(self, layer: Layer) -> Hashable:
        return layer["form"], layer.get("n_numeric")

    def variables_of(self, layer: Layer, position: int, n_numeric: int) -> list[Variable]:
        named = embedding_variables(
            layer["form"], n_numeric, layer["n_frequencies"], layer["units"]
        )
        return [Variable(position, name, own) for name, own in named]

    def width(self, layer: Layer) -> int:
        return embedding_width(layer["form"], layer["n_frequencies"], layer["units"])

    def peak_width(self, layer: Layer, shape: tuple[int, ...]) -> int:
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

    def of_numbers(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
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


class PiecewiseLinearEmbeddingRule(NumericColumnsRule):
    """How far each feature has come through each of its bins (Gorishniy et al. 2022, Eq. 1).

    A bin gives ``(x - start) * slope``, cut off at `low` and `high`: 0 and 1, but for the outer
    ends of the first and last bin, which are open. These constants come with the job.
    """

    def variables_of(self, layer: Layer, position: int, n_numeric: int) -> list[Variable]:
        own = (n_numeric, layer["n_bins"])
        names = ("start", "slope", "low", "high")
        return [Variable(position, name, own, trainable=False) for name in names]

    def width(self, layer: Layer) -> int:
        return int(layer["n_bins"])

    def of_numbers(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        del layer
        start, slope, low, high = (part[:, None] for part in context.variables)
        values = (x[..., None] - start) * slope
        kept = [tf.reshape(part, [shape_of(part)[0], -1]) for part in context.variables]
        return flat(tf.maximum(tf.minimum(values, high), low)), kept


def flat(values: Any) -> Any:
    """Return ``[M, B, F * n]`` of ``[M, B, F, n]``."""
    import tensorflow as tf

    rows = tf.reshape(values, concatenated(shape_of(values)[:2], [-1]))
    rows.set_shape([None, None, None])
    return rows


class SharedDenseRule(Rule):
    """``((x * r) W) * s + b`` for networks that share W (Gorishniy et al. 2025, section 3.3).

    Rows are ``[M, B, F]`` in front of the first such layer and ``[M, B, k, n]`` behind it. There r
    starts at random, which is what makes the networks differ: -1 or 1, or, as in the authors' own
    program, one standard normal number for all that an embedded feature became. It stays one, so
    that the product with W is taken once for all networks. Elsewhere r and s start as 1.
    """

    scalars = ("l1", "l2")

    def structure(self, layer: Layer) -> Hashable:
        return layer["is_first"], _is_embedded(layer), layer.get("n_numeric")

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        embedded = (layer.get("embedding_width", 1), layer.get("n_numeric"))
        named = shared_variables(layer["n_shared"], shape[-1], layer["units"], *embedded)
        return [
            Variable(
                position, name, own, initializer="glorot_uniform" if name == "kernel" else "zeros"
            )
            for name, own in named
        ]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        del shape
        return (layer["n_shared"], layer["units"])

    def peak_width(self, layer: Layer, shape: tuple[int, ...]) -> int:
        return int(layer["n_shared"]) * int(shape[-1])

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        if variable.name != "before" or not layer["is_first"]:
            return None
        if _is_embedded(layer):
            return generator.standard_normal(variable.shape, dtype=np.float32)
        return generator.choice(np.array([-1, 1], np.float32), variable.shape)

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        before, kernel, behind, bias = context.variables
        if not layer["is_first"]:
            products = _products(x * (1.0 + before[:, None]), kernel)
        elif _is_embedded(layer):
            products = _products_of_embedded(x, before, kernel, layer["n_numeric"])
        else:
            products = _products(x[:, :, None, :] * before[:, None], kernel)
        return products * (1.0 + behind[:, None]) + bias[:, None], []

    def penalty(self, variables: list[Any], scalars: dict[str, Any]) -> Any:
        return penalty_of_kernel(variables[1], scalars)


def _is_embedded(layer: Layer) -> bool:
    """Tell whether factors of a shared layer are for features that became several inputs."""
    return bool(layer.get("embedding_width", 1) > 1)


def _products(x: Any, kernel: Any) -> Any:
    """Return x W, ``[M, B, k, n]``, of ``[M, B, k, F]``."""
    import tensorflow as tf

    shape = shape_of(x)
    rows = tf.reshape(x, [shape[0], shape[1] * shape[2], shape[3]])
    return tf.reshape(tf.matmul(rows, kernel), concatenated(shape[:3], [-1]))


def _products_of_embedded(x: Any, factors: Any, kernel: Any, n_numeric: int | None) -> Any:
    """Return ``(x * r) W`` of ``[M, B, F]``, where r has one factor for each embedded feature."""
    import tensorflow as tf

    shape = shape_of(x)
    m, n_rows, n_inputs = shape[0], shape[1], shape[2]
    n_factors = shape_of(factors)[2]
    n_features = n_factors if n_numeric is None else n_numeric
    end = n_inputs - (n_factors - n_features)
    width = end // n_features
    own_x = tf.reshape(x[..., :end], [m, n_rows, n_features, width])
    own_kernel = tf.reshape(kernel[:, :end], [m, n_features, width, -1])
    by_feature = tf.einsum("mbfw,mfwn->mbfn", own_x, own_kernel)
    products = tf.einsum("mbfn,mkf->mbkn", by_feature, factors[..., :n_features])
    if n_numeric is None:
        return products
    rest = x[:, :, None, end:] * factors[:, None, :, n_features:]
    return products + _products(rest, kernel[:, end:])


class SharedHeadsRule(Rule):
    """The last layers of networks that share the others."""

    scalars = ("l1", "l2")

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        n_shared, units = layer["n_shared"], layer["units"]
        return [
            Variable(position, "kernel", (n_shared, shape[-1], units)),
            Variable(position, "bias", (n_shared, units)),
        ]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        del shape
        return (layer["n_shared"], layer["units"])

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        del layer
        if variable.name != "kernel":
            return None
        # Glorot and Bengio 2010, Eq. 16, for each of the layers.
        limit = np.float32(math.sqrt(6 / sum(variable.shape[1:])))
        return (generator.random(variable.shape, dtype=np.float32) * 2 - 1) * limit

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        del layer
        kernel, bias = context.variables
        return tf.einsum("mbki,mkio->mbko", x, kernel) + bias[:, None], []

    def penalty(self, variables: list[Any], scalars: dict[str, Any]) -> Any:
        return penalty_of_kernel(variables[0], scalars)


TABULAR_RULES: dict[str, Rule] = {
    "SharedDense": SharedDenseRule(),
    "SharedHeads": SharedHeadsRule(),
    "Categories": CategoriesRule(),
    "MissingNumbers": MissingValuesRule(),
    "SmoothClip": SmoothClipRule(),
    "FeatureScale": FeatureScaleRule(),
    "ParametricActivation": ParametricActivationRule(),
    "PeriodicEmbedding": PeriodicEmbeddingRule(),
    "PiecewiseLinearEmbedding": PiecewiseLinearEmbeddingRule(),
}
