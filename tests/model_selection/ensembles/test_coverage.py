"""Coverage of intervals and sets over all rows and by group, by hand."""

import numpy as np
import pytest

from skdl.model_selection import coverage_by_group

INTERVALS = np.array([[0, 1], [0, 2], [0, 3], [0, 4]])
SETS = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]], bool)


def test_intervals_hold_their_ends_and_are_told_by_group():
    table = coverage_by_group([1, 3, 3, 9], INTERVALS, ["b", "b", "b", "a"])
    assert table.index.tolist() == ["all rows", "a", "b"]
    np.testing.assert_allclose(table["coverage"], [2 / 4, 0, 2 / 3])
    np.testing.assert_allclose(table["size"], [2.5, 4, 2])
    assert table["n_rows"].tolist() == [4, 1, 3]


def test_confidence_interval_is_that_of_wilson():
    # Wilson 1927 for 3 of 4, z = 1.96: centre (p + z^2 / 2n) / (1 + z^2 / n), and so on.
    z2 = 1.959964**2
    centre = (0.75 + z2 / 8) / (1 + z2 / 4)
    half = np.sqrt(z2 * (0.75 * 0.25 / 4 + z2 / 64)) / (1 + z2 / 4)
    line = coverage_by_group([1, 1, 1, 9], INTERVALS).loc["all rows"]
    np.testing.assert_allclose([line["low"], line["high"]], [centre - half, centre + half])


def test_sets_hold_labels():
    table = coverage_by_group(["a", "c", "c"], SETS, classes=["a", "b", "c"])
    line = table.loc["all rows"]
    np.testing.assert_allclose([line["coverage"], line["size"]], [2 / 3, 2])


@pytest.mark.parametrize(
    ("y", "predicted", "options", "message"),
    [
        ([1, 2], SETS[:2], {}, r"\(2, 3\).*classes=classifier\.classes_"),
        (["a", "d"], SETS[:2], {"classes": ["a", "b", "c"]}, r"y holds \['d'\]"),
        (["a", "b"], SETS[:2], {"classes": ["a", "b"]}, r"3 columns, classes are \['a', 'b'\]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(y, predicted, options, message):
    with pytest.raises(ValueError, match=message):
        coverage_by_group(y, predicted, **options)
