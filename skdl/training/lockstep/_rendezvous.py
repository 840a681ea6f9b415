"""The rendezvous: where tasks that fit meet, so that their jobs train together.

A task is a function that runs in a thread of its own and may call ``fit``. At most as many tasks
run at a time as there are processors; a task that waits in a fit, or for tasks of its own, does
not count. When nothing can run any further, everything that waits is trained as one batch. No
clock is involved, so who trains with whom is the same every time.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import threading
from typing import TYPE_CHECKING, Any

from joblib import cpu_count

from skdl.training._signals import InterruptedTrainingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from skdl.training._job import Job
    from skdl.training._trained import Trained

__all__ = [
    "MOST_WAITING",
    "Rendezvous",
    "Task",
    "current_call",
    "current_task",
    "without_task",
]

_log = logging.getLogger("skdl")

# Threads that may wait in a fit at once, each with a stack of some 100 kB; more tasks than that
# are trained batch by batch.
MOST_WAITING = 4096


class ParallelCall:
    """One call of Parallel, whose caller waits for its tasks.

    The caller counts as running again from the end of its last task, not from the moment at which
    it notices: otherwise those who notice first would be trained without the others.

    Parameters
    ----------
    rendezvous : Rendezvous
    place : tuple of int, default=()
        See `Task.place_of_call`.
    """

    def __init__(self, rendezvous: Rendezvous, place: tuple[int, ...] = ()) -> None:
        self.rendezvous = rendezvous
        self._place = place
        self._lock = threading.Lock()
        self._n_begun = 0
        self._n_open = 0
        self._is_waiting = False
        self._can_run_on = threading.Event()

    def began(self) -> tuple[int, ...]:
        """Take note of one more task; return its place among all."""
        with self._lock:
            self._n_begun += 1
            self._n_open += 1
            return (*self._place, self._n_begun)

    def ended(self, *, failed: bool) -> None:
        """Take note that a task is about to leave; the caller acts on the last and on failures."""
        with self._lock:
            self._n_open -= 1
            is_over = failed or not self._n_open
        if is_over:
            self.wake()

    def wait(self) -> None:
        """Let the caller wait, unless all tasks have ended."""
        with self._lock:
            self._is_waiting = self._n_open > 0
            if self._is_waiting:
                self.rendezvous.mark_waiting()
            else:
                self._can_run_on.set()

    def wake(self) -> None:
        """Let the caller run on, if it waits."""
        with self._lock:
            if self._is_waiting:
                self.rendezvous.mark_running()
            self._is_waiting = False
            self._can_run_on.set()

    def sleep(self) -> None:
        """Return when the caller may run on: all its tasks have ended, or one has failed.

        Joblib looks every hundredth of a second whether they have. Hundreds of callers that do,
        one for each trial of a race, keep a core busy with nothing else.
        """
        self._can_run_on.wait()


@dataclasses.dataclass(eq=False)
class Task:
    """A piece of work that may fit.

    Parameters
    ----------
    run : callable
        Without arguments; must not raise.
    rendezvous : Rendezvous
    owner : ParallelCall
        Who asked for it: tasks of one call are cancelled together.
    place : tuple of int
        Its number in its call, after the place of that call. Fits are trained in this order, not
        in that in which threads happen to arrive, as rounding depends on the order.
    """

    run: Callable[[], None]
    rendezvous: Rendezvous
    owner: ParallelCall
    place: tuple[int, ...]
    n_calls: int = 0

    def place_of_call(self) -> tuple[int, ...]:
        """Return the place of one more call that this task makes."""
        self.n_calls += 1
        return (*self.place, self.n_calls)


class _HeldData:
    """What the data of some jobs take, those that several share counted once."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._n_users = collections.Counter[int]()

    def add(self, job: Job) -> None:
        own, arrays = job.held_data
        self.n_bytes += own + sum(n for array, n in arrays.items() if not self._n_users[array])
        self._n_users.update(arrays.keys())

    def remove(self, job: Job) -> None:
        own, arrays = job.held_data
        self._n_users.subtract(arrays.keys())
        gone = [array for array in arrays if not self._n_users[array]]
        self.n_bytes -= own + sum(arrays[array] for array in gone)
        for array in gone:
            del self._n_users[array]


@dataclasses.dataclass(eq=False)
class _Waiting:
    """A fit that waits for its batch."""

    job: Job
    task: Task
    wakes: threading.Event = dataclasses.field(default_factory=threading.Event)
    batch: list[_Waiting] | None = None
    outcome: Trained | BaseException | None = None
    traceback: TracebackType | None = None


_local = threading.local()


def current_task() -> Task | None:
    """Return the task that this thread runs, if it runs one."""
    return getattr(_local, "task", None)


def current_call() -> ParallelCall | None:
    """Return the call of Parallel whose task this thread runs, if it runs one."""
    task = current_task()
    return None if task is None else task.owner


def is_leading() -> bool:
    """Tell whether this thread trains a batch, whose callbacks run in it."""
    return getattr(_local, "is_leading", False)


class without_task:  # noqa: N801 - reads as a statement
    """Context in which a fit trains at once, as it does in a thread without a task."""

    def __enter__(self) -> None:
        self._task = current_task()
        _local.task, _local.is_leading = None, True

    def __exit__(self, *_: object) -> None:
        _local.task, _local.is_leading = self._task, False


class Rendezvous:
    """Tasks of one lockstep session.

    Parameters
    ----------
    train : callable
        ``train(jobs, should_stop)`` returns one outcome per job.
    memory_limit : int
        Bytes that the data of fits whose tasks have not ended may take, see `Job.data_bytes`.

    Attributes
    ----------
    batches : list of int
        Number of jobs in each batch trained so far.
    """

    def __init__(self, train: Callable[..., list[Any]], memory_limit: int) -> None:
        self._train = train
        self._memory_limit = memory_limit
        self._most_running = max(1, cpu_count())
        self._lock = threading.Lock()
        self._queue: collections.deque[Task] = collections.deque()
        self._waiting: list[_Waiting] = []
        self._trained: collections.deque[_Waiting] = collections.deque()
        # Fits of tasks that have not ended: those that wait, and those that still hold their rows.
        self._unfinished: dict[Task, Job] = {}
        self._held = _HeldData()
        self._running = 0
        self._is_training = False
        self._closed = False
        self._cancelled: set[ParallelCall] = set()
        self.batches: list[int] = []

    # ------------------------------------------------------------------ called by the backend

    def submit(self, task: Task) -> None:
        """Run a task as soon as there is room for it."""
        with self._lock:
            self._queue.append(task)
            self._advance()

    def mark_waiting(self) -> None:
        """Let the calling thread wait for tasks that it handed out."""
        with self._lock:
            self._running -= 1
            self._advance()

    def mark_running(self) -> None:
        """Let the calling thread run on."""
        with self._lock:
            self._running += 1

    def check(self, owner: ParallelCall) -> None:
        """Raise `InterruptedTrainingError` if nobody waits for this call's tasks any more."""
        if self._closed or owner in self._cancelled:
            raise InterruptedTrainingError("cancelled")

    def cancel(self, owner: ParallelCall) -> None:
        """Drop the tasks of one owner; those in a fit see `InterruptedTrainingError`."""
        with self._lock:
            self._cancelled.add(owner)
            self._queue = collections.deque(t for t in self._queue if t.owner != owner)
            dropped = [w for w in self._waiting if w.task.owner == owner]
            self._waiting = [w for w in self._waiting if w.task.owner != owner]
            self._release(dropped, [InterruptedTrainingError("cancelled")] * len(dropped))
            self._advance()

    def close(self) -> None:
        """Drop all tasks and stop training after this epoch; nothing may be submitted again."""
        with self._lock:
            self._closed = True
            dropped, self._waiting = self._waiting, []
            self._release(dropped, [InterruptedTrainingError("cancelled")] * len(dropped))
            # What is queued still starts, and ends at once: a task may be waiting for it.
            self._advance()

    # ------------------------------------------------------------------ called in a task's thread

    def fit(self, job: Job, task: Task) -> Trained:
        """Wait for the batch, have it trained, and return this job's outcome or raise it."""
        job.call = task.owner
        own = _Waiting(job, task)
        with self._lock:
            self.check(task.owner)
            self._waiting.append(own)
            # Its rows take the place of those of an earlier fit.
            self._forget(task)
            self._unfinished[task] = job
            self._held.add(job)
            self._running -= 1
            self._advance()
        own.wakes.wait()
        if own.batch is not None:
            own.wakes.clear()
            # It holds itself: what a circle holds is freed when Python looks for circles, so late.
            batch, own.batch = own.batch, None
            self._lead(batch)
            del batch
            own.wakes.wait()
        if isinstance(own.outcome, BaseException):
            # Others may raise the same one: each would add its frames to those of all before it.
            raise own.outcome.with_traceback(own.traceback)
        return own.outcome  # type: ignore[return-value]

    def _lead(self, batch: list[_Waiting]) -> None:
        """Train a batch for everybody in it."""
        with without_task():
            try:
                outcomes = self._train([w.job for w in batch], lambda: self._closed)
            except BaseException as error:  # noqa: BLE001 - raised in each member's own thread
                outcomes = [error] * len(batch)
        _log.debug("lockstep trained %d jobs together", len(batch))
        with self._lock:
            self._is_training = False
            self._running -= 1  # the leader runs on in its turn, as all others
            self._release(batch, outcomes)
            self._advance()

    # ------------------------------------------------------------------ with the lock held

    def _release(self, members: list[_Waiting], outcomes: list[Any]) -> None:
        for member, outcome in zip(members, outcomes, strict=True):
            member.outcome = outcome
            member.traceback = getattr(outcome, "__traceback__", None)
            self._trained.append(member)

    def _has_room(self) -> bool:
        if self._is_training or self._running >= self._most_running:
            return False
        if len(self._waiting) + self._running >= MOST_WAITING:
            return False
        if not self._running and not self._waiting:
            return True  # somebody must, though outer tasks may hold more than all
        if not self._unfinished:
            return True
        # Tasks that run and have not fitted yet, and the one let in, bring as much as the last.
        n_fitted = len(self._unfinished)
        n_to_come = self._running + len(self._waiting) + len(self._trained) - n_fitted + 1
        last = self._unfinished[next(reversed(self._unfinished))]
        own = last.data_bytes(last.tables_of_others())
        return self._held.n_bytes + max(1, n_to_come) * own <= self._memory_limit

    def _forget(self, task: Task) -> None:
        """Take note that a task holds the rows of its last fit no more."""
        job = self._unfinished.pop(task, None)
        if job is not None:
            self._held.remove(job)

    def _advance(self) -> None:
        """Let those run that have room; when none can run on, train what waits.

        Of hundreds of fits that have been trained, each gets its turn: threads that all run at
        once do little but hand the interpreter to each other.
        """
        while self._trained and self._running < self._most_running:
            self._running += 1
            self._trained.popleft().wakes.set()
        while self._queue and self._has_room():
            self._running += 1
            threading.Thread(target=_run, args=(self._queue.popleft(),), daemon=True).start()
        is_idle = self._running == 0 and not self._trained
        if is_idle and self._waiting and not self._is_training:
            batch, self._waiting = sorted(self._waiting, key=lambda w: w.task.place), []
            self._is_training = True
            self._running = 1
            self.batches.append(len(batch))
            batch[0].batch = batch
            batch[0].wakes.set()

    def leave(self, task: Task) -> None:
        """Take note that a task has ended."""
        with self._lock:
            self._running -= 1
            self._forget(task)
            self._advance()


def _run(task: Task) -> None:
    _local.task = task
    try:
        task.run()
    finally:
        _local.task = None
        task.rendezvous.leave(task)
