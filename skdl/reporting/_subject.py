"""What a report is about: an estimator, a cross-validation, a search or an ensemble."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from skdl.estimators.base import RowMetadata
from skdl.inspection._networks import check_fitted_networks, first_network
from skdl.model_selection import (
    CrossValidationResult,
    KFoldEnsembleClassifier,
    KFoldEnsembleRegressor,
)
from skdl.model_selection._networks import core_of

__all__ = ["Subject", "subject_of"]

Kind = Literal["cross-validation", "search", "ensemble", "estimator"]
_OWNER = "report"
_ENSEMBLES = (KFoldEnsembleClassifier, KFoldEnsembleRegressor)


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes
    ----------
    kind : str
    given : object
        What was handed over.
    estimator : object
        The estimator whose parameters and targets are meant; fitted, but for a cross-validation.
    X, y : object
        Rows, if there are any.
    groups, time : object
        Of the rows, if there are any.
    """

    kind: Kind
    given: Any
    estimator: Any
    X: Any = None
    y: Any = None
    groups: Any = None
    time: Any = None

    @property
    def name(self) -> str:
        """The name of what predicts, inside a pipeline or the like."""
        core = core_of(self.estimator)
        return type(core_of(core.estimator) if self.kind == "ensemble" else core).__name__

    @property
    def networks(self) -> list[Any]:
        """The fitted networks inside; none of a cross-validation that kept none."""
        if self.kind == "cross-validation":
            fitted = self.given.get("estimator", ())
            return [n for each in fitted for n in _networks(each)]
        return _networks(self.given)

    @property
    def is_classifier(self) -> bool:
        """Whether it predicts classes."""
        return bool(is_classifier(self.estimator))


def subject_of(given: Any, X: Any, y: Any, groups: Any, time: Any) -> Subject:
    """Tell what was handed over.

    Raises
    ------
    TypeError
        If it is none of these.
    NotFittedError
        If it is not fitted.
    ValueError
        If groups or times do not fit the rows.
    """
    if isinstance(given, CrossValidationResult):
        own = given.data
        X, y = (own[0] if X is None else X), (own[1] if y is None else y)
        known = _known(X, groups, time)
        return Subject("cross-validation", given, given.unfitted_estimator, X, y, **known)
    # A search that fits nothing at its end cannot predict.
    is_known = hasattr(given, "predict") or hasattr(given, "cv_results_")
    if isinstance(given, type | Mapping) or not is_known:
        what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        raise TypeError(
            f"{_OWNER}: got {what}. Expected a fitted estimator, a fitted search, a K-fold "
            "ensemble, or what skdl.model_selection.cross_validate returns."
        )
    check_is_fitted(given)
    known = _known(X, groups, time)
    if hasattr(given, "cv_results_"):
        best = getattr(given, "best_estimator_", given.estimator)
        return Subject("search", given, best, X, y, **known)
    kind: Kind = "ensemble" if isinstance(given, _ENSEMBLES) else "estimator"
    return Subject(kind, given, given, X, y, **known)


def _known(X: Any, groups: Any, time: Any) -> dict[str, Any]:
    """Return groups and times, of which a report may tell both."""
    if X is None or (groups is None and time is None):
        return {}
    both = RowMetadata.checked(_OWNER, X, groups), RowMetadata.checked(_OWNER, X, time=time)
    return both[0].as_arguments() | both[1].as_arguments()


def _networks(estimator: Any) -> list[Any]:
    if first_network(estimator) is None:
        return []
    try:
        return list(check_fitted_networks(estimator, _OWNER))
    except ValueError:
        # NotFittedError is one: a search without refit, for example.
        return []
