"""Standard error without TensorFlow's start-up notes.

TensorFlow's C++ code writes to the file descriptor of standard error, the first lines whatever
``TF_CPP_MIN_LOG_LEVEL`` says. While it is imported, and while it compiles, the descriptor is a
pipe, from which a thread passes on all lines but notes, and warnings known to mean nothing. With
the environment variable ``SKDL_TENSORFLOW_LOGS=1`` everything is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SWITCH", "is_note", "without_notes"]

SWITCH = "SKDL_TENSORFLOW_LOGS"
_STANDARD_ERROR = 2
# A child process that was started meanwhile keeps the pipe open, and its thread running.
_PATIENCE_SECONDS = 1.0


def _logged(level: bytes) -> bytes:
    """Return how a line of TensorFlow's log begins, that of today's logger or of the older one."""
    return rb"(?:%s\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d [\d:.]+: %s )" % (level, level)


_MEANS_NOTHING = (
    # Machines without a GPU; a driver that fails for another reason is told of.
    rb"failed call to cuInit: .*(?:UNKNOWN ERROR \(303\)|CUDA_ERROR_NO_DEVICE)",
    # A compilation on disk is read as text at first.
    rb"Error parsing text-format tensorflow\.XlaSerializedCacheEntry",
    rb"Error in PredictCost\(\) for the op",
)
_NOTE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|To enable the following instructions: "
    rb"|%s|%s.*(?:%s)" % (_logged(b"I"), _logged(b"[WE]"), rb"|".join(_MEANS_NOTHING))
)


def is_note(line: bytes) -> bool:
    """Tell whether a line of TensorFlow's log tells users nothing."""
    return _NOTE.match(line) is not None


class _Window:
    """Counts who is inside, in all threads; the first opens the pipe, the last closes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._close: Callable[[], None] | None = None

    def enter(self) -> None:
        with self._lock:
            self._n_inside += 1
            if self._n_inside == 1:
                self._close = _redirected()

    def leave(self) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0 and self._close is not None:
                self._close()
                self._close = None


def _redirected() -> Callable[[], None] | None:
    """Put the pipe in place; return what takes it away, or None where there is no descriptor."""
    try:
        saved = os.dup(_STANDARD_ERROR)
    except OSError:
        return None
    reading, writing = os.pipe()
    os.dup2(writing, _STANDARD_ERROR)
    os.close(writing)
    thread = threading.Thread(
        target=_pass_on, args=(reading, saved), name="skdl-tensorflow-logs", daemon=True
    )
    thread.start()

    def close() -> None:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os.dup2(saved, _STANDARD_ERROR)
        thread.join(_PATIENCE_SECONDS)

    return close


def _pass_on(reading: int, out: int) -> None:
    """Copy lines until the pipe is closed by all who write to it."""
    with open(reading, "rb", buffering=0) as pipe:
        rest = b""
        while block := pipe.read(1 << 16):
            *lines, rest = (rest + block).split(b"\n")
            kept = b"".join(line + b"\n" for line in lines if not is_note(line))
            _write(out, kept)
        if rest and not is_note(rest):
            _write(out, rest)
    os.close(out)


def _write(out: int, data: bytes) -> None:
    # Whoever reads standard error may be gone; that must not block those who write to it.
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(out, data) :]


_window = _Window()


@contextlib.contextmanager
def without_notes() -> Iterator[bool]:
    """Keep TensorFlow's notes from standard error meanwhile; lines of others are passed on.

    Yields
    ------
    is_quiet : bool
        False where the user wants to see everything.
    """
    if os.environ.get(SWITCH, "") not in {"", "0"}:
        yield False
        return
    _window.enter()
    try:
        yield True
    finally:
        _window.leave()
