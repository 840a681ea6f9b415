"""Fitting and scoring an estimator on every split, all networks among the fits in lockstep."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.utils import parallel

from skdl._compat_model_selection import fit_and_score, only_predicts
from skdl._compat_sklearn import check_method_params, safe_split
from skdl._lazy_rows import views_of
from skdl.estimators.base import FitMetadata, HeldOutScoring, RowMetadata
from skdl.model_selection._lockstep import ensure_lockstep, with_sklearn_config
from skdl.model_selection._networks import nested_networks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from skdl.training import Observer

__all__ = ["Fold", "Folds", "unscored"]

# Rows, height and width; or rows, length and channels.
_AXES_OF_IMAGES = 3


@dataclasses.dataclass
class Fold:
    """Outcome of one split.

    Parameters
    ----------
    result : dict
        As scikit-learn's functions get it for one split: ``test_scores``, ``fit_time``,
        ``score_time``, ``fit_error``, ``estimator`` and, if asked for, ``train_scores``.
    history : dict of str to list of float
        See `HeldOutScoring`; empty where the estimator holds no network.
    predictions : DataFrame or None
        Of the held-out rows.
    kept_epoch : int or None
        See `HeldOutScoring`.
    problem : str or None
        Why the held-out rows were not scored after each epoch.
    """

    result: dict[str, Any]
    history: dict[str, list[float]]
    predictions: pd.DataFrame | None = None
    kept_epoch: int | None = None
    problem: str | None = None


def unscored(folds: Sequence[Fold]) -> str:
    """Return what to say of folds whose held-out rows were not scored each epoch; "" if all were.

    Of a fold whose fit or score failed altogether, others tell.
    """
    problems = [f.problem for f in folds if f.problem and _is_scored(f.result)]
    if not problems:
        return ""
    return (
        f"The held-out rows of {len(problems)} of {len(folds)} folds could not be scored after "
        f"each epoch ({problems[0]}). Expected that they pass through the steps in front of the "
        "network, and hold no label that its training rows lack."
    )


def _is_scored(result: Mapping[str, Any]) -> bool:
    """Tell whether a fold was fitted and has a score."""
    scores = result["test_scores"] if result["fit_error"] is None else np.nan
    return not np.isnan(list(scores.values()) if isinstance(scores, dict) else scores).any()


@dataclasses.dataclass(frozen=True)
class Folds:
    """What all fits of one cross-validation share.

    Parameters
    ----------
    X, y : array-like
        All rows.
    splits : sequence of (train, test)
        Positions of rows.
    scorer : callable
        From ``sklearn.metrics.check_scoring``.
    fit_params, score_params : dict
        Arguments of ``fit`` and of the scorer; those with one entry per row are split.
    metadata : RowMetadata
        Groups or times, to which those inside keep who split the rows again.
    error_score : "raise" or float
        Score of a fit that failed.
    return_train_score, return_predictions, return_estimator : bool
    """

    X: Any
    y: Any
    splits: Sequence[tuple[NDArray[Any], NDArray[Any]]]
    scorer: Callable[..., Any]
    fit_params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    score_params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    metadata: RowMetadata = dataclasses.field(default_factory=RowMetadata)
    error_score: Any = np.nan
    return_train_score: bool = False
    return_predictions: bool = False
    return_estimator: bool = True

    @functools.cached_property
    def _lazy_rows(self) -> dict[Hashable, Any]:
        """The rows as views, by kind of estimator: made once for all trials of a search."""
        return {}

    def _rows_for(self, estimator: Any) -> Any:
        """Return the rows so that those of a split are no copy, where that can be."""
        # A function of the user's may do with the rows what it likes.
        if getattr(self.X, "ndim", 0) < _AXES_OF_IMAGES and not only_predicts(self.scorer):
            return self.X
        return views_of(estimator, self.X, self._lazy_rows)

    def run(
        self,
        estimator: Any,
        *,
        n_jobs: int | None = None,
        verbose: int = 0,
        epoch_scorer: Callable[..., float] | None = None,
        epochs: Collection[int] | None = None,
        observers: Sequence[Observer] = (),
    ) -> list[Fold]:
        """Fit and score clones of an estimator, one for each split.

        Parameters
        ----------
        estimator : object
            Is not changed.
        n_jobs : int, default=None
            As scikit-learn's, where the estimator holds no network; networks train together.
        verbose : int, default=0
            From 1 on, lockstep shows its progress; from 2 on, scikit-learn tells of each fold.
        epoch_scorer : callable, default=None
            Scores the held-out rows of the networks after each epoch; sees no more of them than
            `scorer` does.
        epochs : collection of int, optional
            After which epochs only, see `HeldOutScoring`.
        observers : sequence of Observer, default=()
            Told of the epochs of all networks.

        Returns
        -------
        folds : list of Fold
            In the order of `splits`.
        """
        X = self._rows_for(estimator)
        fold = functools.partial(
            self._fold,
            X=X,
            verbose=verbose,
            epoch_scorer=epoch_scorer,
            epochs=epochs,
            observers=observers,
        )
        arguments = ((clone(estimator), i, *split) for i, split in enumerate(self.splits))
        if not nested_networks(estimator):
            # There are no epochs to be told of, and other processes could not tell.
            fold = functools.partial(fold, epoch_scorer=None, epochs=None, observers=())
            run = parallel.delayed(fold)
            return list(parallel.Parallel(n_jobs=n_jobs)(run(*each) for each in arguments))
        run = delayed(with_sklearn_config(fold))
        start = time.perf_counter()
        with ensure_lockstep(verbose=verbose):
            folds = list(Parallel()(run(*each) for each in arguments))
        _share(folds, time.perf_counter() - start)
        return folds

    def _fold(
        self,
        estimator: Any,
        number: int,
        train: NDArray[Any],
        test: NDArray[Any],
        *,
        X: Any,
        verbose: int,
        epoch_scorer: Callable[..., float] | None,
        epochs: Collection[int] | None,
        observers: Sequence[Observer],
    ) -> Fold:
        X_test, y_test = safe_split(estimator, X, self.y, test, train)
        held_out = HeldOutScoring(
            estimator,
            X_test,
            y_test,
            scorer=epoch_scorer,
            score_params=check_method_params(self.X, dict(self.score_params), indices=test),
            epochs=epochs,
            observers=observers,
            name=f"fold_{number:02d}",
        )
        with held_out, FitMetadata(estimator, self.metadata.of_rows(train)):
            result = fit_and_score(
                estimator,
                X,
                self.y,
                scorer=self.scorer,
                train=train,
                test=test,
                verbose=verbose,
                parameters=None,
                fit_params=dict(self.fit_params),
                score_params=dict(self.score_params),
                return_train_score=self.return_train_score,
                return_times=True,
                return_estimator=True,
                error_score=self.error_score,
            )
        predictions = None
        if self.return_predictions and result["fit_error"] is None:
            # Where rows cannot be predicted, scoring has failed and said so.
            ignored = () if self.error_score == "raise" else (Exception,)
            with contextlib.suppress(*ignored):
                predictions = _predictions(estimator, X_test, y_test, test)
        if not self.return_estimator:
            # Which might have to come back from another process.
            result["estimator"] = None
        return Fold(result, held_out.history, predictions, held_out.kept_epoch, held_out.problem)


def _share(folds: list[Fold], seconds: float) -> None:
    """Scale the times of folds that waited for each other so that they add up to what all took."""
    results = [fold.result for fold in folds]
    total = sum(result["fit_time"] + result["score_time"] for result in results)
    for result in results:
        for name in ("fit_time", "score_time"):
            result[name] *= min(1.0, seconds / total) if total else 1.0


def _predictions(estimator: Any, X: Any, y: Any, rows: NDArray[Any]) -> pd.DataFrame:
    """Return one row for each held-out row: its position, target, prediction, probabilities."""
    columns: dict[str, Any] = {"row": rows.astype(np.intp)}
    columns |= _columns("y_true", np.asarray(y))
    columns |= _columns("y_pred", np.asarray(estimator.predict(X)))
    if is_classifier(estimator) and hasattr(estimator, "predict_proba"):
        probabilities = estimator.predict_proba(X)
        classes = getattr(estimator, "classes_", None)
        if isinstance(probabilities, np.ndarray) and classes is not None:
            names = np.asarray(classes).tolist()
            if len(names) == probabilities.shape[1]:
                columns |= {f"proba_{name}": probabilities[:, i] for i, name in enumerate(names)}
    return pd.DataFrame(columns)


def _columns(name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    if values.ndim == 1:
        return {name: values}
    return {f"{name}_{i}": values[:, i] for i in range(values.shape[1])}
