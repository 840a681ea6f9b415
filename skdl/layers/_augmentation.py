"""Random changes of training images, by Keras' own layers with seeds of the member's own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from skdl.layers._convolution import as_before, images
from skdl.layers._rule import LayerContext, Rule
from skdl.networks import preserved_generators

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tensorflow import Tensor

    from skdl.networks import Layer

__all__ = ["AugmentationRule"]


class AugmentationRule(Rule):
    """A layer of Keras that draws a change for every image, and makes it.

    Keras' layers draw from a state that they advance; here every draw is seeded by the number
    that the member has for this step and layer, so a member's images depend on its seed alone.
    """

    one_member_at_a_time = True
    compiles = False
    draws_noise = True

    def structure(self, layer: Layer) -> Hashable:
        return layer.config

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        if not context.run.training:
            return x, []
        rows = images(x)
        changing = _built(layer)
        seed = _seed_class()(context.run.key(context.position)[0])
        drawn = changing.get_random_transformation(rows, training=True, seed=seed)
        return as_before(changing.transform_images(rows, drawn, training=True), x), []

    def passes_through(self, layer: Layer) -> bool:
        del layer
        return True


@functools.lru_cache(maxsize=64)
def _built(layer: Layer) -> Any:
    import tensorflow as tf

    with preserved_generators(), tf.init_scope():
        return AugmentationRule().keras_layer(layer, seed=0)


@functools.cache
def _seed_class() -> Any:
    import keras
    import tensorflow as tf

    class GivenSeed(keras.random.SeedGenerator):
        """Gives seeds made of one number, one after another, and keeps no state of its own."""

        def __init__(self, number: Tensor) -> None:
            self.number = tf.bitcast(number, tf.int32)
            self.count = 0

        def next(self, ordered: bool = True) -> Any:
            del ordered
            self.count += 1
            return tf.stack([self.number, self.count - 1])

    return GivenSeed
