"""Keras' activations, by name and as layers, written in `Operations`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays

__all__ = ["ACTIVATION_FORMULAS", "KERAS_LAYER_FORMULAS"]


def _linear(ops: Operations, x: Value) -> Value:
    del ops
    return x


def _relu(ops: Operations, x: Value) -> Value:
    return ops.maximum(x, 0.0)


def _relu6(ops: Operations, x: Value) -> Value:
    return ops.minimum(ops.maximum(x, 0.0), 6.0)


def _leaky_relu(ops: Operations, x: Value) -> Value:
    return ops.maximum(x, ops.multiply(x, 0.2))


def _softsign(ops: Operations, x: Value) -> Value:
    return ops.divide(x, ops.add(ops.abs(x), 1.0))


def _squareplus(ops: Operations, x: Value) -> Value:
    root = ops.sqrt(ops.add(ops.multiply(x, x), 4.0))
    return ops.multiply(ops.add(x, root), 0.5)


def _soft_shrink(ops: Operations, x: Value) -> Value:
    above = ops.maximum(ops.subtract(x, 0.5), 0.0)
    return ops.add(above, ops.minimum(ops.add(x, 0.5), 0.0))


def _hard_shrink(ops: Operations, x: Value) -> Value:
    return ops.where(ops.greater(ops.abs(x), 0.5), x, 0.0)


def _sparse_plus(ops: Operations, x: Value) -> Value:
    # (x + 1)² / 4 between -1 and 1; beyond 1 the rest of x is added.
    shifted = ops.add(ops.minimum(ops.maximum(x, -1.0), 1.0), 1.0)
    bent = ops.multiply(ops.multiply(shifted, shifted), 0.25)
    return ops.add(bent, ops.maximum(ops.subtract(x, 1.0), 0.0))


def _sparse_sigmoid(ops: Operations, x: Value) -> Value:
    return ops.multiply(ops.add(_hard_tanh(ops, x), 1.0), 0.5)


def _silu(ops: Operations, x: Value) -> Value:
    return ops.multiply(x, ops.sigmoid(x))


def _gelu(ops: Operations, x: Value) -> Value:
    # Hendrycks and Gimpel 2016, section 2: x times the normal distribution function.
    share = ops.add(ops.erf(ops.multiply(x, math.sqrt(0.5))), 1.0)
    return ops.multiply(ops.multiply(x, 0.5), share)


def _tanh_shrink(ops: Operations, x: Value) -> Value:
    return ops.subtract(x, ops.tanh(x))


def _hard_tanh(ops: Operations, x: Value) -> Value:
    return ops.minimum(ops.maximum(x, -1.0), 1.0)


def _hard_sigmoid(ops: Operations, x: Value) -> Value:
    return ops.multiply(_relu6(ops, ops.add(x, 3.0)), 1.0 / 6.0)


def _hard_silu(ops: Operations, x: Value) -> Value:
    return ops.multiply(x, _hard_sigmoid(ops, x))


def _log_sigmoid(ops: Operations, x: Value) -> Value:
    return ops.multiply(ops.softplus(ops.multiply(x, -1.0)), -1.0)


def _log_softmax(ops: Operations, x: Value) -> Value:
    return ops.log(ops.softmax(x))


ACTIVATION_FORMULAS: dict[str, Callable[[Operations, Value], Value]] = {
    "celu": lambda ops, x: ops.elu(x),
    "elu": lambda ops, x: ops.elu(x),
    "exponential": lambda ops, x: ops.exp(x),
    "gelu": _gelu,
    "hard_shrink": _hard_shrink,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "hard_tanh": _hard_tanh,
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "log_sigmoid": _log_sigmoid,
    "log_softmax": _log_softmax,
    "mish": lambda ops, x: ops.mish(x),
    "relu": _relu,
    "relu6": _relu6,
    "selu": lambda ops, x: ops.selu(x),
    "sigmoid": lambda ops, x: ops.sigmoid(x),
    "silu": _silu,
    "soft_shrink": _soft_shrink,
    "softmax": lambda ops, x: ops.softmax(x),
    "softplus": lambda ops, x: ops.softplus(x),
    "softsign": _softsign,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "squareplus": _squareplus,
    "swish": _silu,
    "tanh": lambda ops, x: ops.tanh(x),
    "tanh_shrink": _tanh_shrink,
}


def _sloped(ops: Operations, x: Value, slope: Any) -> Value:
    """Return x where it is positive, else a multiple of it."""
    return ops.add(ops.maximum(x, 0.0), ops.multiply(ops.minimum(x, 0.0), slope))


def _leaky_layer(ops: Operations, x: Value, weights: Arrays, config: dict[str, Any]) -> Value:
    del weights
    return _sloped(ops, x, config["negative_slope"])


def _prelu_layer(ops: Operations, x: Value, weights: Arrays, config: dict[str, Any]) -> Value:
    del config
    return _sloped(ops, x, weights[0])


def _elu_layer(ops: Operations, x: Value, weights: Arrays, config: dict[str, Any]) -> Value:
    del weights
    negative = ops.multiply(ops.elu(ops.minimum(x, 0.0)), float(config["alpha"]))
    return ops.add(ops.maximum(x, 0.0), negative)


# By class of the layer; given the layer's weights and its configuration.
KERAS_LAYER_FORMULAS: dict[str, Callable[[Operations, Value, Arrays, dict[str, Any]], Value]] = {
    "ELU": _elu_layer,
    "LeakyReLU": _leaky_layer,
    "PReLU": _prelu_layer,
}
