"""Fitted estimators as files for other runtimes, all steps in front of the network included."""

from skdl._public_path import say_public_path
from skdl.export._converters import register_converters
from skdl.export._onnx_model import OnnxModel
from skdl.export._to_onnx import OnnxExport, to_onnx

__all__ = ["OnnxExport", "OnnxModel", "register_converters", "to_onnx"]

say_public_path(globals())
