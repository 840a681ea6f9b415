"""TensorFlow functions, called without the checks that cost small networks half of a fit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from skdl import _compile_cache
from skdl._compat_tensorflow import call_by_name, call_of_tensors
from skdl._tensorflow_logs import without_notes
from skdl.training.engine._devices import has_gpu
from skdl.training.engine._garbage import full_collections_put_off
from skdl.training.engine._lasting_graphs import name_for, read, retire, taken_out, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from skdl._compat_tensorflow import CallOfTensors
    from skdl.training.engine._lasting_graphs import LastingGraph

__all__ = ["Traced"]


class Traced:
    """A function of tensors, traced at its first call and then called as it is.

    TensorFlow matches every argument of every call against the signature, which takes longer than
    an epoch of a small network. Here the arguments are always of the same kind: only shapes
    differ, which the trace leaves open. XLA compiles it for those of each call.

    Parameters
    ----------
    body : callable
        Takes and returns (named tuples of) tensors.
    signature : tuple
        What it takes, shapes left open.
    result : object
        What it returns, with anything in the tensors' places.
    compiled : bool
        By XLA.
    by_shape : bool
        Trace what is compiled for the shapes of each call.
    key : str, optional
        Tells all that it computes, in every process, so that what one has traced others need not.
    """

    def __init__(
        self,
        body: Callable[..., object],
        signature: tuple[object, ...],
        result: object,
        *,
        compiled: bool,
        by_shape: bool = False,
        key: str | None = None,
    ) -> None:

        self._body, self._signature, self._result = body, signature, result
        self._compiled, self._by_shape, self._key = compiled, by_shape, key
        self._calls: dict[object, CallOfTensors] = {}
        self._names: list[str] = []
        self._has_run: set[object] = set()
        self._lock = threading.Lock()

    def __call__(self, *arguments: object) -> Any:
        """Call the function; tensors only."""
        key = self._shapes(arguments) if self._compiled else None
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
            self.retire()
            return self._call_for(self._shapes(arguments), arguments)(arguments)

    def trace(self, *arguments: object) -> None:
        """Trace it for a call like this one, any call where shapes are open."""
        self._call_for(self._shapes(arguments), arguments)

    @property
    def is_ready(self) -> bool:
        """Whether it has been traced."""
        return bool(self._calls)

    def retire(self) -> None:
        """Make it anew at the next call, here and wherever else this is computed."""
        with self._lock:
            for name in self._names:
                retire(name)
            self._names.clear()
            self._calls.clear()

    def _call_for(self, shapes: object, arguments: tuple[object, ...]) -> CallOfTensors:
        shapes = shapes if self._by_shape else None
        call = self._calls.get(shapes)
        if call is None:
            # Threads of a lockstep batch come here all at once; one of them traces.
            with self._lock:
                call = self._calls.get(shapes)
                if call is None:
                    given = arguments if self._by_shape else self._signature
                    call = self._calls[shapes] = self._new_call(shapes, given)
        return call

    def _new_call(self, shapes: object, given: tuple[object, ...]) -> CallOfTensors:
        name = None
        if self._key is not None and not has_gpu():
            name = name_for(self._key, self._body.__name__, self._compiled, shapes)
            self._names.append(name)
            kept = read(name)
            call = None if kept is None else self._by_name(kept)
            if call is not None:
                return call
        with full_collections_put_off():
            concrete = self._trace(given)
            graph = None if name is None else taken_out(concrete, name)
        call = None if graph is None else self._by_name(graph)
        if graph is None or call is None:
            return call_of_tensors(concrete)
        write(graph)
        return call

    def _trace(self, given: tuple[object, ...]) -> Any:
        import tensorflow as tf

        function = tf.function(self._body, autograph=False, jit_compile=self._compiled)
        return function.get_concrete_function(*given)

    def _by_name(self, graph: LastingGraph) -> CallOfTensors | None:
        import tensorflow as tf

        call = call_by_name(graph.library, graph.name, graph.n_outputs)
        if call is None:
            return None
        return lambda arguments: tf.nest.pack_sequence_as(self._result, call(arguments))

    def _shapes(self, arguments: tuple[object, ...]) -> tuple[object, ...]:
        import tensorflow as tf

        return tuple(tuple(tensor.shape) for tensor in tf.nest.flatten(arguments))
