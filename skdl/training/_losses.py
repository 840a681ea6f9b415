"""Stacked losses: the value of each row, ``[M, B]``, from targets and outputs before activation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from skdl.networks import ABSOLUTE_ERROR, HUBER, QUANTILE, SQUARED_ERROR, KerasObject

if TYPE_CHECKING:
    from collections.abc import Callable

    from tensorflow import Tensor

    from skdl.networks import Loss

__all__ = ["activated", "prepared_targets", "reduction_of", "row_losses"]


def activated(outputs: Tensor, output_activation: str) -> Tensor:
    """Apply the output activation."""
    import tensorflow as tf

    return {
        "linear": lambda z: z,
        "sigmoid": tf.nn.sigmoid,
        "softmax": tf.nn.softmax,
        "exponential": tf.exp,
    }[output_activation](outputs)


def prepared_targets(loss: Loss, y: Tensor, outputs: Tensor) -> Tensor:
    """Bring targets ``[M, B, n_columns]`` into the form that the loss asks for."""
    import tensorflow as tf

    if loss.target == "one_hot":
        return tf.one_hot(tf.cast(y[..., 0], tf.int32), tf.shape(outputs)[-1])
    return y


def row_losses(
    loss: Loss, scalars: dict[str, Tensor], y: Tensor, outputs: Tensor, output_activation: str
) -> Tensor:
    """Return the loss of each row.

    Parameters
    ----------
    loss : Loss
    scalars : dict of str to tensor of shape [M]
        The formula's numbers, one per member.
    y : tensor of shape [M, B, n_columns]
        Prepared targets.
    outputs : tensor of shape [M, B, n_outputs]
        Before the output activation.
    output_activation : str

    Returns
    -------
    tensor of shape [M, B]
    """
    import tensorflow as tf

    if loss.kind == "keras":
        return _keras_row_losses(loss, y, activated(outputs, output_activation))
    if loss.target == "labels":
        y = tf.one_hot(tf.cast(y[..., 0], tf.int32), tf.shape(outputs)[-1])
    columns = {name: value[:, None, None] for name, value in scalars.items()}
    return _FORMULAS[loss.kind](y, outputs, **columns)


def reduction_of(loss: Loss) -> str:
    """Return how row losses become the batch's, in Keras' words."""
    if isinstance(loss.function, KerasObject):
        return loss.function.build().reduction or "sum"
    return loss.reduction


def _keras_row_losses(loss: Loss, y: Tensor, predictions: Tensor) -> Tensor:
    import tensorflow as tf

    function: Any = loss.function
    if isinstance(function, KerasObject):
        function = function.build().call
    shape = tf.shape(predictions)[:2]
    flat_y = tf.reshape(y, [-1, tf.shape(y)[-1]])
    flat_predictions = tf.reshape(predictions, [-1, tf.shape(predictions)[-1]])
    flat_y.set_shape([None, y.shape[-1]])
    flat_predictions.set_shape([None, predictions.shape[-1]])
    if loss.target == "labels":
        flat_y = flat_y[:, 0]
    values = tf.cast(function(flat_y, flat_predictions), tf.float32)
    values = tf.reshape(values, tf.concat([shape, [-1]], 0))
    return _mean(values)


def _mean(values: Tensor) -> Tensor:
    """Return means over the last axis.

    Kept for a moment: the gradient of a sum without it is one for which a GPU waits for the host.
    """
    import tensorflow as tf

    return tf.squeeze(tf.reduce_mean(values, -1, keepdims=True), -1)


def _sum(values: Tensor) -> Tensor:
    """Return sums over the last axis, see `_mean`."""
    import tensorflow as tf

    return tf.squeeze(tf.reduce_sum(values, -1, keepdims=True), -1)


def _mse(y: Tensor, z: Tensor) -> Tensor:
    import tensorflow as tf

    return _mean(tf.square(y - z))


def _mae(y: Tensor, z: Tensor) -> Tensor:
    import tensorflow as tf

    return _mean(tf.abs(y - z))


def _huber(y: Tensor, z: Tensor, delta: Tensor) -> Tensor:
    # Huber 1964, section 4: quadratic within delta, linear beyond.
    import tensorflow as tf

    error = tf.abs(y - z)
    inner = tf.minimum(error, delta)
    return _mean(inner * (error - 0.5 * inner))


def _log_cosh(y: Tensor, z: Tensor) -> Tensor:
    import tensorflow as tf

    error = z - y
    return _mean(error + tf.nn.softplus(-2.0 * error) - math.log(2.0))


def _quantile(y: Tensor, z: Tensor, **quantiles: Tensor) -> Tensor:
    # Koenker and Bassett 1978, Eq. 3.1; of several quantiles one for each output.
    import tensorflow as tf

    error = y - z
    quantile = tf.concat([*quantiles.values()], -1)
    return _mean(tf.maximum(quantile * error, (quantile - 1.0) * error))


def _poisson(y: Tensor, z: Tensor) -> Tensor:
    # Negative log-likelihood of counts with rate exp(z), without the term in y alone.
    import tensorflow as tf

    return _mean(tf.exp(z) - y * z)


def _binary_crossentropy(y: Tensor, z: Tensor, label_smoothing: Tensor) -> Tensor:
    import tensorflow as tf

    y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return _mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z))


def _categorical_crossentropy(y: Tensor, z: Tensor, label_smoothing: Tensor) -> Tensor:
    # Szegedy et al. 2016, section 7, for the smoothing.
    import tensorflow as tf

    n_classes = tf.cast(tf.shape(z)[-1], tf.float32)
    y = y * (1.0 - label_smoothing) + label_smoothing / n_classes
    return -_sum(y * tf.nn.log_softmax(z))


def _binary_focal(y: Tensor, z: Tensor, gamma: Tensor, label_smoothing: Tensor) -> Tensor:
    # Lin et al. 2017, Eq. 4.
    import tensorflow as tf

    y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    p = tf.nn.sigmoid(z)
    p_true = y * p + (1.0 - y) * (1.0 - p)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z)
    return _mean(tf.pow(1.0 - p_true, gamma) * entropy)


def _categorical_focal(
    y: Tensor, z: Tensor, gamma: Tensor, alpha: Tensor, label_smoothing: Tensor
) -> Tensor:
    # Lin et al. 2017, Eq. 5, with the same alpha for every class, as Keras has it.
    import tensorflow as tf

    n_classes = tf.cast(tf.shape(z)[-1], tf.float32)
    y = y * (1.0 - label_smoothing) + label_smoothing / n_classes
    log_p = tf.nn.log_softmax(z)
    return -_sum(alpha * tf.pow(1.0 - tf.exp(log_p), gamma) * y * log_p)


_FORMULAS: dict[str, Callable[..., Any]] = {
    SQUARED_ERROR: _mse,
    ABSOLUTE_ERROR: _mae,
    HUBER: _huber,
    "log_cosh": _log_cosh,
    QUANTILE: _quantile,
    "poisson": _poisson,
    "binary_crossentropy": _binary_crossentropy,
    "categorical_crossentropy": _categorical_crossentropy,
    "binary_focal": _binary_focal,
    "categorical_focal": _categorical_focal,
}
