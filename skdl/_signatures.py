"""Signatures that can be read: one parameter a line where a line is not enough, types unquoted.

``help()`` prints an estimator's signature as it comes. Before Python 3.13 it does not wrap fifty
parameters, and before 3.14 it puts quotes around postponed types.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ReadableSignature", "make_signature_readable"]

LINE = 88


class _Type:
    """A type of an annotation, as it was written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class ReadableSignature(inspect.Signature):
    """A signature that is printed for readers; all else is as in its base class."""

    def __str__(self) -> str:
        parameters = [_readable(parameter) for parameter in self.parameters.values()]
        shown = inspect.Signature(parameters)
        result = self.return_annotation
        if result is not inspect.Signature.empty:
            shown = shown.replace(return_annotation=_written(result))
        text = inspect.Signature.__str__(shown)
        return text if len(text) <= LINE else _one_a_line(shown)


def _readable(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(annotation=_written(parameter.annotation))


def _written(annotation: Any) -> Any:
    return _Type(annotation) if isinstance(annotation, str) else annotation


def _one_a_line(signature: inspect.Signature) -> str:
    lines: list[str] = []
    before: Any = None
    for parameter in signature.parameters.values():
        kind = parameter.kind
        if kind is parameter.KEYWORD_ONLY and before not in {kind, parameter.VAR_POSITIONAL}:
            lines.append("*")
        if before is parameter.POSITIONAL_ONLY and kind is not before:
            lines.append("/")
        lines.append(str(parameter))
        before = kind
    end = str(signature.replace(parameters=[])).removeprefix("()")
    return "".join(["(\n", *(f"    {line},\n" for line in lines), ")", end])


def make_signature_readable(function: Callable[..., Any]) -> None:
    """Let ``help()`` and others print a function's signature for readers.

    Parameters
    ----------
    function : callable
        What ``inspect.signature`` tells of it is kept with it, which also spares scikit-learn
        working it out in each ``get_params``.
    """
    function.__dict__["__signature__"] = ReadableSignature.from_callable(function)
