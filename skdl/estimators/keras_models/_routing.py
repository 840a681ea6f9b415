"""Routing: whose parameter is ``optimizer__learning_rate``, and what is made of a class.

The conventions are SciKeras', so that an estimator written for it works unchanged:

- A prefix names the destination: ``model__units`` is the argument `units` of the function that
  builds the model, ``fit__epochs`` one of ``fit``. Routed parameters win over those without prefix.
- A class given as optimizer, loss, metric or callback is called with what is routed to it.
- In a list, tuple or dict, a position or key in between names one of several objects:
  ``callbacks__0__patience``. What is routed without one is for all objects that the container
  itself holds, unless their own says otherwise.
- A number in the place of a name is a positional argument, ``optimizer__0``.
- A routed class is made too, of what is routed to it: ``optimizer__learning_rate=ExponentialDecay``
  with ``optimizer__learning_rate__decay_rate=0.9``.

Nothing here imports Keras or SciKeras.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = [
    "PREFIXES",
    "accepts",
    "has_prefix",
    "is_routed",
    "made_of",
    "names_argument",
    "routed_to",
]

# What may stand before ``__`` in a routed parameter.
PREFIXES = (
    "model", "fit", "compile", "predict", "optimizer", "loss", "metrics", "callbacks", "score",
)  # fmt: skip

_SEPARATOR = "__"
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def is_routed(name: str) -> bool:
    """Tell whether a parameter is meant for something inside, as ``model__units`` is."""
    prefix, _, rest = name.partition(_SEPARATOR)
    return bool(rest) and prefix in PREFIXES


def has_prefix(name: str) -> bool:
    """Tell whether a name has a prefix, known or not."""
    prefix, _, rest = name.partition(_SEPARATOR)
    return bool(prefix and rest)


def names_argument(function: Callable[..., Any], name: str) -> bool:
    """Tell whether a function itself names an argument, beyond what it takes by ``**``."""
    parameters = inspect.signature(function).parameters
    return name in parameters and parameters[name].kind in _NAMED


def routed_to(
    destination: str,
    params: Mapping[str, Any],
    *,
    unrouted: Collection[str] = (),
    deep: bool = True,
) -> dict[str, Any]:
    """Return the parameters for one destination, without its prefix.

    Parameters
    ----------
    destination : str
        For example ``"optimizer"``, or ``"fit__callbacks"``.
    params : mapping of str to object
        All parameters of the estimator.
    unrouted : collection of str, default=()
        Parameters that the destination gets under their own names.
    deep : bool, default=True
        Also return what is routed to something inside the destination: ``schedule__rate`` of
        ``optimizer__schedule__rate``.

    Returns
    -------
    params : dict of str to object
    """
    found = {name: value for name, value in params.items() if name in unrouted and not _deep(name)}
    prefix = destination + _SEPARATOR
    for name, value in params.items():
        rest = name.removeprefix(prefix)
        if name.startswith(prefix) and (deep or not _deep(rest)):
            found[rest] = value
    return found


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Tell whether a function can be called with an argument of this name."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return True
    return name in parameters and parameters[name].kind in _NAMED


def made_of(
    given: Any,
    params: Mapping[str, Any],
    changed: Callable[[Any, Mapping[str, Any]], Any] | None = None,
) -> Any:
    """Return objects for classes, also for those in lists, tuples and dicts, however nested.

    Parameters
    ----------
    given : object
        Classes are called, containers are copied, all else is returned as it is.
    params : mapping of str to object
        What is routed to `given`, see `routed_to`.
    changed : callable, optional
        What to make of an object that parameters are routed to; an error by default.

    Returns
    -------
    made : object

    Raises
    ------
    TypeError
        If parameters are routed to what is neither a class nor a container.
    """
    if isinstance(given, dict):
        return {key: _element(given[key], str(key), params, changed) for key in given}
    if isinstance(given, list | tuple):
        return type(given)(_element(part, str(i), params, changed) for i, part in enumerate(given))
    if inspect.isclass(given):
        return _called(given, params)
    if params and changed is not None:
        return changed(given, params)
    if params:
        raise TypeError(
            f"{given!r} is given the parameters {sorted(params)}, but it is no class. Expected a "
            "class, which is called with them: leave out the parameters, or give the class instead "
            "of an object or a function."
        )
    return given


def _element(
    given: Any,
    key: str,
    params: Mapping[str, Any],
    changed: Callable[[Any, Mapping[str, Any]], Any] | None,
) -> Any:
    """Return what is made of one object in a container."""
    own = routed_to(key, params)
    is_container = isinstance(given, dict | list | tuple)
    return made_of(given, own if is_container else {**_shallow(params), **own}, changed)


def _called(kind: Callable[..., Any], params: Mapping[str, Any]) -> Any:
    """Call a class with its parameters; of these, classes are called first."""
    arguments = {
        name: made_of(value, routed_to(name, params)) for name, value in _shallow(params).items()
    }
    positions = sorted((name for name in arguments if name.isdecimal()), key=int)
    positional = [arguments.pop(name) for name in positions]
    return kind(*positional, **arguments)


def _deep(name: str) -> bool:
    return _SEPARATOR in name


def _shallow(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if not _deep(name)}
