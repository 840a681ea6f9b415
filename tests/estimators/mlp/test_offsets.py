"""Large offsets of features: taken away in float64, or told."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

import skdl
from skdl import MLPRegressor
from skdl.estimators.mlp import _offsets
from skdl.estimators.mlp._offsets import in_float32, large_offsets

PLAIN = {"hidden_units": 8, "hidden_layers": 1, "epochs": 3, "random_state": 0}
SCALED = {**PLAIN, "input_scaling": "smooth_clip"}
START = 1.7e9


@pytest.fixture
def hour():
    """Unix seconds within one hour, beside a plain number, and a wave with a period of 15 min."""
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.uniform(0, 3600, 1200))
    X = np.column_stack([START + seconds, rng.normal(size=1200)])
    return X, np.sin(2 * np.pi * seconds / 900)


@pytest.mark.slow
def test_seconds_are_told_apart(hour):
    X, y = hour
    # Float32 holds multiples of 128 there: 29 different values.
    network = MLPRegressor.tabular(hidden_units=64, epochs=30, early_stopping=False, random_state=0)
    assert network.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.98


@pytest.mark.parametrize("form", ["array", "frame", "mixed", "integers"])
def test_an_offset_changes_nothing(form, hour):
    X, y = hour
    X = X.round() if form == "integers" else X
    near = X - [START, 0]
    forms = {
        "array": lambda rows: rows,
        "frame": lambda rows: pd.DataFrame(rows, columns=["t", "x"]),
        "mixed": lambda rows: pd.DataFrame(rows, columns=["t", "x"]).assign(town="Rome"),
        "integers": lambda rows: rows.astype(np.int64),
    }
    as_given = forms[form]
    options = {**SCALED, "categorical_features": "from_dtype", "epochs": 10}
    far = MLPRegressor(**options).fit(as_given(X), y).predict(as_given(X))
    expected = MLPRegressor(**options).fit(as_given(near), y).predict(as_given(near))
    np.testing.assert_allclose(far, expected, atol=1e-3)


def test_ordinary_numbers_stay_as_they_are():
    X = np.random.default_rng(0).normal(100, 1, (50, 3))
    assert large_offsets(X) is None
    np.testing.assert_array_equal(in_float32("MLP", X, None), X.astype(np.float32))
    assert large_offsets(np.full((5, 1), 1e9)) is None
    small = X.astype(np.float32)
    assert in_float32("MLP", small, None) is small


def test_offsets_by_hand(monkeypatch):
    monkeypatch.setattr(_offsets, "_BLOCK_CELLS", 4)
    X = np.array([[1e9, 0.1], [1e9 + 1, np.nan], [1e9 + 2, 0.3], [1e9 + 3, 0.4], [1e9 + 4, 0.5]])
    offsets = large_offsets(X)
    np.testing.assert_array_equal(offsets, [1e9 + 2, 0])
    expected = np.column_stack([[-2, -1, 0, 1, 2], X[:, 1]]).astype(np.float32)
    np.testing.assert_array_equal(in_float32("MLP", X, offsets), expected)
    with pytest.raises(ValueError, match=r"infinity or a value too large for dtype\('float32'\)"):
        in_float32("MLP", np.array([[1e39, 0.0]]), offsets)


def test_further_fits_pickles_and_the_keras_model_know_the_offset(hour):
    X, y = hour
    network = MLPRegressor(**SCALED).fit(X, y)
    twin = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(twin.predict(X), network.predict(X))
    twin.partial_fit(X[:100], y[:100])
    assert np.abs(twin.predict(X) - network.predict(X)).max() < 0.5
    # In float32 the rows lie up to 64 s from where they are, so choose some that do not.
    exact = X.copy()
    exact[:, 0] = START // 128 * 128 + 128 * np.arange(len(X)) % 3584
    theirs = np.asarray(network.model_(exact.astype(np.float32)))[:, 0]
    np.testing.assert_allclose(
        theirs * network.target_scale_ + network.target_offset_, network.predict(exact), atol=0.05
    )


def test_members_of_a_lockstep_keep_their_own_offsets(hour):
    X, y = hour
    network = MLPRegressor(**SCALED)
    parts = [slice(0, 600), slice(600, None)]
    with skdl.lockstep() as session:
        together = Parallel()(delayed(clone(network).fit)(X[rows], y[rows]) for rows in parts)
    assert session.batches == [2]
    for one, rows in zip(together, parts, strict=True):
        alone = MLPRegressor(**SCALED).fit(X[rows], y[rows])
        np.testing.assert_allclose(one.predict(X), alone.predict(X), atol=1e-3)


@pytest.mark.parametrize("form", ["array", "frame"])
def test_lost_differences_are_warned_of(form, hour):
    X, y = hour
    rows = X if form == "array" else pd.DataFrame(X, columns=["t", "x"])
    name = "0" if form == "array" else "'t'"
    message = rf"columns \[{name}\] of X vary by less than float32.*input_scaling='smooth_clip'"
    with pytest.warns(DataConversionWarning, match=message):
        MLPRegressor(**PLAIN).fit(rows, y)


@pytest.mark.parametrize(
    "column",
    [np.arange(60) + 2_000_000, np.full(60, 1.7e9), 1.7e9 + 86400.0 * np.arange(60)],
    ids=["integers that float32 holds", "constant", "a second is little in two months"],
)
def test_differences_that_float32_holds_are_not_warned_of(column):
    X = np.column_stack([column, np.arange(60)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataConversionWarning)
        MLPRegressor(**PLAIN, optimizer="sgd", learning_rate=1e-30).fit(X, np.zeros(60))
