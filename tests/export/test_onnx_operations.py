"""Forward passes as ONNX graphs, against the same passes by NumPy, which stand against Keras."""

import numpy as np
import onnxruntime
import pytest

from skdl.export._graph import Graph, InputColumn
from skdl.export._onnx_operations import OnnxOperations
from skdl.layers import ForwardPass, NumpyOperations
from skdl.layers._activation_formulas import ACTIVATION_FORMULAS
from tests.layers.forward_cases import (
    CHAINS,
    MERGES,
    TABLES,
    dense,
    merging,
    network_for,
    network_of,
    random_arrays,
    rows_for,
    rows_of,
)


def run_graph(compute, X, width):
    graph = Graph()
    block = graph.add_input(InputColumn("X", "array", "float32", list(X.shape[1:])))
    value = compute(OnnxOperations(graph), block.value)
    model = graph.model([(value, "y", "float32", width)])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["y"], {"X": X})[0], model


def assert_same(network, X):
    run = ForwardPass(network, random_arrays(network))
    expected = run(NumpyOperations(), X)
    found, _ = run_graph(run, X, list(expected.shape[1:]))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())
    none, _ = run_graph(run, X[:0], list(expected.shape[1:]))
    assert none.shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("name", [*CHAINS, *TABLES])
def test_graph_is_what_numpy_computes(name):
    assert_same(network_for(name), rows_for(name))


def test_loops_over_steps_stand_in_other_graphs_too():
    network, X = network_for("Bidirectional masked"), rows_for("Bidirectional masked")
    run = ForwardPass(network, random_arrays(network))
    expected, model = run_graph(run, X, [8])
    graph = Graph()
    block = graph.add_input(InputColumn("X", "array", "float32", list(X.shape[1:])))
    (merged,) = graph.merge(model, [block.value])
    outer = graph.model([(merged, "y", "float32", [8])])
    session = onnxruntime.InferenceSession(
        outer.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    np.testing.assert_array_equal(session.run(["y"], {"X": X})[0], expected)


@pytest.mark.parametrize("kind", MERGES)
def test_merges(kind):
    assert_same(merging(kind), rows_of((5,)))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "exponential"])
def test_output_activations(activation):
    assert_same(network_of((5,), [dense()], activation), rows_of((5,)))


@pytest.mark.parametrize("name", sorted(ACTIVATION_FORMULAS))
def test_activations(name):
    x = np.r_[np.linspace(-9, 9, 601), -0.5, 0.5, 1.0, -1.0, 3.0, -3.0, -90.0, 80.0, 0.0]
    x = x.astype(np.float32).reshape(-1, 10)
    x = np.minimum(x, 20) if name == "exponential" else x
    x = np.maximum(x, -20) if name == "log_softmax" else x
    with np.errstate(all="ignore"):
        expected = ACTIVATION_FORMULAS[name](NumpyOperations(), x)
    found, _ = run_graph(ACTIVATION_FORMULAS[name], x, [10])
    if name == "log_softmax":
        expected, found = np.maximum(expected, -60), np.maximum(found, -60)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=3e-6)


def test_columns_that_were_joined_are_not_cut_again():
    _, model = run_graph(
        ForwardPass(network_for("Categories"), random_arrays(network_for("Categories"))),
        rows_for("Categories"),
        [4],
    )
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("Slice") == 4  # the numbers and three categories of the input

    def halves(ops, x):
        parts = [ops.columns(x, 0, 2), ops.columns(x, 2, 5)]
        joined = ops.concatenate(parts)
        return ops.concatenate([ops.columns(joined, 2, 5), ops.columns(joined, 0, 2)])

    X = rows_of((5,))
    found, model = run_graph(halves, X, [5])
    np.testing.assert_array_equal(found, X[:, [2, 3, 4, 0, 1]])
    # The first joint was needed by nobody.
    assert [node.op_type for node in model.graph.node].count("Concat") == 1
