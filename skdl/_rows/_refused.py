"""What looks like rows and cannot be trained on, and what to write instead."""

from __future__ import annotations

from typing import Any

__all__ = ["refuse_streams"]

_OWN = (
    "Expected rows that can be read in any order: an array, or skdl.RowSource(data) of an array on "
    "disk or of an object with __len__ and __getitem__"
)
_PARQUET = "Expected rows = skdl.ParquetRows({0}, target=...), and rows.y as targets"
# By package and name of the class, as none of these packages need be there.
_KINDS = {
    ("builtins", "str"): ("a path", _PARQUET.format("path")),
    ("pathlib", "PurePath"): ("a path", _PARQUET.format("path")),
    ("builtins", "generator"): ("a generator, which gives its rows once and in one order", _OWN),
    ("tensorflow", "DatasetV2"): ("a tf.data.Dataset, which gives batches in one order", _OWN),
    ("keras", "PyDataset"): (
        "a keras.utils.PyDataset, whose items are batches",
        f"{_OWN}, whose items are rows; targets go apart, as y",
    ),
    ("torch", "DataLoader"): ("a DataLoader, which gives batches in one order", _OWN),
    ("pyarrow", "Dataset"): ("a pyarrow.dataset.Dataset", _PARQUET.format("dataset")),
}


def refuse_streams(owner: str, X: Any, name: str = "X") -> None:
    """Refuse streams of batches and paths, and say what to write instead.

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
        If it is a ``tf.data.Dataset``, a generator, a ``keras.utils.PyDataset``, a PyTorch
        ``DataLoader``, a path or a dataset of Arrow.
    """
    for kind in type(X).__mro__:
        told = _KINDS.get((kind.__module__.partition(".")[0], kind.__name__))
        if told is not None:
            raise TypeError(f"{owner}: {name} is {told[0]}. {told[1]}.")
