"""Rows that are images or signals, or flat and stand for either: their shape and their scale."""

from __future__ import annotations

import math
import warnings
from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import check_array, validate_data

from skdl._lazy_rows import lazy_rows
from skdl._validation import AnyOf, Integer, OneOf, Predicate, SequenceOf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "AXES_OF_A_TABLE",
    "AXES_OF_SPACE",
    "IMAGE_SHAPE",
    "ImageRows",
    "image_shape_of",
    "is_image",
    "side_lengths",
]

# Of an image; signals have one, flat rows none.
AXES_OF_SPACE = 2
AXES_OF_A_TABLE = 2
# What rescale="auto" is where networks take bytes as numbers from 0 to 1.
_OF_BYTES = 1 / 255


def is_image(shape: tuple[int, ...]) -> bool:
    """Tell whether a row's shape, channels included, is that of an image."""
    return len(shape) == AXES_OF_SPACE + 1


IMAGE_SHAPE = AnyOf(
    OneOf(None),
    Predicate(
        lambda value: SequenceOf(Integer(1), 1).accepts(value) and len(value) <= AXES_OF_SPACE + 1,
        "a sequence such as (height, width), (height, width, channels) or (length,)",
    ),
)


class ImageRows(metaclass=ABCMeta):
    """What estimators share whose rows are images: one shape and one scale, set in fit."""

    image_shape: Any
    rescale: Any
    image_shape_: tuple[int, ...]
    n_features_in_: int

    _accepted_rows: ClassVar[dict[str, Any]] = {
        "allow_nd": True,
        "dtype": [np.float32, np.uint8],
    }

    __lazy_rows_depend_on__: ClassVar[tuple[str, ...]] = ()

    def __lazy_rows__(self, X: Any) -> Any:
        return lazy_rows(X)

    def _encoded_table(self, X: Any, *, reset: bool) -> Any:
        """Return images as they are: `_as_images` holds their shape against that of fit.

        scikit-learn's check would compare the lengths of their second axes.
        """
        is_array = isinstance(X, np.ndarray)
        if reset or not (is_array or (isinstance(X, list | tuple) and X)):
            return None
        are_flat = (X.ndim if is_array else 1 + np.ndim(X[0])) <= AXES_OF_A_TABLE
        was_flat = self.n_features_in_ == math.prod(self.image_shape_)
        return None if are_flat and was_flat else X

    def _checked_as_in_fit(self, X: Any) -> NDArray[Any]:
        """Return rows to predict, checked but for their shape, where `_as_images` does that."""
        images = self._encoded_table(X, reset=False)
        if images is None:
            return validate_data(self, X, reset=False, **self._accepted_rows)
        return check_array(images, estimator=self, input_name="X", **self._accepted_rows)

    @abstractmethod
    def _auto_scale(self, X: NDArray[Any]) -> float:
        """Return what ``rescale="auto"`` stands for."""

    def _as_images(self, X: NDArray[Any], dimensions: Any, *, reset: bool) -> NDArray[Any]:
        """Return rows with their axes and channels; a view of `X`.

        Parameters
        ----------
        X : ndarray
            As scikit-learn's checks let it through.
        dimensions : {"auto", 1, 2}
            Axes of space.
        reset : bool
            Whether to learn shape and scale; otherwise the rows are held against them.
        """
        owner = type(self).__name__
        is_auto = isinstance(self.rescale, str)
        if reset:
            self.image_shape_ = image_shape_of(owner, X.shape, self.image_shape, dimensions)
            scale = self._auto_scale(X) if is_auto else self.rescale
            self._scale = 1.0 if scale is None else float(scale)
        else:
            self._check_as_in_fit(X, is_auto=is_auto)
        return X.reshape(len(X), *self.image_shape_)

    def _check_as_in_fit(self, X: NDArray[Any], *, is_auto: bool) -> None:
        """Refuse rows of another shape or scale than those of fit."""
        owner, expected = type(self).__name__, self.image_shape_
        shapes = {expected, (math.prod(expected),), _without_channel(expected)}
        if X.shape[1:] not in shapes:
            alone = "; X[np.newaxis] for one row alone" if X.shape in shapes else ""
            raise ValueError(
                f"{owner}: rows of X have shape {X.shape[1:]}. Expected {expected}, as in "
                f"fit, or as many values in one flat row{alone}."
            )
        if not is_auto:
            return
        if X.dtype == np.uint8:
            if self._auto_scale(X) != self._scale:
                is_asked = self._asks_for_scale
                auto = "for which rescale='auto' stood for" if is_asked else "multiplied by"
                cure = ", or set rescale to None or a number" if is_asked else ""
                raise ValueError(
                    f"{owner}: X is uint8, but fit saw other numbers, {auto} {self._scale:g}. "
                    f"Expected rows on the same scale: prepare these as those of fit{cure}."
                )
        elif (
            isinstance(X, np.ndarray) and self._scale == _OF_BYTES and 0 < (largest := X.max()) <= 1
        ):
            cure = ", or set rescale in fit" if self._asks_for_scale else ""
            warnings.warn(
                f"{owner}: X holds no number above {largest:g}, but fit saw bytes. The network "
                "divides by 255 once more. Expected rows on the same scale: leave out the "
                f"division in front of it{cure}.",
                DataConversionWarning,
                stacklevel=2,
            )

    @property
    def _asks_for_scale(self) -> bool:
        """Whether `rescale` is a parameter."""
        return "rescale" in self.get_params(deep=False)  # type: ignore[attr-defined]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags


def _without_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of grey images without their one channel, or the shape itself."""
    is_grey = is_image(shape) and shape[-1] == 1
    return shape[:-1] if is_grey else shape


def image_shape_of(
    owner: str, shape: tuple[int, ...], image_shape: Sequence[int] | None, dimensions: Any
) -> tuple[int, ...]:
    """Return the shape of one row with its channels.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins a message.
    shape : tuple of int
        Shape of all rows.
    image_shape : sequence of int or None
        Shape of one row as the user states it.
    dimensions : {"auto", 1, 2}
        Axes of space.

    Returns
    -------
    (height, width, channels) or (length, channels)

    Raises
    ------
    ValueError
        If the three do not go together.

    Examples
    --------
    >>> image_shape_of("CNNClassifier", (100, 784), (28, 28), "auto")
    (28, 28, 1)
    >>> image_shape_of("CNNClassifier", (100, 7, 9), None, 1)
    (7, 9)
    """
    row = shape[1:]
    if 0 in row:
        raise ValueError(
            f"{owner}: X of shape {shape} has rows without values. Expected images or signals of "
            "at least one value along each axis."
        )
    stated = tuple(int(n) for n in image_shape) if image_shape is not None else None
    if stated is not None:
        if math.prod(stated) != math.prod(row):
            raise ValueError(
                f"{owner}: image_shape={stated} stands for {_product(stated)} values, but rows of "
                f"X have {_product(row)}. Expected an image_shape that multiplies out to the "
                "values of a row."
            )
        with_channels = _with_channels(owner, f"image_shape={stated}", stated, dimensions)
        if len(row) > 1 and _with_channels(owner, f"X of shape {shape}", row, dimensions) != (
            with_channels
        ):
            raise ValueError(
                f"{owner}: image_shape={stated} differs from the shape of X's rows, {row}. "
                "Expected the same, or image_shape=None: it is needed for flat rows only."
            )
        return with_channels
    if len(row) == 1 and dimensions == AXES_OF_SPACE:
        raise ValueError(
            f"{owner}: rows of X are flat, of {row[0]} values, and dimensions=2 asks for images. "
            "Expected image_shape=(height, width) or (height, width, channels)."
        )
    return _with_channels(owner, f"X of shape {shape}", row, dimensions)


def _with_channels(owner: str, what: str, row: tuple[int, ...], dimensions: Any) -> tuple[int, ...]:
    """Return the shape of one row with a channel if it has none."""
    n_axes = {1: 1, 2: 2, 3: 2}.get(len(row)) if dimensions == "auto" else dimensions
    if n_axes is None or len(row) - n_axes not in {0, 1}:
        kinds = {
            "auto": "images (height, width) or (height, width, channels)",
            1: "signals (length,) or (length, channels), as dimensions=1 says",
            2: "images (height, width) or (height, width, channels)",
        }
        raise ValueError(
            f"{owner}: {what} has {len(row)} numbers per row's shape, {row}. Expected rows that "
            f"are {kinds[dimensions]}, or flat."
        )
    return row if len(row) > n_axes else (*row, 1)


def side_lengths(owner: str, name: str, value: Any, n_axes: int) -> tuple[int, ...]:
    """Return one number per axis of space of what may be one for all."""
    if np.ndim(value):
        if len(value) != n_axes:
            kind = "images" if n_axes > 1 else "signals"
            raise ValueError(
                f"{owner}: {name}={value!r} has {len(value)} entries, but rows of X are {kind}. "
                f"Expected an integer or {n_axes} of them."
            )
        return tuple(int(n) for n in value)
    return (int(value),) * n_axes


def _product(shape: Sequence[int]) -> str:
    total = math.prod(shape)
    return f"{' × '.join(map(str, shape))} = {total}" if len(shape) > 1 else f"{total}"
