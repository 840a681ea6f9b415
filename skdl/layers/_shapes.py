"""Shapes in a trace: numbers where they are known, tensors where they are open."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["concatenated", "shape_of"]


def shape_of(x: Any) -> Any:
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
