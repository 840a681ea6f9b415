"""Our networks inside scikit-learn's own searches: lockstep changes nothing but the time."""

import contextlib

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPRegressor

GRID = {"mlpregressor__hidden_units": [(4,), (6,)], "mlpregressor__l2": [0.0, 0.1]}
DRAWN = {"mlpregressor__learning_rate": loguniform(1e-3, 1e-1), "mlpregressor__dropout": [0.0, 0.2]}
EPOCHS = {"resource": "mlpregressor__epochs", "min_resources": 2, "max_resources": 4, "factor": 2}
ROWS = {"resource": "n_samples", "min_resources": 40, "max_resources": 80, "factor": 2}


@pytest.mark.parametrize(
    ("search", "space", "params", "batches"),
    [
        (GridSearchCV, GRID, {"return_train_score": True}, [12, 1]),
        (RandomizedSearchCV, DRAWN, {"n_iter": 4, "random_state": 0}, [12, 1]),
        (HalvingGridSearchCV, GRID, {**ROWS, "random_state": 0}, [12, 6, 1]),
        (HalvingRandomSearchCV, DRAWN, {**ROWS, "n_candidates": 4, "random_state": 0}, [12, 6, 1]),
        (HalvingRandomSearchCV, DRAWN, {**EPOCHS, "random_state": 0}, [6, 3, 1]),
    ],
    ids=["grid", "random", "halving-grid", "halving-random", "halving-epochs"],
)
def test_cv_results_are_those_without_lockstep(search, space, params, batches, diabetes):
    X, y = diabetes[0][:80, :4], diabetes[1][:80]
    model = make_pipeline(StandardScaler(), MLPRegressor((4,), epochs=3, random_state=0))
    results = {}
    for name, context in {"with": skdl.lockstep, "without": contextlib.nullcontext}.items():
        with context() as session:
            fitted = search(
                model, space, cv=3, scoring="neg_root_mean_squared_error", **params
            ).fit(X, y)
        if name == "with":
            # The best is fitted on all rows outside of any task, on its own.
            assert session.batches in (batches, batches[:-1])
        results[name] = fitted
    one, other = results["with"].cv_results_, results["without"].cv_results_
    assert set(one) == set(other)
    tolerance = 1e-3 * np.std(results["without"].predict(X))
    for key, expected in other.items():
        if key.startswith(("split", "mean_t", "std_t")):
            np.testing.assert_allclose(one[key], expected, rtol=0, atol=tolerance)
        elif key in {"params", "iter", "n_resources"} or key.startswith("param_"):
            assert list(one[key]) == list(expected)
    expected = np.asarray(other["mean_test_score"])
    for rank in (one["rank_test_score"], other["rank_test_score"]):
        in_order = expected[np.argsort(rank)]
        # Within each round of a halving search: better ranks have better scores, ties apart.
        rounds = np.asarray(other.get("iter", np.zeros(len(rank))))[np.argsort(rank)]
        for i in np.unique(rounds):
            assert np.all(np.diff(in_order[rounds == i]) <= 2 * tolerance)
    assert results["with"].best_params_ == results["without"].best_params_
    np.testing.assert_allclose(
        results["with"].predict(X), results["without"].predict(X), rtol=0, atol=tolerance
    )
