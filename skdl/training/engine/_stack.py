"""A stack: jobs whose training steps run as one graph, and the epoch loop around it."""

from __future__ import annotations

import dataclasses
import logging
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from skdl.layers import blueprint_of, size
from skdl.training._metrics import GraphMetric, HostMetric
from skdl.training.engine._calls import EpochResult, Evaluation
from skdl.training.engine._devices import has_gpu, n_cores, on_device, side_by_side
from skdl.training.engine._garbage import full_collections_put_off
from skdl.training.engine._member import end_abandoned_calls
from skdl.training.engine._noise import NoiseTable
from skdl.training.engine._padding import padding_of
from skdl.training.engine._plan import (
    batch_rows,
    is_large,
    worth_compiling,
    worth_recompiling,
)
from skdl.training.engine._prediction import traced_meanwhile
from skdl.training.engine._program import program_for
from skdl.training.engine._program_spec import ProgramSpec
from skdl.training.engine._row_pool import SPARSE, RowPool, needs_no_zeros
from skdl.training.engine._shard import Shard, Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import tensorflow as tf
    from numpy.typing import NDArray

    from skdl.training.engine._calls import EvaluationCall, TrainingCall
    from skdl.training.engine._member import Member
    from skdl.training.engine._program import Program

__all__ = ["Stack"]

_log = logging.getLogger("skdl")

Given = TypeVar("Given")
Found = TypeVar("Found")


class Stack:
    """Members that train together.

    Parameters
    ----------
    members : sequence of Member
        Of equal structure, widths (once they are padded), batch size and metrics.
    compiled : bool
        Whether XLA compiles the epoch, see `skdl.training.engine._plan`.
    n_epochs : int, default=0
        Epochs for which they have trained in another stack.
    """

    def __init__(self, members: Sequence[Member], *, compiled: bool, n_epochs: int = 0) -> None:
        import tensorflow as tf

        first = members[0].job
        self.members = list(members)
        self.network = members[0].network
        graph = tuple(m for m in members[0].metrics if isinstance(m, GraphMetric))
        host = [m for m in members[0].metrics if isinstance(m, HostMetric)]
        self._blueprint = blueprint_of(self.network)
        scalars = np.array([blueprint_of(m.job.network).scalars for m in members], np.float32)
        n_layer_scalars = sum(p >= 0 for p, _ in self._blueprint.scalar_names)
        # The rows of each role, one entry per member; roles that nobody has are left out.
        roles = {
            "train": [m.job.train for m in members],
            "validation": [m.job.validation for m in members if m.job.validation is not None],
            "held_out": [m.job.held_out for m in members if m.job.held_out is not None],
        }
        roles = {role: rows for role, rows in roles.items() if rows}
        self._pool = RowPool([entry for rows in roles.values() for entry in rows])
        begins = iter(zip(self._pool.x_offsets, self._pool.y_offsets, strict=True))
        offsets = {role: {m: next(begins) for m in members} for role in roles}
        is_scored = any(m.job.held_out_score is not None for m in members)
        self._one_member_at_a_time = self._blueprint.one_member_at_a_time
        spec = ProgramSpec(
            network=self.network,
            optimizer=first.optimizer,
            active_scalars=tuple(bool(n) for n in (scalars != 0).any(0)[:n_layer_scalars]),
            metrics=graph,
            collect=bool(host),
            rows="sparse" if needs_no_zeros(first.train.X, self.network) else self._pool.held_as,
        )
        self._specs = dict.fromkeys(roles, spec)
        if "held_out" in roles:
            # Predictions of held-out rows come back where somebody scores them on the host.
            self._specs["held_out"] = dataclasses.replace(spec, collect=spec.collect or is_scored)
        if any(m.padding is not None for m in members):
            spec = self._specs["train"] = dataclasses.replace(spec, pads=True)
        in_plain_graph = {*SPARSE, "in place"}
        self._may_compile = (
            not host and spec.rows not in in_plain_graph and self._blueprint.compiles
        )
        self._compiled = compiled and self._may_compile
        if any(m.job.pruning is not None for m in members):
            self._specs["train"] = dataclasses.replace(spec, prunes=True)
        programs = self._programs()
        widest = self._widest_noise(scalars) if programs["train"].graph.n_noisy else 0
        n_joined = max(m.job.n_joined_rows for m in members)
        self._shared = Shared(
            programs=programs,
            # With room for more rows from the start, so that going over to XLA copies nothing.
            pool=self._pool,
            data=self._pool.tensors(programs["train"].spec.rows, padded=self._may_compile),
            offsets=offsets,
            noise=on_device(tf.constant(NoiseTable((first.batch_size + n_joined) * widest).values)),
            dims=tf.constant(self._blueprint.layout.dims, tf.int32),
            batch_size=batch_rows(members),
            batch_room=batch_rows(members) + n_joined,
            row_width=self._row_width(),
            scored_alone=self._one_member_at_a_time,
            noise_widths=tuple(
                sorted({padding_of(m.job.network, m.network).noise_widths for m in members})
            )
            if spec.pads
            else (),
        )
        self._epoch = n_epochs
        self._most_members = len(self.members)
        self._is_cut = True
        self._cut()

    def _programs(self) -> dict[str, Program]:
        """Return the programs for each role's rows."""
        specs = dict(self._specs)
        if self._compiled:
            specs["train"] = dataclasses.replace(specs["train"], compiled=True)
        elif self._one_member_at_a_time and not has_gpu() and self._pool.held_as not in SPARSE:
            # Images are large and their steps long: their rows are not copied, but read where the
            # caller holds them, batch by batch.
            specs = {r: dataclasses.replace(spec, rows="in place") for r, spec in specs.items()}
        return {role: program_for(spec) for role, spec in specs.items()}

    def _cut(self) -> None:
        """Cut the stack into shards, the calls of which go side by side.

        XLA takes little more than one core for the small matrix products of a stack, so each core
        gets a part of the members. Large networks gain nothing from company in a call: one in each
        leaves no place vacant, and what is compiled for one serves any number of them. The plain
        graph spreads its operations itself.
        """
        members = self.members
        if self._compiled:
            n_shards = len(members) if is_large(members) else n_cores()
        else:
            n_shards = len(members) if self._one_member_at_a_time else 1
        n_places = min(-(-len(members) // min(n_shards, len(members))), self._most_members)
        self._is_cut = True
        self._shards = [
            Shard(self._shared, members[start : start + n_places], n_places)
            for start in range(0, len(members), n_places)
        ]

    # ------------------------------------------------------------------ the epoch loop

    def prepare(self) -> None:
        """Trace and compile the program that trains, ahead of the first epoch."""
        import tensorflow as tf

        if not self._compiled:
            return
        learn, rehearsal = self._shared.programs["train"], self._shards[0].rehearsal()
        try:
            with full_collections_put_off():
                learn.trace_training(rehearsal)
                with traced_meanwhile(self.network):
                    learn.train(rehearsal)
        except tf.errors.ResourceExhaustedError as error:
            self._halve_after(error)
            self._cut_anew()
            self.prepare()

    def epochs(self) -> Iterator[int]:
        """Train until every member is done; after each epoch, yield how many go on.

        Results stand in the members.
        """
        if not self._epoch:
            for member in self.members:
                member.observe("on_train_begin")
        while self._release_stopped():
            if self.is_worth_compiling():
                self._compile()
            try:
                self._run_epoch()
            except Exception:
                # TensorFlow tells of it as an error of its own.
                if self._pool.error is not None:
                    raise self._pool.error from None
                raise
            end_abandoned_calls(self.members)
            yield sum(not member.stopped for member in self.members)

    def return_state(self) -> None:
        """Give the members their state to keep, wherever training has ended."""
        for shard in self._shards:
            shard.return_state()

    def is_worth_compiling(self) -> bool:
        """Tell whether going over to XLA pays by now."""
        if not self._may_compile or self._compiled or not self._epoch:
            return False
        return worth_compiling([m for m in self.members if not m.stopped], self._epoch)

    def _compile(self) -> None:
        """Go over to XLA."""
        self._compiled = True
        programs = self._programs()
        data = self._pool.tensors(programs["train"].spec.rows, padded=True)
        self._shared = dataclasses.replace(self._shared, programs=programs, data=data)
        self._cut_anew()
        self.prepare()

    def _cut_anew(self) -> None:
        self.return_state()
        self.members = [member for member in self.members if not member.stopped]
        self._cut()

    def _release_stopped(self) -> int:
        """Let members go that have stopped; return how many go on.

        A compiled program is made for one number of members, so there the places of those who
        left stay in their shard, without rows, until thinning it out saves more than it costs.
        """
        end_abandoned_calls(self.members)
        for shard in self._shards:
            shard.return_state(stopped_only=True)
        self._shards = [shard for shard in self._shards if shard.is_running]
        running = [member for member in self.members if not member.stopped]
        n_gone = sum(len(shard.members) for shard in self._shards) - len(running)
        is_smaller = n_gone and (not self._compiled or worth_recompiling(running, n_gone))
        if is_smaller or not self._is_cut:
            self._cut_anew()
        return len(running)

    def _run_epoch(self) -> None:
        for shard in self._shards:
            for member in shard.members:
                if not member.stopped:
                    member.observe("on_epoch_begin", member.n_epochs)
        logs = self._train()
        for member, own in self._validate().items():
            logs[member].update({f"val_{name}": value for name, value in own.items()})
        self._epoch += 1
        self._score_held_out()
        running = [(member, own) for member, own in logs.items() if not member.stopped]
        try:
            for member, own in running:
                member.end_epoch(own)
        finally:
            # Ctrl-C in a callback, too, must not part the best weights from the epoch named best.
            better = {member for member, _ in running if member.is_best}
            for shard in self._shards:
                shard.update_best(better)

    def _score_held_out(self) -> None:
        running = [m for shard in self._shards for m in shard.members if not m.stopped]
        found = {}
        if any(member.job.scores_held_out(self._epoch) for member in running):
            found = self._evaluate("held_out")
        for member in running:
            member.held_out = found.get(member, {})

    def _train(self) -> dict[Member, dict[str, float]]:
        """Train for an epoch; return what each member reports of it."""
        import tensorflow as tf

        calls, orders = zip(*(shard.training(self._epoch) for shard in self._shards), strict=True)
        try:
            found = side_by_side(self._shared.programs["train"].train, calls)
        except tf.errors.ResourceExhaustedError as error:
            self._halve_after(error)
            found = self._in_smaller_calls(calls)
        except tf.errors.OpError as error:
            if not self._may_repeat:
                raise
            found = self._each_alone(calls, error)
        logs: dict[Member, dict[str, float]] = {}
        for shard, own, result in zip(self._shards, orders, found, strict=True):
            shard.set_state(result)
            shard.prune()
            logs |= shard.logs([Evaluation(result.log, result.outputs)], "train", own)
        return logs

    def _in_smaller_calls(self, calls: Sequence[TrainingCall]) -> list[EpochResult]:
        """Train for an epoch with as few members in a call as the device has memory for."""
        import tensorflow as tf

        train = self._shared.programs["train"].train
        while True:
            most = self._most_members
            try:
                return [
                    EpochResult.of_all([train(part) for part in call.of_at_most(most)])
                    for call in calls
                ]
            except tf.errors.ResourceExhaustedError as error:
                self._halve_after(error)

    @property
    def _may_repeat(self) -> bool:
        """Whether a call that failed can be made again for each of several members alone."""
        return len(self.members) > 1 and not self._pool.is_read

    def _each_alone(
        self, calls: Sequence[TrainingCall], error: tf.errors.OpError
    ) -> list[EpochResult]:
        """Train for an epoch, each member by itself, so that what one fails of ends it alone."""
        train = self._shared.programs["train"].train
        calls_alone = [call.of_at_most(1) for call in calls]
        results = [
            [
                _unless_it_fails(train, call, member)
                for call, member in zip(own, shard.places, strict=True)
            ]
            for own, shard in zip(calls_alone, self._shards, strict=True)
        ]
        like = next((result for own in results for result in own if result is not None), None)
        if like is None:
            raise error
        return [
            EpochResult.of_all(
                [
                    result or EpochResult.of_none(call, like)
                    for result, call in zip(own, of_shard, strict=True)
                ]
            )
            for own, of_shard in zip(results, calls_alone, strict=True)
        ]

    def _halve_after(self, error: Exception) -> None:
        """Have half as many members in a call, as the device has no memory for them."""
        n_members = min(self._most_members, max(len(shard.places) for shard in self._shards))
        if n_members == 1:
            error.add_note(
                f"{self.members[0].job.owner}: the device has too little memory for one network. "
                "Expected that a step fits: try a smaller batch_size or fewer units. To train on "
                "the processor, start Python with CUDA_VISIBLE_DEVICES=-1."
            )
            raise error
        self._most_members, self._is_cut = -(-n_members // 2), False
        _log.warning(
            "The device has too little memory for the step of %d networks at once. They are "
            "trained at most %d at a time.",
            n_members,
            self._most_members,
        )

    def _validate(self) -> dict[Member, dict[str, float]]:
        """Score the validation rows, the observers told before and after."""
        if "validation" not in self._specs:
            return {}
        running = [m for shard in self._shards for m in shard.members if not m.stopped]
        for member in running:
            member.observe("on_test_begin")
        logs = self._evaluate("validation")
        for member in running:
            if not member.stopped:
                member.observe("on_test_end", dict(logs[member]))
        return logs

    def _evaluate(self, role: str) -> dict[Member, dict[str, float]]:
        """Score the rows that running members have in a role; empty if they have none."""
        if role not in self._specs:
            return {}
        import tensorflow as tf

        calls = [shard.evaluations(role) for shard in self._shards]
        evaluate = self._shared.programs[role].evaluate
        every = list(chain(*calls))
        try:
            if any(call.batches.index.shape[0] > 1 for call in every):
                # Chunks as large as memory allows: one call at a time, whose operations are so
                # large that TensorFlow spreads each over the cores.
                found = [evaluate(call) for call in every]
            else:
                found = side_by_side(evaluate, every)
        except tf.errors.ResourceExhaustedError:
            raise
        except tf.errors.OpError as error:
            if not self._may_repeat:
                raise
            calls = [shard.evaluations(role, alone=True) for shard in self._shards]
            found = self._each_scored_alone(role, calls, error)
        one_by_one = iter(found)
        logs: dict[Member, dict[str, float]] = {}
        for shard, own in zip(self._shards, calls, strict=True):
            logs |= shard.logs(list(islice(one_by_one, len(own))), role, shard.rows_of(role))
        return logs

    def _each_scored_alone(
        self, role: str, calls: Sequence[Sequence[EvaluationCall]], error: tf.errors.OpError
    ) -> list[Evaluation]:
        """Score each member by itself, so that what one fails of ends it alone."""
        evaluate = self._shared.programs[role].evaluate
        found = [
            _unless_it_fails(evaluate, call, member)
            for own, shard in zip(calls, self._shards, strict=True)
            for call, member in zip(own, shard.members, strict=True)
        ]
        like = next((evaluation for evaluation in found if evaluation is not None), None)
        if like is None:
            raise error
        return [evaluation or Evaluation.of_none(like) for evaluation in found]

    # ------------------------------------------------------------------ sizes

    def _widest_noise(self, scalars: NDArray[np.float32]) -> int:
        """Return how much noise one row needs at most in a layer."""
        layers = self._blueprint.layers
        # Images are large: those that no dropout works on must not make the table larger.
        noisy = {
            position
            for i, (position, name) in enumerate(self._blueprint.scalar_names)
            if position >= 0 and name in layers[position].rule.noise_scalars and scalars[:, i].any()
        }
        sizes = [own.rule.noise_size(own.layer, own.input_shape) for own in layers]
        widest = max((sizes[position] for position in noisy), default=0)
        if self._one_member_at_a_time:
            return widest
        if self._specs["train"].rows == "sparse":
            return max(widest, *map(size, self._blueprint.row_shapes[1:]))
        return max(widest, *self._blueprint.row_sizes)

    def _row_width(self) -> int:
        """Return how many numbers a row becomes on its way through the network."""
        if self._one_member_at_a_time:
            # What goes into a few layers and what comes out.
            return 8 * max(self._blueprint.row_sizes)
        if self.network.source is not None:
            return sum(self._blueprint.row_sizes)
        inside = self._blueprint.peak_widths
        variables = self._blueprint.layout.variables
        return sum(inside) + sum(v.shape[-1] for v in variables if v.name == "kernel")


def _unless_it_fails(call: Callable[[Given], Found], given: Given, member: Member) -> Found | None:
    """Return ``call(given)``; where TensorFlow refuses it, end the member and return None."""
    import tensorflow as tf

    try:
        return call(given)
    except tf.errors.OpError as error:
        member.fail(error)
        return None
