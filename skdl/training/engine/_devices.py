"""Calls into TensorFlow, side by side on the cores of this process."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from joblib import cpu_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["has_gpu", "n_cores", "side_by_side"]

Given = TypeVar("Given")
Found = TypeVar("Found")


@functools.cache
def has_gpu() -> bool:
    """Whether TensorFlow puts work on a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


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
