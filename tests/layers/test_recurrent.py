"""Recurrent networks of the user's learn what ``keras.Model.fit`` makes of them, in any company."""

import logging

import keras
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from skdl import KerasClassifier, KerasRegressor, lockstep
from skdl.layers import blueprint_of, keras_model
from skdl.layers._registry import rule_of
from skdl.networks import Layer, Loss, Network
from skdl.training import _part
from tests.checks import PLAIN_OR_XLA, plain_and_xla, slow_but

# 16 does not divide 43: the last batch has 11 rows.
N_ROWS, N_STEPS, N_CHANNELS = 43, 7, 3
TRAINING = {"epochs": 5, "batch_size": 16, "shuffle": False}


@pytest.fixture(params=PLAIN_OR_XLA, ids=["plain", "xla"])
def compiled(request, monkeypatch):
    """Whether XLA compiles every stack, by the worth of compiling."""
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: request.param)
    return request.param


@pytest.fixture
def rows():
    X = np.random.default_rng(0).normal(size=(N_ROWS, N_STEPS, N_CHANNELS)).astype(np.float32)
    return X, X[:, 0, 0] * 2 + X[:, -1, 1]


def sequential(*layers, n_outputs=1, **options):
    head = keras.layers.Dense(n_outputs, **options)
    return keras.Sequential([keras.Input((N_STEPS, N_CHANNELS)), *layers, head])


def drawn(model, seed=0):
    """Set all weights, biases among them, to numbers that are nowhere 0."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(-0.6, 0.6, w.shape) for w in model.get_weights()])
    return model


def sgd():
    return keras.optimizers.SGD(0.05)


def kinds_of(estimator):
    return [placed.layer.kind for placed in blueprint_of(estimator._trained.network).layers]


def learned_by_keras(model, X, y, loss="mse"):
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile(sgd(), loss, run_eagerly=True)
    twin.fit(X, y, verbose=0, **TRAINING)
    return twin


def assert_same_weights(ours, theirs):
    for own, expected in zip(ours.model_.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-6)


RNN, GRU, LSTM = keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM
Both = keras.layers.Bidirectional
# By what they show: recurrent layers, all of them read by the engine.
LAYERS = {
    "SimpleRNN": lambda: [RNN(4)],
    "SimpleRNN backwards": lambda: [RNN(4, activation="relu", use_bias=False, go_backwards=True)],
    "GRU": lambda: [GRU(4)],
    "GRU reset before": lambda: [GRU(4, reset_after=False)],
    "GRU without bias": lambda: [GRU(4, use_bias=False, recurrent_activation="hard_sigmoid")],
    "GRU reset before, no bias": lambda: [GRU(4, use_bias=False, reset_after=False)],
    "LSTM": lambda: [LSTM(4)],
    "LSTM backwards": lambda: [LSTM(4, go_backwards=True, unit_forget_bias=False)],
    "LSTM with penalty": lambda: [LSTM(4, kernel_regularizer=keras.regularizers.L1L2(0.01, 0.1))],
    "LSTM unrolled": lambda: [LSTM(4, unroll=True, use_bias=False, activation="softsign")],
    "two layers": lambda: [LSTM(5, return_sequences=True, go_backwards=True), GRU(3)],
    "Bidirectional": lambda: [Both(LSTM(4, return_sequences=True)), Both(GRU(3))],
    "Bidirectional sum": lambda: [Both(RNN(4, kernel_regularizer="l2"), merge_mode="sum")],
    "Bidirectional mean": lambda: [Both(LSTM(4, use_bias=False), merge_mode="ave")],
    "Bidirectional product": lambda: [
        Both(GRU(4, return_sequences=True), merge_mode="mul"),
        keras.layers.Flatten(),
    ],
    "sequences": lambda: [GRU(4, return_sequences=True), keras.layers.Flatten()],
}
SHOWN = ("GRU", "LSTM")
# Every kind of loop, forwards and backwards, and its sequences; what else there is to these layers
# is the same to both.
UNDER_XLA = (
    "SimpleRNN backwards", "GRU", "GRU reset before", "LSTM", "LSTM with penalty", "Bidirectional",
    "Bidirectional product", "sequences",
)  # fmt: skip
IN_THE_PLAIN_GRAPH = (*SHOWN, *[name for name in LAYERS if name not in UNDER_XLA])


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(IN_THE_PLAIN_GRAPH, UNDER_XLA, *SHOWN),
    indirect=["compiled"],
)
def test_recurrent_layers_train_as_in_keras(name, rows, compiled):
    X, y = rows
    layers = LAYERS[name]()
    model = drawn(sequential(*layers))
    ours = KerasRegressor(model, optimizer=sgd(), loss="mse", **TRAINING).fit(X, y)
    assert kinds_of(ours) == [type(layer).__name__ for layer in [*layers, model.layers[-1]]]
    twin = learned_by_keras(model, X, y[:, None])
    assert_same_weights(ours, twin)
    np.testing.assert_allclose(ours.predict(X), np.asarray(twin(X))[:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_recurrent_classifier_trains_as_in_keras(rows):
    X, y = rows
    labels = np.digitize(y, [-1, 1])
    model = drawn(sequential(LSTM(4), n_outputs=3, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    ours = KerasClassifier(model, optimizer=sgd(), loss=loss, **TRAINING).fit(X, labels)
    assert_same_weights(ours, learned_by_keras(model, X, labels, loss))


@pytest.mark.slow
def test_frozen_recurrent_layers_keep_their_weights(rows):
    X, y = rows
    model = drawn(sequential(GRU(4)))
    model.layers[0].trainable = False
    ours = KerasRegressor(model, optimizer=sgd(), loss="mse", **TRAINING).fit(X, y)
    assert kinds_of(ours) == ["GRU", "Dense"]
    for own, given in zip(ours.model_.get_weights()[:3], model.get_weights()[:3], strict=True):
        np.testing.assert_array_equal(own, given)
    assert_same_weights(ours, learned_by_keras(model, X, y[:, None]))


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(["LSTM", "GRU"], ["SimpleRNN", "Bidirectional"], "LSTM"),
    indirect=["compiled"],
)
def test_folds_of_recurrent_networks_learn_the_same_together_as_alone(name, rows, compiled):
    X, y = rows

    def build():
        return sequential(*LAYERS[name]())

    ours = KerasRegressor(build, optimizer="adam", loss="mse", epochs=5, random_state=0)
    alone = cross_val_score(ours, X, y, cv=4)
    with lockstep() as session:
        together = cross_val_score(ours, X, y, cv=4)
    assert session.batches == [4]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_folds_share_one_build_of_an_lstm(rows):
    n_builds = []

    def build():
        n_builds.append(1)
        return sequential(LSTM(4))

    with lockstep():
        cross_val_score(KerasRegressor(build, optimizer="sgd", loss="mse", epochs=1), *rows, cv=4)
    assert len(n_builds) == 1


def test_sequences_of_any_length_are_read(rows):
    X, y = rows
    layers = [keras.Input((None, N_CHANNELS)), LSTM(4), keras.layers.Dense(1)]
    model = drawn(keras.Sequential(layers))
    ours = KerasRegressor(model, optimizer=sgd(), loss="mse", **TRAINING).fit(X, y)
    assert kinds_of(ours) == ["LSTM", "Dense"]
    assert_same_weights(ours, learned_by_keras(model, X, y[:, None]))


def halved(x):
    return x * 0.5


LEFT_TO_KERAS = {
    "recurrent penalty": lambda: RNN(4, recurrent_regularizer="l2"),
    "bias penalty": lambda: RNN(4, bias_regularizer="l2"),
    "constraint": lambda: LSTM(4, recurrent_constraint="unit_norm"),
    "function": lambda: LSTM(4, activation=halved),
    "backwards first": lambda: Both(LSTM(4, go_backwards=True), backward_layer=LSTM(4)),
    "unequal sides": lambda: Both(LSTM(4), backward_layer=GRU(4, go_backwards=True)),
    "cells": lambda: keras.layers.RNN([keras.layers.GRUCell(3), keras.layers.GRUCell(2)]),
}


@pytest.mark.parametrize("name", slow_but(list(LEFT_TO_KERAS), "constraint"))
def test_what_no_rule_does_is_left_to_keras_and_the_log_says_why(name, rows, caplog):
    model = sequential(LEFT_TO_KERAS[name]())
    with caplog.at_level(logging.INFO, logger="skdl"):
        ours = KerasRegressor(model, optimizer="sgd", loss="mse", epochs=1).fit(*rows)
    assert "keras.Model.fit" in caplog.text
    assert "a layer keeps statistics or noise of its own, or adds to the loss" in caplog.text
    assert not {"Bidirectional", "GRU", "LSTM", "SimpleRNN"} & set(kinds_of(ours))


def test_a_frozen_cell_is_left_to_keras(rows, caplog):
    def build():
        model = sequential(LSTM(4))
        model.layers[0].cell.trainable = False
        return model

    with caplog.at_level(logging.INFO, logger="skdl"):
        KerasRegressor(build, optimizer="sgd", loss="mse", epochs=1).fit(*rows)
    assert "keras.Model.fit" in caplog.text


def initial_of(layer):
    rule = rule_of(layer)
    generator = np.random.default_rng(0)
    found = rule.variables(layer, 0, (N_STEPS, N_CHANNELS))
    return {v.name: rule.initial(layer, v, generator) for v in found}


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_recurrent_kernels_begin_with_orthonormal_rows(kind):
    kernel = initial_of(Layer.of(kind, units=5))["recurrent_kernel"]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(5), atol=1e-6)


def test_forget_gates_begin_open_unless_told_otherwise():
    open_ = initial_of(Layer.of("LSTM", units=2))["bias"]
    np.testing.assert_array_equal(open_, [0, 0, 1, 1, 0, 0, 0, 0])
    closed = initial_of(Layer.of("LSTM", units=2, unit_forget_bias=False))["bias"]
    np.testing.assert_array_equal(closed, np.zeros(8))


def both(inner):
    return Layer.of("Bidirectional", forward=inner, merge_mode="concat", l1=0.0, l2=0.1)


DESCRIBED = [Layer.of(kind, units=4, l1=0.0, l2=0.1) for kind in ("SimpleRNN", "GRU", "LSTM")]
DESCRIBED.append(both(Layer.of("LSTM", units=4)))


@pytest.mark.parametrize("layer", DESCRIBED, ids=lambda layer: layer.kind)
def test_networks_of_recurrent_layers_are_keras_models_of_the_same_weights(layer):
    layers = (layer, Layer.of("Dense", units=1, l1=0.0, l2=0.0))
    network = Network((N_STEPS, N_CHANNELS), layers, "linear", Loss("mse"))
    model = keras_model(network)
    shapes = [v.shape for v in blueprint_of(network).layout.variables]
    assert [tuple(w.shape) for w in model.weights] == shapes
    first = getattr(model.layers[0], "backward_layer", model.layers[0])
    assert first.kernel_regularizer.l2 == pytest.approx(0.1)
    assert model.layers[0].output.shape[1:] == blueprint_of(network).row_shapes[1]
