"""Looking at a skops file before anything is made of it: whether it is what it says."""

from __future__ import annotations

import ast
import io
import json
import math
import re
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._validation import show
from skdl.exceptions import UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MANIFEST", "check_archive", "damaged", "manifest_of", "objects_in"]

MANIFEST = "skdl.json"
_SCHEMA = "schema.json"
_MEMBER = re.compile(r"-?\d+\.np[yz]|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.bin")
_INNER = re.compile(r"[a-z_]{1,20}\.npy")
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# Weights shrink to a half, a tenth if most are zero; a file that grows more is made to fill memory.
_MOST_GROWTH = 100
_ALWAYS_ALLOWED = 2**26
_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 10_000


def damaged(what: str) -> UnsafeFileError:
    """Return the error of a file that no `save` has written."""
    return UnsafeFileError(
        f"The file {what}. Expected a file of skdl.io.save or skops, whole and as it was written. "
        "Get it again from where it came from."
    )


def check_archive(data: bytes) -> dict[str, Any]:
    """Return the description of all objects in a file.

    Parameters
    ----------
    data : bytes
        The file.

    Raises
    ------
    UnsafeFileError
        If it is no such file, is cut, holds other files, or would fill the memory.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_members(archive, len(data))
            schema = json.loads(archive.read(_SCHEMA))
            _check_schema(schema, set(archive.namelist()))
            return schema
    except UnsafeFileError:
        raise
    except RecursionError:
        raise damaged("nests its objects too deep") from None
    except Exception as error:
        raise damaged(f"cannot be read ({type(error).__name__}: {error})") from error


def manifest_of(data: bytes) -> dict[str, str]:
    """Return with which versions a file was written; empty where it does not tell."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if MANIFEST not in archive.namelist():
            return {}
        written = json.loads(archive.read(MANIFEST))
    return {str(k): str(v) for k, v in written.items()} if isinstance(written, dict) else {}


# ------------------------------------------------------------------------------------- members


def _check_members(archive: zipfile.ZipFile, n_bytes: int) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if _SCHEMA not in names:
        raise damaged(f"has no {_SCHEMA}")
    if len(set(names)) < len(names):
        raise damaged("holds two members of one name")
    for member in members:
        name = member.filename
        if name not in {_SCHEMA, MANIFEST} and not _MEMBER.fullmatch(name):
            raise damaged(f"holds {show(name)}, which is no array of a skops file")
        if member.compress_type not in _COMPRESSIONS:
            raise damaged(f"has {show(name)} compressed in another way than skops does")
    allowed = max(_ALWAYS_ALLOWED, _MOST_GROWTH * n_bytes)
    _spend(allowed, members)
    for member in members:
        content = archive.read(member)
        if member.filename.endswith(".npy"):
            _check_array(member.filename, content)
        elif member.filename.endswith(".npz"):
            _check_sparse(member.filename, content, allowed)


def _spend(allowed: int, members: list[zipfile.ZipInfo]) -> None:
    needed = sum(member.file_size for member in members)
    if needed > allowed:
        raise damaged(
            f"would become {needed:,} bytes in memory, more than {_MOST_GROWTH} times its size"
        )


def _check_sparse(name: str, content: bytes, allowed: int) -> None:
    """Check a sparse matrix: an archive of arrays inside the archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        _spend(allowed, members)
        for member in members:
            is_known = _INNER.fullmatch(member.filename) is not None
            if not is_known or member.compress_type not in _COMPRESSIONS:
                raise damaged(f"holds {show(member.filename)} in {name}, which is no array")
            _check_array(f"{name}/{member.filename}", archive.read(member))


def _check_array(name: str, content: bytes) -> None:
    """Refuse an array whose header says anything else than the bytes behind it."""
    version = content[len(_MAGIC) : len(_MAGIC) + 2]
    width = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}.get(version)
    if not content.startswith(_MAGIC) or width is None:
        raise damaged(f"has {name} in another format than NumPy's")
    start = len(_MAGIC) + 2 + width
    length = int.from_bytes(content[start - width : start], "little")
    if length > _MOST_HEADER:
        raise damaged(f"has a header of {length:,} bytes in {name}")
    header = ast.literal_eval(content[start : start + length].decode())
    shape, dtype = header["shape"], np.dtype(_descr(header["descr"]))
    if dtype.hasobject:
        raise damaged(f"holds a pickle in {name}")
    is_shape = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape)
    held = len(content) - start - length
    if not is_shape or math.prod(shape) * dtype.itemsize != held:
        raise damaged(
            f"has {held:,} bytes in {name}, which says that it is of shape {show(shape)} and "
            f"dtype {dtype}"
        )


def _descr(value: Any) -> Any:
    return np.lib.format.descr_to_dtype(value)


# -------------------------------------------------------------------------------------- schema


def _check_schema(schema: Any, members: set[str]) -> None:
    """Refuse objects that refer to one another in circles, or to members that are not there.

    skops writes an object that stands in several places in full each time, under one number. So
    two of one number must be alike; one that stood inside itself could not be. Numbers inside them
    may differ, as parts of some are made for the writing.
    """
    if type(schema) is not dict or "__loader__" not in schema:
        raise damaged(f"has no object in its {_SCHEMA}")
    known: dict[Any, dict[str, Any]] = {}
    for node in objects_in(schema):
        if not all(type(node.get(k)) is str for k in ("__class__", "__module__", "__loader__")):
            raise damaged("holds an object without the name of its class")
        if "file" in node and node["file"] not in members:
            raise damaged(f"lacks its member {show(node['file'])}")
        number = node.get("__id__")
        if number is not None and not _is_same(known.setdefault(number, node), node):
            raise damaged(f"has two objects under the number {show(number)}, perhaps in a circle")


def objects_in(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the descriptions of all objects in a schema."""
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if type(node) is list:
            waiting.extend(node)
        elif type(node) is dict:
            waiting.extend(node.values())
            if "__loader__" in node:
                yield node


# What is new each time that an object is written, and what only the outermost one has.
_NOT_COMPARED = {"__id__", "file", "protocol", "_skops_version"}


def _is_same(one: Any, other: Any) -> bool:
    if one is other or one == other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) is list:
        return len(one) == len(other) and all(map(_is_same, one, other))
    if type(one) is not dict:
        return False
    names = (set(one) | set(other)) - _NOT_COMPARED
    return all(n in one and n in other and _is_same(one[n], other[n]) for n in names)
