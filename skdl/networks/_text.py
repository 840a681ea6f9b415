"""Networks that read token ids, from hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from skdl.networks._mlp import activated, dense_layers
from skdl.networks._network import Layer, Network
from skdl.networks._transformer import transformer

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.networks._loss import Loss

__all__ = ["text_network"]

_CELLS = {"gru": "GRU", "lstm": "LSTM"}


def text_network(
    *,
    length: int,
    n_ids: int,
    n_outputs: int,
    encoder: Literal["mean", "conv", "gru", "lstm", "attention"],
    activation: Hashable,
    output_activation: str,
    loss: Loss,
    embedding_dim: int = 32,
    encoder_units: int = 64,
    kernel_size: int = 5,
    bidirectional: bool = False,
    n_heads: int = 4,
    pooling: Literal["attention", "last", "max", "mean"] = "max",
    hidden_units: Sequence[int] = (),
    embedding_dropout: float = 0.0,
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    batch_norm: Literal["before_activation", "after_activation"] | None = None,
) -> Network:
    """Return a network for rows of token ids: embedding, encoder, pooling, dense layers.

    Ids of 0 are padding, which the mean and recurrent layers leave out; a convolution learns a
    vector for it, as in Keras.

    Parameters
    ----------
    length : int
        Ids of a row.
    n_ids : int
        Rows of the embedding: ids are below it.
    n_outputs : int
        Width of the prediction.
    encoder : {"mean", "conv", "gru", "lstm", "attention"}
        What is made of the vectors before they are pooled; ``"mean"`` is nothing but their mean.
    activation, output_activation, loss, hidden_units, l1, l2, batch_norm
        As in `mlp`; penalties and batch normalisation concern a convolution too, and penalties
        the kernel of a recurrent layer's inputs.
    embedding_dim : int
        Length of a token's vector.
    encoder_units : int
        Filters of the convolution, units of the recurrent layer in each direction, width of the
        attention block.
    kernel_size : int
        Tokens that a filter sees at a time.
    bidirectional : bool
        Read from both ends.
    n_heads : int
        Of the attention block; divides `encoder_units`.
    pooling : {"attention", "last", "max", "mean"}
        What stands for all positions behind the encoder.
    embedding_dropout : float in [0, 1)
        Share of the vectors' values dropped in training.
    dropout : float in [0, 1)
        Share of the values behind the pooling and behind each hidden layer dropped in training.

    Returns
    -------
    Network
    """
    penalties = {"l1": float(l1), "l2": float(l2)}
    masks = {} if encoder == "conv" else {"mask_zero": True}
    layers = [
        Layer.of("Embedding", input_dim=int(n_ids), output_dim=int(embedding_dim), **masks),
        Layer.of("Dropout", rate=float(embedding_dropout)),
    ]
    if encoder == "attention":
        behind = transformer(
            input_shape=(length, embedding_dim), n_outputs=n_outputs, n_blocks=1, n_heads=n_heads,
            width=encoder_units, feed_forward_units=2 * encoder_units, activation=activation,
            output_activation=output_activation, loss=loss, pooling=pooling,
            hidden_units=hidden_units, dropout=dropout, l1=l1, l2=l2,
        )  # fmt: skip
        shifted = (tuple(i + len(layers) for i in taken) for taken in behind.inputs)
        inputs = (*((i,) for i in range(len(layers))), *shifted)
        every = (*layers, *behind.layers)
        return Network((int(length),), every, output_activation, loss, inputs)
    if encoder == "conv":
        layers.append(
            Layer.of(
                "Conv1D",
                filters=int(encoder_units),
                kernel_size=(int(kernel_size),),
                padding="same",
                **penalties,
            )
        )
        layers += activated(activation, batch_norm)
    elif encoder != "mean":
        options = {"units": int(encoder_units), "return_sequences": True}
        if bidirectional:
            inner = Layer.of(_CELLS[encoder], **options)
            both = Layer.of("Bidirectional", forward=inner, merge_mode="concat", **penalties)
            layers.append(both)
        else:
            layers.append(Layer.of(_CELLS[encoder], **options, **penalties))
    mode = "mean" if encoder == "mean" else pooling
    layers += [
        Layer.of("SequencePooling", mode=mode),
        Layer.of("Dropout", rate=float(dropout)),
    ]
    layers += dense_layers(
        n_outputs=n_outputs, hidden_units=hidden_units, activation=activation, dropout=dropout,
        l1=l1, l2=l2, batch_norm=batch_norm,
    )  # fmt: skip
    return Network((int(length),), tuple(layers), output_activation, loss)
