"""Backbones that the user built: Sequential models, and layers of functions."""

import pickle

import keras
import numpy as np
import pytest

from skdl import KerasTransformer, PretrainedCNNClassifier, PretrainedFeatures
from tests.checks import slow_case

layers = keras.layers
IMAGES = np.random.default_rng(0).normal(size=(12, 8, 8, 3)).astype(np.float32)
LABELS = np.arange(12) % 2


def sequential(*more):
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), *more])


@pytest.mark.parametrize("fine_tune", [slow_case(1), 2])
def test_sequential_backbone_is_fine_tuned(fine_tune):
    backbone = sequential(layers.ReLU(), layers.Conv2D(4, 3))
    own = PretrainedCNNClassifier(backbone, fine_tune=fine_tune, epochs=1, hidden_units=4)
    assert own.fit(IMAGES, LABELS).predict(IMAGES).shape == (12,)


def test_lambda_of_the_user_is_called_as_it_is():
    factor = 0.5
    backbone = sequential(layers.Lambda(lambda x: x * factor), layers.ReLU(), layers.Conv2D(4, 3))
    expected = backbone.predict(IMAGES, verbose=0).mean((1, 2))
    features = PretrainedFeatures(backbone).fit_transform(IMAGES)
    np.testing.assert_allclose(features, expected, atol=1e-5)
    own = PretrainedCNNClassifier(backbone, fine_tune=1, epochs=1, hidden_units=4)
    assert own.fit(IMAGES, LABELS).predict(IMAGES).shape == (12,)
    with pytest.raises(ValueError, match="Expected a smaller fine_tune"):
        own.set_params(fine_tune=3).fit(IMAGES, LABELS)


def test_backbone_with_a_function_is_pickled_by_reference():
    own = PretrainedFeatures(sequential(layers.Lambda(keras.ops.tanh))).fit(IMAGES)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(own)).transform(IMAGES), own.transform(IMAGES)
    )


@pytest.mark.slow
def test_layer_of_a_sequential_model_is_a_transformer():
    def build():
        return keras.Sequential([keras.Input((4,)), layers.Dense(2, name="code"), layers.Dense(4)])

    X = IMAGES.reshape(-1, 4)[:60]
    own = KerasTransformer(build, layer="code", loss="mse").fit(X)
    kernel, bias = own.model_.get_layer("code").get_weights()
    np.testing.assert_allclose(own.transform(X), X @ kernel + bias, atol=1e-5)
