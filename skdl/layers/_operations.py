"""The few operations that forward passes are written in, so that any back end can run them.

A rule's ``forward`` says once what its layer computes in prediction. NumPy runs it at once
(`NumpyOperations`); `skdl.export` writes it down as nodes of an ONNX graph.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skdl.layers._shapes import Shape

__all__ = ["Operations", "RecurrentCell", "Value"]

# What a back end computes with; constants are NumPy arrays or plain numbers everywhere.
Value: TypeAlias = Any


class RecurrentCell(NamedTuple):
    """A recurrent layer in one direction.

    Parameters
    ----------
    kind : {"GRU", "LSTM", "SimpleRNN"}
    kernels : tuple of ndarray
        Of inputs and of states, ``[n, gates * units]``, gates in Keras' order.
    biases : tuple of (ndarray of shape [gates * units] or None)
        As `kernels`.
    activations : tuple of str
        Of the gates, where there are any, and of the candidate.
    reset_after : bool
        As in Keras' GRU.
    backwards, every_step, in_place : bool
        As in `Operations.scan`.
    """

    kind: str
    kernels: tuple[Any, Any]
    biases: tuple[Any, Any]
    activations: tuple[str, ...]
    reset_after: bool
    backwards: bool
    every_step: bool
    in_place: bool


class Operations(ABC):
    """One back end of forward passes.

    Values are rows ``[B, ...]`` of float32, or of booleans where a comparison says so. Every
    operation takes constants, NumPy arrays and numbers, in place of values.
    """

    # ------------------------------------------------------------------ entry by entry

    @abstractmethod
    def add(self, a: Value, b: Value) -> Value:
        """Return ``a + b``."""

    @abstractmethod
    def subtract(self, a: Value, b: Value) -> Value:
        """Return ``a - b``."""

    @abstractmethod
    def multiply(self, a: Value, b: Value) -> Value:
        """Return ``a * b``."""

    @abstractmethod
    def divide(self, a: Value, b: Value) -> Value:
        """Return ``a / b``."""

    @abstractmethod
    def maximum(self, a: Value, b: Value) -> Value:
        """Return the larger of two."""

    @abstractmethod
    def minimum(self, a: Value, b: Value) -> Value:
        """Return the smaller of two."""

    @abstractmethod
    def exp(self, x: Value) -> Value:
        """Return the exponential."""

    @abstractmethod
    def log(self, x: Value) -> Value:
        """Return the natural logarithm."""

    @abstractmethod
    def sqrt(self, x: Value) -> Value:
        """Return the square root."""

    @abstractmethod
    def abs(self, x: Value) -> Value:
        """Return the size without the sign."""

    @abstractmethod
    def sin(self, x: Value) -> Value:
        """Return the sine."""

    @abstractmethod
    def cos(self, x: Value) -> Value:
        """Return the cosine."""

    @abstractmethod
    def tanh(self, x: Value) -> Value:
        """Return the hyperbolic tangent."""

    @abstractmethod
    def erf(self, x: Value) -> Value:
        """Return the error function."""

    @abstractmethod
    def sigmoid(self, x: Value) -> Value:
        """Return ``1 / (1 + exp(-x))``."""

    @abstractmethod
    def softplus(self, x: Value) -> Value:
        """Return ``log(1 + exp(x))``."""

    @abstractmethod
    def elu(self, x: Value) -> Value:
        """Return x where it is positive, else ``exp(x) - 1``."""

    @abstractmethod
    def selu(self, x: Value) -> Value:
        """Return the scaled exponential linear unit (Klambauer et al. 2017, Eq. 2)."""

    @abstractmethod
    def mish(self, x: Value) -> Value:
        """Return ``x * tanh(softplus(x))``."""

    @abstractmethod
    def is_nan(self, x: Value) -> Value:
        """Tell where there is no number."""

    @abstractmethod
    def greater(self, a: Value, b: Value) -> Value:
        """Tell where ``a > b``."""

    @abstractmethod
    def where(self, condition: Value, a: Value, b: Value) -> Value:
        """Return `a` where a condition holds, else `b`."""

    @abstractmethod
    def as_float(self, x: Value) -> Value:
        """Return booleans as 0 and 1 in float32."""

    # ------------------------------------------------------------------ shapes

    @abstractmethod
    def columns(self, x: Value, start: int, stop: int | None) -> Value:
        """Return some entries of the last axis; None is its end."""

    @abstractmethod
    def concatenate(self, values: Sequence[Value]) -> Value:
        """Return values one behind the other along the last axis."""

    @abstractmethod
    def new_axis(self, x: Value, axis: int) -> Value:
        """Return a value with one more axis, of length 1."""

    @abstractmethod
    def flat_rows(self, x: Value) -> Value:
        """Return ``[B, n]``: all entries of a row behind one another."""

    @abstractmethod
    def rows_of_shape(self, x: Value, shape: Shape) -> Value:
        """Return rows of another shape with the same entries."""

    @abstractmethod
    def mean(self, x: Value, axes: tuple[int, ...], *, keep_axes: bool = False) -> Value:
        """Return the mean over some axes."""

    @abstractmethod
    def transposed(self, x: Value) -> Value:
        """Return a value of three axes with the last two exchanged."""

    @abstractmethod
    def largest(self, x: Value, axes: tuple[int, ...]) -> Value:
        """Return the largest value over some axes."""

    # ------------------------------------------------------------------ products

    @abstractmethod
    def matmul(self, a: Value, b: Value) -> Value:
        """Return the product of matrices in the last two axes; others are repeated as needed."""

    @abstractmethod
    def matmul_by_group(self, x: Value, kernels: Value) -> Value:
        """Return ``[B, G, m]`` of ``[B, G, n]`` and one kernel for each group, ``[G, n, m]``."""

    @abstractmethod
    def convolution(self, x: Value, kernel: Value, bias: Value, padding: str) -> Value:
        """Return a convolution of ``[B, ..., C]`` of stride 1.

        Of an odd number of zeros, as padding "same" may ask for, the larger part stands behind.
        """

    @abstractmethod
    def pooling(self, x: Value, window: tuple[int, ...], kind: str) -> Value:
        """Return "max" or "average" of each window of ``[B, ..., C]``; what is over falls away."""

    # ------------------------------------------------------------------ steps

    @abstractmethod
    def last_step(self, x: Value) -> Value:
        """Return the last entry of the second axis."""

    def recurrent(self, cell: RecurrentCell, x: Value) -> Value | None:
        """Return what a recurrent layer gives without masks; None where `scan` is to do it."""
        del cell, x

    @abstractmethod
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
        """Return the first state ``[B, n]`` after all steps, or after each, ``[B, T, n]``.

        Parameters
        ----------
        step : callable
            ``step(*inputs, *states)`` gives the new states of one step.
        inputs : sequence of value
            Values ``[B, T, ...]``; a step gets ``[B, ...]`` of each.
        widths : sequence of int
            Of the states ``[B, n]``, which are 0 at first.
        backwards : bool
            Begin with the last step.
        every_step : bool
        in_place : bool
            Of every step: let it stand where its inputs do, even if steps go backwards.
        """

    # ------------------------------------------------------------------ the rest

    @abstractmethod
    def softmax(self, x: Value) -> Value:
        """Return exponentials divided by their sum over the last axis."""

    @abstractmethod
    def one_hot(self, codes: Value, n_levels: int) -> Value:
        """Return ``[B, n]``, 1 at the number in ``[B, 1]``, counted from 1; zeros for others."""

    @abstractmethod
    def take(self, table: Value, index: Value) -> Value:
        """Return the table's rows of these numbers, given as float32; fractions are cut off."""
