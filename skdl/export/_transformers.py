"""Steps in front of a network as nodes: those that skl2onnx lacks, or that it computes otherwise.

Numbers stay in float64 until the network takes them, as they do in scikit-learn: a year or a
timestamp has lost its last digits in float32. Unknown categories are an error where scikit-learn
raises one. All other steps are left to skl2onnx.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from skdl.estimators import SmoothClipScaler
from skdl.exceptions import ExportError
from skdl.export._graph import Block, Graph, Table, places_of
from skdl.export._levels import is_missing, looked_up
from skdl.export._skl2onnx import by_skl2onnx
from skdl.networks import CLIP

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["apply_function", "emit_transformer"]


def emit_transformer(graph: Graph, step: Any, table: Table) -> Table:
    """Add what a fitted transformer does, and return the table that comes out.

    Raises
    ------
    ExportError
        If neither we nor skl2onnx can write it down.
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return table
    emit = next((emit for kind, emit in _EMITTERS.items() if type(step) is kind), None)
    if emit is None and isinstance(step, SelectorMixin):
        emit = _selected
    result = by_skl2onnx(graph, step, table) if emit is None else emit(graph, step, table)
    return _named(step, table, result)


def _named(step: Any, table: Table, result: Table) -> Table:
    """Return the table with the names that the step gives its columns."""
    width = sum(block.width for block in result)
    try:
        names = list(step.get_feature_names_out())
    except (AttributeError, NotFittedError, ValueError):
        return result
    if len(names) != width or result is table:
        return result
    named, start = [], 0
    for block in result:
        own = tuple(str(name) for name in names[start : start + block.width])
        named.append(dataclasses.replace(block, names=own))
        start += block.width
    return tuple(named)


# ------------------------------------------------------------------------- several steps


def _pipeline(graph: Graph, step: Pipeline, table: Table) -> Table:
    for _, inner in step.steps:
        table = emit_transformer(graph, inner, table)
    return table


def _feature_union(graph: Graph, step: FeatureUnion, table: Table) -> Table:
    weights = step.transformer_weights or {}
    parts: list[Block] = []
    for name, inner in step.transformer_list:
        if isinstance(inner, str) and inner == "drop":
            continue
        for block in emit_transformer(graph, inner, table):
            if weights.get(name, 1.0) == 1.0:
                parts.append(block)
                continue
            scaled = graph.node("Mul", graph.joined((block,), "float64"), np.float64(weights[name]))
            parts.append(Block(scaled, block.width, "float64", block.names))
    return tuple(parts)


def _column_transformer(graph: Graph, step: ColumnTransformer, table: Table) -> Table:
    parts: list[Block] = []
    names = getattr(step, "feature_names_in_", None)
    for name, inner, columns in step.transformers_:
        positions = _positions(columns, names, step.n_features_in_)
        if not len(positions) or (isinstance(inner, str) and inner == "drop"):
            continue
        chosen = _chosen(graph, table, positions)
        weight = (step.transformer_weights or {}).get(name, 1.0)
        if weight != 1.0:
            raise ExportError(
                f"ColumnTransformer: transformer_weights gives {name!r} the weight {weight}. "
                "Expected none: scale the columns in a step of their own."
            )
        parts += emit_transformer(graph, inner, chosen)
    return tuple(parts)


def _positions(columns: Any, names: Any, n_columns: int) -> NDArray[np.int64]:
    """Return which columns a specification of ColumnTransformer means."""
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, slice):
        ends = [columns.start, columns.stop]
        if any(isinstance(end, str) for end in ends):
            start, stop = (None if end is None else list(names).index(end) for end in ends)
            # A slice by names has its end in it.
            columns = slice(start, None if stop is None else stop + 1, columns.step)
        return np.arange(n_columns)[columns]
    array = np.atleast_1d(np.asarray(columns))
    if array.dtype == bool:
        return np.flatnonzero(array)
    if array.dtype.kind in "OUT" and len(array):
        return np.array([list(names).index(name) for name in array], np.int64)
    return np.arange(n_columns)[array.astype(np.int64)] if len(array) else array.astype(np.int64)


def _chosen(graph: Graph, table: Table, positions: NDArray[np.int64]) -> Table:
    """Return some columns of a table, in this order."""
    where = places_of(table)
    parts: list[tuple[Block, list[int]]] = []
    for position in positions:
        block, column = where[position]
        if parts and parts[-1][0] is block:
            parts[-1][1].append(column)
        else:
            parts.append((block, [column]))
    return tuple(graph.columns(block, columns) for block, columns in parts)


def _selected(graph: Graph, step: Any, table: Table) -> Table:
    return _chosen(graph, table, step.get_support(indices=True))


# ------------------------------------------------------------------------- numbers


def _numbers(graph: Graph, step: Any, table: Table) -> str:
    """Return a table of numbers as one tensor of float64."""
    texts = [block for block in table if block.kind == "string"]
    if texts:
        raise ExportError(
            f"{type(step).__name__}: columns {[n for b in texts for n in b.names]} hold text. "
            "Expected numbers, as in fit."
        )
    return graph.joined(table, "float64")


def _as_before(graph: Graph, value: str, table: Table) -> Table:
    """Return computed numbers in the type in which scikit-learn returns them, float32 if it can."""
    width = sum(block.width for block in table)
    if {block.kind for block in table} == {"float32"}:
        return (Block(graph.cast(value, "float32"), width, "float32"),)
    return (Block(value, width, "float64"),)


def _affine(
    graph: Graph, step: Any, table: Table, before: Any = None, scale: Any = None, after: Any = None
) -> str:
    """Return ``(x - before) / scale + after`` in float64; None leaves a part out."""
    value = _numbers(graph, step, table)
    for operator, numbers in (("Sub", before), ("Div", scale), ("Add", after)):
        if numbers is not None:
            value = graph.node(operator, value, np.asarray(numbers, np.float64))
    return value


def _standard_scaler(graph: Graph, step: StandardScaler, table: Table) -> Table:
    mean, scale = step.mean_ if step.with_mean else None, step.scale_
    return _as_before(graph, _affine(graph, step, table, mean, scale), table)


def _robust_scaler(graph: Graph, step: RobustScaler, table: Table) -> Table:
    return _as_before(graph, _affine(graph, step, table, step.center_, step.scale_), table)


def _max_abs_scaler(graph: Graph, step: MaxAbsScaler, table: Table) -> Table:
    return _as_before(graph, _affine(graph, step, table, None, step.scale_), table)


def _min_max_scaler(graph: Graph, step: MinMaxScaler, table: Table) -> Table:
    value = graph.node("Mul", _numbers(graph, step, table), np.asarray(step.scale_, np.float64))
    value = graph.node("Add", value, np.asarray(step.min_, np.float64))
    if step.clip:
        for operator, end in zip(("Max", "Min"), step.feature_range, strict=True):
            value = graph.node(operator, value, np.float64(end))
    return _as_before(graph, value, table)


def _smooth_clip_scaler(graph: Graph, step: SmoothClipScaler, table: Table) -> Table:
    z = _affine(graph, step, table, step.center_, step.scale_)
    share = graph.node("Div", z, np.float64(CLIP))
    square = graph.node("Add", graph.node("Mul", share, share), np.float64(1.0))
    return _as_before(graph, graph.node("Div", z, graph.node("Sqrt", square)), table)


# Functions that scikit-learn's users hand to FunctionTransformer, and those that undo them.
_FUNCTIONS: dict[Callable[..., Any], Callable[[Graph, str], str]] = {
    np.abs: lambda graph, x: graph.node("Abs", x),
    np.exp: lambda graph, x: graph.node("Exp", x),
    np.expm1: lambda graph, x: graph.node("Sub", graph.node("Exp", x), np.float64(1.0)),
    np.log: lambda graph, x: graph.node("Log", x),
    np.log1p: lambda graph, x: graph.node("Log", graph.node("Add", x, np.float64(1.0))),
    np.log10: lambda graph, x: graph.node("Div", graph.node("Log", x), np.log(np.float64(10.0))),
    np.log2: lambda graph, x: graph.node("Div", graph.node("Log", x), np.log(np.float64(2.0))),
    np.sqrt: lambda graph, x: graph.node("Sqrt", x),
    np.square: lambda graph, x: graph.node("Mul", x, x),
}


def apply_function(graph: Graph, owner: str, function: Any, value: str) -> str:
    """Return a function of NumPy's of a tensor of float64; None leaves it as it is.

    Raises
    ------
    ExportError
        If it is another function.
    """
    if function is None:
        return value
    emit = _FUNCTIONS.get(function) if callable(function) else None
    if emit is None:
        known = ", ".join(sorted(f"np.{known.__name__}" for known in _FUNCTIONS))
        raise ExportError(
            f"{owner}: the function {getattr(function, '__name__', function)!r} is code, which a "
            f"file cannot hold. Expected one of {known}, or a transformer of scikit-learn that "
            "does the same."
        )
    return emit(graph, value)


def _function_transformer(graph: Graph, step: FunctionTransformer, table: Table) -> Table:
    if step.func is None:
        return table
    owner = "FunctionTransformer"
    if step.kw_args:
        raise ExportError(
            f"{owner}: kw_args={step.kw_args!r} goes to code, which a file cannot hold. Expected "
            "None."
        )
    value = apply_function(graph, owner, step.func, _numbers(graph, step, table))
    return _as_before(graph, value, table)


# ------------------------------------------------------------------------- gaps


def _simple_imputer(graph: Graph, step: SimpleImputer, table: Table) -> Table:
    parts = _imputed_texts if table[0].kind == "string" else _imputed_numbers
    if len({block.kind == "string" for block in table}) > 1:
        raise ExportError(
            "SimpleImputer: its columns hold text and numbers. Expected one SimpleImputer for "
            "each, by a ColumnTransformer."
        )
    return parts(graph, step, table)


def _imputed_texts(graph: Graph, step: SimpleImputer, table: Table) -> Table:
    if not is_missing(step.missing_values) or step.add_indicator:
        raise ExportError(
            f"SimpleImputer: missing_values={step.missing_values!r} and add_indicator="
            f"{step.add_indicator} cannot be exported for text. Expected missing_values=np.nan "
            "and add_indicator=False."
        )
    fills = [str(fill) for fill in step.statistics_]
    parts, start = [], 0
    for block in table:
        own = block.fills or tuple(fills[start : start + block.width])
        parts.append(dataclasses.replace(block, fills=own))
        start += block.width
        for source in block.sources:
            graph.say_filled(source)
    return tuple(parts)


def _imputed_numbers(graph: Graph, step: SimpleImputer, table: Table) -> Table:
    value = _numbers(graph, step, table)
    fills = np.asarray(step.statistics_, np.float64)
    if is_missing(step.missing_values):
        gaps = graph.node("IsNaN", value)
    else:
        gaps = graph.node("Equal", value, np.float64(step.missing_values))
    width = sum(block.width for block in table)
    filled = graph.node("Where", gaps, fills, value)
    kept = np.flatnonzero(~np.isnan(fills))
    if len(kept) < width and not step.keep_empty_features:
        filled = graph.node("Gather", filled, kept, axis=1)
    (before,) = _as_before(graph, filled, table)
    block = Block(before.value, len(kept), before.kind)
    if not step.add_indicator:
        return (block,)
    shown = np.asarray(step.indicator_.features_, np.int64)
    indicators = graph.cast(graph.node("Gather", gaps, shown, axis=1), "float64")
    return block, Block(indicators, len(shown), "float64")


# ------------------------------------------------------------------------- categories


def _encoder(graph: Graph, step: OneHotEncoder | OrdinalEncoder, table: Table) -> Table:
    parts = []
    for i, (block, column) in enumerate(places_of(table)):
        rows, unknown = _rows_of_levels(step, i)
        levels = list(step.categories_[i])
        own = graph.column(block, column)
        value = looked_up(graph, type(step).__name__, own, levels, rows, unknown)
        parts.append(Block(value, rows.shape[1], "float64"))
    return tuple(parts)


def _rows_of_levels(
    step: OneHotEncoder | OrdinalEncoder, column: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return what an encoder makes of each level of a column, and of an unknown one.

    The encoder itself is asked, so that dropped and infrequent levels are what they are there.
    """
    levels = step.categories_[column]
    first = [own[0] for own in step.categories_]
    X = np.array([first] * len(levels), object)
    X[:, column] = levels
    made = _transformed(step, X)
    part = _columns_of(step, column)
    if step.handle_unknown == "error":
        return made[:, part], None
    if isinstance(step, OrdinalEncoder):
        return made[:, part], np.array([step.unknown_value], np.float64)
    infrequent = getattr(step, "infrequent_categories_", None)
    if step.handle_unknown != "ignore" and infrequent and infrequent[column] is not None:
        is_infrequent = np.isin(levels.astype(str), np.asarray(infrequent[column]).astype(str))
        return made[:, part], made[np.flatnonzero(is_infrequent)[0], part]
    return made[:, part], np.zeros(made[:, part].shape[1])


def _transformed(step: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    # Column names and containers are no concern here; the user's own encoder is not touched.
    twin = copy.deepcopy(step)
    if hasattr(twin, "feature_names_in_"):
        del twin.feature_names_in_
    if hasattr(twin, "set_output"):
        twin.set_output(transform="default")
    kinds = {categories.dtype for categories in step.categories_}
    made = twin.transform(X if len(kinds) > 1 or object in kinds else X.astype(kinds.pop()))
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made, np.float64)


def _columns_of(step: Any, column: int) -> slice:
    """Return which columns of the result belong to a column."""
    if isinstance(step, OrdinalEncoder):
        return slice(column, column + 1)
    infrequent = getattr(step, "infrequent_categories_", None)
    dropped = step.drop_idx_
    widths = []
    for i, levels in enumerate(step.categories_):
        width = len(levels)
        if infrequent and infrequent[i] is not None:
            width -= len(infrequent[i]) - 1
        widths.append(width - (dropped is not None and dropped[i] is not None))
    start = sum(widths[:column])
    return slice(start, start + widths[column])


_EMITTERS: dict[type, Callable[[Graph, Any, Table], Table]] = {
    ColumnTransformer: _column_transformer,
    FeatureUnion: _feature_union,
    FunctionTransformer: _function_transformer,
    MaxAbsScaler: _max_abs_scaler,
    MinMaxScaler: _min_max_scaler,
    OneHotEncoder: _encoder,
    OrdinalEncoder: _encoder,
    Pipeline: _pipeline,
    RobustScaler: _robust_scaler,
    SimpleImputer: _simple_imputer,
    SmoothClipScaler: _smooth_clip_scaler,
    StandardScaler: _standard_scaler,
}
