"""The ``scorer`` of a subclass, and parameters routed to it."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score

from skdl.estimators.keras_models._routing import routed_to

__all__ = ["user_score"]


def user_score(estimator: Any, X: Any, y: Any, sample_weight: Any) -> float | None:
    """Return what a subclass's ``scorer`` says, or None without one."""
    routed = routed_to("score", estimator.get_params(deep=False))
    scorer = getattr(estimator, "scorer", None)
    if scorer is None and not routed:
        return None
    if scorer is None:
        scorer = accuracy_score if is_classifier(estimator) else r2_score
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    return float(scorer(y, estimator.predict(X), **routed | weight))
