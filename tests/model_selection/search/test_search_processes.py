"""OptunaSearchCV in several processes on one study, killed, interrupted, and started again."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState

from skdl.model_selection.shared_study import is_counted, open_study
from skdl.model_selection.shared_study._worker import RETRY_OF

PROJECT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 120
N_TRIALS = 12

# All start from one seed, and would draw the same parameters if they did not take care.
WORKER = """
import json, os, signal, sys, time
import numpy as np
from optuna.distributions import FloatDistribution
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skdl import MLPRegressor
from skdl.model_selection import OptunaSearchCV

signal.signal(signal.SIGINT, signal.default_int_handler)
storage, side_file, n_trials, pruner, epochs = sys.argv[1:]

def slowly(X):
    time.sleep(0.05)
    return X

def callback(study, trial):
    with open(side_file, "a") as file:
        file.write(f"{trial.number} {os.getpid()}\\n")

X = np.random.default_rng(0).normal(size=(60, 3))
y = X[:, 0] - 2 * X[:, 1]
model = make_pipeline(
    FunctionTransformer(slowly),
    MLPRegressor((4,), epochs=int(epochs), learning_rate=0.05, random_state=0),
)
search = OptunaSearchCV(
    model, {"mlpregressor__l2": FloatDistribution(1e-4, 1.0, log=True)}, n_trials=int(n_trials),
    cv=3, random_state=0, storage=storage, study_name="shared", callbacks=[callback],
    pruner=pruner if pruner == "auto" else None, refit=False, start_trial=False,
)
try:
    search.fit(X, y)
except KeyboardInterrupt:
    pass
results = search.cv_results_
print(json.dumps({
    "best_params": search.best_params_, "best_score": search.best_score_,
    "numbers": results["trial_number"].tolist(), "scores": results["mean_test_score"].tolist(),
}))
"""


def on(kind):
    """Say which storage a test is on: tests of shared_study try each with every fault."""
    return pytest.mark.parametrize("storage", [kind], indirect=True)


@pytest.fixture
def storage(request, tmp_path):
    """Where the processes keep the study, as text."""
    if request.param == "journal":
        return str(tmp_path / "study.log")
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def team(storage, tmp_path):
    """The processes of one test; none outlives it."""
    with contextlib.ExitStack() as stack:
        yield Team(storage, tmp_path / "side_file", stack)


class Team:
    def __init__(self, storage, side_file, stack):
        self.storage, self.side_file, self.stack = storage, side_file, stack
        self.workers = []

    def start(self, n_workers, n_trials=N_TRIALS, pruner="", epochs=4):
        arguments = [self.storage, self.side_file, n_trials, pruner, epochs]
        for _ in range(n_workers):
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER, *map(str, arguments)],
                cwd=PROJECT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.stack.callback(worker.communicate)
            self.stack.callback(worker.kill)
            self.workers.append(worker)
        return self.workers[-n_workers:]

    def evaluated(self):
        """Numbers of the trials that ended so far, with the processes that evaluated them."""
        if not self.side_file.exists():
            return []
        return [tuple(map(int, line.split())) for line in self.side_file.read_text().splitlines()]

    def wait_for(self, n_trials, workers):
        """Wait until so many trials have ended, at least one of each worker."""
        pids = {worker.pid for worker in workers}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.evaluated()) < n_trials or not pids <= {p for _, p in self.evaluated()}:
            assert time.monotonic() < deadline, "the workers are stuck"
            assert any(worker.poll() is None for worker in self.workers), "all workers have ended"
            time.sleep(0.005)

    def finish(self, workers):
        """Return what the workers print at their end."""
        found = []
        for worker in workers:
            output, errors = worker.communicate(timeout=PATIENCE_SECONDS)
            assert worker.returncode == 0, errors
            found.append(json.loads(output.splitlines()[-1]))
        return found

    def trials(self):
        return open_study(self.storage, "shared", ["maximize"]).trials

    def check(self, found, n_trials=N_TRIALS):
        """The budget is met, each part of it done once, and all agree on what came out."""
        trials = self.trials()
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        assert len(complete) == sum(map(is_counted, trials)) == n_trials
        assert not [trial for trial in trials if trial.state == TrialState.RUNNING]
        assert len({trial.params["mlpregressor__l2"] for trial in complete}) == n_trials
        assert set(Counter(number for number, _ in self.evaluated()).values()) == {1}
        best = max(complete, key=lambda trial: trial.value)
        for result in found:
            assert result["numbers"] == [trial.number for trial in complete]
            assert result["scores"] == pytest.approx([trial.value for trial in complete])
            assert result["best_params"] == best.params
            assert result["best_score"] == best.value
        return trials


@pytest.mark.slow
@on("sqlite")
def test_two_processes_share_the_trials_and_agree_on_the_best(team):
    workers = team.start(2)
    trials = team.check(team.finish(workers))
    assert {pid for _, pid in team.evaluated()} <= {worker.pid for worker in workers}
    assert not [trial for trial in trials if trial.state == TrialState.FAIL]


@pytest.mark.slow
@on("journal")
def test_one_of_two_is_killed_and_the_other_finishes(team):
    killed, survivor = team.start(2)
    team.wait_for(3, [killed, survivor])
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(timeout=PATIENCE_SECONDS) == -signal.SIGKILL
    began = time.monotonic()
    trials = team.check(team.finish([survivor]))
    lost = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert len(lost) <= 1
    for trial in lost:
        assert "worker lost" in trial.user_attrs["skdl:reason"]
        if trial.params:
            (again,) = [t for t in trials if t.user_attrs.get(RETRY_OF) == trial.number]
            assert (again.state, again.params) == (TrialState.COMPLETE, trial.params)
    # No lease had to run out: the process is known to be gone.
    assert time.monotonic() - began < 45


@pytest.mark.slow
@on("sqlite")
def test_all_killed_and_started_again_it_goes_on(team):
    workers = team.start(2)
    team.wait_for(4, workers)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=PATIENCE_SECONDS)
    ended = {t.number: t for t in team.trials() if t.state.is_finished()}
    assert 3 <= len(ended) < N_TRIALS
    trials = team.check(team.finish(team.start(2)))
    assert {number: trials[number] for number in ended} == ended


@pytest.mark.slow
@on("journal")
def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(team):
    (worker,) = team.start(1, n_trials=1000)
    team.wait_for(3, [worker])
    worker.send_signal(signal.SIGINT)
    (found,) = team.finish([worker])
    trials = team.trials()
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert 3 <= len(complete) < 100
    assert found["numbers"] == [trial.number for trial in complete]
    assert found["best_params"] == max(complete, key=lambda trial: trial.value).params
    assert not [trial for trial in trials if trial.state == TrialState.RUNNING]
    n_trials = len(complete) + 2
    team.check(team.finish(team.start(1, n_trials)), n_trials)


@pytest.mark.slow
@on("sqlite")
def test_a_worker_is_killed_in_the_middle_of_a_round(team):
    """Its trials, of which it has judged some, are all done again, with the same parameters."""
    racing = {"pruner": "auto", "epochs": 1000}
    (killed,) = team.start(1, **racing)
    deadline = time.monotonic() + PATIENCE_SECONDS
    judged = []
    while not judged:
        assert time.monotonic() < deadline, "no trial has come to a rung"
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
        if Path(team.storage).exists() or not team.storage.endswith(".log"):
            with contextlib.suppress(KeyError):  # there is no study yet
                judged = [t for t in team.trials() if "skdl:rungs" in t.system_attrs]
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=PATIENCE_SECONDS)
    under_way = [t for t in team.trials() if t.state == TrialState.RUNNING]
    assert len(under_way) == N_TRIALS
    team.finish(team.start(1, **racing))
    trials = team.trials()
    counted = [trial for trial in trials if is_counted(trial)]
    assert len(counted) == N_TRIALS
    assert {t.state for t in counted} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in under_way:
        assert trials[trial.number].state == TrialState.FAIL
        (again,) = [t for t in counted if t.user_attrs.get(RETRY_OF) == trial.number]
        assert again.params == trial.params
