"""What a user's function, ``keras.Model.compile`` and ``fit`` are called with.

Which parameter is whose, `_routing` says. Here names become Keras' classes, and objects become new
ones for each training.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
from typing import TYPE_CHECKING, Any

from skdl._compat_keras import function_arguments
from skdl._plain_data import any_value, mapping, register
from skdl._validation import show
from skdl.estimators.base._callback_parameters import with_values
from skdl.estimators.base._user_functions import first_line
from skdl.estimators.keras_models._routing import accepts, made_of, names_argument, routed_to
from skdl.exceptions import InvalidParameterError
from skdl.networks import (
    CROSSENTROPY,
    Fresh,
    described_object,
    function_loss,
    preserved_generators,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = [
    "AVERAGED",
    "CompileArguments",
    "averaged",
    "build_arguments",
    "callbacks_of",
    "copied",
    "flat",
    "loss_name",
    "same_loss",
    "settings_of",
]

# How row losses become the batch's, in Keras' words: those of names, classes and functions here,
# and those of Keras itself.
AVERAGED = "mean_with_sample_weight"
_KERAS_DEFAULT = "sum_over_batch_size"

# Parameters of SciKeras that are not for the function that builds the model.
_IGNORED = frozenset({"build_fn", "run_eagerly", "validation_batch_size"})
_COMPILED = frozenset(
    {"optimizer", "loss", "metrics", "loss_weights", "weighted_metrics", "run_eagerly"}
)
# Which accuracy or cross-entropy these mean, Keras decides when it sees outputs and targets.
_LEFT_TO_KERAS = frozenset({"acc", "accuracy", "ce", CROSSENTROPY})


def build_arguments(
    function: Callable[..., Any],
    params: Mapping[str, Any],
    user_names: Collection[str],
    meta: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments that a function which builds a model is called with.

    Parameters
    ----------
    function : callable
    params : mapping of str to object
        All parameters of the estimator.
    user_names : collection of str
        Those that the user added.
    meta : mapping of str to object
        What is known of the data, given to functions with an argument ``meta``.
    """
    arguments = routed_to("model", params, unrouted=set(user_names) - _IGNORED, deep=False)
    # A name that looks routed, but is the function's own.
    arguments |= {
        name: params[name]
        for name in user_names
        if name not in arguments and names_argument(function, name)
    }
    offered: dict[str, Any] = {
        "meta": meta,
        "compile_kwargs": CompileArguments(dict(params)),
        "params": dict(params),
    }
    return arguments | {name: offered[name] for name in offered if accepts(function, name)}


@dataclasses.dataclass(frozen=True, eq=False)
class CompileArguments(Fresh):
    """The arguments of ``keras.Model.compile`` that an estimator's parameters describe.

    Parameters
    ----------
    params : mapping of str to object
        All parameters of the estimator.
    """

    params: Mapping[str, Any]

    def fresh(self) -> dict[str, Any]:
        """Return new objects, so that nothing of the user's is changed by a training."""
        arguments = routed_to("compile", self.params, unrouted=_COMPILED)
        with preserved_generators():
            for name, as_class in _AS_CLASSES.items():
                given = arguments.get(name)
                routed = routed_to(name, self.params)
                # Names of metrics stay names where nothing is routed to them: then Keras reports
                # them by the names that the user knows.
                try:
                    if name != "metrics" or routed:
                        given = as_class(given)
                    made = copied(made_of(given, routed))
                    arguments[name] = _averaged(made, given, routed) if name == "loss" else made
                except (TypeError, ValueError) as error:
                    added = ", ".join(f"{name}__{key}={show(v)}" for key, v in routed.items())
                    shown = f"{show(self.params.get(name))}{' with ' if added else ''}{added}"
                    raise InvalidParameterError(
                        f"{name}={shown} cannot be made: {first_line(error)}. Expected an object "
                        "of Keras, or a name or class with the arguments that it takes as "
                        f"{name}__NAME=..."
                    ) from error
        if arguments["metrics"] is not None and not isinstance(arguments["metrics"], dict | list):
            arguments["metrics"] = [arguments["metrics"]]
        return arguments


def _averaged(made: Any, given: Any, routed: Mapping[str, Any]) -> Any:
    """Return losses averaged by the sample weights, unless they were given as objects.

    Parameters
    ----------
    made : object
        What was made of `given`: losses in the same containers.
    given : object
        Classes, functions and objects, in lists, tuples or dicts.
    routed : mapping of str to object
        What is routed to them: ``loss__reduction`` holds.
    """
    import keras

    if isinstance(given, dict):
        return {key: _averaged(made[key], part, _routed_to_part(str(key), routed))
                for key, part in given.items()}  # fmt: skip
    if isinstance(given, list | tuple):
        return type(given)(_averaged(made[i], part, _routed_to_part(str(i), routed))
                           for i, part in enumerate(given))  # fmt: skip
    if inspect.isclass(given) and isinstance(made, keras.losses.Loss):
        return made if "reduction" in routed else averaged(made)
    is_function = callable(made) and not isinstance(made, keras.losses.Loss)
    return function_loss(made) if is_function else made


def _routed_to_part(key: str, routed: Mapping[str, Any]) -> dict[str, Any]:
    shared = {name: value for name, value in routed.items() if "__" not in name}
    return {**shared, **routed_to(key, routed)}


def averaged(loss: Any, reduction: str = AVERAGED) -> Any:
    """Give a loss that nobody else holds another reduction, unless its class has chosen one."""
    if loss.reduction == _KERAS_DEFAULT:
        loss.reduction = reduction
    return loss


def _optimizer_class(given: Any) -> Any:
    import keras

    return type(keras.optimizers.get(given)) if isinstance(given, str) else given


def _loss_class(given: Any) -> Any:
    """Return the class of a loss by name or function, also of each one in a list or dict."""
    import keras

    if isinstance(given, dict | list | tuple):
        return _each(given, _loss_class)
    if isinstance(given, str) and given in _LEFT_TO_KERAS:
        return given
    loss = keras.losses.get(given) if isinstance(given, str) else given
    if isinstance(given, str) and isinstance(loss, keras.losses.Loss):
        return type(loss)
    name = getattr(loss, "__name__", "")
    if inspect.isfunction(loss) and getattr(keras.losses, name, None) is loss:
        return getattr(keras.losses, "".join(map(str.capitalize, name.split("_"))), loss)
    return loss


def _metric_class(given: Any) -> Any:
    """Return the class of a metric by name, also of each one in a list or dict."""
    import keras

    if isinstance(given, dict | list | tuple):
        return _each(given, _metric_class)
    if not isinstance(given, str) or given in _LEFT_TO_KERAS:
        return given
    metric = keras.metrics.get(given)
    return type(metric) if isinstance(metric, keras.metrics.Metric) else metric


_AS_CLASSES: dict[str, Callable[[Any], Any]] = {
    "optimizer": _optimizer_class,
    "loss": _loss_class,
    "metrics": _metric_class,
}


def _each(given: Any, change: Callable[[Any], Any]) -> Any:
    """Return a list, tuple or dict with each of its parts changed, however nested."""
    if isinstance(given, dict):
        return {name: _each(part, change) for name, part in given.items()}
    if isinstance(given, list | tuple):
        return type(given)(_each(part, change) for part in given)
    return change(given)


def copied(value: Any) -> Any:
    """Return optimizers and metrics as new objects that compute the same."""
    import keras

    def new(part: Any) -> Any:
        is_changed = isinstance(part, keras.optimizers.Optimizer | keras.metrics.Metric)
        return described_object(part).build() if is_changed else part

    return _each(value, new)


def callbacks_of(
    owner: str,
    params: Mapping[str, Any],
    destinations: tuple[str, ...] = ("callbacks", "fit__callbacks"),
) -> list[Any]:
    """Return the callbacks of a fit: classes are called with what is routed to them.

    Of objects, copies are made, which get it as their attributes.
    """
    changed = functools.partial(with_values, owner)
    found: list[Any] = []
    for destination in destinations:
        given = params.get(destination)
        if given is not None:
            found += flat(made_of(given, routed_to(destination, params), changed))
    return found


def flat(parts: Any) -> list[Any]:
    """Return callbacks or metrics out of lists, tuples and dicts, however nested."""
    if isinstance(parts, dict):
        parts = list(parts.values())
    if isinstance(parts, list | tuple):
        return [own for part in parts for own in flat(part)]
    return [parts]


def same_loss(given: Any, compiled: Any) -> bool:
    """Tell whether a loss and that of a compiled model are one, as far as their names tell."""
    if any(isinstance(loss, list | dict | tuple) for loss in (given, compiled)):
        return True
    try:
        names = loss_name(given), loss_name(compiled)
    except ValueError:
        return True  # Keras does not know a name; it says so itself, and better
    if None not in names and names[0] != names[1]:
        return False
    import keras

    if not isinstance(given, keras.losses.Loss):
        return True
    with preserved_generators():
        kind = _loss_class(compiled)
        compiled = kind() if inspect.isclass(kind) and type(given) is kind else kind
    return type(given) is not type(compiled) or settings_of(given) == settings_of(compiled)


def settings_of(part: Any) -> tuple[Any, ...]:
    """Return what tells whether two objects of Keras do the same: their class and arguments."""
    if not hasattr(part, "get_config") or inspect.isclass(part):
        return (part,)
    try:
        config = {**part.get_config(), **function_arguments(part), "name": None}
    except Exception:  # noqa: BLE001 - of a class of the user's
        return (part,)
    # Keras numbers the names that nobody chose.
    return type(part), json.dumps(config, sort_keys=True, default=repr)


def loss_name(loss: Any) -> str | None:
    """Return a loss's name in Keras, ``"mean_squared_error"`` for ``"mse"``; None if it has none.

    Parameters
    ----------
    loss : str, callable, class or keras.losses.Loss

    Raises
    ------
    ValueError
        If Keras does not know a loss of this name.
    """
    import keras

    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    kind = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    name = getattr(kind, "__name__", None)
    if name is None or inspect.isfunction(kind):
        return name
    # A word begins at each capital that follows or precedes a small letter.
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


register(
    CompileArguments, {"params": mapping(any_value)}, write=lambda own: {"params": dict(own.params)}
)
