"""What code of the user's reads from outside: globals, closures, defaults, attributes.

TensorFlow builds these values into what it traces. So a program may be used again only where they
are equal; the reading says so.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import pickle
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import draws_own_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = [
    "Description",
    "UserFunction",
    "described_code",
    "is_users",
    "plain_function",
    "reading",
    "state_of",
]

# Packages whose code holds no values of the user's.
_LIBRARIES = {"keras", "numpy", "pandas", "scipy", "skdl", "sklearn", "tensorflow"}
_LIBRARIES |= set(sys.stdlib_module_names) - {"__main__"}
# What a class has that says nothing about what it computes.
_NOT_READ = {
    "__abstractmethods__", "__annotations__", "__dict__", "__doc__", "__firstlineno__",
    "__module__", "__qualname__", "__static_attributes__", "__weakref__", "_abc_impl",
}  # fmt: skip
# Objects looked at for one reading at most; more of them count as unknown.
_MOST_OBJECTS = 20_000
_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))


class _Itself:
    """An object that is equal to itself alone."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


def _is_in_library(module: str | None, packages: frozenset[str] = frozenset()) -> bool:
    top = (module or "").partition(".")[0]
    if top in packages:
        return False
    if top in _LIBRARIES:
        return True
    path = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return "site-packages" in path or "dist-packages" in path


def is_users(value: Any) -> bool:
    """Tell whether a function, or the class of an object, is the user's own code."""
    if isinstance(value, functools.partial):
        return True
    if isinstance(value, types.MethodType):
        return is_users(value.__func__) or is_users(value.__self__)
    is_code = isinstance(value, type | types.FunctionType | types.BuiltinFunctionType)
    module = (value if is_code else type(value)).__module__
    top = (module or "builtins").partition(".")[0]
    if isinstance(value, types.FunctionType) and top in _LIBRARIES:
        return not _is_of_module(value) and _wraps_users(value)
    return top not in _LIBRARIES


def _is_of_module(function: Any) -> bool:
    """Tell whether a function is found under its name in its module, and so holds no values."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def _wraps_users(function: Any) -> bool:
    cells = [_content(cell) for cell in function.__closure__ or ()]
    return any(callable(c) and c is not function and is_users(c) for c in cells)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


@functools.lru_cache(maxsize=1024)
def _names_read(code: types.CodeType) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the globals that code names, and all names in it, inner functions' too."""
    found: dict[str, None] = {}
    names = set(code.co_names)
    for instruction in dis.get_instructions(code):
        if instruction.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
            found[instruction.argval] = None
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner, inner_names = _names_read(constant)
            found.update(dict.fromkeys(inner))
            names |= inner_names
    return tuple(found), frozenset(names)


class _Walk:
    """Reads objects, each once."""

    def __init__(self, roots: tuple[Any, ...], unknown: object) -> None:
        self._unknown = _Itself(unknown)
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        modules = [getattr(r, "__module__", None) or type(r).__module__ for r in roots]
        # A package of the user's may be installed as libraries are.
        self._packages = frozenset(str(m).partition(".")[0] for m in modules) - _LIBRARIES

    def of(self, value: Any) -> Hashable:
        """Return what is equal for values that compute the same."""
        if isinstance(value, _ATOMS):
            return (type(value), repr(value))
        if isinstance(value, Description):
            return value
        if id(value) in self._seen:
            return ("seen", self._seen[id(value)])
        if len(self._seen) > _MOST_OBJECTS:
            return self._unknown
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)  # or another object could take its place in memory
        for kinds, read in _READERS:
            if isinstance(value, kinds):
                result: Hashable = getattr(self, read)(value)
                return result
        return self._object(value)

    def _is_library(self, module: str | None) -> bool:
        return _is_in_library(module, self._packages)

    def _array(self, value: Any) -> Hashable:
        if value.dtype.hasobject:
            return ("array", value.shape, self.of(value.tolist()))
        data = np.ascontiguousarray(value)
        return ("array", value.dtype.str, value.shape, hashlib.blake2b(data.tobytes()).digest())

    def _sequence(self, value: Any) -> Hashable:
        return (type(value), tuple(self.of(part) for part in value))

    def _set(self, value: Any) -> Hashable:
        return (type(value), frozenset(self.of(part) for part in value))

    def _mapping(self, value: Any) -> Hashable:
        return (type(value), tuple((self.of(k), self.of(v)) for k, v in value.items()))

    def _partial(self, value: Any) -> Hashable:
        return ("partial", self.of(value.func), self.of(value.args), self.of(value.keywords))

    def _method(self, value: Any) -> Hashable:
        return ("method", self.of(value.__func__), self.of(value.__self__))

    def _wrapper(self, value: Any) -> Hashable:
        return (type(value), self.of(value.__func__))

    def _property(self, value: Any) -> Hashable:
        return ("property", self.of(value.fget), self.of(value.fset))

    def _itself(self, value: Any) -> Hashable:
        return _Itself(value)

    def _function(self, function: Any) -> Hashable:
        cells = tuple(self.of(_content(cell)) for cell in function.__closure__ or ())
        if self._is_library(function.__module__):
            return _Itself(function) if _is_of_module(function) else (function.__code__, cells)
        named, names = _names_read(function.__code__)
        missing = object()
        read = []
        for name in named:
            value = function.__globals__.get(name, missing)
            if value is missing:
                continue  # built in
            read.append((name, self._global(value, names)))
        attributes = {n: v for n, v in vars(function).items() if n != "__wrapped__"}
        return (
            function.__code__, self.of(function.__defaults__), self.of(function.__kwdefaults__),
            cells, tuple(read), self.of(attributes) if attributes else None,
        )  # fmt: skip

    def _global(self, value: Any, names: frozenset[str]) -> Hashable:
        if not isinstance(value, types.ModuleType):
            return self.of(value)
        if self._is_library(value.__name__):
            return ("module", value.__name__)
        parts = sorted(name for name in names if name in vars(value))
        return (
            "module",
            value.__name__,
            tuple((name, self._global(vars(value)[name], names)) for name in parts),
        )

    def _class(self, kind: type) -> Hashable:
        if self._is_library(kind.__module__):
            return _Itself(kind)
        parts = tuple(
            (name, self.of(value)) for name, value in vars(kind).items() if name not in _NOT_READ
        )
        return (_Itself(kind), tuple(self.of(base) for base in kind.__bases__), parts)

    def _object(self, value: Any) -> Hashable:
        kind = type(value)
        wrapped = getattr(value, "python_function", None) or getattr(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType):
            return (_Itself(value), self.of(wrapped))
        is_library = self._is_library(kind.__module__)
        if is_library and (found := self._library_object(value)) is not None:
            return found
        if hasattr(value, "__dict__") and (not is_library or kind.__module__.startswith("keras.")):
            state = state_of(value)
            slots = [(n, getattr(value, n, None)) for n in getattr(kind, "__slots__", ())]
            return (
                self.of(kind), tuple((n, self.of(v)) for n, v in sorted(state.items())),
                tuple(self.of(s) for s in slots),
            )  # fmt: skip
        try:
            return (kind, hashlib.blake2b(pickle.dumps(value)).digest())
        except Exception:  # noqa: BLE001 - whatever an object raises that cannot be pickled
            return self._unknown

    def _library_object(self, value: Any) -> Hashable | None:
        """Read variables and tensors; what programs compute from variables is not built in."""
        if "tensorflow" not in sys.modules:
            return None
        import keras
        import tensorflow as tf

        if isinstance(value, keras.Variable | tf.Variable | keras.layers.Layer):
            return _Itself(value)
        if tf.is_tensor(value):
            return self._array(value.numpy()) if hasattr(value, "numpy") else _Itself(value)
        return None


_READERS: tuple[tuple[Any, str], ...] = (
    (np.ndarray | np.generic, "_array"),
    (functools.partial, "_partial"),
    (types.MethodType, "_method"),
    (staticmethod | classmethod, "_wrapper"),
    (property, "_property"),
    (types.FunctionType, "_function"),
    (type, "_class"),
    (types.ModuleType | types.BuiltinFunctionType | np.ufunc | np.dtype, "_itself"),
    (list | tuple, "_sequence"),
    (set | frozenset, "_set"),
    (dict, "_mapping"),
)


def state_of(obj: Any) -> dict[str, Any]:
    """Return the attributes of an object, without those in which Keras keeps books."""
    of_keras = any(base.__module__.startswith("keras.") for base in type(obj).__mro__)
    books = _books() if of_keras else frozenset()
    if draws_own_seed(obj):
        books = books | {"seed"}  # drawn by Keras for an initializer without one
    return {
        name: value
        for name, value in vars(obj).items()
        if name not in books and not name.startswith("_self_")
    }


@functools.cache
def _books() -> frozenset[str]:
    import keras

    bare = (keras.layers.Layer(name="bare"), keras.metrics.Metric(name="bare"))
    books = {name for obj in bare for name in vars(obj)} - {"activity_regularizer"}
    return frozenset(books) | {
        "_distribution_strategy", "_init_seed", "_iterations", "_trainable_variables_indices",
        "input_spec", "seed_generator",
    }  # fmt: skip


def reading(roots: tuple[Any, ...], unknown: object) -> Hashable:
    """Return what is equal where code would compute the same.

    Parameters
    ----------
    roots : tuple
        Functions, classes and objects.
    unknown : object
        Stands for all of which nobody can tell whether it has changed, and is equal to itself
        alone: with an object of its own, a reading with such parts is equal to no other.
    """
    walk = _Walk(roots, unknown)
    return tuple(walk.of(root) for root in roots)


class Description:
    """Base of what stands for the user's code and objects in a network; hashed by value."""


@dataclasses.dataclass(frozen=True, eq=False)
class UserFunction(Description):
    """A function of the user's, equal to itself as long as it reads the same from outside.

    Parameters
    ----------
    function : callable
    """

    function: Callable[..., Any]
    _token: object = dataclasses.field(default_factory=object, repr=False)

    def __post_init__(self) -> None:
        read = reading((self.function,), self._token)
        self.__dict__.update(_read=read, _hash=hash(read))

    @property
    def __name__(self) -> str:
        inner = self.function
        while isinstance(inner, functools.partial):
            inner = inner.func
        return str(getattr(inner, "__name__", type(inner).__name__))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UserFunction) or hash(self) != hash(other):
            return False
        # Another function of the same text may read something else when a trace is made anew.
        is_same = _is_same(self.function, other.function)
        return is_same and bool(self.__dict__["_read"] == other.__dict__["_read"])

    def __hash__(self) -> int:
        own: int = self.__dict__["_hash"]
        return own

    def __str__(self) -> str:
        return str(self.function)

    def now(self) -> UserFunction:
        """Return the function with what it reads now; itself where that is the same."""
        other = UserFunction(self.function, self._token)
        return self if other == self else other

    def __reduce__(self) -> tuple[Any, ...]:
        # What it reads is read anew where it is loaded.
        return UserFunction, (self.function,)


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two callables are one; methods and partial functions are made at each look."""
    if type(one) is not type(other):
        return False
    if isinstance(one, types.MethodType):
        return one.__func__ is other.__func__ and one.__self__ is other.__self__
    if isinstance(one, functools.partial) and one is not other:
        values = [*one.args, *one.keywords.values()]
        return _is_same(one.func, other.func) and all(isinstance(v, _ATOMS) for v in values)
    return one is other


def described_code(value: Any) -> Any:
    """Return a callable as a `UserFunction` if it is the user's own; anything else as it is."""
    is_plain = isinstance(value, type | Description | str) or not callable(value)
    return value if is_plain or not is_users(value) else UserFunction(value)


def plain_function(value: Any) -> Any:
    """Return the user's function itself for a `UserFunction`, anything else as it is."""
    return value.function if isinstance(value, UserFunction) else value
