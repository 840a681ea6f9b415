"""Take part in a search: ``python -m skdl.worker --storage URL --study NAME --data FILE``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

from skdl._compat_optuna import storage_of
from skdl.exceptions import UnsafeFileError
from skdl.io._load import from_bytes
from skdl.model_selection.search._search import OptunaSearchCV
from skdl.model_selection.search._workers import take_part
from skdl.model_selection.shared_study import find_study, is_counted
from skdl.worker._task import check_versions, read_task
from skdl.worker._worker_data import read_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

__all__ = ["main"]

_STORAGE = "SKDL_STORAGE"
_OWNER = "skdl.worker"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, and evaluate trials until the study holds enough of them.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without them, those of the process.
    """
    options = _parser().parse_args(arguments)
    # Slurm and Kubernetes end a process so. Its trials go back to the others at once.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        work = _prepare(options)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"{error}" if str(error).startswith(_OWNER) else f"{_OWNER}: {error}")
    try:
        sys.stdout.write(work())
    except KeyboardInterrupt:
        sys.exit(f"{_OWNER}: interrupted. Trials that had not ended are left to other workers.")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m skdl.worker", description=__doc__)
    parser.add_argument(
        "--storage",
        default=os.environ.get(_STORAGE),
        required=_STORAGE not in os.environ,
        help=f"URL of the database, or path of the journal file (the variable {_STORAGE})",
    )
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--data", required=True, help="CSV, Parquet or npz file with the rows")
    parser.add_argument(
        "--target", nargs="+", default=[], metavar="COLUMN", help="of y (array 'y' of an npz file)"
    )
    parser.add_argument(
        "--fit",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=COLUMN",
        help="further argument of fit, such as groups=site; the column is none of X",
    )
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="NAME",
        help="function or class of yours that the search names, such as my_module.build",
    )
    parser.add_argument("--verbose", action="store_true", help="show trials as they go")
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, sign, column = text.partition("=")
    if not (name and sign and column):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=COLUMN, such as groups=site")
    return name, column


def _prepare(options: argparse.Namespace) -> Callable[[], str]:
    """Check everything; return what does the work and tells of it."""
    study = find_study(options.storage, options.study, _OWNER)
    task = read_task(study)
    check_versions(task)
    try:
        search = from_bytes(task.search, options.trust)
    except UnsafeFileError as error:
        raise UnsafeFileError(
            f"{_OWNER}: the search cannot be read: {error} For a worker, that is --trust NAME for "
            "each."
        ) from error
    if not isinstance(search, OptunaSearchCV):
        raise UnsafeFileError(f"{_OWNER}: the study holds no search. Expected an OptunaSearchCV.")
    arrays = read_data(options.data, options.target, dict(options.fit), task.arrays)
    X, y = arrays.pop("X"), arrays.pop("y", None)
    ended: list[int] = []

    def work() -> str:
        take_part(
            search,
            X,
            y,
            task.fit_params | arrays,
            storage=storage_of(study),
            study_name=options.study,
            callbacks=[lambda _, trial: ended.append(trial.number)],
            verbose=int(options.verbose),
        )
        n_trials = sum(map(is_counted, study.get_trials(deepcopy=False)))
        return (
            f"{_OWNER}: the study {options.study!r} holds {n_trials} trials, {len(ended)} of them "
            "from this worker.\n"
        )

    return work


if __name__ == "__main__":
    main()
