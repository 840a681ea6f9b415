"""Fitted estimators as files for other runtimes, all steps in front of the network included.

Names are loaded on first use: `OnnxModel` needs none of what writes its files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl._public_path import load_name as _load_name

if TYPE_CHECKING:
    from skdl.export._converters import register_converters
    from skdl.export._onnx_model import OnnxModel
    from skdl.export._to_litert import LitertExport, to_litert
    from skdl.export._to_onnx import OnnxExport, to_onnx
    from skdl.export._to_saved_model import to_saved_model

_MODULE_OF = {
    "LitertExport": "skdl.export._to_litert",
    "OnnxExport": "skdl.export._to_onnx",
    "OnnxModel": "skdl.export._onnx_model",
    "register_converters": "skdl.export._converters",
    "to_litert": "skdl.export._to_litert",
    "to_onnx": "skdl.export._to_onnx",
    "to_saved_model": "skdl.export._to_saved_model",
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
    value = _load_name(globals(), name, _MODULE_OF)
    # What `say_public_path` does where all names are loaded at once.
    value.__module__ = __name__
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
