"""Blocks of self-attention: what Keras computes and learns, with and without masks."""

import dataclasses

import keras
import numpy as np
import pytest

from skdl.layers import blueprint_of, keras_model
from skdl.networks import Layer, Loss, Network
from skdl.training import Job, Rows, _part, describe_optimizer, predict, train
from tests.checks import PLAIN_OR_XLA

# 16 does not divide 43: the last batch has 11 rows.
N_ROWS, N_STEPS, WIDTH = 43, 5, 4
TRAINING = {"epochs": 5, "batch_size": 16, "shuffle": False}


@pytest.fixture(params=PLAIN_OR_XLA, ids=["plain", "xla"])
def compiled(request, monkeypatch):
    """Whether XLA compiles every stack, by the worth of compiling."""
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: request.param)
    return request.param


@pytest.fixture
def rows():
    """Sequences of 1 to 5 steps, NaN behind."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_STEPS, WIDTH)).astype(np.float32)
    y = X[:, 0, 0] * 2 + X[:, -1, 1]
    X[np.arange(N_STEPS) >= rng.integers(1, N_STEPS + 1, N_ROWS)[:, None]] = np.nan
    return X, y


def block(**options):
    config = {"n_heads": 2, "units": 6, "rate": 0.0, "l1": 0.0, "l2": 0.0}
    return Layer.of("TransformerBlock", **config | options)


def network_of(*layers, n_steps=N_STEPS, masked=True):
    first = [Layer.of("StepMask")] * masked
    last = [Layer.of("SequencePooling", mode="mean"), Layer.of("Dense", units=1, l1=0.0, l2=0.0)]
    shape = (n_steps, WIDTH)
    return Network(shape, (*first, *layers, *last), "linear", Loss("mse"))


def drawn_arrays(network, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [variable.shape for variable in blueprint_of(network).layout.variables]
    return [rng.uniform(-0.6, 0.6, shape).astype(np.float32) for shape in shapes]


def job_of(network, X, y, seed=0):
    rows = Rows(X, y[:, None], np.ones(len(X), np.float32))
    optimizer = describe_optimizer(keras.optimizers.SGD(0.05))
    arrays = drawn_arrays(network, seed)
    return Job(network, rows, optimizer, seed=seed, weights=arrays, **TRAINING)


def assert_learns_as_keras(network, X, y):
    (ours,) = train([job_of(network, X, y)])
    twin = keras_model(network)
    twin.set_weights(drawn_arrays(network))
    twin.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
    twin.fit(X, y[:, None], verbose=0, **TRAINING)
    for own, expected in zip(ours.arrays, twin.get_weights(), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(predict(ours, X), np.asarray(twin(X)), rtol=1e-4, atol=1e-5)


def test_masked_blocks_learn_what_keras_learns(rows, compiled):
    network = network_of(Layer.of("PositionalEncoding"), block(l1=0.001, l2=0.01), block(n_heads=4))
    assert_learns_as_keras(network, *rows)


def test_blocks_without_masks_learn_what_keras_learns(rows):
    network = network_of(Layer.of("PositionalEncoding"), block(), masked=False)
    assert_learns_as_keras(network, np.nan_to_num(rows[0]), rows[1])


@pytest.mark.parametrize("masked", [True, False])
def test_a_block_computes_attention_as_the_layers_of_keras(masked, rows):
    """The block's weights in keras.layers, one after the other."""
    ours = keras_model(network_of(block(), masked=masked))
    arrays = drawn_arrays(network_of(block()))
    ours.set_weights(arrays)
    X = rows[0] if masked else np.nan_to_num(rows[0])
    counts = ~np.isnan(X[..., 0])
    x = np.nan_to_num(X)
    norm, dense_norm = (keras.layers.LayerNormalization() for _ in range(2))
    attention = keras.layers.MultiHeadAttention(2, WIDTH // 2)
    wide, narrow = keras.layers.Dense(6, "relu"), keras.layers.Dense(WIDTH)
    for layer in (norm, dense_norm, wide):
        layer.build((None, N_STEPS, WIDTH))
    narrow.build((None, N_STEPS, 6))
    attention.build((None, N_STEPS, WIDTH), (None, N_STEPS, WIDTH))
    heads = [
        array.reshape(w.shape)
        for array, w in zip(arrays[2:10], attention.get_weights(), strict=True)
    ]
    norm.set_weights(arrays[:2])
    attention.set_weights(heads)
    dense_norm.set_weights(arrays[10:12])
    wide.set_weights(arrays[12:14])
    narrow.set_weights(arrays[14:16])
    normed = norm(x)
    x = x + attention(normed, normed, attention_mask=counts[:, None, :])
    x = np.asarray(x + narrow(wide(dense_norm(x))))
    expected = np.stack([row[own].mean(0) for row, own in zip(x, counts, strict=True)])
    *_, own_block, pooling, _ = ours.layers
    found = pooling(own_block(np.nan_to_num(X), mask=counts), mask=counts)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-5)


def test_positions_are_sines_and_cosines():
    network = Network((3, 4), (Layer.of("PositionalEncoding"),), "linear", Loss("mse"))
    found = np.asarray(keras_model(network)(np.zeros((1, 3, 4), np.float32)))[0]
    steps = np.arange(3)
    expected = [np.sin(steps), np.cos(steps), np.sin(steps / 100), np.cos(steps / 100)]
    np.testing.assert_allclose(found, np.transpose(expected), atol=1e-6)


def test_dropout_of_one_seed_is_the_same_in_company(rows, compiled):
    X, y = rows
    jobs = [job_of(network_of(block(rate=0.1 * i)), X, y, seed=i) for i in range(4)]
    for own, together in zip(jobs, train(jobs), strict=True):
        (alone,) = train([own])
        for a, b in zip(together.arrays, alone.arrays, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    (without,) = train([job_of(network_of(block()), X, y, seed=3)])
    assert not np.allclose(without.arrays[2], train(jobs)[3].arrays[2], atol=1e-4)


def test_predictions_depend_neither_on_padding_nor_on_other_rows(rows):
    X, y = rows
    layers = [Layer.of("PositionalEncoding"), block()]
    (ours,) = train([job_of(network_of(*layers), X, y)])
    together = predict(ours, X)
    alone = np.concatenate([predict(ours, X[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, together[:5], atol=1e-6)
    longer = dataclasses.replace(ours, network=network_of(*layers, n_steps=2 * N_STEPS))
    padded = np.pad(X, ((0, 0), (0, N_STEPS), (0, 0)), constant_values=np.nan)
    np.testing.assert_allclose(predict(longer, padded), together, atol=1e-6)
