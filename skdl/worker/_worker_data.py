"""The data of a search, read from a file by each worker."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from skdl._validation import list_values, nearest_name, show
from skdl.exceptions import InvalidParameterError
from skdl.model_selection.search._comparable import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["describe_array", "is_plain", "read_data"]

_OWNER = "skdl.worker"
_MOST_SHOWN = 8


def is_plain(value: object) -> bool:
    """Tell whether a value is one that JSON has as it is."""
    return value is None or type(value) in {bool, int, float, str}


def describe_array(owner: str, name: str, value: Any) -> dict[str, Any]:
    """Return what an array looks like, as plain data.

    Parameters
    ----------
    owner : str
        Begins the message.
    name : str
        Under which the user knows it.
    value : array-like
        An array, a frame or a column.

    Returns
    -------
    described : dict
        ``columns`` (None if it has none), ``dtypes``, ``shape`` and ``hash``.

    Raises
    ------
    InvalidParameterError
        If no file holds such data.
    """
    if sparse.issparse(value):
        raise InvalidParameterError(
            f"{owner}: {name}={show(value)} is sparse, which workers do not read from files. "
            "Expected an array or a frame; or start the workers from a script of your own."
        )
    is_frame = hasattr(value, "columns")
    if not is_frame and not hasattr(value, "dtype"):
        raise InvalidParameterError(
            f"{owner}: {name} is a {type(value).__name__}. Expected an array or a frame, here and "
            "in fit: numpy.asarray makes one."
        )
    dtypes = list(value.dtypes) if is_frame else [value.dtype]
    return {
        "columns": list(map(str, value.columns)) if is_frame else None,
        "dtypes": list(map(str, dtypes)),
        "shape": list(map(int, value.shape)),
        "hash": fingerprint(value),
    }


def read_data(
    path: str | Path,
    target: Sequence[str],
    sources: Mapping[str, str],
    published: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the arrays that ``fit`` is given, read from a file and found to be the published ones.

    Parameters
    ----------
    path : str or path
        A CSV file; a Parquet file or folder; or an npz file of arrays ``X``, ``y`` and others.
    target : sequence of str
        Columns that are ``y``; or the array of an npz file.
    sources : mapping of str to str
        Columns or arrays that are further arguments of ``fit``, by the argument's name.
    published : mapping of str to dict
        What the arrays look like, from `describe_array`.

    Returns
    -------
    arrays : dict of str to array-like
        Under the names of `published`.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds something else.
    """
    expected = set(published) - {"X", "y"}
    if expected != set(sources):
        raise ValueError(
            f"{_OWNER}: --fit names {sorted(sources) or 'nothing'}, and the search was published "
            f"with {sorted(expected) or 'nothing'} beside X and y. Expected --fit NAME=COLUMN for "
            "each of them."
        )
    if not Path(path).exists():
        raise ValueError(f"{_OWNER}: --data {str(path)!r} does not exist.")
    if "y" in published and not target and Path(path).suffix != ".npz":
        raise ValueError(f"{_OWNER}: the search has targets. Expected --target COLUMN.")
    arrays = _read_arrays(Path(path), list(target), dict(sources), published)
    if "y" not in published:
        arrays.pop("y", None)
    for name, described in published.items():
        arrays[name] = _as_published(arrays[name], described)
        _check_same(path, name, describe_array(_OWNER, name, arrays[name]), described)
    return arrays


def _read_arrays(
    path: Path, target: list[str], sources: dict[str, str], published: Mapping[str, Any]
) -> dict[str, Any]:
    if path.suffix == ".npz":
        names = {"X": "X"} | ({"y": (target or ["y"])[0]} if "y" in published else {}) | sources
        return _read_npz(path, names)
    table = _read_table(path)
    _check_names(path, "columns", [*target, *sources.values()], list(table.columns))
    arrays = {name: table[column] for name, column in sources.items()}
    if target:
        arrays["y"] = table[target if len(target) > 1 else target[0]]
    return arrays | {"X": table.drop(columns=[*target, *sources.values()])}


def _read_npz(path: Path, names: Mapping[str, str]) -> dict[str, Any]:
    with _says_which(path, "an npz file of numpy.savez, without Python objects"):
        file = np.load(path, allow_pickle=False)
        if not hasattr(file, "files"):
            raise ValueError("it is an array by itself")
        with file:
            held = {name: file[stored] for name, stored in names.items() if stored in file.files}
            found = file.files
    _check_names(path, "arrays", list(names.values()), found)
    return held


@contextlib.contextmanager
def _says_which(path: Path, expected: str) -> Iterator[None]:
    """Say of an error of a reader which file it is about."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"{_OWNER}: --data {str(path)!r} cannot be read ({type(error).__name__}: "
            f"{str(error).strip()}). Expected {expected}."
        ) from error


def _read_table(path: Path) -> Any:
    import pandas as pd

    if path.suffix == ".csv":
        with _says_which(path, "a CSV file in UTF-8, with commas and a line of names"):
            return pd.read_csv(path)
    if path.suffix in {".parquet", ".pq"} or path.is_dir():
        try:
            with _says_which(path, "a Parquet file, or a folder of them"):
                return pd.read_parquet(path)
        except ImportError as error:
            raise ImportError(
                f"{_OWNER}: pandas needs a package to read {str(path)!r}. Install one with "
                "pip install pyarrow."
            ) from error
    raise ValueError(
        f"{_OWNER}: --data {str(path)!r} is of a kind that is not known. Expected a file that ends "
        "in .csv, .parquet or .npz, or a folder of Parquet files."
    )


def _check_names(path: Path, kind: str, wanted: list[str], known: list[str]) -> None:
    missing = [name for name in wanted if name not in known]
    if missing:
        near = nearest_name(missing[0], list(map(str, known)))
        hint = f" Did you mean {near!r}?" if near else ""
        raise ValueError(
            f"{_OWNER}: --data {str(path)!r} has no {kind} {list_values(missing, _MOST_SHOWN)}."
            f"{hint} Expected one of {list_values(known, _MOST_SHOWN)}."
        )


def _as_published(array: Any, described: Mapping[str, Any]) -> Any:
    """Return a table as the plain array that was published, if it was one."""
    is_same = described["dtypes"] == [str(getattr(array, "dtype", None))]
    if is_same or described["columns"] is not None or not hasattr(array, "to_numpy"):
        return array
    try:
        return array.to_numpy(described["dtypes"][0])
    except (TypeError, ValueError):
        return array  # which is found to differ


def _check_same(
    path: object, name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    if found["hash"] == wanted["hash"]:
        return
    for key in ("columns", "shape", "dtypes"):
        if found[key] != wanted[key]:
            difference = f"{key} {_shortened(found[key])} instead of {_shortened(wanted[key])}"
            break
    else:
        difference = "other values, or rows in another order"
    raise ValueError(
        f"{_OWNER}: {name} from --data {str(path)!r} is not what the search was published with: "
        f"{difference}. Expected the same rows, columns and dtypes. Save the arrays that you "
        "publish with numpy.savez(file, X=X, y=y) or DataFrame.to_parquet, and name that file."
    )


def _shortened(value: Any) -> str:
    if value is None:
        return "None"
    return f"[{list_values(value, _MOST_SHOWN)}]"
