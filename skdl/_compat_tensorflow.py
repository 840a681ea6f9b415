"""Private parts of TensorFlow that we use, each with what breaks if it goes away.

Nothing else in the package looks up a private name of TensorFlow. Importing this module does not
import it.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    # Takes the arguments of a function as one tuple.
    CallOfTensors: TypeAlias = Callable[[tuple[object, ...]], Any]

__all__ = [
    "call_by_name",
    "call_of_tensors",
    "check_not_forked",
    "is_watched",
    "with_device_of_each",
]

_fork = {"after_tensorflow": False}


def _has_started() -> bool:
    """Tell whether TensorFlow has started its threads in this process.

    There is no public name that does not start them. Without it, a forked process would wait for
    threads that it does not have, for ever and without a word.
    """
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    return bool(getattr(context, "_initialized", False))


def _note_fork() -> None:
    _fork["after_tensorflow"] = _fork["after_tensorflow"] or _has_started()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_note_fork)


def check_not_forked(owner: str) -> None:
    """Raise in a process that was forked off one in which TensorFlow had been used.

    Parameters
    ----------
    owner : str
        Whose error it is: the estimator's name.

    Raises
    ------
    RuntimeError
        With what to do instead.
    """
    if _fork["after_tensorflow"]:
        raise RuntimeError(
            f"{owner}: this process was forked after TensorFlow had been used, and TensorFlow "
            "would wait here for ever. Expected a fresh process: start workers with "
            'multiprocessing.get_context("spawn") or with "loky", joblib\'s default backend, run '
            "gunicorn without --preload, or fork before the first fit or predict."
        )


def with_device_of_each(
    device_of: Callable[[Any], str], body: Callable[..., Any]
) -> Callable[..., Any]:
    """Return the body of a function, each operation of which is put on a device of its own.

    ``tf.device`` takes no function; that of TensorFlow 1 does, inside of a graph.

    Parameters
    ----------
    device_of : callable
        Gives the name of an operation's device.
    body : callable
    """
    import tensorflow as tf

    def placed(*arguments: Any) -> Any:
        with tf.compat.v1.device(device_of):
            return body(*arguments)

    return placed


def call_of_tensors(concrete: Any) -> CallOfTensors:
    """Return a call of a concrete function that takes its arguments, all tensors, as they are.

    The public call binds names and checks types, which takes longer than an epoch of a small
    network. Where the attributes below are gone, it is used after all.
    """
    import tensorflow as tf

    inference = getattr(concrete, "inference_fn", None)
    if inference is None or not hasattr(inference, "call_preflattened"):
        return lambda arguments: concrete(*arguments)
    captured = list(concrete.captured_inputs)
    call: Callable[[list[object]], Any] = inference.call_preflattened
    return lambda arguments: call(tf.nest.flatten(arguments) + captured)


def is_watched() -> bool:
    """Tell whether each operation of a trace may be changed by a debugger of TensorFlow's.

    ``tf.debugging.enable_check_numerics`` and the like have no public way of telling so.
    """
    return bool(getattr(_context(), "op_callbacks", ()))


def _context() -> Any:
    """Return what holds TensorFlow's functions in this process.

    There is no public name of it. Without it, functions are called as ``tf.function`` makes them.
    """
    import tensorflow as tf

    tf.config.list_logical_devices()  # which makes one
    return getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)


def call_by_name(library: Any, name: str, n_outputs: int) -> CallOfTensors | None:
    """Return a call of a function that TensorFlow gets as a message, None where it takes none.

    Functions come out of ``tf.function`` with a name of its choice, and a graph in Python. Without
    the attributes below they are used as they come.

    Parameters
    ----------
    library : tensorflow.FunctionDefLibrary
        The function, and all that it calls.
    name : str
    n_outputs : int

    Returns
    -------
    call : callable or None
        Takes its arguments as one tuple, however nested, and gives a list of tensors. TensorFlow
        forgets the functions with it.
    """
    import tensorflow as tf

    owner = _context()
    if not all(hasattr(owner, used) for used in ("add_function_def", "call_function")):
        return None
    names: list[str] = []
    forget = functools.partial(_forget_functions, owner, names)
    try:
        for definition in library.function:
            owner.add_function_def(definition)
            names.append(definition.signature.name)
    except tf.errors.InvalidArgumentError:
        # Another function has this name.
        forget()
        return None
    encoded = name.encode()

    def call(arguments: tuple[object, ...]) -> Any:
        return owner.call_function(encoded, tf.nest.flatten(arguments), n_outputs)

    weakref.finalize(call, forget).atexit = False
    return call


def _forget_functions(owner: Any, names: list[str]) -> None:
    for name in names:
        owner.remove_function(name)
