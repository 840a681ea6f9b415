"""Deep-learning networks as scikit-learn estimators.

Public names are loaded on first use: ``import skdl`` loads neither Keras nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skdl.estimators import MLPClassifier, MLPRegressor

__version__ = "0.1.0.dev0"

_HOMES = {
    "MLPClassifier": "skdl.estimators",
    "MLPRegressor": "skdl.estimators",
}

__all__ = ["MLPClassifier", "MLPRegressor"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module 'skdl' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
