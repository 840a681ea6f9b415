"""Forward passes by NumPy: no TensorFlow is imported, nothing is compiled."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from skdl.layers._operations import Operations, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skdl.layers._shapes import Shape

__all__ = ["NumpyOperations"]

# Beyond, mish is x itself in float32, and the square of the exponential would overflow.
_MISH_IS_X = np.float32(20.0)
# Of one product, which OpenBLAS then computes in the thread that calls it.
_MOST_MULTIPLICATIONS = 2**18
# Klambauer et al. 2017, "Self-normalizing neural networks", Eq. 14.
_SELU_SCALE = np.float32(1.0507009873554805)
_SELU_ALPHA = np.float32(1.6732632423543772)


def _expm1(x: Value) -> Value:
    # np.expm1 has no vectorised loop. Both are right to 6e-8, where the function is near 0 too.
    return np.exp(x) - np.float32(1.0)


def _float32(x: Value) -> Any:
    # Python's numbers would do, but NumPy 1 takes arrays without axes for float64.
    return np.float32(x) if isinstance(x, int | float) else x


class NumpyOperations(Operations):
    """Values are NumPy arrays of float32."""

    def add(self, a: Value, b: Value) -> Value:
        return _float32(a) + _float32(b)

    def subtract(self, a: Value, b: Value) -> Value:
        return _float32(a) - _float32(b)

    def multiply(self, a: Value, b: Value) -> Value:
        return _float32(a) * _float32(b)

    def divide(self, a: Value, b: Value) -> Value:
        return _float32(a) / _float32(b)

    def maximum(self, a: Value, b: Value) -> Value:
        return np.maximum(_float32(a), _float32(b))

    def minimum(self, a: Value, b: Value) -> Value:
        return np.minimum(_float32(a), _float32(b))

    def exp(self, x: Value) -> Value:
        return np.exp(x)

    def log(self, x: Value) -> Value:
        return np.log(x)

    def sqrt(self, x: Value) -> Value:
        return np.sqrt(x)

    def abs(self, x: Value) -> Value:
        return np.abs(x)

    def sin(self, x: Value) -> Value:
        return np.sin(x)

    def cos(self, x: Value) -> Value:
        return np.cos(x)

    def tanh(self, x: Value) -> Value:
        return np.tanh(x)

    def erf(self, x: Value) -> Value:
        return special.erf(x)

    def sigmoid(self, x: Value) -> Value:
        return special.expit(x)

    def softplus(self, x: Value) -> Value:
        return np.logaddexp(x, np.float32(0.0))

    def elu(self, x: Value) -> Value:
        return np.where(x > 0, x, _expm1(np.minimum(x, np.float32(0.0))))

    def selu(self, x: Value) -> Value:
        negative = _SELU_ALPHA * _expm1(np.minimum(x, np.float32(0.0)))
        return _SELU_SCALE * np.where(x > 0, x, negative)

    def mish(self, x: Value) -> Value:
        # As `skdl.layers._activation.mish`, by a single exponential.
        e = np.exp(np.minimum(x, _MISH_IS_X))
        n = e * (e + np.float32(2.0))
        return x * (n / (n + np.float32(2.0)))

    def is_nan(self, x: Value) -> Value:
        return np.isnan(x)

    def greater(self, a: Value, b: Value) -> Value:
        return a > b

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        return np.where(condition, _float32(a), _float32(b))

    def as_float(self, x: Value) -> Value:
        return x.astype(np.float32)

    def columns(self, x: Value, start: int, stop: int | None) -> Value:
        return x[..., start:stop]

    def concatenate(self, values: Sequence[Value]) -> Value:
        return np.concatenate(values, axis=-1)

    def new_axis(self, x: Value, axis: int) -> Value:
        return np.expand_dims(x, axis)

    def flat_rows(self, x: Value) -> Value:
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def rows_of_shape(self, x: Value, shape: Shape) -> Value:
        return x.reshape(len(x), *shape)

    def mean(self, x: Value, axes: tuple[int, ...], *, keep_axes: bool = False) -> Value:
        return x.mean(axes, keepdims=keep_axes)

    def transposed(self, x: Value) -> Value:
        return np.swapaxes(x, -1, -2)

    def last_step(self, x: Value) -> Value:
        return x[:, -1]

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
        n_rows, n_steps = inputs[0].shape[:2]
        states: Sequence[Value] = [np.zeros((n_rows, width), np.float32) for width in widths]
        order = range(n_steps)[:: -1 if backwards else 1]
        seen = np.empty((n_rows, n_steps, widths[0]), np.float32) if every_step else None
        for place, t in enumerate(order):
            states = step(*[value[:, t] for value in inputs], *states)
            if seen is not None:
                seen[:, t if in_place else place] = states[0]
        return states[0] if seen is None else seen

    def largest(self, x: Value, axes: tuple[int, ...]) -> Value:
        return x.max(axes)

    def matmul(self, a: Value, b: Value) -> Value:
        # Row by row: what BLAS makes of a row in a larger product depends on the other rows, on
        # where it stands, and on threads that take longer to wake than the product.
        if b.ndim == 2 and (a.ndim == 2 or a.shape[-2] * b.size > _MOST_MULTIPLICATIONS):
            return np.matmul(a[..., None, :], b)[..., 0, :]
        return np.matmul(a, b)

    def matmul_by_group(self, x: Value, kernels: Value) -> Value:
        return np.matmul(x[..., None, :], kernels)[..., 0, :]

    def convolution(self, x: Value, kernel: Value, bias: Value, padding: str) -> Value:
        sides = kernel.shape[:-2]
        if padding == "same":
            around = [((k - 1) // 2, k // 2) for k in sides]
            x = np.pad(x, [(0, 0), *around, (0, 0)])
        space = [n - k + 1 for n, k in zip(x.shape[1:-1], sides, strict=True)]
        result = np.broadcast_to(bias, (len(x), *space, len(bias))).copy()
        # By corners of the kernel: windows laid out side by side would be many times the image.
        for corner in itertools.product(*map(range, sides)):
            cut = [slice(start, start + n) for start, n in zip(corner, space, strict=True)]
            result += self.matmul(x[(slice(None), *cut)], kernel[corner])
        return result

    def pooling(self, x: Value, window: tuple[int, ...], kind: str) -> Value:
        counts = [n // k for n, k in zip(x.shape[1:-1], window, strict=True)]
        whole = [slice(n * k) for n, k in zip(counts, window, strict=True)]
        sides = [side for n, k in zip(counts, window, strict=True) for side in (n, k)]
        blocks = x[(slice(None), *whole)].reshape(len(x), *sides, x.shape[-1])
        axes = tuple(2 + 2 * axis for axis in range(len(window)))
        return blocks.max(axes) if kind == "max" else blocks.mean(axes)

    def softmax(self, x: Value) -> Value:
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def one_hot(self, codes: Value, n_levels: int) -> Value:
        return (codes == np.arange(1, n_levels + 1, dtype=np.float32)).astype(np.float32)

    def take(self, table: Value, index: Value) -> Value:
        return table[index.astype(np.int64)]
