"""One job while it trains: what it has learned so far, and what its observers may do to it."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._rows import RowSource
from skdl.exceptions import DivergenceError, DivergenceWarning
from skdl.layers import blueprint_of, size
from skdl.networks import preserved_generators
from skdl.training._compiled_model import compiled_model
from skdl.training._early_stopping import Stopper
from skdl.training._initial_weights import first_state, stream
from skdl.training._metrics import GraphMetric, HostMetric, resolve_metrics
from skdl.training._optimizers import n_slots
from skdl.training._pruning import pruned, sparsity_after
from skdl.training._schedule import PLATEAU_FACTOR, rate_factors
from skdl.training._settings import EarlyStopping
from skdl.training._signals import AbortParallelCall, InterruptedFit
from skdl.training._trained import Trained
from skdl.training.engine._padding import padded_network, padding_of
from skdl.training.engine._row_reader import shuffled_by_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import keras
    from numpy.typing import NDArray

    from skdl.networks import KerasObject
    from skdl.training._job import Job
    from skdl.training.engine._padding import Padding

__all__ = ["Member", "come_to_rung", "end_abandoned_calls"]

# Products of larger weights overflow float32.
_LARGEST = float(np.sqrt(np.finfo(np.float32).max))


class Member:
    """A job inside a stack.

    Attributes
    ----------
    job : Job
    network : Network
        Whose structure and widths its stack has: its job's, padded once `pad` was called.
    history : dict of str to list of float
    last_epoch : int
        Number of epochs after which it ends at the latest.
    n_epochs, n_steps : int
        Epochs run and optimizer steps taken, earlier jobs it went on from included.
    held_out : dict of str to float
        Loss, metrics and score of the held-out rows after the last epoch; empty where they were
        not scored.
    stopped : bool
        Whether it has trained for the last time.
    is_best : bool
        Whether the weights of the last epoch are the best so far, and to be kept.
    error : BaseException or None
        What ended it early.
    state : tuple of ndarray
        Weights, statistics and optimizer slots; up to date while `fetch` is not set.
    fetch, store : callable or None
        Set by a stack that holds the state on its device.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.observers = list(job.observers)
        self.metrics: tuple[GraphMetric | HostMetric, ...] = resolve_metrics(
            job.metrics, job.network
        )
        self.network = job.network
        self.layout = blueprint_of(job.network).layout
        self.history: dict[str, list[float]] = {}
        self.held_out: dict[str, float] = {}
        self.stopped = False
        self.error: BaseException | None = None
        self.fetch: Callable[[], tuple[Any, ...]] | None = None
        self.store: Callable[[tuple[Any, ...]], None] | None = None
        start = job.initial
        self.n_epochs = start.n_epochs if start else 0
        self.n_steps = start.n_steps if start else 0
        if start and blueprint_of(start.network).layout != self.layout:
            raise ValueError(
                f"{job.owner}: the network differs in its layers or widths from the one that was "
                "trained before. warm_start=True and partial_fit expect the same; use clone(...) "
                "or warm_start=False to begin anew."
            )
        if start:
            weights, statistics = start.weights, start.statistics
            self.history = {name: list(values) for name, values in start.history.items()}
        else:
            weights, statistics = first_state(job)
        self.state: tuple[Any, ...] = (weights, statistics, *self._first_slots(weights))
        rate = job.optimizer.learning_rate
        self._learning_rate = rate if isinstance(rate, float) else None
        if start and start.learning_rate is not None and self._learning_rate is not None:
            self._learning_rate = start.learning_rate
        self._first_step = self.n_steps
        self._begin_streams()
        self.last_epoch = self.n_epochs + job.epochs
        self._stopper = self._make_stopper()
        self._plateau = self._make_plateau()
        self.best_state: tuple[Any, ...] | None = None
        self.is_best = False

    def _first_slots(self, weights: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        start = self.job.initial
        if self.job.optimizer.kind == "Keras":
            return []
        count = n_slots(self.job.optimizer)
        # Another optimizer, or one that Keras alone works with, leaves other arrays.
        if start and [slot.shape for slot in start.slots] == [weights.shape] * count:
            return list(start.slots)
        fill = dict(self.job.optimizer.scalars).get("initial_accumulator_value", 0.0)
        return [np.full_like(weights, fill) for _ in range(count)]

    def _make_stopper(self) -> Stopper | None:
        settings = self.job.early_stopping
        names = self.log_names()
        if settings is None:
            if self.job.validation is None:
                return None
            never = self.job.epochs + 1
            return Stopper(EarlyStopping("val_loss", "min", never, 0.0, restore_best_weights=False))
        if settings.monitor not in names and not self.job.network.is_opaque:
            raise ValueError(
                f"{self.job.owner}: monitor={settings.monitor!r} is not reported by this fit. "
                f"Expected one of {names}; a metric must be named in `metrics` to be monitored, "
                "and a name with 'val_' needs validation rows."
            )
        return Stopper(settings)

    def _make_plateau(self) -> Stopper | None:
        settings = self.job.schedule
        if settings.kind != "plateau":
            return None
        monitor = settings.monitor if settings.monitor in self.log_names() else "loss"
        mode = settings.mode if monitor == settings.monitor else "min"
        return Stopper(
            EarlyStopping(monitor, mode, settings.patience, 0.0, restore_best_weights=False)
        )

    def log_names(self) -> list[str]:
        """Return the names of what is reported per epoch, in order."""
        own = ["loss", *(metric.name for metric in self.metrics)]
        return own + ([f"val_{name}" for name in own] if self.job.validation is not None else [])

    def pad(self) -> None:
        """Let it train in a stack of padded networks; what it reports stays its own network's."""
        self.network = padded_network(self.job)

    @property
    def padding(self) -> Padding | None:
        """Where its numbers stand in a stack of padded networks; None in others."""
        own = self.job.network
        return None if self.network is own else padding_of(own, self.network)

    # ------------------------------------------------------------------ for observers

    @property
    def epochs(self) -> int:
        """Epochs that its job asks for."""
        return self.job.epochs

    @property
    def n_own_epochs(self) -> int:
        """Epochs run, without those of earlier jobs it went on from."""
        return self.n_epochs - (self.last_epoch - self.job.epochs)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of an epoch."""
        return self.job.steps_per_epoch

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """Weights in the order of ``keras.Model.get_weights``; may be set."""
        state = self.current_state()
        return self.layout.split(state[0], state[1])

    @weights.setter
    def weights(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        weights, statistics = self.layout.join(arrays)
        self._put((weights, statistics, *self.current_state()[2:]))

    @property
    def optimizer_state(self) -> list[list[NDArray[np.float32]]]:
        """State of the optimizer: for each slot, one array per trained weight.

        Set to one flat vector per slot.
        """
        shapes = [variable.shape for variable in self.layout.part(trainable=True)]
        ends = np.cumsum([size(shape) for shape in shapes])[:-1]
        return [
            [part.reshape(shape) for part, shape in zip(np.split(s, ends), shapes, strict=True)]
            for s in self.current_state()[2:]
        ]

    @optimizer_state.setter
    def optimizer_state(self, slots: Sequence[NDArray[np.float32]]) -> None:
        self._put((*self.current_state()[:2], *slots))

    @property
    def learning_rate(self) -> float | None:
        """Learning rate, by whatever `Job.schedule` multiplies it; None under Keras' schedules.

        May be set.
        """
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = float(value)

    @property
    def is_pruned(self) -> bool:
        """Whether its weights are as sparse as its job asks for."""
        pruning = self.job.pruning
        return pruning is None or self.n_own_epochs >= pruning.n_epochs

    @property
    def rungs(self) -> set[int]:
        """Numbers of epochs after which it waits for those that train at the same time."""
        return {rung for observer in self.observers for rung in observer.rungs}

    @property
    def next_stop(self) -> int:
        """Number of epochs after which it is judged next, or ends."""
        return min({self.last_epoch, *(rung for rung in self.rungs if rung > self.n_epochs)})

    def stop(self) -> None:
        """Ask for this epoch to be the last."""
        self.stopped = True

    def abandon(self, reason: Exception) -> None:
        """End this member now, and with it the call of Parallel that it belongs to.

        Parameters
        ----------
        reason : Exception
            What the caller of Parallel sees, whatever its tasks make of exceptions.
        """
        self.error, self.stopped = AbortParallelCall(reason), True

    def keras_model(self) -> keras.Model:
        """Return a new compiled Keras model of this member's network."""
        job = self.job
        model = compiled_model(job.network, job.optimizer, job.metrics, job.seed)
        if job.metrics:
            self._build_metrics(model)
        return model

    def _build_metrics(self, model: keras.Model) -> None:
        """Let a model name its metrics, which Keras does at the first batch.

        Callbacks find out by them whether what they monitor should fall or rise.
        """
        shape = tuple(2 if n is None else n for n in model.output_shape)
        outputs = np.full(shape, 1 / shape[-1], np.float32)
        targets = np.zeros((2, *shape[1:]), np.float32)
        if self.job.network.loss.target == "one_hot":
            targets[..., 0] = 1.0
        elif self.job.network.loss.target == "labels":
            targets = targets[..., :1]
        with warnings.catch_warnings(), preserved_generators():
            warnings.simplefilter("ignore")  # of values that nobody reads
            model.compute_metrics(None, targets, outputs)
        model.reset_metrics()

    def go_on_after(self, n_epochs: int) -> None:
        """Count epochs as run before the first one, so that only the rest is trained."""
        more = n_epochs - self.n_epochs
        if more <= 0:
            return
        self.n_epochs = n_epochs
        self.n_steps += more * self.job.steps_per_epoch
        self._begin_streams()
        self.stopped = self.stopped or self.n_epochs >= self.last_epoch

    def _begin_streams(self) -> None:
        self._order = stream(self.job.seed, "order", self.n_epochs)
        self._noise = stream(self.job.seed, "noise", self.n_epochs)

    # ------------------------------------------------------------------ for the epoch loop

    def current_state(self) -> tuple[Any, ...]:
        """Return weights, statistics and slots as arrays."""
        return self.fetch() if self.fetch is not None else self.state

    def _put(self, state: tuple[NDArray[np.float32], ...]) -> None:
        if self.store is not None:
            self.store(state)
        else:
            self.state = state

    def next_order(self) -> NDArray[np.int32]:
        """Return the training rows in the order of the coming epoch."""
        index = self.job.train.rows
        if not self.job.shuffle:
            return index
        if isinstance(self.job.train.X, RowSource):
            of_blocks = stream(0, "order", self.n_epochs)
            return shuffled_by_blocks(index, self.job.train.X, self._order, of_blocks)
        return self._order.permutation(index)

    def next_keys(self, n_steps: int, n_layers: int) -> NDArray[np.uint32]:
        """Return by how much this member turns the noise of each step and layer."""
        keys = np.zeros((n_steps, n_layers), np.uint32)
        if not self.stopped:
            own = self.job.steps_per_epoch
            keys[:own] = self._noise.integers(0, 2**32, (own, n_layers), np.uint32)
        return keys

    def rates(self, n_steps: int) -> NDArray[np.float32]:
        """Return the learning rate of each step of the coming epoch."""
        if self._learning_rate is not None:
            total = self.job.epochs * self.job.steps_per_epoch
            before = self.n_steps - self._first_step
            factors = rate_factors(self.job.schedule, before, n_steps, total)
            return np.float32(self._learning_rate) * factors
        return _scheduled(self.job.optimizer.learning_rate, self.n_steps, n_steps)  # type: ignore[arg-type]

    @property
    def keeps_zeros(self) -> bool:
        """Whether what is zero in a kernel stays zero in the coming epoch."""
        if self.job.pruning is None:
            return False
        return self.job.initial is not None or self._sparsity_after(self.n_own_epochs) > 0

    def _sparsity_after(self, n_epochs: int) -> float:
        return sparsity_after(self.job.pruning, n_epochs)

    def pruned(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weights at the end of the epoch that is being run, smallest ones zero."""
        return pruned(self.job.network, weights, self._sparsity_after(self.n_own_epochs + 1))

    def observe(self, hook: str, *arguments: object) -> None:
        """Tell the observers; an exception of theirs ends this member alone."""
        try:
            for observer in self.observers:
                getattr(observer, hook)(self, *arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - given back to the caller of fit
            self.fail(error)

    def scored(self, score: Callable[..., float], *arguments: Any) -> float:
        """Return what a function of the user's gives; an exception of it ends this member alone."""
        try:
            return float(score(*arguments))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - given back to the caller of fit
            self.fail(error)
            return math.nan

    def fail(self, error: BaseException) -> None:
        """End this member by what went wrong first: the rest often fails because of it."""
        self.error, self.stopped = self.error or error, True

    def end_epoch(self, logs: dict[str, float]) -> bool:
        """Take in an epoch's logs; tell whether its weights are the best so far."""
        epoch = self.n_epochs
        self.n_epochs += 1
        self.is_best = False
        self.n_steps += self.job.steps_per_epoch
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        bad = [n for n, v in logs.items() if n in {"loss", "val_loss"} and not np.isfinite(v)]
        if bad:
            self._diverged(bad[0])
            return False
        improved = False
        # What an opaque model reports, nobody knows beforehand.
        monitored = self._stopper is not None and self._stopper.settings.monitor in logs
        if self._stopper is not None and monitored and self.is_pruned:
            value = logs[self._stopper.settings.monitor]
            improved = self._stopper.improved(self.n_epochs, value)
            self.stopped = self.stopped or self._stopper.should_stop
        if self._plateau is not None and self._learning_rate is not None:
            self._plateau.improved(self.n_epochs, logs[self._plateau.settings.monitor])
            if self._plateau.should_stop:
                self._learning_rate *= PLATEAU_FACTOR
                self._plateau.epochs_without = 0
        self.stopped = self.stopped or self.n_epochs >= self.last_epoch
        self.is_best = improved and self.restores_best
        reported = list(logs)
        self.observe("on_epoch_end", epoch, logs)
        self._take_in(logs, reported)
        return self.is_best

    def _take_in(self, logs: dict[str, Any], reported: Sequence[str]) -> None:
        """Bring an epoch's entries in the history up to what observers made of its logs."""
        for name in reported:
            self.history[name].pop()
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        self.history = {name: values for name, values in self.history.items() if values}

    def _diverged(self, name: str) -> None:
        """End this member: with its best weights where they are kept, else with an error."""
        self.stopped = True
        value = self.history[name][-1]
        if self.best_state is None:
            self.error = DivergenceError(self.job.owner, self.n_epochs, value)
            return
        warnings.warn(
            f"{self.job.owner}: {name} became {value} in epoch {self.n_epochs}; the weights of "
            f"epoch {self._stopper.best_epoch} were restored. Try a smaller learning_rate, or an "  # type: ignore[union-attr]
            "optimizer with clipnorm=1.0.",
            DivergenceWarning,
            stacklevel=2,
        )

    @property
    def restores_best(self) -> bool:
        """Whether the best epoch's weights are to be kept."""
        settings = self.job.early_stopping
        return settings is not None and settings.restore_best_weights

    @property
    def kept_epoch(self) -> int:
        """Number of epochs after which it had the weights that it would end with now."""
        best = self._stopper.best_epoch if self._stopper is not None and self.restores_best else 0
        return best or self.n_epochs

    def finish(self) -> Trained:
        """Return what was learned; the last observers are told first."""
        if self.best_state is not None and self.restores_best:
            self._put((*self.best_state, *self.current_state()[2:]))
        if self.error is None and not np.all(np.abs(self.current_state()[0]) < _LARGEST):
            # The last step of all can diverge after its loss was still a number.
            self.error = DivergenceError(self.job.owner, self.n_epochs, math.nan)
        failure = self.error
        self.observe("on_train_end" if failure is None else "on_failure")
        self.error = failure or self.error
        return self.snapshot()

    def interrupted(self, reason: KeyboardInterrupt) -> KeyboardInterrupt:
        """Return what is to be raised after Ctrl-C: with what was learned, if that is anything."""
        start = self.job.initial
        if self.error is not None or self.n_epochs == (start.n_epochs if start else 0):
            return reason
        trained = self.finish()
        self.fetch = self.store = None
        return reason if self.error is not None else InterruptedFit(trained)

    def snapshot(self) -> Trained:
        """Return what has been learned so far."""
        weights, statistics, *slots = self.current_state()
        best = self._stopper.best_epoch if self._stopper is not None else 0
        return Trained(
            network=self.job.network,
            weights=np.array(weights),
            statistics=np.array(statistics),
            history={name: list(values) for name, values in self.history.items()},
            n_epochs=self.n_epochs,
            best_epoch=best or self.n_epochs,
            n_steps=self.n_steps,
            slots=tuple(np.array(s) for s in slots) if self.job.keep_optimizer_state else (),
            learning_rate=self._learning_rate,
        )


def come_to_rung(member: Member, n_epochs: float) -> None:
    """Let observers judge a member that goes on, if so many epochs are a rung of its own."""
    if not member.stopped and n_epochs in member.rungs:
        member.observe("on_rung", n_epochs)


def end_abandoned_calls(members: Iterable[Member]) -> None:
    """End the members whose call another one has abandoned."""
    members = list(members)
    reasons = {
        id(member.job.call): member.error.reason
        for member in members
        if isinstance(member.error, AbortParallelCall) and member.job.call is not None
    }
    for member in members:
        if member.error is None and id(member.job.call) in reasons:
            member.abandon(reasons[id(member.job.call)])


def _scheduled(schedule: KerasObject, first: int, count: int) -> NDArray[np.float32]:
    """Evaluate a Keras schedule at the steps ``first ... first + count - 1``."""
    built = schedule.build()
    return np.array([float(built(step)) for step in range(first, first + count)], np.float32)
