"""Fitted estimators as files for other runtimes, all steps in front of the network included."""

from skdl._public_path import say_public_path
from skdl.export._converters import register_converters
from skdl.export._onnx_model import OnnxModel
from skdl.export._to_litert import LitertExport, to_litert
from skdl.export._to_onnx import OnnxExport, to_onnx
from skdl.export._to_saved_model import to_saved_model

__all__ = [
    "LitertExport",
    "OnnxExport",
    "OnnxModel",
    "register_converters",
    "to_litert",
    "to_onnx",
    "to_saved_model",
]

say_public_path(globals())
