"""SciKeras' estimators turned into ours."""

from __future__ import annotations

from typing import Any

from skdl.estimators.keras_models._classifier import KerasClassifier
from skdl.estimators.keras_models._regressor import KerasRegressor
from skdl.estimators.keras_models._scikeras import parameters_of

__all__ = ["from_scikeras"]


def from_scikeras(estimator: Any) -> KerasClassifier | KerasRegressor:
    """Turn a SciKeras estimator into ours, with its parameters and, if it is fitted, its weights.

    Parameters
    ----------
    estimator : scikeras.wrappers.KerasClassifier or KerasRegressor
        It is not changed.

    Returns
    -------
    estimator : KerasClassifier or KerasRegressor
        Fitted if the one given is: ``partial_fit`` and ``warm_start`` continue from its weights and
        its optimizer's state.

    Raises
    ------
    TypeError
        If `estimator` is something else, or of a class that builds the model or encodes targets
        in a way of its own.
    ImportError
        If SciKeras cannot be imported.
    """
    params = parameters_of(estimator)
    kind = KerasClassifier if hasattr(estimator, "predict_proba") else KerasRegressor
    ours = kind(**params)
    if estimator.initialized_:
        ours._take_over(estimator)  # noqa: SLF001
    return ours
