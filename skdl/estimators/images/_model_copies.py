"""Copies of Keras models from their configurations, with the functions of Lambda layers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from skdl._compat_keras import flat_layers
from skdl.networks import preserved_generators

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import keras
    from numpy.typing import NDArray

__all__ = ["from_json", "functions_of"]

# What Lambda layers are called while a model is made of its configuration.
_LAMBDA = "skdl>Lambda"


def from_json(
    config: str,
    weights: Sequence[NDArray[Any]] | None,
    *,
    functions: Mapping[str, Callable[..., Any]],
) -> keras.Model:
    """Return a model of a configuration, with new weights if None are given.

    The functions of its Lambda layers are those given: code in a configuration is not run.
    """
    import keras

    class OfTheUser(keras.layers.Lambda):
        @classmethod
        def from_config(cls, config: dict[str, Any], *_: Any, **__: Any) -> Any:
            taken = {k: config[k] for k in ("name", "trainable", "arguments") if k in config}
            shape = config.get("output_shape")
            shape = tuple(shape) if isinstance(shape, list | tuple) else None
            return keras.layers.Lambda(functions[config["name"]], output_shape=shape, **taken)

    with preserved_generators():
        if functions:
            config = json.dumps(_with_other_lambdas(json.loads(config)))
        model = keras.models.model_from_json(config, custom_objects={_LAMBDA: OfTheUser})
    if weights is not None:
        model.set_weights(weights)
    return model


def _with_other_lambdas(config: Any) -> Any:
    """Return a configuration in which Lambda layers are of the class that `from_json` makes."""
    if isinstance(config, list):
        return [_with_other_lambdas(part) for part in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "Lambda" and config.get("module") == "keras.layers":
        inner = {**config["config"], "function": None}
        return {**config, "config": inner, "module": None, "registered_name": _LAMBDA}
    return {name: _with_other_lambdas(part) for name, part in config.items()}


def functions_of(model: Any) -> dict[str, Callable[..., Any]]:
    """Return the functions of the Lambda layers of a model, by the layers' names."""
    import keras

    return {
        layer.name: layer.function
        for layer in flat_layers(model)
        if isinstance(layer, keras.layers.Lambda)
    }
