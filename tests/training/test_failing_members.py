"""What one of several networks fails of ends it alone; the others learn what they would alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.model_selection import cross_validate

from skdl import KerasClassifier, KerasRegressor, lockstep
from skdl.model_selection import cross_validate as cross_validate_together

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

N_ROWS, POISON = 60, 1e6
ROWS = np.arange(N_ROWS)
OF_FOLD = 2
OTHERS = [0, 1, 3]


def folds(row):
    """Return four folds, of which one alone trains on a row; none is tested on it."""
    return [
        (np.setdiff1d(ROWS, test if i == OF_FOLD else [*test, row]), np.setdiff1d(test, row))
        for i, test in enumerate(np.split(ROWS, 4))
    ]


class Fuse(keras.layers.Layer):
    """A layer that blows at large numbers, as a check of the user's does."""

    def call(self, x):
        with tf.control_dependencies([tf.debugging.assert_less(x, POISON / 2)]):
            return tf.identity(x)


def fused():
    return keras.Sequential([keras.Input((3,)), Fuse(), keras.layers.Dense(1)])


def plain():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def of_numbers():
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Embedding(20, 2),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


class Largest(keras.metrics.Metric):
    """A metric that gives up at large targets."""

    def __init__(self, **keywords):
        super().__init__(name="largest", **keywords)
        self.value = self.add_weight(initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value.assign(np.max(y_true))

    def result(self):
        if float(self.value) > POISON / 2:
            raise ValueError("the metric met a large target")
        return self.value


@pytest.fixture
def rows():
    X = np.random.default_rng(0).normal(size=(N_ROWS, 3)).astype(np.float32)
    return X, X.sum(1)


def scores(estimator, X, y, cv, how):
    options = {"cv": cv, "error_score": np.nan}
    if how == "ours":
        return cross_validate_together(estimator, X, y, **options)["test_score"]
    with lockstep():
        return cross_validate(estimator, X, y, **options)["test_score"]


def assert_one_fails_alone(estimator, rows, cv, how, reason, *, healthy):
    expected = scores(estimator, *healthy, cv, how)
    with pytest.warns(match=rf"1 fits failed out of a total of 4(.|\n)*{reason}"):
        found = scores(estimator, *rows, cv, how)
    assert np.isnan(found[OF_FOLD])
    np.testing.assert_allclose(found[OTHERS], expected[OTHERS], rtol=1e-5)


@pytest.mark.parametrize("how", ["ours", "scikit-learn's"])
@pytest.mark.parametrize(("row", "share"), [(5, 0.0), (55, 0.2)], ids=["training", "validation"])
def test_a_fold_that_fails_inside_the_graph(rows, row, share, how):
    X, y = rows
    poisoned = X.copy()
    poisoned[row] = POISON
    estimator = KerasRegressor(fused, loss="mse", epochs=3, validation_split=share, random_state=0)
    assert_one_fails_alone(estimator, (poisoned, y), folds(row), how, "assert", healthy=(X, y))


def test_a_fold_of_whose_rows_a_metric_fails(rows):
    X, y = rows
    poisoned = y.copy()
    poisoned[5] = POISON
    estimator = KerasRegressor(plain, loss="mse", metrics=[Largest()], epochs=2, random_state=0)
    assert_one_fails_alone(
        estimator, (X, poisoned), folds(5), "ours", "met a large target", healthy=(X, y)
    )


def test_all_fail_of_what_all_meet(rows):
    X, y = rows
    X[::2] = POISON
    estimator = KerasRegressor(fused, loss="mse", epochs=3, random_state=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="assert"):
        cross_validate_together(estimator, X, y, cv=3, error_score="raise")


@pytest.fixture
def numbers():
    X = np.random.default_rng(0).integers(0, 20, (N_ROWS, 3))
    return X, (X[:, 0] > 9).astype(int)


def test_a_number_without_a_vector_is_refused_where_it_is_met(numbers):
    X, y = numbers
    other = X.copy()
    other[5, 1] = 20
    estimator = KerasClassifier(of_numbers, loss="binary_crossentropy", epochs=2, random_state=0)
    assert_one_fails_alone(estimator, (other, y), folds(5), "ours", "X holds 20, ", healthy=(X, y))


@pytest.mark.parametrize("number", [-1, 20])
def test_numbers_without_a_vector_are_refused(numbers, number):
    X, y = numbers
    estimator = KerasClassifier(of_numbers, loss="binary_crossentropy", epochs=2, random_state=0)
    estimator.fit(X, y)
    X[5, 1] = number
    message = rf"X holds {number}, for which an Embedding .* numbers from 0 to 19"
    for refused in (lambda: estimator.predict(X), lambda: estimator.fit(X, y)):
        with pytest.raises(ValueError, match=message):
            refused()
