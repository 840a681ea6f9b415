"""Recurrent layers that go along a sequence both ways."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from skdl.layers._recurrent import GRURule, LSTMRule, RecurrentRule, SimpleRNNRule
from skdl.layers._rule import Rule, Variable, penalty_of_kernel
from skdl.layers._shapes import concatenated

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import keras
    import numpy as np
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["BidirectionalRule"]


class BidirectionalRule(Rule):
    """A recurrent layer forwards, one of equal arguments backwards, and what merges the two.

    Both go in one loop, as members of a stack of twice the size.
    """

    scalars = ("l1", "l2", "dropout", "recurrent_dropout")
    noise_scalars = ("dropout", "recurrent_dropout")
    draws_noise = True

    def inner(self, layer: Layer) -> tuple[Layer, RecurrentRule]:
        """Return the layer that goes forwards, and its rule."""
        inner: Layer = layer["forward"]
        if layer.get("recurrent_dropout"):
            config = {**dict(inner.config), "recurrent_dropout": layer["recurrent_dropout"]}
            inner = inner.of(inner.kind, **config)
        return inner, _RECURRENT_RULES[inner.kind]

    def keras_layer(self, layer: Layer, seed: int) -> keras.layers.Layer:
        import keras

        inner, rule = self.inner(layer)
        config = {**dict(inner.config), **{name: layer.get(name, 0.0) for name in self.scalars}}
        wrapped = rule.keras_layer(inner.of(inner.kind, **config), seed)
        return keras.layers.Bidirectional(wrapped, merge_mode=layer["merge_mode"])

    def summary(self, layer: Layer) -> str:
        return f"Bidirectional: {layer['forward'].kind}"

    def structure(self, layer: Layer) -> Hashable:
        inner, rule = self.inner(layer)
        return inner.kind, rule.structure(inner), layer["merge_mode"]

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        inner, rule = self.inner(layer)
        return [
            dataclasses.replace(variable, name=f"{side}_{variable.name}")
            for side in ("forward", "backward")
            for variable in rule.variables(inner, position, shape)
        ]

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        inner, rule = self.inner(layer)
        _, name = variable.name.split("_", 1)
        return rule.initial(inner, dataclasses.replace(variable, name=name), generator)

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        inner, rule = self.inner(layer)
        *steps, units = rule.output_shape(inner, shape)
        return (*steps, 2 * units if layer["merge_mode"] == "concat" else units)

    def peak_width(self, layer: Layer, shape: Shape) -> int:
        inner, rule = self.inner(layer)
        return 2 * rule.peak_width(inner, shape)

    def noise_size(self, layer: Layer, shape: Shape) -> int:
        inner, rule = self.inner(layer)
        return 2 * rule.noise_size(inner, shape)

    def n_loop_steps(self, layer: Layer, shape: Shape) -> int:
        inner, rule = self.inner(layer)
        return rule.n_loop_steps(inner, shape)

    def has_mask(self, layer: Layer, given: Sequence[bool]) -> bool:
        inner, rule = self.inner(layer)
        return rule.has_mask(inner, given)

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        kernels = variables[:: len(variables) // 2]
        return sum(penalty_of_kernel(kernel, scalars) for kernel in kernels)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        inner, rule = self.inner(layer)
        half = len(context.variables) // 2
        sides = zip(context.variables[:half], context.variables[half:], strict=True)
        both = [tf.concat(side, 0) for side in sides]
        streams = tf.concat([x, tf.reverse(x, [2])], 0)
        mask = context.mask
        mask = None if mask is None else tf.concat([mask, tf.reverse(mask, [2])], 0)
        own = dataclasses.replace(
            context,
            variables=both,
            scalars={name: tf.concat([value] * 2, 0) for name, value in context.scalars.items()},
            run=dataclasses.replace(context.run, noise=_for_two_sides(context.run.noise)),
            mask=mask,
        )
        result, _ = rule.apply(inner, streams, own)
        there, back = tf.split(result, 2, 0)
        if rule.option(inner, "return_sequences"):
            back = tf.reverse(back, [2])
        return _MERGES[layer["merge_mode"]](there, back), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        return self.forward_masked(ops, layer, weights, x, None)

    def forward_masked(
        self, ops: Operations, layer: Layer, weights: Arrays, x: Value, mask: Value
    ) -> Value:
        inner, rule = self.inner(layer)
        half = len(weights) // 2
        there, back = (
            rule.forward_along(ops, inner, own, x, mask, backwards=backwards, in_place=True)
            for own, backwards in ((weights[:half], False), (weights[half:], True))
        )
        if layer["merge_mode"] == "concat":
            return ops.concatenate([there, back])
        if layer["merge_mode"] == "mul":
            return ops.multiply(there, back)
        total = ops.add(there, back)
        return ops.multiply(total, 0.5) if layer["merge_mode"] == "ave" else total


def _for_two_sides(noise: Callable[[int, Any], Tensor]) -> Callable[[int, Any], Tensor]:
    """Return what gives noise for members that go both ways: those forwards come first."""
    import tensorflow as tf

    def both(position: int, shape: Any) -> Tensor:
        wide = noise(position, concatenated(shape[:-1], shape[-1:] * 2))
        return tf.concat(tf.split(wide, 2, -1), 0)

    return both


def _concatenated(there: Tensor, back: Tensor) -> Tensor:
    import tensorflow as tf

    return tf.concat([there, back], -1)


_RECURRENT_RULES: dict[str, RecurrentRule] = {
    "GRU": GRURule(),
    "LSTM": LSTMRule(),
    "SimpleRNN": SimpleRNNRule(),
}
# By Keras' ``merge_mode``.
_MERGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ave": lambda there, back: (there + back) / 2,
    "concat": _concatenated,
    "mul": lambda there, back: there * back,
    "sum": lambda there, back: there + back,
}
