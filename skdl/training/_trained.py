"""What comes out of training: a trained network, as plain data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._plain_data import (
    instance,
    items,
    mapping,
    natural,
    number,
    optional,
    refused,
    register,
)
from skdl.exceptions import UnsafeFileError
from skdl.layers import blueprint_of
from skdl.networks import MOST_PER_ROW, Network, check_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Trained"]


@dataclasses.dataclass(eq=False)
class Trained:
    """What a job leaves behind: arrays and plain Python, small and safe to pickle.

    Parameters
    ----------
    network : Network
    weights : ndarray of shape (n_trainable,), float32
        All trainable weights, one after the other in the order of the layout.
    statistics : ndarray of shape (n_statistics,), float32
        Weights that are not trained by gradient (moving moments of batch normalisation).
    history : dict of str to list of float
        One value per epoch.
    n_epochs : int
        Epochs run, those of earlier jobs it went on from included.
    best_epoch : int
        Number of epochs after which the monitored value was best (from 1); `n_epochs` where
        nothing was monitored.
    n_steps : int
        Optimizer steps taken.
    slots : tuple of ndarray
        The optimizer's state, where it was asked for.
    learning_rate : float, optional
        After the last epoch; None under a schedule of Keras.
    """

    network: Network
    weights: NDArray[np.float32]
    statistics: NDArray[np.float32]
    history: dict[str, list[float]]
    n_epochs: int
    best_epoch: int
    n_steps: int = 0
    slots: tuple[NDArray[np.float32], ...] = ()
    learning_rate: float | None = None

    @property
    def arrays(self) -> list[NDArray[np.float32]]:
        """Weights and statistics in the order of ``keras.Model.get_weights``."""
        return blueprint_of(self.network).layout.split(self.weights, self.statistics)

    def with_network(self, network: Network) -> Trained:
        """Return it for rows of another length.

        Parameters
        ----------
        network : Network
            The same but for the number of steps and layers without weights. What depends on the
            number of steps, the waves of places, is made anew.
        """
        blueprint = blueprint_of(network)
        arrays = list(self.arrays)
        placed = [(own, variable) for own in blueprint.layers for variable in own.variables]
        for i, (own, variable) in enumerate(placed):
            if arrays[i].shape != variable.shape:
                made = own.rule.initial(own.layer, variable, np.random.default_rng(0))
                arrays[i] = made if made is not None else arrays[i]
        weights, statistics = blueprint.layout.join(arrays)
        return dataclasses.replace(self, network=network, weights=weights, statistics=statistics)


def _is_flat(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 1


def _is_history(value: Any) -> bool:
    return mapping(lambda own: type(own) is list)(value)


def _read_trained(**values: Any) -> Trained:
    """Return what was read, if its weights are those that its layers have."""
    trained = Trained(**values)
    layers = trained.network.layers
    # Of what Keras or a function of tensors computes, only Keras itself can tell the weights.
    of_keras = [layer.get("layer") for layer in layers]
    if not any(of_keras) and not any(layer.get("call") for layer in layers):
        _check_sizes(trained)
    for described in filter(None, of_keras):
        check_sizes(described.config, len(trained.weights) + len(trained.statistics))
    return trained


def _check_sizes(trained: Trained) -> None:
    try:
        blueprint = blueprint_of(trained.network)
        widest = max(blueprint.row_sizes)
        layout = blueprint.layout
        sizes = [layout.n_numbers(trainable=t) for t in (True, False)]
        shapes = blueprint.row_shapes
    except UnsafeFileError:
        raise
    except Exception as error:
        raise refused(
            f"layers that do not fit one another ({type(error).__name__}: {error})",
            "for each layer inputs of a shape that it takes",
        ) from error
    if widest > MOST_PER_ROW or any(n < 0 for shape in shapes for n in shape):
        raise refused(
            f"a network in which one row becomes {widest:,} numbers",
            f"at most {MOST_PER_ROW:,} in any layer, and shapes without negative lengths",
        )
    held = [len(trained.weights), len(trained.statistics)]
    if held != sizes:
        raise refused(
            f"{held[0]:,} weights and {held[1]:,} statistics",
            f"{sizes[0]:,} and {sizes[1]:,}, as its layers have",
        )


register(
    Trained,
    {
        "network": instance(Network),
        "weights": _is_flat,
        "statistics": _is_flat,
        "history": _is_history,
        "n_epochs": natural,
        "best_epoch": natural,
        "n_steps": natural,
        "slots": items(instance(np.ndarray)),
        "learning_rate": optional(number),
    },
    read=_read_trained,
)
