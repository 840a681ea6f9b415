"""Folds of a table are views of it: held once, whoever splits it, with the same scores."""

import gc
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl.model_selection import OptunaSearchCV, cross_validate
from skdl.training import _train
from tests.checks import slow_but

TINY = {"hidden_units": 6, "epochs": 2, "learning_rate": 0.02, "random_state": 0}
# A stack of one rounds differently (see tests/training/engine/test_company.py).
ROUNDING = 1e-4


@pytest.fixture
def tables(monkeypatch):
    """The arrays that the members of all stacks read their rows from."""
    held = []
    original = _train.Member

    def recorded(job):
        held.append(job.train.X)
        if job.held_out is not None:
            held.append(job.held_out.X)
        return original(job)

    monkeypatch.setattr(_train, "Member", recorded)
    return held


def table(n_rows=120, n_features=5):
    X = np.random.default_rng(0).standard_normal((n_rows, n_features), np.float32)
    return X, X[:, 0] + 2 * X[:, 1]


def by_us(estimator, X, y):
    return cross_validate(estimator, X, y, cv=3, baseline=False)["test_score"]


def by_scikit_learn(estimator, X, y):
    with skdl.lockstep() as session:
        scores = cross_val_score(estimator, X, y, cv=3)
    assert session.batches == [3]
    return scores


def as_frame(X):
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


FORMS = {
    "float32": lambda X: X,
    "float64": lambda X: X.astype(float),
    "int": lambda X: (100 * X).astype(int),
    "frame": as_frame,
    "frame of several dtypes": lambda X: as_frame(X).astype({"x0": float, "x1": np.float32}),
}


@pytest.mark.parametrize("form", slow_but(list(FORMS), "float32", "float64", "frame"))
@pytest.mark.parametrize("function", [by_us, by_scikit_learn])
def test_folds_are_views_of_one_table(function, form, tables):
    X, y = table()
    X = FORMS[form](X)
    scores = function(MLPRegressor(**TINY), X, y)
    assert len({id(held) for held in tables}) == 1
    assert tables[0].shape == (120, 5)
    if form == "float32":
        assert np.shares_memory(tables[0], X)
    np.testing.assert_allclose(scores, cross_val_score(MLPRegressor(**TINY), X, y, cv=3), ROUNDING)


@pytest.mark.parametrize("function", [by_us, by_scikit_learn])
def test_folds_of_tabular_networks_are_views_too(function, tables):
    X, y = table()
    X[::3, 2] = np.nan
    estimator = MLPRegressor.tabular(epochs=2, random_state=0, hidden_units=8)
    scores = function(estimator, X, y)
    assert len({id(held) for held in tables}) == 1
    np.testing.assert_allclose(scores, cross_val_score(estimator, X, y, cv=3), ROUNDING)


def test_trials_of_a_search_share_the_table(tables):
    X, y = table()
    search = OptunaSearchCV(
        MLPRegressor(**TINY),
        {"hidden_units": [4, 8]},
        n_trials=2,
        cv=3,
        refit=False,
        random_state=0,
    )
    search.fit(X.astype(float), y)
    assert len({id(held) for held in tables}) == 1


def test_candidates_that_need_other_rows_get_them(tables):
    X, y = table()
    X = 1e9 + X.astype(float)
    with skdl.lockstep():
        search = GridSearchCV(
            MLPRegressor(**TINY), {"input_scaling": ["smooth_clip"]}, cv=3, refit=False
        ).fit(X, y)
    # Each fold takes offsets away before its numbers become float32.
    assert len({id(held) for held in tables}) == 3
    assert search.cv_results_["mean_test_score"][0] > -10


def test_predictions_by_folds():
    X, y = table()
    labels = (y > 0).astype(int)
    expected = cross_val_predict(MLPClassifier(**TINY), X, labels, method="predict_proba", cv=3)
    with skdl.lockstep():
        found = cross_val_predict(MLPClassifier(**TINY), X, labels, method="predict_proba", cv=3)
    np.testing.assert_allclose(found, expected, 1e-3, 1e-5)


@pytest.mark.parametrize("function", ["skdl", "scikit-learn"])
def test_a_scorer_of_ones_own_gets_the_rows_as_they_were(function):
    X, y = table()
    seen = []

    def scorer(estimator, rows, targets):
        seen.append(rows)
        return get_scorer("r2")(estimator, rows, targets)

    frame = as_frame(X)
    if function == "skdl":
        cross_validate(MLPRegressor(**TINY), frame, y, cv=3, scoring=scorer, baseline=False)
    else:
        with skdl.lockstep():
            cross_val_score(MLPRegressor(**TINY), frame, y, cv=3, scoring=scorer)
    assert {type(rows) for rows in seen} == {pd.DataFrame}
    assert list(seen[0].columns) == list(frame.columns)


def test_names_of_columns_and_positions_are_as_before():
    X, y = table()
    result = cross_validate(
        MLPRegressor(**TINY), as_frame(X), y, cv=3, baseline=False, return_estimator=True,
        return_indices=True,
    )  # fmt: skip
    names = result["estimator"][0].feature_names_in_
    assert names.tolist() == ["x0", "x1", "x2", "x3", "x4"]
    assert result["indices"]["train"][0].dtype == np.intp


def test_rows_that_float32_cannot_tell_apart_are_warned_of():
    X, y = table()
    X = X.astype(float)
    X[:, 1] += 1e9
    with pytest.warns(UserWarning, match=r"columns \[1\] of X vary by less than float32"):
        cross_validate(MLPRegressor(**TINY), X, y, cv=3, baseline=False)


def test_infinite_numbers_are_refused_as_by_a_lone_fit():
    X, y = table()
    X[3, 1] = np.inf
    with pytest.raises(ValueError, match="Input X contains infinity"):
        cross_validate(MLPRegressor(**TINY), X, y, cv=3, baseline=False, error_score="raise")


# ------------------------------------------------------------------ memory, as NumPy counts it


def peak_of(function):
    gc.collect()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("function", [by_us, by_scikit_learn])
def test_five_folds_take_less_than_two_and_a_half_times_the_table(function):
    estimator = MLPClassifier(16, epochs=1, batch_size=1024)
    X, y = table(100_000, 50)
    y = (y > 0).astype(int)
    function(estimator, X[:2000], y[:2000])
    assert peak_of(lambda: function(estimator, X, y)) < 2.5 * X.nbytes


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [40, 80, 160])
def test_a_memory_limit_holds(megabytes):
    # Behind a step each fold has tables of its own, of 12 MB: as split, as transformed and as
    # trained on.
    step = FunctionTransformer(np.copy)
    estimator = make_pipeline(step, MLPRegressor(8, epochs=1, batch_size=1024))
    X, y = table(20_000, 50)

    def run():
        with skdl.lockstep(memory_limit=megabytes * 1e6) as session:
            scores.append(cross_val_score(estimator, X, y, cv=20))
        batches.append(session.batches)

    scores, batches = [], []
    run()
    peak = peak_of(run)
    assert peak < 1.2 * megabytes * 1e6
    # Not by doing one at a time.
    assert max(batches[0]) > megabytes / 30
    assert sum(batches[0]) == 20
