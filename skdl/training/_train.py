"""Training any number of jobs: the one way in."""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from typing import TYPE_CHECKING

from skdl._compat_tensorflow import check_not_forked
from skdl.exceptions import SingleRowBatchWarning
from skdl.training._entries import check_entries
from skdl.training._keras_fallback import train_with_keras, why_not_in_graph
from skdl.training._part import Part
from skdl.training._prepared import prepared
from skdl.training._signals import AbortParallelCall, InterruptedFit
from skdl.training.engine._heap import freed_memory_kept
from skdl.training.engine._member import Member, come_to_rung, end_abandoned_calls
from skdl.training.engine._plan import padded_stacks, split_by_memory, stack_key

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

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
    with _learned_by_one_alone(len(jobs)), freed_memory_kept():
        position, groups = _members(jobs, outcomes)
        parts = [
            Part(members)
            for group in padded_stacks(list(groups.values()))
            for members in split_by_memory(group, memory_limit)
        ]
        # What others are to be compared with at a rung must have come there too.
        rungs = _rungs(position)
        for rung in (*rungs, math.inf):
            for part in prepared(parts, memory_limit, is_race=bool(rungs)):
                part.run(rung, progress, should_stop)
                end_abandoned_calls(position)
            _judge(parts, rung)
            end_abandoned_calls(position)
        for part in parts:
            for member, outcome in zip(part.members, part.outcomes or [], strict=True):
                outcomes[position[member]] = outcome
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
    extents: dict[int, tuple[float, float]] = {}
    for i, job in enumerate(jobs):
        if job.call is not None and id(job.call) in abandoned:
            outcomes[i] = abandoned[id(job.call)]
            continue
        try:
            _check_rows(job, extents)
            reason = why_not_in_graph(job)
            if reason is not None:
                _log.info("%s trains through keras.Model.fit: %s.", job.owner, reason)
                outcomes[i] = train_with_keras(job)
                continue
            member = Member(job)
            groups.setdefault(stack_key(member, job.network), []).append(member)
            position[member] = i
        except (Exception, AbortParallelCall) as error:  # noqa: BLE001 - belongs to this job alone
            outcomes[i] = error
            if isinstance(error, AbortParallelCall):
                abandoned[id(job.call)] = error
    return position, groups


def _check_rows(job: Job, extents: dict[int, tuple[float, float]]) -> None:
    for rows in (job.train, job.validation, job.held_out):
        if rows is not None:
            check_entries(job.network, rows.X, rows.index, owner=job.owner, extents=extents)


def _warn_of_single_rows(job: Job) -> None:
    warnings.warn(
        f"{job.owner}: with batch_size={job.batch_size} and {len(job.train)} rows to train on, "
        "batch normalisation meets a batch of one row, whose mean and variance say nothing; "
        "predictions are poor then. Try a batch_size that leaves no single row, at least 8, or a "
        "network without batch normalisation.",
        SingleRowBatchWarning,
        stacklevel=2,
    )


def _rungs(members: Iterable[Member]) -> list[int]:
    """Return after how many epochs members wait for each other, in rising order."""
    return sorted({rung for member in members for rung in member.rungs})


def _judge(parts: Sequence[Part], rung: float) -> None:
    """Let observers judge the members that have come to a rung, now that all are there."""
    for part in parts:
        for member in part.running:
            come_to_rung(member, rung)
        part.end_if_over()
