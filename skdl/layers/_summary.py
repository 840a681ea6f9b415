"""The layers of a network in words and numbers, without Keras being asked to build it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from skdl.layers._blueprint import blueprint_of
from skdl.layers._shapes import Shape, size

if TYPE_CHECKING:
    from skdl.networks import Network

__all__ = ["LayerSummary", "layer_summaries"]


class LayerSummary(NamedTuple):
    """One layer in words and numbers.

    Parameters
    ----------
    name : str
    output_shape : tuple of int
        Shape of one row behind it.
    n_weights : int
        Those that are not trained included.
    """

    name: str
    output_shape: Shape
    n_weights: int


def layer_summaries(network: Network) -> list[LayerSummary]:
    """Return the layers in order; those that do nothing (dropout of rate 0) are left out."""
    blueprint = blueprint_of(network)
    layers = [
        LayerSummary(
            own.rule.summary(own.layer),
            own.output_shape,
            sum(size(variable.shape) for variable in own.variables),
        )
        for own in blueprint.layers
        if not own.rule.does_nothing(own.layer)
    ]
    if network.output_activation != "linear":
        output = blueprint.row_shapes[-1]
        layers.append(LayerSummary(f"Activation: {network.output_activation}", output, 0))
    return layers
