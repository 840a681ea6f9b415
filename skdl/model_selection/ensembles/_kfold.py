"""Ensembles over folds: the fits of a cross-validation, kept and averaged.

Each member stops on rows that it did not learn from, no row is lost to all of them, and the
predictions of the rows that each did not see say how good the ensemble's members are. In lockstep
all members together cost little more than one. Holzmüller et al. (2024, "Better by default") gain
as much by it as by their network's other ingredients.
"""

from __future__ import annotations

import contextlib
import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GroupKFold
from sklearn.utils import assert_all_finite, check_random_state, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from skdl._compat_sklearn import check_method_params, num_samples, safe_split
from skdl._validation import (
    AnyOf,
    Constraint,
    Integer,
    OneOf,
    Predicate,
    Real,
    check_parameters,
)
from skdl.estimators.base import CONSTRAINTS, FitOverrides
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._curves import mean_curve
from skdl.model_selection._lockstep import ensure_lockstep, with_sklearn_config
from skdl.model_selection._networks import nested_networks
from skdl.model_selection._split import IteratedKFold
from skdl.model_selection.ensembles._averaging import (
    AveragingClassifier,
    AveragingRegressor,
    BaseAveraging,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["KFoldEnsembleClassifier", "KFoldEnsembleRegressor"]

_CONSTRAINTS: dict[str, Constraint] = {
    "cv": AnyOf(
        Integer(2, example=5), Predicate(lambda value: hasattr(value, "split"), "a splitter")
    ),
    "n_iterations": Integer(1, example=1),
    "refit": AnyOf(OneOf(None), Integer(1, example=5)),
    "random_state": CONSTRAINTS["random_state"],
}
_COVERAGE = {"coverage": Real(0, 1, low_open=True, high_open=True, example=0.9)}
_ONE_LABEL = {"binary", "multiclass"}
# Numbers that an interval sorts at once.
_MOST_NUMBERS = 10_000_000


class BaseKFoldEnsemble(BaseAveraging):
    """Base of ensembles whose members are the fits of a cross-validation."""

    def __init__(
        self,
        estimator: Any,
        cv: Any = 5,
        n_iterations: int = 1,
        refit: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.n_iterations = n_iterations
        self.refit = refit
        self.random_state = random_state

    @abstractmethod
    def _learn_targets(self, y: Any) -> None:
        """Set the fitted attributes that follow from the targets alone."""

    @abstractmethod
    def _member_predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        """Return what the mean is taken of."""

    @abstractmethod
    def _score(self, y: NDArray[Any], predictions: NDArray[np.float64]) -> float:
        """Score means of predictions."""

    def fit(self, X: Any, y: Any, groups: Any = None, **fit_params: Any) -> Self:
        """Fit one member for each fold, networks in lockstep.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Handed to the members as it is.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group stay in one fold, where the splitter takes groups.
        **fit_params : dict
            Such as ``sample_weight``; those with one entry per row are split. They go to every
            member's ``fit``; with ``sklearn.set_config(enable_metadata_routing=True)`` those that
            it requests. Held-out rows count alike.

        Returns
        -------
        self : object
            The fitted ensemble.

        Raises
        ------
        ValueError
            If a parameter is not as described.
        """
        split_params = {} if groups is None else {"groups": groups}
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **split_params, **fit_params)
            split_params, fit_params = routed["splitter"]["split"], routed["estimator"]["fit"]
        return self.fit_routed(X, y, fit_params, split_params)

    def fit_routed(
        self,
        X: Any,
        y: Any,
        fit_params: Mapping[str, Any],
        split_params: Mapping[str, Any] | None = None,
    ) -> Self:
        """Fit with parameters that are already those of the members' ``fit`` and the splitter.

        Parameters
        ----------
        X, y : array-like
            As in ``fit``.
        fit_params : mapping of str to object
            Passed to every member's ``fit`` under these names.
        split_params : mapping of str to object, default=None
            Passed to the splitter.

        Returns
        -------
        self : object
            The fitted ensemble.
        """
        owner = type(self).__name__
        check_parameters(owner, self.get_params(deep=False), self._constraints)
        X, y = indexable(X, y)
        y = np.asarray(y) if isinstance(y, list) else y
        if num_samples(X) < 2:
            raise ValueError(f"{owner}: n_samples=1 cannot be split. Expected 2 rows or more.")
        if not sparse.issparse(y):
            assert_all_finite(np.asarray(y), input_name="y")
        rng = check_random_state(self.random_state)
        splits = list(self._splitter(y, rng).split(X, y, **(split_params or {})))
        members = self._draw_members(rng, len(splits) + (self.refit or 0))
        self._learn_targets(y)
        folds, refitted = members[: len(splits)], members[len(splits) :]
        fits = [
            (member, X, y, fit_params, split) for member, split in zip(folds, splits, strict=True)
        ]
        conditions = self._fitted(fits)
        self.fold_estimators_ = self.estimators_ = folds
        self._take_held_out(X, y, splits)
        self.best_epoch_ = joint_best_epoch(conditions)
        if refitted:
            self._fitted([(member, X, y, fit_params, None) for member in refitted])
            self.estimators_ = refitted
        return self

    def _fitted(self, fits: Sequence[tuple[Any, ...]]) -> list[FitOverrides]:
        """Fit members in place, each on the rows of its split or on all."""
        holds_networks = bool(nested_networks(self.estimator))
        run = delayed(with_sklearn_config(_fit_member))
        last_epoch = getattr(self, "best_epoch_", None)
        with ensure_lockstep() if holds_networks else contextlib.nullcontext():
            return list(Parallel()(run(*each, last_epoch) for each in fits))

    def _splitter(self, y: Any, rng: np.random.RandomState) -> Any:
        if hasattr(self.cv, "split"):
            if self.n_iterations != 1:
                raise InvalidParameterError(
                    f"{type(self).__name__}: n_iterations={self.n_iterations} was given beside a "
                    "splitter. Expected cv as a number of folds, or a splitter that iterates "
                    "itself, such as IteratedKFold."
                )
            return self.cv
        return IteratedKFold(
            int(self.cv),
            int(self.n_iterations),
            int(rng.randint(np.iinfo(np.int32).max)),
            stratified=is_classifier(self) and type_of_target(y) in _ONE_LABEL,
        )

    def _take_held_out(self, X: Any, y: Any, splits: Sequence[Any]) -> None:
        """Predict what each member did not see, and keep who predicted what."""
        n_rows = num_samples(X)
        total: Any = None
        counts = np.zeros(n_rows, int)
        # Which member predicted each row, one row of this table for each iteration.
        by_whom: list[NDArray[np.int64]] = []
        for i, (train, test) in enumerate(splits):
            member = self.fold_estimators_[i]
            predictions = self._member_predictions(
                member, safe_split(member, X, None, test, train)[0]
            )
            if total is None:
                total = np.zeros((n_rows, *predictions.shape[1:]))
            total[test] += predictions
            if counts[test].max(initial=0) >= len(by_whom):
                by_whom.append(np.full(n_rows, -1))
            for own, table in enumerate(by_whom):
                rows = test[counts[test] == own]
                table[rows] = i
            counts[test] += 1
        seen = counts > 0
        shape = (-1,) + (1,) * (total.ndim - 1)
        with np.errstate(invalid="ignore"):
            self.oof_predictions_ = total / counts.reshape(shape)
        self._by_whom = np.array(by_whom)
        y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
        self._residuals = None
        if not is_classifier(self) and self.oof_predictions_.ndim == 1:
            self._residuals = np.abs(np.asarray(y, float).reshape(n_rows) - self.oof_predictions_)
        self.oof_score_ = self._score(y[seen], self.oof_predictions_[seen])

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata goes where: ``groups`` to the splitter, the rest to the members.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        splitter = self.cv if hasattr(self.cv, "split") else GroupKFold()
        to_splitter = MethodMapping().add(caller="fit", callee="split")
        return super().get_metadata_routing().add(splitter=splitter, method_mapping=to_splitter)


def joint_best_epoch(conditions: Sequence[FitOverrides]) -> int | None:
    """Return the epoch (from 1) at which the mean over the folds was best; None without any."""
    followed = [c for c in conditions if c.history]
    if not followed:
        return None
    monitor, mode = followed[0].monitor, followed[0].mode
    curve = mean_curve([c.history for c in followed], monitor, [c.kept_epoch for c in followed])
    means = curve["mean"]
    return int(means.idxmin() if mode == "min" else means.idxmax())


def _fit_member(
    member: Any,
    X: Any,
    y: Any,
    fit_params: Mapping[str, Any],
    split: tuple[Any, Any] | None,
    last_epoch: int | None,
) -> FitOverrides:
    if split is None:
        with FitOverrides(member, last_epoch=last_epoch) as conditions:
            member.fit(X, y, **fit_params)
        return conditions
    train, test = split
    own = check_method_params(X, dict(fit_params), indices=train)
    X_train, y_train = safe_split(member, X, y, train)
    if is_classifier(member) and type_of_target(y) in _ONE_LABEL:
        # A network refuses labels that it does not know.
        labels = np.asarray(y).ravel()
        test = test[np.isin(labels[test], labels[train])]
    validation = safe_split(member, X, y, test, train)
    with FitOverrides(member, validation=validation) as conditions:
        member.fit(X_train, y_train, **own)
    return conditions


class KFoldEnsembleRegressor(BaseKFoldEnsemble, AveragingRegressor):
    """Mean of the fits of a cross-validation, each stopped on its own held-out rows.

    Parameters
    ----------
    estimator : object
        Regressor, such as `MLPRegressor` or a pipeline that ends in one; cloned, not fitted
        itself. Where a network at its end has ``early_stopping=True``, the rows of the fold decide
        when it stops, through all steps in front of it; no further rows are held out.
    cv : int or splitter, default=5
        Number of shuffled folds, or what splits the rows.
    n_iterations : int, default=1
        How often the rows are shuffled and split anew, when `cv` is a number.
    refit : int or None, default=None
        Predict by so many members fitted on all rows instead, networks for the number of epochs
        that was best in the mean over the folds.
    random_state : int, RandomState or None, default=None
        Decides the folds, and every ``random_state`` parameter inside each member.

    Attributes
    ----------
    estimators_ : list of object
        The fitted members that predict: those of the folds, or with `refit` those of all rows.
    fold_estimators_ : list of object
        The fitted members of the folds.
    oof_predictions_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Of each row, the mean prediction by members that did not learn from it; NaN where every
        member did.
    oof_score_ : float
        R² of these. A member stopped on the same rows, so it is a little too good.
    best_epoch_ : int or None
        Number of epochs that was best in the mean over the folds; None without a network.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.

    See Also
    --------
    KFoldEnsembleClassifier : The same for classes.
    AveragingRegressor : Fits on all rows that differ in their random state only.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), MLPRegressor(16, early_stopping=True))
    >>> ensemble = KFoldEnsembleRegressor(pipeline, random_state=0).fit(X, y)
    >>> bool(ensemble.oof_score_ > 0.4)
    True
    >>> ensemble.predict_interval(X[:3], coverage=0.9).shape
    (3, 2)
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **_CONSTRAINTS,
        "estimator": AveragingRegressor._constraints["estimator"],  # noqa: SLF001 - our base's
    }

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the mean of the members' predictions.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        return_std : bool, default=False
            Also return how much the members differ. That is their disagreement, and less than the
            error to expect; for that see `predict_interval`.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        std : ndarray of the same shape
            Standard deviation over the members; only with ``return_std=True``.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        by_member = np.array([member.predict(X) for member in self.estimators_])
        mean = by_member.mean(axis=0)
        return (mean, by_member.std(axis=0)) if return_std else mean

    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[np.float64]:
        """Predict intervals that hold the target of so large a share of new rows.

        By CV+ (Barber et al. 2021, "Predictive inference with the jackknife+", section 3):
        quantiles of what the members of the folds predict, each plus and minus the errors on the
        rows that it did not learn from. For rows that are exchangeable with those of ``fit`` they
        hold the target with a probability of at least
        ``1 - 2 (1 - coverage) - sqrt(2 / n_samples)`` (Theorem 4), and in practice with one near
        `coverage`. That is over all rows: of some groups they may hold more, of others less.
        Networks that stop on the rows of their fold lie outside the theorem, as their errors on
        these rows are a little too small.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        coverage : float in (0, 1), default=0.9
            Share of targets that the intervals are to hold.

        Returns
        -------
        intervals : ndarray of shape (n_samples, 2)
            Lower and upper ends; infinite where there were too few rows for so large a share.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If `coverage` is no share, if there are several targets, or if the splitter did not
            hold out every row once in every iteration.
        """
        check_is_fitted(self)
        owner = type(self).__name__
        check_parameters(owner, {"coverage": coverage}, _COVERAGE)
        if self._residuals is None:
            raise ValueError(f"{owner}: intervals of several targets. Expected a single one.")
        if (self._by_whom < 0).any():
            raise ValueError(
                f"{owner}: cv={self.cv!r} does not hold out every row equally often, as CV+ asks "
                "for. Expected a K-fold splitter."
            )
        by_member = np.array([member.predict(X) for member in self.fold_estimators_])
        n_new = by_member.shape[1]
        intervals = np.empty((n_new, 2))
        step = max(1, _MOST_NUMBERS // self._by_whom.size)
        for start in range(0, n_new, step):
            some = slice(start, start + step)
            # What the members that did not learn from a row predict, (rows of fit, new rows).
            predictions = by_member[self._by_whom, some].mean(axis=0)
            errors = self._residuals[:, None]
            intervals[some, 0] = -cv_plus_end(errors - predictions, coverage)
            intervals[some, 1] = cv_plus_end(errors + predictions, coverage)
        return intervals

    def _learn_targets(self, y: Any) -> None:
        del y

    def _member_predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        return np.asarray(member.predict(X), float)

    def _score(self, y: NDArray[Any], predictions: NDArray[np.float64]) -> float:
        return float(r2_score(y, predictions)) if len(y) > 1 else math.nan


def cv_plus_end(values: NDArray[np.float64], coverage: float) -> NDArray[np.float64]:
    """Return of each column the ``ceil(coverage * (n + 1))``-th smallest of its n values."""
    n_rows = len(values)
    # Rounded first, as 0.9 * 10 must be 9.
    rank = math.ceil(round(coverage * (n_rows + 1), 9))
    if rank > n_rows:
        return np.full(values.shape[1], np.inf)
    return np.partition(values, rank - 1, axis=0)[rank - 1]


def _gives_probabilities(ensemble: Any) -> bool:
    return hasattr(ensemble.estimator, "predict_proba")


class KFoldEnsembleClassifier(BaseKFoldEnsemble, AveragingClassifier):
    """Mean probabilities of the fits of a cross-validation, each stopped on its held-out rows.

    Parameters
    ----------
    estimator : object
        Classifier with ``predict_proba``, such as `MLPClassifier` or a pipeline that ends in one;
        cloned, not fitted itself. Where a network at its end has ``early_stopping=True``, the
        rows of the fold decide when it stops, through all steps in front of it; no further rows
        are held out.
    cv : int or splitter, default=5
        Number of shuffled folds, stratified by class, or what splits the rows.
    n_iterations : int, default=1
        How often the rows are shuffled and split anew, when `cv` is a number.
    refit : int or None, default=None
        Predict by so many members fitted on all rows instead, networks for the number of epochs
        that was best in the mean over the folds.
    random_state : int, RandomState or None, default=None
        Decides the folds, and every ``random_state`` parameter inside each member.

    Attributes
    ----------
    estimators_ : list of object
        The fitted members that predict: those of the folds, or with `refit` those of all rows.
    fold_estimators_ : list of object
        The fitted members of the folds.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multilabel targets the column numbers.
    oof_predictions_ : ndarray of shape (n_samples, n_classes)
        Of each row, the mean probabilities by members that did not learn from it; NaN where every
        member did.
    oof_score_ : float
        Share of rows that these predict right. A member stopped on the same rows, so it is a
        little too good.
    best_epoch_ : int or None
        Number of epochs that was best in the mean over the folds; None without a network.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.

    See Also
    --------
    KFoldEnsembleRegressor : The same for numbers.
    AveragingClassifier : Fits on all rows that differ in their random state only.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdl import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, early_stopping=True)
    >>> ensemble = KFoldEnsembleClassifier(network, random_state=0).fit(X, y)
    >>> bool(ensemble.oof_score_ > 0.9)
    True
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **_CONSTRAINTS,
        "estimator": AveragingClassifier._constraints["estimator"],  # noqa: SLF001 - our base's
    }

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the mean over the members of the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``; for multilabel targets the probability of each label.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        return np.mean([self._member_predictions(m, X) for m in self.estimators_], axis=0)

    def _learn_targets(self, y: Any) -> None:
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                f"{type(self).__name__}: y has several columns that are not 0 and 1. Expected one "
                "column of labels or a multilabel indicator."
            )
        self._is_multilabel = kind == "multilabel-indicator"
        self.classes_ = np.arange(y.shape[1]) if self._is_multilabel else np.unique(y)

    def _member_predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        probabilities = member.predict_proba(X)
        if isinstance(probabilities, list):
            # One array for each label, as scikit-learn's trees return them.
            return np.column_stack([label[:, -1] for label in probabilities])
        if self._is_multilabel or len(member.classes_) == len(self.classes_):
            return np.asarray(probabilities, float)
        # A rare class may be absent from the rows that a member learned from.
        aligned = np.zeros((len(probabilities), len(self.classes_)))
        aligned[:, np.searchsorted(self.classes_, member.classes_)] = probabilities
        return aligned

    def _score(self, y: NDArray[Any], predictions: NDArray[np.float64]) -> float:
        if self._is_multilabel:
            return float(accuracy_score(y, predictions > 0.5))
        return float(accuracy_score(np.ravel(y), self.classes_[predictions.argmax(1)]))
