"""Under XLA large variables are tensors of their own in the loop over batches."""

import collections

import keras
import numpy as np
import pytest
from sklearn.base import clone

from skdl import MLPRegressor
from skdl.training import _part
from skdl.training.engine import _graph, _plan, _program
from tests.training import test_against_keras as beside_keras
from tests.training.engine.test_company import TOLERANCE, distance, fitted_alone, fitted_together
from tests.training.engine.test_padding import fits_of


@pytest.fixture
def n_pieces(monkeypatch):
    """Compile stacks, large being 16 numbers; return how many pieces each training had."""
    found = []

    class Recorded(_graph.Graph):
        def joined(self, pieces):
            found.append(len(pieces))
            return super().joined(pieces)

    monkeypatch.setattr(_part, "worth_compiling", lambda *_: True)
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)  # no graph of other pieces from the disk
    monkeypatch.setattr(_graph, "_LARGE", 16)
    monkeypatch.setattr(_program, "Graph", Recorded)
    monkeypatch.setattr(_program, "_programs", collections.OrderedDict())
    return found


SGD, ADAM = keras.optimizers.SGD, keras.optimizers.Adam


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (lambda: ADAM(0.01, weight_decay=0.01, amsgrad=True), 3),
        (lambda: SGD(0.01), 3),
        (lambda: SGD(0.01, momentum=0.9, nesterov=True, clipvalue=0.1), 3),
        (lambda: SGD(0.01, clipnorm=0.1), 1),
        (lambda: SGD(0.01, global_clipnorm=0.1), 1),
    ],
    ids=["adam", "sgd", "clipvalue", "clipnorm", "global_clipnorm"],
)
def test_they_learn_what_keras_learns(optimizer, expected, n_pieces, diabetes):
    X, y = diabetes[0], diabetes[1][:, None] / 100
    X, y = X[beside_keras.ROWS], y[beside_keras.ROWS]
    estimator = beside_keras.regressor(
        hidden_units=(8, 6), l1=1e-3, l2=1e-2, optimizer=optimizer(), batch_norm=None
    )
    loss = beside_keras.averaged(keras.losses.MeanSquaredError)
    twin = beside_keras.keras_twin(estimator, X, y[:, 0], loss, optimizer())
    beside_keras.fit_twin(twin, X, y)
    # The kernels of 10 x 8 and 8 x 6, and all that is small: each slot and the weights are joined.
    assert set(n_pieces) == {expected}
    beside_keras.assert_equal_weights(estimator, twin)


def test_bias_without_a_gradient_stays_what_it_is(n_pieces, diabetes):
    estimator = MLPRegressor((20,), batch_norm="before_activation", epochs=2, random_state=0)
    estimator.fit(*diabetes)
    assert set(n_pieces) == {6}  # kernels of 10 x 20 and 20 x 1, three vectors of 20, and the rest
    assert not estimator.model_.get_weights()[1].any()


def test_padded_members_equal_themselves_alone(n_pieces, monkeypatch):
    monkeypatch.setattr(_plan, "_worth_padding", lambda _: True)
    fits = fits_of(3, (17, 40), 64, hidden_layers=2, l2=1e-2)
    together = fitted_together(fits)
    assert max(n_pieces) > 1
    for one, other in zip(together, fitted_alone(fits), strict=True):
        assert distance(one, other) < TOLERANCE


def test_what_pruning_makes_zero_stays_zero(n_pieces, diabetes, monkeypatch):
    network = MLPRegressor((8,), epochs=8, sparsity=0.5, optimizer="adamw", random_state=0)
    network.fit(*diabetes)
    assert set(n_pieces) == {2}
    monkeypatch.setattr(_graph, "_LARGE", 1e9)
    _program._programs.clear()
    n_pieces.clear()
    whole = clone(network).fit(*diabetes)
    assert set(n_pieces) == {1}
    for one, other in zip(network.model_.get_weights(), whole.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(one == 0, other == 0)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert network.n_nonzero_weights_ == 40 + 8  # the last layer's kernel stays whole
