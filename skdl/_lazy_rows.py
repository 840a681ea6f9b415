"""Some rows of an array, without a copy of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator

    from numpy.typing import NDArray

__all__ = ["LazyRows", "all_finite", "lazy_rows", "views_of"]

# Rows, height and width; or rows, length and channels.
_AXES_OF_IMAGES = 3
# Numbers that are looked at, or copied, at once.
_BLOCK = 2**20
_lock = threading.Lock()


class LazyRows:
    """Rows of an array in the form of an array, as far as splitting and our networks need it.

    What scikit-learn does with the rows of a fold, indexing with positions, gives another view.
    So the folds of a cross-validation hold a table once, where copies of each fold's rows would
    hold it as many times as there are folds.

    Parameters
    ----------
    base : ndarray of shape (n_rows, ...), or RowSource
        As the network takes rows; views are not checked again.
    index : ndarray of int, default=None
        Positions of the rows in `base`; None is all of them.
    source : array or DataFrame, default=None
        What `base` was made of, with its names of columns; None is `base` itself.
    """

    def __init__(
        self, base: Any, index: NDArray[np.int32] | None = None, source: Any = None
    ) -> None:
        self.base = base
        self.index = np.arange(len(base), dtype=np.int32) if index is None else index
        self.source = base if source is None else source

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

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            # scikit-learn says rows[positions, ...]; whoever wants columns gets an array.
            if len(key) != len(("rows", ...)) or key[1] is not Ellipsis:
                return np.asarray(self)[key]
            key = key[0]
        index = self.index[key]
        return type(self)(self.base, index, self.source) if np.ndim(index) else self.base[index]

    def _rows(self, index: NDArray[np.int32]) -> NDArray[Any]:
        """Return rows of the base as an array."""
        is_array = isinstance(self.base, np.ndarray)
        rows: NDArray[Any] = self.base[index] if is_array else self.base.rows_at(index)
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        del copy
        rows = self._rows(self.index)
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def copy_to(self, array: NDArray[Any]) -> None:
        """Write the rows into an array of their shape, without an array in between."""
        is_array = isinstance(self.base, np.ndarray)
        if is_array and self.base.dtype == array.dtype and self.base.flags.c_contiguous:
            # The positions are known to be there; NumPy keeps a copy for itself where it checks.
            np.take(self.base, self.index, axis=0, out=array, mode="clip")
            return
        n_rows = max(1, _BLOCK // max(1, array[:1].size))
        for start in range(0, len(self), n_rows):
            some = slice(start, start + n_rows)
            array[some] = self._rows(self.index[some])

    def in_source(self, step: int = 1) -> Any:
        """Return every so many of the rows, as they are in `source`."""
        index = self.index[::step]
        return self.source.iloc[index] if hasattr(self.source, "iloc") else self.source[index]

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


def views_of(
    estimator: Any, X: Any, cache: dict[Hashable, Any], parameters: Collection[str] = ()
) -> Any:
    """Return rows as views, made once for all fits on them.

    Parameters
    ----------
    estimator : object
        What is fitted on some of the rows. Where it has a method ``__lazy_rows__``, its other
        methods take `LazyRows` as they take arrays: it returns all rows as views, if they need
        neither be checked nor be converted for each fold, else the rows themselves. Which of its
        parameters that depends on, ``__lazy_rows_depend_on__`` names.
    X : array-like
        All rows.
    cache : dict
        Views are kept in it, with the rows that they are of.
    parameters : collection of str
        Parameters of the estimator that will be set before it is fitted.

    Returns
    -------
    rows : LazyRows, or `X` itself
    """
    if not hasattr(estimator, "__lazy_rows__"):
        return X
    names = estimator.__lazy_rows_depend_on__
    if not set(names).isdisjoint(parameters):
        return X
    key = (id(X), type(estimator), *(getattr(estimator, name) for name in names))
    with _lock:  # trials of a search begin at the same time
        if key not in cache:
            cache[key] = (X, estimator.__lazy_rows__(X))
        return cache[key][1]


def lazy_rows(X: Any) -> Any:
    """Return images as `LazyRows` if an estimator need neither check nor convert them.

    Parameters
    ----------
    X : array-like
        Rows.

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
    is_ready = X.dtype == np.uint8 or (X.dtype == np.float32 and all_finite(X))
    return LazyRows(X) if is_ready else X


def all_finite(X: NDArray[Any]) -> bool:
    """Tell whether all numbers are finite, without an array of as many truths.

    Examples
    --------
    >>> all_finite(np.zeros((3, 2))), all_finite(np.array([[1.0], [np.inf]]))
    (True, False)
    """
    n_rows = max(1, _BLOCK // max(1, X[:1].size))
    return all(np.isfinite(X[i : i + n_rows]).all() for i in range(0, len(X), n_rows))
