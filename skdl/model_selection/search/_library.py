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
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.utils.multiclass import type_of_target

from skdl._compat_sklearn import check_method_params, safe_split
from skdl.exceptions import InvalidParameterError
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
                predictions.append(aligned_probabilities(estimator, X_test, self._classes))
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
        """
        numbers = sorted(self._models)
        scores = self._scores()
        alone = np.mean([score(self._stacked(numbers, k)) for k, score in enumerate(scores)], 0)
        if not self._is_fast:
            numbers = [numbers[i] for i in np.argsort(-alone, kind="stable")[:_MOST_CALLED]]
        stacks = [self._stacked(numbers, k) for k in range(len(scores))]
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
            best = int(np.nanargmax(found))
            chosen.append(best)
            reached.append(float(found[best]))
            totals = [total + stack[best] for total, stack in zip(totals, stacks, strict=True)]
        chosen = chosen[: int(np.argmax(reached)) + 1]
        weights = {numbers[i]: chosen.count(i) / len(chosen) for i in dict.fromkeys(chosen)}
        members = {number: self._models[number].estimators for number in weights}
        means = [
            np.average(self._stacked(list(weights), k), axis=0, weights=list(weights.values()))
            for k in range(len(scores))
        ]
        score = float(np.mean([self._call(k, mean) for k, mean in enumerate(means)]))
        if self._classes is None:
            return TrialEnsembleRegressor(members, weights, score)
        return TrialEnsembleClassifier(members, weights, score, self._classes)

    def _stacked(self, numbers: Sequence[int], fold: int) -> NDArray[np.float64]:
        return np.stack([self._models[number].predictions[fold] for number in numbers])

    # ------------------------------------------------------------------ scores

    @functools.cached_property
    def _is_fast(self) -> bool:
        """Whether all candidates can be scored at once."""
        is_one_column = self._classes is not None or np.ndim(self._folds.y) == 1
        kinds = _OF_CLASSES if self._classes is not None else _OF_NUMBERS
        known = isinstance(self._scoring, str) and self._scoring in kinds
        return known and is_one_column and not self._folds.score_params

    def _scores(self) -> list[Score]:
        """Return for each fold what scores candidates on its held-out rows."""
        splits = self._folds.splits
        if not self._is_fast:
            return [functools.partial(self._called, k) for k in range(len(splits))]
        y = np.asarray(self._folds.y)
        if self._classes is None:
            of_numbers = _OF_NUMBERS[self._scoring]
            return [functools.partial(of_numbers, y[t].astype(float)) for _, t in splits]
        of_classes, labels = _OF_CLASSES[self._scoring], np.searchsorted(self._classes, y)
        return [functools.partial(of_classes, labels[t]) for _, t in splits]

    def _called(self, fold: int, candidates: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([self._call(fold, own) for own in candidates])

    def _call(self, fold: int, predictions: NDArray[np.float64]) -> float:
        """Score predictions of a fold's held-out rows by the scorer of the search."""
        train, test = self._folds.splits[fold]
        given: _Given | _GivenClasses
        given = _Given(predictions)
        if self._classes is not None:
            given = _GivenClasses(predictions, self._classes)
        X, y = safe_split(given, self._folds.X, self._folds.y, test, train)
        params = check_method_params(self._folds.X, dict(self._folds.score_params), indices=test)
        return float(self._folds.scorer(given, X, y, **params))


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


def _negative_log_loss(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    own = probabilities[:, np.arange(len(labels)), labels]
    epsilon = np.finfo(float).eps
    return np.log(np.clip(own, epsilon, 1 - epsilon)).mean(axis=1)


def _accuracy(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return (probabilities.argmax(axis=2) == labels).mean(axis=1)


def _negative_mse(y: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.square(values - y).mean(axis=1)


def _negative_rmse(y: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.sqrt(-_negative_mse(y, values))


def _negative_mae(y: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.abs(values - y).mean(axis=1)


def _r2(y: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 + _negative_mse(y, values) / y.var()


_OF_CLASSES = {"neg_log_loss": _negative_log_loss, "accuracy": _accuracy}
_OF_NUMBERS = {
    "neg_mean_squared_error": _negative_mse,
    "neg_root_mean_squared_error": _negative_rmse,
    "neg_mean_absolute_error": _negative_mae,
    "r2": _r2,
}
