"""Functions as messages: equal to what was traced, named by what they compute, kept whole."""

import gc
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from skdl import _compile_cache
from skdl._compat_tensorflow import call_by_name
from skdl.networks import Loss
from skdl.training.engine import _lasting_graphs
from skdl.training.engine._lasting_graphs import (
    lasting_text,
    name_for,
    read,
    retire,
    taken_out,
    write,
)

VECTOR = tf.TensorSpec([None])


def concrete(body, *signature):
    return tf.function(body, autograph=False).get_concrete_function(*(signature or (VECTOR,)))


def doubled_and_summed(x):
    """Loops inside a loop, each of which is a function of its own, and a gradient."""

    def outer(i, total):
        _, inner = tf.while_loop(
            lambda j, _: j < 2, lambda j, own: (j + 1, own + x), (0, tf.zeros_like(x))
        )
        return i + 1, total + inner

    with tf.GradientTape() as tape:
        tape.watch(x)
        _, total = tf.while_loop(lambda i, _: i < 3, outer, (0, tf.zeros_like(x)))
    return total, tape.gradient(total, x)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(_compile_cache, "own_folder", lambda: tmp_path)
    return tmp_path


def is_registered(name):
    from tensorflow.python.eager import context

    return context.context().has_function(name)


# ------------------------------------------------------------------------------- definitions


def test_function_computes_the_same_under_its_new_name_and_goes_with_its_call():
    x = tf.constant([1.0, -2.5, 3.25])
    graph = taken_out(concrete(doubled_and_summed), "skdl_loops")
    names = [own.signature.name for own in graph.library.function]
    assert len(names) >= 5
    assert names[0] == "skdl_loops"
    assert all(name.startswith("skdl_loops") for name in names)
    call = call_by_name(graph.library, graph.name, graph.n_outputs)
    total, gradient = call((x,))
    np.testing.assert_array_equal(total, 6.0 * x.numpy())
    np.testing.assert_array_equal(gradient, [6.0, 6.0, 6.0])
    # A second call of the same name: TensorFlow counts them.
    twin = call_by_name(graph.library, graph.name, graph.n_outputs)
    del call
    gc.collect()
    np.testing.assert_array_equal(twin((x,))[0], 6.0 * x.numpy())
    del twin
    gc.collect()
    assert [name for name in names if is_registered(name)] == []


def test_a_name_that_stands_for_something_else_is_left_alone():
    first, second = (
        taken_out(concrete(lambda x, by=by: x * by), "skdl_times") for by in (2.0, 3.0)
    )
    call = call_by_name(first.library, first.name, 1)
    assert call_by_name(second.library, second.name, 1) is None
    np.testing.assert_array_equal(call((tf.ones(2),))[0], [2.0, 2.0])


def test_message_does_not_depend_on_what_was_traced_before():
    graphs = []
    for n_before in (0, 3):
        for _ in range(n_before):
            concrete(lambda x: x + 1.0)
        graphs.append(taken_out(concrete(doubled_and_summed), "skdl_alike").library)
    assert graphs[0] == graphs[1]


VARIABLE = tf.Variable(2.0)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda x: x * VARIABLE, id="variable"),
        pytest.param(lambda x: tf.numpy_function(np.sin, [x], tf.float32), id="NumPy"),
        pytest.param(lambda x: x + tf.random.normal([1]), id="random"),
        pytest.param(
            lambda x: tf.map_fn(lambda v: v + tf.random.uniform([]), x), id="random in a loop"
        ),
    ],
)
def test_what_cannot_be_parted_from_its_process_is_not(body):
    assert taken_out(concrete(body), "skdl_bound") is None


def test_what_a_debugger_has_changed_is_not_kept():
    tf.debugging.enable_check_numerics()
    try:
        assert taken_out(concrete(lambda x: x + 1.0), "skdl_watched") is None
    finally:
        tf.debugging.disable_check_numerics()


# ------------------------------------------------------------------------------------- files


def test_what_is_read_is_what_was_written(folder):
    graph = taken_out(concrete(doubled_and_summed), "skdl_kept")
    write(graph)
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert read("skdl_kept") == graph
    assert read("skdl_other") is None
    # Not under a name that it was not written for.
    file.rename(folder / "skdl_other.graph")
    assert read("skdl_other") is None


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b"?" * len(b), lambda b: b""])
def test_damaged_file_is_as_none(folder, damage):
    write(taken_out(concrete(lambda x: x + 1.0), "skdl_damaged"))
    (file,) = folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert read("skdl_damaged") is None


def test_large_tables_are_not_kept(folder, monkeypatch):
    graph = taken_out(concrete(lambda x: x + 1.0), "skdl_large")
    monkeypatch.setattr(_lasting_graphs, "_MOST_BYTES", 10)
    write(graph)
    assert list(folder.iterdir()) == []


def test_full_disk_is_no_error_and_leaves_nothing(folder, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    write(taken_out(concrete(lambda x: x + 1.0), "skdl_full"))
    assert list(folder.iterdir()) == []


# ------------------------------------------------------------------------------------- names


def test_text_of_a_key_tells_apart_what_python_takes_for_equal():
    keys = [(1, 2), (True, 2), (1.0, 2), ("1", 2), ((1,), 2), (1, None), (1, 2, ())]
    assert len({lasting_text(key) for key in keys}) == len(keys)
    assert lasting_text((0.1, "relu", None)) == lasting_text((0.1, "relu", None))


def test_code_of_the_users_has_no_lasting_text():
    def own(y, predictions):
        return (y - predictions) ** 2

    assert lasting_text(("a", own)) is None
    assert lasting_text(Loss("keras", function=own).structure) is None
    assert lasting_text(Loss("mse").structure) is not None


def test_settings_of_keras_are_part_of_a_name():
    name = name_for("a", 1)
    assert name == name_for("a", 1) != name_for("a", 2)
    before = keras.config.epsilon()
    keras.config.set_epsilon(1e-3)
    try:
        assert name_for("a", 1) != name
    finally:
        keras.config.set_epsilon(before)
    retire(name)
    assert name_for("a", 1) == f"{name}_1"
    retire(name_for("a", 1))
    assert name_for("a", 1) == f"{name}_2"
