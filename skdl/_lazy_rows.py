"""Some rows of an array, without a copy of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from numpy.typing import NDArray

__all__ = ["LazyRows", "TakesLazyRows", "lazy_rows"]

# Rows, height and width; or rows, length and channels.
_AXES_OF_IMAGES = 3


class LazyRows:
    """Rows of an array in the form of an array, as far as splitting and our networks need it.

    What scikit-learn does with the rows of a fold, indexing with positions, gives another view.
    So the folds of a cross-validation hold the images once, where copies of each fold's rows would
    hold them as many times as there are folds.

    Parameters
    ----------
    base : ndarray of shape (n_rows, ...)
        uint8, or finite float32: views are not checked again.
    index : ndarray of int, default=None
        Positions of the rows in `base`; None is all of them.
    """

    def __init__(self, base: NDArray[Any], index: NDArray[np.int32] | None = None) -> None:
        self.base = base
        self.index = np.arange(len(base), dtype=np.int32) if index is None else index

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the rows together."""
        return (len(self.index), *self.base.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.base.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.base.dtype

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.base[i] for i in self.index)

    def __getitem__(self, key: Any) -> LazyRows:
        # scikit-learn says rows[positions, ...].
        return type(self)(self.base, self.index[key[0] if isinstance(key, tuple) else key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        del copy
        rows = self.base[self.index]
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def transpose(self, *axes: int) -> LazyRows:
        """Return the same rows with other axes in the second place and behind it."""
        return LazyRows(self.base.transpose(*axes), self.index)

    def reshape(self, n_rows: int, *shape: int) -> LazyRows:
        """Return the same rows, each of another shape."""
        del n_rows
        return LazyRows(self.base.reshape(len(self.base), *shape), self.index)

    def min(self) -> Any:
        """Return the least element of all rows, those left out included."""
        return self.base.min()

    def max(self) -> Any:
        """Return the greatest element of all rows, those left out included."""
        return self.base.max()

    def scatter_to_base(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of these rows in the places of the base's, zeros elsewhere."""
        result = np.zeros((len(self.base), *values.shape[1:]), values.dtype)
        result[self.index] = values
        return result


class TakesLazyRows:
    """Base of estimators whose methods take `LazyRows` as they take arrays."""

    def _lazy_rows(self, X: Any) -> Any:
        """Return rows so that those of a fold are no copy, or `X` itself."""
        return lazy_rows(X)

    def _form_of_lazy_rows(self) -> Hashable:
        """Return the parameters that decide on it; estimators alike in them share the rows."""


def lazy_rows(X: Any) -> Any:
    """Return images as `LazyRows` if an estimator need neither check nor convert them.

    Parameters
    ----------
    X : array-like
        Rows. Only arrays with three axes or more are worth it: tables are small.

    Returns
    -------
    rows : LazyRows or array-like
        `X` itself if it is anything else than an array of images, of uint8 or of finite float32.

    Examples
    --------
    >>> type(lazy_rows(np.zeros((2, 8, 8), np.uint8))).__name__
    'LazyRows'
    >>> type(lazy_rows(np.zeros((2, 8)))).__name__
    'ndarray'
    """
    if not isinstance(X, np.ndarray) or X.ndim < _AXES_OF_IMAGES:
        return X
    is_ready = X.dtype == np.uint8 or (X.dtype == np.float32 and np.isfinite(X).all())
    return LazyRows(X) if is_ready else X
