"""Contexts that somebody outside an estimator puts around its fit, for the network inside it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from skdl.training import Observer

if TYPE_CHECKING:
    from skdl.training import ObservedMember

__all__ = ["FitContext"]

_local = threading.local()


class FitContext(Observer):
    """Context of one thread, in which a network is fitted somewhere inside an estimator.

    The innermost context of each kind holds. A context follows the network once it is among the
    observers of its job.

    Parameters
    ----------
    estimator : object
        What is fitted inside the context.

    Attributes
    ----------
    history : dict of str to list of float
        Per epoch, what was recorded; empty if no network was followed.
    kept_epoch : int or None
        Number of epochs after which the network had the weights that it was left with: its best
        where those were restored, else all. None unless it was followed to the end.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self.history: dict[str, list[float]] = {}
        self.kept_epoch: int | None = None

    @classmethod
    def current(cls) -> Self | None:
        """Return the context of this kind that this thread is in."""
        return getattr(_local, cls.__name__, None)

    def __enter__(self) -> Self:
        self._outer = self.current()
        setattr(_local, type(self).__name__, self)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(_local, type(self).__name__, self._outer)

    def __getstate__(self) -> dict[str, Any]:
        """Return what was recorded: the estimator and its rows stay where the fit was."""
        left_out = {"_estimator", "_outer", "_validation"}
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def on_train_end(self, member: ObservedMember) -> None:
        self.kept_epoch = member.kept_epoch

    def _record(self, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
