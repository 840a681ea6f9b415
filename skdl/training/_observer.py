"""Observers: what is told of each epoch of a job, and what they see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from skdl.training._trained import Trained

__all__ = ["ObservedMember", "Observer"]


class ObservedMember(Protocol):
    """A job while it trains, as observers see it.

    Attributes
    ----------
    n_epochs, n_steps : int
        Epochs run and optimizer steps taken, earlier jobs it went on from included.
    last_epoch : int
        Number of epochs after which it ends at the latest.
    held_out : dict of str to float
        Loss, metrics and score of the held-out rows after the last epoch; empty where they were
        not scored.
    stopped : bool
        Whether it has trained for the last time.
    error : BaseException or None
        What ended it early.
    learning_rate : float or None
        May be set; None under a schedule of Keras.
    weights : list of ndarray
        In the order of ``keras.Model.get_weights``; may be set.
    optimizer_state : list of list of ndarray
        For each slot of the optimizer, one array per trained weight; set to flat vectors.
    """

    n_epochs: int
    n_steps: int
    last_epoch: int
    held_out: dict[str, float]
    stopped: bool
    error: BaseException | None

    @property
    def epochs(self) -> int:
        """Epochs that this job asks for."""

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of an epoch."""

    @property
    def kept_epoch(self) -> int:
        """Number of epochs after which it had the weights that it would end with now."""

    @property
    def weights(self) -> list[NDArray[np.float32]]: ...

    @weights.setter
    def weights(self, arrays: Sequence[NDArray[np.float32]]) -> None: ...

    @property
    def optimizer_state(self) -> list[list[NDArray[np.float32]]]: ...

    @optimizer_state.setter
    def optimizer_state(self, slots: Sequence[NDArray[np.float32]]) -> None: ...

    @property
    def learning_rate(self) -> float | None: ...

    @learning_rate.setter
    def learning_rate(self, value: float) -> None: ...

    @property
    def is_pruned(self) -> bool:
        """Whether its weights are as sparse as its job asks for."""

    def log_names(self) -> list[str]:
        """Return the names of what is reported per epoch, in order."""

    def stop(self) -> None:
        """Ask for this epoch to be the last."""

    def abandon(self, reason: Exception) -> None:
        """End this member now, and with it the call of Parallel that it belongs to."""

    def keras_model(self) -> keras.Model:
        """Return a new compiled Keras model of its network, its metrics built."""

    def go_on_after(self, n_epochs: int) -> None:
        """Count epochs as run before the first one, so that only the rest is trained."""

    def snapshot(self) -> Trained:
        """Return what has been learned so far."""


class Observer:
    """Base of what is told of a job's epochs; epochs count from 0, as in Keras.

    An exception raised here ends this job, and no other, and reaches the caller of ``fit``.

    Attributes
    ----------
    may_end_early : bool
        Whether it is likely to end jobs long before their last epoch, so that what pays only over
        many epochs, such as compiling, is put off.
    rungs : sequence of int
        Numbers of epochs after which the job waits until all that train at the same time have come
        as far; then `on_rung` is called.
    """

    may_end_early = False
    rungs: Sequence[int] = ()

    def on_train_begin(self, member: ObservedMember) -> None:
        """Act before the first epoch."""

    def on_epoch_begin(self, member: ObservedMember, epoch: int) -> None:
        """Act before an epoch."""

    def on_test_begin(self, member: ObservedMember) -> None:
        """Act before the validation rows are scored."""

    def on_test_end(self, member: ObservedMember, logs: dict[str, float]) -> None:
        """Act after the validation rows were scored; names in `logs` lack their ``val_``."""

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        """Act after an epoch; `logs` holds its losses and metrics.

        What is written into `logs` reaches the history.
        """

    def on_rung(self, member: ObservedMember, n_epochs: int) -> None:
        """Act at a rung, once all jobs that train at the same time have come to it or ended."""

    def on_train_end(self, member: ObservedMember) -> None:
        """Act after the last epoch, the best weights restored if that was asked for."""

    def on_failure(self, member: ObservedMember) -> None:
        """Act, instead of `on_train_end`, after an error ended the job."""
