"""Random changes of training images, by name and strength."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

from skdl.networks._network import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["augmentation_layers", "is_augmentation"]

_FLIPS = ("horizontal", "vertical", "horizontal_and_vertical")
# Strengths of those that are given by name alone; Keras' tutorials use them.
_DEFAULTS: dict[str, Any] = {
    "flip": "horizontal",
    "shift": 0.1,
    "rotate": 0.1,
    "zoom": 0.1,
    "contrast": 0.1,
}
# Keras cuts off what contrast makes of values outside a range; this one cuts nothing off.
_ANY_RANGE = (-1e30, 1e30)


def is_augmentation(value: object) -> bool:
    """Tell whether `augmentation_layers` understands a value."""
    try:
        return all(_is_known(name, strength) for name, strength in _entries(value))
    except (TypeError, ValueError):
        return False


def _is_known(name: object, strength: Any) -> bool:
    if name == "flip":
        return strength in _FLIPS
    is_number = isinstance(strength, Real) and not isinstance(strength, bool)
    return name in _DEFAULTS and is_number and 0 < strength < 1


def _entries(augment: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and strength of each change."""
    for entry in (augment,) if isinstance(augment, str) else augment:
        name, strength = (entry, _DEFAULTS.get(entry)) if isinstance(entry, str) else entry
        yield name, strength


def augmentation_layers(augment: Any, most: float | None = None) -> list[Layer]:
    """Return the Keras layers that change training images.

    Parameters
    ----------
    augment : str, sequence of str or (str, strength), or None
        See `is_augmentation`.
    most : float, optional
        Values lie between 0 and this; contrast keeps them there.

    Returns
    -------
    list of Layer
    """
    layers = []
    for name, strength in _entries(augment or ()):
        if name == "flip":
            layers.append(Layer.of("RandomFlip", mode=strength))
        elif name == "shift":
            share = float(strength)
            layers.append(Layer.of("RandomTranslation", height_factor=share, width_factor=share))
        elif name == "contrast":
            span = _ANY_RANGE if most is None else (0.0, float(most))
            layers.append(Layer.of("RandomContrast", factor=float(strength), value_range=span))
        elif name == "rotate":
            layers.append(Layer.of("RandomRotation", factor=float(strength)))
        else:
            layers.append(Layer.of("RandomZoom", height_factor=float(strength)))
    return layers
