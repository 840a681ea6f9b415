"""Conditions that somebody outside an estimator sets for the fit of the network inside it.

An ensemble over folds fits whole pipelines, and wants the network at their end to stop on the
fold's held-out rows, which must go through the steps in front of it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdl.estimators.base._fit_context import FitContext
from skdl.estimators.base._held_out import locate_network

if TYPE_CHECKING:
    from skdl.training import Job, ObservedMember

__all__ = ["FitOverrides"]


class FitOverrides(FitContext):
    """Context in which the network inside an estimator is fitted under conditions.

    Parameters
    ----------
    estimator : object
        What is fitted inside the context, in this thread: a network, or a Pipeline or
        TransformedTargetRegressor that ends in one. Networks elsewhere fit as ever.
    validation : (X, y), default=None
        Validation rows, as `estimator` would get them; the network looks at them, and stops by
        them where its parameters ask for early stopping.
    last_epoch : (int, int), default=None
        Number of epochs after which training ends, without early stopping, and of how many: a
        network whose ``epochs`` follow the rows ends after the same share of its own. The
        learning rate changes as if it went on for as many as its parameters say, and so do the
        weights that `sparsity` drives to zero; training does not end before they are.

    Attributes
    ----------
    history : dict of str to list of float
        Per epoch, what the network reported; empty if no network was met.
    n_epochs : int or None
        Number of epochs that the network would train for at most.
    kept_epoch : int or None
        Number of epochs after which the network had the weights that it was left with.
    monitor, mode : str
        What the network looks at to stop, or would look at, and whether less or more is better.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        validation: tuple[Any, Any] | None = None,
        last_epoch: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(estimator)
        self._validation = validation
        self.ends_early = last_epoch is not None
        self._last_epoch = last_epoch
        self.n_epochs: int | None = None
        self.monitor, self.mode = "val_loss", "min"

    @classmethod
    def concerning(cls, network: Any) -> FitOverrides | None:
        """Return the conditions that this thread's context sets for a network, if any."""
        conditions = cls.current()
        return conditions if conditions is not None and conditions.concern(network) else None

    def concern(self, network: Any) -> bool:
        """Tell whether a network is the one at the end of the estimator."""
        estimator = self._estimator
        while estimator is not network:
            if hasattr(estimator, "steps"):
                estimator = estimator.steps[-1][1]
            elif hasattr(estimator, "regressor_"):
                estimator = estimator.regressor_
            else:
                return False
        return True

    def validation_rows(self, network: Any) -> tuple[Any, Any]:
        """Return the validation rows as the network sees them, or None twice."""
        if self._validation is None:
            return None, None
        way = locate_network(network, self._estimator, *self._validation)
        return (None, None) if way is None else way[:2]

    def attach(self, job: Job) -> None:
        """Follow a job, and end it in time."""
        if job.early_stopping is not None:
            self.monitor, self.mode = job.early_stopping.monitor, job.early_stopping.mode
        self.n_epochs = job.epochs
        job.observers = [*job.observers, self]

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        del epoch
        self._record(logs)
        if self._last_epoch is None or self.n_epochs is None:
            return
        last_epoch, n_epochs = self._last_epoch
        n_own = member.n_epochs - (member.last_epoch - member.epochs)
        if n_own * n_epochs >= last_epoch * self.n_epochs and member.is_pruned:
            member.stop()
