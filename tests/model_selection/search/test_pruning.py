"""OptunaPruning: scikit-learn's own functions around it, pruned on the mean over their folds."""

import functools
import pickle
from contextlib import nullcontext

import keras
import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FixedTrial, TrialState
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPClassifier, MLPRegressor, OptunaPruning
from skdl.exceptions import InvalidParameterError

EPOCHS = 4
CV = 3


@pytest.fixture(autouse=True, scope="module")
def quiet_optuna():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(level)


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    return X[:61, :3], y[:61]


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request, tmp_path):
    if request.param == "memory":
        return InMemoryStorage()
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    return JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))


class PruneAt(optuna.pruners.BasePruner):
    """Prunes the trials of some numbers after an epoch."""

    def __init__(self, epoch, *numbers):
        self.epoch, self.numbers = epoch, numbers

    def prune(self, study, trial):
        return trial.number in self.numbers and trial.last_step >= self.epoch


class BatchWatcher(keras.callbacks.Callback):
    """Makes a fit go through ``keras.Model.fit``."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def network(trial=None, *, monitor=None, callbacks=(), kind=MLPRegressor, **params):
    callbacks = list(callbacks)
    if trial is not None:
        callbacks.append(OptunaPruning(trial, monitor))
    fixed = {"hidden_units": (4,), "epochs": EPOCHS, "learning_rate": 0.05, "random_state": 0}
    return kind(**fixed | params, callbacks=callbacks)


def histories(estimator, data, **params):
    """Return the folds' histories of a run that nobody prunes."""
    with skdl.lockstep():
        fitted = cross_validate(estimator, *data, cv=CV, return_estimator=True, **params)
    fitted = fitted["estimator"]
    return [getattr(each, "steps", [(None, each)])[-1][1].history_ for each in fitted]


def mean_of(curves):
    return dict(enumerate(np.mean(curves, axis=0), 1))


def trial_of(direction="minimize", pruner=None):
    return optuna.create_study(direction=direction, pruner=pruner).ask()


def reported(trial):
    return trial.study.trials[trial.number].intermediate_values


# ---------------------------------------------------------------- around cross_val_score


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
@pytest.mark.parametrize("inside_pipeline", [False, True], ids=["alone", "pipeline"])
def test_mean_over_folds_is_reported_and_pruned_on(storage, inside_pipeline, error_score, data):
    def estimator(trial):
        alone = network(trial, early_stopping=True)
        return make_pipeline(StandardScaler(), alone) if inside_pipeline else alone

    def objective(trial):
        trial.suggest_float("x", 0, 1)
        with skdl.lockstep() as session:
            try:
                return cross_val_score(
                    estimator(trial), *data, cv=CV, error_score=error_score
                ).mean()
            finally:
                assert session.batches == [CV]

    study = optuna.create_study(storage=storage, pruner=PruneAt(2, 1, 2))
    study.optimize(objective, n_trials=4)

    found = study.trials
    states = [trial.state.name for trial in found]
    assert states == ["COMPLETE", "PRUNED", "PRUNED", "COMPLETE"]
    expected = mean_of([h["val_loss"] for h in histories(estimator(None), data)])
    for trial in found:
        n_epochs = EPOCHS if trial.state == TrialState.COMPLETE else 2
        assert list(trial.intermediate_values) == list(range(1, n_epochs + 1))
        for epoch, value in trial.intermediate_values.items():
            assert value == pytest.approx(expected[epoch], rel=1e-4)


def test_optunas_median_pruner_stops_the_worse_trials(data):
    def objective(trial):
        rate = trial.suggest_categorical("rate", [0.05, 1e-6])
        with skdl.lockstep():
            return cross_val_score(network(trial, learning_rate=rate), *data, cv=CV).mean()

    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=2)
    )
    for rate in (0.05, 0.05, 1e-6, 0.05):
        study.enqueue_trial({"rate": rate})
    study.optimize(objective, n_trials=4)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    assert list(study.trials[2].intermediate_values) == [1]


def test_early_stopped_folds_count_with_the_value_they_keep(data):
    settings = {"early_stopping": True, "patience": 1, "learning_rate": 0.3, "epochs": 30}
    curves = [h["val_loss"] for h in histories(network(**settings), data)]
    assert len({len(curve) for curve in curves}) > 1, "all folds stop at once"
    # Each goes back to its best epoch, so its value from then on is that epoch's.
    n_epochs = max(map(len, curves))
    padded = [curve + [min(curve)] * (n_epochs - len(curve)) for curve in curves]
    trial = trial_of()
    with skdl.lockstep():
        cross_val_score(network(trial, **settings), *data, cv=CV)
    assert reported(trial) == pytest.approx(mean_of(padded), rel=1e-4)


def test_folds_that_keep_their_last_weights_count_with_their_last_value(data):
    settings = {
        "early_stopping": True, "patience": 1, "learning_rate": 0.3, "epochs": 30,
        "restore_best_weights": False,
    }  # fmt: skip
    curves = [h["val_loss"] for h in histories(network(**settings), data)]
    n_epochs = max(map(len, curves))
    padded = [curve + curve[-1:] * (n_epochs - len(curve)) for curve in curves]
    trial = trial_of()
    with skdl.lockstep():
        cross_val_score(network(trial, **settings), *data, cv=CV)
    assert reported(trial) == pytest.approx(mean_of(padded), rel=1e-4)


def test_a_fold_that_diverges_counts_with_what_it_goes_back_to(data):
    X, y = data
    settings = {"early_stopping": True, "epochs": 6, "learning_rate": 0.01}

    class Explode(keras.callbacks.Callback):
        """Spoils the weights of one fold before its third epoch."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2 and Explode.n_left:
                Explode.n_left -= 1
                weights = [np.full_like(w, 1e30) for w in self.model.get_weights()]
                self.model.set_weights(weights)

    Explode.n_left = 1
    trial = trial_of()
    estimator = network(trial, callbacks=[Explode()], **settings)
    with skdl.lockstep(), pytest.warns(skdl.exceptions.DivergenceWarning, match="epoch 3"):
        fitted = cross_validate(estimator, X, y, cv=CV, return_estimator=True)["estimator"]
    curves = [each.history_["val_loss"] for each in fitted]
    assert sorted(map(len, curves)) == [3, 6, 6]
    kept = [c if len(c) == 6 else c[:2] + [min(c[:2])] * 4 for c in curves]
    assert reported(trial) == pytest.approx(mean_of(kept), rel=1e-4)


def test_folds_of_unequal_length_are_reported_together(data):
    X, y = data
    folds = [(np.arange(0, 20), np.arange(20, 61)), (np.arange(10, 61), np.arange(10))]
    with skdl.lockstep():
        fitted = cross_validate(network(), X, y, cv=folds, return_estimator=True)["estimator"]
    trial = trial_of()
    with skdl.lockstep() as session:
        cross_val_score(network(trial), X, y, cv=folds)
    assert session.batches == [2]
    expected = mean_of([each.history_["loss"] for each in fitted])
    assert reported(trial) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("direction", "monitor", "sign"),
    [
        ("minimize", "loss", 1),
        ("maximize", "loss", -1),
        ("minimize", "accuracy", -1),
        ("maximize", "accuracy", 1),
    ],
)
def test_values_are_better_in_the_direction_of_the_study(direction, monitor, sign, breast_cancer):
    data = breast_cancer[0][:60, :3], breast_cancer[1][:60]
    settings = {"kind": MLPClassifier, "metrics": ["accuracy"]}
    expected = mean_of([h[monitor] for h in histories(network(**settings), data)])
    trial = trial_of(direction)
    with skdl.lockstep():
        cross_val_score(network(trial, monitor=monitor, **settings), *data, cv=CV)
    assert reported(trial) == pytest.approx({k: sign * v for k, v in expected.items()}, rel=1e-4)


def test_validation_loss_is_what_is_watched_where_there_is_one(data):
    losses = histories(network(early_stopping=True), data)
    for monitor in (None, "val_loss", "loss"):
        trial = trial_of()
        with skdl.lockstep():
            cross_val_score(network(trial, monitor=monitor, early_stopping=True), *data, cv=CV)
        expected = mean_of([h[monitor or "val_loss"] for h in losses])
        assert reported(trial) == pytest.approx(expected, rel=1e-4)


# ---------------------------------------------------------------- what can go wrong


@pytest.mark.parametrize("callbacks", [(), (BatchWatcher(),)], ids=["stack", "keras"])
@pytest.mark.parametrize("context", [skdl.lockstep, nullcontext], ids=["lockstep", "alone"])
@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_wrong_monitor_reaches_the_caller(context, error_score, callbacks, data):
    estimator = network(trial_of(), monitor="val_rmse", callbacks=callbacks)
    told = r"monitor='val_rmse' is not reported by this fit.*\['loss'\].*named in `metrics`"
    call = estimator.fit
    if context is skdl.lockstep:
        call = functools.partial(cross_val_score, estimator, cv=CV, error_score=error_score)
    with context(), pytest.raises(InvalidParameterError, match=told):
        call(*data)


def test_without_lockstep_the_first_fold_is_judged_and_a_warning_says_so(data):
    trial = trial_of()
    with pytest.warns(UserWarning, match=r"judged on the first alone.*skdl.lockstep\(\)") as told:
        cross_val_score(network(trial), *data, cv=CV)
    assert len(told) == 1
    train = np.arange(21, 61)  # of 61 rows in three folds, the first holds 21 out
    alone = network().fit(data[0][train], data[1][train])
    assert reported(trial) == pytest.approx(mean_of([alone.history_["loss"]]), rel=1e-4)


def test_lone_fit_is_pruned(data):
    trial = trial_of(pruner=PruneAt(2, 0))
    with pytest.raises(optuna.TrialPruned, match="after epoch 2"):
        network(trial).fit(*data)
    assert list(reported(trial)) == [1, 2]


def test_a_fit_after_the_folds_is_neither_judged_nor_warned_of(data):
    trial = trial_of()
    estimator = network(trial)
    with skdl.lockstep():
        cross_val_score(estimator, *data, cv=CV)
    estimator.fit(*data)
    assert list(reported(trial)) == [1, 2, 3, 4]


@pytest.mark.slow
def test_networks_that_keras_trains_are_judged_on_the_first_fold(data):
    # Keras trains them one after another, in lockstep too.
    first = histories(network(callbacks=[BatchWatcher()]), data)[0]
    trial = trial_of()
    estimator = network(trial, callbacks=[BatchWatcher()])
    with skdl.lockstep(), pytest.warns(UserWarning, match="judged on the first alone"):
        cross_val_score(estimator, *data, cv=CV)
    assert reported(trial) == pytest.approx(mean_of([first["loss"]]), rel=1e-4)


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_networks_that_keras_trains_are_pruned(error_score, data):
    trial = trial_of(pruner=PruneAt(2, 0))
    estimator = network(trial, callbacks=[BatchWatcher()])
    with skdl.lockstep(), pytest.raises(optuna.TrialPruned):
        cross_val_score(estimator, *data, cv=CV, error_score=error_score)
    assert list(reported(trial)) == [1, 2]


def test_study_of_several_objectives_is_refused():
    trial = optuna.create_study(directions=["minimize", "maximize"]).ask()
    with pytest.raises(InvalidParameterError, match=r"study with 2 objectives.*cannot prune"):
        OptunaPruning(trial)


def test_what_is_no_trial_is_refused():
    with pytest.raises(InvalidParameterError, match="trial=3 is no trial of Optuna"):
        OptunaPruning(3)


def test_objective_can_be_called_again_by_hand(data):
    """With ``study.best_trial``, say, as Optuna's documentation shows."""

    def objective(trial):
        rate = trial.suggest_float("rate", 0.01, 0.1)
        with skdl.lockstep():
            return cross_val_score(network(trial, learning_rate=rate), *data, cv=CV).mean()

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=1)
    for again in (study.best_trial, FixedTrial(study.best_params)):
        assert objective(again) == pytest.approx(study.best_value, rel=1e-4)


def test_clones_share_the_trial():
    callback = OptunaPruning(trial_of())
    estimator = make_pipeline(StandardScaler(), MLPRegressor(callbacks=[callback]))
    assert clone(estimator)[-1].callbacks[0] is callback


def test_pickling_error_says_what_to_do(data):
    estimator = network(trial_of()).fit(*data)
    with pytest.raises(TypeError, match=r"in lockstep.*set_params\(callbacks=None\)"):
        pickle.dumps(estimator)
    again = pickle.loads(pickle.dumps(estimator.set_params(callbacks=None)))
    np.testing.assert_allclose(again.predict(data[0]), estimator.predict(data[0]), rtol=1e-5)


@pytest.mark.slow
def test_other_processes_are_refused(data):
    with pytest.raises(pickle.PicklingError) as told:
        cross_val_score(network(trial_of()), *data, cv=CV, n_jobs=2)
    assert "in lockstep instead of in other processes" in str(told.value.__cause__)


def test_candidates_of_a_grid_search_are_one_trial(data):
    """Whatever trains in lockstep is what the trial is judged on."""
    trial = trial_of(pruner=PruneAt(1, 0))
    search = GridSearchCV(network(trial), {"l2": [0.0, 0.1]}, cv=2)
    with skdl.lockstep() as session, pytest.raises(optuna.TrialPruned):
        search.fit(*data)
    assert session.batches == [4]


def test_trials_of_one_process_run_in_threads(data):
    def objective(trial):
        rate = trial.suggest_float("rate", 0.01, 0.1)
        with skdl.lockstep():
            return cross_val_score(network(trial, learning_rate=rate), *data, cv=CV).mean()

    study = optuna.create_study(direction="maximize", pruner=PruneAt(2, 1, 3))
    study.optimize(objective, n_trials=5, n_jobs=2)
    assert [t.state.name for t in study.trials] == [
        "COMPLETE", "PRUNED", "COMPLETE", "PRUNED", "COMPLETE"
    ]  # fmt: skip
    for trial in study.trials:
        assert len(trial.intermediate_values) == (2 if trial.number in {1, 3} else EPOCHS)
        assert trial.distributions == {"rate": FloatDistribution(0.01, 0.1)}
