"""Where TensorFlow computes: calls side by side on the cores of this process, or on a GPU."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from joblib import cpu_count

from skdl._compat_tensorflow import with_device_of_each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "has_gpu",
    "index_dtype",
    "n_cores",
    "on_device",
    "shapes_on_host",
    "side_by_side",
]

Given = TypeVar("Given")
Found = TypeVar("Found")


@functools.cache
def has_gpu() -> bool:
    """Tell whether TensorFlow puts work on a GPU.

    One that ``tf.config.set_visible_devices`` hides from TensorFlow does not count.
    """
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


def index_dtype() -> str:
    """Return the type of what picks rows inside a loop.

    TensorFlow keeps int32 on the host, from where it would be copied to a GPU in each step.
    """
    return "int64" if has_gpu() else "int32"


def shapes_on_host(body: Callable[..., Found]) -> Callable[..., Found]:
    """Return the body of a function in whose graph arithmetic on shapes stays on the host.

    Shapes come from the host and are needed there, but some of TensorFlow's kernels for int32 work
    on a GPU: each step would wait for what they send back.
    """
    return with_device_of_each(_device_of, body) if has_gpu() else body


def _device_of(operation: Any) -> str:
    import tensorflow as tf

    def is_on_host(tensor: Any) -> bool:
        return bool(
            tensor.dtype == tf.int32 or (tensor.dtype == tf.bool and "CPU" in tensor.op.device)
        )

    is_of_shapes = all(map(is_on_host, operation.inputs)) and all(
        tensor.dtype in (tf.int32, tf.bool) for tensor in operation.outputs
    )
    device: str = operation.device
    return "/CPU:0" if operation.inputs and operation.outputs and is_of_shapes else device


def on_device(tensors: Any) -> Any:
    """Return tensors on the GPU, if there is one; int32 stays on the host.

    A tensor on the host is copied to the GPU at each call of a function that takes it.

    Parameters
    ----------
    tensors : tensor, or (named) tuple of them
    """
    import tensorflow as tf

    if not has_gpu():
        return tensors
    with tf.device("/GPU:0"):
        return tf.nest.map_structure(tf.identity, tensors)


@functools.cache
def n_cores() -> int:
    """Return how many calls may run at once: 1 on a GPU, which is one device."""
    return 1 if has_gpu() else max(1, cpu_count())


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_cores(), thread_name_prefix="skdl-part")


def side_by_side(call: Callable[[Given], Found], arguments: Sequence[Given]) -> list[Found]:
    """Return ``[call(a) for a in arguments]``, as many at once as there are cores.

    Parameters
    ----------
    call : callable
        Spends its time outside the interpreter, and does not wait for another call.
    arguments : sequence
    """
    if len(arguments) == 1 or n_cores() == 1:
        return [call(argument) for argument in arguments]
    return list(_pool().map(call, arguments))
