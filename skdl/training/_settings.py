"""How to train: optimizer, schedule and early stopping, as plain data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from skdl._plain_data import instance, number, pairs, register, text, truth
from skdl.networks import KerasObject

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["EarlyStopping", "Optimizer", "Pruning", "Schedule"]


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """An optimizer as a description.

    Parameters
    ----------
    kind : str
        Name of the class in ``keras.optimizers``; ``"Keras"`` for one the engine has no rule for.
    scalars : tuple of (name, float) pairs
        Its numbers, the learning rate apart. Members of a stack may differ in them.
    options : tuple of (name, value) pairs
        Its switches (``nesterov``, ``amsgrad``, ``centered``).
    learning_rate : float or KerasObject
        A number or a schedule.
    source : KerasObject, optional
        The Keras optimizer it was read from; built anew where Keras itself trains.
    """

    kind: str
    scalars: tuple[tuple[str, float], ...]
    options: tuple[tuple[str, Hashable], ...]
    learning_rate: float | KerasObject
    source: KerasObject


@dataclasses.dataclass(frozen=True)
class EarlyStopping:
    """Stop when the monitored value has not improved by `min_delta` for `patience` epochs.

    Parameters
    ----------
    monitor : str
        Name of a loss or metric in the history.
    mode : {"min", "max"}
        Whether it should fall or rise.
    patience : int
        Epochs.
    min_delta : float
        In the units of the monitored value.
    restore_best_weights : bool
        Whether to end with the weights of the best epoch.
    """

    monitor: str
    mode: Literal["min", "max"]
    patience: int
    min_delta: float
    restore_best_weights: bool


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How the learning rate changes in the course of a job.

    Parameters
    ----------
    kind : {"constant", "cosine", "coslog4", "plateau"}
        See `skdl.training._schedule`.
    monitor, mode, patience
        With ``"plateau"``, as for `EarlyStopping`.
    """

    kind: Literal["constant", "cosine", "coslog4", "plateau"] = "constant"
    monitor: str = "loss"
    mode: Literal["min", "max"] = "min"
    patience: int = 5


@dataclasses.dataclass(frozen=True)
class Pruning:
    """Which share of the kernel weights a job drives to zero, and when.

    Parameters
    ----------
    sparsity : float
        Share of each kernel's weights that is zero in the end, in [0, 1).
    n_epochs : int
        Epochs of the job after which it is reached; 0 prunes nothing, and only keeps zero what
        earlier jobs have pruned.
    """

    sparsity: float
    n_epochs: int


register(
    Optimizer,
    {
        "kind": text,
        "scalars": pairs(number),
        "options": pairs(truth),
        "learning_rate": lambda value: number(value) or isinstance(value, KerasObject),
        "source": instance(KerasObject),
    },
)
