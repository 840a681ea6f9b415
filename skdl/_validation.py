"""Checks on parameters and data at the door, each with a message that says what to do.

An estimator declares one `Constraint` per parameter and calls `check_parameters` in ``fit``.
The checks on data take what scikit-learn's ``validate_data`` has already turned into arrays.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from difflib import get_close_matches
from numbers import Integral
from numbers import Real as RealNumber
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

MAX_SHOWN_LABELS = 10
MAX_SHOWN_CHARACTERS = 200
MAX_SHOWN_TEXT = 600
# Of names, beyond which a list is no help any more.
MAX_SHOWN_NAMES = 12
# Sums of more would overflow float32 in the middle of a fit.
MAX_WEIGHT = 1e30
# Of more, products with weights overflow float32.
MAX_FEATURE = 1e15


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
        return f"{'one of ' if len(self.values) > 1 else ''}{_list_values(self.values)}"

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
        shown = _list_values(known, MAX_SHOWN_NAMES)
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


def check_validation_pair(
    owner: str, X_val: object, y_val: object, sample_weight_val: object
) -> None:
    """Refuse validation data of which a part is missing (None), with a ``ValueError``."""
    if X_val is None and y_val is not None:
        raise ValueError(f"{owner}: y_val was passed without X_val. Pass both or neither.")
    if X_val is not None and y_val is None:
        raise ValueError(f"{owner}: X_val was passed without y_val. Pass both or neither.")
    if X_val is None and sample_weight_val is not None:
        raise ValueError(
            f"{owner}: sample_weight_val was passed without X_val and y_val. Pass all three, or "
            "leave out sample_weight_val."
        )


def check_weights(owner: str, sample_weight: NDArray[Any], name: str = "sample_weight") -> None:
    """Refuse sample weights that are NaN, infinite, negative or all zero, with a ``ValueError``."""
    if not np.isfinite(sample_weight).all():
        wrong = "holds NaN or infinite weights"
    elif (sample_weight < 0).any():
        wrong = f"holds negative weights (the least is {sample_weight.min():g})"
    elif not sample_weight.any():
        wrong = "holds only zero weights, which leaves no rows to learn from"
    elif sample_weight.max() > MAX_WEIGHT:
        wrong = (
            f"holds weights up to {sample_weight.max():g}, of which sums overflow; divide them all "
            "by one number, as only their ratios count"
        )
    else:
        return
    raise ValueError(
        f"{owner}: {name} {wrong}. Expected finite numbers >= 0, at least one of them "
        "positive; use weight 0 to leave out a row, or {name}=None to weigh all rows alike."
    )


def check_outputs(owner: str, X: Any, outputs: Any) -> None:
    """Refuse, with a ``ValueError``, features so large that predictions are NaN or infinite."""
    if not isinstance(outputs, np.ndarray) or np.isfinite(outputs).all():
        return
    values = X.data if hasattr(X, "indptr") else X
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if largest > MAX_FEATURE:
        raise ValueError(
            f"{owner}: X holds values up to {largest:g}, for which predictions are no finite "
            "numbers. Expected features on the scale of those in fit: check their units, or scale "
            "them in a pipeline, for example by SmoothClipScaler, which bounds outliers."
        )


def check_enough_rows_to_split(owner: str, n_samples: int, validation_fraction: float) -> None:
    """Refuse, with a ``ValueError``, to split rows if one side would be left empty.

    As in scikit-learn's ``train_test_split``, the share of the validation rows is rounded up.
    """
    n_train = n_samples - math.ceil(n_samples * validation_fraction)
    if n_train < 1:
        raise ValueError(
            f"{owner}: n_samples={n_samples} with validation_fraction={validation_fraction!r} "
            f"leaves no rows to train on. Expected at least one row on either side: pass more "
            "rows, lower validation_fraction, pass X_val and y_val, or set early_stopping=False."
        )


def check_known_labels(owner: str, y: ArrayLike, classes: ArrayLike) -> None:
    """Refuse labels in `y` that are not among `classes`, with a ``ValueError``."""
    # Hashing, unlike np.setdiff1d, also takes labels of types that cannot be sorted together.
    known = dict.fromkeys(np.asarray(classes).tolist())
    seen = dict.fromkeys(np.asarray(y).ravel().tolist())
    if unknown := [label for label in seen if label not in known]:
        wrong, right = (_list_values(list(labels), MAX_SHOWN_LABELS) for labels in (unknown, known))
        raise ValueError(
            f"{owner}: y holds labels that were not seen in training: {wrong}. Expected only "
            f"{right}. Remove those rows, or train with every label (with partial_fit, name them "
            "all as classes in the first call)."
        )


def check_two_classes(owner: str, classes: ArrayLike) -> None:
    """Refuse, with a ``ValueError``, to train a classifier on fewer than two classes."""
    labels = np.asarray(classes).tolist()
    if len(labels) <= 1:
        found = f"1 class, {labels[0]!r}" if labels else "no class"
        raise ValueError(
            f"{owner}: the rows to train on hold only {found}. Expected at least 2 classes. Check "
            "how the rows were chosen (stratify the split, sample_weight > 0 in every class), or "
            "use sklearn.dummy.DummyClassifier."
        )


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


@contextmanager
def naming(owner: str, argument: str) -> Iterator[None]:
    """Put the name of an argument into a ``ValueError`` or ``TypeError`` that does not have it.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins the message.
    argument : str
        Name of the data that are checked inside.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        text = str(error)
        if len(text) > MAX_SHOWN_TEXT:
            # scikit-learn shows the data themselves.
            text = text.splitlines()[0][:MAX_SHOWN_TEXT]
        named = rf"\b({argument}|y)\b" if argument == "X" else rf"\b{argument}\b"
        if re.search(named, text):
            raise
        kind = ValueError if isinstance(error, ValueError) else TypeError
        if argument.startswith("X") and re.match(r"X\b", text):
            text = text[1:].lstrip()
            raise kind(f"{owner}: {argument} {text}") from error
        both = argument == "X" and "inconsistent" in text
        subject = "X and y do not go together" if both else f"{argument} is not as expected"
        raise kind(f"{owner}: {subject}. {text}") from error


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


def _list_values(values: Sequence[object], most: int | None = None) -> str:
    shown = ", ".join(map(repr, values[:most]))
    more = 0 if most is None else len(values) - most
    return f"{shown} and {more} more" if more > 0 else shown
