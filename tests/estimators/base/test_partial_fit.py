"""Training by blocks: target units, passes, learning rates, and what feeds blocks."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import DataConversionWarning
from sklearn.preprocessing import StandardScaler

from skdl import KerasRegressor, MLPClassifier, MLPRegressor
from skdl.exceptions import InvalidParameterError
from tests.checks import slow_case

SMALL = {"hidden_units": (8,), "batch_size": 20, "random_state": 0}
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3)).astype(np.float32)
Y = X @ [1.0, -2.0, 0.5]
LABELS = np.where(Y > 0, "high", "low")
BLOCKS = [slice(start, start + 50) for start in range(0, 200, 50)]


def train(network, y, n_passes, **arguments):
    for _ in range(n_passes):
        for block in BLOCKS:
            network.partial_fit(X[block], y[block], **arguments)
    return network


# ---------------------------------------------------------------------------------------- passes


def test_without_a_number_of_rows_each_call_is_a_pass():
    network = train(MLPRegressor(**SMALL), Y, 2)
    assert network.n_iter_ == network.best_epoch_ == 8
    assert len(network.history_["loss"]) == 8


def test_n_iter_counts_passes_and_the_history_blocks():
    network = MLPClassifier(**SMALL)
    seen = []
    for _ in range(2):
        for block in BLOCKS:
            network.partial_fit(X[block], LABELS[block], ["high", "low"], n_samples=200)
            seen.append(network.n_iter_)
    assert seen == [1, 1, 1, 1, 2, 2, 2, 2]
    assert network.best_epoch_ == 2
    assert len(network.history_["loss"]) == 8
    # Blocks that do not add up to a pass belong to the one that they begin in.
    assert network.partial_fit(X[:150], LABELS[:150], n_samples=200).n_iter_ == 3
    assert network.partial_fit(X[:150], LABELS[:150], n_samples=200).n_iter_ == 3
    assert network.partial_fit(X[:150], LABELS[:150], n_samples=200).n_iter_ == 4


def test_passes_go_on_from_epochs_of_fit_and_through_pickles():
    network = MLPRegressor(**SMALL, epochs=3).fit(X, Y)
    network.partial_fit(X[:100], Y[:100], n_samples=200)
    network = pickle.loads(pickle.dumps(network))
    network.partial_fit(X[100:], Y[100:], n_samples=200)
    assert network.n_iter_ == 4
    assert network.partial_fit(X, Y, n_samples=200).n_iter_ == 5
    assert network.fit(X, Y).n_iter_ == 3
    network.set_params(warm_start=True)
    train(network, Y, 1, n_samples=200)
    assert network.fit(X, Y).n_iter_ == 7


def test_counting_passes_changes_no_weight():
    counted = train(MLPRegressor(**SMALL), Y, 2, n_samples=200)
    plain = train(MLPRegressor(**SMALL), Y, 2)
    np.testing.assert_array_equal(counted.predict(X), plain.predict(X))


def test_a_number_of_rows_that_cannot_be_is_refused():
    with pytest.raises(InvalidParameterError, match=r"n_samples=0 is not allowed"):
        MLPRegressor(**SMALL).partial_fit(X, Y, n_samples=0)


# ----------------------------------------------------------------------------------- target units


def test_given_units_are_those_of_the_network():
    far = 100 + 10 * Y
    network = MLPRegressor(**SMALL, target_scaling=(100.0, 10.0)).partial_fit(X[:50], far[:50])
    own = MLPRegressor(**SMALL, target_scaling=False).partial_fit(X[:50], Y[:50])
    assert network.target_offset_.tolist() == [100.0]
    assert network.target_scale_.tolist() == [10.0]
    np.testing.assert_allclose(network.predict(X), 100 + 10 * own.predict(X), rtol=1e-5)


def test_units_of_a_pass_over_sorted_targets_are_those_of_all_rows():
    """Blocks in the order of the target: the first tells nothing of the last."""
    targets = (1000 + 50 * Y)[np.argsort(Y)][:, None]
    scaler = StandardScaler()
    for block in BLOCKS:
        scaler.partial_fit(targets[block])
    network = MLPRegressor(**SMALL, epochs=1, target_scaling=(scaler.mean_, scaler.scale_))
    network.partial_fit(X[:50], targets[:50, 0])
    np.testing.assert_allclose(network.target_offset_, targets.mean(0))
    np.testing.assert_allclose(network.target_scale_, targets.std(0))
    twin = clone(network).fit(X, targets[:, 0])
    np.testing.assert_allclose(twin.target_scale_, targets.std(0))


def test_later_targets_far_from_the_first_are_warned_of():
    network = MLPRegressor(**SMALL).partial_fit(X[:50], Y[:50])
    network.partial_fit(X[50:], Y[50:])
    with pytest.warns(DataConversionWarning, match=r"first rows.*target_scaling=\(mean, stand"):
        network.partial_fit(X, Y + 100)
    with pytest.warns(DataConversionWarning, match="first rows"):
        network.partial_fit(X, Y * 100)
    given = MLPRegressor(**SMALL, target_scaling=(0.0, 2.0)).partial_fit(X, Y)
    given.partial_fit(X, Y + 100)


@pytest.mark.parametrize(
    "units", [(0.0,), (0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), "mean", ("a", 1)]
)
def test_units_that_cannot_be_are_refused(units):
    with pytest.raises(InvalidParameterError, match=r"target_scaling=.*pair \(offset, scale\)"):
        MLPRegressor(**SMALL, target_scaling=units).fit(X, Y)


def test_units_of_another_number_of_targets_are_refused():
    network = MLPRegressor(**SMALL, target_scaling=(np.zeros(3), 1.0))
    with pytest.raises(ValueError, match="3 numbers as offset, and y has 1 columns"):
        network.partial_fit(X, Y)
    counts = MLPRegressor(**SMALL, loss="poisson", target_scaling=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"Expected the offset 0.*\(0.0, \[2.0\]\)"):
        counts.partial_fit(X, np.abs(Y))


def test_given_units_reach_a_users_own_model():
    network = KerasRegressor(
        keras.Sequential([keras.layers.Dense(1)]),
        loss="mse",
        target_scaling=(100.0, 10.0),
        random_state=0,
    )
    network.partial_fit(X[:50], 100 + 10 * Y[:50], n_samples=200)
    assert network.partial_fit(X[50:], 100 + 10 * Y[50:], n_samples=200).n_iter_ == 1
    assert network.target_scale_.tolist() == [10.0]


# ---------------------------------------------------------------------------------- learning rates


def test_a_rate_that_is_set_between_calls_takes_effect():
    network = MLPRegressor(**SMALL).partial_fit(X, Y)
    before = network.model_.get_weights()
    network.set_params(learning_rate=1e-12).partial_fit(X, Y)
    for old, new in zip(before, network.model_.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-9)


def test_a_rate_that_a_callback_has_lowered_stays_low():
    callback = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 10)
    network = MLPRegressor(**SMALL, callbacks=[callback])
    rates = [network.partial_fit(X, Y)._trained.learning_rate for _ in range(3)]
    assert rates == pytest.approx([1e-4, 1e-5, 1e-6])


def test_a_schedule_of_keras_counts_the_steps_of_all_calls():
    """Its rate is 0 after the first call's steps, so the second call changes nothing."""
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([9], [1e-3, 0.0])
    network = MLPRegressor(**SMALL, learning_rate=schedule).partial_fit(X, Y)  # 10 steps
    before = network.predict(X)
    np.testing.assert_array_equal(network.partial_fit(X, Y).predict(X), before)


# ------------------------------------------------------------------------------- what feeds blocks


class Incremental(BaseEstimator):
    """Feeds blocks to a clone, as ``dask_ml.wrappers.Incremental`` does."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, blocks, **arguments):
        self.estimator_ = clone(self.estimator)
        for rows, targets in blocks:
            self.estimator_.partial_fit(rows, targets, **arguments)
        return self


@pytest.mark.parametrize("is_classifier", [False, slow_case(case=True)])
def test_blocks_of_dask_train_as_slices_do(is_classifier):
    array = pytest.importorskip("dask.array")
    network = (MLPClassifier if is_classifier else MLPRegressor)(**SMALL)
    y = LABELS.astype(object) if is_classifier else Y
    arguments = {"n_samples": 200} | ({"classes": ["high", "low"]} if is_classifier else {})
    rows, targets = array.from_array(X, chunks=(50, 3)), array.from_array(y, chunks=50)
    blocks = [(rows.blocks[i].compute(), targets.blocks[i].compute()) for i in range(4)]
    fed = Incremental(network).fit(blocks, **arguments).estimator_
    sliced = train(clone(network), y, 1, **arguments)
    np.testing.assert_array_equal(fed.predict(X), sliced.predict(X))
    assert fed.n_iter_ == 1


@pytest.mark.parametrize("is_classifier", [False, slow_case(case=True)])
def test_incremental_of_dask_ml(is_classifier):
    wrappers = pytest.importorskip("dask_ml.wrappers")
    array = pytest.importorskip("dask.array")
    network = (MLPClassifier if is_classifier else MLPRegressor)(**SMALL)
    y = (Y > 0).astype(int) if is_classifier else Y
    arguments = {"n_samples": 200} | ({"classes": [0, 1]} if is_classifier else {})
    rows, targets = array.from_array(X, chunks=(50, 3)), array.from_array(y, chunks=50)
    fed = wrappers.Incremental(network, shuffle_blocks=False).fit(rows, targets, **arguments)
    sliced = train(clone(network), y, 1, **arguments)
    np.testing.assert_array_equal(fed.estimator_.predict(X), sliced.predict(X))
    assert fed.estimator_.n_iter_ == 1
