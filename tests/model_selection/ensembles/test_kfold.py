"""Ensembles over folds: who learns from what, who predicts what, and intervals."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import BaggingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdl import MLPClassifier, MLPRegressor, lockstep
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import (
    KFoldEnsembleClassifier,
    KFoldEnsembleRegressor,
    Windows,
    coverage_by_group,
)

STOPPING = {"early_stopping": True, "patience": 3, "learning_rate": 0.03, "epochs": 30}
NETWORK = MLPRegressor(8, hidden_layers=1, **STOPPING)
FOLDS = KFold(3, shuffle=True, random_state=0)


@parametrize_with_checks(
    [KFoldEnsembleRegressor(Ridge(), cv=2), KFoldEnsembleClassifier(LogisticRegression(), cv=2)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        KFoldEnsembleClassifier(
            MLPClassifier(8, batch_size=8, epochs=12, learning_rate=0.02), cv=2, refit=1
        )
    ]
)
def test_scikit_learn_checks_around_a_network(estimator, check):
    check(estimator)


# ------------------------------------------------------------------ what members learn from


def test_members_are_the_fits_of_the_folds(diabetes):
    X, y = diabetes
    ensemble = KFoldEnsembleRegressor(Ridge(), FOLDS).fit(X, y)
    expected = np.empty_like(y)
    by_member = []
    for train, test in FOLDS.split(X):
        fold = Ridge().fit(X[train], y[train])
        expected[test] = fold.predict(X[test])
        by_member.append(fold.predict(X))
    np.testing.assert_allclose(ensemble.oof_predictions_, expected)
    np.testing.assert_allclose(ensemble.predict(X), np.mean(by_member, 0))
    mean, std = ensemble.predict(X, return_std=True)
    np.testing.assert_allclose(mean, np.mean(by_member, 0))
    np.testing.assert_allclose(std, np.std(by_member, 0))
    share = ((y - expected) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert ensemble.oof_score_ == pytest.approx(1 - share)
    assert ensemble.best_epoch_ is None


def test_iterations_are_averaged_row_by_row(diabetes):
    X, y = diabetes
    ensemble = KFoldEnsembleRegressor(Ridge(), 3, n_iterations=2, random_state=0).fit(X, y)
    assert len(ensemble.estimators_) == 6
    folds = np.array([member.predict(X) for member in ensemble.estimators_])
    # Each row is predicted by one member of each iteration, the one that fits it worst on average.
    pairs = (folds[:3, None] + folds[None, 3:]) / 2
    gaps = np.abs(pairs.reshape(9, -1) - ensemble.oof_predictions_)
    np.testing.assert_allclose(gaps.min(0), 0, atol=1e-9)
    np.testing.assert_allclose(ensemble.predict(X), folds.mean(0))


def through_steps(network):
    return {
        "itself": network,
        "pipeline": make_pipeline(StandardScaler(), network),
        "pipeline in a pipeline": make_pipeline(
            StandardScaler(), make_pipeline("passthrough", network)
        ),
        "target": TransformedTargetRegressor(
            make_pipeline(StandardScaler(), network), transformer=StandardScaler()
        ),
    }


@pytest.mark.parametrize("name", through_steps(NETWORK))
def test_networks_stop_on_the_rows_of_their_fold_through_all_steps(name, diabetes):
    X, y = diabetes
    X = 5 + 3 * X
    estimator = through_steps(NETWORK)[name]
    with lockstep() as session:
        ensemble = KFoldEnsembleRegressor(estimator, FOLDS, random_state=0).fit(X, y)
    assert session.batches == [3]
    for member, (train, test) in zip(ensemble.estimators_, FOLDS.split(X), strict=True):
        network = member
        while not isinstance(network, MLPRegressor):
            network = network.steps[-1][1] if hasattr(network, "steps") else network.regressor_
        # The same by hand: scale by the rows to learn from, hand over the others.
        X_train, X_test, y_train, y_test = X[train], X[test], y[train], y[test]
        if name != "itself":
            scaler = StandardScaler().fit(X_train)
            X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
        if name == "target":
            scaler = StandardScaler().fit(y_train[:, None])
            y_train, y_test = (scaler.transform(v[:, None])[:, 0] for v in (y_train, y_test))
        alone = clone(network).fit(X_train, y_train, X_val=X_test, y_val=y_test)
        assert network.n_iter_ == alone.n_iter_
        assert network.best_epoch_ == alone.best_epoch_
        np.testing.assert_allclose(
            network.predict(X_test), alone.predict(X_test), atol=1e-3 * alone.target_scale_[0]
        )
        np.testing.assert_allclose(
            network.history_["val_loss"], alone.history_["val_loss"], rtol=1e-3
        )


def test_company_does_not_matter(diabetes):
    X, y = diabetes
    one, other = (KFoldEnsembleRegressor(NETWORK, 3, random_state=s).fit(X, y) for s in (0, 1))
    with lockstep():
        again = KFoldEnsembleRegressor(NETWORK, 3, random_state=0).fit(X, y)
    np.testing.assert_allclose(one.predict(X), again.predict(X), atol=1e-3 * y.std())
    assert np.abs(one.predict(X) - other.predict(X)).max() > 1e-2 * y.std()


def test_networks_elsewhere_fit_as_ever(diabetes):
    X, y = diabetes
    bagging = BaggingRegressor(NETWORK, n_estimators=2, random_state=0)
    ensemble = KFoldEnsembleRegressor(bagging, FOLDS, random_state=0).fit(X, y)
    assert ensemble.best_epoch_ is None
    inner = ensemble.estimators_[0].estimators_[0]
    assert inner.history_["val_loss"]  # of rows that it held out itself


def test_fit_parameters_are_split_and_reach_every_member(diabetes):
    X, y = diabetes
    weight = np.arange(1.0, len(y) + 1)
    ensemble = KFoldEnsembleRegressor(Ridge(), FOLDS).fit(X, y, sample_weight=weight)
    train, _ = next(FOLDS.split(X))
    expected = Ridge().fit(X[train], y[train], sample_weight=weight[train])
    np.testing.assert_allclose(ensemble.estimators_[0].predict(X), expected.predict(X))


def test_groups_stay_together_with_and_without_routing(diabetes):
    X, y = diabetes
    groups = np.repeat(np.arange(15), 10)

    def rows_seen(ensemble):
        return {len(np.unique(groups[ensemble._member_of[0] == i])) for i in range(3)}

    ensemble = KFoldEnsembleRegressor(Ridge(), GroupKFold(3)).fit(X, y, groups=groups)
    assert rows_seen(ensemble) == {5}
    shuffled = KFoldEnsembleRegressor(Ridge(), 3, random_state=0).fit(X, y, groups=groups)
    assert rows_seen(shuffled) == {5}
    with sklearn.config_context(enable_metadata_routing=True):
        routed = KFoldEnsembleRegressor(Ridge(), GroupKFold(3)).fit(X, y, groups=groups)
    np.testing.assert_array_equal(routed._member_of, ensemble._member_of)


# ------------------------------------------------------------------ refit


def test_refit_trains_on_all_rows_for_the_epochs_that_were_best_in_the_mean(diabetes):
    X, y = diabetes
    params = {"learning_rate_schedule": "cosine", "patience": 30}
    pipeline = make_pipeline(StandardScaler(), clone(NETWORK).set_params(**params))
    ensemble = KFoldEnsembleRegressor(pipeline, FOLDS, refit=2, random_state=0).fit(X, y)
    curves = np.array([m[-1].history_["val_loss"] for m in ensemble.fold_estimators_])
    assert curves.shape == (3, 30)
    assert ensemble.best_epoch_ == curves.mean(0).argmin() + 1
    assert ensemble.best_epoch_ < 30
    assert len(ensemble.estimators_) == 2
    for member in ensemble.estimators_:
        assert member[-1].n_iter_ == ensemble.best_epoch_
        assert "val_loss" not in member[-1].history_
        np.testing.assert_allclose(member[0].mean_, X.mean(0))
    # Without ending early the rates of the first epochs are those of 30, not of fewer, epochs.
    network = clone(ensemble.estimators_[0][-1])
    network.set_params(early_stopping=False).fit(StandardScaler().fit_transform(X), y)
    np.testing.assert_allclose(
        network.history_["loss"][: ensemble.best_epoch_],
        ensemble.estimators_[0][-1].history_["loss"],
        rtol=1e-3,
    )
    expected = np.mean([member.predict(X) for member in ensemble.estimators_], 0)
    np.testing.assert_allclose(ensemble.predict(X), expected)


@pytest.mark.slow
def test_members_on_all_rows_end_after_the_same_share_of_automatic_epochs():
    X = np.random.default_rng(0).normal(size=(960, 1))
    params = {"batch_size": 8, "epochs": "auto", "early_stopping": True, "patience": 256}
    network = MLPRegressor(2, hidden_layers=1, learning_rate=0.01, **params)
    ensemble = KFoldEnsembleRegressor(network, 2, refit=1, random_state=0).fit(X, X[:, 0])
    # Each fold trains for 60 steps an epoch, all rows for 120: 8,192 steps are 137 epochs or 68,
    # and the nearest powers of two 128 and 64.
    folds, (member,) = ensemble.fold_estimators_, ensemble.estimators_
    assert [fold.effective_params_["epochs"] for fold in folds] == [128, 128]
    assert member.effective_params_["epochs"] == 64
    assert member.n_iter_ == math.ceil(ensemble.best_epoch_ / 2)


def test_folds_are_the_same_with_and_without_refit(diabetes):
    X, y = diabetes
    one, other = (
        KFoldEnsembleRegressor(DecisionTreeRegressor(max_depth=3), 3, refit=r, random_state=0)
        for r in (None, 2)
    )
    np.testing.assert_array_equal(one.fit(X, y).oof_predictions_, other.fit(X, y).oof_predictions_)
    assert len(other.estimators_) == 2
    assert len(other.fold_estimators_) == 3


# ------------------------------------------------------------------ classes


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifier_averages_probabilities(n_classes, iris):
    X, codes = iris
    y = np.array(["a", "b", "b" if n_classes == 2 else "c"])[codes]
    network = MLPClassifier(8, hidden_layers=1, **STOPPING)
    ensemble = KFoldEnsembleClassifier(network, 3, random_state=0).fit(X, y)
    by_member = [member.predict_proba(X) for member in ensemble.estimators_]
    np.testing.assert_allclose(ensemble.predict_proba(X), np.mean(by_member, 0))
    expected = ensemble.classes_[np.mean(by_member, 0).argmax(1)]
    np.testing.assert_array_equal(ensemble.predict(X), expected)
    assert ensemble.oof_predictions_.shape == (len(X), n_classes)
    np.testing.assert_allclose(ensemble.oof_predictions_.sum(1), 1, rtol=1e-6)
    right = ensemble.classes_[ensemble.oof_predictions_.argmax(1)] == y
    assert ensemble.oof_score_ == pytest.approx(right.mean())


def test_class_that_one_fold_alone_has_is_never_predicted_by_its_member(iris):
    X, codes = iris
    y = codes.copy()
    y[:2] = 7
    blocks = KFold(3)  # both rows of class 7 stand in the first fold
    network = MLPClassifier(8, hidden_layers=1, **STOPPING)
    ensemble = KFoldEnsembleClassifier(network, blocks, random_state=0).fit(X, y)
    assert ensemble.classes_.tolist() == [0, 1, 2, 7]
    assert ensemble.estimators_[0].classes_.tolist() == [0, 1, 2]
    assert (ensemble.oof_predictions_[:2, 3] == 0).all()
    assert ensemble.predict_proba(X).shape == (150, 4)
    np.testing.assert_allclose(ensemble.predict_proba(X).sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("pipeline", [False, True])
def test_a_fold_of_classes_that_its_member_does_not_know(pipeline):
    """Nothing of it can be scored, so the member holds out rows of its own."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    y, groups = np.repeat([0, 1, 2], 20), np.repeat([0, 1, 2], 20)
    y[:40] = np.tile([0, 1], 20)  # class 2 is in the last group alone
    network = MLPClassifier(4, epochs=4, early_stopping=True)
    member = make_pipeline(StandardScaler(), network) if pipeline else network
    ensemble = KFoldEnsembleClassifier(member, LeaveOneGroupOut(), random_state=0)
    ensemble.fit(X, y, groups=groups)
    assert [len(m.classes_) for m in ensemble.estimators_] == [3, 3, 2]
    assert ensemble.oof_predictions_[40:, 2].max() == 0
    last = ensemble.estimators_[2][-1] if pipeline else ensemble.estimators_[2]
    assert "val_loss" in last.history_


def test_splits_may_be_a_list(diabetes):
    X, y = diabetes
    splits = list(FOLDS.split(X))
    found = KFoldEnsembleRegressor(Ridge(), splits).fit(X, y)
    expected = KFoldEnsembleRegressor(Ridge(), FOLDS).fit(X, y)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    np.testing.assert_array_equal(found.predict_interval(X), expected.predict_interval(X))
    clone(found).fit(X, y)


def test_windows_are_split_so_that_none_crosses_a_border():
    series = np.arange(60.0)
    windows = Windows(series, series, length=4)
    X, splits = windows.X[..., 0], windows.split(TimeSeriesSplit(3))
    ensemble = KFoldEnsembleRegressor(Ridge(), splits).fit(X, windows.y)
    # In order, so members of all rows predict.
    expected = Ridge().fit(X, windows.y).predict(X)
    np.testing.assert_allclose(ensemble.predict(X), expected)
    folds = [Ridge().fit(X[train], windows.y[train]).coef_ for train, _ in splits]
    np.testing.assert_allclose([m.coef_ for m in ensemble.fold_estimators_], folds)
    with pytest.raises(ValueError, match="each held out equally often"):
        ensemble.predict_interval(X)


def test_multilabel_targets(iris):
    X, y = iris
    labels = np.column_stack([y > 0, y > 1]).astype(int)
    ensemble = KFoldEnsembleClassifier(MLPClassifier(8, epochs=3), 3, random_state=0)
    ensemble.fit(X, labels)
    assert ensemble.oof_predictions_.shape == labels.shape
    np.testing.assert_array_equal(ensemble.predict(X), ensemble.predict_proba(X) > 0.5)


# ------------------------------------------------------------------ intervals


def test_interval_is_that_of_the_paper(diabetes):
    X, y = diabetes
    ensemble = KFoldEnsembleRegressor(Ridge(), FOLDS).fit(X, y)
    new = X[:7] + 0.1
    lower, upper = np.empty((2, len(y), 7))
    for train, test in FOLDS.split(X):
        fold = Ridge().fit(X[train], y[train])
        error = np.abs(y[test] - fold.predict(X[test]))
        for row, e in zip(test, error, strict=True):
            lower[row], upper[row] = fold.predict(new) - e, fold.predict(new) + e
    # n = 150, alpha = 0.2: the floor(30.2) = 30th smallest and the ceil(120.8) = 121st smallest.
    expected = np.column_stack([np.sort(lower, 0)[29], np.sort(upper, 0)[120]])
    np.testing.assert_allclose(ensemble.predict_interval(new, coverage=0.8), expected)


def test_interval_around_the_mean_has_the_quantile_of_the_errors_on_both_sides(diabetes):
    X, y = diabetes
    ensemble = KFoldEnsembleRegressor(Ridge(), FOLDS).fit(X, y)
    new = X[:7] + 0.1
    errors, predictions = np.empty(len(y)), []
    for train, test in FOLDS.split(X):
        fold = Ridge().fit(X[train], y[train])
        errors[test] = np.abs(y[test] - fold.predict(X[test]))
        predictions.append(fold.predict(new))
    mean, margin = np.mean(predictions, 0), np.sort(errors)[120]
    found = ensemble.predict_interval(new, coverage=0.8, around="mean")
    np.testing.assert_allclose(found, np.column_stack([mean - margin, mean + margin]))
    with pytest.raises(InvalidParameterError, match=r"around='median'.*'members'"):
        ensemble.predict_interval(new, around="median")


class Unsteady(RegressorMixin, BaseEstimator):
    """Predict what its rows decide by chance, as networks do that differ much."""

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        self.noise_ = np.random.default_rng(int(X[:, 0].sum() * 1e6)).normal(size=50)
        return self

    def predict(self, X):
        return X[:, 0] + self.noise_[(50 * X[:, 1]).astype(int)]


def test_intervals_around_the_mean_are_narrower_and_hold_less_where_members_differ():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(6000, 2))
    y = X[:, 0] + rng.normal(size=6000)
    ensemble = KFoldEnsembleRegressor(Unsteady(), 5, random_state=0).fit(X[:1000], y[:1000])
    held, width = {}, {}
    for around in ("members", "mean"):
        ends = ensemble.predict_interval(X[1000:], 0.9, around=around)
        held[around] = ((ends[:, 0] <= y[1000:]) & (y[1000:] <= ends[:, 1])).mean()
        width[around] = np.diff(ends).mean()
    # Errors of one member have the variance 2, of the mean of five 1.2: by the normal
    # distribution 2.33 / 1.10 deviations hold 96.6 %. CV+ adds the variance of the members.
    assert held["mean"] == pytest.approx(0.966, abs=0.01)
    assert held["mean"] + 0.01 < held["members"]
    assert width["mean"] < 0.9 * width["members"]


class NoisyQuantiles(RegressorMixin, BaseEstimator):
    """Predict a known mean, and quantiles that are too narrow by a known factor."""

    quantiles = (0.1, 0.5, 0.9)

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        self.shift_ = np.mean(y) / 100
        return self

    def predict(self, X):
        return X[:, 0] + self.shift_

    def predict_quantiles(self, X):
        spread = 0.9 * (0.1 + X[:, 1:2])
        return self.predict(X)[:, None] + spread * [-1.2816, 0, 1.2816]


def noisier_and_noisier(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n_rows, 2))
    return X, X[:, 0] + (0.1 + X[:, 1]) * rng.normal(size=n_rows)


def test_quantile_intervals_are_those_of_the_papers():
    X, y = noisier_and_noisier(150)
    ensemble = KFoldEnsembleRegressor(NoisyQuantiles(), FOLDS).fit(X, y)
    new = X[:7] + 0.1
    lower, upper = np.empty((2, len(y), 7))
    of_rows, quantiles = np.empty(len(y)), []
    for train, test in FOLDS.split(X):
        fold = NoisyQuantiles().fit(X[train], y[train])
        low, _, high = fold.predict_quantiles(X[test]).T
        # Romano et al. 2019, Eq. 6.
        errors = np.maximum(low - y[test], y[test] - high)
        of_rows[test] = errors
        quantiles.append(fold.predict_quantiles(new))
        low, _, high = quantiles[-1].T
        for row, e in zip(test, errors, strict=True):
            lower[row], upper[row] = low - e, high + e
    expected = np.column_stack([np.sort(lower, 0)[29], np.sort(upper, 0)[120]])
    np.testing.assert_allclose(ensemble.predict_interval(new, coverage=0.8), expected)
    np.testing.assert_allclose(ensemble.predict_interval(new, 0.8, method="cqr"), expected)
    margin = np.sort(of_rows)[120]
    low, _, high = np.mean(quantiles, 0).T
    around_mean = ensemble.predict_interval(new, 0.8, around="mean")
    np.testing.assert_allclose(around_mean, np.column_stack([low - margin, high + margin]))
    errors_alone = ensemble.predict_interval(new, 0.8, method="cv+")
    assert np.ptp(np.diff(errors_alone)) < 0.1 < np.ptp(np.diff(expected))


def test_quantile_intervals_hold_the_promised_share_of_quiet_and_noisy_rows():
    X, y = noisier_and_noisier(4000)
    ensemble = KFoldEnsembleRegressor(NoisyQuantiles(), FOLDS).fit(X[:1000], y[:1000])
    is_noisy = X[1000:, 1] > 0.5
    by_method = {
        method: coverage_by_group(
            y[1000:], ensemble.predict_interval(X[1000:], 0.8, method=method), is_noisy
        )["coverage"]
        for method in ("cqr", "cv+")
    }
    np.testing.assert_allclose(by_method["cqr"], 0.8, atol=0.04)
    assert by_method["cv+"]["all rows"] == pytest.approx(0.8, abs=0.04)
    assert by_method["cv+"][False] > 0.88
    assert by_method["cv+"][True] < 0.72


def test_networks_with_quantiles_give_intervals_of_their_own_widths():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(600, 1)).astype(np.float32)
    y = 10 + (0.1 + X[:, 0]) * rng.normal(size=600)
    network = MLPRegressor(
        16, loss="quantile", quantiles=[0.1, 0.5, 0.9], **STOPPING | {"patience": 10}
    )
    pipeline = make_pipeline(StandardScaler(), network)
    ensemble = KFoldEnsembleRegressor(pipeline, 3, random_state=0).fit(X[:400], y[:400])
    ends = ensemble.predict_interval(X[400:], coverage=0.8)
    width = np.diff(ends)[:, 0]
    quiet, noisy = X[400:, 0] < 0.3, X[400:, 0] > 0.7
    assert 2 * width[quiet].mean() < width[noisy].mean()
    assert coverage_by_group(y[400:], ends).loc["all rows", "low"] < 0.8
    assert coverage_by_group(y[400:], ends).loc["all rows", "high"] > 0.8
    twin = pickle.loads(pickle.dumps(ensemble))
    np.testing.assert_array_equal(twin.predict_interval(X, 0.8), ensemble.predict_interval(X, 0.8))
    assert ensemble.predict_quantiles(X).shape == (600, 3)


def test_intervals_by_quantiles_want_an_estimator_that_has_some(diabetes):
    ensemble = KFoldEnsembleRegressor(Ridge(), 3).fit(*diabetes)
    with pytest.raises(InvalidParameterError, match=r"method='cqr' .*quantiles=\[0\.05.*'cv\+'"):
        ensemble.predict_interval(diabetes[0], method="cqr")
    with pytest.raises(InvalidParameterError, match=r"method='CQR' .*'cqr'"):
        ensemble.predict_interval(diabetes[0], method="CQR")


@pytest.mark.slow
def test_quantiles_that_a_wrapper_hides_are_told_with_its_name(diabetes):
    network = MLPRegressor(4, loss="quantile", quantiles=[0.1, 0.9], epochs=1, random_state=0)
    hidden = TransformedTargetRegressor(network, func=np.log, inverse_func=np.exp)
    ensemble = KFoldEnsembleRegressor(make_pipeline(StandardScaler(), hidden), 2, random_state=0)
    ensemble.fit(*diabetes)
    told = r"method='cqr' .*TransformedTargetRegressor passes none .*MLPRegressor.*'cv\+'"
    with pytest.raises(InvalidParameterError, match=told):
        ensemble.predict_interval(diabetes[0], method="cqr")
    assert ensemble.predict_interval(diabetes[0]).shape == (len(diabetes[1]), 2)


def test_intervals_hold_the_promised_share():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(40):
        X = rng.normal(size=(300, 3))
        y = X[:, 0] + rng.standard_t(4, size=300)
        ensemble = KFoldEnsembleRegressor(LinearRegression(), 5, random_state=0)
        ensemble.fit(X[:100], y[:100])
        ends = ensemble.predict_interval(X[100:], coverage=0.8)
        held.append(((ends[:, 0] <= y[100:]) & (y[100:] <= ends[:, 1])).mean())
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)


def test_too_few_rows_for_so_much_coverage_give_no_ends(diabetes):
    X, y = diabetes
    ensemble = KFoldEnsembleRegressor(DummyRegressor(), 3, random_state=0).fit(X[:9], y[:9])
    assert np.isfinite(ensemble.predict_interval(X, coverage=0.9)).all()  # the 9th of 9
    assert np.isinf(ensemble.predict_interval(X, coverage=0.95)).all()


def test_intervals_want_every_row_held_out_once(diabetes):
    X, y = diabetes
    splitter = ShuffleSplit(3, test_size=0.2, random_state=0)
    ensemble = KFoldEnsembleRegressor(Ridge(), splitter).fit(X, y)
    assert np.isnan(ensemble.oof_predictions_).any()
    assert np.isfinite(ensemble.oof_score_)
    with pytest.raises(ValueError, match=r"does not hold out every row .*K-fold splitter"):
        ensemble.predict_interval(X)


def test_intervals_of_several_targets_are_refused(diabetes):
    X, y = diabetes
    ensemble = KFoldEnsembleRegressor(Ridge(), 3).fit(X, np.column_stack([y, -y]))
    assert ensemble.oof_predictions_.shape == (150, 2)
    with pytest.raises(ValueError, match="several targets"):
        ensemble.predict_interval(X)


# ------------------------------------------------------------------ being an estimator


def test_data_frames_reach_the_members_as_they_are():
    X = pd.DataFrame({"size": np.arange(20.0), "colour": ["red", "blue"] * 10})
    columns = make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["size"]))
    ensemble = KFoldEnsembleRegressor(make_pipeline(columns, Ridge()), 2, random_state=0)
    ensemble.fit(X, X["size"])
    assert ensemble.feature_names_in_.tolist() == ["size", "colour"]
    assert ensemble.predict(X).shape == (20,)


def test_scikit_learn_sees_what_kind_of_estimator_it_is():
    assert is_regressor(KFoldEnsembleRegressor(Ridge()))
    assert is_classifier(KFoldEnsembleClassifier(LogisticRegression()))


def test_cross_validation_and_pickle_work(diabetes):
    X, y = diabetes
    ensemble = KFoldEnsembleRegressor(NETWORK, 3, random_state=0)
    with lockstep() as session:
        scores = cross_val_score(ensemble, X, y, cv=2)
    assert session.batches == [6]
    assert np.isfinite(scores).all()
    twin = pickle.loads(pickle.dumps(ensemble.fit(X, y)))
    np.testing.assert_array_equal(twin.predict(X), ensemble.predict(X))
    np.testing.assert_array_equal(twin.predict_interval(X), ensemble.predict_interval(X))


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        (KFoldEnsembleRegressor(Ridge(), 1), r"cv=1 is not allowed"),
        (KFoldEnsembleRegressor(Ridge(), [[0, 1, 2]]), r"cv=.* or a list of \(train, test\)"),
        (KFoldEnsembleRegressor(Ridge(), FOLDS, n_iterations=2), r"n_iterations=2 .*IteratedKFold"),
        (KFoldEnsembleRegressor(Ridge(), refit=0), r"refit=0"),
        (KFoldEnsembleRegressor(LogisticRegression()), r"LogisticRegression\(\)"),
        (KFoldEnsembleRegressor(LogisticRegression()), r"KFoldEnsembleClassifier takes classif"),
        (KFoldEnsembleRegressor(Ridge(), verbose="much"), r"verbose='much'"),
        (KFoldEnsembleClassifier(LogisticRegression(), calibrate=True), r"calibrate=True .*'temp"),
        (KFoldEnsembleClassifier(Ridge()), r"a classifier with predict_proba"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(ensemble, message, iris):
    with pytest.raises(InvalidParameterError, match=message):
        ensemble.fit(*iris)


def test_errors_begin_with_the_ensemble_and_name_no_base_class(diabetes):
    X, y = diabetes
    gaps = np.where(np.arange(150) == 3, np.nan, y)
    with pytest.raises(ValueError, match=r"^KFoldEnsembleRegressor: .*NaN.*leave out rows"):
        KFoldEnsembleRegressor(Ridge(), 3).fit(X, gaps)
    for Ensemble in (KFoldEnsembleRegressor, KFoldEnsembleClassifier):
        with pytest.raises(TypeError, match=rf"^{Ensemble.__name__}\.__init__"):
            Ensemble(LinearRegression(), unknown=1)


def test_verbose_shows_how_far_the_networks_are(diabetes, capsys):
    X, y = diabetes
    quiet, talking = (KFoldEnsembleRegressor(NETWORK, 2, verbose=v) for v in (0, 1))
    quiet.fit(X, y)
    assert capsys.readouterr() == ("", "")
    talking.fit(X, y)
    shown = capsys.readouterr()
    assert "epoch" in shown.out + shown.err


def test_bad_coverage_is_refused(diabetes):
    ensemble = KFoldEnsembleRegressor(Ridge(), 3).fit(*diabetes)
    with pytest.raises(InvalidParameterError, match=r"coverage=90 is not allowed.*0\.9"):
        ensemble.predict_interval(diabetes[0], coverage=90)
