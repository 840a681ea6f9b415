import signal
import subprocess
import sys
import threading
import time
from types import FunctionType, SimpleNamespace

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from skdl.model_selection.shared_study import (
    REASON,
    Outcome,
    _storage,
    _worker,
    is_counted,
    open_study,
    run_study,
)
from skdl.model_selection.shared_study._heartbeat import SIGNATURE, process_identity
from skdl.model_selection.shared_study._interrupt import whole_calls_of
from skdl.model_selection.shared_study._worker import RETRY_OF
from tests.checks import slow_but

ELSEWHERE = {"host": "elsewhere", "pid": 1, "processes": "another machine", "lease_seconds": 0.4}


def x_of(trials):
    return [Outcome.completed(trial.suggest_float("x", 0, 1)) for trial in trials]


def states(study):
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def n_counted(study):
    return sum(map(is_counted, study.trials))


@pytest.fixture(params=["memory", "journal", "sqlite"])
def any_study(request, tmp_path):
    kinds = {"memory": None, "journal": tmp_path / "a", "sqlite": f"sqlite:///{tmp_path / 'a'}"}
    return open_study(kinds[request.param], "study", ["minimize"])


@pytest.fixture(params=["journal", "sqlite"])
def reopen(request, tmp_path):
    """Return a function that opens the same stored study anew, as another process does."""
    kinds = {"journal": tmp_path / "a", "sqlite": f"sqlite:///{tmp_path / 'a'}"}

    def again(seed=None):
        sampler = optuna.samplers.RandomSampler(seed=seed)
        return open_study(kinds[request.param], "study", ["minimize"], sampler)

    return again


@pytest.fixture(scope="module")
def dead_process():
    """Who it was that a killed process of this machine signed its trials as."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    identity = {**process_identity(), "pid": process.pid, "lease_seconds": 600}
    process.kill()
    process.wait()
    return identity


def add_running(study, signature=None, **attrs):
    """Add a trial that some other worker has begun."""
    trial = create_trial(
        state=TrialState.RUNNING,
        params={"x": 0.5},
        distributions={"x": FloatDistribution(0, 1)},
        user_attrs={} if signature is None else {SIGNATURE: signature, **attrs},
    )
    study.add_trial(trial)
    return study.trials[-1]


# ---------------------------------------------------------------------------- the budget


def test_study_holds_exactly_the_trials_asked_for(any_study):
    run_study(any_study, x_of, n_trials=5)
    assert states(any_study) == ["COMPLETE"] * 5
    assert [trial.value for trial in any_study.trials] == [t.params["x"] for t in any_study.trials]


def test_a_look_is_at_new_trials_only(any_study, monkeypatch):
    n_seen = 0

    def count(trial):
        nonlocal n_seen
        n_seen += 1
        return is_counted(trial)

    monkeypatch.setattr(_worker, "is_counted", count)
    run_study(any_study, x_of, n_trials=20)
    # Three looks at each: at all of those before it too, that were some 600.
    assert n_seen < 20 * 6
    assert n_counted(any_study) == 20


def test_second_run_adds_what_is_missing_and_a_third_nothing(reopen):
    sizes = []

    def evaluate(trials):
        sizes.append(len(trials))
        return x_of(trials)

    for n_trials, n_evaluated in [(3, 3), (5, 5), (5, 5), (4, 5)]:
        run_study(reopen(), evaluate, n_trials=n_trials)
        assert sum(sizes) == n_evaluated
    assert states(reopen()) == ["COMPLETE"] * 5


def test_pruned_and_failed_trials_count_and_say_why(any_study):
    outcomes = iter(
        [
            Outcome.pruned("worse than the median"),
            Outcome.failed("out of memory"),
            Outcome.completed(float("nan")),
            Outcome.completed(1.0),
        ]
    )
    run_study(any_study, lambda trials: [next(outcomes) for _ in trials], n_trials=4)
    assert states(any_study) == ["PRUNED", "FAIL", "FAIL", "COMPLETE"]
    reasons = [trial.user_attrs.get(REASON) for trial in any_study.trials]
    assert reasons[:2] == ["worse than the median", "out of memory"]
    assert "NaN" in reasons[2]
    assert reasons[3] is None


def test_several_objectives_have_a_value_each(tmp_path):
    study = open_study(tmp_path / "a", "study", ["minimize", "maximize"])
    run_study(study, lambda trials: [Outcome.completed((1, 2.5)) for _ in trials], n_trials=1)
    assert study.trials[0].values == [1.0, 2.5]


def test_trials_together_are_all_under_way_before_any_is_evaluated(any_study):
    batches = []

    def evaluate(trials):
        batches.append([states(any_study)[trial.number] for trial in trials])
        return x_of(trials)

    run_study(any_study, evaluate, n_trials=10, trials_together=4)
    assert batches == [["RUNNING"] * n for n in (4, 4, 2)]


def test_nothing_is_begun_after_the_timeout(any_study, monkeypatch):
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep)
    monkeypatch.setattr(_worker, "time", clock)

    def evaluate(trials):
        now[0] += 10.0
        return x_of(trials)

    run_study(any_study, evaluate, n_trials=None, timeout=25)
    assert states(any_study) == ["COMPLETE"] * 3


def test_callbacks_see_ended_trials_and_may_stop_the_study(any_study):
    seen = []

    def callback(study, trial):
        seen.append((trial.number, trial.state.name))
        if trial.number == 2:
            study.stop()

    run_study(any_study, x_of, n_trials=10, callbacks=[callback])
    assert seen == [(0, "COMPLETE"), (1, "COMPLETE"), (2, "COMPLETE")]
    with pytest.raises(RuntimeError, match="supposed to be invoked inside"):
        any_study.stop()


def test_grid_ends_when_it_is_exhausted():
    sampler = optuna.samplers.GridSampler({"x": [0.0, 0.5, 1.0]})
    study = open_study(None, None, ["minimize"], sampler)
    run_study(study, x_of, n_trials=10)
    assert sorted(trial.value for trial in study.trials) == [0.0, 0.5, 1.0]


def test_events_name_the_trials(any_study):
    seen = []
    run_study(
        any_study,
        x_of,
        n_trials=3,
        trials_together=2,
        on_event=lambda event, trials: seen.append((event, [t.number for t in trials])),
    )
    assert seen == [("begun", [0, 1]), ("finished", [0, 1]), ("begun", [2]), ("finished", [2])]


def test_seeded_run_can_be_repeated():
    def values():
        sampler = optuna.samplers.TPESampler(seed=0)
        study = open_study(None, None, ["minimize"], sampler)
        run_study(study, x_of, n_trials=15)
        return [trial.value for trial in study.trials]

    assert values() == values()


def test_resumed_run_with_the_same_seed_does_not_draw_the_same_parameters(reopen):
    run_study(reopen(seed=0), x_of, n_trials=3)
    run_study(reopen(seed=0), x_of, n_trials=6)
    assert len({trial.value for trial in reopen().trials}) == 6


# ---------------------------------------------------------------------------- errors and Ctrl-C


def test_error_out_of_evaluate_fails_its_trials_and_is_raised(any_study):
    def evaluate(trials):
        if trials[0].number == 2:
            raise ZeroDivisionError("by hand")
        return x_of(trials)

    with pytest.raises(ZeroDivisionError, match="by hand"):
        run_study(any_study, evaluate, n_trials=10, trials_together=2)
    assert states(any_study) == ["COMPLETE", "COMPLETE", "FAIL", "FAIL"]
    assert any_study.trials[3].user_attrs[REASON] == "ZeroDivisionError: by hand"
    assert n_counted(any_study) == 4


def test_wrong_number_of_outcomes_fails_the_trials(any_study):
    with pytest.raises(ValueError, match="shorter"):
        run_study(any_study, lambda trials: x_of(trials)[1:], n_trials=2, trials_together=2)
    assert states(any_study) == ["FAIL", "FAIL"]


def test_wrong_number_of_values_fails_the_trial(any_study):
    with pytest.raises(ValueError, match="number of the values 2"):
        run_study(any_study, lambda _: [Outcome.completed((1, 2))], n_trials=1)
    assert states(any_study) == ["FAIL"]


def test_ctrl_c_keeps_what_is_done_and_the_next_run_does_the_rest(any_study):
    interrupts = iter([False, False, True])

    def evaluate(trials):
        outcomes = x_of(trials)
        if next(interrupts, False):
            raise KeyboardInterrupt
        return outcomes

    with pytest.raises(KeyboardInterrupt):
        run_study(any_study, evaluate, n_trials=4)
    assert states(any_study) == ["COMPLETE", "COMPLETE", "FAIL", "WAITING"]
    assert any_study.trials[2].user_attrs[REASON] == "interrupted"
    assert n_counted(any_study) == 2
    run_study(any_study, evaluate, n_trials=4)
    assert states(any_study) == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert any_study.trials[3].params == any_study.trials[2].params
    assert any_study.trials[3].user_attrs[RETRY_OF] == 2


@pytest.mark.parametrize("step", ["create_new_trial", "set_trial_state_values"])
def test_ctrl_c_while_the_study_is_written_loses_no_trial(any_study, monkeypatch, step):
    # As a terminal does it, also where the tests run with an ignored SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    write, calls = getattr(any_study._storage, step), []

    def interrupted_write(*args, **kwargs):
        calls.append(args)
        result = write(*args, **kwargs)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(any_study._storage, step, interrupted_write)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_study(any_study, x_of, n_trials=5)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert "RUNNING" not in states(any_study)
    assert n_counted(any_study) == len(calls) - (step == "create_new_trial")
    run_study(any_study, x_of, n_trials=5)
    assert states(any_study).count("COMPLETE") == n_counted(any_study) == 5


@pytest.mark.parametrize("n_calls", slow_but([*range(5, 1500, 83)], 337, 1001))
def test_ctrl_c_within_a_statement_leaves_the_database_usable(tmp_path, monkeypatch, n_calls):
    """SQLite stays locked where a frame of an interrupted statement outlives it.

    Without a wait, every tenth place or so: 337, 918 and 1001 with SQLAlchemy 2.0.
    """
    monkeypatch.setattr(_storage, "SECONDS_TO_WAIT_FOR_SQLITE", 1.0)
    study = open_study(f"sqlite:///{tmp_path / 'a'}", "study", ["minimize"])
    read, n_reads, n_left = study._storage.get_all_trials, 0, n_calls

    def interrupt(_frame, kind, _of):
        nonlocal n_left
        n_left -= kind == "call"
        if n_left == 0:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    def interrupted_read(*args, **kwargs):
        nonlocal n_reads
        n_reads += 1
        sys.setprofile(interrupt if n_reads == 8 else None)
        try:
            return read(*args, **kwargs)
        finally:
            sys.setprofile(None)

    monkeypatch.setattr(study._storage, "get_all_trials", interrupted_read)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_study(study, x_of, n_trials=100)
    finally:
        signal.signal(signal.SIGINT, before)
    assert "RUNNING" not in states(study)
    n_trials = n_counted(study) + 1
    run_study(study, x_of, n_trials=n_trials)
    assert states(study).count("COMPLETE") == n_counted(study) == n_trials


def test_a_second_ctrl_c_does_not_wait():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = []

    def store():
        signal.raise_signal(signal.SIGINT)
        reached.append("first")
        signal.raise_signal(signal.SIGINT)
        reached.append("second")

    package = FunctionType(
        store.__code__, {**globals(), "__name__": "store.sql"}, "store", closure=store.__closure__
    )
    try:
        with pytest.raises(KeyboardInterrupt), whole_calls_of("store"):
            package()
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached == ["first"]


def test_evaluate_may_keep_some_of_the_trials_when_interrupted(any_study):
    def evaluate(trials):
        return [*x_of(trials[:2]), Outcome.interrupted()]

    seen = []
    with pytest.raises(KeyboardInterrupt):
        run_study(
            any_study,
            evaluate,
            n_trials=9,
            trials_together=3,
            callbacks=[lambda _, trial: seen.append(trial.number)],
        )
    assert states(any_study) == ["COMPLETE", "COMPLETE", "FAIL"]
    assert seen == [0, 1, 2]
    assert n_counted(any_study) == 2


# ---------------------------------------------------------------------------- plain Optuna


def test_trials_enqueued_by_the_user_come_first(any_study):
    any_study.enqueue_trial({"x": 0.25}, user_attrs={"mine": True})
    run_study(any_study, x_of, n_trials=2)
    assert any_study.trials[0].value == 0.25
    assert any_study.trials[0].user_attrs["mine"]
    assert states(any_study) == ["COMPLETE"] * 2


def test_trials_of_plain_optuna_count(reopen):
    def fail(trial):
        raise RuntimeError

    reopen().optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    reopen().optimize(fail, n_trials=1, catch=RuntimeError)
    run_study(reopen(), x_of, n_trials=5)
    assert states(reopen()) == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]


def test_abandoned_trial_of_plain_optuna_is_left_alone_and_not_waited_for(reopen):
    add_running(reopen())
    run_study(reopen(), x_of, n_trials=2, lease_seconds=0.4)
    assert states(reopen()) == ["RUNNING", "COMPLETE", "COMPLETE"]


# ---------------------------------------------------------------------------- several workers


def test_trial_of_a_process_killed_on_this_machine_is_done_again_at_once(reopen, dead_process):
    add_running(reopen(), dead_process)
    seen = []
    began = time.monotonic()
    run_study(
        reopen(),
        x_of,
        n_trials=1,
        on_event=lambda event, trials: seen.append((event, [t.number for t in trials])),
    )
    assert time.monotonic() - began < 5
    lost, again = reopen().trials
    assert lost.state == TrialState.FAIL
    assert lost.user_attrs[REASON].startswith("worker lost (")
    assert f"process {dead_process['pid']}" in lost.user_attrs[REASON]
    assert not is_counted(lost)
    assert (again.state, again.params, again.user_attrs[RETRY_OF]) == (
        TrialState.COMPLETE,
        lost.params,
        lost.number,
    )
    assert seen == [("lost", [0]), ("begun", [1]), ("finished", [1])]


def test_silent_trial_of_another_machine_is_done_again_after_its_lease(reopen):
    add_running(reopen(), ELSEWHERE)
    began = time.monotonic()
    run_study(reopen(), x_of, n_trials=1)
    assert time.monotonic() - began > ELSEWHERE["lease_seconds"]
    assert states(reopen()) == ["FAIL", "COMPLETE"]


def test_living_trial_of_another_machine_is_waited_for(reopen):
    trial = add_running(reopen(), ELSEWHERE)

    def others():
        study = reopen()
        for beat in range(8):
            signature = {**ELSEWHERE, "beat": beat}
            study._storage.set_trial_user_attr(trial._trial_id, SIGNATURE, signature)
            time.sleep(0.2)
        study.tell(trial.number, 1.0)

    waited = []
    thread = threading.Thread(target=others)
    thread.start()
    run_study(
        reopen(), x_of, n_trials=1, on_event=lambda event, trials: waited.append((event, trials))
    )
    assert states(reopen()) == ["COMPLETE"]
    assert [(event, [t.number for t in trials]) for event, trials in waited] == [("waiting", [0])]
    thread.join()


def test_waiting_for_others_ends_with_the_timeout(reopen):
    add_running(reopen(), {**ELSEWHERE, "lease_seconds": 60})
    began = time.monotonic()
    run_study(reopen(), x_of, n_trials=1, timeout=0.3)
    assert time.monotonic() - began < 5
    assert states(reopen()) == ["RUNNING"]


def test_third_worker_to_die_of_a_trial_fails_it(reopen, dead_process):
    add_running(reopen(), dead_process, **{"skdl:attempt": 3})
    run_study(reopen(), x_of, n_trials=2)
    killer, other = reopen().trials
    assert killer.user_attrs[REASON].startswith("worker lost 3 times with these parameters, last")
    assert is_counted(killer)
    assert other.params != killer.params
    assert states(reopen()) == ["FAIL", "COMPLETE"]


def test_each_retry_remembers_how_often_it_was_tried(reopen, dead_process):
    study = reopen()
    add_running(study, dead_process)
    for _ in range(2):
        # Another worker takes the retry, and dies before it has asked for the parameters.
        run_study(reopen(), x_of, n_trials=1, timeout=0)
        taken = reopen().ask()
        study._storage.set_trial_user_attr(taken._trial_id, SIGNATURE, dead_process)
    run_study(reopen(), x_of, n_trials=1)
    assert states(reopen()) == ["FAIL"] * 3
    assert [is_counted(trial) for trial in reopen().trials] == [False, False, True]


def test_worker_killed_before_it_could_sign_a_trial_is_noticed(reopen):
    reopen().add_trial(create_trial(state=TrialState.WAITING, user_attrs={SIGNATURE: None}))
    reopen().ask()
    run_study(reopen(), x_of, n_trials=1, lease_seconds=0.4)
    assert states(reopen()) == ["FAIL", "COMPLETE"]
    assert reopen().trials[0].user_attrs[REASON] == "worker lost (before it had begun)"


def test_trial_beyond_the_budget_is_given_back(reopen):
    study = reopen()
    create = study._storage.create_new_trial

    def others_create_one_too(*arguments):
        study._storage.create_new_trial = create
        trial_id = create(*arguments)
        add_running(reopen(), ELSEWHERE)
        return trial_id

    study._storage.create_new_trial = others_create_one_too
    run_study(study, x_of, n_trials=1, timeout=0.3)
    assert states(study) == ["WAITING", "RUNNING"]
    run_study(study, x_of, n_trials=1)
    assert states(study) == ["COMPLETE", "FAIL", "WAITING"]
    assert study.trials[2].user_attrs[RETRY_OF] == 1


def test_what_ends_after_others_took_it_for_lost_is_dropped(reopen, caplog):
    def evaluate(trials):
        if trials[0].number == 0:
            reopen().tell(0, state=TrialState.FAIL)
        return [Outcome.completed(1.0)]

    called = []
    run_study(reopen(), evaluate, n_trials=2, callbacks=[lambda _, t: called.append(t.number)])
    assert states(reopen()) == ["FAIL", "COMPLETE"]
    assert called == [1]
    assert "Trial 0 ended after its lease had run out" in caplog.text


def test_worker_goes_on_when_a_trial_was_taken_away_under_way(reopen):
    def evaluate(trials):
        if trials[0].number == 0:
            reopen().tell(0, state=TrialState.FAIL)
            trials[0].report(1.0, 0)
        return x_of(trials)

    run_study(reopen(), evaluate, n_trials=3, trials_together=2)
    first, second, *others = reopen().trials
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.FAIL)
    assert is_counted(first)  # failed by hand here, so it was not marked as lost
    assert not is_counted(second)
    assert [trial.state for trial in others] == [TrialState.COMPLETE] * 2


# ---------------------------------------------------------------------------- death of the finder

POINTS = [0.1, 0.2, 0.4, 0.8]


class Died(BaseException):
    """Stands for SIGKILL: nothing is written after it."""


@pytest.fixture
def reopen_grid(reopen):
    """Return a function that opens the stored study with a grid sampler."""

    def again():
        study = reopen()
        study.sampler = optuna.samplers.GridSampler({"x": POINTS}, seed=0)
        return study

    return again


def run_until_write(study, number, monkeypatch):
    """Run a worker that dies at its n-th write."""
    writes = iter(range(1, number))
    with monkeypatch.context() as patch:
        # The dead record nothing.
        patch.setattr(_worker._Worker, "abandon", lambda self, error: None)
        for name in ("create_new_trial", "set_trial_user_attr", "set_trial_state_values"):
            write = getattr(study._storage, name)

            def write_or_die(*args, write=write, **kwargs):
                if next(writes, None) is None:
                    raise Died
                return write(*args, **kwargs)

            patch.setattr(study._storage, name, write_or_die)
        with pytest.raises(Died):
            run_study(study, x_of, n_trials=len(POINTS))


@pytest.mark.parametrize(
    ("number", "is_suggested"),
    slow_but(
        [(number, suggested) for number in (1, 2, 3, 4) for suggested in (True, False)],
        # Each write and each kind once.
        (1, True),
        (2, False),
        (3, True),
        (4, False),
    ),
)
def test_no_parameters_are_lost_with_whoever_records_a_loss(
    reopen_grid, dead_process, monkeypatch, number, is_suggested
):
    monkeypatch.setattr(_worker, "SECONDS_TO_ENQUEUE", 0.1)
    study = reopen_grid()
    lost = study.ask()
    if is_suggested:
        lost.suggest_float("x", 0, 1)
    study._storage.set_trial_user_attr(lost._trial_id, SIGNATURE, dead_process)
    run_until_write(reopen_grid(), number, monkeypatch)
    run_study(reopen_grid(), x_of, n_trials=len(POINTS))
    trials = reopen_grid().trials
    assert sorted(t.value for t in trials if t.state == TrialState.COMPLETE) == POINTS
    assert n_counted(reopen_grid()) == len(POINTS)
    assert [t.user_attrs[RETRY_OF] for t in trials if RETRY_OF in t.user_attrs] == [0]


def test_interrupted_trial_is_done_again_though_its_worker_died_before_it_could_say_so(
    reopen_grid, monkeypatch
):
    monkeypatch.setattr(_worker, "SECONDS_TO_ENQUEUE", 0.1)

    def interrupted(trials):
        x_of(trials)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_worker._Worker, "_retry", lambda self, trial, attempt: None)
        with pytest.raises(KeyboardInterrupt):
            run_study(reopen_grid(), interrupted, n_trials=len(POINTS))
    run_study(reopen_grid(), x_of, n_trials=len(POINTS))
    complete = [t for t in reopen_grid().trials if t.state == TrialState.COMPLETE]
    assert sorted(t.value for t in complete) == POINTS


def test_parameters_enqueued_by_two_workers_are_evaluated_once(reopen_grid, dead_process):
    study = reopen_grid()
    lost = study.ask()
    value = lost.suggest_float("x", 0, 1)
    study._storage.set_trial_user_attr(lost._trial_id, SIGNATURE, dead_process)
    # As if another worker had been stopped between its look and its write.
    run_study(reopen_grid(), x_of, n_trials=len(POINTS), timeout=0)
    first = study.trials[-1]
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            system_attrs=first.system_attrs,
            user_attrs=first.user_attrs,
        )
    )
    run_study(reopen_grid(), x_of, n_trials=len(POINTS))
    trials = reopen_grid().trials
    assert (trials[1].state, trials[1].value) == (TrialState.COMPLETE, value)
    assert (trials[2].state, is_counted(trials[2])) == (TrialState.FAIL, False)
    assert trials[2].user_attrs[REASON] == "another trial does the same"
    assert sorted(t.value for t in trials if t.state == TrialState.COMPLETE) == POINTS


def test_lost_trial_keeps_its_place_until_it_is_enqueued(reopen_grid, dead_process, monkeypatch):
    study = reopen_grid()
    lost = study.ask()
    lost.suggest_float("x", 0, 1)
    study._storage.set_trial_user_attr(lost._trial_id, SIGNATURE, dead_process)
    run_until_write(reopen_grid(), 4, monkeypatch)
    monkeypatch.setattr(_worker, "SECONDS_TO_ENQUEUE", 60.0)
    run_study(reopen_grid(), x_of, n_trials=2, timeout=0.5)
    assert states(reopen_grid()) == ["FAIL", "COMPLETE"]


def test_stop_of_the_user_holds_though_a_trial_is_to_be_done_again(reopen_grid, dead_process):
    study = reopen_grid()
    lost = study.ask()
    lost.suggest_float("x", 0, 1)
    run_study(
        reopen_grid(), x_of, n_trials=2, callbacks=[lambda study, _: study.stop()], lease_seconds=60
    )
    study._storage.set_trial_user_attr(lost._trial_id, SIGNATURE, dead_process)
    run_study(
        reopen_grid(), x_of, n_trials=4, callbacks=[lambda study, _: study.stop()], lease_seconds=60
    )
    assert states(reopen_grid()).count("COMPLETE") == 2
