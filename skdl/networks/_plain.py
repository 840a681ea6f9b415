"""What networks are made of in files of plain data, and what each part of them may be."""

from __future__ import annotations

import dataclasses
import json
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._plain_data import (
    Check,
    Rebuilt,
    any_value,
    cannot_save,
    count,
    instance,
    items,
    mapping,
    natural,
    number,
    one_of,
    optional,
    pairs,
    refused,
    register,
    register_foreign,
    sequence,
    text,
    truth,
)
from skdl._validation import nearest_name, show
from skdl.networks._forgotten import Forgotten
from skdl.networks._generators import preserved_generators
from skdl.networks._keras_object import Container, KerasObject, described_object
from skdl.networks._loss import Loss
from skdl.networks._loss_formulas import LOSS_FORMULAS
from skdl.networks._network import Layer, Network
from skdl.networks._object_kinds import has_code
from skdl.networks._operation import OperationCall
from skdl.networks._outside import UserFunction
from skdl.networks._safe_keras import (
    ACTIVATIONS,
    FUNCTIONS,
    check_keras_config,
    check_operation_call,
    check_sizes,
)
from skdl.networks._user_model import CalledModel, GivenModel, UserModel

if TYPE_CHECKING:
    import keras

__all__ = ["LAYER_ARGUMENTS", "SavedModel", "SavedName", "SavedObject"]

# What stands in the configuration of a model that knows the shape of its rows.
_BUILT = ("build_config", "build_input_shape", "batch_shape", "batch_input_shape", "input_shape")
_FAMILIES = ("layers", "losses", "metrics", "optimizers", "schedules", "parts")
_OUTPUT_ACTIVATIONS = ("linear", "sigmoid", "softmax", "exponential")


# ------------------------------------------------------------------------------ Keras objects


@dataclasses.dataclass(frozen=True)
class SavedObject(Rebuilt):
    """An object of Keras that an estimator holds as a parameter.

    Parameters
    ----------
    described : KerasObject
    """

    described: KerasObject

    def build(self) -> Any:
        with preserved_generators():
            return self.described.build()


@dataclasses.dataclass(frozen=True)
class SavedName(Rebuilt):
    """A class or function of Keras.

    Parameters
    ----------
    family, name : str
        It is ``getattr(getattr(keras, family), name)``.
    """

    family: str
    name: str

    def build(self) -> Any:
        import keras

        return getattr(getattr(keras, self.family), self.name)


@dataclasses.dataclass(frozen=True, eq=False)
class SavedModel(Rebuilt):
    """A model of Keras' own layers, which the user gave.

    Parameters
    ----------
    config : str
        As Keras serialises it, JSON.
    weights : list of ndarray
        In Keras' order; empty for a model that was not built.
    """

    config: str
    weights: list[Any]

    @classmethod
    def of(cls, model: keras.Model) -> SavedModel:
        """Describe a model; refuse one with code of the user's."""
        import keras

        is_own = not type(model).__module__.startswith("keras.")
        if is_own or has_code(model):
            raise cannot_save(
                f"The Keras model of class {type(model).__name__}, which has classes or functions "
                "of your own in it,",
                "Give the estimator a function that builds the model, or pickle the estimator.",
            )
        config = json.dumps(keras.saving.serialize_keras_object(model))
        return cls(config, model.get_weights() if model.built else [])

    def build(self) -> Any:
        import keras

        with preserved_generators():
            model = keras.saving.deserialize_keras_object(json.loads(self.config))
            if self.weights:
                model.set_weights(self.weights)
        return model


def _described_foreign(value: Any) -> Any:
    """Return what stands for an object of Keras, or a dtype; None for anything else."""
    if isinstance(value, np.dtype):
        return _Dtype(value.str) if np.dtype(value.str) == value else None
    if "keras" not in sys.modules:
        return None
    if isinstance(value, type | FunctionType):
        return _saved_name(value) if str(value.__module__).startswith("keras.") else None
    import keras

    if isinstance(value, keras.Model):
        return SavedModel.of(value)
    described = (
        keras.layers.Layer
        | keras.losses.Loss
        | keras.metrics.Metric
        | keras.optimizers.Optimizer
        | keras.optimizers.schedules.LearningRateSchedule
        | keras.Initializer
        | keras.Regularizer
        | keras.constraints.Constraint
    )
    return SavedObject(described_object(value)) if isinstance(value, described) else None


def _saved_name(value: Any) -> SavedName | None:
    import keras

    name = value.__name__
    for family in ("activations", "losses", "metrics", "optimizers", "layers"):
        if getattr(getattr(keras, family), name, None) is value:
            return SavedName(family, name)
    return None


def _read_saved_name(family: str, name: str) -> SavedName:
    if name not in FUNCTIONS.get(family, ()):
        config = {"module": f"keras.{family}", "class_name": name, "config": {}}
        check_keras_config(json.dumps(config))
    return SavedName(family, name)


def _read_saved_model(config: str, weights: list[Any]) -> SavedModel:
    check_keras_config(config)
    # One that was not built has no shape, and makes no weights as it is loaded.
    if weights or any(f'"{name}": {{' in config or f'"{name}": [' in config for name in _BUILT):
        check_sizes(config, sum(array.size for array in weights))
    return SavedModel(config, weights)


# Of NumPy's plain ones, such as "<M8[25s]".
_LONGEST_DTYPE = 40


@dataclasses.dataclass(frozen=True)
class _Dtype:
    name: str


def _is_dtype(value: object) -> bool:
    return text(value) and len(str(value)) <= _LONGEST_DTYPE


def _read_dtype(name: str) -> Any:
    try:
        return np.dtype(name)
    except (TypeError, ValueError) as error:
        raise refused(f"the dtype {show(name)}", "one of NumPy's") from error


def _is_user_code(value: object) -> bool:
    """Tell whether it is a class or can be called; the skops file says which it may hold."""
    return callable(value)


def _read_keras_object(
    family: Any, config: str, kind: Any, forgotten: Forgotten | None
) -> KerasObject:
    given = () if forgotten is None else tuple(name for name, _ in forgotten.arguments)
    is_lambda = False
    if "function" in given and kind is None:
        # The function itself is given beside it.
        whole = json.loads(config)
        is_lambda = (whole.get("module"), whole.get("class_name")) == ("keras.layers", "Lambda")
        is_lambda = is_lambda and "function" not in whole.get("config", {})
    if config or family != "optimizers":  # of some optimizers, nothing is known
        check_keras_config(config, own_class=is_lambda or kind is not None)
    return KerasObject(family, config, kind, forgotten)


def _read_forgotten(
    attributes: Any, arguments: Any, by_base: bool, roots: tuple[Any, ...]
) -> Forgotten:
    if not roots:
        raise refused("what a Keras object left out of its configuration", "code that reads it")
    return Forgotten(attributes, arguments, by_base, roots)


def _is_path(value: Any) -> bool:
    return type(value) is tuple and all(
        natural(step) or (text(step) and not step.startswith("__")) for step in value
    )


def _is_attribute(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and _is_path(value[0]) and bool(value[0])


def _read_operation(config: str) -> OperationCall:
    check_operation_call(config)
    return OperationCall(config)


register(_Dtype, {"name": _is_dtype}, tag="dtype", read=_read_dtype)
register(SavedName, {"family": text, "name": text}, read=_read_saved_name)
register(
    SavedModel,
    {"config": text, "weights": sequence(instance(np.ndarray))},
    read=_read_saved_model,
)
register(SavedObject, {"described": instance(KerasObject)})
register(UserFunction, {"function": _is_user_code})
register(
    KerasObject,
    {
        "family": one_of(*_FAMILIES),
        "config": text,
        "kind": optional(instance(type)),
        "forgotten": optional(instance(Forgotten)),
    },
    read=_read_keras_object,
)
register(
    Forgotten,
    {
        "attributes": items(_is_attribute),
        "arguments": pairs(any_value),
        "by_base": truth,
        "roots": items(_is_user_code),
    },
    read=_read_forgotten,
)
register(
    Container,
    {"kind": one_of("list", "tuple", "dict"), "parts": items(any_value)},
    write=lambda own: {"kind": own.kind.__name__, "parts": own.parts},
    read=lambda kind, parts: Container({"list": list, "tuple": tuple, "dict": dict}[kind], parts),
)
register(OperationCall, {"config": text}, read=_read_operation)
register_foreign(_described_foreign)


# -------------------------------------------------------------------------------------- losses


def _read_loss(
    kind: str,
    scalars: tuple[tuple[str, float], ...],
    target: Any,
    function: Any,
    reduction: str = Loss.reduction,
) -> Loss:
    formula = LOSS_FORMULAS.get(kind)
    if formula is None and kind != "keras":
        raise refused(f"a loss of kind {kind!r}", f"one of {sorted(LOSS_FORMULAS)} or 'keras'")
    known = {name for name, _ in formula.scalars} if formula else set()
    if formula and not {formula.base_name(name) for name, _ in scalars} <= known:
        raise refused(f"the loss {kind!r} with {show(scalars)}", f"numbers of {sorted(known)}")
    is_described = function is None or isinstance(function, KerasObject | UserFunction)
    if not (is_described or isinstance(function, SavedName) or callable(function)):
        raise refused(f"the loss {show(function)}", "a function or a loss of Keras")
    return Loss(kind, scalars, target, function, reduction)


def _written_loss(loss: Loss) -> dict[str, Any]:
    names = ("kind", "scalars", "target", "function", "reduction")
    written = {name: getattr(loss, name) for name in names}
    if loss.reduction == Loss.reduction:
        del written["reduction"]
    return written


register(
    Loss,
    {
        "kind": text,
        "scalars": pairs(number),
        "target": one_of("values", "labels", "one_hot"),
        "function": any_value,
        "reduction": one_of("mean_with_sample_weight", "sum_over_batch_size"),
    },
    read=_read_loss,
    write=_written_loss,
    may_lack=("reduction",),
)


# -------------------------------------------------------------------------------------- layers


def _is_activation(value: object) -> bool:
    if isinstance(value, str):
        return value in ACTIVATIONS
    return isinstance(value, UserFunction | SavedName) or callable(value)


def _is_window(value: object) -> bool:
    return count(value) or (items(count)(value) and value != ())


_PENALTY: dict[str, Check] = {"?l1": number, "?l2": number}
_POOLING: dict[str, Check] = {"pool_size": _is_window}
_CONVOLUTION: dict[str, Check] = {
    "filters": count,
    "kernel_size": _is_window,
    "padding": one_of("same", "valid"),
    **_PENALTY,
}
_NUMERIC: dict[str, Check] = {"?n_numeric": optional(count)}
_RECURRENT: dict[str, Check] = {
    "units": count,
    "?activation": one_of(*ACTIVATIONS),
    "?dropout": number,
    "?recurrent_dropout": number,
    "?go_backwards": truth,
    "?return_sequences": truth,
    "?use_bias": truth,
    **_PENALTY,
}
_GATED: dict[str, Check] = {**_RECURRENT, "?recurrent_activation": one_of(*ACTIVATIONS)}
_RECURRENT_KINDS = ("GRU", "LSTM", "SimpleRNN")
_RANDOM: dict[str, Check] = {"height_factor": number}
# By `Layer.kind`, what each argument may be; those with a question mark may be missing.
LAYER_ARGUMENTS: dict[str, dict[str, Check]] = {
    "Activation": {"function": _is_activation},
    "Add": {},
    "Average": {},
    "AveragePooling1D": _POOLING,
    "AveragePooling2D": _POOLING,
    "BatchNormalization": {
        "momentum": number, "?epsilon": number, "?center": truth, "?scale": truth,
    },
    "Bidirectional": {
        "forward": lambda own: type(own) is Layer and own.kind in _RECURRENT_KINDS,
        "merge_mode": one_of("ave", "concat", "mul", "sum"), "?dropout": number,
        "?recurrent_dropout": number, **_PENALTY,
    },
    "Categories": {
        "n_numeric": natural, "one_hot": items(natural), "embedded": items(natural), "units": count,
    },
    "Concatenate": {},
    "Conv1D": _CONVOLUTION,
    "Conv2D": _CONVOLUTION,
    "Dense": {"units": count, "?use_bias": truth, **_PENALTY},
    "Dropout": {"rate": number},
    "Embedding": {"input_dim": count, "output_dim": count, "?mask_zero": truth},
    "FeatureScale": {"gain": number},
    "Flatten": {},
    "GRU": {**_GATED, "?reset_after": truth},
    "GlobalAveragePooling1D": {},
    "GlobalAveragePooling2D": {},
    "GlobalMaxPooling1D": {},
    "GlobalMaxPooling2D": {},
    "Keras": {"layer": instance(KerasObject)},
    "LSTM": {**_GATED, "?unit_forget_bias": truth},
    "LayerNormalization": {"epsilon": number, "center": truth, "scale": truth},
    "MaskedConv1D": {**_CONVOLUTION, "padding": one_of("same")},
    "Masking": {"mask_value": number},
    "MaxPooling1D": _POOLING,
    "MaxPooling2D": _POOLING,
    "Maximum": {},
    "Minimum": {},
    "MissingNumbers": {"n_numeric": count, "shown": items(natural)},
    "Model": {
        "weights": items(
            lambda own: type(own) is tuple and len(own) == 2 and items(natural)(own[0])
            and truth(own[1])
        ),
        "n_outputs": count,
        "reason": text,
    },
    "MultiHeadAttention": {
        "num_heads": count, "key_dim": count, "?value_dim": count, "?dropout": number,
        "?use_bias": truth, **_PENALTY,
    },
    "Multiply": {},
    "Operation": {"call": instance(OperationCall)},
    "ParametricActivation": {"function": _is_activation},
    "PeriodicEmbedding": {
        "form": one_of("periodic", "plr", "pbld"), "n_frequencies": count,
        "frequency_scale": number, "units": count, **_NUMERIC,
    },
    "PiecewiseLinearEmbedding": {"n_bins": count, "?with_number": truth, **_NUMERIC},
    "PositionEncoding": {"form": one_of("learned", "sinusoidal")},
    "RandomContrast": {"factor": number, "value_range": items(number)},
    "RandomFlip": {"mode": one_of("horizontal", "vertical", "horizontal_and_vertical")},
    "RandomRotation": {"factor": number},
    "RandomTranslation": {**_RANDOM, "width_factor": number},
    "RandomZoom": _RANDOM,
    "Rescaling": {"scale": number},
    "SequencePooling": {"mode": one_of("last", "mean", "max", "attention")},
    "SharedDense": {
        "units": count, "n_shared": count, "is_first": truth, "?embedding_width": count,
        **_NUMERIC, **_PENALTY,
    },
    "SharedHeads": {"units": count, "n_shared": count, **_PENALTY},
    "SimpleRNN": _RECURRENT,
    "SmoothClip": _NUMERIC,
    "StepMask": {},
    "Subtract": {},
}  # fmt: skip


def _read_layer(kind: str, config: tuple[tuple[str, Any], ...]) -> Layer:
    known = LAYER_ARGUMENTS.get(kind)
    if known is None:
        nearest = nearest_name(kind, LAYER_ARGUMENTS)
        raise refused(
            f"a layer of kind {kind!r}" + (f", perhaps meant as {nearest!r}" if nearest else ""),
            f"one of {sorted(LAYER_ARGUMENTS)}",
        )
    given = dict(config)
    needed = {name for name in known if not name.startswith("?")}
    checks = {name.removeprefix("?"): check for name, check in known.items()} | {"frozen": truth}
    if len(given) != len(config) or not needed <= set(given) <= set(checks):
        raise refused(f"a layer {kind} with the arguments {sorted(given)}", f"{sorted(checks)}")
    for name, value in given.items():
        if not checks[name](value):
            raise refused(f"a layer {kind} with {name}={show(value)}", f"another {name}")
    return Layer(kind, config)


register(Layer, {"kind": text, "config": pairs(any_value)}, read=_read_layer)


# ------------------------------------------------------------------------------------ networks


def _read_network(
    input_shape: tuple[int, ...],
    layers: tuple[Layer, ...],
    output_activation: str,
    loss: Loss,
    inputs: tuple[tuple[int, ...], ...],
    source: UserModel | None,
) -> Network:
    if not layers:
        raise refused("a network without layers", "at least one")
    if inputs:
        is_ordered = len(inputs) == len(layers) and all(
            taken and max(taken) <= i for i, taken in enumerate(inputs)
        )
        if not is_ordered:
            raise refused(
                f"a network of {len(layers)} layers that take the tensors {show(inputs)}",
                "for each layer tensors that stand before it",
            )
    if any(layer.is_model for layer in layers) and (len(layers) > 1 or source is None):
        raise refused("a network with a whole model as a layer", "a model alone")
    return Network(input_shape, layers, output_activation, loss, inputs, source)


register(
    Network,
    {
        "input_shape": items(natural),
        "layers": items(instance(Layer)),
        "output_activation": one_of(*_OUTPUT_ACTIVATIONS),
        "loss": instance(Loss),
        "inputs": items(items(natural)),
        "source": optional(instance(UserModel)),
    },
    read=_read_network,
)
register(
    CalledModel,
    {"function": _is_user_code, "arguments": mapping(any_value), "complete": any_value},
    write=lambda own: {
        "function": own.function, "arguments": dict(own.arguments), "complete": own.complete,
    },
)  # fmt: skip
register(GivenModel, {"model": any_value, "complete": any_value})
