"""Transformers: the output of a layer of the user's own model."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdl import KerasTransformer, lockstep
from tests.checks import run_to_float32_rounding, scikit_learn_checks

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

layers = keras.layers


def autoencoder(meta, n_codes=4):
    n_values = int(np.prod(meta["X_shape_"][1:]))
    rows = keras.Input(meta["X_shape_"][1:])
    codes = layers.Dense(n_codes, name="codes")(layers.Flatten()(rows))
    return keras.Model(rows, layers.Dense(n_values)(codes))


def transformer(**params):
    fixed = {"layer": "codes", "loss": "mse", "optimizer": "adam", "random_state": 0}
    return KerasTransformer(autoencoder, **fixed | {"epochs": 5} | params)


@pytest.mark.slow
@scikit_learn_checks([transformer(layer=None, epochs=2)])
def test_scikit_learn_checks(estimator, check):
    run_to_float32_rounding(check, estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X[:400] / 16).astype(np.float32), y[:400]


@pytest.mark.slow
def test_linear_autoencoder_comes_near_to_principal_components(digits):
    X, _ = digits
    network = transformer(n_codes=8, epochs=200, optimizer__learning_rate=0.01).fit(X)
    pca = PCA(8).fit(X)
    rest = np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)
    own_rest = np.mean((X - network.reconstruct(X)) ** 2)
    assert rest <= own_rest * 1.001 < rest * 1.2
    assert network.transform(X).shape == (400, 8)
    assert network.get_feature_names_out()[0] == "kerastransformer0"


def test_codes_are_the_output_of_the_named_layer(digits):
    X, _ = digits
    network = transformer().fit(X)
    weights = network.model_.get_layer("codes").get_weights()
    np.testing.assert_allclose(network.transform(X), X @ weights[0] + weights[1], atol=1e-4)
    with pytest.raises(ValueError, match="Expected one of"):
        transformer(layer="code").fit(X)


def test_codes_of_a_sequential_model(digits):
    def sequential(meta):
        inputs = keras.Input((meta["n_features_in_"],))
        codes = layers.Dense(4, name="codes")
        return keras.Sequential([inputs, codes, layers.Dense(meta["n_features_in_"])])

    X, _ = digits
    network = KerasTransformer(sequential, layer="codes", loss="mse", epochs=1).fit(X)
    weights = network.model_.get_layer("codes").get_weights()
    np.testing.assert_allclose(network.transform(X), X @ weights[0] + weights[1], atol=1e-4)


@pytest.mark.slow
def test_in_a_pipeline_a_search_and_lockstep(digits):
    X, y = digits
    pipeline = make_pipeline(transformer(epochs=20, n_codes=4), LogisticRegression(max_iter=1000))
    with lockstep() as session:
        scores = cross_val_score(pipeline, X, y, cv=3)
    assert session.batches == [3]
    assert scores.mean() > 0.3  # of ten digits
    search = GridSearchCV(pipeline, {"kerastransformer__n_codes": [1, 8]}, cv=2).fit(X, y)
    assert search.best_params_ == {"kerastransformer__n_codes": 8}


def test_images_copies_and_supervised_codes(digits):
    X, y = digits
    images = X.reshape(-1, 8, 8)
    network = transformer().fit(images, X_val=images[:50])
    assert network.transform(images).shape == (400, 4)
    assert len(network.history_["val_loss"]) == 5
    twin = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(twin.transform(images), network.transform(images))
    assert clone(network).get_params()["layer"] == "codes"

    def supervised(meta):
        rows = keras.Input((meta["n_features_in_"],))
        return keras.Model(rows, layers.Dense(1)(layers.Dense(3, name="codes")(rows)))

    by_targets = KerasTransformer(
        supervised, layer="codes", supervised=True, loss="mse", epochs=2
    ).fit(X, y)
    assert by_targets.transform(X).shape == (400, 3)


class OfTwoInputs(KerasTransformer):
    @property
    def feature_encoder(self):
        return FunctionTransformer(lambda X: {"left": X[:, :30], "right": X[:, 30:]})


def test_model_of_two_inputs_gives_a_layer_too(digits):
    X, _ = digits

    def build():
        left, right = keras.Input((30,), name="left"), keras.Input((34,), name="right")
        codes = layers.Dense(4, name="codes")(layers.Concatenate()([left, right]))
        return keras.Model({"left": left, "right": right}, layers.Dense(64)(codes))

    network = OfTwoInputs(
        build, layer="codes", loss="mse", optimizer="adam", epochs=2, random_state=0
    ).fit(X)
    kernel, bias = network.model_.get_layer("codes").get_weights()
    np.testing.assert_allclose(network.transform(X), X @ kernel + bias, rtol=1e-4, atol=1e-5)


class Interrupting(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


@pytest.mark.slow
def test_columns_are_those_of_the_fit_that_stands(digits):
    X, _ = digits
    network = transformer(n_codes=3, epochs=1).fit(X)
    codes = network.transform(X)
    network.set_params(layer="coads", n_codes=5)
    with pytest.raises(ValueError, match="layer='coads' is not a layer"):
        network.fit(X * 2)
    network.set_params(layer="codes")
    np.testing.assert_array_equal(network.transform(X), codes)
    assert len(network.get_feature_names_out()) == 3
    # After Ctrl-C it is the interrupted fit that stands.
    network.set_params(callbacks=[Interrupting()])
    with pytest.raises(KeyboardInterrupt):
        network.fit(X * 2)
    assert network.transform(X).shape[1] == len(network.get_feature_names_out()) == 5
