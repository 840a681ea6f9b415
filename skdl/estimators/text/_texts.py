"""Texts at the door, and how one text becomes tokens."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skdl._validation import show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["checked_texts", "holds_texts", "tokenizer", "without_arrow"]

# Texts may stand behind numbers in a list; to look at all of them would take long.
_ENOUGH_CELLS = 100
_MANY_SPACES = re.compile(r"\s\s+")


def without_arrow(X: Any) -> Any:
    """Return what pyarrow holds as a list or a frame, whose cells are strings; others as is."""
    if not hasattr(X, "to_pylist"):
        return X
    return X.to_pandas() if hasattr(X, "column_names") else X.to_pylist()


def holds_texts(X: Any) -> bool:
    """Tell whether rows are meant as texts: strings, or nothing at all, and no numbers."""
    if isinstance(X, str | bytes):
        return True
    if hasattr(X, "columns"):  # a frame, of whatever library
        X = X[X.columns[0]] if len(X.columns) else ()
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "USO":
        X = np.asarray(X).ravel()
    elif hasattr(X, "shape") and getattr(X, "ndim", 1) != 1:
        return False
    cells = (cell for cell in X if not _is_missing(cell))
    some = list(itertools.islice(cells, _ENOUGH_CELLS))
    return not some or any(isinstance(_only(cell), str | bytes) for cell in some)


def _is_missing(cell: object) -> bool:
    return cell is None or pd.isna(cell) is True


def _only(cell: Any) -> Any:
    """Return the one entry of a row of a nested list, or a cell itself."""
    return cell[0] if isinstance(cell, list | tuple) and len(cell) == 1 else cell


def checked_texts(owner: str, X: Any) -> Sequence[str]:
    """Return texts as something that can be gone through more than once.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins a message.
    X : iterable of str
        One-dimensional, or a frame or an array of one column.

    Raises
    ------
    ValueError
        If `X` is a single text, has several columns, or holds what is no text.
    """
    if isinstance(X, str | bytes):
        raise ValueError(  # noqa: TRY004 - as scikit-learn has it
            f"{owner}: X is one text, {show(X[:40])}. Expected a list, an array or a Series of "
            "texts; of one text, [text]."
        )
    X = without_arrow(X)
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        if len(shape) != 2 or shape[1] != 1:
            raise ValueError(
                f"{owner}: X has shape {tuple(shape)}. Expected texts in one dimension, such as "
                "one column of a DataFrame, X['text']."
            )
        X = X[X.columns[0]] if hasattr(X, "columns") else np.asarray(X)[:, 0]
    texts: Sequence[str] = X if hasattr(X, "__len__") else list(X)
    if len(texts) == 0:
        raise ValueError(f"{owner}: X holds 0 texts. Expected at least 1.")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(  # noqa: TRY004 - as scikit-learn has it
                f"{owner}: row {i} of X is {show(text)}, of type {type(text).__name__}, no text. "
                f"Expected strings. {_cure(text)}"
            )
    return texts


def _cure(value: object) -> str:
    if isinstance(value, bytes):
        return "Decode bytes first: text.decode('utf-8')."
    if isinstance(value, list | tuple) and len(value) == 1:
        return "Flatten nested lists: [row[0] for row in X]."
    if _is_missing(value):
        return "Leave rows without a text out, or fill them: X.fillna('')."
    return "Numbers and the like become texts by str(value)."


def tokenizer(
    analyzer: str | Callable[[str], Sequence[str]], token_pattern: str, *, lowercase: bool
) -> Callable[[str], Sequence[str]]:
    r"""Return the function that makes tokens of one text; arguments as of `TokenSequences`.

    Examples
    --------
    >>> tokenizer("word", r"\w+", lowercase=True)("To be, or not?")
    ['to', 'be', 'or', 'not']
    """
    if callable(analyzer):
        return lambda text: _in_order(analyzer(text))
    if analyzer == "char":
        return lambda text: _MANY_SPACES.sub(" ", text.lower() if lowercase else text)
    words = re.compile(token_pattern).findall
    return (lambda text: words(text.lower())) if lowercase else words


def _in_order(tokens: Any) -> list[Any]:
    """Return what a function of the user's made of a text."""
    if not isinstance(tokens, Iterable) or isinstance(tokens, set | frozenset):
        kind = type(tokens).__name__
        raise ValueError(  # noqa: TRY004 - as of texts
            f"The analyzer returned {show(tokens)}, of type {kind}. Expected the tokens of a text "
            "in their order, such as a list or a generator."
        )
    return list(tokens)
