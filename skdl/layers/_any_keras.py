"""Rules for what is given as Keras objects, for which no stacked rule was written.

The layer or function itself computes, for all members in one vectorised graph. That is faithful
where rows do not meet inside it: what it adds to the loss, and statistics that it keeps over a
batch, would take in the rows that pad the last batch, so such layers are left to
``keras.Model.fit``. Keras' own layers say so by their variables; code of the user's is tried out.
"""

from __future__ import annotations

import functools
import inspect
import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import flat_layers
from skdl.layers._activation_formulas import KERAS_LAYER_FORMULAS
from skdl.layers._rule import LayerContext, Rule, Variable, of_single_rows
from skdl.layers._shapes import Shape, size
from skdl.networks import KerasObject, preserved_generators

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import keras
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays
    from skdl.networks import Layer, OperationCall

__all__ = ["KerasRule", "ModelRule", "OperationRule", "keras_rule"]


class KerasRule(Rule):
    """Any Keras layer with one output."""

    has_fixed_widths = True

    def keras_layer(self, layer: Layer, seed: int) -> keras.layers.Layer:
        del seed
        return layer["layer"].build()

    def summary(self, layer: Layer) -> str:
        return str(json.loads(layer["layer"].config)["class_name"])

    def structure(self, layer: Layer) -> Hashable:
        source: Hashable = layer["layer"]
        return source

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        built = _built(layer["layer"], shape)
        trainable = {id(weight) for weight in built.trainable_weights}
        return [
            Variable(
                position, f"{i}", tuple(weight.shape), id(weight) in trainable, initializer="keras"
            )
            for i, weight in enumerate(built.weights)
        ]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        return _layer_shape(layer["layer"], shape)

    def is_faithful(self, layer: Layer, shape: Shape) -> bool:
        """Tell whether the engine may train a network with this layer."""
        source = layer["layer"]
        built = _built(source, shape)
        if _convolves(built):
            # TensorFlow's vectorised gradient of convolutions fails.
            return False
        # Variables beyond the trained weights are statistics or states of noise.
        is_plain = len(built.variables) == len(built.trainable_weights) and not built.losses
        is_code = not type(built).__module__.startswith("keras.")
        return is_plain and not (is_code and _rows_meet(source, shape))

    def draw(self, layer: Layer, shape: Shape, seed: int) -> list[NDArray[np.float32]]:
        """Return initial weights as the layer's own initializers draw them."""
        with preserved_generators():
            random.seed(seed)  # where Keras' initializers take their seeds from
            fresh = layer["layer"].build()
            _build(fresh, shape)
            return [np.asarray(weight.numpy(), np.float32) for weight in fresh.weights]

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        several = isinstance(x, list)
        shape = tuple(tuple(t.shape[2:]) for t in x) if several else tuple(x.shape[2:])
        built = _built(layer["layer"], shape)
        mode = {"training": context.run.training} if _takes_training(built) else {}
        if not context.variables:
            return of_single_rows(functools.partial(_called, built, mode, several), x), []
        trained = {id(weight) for weight in built.trainable_weights}

        def one(arguments: tuple[Tensor, ...]) -> Any:
            rows, *values = arguments
            pairs = list(zip(built.weights, values, strict=True))
            result, _ = built.stateless_call(
                [value for weight, value in pairs if id(weight) in trained],
                [value for weight, value in pairs if id(weight) not in trained],
                rows,
                **mode,
            )
            return result

        if self.one_member_at_a_time:
            member = tf.nest.map_structure(lambda tensor: tensor[0], (x, *context.variables))
            return one(member)[None], []
        return tf.vectorized_map(one, (x, *context.variables)), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        described = json.loads(layer["layer"].config)
        formula = KERAS_LAYER_FORMULAS.get(described["class_name"])
        is_of_keras = str(described.get("module", "")).startswith("keras")
        formula = formula if is_of_keras and not described.get("registered_name") else None
        if formula is None:
            return super().forward(ops, layer, weights, x)
        return formula(ops, x, weights, described["config"])


class AloneKerasRule(KerasRule):
    """Convolutions that no rule was written for, member by member as those that have one."""

    one_member_at_a_time = True
    compiles = False


def keras_rule(layer: Layer) -> KerasRule:
    """Return the rule of a layer given as a Keras object."""
    is_convolution = "Conv" in json.loads(layer["layer"].config)["class_name"]
    return AloneKerasRule() if is_convolution else KerasRule()


def _takes_training(built: keras.layers.Layer) -> bool:
    return "training" in inspect.signature(built.call).parameters


def _called(built: keras.layers.Layer, mode: dict[str, bool], several: bool, *rows: Tensor) -> Any:
    return built(list(rows) if several else rows[0], **mode)


class OperationRule(Rule):
    """A function of tensors, see `OperationCall`; it sees rows as Keras does."""

    has_fixed_widths = True

    def structure(self, layer: Layer) -> Hashable:
        call: Hashable = layer["call"]
        return call

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        return _operation_shape(layer["call"], shape)

    def is_faithful(self, layer: Layer, shape: Shape) -> bool:
        return not _rows_meet(layer["call"], shape)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        del context
        run = _operation(layer["call"])
        return of_single_rows(lambda *rows: run(rows), x), []


class ModelRule(Rule):
    """A whole model that only Keras can run; what is known of it is its weights' shapes."""

    def structure(self, layer: Layer) -> Hashable:
        return layer.config

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        del shape
        return [
            Variable(position, f"{i}", own, trainable, initializer="keras")
            for i, (own, trainable) in enumerate(layer["weights"])
        ]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        del shape
        return (layer["n_outputs"],)

    def is_faithful(self, layer: Layer, shape: Shape) -> bool:
        del layer, shape
        return False


def _batch_shapes(shape: Any) -> Any:
    """Return the shape with the batch in front, or the list of several such."""
    if shape and isinstance(shape[0], tuple):
        return [(None, *one) for one in shape]
    return (None, *shape)


def _rows_of(shape: Any, n_rows: int) -> Any:
    """Return rows to try a layer out: small counting numbers, such as embeddings take too."""
    if shape and isinstance(shape[0], tuple):
        return [_rows_of(one, n_rows) for one in shape]
    return np.arange(n_rows * size(shape), dtype=np.float32).reshape(n_rows, *shape) % 7 / 4


@functools.lru_cache(maxsize=64)
def _built(source: KerasObject, shape: Any) -> Any:
    """Return the layer built for rows of this shape; its own weights are not used."""
    import tensorflow as tf

    with preserved_generators(), tf.init_scope():
        layer = source.build()
        if None not in shape and not any(type(s) is tuple and None in s for s in shape):
            _build(layer, shape)
            layer(_zeros(shape))
        return layer


def _build(layer: keras.layers.Layer, shape: Any) -> None:
    """Give a layer its weights; one without a ``build`` of its own gets them when it is called."""
    import keras

    if type(layer).build is keras.layers.Layer.build:
        layer(_zeros(shape))
    else:
        layer.build(_batch_shapes(shape))


def _zeros(shape: Any) -> Any:
    """Return a row of zeros, or one for each of several shapes."""
    several = bool(shape) and isinstance(shape[0], tuple)
    zeros = [np.zeros((1, *s), np.float32) for s in (shape if several else (shape,))]
    return zeros if several else zeros[0]


@functools.lru_cache(maxsize=256)
def _layer_shape(source: KerasObject, shape: Any) -> tuple[int, ...]:
    built = _built(source, shape)
    try:
        behind = built.compute_output_shape(_batch_shapes(shape))
    except NotImplementedError:
        import keras

        several = bool(shape) and isinstance(shape[0], tuple)
        rows = [keras.KerasTensor((None, *s)) for s in (shape if several else (shape,))]
        behind = built.compute_output_spec(rows if several else rows[0]).shape
    return tuple(behind[1:])


@functools.lru_cache(maxsize=256)
def _operation(call: OperationCall) -> Callable[[Any], Any]:
    with preserved_generators():
        return call.build()


@functools.lru_cache(maxsize=256)
def _operation_shape(call: OperationCall, shape: Any) -> tuple[int, ...]:
    import keras

    several = bool(shape) and isinstance(shape[0], tuple)
    rows = [keras.KerasTensor((None, *s)) for s in (shape if several else (shape,))]
    return tuple(_operation(call)(rows).shape[1:])


@functools.lru_cache(maxsize=256)
def _rows_meet(source: KerasObject | OperationCall, shape: Any) -> bool:
    """Tell whether what code makes of a row depends on other rows, or on chance."""
    import keras
    import tensorflow as tf

    several = bool(shape) and isinstance(shape[0], tuple)
    rows = [_rows_of(one, 5) for one in (shape if several else (shape,))]

    def compute(some: slice) -> Any:
        tensors = [tf.constant(one[some]) for one in rows]
        if not isinstance(source, KerasObject):
            result = _operation(source)(tensors)
        else:
            built = _built(source, shape)
            mode = {"training": True} if _takes_training(built) else {}
            result = _called(built, mode, several, *tensors)
        return keras.ops.convert_to_numpy(result)

    with preserved_generators(), tf.init_scope():
        whole, again, part = compute(slice(None)), compute(slice(None)), compute(slice(0, 3))
    return (
        len(whole) != len(rows[0])
        or not np.array_equal(whole, again)
        or not np.allclose(whole[:3], part, rtol=1e-4, atol=1e-6)
    )


def _convolves(built: keras.layers.Layer) -> bool:
    """Tell whether there is a convolution in a layer, or in a model that is one."""
    parts = flat_layers(built)
    return any("Conv" in type(part).__name__ for part in parts)
