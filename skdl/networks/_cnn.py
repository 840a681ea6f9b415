"""Convolutional networks from hyperparameters, for images and for signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from skdl.networks._mlp import activated, dense_layers
from skdl.networks._network import Layer, Network

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.networks._loss import Loss

__all__ = ["cnn", "shapes_by_block"]

_POOLING = {"max": "MaxPooling", "average": "AveragePooling"}


def cnn(
    *,
    input_shape: Sequence[int],
    n_outputs: int,
    filters: Sequence[int],
    kernel_size: Sequence[int],
    activation: Hashable,
    output_activation: str,
    loss: Loss,
    convs_per_block: int = 1,
    padding: Literal["same", "valid"] = "same",
    pooling: Literal["max", "average"] | None = "max",
    pool_size: Sequence[int] = (2, 2),
    global_pooling: Literal["max", "average"] | None = None,
    hidden_units: Sequence[int] = (128,),
    conv_dropout: float = 0.0,
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    batch_norm: Literal["before_activation", "after_activation"] | None = None,
    scale: float = 1.0,
    augmentation: Sequence[Layer] = (),
) -> Network:
    """Return a convolutional network: blocks of convolutions and pooling, then a perceptron.

    Per block: `convs_per_block` times convolution, batch normalisation and activation; then
    pooling and dropout. Behind the blocks global pooling, or all values behind one another, and
    the layers of `mlp`.

    Parameters
    ----------
    input_shape : (height, width, channels) or (length, channels)
        Shape of one row; its length decides between convolutions over two axes and over one.
    n_outputs : int
        Width of the prediction.
    filters : sequence of int
        Filters of each block's convolutions.
    kernel_size, pool_size : sequence of int
        One number per axis of space.
    activation, output_activation, loss, hidden_units, dropout, l1, l2, batch_norm
        As in `mlp`; penalties and batch normalisation concern convolutions too.
    convs_per_block : int
        Convolutions before each pooling.
    padding : {"same", "valid"}
        Whether convolutions keep the size of the image, by zeros around it.
    pooling : {"max", "average"} or None
        What stands for each window of `pool_size` at the end of a block.
    global_pooling : {"max", "average"} or None
        What stands for each channel behind the last block; None keeps all values.
    conv_dropout : float in [0, 1)
        Share of the values behind each block dropped in training.
    scale : float
        What values are multiplied by first.
    augmentation : sequence of Layer
        Random changes of training images, behind the scaling.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If nothing is left of the image behind some block.
    """
    n_axes = len(input_shape) - 1
    shapes = shapes_by_block(
        input_shape, filters, kernel_size, convs_per_block, padding, pooling, pool_size
    )
    if min(min(shape) for _, shape in shapes) < 1:
        raise ValueError("nothing is left of the image")
    layers = [Layer.of("Rescaling", scale=float(scale))] if scale != 1 else []
    layers += augmentation
    for n_filters in filters:
        for _ in range(convs_per_block):
            layers.append(
                Layer.of(
                    f"Conv{n_axes}D",
                    filters=int(n_filters),
                    kernel_size=tuple(map(int, kernel_size)),
                    padding=padding,
                    l1=float(l1),
                    l2=float(l2),
                )
            )
            layers += activated(activation, batch_norm)
        if pooling is not None:
            size = tuple(map(int, pool_size))
            layers.append(Layer.of(f"{_POOLING[pooling]}{n_axes}D", pool_size=size))
        layers.append(Layer.of("Dropout", rate=float(conv_dropout)))
    if global_pooling is None:
        layers.append(Layer.of("Flatten"))
    else:
        layers.append(Layer.of(f"Global{_POOLING[global_pooling]}{n_axes}D"))
    layers += dense_layers(
        n_outputs=n_outputs, hidden_units=hidden_units, activation=activation, dropout=dropout,
        l1=l1, l2=l2, batch_norm=batch_norm,
    )  # fmt: skip
    return Network(tuple(map(int, input_shape)), tuple(layers), output_activation, loss)


def shapes_by_block(
    input_shape: Sequence[int],
    filters: Sequence[int],
    kernel_size: Sequence[int],
    convs_per_block: int,
    padding: Literal["same", "valid"],
    pooling: Literal["max", "average"] | None,
    pool_size: Sequence[int],
) -> list[tuple[str, tuple[int, ...]]]:
    """Return what each step of the blocks makes of an image, up to where nothing is left.

    Parameters
    ----------
    input_shape, filters, kernel_size, convs_per_block, padding, pooling, pool_size
        As in `cnn`.

    Returns
    -------
    list of (str, tuple of int)
        Name of the step and the shape of one row behind it.
    """
    shape = tuple(input_shape)
    steps = [("input", shape)]
    for block, n_filters in enumerate(filters, 1):
        for i in range(convs_per_block):
            lost = 0 if padding == "same" else 1
            space = (n - lost * (k - 1) for n, k in zip(shape[:-1], kernel_size, strict=True))
            shape = (*space, n_filters)
            number = f" {i + 1}" if convs_per_block > 1 else ""
            steps.append((f"convolution{number} of block {block}", shape))
            if min(shape) < 1:
                return steps
        if pooling is not None:
            space = (n // k for n, k in zip(shape[:-1], pool_size, strict=True))
            shape = (*space, shape[-1])
            steps.append((f"pooling of block {block}", shape))
            if min(shape) < 1:
                return steps
    return steps
