"""Averaging ensembles: clones of one estimator that differ in their random state only.

Networks that differ in nothing but their initial weights and the order of their rows disagree;
their mean is nearly always better than any one of them (Lakshminarayanan et al. 2017, "Simple and
scalable predictive uncertainty estimation using deep ensembles"). Trained in lockstep, they cost
little more than one.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    clone,
    is_classifier,
)
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from skdl._validation import RANDOM_STATE, Constraint, Integer, Predicate, check_parameters
from skdl.estimators.base import (
    PublicEstimatorMixin,
    all_or_nothing,
    has_quantiles,
    plainly_named,
    predicted_quantiles,
)
from skdl.model_selection._arguments import MOST, check_data
from skdl.model_selection._lockstep import ensure_lockstep
from skdl.model_selection._networks import nested_networks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DECISION_THRESHOLD",
    "IS_CLASSIFIER",
    "AveragingClassifier",
    "AveragingRegressor",
    "BaseAveraging",
    "aligned_probabilities",
    "gives_probabilities",
    "is_regressor_unlike",
]

_CONSTRAINTS: dict[str, Constraint] = {
    "n_members": Integer(1, MOST, example=5),
    "random_state": RANDOM_STATE,
}


def _is_instance(value: object, method: str) -> bool:
    return hasattr(value, method) and not isinstance(value, type)


def is_regressor_unlike(classifying: str) -> Predicate:
    """Return the constraint on members of an ensemble beside which another takes classifiers."""
    return Predicate(
        lambda value: _is_instance(value, "predict") and not is_classifier(value),
        f"a regressor; {classifying} takes classifiers",
    )


IS_CLASSIFIER = Predicate(
    lambda value: _is_instance(value, "predict_proba"), "a classifier with predict_proba"
)
# A label at exactly one half counts as absent, as in MLPClassifier.
DECISION_THRESHOLD = 0.5


def aligned_probabilities(
    probabilities: ArrayLike, seen: NDArray[Any], classes: NDArray[Any]
) -> NDArray[np.float64]:
    """Return a member's probabilities in the columns of all classes.

    Parameters
    ----------
    probabilities : array-like of shape (n_samples, n_seen)
    seen : ndarray of shape (n_seen,)
        Classes that the member has learned from; a rare one may be absent from its rows.
    classes : ndarray of shape (n_classes,)
        Sorted.

    Returns
    -------
    aligned : ndarray of shape (n_samples, n_classes)
        0 for a class that the member has not seen.
    """
    own = np.asarray(probabilities, float)
    if len(seen) == len(classes):
        return own
    aligned = np.zeros((len(own), len(classes)))
    aligned[:, np.searchsorted(classes, seen)] = own
    return aligned


class BaseAveraging(MetaEstimatorMixin, PublicEstimatorMixin, BaseEstimator, ABC):
    """Base of ensembles whose members are clones with random states of their own."""

    _constraints: ClassVar[dict[str, Constraint]]

    def __init__(
        self,
        estimator: Any,
        n_members: int = 5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_members = n_members
        self.random_state = random_state

    @abstractmethod
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict by the mean of the members."""

    @plainly_named
    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Self:
        """Fit all members on the same rows, networks in lockstep.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Handed to the members as it is.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **fit_params : dict
            Such as ``sample_weight``. They go to every member's ``fit``; with
            ``sklearn.set_config(enable_metadata_routing=True)`` those that it requests.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is not as described.
        """
        if get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params)["estimator"]["fit"]
        return self.fit_routed(X, y, fit_params)

    def fit_routed(self, X: Any, y: Any, fit_params: Mapping[str, Any]) -> Self:
        """Fit with parameters that are already those of the members' ``fit``.

        Parameters
        ----------
        X, y : array-like
            As in ``fit``.
        fit_params : mapping of str to object
            Passed to every member's ``fit`` under these names.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_parameters(type(self).__name__, self.get_params(deep=False), self._constraints)
        _, y = check_data(type(self).__name__, self.estimator, X, y)
        members = self._draw_members(check_random_state(self.random_state), self.n_members)
        holds_networks = bool(nested_networks(self.estimator))
        with ensure_lockstep() if holds_networks else contextlib.nullcontext():
            self.estimators_ = Parallel()(
                delayed(_fitted)(member, X, y, fit_params) for member in members
            )
        return self

    def _draw_members(self, rng: np.random.RandomState, n_members: int) -> list[Any]:
        """Return unfitted members; the first few are the same however many there are."""
        members = [clone(self.estimator) for _ in range(n_members)]
        for member in members:
            # Sorted, as the order of parameters must not decide which of them gets which seed.
            names = sorted(member.get_params(deep=True))
            states = [n for n in names if n == "random_state" or n.endswith("__random_state")]
            seeds = rng.randint(np.iinfo(np.int32).max, size=len(states))
            member.set_params(**dict(zip(states, seeds.tolist(), strict=True)))
        return members

    @property
    def n_features_in_(self) -> int:
        """Number of features seen in fit."""
        return int(self.estimators_[0].n_features_in_)

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Their names, where `X` had string column names."""
        return self.estimators_[0].feature_names_in_

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata goes where: all that ``fit`` is given, to the members.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        to_members = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=to_members)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        tags.target_tags.required = True
        tags.non_deterministic = inner.non_deterministic
        return tags


class AveragingRegressor(RegressorMixin, BaseAveraging):
    """Mean of several fits of one regressor that differ in their random state only.

    Parameters
    ----------
    estimator : object
        Regressor, such as `MLPRegressor` or a pipeline around it; cloned, not fitted itself.
    n_members : int, default=5
        Number of clones.
    random_state : int, RandomState or None, default=None
        Decides every ``random_state`` parameter inside each member.

    Attributes
    ----------
    estimators_ : list of object
        The fitted members.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.

    See Also
    --------
    AveragingClassifier : The same for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skdl.estimators import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> ensemble = AveragingRegressor(MLPRegressor(16, epochs=3), n_members=3, random_state=0)
    >>> ensemble.fit(X, y).predict(X).shape
    (442,)
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **_CONSTRAINTS,
        "estimator": is_regressor_unlike("AveragingClassifier"),
    }

    @plainly_named
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the mean of the members' predictions.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        return np.mean([member.predict(X) for member in self.estimators_], axis=0)

    @available_if(lambda ensemble: has_quantiles(ensemble.estimator))
    @plainly_named
    def predict_quantiles(self, X: Any) -> NDArray[np.float64]:
        """Predict the mean over the members of each quantile of the target.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles), float64
            In the target's own units; columns follow the members' ``quantiles``.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        by_member = [predicted_quantiles(member, X) for member in self.estimators_]
        return np.mean(by_member, axis=0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags = get_tags(self.estimator).regressor_tags or tags.regressor_tags
        return tags


def gives_probabilities(ensemble: Any) -> bool:
    """Tell whether the members of a classifying ensemble have ``predict_proba``."""
    return hasattr(ensemble.estimator, "predict_proba")


class AveragingClassifier(ClassifierMixin, BaseAveraging):
    """Mean probabilities of several fits of one classifier that differ in random state only.

    There is no ``decision_function``: means of scores of another kind would rank the rows
    differently than the probabilities which ``predict`` goes by.

    Parameters
    ----------
    estimator : object
        Classifier with ``predict_proba``, such as `MLPClassifier` or a pipeline around it;
        cloned, not fitted itself.
    n_members : int, default=5
        Number of clones.
    random_state : int, RandomState or None, default=None
        Decides every ``random_state`` parameter inside each member.

    Attributes
    ----------
    estimators_ : list of object
        The fitted members.
    classes_ : ndarray of shape (n_classes,) or list of them
        The labels, sorted; as the members have them.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.

    See Also
    --------
    AveragingRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdl.estimators import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> ensemble = AveragingClassifier(MLPClassifier(16, epochs=3), n_members=3, random_state=0)
    >>> ensemble.fit(X, y).predict_proba(X).shape
    (150, 3)
    """

    _constraints: ClassVar[dict[str, Constraint]] = {**_CONSTRAINTS, "estimator": IS_CLASSIFIER}

    def fit_routed(self, X: Any, y: Any, fit_params: Mapping[str, Any]) -> Self:
        """Fit with parameters that are already those of the members' ``fit``.

        Parameters
        ----------
        X, y : array-like
            As in ``fit``.
        fit_params : mapping of str to object
            Passed to every member's ``fit`` under these names.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        with all_or_nothing(self):
            super().fit_routed(X, y, fit_params)
            self.classes_ = self.estimators_[0].classes_
            self._is_multilabel = type_of_target(y) == "multilabel-indicator"
        return self

    @available_if(gives_probabilities)
    @plainly_named
    def predict_proba(self, X: Any) -> Any:
        """Predict the mean over the members of the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``; for multilabel targets the probability of each label. A
            list with one such array for each output if the members return one, as
            scikit-learn's trees do.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        by_member = [member.predict_proba(X) for member in self.estimators_]
        if isinstance(by_member[0], list):
            return [np.mean(output, axis=0) for output in zip(*by_member, strict=True)]
        return np.mean(by_member, axis=0)

    @plainly_named
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of the highest mean probability, or for multilabel targets 0 and 1.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        probabilities = self.predict_proba(X)
        if isinstance(probabilities, list):
            outputs = zip(self.classes_, probabilities, strict=True)
            return np.column_stack([classes[p.argmax(1)] for classes, p in outputs])
        if self._is_multilabel:
            return (probabilities > DECISION_THRESHOLD).astype(int)
        return np.asarray(self.classes_)[probabilities.argmax(1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags = get_tags(self.estimator).classifier_tags or tags.classifier_tags
        return tags


def _fitted(member: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> Any:
    return member.fit(X, y, **fit_params)
