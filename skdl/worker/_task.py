"""What a worker needs to know of a search, as text among the attributes of its study."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from skdl._compat_optuna import hidden_attrs, set_hidden_study_attr
from skdl._extras import installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    import optuna

__all__ = ["Task", "check_versions", "own_versions", "read_task", "write_task"]

_OWNER = "skdl.worker"
_FORMAT = 1
_KEY = "skdl:task"
# MySQL keeps no more than 65,535 bytes in one attribute.
_CHARACTERS_OF_A_PIECE = 32_000
_MOST_PIECES = 2_000
_HASH = re.compile("[0-9a-f]{64}")
# Those on which scores, or the reading of a file, depend.
_PACKAGES = ("skdl", "keras", "numpy", "optuna", "pandas", "scikit-learn", "scipy", "tensorflow")


@dataclasses.dataclass(frozen=True)
class Task:
    """A search, described.

    Parameters
    ----------
    search : bytes
        In the format of `skdl.io`.
    arrays : dict of str to dict
        What the arrays that ``fit`` was given look like, see `describe_array`.
    fit_params : dict of str to object
        Further arguments of ``fit``, plain values.
    versions : dict of str to str
        Of the packages that it was made with.
    """

    search: bytes
    arrays: dict[str, dict[str, Any]]
    fit_params: dict[str, Any]
    versions: dict[str, str]


def own_versions() -> dict[str, str]:
    """Return the versions of the packages on which scores depend."""
    found = {package: installed_version(package) for package in _PACKAGES}
    if found["tensorflow"] is None:
        found["tensorflow"] = installed_version("tensorflow-cpu")
    return {package: version for package, version in found.items() if version is not None}


def write_task(study: optuna.Study, task: Task) -> None:
    """Store a task with a study."""
    written = dataclasses.asdict(task) | {"search": base64.b64encode(task.search).decode()}
    text = json.dumps({"format": _FORMAT} | written)
    name = hashlib.sha256(text.encode()).hexdigest()
    starts = range(0, len(text), _CHARACTERS_OF_A_PIECE)
    if len(starts) > _MOST_PIECES:
        raise ValueError(
            f"{_OWNER}: the search takes {len(text):,} bytes, more than a storage should hold. "
            "Expected cv to be a number or a splitter, no list of rows, and an estimator without "
            "tables in its parameters."
        )
    for i, start in enumerate(starts):
        piece = text[start : start + _CHARACTERS_OF_A_PIECE]
        set_hidden_study_attr(study, _piece(name, i), piece)
    # Last, so that whoever finds it finds all pieces.
    set_hidden_study_attr(study, _KEY, {"sha256": name, "n_pieces": len(starts)})


def _piece(name: str, number: int) -> str:
    return f"{_KEY}:{name[:8]}:{number}"


def read_task(study: optuna.Study) -> Task:
    """Return the task of a study.

    Raises
    ------
    ValueError
        If it has none, or one that is damaged.
    """
    attrs = hidden_attrs(study)
    if _KEY not in attrs:
        raise ValueError(
            f"{_OWNER}: the study {study.study_name!r} has no task stored with it. Call "
            "skdl.worker.publish(search, X, y) once, before workers start."
        )
    try:
        return _read(attrs)
    except Exception as error:
        raise ValueError(
            f"{_OWNER}: the task that is stored with the study {study.study_name!r} cannot be read "
            f"({type(error).__name__}: {error}). Expected it as skdl.worker.publish of this "
            "version of skdl writes it. Call that again."
        ) from error


def _read(attrs: Mapping[str, Any]) -> Task:
    name, n_pieces = attrs[_KEY]["sha256"], attrs[_KEY]["n_pieces"]
    if not _HASH.fullmatch(name) or type(n_pieces) is not int or n_pieces > _MOST_PIECES:
        raise ValueError("its head is damaged")
    text = "".join(attrs[_piece(name, i)] for i in range(n_pieces))
    if hashlib.sha256(text.encode()).hexdigest() != name:
        raise ValueError("it was changed after it was written")
    whole = json.loads(text)
    if whole.pop("format") != _FORMAT:
        raise ValueError("it has another format")
    task = Task(**whole | {"search": base64.b64decode(whole["search"], validate=True)})
    for part in (task.arrays, task.fit_params, task.versions):
        if type(part) is not dict:
            raise TypeError("a part of it is no dict")
    return task


def check_versions(task: Task) -> None:
    """Refuse a machine whose packages would score the same trial differently.

    Raises
    ------
    ValueError
        If any has another version.
    """
    own = own_versions()
    packages = sorted({*task.versions, *own})
    differing = [name for name in packages if task.versions.get(name) != own.get(name)]
    if differing:
        told = "; ".join(
            f"{name} {task.versions.get(name, 'missing')} there, {own.get(name, 'missing')} here"
            for name in differing
        )
        pins = " ".join(f"{name}=={task.versions[name]}" for name in differing
                        if name in task.versions)  # fmt: skip
        raise ValueError(
            f"{_OWNER}: the search was published with other versions: {told}. Expected the same "
            "versions on all machines, as scores would not compare."
            + (f" Install them with pip install {pins}." if pins else "")
        )
