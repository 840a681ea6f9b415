"""TensorFlow functions, called without the checks that cost small networks half of a fit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from skdl import _compile_cache
from skdl._compat_tensorflow import call_of_tensors, without_retracing_warning
from skdl._tensorflow_logs import without_notes
from skdl.training.engine._garbage import full_collections_put_off

if TYPE_CHECKING:
    from collections.abc import Callable

    from skdl._compat_tensorflow import CallOfTensors

__all__ = ["Traced"]


class Traced:
    """A function of tensors, traced at its first call and then called as it is.

    TensorFlow matches every argument of every call against the signature, which takes longer than
    an epoch of a small network. Here the arguments are always of the same kind: only shapes
    differ, and only XLA, which compiles for given ones, must be asked by them.

    Parameters
    ----------
    body : callable
        Takes and returns (named tuples of) tensors.
    signature : tuple
        What it takes, shapes left open.
    compiled : bool
        By XLA, for the shapes of each call.
    """

    def __init__(
        self, body: Callable[..., object], signature: tuple[object, ...], *, compiled: bool
    ) -> None:

        self._body, self._signature, self._by_shape = body, signature, compiled
        self._function = self._new_function()
        self._calls: dict[object, CallOfTensors] = {}
        self._has_run: set[object] = set()
        self._lock = threading.Lock()

    def _new_function(self) -> Any:
        import tensorflow as tf

        function = tf.function(
            self._body,
            input_signature=None if self._by_shape else self._signature,
            autograph=False,
            jit_compile=self._by_shape,
        )
        # A trace for each set of shapes is meant; TensorFlow would warn users of it.
        return without_retracing_warning(function)

    def __call__(self, *arguments: object) -> Any:
        """Call the function; tensors only."""
        key = self._key(arguments)
        call = self._call_for(key, arguments)
        if key in self._has_run:
            return call(arguments)
        with without_notes():
            result = self._first(call, arguments)
        self._has_run.add(key)
        return result

    def _first(self, call: CallOfTensors, arguments: tuple[object, ...]) -> Any:
        """Call it for the first time, at which XLA compiles, or reads what it once compiled."""
        import tensorflow as tf

        try:
            return call(arguments)
        except (tf.errors.DataLossError, tf.errors.OutOfRangeError):
            # One was cut short. TensorFlow would not compile this function again.
            if not _compile_cache.clear():
                raise
            with self._lock:
                self._function = self._new_function()
                self._calls.clear()
            return self._call_for(self._key(arguments), arguments)(arguments)

    def trace(self, *arguments: object) -> None:
        """Trace it for a call like this one, any call where shapes are open."""
        self._call_for(self._key(arguments), arguments)

    @property
    def is_ready(self) -> bool:
        """Whether it has been traced."""
        return bool(self._calls)

    def _key(self, arguments: tuple[object, ...]) -> object:
        return self._shapes(arguments) if self._by_shape else None

    def _call_for(self, key: object, arguments: tuple[object, ...]) -> CallOfTensors:
        call = self._calls.get(key)
        if call is None:
            # Threads of a lockstep batch come here all at once; one of them traces.
            with self._lock:
                call = self._calls.get(key)
                if call is None:
                    given = arguments if self._by_shape else ()
                    with full_collections_put_off():
                        concrete = self._function.get_concrete_function(*given)
                    call = self._calls[key] = call_of_tensors(concrete)
        return call

    def _shapes(self, arguments: tuple[object, ...]) -> tuple[object, ...]:
        import tensorflow as tf

        return tuple(tuple(tensor.shape) for tensor in tf.nest.flatten(arguments))
