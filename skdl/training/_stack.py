"""A stack: jobs whose training steps run as one graph, and the epoch loop around it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.training._garbage import full_collections_put_off
from skdl.training._losses import reduction_of
from skdl.training._member import end_abandoned_calls
from skdl.training._metrics import GraphMetric, HostMetric
from skdl.training._noise import NoiseTable
from skdl.training._optimizers import rule_options
from skdl.training._plan import worth_compiling, worth_recompiling
from skdl.training._pool import RowPool, batches, chunks, rounded_up
from skdl.training._prediction import traced_meanwhile
from skdl.training._program import Kind, dims_of, number_names, numbers_of, program_for
from skdl.training._rules import Layout, inner_widths, n_outputs_of, row_sizes, runs_alone
from skdl.training._xla import quick_compilation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from skdl.training._job import Job
    from skdl.training._member import Member

__all__ = ["Stack"]

_NO_ROWS = np.zeros(0, np.int32)


class Stack:
    """Members that train together.

    Parameters
    ----------
    members : sequence of Member
        Of equal structure, widths, batch size and metrics.
    compiled : bool
        Whether XLA compiles the epoch, see `skdl.training._plan`.
    """

    def __init__(self, members: Sequence[Member], *, compiled: bool) -> None:
        first = members[0].job
        self.members = list(members)
        self.network = first.network
        graph = tuple(m for m in members[0].metrics if isinstance(m, GraphMetric))
        host = [m for m in members[0].metrics if isinstance(m, HostMetric)]
        numbers = np.array([numbers_of(m.job.network) for m in members], np.float32)
        n_layer_numbers = sum(p >= 0 for p, _ in number_names(self.network))
        # The rows of each role, one entry per member; roles that nobody has are left out.
        roles = {
            "train": [m.job.train for m in members],
            "validation": [m.job.validation for m in members if m.job.validation is not None],
            "held_out": [m.job.held_out for m in members if m.job.held_out is not None],
        }
        self._roles = [role for role, rows in roles.items() if rows]
        self._pool = RowPool([entry for rows in roles.values() for entry in rows])
        kind = Kind(
            network=self.network,
            optimizer=first.optimizer,
            live=tuple(bool(n) for n in (numbers != 0).any(0)[:n_layer_numbers]),
            metrics=graph,
            collect=bool(host),
            sparse=self._pool.is_sparse,
            row_dtype=self._pool.row_dtype,
        )
        self._kind = kind
        self._runs_alone = runs_alone(self.network)
        self._may_compile = not host and not kind.sparse and not self._runs_alone
        self._compiled = compiled and self._may_compile
        self._score = program_for(kind)
        # Predictions of held-out rows come back where somebody scores them on the host.
        is_scored = any(m.job.held_out_score is not None for m in members)
        self._score_held_out = (
            program_for(dataclasses.replace(kind, collect=True)) if is_scored else self._score
        )
        self._learn = program_for(
            dataclasses.replace(kind, compiled=True) if self._compiled else kind
        )
        self._batch_size = min(first.batch_size, max(len(m.job.train) for m in members))
        self._epoch = 0
        self._load(numbers)

    def _load(self, numbers: Any) -> None:
        import tensorflow as tf

        members = self.members
        options = rule_options(members[0].job.optimizer)["names"]
        optimizer_numbers = [
            [dict(m.job.optimizer.numbers)[name] for m in members] for name in options
        ]
        width = n_outputs_of(self.network)
        ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)

        def given(value: Any, default: Any) -> Any:
            return default if value is None else np.broadcast_to(value, default.shape)

        n_members = len(members)
        self._data = self._pool.tensors(padded=self._compiled)
        # What belongs to one member stands in these; `_keep` thins them out together.
        self._state = tuple(tf.constant(np.stack([m.state[i] for m in members])) for i in range(2))
        self._slots = tuple(
            tf.constant(np.stack([m.state[i] for m in members]))
            for i in range(2, len(members[0].state))
        )
        self._best: tuple[Any, ...] | None = None
        self._numbers = tf.constant(numbers.T)
        self._optimizer_numbers = tf.constant(
            np.array(optimizer_numbers, np.float32).reshape(len(options), n_members)
        )
        self._units = (
            tf.constant(np.stack([given(m.job.target_scale, ones) for m in members])),
            tf.constant(np.stack([given(m.job.target_offset, zeros) for m in members])),
        )
        self._places = {
            role: tuple(
                offsets[i * n_members : (i + 1) * n_members]
                for offsets in (self._pool.x_offsets, self._pool.y_offsets)
            )
            for i, role in enumerate(self._roles)
        }
        widest = self._widest_noise(numbers) if self._learn.n_noisy else 0
        self._noise = tf.constant(NoiseTable(members[0].job.batch_size * widest).values)
        self._dims = tf.constant(dims_of(self.network), tf.int32)
        for position, member in enumerate(members):
            self._attach(member, position)

    # ------------------------------------------------------------------ members and their state

    def _attach(self, member: Member, position: int) -> None:
        """Let a member reach its state on the device."""
        import tensorflow as tf

        def replaced(tensor: Any, value: Any) -> Any:
            array = tensor.numpy()
            array[position] = value
            return tf.constant(array)

        def fetch() -> tuple[Any, ...]:
            return tuple(tensor[position].numpy() for tensor in (*self._state, *self._slots))

        def store(state: tuple[Any, ...]) -> None:
            tensors = [
                replaced(tensor, value)
                for tensor, value in zip((*self._state, *self._slots), state, strict=True)
            ]
            self._state, self._slots = tuple(tensors[:2]), tuple(tensors[2:])

        member.fetch, member.store = fetch, store

    def _release(self, member: Member, position: int) -> None:
        """Give a member its state to keep."""
        member.state = member.current_state()
        member.fetch = member.store = None
        if self._best is not None and member.restores_best and member.best_state is not None:
            member.best_state = tuple(tensor[position].numpy() for tensor in self._best)

    def _keep(self, positions: list[int]) -> None:
        """Thin the stack out to these members."""
        import tensorflow as tf

        def rows(tensor: Any) -> Any:
            return tf.gather(tensor, positions)

        def columns(tensor: Any) -> Any:
            return tf.gather(tensor, positions, axis=1)

        self.members = [self.members[p] for p in positions]
        self._state = tuple(rows(t) for t in self._state)
        self._slots = tuple(rows(t) for t in self._slots)
        self._best = tuple(rows(t) for t in self._best) if self._best is not None else None
        self._numbers = columns(self._numbers)
        self._optimizer_numbers = columns(self._optimizer_numbers)
        self._units = tuple(rows(t) for t in self._units)
        self._places = {
            role: tuple(offsets[positions] for offsets in place)
            for role, place in self._places.items()
        }
        for position, member in enumerate(self.members):
            self._attach(member, position)

    # ------------------------------------------------------------------ the epoch loop

    def prepare(self) -> None:
        """Trace and compile the program that trains, ahead of the first epoch."""
        if self._compiled:
            with full_collections_put_off():
                # First, as TensorFlow numbers functions as they come, and finds compilations on
                # disk by these numbers among others.
                orders = [m.job.train.rows for m in self.members]
                (rehearsal,) = self._arguments(orders, is_rehearsal=True)
                self._learn.train.get_concrete_function(*rehearsal)
                with traced_meanwhile(self.network), quick_compilation():
                    self._learn.train(*rehearsal)

    def epochs(self) -> Iterator[int]:
        """Train until every member is done; after each epoch, yield how many go on.

        Results stand in the members.
        """
        for member in self.members:
            member.observe("on_train_begin")
        running = self._release_stopped()
        while running:
            if self._may_compile and not self._compiled:
                self._compile_if_worth()
            self._run_epoch()
            running = self._release_stopped()
            yield running

    def _compile_if_worth(self) -> None:
        """Go over to XLA if that pays by now."""
        if self._epoch and worth_compiling(self.members, self._epoch):
            self._compiled = True
            self._learn = program_for(dataclasses.replace(self._kind, compiled=True))
            self._data = self._pool.tensors(padded=True)
            self.prepare()

    def _release_stopped(self) -> int:
        """Let members go that have stopped; return how many go on.

        A compiled program is made for one number of members, so there the places of those who
        left stay in the stack, without rows, until thinning it out saves more than it costs.
        """
        end_abandoned_calls(self.members)
        for position, member in enumerate(self.members):
            if member.stopped and member.fetch is not None:
                self._release(member, position)
        staying = [p for p, member in enumerate(self.members) if not member.stopped]
        n_gone = len(self.members) - len(staying)
        if staying and n_gone:
            running = [self.members[p] for p in staying]
            if not self._compiled or worth_recompiling(running, n_gone):
                self._keep(staying)
        return len(staying)

    def _run_epoch(self) -> None:
        members = self.members
        running = [member for member in members if not member.stopped]
        for member in running:
            member.observe("on_epoch_begin", member.n_epochs)
        orders = [_NO_ROWS if m.stopped else m.next_order() for m in members]
        self._state, self._slots, log, seen = self._train(orders)
        logs = self._logs(log, seen, "train", orders)
        if "validation" in self._roles:
            for own, more in zip(logs, self._evaluate("validation"), strict=True):
                own.update({f"val_{name}": value for name, value in more.items()})
        if "held_out" in self._roles:
            for member, own in zip(members, self._evaluate("held_out"), strict=True):
                member.held_out = own
        self._epoch += 1
        better = [
            not member.stopped and member.end_epoch(own)
            for member, own in zip(members, logs, strict=True)
        ]
        self._remember(better)

    def _train(self, orders: list[NDArray[np.int32]]) -> Any:
        """Run the program that trains for one epoch."""
        parts = [self._learn.train(*arguments) for arguments in self._arguments(orders)]
        states, slots, logs, seen = zip(*parts, strict=True)
        return _joined(states), _joined(slots), _joined(logs), seen

    def _arguments(
        self, orders: list[NDArray[np.int32]], *, is_rehearsal: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """Yield what the program that trains takes, once for each turn; no step in a rehearsal."""
        import tensorflow as tf

        members = self.members
        index, counts = batches(orders, self._batch_size)
        if self._compiled:
            room = rounded_up(len(index)) - len(index)
            index = np.pad(index, ((0, room), (0, 0), (0, 0)))
            counts = np.pad(counts, ((0, room), (0, 0)))
        n_places, n_noisy = len(index), self._learn.n_noisy
        if is_rehearsal:
            keys = np.zeros((n_places, n_noisy, len(members)), np.uint32)
        else:
            keys = np.stack([m.next_keys(n_places, n_noisy) for m in members], -1)
        starts = NoiseTable.starts(self._epoch, n_places, n_noisy)
        rates = np.stack([m.rates(n_places) for m in members], -1)
        steps_before = np.array([m.n_steps for m in members], np.float32)
        by_member = (self._state, self._slots, self._place("train"), self._units)
        for some in self._turns():
            state, slots, place, units = _part(by_member, some)
            numbers, optimizer_numbers = _part((self._numbers, self._optimizer_numbers), some, 1)
            n_steps = 0 if is_rehearsal else n_steps_of(counts[:, some])
            yield (
                state, slots, self._dims, numbers, optimizer_numbers, self._data, place, units,
                (tf.constant(index[:, some]), tf.constant(counts[:, some])), tf.constant(n_steps),
                tf.constant(steps_before[some]), tf.constant(rates[:, some]),
                (self._noise, tf.constant(starts), tf.constant(keys[:, :, some])),
            )  # fmt: skip

    def _evaluate(self, role: str) -> list[dict[str, float]]:
        """Score the rows that running members have in this role; return one dict per member."""
        import tensorflow as tf

        orders = [_NO_ROWS if m.stopped else getattr(m.job, role).rows for m in self.members]
        index, counts = chunks(orders, self._row_width())
        program = self._score_held_out if role == "held_out" else self._score
        by_member = (self._state, self._place(role), self._units)

        def evaluate(some: slice) -> Any:
            state, place, units = _part(by_member, some)
            n_own = max(1, n_steps_of(counts[:, some]))
            return program.evaluate(
                state, self._dims, _part(self._numbers, some, 1), self._data, place, units,
                (tf.constant(index[:n_own, some]), tf.constant(counts[:n_own, some])),
            )  # fmt: skip

        logs, seen = zip(*[evaluate(some) for some in self._turns()], strict=True)
        return self._logs(_joined(logs), seen, role, orders)

    def _turns(self) -> list[slice]:
        """Return which members run at once: all, or one after another."""
        if self._runs_alone:
            return [slice(i, i + 1) for i in range(len(self.members))]
        return [slice(None)]

    def _place(self, role: str) -> Any:
        import tensorflow as tf

        return tuple(tf.constant(offsets) for offsets in self._places[role])

    def _widest_noise(self, numbers: Any) -> int:
        """Return how much noise one row needs at most in a layer."""
        sizes = row_sizes(self.network)
        if not self._runs_alone:
            return max(sizes)
        # Images are large: those that no dropout works on must not make the table larger.
        named = number_names(self.network)
        rates = [i for i, (_, name) in enumerate(named) if name == "rate" and numbers[:, i].any()]
        return max((sizes[named[i][0]] for i in rates), default=0)

    def _row_width(self) -> int:
        if self._runs_alone:
            # What goes into a few layers and what comes out, one member at a time.
            return 8 * max(row_sizes(self.network)) // len(self.members)
        if self.network.source is not None:
            return sum(row_sizes(self.network))
        inside = inner_widths(self.network)
        variables = Layout.of(self.network).variables
        return sum(inside) + sum(v.shape[-1] for v in variables if v.name == "kernel")

    def _logs(self, log: Any, seen: Any, role: str, orders: Any) -> list[dict[str, float]]:
        """Return one dict per member, metrics in the order in which they were asked for."""
        values = log.numpy().astype(float)
        # Per member, of shape (n_batches, n_rows of a batch, n_outputs).
        by_member = [own for part in seen for own in part.numpy().swapaxes(0, 1)]

        def predictions(position: int) -> NDArray[np.float32]:
            own = by_member[position]
            return own.reshape(-1, own.shape[-1])[: len(orders[position])]

        logs = []
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
                    own[metric.name] = self._on_host(metric, predictions(position), member.job, y)
            score = member.job.held_out_score
            if role == "held_out" and score is not None and not member.stopped:
                own["score"] = member.scored(score, predictions(position))
            logs.append(own)
        return logs

    def _on_host(
        self, metric: HostMetric, predictions: NDArray[np.float32], job: Job, y: NDArray[np.float32]
    ) -> float:
        if self.network.loss.target == "one_hot":
            y = np.eye(predictions.shape[1], dtype=np.float32)[y[:, 0].astype(int)]
        return metric.of(job.in_target_units(y), predictions)

    def _remember(self, better: list[bool]) -> None:
        """Keep the weights of members for which this epoch was the best so far."""
        import tensorflow as tf

        if not any(better):
            return
        if self._best is None:
            self._best = self._state
        else:
            chosen = tf.constant(better)[:, None]
            self._best = tuple(
                tf.where(chosen, new, old) for new, old in zip(self._state, self._best, strict=True)
            )
        for member, is_better in zip(self.members, better, strict=True):
            if is_better:
                member.best_state = ()


def n_steps_of(counts: NDArray[np.int32]) -> int:
    """Return in how many steps there are rows at all."""
    return int((counts > 0).any(1).sum())


def _part(tensors: Any, some: slice, axis: int = 0) -> Any:
    """Return some members' part of each tensor."""
    import tensorflow as tf

    if some == slice(None):
        return tensors
    where = (slice(None),) * axis + (some,)
    return tf.nest.map_structure(lambda tensor: tensor[where], tensors)


def _joined(parts: Sequence[Any]) -> Any:
    """Undo `_part`."""
    import tensorflow as tf

    if len(parts) == 1:
        return parts[0]
    return tf.nest.map_structure(lambda *tensors: tf.concat(tensors, 0), *parts)


def stack_key(member: Member) -> Any:
    """Return what members of one stack share."""
    job = member.job
    return (
        Kind(network=job.network, optimizer=job.optimizer, compiled=True).key,
        job.batch_size,
        member.metrics,
        job.validation is not None,
        job.held_out is not None,
        reduction_of(job.network.loss),
        type(job.train.X).__name__,
        job.train.X.dtype == np.uint8,
    )
