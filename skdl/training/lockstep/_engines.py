"""Engines that run chunks in other processes: Dask and ray by themselves, others by joblib."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.parallel import get_active_backend

from skdl._extras import needs_extra
from skdl.exceptions import InvalidParameterError
from skdl.training.lockstep._worker import is_dask_worker, run_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from skdl.training.lockstep._worker import Order

__all__ = ["Engine", "engine_of", "run_chunks"]

_log = logging.getLogger("skdl")

# Who wants them gets them without an engine; a fork of a process with TensorFlow in it hangs.
_IN_PROCESS = ("sequential", "skdl", "threading")
_FORKING = ("multiprocessing",)
_SECONDS_FOR_FIRST_WORKER = 60
# A chunk that is lost is done again once, on new workers.
_MOST_ATTEMPTS = 2


class Engine(Protocol):
    """Where chunks run."""

    def workers(self) -> int:
        """Return how many workers there are."""

    def cores_of_worker(self) -> int | None:
        """Return how many cores each worker may use; None where the worker itself can tell."""

    def run(
        self,
        chunks: Mapping[int, tuple[bytes, Sequence[int]]],
        arrays: Mapping[int, NDArray[Any]],
        order: Order,
    ) -> Iterator[tuple[int, bytes]]:
        """Run chunks; yield what `run_chunk` returns for each, in the order in which they end."""


def engine_of(name: str, n_workers: int | None) -> Engine:
    """Return an engine by its name.

    Parameters
    ----------
    name : str
        Of a backend of joblib.
    n_workers : int or None
        None is as many as there are.

    Returns
    -------
    engine : Engine

    Raises
    ------
    InvalidParameterError
        If the engine has no worker processes, or there is none of that name.
    ImportError
        If what it needs is not installed.
    """
    if name in (*_IN_PROCESS, *_FORKING):
        wrong = (
            "forks this process, and forks of a process that has run TensorFlow hang"
            if name in _FORKING
            else "has no worker processes"
        )
        raise InvalidParameterError(
            f"lockstep: engine={name!r} {wrong}. Expected 'loky' for processes of this machine, "
            "'dask', 'ray' or 'spark' for a cluster, or None to train in this process."
        )
    if name == "dask":
        return _Dask(n_workers)
    if name == "ray":
        return _Ray(n_workers)
    return _Joblib(name, n_workers)


def run_chunks(
    engine: Engine,
    chunks: Mapping[int, tuple[bytes, Sequence[int]]],
    arrays: Mapping[int, NDArray[Any]],
    order: Order,
) -> Iterator[tuple[int, bytes]]:
    """Run chunks; those that are lost with a worker are run again.

    Parameters
    ----------
    engine : Engine
    chunks : mapping of int to (bytes, list of int)
        By number, from `pack`.
    arrays : mapping of int to ndarray
    order : Order

    Yields
    ------
    number : int
    report : bytes
    """
    left = dict(chunks)
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        try:
            for number, report in engine.run(dict(left), arrays, order):
                left.pop(number)
                yield number, report
        except Exception as error:
            if not left:
                return  # all of it came back, whatever happened then
            if attempt == _MOST_ATTEMPTS:
                raise RuntimeError(
                    f"lockstep: {len(left)} of {len(chunks)} chunks were lost with their "
                    f"workers, twice ({type(error).__name__}: {error}). Expected workers that live "
                    "until their chunk is trained. If they are killed for memory, pass a smaller "
                    "memory_limit or fewer n_workers."
                ) from error
            _log.warning(
                "lockstep: a worker was lost (%s: %s); %d chunks are trained again.",
                type(error).__name__,
                error,
                len(left),
            )
        if not left:
            return


class _Joblib:
    """Any engine that joblib knows.

    Parameters
    ----------
    name : str
    n_workers : int or None
    """

    def __init__(self, name: str, n_workers: int | None) -> None:
        self._name = name
        self._n_workers = n_workers
        _register(name)
        # Tells of one that is not there, before anything is trained.
        try:
            with parallel_config(backend=name):
                pass
        except (ImportError, ValueError) as error:
            raise InvalidParameterError(
                f"lockstep: engine={name!r} cannot be used: {error} Expected 'loky', 'dask', "
                "'ray', 'spark', or another backend that joblib.register_parallel_backend was "
                "told of."
            ) from error

    def workers(self) -> int:
        if self._n_workers is not None:
            return self._n_workers
        with parallel_config(backend=self._name, n_jobs=-1):
            backend, n_jobs = get_active_backend()
            return int(backend.effective_n_jobs(n_jobs))

    def cores_of_worker(self) -> int | None:
        return max(1, cpu_count() // self.workers()) if self._name == "loky" else None

    def run(
        self,
        chunks: Mapping[int, tuple[bytes, Sequence[int]]],
        arrays: Mapping[int, NDArray[Any]],
        order: Order,
    ) -> Iterator[tuple[int, bytes]]:
        # One job alone would run in this process.
        with parallel_config(backend=self._name, n_jobs=max(2, self.workers())):
            backend, _ = get_active_backend()
            comes_at_once = backend.supports_return_generator
            parallel = Parallel(
                batch_size=1,
                pre_dispatch="all",
                return_as="generator_unordered" if comes_at_once else "list",
            )
            found = parallel(
                delayed(run_chunk)(number, pickled, {n: arrays[n] for n in numbers}, order)
                for number, (pickled, numbers) in chunks.items()
            )
        yield from found


def _register(name: str) -> None:
    """Let a cluster's library tell joblib of its engine."""
    if name == "spark":
        with needs_extra("spark", "lockstep: engine='spark'"):
            from joblibspark import register_spark
        register_spark()


class _Dask:
    """Dask's workers, by the client that is there.

    joblib's own backend waits for ever for a task that Dask gives up, and loses what it scattered
    with the one worker that held it.

    Parameters
    ----------
    n_workers : int or None
    """

    def __init__(self, n_workers: int | None) -> None:
        with needs_extra("dask", "lockstep: engine='dask'"):
            import distributed
        try:
            self._client = distributed.get_client()
        except ValueError as error:
            raise InvalidParameterError(
                "lockstep: engine='dask' found no client of Dask. Expected one that was made "
                "before, for example `from dask.distributed import Client; client = Client()` or "
                "Client('scheduler-address:8786')."
            ) from error
        self._n_workers = n_workers

    def _addresses(self) -> list[str]:
        if not self._client.ncores():
            self._client.wait_for_workers(1, timeout=_SECONDS_FOR_FIRST_WORKER)
        return sorted(self._client.ncores())

    def workers(self) -> int:
        return self._n_workers or len(self._addresses())

    def cores_of_worker(self) -> int | None:
        return None

    def run(
        self,
        chunks: Mapping[int, tuple[bytes, Sequence[int]]],
        arrays: Mapping[int, NDArray[Any]],
        order: Order,
    ) -> Iterator[tuple[int, bytes]]:
        import distributed

        addresses = self._addresses()
        # Each worker gets all of it: one that is killed takes no array along.
        remote = {
            number: self._client.scatter(array, workers=addresses, broadcast=True, hash=False)
            for number, array in arrays.items()
        }
        futures = [
            self._client.submit(
                _run_gathered,
                number,
                pickled,
                list(numbers),
                [remote[n] for n in numbers],
                order,
                pure=False,
                workers=[addresses[i % len(addresses)]],
                allow_other_workers=True,
            )
            for i, (number, (pickled, numbers)) in enumerate(chunks.items())
        ]
        try:
            with _room_for_others():
                for future in distributed.as_completed(futures):
                    yield future.result()
        except BaseException:
            with contextlib.suppress(Exception):
                self._client.cancel(futures, force=True)
            raise


class _Ray:
    """The workers of ray, by its tasks.

    joblib's backend of ray starts new processes for each call, which import TensorFlow anew.

    Parameters
    ----------
    n_workers : int or None
    """

    def __init__(self, n_workers: int | None) -> None:
        with needs_extra("ray", "lockstep: engine='ray'"):
            import ray
        if not ray.is_initialized():
            ray.init()
        self._n_workers = n_workers

    def workers(self) -> int:
        import ray

        return self._n_workers or max(1, int(ray.cluster_resources().get("CPU", 1)))

    def cores_of_worker(self) -> int | None:
        return None

    def run(
        self,
        chunks: Mapping[int, tuple[bytes, Sequence[int]]],
        arrays: Mapping[int, NDArray[Any]],
        order: Order,
    ) -> Iterator[tuple[int, bytes]]:
        import ray

        # A worker that dies is a matter of `run_chunks`, which says so.
        task = ray.remote(_run_shipped).options(max_retries=0, scheduling_strategy="SPREAD")
        remote = {number: ray.put(array) for number, array in arrays.items()}
        pending = [
            task.remote(number, pickled, list(numbers), order, *[remote[n] for n in numbers])
            for number, (pickled, numbers) in chunks.items()
        ]
        try:
            while pending:
                (done, *_), pending = ray.wait(pending, num_returns=1)
                yield ray.get(done)
        except BaseException:
            for left in pending:
                with contextlib.suppress(Exception):
                    ray.cancel(left, force=True)
            raise


def _run_shipped(
    number: int,
    pickled: bytes,
    numbers: Sequence[int],
    order: Order,
    *arrays: NDArray[Any],
) -> tuple[int, bytes]:
    return run_chunk(number, pickled, dict(zip(numbers, arrays, strict=True)), order)


@contextlib.contextmanager
def _room_for_others() -> Iterator[None]:
    """Leave the thread of a worker of Dask, if this is one, to the tasks that are waited for."""
    import distributed

    if not is_dask_worker():
        yield
        return
    distributed.secede()
    try:
        yield
    finally:
        distributed.rejoin()


def _run_gathered(
    number: int,
    pickled: bytes,
    numbers: Sequence[int],
    arrays: Sequence[NDArray[Any]],
    order: Order,
) -> tuple[int, bytes]:
    import distributed

    worker = distributed.get_worker()
    key = worker.get_current_task()

    def is_cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "cancelled"

    shipped = dict(zip(numbers, arrays, strict=True))
    return run_chunk(number, pickled, shipped, order, is_cancelled)
