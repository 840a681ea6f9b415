"""When Python collects garbage."""

from __future__ import annotations

import contextlib
import gc
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["collection_put_off"]

_lock = threading.Lock()
_n_inside = 0
_was_enabled = False


@contextlib.contextmanager
def collection_put_off() -> Iterator[None]:
    """Collect no garbage automatically inside.

    Tracing makes so many objects that it sets off a full collection, which takes as long as the
    tracing itself where TensorFlow, pandas and scikit-learn are loaded: some 400,000 objects.
    Inside, whoever has to wait anyway can call ``gc.collect()``.
    """
    global _n_inside, _was_enabled  # noqa: PLW0603 - as is the state of the collector
    with _lock:
        if not _n_inside:
            _was_enabled = gc.isenabled()
            gc.disable()
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if not _n_inside and _was_enabled:
                gc.enable()
