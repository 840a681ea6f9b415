"""Networks as Keras models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl._compat_tensorflow import check_not_forked
from skdl.layers._blueprint import blueprint_of
from skdl.layers._shared import shared_mean_layer
from skdl.networks import preserved_generators

if TYPE_CHECKING:
    import keras

    from skdl.networks import Network

__all__ = ["keras_model"]


def keras_model(network: Network, seed: int = 0) -> keras.Model:
    """Build the uncompiled Keras model of a network, with weights as Keras draws them.

    Layers that do nothing, such as dropout of rate 0, are left out. Global random generators are
    left as they were.

    Parameters
    ----------
    network : Network
    seed : int, default=0
        Starts the noise of the model's layers.

    Returns
    -------
    keras.Model
    """
    check_not_forked("keras.Model")
    import keras

    if network.source is not None:
        return network.source.build(seed)
    final = []
    if network.output_activation != "linear":
        final.append(keras.layers.Activation(network.output_activation, name="output"))
    if network.is_shared:
        final.append(shared_mean_layer()())
    placed = [
        (own, own.rule.keras_layer(own.layer, seed + own.position))
        for own in blueprint_of(network).layers
        if not own.rule.does_nothing(own.layer)
    ]
    inputs = keras.Input(network.input_shape)
    with preserved_generators():
        if not network.inputs:
            return keras.Sequential([inputs, *(layer for _, layer in placed), *final])
        tensors = {0: inputs}
        built = {own.position: layer for own, layer in placed}
        for own in blueprint_of(network).layers:
            taken = [tensors[i] for i in own.inputs]
            layer = built.get(own.position)
            behind = taken[0] if layer is None else own.rule.keras_call(layer, taken)
            tensors[own.position + 1] = behind
        for layer in final:
            behind = layer(behind)
        return keras.Model(inputs, behind)
