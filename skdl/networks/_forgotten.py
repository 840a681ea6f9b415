"""What configurations of Keras objects leave out, and how it is put back."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any, TypeAlias

from skdl.networks._keras_config import nameless
from skdl.networks._object_kinds import (
    has_code,
    is_object_of_keras,
    is_of_keras,
    is_variable,
    parts_of,
)
from skdl.networks._outside import Description, reading

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from skdl.networks._object_kinds import KerasThing

__all__ = ["Arguments", "Forgotten", "Path", "differences", "put_back", "without_code"]

# Names of attributes and positions in lists that lead to a value in an object.
Path: TypeAlias = tuple[str | int, ...]
# Pairs of name and value.
Arguments: TypeAlias = tuple[tuple[str, Any], ...]

_UNKNOWN = object()


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

    attributes: tuple[tuple[Path, Any], ...]
    arguments: Arguments
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


def without_code(obj: KerasThing) -> tuple[Arguments, Any]:
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
        if not has_code(value):
            continue
        arguments.append((name, value))
        for stand_in in (None, keras.activations.linear, keras.layers.Identity()):
            plain.__dict__[attribute] = stand_in
            try:
                if name in plain.get_config():
                    break
            except Exception:  # noqa: BLE001, S112 - it wants something else there
                continue
    return tuple(arguments), plain


def differences(twin: KerasThing, obj: KerasThing, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what must be set on an object made of a configuration, to compute as the given one."""
    is_built = bool(getattr(obj, "built", False))
    own, others = parts_of(obj), parts_of(twin)
    for name, value in own.items():
        here = (*path, name)
        if is_variable(value) or (is_of_keras(type(obj)) and not has_code(value)):
            continue
        if name not in others:
            # Layers that are missing are made when the layer is built.
            if not (is_built and is_object_of_keras(value)):
                yield here, value
            continue
        yield from _difference(others[name], value, here)


def _difference(other: Any, value: object, path: Path) -> Iterator[tuple[Path, Any]]:
    if _is_alike(other, value):
        if isinstance(value, list):
            for i, (theirs, own) in enumerate(zip(other, value, strict=True)):
                yield from _difference(theirs, own, (*path, i))
        elif has_code(value):
            yield from differences(other, value, path)
        elif nameless(other) != nameless(value):
            yield path, value
    elif _read(other) != _read(value):
        yield path, value


def _is_alike(other: object, value: object) -> bool:
    """Tell whether two objects of Keras are of one class, or two lists hold such objects."""
    if isinstance(value, list):
        if not isinstance(other, list) or len(other) != len(value):
            return False
        return bool(value) and all(map(_is_alike, other, value))
    return type(other) is type(value) and is_object_of_keras(value)


def _read(value: object) -> Hashable:
    return reading((value,), _UNKNOWN)


def put_back(obj: KerasThing, path: Path, value: object) -> None:
    """Set what a path in an object leads to."""
    for step in path[:-1]:
        obj = obj[step] if isinstance(step, int) else getattr(obj, step)
    last = path[-1]
    if isinstance(last, int):
        obj[last] = value
        return
    if last in vars(obj):
        vars(obj).pop(last)
    setattr(obj, last, value)
