"""Dependencies that not everybody needs, and what to install where one is missing."""

from __future__ import annotations

import contextlib
import importlib.metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["installed_version", "needs_extra"]


@contextlib.contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Say which extra to install where an import inside the block fails.

    Parameters
    ----------
    extra : str
        Name in ``pip install "skdl[extra]"``.
    what : str
        What needs it, which begins the message.

    Raises
    ------
    ImportError
        If an import in the block fails.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{what} needs the package {error.name!r}, which is not installed. Install it with "
            f'pip install "skdl[{extra}]".'
        ) from error


def installed_version(package: str) -> str | None:
    """Return the version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
