"""Parameters for compiling a model, where the model is compiled already.

They would change nothing. A search over them would compare equal models, so those that contradict
the model are refused, and those that are only routed warn.
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

from skdl._compat_keras import compiled_with
from skdl.estimators.keras_models._arguments import flat, loss_name, settings_of
from skdl.networks import CROSSENTROPY, preserved_generators

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_compiled"]

_PREFIXES = ("compile__", "loss__", "metrics__", "optimizer__")
# What these mean, Keras decides when it sees outputs and targets.
_LEFT_TO_KERAS = {
    "acc": "accuracy", "accuracy": "accuracy", "ce": CROSSENTROPY, CROSSENTROPY: CROSSENTROPY,
}  # fmt: skip


def check_compiled(
    owner: str, model: Any, params: Mapping[str, Any], defaults: Mapping[str, Any]
) -> None:
    """Refuse or tell parameters that a compiled model ignores.

    Parameters
    ----------
    owner : str
        Name of the estimator, for errors.
    model : keras.Model
        Compiled without the parameters.
    params, defaults : mapping of str to object
        Parameters of the estimator, and those of its class: a default was not asked for.

    Raises
    ------
    ValueError
        If `optimizer` or `metrics` differ from those of the model.
    """
    optimizer = getattr(model, "optimizer", None)
    wanted = _asked_for("optimizer", params, defaults)
    if wanted is not None and not _same_optimizer(wanted, optimizer):
        raise ValueError(_message(owner, "optimizer", wanted, optimizer))
    compiled = compiled_with(model)
    known = [*_flat(compiled["metrics"]), *_flat(compiled["weighted_metrics"])]
    wanted = _asked_for("metrics", params, defaults)
    if not all(any(_same_metric(one, other) for other in known) for one in _flat(wanted)):
        raise ValueError(_message(owner, "metrics", wanted, compiled["metrics"]))
    lost = sorted(name for name in params if name.startswith(_PREFIXES))
    if lost:
        warnings.warn(
            f"{owner}: {', '.join(lost)} changed nothing, as the model is compiled "
            "already. Return it uncompiled, or let the function take compile_kwargs and call "
            "model.compile(**compile_kwargs).",
            UserWarning,
            stacklevel=2,
        )


def _asked_for(name: str, params: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    """Return a parameter; None if it is the default of its class."""
    given, default = params.get(name), defaults.get(name)
    return None if type(given) is type(default) and given == default else given


def _message(owner: str, name: str, given: Any, compiled: Any) -> str:
    return (
        f"{owner}: {name}={_shown(given)} was given beside a model compiled with "
        f"{_shown(compiled)}, and would change nothing. Expected one of them: leave out {name}, "
        "return the model uncompiled, or let the function take compile_kwargs and call "
        "model.compile(**compile_kwargs)."
    )


def _shown(value: Any) -> str:
    """Return how an optimizer or a list of metrics is written."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    has_settings = hasattr(value, "get_config") and not inspect.isclass(value)
    rate = value.get_config().get("learning_rate") if has_settings else None
    if isinstance(rate, float):
        return f"{type(value).__name__}(learning_rate={rate:g})"
    return f"{type(value).__name__}()" if has_settings else repr(value)


def _same_optimizer(given: Any, compiled: Any) -> bool:
    """Tell whether an optimizer is that of a model; by its class, or an object by its settings."""
    import keras

    with preserved_generators():
        if isinstance(given, str):
            given = type(keras.optimizers.get(given))
    if inspect.isclass(given):
        return type(compiled) is given
    return settings_of(given) == settings_of(compiled)


def _same_metric(given: Any, compiled: Any) -> bool:
    if given is compiled or (isinstance(given, str) and given == compiled):
        return True
    if any(isinstance(metric, str) or inspect.isclass(metric) for metric in (given, compiled)):
        return _metric_name(given) == _metric_name(compiled)
    return settings_of(given) == settings_of(compiled)


def _metric_name(metric: Any) -> str | None:
    """Return a metric's name in Keras, ``"mean_absolute_error"`` for ``"mae"``."""
    import keras

    if isinstance(metric, str):
        if metric in _LEFT_TO_KERAS:
            return _LEFT_TO_KERAS[metric]
        with preserved_generators():
            metric = keras.metrics.get(metric)
    return loss_name(type(metric) if isinstance(metric, keras.metrics.Metric) else metric)


def _flat(metrics: Any) -> list[Any]:
    return [metric for metric in flat(metrics) if metric is not None]
