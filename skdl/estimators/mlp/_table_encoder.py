"""DataFrames as numbers: what each column holds, and which number stands for which level.

What the columns of ``fit`` held is remembered. A column that holds something else afterwards is
refused: its values would all be unknown levels, or wrong numbers, without a word.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skdl._plain_data import (
    any_value,
    cannot_save,
    instance,
    items,
    natural,
    number,
    one_of,
    optional,
    refused,
    register,
    text,
    truth,
)
from skdl._validation import show
from skdl.estimators.base._described_prediction import CategoryColumn, NumericColumn
from skdl.estimators.mlp._column_kinds import (
    as_pandas,
    days,
    family_of,
    has_time_zone,
    is_plain,
    kind_of,
    moments,
    numbers,
)
from skdl.estimators.mlp._offsets import large_offsets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from skdl._plain_data import Check

__all__ = ["TableEncoder", "numeric_frame", "other_columns", "without_numbers"]

_NOUNS = {"number": "numbers", "date": "dates", "duration": "durations"}
_CURES = {
    "number": "numbers, as in fit (pd.to_numeric)",
    "date": "dates, as in fit (pd.to_datetime, or parse_dates in pd.read_csv)",
    "duration": "durations, as in fit (pd.to_timedelta)",
    "text": "text, spelled as in fit; from a CSV file, pd.read_csv(..., dtype={{{name!r}: str}})",
    "zone": "dates as in fit (pd.Series.dt.tz_localize adds or takes away a time zone)",
}
_CURES_OF_OTHERS = {
    "nested": "one value in each cell: make columns of the entries (pd.DataFrame(column.tolist()))",
    "complex": "real numbers: pass the real and the imaginary part as two columns",
}
_MOST_SHOWN = 5


def other_columns(X: Any) -> list[Any]:
    """Return the names of a frame's columns that are not of a dtype of real numbers."""
    X = as_pandas(X)
    if not isinstance(X, pd.DataFrame):
        return []
    return [name for name, dtype in X.dtypes.items() if not is_plain(dtype)]


def without_numbers(X: Any) -> list[Any]:
    """Return the names of a frame's columns that hold other things than numbers and gaps."""
    X = as_pandas(X)
    columns = [X.iloc[:, i] for i in range(X.shape[1])]
    return [
        values.name for values in columns if not values.isna().all() and kind_of(values) != "number"
    ]


def numeric_frame(X: Any) -> pd.DataFrame:
    """Return a frame of numbers and gaps as one of float64.

    A row of JSON with null, or numbers read by another library, come as objects.
    """
    X = as_pandas(X)
    columns = [X.iloc[:, i] for i in range(X.shape[1])]
    cells = [
        np.full(len(X), np.nan) if values.isna().all() else numbers(values) for values in columns
    ]
    return pd.DataFrame(np.column_stack(cells), index=X.index, columns=X.columns)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """One column that the network sees as a number.

    Parameters
    ----------
    column : int
        Its position.
    kind : {"number", "date", "duration"}
        Dates become days since `origin`, durations days.
    origin : Timestamp, optional
        Median of the dates in ``fit``.
    has_zone : bool
        Whether the dates have a time zone.
    offset : float
        What is subtracted in float64, before float32 loses the difference.
    """

    column: int
    kind: str
    origin: pd.Timestamp | None = None
    has_zone: bool = False
    offset: float = 0.0

    @classmethod
    def of(cls, column: int, kind: str, values: pd.Series, *, centre: bool) -> Numbers:
        """Read a column."""
        if kind == "date":
            median = moments(values).median()
            origin = pd.Timestamp(0) if pd.isna(median) else median
            return cls(column, kind, origin, has_time_zone(values))
        own = cls(column, kind)
        offsets = large_offsets(own.of_cells(values)[:, None]) if centre else None
        return own if offsets is None else dataclasses.replace(own, offset=float(offsets[0]))

    def of_cells(self, values: pd.Series) -> NDArray[np.float64]:
        """Return the numbers of a column, NaN for missing ones."""
        if values.isna().all():
            return np.full(len(values), np.nan)
        is_number = self.kind == "number"
        return (numbers(values) if is_number else days(values, self.origin)) - self.offset

    def described(self) -> NumericColumn:
        """Return it as plain data."""
        origin = 0 if self.origin is None else self.origin.as_unit("ns").value
        kind: Any = self.kind
        return NumericColumn(self.column, kind, origin, self.offset)

    def difference(self, values: pd.Series) -> tuple[str, str, str] | None:
        """Return what the column held in ``fit``, what it holds now, and what it should."""
        if values.isna().all():
            return None
        kind = kind_of(values)
        if kind != self.kind:
            # True is 1, here as among the levels of a category.
            if self.kind == "number" and _same_cells(values, {"numbers"}):
                return None
            return _NOUNS[self.kind], _described(kind, values), _CURES[self.kind]
        if kind == "date" and has_time_zone(values) != self.has_zone:
            held = ("dates without a time zone", "dates with a time zone")
            return held[self.has_zone], held[not self.has_zone], _CURES["zone"]
        return None


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
        present = set(values[~is_missing].tolist())
        if isinstance(values.dtype, pd.CategoricalDtype):
            levels = values.dtype.categories.tolist()
        else:
            levels = sorted(present, key=lambda v: (str(type(v)), v))
        seen = [level in present for level in levels]
        if is_missing.any():
            levels, seen = [*levels, None], [*seen, True]
        return cls(column, tuple(levels), np.array(seen, bool))

    def described(self) -> CategoryColumn:
        """Return it as plain data."""
        return CategoryColumn(self.column, self._numbers())

    def _numbers(self) -> dict[Any, int]:
        """Return the number of each level that ``fit`` saw."""
        return {v: i for i, v in enumerate(self.levels, 1) if self.seen[i - 1]}

    def codes(self, values: pd.Series) -> NDArray[np.float32]:
        """Return the number of each value, 0 for those that ``fit`` did not see."""
        number = self._numbers()
        is_missing = values.isna().to_numpy()
        codes = np.array([number.get(v, 0) for v in values.tolist()], np.float32)
        codes[is_missing] = number.get(None, 0)
        return codes

    def difference(self, values: pd.Series) -> tuple[str, str, str] | None:
        """Return what the column held in ``fit``, what it holds now, and what it should."""
        kind, known = kind_of(values), [level for level in self.levels if level is not None]
        families = {family_of(level) for level in known}
        if not families:
            return None
        noun = " and ".join(sorted(families))
        held = f"{noun}, such as {known[0]!r}"
        cure = _CURES["text"] if families == {"text"} else f"{noun}, as in fit"
        if kind in {"date", "duration", "nested", "complex"}:
            is_wrong = not _same_cells(values, families)
            return (held, _described(kind, values), cure) if is_wrong else None
        for cell in values[~values.isna()].unique().tolist():
            if family_of(cell) not in families:
                return held, f"{family_of(cell)}, such as {cell!r}", cure
        return None


def _same_cells(values: pd.Series, families: set[str]) -> bool:
    return {family_of(cell) for cell in values[~values.isna()].tolist()} <= families


def _described(kind: str, values: pd.Series) -> str:
    cell = values[~values.isna()].iloc[0]
    nouns = {**_NOUNS, "nested": "lists or the like", "complex": "complex numbers"}
    return f"{nouns.get(kind, family_of(cell))}, such as {_shown(cell)}"


def _shown(cell: Any) -> str:
    return f"'{cell}'" if isinstance(cell, pd.Timestamp | pd.Timedelta) else repr(cell)


@dataclasses.dataclass(frozen=True)
class TableEncoder:
    """Turns DataFrames of one layout into arrays: numbers, then categories of few, of many levels.

    Parameters
    ----------
    numbers : tuple of Numbers
        Columns that become numbers.
    few, many : tuple of Category
        Columns of categories of at most, and of more than, so many levels.
    """

    numbers: tuple[Numbers, ...]
    few: tuple[Category, ...]
    many: tuple[Category, ...]

    @classmethod
    def of(
        cls, X: Any, most_levels: int, *, centre: bool = False, owner: str = "MLP"
    ) -> TableEncoder:
        """Read a DataFrame; with `centre`, large offsets of numbers are taken away.

        Raises
        ------
        ValueError
            If a column holds what is neither number, date nor category.
        """
        X = as_pandas(X)
        kinds = [kind_of(X.iloc[:, i]) for i in range(X.shape[1])]
        _refuse_others(owner, X, kinds)
        columns = [(i, kind, X.iloc[:, i]) for i, kind in enumerate(kinds)]
        categories = [Category.of(i, values) for i, kind, values in columns if kind not in _NOUNS]
        return cls(
            tuple(
                Numbers.of(i, kind, values, centre=centre)
                for i, kind, values in columns
                if kind in _NOUNS
            ),
            tuple(c for c in categories if len(c.levels) <= most_levels),
            tuple(c for c in categories if len(c.levels) > most_levels),
        )

    @property
    def numeric(self) -> tuple[int, ...]:
        """Positions of the columns that become numbers."""
        return tuple(own.column for own in self.numbers)

    @property
    def one_hot(self) -> tuple[int, ...]:
        """Numbers of levels of the categories of few."""
        return tuple(len(category.levels) for category in self.few)

    @property
    def embedded(self) -> tuple[int, ...]:
        """Numbers of levels of the categories of many."""
        return tuple(len(category.levels) for category in self.many)

    def described_columns(self) -> tuple[NumericColumn | CategoryColumn, ...]:
        """Return what `encoded` makes of each column, in the order of the result's columns."""
        return (
            *(own.described() for own in self.numbers),
            *(category.described() for category in (*self.few, *self.many)),
        )

    def encoded(self, owner: str, X: Any) -> NDArray[np.float32]:
        """Return a DataFrame as an array of shape (n_samples, n_features).

        Raises
        ------
        ValueError
            If `X` is no DataFrame, or a column holds something else than in ``fit``.
        """
        X = as_pandas(X)
        if not isinstance(X, pd.DataFrame):
            raise ValueError(  # noqa: TRY004 - as scikit-learn has it for rows of another kind
                f"{owner}: X is of type {type(X).__name__}, but fit saw a DataFrame with columns "
                "of categories. Expected a DataFrame with the same columns."
            )
        self._refuse_differences(owner, X)
        result = np.empty((len(X), X.shape[1]), np.float32, order="F")
        # Too large for float32: what becomes infinite is told by the check that follows.
        with np.errstate(over="ignore"):
            for i, own in enumerate(self.numbers):
                result[:, i] = own.of_cells(X.iloc[:, own.column])
        for i, category in enumerate((*self.few, *self.many), len(self.numbers)):
            result[:, i] = category.codes(X.iloc[:, category.column])
        return np.ascontiguousarray(result)

    def _refuse_differences(self, owner: str, X: pd.DataFrame) -> None:
        found: dict[tuple[str, str, str], list[Any]] = {}
        columns: list[Numbers | Category] = [*self.numbers, *self.few, *self.many]
        for own in columns:
            difference = own.difference(X.iloc[:, own.column])
            if difference is not None:
                found.setdefault(difference, []).append(X.columns[own.column])
        if found:
            raise ValueError(f"{owner}: " + " ".join(map(_told, found.items())))


def _read_time(kind: Any, value: int, unit: str, zone: str | None) -> Any:
    try:
        if kind is pd.Timedelta:
            return pd.Timedelta(np.array(value).astype(f"timedelta64[{unit}]")[()])
        moment = pd.Timestamp(np.array(value).astype(f"datetime64[{unit}]")[()])
        return moment if zone is None else moment.tz_localize("UTC").tz_convert(zone)
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        raise refused(f"the time {value} {unit} {zone or ''}", "a time of pandas") from error


def _written_time(moment: Any) -> dict[str, Any]:
    zone = getattr(moment, "tz", None)
    written = {
        "value": int(moment.asm8.view("i8")),
        "unit": moment.unit,
        "zone": zone and str(zone),
    }
    try:
        is_same = _read_time(type(moment), **written) == moment
    except ValueError:
        is_same = False
    if not is_same:
        raise cannot_save(
            f"The time {moment!r} in a column of categories",
            "Give it a time zone by name (pd.Series.dt.tz_convert), or pickle the estimator.",
        )
    return written


def _read_category(column: int, levels: tuple[Any, ...], seen: NDArray[Any]) -> Category:
    if seen.dtype != bool or seen.shape != (len(levels),):
        raise refused(
            f"a column of {len(levels)} categories with seen={show(seen)}", "True or False for each"
        )
    return Category(column, levels, seen)


_TIME: dict[str, Check] = {
    "value": lambda value: type(value) is int and abs(value) < 2**63,
    "unit": one_of("s", "ms", "us", "ns"),
    "zone": optional(text),
}
for _kind in (pd.Timestamp, pd.Timedelta):
    register(_kind, _TIME, write=_written_time, read=functools.partial(_read_time, _kind))
register(
    Numbers,
    {
        "column": natural,
        "kind": one_of(*_NOUNS),
        "origin": optional(instance(pd.Timestamp)),
        "has_zone": truth,
        "offset": number,
    },
)
register(
    Category,
    {"column": natural, "levels": items(any_value), "seen": instance(np.ndarray)},
    read=_read_category,
)
register(
    TableEncoder,
    {
        "numbers": items(instance(Numbers)),
        "few": items(instance(Category)),
        "many": items(instance(Category)),
    },
)


def _told(item: tuple[tuple[str, str, str], list[Any]]) -> str:
    (held, holds, cure), names = item
    return (
        f"columns {_listed(names)} held {held} in fit, but not in X: {holds}. "
        f"Expected {cure.format(name=names[0])}."
    )


def _refuse_others(owner: str, X: pd.DataFrame, kinds: Iterable[str]) -> None:
    """Refuse columns of lists and of complex numbers."""
    for kind, cure in _CURES_OF_OTHERS.items():
        wrong = [i for i, own in enumerate(kinds) if own == kind]
        if wrong:
            holds = _described(kind, X.iloc[:, wrong[0]])
            names = [X.columns[i] for i in wrong]
            raise ValueError(
                f"{owner}: columns {_listed(names)} of X hold {holds}. Expected {cure}."
            )


def _listed(names: list[Any]) -> str:
    more = len(names) - _MOST_SHOWN
    return f"{names[:_MOST_SHOWN]}" + (f" and {more} more" if more > 0 else "")
