"""Where a step stands in its sequence, for layers that do not see its place."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import Rule, Variable, by_row
from skdl.layers._shapes import shape_of
from skdl.networks import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["PositionEncodingRule", "waves"]

# Standard deviation of a new table's entries, as in BERT (Devlin et al. 2019).
_LEARNED_SCALE = 0.02


def waves(n_steps: int, width: int) -> NDArray[np.float32]:
    """Return sines and cosines of each place, ``[T, n]`` (Vaswani et al. 2017, section 3.5)."""
    pairs = np.arange(width) // 2
    angles = np.arange(n_steps)[:, None] * np.exp(-math.log(1e4) * 2 * pairs / width)
    even = np.arange(width) % 2 == 0
    return np.where(even, np.sin(angles), np.cos(angles)).astype(np.float32)


@functools.cache
def _position_encoding() -> type[keras.layers.Layer]:
    import keras

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class PositionEncoding(keras.layers.Layer):
        """Adds numbers to each step that say where it stands: learned ones, or sine waves."""

        def __init__(self, form: str, **keywords: object) -> None:
            super().__init__(**keywords)
            self.form = form
            self.supports_masking = True

        def build(self, input_shape: Shape) -> None:
            is_learned = self.form == "learned"
            normal = keras.initializers.RandomNormal(stddev=_LEARNED_SCALE)
            self.table = self.add_weight(
                name="positions",
                shape=input_shape[1:],
                initializer=normal if is_learned else lambda shape, **_: waves(*shape),
                trainable=is_learned,
            )

        def call(self, inputs: Tensor) -> Any:
            return inputs + self.table

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return input_shape

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "form": self.form}

    return PositionEncoding


class PositionEncodingRule(Rule):
    """Adds a table of places: learned with ``form="learned"``, waves with ``"sinusoidal"``."""

    keeps_mask = True

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _position_encoding()

    def summary(self, layer: Layer) -> str:
        return f"PositionEncoding: {layer['form']}"

    def structure(self, layer: Layer) -> Hashable:
        form: Hashable = layer["form"]
        return form

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        return [Variable(position, "positions", shape, trainable=layer["form"] == "learned")]

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        if layer["form"] == "sinusoidal":
            n_steps, width = variable.shape
            return waves(n_steps, width)
        normal = generator.standard_normal(variable.shape, dtype=np.float32)
        return normal * np.float32(_LEARNED_SCALE)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        (table,) = context.variables
        kept = [] if layer["form"] == "learned" else [tf.reshape(table, [shape_of(table)[0], -1])]
        return x + by_row(table), kept

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer
        return ops.add(x, weights[0])
