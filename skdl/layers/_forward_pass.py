"""The forward pass of one trained network, in any back end; factors and offsets are folded."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from skdl.layers._activation_formulas import ACTIVATION_FORMULAS
from skdl.layers._blueprint import blueprint_of
from skdl.layers._rule import NoForwardPassError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Affine, Arrays, Rule
    from skdl.networks import Layer, Network

__all__ = ["ForwardPass"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Step:
    """One layer that computes something.

    Parameters
    ----------
    number : int
        Of the tensor that it gives.
    rule : Rule
    layer : Layer
    weights : sequence of ndarray
    inputs : tuple of int
        Numbers of the tensors that it takes, 0 for the rows.
    """

    number: int
    rule: Rule
    layer: Layer
    weights: Arrays
    inputs: tuple[int, ...]

    @property
    def affine(self) -> Affine | None:
        """Factor and offset, where it is nothing else."""
        return self.rule.as_affine(self.layer, self.weights)


class ForwardPass:
    """What one trained network computes in prediction.

    Layers that pass their inputs through are left out. Layers that only multiply and shift, such
    as batch normalisation, are folded into the weights of the layer before or behind them.

    Parameters
    ----------
    network : Network
    arrays : sequence of ndarray
        Weights and statistics in Keras' order, see `Layout.split`.

    Raises
    ------
    NoForwardPassError
        If only Keras knows what a layer computes.
    """

    def __init__(self, network: Network, arrays: Sequence[NDArray[np.float32]]) -> None:
        if network.is_opaque:
            raise NoForwardPassError("the network is a model that only Keras can compute")
        self.network = network
        self._steps, self._output = _folded(*_steps_of(network, arrays))

    def __call__(self, ops: Operations, x: Value) -> Value:
        """Return predictions ``[B, n_outputs]`` in the network's units.

        Parameters
        ----------
        ops : Operations
        x : value of shape [B, ...]
            Rows in the form in which the network takes them.
        """
        values, masks = {0: x}, {0: None}
        for step in self._steps:
            taken, mask = (
                several[0] if len(several) == 1 else several
                for several in ([of[n] for n in step.inputs] for of in (values, masks))
            )
            rule, layer = step.rule, step.layer
            values[step.number] = rule.forward_masked(ops, layer, step.weights, taken, mask)
            is_masked = rule.has_mask(layer, [masks[n] is not None for n in step.inputs])
            masks[step.number] = rule.forward_mask(ops, layer, taken, mask) if is_masked else None
        outputs = values[self._output]
        if self.network.output_activation != "linear":
            outputs = ACTIVATION_FORMULAS[self.network.output_activation](ops, outputs)
        return ops.mean(outputs, (1,)) if self.network.is_shared else outputs


def _steps_of(network: Network, arrays: Sequence[NDArray[np.float32]]) -> tuple[list[_Step], int]:
    """Return the layers that compute something, and the number of the tensor they end in."""
    blueprint = blueprint_of(network)
    left = iter(arrays)
    steps: list[_Step] = []
    stands_for = {0: 0}
    for number, own in enumerate(blueprint.layers, 1):
        weights = list(itertools.islice(left, len(own.variables)))
        inputs = tuple(stands_for[taken] for taken in own.inputs)
        if own.rule.passes_through(own.layer):
            (stands_for[number],) = inputs
            continue
        stands_for[number] = number
        steps.append(_Step(number, own.rule, own.layer, weights, inputs))
    return steps, stands_for[len(blueprint.layers)]


def _folded(steps: list[_Step], output: int) -> tuple[list[_Step], int]:
    """Return steps that compute the same, fewer of which only multiply and shift."""
    for step in steps:
        affine = step.affine
        if affine is None:
            continue
        (source,) = step.inputs
        takers = [taken for other in steps for taken in other.inputs]
        before = next((other for other in steps if other.number == source), None)
        if before is not None and source != output and takers.count(source) == 1:
            weights = before.rule.before_affine(before.layer, before.weights, affine)
            if weights is not None:
                joined = dataclasses.replace(before, number=step.number, weights=weights)
                return _folded(_replaced(steps, before, joined, without=step), output)
        behind = next((other for other in steps if step.number in other.inputs), None)
        if behind is not None and takers.count(step.number) == 1 and len(behind.inputs) == 1:
            weights = behind.rule.behind_affine(behind.layer, behind.weights, affine)
            if weights is not None:
                joined = dataclasses.replace(behind, inputs=(source,), weights=weights)
                return _folded(_replaced(steps, behind, joined, without=step), output)
    return steps, output


def _replaced(steps: list[_Step], old: _Step, new: _Step, *, without: _Step) -> list[_Step]:
    return [new if step is old else step for step in steps if step is not without]
