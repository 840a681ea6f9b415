"""Functions of the user's, tried on small tensors before a training begins.

In the midst of a training graph their errors name tensors that nobody knows. Here the error names
the parameter, what the function was given and what it should give. Each function is tried once.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._validation import show
from skdl.exceptions import InvalidParameterError
from skdl.networks import (
    CROSSENTROPY,
    SQUARED_ERROR,
    KerasObject,
    Loss,
    Network,
    UserFunction,
    preserved_generators,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "WrongFunctionError",
    "check_activation",
    "check_loss_and_metrics",
    "check_tensor",
    "first_line",
    "traced_result",
]

_KEPT = 128
_N_FEATURES = 4
_BY_TENSORS = (
    "made of functions of keras.ops or TensorFlow: NumPy, and Python's `if` on a tensor, cannot be "
    "part of a training graph"
)
_OF_ROWS = (
    "a function (y_true, y_pred) that gives one number per row, " + _BY_TENSORS + ", for example "
    "lambda y_true, y_pred: keras.ops.mean((y_true - y_pred) ** 2, axis=-1)"
)
_OF_UNITS = (
    "a function of one float32 tensor that gives a tensor of the same shape and dtype, "
    + _BY_TENSORS
)


def check_activation(owner: str, activation: Any) -> None:
    """Refuse an activation that is no function of single numbers of rows.

    Parameters
    ----------
    owner : str
        Name of the estimator.
    activation : str, callable or Keras layer
        What `names.resolved_activation` takes.
    """
    if isinstance(activation, str):
        return
    import keras

    is_layer = isinstance(activation, type | keras.layers.Layer)
    try:
        if is_layer:
            _cached(_try_layer)(_described(activation))
        else:
            _cached(_try_activation)(activation)
    except WrongFunctionError as error:
        expected = (
            "a Keras layer that takes rows of numbers, such as keras.layers.LeakyReLU(0.1)"
            if is_layer
            else _OF_UNITS
        )
        raise InvalidParameterError(
            f"{owner}: activation={show(activation)} {error}. Expected {expected}."
        ) from error.__cause__


def check_loss_and_metrics(
    owner: str, network: Network, metrics: Sequence[Any], *, is_named: bool = True
) -> None:
    """Refuse losses and metrics that fail on targets and outputs of a network.

    Parameters
    ----------
    owner : str
        Name of the estimator.
    network : Network
        Not opaque.
    metrics : sequence
        As `Job.metrics`.
    is_named : bool, default=True
        Whether they are the estimator's parameters, not those of a compiled model.
    """
    from skdl.layers import blueprint_of

    where = "" if is_named else " of the compiled model"
    shapes = _shapes(network.loss.target, blueprint_of(network).n_outputs)
    loss = network.loss
    if shapes[1][1] == 1 and _is_over_classes(loss):
        raise InvalidParameterError(
            f"{owner}: loss={_shown(loss.function or loss.kind)}{where} compares probabilities of "
            "several classes, but there is one output for each row, of which it makes 0. Expected "
            "loss='binary_crossentropy' for two classes, loss='mse' for numbers, or one output "
            "for each class."
        )
    if loss.kind == "keras" and loss.function is not None:
        try:
            _cached(_try_loss)(_plain(loss.function), *shapes)
        except WrongFunctionError as error:
            raise InvalidParameterError(
                f"{owner}: loss={_shown(loss.function)}{where} {error}. Expected {_OF_ROWS}."
            ) from error.__cause__
    for metric in metrics:
        try:
            _cached(_try_metric)(
                _plain(metric), network.loss.target, network.output_activation, *shapes
            )
        except WrongFunctionError as error:
            expected = (
                f"{_OF_ROWS}; or a keras.metrics.Metric for what is no mean over rows"
                if callable(metric)
                else "a metric of keras.metrics that takes such targets and predictions, as an "
                "object where it needs arguments"
            )
            raise InvalidParameterError(
                f"{owner}: metrics={_shown(metric)}{where} {error}. Expected {expected}."
            ) from error.__cause__


def _is_over_classes(loss: Loss) -> bool:
    """Tell whether a loss is a cross-entropy between classes, which one output makes constant."""
    function = loss.function
    if isinstance(function, KerasObject):
        name = "" if function.kind is not None else json.loads(function.config)["class_name"]
    else:
        name = getattr(function, "__name__", "") if loss.kind == "keras" else loss.kind
    return "categorical" in name.lower() and CROSSENTROPY in name.lower()


class WrongFunctionError(Exception):
    """What a function did, as the verb and object of a sentence about it."""


def _cached(trial: Callable[..., None]) -> Callable[..., None]:
    """Return a trial that remembers what passed it; what cannot be hashed is tried each time."""
    remembering = _remembering(trial)

    def run(*arguments: Any) -> None:
        try:
            hash(arguments)
        except TypeError:
            trial(*arguments)
        else:
            remembering(*arguments)

    return run


@functools.cache
def _remembering(trial: Callable[..., None]) -> Callable[..., None]:
    return functools.lru_cache(_KEPT)(trial)


def _shapes(target: str, n_outputs: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return shapes of targets and outputs: two more rows than columns, to tell them apart."""
    n_rows = n_outputs + 2
    y_shape = (n_rows,) if target == "labels" else (n_rows, n_outputs)
    return y_shape, (n_rows, n_outputs)


def _try_activation(function: Callable[..., Any]) -> None:
    given = (3, _N_FEATURES)
    result = traced_result(function, [given])
    check_tensor(result)
    if result.shape.rank is not None and not result.shape.is_compatible_with(given):
        raise WrongFunctionError(
            f"gave shape {_by(result.shape)} for a tensor of shape {given}, on which it was tried"
        )
    if result.dtype.name != "float32":
        raise WrongFunctionError(f"gave {result.dtype.name} for a tensor of float32")


def _described(activation: Any) -> Any:
    """Return a layer's description; a class is called first, as the networks do."""
    from skdl.estimators.base._keras_names import resolved_activation

    try:
        return resolved_activation(activation)
    except Exception as error:
        raise WrongFunctionError(f"cannot be made: {first_line(error)}") from error


def _try_layer(described: Any) -> None:
    import keras

    if not isinstance(described, KerasObject):
        return
    try:
        with preserved_generators():
            described.build()(keras.Input((_N_FEATURES,)))
    except Exception as error:
        raise WrongFunctionError(
            f"does not take rows of {_N_FEATURES} numbers, on which it was tried: "
            f"{first_line(error)}"
        ) from error


def _try_loss(loss: Any, y_shape: tuple[int, ...], shape: tuple[int, ...]) -> None:
    function: Any = loss.build().call if isinstance(loss, KerasObject) else loss
    found = traced_result(function, [y_shape, shape], slope_of=1)
    _check_rows(found, shape, "loss")


def _try_metric(
    metric: Any,
    target: Any,
    output_activation: str,
    y_shape: tuple[int, ...],
    shape: tuple[int, ...],
) -> None:
    if callable(metric) and not isinstance(metric, KerasObject):
        _check_rows(traced_result(metric, [y_shape, shape]), shape, "metric")
        return
    from skdl.training._metrics import resolve_metrics

    try:
        # Of a network only loss and output matter to a metric.
        network = Network((1,), (), output_activation, Loss(SQUARED_ERROR, target=target))
        resolve_metrics((metric,), network)
    except Exception as error:
        raise WrongFunctionError(f"cannot be made of its name: {first_line(error)}") from error
    if isinstance(metric, KerasObject) and metric.kind is not None:
        y, predictions = _examples(target, output_activation, shape)
        try:
            with preserved_generators():
                built = metric.build()
                built.update_state(y.reshape(y_shape), predictions)
                value = np.mean(built.result())
        except Exception as error:
            raise WrongFunctionError(
                f"failed when it was tried on {shape[0]} rows: {first_line(error)}"
            ) from error
        if value.dtype.kind not in "fiub":
            raise WrongFunctionError(f"gave {value!r}, which is no number")


def _examples(target: str, output_activation: str, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return targets and predictions as a network's may be."""
    n_rows, n_outputs = shape
    labels = np.arange(n_rows) % max(n_outputs, 2)
    predictions = np.full(shape, 1 / max(n_outputs, 2), np.float32)
    if target == "labels":
        return labels.astype(np.float32), predictions
    if target == "one_hot":
        return np.eye(max(n_outputs, 2), dtype=np.float32)[labels][:, :n_outputs], predictions
    y = np.repeat(labels[:, None], n_outputs, 1).astype(np.float32)
    return (y, predictions) if output_activation != "linear" else (y, predictions + y)


def traced_result(
    function: Callable[..., Any], shapes: Sequence[tuple[int | None, ...]], *, slope_of: Any = None
) -> Any:
    """Return what a function makes of symbolic float32 tensors, as a tensor or as it is.

    Parameters
    ----------
    function : callable
    shapes : sequence of tuple
        Of its arguments.
    slope_of : int, optional
        Position of an argument that the result must have a gradient to.
    """
    import tensorflow as tf

    found: list[Any] = []

    def run(*tensors: Any) -> Any:
        result = function(*tensors)
        if isinstance(result, str) or result is None:
            found.append(result)
            return tensors[0]
        result = tf.convert_to_tensor(result)
        found.append(result)
        if slope_of is not None and result.dtype.is_floating:
            found.append(tf.gradients(result, tensors[slope_of])[0] is not None)
        return tensors[0]

    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    given = " and ".join(str(tuple(shape)) for shape in shapes)
    try:
        with preserved_generators():
            tf.function(run, autograph=False).get_concrete_function(*specs)
    except Exception as error:
        if not found:
            raise WrongFunctionError(
                f"raised {first_line(error)} when it was tried on float32 tensors of shape {given}"
            ) from error
        raise
    if slope_of is not None and len(found) > 1 and not found[1]:
        raise WrongFunctionError(
            "gave a result without a gradient with regard to y_pred, so nothing could be learnt"
        )
    return found[0]


def check_tensor(result: Any, shape: tuple[int | None, ...] | None = None) -> None:
    """Refuse what `traced_result` gave if it is no tensor of numbers, or of another shape."""
    if not hasattr(result, "dtype"):
        shown = "None: is there a return?" if result is None else f"{result!r}, which is no tensor"
        raise WrongFunctionError(f"gave {shown}")
    if not (result.dtype.is_floating or result.dtype.is_integer or result.dtype.is_bool):
        raise WrongFunctionError(f"gave {result.dtype.name}, which are no numbers")
    if shape is not None and not result.shape.is_compatible_with(shape):
        raise WrongFunctionError(f"gave shape {_by(result.shape)}")


def _check_rows(result: Any, shape: tuple[int, ...], what: str) -> None:
    """Refuse a result that is not one number, or several, for each row."""
    check_tensor(result)
    if what == "loss" and not result.dtype.is_floating:
        raise WrongFunctionError(f"gave {result.dtype.name}, which has no gradient")
    rank = result.shape.rank
    if rank == 0:
        raise WrongFunctionError("gave one number for all rows together")
    if rank is not None and result.shape[0] not in {None, shape[0]}:
        raise WrongFunctionError(
            f"gave shape {_by(result.shape)} for {shape[0]} rows, on which it was tried"
        )


def _by(shape: Any) -> str:
    return str(tuple(shape.as_list()))


def _plain(value: Any) -> Any:
    """Return the function that a description is about: whatever it reads, it is tried once."""
    return value.function if isinstance(value, UserFunction) else value


def _shown(value: Any) -> str:
    value = _plain(value)
    if not isinstance(value, KerasObject):
        return show(value)
    kind = value.kind.__name__ if value.kind is not None else type(value.build()).__name__
    return f"<{kind}>"


def first_line(error: BaseException) -> str:
    """Return kind and first line of an error, without Keras' colours."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = lines[0].replace("\x1b[1m", "").replace("\x1b[0m", "").strip() if lines else ""
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
