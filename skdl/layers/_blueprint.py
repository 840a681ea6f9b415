"""What a network amounts to: rules, shapes and variables of its layers, worked out once."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._registry import rule_of
from skdl.layers._shapes import Shape, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from skdl.layers._rule import Rule, Variable
    from skdl.networks import Layer, Network

    Array = NDArray[np.float32]

__all__ = ["Blueprint", "Layout", "PlacedLayer", "blueprint_of"]

# Networks whose blueprints are kept: those of a search with many structures at once.
_MOST_BLUEPRINTS = 1024


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where each variable of a network lies in the flat vectors of weights and statistics.

    Parameters
    ----------
    variables : tuple of Variable
        Of all layers, in Keras' order of weights.
    """

    variables: tuple[Variable, ...]

    def part(self, *, trainable: bool) -> tuple[Variable, ...]:
        """Return the variables of one of the two flat vectors, in order."""
        return tuple(v for v in self.variables if v.trainable == trainable)

    def n_numbers(self, *, trainable: bool) -> int:
        """Return the length of one of the two flat vectors."""
        return sum(size(variable.shape) for variable in self.part(trainable=trainable))

    def split(self, weights: Array, statistics: Array) -> list[Array]:
        """Cut the flat vectors of one member into arrays, in Keras' order of weights."""
        arrays = {}
        for trainable, flat in ((True, weights), (False, statistics)):
            start = 0
            for variable in self.part(trainable=trainable):
                stop = start + size(variable.shape)
                arrays[variable] = flat[start:stop].reshape(variable.shape)
                start = stop
        return [arrays[variable] for variable in self.variables]

    def join(self, arrays: Sequence[Any]) -> tuple[Array, Array]:
        """Undo `split`: arrays in Keras' order of weights become the two flat vectors."""
        parts: dict[bool, list[Array]] = {True: [], False: []}
        for variable, array in zip(self.variables, arrays, strict=True):
            parts[variable.trainable].append(np.asarray(array, np.float32).reshape(-1))
        empty = np.zeros(0, np.float32)
        weights, statistics = (np.concatenate([empty, *parts[t]]) for t in (True, False))
        return weights, statistics

    @functools.cached_property
    def dims(self) -> list[int]:
        """Shapes of all variables, trained ones first, one after the other."""
        return [
            n for t in (True, False) for variable in self.part(trainable=t) for n in variable.shape
        ]


@dataclasses.dataclass(frozen=True, eq=False)
class PlacedLayer:
    """One layer at its place in a network.

    Parameters
    ----------
    position : int
        Number of the layer in the network.
    layer : Layer
    rule : Rule
        How layers of its kind compute.
    inputs : tuple of int
        The tensors that it takes: 0 for the rows, i for what layer i - 1 gives.
    input_shape : tuple of int, or tuple of these
        Shape of one row in front of the layer; one for each tensor where it takes several.
    output_shape : tuple of int
        Shape of one row behind the layer.
    variables : tuple of Variable
        Not trainable where the layer is frozen.
    masked_inputs : tuple of bool
        Which of the tensors that it takes have a mask of their steps.
    """

    position: int
    layer: Layer
    rule: Rule
    inputs: tuple[int, ...]
    input_shape: Shape
    output_shape: Shape
    variables: tuple[Variable, ...]
    masked_inputs: tuple[bool, ...]

    @property
    def has_mask(self) -> bool:
        """Whether its outputs have a mask of their steps."""
        return self.rule.has_mask(self.layer, self.masked_inputs)

    @property
    def is_frozen(self) -> bool:
        """Whether training leaves its variables as they are."""
        return bool(self.layer.get("frozen"))


class Blueprint:
    """Rules, shapes and variables of a network's layers, and what follows from them.

    Parameters
    ----------
    network : Network

    Attributes
    ----------
    layers : tuple of PlacedLayer
    layout : Layout
    row_shapes : tuple of tuple of int
        Shapes of one row: of the input, then behind each layer.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        shapes: list[Shape] = [network.input_shape]
        placed: list[PlacedLayer] = []
        for position, layer in enumerate(network.layers):
            inputs = network.inputs_of(position)
            taken = [shapes[i] for i in inputs]
            shape: Any = taken[0] if len(taken) == 1 else tuple(taken)
            rule = rule_of(layer)
            variables = rule.variables(layer, position, shape)
            if layer.get("frozen"):
                variables = [dataclasses.replace(v, trainable=False) for v in variables]
            output = rule.output_shape(layer, shape)
            masked = tuple(i > 0 and placed[i - 1].has_mask for i in inputs)
            placed.append(
                PlacedLayer(position, layer, rule, inputs, shape, output, tuple(variables), masked)
            )
            shapes.append(output)
        self.layers = tuple(placed)
        self.row_shapes = tuple(shapes)
        self.layout = Layout(tuple(v for own in placed for v in own.variables))

    @functools.cached_property
    def kernel_slices(self) -> tuple[slice, ...]:
        """Where the kernels of dense layers and convolutions lie in the flat vector of weights."""
        found, start = [], 0
        for variable in self.layout.part(trainable=True):
            stop = start + size(variable.shape)
            if variable.name == "kernel":
                found.append(slice(start, stop))
            start = stop
        return tuple(found)

    @functools.cached_property
    def n_outputs(self) -> int:
        """Numbers that the network predicts for a row."""
        shape = self.row_shapes[-1]
        # Networks that share their weights are averaged.
        return shape[-1] if self.network.is_shared else size(shape)

    @functools.cached_property
    def is_faithful(self) -> bool:
        """Whether the engine may train it: rows meet in no layer unknown to it."""
        # A mask at the end would go into Keras' loss.
        return not self.layers[-1].has_mask and all(
            own.rule.is_faithful(own.layer, own.input_shape) for own in self.layers
        )

    @functools.cached_property
    def one_member_at_a_time(self) -> bool:
        """Whether members of a stack go through it one after another in the plain graph."""
        return any(own.rule.one_member_at_a_time for own in self.layers)

    @functools.cached_property
    def takes_sparse_rows(self) -> bool:
        """Whether it needs no zeros of its rows."""
        as_they_are = {0}
        for own in self.layers:
            if as_they_are.isdisjoint(own.inputs):
                continue
            if own.rule.draws_noise and own.rule.does_nothing(own.layer):
                as_they_are.add(own.position + 1)
            elif len(own.inputs) > 1 or not own.rule.takes_sparse_rows:
                return False
        return len(self.row_shapes[0]) == 1

    @functools.cached_property
    def n_entries(self) -> int | None:
        """How many whole numbers from 0 on its rows may consist of; None if of any numbers."""
        dims = [
            own.layer["input_dim"]
            for own in self.layers
            if own.layer.kind == "Embedding" and own.inputs == (0,)
        ]
        return min(dims, default=None)

    @functools.cached_property
    def compiles(self) -> bool:
        """Whether XLA can compile every layer."""
        return all(own.rule.compiles for own in self.layers)

    @functools.cached_property
    def im2col_size(self) -> int:
        """Floats per row in the windows of all its convolutions together."""
        return sum(own.rule.im2col_size(own.layer, own.input_shape) for own in self.layers)

    @functools.cached_property
    def n_loop_steps(self) -> int:
        """Steps that loops inside its layers take one after the other."""
        return sum(own.rule.n_loop_steps(own.layer, own.input_shape) for own in self.layers)

    @functools.cached_property
    def peak_widths(self) -> list[int]:
        """Peak floats per row inside those layers where it is above input and output."""
        widths = [own.rule.peak_width(own.layer, own.input_shape) for own in self.layers]
        return [width for width in widths if width]

    @functools.cached_property
    def row_sizes(self) -> list[int]:
        """Floats per row in front of each layer, behind the last, and at the peaks inside."""
        in_front = [size(own.input_shape) for own in self.layers]
        return [*in_front, size(self.row_shapes[-1]), *self.peak_widths]

    @functools.cached_property
    def structure(self) -> tuple[Any, ...]:
        """What two networks must share to be trained in one graph, widths apart."""
        network = self.network
        return (
            tuple(
                (own.layer.kind, own.rule.structure(own.layer), own.is_frozen)
                for own in self.layers
            ),
            network.inputs,
            len(network.input_shape),
            network.output_activation,
            network.loss.structure,
        )

    @functools.cached_property
    def scalar_names(self) -> list[tuple[int, str]]:
        """Scalars in which members may differ: (layer, name), the loss' last with -1."""
        names = [(own.position, name) for own in self.layers for name in own.rule.scalars]
        return names + [(-1, name) for name, _ in self.network.loss.scalars]

    @functools.cached_property
    def scalars(self) -> list[float]:
        """Values of `scalar_names`."""
        loss = dict(self.network.loss.scalars)
        return [
            loss[name] if position < 0 else self.network.layers[position].get(name, 0.0)
            for position, name in self.scalar_names
        ]

    def constants(self, X: NDArray[Any]) -> dict[tuple[int, str], Array]:
        """Return what its first layers learn of the rows to train on, as `Job.constants`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            May hold NaN.
        """
        found: dict[tuple[int, str], Array] = {}
        for own in self.layers:
            named, X = own.rule.constants(own.layer, X)
            for name, values in named.items():
                found[own.position, name] = np.asarray(values, np.float32)
        return found


def blueprint_of(network: Network) -> Blueprint:
    """Return the blueprint of a network; equal networks share it."""
    # Looked up on the object first: hashing walks through all layers.
    known: Blueprint | None = network.__dict__.get("_blueprint")
    if known is None:
        known = _shared_blueprint(network)
        object.__setattr__(network, "_blueprint", known)
    return known


_shared_blueprint = functools.lru_cache(_MOST_BLUEPRINTS)(Blueprint)
