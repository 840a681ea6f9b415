"""Equal seeds give equal bits, and nobody else's random numbers change."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.random.seed_generator import global_seed_generator

from skdl import MLPClassifier, MLPRegressor
from tests.checks import slow_case

# Everything random at once: initial weights, order of rows, dropout noise, rows held out.
RANDOM = {
    "hidden_units": 8,
    "epochs": 4,
    "dropout": 0.3,
    "input_dropout": 0.1,
    "early_stopping": True,
    "validation_fraction": 0.3,
    "restore_best_weights": False,
}


@pytest.fixture(params=[MLPClassifier, MLPRegressor])
def predict_after_fit(request, iris, diabetes):
    """Return a function from a ``random_state`` to predictions."""
    X, y = iris if request.param is MLPClassifier else diabetes

    def run(random_state):
        estimator = request.param(random_state=random_state, **RANDOM).fit(X, y)
        return getattr(estimator, "predict_proba", estimator.predict)(X)

    return run


def test_same_seed_same_bits(predict_after_fit):
    np.testing.assert_array_equal(predict_after_fit(0), predict_after_fit(0))


def test_other_seed_other_predictions(predict_after_fit):
    assert not np.allclose(predict_after_fit(0), predict_after_fit(1), rtol=1e-3)


def test_generator_as_random_state_moves_on_from_fit_to_fit(predict_after_fit):
    generator, twin = np.random.RandomState(5), np.random.RandomState(5)
    first, second = predict_after_fit(generator), predict_after_fit(generator)
    assert not np.allclose(first, second, rtol=1e-3)
    np.testing.assert_array_equal(predict_after_fit(twin), first)
    np.testing.assert_array_equal(predict_after_fit(twin), second)


def test_random_state_none_draws_from_numpys_global_generator(predict_after_fit):
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(5)  # noqa: NPY002
        first, second = predict_after_fit(None), predict_after_fit(None)
        assert not np.allclose(first, second, rtol=1e-3)
        np.random.seed(5)  # noqa: NPY002
        np.testing.assert_array_equal(predict_after_fit(None), first)
    finally:
        np.random.set_state(state)  # noqa: NPY002


@pytest.mark.parametrize("part", ["shuffle", "dropout", "input_dropout", "hidden_units"])
def test_every_random_part_follows_the_seed(part, diabetes):
    params = {
        "shuffle": {"shuffle": True},
        "dropout": {"dropout": 0.5},
        "input_dropout": {"input_dropout": 0.5},
        "hidden_units": {},
    }[part]
    X, y = diabetes
    linear = {"hidden_layers": 0} if part in {"shuffle", "input_dropout"} else {"hidden_units": 8}
    predictions = [
        MLPRegressor(**{"shuffle": False} | linear | params, epochs=2, random_state=seed)
        .fit(X, y)
        .predict(X)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(predictions[0], predictions[1])
    assert not np.allclose(predictions[0], predictions[2], rtol=1e-3)


def global_draws():
    return (
        random.random(),  # noqa: S311
        np.random.random(),  # noqa: NPY002
        tf.random.uniform([]).numpy(),
        tf.random.get_global_generator().uniform([]).numpy(),
        keras.random.uniform([]).numpy(),
    )


def seed_all():
    # Keras 3.8 does not seed its own generator; made here, as making it draws a number.
    global_seed_generator().state.assign([7, 0])
    keras.utils.set_random_seed(7)
    tf.random.set_global_generator(tf.random.Generator.from_seed(7))


@pytest.mark.parametrize("Estimator", [slow_case(MLPClassifier), MLPRegressor])
def test_global_generators_are_left_untouched(Estimator, iris):
    X, y = iris
    seed_all()
    expected = global_draws()

    seed_all()
    estimator = Estimator(random_state=0, **RANDOM).fit(X, y)
    estimator.predict(X)
    estimator.model_.get_weights()
    assert global_draws() == expected
