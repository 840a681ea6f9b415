"""Training any number of jobs: the one way in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from skdl.training._keras_path import reason_for_keras, train_with_keras
from skdl.training._member import Member
from skdl.training._plan import worth_compiling
from skdl.training._stack import Stack, stack_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.training._job import Job, Trained

__all__ = ["train", "train_one"]

_log = logging.getLogger("skdl")


def train(jobs: Sequence[Job]) -> list[Trained | BaseException]:
    """Train jobs, together where they fit into one stack.

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
    for positions in stacks.values():
        own = [members[i] for i in positions]
        Stack(own, compiled=worth_compiling(own)).run()
        for i in positions:
            outcomes[i] = _outcome(members[i])
    return outcomes  # type: ignore[return-value]


def _outcome(member: Member) -> Trained | BaseException:
    result = member.finish()
    return member.error if member.error is not None else result


def train_one(job: Job) -> Trained:
    """Train one job and raise what it raises."""
    (outcome,) = train([job])
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
