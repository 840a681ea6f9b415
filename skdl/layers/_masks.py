"""Layers that say which steps of a sequence count; a mask goes on with the tensor as in Keras."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from skdl.layers._rule import Rule
from skdl.networks import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import keras
    from tensorflow import Tensor

    from skdl.layers._rule import LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["MaskingRule", "StepMaskRule"]


class MaskingRule(Rule):
    """Steps count unless all their channels have one number, ``mask_value``; others become 0."""

    def structure(self, layer: Layer) -> Hashable:
        value: Hashable = layer["mask_value"]
        return value

    def has_mask(self, layer: Layer, given: Sequence[bool]) -> bool:
        del layer, given
        return True

    def mask(self, layer: Layer, x: Tensor, given: Any) -> Tensor:
        import tensorflow as tf

        del given
        return tf.reduce_any(tf.not_equal(x, layer["mask_value"]), -1)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        counts = self.mask(layer, x, context.mask)
        return tf.where(counts[..., None], x, tf.zeros([], x.dtype)), []


@functools.cache
def _step_mask() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class StepMask(keras.layers.Layer):
        """Steps whose channels are all NaN do not count, and become 0."""

        def __init__(self, **keywords: object) -> None:
            super().__init__(**keywords)
            self.supports_masking = True

        def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Any:
            del mask
            return ops.logical_not(ops.all(ops.isnan(inputs), axis=-1))

        def call(self, inputs: Tensor) -> Any:
            counts = ops.expand_dims(self.compute_mask(inputs), -1)
            return ops.where(counts, inputs, 0.0)

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return input_shape

    return StepMask


class StepMaskRule(MaskingRule):
    """Steps count unless all their channels are NaN; others become 0."""

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _step_mask()

    def structure(self, layer: Layer) -> Hashable:
        del layer
        return ()

    def mask(self, layer: Layer, x: Tensor, given: Any) -> Tensor:
        import tensorflow as tf

        del layer, given
        return tf.logical_not(tf.reduce_all(tf.math.is_nan(x), -1))
