"""The loss of a user's model as the engine takes it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from skdl._compat_keras import function_arguments
from skdl.networks import KerasObject, Loss, formula_of_keras_class

__all__ = ["described_loss", "loss_target"]

Target = Literal["values", "labels", "one_hot"]


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


def described_loss(loss: Any, output_activation: str, target: Target) -> tuple[Loss, str]:
    """Describe a loss.

    Parameters
    ----------
    loss : str, callable, class or keras.losses.Loss
        Given by name or class, it is averaged by the sample weights; an object keeps its own
        reduction.
    output_activation : str
        What stands at the end of the user's model.
    target : {"values", "labels", "one_hot"}
        In which form it is given the targets.

    Returns
    -------
    loss : Loss
    output_activation : str
        With a loss that takes logits, what makes probabilities of them.
    """
    import keras

    resolved = _as_object(loss)
    if not isinstance(resolved, keras.losses.Loss):
        return Loss("keras", target=target, function=resolved), output_activation
    described = KerasObject.of("losses", resolved)
    described.build()  # fails here rather than in the midst of a training
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
        return Loss("keras", target=target, function=described), output_activation
    activation = formula.output_activation
    if from_logits and output_activation == "linear":
        output_activation = activation
    elif from_logits or output_activation != activation:
        return Loss("keras", target=target, function=described), output_activation
    scalars = {name: float(config.get(name, default)) for name, default in formula.scalars}
    return Loss(formula.name, tuple(sorted(scalars.items())), target, described), output_activation


def _as_object(loss: Any) -> Any:
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
        return making(reduction="mean_with_sample_weight")
    return loss
