"""The rule for layers that are given as Keras objects, for which no stacked rule was written.

The layer itself computes, for all members in one vectorised graph. That is faithful where rows do
not meet inside the layer: what it adds to the loss, and statistics that it keeps over a batch,
would take in the rows that pad the last batch, so such layers are left to ``keras.Model.fit``.
"""

from __future__ import annotations

import functools
import inspect
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.networks import preserved_generators
from skdl.training._rules import LayerContext, Rule, Variable, of_single_rows

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from skdl.networks import KerasObject, Layer

__all__ = ["KerasRule"]


class KerasRule(Rule):
    """Any Keras layer with one input and one output."""

    def structure(self, layer: Layer) -> Hashable:
        source: Hashable = layer["layer"]
        return source

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        built = _built(layer["layer"], shape)
        trainable = {id(weight) for weight in built.trainable_weights}
        return [
            Variable(
                position, f"{i}", tuple(weight.shape), id(weight) in trainable, initializer="keras"
            )
            for i, weight in enumerate(built.weights)
        ]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(_built(layer["layer"], shape).compute_output_shape((None, *shape))[1:])

    def is_faithful(self, layer: Layer, shape: tuple[int, ...]) -> bool:
        """Tell whether the engine may train a network with this layer."""
        import keras

        built = _built(layer["layer"], shape)
        if isinstance(built, keras.Model):
            # TensorFlow's vectorised gradient of convolutions fails, and a model may hold some.
            return False
        # Variables beyond the trained weights are statistics or states of noise.
        return len(built.variables) == len(built.trainable_weights) and not built.losses

    def draw(self, layer: Layer, shape: tuple[int, ...], seed: int) -> list[NDArray[np.float32]]:
        """Return initial weights as the layer's own initializers draw them."""
        with preserved_generators():
            random.seed(seed)  # where Keras' initializers take their seeds from
            fresh = layer["layer"].build()
            fresh.build((None, *shape))
            return [np.asarray(weight.numpy(), np.float32) for weight in fresh.weights]

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        built = _built(layer["layer"], tuple(x.shape[2:]))
        if not context.variables:
            mode = {"training": context.run.training}
            return of_single_rows(functools.partial(built, **mode), x), []
        trained = {id(weight) for weight in built.trainable_weights}
        takes_training = "training" in inspect.signature(built.call).parameters
        mode = {"training": context.run.training} if takes_training else {}

        def one(arguments: tuple[Any, ...]) -> Any:
            rows, *values = arguments
            pairs = list(zip(built.weights, values, strict=True))
            result, _ = built.stateless_call(
                [value for weight, value in pairs if id(weight) in trained],
                [value for weight, value in pairs if id(weight) not in trained],
                rows,
                **mode,
            )
            return result

        return tf.vectorized_map(one, (x, *context.variables)), []


@functools.lru_cache(maxsize=64)
def _built(source: KerasObject, shape: tuple[int, ...]) -> Any:
    """Return the layer built for rows of this shape; its own weights are not used."""
    import tensorflow as tf

    with preserved_generators(), tf.init_scope():
        layer = source.build()
        if None not in shape:
            layer.build((None, *shape))
            layer(np.zeros((1, *shape), np.float32))
        return layer
