"""Keras objects as descriptions: their configurations, and what these leave out."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import TYPE_CHECKING, Any

from skdl.networks._forgotten import Forgotten, differences, put_back, without_code
from skdl.networks._keras_config import (
    arguments_kept,
    base_config,
    by_name,
    class_of,
    config_of,
    made_by_base,
    serializer,
)
from skdl.networks._object_kinds import family_of, has_code, is_object_of_keras, user_code
from skdl.networks._outside import Description, UserFunction, described_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from skdl.networks._forgotten import Arguments
    from skdl.networks._object_kinds import Family, KerasThing

__all__ = [
    "Container",
    "KerasObject",
    "described_object",
    "let_sklearn_clone",
    "named_apart",
    "rebuilt",
    "reseeded",
]


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
    def of(cls, family: Family, obj: KerasThing) -> KerasObject:
        """Describe a Keras object; the object itself is neither kept nor changed."""
        kind = type(obj)
        is_own = not kind.__module__.startswith("keras.")
        roots = tuple(user_code(obj))
        arguments: Arguments = ()
        try:
            by_base, plain = False, obj
            if roots and not is_own:
                values, plain = without_code(obj)
                arguments = tuple((name, _described(value)) for name, value in values)
            config = config_of(family, plain)
            for name, _ in arguments:
                del config["config"][name]
            text = json.dumps(config, sort_keys=True)
        except Exception:
            if not (roots and is_own):
                raise
            config, by_base = base_config(family, obj), True
            text = json.dumps(config, sort_keys=True)
        described = cls(family, text, kind if is_own else None)
        if not roots:
            return described
        twin, by_base = described._made(arguments, roots, by_base=by_base, like=obj)
        if by_base:
            text = json.dumps(base_config(family, obj), sort_keys=True)
            if family == "metrics":
                kept = arguments_kept(obj)
                arguments = tuple((name, _described(value)) for name, value in kept.items())
        found = tuple((path, _described(value)) for path, value in differences(twin, obj))
        forgotten = Forgotten(found, arguments, by_base, roots)
        return cls(family, text, kind if is_own else None, forgotten)

    def _made(
        self,
        arguments: Arguments,
        roots: tuple[object, ...],
        *,
        by_base: bool,
        like: KerasThing,
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
            base = base_config(self.family, like)
            return made_by_base(type(like), base["config"], arguments_kept(like)), True

    def build(self) -> Any:
        """Return a new object that computes the same."""
        made = self._from_config()
        if self.forgotten is not None:
            for path, value in self.forgotten.attributes:
                put_back(made, path, _built(value))
        return made

    def _from_config(self) -> Any:
        import keras

        config = json.loads(self.config)
        forgotten = self.forgotten
        given = {} if forgotten is None else dict(forgotten.arguments)
        given = {name: _built(value) for name, value in given.items()}
        if self.kind is not None and forgotten is not None and forgotten.by_base:
            return made_by_base(self.kind, config["config"], given)
        if self.kind is not None:
            making: Any = self.kind
            return making.from_config({**config["config"], **given})
        if forgotten is None:
            return serializer(self.family).deserialize(config)
        known = by_name(forgotten.roots)
        if given:
            with keras.saving.custom_object_scope(known):
                return class_of(config)(**config["config"], **given)
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

    def with_config(self, **changed: object) -> KerasObject:
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


def rebuilt(obj: KerasThing, *, only_with_code: bool = False) -> Any:
    """Return a new object that computes the same as a Keras object, its name included.

    Parameters
    ----------
    obj : object
    only_with_code : bool, default=False
        Leave objects without code of the user's to Keras.
    """
    if only_with_code and not has_code(obj):
        return type(obj).from_config(obj.get_config())
    twin = KerasObject.of(family_of(obj), obj).build()
    if hasattr(obj, "name"):
        twin.name = obj.name
    return twin


def reseeded(initializer: keras.Initializer, seed: int) -> Any:
    """Return an initializer that draws other numbers."""
    if has_code(initializer):
        return described_object(initializer).with_config(seed=seed).build()
    return type(initializer).from_config({**initializer.get_config(), "seed": seed})


def named_apart(metrics: Sequence[object]) -> list[Any]:
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


def described_object(obj: KerasThing) -> KerasObject:
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

    def cloned(obj: KerasThing) -> Any:
        return copy.deepcopy(obj) if isinstance(obj, keras.Model) else rebuilt(obj)

    kinds: tuple[Any, ...] = (
        keras.layers.Layer, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer,
    )  # fmt: skip
    for kind in kinds:
        kind.__sklearn_clone__ = cloned


@dataclasses.dataclass(frozen=True)
class Container(Description):
    """A list, tuple or dict of described values."""

    kind: type
    parts: tuple[Any, ...]


def _described(value: object) -> Any:
    """Return a value as descriptions hold it: no object of Keras, and nothing that may change."""
    import copy

    if isinstance(value, list | tuple | dict) and _has_objects(value):
        if isinstance(value, dict):
            return Container(dict, tuple((key, _described(part)) for key, part in value.items()))
        sequence = tuple if isinstance(value, tuple) else list
        return Container(sequence, tuple(map(_described, value)))
    if is_object_of_keras(value) and hasattr(value, "get_config"):
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


def _has_objects(value: list[object] | tuple[object, ...] | dict[object, object]) -> bool:
    parts = value.values() if isinstance(value, dict) else value
    return any(
        _has_objects(p) if isinstance(p, list | tuple | dict) else
        callable(p) or is_object_of_keras(p)
        for p in parts
    )  # fmt: skip


def _built(value: object) -> Any:
    """Return what a description stands for, new where it may be changed."""
    import copy

    if isinstance(value, KerasObject):
        return value.build()
    if isinstance(value, UserFunction):
        return value.function
    if isinstance(value, Container):
        if value.kind is dict:
            return {key: _built(part) for key, part in value.parts}
        return value.kind(map(_built, value.parts))
    return copy.copy(value) if isinstance(value, list | dict | set) else value
