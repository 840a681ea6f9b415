"""Which inputs of a graph may hold missing numbers: asked of the estimator, by example."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skdl.export._graph import InputColumn

__all__ = ["note_refused_gaps"]

# Of a sequence; steps are alike.
_MOST_STEPS = 16


def note_refused_gaps(inputs: Sequence[InputColumn], estimator: Any, X: Any) -> None:
    """Note the inputs whose missing numbers the estimator refuses.

    Nodes of ONNX pass a NaN on, or make a number of it: the file would predict something.

    Parameters
    ----------
    inputs : sequence of InputColumn
        Those of numbers are changed.
    estimator : estimator
        Fitted.
    X : DataFrame or array-like
        Rows that it predicts, the first of which is tried with gaps.
    """
    if isinstance(X, pd.DataFrame):
        row = X.iloc[[0]]
        of_numbers = [i for i in inputs if i.kind == "number" and _may_have_gaps(row[i.name])]
        if not _takes(estimator, _with_gaps(row, [column.name for column in of_numbers])):
            for column in of_numbers:
                column.refuses_gaps = not _takes(estimator, _with_gaps(row, [column.name]))
    elif inputs[0].kind == "array" and inputs[0].dtype.startswith("float"):
        row = np.array(X[:1], inputs[0].dtype)
        is_table = row.ndim == len(("rows", "columns"))
        n_tried = row.shape[1] if is_table else min(row.shape[1], _MOST_STEPS)
        refused = [i for i in range(n_tried) if not _takes(estimator, _with_gap(row, i))]
        inputs[0].refuses_gaps = refused if is_table else len(refused) == n_tried


def _may_have_gaps(column: pd.Series) -> bool:
    """Tell whether a column is the same kind of numbers with a NaN in it."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _with_gaps(row: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    row = row.copy()
    for name in names:
        row[name] = np.nan
    return row


def _with_gap(row: np.ndarray, column: int) -> np.ndarray:
    """Return a row with a gap in one column, or in one step of a sequence."""
    row = row.copy()
    row[:, column] = np.nan
    return row


def _takes(estimator: Any, row: Any) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.predict(row)
        except Exception:  # noqa: BLE001 - however it refuses
            return False
    return True
