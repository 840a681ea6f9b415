"""What all public estimators share: signature, state, and the link to their documentation.

A state is objects in pickles and copies, and plain data in files of `skdl.io`.

skops walks through an object by ``__getstate__``, as MLflow has it do, and makes it again by
``__setstate__``; anybody can write such a file. So that way gives plain data, of which every value
is checked when it is read. Pickle and ``copy`` ask by ``__reduce_ex__`` and get the objects
themselves: a pickle runs code anyway, and holds what plain data cannot.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from skdl._doc_links import documentation_url, page_of
from skdl._plain_data import is_packed, pack, refused, unpack
from skdl._signatures import make_signature_readable
from skdl._validation import show
from skdl.exceptions import UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PublicEstimatorMixin"]


class _Asking(threading.local):
    for_objects = False


_asking = _Asking()


@contextlib.contextmanager
def _asked_for_objects() -> Iterator[None]:
    before, _asking.for_objects = _asking.for_objects, True
    try:
        yield
    finally:
        _asking.for_objects = before


class PublicEstimatorMixin:
    """Base of public estimators: signatures, links in diagrams, states that can be plain data."""

    # Attributes that are objects of ours, and what they must be; those of bases hold too.
    _kinds_of_state: ClassVar[dict[str, type | tuple[type, ...]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            make_signature_readable(vars(cls)["__init__"])

    # The three names below are for developers of estimators, see ``help(BaseEstimator)``.

    @property
    def _doc_link_module(self) -> str:
        # scikit-learn makes no link for an estimator that comes from elsewhere.
        return "skdl" if documentation_url() else ""

    @property
    def _doc_link_template(self) -> str:
        return f"{documentation_url()}/generated/{{page}}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        return {"page": page_of(type(self))}

    # ------------------------------------------------------------------ state

    def _kept_state(self) -> dict[str, Any]:
        """Return the attributes that copies and files have."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return state

    def _plain_state(self) -> dict[str, Any]:
        """Return the attributes that files of plain data have."""
        return self._kept_state()

    def _set_state(self, state: dict[str, Any]) -> None:
        """Take over what `_kept_state` returned."""
        super().__setstate__(state)  # type: ignore[misc]

    def __reduce_ex__(self, protocol: Any) -> Any:
        with _asked_for_objects():
            return super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        if _asking.for_objects:
            return self._kept_state()
        with _naming(type(self).__name__):
            return pack(self._plain_state())

    def __setstate__(self, state: dict[str, Any]) -> None:
        owner = type(self).__name__
        if not isinstance(state, dict):
            raise refused(f"a {owner} with the state {show(state)}", "named attributes")
        if is_packed(state):
            with _naming(owner):
                state = unpack(state)
        for name, value in state.items():
            self._check_attribute(name, value)
        self._set_state(state)

    def _check_attribute(self, name: str, value: Any) -> None:
        owner = type(self).__name__
        shadowed = getattr(type(self), name, None)
        if callable(shadowed) or isinstance(shadowed, property):
            raise refused(f"a {owner} with an attribute {name!r}", "its methods as they are")
        for base in type(self).__mro__:
            kinds = vars(base).get("_kinds_of_state", {}).get(name, object)
            if not isinstance(value, kinds):
                raise refused(f"a {owner} with {name}={show(value)}", "what `fit` sets there")


@contextlib.contextmanager
def _naming(owner: str) -> Iterator[None]:
    """Let errors begin with the estimator that they concern."""
    try:
        yield
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{owner}: {error}") from error
    except TypeError as error:
        raise TypeError(f"{owner}: {error}") from error
