"""Programs: the compiled TensorFlow functions of one kind of stack, cached for the process.

Shapes are open: number of members, rows and batches may all differ from call to call without a new
trace, and so may widths, unless XLA compiles the program, which it does for each call's shapes.
What loops over time is traced anew for other shapes then, as XLA wants to know what it piles up.
"""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from skdl.layers import Pass, of_members, shape_of
from skdl.training._losses import prepared_targets
from skdl.training._optimizers import n_slots, optimizer_step, rule_options
from skdl.training.engine._calls import (
    Batches,
    Data,
    EpochResult,
    Evaluation,
    EvaluationCall,
    Noise,
    Offsets,
    OwnUnits,
    State,
    TrainingCall,
    Units,
    Zeros,
)
from skdl.training.engine._devices import index_dtype, shapes_on_host
from skdl.training.engine._graph import Graph
from skdl.training.engine._lasting_graphs import lasting_text
from skdl.training.engine._row_pool import SPARSE
from skdl.training.engine._traced import Traced

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import tensorflow as tf
    from tensorflow import Tensor

    from skdl.training._settings import Optimizer
    from skdl.training.engine._program_spec import ProgramSpec

__all__ = ["Program", "program_for"]

Call = TypeVar("Call", TrainingCall, EvaluationCall)


class Program:
    """The functions ``train``, ``evaluate`` and ``predict`` of one kind of stack.

    Parameters
    ----------
    spec : ProgramSpec

    Attributes
    ----------
    is_broken : bool
        Whether a call was cut short, so that another program must be made.
    """

    def __init__(self, spec: ProgramSpec) -> None:
        import tensorflow as tf

        self.spec = spec
        self.graph = Graph(spec)
        self._by_shape = spec.compiled and self.graph.blueprint.n_loop_steps > 0
        self._key = lasting_text(spec.key)
        self._functions: list[Traced] = []
        if spec.optimizer is not None:
            evaluation = Evaluation(*_places(2))
            result = EpochResult(State(*_places(2)), _places(self.n_slots), *_places(2))
            self._training = self._function(self._train, (self._training_signature(),), result)
            self._evaluation = self._function(
                self._evaluate, (self._evaluation_signature(),), evaluation
            )
        open_row = [None] * len(spec.network.input_shape)
        rows = tf.TensorSpec([None, None, *open_row], tf.float32)
        signature = (_matrices(State), _vector(tf.int32), rows)
        self._prediction = self._function(self._predict, signature, None)
        self.is_broken = False

    def _uncut(self, function: Callable[..., object], *arguments: object) -> Any:
        """Call TensorFlow; a program in which Ctrl-C cuts a call short is not used again.

        TensorFlow does not give back the lock of a function in which such a call ends, and later
        ones would wait for it for ever.
        """
        try:
            return function(*arguments)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.is_broken = True
                for own in self._functions:
                    own.retire()
                _forget(self)
            raise

    def train(self, call: TrainingCall) -> EpochResult:
        """Run one epoch."""
        result: EpochResult = self._uncut(self._training, call)
        return result

    def trace_training(self, call: TrainingCall) -> None:
        """Trace `train` for a call like this one."""
        self._uncut(self._training.trace, call)

    def evaluate(self, call: EvaluationCall) -> Evaluation:
        """Score rows without training."""
        result: Evaluation = self._uncut(self._evaluation, call)
        return result

    def _function(
        self, body: Callable[..., object], signature: tuple[object, ...], result: object
    ) -> Traced:
        body = body if self.spec.compiled else shapes_on_host(body)
        function = Traced(
            body, signature, result,
            compiled=self.spec.compiled, by_shape=self._by_shape, key=self._key,
        )  # fmt: skip
        self._functions.append(function)
        return function

    def _evaluation_signature(self) -> EvaluationCall:
        import tensorflow as tf

        spec = tf.TensorSpec
        if self.spec.rows in SPARSE:
            index = tf.as_dtype(index_dtype())
            rows: Any = tuple(_vector(t) for t in (tf.float32, index, index))
        elif self.spec.rows == "in place":
            rows = spec([], tf.int64)
        else:
            axes = 1 + len(self.spec.network.input_shape)
            rows = spec([None] * axes, tf.as_dtype(self.spec.rows))
        return EvaluationCall(
            state=_matrices(State),
            dims=_vector(tf.int32),
            scalars=spec([None, None], tf.float32),
            data=Data(rows, spec([None, None], tf.float32), _vector(tf.float32)),
            offsets=Offsets(_vector(tf.int32), _vector(tf.int32)),
            units=_matrices(Units),
            batches=Batches(spec([None, None, None], tf.int32), spec([None, None], tf.int32)),
        )

    def _training_signature(self) -> TrainingCall:
        import tensorflow as tf

        spec = tf.TensorSpec
        return TrainingCall(
            **self._evaluation_signature()._asdict(),
            slots=tuple(spec([None, None], tf.float32) for _ in range(self.n_slots)),
            optimizer_scalars=spec([None, None], tf.float32),
            n_steps=spec([], tf.int32),
            steps_before=_vector(tf.float32),
            rates=spec([None, None], tf.float32),
            noise=Noise(
                _vector(tf.uint32), spec([None, None], tf.int32), spec([None] * 3, tf.uint32)
            ),
            zeros=(Zeros(_vector(tf.bool), _vector(tf.bool)),) * self.spec.prunes,
            own_units=(
                OwnUnits(
                    spec([None, None], tf.bool), spec([None, None], tf.int32), _vector(tf.int32)
                ),
            )
            * self.spec.pads,
        )

    def predict(self, state: State, dims: Tensor, x: Tensor) -> Any:
        """Return predictions ``[M, B, K]``, in the network's units, of rows ``[M, B, ...]``."""
        return self._uncut(self._prediction, state, dims, x)

    @property
    def has_traced_prediction(self) -> bool:
        """Whether `predict` can go ahead at once."""
        return self._prediction.is_ready

    def _optimizer(self) -> Optimizer:
        if self.spec.optimizer is None:
            raise ValueError("this program only predicts")
        return self.spec.optimizer

    @property
    def n_slots(self) -> int:
        """Number of vectors the optimizer keeps."""
        return n_slots(self.spec.optimizer) if self.spec.optimizer is not None else 0

    # ------------------------------------------------------------------ the three functions

    def _on_device(self, call: Call) -> Call:
        """Return a call in which what picks rows is on the device that computes."""
        import tensorflow as tf

        dtype = index_dtype()
        if self.spec.compiled or dtype == "int32":
            return call
        offsets = Offsets(*(tf.cast(values, dtype) for values in call.offsets))
        batches = call.batches._replace(index=tf.cast(call.batches.index, dtype))
        call = call._replace(offsets=offsets, batches=batches)
        if isinstance(call, TrainingCall):
            own_units = [
                OwnUnits(own.is_own, *(tf.cast(n, dtype) for n in (own.widths, own.group)))
                for own in call.own_units
            ]
            call = call._replace(own_units=tuple(own_units))
        return call

    def _train(self, call: TrainingCall) -> EpochResult:
        """Run one epoch: one optimizer step per batch, all members side by side."""
        import tensorflow as tf

        call = self._on_device(call)
        graph, (index, counts), keys = self.graph, call.batches, call.noise.keys
        m = shape_of(index)[1]
        # All that a step needs as a number is on the device before the first one.
        row_counts = tf.cast(counts, tf.float32)
        places = _places_of_rows(index)
        step_numbers = tf.range(1.0, tf.cast(shape_of(index)[0] + 1, tf.float32))
        optimizer = self._optimizer()
        options = rule_options(optimizer)
        columns = {
            name: call.optimizer_scalars[i][:, None] for i, name in enumerate(options["names"])
        }
        sizes = graph.sizes_of_weights(call.dims)
        n_logs = 1 + len(self.spec.metrics)
        at_zero = graph.zeros_kept(call)

        def step(
            i: Tensor,
            weights: tuple[Tensor, ...],
            statistics: Tensor,
            slots: tuple[tuple[Tensor, ...], ...],
            log: Tensor,
            seen: Tensor | tf.TensorArray,
        ) -> Any:
            rows_here = row_counts[i]
            mask = tf.cast(places < rows_here[:, None], tf.float32)
            x, y, weight = graph.batch(call.data, call.offsets, index[i], mask, call.dims)
            share = tf.minimum(rows_here, 1.0)
            run = Pass(
                training=True, mask=mask, step_share=share, noise=self._noise_at(call, i),
                key=lambda position: keys[i, graph.noisy.index(position)],
                compiled=self.spec.compiled,
            )  # fmt: skip
            with tf.GradientTape() as tape:
                tape.watch(weights)
                tensors = graph.unpacked(weights, statistics, call.dims)
                outputs, new_statistics = graph.forward(tensors, call.scalars, x, run)
                y = prepared_targets(self.spec.network.loss, y, outputs)
                loss = graph.reduced(graph.row_losses(call.scalars, y, outputs), weight, mask)
                loss += graph.penalty(tensors, call.scalars)
                # Members do not meet in this sum, so its gradient is each member's own.
                total = tf.reduce_sum(loss)
            gradients = at_zero(
                tape.gradient(total, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            )
            if new_statistics is not None:
                statistics = new_statistics
            now = {
                "step": call.steps_before[:, None] + step_numbers[i],
                "rate": call.rates[i][:, None],
                "share": share[:, None],
            }
            stepped = [
                optimizer_step(optimizer.kind, options, columns, sizes, w=w, g=g, slots=own, **now)
                for w, g, *own in zip(weights, gradients, *slots, strict=True)
            ]
            # Momentum would move a weight on that has become zero.
            weights = tuple(at_zero([w for w, _ in stepped]))
            slots = tuple(zip(*(own for _, own in stepped), strict=True))
            sums = [loss * rows_here, *graph.metric_sums(y, outputs, call.units, mask)]
            # A member without rows in this step has nothing to add, not even 0 * NaN.
            sums_here = tf.where(now["share"] > 0, tf.stack(sums, 1), 0.0)
            if self.spec.collect:
                seen = seen.write(i, graph.predictions(outputs, call.units))
            return i + 1, weights, statistics, slots, log + sums_here, seen

        seen: Any = tf.zeros([])
        if self.spec.collect:
            seen = tf.TensorArray(tf.float32, call.n_steps, infer_shape=False)
        _, weights, statistics, slots, log, seen = tf.while_loop(
            lambda i, *_: i < call.n_steps,
            step,
            (
                tf.constant(0),
                graph.cut(call.state.weights),
                call.state.statistics,
                tuple(map(graph.cut, call.slots)),
                tf.zeros([m, n_logs]),
                seen,
            ),
            shape_invariants=None if self._by_shape else self._invariants(n_logs, seen),
        )
        total_rows = tf.cast(tf.reduce_sum(counts, 0), tf.float32)
        log /= tf.maximum(total_rows, 1.0)[:, None]
        outputs = seen.stack() if self.spec.collect else tf.zeros([0, 0, 0, 0])
        state = State(graph.joined(weights), statistics)
        return EpochResult(state, tuple(map(graph.joined, slots)), log, outputs)

    def _noise_at(self, call: TrainingCall, i: Tensor) -> Callable[[int, Any], Tensor]:
        """Return how layers get their noise in step i.

        A piece of a fixed table, offset by each member's own key (modulo 2**32): every element is
        exactly uniform, and costs an addition. A random operation would be repeated for each
        member when XLA fuses it, and gives other bits there.
        """
        import tensorflow as tf

        noise = call.noise

        def noise_of(position: int, shape: Any) -> Tensor:
            k = self.graph.noisy.index(position)
            if self.spec.pads:
                # A row's noise begins where it would without the units that pad it.
                (own_units,) = call.own_units
                widths = own_units.widths[:, k][:, None, None]
                row, unit = (tf.range(tf.cast(n, widths.dtype)) for n in (shape[0], shape[1]))
                first = tf.cast(noise.starts[i, k], widths.dtype) + row[None, :, None] * widths
                # As float32, as there is no kernel to gather uint32 on a GPU; no bit changes.
                bits = tf.gather(tf.bitcast(noise.table, tf.float32), first + unit)
                piece = tf.bitcast(tf.gather(bits, own_units.group), tf.uint32)
                return piece + noise.keys[i, k][:, None, None]
            count = tf.reduce_prod(shape) if tf.is_tensor(shape) else int(np.prod(shape))
            n_axes = shape.shape[0]
            start = noise.starts[i, k]
            if self.spec.compiled:
                # XLA would compile a slice of an image's noise for minutes.
                piece = tf.gather(noise.table, start + tf.range(count))
            else:
                piece = noise.table[start : start + count]
            offset = of_members(noise.keys[i, k], n_axes)
            return tf.expand_dims(tf.reshape(piece, shape), 0) + offset

        return noise_of

    def _invariants(self, n_logs: int, seen: Tensor | tf.TensorArray) -> Any:
        """Return the shapes of what the loop over batches carries: members and widths are open."""
        import tensorflow as tf

        open_matrix = tf.TensorShape([None, None])
        pieces = (open_matrix,) * len(self.graph.pieces)
        return (
            tf.TensorShape([]), pieces, open_matrix, (pieces,) * self.n_slots,
            tf.TensorShape([None, n_logs]),
            tf.TensorShape(None) if self.spec.collect else seen.shape,
        )  # fmt: skip

    def _evaluate(self, call: EvaluationCall) -> Evaluation:
        """Score rows without training."""
        import tensorflow as tf

        call = self._on_device(call)
        graph, (index, counts) = self.graph, call.batches
        n_steps, m = tf.shape(index)[0], tf.shape(index)[1]
        row_counts, places = tf.cast(counts, tf.float32), _places_of_rows(index)
        tensors = graph.unpacked(graph.cut(call.state.weights), call.state.statistics, call.dims)
        n_sums = 2 + len(self.spec.metrics)

        def step(i: Tensor, sums: Tensor, seen: Tensor | tf.TensorArray) -> Any:
            mask = tf.cast(places < row_counts[i][:, None], tf.float32)
            x, y, weight = graph.batch(call.data, call.offsets, index[i], mask, call.dims)
            outputs, _ = graph.forward(tensors, call.scalars, x, Pass(training=False))
            y = prepared_targets(self.spec.network.loss, y, outputs)
            values = graph.row_losses(call.scalars, y, outputs)
            by_weight = graph.reduction == "mean_with_sample_weight"
            new = [
                tf.reduce_sum(values * weight, 1),
                tf.reduce_sum(weight if by_weight else mask, 1),
                *graph.metric_sums(y, outputs, call.units, mask),
            ]
            if self.spec.collect:
                seen = seen.write(i, graph.predictions(outputs, call.units))
            return i + 1, sums + tf.stack(new, 1), seen

        seen: Any = tf.zeros([])
        if self.spec.collect:
            seen = tf.TensorArray(tf.float32, n_steps, infer_shape=False)
        _, sums, seen = tf.while_loop(
            lambda i, *_: i < n_steps, step, (tf.constant(0), tf.zeros([m, n_sums]), seen)
        )
        n_rows = tf.cast(tf.reduce_sum(counts, 0), tf.float32)[:, None]
        loss = tf.math.divide_no_nan(sums[:, :1], sums[:, 1:2])
        if graph.reduction == "sum":
            loss = sums[:, :1] / tf.cast(n_steps, tf.float32)
        loss += tf.reshape(graph.penalty(tensors, call.scalars), [-1, 1])
        log = tf.concat([loss, sums[:, 2:] / n_rows], 1)
        outputs = seen.stack() if self.spec.collect else tf.zeros([0, 0, 0, 0])
        return Evaluation(log, outputs)

    def _predict(self, state: State, dims: Tensor, x: Tensor) -> Tensor:
        graph = self.graph
        tensors = graph.unpacked(graph.cut(state.weights), state.statistics, dims)
        outputs, _ = graph.forward(tensors, (), x, Pass(training=False))
        return graph.activated(outputs)


def _places_of_rows(index: Tensor) -> Tensor:
    """Return the places ``[1, B]`` of an index ``[T, M, B]`` in its batch: 0, 1, 2 and so on."""
    import tensorflow as tf

    return tf.range(tf.cast(shape_of(index)[2], tf.float32))[None, :]


def _places(n: int) -> tuple[None, ...]:
    """Return what stands in for so many tensors in the structure of a result."""
    return (None,) * n


def _vector(dtype: tf.DType) -> Any:
    """Return the signature of a tensor of one axis."""
    import tensorflow as tf

    return tf.TensorSpec([None], dtype)


def _matrices(kind: Any) -> Any:
    """Return the signature of a named tuple of float32 matrices."""
    import tensorflow as tf

    return kind(*[tf.TensorSpec([None, None], tf.float32)] * len(kind._fields))


_MOST_PROGRAMS = 64
_programs: collections.OrderedDict[Hashable, Program] = collections.OrderedDict()
_lock = threading.RLock()


def _forget(program: Program) -> None:
    """Make a new program at the next call of `program_for`."""
    with _lock:
        if _programs.get(program.spec.key) is program:
            del _programs[program.spec.key]


def program_for(spec: ProgramSpec) -> Program:
    """Return the program of a spec, traced at its first use in the process."""
    key = spec.key
    with _lock:
        program = _programs.get(key)
        if program is None:
            program = _programs[key] = Program(spec)
            while len(_programs) > _MOST_PROGRAMS:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        return program
