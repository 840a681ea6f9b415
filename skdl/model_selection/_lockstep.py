"""Lockstep for the fits that a function or meta-estimator starts, and their configuration."""

from __future__ import annotations

import contextlib
import functools
import warnings
from typing import TYPE_CHECKING, Any

from joblib.parallel import get_active_backend
from sklearn import config_context, get_config

from skdl.training.lockstep import (
    LockstepBackend,
    WorkersBackend,
    is_dask_worker,
    lockstep,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["ensure_lockstep", "leave_workers", "with_sklearn_config"]

# Joblib's backends with workers of their own, by the names under which users know them.
_ENGINES = {
    "DaskDistributedBackend": "dask",
    "LokyBackend": "loky",
    "MultiprocessingBackend": "loky",
    "RayBackend": "ray",
    "SparkDistributedBackend": "spark",
}


def with_sklearn_config(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs under scikit-learn's configuration of now, in any thread.

    For joblib's ``delayed``. That of ``sklearn.utils.parallel`` also sets the warning filters for
    as long as a task takes. Python keeps one list of them for all threads, and where threads end
    in another order than they began, it stays changed.
    """
    return functools.partial(_run_configured, get_config(), function)


def _run_configured(
    config: Mapping[str, Any], function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    with config_context(**config):
        return function(*args, **kwargs)


@contextlib.contextmanager
def ensure_lockstep(*, verbose: int = 0) -> Iterator[None]:
    """Train in lockstep what joblib runs inside; join the lockstep that is active, if any.

    Parameters
    ----------
    verbose : int, default=0
        1 shows one progress bar for each batch; of no effect inside an active lockstep.

    Warns
    -----
    UserWarning
        If a backend with workers is active that knows no lockstep.
    """
    backend, _ = get_active_backend()
    if isinstance(backend, LockstepBackend | WorkersBackend):
        yield
        return
    if engine := _ignored_engine():
        warnings.warn(
            "Networks train in this process, in lockstep: joblib's active backend "
            f"({engine!r}) would train them one by one. To train on its workers, in lockstep, "
            f'write `with skdl.lockstep(engine="{engine}"):` in place of parallel_config.',
            UserWarning,
            stacklevel=4,
        )
    with lockstep(verbose=verbose):
        yield


@contextlib.contextmanager
def leave_workers(owner: str, cure: str) -> Iterator[None]:
    """Train inside this process what needs to be watched from here, and say so.

    Parameters
    ----------
    owner : str
        Who watches.
    cure : str
        What to write instead, with ``{engine}`` for its name.

    Warns
    -----
    UserWarning
        If workers are active.
    """
    backend, _ = get_active_backend()
    engine = backend.engine_name if isinstance(backend, WorkersBackend) else _ignored_engine()
    if not engine:
        yield
        return
    warnings.warn(
        f"{owner}: networks train in this process, as it judges all folds after each epoch. To "
        f"train on the workers of {engine!r}, {cure.format(engine=engine)}.",
        UserWarning,
        stacklevel=4,
    )
    with lockstep():
        yield


def _ignored_engine() -> str:
    """Return the name of an active backend with workers that knows no lockstep; "" for none."""
    backend, n_jobs = get_active_backend()
    # Where nobody has chosen one, joblib makes its default backend anew for each caller.
    is_chosen = backend is get_active_backend()[0]
    if not is_chosen or n_jobs == 1 or getattr(backend, "uses_threads", False):
        return ""
    if isinstance(backend, LockstepBackend | WorkersBackend) or is_dask_worker():
        return ""
    return _ENGINES.get(type(backend).__name__, "")
