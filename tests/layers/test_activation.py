"""Activations that are computed in another way than Keras does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from skdl.layers._activation import mish


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "xla"])
def test_mish_and_its_slope_are_those_of_keras(compiled):
    x = tf.constant(np.r_[np.linspace(-30, 30, 2001), -1e4, -100, 100, 1e4].astype(np.float32))

    @tf.function(jit_compile=compiled)
    def value_and_slope(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return y, tape.gradient(y, x)

    ours, theirs = value_and_slope(mish), value_and_slope(keras.activations.mish)
    for own, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)
