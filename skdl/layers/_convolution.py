"""Rules for images and signals: convolutions, pooling, and what stands around them.

In the plain graph, members of a stack that has such a layer run one to a call (see `Stack`), so the
member axis has length 1 here and convolutions see the ``[B, ...]`` that TensorFlow's own kernels
want. Under XLA, a convolution of small images is a matrix product of their windows with the kernel,
which all members of a part compute at once; XLA's own convolutions on a CPU take 40 times as long
as TensorFlow's.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import (
    Affine,
    LayerContext,
    Rule,
    Variable,
    by_row,
    kernel_before_affine,
    kernel_behind_affine,
    penalty_of_kernel,
)
from skdl.layers._shapes import Shape, concatenated, n_row_axes, shape_of, size

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays
    from skdl.networks import Layer

__all__ = [
    "ConvRule",
    "FlattenRule",
    "GlobalPoolingRule",
    "PoolingRule",
    "RescalingRule",
    "as_before",
    "images",
    "mean_of_steps",
]

# Below the share of one step in the longest sequences: keeps a mean of no step from 0 / 0.
_NO_STEP = 1e-9


def pair(value: Any, n_axes: int) -> tuple[int, ...]:
    """Return one number per axis of space."""
    return (value,) * n_axes if isinstance(value, int) else tuple(value)


def images(x: Tensor) -> Tensor:
    """Return ``[B, height, width, C]`` of ``[1, B, ..., C]``; a signal is an image of height 1."""
    import tensorflow as tf

    shape = tf.shape(x)
    rows = tf.reshape(x, tf.concat([shape[1:2], *_height_of_signals(x), shape[2:]], 0))
    rows.set_shape([None, None, None, x.shape[-1]])
    return rows


def _is_signal(x: Tensor) -> bool:
    """Tell whether rows are ``[length, C]``."""
    return n_row_axes(x) == len(("length", "channels"))


def _height_of_signals(x: Tensor) -> list[list[int]]:
    return [[1]] if _is_signal(x) else []


def as_before(rows: Tensor, x: Tensor) -> Tensor:
    """Undo `images` for what was computed of it."""
    import tensorflow as tf

    shape = tf.shape(rows)
    result = tf.reshape(
        rows, tf.concat([[1], shape[:1], shape[2:] if _is_signal(x) else shape[1:]], 0)
    )
    result.set_shape([None] * len(x.shape))
    return result


def windows_of(x: Tensor, kernel: tuple[int, ...], *, padding: str) -> Tensor:
    """Return the windows around each position, their values in the order of a kernel's.

    Parameters
    ----------
    x : tensor of shape [M, B, ..., C]
    kernel : tuple of int
        Length of a window along each axis of space.
    padding : {"same", "valid"}

    Returns
    -------
    tensor of shape [M, B, ..., prod(kernel) * C]
    """
    import tensorflow as tf

    if padding == "same":
        # As TensorFlow: of an odd number of zeros, the larger part stands behind.
        around = [[(k - 1) // 2, k // 2] for k in kernel]
        x = tf.pad(x, [[0, 0], [0, 0], *around, [0, 0]])
    space = [n - k + 1 for n, k in zip(x.shape[2:-1], kernel, strict=True)]
    parts = []
    for corner in itertools.product(*map(range, kernel)):
        cut = [slice(start, start + n) for start, n in zip(corner, space, strict=True)]
        parts.append(x[(slice(None), slice(None), *cut)])
    return tf.concat(parts, -1)


class ConvRule(Rule):
    """Convolution with bias, stride 1, with L1 and L2 penalties on the kernel as `DenseRule`."""

    scalars = ("l1", "l2")
    adds_bias = True
    one_member_at_a_time = True

    def __init__(self, n_axes: int) -> None:
        self.n_axes = n_axes

    def structure(self, layer: Layer) -> Hashable:
        padding: Hashable = layer["padding"]
        return padding

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        filters = layer["filters"]
        kernel = (*pair(layer["kernel_size"], self.n_axes), shape[-1], filters)
        return [
            Variable(position, "kernel", kernel, initializer="glorot_uniform"),
            Variable(position, "bias", (filters,)),
        ]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        lost = 0 if layer["padding"] == "same" else 1
        kernel = pair(layer["kernel_size"], self.n_axes)
        space = [n - lost * (k - 1) for n, k in zip(shape[:-1], kernel, strict=True)]
        return (*space, layer["filters"])

    def im2col_size(self, layer: Layer, shape: Shape) -> int:
        positions = size(self.output_shape(layer, shape)[:-1])
        return positions * size(pair(layer["kernel_size"], self.n_axes)) * shape[-1]

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        if context.run.compiled:
            return self._as_product(layer, x, *context.variables), []
        kernel, bias = (variable[0] for variable in context.variables)
        if self.n_axes == 1:
            kernel = kernel[None]
        rows = tf.nn.conv2d(images(x), kernel, strides=1, padding=layer["padding"].upper())
        # Not `+`, whose gradient sums over all rows and positions by a slower kernel.
        return as_before(tf.nn.bias_add(rows, bias), x), []

    def _as_product(self, layer: Layer, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        import tensorflow as tf

        sides = pair(layer["kernel_size"], self.n_axes)
        windows = windows_of(x, sides, padding=layer["padding"])
        width, filters = windows.shape[-1], kernel.shape[-1]
        members = shape_of(kernel)[:1]
        rows = tf.reshape(windows, concatenated(members, [-1, width]))
        kernels = tf.reshape(kernel, concatenated(members, [width, filters]))
        result = tf.matmul(rows, kernels) + by_row(bias)
        return tf.reshape(result, concatenated(shape_of(windows)[:-1], [filters]))

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        return penalty_of_kernel(variables[0], scalars)

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        kernel, bias = weights
        return ops.convolution(x, kernel, bias, layer["padding"])

    def behind_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        if layer["padding"] == "same" and affine.offset.any():
            return None  # the zeros around the image would have to be others
        return kernel_behind_affine(weights, affine)

    def before_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        del layer
        return kernel_before_affine(weights, affine)


class PoolingRule(Rule):
    """The largest or the mean value of each window; what is left over at the edge falls away."""

    one_member_at_a_time = True

    def __init__(self, n_axes: int, kind: str) -> None:
        self.n_axes = n_axes
        self.kind = kind

    def structure(self, layer: Layer) -> Hashable:
        return pair(layer["pool_size"], self.n_axes)

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        window = pair(layer["pool_size"], self.n_axes)
        return (*(n // k for n, k in zip(shape[:-1], window, strict=True)), shape[-1])

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        if context.run.compiled:
            return self._of_blocks(layer, x), []
        pool = {"max": tf.nn.max_pool2d, "average": tf.nn.avg_pool2d}[self.kind]
        window = (1,) * (2 - self.n_axes) + pair(layer["pool_size"], self.n_axes)
        return as_before(pool(images(x), window, window, "VALID"), x), []

    def _of_blocks(self, layer: Layer, x: Tensor) -> Tensor:
        import tensorflow as tf

        window = pair(layer["pool_size"], self.n_axes)
        counts = [n // k for n, k in zip(x.shape[2:-1], window, strict=True)]
        whole = [slice(n * k) for n, k in zip(counts, window, strict=True)]
        sides = [side for n, k in zip(counts, window, strict=True) for side in (n, k)]
        shape = concatenated(shape_of(x)[:2], [*sides, x.shape[-1]])
        blocks = tf.reshape(x[(slice(None), slice(None), *whole)], shape)
        reduce = {"max": tf.reduce_max, "average": tf.reduce_mean}[self.kind]
        return reduce(blocks, [3 + 2 * axis for axis in range(self.n_axes)])

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del weights
        return ops.pooling(x, pair(layer["pool_size"], self.n_axes), self.kind)


class GlobalPoolingRule(Rule):
    """The largest or the mean value of each channel.

    As in Keras, only the mean over the steps of a sequence leaves masked ones out. That of no step
    is 0 here, where Keras gives NaN.
    """

    def __init__(self, n_axes: int, kind: str) -> None:
        self.n_axes = n_axes
        self.kind = kind

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        del layer
        return shape[-1:]

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer
        if context.mask is not None and self.kind == "average" and self.n_axes == 1:
            counts = context.mask[..., None]
            total = tf.reduce_sum(tf.where(counts, x, 0.0), 2)
            return tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(counts, tf.float32), 2)), []
        pool = {"max": tf.reduce_max, "average": tf.reduce_mean}[self.kind]
        return pool(x, list(range(2, len(x.shape) - 1))), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer, weights
        axes = tuple(range(1, 1 + self.n_axes))
        return ops.largest(x, axes) if self.kind == "max" else ops.mean(x, axes)

    def forward_masked(
        self, ops: Operations, layer: Layer, weights: Arrays, x: Value, mask: Value
    ) -> Value:
        if mask is None or self.kind == "max" or self.n_axes > 1:
            return self.forward(ops, layer, weights, x)
        return mean_of_steps(ops, x, mask)


def mean_of_steps(ops: Operations, x: Value, mask: Value) -> Value:
    """Return the mean of the steps that count, 0 where none does."""
    total = ops.mean(ops.where(mask, x, 0.0), (1,))
    return ops.divide(total, ops.maximum(ops.mean(ops.as_float(mask), (1,)), _NO_STEP))


class FlattenRule(Rule):
    """All values of a row behind one another."""

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        del layer
        return (size(shape),)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer, context
        shape = tf.shape(x)
        return tf.reshape(x, [shape[0], shape[1], tf.reduce_prod(shape[2:])]), []

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer, weights
        return ops.flat_rows(x)


class RescalingRule(Rule):
    """``x * scale``."""

    keeps_mask = True

    def structure(self, layer: Layer) -> Hashable:
        scale: Hashable = layer["scale"]
        return scale

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        del context
        return x * layer["scale"], []

    def as_affine(self, layer: Layer, weights: Arrays) -> Affine:
        del weights
        return Affine(np.float64(layer["scale"]), np.float64(0.0))

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del weights
        return ops.multiply(x, float(layer["scale"]))
