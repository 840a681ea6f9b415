"""Layers of several networks that share weights (Gorishniy et al. 2025, "TabM")."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers._rule import Affine, Rule, Variable, penalty_of_kernel
from skdl.layers._shapes import concatenated, shape_of
from skdl.networks import PACKAGE, shared_variables

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from skdl.layers._operations import Operations, Value
    from skdl.layers._rule import Arrays, LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["SharedDenseRule", "SharedHeadsRule", "shared_mean_layer"]


@functools.cache
def _shared_dense() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SharedDense(keras.layers.Layer):
        """``((x * r) W) * s + b`` for several networks that share W; r, s, b are their own.

        The first one takes ``(batch, inputs)`` and makes ``(batch, networks, units)`` of it. There
        r has one factor for all that an embedded feature became: `embedding_width` inputs for
        each of the first `n_numeric` features (None: all), one for each of the rest.
        """

        def __init__(
            self,
            units: int,
            n_shared: int,
            is_first: bool,
            embedding_width: int = 1,
            n_numeric: int | None = None,
            kernel_regularizer: keras.Regularizer | None = None,
            **keywords: object,
        ) -> None:
            super().__init__(**keywords)
            self.units = units
            self.n_shared = n_shared
            self.is_first = is_first
            self.embedding_width = embedding_width
            self.n_numeric = n_numeric
            self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

        def build(self, input_shape: Shape) -> None:
            width = input_shape[-1]
            self.parts = [
                self.add_weight(
                    name=name,
                    shape=shape,
                    initializer="glorot_uniform" if name == "kernel" else "zeros",
                    regularizer=self.kernel_regularizer if name == "kernel" else None,
                )
                for name, shape in shared_variables(
                    self.n_shared, width, self.units, self.embedding_width, self.n_numeric
                )
            ]

        def call(self, x: Tensor) -> Any:
            before, kernel, behind, bias = self.parts
            if self.is_first:
                x = ops.expand_dims(x, 1) * self._of_inputs(before)
            else:
                x *= 1.0 + before
            return ops.matmul(x, kernel) * (1.0 + behind) + bias

        def _of_inputs(self, factors: Tensor) -> Any:
            if self.embedding_width == 1:
                return factors
            n_numeric = factors.shape[1] if self.n_numeric is None else self.n_numeric
            numbers = ops.repeat(factors[:, :n_numeric], self.embedding_width, axis=1)
            return ops.concatenate([numbers, factors[:, n_numeric:]], 1)

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return (input_shape[0], self.n_shared, self.units)

        def get_config(self) -> dict[str, Any]:
            names = ("units", "n_shared", "is_first", "embedding_width", "n_numeric")
            return {
                **super().get_config(),
                **{name: getattr(self, name) for name in names},
                "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            }

    return SharedDense


class SharedDenseRule(Rule):
    """``((x * r) W) * s + b`` for networks that share W (Gorishniy et al. 2025, section 3.3).

    Rows are ``[M, B, F]`` in front of the first such layer and ``[M, B, k, n]`` behind it. There r
    starts at random, which is what makes the networks differ: -1 or 1, or, as in the authors' own
    program, one standard normal number for all that an embedded feature became. It stays one, so
    that the product with W is taken once for all networks. Elsewhere r and s start as 1.
    """

    scalars = ("l1", "l2")

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _shared_dense()

    def structure(self, layer: Layer) -> Hashable:
        return layer["is_first"], _is_embedded(layer), layer.get("n_numeric")

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        embedded = (layer.get("embedding_width", 1), layer.get("n_numeric"))
        named = shared_variables(layer["n_shared"], shape[-1], layer["units"], *embedded)
        return [
            Variable(
                position, name, own, initializer="glorot_uniform" if name == "kernel" else "zeros"
            )
            for name, own in named
        ]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        del shape
        return (layer["n_shared"], layer["units"])

    def peak_width(self, layer: Layer, shape: Shape) -> int:
        return int(layer["n_shared"]) * int(shape[-1])

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        if variable.name != "before" or not layer["is_first"]:
            return None
        if _is_embedded(layer):
            return generator.standard_normal(variable.shape, dtype=np.float32)
        return generator.choice(np.array([-1, 1], np.float32), variable.shape)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        before, kernel, behind, bias = context.variables
        if not layer["is_first"]:
            products = _products(x * (1.0 + before[:, None]), kernel)
        elif _is_embedded(layer):
            products = _products_of_embedded(x, before, kernel, layer["n_numeric"])
        else:
            products = _products(x[:, :, None, :] * before[:, None], kernel)
        return products * (1.0 + behind[:, None]) + bias[:, None], []

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        return penalty_of_kernel(variables[1], scalars)

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        before, kernel, behind, bias = weights
        if not layer["is_first"]:
            products = ops.matmul(ops.multiply(x, np.float32(1.0) + before), kernel)
        elif _is_embedded(layer):
            products = _forward_of_embedded(ops, x, before, kernel, layer)
        else:
            products = ops.matmul(ops.multiply(ops.new_axis(x, 1), before), kernel)
        return ops.add(ops.multiply(products, np.float32(1.0) + behind), bias)

    def behind_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        del layer
        if affine.offset.any():
            return None
        before, kernel, behind, bias = weights
        factor = np.broadcast_to(affine.factor, len(kernel))
        return [before, (kernel * factor[:, None]).astype(np.float32), behind, bias]

    def before_affine(self, layer: Layer, weights: Arrays, affine: Affine) -> Arrays | None:
        del layer
        before, kernel, behind, bias = weights
        factors = (1.0 + behind.astype(np.float64)) * affine.factor - 1.0
        offsets = bias.astype(np.float64) * affine.factor + affine.offset
        return [before, kernel, factors.astype(np.float32), offsets.astype(np.float32)]


def _is_embedded(layer: Layer) -> bool:
    """Tell whether factors of a shared layer are for features that became several inputs."""
    return bool(layer.get("embedding_width", 1) > 1)


def _products(x: Tensor, kernel: Tensor) -> Tensor:
    """Return x W, ``[M, B, k, n]``, of ``[M, B, k, F]``."""
    import tensorflow as tf

    shape = shape_of(x)
    rows = tf.reshape(x, [shape[0], shape[1] * shape[2], shape[3]])
    return tf.reshape(tf.matmul(rows, kernel), concatenated(shape[:3], [-1]))


def _products_of_embedded(
    x: Tensor, factors: Tensor, kernel: Tensor, n_numeric: int | None
) -> Tensor:
    """Return ``(x * r) W`` of ``[M, B, F]``, where r has one factor for each embedded feature."""
    import tensorflow as tf

    shape = shape_of(x)
    m, n_rows, n_inputs = shape[0], shape[1], shape[2]
    n_factors = shape_of(factors)[2]
    n_features = n_factors if n_numeric is None else n_numeric
    end = n_inputs - (n_factors - n_features)
    width = end // n_features
    own_x = tf.reshape(x[..., :end], [m, n_rows, n_features, width])
    own_kernel = tf.reshape(kernel[:, :end], [m, n_features, width, -1])
    by_feature = tf.einsum("mbfw,mfwn->mbfn", own_x, own_kernel)
    products = tf.einsum("mbfn,mkf->mbkn", by_feature, factors[..., :n_features])
    if n_numeric is None:
        return products
    rest = x[:, :, None, end:] * factors[:, None, :, n_features:]
    return products + _products(rest, kernel[:, end:])


def _forward_of_embedded(
    ops: Operations,
    x: Value,
    factors: NDArray[np.float32],
    kernel: NDArray[np.float32],
    layer: Layer,
) -> Value:
    """Return ``(x * r) W``, ``[B, k, n]``, as `_products_of_embedded` does for many members."""
    width, n_numeric = layer["embedding_width"], layer["n_numeric"]
    n_features = factors.shape[1] if n_numeric is None else n_numeric
    end = n_features * width
    numbers = ops.rows_of_shape(ops.columns(x, 0, end), (n_features, width))
    own_kernel = kernel[:end].reshape(n_features, width, -1)
    by_feature = ops.matmul_by_group(numbers, own_kernel)
    products = ops.matmul(np.ascontiguousarray(factors[:, :n_features]), by_feature)
    if end == len(kernel):
        return products
    rest = ops.new_axis(ops.columns(x, end, None), 1)
    return ops.add(products, ops.matmul(ops.multiply(rest, factors[:, n_features:]), kernel[end:]))


@functools.cache
def _shared_heads() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SharedHeads(keras.layers.Layer):
        """The last layers of several networks, which share nothing here."""

        def __init__(
            self,
            units: int,
            n_shared: int,
            kernel_regularizer: keras.Regularizer | None = None,
            **keywords: object,
        ) -> None:
            super().__init__(**keywords)
            self.units = units
            self.n_shared = n_shared
            self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

        def build(self, input_shape: Shape) -> None:
            shape = (self.n_shared, input_shape[-1], self.units)
            self.kernel = self.add_weight(
                name="kernel", shape=shape, regularizer=self.kernel_regularizer
            )
            self.bias = self.add_weight(
                name="bias", shape=(shape[0], shape[2]), initializer="zeros"
            )

        def call(self, x: Tensor) -> Any:
            return ops.einsum("bki,kio->bko", x, self.kernel) + self.bias

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return (input_shape[0], self.n_shared, self.units)

        def get_config(self) -> dict[str, Any]:
            return {
                **super().get_config(),
                "units": self.units,
                "n_shared": self.n_shared,
                "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            }

    return SharedHeads


class SharedHeadsRule(Rule):
    """The last layers of networks that share the others."""

    scalars = ("l1", "l2")

    def keras_class(self, layer: Layer) -> type[keras.layers.Layer]:
        del layer
        return _shared_heads()

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        n_shared, units = layer["n_shared"], layer["units"]
        return [
            Variable(position, "kernel", (n_shared, shape[-1], units)),
            Variable(position, "bias", (n_shared, units)),
        ]

    def output_shape(self, layer: Layer, shape: Shape) -> tuple[int, ...]:
        del shape
        return (layer["n_shared"], layer["units"])

    def initial(
        self, layer: Layer, variable: Variable, generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        del layer
        if variable.name != "kernel":
            return None
        # Glorot and Bengio 2010, Eq. 16, for each of the layers.
        limit = np.float32(math.sqrt(6 / sum(variable.shape[1:])))
        return (generator.random(variable.shape, dtype=np.float32) * 2 - 1) * limit

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer
        kernel, bias = context.variables
        return tf.einsum("mbki,mkio->mbko", x, kernel) + bias[:, None], []

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        return penalty_of_kernel(variables[0], scalars)

    def forward(self, ops: Operations, layer: Layer, weights: Arrays, x: Value) -> Value:
        del layer
        kernel, bias = weights
        return ops.add(ops.matmul_by_group(x, kernel), bias)


@functools.cache
def shared_mean_layer() -> type[keras.layers.Layer]:
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class SharedMean(keras.layers.Layer):
        """The mean of what several networks predict."""

        def call(self, x: Tensor) -> Any:
            return ops.mean(x, 1)

        def compute_output_shape(self, input_shape: Shape) -> Any:
            return (input_shape[0], input_shape[2])

    return SharedMean
