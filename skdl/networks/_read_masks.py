"""Masks in the graph of a Keras model: which tensors are data, and which say what steps count.

Keras records the mask that a layer takes from its input beside it, as an argument of the call, and
what computes it as operations. The engine works masks out by its rules, so the reading leaves both
out, where they are those of the input.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from skdl._compat_keras import mask_of, producing_node
from skdl.networks._operation import OperationCall

if TYPE_CHECKING:
    from collections.abc import Iterable

    import keras

# What a layer that attends may be given, in order.
_ATTENDING = ("query", "value", "key")

__all__ = ["data_inputs", "needed_operations", "own_arguments", "uses_mask"]


def own_arguments(node: Any) -> dict[str, Any]:
    """Return the keyword arguments of a call, without the mask that belongs to its input."""
    args, kwargs = node.arguments.args, node.arguments.kwargs
    inputs = dict(zip(_ATTENDING, args, strict=False)) | kwargs
    masked = {f"{name}_mask": inputs.get(name) for name in _ATTENDING}
    masked["mask"] = args[0] if args else None
    return {
        name: value
        for name, value in kwargs.items()
        if not (value is not None and _is_same(value, mask_of(masked.get(name))))
    }


def data_inputs(node: Any) -> list[keras.KerasTensor]:
    """Return the tensors that a call takes, without the mask that belongs to its input."""
    own = own_arguments(node)
    left_out = [value for name, value in node.arguments.kwargs.items() if name not in own]
    return [tensor for tensor in node.input_tensors if not any(tensor is m for m in left_out)]


def uses_mask(node: Any) -> bool:
    """Tell whether a layer takes a mask from its inputs, or sets one on its output."""
    taken = any(mask_of(tensor) is not None for tensor in data_inputs(node))
    names = inspect.signature(node.operation.call).parameters
    is_asked = any(name == "mask" or name.endswith("_mask") for name in names)
    return (taken and is_asked) or mask_of(node.outputs[0]) is not None


def needed_operations(outputs: Iterable[keras.KerasTensor], nodes: Iterable[Any]) -> set[int]:
    """Return the ids of the operations of a graph that do more than compute masks."""
    by_output = {id(tensor): node for node in nodes for tensor in node.outputs}
    needed: set[int] = set()
    left = [by_output[id(tensor)] for tensor in outputs]
    while left:
        node = left.pop()
        if id(node.operation) not in needed:
            needed.add(id(node.operation))
            left += [by_output[id(t)] for t in data_inputs(node) if id(t) in by_output]
    return needed


def _is_same(a: Any, b: Any) -> bool:
    """Tell whether two tensors are one, or come out of equal operations on the same tensors.

    Copies of a model compute a mask twice: as its graph says, and where layers are called anew.
    """
    import keras

    if a is b or a is None or b is None:
        return a is b
    nodes = producing_node(a), producing_node(b)
    if None in nodes or any(isinstance(node.operation, keras.layers.Layer) for node in nodes):
        return False
    calls = [OperationCall.of(n.operation, n.arguments.args, n.arguments.kwargs) for n in nodes]
    inputs = [node.input_tensors for node in nodes]
    if calls[0] != calls[1] or len(inputs[0]) != len(inputs[1]):
        return False
    return all(_is_same(*pair) for pair in zip(*inputs, strict=True))
