"""Programs: the compiled TensorFlow functions of one kind of stack, cached for the process.

Shapes are open: number of members, rows, batches and widths may all differ from call to call
without a new trace. Only a program that is compiled by XLA is traced anew for other shapes.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers import LayerContext, Pass, blueprint_of, concatenated, shape_of, size
from skdl.training._losses import activated, prepared_targets, reduction_of, row_losses
from skdl.training._optimizers import n_slots, optimizer_step, rule_options
from skdl.training.engine._row_pool import rows_in_place

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from skdl.layers import PlacedLayer
    from skdl.networks import Network
    from skdl.training._job import Optimizer
    from skdl.training._metrics import GraphMetric

__all__ = ["Kind", "Program", "program_for"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is built into a program's trace.

    Parameters
    ----------
    network : Network
        One of the stack's; only its structure matters, and its widths where `compiled`.
    optimizer : Optimizer or None
        None for a program that only predicts.
    live : tuple of bool
        Which of the network's numbers are not zero for some member.
    metrics : tuple of GraphMetric
    rows : {"float32", "uint8", "csr", "in place"}
        What the rows to train on and to score are held as, see `RowPool`; batches of them become
        float32.
    compiled : bool
        By XLA, for given shapes.
    """

    network: Network
    optimizer: Optimizer | None = None
    live: tuple[bool, ...] = ()
    metrics: tuple[GraphMetric, ...] = ()
    collect: bool = False
    rows: str = "float32"
    compiled: bool = False

    @property
    def is_static(self) -> bool:
        """Whether widths are built in: under XLA, and where Keras layers have weights."""
        network = self.network
        blueprint = blueprint_of(network)
        variables = blueprint.layout.variables
        fixed = [own for own in blueprint.layers if own.rule.has_fixed_widths]
        is_fixed = any(own.variables for own in fixed) or (fixed and network.source is not None)
        if self.compiled or is_fixed:
            return True
        # Rows of a CSR matrix take their width from the first variable, see `Program._gathered`.
        return self.rows == "csr" and (
            not variables or variables[0].shape[0] != network.input_shape[0]
        )

    @property
    def key(self) -> Hashable:
        """Equal for kinds that share a program."""
        optimizer, blueprint = self.optimizer, blueprint_of(self.network)
        return (
            blueprint.structure,
            optimizer and (optimizer.kind, tuple(sorted(rule_options(optimizer).items()))),
            self.live,
            self.metrics,
            self.collect,
            self.rows,
            (blueprint.layout, self.network.input_shape) if self.is_static else None,
        )


class Program:
    """The functions ``train``, ``evaluate`` and ``predict`` of one kind of stack."""

    def __init__(self, kind: Kind) -> None:
        import tensorflow as tf

        self.kind = kind
        self._blueprint = blueprint_of(kind.network)
        self.layout = self._blueprint.layout
        self.reduction = reduction_of(kind.network.loss)
        # Layers of rate 0 count too, so that the noise of one layer does not depend on others.
        rules = [own.rule for own in self._blueprint.layers]
        self._noisy = [p for p, rule in enumerate(rules) if rule.draws_noise]
        any_noise = any(rules[p].draws_noise and not rules[p].scalars for p in self._noisy) or any(
            name == "rate" and live
            for (_, name), live in zip(self._blueprint.scalar_names, kind.live, strict=False)
        )
        self.n_noisy = len(self._noisy) if any_noise else 0
        n_rows_axes = len(kind.network.input_shape)
        f32, i32 = tf.float32, tf.int32
        spec = tf.TensorSpec
        if kind.rows == "csr":
            rows: Any = tuple(spec([None], t) for t in (f32, i32, i32))
        elif kind.rows == "in place":
            rows = spec([], tf.int64)
        else:
            rows = spec([None] * (1 + n_rows_axes), tf.as_dtype(kind.rows))
        state = (spec([None, None], f32), spec([None, None], f32))
        dims = spec([None], i32)
        scalars = spec([None, None], f32)
        data = (rows, spec([None, None], f32), spec([None], f32))
        place = (spec([None], i32), spec([None], i32))
        units = (spec([None, None], f32), spec([None, None], f32))
        batches = (spec([None, None, None], i32), spec([None, None], i32))
        noise = (spec([None], tf.uint32), spec([None, None], i32), spec([None] * 3, tf.uint32))
        slots = tuple(spec([None, None], f32) for _ in range(self.n_slots))

        def function(body: Callable[..., Any], *signature: Any) -> Any:
            traced = tf.function(
                body,
                # XLA compiles for given shapes, and a trace that knows them is shorter.
                input_signature=None if kind.compiled else signature,
                autograph=False,
                jit_compile=kind.compiled,
            )
            # A trace for each set of shapes is meant; TensorFlow would warn users of it.
            traced._omit_frequent_tracing_warning = True  # noqa: SLF001 - else it is in their logs
            return traced

        if kind.optimizer is not None:
            self.train = function(
                self._train, state, slots, dims, scalars, scalars, data, place, units, batches,
                spec([], i32), spec([None], f32), spec([None, None], f32), noise,
            )  # fmt: skip
            self.evaluate = function(
                self._evaluate, state, dims, scalars, data, place, units, batches
            )
        self._prediction = function(
            self._predict, state, dims, spec([None] * (2 + n_rows_axes), f32)
        )
        self._lock = threading.Lock()
        self._traced_prediction: Any = None

    def predict(self, state: Any, dims: Any, x: Any) -> Any:
        """Return predictions ``[M, B, K]``, in the network's units, of rows ``[M, B, ...]``."""
        if self._traced_prediction is None:
            # Threads of a lockstep batch come here all at once; one of them traces.
            with self._lock:
                if self._traced_prediction is None:
                    self._traced_prediction = self._prediction.get_concrete_function()
        return self._traced_prediction(state, dims, x)

    @property
    def has_traced_prediction(self) -> bool:
        """Whether `predict` can go ahead at once."""
        return self._traced_prediction is not None

    def _optimizer(self) -> Optimizer:
        if self.kind.optimizer is None:
            raise ValueError("this program only predicts")
        return self.kind.optimizer

    @property
    def n_slots(self) -> int:
        """Number of vectors the optimizer keeps."""
        return n_slots(self.kind.optimizer) if self.kind.optimizer is not None else 0

    # ------------------------------------------------------------------ pieces of the graph

    def _shapes(self, dims: Any, *, trainable: bool) -> list[Any]:
        """Return each variable's shape: open numbers from `dims`, or given ones under XLA."""
        variables = self.layout.part(trainable=trainable)
        if self.kind.is_static:
            return [list(v.shape) for v in variables]
        start = 0 if trainable else sum(len(v.shape) for v in self.layout.part(trainable=True))
        shapes = []
        for variable in variables:
            stop = start + len(variable.shape)
            shapes.append(dims[start:stop])
            start = stop
        return shapes

    def _sizes(self, shapes: list[Any]) -> Any:
        import tensorflow as tf

        if self.kind.is_static:
            return [size(tuple(shape)) for shape in shapes]
        return tf.stack([tf.reduce_prod(shape) for shape in shapes])

    def _unpacked(self, weights: Any, statistics: Any, dims: Any) -> dict[Any, Any]:
        """Cut the flat ``[M, P]`` vectors into one tensor ``[M, ...]`` per variable."""
        import tensorflow as tf

        tensors = {}
        for trainable, flat in ((True, weights), (False, statistics)):
            variables = self.layout.part(trainable=trainable)
            if not variables:
                continue
            shapes = self._shapes(dims, trainable=trainable)
            parts = tf.split(flat, self._sizes(shapes), axis=1, num=len(variables))
            for variable, part, shape in zip(variables, parts, shapes, strict=True):
                tensor = tf.reshape(part, concatenated(shape_of(flat)[:1], shape))
                known = variable.shape if self.kind.is_static else [None] * len(variable.shape)
                tensor.set_shape([None, *known])
                tensors[variable] = tensor
        return tensors

    def _live(self, position: int, scalars: Any) -> dict[str, Any]:
        """Return one layer's numbers, ``[M]`` each, those that are zero everywhere left out."""
        names = self._blueprint.scalar_names
        return {
            names[i][1]: scalars[i]
            for i, live in enumerate(self.kind.live)
            if live and names[i][0] == position
        }

    def _forward(self, tensors: dict[Any, Any], scalars: Any, x: Any, run: Pass) -> tuple[Any, Any]:
        """Return outputs before activation ``[M, B, K]`` and new statistics ``[M, Q]``."""
        import tensorflow as tf

        new: list[Any] = []
        found = [x]
        for placed in self._blueprint.layers:
            own = [tensors[v] for v in placed.variables]
            live = self._live(placed.position, scalars)
            if run.training and self._is_cancelled_bias(placed):
                # Its gradient is zero but for rounding, which Adam blows up to full steps; the
                # moving mean lags behind them, and so company would show in the predictions.
                own = [own[0], *map(tf.stop_gradient, own[1:])]
            taken = [found[i] for i in placed.inputs]
            if self.kind.is_static:
                for tensor, i in zip(taken, placed.inputs, strict=True):
                    tensor.set_shape([None, None, *self._blueprint.row_shapes[i]])
            # Keras' batch normalisation uses its moving moments once it is frozen.
            rests = placed.is_frozen and placed.rule.absorbs_shift
            own_run = dataclasses.replace(run, training=False) if rests else run
            context = LayerContext(placed.position, own, live, own_run)
            x, updates = placed.rule.apply(placed.layer, _alone(taken), context)
            if placed.is_frozen and run.training:
                updates = [tf.reshape(t, tf.stack([tf.shape(t)[0], -1])) for t in own]
            new += updates
            found.append(x)
        return x, tf.concat(new, 1) if new else None

    def _is_cancelled_bias(self, placed: PlacedLayer) -> bool:
        """Tell whether a layer's bias is taken off again by batch normalisation."""
        if not placed.rule.adds_bias:
            return False
        takers = [t for t in self._blueprint.layers if placed.position + 1 in t.inputs]
        return [t.rule.absorbs_shift and not t.is_frozen for t in takers] == [True]

    def _penalty(self, tensors: dict[Any, Any], scalars: Any) -> Any:
        """Return the regularisers' part of the loss, ``[M]`` or 0."""
        total: Any = 0.0
        for placed in self._blueprint.layers:
            if placed.is_frozen:
                continue  # as in Keras, which counts trainable weights alone
            own = [tensors[v] for v in placed.variables]
            total += placed.rule.penalty(own, self._live(placed.position, scalars))
        return total

    def _gathered(self, rows: Any, index: Any, dims: Any) -> Any:
        """Return the rows ``[M, B, ...]`` of an index ``[M, B]``; CSR rows become dense here."""
        import tensorflow as tf

        if self.kind.rows == "in place":
            batch = tf.numpy_function(rows_in_place, [rows, index], tf.float32, stateful=False)
            batch.set_shape([None] * (2 + len(self.kind.network.input_shape)))
            return batch
        if self.kind.rows != "csr":
            return tf.cast(tf.gather(rows, index), tf.float32)
        values, columns, starts = rows
        flat = tf.reshape(index, [-1])
        first = tf.gather(starts, flat)
        lengths = tf.gather(starts, flat + 1) - first
        row = tf.repeat(tf.range(tf.size(flat)), lengths)
        within = tf.range(tf.size(row)) - tf.repeat(tf.cumsum(lengths, exclusive=True), lengths)
        place = tf.repeat(first, lengths) + within
        # Otherwise the first variable has the input's width in front, see `Kind.is_static`.
        n_features = self.kind.network.input_shape[0] if self.kind.is_static else dims[0]
        where = tf.stack([row, tf.gather(columns, place)], 1)
        dense = tf.scatter_nd(where, tf.gather(values, place), [tf.size(flat), n_features])
        return tf.reshape(dense, tf.concat([tf.shape(index), [n_features]], 0))

    def _batch(self, data: Any, place: Any, index: Any, counts: Any, dims: Any) -> tuple[Any, ...]:
        """Return x, y, weights and mask of one batch per member."""
        import tensorflow as tf

        rows, targets, row_weights = data
        x_offset, y_offset = place
        mask = tf.sequence_mask(counts, shape_of(index)[1], tf.float32)
        y_index = index + y_offset[:, None]
        x = self._gathered(rows, index + x_offset[:, None], dims)
        return x, tf.gather(targets, y_index), tf.gather(row_weights, y_index) * mask, mask

    def _reduced(self, values: Any, weight: Any, mask: Any) -> Any:
        """Return the loss ``[M]`` of a batch from its row losses ``[M, B]``."""
        import tensorflow as tf

        total = tf.reduce_sum(values * weight, 1)
        if self.reduction == "sum":
            return total
        by_weight = self.reduction == "mean_with_sample_weight"
        return tf.math.divide_no_nan(total, tf.reduce_sum(weight if by_weight else mask, 1))

    def _loss_scalars(self, scalars: Any) -> dict[str, Any]:
        return {
            name: scalars[i]
            for i, (position, name) in enumerate(self._blueprint.scalar_names)
            if position < 0
        }

    def _row_losses(self, scalars: Any, y: Any, outputs: Any) -> Any:
        import tensorflow as tf

        network = self.kind.network
        options = (self._loss_scalars(scalars), network.output_activation)
        if not network.is_shared:
            return row_losses(network.loss, options[0], y, outputs, options[1])
        # Each of the networks that share weights has a loss of its own; what counts is their mean.
        shape = tf.shape(outputs)
        rows = tf.reshape(outputs, [shape[0], shape[1] * shape[2], shape[3]])
        values = row_losses(
            network.loss, options[0], tf.repeat(y, shape[2], axis=1), rows, options[1]
        )
        return tf.reduce_mean(tf.reshape(values, shape[:3]), 2)

    def _activated(self, outputs: Any) -> Any:
        """Return what the network predicts, in its own units: a mean where several share it."""
        import tensorflow as tf

        values = activated(outputs, self.kind.network.output_activation)
        return tf.reduce_mean(values, 2) if self.kind.network.is_shared else values

    def _predictions(self, outputs: Any, units: Any) -> Any:
        scale, offset = units
        values = self._activated(outputs)
        return values * scale[:, None, :] + offset[:, None, :]

    def _metric_sums(self, y: Any, outputs: Any, units: Any, mask: Any) -> list[Any]:
        """Return for each metric its sum over the batch's rows, ``[M]``, in the target's units."""
        import tensorflow as tf

        if not self.kind.metrics:
            return []
        predictions = self._predictions(outputs, units)
        targets = y
        if self.kind.network.loss.target == "values":
            targets = y * units[0][:, None, :] + units[1][:, None, :]
        return [
            tf.reduce_sum(metric.rows(targets, predictions) * mask, 1)
            for metric in self.kind.metrics
        ]

    # ------------------------------------------------------------------ the three functions

    def _train(
        self, state: Any, slots: Any, dims: Any, scalars: Any, optimizer_scalars: Any, data: Any,
        place: Any, units: Any, batches: Any, n_steps: Any, steps_before: Any, rates: Any,
        noise: Any,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Run one epoch: one optimizer step per batch, all members side by side.

        Parameters
        ----------
        state : (weights [M, P], statistics [M, Q])
        slots : tuple of [M, P]
        dims : [n] shapes of all variables, one after the other
        scalars, optimizer_scalars : [n, M]
        data : (rows, targets [N, n_columns], weights [N])
        place : (offset of each member's rows [M], of its targets [M])
        units : (scale [M, K], offset [M, K])
        batches : (rows of each batch [T, M, B], how many of them count [T, M])
        n_steps : how many of the T batches there are, the others being room
        steps_before : [M] optimizer steps taken before this epoch
        rates : [T, M] learning rate of each step
        noise : (table [n], starts [T, n_noisy], keys [T, n_noisy, M] uint32), see `NoiseTable`

        Returns
        -------
        state, slots, log [M, 1 + n_metrics], outputs [T, M, B, K] (empty unless collected)
        """
        import tensorflow as tf

        index, counts = batches
        table, starts, keys = noise
        m = shape_of(index)[1]
        optimizer = self._optimizer()
        options = rule_options(optimizer)
        columns = {name: optimizer_scalars[i][:, None] for i, name in enumerate(options["names"])}
        sizes = self._sizes(self._shapes(dims, trainable=True))
        n_logs = 1 + len(self.kind.metrics)

        def noise_at(i: Any) -> Callable[[int, Any], Any]:
            def noise(position: int, shape: Any) -> Any:
                # A piece of a fixed table, turned by each member's own key (modulo 2**32): every
                # element is exactly uniform, and costs an addition. A random operation would be
                # repeated for each member when XLA fuses it, and gives other bits there.
                k = self._noisy.index(position)
                count = tf.reduce_prod(shape) if tf.is_tensor(shape) else int(np.prod(shape))
                if shape.shape[0] > 2 and not self.kind.compiled:  # noqa: PLR2004
                    # Images are large enough for it to count. XLA would compile for minutes.
                    piece = tf.slice(table, [starts[i, k]], [count])
                else:
                    piece = tf.gather(table, starts[i, k] + tf.range(count))
                turn = tf.reshape(keys[i, k], [-1] + [1] * shape.shape[0])
                return tf.expand_dims(tf.reshape(piece, shape), 0) + turn

            return noise

        def step(i: Any, weights: Any, statistics: Any, slots: Any, log: Any, seen: Any) -> Any:
            x, y, weight, mask = self._batch(data, place, index[i], counts[i], dims)
            rows_here = tf.cast(counts[i], tf.float32)
            share = tf.minimum(rows_here, 1.0)
            run = Pass(
                training=True, mask=mask, step_share=share, noise=noise_at(i),
                key=lambda position: keys[i, self._noisy.index(position)],
                compiled=self.kind.compiled,
            )  # fmt: skip
            with tf.GradientTape() as tape:
                tape.watch(weights)
                tensors = self._unpacked(weights, statistics, dims)
                outputs, new_statistics = self._forward(tensors, scalars, x, run)
                y = prepared_targets(self.kind.network.loss, y, outputs)
                loss = self._reduced(self._row_losses(scalars, y, outputs), weight, mask)
                loss += self._penalty(tensors, scalars)
                # Members do not meet in this sum, so its gradient is each member's own.
                total = tf.reduce_sum(loss)
            gradient = tape.gradient(total, weights)
            if new_statistics is not None:
                statistics = new_statistics
            weights, slots = optimizer_step(
                optimizer.kind, options, columns, sizes,
                w=weights, g=gradient, slots=slots,
                step=steps_before[:, None] + tf.cast(i + 1, tf.float32),
                rate=rates[i][:, None], share=share[:, None],
            )  # fmt: skip
            sums = [loss * rows_here, *self._metric_sums(y, outputs, units, mask)]
            # A member without rows in this step has nothing to add, not even 0 * NaN.
            sums_here = tf.where(share[:, None] > 0, tf.stack(sums, 1), 0.0)
            if self.kind.collect:
                seen = seen.write(i, self._predictions(outputs, units))
            return i + 1, weights, statistics, tuple(slots), log + sums_here, seen

        weights, statistics = state
        seen: Any = tf.zeros([])
        if self.kind.collect:
            seen = tf.TensorArray(tf.float32, n_steps, infer_shape=False)
        _, weights, statistics, slots, log, seen = tf.while_loop(
            lambda i, *_: i < n_steps,
            step,
            (tf.constant(0), weights, statistics, slots, tf.zeros([m, n_logs]), seen),
            shape_invariants=None if self.kind.compiled else self._invariants(slots, n_logs, seen),
        )
        total_rows = tf.cast(tf.reduce_sum(counts, 0), tf.float32)
        log /= tf.maximum(total_rows, 1.0)[:, None]
        outputs = seen.stack() if self.kind.collect else tf.zeros([0, 0, 0, 0])
        return (weights, statistics), slots, log, outputs

    def _invariants(self, slots: Any, n_logs: int, seen: Any) -> Any:
        import tensorflow as tf

        open_matrix = tf.TensorShape([None, None])
        return (
            tf.TensorShape([]), open_matrix, open_matrix, tuple(open_matrix for _ in slots),
            tf.TensorShape([None, n_logs]),
            tf.TensorShape(None) if self.kind.collect else seen.shape,
        )  # fmt: skip

    def _evaluate(
        self, state: Any, dims: Any, scalars: Any, data: Any, place: Any, units: Any, batches: Any
    ) -> tuple[Any, Any]:
        """Score rows without training; arguments as in ``_train``.

        Returns
        -------
        log [M, 1 + n_metrics], outputs [T, M, B, K] (empty unless collected)
        """
        import tensorflow as tf

        index, counts = batches
        n_steps, m = tf.shape(index)[0], tf.shape(index)[1]
        weights, statistics = state
        tensors = self._unpacked(weights, statistics, dims)
        n_sums = 2 + len(self.kind.metrics)

        def step(i: Any, sums: Any, seen: Any) -> Any:
            x, y, weight, mask = self._batch(data, place, index[i], counts[i], dims)
            outputs, _ = self._forward(tensors, scalars, x, Pass(training=False))
            y = prepared_targets(self.kind.network.loss, y, outputs)
            values = self._row_losses(scalars, y, outputs)
            by_weight = self.reduction == "mean_with_sample_weight"
            new = [
                tf.reduce_sum(values * weight, 1),
                tf.reduce_sum(weight if by_weight else mask, 1),
                *self._metric_sums(y, outputs, units, mask),
            ]
            if self.kind.collect:
                seen = seen.write(i, self._predictions(outputs, units))
            return i + 1, sums + tf.stack(new, 1), seen

        seen: Any = tf.zeros([])
        if self.kind.collect:
            seen = tf.TensorArray(tf.float32, n_steps, infer_shape=False)
        _, sums, seen = tf.while_loop(
            lambda i, *_: i < n_steps, step, (tf.constant(0), tf.zeros([m, n_sums]), seen)
        )
        n_rows = tf.cast(tf.reduce_sum(counts, 0), tf.float32)[:, None]
        loss = tf.math.divide_no_nan(sums[:, :1], sums[:, 1:2])
        if self.reduction == "sum":
            loss = sums[:, :1] / tf.cast(n_steps, tf.float32)
        loss += tf.reshape(self._penalty(tensors, scalars), [-1, 1])
        log = tf.concat([loss, sums[:, 2:] / n_rows], 1)
        outputs = seen.stack() if self.kind.collect else tf.zeros([0, 0, 0, 0])
        return log, outputs

    def _predict(self, state: Any, dims: Any, x: Any) -> Any:
        weights, statistics = state
        tensors = self._unpacked(weights, statistics, dims)
        outputs, _ = self._forward(tensors, (), x, Pass(training=False))
        return self._activated(outputs)


def _alone(tensors: list[Any]) -> Any:
    """Return the one tensor that there is, or all of them."""
    return tensors[0] if len(tensors) == 1 else tensors


_MOST_PROGRAMS = 64
_programs: collections.OrderedDict[Hashable, Program] = collections.OrderedDict()
_lock = threading.RLock()


def program_for(kind: Kind) -> Program:
    """Return the program of this kind, traced at its first use in the process."""
    key = kind.key
    with _lock:
        program = _programs.get(key)
        if program is None:
            program = _programs[key] = Program(kind)
            while len(_programs) > _MOST_PROGRAMS:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        return program
