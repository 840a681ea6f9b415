"""Convolutional networks along sequences, from hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from skdl.networks._mlp import activated, batch_normalization
from skdl.networks._network import Layer, Network
from skdl.networks._rnn import normalized

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.networks._loss import Loss

__all__ = ["cnn1d"]


def cnn1d(
    *,
    input_shape: Sequence[int],
    n_outputs: int,
    filters: Sequence[int],
    kernel_size: Sequence[int],
    activation: Hashable,
    output_activation: str,
    loss: Loss,
    pooling: Literal["attention", "last", "max", "mean"] = "mean",
    hidden_units: Sequence[int] = (),
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    normalization: Literal["batch", "layer"] | None = None,
    input_batch_norm: bool = False,
) -> Network:
    """Return a fully convolutional network: convolutions, pooling over the steps, dense layers.

    No convolution shortens the sequence, so that masks go on (Wang et al. 2017, section II.B).

    Parameters
    ----------
    input_shape : (timesteps, channels)
        Shape of one row.
    n_outputs : int
        Width of the prediction.
    filters, kernel_size : sequence of int
        Of each convolution.
    activation, output_activation, loss, hidden_units
        As in `mlp`; convolutions have ReLU.
    pooling : {"attention", "last", "max", "mean"}
        What stands for the sequence behind the last convolution.
    dropout : float in [0, 1)
        Share of the values behind each convolution and each hidden layer dropped in training;
        behind the last convolution, of what the pooling leaves.
    l1, l2 : float
        Penalties on all kernels.
    normalization : {"batch", "layer"} or None
        In front of each activation.
    input_batch_norm : bool
        Normalise the channels of the inputs by batch too.

    Returns
    -------
    Network
    """
    penalties = {"l1": float(l1), "l2": float(l2)}
    dropped = Layer.of("Dropout", rate=float(dropout))
    layers = [batch_normalization()] * input_batch_norm
    for i, (n_filters, size) in enumerate(zip(filters, kernel_size, strict=True), 1):
        layers.append(
            Layer.of(
                "MaskedConv1D", filters=int(n_filters), kernel_size=(int(size),), padding="same",
                **penalties,
            )
        )  # fmt: skip
        layers += [*normalized(normalization), Layer.of("Activation", function="relu")]
        if i == len(filters):
            layers.append(Layer.of("SequencePooling", mode=pooling))
        layers.append(dropped)
    for n_units in hidden_units:
        layers.append(Layer.of("Dense", units=int(n_units), **penalties))
        layers += [*normalized(normalization), *activated(activation, None), dropped]
    layers.append(Layer.of("Dense", units=int(n_outputs), **penalties))
    return Network(tuple(map(int, input_shape)), tuple(layers), output_activation, loss)
