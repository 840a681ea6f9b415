"""Training together without being asked."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from joblib.parallel import get_active_backend

from skdl.training import LockstepBackend, lockstep

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["together"]


@contextlib.contextmanager
def together(*, verbose: int = 0) -> Iterator[None]:
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
