"""Training anew on all rows, once the rows held out have told for how many epochs.

Rows held out are lost to training. Where rows have an order in time these are the latest ones, and
where the target drifts, nothing tells more of the rows to come.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from skdl.estimators.base._fit_conditions import FitOverrides

if TYPE_CHECKING:
    from skdl.training import Job, Observer, Trained

__all__ = ["refitted"]


def refitted(
    network: Any,
    trained: Trained,
    job: Job,
    data: tuple[Any, ...],
    initial: Trained | None,
    reporter: Observer,
) -> Trained:
    """Return what a network learns of all rows, in the epochs that were best for those held out.

    Parameters
    ----------
    network : BaseNetwork
        Learns its units and what else it knows of its rows anew.
    trained : Trained
        What `job` has learned.
    job : Job
        The training that held out rows.
    data : tuple
        The arguments of ``fit``.
    initial : Trained, optional
        Where `job` went on from, and this training does too.
    reporter : Observer
        Told of the epochs.

    Returns
    -------
    trained : Trained
        Its history and its epochs are those of `job`, as they tell why there were so many.
    """
    from skdl.training.lockstep import train_one

    again = network._make_job(*data, initial=initial, may_stop=False, is_refit=True)
    # The rows held out tell of new ones only while nothing was learned of them.
    network._learn_after_training(trained, job)
    best_epoch = trained.best_epoch - (initial.n_epochs if initial else 0)
    again.observers = [*again.observers, reporter]
    FitOverrides(network, last_epoch=(best_epoch, job.epochs)).attach(again)
    return dataclasses.replace(
        train_one(again),
        history=trained.history,
        n_epochs=trained.n_epochs,
        best_epoch=trained.best_epoch,
    )
