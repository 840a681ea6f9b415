"""What a string, class or object of Keras stands for in an estimator's parameters."""

from __future__ import annotations

import functools
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any, Literal

from skdl._plain_data import is_inspecting
from skdl.networks import (
    CROSSENTROPY,
    SHORT_NAMES,
    KerasObject,
    SavedObject,
    described_object,
    preserved_generators,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skdl.training import Optimizer

__all__ = [
    "activation_names",
    "described_optimizer",
    "loss_names",
    "metric_names",
    "missing_scalars",
    "monitor_mode",
    "name_of_keras_loss",
    "optimizer_names",
    "pickled",
    "resolved_activation",
    "resolved_loss",
    "resolved_metric",
    "unpickled",
]

# "glu" halves the width of a layer, which an activation must keep.
_NOT_NAMES = {"get", "serialize", "deserialize", "glu"}
# Most used, so first in an error's list.
_COMMON_ACTIVATIONS = ("relu", "gelu", "silu", "selu", "elu", "mish", "tanh", "sigmoid", "linear")
_COMMON_OPTIMIZERS = ("adam", "adamw", "nadam", "sgd", "rmsprop")
# Metrics of which more is better, by what stands in their names.
_MORE_IS_BETTER = (
    "acc", "auc", "precision", "recall", "sensitivity", "specificity",
    "f1", "fbeta", "r2", "iou", "cosine_similarity", "true_",
)  # fmt: skip


def activation_names() -> list[str]:
    """Return the names in ``keras.activations``."""
    import keras

    return [*_COMMON_ACTIVATIONS, *_others(_functions(keras.activations), _COMMON_ACTIVATIONS)]


def loss_names() -> list[str]:
    """Return the names of the functions and classes in ``keras.losses``."""
    import keras

    return _functions(keras.losses) + _classes(keras.losses, keras.losses.Loss)


def metric_names() -> list[str]:
    """Return the names that ``metrics`` takes: functions and classes of ``keras.metrics``."""
    import keras

    errors = [name for name in SHORT_NAMES if name != "kld"]  # which Keras has as a loss alone
    short = ["accuracy", "acc", CROSSENTROPY, "ce", *errors, *map(str.upper, errors)]
    return [
        *short, *_functions(keras.metrics), *_classes(keras.metrics, keras.metrics.Metric)
    ]  # fmt: skip


def optimizer_names() -> list[str]:
    """Return the names of the classes in ``keras.optimizers``, in lower case."""
    import keras

    names = [name.lower() for name in _classes(keras.optimizers, keras.optimizers.Optimizer)]
    return [*_COMMON_OPTIMIZERS, *_others(names, _COMMON_OPTIMIZERS)]


def _others(names: list[str], first: tuple[str, ...]) -> list[str]:
    return [name for name in names if name not in first]


def _classes(module: Any, base: type) -> list[str]:
    return sorted(
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    )


def _functions(module: Any) -> list[str]:
    return sorted(
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and name not in _NOT_NAMES
    )


def resolved_activation(activation: Any) -> Any:
    """Return a name, a callable, or the description of a layer, as networks hold them."""
    import keras

    if inspect.isclass(activation):
        with preserved_generators():
            activation = activation()
    if isinstance(activation, keras.layers.Layer):
        return KerasObject.of("layers", activation)
    return activation


def resolved_loss(loss: Any) -> Any:
    """Return the description of a Keras loss, or the function that a name or callable is."""
    import keras

    if isinstance(loss, str):
        named = keras.losses.get(loss)
        if not isinstance(named, keras.losses.Loss):
            return named
        loss = type(named)
    if isinstance(loss, type):
        averaging: Any = loss
        loss = averaging(reduction="mean_with_sample_weight")
    return KerasObject.of("losses", loss) if isinstance(loss, keras.losses.Loss) else loss


def name_of_keras_loss(loss: Any) -> str | None:
    """Return the name of the function for a function, class or object of ``keras.losses``.

    None for a loss of the user's own, and for a name.
    """
    import keras

    kind = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    name = getattr(kind, "__name__", None)
    if not isinstance(name, str) or getattr(keras.losses, name, None) is not kind:
        return None
    plain = {known.replace("_", ""): known for known in _functions(keras.losses)}
    return plain.get(name.replace("_", "").lower())


def resolved_metric(metric: Any) -> Any:
    """Return a name, a callable, or the description of a Keras metric."""
    import keras

    if inspect.isclass(metric):
        with preserved_generators():
            metric = metric()
    return KerasObject.of("metrics", metric) if isinstance(metric, keras.metrics.Metric) else metric


def _is_object(value: Any) -> bool:
    """Tell whether a parameter is an object of Keras that fits only look at."""
    if isinstance(value, str | int | float | type | None) or "keras" not in sys.modules:
        return False
    import keras

    return isinstance(
        value,
        keras.losses.Loss
        | keras.metrics.Metric
        | keras.optimizers.Optimizer
        | keras.optimizers.schedules.LearningRateSchedule,
    ) or (isinstance(value, keras.layers.Layer) and not isinstance(value, keras.Model))


def pickled(value: Any) -> Any:
    """Return an attribute as it is pickled: descriptions in the place of objects of Keras."""
    if type(value) in {list, tuple} and any(map(_is_object, value)):
        return type(value)(map(pickled, value))
    return SavedObject(described_object(value)) if _is_object(value) else value


def unpickled(value: Any) -> Any:
    """Undo `pickled`."""
    if isinstance(value, SavedObject):
        return value if is_inspecting() else value.build()
    if type(value) in {list, tuple} and any(isinstance(part, SavedObject) for part in value):
        return type(value)(map(unpickled, value))
    return value


def described_optimizer(optimizer: Any, learning_rate: Any) -> Optimizer:
    """Describe an optimizer; an object's own learning rate holds, otherwise the one given."""
    import keras

    from skdl.training import describe_optimizer, with_learning_rate

    if isinstance(optimizer, keras.optimizers.Optimizer):
        return describe_optimizer(optimizer)
    return with_learning_rate(_with_defaults(optimizer), learning_rate)


def missing_scalars(optimizer: Any, wanted: Iterable[str]) -> list[str]:
    """Return which of some scalars the optimizer of a name or class does not have."""
    wanted = list(wanted)
    if not wanted:
        return []
    known = json.loads(_with_defaults(optimizer).source.config)["config"]
    return [name for name in wanted if name not in known]


@functools.lru_cache(maxsize=32)
def _with_defaults(optimizer: Any) -> Optimizer:
    """Describe the optimizer of a name or class; Keras takes milliseconds to make one."""
    import keras

    from skdl.training import describe_optimizer

    with preserved_generators():
        return describe_optimizer(
            optimizer() if inspect.isclass(optimizer) else keras.optimizers.get(optimizer)
        )


def monitor_mode(monitor: str) -> Literal["min", "max"]:
    """Tell whether the monitored value should fall or rise, from its name."""
    return "max" if any(part in monitor.lower() for part in _MORE_IS_BETTER) else "min"
