"""What skdl itself trains, on workers: cross-validation, ensembles, and searches over a storage."""

import contextlib
import os
import signal
import types
import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest
from joblib import parallel_config
from optuna.trial import TrialState
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPRegressor
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import (
    AveragingRegressor,
    KFoldEnsembleRegressor,
    OptunaSearchCV,
    cross_validate,
)
from skdl.model_selection.search import _workers
from skdl.model_selection.shared_study import is_counted
from tests.workers import Here, workers_here

TINY = {"hidden_units": 4, "epochs": 3, "learning_rate": 0.01, "random_state": 0}
ROUNDING = 1e-5

# A process of joblib's that has grown since its first task, as by TensorFlow, is replaced.
pytestmark = [
    pytest.mark.filterwarnings("ignore:A worker stopped while some jobs"),
    pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning"),
]


def regressor(**params):
    return make_pipeline(StandardScaler(), MLPRegressor(**TINY | params))


@pytest.fixture(scope="module")
def regression(diabetes):
    X, y = diabetes
    return X[:60, :3], y[:60]


def test_cross_validate_trains_on_workers(regression):
    options = {
        "cv": 4,
        "return_predictions": True,
        "return_estimator": True,
        "compare_with": {"ridge": Ridge()},
    }
    expected = cross_validate(regressor(), *regression, **options)
    with workers_here() as backend:
        found = cross_validate(regressor(), *regression, **options)
    assert backend.batches == [2, 2]
    np.testing.assert_allclose(found["test_score"], expected["test_score"], rtol=ROUNDING)
    np.testing.assert_allclose(
        found.predictions["y_pred"], expected.predictions["y_pred"], rtol=ROUNDING
    )
    np.testing.assert_allclose(found.curve(), expected.curve(), rtol=ROUNDING)
    assert all(hasattr(pipe[-1], "model_") for pipe in found["estimator"])


def test_images_train_on_workers():
    X = np.random.default_rng(0).integers(0, 255, (24, 6, 6), dtype=np.uint8)
    y = np.arange(24) % 2
    model = skdl.CNNClassifier(filters=2, epochs=1, random_state=0)
    expected = cross_validate(model, X, y, cv=3, baseline=False)
    with workers_here():
        found = cross_validate(model, X, y, cv=3, baseline=False)
    np.testing.assert_allclose(found["test_score"], expected["test_score"])


@pytest.mark.parametrize(
    "ensemble",
    [
        KFoldEnsembleRegressor(regressor(early_stopping=True), cv=4, random_state=0),
        KFoldEnsembleRegressor(regressor(), cv=4, refit=2, random_state=0),
        AveragingRegressor(regressor(), 4, random_state=0),
    ],
    ids=["folds", "refit", "averaging"],
)
def test_ensembles_train_on_workers(ensemble, regression):
    X, y = regression
    expected = ensemble.fit(X, y).predict(X)
    best_epoch = getattr(ensemble, "best_epoch_", None)
    with workers_here() as backend:
        found = ensemble.fit(X, y).predict(X)
    refit = getattr(ensemble, "refit", None)
    assert sum(backend.batches) == 4 + (refit if isinstance(refit, int) else 0)
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)
    assert getattr(ensemble, "best_epoch_", None) == best_epoch


def test_ensemble_without_networks_keeps_what_processes_fitted(regression):
    X, y = regression
    ensemble = KFoldEnsembleRegressor(Ridge(), cv=3, random_state=0)
    expected = ensemble.fit(X, y).predict(X)
    with workers_here():
        np.testing.assert_allclose(ensemble.fit(X, y).predict(X), expected)


def test_search_says_that_it_trains_here(regression):
    search = OptunaSearchCV(
        regressor(), {"mlpregressor__l2": [0.0, 0.1]}, n_trials=2, cv=2, refit=False, random_state=0
    )
    engine = Here()
    with (
        workers_here(engine),
        pytest.warns(UserWarning, match="pass engine='here' to OptunaSearchCV"),
    ):
        search.fit(*regression)
    assert len(search.study_.trials) == 2
    assert not engine.runs


def test_backend_without_lockstep_is_told_of(regression):
    with (
        parallel_config(backend="loky", n_jobs=2),
        pytest.warns(UserWarning, match=r'write `with skdl.lockstep\(engine="loky"\):`'),
    ):
        cross_validate(MLPRegressor(**TINY), *regression, cv=2, baseline=False)


@pytest.mark.parametrize(
    "options", [{}, {"n_jobs": 2}, {"backend": "threading", "n_jobs": 2}], ids=str
)
def test_nobody_is_warned_without_need(options, regression):
    with parallel_config(**options), warnings.catch_warnings():
        warnings.simplefilter("error")
        cross_validate(MLPRegressor(**TINY), *regression, cv=2, baseline=False)


# ------------------------------------------------------------------ searches


class KillsItsProcess(TransformerMixin, BaseEstimator):
    """Kills the first process that fits it, but for the one that is spared."""

    def __init__(self, mark=None, spared=None):
        self.mark, self.spared = mark, spared

    def fit(self, X, y=None):
        if os.getpid() != self.spared and not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self

    def transform(self, X):
        return X


def make_search(storage, model=None, **options):
    defaults = {
        "n_trials": 6,
        "cv": 3,
        "random_state": 0,
        "storage": storage,
        "study_name": "shared",
        "engine": "loky",
        "n_workers": 2,
        "pruner": None,
    }
    space = {"mlpregressor__l2": optuna.distributions.FloatDistribution(1e-4, 1, log=True)}
    return OptunaSearchCV(model or regressor(), space, **defaults | options)


@pytest.mark.slow
def test_search_on_workers_makes_exactly_its_trials(regression, tmp_path):
    pids = tmp_path / "pids"

    def note(study, trial):
        with pids.open("a") as file:
            file.write(f"{os.getpid()}\n")

    search = make_search(str(tmp_path / "study.log"), callbacks=[note]).fit(*regression)
    assert [t.number for t in search.study_.trials] == list(range(6))
    assert len(search.cv_results_["params"]) == 6
    workers = set(pids.read_text().split())
    assert workers
    assert str(os.getpid()) not in workers
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert search.predict(regression[0]).shape == (60,)
    values = [t.params for t in search.study_.trials[1:]]
    assert len({v["mlpregressor__l2"] for v in values}) == 5


def test_rounds_leave_trials_for_every_worker(regression, tmp_path, monkeypatch):
    rounds = []

    @contextlib.contextmanager
    def workers_of(engine, n_workers):
        yield types.SimpleNamespace(n_workers=n_workers)

    def take_part(part, X, y, params, metadata):
        rounds.append(part.trials_together)
        part.fit(X, y)

    monkeypatch.setattr(_workers, "lockstep", workers_of)
    monkeypatch.setattr(_workers, "_take_part", take_part)
    model = regressor(epochs=10)
    make_search(str(tmp_path / "study.log"), model, n_workers=3, pruner="auto").fit(*regression)
    assert rounds == [2, 2, 2]


@pytest.mark.slow
def test_killed_worker_of_a_search_loses_no_trial(regression, tmp_path):
    mark = tmp_path / "mark"
    model = make_pipeline(KillsItsProcess(str(mark), os.getpid()), *regressor())
    search = make_search(str(tmp_path / "study.log"), model).fit(*regression)
    assert mark.exists()
    assert sum(map(is_counted, search.study_.trials)) == 6
    assert sum(t.state == TrialState.COMPLETE for t in search.study_.trials) == 6


@pytest.mark.slow
def test_search_on_dask_is_shared_by_its_workers(regression, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs pip install skdl[dask]")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        search = make_search(
            str(tmp_path / "study.log"), engine="dask", n_workers=None, n_trials=8
        ).fit(*regression)
    assert len(search.study_.trials) == 8
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])


def test_search_on_workers_needs_a_storage_that_they_see(regression):
    for storage in (None, optuna.storages.InMemoryStorage()):
        search = make_search(storage)
        with pytest.raises(InvalidParameterError, match="a storage that all of them reach"):
            search.fit(*regression)


def test_networks_of_trials_stay_with_the_workers(regression):
    with pytest.raises(InvalidParameterError, match="Expected refit=True or False"):
        make_search("study.log", refit="ensemble").fit(*regression)


def test_number_of_workers_needs_an_engine(regression):
    with pytest.raises(InvalidParameterError, match='pass engine="loky"'):
        make_search("study.log", engine=None).fit(*regression)


def test_error_of_a_trial_comes_back(regression, tmp_path):
    search = make_search(
        str(tmp_path / "study.log"),
        engine="loky",
        error_score="raise",
        model=make_pipeline(StandardScaler(), MLPRegressor(**TINY, loss="no such loss")),
    )
    with pytest.raises(ValueError, match="no such loss"):
        search.fit(*regression)
