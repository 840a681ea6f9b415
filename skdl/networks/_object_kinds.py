"""What is asked of values in Keras objects: which family they are of, whose code they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from skdl.networks._outside import is_users, plain_function, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras

__all__ = [
    "PACKAGE",
    "Family",
    "KerasThing",
    "family_of",
    "has_code",
    "is_object_of_keras",
    "is_of_keras",
    "is_variable",
    "parts_of",
    "user_code",
]

Family = Literal["layers", "losses", "metrics", "optimizers", "schedules", "parts"]
# What Keras makes configurations of, one kind a family; "parts" are the last three.
KerasThing: TypeAlias = (
    "keras.layers.Layer | keras.losses.Loss | keras.metrics.Metric | keras.optimizers.Optimizer"
    " | keras.optimizers.schedules.LearningRateSchedule"
    " | keras.Initializer | keras.Regularizer | keras.constraints.Constraint"
)

# Registered with Keras under this package name, so that saved models load.
PACKAGE = "skdl"
# How deep the user's objects in a Keras object are looked for.
_MOST_LEVELS = 6


def family_of(obj: object) -> Family:
    """Return which kind of Keras object it is."""
    import keras

    if isinstance(obj, keras.layers.Layer):
        return "layers"
    if isinstance(obj, keras.losses.Loss):
        return "losses"
    if isinstance(obj, keras.metrics.Metric):
        return "metrics"
    if isinstance(obj, keras.optimizers.Optimizer):
        return "optimizers"
    if isinstance(obj, keras.optimizers.schedules.LearningRateSchedule):
        return "schedules"
    return "parts"


def is_of_keras(kind: type) -> bool:
    """Tell whether a class is Keras' own, or ours."""
    return kind.__module__.startswith(("keras.", f"{PACKAGE}."))


def is_object_of_keras(value: object) -> bool:
    """Tell whether something is a loss, layer, regularizer or the like."""
    if isinstance(value, list | tuple | dict | set):
        return False  # those of a layer are of a class of Keras' own
    return any(base.__module__.startswith("keras.") for base in type(value).__mro__)


def is_variable(value: object) -> bool:
    """Tell whether something belongs to one object alone: weights, tensors, noise."""
    import keras
    import tensorflow as tf

    own = keras.Variable | tf.Variable | keras.KerasTensor | keras.random.SeedGenerator
    if isinstance(value, list) and value:
        return all(map(is_variable, value))
    return isinstance(value, own) or (tf.is_tensor(value) and not hasattr(value, "numpy"))


def user_code(value: object, level: int = 0) -> Iterator[Any]:
    """Yield the user's classes and functions that an object of Keras consists of."""
    if level > _MOST_LEVELS or value is None or isinstance(value, bool | int | float | str | bytes):
        return
    if isinstance(value, list | tuple):
        for part in value:
            yield from user_code(part, level + 1)
    elif isinstance(value, dict):
        yield from user_code(list(value.values()), level)
    elif isinstance(value, type):
        return
    elif callable(value) and not hasattr(type(value), "get_config"):
        if is_users(plain_function(value)):
            yield plain_function(value)
    elif is_object_of_keras(value) and not is_variable(value):
        if not is_of_keras(type(value)):
            yield type(value)
        yield from user_code(parts_of(value), level + 1)


def parts_of(obj: object) -> dict[str, Any]:
    """Return the attributes of a Keras object, and the layers of a model."""
    import keras

    if isinstance(obj, keras.Model) and obj.__class__.__module__.startswith("keras."):
        return {"layers": obj.layers}
    return state_of(obj)


def has_code(value: object) -> bool:
    """Tell whether a value is, or holds, code of the user's."""
    return any(True for _ in user_code(value))
