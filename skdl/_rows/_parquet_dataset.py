"""Parquet files as one dataset of Arrow, in which all files have the same columns."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skdl._extras import needs_extra
from skdl._validation import show
from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["check_columns", "dataset_of", "index_columns"]

_ENDINGS = (".parquet", ".pq", ".parq")
# Arrow and Spark leave such files aside, for example _SUCCESS and .part.crc.
_HIDDEN = ("_", ".")


def dataset_of(owner: str, data: Any) -> tuple[Any, Any, dict[str, list[str]]]:
    """Return the dataset of a path, of several, or `data` if it is one.

    A column that has numbers of different types in several files has the one that holds them all:
    pandas writes integers as floating-point numbers where some are missing.

    Parameters
    ----------
    owner : str
        Class that the messages name.
    data : str, Path, list of them, or pyarrow.dataset.Dataset

    Returns
    -------
    dataset : pyarrow.dataset.Dataset
    schema : pyarrow.Schema
        By which all its files can be read.
    columns : dict of str to list of str
        Of each file that was found at a path.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    InvalidParameterError
        If there is no Parquet file, one that cannot be read, or a column that is of one kind in
        one file and of another kind in another.
    """
    with needs_extra("parquet", owner):
        import pyarrow.dataset
    if isinstance(data, pyarrow.dataset.Dataset):
        return data, data.schema, {}
    several = data if isinstance(data, list | tuple) else [data]
    if not several or not all(isinstance(path, str | Path) for path in several):
        raise InvalidParameterError(
            f"{owner}: data={show(data)} is neither a path nor a dataset. Expected the path of a "
            "Parquet file or folder, a list of paths, or a pyarrow.dataset.Dataset; for arrays, "
            "skdl.RowSource(array)."
        )
    paths = [Path(path) for path in several]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise FileNotFoundError(
            f"{owner}: there is no file or folder {missing[0]!r}. Expected the path of Parquet "
            "files; for files elsewhere, pyarrow.dataset.dataset(uri, filesystem=...)."
        )
    files = [str(file) for path in paths for file in _files_of(owner, path)]
    is_folder = len(paths) == 1 and paths[0].is_dir()
    with _told(owner, files[0], "the names of folders say"):
        dataset = pyarrow.dataset.dataset(
            files,
            format="parquet",
            partitioning="hive",
            partition_base_dir=str(paths[0]) if is_folder else None,
        )
    schema, columns = dataset.schema, {}
    for fragment in dataset.get_fragments():
        with _told(owner, fragment.path, "the files before it"):
            columns[fragment.path] = list(fragment.physical_schema.names)
            schema = _of_both(schema, fragment.physical_schema)
    return dataset, schema, columns


@contextlib.contextmanager
def _told(owner: str, path: str, others: str) -> Iterator[None]:
    """Say of an error of Arrow's which file it is about."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowTypeError as error:
        raise InvalidParameterError(
            f"{owner}: {path} has a column of another kind than {others} ({error}). Expected "
            "columns of one kind, or of other names."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise InvalidParameterError(
            f"{owner}: {path} cannot be read as Parquet ({show(str(error))}). Expected Parquet "
            "files alone, each of them whole."
        ) from error


def _of_both(first: Any, second: Any) -> Any:
    """Return the schema of what has columns of both."""
    import pyarrow as pa

    if first.names[: len(second)] == second.names and first.types[: len(second)] == second.types:
        return first
    second = second.remove_metadata()
    for i, field in enumerate(second):
        place = first.get_field_index(field.name)
        if place >= 0:
            kinds = _plainly(first.field(place).type, field.type)
            first = first.set(place, first.field(place).with_type(kinds[0]))
            second = second.set(i, field.with_type(kinds[1]))
    return pa.unify_schemas([first, second], promote_options="permissive")


def _plainly(first: Any, second: Any) -> tuple[Any, ...]:
    """Return kinds of a column, categories as their levels and booleans as numbers, if need be."""
    import pyarrow as pa

    is_category = pa.types.is_dictionary
    if is_category(first) != is_category(second):
        return tuple(kind.value_type if is_category(kind) else kind for kind in (first, second))
    is_number = [
        pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in (first, second)
    ]
    if any(is_number) and pa.bool_() in {first, second}:
        return tuple(pa.uint8() if kind == pa.bool_() else kind for kind in (first, second))
    return first, second


def _files_of(owner: str, path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    import pyarrow.fs

    # Unlike pathlib, Arrow goes into folders that are links.
    found = pyarrow.fs.LocalFileSystem().get_file_info(
        pyarrow.fs.FileSelector(str(path), recursive=True)
    )
    files = [
        Path(each.path)
        for each in found
        if each.is_file
        and not any(part.startswith(_HIDDEN) for part in Path(each.path).relative_to(path).parts)
    ]
    files = [file for file in files if file.suffix.lower() in _ENDINGS] or files
    if not files:
        raise InvalidParameterError(
            f"{owner}: there is no file in the folder {str(path)!r} but hidden ones. Expected "
            "Parquet files."
        )
    return sorted(files, key=str)


def check_columns(owner: str, columns: dict[str, list[str]], wanted: Collection[str]) -> None:
    """Refuse files without columns that others have: their rows would be missing values.

    Parameters
    ----------
    owner : str
        Class that the message names.
    columns : dict of str to list of str
        Of each file.
    wanted : collection of str
        Columns that are read; those that no file has are of the folders' names.

    Raises
    ------
    InvalidParameterError
        If a file has not all of them; the message names it.
    """
    somewhere = {name for names in columns.values() for name in names}
    for path, names in columns.items():
        missing = sorted((somewhere & set(wanted)) - set(names))
        if missing:
            raise InvalidParameterError(
                f"{owner}: {path} has no columns {missing}, which other files have. "
                "Expected the same columns in all files, or features=[...] and target=... that all "
                "have."
            )


def index_columns(schema: Any) -> list[str]:
    """Return the columns that pandas wrote as the index of a DataFrame."""
    described = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in described if isinstance(name, str)]
