"""The data: rows, columns, gaps, duplicates, groups, order, targets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from skdl.model_selection import duplicate_groups
from skdl.reporting._blocks import Section, Table, Text
from skdl.reporting._drawing import INK, drawing
from skdl.reporting._numbers import count, number, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skdl.reporting._blocks import Block
    from skdl.reporting._subject import Subject

__all__ = ["data_section"]

_MOST_CLASSES = 20
_MOST_NAMES = 8
# Neighbours are alike beyond chance: so many standard errors, and so much at least.
_ERRORS, _LEAST_CORRELATION = 5.0, 0.2


def data_section(subject: Subject) -> Section:
    """Return the section on the rows; empty where there are none."""
    if subject.X is None:
        return Section("Data", ())
    return Section("Data", tuple(_blocks(subject)))


def _blocks(subject: Subject) -> Iterator[Block]:
    X, y = subject.X, subject.y
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    facts: list[tuple[str, str]] = [("rows", f"{n_rows:,}")]
    warnings: list[str] = []
    frame = _as_frame(X)
    if frame is None:
        facts += _facts_of_array(X)
    else:
        facts += _facts_of_frame(frame)
        warnings += _warnings_of_frame(frame)
    facts += _duplicates(X, y, n_rows, warnings)
    if subject.groups is not None:
        sizes = np.unique(np.asarray(subject.groups), return_counts=True)[1]
        told = f"{len(sizes):,}, of {sizes.min():,} to {sizes.max():,} rows"
        facts.append(("groups", told))
    if subject.time is not None:
        facts += _facts_of_times(subject.time)
    yield Table((), facts)
    targets = None if y is None else np.asarray(y)
    if targets is not None and targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets.ravel()
    if targets is not None and targets.ndim == 1:
        if subject.groups is None and subject.time is None:
            warnings += _order(targets, is_classifier=subject.is_classifier)
        yield from _targets(targets, is_classifier=subject.is_classifier)
    elif targets is not None:
        what = f"The targets, of shape {targets.shape}, are not described: there are several."
        yield Text(what, "note")
    for warning in warnings:
        yield Text(warning, "warning")


def _facts_of_times(times: NDArray[Any]) -> Iterator[tuple[str, str]]:
    column = pd.Series(times)
    yield "time", f"{column.min()} to {column.max()}, {column.nunique():,} distinct"
    if column.is_monotonic_increasing:
        order = "in order of time"
    else:
        order = "the other way round" if column.is_monotonic_decreasing else "not in order of time"
    yield "rows are", order


def _as_frame(X: Any) -> pd.DataFrame | None:
    """Return a table with its columns' types; None for images and sparse matrices."""
    if isinstance(X, pd.DataFrame):
        return X
    if hasattr(X, "to_pandas"):
        return X.to_pandas()
    if sparse.issparse(X):
        return None
    values = _as_array(X)
    return pd.DataFrame(values) if values.ndim == 2 else None


def _as_array(X: Any) -> NDArray[Any]:
    """Return rows as an array; sequences of unequal length as one of arrays."""
    try:
        return np.asarray(X)
    except ValueError:
        values = np.empty(len(X), object)
        values[:] = [np.asarray(each) for each in X]
        return values


def _facts_of_array(X: Any) -> Iterator[tuple[str, str]]:
    if sparse.issparse(X):
        yield "columns", f"{X.shape[1]:,}"
        yield "cells that are not 0", share(X.nnz, math.prod(X.shape))
        return
    values = _as_array(X)
    if values.ndim == 1 and values.dtype.kind in "OSTU":
        yield from _facts_of_texts_or_sequences(values.tolist())
        return
    yield "shape of a row", " × ".join(map(str, values.shape[1:])) or "a number"
    yield "type", str(values.dtype)
    if values.dtype.kind == "f":
        yield "missing values", f"{int(np.isnan(values).sum()):,}"


def _facts_of_texts_or_sequences(rows: list[Any]) -> Iterator[tuple[str, str]]:
    lengths = [len(row) for row in rows]
    told = f"{min(lengths):,} to {max(lengths):,}, {number(sum(lengths) / len(rows))} on average"
    if isinstance(rows[0], str | bytes):
        yield "characters of a text", told
        return
    yield "steps of a sequence", told
    shape = np.shape(rows[0])[1:]
    yield "numbers in a step", " × ".join(map(str, shape)) or "1"
    n_gaps = sum(int(np.isnan(np.asarray(row, float)).sum()) for row in rows)
    yield "missing values", f"{n_gaps:,}" if n_gaps else "none"


def _facts_of_frame(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    kinds = {"numbers": 0, "dates": 0, "categories and texts": 0}
    for dtype in frame.dtypes:
        kinds[_kind_of(dtype)] += 1
    told = ", ".join(f"{n} of {kind}" for kind, n in kinds.items() if n)
    yield "columns", f"{frame.shape[1]:,} ({told})"
    gaps = frame.isna()
    n_gaps = int(gaps.to_numpy().sum())
    if not n_gaps:
        yield "missing values", "none"
        return
    rows, columns = int(gaps.any(axis=1).sum()), int(gaps.any(axis=0).sum())
    where = f"in {count(rows, 'row')} and {count(columns, 'column')}"
    yield "missing values", f"{n_gaps:,} ({share(n_gaps, frame.size)} of the cells), {where}"


def _kind_of(dtype: Any) -> str:
    if pd.api.types.is_datetime64_any_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        return "dates"
    return "numbers" if pd.api.types.is_numeric_dtype(dtype) else "categories and texts"


def _warnings_of_frame(frame: pd.DataFrame) -> Iterator[str]:
    constant = [str(name) for name in frame if _is_constant(frame[name])]
    if constant:
        yield f"Constant columns, which say nothing: {_listed(constant)}."
    share_of_gaps = frame.isna().mean()
    mostly = [str(name) for name in frame if share_of_gaps[name] > 0.5]
    if mostly:
        yield f"Columns of which more than half is missing: {_listed(mostly)}."
    dates = [name for name in frame if _kind_of(frame[name].dtype) == "dates"]
    ascending = [str(name) for name in dates if frame[name].is_monotonic_increasing]
    if ascending and len(frame) > 1:
        yield (
            f"The rows are in the order of {_listed(ascending)}. If later rows are to be predicted "
            "from earlier ones, use `TimeSeriesSplit`: other folds train on the future."
        )


def _is_constant(column: pd.Series) -> bool:
    try:
        return len(column.unique()) <= 1
    except TypeError:  # cells that cannot be hashed
        return False


def _listed(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMES
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {count(rest, 'other')}" if rest > 0 else shown


def _duplicates(X: Any, y: Any, n_rows: int, warnings: list[str]) -> Iterator[tuple[str, str]]:
    try:
        n_alike = n_rows - len(np.unique(duplicate_groups(X)))
        n_equal = n_alike if y is None else n_rows - len(np.unique(duplicate_groups(X, y)))
    except (TypeError, ValueError) as error:
        yield "rows that repeat an earlier row", f"not counted: {str(error).splitlines()[0]}"
        return
    told = f"{n_equal:,} ({share(n_equal, n_rows)})" if n_equal else "none"
    yield "rows that repeat an earlier row", told
    if n_alike > n_equal:
        yield "rows that repeat only its features", f"{n_alike - n_equal:,}"
    if n_equal > 0.01 * n_rows:
        warnings.append(
            "Rows that are equal make scores too good where one is trained on and the other tested "
            "on. Pass `groups=duplicate_groups(X)` to keep them on one side."
        )


def _order(y: NDArray[Any], *, is_classifier: bool) -> Iterator[str]:
    """Yield a warning where neighbouring rows have targets that are alike."""
    n_rows = len(y)
    if n_rows < 20:
        return
    if is_classifier:
        codes = np.unique(y, return_inverse=True)[1]
        expected = float((np.bincount(codes) / n_rows) ** 2 @ np.ones(codes.max() + 1))
        found = float((codes[1:] == codes[:-1]).mean())
        alike = (found - expected) / (1 - expected) if expected < 1 else 0.0
    else:
        numbers = np.asarray(y, float)
        if not np.isfinite(numbers).all() or not numbers.std():
            return
        centred = numbers - numbers.mean()
        alike = float((centred[1:] * centred[:-1]).sum() / (centred**2).sum())
    if alike > max(_LEAST_CORRELATION, _ERRORS / math.sqrt(n_rows)):
        yield (
            f"The order of the rows says something of their targets: neighbours are alike "
            f"({alike:.2f}, where 0 is chance). Rows that are merely sorted should be shuffled, "
            "for example by `n_iterations` or `KFold(shuffle=True)`. Rows that follow each other "
            "in time or belong together need `time` or `groups`."
        )


def _targets(y: NDArray[Any], *, is_classifier: bool) -> Iterator[Block]:
    if is_classifier:
        classes, counts = np.unique(y.astype(str), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
        rows = [(classes[i], f"{counts[i]:,}", share(counts[i], len(y))) for i in order]
        n_more = len(classes) - len(rows)
        more = f"; {n_more} more not shown" if n_more else ""
        yield Table(("class", "rows", "share"), rows, f"{len(classes)} classes{more}")
        return
    numbers = np.asarray(y, float)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        yield Text("The targets are not described: none is a finite number.", "warning")
        return
    quantiles = np.quantile(numbers, [0.0, 0.25, 0.5, 0.75, 1.0])
    names = ("target", "mean", "std", "minimum", "25 %", "median", "75 %", "maximum")
    values = [number(float(v)) for v in (numbers.mean(), numbers.std(), *quantiles)]
    yield Table(names, [("", *values)])

    def draw(ax: Axes) -> None:
        ax.hist(numbers, bins=min(40, max(5, round(math.sqrt(len(numbers))))), color=INK)
        ax.set(xlabel="target", ylabel="rows")

    yield drawing(draw, "How often each target occurs", height=2.2)
