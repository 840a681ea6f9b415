"""Layers that make numbers of categories and gaps."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import Rule, Variable
from skdl.networks import PACKAGE, category_width

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import keras
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["CategoriesRule", "MissingValuesRule"]


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
            self,
            n_numeric: int,
            one_hot: Sequence[int],
            embedded: Sequence[int],
            units: int,
            **keywords: object,
        ) -> None:
            super().__init__(**keywords)
            self.n_numeric = n_numeric
            self.one_hot = list(one_hot)
            self.embedded = list(embedded)
            self.units = units

        def build(self, input_shape: Shape) -> None:
            del input_shape
            self.tables = [
                self.add_weight(name=f"table_{i}", shape=(n, self.units), initializer="normal")
                for i, n in enumerate(self.embedded)
            ]

        def call(self, x: Tensor) -> Any:
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

        def compute_output_shape(self, input_shape: Shape) -> Any:
            width = category_width(self.one_hot, self.embedded, self.units)
            return (*input_shape[:-1], self.n_numeric + width)

        def get_config(self) -> dict[str, Any]:
            names = ("n_numeric", "one_hot", "embedded", "units")
            return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    return Categories


class CategoriesRule(Rule):
    """Numbers as they are, then one column or learned vector for the level of each category.

    Levels are numbered from 1 on; 0 is an unknown one and gives zeros.
    """

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _categories()

    def constants(
        self, layer: Layer, X: NDArray[Any]
    ) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
        return {}, X[:, : layer["n_numeric"]]

    def structure(self, layer: Layer) -> Hashable:
        return layer["n_numeric"], layer["one_hot"], len(layer["embedded"])

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        del shape
        return [
            Variable(position, f"table_{i}", (n_levels, layer["units"]))
            for i, n_levels in enumerate(layer["embedded"])
        ]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        del shape
        width = category_width(layer["one_hot"], layer["embedded"], layer["units"])
        return (layer["n_numeric"] + width,)

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        del layer
        return generator.standard_normal(variable.shape, dtype=np.float32)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
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

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        n_numeric, one_hot = layer["n_numeric"], layer["one_hot"]
        parts = [ops.columns(x, 0, n_numeric)] if n_numeric else []
        for i, n_levels in enumerate(one_hot, n_numeric):
            parts.append(ops.one_hot(ops.columns(x, i, i + 1), n_levels))
        for i, table in enumerate(weights, n_numeric + len(one_hot)):
            # Level 0, an unknown one, stands for zeros.
            with_unknown = np.concatenate([np.zeros_like(table[:1]), table])
            vectors = ops.take(with_unknown, ops.columns(x, i, i + 1))
            parts.append(ops.flat_rows(vectors))
        return ops.concatenate(parts)


@functools.cache
def _missing_numbers() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class MissingNumbers(keras.layers.Layer):
        """A learned number for NaN in each column, and 1 behind the others where there was one."""

        def __init__(self, n_numeric: int, shown: Sequence[int], **keywords: object) -> None:
            super().__init__(**keywords)
            self.n_numeric = n_numeric
            self.shown = list(shown)

        def build(self, input_shape: Shape) -> None:
            del input_shape
            self.value = self.add_weight(name="value", shape=(self.n_numeric,), initializer="zeros")

        def call(self, x: Tensor) -> Any:
            numbers, rest = x[:, : self.n_numeric], x[:, self.n_numeric :]
            is_missing = ops.isnan(numbers)
            shown = [ops.cast(is_missing[:, i : i + 1], x.dtype) for i in self.shown]
            filled = ops.where(is_missing, self.value, numbers)
            return ops.concatenate([filled, rest, *shown], -1)

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return (*input_shape[:-1], int(input_shape[-1]) + len(self.shown))

        def get_config(self) -> dict[str, Any]:
            own = {"n_numeric": self.n_numeric, "shown": self.shown}
            return {**super().get_config(), **own}

    return MissingNumbers


class MissingValuesRule(Rule):
    """A learned number for NaN in each column, and 1 behind the others where there was one."""

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _missing_numbers()

    def structure(self, layer: Layer) -> Hashable:
        return layer["n_numeric"], layer["shown"]

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        del shape
        return [Variable(position, "value", (layer["n_numeric"],))]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        return (shape[-1] + len(layer["shown"]),)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        (value,) = context.variables
        n_numeric = layer["n_numeric"]
        numbers, rest = x[..., :n_numeric], x[..., n_numeric:]
        is_missing = tf.math.is_nan(numbers)
        shown = [tf.cast(is_missing[..., i : i + 1], tf.float32) for i in layer["shown"]]
        filled = tf.where(is_missing, value[:, None, :], numbers)
        return tf.concat([filled, rest, *shown], -1), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        (value,) = weights
        n_numeric = layer["n_numeric"]
        numbers, rest = ops.columns(x, 0, n_numeric), ops.columns(x, n_numeric, None)
        is_missing = ops.is_nan(numbers)
        parts = [ops.where(is_missing, value, numbers), rest]
        if layer["shown"]:
            gaps = ops.as_float(is_missing)
            parts += [ops.columns(gaps, i, i + 1) for i in layer["shown"]]
        return ops.concatenate(parts)
