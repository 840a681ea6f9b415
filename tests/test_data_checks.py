"""Data are checked at the door, in words that say what to do."""

from __future__ import annotations

import re

import numpy as np
import pytest

from skdl._data_checks import (
    check_enough_rows_to_split,
    check_known_labels,
    check_two_classes,
    check_validation_pair,
    check_weights,
    naming,
)


@pytest.mark.parametrize(
    ("argument", "text", "said"),
    [
        ("X_val", "X contains NaN", "MLP: X_val contains NaN"),
        ("X_val", "could not convert", "MLP: X_val is not as expected. could not convert"),
        ("X", "Found 0 sample(s)", "MLP: X is not as expected. Found 0 sample(s)"),
        ("X", "y contains NaN", "y contains NaN"),
        ("X_val", "MLP: Input X contains infinity", "MLP: Input X_val contains infinity"),
        (
            "X",
            "inconsistent numbers of samples: [3, 2]",
            "MLP: X and y do not go together. inconsistent numbers of samples: [3, 2]",
        ),
        ("y_val", "y_val contains NaN", "y_val contains NaN"),
    ],
)
def test_an_error_about_data_gets_the_name_of_the_argument(argument, text, said):
    with pytest.raises(ValueError, match="^" + re.escape(said) + "$"), naming("MLP", argument):
        raise ValueError(text)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((None, [0], None), r"y_val was passed without X_val\. Pass both or neither"),
        (([[0]], None, None), r"X_val was passed without y_val\. Pass both or neither"),
        ((None, None, [1]), r"sample_weight_val was passed without X_val .* Pass all three"),
    ],
)
def test_half_a_validation_set_is_refused(parts, message):
    with pytest.raises(ValueError, match=rf"^MLP: {message}"):
        check_validation_pair("MLP", *parts)


def test_whole_and_absent_validation_sets_pass():
    check_validation_pair("MLP", None, None, None)
    check_validation_pair("MLP", [[0]], [0], None)
    check_validation_pair("MLP", [[0]], [0], [1])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.0, 0.0], "only zero weights.*at least one of them positive"),
        ([1, -2], r"negative weights \(the least is -2\).*use weight 0 to leave out a row"),
        ([1.0, np.nan], "NaN or infinite weights.*Expected finite numbers >= 0"),
        ([1.0, np.inf], "NaN or infinite weights.*Expected finite numbers >= 0"),
    ],
)
def test_weights_that_cannot_weigh_are_refused(weights, message):
    with pytest.raises(ValueError, match=f"^MLP: sample_weight holds {message}"):
        check_weights("MLP", np.array(weights))


def test_weights_may_be_integers_and_partly_zero():
    check_weights("MLP", np.array([0, 3]))


def test_weights_of_which_sums_overflow_are_refused():
    with pytest.raises(ValueError, match=r"weights up to 1e\+38.*divide them all by one number"):
        check_weights("MLP", np.full(3, 1e38))


def test_weights_too_small_for_float32_are_refused():
    with pytest.raises(ValueError, match=r"weights of 1e-50 at the most.*multiply them all by one"):
        check_weights("MLP", np.full(3, 1e-50))
    check_weights("MLP", np.array([1e-50, 1.0]))


def test_weights_of_other_rows_are_called_by_their_name():
    with pytest.raises(ValueError, match=r"sample_weight_val holds.*or sample_weight_val=None to"):
        check_weights("MLP", np.zeros(2), "sample_weight_val")


@pytest.mark.parametrize(("n_samples", "fraction"), [(1, 0.1), (2, 0.9), (0, 0.5)])
def test_too_few_rows_to_split_error_says_how_to_go_on(n_samples, fraction):
    message = rf"^MLP: n_samples={n_samples} .*={fraction} leaves no rows.*early_stopping=False"
    with pytest.raises(ValueError, match=message):
        check_enough_rows_to_split("MLP", n_samples, fraction)


@pytest.mark.parametrize(("n_samples", "fraction"), [(2, 0.1), (10, 0.9)])
def test_one_row_on_either_side_is_enough_to_split(n_samples, fraction):
    check_enough_rows_to_split("MLP", n_samples, fraction)


def test_unseen_label_error_lists_unseen_and_known_labels():
    message = r"not seen in training: 'x', 'y'\. Expected only 'a', 'b'\. Remove those rows, or"
    with pytest.raises(ValueError, match=message):
        check_known_labels("MLP", np.array(["a", "x", "y", "x"]), np.array(["a", "b"]))


def test_unseen_label_error_shows_at_most_ten_labels():
    message = r": 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 and 5 more\. Expected only 0, 1, 2, 3, 4\."
    with pytest.raises(ValueError, match=message):
        check_known_labels("MLP", np.arange(20), np.arange(5))


def test_labels_of_types_that_do_not_sort_are_compared():
    with pytest.raises(ValueError, match=r"training: 1\. Expected only 'a', 'b'\."):
        check_known_labels("MLP", np.array(["a", 1], dtype=object), np.array(["a", "b"]))


def test_known_labels_pass_in_any_numeric_type():
    check_known_labels("MLP", np.array([[1.0], [0.0]]), np.array([0, 1]))
    check_known_labels("MLP", np.array([True]), np.array([False, True]))


@pytest.mark.parametrize(
    ("classes", "found"), [(np.array(["a"]), "1 class, 'a'"), (np.array([]), "no class")]
)
def test_one_class_error_says_what_to_check(classes, found):
    message = rf"hold only {re.escape(found)}\. Expected at least 2 classes.*DummyClassifier"
    with pytest.raises(ValueError, match=message):
        check_two_classes("MLP", classes)
    check_two_classes("MLP", np.array([0, 1]))
