"""What a traced function would do on a GPU, told from the kernels that TensorFlow is built with.

TensorFlow for Linux is built with kernels for GPUs and lists them, whether or not there is a GPU.
So a machine without one can tell which operations would run on the host, and which tensors would
cross the bus in each step of a loop.
"""

import collections
import functools

import tensorflow as tf
from tensorflow.python.framework import kernels, op_def_registry

GPU = ("GPU", "DEFAULT")
# Where XLA compiles for a GPU.
XLA = ("XLA_GPU_JIT",)
HOST, DEVICE = "host", "device"

_HANDLES = (tf.variant.as_datatype_enum, tf.resource.as_datatype_enum)
_LOOPS = ("While", "StatelessWhile")
# They are arguments, or are made into other operations before anything runs.
_WITHOUT_KERNEL = {
    *_LOOPS, "Case", "If", "NoOp", "PartitionedCall", "Placeholder", "StatefulPartitionedCall",
    "StatelessCase", "StatelessIf",
}  # fmt: skip
# What a loop becomes, with the type of each value that it carries.
_OF_LOOPS = ("Enter", "Exit", "Merge", "NextIteration", "Switch")


def missing_kernels(concrete, devices):
    """Count the operations, with their types, that no kernel of these devices computes."""
    found = collections.Counter()
    for node in _all_nodes(concrete):
        if node.op not in _WITHOUT_KERNEL and _kernel(node, devices) is None:
            found[node.op, tuple(map(_name, _types(node).values()))] += 1
        if node.op in _LOOPS and devices is GPU:
            for number in set(node.attr["T"].list.type):
                for op in _OF_LOOPS:
                    if not any(_allows(k, {"T": {number}}) for k in _kernels(op, devices)):
                        found[op, (_name(number),)] += 1
    return found


def transfers_per_step(concrete):
    """Return what is copied in each step of a loop: {(to, op, argument, type): how often}.

    Shapes and loop counters live on the host, and do not count where they stay there.
    """
    library = {f.signature.name: f for f in concrete.graph.as_graph_def().library.function}
    found = collections.Counter()
    for node in _all_nodes(concrete):
        if node.op in _LOOPS:
            for part in ("cond", "body"):
                found += _transfers(library[node.attr[part].func.name], library)
    return found


def _transfers(function, library):
    """Return the copies that one call of a function makes, those of what it calls included."""
    places = {a.name: _of_arguments(a.type) for a in function.signature.input_arg}
    for node in function.node_def:
        for name, i, _, place in _values(node, op_def_registry.get(node.op).output_arg):
            places[f"{node.name}:{name}:{i}"] = place
    found, copies = collections.Counter(), {}
    for node in function.node_def:
        sources = [name for name in node.input if not name.startswith("^")]
        values = _values(node, op_def_registry.get(node.op).input_arg)
        for source, (name, _, number, place) in zip(sources, values, strict=True):
            if number not in _HANDLES and place != places[source]:
                # What several operations take is copied once.
                copies[source, place] = (place, node.op, name, _name(number))
        for called in _called(node):
            found += _transfers(library[called], library)
    return found + collections.Counter(copies.values())


def _values(node, arguments):
    """Yield the name, number in it, type and place of each value that a node takes or gives."""
    is_placed = node.op in _WITHOUT_KERNEL or "CPU" in node.device
    kernel = None if is_placed else _kernel(node, GPU)
    on_host = {a.name for a in arguments} if kernel is None else set(kernel.host_memory_arg)
    for argument in arguments:
        for i, number in enumerate(_types_of_argument(argument, node)):
            place = HOST if argument.name in on_host else DEVICE
            if node.op in _WITHOUT_KERNEL:
                place = _of_arguments(number)
            yield argument.name, i, number, place


def _of_arguments(number):
    """Return where a function or a loop keeps a value: TensorFlow has int32 on the host."""
    return HOST if number == tf.int32.as_datatype_enum else DEVICE


def _all_nodes(concrete):
    graph_def = concrete.graph.as_graph_def()
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


def _called(node):
    """Yield the functions that a node calls, loops apart."""
    if node.op in _LOOPS:
        return
    for value in node.attr.values():
        if value.func.name:
            yield value.func.name
        for function in value.list.func:
            yield function.name


def _types_of_argument(argument, node):
    """Return the type of each tensor of an operation's input or output."""
    if argument.type_list_attr:
        return list(node.attr[argument.type_list_attr].list.type)
    number = argument.type or node.attr[argument.type_attr].type
    count = node.attr[argument.number_attr].i if argument.number_attr else 1
    return [number] * count


@functools.cache
def _kernels(op, devices):
    return [k for k in kernels.get_registered_kernels_for_op(op).kernel if k.device_type in devices]


def _kernel(node, devices):
    types = {name: {number} for name, number in _types(node).items()}
    types |= {n: set(v.list.type) for n, v in node.attr.items() if v.list.type}
    return next((k for k in _kernels(node.op, devices) if _allows(k, types)), None)


def _allows(kernel, types):
    """Tell whether a kernel is for these types: a set for each attribute."""
    return all(
        types[c.name] <= set(c.allowed_values.list.type)
        for c in kernel.constraint
        if c.name in types
    )


def _types(node):
    return {name: value.type for name, value in sorted(node.attr.items()) if value.type}


def _name(number):
    return tf.dtypes.as_dtype(number).name
