"""Training any number of jobs: the one way in."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import traceback
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from skdl._compat_tensorflow import check_not_forked
from skdl.exceptions import SingleRowBatchWarning
from skdl.training._keras_fallback import train_with_keras, why_not_in_graph
from skdl.training._signals import AbortParallelCall, InterruptedFit, InterruptedTrainingError
from skdl.training.engine._member import Member, end_abandoned_calls
from skdl.training.engine._plan import fit_together, split_by_memory, worth_compiling
from skdl.training.engine._stack import Stack, stack_key

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from skdl.training._job import Job
    from skdl.training._progress import StackProgress
    from skdl.training._trained import Trained

__all__ = ["train"]

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
    for job in jobs:
        check_not_forked(job.owner)
        if job.meets_single_rows:
            _warn_of_single_rows(job)
    outcomes: list[Trained | BaseException | None] = [None] * len(jobs)
    with _learned_by_one_alone(len(jobs)):
        position, groups = _members(jobs, outcomes)
        parts = [p for group in groups.values() for p in split_by_memory(group, memory_limit)]
        for part, coming in _prepared(parts, memory_limit):
            try:
                _run(coming.result(), progress, should_stop)
                found = [_outcome(member) for member in part]
            except InterruptedTrainingError:
                raise
            except KeyboardInterrupt as interrupt:
                raise part[0].interrupted(interrupt) from None
            except Exception as error:  # noqa: BLE001 - belongs to this stack alone
                found = [_failure(member, error) for member in part]
            for member, outcome in zip(part, found, strict=True):
                outcomes[position[member]] = outcome
            end_abandoned_calls(position)
            # Its tensors must be free before the next but one is prepared.
            del coming
    return outcomes  # type: ignore[return-value]


@contextlib.contextmanager
def _learned_by_one_alone(n_jobs: int) -> Iterator[None]:
    """Let Ctrl-C hand on what a lone fit has learned; of several it would reach all."""
    try:
        yield
    except InterruptedFit as interrupt:
        if n_jobs > 1:
            raise KeyboardInterrupt from interrupt
        raise


def _members(
    jobs: Sequence[Job], outcomes: list[Trained | BaseException | None]
) -> tuple[dict[Member, int], dict[Hashable, list[Member]]]:
    """Train by Keras what the graph cannot; return places of the others, and who trains together.

    Parameters
    ----------
    jobs : sequence of Job
    outcomes : list
        Filled in for jobs that end here.
    """
    position: dict[Member, int] = {}
    groups: dict[Hashable, list[Member]] = {}
    abandoned: dict[int, AbortParallelCall] = {}
    for i, job in enumerate(jobs):
        if job.call is not None and id(job.call) in abandoned:
            outcomes[i] = abandoned[id(job.call)]
            continue
        try:
            reason = why_not_in_graph(job)
            if reason is not None:
                _log.info("%s trains through keras.Model.fit: %s.", job.owner, reason)
                outcomes[i] = train_with_keras(job)
                continue
            member = Member(job)
            groups.setdefault(stack_key(member), []).append(member)
            position[member] = i
        except (Exception, AbortParallelCall) as error:  # noqa: BLE001 - belongs to this job alone
            outcomes[i] = error
            if isinstance(error, AbortParallelCall):
                abandoned[id(job.call)] = error
    return position, groups


def _warn_of_single_rows(job: Job) -> None:
    warnings.warn(
        f"{job.owner}: with batch_size={job.batch_size} and {len(job.train)} rows to train on, "
        "batch normalisation meets a batch of one row, whose mean and variance say nothing; "
        "predictions are poor then. Try a batch_size that leaves no single row, at least 8, or a "
        "network without batch normalisation.",
        SingleRowBatchWarning,
        stacklevel=2,
    )


def _prepared(
    parts: list[list[Member]], memory_limit: float
) -> Iterator[tuple[list[Member], Future[Stack]]]:
    """Yield the members of each stack and the stack to come; while one runs, the next compiles."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="skdl-compile")
    try:
        following: Future[Stack] | None = None
        for part, after in itertools.zip_longest(parts, parts[1:]):
            coming = following or pool.submit(_ready, part)
            is_room = after is not None and fit_together([part, after], memory_limit)
            following = pool.submit(_ready, after) if is_room else None
            yield part, coming
            del coming
    finally:
        # After Ctrl-C nobody waits for what is still to be compiled.
        pool.shutdown(cancel_futures=True)


def _ready(members: list[Member]) -> Stack:
    stack = Stack(members, compiled=worth_compiling(members))
    stack.prepare()
    return stack


def _run(
    stack: Stack, progress: StackProgress | None, should_stop: Callable[[], bool] | None
) -> None:
    if progress is not None:
        progress.start(len(stack.members), max(m.job.epochs for m in stack.members))
    try:
        for n_running in stack.epochs():
            if progress is not None:
                progress.advance(n_running)
            if should_stop is not None and should_stop():
                raise InterruptedTrainingError("training was stopped from outside")
    except KeyboardInterrupt:
        stack.return_state()
        raise
    finally:
        if progress is not None:
            progress.stop()


def _outcome(member: Member) -> Trained | BaseException:
    result = member.finish()
    return member.error if member.error is not None else result


def _failure(member: Member, error: Exception) -> BaseException:
    """End a member whose stack failed, so that nothing keeps the stack's tensors."""
    member.fetch = member.store = None
    traceback.clear_frames(error.__traceback__)
    member.error = error
    member.observe("on_failure")
    return error
