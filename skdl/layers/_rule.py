"""Stacked rules: how each kind of layer computes for all members of a stack at once.

Tensors have a leading member axis: inputs ``[M, B, ...]``, a kernel ``[M, n_in, n_out]``. A rule
says which variables its layer has, which of its numbers members may differ in, and what it
computes. Widths are known only when the program runs, so that one trace serves every width.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from skdl.layers._shapes import concatenated, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from skdl.networks import Layer, Network

__all__ = [
    "LayerContext",
    "Layout",
    "Pass",
    "Rule",
    "Variable",
    "compiles",
    "inner_widths",
    "is_faithful",
    "layers_with_shapes",
    "n_outputs_of",
    "of_single_rows",
    "one_member_at_a_time",
    "penalty_of_kernel",
    "row_shapes",
    "row_sizes",
    "rule_of",
    "size",
    "windows",
]


@dataclasses.dataclass(frozen=True)
class Variable:
    """One weight of one layer: shape without the member axis, and how it starts."""

    layer: int
    name: str
    shape: tuple[int, ...]
    trainable: bool = True
    initializer: str = "zeros"


def no_noise(position: int, shape: Any) -> Any:
    """Stand in for noise in a pass that has none."""
    raise ValueError(f"layer {position} asked for noise of shape {shape} outside training")


def no_key(position: int) -> Any:
    """Stand in for keys in a pass that has none."""
    raise ValueError(f"layer {position} asked for a key outside training")


@dataclasses.dataclass
class Pass:
    """What a layer may ask of the pass through the network that it is part of.

    Parameters
    ----------
    training : bool
    mask : tensor of shape [M, B] or None
        1 for rows that are there, 0 for rows that pad the batch.
    step_share : tensor of shape [M] or None
        1 for members that take this step, 0 for those that have no rows left this epoch.
    noise : callable
        ``noise(layer, shape)`` gives uint32 noise ``[M, B, ...]``, each member's own.
    key : callable
        ``key(layer)`` gives one uint32 number ``[M]``, each member's own in every step.
    compiled : bool
        By XLA: all shapes are known.
    """

    training: bool
    mask: Any = None
    step_share: Any = None
    noise: Callable[[int, Any], Any] = no_noise
    key: Callable[[int], Any] = no_key
    compiled: bool = False


@dataclasses.dataclass
class LayerContext:
    """What one layer brings into a pass.

    Parameters
    ----------
    position : int
        Which layer of the network it is.
    variables : list of tensor
        In the order of `Rule.variables`, with the member axis.
    scalars : dict from name to tensor of shape [M]
        Those of `Rule.scalars` that are not zero everywhere.
    run : Pass
    """

    position: int
    variables: list[Any]
    scalars: dict[str, Any]
    run: Pass


class Rule:
    """Base of all rules: a layer without variables and numbers that changes no shape.

    A layer that takes several tensors gets a list of them, and one shape for each.
    """

    scalars: tuple[str, ...] = ()
    # Whether members of a stack must go through this layer one after another in the plain graph.
    one_member_at_a_time = False
    # Whether XLA can compile it, and with members side by side.
    compiles = True
    # Whether it draws from the member's own noise in training.
    draws_noise = False

    def structure(self, layer: Layer) -> Hashable:
        """Return what is built into the trace."""
        del layer
        return ()

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        """Return the layer's variables, in Keras' order, for inputs of `shape`."""
        del layer, position, shape
        return []

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one row after the layer."""
        del layer
        return shape

    def peak_width(self, layer: Layer, shape: tuple[int, ...]) -> int:
        """Return how many numbers one row becomes inside the layer, where that is most."""
        del layer, shape
        return 0

    def windows(self, layer: Layer, shape: tuple[int, ...]) -> int:
        """Return how many numbers one row becomes when its windows are laid out for a product."""
        del layer, shape
        return 0

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        """Draw a variable's first values; None where its initializer says how."""
        del layer, variable, generator
        return None

    def is_faithful(self, layer: Layer, shape: tuple[int, ...]) -> bool:
        """Tell whether training through this rule is what Keras does."""
        del layer, shape
        return True

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        """Return outputs and new values of the variables that are not trained by gradient."""
        raise NotImplementedError

    def penalty(self, variables: list[Any], scalars: dict[str, Any]) -> Any:
        """Return what the layer adds to the loss, ``[M]`` or 0."""
        del variables, scalars
        return 0.0


class DenseRule(Rule):
    """``x W + b`` with L1 and L2 penalties on the kernel, added to the loss as Keras does."""

    scalars = ("l1", "l2")

    def structure(self, layer: Layer) -> Hashable:
        return "use_bias" if layer.get("use_bias", True) else ()

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        units = layer["units"]
        kernel = Variable(position, "kernel", (shape[-1], units), initializer="glorot_uniform")
        return [kernel, *[Variable(position, "bias", (units,))] * layer.get("use_bias", True)]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:-1], layer["units"])

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        if len(x.shape) > 3:  # noqa: PLR2004 - [M, B, ..., n_in]
            shape = shape_of(x)
            flat = tf.reshape(x, [shape[0], -1, shape[-1]])
            result, _ = self.apply(layer, flat, context)
            return tf.reshape(result, concatenated(shape[:-1], shape_of(result)[-1:])), []
        kernel, *bias = context.variables
        result = tf.matmul(x, kernel)
        return (result + by_row(bias[0]) if bias else result), []

    def penalty(self, variables: list[Any], scalars: dict[str, Any]) -> Any:
        return penalty_of_kernel(variables[0], scalars)


def by_row(values: Any) -> Any:
    """Return what members have ``[M, n]`` for each of their rows, ``[M, 1, n]``."""
    import tensorflow as tf

    return tf.expand_dims(values, 1)


def penalty_of_kernel(kernel: Any, scalars: dict[str, Any]) -> Any:
    """Return ``l1 * sum(|w|) + l2 * sum(w**2)`` of each member, ``[M]`` or 0."""
    import tensorflow as tf

    penalty: Any = 0.0
    axes = list(range(1, len(kernel.shape)))
    if "l1" in scalars:
        penalty += scalars["l1"] * tf.reduce_sum(tf.abs(kernel), axes)
    if "l2" in scalars:
        penalty += scalars["l2"] * tf.reduce_sum(tf.square(kernel), axes)
    return penalty


class BatchNormalizationRule(Rule):
    """Batch normalisation whose moments leave padding rows out (Ioffe and Szegedy 2015, Alg. 1)."""

    def structure(self, layer: Layer) -> Hashable:
        return layer["momentum"], self._epsilon(layer), self._has(layer)

    def _epsilon(self, layer: Layer) -> float:
        return float(layer.get("epsilon", 1e-3))

    def _has(self, layer: Layer) -> tuple[bool, bool]:
        """Tell whether there are gamma and beta."""
        return bool(layer.get("scale", True)), bool(layer.get("center", True))

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        width = shape[-1:]
        scale, center = self._has(layer)
        return [
            *[Variable(position, "gamma", width, initializer="ones")] * scale,
            *[Variable(position, "beta", width)] * center,
            Variable(position, "moving_mean", width, trainable=False),
            Variable(position, "moving_variance", width, trainable=False, initializer="ones"),
        ]

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        run = context.run
        if len(x.shape) > 3:  # noqa: PLR2004 - [M, B, ..., C]
            # Each position of an image counts as a row of its own.
            shape = tf.shape(x)
            n_positions = tf.reduce_prod(shape[2:-1])
            x = tf.reshape(x, [shape[0], shape[1] * n_positions, shape[-1]])
            mask = tf.repeat(run.mask, n_positions, axis=1) if run.training else None
            flat = dataclasses.replace(run, mask=mask)
            x, updates = self.apply(layer, x, dataclasses.replace(context, run=flat))
            return tf.reshape(x, shape), updates
        epsilon = self._epsilon(layer)
        *trained, moving_mean, moving_variance = context.variables
        scale, center = self._has(layer)
        gamma = trained[0] if scale else tf.ones_like(moving_mean)
        beta = trained[-1] if center else tf.zeros_like(moving_mean)
        if not run.training:
            factor = gamma * tf.math.rsqrt(moving_variance + epsilon)
            return (x - by_row(moving_mean)) * by_row(factor) + by_row(beta), []
        share = run.mask / tf.maximum(tf.reduce_sum(run.mask, 1, keepdims=True), 1.0)
        x, mean, variance = self._normalised(x, gamma, beta, tf.expand_dims(share, 2), epsilon)
        pace = (1 - layer["momentum"]) * tf.expand_dims(run.step_share, 1)
        return x, [
            moving_mean + pace * (mean - moving_mean),
            moving_variance + pace * (variance - moving_variance),
        ]

    def _normalised(self, x: Any, gamma: Any, beta: Any, share: Any, epsilon: float) -> Any:
        """Return normalised rows and the batch's moments.

        The gradient is written out (Ioffe and Szegedy 2015, section 3, with each row's share in
        place of 1/m): half the operations of the automatic one, and half the time to compile.
        """
        import tensorflow as tf

        @tf.custom_gradient
        def normalised(x: Any, gamma: Any, beta: Any) -> Any:
            mean = tf.reduce_sum(x * share, 1)
            centred = x - by_row(mean)
            variance = tf.reduce_sum(tf.square(centred) * share, 1)
            inverse = tf.math.rsqrt(variance + epsilon)
            unit = centred * by_row(inverse)

            def gradient(up: Any, *_: Any) -> Any:
                # The moments leave only into the moving ones, which have no gradient.
                along_gamma = tf.reduce_sum(up * unit, 1)
                along_beta = tf.reduce_sum(up, 1)
                common = by_row(along_beta) + unit * by_row(along_gamma)
                along_x = by_row(gamma * inverse) * (up - share * common)
                return along_x, along_gamma, along_beta

            return (unit * by_row(gamma) + by_row(beta), mean, variance), gradient

        return normalised(x, gamma, beta)


class EmbeddingRule(Rule):
    """Row number ``x`` of a table for each entry of the input, whose fractions are cut off.

    Gradients of one row of the table are added up before an optimizer squares them, as Keras does
    on JAX and PyTorch. On TensorFlow, Keras adds up the squares, which depends on how often a
    batch uses the row.
    """

    def variables(self, layer: Layer, position: int, shape: tuple[int, ...]) -> list[Variable]:
        del shape
        table = (layer["input_dim"], layer["output_dim"])
        return [Variable(position, "embeddings", table, initializer="uniform")]

    def output_shape(self, layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape, layer["output_dim"])

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        del layer
        (table,) = context.variables
        index = tf.cast(x, tf.int32)
        found = tf.gather(table, index, batch_dims=1)
        # XLA takes the nearest row for a number outside the table; the plain graph raises.
        is_inside = (index >= 0) & (index < tf.shape(table)[1])
        return tf.where(is_inside[..., None], found, tf.constant(float("nan"))), []


class ActivationRule(Rule):
    """Any function of single rows; the member axis is folded into the rows for it."""

    def structure(self, layer: Layer) -> Hashable:
        function: Hashable = layer["function"]
        return function

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import keras

        del context
        function = layer["function"]
        if function == "mish":
            return mish(x), []
        if isinstance(function, str):
            return keras.activations.get(function)(x), []
        return of_single_rows(function, x), []


def mish(x: Any) -> Any:
    """Return ``x tanh(log(1 + exp(x)))`` (Misra 2019, "Mish", Eq. 1) by a single exponential.

    With ``e = exp(x)`` and ``n = e (e + 2)`` it is ``x n / (n + 2)``, and its slope is
    ``n / (n + 2) + 4 x e (e + 1) / (n + 2)**2``: an eighth of the time of the functions in its
    definition and their gradients, which were a third of a step of `tabular()`.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def of(x: Any) -> Any:
        # Beyond 20 it is x itself in float32, and e**2 would overflow at last.
        e = tf.exp(tf.minimum(x, 20.0))
        n = e * (e + 2.0)
        share = n / (n + 2.0)

        def gradient(up: Any) -> Any:
            return up * (share + 4.0 * x * e * (e + 1.0) / tf.square(n + 2.0))

        return x * share, gradient

    return of(x)


def of_single_rows(function: Callable[..., Any], x: Any) -> Any:
    """Apply a function of rows ``[B, ...]`` to ``[M, B, ...]``, the member axis folded into B.

    Where `x` is a list of tensors, the function gets them one after the other.
    """
    import tensorflow as tf

    tensors = x if isinstance(x, list) else [x]
    members = shape_of(tensors[0])[:2]
    rows = []
    for tensor in tensors:
        row = tf.reshape(tensor, concatenated([-1], shape_of(tensor)[2:]))
        row.set_shape([None, *tensor.shape[2:]])
        rows.append(row)
    result = function(*rows)
    return tf.reshape(result, concatenated(members, shape_of(result)[1:]))


class DropoutRule(Rule):
    """Inverted dropout (Srivastava et al. 2014, section 10): kept units grow by 1 / (1 - rate)."""

    scalars = ("rate",)
    draws_noise = True

    def apply(self, layer: Layer, x: Any, context: LayerContext) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        del layer
        if not context.run.training or "rate" not in context.scalars:
            return x, []
        rate = tf.reshape(context.scalars["rate"], [-1] + [1] * (len(x.shape) - 1))
        # Dropped where the 32-bit noise lies below rate * 2**32, in steps of 2**-24 (float32).
        threshold = tf.cast(tf.cast(rate * 2.0**24, tf.uint32) * 256, tf.uint32)
        kept = context.run.noise(context.position, shape_of(x)[1:]) >= threshold
        return tf.where(kept, x / (1.0 - rate), tf.zeros([], x.dtype)), []


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where each variable of a network lies in the flat vectors of weights and statistics."""

    variables: tuple[Variable, ...]

    @classmethod
    def of(cls, network: Network) -> Layout:
        """Return the layout of a network whose layers all have rules."""
        variables: list[Variable] = []
        for position, (layer, shape) in enumerate(layers_with_shapes(network)):
            own = rule_of(layer).variables(layer, position, shape)
            if layer.get("frozen"):
                own = [dataclasses.replace(variable, trainable=False) for variable in own]
            variables += own
        return cls(tuple(variables))

    def part(self, *, trainable: bool) -> tuple[Variable, ...]:
        """Return the variables of one of the two flat vectors, in order."""
        return tuple(v for v in self.variables if v.trainable == trainable)

    def split(self, weights: Any, statistics: Any) -> list[Any]:
        """Cut the flat vectors of one member into arrays, in Keras' order of weights."""
        arrays = {}
        for trainable, flat in ((True, weights), (False, statistics)):
            start = 0
            for variable in self.part(trainable=trainable):
                stop = start + size(variable.shape)
                arrays[variable] = flat[start:stop].reshape(variable.shape)
                start = stop
        return [arrays[variable] for variable in self.variables]

    def join(self, arrays: Sequence[Any]) -> tuple[Any, Any]:
        """Undo `split`: arrays in Keras' order of weights become the two flat vectors."""
        import numpy as np

        parts: dict[bool, list[Any]] = {True: [], False: []}
        for variable, array in zip(self.variables, arrays, strict=True):
            parts[variable.trainable].append(np.asarray(array, np.float32).reshape(-1))
        empty = np.zeros(0, np.float32)
        weights, statistics = (np.concatenate([empty, *parts[t]]) for t in (True, False))
        return weights, statistics


def rule_of(layer: Layer) -> Rule:
    """Return the rule by which a layer computes."""
    rule = _all_rules().get(layer.kind)
    if rule is not None:
        return rule
    from skdl.layers._any_keras import keras_rule

    return keras_rule(layer)


@functools.cache
def _all_rules() -> dict[str, Rule]:
    from skdl.layers._any_keras import WHOLE_RULES
    from skdl.layers._augmentation import AUGMENTATION_RULES
    from skdl.layers._convolution import CONV_RULES
    from skdl.layers._merge import MERGE_RULES
    from skdl.layers._on_numbers import TABULAR_RULES

    return {
        **_RULES, **TABULAR_RULES, **CONV_RULES, **AUGMENTATION_RULES, **MERGE_RULES, **WHOLE_RULES,
    }  # fmt: skip


_RULES: dict[str, Rule] = {
    "Activation": ActivationRule(),
    "BatchNormalization": BatchNormalizationRule(),
    "Dense": DenseRule(),
    "Dropout": DropoutRule(),
    "Embedding": EmbeddingRule(),
}


def layers_with_shapes(network: Network) -> Iterator[tuple[Layer, tuple[int, ...]]]:
    """Yield each layer with the shape of one row in front of it.

    Where a layer takes several tensors, it is a tuple of their shapes.
    """
    shapes: list[Any] = [network.input_shape]
    for position, layer in enumerate(network.layers):
        taken = [shapes[i] for i in network.inputs_of(position)]
        shape = taken[0] if len(taken) == 1 else tuple(taken)
        yield layer, shape
        shapes.append(rule_of(layer).output_shape(layer, shape))


def row_shapes(network: Network) -> list[tuple[int, ...]]:
    """Return the shapes of one row: of the input, then behind each layer."""
    layers = list(layers_with_shapes(network))
    behind = [rule_of(layer).output_shape(layer, shape) for layer, shape in layers]
    return [network.input_shape, *behind]


def n_outputs_of(network: Network) -> int:
    """Return how many numbers the network gives for a row."""
    shape = row_shapes(network)[-1]
    # Networks that share their weights are averaged.
    return shape[-1] if network.is_shared else size(shape)


def is_faithful(network: Network) -> bool:
    """Tell whether the engine may train the network: rows meet in no layer unknown to it."""
    return all(
        rule_of(layer).is_faithful(layer, shape) for layer, shape in layers_with_shapes(network)
    )


def one_member_at_a_time(network: Network) -> bool:
    """Tell whether members of a stack of this network train one after another."""
    return any(rule_of(layer).one_member_at_a_time for layer in network.layers)


def compiles(network: Network) -> bool:
    """Tell whether XLA can compile every layer."""
    return all(rule_of(layer).compiles for layer in network.layers)


def windows(network: Network) -> int:
    """Return how many numbers a row's windows are in all convolutions together."""
    return sum(rule_of(layer).windows(layer, shape) for layer, shape in layers_with_shapes(network))


def row_sizes(network: Network) -> list[int]:
    """Return how many numbers one row has in front of each layer, behind the last, and inside."""
    pairs = list(layers_with_shapes(network))
    last, shape = pairs[-1]
    behind = rule_of(last).output_shape(last, shape)
    return [size(s) for _, s in pairs] + [size(behind)] + inner_widths(network)


def inner_widths(network: Network) -> list[int]:
    """Return how many numbers one row becomes inside layers where that is most."""
    pairs = layers_with_shapes(network)
    inside = [rule_of(layer).peak_width(layer, shape) for layer, shape in pairs]
    return [width for width in inside if width]


def size(shape: Any) -> int:
    """Return the number of elements of one shape, or of several together."""
    if shape and isinstance(shape[0], tuple):
        return sum(map(size, shape))
    total = 1
    for n in shape:
        total *= n
    return total
