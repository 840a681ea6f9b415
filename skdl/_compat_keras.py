"""Private parts of Keras that we use, each with what breaks if it goes away.

Nothing else in the package looks up a private name of Keras. Importing this module imports neither
Keras nor TensorFlow: its functions look at objects that they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "compile_arguments",
    "compiled_with",
    "draws_own_seed",
    "excludes_from_weight_decay",
    "final_operation",
    "flat_layers",
    "function_arguments",
    "functional_graph",
    "given_learning_rate",
    "graph_nodes",
    "improves_as",
    "mask_of",
    "nadam_product",
    "producing_node",
    "profiles_batches",
    "restored_epoch",
    "wrapped_function",
]


def flat_layers(model: Any) -> list[Any]:
    """Return a model or layer and all layers inside it, however nested.

    The public ``layers`` leaves out layers in layers. Without this, initial weights of nested
    layers would not be drawn anew for each fit, and convolutions in them would be overlooked.
    """
    return list(model._flatten_layers())


def functional_graph(model: Any) -> Any:
    """Return the functional model behind a Sequential or functional model; None if there is none.

    A Sequential keeps it to itself, a subclass has none. Without it, Sequential models would train
    through ``keras.Model.fit`` instead of in the graph.
    """
    import keras

    graph = getattr(model, "_functional", None) if isinstance(model, keras.Sequential) else model
    return graph if hasattr(graph, "_nodes_by_depth") else None


def final_operation(model: Any) -> Any:
    """Return the layer or operation that a model's only output comes out of; None if unknown.

    Layers that only bring numbers into another shape are passed over. Without it, a classifier
    could not tell whether outputs trained by a loss such as hinge are probabilities.
    """
    import keras

    passed_over = (keras.layers.Reshape, keras.layers.Flatten, keras.layers.Dropout)
    try:
        (tensor,) = model.outputs
        while True:
            operation, node_index, _ = tensor._keras_history
            if isinstance(operation, keras.Model):
                (tensor,) = operation.outputs
            elif isinstance(operation, passed_over):
                (tensor,) = operation._inbound_nodes[node_index].input_tensors
            else:
                return operation
    except (AttributeError, TypeError, ValueError):
        return None


def graph_nodes(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a functional model: each call of a layer, with the tensors it was given.

    The public ``operations`` does not say what is connected. Without it, no user's model could be
    read, and all would train through ``keras.Model.fit``.
    """
    for nodes in graph._nodes_by_depth.values():
        yield from nodes


def function_arguments(obj: Any) -> dict[str, Any]:
    """Return the arguments that a loss or metric passes to its function; none if it has none.

    Some, such as Huber's delta, stand in no ``get_config``. Without them, a copy of such an object
    would have default values.
    """
    return getattr(obj, "_fn_kwargs", {})


def wrapped_function(metric: Any) -> Callable[..., Any]:
    """Return the function whose mean a ``keras.metrics.MeanMetricWrapper`` is.

    Without it, metrics of folds that train together would be computed outside the graph, row by
    row of predictions.
    """
    return metric._fn


def compiled_with(model: Any) -> dict[str, Any]:
    """Return `metrics`, `weighted_metrics` and `loss_weights` as they were given to ``compile``.

    The public ``metrics`` holds Keras' own wrappers, and only once the model has been trained.
    Without these, a user's compiled model would train without its metrics.
    """
    metrics = getattr(model, "_compile_metrics", None)
    losses = getattr(model, "_compile_loss", None)
    return {
        "metrics": getattr(metrics, "_user_metrics", None),
        "weighted_metrics": getattr(metrics, "_user_weighted_metrics", None),
        "loss_weights": getattr(losses, "_user_loss_weights", None),
    }


def improves_as(metric: Any, other: Any) -> None:
    """Tell Keras' callbacks that a metric improves in the direction of another one.

    They find out their default ``mode`` by it, and refuse to monitor a metric without it.
    """
    if hasattr(other, "_direction"):
        metric._direction = other._direction


def restored_epoch(model: Any) -> int:
    """Return after how many epochs ``BackupAndRestore`` lets a model go on.

    Without it, all epochs would be trained once more.
    """
    return int(getattr(model, "_initial_epoch", None) or 0)


def compile_arguments(model: Any) -> dict[str, Any]:
    """Return all arguments of ``compile``, as they were given.

    The public ``get_compile_config`` holds them as text, which leaves out what the ``get_config``
    of a user's loss leaves out. Without these, copies of a compiled model could not be compiled.
    """
    return dict(model._compile_config.config)


def profiles_batches(tensorboard: Any) -> bool:
    """Tell whether a ``keras.callbacks.TensorBoard`` profiles some batches.

    ``profile_batch`` itself is not kept. Without what is, such a callback would be called after
    epochs only, and would write no profile.
    """
    batches = (getattr(tensorboard, name, 0) for name in ("_start_batch", "_stop_batch"))
    return any(batches)


def given_learning_rate(optimizer: Any) -> Any:
    """Return the schedule or the variable that is the learning rate of an optimizer.

    The public ``learning_rate`` is the present value of a schedule. Without this, schedules of the
    user's own class would have to be made again from their ``get_config``.
    """
    return optimizer._learning_rate


def nadam_product(optimizer: Any) -> Any:
    """Return the variable in which Nadam keeps the product of its momenta; None in others.

    Without it, Nadam would go on with the bias correction of its first step.
    """
    return getattr(optimizer, "_u_product", None)


def excludes_from_weight_decay(optimizer: Any) -> bool:
    """Tell whether ``optimizer.exclude_from_weight_decay`` was called.

    Without what it leaves behind, variables that the user excluded would decay.
    """
    names = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    return any(getattr(optimizer, name, None) for name in names)


def draws_own_seed(initializer: Any) -> bool:
    """Return whether an initializer was made without a seed, so that Keras drew one for it.

    Without it, two initializers that were made alike would never be equal.
    """
    return getattr(initializer, "_init_seed", 0) is None


def mask_of(tensor: Any) -> Any:
    """Return the mask that Keras has set on a tensor; None if there is none.

    Without it, models with masked steps would train through ``keras.Model.fit``.
    """
    return getattr(tensor, "_keras_mask", None)


def producing_node(tensor: Any) -> Any:
    """Return the node that a symbolic tensor comes out of; None if unknown.

    Without it, copies of models with masked steps would train through ``keras.Model.fit``.
    """
    try:
        operation, node_index, _ = tensor._keras_history
        return operation._inbound_nodes[node_index]
    except (AttributeError, TypeError, ValueError, IndexError):
        return None
