"""An observer may end a whole call of Parallel from inside one of its fits."""

import contextlib
import time

import keras
import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import MLPRegressor
from skdl.training import Observer
from skdl.training.lockstep import lockstep

# What waits for ever is the failure to be found.
pytestmark = pytest.mark.timeout(60)

ENDLESS = 10**6


class GivenUpError(Exception):
    pass


class StalenessMonitor(Observer):
    """Counts the epochs of every fit, and may abandon one of them; copies are the same object."""

    def __init__(self, *, member=None, epoch=1):
        self.member, self.epoch = member, epoch
        self.n_epochs = {}

    def __deepcopy__(self, memo):
        return self

    def on_train_begin(self, member):
        self.n_epochs[member] = 0

    def on_epoch_end(self, member, epoch, logs):
        self.n_epochs[member] += 1
        if self.member == list(self.n_epochs).index(member) and epoch == self.epoch:
            member.abandon(GivenUpError(f"in epoch {epoch + 1}"))


class BatchWatcher(keras.callbacks.Callback):
    """Makes a fit go through ``keras.Model.fit``."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def network(*callbacks, **params):
    fixed = {
        "hidden_units": (4,),
        "epochs": ENDLESS,
        "random_state": 0,
        "callbacks": list(callbacks),
    }
    return make_pipeline(StandardScaler(), MLPRegressor(**fixed | params))


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    return X[:60, :3], y[:60]


@pytest.fixture(scope="module")
def expected(data):
    return cross_val_score(network(epochs=2), *data, cv=4)


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
@pytest.mark.parametrize("member", [0, 3])
def test_reason_leaves_cross_val_score_and_the_siblings_end(error_score, member, data, expected):
    watch = StalenessMonitor(member=member, epoch=2)
    with lockstep() as session:
        with pytest.raises(GivenUpError, match="in epoch 3"):
            cross_val_score(network(watch), *data, cv=5, error_score=error_score)
        assert list(watch.n_epochs.values()) == [3] * 5
        again = cross_val_score(network(epochs=2), *data, cv=4)
    assert session.batches == [5, 4]
    np.testing.assert_allclose(again, expected, rtol=1e-3)


def test_siblings_in_stacks_to_come_are_not_trained(data):
    # Other widths make another stack.
    watch = StalenessMonitor(member=0)

    def fits():
        yield delayed(network(watch).fit)(*data)
        yield delayed(network(watch, hidden_units=(5,)).fit)(*data)

    with lockstep() as session, pytest.raises(GivenUpError):
        Parallel()(fits())
    assert session.batches == [2]
    # Whether the other has begun depends on which is sooner: its program, or the end of the call.
    assert sorted(watch.n_epochs.values()) in ([0, 2], [2])


def test_siblings_split_off_by_memory_are_not_trained(data):
    watch = StalenessMonitor(member=0)
    with lockstep(memory_limit=1), pytest.raises(GivenUpError):
        cross_val_score(network(watch), *data, cv=5)
    assert sum(watch.n_epochs.values()) == 2


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_a_fit_by_keras_is_abandoned_too(error_score, data):
    watch = StalenessMonitor(member=0)
    with lockstep(), pytest.raises(GivenUpError):
        cross_val_score(
            network(watch, BatchWatcher(), epochs=3), *data, cv=2, error_score=error_score
        )
    assert next(iter(watch.n_epochs.values())) == 2


def test_without_lockstep_fit_raises_the_reason(data):
    watch = StalenessMonitor(member=0)
    with pytest.raises(GivenUpError, match="in epoch 2"):
        network(watch).fit(*data)
    assert list(watch.n_epochs.values()) == [2]


def test_of_nested_calls_only_the_abandoned_one_ends(data, expected):
    watch, other = StalenessMonitor(member=1), StalenessMonitor()

    def trial(callback):
        with contextlib.suppress(GivenUpError):
            epochs = ENDLESS if callback is watch else 2
            return cross_val_score(network(callback, epochs=epochs), *data, cv=4)
        return None

    with lockstep() as session:
        found = Parallel()(delayed(trial)(callback) for callback in (watch, other, other))
    assert session.batches == [12]
    assert found[0] is None
    for scores in found[1:]:
        np.testing.assert_allclose(scores, expected, rtol=1e-3)
    assert list(watch.n_epochs.values()) == [2] * 4
    assert list(other.n_epochs.values()) == [2] * 8


def test_the_reason_is_an_ordinary_error_one_call_further_out(data):
    watch = StalenessMonitor(member=0)
    search = GridSearchCV(network(watch, epochs=4), {"mlpregressor__l2": [0.0, 0.1]}, cv=2)
    with lockstep() as session, pytest.warns(FitFailedWarning, match="GivenUpError: in epoch 2"):
        scores = cross_val_score(search, *data, cv=2, error_score=-99.0)
    assert session.batches == [8, 1]
    assert (scores == -99).sum() == 1
    assert sorted(watch.n_epochs.values()) == [2] * 4 + [4] * 5


def test_tasks_that_have_not_begun_are_dropped(data, monkeypatch):
    monkeypatch.setattr("skdl.training.lockstep._rendezvous.MOST_WAITING", 2)
    monkeypatch.setattr("skdl.training.lockstep._backend.MOST_WAITING", 2)
    watch = StalenessMonitor(member=0)
    with lockstep(), pytest.raises(GivenUpError):
        cross_val_score(network(watch), *data, cv=6)
    time.sleep(0.2)
    assert len(watch.n_epochs) == 2
