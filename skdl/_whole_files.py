"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file, or replace it, in one step: nobody finds a part of it.

    Parameters
    ----------
    path : Path
    data : bytes
    private : bool
        Whether the user alone may read it, otherwise whoever the umask lets.

    Raises
    ------
    IsADirectoryError, FileNotFoundError
        If `path` is a folder, or in none.
    OSError
        As of a full disk. What stood at `path` then still stands there, and nothing else is left.
    """
    path = path.resolve()  # a link stays one
    if path.is_dir():
        raise IsADirectoryError(
            f"{str(path)!r} is a folder. Expected the path of a file, which may not exist yet."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{str(path)!r}: there is no folder {str(path.parent)!r}. Expected one that exists."
        )
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if not private:
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
