"""Stacked optimizers: Keras' update rules on flat weights ``[M, P]``, or pieces, of all members.

Every rule here works element by element, so running it on the flat vector is running it on each
variable. `share` is 1 for members that take the step and 0 for the others; it enters through the
coefficients, which are ``[M, 1]``, and so costs nothing.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from skdl._compat_keras import excludes_from_weight_decay, given_learning_rate
from skdl.networks import KerasObject
from skdl.training._settings import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    from tensorflow import Tensor

__all__ = [
    "SLOTS",
    "clips_by_norm",
    "describe_optimizer",
    "is_elementwise",
    "optimizer_step",
    "with_learning_rate",
    "with_scalars",
]

# Slots of each rule, by name; a name of the optimizer's options makes a slot depend on it.
SLOTS: dict[str, Callable[[dict[str, Any]], int]] = {
    "SGD": lambda options: 1 if options["momentum"] else 0,
    "Adam": lambda options: 3 if options["amsgrad"] else 2,
    "AdamW": lambda options: 3 if options["amsgrad"] else 2,
    "Nadam": lambda _: 2,
    "Adamax": lambda _: 2,
    "RMSprop": lambda options: 1 + bool(options["momentum"]) + bool(options["centered"]),
    "Adagrad": lambda _: 1,
    "Lion": lambda _: 1,
}

_SWITCHES = ("nesterov", "amsgrad", "centered")
_NOT_NUMBERS = {
    "name", "learning_rate", "use_ema", "ema_momentum", "ema_overwrite_frequency",
    "loss_scale_factor", "gradient_accumulation_steps", *_SWITCHES,
}  # fmt: skip


def describe_optimizer(optimizer: keras.optimizers.Optimizer) -> Optimizer:
    """Read a Keras optimizer, which is neither kept nor changed."""
    import keras

    source = KerasObject.of("optimizers", optimizer)
    config = json.loads(source.config)["config"]
    name = type(optimizer).__name__
    has_rule = (
        type(optimizer) is getattr(keras.optimizers, name, None)
        and name in SLOTS
        and not config.get("use_ema")
        and not config.get("gradient_accumulation_steps")
        and not excludes_from_weight_decay(optimizer)
    )
    return Optimizer(
        kind=name if has_rule else "Keras",
        scalars=tuple(
            (key, float(value))
            for key, value in sorted(config.items())
            if key not in _NOT_NUMBERS and isinstance(value, int | float)
        ),
        options=tuple((key, bool(config[key])) for key in _SWITCHES if key in config),
        learning_rate=_described_rate(given_learning_rate(optimizer)),
        source=source,
    )


def _described_rate(
    rate: float | keras.optimizers.schedules.LearningRateSchedule,
) -> float | KerasObject:
    import keras

    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return KerasObject.of("schedules", rate)
    return float(rate)


def with_learning_rate(
    described: Optimizer, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
) -> Optimizer:
    """Return the optimizer with another learning rate, a number or a Keras schedule."""
    rate = _described_rate(learning_rate)
    source = described.source
    if isinstance(rate, KerasObject):
        source = source.with_argument("learning_rate", rate)
    else:
        source = source.with_config(learning_rate=rate)
    return dataclasses.replace(described, learning_rate=rate, source=source)


def with_scalars(described: Optimizer, **changed: float) -> Optimizer:
    """Return the optimizer with other numbers, such as ``weight_decay``.

    Raises
    ------
    KeyError
        If the optimizer has no number of such a name.
    """
    config = json.loads(described.source.config)["config"]
    for name in changed:
        if name not in config:
            raise KeyError(name)
    floats = {name: float(value) for name, value in changed.items()}
    own = dict(described.scalars) | floats
    return dataclasses.replace(
        described,
        scalars=tuple(sorted(own.items())),
        source=described.source.with_config(**floats),
    )


def is_elementwise(optimizer: Optimizer) -> bool:
    """Tell whether the engine has a rule for this optimizer."""
    return optimizer.kind != "Keras"


def clips_by_norm(optimizer: Optimizer) -> bool:
    """Tell whether the step of a weight depends on the gradients of others."""
    return not {"clipnorm", "global_clipnorm"}.isdisjoint(dict(optimizer.scalars))


# What is built into the trace, see `rule_options`.
Options: TypeAlias = dict[str, Any]


def rule_options(optimizer: Optimizer) -> Options:
    """Return what is built into the trace: switches, and which numbers are not zero."""
    scalars = dict(optimizer.scalars)
    return {
        **dict(optimizer.options),
        "momentum": scalars.get("momentum", 0.0) != 0.0,
        "names": tuple(scalars),
    }


def n_slots(optimizer: Optimizer) -> int:
    """Return how many vectors of state the optimizer keeps."""
    return SLOTS[optimizer.kind](rule_options(optimizer))


def optimizer_step(
    kind: str,
    options: Options,
    scalars: dict[str, Tensor],
    sizes: Tensor | Sequence[int],
    *,
    w: Tensor,
    g: Tensor,
    slots: Sequence[Tensor],
    step: Tensor,
    rate: Tensor,
    share: Tensor,
) -> tuple[Any, list[Any]]:
    """Return weights and slots after one step.

    Parameters
    ----------
    kind, options : str and dict
        The rule and its switches.
    scalars : dict of str to tensor of shape [M, 1]
    sizes : tensor of int
        Of the single variables, for clipping by their norms.
    w, g : tensor of shape [M, P]
        Weights and gradients.
    slots : sequence of tensor of shape [M, P]
    step : tensor of shape [M, 1]
        Number of this step, from 1.
    rate, share : tensor of shape [M, 1]
        Learning rate; 1 for members that take the step.
    """
    g = _clipped(g, scalars, sizes)
    if "weight_decay" in scalars:
        # Loshchilov and Hutter 2019, Alg. 2: decay apart from the gradient.
        w = w * (1.0 - share * scalars["weight_decay"] * rate)
    return _RULES[kind](options, scalars, w, g, list(slots), step, rate, share)


def _clipped(g: Tensor, scalars: dict[str, Tensor], sizes: Tensor | Sequence[int]) -> Any:
    import tensorflow as tf

    if "clipvalue" in scalars:
        g = tf.clip_by_value(g, -scalars["clipvalue"], scalars["clipvalue"])
    if "global_clipnorm" in scalars:
        norm = tf.norm(g, axis=1, keepdims=True)
        g *= scalars["global_clipnorm"] / tf.maximum(norm, scalars["global_clipnorm"])
    if "clipnorm" in scalars:
        parts = []
        for part in tf.split(g, sizes, axis=1):
            norm = tf.norm(part, axis=1, keepdims=True)
            parts.append(part * scalars["clipnorm"] / tf.maximum(norm, scalars["clipnorm"]))
        g = tf.concat(parts, 1)
    return g


def _sgd(
    options: Options,
    scalars: dict[str, Tensor],
    w: Tensor,
    g: Tensor,
    slots: Sequence[Tensor],
    step: Tensor,
    rate: Tensor,
    share: Tensor,
) -> tuple[Any, list[Any]]:
    del step
    if not slots:
        return w - share * rate * g, []
    momentum = scalars["momentum"]
    velocity = slots[0] + share * ((momentum - 1.0) * slots[0] - rate * g)
    if options["nesterov"]:
        return w + share * (momentum * velocity - rate * g), [velocity]
    return w + share * velocity, [velocity]


def _adam(
    options: Options,
    scalars: dict[str, Tensor],
    w: Tensor,
    g: Tensor,
    slots: Sequence[Tensor],
    step: Tensor,
    rate: Tensor,
    share: Tensor,
) -> tuple[Any, list[Any]]:
    # Kingma and Ba 2015, section 2, last form of the update.
    import tensorflow as tf

    b1, b2 = scalars["beta_1"], scalars["beta_2"]
    m = slots[0] + share * (1.0 - b1) * (g - slots[0])
    v = slots[1] + share * (1.0 - b2) * (g * g - slots[1])
    alpha = share * rate * tf.sqrt(1.0 - tf.pow(b2, step)) / (1.0 - tf.pow(b1, step))
    if options["amsgrad"]:
        largest = tf.maximum(slots[2], v)
        return w - alpha * m / (tf.sqrt(largest) + scalars["epsilon"]), [m, v, largest]
    return w - alpha * m / (tf.sqrt(v) + scalars["epsilon"]), [m, v]


def _nadam(
    options: Options,
    scalars: dict[str, Tensor],
    w: Tensor,
    g: Tensor,
    slots: Sequence[Tensor],
    step: Tensor,
    rate: Tensor,
    share: Tensor,
) -> tuple[Any, list[Any]]:
    # Dozat 2016, Alg. 2, with the momentum schedule u_t = b1 (1 - 0.5 * 0.96**t).
    import tensorflow as tf

    del options
    b1, b2 = scalars["beta_1"], scalars["beta_2"]
    u_now = b1 * (1.0 - 0.5 * tf.pow(0.96, step))
    u_next = b1 * (1.0 - 0.5 * tf.pow(0.96, step + 1.0))
    product = _momentum_product(b1, step)
    m = slots[0] + share * (1.0 - b1) * (g - slots[0])
    v = slots[1] + share * (1.0 - b2) * (g * g - slots[1])
    m_hat = u_next * m / (1.0 - product * u_next) + (1.0 - u_now) * g / (1.0 - product)
    v_hat = v / (1.0 - tf.pow(b2, step))
    return w - share * rate * m_hat / (tf.sqrt(v_hat) + scalars["epsilon"]), [m, v]


_NADAM_STEPS = 1000.0


def _momentum_product(b1: Tensor, step: Tensor) -> Any:
    # The product of u_1 ... u_t has no closed form; after this many steps it is 0 in float32.
    import tensorflow as tf

    steps = tf.range(1.0, _NADAM_STEPS + 1.0)[None, :]
    factors = tf.where(steps <= step, b1 * (1.0 - 0.5 * tf.pow(0.96, steps)), 1.0)
    return tf.reduce_prod(factors, 1, keepdims=True) * tf.cast(step <= _NADAM_STEPS, tf.float32)


def _adamax(
    options: Options,
    scalars: dict[str, Tensor],
    w: Tensor,
    g: Tensor,
    slots: Sequence[Tensor],
    step: Tensor,
    rate: Tensor,
    share: Tensor,
) -> tuple[Any, list[Any]]:
    # Kingma and Ba 2015, Alg. 2.
    import tensorflow as tf

    del options
    b1, b2 = scalars["beta_1"], scalars["beta_2"]
    m = slots[0] + share * (1.0 - b1) * (g - slots[0])
    u = tf.where(share > 0, tf.maximum(b2 * slots[1], tf.abs(g)), slots[1])
    alpha = share * rate / (1.0 - tf.pow(b1, step))
    return w - alpha * m / (u + scalars["epsilon"]), [m, u]


def _rmsprop(
    options: Options,
    scalars: dict[str, Tensor],
    w: Tensor,
    g: Tensor,
    slots: Sequence[Tensor],
    step: Tensor,
    rate: Tensor,
    share: Tensor,
) -> tuple[Any, list[Any]]:
    # Tieleman and Hinton 2012, lecture 6e; centred form as in Graves 2013, Eq. 38-41.
    import tensorflow as tf

    del step
    rho = scalars["rho"]
    new = [slots[0] + share * (1.0 - rho) * (g * g - slots[0])]
    denominator = new[0]
    if options["centered"]:
        new.append(slots[-1] + share * (1.0 - rho) * (g - slots[-1]))
        denominator = denominator - new[-1] * new[-1]
    increment = rate * g * tf.math.rsqrt(denominator + scalars["epsilon"])
    if options["momentum"]:
        velocity = slots[1] + share * ((scalars["momentum"] - 1.0) * slots[1] + increment)
        return w - share * velocity, [new[0], velocity, *new[1:]]
    return w - share * increment, new


def _adagrad(
    options: Options,
    scalars: dict[str, Tensor],
    w: Tensor,
    g: Tensor,
    slots: Sequence[Tensor],
    step: Tensor,
    rate: Tensor,
    share: Tensor,
) -> tuple[Any, list[Any]]:
    # Duchi, Hazan and Singer 2011, section 1.1, diagonal form.
    import tensorflow as tf

    del options, step
    total = slots[0] + share * g * g
    return w - share * rate * g / tf.sqrt(total + scalars["epsilon"]), [total]


def _lion(
    options: Options,
    scalars: dict[str, Tensor],
    w: Tensor,
    g: Tensor,
    slots: Sequence[Tensor],
    step: Tensor,
    rate: Tensor,
    share: Tensor,
) -> tuple[Any, list[Any]]:
    # Chen et al. 2023, Alg. 2.
    import tensorflow as tf

    del options, step
    b1, b2 = scalars["beta_1"], scalars["beta_2"]
    direction = tf.sign(b1 * slots[0] + (1.0 - b1) * g)
    return w - share * rate * direction, [slots[0] + share * (1.0 - b2) * (g - slots[0])]


_RULES: dict[str, Callable[..., tuple[Any, list[Any]]]] = {
    "SGD": _sgd,
    "Adam": _adam,
    "AdamW": _adam,
    "Nadam": _nadam,
    "Adamax": _adamax,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
    "Lion": _lion,
}
