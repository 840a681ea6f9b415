"""The inputs of a graph, read from rows such as it will be given."""

from __future__ import annotations

from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from skdl.exceptions import ExportError
from skdl.export._graph import InputColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skdl.export._graph import Graph, Table

__all__ = ["add_inputs"]

_DTYPES = {"number": "float64", "string": "string", "datetime": "int64", "timedelta": "int64"}


def add_inputs(graph: Graph, X: Any, features: Sequence[str] | None = None) -> Table:
    """Add one input for each column of a DataFrame, or one for an array, as a table.

    Parameters
    ----------
    graph : Graph
    X : DataFrame or array-like
    features : sequence of str, optional
        Names of the columns in ``fit``, in whose order the table is to have them.

    Raises
    ------
    ExportError
        If there are no rows, or a column holds what no input can.
    """
    if hasattr(X, "columns") and hasattr(X, "shape"):
        return _add_columns(graph, X, features)
    if sparse.issparse(X):
        raise ExportError(
            "to_onnx: X is sparse, but ONNX takes dense rows. Expected X.toarray(), of some rows."
        )
    try:
        rows = np.asarray(X)
    except ValueError as error:
        raise ExportError(
            "to_onnx: X holds rows of unequal length. Expected an array of one length: of "
            "sequences, steps of NaN at the end and a network with mask_missing=True."
        ) from error
    if rows.dtype.kind not in "fiub" or rows.ndim < 2:
        raise ExportError(
            f"to_onnx: X is an array of shape {rows.shape} and dtype {rows.dtype}. Expected a "
            "DataFrame, or rows of numbers."
        )
    _check_rows(len(rows))
    dtype = str(rows.dtype) if str(rows.dtype) in {"float32", "uint8"} else "float64"
    return (graph.add_input(InputColumn("X", "array", dtype, list(rows.shape[1:]))),)


def _check_rows(n_rows: int) -> None:
    if n_rows == 0:
        raise ExportError(
            "to_onnx: X has no rows. Expected some, on which the file is compared with the "
            "estimator."
        )


def _add_columns(graph: Graph, X: Any, features: Sequence[str] | None) -> Table:
    names = list(X.columns)
    if features is not None and set(features) <= set(names):
        names = [name for name in names if names.count(name) > 1] or list(features)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ExportError(
            f"to_onnx: the columns of X are called {names[:5]}. Expected names that are text, "
            "each of them once: they become the names of the file's inputs."
        )
    _check_rows(X.shape[0])
    table = []
    for name in names:
        kind = _kind_of(name, X[name])
        table.append(graph.add_input(InputColumn(name, kind, _DTYPES[kind], [1])))
    return tuple(table)


def _kind_of(name: str, values: Any) -> str:
    """Return the kind of input that a column of pandas or polars becomes."""
    if isinstance(values, pd.Series):
        types, dtype = pd.api.types, values.dtype
        if types.is_numeric_dtype(dtype):
            return "number"
        if types.is_datetime64_any_dtype(dtype):
            return "datetime"
        if types.is_timedelta64_dtype(dtype) or getattr(dtype, "kind", "") == "m":  # of Arrow
            return "timedelta"
        is_category = isinstance(dtype, pd.CategoricalDtype)
        cells = dtype.categories.tolist() if is_category else values[~values.isna()].tolist()
        return _kind_of_cells(name, cells)
    kind = str(values.dtype)
    if kind.startswith(("Date", "Duration")):
        return "timedelta" if kind.startswith("Duration") else "datetime"
    return _kind_of_cells(name, [cell for cell in values.to_list() if cell is not None])


def _kind_of_cells(name: str, cells: Sequence[Any]) -> str:
    if all(isinstance(cell, str) for cell in cells):
        return "string"
    if all(isinstance(cell, Number | np.bool_) for cell in cells):
        return "number"
    other = next(cell for cell in cells if not isinstance(cell, str | Number))
    raise ExportError(
        f"to_onnx: column {name!r} of X holds {other!r} of type {type(other).__name__}, which no "
        "input of ONNX can. Expected text, numbers, booleans, or dates and durations of a dtype "
        "of their own (pd.to_datetime, pd.to_timedelta)."
    )
