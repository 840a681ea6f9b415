"""Jobs that the graph cannot train faithfully go through ``keras.Model.fit`` instead."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from skdl._compat_keras import improves_as, restored_epoch
from skdl._rows import source_of
from skdl.layers import blueprint_of
from skdl.networks import preserved_generators, stateful_rows_of
from skdl.training._compiled_model import compiled_model
from skdl.training._keras_callbacks import KerasCallbacks, has_batch_hooks
from skdl.training._optimizer_state import optimizer_state, restore_optimizer, settable_rate
from skdl.training._optimizers import is_elementwise
from skdl.training.engine._member import Member, come_to_rung

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from tensorflow import Tensor

    from skdl.training._job import Job, Rows
    from skdl.training._metrics import GraphMetric, HostMetric
    from skdl.training._trained import Trained

__all__ = ["train_with_keras", "why_not_in_graph"]


def why_not_in_graph(job: Job) -> str | None:
    """Return why a job must be trained by Keras itself, or None."""
    if job.network.is_opaque:
        reason: str = job.network.layers[0]["reason"]
        return reason
    blueprint = blueprint_of(job.network)
    if blueprint.layers[-1].has_mask:
        return "the loss takes a mask of steps"
    if not blueprint.is_faithful:
        return "a layer keeps statistics or noise of its own, or adds to the loss"
    if not is_elementwise(job.optimizer):
        return "the optimizer has no stacked rule, or averages or accumulates over steps"
    for observer in job.observers:
        for callback in getattr(observer, "callbacks", ()):
            if has_batch_hooks(callback):
                return f"{type(callback).__name__} acts on batches"
    return None


def train_with_keras(job: Job) -> Trained:
    """Train one job by ``keras.Model.fit``, with the engine's seeds and the same observers."""
    if source_of(job.train.X) is not None:
        raise ValueError(
            f"{job.owner}: rows of a source are read in the shared graph alone, but this fit "
            f"trains through keras.Model.fit: {why_not_in_graph(job)}. Expected rows in memory, "
            "numpy.asarray(X), or nothing that needs keras.Model.fit."
        )
    if job.network.is_shared:
        raise ValueError(
            f"{job.owner}: networks that share weights (shared_members > 1) train in the shared "
            f"graph alone, but {why_not_in_graph(job)}. Expected shared_members=1, or nothing that "
            "needs keras.Model.fit."
        )
    if job.pruning is not None:
        raise ValueError(
            f"{job.owner}: sparsity={job.pruning.sparsity:g} prunes in the graph alone, but this "
            f"fit trains through keras.Model.fit: {why_not_in_graph(job)}. Expected sparsity=0.0, "
            "or nothing that needs keras.Model.fit."
        )
    member = Member(job)
    # Keras calls its callbacks itself here.
    member.observers = [o for o in job.observers if not isinstance(o, KerasCallbacks)]
    model = compiled_model(job.network, job.optimizer, _metrics(member), job.seed)
    model.set_weights(member.weights)
    if job.initial is not None:
        restore_optimizer(model, job.optimizer, job.initial)
    rows = stateful_rows_of(model)
    _check_stateful(job, rows)
    callbacks = [c for observer in job.observers for c in getattr(observer, "callbacks", ())]
    try:
        with preserved_generators():
            model.fit(
                _dataset(member),
                validation_data=None if job.validation is None else _arrays(job, job.validation),
                epochs=job.epochs,
                callbacks=[*callbacks, _follower(member)],
                validation_batch_size=rows,
                verbose=0,
                shuffle=False,  # the rows are; Keras would shuffle the batches
            )
    except KeyboardInterrupt as interrupt:
        raise member.interrupted(interrupt) from None
    result = member.finish()
    if member.error is not None:
        raise member.error
    return result


def _check_stateful(job: Job, n_at_once: int | None) -> None:
    """Refuse numbers of rows that a model with a state for each row of a batch does not take."""
    if n_at_once is None:
        return
    parts = {"training": job.train, "validation": job.validation, "held-out": job.held_out}
    for what, rows in parts.items():
        is_training = what == "training"
        size = job.batch_size if is_training else n_at_once
        if rows is not None and (size != n_at_once or len(rows) % n_at_once):
            raise ValueError(
                f"{job.owner}: the model has layers with stateful=True, for {n_at_once} rows at "
                f"once, but there are {len(rows)} {what} rows, "
                f"in batches of {size}. Expected batch_size={n_at_once}, as in "
                "its Input, and a multiple of it as the number of rows, or stateful=False."
            )


def _metrics(member: Member) -> list[Any]:
    """Return Keras metrics that see targets and predictions in the target's units."""
    import keras

    job = member.job
    if job.target_scale is None:
        return list(job.metrics)

    class InUnits(keras.metrics.Metric):
        def __init__(self, metric: GraphMetric | HostMetric) -> None:
            super().__init__(name=metric.name)
            self.metric = metric.to_keras()
            improves_as(self, self.metric)

        def update_state(
            self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
        ) -> None:
            y_true = keras.ops.cast(y_true, y_pred.dtype)
            self.metric.update_state(
                job.in_target_units(y_true), job.in_target_units(y_pred), sample_weight
            )

        def result(self) -> Any:
            return self.metric.result()

        def reset_state(self) -> None:
            self.metric.reset_state()

    with preserved_generators():
        return [InUnits(metric) for metric in member.metrics]


def _arrays(job: Job, rows: Rows, index: Any = None) -> tuple[Any, ...]:
    """Return dense inputs, targets as the loss asks for them, and weights of some rows."""
    index = rows.rows if index is None else index
    y = _taken(rows.y, index)
    if job.network.loss.target == "one_hot":
        n_classes = blueprint_of(job.network).n_outputs
        y = np.eye(n_classes, dtype=np.float32)[y[:, 0].astype(int)]
    arrays = (_taken(rows.X, index), y)
    return arrays if rows.weight is None else (*arrays, rows.weight[index])


def _taken(values: Any, index: Any) -> Any:
    """Return some rows of an array, or of each array in a tuple, list or dict; CSR made dense.

    Lists become tuples, which TensorFlow's data sets take.
    """
    if isinstance(values, dict):
        return {name: _taken(value, index) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return tuple(_taken(value, index) for value in values)
    some = values[index]
    return some.toarray() if sparse.issparse(some) else some


def _dataset(member: Member) -> Any:
    """Return the training rows as batches in the order in which the engine would take them."""
    import keras

    job = member.job

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.epoch = -1

        def __len__(self) -> int:
            return job.steps_per_epoch

        def __getitem__(self, i: int) -> tuple[Any, ...]:
            # Keras' own signs are of no use: it says that an epoch ended before the first began.
            if self.epoch != member.n_epochs:
                self.epoch, self.order = member.n_epochs, member.next_order()
            is_last = i + 1 == len(self)
            stop = None if is_last else (i + 1) * job.batch_size  # rows may have joined the last
            chosen = self.order[i * job.batch_size : stop]
            return _arrays(job, job.train, chosen)

    return Batches()


def _state_of(model: keras.Model, member: Member) -> tuple[Any, ...]:
    """Return weights, statistics and, where it goes on later, the optimizer's state."""
    state = member.layout.join(model.get_weights())
    if not member.job.keep_optimizer_state:
        return state
    return *state, *optimizer_state(model, member.job.optimizer)


def _follower(member: Member) -> Any:
    """Return the callback through which a member follows Keras' loop epoch by epoch."""
    import keras

    job, is_opaque = member.job, member.job.network.is_opaque

    class Follower(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            del logs
            member.fetch = lambda: _state_of(self.model, member)
            member.store = lambda state: self.model.set_weights(member.layout.split(*state[:2]))
            member.go_on_after(restored_epoch(self.model))
            member.observe("on_train_begin")

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            del epoch, logs
            member.observe("on_epoch_begin", member.n_epochs)
            self.rates = member.rates(member.job.steps_per_epoch)

        def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
            del logs
            if member.job.schedule.kind != "constant" and member.learning_rate is not None:
                self.model.optimizer.learning_rate = float(self.rates[batch])

        def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
            del logs
            member.observe("on_test_begin")

        def on_test_end(self, logs: dict[str, float] | None = None) -> None:
            member.observe("on_test_end", dict(logs or {}))

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            del epoch
            n_epochs = 1 + member.n_own_epochs
            is_scored = job.scores_held_out(n_epochs)
            member.held_out = _held_out(self.model, job) if is_scored else {}
            _take_over_rate(self.model, member)
            # A model of the user's may report what it likes.
            logs = logs or {}
            own = list(logs) if is_opaque else member.log_names()
            _check_monitor(job, own)
            if member.end_epoch(_ordered(logs, own)):
                member.best_state = member.current_state()[:2]
            # Fits that Keras trains come one after another; there is nobody to wait for.
            come_to_rung(member, n_epochs)
            self.model.stop_training = self.model.stop_training or member.stopped

    return Follower()


def _take_over_rate(model: keras.Model, member: Member) -> None:
    """Remember the learning rate if a callback has set it, for whoever goes on later."""
    rate, before = settable_rate(model), member.learning_rate
    if member.job.schedule.kind != "constant" or rate is None or before is None:
        return
    if rate != float(np.float32(before)):
        member.learning_rate = rate


def _ordered(logs: dict[str, float], own: Sequence[str]) -> dict[str, float]:
    """Return losses and metrics in our order, then what callbacks have written."""
    ordered = {name: float(np.mean(logs[name])) for name in own if name in logs}
    return ordered | {name: value for name, value in logs.items() if name not in ordered}


def _check_monitor(job: Job, names: Sequence[str]) -> None:
    settings = job.early_stopping
    if settings is not None and settings.monitor not in names:
        raise ValueError(
            f"{job.owner}: monitor={settings.monitor!r} is not reported by this fit. Expected one "
            f"of {names}."
        )


def _held_out(model: keras.Model, job: Job) -> dict[str, float]:
    """Return loss, metrics and score of the held-out rows."""
    rows = job.held_out
    assert rows is not None  # noqa: S101 - for the type checker
    X, y, *weights = _arrays(job, rows)
    weight = weights[0] if weights else None
    n_at_once = stateful_rows_of(model)
    logs = model.evaluate(
        X, y, batch_size=n_at_once, sample_weight=weight, return_dict=True, verbose=0
    )
    if job.held_out_score is not None:
        outputs = model.predict(X, batch_size=n_at_once, verbose=0)
        # Of several outputs, scorers know nothing.
        logs["score"] = math.nan
        if isinstance(outputs, np.ndarray):
            values = job.in_target_units(np.asarray(outputs, np.float32))
            logs["score"] = job.held_out_score(values)
    return logs
