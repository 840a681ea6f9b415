"""How XLA compiles."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quick_compilation"]

_FLAG = "--xla_backend_optimization_level"
_lock = threading.Lock()
_has_compiled = False


@contextlib.contextmanager
def quick_compilation() -> Iterator[None]:
    """Compile with LLVM's first level of optimisation on a processor.

    That takes a tenth of a second off each compilation, and the steps take as long as with the
    third. XLA reads its flags once, when TensorFlow first compiles in a process, so the variable
    is set for that moment only: neither other packages nor child processes see it. A level that
    the user has chosen holds.
    """
    global _has_compiled  # noqa: PLW0603 - as is the state of XLA
    with _lock if not _has_compiled else contextlib.nullcontext():
        with contextlib.nullcontext() if _has_compiled else _flag_set():
            yield
        _has_compiled = True


@contextlib.contextmanager
def _flag_set() -> Iterator[None]:
    import tensorflow as tf

    flags = os.environ.get("XLA_FLAGS")
    if _FLAG in (flags or "") or tf.config.list_physical_devices("GPU"):
        yield
        return
    os.environ["XLA_FLAGS"] = f"{flags or ''} {_FLAG}=1".strip()
    try:
        yield
    finally:
        if flags is None:
            del os.environ["XLA_FLAGS"]
        else:
            os.environ["XLA_FLAGS"] = flags
