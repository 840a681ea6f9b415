"""The automatic pruner: who is compared with whom, where, and by which test."""

import json
import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from scipy import stats

import skdl
from skdl import MLPRegressor
from skdl.model_selection import OptunaSearchCV
from skdl.model_selection.search._defaults import make_pruner
from skdl.model_selection.search._racing import RacingPruner, record_rung, rungs_of

N_FOLDS = 5
N_TRAIN, N_TEST = np.full(N_FOLDS, 80), np.full(N_FOLDS, 20)
EASY_AND_HARD = np.array([0.0, 10.0, 20.0, 30.0, 40.0])


def race(**params):
    return RacingPruner((3, 6), N_TRAIN, N_TEST, **{"n_trials": 2} | params)


def study_with(pruner, *values_at_3, storage=None):
    """Return a study whose trials have reached these values at epoch 3, and been completed."""
    study = optuna.create_study(direction="maximize", pruner=pruner, storage=storage)
    for values in values_at_3:
        trial = study.ask()
        at_rung(trial, 3, values)
        study.tell(trial, float(np.nanmean(values)))
    return study


def at_rung(trial, epoch, values):
    values = np.asarray(values, float)
    record_rung(trial, epoch, values)
    trial.report(float(np.nanmean(values)), epoch)


def is_pruned(study, values, epoch=3):
    trial = study.ask()
    at_rung(trial, epoch, values)
    return trial.should_prune()


# ---------------------------------------------------------------- where


@pytest.mark.parametrize(
    ("n_epochs", "schedule", "rungs"),
    [
        (100, "constant", (5, 10, 20, 40, 80)),
        (100, "plateau", (5, 10, 20, 40, 80)),
        (30, "constant", (3, 6, 12, 24)),
        (4, "constant", (3,)),
        (3, "constant", ()),
        (1, "constant", ()),
        (60, "coslog4", (4, 12, 28)),
        (256, "coslog4", (18, 52, 120)),
        (10, "coslog4", (5,)),
        (4, "cosine", (3,)),
        (100, "cosine", (50, 75)),
    ],
)
def test_trials_are_compared_where_the_rate_is_down_or_flat(n_epochs, schedule, rungs):
    assert rungs_of(n_epochs, schedule) == rungs


@pytest.mark.parametrize(
    ("n_together", "n_epochs", "rungs"),
    [
        (64, 100, (5, 10, 20, 40, 80)),
        (65, 100, (2, 4, 8, 16, 32, 64)),
        (512, 100, (1, 2, 4, 8, 16, 32, 64)),
        (512, 256, (1, 2, 4, 8, 16, 32, 64, 128)),
        (512, 2, (1,)),
        (512, 1, ()),
    ],
)
def test_many_trials_at_a_time_are_halved_earlier(n_together, n_epochs, rungs):
    assert rungs_of(n_epochs, "constant", n_together) == rungs
    assert rungs_of(n_epochs, "coslog4", n_together) == rungs_of(n_epochs, "coslog4")


@pytest.mark.parametrize("n_epochs", [60, 256])
def test_rungs_of_waves_are_where_keras_trains_with_the_smallest_rate(n_epochs):
    """Loshchilov's cosine on a logarithmic scale, written out here, has its zeros there."""
    share = np.arange(1, n_epochs + 1) / n_epochs
    factor = 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * share)))
    for rung in rungs_of(n_epochs, "coslog4"):
        around = factor[max(0, rung - 3) : rung + 2]
        assert factor[rung - 1] <= np.sort(around)[1]


def test_schedule_of_the_network_decides():
    splits = [(np.arange(80), np.arange(80, 100))] * N_FOLDS
    made = {
        schedule: make_pruner(
            "auto",
            MLPRegressor(epochs=60, learning_rate_schedule=schedule),
            splits,
            is_judged=True,
        )
        for schedule in ("constant", "coslog4")
    }
    assert made["constant"].rungs == (3, 6, 12, 24, 48)
    assert made["coslog4"].rungs == (4, 12, 28)
    np.testing.assert_array_equal(made["constant"].n_train, N_TRAIN)
    np.testing.assert_array_equal(made["constant"].n_test, N_TEST)


def test_between_rungs_nobody_ends():
    study = study_with(race(), EASY_AND_HARD, EASY_AND_HARD)
    trial = study.ask()
    trial.report(-1e9, 4)
    assert not trial.should_prune()


# ---------------------------------------------------------------- who, and by which test


def test_easy_and_hard_folds_cancel():
    """A small loss in each fold counts, however far the folds lie apart; one in two does not."""
    study = study_with(race(), EASY_AND_HARD, EASY_AND_HARD - 5)
    assert is_pruned(study, EASY_AND_HARD - [0.1, 0.2, 0.1, 0.2, 0.1])
    assert not is_pruned(study, EASY_AND_HARD + np.array([0.1, 0.2, 0.1, 0.2, 0.1]))
    assert not is_pruned(study, EASY_AND_HARD + np.array([3.0, -3.1, 3.0, -3.1, 0.0]))


@pytest.mark.parametrize("significance", [0.05, 0.3])
def test_test_is_that_of_nadeau_and_bengio(significance):
    generator = np.random.default_rng(0)
    found, expected = [], []
    for _ in range(40):
        difference = generator.normal(-0.5, 1, N_FOLDS)
        statistic = difference.mean() / (difference.std(ddof=1) * np.sqrt(1 / N_FOLDS + 20 / 80))
        expected.append(stats.t.cdf(statistic, N_FOLDS - 1) < significance)
        study = study_with(race(significance=significance), EASY_AND_HARD, EASY_AND_HARD - 99)
        found.append(is_pruned(study, EASY_AND_HARD + difference))
    assert 0 < sum(expected) < 40
    assert found == expected


def test_leader_is_the_best_at_this_rung_whatever_became_of_it():
    study = study_with(race(), EASY_AND_HARD - 2, EASY_AND_HARD - 3)
    leader = study.ask()
    at_rung(leader, 3, EASY_AND_HARD)
    study.tell(leader, state=TrialState.PRUNED)
    assert is_pruned(study, EASY_AND_HARD - 1)
    assert not is_pruned(study, EASY_AND_HARD - 1, epoch=6)


def test_too_few_trials_judge_nobody():
    study = study_with(race(n_trials=3), EASY_AND_HARD, EASY_AND_HARD)
    assert not is_pruned(study, EASY_AND_HARD - 100)


def test_folds_without_a_value_are_left_out():
    missing = EASY_AND_HARD.copy()
    missing[2] = np.nan
    study = study_with(race(), missing, missing - 5)
    assert not is_pruned(study, EASY_AND_HARD - [0.0, 0.0, 1e9, 0.0, 0.0])
    assert is_pruned(study, missing - [0.1, 0.2, 0.1, 0.2, 0.1])


def test_who_is_far_behind_after_an_epoch_ends_only_with_the_worse_half():
    pruner = RacingPruner((1, 3), N_TRAIN, N_TEST, n_trials=2)
    study = optuna.create_study(pruner=pruner, direction="maximize")
    for _ in range(2):
        trial = study.ask()
        at_rung(trial, 1, EASY_AND_HARD)
        at_rung(trial, 3, EASY_AND_HARD)
        study.tell(trial, 0.0)
    far_behind = EASY_AND_HARD - [0.9, 1.0, 1.1, 1.0, 0.9]
    assert not is_pruned(study, far_behind, epoch=1)
    assert is_pruned(study, far_behind, epoch=3)
    for _ in range(2):
        at_rung(study.ask(), 1, EASY_AND_HARD)  # and runs on
    assert is_pruned(study, far_behind, epoch=1)


def test_a_single_fold_is_compared_by_its_value():
    study = study_with(RacingPruner((3,), N_TRAIN[:1], N_TEST[:1], n_trials=2), [1.0], [0.0])
    assert is_pruned(study, [0.5])
    assert not is_pruned(study, [1.5])


def test_processes_that_share_a_study_race_against_each_other(tmp_path):
    storage = f"sqlite:///{tmp_path / 'race.db'}"
    first = study_with(race(), EASY_AND_HARD, EASY_AND_HARD, storage=storage)
    other = optuna.load_study(study_name=first.study_name, storage=storage, pruner=race())
    assert is_pruned(other, EASY_AND_HARD - [0.1, 0.2, 0.1, 0.2, 0.1])


def test_what_is_left_in_the_study_is_json_without_nan():
    study = optuna.create_study()
    trial = study.ask()
    record_rung(trial, 3, np.array([1.0, np.nan, -np.inf]))
    record_rung(trial, 6, np.array([2.0, 3.0, 4.0]))
    attrs = study.trials[0].system_attrs
    expected = {"3": [1.0, None, None], "6": [2.0, 3.0, 4.0]}
    assert json.loads(json.dumps(attrs, allow_nan=False)) == {"skdl:rungs": expected}
    assert not study.trials[0].user_attrs


# ---------------------------------------------------------------- rounds


def round_of(study, n_trials, gap=0.0):
    """Return trials that run side by side, each ahead of the next in some folds alone."""
    noise = np.array([3.0, -3.1, 3.0, -3.1, 0.0])
    trials = [study.ask() for _ in range(n_trials)]
    for i, trial in enumerate(trials):
        at_rung(trial, 3, EASY_AND_HARD + np.roll(noise, i) * (1 + i) - gap * i)
    return trials


def test_of_a_round_the_better_half_goes_on():
    study = study_with(race(n_trials=2), EASY_AND_HARD - 9, EASY_AND_HARD - 9)
    trials = round_of(study, 8, gap=0.01)
    assert [trial.should_prune() for trial in trials] == [False] * 4 + [True] * 4


def test_at_first_so_many_go_on_that_enough_are_completed():
    study = study_with(race(n_trials=4))
    trials = round_of(study, 9, gap=0.01)
    assert [trial.should_prune() for trial in trials] == [False] * 5 + [True] * 4
    study = study_with(race(n_trials=4))
    trials = round_of(study, 9, gap=0.01)
    for trial in trials[6:]:
        study.tell(trial, state=TrialState.PRUNED)
    assert [trial.should_prune() for trial in trials[:6]] == [False] * 4 + [True] * 2


def test_a_round_in_which_few_came_to_the_rung_judges_nobody():
    study = study_with(race(n_trials=4))
    assert not any(trial.should_prune() for trial in round_of(study, 8, gap=50.0))


def test_the_first_to_be_completed_go_on_however_far_behind_the_leader():
    study = study_with(race(n_trials=4))
    trials = round_of(study, 9, gap=50.0)
    assert [trial.should_prune() for trial in trials] == [False] * 4 + [True] * 5
    study = study_with(race(n_trials=4), EASY_AND_HARD + 50)
    trials = round_of(study, 9, gap=50.0)
    assert [trial.should_prune() for trial in trials] == [False] * 3 + [True] * 6


# ---------------------------------------------------------------- in a search


@pytest.fixture
def searched(diabetes):
    """Return a function that searches rates for networks of two structures and two widths."""

    def search(estimator_params=None, **options):
        X, y = diabetes[0][:120, :4], diabetes[1][:120]
        space = {
            "learning_rate": FloatDistribution(1e-4, 0.03, log=True),
            "hidden_units": [(4,), (3, 3), (6,)],
        }
        estimator = MLPRegressor((4,), epochs=12, batch_size=20, random_state=0)
        estimator.set_params(**estimator_params or {})
        options = {"n_trials": 12, "cv": 3, "random_state": 0, "refit": False} | options
        with warnings.catch_warnings(), skdl.lockstep() as session:
            warnings.simplefilter("ignore")
            return OptunaSearchCV(estimator, space, **options).fit(X, y), session.batches

    return search


def test_trials_of_a_round_are_judged_by_what_all_have_reached(searched):
    fitted, batches = searched()
    assert batches == [36]
    trials = fitted.study_.trials
    at_first = {t.number: np.mean(t.system_attrs["skdl:rungs"]["3"]) for t in trials}
    assert len(at_first) == 12
    better_half = sorted(at_first, key=at_first.get, reverse=True)[:6]
    for trial in trials:
        n_epochs = trial.system_attrs["skdl:n_epochs"] / 3
        assert n_epochs in {3, 6, 12}
        assert list(trial.intermediate_values) == [n for n in (3, 6) if n <= n_epochs]
        if n_epochs > 3 and trial.number:  # the start goes on in any case
            assert trial.number in better_half
    assert trials[0].state == TrialState.COMPLETE
    # All but the better half and the start.
    assert sum(t.state == TrialState.PRUNED for t in trials) >= 5


def test_values_in_a_race_are_those_of_trials_alone(searched):
    together, _ = searched(pruner="auto")
    alone, batches = searched(pruner=None, sampler=optuna.samplers.RandomSampler(seed=0))
    assert batches == [3] * 12  # without a race, one after another
    guesses = together.cv_results_["params"][1:]
    never = optuna.pruners.ThresholdPruner(lower=-1e12)
    again, _ = searched(pruner=never, initial_params=guesses, trials_together=1)
    for one, other in zip(together.study_.trials, again.study_.trials, strict=True):
        assert one.params == other.params
        values = [other.intermediate_values[e] for e in one.intermediate_values]
        np.testing.assert_allclose(list(one.intermediate_values.values()), values, rtol=1e-4)
    assert alone.cv_results_["state"].tolist() == ["complete"] * 12


@pytest.mark.parametrize(
    "ends",
    [{"early_stopping": True}, {"callbacks": skdl.training.Observer()}],
    ids=lambda e: next(iter(e)),
)
def test_what_may_end_between_rungs_is_scored_after_each_epoch(ends, searched):
    fitted, _ = searched(n_trials=2, estimator_params=ends)
    for trial in fitted.study_.trials:
        assert len(trial.intermediate_values) == trial.system_attrs["skdl:n_epochs"] / 3


def test_more_trials_than_may_wait_race_in_parts(searched, monkeypatch):
    """Those of a trial stay together, as they are judged together."""
    monkeypatch.setattr("skdl.model_selection.search._trials.MOST_WAITING", 37)
    fitted, batches = searched(n_trials=24, trials_together=24)
    assert batches == [36, 36]
    states = fitted.cv_results_["state"]
    assert 1 <= (states == "complete").sum() <= 10
    assert (fitted.cv_results_["n_epochs"] >= 9).all()


def test_values_at_rungs_are_the_folds_own(diabetes):
    X, y = diabetes[0][:80, :4], diabetes[1][:80]
    space = {"learning_rate": FloatDistribution(0.01, 0.02)}
    estimator = MLPRegressor((4,), epochs=8, learning_rate=0.05, random_state=0)
    search = OptunaSearchCV(
        estimator, space, n_trials=1, cv=3, scoring="neg_mean_absolute_error", refit=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    rungs = search.study_.trials[0].system_attrs["skdl:rungs"]
    assert list(rungs) == ["3", "6"]
    for epoch, values in rungs.items():
        alone = skdl.model_selection.cross_validate(
            estimator.set_params(epochs=int(epoch)), X, y, cv=3, scoring="neg_mean_absolute_error"
        )
        np.testing.assert_allclose(values, alone["test_score"], rtol=1e-4)
    assert search.study_.trials[0].state == TrialState.COMPLETE
