"""What is no table in memory: brought there where that is plain, else named with what cures it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

__all__ = ["cure_for", "cure_of_array", "in_memory", "refuse_streams"]

_FIT_BY_BLOCK = "or train block by block with partial_fit"
_ON_DISK = (
    "rows that can be read in any order: an array, or skdl.RowSource(data) of an array on disk or "
    f"of an object with __len__ and __getitem__; {_FIT_BY_BLOCK}"
)
_PARQUET = "rows = skdl.ParquetRows({0}, target=...), and rows.y as targets"
# By package and name of a class, as none of these packages need be there.
_CURES = {
    ("tensorflow", "DatasetV2"): (
        "a tf.data.Dataset, which gives batches in one order",
        _ON_DISK,
    ),
    ("keras", "PyDataset"): (
        "a keras.utils.PyDataset, whose items are batches",
        f"{_ON_DISK}. Items are single rows, and targets go apart, as y",
    ),
    ("torch", "DataLoader"): ("a DataLoader, which gives batches in one order", _ON_DISK),
    ("torch", "Dataset"): ("a Dataset of torch, whose items are pairs", _ON_DISK),
    ("polars", "LazyFrame"): ("a LazyFrame, which has no rows yet", "X.collect()"),
    ("pyarrow", "Dataset"): ("a pyarrow.dataset.Dataset", _PARQUET.format("dataset")),
    ("pathlib", "PurePath"): ("a path", _PARQUET.format("path")),
    ("builtins", "str"): (
        "a text",
        f"an array of rows; of Parquet files, {_PARQUET.format('path')}",
    ),
}


_OTHERWISE_INDEXED = {"h5py", "tensorflow", "zarr"}


def in_memory(value: Any) -> Any:
    """Return what can be indexed by rows, as arrays in memory can.

    Collections of Dask, TensorFlow's tensors and arrays in files of zarr and HDF5 are read whole.

    Parameters
    ----------
    value : object

    Returns
    -------
    value : object
        The same, where it is anything else.
    """
    if hasattr(value, "__dask_graph__") and hasattr(value, "compute"):
        return value.compute()
    package = type(value).__module__.partition(".")[0]
    # Not by a list of positions, or one chunk or file access for each row.
    is_read_otherwise = package in _OTHERWISE_INDEXED and hasattr(value, "shape")
    return np.asarray(value) if is_read_otherwise else value


def refuse_streams(owner: str, X: Any, name: str = "X") -> None:
    """Refuse streams of batches, paths and what has no rows yet, and say what to write instead.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins a message.
    X : object
        What was passed as rows.
    name : str, default="X"
        Under which the user knows it.

    Raises
    ------
    TypeError
        If it is one.
    """
    told = _cure_of_stream(X)
    if told is not None:
        raise TypeError(f"{owner}: {name} is {told}")


def _cure_of_stream(value: Any) -> str | None:
    for kind in type(value).__mro__:
        told = _CURES.get((kind.__module__.partition(".")[0], kind.__name__))
        if told is not None:
            return f"{told[0]}. Expected {told[1]}."
    if isinstance(value, Iterator):
        return (
            "a generator or an iterator, which gives its rows once and in one order. Expected "
            f"{_ON_DISK}; in memory numpy.stack(list(rows)) makes one."
        )
    return None


def cure_for(value: Any) -> str | None:
    """Return what an object is that is no table, and what to write instead; None for others.

    Parameters
    ----------
    value : object

    Returns
    -------
    told : str or None
        Goes on after ``"X is "``.
    """
    told = _cure_of_stream(value)
    if told is not None:
        return told
    if isinstance(value, Mapping) and not hasattr(value, "shape"):
        return "a dict. Expected a table, such as pandas.DataFrame(X)."
    if isinstance(value, AbstractSet):
        return "a set, whose entries have no order. Expected a list or an array."
    return None


def cure_of_array(value: Any) -> str | None:
    """Return as `cure_for` what to write instead of an array that is no table of numbers.

    Parameters
    ----------
    value : object
        That could not be read as a table. Networks of sequences take some of these.

    Returns
    -------
    told : str or None
    """
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "names", None):
        return "an array of records. Expected a table, such as pandas.DataFrame(X)."
    is_flat = getattr(value, "ndim", None) == 1 and getattr(dtype, "kind", "") == "O"
    if is_flat and len(value) and isinstance(np.asarray(value)[0], list | tuple | np.ndarray):
        return "a column of rows. Expected a table of numbers, such as numpy.stack(list(X))."
    return None
