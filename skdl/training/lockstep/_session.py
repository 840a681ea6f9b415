"""The context in which what scikit-learn clones trains together, here or on workers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from joblib import parallel_config

from skdl._tensorflow_import import announced
from skdl._validation import (
    VERBOSE,
    AnyOf,
    Integer,
    OneOf,
    Predicate,
    Real,
    check_parameters,
)
from skdl.exceptions import InvalidParameterError
from skdl.training.lockstep._backend import LockstepBackend
from skdl.training.lockstep._engines import engine_of
from skdl.training.lockstep._rendezvous import current_task
from skdl.training.lockstep._workers import WorkersBackend

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LockstepSession", "lockstep"]


class LockstepSession:
    """What `lockstep` gives: a look at what was trained together.

    Attributes
    ----------
    batches : list of int
        Number of fits in each batch trained so far, in order; with an engine, worker by worker.
    n_workers : int
        Number of workers that train; 1 without an engine.
    """

    def __init__(self, backend: LockstepBackend | WorkersBackend) -> None:
        self._backend = backend

    @property
    def batches(self) -> list[int]:
        """Number of fits in each batch trained so far, in order."""
        return list(self._backend.batches)

    @property
    def n_workers(self) -> int:
        """Number of workers that train; 1 without an engine."""
        return self._backend.n_workers if isinstance(self._backend, WorkersBackend) else 1


_CONSTRAINTS = {
    "engine": AnyOf(
        OneOf(None), Predicate(lambda v: isinstance(v, str), "the name of an engine of joblib")
    ),
    "n_workers": AnyOf(OneOf(None), Integer(1, example=4)),
    "memory_limit": AnyOf(OneOf(None), Real(0, low_open=True, example=4e9)),
    "verbose": VERBOSE,
}


@contextlib.contextmanager
def lockstep(
    *,
    engine: str | None = None,
    n_workers: int | None = None,
    memory_limit: float | None = None,
    verbose: int = 0,
) -> Iterator[LockstepSession]:
    """Train together the fits of scikit-learn's functions: folds, grid points, ensemble members.

    Inside this context, functions of scikit-learn that run fits through joblib
    (``cross_validate``, ``GridSearchCV``, ``BaggingRegressor``, ...) run all of them at once, each
    in a thread of its own, and their networks train in one graph. Results are those of single
    fits, up to rounding. Other estimators run as under joblib's threading backend. `n_jobs` has no
    effect.

    With an `engine`, the fits of each call are cut into one chunk for each worker, networks of
    equal structure together, and each worker trains its chunk in lockstep. Errors and warnings come
    back; the chunk of a worker that dies is trained again on another one, once. Workers of one
    machine share its cores among them; one of Dask uses its own threads. Inside a task of lockstep,
    which trains in its own process, an `engine` has no effect.

    Parameters
    ----------
    engine : {"loky", "dask", "ray", "spark"} or None, default=None
        Whose workers train: None is this process, ``"loky"`` other processes of this machine,
        ``"dask"`` the cluster of the ``dask.distributed.Client`` that was made before. Others are
        backends of joblib.
    n_workers : int or None, default=None
        Number of workers, with an `engine`; None is all of a cluster's, or one for each core.
    memory_limit : float or None, default=None
        Bytes that fits trained at once may take beside the table that you pass: rows that must be
        copied, targets, orders of rows, weights. If all need more, they train in several groups.
        None is half of the free memory. With an `engine`, it holds for each worker; None is then a
        worker's share of that half. TensorFlow and its compiler take some 200 MB on top, once.
    verbose : int, default=0
        1 shows one progress bar for each batch, or with an `engine` for each call.

    Yields
    ------
    session : LockstepSession
        ``session.batches`` says how many fits were trained together.

    Raises
    ------
    InvalidParameterError
        If a parameter is not as described, or if there is no such engine or no client of Dask.
    ImportError
        If what the engine needs is not installed.
    RuntimeError
        Inside the context, if a chunk is lost twice with its worker.

    Examples
    --------
    >>> import skdl
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import cross_val_score
    >>> X, y = load_diabetes(return_X_y=True)
    >>> with skdl.lockstep() as session:
    ...     scores = cross_val_score(skdl.MLPRegressor(16, epochs=5), X, y, cv=10)
    >>> len(scores), session.batches
    (10, [10])
    """
    given = {
        "engine": engine,
        "n_workers": n_workers,
        "memory_limit": memory_limit,
        "verbose": verbose,
    }
    check_parameters("lockstep", given, _CONSTRAINTS)
    if n_workers is not None and engine is None:
        raise InvalidParameterError(
            f"lockstep: n_workers={n_workers} came without an engine. Expected both or none: pass "
            'engine="loky" to train in so many processes of this machine.'
        )
    limit = None if memory_limit is None else int(memory_limit)
    backend: LockstepBackend | WorkersBackend
    if engine is None or current_task() is not None:
        backend = LockstepBackend(memory_limit=limit, progress=bool(verbose))
    else:
        backend = WorkersBackend(
            engine_of(engine, n_workers),
            engine_name=engine,
            memory_limit=limit,
            progress=bool(verbose),
            is_local=engine == "loky",
        )
    with announced(verbose), parallel_config(backend=backend, n_jobs=-1):
        yield LockstepSession(backend)
