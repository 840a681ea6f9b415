"""Transformer encoders from hyperparameters, for sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from skdl.networks._mlp import batch_normalization, dense_layers
from skdl.networks._network import Layer, Network
from skdl.networks._rnn import layer_normalization

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.networks._loss import Loss

__all__ = ["transformer"]


def transformer(
    *,
    input_shape: Sequence[int],
    n_outputs: int,
    n_blocks: int,
    n_heads: int,
    width: int,
    feed_forward_units: int,
    activation: Hashable,
    output_activation: str,
    loss: Loss,
    positional_encoding: bool = True,
    pooling: Literal["attention", "last", "max", "mean"] = "mean",
    hidden_units: Sequence[int] = (),
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    input_batch_norm: bool = False,
) -> Network:
    """Return a transformer encoder: a projection, blocks, pooling over the steps, dense layers.

    Parameters
    ----------
    input_shape : (timesteps, channels)
        Shape of one row.
    n_outputs : int
        Width of the prediction.
    n_blocks : int
        Blocks of self-attention and a dense network for each step.
    n_heads : int
        Of each block; divides `width`.
    width : int
        Channels between the blocks.
    feed_forward_units : int
        Hidden units of the dense network in each block.
    activation, output_activation, loss, hidden_units
        As in `mlp`.
    positional_encoding : bool
        Whether sines and cosines of its number are added to each step.
    pooling : {"attention", "last", "max", "mean"}
        What stands for the sequence behind the last block.
    dropout : float in [0, 1)
        Share of the values dropped in training: behind both parts of each block, behind the
        pooling and behind hidden layers.
    l1, l2 : float
        Penalties on all kernels.
    input_batch_norm : bool
        Normalise the channels of the inputs by batch.

    Returns
    -------
    Network
    """
    penalties = {"l1": float(l1), "l2": float(l2)}
    dropped = Layer.of("Dropout", rate=float(dropout))
    attention = [
        layer_normalization(),
        Layer.of(
            "MultiHeadAttention", num_heads=int(n_heads), key_dim=int(width) // int(n_heads),
            **penalties,
        ),
        dropped,
    ]  # fmt: skip
    dense = [
        layer_normalization(),
        Layer.of("Dense", units=int(feed_forward_units), **penalties),
        Layer.of("Activation", function="relu"),
        Layer.of("Dense", units=int(width), **penalties),
        dropped,
    ]
    layers: list[Layer] = []
    inputs: list[tuple[int, ...]] = []

    def add(*chain: Layer) -> None:
        for layer in chain:
            inputs.append((len(layers),))
            layers.append(layer)

    add(*[batch_normalization()] * input_batch_norm)
    add(Layer.of("Dense", units=int(width), **penalties))
    add(*[Layer.of("PositionEncoding", form="sinusoidal")] * positional_encoding)
    for part in [attention, dense] * n_blocks:
        before = len(layers)
        add(*part)
        inputs.append((before, len(layers)))
        layers.append(Layer.of("Add"))
    add(layer_normalization(), Layer.of("SequencePooling", mode=pooling), dropped)
    add(
        *dense_layers(
            n_outputs=n_outputs, hidden_units=hidden_units, activation=activation,
            dropout=dropout, l1=l1, l2=l2, batch_norm=None,
        )
    )  # fmt: skip
    shape = tuple(map(int, input_shape))
    return Network(shape, tuple(layers), output_activation, loss, tuple(inputs))
