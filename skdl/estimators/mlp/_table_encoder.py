"""DataFrames as numbers: what is a category, and which number stands for which level."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TableEncoder", "holds_categories"]


def holds_categories(X: Any) -> bool:
    """Tell whether a DataFrame has columns that `TableEncoder` takes for categories."""
    return isinstance(X, pd.DataFrame) and any(map(_is_category, X.dtypes))


def _is_category(dtype: Any) -> bool:
    return isinstance(dtype, pd.CategoricalDtype) or not (
        pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    )


@dataclasses.dataclass(frozen=True)
class Category:
    """One column of categories.

    Parameters
    ----------
    column : int
        Its position.
    levels : tuple
        Values in the order of their numbers, from 1 on; 0 stands for all others. None is a
        missing value, where the rows of ``fit`` had any.
    seen : ndarray of bool
        Which of them the rows of ``fit`` had; others count as unknown.
    """

    column: int
    levels: tuple[Any, ...]
    seen: NDArray[np.bool_]

    @classmethod
    def of(cls, column: int, values: pd.Series) -> Category:
        """Read the levels of a column: all that its dtype lists, or all that it has."""
        is_missing = values.isna()
        if isinstance(values.dtype, pd.CategoricalDtype):
            levels = values.dtype.categories.tolist()
        else:
            levels = sorted(set(values[~is_missing].tolist()), key=lambda v: (str(type(v)), v))
        present = set(values[~is_missing].tolist())
        seen = [level in present for level in levels]
        if is_missing.any():
            levels, seen = [*levels, None], [*seen, True]
        return cls(column, tuple(levels), np.array(seen, bool))

    def codes(self, values: pd.Series) -> NDArray[np.float32]:
        """Return the number of each value, 0 for those that ``fit`` did not see."""
        number = {v: i for i, v in enumerate(self.levels, 1) if self.seen[i - 1]}
        is_missing = values.isna().to_numpy()
        codes = np.array([number.get(v, 0) for v in values.tolist()], np.float32)
        codes[is_missing] = number.get(None, 0)
        return codes


@dataclasses.dataclass(frozen=True)
class TableEncoder:
    """Turns DataFrames of one layout into arrays: numbers, then categories of few, of many levels.

    Parameters
    ----------
    numeric : tuple of int
        Positions of the columns of numbers.
    few, many : tuple of Category
        Columns of categories of at most, and of more than, so many levels.
    """

    numeric: tuple[int, ...]
    few: tuple[Category, ...]
    many: tuple[Category, ...]

    @classmethod
    def of(cls, X: pd.DataFrame, most_levels: int) -> TableEncoder:
        """Read a DataFrame."""
        is_category = [_is_category(dtype) for dtype in X.dtypes]
        categories = [Category.of(i, X.iloc[:, i]) for i, yes in enumerate(is_category) if yes]
        return cls(
            tuple(i for i, yes in enumerate(is_category) if not yes),
            tuple(c for c in categories if len(c.levels) <= most_levels),
            tuple(c for c in categories if len(c.levels) > most_levels),
        )

    @property
    def one_hot(self) -> tuple[int, ...]:
        """Numbers of levels of the categories of few."""
        return tuple(len(category.levels) for category in self.few)

    @property
    def embedded(self) -> tuple[int, ...]:
        """Numbers of levels of the categories of many."""
        return tuple(len(category.levels) for category in self.many)

    def encoded(self, owner: str, X: Any) -> NDArray[np.float32]:
        """Return a DataFrame as an array of shape (n_samples, n_features).

        Raises
        ------
        ValueError
            If `X` is no DataFrame, or a column of numbers has become something else.
        """
        if not isinstance(X, pd.DataFrame):
            raise ValueError(  # noqa: TRY004 - as scikit-learn has it for rows of another kind
                f"{owner}: X is of type {type(X).__name__}, but fit saw a DataFrame with columns "
                "of categories. Expected a DataFrame with the same columns."
            )
        wrong = [X.columns[i] for i in self.numeric if _is_category(X.dtypes.iloc[i])]
        if wrong:
            raise ValueError(
                f"{owner}: columns {wrong} held numbers in fit, but not in X. Expected numbers "
                "there, as in fit."
            )
        columns: Sequence[Any] = [
            *(X.iloc[:, i].to_numpy(np.float32, na_value=np.nan) for i in self.numeric),
            *(category.codes(X.iloc[:, category.column]) for category in (*self.few, *self.many)),
        ]
        return np.column_stack(columns).astype(np.float32, copy=False)
