"""Layers that are given as Keras objects: in the graph where that is faithful, else by Keras."""

import logging

import keras
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from skdl import MLPRegressor, lockstep
from skdl.layers import keras_model
from skdl.training import initial_weights
from tests.checks import slow_case


@pytest.fixture
def rows():
    X = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    return X, X[:, 0] * 2 + X[:, 1]


def network(activation, **params):
    fixed = {"shuffle": False, "epochs": 2, "random_state": 0, "target_scaling": False}
    return MLPRegressor((8, 4), activation=activation, l2=1e-3, **fixed | params)


def predictions_of_keras(estimator, X, y):
    job = estimator._make_job(X, y)
    model = keras_model(job.network)
    model.set_weights(initial_weights(job))
    model.compile(job.optimizer.source.build(), job.network.loss.to_keras(), run_eagerly=True)
    model.fit(X, y[:, None], batch_size=32, epochs=2, shuffle=False, verbose=0)
    return np.asarray(model(X))[:, 0]


@pytest.mark.parametrize(
    ("layer", "trained_by_keras"),
    [
        slow_case((keras.layers.LeakyReLU(0.2), False)),
        (keras.layers.PReLU(), False),
        slow_case((keras.layers.Dense(5), False)),
        slow_case((keras.layers.PReLU(alpha_regularizer="l2"), True)),
    ],
    ids=["no weights", "weights", "other width", "penalty"],
)
def test_layer_objects_train_as_in_keras(layer, trained_by_keras, rows, caplog):
    X, y = rows
    with caplog.at_level(logging.INFO, logger="skdl"):
        estimator = network(layer).fit(X, y)
    assert ("keras.Model.fit" in caplog.text) == trained_by_keras
    np.testing.assert_allclose(
        estimator.predict(X), predictions_of_keras(estimator, X, y), rtol=1e-4, atol=1e-5
    )


def test_layers_with_noise_of_their_own_are_left_to_keras(rows, caplog):
    with caplog.at_level(logging.INFO, logger="skdl"):
        network(keras.layers.GaussianNoise(0.1)).fit(*rows)
    assert "keras.Model.fit" in caplog.text


def test_initial_weights_of_a_layer_object_follow_the_seed(rows):
    X, y = rows
    layer = keras.layers.Dense(5)
    first, again, other = (
        initial_weights(network(layer, random_state=seed)._make_job(X, y)) for seed in (0, 0, 1)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[2], other[2])


def test_layers_with_weights_train_in_lockstep_as_alone(rows):
    X, y = rows
    estimator = network(keras.layers.PReLU())
    alone = cross_val_score(estimator, X, y)
    with lockstep() as session:
        together = cross_val_score(estimator, X, y)
    assert session.batches == [5]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
