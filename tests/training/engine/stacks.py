"""What tests of several stacks in one batch share: two jobs for each of three widths."""

import numpy as np

from skdl.training import train

WIDTHS = (3, 4, 5)


def each_stack_alone(jobs):
    return [outcome for i in range(0, len(jobs), 2) for outcome in train(jobs[i : i + 2])]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.statistics, other.statistics)
        assert one.history == other.history
