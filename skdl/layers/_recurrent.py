"""Recurrent layers: one loop over the steps of a sequence, for all members of a stack at once.

The loop is never unrolled: TensorFlow would trace, and XLA compile, each step of it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._activation_formulas import ACTIVATION_FORMULAS
from skdl.layers._dropout import kept_units
from skdl.layers._operations import RecurrentCell
from skdl.layers._rule import Rule, Variable, by_row, penalty_of_kernel
from skdl.layers._shapes import concatenated, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["GRURule", "LSTMRule", "RecurrentRule", "SimpleRNNRule"]

# Keras' defaults of what a trace depends on.
_DEFAULTS = {
    "activation": "tanh",
    "go_backwards": False,
    "recurrent_activation": "sigmoid",
    "reset_after": True,
    "return_sequences": False,
    "use_bias": True,
}


class RecurrentRule(Rule):
    """A cell that goes along a sequence, with L1 and L2 penalties on the kernel of its inputs.

    Dropout leaves out the same inputs and states in all steps of a sequence, as in Keras (Gal and
    Ghahramani 2016): of inputs the same for all gates, but others for each gate where states are
    left out too.

    Attributes
    ----------
    n_gates : int
        Products of `units` columns in one step.
    n_states : int
        Tensors that go from step to step; the first one is the output.
    """

    scalars = ("l1", "l2", "dropout", "recurrent_dropout")
    noise_scalars = ("dropout", "recurrent_dropout")
    draws_noise = True
    n_gates = 1
    n_states = 1

    def option(self, layer: Layer, name: str) -> Any:
        """Return an argument of the Keras layer, by default Keras' own."""
        return layer.get(name, _DEFAULTS[name])

    def function(self, layer: Layer, name: str) -> Callable[[Tensor], Tensor]:
        """Return one of the cell's activations."""
        import keras

        function: Callable[[Tensor], Tensor] = keras.activations.get(self.option(layer, name))
        return function

    def structure(self, layer: Layer) -> Hashable:
        options = tuple(self.option(layer, name) for name in _DEFAULTS)
        return (*options, self.n_masks(layer))

    def n_masks(self, layer: Layer) -> int:
        """Return how many masks of dropout there are for its gates together: one, or one each."""
        return self.n_gates if layer.get("recurrent_dropout") else 1

    def bias_shape(self, layer: Layer) -> Shape:
        """Return the shape of the bias."""
        return (self.n_gates * layer["units"],)

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        units = layer["units"]
        width = self.n_gates * units
        bias = Variable(position, "bias", self.bias_shape(layer))
        return [
            Variable(position, "kernel", (shape[-1], width), initializer="glorot_uniform"),
            Variable(position, "recurrent_kernel", (units, width), initializer="orthogonal"),
            *[bias] * self.option(layer, "use_bias"),
        ]

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        if variable.initializer != "orthogonal":
            return super().initial(layer, variable, generator)
        # Saxe et al. 2013, section 3.1, as Keras draws it: rows are orthonormal.
        normal = generator.standard_normal(variable.shape[::-1])
        q, r = np.linalg.qr(normal)
        return np.ascontiguousarray((q * np.sign(np.diag(r))).T, np.float32)

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        steps = shape[:1] if self.option(layer, "return_sequences") else ()
        return (*steps, layer["units"])

    def peak_width(self, layer: Layer, shape: Shape) -> int:
        return shape[0] * self.n_gates * int(layer["units"])

    def noise_size(self, layer: Layer, shape: Shape) -> int:
        return self.n_masks(layer) * (shape[-1] + int(layer["units"]))

    def n_loop_steps(self, layer: Layer, shape: Shape) -> int:
        del layer
        return shape[0]

    def has_mask(self, layer: Layer, given: Sequence[bool]) -> bool:
        return self.option(layer, "return_sequences") and any(given)

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        return penalty_of_kernel(variables[0], scalars)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        kernel, recurrent, *biases = context.variables
        outer, inner = self.split_bias(layer, biases)
        units = shape_of(recurrent)[1:2]
        of_inputs, of_states = self.dropout_factors(layer, x, units, context)
        split = _projected_in_steps if context.run.compiled else _projected_ahead
        inputs, project = split(x, kernel, outer, of_inputs)
        mask = context.mask
        if mask is not None:
            mask = tf.transpose(mask, [2, 0, 1])[..., None]
        if self.option(layer, "go_backwards"):
            inputs = tf.reverse(inputs, [0])
            mask = None if mask is None else tf.reverse(mask, [0])
        state = tf.zeros(concatenated(shape_of(x)[:2], units))
        cell = self.cell(layer, recurrent, inner, of_states)
        outputs = _loop(
            lambda inputs, *states: cell(project(inputs), *states),
            inputs, mask, (state,) * self.n_states, compiled=context.run.compiled,
            every_step=self.option(layer, "return_sequences"),
        )  # fmt: skip
        return outputs, []

    def dropout_factors(
        self, layer: Layer, x: Tensor, units: Any, context: LayerContext
    ) -> tuple[list[Any], list[Any]]:
        """Return what inputs and states of each mask are multiplied by, None where nothing is.

        Factors are 0 or ``1 / (1 - rate)``, ``[M, B, n]``. Noise is drawn for all masks of inputs,
        then of states, whichever of the two rates is zero for every member of a stack.
        """
        import tensorflow as tf

        n_masks = self.n_masks(layer)
        none: list[Any] = [None] * n_masks
        rates = [context.scalars.get(name) for name in self.noise_scalars]
        if not context.run.training or all(rate is None for rate in rates):
            return none[:1], none[:1]
        n_rows, width = shape_of(x)[1:2], shape_of(x)[3:4]
        parts = [width] * n_masks + [units] * n_masks
        shape = concatenated(n_rows, sum(parts[1:], parts[0]))
        # As float32, as there is no kernel to split uint32 on a GPU; no bit changes.
        bits = tf.bitcast(context.run.noise(context.position, shape), tf.float32)
        split = tf.split(bits, concatenated(*parts), 2, num=2 * n_masks)
        noise = [tf.bitcast(own, tf.uint32) for own in split]

        def factors(noise: list[Tensor], rate: Tensor | None) -> list[Any]:
            if rate is None:
                return none[:1]
            kept = [kept_units(own, rate) for own in noise]
            return [tf.where(where, 1.0 / (1.0 - rate), 0.0) for where, rate in kept]

        return factors(noise[:n_masks], rates[0]), factors(noise[n_masks:], rates[1])

    def split_bias(self, layer: Layer, biases: list[Tensor]) -> tuple[Tensor | None, Tensor | None]:
        """Return the bias that the inputs get, and that of the states, each ``[M, n]``."""
        del layer
        return (biases[0] if biases else None), None

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        return self.forward_masked(ops, layer, weights, x, None)

    def forward_masked(
        self, ops: Operations, layer: Layer, weights: Arrays, x: Value, mask: Value
    ) -> Value:
        backwards = self.option(layer, "go_backwards")
        return self.forward_along(ops, layer, weights, x, mask, backwards=backwards)

    def forward_along(
        self, ops: Operations, layer: Layer, weights: Arrays, x: Value, mask: Value, *,
        backwards: bool, in_place: bool = False,
    ) -> Value:  # fmt: skip
        """Return what `forward_masked` does in one direction, see `Operations.scan`."""
        kernel, recurrent, *biases = weights
        outer, inner = (
            None if bias is None else bias[0]
            for bias in self.split_bias(layer, [bias[None] for bias in biases])
        )
        every_step = self.option(layer, "return_sequences")
        names = ("recurrent_activation", "activation")[self.n_gates == 1 :]
        cell = RecurrentCell(
            layer.kind, (kernel, recurrent), (outer, inner),
            tuple(self.option(layer, name) for name in names),
            self.option(layer, "reset_after"), backwards, every_step, in_place,
        )  # fmt: skip
        native = ops.recurrent(cell, x) if mask is None else None
        if native is not None:
            return native
        z = ops.matmul(x, kernel)
        z = z if outer is None else ops.add(z, outer)
        step = self.forward_cell(ops, layer, recurrent, inner)

        def masked(z: Value, here: Value, *states: Value) -> list[Value]:
            new = step(z, *states)
            return [ops.where(here, *pair) for pair in zip(new, states, strict=True)]

        return ops.scan(
            step if mask is None else masked,
            [z] if mask is None else [z, mask],
            [len(recurrent)] * self.n_states,
            backwards=backwards,
            every_step=every_step,
            in_place=in_place,
        )

    def formula(
        self, ops: Operations, layer: Layer, name: str = "activation"
    ) -> Callable[[Value], Value]:
        """Return one of the cell's activations in prediction."""
        return functools.partial(ACTIVATION_FORMULAS[self.option(layer, name)], ops)

    def forward_cell(
        self, ops: Operations, layer: Layer, recurrent: Any, bias: Any
    ) -> Callable[..., list[Value]]:
        """Return what `cell` does, in prediction and for one network."""
        raise NotImplementedError

    def cell(
        self, layer: Layer, recurrent: Tensor, bias: Tensor | None, dropped: list[Any]
    ) -> Callable[..., tuple[Tensor, ...]]:
        """Return what makes new states of one step's inputs ``[M, B, n]`` and the old states.

        States are multiplied by `dropped`, see `dropout_factors`, in front of each product.
        """
        raise NotImplementedError


def _projected_ahead(
    x: Tensor, kernel: Tensor, bias: Tensor | None, dropped: list[Any]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return what a step reads, ``[T, M, B, n]``, and what makes the cell's inputs of it: nothing.

    One product for all steps: the plain graph pays for each operation of a step.
    """
    import tensorflow as tf

    m, n_rows, n_steps, width = (shape_of(x)[axis] for axis in range(4))
    flat = tf.reshape(x, [m, n_rows * n_steps, width])
    if dropped == [None]:
        z = tf.matmul(flat, kernel)
    else:
        kernels = tf.split(kernel, len(dropped), -1)
        pairs = zip(dropped, kernels, strict=True)
        z = tf.concat(
            [
                tf.matmul(tf.reshape(x * factor[:, :, None], [m, n_rows * n_steps, width]), own)
                for factor, own in pairs
            ],
            -1,
        )
    z = z if bias is None else z + by_row(bias)
    z = tf.reshape(z, [m, n_rows, n_steps, shape_of(kernel)[2]])
    return tf.transpose(z, [2, 0, 1, 3]), lambda z: z


def _projected_in_steps(
    x: Tensor, kernel: Tensor, bias: Tensor | None, dropped: list[Any]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return what a step reads, ``[T, M, B, C]``, and what makes the cell's inputs of it.

    One product a step: XLA's small products cost next to nothing, while the products of all steps
    and their gradients, turned to have the steps in front, would leave the cache several times.
    The bias is a row of the kernel, with inputs of 1: its gradient is part of a product then.
    """
    import tensorflow as tf

    x = tf.transpose(x, [2, 0, 1, 3])
    if bias is not None:
        kernel = tf.concat([kernel, bias[:, None]], 1)
        x, *dropped = (
            None if own is None else tf.concat([own, tf.ones_like(own[..., :1])], -1)
            for own in (x, *dropped)
        )
    return x, _product(kernel, dropped)


def _product(kernel: Tensor, dropped: list[Any]) -> Callable[[Tensor], Tensor]:
    """Return what multiplies inputs or states by the kernels of as many gates as factors."""
    import tensorflow as tf

    if dropped == [None]:
        return lambda h: tf.matmul(h, kernel)
    kernels = tf.split(kernel, len(dropped), -1)
    pairs = list(zip(dropped, kernels, strict=True))
    return lambda h: tf.concat([tf.matmul(h * factor, own) for factor, own in pairs], -1)


def _loop(
    step: Callable[..., tuple[Tensor, ...]],
    inputs: Tensor,
    mask: Tensor | None,
    states: tuple[Tensor, ...],
    *,
    every_step: bool,
    compiled: bool,
) -> Tensor:
    """Return the output of the last step, ``[M, B, n]``, or of all, ``[M, B, T, n]``.

    Parameters
    ----------
    step : callable
        ``step(inputs, *states)`` gives the new states, the output first.
    inputs : tensor of shape [T, M, B, n]
    mask : tensor of shape [T, M, B, 1], bool, or None
        Rows keep their states over steps in which it is False.
    states : tuple of tensor
        Before the first step.
    every_step : bool
    compiled : bool
        By XLA, which wants all shapes; otherwise members, rows and widths are open.
    """
    import tensorflow as tf

    n_steps = shape_of(inputs)[0]
    # Reading from the tensor itself would make its gradient anew, in full, in each step.
    steps = tf.TensorArray(tf.float32, n_steps, element_shape=inputs.shape[1:]).unstack(inputs)
    counts = None
    if mask is not None:
        counts = tf.TensorArray(tf.bool, n_steps, element_shape=mask.shape[1:]).unstack(mask)
    one = states[0].shape if compiled else tf.TensorShape([None] * 3)
    seen = tf.TensorArray(tf.float32, n_steps if every_step else 0, element_shape=one)

    def body(t: Tensor, states: tuple[Tensor, ...], seen: tf.TensorArray) -> Any:
        new = step(steps.read(t), *states)
        if counts is not None:
            here = counts.read(t)
            new = tuple(tf.where(here, *pair) for pair in zip(new, states, strict=True))
        states = new
        return t + 1, states, seen.write(t, states[0]) if every_step else seen

    _, states, seen = tf.while_loop(
        lambda t, *_: t < n_steps,
        body,
        (tf.constant(0), states, seen),
        shape_invariants=(tf.TensorShape([]), (one,) * len(states), tf.TensorShape(None)),
        maximum_iterations=int(n_steps) if compiled else None,
    )
    return tf.transpose(seen.stack(), [1, 2, 0, 3]) if every_step else states[0]


class SimpleRNNRule(RecurrentRule):
    """``h' = f(x W + h U + b)`` (Elman 1990)."""

    def cell(
        self, layer: Layer, recurrent: Tensor, bias: Tensor | None, dropped: list[Any]
    ) -> Callable[..., tuple[Tensor, ...]]:
        del bias
        f = self.function(layer, "activation")
        product = _product(recurrent, dropped)
        return lambda z, h: (f(z + product(h)),)

    def forward_cell(
        self, ops: Operations, layer: Layer, recurrent: Any, bias: Any
    ) -> Callable[..., list[Value]]:
        del bias
        f = self.formula(ops, layer)
        return lambda z, h: [f(ops.add(z, ops.matmul(h, recurrent)))]


class GRURule(RecurrentRule):
    """Gated recurrent unit (Cho et al. 2014), in Keras' order z, r, h of gates.

    The gate r works on the product of state and kernel, which then has a bias of its own, or with
    ``reset_after=False`` on the state in front of the product, as in the paper.
    """

    n_gates = 3

    def bias_shape(self, layer: Layer) -> Shape:
        width = super().bias_shape(layer)
        return (2, *width) if self.option(layer, "reset_after") else width

    def split_bias(self, layer: Layer, biases: list[Tensor]) -> tuple[Tensor | None, Tensor | None]:
        if biases and self.option(layer, "reset_after"):
            return biases[0][:, 0], biases[0][:, 1]
        return super().split_bias(layer, biases)

    def cell(
        self, layer: Layer, recurrent: Tensor, bias: Tensor | None, dropped: list[Any]
    ) -> Callable[..., tuple[Tensor, ...]]:
        import tensorflow as tf

        f, gate = (self.function(layer, n) for n in ("activation", "recurrent_activation"))
        units = shape_of(recurrent)[1]
        product = _product(recurrent, dropped)
        of_gates = _product(recurrent[..., : 2 * units], dropped[:2])
        of_candidate = _product(recurrent[..., 2 * units :], dropped[-1:])

        def reset_after(inputs: Tensor, h: Tensor) -> tuple[Tensor]:
            inner = product(h)
            inner = inner if bias is None else inner + by_row(bias)
            z, r, candidate = tf.split(inputs, 3, -1)
            inner_z, inner_r, inner_candidate = tf.split(inner, 3, -1)
            z, r = gate(z + inner_z), gate(r + inner_r)
            return (z * h + (1.0 - z) * f(candidate + r * inner_candidate),)

        def reset_before(inputs: Tensor, h: Tensor) -> tuple[Tensor]:
            z, r, candidate = tf.split(inputs, 3, -1)
            inner_z, inner_r = tf.split(of_gates(h), 2, -1)
            z, r = gate(z + inner_z), gate(r + inner_r)
            return (z * h + (1.0 - z) * f(candidate + of_candidate(r * h)),)

        return reset_after if self.option(layer, "reset_after") else reset_before

    def forward_cell(
        self, ops: Operations, layer: Layer, recurrent: Any, bias: Any
    ) -> Callable[..., list[Value]]:
        f, gate = self.formula(ops, layer), self.formula(ops, layer, "recurrent_activation")
        units = len(recurrent)
        kernels = np.split(recurrent, 3, -1)
        biases = np.zeros((3, units), np.float32) if bias is None else np.split(bias, 3)
        is_after = self.option(layer, "reset_after")

        def step(inputs: Value, h: Value) -> list[Value]:
            z, r, candidate = _columns(ops, inputs, units, 3)

            def inner(number: int, h: Value) -> Value:
                return ops.add(ops.matmul(h, kernels[number]), biases[number])

            z, r = gate(ops.add(z, inner(0, h))), gate(ops.add(r, inner(1, h)))
            seen = ops.multiply(r, inner(2, h)) if is_after else inner(2, ops.multiply(r, h))
            new = f(ops.add(candidate, seen))
            kept = ops.multiply(z, h)
            return [ops.add(kept, ops.multiply(ops.subtract(1.0, z), new))]

        return step


class LSTMRule(RecurrentRule):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), in Keras' order i, f, c, o.

    The forget gate f is that of Gers et al. 2000. Its bias begins at 1 (Jozefowicz et al. 2015).
    """

    n_gates = 4
    n_states = 2

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        if variable.name != "bias":
            return super().initial(layer, variable, generator)
        forget = float(layer.get("unit_forget_bias", True))
        return np.repeat(np.array([0.0, forget, 0.0, 0.0], np.float32), layer["units"])

    def cell(
        self, layer: Layer, recurrent: Tensor, bias: Tensor | None, dropped: list[Any]
    ) -> Callable[..., tuple[Tensor, ...]]:
        import tensorflow as tf

        del bias
        product = _product(recurrent, dropped)
        f, gate = (self.function(layer, n) for n in ("activation", "recurrent_activation"))

        def step(inputs: Tensor, h: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
            i, forget, candidate, o = tf.split(inputs + product(h), 4, -1)
            carry = gate(forget) * carry + gate(i) * f(candidate)
            return gate(o) * f(carry), carry

        return step

    def forward_cell(
        self, ops: Operations, layer: Layer, recurrent: Any, bias: Any
    ) -> Callable[..., list[Value]]:
        del bias
        f, gate = self.formula(ops, layer), self.formula(ops, layer, "recurrent_activation")
        units = len(recurrent)

        def step(inputs: Value, h: Value, carry: Value) -> list[Value]:
            sums = ops.add(inputs, ops.matmul(h, recurrent))
            i, forget, candidate, o = _columns(ops, sums, units, 4)
            kept = ops.multiply(gate(forget), carry)
            carry = ops.add(kept, ops.multiply(gate(i), f(candidate)))
            return [ops.multiply(gate(o), f(carry)), carry]

        return step


def _columns(ops: Operations, x: Value, units: int, n_gates: int) -> list[Value]:
    return [ops.columns(x, i * units, (i + 1) * units) for i in range(n_gates)]
