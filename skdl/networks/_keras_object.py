"""Keras objects as their configurations."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from typing import Any, Literal

from skdl._compat_keras import function_arguments

__all__ = ["PACKAGE", "KerasObject"]

Family = Literal["layers", "losses", "metrics", "optimizers"]

# Registered with Keras under this package name, so that saved models load.
PACKAGE = "skdl"


@dataclasses.dataclass(frozen=True)
class KerasObject:
    """A Keras object as its configuration: equal configurations are equal and share programs.

    Parameters
    ----------
    family : str
        Module of Keras that it belongs to.
    config : str
        As Keras serialises it, without its name.
    kind : type, optional
        Its class, where that is not Keras' own and need not be known to Keras.
    """

    family: Family
    config: str
    kind: type | None = None

    @classmethod
    def of(cls, family: Family, obj: Any) -> KerasObject:
        """Describe a Keras object; the object itself is neither kept nor changed."""
        import keras

        config = getattr(keras, family).serialize(obj)
        # Names are counted up, so equal objects differ in them. Models need one.
        name = config["config"].pop("name", None)
        if family == "metrics" and not _is_given_by_keras(name, type(obj)):
            config["config"]["name"] = name
        if "layers" in config["config"]:
            config["config"]["name"] = "model"
        config.pop("build_config", None)
        # Keras leaves some arguments of losses, such as Huber's delta, out of their configs.
        accepted = inspect.signature(type(obj).__init__).parameters
        for name, value in function_arguments(obj).items():
            if name in accepted:
                config["config"].setdefault(name, value)
        is_own = not type(obj).__module__.startswith("keras.")
        return cls(family, json.dumps(config, sort_keys=True), type(obj) if is_own else None)

    def build(self) -> Any:
        """Return a new object of this configuration."""
        import keras

        config = json.loads(self.config)
        if self.kind is not None:
            making: Any = self.kind
            return making.from_config(config["config"])
        return getattr(keras, self.family).deserialize(config)

    def __reduce__(self) -> tuple[Any, ...]:
        # Keras objects inside patched classes must never reach the pickle: text only.
        return KerasObject, (self.family, self.config, self.kind)


def _is_given_by_keras(name: str | None, kind: type) -> bool:
    """Tell whether a name is that of a class, perhaps with a number: Keras counts its objects."""
    plain = re.sub(r"_\d+$", "", name or "").replace("_", "").lower()
    return plain in {"", kind.__name__.lower()}
