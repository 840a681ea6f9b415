"""What goes into training and what comes out: jobs and trained networks, as plain data."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from skdl.networks import KerasObject, Network
    from skdl.training._keras_callbacks import Observer

    # Values of variables that are not trained, by number of the layer and name.
    Constants = Mapping[tuple[int, str], NDArray[np.float32]]

__all__ = ["EarlyStopping", "Job", "Optimizer", "Rows", "Schedule", "Trained"]


@dataclasses.dataclass
class Rows:
    """Rows to learn from or to be judged on.

    Parameters
    ----------
    X : ndarray of shape (n_rows, ...) or CSR matrix, float32
        Inputs; held once, however many jobs share them. For an opaque network, also a list or
        dict of arrays.
    y : ndarray of shape (n_rows, n_columns), float32
        Targets in the form the network's loss asks for. For an opaque network as X.
    weight : ndarray of shape (n_rows,), float32, optional
        Sample weights.
    index : ndarray of int, optional
        Which rows of `X` and `y` count; all of them by default.
    """

    X: NDArray[np.float32] | sparse.csr_matrix
    y: NDArray[np.float32]
    weight: NDArray[np.float32] | None = None
    index: NDArray[np.int32] | None = None

    @functools.cached_property
    def rows(self) -> NDArray[np.int32]:
        """The rows that count, as numbers."""
        if self.index is not None:
            return self.index
        return np.arange(_parts(self.X)[0].shape[0], dtype=np.int32)

    def __len__(self) -> int:
        return len(self.rows)


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
        A number or a serialised schedule.
    source : KerasObject, optional
        The Keras optimizer it was read from; built anew where Keras itself trains.
    """

    kind: str
    scalars: tuple[tuple[str, float], ...]
    options: tuple[tuple[str, Hashable], ...]
    learning_rate: float | str
    source: KerasObject


@dataclasses.dataclass(frozen=True)
class EarlyStopping:
    """Stop when the monitored value has not improved by `min_delta` for `patience` epochs."""

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


@dataclasses.dataclass
class Job:
    """What one ``fit`` asks for.

    Parameters
    ----------
    network : Network
    train, validation : Rows
        Validation rows are scored after each epoch.
    optimizer : Optimizer
    epochs, batch_size : int
    shuffle : bool
        Draw a new order of the training rows each epoch.
    seed : int
        Alone decides initial weights, order of rows and dropout noise.
    schedule : Schedule
        Multiplies a learning rate that is a number.
    early_stopping : EarlyStopping, optional
    metrics : tuple
        Names, `KerasObject` or callables, reported per epoch beside the loss.
    target_scale, target_offset : ndarray of shape (n_outputs,)
        The target's units: metrics are taken of ``output * scale + offset``.
    constants : mapping, optional
        Values of variables that are not trained, such as the units of features.
    initial : Trained, optional
        Where to go on from, optimizer state and constants included if it holds them.
    weights : sequence of ndarray, optional
        Initial weights in the order of ``keras.Model.get_weights``; drawn from the seed by default.
    held_out : Rows, optional
        Rows that are scored after each epoch for the observers alone: they steer nothing, and
        the history does not hold them (see `Member.held_out`).
    held_out_score : callable, optional
        Takes predictions of the held-out rows, of shape (n_rows, n_outputs) in the target's
        units, and returns a number, reported as ``"score"``.
    observers : sequence of Observer
        Told of every epoch of this job.
    keep_optimizer_state : bool
        Return the optimizer's state for a later job to go on from.
    owner : str
        Whose errors these are: the estimator's name.
    call : object
        What `Member.abandon` ends: all jobs of one call. None for a job on its own.
    """

    network: Network
    train: Rows
    optimizer: Optimizer
    epochs: int
    batch_size: int
    seed: int
    shuffle: bool = True
    validation: Rows | None = None
    schedule: Schedule = Schedule()
    early_stopping: EarlyStopping | None = None
    metrics: tuple[str | KerasObject | Callable[..., Any], ...] = ()
    target_scale: NDArray[np.float32] | None = None
    target_offset: NDArray[np.float32] | None = None
    constants: Constants | None = None
    initial: Trained | None = None
    weights: Sequence[NDArray[np.float32]] | None = None
    held_out: Rows | None = None
    held_out_score: Callable[[NDArray[np.float32]], float] | None = None
    observers: Sequence[Observer] = ()
    keep_optimizer_state: bool = False
    owner: str = "fit"
    call: object = None

    @property
    def may_end_early(self) -> bool:
        """Whether an observer is likely to end it long before its last epoch."""
        return any(observer.may_end_early for observer in self.observers)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch; the last batch may be smaller."""
        return -(-len(self.train) // self.batch_size)

    def in_target_units(self, values: Any) -> Any:
        """Return outputs of the network, or targets as it sees them, in the target's own units."""
        if self.target_scale is None:
            return values
        offset = 0.0 if self.target_offset is None else self.target_offset
        return values * self.target_scale + offset

    def arrays(self) -> list[NDArray[Any]]:
        """Return the arrays that this job holds on to, some perhaps shared with other jobs."""
        arrays: list[NDArray[Any]] = []
        for rows in (self.train, self.validation, self.held_out):
            if rows is not None:
                for X in _parts(rows.X):
                    arrays += [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
                arrays += _parts(rows.y)
                arrays += [] if rows.weight is None else [rows.weight]
        return arrays


def _parts(values: Any) -> list[Any]:
    """Return the arrays in a list, tuple or dict, or the one that is given."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [part for value in values for part in _parts(value)]
    return [values]


@dataclasses.dataclass(eq=False)
class Trained:
    """What a job leaves behind: arrays and plain Python, small and safe to pickle.

    Parameters
    ----------
    network : Network
    weights : ndarray of shape (n_trainable,), float32
        All trainable weights, one after the other in the order of the layout.
    statistics : ndarray of shape (n_statistics,), float32
        Weights that are not trained by gradient (moving moments of batch normalisation).
    history : dict of str to list of float
        One value per epoch.
    n_epochs : int
        Epochs run, those of earlier jobs it went on from included.
    best_epoch : int
        Number of epochs after which the monitored value was best (from 1); `n_epochs` where
        nothing was monitored.
    n_steps : int
        Optimizer steps taken.
    slots : tuple of ndarray
        The optimizer's state, where it was asked for.
    """

    network: Network
    weights: NDArray[np.float32]
    statistics: NDArray[np.float32]
    history: dict[str, list[float]]
    n_epochs: int
    best_epoch: int
    n_steps: int = 0
    slots: tuple[NDArray[np.float32], ...] = ()
    learning_rate: float | None = None
