"""A convolution along sequences of which some steps do not count."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from skdl.layers._convolution import ConvRule
from skdl.networks import PACKAGE

if TYPE_CHECKING:
    import keras
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.networks import Layer

__all__ = ["MaskedConvRule"]


@functools.cache
def _masked_conv() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class MaskedConv1D(keras.layers.Conv1D):
        """Keras' ``Conv1D``, to which steps that do not count are zeros, as those of its padding.

        The mask goes on to the next layer.
        """

        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **keywords)
            self.supports_masking = True

        def call(self, inputs: Tensor, mask: Tensor | None = None) -> Any:
            if mask is not None:
                inputs = ops.where(ops.expand_dims(ops.cast(mask, "bool"), -1), inputs, 0.0)
            return super().call(inputs)

    return MaskedConv1D


class MaskedConvRule(ConvRule):
    """Convolution along a sequence with padding "same"; steps that do not count are zeros to it.

    So what stands behind the end of a shorter sequence is what stands behind that of the longest,
    and how far sequences are padded changes nothing.
    """

    keeps_mask = True

    def __init__(self) -> None:
        super().__init__(n_axes=1)

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _masked_conv()

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        if context.mask is not None:
            x = tf.where(context.mask[..., None], x, 0.0)
        return super().apply(layer, x, context)

    def forward_masked(
        self, ops: Operations, layer: Layer, weights: Arrays, x: Value, mask: Value
    ) -> Value:
        x = x if mask is None else ops.where(mask, x, 0.0)
        return self.forward(ops, layer, weights, x)
