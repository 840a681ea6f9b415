"""Arguments of callbacks as parameters of the estimator: ``callbacks__0__patience``."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["callback_parameters", "with_callback_parameters", "with_values"]

_PREFIX = "callbacks__"


def callback_parameters(callbacks: Any) -> dict[str, Any]:
    """Return the arguments that callback objects keep, by name such as ``callbacks__0__patience``.

    Parameters
    ----------
    callbacks : object
        One callback, a list, tuple or dict of them, or None.
    """
    return {
        f"{_PREFIX}{place}{name}": getattr(callback, name)
        for place, callback in _by_place(callbacks).items()
        for name in _arguments(callback)
    }


def with_callback_parameters(owner: str, callbacks: Any, params: Mapping[str, Any]) -> Any:
    """Return callbacks with other arguments; those that change are copied.

    Parameters
    ----------
    owner : str
        Name of the estimator, for errors.
    callbacks : object
        One callback, or a list or tuple of them.
    params : mapping of str to object
        By names as `callback_parameters` returns them.
    """
    known = _by_place(callbacks)
    by_place: dict[str, dict[str, Any]] = {}
    for name, value in params.items():
        rest = name.removeprefix(_PREFIX)
        place, separator, last = rest.rpartition("__")
        if place + separator not in known:
            expected = sorted(callback_parameters(callbacks))
            raise InvalidParameterError(
                f"{owner}: {name!r} names no callback of callbacks={callbacks!r}. Expected one of "
                f"{expected}."
            )
        by_place.setdefault(place + separator, {})[last] = value
    changed = {
        place: with_values(owner, callback, by_place.get(place, {}))
        for place, callback in known.items()
    }
    if not isinstance(callbacks, list | tuple):
        return changed[""]
    return type(callbacks)(changed.values())


def with_values(owner: str, callback: Any, values: Mapping[str, Any]) -> Any:
    """Return a callback, copied if it gets other values of its arguments."""
    if not values:
        return callback
    names = _arguments(callback)
    unknown = [name for name in values if name not in names]
    if unknown:
        raise InvalidParameterError(
            f"{owner}: {type(callback).__name__} keeps no argument {unknown[0]!r} that could be "
            f"set. Expected one of {names}."
        )
    # A grid search must not change what the user holds.
    callback = copy.deepcopy(callback)
    for name, value in values.items():
        setattr(callback, name, value)
    return callback


def _by_place(callbacks: Any) -> dict[str, Any]:
    """Return callbacks by what stands between the prefix and the name of an argument."""
    if callbacks is None:
        return {}
    if isinstance(callbacks, dict):
        return {f"{key}__": callback for key, callback in callbacks.items()}
    if isinstance(callbacks, list | tuple):
        return {f"{i}__": callback for i, callback in enumerate(callbacks)}
    return {"": callbacks}


def _arguments(callback: Any) -> list[str]:
    """Return the arguments of a callback that it keeps under their names; none for a class."""
    if inspect.isclass(callback) or not hasattr(callback, "__dict__"):
        return []
    return [name for name in inspect.signature(type(callback)).parameters if name in vars(callback)]
