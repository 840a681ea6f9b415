"""Networks that share their weights: what they compute, learn and keep to themselves."""

import keras
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl.training import _part
from tests.checks import slow_but

PLAIN = {"hidden_units": 6, "hidden_layers": 2, "batch_size": 16, "epochs": 4, "random_state": 0}
SHARED = {**PLAIN, "shared_members": 3}


def numpy_outputs(network, X):
    """Return the outputs of each of the networks, (n_rows, n_networks, n_outputs)."""
    weights = [w.astype(float) for w in network.model_.get_weights()]
    outputs = []
    for k in range(network.shared_members):
        x = np.asarray(X, float)
        for i in range(network.hidden_layers):
            before, kernel, behind, bias = weights[4 * i : 4 * i + 4]
            x = x * (before[k] if i == 0 else 1 + before[k])
            x = np.maximum((x @ kernel) * (1 + behind[k]) + bias[k], 0)
        kernel, bias = weights[-2:]
        outputs.append(x @ kernel[k] + bias[k])
    return np.stack(outputs, 1)


def test_regressor_predicts_the_mean_of_its_networks(diabetes):
    X, y = diabetes
    network = MLPRegressor(**SHARED, learning_rate=0.03).fit(X, y)
    outputs = numpy_outputs(network, X)
    assert outputs.std(1).mean() > 0.05  # they differ
    expected = outputs.mean(1)[:, 0] * network.target_scale_ + network.target_offset_
    np.testing.assert_allclose(network.predict(X), expected, atol=1e-4 * y.std())
    theirs = np.asarray(network.model_(X))[:, 0]
    np.testing.assert_allclose(theirs, outputs.mean(1)[:, 0], atol=1e-4)


@pytest.mark.parametrize("embedding", slow_but([None, "piecewise_linear", "plr"], "plr"))
def test_networks_differ_at_first_in_how_they_weigh_a_feature(embedding, diabetes):
    X, y = diabetes
    frame = pd.DataFrame(X[:, :3], columns=["p", "q", "r"]).assign(
        place=pd.Categorical(["a", "b", "c", "d"] * len(X))[: len(X)]
    )
    settings = {"categorical_features": "from_dtype", "n_bins": 4, "embedding_units": 5}
    network = MLPRegressor(**SHARED, **settings, numeric_embedding=embedding, learning_rate=1e-9)
    layers = network.fit(frame, y).model_.layers
    before = next(v for v in layers if type(v).__name__ == "SharedDense").get_weights()[0]
    assert before.shape == (3, 3 + 4)  # however wide a feature became
    if embedding is None:
        np.testing.assert_allclose(np.abs(before), 1, atol=1e-6)
    else:
        assert len(np.unique(before)) == before.size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compiled", "embedding"),
    slow_but(
        [(compiled, form) for compiled in (False, True) for form in ("piecewise_linear", "plr")],
        (False, "piecewise_linear"),
    ),
)
def test_factors_of_embedded_features_mean_what_they_mean_in_keras(
    compiled, embedding, diabetes, monkeypatch
):
    X, y = diabetes
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)
    frame = pd.DataFrame(X[:, :3], columns=["p", "q", "r"]).assign(s=X[:, 1] > 0)
    frame["s"] = frame["s"].astype("category")
    network = MLPRegressor(**SHARED, numeric_embedding=embedding, learning_rate=0.03)
    network.set_params(categorical_features="from_dtype", n_bins=4, embedding_units=5)
    network.fit(frame, y)
    codes = frame.assign(s=frame["s"].cat.codes + 1).to_numpy(float)
    assert_predicts_as_keras(network, frame, codes, y)
    assert network.predict(frame).std() > 0.1 * y.std()
    network = MLPRegressor(**SHARED, numeric_embedding=embedding, learning_rate=0.03).fit(X, y)
    assert_predicts_as_keras(network, X, X, y)


def assert_predicts_as_keras(network, X, codes, y):
    theirs = np.asarray(network.model_(codes))[:, 0]
    expected = theirs * network.target_scale_ + network.target_offset_
    np.testing.assert_allclose(network.predict(X), expected, atol=1e-4 * y.std())


@pytest.mark.parametrize("n_classes", slow_but([2, 3], 3))
def test_classifier_predicts_the_mean_of_probabilities(n_classes, iris):
    X, y = iris
    y = np.minimum(y, n_classes - 1)
    network = MLPClassifier(**SHARED, learning_rate=0.03).fit(X, y)
    outputs = numpy_outputs(network, X)
    if n_classes == 2:
        expected = (1 / (1 + np.exp(-outputs))).mean(1)[:, 0]
        np.testing.assert_allclose(network.predict_proba(X)[:, 1], expected, atol=1e-5)
    else:
        shares = np.exp(outputs) / np.exp(outputs).sum(2, keepdims=True)
        np.testing.assert_allclose(network.predict_proba(X), shares.mean(1), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("l2", slow_but([0.0, 0.1], 0.1))
def test_learns_what_keras_learns_from_the_mean_of_the_losses(l2, diabetes):
    X, y = diabetes
    y = (y - y.mean()) / y.std()
    initial = []

    class MeanOfLosses(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean((y_true[:, None] - y_pred) ** 2, (1, 2))

    class InitialWeights(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            initial.extend(self.model.get_weights())

    settings = {"shuffle": False, "learning_rate": 0.01, "target_scaling": False, "l2": l2}
    network = MLPRegressor(**SHARED | settings, callbacks=[InitialWeights()]).fit(X, y)
    layers = [layer for layer in network.model_.layers if type(layer).__name__ != "SharedMean"]
    twin = keras.models.clone_model(keras.Sequential([keras.Input((10,)), *layers]))
    twin.set_weights(initial)
    twin.compile(keras.optimizers.Adam(0.01), MeanOfLosses(), run_eagerly=True)
    history = twin.fit(X, y[:, None], batch_size=16, epochs=4, shuffle=False, verbose=0).history
    theirs = np.asarray(twin(X)).mean((1, 2))
    np.testing.assert_allclose(network.predict(X), theirs, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(network.history_["loss"], history["loss"], rtol=1e-3)


def test_validation_loss_is_the_mean_of_the_losses_and_metrics_those_of_the_mean(diabetes):
    X, y = diabetes
    network = MLPRegressor(**SHARED, metrics=["mse"])
    network.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    outputs = numpy_outputs(network, X[100:])[:, :, 0]
    z = (y[100:] - network.target_offset_) / network.target_scale_
    assert network.history_["val_loss"][-1] == pytest.approx(((outputs - z[:, None]) ** 2).mean(),
                                                             rel=1e-4)  # fmt: skip
    expected = ((network.predict(X[100:]) - y[100:]) ** 2).mean()
    assert network.history_["val_mse"][-1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "xla"])
def test_each_member_equals_its_fit_alone(compiled, diabetes, monkeypatch):
    X, y = diabetes
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)
    networks = [
        MLPRegressor(
            **SHARED | {"random_state": i, "dropout": 0.1 * i, "l2": 0.01 * i},
            numeric_embedding="plr", parametric_activation=True, batch_norm="before_activation",
        )
        for i in range(3)
    ]  # fmt: skip
    with skdl.lockstep() as session:
        together = Parallel()(delayed(clone(network).fit)(X, y) for network in networks)
    assert session.batches == [3]
    for one, network in zip(together, networks, strict=True):
        alone = clone(network).fit(X, y)
        assert np.abs(one.predict(X) - alone.predict(X)).max() < 1e-3 * alone.predict(X).std()


@pytest.mark.slow
def test_the_keras_model_can_be_saved_and_loaded(iris, tmp_path):
    X, y = iris
    network = MLPClassifier(**SHARED, l2=0.1).fit(X, y)
    network.model_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), network.predict_proba(X), atol=1e-5)


def test_linear_models_have_nothing_to_share(diabetes):
    X, y = diabetes
    one, many = (
        MLPRegressor(hidden_layers=0, epochs=2, random_state=0, shared_members=k) for k in (1, 3)
    )
    np.testing.assert_array_equal(one.fit(X, y).predict(X), many.fit(X, y).predict(X))


def test_what_needs_the_fit_of_keras_is_refused(diabetes):
    class OnBatches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    with pytest.raises(ValueError, match=r"OnBatches acts on batches.*shared_members=1"):
        MLPRegressor(**SHARED, callbacks=[OnBatches()]).fit(*diabetes)
