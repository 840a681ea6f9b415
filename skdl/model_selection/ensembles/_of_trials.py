"""Ensembles of what a search has trained: the fold estimators of several trials, weighted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from skdl.estimators.base import PublicEstimatorMixin
from skdl.model_selection.ensembles._averaging import aligned_probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["TrialEnsembleClassifier", "TrialEnsembleRegressor"]


class BaseTrialEnsemble(PublicEstimatorMixin, BaseEstimator):
    """Base of weighted means over trials, each the mean of its fold estimators.

    Its members are fitted already.

    Parameters
    ----------
    members : dict of int to list of estimator
        Fitted estimators of the folds, by number of the trial.
    weights : dict of int to float
        By number of the trial; they add up to 1.
    selection_score : float
        Mean over the folds that the members were selected by.
    """

    # They are made by a search, and have no page of their own.
    _doc_link_module = ""

    def __init__(
        self,
        members: Mapping[int, Sequence[Any]],
        weights: Mapping[int, float],
        selection_score: float,
    ) -> None:
        self.members = members
        self.weights = weights
        self.selection_score = selection_score

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self.members)

    def fit(self, X: Any, y: Any = None) -> NoReturn:
        """Refuse: what the members are, a search decides.

        Parameters
        ----------
        X, y : array-like

        Raises
        ------
        NotImplementedError
            Always.
        """
        del X, y
        raise NotImplementedError(
            f"{type(self).__name__}: the members are those that a search has trained, and cannot "
            "be fitted anew by themselves. Fit the search, OptunaSearchCV(..., refit='ensemble')."
        )

    @property
    def _first(self) -> Any:
        return next(iter(self.members.values()))[0]

    @property
    def n_features_in_(self) -> int:
        """Number of features that the members have seen."""
        return int(self._first.n_features_in_)

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Their names, where they had any."""
        names: NDArray[Any] = self._first.feature_names_in_
        return names

    def _mean(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        total: Any = 0.0
        for number, members in self.members.items():
            own = sum(self._predictions(member, X) for member in members)
            total = total + self.weights[number] / len(members) * own
        return np.asarray(total, float)

    def _predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        """Return what the mean is taken of."""
        raise NotImplementedError


class TrialEnsembleRegressor(RegressorMixin, BaseTrialEnsemble):
    """Weighted mean of what the regressors of several trials predict; see `BaseTrialEnsemble`."""

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict the weighted mean of the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._mean(X)

    def _predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        return np.asarray(member.predict(X), float)


class TrialEnsembleClassifier(ClassifierMixin, BaseTrialEnsemble):
    """Weighted mean of the probabilities of several trials; see `BaseTrialEnsemble`.

    Parameters
    ----------
    members, weights, selection_score
        See there.
    classes : array-like of shape (n_classes,)
        All labels, sorted.
    """

    def __init__(
        self,
        members: Mapping[int, Sequence[Any]],
        weights: Mapping[int, float],
        selection_score: float,
        classes: ArrayLike,
    ) -> None:
        super().__init__(members, weights, selection_score)
        self.classes = classes
        self.classes_ = np.asarray(classes)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the weighted mean of the members' probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._mean(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of the highest mean probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self.classes_[self._mean(X).argmax(axis=1)]

    def _predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        return aligned_probabilities(member.predict_proba(X), member.classes_, self.classes_)
