"""Memory that NumPy and TensorFlow share: what is written into it is a tensor without a copy.

TensorFlow takes an array's memory as it is if it begins at a multiple of 64 bytes, which that of
NumPy's arrays seldom does. Otherwise ``tf.constant`` copies it, once or twice.
"""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["aligned_zeros", "as_tensor", "is_aligned", "unaligned_empty"]

# Of TensorFlow's memory, in bytes.
_ALIGNMENT = 64


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros that `as_tensor` need not copy.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    array : ndarray
        What is not written takes no memory, as with ``numpy.zeros``.
    """
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    room = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + n_bytes].view(dtype).reshape(shape)


def unaligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array that TensorFlow copies where a graph gets it from Python.

    Arrays that it takes as they are it lets go only after the call of the graph: batches of a whole
    epoch would be in memory at once.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    array : ndarray
        Its elements are not set.
    """
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    room = np.empty(n_bytes + _ALIGNMENT, np.uint8)
    start = dtype.itemsize * (room.ctypes.data % _ALIGNMENT == 0)
    return room[start : start + n_bytes].view(dtype).reshape(shape)


def is_aligned(array: NDArray[Any]) -> bool:
    """Tell whether TensorFlow can take an array's memory as it is."""
    return bool(array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0 and array.size)


def as_tensor(array: NDArray[Any]) -> Any:
    """Return an array as a tensor, in the same memory where that is aligned.

    Nobody may write into the array as long as there is the tensor. The tensor keeps the array's
    memory, but for that of a memory map or another array that cannot be written to: keep that
    array as long as the tensor.
    """
    import tensorflow as tf

    if not is_aligned(array):
        return tf.constant(array)
    if not array.flags.writeable:
        # DLPack has no word for memory that is only read, as the tensor's is.
        held = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
        array = np.frombuffer(memoryview(held).cast("B"), array.dtype).reshape(array.shape)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
