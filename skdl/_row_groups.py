"""Groups of rows: checked once at the door, then where a table is split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skdl._validation import show
from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_is_array", "checked_groups"]

_FORM = "an array with a group for each row of X, such as X['patient']"


def checked_groups(owner: str, groups: Any, n_rows: int) -> NDArray[Any]:
    """Return the group of each row.

    Parameters
    ----------
    owner : str
        Begins the messages.
    groups : array-like of shape (n_rows,)
        As the user passed it.
    n_rows : int

    Returns
    -------
    groups : ndarray of shape (n_rows,)
        Labels that can be sorted.

    Raises
    ------
    InvalidParameterError
        If these are no groups of so many rows.
    ValueError
        If groups are missing.
    """
    check_is_array(owner, groups)
    # As objects, since NaN in a list with texts would become a text.
    cells = np.asarray(groups, object) if isinstance(groups, list | tuple) else np.asarray(groups)
    if cells.ndim != 1 and cells.shape[1:] != (1,):
        raise InvalidParameterError(f"{owner}: groups is of shape {cells.shape}. Expected {_FORM}.")
    cells = cells.ravel()
    if len(cells) != n_rows:
        raise InvalidParameterError(
            f"{owner}: groups has {len(cells)} entries. Expected one per row of X, {n_rows}."
        )
    missing = pd.isna(cells)
    if n_missing := int(missing.sum()):
        values = "value" if n_missing == 1 else "values"
        raise ValueError(
            f"{owner}: groups holds {n_missing} missing {values} (None or NaN), the first in row "
            f"{int(missing.argmax())}. Expected a group for each row: name them, or remove those "
            "rows."
        )
    labels: NDArray[Any] = np.asarray(groups).ravel() if cells.dtype == object else cells
    _check_order(owner, labels)
    return labels


def check_is_array(owner: str, groups: Any) -> None:
    """Refuse groups that are no array, such as the name of a column."""
    if np.ndim(groups) == 0 or isinstance(groups, str | bytes | dict):
        raise InvalidParameterError(
            f"{owner}: groups={show(groups)} is not allowed. Expected {_FORM}."
        )


def _check_order(owner: str, labels: NDArray[Any]) -> None:
    """Refuse labels of types that cannot be sorted together, as splitters do."""
    if labels.dtype != object or not pd.api.types.infer_dtype(labels).startswith("mixed"):
        return
    try:
        np.unique(labels)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels.tolist()})
        raise InvalidParameterError(
            f"{owner}: groups holds labels of several types ({', '.join(kinds)}), which cannot be "
            "sorted. Expected one type, such as groups.astype(str)."
        ) from error
