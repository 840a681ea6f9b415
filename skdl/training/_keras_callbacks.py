"""Keras callbacks, as an observer of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import profiles_batches
from skdl.training._observer import Observer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from skdl.training._observer import ObservedMember

__all__ = ["KerasCallbacks", "has_batch_hooks"]

_BATCH_HOOKS = tuple(
    f"on_{hook}"
    for where in ("", "train_", "test_", "predict_")
    for hook in (f"{where}batch_begin", f"{where}batch_end")
)
# Their batch hooks are about profiling, batch-wise logs or NaN, which the engine looks after.
_KNOWN_AT_EPOCHS = {
    "TensorBoard",
    "TerminateOnNaN",
    "LambdaCallback",
    "ProgbarLogger",
    "History",
    "ModelCheckpoint",
    "BackupAndRestore",
}


def has_batch_hooks(callback: keras.callbacks.Callback) -> bool:
    """Tell whether a Keras callback acts on batches, which only Keras' own loop can serve."""
    import keras

    kind = type(callback)
    if kind.__module__.startswith("keras.") and kind.__name__ in _KNOWN_AT_EPOCHS:
        if isinstance(callback, keras.callbacks.TensorBoard):
            return callback.update_freq != "epoch" or profiles_batches(callback)
        if isinstance(callback, keras.callbacks.ModelCheckpoint | keras.callbacks.BackupAndRestore):
            return callback.save_freq != "epoch"
        if isinstance(callback, keras.callbacks.LambdaCallback):
            return any(hook in vars(callback) for hook in _BATCH_HOOKS)
        return False
    base = keras.callbacks.Callback
    return any(
        getattr(kind, hook, None) is not getattr(base, hook) or hook in vars(callback)
        for hook in _BATCH_HOOKS
    )


class KerasCallbacks(Observer):
    """Runs Keras callbacks on a real Keras model that follows one member of the stack.

    Parameters
    ----------
    callbacks : sequence of keras.callbacks.Callback
        Without batch hooks, see `has_batch_hooks`.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        self.callbacks = list(callbacks)
        self._list: Any = None
        self._model: Any = None

    def on_train_begin(self, member: ObservedMember) -> None:
        import keras

        self._model = member.keras_model()
        self._list = keras.callbacks.CallbackList(
            self.callbacks,
            add_history=False,
            add_progbar=False,
            model=self._model,
            epochs=member.epochs,
            verbose=0,
            steps=None,
        )
        self._model.stop_training = False
        self._called(member, "on_train_begin")

    def on_epoch_begin(self, member: ObservedMember, epoch: int) -> None:
        self._called(member, "on_epoch_begin", epoch)

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        self._called(member, "on_epoch_end", epoch, logs)

    def on_train_end(self, member: ObservedMember) -> None:
        self._called(member, "on_train_end")

    def _called(self, member: ObservedMember, hook: str, *arguments: Any) -> None:
        """ParallelCall one hook with the model up to date, and take over what it changed."""
        before = member.weights
        self._model.set_weights(before)
        rate = member.learning_rate
        if rate is not None:
            self._model.optimizer.learning_rate = rate
        self._model.optimizer.iterations.assign(member.n_steps)
        getattr(self._list, hook)(*arguments)
        after = self._model.get_weights()
        if any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
            member.weights = after
        new_rate = float(self._model.optimizer.learning_rate)
        if rate is not None and new_rate != float(np.float32(rate)):
            member.learning_rate = new_rate
        if self._model.stop_training:
            member.stop()
