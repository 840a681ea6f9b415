"""Levels of categories as nodes: which number, or which row of a table, stands for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.exceptions import ExportError
from skdl.export._graph import MISSING_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from skdl.export._graph import Block, Graph

__all__ = ["is_missing", "looked_up", "numbered"]

# Far behind the end of any table: onnxruntime refuses to look there.
_NOWHERE = 2**40


def is_missing(value: Any) -> bool:
    """Tell whether a level or a parameter stands for missing values: None or NaN."""
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def numbered(graph: Graph, owner: str, block: Block, numbers: Mapping[Any, int]) -> str:
    """Return the number of the level in each cell of one column, ``[N, 1]`` in float32.

    Parameters
    ----------
    graph : Graph
    owner : str
        Name of the estimator, which begins a message.
    block : Block
        One column.
    numbers : mapping of object to int
        By level; 0 stands for all others.

    Raises
    ------
    ExportError
        If the levels are neither text nor numbers, or not what the column holds.
    """
    levels = _checked(owner, block, list(numbers))
    graph.say_levels(block.source_of(0), levels, refuses_others=False)
    if block.kind == "string":
        keys = _keys(block, levels, list(numbers.values()), 0)
        return graph.node(
            "LabelEncoder", block.value, domain="ai.onnx.ml",
            keys_strings=list(keys), values_floats=[float(n) for n in keys.values()],
            default_float=0.0,
        )  # fmt: skip
    if not levels:
        return graph.node("Mul", graph.joined((block,), "float32"), np.float32(0.0))
    is_level = graph.cast(_is_level(graph, block, levels), "float32")
    column = np.array(list(numbers.values()), np.float32)[:, None]
    return graph.node("MatMul", is_level, column)


def looked_up(
    graph: Graph,
    owner: str,
    block: Block,
    levels: Sequence[Any],
    rows: NDArray[Any],
    unknown: NDArray[Any] | None,
) -> str:
    """Return for each cell of one column the row of its level, ``[N, n]``.

    Parameters
    ----------
    graph : Graph
    owner : str
        Name of the estimator, which begins a message.
    block : Block
        One column.
    levels : sequence
        What the column may hold; None or NaN is a missing value.
    rows : ndarray of shape (n_levels, n)
    unknown : ndarray of shape (n,), optional
        Row of all other levels. Without it, onnxruntime refuses them: their number lies outside
        the table.

    Raises
    ------
    ExportError
        If the levels are neither text nor numbers, or not what the column holds.
    """
    plain = _checked(owner, block, levels)
    graph.say_levels(block.source_of(0), plain, refuses_others=unknown is None)
    beyond = len(levels) if unknown is not None else _NOWHERE
    table = rows if unknown is None else np.concatenate([rows, np.reshape(unknown, (1, -1))])
    if block.kind == "string":
        keys = _keys(block, plain, list(range(len(plain))), beyond)
        numbers = graph.node(
            "LabelEncoder", block.value, domain="ai.onnx.ml",
            keys_strings=list(keys), values_int64s=list(keys.values()), default_int64=beyond,
        )  # fmt: skip
        numbers = graph.node("Squeeze", numbers, graph.integers(1))
    else:
        is_level = graph.cast(_is_level(graph, block, plain), "float64")
        # Each level adds its distance to the number of unknown ones.
        steps = (np.arange(len(plain)) - beyond).astype(np.float64)
        found = graph.node("Add", graph.node("MatMul", is_level, steps), np.float64(beyond))
        numbers = graph.cast(found, "int64")
    return graph.node("Gather", table, numbers, axis=0)


def _checked(owner: str, block: Block, levels: Sequence[Any]) -> list[str | float | None]:
    """Return levels as text, float or None, or refuse them."""
    plain = [None if is_missing(level) else _plain(owner, level) for level in levels]
    is_text = block.kind == "string"
    wrong = [level for level in plain if level is not None and isinstance(level, str) != is_text]
    if wrong:
        raise ExportError(
            f"{owner}: column {block.name_of(0)!r} has the level {wrong[0]!r}, but holds "
            f"{'text' if is_text else 'numbers'} in X. Expected levels of one kind: text, or "
            "numbers."
        )
    return plain


def _plain(owner: str, level: Any) -> str | float:
    if isinstance(level, str):
        return str(level)
    if isinstance(level, bool | int | float | np.bool_ | np.integer | np.floating):
        return float(level)
    raise ExportError(
        f"{owner}: a category {level!r} of type {type(level).__name__} cannot be exported. "
        "Expected text, numbers or booleans."
    )


def _keys(
    block: Block, levels: Sequence[Any], numbers: Sequence[int], unknown: int
) -> dict[str, int]:
    """Return the number of each text, the missing one included where there is one."""
    keys = [MISSING_TEXT if level is None else level for level in levels]
    if len(set(keys)) < len(keys):
        raise ExportError(
            f"column {block.name_of(0)!r} has missing values and empty texts as two levels, which "
            "ONNX cannot tell apart. Expected one of them: replace the empty texts."
        )
    by_key = dict(zip(keys, numbers, strict=True))
    if block.fills:
        # It is imputed: no node has to compare texts for that.
        by_key[MISSING_TEXT] = by_key.get(block.fills[0], unknown)
    # A node without any keys is refused.
    return by_key or {MISSING_TEXT: unknown}


def _is_level(graph: Graph, block: Block, levels: Sequence[Any]) -> str:
    """Tell which level each cell holds, ``[N, n_levels]``."""
    value = graph.joined((block,), "float64")
    known = np.array([np.nan if level is None else level for level in levels], np.float64)
    found = graph.node("Equal", value, known)
    if not np.isnan(known).any():
        return found
    return graph.node("Or", found, graph.node("And", graph.node("IsNaN", value), np.isnan(known)))
