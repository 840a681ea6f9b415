"""Convolutional networks along sequences as estimators: lengths, layers, what they learn."""

import numpy as np
import pytest

from skdl import CNN1DClassifier, CNN1DRegressor, CNNRegressor
from skdl.estimators import describe_space
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import cross_validate

SMALL = {"filters": (3, 2), "kernel_size": (4, 3), "epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 9, 40)
RAGGED = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]


def layers_of(estimator):
    return [type(layer).__name__ for layer in estimator.model_.layers]


@pytest.fixture(scope="module")
def ragged():
    return CNN1DRegressor(**SMALL, normalization="batch", input_batch_norm=True).fit(
        RAGGED, LENGTHS
    )


def test_layers_follow_from_the_parameters(ragged):
    block = ["MaskedConv1D", "BatchNormalization", "Activation"]
    assert layers_of(ragged) == [
        "StepMask", "BatchNormalization", *block, *block, "SequencePooling", "Dense",
    ]  # fmt: skip
    convolutions = [layer for layer in ragged.model_.layers if "conv" in layer.name]
    assert [(c.filters, c.kernel_size) for c in convolutions] == [(3, (4,)), (2, (3,))]


def test_predictions_depend_on_neither_padding_nor_company(ragged):
    together = ragged.predict(RAGGED)
    alone = np.concatenate([ragged.predict([sequence]) for sequence in RAGGED[:8]])
    np.testing.assert_allclose(alone, together[:8], atol=1e-6)
    longer = [*RAGGED, np.ones((30, 2), np.float32)]
    np.testing.assert_allclose(ragged.predict(longer)[:-1], together, atol=1e-6)
    same_length = np.stack([s for s in RAGGED if len(s) == 8])
    np.testing.assert_allclose(ragged.predict(same_length), together[LENGTHS == 8], atol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_a_sequence_is_convolved_with_nothing_but_zeros_around_it(pooling):
    """NumPy computes each sequence at its own length."""
    network = CNN1DRegressor(**SMALL, pooling=pooling, target_scaling=False).fit(RAGGED, LENGTHS)
    *filters, weights, bias = network.model_.get_weights()
    for sequence, found in zip(RAGGED, network.predict(RAGGED), strict=True):
        x = sequence
        for kernel, shift in zip(filters[::2], filters[1::2], strict=True):
            k = len(kernel)
            around = np.pad(x, [((k - 1) // 2, k // 2), (0, 0)])
            steps = [np.tensordot(around[t : t + k], kernel, 2) for t in range(len(x))]
            x = np.maximum(np.array(steps) + shift, 0)
        pooled = x[-1] if pooling == "last" else x.max(0)
        np.testing.assert_allclose(found, (pooled @ weights + bias)[0], atol=1e-5)


def test_whole_sequences_learn_what_the_network_of_signals_learns():
    X = RNG.normal(size=(40, 6, 2)).astype(np.float32)
    y = X[:, :, 1].mean(1)
    common = {"kernel_size": 3, "epochs": 2, "random_state": 0}
    ours = CNN1DRegressor((3, 2), **common).fit(X, y)
    signals = CNNRegressor(
        filters=(3, 2), dimensions=1, pooling=None, global_pooling="average", hidden_units=(),
        **common,
    ).fit(X, y)  # fmt: skip
    assert [w.shape for w in signals.model_.get_weights()] == [
        w.shape for w in ours.model_.get_weights()
    ]
    signals.model_.set_weights(ours.model_.get_weights())
    np.testing.assert_allclose(np.asarray(signals.model_(X)), np.asarray(ours.model_(X)), atol=1e-6)


def test_missing_steps_are_zeros_in_their_place():
    X = RNG.normal(size=(40, 6, 2)).astype(np.float32)
    missing, zero = X.copy(), X.copy()
    missing[:, 3], zero[:, 3] = np.nan, 0
    network = CNN1DRegressor(3, layers=1, epochs=1, pooling="last", mask_missing=True)
    network.fit(X, X[:, 0, 0])
    np.testing.assert_allclose(network.predict(missing), network.predict(zero), atol=1e-6)


def test_sizes_of_kernels_are_as_many_as_convolutions():
    with pytest.raises(InvalidParameterError, match=r"kernel_size=\(3, 5\) has 2 .*3 .*one number"):
        CNN1DRegressor(kernel_size=(3, 5)).fit(RAGGED, LENGTHS)


def test_search_space_keeps_what_a_user_listed():
    assert {"filters", "kernel_size"} <= dict(describe_space(CNN1DClassifier())).keys()
    listed = CNN1DClassifier((8, 8), kernel_size=(3, 3))
    assert not {"filters", "kernel_size"} & dict(describe_space(listed)).keys()


@pytest.mark.slow
def test_a_short_pattern_is_found_wherever_it_stands():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    sequences = [rng.normal(size=rng.integers(10, 40)) for _ in y]
    for sequence, is_there in zip(sequences, y, strict=True):
        start = rng.integers(0, len(sequence) - 5)
        sequence[start : start + 5] = [2, -2, 2, -2, 2] if is_there else [2, 2, -2, -2, 2]
    network = CNN1DClassifier(16, layers=2, pooling="max", learning_rate=0.01, epochs=20)
    scores = cross_validate(network.set_params(random_state=0), sequences, y, cv=3)
    assert scores["test_score"].min() > 0.9
