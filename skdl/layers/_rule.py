"""The base of rules: all that is known of one kind of layer.

Tensors have a leading member axis: inputs ``[M, B, ...]``, a kernel ``[M, n_in, n_out]``. A rule
says which variables its layer has, which of its scalars members may differ in, what it computes
for all members of a stack at once, and which Keras layer it is. Widths are known only when the
program runs, so that one trace serves every width.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skdl.layers._shapes import Shape, concatenated, of_members, shape_of, size

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import keras
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.networks import Layer

    Arrays = Sequence[NDArray[np.float32]]

__all__ = [
    "Affine",
    "LayerContext",
    "NoForwardPassError",
    "Pass",
    "Rule",
    "Variable",
    "by_row",
    "kernel_before_affine",
    "kernel_behind_affine",
    "of_single_rows",
    "penalty_of_kernel",
]

# Keras classes of our own are made and registered once, whatever thread asks first.
_making_classes = threading.RLock()


class NoForwardPassError(NotImplementedError):
    """Only Keras knows what a layer computes; the message names the layer."""


class Affine(NamedTuple):
    """What multiplies and shifts the last axis: ``x * factor + offset``.

    Parameters
    ----------
    factor, offset : ndarray of shape (n,), or number, float64
    """

    factor: NDArray[np.float64] | np.float64
    offset: NDArray[np.float64] | np.float64

    @property
    def does_nothing(self) -> bool:
        """Whether it changes no number."""
        return bool((self.factor == 1).all() and (self.offset == 0).all())


@dataclasses.dataclass(frozen=True)
class Variable:
    """One weight of one layer.

    Parameters
    ----------
    layer : int
        Position of the layer in its network.
    name : str
    shape : tuple of int
        Without the member axis.
    trainable : bool
        Whether it is trained by gradient.
    initializer : str
        How it starts: ``"zeros"``, ``"ones"``, ``"glorot_uniform"``, or what `Rule.initial` or
        Keras draw.
    """

    layer: int
    name: str
    shape: Shape
    trainable: bool = True
    initializer: str = "zeros"


def no_noise(position: int, shape: Any) -> Tensor:
    """Stand in for noise in a pass that has none."""
    raise ValueError(f"layer {position} asked for noise of shape {shape} outside training")


def no_key(position: int) -> Tensor:
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
    mask: Tensor | None = None
    step_share: Tensor | None = None
    noise: Callable[[int, Any], Tensor] = no_noise
    key: Callable[[int], Tensor] = no_key
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
    mask : tensor of shape [M, B, n_steps], bool, or None
        True for the steps that count, None where all do; a list of these for a layer that takes
        several tensors.
    """

    position: int
    variables: list[Tensor]
    scalars: dict[str, Tensor]
    run: Pass
    mask: Any = None


class Rule:
    """Base of all rules: a layer of Keras without variables and scalars that changes no shape.

    A layer that takes several tensors gets a list of them, and one shape for each.

    Attributes
    ----------
    scalars : tuple of str
        Arguments in which members of a stack may differ.
    one_member_at_a_time : bool
        Whether members must go through the layer one after another in the plain graph.
    compiles : bool
        Whether XLA can compile it, and with members side by side.
    draws_noise : bool
        Whether it draws from the member's own noise in training.
    noise_scalars : tuple of str
        Those of `scalars` without which it draws none.
    has_fixed_widths : bool
        Whether its own code computes, for which widths must be known while tracing.
    adds_bias : bool
        Whether its second variable is a bias that is added to its result.
    absorbs_shift : bool
        Whether adding a constant to its inputs changes nothing in training.
    shifted_variables : tuple of str
        Variables to which a constant must be added with the inputs for the same outputs.
    keeps_mask : bool
        Whether a mask of its inputs is that of its outputs too, as ``supports_masking`` of Keras.
    takes_sparse_rows : bool
        Whether `apply` takes `SparseRows`.
    """

    scalars: tuple[str, ...] = ()
    one_member_at_a_time = False
    compiles = True
    draws_noise = False
    noise_scalars: tuple[str, ...] = ()
    has_fixed_widths = False
    adds_bias = False
    absorbs_shift = False
    shifted_variables: tuple[str, ...] = ()
    keeps_mask = False
    takes_sparse_rows = False

    # ------------------------------------------------------------------ as a Keras layer

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        """Return the Keras class of the layer."""
        import keras

        kind: type[keras.layers.Layer] = getattr(keras.layers, layer.kind)
        return kind

    def keras_layer(self, layer: Layer, seed: int) -> keras.layers.Layer:
        """Return a new Keras layer; `seed` starts its noise where it has any."""
        import keras

        config: dict[str, Any] = dict(layer.config)
        penalty = {name: config.pop(name) for name in ("l1", "l2") if name in config}
        if any(penalty.values()):
            config["kernel_regularizer"] = keras.regularizers.L1L2(**penalty)
        if self.draws_noise:
            config["seed"] = seed
        with _making_classes:
            kind = self.keras_class(layer)
        return kind(**config)

    def keras_call(self, built: keras.layers.Layer, tensors: list[Any]) -> Any:
        """Return what the Keras layer makes of symbolic tensors."""
        return built(tensors[0] if len(tensors) == 1 else tensors)

    def summary(self, layer: Layer) -> str:
        """Return the layer in a few words."""
        return layer.kind

    def does_nothing(self, layer: Layer) -> bool:
        """Tell whether it hands on its inputs as they are, always."""
        del layer
        return False

    # ------------------------------------------------------------------ variables and shapes

    def structure(self, layer: Layer) -> Hashable:
        """Return what is built into the trace."""
        del layer
        return ()

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        """Return the layer's variables, in Keras' order, for inputs of `shape`."""
        del layer, position, shape
        return []

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        """Return the shape of one row after the layer."""
        del layer
        return shape

    def peak_width(self, layer: Layer, shape: Shape) -> int:
        """Return the peak floats per row inside the layer; 0 if not above its input or output."""
        del layer, shape
        return 0

    def n_loop_steps(self, layer: Layer, shape: Shape) -> int:
        """Return how often a loop inside the layer goes round; 0 if there is none."""
        del layer, shape
        return 0

    def noise_size(self, layer: Layer, shape: Shape) -> int:
        """Return the numbers of noise per row in one step, where it draws any."""
        del layer
        return size(shape)

    def im2col_size(self, layer: Layer, shape: Shape) -> int:
        """Return the floats per row of its windows, laid out for a matrix product (im2col)."""
        del layer, shape
        return 0

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        """Draw a variable's first values; None where its initializer says how."""
        del layer, variable, generator
        return None

    def constants(
        self, layer: Layer, X: NDArray[Any]
    ) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
        """Return the variables that the training rows decide, and the rows for the next layer.

        Parameters
        ----------
        layer : Layer
        X : ndarray of shape (n_samples, n_features)
            The rows to train on in front of the layer, which may hold NaN.

        Returns
        -------
        constants : dict of str to ndarray
            By name of the variable.
        X : ndarray
            What the layers behind should learn their constants from.
        """
        del layer
        return {}, X

    # ------------------------------------------------------------------ for a stack of members

    def is_faithful(self, layer: Layer, shape: Shape) -> bool:
        """Tell whether training through this rule is what Keras does."""
        del layer, shape
        return True

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        """Return outputs and new values of the variables that are not trained by gradient."""
        raise NotImplementedError

    def has_mask(self, layer: Layer, given: Sequence[bool]) -> bool:
        """Tell whether its outputs have a mask, given which of its inputs have one."""
        del layer
        return self.keeps_mask and any(given)

    def mask(self, layer: Layer, x: Tensor, given: Any) -> Tensor:
        """Return the mask of its outputs where `has_mask`; `given` is `LayerContext.mask`."""
        del layer, x
        return given

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        """Return what the layer adds to the loss, ``[M]`` or 0."""
        del variables, scalars
        return 0.0

    # ------------------------------------------------------------------ in prediction, for one

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        """Return outputs of one network, without TensorFlow.

        Parameters
        ----------
        ops : Operations
        layer : Layer
        weights : sequence of ndarray
            In the order of `variables`, without a member axis.
        x : value of shape [B, ...], or list of them
            Inputs; a list for a layer that takes several tensors.

        Raises
        ------
        NoForwardPassError
            If only Keras knows what the layer computes.
        """
        del ops, weights, x
        raise NoForwardPassError(f"{self.summary(layer)} is a layer that only Keras can compute")

    def keeps_units_apart(self, layer: Layer) -> bool:
        """Tell whether units whose weights are all zero change nothing for the others."""
        del layer
        return False

    def forward_masked(
        self, ops: Operations, layer: Layer, weights: Arrays, x: Value, mask: Value
    ) -> Value:
        """Return what `forward` does, where steps of the inputs may not count.

        Parameters
        ----------
        ops, layer, weights, x
            As in `forward`.
        mask : value of shape [B, n_steps, 1], bool, or None
            True for the steps that count; a list for a layer that takes several tensors.
        """
        del mask
        return self.forward(ops, layer, weights, x)

    def forward_mask(self, ops: Operations, layer: Layer, x: Value, given: Value) -> Value:
        """Return the mask of its outputs where `has_mask`, as `forward_masked` takes it."""
        del ops, layer, x
        return given

    def passes_through(self, layer: Layer) -> bool:
        """Tell whether it hands on its inputs as they are in prediction."""
        return self.does_nothing(layer)

    def as_affine(self, layer: Layer, weights: Arrays) -> Affine | None:
        """Return the factor and offset that the layer amounts to in prediction, if it does."""
        del weights
        return Affine(np.float64(1.0), np.float64(0.0)) if self.passes_through(layer) else None

    def behind_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        """Return weights with which it computes the same without `affine` in front of it."""
        del layer
        return weights if affine.does_nothing else None

    def before_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        """Return weights with which it computes what `affine` makes of its outputs."""
        del layer
        return weights if affine.does_nothing else None


def by_row(values: Tensor) -> Tensor:
    """Return what members have ``[M, n]`` for each of their rows, ``[M, 1, n]``."""
    import tensorflow as tf

    return tf.expand_dims(values, 1)


def penalty_of_kernel(kernel: Tensor, scalars: dict[str, Tensor]) -> Tensor | float:
    """Return ``l1 * sum(|w|) + l2 * sum(w**2)`` of each member, ``[M]`` or 0."""
    import tensorflow as tf

    n_axes = len(kernel.shape) - 1
    terms = [
        of_members(scalars[name], n_axes) * values(kernel)
        for name, values in (("l1", tf.abs), ("l2", tf.square))
        if name in scalars
    ]
    # Summed once: sums over all weights are what penalties cost under XLA.
    return tf.reduce_sum(tf.add_n(terms), list(range(1, n_axes + 1))) if terms else 0.0


def kernel_behind_affine(weights: Arrays, affine: Affine) -> Arrays:
    """Return a kernel, and a bias, that compute the same without `affine` in front of them."""
    kernel, *bias = (array.astype(np.float64) for array in weights)
    factor, offset = (np.broadcast_to(array, kernel.shape[-2]) for array in affine)
    shift = offset @ kernel.sum(tuple(range(kernel.ndim - 2)))
    return _kernel_and_bias(kernel * factor[:, None], shift + sum(bias))


def kernel_before_affine(weights: Arrays, affine: Affine) -> Arrays:
    """Return a kernel, and a bias, that compute what `affine` makes of their outputs."""
    kernel, *bias = (array.astype(np.float64) for array in weights)
    return _kernel_and_bias(kernel * affine.factor, sum(bias) * affine.factor + affine.offset)


def _kernel_and_bias(kernel: NDArray[np.float64], bias: Any) -> Arrays:
    bias = np.broadcast_to(bias, kernel.shape[-1])
    return [kernel.astype(np.float32), bias.astype(np.float32)]


def of_single_rows(function: Callable[..., Tensor], x: Tensor | list[Tensor]) -> Tensor:
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
