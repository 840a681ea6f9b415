"""The rows of a whole stack in one place: identical arrays are held once, whoever brings them."""

from __future__ import annotations

import itertools
import math
import threading
import weakref
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from skdl._rows import RowSource
from skdl.layers import blueprint_of
from skdl.training.engine._calls import Data
from skdl.training.engine._devices import has_gpu, index_dtype, on_device
from skdl.training.engine._memory import (
    aligned_zeros,
    as_tensor,
    is_aligned,
    unaligned_empty,
)
from skdl.training.engine._row_reader import RowReader

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from numpy.typing import NDArray

    from skdl.networks import Network
    from skdl.training._job import Rows

__all__ = [
    "SPARSE",
    "RowPool",
    "batches",
    "bucket",
    "chunks",
    "needs_no_zeros",
    "rounded_up",
    "rows_in_place",
]


# Rows that are compared at once.
_BLOCK = 4096
# From so many rows on, one more compilation for another number of them counts for less than memory.
_MANY_ROWS = 2**16
# Arrays of so many bytes are taken as they are, where they can be, without room for more rows.
_MANY_BYTES = 2**24


# What rows of a CSR matrix may be held as: for batches with and without their zeros.
SPARSE = ("csr", "sparse")
# Of the cells, those that are not zero; with more of them dense batches are faster.
_LARGEST_DENSITY = 0.04


def needs_no_zeros(X: Any, network: Network) -> bool:
    """Tell whether batches of these rows are best made without their zeros."""
    return (
        sparse.issparse(X)
        and X.nnz <= _LARGEST_DENSITY * math.prod(X.shape)
        and blueprint_of(network).takes_sparse_rows
    )


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
        # Targets that are equal are held once too, as those of the folds of a classification are.
        places, distinct = _shared([entry.y for entry in rows])
        by_place = dict(zip(np.unique(places).tolist(), distinct, strict=True))
        targets: list[Any] = []
        seen: dict[Hashable, int] = {}
        offsets, total = [], 0
        for entry, place in zip(rows, places.tolist(), strict=True):
            key = (place, id(entry.weight))
            if key not in seen:
                seen[key] = total
                targets.append((by_place[place], entry.weight))
                total += len(entry.y)
            offsets.append(seen[key])
        self.y_offsets = np.array(offsets, np.int32)
        self.held_as = "float32"
        if all(i.dtype == np.uint8 for i in inputs):
            # TensorFlow gathers rows of uint8 on the host; float16 holds 0 to 255 exactly.
            self.held_as = "float16" if has_gpu() else "uint8"
        if sparse.issparse(inputs[0]):
            self.held_as = "csr"
        self._readers = {i: RowReader(x) for i, x in enumerate(inputs) if isinstance(x, RowSource)}
        if self._readers:
            self.held_as = "in place"
        for reader in self._readers.values():
            weakref.finalize(self, reader.close)
        self._inputs = inputs
        self._starts = np.cumsum([0, *[array.shape[0] for array in inputs[:-1]]])
        self._targets = targets
        self._held: _DeviceRows | None = None
        self._name = next(_names)
        _pools[self._name] = self

    def tensors(self, held_as: str, *, padded: bool) -> Data:
        """Return the rows as tensors.

        Parameters
        ----------
        held_as : {"float32", "float16", "uint8", "csr", "sparse", "in place"}
            The pool's own way, ``"sparse"`` for ``"csr"``, or ``"in place"``: inputs stay where
            they are, and the tensor is what `rows_in_place` knows the pool by. Keep the pool until
            the last batch.
        padded : bool
            Rows of zeros bring all to one of a few lengths, so that a program that is compiled
            for one shape serves other numbers of rows.
        """
        import tensorflow as tf

        if held_as == "in place":
            inputs: Any = tf.constant(self._name, tf.int64)
        elif held_as in SPARSE:
            matrix = (
                self._inputs[0] if len(self._inputs) == 1 else sparse.vstack(self._inputs, "csr")
            )
            inputs = on_device(
                (
                    tf.constant(matrix.data, tf.float32),
                    tf.constant(matrix.indices, index_dtype()),
                    tf.constant(matrix.indptr, index_dtype()),
                )
            )
        else:
            self._held = _device_rows(self._inputs, held_as, padded=padded)
            inputs = self._held.tensor
        y = _joined([y for y, _ in self._targets], np.float32, padded=padded)
        weights = aligned_zeros((len(y),), np.float32)
        start = 0
        for own, weight in self._targets:
            weights[start : start + len(own)] = 1 if weight is None else weight
            start += len(own)
        return Data(inputs, *on_device((as_tensor(y), as_tensor(weights))))

    def rows(self, index: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the rows ``[M, B, ...]`` of an index ``[M, B]``, each line of it in one array."""
        batch = unaligned_empty((*index.shape, *self._inputs[0].shape[1:]), np.float32)
        for own, line in zip(batch, index, strict=True):
            array = int(np.searchsorted(self._starts, line[0], "right")) - 1
            within = line - self._starts[array]
            if array in self._readers:
                self._readers[array].read(within, own)
            else:
                own[...] = self._inputs[array][within]
        return batch

    @property
    def is_read(self) -> bool:
        """Whether inputs are read from a source."""
        return bool(self._readers)

    @property
    def error(self) -> Exception | None:
        """What reading has failed with, if it has."""
        return next((r.error for r in self._readers.values() if r.error is not None), None)

    def expect(
        self, index: NDArray[np.int32], counts: NDArray[np.int32], offsets: Sequence[int]
    ) -> None:
        """Let the rows of batches to come be read ahead of time.

        Parameters
        ----------
        index, counts : ndarray of shape (n_steps, n_members, n_rows) and (n_steps, n_members)
            As from `batches`. What pads a batch becomes one of its own rows, which is read anyway.
        offsets : sequence of int
            Where the rows of each member begin among the inputs.
        """
        _pad_by_own_rows(index, counts)
        arrays = np.searchsorted(self._starts, offsets, "right") - 1
        for array, reader in self._readers.items():
            members = np.flatnonzero(arrays == array)
            if len(members):
                reader.expect(index if len(members) == len(arrays) else index[:, members])


def _pad_by_own_rows(index: NDArray[np.int32], counts: NDArray[np.int32]) -> None:
    for step, member in np.argwhere(counts < index.shape[2]).tolist():
        n_rows = counts[step, member]
        if n_rows:
            index[step, member, n_rows:] = index[step, member, 0]
        elif step:
            index[step, member] = index[step - 1, member, 0]


_names = itertools.count()
_pools: weakref.WeakValueDictionary[int, RowPool] = weakref.WeakValueDictionary()


def rows_in_place(name: NDArray[np.int64], index: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the rows of an index in the pool of this name: the way out of a graph to them."""
    return _pools[int(name)].rows(index)


class _DeviceRows:
    """Inputs as one tensor, for all stacks that train on them at the same time.

    Parameters
    ----------
    arrays : list of ndarray
        Kept, as the tensor may be their memory, and so that no other array gets their place.
    tensor : tensor
    """

    def __init__(self, arrays: list[NDArray[Any]], tensor: Any) -> None:
        self.arrays = arrays
        self.tensor = tensor


_on_device: weakref.WeakValueDictionary[Hashable, _DeviceRows] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _device_rows(arrays: list[NDArray[Any]], held_as: str, *, padded: bool) -> _DeviceRows:
    """Return arrays as one tensor; that of another stack, where there is one of the same arrays."""
    key = (tuple(_identity(array) for array in arrays), held_as, padded)
    with _lock:
        held = _on_device.get(key)
        if held is None:
            one = arrays[0]
            is_as_it_should = len(arrays) == 1 and one.dtype == held_as and is_aligned(one)
            if is_as_it_should and (one.nbytes >= _MANY_BYTES or not padded):
                joined = one
            else:
                joined = _joined(arrays, held_as, padded=padded)
            held = _on_device[key] = _DeviceRows(arrays, on_device(as_tensor(joined)))
    return held


def _joined(arrays: Sequence[NDArray[Any]], dtype: Any, *, padded: bool) -> NDArray[Any]:
    """Return the rows of several arrays in one, which TensorFlow takes as it is."""
    n_rows = sum(len(array) for array in arrays)
    room = _room_for(n_rows) if padded else n_rows
    joined = aligned_zeros((room, *arrays[0].shape[1:]), dtype)
    start = 0
    for array in arrays:
        joined[start : start + len(array)] = array
        start += len(array)
    return joined


def _room_for(n_rows: int) -> int:
    """Return for how many rows there is to be room, so that other numbers find a program."""
    if n_rows < _MANY_ROWS:
        return rounded_up(n_rows)
    # 33 to 64 times a power of two: at most a 32nd more.
    step = 1 << ((n_rows - 1).bit_length() - 6)
    return -(-n_rows // step) * step


def _shared(arrays: Sequence[Any]) -> tuple[NDArray[np.int32], list[Any]]:
    """Return the offset of each array in the list of different ones, and that list."""
    by_identity: dict[Hashable, int] = {}
    by_content: dict[Hashable, list[tuple[Any, int]]] = {}
    offsets, distinct, total = [], [], 0
    identities = [_identity(array) for array in arrays]
    # What one array holds need not be looked at.
    is_one = len(set(identities)) == 1
    for identity, array in zip(identities, arrays, strict=True):
        offset = by_identity.get(identity)
        if offset is None:
            candidates = by_content.setdefault(None if is_one else _fingerprint(array), [])
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
    if isinstance(array, RowSource):
        return array.identity
    if sparse.issparse(array):
        return id(array)
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str


def _fingerprint(array: Any) -> Hashable:
    if isinstance(array, RowSource):
        return array.identity
    data = array.data if sparse.issparse(array) else array
    checksum = 0
    # Block by block, as rows that do not follow each other in memory are copied for it.
    for start in range(0, len(data), _BLOCK):
        checksum = zlib.crc32(np.ascontiguousarray(data[start : start + _BLOCK]).data, checksum)
    return array.shape, checksum


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
    orders: Iterable[NDArray[np.int32]],
    batch_size: int,
    n_joined: Sequence[int] = (),
    *,
    lengths: Sequence[int] | None = None,
    padded: bool = False,
    width: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Cut each member's rows into batches.

    Parameters
    ----------
    orders : iterable of ndarray of int32
        Each member's rows in the order of use.
    batch_size : int
    n_joined : sequence of int
        By how many rows each member's last batch exceeds the others, see `Job.n_joined_rows`.
    lengths : sequence of int, optional
        How many rows each member has, where `orders` makes them when asked, one after the other.
    padded : bool
        Whether there is to be room for more batches, as `rounded_up` has it.
    width : int, optional
        Room in each batch, if more than its rows need.

    Returns
    -------
    index : ndarray of shape (n_steps, n_members, batch_size + max(n_joined))
        Rows of each batch; row 0 pads where a member has none left. In memory that TensorFlow
        takes as it is.
    counts : ndarray of shape (n_steps, n_members)
        How many rows of each batch count.
    """
    if lengths is None:
        orders = list(orders)
        lengths = [len(order) for order in orders]
    joined = list(n_joined) or [0] * len(lengths)
    apart = np.array(lengths, np.int64) - joined
    n_steps = max(1, -(-int(apart.max()) // batch_size))
    room = rounded_up(n_steps) if padded else n_steps
    index = aligned_zeros((room, len(lengths), width or batch_size + max(joined)), np.int32)
    starts = np.arange(room)[:, None] * batch_size
    counts = np.clip(apart - starts, 0, batch_size).astype(np.int32)
    for member, (order, n_own) in enumerate(zip(orders, apart.tolist(), strict=False)):
        n_full, n_left = divmod(n_own, batch_size)
        index[:n_full, member, :batch_size] = order[: n_own - n_left].reshape(n_full, batch_size)
        if n_left:
            index[n_full, member, :n_left] = order[n_own - n_left : n_own]
        if n_more := len(order) - n_own:
            index[n_full - 1, member, batch_size : batch_size + n_more] = order[n_own:]
            counts[n_full - 1, member] += n_more
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
