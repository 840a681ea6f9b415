"""skops, which an extra of skdl brings, imported where it is first needed."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["skops_module"]


def skops_module(name: str = "skops.io") -> Any:
    """Return a module of skops.

    Raises
    ------
    ImportError
        If skops is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "skops":
            raise
        raise ImportError(
            "skdl.io writes and reads files by skops, which is not installed. Install it: "
            'pip install "skdl[io]"'
        ) from error
