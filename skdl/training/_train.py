"""Training any number of jobs: the one way in."""

from __future__ import annotations

import contextlib
import logging
import math
from typing import TYPE_CHECKING

from skdl.training._keras_path import reason_for_keras, train_with_keras
from skdl.training._member import Member
from skdl.training._plan import split_by_memory, worth_compiling
from skdl.training._prediction import traced_meanwhile
from skdl.training._rendezvous import InterruptedTrainingError, current_task
from skdl.training._stack import Stack, stack_key

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from skdl.training._job import Job, Trained
    from skdl.training._progress import StackProgress

__all__ = ["train", "train_one"]

_log = logging.getLogger("skdl")


def train(
    jobs: Sequence[Job],
    *,
    memory_limit: float = math.inf,
    progress: StackProgress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[Trained | BaseException]:
    """Train jobs, together where they fit into one stack.

    Parameters
    ----------
    jobs : sequence of Job
    memory_limit : float, default=inf
        Bytes that one stack may take.
    progress : StackProgress, optional
    should_stop : callable, optional
        Asked between epochs; once it says True, `InterruptedTrainingError` is raised.

    Returns
    -------
    list of Trained or BaseException
        In the order of `jobs`; an exception where that job failed.
    """
    outcomes: list[Trained | BaseException | None] = [None] * len(jobs)
    members: dict[int, Member] = {}
    stacks: dict[Hashable, list[int]] = {}
    for i, job in enumerate(jobs):
        try:
            reason = reason_for_keras(job)
            if reason is not None:
                _log.info("%s trains through keras.Model.fit: %s.", job.owner, reason)
                outcomes[i] = train_with_keras(job)
                continue
            members[i] = Member(job)
            stacks.setdefault(stack_key(members[i]), []).append(i)
        except Exception as error:  # noqa: BLE001 - belongs to this job alone
            outcomes[i] = error
    for group in stacks.values():
        for positions in split_by_memory(group, members, memory_limit):
            own = [members[i] for i in positions]
            _run_stack(own, progress, should_stop)
            for i in positions:
                outcomes[i] = _outcome(members.pop(i))
    return outcomes  # type: ignore[return-value]


def _run_stack(
    members: list[Member],
    progress: StackProgress | None,
    should_stop: Callable[[], bool] | None,
) -> None:
    compiled = worth_compiling(members)
    stack = Stack(members, compiled=compiled)
    meanwhile: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if compiled:
        # First, as TensorFlow numbers functions as they come, and finds compilations on disk by
        # these numbers among others.
        stack.trace()
        meanwhile = traced_meanwhile(stack.network)
    if progress is not None:
        progress.start(len(members), max(m.job.epochs for m in members))
    try:
        with meanwhile:
            for n_running in stack.epochs():
                if progress is not None:
                    progress.advance(n_running)
                if should_stop is not None and should_stop():
                    raise InterruptedTrainingError("training was stopped from outside")
    finally:
        if progress is not None:
            progress.stop()


def _outcome(member: Member) -> Trained | BaseException:
    result = member.finish()
    return member.error if member.error is not None else result


def train_one(job: Job) -> Trained:
    """Train one job, together with others if this thread runs a lockstep task; raise its error."""
    task = current_task()
    if task is not None:
        return task.rendezvous.fit(job, task)
    (outcome,) = train([job])
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
