"""The loss of a user's model as the engine takes it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from skdl._compat_keras import final_operation, function_arguments
from skdl.estimators.keras_models._arguments import AVERAGED, averaged, loss_name
from skdl.networks import CROSSENTROPY, KerasObject, Loss, formula_of_keras_class

__all__ = ["Meaning", "described_loss", "last_activation", "loss_target", "meaning_of_outputs"]

Target = Literal["values", "labels", "one_hot"]
# What a classifier's outputs are: probabilities, or numbers with a border between two classes: at
# 0 those that a hinge loss pushes apart (margins), at 0.5 all others, as targets are 0 and 1.
Meaning = Literal["probabilities", "margins", "numbers"]

_BETWEEN_0_AND_1 = frozenset({"sigmoid", "softmax", "hard_sigmoid"})
_OF_PROBABILITIES = (CROSSENTROPY, "cross_entropy", "kl_divergence")


def loss_target(loss: Any, n_outputs: int, n_classes: int | None) -> Target:
    """Return in which form a loss wants class numbers.

    Parameters
    ----------
    loss : str, callable or keras.losses.Loss
    n_outputs : int
        Of the network.
    n_classes : int or None
        None for targets that are no class numbers.
    """
    if n_classes is None:
        return "values"
    spelled = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    if "sparse" in spelled.lower():
        return "labels"
    return "values" if n_outputs == 1 else "one_hot"


def meaning_of_outputs(loss: Any, activation: Any) -> Meaning:
    """Return what outputs are that a loss has trained.

    Parameters
    ----------
    loss : str, callable, class or keras.losses.Loss
    activation : str, callable or None
        What they come out of; None if that is not known.
    """
    spelled = activation if isinstance(activation, str) else getattr(activation, "__name__", None)
    if spelled in _BETWEEN_0_AND_1:
        return "probabilities"
    try:
        name = loss_name(loss) or ""
    except ValueError:
        name = ""
    if "hinge" in name:
        return "margins"
    resolved = _as_object(loss)
    is_of_keras = type(resolved).__module__.startswith("keras.")
    if is_of_keras and any(part in name for part in _OF_PROBABILITIES):
        # Keras clips outputs before it takes their logarithm, or makes probabilities of logits.
        return "margins" if resolved.get_config().get("from_logits") else "probabilities"
    return "probabilities" if activation is None else "numbers"


def last_activation(model: Any) -> Any:
    """Return the activation that a model's outputs come out of; None if it cannot be seen."""
    import keras

    operation = final_operation(model)
    if operation is None or isinstance(operation, keras.layers.Lambda):
        return None
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if not type(operation).__module__.startswith("keras."):
        return None
    activation = getattr(operation, "activation", None)
    # An operation of keras.ops, such as Sigmoid, has its name only.
    return activation if activation is not None else type(operation).__name__.lower()


def described_loss(
    loss: Any, output_activation: str, target: Target, *, reduction: str = AVERAGED
) -> tuple[Loss, str]:
    """Describe a loss.

    Parameters
    ----------
    loss : str, callable, class or keras.losses.Loss
        An object keeps its own reduction.
    output_activation : str
        What stands at the end of the user's model.
    target : {"values", "labels", "one_hot"}
        In which form it is given the targets.
    reduction : str, default="mean_with_sample_weight"
        Of a name, class or function, in Keras' words: averaged by the sample weights.

    Returns
    -------
    loss : Loss
    output_activation : str
        With a loss that takes logits, what makes probabilities of them.
    """
    import keras

    resolved = _as_object(loss, reduction)
    if not isinstance(resolved, keras.losses.Loss):
        described = Loss("keras", target=target, function=resolved, reduction=reduction)
        return described, output_activation
    in_keras = KerasObject.of("losses", resolved)
    in_keras.build()  # fails here rather than in the midst of a training
    formula = formula_of_keras_class(type(resolved))
    config = {**resolved.get_config(), **function_arguments(resolved)}
    from_logits = bool(config.get("from_logits"))
    # What Keras' losses can do beyond the formulas.
    goes_beyond = (
        config.get("axis", -1) != -1
        or config.get("ignore_class") is not None
        or config.get("apply_class_balancing", False)
        or np.ndim(config.get("alpha", 0.0)) > 0
    )
    if formula is None or goes_beyond:
        return Loss("keras", target=target, function=in_keras), output_activation
    activation = formula.output_activation
    if from_logits and output_activation == "linear":
        output_activation = activation
    elif from_logits or output_activation != activation:
        return Loss("keras", target=target, function=in_keras), output_activation
    scalars = {name: float(config.get(name, default)) for name, default in formula.scalars}
    return Loss(formula.name, tuple(sorted(scalars.items())), target, in_keras), output_activation


def _as_object(loss: Any, reduction: str = AVERAGED) -> Any:
    """Return a Keras loss for a name, a class or a function of ``keras.losses``."""
    import keras

    if isinstance(loss, str):
        loss = keras.losses.get(loss)
        if isinstance(loss, keras.losses.Loss):
            loss = type(loss)
    name = getattr(loss, "__name__", "")
    if not isinstance(loss, type) and getattr(keras.losses, name, None) is loss:
        spelled = "".join(part.capitalize() for part in name.split("_"))
        loss = getattr(keras.losses, spelled, loss)
    if isinstance(loss, type) and issubclass(loss, keras.losses.Loss):
        making: Any = loss
        return averaged(making(), reduction)
    return loss
