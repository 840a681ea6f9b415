"""Several stacks in one batch: one trains while the next is compiled, and each fails alone."""

import gc
import threading
import weakref

import pytest
import tensorflow as tf
from joblib import Parallel, delayed

from skdl import MLPRegressor
from skdl.training import Observer, _part, _prepared, train
from skdl.training.engine import _stack
from skdl.training.lockstep import lockstep
from tests.training.engine.stacks import WIDTHS, assert_equal, each_stack_alone


def width_of(network):
    return next(layer["units"] for layer in network.layers if layer.kind == "Dense")


class Recorder(Observer):
    """Tells in which order fits began, ended and failed."""

    def __init__(self, events, name):
        self.events, self.name = events, name

    def on_train_begin(self, member):
        self.events.append(f"{self.name} begins")

    def on_train_end(self, member):
        self.events.append(f"{self.name} ends")

    def on_failure(self, member):
        self.events.append(f"{self.name} fails")


@pytest.fixture
def events():
    return []


@pytest.fixture
def jobs(diabetes, events):
    """Two jobs for each of three stacks."""
    found = []
    for width in WIDTHS:
        for seed in range(2):
            estimator = MLPRegressor((width,), epochs=3, dropout=0.2, random_state=seed)
            job = estimator._make_job(*diabetes)
            job.observers = [Recorder(events, width)]
            found.append(job)
    return found


@pytest.fixture
def stacks(monkeypatch, events):
    """Have stacks record when they are made, and return weak references to them."""
    made = []

    class Recorded(_part.Stack):
        def __init__(self, members, **options):
            gc.collect()
            self.others = sum(other() is not None for other in made)
            made.append(weakref.ref(self))
            super().__init__(members, **options)
            self.width = width_of(members[0].job.network)

        def prepare(self):
            events.append(f"{self.width} is prepared beside {self.others}")
            super().prepare()

    monkeypatch.setattr(_part, "Stack", Recorded)
    return made


def test_results_are_those_of_each_stack_alone(compiled, jobs):
    together = train(jobs)
    assert_equal(together, each_stack_alone(jobs))
    assert len({tuple(outcome.history["loss"]) for outcome in together}) == 6


def test_the_next_stack_compiles_while_one_trains(jobs, events, stacks, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda *_: True)
    is_prepared = {width: threading.Event() for width in WIDTHS}
    run, make_ready = _part.Part.run, _part.Part.make_ready

    def ready_and_told(part):
        make_ready(part)
        is_prepared[width_of(part.members[0].job.network)].set()

    def run_once_the_next_is_ready(part, *arguments):
        following = width_of(part.members[0].job.network) + 1
        if following in is_prepared:
            # Would wait for ever if nobody prepared it meanwhile.
            assert is_prepared[following].wait(30)
        run(part, *arguments)

    monkeypatch.setattr(_part.Part, "make_ready", ready_and_told)
    monkeypatch.setattr(_part.Part, "run", run_once_the_next_is_ready)
    train(jobs)
    # Never more than two at a time: the one that trains and the next.
    assert [event for event in events if "prepared" in event] == [
        "3 is prepared beside 0",
        "4 is prepared beside 1",
        "5 is prepared beside 1",
    ]
    assert [event for event in events if "prepared" not in event] == own_events(*WIDTHS)


def test_what_need_not_be_compiled_trains_while_the_first_compiles(jobs, events, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda members, *_: members[0].job is jobs[0])
    others_have_trained = threading.Event()
    make_ready = _part.Part.make_ready

    def ready_once_others_have_trained(part):
        if part.is_to_be_compiled():
            assert others_have_trained.wait(30)
        make_ready(part)

    class Last(Observer):
        def on_train_end(self, member):
            others_have_trained.set()

    jobs[-1].observers.append(Last())
    monkeypatch.setattr(_part.Part, "make_ready", ready_once_others_have_trained)
    together = train(jobs)
    assert events == own_events(4, 5, 3)
    monkeypatch.setattr(_part.Part, "make_ready", make_ready)
    assert_equal(together, each_stack_alone(jobs))


def test_before_a_rung_all_compile_ahead(jobs, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda *_: True)
    assert_prepared_ahead(jobs, monkeypatch)


def test_a_stack_that_is_worth_compiling_at_a_rung_compiles_beside_others(jobs, monkeypatch):
    for module in (_part, _stack):
        monkeypatch.setattr(module, "worth_compiling", lambda members, n_epochs=0: n_epochs > 0)
    assert_prepared_ahead(jobs, monkeypatch)


class AtARung(Observer):
    """Waits for others after the first epoch."""

    rungs = (1,)


def assert_prepared_ahead(jobs, monkeypatch):
    """Train jobs, the first compiled stack only once all are compiled, by other threads."""
    for job in jobs:
        job.observers.append(AtARung())
    threads = []
    all_compiled = threading.Event()
    prepare, run_epoch = _part.Stack.prepare, _part.Stack._run_epoch

    def noted(stack):
        prepare(stack)
        if stack._compiled:
            threads.append(threading.current_thread().name)
            if len(threads) == len(WIDTHS):
                all_compiled.set()

    def after_all_others(stack):
        if stack._compiled:
            assert all_compiled.wait(30)
        run_epoch(stack)

    with monkeypatch.context() as patch:
        patch.setattr(_part.Stack, "prepare", noted)
        patch.setattr(_part.Stack, "_run_epoch", after_all_others)
        together = train(jobs)
    assert len(threads) == len(WIDTHS)
    assert all("skdl-compile" in name for name in threads)
    assert_equal(together, each_stack_alone(jobs))


def own_events(*widths):
    return [f"{width} {what}" for width in widths for what in ("begins", "begins", "ends", "ends")]


def test_stacks_that_do_not_fit_into_memory_together_come_one_after_the_other(
    jobs, events, stacks, monkeypatch
):
    monkeypatch.setattr(_prepared, "fit_together", lambda parts, limit: False)
    outcomes = train(jobs)
    own = ("begins", "begins", "ends", "ends")
    assert events == [
        f"{width} {what}" for width in WIDTHS for what in ("is prepared beside 0", *own)
    ]
    monkeypatch.undo()
    assert_equal(outcomes, each_stack_alone(jobs))


def test_a_small_memory_limit_prepares_one_member_at_a_time(jobs, events, stacks):
    train(jobs, memory_limit=1)
    prepared = [event for event in events if "prepared" in event]
    assert prepared == [f"{w} is prepared beside 0" for w in WIDTHS for _ in range(2)]


# ------------------------------------------------------------------ faults


def out_of_memory():
    return tf.errors.ResourceExhaustedError(None, None, "out of memory, says the test")


def failing(function, width, error):
    """Return a method of a stack that raises where the stack has this width."""

    def method(self, *arguments, **options):
        if width_of(self.network) == width:
            raise error
        return function(self, *arguments, **options)

    return method


@pytest.mark.parametrize("method", ["_cut", "prepare", "_run_epoch"])
@pytest.mark.parametrize("width", [3, 4])
def test_a_stack_that_fails_fails_alone(method, width, jobs, events, monkeypatch):
    expected = each_stack_alone(jobs)
    events.clear()
    error = MemoryError("says the test") if width == 3 else out_of_memory()
    function = getattr(_part.Stack, method)
    monkeypatch.setattr(_part.Stack, method, failing(function, width, error))
    outcomes = train(jobs)
    for job, outcome, other in zip(jobs, outcomes, expected, strict=True):
        if width_of(job.network) == width:
            assert outcome is error
        else:
            assert_equal([outcome], [other])
    assert events.count(f"{width} fails") == 2
    assert f"{width} ends" not in events


@pytest.mark.parametrize("method", ["prepare", "_run_epoch"])
def test_a_stack_that_failed_is_not_kept_while_others_train(
    method, jobs, events, stacks, monkeypatch
):
    monkeypatch.setattr(_prepared, "fit_together", lambda parts, limit: False)
    monkeypatch.setattr(
        _part.Stack, method, failing(getattr(_part.Stack, method), 3, out_of_memory())
    )
    outcomes = train(jobs)  # kept: errors hold on to what their frames held
    assert isinstance(outcomes[0], tf.errors.ResourceExhaustedError)
    assert "4 is prepared beside 0" in events
    gc.collect()
    assert [stack() for stack in stacks] == [None] * 3


def test_a_stack_that_fails_under_lockstep_reaches_its_own_folds(diabetes, monkeypatch):
    monkeypatch.setattr(_part.Stack, "prepare", failing(_part.Stack.prepare, 4, out_of_memory()))

    def outcome(width):
        try:
            return MLPRegressor((width,), epochs=2, random_state=0).fit(*diabetes).n_iter_
        except tf.errors.ResourceExhaustedError as error:
            return error.message

    with lockstep() as session:
        found = Parallel()(delayed(outcome)(width) for width in (3, 4, 4, 5))
    assert session.batches == [4]
    assert found == [2, *["out of memory, says the test"] * 2, 2]


def compile_threads():
    return [thread for thread in threading.enumerate() if "skdl-compile" in thread.name]


def test_no_thread_stays(jobs):
    train(jobs)
    assert compile_threads() == []


def test_ctrl_c_while_stacks_are_compiled(jobs, events, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda *_: True)
    begun = []
    prepare = _part.Stack.prepare

    def slowly(self):
        begun.append(width_of(self.network))
        assert may_go_on.wait(30)
        prepare(self)

    may_go_on = threading.Event()
    monkeypatch.setattr(_part.Stack, "prepare", slowly)

    def interrupted(self, timeout=None):
        may_go_on.set()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("concurrent.futures.Future.result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(jobs)
    # The second was to be compiled next and may have begun at once; the third never was.
    assert set(begun) <= {3, 4}
    assert compile_threads() == []
    assert events == []
    assert_equal(train(jobs), each_stack_alone(jobs))


def test_ctrl_c_while_a_stack_trains(jobs, events):
    class Interrupt(Observer):
        def on_epoch_end(self, member, epoch, logs):
            raise KeyboardInterrupt

    jobs[2].observers = [Interrupt()]
    with pytest.raises(KeyboardInterrupt):
        train(jobs)
    assert compile_threads() == []
    assert not {"5 begins", "4 ends"} & set(events)
    jobs[2].observers = []
    assert_equal(train(jobs), each_stack_alone(jobs))
