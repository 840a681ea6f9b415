"""What the C library does with memory that a step of training has freed."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["freed_memory_kept"]

_VARIABLE, _OWN_CHOICE = "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"
_STARTED_WITH = Path("/proc/self/environ")
# Names of parameters in malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# glibc's default, and what it comes to by itself where nobody has set a threshold.
_MMAP_AT_START, _MOST_MMAP, _MOST_TRIM = 2**17, 2**25, 2**26
_LARGEST = 2**31 - 1
_lock = threading.Lock()
_n_inside = 0


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let glibc keep freed memory for the next step where it was told not to; trim at the end.

    glibc learns from what is freed: after some steps it keeps arrays of up to 32 MiB for the
    steps to come. ``MALLOC_TRIM_THRESHOLD_`` turns that off, and Dask sets it for each worker
    that it starts. Each array from 128 KiB on is then mapped anew, and the kernel fills its pages
    with zeros: an eighth to a third more CPU time for a stack of small networks. Inside, thresholds
    are those that glibc would have learned. Where ``MALLOC_MMAP_THRESHOLD_`` is set too, nothing
    is changed.
    """
    global _n_inside  # noqa: PLW0603 - as is the state of the allocator
    trim = _trim_threshold()
    if trim is None:
        yield
        return
    with _lock:
        if not _n_inside:
            _set_thresholds(_MOST_MMAP, max(trim, _MOST_TRIM))
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if not _n_inside:
                _set_thresholds(_MMAP_AT_START, trim)
                ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))


@functools.cache
def _trim_threshold() -> int | None:
    """Return from how many free bytes on glibc was told to give them back; None if it was not."""
    if not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "mallopt"):
        return None
    environment = _environment_at_start()
    value = environment.get(_VARIABLE, "")
    is_set = value.isdecimal() and _OWN_CHOICE not in environment
    return min(int(value), _LARGEST) if is_set else None


def _environment_at_start() -> Mapping[str, str]:
    """Return the variables that this process was started with, which glibc has read.

    Dask also sets its variables in the process that starts workers, too late for glibc there.
    """
    try:
        text = os.fsdecode(_STARTED_WITH.read_bytes())
    except OSError:
        return os.environ
    found = dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)
    # A process that has given itself another title may have written over them.
    return found or os.environ


def _set_thresholds(mmap: int, trim: int) -> None:
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_THRESHOLD, mmap)
    library.mallopt(_M_TRIM_THRESHOLD, trim)
