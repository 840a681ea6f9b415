"""Thirty kinds of input, fitted, predicted and cross-validated: they work, or the cure is named."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import sparse

from skdl import MLPClassifier
from skdl._input_kinds import cure_for
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import cross_validate
from tests.checks import slow_but

NAMES = list("abcd")
X = np.random.default_rng(0).integers(-9, 10, size=(40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
SMALL = {"hidden_units": 4, "epochs": 1, "random_state": 0}


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[20 * index : 20 * index + 20], Y[20 * index : 20 * index + 20]


def frame():
    return pd.DataFrame(X, columns=NAMES)


def of(package):
    return pytest.importorskip(package)


def memmap(folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def hdf5(folder):
    return of("h5py").File(folder / "X.h5", "w").create_dataset("X", data=X)


WORK = {
    "float64": lambda _: X.astype(np.float64),
    "integers": lambda _: X.astype(np.int64),
    "objects": lambda _: X.astype(object),
    "Fortran order": lambda _: np.asfortranarray(X),
    "list of lists": lambda _: X.tolist(),
    "tuple of arrays": lambda _: tuple(X),
    "masked array without gaps": lambda _: np.ma.masked_array(X),
    "DataFrame": lambda _: frame(),
    "nullable DataFrame": lambda _: frame().astype("Float64"),
    "sparse DataFrame": lambda _: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(X)),
    "DataFrame of Arrow": lambda _: of("pyarrow") and frame().astype("float32[pyarrow]"),
    "Arrow table": lambda _: of("pyarrow").table(dict(zip(NAMES, X.T, strict=True))),
    "polars": lambda _: of("polars").DataFrame(X, schema=NAMES),
    "memory map": memmap,
    "HDF5": hdf5,
    "zarr": lambda _: of("zarr").array(X),
    "Dask array": lambda _: of("dask.array").from_array(X, chunks=(20, 4)),
    "Dask frame": lambda _: of("dask.dataframe").from_pandas(frame(), npartitions=2),
    "tensor of TensorFlow": lambda _: tf.constant(X),
    "tensor of torch": lambda _: of("torch").as_tensor(X),
    "jax array": lambda _: of("jax.numpy").asarray(X),
    "CSR": lambda _: sparse.csr_array(X),
    "CSC": lambda _: sparse.csc_array(X),
    "COO": lambda _: sparse.coo_array(X),
}
# With a part of the message that says what to write instead.
REFUSED = {
    "tf.data.Dataset": (
        lambda _: tf.data.Dataset.from_tensor_slices((X, Y)).batch(8),
        "can be read",
    ),
    "PyDataset": (lambda _: Batches(), "targets go apart"),
    "generator": (lambda _: (row for row in X), "can be read"),
    "iterator": (lambda _: iter(X), r"numpy.stack\(list\(rows\)\)"),
    "path": (lambda folder: folder / "X.parquet", "ParquetRows"),
    "text": (lambda folder: str(folder / "X.parquet"), "ParquetRows"),
    "lazy polars": (lambda _: of("polars").LazyFrame(X, schema=NAMES), r"X.collect\(\)"),
    "dict of columns": (lambda _: dict(zip(NAMES, X.T, strict=True)), r"pandas.DataFrame\(X\)"),
    "set": (lambda _: set(range(40)), "a list or an array"),
    "None": (lambda _: None, "array|table"),
}
ARRAYS_REFUSED = {
    "records": (frame().to_records(index=False), r"pandas.DataFrame\(X\)"),
    "column of rows": (pd.Series(list(X)), r"numpy.stack\(list\(X\)\)"),
}
ERRORS = (TypeError, ValueError)


@pytest.fixture(scope="module")
def expected():
    """The network of plain arrays, what it predicts, and its scores in cross-validation."""
    network = MLPClassifier(**SMALL).fit(X, Y)
    scores = cross_validate(MLPClassifier(**SMALL), X, Y, cv=2)["test_score"]
    return network, network.predict_proba(X), scores


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names, but:UserWarning")
@pytest.mark.parametrize(
    "kind", slow_but(WORK, "objects", "DataFrame", "Dask frame", "HDF5", "tensor of TensorFlow")
)
def test_a_kind_of_input_that_works(kind, expected, tmp_path):
    network, probabilities, scores = expected
    rows = WORK[kind](tmp_path)
    fitted = MLPClassifier(**SMALL).fit(rows, Y)
    np.testing.assert_allclose(fitted.predict_proba(X), probabilities, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(network.predict_proba(rows), probabilities, rtol=1e-4, atol=1e-6)
    own = cross_validate(MLPClassifier(**SMALL), rows, Y, cv=2)
    np.testing.assert_allclose(own["test_score"], scores)


@pytest.mark.filterwarnings("ignore:Determining the column names")
@pytest.mark.parametrize("kind", REFUSED)
def test_a_kind_of_input_that_is_refused_with_the_cure(kind, expected, tmp_path):
    make, cure = REFUSED[kind]
    with pytest.raises(ERRORS, match=rf"^MLPClassifier: X is.*Expected.*({cure})|{cure}"):
        MLPClassifier(**SMALL).fit(make(tmp_path), Y)
    with pytest.raises(ERRORS, match=cure):
        expected[0].predict(make(tmp_path))
    with pytest.raises(ERRORS, match=cure):
        cross_validate(MLPClassifier(**SMALL), make(tmp_path), Y, cv=2)


@pytest.mark.parametrize("kind", ARRAYS_REFUSED)
def test_an_array_that_is_no_table_is_refused_with_the_cure(kind, expected):
    rows, cure = ARRAYS_REFUSED[kind]
    with pytest.raises(ERRORS, match=cure):
        MLPClassifier(**SMALL).fit(rows, Y)
    with pytest.raises(ERRORS, match=cure):
        expected[0].predict(rows)


@pytest.mark.parametrize(
    "kind",
    slow_but(["Dask array", "tensor of TensorFlow", "jax array", "polars"], "tensor of TensorFlow"),
)
def test_targets_of_other_kinds(kind, expected):
    y = {
        "Dask array": lambda: of("dask.array").from_array(Y, chunks=20),
        "tensor of TensorFlow": lambda: tf.constant(Y),
        "jax array": lambda: of("jax.numpy").asarray(Y),
        "polars": lambda: of("polars").Series(Y),
    }[kind]()
    fitted = MLPClassifier(**SMALL).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), expected[1], rtol=1e-4, atol=1e-6)
    own = cross_validate(MLPClassifier(**SMALL), X, y, cv=2)
    np.testing.assert_allclose(own["test_score"], expected[2])


def test_sequences_of_several_lengths_are_no_mistake():
    rows = np.empty(12, object)
    rows[:] = [X[:10, :1]] * 6 + [X[:7, :1]] * 6
    assert cure_for(rows) is None


def test_the_cure_comes_before_any_training():
    with pytest.raises(
        InvalidParameterError, match=r"^cross_validate: X is a generator or an iterator"
    ):
        cross_validate(MLPClassifier(**SMALL), iter(X), Y)
