"""Dropout in recurrent layers: one mask a sequence, drawn from the member's own noise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from skdl import KerasRegressor
from skdl.layers import LayerContext, Pass, blueprint_of
from skdl.layers._registry import rule_of
from skdl.networks import Layer, Loss, Network, read_layers
from skdl.training import Job, Rows, _part, describe_optimizer, train
from tests.checks import PLAIN_OR_XLA, plain_and_xla, slow_but

N_ROWS, N_STEPS, N_CHANNELS, UNITS = 40, 6, 3, 5
RATE = {"dropout": 0.4, "recurrent_dropout": 0.3}
RNN, GRU, LSTM = keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM
# By what they show: a layer, how many masks its inputs have, and how many its states.
LAYERS = {
    "SimpleRNN": (lambda: RNN(UNITS, **RATE), 1, 1),
    "LSTM": (lambda: LSTM(UNITS, **RATE), 4, 4),
    "LSTM of inputs": (lambda: LSTM(UNITS, dropout=0.4), 1, 0),
    "LSTM of states": (lambda: LSTM(UNITS, recurrent_dropout=0.3), 0, 4),
    "GRU": (lambda: GRU(UNITS, **RATE), 3, 3),
    "GRU of states": (lambda: GRU(UNITS, recurrent_dropout=0.3, return_sequences=True), 0, 3),
    "GRU reset before": (lambda: GRU(UNITS, reset_after=False, **RATE), 3, 3),
}


def noise_of(shape):
    return np.random.default_rng(3).integers(0, 2**32, (1, *shape), np.uint32)


def masks_of(noise, rate):
    """Return 0 where noise lies below the rate, and what the others grow by."""
    return np.where(noise / 2**32 < rate, 0, 1 / (1 - rate)).astype(np.float32)


def layer_of(model):
    return read_layers(model).layers[0]


@pytest.mark.parametrize("name", slow_but(list(LAYERS), "LSTM", "GRU reset before"))
def test_dropout_leaves_out_what_keras_leaves_out_by_the_same_masks(name):
    build, n_of_inputs, n_of_states = LAYERS[name]
    x = np.random.default_rng(0).normal(size=(N_ROWS, N_STEPS, N_CHANNELS)).astype(np.float32)
    theirs = build()
    model = keras.Sequential([keras.Input((N_STEPS, N_CHANNELS)), theirs])
    rng = np.random.default_rng(1)
    weights = [rng.uniform(-0.6, 0.6, w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    n_masks = max(n_of_inputs, n_of_states)
    noise = noise_of((N_ROWS, n_masks * (N_CHANNELS + UNITS)))
    split = N_CHANNELS * n_masks
    for rate, part, count, attribute in (
        ("dropout", noise[0, :, :split], n_of_inputs, "_dropout_mask"),
        ("recurrent_dropout", noise[0, :, split:], n_of_states, "_recurrent_dropout_mask"),
    ):
        if count:
            masks = [tf.constant(m) for m in np.split(masks_of(part, RATE[rate]), n_masks, -1)]
            by_gate = n_masks > 1
            setattr(theirs.cell, attribute, masks if by_gate else masks[0])
    expected = theirs(x, training=True)
    layer = layer_of(model)
    scalars = {name: tf.constant([layer[name]]) for name in RATE if layer.get(name)}
    run = Pass(training=True, noise=lambda position, shape: tf.constant(noise_of(shape)))
    context = LayerContext(0, [tf.constant(w[None]) for w in weights], scalars, run)
    found, _ = rule_of(layer).apply(layer, tf.constant(x[None]), context)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-6)


def bidirectional(**rates):
    inner = Layer.of("GRU", units=UNITS)
    return Layer.of("Bidirectional", forward=inner, merge_mode="concat", l1=0.0, l2=0.0, **rates)


def recurrent(kind, **rates):
    return Layer.of(kind, units=UNITS, l1=0.0, l2=0.0, **rates)


OWN = {
    "SimpleRNN": lambda **rates: recurrent("SimpleRNN", **rates),
    "LSTM": lambda **rates: recurrent("LSTM", **rates),
    "GRU": lambda **rates: recurrent("GRU", **rates),
    "Bidirectional": bidirectional,
}


@pytest.fixture(params=PLAIN_OR_XLA, ids=["plain", "xla"])
def compiled(request, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: request.param)
    return request.param


def job_of(layer, seed):
    X = np.random.default_rng(seed).normal(size=(30 + seed, N_STEPS, N_CHANNELS))
    X = X.astype(np.float32)
    rows = Rows(X, X[:, 0, :1], np.ones(len(X), np.float32))
    dense = Layer.of("Dense", units=1, l1=0.0, l2=0.0)
    network = Network((N_STEPS, N_CHANNELS), (layer, dense), "linear", Loss("mse"))
    weights = [
        np.random.default_rng(seed).uniform(-0.6, 0.6, v.shape).astype(np.float32)
        for v in blueprint_of(network).layout.variables
    ]
    optimizer = describe_optimizer(keras.optimizers.SGD(0.05))
    return Job(network, rows, optimizer, epochs=3, batch_size=16, seed=seed, weights=weights)


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(["LSTM", "GRU", "SimpleRNN"], ["LSTM", "Bidirectional"], "LSTM"),
    indirect=["compiled"],
)
def test_members_of_other_rates_learn_in_company_what_they_learn_alone(name, compiled):
    rates = [{"dropout": d, "recurrent_dropout": r} for d, r in
             [(0.0, 0.1), (0.5, 0.3), (0.2, 0.6), (0.3, 0.0), (0.0, 0.0)]]  # fmt: skip
    jobs = [job_of(OWN[name](**own), seed) for seed, own in enumerate(rates)]
    together = train(jobs)
    # Alone, XLA compiles each number of rows anew.
    for seed in (1, 4) if compiled else range(5):
        own = rates[seed]
        (alone,) = train([job_of(OWN[name](**own), seed)])
        np.testing.assert_allclose(together[seed].weights, alone.weights, rtol=1e-4, atol=1e-6)
        (plain,) = train([job_of(OWN[name](dropout=0.0, recurrent_dropout=0.0), seed)])
        assert np.allclose(alone.weights, plain.weights) == (not any(own.values()))


@pytest.mark.parametrize("name", slow_but(["LSTM", "GRU of states"], "LSTM"))
def test_recurrent_dropout_of_users_models_trains_in_the_engine_and_rests_in_prediction(
    name, caplog
):
    X = np.random.default_rng(0).normal(size=(N_ROWS, N_STEPS, N_CHANNELS)).astype(np.float32)
    layers = [LAYERS[name][0](), keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((N_STEPS, N_CHANNELS)), *layers])
    caplog.set_level("INFO", "skdl")
    ours = KerasRegressor(model, loss="mse", epochs=2, random_state=0).fit(X, X[:, 0, 0])
    assert "keras.Model.fit" not in caplog.text
    np.testing.assert_allclose(ours.predict(X), ours.model_(X)[:, 0], rtol=1e-4, atol=1e-5)
