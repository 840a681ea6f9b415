"""Hidden layers of a few sizes: units of weight zero let networks of other widths share a program.

Such a unit gives the layer behind it nothing, as the weights that leave it are zero, and learns
nothing, as its own gradient is set to zero. So a network with them computes what it computes
without them, but for the order in which sums are taken.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from skdl.layers import blueprint_of, size
from skdl.networks import Layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from skdl.layers import Variable
    from skdl.networks import Network
    from skdl.training._job import Job

    Numbers = NDArray[np.float32]

__all__ = ["Padding", "padded_network", "padding_of"]

# What narrower layers are padded to. On red wine a fold and epoch take .6 ms at 32 units, 1.3 at
# 64, 3.7 at 128 and 12.7 at 256, and a compilation a second: padded to more than 64 units, fifty
# fits of 30 epochs cost more than they save.
_UNITS = 64


def padded_network(job: Job) -> Network:
    """Return a job's network with narrow hidden layers padded, itself where that may not be."""
    return (job.pruning is None and _padded(job.network)) or job.network


@functools.lru_cache(1024)
def _padded(network: Network) -> Network | None:
    dense = [i for i, layer in enumerate(network.layers) if layer.kind == "Dense"]
    is_chain = not network.inputs and network.source is None and len(network.input_shape) == 1
    if not is_chain or not dense or dense[-1] != len(network.layers) - 1:
        return None
    behind = blueprint_of(network).layers[dense[0] :]
    if not all(own.rule.keeps_units_apart(own.layer) and not own.is_frozen for own in behind):
        return None
    layers = list(network.layers)
    for i in dense[:-1]:
        wider = {"units": max(_UNITS, layers[i]["units"])}
        layers[i] = Layer.of(layers[i].kind, **dict(layers[i].config) | wider)
    padded = dataclasses.replace(network, layers=tuple(layers))
    return None if padded == network else padded


@dataclasses.dataclass(frozen=True)
class Padding:
    """Where the numbers of a network stand among those of its padded one.

    Parameters
    ----------
    places : tuple of two ndarray of int
        Of the flat weights and of the flat statistics.
    sizes : tuple of two int
        Of the padded network's flat weights and statistics.
    noise_widths : tuple of int
        In front of each layer that draws noise, how many numbers of a row are the network's own.
    """

    places: tuple[NDArray[np.intp], NDArray[np.intp]]
    sizes: tuple[int, int]
    noise_widths: tuple[int, ...]

    def widened(self, state: Sequence[Numbers]) -> tuple[Numbers, ...]:
        """Return a padded network's state, zero where it is not the network's own.

        Parameters
        ----------
        state : sequence of ndarray
            Flat weights, statistics and slots, or the first two.
        """
        return tuple(self._widened(values, int(i == 1)) for i, values in enumerate(state))

    def _widened(self, values: Numbers, part: int) -> Numbers:
        wide = np.zeros(self.sizes[part], np.float32)
        wide[self.places[part]] = values
        return wide

    def narrowed(self, state: Sequence[Numbers]) -> tuple[Numbers, ...]:
        """Undo `widened`."""
        return tuple(values[self.places[int(i == 1)]] for i, values in enumerate(state))

    @property
    def is_own(self) -> NDArray[np.bool_]:
        """Which of the padded network's flat weights are the network's own."""
        own = np.zeros(self.sizes[0], bool)
        own[self.places[0]] = True
        return own


@functools.lru_cache(1024)
def padding_of(network: Network, padded: Network) -> Padding:
    """Return where the numbers of a network stand among those of `padded`."""
    narrow, wide = blueprint_of(network), blueprint_of(padded)
    weights, statistics = (
        _places(narrow.layout.part(trainable=t), wide.layout.part(trainable=t))
        for t in (True, False)
    )
    return Padding(
        (weights, statistics),
        (wide.layout.n_numbers(trainable=True), wide.layout.n_numbers(trainable=False)),
        tuple(size(own.input_shape) for own in narrow.layers if own.rule.draws_noise),
    )


def _places(narrow: Sequence[Variable], wide: Sequence[Variable]) -> NDArray[np.intp]:
    places, start = [np.zeros(0, np.intp)], 0
    for own, padded in zip(narrow, wide, strict=True):
        block = np.arange(size(padded.shape)).reshape(padded.shape)
        places.append(start + block[tuple(slice(n) for n in own.shape)].reshape(-1))
        start += block.size
    return np.concatenate(places)
