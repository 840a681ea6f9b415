"""Predictions of many classes: their probabilities fill one array, classes need none."""

import tracemalloc

import numpy as np
import pytest

from skdl.estimators.base._classification import ClassTargets

N_ROWS, N_CLASSES = 4000, 1000


@pytest.fixture(scope="module")
def outputs():
    values = np.random.default_rng(0).random((N_ROWS, N_CLASSES), np.float32)
    return values / values.sum(1, keepdims=True)


@pytest.fixture
def targets():
    own = ClassTargets("MLPClassifier", loss="auto")
    own.is_multilabel, own.n_outputs, own.classes = False, 1, np.arange(N_CLASSES) * 3
    return own


def peak_of(function, *arguments):
    tracemalloc.start()
    try:
        result = function(*arguments)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_probabilities_take_little_more_than_their_own_memory(targets, outputs, temperature):
    targets.temperature = temperature
    found, peak = peak_of(targets.probabilities, outputs)
    assert peak < found.nbytes + 8 * 8 * 2**20
    shares = outputs.astype(float) / outputs.astype(float).sum(1, keepdims=True)
    powers = (shares + (2.0**-24 if temperature > 1 else 0)) ** (1 / temperature)
    np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), rtol=1e-12)
    assert found.dtype == np.float64


def test_classes_are_found_without_all_probabilities(targets, outputs, monkeypatch):
    monkeypatch.setattr("skdl.estimators.base._classification._BLOCK", 2**16)
    found, peak = peak_of(targets.decode, outputs)
    assert peak < outputs.nbytes / 4
    np.testing.assert_array_equal(found, 3 * outputs.argmax(1))


def test_labels_are_found_block_by_block(targets, outputs, monkeypatch):
    monkeypatch.setattr("skdl.estimators.base._classification._BLOCK", 1000)
    targets.is_multilabel = True
    few = 500 * outputs[:50]
    np.testing.assert_array_equal(targets.decode(few), few > 0.5)
