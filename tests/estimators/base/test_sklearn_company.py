"""scikit-learn's own functions and meta-estimators with one of our estimators inside."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import BaggingClassifier, StackingRegressor, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdl import KerasRegressor, MLPClassifier, MLPRegressor, lockstep

LEARNS = {"hidden_units": 8, "learning_rate": 0.01, "epochs": 15, "random_state": 0}


def test_kinds_are_recognised():
    assert is_classifier(MLPClassifier())
    assert not is_regressor(MLPClassifier())
    assert is_regressor(MLPRegressor())
    assert not is_classifier(MLPRegressor())


@pytest.mark.parametrize("Estimator", [MLPRegressor, KerasRegressor])
def test_clones_keep_what_configurations_of_keras_losses_leave_out(Estimator):
    copied = clone(clone(Estimator(loss=keras.losses.Huber(delta=3.0))))
    # |error| = 4 > 3: 3 × (4 − 3 / 2); with delta=1 it were 3.5.
    assert float(copied.loss(np.array([[4.0]]), np.array([[0.0]]))) == pytest.approx(7.5)


def test_nested_parameters_reach_the_network(iris):
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**LEARNS))
    pipe.set_params(mlpclassifier__hidden_units=(5, 3), mlpclassifier__epochs=1).fit(*iris)
    assert pipe.get_params()["mlpclassifier__hidden_units"] == (5, 3)
    widths = [w.shape[1] for w in pipe[-1].model_.get_weights() if w.ndim == 2]
    assert widths == [5, 3, 3]


@pytest.mark.slow
def test_grid_search_in_processes_equals_grid_search_in_this_one(breast_cancer):
    grid = {"mlpclassifier__dropout": [0.0, 0.3], "mlpclassifier__hidden_units": [2, 8]}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(**LEARNS)), grid, cv=3, scoring="roc_auc"
    )
    parallel = clone(search).set_params(n_jobs=2).fit(*breast_cancer)
    serial = search.fit(*breast_cancer)
    assert parallel.best_score_ > 0.9
    np.testing.assert_array_equal(
        parallel.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"]
    )


def test_cross_val_predict_gives_out_of_fold_probabilities(breast_cancer):
    X, y = breast_cancer
    probabilities = cross_val_predict(MLPClassifier(**LEARNS), X, y, cv=3, method="predict_proba")
    assert probabilities.shape == (len(X), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert roc_auc_score(y, probabilities[:, 1]) > 0.9


@pytest.mark.parametrize(
    ("data", "scoring"), [("breast_cancer", "roc_auc"), ("iris", "roc_auc_ovr")]
)
def test_roc_auc_scoring(data, scoring, request):
    X, y = request.getfixturevalue(data)
    scores = cross_val_score(MLPClassifier(**LEARNS), X, y, cv=3, scoring=scoring)
    assert scores.min() > 0.9


def test_calibrated_probabilities(breast_cancer):
    X, y = breast_cancer
    calibrated = CalibratedClassifierCV(MLPClassifier(**LEARNS), cv=3).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    assert calibrated.score(X, y) > 0.9


def test_soft_voting_averages_our_probabilities(iris):
    X, y = iris
    vote = VotingClassifier(
        [("mlp", MLPClassifier(**LEARNS)), ("linear", LogisticRegression())], voting="soft"
    ).fit(X, y)
    expected = np.mean([member.predict_proba(X) for member in vote.estimators_], axis=0)
    np.testing.assert_allclose(vote.predict_proba(X), expected, rtol=1e-6)


def test_stacking_uses_our_out_of_fold_predictions(diabetes):
    X, y = diabetes
    stack = StackingRegressor(
        [("mlp", MLPRegressor(**LEARNS)), ("mean", DummyRegressor())],
        final_estimator=Ridge(),
        cv=3,
    ).fit(X, y)
    out_of_fold = cross_val_predict(MLPRegressor(**LEARNS), X, y, cv=3)
    expected = Ridge().fit(
        np.column_stack([out_of_fold, cross_val_predict(DummyRegressor(), X, y, cv=3)]), y
    )
    np.testing.assert_allclose(stack.final_estimator_.coef_, expected.coef_, rtol=1e-3)
    assert stack.score(X, y) > 0.3


def test_bagging_averages_our_probabilities(iris):
    X, y = iris
    bag = BaggingClassifier(MLPClassifier(**LEARNS), n_estimators=3, random_state=0).fit(X, y)
    members = np.array([member.predict_proba(X) for member in bag.estimators_])
    assert not np.allclose(members[0], members[1])
    np.testing.assert_allclose(bag.predict_proba(X), members.mean(axis=0), rtol=1e-6)


def test_transformed_target_is_transformed_back(diabetes):
    X, y = diabetes
    model = TransformedTargetRegressor(
        MLPRegressor(**LEARNS), func=np.log1p, inverse_func=np.expm1
    ).fit(X, y)
    np.testing.assert_allclose(model.predict(X), np.expm1(model.regressor_.predict(X)), rtol=1e-6)
    assert model.score(X, y) > 0.3


def test_one_regressor_per_output(diabetes):
    X, y = diabetes
    model = MultiOutputRegressor(MLPRegressor(**LEARNS)).fit(X, np.column_stack([y, -y]))
    predicted = model.predict(X)
    assert predicted.shape == (len(X), 2)
    # Negating y negates standardised y, but not the initial weights: similar, not equal.
    assert np.corrcoef(predicted[:, 0], -predicted[:, 1])[0, 1] > 0.8


def test_data_frame_with_categories_and_missing_values(shared_data):
    penguins = pd.read_csv(shared_data("penguins.csv"))
    y = penguins.pop("species")
    assert penguins.isna().to_numpy().any()
    columns = make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    scores = cross_val_score(make_pipeline(columns, MLPClassifier(**LEARNS)), penguins, y, cv=3)
    assert scores.mean() > 0.95


def test_permutation_importance_finds_the_column_that_matters():
    X = np.random.default_rng(0).normal(size=(200, 4))
    model = MLPRegressor(**LEARNS).fit(X, 3 * X[:, 2])
    importances = permutation_importance(model, X, 3 * X[:, 2], n_repeats=2, random_state=0)
    assert importances.importances_mean.argmax() == 2
    assert importances.importances_mean[2] > 10 * np.delete(importances.importances_mean, 2).max()


def test_pipeline_scales_the_validation_rows_too(breast_cancer):
    X, y = breast_cancer
    X = 100 + 5 * X
    train, valid = slice(0, 100), slice(100, 150)
    with config_context(enable_metadata_routing=True):
        mlp = MLPClassifier(**LEARNS).set_fit_request(X_val=True, y_val=True)
        pipe = make_pipeline(StandardScaler(), mlp, transform_input=["X_val"])
        pipe.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    scaler = StandardScaler().fit(X[train])
    by_hand = MLPClassifier(**LEARNS).fit(
        scaler.transform(X[train]), y[train], X_val=scaler.transform(X[valid]), y_val=y[valid]
    )
    np.testing.assert_allclose(pipe[-1].history_["val_loss"], by_hand.history_["val_loss"])


def contradicted(X, y):
    """Return every row twice, the second time with the other label, and weights that know."""
    weights = np.tile([1.0, 0.0], len(X))
    return X.repeat(2, axis=0), np.column_stack([y, 1 - y]).ravel(), weights


def test_pipeline_routes_sample_weight(breast_cancer):
    X, y, weights = contradicted(*breast_cancer)
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            MLPClassifier(**LEARNS).set_fit_request(sample_weight=True),
        )
        pipe.fit(X, y, sample_weight=weights)
    assert pipe.score(*breast_cancer) > 0.9


def test_cross_validate_routes_sample_weight(breast_cancer):
    X, y, weights = contradicted(*breast_cancer)
    with config_context(enable_metadata_routing=True):
        folds = cross_validate(
            MLPClassifier(**LEARNS)
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=False),
            X,
            y,
            cv=3,
            params={"sample_weight": weights},
            return_estimator=True,
        )
    for member in folds["estimator"]:
        assert member.score(*breast_cancer) > 0.8


def test_thresholds_are_tuned_in_lockstep(iris):
    X, y = iris
    is_rare = (y == 2) & (X[:, 0] > np.median(X[y == 2, 0]))
    network = MLPClassifier(**LEARNS)
    with lockstep() as session:
        tuned = TunedThresholdClassifierCV(
            network, scoring="balanced_accuracy", cv=3, n_jobs=-1
        ).fit(X, is_rare)
    assert max(session.batches) == 3
    expected = tuned.estimator_.predict_proba(X)[:, 1] >= tuned.best_threshold_
    np.testing.assert_array_equal(tuned.predict(X), expected)
    fixed = FixedThresholdClassifier(network, threshold=0.2).fit(X, is_rare)
    expected = fixed.estimator_.predict_proba(X)[:, 1] >= 0.2
    np.testing.assert_array_equal(fixed.predict(X), expected)


def test_each_label_has_a_threshold_of_its_own(iris):
    X, y = iris
    labels = np.column_stack([y == 1, y > 0]).astype(int)
    tuner = TunedThresholdClassifierCV(MLPClassifier(**LEARNS), scoring="f1", cv=2)
    by_label = MultiOutputClassifier(tuner).fit(X, labels)
    for i, own in enumerate(by_label.estimators_):
        expected = own.estimator_.predict_proba(X)[:, 1] >= own.best_threshold_
        np.testing.assert_array_equal(by_label.predict(X)[:, i], expected)
