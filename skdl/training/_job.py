"""What goes into training: jobs, as plain data."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._rows import RowSource
from skdl.layers import blueprint_of
from skdl.training._settings import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from skdl.networks import KerasObject, Network
    from skdl.training._observer import Observer
    from skdl.training._settings import EarlyStopping, Optimizer, Pruning
    from skdl.training._trained import Trained

    # Values of variables that are not trained, by number of the layer and name.
    Constants = Mapping[tuple[int, str], NDArray[np.float32]]

__all__ = ["Job", "Rows"]

# Moments of so few rows are mostly noise: from 8 on, scores are those without a small last batch.
_ENOUGH_ROWS = 8


@dataclasses.dataclass
class Rows:
    """Rows to learn from or to be judged on.

    Parameters
    ----------
    X : ndarray of shape (n_rows, ...), CSR matrix or RowSource, float32
        Inputs; held once, however many jobs share them. For an opaque network, also a list or
        dict of arrays.
    y : ndarray of shape (n_rows, n_columns), float32
        Targets in the form the network's loss asks for. For an opaque network as X.
    weight : ndarray of shape (n_rows,), float32, optional
        Sample weights.
    index : ndarray of int, optional
        Which rows of `X` and `y` count; all of them by default.
    is_view : bool
        Whether `X` is the caller's own table, of which this job takes no copy.
    """

    X: NDArray[np.float32] | sparse.csr_matrix | RowSource
    y: NDArray[np.float32]
    weight: NDArray[np.float32] | None = None
    index: NDArray[np.int32] | None = None
    is_view: bool = False

    @functools.cached_property
    def rows(self) -> NDArray[np.int32]:
        """The rows that count, as numbers."""
        if self.index is not None:
            return self.index
        return np.arange(_parts(self.X)[0].shape[0], dtype=np.int32)

    def __len__(self) -> int:
        return len(self.rows)


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
    pruning : Pruning, optional
        Early stopping counts epochs from its last one on.
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
        Rows that are scored after epochs for the observers alone: they steer nothing, and the
        history does not hold them (see `Member.held_out`).
    held_out_score : callable, optional
        Takes predictions of the held-out rows, of shape (n_rows, n_outputs) in the target's
        units, and returns a number, reported as ``"score"``.
    held_out_epochs : collection of int, optional
        After which epochs of this job, from 1, the held-out rows are scored; all by default.
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
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    early_stopping: EarlyStopping | None = None
    pruning: Pruning | None = None
    metrics: tuple[str | KerasObject | Callable[..., Any], ...] = ()
    target_scale: NDArray[np.float32] | None = None
    target_offset: NDArray[np.float32] | None = None
    constants: Constants | None = None
    initial: Trained | None = None
    weights: Sequence[NDArray[np.float32]] | None = None
    held_out: Rows | None = None
    held_out_score: Callable[[NDArray[np.float32]], float] | None = None
    held_out_epochs: Collection[int] | None = None
    observers: Sequence[Observer] = ()
    keep_optimizer_state: bool = False
    owner: str = "fit"
    call: object = None

    def scores_held_out(self, n_epochs: int) -> bool:
        """Tell whether its held-out rows are scored after so many epochs of it."""
        epochs = self.held_out_epochs
        return self.held_out is not None and (epochs is None or n_epochs in epochs)

    @property
    def may_end_early(self) -> bool:
        """Whether an observer is likely to end it long before its last epoch."""
        return any(observer.may_end_early for observer in self.observers)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch; the last batch may be smaller."""
        return -(-(len(self.train) - self.n_joined_rows) // self.batch_size)

    @functools.cached_property
    def n_joined_rows(self) -> int:
        """Rows by which the last batch of an epoch exceeds the others.

        Batch normalisation takes its moments from a batch, and those of a few rows ruin the step
        and the moving moments. Where the last batch would be so small, its rows join the batch
        before it. Keras trains on it; so do we with a model of the user's.
        """
        few = max(2, min(_ENOUGH_ROWS, self.batch_size // 4))
        n_full, n_left = divmod(len(self.train), self.batch_size)
        joins = n_full and n_left < few and self.network.source is None
        return n_left if joins and self._normalises_batches else 0

    @property
    def meets_single_rows(self) -> bool:
        """Whether batch normalisation meets a batch of one row, whose moments say nothing."""
        n_left = (len(self.train) - self.n_joined_rows) % self.batch_size
        has_single = self.batch_size == 1 or n_left == 1
        return has_single and self._normalises_batches

    @functools.cached_property
    def _normalises_batches(self) -> bool:
        """Whether a layer takes moments of a batch; an image has enough positions of its own."""
        if self.network.is_opaque:
            return False
        return any(
            own.rule.absorbs_shift and not own.is_frozen and len(own.input_shape) == 1
            for own in blueprint_of(self.network).layers
        )

    def in_target_units(self, values: Any) -> Any:
        """Return outputs of the network, or targets as it sees them, in the target's own units."""
        if self.target_scale is None:
            return values
        offset = 0.0 if self.target_offset is None else self.target_offset
        return values * self.target_scale + offset

    def tables_of_others(self) -> set[int]:
        """Return the identities of the tables that this job has no copy of."""
        every = (self.train, self.validation, self.held_out)
        return {id(rows.X) for rows in every if rows is not None and rows.is_view}

    def data_bytes(self, held: set[int]) -> int:
        """Return what the data of this job take in training, without what others hold already.

        Parameters
        ----------
        held : set of int
            Identities of the arrays that are counted already; those of this job are added.
        """
        own, arrays = self.held_data
        total = own + sum(n for array, n in arrays.items() if array not in held)
        held.update(arrays)
        return total

    @functools.cached_property
    def held_data(self) -> tuple[int, dict[int, int]]:
        """Bytes that the data of this job take in training: its own, and those of each array.

        A table that the job has no copy of is held once, by all that train on it together. Rows
        of its own are counted three times: as what they were made of, as the job's, and by those
        that train together. Targets and weights are there twice. Each training row's number
        stands in the job, in the order of an epoch and in its batches.
        """
        arrays: dict[int, int] = {}
        for rows in (self.train, self.validation, self.held_out):
            if rows is None:
                continue
            for X in _parts(rows.X):
                is_whole = isinstance(X, np.ndarray | RowSource)
                for array in [X] if is_whole else [X.data, X.indices, X.indptr]:
                    arrays.setdefault(id(array), _n_bytes(array) * (1 if rows.is_view else 3))
            for array in (*_parts(rows.y), rows.weight):
                arrays.setdefault(id(array), 2 * _n_bytes(array))
            arrays.setdefault(id(rows.index), _n_bytes(rows.index))
        return 2 * np.dtype(np.int32).itemsize * len(self.train), arrays


def _n_bytes(array: Any) -> int:
    return int(getattr(array, "nbytes", 0))


def _parts(values: Any) -> list[Any]:
    """Return the arrays in a list, tuple or dict, or the one that is given."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [part for value in values for part in _parts(value)]
    return [values]
