"""Losses as descriptions: which formula, its numbers, and the form in which it wants the target."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Literal

from skdl.networks._keras_object import KerasObject
from skdl.networks._loss_formulas import LOSS_FORMULAS
from skdl.networks._outside import described_code, plain_function

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import keras
    from tensorflow import Tensor

__all__ = ["Loss", "function_loss", "function_of"]


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
        Kept as a `UserFunction` where it is the user's own.
    reduction : str, default="mean_with_sample_weight"
        In Keras' words, of a plain function; a `KerasObject` has its own.
    """

    kind: str
    scalars: tuple[tuple[str, float], ...] = ()
    target: Literal["values", "labels", "one_hot"] = "values"
    function: KerasObject | Callable[..., Any] | None = None
    reduction: str = "mean_with_sample_weight"

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", described_code(self.function))

    @property
    def structure(self) -> Hashable:
        """What must be equal for two losses to share a stack."""
        return (
            self.kind,
            tuple(name for name, _ in self.scalars),
            self.target,
            self.function,
            (self.reduction),
        )

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
        if isinstance(self.function, KerasObject):
            return self.function.build()
        if self.kind == "keras":
            return function_loss(plain_function(self.function), self.reduction)
        formula = LOSS_FORMULAS[self.kind]
        kind: Any = formula.keras_loss_class()
        arguments = formula.keras_arguments(self.scalars)
        return kind(**arguments, reduction="mean_with_sample_weight")


def function_loss(
    function: Callable[..., Tensor], reduction: str = "mean_with_sample_weight"
) -> keras.losses.Loss:
    """Return a Keras loss of a plain function, by default averaged by the sample weights."""
    import keras

    class FunctionLoss(keras.losses.Loss):
        plain_function = staticmethod(function)

        def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
            return function(*_of_same_rank(y_true, y_pred))

    name = getattr(function, "__name__", "loss")
    return FunctionLoss(name=name, reduction=reduction)


def function_of(loss: Any) -> Any:
    """Return the function of which `function_loss` made a loss; None of any other."""
    return getattr(loss, "plain_function", None)


def _of_same_rank(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Give columns of numbers a last axis where one of both lacks it, as Keras does."""
    import keras

    ranks = len(getattr(y_true, "shape", ())), len(getattr(y_pred, "shape", ()))
    if ranks[0] + 1 == ranks[1] and y_pred.shape[-1] == 1:
        return keras.ops.expand_dims(y_true, -1), y_pred
    if ranks[1] + 1 == ranks[0] and y_true.shape[-1] == 1:
        return y_true, keras.ops.expand_dims(y_pred, -1)
    return y_true, y_pred
