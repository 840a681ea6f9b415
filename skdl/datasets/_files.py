"""Where a file of data is: in a folder of the user's, in the cache, or on the network.

What is downloaded is checked by its SHA-256 before anything reads it, and is in place only when it
is whole: a file of the cache need not be checked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import logging
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skdl import _compile_cache
from skdl._validation import AnyOf, Boolean, Instance, OneOf, check_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from skdl._validation import Constraint

__all__ = ["FOLDER", "DataFile", "check_arguments", "find", "path_of", "reading"]

FOLDER = "SKDL_DATA"
_N_TRIES = 3
_DELAY_SECONDS = 1.0
_TIMEOUT_SECONDS = 30.0
_CHUNK = 2**20
_CONSTRAINTS: dict[str, Constraint] = {
    "data_home": AnyOf(OneOf(None), Instance(str, os.PathLike)),
    "return_X_y": Boolean(),
    "as_frame": Boolean(),
    "download_if_missing": Boolean(),
    "subset": OneOf("train", "test"),
}

_log = logging.getLogger("skdl")


@dataclass(frozen=True)
class DataFile:
    """A file that a fetcher reads, and where it comes from."""

    name: str
    url: str
    # Of what lies at the URL.
    sha256: str
    # Writes the file from the download; None where they are the same.
    convert: Callable[[Path, Path], None] | None = None

    @property
    def download_name(self) -> str:
        """The name of what lies at the URL."""
        return self.url.rpartition("/")[2]


def check_arguments(
    owner: str,
    arguments: Mapping[str, object],
    constraints: Mapping[str, Constraint] | None = None,
) -> None:
    """Refuse bad arguments of a fetcher, given all of them by name."""
    check_parameters(owner, arguments, {**_CONSTRAINTS, **(constraints or {})})


def path_of(
    owner: str,
    file: DataFile,
    *,
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
) -> Path:
    """Return where a file is, downloaded if need be.

    Raises
    ------
    OSError
        If it is nowhere and cannot be downloaded, or if the download is not the file expected.
    """
    found = find(file, data_home)
    if found is not None and found.name == file.name:
        return found
    folders = _folders(data_home)
    kept = folders[-1]
    if found is not None or download_if_missing:
        try:
            _make_folder(kept, is_cache=data_home is None)
            # Files get their place by being renamed, so they are in it whole or not at all.
            with tempfile.TemporaryDirectory(dir=kept, prefix=".part-") as scratch:
                download = found or Path(scratch) / file.download_name
                if found is None:
                    _download(owner, file, download, folders)
                return _keep(owner, file, download, Path(scratch) / f"new-{file.name}", kept)
        except PermissionError as error:
            raise PermissionError(
                f"{owner}: cannot write to {kept} ({error}). Expected data_home= with a folder of "
                "yours."
            ) from error
    raise FileNotFoundError(
        f"{owner}: {file.name} is not in {_listed(folders)}. Expected download_if_missing=True, or "
        f"{_by_hand(file, kept)}."
    )


def find(file: DataFile, data_home: str | os.PathLike[str] | None = None) -> Path | None:
    """Return where a file, or the download that it is made from, is; None where it is nowhere."""
    places = [
        folder / name for name in (file.name, file.download_name) for folder in _folders(data_home)
    ]
    return next((place for place in places if place.is_file()), None)


@contextlib.contextmanager
def reading(owner: str, path: Path) -> Iterator[None]:
    """Say of a file that cannot be read which it is and what to do."""
    try:
        yield
    except Exception as error:
        raise OSError(
            f"{owner}: {path} is damaged or another file of that name "
            f"({type(error).__name__}: {error}). Remove it, and it is downloaded again."
        ) from error


def _folders(data_home: str | os.PathLike[str] | None) -> list[Path]:
    """Return where files are looked for, in that order; the last keeps what is downloaded."""
    if data_home is not None:
        return [Path(data_home).expanduser()]
    own = os.environ.get(FOLDER)
    folders = [Path(own).expanduser()] if own else []
    return [*folders, _compile_cache.user_folder() / "data"]


def _make_folder(folder: Path, *, is_cache: bool) -> None:
    """Make a folder: one of the cache is the user's alone, as the compilations beside it are."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700 if is_cache else 0o777, exist_ok=True)


def _keep(owner: str, file: DataFile, download: Path, new: Path, folder: Path) -> Path:
    """Put a download into a folder in the form that fetchers read; return where."""
    digest = _sha256(download)
    if digest != file.sha256:
        raise OSError(
            f"{owner}: {download} is not the file that was expected. Its "
            f"{download.stat().st_size:,} bytes have the SHA-256 {digest}, not {file.sha256}: it "
            "was cut short or changed. Nothing of it was read. Try again later, or "
            f"{_by_hand(file, folder)}."
        )
    with reading(owner, download):
        (file.convert or shutil.copyfile)(download, new)
    return new.replace(folder / file.name)


def _download(owner: str, file: DataFile, path: Path, folders: list[Path]) -> None:
    for i in range(_N_TRIES):
        try:
            _copy(file.url, path)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, PermissionError):
                raise
            is_final = False
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                is_final = error.code < 500
            if is_final or i == _N_TRIES - 1:
                reason = error.reason if type(error) is urllib.error.URLError else error
                raise ConnectionError(
                    f"{owner}: {file.name} is not in {_listed(folders)}, and cannot be downloaded "
                    f"from {file.url} ({reason}). Expected a network connection, or "
                    f"{_by_hand(file, folders[-1])}."
                ) from error
            _log.info("%s: %s; trying again.", owner, error)
            time.sleep(_DELAY_SECONDS)
        else:
            return


def _copy(url: str, path: Path) -> None:
    """Write what lies at a URL into a file, all of it."""
    opener = urllib.request.build_opener()
    opener.addheaders = [("User-Agent", "skdl")]
    _log.info("Downloading %s.", url)
    with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer, path.open("wb") as written:
        while chunk := answer.read(_CHUNK):
            written.write(chunk)
        promised = answer.headers.get("Content-Length")
    if promised is not None and path.stat().st_size != int(promised):
        raise ConnectionError(f"cut short after {path.stat().st_size:,} of {int(promised):,} bytes")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(folders: list[Path]) -> str:
    return " or ".join(map(str, folders))


def _by_hand(file: DataFile, folder: Path) -> str:
    return (
        f"the file itself: download {file.url} elsewhere and put it, as {file.download_name}, into "
        f"{folder} or into a folder that data_home or the environment variable {FOLDER} names"
    )
