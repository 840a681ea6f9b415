"""The networks inside what users hand over."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from skdl.estimators.base import BaseNetwork

__all__ = ["check_fitted_networks", "first_network", "full_name"]

# Where meta-estimators keep what they have fitted.
_FITTED = ("best_estimator_", "regressor_", "estimator_")


def check_fitted_networks(estimator: Any, owner: str) -> list[BaseNetwork]:
    """Return the fitted networks of an estimator, several for an ensemble.

    Raises
    ------
    ValueError
        If it holds no network of skdl.
    NotFittedError
        If it holds one that is not fitted.
    TypeError
        If it is a class, or the result of a cross-validation.
    """
    if isinstance(estimator, type):
        raise TypeError(
            f"{owner}: got the class {estimator.__name__}. Expected an estimator made of it and "
            "fitted."
        )
    if hasattr(estimator, "histories"):
        raise TypeError(
            f"{owner}: got a {type(estimator).__name__}. Use from_cross_validation for it."
        )
    networks = _fitted(estimator)
    if networks:
        return networks
    name = type(estimator).__name__
    if first_network(estimator) is not None:
        if hasattr(estimator, "cv_results_"):
            raise NotFittedError(
                f"{owner}: this {name} kept no network, as refit is {estimator.refit!r}. Pass "
                "refit=True."
            )
        raise NotFittedError(f"{owner}: this {name} is not fitted yet. Call its fit first.")
    raise ValueError(
        f"{owner}: {name} holds no network of skdl, so there are no epochs to look at. Expected a "
        "fitted MLPRegressor, MLPClassifier or the like, alone or at the end of a Pipeline, in a "
        "search or in an ensemble."
    )


def first_network(estimator: Any) -> BaseNetwork | None:
    """Return a network among an estimator and its parameters, fitted or not."""
    if isinstance(estimator, BaseNetwork):
        return estimator
    if not hasattr(estimator, "get_params"):
        return None
    values = estimator.get_params(deep=True).values()
    return next((value for value in values if isinstance(value, BaseNetwork)), None)


def full_name(estimator: Any, param_name: str) -> str:
    """Return the name of a parameter with the prefix that leads to the network inside.

    ``"dropout"`` becomes ``"mlpregressor__dropout"`` for a pipeline; a name that the estimator has
    itself, or that no network or several have, is returned as it is.
    """
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return param_name
    params = estimator.get_params(deep=True)
    if param_name in params:
        return param_name
    full = [
        f"{prefix}__{param_name}"
        for prefix, value in params.items()
        if isinstance(value, BaseNetwork) and f"{prefix}__{param_name}" in params
    ]
    return full[0] if len(full) == 1 else param_name


def _fitted(estimator: Any) -> list[BaseNetwork]:
    if isinstance(estimator, BaseNetwork):
        return [estimator] if hasattr(estimator, "history_") else []
    if hasattr(estimator, "steps"):
        return _fitted(estimator.steps[-1][1])
    attributes = getattr(estimator, "__dict__", {})
    members = attributes.get("estimators_", ())
    members = list(members.ravel() if isinstance(members, np.ndarray) else members)
    members += [each.estimator for each in attributes.get("calibrated_classifiers_", ())]
    # A BaggingRegressor has both: its `estimator_` is a template that is never fitted.
    members += [attributes[name] for name in _FITTED if name in attributes and not members]
    return [network for member in members for network in _fitted(member)]
