"""Recurrent networks from hyperparameters, for sequences."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from skdl.networks._mlp import activated, batch_normalization
from skdl.networks._network import Layer, Network

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.networks._loss import Loss

__all__ = ["layer_normalization", "normalized", "rnn", "with_step_mask"]

_CELLS = {"gru": "GRU", "lstm": "LSTM", "simple": "SimpleRNN"}
# Keras' default.
_EPSILON = 1e-3


def rnn(
    *,
    input_shape: Sequence[int],
    n_outputs: int,
    cell: Literal["gru", "lstm", "simple"],
    units: Sequence[int],
    activation: Hashable,
    output_activation: str,
    loss: Loss,
    bidirectional: bool = False,
    pooling: Literal["attention", "last", "max", "mean"] = "last",
    hidden_units: Sequence[int] = (),
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    normalization: Literal["batch", "layer"] | None = None,
    input_batch_norm: bool = False,
) -> Network:
    """Return a recurrent network: recurrent layers, pooling over the steps, dense layers.

    Behind each recurrent layer stand normalisation and dropout, behind the last one pooling too,
    in front of its dropout. Dropout layers are always there, as in `mlp`.

    Parameters
    ----------
    input_shape : (timesteps, channels)
        Shape of one row.
    n_outputs : int
        Width of the prediction.
    cell : {"gru", "lstm", "simple"}
        Kind of all recurrent layers.
    units : sequence of int
        Of each recurrent layer, for each direction.
    activation, output_activation, loss, hidden_units
        As in `mlp`.
    bidirectional : bool
        Go along the sequence from both ends; what both give stands side by side.
    pooling : {"attention", "last", "max", "mean"}
        What stands for the sequence behind the last recurrent layer; ``"attention"`` is a mean
        with weights of a learned score.
    dropout : float in [0, 1)
        Share of the values behind each recurrent and each hidden layer dropped in training.
    recurrent_dropout : float in [0, 1)
        Share of the states dropped in training in front of each step, the same in all steps of a
        sequence (Gal and Ghahramani 2016).
    l1, l2 : float
        Penalties on kernels, those of states not included.
    normalization : {"batch", "layer"} or None
        Of what recurrent layers give, and of hidden layers before their activation.
    input_batch_norm : bool
        Normalise the channels of the inputs by batch too.

    Returns
    -------
    Network
    """
    penalties = {"l1": float(l1), "l2": float(l2)}
    scalars = {**penalties, "recurrent_dropout": float(recurrent_dropout)}
    dropped = Layer.of("Dropout", rate=float(dropout))
    layers = [batch_normalization()] * input_batch_norm
    for i, n_units in enumerate(units, 1):
        is_last = i == len(units)
        options = {"units": int(n_units), "return_sequences": not is_last or pooling != "last"}
        layers.append(_recurrent(_CELLS[cell], options, scalars, both_ways=bidirectional))
        layers += normalized(normalization)
        if is_last and pooling != "last":
            layers.append(Layer.of("SequencePooling", mode=pooling))
        layers.append(dropped)
    for n_units in hidden_units:
        layers.append(Layer.of("Dense", units=int(n_units), **penalties))
        layers += [*normalized(normalization), *activated(activation, None), dropped]
    layers.append(Layer.of("Dense", units=int(n_outputs), **penalties))
    return Network(tuple(map(int, input_shape)), tuple(layers), output_activation, loss)


def with_step_mask(network: Network) -> Network:
    """Return a network in which steps of NaN are left out; its weights stay where they are."""
    first = Layer.of("StepMask")
    if network.layers[0] == first:
        return network
    inputs = network.inputs and ((0,), *(tuple(i + 1 for i in taken) for taken in network.inputs))
    return dataclasses.replace(network, layers=(first, *network.layers), inputs=inputs)


def _recurrent(
    kind: str, options: dict[str, Any], scalars: dict[str, float], *, both_ways: bool
) -> Layer:
    if not both_ways:
        return Layer.of(kind, **options, **scalars)
    inner = Layer.of(kind, **options)
    return Layer.of("Bidirectional", forward=inner, merge_mode="concat", **scalars)


def normalized(normalization: Literal["batch", "layer"] | None) -> list[Layer]:
    """Return the layer that normalises, if there is one."""
    if normalization is None:
        return []
    if normalization == "batch":
        return [batch_normalization()]
    return [layer_normalization()]


def layer_normalization() -> Layer:
    """Return layer normalisation as Keras has it by default."""
    return Layer.of("LayerNormalization", epsilon=_EPSILON, center=True, scale=True)
