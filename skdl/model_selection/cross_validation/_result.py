"""What cross-validation returns: scikit-learn's dict of scores, and what can be read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier

from skdl._score_range import range_of_score
from skdl._validation import AnyOf, Integer, OneOf, Real, check_parameters
from skdl.model_selection._curves import mean_curve, tidy_histories
from skdl.model_selection._lockstep import ensure_lockstep
from skdl.model_selection._networks import nested_networks
from skdl.model_selection.cross_validation import _report
from skdl.model_selection.cross_validation._statistics import corrected_interval, corrected_t_test
from skdl.model_selection.ensembles import AveragingClassifier, AveragingRegressor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from skdl.model_selection._curves import History

    Scores = Mapping[str, Any]

__all__ = ["CrossValidationResult"]

_CONFIDENCE = {"confidence": Real(0, 1, low_open=True, high_open=True, example=0.95)}
_REFIT = {
    "n_members": Integer(1, example=5),
    "epochs": AnyOf(OneOf(None), Integer(1, example=100)),
}


class CrossValidationResult(dict[str, Any]):
    """Scores of a cross-validation.

    A dict as scikit-learn's ``cross_validate`` returns it: ``fit_time``, ``score_time``,
    ``test_<metric>`` and, where asked for, ``train_<metric>``, ``estimator`` and ``indices``.
    Made by `cross_validate`, not by users. It holds the data, for `refit`, and so do its pickles.

    Parameters
    ----------
    scores : dict of str to array-like
        The dict itself.
    metrics : list of str
        Names of the metrics, without ``test_``.
    estimator : object
        The estimator that was passed, unfitted.
    estimator_name : str
        What it is called in tables.
    splits : list of (train, test)
        Positions of the rows of each split.
    iterations, folds : array-like of shape (n_splits,)
        Numbers of each split.
    histories : list of dict of str to list of float
        Of each split, the values per epoch of ``loss``, ``val_loss`` (inner validation rows),
        ``test_loss`` (the fold's held-out rows) and metrics; empty dicts where the estimator is
        no network.
    kept_epochs : list of int or None
        Of each split, the epoch (from 1) whose weights the network was left with, if known.
    contenders : dict of str to dict of str to array-like
        Scores of the baseline and of other estimators on the very same splits, by name.
    predictions : DataFrame or None
        Out-of-fold predictions.
    X, y : array-like
        All rows.
    fit_params : dict of str to object
        Arguments of ``fit``, for all rows, such as ``sample_weight``.
    scoring : str or None
        What ``score`` is, where it has a name.
    """

    def __init__(
        self,
        scores: Scores,
        *,
        metrics: Sequence[str],
        estimator: Any,
        estimator_name: str,
        splits: Sequence[tuple[NDArray[Any], NDArray[Any]]],
        iterations: ArrayLike,
        folds: ArrayLike,
        histories: Sequence[History],
        contenders: Mapping[str, Scores],
        predictions: pd.DataFrame | None,
        X: Any,
        y: Any,
        fit_params: Mapping[str, Any],
        kept_epochs: Sequence[int | None] | None = None,
        scoring: str | None = None,
    ) -> None:
        super().__init__(scores)
        self._metrics = list(metrics)
        self._estimator = estimator
        self._estimator_name = estimator_name
        self._splits = list(splits)
        self._iterations = np.asarray(iterations)
        self._folds = np.asarray(folds)
        self._histories = list(histories)
        self._contenders = dict(contenders)
        self._predictions = predictions
        self._X = X
        self._y = y
        self._fit_params = dict(fit_params)
        self._kept_epochs = None if kept_epochs is None else list(kept_epochs)
        self._scoring = scoring

    @property
    def _sizes(self) -> NDArray[np.int_]:
        """Rows to train on and rows to test on, each of shape (n_splits,)."""
        return np.array([[len(train), len(test)] for train, test in self._splits]).T

    # ------------------------------------------------------------------ scores

    def summary(self, confidence: float = 0.95) -> pd.DataFrame:
        """Compare the estimator, the baseline and the other contenders.

        Folds share training rows, so their scores are not independent: interval and test carry
        Nadeau and Bengio's correction (2003, see Notes). The p-values are not corrected for the
        number of contenders.

        Parameters
        ----------
        confidence : float in (0, 1), default=0.95
            Probability with which the interval is meant to cover the true mean score.

        Returns
        -------
        table : DataFrame
            One row for each ``metric`` and ``estimator`` (the index), ours first, with columns

            - ``mean``, ``std``: over the folds;
            - ``ci_low``, ``ci_high``: confidence interval of the mean, within the range of the
              metric where that is known;
            - ``n_folds``: folds with a score; those that failed are left out;
            - ``difference``: mean score less ours, over the folds that have both;
            - ``p_value``: of a two-sided paired test that this difference is 0;
            - ``fit_time``: mean seconds per fold; for networks, which train together, each fold's
              share.

        Raises
        ------
        ValueError
            If `confidence` is not in (0, 1).

        Notes
        -----
        The variance of a mean of J scores is taken to be ``(1/J + n_test/n_train) * S**2``, with
        their sample variance ``S**2`` and J - 1 degrees of freedom: C. Nadeau and Y. Bengio,
        "Inference for the generalization error", Machine Learning 52 (2003), the corrected
        resampled t-test; R. Bouckaert and E. Frank, "Evaluating the replicability of significance
        tests for comparing learning algorithms", PAKDD (2004), for iterated K-fold.
        """
        check_parameters("summary", {"confidence": confidence}, _CONFIDENCE)
        n_train, n_test = self._sizes
        rows = []
        for metric in self._metrics:
            key = f"test_{metric}"
            for name, scores in [(self._estimator_name, self), *self._contenders.items()]:
                interval = corrected_interval(scores[key], n_train, n_test, confidence)
                row: dict[str, Any] = {"metric": metric, "estimator": name}
                low, high = range_of_score(self._name_of(metric), scores[key])
                row |= {
                    "mean": interval.mean,
                    "std": interval.std,
                    "ci_low": max(interval.low, low),
                    "ci_high": min(interval.high, high),
                }
                row["n_folds"] = int((~np.isnan(scores[key])).sum())
                row["difference"] = row["p_value"] = np.nan
                if scores is not self:
                    test = corrected_t_test(scores[key], self[key], n_train, n_test)
                    row["difference"], row["p_value"] = test.difference, test.p_value
                row["fit_time"] = float(np.mean(scores["fit_time"]))
                rows.append(row)
        return pd.DataFrame(rows).set_index(["metric", "estimator"])

    def _name_of(self, metric: str) -> str:
        """Return what a metric is called by scikit-learn, "" where that is not known."""
        if metric != "score":
            return metric
        if self._scoring is not None:
            return self._scoring
        return "accuracy" if is_classifier(self._estimator) else "r2"

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, without ``test_``; of a single one it is ``"score"``."""
        return list(self._metrics)

    @property
    def scoring(self) -> str | None:
        """What ``"score"`` is, where one metric was asked for by its name."""
        return self._scoring

    @property
    def unfitted_estimator(self) -> Any:
        """The estimator that was passed, with its parameters."""
        return self._estimator

    @property
    def data(self) -> tuple[Any, Any]:
        """All rows and their targets, ``(X, y)``, as they were passed."""
        return self._X, self._y

    @property
    def folds(self) -> pd.DataFrame:
        """One row per fold: its rows and its epochs.

        ``iteration``, ``fold``; ``n_train`` and ``n_test``, rows to train and to test on;
        ``n_epochs``, epochs run, and ``kept_epoch``, after how many of them it had the weights that
        were scored, both 0 where no epochs were recorded.
        """
        n_train, n_test = self._sizes
        n_epochs = [max(map(len, history.values()), default=0) for history in self._histories]
        kept = self._kept_epochs or [None] * len(n_epochs)
        return pd.DataFrame(
            {
                "iteration": self._iterations,
                "fold": self._folds,
                "n_train": n_train,
                "n_test": n_test,
                "n_epochs": n_epochs,
                "kept_epoch": [n if k is None else k for k, n in zip(kept, n_epochs, strict=True)],
            }
        )

    @property
    def predictions(self) -> pd.DataFrame:
        """Out-of-fold predictions, if ``return_predictions=True`` asked for them."""
        if self._predictions is None:
            raise AttributeError(
                "predictions: they were not kept. Pass return_predictions=True to cross_validate."
            )
        return self._predictions

    # ------------------------------------------------------------------ epochs

    @property
    def histories(self) -> pd.DataFrame:
        """Training curves: iteration, fold, epoch (from 1), metric and value, one per row.

        ``loss`` is of the training rows, ``val_loss`` of the rows that early stopping held out
        inside the training part, ``test_loss`` of the fold's own validation rows, which never
        steer the training; metrics likewise. Empty where the estimator holds no network.
        """
        return tidy_histories(self._histories, self._iterations, self._folds)

    def curve(self, metric: str = "test_loss") -> pd.DataFrame:
        """Return the mean over the folds of one training curve.

        Parameters
        ----------
        metric : str, default="test_loss"
            Any ``metric`` of ``histories``.

        Returns
        -------
        curve : DataFrame
            Indexed by ``epoch`` (from 1): ``mean`` and ``std`` over all folds, and ``n_folds``,
            how many were trained in that epoch. Folds that stopped earlier are carried on at
            their last value, or that of the epoch whose weights they went back to, as more epochs
            would not have changed them.

        Raises
        ------
        ValueError
            If no fold has such a curve.
        """
        known = sorted({name for history in self._histories for name in history})
        if metric not in known:
            reason = f"Expected one of {known}." if known else self._why_no_histories()
            raise ValueError(f"curve: there is no history of {metric!r}. {reason}")
        return mean_curve(self._histories, metric, self._kept_epochs)

    @property
    def best_epoch(self) -> int:
        """Epoch (from 1) after which the mean ``test_loss`` over the folds is lowest.

        The first of several. Folds that stopped early count as described for `curve`.
        """
        try:
            mean = self.curve("test_loss")["mean"]
        except ValueError as error:
            raise AttributeError(f"best_epoch: {error}") from None
        if mean.isna().all():
            raise AttributeError(
                "best_epoch: the test loss is NaN in every epoch of every fold. Lower "
                "learning_rate, or scale the features, and cross-validate again."
            )
        return int(mean.idxmin())

    def refit(self, n_members: int = 1, *, epochs: int | None = None) -> Any:
        """Fit on all rows, for as many epochs as were best in cross-validation.

        Nothing is held out: early stopping is switched off, as `best_epoch` replaces it.

        Parameters
        ----------
        n_members : int, default=1
            More than 1 gives an ensemble that averages the predictions (of a classifier: the
            probabilities) of so many fits, which differ in their random state only and are
            trained together. Their seeds follow from the network's own ``random_state``.
        epochs : int, default=None
            Train for so many epochs instead of `best_epoch`.

        Returns
        -------
        estimator : object
            The estimator that was cross-validated, or an `AveragingRegressor` or
            `AveragingClassifier` of it, fitted. An estimator that holds no network is fitted as
            it is.

        Raises
        ------
        ValueError
            If a parameter is not as described, or if `epochs` is given but there is no network.
        AttributeError
            If there is no `best_epoch`; the message says why.
        """
        check_parameters("refit", {"n_members": n_members, "epochs": epochs}, _REFIT)
        estimator = clone(self._estimator)
        networks = nested_networks(estimator)
        if epochs is not None and not networks:
            raise ValueError(
                f"refit: epochs={epochs} was given, but {self._estimator_name} holds no network "
                "of skdl. Leave it out: the estimator is then fitted as it is."
            )
        if networks:
            overrides = {"epochs": epochs or self.best_epoch, "early_stopping": False}
            estimator.set_params(
                **{p + name: overrides[name] for p in networks for name in overrides}
            )
        if n_members == 1:
            with ensure_lockstep():
                return estimator.fit(self._X, self._y, **self._fit_params)
        Ensemble = AveragingClassifier if is_classifier(estimator) else AveragingRegressor
        ensemble = Ensemble(estimator, n_members, _random_state_of(estimator))
        return ensemble.fit_routed(self._X, self._y, self._fit_params)

    def _why_no_histories(self) -> str:
        if not nested_networks(self._estimator):
            return (
                f"{self._estimator_name} holds no network of skdl, so there are no epochs. "
                "Expected MLPRegressor, MLPClassifier or the like, alone or inside a Pipeline or "
                "TransformedTargetRegressor; refit() fits other estimators as they are."
            )
        return (
            "No fold has recorded its epochs. If the folds failed, pass error_score='raise' to "
            "see why; for an estimator that trains several networks, pass refit(epochs=...)."
        )

    # ------------------------------------------------------------------ looks

    def __repr__(self) -> str:
        return _report.as_text(self._report())

    def _repr_html_(self) -> str:
        return _report.as_html(self._report())

    def _report(self) -> _report.Report:
        n_iterations = len(np.unique(self._iterations))
        n_folds = len(self._splits) // n_iterations
        folds = f"{n_folds} fold{'s' if n_folds > 1 else ''}"
        times = f"{n_iterations} × " if n_iterations > 1 else ""
        n_train, n_test = self._sizes.mean(axis=1)
        has_curve = any("test_loss" in history for history in self._histories)
        return _report.Report(
            title=f"Cross-validation of {self._estimator_name}",
            splits=f"{times}{folds}, {n_train:,.0f} rows to train on, {n_test:,.0f} to test on",
            n_splits=len(self._splits),
            summary=self.summary(),
            scoring=self._scoring,
            curve=self.curve()["mean"] if has_curve else None,
            best_epoch=getattr(self, "best_epoch", None),
        )


def _random_state_of(estimator: Any) -> Any:
    """Return the random state of the networks inside, or of what else there is; None if none."""
    networks = nested_networks(estimator)
    states = [network.random_state for network in networks.values()] or [
        value
        for name, value in sorted(estimator.get_params(deep=True).items())
        if name == "random_state" or name.endswith("__random_state")
    ]
    return next((state for state in states if state is not None), None)
