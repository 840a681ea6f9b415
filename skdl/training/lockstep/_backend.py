"""Lockstep: the joblib backend under which everything that scikit-learn clones trains together."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil
from joblib.parallel import FallbackToBackend, ThreadingBackend

from skdl._lazy_rows import views_of
from skdl.training._progress import StackProgress
from skdl.training._signals import AbortParallelCall
from skdl.training._train import train
from skdl.training.engine._garbage import full_collections_put_off
from skdl.training.lockstep._rendezvous import (
    MOST_WAITING,
    ParallelCall,
    Rendezvous,
    Task,
    current_task,
    is_leading,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from joblib import Parallel

__all__ = ["FREE_SHARE", "LockstepBackend"]

# Share of the free memory that a batch may take unless `memory_limit` says otherwise.
FREE_SHARE = 0.5
# Result and exception of a task, one of them None.
_Outcome: TypeAlias = tuple[Any, BaseException | None]


class LockstepBackend(ThreadingBackend):
    """Joblib backend ``"skdl"``: each task in a thread of its own, fits trained together.

    Parameters
    ----------
    nesting_level : int, default=None
        Set by joblib.
    inner_max_num_threads : int, default=None
        Set by joblib; not used.
    memory_limit : int or None, default=None
        See `lockstep`.
    progress : bool, default=False
        Show a progress bar for each batch.
    should_stop : callable, default=None
        Asked after each epoch whether training is to end, with `InterruptedTrainingError`.
    rendezvous : Rendezvous, default=None
        Of the task that this one is used in; a new one by default.

    Notes
    -----
    Each ``Parallel`` that meets this backend works with a twin of its own, as a call is counted
    where it runs. So one backend may serve several threads: calls inside its tasks meet at one
    place and train together; a call of any other thread stands alone, and so do its errors.
    """

    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        *,
        memory_limit: int | None = None,
        progress: bool = False,
        should_stop: Callable[[], bool] | None = None,
        rendezvous: Rendezvous | None = None,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.memory_limit = memory_limit
        self.progress = progress
        self.should_stop = should_stop or (lambda: False)
        self._user: Parallel | None = None
        self._is_outermost = rendezvous is None
        self._rendezvous = rendezvous or self._new_rendezvous()
        self._call = ParallelCall(self._rendezvous)
        self._views: dict[Hashable, Any] = {}

    @property
    def batches(self) -> list[int]:
        """Number of jobs in each batch trained so far."""
        return self._rendezvous.batches

    def _new_rendezvous(self) -> Rendezvous:
        limit = self.memory_limit or int(psutil.virtual_memory().available * FREE_SHARE)
        progress = StackProgress() if self.progress else None

        def train_batch(jobs: Any, is_closed: Callable[[], bool]) -> list[Any]:
            def should_stop() -> bool:
                return is_closed() or self.should_stop()

            return train(jobs, memory_limit=limit, progress=progress, should_stop=should_stop)

        return Rendezvous(train_batch, limit)

    # ------------------------------------------------------------------ joblib's interface

    def configure(
        self, n_jobs: int = 1, parallel: Parallel | None = None, **options: object
    ) -> int:
        """Prepare for one ``Parallel``, which gets a twin of this backend for itself."""
        if self._user is not parallel:
            raise FallbackToBackend(self._twin_for(parallel))
        count: int = super().configure(n_jobs, parallel, **options)
        return count

    def _twin_for(self, parallel: Parallel | None) -> LockstepBackend:
        task = current_task()
        is_inside = task is not None and task.rendezvous.batches is self.batches
        twin = LockstepBackend(
            self.nesting_level,
            memory_limit=self.memory_limit,
            progress=self.progress,
            should_stop=self.should_stop,
            rendezvous=task.rendezvous if task is not None and is_inside else None,
        )
        twin._user = parallel
        twin._rendezvous.batches = self.batches
        return twin

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks may be under way; whatever is asked for, as many as can wait."""
        if n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning. Expected None or any other integer.")
        # A callback of a batch in training cannot wait for the next batch.
        return 1 if is_leading() else MOST_WAITING

    def get_nested_backend(self) -> tuple[LockstepBackend, None]:
        """Return the backend of Parallel calls inside a task: they meet at the same place."""
        level = (self.nesting_level or 0) + 1
        return LockstepBackend(nesting_level=level, rendezvous=self._rendezvous), None

    def start_call(self) -> None:
        """Count the caller among those who run, while it hands out tasks.

        Otherwise the first of them would be trained before the others are there.
        """
        task = current_task()
        self._call = ParallelCall(self._rendezvous, () if task is None else task.place_of_call())
        self._is_counted = task is not None and task.rendezvous is self._rendezvous
        if not self._is_counted:
            self._rendezvous.mark_running()
        self._collections = full_collections_put_off()
        self._collections.__enter__()

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Let the caller wait for its tasks, which may train meanwhile."""
        call = self._call
        call.wait()
        user = self._user
        try:
            if user is not None and user.timeout is None and not user.return_generator:
                call.sleep()
            yield
        finally:
            call.wake()

    def stop_call(self) -> None:
        """Leave the caller to itself again."""
        self._collections.__exit__(None, None, None)
        self._views.clear()
        if not self._is_counted:
            self._call.rendezvous.mark_waiting()

    def submit(
        self, func: Callable[[], object], callback: Callable[[_Outcome], object] | None = None
    ) -> Task:
        """Queue a task; its outcome goes to `callback` in the task's own thread."""
        call = self._call
        # Loaded where such fits come from, and slow otherwise.
        if "sklearn.model_selection._validation" in sys.modules:
            from skdl._compat_model_selection import with_rows

            views = self._views
            with_rows(func, lambda own, X, parameters: views_of(own, X, views, parameters))

        def run() -> None:
            outcome: _Outcome
            try:
                call.rendezvous.check(call)
                outcome = (func(), None)
            except AbortParallelCall as error:
                outcome = (None, error.reason)
            except BaseException as error:  # noqa: BLE001 - raised where joblib retrieves it
                outcome = (None, error)
            # New tasks that this one's end lets in are queued before it leaves, so that a batch
            # is never trained while some of its members are still to come.
            try:
                if callback is not None:
                    callback(outcome)
            finally:
                call.ended(failed=outcome[1] is not None)

        task = Task(run, call.rendezvous, call, place=call.began())
        call.rendezvous.submit(task)
        return task

    def retrieve_result_callback(self, result: _Outcome) -> Any:
        """Return a task's result or raise its exception."""
        value, error = result
        if error is not None:
            raise error
        return value

    def terminate(self) -> None:
        """Do nothing: threads end with their tasks."""

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Free the threads of this call, of all calls if it is the outermost."""
        del ensure_ready
        if not self._is_outermost:
            self._rendezvous.cancel(self._call)
            return
        batches = self._rendezvous.batches
        self._rendezvous.close()
        self._rendezvous = self._new_rendezvous()
        self._rendezvous.batches = batches
