"""Errors inside a function that builds a model, with the name of the parameter."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skdl._validation import show
from skdl.estimators.base._user_functions import first_line
from skdl.exceptions import InvalidParameterError
from skdl.networks import CalledModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skdl.networks import UserModel

__all__ = ["naming_model"]


@contextmanager
def naming_model(owner: str, source: UserModel) -> Iterator[None]:
    """Refuse what cannot be called to build a model, and put `model` into what a call raises.

    Parameters
    ----------
    owner : str
        Name of the estimator.
    source : UserModel
        What is built inside.
    """
    if isinstance(source, CalledModel):
        _check_signature(owner, source)
    try:
        yield
    except Exception as error:
        if str(error).startswith(owner):
            raise
        shown = show(source.function) if isinstance(source, CalledModel) else "<keras.Model>"
        text = (
            f"{owner}: model={shown} failed to build: {first_line(error)}. Expected a keras.Model, "
            "or a function that returns one, for rows of the shape of X."
        )
        raise InvalidParameterError(text) from error


def _check_signature(owner: str, source: CalledModel) -> None:
    function = source.function
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**source.arguments)
    except TypeError as error:
        raise InvalidParameterError(
            f"{owner}: model={show(function)} was called with {sorted(source.arguments)}, and has "
            f"the arguments {signature}: {error}. Expected a function that returns a keras.Model; "
            "give its arguments as model__NAME=..., and name meta among them to be told of the "
            "data."
        ) from error
