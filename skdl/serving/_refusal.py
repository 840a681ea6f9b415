"""Requests that are answered with an error, and what the client is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RefusedError", "as_json", "check_keys", "listed", "shown"]

_MOST_SHOWN = 5
_MOST_CHARACTERS = 60


class RefusedError(Exception):
    """A request cannot be answered.

    Parameters
    ----------
    message : str
        What was wrong, what was expected, what to do.
    status : int, default=400
        HTTP status.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def listed(names: Iterable[Any]) -> str:
    """Return the first names of some, quoted."""
    shown_names = [shown(name) for name in names]
    more = len(shown_names) - _MOST_SHOWN
    return ", ".join(shown_names[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def shown(value: Any) -> str:
    """Return a value as JSON, cut where it is long; a client may have sent anything."""
    text = json.dumps(value) if not isinstance(value, dict | list) else json_type(value)
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"


def json_type(value: Any) -> str:
    """Return what JSON calls a value."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value)) or ("a list" if isinstance(value, list) else "an object")


def as_json(body: bytes) -> dict[str, Any]:
    """Return a body as the JSON object that it should be.

    Raises
    ------
    RefusedError
        If it is something else.
    """
    if not body:
        raise RefusedError("the body is empty. Expected a JSON object.")
    try:
        content = json.loads(body.decode(), parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise RefusedError(f"the body is not UTF-8: {error}. Expected JSON in UTF-8.") from error
    except RecursionError as error:
        raise RefusedError("the JSON of the body is nested too deeply. Expected rows.") from error
    except ValueError as error:
        raise RefusedError(f"the body is not JSON: {error}. Expected a JSON object.") from error
    if not isinstance(content, dict):
        raise RefusedError(f"the body is {json_type(content)}. Expected a JSON object.")
    return content


def _constant(name: str) -> float:
    # Python's clients write NaN for missing numbers, which JSON itself has no word for.
    if name == "NaN":
        return float("nan")
    raise RefusedError(
        f"the body holds {name}. Expected finite numbers, or null where one is missing."
    )


def check_keys(what: str, content: dict[str, Any], known: set[str]) -> None:
    """Refuse an object with other keys than these.

    Raises
    ------
    RefusedError
        If there are others.
    """
    unknown = sorted(content.keys() - known)
    if unknown:
        raise RefusedError(
            f"{what} has the unknown keys {listed(unknown)}. Expected {listed(sorted(known))}."
        )
