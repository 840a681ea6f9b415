"""The network: a frozen, hashable description of an architecture, without weights.

A network is what `skdl.networks` builders return and what the training engine takes. It can be
compared, hashed and pickled without Keras being loaded; `Network.to_keras` gives the real thing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._registry import CUSTOM_LAYERS, custom_layer_class

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    import keras

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
        return cls(kind, tuple(sorted(config.items())))

    def __getitem__(self, name: str) -> Any:
        return dict(self.config)[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return one argument, or `default` where it is not given."""
        return dict(self.config).get(name, default)

    def to_keras(self, seed: int) -> keras.layers.Layer:
        """Return a new Keras layer; `seed` starts its noise where it has any."""
        import keras

        config = dict(self.config)
        if self.kind in {"Dense", "Conv1D", "Conv2D", "SharedDense", "SharedHeads"}:
            penalty: dict[str, Any] = {name: config.pop(name, 0.0) for name in ("l1", "l2")}
            if any(penalty.values()):
                config["kernel_regularizer"] = keras.regularizers.L1L2(**penalty)
        if self.kind == "Keras":
            return self["layer"].build()
        if self.kind == "Activation":
            return keras.layers.Activation(config["function"])
        if self.kind == "Dropout" or self.kind.startswith("Random"):
            config["seed"] = seed
        if self.kind in CUSTOM_LAYERS:
            return custom_layer_class(self.kind)(**config)
        return getattr(keras.layers, self.kind)(**config)


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
        return self.layers[0].kind == "Model"

    @property
    def is_shared(self) -> bool:
        """Whether it is several networks that share weights, trained on the mean of their losses.

        The Keras model of one gives the mean of their predictions, of which the loss is another.
        """
        return self.layers[-1].kind == "SharedHeads"

    def to_keras(self, seed: int = 0) -> keras.Model:
        """Build the uncompiled Keras model with weights as Keras draws them.

        Dropout layers of rate 0 are left out: they do nothing. Global random generators are
        left as they were.
        """
        import keras

        if self.source is not None:
            return self.source.build(seed)
        layers = [
            layer.to_keras(seed + position)
            for position, layer in enumerate(self.layers)
            if not (layer.kind == "Dropout" and layer["rate"] == 0)
        ]
        if self.output_activation != "linear":
            layers.append(keras.layers.Activation(self.output_activation, name="output"))
        if self.is_shared:
            layers.append(custom_layer_class("SharedMean")())
        with preserved_generators():
            return keras.Sequential([keras.Input(self.input_shape), *layers])


_using_generators = threading.RLock()


@contextlib.contextmanager
def preserved_generators() -> Iterator[None]:
    """Leave Python's and NumPy's global generators as they were: Keras draws seeds from them.

    One thread at a time, since what one puts back another may be drawing from.
    """
    with _using_generators:
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
