"""What parameters may be, and what several estimators read out of them alike."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._validation import (
    RANDOM_STATE,
    VERBOSE,
    AnyOf,
    Boolean,
    Constraint,
    Integer,
    Names,
    OneOf,
    Predicate,
    Real,
    SequenceOf,
    WithCures,
)
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._other_libraries import (
    ACTIVATION_CURES,
    LOSS_CURES,
    METRIC_CURES,
    OPTIMIZER_CURES,
    RATE_CURES,
)
from skdl.exceptions import InvalidParameterError
from skdl.networks import loss_spellings
from skdl.training import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CALLABLE",
    "CONSTRAINTS",
    "MAX_LAYERS",
    "TARGET_SCALING",
    "as_list",
    "check_learning_rate",
    "is_keras",
    "is_optimizer_object",
    "loss_constraint",
    "units_per_layer",
]

CALLABLE = Predicate(callable, "a callable")


def _are_units(value: Any) -> bool:
    """Tell whether a value is a pair of an offset and a scale."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    try:
        offset, scale = (np.asarray(part, np.float64) for part in value)
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(offset).all() and np.isfinite(scale).all() and (scale > 0).all())


TARGET_SCALING = AnyOf(
    Boolean(),
    Predicate(
        _are_units,
        "a pair (offset, scale) of finite numbers, scale > 0, such as (y.mean(), y.std())",
    ),
)
# The default of the parameter, which an optimizer object's own learning rate replaces.
_DEFAULT_RATE = 0.001


def is_keras(path: str, *, as_class: bool = False) -> Any:
    """Return a test for objects (or subclasses) of a Keras class, looked up when it runs."""

    def test(value: object) -> bool:
        import keras

        kind = functools.reduce(getattr, path.split("."), keras)
        if as_class:
            return isinstance(value, type) and issubclass(value, kind)
        return isinstance(value, kind)

    return test


is_optimizer_object = is_keras("optimizers.Optimizer")


class _AnyCase(Names):
    """Names that Keras takes in capitals too: ``"Adam"``."""

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and super().accepts(value.lower())


_CALLBACK = Predicate(
    lambda value: isinstance(value, Observer) or is_keras("callbacks.Callback")(value),
    "a keras.callbacks.Callback",
)
_METRIC = AnyOf(
    Names(names.metric_names, "metric", home="keras.metrics", cures=METRIC_CURES),
    CALLABLE,
    Predicate(is_keras("metrics.Metric"), "a keras.metrics.Metric"),
)
_RATE = Real(0, 1, high_open=True, example=0.2)
_PENALTY = Real(0, example=0.001)
# More have no gradient that reaches the first one, and their graph takes minutes to make.
MAX_LAYERS = 1000

CONSTRAINTS: dict[str, Constraint] = {
    "hidden_units": AnyOf(Integer(1, example=128), SequenceOf(Integer(1), max_length=MAX_LAYERS)),
    "hidden_layers": Integer(0, MAX_LAYERS, example=2),
    "activation": AnyOf(
        Names(
            names.activation_names, "activation", home="keras.activations", cures=ACTIVATION_CURES
        ),
        CALLABLE,
        Predicate(is_keras("layers.Layer"), "a Keras layer"),
    ),
    "dropout": _RATE,
    "input_dropout": _RATE,
    "l1": _PENALTY,
    "l2": _PENALTY,
    "batch_norm": OneOf(None, "before_activation", "after_activation"),
    "input_batch_norm": Boolean(),
    "optimizer": AnyOf(
        _AnyCase(
            names.optimizer_names, "optimizer", home="keras.optimizers", cures=OPTIMIZER_CURES
        ),
        Predicate(is_optimizer_object, "a keras.optimizers.Optimizer"),
        Predicate(is_keras("optimizers.Optimizer", as_class=True), "a class of keras.optimizers"),
    ),
    "learning_rate": WithCures(
        AnyOf(
            Real(0, example=0.001),
            Predicate(
                is_keras("optimizers.schedules.LearningRateSchedule"),
                "a schedule of keras.optimizers.schedules",
            ),
        ),
        RATE_CURES,
    ),
    "batch_size": Integer(1, example=32),
    "epochs": Integer(1, example=100),
    "shuffle": Boolean(),
    "early_stopping": Boolean(),
    "validation_fraction": Real(0, 1, low_open=True, high_open=True, example=0.2),
    "monitor": Predicate(lambda value: isinstance(value, str), "the name of a loss or metric"),
    "patience": Integer(0, example=10),
    "min_delta": Real(0, example=0.001),
    "restore_best_weights": Boolean(),
    "metrics": AnyOf(OneOf(None), _METRIC, SequenceOf(_METRIC)),
    "callbacks": AnyOf(OneOf(None), _CALLBACK, SequenceOf(_CALLBACK)),
    "warm_start": Boolean(),
    "random_state": RANDOM_STATE,
    "verbose": VERBOSE,
}


# Functions of ``keras.losses`` without a formula here: that compare probabilities with classes,
# numbers with numbers, and neither.
_MORE_LOSSES_OF_CLASSES = (
    "categorical_generalized_cross_entropy", "categorical_hinge", "hinge", "kl_divergence",
    "squared_hinge",
)  # fmt: skip
_MORE_LOSSES_OF_NUMBERS = (
    "mean_absolute_percentage_error", "mean_squared_logarithmic_error", "mape", "msle",
)  # fmt: skip
_LOSSES_OF_OTHER_OUTPUTS = {
    "circle": "It compares embeddings, not predictions.",
    "ctc": "It aligns sequences, which the network does not give.",
    "dice": "It makes one number of all rows of a batch.",
    "tversky": "It makes one number of all rows of a batch.",
}


def loss_constraint(formulas: tuple[str, ...], *, of_classes: bool) -> Constraint:
    """Return what `loss` of a network of ours may be.

    Parameters
    ----------
    formulas : tuple of str
        Names of losses that have a formula here.
    of_classes : bool
        For a classifier, else for a regressor. Keras' losses for the other kind would train
        without a word, and learn nothing: a regressor's ``"categorical_crossentropy"`` is 0.
    """
    foreign: tuple[str, ...]
    if of_classes:
        foreign = (*_MORE_LOSSES_OF_NUMBERS, *loss_spellings(of_classes=False))
        advice = (
            "It is for numbers: write loss='crossentropy' for classes, or use a regressor of the "
            "same kind for numbers."
        )
    else:
        foreign = (*_MORE_LOSSES_OF_CLASSES, *loss_spellings(of_classes=True))
        advice = (
            "It is for classes: write loss='mse' for numbers, or use a classifier of the same kind "
            "for labels."
        )
    foreign = tuple(name for name in foreign if name not in formulas)
    remedies = {**dict.fromkeys(foreign, advice), **_LOSSES_OF_OTHER_OUTPUTS}
    cures = {**LOSS_CURES, **remedies, **{_class_name(name): remedies[name] for name in remedies}}

    def advice_on(loss: Any) -> str:
        name = names.name_of_keras_loss(loss) or ""
        # A classifier's loss between numbers, given as an object, is a choice: the Brier score.
        return "" if of_classes and name in foreign else remedies.get(name, "")

    return AnyOf(
        Names(
            lambda: tuple(dict.fromkeys([*formulas, *names.loss_names()])),
            "loss",
            home="keras.losses",
            cures=cures,
        ),
        _LossObject(advice_on),
    )


@dataclasses.dataclass(frozen=True)
class _LossObject(Constraint):
    """A loss that is no name; `advice_on` says of those that make no sense what to write."""

    advice_on: Callable[[Any], str]

    def accepts(self, value: object) -> bool:
        return callable(value) and not self.advice_on(value)

    def describe(self) -> str:
        return "a keras.losses.Loss, or a callable"

    def hint(self, value: object) -> str:
        return self.advice_on(value) if callable(value) else ""


def _class_name(function_name: str) -> str:
    """Return the name of the class beside a function of ``keras.losses``."""
    irregular = {"kl_divergence": "KLDivergence", "ctc": "CTC"}
    regular = "".join(part.capitalize() for part in function_name.split("_"))
    return irregular.get(function_name, regular)


def check_learning_rate(owner: str, optimizer: Any, learning_rate: Any) -> None:
    """Refuse a learning rate that was set beside an optimizer object."""
    if is_optimizer_object(optimizer) and not (
        isinstance(learning_rate, float) and learning_rate == _DEFAULT_RATE
    ):
        raise InvalidParameterError(
            f"{owner}: learning_rate={learning_rate!r} was given beside an optimizer object, which "
            "has a learning rate of its own. Expected one of them: set it in the optimizer, or "
            "give the optimizer by name."
        )


def units_per_layer(hidden_units: Any, hidden_layers: int) -> list[int]:
    """Return the units of each hidden layer; one number stands for every layer."""
    is_count = np.ndim(hidden_units) == 0
    return [hidden_units] * hidden_layers if is_count else list(hidden_units)


def as_list(value: Any) -> list[Any]:
    """Return a list of what may be None, one object or a sequence of them."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple | np.ndarray) else [value]
