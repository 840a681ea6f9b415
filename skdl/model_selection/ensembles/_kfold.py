"""Ensembles over folds: the fits of a cross-validation, kept and averaged.

Each member stops on rows that it did not learn from, no row is lost to all of them, and the
predictions of the rows that each did not see say how good the ensemble's members are. In lockstep
all members together cost little more than one. Holzmüller et al. (2024, "Better by default") gain
as much by it as by their network's other ingredients.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from skdl._compat_model_selection import BaseSearchCV
from skdl._validation import Boolean, Constraint, OneOf, Real, check_parameters
from skdl.estimators.base import (
    plainly_named,
    predicted_quantiles,
    quantile_levels,
    tempered,
)
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._networks import nested_networks
from skdl.model_selection.ensembles._averaging import (
    DECISION_THRESHOLD,
    IS_CLASSIFIER,
    AveragingClassifier,
    AveragingRegressor,
    aligned_probabilities,
    gives_probabilities,
    is_regressor_unlike,
)
from skdl.model_selection.ensembles._calibration import temperature_of_folds
from skdl.model_selection.ensembles._kfold_base import CONSTRAINTS, BaseKFoldEnsemble
from skdl.model_selection.ensembles._out_of_fold import averaged_members, cv_plus_intervals
from skdl.model_selection.ensembles._sets import adaptive_scores, cross_conformal_sets, row_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["KFoldEnsembleClassifier", "KFoldEnsembleRegressor"]

_COVERAGE: dict[str, Constraint] = {
    "coverage": Real(0, 1, low_open=True, high_open=True, example=0.9),
    "around": OneOf("members", "mean"),
}
_SET: dict[str, Constraint] = {
    **_COVERAGE, "size_penalty": Real(0, example=0.1), "allow_empty": Boolean()
}  # fmt: skip
_INTERVAL: dict[str, Constraint] = {**_COVERAGE, "method": OneOf("auto", "cv+", "cqr")}


class KFoldEnsembleRegressor(BaseKFoldEnsemble, AveragingRegressor):
    """Mean of the fits of a cross-validation, each stopped on its own held-out rows.

    Parameters
    ----------
    estimator : object
        Regressor, such as `MLPRegressor` or a pipeline that ends in one; cloned, not fitted
        itself. If a network at its end has ``early_stopping=True``, it stops on the held-out rows
        of its fold, which go through all steps in front of it; no further rows are held out.
    cv : int, splitter or list of (train, test), default=5
        Number of shuffled folds, or what splits the rows.
    n_iterations : int, default=1
        Number of times that the rows are shuffled and split, if `cv` is a number.
    refit : int, "time" or None, default="time"
        Number of members that are fitted on all rows and predict instead of those of the folds.
        Networks are fitted for the number of epochs that was best in the mean over the folds.
        ``"time"``: as many as there are folds where `fit` is given `time`, or the splits are in
        order as those of ``TimeSeriesSplit``, else none.
    random_state : int, RandomState or None, default=None
        Decides the folds, and every ``random_state`` parameter inside each member.
    verbose : int, default=0
        1 shows the progress of networks in lockstep, and for other members that each is fitted.

    Attributes
    ----------
    estimators_ : list of object
        The fitted members that predict: those of the folds, or with `refit` those fitted on all
        rows.
    fold_estimators_ : list of object
        The fitted members of the folds.
    oof_predictions_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        For each row, the mean prediction of members that did not train on it; NaN if every member
        did.
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
        **CONSTRAINTS,
        "estimator": is_regressor_unlike("KFoldEnsembleClassifier"),
    }

    def __init__(
        self,
        estimator: Any,
        cv: Any = 5,
        n_iterations: int = 1,
        refit: int | Literal["time"] | None = "time",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(estimator, cv, n_iterations, refit, random_state, verbose)

    @plainly_named
    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the mean of the members' predictions.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows in the form in which ``fit`` was given them.
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

    @plainly_named
    def predict_interval(
        self,
        X: Any,
        coverage: float = 0.9,
        method: Literal["auto", "cv+", "cqr"] = "auto",
        *,
        around: Literal["members", "mean"] = "members",
    ) -> NDArray[np.float64]:
        """Predict intervals that hold the target of so large a share of new rows.

        By CV+ (Barber et al. 2021, "Predictive inference with the jackknife+", section 3):
        quantiles of what the members of the folds predict, each plus and minus the errors on the
        rows that it did not learn from. For rows that are exchangeable with those of ``fit`` they
        hold the target with a probability of at least
        ``1 - 2 (1 - coverage) - sqrt(2 / n_samples)`` (Theorem 4), and in practice with one near
        `coverage`. That is over all rows: of some groups they may hold more, of others less, see
        `coverage_by_group`. Networks that stop on the rows of their fold lie outside the theorem,
        as their errors on these rows are a little too small.

        Such intervals are about equally wide for all rows. Conformalized quantile regression
        (Romano, Patterson and Candès 2019) goes by the members' quantiles instead, and is wide
        where the targets are noisy: lower and upper quantile, each moved by how far targets of
        the rows that a member did not learn from lie outside. The quantiles taken are those next
        to ``(1 - coverage) / 2`` and ``(1 + coverage) / 2``. Combined over folds as by CV+, the
        same theorem holds (Gupta, Kuchibhotla and Ramdas 2022, Theorem 2).

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows in the form in which ``fit`` was given them.
        coverage : float in (0, 1), default=0.9
            Share of targets that the intervals are to hold.
        method : {"auto", "cv+", "cqr"}, default="auto"
            Errors of predictions, or of quantiles, for which `estimator` must predict some:
            ``MLPRegressor(loss="quantile", quantiles=[0.05, 0.5, 0.95])``, alone, at the end of a
            pipeline or in a search. ``"auto"`` is ``"cqr"`` where it does, and ``"cv+"``
            elsewhere, so around a network inside a TransformedTargetRegressor, which passes no
            quantiles on.
        around : {"members", "mean"}, default="members"
            ``"members"`` is CV+ as above. Its intervals hold more than `coverage` where members
            differ much, as it allows for their differences although their mean is better than each
            of them. ``"mean"`` puts the same errors around the mean of the members (the
            "cross-validation" of Barber et al. 2021): narrower, in practice closer to `coverage`,
            but without a theorem.

        Returns
        -------
        intervals : ndarray of shape (n_samples, 2)
            Lower and upper ends; infinite where there were too few rows for so large a share.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If `coverage` is no share, if there are several targets, if there are no quantiles but
            `method` asks for them, or if the splitter did not hold out every row once in every
            iteration.
        """
        check_is_fitted(self)
        owner = type(self).__name__
        given = {"coverage": coverage, "method": method, "around": around}
        check_parameters(owner, given, _INTERVAL)
        if self._residuals is None:
            raise ValueError(f"{owner}: intervals of several targets. Expected a single one.")
        self._check_every_row_held_out("CV+")
        errors = self._quantile_residuals
        if method == "auto":
            method = "cv+" if errors is None else "cqr"
        if method == "cv+":
            low = high = np.array([member.predict(X) for member in self.fold_estimators_])
            errors = self._residuals
        else:
            low, high, errors = self._outer_quantiles(X, coverage)
        member_of = self._member_of
        if around == "mean":
            (low, high), member_of = averaged_members(low, high, n_rows=len(errors))
        return cv_plus_intervals(low, member_of, errors, coverage, upper=high)

    def _outer_quantiles(self, X: Any, coverage: float) -> tuple[NDArray[np.float64], ...]:
        """Return the members' quantiles around the middle, and how far targets lie outside."""
        errors = self._quantile_residuals
        if errors is None:
            raise InvalidParameterError(
                f"{type(self).__name__}: method='cqr' goes by quantiles, but "
                f"{_why_no_quantiles(self.estimator)}, or method='cv+'."
            )
        levels = quantile_levels(self.fold_estimators_[0])
        low, high = (int(np.abs(levels - (1 + s * coverage) / 2).argmin()) for s in (-1, 1))
        outside = np.maximum(-errors[:, low], errors[:, high])
        quantiles = np.array([predicted_quantiles(m, X) for m in self.fold_estimators_])
        return quantiles[..., low], quantiles[..., high], outside

    def _set_target_attributes(self, y: Any) -> None:
        del y

    def _member_predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        return np.asarray(member.predict(X), float)

    def _score(self, y: NDArray[Any], predictions: NDArray[np.float64]) -> float:
        return float(r2_score(y, predictions)) if len(y) > 1 else math.nan


def _why_no_quantiles(estimator: Any) -> str:
    """Return why an estimator predicts none, and what would."""
    hidden = [n for n in nested_networks(estimator).values() if getattr(n, "quantiles", None)]
    if not hidden:
        return (
            "estimator predicts none. Expected an estimator with several, such as "
            "MLPRegressor(loss='quantile', quantiles=[0.05, 0.5, 0.95])"
        )
    wrapper = estimator
    while hasattr(wrapper, "steps") or isinstance(wrapper, BaseSearchCV):
        wrapper = wrapper.steps[-1][1] if hasattr(wrapper, "steps") else wrapper.estimator
    network = type(hidden[0]).__name__
    return (
        f"{type(wrapper).__name__} passes none of those on that {network} inside it predicts. "
        f"Expected the {network} itself, alone or at the end of a pipeline, with the targets "
        "transformed before fit"
    )


class KFoldEnsembleClassifier(BaseKFoldEnsemble, AveragingClassifier):
    """Mean probabilities of the fits of a cross-validation, each stopped on its held-out rows.

    Parameters
    ----------
    estimator : object
        Classifier with ``predict_proba``, such as `MLPClassifier` or a pipeline that ends in one;
        cloned, not fitted itself. If a network at its end has ``early_stopping=True``, it stops on
        the held-out rows of its fold, which go through all steps in front of it; no further rows
        are held out.
    cv : int, splitter or list of (train, test), default=5
        Number of shuffled folds, stratified by class, or what splits the rows.
    n_iterations : int, default=1
        Number of times that the rows are shuffled and split, if `cv` is a number.
    refit : int, "time" or None, default="time"
        Number of members that are fitted on all rows and predict instead of those of the folds.
        Networks are fitted for the number of epochs that was best in the mean over the folds.
        ``"time"``: as many as there are folds where `fit` is given `time`, or the splits are in
        order as those of ``TimeSeriesSplit``, else none.
    random_state : int, RandomState or None, default=None
        Decides the folds, and every ``random_state`` parameter inside each member.
    verbose : int, default=0
        1 shows the progress of networks in lockstep, and for other members that each is fitted.
    calibrate : "temperature" or None, default=None
        Divide the logits of all members by a temperature (Guo et al. 2017), that of least log
        loss on the rows that each did not learn from. No row is lost to it. Their mean is less
        sure than each of them (Ranjan and Gneiting 2010): only with ``n_iterations=2`` or more,
        when rows have several such members, can a temperature be above 1.

    Attributes
    ----------
    estimators_ : list of object
        The fitted members that predict: those of the folds, or with `refit` those fitted on all
        rows.
    fold_estimators_ : list of object
        The fitted members of the folds.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multilabel targets the column numbers.
    oof_predictions_ : ndarray of shape (n_samples, n_classes)
        Of each row, the mean probabilities by members that did not learn from it; NaN where every
        member did.
    temperature_ : float
        By what logits are divided; 1 without `calibrate`, above 1 where members are too sure.
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
        **CONSTRAINTS,
        "estimator": IS_CLASSIFIER,
        "calibrate": OneOf(None, "temperature"),
    }

    def __init__(
        self,
        estimator: Any,
        cv: Any = 5,
        n_iterations: int = 1,
        refit: int | Literal["time"] | None = "time",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        calibrate: Literal["temperature"] | None = None,
    ) -> None:
        super().__init__(estimator, cv, n_iterations, refit, random_state, verbose)
        self.calibrate = calibrate

    @available_if(gives_probabilities)
    @plainly_named
    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Predict the mean over the members of the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows in the form in which ``fit`` was given them.
        return_std : bool, default=False
            Also return how much the members differ. That is their disagreement, which is high for
            rows unlike those of ``fit``, and says nothing of noise that all of them know of.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``; for multilabel targets the probability of each label.
        std : ndarray of the same shape
            Standard deviation over the members; only with ``return_std=True``.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        by_member = self._by_member(self.estimators_, X)
        mean = by_member.mean(axis=0)
        return (mean, by_member.std(axis=0)) if return_std else mean

    @available_if(gives_probabilities)
    @plainly_named
    def predict_set(
        self,
        X: Any,
        coverage: float = 0.9,
        *,
        size_penalty: float = 0.0,
        allow_empty: bool = False,
        around: Literal["members", "mean"] = "members",
    ) -> NDArray[np.bool_]:
        """Predict sets of classes that hold the true one of so large a share of new rows.

        Adaptive sets (Romano, Sesia and Candès 2020) by CV+ (their Eq. 7): the most probable
        classes, as many as it takes, with what "probable" must mean learned from the rows that
        each member of the folds did not learn from. Whatever the members' probabilities are
        worth, for rows that are exchangeable with those of ``fit`` the sets hold the true class
        with a probability of at least about ``1 - 2 (1 - coverage)`` (Theorem 3), and in practice
        with one near `coverage`. That is over all rows: see `coverage_by_group` for groups.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows in the form in which ``fit`` was given them.
        coverage : float in (0, 1), default=0.9
            Share of rows whose class the sets are to hold.
        size_penalty : float >= 0, default=0.0
            What each further class costs (RAPS, Angelopoulos et al. 2021, with one class free).
            Where classes are many, 0.01 to 0.2 keep sets from becoming large.
        allow_empty : bool, default=False
            Where the ensemble is right more often than `coverage` asks for, exactly that share is
            held only if sets of some rows are empty. Otherwise they hold the most probable class,
            and the share is larger.
        around : {"members", "mean"}, default="members"
            ``"members"`` is CV+ as above. ``"mean"`` scores the classes of new rows by the mean of
            the members: smaller sets, in practice with a share closer to `coverage`, but without a
            theorem.

        Returns
        -------
        sets : ndarray of shape (n_samples, n_classes), bool
            Columns follow ``classes_``. Ties are broken by a random number that follows from the
            row, so a row has the same set in each call, whatever rows come with it.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        ValueError
            If an argument is not as described, if rows have several labels, or if the splitter did
            not hold out every row once in every iteration.
        """
        check_is_fitted(self)
        owner = type(self).__name__
        given = {
            "coverage": coverage, "size_penalty": size_penalty, "allow_empty": allow_empty,
            "around": around,
        }  # fmt: skip
        check_parameters(owner, given, _SET)
        if self._is_multilabel:
            raise ValueError(
                f"{owner}: sets of several labels. Expected one column of labels, for example an "
                "ensemble for each label."
            )
        self._check_every_row_held_out("CV+")
        by_member = self._by_member(self.fold_estimators_, X)
        rng = np.random.default_rng(self._seed)
        n_rows = len(self._codes)
        of_rows = adaptive_scores(self.oof_predictions_, rng.uniform(size=n_rows), size_penalty)
        shares = row_shares(X, by_member, self._seed)
        members, member_of = by_member, self._member_of
        if around == "mean":
            (members,), member_of = averaged_members(by_member, n_rows=n_rows)
        sets = cross_conformal_sets(
            members, member_of, of_rows[np.arange(n_rows), self._codes],
            shares, coverage, size_penalty,
        )  # fmt: skip
        if not allow_empty:
            empty = np.flatnonzero(~sets.any(axis=1))
            if len(empty):
                are_folds = self.estimators_ is self.fold_estimators_
                mean = by_member.mean(axis=0) if are_folds else self.predict_proba(X)
                sets[empty, mean.argmax(axis=1)[empty]] = True
        return sets

    def _set_target_attributes(self, y: Any) -> None:
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                f"{type(self).__name__}: y has several columns that are not 0 and 1. Expected one "
                "column of labels or a multilabel indicator."
            )
        self._is_multilabel = kind == "multilabel-indicator"
        if self._is_multilabel:
            self.classes_ = np.arange(y.shape[1])
        else:
            self.classes_, self._codes = np.unique(y, return_inverse=True)
            self._codes = self._codes.ravel()

    def _member_predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        probabilities = member.predict_proba(X)
        if isinstance(probabilities, list):
            # One array for each label, as scikit-learn's trees return them.
            return np.column_stack([label[:, -1] for label in probabilities])
        return np.asarray(probabilities, float)

    def _by_member(self, members: Sequence[Any], X: Any) -> NDArray[np.float64]:
        """Return what is averaged of each member, ``[n_members, n_samples, n_classes]``."""
        return np.array([self._combinable(m, self._member_predictions(m, X)) for m in members])

    def _combinable(self, member: Any, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        calibrated = tempered(predictions, self.temperature_, by_label=self._is_multilabel)
        if self._is_multilabel:
            return calibrated
        return aligned_probabilities(calibrated, member.classes_, self.classes_)

    def _learn_from_folds(
        self, y: NDArray[Any], folds: Sequence[tuple[Any, NDArray[Any], NDArray[np.float64]]]
    ) -> None:
        self.temperature_ = 1.0
        if self.calibrate is None:
            return
        if self._is_multilabel:
            held_out = [(rows, predictions) for _, rows, predictions in folds]
            self.temperature_ = temperature_of_folds(held_out, y.astype(float), by_label=True)
            return
        held_out = []
        for member, rows, predictions in folds:
            aligned = aligned_probabilities(predictions, member.classes_, self.classes_)
            # A class that a member has not learned from is no matter of temperature.
            is_known = np.isin(self.classes_[self._codes[rows]], member.classes_)
            held_out.append((rows, np.where(is_known[:, None], aligned, np.nan)))
        truth = np.eye(len(self.classes_))[self._codes]
        self.temperature_ = temperature_of_folds(held_out, truth, by_label=False)

    def _score(self, y: NDArray[Any], predictions: NDArray[np.float64]) -> float:
        if self._is_multilabel:
            return float(accuracy_score(y, predictions > DECISION_THRESHOLD))
        return float(accuracy_score(np.ravel(y), self.classes_[predictions.argmax(1)]))
