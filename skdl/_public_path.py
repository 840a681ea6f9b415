"""Public classes and functions say a public path, whatever module they are written in.

It is what pickles, skops and MLflow write down, so files can move without breaking those.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["load_name", "say_public_path"]


def load_name(namespace: dict[str, Any], name: str, module_of: Mapping[str, str]) -> Any:
    """Return a public name of a package whose module is imported at the name's first use.

    Parameters
    ----------
    namespace : dict of str to object
        The package's ``globals()``, which then hold it.
    name : str
    module_of : mapping of str to str
        Where each name is defined.

    Raises
    ------
    AttributeError
        If there is no such name.
    """
    package = namespace["__name__"]
    if name not in module_of:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    value = namespace[name] = getattr(importlib.import_module(module_of[name]), name)
    return value


def say_public_path(namespace: Mapping[str, Any]) -> None:
    """Let the public names of a package say that they are the package's own.

    Parameters
    ----------
    namespace : mapping of str to object
        The package's ``globals()``, with ``__all__``.
    """
    for name in namespace["__all__"]:
        namespace[name].__module__ = namespace["__name__"]
