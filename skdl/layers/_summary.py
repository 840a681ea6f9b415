"""The layers of a network in words and numbers, without Keras being asked to build it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from skdl.layers._rule import Layout, layers_with_shapes, rule_of, size
from skdl.networks import KerasObject

if TYPE_CHECKING:
    from skdl.networks import Layer, Network

__all__ = ["LayerSummary", "layer_summaries"]


class LayerSummary(NamedTuple):
    """A layer's name, the shape of one row behind it, and the number of its weights."""

    name: str
    output_shape: tuple[int, ...]
    n_weights: int


def layer_summaries(network: Network) -> list[LayerSummary]:
    """Return the layers in order; those that do nothing (dropout of rate 0) are left out."""
    counts: dict[int, int] = {}
    for variable in Layout.of(network).variables:
        counts[variable.layer] = counts.get(variable.layer, 0) + size(variable.shape)
    layers = []
    output = network.input_shape
    for position, (layer, shape) in enumerate(layers_with_shapes(network)):
        output = rule_of(layer).output_shape(layer, shape)
        if layer.kind != "Dropout" or layer["rate"] > 0:
            layers.append(LayerSummary(_name_of(layer), output, counts.get(position, 0)))
    if network.output_activation != "linear":
        layers.append(LayerSummary(f"Activation: {network.output_activation}", output, 0))
    return layers


def _name_of(layer: Layer) -> str:
    if layer.kind == "Activation":
        function = layer["function"]
        return f"Activation: {getattr(function, '__name__', function)}"
    if layer.kind == "Dropout":
        return f"Dropout: {layer['rate']:g}"
    if layer.kind == "Keras" and isinstance(layer["layer"], KerasObject):
        return str(json.loads(layer["layer"].config)["class_name"])
    return layer.kind
