"""Functions called as they were traced: what they give, and what is traced when."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from skdl import _compile_cache
from skdl._compat_tensorflow import call_of_tensors
from skdl.training.engine import _traced
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


RESULT = Pair(None, (None,))


def traced(body, **options):
    return Traced(body, SIGNATURE, RESULT, **{"compiled": False, **options})


@pytest.mark.parametrize("key", [None, "a sum"])
@pytest.mark.parametrize(
    ("options", "n_expected"),
    [({}, 1), ({"compiled": True}, 1), ({"compiled": True, "by_shape": True}, 2)],
)
def test_one_trace_for_open_shapes_and_one_for_each_shape_where_asked(options, n_expected, key):
    n_traces = []
    function = traced(summed(n_traces), **options, key=key)
    assert not function.is_ready
    for n in (3, 5, 3, 5):
        found = function(pair(n))
        assert isinstance(found, Pair)
        np.testing.assert_array_equal(found.first, np.arange(n) + 1.0)
        np.testing.assert_array_equal(found.second[0], 2.0 * np.arange(n))
    assert function.is_ready
    assert len(n_traces) == n_expected


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Where graphs are kept."""
    monkeypatch.setattr(_compile_cache, "own_folder", lambda: tmp_path)
    return tmp_path


def test_what_one_has_traced_another_need_not(folder):
    n_traces = []
    traced(summed(n_traces), key="a sum")(pair(3))
    found = traced(summed(n_traces), key="a sum")(pair(4))
    np.testing.assert_array_equal(found.first, np.arange(4) + 1.0)
    assert len(n_traces) == 1
    assert len(list(folder.iterdir())) == 1
    # A function of another name, compiled, of another key, of given shapes, or without a key.
    others = [
        {"key": "a sum", "compiled": True},
        {"key": "another sum"},
        {"key": "a sum", "compiled": True, "by_shape": True},
        {},
    ]
    for options in others:
        traced(summed(n_traces), **options)(pair(3))
    assert len(n_traces) == 1 + len(others)


def test_retired_function_gets_another_name(folder):
    n_traces = []
    first = traced(summed(n_traces), key="a sum that ends")
    first(pair(3))
    first.retire()
    assert not first.is_ready
    first(pair(3))
    assert len(n_traces) == 2
    names = sorted(file.name for file in folder.iterdir())
    assert [name.replace("_1.", ".") for name in names] == [names[0]] * 2


def test_nothing_is_taken_out_on_a_gpu(monkeypatch, folder):
    monkeypatch.setattr(_traced, "has_gpu", lambda: True)
    traced(summed([]), key="a sum on a GPU")(pair(3))
    assert not list(folder.iterdir())


def test_what_the_body_captures_is_handed_on():
    variable = tf.Variable(2.0)
    specs = (tf.TensorSpec([None]),)
    function = Traced(lambda x: x * variable, specs, None, compiled=False, key="twice")
    np.testing.assert_array_equal(function(tf.ones([2])), [2.0, 2.0])
    variable.assign(3.0)
    np.testing.assert_array_equal(function(tf.ones([2])), [3.0, 3.0])


def test_without_the_attributes_of_tensorflow_the_public_call_is_used():
    concrete = tf.function(lambda x: x + 1.0, autograph=False).get_concrete_function(
        tf.TensorSpec([None])
    )
    call = call_of_tensors(concrete.__call__)
    np.testing.assert_array_equal(call((tf.ones([2]),)), [2.0, 2.0])
