"""When Python collects garbage."""

from __future__ import annotations

import contextlib
import gc
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["full_collections_put_off"]

_PATIENCE = 20
_lock = threading.Lock()
_n_inside = 0
_threshold = 0


@contextlib.contextmanager
def full_collections_put_off() -> Iterator[None]:
    """Let twenty times as many objects be made before all objects are looked at.

    Importing TensorFlow leaves some 400,000 objects, tracing a program makes tens of thousands,
    and so sets off a full collection, which takes as long as the tracing itself. Inside, it waits
    for a million new objects. Young objects are collected as ever.
    """
    global _n_inside, _threshold  # noqa: PLW0603 - as is the state of the collector
    with _lock:
        young, middle, old = gc.get_threshold()
        if not _n_inside:
            _threshold = old
            gc.set_threshold(young, middle, old * _PATIENCE)
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            young, middle, old = gc.get_threshold()
            # Unless somebody else has set it meanwhile.
            if not _n_inside and old == _threshold * _PATIENCE:
                gc.set_threshold(young, middle, _threshold)
