"""Dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl.layers._rule import Rule
from skdl.layers._shapes import of_members, shape_of

if TYPE_CHECKING:
    from tensorflow import Tensor

    from skdl.layers._rule import LayerContext
    from skdl.networks import Layer

__all__ = ["DropoutRule", "kept_units"]


def kept_units(noise: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Return which units stay, and the rate in the shape of the noise ``[M, ...]``.

    Parameters
    ----------
    noise : tensor of shape [M, ...], uint32
    rate : tensor of shape [M]
    """
    import tensorflow as tf

    rate = of_members(rate, len(noise.shape) - 1)
    # Dropped where the 32-bit noise lies below rate * 2**32, in steps of 2**-24 (float32).
    threshold = tf.cast(tf.cast(rate * 2.0**24, tf.uint32) * 256, tf.uint32)
    return noise >= threshold, rate


class DropoutRule(Rule):
    """Inverted dropout (Srivastava et al. 2014, section 10): kept units grow by 1 / (1 - rate)."""

    scalars = noise_scalars = ("rate",)
    draws_noise = True
    keeps_mask = True

    def summary(self, layer: Layer) -> str:
        return f"Dropout: {layer['rate']:g}"

    def does_nothing(self, layer: Layer) -> bool:
        return bool(layer["rate"] == 0)

    def keeps_units_apart(self, layer: Layer) -> bool:
        del layer
        return True

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer
        if not context.run.training or "rate" not in context.scalars:
            return x, []
        noise = context.run.noise(context.position, shape_of(x)[1:])
        kept, rate = kept_units(noise, context.scalars["rate"])
        return tf.where(kept, x / (1.0 - rate), tf.zeros([], x.dtype)), []

    def passes_through(self, layer: Layer) -> bool:
        del layer
        return True
