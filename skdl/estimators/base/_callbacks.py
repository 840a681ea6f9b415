"""What watches a fit from outside: scikit-learn's callbacks and the progress bar."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from skdl._progress import Line, open_bars
from skdl.training import Observer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skdl._compat import CallbackContext
    from skdl.training import Job, ObservedMember

__all__ = ["EpochBar", "reported_fit"]


class _SklearnCallbacks(Observer):
    """Reports epochs to the callbacks of ``sklearn.callback``.

    Parameters
    ----------
    root : CallbackContext
        Of the whole fit.
    data : dict
        ``estimator``, ``X``, ``y`` and ``metadata`` as the user passed them.
    """

    def __init__(self, root: CallbackContext, data: dict[str, Any]) -> None:
        self._root = root
        self._data = data
        self._task: Any = None

    def on_epoch_begin(self, member: ObservedMember, epoch: int) -> None:
        del member, epoch
        self._task = self._root.subcontext(task_name="epoch").call_on_fit_task_begin(**self._data)

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        del epoch, logs
        wants_to_stop = self._task.call_on_fit_task_end(
            **self._data, reconstruction_attributes=lambda: {"_trained": member.snapshot()}
        )
        if wants_to_stop:
            member.stop()


@contextmanager
def reported_fit(network: Any, job: Job, X: Any, y: Any, sample_weight: Any) -> Iterator[Observer]:
    """Report the fit of a network to the callbacks of ``sklearn.callback``, and its epochs.

    Yields
    ------
    reporter : Observer
        What reports the epochs of `job`, for further jobs of the same fit.
    """
    metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
    data = {"estimator": network, "X": X, "y": y, "metadata": metadata}
    root = network._init_callback_context(max_subtasks=network._epochs_in_all)
    root.call_on_fit_task_begin(**data)
    reporter = _SklearnCallbacks(root, data)
    job.observers = [*job.observers, reporter]
    yield reporter
    root.call_on_fit_task_end(**data, reconstruction_attributes={})


@dataclasses.dataclass
class EpochBar(Observer):
    """A progress bar with epoch, loss and validation loss.

    Parameters
    ----------
    title : str
        Stands before the bar.
    """

    title: str

    def on_train_begin(self, member: ObservedMember) -> None:
        self._bars = open_bars()
        self._line = Line(self.title, member.last_epoch - member.n_epochs, "epoch ")
        self._bars.add(self._line)

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        del member, epoch
        self._line.done += 1
        self._line.note = "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
        self._bars.show(self._line)

    def on_train_end(self, member: ObservedMember) -> None:
        del member
        self._bars.stop()

    on_failure = on_train_end
