"""What shape one row has: images, signals, or flat rows that stand for either."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["image_shape_of", "side_lengths"]


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
    if len(row) == 1 and dimensions == 2:  # noqa: PLR2004
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
            2: "images (height, width) or (height, width, channels), as dimensions=2 says",
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
