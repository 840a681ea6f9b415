"""One fit: alone, or in lockstep with others where its thread runs a task of a lockstep call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl.training._signals import AbortParallelCall
from skdl.training._train import train
from skdl.training.lockstep._rendezvous import current_task

if TYPE_CHECKING:
    from skdl.training._job import Job
    from skdl.training._trained import Trained

__all__ = ["train_one"]


def train_one(job: Job) -> Trained:
    """Train one job, together with others if this thread runs a lockstep task; raise its error."""
    task = current_task()
    if task is not None:
        return task.rendezvous.fit(job, task)
    (outcome,) = train([job])
    if isinstance(outcome, AbortParallelCall):
        raise outcome.reason
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
