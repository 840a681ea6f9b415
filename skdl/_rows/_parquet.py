"""Rows of Parquet files, and of other datasets of Arrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._rows._parquet_dataset import check_columns, dataset_of, index_columns
from skdl._rows._source import BLOCKS_OF_A_BUFFER, BUFFER_ROWS, CONSTRAINTS, RowSource, merged
from skdl._validation import check_parameters, nearest_name, show
from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["ParquetRows"]

# Rows that are brought from columns into rows at once: their numbers stay in the cache.
_ROWS_AT_ONCE = 512


class ParquetRows(RowSource):
    """Rows of a Parquet file, of a folder of them, or of a ``pyarrow.dataset``.

    Row groups are read when they are needed, as with `RowSource`; targets are read as a whole, and
    ``fit(rows)`` finds them, as ``fit(rows, rows.y)``. Columns of texts and categories are taken by
    networks that take them in DataFrames.

    Parameters
    ----------
    data : str, Path, list of them, or pyarrow.dataset.Dataset
        A file, a folder (also one partitioned as ``name=value``), or a dataset; one of another
        format is read file by file. Files of a folder come in the order of their names as text, as
        in ``pandas.read_parquet``; where some end in ``.parquet``, others are left aside.
    target : str or list of str, default=None
        Columns that are targets, see `y`.
    features : list of str, default=None
        Columns that are features, in this order; by default all but the targets and what pandas
        wrote as an index.
    buffer_rows : int, default=131072
        Rows that are mixed at a time. Up to twice as many are in memory. What is read as a whole,
        such as a row group or a chunk, counts as a buffer if it has more rows.

    Attributes
    ----------
    shape : tuple of int
        Shape of the rows together.
    ndim : int
        Number of axes.
    dtype : dtype
        What the rows are read as: float32, or uint8.
    feature_names : list of str or None
        Names of the features, where they have any.
    block_starts : ndarray of shape (n_blocks + 1,)
        First row of each block, and the number of rows.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    InvalidParameterError
        If there are no such columns, or no rows; or if files differ in their columns.

    Examples
    --------
    >>> import skdl
    >>> rows = skdl.ParquetRows("trips/", target="duration")  # doctest: +SKIP
    >>> model = skdl.MLPRegressor(input_scaling="smooth_clip")  # doctest: +SKIP
    >>> model.fit(rows, rows.y)  # doctest: +SKIP
    """

    feature_names: list[str]

    def __init__(
        self,
        data: Any,
        *,
        target: str | Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        buffer_rows: int = BUFFER_ROWS,
    ) -> None:
        owner = type(self).__name__
        check_parameters(owner, {"buffer_rows": buffer_rows}, CONSTRAINTS)
        self.data = data
        self.target = target
        self.buffer_rows = int(buffer_rows)
        dataset, schema, columns = dataset_of(owner, data)
        # What pandas knows of columns is left aside: it would make some of them an index.
        self._schema = schema.remove_metadata()
        names = list(self._schema.names)
        self._targets = _listed(owner, "target", target, names)
        chosen = _listed(owner, "features", features, names)
        others = {*self._targets, *index_columns(schema)}
        self.feature_names = chosen or [name for name in names if name not in others]
        both = [name for name in self.feature_names if name in self._targets]
        if both:
            raise InvalidParameterError(
                f"{owner}: {both} are among features and target, so that the target would be known "
                "beforehand. Expected each column in one of them."
            )
        if not self.feature_names:
            raise InvalidParameterError(
                f"{owner}: no column of {names} is left as a feature. Expected at least one beside "
                f"target={target!r}."
            )
        check_columns(owner, columns, [*self.feature_names, *self._targets])
        self._file_sizes = {path: Path(path).stat().st_size for path in columns}
        # Pieces of files that are read together, and how many rows each has.
        pieces, sizes = _pieces(dataset)
        if not sizes:
            raise InvalidParameterError(
                f"{owner}: {show(data)} has no rows. Expected at least one."
            )
        every = np.cumsum(sizes).tolist()
        ends = merged(every, max(1, self.buffer_rows // BLOCKS_OF_A_BUFFER))
        numbers = np.searchsorted(ends, every)
        self._pieces: list[list[Any]] = [[] for _ in ends]
        for piece, number in zip(pieces, numbers.tolist(), strict=True):
            self._pieces[number].append(piece)
        self._y: NDArray[Any] | None = None
        self._set_blocks((ends[-1], len(self.feature_names)), np.float32, ends)

    @property
    def y(self) -> NDArray[Any]:
        """Targets of all rows, in their order; read at the first use.

        Raises
        ------
        InvalidParameterError
            If no `target` was named.
        """
        if not self._targets:
            raise InvalidParameterError(
                f"{type(self).__name__}: y was asked for, but no column was named as target. "
                f"Expected target=..., such as target={self._schema.names[-1]!r}."
            )
        if self._y is None:
            tables = [self._table(i, self._targets) for i in range(len(self._pieces))]
            columns = [
                np.concatenate([_values(table.column(name)) for table in tables])
                for name in self._targets
            ]
            is_one = self.target is None or isinstance(self.target, str)
            self._y = columns[0] if is_one else np.column_stack(columns)
        return self._y

    @property
    def is_wide(self) -> bool:
        """Whether numbers have digits that float32 may lose."""
        import pyarrow as pa

        narrow = {pa.float16(), pa.float32(), pa.int8(), pa.int16(), pa.uint8(), pa.uint16()}
        kinds = {self._schema.field(name).type for name in self.feature_names}
        return not kinds <= narrow | {pa.bool_()}

    @property
    def empty_frame(self) -> pd.DataFrame:
        """The features as a DataFrame of no rows, with the types of its columns."""
        import pyarrow as pa

        # In pandas decimals are objects, as are columns without any value; here they are numbers.
        is_number = {
            field.name: pa.types.is_null(field.type) or pa.types.is_decimal(field.type)
            for field in self._schema
        }
        kinds = [
            pa.field(name, pa.float64()) if is_number[name] else self._schema.field(name)
            for name in self.feature_names
        ]
        return pa.schema(kinds).empty_table().to_pandas()

    def read_block(self, number: int, dtype: Any = None) -> NDArray[Any]:
        """Read the rows of a block as numbers.

        Parameters
        ----------
        number : int
            From 0 on.
        dtype : dtype, default=None
            Of the result; `dtype` of the source by default.

        Returns
        -------
        rows : ndarray of shape (n_rows_of_block, n_features)
        """
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        table = self._table(number, self.feature_names)
        columns = [_numbers(column, dtype) for column in table.columns]
        rows = np.empty((table.num_rows, len(columns)), dtype)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = slice(start, start + _ROWS_AT_ONCE)
            for i, column in enumerate(columns):
                rows[some, i] = column[some]
        return rows

    def read_frame(self, number: int) -> pd.DataFrame:
        """Read the features of a block as a DataFrame, texts and categories as they are.

        Parameters
        ----------
        number : int
            From 0 on.

        Returns
        -------
        frame : DataFrame
        """
        return self._table(number, self.feature_names).to_pandas()

    def _table(self, number: int, names: Sequence[str]) -> Any:
        """Read some columns of a block, or say that the files are no longer what they were."""
        import pyarrow as pa

        pieces = self._pieces[number]
        paths = sorted({getattr(piece, "path", "") for piece in pieces})
        owner = type(self).__name__
        unlike_before = OSError(
            f"{owner}: rows of {show(paths)} are not what they were when this {owner} was made. "
            f"Expected files that stay as they are; if they changed, make {owner} anew."
        )
        sizes = self._file_sizes
        if any(_size(path) != sizes[path] for path in paths if path in sizes):
            raise unlike_before
        try:
            table = pa.concat_tables(
                [piece.to_table(schema=self._schema, columns=list(names)) for piece in pieces]
            )
        except MemoryError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise OSError(f"{owner}: rows of {show(paths)} cannot be read: {error}") from error
        start, stop = self.block_starts[number : number + 2].tolist()
        if table.num_rows != stop - start:
            raise unlike_before
        return table


def _size(path: str) -> int | None:
    """Return the bytes of a file; None if it is gone."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return None


def _listed(owner: str, parameter: str, value: Any, names: Sequence[str]) -> list[str]:
    listed = [] if value is None else [value] if isinstance(value, str) else list(value)
    unknown = [name for name in listed if name not in names]
    if unknown:
        nearest = nearest_name(str(unknown[0]), names)
        hint = f" Did you mean {nearest!r}?" if nearest else ""
        raise InvalidParameterError(
            f"{owner}: {parameter}={value!r} names {unknown}, which are no columns.{hint} Expected "
            f"some of {list(names)}."
        )
    return listed


def _pieces(dataset: Any) -> tuple[list[Any], list[int]]:
    """Return the smallest parts of files that can be read by themselves, and their rows."""
    pieces, sizes = [], []
    for fragment in dataset.get_fragments():
        groups = fragment.split_by_row_group() if hasattr(fragment, "row_groups") else [fragment]
        for group in groups:
            is_group = hasattr(group, "row_groups")
            n_rows = sum(g.num_rows for g in group.row_groups) if is_group else group.count_rows()
            if n_rows:
                pieces.append(group)
                sizes.append(int(n_rows))
    return pieces, sizes


def _numbers(column: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    import pyarrow as pa

    wanted = pa.from_numpy_dtype(dtype)
    column = column if column.type == wanted else column.cast(wanted, safe=False)
    return np.asarray(column.to_numpy())


def _values(column: Any) -> NDArray[Any]:
    return np.asarray(column.to_pandas())
