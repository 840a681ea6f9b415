"""What users of OptunaSearchCV meet beside the search itself: tables, dashboards, early ends."""

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import max_error, r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl.exceptions import InvalidParameterError
from skdl.model_selection import OptunaSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning")


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    return X[:60, :4], y[:60]


def searched(estimator=None, space=None, **params):
    fixed = {"n_trials": 4, "cv": 3, "random_state": 0, "refit": False}
    space = {"alpha": FloatDistribution(1.0, 100.0, log=True)} if space is None else space
    return OptunaSearchCV(Ridge() if estimator is None else estimator, space, **fixed | params)


# ---------------------------------------------------------------- cv_results_


def test_columns_of_parameters_have_the_types_that_scikit_learn_gives_them(data):
    model = make_pipeline(StandardScaler(), Ridge(alpha=2.0))
    grid = {
        "ridge__alpha": [1.0, 2.0], "ridge__max_iter": [10, 20], "ridge__fit_intercept": [True],
        "ridge__solver": ["svd", "auto"], "ridge__random_state": [None, 1],
        "standardscaler": [StandardScaler(), "passthrough"],
    }  # fmt: skip
    theirs = GridSearchCV(model, grid, cv=2).fit(*data).cv_results_
    sampler = RandomSampler(seed=0)
    ours = searched(model, grid, n_trials=12, sampler=sampler, start_trial=False).fit(*data)
    for name in grid:
        column = ours.cv_results_[f"param_{name}"]
        assert isinstance(column, np.ma.MaskedArray)
        assert column.dtype == theirs[f"param_{name}"].dtype, name
        assert column.tolist() == [params[name] for params in ours.cv_results_["params"]]


def test_column_with_gaps_is_numeric_too(data):
    space = [{"alpha": [0.5, 1.5]}, {"tol": [1e-3, 1e-4]}]
    results = searched(space=space, n_trials=8, start_trial=False).fit(*data).cv_results_
    assert results["param_alpha"].dtype == results["param_tol"].dtype == float
    np.testing.assert_array_equal(results["param_alpha"].mask, ~results["param_tol"].mask)


# ---------------------------------------------------------------- nothing to search


@pytest.mark.parametrize("start_trial", [True, False])
@pytest.mark.parametrize("space", [{}, [{}]])
def test_empty_space_scores_the_one_candidate(space, start_trial, data):
    search = searched(space=space, refit=True, start_trial=start_trial).fit(*data)
    expected = cross_val_score(Ridge(), *data, cv=KFold(3)).mean()
    assert list(search.cv_results_["mean_test_score"]) == [pytest.approx(expected)]
    assert search.best_params_ == {}
    np.testing.assert_allclose(search.predict(data[0]), Ridge().fit(*data).predict(data[0]))


# ---------------------------------------------------------------- scorers and failures


def test_function_that_returns_a_dict_without_a_refit_maximizes_the_first(data):
    def scoring(estimator, X, y):
        predicted = estimator.predict(X)
        return {"r2": r2_score(y, predicted), "worst": -max_error(y, predicted)}

    search = searched(scoring=scoring).fit(*data)
    grid = GridSearchCV(
        Ridge(), {"alpha": search.cv_results_["param_alpha"].tolist()}, cv=KFold(3),
        scoring=scoring, refit=False,
    ).fit(*data)  # fmt: skip
    for metric in ("r2", "worst"):
        np.testing.assert_allclose(
            search.cv_results_[f"mean_test_{metric}"], grid.cv_results_[f"mean_test_{metric}"]
        )
        assert set(search.cv_results_[f"rank_test_{metric}"]) == {1, 2, 3, 4}
    assert search.study_.best_value == search.cv_results_["mean_test_r2"].max()
    assert search.multimetric_
    assert not hasattr(search, "best_params_")
    assert not hasattr(grid, "best_params_")


class Broken(Ridge):
    """Fails to fit, with a large penalty."""

    def fit(self, X, y, sample_weight=None):
        if self.alpha >= 1:
            raise RuntimeError("no fit of mine")
        return super().fit(X, y, sample_weight)


def test_number_as_error_score_does_not_hide_that_every_fit_failed(data):
    with pytest.raises(ValueError, match="All the 6 fits failed"):
        GridSearchCV(Broken(), {"alpha": [1, 2]}, cv=3, error_score=0.1).fit(*data)
    search = searched(Broken(), error_score=0.1)
    with pytest.raises(ValueError, match=r"(?s)4 of 4 .*no fit of mine.*Not a single fit succ"):
        search.fit(*data)
    # One that does is enough.
    search = searched(Broken(alpha=0.5), error_score=0.1)
    with pytest.warns(FitFailedWarning, match="3 of 4 trials failed"):
        search.fit(*data)
    assert list(search.cv_results_["mean_test_score"][1:]) == pytest.approx([0.1] * 3)


# ---------------------------------------------------------------- good enough


def test_target_score_ends_the_search(data):
    values = []

    def scoring(estimator, X, y):
        values.append(estimator.alpha)
        return 0.9 if len(set(values)) >= 3 else 0.1

    study = optuna.create_study(direction="maximize")
    options = {"scoring": scoring, "target_score": 0.9, "study": study, "n_trials": 50}
    search = searched(**options).fit(*data)
    assert len(search.cv_results_["params"]) == 3
    assert search.best_score_ == pytest.approx(0.9)
    # A study that is good enough gets no more trials.
    assert len(searched(**options).fit(*data).cv_results_["params"]) == 3
    assert len(searched(**options | {"target_score": 0.95, "n_trials": 5}).fit(*data).study_.trials)
    assert len(study.trials) == 5


def test_target_score_of_several_objectives_is_refused(data):
    search = searched(scoring=["r2", "neg_max_error"], target_score=0.5)
    with pytest.raises(InvalidParameterError, match=r"target_score=0.5.*refit='r2'"):
        search.fit(*data)
    with pytest.raises(InvalidParameterError, match="target_score='high'"):
        searched(target_score="high").fit(*data)


# ---------------------------------------------------------------- what Optuna's tools see


def test_terminators_know_the_scores_of_the_folds(data):
    search = searched(n_trials=2).fit(*data)
    for i, trial in enumerate(search.study_.trials):
        scores = [search.cv_results_[f"split{k}_test_score"][i] for k in range(3)]
        assert trial.system_attrs["terminator:cv_scores"] == scores


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["score"]),
        ({"scoring": "neg_mean_absolute_error"}, ["neg_mean_absolute_error"]),
        ({"scoring": ["r2", "neg_max_error"], "refit": "r2"}, ["r2"]),
        ({"scoring": ["r2", "neg_max_error"]}, ["r2", "neg_max_error"]),
    ],
)
def test_objectives_have_the_names_of_the_metrics(options, names, data):
    study = searched(n_trials=1, **options).fit(*data).study_
    assert study.metric_names == names


def test_names_that_a_study_has_are_kept(data):
    study = optuna.create_study(direction="maximize")
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["mine"])
    searched(n_trials=1, study=study).fit(*data)
    assert study.metric_names == ["mine"]


def test_dashboards_show_what_is_for_readers_alone(tmp_path, data):
    search = searched(n_trials=2, storage=tmp_path / "log", study_name="it").fit(*data)
    assert search.study_.user_attrs == {}
    shown = [set(trial.user_attrs) - {"skdl:worker"} for trial in search.study_.trials]
    assert shown == [{"skdl:start"}, set()]


def test_progress_tells_the_score_of_the_start(data, capsys):
    search = searched(Ridge(alpha=1e4), n_trials=3, verbose=1).fit(*data)
    shown = capsys.readouterr().out
    assert f"best {search.best_score_:.4g} (start {search.start_score_:.4g})" in shown
