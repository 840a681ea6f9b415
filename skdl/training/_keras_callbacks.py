"""Keras callbacks, as an observer of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import profiles_batches, restored_epoch
from skdl.training._observer import Observer
from skdl.training._optimizer_state import flat, slot_variables

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

# They neither save nor look at the state of the optimizer, which is copied for the others.
_BLIND_TO_OPTIMIZER = {
    "CSVLogger",
    "EarlyStopping",
    "History",
    "LearningRateScheduler",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "TensorBoard",
    "TerminateOnNaN",
}


def _is_of_keras(callback: keras.callbacks.Callback, names: set[str]) -> bool:
    """Tell whether a callback is exactly one of Keras' own of some names."""
    kind = type(callback)
    return kind.__module__.startswith("keras.") and kind.__name__ in names


def _may_see_optimizer(callback: keras.callbacks.Callback) -> bool:
    return not _is_of_keras(callback, _BLIND_TO_OPTIMIZER)


def has_batch_hooks(callback: keras.callbacks.Callback) -> bool:
    """Tell whether a Keras callback acts on batches, which only Keras' own loop can serve."""
    import keras

    if _is_of_keras(callback, _KNOWN_AT_EPOCHS):
        if isinstance(callback, keras.callbacks.TensorBoard):
            return callback.update_freq != "epoch" or profiles_batches(callback)
        if isinstance(callback, keras.callbacks.ModelCheckpoint | keras.callbacks.BackupAndRestore):
            return callback.save_freq != "epoch"
        if isinstance(callback, keras.callbacks.LambdaCallback):
            return any(hook in vars(callback) for hook in _BATCH_HOOKS)
        return False
    return any(_acts_on(callback, hook) for hook in _BATCH_HOOKS)


def _acts_on(callback: keras.callbacks.Callback, hook: str) -> bool:
    """Tell whether a callback does something in a hook."""
    import keras

    base = getattr(keras.callbacks.Callback, hook)
    return getattr(type(callback), hook, None) is not base or hook in vars(callback)


class KerasCallbacks(Observer):
    """Runs Keras callbacks on a real Keras model that follows one member of the stack.

    A callback that sets ``stop_training`` lets the running epoch end first; Keras' own loop ends
    it after the running batch.

    Parameters
    ----------
    callbacks : sequence of keras.callbacks.Callback
        Without batch hooks, see `has_batch_hooks`.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        self.callbacks = list(callbacks)
        self._list: Any = None
        self._model: Any = None
        self._logs: dict[str, Any] = {}
        self._hooks: set[str] = set()
        self._slots: list[list[Any]] = []

    def on_train_begin(self, member: ObservedMember) -> None:
        import keras

        self._model = member.keras_model()
        last = keras.callbacks.LambdaCallback(on_epoch_end=self._keep_logs)
        self._list = keras.callbacks.CallbackList(
            [*self.callbacks, last],
            add_history=True,
            add_progbar=False,
            model=self._model,
            epochs=member.epochs,
            verbose=0,
            steps=member.steps_per_epoch,
        )
        # What nobody acts on is not worth a look at the weights.
        optional = ("on_epoch_begin", "on_test_begin", "on_test_end")
        self._hooks = {
            hook for hook in optional if any(_acts_on(c, hook) for c in self.callbacks)
        } | {"on_train_begin", "on_epoch_end", "on_train_end"}
        if any(_may_see_optimizer(callback) for callback in self.callbacks):
            self._slots = slot_variables(self._model)
            if len(self._slots) != len(member.optimizer_state):
                self._slots = []
        self._model.stop_training = False
        self._called(member, "on_train_begin")
        member.go_on_after(restored_epoch(self._model))

    def on_epoch_begin(self, member: ObservedMember, epoch: int) -> None:
        self._called(member, "on_epoch_begin", epoch)

    def on_test_begin(self, member: ObservedMember) -> None:
        self._called(member, "on_test_begin", steps_ahead=member.steps_per_epoch)

    def on_test_end(self, member: ObservedMember, logs: dict[str, float]) -> None:
        self._called(member, "on_test_end", logs, steps_ahead=member.steps_per_epoch)

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        reported = dict(logs)
        self._called(member, "on_epoch_end", epoch, logs)
        logs.clear()
        logs.update(self._logs)
        self._logs = reported
        if self._model.stop_training:
            member.stop()

    def on_train_end(self, member: ObservedMember) -> None:
        self._called(member, "on_train_end", self._logs)

    def _keep_logs(self, epoch: int, logs: dict[str, float]) -> None:
        """Keep what the callbacks have made of an epoch's logs, of which Keras hands on a copy."""
        del epoch
        self._logs = dict(logs)

    def _called(
        self, member: ObservedMember, hook: str, *arguments: object, steps_ahead: int = 0
    ) -> None:
        """Call one hook with the model up to date, and take over what it changed."""
        if hook not in self._hooks:
            return
        before = member.weights
        self._model.set_weights(before)
        rate = member.learning_rate
        if rate is not None:
            self._model.optimizer.learning_rate = rate
        self._model.optimizer.iterations.assign(member.n_steps + steps_ahead)
        slots = member.optimizer_state if self._slots else []
        for variables, arrays in zip(self._slots, slots, strict=True):
            for variable, array in zip(variables, arrays, strict=True):
                variable.assign(array)
        getattr(self._list, hook)(*arguments)
        after = self._model.get_weights()
        if any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
            member.weights = after
        new_slots = [flat(variables) for variables in self._slots]
        if any(
            not np.array_equal(new, flat(old)) for new, old in zip(new_slots, slots, strict=True)
        ):
            member.optimizer_state = new_slots
        new_rate = float(self._model.optimizer.learning_rate)
        if rate is not None and new_rate != float(np.float32(rate)):
            member.learning_rate = new_rate
