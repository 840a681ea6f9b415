"""Predictions of few rows of perceptrons by NumPy.

TensorFlow takes 5 CPU seconds to import, and some tenths of a millisecond to call. Neither is worth
it for a few rows: a process that unpickles a network and predicts never imports it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from skdl.layers import ForwardPass, NoForwardPassError, NumpyOperations, blueprint_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.training._trained import Trained

__all__ = ["MOST_ROWS", "numpy_predictor"]

# Of more rows, TensorFlow is faster: it uses all cores. The choice follows from the network and the
# number of rows alone, or equal calls would give other bits: the two round differently.
MOST_ROWS = 128

_predictors: weakref.WeakKeyDictionary[Trained, NumpyPredictor | None] = weakref.WeakKeyDictionary()


class NumpyPredictor:
    """One trained network.

    Parameters
    ----------
    trained : Trained

    Raises
    ------
    NoForwardPassError
        If only Keras knows what a layer computes.
    """

    def __init__(self, trained: Trained) -> None:
        self._run = ForwardPass(trained.network, trained.arrays)
        # A layer that cannot says so when it is to compute.
        self(np.zeros((1, *trained.network.input_shape), np.float32))

    def __call__(self, X: Any) -> NDArray[np.float32]:
        rows = np.asarray(X.toarray() if sparse.issparse(X) else X, np.float32)
        # As in TensorFlow, numbers that are too large become infinite or NaN without a word.
        with np.errstate(all="ignore"):
            outputs: NDArray[np.float32] = self._run(NumpyOperations(), rows)
        return outputs


def numpy_predictor(trained: Trained, n_rows: int) -> NumpyPredictor | None:
    """Return what predicts so many rows by NumPy; None where TensorFlow is to do it."""
    network = trained.network
    # Convolutions and loops over steps are much slower in NumPy; models of the user's are computed
    # as Keras does.
    blueprint = blueprint_of(network)
    is_perceptron = len(network.input_shape) == 1 and network.source is None
    is_perceptron = is_perceptron and not (blueprint.n_loop_steps or blueprint.im2col_size)
    if n_rows > MOST_ROWS or not is_perceptron:
        return None
    if trained not in _predictors:
        try:
            _predictors[trained] = NumpyPredictor(trained)
        except NoForwardPassError:
            _predictors[trained] = None
    return _predictors[trained]
