"""What scikit-learn's callbacks (``sklearn.callback``) are told of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from skdl.estimators.base import FitMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import FrozenTrial

    from skdl._compat import CallbackContext
    from skdl.estimators.base import RowMetadata
    from skdl.model_selection.shared_study import Event

__all__ = ["SearchTasks"]


class SearchTasks:
    """The tasks of a search: the search with a task for each trial run here, and the refit.

    Parameters
    ----------
    root : CallbackContext
        Of the whole fit, with room for two tasks.
    data : dict
        ``estimator``, ``X``, ``y`` and ``metadata`` as the user passed them.
    n_trials : int or None
        At most so many will be begun here; None if that is not known.
    """

    def __init__(self, root: CallbackContext, data: dict[str, Any], n_trials: int | None) -> None:
        self._root = root
        self._data = data
        self._search = root.subcontext(task_name="search", max_subtasks=n_trials)
        self._search.call_on_fit_task_begin(**data)
        self._running: dict[int, Any] = {}

    @classmethod
    def begin(
        cls, root: CallbackContext, search: Any, X: Any, y: Any, params: dict[str, Any]
    ) -> Self:
        """Tell callbacks that a search begins.

        Parameters
        ----------
        root : CallbackContext
            Of the whole fit, with room for two tasks.
        search : OptunaSearchCV
        X, y : array-like
        params : dict
            Of ``fit``.
        """
        weight = params.get("sample_weight")
        metadata = None if weight is None else {"sample_weight": weight}
        data = {"estimator": search, "X": X, "y": y, "metadata": metadata}
        root.call_on_fit_task_begin(**data)
        # Those that others run, or have lost, cannot be foreseen.
        return cls(root, data, search.n_trials if search.storage is None else None)

    def event(self, event: Event, trials: list[FrozenTrial]) -> bool:
        """Take in what the study loop tells; return whether a callback asks to stop."""
        wants_to_stop = False
        for trial in trials:
            if event == "begun":
                task = self._search.subcontext(task_name="trial")
                self._running[trial.number] = task.call_on_fit_task_begin(**self._data)
            elif event == "finished" and trial.number in self._running:
                task = self._running.pop(trial.number)
                wants_to_stop |= task.call_on_fit_task_end(**self._data)
        return wants_to_stop

    def end_search(self) -> None:
        """Take note that there will be no more trials."""
        self._search.call_on_fit_task_end(**self._data)

    def refit(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        metadata: RowMetadata,
        fit_params: Mapping[str, Any],
    ) -> None:
        """Fit the best estimator, which gets those of the callbacks that are handed down."""
        task = self._root.subcontext(task_name="refit-with-best-params")
        with task.propagate_callback_context(estimator), FitMetadata(estimator, metadata):
            task.call_on_fit_task_begin(**self._data)
            estimator.fit(X, *(() if y is None else (y,)), **fit_params)
        task.call_on_fit_task_end(**self._data)

    def end(self) -> None:
        """Take note that the fit is done."""
        self._root.call_on_fit_task_end(**self._data)
