"""Lockstep for the fits that a function or meta-estimator starts, and their configuration."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from joblib.parallel import get_active_backend
from sklearn import config_context, get_config

from skdl.training.lockstep import LockstepBackend, lockstep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["ensure_lockstep", "with_sklearn_config"]


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
    """
    backend, _ = get_active_backend()
    if isinstance(backend, LockstepBackend):
        yield
    else:
        with lockstep(verbose=verbose):
            yield
