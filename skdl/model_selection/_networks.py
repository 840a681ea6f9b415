"""Search for networks of skdl inside other estimators."""

from __future__ import annotations

from typing import Any

from sklearn.compose import TransformedTargetRegressor

from skdl._compat_model_selection import BaseSearchCV
from skdl.estimators.base import BaseNetwork

__all__ = ["core_of", "nested_networks"]


def core_of(estimator: Any) -> Any:
    """Return what predicts inside pipelines, transformed targets and searches, fitted or not.

    An ensemble is a core of its own, as its predictions are not those of one of its members.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl.estimators import MLPRegressor
    >>> core_of(make_pipeline(StandardScaler(), MLPRegressor()))
    MLPRegressor()
    """
    while True:
        if getattr(estimator, "steps", None):
            inner = estimator.steps[-1][1]
        elif isinstance(estimator, TransformedTargetRegressor):
            inner = estimator.regressor
        elif isinstance(estimator, BaseSearchCV):
            inner = estimator.estimator
        else:
            return estimator
        if not hasattr(inner, "get_params"):
            return estimator
        estimator = inner


def nested_networks(estimator: Any) -> dict[str, BaseNetwork]:
    """Return the networks of an estimator, itself included, by the prefix of their parameters.

    Parameters
    ----------
    estimator : object
        A network, or a Pipeline, TransformedTargetRegressor or the like around some.

    Returns
    -------
    networks : dict of str to BaseNetwork
        ``{"": estimator}`` for a network itself; otherwise prefixes such as ``"mlp__"``, so that
        ``prefix + "epochs"`` is what ``set_params`` takes.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl.estimators import MLPRegressor
    >>> nested_networks(make_pipeline(StandardScaler(), MLPRegressor()))
    {'mlpregressor__': MLPRegressor()}
    """
    if isinstance(estimator, BaseNetwork):
        return {"": estimator}
    if not hasattr(estimator, "get_params"):
        return {}
    return {
        f"{name}__": value
        for name, value in estimator.get_params(deep=True).items()
        if isinstance(value, BaseNetwork)
    }
