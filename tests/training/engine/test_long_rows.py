"""Long sequences are predicted in small parts."""

import numpy as np

from skdl.networks import Layer, Loss, Network
from skdl.training import Trained
from skdl.training.engine._prediction import _Predictor


def rows_at_once(n_steps, units):
    recurrent = Layer.of("GRU", units=units, l1=0.0, l2=0.0)
    network = Network((n_steps, 1), (recurrent,), "linear", Loss("mse"))
    n_weights = 3 * units * (1 + units + 2)
    weights = np.zeros(n_weights, np.float32)
    return _Predictor(Trained(network, weights, weights[:0], {}, 0, 0), network)._rows_at_once


def test_rows_at_once_follow_the_length_of_sequences():
    """A step of a GRU has three gates; 16 million numbers are 64 MB of float32."""
    assert rows_at_once(100, 32) == 1024
    assert rows_at_once(10_000, 16) * 10_000 * 48 <= 2 * 16_000_000
