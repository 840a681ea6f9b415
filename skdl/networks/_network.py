"""The network: a frozen, hashable description of an architecture, without weights.

A network is what `skdl.networks` builders return and what the training engine takes. It can be
compared, hashed and pickled without Keras being loaded; `skdl.layers.keras_model` builds the model.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from skdl.networks._keras_object import KerasObject
from skdl.networks._outside import UserFunction, described_code

if TYPE_CHECKING:
    from collections.abc import Hashable

    from skdl.networks._loss import Loss
    from skdl.networks._user_model import UserModel

__all__ = ["Layer", "Network"]


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer: the name of its Keras class and the arguments that are not left at default.

    Parameters
    ----------
    kind : str
        Name of the class in ``keras.layers`` or among our own; ``"Keras"`` for a layer given as
        an object, ``"Operation"`` for a function of tensors, ``"Model"`` for a whole model that
        only Keras can run.
    config : tuple of (name, value) pairs
        Constructor arguments. ``l1`` and ``l2`` stand for the kernel's regulariser.
    """

    kind: str
    config: tuple[tuple[str, Hashable], ...] = ()

    @classmethod
    def of(cls, kind: str, **config: Hashable) -> Layer:
        """Return the layer with its arguments in a fixed order."""
        described = {name: described_code(value) for name, value in config.items()}
        return cls(kind, tuple(sorted(described.items())))

    def __getitem__(self, name: str) -> Any:
        return dict(self.config)[name]

    def get(self, name: str, default: object = None) -> Any:
        """Return one argument, or `default` where it is not given."""
        return dict(self.config).get(name, default)

    @property
    def is_model(self) -> bool:
        """Whether it is a whole model that only Keras can run."""
        return self.kind == "Model"

    def now(self) -> Layer:
        """Return it with what the user's code in it reads from outside now, or itself."""
        config = tuple((name, now(value)) for name, value in self.config)
        is_same = all(a is b for (_, a), (_, b) in zip(config, self.config, strict=True))
        return self if is_same else Layer(self.kind, config)


@dataclasses.dataclass(frozen=True)
class Network:
    """Layers, the output activation and the loss that they are trained on.

    Layers form a chain unless `inputs` says otherwise.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one row.
    layers : tuple of Layer
        The last one gives the output before its activation.
    output_activation : {"linear", "sigmoid", "softmax", "exponential"}
        Kept apart from the last layer because losses are computed from what stands before it,
        which is exact where the probability would round to 0 or 1.
    loss : Loss
        What training minimises.
    inputs : tuple of tuple of int, default=()
        For each layer the tensors that it takes: 0 for the rows, i for what layer i - 1 gives.
        Layers stand in an order in which what they take is there. Empty for a chain.
    source : UserModel, optional
        Where the user's own model comes from, of which the layers are a reading.
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    output_activation: str
    loss: Loss
    inputs: tuple[tuple[int, ...], ...] = ()
    source: UserModel | None = None

    def inputs_of(self, position: int) -> tuple[int, ...]:
        """Return which tensors a layer takes, as in `inputs`."""
        return self.inputs[position] if self.inputs else (position,)

    @property
    def is_opaque(self) -> bool:
        """Whether the engine cannot look inside, so that only Keras can train and predict."""
        return self.layers[0].is_model

    @property
    def is_shared(self) -> bool:
        """Whether it is several networks that share weights, trained on the mean of their losses.

        The Keras model of one gives the mean of their predictions, of which the loss is another.
        """
        return self.layers[-1].kind == "SharedHeads"

    def now(self) -> Network:
        """Return it with what the user's code in it reads from outside now, or itself."""
        layers = tuple(layer.now() for layer in self.layers)
        function = now(self.loss.function)
        is_same = all(a is b for a, b in zip(layers, self.layers, strict=True))
        if is_same and function is self.loss.function:
            return self
        loss = dataclasses.replace(self.loss, function=function)
        return dataclasses.replace(self, layers=layers, loss=loss)

    def __getstate__(self) -> dict[str, Any]:
        # The blueprint that `skdl.layers` keeps on it is worked out anew where it is loaded.
        return {name: value for name, value in self.__dict__.items() if name != "_blueprint"}


def now(value: object) -> Any:
    """Return a description of the user's code with what it reads now; other values as they are."""
    return value.now() if isinstance(value, KerasObject | UserFunction) else value
