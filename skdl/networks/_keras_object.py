"""Keras objects as descriptions: their configurations, and what these leave out."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
from typing import TYPE_CHECKING, Any, Literal

from skdl._compat_keras import function_arguments
from skdl.networks._outside import (
    Description,
    UserFunction,
    described_code,
    is_users,
    plain_function,
    reading,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

__all__ = [
    "PACKAGE",
    "KerasObject",
    "described_object",
    "let_sklearn_clone",
    "named_apart",
    "rebuilt",
    "reseeded",
]

Family = Literal["layers", "losses", "metrics", "optimizers", "schedules", "parts"]

# Registered with Keras under this package name, so that saved models load.
PACKAGE = "skdl"
# How deep the user's objects in a Keras object are looked for.
_MOST_LEVELS = 6


@dataclasses.dataclass(frozen=True)
class Forgotten(Description):
    """What the configuration of an object does not say.

    Parameters
    ----------
    attributes : tuple of (path, value) pairs
        To be set on an object that was made of the configuration. A path is the names and
        positions that lead there; a value may be a `KerasObject` itself.
    arguments : tuple of (name, value) pairs
        Arguments of a class of Keras' own that hold the user's code.
    by_base : bool
        Whether the class cannot be called with its configuration, so that only its base in Keras
        is, and all attributes are set afterwards.
    roots : tuple
        The user's classes and functions in the object.
    token : object
        See `reading`.
    """

    attributes: tuple[tuple[tuple[str | int, ...], Any], ...]
    arguments: tuple[tuple[str, Any], ...]
    by_base: bool
    roots: tuple[Any, ...]
    token: object = dataclasses.field(default_factory=object, repr=False)

    def __post_init__(self) -> None:
        parts = (self.by_base, self.roots, self.attributes, self.arguments)
        read = reading(parts, self.token)
        self.__dict__.update(_read=read, _hash=hash(read))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Forgotten) or hash(self) != hash(other):
            return False
        return bool(self.__dict__["_read"] == other.__dict__["_read"])

    def __hash__(self) -> int:
        own: int = self.__dict__["_hash"]
        return own

    def now(self) -> Forgotten:
        """Return it with what the user's code reads from outside now."""
        other = dataclasses.replace(self)
        return self if other == self else other

    def __reduce__(self) -> tuple[Any, ...]:
        # What the code reads is read anew where it is loaded.
        return Forgotten, (self.attributes, self.arguments, self.by_base, self.roots)


@dataclasses.dataclass(frozen=True)
class KerasObject(Description):
    """A Keras object as its configuration: equal configurations are equal and share programs.

    Parameters
    ----------
    family : str
        Module of Keras that it belongs to; "parts" for regularizers and the like.
    config : str
        As Keras serialises it; of names, those of metrics alone.
    kind : type, optional
        Its class, where that is not Keras' own and need not be known to Keras.
    forgotten : Forgotten, optional
        For objects with code of the user's: what it reads, and what the configuration leaves out.
    """

    family: Family
    config: str
    kind: type | None = None
    forgotten: Forgotten | None = None

    @classmethod
    def of(cls, family: Family, obj: Any) -> KerasObject:
        """Describe a Keras object; the object itself is neither kept nor changed."""
        kind = type(obj)
        is_own = not kind.__module__.startswith("keras.")
        roots = tuple(_user_code(obj))
        arguments: tuple[tuple[str, Any], ...] = ()
        try:
            by_base, plain = False, obj
            if roots and not is_own:
                arguments, plain = _without_code(obj)
            config = _config_of(family, plain)
            for name, _ in arguments:
                del config["config"][name]
            text = json.dumps(config, sort_keys=True)
        except Exception:
            if not (roots and is_own):
                raise
            config, by_base = _base_config(family, obj), True
            text = json.dumps(config, sort_keys=True)
        described = cls(family, text, kind if is_own else None)
        if not roots:
            return described
        twin, by_base = described._made(arguments, roots, by_base=by_base, like=obj)
        if by_base:
            text = json.dumps(_base_config(family, obj), sort_keys=True)
        found = tuple(_differences(twin, obj, ()))
        forgotten = Forgotten(found, arguments, by_base, roots)
        return cls(family, text, kind if is_own else None, forgotten)

    def _made(
        self,
        arguments: tuple[tuple[str, Any], ...],
        roots: tuple[Any, ...],
        *,
        by_base: bool,
        like: Any,
    ) -> tuple[Any, bool]:
        """Return a first object of the configuration, and whether only its base could make it."""
        from skdl.networks._generators import preserved_generators

        with preserved_generators():
            if not by_base:
                try:
                    nothing = Forgotten((), arguments, by_base=False, roots=roots)
                    return dataclasses.replace(self, forgotten=nothing).build(), False
                except Exception:
                    if self.kind is None:
                        raise
            base = _base_config(self.family, like)
            return _made_by_base(type(like), base["config"]), True

    def build(self) -> Any:
        """Return a new object that computes the same."""
        made = self._from_config()
        if self.forgotten is not None:
            for path, value in self.forgotten.attributes:
                _set(made, path, _built(value))
        return made

    def _from_config(self) -> Any:
        import keras

        config = json.loads(self.config)
        forgotten = self.forgotten
        if forgotten is not None and forgotten.by_base:
            return _made_by_base(self.kind, config["config"])
        given = {} if forgotten is None else dict(forgotten.arguments)
        given = {name: _built(value) for name, value in given.items()}
        if self.kind is not None:
            making: Any = self.kind
            return making.from_config({**config["config"], **given})
        if forgotten is None:
            return _module(self.family).deserialize(config)
        known = _by_name(forgotten.roots)
        if given:
            with keras.saving.custom_object_scope(known):
                return _class_of(config)(**config["config"], **given)
        return keras.saving.deserialize_keras_object(config, custom_objects=known, safe_mode=False)

    def now(self) -> KerasObject:
        """Return it with what the user's code in it reads from outside now."""
        if self.forgotten is None or (now := self.forgotten.now()) is self.forgotten:
            return self
        return dataclasses.replace(self, forgotten=now)

    @property
    def name(self) -> str:
        """Name of a metric; that of its class in Keras' spelling where the user gave none."""
        return str(json.loads(self.config)["config"].get("name", ""))

    def with_config(self, **changed: Any) -> KerasObject:
        """Return an object with other entries in its configuration."""
        config = json.loads(self.config)
        config["config"] |= changed
        known = self._without_argument(set(changed))
        return dataclasses.replace(known, config=json.dumps(config, sort_keys=True))

    def with_argument(self, name: str, value: KerasObject) -> KerasObject:
        """Return an object with an argument that is a Keras object itself."""
        if value.forgotten is None:
            return self.with_config(**{name: json.loads(value.config)})
        config = json.loads(self.config)
        config["config"].pop(name, None)
        known = self._without_argument({name})
        own = known.forgotten or Forgotten((), (), by_base=False, roots=())
        forgotten = dataclasses.replace(
            own,
            arguments=(*own.arguments, (name, value)),
            roots=(*own.roots, *value.forgotten.roots),
        )
        text = json.dumps(config, sort_keys=True)
        return dataclasses.replace(known, config=text, forgotten=forgotten)

    def _without_argument(self, names: set[str]) -> KerasObject:
        own = self.forgotten
        if own is None or not names & {name for name, _ in own.arguments}:
            return self
        kept = tuple((name, value) for name, value in own.arguments if name not in names)
        return dataclasses.replace(self, forgotten=dataclasses.replace(own, arguments=kept))

    def __reduce__(self) -> tuple[Any, ...]:
        # Keras objects inside patched classes must never reach the pickle.
        return KerasObject, (self.family, self.config, self.kind, self.forgotten)


def rebuilt(obj: Any, *, only_with_code: bool = False) -> Any:
    """Return a new object that computes the same as a Keras object, its name included.

    Parameters
    ----------
    obj : object
    only_with_code : bool, default=False
        Leave objects without code of the user's to Keras.
    """
    if only_with_code and not _has_code(obj):
        return type(obj).from_config(obj.get_config())
    twin = KerasObject.of(family_of(obj), obj).build()
    if hasattr(obj, "name"):
        twin.name = obj.name
    return twin


def reseeded(initializer: Any, seed: int) -> Any:
    """Return an initializer that draws other numbers."""
    if _has_code(initializer):
        return described_object(initializer).with_config(seed=seed).build()
    return type(initializer).from_config({**initializer.get_config(), "seed": seed})


def named_apart(metrics: Sequence[Any]) -> list[Any]:
    """Give numbers to metrics of one name, in their order, as Keras does in a new process."""
    named: list[Any] = []
    taken: set[str] = set()
    for metric in metrics:
        own = metric
        if isinstance(metric, KerasObject):
            name, number = metric.name, 0
            while name in taken:
                number += 1
                name = f"{metric.name}_{number}"
            taken.add(name)
            own = metric if name == metric.name else metric.with_config(name=name)
        elif isinstance(metric, str):
            taken.add(metric)
        named.append(own)
    return named


def described_object(obj: Any) -> KerasObject:
    """Describe an object of any family."""
    return KerasObject.of(family_of(obj), obj)


@functools.cache
def let_sklearn_clone() -> None:
    """Have ``sklearn.base.clone`` copy objects of Keras with what their configs leave out.

    It would use ``copy.deepcopy``, for which Keras writes a file: arguments are lost, and the
    user's own classes are refused. Grids over such objects are cloned out of an estimator's reach.
    """
    import copy

    import keras

    def cloned(obj: Any) -> Any:
        return copy.deepcopy(obj) if isinstance(obj, keras.Model) else rebuilt(obj)

    kinds: tuple[Any, ...] = (
        keras.layers.Layer, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer,
    )  # fmt: skip
    for kind in kinds:
        kind.__sklearn_clone__ = cloned


def family_of(obj: Any) -> Family:
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


def _module(family: Family) -> Any:
    """Return what serialises objects of a family."""
    import keras

    if family == "schedules":
        return keras.optimizers.schedules
    return _AnyObjects if family == "parts" else getattr(keras, family)


class _AnyObjects:
    """Serialises regularizers, initializers, constraints and the like."""

    @staticmethod
    def serialize(obj: Any) -> Any:
        import keras

        return keras.saving.serialize_keras_object(obj)

    @staticmethod
    def deserialize(config: Any) -> Any:
        import keras

        return keras.saving.deserialize_keras_object(config)


def _config_of(family: Family, obj: Any) -> dict[str, Any]:
    config: dict[str, Any] = _module(family).serialize(obj)
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


# ------------------------------------------------------------------------- the user's own code


def _is_of_keras(kind: type) -> bool:
    return kind.__module__.startswith(("keras.", f"{PACKAGE}."))


def _is_object_of_keras(value: Any) -> bool:
    """Tell whether something is a loss, layer, regularizer or the like."""
    if isinstance(value, list | tuple | dict | set):
        return False  # those of a layer are of a class of Keras' own
    return any(base.__module__.startswith("keras.") for base in type(value).__mro__)


def _is_variable(value: Any) -> bool:
    """Tell whether something belongs to one object alone: weights, tensors, noise."""
    import keras
    import tensorflow as tf

    own = keras.Variable | tf.Variable | keras.KerasTensor | keras.random.SeedGenerator
    if isinstance(value, list) and value:
        return all(map(_is_variable, value))
    return isinstance(value, own) or (tf.is_tensor(value) and not hasattr(value, "numpy"))


def _user_code(value: Any, level: int = 0) -> Iterator[Any]:
    """Yield the user's classes and functions that an object of Keras consists of."""
    if level > _MOST_LEVELS or value is None or isinstance(value, bool | int | float | str | bytes):
        return
    if isinstance(value, list | tuple):
        for part in value:
            yield from _user_code(part, level + 1)
    elif isinstance(value, dict):
        yield from _user_code(list(value.values()), level)
    elif isinstance(value, type):
        return
    elif callable(value) and not hasattr(type(value), "get_config"):
        if is_users(plain_function(value)):
            yield plain_function(value)
    elif _is_object_of_keras(value) and not _is_variable(value):
        if not _is_of_keras(type(value)):
            yield type(value)
        yield from _user_code(_parts_of(value), level + 1)


def _parts_of(obj: Any) -> dict[str, Any]:
    """Return the attributes of a Keras object, and the layers of a model."""
    import keras

    if isinstance(obj, keras.Model) and obj.__class__.__module__.startswith("keras."):
        return {"layers": obj.layers}
    return state_of(obj)


def _without_code(obj: Any) -> tuple[tuple[tuple[str, Any], ...], Any]:
    """Return the arguments of an object of Keras' own that hold code, and it without them."""
    import keras

    if isinstance(obj, keras.Model):
        return (), obj
    plain: Any = object.__new__(type(obj))
    plain.__dict__.update(vars(obj))
    arguments = []
    for name in inspect.signature(type(obj).__init__).parameters:
        attribute = f"_{name}" if f"_{name}" in vars(obj) else name
        value = vars(obj).get(attribute)
        if not _has_code(value):
            continue
        arguments.append((name, _described(value)))
        for stand_in in (None, keras.activations.linear, keras.layers.Identity()):
            plain.__dict__[attribute] = stand_in
            try:
                if name in plain.get_config():
                    break
            except Exception:  # noqa: BLE001, S112 - it wants something else there
                continue
    return tuple(arguments), plain


def _by_name(roots: tuple[Any, ...]) -> dict[str, Any]:
    """Return classes and functions under the names that Keras looks them up by."""
    import keras

    named = [root for root in roots if hasattr(root, "__name__")]
    return {keras.saving.get_registered_name(root): root for root in named}


def _class_of(config: dict[str, Any]) -> Any:
    import importlib

    return getattr(importlib.import_module(config["module"]), config["class_name"])


def _base_of(kind: type) -> Any:
    return next((base for base in kind.__mro__ if base.__module__.startswith("keras.")), object)


def _base_config(family: Family, obj: Any) -> dict[str, Any]:
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


def _made_by_base(kind: Any, config: dict[str, Any]) -> Any:
    """Return an object of a class whose own ``__init__`` is left out."""
    made = kind.__new__(kind)
    _base_of(kind).__init__(made, **config)
    return made


# ----------------------------------------------------------- what configurations leave out


def _differences(twin: Any, obj: Any, path: tuple[str | int, ...]) -> Iterator[tuple[Any, Any]]:
    """Yield what must be set on an object made of a configuration, to compute as the given one."""
    is_built = bool(getattr(obj, "built", False))
    own, others = _parts_of(obj), _parts_of(twin)
    for name, value in own.items():
        here = (*path, name)
        if _is_variable(value) or (_is_of_keras(type(obj)) and not _has_code(value)):
            continue
        if name not in others:
            # Layers that are missing are made when the layer is built.
            if not (is_built and _is_object_of_keras(value)):
                yield here, _described(value)
            continue
        yield from _difference(others[name], value, here)


def _difference(other: Any, value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[Any, Any]]:
    if _is_alike(other, value):
        if isinstance(value, list):
            for i, (theirs, own) in enumerate(zip(other, value, strict=True)):
                yield from _difference(theirs, own, (*path, i))
        elif _has_code(value):
            yield from _differences(other, value, path)
        elif _nameless(other) != _nameless(value):
            yield path, _described(value)
    elif _read(other) != _read(value):
        yield path, _described(value)


def _is_alike(other: Any, value: Any) -> bool:
    """Tell whether two objects of Keras are of one class, or two lists hold such objects."""
    if isinstance(value, list):
        same = isinstance(other, list) and len(other) == len(value)
        return bool(value) and same and all(map(_is_alike, other, value))
    return type(other) is type(value) and _is_object_of_keras(value)


def _has_code(value: Any) -> bool:
    return any(True for _ in _user_code(value))


_UNKNOWN = object()


def _read(value: Any) -> Hashable:
    return reading((value,), _UNKNOWN)


def _nameless(obj: Any) -> Any:
    """Return the configuration of an object of Keras' own, names left out."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            left_out = {"name", "build_config"}
            return {k: without(v) for k, v in value.items() if k not in left_out}
        return [without(v) for v in value] if isinstance(value, list | tuple) else value

    try:
        return without(_module("parts").serialize(obj))
    except Exception:  # noqa: BLE001 - what has no configuration is equal to itself alone
        return id(obj)


@dataclasses.dataclass(frozen=True)
class _Container(Description):
    """A list, tuple or dict of described values."""

    kind: type
    parts: tuple[Any, ...]


def _described(value: Any) -> Any:
    """Return a value as descriptions hold it: no object of Keras, and nothing that may change."""
    import copy

    if isinstance(value, list | tuple | dict) and _has_objects(value):
        if isinstance(value, dict):
            return _Container(dict, tuple((key, _described(part)) for key, part in value.items()))
        sequence = tuple if isinstance(value, tuple) else list
        return _Container(sequence, tuple(map(_described, value)))
    if _is_object_of_keras(value) and hasattr(value, "get_config"):
        return described_object(value)
    if callable(value):
        return described_code(value)
    for kind in (list, dict, set):
        if isinstance(value, kind) and type(value).__module__.startswith("keras."):
            value = kind(value)
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - what cannot be copied is shared
        return value


def _has_objects(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value
    return any(
        _has_objects(p) if isinstance(p, list | tuple | dict) else
        callable(p) or _is_object_of_keras(p)
        for p in parts
    )  # fmt: skip


def _built(value: Any) -> Any:
    """Return what a description stands for, new where it may be changed."""
    import copy

    if isinstance(value, KerasObject):
        return value.build()
    if isinstance(value, UserFunction):
        return value.function
    if isinstance(value, _Container):
        if value.kind is dict:
            return {key: _built(part) for key, part in value.parts}
        return value.kind(map(_built, value.parts))
    return copy.copy(value) if isinstance(value, list | dict | set) else value


def _set(obj: Any, path: tuple[str | int, ...], value: Any) -> None:
    for step in path[:-1]:
        obj = obj[step] if isinstance(step, int) else getattr(obj, step)
    last = path[-1]
    if isinstance(last, int):
        obj[last] = value
        return
    if last in vars(obj):
        vars(obj).pop(last)
    setattr(obj, last, value)
