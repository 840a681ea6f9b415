"""Losses as descriptions: which formula, its numbers, and the form in which it wants the target."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from typing import TYPE_CHECKING, Any, Literal

from skdl._compat_keras import function_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import keras

__all__ = ["KerasObject", "Loss"]

Family = Literal["layers", "losses", "metrics", "optimizers"]

# Registered with Keras under this package name, so that saved models load.
PACKAGE = "skdl"

_KERAS_LOSS = {
    "mse": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "huber": "Huber",
    "log_cosh": "LogCosh",
    "poisson": "Poisson",
    "binary_crossentropy": "BinaryCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "binary_focal": "BinaryFocalCrossentropy",
    "categorical_focal": "CategoricalFocalCrossentropy",
}


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


@dataclasses.dataclass(frozen=True)
class Loss:
    """One loss.

    Parameters
    ----------
    kind : str
        Name of the engine's formula, or ``"keras"`` for any other loss of Keras or the user's.
    scalars : tuple of (name, float) pairs
        Numbers of the formula, in the network's units. Members of a stack may differ in them.
    target : {"values", "labels", "one_hot"}
        What the formula is given: the target's columns, class numbers, or one column per class.
    function : KerasObject or callable, optional
        The loss of kind ``"keras"``; with another kind, the user's loss that this formula is.
    """

    kind: str
    scalars: tuple[tuple[str, float], ...] = ()
    target: Literal["values", "labels", "one_hot"] = "values"
    function: KerasObject | Callable[..., Any] | None = None

    @property
    def structure(self) -> Hashable:
        """What must be equal for two losses to share a stack."""
        return self.kind, tuple(name for name, _ in self.scalars), self.target, self.function

    @property
    def takes_logits(self) -> bool:
        """Whether it is a loss of the user's that is given outputs before their activation."""
        if not isinstance(self.function, KerasObject):
            return False
        return bool(json.loads(self.function.config)["config"].get("from_logits"))

    def to_keras(self) -> keras.losses.Loss:
        """Return the Keras loss that a compiled model of this network minimises.

        Ours average by the sample weights (``reduction="mean_with_sample_weight"``); a loss
        that the user gave as an object keeps its own reduction.
        """
        import keras

        if isinstance(self.function, KerasObject):
            return self.function.build()
        if self.kind == "keras":
            return function_loss(self.function)
        reduction = "mean_with_sample_weight"
        if self.kind == "quantile":
            return quantile_loss_class()(**dict(self.scalars), reduction=reduction)
        return getattr(keras.losses, _KERAS_LOSS[self.kind])(
            **dict(self.scalars), reduction=reduction
        )


def function_loss(function: Any) -> keras.losses.Loss:
    """Return a Keras loss of a plain function, averaged by the sample weights."""
    import keras

    class FunctionLoss(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return function(y_true, y_pred)

    name = getattr(function, "__name__", "loss")
    return FunctionLoss(name=name, reduction="mean_with_sample_weight")


def quantile_loss_class() -> type[keras.losses.Loss]:
    """Return the Keras class of the quantile loss, registered on first use."""
    import keras

    name = f"{PACKAGE}>QuantileLoss"
    known = keras.saving.get_registered_object(name)
    if known is not None:
        return known

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class QuantileLoss(keras.losses.Loss):
        """Pinball loss, ``max(q e, (q - 1) e)`` with ``e = y - prediction``.

        Koenker and Bassett (1978), Econometrica 46, Eq. 3.1, averaged over outputs.
        """

        def __init__(self, quantile: float = 0.5, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.quantile = quantile

        def call(self, y_true: Any, y_pred: Any) -> Any:
            error = keras.ops.cast(y_true, y_pred.dtype) - y_pred
            pinball = keras.ops.maximum(self.quantile * error, (self.quantile - 1) * error)
            return keras.ops.mean(pinball, axis=-1)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "quantile": self.quantile}

    return QuantileLoss
