"""Rules for layers that make one tensor of several, such as a residual connection's addition."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import LayerContext, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays
    from skdl.networks import Layer

__all__ = ["ConcatenateRule", "MergeRule"]


class MergeRule(Rule):
    """Entry by entry; an axis of length 1 is repeated.

    A step counts where it counts in one of the tensors, and everywhere if one has no mask.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def has_mask(self, layer: Layer, given: Sequence[bool]) -> bool:
        del layer
        return all(given)

    def mask(self, layer: Layer, x: Tensor, given: Any) -> Tensor:
        return _either(layer, x, given)

    def output_shape(self, layer: Layer, shape: Any) -> tuple[int, ...]:
        del layer
        return np.broadcast_shapes(*shape)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer, context
        combine = {
            "Add": tf.add,
            "Average": tf.add,
            "Maximum": tf.maximum,
            "Minimum": tf.minimum,
            "Multiply": tf.multiply,
            "Subtract": tf.subtract,
        }[self.kind]
        merged = functools.reduce(combine, x)
        return (merged / len(x) if self.kind == "Average" else merged), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer, weights
        combine = {
            "Add": ops.add,
            "Average": ops.add,
            "Maximum": ops.maximum,
            "Minimum": ops.minimum,
            "Multiply": ops.multiply,
            "Subtract": ops.subtract,
        }[self.kind]
        merged = functools.reduce(combine, x)
        return ops.multiply(merged, 1.0 / len(x)) if self.kind == "Average" else merged


class ConcatenateRule(Rule):
    """One behind the other along the last axis; steps count as in `MergeRule`."""

    def has_mask(self, layer: Layer, given: Sequence[bool]) -> bool:
        del layer
        return all(given)

    def mask(self, layer: Layer, x: Tensor, given: Any) -> Tensor:
        return _either(layer, x, given)

    def output_shape(self, layer: Layer, shape: Any) -> tuple[int, ...]:
        del layer
        return (*shape[0][:-1], sum(one[-1] for one in shape))

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer, context
        return tf.concat(x, -1), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer, weights
        return ops.concatenate(x)


def _either(layer: Layer, x: Tensor, given: Any) -> Tensor:
    """Return the mask of steps that count in one of several tensors."""
    import tensorflow as tf

    del layer, x
    return functools.reduce(tf.logical_or, given)
