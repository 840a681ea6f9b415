"""Rows of a CSR matrix in a graph, for layers that need no dense ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorflow import Tensor

__all__ = ["SparseRows"]


@dataclasses.dataclass(frozen=True, eq=False)
class SparseRows:
    """The rows ``[M, B, n_features]`` of one batch per member, without their zeros.

    Parameters
    ----------
    values : tensor of shape (n,)
    rows : tensor of shape (n,), int32 or int64
        Of each value: ``member * B + row``, in rising order.
    columns : tensor of shape (n,), of the same type
    shape : tensor of shape (2,), of the same type
        M and B.
    """

    values: Tensor
    rows: Tensor
    columns: Tensor
    shape: Any

    def dense(self, n_features: Any) -> Tensor:
        """Return them with their zeros."""
        import tensorflow as tf

        n_features = tf.cast(n_features, self.rows.dtype)
        flat_shape = [self.shape[0] * self.shape[1], n_features]
        flat = tf.scatter_nd(tf.stack([self.rows, self.columns], 1), self.values, flat_shape)
        return tf.reshape(flat, tf.concat([self.shape, [n_features]], 0))

    def times(self, kernel: Tensor) -> Tensor:
        """Return their product ``[M, B, n_units]`` with a kernel ``[M, n_features, n_units]``.

        One product for all members, whose kernels stand below each other. Each row is summed up on
        its own, in the order of its values, so that company changes no bit.
        """
        import tensorflow as tf

        n_members, n_features, n_units = tf.unstack(tf.shape(kernel, self.rows.dtype), 3)
        members = self.rows // self.shape[1]
        where = tf.stack([self.rows, members * n_features + self.columns], 1)
        shape = tf.stack([self.shape[0] * self.shape[1], n_members * n_features])
        matrix = tf.SparseTensor(tf.cast(where, tf.int64), self.values, tf.cast(shape, tf.int64))
        stacked = tf.reshape(kernel, [-1, n_units])
        result = tf.sparse.sparse_dense_matmul(matrix, stacked)
        return tf.reshape(result, tf.concat([self.shape, [n_units]], 0))
