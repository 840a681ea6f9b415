"""The rows of a whole stack in one place: identical arrays are held once, whoever brings them."""

from __future__ import annotations

import itertools
import weakref
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from skdl.training.engine._calls import Data

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from skdl.training._job import Rows

__all__ = ["RowPool", "batches", "bucket", "chunks", "rounded_up", "rows_in_place"]


# Rows that are compared at once.
_BLOCK = 4096
# Of TensorFlow's memory, in bytes.
_ALIGNMENT = 64


class RowPool:
    """Inputs, targets and weights of several jobs, one after another, and where each begins.

    Parameters
    ----------
    rows : sequence of Rows
        As many as there are members, or a multiple of it.

    Attributes
    ----------
    x_offsets, y_offsets : ndarray of int32
        First row of each entry of `rows` among the inputs and among the targets.
    """

    def __init__(self, rows: Sequence[Rows]) -> None:
        self.x_offsets, inputs = _shared([entry.X for entry in rows])
        targets: list[Any] = []
        seen: dict[Hashable, int] = {}
        offsets, total = [], 0
        for entry in rows:
            key = (id(entry.y), id(entry.weight))
            if key not in seen:
                seen[key] = total
                targets.append((entry.y, entry.weight))
                total += len(entry.y)
            offsets.append(seen[key])
        self.y_offsets = np.array(offsets, np.int32)
        self.held_as = "uint8" if all(i.dtype == np.uint8 for i in inputs) else "float32"
        if sparse.issparse(inputs[0]):
            self.held_as = "csr"
        self._inputs = inputs
        self._starts = np.cumsum([0, *[array.shape[0] for array in inputs[:-1]]])
        self._targets = targets
        self._name = next(_names)
        _pools[self._name] = self

    def tensors(self, held_as: str, *, padded: bool) -> Data:
        """Return the rows as tensors.

        Parameters
        ----------
        held_as : {"float32", "uint8", "csr", "in place"}
            The pool's own way, or ``"in place"``: inputs stay where they are, and the tensor is
            what `rows_in_place` knows the pool by. Keep the pool until the last batch.
        padded : bool
            Rows of zeros bring all to one of a few lengths, so that a program that is compiled
            for one shape serves other numbers of rows.
        """
        import tensorflow as tf

        if held_as == "in place":
            inputs: Any = tf.constant(self._name, tf.int64)
        elif held_as == "csr":
            matrix = (
                self._inputs[0] if len(self._inputs) == 1 else sparse.vstack(self._inputs, "csr")
            )
            inputs = (
                tf.constant(matrix.data, tf.float32),
                tf.constant(matrix.indices, tf.int32),
                tf.constant(matrix.indptr, tf.int32),
            )
        else:
            inputs = _on_device(_joined(self._inputs, padded=padded).astype(held_as, copy=False))
        y = _joined([y for y, _ in self._targets], padded=padded)
        weights = _joined(
            [np.ones(len(y), np.float32) if w is None else w for y, w in self._targets],
            padded=padded,
        )
        return Data(inputs, tf.constant(y, tf.float32), tf.constant(weights, tf.float32))

    def rows(self, index: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the rows ``[M, B, ...]`` of an index ``[M, B]``, each line of it in one array."""
        batch = np.empty((*index.shape, *self._inputs[0].shape[1:]), np.float32)
        for own, line in zip(batch, index, strict=True):
            array = int(np.searchsorted(self._starts, line[0], "right")) - 1
            own[...] = self._inputs[array][line - self._starts[array]]
        return batch


_names = itertools.count()
_pools: weakref.WeakValueDictionary[int, RowPool] = weakref.WeakValueDictionary()


def rows_in_place(name: NDArray[np.int64], index: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the rows of an index in the pool of this name: the way out of a graph to them."""
    return _pools[int(name)].rows(index)


def _on_device(array: NDArray[np.generic]) -> Any:
    """Return an array as a tensor by a single copy, where ``tf.constant`` makes two.

    TensorFlow takes memory as it is if it is aligned, which NumPy's is not.
    """
    import tensorflow as tf

    room = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return tf.experimental.dlpack.from_dlpack(copy.__dlpack__())


def _joined(arrays: list[NDArray[Any]], *, padded: bool) -> NDArray[Any]:
    n_rows = sum(len(array) for array in arrays)
    room = rounded_up(n_rows) - n_rows if padded else 0
    if room:
        arrays = [*arrays, np.zeros((room, *arrays[0].shape[1:]), arrays[0].dtype)]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _shared(arrays: Sequence[Any]) -> tuple[NDArray[np.int32], list[Any]]:
    """Return the offset of each array in the list of different ones, and that list."""
    by_identity: dict[Hashable, int] = {}
    by_content: dict[Hashable, list[tuple[Any, int]]] = {}
    offsets, distinct, total = [], [], 0
    for array in arrays:
        identity = _identity(array)
        offset = by_identity.get(identity)
        if offset is None:
            candidates = by_content.setdefault(_fingerprint(array), [])
            offset = next((o for other, o in candidates if _equal(other, array)), None)
            if offset is None:
                offset = total
                candidates.append((array, offset))
                distinct.append(array)
                total += array.shape[0]
            by_identity[identity] = offset
        offsets.append(offset)
    return np.array(offsets, np.int32), distinct


def _identity(array: Any) -> Hashable:
    """Return what only the same array has, or another view of the same memory."""
    if sparse.issparse(array):
        return id(array)
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str


def _fingerprint(array: Any) -> Hashable:
    data = array.data if sparse.issparse(array) else array
    return array.shape, zlib.crc32(np.ascontiguousarray(data).data)


def _equal(a: Any, b: Any) -> bool:
    if sparse.issparse(a):
        return (
            np.array_equal(a.indptr, b.indptr)
            and np.array_equal(a.indices, b.indices)
            and np.array_equal(a.data, b.data)
        )
    # Block by block, as each comparison makes an array of its own.
    return a.shape == b.shape and all(
        _is_same(a[i : i + _BLOCK], b[i : i + _BLOCK]) for i in range(0, len(a), _BLOCK)
    )


def _is_same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if np.array_equal(a, b):
        return True
    # Missing steps of sequences.
    return a.dtype.kind == "f" and np.array_equal(a, b, equal_nan=True)


def batches(
    orders: Sequence[NDArray[np.int32]], batch_size: int, n_joined: Sequence[int] = ()
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Cut each member's rows into batches.

    Parameters
    ----------
    orders : sequence of ndarray of int32
        Each member's rows in the order of use.
    batch_size : int
    n_joined : sequence of int
        By how many rows each member's last batch exceeds the others, see `Job.n_joined_rows`.

    Returns
    -------
    index : ndarray of shape (n_steps, n_members, batch_size + max(n_joined))
        Rows of each batch; row 0 pads where a member has none left.
    counts : ndarray of shape (n_steps, n_members)
        How many rows of each batch count.
    """
    if any(n_joined):
        return _with_joined(orders, batch_size, n_joined)
    lengths = np.array([len(order) for order in orders], np.int32)
    n_steps = max(1, -(-int(lengths.max()) // batch_size))
    flat = np.zeros((len(orders), n_steps * batch_size), np.int32)
    for line, order in zip(flat, orders, strict=True):
        line[: len(order)] = order
    index = flat.reshape(len(orders), n_steps, batch_size).transpose(1, 0, 2)
    starts = np.arange(n_steps, dtype=np.int32)[:, None] * batch_size
    counts = np.clip(lengths[None, :] - starts, 0, batch_size)
    return np.ascontiguousarray(index), counts.astype(np.int32)


def _with_joined(
    orders: Sequence[NDArray[np.int32]], batch_size: int, n_joined: Sequence[int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Cut rows into batches, the last rows of some members joined to the batch before them."""
    apart = [len(order) - n for order, n in zip(orders, n_joined, strict=True)]
    index, counts = batches([order[:n] for order, n in zip(orders, apart, strict=True)], batch_size)
    index = np.pad(index, ((0, 0), (0, 0), (0, max(n_joined))))
    for member, (order, n) in enumerate(zip(orders, apart, strict=True)):
        last = n // batch_size - 1
        index[last, member, batch_size : batch_size + len(order) - n] = order[n:]
        counts[last, member] += len(order) - n
    return index, counts


def chunks(orders: Sequence[NDArray[np.int32]], width: int) -> tuple[Any, Any]:
    """Cut rows that are only looked at into as few batches as memory allows.

    Parameters
    ----------
    orders : sequence of ndarray of int32
    width : int
        Numbers that a row needs on its way through the network.
    """
    most = max(1, 8_000_000 // max(1, width * len(orders)))
    longest = max(len(order) for order in orders)
    return batches(orders, min(most, bucket(longest)))


def rounded_up(count: int) -> int:
    """Round up to 4, 5, 6 or 7 times a power of two: at most a quarter more."""
    quarter = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // quarter) * quarter


def bucket(n_rows: int) -> int:
    """Round a number of rows up to one of a few sizes.

    oneDNN keeps a compiled primitive, 0.3 MB a layer, for every shape that it meets.
    """
    return 1 << max(3, (n_rows - 1).bit_length()) if n_rows <= 1024 else -(-n_rows // 1024) * 1024
