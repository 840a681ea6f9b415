"""Multilayer perceptrons from hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from skdl.networks._loss import KerasObject
from skdl.networks._network import Layer, Network

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.networks._loss import Loss

__all__ = ["mlp"]

# Keras' default of 0.99 takes hundreds of steps to forget where the moving moments started, longer
# than a whole fit on a small table; until then validation, and so early stopping, sees noise.
_MOMENTUM = 0.9


def mlp(
    *,
    n_features: int,
    n_outputs: int,
    hidden_units: Sequence[int],
    activation: Hashable,
    output_activation: str,
    loss: Loss,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    batch_norm: Literal["before_activation", "after_activation"] | None = None,
    input_batch_norm: bool = False,
) -> Network:
    """Return a perceptron: per hidden layer Dense, batch normalisation, activation, dropout.

    Dropout layers are always there, with rate 0 where none is asked for: a rate is a number in
    which members of a stack may differ, the presence of a layer is not.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of a row and of the prediction.
    hidden_units : sequence of int
        Units of each hidden layer; empty for a linear model.
    activation : Hashable
        A name known to ``keras.activations``, a `KerasObject` or a callable.
    output_activation : str
        Activation of the last layer.
    loss : Loss
        What training minimises.
    dropout, input_dropout : float in [0, 1)
        Shares of hidden units and of inputs dropped in training (Srivastava et al. 2014).
    l1, l2 : float
        Penalties on every kernel, the output's included: ``l1 * sum(|w|) + l2 * sum(w**2)``.
    batch_norm : {"before_activation", "after_activation"} or None
        Place of batch normalisation (Ioffe and Szegedy 2015, who put it before).
    input_batch_norm : bool
        Normalise the inputs by batch too.

    Returns
    -------
    Network
    """
    layers = []
    if input_batch_norm:
        layers.append(_batch_normalization())
    layers.append(Layer.of("Dropout", rate=float(input_dropout)))
    for units in hidden_units:
        layers.append(Layer.of("Dense", units=int(units), l1=float(l1), l2=float(l2)))
        if batch_norm == "before_activation":
            layers.append(_batch_normalization())
        layers.append(_activation(activation))
        if batch_norm == "after_activation":
            layers.append(_batch_normalization())
        layers.append(Layer.of("Dropout", rate=float(dropout)))
    layers.append(Layer.of("Dense", units=int(n_outputs), l1=float(l1), l2=float(l2)))
    return Network((int(n_features),), tuple(layers), output_activation, loss)


def _activation(activation: Hashable) -> Layer:
    if isinstance(activation, KerasObject):
        return Layer.of("Keras", layer=activation)
    return Layer.of("Activation", function=activation)


def _batch_normalization() -> Layer:
    return Layer.of("BatchNormalization", momentum=_MOMENTUM)
