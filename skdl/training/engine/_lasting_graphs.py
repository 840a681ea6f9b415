"""Traced functions as definitions that outlast the process: named alike in each, kept on disk.

TensorFlow numbers functions as they are traced, and finds on disk what XLA compiled by these names
among others: a process that traces in another order would compile everything again. Here a function
is named by what it computes. Its definition is a message of TensorFlow's and lies beside XLA's
compilations, so that the next process need not trace it; the graph in Python is let go.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import hashlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skdl import _compile_cache
from skdl._compat_tensorflow import is_watched
from skdl._whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LastingGraph", "lasting_text", "name_for", "read", "retire", "taken_out", "write"]

# What a trace depends on beside the versions of TensorFlow and Keras, which the folder is named by.
_SOURCES = ("layers", "networks", "training")
_SUFFIX = ".graph"
# Larger ones hold tables of numbers, which are as quickly made anew.
_MOST_BYTES = 4 * 1024**2
_PYTHON = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})
# What keeps something from one call to the next: streams of random numbers, tables, variables.
_STATEFUL = frozenset({"container", "seed", "shared_name"})

_retired: collections.Counter[str] = collections.Counter()


@dataclasses.dataclass(frozen=True)
class LastingGraph:
    """A function, and all that it calls.

    Parameters
    ----------
    name : str
    library : tensorflow.FunctionDefLibrary
    """

    name: str
    library: Any

    @property
    def n_outputs(self) -> int:
        """Number of tensors that it gives."""
        (own,) = (f for f in self.library.function if f.signature.name == self.name)
        return len(own.signature.output_arg)


# ------------------------------------------------------------------------------------------ names


def lasting_text(key: Any) -> str | None:
    """Write down a program's key, equal in every process.

    None where it holds code of the user's, or objects of classes that are not Keras' own.
    """
    try:
        return _text(key)
    except TypeError:
        return None


def _text(value: Any) -> str:
    if value is None or isinstance(value, (bool, bytes, float, int, str)):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, tuple):
        return f"({','.join(map(_text, value))})"
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith("skdl."):
        parts = [_text(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare]
        return f"{type(value).__qualname__}({','.join(parts)})"
    raise TypeError(type(value).__name__)


def name_for(*parts: object) -> str:
    """Return the name of a function that computes what the parts tell."""
    made_of = "\n".join(map(str, (*parts, _sources(), *_settings())))
    name = f"skdl_{hashlib.sha256(made_of.encode()).hexdigest()[:24]}"
    return f"{name}_{_retired[name]}" if _retired[name] else name


def retire(name: str) -> None:
    """Let the next function that computes the same have another name, in this process."""
    _retired["_".join(name.split("_")[:2])] += 1


@functools.cache
def _sources() -> str:
    """Return a digest of the code that traces."""
    package = Path(__file__).parents[2]
    files = [f for folder in _SOURCES for f in sorted((package / folder).rglob("*.py"))]
    digest = hashlib.sha256()
    for file in [*files, *sorted(package.glob("_compat_*.py"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _settings() -> list[object]:
    """Return what users set in Keras that goes into a trace."""
    import keras

    config = keras.config
    return [
        config.floatx(),
        config.epsilon(),
        config.image_data_format(),
        config.dtype_policy().name,
    ]


# ------------------------------------------------------------------------------------- definitions


def taken_out(concrete: Any, name: str) -> LastingGraph | None:
    """Return a traced function under another name; None if it cannot be parted from its process.

    That is so where it captures tensors, runs Python, or keeps something between calls.
    """
    if concrete.captured_inputs or is_watched():
        return None
    called = concrete.graph.as_graph_def().library
    found = {f.signature.name: f for f in called.function}
    top = concrete.function_def
    found[top.signature.name] = top
    order = _reached(top.signature.name, found)
    names = {old: f"{name}_{i}" if i else name for i, old in enumerate(order)}
    library = type(called)()
    for old in order:
        own = library.function.add()
        own.CopyFrom(found[old])
        own.signature.name = names[old]
        for node in own.node_def:
            if node.op in _PYTHON or not _STATEFUL.isdisjoint(node.attr):
                return None
            node.ClearField("experimental_debug_info")
            node.op = names.get(node.op, node.op)
            for own_call in _functions_of(node):
                own_call.name = names[own_call.name]
        _number_arguments(own)
    return LastingGraph(name, library)


def _number_arguments(definition: Any) -> None:
    """Name a function's arguments by their places; TensorFlow puts its numbers into some names."""
    names = {}
    for i, argument in enumerate(definition.signature.input_arg):
        names[argument.name] = f"skdl_argument_{i}"
        argument.name = names[argument.name]
    for node in definition.node_def:
        node.input[:] = [names.get(given, given) for given in node.input]
    for output, given in list(definition.ret.items()):
        definition.ret[output] = names.get(given, given)


def _functions_of(node: Any) -> Iterator[Any]:
    """Yield the functions that a node's attributes name, in an order that is the same each time.

    That of a message's map is another one in each process, and decides how functions are numbered.
    """
    for key in sorted(node.attr):
        value = node.attr[key]
        if value.HasField("func"):
            yield value.func
        yield from value.list.func


def _reached(top: str, found: dict[str, Any]) -> list[str]:
    """Return the names of a function and of those it calls, in the order of the calls."""
    order, waiting = [], [top]
    while waiting:
        name = waiting.pop()
        if name in order:
            continue
        order.append(name)
        called = []
        for node in found[name].node_def:
            called += [node.op] if node.op in found else []
            called += [f.name for f in _functions_of(node)]
        waiting += reversed(called)
    return order


# -------------------------------------------------------------------------------------------- files


def read(name: str) -> LastingGraph | None:
    """Return what is kept under a name; None if there is nothing, or nothing whole."""
    import tensorflow as tf

    file = _file(name)
    if file is None:
        return None
    try:
        kept = file.read_bytes()
        packed = kept[32:]
        if hashlib.sha256(packed).digest() != kept[:32]:
            return None
        graph = LastingGraph(
            name, tf.compat.v1.GraphDef.FromString(zlib.decompress(packed)).library
        )
        with contextlib.suppress(OSError):
            os.utime(file)  # what is in use is not among the oldest
        return graph if graph.library.function[0].signature.name == name else None
    except (OSError, IndexError):
        return None


def write(graph: LastingGraph) -> None:
    """Keep a graph for later processes, where compilations are kept."""
    import tensorflow as tf

    file = _file(graph.name)
    if file is None:
        return
    packed = zlib.compress(
        tf.compat.v1.GraphDef(library=graph.library).SerializeToString(deterministic=True), 6
    )
    if len(packed) > _MOST_BYTES:
        return
    with contextlib.suppress(OSError):
        write_whole(file, hashlib.sha256(packed).digest() + packed, private=True)


def _file(name: str) -> Path | None:
    folder = _compile_cache.own_folder()
    return None if folder is None else folder / f"{name}{_SUFFIX}"
