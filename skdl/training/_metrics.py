"""Metrics per epoch: averages over rows in the graph, all others by Keras between epochs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import function_arguments, wrapped_function
from skdl.networks import (
    CROSSENTROPY,
    KerasObject,
    UserFunction,
    described_code,
    named_apart,
    preserved_generators,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import keras
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.networks import Network

__all__ = ["GraphMetric", "HostMetric", "resolve_metrics"]


@dataclasses.dataclass(frozen=True)
class GraphMetric:
    """A metric that is the mean of one number per row.

    Parameters
    ----------
    name : str
        Key in the history.
    source : Hashable
        Equal for metrics that compute the same.
    function : callable
        ``function(y_true, y_pred, **keywords)`` gives one number per row.
    keywords : dict
    root : bool
        Report the square root of the mean.
    of_labels : bool
        Targets are class numbers.
    """

    name: str
    source: Hashable
    function: Callable[..., Any] = dataclasses.field(compare=False)
    keywords: dict[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    root: bool = False
    of_labels: bool = False

    def rows(self, y: Tensor, predictions: Tensor) -> Tensor:
        """Return the metric of each row, ``[M, B]``; the member axis is folded away for it."""
        import tensorflow as tf

        shape = tf.shape(predictions)[:2]
        flat_y = tf.reshape(y, tf.stack([-1, tf.shape(y)[-1]]))
        flat = tf.reshape(predictions, tf.stack([-1, tf.shape(predictions)[-1]]))
        if self.of_labels:
            flat_y = flat_y[:, 0]
        values = tf.cast(self.function(flat_y, flat, **self.keywords), tf.float32)
        return tf.reduce_mean(tf.reshape(values, tf.concat([shape, [-1]], 0)), -1)

    def to_keras(self) -> keras.metrics.Metric:
        """Return it as Keras has it."""
        import keras

        if isinstance(self.source, KerasObject):
            return self.source.build()
        return keras.metrics.MeanMetricWrapper(self.function, self.name)


@dataclasses.dataclass(frozen=True)
class HostMetric:
    """Any other Keras metric, computed by Keras from an epoch's predictions."""

    name: str
    source: KerasObject

    def to_keras(self) -> keras.metrics.Metric:
        """Return it as Keras has it."""
        return self.source.build()

    def of(self, y: NDArray[np.float32], predictions: NDArray[np.float32]) -> float:
        """Return the metric over all rows."""
        with preserved_generators():
            metric = self.to_keras()
        metric.update_state(y, predictions)
        return float(np.mean(metric.result()))


def resolve_metrics(
    metrics: Sequence[str | KerasObject | Callable[..., object]], network: Network
) -> tuple[GraphMetric | HostMetric, ...]:
    """Turn what the user asked for into metrics, with the names Keras gives them."""
    return tuple(
        _given_its_targets(_resolve(metric, network), network) for metric in named_apart(metrics)
    )


def _resolve(metric: Any, network: Network) -> GraphMetric | HostMetric:
    import keras

    of_labels = network.loss.target == "labels"
    if callable(metric) and not isinstance(metric, KerasObject):
        source = described_code(metric)
        name = source.__name__ if isinstance(source, UserFunction) else metric.__name__
        return GraphMetric(name, source, metric, of_labels=of_labels)
    with preserved_generators():
        if isinstance(metric, KerasObject):
            built = metric.build()
            name = built.name
        else:
            name = {"acc": "accuracy", "ce": CROSSENTROPY}.get(metric, metric)
            built = keras.metrics.get(_by_output(name, network))
            if not isinstance(built, keras.metrics.Metric):
                return GraphMetric(metric, built, built, of_labels=of_labels)
    source = KerasObject.of("metrics", built)
    if _computes_as(built, keras.metrics.RootMeanSquaredError):
        return GraphMetric(name, source, keras.metrics.mean_squared_error, root=True)
    if _computes_as(built, keras.metrics.MeanMetricWrapper):
        function, arguments = wrapped_function(built), function_arguments(built)
        return GraphMetric(name, source, function, arguments, of_labels=of_labels)
    return HostMetric(name, source)


def _given_its_targets(
    metric: GraphMetric | HostMetric, network: Network
) -> GraphMetric | HostMetric:
    """Let a metric of Keras' have class numbers or columns of classes, whichever it takes."""
    import keras

    from skdl.layers import blueprint_of

    if not isinstance(metric, GraphMetric):
        return metric
    function, target = metric.function, network.loss.target
    name = getattr(function, "__name__", "")
    if "categorical" not in name or getattr(keras.metrics, name, None) is not function:
        return metric
    wants_labels = "sparse" in name
    has_one_output = bool(network.layers) and blueprint_of(network).n_outputs == 1
    if wants_labels == (target == "labels") and not has_one_output:
        return metric

    def adapted(y: Tensor, predictions: Tensor, **keywords: object) -> Tensor:
        import tensorflow as tf

        if has_one_output:
            # Of the second of two classes.
            y = tf.reshape(y, [-1])
            predictions = tf.concat([1 - predictions, predictions], -1)
        elif target != "labels":
            y = tf.argmax(y, -1)
        if not wants_labels:
            y = tf.one_hot(tf.cast(y, tf.int32), tf.shape(predictions)[-1])
        return function(y, predictions, **keywords)

    return dataclasses.replace(metric, function=adapted)


def _computes_as(metric: keras.metrics.Metric, kind: type[keras.metrics.Metric]) -> bool:
    """Tell whether a metric is one of a class, without methods of the user's in their place."""
    own = type(metric)
    if not isinstance(metric, kind):
        return False
    return own.__module__.startswith("keras.") or all(
        getattr(own, name) is getattr(kind, name) for name in ("update_state", "result", "__call__")
    )


def _by_output(name: str, network: Network) -> str:
    """Return which accuracy or cross-entropy a short name means, as Keras decides it."""
    kind = {
        "one_hot": "categorical",
        "labels": "sparse_categorical",
        "values": "binary",
    }[network.loss.target]
    if network.loss.target == "values" and network.output_activation == "softmax":
        kind = "categorical"
    return f"{kind}_{name}" if name in {"accuracy", CROSSENTROPY} else name
