"""Exact duplicates among the rows, and how many of them a split tears apart.

A row that stands in the test part while its twin stands in the training part is scored on an
answer that was seen. Many public data sets hold such rows: 15 % of the red wines, for one.

Two rows are twins if all their values are equal; missing values (NaN, None) equal one another,
and -0.0 equals 0.0. Rows are compared by their bytes, so what is said of them is exact: each row
is hashed once, and only rows of equal hash are then compared in full.
"""

from __future__ import annotations

import warnings
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils import check_consistent_length

from skdl._compat_sklearn import safe_indexing
from skdl._rows import source_of
from skdl.exceptions import DuplicateRowsWarning
from skdl.model_selection._arguments import check_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["duplicate_groups", "rows_on_both_sides", "warn_about_duplicates"]

# Twins of less than this share of the test rows cannot move an accuracy by more than 0.01.
_LEAST_SHARE = 0.01
# Real columns depend on each other, so they make many times the twins of independent ones.
_CHANCE_SHARE = 0.01
# Rows whose bytes are taken at once, and rows from which the frequencies of values are estimated.
_BLOCK, _SAMPLE = 1024, 10_000
# Booleans, numbers, dates and texts of fixed width: what NumPy holds by value.
_PLAIN_KINDS = "biufcmMSU"


def duplicate_groups(X: Any, y: Any = None) -> NDArray[np.intp]:
    """Return the same number for rows that are exactly equal, to be passed as ``groups``.

    Parameters
    ----------
    X : list, array, sparse matrix or frame of shape (n_samples, ...)
        Rows, of any number of axes; columns of frames may be of any type. A list of sequences
        of numbers may hold some of unequal length.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        If given, rows must be equal in `y` too.

    Returns
    -------
    groups : ndarray of int, shape (n_samples,)
        0 for the first row and its duplicates, 1 for the first other row, and so on.

    Raises
    ------
    ValueError
        If `X` and `y` differ in length.
    TypeError
        If cells hold what cannot be hashed, such as lists.

    Examples
    --------
    >>> X = [[5.0, 1.0], [6.0, 1.0], [5.0, 1.0]]
    >>> duplicate_groups(X)
    array([0, 1, 0])
    >>> duplicate_groups(X, y=["good", "good", "bad"])
    array([0, 1, 2])

    Keep only the first of each:

    >>> import numpy as np
    >>> first = np.unique(duplicate_groups(X), return_index=True)[1]
    >>> np.asarray(X)[first]
    array([[5., 1.],
           [6., 1.]])
    """
    check_rows("duplicate_groups", "X", X)
    if y is not None:
        check_rows("duplicate_groups", "y", y)
    return _number_twins([_as_table(data) for data in (X, y) if data is not None])


def rows_on_both_sides(
    X: Any, y: Any, splits: Iterable[tuple[NDArray[Any], NDArray[Any]]]
) -> NDArray[np.intp]:
    """Count, for each split, the rows to test on that have a twin among those to train on.

    Parameters
    ----------
    X : list, array, sparse matrix or frame of shape (n_samples, ...)
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or None
        Targets, in which twins agree too: equal rows of different targets leak nothing.
    splits : iterable of (train, test)
        Row numbers, as from a splitter's ``split``.

    Returns
    -------
    counts : ndarray of int, shape (n_splits,)
        Test rows with at least one twin in the training rows of the same split.

    Raises
    ------
    ValueError, TypeError
        As in `duplicate_groups`.

    Examples
    --------
    >>> X, y = [[1.0], [2.0], [1.0], [1.0]], [0, 0, 0, 1]
    >>> rows_on_both_sides(X, y, [([0, 1], [2, 3]), ([0, 2], [1, 3])])
    array([1, 0])
    """
    torn = _find_torn(duplicate_groups(X, y), splits)
    return np.array([len(rows) for rows in torn], np.intp)


def warn_about_duplicates(
    X: Any, y: Any, splits: Iterable[tuple[NDArray[Any], NDArray[Any]]], owner: str
) -> None:
    """Warn if twins stand on both sides of splits, unless they are few or to be expected.

    - Few: less than 1 % of all test rows have a twin among their training rows.
    - To be expected: the columns hold so few values that chance makes twins, as with two yes-or-no
      features, one-hot columns, or the flowers of iris, measured to the millimetre. If each column
      were shuffled on its own, ``n (n − 1) / 2 · Π_j Σ_v f_jv²`` pairs of rows would be twins on
      average, where ``f_jv`` is the share of value ``v`` in column ``j`` of the distinct rows, and
      `y` is a column too. If this is at least 1 % of the pairs found, no warning is given.

    Rows that cannot be compared, such as cells that hold lists, are not checked, nor are rows
    that are read from a source.

    Parameters
    ----------
    X, y : array-like
        Rows and targets (or None), as in `rows_on_both_sides`.
    splits : iterable of (train, test)
        Row numbers.
    owner : str
        Name of the public function that was called, which begins the message. The warning points
        to the line that called it, so this is to be called from its body.

    Warns
    -----
    DuplicateRowsWarning
        If there are twins on both sides that are neither few nor to be expected.
    """
    if source_of(X) is not None:
        return  # twins would be known only from all rows at once
    splits = list(splits)
    try:
        tables = [_as_table(data) for data in (X, y) if data is not None]
        groups = _number_twins(tables)
    except (TypeError, ValueError):
        return
    torn = list(_find_torn(groups, splits))
    share = sum(map(len, torn)) / max(1, sum(len(test) for _, test in splits))
    if share < _LEAST_SHARE or _are_to_be_expected(tables, groups):
        return
    warnings.warn(
        f"{owner}: {len(set(chain(*torn)))} of {len(groups)} rows were to be tested on while an "
        "exact duplicate, equal in X and y, was among the training rows of the same split "
        f"({100 * share:.1f} % of the test rows over {len(splits)} splits), so scores are too "
        "good. Keep duplicates together with groups=skdl.model_selection.duplicate_groups(X), or "
        "keep only the first of each: first = np.unique(duplicate_groups(X, y), "
        "return_index=True)[1].",
        DuplicateRowsWarning,
        stacklevel=3,
    )


def _as_table(data: Any) -> Any:
    """Return rows as an array whose bytes tell them apart, or as a canonical CSR array."""
    if sparse.issparse(data):
        table = sparse.csr_array(data, copy=True)
        table.sum_duplicates()
        table.eliminate_zeros()
        table.data = _canonical(table.data)
        return table
    if hasattr(data, "columns") and len(set(getattr(data, "dtypes", ()))) != 1:
        columns = [safe_indexing(data, index, axis=1) for index in range(data.shape[1])]
        return np.column_stack([_as_numbers(column) for column in columns])
    # An array of texts is as wide as the longest one: a few long documents would fill the memory.
    is_texts = isinstance(data, list | tuple) and any(isinstance(row, str) for row in data)
    try:
        array = np.asarray(data, dtype=object if is_texts else None)
    except ValueError:  # sequences of unequal length
        return _numbered_sequences(data)
    if array.dtype.kind in _PLAIN_KINDS:
        return array
    columns = list(array.astype(object).reshape(len(array), -1).T)
    return np.column_stack([_as_numbers(column) for column in columns])


def _numbered_sequences(sequences: Any) -> NDArray[np.intp]:
    """Return a column with a number for each distinct sequence of numbers."""
    numbers: dict[tuple[tuple[int, ...], bytes], int] = {}
    arrays = [_canonical(np.asarray(sequence, np.float64)) for sequence in sequences]
    found = [numbers.setdefault((a.shape, a.tobytes()), len(numbers)) for a in arrays]
    return np.array(found, np.intp)[:, None]


def _as_numbers(column: Any) -> NDArray[Any]:
    """Return floats as they are, and else a number for each distinct value, -1 if missing."""
    if not isinstance(column, pd.Series):
        column = np.asarray(column)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        return np.asarray(column)
    try:
        return pd.factorize(column)[0]
    except TypeError as error:
        raise TypeError(
            f"duplicate_groups: the data hold cells that cannot be compared ({error}). Expected "
            "numbers, strings, dates or categories: turn such cells into columns of these."
        ) from error


def _canonical(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in which equal ones have equal bytes: one NaN, and no -0.0."""
    return np.where(np.isnan(values), np.nan, values + 0.0) if values.dtype.kind in "fc" else values


def _rows(table: Any) -> Iterator[bytes]:
    """Yield the bytes of each row."""
    if sparse.issparse(table):
        for start, stop in pairwise(table.indptr):
            yield table.indices[start:stop].tobytes() + table.data[start:stop].tobytes()
        return
    for start in range(0, len(table), _BLOCK):
        for row in _canonical(table[start : start + _BLOCK]):
            yield row.tobytes()


def _number_twins(tables: list[Any]) -> NDArray[np.intp]:
    """Return the number of each row's group of twins, in the order of their first rows."""
    check_consistent_length(*tables)
    n_samples = tables[0].shape[0]
    hashes = map(hash, zip(*map(_rows, tables), strict=True))
    repeated = pd.Series(np.fromiter(hashes, np.int64, n_samples)).duplicated(keep=False)
    suspects = np.flatnonzero(repeated)
    first: dict[tuple[bytes, ...], int] = {}
    rows = zip(*(_rows(table[suspects]) for table in tables), strict=True)
    leaders = np.arange(n_samples)
    leaders[suspects] = [
        first.setdefault(row, index) for index, row in zip(suspects.tolist(), rows, strict=True)
    ]
    return np.unique(leaders, return_inverse=True)[1]


def _find_torn(
    groups: NDArray[np.intp], splits: Iterable[tuple[NDArray[Any], NDArray[Any]]]
) -> Iterator[NDArray[Any]]:
    """Yield, for each split, the test rows that have a twin among the training rows."""
    for train, test in splits:
        is_trained_on = np.zeros(len(groups), bool)
        is_trained_on[groups[train]] = True
        yield np.asarray(test)[is_trained_on[groups[test]]]


def _are_to_be_expected(tables: list[Any], groups: NDArray[np.intp]) -> bool:
    """Return whether independent columns would make a fair part of the twins found."""
    sizes = np.bincount(groups)
    enough = _CHANCE_SHARE * (sizes * (sizes - 1) / 2).sum()
    # Frequencies are those of distinct rows: copies must not make their own values look common.
    rows = np.unique(groups, return_index=True)[1]
    if len(rows) > _SAMPLE:
        rows = np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))
    n_pairs = len(groups) * (len(groups) - 1) / 2
    for counts in chain(*(_count_values(table[rows]) for table in tables)):
        n_pairs *= ((counts / len(rows)) ** 2).sum()
        if n_pairs < enough:
            return False
    return True


def _count_values(table: Any) -> Iterator[NDArray[np.intp]]:
    """Yield, for each column, how often each of its values occurs."""
    n_samples = table.shape[0]
    if sparse.issparse(table):
        by_column = table.tocsc()
        for start, stop in pairwise(by_column.indptr):
            stored = np.unique(by_column.data[start:stop], return_counts=True)[1]
            yield np.append(stored, n_samples - (stop - start))
        return
    for column in table.reshape(n_samples, -1).T:
        yield np.unique(column, return_counts=True)[1]
