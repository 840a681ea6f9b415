"""OptunaSearchCV as a scikit-learn search: what goes in, what comes out, how trials train."""

import copy
import pickle
import threading

import numpy as np
import optuna
import pandas as pd
import pytest
import sklearn
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from scipy.stats import loguniform
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer, max_error, r2_score, root_mean_squared_error
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl._compat import HAS_CALLBACKS
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import IteratedKFold, OptunaSearchCV

EPOCHS = 3
SPACE = {"mlp__learning_rate": FloatDistribution(1e-3, 1e-1, log=True), "mlp__l2": [0.0, 0.1]}


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    return X[:60, :4], y[:60]


@pytest.fixture(scope="module")
def classes(iris):
    """Two classes that are hard to tell apart, as text."""
    X, y = iris
    rows = np.flatnonzero(y > 0)[:60]
    return X[rows, :2], np.where(y[rows] > 1, "two", "one")


def pipeline(kind=MLPRegressor, **params):
    fixed = {"hidden_units": (4,), "epochs": EPOCHS, "random_state": 0}
    return Pipeline([("scaler", StandardScaler()), ("mlp", kind(**fixed | params))])


def searched(estimator=None, space=None, **params):
    # The start has tests of its own, in test_start.py.
    fixed = {"n_trials": 4, "cv": 3, "random_state": 0, "start_trial": False}
    estimator = pipeline() if estimator is None else estimator
    return OptunaSearchCV(estimator, SPACE if space is None else space, **fixed | params)


# ---------------------------------------------------------------- scores


@pytest.fixture(scope="module")
def fitted(data):
    return searched(pruner=None, return_train_score=True).fit(*data)


def test_scores_are_those_of_scikit_learn(fitted, data):
    """Its own function, fold by fold and without lockstep, with the parameters of each trial."""
    X, y = data
    results = fitted.cv_results_
    for i, params in enumerate(results["params"]):
        model = pipeline().set_params(**params)
        expected = cross_validate(model, X, y, cv=KFold(3), return_train_score=True)
        for part in ("test", "train"):
            scores = [results[f"split{k}_{part}_score"][i] for k in range(3)]
            np.testing.assert_allclose(scores, expected[f"{part}_score"], rtol=0, atol=1e-3)
            assert results[f"mean_{part}_score"][i] == pytest.approx(np.mean(scores))
            assert results[f"std_{part}_score"][i] == pytest.approx(np.std(scores))


def test_cv_results_is_a_table_as_scikit_learn_has_it(fitted):
    results = fitted.cv_results_
    table = pd.DataFrame(results)
    assert len(table) == 4
    assert table.sort_values("rank_test_score").iloc[0]["params"] == fitted.best_params_
    in_order = table["mean_test_score"].rank(ascending=False, method="min")
    np.testing.assert_array_equal(results["rank_test_score"], in_order)
    assert list(results["state"]) == ["complete"] * 4
    assert list(results["reason"]) == [""] * 4
    assert list(results["n_epochs"]) == [3 * EPOCHS] * 4
    assert list(results["trial_number"]) == [0, 1, 2, 3]
    assert (results["seconds"] > 0).all()
    assert (results["mean_fit_time"] > 0).all()
    for name in SPACE:
        assert list(results[f"param_{name}"]) == [params[name] for params in results["params"]]


def test_best_is_the_best_trial_of_the_study(fitted, data):
    X, y = data
    results, study = fitted.cv_results_, fitted.study_
    assert fitted.best_score_ == results["mean_test_score"].max() == study.best_value
    assert results["params"][fitted.best_index_] == fitted.best_params_
    assert {k: study.best_params[k] for k in SPACE} == fitted.best_params_
    again = pipeline().set_params(**fitted.best_params_).fit(X, y)
    np.testing.assert_allclose(fitted.predict(X), again.predict(X), rtol=1e-5)
    assert fitted.score(X, y) == pytest.approx(again.score(X, y))
    assert fitted.refit_time_ > 0
    assert (fitted.n_splits_, fitted.n_features_in_, fitted.multimetric_) == (3, 4, False)


def test_classifier(classes):
    X, y = classes
    fitted = searched(pipeline(MLPClassifier), n_trials=2, scoring="roc_auc").fit(X, y)
    assert is_classifier(fitted)
    assert not is_regressor(fitted)
    assert is_regressor(searched())
    assert list(fitted.classes_) == ["one", "two"]
    assert set(fitted.predict(X)) <= {"one", "two"}
    np.testing.assert_allclose(fitted.predict_proba(X).sum(1), 1, rtol=1e-5)
    # An integer cv is stratified.
    model = pipeline(MLPClassifier).set_params(**fitted.best_params_)
    scores = cross_val_score(model, X, y, cv=StratifiedKFold(3), scoring="roc_auc")
    assert fitted.best_score_ == pytest.approx(scores.mean(), abs=0.02)


def test_before_fit_there_is_nothing(data):
    search = searched()
    with pytest.raises(NotFittedError):
        search.predict(data[0])
    assert not hasattr(search, "n_features_in_")


def test_fit_changes_neither_parameters_nor_data(data):
    sampler, pruner = RandomSampler(seed=0), optuna.pruners.HyperbandPruner(1, EPOCHS)
    search = searched(sampler=sampler, pruner=pruner, random_state=None)
    before = {name: id(value) for name, value in search.get_params().items()}
    found = [search.fit(*data).cv_results_["params"] for _ in range(2)]
    assert {name: id(value) for name, value in search.get_params().items()} == before
    # The sampler starts from its seed each time.
    assert found[0] == found[1]


def test_random_state_makes_it_reproducible(data):
    for together in (1, 2):
        runs = [searched(trials_together=together).fit(*data).cv_results_ for _ in range(2)]
        assert runs[0]["params"] == runs[1]["params"]
        np.testing.assert_array_equal(runs[0]["mean_test_score"], runs[1]["mean_test_score"])
    other = searched(random_state=1).fit(*data).cv_results_
    assert other["params"] != runs[0]["params"]


def test_a_fit_forgets_the_one_before(data):
    search = searched(n_trials=1).fit(*data)
    search.set_params(refit=False).fit(*data)
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search, "predict")


# ---------------------------------------------------------------- spaces


@pytest.mark.slow
def test_automatic_space_end_to_end(data):
    X, y = data
    model = TransformedTargetRegressor(pipeline(), transformer=StandardScaler())
    fitted = searched(model, "auto", n_trials=3).fit(X, y)
    assert {name.rpartition("__")[0] for name in fitted.best_params_} == {"regressor__mlp"}
    assert "regressor__mlp__learning_rate" in fitted.best_params_
    assert fitted.predict(X).shape == y.shape
    network = fitted.best_estimator_.regressor_["mlp"]
    assert network.epochs == EPOCHS


def test_space_of_lists_and_scipy_distributions(data):
    space = {"mlp__l1": loguniform(1e-6, 1e-2), "mlp__hidden_units": [(3,), (4, 2)]}
    params = searched(space=space).fit(*data).cv_results_["params"]
    assert all(1e-6 <= p["mlp__l1"] <= 1e-2 for p in params)
    assert {p["mlp__hidden_units"] for p in params} <= {(3,), (4, 2)}


def test_space_of_several_dicts(data):
    space = [{"mlp__l1": [0.1]}, {"mlp__l2": [0.1], "mlp__dropout": [0.5]}]
    results = searched(space=space, n_trials=6).fit(*data).cv_results_
    assert {frozenset(p) for p in results["params"]} == {
        frozenset({"mlp__l1"}),
        frozenset({"mlp__l2", "mlp__dropout"}),
    }
    np.testing.assert_array_equal(
        results["param_mlp__l1"].mask, ["mlp__l1" not in p for p in results["params"]]
    )


def test_space_that_is_a_function(data):
    def space(trial):
        units = [trial.suggest_int(f"units{i}", 2, 5) for i in range(trial.suggest_int("n", 1, 2))]
        return {"mlp__hidden_units": tuple(units)}

    fitted = searched(space=space).fit(*data)
    assert fitted.best_estimator_["mlp"].hidden_units == fitted.best_params_["mlp__hidden_units"]
    assert fitted.cv_results_["params"][0] == space(fitted.study_.trials[0])


def test_steps_can_be_exchanged(data):
    steps = [Ridge(), MLPRegressor((4,), epochs=EPOCHS, random_state=0)]
    space = {"mlp": steps, "scaler": ["passthrough", StandardScaler()]}
    fitted = searched(space=space, n_trials=6).fit(*data)
    assert {type(p["mlp"]) for p in fitted.cv_results_["params"]} == {Ridge, MLPRegressor}
    assert fitted.predict(data[0]).shape == (60,)


@pytest.mark.parametrize(
    "space",
    [
        {"mlp__unit": [1]},
        [{"mlp__l2": [0.1]}, {"mlp__unit": [1]}],
        lambda trial: {"mlp__unit": trial.suggest_int("unit", 1, 2)},
    ],
    ids=["dict", "list", "function"],
)
def test_unknown_parameter_is_told_before_the_first_trial(space, data, tmp_path):
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
    search = searched(space=space, storage=storage, study_name="it")
    with pytest.raises(
        InvalidParameterError,
        match=r"(?s)'mlp__unit' is not a parameter of Pipeline.*mlp__hidden_units.*mlp__l1",
    ):
        search.fit(*data)
    assert storage.get_all_studies() == []


# ---------------------------------------------------------------- what stands inside


@pytest.mark.slow
def test_estimators_without_networks(data):
    space = {"ridge__alpha": loguniform(1e-3, 1e3)}
    model = make_pipeline(StandardScaler(), Ridge())
    fitted = searched(model, space, n_trials=6, n_jobs=2, pruner="auto").fit(*data)
    expected = cross_val_score(clone(model).set_params(**fitted.best_params_), *data, cv=KFold(3))
    assert fitted.best_score_ == pytest.approx(expected.mean(), rel=1e-9)
    assert set(fitted.cv_results_["state"]) == {"complete"}
    assert list(fitted.cv_results_["n_epochs"]) == [0] * 6


def test_data_frames(data):
    X = pd.DataFrame(data[0], columns=list("abcd"))
    y = pd.Series(data[1], name="target")
    fitted = searched(n_trials=1).fit(X, y)
    assert list(fitted.feature_names_in_) == list("abcd")
    np.testing.assert_allclose(
        fitted.predict(X), searched(n_trials=1).fit(*data).predict(data[0]), rtol=1e-4
    )


def test_iterations_repeat_the_folds(data):
    with skdl.lockstep() as session:
        fitted = searched(n_trials=2, n_iterations=2, refit=False).fit(*data)
    assert session.batches == [12]  # both trials in one round
    assert fitted.n_splits_ == 6
    assert "split5_test_score" in fitted.cv_results_
    same = searched(n_trials=2, cv=IteratedKFold(3, 2, random_state=0)).fit(*data)
    np.testing.assert_array_equal(
        same.cv_results_["mean_test_score"], fitted.cv_results_["mean_test_score"]
    )


# ---------------------------------------------------------------- weights, groups, routing


class Recorder(Ridge):
    """Remembers with which weights it was fitted and scored."""

    seen = None

    def fit(self, X, y, sample_weight=None):
        self.seen.append(("fit", len(X), sample_weight))
        return super().fit(X, y, sample_weight)

    def score(self, X, y, sample_weight=None):
        self.seen.append(("score", len(X), sample_weight))
        return super().score(X, y, sample_weight)


def test_weights_and_groups_as_fit_parameters(data):
    X, y = data
    groups = np.repeat(np.arange(6), 10)
    Recorder.seen = []
    weight = np.arange(60.0) + 1
    search = OptunaSearchCV(Recorder(), {"alpha": [1.0]}, n_trials=1, cv=GroupKFold(3))
    search.fit(X, y, sample_weight=weight, groups=groups)
    fits = [w for what, _, w in Recorder.seen if what == "fit"]
    assert [len(w) for w in fits] == [40, 40, 40, 60]
    assert all(len(np.unique(groups[weight.searchsorted(w)])) == 4 for w in fits[:3])
    assert search.n_splits_ == 3


def test_weights_are_taken_by_networks(data):
    X, y = data
    weight = np.where(y > np.median(y), 1.0, 0.1)
    space = {"l2": [0.1]}
    estimator = MLPRegressor((4,), epochs=EPOCHS, random_state=0)
    fitted = searched(estimator, space, n_trials=1).fit(X, y, sample_weight=weight)
    scores = []
    for train, test in KFold(3).split(X):
        model = clone(estimator).set_params(l2=0.1).fit(X[train], y[train], weight[train])
        scores.append(model.score(X[test], y[test], weight[test]))
    assert fitted.best_score_ == pytest.approx(np.mean(scores), abs=1e-3)


def test_groups_stay_on_one_side_with_an_integer_cv(data):
    groups = np.repeat(np.arange(6), 10)
    with skdl.lockstep():
        fitted = searched(n_trials=1, cv=3, n_iterations=2).fit(*data, groups=groups)
    assert fitted.n_splits_ == 6


def test_metadata_routing(data):
    X, y = data
    groups = np.repeat(np.arange(6), 10)
    weight = np.linspace(0.1, 1, 60)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = MLPRegressor((4,), epochs=EPOCHS, random_state=0)
        estimator.set_fit_request(sample_weight=True, groups=False)
        scorer = make_scorer(r2_score).set_score_request(sample_weight=True)
        search = searched(
            estimator, {"l2": [0.1]}, n_trials=2, cv=GroupKFold(3), scoring=scorer,
            trials_together=2,
        )  # fmt: skip
        search.fit(X, y, sample_weight=weight, groups=groups)
        scores = []
        for train, test in GroupKFold(3).split(X, y, groups):
            model = clone(estimator).set_params(l2=0.1)
            model.fit(X[train], y[train], sample_weight=weight[train])
            scores.append(r2_score(y[test], model.predict(X[test]), sample_weight=weight[test]))
        assert search.best_score_ == pytest.approx(np.mean(scores), abs=1e-3)
        # The value at the last epoch was weighted in the same way.
        trial = search.study_.trials[0]
        assert search.score(X, y, sample_weight=weight) > 0 or trial.value < 0


# ---------------------------------------------------------------- several metrics


def test_several_metrics_of_which_one_is_maximized(data):
    scoring = {"r2": "r2", "rmse": "neg_root_mean_squared_error"}
    fitted = searched(scoring=scoring, refit="rmse", n_trials=6).fit(*data)
    results = fitted.cv_results_
    assert fitted.multimetric_
    assert fitted.study_.best_value == np.nanmax(results["mean_test_rmse"]) == fitted.best_score_
    assert {"mean_test_r2", "rank_test_r2", "split2_test_rmse"} <= set(results)
    expected = -root_mean_squared_error(data[1], fitted.predict(data[0]))
    assert fitted.score(*data) == pytest.approx(expected)


def test_refit_by_a_function_of_the_results(data):
    def worst(results):
        return int(np.nanargmin(results["mean_test_r2"]))

    fitted = searched(scoring=["r2", "neg_mean_absolute_error"], refit=worst).fit(*data)
    assert fitted.best_index_ == worst(fitted.cv_results_)
    assert fitted.best_params_ == fitted.cv_results_["params"][fitted.best_index_]
    assert not hasattr(fitted, "best_score_")
    assert len(fitted.study_.directions) == 2
    assert fitted.predict(data[0]).shape == (60,)


def test_several_objectives_leave_a_pareto_front_and_prune_nothing(data):
    fitted = searched(
        scoring=["r2", "neg_max_error"], refit=False, n_trials=8,
        pruner=optuna.pruners.ThresholdPruner(lower=1e9),
    ).fit(*data)  # fmt: skip
    assert set(fitted.cv_results_["state"]) == {"complete"}
    metrics = ["mean_test_r2", "mean_test_neg_max_error"]
    values = pd.DataFrame(fitted.cv_results_)[metrics].to_numpy()
    front = {
        i for i, own in enumerate(values)
        if not any((v >= own).all() and (v > own).any() for v in values)
    }  # fmt: skip
    assert {t.number for t in fitted.study_.best_trials} == front
    assert not hasattr(fitted, "best_params_")


def test_a_function_may_return_several_scores(data):
    def scoring(estimator, X, y):
        predicted = estimator.predict(X)
        return {"r2": r2_score(y, predicted), "worst": -max_error(y, predicted)}

    fitted = searched(scoring=scoring, refit="worst").fit(*data)
    assert fitted.multimetric_
    assert fitted.best_score_ == np.nanmax(fitted.cv_results_["mean_test_worst"])
    assert "mean_test_r2" in fitted.cv_results_
    assert fitted.score(*data) == pytest.approx(-max_error(data[1], fitted.predict(data[0])))
    with pytest.raises(InvalidParameterError, match=r"\['r2', 'worst'\].*refit='r2'"):
        searched(scoring=scoring).fit(*data)


# ---------------------------------------------------------------- trials side by side


def test_folds_of_a_trial_train_together_and_trials_if_asked(data):
    for together, batches in ((1, [3] * 6), (3, [9, 9]), (4, [12, 6])):
        with skdl.lockstep() as session:
            searched(n_trials=6, trials_together=together, pruner=None, refit=False).fit(*data)
        assert session.batches == batches


def test_together_or_not_makes_no_difference_to_a_trial(data):
    """With a sampler that does not look at the scores, both see the same parameters."""
    runs = [
        searched(n_trials=4, sampler=RandomSampler(seed=0), trials_together=k, pruner=None)
        .fit(*data)
        .cv_results_
        for k in (1, 4)
    ]
    assert runs[0]["params"] == runs[1]["params"]
    np.testing.assert_allclose(
        runs[0]["mean_test_score"], runs[1]["mean_test_score"], rtol=0, atol=1e-3
    )


def test_one_of_the_trials_that_train_together_may_be_pruned(data):
    search = searched(
        n_trials=4, trials_together=4, sampler=RandomSampler(seed=0), scoring="r2",
        pruner=optuna.pruners.ThresholdPruner(lower=-1.1, n_warmup_steps=2),
    )  # fmt: skip
    with skdl.lockstep() as session:
        results = search.fit(*data).cv_results_
    assert session.batches[0] == 12
    assert set(results["state"]) == {"complete", "pruned"}
    for state, n_epochs in zip(results["state"], results["n_epochs"], strict=True):
        assert n_epochs == (9 if state == "complete" else 6)


# ---------------------------------------------------------------- when it ends


def test_timeout_begins_no_more_trials(data):
    fitted = searched(n_trials=None, timeout=0.5).fit(*data)
    assert len(fitted.cv_results_["params"]) >= 1
    with pytest.raises(ValueError, match=r"no trial was finished.*timeout=1e-09"):
        searched(timeout=1e-9).fit(*data)


def test_without_any_limit_it_is_refused(data):
    with pytest.raises(InvalidParameterError, match="search for ever"):
        searched(n_trials=None).fit(*data)


def test_callbacks_see_each_trial_and_may_stop_the_search(data):
    seen = []

    def callback(study, trial):
        seen.append((trial.number, trial.state.name))
        if len(seen) == 2:
            study.stop()

    fitted = searched(n_trials=5, trials_together=1, callbacks=[callback]).fit(*data)
    assert seen == [(0, "COMPLETE"), (1, "COMPLETE")]
    assert len(fitted.cv_results_["params"]) == 2


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"n_trials": 0}, "n_trials=0"),
        ({"trials_together": 0}, "trials_together=0"),
        ({"pruner": "median"}, "pruner='median'"),
        ({"sampler": "tpe"}, "sampler='tpe'"),
        ({"callbacks": print}, "callbacks="),
        ({"callbacks": [3]}, "callbacks="),
        ({"error_score": "ignore"}, "error_score='ignore'"),
        ({"n_iterations": 0}, "n_iterations=0"),
    ],
)
def test_bad_parameters_are_told_at_the_door(params, told, data):
    with pytest.raises(InvalidParameterError, match=told):
        searched(**params).fit(*data)


# ---------------------------------------------------------------- what is shown


def test_progress_tells_the_best_score_and_the_counts(data, capsys):
    searched(
        n_trials=5, verbose=1, scoring="r2", sampler=RandomSampler(seed=0),
        pruner=optuna.pruners.ThresholdPruner(lower=-1.1, n_warmup_steps=2),
    ).fit(*data)  # fmt: skip
    shown = capsys.readouterr().out
    assert "5/5" in shown
    assert "best -0." in shown
    assert "finished" in shown
    assert "pruned" in shown


def test_nothing_is_printed_unless_asked(data, capfd):
    searched(n_trials=2).fit(*data)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "trial" not in shown.err.lower()


@pytest.mark.skipif(not HAS_CALLBACKS, reason="callbacks came with scikit-learn 1.9")
class TestCallbacksOfScikitLearn:
    class Recording:
        def __init__(self, stop_after=99):
            self.stop_after = stop_after
            self.begun, self.ended = [], []

        def setup(self, estimator, context):
            self.begun.append("setup")

        def on_fit_task_begin(self, estimator, context):
            self.begun.append((context.task_name, context.task_id))

        def on_fit_task_end(self, estimator, context):
            self.ended.append((context.task_name, context.task_id))
            return context.task_name == "trial" and context.task_id + 1 >= self.stop_after

        def teardown(self, estimator, context):
            self.ended.append("teardown")

    def test_trials_and_refit_are_reported(self, data):
        callback = self.Recording()
        searched(n_trials=2).set_callbacks(callback).fit(*data)
        trials = [("trial", 0), ("trial", 1)]
        refit = ("refit-with-best-params", 1)
        assert callback.begun == ["setup", ("fit", 0), ("search", 0), *trials, refit]
        assert callback.ended == [*trials, ("search", 0), refit, ("fit", 0), "teardown"]

    def test_they_may_stop_the_search(self, data):
        search = searched(n_trials=5, trials_together=1)
        fitted = search.set_callbacks(self.Recording(stop_after=2)).fit(*data)
        assert len(fitted.cv_results_["params"]) == 2

    def test_teardown_comes_after_an_error_too(self, data):
        callback = self.Recording()
        search = searched(n_trials=1, refit=lambda results: 1 / 0).set_callbacks(callback)
        with pytest.raises(ZeroDivisionError):
            search.fit(*data)
        assert callback.ended[-1] == "teardown"

    def test_progress_bar(self, data, capsys):
        from sklearn.callback import ProgressBar

        search = searched(MLPRegressor((4,), epochs=EPOCHS), {"l2": [0.0, 0.1]}, n_trials=3)
        search.set_callbacks(ProgressBar()).fit(*data)
        shown = capsys.readouterr().out
        assert "search" in shown
        assert "refit" in shown
        assert "100%" in shown


# ---------------------------------------------------------------- copies, and inside others


@pytest.fixture(params=["memory", "url", "path", "object"])
def kept(request, tmp_path):
    """Where a study may be kept, as parameters."""
    if request.param == "memory":
        return {}
    storage = {
        "url": f"sqlite:///{tmp_path / 'study.db'}",
        "path": tmp_path / "study.log",
        "object": JournalStorage(JournalFileBackend(str(tmp_path / "study.log"))),
    }[request.param]
    return {"storage": storage, "study_name": "it"}


def test_clones_and_pickles_with_any_storage(kept, data):
    search = searched(n_trials=3, **kept)
    for again in (clone(search), pickle.loads(pickle.dumps(search)), copy.deepcopy(search)):
        assert again.get_params(deep=False).keys() == search.get_params(deep=False).keys()
        assert again.n_trials == 3
    fitted = clone(search).fit(*data)
    unpickled = pickle.loads(pickle.dumps(fitted))
    assert unpickled.best_params_ == fitted.best_params_
    assert len(unpickled.study_.trials) == 3
    np.testing.assert_array_equal(unpickled.predict(data[0]), fitted.predict(data[0]))
    unfitted = clone(unpickled)
    assert not hasattr(unfitted, "study_")
    # Goes on where the other has ended, or begins anew in memory.
    again = unfitted.set_params(n_trials=4).fit(*data)
    same = again.cv_results_["params"][:3] == fitted.cv_results_["params"]
    assert same
    assert len(again.study_.trials) == 4


def test_a_study_takes_no_other_data(kept, data):
    if not kept:
        pytest.skip("a study in memory is new each time")
    X, y = data
    searched(n_trials=1, **kept).fit(X, y)
    again = searched(n_trials=2, **kept)
    assert not X.flags.c_contiguous
    with pytest.raises(ValueError, match=r"study_name='it' holds trials for other data or splits"):
        again.fit(X, -y)
    with pytest.raises(ValueError, match=r"other data or splits.*a random_state"):
        again.set_params(cv=KFold(3, shuffle=True)).fit(X, y)
    with pytest.raises(ValueError, match=r"holds trials for another scoring"):
        again.set_params(cv=3, scoring="neg_mean_absolute_error").fit(X, y)
    with pytest.raises(InvalidParameterError, match="does not fit param_distributions"):
        again.set_params(scoring=None, param_distributions={"mlp__l1": [0.1]}).fit(X, y)
    again.set_params(param_distributions=SPACE).fit(X.copy(), np.array(y))
    assert len(again.study_.trials) == 2


def ridge(**params):
    return make_pipeline(StandardScaler(), Ridge(**params))


OTHERS = [
    (
        ridge(solver="svd"),
        {},
        r"ridge__solver='auto' there, ridge__solver='svd' here\. .*study_name",
    ),
    (make_pipeline(StandardScaler(with_mean=False), Ridge()), {}, "standardscaler__with_mean=True"),
    (ridge(), {"ridge__sample_weight": np.ones(60)}, r"fit\(ridge__sample_weight\)=nothing there"),
    (TransformedTargetRegressor(ridge()), {}, "other parameters of its own"),
]


@pytest.mark.parametrize(("estimator", "fit_params", "message"), OTHERS)
def test_a_study_takes_no_other_estimator(estimator, fit_params, message, data, tmp_path):
    kept = {"storage": tmp_path / "study.log", "study_name": "it", "start_trial": True}
    searched(ridge(), {"ridge__alpha": [0.1, 1, 10]}, n_trials=1, **kept).fit(*data)
    prefix = "regressor__" if isinstance(estimator, TransformedTargetRegressor) else ""
    again = searched(estimator, {f"{prefix}ridge__alpha": [0.1, 1, 10]}, n_trials=2, **kept)
    with pytest.raises((ValueError, InvalidParameterError), match=message):
        again.fit(*data, **fit_params)


def test_a_study_goes_on_with_what_does_not_change_scores(data, tmp_path):
    kept = {"storage": tmp_path / "study.log", "study_name": "it"}
    X, y = data
    searched(n_trials=1, **kept).fit(X, y)
    same = Pipeline(pipeline(verbose=1).steps, verbose=True, memory=str(tmp_path))
    same.set_params(mlp__hidden_units=[4], mlp__dropout=np.float64(0))
    again = searched(same, n_trials=2, random_state=1, **kept)
    assert len(again.fit(X, y).study_.trials) == 2


@pytest.mark.slow
def test_data_frames_are_known_again(tmp_path, data, fresh_python):
    code = """
import sys, pandas as pd, skdl
from skdl.model_selection import OptunaSearchCV
frame = pd.read_csv(sys.argv[1], dtype={"c": "category"})
frame["a"], frame["t"]  # pandas keeps what was asked for
y = frame.pop("y")
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.linear_model import Ridge
without_text = make_column_transformer(("drop", ["c", "t"]), remainder="passthrough")
pipe = make_pipeline(without_text, Ridge())
search = OptunaSearchCV(
    pipe, {"ridge__alpha": [0.1, 1.0]}, n_trials=int(sys.argv[3]), cv=2,
    storage=sys.argv[2], study_name="it", start_trial=False,
)
print(len(search.fit(frame, y).study_.trials))
"""
    frame = pd.DataFrame(data[0], columns=list("abde")).assign(
        y=data[1], c=list("uv") * 30, t=list("xyz") * 20
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for n_trials in (1, 2):
        run = fresh_python(code, tmp_path / "rows.csv", tmp_path / "study.log", n_trials)
        assert run.stdout.split()[-1] == str(n_trials)


def test_trials_that_the_user_has_enqueued_come_first(tmp_path, data):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=url, study_name="it", direction="maximize")
    study.enqueue_trial({"mlp__learning_rate": 0.0123})
    fitted = searched(n_trials=2, storage=url, study_name="it").fit(*data)
    params = fitted.cv_results_["params"]
    assert params[0]["mlp__learning_rate"] == 0.0123
    assert len(params) == 2


def test_trials_of_plain_optuna_count_but_are_not_ranked(tmp_path, data):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=url, study_name="it", direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=1e9))
    fitted = searched(n_trials=2, storage=url, study_name="it").fit(*data)
    assert list(fitted.cv_results_["trial_number"]) == [1]
    assert fitted.best_score_ < 1


def test_existing_study_is_refused_if_asked(tmp_path, data):
    kept = {"storage": tmp_path / "study.log", "study_name": "it"}
    searched(n_trials=1, **kept).fit(*data)
    with pytest.raises(ValueError, match="already holds a study named 'it'"):
        searched(n_trials=2, load_if_exists=False, **kept).fit(*data)


def test_storage_without_a_name_is_refused(tmp_path, data):
    with pytest.raises(ValueError, match="study_name=None"):
        searched(storage=tmp_path / "study.log").fit(*data)


@pytest.mark.parametrize("together", [1, 2])
def test_nested_cross_validation(together, data):
    search = searched(n_trials=2, trials_together=together, pruner=None)
    alone = cross_val_score(search, *data, cv=2)
    with skdl.lockstep() as session:
        scores = cross_val_score(search, *data, cv=2)
    # The searches of both outer folds train together: 2 x 3 folds per trial, then the refits.
    assert session.batches == ([6, 6, 2] if together == 1 else [12, 2])
    np.testing.assert_allclose(scores, alone, rtol=0, atol=2e-3)


def test_nested_with_progress_and_from_many_threads(data, capsys):
    search = searched(n_trials=2, verbose=1)
    with skdl.lockstep():
        scores = cross_val_score(search, *data, cv=2)
    assert np.isfinite(scores).all()
    assert capsys.readouterr().out.count("2/2") >= 2
    assert not [t for t in threading.enumerate() if "skdl-heartbeat" in t.name]


def test_our_own_cross_validate_judges_a_search(data):
    result = skdl.model_selection.cross_validate(searched(n_trials=2), *data, cv=2)
    assert np.isfinite(result["test_score"]).all()


def test_a_storage_in_memory_of_ones_own(data):
    storage = InMemoryStorage()
    for n_trials in (2, 3):
        fitted = searched(n_trials=n_trials, storage=storage, study_name="it").fit(*data)
    assert [study.study_name for study in storage.get_all_studies()] == ["it"]
    assert len(fitted.cv_results_["params"]) == 3
