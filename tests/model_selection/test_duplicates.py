"""Exact twins among rows, the splits that tear them apart, and when to warn of it."""

import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.model_selection import KFold, RepeatedKFold

from skdl.exceptions import DuplicateRowsWarning
from skdl.model_selection import _duplicates
from skdl.model_selection._duplicates import (
    duplicate_groups,
    rows_on_both_sides,
    warn_about_duplicates,
)
from skdl.model_selection._split import IteratedKFold

FOLDS = KFold(5, shuffle=True, random_state=0)


@pytest.fixture(scope="session")
def red_wine(shared_data):
    wine = pd.read_csv(shared_data("winequality-red.csv"), sep=";")
    return wine.drop(columns="quality"), wine["quality"]


@pytest.fixture
def numbers():
    """200 rows of five real numbers each, with no twins, and two classes."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 5)), rng.integers(0, 2, 200)


def warnings_of(X, y, splits=None, owner="cross_validate"):
    splits = list(FOLDS.split(X)) if splits is None else splits
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_about_duplicates(X, y, splits, owner)
    assert all(warning.category is DuplicateRowsWarning for warning in caught)
    return [str(warning.message) for warning in caught]


def by_hand(rows):
    """Number rows of plain values by their first equals, by comparing each with each."""
    first = [next(i for i, other in enumerate(rows) if other == row) for row in rows]
    return [sorted(set(first)).index(leader) for leader in first]


# ------------------------------------------------------------------ groups of twins


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, -0.0, 0.5])), min_size=1))
def test_groups_are_those_of_comparing_each_row_with_each(rows):
    expected = by_hand(rows)
    for held in (rows, np.array(rows), pd.DataFrame(rows), sparse.csr_array(np.array(rows))):
        assert duplicate_groups(held).tolist() == expected


@given(st.lists(st.integers(0, 3), min_size=1), st.data())
def test_twins_in_x_and_y_agree_in_both(rows, data):
    y = data.draw(st.lists(st.sampled_from("ab"), min_size=len(rows), max_size=len(rows)))
    X = [[row] for row in rows]
    assert duplicate_groups(X, y).tolist() == by_hand(list(zip(rows, y, strict=True)))


def test_rows_of_equal_hash_are_compared_in_full(monkeypatch):
    monkeypatch.setattr(_duplicates, "hash", lambda _row: 0, raising=False)
    assert duplicate_groups([[1, 2], [1, 3], [1, 2], [4, 5]]).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    "X",
    [
        np.array([[0.0, np.nan], [-0.0, -np.nan], [0.0, 1.0]]),
        np.array([[0.0, np.nan], [-0.0, -np.nan], [0.0, 1.0]], ">f4"),
        np.asfortranarray([[1, 2, 3], [1, 2, 3], [3, 2, 1]]),
        np.array([["a", "bb"], ["a", "bb"], ["ab", "b"]]),
        np.array([["a", None], ["a", np.nan], ["a", 1]], dtype=object),
        np.array(["2020-01-01", "2020-01-01", "NaT"], dtype="datetime64[D]"),
        [["a", 1], ["a", 1], ["a", 2]],
        ["a text", "a text", "another text"],
        [np.zeros((2, 2)), np.zeros((2, 2)), np.ones((2, 2))],
        np.stack([np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), np.ones((4, 4, 3))]),
        pd.Series(["a", "a", "b"], dtype="category"),
        pd.DataFrame({"x": pd.array([1, 1, None], dtype="Int64")}),
        pd.DataFrame({"x": pd.array([1.5, 1.5, None], dtype="Float64"), "y": [1, 1, 1]}),
        pd.DataFrame({"x": [0.0, -0.0, np.nan], "y": ["a", "a", "a"]}),
        pd.DataFrame({"x": [None, None, "a"], "y": pd.Categorical(["u", "u", None])}),
        pd.DataFrame([[1.0, 2], [1.0, 2], [2.0, 1]], columns=["same", "same"], index=[7, 7, 7]),
        pd.DataFrame(
            {"when": pd.to_datetime(["2020-01-01", "2020-01-01", "2021-01-01"], utc=True)}
        ),
        pd.DataFrame({"large": [2**60, 2**60, 2**60 + 1], "x": [0.5, 0.5, 0.5]}),
    ],
)
def test_first_two_rows_are_twins_and_the_third_is_not(X):
    assert duplicate_groups(X).tolist() == [0, 0, 1]


def test_frames_of_polars_are_compared_as_those_of_pandas():
    polars = pytest.importorskip("polars", reason="polars is optional")
    frame = polars.DataFrame({"x": [1, 1, None, None], "y": ["a", "a", "b", None]})
    assert duplicate_groups(frame).tolist() == [0, 0, 1, 2]
    assert duplicate_groups(frame[["y"]], frame["x"]).tolist() == [0, 0, 1, 2]


def test_sparse_rows_are_twins_however_they_are_stored():
    data, columns, starts = [3.0, 1.0, 2.0, 1.0, 0.0, 3.0], [2, 0, 0, 2, 1, 0], [0, 2, 6, 6]
    twisted = sparse.csr_array((data, columns, starts), shape=(3, 3))
    assert twisted.toarray().tolist() == [[1, 0, 3], [5, 0, 1], [0, 0, 0]]
    equal = sparse.csr_array(np.array([[5.0, 0, 1], [1, 0, 3], [0, 0, 0]]))
    both = sparse.vstack([twisted, equal], format="csr")
    before = both.copy()
    for held in (both, sparse.csr_matrix(both), both.tocsc(), both.tocoo()):
        assert duplicate_groups(held).tolist() == [0, 1, 2, 1, 0, 2]
    np.testing.assert_array_equal(both.indices, before.indices)
    np.testing.assert_array_equal(both.data, before.data)


def test_rows_that_start_with_a_nan_in_sparse_storage_are_twins():
    X = sparse.csr_array(np.array([[np.nan, 0, 1], [-np.nan, 0, 1], [np.nan, 1, 0]]))
    assert duplicate_groups(X).tolist() == [0, 0, 1]


def test_data_are_not_written_to(iris):
    for data in iris:
        assert not data.flags.writeable
    duplicate_groups(*iris)


def test_no_rows_are_no_groups():
    assert duplicate_groups(np.zeros((0, 3)), np.zeros(0)).tolist() == []


def test_cells_that_cannot_be_compared_are_named():
    X = pd.DataFrame({"x": [[1], [1]], "y": ["a", "a"]})
    with pytest.raises(TypeError, match=r"unhashable type: 'list'.*turn such cells into columns"):
        duplicate_groups(X)


def test_targets_of_another_length_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        duplicate_groups([[1], [2]], [1])


def test_groups_keep_the_twins_of_red_wine_together(red_wine):
    X, y = red_wine
    groups = duplicate_groups(X)
    assert len(groups) - len(set(groups)) == 240
    splits = list(IteratedKFold(5, 2, 0).split(X, y, groups))
    assert rows_on_both_sides(X, y, splits).sum() == 0
    assert all(abs(len(test) - 1599 / 5) < 2 for _, test in splits)
    assert warnings_of(X, y, splits) == []


def test_large_tables_are_quick():
    X = np.random.default_rng(0).normal(size=(100_000, 50))
    X[90_000:] = X[:10_000]
    start = time.process_time()
    groups = duplicate_groups(X)
    # 0.1 s on one core of a laptop; the bound leaves room for a busy machine.
    assert time.process_time() - start < 1
    np.testing.assert_array_equal(groups, [*range(90_000), *range(10_000)])


# ------------------------------------------------------------------ rows on both sides


def test_counts_are_those_of_a_merge_in_pandas(red_wine):
    X, y = red_wine
    rows = X.assign(quality=y)
    splits = list(FOLDS.split(X))
    expected = [
        len(rows.iloc[test].merge(rows.iloc[train].drop_duplicates())) for train, test in splits
    ]
    assert rows_on_both_sides(X, y, splits).tolist() == expected
    assert sum(expected) > 200
    assert rows_on_both_sides(X.to_numpy(), y.to_numpy(), splits).tolist() == expected
    assert rows_on_both_sides(sparse.csr_array(X), y.tolist(), splits).tolist() == expected


def test_rows_of_other_targets_are_no_twins():
    X, splits = [[1], [2], [1], [1]], [([0, 1], [2, 3])]
    assert rows_on_both_sides(X, [0, 0, 0, 1], splits).tolist() == [1]
    assert rows_on_both_sides(X, None, splits).tolist() == [2]


def test_twins_within_one_side_do_not_count():
    X = [[1], [1], [2], [2]]
    assert rows_on_both_sides(X, None, [([0, 1], [2, 3])]).tolist() == [0]


# ------------------------------------------------------------------ the warning


def test_red_wine_warning_counts_rows_and_says_what_to_do(red_wine):
    X, y = red_wine
    splits = list(FOLDS.split(X))
    n_torn = rows_on_both_sides(X, y, splits).sum()
    (message,) = warnings_of(X, y, splits)
    assert message.startswith(f"cross_validate: {n_torn} of 1599 rows were to be tested on while")
    assert f"({100 * n_torn / 1599:.1f} % of the test rows over 5 splits)" in message
    assert "groups=skdl.model_selection.duplicate_groups(X)" in message


def test_remedies_of_the_warning_silence_it(red_wine):
    X, y = red_wine
    folds = RepeatedKFold(n_repeats=2, random_state=0)
    (message,) = warnings_of(X, y, list(folds.split(X)))
    remedy = message.split("first = ")[1].removesuffix(".")
    first = eval(remedy, {"np": np, "duplicate_groups": duplicate_groups, "X": X, "y": y})  # noqa: S307
    X, y = X.iloc[first], y.iloc[first]
    assert len(X) == 1359
    assert warnings_of(X, y, list(folds.split(X))) == []


def test_rows_torn_in_several_iterations_are_counted_once(numbers):
    X, y = (np.concatenate([data, data[:20]]) for data in numbers)
    splits = list(RepeatedKFold(n_splits=2, n_repeats=10, random_state=0).split(X))
    assert warnings_of(X, y, splits)[0].startswith("cross_validate: 40 of 220 rows")


def test_warning_points_to_the_line_that_called_the_owner(numbers):
    X, y = (np.concatenate([data, data]) for data in numbers)

    def cross_validate():
        warn_about_duplicates(X, y, list(FOLDS.split(X)), "cross_validate")

    with pytest.warns(DuplicateRowsWarning) as caught:
        cross_validate()
    assert caught[0].filename == __file__
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert lines[caught[0].lineno - 1].strip() == "cross_validate()"


@pytest.mark.parametrize("convert", [np.asarray, pd.DataFrame, sparse.csr_array])
def test_oversampling_before_splitting_is_warned_of(convert, numbers):
    X, y = numbers
    rare = np.repeat(np.flatnonzero(y)[:20], 9)
    X, y = np.concatenate([X, X[rare]]), np.concatenate([y, y[rare]])
    assert len(warnings_of(convert(X), y, list(FOLDS.split(X)))) == 1


def test_copies_of_images_are_warned_of():
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    assert len(warnings_of(np.concatenate([images, images[:10]]), None)) == 1


def test_rows_without_twins_are_silent(numbers):
    assert warnings_of(*numbers) == []


def test_few_twins_are_silent(numbers):
    X, y = (np.concatenate([data, data[:1]]) for data in numbers)
    assert rows_on_both_sides(X, y, FOLDS.split(X)).sum() == 2
    assert warnings_of(X, y) == []


def test_iris_is_silent():
    X, y = load_iris(return_X_y=True)
    assert rows_on_both_sides(X, y, FOLDS.split(X)).sum() == 2
    assert warnings_of(X, y) == []


def one_hot(n_levels, n_columns):
    rng = np.random.default_rng(0)
    return np.hstack([np.eye(n_levels)[rng.integers(0, n_levels, 2000)] for _ in range(n_columns)])


@pytest.mark.parametrize(
    "X",
    [
        one_hot(2, 2)[:, ::2],
        one_hot(3, 1),
        one_hot(20, 3),
        sparse.csr_array(one_hot(20, 3)),
        pd.DataFrame(one_hot(20, 3)).astype("category"),
        np.random.default_rng(0).integers(1, 6, (2000, 4)),
        np.zeros((2000, 1)),
    ],
    ids=["two bits", "one factor", "three factors", "sparse", "categories", "ratings", "constant"],
)
def test_twins_to_be_expected_of_few_values_are_silent(X):
    y = np.arange(2000) % 2
    splits = list(FOLDS.split(y))
    assert rows_on_both_sides(X, y, splits).sum() > 100
    assert warnings_of(X, y, splits) == []


def test_rows_that_cannot_be_compared_are_not_checked():
    tokens = [["a", "text"], ["another", "longer", "text"]] * 10
    assert warnings_of(tokens, None) == []
    assert warnings_of(pd.DataFrame({"tokens": tokens}), None) == []


def test_sequences_of_unequal_length_are_compared():
    one, other = np.array([[1.0, np.nan], [0.0, 2.0]]), np.array([[1.0, np.nan]])
    sequences = [one, other, [[1.0, np.nan], [-0.0, 2]], other.copy(), one.ravel(), one[::-1]]
    assert duplicate_groups(sequences).tolist() == [0, 1, 0, 1, 2, 3]
    assert duplicate_groups(sequences, y=[0, 0, 1, 0, 0, 0]).tolist() == [0, 1, 2, 1, 3, 4]
    with pytest.raises(ValueError, match="could not convert"):
        duplicate_groups([["a"], ["a", "b"]])
