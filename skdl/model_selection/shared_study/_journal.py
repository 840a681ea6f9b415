"""A journal file that survives the death of whoever writes to it.

Optuna's journal is a text file to which every process appends lines under a lock file. A process
that is killed at the wrong moment leaves one of two things behind, and both are mended here by the
next who wants to write:

- The lock file. Optuna waits for 30 seconds before it takes a lock away, and with its default lock
  and a relative path for ever. Here the lock file says who holds it, so a holder that was killed
  on the same machine is seen at once; elsewhere the 30 seconds stay.
- Half a line. Optuna would append to it, and from then on nobody could read the file. Here it is
  cut off: its writer never came to believe that it was written. A writer that lives, and finds the
  disk full, takes its half line back itself.

Nothing of this may happen to a file of another kind, whose name was given by mistake. So a file
that does not begin as a journal does is refused before anything is written beside it or into it.

Processes that open the same file with Optuna's own classes use the same lock file and may share
the study.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from skdl.model_selection.shared_study._heartbeat import is_gone, process_identity

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from typing import Any

__all__ = ["JournalLock", "journal_storage"]

_log = logging.getLogger("skdl")

GRACE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 0.1

_OWNER = "OptunaSearchCV"
# What every line begins with that Optuna or we write.
_BEGINNING = b'{"op_code":'
_SQLITE = b"SQLite format 3\0"
_LONGEST_FIRST_LINE = 1_000_000
_EXPECTED = (
    "Expected the path of a journal file of Optuna, or of a file that does not exist yet, for "
    'example "study.log"'
)


def journal_storage(path: Path) -> JournalStorage:
    """Return the storage kept in a journal file, which is made if it is missing.

    Raises
    ------
    ValueError
        If the file is no journal, in which case it is left as it is, or a damaged one.
    OSError
        If it cannot be read or written.
    """
    path = path.absolute()
    with _described(path):
        _check_is_journal(path)
        backend = _JournalFile(path)
        try:
            return JournalStorage(backend)
        except (LookupError, TypeError, AttributeError) as error:
            raise _damaged(path, backend.line, error) from error


class _JournalFile(JournalFileBackend):
    """Optuna's journal file, with errors that name it, and no half lines of the living.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_obj=JournalLock(path))
        self.path = path
        self.line = 0

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any]]:
        """Yield what was written, from a line on that is counted from 0."""
        self.line = log_number_from
        logs = super().read_logs(log_number_from)
        while True:
            self.line += 1
            try:
                with _described(self.path):
                    log = next(logs)
            except StopIteration:
                return
            except ValueError as error:
                raise _damaged(self.path, self.line, error) from error
            if not _is_entry(log):
                raise _damaged(self.path, self.line, "no entry of Optuna")
            yield log

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write lines, all or none."""
        text = b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
        with _described(self.path), self._lock_held(), self.path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                written = 0
                while written < len(text):
                    written += file.write(text[written:])
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(size)
                raise

    @contextlib.contextmanager
    def _lock_held(self) -> Iterator[None]:
        lock = JournalLock(self.path)
        lock.acquire()
        try:
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def _described(path: Path) -> Iterator[None]:
    """Let errors of the system name the storage, and say what helps."""
    try:
        yield
    except OSError as error:
        if error.errno is None or str(error.strerror).startswith(_OWNER):
            raise
        cure = ""
        if error.errno in {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}:
            cure = " Make room, then call fit again: what was recorded so far is kept."
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            cure = " Expected a file that this user may read and write, in a folder of the kind."
        # OSError makes a PermissionError and the like of the number.
        raise OSError(
            error.errno,
            f"{_OWNER}: storage={str(path)!r} cannot be used: {error.strerror}.{cure}",
        ) from error


def _damaged(path: Path, line: int, reason: object) -> ValueError:
    if isinstance(reason, Exception):
        reason = f"{type(reason).__name__}: {reason}"
    return ValueError(
        f"{_OWNER}: storage={str(path)!r} is damaged in line {line} ({reason}). Expected an entry "
        "of Optuna's journal. Restore the file from a copy, or remove this line and all after it; "
        "the trials recorded up to there are kept."
    )


def _check_is_journal(path: Path) -> None:
    """Refuse a file of another kind; nothing is changed by it."""
    if not path.exists():
        return
    if not path.is_file():
        raise ValueError(f"{_OWNER}: storage={str(path)!r} is no regular file. {_EXPECTED}.")
    with path.open("rb") as file:
        line = file.readline(_LONGEST_FIRST_LINE)
    is_whole = line.endswith(b"\n")
    if line and not (_is_line_of_journal(line) if is_whole else line.startswith(_BEGINNING)):
        raise _no_journal(path, is_sqlite=line.startswith(_SQLITE))


def _no_journal(path: Path, *, is_sqlite: bool = False) -> ValueError:
    url = f"sqlite:///{path}"
    hint = f" This one is a SQLite database: pass storage={url!r}." if is_sqlite else ""
    return ValueError(
        f"{_OWNER}: storage={str(path)!r} exists and is no journal file; it was left as it is. "
        f"{_EXPECTED}.{hint}"
    )


def _is_line_of_journal(line: bytes) -> bool:
    """Tell whether a whole line is an entry of Optuna."""
    try:
        return _is_entry(json.loads(line))
    except ValueError:
        return False


def _is_entry(log: object) -> bool:
    return isinstance(log, dict) and isinstance(log.get("op_code"), int)


class JournalLock(JournalFileOpenLock):
    """The lock of a journal file, which knows who holds it.

    Parameters
    ----------
    path : Path
        Of the journal file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._lock_path = Path(f"{path}.lock")
        self._ticket = b""

    def acquire(self) -> bool:
        """Wait for the lock, take it, and mend the end of the file."""
        holder, since, pause = b"", time.monotonic(), 0.001
        while not self._try():
            if (seen := _read(self._lock_path)) != holder:
                holder, since = seen, time.monotonic()
            is_overdue = time.monotonic() - since > GRACE_SECONDS
            if is_overdue or is_gone(_identity(holder)):
                _log.info("The lock %s was left behind; it is taken away.", self._lock_path)
                self._break(holder)
                continue
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        try:
            _cut_off_half_line(self._path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        """Give the lock back, unless it has been taken away."""
        if _read(self._lock_path) == self._ticket:
            self._lock_path.unlink(missing_ok=True)

    def _try(self) -> bool:
        ticket = json.dumps({**process_identity(), "ticket": uuid.uuid4().hex}).encode()
        try:
            _create(self._lock_path, ticket)
        except FileExistsError:
            return False
        self._ticket = ticket
        return True

    def _break(self, holder: bytes) -> None:
        """Remove the lock of a dead holder, but not that of whoever came after it."""
        aside = Path(f"{self._lock_path}.{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            self._lock_path.rename(aside)
            if _read(aside) != holder:
                # Somebody was faster and holds the lock by now: put theirs back.
                with contextlib.suppress(OSError):
                    os.link(aside, self._lock_path)
            aside.unlink()


def _create(path: Path, text: bytes) -> None:
    """Create a file, if possible with its text in it from the very beginning.

    A file made first and written then may be left empty by a process that is killed.
    """
    nameless = _open_nameless(path.parent)
    if nameless is None:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    else:
        descriptor = nameless
    try:
        try:
            os.write(descriptor, text)
        except OSError:
            if nameless is None:
                path.unlink(missing_ok=True)
            raise
        if nameless is not None:
            # Only if a folder is named does Python let the system follow the link in /proc.
            os.link(f"/proc/self/fd/{nameless}", path, src_dir_fd=nameless)
    finally:
        os.close(descriptor)


def _open_nameless(folder: Path) -> int | None:
    """Open a file that has no name yet; None where there is no such thing."""
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o644)
    except (AttributeError, OSError):
        return None  # only Linux has it, and not on every file system


def _read(lock_path: Path) -> bytes:
    """Return something that is different for each time that a lock was taken."""
    try:
        # Optuna's default lock is a symbolic link to the journal, not a file with a text.
        status = lock_path.lstat()
        text = b"" if lock_path.is_symlink() else lock_path.read_bytes()
    except OSError:
        return b""
    return text or f"{status.st_ino} {status.st_mtime_ns}".encode()


def _identity(holder: bytes) -> Mapping[str, Any]:
    """Return who holds a lock; empty if it does not say, as Optuna's own locks do not."""
    try:
        identity = json.loads(holder)
    except ValueError:
        return {}
    return identity if isinstance(identity, dict) else {}


def _cut_off_half_line(path: Path) -> None:
    with path.open("rb+") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 4096)
            file.seek(start)
            if (newline := file.read(end - start).rfind(b"\n")) >= 0:
                end = start + newline + 1
                break
            end = start
        if not end and size:
            file.seek(0)
            if not file.read(len(_BEGINNING)).startswith(_BEGINNING):
                raise _no_journal(path)
        if end < size:
            _log.warning(
                "%s ended in half a line, left by a process that was killed while it wrote. The "
                "%d bytes were cut off; the rest of the study is whole.",
                path,
                size - end,
            )
            file.truncate(end)
