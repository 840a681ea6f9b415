"""Normalisation of rows in the engine, beside Keras."""

import keras
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from skdl import KerasRegressor, lockstep
from skdl.layers import blueprint_of
from tests.checks import slow_but


@pytest.fixture
def rows():
    X = np.random.default_rng(0).normal(size=(75, 4, 6)).astype(np.float32)
    return X, X[:, 0, 0] * 2 + X[:, 1, 1]


def model_of(shape, **options):
    layers = [
        keras.layers.Dense(5),
        keras.layers.LayerNormalization(**options),
        keras.layers.Activation("relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(1),
    ]
    return keras.Sequential([keras.Input(shape), *layers])


NORMALIZATIONS = {
    "scale and center": {},
    "center": {"scale": False},
    "scale": {"center": False},
    "neither": {"scale": False, "center": False, "epsilon": 0.1},
}


@pytest.mark.parametrize(
    ("n_axes", "options"),
    slow_but(
        [(n_axes, options) for n_axes in (1, 2) for options in NORMALIZATIONS],
        (2, "scale and center"),
    ),
)
@pytest.mark.slow
def test_layer_normalization_trains_as_in_keras(n_axes, options, rows):
    X, y = rows
    X = X if n_axes == 2 else X[:, 0]
    keras.utils.set_random_seed(0)
    model = model_of(X.shape[1:], **NORMALIZATIONS[options])
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    training = {"epochs": 2, "batch_size": 32, "shuffle": False}
    ours = KerasRegressor(model, optimizer=keras.optimizers.SGD(0.01), loss="mse", **training).fit(
        X, y
    )
    kinds = [placed.layer.kind for placed in blueprint_of(ours._trained.network).layers]
    assert "LayerNormalization" in kinds
    twin.compile(keras.optimizers.SGD(0.01), loss="mse", run_eagerly=True)
    twin.fit(X, y[:, None], verbose=0, **training)
    np.testing.assert_allclose(ours.predict(X), np.asarray(twin(X))[:, 0], rtol=1e-4, atol=1e-5)
    for own, theirs in zip(ours.model_.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_layer_normalization_over_another_axis_is_left_to_keras_own_layer(rows):
    X, y = rows
    model = model_of(X.shape[1:], axis=1)
    ours = KerasRegressor(model, optimizer="sgd", loss="mse", epochs=1).fit(X, y)
    kinds = [placed.layer.kind for placed in blueprint_of(ours._trained.network).layers]
    assert "LayerNormalization" not in kinds
    np.testing.assert_allclose(
        ours.predict(X), np.asarray(ours.model_(X))[:, 0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("epochs", slow_but([5, 400], 5), ids=["plain", "xla"])
def test_folds_with_layer_normalization_learn_the_same_together_as_alone(epochs, rows):
    X, y = rows
    ours = KerasRegressor(
        model_of(X.shape[1:]), optimizer="sgd", loss="mse", epochs=epochs, random_state=0
    )
    alone = cross_val_score(ours, X, y, cv=3)
    with lockstep():
        together = cross_val_score(ours, X, y, cv=3)
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)
