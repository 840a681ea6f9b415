"""Base of ensembles over folds: who learns from what, and who predicts what."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.multiclass import type_of_target

from skdl._compat_sklearn import check_method_params, num_samples, safe_split
from skdl._validation import (
    RANDOM_STATE,
    VERBOSE,
    AnyOf,
    Constraint,
    Integer,
    OneOf,
    Predicate,
    check_parameters,
)
from skdl.estimators.base import (
    FitMetadata,
    FitOverrides,
    RowMetadata,
    all_or_nothing,
    has_quantiles,
    plainly_named,
    predicted_quantiles,
)
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._arguments import MOST, check_data, weights_among
from skdl.model_selection._curves import mean_curve
from skdl.model_selection._lockstep import ensure_lockstep, with_sklearn_config
from skdl.model_selection._metadata import known_metadata, routed_splitter, split_rows
from skdl.model_selection._networks import nested_networks
from skdl.model_selection._random_splits import warn_about_random_splits
from skdl.model_selection._split import IteratedKFold, check_folds
from skdl.model_selection._time_split import are_in_order
from skdl.model_selection.ensembles._averaging import BaseAveraging
from skdl.model_selection.ensembles._out_of_fold import NO_MEMBER, OutOfFoldPredictions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["CONSTRAINTS", "BaseKFoldEnsemble"]


def _are_splits(value: Any) -> bool:
    """Tell whether a value holds positions of rows to train on and to test on."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(
            isinstance(split, list | tuple) and len(split) == _TRAIN_AND_TEST for split in value
        )
    )


_TRAIN_AND_TEST = 2
CONSTRAINTS: dict[str, Constraint] = {
    "cv": AnyOf(
        Integer(2, example=5),
        Predicate(
            lambda value: (
                (hasattr(value, "split") and not isinstance(value, str | bytes | type))
                or _are_splits(value)
            ),
            "a splitter of scikit-learn, such as KFold(5), or a list of (train, test)",
        ),
    ),
    "n_iterations": Integer(1, MOST, example=1),
    "refit": AnyOf(OneOf(None, "time"), Integer(1, MOST, example=5)),
    "random_state": RANDOM_STATE,
    "verbose": VERBOSE,
}
_ONE_LABEL = {"binary", "multiclass"}


class BaseKFoldEnsemble(BaseAveraging):
    """Base of ensembles whose members are the fits of a cross-validation."""

    def __init__(
        self,
        estimator: Any,
        cv: Any = 5,
        n_iterations: int = 1,
        refit: int | Literal["time"] | None = "time",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.n_iterations = n_iterations
        self.refit = refit
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _set_target_attributes(self, y: Any) -> None:
        """Check the targets, and set the fitted attributes that follow from them alone."""

    @abstractmethod
    def _member_predictions(self, member: Any, X: Any) -> NDArray[np.float64]:
        """Return what a member predicts."""

    def _combinable(self, member: Any, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a member's predictions in the form of which the mean is taken."""
        del member
        return predictions

    def _learn_from_folds(
        self, y: NDArray[Any], folds: Sequence[tuple[Any, NDArray[Any], NDArray[np.float64]]]
    ) -> None:
        """Learn from what members predict for rows that they did not learn from.

        Parameters
        ----------
        y : ndarray
            Of all rows.
        folds : sequence of (member, rows, predictions)
        """

    @abstractmethod
    def _score(self, y: NDArray[Any], predictions: NDArray[np.float64]) -> float:
        """Score means of predictions."""

    @plainly_named
    def fit(
        self, X: Any, y: Any = None, groups: Any = None, time: Any = None, **fit_params: Any
    ) -> Self:
        """Fit one member for each fold, networks in lockstep.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Handed to the members as it is.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group stay in one fold, where the splitter takes groups.
        time : array-like of shape (n_samples,) or str, default=None
            Numbers or dates, or the name of a column of `X`. Each member then learns from the rows
            before its fold, and a number of folds are those of `TimeOrderedSplit`: the earliest
            rows have no out-of-fold predictions, and the first members learn from few rows, which
            `refit` makes up for by default.
        **fit_params : dict
            Such as ``sample_weight``; those with one entry per row are split. They go to every
            member's ``fit``; with ``sklearn.set_config(enable_metadata_routing=True)`` those that
            it requests. Held-out rows count alike.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is not as described.

        Warns
        -----
        RandomSplitWarning
            If rows look ordered in time, or grouped, but neither `time` nor `groups` are given.
        """
        split_params = {} if groups is None else {"groups": groups}
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **split_params, **fit_params)
            split_params, fit_params = routed["splitter"]["split"], routed["estimator"]["fit"]
        return self.fit_routed(X, y, fit_params, split_params, time)

    def fit_routed(
        self,
        X: Any,
        y: Any,
        fit_params: Mapping[str, Any],
        split_params: Mapping[str, Any] | None = None,
        time: Any = None,
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
        time : array-like of shape (n_samples,) or str, default=None
            As in ``fit``.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        owner = type(self).__name__
        check_parameters(owner, self.get_params(deep=False), self._constraints)
        X, y, *_ = check_data(owner, self.estimator, X, y, **weights_among(fit_params))
        y = np.asarray(y) if isinstance(y, list) else y
        if num_samples(X) <= 1:
            raise ValueError(f"{owner}: n_samples=1 cannot be split. Expected 2 rows or more.")
        if not sparse.issparse(y):
            _check_finite(owner, np.asarray(y))
        rng = check_random_state(self.random_state)
        split_params = split_params or {}
        metadata = known_metadata(self, X, split_params, time)
        splitter = self._splitter(y, rng, metadata)
        splits, metadata = split_rows(owner, self.cv, splitter, X, y, metadata, split_params)
        warn_about_random_splits(owner, self.cv, X, splits, metadata, stacklevel=4)
        with all_or_nothing(self):
            self._is_by_time = are_in_order(splits, metadata.time)
            members = self._draw_members(rng, len(splits) + self._n_refitted(len(splits)))
            self._seed = int(rng.randint(np.iinfo(np.int32).max))
            self._set_target_attributes(y)
            folds, refitted = members[: len(splits)], members[len(splits) :]
            fits = [
                (member, X, y, fit_params, split, metadata)
                for member, split in zip(folds, splits, strict=True)
            ]
            folds, overrides = self._fit_members(fits)
            self.fold_estimators_ = self.estimators_ = folds
            self._set_out_of_fold(X, y, splits)
            self.best_epoch_ = _joint_best_epoch(overrides)
            if refitted:
                last_epoch = _last_epoch(self.best_epoch_, overrides)
                refits = [(member, X, y, fit_params, None, metadata) for member in refitted]
                self.estimators_, _ = self._fit_members(refits, last_epoch)
        return self

    def _n_refitted(self, n_folds: int) -> int:
        """Return how many members are fitted on all rows."""
        if isinstance(self.refit, str):
            return n_folds if self._is_by_time else 0
        return self.refit or 0

    def _fit_members(
        self, fits: Sequence[tuple[Any, ...]], last_epoch: tuple[int, int] | None = None
    ) -> tuple[list[Any], list[FitOverrides]]:
        """Return fitted members and what was seen of their fits, here or on workers.

        Each is fitted on the rows of its split, or on all.
        """
        holds_networks = bool(nested_networks(self.estimator))
        fit = delayed(with_sklearn_config(_fit_member))
        if not holds_networks:
            fitted = Parallel(verbose=self.verbose)(fit(*each, last_epoch) for each in fits)
        else:
            with ensure_lockstep(verbose=self.verbose):
                fitted = Parallel()(fit(*each, last_epoch) for each in fits)
        return [member for member, _ in fitted], [overrides for _, overrides in fitted]

    def _splitter(self, y: Any, rng: np.random.RandomState, metadata: RowMetadata) -> Any:
        if not isinstance(self.cv, int | np.integer):
            if self.n_iterations != 1:
                raise InvalidParameterError(
                    f"{type(self).__name__}: n_iterations={self.n_iterations} was given beside a "
                    "splitter. Expected cv as a number of folds, or a splitter that iterates "
                    "itself, such as IteratedKFold."
                )
            return check_cv(self.cv)
        seed = int(rng.randint(np.iinfo(np.int32).max))
        if metadata.time is not None:
            return check_folds(
                int(self.cv),
                n_iterations=int(self.n_iterations),
                time=metadata.time,
                gap=metadata.gap,
                owner=type(self).__name__,
            )
        return IteratedKFold(
            int(self.cv),
            int(self.n_iterations),
            seed,
            stratified=is_classifier(self) and type_of_target(y) in _ONE_LABEL,
        )

    def _set_out_of_fold(self, X: Any, y: Any, splits: Sequence[Any]) -> None:
        """Predict and score what each member did not see, and keep who predicted what."""
        n_rows = num_samples(X)
        held_out, quantiles = OutOfFoldPredictions(n_rows), OutOfFoldPredictions(n_rows)
        of_quantiles = has_quantiles(self.fold_estimators_[0])
        y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
        folds = []
        for i, (train, test) in enumerate(splits):
            member = self.fold_estimators_[i]
            X_test = safe_split(member, X, None, test, train)[0]
            folds.append((member, test, self._member_predictions(member, X_test)))
            if of_quantiles:
                quantiles.add(i, test, predicted_quantiles(member, X_test))
        self._learn_from_folds(y, folds)
        for i, (member, test, predictions) in enumerate(folds):
            held_out.add(i, test, self._combinable(member, predictions))
        self.oof_predictions_ = held_out.mean
        self._member_of = held_out.member_of
        self._residuals = self._quantile_residuals = None
        if not is_classifier(self) and self.oof_predictions_.ndim == 1:
            numbers = np.asarray(y, float).reshape(n_rows)
            self._residuals = np.abs(numbers - self.oof_predictions_)
            if of_quantiles:
                self._quantile_residuals = numbers[:, None] - quantiles.mean
        is_known = held_out.is_known
        self.oof_score_ = self._score(y[is_known], self.oof_predictions_[is_known])

    def _check_every_row_held_out(self, method: str) -> None:
        """Refuse a splitter by which some rows were predicted more often than others."""
        if (self._member_of == NO_MEMBER).any():
            if self._is_by_time:
                raise ValueError(
                    f"{type(self).__name__}: {method} asks for rows that are each held out equally "
                    "often, and for new rows that are like these. In the order of time the "
                    "earliest rows are trained on by all members. Expected folds that hold out "
                    "each row, and no time; cross_validate(..., time=...) tells how large errors "
                    "are."
                )
            raise ValueError(
                f"{type(self).__name__}: cv={self.cv!r} does not hold out every row equally often, "
                f"as {method} asks for. Expected a K-fold splitter."
            )

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata goes where: ``groups`` to the splitter, the rest to the members.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        splitter = routed_splitter(self.cv)
        to_splitter = MethodMapping().add(caller="fit", callee="split")
        return super().get_metadata_routing().add(splitter=splitter, method_mapping=to_splitter)


def _check_finite(owner: str, y: NDArray[Any]) -> None:
    try:
        assert_all_finite(y, input_name="y")
    except ValueError as error:
        raise ValueError(
            f"{owner}: {error} Expected a target for each row: leave out rows without one."
        ) from error


def _joint_best_epoch(overrides: Sequence[FitOverrides]) -> int | None:
    """Return the epoch (from 1) at which the mean over the folds was best; None without any."""
    with_history = [o for o in overrides if o.history]
    if not with_history:
        return None
    monitor, mode = with_history[0].monitor, with_history[0].mode
    histories = [o.history for o in with_history]
    kept_epochs = [o.kept_epoch for o in with_history]
    means = mean_curve(histories, monitor, kept_epochs)["mean"]
    return int(means.idxmin() if mode == "min" else means.idxmax())


def _last_epoch(
    best_epoch: int | None, overrides: Sequence[FitOverrides]
) -> tuple[int, int] | None:
    """Return after how many epochs members fitted on all rows end, and of how many."""
    n_epochs = max((o.n_epochs for o in overrides if o.n_epochs is not None), default=None)
    return None if best_epoch is None or n_epochs is None else (best_epoch, n_epochs)


def _fit_member(
    member: Any,
    X: Any,
    y: Any,
    fit_params: Mapping[str, Any],
    split: tuple[Any, Any] | None,
    metadata: RowMetadata,
    last_epoch: tuple[int, int] | None,
) -> tuple[Any, FitOverrides]:
    if split is None:
        with (
            FitOverrides(member, last_epoch=last_epoch) as overrides,
            FitMetadata(member, metadata),
        ):
            member.fit(X, y, **fit_params)
        return member, overrides
    train, test = split
    train_params = check_method_params(X, dict(fit_params), indices=train)
    X_train, y_train = safe_split(member, X, y, train)
    if is_classifier(member) and type_of_target(y) in _ONE_LABEL:
        # A network refuses labels that it does not know.
        labels = np.asarray(y).ravel()
        test = test[np.isin(labels[test], labels[train])]
    # Where its fold has none that it knows, a network holds out rows of its own.
    validation = safe_split(member, X, y, test, train) if len(test) else None
    known = FitMetadata(member, metadata.of_rows(train))
    with FitOverrides(member, validation=validation) as overrides, known:
        member.fit(X_train, y_train, **train_params)
    return member, overrides
