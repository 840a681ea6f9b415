import contextlib
import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
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


@pytest.mark.slow
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


# ---------------------------------------------------------------------------- other files


def sqlite_file():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE wine (quality INTEGER)")
            database.commit()
        return path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b'{"lr": 0.1}',
        b'{"lr": 0.1}\n',
        b"{}",
        b"{}\n",
        b"[]",
        b"null\n",
        b"\n",
        b"x",
        b"alpha,beta\n1,2\n",
        b"\0" * 4096,
        bytes(range(1, 256)) * 2,
        b"PK\x03\x04",
        b'{"op_code": "x"}\n',
        b'{"op_code":5',
        sqlite_file(),
    ],
    ids=lambda content: repr(content[:12]),
)
@pytest.mark.parametrize("name", ["settings.json", "wine.db"])
def test_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path, content, name):
    is_half_a_first_line = content == b'{"op_code":5'
    path = tmp_path / name
    path.write_bytes(content)
    os.utime(path, ns=(10**18, 10**18))
    if is_half_a_first_line:
        # What a process leaves that is killed while it writes its very first line.
        assert open_study(path, "study", ["minimize"]).trials == []
        return
    with pytest.raises(
        ValueError, match=r"exists and is no journal file; .*Expected the path"
    ) as e:
        open_study(path, "study", ["minimize"])
    assert str(path) in str(e.value)
    assert (f"'sqlite:///{path}'" in str(e.value)) == content.startswith(b"SQLite")
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == 10**18
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_file_that_takes_the_journals_place_later_is_left_as_it_is(tmp_path):
    path = tmp_path / "study.log"
    study = open_study(path, "study", ["minimize"])
    path.write_bytes(b'{"lr": 0.1}')
    with pytest.raises(ValueError, match="is no journal file"):
        run_study(study, x_of, n_trials=1)
    assert path.read_bytes() == b'{"lr": 0.1}'


def test_pipe_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ValueError, match="is no regular file"):
        open_study(path, "study", ["minimize"])


# ---------------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (b"garbage\n", "JSONDecodeError"),
        (b'{"op_code": 5, "tri\n', "JSONDecodeError"),
        (b"\0" * 100 + b"\n", "Error"),
        (b"\xff\xfe\xfb\n", "Error"),
        (b"[1, 2]\n", "no entry of Optuna"),
        (b'{"lr": 0.1}\n', "no entry of Optuna"),
        (b'{"op_code": 5}\n', "KeyError"),
    ],
)
def test_damage_names_the_file_and_the_line(tmp_path, damage, reason):
    path = tmp_path / "study.log"
    run_study(open_study(path, "study", ["minimize"]), x_of, n_trials=2)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = damage
    path.write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match=rf"study.log' is damaged in line 4 \(.*{reason}.*copy"):
        open_study(path, "study", ["minimize"])
    assert path.read_bytes() == b"".join(lines)


def test_damage_under_way_names_the_file_and_the_line(tmp_path):
    path = tmp_path / "study.log"
    study = open_study(path, "study", ["minimize"])
    n_lines = len(path.read_bytes().splitlines())
    with path.open("ab") as file:
        file.write(b"garbage\n" + path.read_bytes())
    with pytest.raises(ValueError, match=rf"is damaged in line {n_lines + 1} "):
        run_study(study, x_of, n_trials=1)


# ---------------------------------------------------------------------------- full disks


@contextlib.contextmanager
def files_of_at_most(n_bytes):
    """Let the system write so many bytes and no more, as on a disk that becomes full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_says_so_and_leaves_no_half_line(tmp_path, caplog):
    path = tmp_path / "study.log"
    study = open_study(path, "study", ["minimize"])
    with (
        files_of_at_most(3000),
        pytest.raises(OSError, match=r"study\.log' cannot be used: .*Make"),
    ):
        run_study(study, x_of, n_trials=100)
    assert path.read_bytes().endswith(b"\n")
    assert "Traceback" not in caplog.text
    caplog.clear()
    study = open_study(path, "study", ["minimize"])
    n_complete = states(study).count("COMPLETE")
    assert n_complete > 0
    run_study(study, x_of, n_trials=n_complete + 2, lease_seconds=0.1)
    assert states(open_study(path, "study", ["minimize"])).count("COMPLETE") == n_complete + 2
    assert "half a line" not in caplog.text


@pytest.mark.parametrize(
    ("number", "kind", "cure"),
    [
        (errno.ENOSPC, OSError, "Make room, then call fit again"),
        (errno.EROFS, OSError, "in a folder of the kind"),
        (errno.EACCES, PermissionError, "in a folder of the kind"),
    ],
)
def test_what_the_system_refuses_names_the_storage(tmp_path, monkeypatch, number, kind, cure):
    path = tmp_path / "study.log"
    study = open_study(path, "study", ["minimize"])
    before = path.read_bytes()

    def fsync(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_journal.os, "fsync", fsync)
    with pytest.raises(kind, match=rf"storage='{path}' cannot be used: .*{cure}") as caught:
        run_study(study, x_of, n_trials=1)
    assert caught.value.errno == number
    assert path.read_bytes() == before


@pytest.mark.parametrize("at", ["read", "make", "lock"])
def test_permission_that_is_missing_names_the_storage(tmp_path, monkeypatch, at):
    path = tmp_path / "study.log"
    if at != "make":
        open_study(path, "study", ["minimize"])

    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    # Root may do everything, so the system does not refuse where the tests run as root.
    if at == "lock":
        monkeypatch.setattr(_journal, "_create", refuse)
    elif at == "read":
        monkeypatch.setattr(_journal.Path, "open", refuse)
    else:
        monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match=rf"storage='{path}' cannot be used: Permission"):
        open_study(path, "study", ["minimize"])
