"""Cross-validation in lockstep, with a baseline, contenders and training curves beside scores."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring

from skdl._compat_model_selection import insert_error_scores, warn_about_fit_failures
from skdl._validation import (
    ERROR_SCORE,
    VERBOSE,
    AnyOf,
    Boolean,
    OneOf,
    Predicate,
    check_parameters,
)
from skdl.estimators.base import RowMetadata
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._arguments import (
    ESTIMATOR,
    N_JOBS,
    SCORING,
    check_data,
    weights_among,
)
from skdl.model_selection._duplicates import warn_about_duplicates
from skdl.model_selection._metadata import split_rows
from skdl.model_selection._networks import core_of
from skdl.model_selection._random_splits import warn_about_random_splits
from skdl.model_selection._split import CONSTRAINTS, SHUFFLE_SEED, check_folds, splits_per_iteration
from skdl.model_selection.cross_validation._folds import Fold, Folds, unscored
from skdl.model_selection.cross_validation._result import CrossValidationResult
from skdl.model_selection.cross_validation._routing import params_for_contender, routed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["cross_validate"]

_OWNER = "cross_validate"
_BASELINE = "baseline"


_CONSTRAINTS = {
    "estimator": ESTIMATOR,
    "scoring": SCORING,
    "n_jobs": N_JOBS,
    "cv": CONSTRAINTS["cv"],
    "n_iterations": CONSTRAINTS["n_iterations"],
    "baseline": AnyOf(
        Boolean(),
        Predicate(
            lambda value: hasattr(value, "__array__") or isinstance(value, list | tuple),
            "an array of predictions, one for each row of X",
        ),
    ),
    "compare_with": AnyOf(
        OneOf(None),
        Predicate(
            lambda value: (
                isinstance(value, dict)
                and all(isinstance(k, str) and ESTIMATOR.accepts(v) for k, v in value.items())
            ),
            "a dict from names to estimators",
        ),
    ),
    "return_train_score": Boolean(),
    "return_estimator": Boolean(),
    "return_predictions": Boolean(),
    "return_indices": Boolean(),
    "params": AnyOf(
        OneOf(None),
        Predicate(
            lambda value: isinstance(value, Mapping) and all(isinstance(k, str) for k in value),
            "a dict from names of arguments to values",
        ),
    ),
    "error_score": ERROR_SCORE,
    "verbose": VERBOSE,
}


def cross_validate(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    cv: Any = 5,
    n_iterations: int = 1,
    scoring: Any = None,
    groups: Any = None,
    time: Any = None,
    baseline: Any = True,
    compare_with: Mapping[str, Any] | None = None,
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_predictions: bool = False,
    return_indices: bool = False,
    n_jobs: int | None = None,
    params: Mapping[str, Any] | None = None,
    error_score: float | Literal["raise"] = np.nan,
    verbose: int = 0,
) -> CrossValidationResult:
    """Cross-validate an estimator, all folds of its networks trained together.

    Scores are those of scikit-learn's function of this name on the same splits. The result also
    has a table with confidence intervals, a baseline and other estimators on the same splits; a
    training curve of each fold, scored on its held-out rows; and `refit`.

    Parameters
    ----------
    estimator : object
        A network, or a Pipeline or the like around one; also any other estimator.
    X : array-like of shape (n_samples, ...)
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets.
    cv : int, splitter or iterable of (train, test), default=5
        Number of folds, stratified for classifiers and kept by group, or with times expanding
        windows; or the splits themselves.
    n_iterations : int, default=1
        Number of times that the K folds are repeated, shuffled anew each time (see
        `IteratedKFold`; the same shuffles in every call). With 1, the rows keep their order, as in
        scikit-learn.
    scoring : str, callable, list, tuple or dict, default=None
        As scikit-learn's: one metric or several; None is the estimator's own ``score``.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group stay on one side of a split, also where networks that stop early, searches
        and K-fold ensembles inside `estimator` split the rows again.
    time : array-like of shape (n_samples,) or str, default=None
        Numbers, dates (as ISO 8601 texts too), or the name of a column of `X`, which stays a
        feature. No later row is trained on to judge an earlier one, here and wherever those inside
        `estimator` split the rows again, which keep a gap too. A number as `cv` stands for
        `TimeOrderedSplit`; other splits must keep to the order. Not together with `groups`.
    baseline : bool or array-like of shape (n_samples,) or (n_samples, n_outputs), default=True
        Also score scikit-learn's dummy, which predicts the mean or the class frequencies; or the
        predictions given, one for each row, such as those of `Windows.naive`.
    compare_with : dict of str to estimator, default=None
        Other estimators to score on the same splits. They get those of `params` for which their
        ``fit`` has an argument (with metadata routing enabled: those that they request).
    return_train_score : bool, default=False
        Score the training rows too.
    return_estimator : bool, default=False
        Keep the fitted estimators, under the key ``estimator``.
    return_predictions : bool, default=False
        Keep out-of-fold predictions, see `CrossValidationResult.predictions`.
    return_indices : bool, default=False
        Keep the rows of each split, under the key ``indices``.
    n_jobs : int or None, default=None
        As scikit-learn's, for estimators that hold no network. Networks train together.
    params : dict, default=None
        Arguments of ``fit``, such as ``sample_weight``; with metadata routing enabled, also of
        the splitter and the scorer.
    error_score : "raise" or float, default=nan
        Score of a fold whose fit fails; one that fails does not stop the others.
    verbose : int, default=0
        1 shows progress, from 2 on scikit-learn tells of each fold.

    Returns
    -------
    result : CrossValidationResult
        A dict as scikit-learn returns it, and more. Folds train together, so ``fit_time`` and
        ``score_time`` of networks are shares of the time of all folds.

    Raises
    ------
    InvalidParameterError
        If a parameter is not as described, or a split trains on rows later than some it judges.
    ValueError
        If all fits of `estimator` fail.

    Warns
    -----
    DuplicateRowsWarning
        If rows that are exactly equal stand on both sides of splits.
    RandomSplitWarning
        If rows look ordered in time, or grouped, but neither `time` nor `groups` are given.
    FitFailedWarning
        If some fits fail.
    UserWarning
        If the held-out rows of some folds cannot be scored after each epoch.

    See Also
    --------
    sklearn.model_selection.cross_validate : Without lockstep, baseline and curves.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl import MLPRegressor
    >>> from skdl.model_selection import cross_validate
    >>> X, y = load_diabetes(return_X_y=True)
    >>> pipe = make_pipeline(StandardScaler(), MLPRegressor(16, epochs=20, random_state=0))
    >>> result = cross_validate(pipe, X, y, n_iterations=2, compare_with={"ridge": Ridge()})
    >>> result["test_score"].shape
    (10,)
    >>> list(result.summary().loc["score"].index)
    ['MLPRegressor', 'baseline', 'ridge']
    >>> model = result.refit()
    """
    given = locals()
    check_parameters(_OWNER, {name: given[name] for name in _CONSTRAINTS}, _CONSTRAINTS)
    params = {} if params is None else dict(params)
    X, y, groups, *_ = check_data(_OWNER, estimator, X, y, groups=groups, **weights_among(params))
    splitter = check_folds(
        cv,
        y,
        n_iterations=n_iterations,
        is_classifier=is_classifier(estimator),
        groups=params.get("groups", groups),
        time=time,
        random_state=SHUFFLE_SEED,
        owner=_OWNER,
    )
    scorer = check_scoring(estimator, scoring=scoring, raise_exc=error_score == "raise")
    routes = routed(_OWNER, params, groups, estimator=estimator, scorer=scorer, splitter=splitter)
    split_params = routes.splitter.split
    metadata = RowMetadata.checked(_OWNER, X, split_params.get("groups"), time)
    splits, metadata = split_rows(_OWNER, cv, splitter, X, y, metadata, split_params)
    warn_about_random_splits(_OWNER, cv, X, splits, metadata)
    if y is not None:
        warn_about_duplicates(X, y, splits, _OWNER)
    name = type(core_of(estimator)).__name__
    is_given = not isinstance(baseline, bool | np.bool_)
    contenders = _contenders(name, estimator, baseline=baseline, others=compare_with)
    predicted = _checked_predictions(baseline, y) if is_given else None
    shared = Folds(
        X,
        y,
        splits,
        scorer,
        fit_params=routes.estimator.fit,
        score_params=routes.scorer.score,
        metadata=metadata,
        error_score=error_score,
        return_train_score=return_train_score,
        return_predictions=return_predictions,
        return_estimator=return_estimator,
    )
    folds = shared.run(estimator, n_jobs=n_jobs, verbose=verbose)
    warn_about_fit_failures([fold.result for fold in folds], error_score)
    if problem := unscored(folds):
        message = f"{_OWNER}: {problem} There are no histories of these folds."
        warnings.warn(message, UserWarning, stacklevel=2)
    scores = _as_dict(folds, error_score, return_train_score=return_train_score)
    metrics = [key.removeprefix("test_") for key in scores if key.startswith("test_")]
    if return_estimator:
        scores["estimator"] = [fold.result["estimator"] for fold in folds]
    if return_indices:
        train, test = zip(*([r.astype(np.intp) for r in split] for split in splits), strict=True)
        scores["indices"] = {"train": train, "test": test}

    others: dict[str, dict[str, Any]] = {}
    for contender_name, contender in contenders.items():
        contender_scorer = check_scoring(
            contender, scoring=scoring, raise_exc=error_score == "raise"
        )
        fit_params, score_params = params_for_contender(contender, contender_scorer, params)
        is_baseline = contender_name == _BASELINE and predicted is not None
        contender_folds = dataclasses.replace(
            shared,
            X=predicted if is_baseline else X,
            scorer=contender_scorer,
            fit_params=fit_params,
            score_params=score_params,
            return_train_score=False,
            return_predictions=False,
            return_estimator=False,
        ).run(contender, n_jobs=n_jobs, verbose=verbose)
        others[contender_name] = _of_contender(
            contender_name, contender_folds, metrics, error_score
        )

    per_iteration = splits_per_iteration(splitter, len(splits))
    iterations, fold_numbers = np.divmod(np.arange(len(splits)), per_iteration)
    return CrossValidationResult(
        scores,
        metrics=metrics,
        estimator=estimator,
        estimator_name=name,
        splits=splits,
        iterations=iterations,
        folds=fold_numbers,
        histories=[fold.history for fold in folds],
        kept_epochs=[fold.kept_epoch for fold in folds],
        contenders=others,
        predictions=_joined(folds, iterations, fold_numbers) if return_predictions else None,
        X=X,
        y=y,
        fit_params=routes.estimator.fit,
        scoring=scoring if isinstance(scoring, str) else None,
    )


def _contenders(
    name: str, estimator: Any, *, baseline: Any, others: Mapping[str, Any] | None
) -> dict[str, Any]:
    automatic: dict[str, Any] = {}
    if not isinstance(baseline, bool | np.bool_):
        is_of_classes = is_classifier(estimator)
        automatic[_BASELINE] = _GivenLabels() if is_of_classes else _GivenNumbers()
    elif baseline:
        automatic[_BASELINE] = DummyClassifier() if is_classifier(estimator) else DummyRegressor()
    others = dict(others or {})
    taken = ({name} | set(automatic)) & set(others)
    if taken:
        raise InvalidParameterError(
            f"{_OWNER}: compare_with uses the names {sorted(taken)}, under which the summary shows "
            "the estimator itself and the baseline. Expected other names."
        )
    return automatic | others


class _Given(BaseEstimator):
    """Predictions that were made before: each row of X is the prediction itself."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn nothing."""
        del X, y
        return self

    def predict(self, X: Any) -> Any:
        """Return what was given."""
        return X

    def __sklearn_is_fitted__(self) -> bool:
        return True


class _GivenNumbers(RegressorMixin, _Given):
    """Numbers that were predicted before."""


class _GivenLabels(ClassifierMixin, _Given):
    """Labels that were predicted before."""


def _checked_predictions(baseline: Any, y: Any) -> NDArray[Any]:
    predictions, expected = np.asarray(baseline), np.shape(y)
    if predictions.shape != expected or not expected:
        raise InvalidParameterError(
            f"{_OWNER}: baseline has shape {predictions.shape}, and y has {expected}. Expected a "
            "prediction for each target, True or False."
        )
    return predictions


def _as_dict(
    folds: Sequence[Fold], error_score: Any, *, return_train_score: bool
) -> dict[str, Any]:
    """Return the scores as scikit-learn's function does."""
    results = [fold.result for fold in folds]
    insert_error_scores(results, error_score)
    scores: dict[str, Any] = {
        name: np.array([result[name] for result in results]) for name in ("fit_time", "score_time")
    }
    names = list(results[0]["test_scores"]) if _is_multimetric(results) else ["score"]
    for metric in names:
        for rows in ["test", "train"] if return_train_score else ["test"]:
            values = [result[f"{rows}_scores"] for result in results]
            if _is_multimetric(results):
                values = [each[metric] for each in values]
            scores[f"{rows}_{metric}"] = np.array(values)
    return scores


def _is_multimetric(results: Sequence[Mapping[str, Any]]) -> bool:
    return isinstance(results[0]["test_scores"], dict)


def _of_contender(
    name: str, folds: Sequence[Fold], metrics: Sequence[str], error_score: Any
) -> dict[str, Any]:
    """Return a contender's scores; one that fails leaves the estimator's own in place."""
    failed = [fold.result["fit_error"] for fold in folds if fold.result["fit_error"] is not None]
    if failed:
        warnings.warn(
            f"{_OWNER}: {len(failed)} of {len(folds)} fits of {name!r} in compare_with failed and "
            f"count as {error_score}. Fit it on its own, or pass error_score='raise', to see why. "
            f"The first error was:\n{failed[0]}",
            FitFailedWarning,
            stacklevel=3,
        )
    if len(failed) == len(folds):
        missing = np.full(len(folds), error_score)
        return {"fit_time": missing * np.nan, **{f"test_{m}": missing for m in metrics}}
    return _as_dict(folds, error_score, return_train_score=False)


def _joined(
    folds: Sequence[Fold], iterations: NDArray[np.int_], fold_numbers: NDArray[np.int_]
) -> pd.DataFrame:
    """Return the out-of-fold predictions of all folds as one table."""
    tables = []
    for fold, iteration, fold_number in zip(folds, iterations, fold_numbers, strict=True):
        if fold.predictions is not None:
            table = fold.predictions.copy()
            table.insert(0, "fold", fold_number)
            table.insert(0, "iteration", iteration)
            tables.append(table)
    if not tables:
        return pd.DataFrame(columns=["iteration", "fold", "row", "y_true", "y_pred"])
    return pd.concat(tables, ignore_index=True)
