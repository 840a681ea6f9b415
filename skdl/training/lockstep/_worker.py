"""What a worker does with its chunk: train it in lockstep, on cores of its own."""

from __future__ import annotations

import dataclasses
import os
import pickle
import platform
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import cloudpickle
import psutil
from joblib import Parallel, delayed, parallel_config

from skdl.training.engine._heap import freed_memory_kept
from skdl.training.lockstep._backend import FREE_SHARE, LockstepBackend
from skdl.training.lockstep._shipping import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Order", "Report", "is_dask_worker", "run_calls", "run_chunk", "this_process"]

# What TensorFlow reads when it is imported, and other libraries when they make their threads.
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
# What joblib and skdl ask for the number of cores.
_CORES = "LOKY_MAX_CPU_COUNT"


@dataclasses.dataclass(frozen=True)
class Order:
    """How a chunk is to be run.

    Parameters
    ----------
    caller : tuple of (str, int)
        See `this_process`.
    n_cores : int or None
        Cores that the worker has for itself; None is what its engine has given it.
    memory_limit : int or None
        See `lockstep`.
    """

    caller: tuple[str, int]
    n_cores: int | None
    memory_limit: int | None


@dataclasses.dataclass
class Report:
    """What a worker sends back.

    Parameters
    ----------
    results : list
        For each task the list of what its calls returned.
    error : BaseException or None
        Raised by one of them; there are no results then.
    batches : list of int
        Number of fits in each batch.
    warnings : list of (message, category, file, line)
        Given while the chunk ran.
    process : tuple of (str, int)
        See `this_process`.
    cpu_seconds : float
        That the worker's process took for the chunk.
    """

    results: list[list[Any]]
    error: BaseException | None
    batches: list[int]
    warnings: list[tuple[Warning | str, type[Warning], str, int]]
    process: tuple[str, int]
    cpu_seconds: float


def this_process() -> tuple[str, int]:
    """Return the machine and the number of this process."""
    return platform.node(), os.getpid()


def run_chunk(
    number: int,
    pickled: bytes,
    arrays: Mapping[int, NDArray[Any]],
    order: Order,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[int, bytes]:
    """Run the tasks of a chunk in this process, in lockstep.

    Parameters
    ----------
    number : int
        Of the chunk.
    pickled : bytes
        The calls of each task, from `pack`.
    arrays : mapping of int to ndarray
        Which it refers to.
    order : Order
    should_stop : callable, default=None
        Asked after each epoch whether anybody still waits for the chunk.

    Returns
    -------
    number : int
        Of the chunk, as chunks do not end in order.
    report : bytes
        Pickled `Report`. Whatever goes wrong in a task stands in there, so what this function
        raises is always a matter of the engine.
    """
    start = time.process_time()
    n_cores = order.n_cores or _cores_of_engine()
    is_caller = this_process() == order.caller
    if not is_caller:
        _limit_cores(n_cores)
    share = 1.0 if is_caller else n_cores / max(n_cores, os.cpu_count() or 1)
    limit = order.memory_limit or int(psutil.virtual_memory().available * FREE_SHARE * share)
    error: BaseException | None = None
    results: list[list[Any]] = []
    batches: list[int] = []
    with warnings.catch_warnings(record=True) as caught, freed_memory_kept():
        try:
            tasks = unpack(pickled, arrays)
            traced: list[list[Any]] = [[(_traced, (calls,), {})] for calls in tasks]
            results, batches = run_calls(traced, limit, should_stop)
            results = [found for (found,) in results]
        except Exception as raised:  # noqa: BLE001 - raised where the caller retrieves it
            error = raised
    report = Report(
        results, error, batches, _told(caught), this_process(), time.process_time() - start
    )
    return number, _pickled(report)


def run_calls(
    tasks: Sequence[Sequence[Any]],
    memory_limit: int | None,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[list[list[Any]], list[int]]:
    """Run tasks in lockstep; return their results, and the number of fits in each batch.

    Parameters
    ----------
    tasks : sequence of sequence of (function, args, kwargs)
    memory_limit : int or None
        See `lockstep`.
    should_stop : callable, default=None
        See `run_chunk`.
    """
    backend = LockstepBackend(memory_limit=memory_limit, should_stop=should_stop)
    with parallel_config(backend=backend, n_jobs=-1):
        results = Parallel()(delayed(_run_task)(calls) for calls in tasks)
    return list(results), list(backend.batches)


def _run_task(calls: Sequence[Any]) -> list[Any]:
    return [function(*args, **kwargs) for function, args, kwargs in calls]


def is_dask_worker() -> bool:
    """Tell whether this thread runs a task of a worker of Dask."""
    if "distributed" not in sys.modules:
        return False
    import distributed

    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def _cores_of_engine() -> int:
    """Return how many cores the engine gives to the task that runs here."""
    if is_dask_worker():
        import distributed

        return max(1, int(distributed.get_worker().state.nthreads))
    # As ray and joblib set it in their workers.
    n_threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(n_threads) if n_threads.isdigit() and int(n_threads) else os.cpu_count() or 1


def _limit_cores(n_cores: int) -> None:
    """Keep to some of the machine's cores, as neighbours do to others."""
    os.environ[_CORES] = str(n_cores)
    if "tensorflow" not in sys.modules:
        for name in _THREADS:
            os.environ[name] = str(n_cores)


def _traced(calls: Sequence[Any]) -> list[Any]:
    """Run the calls of a task; an error says where it was raised, as joblib and pickles do not."""
    try:
        return _run_task(calls)
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        error.add_note(f"In a worker of skdl.lockstep on {platform.node()}:\n{trace}")
        raise


def _told(
    caught: Sequence[warnings.WarningMessage],
) -> list[tuple[Warning | str, type[Warning], str, int]]:
    """Return each warning once."""
    told = {(w.category, str(w.message), w.filename, w.lineno): w for w in caught}
    return [
        (w.message if _survives(w.message) else text, category, filename, line)
        for (category, text, filename, line), w in told.items()
        if _survives(category)
    ]


def _pickled(report: Report) -> bytes:
    if report.error is not None and not _survives(report.error):
        text = f"{type(report.error).__name__}: {report.error}"
        notes = getattr(report.error, "__notes__", [])
        report.error = RuntimeError(text)
        for note in notes:
            report.error.add_note(note)
    try:
        return cloudpickle.dumps(report)
    except Exception as error:  # noqa: BLE001 - raised where the caller retrieves it
        wrong = TypeError(
            "lockstep: the results of a worker cannot be pickled, so they cannot come back to the "
            f"process that asked for them ({type(error).__name__}: {error}). Expected results that "
            "pickle. Leave out what does not, such as callbacks that hold open files, or train in "
            "this process: with skdl.lockstep()."
        )
        return cloudpickle.dumps(dataclasses.replace(report, results=[], error=wrong))


def _survives(value: object) -> bool:
    """Tell whether a value can be pickled and read again."""
    try:
        pickle.loads(cloudpickle.dumps(value))  # noqa: S301 - what was written a moment ago
    except Exception:  # noqa: BLE001 - whatever the reason
        return False
    return True
