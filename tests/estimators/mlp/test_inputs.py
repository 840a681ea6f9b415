"""What goes in and what comes out: containers, dtypes, kinds of target, fitted attributes."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import MLPClassifier, MLPRegressor

SMALL = {"hidden_units": 4, "epochs": 2, "random_state": 0}
LEARNS = {"hidden_units": 16, "learning_rate": 0.01, "epochs": 30, "random_state": 0}


def as_polars(X):
    polars = pytest.importorskip("polars", reason="polars is optional")
    return polars.DataFrame(X, schema=[f"x{i}" for i in range(X.shape[1])])


CONTAINERS = {
    "list": lambda X: X.tolist(),
    "float32": lambda X: X.astype(np.float32),
    "fortran": np.asfortranarray,
    "pandas": lambda X: pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]),
    "polars": as_polars,
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
}


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_give_the_same_model(container, Estimator, iris):
    X, y = iris
    held = CONTAINERS[container](X)
    expected = Estimator(**SMALL).fit(X, y)
    model = Estimator(**SMALL).fit(held, y)
    assert model.n_features_in_ == 4
    assert hasattr(model, "feature_names_in_") == (container in {"pandas", "polars"})
    np.testing.assert_allclose(
        model.history_["loss"], expected.history_["loss"], rtol=1e-4, err_msg=container
    )
    predict = {MLPClassifier: "predict_proba", MLPRegressor: "predict"}[Estimator]
    np.testing.assert_allclose(
        getattr(model, predict)(held), getattr(expected, predict)(X), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, np.float16, bool])
def test_other_numbers_are_numbers(dtype, iris):
    X, y = (np.abs(iris[0]) > 0.5).astype(dtype), iris[1]
    expected = MLPClassifier(**SMALL).fit(X.astype(float), y).predict_proba(X.astype(float))
    np.testing.assert_array_equal(MLPClassifier(**SMALL).fit(X, y).predict_proba(X), expected)


def test_sparse_rows_are_batched_as_dense_ones_in_a_wide_matrix():
    X = sparse.csr_array(sparse.random(90, 500, density=0.02, random_state=0))
    y = np.asarray(X[:, :50].sum(axis=1))
    sparse_loss = MLPRegressor(**SMALL).fit(X, y).history_["loss"]
    dense_loss = MLPRegressor(**SMALL).fit(X.toarray(), y).history_["loss"]
    np.testing.assert_allclose(sparse_loss, dense_loss, rtol=1e-4)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_sparse_rows_with_wide_indices_are_those_rows(form, iris):
    X, y = iris
    rows, columns = np.nonzero(X > 0)  # int64, which arrays of SciPy keep
    wide = sparse.csr_array((X[rows, columns], (rows, columns)), shape=X.shape).asformat(form)
    narrow = sparse.csr_array(X * (X > 0))
    assert (wide.coords[0] if form == "coo" else wide.indices).dtype == np.int64
    model = MLPClassifier(**SMALL).fit(wide, y, X_val=wide, y_val=y)
    twin = MLPClassifier(**SMALL).fit(narrow, y, X_val=narrow, y_val=y)
    assert model.history_ == twin.history_
    np.testing.assert_array_equal(model.predict_proba(wide), twin.predict_proba(narrow))
    assert (wide.coords[0] if form == "coo" else wide.indices).dtype == np.int64
    if form == "csr":
        scores = cross_val_score(MLPClassifier(**SMALL), wide, y, cv=2)
        expected = cross_val_score(MLPClassifier(**SMALL), narrow, y, cv=2)
        np.testing.assert_array_equal(scores, expected)


def test_validation_rows_may_be_sparse_or_framed(iris):
    X, y = iris
    expected = MLPClassifier(**SMALL).fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    for held in (sparse.csr_array, pd.DataFrame):
        model = MLPClassifier(**SMALL).fit(
            held(X[:100]), y[:100], X_val=held(X[100:]), y_val=y[100:]
        )
        np.testing.assert_allclose(
            model.history_["val_loss"], expected.history_["val_loss"], rtol=1e-4
        )


@pytest.mark.parametrize(
    "labels",
    [
        np.array([10, 20, 30]),
        np.array(["setosa", "versicolor", "virginica"]),
        np.array(["setosa", "versicolor", "virginica"], dtype=object),
        np.array([0.0, 1.0, 2.0]),
        np.array([False, True, True]),
    ],
    ids=["integers", "strings", "objects", "floats", "booleans"],
)
def test_labels_come_back_as_they_went_in(labels, iris):
    X, y = iris
    model = MLPClassifier(**LEARNS).fit(X, labels[y])
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    assert model.predict(X).dtype == model.classes_.dtype == labels.dtype
    assert model.score(X, labels[y]) > 0.9
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (150, len(model.classes_))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        model.predict(X), model.classes_[np.argmax(probabilities, axis=1)]
    )
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(model.predict_log_proba(X), np.log(probabilities))


def test_categories_of_pandas_are_labels(iris):
    X, y = iris
    labels = pd.Series(np.array(["a", "b", "c"])[y], dtype="category")
    model = MLPClassifier(**LEARNS).fit(X, labels)
    assert list(model.classes_) == ["a", "b", "c"]
    assert model.score(X, labels) > 0.9


def test_multilabel_indicators(iris):
    X, y = iris
    indicators = np.column_stack([y == 0, y == 2, y > 0]).astype(int)
    model = MLPClassifier(**LEARNS).fit(X, indicators)
    predicted, probabilities = model.predict(X), model.predict_proba(X)
    assert predicted.shape == probabilities.shape == (150, 3)
    assert model.n_outputs_ == 3
    np.testing.assert_array_equal(predicted, probabilities > 0.5)
    assert (predicted == indicators).mean() > 0.9
    assert model.score(X, indicators) == (predicted == indicators).all(axis=1).mean()


@pytest.mark.parametrize(
    ("columns", "shape", "n_outputs"),
    [("flat", (150,), 1), ("column", (150,), 1), ("two", (150, 2), 2)],
)
def test_shapes_of_regression_targets(columns, shape, n_outputs, diabetes):
    X, y = diabetes
    target = {"flat": y, "column": y[:, None], "two": np.column_stack([y, 1000 - 5 * y])}[columns]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataConversionWarning)
        model = MLPRegressor(**LEARNS).fit(X, target)
    assert model.predict(X).shape == shape
    assert model.n_outputs_ == n_outputs
    assert model.score(X, target) > 0.5


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_a_column_of_targets_is_warned_of_once_a_fit(Estimator, iris):
    X, y = iris
    column = pd.DataFrame({"y": y})
    with pytest.warns(DataConversionWarning, match="of a DataFrame its column") as caught:
        Estimator(**SMALL).fit(X[:100], column[:100], X_val=X[50:], y_val=column[50:])
    assert len(caught) == 1


def test_frame_of_targets(diabetes):
    X, y = diabetes
    targets = pd.DataFrame({"y": y, "twice": 2 * y})
    expected = MLPRegressor(**SMALL).fit(X, targets.to_numpy()).predict(X)
    np.testing.assert_array_equal(MLPRegressor(**SMALL).fit(X, targets).predict(X), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_are_float64(dtype, diabetes):
    X, y = diabetes[0].astype(dtype), diabetes[1].astype(dtype)
    assert MLPRegressor(**SMALL).fit(X, y).predict(X).dtype == np.float64
    model = MLPClassifier(**SMALL).fit(X, y > 140)
    assert model.predict_proba(X).dtype == model.predict_log_proba(X).dtype == np.float64


def test_float32_rows_are_trained_on_without_a_copy(diabetes):
    X = diabetes[0].astype(np.float32)
    assert np.shares_memory(MLPRegressor()._make_job(X, diabetes[1]).train.X, X)


def test_attributes_after_fit(iris):
    X, y = pd.DataFrame(iris[0], columns=list("abcd")), iris[1]
    model = MLPClassifier(**SMALL | {"epochs": 3}, metrics=["accuracy"]).fit(X, y)
    assert model.n_features_in_ == 4
    assert list(model.feature_names_in_) == list("abcd")
    assert model.n_outputs_ == 1
    assert (model.n_iter_, model.best_epoch_) == (3, 3)
    assert model.history_.keys() == {"loss", "accuracy"}
    assert all(type(value) is float for values in model.history_.values() for value in values)


@pytest.mark.slow
def test_model_is_compiled_and_predicts_the_same(iris):
    X, y = iris
    model = MLPClassifier(**SMALL, dropout=0.2, batch_norm="after_activation").fit(X, y)
    assert isinstance(model.model_, keras.Model)
    assert model.model_ is model.model_
    assert model.model_.compiled
    np.testing.assert_allclose(
        model.model_.predict(X, verbose=0), model.predict_proba(X), rtol=1e-4, atol=1e-6
    )


def test_model_of_a_binary_classifier_predicts_the_second_class(breast_cancer):
    X, y = breast_cancer
    model = MLPClassifier(**SMALL).fit(X, y)
    np.testing.assert_allclose(
        model.model_.predict(X, verbose=0)[:, 0], model.predict_proba(X)[:, 1], rtol=1e-4
    )


def test_model_of_a_regressor_predicts_the_standardised_target(diabetes):
    X, y = diabetes
    model = MLPRegressor(**SMALL).fit(X, y)
    standardised = model.model_.predict(X, verbose=0)[:, 0]
    np.testing.assert_allclose(y.mean() + y.std() * standardised, model.predict(X), rtol=1e-4)


@pytest.mark.parametrize(
    "optimizer", [keras.optimizers.SGD(0.01, momentum=0.9), keras.optimizers.SGD]
)
def test_keras_objects_given_as_parameters_are_not_touched(optimizer, iris):
    loss, metric = keras.losses.CategoricalCrossentropy(), keras.metrics.CategoricalAccuracy()
    model = MLPClassifier(**SMALL, optimizer=optimizer, loss=loss, metrics=[metric]).fit(*iris)
    assert model.optimizer is optimizer
    assert model.metrics[0] is metric
    assert metric.result() == 0
    if not isinstance(optimizer, type):
        assert not optimizer.built
        assert clone(model).fit(*iris).history_ == model.history_


def test_class_weight_balanced_equals_the_formula(breast_cancer):
    X, y = breast_cancer
    by_hand = {label: len(y) / (2 * (y == label).sum()) for label in (0, 1)}
    balanced, as_dict, plain = (
        MLPClassifier(**SMALL, class_weight=weight).fit(X, y).predict_proba(X)
        for weight in ("balanced", by_hand, None)
    )
    np.testing.assert_allclose(balanced, as_dict, rtol=1e-5)
    assert not np.allclose(balanced, plain, rtol=1e-3)


def test_class_weight_moves_predictions_to_the_heavy_class(breast_cancer):
    X, y = breast_cancer
    names = np.where(y == 1, "benign", "malignant")

    def share_of_benign(weight):
        model = MLPClassifier(**LEARNS | {"epochs": 2}, class_weight=weight).fit(X, names)
        return (model.predict(X) == "benign").mean()

    assert share_of_benign({"benign": 50}) > share_of_benign({"malignant": 50}) + 0.1


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_integer_weights_equal_repeated_rows(Estimator, iris):
    X, y = iris
    weights = np.random.default_rng(0).integers(0, 4, size=150)
    params = SMALL | {"epochs": 10, "batch_size": 1000, "shuffle": False}
    weighted = Estimator(**params).fit(X, y, sample_weight=weights)
    repeated = Estimator(**params).fit(X.repeat(weights, axis=0), y.repeat(weights))
    predict = {MLPClassifier: "predict_proba", MLPRegressor: "predict"}[Estimator]
    np.testing.assert_allclose(
        getattr(weighted, predict)(X), getattr(repeated, predict)(X), rtol=1e-4
    )


def test_zero_weight_rows_teach_nothing(iris):
    X, y = iris
    wrong = y.copy()
    wrong[:75] = (wrong[:75] + 1) % 3
    weights = np.repeat([0.0, 1.0], 75)
    model = MLPClassifier(**LEARNS).fit(X, wrong, sample_weight=weights)
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_warm_start_goes_on(Estimator, iris):
    X, y = iris
    params = SMALL | {"epochs": 4, "shuffle": False}
    model = Estimator(**params, warm_start=True).fit(X, y)
    model.fit(X, y)
    longer = Estimator(**params | {"epochs": 8}).fit(X, y)
    np.testing.assert_allclose(model.predict(X), longer.predict(X), rtol=1e-4)
    afresh = Estimator(**params).fit(X, y).fit(X, y)
    assert afresh.history_["loss"] == longer.history_["loss"][:4]


def test_warm_start_refuses_other_shapes(iris):
    X, y = iris
    model = MLPClassifier(**SMALL, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="warm_start"):
        model.set_params(hidden_units=5).fit(X, y)


def test_partial_fit_takes_one_epoch_each_and_goes_on(iris):
    X, y = iris
    params = SMALL | {"shuffle": False}
    model = MLPClassifier(**params)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    expected = MLPClassifier(**params | {"epochs": 3}).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), rtol=1e-4)
    assert model.n_iter_ == 3


def test_partial_fit_knows_classes_that_a_batch_lacks(iris):
    X, y = iris
    model = MLPClassifier(**SMALL)
    for _ in range(40):
        for label in range(3):
            model.partial_fit(X[y == label], y[y == label], classes=[0, 1, 2])
    assert list(model.classes_) == [0, 1, 2]
    assert model.predict_proba(X).shape == (150, 3)


def test_partial_fit_of_a_regressor_learns(diabetes):
    X, y = diabetes
    model = MLPRegressor(**LEARNS)
    for _ in range(30):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.4


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_quantile_loss_covers_its_share_of_uneven_noise(quantile):
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 1, size=(2000, 1))
    y = 10 + X[:, 0] * (5 + 3 * rng.normal(size=2000))
    model = MLPRegressor(**LEARNS, loss="quantile", quantile=quantile, batch_size=128).fit(X, y)
    for low in (0.0, 0.5):
        there = (X[:, 0] >= low) & (X[:, 0] < low + 0.5)
        assert np.mean(y[there] <= model.predict(X[there])) == pytest.approx(quantile, abs=0.06)


def test_poisson_predictions_are_positive_rates():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    rates = 20 * np.exp(0.8 * X[:, 0])
    model = MLPRegressor(**LEARNS, loss="poisson").fit(X, rng.poisson(rates))
    assert model.predict(5 * X).min() > 0
    assert np.corrcoef(model.predict(X), rates)[0, 1] > 0.95
    assert model.predict(X).mean() == pytest.approx(rates.mean(), rel=0.1)


def test_targets_of_the_size_of_house_prices_just_work():
    rng = np.random.default_rng(0)
    rooms, age = rng.normal(size=(2, 300))
    prices = 2e5 + 8e4 * rooms - 3e4 * age * (age > 0) + 1e4 * rng.normal(size=300)
    pipe = make_pipeline(StandardScaler(), MLPRegressor(**LEARNS))
    assert cross_val_score(pipe, np.column_stack([rooms, age]), prices, cv=3).min() > 0.8


def test_losses_are_in_standardised_and_metrics_in_original_units(diabetes):
    X, y = diabetes
    model = MLPRegressor(**SMALL, metrics=["mae"]).fit(X, y, X_val=X, y_val=y)
    error = model.predict(X) - y
    assert model.history_["val_loss"][-1] == pytest.approx(np.mean(error**2) / y.var(), rel=1e-4)
    assert model.history_["val_mae"][-1] == pytest.approx(np.abs(error).mean(), rel=1e-4)


@pytest.mark.parametrize("target_scaling", [True, False])
def test_constant_target_is_predicted(target_scaling):
    X = np.random.default_rng(0).normal(size=(40, 2))
    model = MLPRegressor(**LEARNS | {"epochs": 200}, target_scaling=target_scaling)
    np.testing.assert_allclose(model.fit(X, np.full(40, 3.0)).predict(X), 3, atol=0.3)
