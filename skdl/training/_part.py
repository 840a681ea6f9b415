"""A part of what trains at the same time: the members of one stack, from rung to rung."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from skdl.training._signals import InterruptedTrainingError
from skdl.training.engine._plan import worth_compiling
from skdl.training.engine._stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from skdl.training._progress import StackProgress
    from skdl.training._trained import Trained
    from skdl.training.engine._member import Member

__all__ = ["Part"]


class Part:
    """Members of one stack, and how they ended.

    Parameters
    ----------
    members : sequence of Member

    Attributes
    ----------
    outcomes : list of Trained or BaseException, or None
        One for each member; None while some of them go on.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)
        self.outcomes: list[Trained | BaseException] | None = None
        self._stack: Stack | None = None
        self._epochs: Iterator[int] = iter(())
        self._n_epochs = 0

    @property
    def running(self) -> list[Member]:
        """Members that go on."""
        return [member for member in self.members if not member.stopped]

    @property
    def is_ready(self) -> bool:
        """Whether its stack stands."""
        return self._stack is not None

    def is_to_be_compiled(self) -> bool:
        """Tell whether making it ready takes as long as XLA takes to compile."""
        return not self.is_ready and worth_compiling(self.running, self._n_epochs)

    def rest_if_to_be_compiled(self) -> None:
        """Rest if the stack would go over to XLA now, so that this can be done beside others."""
        if self._stack is not None and self._stack.is_worth_compiling():
            self.rest()

    def make_ready(self) -> None:
        """Build the stack of those who go on, compiled if that pays."""
        members = self.running
        compiled = worth_compiling(members, self._n_epochs)
        stack = Stack(members, compiled=compiled, n_epochs=self._n_epochs)
        stack.prepare()
        self._stack, self._epochs = stack, stack.epochs()

    def run(
        self,
        until: float,
        progress: StackProgress | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        """Train until so many epochs are over or all members have ended; see to what they raise."""
        try:
            self._train(until, progress, should_stop)
            self.end_if_over()
        except InterruptedTrainingError:
            raise
        except KeyboardInterrupt as interrupt:
            if self._stack is not None:
                self._stack.return_state()
            raise self.members[0].interrupted(interrupt) from None
        except Exception as error:  # noqa: BLE001 - belongs to this stack alone
            self.fail(error)

    def _train(
        self,
        until: float,
        progress: StackProgress | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        members = self.running
        if progress is not None:
            progress.start(len(members), max(m.job.epochs for m in members))
        try:
            for n_running in self._epochs:
                self._n_epochs += 1
                if progress is not None:
                    progress.advance(n_running)
                if should_stop is not None and should_stop():
                    raise InterruptedTrainingError("training was stopped from outside")
                if self._n_epochs >= until:
                    return
        finally:
            if progress is not None:
                progress.stop()

    def rest(self) -> None:
        """Leave the device to others; the members keep their state."""
        if self._stack is not None:
            self._stack.return_state()
        self._stack, self._epochs = None, iter(())

    def end_if_over(self) -> None:
        """Note how the members ended, once none goes on."""
        if not self.running and self.outcomes is None:
            self.rest()
            self.outcomes = [_outcome(member) for member in self.members]

    def fail(self, error: Exception) -> None:
        """End all members that have not ended and given their state back."""
        self._stack, self._epochs = None, iter(())
        self.outcomes = [
            _outcome(member) if member.stopped and member.fetch is None else _failure(member, error)
            for member in self.members
        ]


def _outcome(member: Member) -> Trained | BaseException:
    result = member.finish()
    return member.error if member.error is not None else result


def _failure(member: Member, error: Exception) -> BaseException:
    """End a member whose stack failed, so that nothing keeps the stack's tensors."""
    member.fetch = member.store = None
    member.stopped = True
    traceback.clear_frames(error.__traceback__)
    member.error = member.error or error
    member.observe("on_failure")
    return member.error
