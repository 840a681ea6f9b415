"""Every branch on the version of a dependency.

scikit-learn 1.9 brought callbacks (``sklearn.callback``). An estimator writes one code path for
all versions; before 1.9 the names below are stand-ins of the same interface that do nothing::

    class Estimator(CallbackSupportMixin, BaseEstimator):
        @with_callbacks  # calls the callbacks' teardown, also after an error
        def fit(self, X, y, sample_weight=None):
            metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
            data = {"estimator": self, "X": X, "y": y, "metadata": metadata}
            root = self._init_callback_context(max_subtasks=self.epochs)  # calls their setup
            root.call_on_fit_task_begin(**data)
            for _ in range(self.epochs):
                task = root.subcontext(task_name="epoch").call_on_fit_task_begin(**data)
                ...  # train one epoch
                if task.call_on_fit_task_end(**data, reconstruction_attributes=attributes):
                    break
            ...  # set the fitted attributes
            root.call_on_fit_task_end(**data, reconstruction_attributes={})
            return self

- ``X`` and ``y`` are what the user passed: a scorer hands them to ``predict`` of a copy.
- ``reconstruction_attributes`` are the attributes which a shallow copy of the half-fitted
  estimator lacks to predict. Give a function without arguments: it is called only if a callback
  asks for ``fitted_estimator`` (``ScoringMonitor`` does, ``ProgressBar`` does not).
- A root task may have fewer subtasks than ``max_subtasks`` (early stopping), never more.
"""

from __future__ import annotations

from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Self

__all__ = [
    "CALLBACK_ATTRIBUTES",
    "HAS_CALLBACKS",
    "CallbackContext",
    "CallbackSupportMixin",
    "with_callbacks",
]

MethodT = TypeVar("MethodT", bound="Callable[..., Any]")

HAS_CALLBACKS = find_spec("sklearn.callback") is not None
# What an estimator has while it is fitted; `with_callbacks` needs them for the teardown.
CALLBACK_ATTRIBUTES = frozenset({"_callback_fit_ctx", "_skl_callbacks_to_teardown"})


class _SilentContext:
    """Stand-in for ``sklearn.callback.CallbackContext``: a task that nobody watches."""

    def subcontext(self, *_args: object, **_kwargs: object) -> Self:
        """Return the context of a subtask."""
        return self

    def call_on_fit_task_begin(self, **_data: object) -> Self:
        """Tell the callbacks that this task begins; return this context."""
        return self

    def call_on_fit_task_end(self, **_data: object) -> bool:
        """Tell the callbacks that this task ends; return whether one of them asks to stop."""
        return False

    def propagate_callback_context(self, _sub_estimator: object) -> AbstractContextManager[None]:
        """Return a context in which a sub-estimator has the callbacks."""
        return nullcontext()


class _SilentCallbackSupportMixin:
    """Stand-in for ``sklearn.callback.CallbackSupportMixin``."""

    def set_callbacks(self, *callbacks: object) -> Self:
        """Refuse callbacks: they need scikit-learn 1.9.

        Parameters
        ----------
        *callbacks : object
            Callbacks of scikit-learn.

        Returns
        -------
        self : object
            The estimator, where no callback was given.

        Raises
        ------
        NotImplementedError
            If one was.
        """
        if callbacks:
            raise NotImplementedError(
                f"{type(self).__name__}: set_callbacks needs scikit-learn 1.9 or newer. Upgrade "
                "scikit-learn, or use verbose=1 to see progress."
            )
        return self

    def _init_callback_context(self, *_args: object, **_kwargs: object) -> _SilentContext:
        return _SilentContext()


def _silent_with_callbacks(method: MethodT) -> MethodT:
    """Stand-in for ``sklearn.callback.with_callbacks``: there is nothing to tear down."""
    return method


# scikit-learn has no type annotations, so type checkers are shown the stand-ins.
if TYPE_CHECKING or not HAS_CALLBACKS:
    CallbackContext = _SilentContext
    CallbackSupportMixin = _SilentCallbackSupportMixin
    with_callbacks = _silent_with_callbacks
else:
    from sklearn.callback import CallbackContext, CallbackSupportMixin, with_callbacks
