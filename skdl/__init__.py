"""Deep-learning networks as scikit-learn estimators.

Public names and submodules are loaded on first use: ``import skdl`` loads neither Keras nor
TensorFlow.
"""

from __future__ import annotations

import importlib as _importlib
from typing import TYPE_CHECKING

import joblib as _joblib

from skdl import _tensorflow_import
from skdl._public_path import load_name as _load_name

if TYPE_CHECKING:
    from typing import Any

    from skdl import datasets as datasets
    from skdl import estimators as estimators
    from skdl import exceptions as exceptions
    from skdl import export as export
    from skdl import inspection as inspection
    from skdl import io as io
    from skdl import model_selection as model_selection
    from skdl import reporting as reporting
    from skdl import serving as serving
    from skdl import worker as worker
    from skdl._rows import ParquetRows, RowSource
    from skdl._versions import show_versions
    from skdl.estimators import (
        CNN1DClassifier,
        CNN1DRegressor,
        CNNClassifier,
        CNNRegressor,
        KerasClassifier,
        KerasRegressor,
        KerasTransformer,
        MLPClassifier,
        MLPRegressor,
        PretrainedCNNClassifier,
        PretrainedCNNRegressor,
        PretrainedFeatures,
        RNNClassifier,
        RNNRegressor,
        SiameseTransformer,
        SmoothClipScaler,
        TextClassifier,
        TextRegressor,
        TokenSequences,
        TransformerClassifier,
        TransformerRegressor,
        from_scikeras,
    )
    from skdl.inspection import diagnose
    from skdl.model_selection import OptunaPruning
    from skdl.reporting import report
    from skdl.training.lockstep import lockstep

__version__ = "0.1.0.dev0"

_SUBMODULES = [
    "datasets",
    "estimators",
    "exceptions",
    "export",
    "inspection",
    "io",
    "model_selection",
    "reporting",
    "serving",
    "worker",
]
_MODULE_OF = {
    "CNN1DClassifier": "skdl.estimators",
    "CNN1DRegressor": "skdl.estimators",
    "CNNClassifier": "skdl.estimators",
    "CNNRegressor": "skdl.estimators",
    "KerasClassifier": "skdl.estimators",
    "KerasRegressor": "skdl.estimators",
    "KerasTransformer": "skdl.estimators",
    "MLPClassifier": "skdl.estimators",
    "MLPRegressor": "skdl.estimators",
    "OptunaPruning": "skdl.model_selection",
    "ParquetRows": "skdl._rows",
    "PretrainedCNNClassifier": "skdl.estimators",
    "PretrainedCNNRegressor": "skdl.estimators",
    "PretrainedFeatures": "skdl.estimators",
    "RNNClassifier": "skdl.estimators",
    "RNNRegressor": "skdl.estimators",
    "SiameseTransformer": "skdl.estimators",
    "RowSource": "skdl._rows",
    "SmoothClipScaler": "skdl.estimators",
    "TextClassifier": "skdl.estimators",
    "TextRegressor": "skdl.estimators",
    "TokenSequences": "skdl.estimators",
    "TransformerClassifier": "skdl.estimators",
    "TransformerRegressor": "skdl.estimators",
    "diagnose": "skdl.inspection",
    "from_scikeras": "skdl.estimators",
    "lockstep": "skdl.training.lockstep",
    "report": "skdl.reporting",
    "show_versions": "skdl._versions",
}

__all__ = [
    "CNN1DClassifier",
    "CNN1DRegressor",
    "CNNClassifier",
    "CNNRegressor",
    "KerasClassifier",
    "KerasRegressor",
    "KerasTransformer",
    "MLPClassifier",
    "MLPRegressor",
    "OptunaPruning",
    "ParquetRows",
    "PretrainedCNNClassifier",
    "PretrainedCNNRegressor",
    "PretrainedFeatures",
    "RNNClassifier",
    "RNNRegressor",
    "RowSource",
    "SiameseTransformer",
    "SmoothClipScaler",
    "TextClassifier",
    "TextRegressor",
    "TokenSequences",
    "TransformerClassifier",
    "TransformerRegressor",
    "diagnose",
    "from_scikeras",
    "lockstep",
    "report",
    "show_versions",
]


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        # Which also sets it here, so that this function is not called again.
        return _importlib.import_module(f"skdl.{name}")
    return _load_name(globals(), name, _MODULE_OF)


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES, "__version__"])


def _lockstep_backend(**options: Any) -> Any:
    from skdl.training.lockstep import LockstepBackend

    return LockstepBackend(**options)


_tensorflow_import.prepare()

# As joblib's own plug-ins do, so that ``parallel_config(backend="skdl")`` works by name.
_joblib.register_parallel_backend("skdl", _lockstep_backend)
