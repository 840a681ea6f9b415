"""Large offsets of features, which are taken away in float64 before float32 loses the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.layers import robust_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["in_float32", "large_offsets"]

# A median of so many times the distance between the quartiles: float32 is then off by 6e-5 of it.
# Below, numbers stay as they are.
_LARGE = 1000.0
# Rows that are looked at: the exact offset does not matter, as the scale is learned behind it.
_SAMPLE = 10_000
_BLOCK_CELLS = 2**21


def large_offsets(X: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return what to subtract from each column: its median, where that is large, else 0.

    Parameters
    ----------
    X : ndarray of float64, shape (n_rows, n_columns)
        Numbers and NaN.

    Returns
    -------
    offsets : ndarray of shape (n_columns,), or None
        None if no column has a large offset.

    Examples
    --------
    >>> X = 1.7e9 + np.arange(60.0)[:, None] * [1.0, 1e9]
    >>> large_offsets(X)
    array([1.7e+09, 0.0e+00])
    """
    sample = X[:: max(1, len(X) // _SAMPLE)]
    median, scale = robust_units(sample)
    is_large = np.isfinite(scale) & (np.abs(median) > _LARGE * scale)
    return np.where(is_large, median, 0.0) if is_large.any() else None


def in_float32(
    owner: str, X: NDArray[Any], offsets: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Subtract offsets in float64, some rows at a time, and return float32.

    Raises
    ------
    ValueError
        If a number is too large for float32.
    """
    if X.dtype == np.float32 and offsets is None:
        return X
    result = np.empty_like(X, dtype=np.float32)
    n_rows = max(1, _BLOCK_CELLS // max(1, X.shape[1]))
    for start in range(0, len(X), n_rows):
        rows = slice(start, start + n_rows)
        with np.errstate(over="ignore"):
            result[rows] = X[rows] if offsets is None else X[rows] - offsets
        if np.isinf(result[rows]).any():
            raise ValueError(
                f"{owner}: Input X contains infinity or a value too large for dtype('float32'). "
                "Expected finite numbers of less than 3e38."
            )
    return result
