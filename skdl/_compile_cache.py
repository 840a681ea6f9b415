"""XLA's compilations on disk, so that a new process need not compile what an old one did.

TensorFlow reads where they are when it is loaded, so skdl must be imported before it. The folder
holds machine code that will be run: it belongs to the user alone, and nobody else can put another
in its place by way of the folders above it; or it is not used.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import platform
import re
import stat
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["SWITCH", "clear", "enable", "folder_for", "folder_in_use", "own_folder", "user_folder"]

SWITCH = "SKDL_COMPILE_CACHE"
_FLAG = "--tf_xla_persistent_cache_directory"
_PARENT = "xla"
_MOST_BYTES = 256 * 1024**2

_log = logging.getLogger("skdl")


def enable() -> Path | None:
    """Make TensorFlow keep its compilations; return where, or None where it will not.

    To be called before TensorFlow is loaded. The environment variable ``SKDL_COMPILE_CACHE`` is
    ``on``, the default, ``off``, or names a folder. Nothing is kept if TensorFlow has such a folder
    from the user, or if the folder is not safe, of which the log tells: by a warning if it was
    asked for. Each of these costs the time to compile and nothing else.
    """
    choice = os.environ.get(SWITCH, "")
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if choice == "off" or _FLAG in flags:
        return None
    try:
        folder = folder_for(user_folder() if choice in {"", "on"} else Path(choice))
        _prune(folder)
    except (OSError, PackageNotFoundError, RuntimeError) as error:
        level = logging.WARNING if choice else logging.DEBUG
        _log.log(level, "compilations are not kept on disk: %s", error)
        return None
    os.environ["TF_XLA_FLAGS"] = f"{flags} {_FLAG}={folder}".strip()
    return folder


def clear() -> bool:
    """Remove all compilations, if they are kept in a folder of ours; tell whether there were any.

    TensorFlow cannot read one that was cut short, by a full disk or a process that was killed.
    """
    folder = own_folder()
    if folder is None:
        return False
    files = list(folder.iterdir())
    for file in files:
        file.unlink(missing_ok=True)
    return bool(files)


def own_folder() -> Path | None:
    """Return where compilations are kept, if that is a folder of ours."""
    folder = folder_in_use()
    return folder if folder is not None and _is_own(folder) else None


@functools.lru_cache(1)
def _is_own(folder: Path) -> bool:
    return folder.parent.name == _PARENT and folder.name == _name_of_folder()


def folder_in_use() -> Path | None:
    """Return where TensorFlow keeps its compilations, be it ours or the user's."""
    found = re.search(rf"{_FLAG}=(\S+)", os.environ.get("TF_XLA_FLAGS", ""))
    return Path(found.group(1)) if found else None


def folder_for(base: Path) -> Path:
    """Return the folder for these versions and this processor, made if need be.

    Raises
    ------
    PermissionError
        If the folder belongs to somebody else, others may write to it, or it is a link; or if
        somebody else but root can replace one of the folders above it.
    """
    # Links above it are followed once, here: nobody can turn them elsewhere later.
    folder = Path(os.path.realpath(base)) / _PARENT / _name_of_folder()
    for parent in reversed(folder.parents):
        _check_parent(parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_own = hasattr(os, "getuid") and found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not is_own or found.st_mode & 0o077:
        raise PermissionError(
            f"{folder} must be a folder of this user with mode 0700. Remove it, or name another "
            f"in the environment variable {SWITCH}."
        )
    return folder


def _name_of_folder() -> str:
    made_for = [_version_of_tensorflow(), version("keras"), _processor()]
    return hashlib.sha256("\n".join(made_for).encode()).hexdigest()[:16]


def _version_of_tensorflow() -> str:
    """Return the version of TensorFlow, or of its package without code for GPUs."""
    try:
        return version("tensorflow")
    except PackageNotFoundError:
        return f"cpu {version('tensorflow-cpu')}"


def _check_parent(parent: Path) -> None:
    """Refuse a folder in which somebody else can replace what lies in it; make one if missing.

    In a folder with the sticky bit, such as ``/tmp``, each can replace their own things only.
    """
    if not parent.exists():
        # What lies above it has been checked, so nobody else can make it.
        parent.mkdir(mode=0o700, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode):
        wrong = "is a link or no folder"
    elif hasattr(os, "getuid") and found.st_uid not in {0, os.getuid()}:
        wrong = f"belongs to user {found.st_uid}, who can replace what lies in it"
    elif found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        wrong = f"has mode {stat.S_IMODE(found.st_mode):04o}, so others can replace what lies in it"
    else:
        return
    raise PermissionError(
        f"{parent} {wrong}. Expected a folder of this user or of root to which nobody else may "
        f"write: chmod go-w {parent}, or name another in the environment variable {SWITCH}."
    )


def user_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skdl"


def _processor() -> str:
    """Name the processor and what it can do: code made for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    told = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return "\n".join([platform.machine(), *sorted(told)])


def _prune(folder: Path) -> None:
    """Remove the oldest compilations once there are too many."""
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > _MOST_BYTES:
            file.unlink(missing_ok=True)
