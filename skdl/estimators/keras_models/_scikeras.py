"""SciKeras' conventions, taken from SciKeras itself: who gets which of the user's parameters.

The only module that imports SciKeras, and only once a user's own model is fitted, since importing
it puts methods for pickling onto Keras' classes.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from skdl.networks import Fresh, preserved_generators

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = [
    "IGNORED",
    "PREFIXES",
    "CompileArguments",
    "build_arguments",
    "callbacks_of",
    "is_routed",
    "parameters_of",
    "same_loss",
]

# What may stand before ``__`` in a routed parameter.
PREFIXES = ("model", "fit", "compile", "predict", "optimizer", "loss", "metrics", "callbacks")
# Parameters of SciKeras that are not for the function that builds the model.
IGNORED = frozenset({"run_eagerly", "validation_batch_size"})
_COMPILED = frozenset(
    {"optimizer", "loss", "metrics", "loss_weights", "weighted_metrics", "run_eagerly"}
)


def is_routed(name: str) -> bool:
    """Tell whether a parameter is meant for something inside, as ``model__units`` is."""
    prefix, separator, rest = name.partition("__")
    return bool(separator and rest) and prefix in PREFIXES


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
    from scikeras._utils import accepts_kwargs, has_param, route_params

    own = set(user_names) - IGNORED
    arguments = route_params(params, destination="model", pass_filter=own, strict=True)
    offered: dict[str, Any] = {
        "meta": meta,
        "compile_kwargs": CompileArguments(dict(params)),
        "params": dict(params),
    }
    takes_all = accepts_kwargs(function)
    for name, value in offered.items():
        if takes_all or has_param(function, name):
            arguments[name] = value
    return arguments


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
        from scikeras import _utils as conventions

        params = self.params
        arguments = conventions.route_params(
            params, destination="compile", pass_filter=set(_COMPILED)
        )
        getters = {
            "optimizer": conventions.get_optimizer_class,
            "loss": conventions.get_loss_class_function_or_string,
            "metrics": conventions.get_metric_class,
        }
        with preserved_generators():
            for name, getter in getters.items():
                given = arguments.get(name)
                routed = conventions.route_params(
                    params, destination=name, pass_filter=set(), strict=name == "optimizer"
                )
                # Names of losses and metrics stay names where nothing is routed to them: then
                # Keras reports them by the names that the user knows.
                if name == "optimizer" or routed:
                    given = conventions.try_to_convert_strings_to_classes(given, getter)
                made = conventions.unflatten_params(items=_as_classes(given, routed), params=routed)
                arguments[name] = _copied(made)
        if arguments["metrics"] is not None and not isinstance(arguments["metrics"], dict | list):
            arguments["metrics"] = [arguments["metrics"]]
        return arguments


def _as_classes(given: Any, routed: Mapping[str, Any]) -> Any:
    """Return what is to be made, losses by name as classes where numbers are routed to them."""
    import keras

    name = getattr(given, "__name__", "")
    if routed and inspect.isfunction(given) and getattr(keras.losses, name, None) is given:
        return getattr(keras.losses, _camel(name), given)
    return given


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _copied(value: Any) -> Any:
    """Return optimizers, losses and metrics as new objects of equal configuration."""
    import keras

    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(part) for part in value)
    if isinstance(value, keras.optimizers.Optimizer | keras.metrics.Metric):
        return type(value).from_config(value.get_config())
    return value


def callbacks_of(params: Mapping[str, Any]) -> list[Any]:
    """Return the callbacks of a fit: classes are called with what is routed to them."""
    from scikeras._utils import route_params, unflatten_params

    found: list[Any] = []
    for destination in ("callbacks", "fit__callbacks"):
        given = params.get(destination)
        if given is None:
            continue
        routed = route_params(params, destination=destination, pass_filter=set())
        found += _flat(unflatten_params(items=given, params=routed))
    return found


def _flat(callbacks: Any) -> list[Any]:
    """Return callbacks out of lists, tuples and dicts, however nested."""
    if isinstance(callbacks, dict):
        callbacks = list(callbacks.values())
    if isinstance(callbacks, list | tuple):
        return [callback for part in callbacks for callback in _flat(part)]
    return [callbacks]


def same_loss(given: Any, compiled: Any) -> bool:
    """Tell whether a loss and that of a compiled model are one, as far as their names tell."""
    from scikeras.utils import loss_name

    kinds = [value for value in (given, compiled) if not isinstance(value, str)]
    if any(isinstance(kind, list | dict | tuple) for kind in kinds):
        return True
    try:
        return bool(loss_name(given) == loss_name(compiled))
    except (TypeError, ValueError):
        return True


def parameters_of(estimator: Any) -> dict[str, Any]:
    """Return the parameters of a SciKeras estimator as those of ours."""
    from scikeras.wrappers import BaseWrapper

    if not isinstance(estimator, BaseWrapper):
        raise TypeError(
            f"from_scikeras: got an object of class {type(estimator).__name__}. Expected a "
            "KerasClassifier or KerasRegressor of scikeras.wrappers."
        )
    if hasattr(estimator, "_keras_build_fn"):
        raise TypeError(
            f"from_scikeras: {type(estimator).__name__} builds its model in a method of its own. "
            "Expected an estimator with model=...; for a class, change its base to "
            "skdl.KerasClassifier or skdl.KerasRegressor."
        )
    for name in ("target_encoder", "feature_encoder"):
        owner = next(kind for kind in type(estimator).__mro__ if name in vars(kind))
        if not owner.__module__.startswith("scikeras."):
            raise TypeError(
                f"from_scikeras: {owner.__name__} has a {name} of its own. Expected an estimator "
                "without; for a class, change its base to skdl.KerasClassifier or "
                "skdl.KerasRegressor."
            )
    params = dict(estimator.get_params(deep=False))
    build_fn = params.pop("build_fn", None)
    if params.get("model") is None:
        params["model"] = build_fn
    for name, default in (("run_eagerly", False), ("validation_batch_size", None)):
        if params.get(name) == default:
            params.pop(name, None)
    # Ours would share the objects with theirs otherwise; a model is never changed.
    return {
        name: value if name == "model" else _deep_copied(value) for name, value in params.items()
    }


def _deep_copied(value: Any) -> Any:
    return value if callable(value) else copy.deepcopy(value)
