"""Weights that come from a Keras model instead of from training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from skdl.networks import Network
    from skdl.training import Optimizer, Trained

__all__ = ["trained_as", "with_optimizer_of", "with_weights_of"]


def trained_as(
    network: Network, values: Sequence[NDArray[Any]], history: dict[str, list[float]]
) -> Trained:
    """Return a network as if training had left it with these weights, in Keras' order."""
    from skdl.layers import blueprint_of
    from skdl.training import Trained

    n_epochs = len(history.get("loss", ()))
    weights, statistics = blueprint_of(network).layout.join(values)
    return Trained(network, weights, statistics, history, n_epochs, n_epochs)


def with_weights_of(model: Any, held: Trained) -> Trained:
    """Return a trained network with the weights of a model: itself, if it has them already."""
    from skdl.layers import blueprint_of

    weights, statistics = blueprint_of(held.network).layout.join(model.get_weights())
    if np.array_equal(weights, held.weights) and np.array_equal(statistics, held.statistics):
        return held
    return dataclasses.replace(held, weights=weights, statistics=statistics)


def with_optimizer_of(model: Any, optimizer: Optimizer, held: Trained) -> Trained:
    """Return a trained network with the state of a model's optimizer, to go on from it.

    Parameters
    ----------
    model : keras.Model
    optimizer : Optimizer
        What it is compiled with.
    held : Trained
    """
    from skdl.training import optimizer_state, settable_rate

    if getattr(model, "optimizer", None) is None:
        return held
    return dataclasses.replace(
        held,
        slots=optimizer_state(model, optimizer),
        n_steps=int(model.optimizer.iterations),
        learning_rate=settable_rate(model),
    )
