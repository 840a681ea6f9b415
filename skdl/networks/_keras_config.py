"""Configurations of Keras objects, as Keras serialises them."""

from __future__ import annotations

import contextlib
import inspect
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from skdl._compat_keras import function_arguments

if TYPE_CHECKING:
    from skdl.networks._object_kinds import Family, KerasThing

__all__ = [
    "Config",
    "arguments_kept",
    "base_config",
    "by_name",
    "class_of",
    "config_of",
    "made_by_base",
    "nameless",
    "serializer",
]

# The names of a class and its module, and under "config" the arguments.
Config: TypeAlias = dict[str, Any]


def serializer(family: Family) -> Any:
    """Return what serialises objects of a family."""
    import keras

    if family == "schedules":
        return keras.optimizers.schedules
    return _AnyObjects if family == "parts" else getattr(keras, family)


class _AnyObjects:
    """Serialises regularizers, initializers, constraints and the like."""

    @staticmethod
    def serialize(obj: KerasThing) -> Any:
        import keras

        return keras.saving.serialize_keras_object(obj)

    @staticmethod
    def deserialize(config: Config) -> Any:
        import keras

        return keras.saving.deserialize_keras_object(config)


def config_of(family: Family, obj: KerasThing) -> Config:
    """Return the configuration of an object; of names, those of metrics alone."""
    config: Config = serializer(family).serialize(obj)
    # Names are counted up, so equal objects differ in them. Models need one.
    name = config["config"].pop("name", None)
    if family == "metrics":
        config["config"]["name"] = _uncounted(name, type(obj))
    if "layers" in config["config"]:
        config["config"]["name"] = "model"
    config.pop("build_config", None)
    # Keras leaves some arguments of losses, such as Huber's delta, out of their configs.
    accepted = inspect.signature(type(obj).__init__).parameters
    for name, value in function_arguments(obj).items():
        if name in accepted:
            config["config"].setdefault(name, value)
    return config


def _uncounted(name: str | None, kind: type) -> str:
    """Return a metric's name without the number that Keras counts its objects by."""
    plain = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", kind.__name__)
    plain = re.sub(r"([a-z])([A-Z])", r"\1_\2", plain).lower()
    is_given_by_keras = name is None or re.fullmatch(rf"{re.escape(plain)}_\d+", name)
    return plain if is_given_by_keras else str(name)


def by_name(roots: tuple[object, ...]) -> dict[str, Any]:
    """Return classes and functions under the names that Keras looks them up by."""
    import keras

    named = [root for root in roots if hasattr(root, "__name__")]
    return {keras.saving.get_registered_name(root): root for root in named}


def class_of(config: Config) -> Any:
    """Return the class that a configuration names."""
    import importlib

    return getattr(importlib.import_module(config["module"]), config["class_name"])


def _base_of(kind: type) -> Any:
    return next((base for base in kind.__mro__ if base.__module__.startswith("keras.")), object)


def base_config(family: Family, obj: KerasThing) -> Config:
    """Return what an object's base in Keras can be called with."""
    base = _base_of(type(obj))
    accepted = inspect.signature(base.__init__).parameters
    try:
        config = base.get_config(obj)
    except Exception:  # noqa: BLE001 - abstract, or of arguments that are no numbers or text
        config = {"trainable": obj.trainable} if family == "layers" else {}
    config = {n: value for n, value in config.items() if n in accepted and n != "name"}
    if family == "metrics":
        config["name"] = _uncounted(obj.name, type(obj))
    return {"class_name": type(obj).__name__, "config": config}


def arguments_kept(obj: KerasThing) -> dict[str, object]:
    """Return the arguments of an object's own ``__init__`` that it keeps under their names."""
    parameters = inspect.signature(type(obj).__init__).parameters
    return {name: value for name, value in vars(obj).items() if name in parameters}


def made_by_base(kind: type, arguments: dict[str, object], own: dict[str, object]) -> Any:
    """Return an object of a class whose configuration is no use to its own ``__init__``.

    That is left out, but for metrics: variables that it makes are nowhere else.

    Parameters
    ----------
    kind : type
    arguments : dict
        Of its base in Keras.
    own : dict
        Of its own ``__init__``, as far as known.
    """
    import keras

    if issubclass(kind, keras.metrics.Metric):
        with contextlib.suppress(Exception):
            made: Any = kind(**own)
            made.name = arguments["name"]
            return made
    new: Any = kind.__new__
    made = new(kind)
    _base_of(kind).__init__(made, **arguments)
    return made


def nameless(obj: KerasThing) -> Any:
    """Return the configuration of an object of Keras' own, names left out."""

    def without(value: object) -> Any:
        if isinstance(value, dict):
            left_out = {"name", "build_config"}
            return {k: without(v) for k, v in value.items() if k not in left_out}
        return [without(v) for v in value] if isinstance(value, list | tuple) else value

    try:
        return without(serializer("parts").serialize(obj))
    except Exception:  # noqa: BLE001 - what has no configuration is equal to itself alone
        return id(obj)
