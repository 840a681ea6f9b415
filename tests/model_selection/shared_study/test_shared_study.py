"""Several processes on one study, some of them killed."""

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState

from skdl.model_selection.shared_study import is_counted, open_study
from skdl.model_selection.shared_study._worker import RETRY_OF

PROJECT = Path(__file__).resolve().parents[3]
N_TRIALS = 40
LEASE_SECONDS = 3
PATIENCE_SECONDS = 120

# All start from one seed: without care, each would draw the parameters that the others drew.
WORKER = """
import os, sys, time
from pathlib import Path
from optuna.samplers import RandomSampler
from skdl.model_selection.shared_study import Outcome, open_study, run_study

storage, side_file, n_trials, lease_seconds, together, ready_file, n_workers = sys.argv[1:]

def evaluate(trials):
    values = [trial.suggest_float("x", 0, 1) for trial in trials]
    time.sleep(0.02)
    for trial, value in zip(trials, values):
        trial.report(value, 0)
        with open(side_file, "a") as file:
            file.write(f"{trial.number} {os.getpid()}\\n")
    return [Outcome.completed(value) for value in values]

study = open_study(storage, "shared", ["minimize"], RandomSampler(seed=0))
with open(ready_file, "a") as file:
    file.write("ready\\n")
while len(Path(ready_file).read_text().splitlines()) < int(n_workers):
    time.sleep(0.005)
run_study(
    study,
    evaluate,
    n_trials=int(n_trials),
    lease_seconds=float(lease_seconds),
    trials_together=int(together),
)
"""


@pytest.fixture(scope="session")
def postgresql():
    """URL of a server of our own, on a socket in a folder of its own."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    found = shutil.which("pg_ctl") or (str(programs[-1]) if programs else None)
    if found is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("PostgreSQL's driver is not installed (pip install psycopg2-binary)")
    # The server refuses to run as root; Debian's package comes with a user for it.
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}

    def control(*arguments):
        command = [str(Path(found).with_name(arguments[0])), "-D", f"{folder}/data", *arguments[1:]]
        subprocess.run(
            command, check=True, timeout=60, cwd=folder, stdout=subprocess.DEVNULL, **user
        )

    with tempfile.TemporaryDirectory(prefix="skdl-pg-") as folder:
        if user:
            shutil.chown(folder, **user)
        control("initdb", "--auth=trust", "--username=skdl", "--no-sync")
        options = f"-c listen_addresses='' -c fsync=off -k {folder}"
        control("pg_ctl", "start", "-w", "-s", "-o", options, "-l", f"{folder}/log")
        try:
            yield f"postgresql+psycopg2://skdl@/postgres?host={folder}"
        finally:
            control("pg_ctl", "stop", "-w", "-s", "-m", "immediate")


_databases = itertools.count()


@pytest.fixture(
    params=[
        "journal",
        pytest.param("sqlite", marks=pytest.mark.slow),
        pytest.param("postgresql", marks=pytest.mark.slow),
    ]
)
def storage(request, tmp_path):
    """Where the processes keep the study, as text."""
    if request.param == "journal":
        return str(tmp_path / "study.log")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    url = request.getfixturevalue("postgresql")
    import sqlalchemy

    name = f"study{next(_databases)}"
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def team(storage, tmp_path):
    """The processes of one test; none outlives it."""
    with contextlib.ExitStack() as stack:
        yield Team(storage, tmp_path / "side_file", stack)


class Team:
    def __init__(self, storage, side_file, stack):
        self.storage = storage
        self.side_file = side_file
        self.stack = stack
        self.workers = []

    def start(self, n_workers, n_trials=N_TRIALS, together=1):
        """Start processes that begin to work once all of them are ready."""
        ready = f"{self.side_file}.ready{len(self.workers)}"
        arguments = [self.storage, self.side_file, n_trials, LEASE_SECONDS, together]
        arguments += [ready, n_workers]
        for _ in range(n_workers):
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER, *map(str, arguments)],
                cwd=PROJECT,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.stack.callback(worker.stderr.close)
            self.stack.callback(worker.wait)
            self.stack.callback(worker.kill)
            self.workers.append(worker)
        return self.workers[-n_workers:]

    def evaluated(self):
        """Numbers of the trials evaluated so far, with the processes that did it."""
        if not self.side_file.exists():
            return []
        return [tuple(map(int, line.split())) for line in self.side_file.read_text().splitlines()]

    def wait_until(self, condition):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "the workers are stuck"
            assert any(worker.poll() is None for worker in self.workers), "all workers have ended"
            time.sleep(0.005)

    def finish(self, workers):
        for worker in workers:
            _, errors = worker.communicate(timeout=PATIENCE_SECONDS)
            assert worker.returncode == 0, errors

    def check(self, n_trials=N_TRIALS):
        """Whatever happened: the budget is met, and each part of it was done once."""
        study = open_study(self.storage, "shared", ["minimize"])
        trials = study.trials
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        assert len(complete) == n_trials
        assert sum(map(is_counted, trials)) == n_trials
        assert not [trial for trial in trials if trial.state == TrialState.RUNNING]
        assert len({trial.params["x"] for trial in complete}) == n_trials
        assert all(trial.value == trial.params["x"] for trial in complete)
        times = Counter(number for number, _ in self.evaluated())
        assert set(times.values()) == {1}
        assert {trial.number for trial in complete} <= set(times)
        return trials


def kill(worker):
    worker.send_signal(signal.SIGKILL)
    assert worker.wait(timeout=PATIENCE_SECONDS) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("storage", "n_workers", "together"),
    [("journal", 2, 1), ("postgresql", 2, 1), ("sqlite", 4, 3)],
    indirect=["storage"],
)
def test_processes_share_the_trials(team, n_workers, together):
    workers = team.start(n_workers, together=together)
    team.finish(workers)
    trials = team.check()
    assert not [trial for trial in trials if trial.state == TrialState.FAIL]
    # Not all of four need to have come to the fore on a busy machine.
    assert len({pid for _, pid in team.evaluated()}) >= 2


@pytest.mark.slow
def test_survivor_finishes_what_a_killed_process_has_begun(team):
    killed, survivor = team.start(2)
    team.wait_until(lambda: {pid for _, pid in team.evaluated()} == {killed.pid, survivor.pid})
    team.wait_until(lambda: len(team.evaluated()) > N_TRIALS / 4)
    kill(killed)
    began = time.monotonic()
    team.finish([survivor])
    trials = team.check()
    lost = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert len(lost) <= 1
    if lost and lost[0].params:
        (again,) = [t for t in trials if t.user_attrs.get(RETRY_OF) == lost[0].number]
        assert (again.state, again.params) == (TrialState.COMPLETE, lost[0].params)
    # No lease had to run out, and no lock's grace: the process is known to be gone.
    if not lost or lost[0].params:
        assert time.monotonic() - began < 30


@pytest.mark.slow
def test_killed_study_goes_on_where_it_was(team):
    workers = team.start(2)
    team.wait_until(lambda: len(team.evaluated()) > N_TRIALS / 4)
    for worker in workers:
        kill(worker)
    ended = {t.number: t for t in open_study(team.storage, "shared", ["minimize"]).trials}
    ended = {n: t for n, t in ended.items() if t.state.is_finished()}
    assert 5 < len(ended) < N_TRIALS
    team.finish(team.start(2))
    trials = team.check()
    assert {number: trials[number] for number in ended} == ended
    assert len([trial for trial in trials if trial.state == TrialState.FAIL]) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_more_trials_can_be_asked_for_later(team):
    team.finish(team.start(1, n_trials=5))
    team.check(n_trials=5)
    team.finish(team.start(2, n_trials=9))
    team.check(n_trials=9)
