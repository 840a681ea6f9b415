import socket
import subprocess
import sys
import threading
import time

import pytest

from skdl.model_selection.shared_study import Outcome, _heartbeat, open_study, run_study
from skdl.model_selection.shared_study._heartbeat import SIGNATURE, is_gone, process_identity


def x_of(trials):
    return [Outcome.completed(trial.suggest_float("x", 0, 1)) for trial in trials]


@pytest.fixture(params=["journal", "sqlite"])
def study(request, tmp_path):
    kinds = {"journal": tmp_path / "a", "sqlite": f"sqlite:///{tmp_path / 'a'}"}
    return open_study(kinds[request.param], "study", ["minimize"])


def test_signature_is_renewed_while_a_trial_runs_and_not_after(study):
    def beat():
        return study.trials[0].user_attrs[SIGNATURE]["beat"]

    def evaluate(trials):
        before = beat()
        time.sleep(0.6)
        assert beat() > before
        return x_of(trials)

    before_the_run = set(threading.enumerate())
    run_study(study, evaluate, n_trials=1, lease_seconds=0.4)
    assert set(threading.enumerate()) <= before_the_run


def test_beat_that_fails_is_reported_and_repeated(study, caplog, monkeypatch):
    def evaluate(trials):
        with monkeypatch.context() as patch:
            patch.setattr(study._storage, "set_trial_user_attr", lambda *_: 1 / 0)
            time.sleep(0.5)
        return x_of(trials)

    run_study(study, evaluate, n_trials=1, lease_seconds=0.4)
    assert "could not be renewed (ZeroDivisionError" in caplog.text
    assert study.trials[0].state.name == "COMPLETE"


def test_process_is_gone_only_where_its_number_means_something():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead_process = {**process_identity(), "pid": process.pid}
    assert is_gone(dead_process)
    assert not is_gone({**dead_process, "processes": "another machine"})
    assert not is_gone(process_identity())
    assert not is_gone({})


def test_killed_process_that_its_parent_has_not_asked_for_is_gone():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process.kill()
    identity = {**process_identity(), "pid": process.pid}
    for _ in range(100):
        if is_gone(identity):
            break
        time.sleep(0.05)
    assert is_gone(identity)
    process.wait()


def test_host_name_stands_in_where_process_tables_have_no_name(monkeypatch, tmp_path):
    monkeypatch.setattr(_heartbeat, "Path", lambda _: tmp_path / "missing")
    assert _heartbeat._process_table.__wrapped__() == socket.gethostname()


@pytest.mark.parametrize("pid", ["abc", -5, None, 1.5])
def test_identity_that_makes_no_sense_is_no_proof_of_death(pid):
    assert not is_gone({**process_identity(), "pid": pid})
