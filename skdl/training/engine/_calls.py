"""What programs take and give: named tuples of tensors.

M is the number of members, P and Q are trained and other weights, N rows, T batches, B rows of a
batch and K outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tensorflow import Tensor

__all__ = [
    "Batches",
    "Data",
    "EpochResult",
    "Evaluation",
    "EvaluationCall",
    "Noise",
    "Offsets",
    "OwnUnits",
    "State",
    "TrainingCall",
    "Units",
    "Zeros",
]


class State(NamedTuple):
    """Weights of all members.

    Parameters
    ----------
    weights : tensor of shape [M, P]
        Trained by gradient.
    statistics : tensor of shape [M, Q]
        Others, such as moving moments.
    """

    weights: Tensor
    statistics: Tensor


class Data(NamedTuple):
    """Rows of all members, see `RowPool`.

    Parameters
    ----------
    rows : tensor of shape [N, ...]
        Inputs; three tensors for a CSR matrix, the pool's number for rows that are read in place.
    targets : tensor of shape [N, n_columns]
    weights : tensor of shape [N]
    """

    rows: Any
    targets: Tensor
    weights: Tensor


class Offsets(NamedTuple):
    """Where each member's rows begin.

    Parameters
    ----------
    inputs, targets : tensor of shape [M]
    """

    inputs: Tensor
    targets: Tensor


class Units(NamedTuple):
    """Units of each member's targets.

    Parameters
    ----------
    scale, offset : tensor of shape [M, K]
    """

    scale: Tensor
    offset: Tensor


class Batches(NamedTuple):
    """Rows of each batch.

    Parameters
    ----------
    index : tensor of shape [T, M, B]
    counts : tensor of shape [T, M]
        How many of the B count; the others pad the batch.
    """

    index: Tensor
    counts: Tensor


class Noise(NamedTuple):
    """Where each step and layer finds its noise, see `NoiseTable`.

    Parameters
    ----------
    table : tensor of shape [n], uint32
    starts : tensor of shape [T, n_noisy]
    keys : tensor of shape [T, n_noisy, M], uint32
    """

    table: Tensor
    starts: Tensor
    keys: Tensor


class OwnUnits(NamedTuple):
    """Which units are the members' own, in a stack of padded networks, see `Padding`.

    Parameters
    ----------
    is_own : tensor of shape [M, P], bool
        Weights that are.
    widths : tensor of shape [G, n_noisy]
        How many numbers of a row there are in front of each layer that draws noise, for each group
        of members that have the same.
    group : tensor of shape [M]
        Which group each member is of.
    """

    is_own: Tensor
    widths: Tensor
    group: Tensor


class Zeros(NamedTuple):
    """Which weights stay zero once they are.

    Parameters
    ----------
    is_kernel : tensor of shape [P], bool
        Weights that pruning may drive to zero.
    is_kept : tensor of shape [M], bool
        Members that keep their zeros in this epoch.
    """

    is_kernel: Tensor
    is_kept: Tensor


class TrainingCall(NamedTuple):
    """What ``Program.train`` takes for one epoch.

    Parameters
    ----------
    state : State
    slots : tuple of tensor of shape [M, P]
        The optimizer's.
    dims : tensor of shape [n]
        Shapes of all variables, one after the other.
    scalars, optimizer_scalars : tensor of shape [n, M]
    data : Data
    offsets : Offsets
    units : Units
    batches : Batches
    n_steps : tensor of shape []
        How many of the T batches there are; the others are room.
    steps_before : tensor of shape [M]
        Optimizer steps taken before this epoch.
    rates : tensor of shape [T, M]
        Learning rate of each step.
    noise : Noise
    zeros : tuple of Zeros
        One where a member is pruned, else none.
    own_units : tuple of OwnUnits
        One where a member's network is padded, else none.
    """

    state: State
    slots: tuple[Tensor, ...]
    dims: Tensor
    scalars: Tensor
    optimizer_scalars: Tensor
    data: Data
    offsets: Offsets
    units: Units
    batches: Batches
    n_steps: Tensor
    steps_before: Tensor
    rates: Tensor
    noise: Noise
    zeros: tuple[Zeros, ...]
    own_units: tuple[OwnUnits, ...]

    def of_at_most(self, n_members: int) -> list[TrainingCall]:
        """Return calls for so many members each, and one for those who are left."""
        every = int(self.steps_before.shape[0])
        return [self._of(slice(i, i + n_members)) for i in range(0, every, n_members)]

    def _of(self, some: slice) -> TrainingCall:
        """Return the call for some of the members."""

        def cut(values: Any, axis: int = 0) -> Any:
            return values[(*[slice(None)] * axis, some)]

        return self._replace(
            state=State(*map(cut, self.state)),
            slots=tuple(map(cut, self.slots)),
            scalars=cut(self.scalars, 1),
            optimizer_scalars=cut(self.optimizer_scalars, 1),
            offsets=Offsets(*map(cut, self.offsets)),
            units=Units(*map(cut, self.units)),
            batches=Batches(cut(self.batches.index, 1), cut(self.batches.counts, 1)),
            steps_before=cut(self.steps_before),
            rates=cut(self.rates, 1),
            noise=self.noise._replace(keys=cut(self.noise.keys, 2)),
            zeros=tuple(z._replace(is_kept=cut(z.is_kept)) for z in self.zeros),
            own_units=tuple(
                own._replace(is_own=cut(own.is_own), group=cut(own.group)) for own in self.own_units
            ),
        )


class EvaluationCall(NamedTuple):
    """What ``Program.evaluate`` takes.

    Parameters
    ----------
    state, dims, scalars, data, offsets, units, batches
        As in `TrainingCall`.
    """

    state: State
    dims: Tensor
    scalars: Tensor
    data: Data
    offsets: Offsets
    units: Units
    batches: Batches


class EpochResult(NamedTuple):
    """What ``Program.train`` gives.

    Parameters
    ----------
    state : State
    slots : tuple of tensor of shape [M, P]
    log : tensor of shape [M, 1 + n_metrics]
    outputs : tensor of shape [T, M, B, K]
        Empty unless collected.
    """

    state: State
    slots: tuple[Tensor, ...]
    log: Tensor
    outputs: Tensor

    @classmethod
    def of_all(cls, results: Sequence[EpochResult]) -> EpochResult:
        """Return what one call would have given, from the results of several."""
        import tensorflow as tf

        def joined(several: Iterable[Tensor]) -> Any:
            return tf.concat(list(several), 0)

        return cls(
            State(*map(joined, zip(*(r.state for r in results), strict=True))),
            tuple(map(joined, zip(*(r.slots for r in results), strict=True))),
            joined(r.log for r in results),
            tf.concat([r.outputs for r in results], min(1, results[0].outputs.shape[1])),
        )

    @classmethod
    def of_none(cls, call: TrainingCall, like: EpochResult) -> EpochResult:
        """Return what a member that learned nothing has after a call, shaped as others' results."""
        log, outputs = Evaluation.of_none(Evaluation(like.log, like.outputs))
        return cls(call.state, call.slots, log, outputs)


class Evaluation(NamedTuple):
    """What ``Program.evaluate`` gives.

    Parameters
    ----------
    log, outputs
        As in `EpochResult`.
    """

    log: Tensor
    outputs: Tensor

    @classmethod
    def of_none(cls, like: Evaluation) -> Evaluation:
        """Return a member's evaluation that failed, in the shape of another member's."""
        import tensorflow as tf

        return cls(*(tf.fill(tf.shape(part), float("nan")) for part in like))
