"""What the displays take: axes, styles, names and curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skdl._validation import AnyOf, OneOf, Predicate, show
from skdl.exceptions import InvalidParameterError

__all__ = ["AXES", "NAME", "STYLE", "TEXT", "check_curve", "check_curves"]


def _is_axes(value: object) -> bool:
    return not isinstance(value, type) and hasattr(value, "fill_between")


def _is_style(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


TEXT = Predicate(lambda value: isinstance(value, str), "a name, a string")
NAME = AnyOf(OneOf(None), TEXT)
AXES = AnyOf(OneOf(None), Predicate(_is_axes, "axes of matplotlib, for example plt.subplots()[1]"))
STYLE = AnyOf(
    OneOf(None),
    Predicate(_is_style, "a dict of arguments of matplotlib, for example {'color': 'black'}"),
)


def check_curve(owner: str, name: str, values: Any) -> None:
    """Refuse what is no curve: one number for each epoch, at least one of them."""
    try:
        numbers = np.asarray(values, float)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.ndim != 1 or not len(numbers):
        raise InvalidParameterError(
            f"{owner}: history[{name!r}]={show(values)} is no curve. Expected a list of numbers, "
            "one for each epoch and at least one."
        )


def check_curves(owner: str, curves: Any, kept_epochs: Any) -> None:
    """Refuse curves that are no tables of the same number of folds, and epochs that fit none."""
    is_dict = isinstance(curves, Mapping) and len(curves) > 0
    shapes = {np.shape(values) for values in curves.values()} if is_dict else set()
    if len(shapes) != 1 or any(len(shape) != 2 or not all(shape) for shape in shapes):
        raise InvalidParameterError(
            f"{owner}: curves={show(curves)} is not allowed. Expected a dict from 'training', "
            "'validation' or 'test' to arrays of one shape (n_epochs, n_folds)."
        )
    if kept_epochs is None:
        return
    n_folds = next(iter(shapes))[1]
    try:
        kept = np.asarray(kept_epochs, int)
    except (TypeError, ValueError, OverflowError):
        kept = np.empty(0, int)
    if kept.shape != (n_folds,):
        raise InvalidParameterError(
            f"{owner}: kept_epochs={show(kept_epochs)} is not allowed. Expected None or an epoch, "
            f"from 1, for each of the {n_folds} folds."
        )
