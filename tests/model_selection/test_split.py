"""Iterated K-fold, the folds that `cv` stands for, and the three-way split."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
    cross_val_predict,
    cross_validate,
    train_test_split,
)
from sklearn.utils.metadata_routing import get_routing_for_object

from skdl.exceptions import InvalidParameterError
from skdl.model_selection._split import IteratedKFold, check_folds, train_validation_test_split

GROUPS = np.random.default_rng(0).integers(0, 30, 150)

some_groups = st.lists(st.integers(0, 12), min_size=8, max_size=60).filter(
    lambda groups: len(set(groups)) >= 5
)
seeds = st.integers(0, 2**32 - 1)


def splits_of(folds, *data, **groups):
    return [(train.tolist(), test.tolist()) for train, test in folds.split(*data, **groups)]


def assert_same_splits(actual, expected):
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


# ------------------------------------------------------------------ iterated K-fold


def test_splits_are_those_of_repeated_k_fold(iris):
    expected = RepeatedKFold(n_splits=4, n_repeats=3, random_state=7)
    assert_same_splits(splits_of(IteratedKFold(4, 3, 7), *iris), splits_of(expected, *iris))


def test_stratified_splits_are_those_of_repeated_stratified_k_fold(iris):
    expected = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=7)
    folds = IteratedKFold(4, 3, 7, stratified=True)
    assert_same_splits(splits_of(folds, *iris), splits_of(expected, *iris))


def test_stratified_splits_with_groups_are_those_of_stratified_group_k_fold(iris):
    rng = np.random.RandomState(7)
    folds = [StratifiedGroupKFold(4, shuffle=True, random_state=rng) for _ in range(2)]
    expected = [split for fold in folds for split in splits_of(fold, *iris, GROUPS)]
    assert_same_splits(
        splits_of(IteratedKFold(4, 2, 7, stratified=True), *iris, groups=GROUPS), expected
    )


@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("stratified", [False, True])
def test_each_iteration_tests_every_row_once_and_differs_from_the_others(stratified, groups, iris):
    folds = IteratedKFold(5, 4, 0, stratified=stratified)
    splits = splits_of(folds, *iris, groups=groups)
    assert len(splits) == folds.get_n_splits() == 20
    for start in range(0, 20, 5):
        tested = [row for _, test in splits[start : start + 5] for row in test]
        assert sorted(tested) == list(range(150))
    assert all(sorted(train + test) == list(range(150)) for train, test in splits)
    assert len({tuple(test) for _, test in splits}) == 20


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_equal_seeds_give_equal_splits_and_more_iterations_only_add_some(groups, iris):
    folds = IteratedKFold(5, 2, random_state=3)
    first = splits_of(folds, *iris, groups=groups)
    assert splits_of(folds, *iris, groups=groups) == first
    assert splits_of(IteratedKFold(5, 4, 3), *iris, groups=groups)[:10] == first
    assert splits_of(IteratedKFold(5, 2, 4), *iris, groups=groups) != first


def test_random_state_object_moves_on_from_call_to_call(iris):
    folds = IteratedKFold(5, 2, random_state=np.random.RandomState(3))
    assert splits_of(folds, *iris) == splits_of(IteratedKFold(5, 2, 3), *iris)
    assert splits_of(folds, *iris) != splits_of(IteratedKFold(5, 2, 3), *iris)


@given(groups=some_groups, seed=seeds, n_splits=st.integers(2, 5))
def test_no_group_is_torn_apart_and_folds_differ_by_less_than_the_largest_group(
    groups, seed, n_splits
):
    groups = np.array(groups)
    sizes = []
    for train, test in IteratedKFold(n_splits, 2, seed).split(groups, groups=groups):
        assert not set(groups[train]) & set(groups[test])
        sizes.append(len(test))
    for iteration in (sizes[:n_splits], sizes[n_splits:]):
        assert min(iteration) > 0
        assert max(iteration) - min(iteration) <= np.bincount(groups).max()


@given(groups=some_groups, seed=seeds)
def test_no_group_is_torn_apart_by_stratified_folds(groups, seed):
    groups = np.array(groups)
    y = np.arange(len(groups)) % 2
    for train, test in IteratedKFold(2, 2, seed, stratified=True).split(groups, y, groups):
        assert not set(groups[train]) & set(groups[test])


def test_groups_of_unequal_size_make_folds_more_equal_than_those_of_scikit_learn():
    sizes = np.random.default_rng(0).lognormal(2, 1.2, 60).astype(int) + 1
    groups = np.repeat(np.arange(60), sizes)

    def spread(folds):
        return np.std([len(test) for _, test in folds.split(groups, groups=groups)])

    theirs = [spread(GroupKFold(5, shuffle=True, random_state=seed)) for seed in range(20)]
    ours = [spread(IteratedKFold(5, 1, seed)) for seed in range(20)]
    assert np.mean(ours) < np.mean(theirs) / 2


@pytest.mark.parametrize(
    "container", [list, pd.Series, lambda names: pd.Series(names, dtype="category")]
)
def test_groups_may_be_names_in_any_container(container, iris):
    names = [f"patient {number}" for number in GROUPS]
    expected = splits_of(IteratedKFold(5, 2, 0), *iris, groups=np.array(names))
    assert splits_of(IteratedKFold(5, 2, 0), *iris, groups=container(names)) == expected


def test_splitter_shows_its_parameters_and_survives_copies(iris):
    folds = IteratedKFold(3, 2, random_state=1, stratified=True)
    assert (
        repr(folds) == "IteratedKFold(n_iterations=2, n_splits=3, random_state=1, stratified=True)"
    )
    for twin in (copy.deepcopy(folds), clone(folds, safe=False), pickle.loads(pickle.dumps(folds))):
        assert repr(twin) == repr(folds)
        assert splits_of(twin, *iris) == splits_of(folds, *iris)


def test_cross_validate_hands_groups_on(diabetes):
    X, y = diabetes
    folds = IteratedKFold(3, 2, 0)
    for groups in (None, GROUPS):
        done = cross_validate(Ridge(), X, y, cv=folds, groups=groups, return_indices=True)
        actual = list(zip(done["indices"]["train"], done["indices"]["test"], strict=True))
        assert_same_splits(actual, splits_of(folds, X, groups=groups))


def test_groups_are_routed_and_may_be_left_out(diabetes):
    X, y = diabetes
    folds = IteratedKFold(3, 2, 0)
    assert get_routing_for_object(folds).split.requests == {"groups": True}
    with sklearn.config_context(enable_metadata_routing=True):
        for params in ({}, {"groups": GROUPS}):
            done = cross_validate(Ridge(), X, y, cv=folds, params=params, return_indices=True)
            actual = list(zip(done["indices"]["train"], done["indices"]["test"], strict=True))
            assert_same_splits(actual, splits_of(folds, X, **params))
        silent = IteratedKFold(3, 2, 0).set_split_request(groups=False)
        assert get_routing_for_object(silent).split.requests == {"groups": False}


def test_grid_search_takes_it(diabetes):
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1]}, cv=IteratedKFold(3, 2, 0))
    search.fit(*diabetes, groups=GROUPS)
    assert search.n_splits_ == 6


def test_cross_val_predict_refuses_iterations_as_it_does_repeats(diabetes):
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(Ridge(), *diabetes, cv=IteratedKFold(3, 2, 0))
    assert cross_val_predict(Ridge(), *diabetes, cv=IteratedKFold(3, 1, 0)).shape == (150,)


def test_all_bad_parameters_are_told_at_construction():
    with pytest.raises(InvalidParameterError, match="3 parameters need a change") as caught:
        IteratedKFold(1, 2.0, stratified="yes")
    message = str(caught.value)
    assert "n_splits=1 is not allowed. Expected an integer >= 2, for example 5." in message
    assert "n_iterations=2.0 is not allowed. Expected an integer in [1, 100000]" in message
    assert "stratified='yes' is not allowed. Expected True or False" in message


def test_bad_seed_is_told_at_construction():
    with pytest.raises(InvalidParameterError, match="random_state='0' is not allowed"):
        IteratedKFold(random_state="0")


def test_too_few_groups_error_counts_them():
    with pytest.raises(ValueError, match=r"groups holds 2 distinct groups.*at least 5: ask for"):
        next(IteratedKFold().split(np.zeros(10), groups=[0, 1] * 5))


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_groups_error_says_to_name_them(missing):
    groups = pd.Series(["a", "b", missing, "a"])
    with pytest.raises(ValueError, match=r"1 missing value .* name them"):
        next(IteratedKFold(2).split(np.zeros(4), groups=groups))


def test_stratified_split_without_classes_asks_for_y():
    with pytest.raises(ValueError, match=r"needs the classes, got y=None\. Pass y"):
        next(IteratedKFold(2, stratified=True).split(np.zeros(4)))


def test_small_classes_meet_the_warnings_and_errors_of_scikit_learn():
    folds = IteratedKFold(3, 2, 0, stratified=True)
    with pytest.warns(UserWarning, match="least populated class in y has only 2 members"):
        next(folds.split(np.zeros(8), [0, 0, 0, 0, 0, 0, 1, 1]))
    with pytest.raises(ValueError, match="number of members in each class"):
        next(folds.split(np.zeros(4), [0, 0, 1, 1]))
    with pytest.raises(ValueError, match="Supported target types"):
        next(folds.split(np.zeros(4), [0.1, 0.2, 0.3, 0.4]))


# ------------------------------------------------------------------ what `cv` stands for


@pytest.mark.parametrize("cv", [None, 3, np.int64(4)])
@pytest.mark.parametrize("is_classifier", [False, True])
def test_one_iteration_is_what_scikit_learn_makes_of_cv(cv, is_classifier, iris):
    expected = check_cv(cv, iris[1], classifier=is_classifier)
    folds = check_folds(cv, iris[1], is_classifier=is_classifier)
    assert repr(folds) == repr(expected)
    assert isinstance(folds, StratifiedKFold if is_classifier else KFold)


def test_one_iteration_with_groups_is_group_k_fold(iris):
    folds = check_folds(3, iris[1], groups=GROUPS)
    assert repr(folds) == repr(GroupKFold(3))
    folds = check_folds(3, iris[1], is_classifier=True, groups=GROUPS)
    assert repr(folds) == repr(StratifiedGroupKFold(3))


@pytest.mark.parametrize(
    ("y", "is_classifier", "stratified"),
    [
        ([0, 1] * 10, True, True),
        ([0, 1] * 10, False, False),
        (np.eye(2, dtype=int)[[0, 1] * 10], True, False),
        (None, True, False),
    ],
    ids=["classes", "regressor", "multilabel", "no y"],
)
def test_several_iterations_are_stratified_for_classes_only(y, is_classifier, stratified):
    folds = check_folds(3, y, n_iterations=2, is_classifier=is_classifier, random_state=5)
    assert repr(folds) == repr(IteratedKFold(3, 2, 5, stratified=stratified))


def test_splitters_and_splits_are_taken_as_they_are(iris):
    folds = ShuffleSplit(3)
    assert check_folds(folds, iris[1]) is folds
    splits = [(np.arange(100), np.arange(100, 150))]
    assert_same_splits(splits_of(check_folds(iter(splits)), *iris), splits)


@pytest.mark.parametrize("cv", [KFold(3), [([0], [1])]])
def test_iterations_of_a_splitter_are_refused_with_the_remedy(cv):
    with pytest.raises(InvalidParameterError, match=r"cross_validate: n_iterations=4.*cv=5, or"):
        check_folds(cv, n_iterations=4, owner="cross_validate")


@pytest.mark.parametrize("cv", [1, True, 2.5, "5", KFold])
def test_bad_cv_error_names_what_is_expected(cv):
    with pytest.raises(
        InvalidParameterError, match=r"cv=.* is not allowed.*integer >= 2.*splitter"
    ):
        check_folds(cv)


# ------------------------------------------------------------------ the three-way split


def test_parts_come_array_by_array_and_hold_every_row_once(iris):
    X, y = iris
    parts = train_validation_test_split(X, y, np.arange(150), random_state=0)
    assert [len(part) for part in parts] == [90, 30, 30] * 3
    assert sorted(np.concatenate(parts[6:])) == list(range(150))
    for rows, X_part, y_part in zip(parts[6:], parts[:3], parts[3:6], strict=True):
        np.testing.assert_array_equal(X_part, X[rows])
        np.testing.assert_array_equal(y_part, y[rows])


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("test_size", [0.25, 0.07, 40])
def test_test_part_is_that_of_train_test_split(test_size, stratified, iris):
    y = iris[1]
    options = {
        "test_size": test_size,
        "random_state": 3,
        "stratify": y if stratified else None,
    }
    rest, expected = train_test_split(np.arange(150), **options)
    train, validation, test = train_validation_test_split(np.arange(150), **options)
    np.testing.assert_array_equal(test, expected)
    assert sorted([*train, *validation]) == sorted(rest)


def test_sizes_are_shares_of_all_rows_rounded_up_or_counts():
    rows = list(range(99))
    parts = train_validation_test_split(rows, validation_size=0.5, test_size=7, random_state=0)
    assert list(map(len, parts)) == [42, 50, 7]


@pytest.mark.parametrize("labels", [list, np.array, pd.Series])
def test_stratified_parts_have_equal_shares_of_each_class(labels):
    y = ["rare"] * 20 + ["common"] * 80
    parts = train_validation_test_split(y, stratify=labels(y), random_state=0)
    assert [part.count("rare") for part in parts] == [12, 4, 4]
    assert [part.count("common") for part in parts] == [48, 16, 16]


def test_order_is_kept_without_shuffling():
    train, validation, test = train_validation_test_split(
        range(10), validation_size=2, test_size=0.3, shuffle=False
    )
    assert (list(train), list(validation), list(test)) == ([0, 1, 2, 3, 4], [5, 6], [7, 8, 9])


@given(groups=some_groups, seed=seeds)
def test_each_group_stands_in_one_part_only(groups, seed):
    parts = train_validation_test_split(groups, groups=groups, random_state=seed)
    train, validation, test = map(set, parts)
    assert train
    assert validation
    assert test
    assert not train & validation | train & test | validation & test
    largest, size = np.bincount(groups).max(), -(-len(groups) // 5)
    assert len(parts[1]) < size + largest
    assert len(parts[2]) < size + largest


def test_parts_of_small_groups_have_the_sizes_asked_for():
    groups = np.repeat(np.arange(500), 2)
    parts = train_validation_test_split(groups, groups=groups, random_state=0)
    assert [len(part) for part in parts] == [600, 200, 200]


def test_equal_seeds_give_equal_parts(iris):
    for options in ({}, {"stratify": iris[1]}, {"groups": GROUPS}):
        first, again, other = (
            train_validation_test_split(np.arange(150), random_state=seed, **options)[0].tolist()
            for seed in (1, 1, 2)
        )
        assert first == again != other


def test_parts_have_the_types_that_went_in(iris):
    polars = pytest.importorskip("polars", reason="polars is optional")
    X = np.asarray(iris[0])
    frame = pd.DataFrame(X, index=[f"flower {row}" for row in range(150)])
    arrays = [X.tolist(), X.reshape(150, 2, 2), frame, frame[0], polars.DataFrame(X)]
    arrays += [polars.Series(X[:, 0]), sparse.csr_array(X), sparse.coo_array(X)]
    parts = train_validation_test_split(np.arange(150), *arrays, groups=GROUPS, random_state=0)
    rows = parts[2]
    tests = parts[5::3]
    assert list(map(type, tests)) == [*map(type, arrays[:-1]), sparse.csr_array]
    assert tests[1].shape == (len(rows), 2, 2)
    assert list(tests[2].index) == [f"flower {row}" for row in rows]
    for index in (0, 2, 4):
        np.testing.assert_array_equal(np.asarray(tests[index]), X[rows])
    for index in (6, 7):
        np.testing.assert_array_equal(tests[index].toarray(), X[rows])


def test_red_wine_is_split_by_quality(shared_data):
    wine = pd.read_csv(shared_data("winequality-red.csv"), sep=";")
    parts = train_validation_test_split(wine, stratify=wine["quality"], random_state=0)
    assert [len(part) for part in parts] == [959, 320, 320]
    shares = [part["quality"].value_counts(normalize=True) for part in parts]
    for share in shares[1:]:
        np.testing.assert_allclose(share[[5, 6, 7]], shares[0][[5, 6, 7]], atol=0.005)


def test_bad_sizes_are_told_together():
    with pytest.raises(InvalidParameterError, match="2 parameters need a change") as caught:
        train_validation_test_split([1, 2, 3], validation_size=1.5, test_size=0)
    assert "test_size=0 is not allowed. Expected a number in (0, 1)" in str(caught.value)


def test_sizes_that_leave_no_training_rows_are_refused():
    with pytest.raises(ValueError, match=r"n_samples=10.*no rows to train on.*lower the sizes"):
        train_validation_test_split(range(10), validation_size=0.5, test_size=5)


def test_nothing_to_split_is_refused():
    with pytest.raises(ValueError, match="Pass at least one array"):
        train_validation_test_split()


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        train_validation_test_split(range(10), range(9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"stratify": GROUPS, "groups": GROUPS},
            "stratify and groups were both given.*StratifiedGroupKFold",
        ),
        ({"stratify": GROUPS, "shuffle": False}, "Expected stratify=None, or shuffle=True"),
        ({"groups": GROUPS, "shuffle": False}, "Expected groups=None, or shuffle=True"),
        ({"shuffle": "no"}, "shuffle='no' is not allowed"),
    ],
)
def test_parameters_that_exclude_each_other_are_refused(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        train_validation_test_split(np.zeros(150), **options)


@pytest.mark.parametrize("n_common", [3, 30])
def test_class_too_small_to_stratify_error_says_to_merge_it(n_common):
    y = [0] * n_common + [1]
    with pytest.raises(ValueError, match=r"cannot be stratified into .* Merge rare classes"):
        train_validation_test_split(y, stratify=y, random_state=0)


def test_two_groups_cannot_stand_in_three_parts():
    with pytest.raises(ValueError, match=r"2 distinct groups, too few .* 3 parts"):
        train_validation_test_split(range(10), groups=[0, 1] * 5)
