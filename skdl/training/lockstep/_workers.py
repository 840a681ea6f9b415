"""Lockstep on several workers: what joblib is handed is cut into a chunk for each of them."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from typing import TYPE_CHECKING, Any

from joblib.parallel import FallbackToBackend, ParallelBackendBase

from skdl.training._progress import WorkersProgress
from skdl.training.lockstep._backend import LockstepBackend
from skdl.training.lockstep._chunks import chunks_of, structure_of
from skdl.training.lockstep._engines import run_chunks
from skdl.training.lockstep._rendezvous import MOST_WAITING
from skdl.training.lockstep._shipping import Cargo, pack
from skdl.training.lockstep._worker import Order, Report, run_calls, this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from joblib import Parallel

    from skdl.training.lockstep._engines import Engine

__all__ = ["WorkersBackend"]

# Results of a task's calls and exception, one of them None.
_Outcome = tuple[list[Any] | None, BaseException | None]
_Submitted = tuple[Any, "Callable[[_Outcome], object] | None"]


class WorkersBackend(ParallelBackendBase):
    """Joblib backend that trains what it is handed in lockstep, in a chunk on each worker.

    It takes all tasks that joblib hands out, and runs them when the caller begins to wait.

    Parameters
    ----------
    engine : Engine
    engine_name : str, default=""
    memory_limit : int or None, default=None
        See `lockstep`.
    progress : bool, default=False
        Show a progress bar for each call.
    is_local : bool, default=False
        Whether the engine's workers are processes of this machine, so that a single chunk may as
        well be trained here.
    batches : list of int, default=None
        Where to note the number of jobs in each batch.
    reports : list of Report, default=None
        Where to keep what workers have told, without results.

    Attributes
    ----------
    batches : list of int
    reports : list of Report
    """

    supports_retrieve_callback = True
    # As `configure` hands such calls to lockstep in this process.
    supports_sharedmem = True
    uses_threads = False
    default_n_jobs = -1

    def __init__(
        self,
        engine: Engine,
        *,
        engine_name: str = "",
        memory_limit: int | None = None,
        progress: bool = False,
        is_local: bool = False,
        batches: list[int] | None = None,
        reports: list[Report] | None = None,
        nesting_level: int | None = None,
    ) -> None:
        super().__init__(nesting_level=nesting_level)
        self.batches: list[int] = [] if batches is None else batches
        self.reports: list[Report] = [] if reports is None else reports
        self.engine_name = engine_name
        self._engine = engine
        self._memory_limit = memory_limit
        self._progress = progress
        self._is_local = is_local
        self._user: Parallel | None = None
        self._submitted: list[_Submitted] = []

    @property
    def n_workers(self) -> int:
        """Number of workers that there are now."""
        return self._engine.workers()

    # ------------------------------------------------------------------ joblib's interface

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Parallel | None = None,
        require: str | None = None,
        **options: object,
    ) -> int:
        """Prepare for one ``Parallel``, which gets a twin of this backend for itself."""
        if require == "sharedmem":
            raise FallbackToBackend(
                LockstepBackend(self.nesting_level, memory_limit=self._memory_limit)
            )
        if self._user is not parallel:
            twin = WorkersBackend(
                self._engine,
                engine_name=self.engine_name,
                memory_limit=self._memory_limit,
                progress=self._progress,
                is_local=self._is_local,
                batches=self.batches,
                reports=self.reports,
                nesting_level=self.nesting_level,
            )
            twin._user = parallel
            raise FallbackToBackend(twin)
        count: int = super().configure(n_jobs, parallel, **options)
        return count

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks may be handed out at once, whatever is asked for."""
        if n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning. Expected None or any other integer.")
        return MOST_WAITING * self.n_workers

    def get_nested_backend(self) -> tuple[LockstepBackend, None]:
        """Return a backend of calls inside a task, which trains in the task's own process."""
        return LockstepBackend(nesting_level=(self.nesting_level or 0) + 1), None

    def start_call(self) -> None:
        """Begin with no task."""
        self._submitted = []

    def submit(self, func: Any, callback: Callable[[_Outcome], object] | None = None) -> Any:
        """Keep a task until the caller waits."""
        self._submitted.append((func, callback))
        return func

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Train what was handed out; the end of some tasks may bring in others."""
        while self._submitted:
            submitted, self._submitted = self._submitted, []
            for (_, callback), outcome in zip(submitted, self._run(submitted), strict=True):
                if callback is not None:
                    callback(outcome)
        yield

    def retrieve_result_callback(self, result: _Outcome) -> Any:
        """Return a task's results or raise its exception."""
        value, error = result
        if error is not None:
            raise error
        return value

    # ------------------------------------------------------------------ running

    def _run(self, submitted: Sequence[_Submitted]) -> list[_Outcome]:
        tasks = [func.items for func, _ in submitted]
        chunks = chunks_of([structure_of(calls) for calls in tasks], self.n_workers)
        if len(chunks) == 1 and self._is_local:
            results, batches = run_calls(tasks, self._memory_limit)
            self.batches += batches
            return [(result, None) for result in results]
        cargo = Cargo()
        packed = {
            number: pack([tasks[i] for i in chunk], cargo) for number, chunk in enumerate(chunks)
        }
        order = Order(this_process(), self._engine.cores_of_worker(), self._memory_limit)
        reports: dict[int, Report] = {}
        progress = WorkersProgress(len(tasks), len(chunks)) if self._progress else None
        with progress or contextlib.nullcontext():
            for number, pickled in run_chunks(self._engine, packed, cargo.arrays, order):
                # From a worker that runs this program's own code.
                reports[number] = pickle.loads(pickled)  # noqa: S301
                if progress is not None:
                    progress.advance(len(chunks[number]))
        outcomes: list[_Outcome] = [(None, None)] * len(tasks)
        for number, chunk in enumerate(chunks):
            report = reports[number]
            for i, task in enumerate(chunk):
                ended = report.error is None
                outcomes[task] = (report.results[i], None) if ended else (None, report.error)
            self.batches += report.batches
            report.results = []
            self.reports.append(report)
        self._warn_again([reports[number] for number in range(len(chunks))])
        return outcomes

    @staticmethod
    def _warn_again(reports: Sequence[Report]) -> None:
        """Give here the warnings that were given in the workers."""
        told = {
            (category, str(message), filename, line): message
            for report in reports
            for message, category, filename, line in report.warnings
        }
        for (category, _, filename, line), message in told.items():
            warnings.warn_explicit(message, category, filename, line)
