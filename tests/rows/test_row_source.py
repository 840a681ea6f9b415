"""Networks on rows that are read when they are needed: equal to networks on rows in memory."""

import pickle
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import skdl
from skdl import CNNClassifier, MLPClassifier, MLPRegressor, RNNClassifier, RowSource
from skdl.model_selection import cross_validate
from skdl.training.engine import _prediction
from tests.checks import slow_but

N_ROWS, N_FEATURES = 500, 5


class Own:
    """Rows of two methods; counts what is read."""

    def __init__(self, rows):
        self.rows = rows
        self.read = []

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        self.read.append((rows.start, rows.stop))
        return self.rows[rows]


@pytest.fixture(scope="module", name="X")
def rows_in_memory():
    return np.random.default_rng(0).standard_normal((N_ROWS, N_FEATURES), np.float32)


@pytest.fixture(scope="module", name="y")
def targets(X):
    return X[:, 0] + X[:, 1] * X[:, 2]


@pytest.fixture(scope="module", name="model")
def in_order():
    """Return a network that meets the rows in their own order, whatever they come from."""
    return MLPRegressor((8,), epochs=2, random_state=0, shuffle=False, batch_size=50)


def clone_of(model, **parameters):
    return type(model)(**{**model.get_params(deep=False), **parameters})


def assert_equal_networks(a, b):
    for one, other in zip(a._trained.arrays, b._trained.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert a.history_ == b.history_


@pytest.mark.parametrize("buffer_rows", [64, 2**17])
def test_rows_in_order_give_the_network_of_rows_in_memory(X, y, model, buffer_rows):
    source = RowSource(Own(X), buffer_rows=buffer_rows)
    a, b = clone_of(model).fit(X, y), clone_of(model).fit(source, y)
    assert_equal_networks(a, b)
    np.testing.assert_array_equal(a.predict(X), b.predict(source))


def test_a_buffer_of_all_rows_shuffles_as_rows_in_memory_are_shuffled(X, y, model):
    a = clone_of(model, shuffle=True).fit(X, y)
    b = clone_of(model, shuffle=True).fit(RowSource(Own(X)), y)
    assert_equal_networks(a, b)


def test_rows_shuffled_by_blocks_are_learned_from(X, y, model):
    source = RowSource(Own(X), buffer_rows=64)
    model = clone_of(model, shuffle=True, epochs=30, learning_rate=0.01, batch_size=32)
    assert model.fit(source, y).score(source, y) > 0.8


def test_weights_validation_rows_and_inner_splits_are_those_of_rows_in_memory(X, y, model):
    weight = (np.arange(N_ROWS) % 3).astype(float)  # a third of the rows is left out
    validation = RowSource(Own(X[:100]), buffer_rows=20)
    a = clone_of(model).fit(X, y, weight, X_val=X[:100], y_val=y[:100])
    b = clone_of(model).fit(RowSource(Own(X), buffer_rows=64), y, weight, validation, y[:100])
    assert_equal_networks(a, b)
    held_out = clone_of(model, early_stopping=True).fit(RowSource(Own(X), buffer_rows=64), y)
    assert len(held_out.history_["val_loss"]) == 2


def test_scaling_and_bins_are_learned_from_the_rows(X, y, model):
    options = {"input_scaling": "smooth_clip", "numeric_embedding": "piecewise_linear", "n_bins": 4}
    a = clone_of(model, **options).fit(X, y)
    b = clone_of(model, **options).fit(RowSource(Own(X), buffer_rows=64), y)
    assert_equal_networks(a, b)


@pytest.mark.slow
def test_large_offsets_are_taken_away_before_numbers_become_float32(X, y, model):
    far = X.astype(np.float64) + 1e9
    a = clone_of(model, input_scaling="smooth_clip").fit(far, y)
    b = clone_of(model, input_scaling="smooth_clip").fit(RowSource(Own(far), buffer_rows=64), y)
    np.testing.assert_allclose(a.predict(far), b.predict(RowSource(Own(far))), rtol=1e-3)
    assert np.std(b.predict(RowSource(Own(far)))) > 0.05


@pytest.mark.slow
def test_missing_numbers_are_taken_where_they_are_in_memory(X, y, model):
    gaps = np.where(np.arange(N_FEATURES) == np.arange(N_ROWS)[:, None] % 20, np.nan, X)
    gaps = gaps.astype(np.float32)
    a = clone_of(model, missing_numbers="learn").fit(gaps, y)
    b = clone_of(model, missing_numbers="learn").fit(RowSource(Own(gaps), buffer_rows=64), y)
    assert_equal_networks(a, b)


def test_folds_are_those_of_rows_in_memory_and_read_each_block_once(X, y, model):
    own = Own(X)
    options = {"cv": 5, "baseline": False}
    expected = cross_validate(clone_of(model), X, y, **options)
    found = cross_validate(clone_of(model), RowSource(own, buffer_rows=64), y, **options)
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])


def test_folds_that_are_shuffled_share_what_is_read(X, y, model):
    own = Own(X)
    source = RowSource(own, buffer_rows=64)
    own.read.clear()
    result = cross_validate(clone_of(model, shuffle=True), source, y, cv=5)
    n_blocks = len(source.block_starts) - 1
    # Two epochs with their held-out rows, and the scores at the end; not five times as many.
    assert len(own.read) <= 6 * n_blocks
    assert set(result.summary().loc["score"].index) == {"MLPRegressor", "baseline"}


def test_scikit_learns_functions_take_views(X, y, model):
    from sklearn.model_selection import cross_val_score

    expected = cross_val_score(clone_of(model), X, y, cv=3)
    source = RowSource(Own(X), buffer_rows=64)
    np.testing.assert_array_equal(cross_val_score(clone_of(model), source, y, cv=3), expected)
    with skdl.lockstep():
        np.testing.assert_allclose(
            cross_val_score(clone_of(model), source, y, cv=3), expected, rtol=1e-5
        )


def test_classes_are_predicted_from_a_source(X, y):
    labels = np.where(y > 0, "up", "down")
    source = RowSource(Own(X), buffer_rows=64)
    model = MLPClassifier((8,), epochs=2, random_state=0, shuffle=False, class_weight="balanced")
    a, b = clone_of(model).fit(X, labels), clone_of(model).fit(source, labels)
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(source))
    np.testing.assert_array_equal(a.predict(X), b.predict(source))
    np.testing.assert_array_equal(b.predict(source[100:200]), b.predict(source)[100:200])


def test_images_of_bytes_stay_bytes_until_the_batch():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 6, 6), np.uint8)
    labels = np.arange(60) % 2
    source = RowSource(images, buffer_rows=16)
    assert source.dtype == np.uint8
    model = CNNClassifier(
        conv_blocks=1, filters=2, hidden_units=4, epochs=2, random_state=0, shuffle=False
    )
    a, b = clone_of(model).fit(images, labels), clone_of(model).fit(source, labels)
    assert_equal_networks(a, b)
    np.testing.assert_array_equal(a.predict_proba(images), b.predict_proba(source))


def _memory_map(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def _hdf5(X, folder):
    import h5py

    return h5py.File(folder / "X.h5", "w").create_dataset("X", data=X, chunks=(60, N_FEATURES))


def _zarr(X, folder):
    zarr = pytest.importorskip("zarr")
    return zarr.create_array(folder / "X.zarr", data=X, chunks=(60, N_FEATURES))


def _dask(X, folder):
    array = pytest.importorskip("dask.array")
    return array.from_array(X, chunks=(70, N_FEATURES))


@pytest.mark.parametrize("stored", slow_but([_memory_map, _hdf5, _zarr, _dask], _hdf5, _zarr))
def test_arrays_on_disk_are_read_in_slices(X, y, model, stored, tmp_path):
    source = RowSource(stored(X, tmp_path), buffer_rows=64)
    np.testing.assert_array_equal(np.asarray(source), X)
    np.testing.assert_array_equal(source[[3, 499, 3]], X[[3, 499, 3]])
    np.testing.assert_array_equal(source[-1], X[-1])
    assert_equal_networks(clone_of(model).fit(X, y), clone_of(model).fit(source, y))


@pytest.mark.parametrize("stored", [_hdf5, _zarr])
def test_blocks_end_where_chunks_do(X, stored, tmp_path):
    source = RowSource(stored(X, tmp_path), buffer_rows=800)
    np.testing.assert_array_equal(source.block_starts, [0, 120, 240, 360, 480, 500])


def test_next_batch_is_made_while_one_is_predicted():
    made = []

    def batches():
        for i in range(4):
            made.append(i)
            yield i

    deadline = time.monotonic() + 20
    for i in _prediction._made_ahead(batches()):
        while len(made) < min(i + 2, 4) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert made == list(range(min(i + 2, 4)))


def test_rows_of_many_batches_are_predicted_as_they_are_in_memory(X, y, model, monkeypatch):
    monkeypatch.setattr(_prediction, "_MOST_NUMBERS", 1)
    many = np.tile(X, (5, 1)) + np.arange(2500)[:, None] / 1000
    fitted = clone_of(model).fit(X, y)
    read_ahead = []
    real = _prediction._made_ahead
    monkeypatch.setattr(_prediction, "_made_ahead", lambda b: read_ahead.append(1) or real(b))
    source = RowSource(Own(many), buffer_rows=600)
    np.testing.assert_array_equal(fitted.predict(source), fitted.predict(many))
    assert read_ahead == [1]


def test_a_pickled_source_holds_no_rows_that_were_read(X):
    source = RowSource(Own(X))
    source.rows_at(np.arange(N_ROWS))
    assert pickle.loads(pickle.dumps(source))._last is None


# ------------------------------------------------------------------------------------- errors


def test_missing_numbers_are_named_by_row_and_column(X, y, model):
    gaps = X.copy()
    gaps[321, 3] = np.nan
    source = RowSource(Own(gaps), buffer_rows=64)
    told = r"MLPRegressor: Input X contains NaN, in columns \[3\], first in row 321.*missing_numb"
    with pytest.raises(ValueError, match=told):
        clone_of(model).fit(source, y)
    fitted = clone_of(model).fit(X, y)
    with pytest.raises(ValueError, match=told):
        fitted.predict(source)


def test_numbers_too_large_for_float32_are_refused(X, y, model):
    large = X.astype(np.float64)
    large[7, 0] = 1e39
    with pytest.raises(ValueError, match=r"too large for dtype.*first in row 7"):
        clone_of(model).fit(RowSource(large), y)


def test_what_reading_fails_with_is_what_fit_raises(X, y, model):
    class Broken(Own):
        def __getitem__(self, rows):
            if rows.start > 200:
                raise OSError("the disk is gone")
            return super().__getitem__(rows)

    with pytest.raises(OSError, match="the disk is gone"):
        clone_of(model).fit(RowSource(Broken(X), buffer_rows=64), y)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (5, "data=5 has no rows to read"),
        (np.zeros(3), "Expected at least one row, and at least one feature"),
        (np.zeros((0, 3)), "Expected at least one row"),
        (np.array([["a"]]), "is of dtype <U1. Expected numbers"),
    ],
)
def test_what_has_no_rows_of_numbers_is_refused(data, told):
    with pytest.raises(ValueError, match=told):
        RowSource(data)


def test_slices_of_another_length_are_refused(X, y, model):
    class Short(Own):
        def __getitem__(self, rows):
            return super().__getitem__(rows)[:10]

    with pytest.raises(ValueError, match=r"rows 0 to 500 of the Short have shape \(10, 5\)"):
        clone_of(model).fit(RowSource(Short(X)), y)


def test_targets_must_be_as_many_as_rows(X, y, model):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clone_of(model).fit(RowSource(X), y[:-1])


def test_targets_are_asked_for(X, model):
    with pytest.raises(ValueError, match="requires y to be passed"):
        clone_of(model).fit(RowSource(X))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return np.zeros((4, 2)), np.zeros(4)


def streams():
    rows = np.zeros((4, 2), np.float32)
    return [
        (tf.data.Dataset.from_tensor_slices((rows, rows[:, 0])).batch(2), "tf.data.Dataset"),
        (Batches(), "keras.utils.PyDataset"),
        ((row for row in rows), "generator"),
        ("trips.parquet", "text"),
    ]


@pytest.mark.parametrize("number", range(4))
def test_streams_are_refused_with_what_to_write(number):
    stream, told = streams()[number]
    with pytest.raises(TypeError, match=f"MLPClassifier: X is a {told}.*rows"):
        MLPClassifier().fit(stream)
    with pytest.raises(TypeError, match=f"cross_validate: X is a {told}"):
        cross_validate(MLPClassifier(), stream)
    with pytest.raises(TypeError, match=f"KerasClassifier: X is a {told}"):
        skdl.KerasClassifier(lambda: None).fit(stream, [0, 1])


def test_networks_that_cannot_read_sources_say_so(X, y):
    with pytest.raises(TypeError, match=r"cannot read batch by batch.*numpy.asarray\(X\)"):
        RNNClassifier(epochs=1).fit(RowSource(X), y > 0)


def test_what_only_keras_can_train_needs_rows_in_memory(X, y, model):
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match=r"through keras.Model.fit.*Expected rows in memory"):
        clone_of(model, optimizer=optimizer).fit(RowSource(X), y)


def test_tables_have_two_axes(y):
    with pytest.raises(ValueError, match=r"Expected two axes.*CNNClassifier"):
        MLPRegressor().fit(RowSource(np.zeros((N_ROWS, 2, 2), np.float32)), y)
