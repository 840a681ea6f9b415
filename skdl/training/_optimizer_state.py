"""The state of a Keras optimizer as arrays, with which a later job goes on.

Where the engine has a rule for the optimizer, the arrays are the engine's slots: a job that Keras
trains goes on from one of the graph, and the other way round. Otherwise they are all variables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import given_learning_rate, nadam_product
from skdl.training._optimizers import is_elementwise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from numpy.typing import NDArray

    from skdl.training._settings import Optimizer
    from skdl.training._trained import Trained

__all__ = ["flat", "optimizer_state", "restore_optimizer", "settable_rate", "slot_variables"]


def slot_variables(model: keras.Model) -> list[list[Any]]:
    """Return the optimizer's state, slot by slot, in the order of the engine's slots."""
    groups: dict[str, list[Any]] = {}
    optimizer = model.optimizer
    numbers = {id(optimizer.iterations), id(given_learning_rate(optimizer))}
    numbers.add(id(nadam_product(optimizer)))
    for variable in optimizer.variables:
        if id(variable) not in numbers:
            # Keras names them after the weight and the slot: ``adam/dense_kernel_velocity``.
            groups.setdefault(variable.path.rsplit("_", 1)[-1], []).append(variable)
    shapes = [tuple(v.shape) for v in model.trainable_variables]
    return [own for own in groups.values() if [tuple(v.shape) for v in own] == shapes]


def flat(variables: Sequence[keras.Variable]) -> NDArray[np.float32]:
    """Return the numbers of variables, one after the other."""
    empty = np.zeros(0, np.float32)
    return np.concatenate([empty, *(np.asarray(v, np.float32).reshape(-1) for v in variables)])


def settable_rate(model: keras.Model) -> float | None:
    """Return the learning rate of a model's optimizer; None without one, or under a schedule."""
    import keras

    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return None
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    schedule = keras.optimizers.schedules.LearningRateSchedule
    if isinstance(given_learning_rate(inner), schedule):
        return None
    return float(optimizer.learning_rate)


def optimizer_state(model: keras.Model, optimizer: Optimizer) -> tuple[NDArray[Any], ...]:
    """Return the state in which training has left a model's optimizer.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    optimizer : Optimizer
        What it is compiled with.
    """
    variables = _built_variables(model)
    if is_elementwise(optimizer):
        return tuple(flat(own) for own in slot_variables(model))
    return tuple(np.asarray(variable) for variable in variables)


def restore_optimizer(model: keras.Model, optimizer: Optimizer, trained: Trained) -> None:
    """Give a model's optimizer the state in which an earlier job left it.

    Parameters
    ----------
    model : keras.Model
        Compiled. The learning rate it is compiled with holds if the job left none.
    optimizer : Optimizer
        What it is compiled with. The state of another one is left out.
    trained : Trained
        What the earlier job left.
    """
    variables, rate = _built_variables(model), settable_rate(model)
    if is_elementwise(optimizer):
        _restore_slots(model, trained)
    elif [tuple(v.shape) for v in variables] == [value.shape for value in trained.slots]:
        for variable, value in zip(variables, trained.slots, strict=True):
            variable.assign(value)
    if rate is not None:
        left = trained.learning_rate
        model.optimizer.learning_rate = rate if left is None else left


def _restore_slots(model: keras.Model, trained: Trained) -> None:
    optimizer, variables = model.optimizer, slot_variables(model)
    if [value.shape for value in trained.slots] != [flat(own).shape for own in variables]:
        return
    optimizer.iterations.assign(trained.n_steps)
    if (product := nadam_product(optimizer)) is not None:
        product.assign(_momentum_product(float(optimizer.beta_1), trained.n_steps))
    for own, values in zip(variables, trained.slots, strict=True):
        ends = np.cumsum([int(np.prod(v.shape)) for v in own])[:-1]
        for variable, part in zip(own, np.split(values, ends), strict=True):
            variable.assign(part.reshape(variable.shape))


def _momentum_product(beta_1: float, n_steps: int) -> float:
    # Dozat 2016, Alg. 2, with the momentum schedule u_t = b1 (1 - 0.5 * 0.96**t).
    return float(np.prod(beta_1 * (1.0 - 0.5 * 0.96 ** np.arange(1, n_steps + 1.0))))


def _built_variables(model: keras.Model) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return []
    # One that scales the loss would add variables each time.
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return list(optimizer.variables)
