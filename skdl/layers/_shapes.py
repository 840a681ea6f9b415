"""Shapes in a trace: numbers where they are known, tensors where they are open."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from tensorflow import Tensor

__all__ = ["Shape", "concatenated", "n_row_axes", "of_members", "shape_of", "size"]

Shape: TypeAlias = tuple[int, ...]


def n_row_axes(x: Tensor) -> int:
    """Return how many axes one row has in a tensor ``[M, B, ...]``."""
    return len(x.shape) - 2


def of_members(values: Tensor, n_axes: int) -> Any:
    """Return ``[M]`` with axes of length 1 behind it, as many as one member's part has."""
    import tensorflow as tf

    return tf.reshape(values, [-1] + [1] * n_axes)


def shape_of(x: Tensor) -> Any:
    """Return the lengths of a tensor's axes, an array if all are known.

    Operations on tensors of shapes make a third of a trace, and so of the time that it takes.
    """
    import tensorflow as tf

    return np.array(x.shape, np.int32) if x.shape.is_fully_defined() else tf.shape(x)


def concatenated(*parts: Any) -> Any:
    """Join pieces of shapes."""
    import tensorflow as tf

    if any(tf.is_tensor(part) for part in parts):
        return tf.concat(parts, 0)
    return np.concatenate([np.asarray(part, np.int32) for part in parts])


def size(shape: Any) -> int:
    """Return the number of elements of one shape, or of several together."""
    if shape and isinstance(shape[0], tuple):
        return sum(map(size, shape))
    return math.prod(shape)
