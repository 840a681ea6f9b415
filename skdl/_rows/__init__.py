"""Rows that do not fit into memory: read from files or arrays on disk when they are needed."""

from skdl._rows._parquet import ParquetRows
from skdl._rows._prepared import PreparedRows
from skdl._rows._source import RowSource, source_of, targets_of

__all__ = ["ParquetRows", "PreparedRows", "RowSource", "source_of", "targets_of"]

# Where users find them.
for _public in (ParquetRows, RowSource):
    _public.__module__ = "skdl"
