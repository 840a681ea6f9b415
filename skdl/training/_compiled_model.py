"""Networks as compiled Keras models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl.layers import keras_model
from skdl.networks import KerasObject, named_apart, preserved_generators

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras

    from skdl.networks import Network
    from skdl.training._settings import Optimizer

__all__ = ["compiled_model"]


def compiled_model(
    network: Network,
    optimizer: Optimizer,
    metrics: Sequence[str | KerasObject | Callable[..., object]] = (),
    seed: int = 0,
) -> keras.Model:
    """Return a Keras model of the network, compiled with the optimizer, loss and metrics."""
    with preserved_generators():
        model = keras_model(network, seed)
        if network.is_opaque:
            return model  # compiled as the user says
        model.compile(
            optimizer=optimizer.source.build(),
            loss=network.loss.to_keras(),
            metrics=[m.build() if isinstance(m, KerasObject) else m for m in named_apart(metrics)],
        )
        model.optimizer.build(model.trainable_variables)
    return model
