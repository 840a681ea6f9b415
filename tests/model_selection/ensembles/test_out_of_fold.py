"""Out-of-fold predictions and the intervals made of them, by hand."""

import numpy as np
import pytest

from skdl.model_selection.ensembles import _out_of_fold
from skdl.model_selection.ensembles._out_of_fold import (
    OutOfFoldPredictions,
    averaged_members,
    cv_plus_intervals,
)


def collected(*additions, n_rows=3):
    held_out = OutOfFoldPredictions(n_rows)
    for member, rows, predictions in additions:
        held_out.add(member, np.array(rows), np.array(predictions, float))
    return held_out


def test_mean_is_over_the_members_that_predicted_a_row():
    held_out = collected((0, [0, 1], [1, 2]), (1, [1], [4]))
    np.testing.assert_array_equal(held_out.mean, [1, 3, np.nan])
    np.testing.assert_array_equal(held_out.is_known, [True, True, False])


def test_members_are_listed_by_row_in_the_order_in_which_they_came():
    held_out = collected((0, [0, 2], [1, 1]), (1, [1, 2], [1, 1]), (2, [2], [1]))
    np.testing.assert_array_equal(held_out.member_of, [[0, 1, 0], [-1, -1, 1], [-1, -1, 2]])


def test_predictions_of_several_columns_keep_them():
    held_out = collected((0, [0], [[1, 2]]), (1, [0], [[3, 4]]), n_rows=1)
    np.testing.assert_array_equal(held_out.mean, [[2, 3]])


def test_no_splits_are_refused():
    with pytest.raises(ValueError, match="Expected a splitter that yields at least one"):
        _ = OutOfFoldPredictions(3).mean


# Rows 0 and 1 were held out from member 0, rows 2 and 3 from member 1, which predict 10 and 20.
MEMBER_OF = np.array([[0, 0, 1, 1]])
PREDICTIONS = np.array([[10.0], [20.0]])
RESIDUALS = np.array([1.0, 2.0, 3.0, 4.0])


def test_intervals_are_quantiles_of_predictions_plus_and_minus_errors():
    # With 4 rows a share of 0.8 is rank ceil(0.8 * 5) = 4: the largest of 11, 12, 23, 24, and
    # the smallest of 9, 8, 17, 16. A share of 0.6 is rank 3: one further in.
    for coverage, expected in [(0.8, [8, 24]), (0.6, [9, 23])]:
        intervals = cv_plus_intervals(PREDICTIONS, MEMBER_OF, RESIDUALS, coverage)
        np.testing.assert_array_equal(intervals, [expected])


def test_intervals_around_the_mean_of_members_have_the_errors_as_their_half_width():
    # Around 15; a share of 0.8 is the largest error, one of 0.6 the third.
    (mean,), member_of = averaged_members(PREDICTIONS, n_rows=4)
    for coverage, expected in [(0.8, [11, 19]), (0.6, [12, 18])]:
        intervals = cv_plus_intervals(mean, member_of, RESIDUALS, coverage)
        np.testing.assert_array_equal(intervals, [expected])


def test_intervals_are_infinite_where_rows_are_too_few():
    intervals = cv_plus_intervals(PREDICTIONS, MEMBER_OF, RESIDUALS, 0.9)
    np.testing.assert_array_equal(intervals, [[-np.inf, np.inf]])


def test_intervals_in_batches_are_those_of_all_rows_at_once(monkeypatch):
    predictions = np.arange(14.0).reshape(2, 7)
    at_once = cv_plus_intervals(predictions, MEMBER_OF, RESIDUALS, 0.7)
    monkeypatch.setattr(_out_of_fold, "_LARGEST_TABLE", 8)
    np.testing.assert_array_equal(
        cv_plus_intervals(predictions, MEMBER_OF, RESIDUALS, 0.7), at_once
    )
