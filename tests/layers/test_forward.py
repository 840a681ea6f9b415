"""Forward passes without TensorFlow, against the Keras models of the same networks."""

import keras
import numpy as np
import pytest

from skdl.layers import ForwardPass, NoForwardPassError, NumpyOperations, keras_model
from skdl.layers._activation_formulas import ACTIVATION_FORMULAS
from skdl.layers._registry import _RULES
from skdl.networks import Layer
from tests.layers.forward_cases import (
    CHAINS,
    HEADS,
    MERGES,
    TABLES,
    batch_norm,
    dense,
    function,
    keras_object,
    merging,
    network_for,
    network_of,
    random_arrays,
    rows_for,
    rows_of,
    shared,
)

# Only Keras looks into them, or they loop over steps, which no back end's operations do yet.
WITHOUT_FORWARD = {
    "Bidirectional", "GRU", "LSTM", "Masking", "Model", "MultiHeadAttention",
    "Operation", "SequencePooling", "SimpleRNN",
    "StepMask",
}  # fmt: skip


def by_numpy(network, arrays, X):
    return ForwardPass(network, arrays)(NumpyOperations(), X)


def by_keras(network, arrays, X):
    model = keras_model(network)
    model.set_weights(arrays)
    return model.predict(X, verbose=0)


def assert_same(network, X):
    arrays = random_arrays(network)
    ours, theirs = by_numpy(network, arrays, X), by_keras(network, arrays, X)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("name", [*CHAINS, *TABLES])
def test_forward_pass_is_what_keras_computes(name):
    assert_same(network_for(name), rows_for(name))


@pytest.mark.parametrize("kind", MERGES)
def test_merges_are_what_keras_computes(kind):
    network = merging(kind)
    X, arrays = rows_of((5,)), random_arrays(network)
    kernels = dict(zip("abc", zip(arrays[::2], arrays[1::2], strict=True), strict=True))
    rows = keras.Input((5,))
    hidden = keras.layers.Dense(4)(rows)
    pair = [keras.layers.Activation("tanh")(hidden), keras.layers.Dense(4)(hidden)]
    model = keras.Model(rows, keras.layers.Dense(2)(getattr(keras.layers, kind)()(pair)))
    model.set_weights([array for pair in kernels.values() for array in pair])
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(by_numpy(network, arrays, X), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", sorted(ACTIVATION_FORMULAS))
def test_activations_are_those_of_keras(name):
    x = np.r_[np.linspace(-9, 9, 601), -3.0, -1.0, -0.5, 0.5, 1.0, 3.0, -90.0, 90.0]
    x = np.r_[x, np.zeros(1)].astype(np.float32).reshape(-1, 10)
    x = x if name != "exponential" else np.minimum(x, 20)
    with np.errstate(all="ignore"):
        ours = ACTIVATION_FORMULAS[name](NumpyOperations(), x)
    theirs = keras.ops.convert_to_numpy(keras.activations.get(name)(x))
    if name == "log_softmax":
        ours, theirs = np.maximum(ours, -80), np.maximum(theirs, -80)
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_every_activation_that_keras_knows_by_name_is_written_down():
    from keras.src.activations import ALL_OBJECTS_DICT

    # They halve the width, sort, or want arguments.
    left_out = {"glu", "sparsemax", "threshold"}
    assert set(ALL_OBJECTS_DICT) - left_out <= set(ACTIVATION_FORMULAS)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "exponential"])
def test_output_activations(activation):
    assert_same(network_of((5,), [dense()], activation), rows_of((5,)))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_shared_networks_average_behind_their_activation(activation):
    layers = [shared(is_first=True), function("relu"), HEADS]
    assert_same(network_of((5,), layers, activation), rows_of((5,)))


def test_every_rule_has_a_forward_pass_under_test():
    cases = [layers for _, layers in CHAINS.values()] + list(TABLES.values())
    tested = {layer.kind for layers in cases for layer in layers} | set(MERGES)
    assert set(_RULES) - WITHOUT_FORWARD <= tested


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("BatchNormalization behind Dense", ["Dense", "Activation", "Dense"]),
        ("BatchNormalization in front", ["Dense"]),
        ("BatchNormalization twice", ["Dense"]),
        ("Conv1D", ["Conv1D", "Activation", "Flatten", "Dense"]),
        ("Rescaling", ["Conv2D"]),
        ("BatchNormalization in front of Conv2D", ["Conv2D"]),
        # Zeros around the image stand for numbers behind the normalisation.
        ("BatchNormalization in front of padding", ["BatchNormalization", "Conv2D"]),
        ("FeatureScale", ["Dense"]),
        ("SharedDense", ["SharedDense", "Activation", "SharedDense", "SharedHeads"]),
    ],
)
def test_factors_and_offsets_are_folded(name, kinds):
    network = network_of(*CHAINS[name])
    steps = ForwardPass(network, random_arrays(network))._steps
    assert [step.layer.kind for step in steps] == kinds


def test_a_tensor_that_two_layers_take_is_not_folded():
    layers = [dense(), batch_norm(), Layer.of("Add")]
    network = network_of((5,), layers, inputs=((0,), (1,), (1, 2)))
    kernel, bias, gamma, beta, mean, variance = arrays = random_arrays(network)
    X = rows_of((5,))
    hidden = X @ kernel + bias
    expected = hidden + (hidden - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    np.testing.assert_allclose(by_numpy(network, arrays, X), expected, rtol=1e-5, atol=1e-5)


def bent(x):
    return x * 2


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (Layer.of("Activation", function=bent), "bent"),
        (Layer.of("Activation", function="sparsemax"), "sparsemax"),
        (keras_object(keras.layers.UnitNormalization()), "UnitNormalization"),
    ],
    ids=["function", "name", "layer"],
)
def test_layers_that_only_keras_knows_are_named(layer, name):
    network = network_of((5,), [dense(), layer])
    with pytest.raises(NoForwardPassError, match=f"{name}.* only Keras can compute"):
        by_numpy(network, random_arrays(network), rows_of((5,)))
