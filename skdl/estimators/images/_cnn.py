"""What the two convolutional networks share: shapes, and the network of the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._lazy_rows import LazyRows
from skdl._rows import PreparedRows, source_of
from skdl._validation import AnyOf, Constraint, Integer, OneOf, Predicate, Real, SequenceOf
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._described_prediction import InputForm
from skdl.estimators.base._image_shape import IMAGE_SHAPE, ImageRows, is_image, side_lengths
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import (
    CONSTRAINTS,
    MAX_LAYERS,
    is_keras,
    units_per_layer,
)
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._sparsity import nonzero_weights
from skdl.networks import augmentation_layers, cnn, is_augmentation, shapes_by_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from skdl.estimators.base._targets import Output
    from skdl.networks import Network

__all__ = ["CNN_CONSTRAINTS", "BaseCNN"]

_COUNT = Integer(1, MAX_LAYERS, example=2)
_SIDES = AnyOf(Integer(1, example=3), SequenceOf(Integer(1), min_length=1))
_NOT_OURS = {"input_dropout", "input_batch_norm"}
CNN_CONSTRAINTS: dict[str, Constraint] = {
    **{name: constraint for name, constraint in CONSTRAINTS.items() if name not in _NOT_OURS},
    "conv_blocks": _COUNT,
    "filters": AnyOf(
        Integer(1, example=32), SequenceOf(Integer(1), min_length=1, max_length=MAX_LAYERS)
    ),
    "kernel_size": _SIDES,
    "convs_per_block": _COUNT,
    "padding": OneOf("same", "valid"),
    "pooling": OneOf(None, "max", "average"),
    "pool_size": _SIDES,
    "global_pooling": OneOf(None, "max", "average"),
    "image_shape": IMAGE_SHAPE,
    "dimensions": OneOf("auto", 1, 2),
    "rescale": AnyOf(OneOf("auto", None), Real(0, low_open=True, example=1 / 255)),
    "augment": AnyOf(
        OneOf(None),
        Predicate(
            is_augmentation,
            "names out of 'flip', 'shift', 'rotate', 'zoom' and 'contrast', alone or with a "
            "strength, for example ('flip', ('rotate', 0.05)); strengths are numbers in (0, 1), "
            "and for 'flip' 'horizontal', 'vertical' or 'horizontal_and_vertical'",
        ),
    ),
    "conv_dropout": CONSTRAINTS["dropout"],
    "sparsity": CONSTRAINTS["dropout"],
}


class BaseCNN(ImageRows, BaseNetwork):
    """What the two convolutional networks share: shapes, and the network of the parameters."""

    n_nonzero_weights_ = nonzero_weights

    conv_blocks: int
    filters: Any
    kernel_size: Any
    convs_per_block: int
    padding: Any
    pooling: Any
    pool_size: Any
    global_pooling: Any
    hidden_units: Any
    hidden_layers: int
    dimensions: Any
    augment: Any
    activation: Any
    conv_dropout: float
    dropout: float
    l1: float
    l2: float
    sparsity: float
    batch_norm: Any

    def _to_network_rows(self, X: NDArray[Any], *, reset: bool) -> NDArray[Any]:
        images = self._as_images(X, self.dimensions, reset=reset)
        if reset:
            self._check_blocks(X.shape)
        return images

    def _input_form(self) -> InputForm:
        return InputForm(self.image_shape_)

    def _check_activation(self) -> None:
        # A layer may be made for images alone, and so may a function without dense layers.
        given = self.activation
        is_of_images = isinstance(given, type) or is_keras("layers.Layer")(given)
        if not is_of_images and units_per_layer(self.hidden_units, self.hidden_layers):
            super()._check_activation()

    def __lazy_rows__(self, X: Any) -> Any:
        source = source_of(X)
        if source is None:
            return super().__lazy_rows__(X)
        owner, index = type(self).__name__, X.index if isinstance(X, LazyRows) else None
        prepared = PreparedRows(source, owner, allow_nan=False, cure="leave out these rows")
        return LazyRows(prepared, index, source)

    def _auto_scale(self, X: NDArray[Any]) -> float:
        return 1 / 255 if X.dtype == np.uint8 else 1.0

    def _check_blocks(self, shape: tuple[int, ...]) -> None:
        """Refuse blocks that leave nothing of the image."""
        shapes = shapes_by_block(self.image_shape_, **self._blocks())
        if min(shapes[-1][1]) >= 1:
            return
        steps = ", ".join(f"{name}: {_by(shape)}" for name, shape in shapes)
        given = f" (n_features={shape[1]})" if not shape[2:] else ""
        raise ValueError(
            f"{type(self).__name__}: {shapes[-1][0]} leaves nothing of rows of shape "
            f"{_by(self.image_shape_)}{given}: {steps}. Expected fewer conv_blocks, a smaller "
            "pool_size, pooling=None, padding='same', or larger images."
        )

    def _blocks(self) -> dict[str, Any]:
        """Return the blocks' parameters, one entry per block or axis of space."""
        owner, n_axes = type(self).__name__, len(self.image_shape_) - 1
        filters = self.filters
        if np.ndim(filters) == 0:
            filters = [filters * 2**i for i in range(self.conv_blocks)]
        return {
            "filters": [int(n) for n in filters],
            "kernel_size": side_lengths(owner, "kernel_size", self.kernel_size, n_axes),
            "convs_per_block": int(self.convs_per_block),
            "padding": self.padding,
            "pooling": self.pooling,
            "pool_size": side_lengths(owner, "pool_size", self.pool_size, n_axes),
        }

    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        if self.augment is not None and not is_image(shape):
            raise ValueError(
                f"{type(self).__name__}: augment={self.augment!r} changes images, but rows of X "
                f"are signals of shape {shape}. Expected augment=None, or images (see "
                "image_shape and dimensions)."
            )
        # Bytes lie between 0 and 1 behind the scaling; of other numbers nobody knows the range.
        most = 1.0 if self._scale == 1 / 255 else None
        return cnn(
            input_shape=shape,
            n_outputs=output.n_outputs,
            **self._blocks(),
            global_pooling=self.global_pooling,
            hidden_units=units_per_layer(self.hidden_units, self.hidden_layers),
            activation=names.resolved_activation(self.activation),
            output_activation=output.activation,
            loss=output.loss,
            conv_dropout=self.conv_dropout,
            dropout=self.dropout,
            l1=self.l1,
            l2=self.l2,
            batch_norm=self.batch_norm,
            scale=self._scale,
            augmentation=augmentation_layers(self.augment, most),
        )

    def _search_space(self) -> dict[str, Choice | Number]:
        # How many blocks an image can bear is for the user to say, who knows its size.
        space: dict[str, Choice | Number] = {}
        if np.ndim(self.filters) == 0:
            space["filters"] = Choice(16, 32, 64)
        return {
            **space,
            "hidden_units": Choice(64, 128, 256),
            "conv_dropout": Number(0.0, 0.4, step=0.05),
            "dropout": Number(0.0, 0.5, step=0.05),
            "l1": Number(1e-7, 1e-3, log=True),
            "l2": Number(1e-6, 1e-2, log=True),
            "batch_norm": Choice(None, "before_activation"),
            **super()._search_space(),
        }


def _by(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
