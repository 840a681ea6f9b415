"""The user's own Keras models: how a fresh one is made, whenever one is needed.

A model that the user gave is copied, never touched; a function that builds models is called again.
Both are pickled as the user's own objects are, and hold no weights besides.
"""

from __future__ import annotations

import abc
import dataclasses
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import flat_layers
from skdl.networks._generators import preserved_generators
from skdl.networks._keras_object import rebuilt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras

__all__ = ["CalledModel", "Fresh", "GivenModel", "UserModel", "reset_states", "stateful_rows_of"]


@dataclasses.dataclass(frozen=True, eq=False)
class UserModel(abc.ABC):
    """A way to make the user's model.

    Parameters
    ----------
    complete : callable, default=None
        What is done to each model that was made, such as to give it its weights' shapes and, for
        models that only Keras can run, to compile it as the user says.
    """

    complete: Callable[[keras.Model], None] | None = dataclasses.field(default=None, kw_only=True)

    def build(self, seed: int) -> keras.Model:
        """Return a new model whose random parts come from `seed`; generators are left alone."""
        with preserved_generators():
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002 - what users' code draws from
            model = self._make()
            if self.complete is not None:
                self.complete(model)
            return model

    @abc.abstractmethod
    def _make(self) -> keras.Model:
        """Return a new model."""


class Fresh(abc.ABC):
    """An argument that is made anew for each call, as an optimizer must be."""

    @abc.abstractmethod
    def fresh(self) -> Any:
        """Return the argument."""


@dataclasses.dataclass(frozen=True, eq=False)
class CalledModel(UserModel):
    """What a function of the user's returns.

    Parameters
    ----------
    function : callable
    arguments : mapping of str to object
        Those that are `Fresh` are made anew for each call.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any]

    def _make(self) -> keras.Model:
        return self.function(**{name: _own(value) for name, value in self.arguments.items()})


@dataclasses.dataclass(frozen=True, eq=False)
class GivenModel(UserModel):
    """Copies of a model, with its weights."""

    model: keras.Model

    def _make(self) -> keras.Model:
        import keras

        given = self.model
        kind = type(given)
        if kind.__module__.startswith("keras."):
            copy = keras.models.clone_model(_uncompiled(given), clone_function=_copied_layer)
        else:
            try:
                copy = kind.from_config(given.get_config())
            except Exception as error:
                raise TypeError(
                    f"The model of class {kind.__name__} cannot be copied for a fit: "
                    f"{error or type(error).__name__}. Expected a class with get_config, or a "
                    "function that builds the model."
                ) from error
        if given.built and not copy.built and (config := given.get_build_config()):
            copy.build_from_config(config)
        if copy.built and len(copy.weights) == len(given.weights):
            copy.set_weights(given.get_weights())
        return copy


def stateful_rows_of(model: keras.Model) -> int | None:
    """Return how many rows a model takes at once that keeps a state for each; None in others."""
    if not any(getattr(layer, "stateful", False) is True for layer in flat_layers(model)):
        return None
    sizes = {tensor.shape[0] for tensor in getattr(model, "inputs", None) or []} - {None}
    return int(sizes.pop()) if len(sizes) == 1 else None


def reset_states(model: keras.Model) -> None:
    """Let layers that keep a state from batch to batch begin anew."""
    for layer in flat_layers(model):
        if getattr(layer, "stateful", False) is True:
            layer.reset_state()


def _uncompiled(model: keras.Model) -> keras.Model:
    """Return a model as it was before it was compiled; Keras compiles copies by text."""
    view: keras.Model = object.__new__(type(model))
    view.__dict__.update(vars(model), compiled=False)
    return view


def _copied_layer(layer: keras.layers.Layer) -> Any:
    """Return a new layer that computes the same, whatever its ``get_config`` leaves out."""
    import keras

    if isinstance(layer, keras.Model) and type(layer).__module__.startswith("keras."):
        return keras.models.clone_model(_uncompiled(layer), clone_function=_copied_layer)
    return rebuilt(layer, only_with_code=True)


def _own(value: object) -> Any:
    """Return an argument that the function may change."""
    if isinstance(value, Fresh):
        return value.fresh()
    return dict(value) if type(value) is dict else value
