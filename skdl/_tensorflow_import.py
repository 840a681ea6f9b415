"""How TensorFlow is imported: without notes, and with a folder for what XLA compiles.

It reads its settings when it is loaded, whoever is the first to import it, in whatever module.
So a finder stands in front of Python's own, for this one import.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

from skdl import _compile_cache
from skdl._tensorflow_logs import without_notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["announced", "prepare"]

_NAME = "tensorflow"
_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
# Who wants to be told of the import, in all threads.
_announcers: list[object] = []


class _Finder(MetaPathFinder):
    """Finds TensorFlow where it is, once."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if name != _NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_quietly(module: ModuleType) -> None:
                if _announcers:
                    sys.stdout.write("Importing TensorFlow, once in this process ...\n")
                    sys.stdout.flush()
                _compile_cache.enable()
                with without_notes() as is_quiet:
                    if is_quiet:
                        # Warnings stay: that a GPU cannot be used, for example.
                        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
                    execute(module)
                    # A driver that is not there is told of at the first look for devices.
                    _let_memory_grow(module)

            # The loader is this module's own.
            spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec


def _let_memory_grow(tensorflow: Any) -> None:
    """Let TensorFlow take a GPU's memory as it needs it, so that processes can share the GPU.

    By default the first process takes all of it. The environment variable of TensorFlow says
    otherwise, and so does ``set_memory_growth`` before the first tensor.
    """
    for gpu in tensorflow.config.list_physical_devices("GPU"):
        if _GROWTH not in os.environ:
            tensorflow.config.experimental.set_memory_growth(gpu, enable=True)


@contextlib.contextmanager
def announced(verbose: object) -> Iterator[None]:
    """Say so if TensorFlow is imported meanwhile, which takes some seconds.

    Parameters
    ----------
    verbose : object
        Whether to say anything.
    """
    if not verbose:
        yield
        return
    token = object()
    _announcers.append(token)
    try:
        yield
    finally:
        _announcers.remove(token)


def prepare() -> None:
    """Have a say in how TensorFlow is imported, if it has not been yet."""
    is_there = any(isinstance(finder, _Finder) for finder in sys.meta_path)
    if not is_there and _NAME not in sys.modules:
        sys.meta_path.insert(0, _Finder())
