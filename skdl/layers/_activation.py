"""Activations, plain and with a learned factor."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._activation_formulas import ACTIVATION_FORMULAS
from skdl.layers._rule import NoForwardPassError, Rule, Variable, of_single_rows
from skdl.layers._scaling import scaled_units
from skdl.networks import PACKAGE, Layer, plain_function

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import keras
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape

__all__ = ["ActivationRule", "ParametricActivationRule", "mish"]

# Functions of each number by itself, none of which is infinite at 0 or has no slope there.
_OF_SINGLE_NUMBERS = frozenset(ACTIVATION_FORMULAS) - {"log_softmax", "softmax"}


class ActivationRule(Rule):
    """Any function of single rows; the member axis is folded into the rows for it."""

    keeps_mask = True

    def keras_layer(self, layer: Layer, seed: int) -> keras.layers.Layer:
        import keras

        del seed
        return keras.layers.Activation(plain_function(layer["function"]))

    def summary(self, layer: Layer) -> str:
        function = layer["function"]
        return f"Activation: {getattr(function, '__name__', function)}"

    def structure(self, layer: Layer) -> Hashable:
        function: Hashable = layer["function"]
        return function

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import keras

        del context
        function = layer["function"]
        if function == "mish":
            return mish(x), []
        if isinstance(function, str):
            return keras.activations.get(function)(x), []
        return of_single_rows(function, x), []

    def keeps_units_apart(self, layer: Layer) -> bool:
        return layer["function"] in _OF_SINGLE_NUMBERS

    def passes_through(self, layer: Layer) -> bool:
        return layer.kind == "Activation" and bool(layer["function"] == "linear")

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del weights
        function = layer["function"]
        name = function if isinstance(function, str) else getattr(function, "__name__", "")
        formula = ACTIVATION_FORMULAS.get(name)
        if formula is None or not (isinstance(function, str) or _is_of_keras(function)):
            raise NoForwardPassError(
                f"the activation {name or function!r} is one that only Keras can compute"
            )
        return formula(ops, x)


def _is_of_keras(function: object) -> bool:
    return str(getattr(function, "__module__", "")).startswith("keras.")


def mish(x: Tensor) -> Tensor:
    """Return ``x tanh(log(1 + exp(x)))`` (Misra 2019, "Mish", Eq. 1) by a single exponential.

    With ``e = exp(x)`` and ``n = e (e + 2)`` it is ``x n / (n + 2)``, and its slope is
    ``n / (n + 2) + 4 x e (e + 1) / (n + 2)**2``: an eighth of the time of the functions in its
    definition and their gradients, which were a third of a step of `tabular()`.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def of(x: Tensor) -> Any:
        # Beyond 20 it is x itself in float32, and e**2 would overflow at last.
        e = tf.exp(tf.minimum(x, 20.0))
        n = e * (e + 2.0)
        share = n / (n + 2.0)

        def gradient(up: Tensor) -> Tensor:
            return up * (share + 4.0 * x * e * (e + 1.0) / tf.square(n + 2.0))

        return x * share, gradient

    return of(x)


@functools.cache
def _parametric_activation() -> type[keras.layers.Layer]:
    import keras

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class ParametricActivation(keras.layers.Layer):
        """``x + (1 + w) * (f(x) - x)`` with one learned w per unit, 0 at first."""

        def __init__(self, function: str | Callable[[Tensor], Tensor], **keywords: object) -> None:
            super().__init__(**keywords)
            self.function = keras.activations.get(function)

        def build(self, input_shape: Shape) -> None:
            shape = (input_shape[-1],)
            self.weight = self.add_weight(name="weight", shape=shape, initializer="zeros")

        def call(self, x: Tensor) -> Any:
            return x + (1.0 + self.weight) * (self.function(x) - x)

        def get_config(self) -> dict[str, Any]:
            function = keras.activations.serialize(self.function)
            return {**super().get_config(), "function": function}

    return ParametricActivation


class ParametricActivationRule(ActivationRule):
    """``x + (1 + w) * (f(x) - x)`` with one learned w per unit (Holzmüller et al. 2024)."""

    def keras_layer(self, layer: Layer, seed: int) -> keras.layers.Layer:
        plain = {name: plain_function(value) for name, value in layer.config}
        return Rule.keras_layer(self, Layer(layer.kind, tuple(plain.items())), seed)

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _parametric_activation()

    def summary(self, layer: Layer) -> str:
        return Rule.summary(self, layer)

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        del layer
        return [Variable(position, "weight", shape[-1:])]

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        (weight,) = context.variables
        bent, _ = super().apply(layer, x, context)
        return x + scaled_units(bent - x, 1.0 + weight), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        (weight,) = weights
        bent = super().forward(ops, layer, weights, x)
        share = np.float32(1.0) + weight
        return ops.add(x, ops.multiply(ops.subtract(bent, x), share))
