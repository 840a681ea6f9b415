"""Reading ahead: each block once an epoch, no more rows than two buffers, no thread left over."""

import threading
import tracemalloc

import numpy as np
import pytest

from skdl import MLPRegressor, RowSource
from skdl.training.engine._row_reader import RowReader, shuffled_by_blocks


class Numbers:
    """As many rows as wanted, made when they are read: each is its own number."""

    def __init__(self, n_rows, n_features=1):
        self.shape, self.dtype = (n_rows, n_features), np.dtype(np.float32)
        self.read = []

    def __getitem__(self, rows):
        self.read.append(rows.start)
        numbers = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
        return np.repeat(numbers / self.shape[0], self.shape[1], axis=1)


@pytest.fixture(name="data")
def numbers():
    return Numbers(1000)


def shuffled(rows, source, epoch=0):
    return shuffled_by_blocks(rows, source, np.random.default_rng(7), np.random.default_rng(epoch))


def test_the_order_is_a_permutation_in_which_buffers_stay_together(data):
    source = RowSource(data, buffer_rows=200)  # 40 blocks of 25 rows
    order = shuffled(np.arange(1000, dtype=np.int32), source)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    for start in range(0, 1000, 200):
        assert len(np.unique(order[start : start + 200] // 25)) == 8
    assert not np.array_equal(order, shuffled(np.arange(1000, dtype=np.int32), source, epoch=1))
    # Mixed over the blocks of a buffer.
    assert len(np.unique(order[:25] // 25)) > 4


def test_some_rows_come_in_the_blocks_in_which_all_come():
    source = RowSource(Numbers(800), buffer_rows=160)  # 40 blocks of 20 rows
    every = shuffled(np.arange(800, dtype=np.int32), source)
    odd = shuffled(np.arange(1, 800, 2, dtype=np.int32), source)
    np.testing.assert_array_equal(np.sort(odd), np.arange(1, 800, 2))
    for i in range(5):
        blocks = set((every[160 * i : 160 * (i + 1)] // 20).tolist())
        assert set((odd[80 * i : 80 * (i + 1)] // 20).tolist()) == blocks


def test_blocks_are_read_once_and_let_go(data):
    source = RowSource(data, buffer_rows=200)
    data.read.clear()
    reader = RowReader(source)
    order = shuffled(np.arange(1000, dtype=np.int32), source)
    reader.expect(order)
    for rows in order.reshape(50, 20):
        out = np.empty((20, 1), np.float32)
        reader.read(rows, out)
        np.testing.assert_array_equal(out[:, 0], rows.astype(np.float32) / 1000)
    assert len(data.read) == len(set(data.read)) == 40
    assert reader.most_held <= 400
    assert reader.n_held == 0


def test_batches_that_come_in_another_order_than_expected_are_read(data):
    reader = RowReader(RowSource(data, buffer_rows=100))
    order = np.arange(1000, dtype=np.int32)
    reader.expect(order)
    for rows in order.reshape(10, 100)[::-1]:
        out = np.empty((100, 1), np.float32)
        reader.read(rows, out)
        np.testing.assert_array_equal(out[:, 0], rows.astype(np.float32) / 1000)


def test_rows_that_fit_into_two_buffers_are_read_once_for_all_epochs(data):
    source = RowSource(data, buffer_rows=500)
    data.read.clear()
    MLPRegressor((4,), epochs=3, batch_size=100, random_state=0).fit(source, np.arange(1000.0))
    assert len(data.read) == len(source.block_starts) - 1


def test_a_fit_leaves_no_thread_behind(data):
    class Broken(Numbers):
        def __getitem__(self, rows):
            if rows.start > 500:
                raise OSError("gone")
            return super().__getitem__(rows)

    model = MLPRegressor((4,), epochs=1, batch_size=10, random_state=0)
    model.fit(RowSource(data, buffer_rows=50), np.arange(1000.0))
    with pytest.raises(OSError, match="gone"):
        model.fit(RowSource(Broken(1000), buffer_rows=50), np.arange(1000.0))
    for thread in threading.enumerate():
        if thread.name == "skdl-rows":
            thread.join(5)
            assert not thread.is_alive()


def test_memory_is_that_of_the_buffers_whatever_the_number_of_rows():
    model = MLPRegressor((4,), epochs=1, batch_size=1000, random_state=0)
    peaks = []
    for n_rows in (40_000, 160_000):
        source, y = RowSource(Numbers(n_rows, 50), buffer_rows=4000), np.arange(n_rows, dtype=float)
        tracemalloc.start()
        try:
            model.fit(source, y)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # 120,000 more rows of 200 bytes are 24 MB. Targets and the order of rows are held.
    assert peaks[1] - peaks[0] < 120_000 * 100
