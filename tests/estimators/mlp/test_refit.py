"""Training anew on all rows for the epochs that were best for rows held out."""

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPClassifier, MLPRegressor, io
from skdl.estimators.base import FitOverrides
from skdl.model_selection import KFoldEnsembleRegressor, TimeOrderedSplit, cross_validate
from skdl.training import Observer

OWN = {"hidden_units": 8, "batch_size": 16, "learning_rate": 0.02, "random_state": 3}
STOPS = {**OWN, "early_stopping": True, "epochs": 12, "patience": 3, "validation_fraction": 0.2}


@pytest.fixture(scope="module")
def rows():
    """Return noisy rows, so that the best epoch comes before the last one, and their times."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    return X, 2 * X[:, 0] + rng.normal(size=120), rng.permutation(120)


class StopAfter(keras.callbacks.Callback):
    """Ends the training after some epochs, so that the learning rate goes as if it had not."""

    def __init__(self, n_epochs):
        super().__init__()
        self.n_epochs = n_epochs

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 >= self.n_epochs


class Counter(Observer):
    """Counts the epochs it is told of."""

    seen = 0

    def on_epoch_end(self, member, epoch, logs):
        type(self).seen += 1


def test_refit_is_a_plain_fit_of_the_best_epochs_to_all_rows(rows):
    X, y, _ = rows
    network = MLPRegressor(**STOPS, refit=True).fit(X, y)
    told = MLPRegressor(**STOPS).fit(X, y)
    assert 1 < network.best_epoch_ < network.n_iter_ < 12
    assert network.history_ == told.history_
    assert (network.n_iter_, network.best_epoch_) == (told.n_iter_, told.best_epoch_)
    plain = MLPRegressor(**OWN, epochs=network.best_epoch_).fit(X, y)
    np.testing.assert_array_equal(network.predict(X), plain.predict(X))
    assert network.target_offset_ == plain.target_offset_ == pytest.approx(y.mean())
    assert not np.array_equal(network.predict(X), told.predict(X))


def test_learning_rate_of_a_refit_changes_as_over_all_epochs(rows):
    X, y, _ = rows
    cosine = {"learning_rate_schedule": "cosine"}
    network = MLPRegressor(**STOPS, **cosine, refit=True).fit(X, y)
    stop = StopAfter(network.best_epoch_)
    plain = MLPRegressor(**OWN, **cosine, epochs=12, callbacks=stop).fit(X, y)
    np.testing.assert_array_equal(network.predict(X), plain.predict(X))


def test_epochs_that_follow_the_rows_are_refitted_in_the_same_share(rows, monkeypatch):
    X, y, _ = rows
    of_rows = {96: 12, 120: 6}
    monkeypatch.setattr(MLPRegressor, "_epochs_for", lambda self, n_train: of_rows[n_train])
    network = MLPRegressor(**STOPS | {"epochs": "auto"}, refit=True).fit(X, y)
    plain = MLPRegressor(**OWN, epochs=-(-network.best_epoch_ // 2)).fit(X, y)
    np.testing.assert_array_equal(network.predict(X), plain.predict(X))
    assert network.effective_params_ == {"epochs": 6}


def test_time_refits_where_times_are_known_alone(rows):
    X, y, time = rows
    assert MLPRegressor.tabular().refit == MLPClassifier.tabular().refit == "time"
    network = MLPRegressor(**STOPS, refit="time")
    np.testing.assert_array_equal(
        clone(network).fit(X, y).predict(X), MLPRegressor(**STOPS).fit(X, y).predict(X)
    )
    network.fit(X, y, time=time)
    plain = MLPRegressor(**OWN, epochs=network.best_epoch_).fit(X, y)
    np.testing.assert_array_equal(network.predict(X), plain.predict(X))


@pytest.mark.parametrize("given", ["validation rows", "no early stopping"])
def test_nothing_is_refitted_where_no_rows_of_x_are_held_out(rows, given):
    X, y, _ = rows
    data = {"X": X, "y": y}
    params = {**STOPS, "early_stopping": False}
    if given == "validation rows":
        data, params = {"X": X[:90], "y": y[:90], "X_val": X[90:], "y_val": y[90:]}, STOPS
    network, plain = (MLPRegressor(**params, refit=refit).fit(**data) for refit in (True, False))
    np.testing.assert_array_equal(network.predict(X), plain.predict(X))


@pytest.mark.slow
def test_temperature_is_that_of_rows_not_learned_from(rows):
    X, y, _ = rows
    labels = np.where(y > 0, "yes", "no")
    network = MLPClassifier(**STOPS, calibrate="temperature", refit=True).fit(X, labels)
    told = MLPClassifier(**STOPS, calibrate="temperature").fit(X, labels)
    assert network.temperature_ == told.temperature_ != 1
    plain = MLPClassifier(**OWN, epochs=network.best_epoch_).fit(X, labels)
    cold, warm = (np.log(p[:, 1] / p[:, 0]) for p in (m.predict_proba(X) for m in (network, plain)))
    # Larger ones feel what is added to each probability.
    is_small = np.abs(warm) < 3
    np.testing.assert_allclose((cold * network.temperature_)[is_small], warm[is_small], rtol=2e-3)


def test_folds_in_lockstep_refit_as_each_by_itself(rows):
    X, y, time = rows
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(**STOPS, refit="time"))
    cv = TimeOrderedSplit(2)
    result = cross_validate(pipeline, X, y, time=time, cv=cv, return_estimator=True)
    for (train, _), fitted in zip(cv.split(X, time=time), result["estimator"], strict=True):
        scaled = StandardScaler().fit_transform(X[train])
        alone = MLPRegressor(**STOPS, refit=True).fit(scaled, y[train], time=time[train])
        assert fitted[-1].best_epoch_ == alone.best_epoch_
        np.testing.assert_allclose(fitted[-1].predict(scaled), alone.predict(scaled), atol=1e-5)


def test_members_of_an_ensemble_stop_on_their_fold_and_do_not_refit(rows):
    X, y, _ = rows
    refits, plain = (
        KFoldEnsembleRegressor(MLPRegressor(**STOPS, refit=refit), cv=2, random_state=0).fit(X, y)
        for refit in (True, False)
    )
    np.testing.assert_array_equal(refits.predict(X), plain.predict(X))


@pytest.mark.slow
def test_saved_networks_predict_as_before(rows, tmp_path):
    X, y, _ = rows
    network = MLPRegressor(**STOPS, refit=True).fit(X, y)
    io.save(network, tmp_path / "network.skdl")
    loaded = io.load(tmp_path / "network.skdl")
    assert loaded.refit is True
    np.testing.assert_array_equal(loaded.predict(X), network.predict(X))


def test_warm_start_goes_on_from_the_refitted_network(rows):
    X, y, _ = rows
    same = {"warm_start": True, "shuffle": False}
    network = MLPRegressor(**STOPS | {"epochs": 4}, **same, refit=True).fit(X, y)
    plain = MLPRegressor(**OWN, **same, epochs=network.best_epoch_).fit(X, y)
    before = network.n_iter_
    network.fit(X, y)
    plain.set_params(epochs=network.best_epoch_ - before).fit(X, y)
    np.testing.assert_allclose(network.predict(X), plain.predict(X), atol=1e-6)


def test_callbacks_act_in_both_trainings_those_of_validation_rows_in_the_first(rows):
    X, y, _ = rows
    Counter.seen = 0
    halves = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    checks = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2)
    network = MLPRegressor(**STOPS, refit=True, callbacks=[Counter(), halves, checks]).fit(X, y)
    assert Counter.seen == network.n_iter_
    assert [type(c) for c in network.callbacks_] == [Counter, type(halves), type(checks)]
    plain = MLPRegressor(**OWN, epochs=network.best_epoch_, callbacks=halves).fit(X, y)
    np.testing.assert_array_equal(network.predict(X), plain.predict(X))


def test_an_ensembles_refit_takes_epochs_of_its_own_fit_alone(rows):
    X, y, _ = rows
    network = MLPRegressor(**OWN, epochs=4, warm_start=True).fit(X, y)
    with FitOverrides(network, last_epoch=(2, 4)):
        network.fit(X, y)
    assert network.n_iter_ == 6


def test_other_values_are_refused_and_the_allowed_ones_are_named(rows):
    X, y, _ = rows
    with pytest.raises(skdl.exceptions.InvalidParameterError, match=r"refit='groups'.*time"):
        MLPRegressor(refit="groups").fit(X, y)
