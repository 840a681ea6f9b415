"""Reading a Keras model: its graph of layers as a network's.

Layers for which the engine has a rule of its own are read by their arguments; all others are kept
whole, as Keras objects. What the layers compute is not changed by the reading, and the order of
the weights is that of ``keras.Model.get_weights``.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from skdl._compat_keras import flat_layers, functional_graph, graph_nodes
from skdl.networks._keras_object import KerasObject
from skdl.networks._network import Layer
from skdl.networks._operation import OperationCall
from skdl.networks._read_masks import data_inputs, needed_operations, own_arguments, uses_mask

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from tensorflow import Tensor

__all__ = ["CannotReadError", "Reading", "read_layers"]


class CannotReadError(Exception):
    """The engine cannot look into a model; the message says why, for the log."""


@dataclasses.dataclass
class Reading:
    """The layers of a model.

    Parameters
    ----------
    layers : list of Layer
    inputs : list of tuple of int
        As in `Network`.
    output_activation : str
        What stands behind the last layer.
    """

    layers: list[Layer]
    inputs: list[tuple[int, ...]]
    output_activation: str

    @property
    def is_chain(self) -> bool:
        """Whether each layer takes what the one before it gives."""
        return all(taken == (i,) for i, taken in enumerate(self.inputs))


# Activations that losses see through, see `Network.output_activation`.
_OUTPUT_ACTIVATIONS = {"linear", "sigmoid", "softmax", "exponential"}
_OVERRIDES = (
    "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "call", "fit",
    "make_train_function",
)  # fmt: skip


def read_layers(model: keras.Model) -> Reading:
    """Read a built Keras model with one input and one output.

    Raises
    ------
    CannotReadError
        If the model is not a graph of layers, or a layer cannot be described.
    """
    graph = _graph_of(model)
    for layer in flat_layers(model):
        if getattr(layer, "stateful", False) is True:
            raise CannotReadError(f"layer {layer.name!r} keeps its state from batch to batch")
    _check_input_type(graph)
    reading = Reading([], [], "linear")
    place = _read_graph(graph, 0, reading)
    if place != len(reading.layers):
        # The last layer gives the output.
        reading.layers.append(Layer.of("Activation", function="linear"))
        reading.inputs.append((place,))
    if not reading.layers:
        raise CannotReadError("the model has no layers")
    _take_off_activation(reading)
    return reading


def _graph_of(model: keras.Model) -> Any:
    """Return the functional model behind a model, or refuse."""
    import keras

    kind = type(model)
    if not kind.__module__.startswith("keras."):
        base = keras.Model
        changed = [name for name in _OVERRIDES if getattr(kind, name) is not getattr(base, name)]
        what = f" with its own {changed[0]}" if changed else ""
        raise CannotReadError(f"{kind.__name__} is a class of the user's{what}")
    graph = functional_graph(model)
    if graph is None:
        raise CannotReadError("the model is not a graph of layers")
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise CannotReadError(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
        )
    return graph


def _check_input_type(graph: keras.Model) -> None:
    """Refuse inputs that are no numbers with a fraction, but as numbers of embeddings."""
    (tensor,) = graph.inputs
    nodes = list(graph_nodes(graph))
    needed = needed_operations(graph.outputs, nodes)
    takers = {
        type(node.operation).__name__
        for node in nodes
        if id(node.operation) in needed and any(t is tensor for t in data_inputs(node))
    }
    if tensor.dtype != "float32" and takers != {"Embedding"}:
        raise CannotReadError(f"the input is {tensor.dtype}")


def _read_graph(graph: keras.Model, start: int, reading: Reading) -> int:
    """Read a graph whose input is tensor number `start`; return the number of its output."""
    import keras

    nodes: dict[int, list[Any]] = {}
    for node in graph_nodes(graph):
        nodes.setdefault(id(node.operation), []).append(node)
    needed = needed_operations(graph.outputs, graph_nodes(graph))
    places = {id(graph.inputs[0]): start}
    for operation in graph.operations:
        own = nodes[id(operation)]
        if own[0].is_input or id(operation) not in needed:
            continue
        if len(own) > 1:
            raise CannotReadError(f"layer {operation.name!r} is used more than once")
        (node,) = own
        if len(node.outputs) != 1:
            raise CannotReadError(f"layer {operation.name!r} has several outputs")
        taken = tuple(places[id(tensor)] for tensor in data_inputs(node))
        if type(operation).__name__ == "MultiHeadAttention" and len(set(taken)) == 1:
            taken = taken[:1]  # it attends to itself
        if isinstance(operation, keras.Model):
            inner = _graph_of(operation)
            _check_arguments(operation, node)
            places[id(node.outputs[0])] = _read_graph(inner, taken[0], reading)
            continue
        for layer in _layers_of(operation, node):
            reading.layers.append(layer)
            reading.inputs.append(taken)
            taken = (len(reading.layers),)
        places[id(node.outputs[0])] = taken[0]
    return places[id(graph.outputs[0])]


def _layers_of(operation: keras.Operation, node: Any) -> list[Layer]:
    """Return the layers that stand for one call of a Keras layer or operation."""
    import keras

    args, kwargs = node.arguments.args, node.arguments.kwargs
    if not isinstance(operation, keras.layers.Layer):
        if not type(operation).__module__.startswith("keras."):
            raise CannotReadError(f"{operation.name!r} is an operation of the user's")
        return [Layer.of("Operation", call=_described(OperationCall.of, operation, args, kwargs))]
    _check_arguments(operation, node)
    if operation.dtype_policy.name != "float32":
        raise CannotReadError(f"layer {operation.name!r} computes in {operation.dtype_policy.name}")
    kind = type(operation).__name__
    reader = _READERS.get(kind)
    tensors = data_inputs(node)
    if kind in _MERGES and len(tensors) > 1 and len({len(t.shape) for t in tensors}) == 1:
        reader = _merge
    if kind == "Softmax" and uses_mask(node):
        reader = None  # it leaves masked entries out, as its function does not
    is_of_keras = type(operation).__module__.startswith("keras.")
    if reader is not None and is_of_keras and (read := reader(operation)) is not None:
        frozen = {} if operation.trainable else {"frozen": True}
        return [Layer.of(kind, **config, **frozen) for kind, config in read]
    if isinstance(operation, keras.layers.Lambda):
        # Its function's names mean something only where it was written.
        raise CannotReadError(f"layer {operation.name!r} is a Lambda")
    if operation.weights and not operation.trainable:
        raise CannotReadError(f"layer {operation.name!r} is frozen")
    if uses_mask(node) or kind == "MultiHeadAttention":
        raise CannotReadError(
            f"layer {operation.name!r} has no rule for masked steps or these arguments"
        )
    described = _described(KerasObject.of, "layers", operation)
    return [Layer.of("Keras", layer=described)]


def _check_arguments(layer: keras.layers.Layer, node: Any) -> None:
    """Refuse calls such as ``layer(x, scale=2)``."""
    # Whether a model trains is said by who calls it, whatever its layers were once called with.
    given = {**own_arguments(node), "training": None}
    extra = [name for name, value in given.items() if value is not None]
    if type(layer).__name__ == "MultiHeadAttention":
        # Query, value and key may be given by name; whether they are one is asked elsewhere.
        extra = [name for name in extra if name not in {"query", "value", "key"}]
        extra = [name for name in extra if given[name] is not False]
        if len({id(tensor) for tensor in data_inputs(node)}) > 1:
            extra.append("value")
    elif len(node.arguments.args) != 1:
        extra.append("args")
    if extra:
        raise CannotReadError(f"layer {layer.name!r} is called with arguments of its own")


def _described(describe: Callable[..., KerasObject | OperationCall], *arguments: object) -> Any:
    """Describe a Keras object so that it can be made again, or refuse."""
    from skdl.networks._generators import preserved_generators

    try:
        described = describe(*arguments)
        with preserved_generators():
            described.build()
    except Exception as error:
        name = getattr(arguments[-1], "name", arguments[0])
        raise CannotReadError(f"{name!r} cannot be made from its configuration") from error
    return described


def _take_off_activation(reading: Reading) -> None:
    """Make a known activation at the end the network's output activation."""
    last = reading.layers[-1]
    if len(reading.layers) == 1 or last.kind != "Activation":
        return
    function = last["function"]
    if function in _OUTPUT_ACTIVATIONS and reading.inputs[-1] == (len(reading.layers) - 1,):
        del reading.layers[-1], reading.inputs[-1]
        reading.output_activation = function


# ------------------------------------------------------------------------- layers with rules

_Read = list[tuple[str, dict[str, Any]]]


def _unless(layer: keras.layers.Layer, *names: str) -> bool:
    """Tell whether a layer has none of the attributes set that no rule knows."""
    return all(getattr(layer, name, None) in {None, False} for name in names)


def _penalty(regularizer: keras.Regularizer | None) -> dict[str, float] | None:
    """Return the numbers of an L1 or L2 regulariser; None for any other."""
    import keras

    if regularizer is None:
        return {"l1": 0.0, "l2": 0.0}
    known = {keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2}
    if type(regularizer) not in known:
        return None
    return {name: float(getattr(regularizer, name, 0.0)) for name in ("l1", "l2")}


_NO_RULE = (
    "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint",
    "lora_enabled", "quantization_mode", "lora_rank",
)  # fmt: skip


def _activation_name(function: Callable[[Tensor], Tensor]) -> str | None:
    """Return the name of an activation of Keras' own that keeps the width; None for others."""
    read = _activation(function)
    if not read:
        return "linear" if read == [] else None
    name = read[0][1]["function"]
    return name if isinstance(name, str) else None


def _activation(function: Callable[[Tensor], Tensor]) -> _Read | None:
    """Return the activation inside a layer as a layer of its own; nothing for a linear one."""
    import keras

    name = getattr(function, "__name__", "")
    if name == "linear":
        return []
    if name == "glu":
        return None  # it halves the width, which an activation of the engine's keeps
    if getattr(keras.activations, name, None) is function:
        return [("Activation", {"function": name})]
    if isinstance(function, keras.layers.Layer):
        return None
    return [("Activation", {"function": function})]


def _dense(layer: keras.layers.Layer) -> _Read | None:
    penalty, activation = _penalty(layer.kernel_regularizer), _activation(layer.activation)
    if penalty is None or activation is None or not _unless(layer, *_NO_RULE):
        return None
    bias = {} if layer.use_bias else {"use_bias": False}
    return [("Dense", {"units": layer.units, **penalty, **bias}), *activation]


def _convolution(layer: keras.layers.Layer) -> _Read | None:
    penalty, activation = _penalty(layer.kernel_regularizer), _activation(layer.activation)
    is_plain = (
        penalty is not None
        and activation is not None
        and layer.use_bias
        and layer.groups == 1
        and set(layer.strides) == {1}
        and set(layer.dilation_rate) == {1}
        and layer.padding in {"same", "valid"}
        and layer.data_format == "channels_last"
        and _unless(layer, *_NO_RULE)
    )
    if not is_plain:
        return None
    config = {
        "filters": layer.filters,
        "kernel_size": tuple(layer.kernel_size),
        "padding": layer.padding,
        **(penalty or {}),
    }
    return [(type(layer).__name__, config), *(activation or [])]


def _batch_normalization(layer: keras.layers.Layer) -> _Read | None:
    unknown = (
        "beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint", "renorm",
        "synchronized",
    )  # fmt: skip
    is_last = layer.axis in {-1, layer.input_spec.ndim - 1}
    if not _unless(layer, *unknown) or not is_last:
        return None
    config: dict[str, Any] = {"momentum": layer.momentum}
    if layer.epsilon != 1e-3:  # Keras' default, and the rule's
        config["epsilon"] = layer.epsilon
    config |= {} if layer.center else {"center": False}
    config |= {} if layer.scale else {"scale": False}
    return [("BatchNormalization", config)]


def _layer_normalization(layer: keras.layers.Layer) -> _Read | None:
    unknown = ("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint")
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    # Keras makes a positive number of the last axis once it is built.
    is_last = len(axes) == 1 and axes[0] in {-1, len(layer.input.shape) - 1}
    if not is_last or not _unless(layer, *unknown, "rms_scaling"):
        return None
    names = ("epsilon", "center", "scale")
    return [("LayerNormalization", {name: getattr(layer, name) for name in names})]


def _dropout(layer: keras.layers.Layer) -> _Read | None:
    if layer.noise_shape is not None:
        return None
    return [("Dropout", {"rate": float(layer.rate)})]


def _attention(layer: keras.layers.Layer) -> _Read | None:
    config = layer.get_config()
    unknown = ("use_gate", "output_shape", "sliding_window", "activity_regularizer")
    axes = tuple(config["attention_axes"] or (1,))
    if any(config.get(name) for name in unknown) or axes != (1,):
        return None
    parts = [layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense]
    penalty = _penalty(parts[0].kernel_regularizer)
    is_plain = all(_unless(p, *_NO_RULE) and p.trainable == layer.trainable for p in parts)
    if penalty is None or not is_plain or len(layer.query_dense.kernel.shape) != 3:
        return None
    names = ("num_heads", "key_dim", "value_dim", "use_bias")
    own = {name: config[name] for name in names}
    return [("MultiHeadAttention", {**own, "dropout": float(config["dropout"]), **penalty})]


def _embedding(layer: keras.layers.Layer) -> _Read | None:
    if not _unless(
        layer, "embeddings_regularizer", "embeddings_constraint", "lora_enabled",
        "quantization_mode", "activity_regularizer", "lora_rank",
    ):  # fmt: skip
        return None
    config = {"input_dim": layer.input_dim, "output_dim": layer.output_dim}
    return [("Embedding", config | ({"mask_zero": True} if layer.mask_zero else {}))]


def _masking(layer: keras.layers.Layer) -> _Read | None:
    is_number = isinstance(layer.mask_value, int | float)
    return [("Masking", {"mask_value": float(layer.mask_value)})] if is_number else None


def _global_pooling(layer: keras.layers.Layer) -> _Read | None:
    is_plain = layer.data_format == "channels_last" and not layer.keepdims
    return [(type(layer).__name__, {})] if is_plain else None


def _flatten(layer: keras.layers.Layer) -> _Read | None:
    return [("Flatten", {})] if layer.data_format == "channels_last" else None


def _plain_activation(layer: keras.layers.Layer) -> _Read | None:
    if not _unless(layer, "activity_regularizer"):
        return None
    read = _activation(layer.activation)
    return read or ([("Activation", {"function": "linear"})] if read == [] else None)


# What a recurrent layer computes without; masks and initial states are refused for all layers.
_NO_RECURRENT_RULE = (
    "recurrent_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint",
    "recurrent_constraint", "bias_constraint", "return_state", "stateful",
)  # fmt: skip
_RECURRENT_OPTIONS = ("use_bias", "return_sequences", "go_backwards", "reset_after")


def _recurrent(layer: keras.layers.Layer) -> _Read | None:
    penalty = _penalty(layer.kernel_regularizer)
    functions = {
        name: _activation_name(getattr(layer, name))
        for name in ("activation", "recurrent_activation")
        if hasattr(layer, name)
    }
    # The cell holds the weights, and may be frozen by itself.
    is_whole = layer.cell.trainable == layer.trainable
    if penalty is None or None in functions.values() or not is_whole:
        return None
    if not _unless(layer, *_NO_RECURRENT_RULE):
        return None
    # How Keras loops over the steps, as by `unroll`, changes no result.
    options = {name: getattr(layer, name) for name in _RECURRENT_OPTIONS if hasattr(layer, name)}
    rates = {name: float(getattr(layer, name)) for name in ("dropout", "recurrent_dropout")}
    # It drops other inputs for each gate, which the rule does only beside recurrent dropout.
    is_by_gate = getattr(layer.cell, "implementation", 2) == 1 and not rates["recurrent_dropout"]
    if max(rates.values()) >= 1 or (rates["dropout"] and is_by_gate):
        return None
    options |= {name: rate for name, rate in rates.items() if rate}
    return [(type(layer).__name__, {"units": layer.units, **functions, **options, **penalty})]


def _bidirectional(layer: keras.layers.Layer) -> _Read | None:
    sides = [layer.forward_layer, layer.backward_layer]
    is_known = all(
        type(side).__module__.startswith("keras.")
        and _READERS.get(type(side).__name__) is _recurrent
        and side.trainable == layer.trainable
        for side in sides
    )
    read = [_recurrent(side) if is_known else None for side in sides]
    if None in read or layer.merge_mode is None or not _unless(layer, "activity_regularizer"):
        return None
    (kind, config), (kind_back, config_back) = (side[0] for side in read if side)
    if kind != kind_back or config_back != {**config, "go_backwards": True}:
        return None
    names = ("l1", "l2", "dropout", "recurrent_dropout")
    penalty = {name: config.pop(name) for name in names if name in config}
    inner = Layer.of(kind, **config)
    return [("Bidirectional", {"forward": inner, "merge_mode": layer.merge_mode, **penalty})]


_MERGES = {"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"}


def _merge(layer: keras.layers.Layer) -> _Read | None:
    axis = getattr(layer, "axis", -1)
    return [(type(layer).__name__, {})] if axis == -1 else None


def _relu(layer: keras.layers.Layer) -> _Read | None:
    is_plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
    return [("Activation", {"function": "relu"})] if is_plain else None


def _softmax(layer: keras.layers.Layer) -> _Read | None:
    return [("Activation", {"function": "softmax"})] if layer.axis == -1 else None


_READERS: dict[str, Callable[[Any], _Read | None]] = {
    "Activation": _plain_activation,
    "BatchNormalization": _batch_normalization,
    "Bidirectional": _bidirectional,
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "Dense": _dense,
    "Dropout": _dropout,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GRU": _recurrent,
    "GlobalAveragePooling1D": _global_pooling,
    "GlobalMaxPooling1D": _global_pooling,
    "LSTM": _recurrent,
    "LayerNormalization": _layer_normalization,
    "Masking": _masking,
    "MultiHeadAttention": _attention,
    "ReLU": _relu,
    "SimpleRNN": _recurrent,
    "Softmax": _softmax,
}
