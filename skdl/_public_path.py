"""Public classes and functions say a public path, whatever module they are written in.

It is what pickles, skops and MLflow write down, so files can move without breaking those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["say_public_path"]


def say_public_path(namespace: Mapping[str, Any]) -> None:
    """Let the public names of a package say that they are the package's own.

    Parameters
    ----------
    namespace : mapping of str to object
        The package's ``globals()``, with ``__all__``.
    """
    for name in namespace["__all__"]:
        namespace[name].__module__ = namespace["__name__"]
