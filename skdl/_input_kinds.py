"""What is no table in memory: brought there where that is plain, else named with what cures it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

__all__ = ["cure_for", "cure_of_array", "in_memory"]

_FIT_BY_BLOCK = "or train block by block with partial_fit"
# By package and name of a class, as none of these packages need be there.
_CURES = {
    ("tensorflow", "DatasetV2"): (
        "a tf.data.Dataset, which gives batches in one order",
        f"numpy.concatenate([x for x, _ in X.as_numpy_iterator()]); {_FIT_BY_BLOCK}",
    ),
    ("keras", "PyDataset"): (
        "a keras.utils.PyDataset, whose items are batches",
        f"numpy.concatenate([X[i][0] for i in range(len(X))]); {_FIT_BY_BLOCK}",
    ),
    ("torch", "DataLoader"): (
        "a DataLoader, which gives batches in one order",
        f"torch.cat([x for x, _ in X]).numpy(); {_FIT_BY_BLOCK}",
    ),
    ("torch", "Dataset"): (
        "a Dataset of torch, whose items are pairs",
        "torch.stack([x for x, _ in X]).numpy()",
    ),
    ("polars", "LazyFrame"): ("a LazyFrame, which has no rows yet", "X.collect()"),
    ("pyarrow", "Dataset"): (
        "a dataset of Arrow, which has no rows in memory",
        f"X.to_table(); {_FIT_BY_BLOCK}, over X.to_batches()",
    ),
    ("pathlib", "PurePath"): ("a path", "the table in it, such as pandas.read_parquet(path)"),
    ("builtins", "str"): (
        "a text",
        "an array of rows; of a file, what pandas.read_parquet(path) reads",
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
    for kind in type(value).__mro__:
        told = _CURES.get((kind.__module__.partition(".")[0], kind.__name__))
        if told is not None:
            return f"{told[0]}. Expected {told[1]}."
    if isinstance(value, Iterator):
        return (
            "an iterator or generator, which gives its rows once and in one order. Expected them "
            f"in memory, numpy.stack(list(rows)); {_FIT_BY_BLOCK}."
        )
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
