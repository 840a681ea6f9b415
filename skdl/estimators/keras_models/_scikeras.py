"""Estimators of SciKeras as ours: the only module that imports SciKeras, in one function.

Importing SciKeras puts methods for pickling onto Keras' classes, so whoever does not call
``from_scikeras`` is spared it.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

__all__ = ["is_one_hot", "parameters_of"]


def parameters_of(estimator: Any) -> dict[str, Any]:
    """Return the parameters of a SciKeras estimator as those of ours."""
    try:
        from scikeras.wrappers import BaseWrapper
    except ImportError as error:
        raise ImportError(
            f"from_scikeras needs the package scikeras, which cannot be imported here: {error}. "
            "Install it, for example with `pip install scikeras`."
        ) from error

    if not isinstance(estimator, BaseWrapper):
        raise TypeError(
            f"from_scikeras: got an object of class {type(estimator).__name__}. Expected a "
            "KerasClassifier or KerasRegressor of scikeras.wrappers."
        )
    if hasattr(estimator, "_keras_build_fn"):
        raise TypeError(
            f"from_scikeras: {type(estimator).__name__} builds its model in a method of its own. "
            "Expected an estimator with model=...; for a class, change its base to "
            "skdl.KerasClassifier or skdl.KerasRegressor."
        )
    for name in ("target_encoder", "feature_encoder"):
        owner = next(kind for kind in type(estimator).__mro__ if name in vars(kind))
        if not owner.__module__.startswith("scikeras."):
            raise TypeError(
                f"from_scikeras: {owner.__name__} has a {name} of its own. Expected an estimator "
                "without; for a class, change its base to skdl.KerasClassifier or "
                "skdl.KerasRegressor."
            )
    params = dict(estimator.get_params(deep=False))
    build_fn = params.pop("build_fn", None)
    if params.get("model") is None:
        params["model"] = build_fn
    for name, default in (("run_eagerly", False), ("validation_batch_size", None)):
        if params.get(name) == default:
            params.pop(name, None)
    # Ours would share the objects with theirs otherwise; a model is never changed.
    return {
        name: value if name == "model" else _deep_copied(value) for name, value in params.items()
    }


def is_one_hot(estimator: Any) -> bool:
    """Tell whether a classifier of SciKeras was fitted on one-hot rows, not on multilabel ones.

    Its ``target_type_`` is the same for both. But only one-hot rows have a class where no output
    stands out.
    """
    if estimator.target_type_ != "multilabel-indicator":
        return False
    outputs = np.zeros((1, len(estimator.classes_)))
    return bool(np.sum(estimator.target_encoder_.inverse_transform(outputs)) == 1)


def _deep_copied(value: Any) -> Any:
    return value if callable(value) else copy.deepcopy(value)
