"""The graph of one step: what all members of a stack compute, as functions of tensors."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from skdl.layers import (
    LayerContext,
    Pass,
    SparseRows,
    blueprint_of,
    concatenated,
    shape_of,
    size,
)
from skdl.training._losses import activated, reduction_of, row_losses
from skdl.training._optimizers import clips_by_norm
from skdl.training.engine._row_pool import SPARSE, rows_in_place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tensorflow import Tensor

    from skdl.layers import PlacedLayer, Variable
    from skdl.training.engine._calls import Data, Offsets, TrainingCall, Units
    from skdl.training.engine._program_spec import ProgramSpec

__all__ = ["Graph"]

# Numbers of a variable from which on copying it costs more than a kernel of its own.
_LARGE = 8192


class Graph:
    """Pieces of a stack's graph.

    Parameters
    ----------
    spec : ProgramSpec

    Attributes
    ----------
    noisy : list of int
        Positions of the layers that draw noise.
    n_noisy : int
        How many of them do for some member.
    reduction : str
        How row losses become a batch's, in Keras' words.
    """

    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec
        self.blueprint = blueprint_of(spec.network)
        self.reduction = reduction_of(spec.network.loss)
        # Layers of rate 0 count too, so that the noise of one layer does not depend on others.
        rules = [own.rule for own in self.blueprint.layers]
        self.noisy = [p for p, rule in enumerate(rules) if rule.draws_noise]
        names = zip(self.blueprint.scalar_names, spec.active_scalars, strict=False)
        any_noise = any(not rules[p].noise_scalars for p in self.noisy) or any(
            is_active and p >= 0 and name in rules[p].noise_scalars
            for (p, name), is_active in names
        )
        self.n_noisy = len(self.noisy) if any_noise else 0

    def _shapes(self, dims: Tensor) -> dict[Variable, Any]:
        """Return each variable's shape: open numbers from `dims`, or given ones under XLA."""
        import tensorflow as tf

        layout = self.blueprint.layout
        every = [*layout.part(trainable=True), *layout.part(trainable=False)]
        if self.spec.is_static or not every:
            return {v: list(v.shape) for v in every}
        shapes = tf.split(dims, [len(v.shape) for v in every], num=len(every))
        return dict(zip(every, shapes, strict=True))

    def _sizes(self, shapes: list[Any]) -> Any:
        """Return the number of elements of each shape."""
        import tensorflow as tf

        if self.spec.is_static:
            return [size(tuple(shape)) for shape in shapes]
        return tf.stack([tf.reduce_prod(shape) for shape in shapes])

    def sizes_of_weights(self, dims: Tensor) -> Any:
        """Return the number of elements of each trained variable."""
        shapes = self._shapes(dims)
        return self._sizes([shapes[v] for v in self.blueprint.layout.part(trainable=True)])

    @functools.cached_property
    def pieces(self) -> list[list[int]]:
        """Which of the trained variables are one tensor in the loop over batches, see `cut`.

        XLA copies each variable out of a flat vector for its matrix product, and its gradient back
        into one, in every step: large ones are tensors of their own there. The plain graph pays
        for each operation instead, so all of them are one.
        """
        variables = self.blueprint.layout.part(trainable=True)
        every = list(range(len(variables)))
        optimizer = self.spec.optimizer
        if not self.spec.compiled or optimizer is None or clips_by_norm(optimizer):
            return [every]
        large = [i for i in every if size(variables[i].shape) >= _LARGE]
        small = [i for i in every if i not in large]
        return [*([i] for i in large), *([small] if small else [])] or [every]

    def cut(self, flat: Tensor) -> tuple[Tensor, ...]:
        """Cut ``[M, P]`` into the tensors ``[M, p]`` that the loop over batches carries."""
        import tensorflow as tf

        if len(self.pieces) == 1:
            return (flat,)
        variables = self.blueprint.layout.part(trainable=True)
        parts = tf.split(flat, [size(v.shape) for v in variables], axis=1)
        return tuple(_beside([parts[i] for i in own]) for own in self.pieces)

    def joined(self, pieces: Sequence[Tensor]) -> Tensor:
        """Undo `cut`."""
        import tensorflow as tf

        if len(self.pieces) == 1:
            return pieces[0]
        variables = self.blueprint.layout.part(trainable=True)
        parts: dict[int, Tensor] = {}
        for piece, own in zip(pieces, self.pieces, strict=True):
            sizes = [size(variables[i].shape) for i in own]
            parts.update(zip(own, tf.split(piece, sizes, axis=1), strict=True))
        return _beside([parts[i] for i in range(len(variables))])

    def unpacked(
        self, pieces: Sequence[Tensor], statistics: Tensor, dims: Tensor
    ) -> dict[Variable, Tensor]:
        """Return one tensor ``[M, ...]`` per variable, of weights that are `cut` and the others."""
        layout, shapes = self.blueprint.layout, self._shapes(dims)
        trained = layout.part(trainable=True)
        tensors = self._split(statistics, layout.part(trainable=False), shapes)
        for piece, own in zip(pieces, self.pieces, strict=True):
            tensors |= self._split(piece, [trained[i] for i in own], shapes)
        return tensors

    def _split(
        self, flat: Tensor, variables: Sequence[Variable], shapes: dict[Variable, Any]
    ) -> dict[Variable, Tensor]:
        """Cut ``[M, p]`` into one tensor ``[M, ...]`` per variable."""
        import tensorflow as tf

        if not variables:
            return {}
        tensors = {}
        sizes = self._sizes([shapes[variable] for variable in variables])
        parts = tf.split(flat, sizes, axis=1, num=len(variables))
        members = shape_of(flat)[:1]
        for variable, part in zip(variables, parts, strict=True):
            tensor = tf.reshape(part, concatenated(members, shapes[variable]))
            known = variable.shape if self.spec.is_static else [None] * len(variable.shape)
            tensor.set_shape([None, *known])
            tensors[variable] = tensor
        return tensors

    def _active_scalars(self, position: int, scalars: Tensor) -> dict[str, Tensor]:
        """Return one layer's numbers, ``[M]`` each, those that are zero everywhere left out."""
        names = self.blueprint.scalar_names
        return {
            names[i][1]: scalars[i]
            for i, is_active in enumerate(self.spec.active_scalars)
            if is_active and names[i][0] == position
        }

    def forward(
        self, tensors: dict[Variable, Tensor], scalars: Tensor, x: Tensor | SparseRows, run: Pass
    ) -> tuple[Tensor, Tensor | None]:
        """Return outputs before activation ``[M, B, K]`` and new statistics ``[M, Q]``."""
        import tensorflow as tf

        new: list[Any] = []
        behind = [x]
        masks: list[Tensor | None] = [None]
        for placed in self.blueprint.layers:
            own = [tensors[v] for v in placed.variables]
            active = self._active_scalars(placed.position, scalars)
            if run.training and self._is_cancelled_bias(placed):
                # Its gradient is zero but for rounding, which Adam blows up to full steps; the
                # moving mean lags behind them, and so company would show in the predictions.
                own = [own[0], *map(tf.stop_gradient, own[1:])]
            taken = [behind[i] for i in placed.inputs]
            if self.spec.is_static:
                for tensor, i in zip(taken, placed.inputs, strict=True):
                    if isinstance(tensor, SparseRows):
                        continue
                    tensor.set_shape([None, None, *self.blueprint.row_shapes[i]])
            # Keras' batch normalisation uses its moving moments once it is frozen.
            rests = placed.is_frozen and placed.rule.absorbs_shift
            own_run = dataclasses.replace(run, training=False) if rests else run
            inputs, mask = (
                several[0] if len(several) == 1 else several
                for several in (taken, [masks[i] for i in placed.inputs])
            )
            context = LayerContext(placed.position, own, active, own_run, mask)
            x, updates = placed.rule.apply(placed.layer, inputs, context)
            if placed.is_frozen and run.training:
                updates = [tf.reshape(t, tf.stack([tf.shape(t)[0], -1])) for t in own]
            new += updates
            behind.append(x)
            new_mask = placed.rule.mask(placed.layer, inputs, mask) if placed.has_mask else None
            masks.append(new_mask)
        return x, tf.concat(new, 1) if new else None

    def _is_cancelled_bias(self, placed: PlacedLayer) -> bool:
        """Tell whether a layer's bias is taken off again by batch normalisation."""
        if not placed.rule.adds_bias:
            return False
        takers = [t for t in self.blueprint.layers if placed.position + 1 in t.inputs]
        return [t.rule.absorbs_shift and not t.is_frozen for t in takers] == [True]

    def penalty(self, tensors: dict[Variable, Tensor], scalars: Tensor) -> Tensor | float:
        """Return the regularisers' part of the loss, ``[M]`` or 0."""
        total: Any = 0.0
        for placed in self.blueprint.layers:
            if placed.is_frozen:
                continue  # as in Keras, which counts trainable weights alone
            own = [tensors[v] for v in placed.variables]
            total += placed.rule.penalty(own, self._active_scalars(placed.position, scalars))
        return total

    def _gathered(self, rows: Any, index: Tensor, dims: Tensor) -> Tensor | SparseRows:
        """Return the rows ``[M, B, ...]`` of an index ``[M, B]``."""
        import tensorflow as tf

        if self.spec.rows == "in place":
            batch = tf.numpy_function(rows_in_place, [rows, index], tf.float32, stateful=False)
            batch.set_shape([None] * (2 + len(self.spec.network.input_shape)))
            return batch
        if self.spec.rows not in SPARSE:
            return tf.cast(tf.gather(rows, index), tf.float32)
        values, columns, starts = rows
        flat, dtype = tf.reshape(index, [-1]), index.dtype
        first = tf.gather(starts, flat)
        lengths = tf.gather(starts, flat + 1) - first
        row = tf.repeat(tf.range(tf.size(flat, dtype)), lengths)
        within = tf.range(tf.size(row, dtype)) - tf.repeat(
            tf.cumsum(lengths, exclusive=True), lengths
        )
        place = tf.repeat(first, lengths) + within
        found = SparseRows(
            tf.gather(values, place), row, tf.gather(columns, place), tf.shape(index, dtype)
        )
        if self.spec.rows == "sparse":
            return found
        # Otherwise the first variable has the input's width in front, see `ProgramSpec.is_static`.
        return found.dense(self.spec.network.input_shape[0] if self.spec.is_static else dims[0])

    def batch(
        self, data: Data, offsets: Offsets, index: Tensor, mask: Tensor, dims: Tensor
    ) -> tuple[Tensor | SparseRows, Tensor, Tensor]:
        """Return x, y and weights of one batch per member."""
        import tensorflow as tf

        y_index = index + offsets.targets[:, None]
        x = self._gathered(data.rows, index + offsets.inputs[:, None], dims)
        return x, tf.gather(data.targets, y_index), tf.gather(data.weights, y_index) * mask

    def zeros_kept(self, call: TrainingCall) -> Callable[[Sequence[Any]], list[Any]]:
        """Return what sets to zero, in pieces of ``[M, P]``, what stays zero throughout an epoch.

        That is what is zero in the kernels of pruned members, and units that pad a network.
        """
        import tensorflow as tf

        if self.spec.pads:
            (own_units,) = call.own_units
            is_free = self.cut(own_units.is_own)
        elif self.spec.prunes:
            (zeros,) = call.zeros
            stays = zeros.is_kernel[None, :] & zeros.is_kept[:, None] & (call.state.weights == 0)
            is_free = self.cut(~stays)
        else:
            return list
        return lambda pieces: [
            tf.where(free, piece, 0.0) for free, piece in zip(is_free, pieces, strict=True)
        ]

    def reduced(self, values: Tensor, weight: Tensor, mask: Tensor) -> Tensor:
        """Return the loss ``[M]`` of a batch from its row losses ``[M, B]``."""
        import tensorflow as tf

        total = tf.squeeze(tf.reduce_sum(values * weight, 1, keepdims=True), 1)
        if self.reduction == "sum":
            return total
        by_weight = self.reduction == "mean_with_sample_weight"
        return tf.math.divide_no_nan(total, tf.reduce_sum(weight if by_weight else mask, 1))

    def _loss_scalars(self, scalars: Tensor) -> dict[str, Tensor]:
        return {
            name: scalars[i]
            for i, (position, name) in enumerate(self.blueprint.scalar_names)
            if position < 0
        }

    def row_losses(self, scalars: Tensor, y: Tensor, outputs: Tensor) -> Tensor:
        """Return the loss of each row, ``[M, B]``."""
        import tensorflow as tf

        network = self.spec.network
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

    def activated(self, outputs: Tensor) -> Tensor:
        """Return what the network predicts, in its own units: a mean where several share it."""
        import tensorflow as tf

        values = activated(outputs, self.spec.network.output_activation)
        return tf.reduce_mean(values, 2) if self.spec.network.is_shared else values

    def predictions(self, outputs: Tensor, units: Units) -> Tensor:
        """Return what the network predicts, in the targets' units."""
        values = self.activated(outputs)
        return values * units.scale[:, None, :] + units.offset[:, None, :]

    def metric_sums(self, y: Tensor, outputs: Tensor, units: Units, mask: Tensor) -> list[Tensor]:
        """Return for each metric its sum over the batch's rows, ``[M]``, in the target's units."""
        import tensorflow as tf

        if not self.spec.metrics:
            return []
        predictions = self.predictions(outputs, units)
        targets = y
        if self.spec.network.loss.target == "values":
            targets = y * units.scale[:, None, :] + units.offset[:, None, :]
        return [
            tf.reduce_sum(metric.rows(targets, predictions) * mask, 1)
            for metric in self.spec.metrics
        ]


def _beside(parts: Sequence[Tensor]) -> Any:
    """Return ``[M, p]`` tensors one after the other along their second axis."""
    import tensorflow as tf

    return parts[0] if len(parts) == 1 else tf.concat(parts, 1)
