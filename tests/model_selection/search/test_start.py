"""The start: the estimator's own parameters are the first trial, and what the search must beat."""

import threading
import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.pruners import ThresholdPruner
from optuna.samplers import BruteForceSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from scipy.stats import norm, randint
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import MLPRegressor
from skdl.exceptions import InvalidParameterError, NoImprovementWarning
from skdl.model_selection import OptunaSearchCV
from skdl.model_selection.search._space import make_space
from skdl.model_selection.search._start import is_start, make_start
from skdl.model_selection.shared_study import enqueue_once, is_counted, open_study
from skdl.training import Observer

pytestmark = pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning")

ALPHA = {"alpha": FloatDistribution(1.0, 100.0, log=True)}


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    return X[:60, :4], y[:60]


def searched(estimator=None, space=ALPHA, **params):
    fixed = {"n_trials": 4, "cv": 3, "random_state": 0, "refit": False}
    return OptunaSearchCV(Ridge(alpha=0.5) if estimator is None else estimator, space,
                          **fixed | params)  # fmt: skip


def network(**params):
    fixed = {"hidden_units": (4,), "epochs": 4, "learning_rate": 0.05, "random_state": 0}
    return MLPRegressor(**fixed | params)


def starts(study):
    return [trial for trial in study.trials if is_start(trial)]


# ---------------------------------------------------------------- what the start is


@pytest.mark.parametrize("alpha", [0.5, 2.0], ids=["outside", "inside"])
def test_first_trial_scores_the_estimator_as_it_is(alpha, data):
    fitted = searched(Ridge(alpha=alpha)).fit(*data)
    expected = cross_val_score(Ridge(alpha=alpha), *data, cv=KFold(3))
    assert fitted.start_score_ == pytest.approx(expected.mean())
    results = fitted.cv_results_
    assert [results[f"split{k}_test_score"][0] for k in range(3)] == pytest.approx(list(expected))
    assert results["params"][0] == {"alpha": alpha}
    assert list(results["trial_number"]) == [0, 1, 2, 3]
    first = fitted.study_.trials[0]
    # No value is told to Optuna that was not used; readers of the study see them all.
    assert first.params == ({"alpha": 2.0} if alpha == 2 else {})
    assert first.user_attrs["skdl:start"] == {"alpha": str(alpha)}
    assert first.value == pytest.approx(expected.mean())


def test_best_is_never_worse_than_the_start(data):
    X, y = data
    space = {"alpha": FloatDistribution(1e8, 1e9)}
    search = searched(Ridge(alpha=0.01), space, refit=True)
    with pytest.warns(NoImprovementWarning, match=r"none of 3 other trials.*The best_params_ are"):
        search.fit(X, y)
    assert search.best_score_ == search.start_score_ == search.study_.best_value
    assert search.best_params_ == {"alpha": 0.01}
    assert search.best_index_ == 0
    np.testing.assert_allclose(search.predict(X), Ridge(alpha=0.01).fit(X, y).predict(X))


def test_without_the_start_all_trials_are_the_samplers(data):
    fitted = searched(start_trial=False).fit(*data)
    assert not starts(fitted.study_)
    assert all(params["alpha"] >= 1 for params in fitted.cv_results_["params"])
    assert np.isnan(fitted.start_score_)


def test_start_of_steps_that_can_be_exchanged(data):
    model = make_pipeline(StandardScaler(), Ridge(alpha=3.0))
    space = {"standardscaler": ["passthrough", StandardScaler()], "ridge__alpha": [1.0, 3.0]}
    fitted = searched(model, space).fit(*data)
    first = fitted.study_.trials[0]
    assert first.params == {"standardscaler": "StandardScaler()", "ridge__alpha": 3.0}
    expected = cross_val_score(model, *data, cv=KFold(3)).mean()
    assert fitted.start_score_ == pytest.approx(expected)


def test_start_of_a_function_and_of_several_dicts(data):
    fitted = searched(space=lambda trial: {"alpha": trial.suggest_float("a", 1, 9)}).fit(*data)
    expected = cross_val_score(Ridge(alpha=0.5), *data, cv=KFold(3)).mean()
    assert fitted.start_score_ == pytest.approx(expected)
    assert fitted.cv_results_["params"][0] == {}

    space = [{"alpha": [0.5]}, {"fit_intercept": [False], "alpha": [7.0]}]
    fitted = searched(space=space).fit(*data)
    assert fitted.start_score_ == pytest.approx(expected)
    assert fitted.study_.trials[0].params == {"param_distributions": 0, "[0]alpha": 0.5}
    fitted = searched(space=space[1:]).fit(*data)
    assert fitted.cv_results_["params"][0] == {"fit_intercept": True, "alpha": 0.5}


@pytest.mark.parametrize(
    ("given", "value", "is_inside"),
    [
        (FloatDistribution(0.0, 0.5, step=0.05), 0.3, True),
        (FloatDistribution(0.0, 0.5, step=0.05), 0.33, False),
        (FloatDistribution(1e-6, 1e-2, log=True), 0.0, False),
        (FloatDistribution(0.0, 1.0), np.float32(0.5), True),
        (FloatDistribution(0.0, 1.0), None, False),
        (FloatDistribution(0.0, 1.0), True, False),
        (IntDistribution(2, 8, step=2), 4, True),
        (IntDistribution(2, 8, step=2), 5, False),
        (IntDistribution(2, 8), 2.5, False),
        ([32, 64], 64, True),
        ([32, 64], 96, False),
        ([0, 1], False, False),
        ([(4,), (8, 8)], [8, 8], True),
        ([None, "a"], None, True),
        (["a"], np.str_("a"), True),
        ([Ridge(), Ridge(alpha=2.0)], Ridge(alpha=2.0), True),
        ([Ridge(), Ridge(alpha=2.0)], Ridge(alpha=3.0), False),
        (norm(0, 1), 0.7, True),
        (norm(0, 1), 9.0, False),
        (randint(1, 5), 4, True),
        (randint(1, 5), 5, False),
    ],
)
def test_values_inside_are_told_from_those_outside(given, value, is_inside):
    space = make_space(Ridge(), {"alpha": given})
    fixed = space.fixed({"alpha": value})
    assert space.holds(fixed) == bool(fixed) == is_inside
    if is_inside:
        again = space.suggest(optuna.trial.FixedTrial(fixed))["alpha"]
        assert str(again) == str(value) or again == pytest.approx(value)


def test_start_of_the_automatic_space_follows_its_conditions():
    start = make_start(make_space(MLPRegressor(), "auto"), MLPRegressor())
    assert start.params["learning_rate"] == start.fixed["learning_rate"] == 0.001
    assert start.params["l1"] == 0  # below the range, which is logarithmic
    assert "l1" not in start.fixed
    assert not start.is_inside


# ---------------------------------------------------------------- samplers


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_samplers_see_a_start_inside_and_no_other(data):
    """Optuna models those parameters together that all trials have: the start must not end it."""
    seen = []

    class Watching(TPESampler):
        def infer_relative_search_space(self, study, trial):
            space = super().infer_relative_search_space(study, trial)
            states = (TrialState.COMPLETE,)
            seen.append((set(space), len(study.get_trials(deepcopy=False, states=states))))
            return space

    space = ALPHA | {"tol": FloatDistribution(1e-6, 1e-3)}
    for alpha, n_hidden in ((0.5, 1), (2.0, 0)):
        seen.clear()
        sampler = Watching(seed=0, multivariate=True)
        searched(Ridge(alpha=alpha), space, sampler=sampler).fit(*data)
        names, n_seen = zip(*seen, strict=True)
        assert n_seen == tuple(n - n_hidden for n in (1, 2, 3))
        assert names[-1] == {"alpha", "tol"}


@pytest.mark.parametrize("alpha", [1.0, 0.5, 4.0], ids=["inside", "outside", "last"])
@pytest.mark.parametrize("kind", ["grid", "brute_force"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_grids_are_scored_whole(kind, alpha, data):
    space = {"alpha": [1.0, 2.0, 3.0, 4.0], "fit_intercept": [True, False]}
    sampler = GridSampler(space, seed=0) if kind == "grid" else BruteForceSampler(seed=0)
    fitted = searched(Ridge(alpha=alpha), space, sampler=sampler, n_trials=50).fit(*data)
    found = [tuple(p.values()) for p in fitted.cv_results_["params"]]
    assert {(a, b) for a in space["alpha"] for b in space["fit_intercept"]} <= set(found)
    # Optuna ends by itself: the grid, and the start in addition where it is no point of the
    # grid or the sampler does not look for points that are known.
    is_known = kind == "brute_force" and alpha != 0.5
    assert len(found) == 8 + (not is_known)
    assert found[0] == (alpha, True)


@pytest.mark.parametrize("together", ["auto", 2, 12])
@pytest.mark.parametrize("kind", ["grid", "brute_force"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_no_point_of_a_grid_is_trained_twice_in_a_round(kind, together, data):
    if kind == "brute_force" and together != "auto":
        pytest.skip("it draws what is under way, as Optuna has it, if a user asks for rounds")
    space = {"l2": [0.0, 0.1, 0.2]}
    sampler = GridSampler(space, seed=0) if kind == "grid" else BruteForceSampler(seed=0)
    options = {"sampler": sampler, "n_trials": 50, "pruner": "auto", "start_trial": False}
    fitted = searched(network(), space, trials_together=together, **options).fit(*data)
    assert sorted(p["l2"] for p in fitted.cv_results_["params"]) == [0.0, 0.1, 0.2]


# ---------------------------------------------------------------- pruning


def test_start_is_never_pruned(data):
    always = ThresholdPruner(lower=1e9)
    fitted = searched(network(), {"l2": [0.1, 0.2]}, n_trials=3, pruner=always).fit(*data)
    assert list(fitted.cv_results_["state"]) == ["complete", "pruned", "pruned"]
    assert list(fitted.cv_results_["n_epochs"]) == [12, 3, 3]
    assert fitted.best_params_ == {"l2": 0.0}
    # Its curve is there for the pruner to compare others with.
    assert list(fitted.study_.trials[0].intermediate_values) == [1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore:WilcoxonPruner is experimental")
def test_start_is_never_pruned_fold_by_fold(data):
    pruner = optuna.pruners.ThresholdPruner(lower=1e9)

    class ByFold(optuna.pruners.WilcoxonPruner):
        def prune(self, study, trial):
            return pruner.prune(study, trial)

    fitted = searched(network(), {"l2": [0.1]}, n_trials=2, pruner=ByFold()).fit(*data)
    assert list(fitted.cv_results_["state"]) == ["complete", "pruned"]


class InOrder(RandomSampler):
    def __init__(self, *values):
        super().__init__()
        self.values = values

    def sample_independent(self, study, trial, name, distribution):
        return self.values[trial.number]


def test_automatic_pruner_waits_for_five_trials(data):
    bad, worse = 1e-5, 1e-6
    sampler = InOrder(None, bad, worse, bad, worse, worse, worse)
    space = {"learning_rate": FloatDistribution(1e-7, 1)}
    search = searched(network(epochs=6), space, n_trials=7, sampler=sampler, trials_together=1)
    fitted = search.fit(*data)
    assert list(fitted.cv_results_["state"]) == ["complete"] * 5 + ["pruned"] * 2
    assert fitted.cv_results_["n_epochs"][5] == 9


# ---------------------------------------------------------------- nothing better


def warned(search, data):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        search.fit(*data)
    return [str(w.message) for w in told if w.category is NoImprovementWarning]


def test_gain_within_the_noise_of_the_folds_is_told(data):
    gains = np.array([0.1, -0.05, 0.02])

    def scoring(estimator, X, y):
        fold = list(data[0][::20, 0]).index(X[0, 0])
        return scores[estimator.alpha == 1.0][fold]

    for noise, is_told in ((1.0, True), (0.0, False)):
        scores = {False: np.zeros(3), True: gains.mean() + noise * (gains - gains.mean())}
        search = searched(space={"alpha": [1.0]}, n_trials=2, scoring=scoring)
        messages = warned(search, data)
        assert search.best_params_ == {"alpha": 1.0}
        assert len(messages) == is_told
        if is_told:
            # Nadeau and Bengio's t: 2 degrees of freedom, n_test / n_train = 1 / 2.
            t = gains.mean() / (np.sqrt(1 / 3 + 1 / 2) * gains.std(ddof=1))
            p = 1 - t / np.sqrt(2 + t**2)
            assert f"p = {p:.2g} in a paired test" in messages[0]
            assert "trial 1, the best" in messages[0]
            assert "keep the estimator as it is" in messages[0]


def test_no_word_without_a_search_or_of_a_single_fold(data):
    assert not warned(searched(n_trials=1), data)
    assert not warned(searched(start_trial=False), data)
    one_fold = [(np.arange(40), np.arange(40, 60))]
    space = {"alpha": FloatDistribution(1e-3, 0.01)}
    search = searched(Ridge(alpha=1e6), space, cv=one_fold)
    assert not warned(search, data)
    assert search.best_score_ > search.start_score_


# ---------------------------------------------------------------- shared and continued studies


@pytest.fixture(params=["journal", "sqlite"])
def kept(request, tmp_path):
    path = tmp_path / "study"
    return {
        "storage": path if request.param == "journal" else f"sqlite:///{path}",
        "study_name": "it",
    }


def test_continued_study_has_one_start(kept, data):
    for n_trials in (1, 3, 5):
        fitted = searched(n_trials=n_trials, **kept).fit(*data)
        assert len(fitted.cv_results_["params"]) == n_trials
        (start,) = starts(fitted.study_)
        assert (start.number, start.value) == (0, fitted.start_score_)
    with pytest.raises(ValueError, match="holds trials of an estimator with other parameters of"):
        searched(Ridge(alpha=0.7), **kept).fit(*data)


def test_interrupted_start_is_scored_later_and_once(kept, data):
    class Interrupt(Observer):
        is_armed = True

        def __deepcopy__(self, memo):
            return self

        def on_epoch_end(self, member, epoch, logs):
            if self.is_armed and epoch == 1:
                raise KeyboardInterrupt

    interrupt = Interrupt()
    estimator = network(callbacks=[interrupt])
    search = searched(estimator, {"l2": [0.1, 0.2]}, n_trials=2, pruner=None, **kept)
    with pytest.raises(KeyboardInterrupt):
        search.fit(*data)
    interrupt.is_armed = False
    search.fit(*data)
    done = [trial for trial in starts(search.study_) if is_counted(trial)]
    assert [trial.state for trial in done] == [TrialState.COMPLETE]
    assert search.start_score_ == done[0].value
    assert len(search.cv_results_["params"]) == 2


def test_trial_enqueued_at_the_same_time_is_there_once(kept):
    study = open_study(kept["storage"], "it", ["maximize"])
    together = threading.Barrier(4)

    def enqueue():
        own = open_study(kept["storage"], "it", ["maximize"])
        together.wait()
        enqueue_once(own, {"a": 1})

    threads = [threading.Thread(target=enqueue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [trial.state for trial in study.trials if not trial.user_attrs.get("skdl:uncounted")]
    assert states == [TrialState.WAITING]
    assert not any(is_counted(trial) for trial in study.trials)
    enqueue_once(study, {"a": 2})
    assert [t.state for t in study.trials].count(TrialState.WAITING) == 2


def test_existing_study_goes_on(data):
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=3))
    study.enqueue_trial({"alpha": 9.0})
    fitted = searched(study=study).fit(*data)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]
    assert fitted.cv_results_["params"][0] == {"alpha": 9.0}
    assert is_start(study.trials[1])
    drawn = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=3))
    values = [drawn.ask().suggest_float("alpha", 1.0, 100.0, log=True) for _ in range(2)]
    assert [trial.params["alpha"] for trial in study.trials[2:]] == values

    assert len(searched(study=study, n_trials=6).fit(*data).study_.trials) == 6
    # A clone has a study of its own, as it has of a storage in memory.
    assert len(clone(searched(study=study, n_trials=7)).fit(*data).study_.trials) == 7
    assert len(study.trials) == 6
    with pytest.raises(ValueError, match="other data or splits"):
        searched(study=study, n_trials=7).fit(data[0], -data[1])


def test_study_that_does_not_fit_is_refused(data):
    with pytest.raises(ValueError, match="made to minimize, and this search is to maximize"):
        searched(study=optuna.create_study()).fit(*data)
    study = optuna.create_study(direction="maximize")
    with pytest.raises(InvalidParameterError, match=r"Leave out storage and study_name"):
        searched(study=study, study_name="it").fit(*data)
    with pytest.raises(InvalidParameterError, match="study="):
        searched(study="it").fit(*data)


# ---------------------------------------------------------------- first guesses


def test_first_guesses_come_after_the_start(kept, data):
    space = ALPHA | {"fit_intercept": [True, False]}
    guesses = [{"alpha": 7.0, "fit_intercept": False}, {"alpha": 8.0}]
    for n_trials in (2, 5):
        fitted = searched(space=space, initial_params=guesses, n_trials=n_trials, **kept)
        params = fitted.fit(*data).cv_results_["params"]
    assert params[0] == {"alpha": 0.5, "fit_intercept": True}
    assert params[1] == guesses[0]
    assert params[2]["alpha"] == 8.0
    assert [p["alpha"] for p in params].count(8.0) == [p["alpha"] for p in params].count(7.0) == 1


@pytest.mark.parametrize(
    ("guess", "told"),
    [
        ({"alpha": 0.1}, r"initial_params\[0\]: alpha=0.1 is not in the space.*widen it"),
        ({"beta": 1}, r"initial_params\[0\]: beta=1 is not in the space"),
        (3, "initial_params="),
    ],
)
def test_guess_outside_of_the_space_is_refused(guess, told, data):
    with pytest.raises(InvalidParameterError, match=told):
        searched(initial_params=[guess]).fit(*data)


def test_guess_that_a_function_does_not_ask_for_is_told(data):
    def space(trial):
        return {"alpha": trial.suggest_float("a", 1.0, 9.0)}

    with pytest.warns(UserWarning, match="initial_params name 'alpha', which .* in trial 1"):
        searched(space=space, initial_params=[{"alpha": 7.0}], n_trials=2).fit(*data)
    fitted = searched(space=space, initial_params=[{"a": 7.0}], n_trials=2).fit(*data)
    assert fitted.cv_results_["params"][1] == {"alpha": 7.0}
