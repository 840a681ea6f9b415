"""From data and parameters to the job that the engine trains."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._callbacks import EpochBar
from skdl.estimators.base._network_size import check_size
from skdl.estimators.base._training_data import TrainingData
from skdl.estimators.base._user_functions import check_loss_and_metrics
from skdl.training import Observer

if TYPE_CHECKING:
    from skdl.estimators.base._targets import Targets
    from skdl.training import EarlyStopping, Job, Optimizer, Pruning, Trained

__all__ = ["described_job"]


def described_job(
    network: Any,
    *given: Any,
    initial: Trained | None = None,
    is_partial: bool = False,
    may_stop: bool = True,
    is_refit: bool = False,
    targets: Targets | None = None,
    **more_given: Any,
) -> Job:
    """Check the data of a fit and describe the training; labels and units are learned here.

    Parameters
    ----------
    network : BaseNetwork
        What is trained.
    *given, **more_given : object
        The data as ``fit`` takes them.
    initial : Trained, optional
        Where to go on from.
    is_partial : bool
        Whether one epoch is asked for, without any rows held out.
    may_stop : bool
        Whether training may end early.
    is_refit : bool
        Whether it follows a training that held out rows. Callbacks that look at these rows see that
        one alone.
    targets : Targets, optional
        By default what the network's `_make_targets` returns.
    """
    from skdl.training import Job, Schedule

    reset = initial is None
    targets = network._make_targets() if targets is None else targets
    if not reset:
        targets.resume(network._targets)
    data = TrainingData.of_fit(network, *given, **more_given, targets=targets, reset=reset)
    rng = check_random_state(network.random_state)
    seed = int(rng.randint(np.iinfo(np.int32).max))
    stops_early = may_stop and not is_partial
    if stops_early and data.validation is None:
        data = network._holding_out(data, rng)
    if reset:
        data.learn_units(network)
        network._show_targets()
        network._n_train = data.n_train
        network._n_continued = network._rows_of_pass = 0
    elif is_partial:
        targets.warn_of_drift(data.targets)
    train, validation = data.job_rows(network)
    described = network._described(data.X, seed)
    initial = _with_new_rate(network, initial, described["optimizer"])
    batch_size = network._batch_size(data.n_train)
    if not described["network"].is_opaque:
        check_size(network, described["network"], min(batch_size, data.n_train))
        owner, is_named = type(network).__name__, getattr(network, "loss", None) is not None
        check_loss_and_metrics(owner, described["network"], described["metrics"], is_named=is_named)
    scale, offset = network._targets.units
    return Job(
        **described,
        train=train,
        validation=validation,
        epochs=1 if is_partial else network._max_epochs,
        batch_size=batch_size,
        seed=seed,
        shuffle=network._effective("shuffle"),
        schedule=Schedule() if is_partial else network._schedule(),
        early_stopping=_early_stopping(network) if stops_early else None,
        pruning=_pruning(network, 0 if is_partial else network._max_epochs),
        target_scale=scale,
        target_offset=offset,
        constants=network._constants(described["network"], data) if reset else None,
        initial=initial,
        observers=_observers(network, is_refit=is_refit),
        keep_optimizer_state=bool(network.warm_start) or is_partial,
        owner=type(network).__name__,
    )


def _with_new_rate(network: Any, initial: Trained | None, optimizer: Optimizer) -> Trained | None:
    """Return where to go on from; with the rate of now, if the user has changed it since."""
    before = network._asked_rate
    if initial is None or before is None or before == optimizer.learning_rate:
        return initial
    return dataclasses.replace(initial, learning_rate=None)


def _early_stopping(network: Any) -> EarlyStopping | None:
    """Return when training ends early, or None."""
    from skdl.training import EarlyStopping

    if not network.early_stopping:
        return None
    return EarlyStopping(
        monitor=network.monitor,
        mode=names.monitor_mode(network.monitor),
        patience=network.patience,
        min_delta=float(network.min_delta),
        restore_best_weights=bool(network.restore_best_weights),
    )


def _pruning(network: Any, n_epochs: int) -> Pruning | None:
    """Return what training drives to zero; without epochs, zeros are kept alone."""
    from skdl.training import Pruning

    sparsity = getattr(network, "sparsity", 0.0)
    if not sparsity:
        return None
    # The last quarter of the epochs makes up for what the last pruning cost.
    return Pruning(float(sparsity), max(1, n_epochs * 3 // 4) if n_epochs else 0)


def _observers(network: Any, *, is_refit: bool) -> list[Observer]:
    """Return the user's callbacks and the progress bar."""
    from skdl.training import KerasCallbacks

    # Copies, as callbacks keep state and would make fit change a parameter.
    callbacks = copy.deepcopy(network._given_callbacks())
    if is_refit:
        callbacks = [c for c in callbacks if not _looks_at_validation_rows(c)]
    else:
        network.callbacks_ = callbacks
    observers: list[Observer] = [c for c in callbacks if isinstance(c, Observer)]
    if keras_callbacks := [c for c in callbacks if not isinstance(c, Observer)]:
        observers.append(KerasCallbacks(keras_callbacks))
    if network._effective("verbose"):
        observers.append(EpochBar(type(network).__name__))
    return observers


def _looks_at_validation_rows(callback: Any) -> bool:
    """Tell whether a callback has nothing to look at where no rows are held out."""
    is_ours = isinstance(callback, Observer)
    return is_ours or str(getattr(callback, "monitor", "")).startswith("val_")
