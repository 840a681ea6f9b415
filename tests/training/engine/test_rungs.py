"""Jobs that wait for each other at rungs: nobody goes on before all have been judged."""

import numpy as np
import pytest

from skdl import MLPRegressor
from skdl.training import Observer, _part, train
from skdl.training.engine._member import Member
from skdl.training.engine._plan import worth_compiling
from tests.training.engine.stacks import WIDTHS, assert_equal, each_stack_alone

EPOCHS = 6
RUNGS = (2, 4)


class Racer(Observer):
    """Tells of epochs and rungs; may give up at one."""

    may_end_early = True
    rungs = RUNGS

    def __init__(self, events, name, gives_up_at=None):
        self.events, self.name, self.gives_up_at = events, name, gives_up_at

    def on_train_begin(self, member):
        self.events.append((self.name, "begins"))

    def on_epoch_end(self, member, epoch, logs):
        self.events.append((self.name, epoch + 1))

    def on_rung(self, member, n_epochs):
        self.events.append((self.name, f"rung {n_epochs}"))
        if n_epochs == self.gives_up_at:
            member.abandon(ValueError(f"{self.name} gives up"))

    def on_train_end(self, member):
        self.events.append((self.name, "ends"))


@pytest.fixture
def make_jobs(diabetes):
    """Return a function that makes two jobs for each of three stacks."""

    def jobs(events=None, gives_up=(), **options):
        found = []
        for width in WIDTHS:
            for seed in range(2):
                options = {"dropout": 0.2, "batch_norm": "before_activation", **options}
                estimator = MLPRegressor((width,), epochs=EPOCHS, random_state=seed, **options)
                job = estimator._make_job(*diabetes)
                name = f"{width}{'ab'[seed]}"
                if events is not None:
                    job.observers = [Racer(events, name, RUNGS[0] if name in gives_up else None)]
                job.call = object()
                found.append(job)
        return found

    return jobs


NAMES = [f"{width}{letter}" for width in WIDTHS for letter in "ab"]


def test_all_come_to_a_rung_before_any_is_judged(make_jobs):
    events = []
    train(make_jobs(events))
    expected = []
    for start, stop in zip((0, *RUNGS), (*RUNGS, EPOCHS), strict=True):
        for pair in (NAMES[i : i + 2] for i in range(0, 6, 2)):
            if not start:
                expected += [(name, "begins") for name in pair]
            expected += [(n, epoch) for epoch in range(start + 1, stop + 1) for n in pair]
            if stop == EPOCHS:
                expected += [(name, "ends") for name in pair]
        if stop < EPOCHS:
            expected += [(name, f"rung {stop}") for name in NAMES]
    assert events == expected


@pytest.mark.parametrize(
    "options", [{}, {"early_stopping": True, "patience": 1, "learning_rate": 0.1}]
)
@pytest.mark.parametrize("fits", [True, False], ids=["side by side", "one stack in memory"])
def test_waiting_changes_nothing(compiled, fits, options, make_jobs, monkeypatch):
    expected = each_stack_alone(make_jobs(**options))
    if not fits:
        monkeypatch.setattr("skdl.training._prepared.fit_together", lambda *_: False)
    found = train(make_jobs([], **options))
    assert len({outcome.n_epochs for outcome in expected}) > bool(options)
    assert_equal(found, expected)


def test_those_who_give_up_at_a_rung_end_there_and_others_go_on(compiled, make_jobs):
    expected = each_stack_alone(make_jobs())
    events = []
    found = train(make_jobs(events, gives_up={"3b", "4a", "4b"}))
    for name, outcome, own in zip(NAMES, found, expected, strict=True):
        epochs = [what for who, what in events if who == name and isinstance(what, int)]
        if name in {"3b", "4a", "4b"}:
            assert str(outcome.reason) == f"{name} gives up"
            assert max(epochs) == RUNGS[0]
        else:
            assert max(epochs) == EPOCHS
            # One that trains on alone is rounded as one alone is.
            np.testing.assert_allclose(outcome.weights, own.weights, rtol=0, atol=1e-5)


def test_a_stack_that_fails_after_a_rung_leaves_those_who_had_ended_as_they_were(
    make_jobs, monkeypatch
):
    run_epoch = _part.Stack._run_epoch

    def failing(self):
        if self._epoch >= RUNGS[0] + 1 and len(self.members) == 1:
            raise MemoryError("says the test")
        run_epoch(self)

    monkeypatch.setattr(_part.Stack, "_run_epoch", failing)
    found = dict(zip(NAMES, train(make_jobs([], gives_up={"3b"})), strict=True))
    assert isinstance(found["3a"], MemoryError)
    assert str(found["3b"].reason) == "3b gives up"
    assert found["4a"].n_epochs == EPOCHS


def test_fits_that_keras_trains_are_judged_where_they_stand(diabetes):
    events = []
    # There is no stacked rule of this one.
    job = MLPRegressor((3,), epochs=3, optimizer="ftrl")._make_job(*diabetes)
    job.observers = [Racer(events, "k")]
    train([job])
    assert events == [("k", "begins"), ("k", 1), ("k", 2), ("k", "rung 2"), ("k", 3), ("k", "ends")]


def test_what_compiles_for_a_rung_is_what_compiles_for_as_many_epochs(diabetes):
    """Work behind a rung does not count: who is judged there may never come to it."""

    def member(epochs, rungs):
        job = MLPRegressor((8,), epochs=epochs, batch_size=32)._make_job(*diabetes)
        job.observers = [Racer([], "r")]
        job.observers[0].rungs = rungs
        return Member(job)

    def fewest(is_worth):
        return next(n for n in (2**i for i in range(20)) if is_worth(n))

    alone = fewest(lambda n: worth_compiling([member(n, (n + 1,))]))
    assert alone > 2
    assert fewest(lambda n: worth_compiling([member(10**6, (n,))])) == alone
    racing = member(10**6, (2, alone + 2))
    assert not worth_compiling([racing])
    # At a rung it is the next one that counts.
    racing.n_epochs = 2
    assert worth_compiling([racing], 2)
