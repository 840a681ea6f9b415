"""Faults measured in SciKeras and ``keras.wrappers``, each with a test that ours lack them."""

import gc
import warnings

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import cross_val_score

from skdl import MLPClassifier, MLPRegressor
from tests.checks import slow_but

SMALL = {"hidden_units": 4, "epochs": 2, "random_state": 0}


def test_reordered_columns_are_refused(iris):
    X = pd.DataFrame(iris[0], columns=list("abcd"))
    model = MLPClassifier(**SMALL).fit(X, iris[1])
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[list("dcba")])


@pytest.mark.parametrize(("data", "n_classes"), [("breast_cancer", 2), ("iris", 3)])
def test_probabilities_of_one_row_are_one_row(data, n_classes, request):
    X, y = request.getfixturevalue(data)
    model = MLPClassifier(**SMALL).fit(X, y)
    assert model.predict_proba(X[:1]).shape == (1, n_classes)
    assert model.predict(X[:1]).shape == (1,)


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_column_vector_target_gives_flat_predictions(Estimator, iris):
    X, y = iris
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataConversionWarning)
        model = Estimator(**SMALL).fit(X, y[:, None])
    assert model.predict(X).shape == (150,)
    np.testing.assert_array_equal(model.predict(X), Estimator(**SMALL).fit(X, y).predict(X))


@pytest.mark.parametrize("params", [{}, {"class_weight": "balanced"}, {"early_stopping": True}])
def test_sample_weight_of_the_caller_is_not_changed(params, iris):
    X, y = iris
    weights = np.random.default_rng(0).uniform(1, 2, size=150)
    before = weights.copy()
    MLPClassifier(**SMALL, **params).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(weights, before)


@pytest.mark.parametrize("params", [{}, {"class_weight": "balanced"}])
def test_integer_weights_are_weights(params, iris):
    X, y = iris
    weights = np.arange(150)
    model = MLPClassifier(**SMALL, **params)
    integers = clone(model).fit(X, y, sample_weight=weights).predict_proba(X)
    floats = clone(model).fit(X, y, sample_weight=weights.astype(float)).predict_proba(X)
    np.testing.assert_array_equal(integers, floats)
    assert not np.allclose(integers, model.fit(X, y).predict_proba(X))


def test_floats_may_follow_integers(iris):
    X, y = np.round(4 * iris[0]).astype(int), iris[1]
    model = MLPRegressor(**SMALL).fit(X, y)
    np.testing.assert_array_equal(model.predict(X.astype(float)), model.predict(X))
    assert not np.allclose(model.predict(X + 0.5), model.predict(X))


@pytest.mark.parametrize("Estimator", slow_but([MLPRegressor, MLPClassifier], MLPClassifier))
def test_rows_held_out_are_not_the_tail(Estimator):
    # Rows are alike, so all that is learned is the target's mean (the classes' shares): the
    # tail of sorted rows would be far from it, and its loss far above the training loss.
    y = np.linspace(0, 1, 200)
    model = Estimator(
        hidden_layers=0,
        learning_rate=0.1,
        batch_size=200,
        epochs=100,
        early_stopping=True,
        patience=100,
        random_state=0,
    ).fit(np.zeros((200, 1)), y if Estimator is MLPRegressor else y > 0.8)
    assert model.history_["val_loss"][-1] < 1.5 * model.history_["loss"][-1]


@pytest.mark.slow
def test_clones_fit_alike(iris):
    model = MLPClassifier(
        **SMALL | {"epochs": 3}, batch_size=7, early_stopping=True, metrics=["accuracy"]
    )
    twin = clone(model)
    assert model.fit(*iris).history_ == twin.fit(*iris).history_
    assert set(twin.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert len(twin.history_["loss"]) == 3


def test_options_of_fit_are_not_kept_for_the_next_fit(iris):
    X, y = iris
    model = MLPClassifier(**SMALL)
    expected = clone(model).fit(X, y).predict_proba(X)
    model.fit(X, y, sample_weight=np.arange(150), X_val=X, y_val=y)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), expected)
    assert set(model.history_) == {"loss"}


def test_predictions_print_nothing(iris, capfd):
    X, y = iris
    model = MLPClassifier(**SMALL, verbose=1).fit(X, y)
    capfd.readouterr()
    model.predict(X)
    model.predict_proba(X)
    model.score(X, y)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("Estimator", slow_but([MLPClassifier, MLPRegressor], MLPClassifier))
def test_folds_do_not_grow(Estimator, iris):
    def resident_mib():
        gc.collect()
        return psutil.Process().memory_info().rss / 2**20

    for _ in range(2):
        cross_val_score(Estimator(**SMALL), *iris, cv=5)
    before = resident_mib()
    for _ in range(5):
        cross_val_score(Estimator(**SMALL), *iris, cv=5)
    # 25 fits: SciKeras and Keras grow 4 MB a fit, 100 MB in all.
    assert resident_mib() - before < 20
