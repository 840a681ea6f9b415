"""The base of layers that change numeric columns and hand on the others."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from skdl.layers._rule import Rule, Variable

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["NumericColumnsRule", "numeric_columns_layer"]


@functools.cache
def numeric_columns_layer() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    class OnNumbers(keras.layers.Layer):
        """Base of what changes the first `n_numeric` columns (None: all) and hands on the rest."""

        def __init__(self, n_numeric: int | None = None, **keywords: object) -> None:
            super().__init__(**keywords)
            self.n_numeric = n_numeric

        def call(self, x: Tensor) -> Any:
            if self.n_numeric is None:
                return self.of_numbers(x)
            numbers, rest = x[:, : self.n_numeric], x[:, self.n_numeric :]
            return ops.concatenate([self.of_numbers(numbers), rest], -1)

        def n_of(self, shape: Shape) -> int:
            return int(shape[-1]) if self.n_numeric is None else self.n_numeric

        def compute_output_shape(self, input_shape: Shape) -> Any:
            n_numeric = self.n_of(input_shape)
            rest = int(input_shape[-1]) - n_numeric
            return (*input_shape[:-1], n_numeric * self.width() + rest)

        def width(self) -> int:
            return 1

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "n_numeric": self.n_numeric}

    return OnNumbers


class NumericColumnsRule(Rule):
    """Base of what changes the first `n_numeric` columns (None: all) and hands on the rest."""

    def structure(self, layer: Layer) -> Hashable:
        n_numeric: Hashable = layer.get("n_numeric")
        return n_numeric

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        return self.variables_of(layer, position, layer.get("n_numeric") or shape[-1])

    def variables_of(self, layer: Layer, position: int, n_numeric: int) -> list[Variable]:
        """Return the variables for so many columns of numbers."""
        raise NotImplementedError

    def width(self, layer: Layer) -> int:
        """Return how many numbers one becomes."""
        del layer
        return 1

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        n_numeric = layer.get("n_numeric") or shape[-1]
        return (shape[-1] - n_numeric + n_numeric * self.width(layer),)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        n_numeric = layer.get("n_numeric")
        if n_numeric is None:
            return self.of_numbers(layer, x, context)
        values, kept = self.of_numbers(layer, x[..., :n_numeric], context)
        return tf.concat([values, x[..., n_numeric:]], -1), kept

    def of_numbers(
        self, layer: Layer, x: Tensor, context: LayerContext
    ) -> tuple[Tensor, list[Tensor]]:
        """Return what the columns of numbers become, and variables that are not trained."""
        raise NotImplementedError

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        n_numeric = layer.get("n_numeric")
        if n_numeric is None:
            return self.forward_of_numbers(ops, layer, weights, x)
        numbers, rest = ops.columns(x, 0, n_numeric), ops.columns(x, n_numeric, None)
        return ops.concatenate([self.forward_of_numbers(ops, layer, weights, numbers), rest])

    def forward_of_numbers(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        """Return what the columns of numbers become in prediction, as `forward`."""
        raise NotImplementedError
