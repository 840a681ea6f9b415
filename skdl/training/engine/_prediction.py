"""Predictions of trained networks through cached programs with open shapes."""

from __future__ import annotations

import contextlib
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import sparse

from skdl._compat_tensorflow import check_not_forked
from skdl._lazy_rows import LazyRows
from skdl._rows import source_of
from skdl.layers import blueprint_of, keras_model
from skdl.networks import reset_states, stateful_rows_of
from skdl.training._entries import check_entries
from skdl.training._losses import activated
from skdl.training._trained import Trained
from skdl.training.engine._calls import State
from skdl.training.engine._memory import aligned_zeros, as_tensor
from skdl.training.engine._numpy_prediction import numpy_predictor
from skdl.training.engine._program import program_for
from skdl.training.engine._program_spec import ProgramSpec
from skdl.training.engine._row_pool import bucket

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from skdl.networks import Network

    Batch: TypeAlias = tuple[NDArray[np.float32], int]

__all__ = ["predict", "traced_meanwhile"]

_MOST_NUMBERS = 4_000_000
_MOST_OF_LONG_ROWS = 4 * _MOST_NUMBERS
_large_turn = threading.Lock()


# Tensors of networks that are in use; a fitted estimator itself holds arrays only.
_predictors: weakref.WeakKeyDictionary[Trained, _Predictor | _KerasPredictor] = (
    weakref.WeakKeyDictionary()
)


def predict(trained: Trained, X: Any) -> Any:
    """Return the network's outputs in its own units.

    Few rows of a perceptron are predicted by NumPy, others by TensorFlow, see
    `skdl.training.engine._numpy_prediction`.

    Parameters
    ----------
    trained : Trained
    X : ndarray or CSR matrix of shape (n_rows, ...), float32
        For an opaque network, also a list or dict of arrays.

    Returns
    -------
    ndarray of shape (n_rows, n_outputs), float32
        For an opaque network, what the Keras model gives.
    """
    check_not_forked("predict")
    check_entries(trained.network, X)
    shape = getattr(X, "shape", None)
    by_numpy = None if shape is None else numpy_predictor(trained, shape[0])
    if by_numpy is not None:
        return by_numpy(X)
    predictor = _predictors.get(trained)
    if predictor is None:
        # Values that the user's code reads from outside are those of the first call after a fit, as
        # in Keras, whose models are compiled at their first call too.
        network = trained.network.now()
        by_keras = network.source is not None and not blueprint_of(network).is_faithful
        kind = _KerasPredictor if by_keras else _Predictor
        predictor = _predictors[trained] = kind(trained, network)
    return predictor(X)


@contextlib.contextmanager
def traced_meanwhile(network: Network) -> Iterator[None]:
    """Trace the program that predicts while something else, such as XLA, takes its time."""
    if program_for(ProgramSpec(network=network)).has_traced_prediction:
        yield
        return
    layout = blueprint_of(network).layout
    weights, statistics = (
        np.zeros(layout.n_numbers(trainable=trainable), np.float32) for trainable in (True, False)
    )
    untrained = Trained(network, weights, statistics, {}, 0, 0)
    row = np.zeros((1, *network.input_shape), np.float32)

    thread = threading.Thread(target=lambda: _Predictor(untrained, network)(row))
    thread.start()
    try:
        yield
    finally:
        thread.join()


class _Predictor:
    """One trained network on the device."""

    def __init__(self, trained: Trained, network: Network) -> None:
        import tensorflow as tf

        blueprint = blueprint_of(network)
        self._n_outputs = blueprint.n_outputs
        # Images can be so large that few fit; tables are not.
        is_large = blueprint.one_member_at_a_time
        widest = max(blueprint.row_sizes)
        at_once = _MOST_NUMBERS // (4 if is_large else 1) // widest
        # Nor do many long sequences fit.
        least = 8 if is_large else min(1024, max(8, _MOST_OF_LONG_ROWS // widest))
        self._rows_at_once = bucket(max(least, at_once))
        # One thread at a time, or the folds of a cross-validation hold a batch each.
        self._turn = _large_turn if is_large else contextlib.nullcontext()
        self._state = State(
            tf.constant(trained.weights[None]), tf.constant(trained.statistics[None])
        )
        self._dims = tf.constant(blueprint.layout.dims, tf.int32)
        self._program = program_for(ProgramSpec(network=network))

    def __call__(self, X: Any) -> NDArray[np.float32]:
        if self._program.is_broken:
            self._program = program_for(self._program.spec)
        outputs = np.empty((X.shape[0], self._n_outputs), np.float32)
        starts = range(0, X.shape[0], self._rows_at_once)
        batches = (self._batch(X[start : start + self._rows_at_once]) for start in starts)
        if len(starts) > 1 and source_of(X) is not None:
            batches = _made_ahead(batches)
        for start, (padded, n_rows) in zip(starts, batches, strict=True):
            with self._turn:
                values = self._program.predict(self._state, self._dims, as_tensor(padded))
            outputs[start : start + n_rows] = values.numpy()[0, :n_rows]
        return outputs

    @staticmethod
    def _batch(part: Any) -> tuple[NDArray[np.float32], int]:
        """Return rows as a batch of one of a few lengths, and how many of it they are."""
        part = part.toarray() if sparse.issparse(part) else part
        n_rows = len(part)
        padded = aligned_zeros((1, bucket(n_rows), *part.shape[1:]), np.float32)
        if isinstance(part, LazyRows):
            part.copy_to(padded[0, :n_rows])
        else:
            padded[0, :n_rows] = part
        return padded, n_rows


def _made_ahead(batches: Generator[Batch]) -> Generator[Batch]:
    """Yield batches, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="skdl-rows") as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch


class _KerasPredictor:
    """One trained network of the user's, in which rows may meet."""

    _ROWS_AT_ONCE = 1024

    def __init__(self, trained: Trained, network: Network) -> None:
        self._model = keras_model(network)
        self._model.set_weights(trained.arrays)
        # Otherwise the activation is the model's own.
        self._activation = network.output_activation if network.loss.takes_logits else "linear"

    def __call__(self, X: Any) -> Any:
        X = X.toarray() if sparse.issparse(X) else X
        outputs = self._outputs(X)
        outputs = outputs[:, None] if getattr(outputs, "ndim", 0) == 1 else outputs
        if self._activation == "linear":
            return outputs
        return activated(outputs, self._activation).numpy()

    def _outputs(self, X: Any) -> Any:
        rows = stateful_rows_of(self._model)
        if rows is None:
            return self._model.predict(X, batch_size=self._ROWS_AT_ONCE, verbose=0)
        # It begins without a state, so that no call depends on the one before it. Rows behind the
        # last one fill its batch, and have no influence on those in front.
        import tensorflow as tf

        reset_states(self._model)
        full, n_rows = _filled_up(X, rows)
        outputs = self._model.predict(full, batch_size=rows, verbose=0)
        return tf.nest.map_structure(lambda part: part[:n_rows], outputs)


def _filled_up(X: Any, multiple: int) -> tuple[Any, int]:
    """Return rows, or each of several parts, made a multiple by the last one; and their number."""
    import tensorflow as tf

    n_rows = len(tf.nest.flatten(X)[0])
    index = np.minimum(np.arange(-(-n_rows // multiple) * multiple), n_rows - 1)
    return tf.nest.map_structure(lambda part: part[index], X), n_rows
