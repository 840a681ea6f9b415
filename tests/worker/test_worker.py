"""Searches whose task is stored with the study, and workers from the command line."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skdl
from skdl._compat_optuna import hidden_attrs, set_hidden_study_attr
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import OptunaSearchCV
from skdl.model_selection.shared_study import is_counted, open_study
from skdl.model_selection.shared_study._heartbeat import SIGNATURE
from skdl.model_selection.shared_study._worker import RETRY_OF
from skdl.worker import _task, publish
from skdl.worker.__main__ import main

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 140
SPACE = {"ridge__alpha": FloatDistribution(1e-3, 10.0, log=True)}


@pytest.fixture(autouse=True)
def _same_signals():
    """The command line sets handlers of this very process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def table(tmp_path):
    """A table in a CSV file, as both sides read it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    frame["site"] = np.arange(60) % 6
    frame["quality"] = frame["a"] - 2 * frame["b"] + rng.normal(size=60) / 10
    frame.to_csv(tmp_path / "table.csv", index=False)
    return pd.read_csv(tmp_path / "table.csv")


@pytest.fixture
def storage(tmp_path):
    return str(tmp_path / "study.log")


def rows(table):
    return table.drop(columns="quality"), table["quality"]


def make_search(storage, estimator=None, space=SPACE, **options):
    options = {"n_trials": 4, "cv": KFold(3), "random_state": 0} | options
    estimator = estimator or make_pipeline(StandardScaler(), Ridge(alpha=1000))
    return OptunaSearchCV(estimator, space, storage=storage, study_name="wine", **options)


def work(storage, tmp_path, *more, data="table.csv", study="wine"):
    options = ["--storage", storage, "--study", study, "--data", str(tmp_path / data), *more]
    main(options)


def refusal(*arguments, **options):
    """What a worker says that does not begin."""
    with pytest.raises(SystemExit) as caught:
        work(*arguments, **options)
    return str(caught.value.code)


def trials_in(storage):
    return open_study(storage, "wine", ["maximize"]).trials


# ------------------------------------------------------------------------------------ taking part


def test_a_worker_makes_the_trials_and_the_search_collects_them(table, storage, tmp_path, capsys):
    publish(make_search(storage), *rows(table))
    assert [trial.state for trial in trials_in(storage)] == [TrialState.WAITING]  # the start
    work(storage, tmp_path, "--target", "quality")
    assert "holds 4 trials, 4 of them from this worker" in capsys.readouterr().out
    assert {trial.state for trial in trials_in(storage)} == {TrialState.COMPLETE}
    search = make_search(storage).fit(*rows(table))
    assert len(search.cv_results_["params"]) == 4
    lone = make_search(None, n_trials=1).set_params(study_name=None).fit(*rows(table))
    assert search.start_score_ == pytest.approx(lone.start_score_)
    work(storage, tmp_path, "--target", "quality")
    assert "holds 4 trials, 0 of them" in capsys.readouterr().out


@pytest.mark.slow
def test_a_network_is_searched_with_pruning(table, storage, tmp_path):
    network = skdl.MLPRegressor((4,), epochs=3, random_state=0)
    estimator = make_pipeline(StandardScaler(), network)
    publish(make_search(storage, estimator, "auto", n_trials=3), *rows(table))
    work(storage, tmp_path, "--target", "quality")
    assert sum(map(is_counted, trials_in(storage))) == 3


@pytest.mark.parametrize("kind", ["parquet", "npz"])
def test_rows_from_other_files(table, storage, tmp_path, kind):
    X, y = rows(table)
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        table.to_parquet(tmp_path / "table.parquet")
    else:
        X, y = X.to_numpy(np.float32), y.to_numpy()
        np.savez(tmp_path / "table.npz", X=X, y=y)
    publish(make_search(storage, n_trials=2), X, y)
    more = ("--target", "quality") if kind == "parquet" else ()
    work(storage, tmp_path, *more, data=f"table.{kind}")
    assert len(trials_in(storage)) == 2


def test_an_array_of_a_table_is_read_as_an_array(table, storage, tmp_path):
    X, y = rows(table)
    publish(make_search(storage, n_trials=1), X.to_numpy("float32"), y.to_numpy())
    work(storage, tmp_path, "--target", "quality")
    assert len(trials_in(storage)) == 1


def test_groups_are_a_column_that_is_none_of_the_features(table, storage, tmp_path):
    X, y = rows(table)
    search = make_search(storage, n_trials=1, cv=GroupKFold(3))
    publish(search, X.drop(columns="site"), y, groups=X["site"])
    wrong = refusal(storage, tmp_path, "--target", "quality")
    assert "published with ['groups'] beside X and y" in wrong
    work(storage, tmp_path, "--target", "quality", "--fit", "groups=site")
    assert trials_in(storage)[0].state == TrialState.COMPLETE


def test_a_task_of_many_pieces_arrives_whole(table, storage, tmp_path, monkeypatch):
    monkeypatch.setattr(_task, "_CHARACTERS_OF_A_PIECE", 100)
    publish(make_search(storage, n_trials=1), *rows(table))
    work(storage, tmp_path, "--target", "quality")
    assert len(trials_in(storage)) == 1


def test_scorers_and_functions_of_known_packages_need_no_trust(table, storage, tmp_path):
    scoring = make_scorer(mean_absolute_error, greater_is_better=False)
    publish(make_search(storage, n_trials=1, scoring=scoring), *rows(table))
    work(storage, tmp_path, "--target", "quality")
    assert trials_in(storage)[0].value < 0


def test_code_of_the_users_must_be_trusted(table, storage, tmp_path):
    foreign = make_pipeline(FunctionTransformer(joblib.hash), Ridge())
    publish(make_search(storage, foreign, {}, n_trials=1), *rows(table))
    wrong = refusal(storage, tmp_path, "--target", "quality")
    assert re.search(r"joblib.hashing.hash.*--trust NAME", wrong)
    trust = ("--trust", "joblib.hashing.hash")
    work(storage, tmp_path, "--target", "quality", *trust)
    assert trials_in(storage)[0].state == TrialState.FAIL  # a text is no table


# --------------------------------------------------------------------------------- at the door


def test_what_cannot_be_published_is_refused(table, storage, tmp_path):
    X, y = rows(table)
    for search, message in [
        (Ridge(), "Expected an OptunaSearchCV"),
        (make_search(None), "a storage that all of them reach"),
        (make_search(storage, sampler=RandomSampler()), "sampler=.*Expected sampler=None"),
        (make_search(storage, refit="ensemble"), "Expected refit=True or False"),
    ]:
        with pytest.raises(InvalidParameterError, match=message):
            publish(search, X, y)
    with pytest.raises(InvalidParameterError, match=r"X is a list.*numpy\.asarray"):
        publish(make_search(storage), X.to_numpy().tolist(), y)
    with pytest.raises(TypeError, match="no lambdas"):
        publish(
            make_search(storage, make_pipeline(FunctionTransformer(lambda x: x), Ridge())), X, y
        )
    with pytest.raises(TypeError, match=r"cannot be written.*generator.*cv=list\(splits\)"):
        publish(make_search(storage, cv=(split for split in KFold(3).split(X))), X, y)
    assert not Path(storage).exists()


def test_a_study_without_a_task_is_refused(table, storage, tmp_path):
    missing = refusal(storage, tmp_path)
    assert "there is no file" in missing
    assert "there is no file" in refusal(f"sqlite:///{tmp_path}/x.db", tmp_path)
    make_search(storage, n_trials=1).fit(*rows(table))
    assert "no study named 'whine'. Expected one of 'wine'" in refusal(
        storage, tmp_path, study="whine"
    )
    assert "Call skdl.worker.publish(search, X, y) once" in refusal(storage, tmp_path)


def test_other_data_are_refused_with_the_difference(table, storage, tmp_path):
    publish(make_search(storage), *rows(table))
    table.iloc[::-1].to_csv(tmp_path / "turned.csv", index=False)
    table.iloc[:50].to_csv(tmp_path / "short.csv", index=False)
    table.rename(columns={"a": "A"}).to_csv(tmp_path / "renamed.csv", index=False)
    table.assign(a=table["a"] > 0).to_csv(tmp_path / "dtype.csv", index=False)
    target = ("--target", "quality")
    for data, message in [
        ("turned.csv", "X from .* rows in another order"),
        ("short.csv", r"shape \[50, 4\] instead of \[60, 4\]"),
        ("renamed.csv", "columns .'A'.* instead of .'a'"),
        ("dtype.csv", "dtypes .'bool'.* instead of .'float64'"),
        ("none.csv", "does not exist"),
        ("study.log", "Expected a file that ends in .csv, .parquet or .npz"),
    ]:
        assert re.search(message, refusal(storage, tmp_path, *target, data=data)), data
    wrong = refusal(storage, tmp_path, "--target", "qualiti")
    assert "no columns 'qualiti'. Did you mean 'quality'?" in wrong
    assert "Expected --target COLUMN" in refusal(storage, tmp_path)
    assert len(trials_in(storage)) == 1  # the start, which waits


def test_other_versions_are_refused(table, storage, tmp_path, monkeypatch):
    publish(make_search(storage), *rows(table))
    own = _task.own_versions()
    monkeypatch.setattr(_task, "own_versions", lambda: own | {"keras": "2.0"})
    wrong = refusal(storage, tmp_path, "--target", "quality")
    assert f"keras {own['keras']} there, 2.0 here" in wrong
    assert f"pip install keras=={own['keras']}" in wrong


def test_a_changed_task_is_refused(table, storage, tmp_path):
    publish(make_search(storage), *rows(table))
    study = open_study(storage, "wine", ["maximize"])
    attrs = hidden_attrs(study)
    (piece,) = [key for key in attrs if key.startswith("skdl:task:")]
    set_hidden_study_attr(study, piece, attrs[piece].replace("keras", "Keras"))
    assert "changed after it was written" in refusal(storage, tmp_path, "--target", "quality")
    set_hidden_study_attr(study, "skdl:task", {"sha256": "no", "n_pieces": 1})
    assert "its head is damaged" in refusal(storage, tmp_path, "--target", "quality")


def test_the_command_line_is_explained(capsys, monkeypatch):
    monkeypatch.delenv("SKDL_STORAGE", raising=False)
    for arguments, message in [
        ([], "--storage, --study, --data"),
        (["--storage", "s", "--study", "w", "--data", "d", "--fit", "site"], "no NAME=COLUMN"),
    ]:
        with pytest.raises(SystemExit):
            main(arguments)
        assert message in capsys.readouterr().err


# ------------------------------------------------------------------------------- two processes


def start(storage, tmp_path, stack):
    worker = subprocess.Popen(
        [sys.executable, "-m", "skdl.worker", "--study", "wine", "--data",
         str(tmp_path / "table.csv"), "--target", "quality"],
        cwd=PROJECT, env=os.environ | {"SKDL_STORAGE": storage},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    stack.append(worker)
    return worker


def wait_for_trial(storage, workers):
    """Return a trial that runs and is signed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        for trial in trials_in(storage):
            if trial.state == TrialState.RUNNING and trial.user_attrs.get(SIGNATURE):
                return trial
        assert time.monotonic() < deadline, "the workers are stuck"
        for worker in workers:
            assert worker.poll() is None, worker.communicate()
        time.sleep(0.01)


@pytest.fixture
def workers():
    """Processes of one test; none outlives it."""
    found = []
    yield found
    for worker in found:
        worker.kill()
        worker.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_of_two_workers_one_is_killed_and_its_trial_is_done_again(table, tmp_path, workers, kind):
    storage = str(tmp_path / "study.log") if kind == "journal" else f"sqlite:///{tmp_path}/study.db"
    network = skdl.MLPRegressor((4,), epochs=100, random_state=0)
    search = make_search(
        storage, network, {"l2": FloatDistribution(1e-4, 1.0, log=True)}, n_trials=5, pruner=None
    )
    publish(search, *rows(table))
    for _ in range(2):
        start(storage, tmp_path, workers)
    under_way = wait_for_trial(storage, workers)
    pid = under_way.user_attrs[SIGNATURE]["pid"]
    killed, survivor = sorted(workers, key=lambda worker: worker.pid != pid)
    killed.send_signal(signal.SIGKILL)
    output, errors = survivor.communicate(timeout=PATIENCE_SECONDS)
    assert survivor.returncode == 0, errors
    assert "holds 5 trials" in output
    trials = trials_in(storage)
    assert sum(map(is_counted, trials)) == 5
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 5
    (lost,) = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert lost.number == under_way.number
    (again,) = [trial for trial in trials if trial.user_attrs.get(RETRY_OF) == lost.number]
    assert again.params == (lost.params or again.params)


@pytest.mark.slow
def test_a_worker_that_is_told_to_end_gives_its_trial_back(table, storage, tmp_path, workers):
    network = skdl.MLPRegressor((4,), epochs=100_000, random_state=0)
    space = {"l2": FloatDistribution(1e-4, 1.0, log=True)}
    publish(make_search(storage, network, space, n_trials=2, pruner=None), *rows(table))
    worker = start(storage, tmp_path, workers)
    wait_for_trial(storage, workers)
    worker.terminate()
    _, errors = worker.communicate(timeout=PATIENCE_SECONDS)
    assert "interrupted" in errors
    assert worker.returncode == 1
    states = [trial.state for trial in trials_in(storage)]
    assert states == [TrialState.FAIL, TrialState.WAITING]


def test_no_pickle_is_read_from_a_storage():
    """Optuna's storages hold JSON, and what is ours there is JSON and the format of skdl.io."""
    source = "".join(path.read_text() for path in Path(_task.__file__).parent.glob("*.py"))
    assert not re.search(r"import (pickle|joblib|cloudpickle)|allow_pickle=True", source)


@pytest.mark.parametrize("options", [{}, {"encoding": "utf-8-sig"}, {"quoting": csv.QUOTE_ALL}])
def test_labels_and_groups_that_are_text(table, storage, tmp_path, options):
    named = table.assign(quality=np.where(table["quality"] > 0, "good", "bad"))
    named = named.assign(site=named["site"].map("site {}".format))
    named.to_csv(tmp_path / "table.csv", index=False, **options)
    X, y = rows(pd.read_csv(tmp_path / "table.csv"))
    search = make_search(
        storage, LogisticRegression(), {"C": [0.1, 1.0]}, n_trials=1, cv=GroupKFold(3)
    )
    publish(search, X.drop(columns="site"), y, groups=X["site"])
    work(storage, tmp_path, "--target", "quality", "--fit", "groups=site")
    assert trials_in(storage)[0].state == TrialState.COMPLETE


def test_files_that_cannot_be_read_are_named(table, storage, tmp_path):
    publish(make_search(storage), *rows(table))
    np.save(tmp_path / "alone.npy", np.arange(3))
    (tmp_path / "alone.npy").rename(tmp_path / "alone.npz")
    np.savez(tmp_path / "objects.npz", X=np.array([object()]), y=np.arange(1))
    for name, content in (
        ("empty.npz", b""), ("other.npz", b"abc"), ("empty.csv", b""), ("latin.csv", b"a\n\xe9\n"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n"), ("other.parquet", b"abc"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
    for path in sorted(tmp_path.glob("*.*")):
        if path.stem not in {"table", "study"}:
            wrong = refusal(storage, tmp_path, "--target", "y", data=path.name)
            assert re.match(f"skdl.worker: --data '{path}' cannot be read .*Expected an?", wrong), (
                path
            )
