"""Bad values of every parameter are told before anything is trained."""

import contextlib

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skdl.exceptions import InvalidParameterError
from skdl.model_selection import (
    AveragingClassifier,
    AveragingRegressor,
    IteratedKFold,
    KFoldEnsembleClassifier,
    KFoldEnsembleRegressor,
    OptunaPruning,
    OptunaSearchCV,
    cross_validate,
    duplicate_groups,
    train_validation_test_split,
)

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2
ROWS = np.arange(20)
FITS = []


class SpyClassifier(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        FITS.append(1)
        return super().fit(X, y, sample_weight)


class SpyRegressor(Ridge):
    def fit(self, X, y, sample_weight=None):
        FITS.append(1)
        return super().fit(X, y, sample_weight)


CV = {
    "no splits": [],
    "empty dict": {},
    "dict": {1: 2},
    "numbers": [1, 2],
    "text": "5",
    "texts": ["x"],
    "table": np.zeros((2, 2)),
    "a row that is not": [(ROWS[:10], [99])],
    "negative row": [(ROWS[:10], [-1])],
    "no row to test on": [(ROWS[:10], [])],
    "no row to train on": [([], ROWS)],
    "floats": [(ROWS[:10] / 2, ROWS[10:])],
    "mask of another length": [(np.ones(3, bool), ROWS)],
    "three parts": [(ROWS, ROWS, ROWS)],
    "one fold": 1,
    "zero": 0,
    "float": 2.5,
    "true": True,
    "more folds than rows": 21,
    "huge": 10**9,
    "class": KFold,
    "object": object(),
}
SCORING = [
    "acuracy",
    "",
    3,
    float("nan"),
    [],
    {},
    {1: "r2"},
    {"a": "x"},
    ["x"],
    [1],
    object,
    X,
    True,
]
N_JOBS = ["2", 0, 1.5, float("nan"), [], {}, object(), X, True, b"1"]
ESTIMATOR = [None, "x", 3, [], {}, object(), LogisticRegression, X, True, len]
COUNT = [0, -1, 1.5, "3", None, [], {}, object(), float("inf"), 10**9, True]
FLAG = ["yes", 1, 0, None, [], {}, object(), 1.5, X, b"x"]
SEED = [-1, 1.5, "x", [], {}, object(), 2**32, X, True, np.random.default_rng(0)]
ERROR_SCORE = ["x", None, [], {}, object(), X, True, float("inf"), b"x", len]
VERBOSE = ["x", None, -1, 1.5, [], {}, object(), X, float("nan"), b"x"]
DATA = [None, "x", b"x", 3, 1.5, True, {}, object(), len, [], X[:3], object]
TARGETS = [None, *DATA[1:]]

CROSS_VALIDATE = {
    "cv": list(CV.values()),
    "scoring": SCORING,
    "n_jobs": N_JOBS,
    "estimator": ESTIMATOR,
    "n_iterations": COUNT,
    "baseline": FLAG,
    "return_train_score": FLAG,
    "return_estimator": FLAG,
    "return_predictions": FLAG,
    "return_indices": FLAG,
    "error_score": ERROR_SCORE,
    "verbose": VERBOSE,
    "compare_with": ["x", 3, [], [Ridge()], {1: Ridge()}, {"a": Ridge}, {"a": None}, object(), X],
    "params": ["x", 3, [], [1], {1: 2}, object(), X, True, b"x", len],
    "X": DATA,
    "y": TARGETS,
    "groups": DATA[1:],
}
SEARCH = {
    "cv": list(CV.values()),
    "scoring": SCORING,
    "n_jobs": N_JOBS,
    "estimator": ESTIMATOR,
    "n_iterations": COUNT,
    "n_trials": [0, -1, 1.5, "3", [], {}, object(), float("inf"), True, X],
    "timeout": [0, -1, "3", [], {}, object(), float("inf"), float("nan"), True, X],
    "param_distributions": ["x", None, 3, [], [1], {"D": [1]}, {"C": []}, object, X],
    "sampler": ["x", 3, [], {}, object(), True, X, len, b"x", KFold],
    "pruner": ["x", 3, [], {}, object(), True, X, len, b"x", KFold],
    "storage": [3, 1.5, [], {}, object(), True, X, len, b"x", KFold, "", "no/study.log", "a://b"],
    "study_name": [3, 1.5, [], {}, object(), True, X, len, b"x", KFold],
    "load_if_exists": FLAG,
    "refit": [3, None, [], {}, object(), 1.5, X, b"x"],
    "trials_together": COUNT,
    "random_state": SEED,
    "callbacks": ["x", 3, {}, [1], [None], object(), True, X, b"x", ["x"]],
    "verbose": VERBOSE,
    "error_score": ERROR_SCORE,
    "return_train_score": FLAG,
    "X": DATA,
    "y": TARGETS,
}
ENSEMBLE = {
    "cv": [*(v for v in CV.values() if not isinstance(v, list)), [1, 2], None],
    "estimator": [*ESTIMATOR[:-1], Ridge],
    "n_iterations": COUNT,
    "refit": [v for v in COUNT if v is not None],
    "random_state": SEED,
    "X": DATA,
    "y": TARGETS,
}
AVERAGING = {
    "n_members": COUNT,
    "estimator": ESTIMATOR,
    "random_state": SEED,
    "X": DATA,
    "y": TARGETS,
}


def cases(table):
    return [
        pytest.param(name, value, id=f"{name}-{i}")
        for name, values in table.items()
        for i, value in enumerate(values)
    ]


@contextlib.contextmanager
def told_before_training(owner, name):
    FITS.clear()
    with pytest.raises((ValueError, TypeError)) as caught:
        yield
    message = str(caught.value)
    assert not FITS
    assert message.startswith(owner)
    assert name in message
    assert "xpected" in message or "cannot split" in message


@pytest.mark.parametrize(("name", "value"), cases(CROSS_VALIDATE))
def test_cross_validate(name, value):
    given = {"estimator": SpyClassifier(), "X": X, "y": Y, name: value}
    with told_before_training("cross_validate", name):
        cross_validate(**given)


@pytest.mark.parametrize(("name", "value"), cases(SEARCH))
def test_search(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"estimator": SpyClassifier(), "param_distributions": {"C": [1, 2]}, "n_trials": 2}
    data = {"X": X, "y": Y}
    (data if name in data else given)[name] = value
    if name == "storage":
        given["study_name"] = "study"
    # Data and choices are spoken of by their own names.
    shown = "" if name == "param_distributions" else name
    with told_before_training("OptunaSearchCV", shown):
        OptunaSearchCV(**given).fit(**data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [KFoldEnsembleClassifier, KFoldEnsembleRegressor])
@pytest.mark.parametrize(("name", "value"), cases(ENSEMBLE))
def test_ensemble_over_folds(kind, name, value):
    spy = SpyClassifier() if kind is KFoldEnsembleClassifier else SpyRegressor()
    given, data = {"estimator": spy}, {"X": X, "y": Y}
    (data if name in data else given)[name] = value
    with told_before_training(kind.__name__, name):
        kind(**given).fit(**data)


@pytest.mark.parametrize("kind", [AveragingClassifier, AveragingRegressor])
@pytest.mark.parametrize(("name", "value"), cases(AVERAGING))
def test_averaging(kind, name, value):
    spy = SpyClassifier() if kind is AveragingClassifier else SpyRegressor()
    given, data = {"estimator": spy}, {"X": X, "y": Y}
    (data if name in data else given)[name] = value
    with told_before_training(kind.__name__, name):
        kind(**given).fit(**data)


@pytest.mark.parametrize(
    ("name", "value"),
    cases(
        {
            "n_splits": [v for v in COUNT if v != 10**9] + [1],
            "n_iterations": COUNT,
            "random_state": SEED,
            "stratified": FLAG,
        }
    ),
)
def test_iterated_k_fold(name, value):
    with told_before_training("IteratedKFold", name):
        IteratedKFold(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), cases({"X": DATA[:9], "y": DATA[1:9], "groups": DATA[1:9]})
)
def test_rows_to_split(name, value):
    with told_before_training("IteratedKFold", name):
        list(IteratedKFold(2, 2).split(**{"X": X, name: value}))


SIZE = [0, -1, 1.0, 1.5, "x", None, [], {}, float("nan"), float("inf"), True, X]


@pytest.mark.parametrize(
    ("name", "value"),
    cases(
        {
            "validation_size": SIZE,
            "test_size": SIZE,
            "random_state": SEED,
            "shuffle": FLAG,
            "stratify": DATA[1:9],
            "groups": DATA[1:9],
            "array 1": DATA[:9],
        }
    ),
)
def test_three_parts(name, value):
    with told_before_training("train_validation_test_split", name):
        if name == "array 1":
            train_validation_test_split(X, value)
        else:
            train_validation_test_split(X, Y, **{name: value})


@pytest.mark.parametrize(("name", "value"), cases({"X": DATA[:9], "y": DATA[1:9]}))
def test_twins(name, value):
    with told_before_training("duplicate_groups", name):
        duplicate_groups(**{"X": X, name: value})


@pytest.mark.parametrize("monitor", [3, 1.5, [], {}, object(), True, X, len, b"x", KFold])
def test_pruning(monitor):
    import optuna

    with told_before_training("OptunaPruning", "monitor"):
        OptunaPruning(optuna.create_study().ask(), monitor=monitor)


@pytest.mark.parametrize("n", [3, 10])
def test_weights_of_other_rows_are_refused_before_any_fit(n):
    """Ten are as many as a fold trains on: each would have had the same weights, of other rows."""
    FITS.clear()
    weights, message = np.ones(n), f"X has 20, y has 20, sample_weight has {n}"
    halves = KFold(2)
    for call in (
        lambda: cross_validate(SpyClassifier(), X, Y, cv=halves, params={"sample_weight": weights}),
        lambda: OptunaSearchCV(SpyClassifier(), {"C": [0.1]}, cv=halves).fit(
            X, Y, sample_weight=weights
        ),
        lambda: KFoldEnsembleClassifier(SpyClassifier(), cv=halves).fit(
            X, Y, sample_weight=weights
        ),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            call()
    named = make_pipeline(SpyClassifier())
    with pytest.raises(InvalidParameterError, match=f"__sample_weight has {n}"):
        OptunaSearchCV(named, {"spyclassifier__C": [0.1]}, cv=halves).fit(
            X, Y, spyclassifier__sample_weight=weights
        )
    assert not FITS


def test_mistyped_scorer_is_suggested():
    with pytest.raises(InvalidParameterError, match="Did you mean 'accuracy'"):
        cross_validate(SpyClassifier(), X, Y, scoring="acuracy")


def test_masks_are_positions_of_rows():
    first = ROWS < 10
    result = cross_validate(SpyClassifier(), X, Y, cv=[(first, ~first)], baseline=False)
    by_number = cross_validate(SpyClassifier(), X, Y, cv=[(ROWS[:10], ROWS[10:])], baseline=False)
    np.testing.assert_array_equal(result["test_score"], by_number["test_score"])
