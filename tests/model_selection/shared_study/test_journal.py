import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage

from skdl.model_selection.shared_study import Outcome, _journal, open_study, run_study
from skdl.model_selection.shared_study._journal import JournalLock

PROJECT = Path(__file__).resolve().parents[3]
DIES_WITH_THE_LOCK = """
import os, signal, sys
from pathlib import Path
from skdl.model_selection.shared_study._journal import JournalLock

path = Path(sys.argv[1])
path.touch()
JournalLock(path).acquire()
os.kill(os.getpid(), signal.SIGKILL)
"""


def x_of(trials):
    return [Outcome.completed(trial.suggest_float("x", 0, 1)) for trial in trials]


def states(study):
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def test_lock_of_a_killed_process_is_taken_away_at_once(tmp_path):
    path = tmp_path / "study.log"
    killed = subprocess.run(
        [sys.executable, "-c", DIES_WITH_THE_LOCK, path], check=False, cwd=PROJECT
    )
    assert killed.returncode == -signal.SIGKILL
    assert path.with_name("study.log.lock").exists()
    began = time.monotonic()
    run_study(open_study(path, "study", ["minimize"]), x_of, n_trials=2)
    assert time.monotonic() - began < 5
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.log"]


@pytest.mark.parametrize("kind", ["empty", "link", "elsewhere"])
def test_lock_that_does_not_say_whose_it_is_is_taken_away_after_a_while(
    tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(_journal, "GRACE_SECONDS", 0.3)
    path = tmp_path / "study.log"
    path.touch()
    lock_path = path.with_name("study.log.lock")
    if kind == "link":
        lock_path.symlink_to(path)
    else:
        lock_path.write_text("" if kind == "empty" else '{"processes": "another machine"}')
    began = time.monotonic()
    JournalLock(path).acquire()
    assert time.monotonic() - began > 0.3


def test_lock_works_where_files_always_have_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(_journal, "_open_nameless", lambda _: None)
    path = tmp_path / "study.log"
    run_study(open_study(path, "study", ["minimize"]), x_of, n_trials=2)
    lock = JournalLock(path)
    lock.acquire()
    assert path.with_name("study.log.lock").read_bytes() == lock._ticket
    assert not JournalLock(path)._try()


def test_lock_held_by_the_living_is_waited_for(tmp_path):
    path = tmp_path / "study.log"
    path.touch()
    first, second = JournalLock(path), JournalLock(path)
    first.acquire()
    thread = threading.Thread(target=second.acquire)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    first.release()
    thread.join(5)
    assert not thread.is_alive()
    first.release()
    assert path.with_name("study.log.lock").exists()


def test_breaking_a_lock_spares_the_one_that_came_after_it(tmp_path):
    path = tmp_path / "study.log"
    path.touch()
    holder, other = JournalLock(path), JournalLock(path)
    holder.acquire()
    other._break(b"the lock of somebody who is dead")
    assert path.with_name("study.log.lock").read_bytes() == holder._ticket
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["study.log", "study.log.lock"]


@pytest.mark.parametrize("torn", [b'{"op_code": 5, "tri', b"x" * 10_000])
def test_half_a_line_left_by_a_killed_process_is_cut_off(tmp_path, torn, caplog):
    path = tmp_path / "study.log"
    run_study(open_study(path, "study", ["minimize"]), x_of, n_trials=2)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    run_study(open_study(path, "study", ["minimize"]), x_of, n_trials=4)
    assert path.read_bytes().startswith(whole)
    assert states(open_study(path, "study", ["minimize"])) == ["COMPLETE"] * 4
    assert f"{len(torn)} bytes were cut off" in caplog.text


def test_journal_is_shared_with_optunas_own_classes(tmp_path):
    path = tmp_path / "study.log"
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    plain = open_study(JournalStorage(backend), "study", ["minimize"])

    def objective(trial):
        return trial.suggest_float("x", 0, 1)

    thread = threading.Thread(target=lambda: plain.optimize(objective, n_trials=30))
    thread.start()
    run_study(open_study(path, "study", ["minimize"]), x_of, n_trials=30)
    thread.join()
    study = open_study(path, "study", ["minimize"])
    ended = [state for state in states(study) if state != "WAITING"]
    assert set(ended) == {"COMPLETE"}
    assert 30 <= len(ended) <= 60
