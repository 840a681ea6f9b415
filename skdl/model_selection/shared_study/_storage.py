"""Opening a study, in whatever it is kept."""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.study import StudyDirection

from skdl._validation import list_values
from skdl.model_selection.shared_study._journal import journal_storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    Direction = Literal["minimize", "maximize"]

__all__ = ["described_errors", "find_study", "open_study"]

OWNER = "OptunaSearchCV"
N_TRIES_TO_CREATE_TABLES = 5
SECONDS_TO_WAIT_FOR_SQLITE = 60.0


def open_study(
    storage: str | Path | BaseStorage | None,
    study_name: str | None,
    directions: Sequence[Direction],
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    *,
    load_if_exists: bool = True,
) -> optuna.Study:
    """Create a study, or go on with one that exists.

    Parameters
    ----------
    storage : str, Path, optuna.storages.BaseStorage or None
        None keeps the study in memory. A string with ``://`` is the URL of a database
        (``sqlite:///study.db``, ``postgresql+psycopg2://...``, ``mysql+pymysql://...``); any other
        string, and any Path, is a journal file. Storages of Optuna are taken as they are.
    study_name : str or None
        Needed if `storage` outlives the process: other processes, and the next run of the same
        script, find the study by its name.
    directions : sequence of {"minimize", "maximize"}
        One for each objective.
    sampler, pruner : optuna sampler and pruner, default=None
        As in ``optuna.create_study``.
    load_if_exists : bool, default=True
        Whether to continue a study of that name.

    Returns
    -------
    study : optuna.Study

    Raises
    ------
    ValueError
        If the name is missing, or taken though `load_if_exists` is False; if the study that exists
        has other directions; if the URL or the path cannot be used.
    ImportError
        If the driver of a database is not installed.
    OSError
        If a journal file cannot be read or written.
    """
    if study_name is None and not (storage is None or isinstance(storage, InMemoryStorage)):
        raise ValueError(
            f"{OWNER}: storage={_show(storage)} came with study_name=None. Expected a name, under "
            "which other processes and the next run of the script find the study. Pass one, for "
            'example study_name="wine".'
        )
    with _quiet(), described_errors(storage):
        opened = _open_storage(storage)
        try:
            study = optuna.create_study(
                storage=opened,
                sampler=sampler,
                pruner=pruner,
                study_name=study_name,
                directions=list(directions),
                load_if_exists=load_if_exists,
            )
        except optuna.exceptions.DuplicatedStudyError as error:
            raise ValueError(
                f"{OWNER}: storage={_show(storage)} already holds a study named {study_name!r}, "
                "and load_if_exists=False. Pass load_if_exists=True to go on with it, another "
                "study_name, or remove it with optuna.delete_study."
            ) from error
    wanted = [StudyDirection[direction.upper()] for direction in directions]
    if study.directions != wanted:
        existing = [direction.name.lower() for direction in study.directions]
        raise ValueError(
            f"{OWNER}: the study {study_name!r} in storage={_show(storage)} was made to "
            f"{_list(existing)}, and this search is to {_list(directions)}. Expected the same "
            "number of objectives in the same directions. Pass another study_name, or scorers "
            "like those that the study was made with."
        )
    return study


def find_study(storage: str | Path | BaseStorage, study_name: str, owner: str) -> optuna.Study:
    """Return a study that exists.

    Parameters
    ----------
    storage : str, Path or optuna.storages.BaseStorage
        As in `open_study`.
    study_name : str
    owner : str
        Begins the messages.

    Returns
    -------
    study : optuna.Study

    Raises
    ------
    ValueError
        If there is no such study, or the storage cannot be used.
    """
    path = _file_of(storage)
    if path is not None and not path.is_file():
        raise ValueError(
            f"{owner}: storage={_show(storage)}: there is no file {str(path)!r}. Expected the "
            "storage that the study is kept in, as this machine reaches it."
        )
    with _quiet(), described_errors(storage):
        opened = _open_storage(storage)
        known = sorted(optuna.get_all_study_names(opened))
        if study_name not in known:
            raise ValueError(
                f"{owner}: storage={_show(storage)} holds no study named {study_name!r}. Expected "
                f"one of {list_values(known, 8)}."
                if known
                else f"{owner}: storage={_show(storage)} holds no study at all."
            )
        return optuna.load_study(study_name=study_name, storage=opened)


def _file_of(storage: str | Path | BaseStorage) -> Path | None:
    """Return the file that a storage is; None where it is something else."""
    if isinstance(storage, BaseStorage):
        return None
    if not isinstance(storage, str) or "://" not in storage:
        return Path(storage)
    prefix = "sqlite:///"
    is_path = storage.startswith(prefix) and not storage.startswith(f"{prefix}file:")
    return Path(storage.removeprefix(prefix).partition("?")[0]) if is_path else None


def _list(directions: Sequence[str]) -> str:
    return " and ".join(directions)


@contextlib.contextmanager
def described_errors(storage: object) -> Iterator[None]:
    """Let errors of a database name the storage and the cause, which Optuna's own hide."""
    try:
        yield
    except optuna.exceptions.StorageInternalError as error:
        raise optuna.exceptions.StorageInternalError(_describe(storage, error)) from error
    except Exception as error:
        if not (isinstance(storage, str) and _is_of_sqlalchemy(error)):
            raise
        raise ValueError(_describe(storage, error)) from error


def _is_of_sqlalchemy(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] == "sqlalchemy"


def _describe(storage: object, error: BaseException) -> str:
    # The last of the chain is what the database itself said.
    while error.__cause__ is not None:
        error = error.__cause__
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    return (
        f"{OWNER}: storage={_show(storage)} cannot be used: {reason}. Expected a database that can "
        'be reached and written to, for example "sqlite:///study.db" in a folder that exists, or '
        "the path of a journal file. What was recorded so far is kept: once it works, call fit "
        "again."
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from printing that it has created a study."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _show(storage: object) -> str:
    """Return a text for a storage, without the password that its URL may hold."""
    if isinstance(storage, str) and "://" in storage:
        import sqlalchemy

        with contextlib.suppress(sqlalchemy.exc.ArgumentError):
            return repr(sqlalchemy.make_url(storage).render_as_string(hide_password=True))
    return f"a {type(storage).__name__}" if isinstance(storage, BaseStorage) else repr(storage)


def _open_storage(storage: str | Path | BaseStorage | None) -> BaseStorage:
    if storage is None:
        return InMemoryStorage()
    if isinstance(storage, BaseStorage):
        if isinstance(storage, RDBStorage):
            _make_sqlite_atomic(storage)
        return storage
    if isinstance(storage, str) and "://" in storage:
        return _open_database(storage)
    if not isinstance(storage, str | Path):
        raise ValueError(  # noqa: TRY004 - a TypeError too would have to be caught everywhere
            f"{OWNER}: storage={storage!r} is not allowed. Expected None, the URL of a database, "
            'the path of a journal file, for example "study.log", or a storage of Optuna.'
        )
    path = Path(storage)
    _check_folder(storage, path)
    return journal_storage(path)


def _check_folder(storage: str | Path, path: Path) -> None:
    """Refuse the path of a file where there can be none."""
    path = path.absolute()
    if path.is_dir() or not path.parent.is_dir():
        wrong = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
        raise ValueError(
            f"{OWNER}: storage={str(storage)!r} {wrong}. Expected the path of a journal file in a "
            'folder that exists, or the URL of a database, for example "sqlite:///study.db".'
        )


def _open_database(text: str) -> BaseStorage:
    import sqlalchemy

    try:
        url = sqlalchemy.make_url(text)
    except sqlalchemy.exc.ArgumentError as error:
        raise ValueError(
            f"{OWNER}: storage={text!r} is not a URL that SQLAlchemy knows. Expected, for "
            'example, "sqlite:///study.db" or "postgresql+psycopg2://user:password@host/database".'
        ) from error
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "sqlite":
        if url.database in {None, "", ":memory:"}:
            # Seen by one connection alone, which the threads of a process cannot share.
            return InMemoryStorage()
        if not str(url.database).startswith("file:"):
            _check_folder(text, Path(str(url.database)))
        options = {
            # A connection for each transaction: none is left open, none is carried into a fork.
            "poolclass": sqlalchemy.pool.NullPool,
            "connect_args": {"timeout": SECONDS_TO_WAIT_FOR_SQLITE},
        }
    try:
        opened = _create_tables(text, options)
    except sqlalchemy.exc.NoSuchModuleError as error:
        raise ValueError(
            f"{OWNER}: storage={_show(text)} names a kind of database that SQLAlchemy does not "
            f"know, {url.drivername!r}. Expected, for example, "
            '"sqlite:///study.db" or "postgresql+psycopg2://user:password@host/database"; a '
            "journal file is named by its path, without '://'."
        ) from error
    except ImportError as error:
        raise ImportError(
            f"{OWNER}: storage={_show(text)} needs a database driver that is not installed "
            f"({error.__cause__ or error}). Install it (PostgreSQL: pip install psycopg2-binary; "
            "MySQL: pip install pymysql), or name another in the URL."
        ) from error
    _make_sqlite_atomic(opened)
    return opened


def _create_tables(url: str, options: dict[str, Any]) -> RDBStorage:
    """Return the storage; its tables may be created by several processes at this very moment."""
    import sqlalchemy

    for n_tries in range(1, N_TRIES_TO_CREATE_TABLES + 1):
        try:
            return RDBStorage(url, engine_kwargs=dict(options))
        except (sqlalchemy.exc.DBAPIError, optuna.exceptions.StorageInternalError):
            if n_tries == N_TRIES_TO_CREATE_TABLES:
                raise
            time.sleep(random.SystemRandom().uniform(0.1, 0.4))
    raise AssertionError


def _make_sqlite_atomic(storage: RDBStorage) -> None:
    """Let each transaction on SQLite be alone with the database from its first statement on.

    Optuna reads a trial's state and then writes it. On other databases ``SELECT ... FOR UPDATE``
    makes one step of this; SQLite has no such thing, and Python begins a transaction at the first
    write only: two processes can take the same waiting trial.
    """
    from sqlalchemy import event

    engine = storage.engine
    if engine.dialect.name == "sqlite" and not event.contains(engine, "begin", _begin_immediate):
        event.listen(engine, "begin", _begin_immediate)


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
