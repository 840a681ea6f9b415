"""TensorBoard: each fit, and so each fold, in a run of its own."""

from __future__ import annotations

import copy
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from skdl._validation import show
from skdl.estimators.base import HeldOutScoring
from skdl.exceptions import InvalidParameterError
from skdl.training import Observer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skdl.training import ObservedMember

__all__ = ["TensorBoard"]

_OWNER = "TensorBoard"


def _is_path(path: object) -> bool:
    return isinstance(path, str) and bool(path.strip()) and "\0" not in path


def _is_name(name: str) -> bool:
    # Both slashes on every system: folders are copied from one to another.
    return _is_path(name) and name not in {".", ".."} and not set("/\\") & set(name)


class TensorBoard(Observer):
    """Callback that writes losses and metrics of every epoch for TensorBoard.

    Keras' callback of that name lets all folds of a cross-validation write into one run, where
    their curves become one zigzag. Here each fit has its own: ``fold_00``, ``fold_01`` and so on
    under `skdl.model_selection.cross_validate`, in the order of its ``folds``; ``fit_00`` and so on
    elsewhere. A name that is taken gets a number after it, so nothing is written over. Tags are
    those of Keras: ``epoch_loss`` in ``<run>/train``, ``<run>/validation`` and, of the rows that a
    fold holds out, ``<run>/test``.

    Parameters
    ----------
    log_dir : str or path-like
        Folder of the runs, made where it does not exist.
    run : str, default=None
        Stands before the name of each run, as ``"wide"`` in ``wide_fold_00``.

    Raises
    ------
    InvalidParameterError
        If a parameter is not as described.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skdl
    >>> from sklearn.datasets import load_iris
    >>> from skdl.inspection import TensorBoard
    >>> from skdl.model_selection import cross_validate
    >>> X, y = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as logs:
    ...     network = skdl.MLPClassifier(8, epochs=2, callbacks=TensorBoard(logs), random_state=0)
    ...     result = cross_validate(network, X, y, cv=3)
    ...     sorted(run.name for run in Path(logs).iterdir())
    ['fold_00', 'fold_01', 'fold_02']

    Then ``tensorboard --logdir logs`` shows them.
    """

    def __init__(self, log_dir: str | os.PathLike[str], run: str | None = None) -> None:
        if not isinstance(log_dir, str | os.PathLike) or not _is_path(os.fspath(log_dir)):
            raise InvalidParameterError(
                f"{_OWNER}: log_dir={show(log_dir)} is not allowed. Expected the path of a folder."
            )
        if run is not None and not (isinstance(run, str) and _is_name(run)):
            raise InvalidParameterError(
                f"{_OWNER}: run={show(run)} is not allowed. Expected None or a name without "
                "slashes, which begins the name of a folder in log_dir."
            )
        self.log_dir = log_dir
        self.run = run
        self.split: str | None = None
        self._folder = Path(log_dir)
        self._writers: dict[str, Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Each fit works on a copy, made in the thread that knows of which split it is part.
        twin = copy.copy(self)  # without what belongs to a run, see `__getstate__`
        memo[id(self)] = twin
        held_out = HeldOutScoring.current()
        twin.split = None if held_out is None else held_out.name
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "split": None, "_folder": Path(self.log_dir), "_writers": {}}

    def on_train_begin(self, member: ObservedMember) -> None:
        del member
        self._folder = self._new_folder()

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            rows = "validation" if name.startswith("val_") else "train"
            self._write(rows, name.removeprefix("val_"), value, epoch)
        for name, value in member.held_out.items():
            self._write("test", name, value, epoch)
        if member.learning_rate is not None:
            self._write("train", "learning_rate", member.learning_rate, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, member: ObservedMember) -> None:
        del member
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    on_failure = on_train_end

    def _new_folder(self) -> Path:
        """Make the folder of this run; names that others took get a number."""
        prefix = "" if self.run is None else f"{self.run}_"
        names: Iterator[str]
        if self.split is not None:
            name = f"{prefix}{self.split}"
            names = itertools.chain([name], (f"{name}-{i}" for i in itertools.count(2)))
        else:
            names = (f"{prefix}fit_{i:02d}" for i in itertools.count())
        for name in names:
            folder = Path(self.log_dir) / name
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                if not folder.is_dir() or Path(self.log_dir).is_file():
                    raise
            else:
                return folder
        raise AssertionError("names never end")

    def _write(self, rows: str, name: str, value: float, epoch: int) -> None:
        import tensorflow as tf

        if rows not in self._writers:
            self._writers[rows] = tf.summary.create_file_writer(str(self._folder / rows))
        with self._writers[rows].as_default():
            tf.summary.scalar(f"epoch_{name}", value, step=epoch)
