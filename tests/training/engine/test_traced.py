"""Functions called as they were traced: what they give, and what is traced when."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from skdl._compat_tensorflow import call_of_tensors
from skdl.training.engine._traced import Traced


class Pair(NamedTuple):
    """Something nested."""

    first: tf.Tensor
    second: tuple[tf.Tensor, ...]


SIGNATURE = (Pair(tf.TensorSpec([None]), (tf.TensorSpec([None]),)),)


def pair(n):
    return Pair(tf.range(float(n)), (tf.ones([n]),))


def summed(n_traces):
    def body(given):
        n_traces.append(1)
        return Pair(given.first + given.second[0], (given.first * 2.0,))

    return body


@pytest.mark.parametrize(("compiled", "n_expected"), [(False, 1), (True, 2)])
def test_one_trace_for_open_shapes_and_one_for_each_shape_under_xla(compiled, n_expected):
    n_traces = []
    function = Traced(summed(n_traces), SIGNATURE, compiled=compiled)
    assert not function.is_ready
    for n in (3, 5, 3, 5):
        found = function(pair(n))
        assert isinstance(found, Pair)
        np.testing.assert_array_equal(found.first, np.arange(n) + 1.0)
        np.testing.assert_array_equal(found.second[0], 2.0 * np.arange(n))
    assert function.is_ready
    assert len(n_traces) == n_expected


def test_what_the_body_captures_is_handed_on():
    variable = tf.Variable(2.0)
    function = Traced(lambda x: x * variable, (tf.TensorSpec([None]),), compiled=False)
    np.testing.assert_array_equal(function(tf.ones([2])), [2.0, 2.0])
    variable.assign(3.0)
    np.testing.assert_array_equal(function(tf.ones([2])), [3.0, 3.0])


def test_without_the_attributes_of_tensorflow_the_public_call_is_used():
    concrete = tf.function(lambda x: x + 1.0, autograph=False).get_concrete_function(
        tf.TensorSpec([None])
    )
    call = call_of_tensors(concrete.__call__)
    np.testing.assert_array_equal(call((tf.ones([2]),)), [2.0, 2.0])
