"""Initial weights, drawn for each member from its own seed, as Keras' initializers draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skdl.layers import KerasRule, PlacedLayer, Variable, blueprint_of, size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.networks import Network
    from skdl.training._job import Constants, Job

__all__ = ["draw_weights", "first_state", "initial_weights", "stream"]

# Each purpose has a stream of its own, so that adding a draw to one leaves the others alone.
_STREAMS = {"weights": 0, "order": 1, "noise": 2}


def stream(seed: int, purpose: str, n_epochs: int = 0) -> np.random.Generator:
    """Return a member's generator for one purpose, after `n_epochs` epochs of earlier jobs."""
    return np.random.default_rng([seed, _STREAMS[purpose], n_epochs])


def draw_weights(
    network: Network, seed: int, constants: Constants | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the flat weights and statistics a job of this seed and constants starts from."""
    generator = stream(seed, "weights")
    blueprint = blueprint_of(network)
    layout = blueprint.layout
    arrays: list[NDArray[np.float32]] = []
    for own in blueprint.layers:
        if own.variables and isinstance(own.rule, KerasRule):
            seed_of_layer = int(generator.integers(2**31))
            arrays += own.rule.draw(own.layer, own.input_shape, seed_of_layer)
        else:
            arrays += [_draw(own, variable, generator) for variable in own.variables]
    given = constants or {}
    named = zip(layout.variables, arrays, strict=True)
    return layout.join([given.get((v.layer, v.name), array) for v, array in named])


def _draw(
    own: PlacedLayer, variable: Variable, generator: np.random.Generator
) -> NDArray[np.float32]:
    drawn = own.rule.initial(own.layer, variable, generator)
    if drawn is not None:
        return drawn
    if variable.initializer == "glorot_uniform":
        # Glorot and Bengio 2010, Eq. 16; each weight of a convolution is used at one position.
        fan_in, fan_out = (size(variable.shape[:-2]) * n for n in variable.shape[-2:])
        limit = np.float32(np.sqrt(6 / (fan_in + fan_out)))
        return (generator.random(variable.shape, dtype=np.float32) * 2 - 1) * limit
    fill = {"zeros": 0.0, "ones": 1.0}[variable.initializer]
    return np.full(variable.shape, fill, np.float32)


def initial_weights(job: Job) -> list[NDArray[np.float32]]:
    """Return the weights a job starts from, in the order of ``keras.Model.set_weights``."""
    layout = blueprint_of(job.network).layout
    if job.initial is not None:
        return layout.split(job.initial.weights, job.initial.statistics)
    return layout.split(*first_state(job))


def first_state(job: Job) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the flat weights and statistics that a job begins with, if it begins anew."""
    if job.weights is not None:
        return blueprint_of(job.network).layout.join(job.weights)
    return draw_weights(job.network, job.seed, job.constants)
