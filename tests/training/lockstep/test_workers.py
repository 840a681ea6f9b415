"""Lockstep on several workers: chunks, errors, warnings, workers that die, and equal results."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, cpu_count, delayed
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skdl
from skdl import MLPRegressor
from skdl.exceptions import InvalidParameterError
from skdl.training.lockstep._chunks import chunks_of, structure_of
from skdl.training.lockstep._engines import run_chunks
from skdl.training.lockstep._shipping import LARGE_BYTES, Cargo, pack, unpack
from skdl.training.lockstep._worker import Order, run_chunk, this_process
from tests.workers import Here, workers_here

TINY = {"hidden_units": 4, "epochs": 2, "learning_rate": 0.01, "random_state": 0}

# A process of joblib's that has grown since its first task, as by TensorFlow, is replaced.
pytestmark = pytest.mark.filterwarnings("ignore:A worker stopped while some jobs")

# Float32 sums depend on the number of members that are added up side by side.
ROUNDING = 1e-5


def regressor(**params):
    return make_pipeline(StandardScaler(), MLPRegressor(**TINY | params))


@pytest.fixture(scope="module")
def regression(diabetes):
    X, y = diabetes
    return X[:60, :3], y[:60]


@pytest.fixture
def on_workers():
    """Return a function that runs another on an engine; with the backend."""

    def run(function, engine=None):
        with workers_here(engine) as backend:
            return function(), backend

    return run


# ------------------------------------------------------------------ chunks


def test_chunks_are_of_equal_size_and_keep_structures_together():
    structures = ["wide", "narrow", "wide", "narrow", "wide", "narrow"]
    assert chunks_of(structures, 2) == [[0, 2, 4], [1, 3, 5]]
    assert sorted(map(len, chunks_of(["same"] * 11, 4))) == [2, 3, 3, 3]
    assert sorted(i for chunk in chunks_of(structures, 4) for i in chunk) == list(range(6))


def test_fewer_tasks_than_workers_make_a_chunk_each():
    assert chunks_of(["a", "b"], 5) == [[0], [1]]


def call(estimator, parameters=None):
    return [(fit, (estimator,), {"parameters": parameters})]


def fit(estimator, **_):
    return estimator


@pytest.mark.parametrize(
    ("first", "second", "is_equal"),
    [
        ({"learning_rate": 0.1}, {"learning_rate": 0.2}, True),
        ({"random_state": 1}, {"random_state": 2}, True),
        ({"hidden_units": 8}, {"hidden_units": 16}, False),
        ({"activation": "relu"}, {"activation": "gelu"}, False),
    ],
)
def test_structures_differ_by_whole_numbers_and_names(first, second, is_equal):
    as_parameters = [structure_of(call(MLPRegressor(), p)) for p in (first, second)]
    as_own = [structure_of(call(MLPRegressor(**p))) for p in (first, second)]
    assert (as_parameters[0] == as_parameters[1]) is is_equal
    assert as_parameters == as_own


def test_members_that_differ_in_seeds_are_of_one_structure():
    first, second = (make_pipeline(StandardScaler(), MLPRegressor(random_state=i)) for i in (1, 2))
    assert structure_of(call(first)) == structure_of(call(second))


# ------------------------------------------------------------------ shipping


def test_large_array_travels_once_and_beside_the_pickles():
    large = np.zeros(LARGE_BYTES // 8)
    cargo = Cargo()
    first, numbers = pack({"X": large, "again": [large], "frame": pd.DataFrame({"a": [1]})}, cargo)
    second, _ = pack((large,), cargo)
    assert len(cargo.arrays) == 1
    assert max(len(first), len(second)) < LARGE_BYTES / 10
    found = unpack(first, {n: cargo.arrays[n] for n in numbers})
    assert found["X"] is large
    assert found["again"][0] is large
    assert unpack(second, cargo.arrays)[0] is large


def test_blocks_of_a_frame_travel_beside_the_pickle():
    frame = pd.DataFrame(np.arange(LARGE_BYTES // 4, dtype=float).reshape(-1, 2))
    cargo = Cargo()
    pickled, _ = pack(frame, cargo)
    assert len(pickled) < LARGE_BYTES / 10
    pd.testing.assert_frame_equal(unpack(pickled, cargo.arrays), frame)


def test_functions_of_a_script_travel_with_their_code():
    factor = 3
    pickled, _ = pack(lambda x: factor * x, Cargo())
    assert unpack(pickled, {})(2) == 6


# ------------------------------------------------------------------ scikit-learn's functions


def by_repeated_k_fold(X, y):
    cv = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
    return cross_val_score(regressor(), X, y, cv=cv)


def by_cross_val_predict(X, y):
    return cross_val_predict(regressor(), X, y, cv=5)


def by_grid_search(X, y):
    grid = {"mlpregressor__learning_rate": [0.01, 0.1], "mlpregressor__hidden_units": [2, 3]}
    search = GridSearchCV(regressor(), grid, cv=3).fit(X, y)
    return np.append(search.cv_results_["mean_test_score"], search.predict(X))


def by_bagging(X, y):
    return BaggingRegressor(regressor(), n_estimators=4, random_state=0).fit(X, y).predict(X)


def by_nested_search(X, y):
    search = GridSearchCV(regressor(), {"mlpregressor__learning_rate": [0.01, 0.1]}, cv=2)
    return cross_val_score(search, X, y, cv=3)


FUNCTIONS = [by_repeated_k_fold, by_cross_val_predict, by_grid_search, by_bagging, by_nested_search]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_workers_give_what_one_process_gives(function, regression, on_workers):
    with skdl.lockstep():
        expected = function(*regression)
    found, _ = on_workers(lambda: function(*regression))
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_each_worker_trains_its_chunk_as_one_batch(regression, on_workers):
    _, backend = on_workers(lambda: by_repeated_k_fold(*regression))
    assert backend.batches == [5, 5]


def test_grid_points_of_one_structure_share_a_worker(regression, on_workers):
    X, y = regression
    # Learning rates alternate slower than units, so half of the folds of a cut would not fit.
    grid = {"mlpregressor__learning_rate": [0.01, 0.1], "mlpregressor__hidden_units": [2, 3]}
    search = GridSearchCV(regressor(), grid, cv=3, refit=False)
    cuts = []

    class Watched(Here):
        def run(self, chunks, arrays, order):
            for pickled, _ in chunks.values():
                tasks = unpack(pickled, arrays)
                cuts.append(
                    {k["parameters"]["mlpregressor__hidden_units"] for ((_, _, k),) in tasks}
                )
            return super().run(chunks, arrays, order)

    on_workers(lambda: search.fit(X, y), Watched())
    assert sorted(map(tuple, cuts)) == [(2,), (3,)]


def test_more_tasks_than_joblib_hands_out_at_once(on_workers):
    found, _ = on_workers(lambda: Parallel()(delayed(abs)(-i) for i in range(2500)), Here(1))
    assert found == list(range(2500))


def test_calls_that_need_shared_memory_stay_here(regression, on_workers):
    X, y = regression
    forest = RandomForestRegressor(n_estimators=5, random_state=0).fit(X, y)
    engine = Here()
    found, _ = on_workers(lambda: forest.predict(X), engine)
    np.testing.assert_allclose(found, forest.predict(X))
    assert not engine.runs


def test_generator_is_served(on_workers):
    found, _ = on_workers(
        lambda: list(Parallel(return_as="generator")(delayed(abs)(i) for i in [-3]))
    )
    assert found == [3]


# ------------------------------------------------------------------ errors and warnings


class FailsOnSome(RegressorMixin, BaseEstimator):
    """Fails where the first row is one of those named."""

    def __init__(self, first_rows=()):
        self.first_rows = first_rows

    def fit(self, X, y):
        if X[0, 0] in self.first_rows:
            raise ArithmeticError("this fold fails")
        warnings.warn("take care", UserWarning, stacklevel=2)
        self.mean_ = y.mean()
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


ROWS = np.arange(20.0)[:, None]


def test_failed_fold_gets_the_error_score(on_workers):
    with pytest.warns() as told:
        found, _ = on_workers(
            lambda: cross_val_score(FailsOnSome((4.0,)), ROWS, ROWS[:, 0], cv=5, error_score=-9)
        )
    assert (found == -9).tolist() == [True, False, False, False, False]
    assert any(issubclass(w.category, FitFailedWarning) for w in told)
    assert any("take care" in str(w.message) for w in told)


def test_error_is_raised_as_it_was(on_workers):
    model = FailsOnSome(tuple(ROWS[:, 0]))
    with pytest.raises(ArithmeticError, match="this fold fails") as caught:
        on_workers(lambda: cross_val_score(model, ROWS, ROWS[:, 0], error_score="raise"))
    assert "in fit" in "".join(caught.value.__notes__)


def test_error_that_cannot_be_pickled_keeps_its_text(on_workers):
    class HeldError(Exception):
        def __init__(self):
            super().__init__("holds a file")
            self.file = sys.stderr

    def fails():
        raise HeldError

    with pytest.raises(RuntimeError, match="HeldError: holds a file"):
        on_workers(lambda: Parallel()(delayed(fails)() for _ in range(2)))


def test_result_that_cannot_be_pickled_names_the_cure(on_workers):
    with pytest.raises(TypeError, match=r"train in this process: with skdl.lockstep\(\)"):
        on_workers(lambda: Parallel()(delayed(threading.Lock)() for _ in range(2)))


def test_pruning_callback_does_not_leave_its_process(regression, on_workers):
    optuna = pytest.importorskip("optuna")
    trial = optuna.create_study().ask()
    model = MLPRegressor(**TINY, callbacks=skdl.OptunaPruning(trial))
    with pytest.raises(TypeError, match="belongs to a trial that runs in this process"):
        on_workers(lambda: cross_val_score(model, *regression, cv=3))


@pytest.mark.parametrize("engine", ["multiprocessing", "threading"])
def test_engines_without_new_processes_are_refused(engine):
    with (
        pytest.raises(InvalidParameterError, match="Expected 'loky' for processes"),
        skdl.lockstep(engine=engine),
    ):
        pass


def test_unknown_engine_names_those_there_are():
    with (
        pytest.raises(InvalidParameterError, match="engine='loki' cannot be used"),
        skdl.lockstep(engine="loki"),
    ):
        pass


def test_number_of_workers_needs_an_engine():
    with (
        pytest.raises(InvalidParameterError, match='pass engine="loky"'),
        skdl.lockstep(n_workers=2),
    ):
        pass


# ------------------------------------------------------------------ workers that die


def test_lost_chunk_is_trained_again_and_the_others_are_not(regression, on_workers, caplog):
    with skdl.lockstep():
        expected = by_repeated_k_fold(*regression)
    engine = Here(3, loses=1)
    found, backend = on_workers(lambda: by_repeated_k_fold(*regression), engine)
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)
    assert engine.runs == [[0, 1, 2], [1, 2]]
    assert backend.batches == [3, 3, 4]
    assert "a worker was lost" in caplog.text


def test_chunk_lost_twice_ends_the_call():
    packed = {i: pack([[(abs, (i,), {})]], Cargo()) for i in range(3)}
    order = Order(this_process(), None, None)
    with pytest.raises(RuntimeError, match=r"1 of 3 chunks .* twice .*a worker has died"):
        list(run_chunks(Here(3, loses=9), packed, {}, order))


# ------------------------------------------------------------------ processes of this machine


class KillsItsProcess(TransformerMixin, BaseEstimator):
    """Kills the first process that fits it."""

    def __init__(self, mark=None, spared=None):
        self.mark, self.spared = mark, spared

    def fit(self, X, y=None):
        if os.getpid() != self.spared and not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self

    def transform(self, X):
        return X


def seen_by_worker(X, y=None):
    """Return what a worker's process knows of itself, as a feature."""
    return {
        "pid": os.getpid(),
        "cores": os.environ["LOKY_MAX_CPU_COUNT"],
        "threads": os.environ["TF_NUM_INTRAOP_THREADS"],
        "is_mapped": isinstance(X, np.memmap),
        "writable": X.flags.writeable,
    }


def test_processes_have_cores_of_their_own_and_share_a_large_array():
    X = np.zeros((LARGE_BYTES, 1))
    with skdl.lockstep(engine="loky", n_workers=2):
        found = Parallel()(delayed(seen_by_worker)(X) for _ in range(4))
    assert len({each["pid"] for each in found} - {os.getpid()}) == 2
    n_cores = str(max(1, cpu_count() // 2))
    assert {each["cores"] for each in found} == {each["threads"] for each in found} == {n_cores}
    assert all(each["is_mapped"] for each in found)


def test_lockstep_inside_a_worker_trains_there():
    def inner():
        with skdl.lockstep(engine="loky", n_workers=2):
            return set(Parallel()(delayed(os.getpid)() for _ in range(3))) == {os.getpid()}

    with skdl.lockstep(engine="loky", n_workers=2):
        assert all(Parallel()(delayed(inner)() for _ in range(2)))


def test_one_task_alone_is_not_worth_a_process():
    with skdl.lockstep(engine="loky", n_workers=2):
        assert Parallel()(delayed(os.getpid)() for _ in range(1)) == [os.getpid()]


@pytest.mark.slow
def test_networks_in_processes_give_what_one_process_gives(regression):
    X, y = regression
    with skdl.lockstep():
        expected = cross_validate(regressor(), X, y, cv=6, return_train_score=True)
    with skdl.lockstep(engine="loky", n_workers=2) as session:
        found = cross_validate(regressor(), X, y, cv=6, return_train_score=True)
    assert session.batches == [3, 3]
    for name in ("test_score", "train_score"):
        np.testing.assert_allclose(found[name], expected[name], rtol=ROUNDING)


def check_that_a_killed_worker_loses_nothing(engine, X, y, mark):
    """Cross-validate on two workers, of which the first to come to a fold is killed."""
    model = make_pipeline(KillsItsProcess(str(mark), os.getpid()), regressor())
    with skdl.lockstep():
        expected = cross_val_score(model, X, y, cv=6)
    with skdl.lockstep(engine=engine, n_workers=2) as session:
        found = cross_val_score(model, X, y, cv=6)
    assert mark.exists()
    assert session.batches == [3, 3]
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


@pytest.mark.slow
def test_killed_process_loses_nothing(regression, tmp_path):
    check_that_a_killed_worker_loses_nothing("loky", *regression, tmp_path / "mark")


INTERRUPTED = """
import signal, sys, time
from joblib import Parallel, cpu_count, delayed
import skdl

signal.signal(signal.SIGINT, signal.default_int_handler)
if __name__ == "__main__":
    try:
        with skdl.lockstep(engine="loky", n_workers=2):
            print("begun", flush=True)
            Parallel()(delayed(time.sleep)(300) for _ in range(2))
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_ctrl_c_ends_the_call():
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    with process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n"


# ------------------------------------------------------------------ Dask


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason="needs pip install skdl[dask]")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as own,
        distributed.Client(own) as connected,
    ):
        yield connected


def test_dask_needs_a_client():
    pytest.importorskip("distributed", reason="needs pip install skdl[dask]")
    with (
        pytest.raises(InvalidParameterError, match=r"client = Client\(\)"),
        skdl.lockstep(engine="dask"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_dask_gives_what_one_process_gives(regression):
    with skdl.lockstep():
        expected = by_grid_search(*regression)
    with skdl.lockstep(engine="dask") as session:
        found = by_grid_search(*regression)
    assert session.batches == [6, 6]
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_killed_dask_worker_loses_nothing(regression, tmp_path):
    X, y = regression
    mark = tmp_path / "mark"
    rows = np.tile(X, (1 + LARGE_BYTES // X.nbytes, 1))
    targets = np.resize(y, len(rows))
    model = make_pipeline(
        KillsItsProcess(str(mark), os.getpid()), FunctionTransformer(), clone(Ridge())
    )
    expected = cross_val_score(model.set_params(killsitsprocess__mark=os.devnull), rows, targets)
    model.set_params(killsitsprocess__mark=str(mark))
    with skdl.lockstep(engine="dask"):
        found = cross_val_score(model, rows, targets)
    assert mark.exists()
    np.testing.assert_allclose(found, expected)


@pytest.mark.slow
def test_ctrl_c_ends_training_on_dask(client, regression):
    X, y = regression

    def interrupt():
        while not any(client.run(n_tasks_that_run).values()):
            time.sleep(0.2)
        time.sleep(2)  # while they train
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), skdl.lockstep(engine="dask"):
        cross_val_score(regressor(epochs=10**7), X, y, cv=4)
    deadline = time.monotonic() + 60
    while any(client.run(n_tasks_that_run).values()):
        assert time.monotonic() < deadline, "the workers train on"
        time.sleep(0.5)


def n_tasks_that_run(dask_worker):
    return dask_worker.state.executing_count


def test_training_ends_when_nobody_waits_any_more():
    model = MLPRegressor(**TINY | {"epochs": 10**7})
    X = np.arange(8.0)[:, None]
    pickled, _ = pack([[(model.fit, (X, X[:, 0]), {})]], Cargo())
    order = Order(this_process(), None, None)
    asked = []

    def should_stop():
        asked.append(True)
        return len(asked) > 3

    _, report = run_chunk(0, pickled, {}, order, should_stop)
    assert "stopped from outside" in str(pickle.loads(report).error)
    assert len(asked) == 4


def test_report_comes_back_pickled():
    pickled, _ = pack([[(abs, (-1,), {})], [(abs, (-2,), {})]], Cargo())
    number, report = run_chunk(7, pickled, {}, Order(this_process(), 1, None))
    assert number == 7
    assert pickle.loads(report).results == [[1], [2]]


# ------------------------------------------------------------------ ray


@pytest.fixture(scope="module")
def ray_cluster():
    ray = pytest.importorskip("ray", reason="needs pip install skdl[ray]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ray's own
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.filterwarnings("ignore")
def test_ray_gives_what_one_process_gives(regression):
    with skdl.lockstep():
        expected = by_grid_search(*regression)
    with skdl.lockstep(engine="ray", n_workers=2) as session:
        found = by_grid_search(*regression)
    assert session.batches == [6, 6]
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.filterwarnings("ignore")
def test_killed_ray_worker_loses_nothing(regression, tmp_path):
    check_that_a_killed_worker_loses_nothing("ray", *regression, tmp_path / "mark")
