"""Fitted estimators as files for other runtimes, all steps in front of the network included.

Names are loaded on first use: `OnnxModel` needs none of what writes its files.
"""

from __future__ import annotations

import importlib as _importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skdl.export._converters import register_converters
    from skdl.export._onnx_model import OnnxModel
    from skdl.export._to_litert import LitertExport, to_litert
    from skdl.export._to_onnx import OnnxExport, to_onnx
    from skdl.export._to_saved_model import to_saved_model

_MODULE_OF = {
    "LitertExport": "_to_litert",
    "OnnxExport": "_to_onnx",
    "OnnxModel": "_onnx_model",
    "register_converters": "_converters",
    "to_litert": "_to_litert",
    "to_onnx": "_to_onnx",
    "to_saved_model": "_to_saved_model",
}


__all__ = [
    "LitertExport",
    "OnnxExport",
    "OnnxModel",
    "register_converters",
    "to_litert",
    "to_onnx",
    "to_saved_model",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'skdl.export' has no attribute {name!r}")
    value = getattr(_importlib.import_module(f"skdl.export.{_MODULE_OF[name]}"), name)
    # What `say_public_path` does where all names are loaded at once.
    value.__module__ = __name__
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
