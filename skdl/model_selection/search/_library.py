"""The library of a search: what its trials predict of held-out rows, and which to average.

Caruana et al. (2004, "Ensemble selection from libraries of models", ICML): start with the best
model; again and again add the one, with replacement, that makes the ensemble score best on rows
that none of them learned from. Here these are the held-out rows of each fold, and what is added is
a trial, the estimators of all its folds.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone, is_classifier
from sklearn.utils.multiclass import type_of_target

from skdl._compat_sklearn import check_method_params, safe_split
from skdl.estimators.base import FitMetadata
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._lockstep import ensure_lockstep, with_sklearn_config
from skdl.model_selection._time_split import are_in_order
from skdl.model_selection.ensembles import (
    TrialEnsembleClassifier,
    TrialEnsembleRegressor,
    aligned_probabilities,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from skdl.model_selection.cross_validation import Fold, Folds

    # Scores several candidates at once: predictions ``[n_candidates, n_rows, ...]`` to numbers.
    Score = Callable[[NDArray[np.float64]], NDArray[np.float64]]

__all__ = ["DEFAULT_SIZE", "Library"]

DEFAULT_SIZE = 50
# Where each candidate needs a call of the scorer, only the best so many trials are candidates.
_MOST_CALLED = 25


@dataclasses.dataclass(frozen=True)
class _Model:
    """One trial: its estimators, and what each predicts of the rows held out from it."""

    estimators: list[Any]
    predictions: list[NDArray[np.float64]]


class Library:
    """Fold estimators of the completed trials of one search, with their predictions.

    Parameters
    ----------
    estimator : object
        What is searched.
    folds : Folds
    scoring : str, callable or None
        As the search has it; some names are scored many candidates at a time.

    Raises
    ------
    InvalidParameterError
        If its predictions cannot be averaged.
    """

    def __init__(self, estimator: Any, folds: Folds, scoring: Any) -> None:
        self._folds = folds
        self._scoring = scoring
        self._classes: NDArray[Any] | None = None
        self._models: dict[int, _Model] = {}
        if not is_classifier(estimator):
            if not hasattr(estimator, "predict"):
                raise InvalidParameterError(_told(f"{type(estimator).__name__} has no predict"))
            return
        if not hasattr(estimator, "predict_proba"):
            raise InvalidParameterError(_told(f"{type(estimator).__name__} has no predict_proba"))
        if type_of_target(folds.y) not in {"binary", "multiclass"}:
            raise InvalidParameterError(_told("y has several labels for each row"))
        self._classes = np.unique(np.asarray(folds.y))

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, number: int) -> bool:
        return number in self._models

    def add(self, number: int, folds: Sequence[Fold]) -> None:
        """Keep a completed trial; one of whose folds failed has nothing to give for it."""
        if any(fold.result["fit_error"] is not None for fold in folds):
            return
        estimators = [fold.result["estimator"] for fold in folds]
        predictions = []
        for estimator, (train, test) in zip(estimators, self._folds.splits, strict=True):
            X_test = safe_split(estimator, self._folds.X, None, test, train)[0]
            if self._classes is None:
                predictions.append(np.asarray(estimator.predict(X_test), float))
            else:
                own = estimator.predict_proba(X_test)
                predictions.append(aligned_probabilities(own, estimator.classes_, self._classes))
        self._models[number] = _Model(estimators, predictions)

    def ensemble(self, size: int) -> TrialEnsembleClassifier | TrialEnsembleRegressor:
        """Select trials, with replacement.

        Parameters
        ----------
        size : int
            How many are selected at most, repeats included. Of the ensembles that come about one
            after the other, the best is taken, of equals the smallest.

        Returns
        -------
        ensemble : TrialEnsembleClassifier or TrialEnsembleRegressor
            Of the fold estimators; in the order of time, where most of these know of few rows,
            of the same estimators fitted anew on all rows.
        """
        numbers = sorted(self._models)
        scores = self._scores()
        stacks = self._stacks(numbers)
        if self._metric is None:
            alone = np.mean([score(own) for score, own in zip(scores, stacks, strict=True)], 0)
            numbers = [numbers[i] for i in np.argsort(-alone, kind="stable")[:_MOST_CALLED]]
            stacks = self._stacks(numbers)
        totals = [np.zeros(stack.shape[1:]) for stack in stacks]
        chosen: list[int] = []
        reached: list[float] = []
        for n in range(1, size + 1):
            found = np.mean(
                [
                    score((total + stack) / n)
                    for score, total, stack in zip(scores, totals, stacks, strict=True)
                ],
                axis=0,
            )
            if np.isnan(found).all():
                raise ValueError(_told("the score of every mean is NaN on the held-out rows"))
            best = int(np.nanargmax(found))
            chosen.append(best)
            reached.append(float(found[best]))
            totals = [total + stack[best] for total, stack in zip(totals, stacks, strict=True)]
        chosen = chosen[: int(np.argmax(reached)) + 1]
        weights = {numbers[i]: chosen.count(i) / len(chosen) for i in dict.fromkeys(chosen)}
        members = self._members(list(weights))
        means = [
            np.average(self._stacked(list(weights), k), axis=0, weights=list(weights.values()))
            for k in range(len(scores))
        ]
        score = float(np.mean([self._call(k, mean) for k, mean in enumerate(means)]))
        if self._classes is None:
            return TrialEnsembleRegressor(members, weights, score)
        return TrialEnsembleClassifier(members, weights, score, self._classes)

    def _members(self, numbers: Sequence[int]) -> dict[int, list[Any]]:
        """Return the estimators that are to predict, by trial."""
        members = {number: self._models[number].estimators for number in numbers}
        if not are_in_order(self._folds.splits, self._folds.metadata.time):
            return members
        fit = delayed(with_sklearn_config(_fitted_on_all))
        with ensure_lockstep():
            fitted = Parallel()(fit(clone(own[0]), self._folds) for own in members.values())
        return {number: [own] for number, own in zip(members, fitted, strict=True)}

    def _stacked(self, numbers: Sequence[int], fold: int) -> NDArray[np.float64]:
        return np.stack([self._models[number].predictions[fold] for number in numbers])

    def _stacks(self, numbers: Sequence[int]) -> list[NDArray[np.float64]]:
        """Return for each fold what its score needs of the candidates' predictions."""
        stacks = [self._stacked(numbers, k) for k in range(len(self._folds.splits))]
        if self._metric is None:
            return stacks
        targets = [self._targets[test] for _, test in self._folds.splits]
        return [self._metric.needed(y, s) for y, s in zip(targets, stacks, strict=True)]

    # ------------------------------------------------------------------ scores

    @functools.cached_property
    def _metric(self) -> _Metric | None:
        """What scores all candidates at once; None where each needs a call of the scorer."""
        of_classes = self._classes is not None
        metrics = _OF_CLASSES if of_classes else _OF_NUMBERS
        # None is the estimator's own score; that of the ensemble is scikit-learn's.
        name = ("accuracy" if of_classes else "r2") if self._scoring is None else self._scoring
        metric = metrics.get(name) if isinstance(name, str) else None
        if metric is None or not (of_classes or np.ndim(self._folds.y) == 1):
            return None
        if self._classes is not None and metric.is_binary and len(self._classes) != 2:
            return None
        known = {"sample_weight"} if metric.takes_weights else set()
        return metric if set(self._folds.score_params) <= known else None

    @functools.cached_property
    def _targets(self) -> NDArray[Any]:
        """Numbers, or positions among the classes."""
        y = np.asarray(self._folds.y)
        return y.astype(float) if self._classes is None else np.searchsorted(self._classes, y)

    def _scores(self) -> list[Score]:
        """Return for each fold what scores candidates on its held-out rows."""
        splits = self._folds.splits
        if self._metric is None:
            return [functools.partial(self._called, k) for k in range(len(splits))]
        weights = self._folds.score_params.get("sample_weight")
        weights = np.ones(len(self._targets)) if weights is None else np.asarray(weights, float)
        return [
            functools.partial(
                self._metric.score, self._targets[test], weights[test] / weights[test].sum()
            )
            for _, test in splits
        ]

    def _called(self, fold: int, candidates: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([self._call(fold, own) for own in candidates])

    def _call(self, fold: int, predictions: NDArray[np.float64]) -> float:
        """Score predictions of a fold's held-out rows by the scorer of the search."""
        train, test = self._folds.splits[fold]
        given: _Given | _GivenClasses
        if self._classes is None:
            given = _Given(predictions)
        else:
            given = _GivenClasses(predictions, self._classes)
        X, y = safe_split(given, self._folds.X, self._folds.y, test, train)
        params = check_method_params(self._folds.X, dict(self._folds.score_params), indices=test)
        return float(self._folds.scorer(given, X, y, **params))


def _fitted_on_all(estimator: Any, folds: Folds) -> Any:
    with FitMetadata(estimator, folds.metadata):
        return estimator.fit(folds.X, folds.y, **folds.fit_params)


def _told(problem: str) -> str:
    return (
        f"OptunaSearchCV: refit='ensemble', but {problem}. Expected a classifier with "
        "predict_proba and one label for each row, or a regressor, so that predictions can be "
        "averaged; pass refit=True to fit the best parameters alone."
    )


class _Given(RegressorMixin, BaseEstimator):
    """Stands in for an estimator whose predictions are known."""

    def __init__(self, predictions: NDArray[np.float64]) -> None:
        self.predictions = predictions

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> NDArray[np.float64]:
        del X
        return self.predictions


class _GivenClasses(ClassifierMixin, BaseEstimator):
    """Stands in for a classifier whose probabilities are known."""

    def __init__(self, predictions: NDArray[np.float64], classes: NDArray[Any]) -> None:
        self.predictions = predictions
        self.classes_ = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> NDArray[Any]:
        del X
        return self.classes_[self.predictions.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        del X
        return self.predictions


def _all_of_it(y: NDArray[Any], candidates: NDArray[np.float64]) -> NDArray[np.float64]:
    del y
    return candidates


@dataclasses.dataclass(frozen=True)
class _Metric:
    """One of scikit-learn's metrics, for many candidates at a time.

    Attributes
    ----------
    score : callable
        ``score(y, weights, candidates)`` of the rows of one fold, whose weights add up to 1; `y`
        are numbers, or positions among the classes.
    needed : callable
        ``needed(y, candidates)`` returns what `score` needs of predictions; the mean of some
        predictions needs the mean of it.
    takes_weights : bool
    is_binary : bool
        Whether it is for two classes alone.
    """

    score: Callable[..., NDArray[np.float64]]
    needed: Callable[..., NDArray[np.float64]] = _all_of_it
    takes_weights: bool = True
    is_binary: bool = False


def _of_own_class(y: NDArray[Any], candidates: NDArray[np.float64]) -> NDArray[np.float64]:
    return candidates[:, np.arange(len(y)), y]


def _of_second_class(y: NDArray[Any], candidates: NDArray[np.float64]) -> NDArray[np.float64]:
    del y
    return candidates[:, :, 1]


def _negative_log_loss(
    y: NDArray[Any], weights: NDArray[np.float64], own: NDArray[np.float64]
) -> NDArray[np.float64]:
    del y
    epsilon = np.finfo(float).eps
    return np.log(np.clip(own, epsilon, 1 - epsilon)) @ weights


def _accuracy(
    y: NDArray[Any], weights: NDArray[np.float64], candidates: NDArray[np.float64]
) -> NDArray[np.float64]:
    return (candidates.argmax(axis=2) == y) @ weights


def _roc_auc(
    y: NDArray[Any], weights: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of pairs in the right order, by Mann and Whitney's ranks; of ties half."""
    del weights
    n_second = int(y.sum())
    ranks = rankdata(second, axis=1)[:, y == 1].sum(axis=1)
    return (ranks - n_second * (n_second + 1) / 2) / (n_second * (len(y) - n_second))


def _negative_mse(
    y: NDArray[np.float64], weights: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    return -(np.square(values - y) @ weights)


def _negative_rmse(
    y: NDArray[np.float64], weights: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    return -np.sqrt(-_negative_mse(y, weights, values))


def _negative_mae(
    y: NDArray[np.float64], weights: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    return -(np.abs(values - y) @ weights)


def _r2(
    y: NDArray[np.float64], weights: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    mse = -_negative_mse(y, weights, values)
    variance = float(np.square(y - y @ weights) @ weights)
    # As scikit-learn has it of targets that are all the same.
    return 1 - mse / variance if variance else np.where(mse, 0.0, 1.0)


_OF_CLASSES = {
    "neg_log_loss": _Metric(_negative_log_loss, _of_own_class),
    "accuracy": _Metric(_accuracy),
    "roc_auc": _Metric(_roc_auc, _of_second_class, takes_weights=False, is_binary=True),
}
_OF_NUMBERS = {
    "neg_mean_squared_error": _Metric(_negative_mse),
    "neg_root_mean_squared_error": _Metric(_negative_rmse),
    "neg_mean_absolute_error": _Metric(_negative_mae),
    "r2": _Metric(_r2),
}
