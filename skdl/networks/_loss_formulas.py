"""The one table of losses with a formula of the engine's; formulas are in `skdl.training`."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from skdl.networks._quantile_loss import quantile_loss_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import keras

__all__ = [
    "ABSOLUTE_ERROR",
    "CROSSENTROPY",
    "HUBER",
    "LOSS_FORMULAS",
    "QUANTILE",
    "SHORT_NAMES",
    "SQUARED_ERROR",
    "LossFormula",
    "formula_of_keras_class",
    "formula_of_loss_name",
    "loss_names",
    "loss_spellings",
    "searched_losses",
]


@dataclasses.dataclass(frozen=True)
class LossFormula:
    """What is known of one loss apart from its formula.

    Parameters
    ----------
    name : str
        Of the formula.
    keras_class : str
        Its class in ``keras.losses``; ``"QuantileLoss"`` is ours, as Keras has none.
    output_activation : {"linear", "exponential", "sigmoid", "softmax"}
        The formula takes outputs before it, the Keras loss outputs behind it.
    scalars : tuple of (name, float) pairs
        Its numbers with Keras' defaults. Members of a stack may differ in them.
    public_name : str
        What users write. One name stands for a binary and a categorical formula.
    aliases : tuple of str
        Keras' names for it, in snake case.
    nonnegative_targets : bool
        Whether targets below 0 make no sense.
    takes_lists : bool
        Whether each of its numbers may be a list, one for each output; all outputs then learn the
        same target.
    in_search : {"kept", "replaced", "tried"}
        What a search does with it. Losses that estimate a centre of the target are replaced by
        those that are tried. The others say what to predict, such as a quantile, and are kept.
    """

    name: str
    keras_class: str
    output_activation: str = "linear"
    scalars: tuple[tuple[str, float], ...] = ()
    public_name: str = ""
    aliases: tuple[str, ...] = ()
    nonnegative_targets: bool = False
    takes_lists: bool = False
    in_search: Literal["kept", "replaced", "tried"] = "kept"

    @property
    def is_of_classes(self) -> bool:
        """Whether its targets are classes, not numbers."""
        return self.output_activation in {"sigmoid", "softmax"}

    def spelled(self, **chosen: float | Sequence[float]) -> tuple[tuple[str, float], ...]:
        """Return the scalars of a loss: ``name``, then ``name_1`` and so on where it is a list."""
        return tuple(
            (f"{name}_{i}" if i else name, float(value))
            for name, _ in self.scalars
            for i, value in enumerate(np.atleast_1d(chosen[name]))
        )

    def base_name(self, scalar: str) -> str:
        """Return which of its numbers a scalar of a loss is."""
        name, _, number = scalar.rpartition("_")
        return name if self.takes_lists and number.isdecimal() else scalar

    def keras_arguments(self, scalars: Iterable[tuple[str, float]]) -> dict[str, Any]:
        """Return the arguments of the Keras loss that the scalars of a loss stand for."""
        arguments: dict[str, Any] = {}
        for scalar, value in scalars:
            arguments.setdefault(self.base_name(scalar), []).append(value)
        return {k: v if len(v) > 1 else v[0] for k, v in arguments.items()}

    def keras_loss_class(self) -> type[keras.losses.Loss]:
        """Return the class of the Keras loss."""
        import keras

        if self.keras_class == "QuantileLoss":
            return quantile_loss_class()
        found: type[keras.losses.Loss] = getattr(keras.losses, self.keras_class)
        return found


# As users write them. Other modules name a loss by these, so each name stands here alone.
SQUARED_ERROR, ABSOLUTE_ERROR, HUBER = "mse", "mae", "huber"
QUANTILE = "quantile"
CROSSENTROPY = "crossentropy"
# Keras' short names of losses and metrics, beside those in capitals.
SHORT_NAMES: Mapping[str, str] = MappingProxyType({
    SQUARED_ERROR: "mean_squared_error",
    ABSOLUTE_ERROR: "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
})  # fmt: skip

_SMOOTHING = (("label_smoothing", 0.0),)
# Lin et al. 2017, section 5.1; Keras' alpha scales the loss of every class alike.
_FOCAL = (("gamma", 2.0), *_SMOOTHING)

LOSS_FORMULAS: Mapping[str, LossFormula] = MappingProxyType({
    formula.name: formula
    for formula in (
        LossFormula(
            SQUARED_ERROR, "MeanSquaredError", aliases=("mean_squared_error",),
            in_search="tried",
        ),
        # Not tried: the Huber loss with a small delta is nearly the same.
        LossFormula(
            ABSOLUTE_ERROR, "MeanAbsoluteError", aliases=("mean_absolute_error",),
            in_search="replaced",
        ),
        LossFormula(HUBER, "Huber", scalars=(("delta", 1.0),), in_search="tried"),
        LossFormula("log_cosh", "LogCosh"),
        LossFormula(
            QUANTILE, "QuantileLoss", scalars=(("quantile", 0.5),), takes_lists=True
        ),
        LossFormula("poisson", "Poisson", "exponential", nonnegative_targets=True),
        LossFormula(
            "binary_crossentropy", "BinaryCrossentropy", "sigmoid", _SMOOTHING, CROSSENTROPY,
            ("binary_crossentropy",),
        ),
        LossFormula(
            "categorical_crossentropy", "CategoricalCrossentropy", "softmax", _SMOOTHING,
            CROSSENTROPY, ("categorical_crossentropy", "sparse_categorical_crossentropy"),
        ),
        LossFormula(
            "binary_focal", "BinaryFocalCrossentropy", "sigmoid", _FOCAL, "focal",
            ("binary_focal_crossentropy",),
        ),
        LossFormula(
            "categorical_focal", "CategoricalFocalCrossentropy", "softmax",
            (("alpha", 0.25), *_FOCAL), "focal", ("categorical_focal_crossentropy",),
        ),
    )
})  # fmt: skip


def loss_names(*, of_classes: bool) -> tuple[str, ...]:
    """Return the names that users write for losses with a formula, each once.

    Parameters
    ----------
    of_classes : bool
        For classifiers, else for regressors.
    """
    names = [
        formula.public_name or formula.name
        for formula in LOSS_FORMULAS.values()
        if formula.is_of_classes == of_classes
    ]
    return tuple(dict.fromkeys(names))


def searched_losses() -> tuple[str, ...]:
    """Return the names of the losses that a search over regressors tries."""
    return tuple(name for name, formula in LOSS_FORMULAS.items() if formula.in_search == "tried")


def loss_spellings(*, of_classes: bool) -> tuple[str, ...]:
    """Return all names of losses with a formula, Keras' own among them.

    Parameters
    ----------
    of_classes : bool
        Those that compare probabilities with classes, else those that compare numbers.
    """
    return tuple(
        name
        for formula in LOSS_FORMULAS.values()
        if formula.is_of_classes == of_classes
        for name in dict.fromkeys(
            [formula.name, *[formula.public_name] * bool(formula.public_name), *formula.aliases]
        )
    )


def formula_of_loss_name(
    name: str, *, of_classes: bool, by_label: bool = False
) -> LossFormula | None:
    """Return the formula that a user's name of a loss stands for; None for other losses of Keras.

    Parameters
    ----------
    name : str
        A name of ours or of ``keras.losses``.
    of_classes : bool
        For a classifier, else for a regressor.
    by_label : bool, default=False
        With one probability per label, else with one per class.
    """
    for formula in LOSS_FORMULAS.values():
        is_named = name in {formula.public_name or formula.name, *formula.aliases}
        is_meant = formula.is_of_classes == of_classes and (
            not of_classes or (formula.output_activation == "sigmoid") == by_label
        )
        if is_named and is_meant:
            return formula
    return None


def formula_of_keras_class(kind: type[keras.losses.Loss]) -> LossFormula | None:
    """Return the formula of one of Keras' own loss classes, None where there is none."""
    import keras

    for formula in LOSS_FORMULAS.values():
        if kind is getattr(keras.losses, formula.keras_class, None):
            return formula
    if kind is keras.losses.SparseCategoricalCrossentropy:
        return LOSS_FORMULAS["categorical_crossentropy"]
    return None
