"""Objects of ours as plain data: text, and the arrays and other objects that stand in no text.

Pickles hold our objects as they are. Files that strangers may have written must not: what a class
of ours is made of there, its own module says here (`register`), with a check for each value. What
is read is refused unless every check passes, and until then nothing but checks has run.

What is not ours and no plain data is a part beside the text: an array, a scikit-learn estimator, a
function. Whoever reads the file decides which of those it may hold.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from skdl._validation import show
from skdl.exceptions import UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "MAX_COUNT",
    "Check",
    "Rebuilt",
    "any_value",
    "cannot_save",
    "count",
    "instance",
    "integer",
    "is_inspecting",
    "is_packed",
    "items",
    "mapping",
    "natural",
    "number",
    "one_of",
    "optional",
    "pack",
    "pairs",
    "refused",
    "register",
    "register_foreign",
    "sequence",
    "text",
    "truth",
    "unpack",
    "without_building",
]

Check: TypeAlias = "Callable[[Any], bool]"

_FORMAT = 1
_TEXT, _PARTS = "skdl", "parts"
# Of layers' units and the like; also beyond any machine's memory.
MAX_COUNT = 2**31 - 1


# --------------------------------------------------------------------------------- what may be


def any_value(value: object) -> bool:
    """Accept anything: what it may be, the skops file or the estimator says."""
    del value
    return True


def integer(value: object) -> bool:
    """Accept whole numbers."""
    return type(value) is int and abs(value) <= MAX_COUNT


def natural(value: object) -> bool:
    """Accept whole numbers from 0."""
    return type(value) is int and 0 <= value <= MAX_COUNT


def count(value: object) -> bool:
    """Accept whole numbers from 1."""
    return type(value) is int and 1 <= value <= MAX_COUNT


def number(value: object) -> bool:
    """Accept finite numbers."""
    return integer(value) or (type(value) is float and math.isfinite(value))


def truth(value: object) -> bool:
    """Accept True and False."""
    return type(value) is bool


def text(value: object) -> bool:
    """Accept text."""
    return type(value) is str


def one_of(*allowed: object) -> Check:
    """Accept the values listed."""
    return lambda value: any(type(value) is type(own) and value == own for own in allowed)


def optional(check: Check) -> Check:
    """Accept None too."""
    return lambda value: value is None or check(value)


def instance(*kinds: type) -> Check:
    """Accept objects of these classes."""
    return lambda value: isinstance(value, kinds)


def items(check: Check) -> Check:
    """Accept tuples of such values."""
    return lambda value: type(value) is tuple and all(map(check, value))


def sequence(check: Check) -> Check:
    """Accept lists of such values."""
    return lambda value: type(value) is list and all(map(check, value))


def pairs(check: Check) -> Check:
    """Accept tuples of pairs of a name and such a value."""
    return items(lambda pair: type(pair) is tuple and len(pair) == 2 and text(pair[0])
                 and check(pair[1]))  # fmt: skip


def mapping(check: Check) -> Check:
    """Accept dicts from text to such values."""
    return lambda value: (
        type(value) is dict and all(map(text, value)) and all(map(check, value.values()))
    )


def refused(what: str, expected: str) -> UnsafeFileError:
    """Return the error of a file that holds what it may not."""
    return UnsafeFileError(
        f"The file holds {what}. Expected {expected}. It was damaged, written by another version "
        "or made by hand: ask for another file, or fit the estimator anew."
    )


def cannot_save(what: str, cure: str) -> TypeError:
    """Return the error of an object that no file of plain data can hold."""
    return TypeError(f"{what} cannot be saved as plain data. {cure}")


# ------------------------------------------------------------------------------------- classes


class Rebuilt:
    """Base of descriptions in the place of what they describe; it is built where that is read."""

    def build(self) -> Any:
        """Return what it describes."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class _PlainClass:
    """How objects of one class are written and read."""

    kind: type
    write: Callable[[Any], Mapping[str, Any]]
    read: Callable[..., Any]
    checks: Mapping[str, Check]
    optional: frozenset[str]


_by_tag: dict[str, _PlainClass] = {}
_tags: dict[type, str] = {}
# What finds a description for objects that are not ours; None for others.
_describers: list[Callable[[Any], Any]] = []


def register(
    kind: type,
    checks: Mapping[str, Check],
    *,
    tag: str | None = None,
    write: Callable[[Any], Mapping[str, Any]] | None = None,
    read: Callable[..., Any] | None = None,
    may_lack: tuple[str, ...] = (),
) -> None:
    """Say what objects of a class are made of in files.

    Parameters
    ----------
    kind : type
    checks : mapping of str to callable
        By the names of what is written, in the order in which it is written: whether a value that
        was read may be there.
    tag : str, optional
        What the class is called in files; its name by default, which then must not change.
    write : callable, optional
        From an object to what is written; its attributes of those names by default.
    read : callable, optional
        From what was read, by keyword, to an object; the class by default. It may refuse
        (`refused`), and does nothing else.
    may_lack : tuple of str
        Names that some objects have no attribute of.
    """
    tag = tag or kind.__name__

    def attributes(obj: Any) -> dict[str, Any]:
        return {
            name: getattr(obj, name) for name in checks if name not in may_lack or name in vars(obj)
        }

    _by_tag[tag] = _PlainClass(kind, write or attributes, read or kind, checks, frozenset(may_lack))
    _tags[kind] = tag


def register_foreign(describe: Callable[[Any], Any]) -> None:
    """Say how objects that are not ours are described.

    Parameters
    ----------
    describe : callable
        From any object to one of a registered class that stands for it, or to None.
    """
    _describers.append(describe)


# --------------------------------------------------------------------------------------- write


def pack(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as plain data.

    Raises
    ------
    TypeError
        If something of ours cannot be.
    """
    writer = _Writer()
    content = writer.node(dict(state))
    whole = json.dumps({"format": _FORMAT, "content": content}, allow_nan=False)
    return {_TEXT: whole, _PARTS: writer.parts}


class _Writer:
    def __init__(self) -> None:
        self.parts: list[Any] = []
        self._places: dict[int, int] = {}
        self._described: dict[int, tuple[Any, Any]] = {}

    def node(self, value: Any) -> Any:
        """Return a value as JSON has it."""
        kind = type(value)
        if kind in {list, tuple, dict, float}:
            return self._of_python(value)
        if value is None or kind in {bool, int, str}:
            return value
        return self._of_ours(value) if kind in _tags else self._of_others(value)

    def _of_python(self, value: Any) -> Any:
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, dict):
            return {"dict": [[self.node(k), self.node(v)] for k, v in value.items()]}
        parts = [self.node(part) for part in value]
        return parts if isinstance(value, list) else {"tuple": parts}

    def _of_others(self, value: Any) -> Any:
        if id(value) in self._described:
            return self._described[id(value)][1]
        for describe in _describers:
            description = describe(value)
            if description is not None:
                node = self._of_ours(description)
                # With the object, or another could take its place in memory.
                self._described[id(value)] = value, node
                return node
        return {"part": self._part(value)}

    def _of_ours(self, value: Any) -> Any:
        tag = _tags[type(value)]
        written = _by_tag[tag].write(value)
        return {"is": tag, "has": {name: self.node(part) for name, part in written.items()}}

    def _part(self, value: Any) -> int:
        if id(value) not in self._places:
            self._places[id(value)] = len(self.parts)
            self.parts.append(value)
        return self._places[id(value)]


# ---------------------------------------------------------------------------------------- read


@dataclasses.dataclass
class Inspection:
    """What was seen of a file that is read without building anything.

    Parameters
    ----------
    is_complete : bool
        Whether there was nothing to build, so that what was read can be used.
    """

    is_complete: bool = True


_inspection: contextvars.ContextVar[Inspection | None] = contextvars.ContextVar(
    "inspection", default=None
)


@contextlib.contextmanager
def without_building() -> Iterator[Inspection]:
    """Read descriptions of Keras objects and check them, but leave them as they are."""
    inspection = Inspection()
    token = _inspection.set(inspection)
    try:
        yield inspection
    finally:
        _inspection.reset(token)


def is_inspecting() -> bool:
    """Tell whether this is read `without_building`."""
    return _inspection.get() is not None


def is_packed(state: Any) -> bool:
    """Tell whether it is what `pack` returns."""
    return isinstance(state, dict) and _TEXT in state


def unpack(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `pack`.

    Raises
    ------
    UnsafeFileError
        If anything is not as it was written.
    """
    written, parts = packed.get(_TEXT), packed.get(_PARTS)
    if not text(written) or type(parts) is not list or len(packed) != 2:
        raise refused(
            f"a state of an estimator with the entries {sorted(map(str, packed))}",
            f"text under {_TEXT!r} and a list under {_PARTS!r}",
        )
    try:
        whole = json.loads(str(written))
    except ValueError as error:
        raise refused(f"text that is no JSON ({error})", "a state of an estimator") from error
    if type(whole) is not dict or set(whole) != {"format", "content"}:
        raise refused("text without a format", "a state of an estimator")
    if whole["format"] != _FORMAT:
        raise refused(
            f"a state of format {show(whole['format'])}",
            f"format {_FORMAT}, as this version of skdl writes it",
        )
    state = _Reader(parts).value(whole["content"])
    if type(state) is not dict or not all(map(text, state)):
        raise refused(f"a {type(state).__name__} as state of an estimator", "named attributes")
    return state


class _Reader:
    def __init__(self, parts: list[Any]) -> None:
        self._parts = parts

    def value(self, node: Any) -> Any:
        """Return what a node of JSON stands for."""
        if node is None or type(node) in {bool, int, float, str}:
            return node
        if type(node) is list:
            return [self.value(part) for part in node]
        if type(node) is dict and len(node) == 1:
            ((form, content),) = node.items()
            read = getattr(self, f"_{form}", None) if form in _FORMS else None
            if read is not None:
                return read(content)
        if type(node) is dict and set(node) == {"is", "has"}:
            return self._of_ours(node["is"], node["has"])
        raise refused(f"the entry {show(node)}", "plain data, or an object of skdl")

    def _tuple(self, content: Any) -> Any:
        if type(content) is not list:
            raise refused(f"the tuple {show(content)}", "a list of its entries")
        return tuple(self.value(part) for part in content)

    def _dict(self, content: Any) -> Any:
        if type(content) is not list or any(type(p) is not list or len(p) != 2 for p in content):
            raise refused(f"the dict {show(content)}", "pairs of key and value")
        found = {}
        for key, part in content:
            name = self.value(key)
            if not _is_key(name) or name in found:
                raise refused(f"the key {show(name)} in a dict", "text or numbers, each once")
            found[name] = self.value(part)
        return found

    def _float(self, content: Any) -> Any:
        if content not in {"nan", "inf", "-inf"}:
            raise refused(f"the number {show(content)}", "'nan', 'inf' or '-inf'")
        return float(content)

    def _part(self, content: Any) -> Any:
        if type(content) is not int or not 0 <= content < len(self._parts):
            raise refused(f"part number {show(content)}", f"one of {len(self._parts)} parts")
        return self._parts[content]

    def _of_ours(self, tag: Any, content: Any) -> Any:
        plain = _by_tag.get(tag) if type(tag) is str else None
        if plain is None:
            raise refused(f"an object of class {show(tag)}", f"one of {sorted(_by_tag)}")
        if type(content) is not dict or not (
            set(plain.checks) - plain.optional <= set(content) <= set(plain.checks)
        ):
            held = sorted(content) if type(content) is dict else show(content)
            raise refused(f"a {tag} of {held}", f"{list(plain.checks)}")
        values = {name: self.value(part) for name, part in content.items()}
        for name, value in values.items():
            if not plain.checks[name](value):
                raise refused(f"{tag} with {name}={show(value)}", f"another {name}")
        made = plain.read(**values)
        if not isinstance(made, Rebuilt):
            return made
        inspection = _inspection.get()
        if inspection is None:
            return made.build()
        inspection.is_complete = False
        return made


_FORMS = {"tuple", "dict", "float", "part"}


def _is_key(value: object) -> bool:
    if type(value) is tuple:
        return all(map(_is_key, value))
    return value is None or type(value) in {bool, int, float, str}
