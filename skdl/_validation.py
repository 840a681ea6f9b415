"""Checks on parameters at the door, each with a message that says what to do.

An estimator declares one `Constraint` per parameter and calls `check_parameters` in ``fit``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from difflib import get_close_matches
from numbers import Integral
from numbers import Real as RealNumber
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

MAX_SHOWN_CHARACTERS = 200
# Of names, beyond which a list is no help any more.
MAX_SHOWN_NAMES = 12


class Constraint(ABC):
    """What a parameter may be."""

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Return whether `value` is allowed."""

    @abstractmethod
    def describe(self) -> str:
        """Return the words that follow "Expected" in an error."""

    @property
    def names(self) -> tuple[str, ...]:
        """The allowed strings, if they can be listed."""
        return ()

    def suggest(self, value: object) -> str:
        """Return the name nearest to a mistyped `value`; "" if none is near."""
        return nearest_name(value, self.names) if isinstance(value, str) else ""

    def hint(self, value: object) -> str:
        """Return a sentence that says what to write instead of `value`; "" if nobody knows."""
        nearest = self.suggest(value)
        return f"Did you mean {nearest!r}?" if nearest else ""


@dataclass(frozen=True)
class _Range(Constraint):
    """A finite number between two bounds; True and False are not numbers here.

    Parameters
    ----------
    low, high : float or None, default=None
        Bounds; None for no bound.
    low_open, high_open : bool, default=False
        Whether the bound itself is refused.
    example : float or None, default=None
        A sensible value, named in the error.
    """

    noun: ClassVar[str]
    kind: ClassVar[type[Any]]

    low: float | None = None
    high: float | None = None
    _: KW_ONLY
    low_open: bool = False
    high_open: bool = False
    example: float | None = None

    def accepts(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, self.kind):
            return False
        # Bounds of inf refuse inf and NaN and, unlike math.isfinite, take integers of any size.
        above = value > -math.inf if self.low is None else value >= self.low
        below = value < math.inf if self.high is None else value <= self.high
        on_open_end = (self.low_open and value == self.low) or (
            self.high_open and value == self.high
        )
        return bool(above and below and not on_open_end)

    def describe(self) -> str:
        where = ""
        if self.low is not None and self.high is not None:
            left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
            where = f" in {left}{self.low}, {self.high}{right}"
        elif self.low is not None:
            where = f" {'>' if self.low_open else '>='} {self.low}"
        elif self.high is not None:
            where = f" {'<' if self.high_open else '<='} {self.high}"
        example = "" if self.example is None else f", for example {self.example}"
        return f"{self.noun}{where}{example}"


class Integer(_Range):
    """A whole number, of Python's or NumPy's integer types; 1.0 is none."""

    noun = "an integer"
    kind = Integral


class Real(_Range):
    """A finite number; integers count, NaN and inf do not."""

    noun = "a number"
    kind = RealNumber


class Boolean(Constraint):
    """True or False, of Python or NumPy."""

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool | np.bool_)

    def describe(self) -> str:
        return "True or False"


class OneOf(Constraint):
    """One of a few exact values, such as strings and None; 1 and True are two values."""

    def __init__(self, *values: object) -> None:
        self.values = values

    def accepts(self, value: object) -> bool:
        # `True == 1`, and an array compares entry by entry: only equal kinds are compared.
        kind = bool if isinstance(value, bool) else object
        alike = (v for v in self.values if isinstance(v, kind) and isinstance(value, type(v)))
        return any(bool(value == v) for v in alike)

    def describe(self) -> str:
        return f"{'one of ' if len(self.values) > 1 else ''}{list_values(self.values)}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(value for value in self.values if isinstance(value, str))


class Names(Constraint):
    """A string out of a list of names.

    Parameters
    ----------
    names : collection of str, or callable returning one
        A callable is called only to check a string or to report an error, so that whoever knows
        the names need not be imported before.
    what : str
        What is named, in the singular: ``"activation"``.
    home : str, default=""
        Where all names are listed, for an error that shows the first of many.
    cures : mapping of str to str, default=None
        For names that other libraries use, or that make no sense here, a sentence that says what
        to write instead.
    """

    def __init__(
        self,
        names: Collection[str] | Callable[[], Collection[str]],
        what: str,
        *,
        home: str = "",
        cures: Mapping[str, str] | None = None,
    ) -> None:
        self._names = names
        self.what = what
        self.home = home
        self.cures = cures or {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names() if callable(self._names) else self._names)

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in self.names and value not in self.cures

    def describe(self) -> str:
        known = [name for name in self.names if name not in self.cures]
        shown = list_values(known, MAX_SHOWN_NAMES)
        home = f" of {self.home}" if self.home and len(known) > MAX_SHOWN_NAMES else ""
        return f"one of the {self.what} names {shown}{home}"

    def hint(self, value: object) -> str:
        cure = self.cures.get(value) if isinstance(value, str) else None
        return cure or super().hint(value)


@dataclass(frozen=True)
class WithCures(Constraint):
    """A constraint that says of some values it refuses what to write instead."""

    constraint: Constraint
    cures: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        return self.constraint.names

    def accepts(self, value: object) -> bool:
        return self.constraint.accepts(value)

    def describe(self) -> str:
        return self.constraint.describe()

    def hint(self, value: object) -> str:
        cure = self.cures.get(value) if isinstance(value, str) else None
        return cure or self.constraint.hint(value)


@dataclass(frozen=True)
class SequenceOf(Constraint):
    """A list, a tuple or a one-dimensional array whose entries all meet a constraint."""

    entry: Constraint
    min_length: int = 0
    max_length: int | None = None

    def accepts(self, value: object) -> bool:
        if isinstance(value, np.ndarray):
            if value.ndim != 1:
                return False
        elif not isinstance(value, list | tuple):
            return False
        if self.max_length is not None and len(value) > self.max_length:
            return False
        return len(value) >= self.min_length and all(map(self.entry.accepts, value))

    def describe(self) -> str:
        length = f" of {self.min_length} or more entries" if self.min_length else ""
        if self.max_length is not None:
            length = f" of {self.min_length} to {self.max_length} entries"
        return f"a sequence{length} (each {self.entry.describe()})"

    def hint(self, value: object) -> str:
        if not isinstance(value, list | tuple):
            return ""
        wrong = [entry for entry in value if not self.entry.accepts(entry)]
        return next(filter(None, map(self.entry.hint, wrong)), "")


class Instance(Constraint):
    """An instance of one of some classes."""

    def __init__(self, *types: type) -> None:
        self.types = types

    def accepts(self, value: object) -> bool:
        return isinstance(value, self.types)

    def describe(self) -> str:
        return f"an instance of {' or '.join(cls.__name__ for cls in self.types)}"


@dataclass(frozen=True)
class Predicate(Constraint):
    """Whatever `func` returns True for; `description` follows "Expected" in an error."""

    func: Callable[[Any], bool]
    description: str

    def accepts(self, value: object) -> bool:
        return bool(self.func(value))

    def describe(self) -> str:
        return self.description


class AnyOf(Constraint):
    """Whatever at least one of some constraints accepts; they are asked in the order given."""

    def __init__(self, *constraints: Constraint) -> None:
        self.constraints = constraints

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for constraint in self.constraints for name in constraint.names)

    def accepts(self, value: object) -> bool:
        return any(constraint.accepts(value) for constraint in self.constraints)

    def hint(self, value: object) -> str:
        return next(filter(None, (c.hint(value) for c in self.constraints)), "")

    def describe(self) -> str:
        parts = [
            "a list of these"
            if isinstance(c, SequenceOf) and any(c.entry is other for other in self.constraints)
            else c.describe()
            for c in self.constraints
        ]
        return (", or " if any("," in part for part in parts) else " or ").join(parts)


# What every estimator, splitter and search takes under these names.
RANDOM_STATE = AnyOf(
    OneOf(None),
    Integer(0, 2**32 - 1),
    Predicate(lambda value: isinstance(value, np.random.RandomState), "a RandomState"),
)
VERBOSE = AnyOf(Boolean(), Integer(0))
ERROR_SCORE = AnyOf(
    OneOf("raise"),
    Real(),
    Predicate(lambda value: isinstance(value, float) and math.isnan(value), "nan"),
)


def check_parameters(
    owner: str, values: Mapping[str, object], constraints: Mapping[str, Constraint]
) -> None:
    """Refuse bad parameters, all of them in one error.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins the message.
    values : mapping of str to object
        Parameters by name, as from ``get_params(deep=False)``. Those without a constraint, such
        as a subclass may add, are not checked.
    constraints : mapping of str to Constraint
        What each parameter may be.

    Raises
    ------
    InvalidParameterError
        If any parameter is not allowed.

    Examples
    --------
    >>> dropout = Real(0, 1, high_open=True, example=0.2)
    >>> check_parameters("MLPClassifier", {"dropout": 1.0}, {"dropout": dropout})
    Traceback (most recent call last):
    skdl.exceptions.InvalidParameterError: MLPClassifier: dropout=1.0 is not allowed. Expected \
a number in [0, 1), for example 0.2.
    """
    problems = [
        _describe_problem(name, value, constraints[name])
        for name, value in values.items()
        if name in constraints and not constraints[name].accepts(value)
    ]
    if len(problems) == 1:
        raise InvalidParameterError(f"{owner}: {problems[0]}")
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise InvalidParameterError(f"{owner}: {len(problems)} parameters need a change.{lines}")


def _describe_problem(name: str, value: object, constraint: Constraint) -> str:
    is_other_name = isinstance(value, str) and constraint.names and value not in constraint.names
    verdict = "known" if is_other_name else "allowed"
    hint = constraint.hint(value)
    hint = f"{hint} " if hint else ""
    return f"{name}={show(value)} is not {verdict}. {hint}Expected {constraint.describe()}."


def nearest_name(name: str, known: Collection[str]) -> str:
    """Return which of some names a mistyped one is nearest to; "" if none is near."""
    spellings: dict[str, str] = {}
    for candidate in known:
        spellings.setdefault(candidate.lower(), candidate)
    near = get_close_matches(name.lower(), spellings, n=1)
    return spellings[near[0]] if near else ""


def show(value: object) -> str:
    """Return a short text for any value: arrays by shape and dtype, the rest by ``repr``."""
    if hasattr(value, "shape") and not isinstance(value, np.generic | type):
        dtype = f" and dtype {value.dtype}" if hasattr(value, "dtype") else ""
        return f"<{type(value).__name__} of shape {value.shape}{dtype}>"
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a class of the user's own
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."


def list_values(values: Sequence[object], most: int | None = None) -> str:
    """Return a short text for some values, the first `most` of them."""
    shown = ", ".join(map(repr, values[:most]))
    more = 0 if most is None else len(values) - most
    return f"{shown} and {more} more" if more > 0 else shown
