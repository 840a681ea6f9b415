"""Ctrl-C that waits for what is being written to a study."""

from __future__ import annotations

import _thread
import contextlib
import inspect
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["uninterrupted", "whole_calls_of"]

_SECONDS_BETWEEN_TRIES = 0.01


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for what is written, so that a study never holds what nobody knows of.

    A second Ctrl-C does not wait: the database may not answer.
    """
    handler = _handler()
    if handler is None:
        yield
        return
    deferred: list[Any] = []

    def defer(*interrupt: Any) -> None:
        deferred.append(interrupt)
        signal.signal(signal.SIGINT, handler)

    signal.signal(signal.SIGINT, defer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if deferred:
            handler(deferred[0][0], inspect.currentframe())


@contextlib.contextmanager
def whole_calls_of(package: str) -> Iterator[None]:
    """Let Ctrl-C wait until no function of a package runs.

    A statement that Ctrl-C cuts short can leave SQLite locked for all that follows. As in
    `uninterrupted`, a second Ctrl-C does not wait.
    """
    handler = _handler()
    if handler is None:
        yield
        return
    waits = False

    def defer(number: int, frame: FrameType | None) -> None:
        nonlocal waits
        if waits or not _runs(package, frame):
            waits = False
            handler(number, frame)
            return
        waits = True
        # Not `threading`: a lock of its own may be held where the main thread was interrupted.
        _thread.start_new_thread(try_again, (number,))

    def try_again(number: int) -> None:
        nonlocal waits
        time.sleep(_SECONDS_BETWEEN_TRIES)
        if waits:
            waits = False
            signal.raise_signal(number)

    signal.signal(signal.SIGINT, defer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waits:
            waits = False
            handler(signal.SIGINT, inspect.currentframe())


def _handler() -> Callable[[int, FrameType | None], Any] | None:
    """Return what handles Ctrl-C; None where this thread cannot put something else in its place."""
    # Python runs handlers in the main thread alone; one that is no function is the system's.
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    return handler if is_main and callable(handler) else None


def _runs(package: str, frame: FrameType | None) -> bool:
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if name == package or name.startswith(f"{package}."):
            return True
        frame = frame.f_back
    return False
