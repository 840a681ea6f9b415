"""Windows of a table in the order of time, and splits of them that leak nothing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skdl
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import Windows, cross_validate

SERIES = np.arange(20.0)
TABLE = np.stack([SERIES, -SERIES], 1)


def rows_of(windows, i):
    """Return the rows of the table that a window and its targets cover; the values say which."""
    inside = windows.X[i, :, 0].astype(int)
    return {*inside.tolist(), *np.atleast_1d(windows.y[i]).astype(int).tolist()}


def test_windows_and_targets_by_hand():
    windows = Windows(TABLE, SERIES, length=3)
    assert windows.X.shape == (17, 3, 2)
    assert windows.X.dtype == np.float32
    np.testing.assert_array_equal(windows.X[4], [[4, -4], [5, -5], [6, -6]])
    np.testing.assert_array_equal(windows.y, SERIES[3:])
    np.testing.assert_array_equal(windows.start_, np.arange(17))
    assert repr(windows) == "Windows(17 of 3 rows and 2 channels, horizon=1, stride=1)"


def test_several_steps_ahead_are_columns():
    windows = Windows(SERIES, SERIES, length=2, horizon=3, stride=5)
    np.testing.assert_array_equal(windows.start_, [0, 5, 10, 15])
    np.testing.assert_array_equal(windows.y, [[2, 3, 4], [7, 8, 9], [12, 13, 14], [17, 18, 19]])


def test_without_targets_windows_go_to_the_last_row():
    windows = Windows(SERIES, length=5)
    assert windows.y is None
    np.testing.assert_array_equal(windows.X[-1, :, 0], [15, 16, 17, 18, 19])


def test_windows_share_memory_with_one_array():
    windows = Windows(np.zeros((10_000, 8), np.float32), length=100)
    assert windows.X.base is not None
    assert windows.X.strides[0] == windows.X.strides[1] == 32


def test_no_window_crosses_groups():
    groups = np.repeat(["a", "b", "c"], [8, 3, 9])
    windows = Windows(TABLE, SERIES, length=3, groups=groups)
    for i, group in enumerate(windows.groups):
        assert {groups[row] for row in rows_of(windows, i)} == {group}
    # Of 8 and 9 rows 5 and 6 windows of 3 and a target; "b" has no room for any.
    assert windows.groups.tolist() == ["a"] * 5 + ["c"] * 6


@pytest.mark.parametrize("cv", [TimeSeriesSplit(3), KFold(4), TimeSeriesSplit(2, gap=2)])
@pytest.mark.parametrize("horizon", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_no_training_window_touches_a_test_row(cv, horizon, stride):
    windows = Windows(TABLE, SERIES, length=2, horizon=horizon, stride=stride)
    for (train, test), (train_rows, test_rows) in zip(
        windows.split(cv), cv.split(TABLE), strict=True
    ):
        for i in train:
            assert rows_of(windows, i) <= set(train_rows.tolist())
        for i in test:
            assert set(np.atleast_1d(windows.y[i]).astype(int)) <= set(test_rows.tolist())
        # And none is left out that meets both.
        others = set(range(len(windows))) - set(train.tolist())
        assert not any(rows_of(windows, i) <= set(train_rows.tolist()) for i in others)


def test_a_test_window_may_look_back_over_the_border():
    windows = Windows(SERIES, SERIES, length=4)
    (train, test), *_ = windows.split(TimeSeriesSplit(3))
    assert (windows.y[test] == SERIES[5:10]).all()
    assert windows.X[test[0], 0, 0] == 1
    assert windows.y[train].tolist() == [4]


def test_groups_are_split_as_wholes():
    groups = np.repeat(np.arange(4), 5)
    windows = Windows(SERIES, SERIES, length=2, groups=groups)
    for train, test in windows.split(GroupKFold(2)):
        assert not set(windows.groups[train]) & set(windows.groups[test])
        assert len(train) + len(test) == len(windows)


def test_naive_forecasts_by_hand():
    windows = Windows(SERIES, SERIES, length=4, horizon=3)
    # The first window is 0, 1, 2, 3; its targets 4, 5, 6.
    np.testing.assert_array_equal(windows.naive()[0], [3, 3, 3])
    np.testing.assert_array_equal(windows.naive(season=2)[0], [2, 3, 2])
    np.testing.assert_array_equal(windows.naive(season=4)[0], [0, 1, 2])
    np.testing.assert_array_equal(Windows(SERIES, SERIES, length=4).naive(4), SERIES[:-4])


def test_cross_validation_beside_a_naive_baseline():
    rng = np.random.default_rng(0)
    series = rng.normal(size=60).cumsum()
    windows = Windows(series, series, length=5)
    splits = windows.split(TimeSeriesSplit(3))
    flat = make_pipeline(FunctionTransformer(lambda X: X.reshape(len(X), -1)), Ridge())
    network = skdl.CNNRegressor(
        conv_blocks=1, filters=2, hidden_units=2, dimensions=1, epochs=1, random_state=0
    )
    result = cross_validate(
        network, windows.X, windows.y, cv=splits, scoring="neg_mean_absolute_error",
        baseline=windows.naive(), compare_with={"ridge": flat},
    )  # fmt: skip
    naive = [-mean_absolute_error(windows.y[test], windows.naive()[test]) for _, test in splits]
    table = result.summary().loc["score"]
    assert table.loc["baseline", "mean"] == pytest.approx(np.mean(naive))
    assert table["n_folds"].tolist() == [3, 3, 3]


def test_baseline_of_labels():
    y = np.array(["a", "b"] * 20)
    predicted = np.where(np.arange(40) < 10, "a", y)
    network = skdl.MLPClassifier(2, epochs=1, random_state=0)
    X = np.random.default_rng(0).normal(size=(40, 2))
    result = cross_validate(network, X, y, cv=KFold(4), baseline=predicted)
    # In the first fold of 10 rows all are "a", of which half are right.
    assert result.summary().loc[("score", "baseline"), "mean"] == pytest.approx((0.5 + 3) / 4)


def test_baseline_of_another_length_is_refused():
    network = skdl.MLPRegressor(2, epochs=1)
    with pytest.raises(
        InvalidParameterError, match=r"baseline has shape \(3,\), and y has \(20,\)"
    ):
        cross_validate(network, TABLE, SERIES, baseline=[1, 2, 3])


def test_targets_may_be_transformed_around_a_network():
    windows = Windows(SERIES + 1, SERIES + 1, length=3)
    network = skdl.CNNRegressor(
        conv_blocks=1, filters=2, hidden_units=2, dimensions=1, epochs=1, random_state=0
    )
    model = TransformedTargetRegressor(network, func=np.log, inverse_func=np.exp)
    scores = cross_val_score(model, windows.X, windows.y, cv=windows.split(TimeSeriesSplit(2)))
    assert np.isfinite(scores).all()


def test_frames_and_columns():
    frame = pd.DataFrame(TABLE, columns=["a", "b"])
    windows = Windows(frame, frame["b"], length=3)
    np.testing.assert_array_equal(windows.X, Windows(TABLE, length=3).X[:-1])
    np.testing.assert_array_equal(windows.y, -SERIES[3:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "length=0 .*>= 1"),
        ({"horizon": 0}, "horizon=0 .*>= 1"),
        ({"stride": 1.5}, r"stride=1\.5 .*integer"),
        ({"length": 20}, "length=20 with horizon=1 takes 21 rows, but X has 20 at most"),
        ({"groups": [0] * 5 + [1] * 5 + [0] * 10}, "group 0 do not stand together.*sort by group"),
        ({"groups": [0] * 3}, r"groups has 3 entries.*one per row of X, 20"),
        ({"y": TABLE, "horizon": 2}, r"y of shape \(20, 2\).*three dimensions"),
        ({"y": SERIES[:5]}, r"inconsistent numbers of samples: \[20, 5\]"),
    ],
)
def test_what_makes_no_windows_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Windows(TABLE, **{"y": SERIES, "length": 3} | arguments)


def test_a_split_without_room_for_a_window_is_refused():
    windows = Windows(TABLE, SERIES, length=8)
    with pytest.raises(ValueError, match=r"split 0 .*5 training rows.*length=8.*Expected fewer"):
        windows.split(TimeSeriesSplit(3))


def test_naive_needs_targets_and_a_season_within_the_window():
    with pytest.raises(InvalidParameterError, match=r"season=4 is too long .*3 rows"):
        Windows(TABLE, SERIES, length=3).naive(4)
    with pytest.raises(InvalidParameterError, match="there is no y"):
        Windows(TABLE, length=3).naive()


def test_splits_may_be_masks_of_rows():
    windows = Windows(TABLE, SERIES, length=3)
    rows = list(KFold(4).split(TABLE))
    masks = [tuple(np.isin(np.arange(20), side) for side in split) for split in rows]
    for found, expected in zip(windows.split(masks), windows.split(rows), strict=True):
        np.testing.assert_equal(found, expected)


@pytest.mark.parametrize("test", [range(-5, 0), range(15, 25), np.arange(15.0, 20.0)])
def test_splits_of_rows_that_are_not_there_are_refused(test):
    windows = Windows(TABLE, SERIES, length=3)
    with pytest.raises(InvalidParameterError, match=r"split 0 has .* row numbers from 0 to 19"):
        windows.split([(np.arange(15), np.array(test))])


def test_rows_are_split_by_the_classes_of_their_targets():
    windows = Windows(TABLE, SERIES.astype(int) % 2, length=2)
    cv = StratifiedKFold(2)
    found = windows.split(cv)
    expected = windows.split(list(cv.split(TABLE, SERIES % 2)))
    np.testing.assert_equal(found, expected)
