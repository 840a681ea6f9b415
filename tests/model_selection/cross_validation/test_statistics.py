"""Nadeau and Bengio's correction: against arithmetic by hand, and by how often it covers."""

import math

import numpy as np
import pytest
from scipy import stats

from skdl.model_selection.cross_validation._statistics import corrected_interval, corrected_t_test


def test_interval_of_three_scores_as_worked_out_by_hand():
    # S² = 0.01, (1/3 + 1/2) · S² = 1/120, t(0.975, 2) = 4.302653.
    interval = corrected_interval([0.7, 0.8, 0.9], n_train=100, n_test=50)
    half_width = 4.302653 * math.sqrt(1 / 120)
    expected = (0.8, 0.1, 0.8 - half_width, 0.8 + half_width)
    np.testing.assert_allclose(interval, expected, rtol=1e-6)


def test_half_of_the_confidence_has_quantile_one_with_one_degree_of_freedom():
    # Student's t with 1 degree of freedom is Cauchy: its quartiles are -1 and 1.
    mean, std, low, high = corrected_interval([1.0, 3.0], n_train=4, n_test=1, confidence=0.5)
    assert (mean, std) == (2.0, pytest.approx(math.sqrt(2)))
    error = math.sqrt((1 / 2 + 1 / 4) * 2)
    assert (low, high) == (pytest.approx(2 - error), pytest.approx(2 + error))


def test_p_value_follows_the_closed_form_for_two_degrees_of_freedom():
    test = corrected_t_test([0.7, 0.8, 0.9], [0.6, 0.6, 0.6], n_train=100, n_test=50)
    t = 0.2 / math.sqrt(1 / 120)
    expected = (0.2, t, 1 - t / math.sqrt(2 + t**2))
    np.testing.assert_allclose(test, expected, rtol=1e-12)


def test_without_a_test_set_the_test_is_the_ordinary_paired_one():
    a, b = np.random.default_rng(0).normal(size=(2, 10))
    ours = corrected_t_test(a, b, n_train=100, n_test=0)
    theirs = stats.ttest_rel(a, b)
    assert ours.statistic == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue)


def test_swapping_the_two_sides_changes_the_sign_only():
    a, b = np.random.default_rng(0).normal(size=(2, 10))
    forth, back = corrected_t_test(a, b, 80, 20), corrected_t_test(b, a, 80, 20)
    assert (back.difference, back.statistic) == (-forth.difference, -forth.statistic)
    assert back.p_value == forth.p_value


def test_folds_of_unequal_size_count_with_their_mean_ratio():
    ratios = [10 / 90, 30 / 70, 20 / 80]
    uneven = corrected_interval([1.0, 2.0, 4.0], n_train=[90, 70, 80], n_test=[10, 30, 20])
    even = corrected_interval([1.0, 2.0, 4.0], n_train=1, n_test=np.mean(ratios))
    np.testing.assert_allclose(uneven, even)


def test_failed_folds_are_left_out_with_their_sizes():
    scores = [0.7, math.nan, 0.8, 0.9]
    failed = corrected_interval(scores, n_train=[100, 1, 100, 100], n_test=[50, 99, 50, 50])
    assert failed == corrected_interval([0.7, 0.8, 0.9], n_train=100, n_test=50)


def test_folds_that_failed_on_either_side_are_left_out_of_the_test():
    a, b = [0.7, math.nan, 0.8, 0.9, 1.0], [0.6, 0.1, 0.6, 0.6, math.nan]
    assert corrected_t_test(a, b, 100, 50) == corrected_t_test([0.7, 0.8, 0.9], [0.6] * 3, 100, 50)


def test_a_single_score_has_a_mean_and_nothing_else():
    assert corrected_interval([0.5], 80, 20).mean == 0.5
    assert np.isnan(corrected_interval([0.5], 80, 20)[1:]).all()
    test = corrected_t_test([0.5], [0.25], 80, 20)
    assert test.difference == 0.25
    assert np.isnan(test[1:]).all()


def test_no_score_at_all_gives_nan_without_a_warning():
    assert np.isnan(corrected_interval([math.nan, math.nan], 80, 20)).all()
    assert np.isnan(corrected_t_test([math.nan], [1.0], 80, 20)).all()


def test_infinite_score_gives_no_interval_and_no_warning():
    mean, *rest = corrected_interval([-math.inf, -1.0, -2.0], 80, 20)
    assert mean == -math.inf
    assert np.isnan(rest).all()


def test_equal_scores_give_an_interval_of_no_width():
    assert corrected_interval([0.5, 0.5, 0.5], 80, 20) == (0.5, 0.0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(0.0, (0, 0, 1)), (0.5, (0.5, math.inf, 0)), (-0.5, (-0.5, -math.inf, 0))],
)
def test_constant_difference_is_a_tie_or_certain(shift, expected):
    scores = np.array([0.25, 0.5, 1.0])
    assert corrected_t_test(scores + shift, scores, 80, 20) == expected


def test_corrected_interval_covers_where_the_naive_one_does_not():
    # The estimator is the mean of its training rows, its error the squared one, on standard
    # normal targets: so the true mean error is 1 + 1/n_train.
    n_rows, n_iterations, n_folds, n_data_sets = 100, 10, 5, 1000
    n_test = n_rows // n_folds
    n_train = n_rows - n_test
    rng = np.random.default_rng(0)
    order = np.argsort(rng.random((n_iterations, n_rows)))
    held_out = np.zeros((n_iterations * n_folds, n_rows))
    np.put_along_axis(held_out, order.reshape(-1, n_test), 1.0, axis=1)
    y = rng.normal(size=(n_data_sets, n_rows))
    means = y @ (1 - held_out).T / n_train
    errors = (y**2 @ held_out.T - 2 * means * (y @ held_out.T)) / n_test + means**2

    def coverage(ratio):
        intervals = [corrected_interval(scores, 1.0, ratio) for scores in errors]
        return np.mean([i.low <= 1 + 1 / n_train <= i.high for i in intervals])

    assert 0.93 <= coverage(n_test / n_train) <= 0.99
    assert coverage(0.0) <= 0.6
