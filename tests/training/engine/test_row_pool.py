"""The rows of a stack: one copy at most, none where TensorFlow can take the caller's memory."""

import tracemalloc

import numpy as np
import pytest

from skdl.training._job import Rows
from skdl.training.engine._memory import aligned_zeros, as_tensor
from skdl.training.engine._row_pool import RowPool, batches

N_ROWS, N_FEATURES = 100_000, 50


@pytest.fixture(scope="module", name="X")
def unaligned_table():
    as_tensor(np.zeros(1))  # imports TensorFlow
    # One number further than NumPy's memory begins, which is a multiple of 16 bytes.
    numbers = np.random.default_rng(0).standard_normal(N_ROWS * N_FEATURES + 1, np.float32)
    return numbers[1:].reshape(N_ROWS, N_FEATURES)


def targets(seed=0, n_rows=N_ROWS):
    return np.random.default_rng(seed).standard_normal((n_rows, 1), np.float32)


def peak_of(function):
    """Return a function's result, and by how many bytes of NumPy's it exceeded what was there."""
    tracemalloc.start()
    try:
        result = function()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_table_is_copied_once(X):
    pool = RowPool([Rows(X, targets()), Rows(X, targets(1))])
    data, peak = peak_of(lambda: pool.tensors("float32", padded=True))
    np.testing.assert_array_equal(data.rows.numpy()[:N_ROWS], X)
    # With room for a 32nd more rows, and for each row two targets and two weights.
    assert peak < X.nbytes * (1 + 1 / 32) + 5 * 4 * N_ROWS


def test_an_aligned_table_is_not_copied(X):
    aligned = aligned_zeros(X.shape, np.float32)
    aligned[...] = X
    data, peak = peak_of(
        lambda: RowPool([Rows(aligned, targets())]).tensors("float32", padded=True)
    )
    assert peak < X.nbytes / 10
    np.testing.assert_array_equal(data.rows.numpy(), X)


def test_a_memory_map_is_read_where_it_is(X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.asarray(np.load(tmp_path / "X.npy", mmap_mode="r"))
    data, peak = peak_of(lambda: RowPool([Rows(mapped, targets())]).tensors("float32", padded=True))
    assert peak < X.nbytes / 10
    np.testing.assert_array_equal(data.rows.numpy(), X)


def test_stacks_at_the_same_time_share_one_copy(X):
    pools = [RowPool([Rows(X, targets(seed))]) for seed in range(2)]
    first = pools[0].tensors("float32", padded=True)
    second, peak = peak_of(lambda: pools[1].tensors("float32", padded=True))
    assert second.rows is first.rows
    assert peak < X.nbytes / 10


def test_rows_that_changed_between_fits_are_read_anew(X):
    few = X[:40].copy()
    assert (
        RowPool([Rows(few, targets(n_rows=40))]).tensors("float32", padded=False).rows[0, 0]
        == (X[0, 0])
    )
    few[0, 0] = 7.0
    again = RowPool([Rows(few, targets(n_rows=40))]).tensors("float32", padded=False)
    assert again.rows[0, 0] == 7.0


def test_equal_targets_are_held_once():
    rows, y = np.zeros((40, 3), np.float32), targets(n_rows=40)
    weight = np.arange(40, dtype=np.float32)
    entries = [Rows(rows, y), Rows(rows, y.copy()), Rows(rows, y + 1), Rows(rows, y.copy(), weight)]
    pool = RowPool(entries)
    assert pool.y_offsets.tolist() == [0, 0, 40, 80]
    data = pool.tensors("float32", padded=False)
    np.testing.assert_array_equal(data.targets.numpy(), np.concatenate([y, y + 1, y]))
    np.testing.assert_array_equal(data.weights.numpy(), [*[1] * 80, *range(40)])


def test_batches_are_written_where_tensorflow_reads_them():
    orders = [np.arange(N_ROWS, dtype=np.int32) for _ in range(3)]
    (index, counts), peak = peak_of(lambda: batches(orders, 1024))
    assert peak < 1.1 * index.nbytes
    tensor, peak = peak_of(lambda: as_tensor(index))
    assert peak < index.nbytes / 10
    # 97 full batches and one of 672 rows.
    assert tensor.shape == (98, 3, 1024)
    assert counts.tolist() == [[1024] * 3] * 97 + [[672] * 3]
    np.testing.assert_array_equal(index[:, 1].ravel()[:N_ROWS], orders[1])
    assert not index[97, :, 672:].any()


def test_batches_of_members_that_stop_or_join_their_last_rows():
    orders = [
        np.arange(9, dtype=np.int32),
        np.array([], np.int32),
        np.arange(10, 18, dtype=np.int32),
    ]
    index, counts = batches(iter(orders), 4, [1, 0, 0], lengths=[9, 0, 8], padded=True, width=6)
    assert index.shape == (2, 3, 6)
    np.testing.assert_array_equal(index[:, 0], [[0, 1, 2, 3, 0, 0], [4, 5, 6, 7, 8, 0]])
    np.testing.assert_array_equal(index[:, 2], [[10, 11, 12, 13, 0, 0], [14, 15, 16, 17, 0, 0]])
    assert counts.tolist() == [[4, 0, 4], [5, 0, 4]]
