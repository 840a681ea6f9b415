"""skops, which an extra of skdl brings, imported where it is first needed."""

from __future__ import annotations

import importlib
from typing import Any

from skdl._extras import needs_extra

__all__ = ["skops_module"]


# Older ones trust scikit-learn's trees, crafted nodes of which can crash the process.
_LEAST = (0, 15)


def skops_module() -> Any:
    """Return ``skops.io``.

    Raises
    ------
    ImportError
        If skops is not installed, or older than is safe; the message says how to install it.
    """
    with needs_extra("io", "skdl.io"):
        skops_io = importlib.import_module("skops.io")
    version = importlib.import_module("skops").__version__
    if tuple(map(int, version.split(".")[:2])) < _LEAST:
        raise ImportError(
            f"skdl.io found skops {version}, which lets through files that do harm. Expected a "
            'newer one: pip install "skdl[io]"'
        )
    return skops_io
