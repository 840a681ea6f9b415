"""refit="ensemble": which trials are selected, and what their mean predicts."""

import pickle
import warnings

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import (
    check_scoring,
    log_loss,
    make_scorer,
    mean_pinball_loss,
    root_mean_squared_error,
)
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdl import MLPClassifier, MLPRegressor
from skdl.exceptions import InvalidParameterError, NoImprovementWarning
from skdl.model_selection import OptunaSearchCV
from skdl.model_selection.search import _ensemble
from tests.checks import slow_but, slow_case

ALPHA = {"alpha": FloatDistribution(1e-3, 1e3, log=True)}
STRENGTH = {"logisticregression__C": FloatDistribution(1e-4, 1e3, log=True)}


@pytest.fixture(scope="module")
def numbers(diabetes):
    X, y = diabetes
    return X[:120], y[:120]


@pytest.fixture(scope="module")
def classes(iris):
    X, y = iris
    rows = np.random.default_rng(0).permutation(len(X))
    X = X[rows] + np.random.default_rng(1).normal(0, 1, X.shape)
    return X, np.array(["b", "c", "a"])[y[rows]]


def searched(estimator, space, data, fit_params=None, **params):
    fixed = {"n_trials": 12, "random_state": 0, "refit": "ensemble", "sampler": RandomSampler(0)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoImprovementWarning)
        search = OptunaSearchCV(estimator, space, **fixed | params)
        return search.fit(*data, **fit_params or {})


def by_hand(predictions, score, size):
    """Select as Caruana et al. do, one call of `score` for each candidate.

    Parameters
    ----------
    predictions : ndarray of shape (n_trials, n_rows, ...)
    score : callable
        Of the mean of some trials' predictions.
    """
    chosen, best = [], (-np.inf, [])
    for _ in range(size):
        scores = [score(predictions[[*chosen, i]].mean(0)) for i in range(len(predictions))]
        chosen = [*chosen, int(np.argmax(scores))]
        if max(scores) > best[0] + 1e-12:
            best = (max(scores), chosen)
    return best


# ---------------------------------------------------------------- the selection


@pytest.fixture
def five_at_refit(monkeypatch):
    """Select 5 trials at refit, not 50, where each costs calls of the scorer."""
    monkeypatch.setattr(_ensemble.EnsembleMixin.ensemble, "__defaults__", (5,))


@pytest.fixture(
    scope="module", params=["neg_root_mean_squared_error", "r2", "neg_median_absolute_error"]
)
def search_by_number(request, numbers):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ensemble.EnsembleMixin.ensemble, "__defaults__", (5,))
        return searched(Ridge(), ALPHA, numbers, scoring=request.param, cv=KFold(4))


@pytest.mark.parametrize("size", [slow_case(1), 3, slow_case(20)])
def test_selection_is_that_of_caruana_for_numbers(search_by_number, size, numbers):
    X, y = numbers
    search, scoring = search_by_number, search_by_number.scoring
    splits = list(KFold(4).split(X))
    alphas = [trial.params.get("alpha", 1.0) for trial in search.study_.trials]
    predictions = np.empty((len(alphas), len(y)))
    for line, alpha in zip(predictions, alphas, strict=True):
        for train, test in splits:
            line[test] = Ridge(alpha=alpha).fit(X[train], y[train]).predict(X[test])

    def score(mean):
        of_fold = {
            "neg_root_mean_squared_error": lambda a, b: -np.sqrt(np.mean((a - b) ** 2)),
            "r2": lambda a, b: 1 - np.sum((a - b) ** 2) / np.sum((a - a.mean()) ** 2),
            "neg_median_absolute_error": lambda a, b: -np.median(np.abs(a - b)),
        }[scoring]
        return np.mean([of_fold(y[test], mean[test]) for _, test in splits])

    expected, chosen = by_hand(predictions, score, size)
    found = search.ensemble(size)
    assert found.selection_score == pytest.approx(expected, rel=1e-9)
    if len(chosen) == len(found.weights):  # ties apart
        assert {i: chosen.count(i) / len(chosen) for i in chosen} == pytest.approx(found.weights)
    assert sum(found.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", slow_case("roc_auc_ovr")])
@pytest.mark.usefixtures("five_at_refit")
def test_score_is_that_of_the_searchs_own_scorer(scoring, classes):
    X, y = classes
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    search = searched(pipe, STRENGTH, classes, scoring=scoring, cv=3)
    assert search.ensemble_score_ >= search.best_score_ - 1e-12
    assert search.ensemble(1).selection_score == pytest.approx(search.best_score_)
    if scoring == "neg_log_loss":
        ensemble = search.best_estimator_
        own = []
        for fold, (_, test) in enumerate(StratifiedKFold(3).split(X, y)):
            mean = sum(
                weight * ensemble.members[number][fold].predict_proba(X[test])
                for number, weight in ensemble.weights.items()
            )
            own.append(-log_loss(y[test], mean, labels=ensemble.classes_))
        assert search.ensemble_score_ == pytest.approx(np.mean(own))


def test_selection_of_sixty_trials_takes_no_call_of_the_scorer(numbers):
    """Otherwise 15,000 of them, which take many seconds."""
    calls = []

    def scoring(estimator, X, y):
        calls.append(1)
        return -root_mean_squared_error(y, estimator.predict(X))

    slow = searched(Ridge(), ALPHA, numbers, scoring=scoring, n_trials=4)
    calls.clear()
    slow.ensemble(3)
    assert len(calls) == 5 * (4 + 3 * 4 + 1)
    fast = searched(Ridge(), ALPHA, numbers, scoring="neg_root_mean_squared_error", n_trials=4)
    assert fast.ensemble(3).weights == slow.ensemble(3).weights
    assert fast.ensemble(3).selection_score == pytest.approx(slow.ensemble(3).selection_score)


@pytest.mark.parametrize("weighted", [slow_case(case=False), True])
@pytest.mark.parametrize(
    "scoring", slow_but([None, "neg_log_loss", "accuracy", "roc_auc"], "neg_log_loss")
)
@pytest.mark.usefixtures("five_at_refit")
def test_two_classes_are_scored_at_once_as_one_by_one(scoring, weighted, classes):
    X, y = classes
    y = np.where(y == "a", "yes", "no")
    weights = {"sample_weight": np.linspace(0.5, 2, len(y))} if weighted else {}
    # To a pipeline, without metadata routing, weights do not come.
    model, space = LogisticRegression(), {"C": FloatDistribution(1e-4, 1e3, log=True)}
    named = searched(model, space, (X, y), weights, scoring=scoring, cv=3, n_trials=6)
    scorer = check_scoring(model, scoring)
    called = searched(model, space, (X, y), weights, scoring=scorer, cv=3, n_trials=6)
    assert called._library._metric is None
    assert (named._library._metric is None) == (scoring == "roc_auc" and weighted)
    for size in (1, 5):
        one, other = named.ensemble(size), called.ensemble(size)
        assert one.weights == pytest.approx(other.weights)
        assert one.selection_score == pytest.approx(other.selection_score)


@pytest.mark.parametrize(
    "scoring",
    slow_but(
        [
            None,
            "r2",
            "neg_mean_squared_error",
            "neg_mean_absolute_error",
            "neg_root_mean_squared_error",
        ],
        "r2",
    ),
)
@pytest.mark.usefixtures("five_at_refit")
def test_weighted_numbers_are_scored_at_once_as_one_by_one(scoring, numbers):
    weights = {"sample_weight": np.linspace(0.5, 2, 120)}
    named = searched(Ridge(), ALPHA, numbers, weights, scoring=scoring)
    called = searched(Ridge(), ALPHA, numbers, weights, scoring=check_scoring(Ridge(), scoring))
    assert named._library._metric is not None
    assert called._library._metric is None
    assert named.ensemble(5).weights == pytest.approx(called.ensemble(5).weights)
    assert named.ensemble_score_ == pytest.approx(called.ensemble_score_)


# ---------------------------------------------------------------- what it predicts


def test_prediction_is_the_weighted_mean_of_all_folds(numbers):
    X, y = numbers
    search = searched(Ridge(), ALPHA, numbers, scoring="neg_root_mean_squared_error")
    ensemble = search.best_estimator_
    assert is_regressor(ensemble)
    assert search.ensemble_weights_ == ensemble.weights
    expected = sum(
        weight * np.mean([member.predict(X) for member in ensemble.members[number]], 0)
        for number, weight in ensemble.weights.items()
    )
    np.testing.assert_allclose(search.predict(X), expected)
    assert search.score(X, y) == pytest.approx(-root_mean_squared_error(y, expected))
    assert search.n_features_in_ == X.shape[1]
    best = search.study_.trials[search.best_index_]
    assert search.best_params_ == (best.params or {"alpha": 1.0})


def test_a_fold_that_lacks_a_class_has_none_of_it(classes):
    X, y = classes
    rows = np.flatnonzero(y != "c")
    splits = [(rows[:60], rows[60:]), (np.arange(75, 150), np.arange(75))]
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    search = searched(pipe, STRENGTH, classes, scoring="accuracy", cv=splits, n_trials=3)
    probabilities = search.predict_proba(X)
    assert list(search.classes_) == ["a", "b", "c"]
    assert is_classifier(search.best_estimator_)
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    expected = sum(
        weight
        * (
            np.insert(members[0].predict_proba(X), 2, 0, axis=1) / 2
            + members[1].predict_proba(X) / 2
        )
        for weight, members in (
            (w, search.best_estimator_.members[n]) for n, w in search.ensemble_weights_.items()
        )
    )
    np.testing.assert_allclose(probabilities, expected)
    assert list(search.predict(X)) == list(np.array(["a", "b", "c"])[expected.argmax(1)])


def test_networks_in_whole_pipelines(penguins_like):
    X, y = penguins_like
    columns = make_column_transformer(
        (StandardScaler(), ["length", "depth"]), (OneHotEncoder(), ["island"])
    )
    pipe = make_pipeline(columns, MLPClassifier((8,), epochs=8, random_state=0))
    space = {"mlpclassifier__learning_rate": FloatDistribution(1e-3, 1e-1, log=True)}
    search = searched(pipe, space, (X, y), scoring="neg_log_loss", n_trials=4, cv=3)
    copy = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copy.predict_proba(X), search.predict_proba(X))
    assert list(search.feature_names_in_ if hasattr(search, "feature_names_in_") else X) == list(X)
    complete = {t.number for t in search.study_.trials if t.state.name == "COMPLETE"}
    assert set(search.ensemble_weights_) <= complete


@pytest.fixture
def penguins_like():
    generator = np.random.default_rng(0)
    island = generator.choice(["Biscoe", "Dream"], 90)
    length = generator.normal(40, 5, 90)
    depth = generator.normal(17, 2, 90)
    y = np.where(length + 3 * (island == "Dream") > 41, "Adelie", "Gentoo")
    return pd.DataFrame({"length": length, "depth": depth, "island": island}), y


def test_targets_that_are_transformed_are_predicted_in_their_units(numbers):
    X, y = numbers
    regressor = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp)
    space = {"regressor__alpha": FloatDistribution(1e-3, 1e3, log=True)}
    search = searched(regressor, space, (X, y), scoring="neg_mean_absolute_error")
    assert abs(search.predict(X).mean() - y.mean()) < 30


@pytest.mark.usefixtures("five_at_refit")
def test_several_targets(numbers):
    X, y = numbers
    search = searched(Ridge(), ALPHA, (X, np.c_[y, -y]), scoring="neg_mean_squared_error")
    assert search.predict(X).shape == (120, 2)
    np.testing.assert_allclose(search.predict(X)[:, 0], -search.predict(X)[:, 1], atol=1e-8)


def test_splits_that_overlap_or_leave_rows_out(numbers):
    cv = ShuffleSplit(3, test_size=0.3, random_state=0)
    search = searched(Ridge(), ALPHA, numbers, scoring="r2", cv=cv)
    assert search.ensemble_score_ >= search.best_score_ - 1e-12
    assert search.ensemble(1).selection_score == pytest.approx(search.best_score_)


@pytest.mark.usefixtures("five_at_refit")
def test_weights_of_rows_and_scorers_with_arguments(numbers):
    scoring = make_scorer(mean_pinball_loss, greater_is_better=False, alpha=0.9)
    search = searched(
        Ridge(), ALPHA, numbers, {"sample_weight": np.linspace(1, 2, 120)}, scoring=scoring
    )
    assert search.ensemble(1).selection_score == pytest.approx(search.best_score_)


# ---------------------------------------------------------------- what is told


@pytest.mark.usefixtures("five_at_refit")
def test_trials_of_earlier_runs_are_left_out_with_a_word(numbers, tmp_path):
    kept = {"storage": f"sqlite:///{tmp_path / 's.db'}", "study_name": "s", "scoring": "r2"}
    searched(Ridge(), ALPHA, numbers, n_trials=3, **kept)
    with pytest.warns(UserWarning, match=r"3 of 5 completed trials were evaluated by other"):
        search = searched(Ridge(), ALPHA, numbers, n_trials=5, **kept)
    assert set(search.ensemble_weights_) <= {3, 4}
    with pytest.raises(InvalidParameterError, match=r"no trial that this process.*raise n_trials"):
        searched(Ridge(), ALPHA, numbers, n_trials=5, **kept)


@pytest.mark.parametrize(
    ("estimator", "params", "told"),
    [
        (RidgeClassifier(), {}, r"RidgeClassifier has no predict_proba.*refit=True"),
        (LogisticRegression(), {"scoring": ["accuracy", "f1"]}, r"several metrics"),
        (LogisticRegression(), {"scoring": {"a": "accuracy"}}, r"several metrics"),
    ],
)
def test_what_cannot_be_averaged_is_refused_before_any_trial(estimator, params, told, classes):
    search = OptunaSearchCV(
        estimator, {"fit_intercept": [True, False]}, refit="ensemble", n_trials=2, **params
    )
    with pytest.raises(InvalidParameterError, match=told):
        search.fit(*classes)
    trials = search.study_.trials if hasattr(search, "study_") else []
    assert all(trial.state.name == "WAITING" for trial in trials)


def test_several_labels_a_row_are_refused(numbers):
    X, y = numbers
    labels = np.c_[y > 100, y > 150].astype(int)
    search = OptunaSearchCV(
        MLPClassifier((4,), epochs=2), {"learning_rate": [0.1]}, refit="ensemble", n_trials=1
    )
    with pytest.raises(InvalidParameterError, match="several labels for each row"):
        search.fit(X, labels)


@pytest.mark.parametrize("size", [0, 1.5, "all"])
def test_size_is_a_number_of_trials(size, numbers):
    search = searched(Ridge(), ALPHA, numbers, n_trials=2)
    with pytest.raises(InvalidParameterError, match=r"size=.*is not allowed"):
        search.ensemble(size)


def test_without_it_nothing_is_kept_and_ensemble_says_so(numbers):
    search = searched(Ridge(), ALPHA, numbers, n_trials=2, refit=True)
    with pytest.raises(InvalidParameterError, match=r"refit='ensemble' alone"):
        search.ensemble()
    assert not hasattr(search, "ensemble_weights_")
    assert clone(search).refit is True


def test_members_cannot_be_fitted_anew(numbers):
    search = searched(Ridge(), ALPHA, numbers, n_trials=2)
    with pytest.raises(NotImplementedError, match=r"refit='ensemble'"):
        search.best_estimator_.fit(*numbers)


def test_failed_folds_leave_a_trial_out(numbers):
    X, y = numbers

    class Fragile(Ridge):
        def fit(self, X, y, sample_weight=None):
            if self.alpha > 5 and len(X) and X[0, 0] == numbers[0][0, 0]:
                raise ValueError("no")
            return super().fit(X, y, sample_weight)

    space = {"alpha": [1.0, 2.0, 10.0]}
    sampler = optuna.samplers.GridSampler(space)
    search = OptunaSearchCV(
        Fragile(), space, n_trials=4, sampler=sampler, error_score=-9.0, refit="ensemble",
        start_trial=False, scoring="r2", cv=KFold(3),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    failed = [t.number for t in search.study_.trials if t.params["alpha"] == 10.0]
    assert not set(failed) & set(search.ensemble_weights_)


def test_score_of_every_mean_is_nan(numbers):
    def scoring(estimator, X, y):
        return estimator.score(X, y) if isinstance(estimator, Ridge) else np.nan

    with pytest.raises(ValueError, match="score of every mean is NaN"):
        searched(Ridge(), ALPHA, numbers, n_trials=3, scoring=scoring)


def test_pickle_holds_neither_rows_nor_trials_that_were_not_selected(numbers):
    search = searched(Ridge(), ALPHA, numbers, n_trials=6)
    again = pickle.loads(pickle.dumps(search))
    assert "_library" in vars(search)
    assert "_library" not in vars(again)
    np.testing.assert_array_equal(again.predict(numbers[0]), search.predict(numbers[0]))
    with pytest.raises(InvalidParameterError, match="in no pickle"):
        again.ensemble()


# ------------------------------------------------------------------------------ order of time


@pytest.mark.parametrize("kind", ["time", "splitter"])
def test_in_the_order_of_time_selected_trials_are_fitted_on_all_rows(kind, numbers):
    X, y = numbers
    cv, given = (4, {"time": np.arange(120)}) if kind == "time" else (TimeSeriesSplit(4), {})
    weight = np.random.default_rng(0).uniform(0.5, 2, 120)
    given |= {"sample_weight": weight}
    search = searched(Ridge(), ALPHA, numbers, given, cv=cv)
    for ensemble in (search.best_estimator_, search.ensemble(size=3)):
        expected = sum(
            share * Ridge(**search.study_.trials[n].params).fit(X, y, weight).predict(X)
            for n, share in ensemble.weights.items()
        )
        np.testing.assert_allclose(ensemble.predict(X), expected)


def test_networks_on_all_rows_hold_out_the_latest(numbers):
    X, y = numbers
    network = MLPRegressor(4, epochs=3, early_stopping=True, random_state=0)
    options = {"cv": 3, "n_trials": 2, "sampler": None, "trials_together": 2, "pruner": None}
    given = {"time": np.arange(120)[::-1]}
    search = searched(network, {"l2": [0.0, 0.1]}, numbers, given, **options)
    (number, *_), (fitted,) = search.ensemble_weights_, search.ensemble(size=1).members.popitem()[1]
    assert number in {0, 1}
    alone = clone(fitted).fit(X, y, **given)
    np.testing.assert_allclose(fitted.predict(X), alone.predict(X), rtol=1e-5)
    assert fitted.history_["val_loss"] == pytest.approx(alone.history_["val_loss"], rel=1e-5)
