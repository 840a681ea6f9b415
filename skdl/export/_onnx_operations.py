"""Forward passes as nodes of an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skdl.layers import Operations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skdl.export._graph import Graph
    from skdl.layers import RecurrentCell, Shape, Value

__all__ = ["OnnxOperations"]


# Of all operators in use, those after which the last axis is as long as in front, or as a constant.
_KEEP_WIDTH = {
    "Abs", "Add", "Cast", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Greater", "IsNaN", "Log",
    "MatMul", "Max", "Min", "Mish", "Mul", "Relu", "Selu", "Sigmoid", "Sin", "Softplus", "Sqrt",
    "Sub", "Tanh", "Where",
}  # fmt: skip


# ONNX's names of activations that its recurrent layers compute as Keras does.
_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "softsign": "Softsign", "tanh": "Tanh"}
# By Keras' name, the operator, and which of Keras' gates stands first, second and so on in it.
_CELLS = {"GRU": ("GRU", (0, 1, 2)), "LSTM": ("LSTM", (0, 3, 1, 2)), "SimpleRNN": ("RNN", (0,))}


class OnnxOperations(Operations):
    """Values are names of tensors of a graph; constants are float32.

    Parameters
    ----------
    graph : Graph
        Where nodes are added.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        # Length of the last axis of tensors, and what was joined along it, where that is known.
        self._widths: dict[str, int] = {}
        self._parts: dict[str, list[tuple[str, int]]] = {}
        # Tensors of booleans.
        self._truths: set[str] = set()

    def _node(self, operator: str, *values: Value, **attributes: Value) -> Value:
        inputs = [v if isinstance(v, str) else np.asarray(v, np.float32) for v in values]
        output = self._graph.node(operator, *inputs, **attributes)
        widths = [self._width_of(value) for value in inputs]
        if operator == "MatMul":
            widths = widths[-1:]
        known = [width for width in widths if width is not None]
        # One entry may be repeated along an axis of unknown length.
        is_sure = None not in widths or max(known, default=1) > 1
        if known and is_sure and operator in _KEEP_WIDTH:
            self._widths[output] = max(known)
        return output

    def _as_truth(self, value: str) -> str:
        self._truths.add(value)
        return value

    def _width_of(self, value: Value) -> int | None:
        if isinstance(value, str):
            return self._widths.get(value)
        return value.shape[-1] if value.ndim else None

    def joined(self, parts: Sequence[tuple[str, int]]) -> str:
        """Return tensors of known widths as one; what later asks for one of them, gets it back."""
        result = self._graph.node("Concat", *(value for value, _ in parts), axis=-1)
        self._parts[result] = [
            inner for value, width in parts for inner in self._parts.get(value, [(value, width)])
        ]
        self._widths.update(parts)
        self._widths[result] = sum(width for _, width in parts)
        return result

    # ------------------------------------------------------------------ entry by entry

    def add(self, a: Value, b: Value) -> Value:
        return self._node("Add", a, b)

    def subtract(self, a: Value, b: Value) -> Value:
        return self._node("Sub", a, b)

    def multiply(self, a: Value, b: Value) -> Value:
        return self._node("Mul", a, b)

    def divide(self, a: Value, b: Value) -> Value:
        return self._node("Div", a, b)

    def maximum(self, a: Value, b: Value) -> Value:
        # A ReLU runs within the product in front of it.
        is_relu = isinstance(b, float) and b == 0
        return self._node("Relu", a) if is_relu else self._node("Max", a, b)

    def minimum(self, a: Value, b: Value) -> Value:
        return self._node("Min", a, b)

    def exp(self, x: Value) -> Value:
        return self._node("Exp", x)

    def log(self, x: Value) -> Value:
        return self._node("Log", x)

    def sqrt(self, x: Value) -> Value:
        return self._node("Sqrt", x)

    def abs(self, x: Value) -> Value:
        return self._node("Abs", x)

    def sin(self, x: Value) -> Value:
        return self._node("Sin", x)

    def cos(self, x: Value) -> Value:
        return self._node("Cos", x)

    def tanh(self, x: Value) -> Value:
        return self._node("Tanh", x)

    def erf(self, x: Value) -> Value:
        return self._node("Erf", x)

    def sigmoid(self, x: Value) -> Value:
        return self._node("Sigmoid", x)

    def softplus(self, x: Value) -> Value:
        return self._node("Softplus", x)

    def elu(self, x: Value) -> Value:
        return self._node("Elu", x)

    def selu(self, x: Value) -> Value:
        return self._node("Selu", x)

    def mish(self, x: Value) -> Value:
        return self._node("Mish", x)

    def is_nan(self, x: Value) -> Value:
        return self._node("IsNaN", x)

    def greater(self, a: Value, b: Value) -> Value:
        return self._as_truth(self._node("Greater", a, b))

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        return self._node("Where", condition, a, b)

    def as_float(self, x: Value) -> Value:
        return self._node("Cast", x, to=self._graph.element_type("float32"))

    # ------------------------------------------------------------------ shapes

    def columns(self, x: Value, start: int, stop: int | None) -> Value:
        if x in self._widths:
            stop = min(self._widths[x], self._widths[x] if stop is None else stop)
            if (start, stop) == (0, self._widths[x]):
                return x
            parts = self._parts_between(x, start, stop)
            if parts:
                return parts[0][0] if len(parts) == 1 else self.joined(parts)
        value = self._slice(x, start, stop)
        if stop is not None:
            self._widths[value] = stop - start
        return value

    def _parts_between(self, x: str, start: int, stop: int) -> list[tuple[str, int]]:
        """Return what was joined to these columns, if they begin and end with parts of it."""
        found, place = [], 0
        for value, width in self._parts.get(x, []):
            if start <= place and place + width <= stop:
                found.append((value, width))
            place += width
        return found if sum(width for _, width in found) == stop - start else []

    def _slice(self, x: Value, start: int, stop: int | None) -> Value:
        end = np.iinfo(np.int64).max if stop is None else stop
        return self._graph.node("Slice", x, *(self._graph.integers(n) for n in (start, end, -1)))

    def concatenate(self, values: Sequence[Value]) -> Value:
        if len(values) == 1:
            return values[0]
        parts = [(value, self._widths[value]) for value in values if value in self._widths]
        if len(parts) == len(values):
            return self.joined(parts)
        return self._node("Concat", *values, axis=-1)

    def new_axis(self, x: Value, axis: int) -> Value:
        result = self._graph.node("Unsqueeze", x, self._graph.integers(axis))
        return self._as_truth(result) if x in self._truths else result

    def flat_rows(self, x: Value) -> Value:
        return self._node("Flatten", x, axis=1)

    def rows_of_shape(self, x: Value, shape: Shape) -> Value:
        # 0 keeps the number of rows.
        return self._graph.node("Reshape", x, self._graph.integers(0, *shape))

    def mean(self, x: Value, axes: tuple[int, ...], *, keep_axes: bool = False) -> Value:
        axis = self._graph.integers(*axes)
        return self._graph.node("ReduceMean", x, axis, keepdims=int(keep_axes))

    def transposed(self, x: Value) -> Value:
        return self._node("Transpose", x, perm=[0, 2, 1])

    def last_step(self, x: Value) -> Value:
        return self._graph.node("Gather", x, self._graph.constant(np.array(-1)), axis=1)

    def recurrent(self, cell: RecurrentCell, x: Value) -> Value | None:
        names = [_ACTIVATIONS.get(name) for name in cell.activations]
        is_reversed = cell.every_step and cell.backwards and not cell.in_place
        if None in names or is_reversed:
            return None
        operator, order = _CELLS[cell.kind]

        def gates(values: Value) -> Value:
            parts = np.split(values, len(order), -1)
            return np.concatenate([parts[i] for i in order], -1).astype(np.float32)

        units = len(cell.kernels[1])
        zeros = np.zeros(units * len(order), np.float32)
        biases = [gates(zeros if bias is None else bias) for bias in cell.biases]
        extra = [names[-1]] if operator == "LSTM" else []
        more = {"linear_before_reset": int(cell.reset_after)} if operator == "GRU" else {}
        # One more row of zeros, or onnxruntime 1.32 ends the process where there are no rows.
        by_step = self._graph.node("Transpose", x, perm=[1, 0, 2])
        padded = self._graph.node("Pad", by_step, self._graph.integers(0, 0, 0, 0, 1, 0))
        each, last = self._graph.two_outputs(
            operator,
            padded,
            *(np.ascontiguousarray(gates(kernel).T[None]) for kernel in cell.kernels),
            np.concatenate(biases)[None],
            hidden_size=units,
            direction="reverse" if cell.backwards else "forward",
            activations=[*names, *extra],
            **more,
        )
        # [T, 1, B, n] of all steps, [1, B, n] of the last.
        axis = self._graph.integers(1 if cell.every_step else 0)
        found = self._graph.node("Squeeze", each if cell.every_step else last, axis)
        if cell.every_step:
            found = self._graph.node("Transpose", found, perm=[1, 0, 2])
        found = self._graph.node("Slice", found, *map(self._graph.integers, (0, -1, 0)))
        self._widths[found] = units
        return found

    def scan(
        self,
        step: Callable[..., Sequence[Value]],
        inputs: Sequence[Value],
        widths: Sequence[int],
        *,
        backwards: bool = False,
        every_step: bool = False,
        in_place: bool = False,
    ) -> Value:
        graph = self._graph
        n_rows = graph.node("Slice", graph.node("Shape", inputs[0]), *map(graph.integers, (0, 1)))
        states = [
            graph.node("ConstantOfShape", graph.node("Concat", n_rows, graph.integers(n), axis=0))
            for n in widths
        ]
        kinds = ["bool" if value in self._truths else "float32" for value in inputs]

        def body(values: Sequence[str]) -> Sequence[str]:
            given = dict(zip(values, [*map(self._width_of, inputs), *widths], strict=True))
            self._widths.update({value: n for value, n in given.items() if n is not None})
            new = step(*values)
            return [*new, graph.node("Identity", new[0])]

        # Not by the axes of Scan: of no rows, onnxruntime 1.32 divides by zero there.
        by_step = [graph.node("Transpose", value, perm=[1, 0, 2]) for value in inputs]
        last, seen = graph.scan(
            body, states, list(zip(by_step, kinds, strict=True)),
            backwards=backwards, prepends=backwards and in_place,
        )  # fmt: skip
        found = graph.node("Transpose", seen, perm=[1, 0, 2]) if every_step else last
        self._widths[found] = widths[0]
        return found

    def largest(self, x: Value, axes: tuple[int, ...]) -> Value:
        return self._graph.node("ReduceMax", x, self._graph.integers(*axes), keepdims=0)

    # ------------------------------------------------------------------ products

    def matmul(self, a: Value, b: Value) -> Value:
        return self._node("MatMul", a, b)

    def matmul_by_group(self, x: Value, kernels: Value) -> Value:
        by_group = self._node("Transpose", x, perm=[1, 0, 2])
        return self._node("Transpose", self._node("MatMul", by_group, kernels), perm=[1, 0, 2])

    def convolution(self, x: Value, kernel: Value, bias: Value, padding: str) -> Value:
        sides = kernel.shape[:-2]
        n_axes = len(sides)
        # ONNX has channels in front of space, and filters in front of both.
        filters = np.ascontiguousarray(kernel.transpose(n_axes + 1, n_axes, *range(n_axes)))
        is_same = padding == "same"
        pads = [(k - 1) // 2 for k in sides] + [k // 2 for k in sides]
        result = self._node(
            "Conv", self._channels_first(x, n_axes), filters, bias,
            kernel_shape=list(sides), pads=pads if is_same else [0] * (2 * n_axes),
        )  # fmt: skip
        return self._channels_last(result, n_axes)

    def pooling(self, x: Value, window: tuple[int, ...], kind: str) -> Value:
        operator = {"max": "MaxPool", "average": "AveragePool"}[kind]
        sides = list(window)
        first = self._channels_first(x, len(window))
        result = self._node(operator, first, kernel_shape=sides, strides=sides)
        return self._channels_last(result, len(window))

    def _channels_first(self, x: Value, n_axes: int) -> Value:
        return self._node("Transpose", x, perm=[0, n_axes + 1, *range(1, n_axes + 1)])

    def _channels_last(self, x: Value, n_axes: int) -> Value:
        return self._node("Transpose", x, perm=[0, *range(2, n_axes + 2), 1])

    # ------------------------------------------------------------------ the rest

    def softmax(self, x: Value) -> Value:
        return self._node("Softmax", x, axis=-1)

    def one_hot(self, codes: Value, n_levels: int) -> Value:
        levels = np.arange(1, n_levels + 1, dtype=np.float32)
        result = self.as_float(self._node("Equal", codes, levels))
        self._widths[result] = n_levels
        return result

    def take(self, table: Value, index: Value) -> Value:
        return self._graph.node("Gather", table, self._graph.cast(index, "int64"), axis=0)
