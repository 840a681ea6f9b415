"""What parameters may be, and what several estimators read out of them alike."""

from __future__ import annotations

import functools
from typing import Any

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
)
from skdl.estimators.base import _keras_names as names
from skdl.training import Observer

__all__ = [
    "CALLABLE",
    "CONSTRAINTS",
    "as_list",
    "is_keras",
    "is_optimizer_object",
    "loss_constraint",
    "units_per_layer",
]

CALLABLE = Predicate(callable, "a callable")


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
_CALLBACK = Predicate(
    lambda value: isinstance(value, Observer) or is_keras("callbacks.Callback")(value),
    "a keras.callbacks.Callback",
)
_METRIC = AnyOf(
    Names(names.metric_names, "metric"),
    CALLABLE,
    Predicate(is_keras("metrics.Metric"), "a keras.metrics.Metric"),
)
_RATE = Real(0, 1, high_open=True, example=0.2)
_PENALTY = Real(0, example=0.001)

CONSTRAINTS: dict[str, Constraint] = {
    "hidden_units": AnyOf(Integer(1, example=128), SequenceOf(Integer(1))),
    "hidden_layers": Integer(0, example=2),
    "activation": AnyOf(
        Names(names.activation_names, "activation"),
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
        Names(names.optimizer_names, "optimizer"),
        Predicate(is_optimizer_object, "a keras.optimizers.Optimizer"),
        Predicate(is_keras("optimizers.Optimizer", as_class=True), "a class of keras.optimizers"),
    ),
    "learning_rate": AnyOf(
        Real(0, example=0.001),
        Predicate(
            is_keras("optimizers.schedules.LearningRateSchedule"),
            "a schedule of keras.optimizers.schedules",
        ),
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


def loss_constraint(formulas: tuple[str, ...]) -> Constraint:
    """Return what `loss` may be, beside the names of losses that have a formula here."""
    return AnyOf(
        Names(lambda: [*formulas, *names.loss_names()], "loss"),
        Predicate(is_keras("losses.Loss"), "a keras.losses.Loss"),
        CALLABLE,
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
