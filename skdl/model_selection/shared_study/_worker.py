"""The study loop: a budget of trials, shared by all who open the same study, and never lost.

Optuna can create trials and take waiting ones, each in one step; it cannot delete any, and it has
no locks. That is enough for a budget that is met exactly, by any number of processes:

1. A worker looks at the study. What counts against the budget are the trials that have ended
   (completed, pruned, failed for a reason of their own) and those that run. If that leaves no
   room, it waits and looks again; it returns once enough trials have *ended*.
2. If there is room, it takes a waiting trial or makes a new one, signs it (see `_heartbeat`), and
   looks once more. If the study now holds more than the budget, others had the same idea at the
   same time: it makes its trial a waiting one and tries again a little later. Whoever of them was
   the last has seen all the others, so there are never too many. A trial given back has no
   parameters and has not ended; it is the next one to be taken, now or in a longer run.
3. It evaluates the trial and tells Optuna how it ended.
4. Whoever looks also takes note of running trials whose worker is gone. It marks them as not
   counted, tells Optuna that they failed, which works for one only, and enqueues their parameters
   anew. After three workers have died of the same parameters the failure counts.
5. That one may die as well, before it has enqueued them. So a failed trial that does not count and
   has no successor keeps its place in the budget; if none comes, whoever looks enqueues one. Two
   may do so at the same time: the first successor is the one that holds, and whoever takes
   another drops it.

Trials of plain Optuna in the same study count too, but are never judged: one that has shown no
sign of change for the length of a lease is left alone and no longer waited for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import random
import time
import traceback
from typing import TYPE_CHECKING, Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from skdl._compat_optuna import (
    drop_cached_trials,
    fixed_params,
    grid_point,
    queue,
    stoppable,
    storage_of,
    study_id,
    trial_id,
)
from skdl.model_selection.shared_study._heartbeat import SIGNATURE, Heartbeat, StalenessMonitor
from skdl.model_selection.shared_study._interrupt import uninterrupted, whole_calls_of
from skdl.model_selection.shared_study._outcome import REASON, UNCOUNTED, Outcome, is_counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from optuna.trial import FrozenTrial

    from skdl._compat_optuna import Stop

__all__ = ["RETRY_OF", "Event", "run_study"]

Event = Literal["begun", "finished", "waiting", "lost"]

_log = logging.getLogger("skdl")
# Seeds that users set, and processes that are forks of one, must not make workers alike.
_RANDOM = random.SystemRandom()

RETRY_OF = "skdl:retry_of"
_ATTEMPT = "skdl:attempt"

MOST_ATTEMPTS = 3
LEASE_SECONDS = 60.0
# So long after a trial was lost, whoever recorded it must have died before it enqueued the retry.
SECONDS_TO_ENQUEUE = 2.0
SHORTEST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0


_OVERSLEPT = Outcome(TrialState.FAIL, reason="stopped for longer than its lease", is_counted=False)
_SUPERFLUOUS = Outcome(TrialState.FAIL, reason="another trial does the same", is_counted=False)


def run_study(
    study: optuna.Study,
    evaluate: Callable[[list[optuna.Trial]], Sequence[Outcome]],
    *,
    n_trials: int | None,
    timeout: float | None = None,
    trials_together: int = 1,
    callbacks: Iterable[Callable[[optuna.Study, FrozenTrial], None]] = (),
    lease_seconds: float = LEASE_SECONDS,
    on_event: Callable[[Event, list[FrozenTrial]], None] | None = None,
) -> None:
    """Evaluate trials until the study holds enough of them.

    Parameters
    ----------
    study : optuna.Study
    evaluate : callable
        ``evaluate(trials)`` returns one `Outcome` per trial. It asks the trials for their
        parameters, and may set attributes of theirs.
    n_trials : int or None
        Number of trials that the study is to hold in the end, whichever process or earlier run
        has evaluated them; None for no limit.
    timeout : float or None, default=None
        Seconds after which no trial is begun any more.
    trials_together : int, default=1
        Trials asked for one after another and then evaluated in one call.
    callbacks : iterable of callable, default=()
        ``callback(study, trial)`` after each trial that this process has evaluated, as in
        ``study.optimize``; ``study.stop()`` works in them.
    lease_seconds : float, default=60
        Silence after which a worker on another host is taken for dead.
    on_event : callable or None, default=None
        ``on_event(event, trials)`` is told of trials that were "begun" and "finished" here, that
        others run and are waited for ("waiting"), and that were found "lost".

    Raises
    ------
    KeyboardInterrupt
        Trials under way are recorded as interrupted, what has ended is kept. The same happens with
        any other error that `evaluate` lets through, which fails the trials that it was given; an
        error of one outcome is raised once all outcomes are recorded.
    """
    storage = storage_of(study)
    shared = not isinstance(storage, InMemoryStorage)
    heartbeat = Heartbeat(storage, lease_seconds) if shared else None
    worker = _Worker(study, n_trials, heartbeat, StalenessMonitor(lease_seconds), on_event)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    with (
        stoppable(study) as stop,
        heartbeat or contextlib.nullcontext(),
        whole_calls_of("optuna.storages"),
    ):
        try:
            while not stop() and worker.wait_for_room(deadline):
                if trials := worker.ask(trials_together):
                    worker.evaluate(trials, evaluate, callbacks, stop)
        except BaseException as error:
            if not isinstance(error, Exception):
                # A statement that Ctrl-C cut short locks SQLite for as long as a frame holds it.
                traceback.clear_frames(error.__traceback__)
            worker.abandon(error)
            raise


@dataclasses.dataclass(frozen=True)
class _Snapshot:
    """What a look at the study has shown: the numbers of trials, by what they mean."""

    counted: int
    running: dict[int, FrozenTrial]
    has_waiting: bool
    retries: tuple[FrozenTrial, ...]  # that wait for a worker
    orphans: tuple[FrozenTrial, ...]  # that were lost and are not enqueued again yet
    superfluous: frozenset[int]  # retries of what another trial does again already

    @property
    def n_claimed(self) -> int:
        return self.counted + len(self.running) + len(self.orphans)


class _Worker:
    """One process's part in a study."""

    def __init__(
        self,
        study: optuna.Study,
        n_trials: int | None,
        heartbeat: Heartbeat | None,
        monitor: StalenessMonitor,
        on_event: Callable[[Event, list[FrozenTrial]], None] | None,
    ) -> None:
        self._study = study
        self._storage = storage_of(study)
        self._budget = math.inf if n_trials is None else n_trials
        self._heartbeat = heartbeat
        self._monitor = monitor
        self._on_event = on_event or (lambda _event, _trials: None)
        self._open: dict[int, optuna.Trial] = {}
        self._started_here: set[int] = set()
        self._is_reseeded = False
        # Of the trials before the first that is not over.
        self._n_over = 0
        self._n_counted = 0
        self._lost_or_retries: list[FrozenTrial] = []
        self._orphaned_since: dict[int, float] = {}

    # ------------------------------------------------------------------ looking

    def wait_for_room(self, deadline: float) -> bool:
        """Return True when a trial may be begun, False when none is needed or time is up."""
        pause, has_told = SHORTEST_PAUSE_SECONDS, False
        while True:
            snapshot = self._look()
            if snapshot.counted >= self._budget or time.monotonic() >= deadline:
                return False
            if snapshot.n_claimed < self._budget:
                return True
            if not has_told:
                self._on_event("waiting", list(snapshot.running.values()))
                has_told = True
            self._pause(min(pause, deadline - time.monotonic()))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    @staticmethod
    def _pause(seconds: float) -> None:
        # Workers that gave way to each other must not meet again.
        time.sleep(max(0.0, seconds) * _RANDOM.uniform(0.5, 1.0))

    def _look(self) -> _Snapshot:
        """Look at the study, and take care of what was lost."""
        while True:
            trials = self._take_note(self._study.get_trials(deepcopy=False))
            running = {t.number: t for t in trials if t.state == TrialState.RUNNING}
            others = [t for number, t in running.items() if number not in self._open]
            stale = [t for t in others if self._monitor.is_stale(t)]
            lost = [t for t in stale if _is_signed(t)]
            orphans, superfluous = _without_successor([*self._lost_or_retries, *trials])
            forgotten = [t for t in orphans if self._is_forgotten(t)]
            if not lost and not forgotten:
                break
            for trial in lost:
                self._fail_lost_trial(trial)
            for trial in forgotten:
                self._retry(trial, trial.user_attrs.get(_ATTEMPT, 1) + 1)
        for trial in stale:
            del running[trial.number]
        return _Snapshot(
            counted=self._n_counted + sum(map(is_counted, trials)),
            running=running,
            has_waiting=any(t.state == TrialState.WAITING for t in trials),
            retries=tuple(
                t
                for t in trials
                if t.state == TrialState.WAITING
                and t.number not in superfluous
                and t.user_attrs.get(RETRY_OF) is not None
            ),
            orphans=tuple(orphans),
            superfluous=superfluous,
        )

    def _take_note(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Take note of trials that are over, once; return those from the first that is not.

        What is over does not change. So a look takes as long in a study of thousands of trials.
        """
        news = trials[self._n_over :]
        self._reseed_sampler_once(news)
        for i, trial in enumerate(news):
            if not trial.state.is_finished():
                return news[i:]
            self._n_over += 1
            self._n_counted += is_counted(trial)
            if not is_counted(trial) or trial.user_attrs.get(RETRY_OF) is not None:
                self._lost_or_retries.append(trial)
        return []

    def _is_forgotten(self, trial: FrozenTrial) -> bool:
        """Tell whether whoever was to enqueue a lost trial again has had its time."""
        now = time.monotonic()
        return now - self._orphaned_since.setdefault(trial.number, now) > SECONDS_TO_ENQUEUE

    def _reseed_sampler_once(self, trials: list[FrozenTrial]) -> None:
        """Reseed the sampler once there are trials of other workers, or of an earlier run.

        One that starts from the same seed as theirs would draw the same parameters again.
        """
        if not self._is_reseeded and any(
            t.number not in self._started_here and t.state != TrialState.WAITING for t in trials
        ):
            self._study.sampler.reseed_rng()
            self._is_reseeded = True

    # ------------------------------------------------------------------ asking

    def ask(self, n_trials: int) -> list[optuna.Trial]:
        """Return up to `n_trials` trials, all of them within the budget."""
        while len(self._open) < n_trials:
            snapshot = self._look()
            is_enough = snapshot.n_claimed >= self._budget or self._is_whole_grid_open(snapshot)
            if is_enough or not self._claim(snapshot):
                break
        return list(self._open.values())

    def _is_whole_grid_open(self, snapshot: _Snapshot) -> bool:
        """Tell whether a grid's sampler could only draw points again that are under way.

        It ends the search once they are over.
        """
        points = [
            p for n, t in snapshot.running.items() if n in self._open and (p := grid_point(t))
        ]
        if not points or snapshot.has_waiting:
            return False
        begun = {
            point["grid_id"]
            for trial in self._study.get_trials(deepcopy=False)
            if (point := grid_point(trial))
        }
        return len(begun) >= math.prod(map(len, points[0]["search_space"].values()))

    @uninterrupted()
    def _claim(self, snapshot: _Snapshot) -> bool:
        """Begin a trial; False if there was no room for it after all."""
        try:
            trial = self._take_or_create(snapshot)
        except UpdateFinishedTrialError:
            return False  # this process was stopped meanwhile, and others took it for dead
        self._open[trial.number] = trial
        self._started_here.add(trial.number)
        snapshot = self._look()
        if trial.number in snapshot.superfluous:
            self._tell(trial, _SUPERFLUOUS)
            return False
        # A retry that somebody gave back for this very trial comes first.
        comes_first = all(trial.number < retry.number for retry in snapshot.retries)
        has_room = snapshot.n_claimed <= self._budget
        if trial.number in snapshot.running and has_room and comes_first:
            return True
        self._give_back(trial)
        self._pause(SHORTEST_PAUSE_SECONDS)
        return False

    def _take_or_create(self, snapshot: _Snapshot) -> optuna.Trial:
        """Return a running trial that is signed, if others can see it."""
        if self._heartbeat is None or snapshot.has_waiting:
            trial = self._study.ask()
            if self._heartbeat:
                self._heartbeat.begin(trial_id(trial))
            return trial
        # As `ask` does it, but signed in the same step: should this process be killed at once,
        # the trial can be told for lost at once.
        drop_cached_trials(self._study)
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING, user_attrs={SIGNATURE: self._heartbeat.signature}
        )
        id_in_storage = self._storage.create_new_trial(study_id(self._study), template)
        self._heartbeat.begin(id_in_storage, is_signed=True)
        return optuna.Trial(self._study, id_in_storage)

    def _give_back(self, trial: optuna.Trial) -> None:
        id_in_storage = trial_id(trial)
        del self._open[trial.number]
        # Nothing to be given back if this process was stopped for so long that others took it.
        with contextlib.suppress(UpdateFinishedTrialError):
            if self._heartbeat:
                self._heartbeat.end(id_in_storage)
                self._storage.set_trial_user_attr(id_in_storage, SIGNATURE, None)
            self._storage.set_trial_state_values(id_in_storage, TrialState.WAITING)

    # ------------------------------------------------------------------ evaluating and telling

    def evaluate(
        self,
        trials: list[optuna.Trial],
        evaluate: Callable[[list[optuna.Trial]], Sequence[Outcome]],
        callbacks: Iterable[Callable[[optuna.Study, FrozenTrial], None]],
        stop: Stop,
    ) -> None:
        """Evaluate trials, and record how they ended."""
        self._on_event("begun", [self._read(trial) for trial in trials])
        try:
            outcomes = evaluate(trials)
        except UpdateFinishedTrialError:
            # Others took one of them for lost; the rest, if it was not taken too, is done again.
            outcomes = [_OVERSLEPT] * len(trials)
        pairs = list(zip(trials, outcomes, strict=True))
        was_stopped = stop()
        with uninterrupted():
            frozen_trials = [self._tell(trial, outcome) for trial, outcome in pairs]
        if stop() and not was_stopped:
            # A grid sampler ends the study after its last point, and takes lost ones for done.
            snapshot = self._look()
            if snapshot.retries or snapshot.orphans:
                stop.take_back()
        finished = [trial for trial in frozen_trials if trial is not None]
        self._on_event("finished", finished)
        for trial in finished:
            for callback in callbacks:
                callback(self._study, trial)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        if Outcome.interrupted() in outcomes:
            raise KeyboardInterrupt

    def _read(self, trial: optuna.Trial) -> FrozenTrial:
        return self._storage.get_trial(trial_id(trial))

    def _tell(self, trial: optuna.Trial, outcome: Outcome) -> FrozenTrial | None:
        """Record how a trial ended; None if others have taken it for lost."""
        try:
            if self._heartbeat:
                self._heartbeat.end(trial_id(trial))
            if outcome.reason:
                trial.set_user_attr(REASON, outcome.reason)
            if not outcome.is_counted:
                trial.set_user_attr(UNCOUNTED, value=True)
            frozen = self._study.tell(trial, outcome.values, outcome.state)
        except (UpdateFinishedTrialError, ValueError):
            # Optuna has the latter for trials that have ended, and for values that do not fit.
            if not self._read(trial).state.is_finished():
                raise
            _log.warning(
                "Trial %d ended after its lease had run out, and others do it again: what was "
                "found here is dropped. Was this process stopped for a while?",
                trial.number,
            )
            frozen = None
        del self._open[trial.number]
        if frozen and not outcome.is_counted and outcome is not _SUPERFLUOUS:
            self._retry(frozen, frozen.user_attrs.get(_ATTEMPT, 1))
        return frozen

    @uninterrupted()
    def abandon(self, error: BaseException) -> None:
        """Record as failed, or as interrupted, what an error has cut short."""
        if isinstance(error, Exception):
            outcome = Outcome.failed(f"{type(error).__name__}: {error}")
        else:
            outcome = Outcome.interrupted()  # Ctrl-C, or the interpreter was told to exit
        for trial in list(self._open.values()):
            try:
                if not self._read(trial).state.is_finished():
                    self._tell(trial, outcome)
            except Exception as failure:  # noqa: BLE001 - the first error is the one to be raised
                _log.warning(
                    "Trial %d was not recorded as failed (%s: %s). The next run takes it for lost "
                    "and does it again.",
                    trial.number,
                    type(failure).__name__,
                    failure,
                )

    # ------------------------------------------------------------------ what others have lost

    def _fail_lost_trial(self, trial: FrozenTrial) -> None:
        """Record that a trial was lost, and see to it that it is done again."""
        signature = trial.user_attrs[SIGNATURE]
        attempt = trial.user_attrs.get(_ATTEMPT, 1)
        is_last = attempt >= MOST_ATTEMPTS
        often = f" {attempt} times with these parameters, last" if is_last else ""
        where = "{host}, process {pid}".format(**signature) if signature else "before it had begun"
        id_in_storage = trial_id(trial)
        try:
            self._storage.set_trial_user_attr(
                id_in_storage, REASON, f"worker lost{often} ({where})"
            )
            self._storage.set_trial_user_attr(id_in_storage, UNCOUNTED, not is_last)
            self._storage.set_trial_state_values(id_in_storage, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return  # others have, or it was alive after all
        trial = self._storage.get_trial(id_in_storage)
        if not is_last:
            self._retry(trial, attempt + 1)
        self._on_event("lost", [trial])

    def _retry(self, trial: FrozenTrial, attempt: int) -> None:
        """Let somebody evaluate the same parameters again."""
        if _can_be_retried(trial):
            # Those not suggested yet may have been fixed by an earlier retry, or by the user.
            params = {**fixed_params(trial), **trial.params}
            attrs = {SIGNATURE: None, RETRY_OF: trial.number, _ATTEMPT: attempt}
            queue(self._study, params, grid_point(trial), attrs)


def _can_be_retried(trial: FrozenTrial) -> bool:
    """Tell whether anything is known of what a trial was to evaluate."""
    return bool(trial.params or fixed_params(trial) or grid_point(trial))


def _without_successor(trials: list[FrozenTrial]) -> tuple[list[FrozenTrial], frozenset[int]]:
    """Return lost trials that nobody has enqueued again, and the numbers of retries too many.

    Every look after a trial was created sees those with smaller numbers. So all agree on which of
    several retries is the first.
    """
    lost = [t for t in trials if t.state == TrialState.FAIL and not is_counted(t)]
    if not lost:
        return [], frozenset()
    first: dict[int, int] = {}
    superfluous = set()
    for trial in trials:
        predecessor = trial.user_attrs.get(RETRY_OF)
        if predecessor is not None and first.setdefault(predecessor, trial.number) != trial.number:
            superfluous.add(trial.number)
    orphans = [
        t
        for t in lost
        if t.number not in first and t.number not in superfluous and _can_be_retried(t)
    ]
    return orphans, frozenset(superfluous)


def _is_signed(trial: FrozenTrial) -> bool:
    """Tell whether a running trial is one of ours, and not one of plain Optuna.

    A retry that has parameters but no signature was taken by somebody who does not sign; one that
    has neither, by a worker of ours that was killed before it could.
    """
    attrs = trial.user_attrs
    return SIGNATURE in attrs and (attrs[SIGNATURE] is not None or not trial.params)
