"""Attention and places of steps: what Keras makes of them, with masks, alone and in company."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from skdl import KerasRegressor
from skdl.layers import LayerContext, Pass, blueprint_of, keras_model
from skdl.layers._registry import rule_of
from skdl.networks import CannotReadError, Layer, Loss, Network, read_layers
from skdl.training import Job, Rows, _part, describe_optimizer, initial_weights, predict, train
from tests.checks import PLAIN_OR_XLA, plain_and_xla

N_ROWS, N_STEPS, N_CHANNELS = 43, 6, 4
TRAINING = {"epochs": 5, "batch_size": 16, "shuffle": False}
Attention = keras.layers.MultiHeadAttention


@pytest.fixture(params=PLAIN_OR_XLA, ids=["plain", "xla"])
def compiled(request, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: request.param)
    return request.param


@pytest.fixture
def rows():
    """Sequences of 1 to 6 steps, zeros behind; one has no step at all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_STEPS, N_CHANNELS)).astype(np.float32)
    y = X[:, 0, 0] * 2 + X[:, -1, 1]
    X[np.arange(N_STEPS) >= rng.integers(1, N_STEPS + 1, N_ROWS)[:, None]] = 0
    X[3] = 0
    return X, y


def sgd():
    return keras.optimizers.SGD(0.05)


def drawn(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(-0.6, 0.6, w.shape) for w in model.get_weights()])
    return model


def learned_by_keras(twin, X, y):
    twin.compile(sgd(), "mse", run_eagerly=True)
    twin.fit(X, y[:, None], verbose=0, **TRAINING)
    return twin


def assert_same(found, expected, rtol=1e-4):
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=rtol, atol=2e-6)


def encoder(*, masking, **options):
    """Return a block as in a transformer's encoder, and pooling."""
    inputs = keras.Input((N_STEPS, N_CHANNELS))
    x = keras.layers.Masking()(inputs) if masking else inputs
    attended = Attention(2, 3, **options)(x, x)
    x = keras.layers.LayerNormalization()(keras.layers.Add()([x, attended]))
    hidden = keras.layers.Dense(5, activation="relu")(x)
    x = keras.layers.Add()([x, keras.layers.Dense(N_CHANNELS)(hidden)])
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.LSTM(3)(x)))


ENCODERS = {
    "plain": lambda: encoder(masking=False),
    "masked": lambda: encoder(masking=True),
    "penalty": lambda: encoder(masking=True, kernel_regularizer="l2"),
    "other width, no bias": lambda: encoder(masking=True, value_dim=2, use_bias=False),
}


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(["masked", "penalty"], ["plain", "other width, no bias"], "masked"),
    indirect=["compiled"],
)
def test_attention_trains_as_in_keras(name, rows, compiled, caplog):
    X, y = rows
    model = drawn(ENCODERS[name]())
    with caplog.at_level(logging.INFO, logger="skdl"):
        ours = KerasRegressor(model, optimizer=sgd(), loss="mse", **TRAINING).fit(X, y)
    assert "keras.Model.fit" not in caplog.text
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    learned_by_keras(twin, X, y)
    assert_same(ours.model_.get_weights(), twin.get_weights())
    np.testing.assert_allclose(ours.predict(X), np.asarray(twin(X))[:, 0], rtol=1e-4, atol=1e-5)


def two_tensors():
    inputs = keras.Input((N_STEPS, N_CHANNELS))
    hidden = Attention(2, 3)(inputs, keras.layers.Dense(N_CHANNELS)(inputs))
    return keras.Model(inputs, keras.layers.Flatten()(hidden))


def asked(**options):
    inputs = keras.Input((N_STEPS, N_CHANNELS))
    return keras.Model(inputs, keras.layers.Flatten()(Attention(2, 3)(inputs, inputs, **options)))


@pytest.mark.parametrize(
    "build",
    [
        two_tensors,
        lambda: asked(use_causal_mask=True),
        lambda: encoder(masking=False, output_shape=N_CHANNELS),
        lambda: encoder(masking=False, bias_regularizer="l2"),
    ],
    ids=["two tensors", "causal", "output shape", "penalty"],
)
def test_attention_that_no_rule_does_is_not_read(build):
    with pytest.raises(CannotReadError, match="multi_head_attention"):
        read_layers(build())


def own_network(form="learned", n_steps=N_STEPS, **options):
    """Return an encoder of our own layers, whose steps count unless they are NaN."""
    dense = {"l1": 0.0, "l2": 0.0}
    layers = (
        Layer.of("StepMask"),
        Layer.of("PositionEncoding", form=form),
        Layer.of("MultiHeadAttention", num_heads=2, key_dim=3, **dense, **options),
        Layer.of("Dropout", rate=0.0),
        Layer.of("Add"),
        Layer.of("LayerNormalization", epsilon=1e-3, scale=True, center=True),
        Layer.of("SequencePooling", mode="mean"),
        Layer.of("Dense", units=1, **dense),
    )
    inputs = ((0,), (1,), (2,), (3,), (2, 4), (5,), (6,), (7,))
    return Network((n_steps, N_CHANNELS), layers, "linear", Loss("mse"), inputs)


def job_of(network, X, y, seed=0):
    layout = blueprint_of(network).layout
    rng = np.random.default_rng(seed)
    drawn = [rng.uniform(-0.6, 0.6, v.shape).astype(np.float32) for v in layout.variables]
    rows = Rows(X, y[:, None], np.ones(len(X), np.float32))
    optimizer = describe_optimizer(sgd())
    return Job(network, rows, optimizer, seed=seed, weights=drawn, **TRAINING)


def with_gaps(X):
    return np.where(X == 0, np.nan, X).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "compiled"), plain_and_xla(["learned"], ["sinusoidal"]), indirect=["compiled"]
)
def test_networks_of_own_layers_for_attention_train_as_in_keras(name, rows, compiled):
    X, y = with_gaps(rows[0]), rows[1]
    job = job_of(own_network(name), X, y)
    (ours,) = train([job])
    model = keras_model(job.network)
    model.set_weights(initial_weights(job))
    twin = learned_by_keras(model, X, y)
    assert_same(ours.arrays, twin.get_weights())
    np.testing.assert_allclose(predict(ours, X), np.asarray(twin(X)), rtol=1e-4, atol=1e-5)
    assert np.isfinite(predict(ours, X)).all()


def test_waves_are_those_of_the_paper():
    layer = Layer.of("PositionEncoding", form="sinusoidal")
    rule = rule_of(layer)
    (variable,) = rule.variables(layer, 0, (50, 6))
    table = rule.initial(layer, variable, np.random.default_rng(0))
    for place in (0, 1, 49):
        for i in range(3):
            angle = place / 10_000 ** (2 * i / 6)
            np.testing.assert_allclose(table[place, 2 * i], np.sin(angle), atol=1e-6)
            np.testing.assert_allclose(table[place, 2 * i + 1], np.cos(angle), atol=1e-6)
    assert not variable.trainable
    built = keras_model(Network((50, 6), (layer, Layer.of("Flatten")), "linear", Loss("mse")))
    np.testing.assert_array_equal(built.get_weights()[0], table)


def test_attention_leaves_out_shares_as_its_noise_says():
    """Without masks and with equal scores, a step is the mean of the values that are kept."""
    layer = Layer.of("MultiHeadAttention", num_heads=1, key_dim=2, use_bias=False)
    x = np.random.default_rng(0).normal(size=(1, 5, 3, 2)).astype(np.float32)
    zero, identity = np.zeros((1, 2, 1, 2)), np.eye(2)
    kernels = [zero, zero, identity.reshape(1, 2, 1, 2), identity.reshape(1, 1, 2, 2)]
    noise = np.random.default_rng(1).integers(0, 2**32, (1, 5, 1, 3, 3), np.uint32)
    run = Pass(training=True, noise=lambda position, shape: tf.constant(noise))
    variables = [tf.constant(kernel, tf.float32) for kernel in kernels]
    context = LayerContext(0, variables, {"dropout": tf.constant([0.25])}, run)
    found, _ = rule_of(layer).apply(layer, tf.constant(x), context)
    shares = np.where(noise[:, :, 0] / 2**32 < 0.25, 0, 1 / 3 / 0.75)
    np.testing.assert_allclose(found, shares @ x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["sinusoidal"])
def test_padding_and_other_rows_change_no_prediction_of_attention(form, rows):
    X = with_gaps(rows[0])
    network = own_network(form)
    (ours,) = train([job_of(network, X, rows[1])])
    together = predict(ours, X)
    alone = np.concatenate([predict(ours, X[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, together[:5], atol=1e-6)
    garbage = X.copy()
    garbage[np.isnan(X[:, :, 0])] = np.nan
    np.testing.assert_allclose(predict(ours, garbage), together, atol=1e-6)


def test_members_that_attend_learn_in_company_what_they_learn_alone(rows, compiled):
    X, y = with_gaps(rows[0]), rows[1]
    cases = [(own_network(dropout=0.1 * i), X[: 20 + i], y[: 20 + i]) for i in range(5)]
    together = train([job_of(*case, seed=i) for i, case in enumerate(cases)])
    # Alone, XLA compiles each number of rows anew.
    for seed in (1, 4) if compiled else range(5):
        (alone,) = train([job_of(*cases[seed], seed=seed)])
        assert_same(together[seed].arrays, alone.arrays)
    (plain,) = train([job_of(own_network(), *cases[4][1:], seed=4)])
    assert not np.allclose(plain.weights, together[4].weights)
