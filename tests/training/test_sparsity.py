"""Sparsity: which weights become zero, when, and what keeps them there."""

import itertools

import keras
import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skdl
from skdl import CNNClassifier, MLPClassifier, MLPRegressor
from skdl.estimators.base import FitOverrides
from skdl.training import _part
from skdl.training.engine import _stack
from tests.checks import PLAIN_OR_XLA, slow_but

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 10)).astype(np.float32)
Y = X[:, 0] - 2 * X[:, 1] + 0.1 * RNG.normal(size=64)
SMALL = {"hidden_units": (8, 6), "epochs": 8, "batch_size": 16, "random_state": 0}


class Weights(keras.callbacks.Callback):
    """Keeps the weights before the first epoch and after each."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_begin(self, logs=None):
        del logs
        self.seen.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        del epoch, logs
        self.seen.append(self.model.get_weights())


class ActsOnBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


def followed(estimator, **data):
    """Fit an estimator; return its weights before the first epoch and after each."""
    estimator = clone(estimator).set_params(callbacks=[Weights()])
    estimator.fit(X, Y, **data)
    return estimator.callbacks_[0].seen


def zeros_of(weights):
    return [kernel == 0 for kernel in weights if kernel.ndim > 1]


def test_zeros_follow_the_schedule_of_zhu_and_gupta():
    seen = followed(MLPRegressor(**SMALL, sparsity=0.9))
    # Eq. 1 with s_i = 0 and n = 6, three quarters of 8 epochs.
    shares = [0.9 * (1 - (1 - min(epoch, 6) / 6) ** 3) for epoch in range(9)]
    n_zero = [[zeros.sum() for zeros in zeros_of(weights)] for weights in seen]
    assert n_zero == [[round(80 * share), round(48 * share), 0] for share in shares]


def test_smallest_weights_become_zero_and_stay_so():
    seen = followed(MLPRegressor(**SMALL, sparsity=0.9, optimizer="sgd"))
    for before, after in itertools.pairwise([zeros_of(weights) for weights in seen]):
        for old, new in zip(before, after, strict=True):
            assert not (old & ~new).any()


@pytest.mark.parametrize("nesterov", [False, True])
def test_training_equals_numpy(nesterov):
    rate, momentum, decay = 0.05, 0.9, 0.01
    model = MLPRegressor(
        hidden_layers=0,
        sparsity=0.6,
        epochs=8,
        batch_size=64,
        shuffle=False,
        target_scaling=False,
        optimizer=keras.optimizers.SGD(
            rate, momentum=momentum, nesterov=nesterov, weight_decay=decay
        ),
        random_state=0,
    )
    seen = followed(model)
    kernel, bias = (array.astype(float) for array in seen[0])
    mask = np.ones_like(kernel)
    speed = [np.zeros_like(kernel), np.zeros_like(bias)]
    for epoch, expected in enumerate(seen[1:], 1):
        error = 2 * (X @ kernel + bias - Y[:, None]) / len(X)
        gradients = [mask * (X.T @ error), error.sum(0)]
        arrays = [kernel, bias]
        for i, gradient in enumerate(gradients):
            arrays[i] = arrays[i] * (1 - rate * decay)
            speed[i] = momentum * speed[i] - rate * gradient
            arrays[i] += momentum * speed[i] - rate * gradient if nesterov else speed[i]
        kernel, bias = mask * arrays[0], arrays[1]
        n_zero = round(10 * 0.6 * (1 - (1 - min(epoch, 6) / 6) ** 3))
        kernel[np.argsort(np.abs(kernel[:, 0]))[:n_zero]] = 0
        mask = kernel != 0
        np.testing.assert_allclose(kernel, expected[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(bias, expected[1], rtol=1e-5, atol=1e-6)
    assert (kernel == 0).sum() == 6


@pytest.mark.parametrize("compiled", PLAIN_OR_XLA, ids=["plain", "xla"])
@pytest.mark.parametrize(
    "optimizer", slow_but(["adam", "adamw", "adamax", "nadam", "rmsprop", "lion"], "adam", "lion")
)
def test_no_optimizer_moves_what_is_zero(optimizer, compiled, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)
    seen = followed(MLPRegressor(**SMALL, sparsity=0.5, optimizer=optimizer, l2=0.01))
    final = [zeros_of(weights) for weights in seen[6:]]
    for zeros in final[1:]:
        for one, other in zip(zeros, final[0], strict=True):
            np.testing.assert_array_equal(one, other)
    assert [zeros.sum() for zeros in final[0]] == [40, 24, 0]


def test_images_are_pruned_in_convolutions_and_dense_layers():
    images = RNG.integers(0, 255, (32, 8, 8), np.uint8)
    network = CNNClassifier(filters=(4, 4), hidden_units=6, epochs=2, sparsity=0.75, random_state=0)
    network.fit(images, np.arange(32) % 3)
    kernels = [w for w in network.model_.get_weights() if w.ndim > 1]
    # 3 x 3 x 1 x 4, 3 x 3 x 4 x 4, 16 x 6 and 6 x 3
    assert [np.count_nonzero(kernel) for kernel in kernels] == [9, 36, 24, 18]
    assert network.n_nonzero_weights_ == 9 + 36 + 24 + 18


def test_embeddings_normalisation_and_shared_factors_stay_whole():
    network = MLPRegressor(
        8,
        epochs=4,
        sparsity=0.5,
        shared_members=3,
        numeric_embedding="plr",
        batch_norm=None,
        input_batch_norm=True,
        random_state=0,
    ).fit(X, Y)
    shares = {w.shape: np.count_nonzero(w) / w.size for w in network.model_.get_weights()}
    # Kernels of the two hidden layers; the embedding's, behind them the output's.
    assert (shares[40, 8], shares[8, 8]) == (0.5, 0.5)
    assert {shares[shape] for shape in [(10,), (10, 16), (10, 32, 4), (3, 10), (3, 8, 1)]} == {1.0}
    assert network.n_nonzero_weights_ == 160 + 32 + 3 * 8


def test_one_weight_of_each_kernel_stays():
    network = MLPRegressor((1, 1), epochs=2, sparsity=0.99, random_state=0).fit(X, Y)
    kernels = [w for w in network.model_.get_weights() if w.ndim > 1]
    assert [np.count_nonzero(kernel) for kernel in kernels] == [1, 1, 1]


def test_one_epoch_prunes_at_its_end():
    network = MLPRegressor(**SMALL | {"epochs": 1}, sparsity=0.5).fit(X, Y)
    assert network.n_nonzero_weights_ == 40 + 24 + 6


def test_number_of_weights_is_unknown_before_fit():
    with pytest.raises(NotFittedError):
        _ = MLPRegressor().n_nonzero_weights_


@pytest.mark.parametrize("compiled", PLAIN_OR_XLA, ids=["plain", "xla"])
def test_members_of_other_sparsity_leave_each_other_unchanged(compiled, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)
    networks = [MLPRegressor(**SMALL, sparsity=s, dropout=0.1) for s in (0.0, 0.5, 0.0, 0.9)]
    with skdl.lockstep() as session:
        together = Parallel()(delayed(clone(network).fit)(X, Y) for network in networks)
    assert session.batches == [4]
    for one, network in zip(together, networks, strict=True):
        alone = clone(network).fit(X, Y)
        assert one.n_nonzero_weights_ == alone.n_nonzero_weights_
        expected = alone.model_.get_weights()
        for found, weights in zip(one.model_.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(found == 0, weights == 0)
            # Sums in float32 depend on the number of members in the last bit.
            np.testing.assert_allclose(found, weights, rtol=1e-4, atol=1e-6)


def test_networks_without_sparsity_keep_their_programs(monkeypatch):
    specs = []

    def recorded(spec):
        specs.append(spec)
        return program_for(spec)

    program_for = _stack.program_for
    monkeypatch.setattr(_stack, "program_for", recorded)
    MLPRegressor(**SMALL).fit(X, Y)
    MLPRegressor(**SMALL, sparsity=0.5).fit(X, Y, X_val=X, y_val=Y)
    # The program that trains, then those that train and score: pruning changes no score.
    assert [spec.prunes for spec in specs] == [False, True, False]
    assert specs[0].key == specs[2].key != specs[1].key


class TestEarlyStopping:
    OPTIONS = SMALL | {"epochs": 20, "early_stopping": True, "learning_rate": 0.0}

    def test_begins_with_the_last_pruning(self):
        # Nothing improves: without sparsity it ends 2 epochs after the first.
        data = {"X_val": X, "y_val": Y}
        dense = MLPRegressor(**self.OPTIONS, patience=2).fit(X, Y, **data)
        sparse = MLPRegressor(**self.OPTIONS, patience=2, sparsity=0.5).fit(X, Y, **data)
        assert (dense.n_iter_, dense.best_epoch_) == (3, 1)
        assert (sparse.n_iter_, sparse.best_epoch_) == (17, 15)

    def test_restores_weights_that_are_sparse(self):
        network = MLPRegressor(**SMALL, early_stopping=True, sparsity=0.9, learning_rate=0.3)
        network.fit(X, Y, X_val=X, y_val=Y)
        assert network.best_epoch_ >= 6
        assert network.n_nonzero_weights_ == 8 + 5 + 6

    def test_refit_of_few_epochs_goes_on_to_the_last_pruning(self):
        network = MLPRegressor(**SMALL, sparsity=0.5)
        with FitOverrides(network, last_epoch=(2, network.epochs)):
            network.fit(X, Y)
        assert network.n_iter_ == 6
        assert network.n_nonzero_weights_ == 40 + 24 + 6


class TestGoingOn:
    def test_warm_start_keeps_zeros_and_prunes_on(self):
        network = MLPRegressor(**SMALL, sparsity=0.5, warm_start=True).fit(X, Y)
        before = zeros_of(network.model_.get_weights())
        network.set_params(sparsity=0.75).fit(X, Y)
        after = zeros_of(network.model_.get_weights())
        assert all((new | ~old).all() for old, new in zip(before, after, strict=True))
        assert [zeros.sum() for zeros in after] == [60, 36, 0]

    def test_partial_fit_keeps_zeros_and_makes_none(self):
        network = MLPRegressor(**SMALL, sparsity=0.5).fit(X, Y)
        before = zeros_of(network.model_.get_weights())
        network.partial_fit(X, Y)
        for one, other in zip(before, zeros_of(network.model_.get_weights()), strict=True):
            np.testing.assert_array_equal(one, other)
        fresh = MLPRegressor(**SMALL, sparsity=0.5).partial_fit(X, Y)
        assert fresh.n_nonzero_weights_ == 80 + 48 + 6

    def test_without_sparsity_zeros_are_trained_again(self):
        network = MLPRegressor(**SMALL, sparsity=0.5, warm_start=True).fit(X, Y)
        network.set_params(sparsity=0.0).fit(X, Y)
        assert network.n_nonzero_weights_ > 80


def test_training_through_keras_is_refused_with_what_to_write():
    network = MLPClassifier(**SMALL, sparsity=0.5, callbacks=[ActsOnBatches()])
    remedy = r"MLPClassifier: sparsity=0\.5 .*ActsOnBatches acts on batches.*Expected sparsity=0\.0"
    with pytest.raises(ValueError, match=remedy):
        network.fit(X, Y > 0)


def test_sparsity_can_be_searched_in_lockstep():
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(MLPRegressor(**SMALL), {"sparsity": [0.0, 0.5, 0.9]}, cv=2)
    with skdl.lockstep() as session:
        search.fit(X, Y)
    assert session.batches[0] == 6
    alone = GridSearchCV(MLPRegressor(**SMALL), {"sparsity": [0.0, 0.5, 0.9]}, cv=2).fit(X, Y)
    scores = [own.cv_results_["mean_test_score"] for own in (search, alone)]
    np.testing.assert_allclose(*scores, rtol=1e-5)
