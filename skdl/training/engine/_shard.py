"""A part of a stack: members whose steps are one call of a program, their state on the device."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers import blueprint_of
from skdl.training._metrics import GraphMetric, HostMetric
from skdl.training._optimizers import rule_options
from skdl.training._pruning import pruned_kernels
from skdl.training.engine._calls import (
    Batches,
    EvaluationCall,
    Noise,
    Offsets,
    OwnUnits,
    State,
    TrainingCall,
    Units,
    Zeros,
)
from skdl.training.engine._memory import as_tensor
from skdl.training.engine._noise import NoiseTable
from skdl.training.engine._padding import padding_of
from skdl.training.engine._row_pool import batches, chunks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from tensorflow import Tensor

    from skdl.training._job import Job
    from skdl.training.engine._calls import Data, EpochResult, Evaluation
    from skdl.training.engine._member import Member
    from skdl.training.engine._program import Program
    from skdl.training.engine._row_pool import RowPool

__all__ = ["Shard", "Shared"]

_NO_ROWS = np.zeros(0, np.int32)


@dataclasses.dataclass(frozen=True)
class Shared:
    """What all parts of a stack have in common.

    Parameters
    ----------
    programs : dict of str to Program
        For each role of rows; that of ``"train"`` trains, the others score.
    pool : RowPool
        The rows.
    data : Data
        Inputs, targets and weights of all rows, see `RowPool`.
    offsets : dict of str to dict of Member to pair of int
        For each role of rows, where a member's own begin among the inputs and among the targets.
    noise, dims : tensor
        See `Program`.
    batch_size : int
    batch_room : int
        Rows of the largest batch, joined ones included: the same for all shards and epochs.
    row_width : int
        Numbers that a row becomes on its way through the network, for `chunks`.
    scored_alone : bool
        Whether a call that only looks at rows takes one member.
    noise_widths : tuple of tuple of int
        Those that `Padding` tells of the members, each once.
    """

    programs: Mapping[str, Program]
    pool: RowPool
    data: Data
    offsets: Mapping[str, Mapping[Member, tuple[int, int]]]
    noise: Tensor
    dims: Tensor
    batch_size: int
    batch_room: int
    row_width: int
    scored_alone: bool
    noise_widths: tuple[tuple[int, ...], ...]


class Shard:
    """Members whose steps are one call of a program.

    Parameters
    ----------
    shared : Shared
    members : sequence of Member
        Those that were in another part have their state back, see `return_state`.
    n_places : int
        At least as many as there are members: parts of equal size share a compilation. A vacant
        place has no rows.

    Attributes
    ----------
    places : list of Member
        The members, and the last of them again in vacant places.
    """

    def __init__(self, shared: Shared, members: Sequence[Member], n_places: int) -> None:
        import tensorflow as tf

        self.members = list(members)
        self._shared = shared
        places = self.places = [*members, *[members[-1]] * (n_places - len(members))]
        job = members[0].job

        def stacked(arrays: Sequence[NDArray[np.float32]]) -> Any:
            return tf.constant(np.stack(arrays))

        def given(value: ArrayLike | None, default: float) -> NDArray[np.float32]:
            width = blueprint_of(job.network).n_outputs
            return np.full(width, default if value is None else value, np.float32)

        states = [_in_stack(m, m.state) for m in places]
        self._state = tuple(stacked(part) for part in zip(*states, strict=True))
        self._best: tuple[Any, ...] | None = None
        if any(m.best_state is not None for m in members):
            best = [_in_stack(m, m.best_state or m.state[:2]) for m in places]
            self._best = tuple(stacked([state[i] for state in best]) for i in range(2))
        self._scalars = tf.constant(
            np.array([blueprint_of(m.job.network).scalars for m in places], np.float32).T
        )
        names = rule_options(job.optimizer)["names"]
        options = [[dict(m.job.optimizer.scalars)[name] for m in places] for name in names]
        self._optimizer_scalars = tf.constant(
            np.array(options, np.float32).reshape(len(names), n_places)
        )
        self._units = Units(
            stacked([given(m.job.target_scale, 1.0) for m in places]),
            stacked([given(m.job.target_offset, 0.0) for m in places]),
        )
        self._rows_at = {
            role: Offsets(*(tf.constant([of[m][i] for m in places], tf.int32) for i in range(2)))
            for role, of in shared.offsets.items()
        }
        self._own_units: tuple[OwnUnits, ...] = ()
        if shared.programs["train"].spec.pads:
            self._own_units = (_own_units(places, shared.noise_widths),)
        if shared.programs["train"].spec.prunes:
            is_kernel = np.zeros(len(members[0].state[0]), bool)
            for where in pruned_kernels(job.network):
                is_kernel[where] = True
            self._is_kernel = tf.constant(is_kernel)
        for position, member in enumerate(self.members):
            self._attach(member, position)

    @property
    def is_running(self) -> bool:
        """Whether a member goes on."""
        return not all(member.stopped for member in self.members)

    # ------------------------------------------------------------------ members and their state

    def _attach(self, member: Member, position: int) -> None:
        """Let a member reach its state on the device."""
        import tensorflow as tf

        def replaced(tensor: Tensor, value: NDArray[np.float32]) -> Any:
            array = tensor.numpy()
            array[position] = value
            return tf.constant(array)

        def fetch() -> tuple[Any, ...]:
            return _of_own(member, [tensor[position].numpy() for tensor in self._state])

        def store(state: tuple[NDArray[np.float32], ...]) -> None:
            pairs = zip(self._state, _in_stack(member, state), strict=True)
            self._state = tuple(replaced(tensor, value) for tensor, value in pairs)

        member.fetch, member.store = fetch, store

    def return_state(self, *, stopped_only: bool = False) -> None:
        """Give members their state to keep."""
        leaving = [
            (position, member)
            for position, member in enumerate(self.members)
            if member.fetch is not None and (member.stopped or not stopped_only)
        ]
        if not leaving:
            return
        state = [tensor.numpy() for tensor in self._state]
        best = None if self._best is None else [tensor.numpy() for tensor in self._best]
        for position, member in leaving:
            member.state = _of_own(member, [array[position] for array in state])
            member.fetch = member.store = None
            if best is not None and member.restores_best and member.best_state is not None:
                member.best_state = _of_own(member, [array[position] for array in best])

    def update_best(self, better: Collection[Member]) -> None:
        """Keep the weights of members for which this epoch was the best so far."""
        import tensorflow as tf

        chosen = [member in better for member in self.places]
        if not any(chosen):
            return
        now = self._state[:2]
        if self._best is None:
            self._best = now
        else:
            column = tf.constant(chosen)[:, None]
            self._best = tuple(
                tf.where(column, new, old) for new, old in zip(now, self._best, strict=True)
            )
        for member in self.members:
            if member in better:
                member.best_state = ()

    # ------------------------------------------------------------------ calls of programs

    def rows_of(self, role: str) -> list[NDArray[np.int32]]:
        """Return the rows that members which go on have in a role."""
        return [_NO_ROWS if m.stopped else getattr(m.job, role).rows for m in self.members]

    def rehearsal(self) -> TrainingCall:
        """Return what ``Program.train`` takes for no step, in the shapes of an epoch."""
        return self._training(0, (), is_rehearsal=True)

    def training(self, epoch: int) -> tuple[TrainingCall, list[NDArray[np.int32]]]:
        """Return what ``Program.train`` takes for one epoch, and the rows in the order of use.

        The rows are needed where somebody looks at predictions of them; otherwise there are none.
        """
        orders = (_NO_ROWS if m.stopped else m.next_order() for m in self.members)
        if self._shared.programs["train"].spec.collect:
            kept = list(orders)
            return self._training(epoch, kept), kept
        # One after the other: those of all members take as much room as the batches do.
        return self._training(epoch, orders), []

    def _training(
        self, epoch: int, orders: Iterable[NDArray[np.int32]], *, is_rehearsal: bool = False
    ) -> TrainingCall:
        import tensorflow as tf

        shared, places = self._shared, self.places
        learn = shared.programs["train"]
        # A vacant place, or one whose member has stopped, has no rows to join.
        going = [None if m.stopped else m.job for m in self.members]
        going += [None] * (len(places) - len(going))
        index, counts = batches(
            orders,
            shared.batch_size,
            [0 if job is None else job.n_joined_rows for job in going],
            lengths=[0 if job is None else len(job.train) for job in going],
            padded=learn.spec.compiled,
            width=shared.batch_room,
        )
        if shared.pool.is_read and not is_rehearsal:
            shared.pool.expect(index, counts, [shared.offsets["train"][m][0] for m in places])
        n_steps, n_noisy = len(index), learn.graph.n_noisy
        keys = np.zeros((n_steps, n_noisy, len(places)), np.uint32)
        if not is_rehearsal:
            for position, member in enumerate(self.members):
                keys[:, :, position] = member.next_keys(n_steps, n_noisy)
        starts = NoiseTable.starts(epoch, n_steps, n_noisy)
        rates = np.stack([m.rates(n_steps) for m in places], -1)
        steps_before = np.array([m.n_steps for m in places], np.float32)
        own_steps = 0 if is_rehearsal else int((counts > 0).any(1).sum())
        return TrainingCall(
            state=State(*self._state[:2]),
            slots=self._state[2:],
            dims=shared.dims,
            scalars=self._scalars,
            optimizer_scalars=self._optimizer_scalars,
            data=shared.data,
            offsets=self._rows_at["train"],
            units=self._units,
            batches=Batches(as_tensor(index), tf.constant(counts)),
            n_steps=tf.constant(own_steps),
            steps_before=tf.constant(steps_before),
            rates=tf.constant(rates),
            noise=Noise(shared.noise, tf.constant(starts), tf.constant(keys)),
            zeros=self._zeros(),
            own_units=self._own_units,
        )

    def _zeros(self) -> tuple[Zeros, ...]:
        import tensorflow as tf

        if not self._shared.programs["train"].spec.prunes:
            return ()
        return (Zeros(self._is_kernel, tf.constant([m.keeps_zeros for m in self.places])),)

    def prune(self) -> None:
        """Set the smallest weights of members to zero, as many as they ask for by now."""
        import tensorflow as tf

        prunes = [m.job.pruning is not None and not m.stopped for m in self.members]
        if not any(prunes):
            return
        weights = self._state[0].numpy()
        for position in np.flatnonzero(prunes):
            weights[position] = self.members[position].pruned(weights[position])
        self._state = (tf.constant(weights), *self._state[1:])

    def set_state(self, result: EpochResult) -> None:
        """Take in what ``Program.train`` returned."""
        self._state = (*result.state, *result.slots)

    def evaluations(self, role: str, *, alone: bool = False) -> list[EvaluationCall]:
        """Return what ``Program.evaluate`` takes for the rows of a role.

        Parameters
        ----------
        role : {"train", "validation", "held_out"}
        alone : bool, default=False
            In one call for each member; by default in one for all, if that is how they are scored.
        """
        rows = self._placed(self.rows_of(role))
        if len(rows) == 1 or not (alone or self._shared.scored_alone):
            return [self._evaluation(role, rows, slice(None))]
        each = [slice(i, i + 1) for i in range(len(self.members))]
        return [self._evaluation(role, rows[some], some) for some in each]

    def _evaluation(
        self, role: str, rows: Sequence[NDArray[np.int32]], some: slice
    ) -> EvaluationCall:
        import tensorflow as tf

        shared = self._shared
        index, counts = chunks(rows, shared.row_width)
        if shared.pool.is_read:
            members = self.places[some]
            shared.pool.expect(index, counts, [shared.offsets[role][m][0] for m in members])
        by_member = (State(*self._state[:2]), self._rows_at[role], self._units)
        scalars = self._scalars
        if some != slice(None):
            by_member = tf.nest.map_structure(lambda tensor: tensor[some], by_member)
            scalars = scalars[:, some]
        state, offsets, units = by_member
        batches = Batches(as_tensor(index), tf.constant(counts))
        return EvaluationCall(state, shared.dims, scalars, shared.data, offsets, units, batches)

    def _placed(self, rows: Sequence[NDArray[np.int32]]) -> list[NDArray[np.int32]]:
        """Return the rows of each place."""
        return [*rows, *[_NO_ROWS] * (len(self.places) - len(rows))]

    def logs(
        self, found: Sequence[Evaluation], role: str, orders: Sequence[NDArray[np.int32]]
    ) -> dict[Member, dict[str, float]]:
        """Return what each member reports, metrics in the order in which they were asked for.

        Parameters
        ----------
        found : list of Evaluation
            Of each call: its log ``[n_members, 1 + n_metrics]``, and the predictions ``[n_batches,
            n_members, n_rows of a batch, n_outputs]`` where somebody looks at them.
        role : {"train", "validation", "held_out"}
        orders : list of ndarray of int32
            Each member's rows in the order in which they were seen; empty where nobody looks at
            predictions.
        """
        values = np.concatenate([log.numpy() for log, _ in found]).astype(float)
        outputs = [own for _, seen in found for own in seen.numpy().swapaxes(0, 1)]

        def predictions(position: int) -> NDArray[np.float32]:
            own, n_rows = outputs[position], len(orders[position])
            if role != "train" or not n_rows:
                return own.reshape(-1, own.shape[-1])[:n_rows]
            # Every batch has room for joined rows, which only the last one has.
            size, n_joined = self._shared.batch_size, self.members[position].job.n_joined_rows
            main = own[:, :size].reshape(-1, own.shape[-1])[: n_rows - n_joined]
            joined = own[(n_rows - n_joined) // size - 1, size : size + n_joined]
            return np.concatenate([main, joined])

        logs = {}
        for position, member in enumerate(self.members):
            own = {"loss": float(values[position, 0])}
            column = 1
            for metric in member.metrics:
                if isinstance(metric, GraphMetric):
                    value = values[position, column]
                    own[metric.name] = float(np.sqrt(value)) if metric.root else float(value)
                    column += 1
                elif not member.stopped:
                    y = getattr(member.job, role).y[orders[position]]
                    given = (metric, predictions(position), member.job, y)
                    own[metric.name] = member.scored(_on_host, *given)
            score = member.job.held_out_score
            if role == "held_out" and score is not None and not member.stopped:
                own["score"] = member.scored(score, predictions(position))
            logs[member] = own
        return logs


def _in_stack(member: Member, state: Sequence[NDArray[np.float32]]) -> Any:
    """Return a member's state, or a part of it, as its stack holds it."""
    return state if member.padding is None else member.padding.widened(state)


def _of_own(member: Member, state: Sequence[NDArray[np.float32]]) -> Any:
    """Undo `_in_stack`."""
    return tuple(state) if member.padding is None else member.padding.narrowed(state)


def _own_units(places: Sequence[Member], noise_widths: Sequence[tuple[int, ...]]) -> OwnUnits:
    import tensorflow as tf

    paddings = [padding_of(m.job.network, m.network) for m in places]
    return OwnUnits(
        tf.constant(np.stack([padding.is_own for padding in paddings])),
        tf.constant(np.array(noise_widths, np.int32)),
        tf.constant([noise_widths.index(p.noise_widths) for p in paddings], tf.int32),
    )


def _on_host(
    metric: HostMetric, predictions: NDArray[np.float32], job: Job, y: NDArray[np.float32]
) -> float:
    if job.network.loss.target == "one_hot":
        y = np.eye(predictions.shape[1], dtype=np.float32)[y[:, 0].astype(int)]
    return metric.of(job.in_target_units(y), predictions)
