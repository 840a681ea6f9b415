"""Multilayer perceptrons from hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from skdl.networks._keras_object import KerasObject
from skdl.networks._network import Layer, Network
from skdl.networks._sizes import bins_width, embedding_width

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.networks._loss import Loss

__all__ = ["activated", "dense_layers", "mlp", "numeric_embedding"]

# Keras' default of 0.99 takes hundreds of steps to forget where the moving moments started, longer
# than a whole fit on a small table; until then validation, and so early stopping, sees noise.
_MOMENTUM = 0.9
# How many times faster than other weights the factors of a scale layer move.
_SCALE_GAIN = 6.0


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
    categories: Layer | None = None,
    missing: Layer | None = None,
    smooth_clip: Layer | None = None,
    embedding: Layer | None = None,
    feature_scale: bool = False,
    parametric_activation: bool = False,
    shared_members: int = 1,
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
    categories, smooth_clip, missing : Layer, optional
        What comes first, in this order: columns of categories become numbers, numbers are scaled
        and clipped by constants that the job brings, and gaps are filled.
    embedding : Layer, optional
        What turns each input into several, see `numeric_embedding`.
    feature_scale : bool
        Learn one factor for each input of the first dense layer.
    parametric_activation : bool
        Learn for each hidden unit how much of the activation there is.
    shared_members : int
        So many networks share all kernels but the last (Gorishniy et al. 2025).

    Returns
    -------
    Network
    """
    layers = [layer for layer in (categories, smooth_clip, missing) if layer is not None]
    if input_batch_norm:
        layers.append(batch_normalization())
    layers.append(Layer.of("Dropout", rate=float(input_dropout)))
    if embedding is not None:
        layers.append(embedding)
    if feature_scale:
        layers.append(Layer.of("FeatureScale", gain=_SCALE_GAIN))
    layers += dense_layers(
        n_outputs=n_outputs, hidden_units=hidden_units, activation=activation, dropout=dropout,
        l1=l1, l2=l2, batch_norm=batch_norm, parametric_activation=parametric_activation,
        shared_members=shared_members, embedding=embedding,
    )  # fmt: skip
    return Network((int(n_features),), tuple(layers), output_activation, loss)


def dense_layers(
    *,
    n_outputs: int,
    hidden_units: Sequence[int],
    activation: Hashable,
    dropout: float,
    l1: float,
    l2: float,
    batch_norm: Literal["before_activation", "after_activation"] | None,
    parametric_activation: bool = False,
    shared_members: int = 1,
    embedding: Layer | None = None,
) -> list[Layer]:
    """Return the hidden layers of a perceptron and its output before activation, as `mlp`."""
    layers: list[Layer] = []
    penalties = {"l1": float(l1), "l2": float(l2)}
    shared: dict[str, Any] = {}
    if shared_members > 1 and hidden_units:
        shared["n_shared"] = int(shared_members)
    for units in hidden_units:
        if shared:
            own = {"is_first": not layers, **({} if layers else _embedded(embedding))}
            layers.append(Layer.of("SharedDense", units=int(units), **own, **shared, **penalties))
        else:
            layers.append(Layer.of("Dense", units=int(units), **penalties))
        layers += activated(activation, batch_norm, is_parametric=parametric_activation)
        layers.append(Layer.of("Dropout", rate=float(dropout)))
    last = "SharedHeads" if shared else "Dense"
    layers.append(Layer.of(last, units=int(n_outputs), **shared, **penalties))
    return layers


def _embedded(embedding: Layer | None) -> dict[str, Any]:
    """Return how many numbers stand for one feature, and for how many features."""
    if embedding is None:
        return {}
    if embedding.kind == "PiecewiseLinearEmbedding":
        width = bins_width(embedding["n_bins"], embedding.get("with_number"))
    else:
        width = embedding_width(*(embedding[n] for n in ("form", "n_frequencies", "units")))
    return {"embedding_width": width, "n_numeric": embedding["n_numeric"]}


def activated(
    activation: Hashable,
    batch_norm: Literal["before_activation", "after_activation"] | None,
    *,
    is_parametric: bool = False,
) -> list[Layer]:
    """Return an activation with batch normalisation on the side where it is asked for."""
    kind = "ParametricActivation" if is_parametric else "Activation"
    layers = [
        Layer.of("Keras", layer=activation)
        if isinstance(activation, KerasObject)
        else Layer.of(kind, function=activation)
    ]
    if batch_norm is not None:
        place = 0 if batch_norm == "before_activation" else 1
        layers.insert(place, batch_normalization())
    return layers


def batch_normalization() -> Layer:
    """Return batch normalisation with the momentum that suits short trainings."""
    return Layer.of("BatchNormalization", momentum=_MOMENTUM)


def numeric_embedding(
    form: Literal["periodic", "plr", "pbld", "piecewise_linear"],
    *,
    n_frequencies: int,
    frequency_scale: float,
    units: int,
    n_bins: int,
    n_numeric: int | None = None,
) -> Layer:
    """Return the layer that turns each number into several.

    Parameters
    ----------
    form : {"periodic", "plr", "pbld", "piecewise_linear"}
        Gorishniy et al. 2022: sines and cosines of learned frequencies (Eq. 5), the same behind
        a dense layer and a ReLU for each feature, or the place in the bins of a feature (Eq. 1),
        beside the number in robust units, which they do not have.
        ``"pbld"`` is Holzmüller et al. 2024: cosines with learned phases behind a dense layer,
        beside the number itself.
    n_frequencies : int
        Frequencies for each feature.
    frequency_scale : float
        Standard deviation of the frequencies at first.
    units : int
        Numbers for each feature, with "plr" and "pbld".
    n_bins : int
        Bins for each feature, with "piecewise_linear".
    n_numeric : int, optional
        Only so many columns are numbers; the others stay as they are.

    Returns
    -------
    Layer
    """
    if form == "piecewise_linear":
        return Layer.of(
            "PiecewiseLinearEmbedding", n_bins=int(n_bins), with_number=True, n_numeric=n_numeric
        )
    return Layer.of(
        "PeriodicEmbedding",
        form=form,
        n_frequencies=int(n_frequencies),
        frequency_scale=float(frequency_scale),
        units=int(units),
        n_numeric=n_numeric,
    )
