"""Storing the task of a search with its study."""

from __future__ import annotations

from typing import Any

from skdl._validation import show
from skdl.exceptions import InvalidParameterError
from skdl.io._save import to_bytes
from skdl.model_selection.search._ensemble import ENSEMBLE
from skdl.model_selection.search._search import OptunaSearchCV
from skdl.model_selection.search._workers import begin_search, is_in_memory
from skdl.worker._task import Task, own_versions, write_task
from skdl.worker._worker_data import describe_array, is_plain

__all__ = ["publish"]

_OWNER = "skdl.worker.publish"
# Workers have their own, or leave these to the process that collects the results.
_OF_THE_CALLER = ("callbacks", "engine", "n_workers", "storage", "study", "study_name")


def publish(search: OptunaSearchCV, X: Any, y: Any = None, **fit_params: Any) -> None:
    """Store a search with its study, for workers that are started from the command line.

    ``python -m skdl.worker --storage URL --study NAME --data FILE --target COLUMN`` takes part in
    it, on any machine that reaches the storage and the data, until the study holds ``n_trials``.
    ``search.fit(X, y)`` with the same data takes part as well, waits for the others, and has the
    results and the best estimator in the end.

    Parameters
    ----------
    search : OptunaSearchCV
        With a `storage` and a `study_name`. Its callbacks are not stored.
    X, y : array or frame
        As for ``fit``. They are not stored: a worker reads them from a file, and finds out by
        their fingerprints whether they are the same.
    **fit_params : dict
        Further arguments of ``fit``. Numbers and texts are stored, arrays are read by the workers.

    Raises
    ------
    InvalidParameterError
        If workers could not make the same search: it has a `sampler`, a study in memory, or
        ``refit="ensemble"``.
    TypeError
        If something of the search cannot be written without code, such as a lambda.
    ValueError
        If the study was made for something else.
    ImportError
        If skops is not installed.

    See Also
    --------
    skdl.model_selection.OptunaSearchCV : With an `engine`, it starts workers itself.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import skdl
    >>> from skdl.model_selection import OptunaSearchCV
    >>> X = np.arange(20.0).reshape(-1, 1)
    >>> search = OptunaSearchCV(
    ...     skdl.MLPRegressor(epochs=2, random_state=0),
    ...     n_trials=20,
    ...     storage=str(Path(tempfile.mkdtemp()) / "study.journal"),
    ...     study_name="line",
    ... )
    >>> skdl.worker.publish(search, X, X[:, 0])
    """
    _check_search(search)
    plain = {name: value for name, value in fit_params.items() if is_plain(value)}
    arrays = {n: value for n, value in fit_params.items() if n not in plain}
    arrays = {"X": X} | ({} if y is None else {"y": y}) | arrays
    described = {name: describe_array(_OWNER, name, value) for name, value in arrays.items()}
    bare = type(search)(**search.get_params(deep=False) | dict.fromkeys(_OF_THE_CALLER))
    written = to_bytes(bare)
    study = begin_search(search, X, y, fit_params).study_
    write_task(study, Task(written, described, plain, own_versions()))


def _check_search(search: Any) -> None:
    if not isinstance(search, OptunaSearchCV):
        raise InvalidParameterError(f"{_OWNER}: got {show(search)}. Expected an OptunaSearchCV.")
    if is_in_memory(search.storage, search.study):
        raise InvalidParameterError(
            f"{_OWNER}: the study is in the memory of this process, which workers cannot see. "
            'Expected a storage that all of them reach, for example storage="study.journal" on a '
            "drive that they share, or the URL of a PostgreSQL database, and a study_name."
        )
    if search.sampler is not None:
        raise InvalidParameterError(
            f"{_OWNER}: sampler={search.sampler} cannot be written without code. Expected "
            "sampler=None; or start the workers from a script of your own, which makes the whole "
            "search."
        )
    if isinstance(search.refit, str) and search.refit == ENSEMBLE:
        raise InvalidParameterError(
            f"{_OWNER}: refit='ensemble' needs the networks of all trials, which stay with the "
            "workers that trained them. Expected refit=True or False."
        )
