"""The base of all estimators: validation, the inner split, training and prediction.

Subclasses say which network their parameters describe and how labels become targets; how a
network is trained is the business of `skdl.training`.
"""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from abc import ABC, abstractmethod
from numbers import Real as RealNumber
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skdl._compat import CallbackSupportMixin, with_callbacks
from skdl._compat_sklearn import check_sample_weight, check_y
from skdl._lazy_rows import LazyRows
from skdl._validation import (
    RANDOM_STATE,
    VERBOSE,
    AnyOf,
    Boolean,
    Constraint,
    Integer,
    Names,
    OneOf,
    Predicate,
    Real,
    SequenceOf,
    check_enough_rows_to_split,
    check_parameters,
    check_validation_pair,
    check_weights,
)
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._auto_sizes import AUTO_EPOCHS, auto_batch_size
from skdl.estimators.base._callbacks import EpochBar, SklearnCallbacks
from skdl.estimators.base._diagram import DiagramMixin
from skdl.estimators.base._fit_conditions import FitOverrides
from skdl.estimators.base._held_out import HeldOutScoring
from skdl.estimators.base._search_space import Choice, Number
from skdl.exceptions import EarlyStoppingDataWarning, InvalidParameterError
from skdl.training import Observer

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from skdl.networks import Network
    from skdl.training import Job, Optimizer, Schedule, Trained

__all__ = [
    "CALLABLE",
    "CONSTRAINTS",
    "BaseNetwork",
    "as_list",
    "is_keras",
    "units_per_layer",
]

CALLABLE = Predicate(callable, "a callable")


def is_keras(path: str, *, as_class: bool = False) -> Any:
    """Return a test for objects (or subclasses) of a Keras class, looked up when it runs."""

    def test(value: object) -> bool:
        import keras

        kind = functools.reduce(getattr, path.split("."), keras)
        if as_class:
            return isinstance(value, type) and issubclass(value, kind)
        return isinstance(value, kind)

    return test


_CALLBACK = Predicate(
    lambda value: isinstance(value, Observer) or is_keras("callbacks.Callback")(value),
    "a keras.callbacks.Callback",
)
_METRIC = AnyOf(
    Names(names.metric_names, "metric"),
    CALLABLE,
    Predicate(is_keras("metrics.Metric"), "a keras.metrics.Metric"),
)
_RATE = Real(0, 1, high_open=True, example=0.2)
_PENALTY = Real(0, example=0.001)

CONSTRAINTS: dict[str, Constraint] = {
    "hidden_units": AnyOf(Integer(1, example=128), SequenceOf(Integer(1))),
    "hidden_layers": Integer(0, example=2),
    "activation": AnyOf(
        Names(names.activation_names, "activation"),
        CALLABLE,
        Predicate(is_keras("layers.Layer"), "a Keras layer"),
    ),
    "dropout": _RATE,
    "input_dropout": _RATE,
    "l1": _PENALTY,
    "l2": _PENALTY,
    "batch_norm": OneOf(None, "before_activation", "after_activation"),
    "input_batch_norm": Boolean(),
    "optimizer": AnyOf(
        Names(names.optimizer_names, "optimizer"),
        Predicate(is_keras("optimizers.Optimizer"), "a keras.optimizers.Optimizer"),
        Predicate(is_keras("optimizers.Optimizer", as_class=True), "a class of keras.optimizers"),
    ),
    "learning_rate": AnyOf(
        Real(0, example=0.001),
        Predicate(
            is_keras("optimizers.schedules.LearningRateSchedule"),
            "a schedule of keras.optimizers.schedules",
        ),
    ),
    "batch_size": Integer(1, example=32),
    "epochs": Integer(1, example=100),
    "shuffle": Boolean(),
    "early_stopping": Boolean(),
    "validation_fraction": Real(0, 1, low_open=True, high_open=True, example=0.2),
    "monitor": Predicate(lambda value: isinstance(value, str), "the name of a loss or metric"),
    "patience": Integer(0, example=10),
    "min_delta": Real(0, example=0.001),
    "restore_best_weights": Boolean(),
    "metrics": AnyOf(OneOf(None), _METRIC, SequenceOf(_METRIC)),
    "callbacks": AnyOf(OneOf(None), _CALLBACK, SequenceOf(_CALLBACK)),
    "warm_start": Boolean(),
    "random_state": RANDOM_STATE,
    "verbose": VERBOSE,
}

# The default of the parameter, which an optimizer object's own learning rate replaces.
_DEFAULT_RATE = 0.001


class BaseNetwork(DiagramMixin, CallbackSupportMixin, BaseEstimator, ABC):
    """Base of estimators that are one Keras network."""

    _constraints: ClassVar[dict[str, Constraint]] = CONSTRAINTS
    # What scikit-learn's checks of arrays should let through.
    _accepted_rows: ClassVar[dict[str, Any]] = {
        "accept_sparse": "csr",
        "accept_large_sparse": False,
        "dtype": np.float32,
    }

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # scikit-learn asks for it at each `get_params`: several times for each clone and fit.
        if "__init__" in vars(cls):
            cls.__init__.__signature__ = inspect.signature(cls.__init__)  # type: ignore[attr-defined]

    # ------------------------------------------------------------------ what subclasses say

    @abstractmethod
    def _encode_targets(self, y: Any, *, reset: bool) -> NDArray[Any]:
        """Check targets, learn what they are where `reset`, and return them as columns."""

    @abstractmethod
    def _network(self, shape: tuple[int, ...]) -> Network:
        """Return the network that the parameters describe, for rows of `shape`."""

    def _row_checks(self) -> dict[str, Any]:
        """Return the arguments of scikit-learn's checks of rows."""
        return self._accepted_rows

    def _encoded_table(self, X: Any, *, reset: bool) -> Any:
        """Return a table as numbers where the estimator itself makes them of it, else None."""
        del X, reset

    def _rows(self, X: Any, *, reset: bool) -> Any:
        """Return checked rows in the form in which the network takes them."""
        del reset
        return X

    def _inputs(self, rows: Any) -> Any:
        """Return checked rows as what the trained network computes from, if that is more."""
        return rows

    def _scale_targets(self, y: NDArray[Any], weight: Any, *, reset: bool) -> NDArray[np.float32]:
        """Bring encoded targets into the network's units."""
        del weight, reset
        return y.astype(np.float32, copy=False)

    def _described(self, X: Any, seed: int) -> dict[str, Any]:
        """Return the arguments of `Job` that say what is trained: network, optimizer, metrics."""
        del seed
        return {
            "network": self._network(X.shape[1:]),
            "optimizer": self._optimizer(),
            "metrics": self._metrics(),
        }

    def _metrics(self) -> tuple[Any, ...]:
        return tuple(names.resolved_metric(m) for m in as_list(self.metrics))

    def _effective(self, name: str) -> Any:
        """Return what a parameter of the training is in effect."""
        return getattr(self, name)

    def _batch_size(self, n_rows: int) -> int:
        """Return the rows of a step, of `n_rows` to train on."""
        return auto_batch_size(n_rows) if self.batch_size == "auto" else self.batch_size

    def _given_callbacks(self) -> list[Any]:
        return as_list(self.callbacks)

    def _to_job_rows(self, X: Any, targets: Any, weight: Any, index: Any = None) -> Any:
        """Return rows to train on or to score, in the form in which the network takes them."""
        from skdl.training import Rows

        if not isinstance(X, LazyRows):
            return Rows(X, targets, weight, index)
        # Those of a view stay in the array that they are rows of.
        weight = None if weight is None else X.scatter_to_base(weight)
        kept = X.index if index is None else X.index[index]
        return Rows(X.base, X.scatter_to_base(targets), weight, kept)

    def _units(self) -> tuple[Any, Any]:
        """Return scale and offset of the targets' units, or None twice."""
        return None, None

    def _stratification(self, y: NDArray[Any]) -> Any:
        """Return by what to stratify the inner validation split, or None."""
        del y

    def _weigh_classes(self, targets: NDArray[Any], weight: Any, *, reset: bool) -> Any:
        """Return the rows' weights with those of their classes multiplied in, or None."""
        del targets, reset
        return weight

    def _optimizer(self) -> Optimizer:
        """Return the description of the optimizer that the parameters ask for."""
        return names.described_optimizer(self.optimizer, self.learning_rate)

    def _schedule(self) -> Schedule:
        """Return how the learning rate changes in the course of a fit."""
        from skdl.training import Schedule

        return Schedule()

    def _constants(self, network: Network, X: Any, index: Any) -> Any:
        """Return what layers must know of the rows to train on, as `Job.constants`."""
        del network, X, index

    @property
    def max_epochs(self) -> int:
        """Epochs of a fit at most."""
        return AUTO_EPOCHS if self.epochs == "auto" else self._effective("epochs")

    def _search_space(self) -> dict[str, Choice | Number]:
        """Return what an automatic search varies; it replaces what these parameters are set to."""
        space: dict[str, Choice | Number] = {}
        # An optimizer object and a schedule are learning rates that the user chose.
        if isinstance(self.optimizer, str | type) and isinstance(self.learning_rate, RealNumber):
            space["learning_rate"] = Number(1e-4, 1e-2, log=True)
        return {**space, "batch_size": Choice(32, 64, 128)}

    # ------------------------------------------------------------------ fitting

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Finite numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss; rows of weight 0 are left out.
        X_val, y_val : array-like, default=None
            Validation rows, scored after every epoch; with ``early_stopping=True`` they decide
            when to stop, and no rows of `X` are held out.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Weights of the validation rows.
        groups : array-like of shape (n_samples,), default=None
            With ``early_stopping=True``, rows of one group stay on one side of the inner split.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described; the message says which.
        DivergenceError
            If the loss becomes NaN or infinite and there is no earlier epoch to go back to.
        """
        self._check_parameters()
        initial = self._trained if self.warm_start and hasattr(self, "_trained") else None
        conditions = FitOverrides.concerning(self)
        last_epoch = None
        if conditions is not None:
            last_epoch = conditions.last_epoch
            if X_val is None:
                X_val, y_val = conditions.validation_rows(self)
        job = self._make_job(
            X, y, sample_weight, X_val, y_val, sample_weight_val, groups, initial=initial,
            may_stop=last_epoch is None,
        )  # fmt: skip
        if conditions is not None:
            conditions.attach(job)
        held_out = HeldOutScoring.current()
        if held_out is not None:
            held_out.attach(self, job)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        data = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        root = self._init_callback_context(max_subtasks=self._epochs_in_all)
        root.call_on_fit_task_begin(**data)
        job.observers = [*job.observers, SklearnCallbacks(root, data)]
        self._set_fitted(self._fine_tuned(self._train(job), job))
        root.call_on_fit_task_end(**data, reconstruction_attributes={})
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """Train for one more epoch, going on from where the last call left off."""
        self._check_parameters()
        job = self._make_job(
            X, y, sample_weight, initial=getattr(self, "_trained", None), is_partial=True
        )
        self._set_fitted(self._train(job))
        return self

    @property
    def _epochs_in_all(self) -> int:
        """Epochs that ``fit`` runs at the most, a second phase included."""
        return self.max_epochs

    def _train(self, job: Job) -> Trained:
        from skdl.training.lockstep import train_one

        return train_one(job)

    def _fine_tuned(self, trained: Trained, job: Job) -> Trained:
        """Return what a second phase of ``fit`` makes of the network, if there is one."""
        del job
        return trained

    def _check_parameters(self) -> None:
        owner = type(self).__name__
        values = self.get_params(deep=False)
        check_parameters(owner, values, self._constraints)
        has_own_rate = self._constraints["optimizer"].constraints[1].accepts(self.optimizer)  # type: ignore[attr-defined]
        if has_own_rate and not (
            isinstance(self.learning_rate, float) and self.learning_rate == _DEFAULT_RATE
        ):
            raise InvalidParameterError(
                f"{owner}: learning_rate={self.learning_rate!r} was given beside an optimizer "
                "object, which has a learning rate of its own. Expected one of them: set it in "
                "the optimizer, or give the optimizer by name."
            )

    def _make_job(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
        *,
        initial: Trained | None = None,
        is_partial: bool = False,
        may_stop: bool = True,
    ) -> Job:
        """Check the data and describe the training of it; labels and units are learned here."""
        from skdl.training import EarlyStopping, Job, Schedule

        owner = type(self).__name__
        reset = initial is None
        X, y = self._validated(X, y, reset=reset)
        weight = None
        if sample_weight is not None:
            weight = self._checked_weights(sample_weight, X)
        check_validation_pair(owner, X_val, y_val, sample_weight_val)
        if groups is not None:
            groups = column_or_1d(groups)
            if len(groups) != X.shape[0]:
                raise ValueError(
                    f"{owner}: groups has {len(groups)} entries. Expected one per row of X, "
                    f"{X.shape[0]}."
                )
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight)
            X, y, weight = X[kept], y[kept], weight[kept]
            groups = None if groups is None else groups[kept]
        targets = self._encode_targets(y, reset=reset)
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(np.iinfo(np.int32).max))

        stops_early = self.early_stopping and may_stop and not is_partial
        train_index = val_index = None
        if X_val is None and may_stop and not is_partial:
            train_index, val_index = self._held_out_rows(targets, groups, rng)
        in_training = slice(None) if train_index is None else train_index
        units_weight = None if weight is None else weight[in_training]
        self._scale_targets(targets[in_training], units_weight, reset=reset)
        scaled = self._scale_targets(targets, None, reset=False)
        weight = _as_float32(self._weigh_classes(targets, weight, reset=True))

        validation = None
        if val_index is not None:
            validation = self._to_job_rows(X, scaled, weight, val_index)
        elif X_val is not None:
            validation = self._validation_rows(X_val, y_val, sample_weight_val)
        n_train = len(targets) if train_index is None else len(train_index)
        if reset:
            self._n_train = n_train
        scale, offset = self._units()
        described = self._described(X, seed)
        network = described["network"]
        return Job(
            **described,
            train=self._to_job_rows(X, scaled, weight, train_index),
            validation=validation,
            epochs=1 if is_partial else self.max_epochs,
            batch_size=self._batch_size(n_train),
            seed=seed,
            shuffle=self._effective("shuffle"),
            schedule=Schedule() if is_partial else self._schedule(),
            early_stopping=EarlyStopping(
                monitor=self.monitor,
                mode=names.monitor_mode(self.monitor),
                patience=self.patience,
                min_delta=float(self.min_delta),
                restore_best_weights=bool(self.restore_best_weights),
            )
            if stops_early
            else None,
            target_scale=scale,
            target_offset=offset,
            constants=self._constants(network, X, in_training) if reset else None,
            initial=initial,
            observers=self._observers(),
            keep_optimizer_state=bool(self.warm_start) or is_partial,
            owner=owner,
        )

    def _observers(self) -> list[Observer]:
        from skdl.training import KerasCallbacks

        observers: list[Observer] = []
        # Copies, as callbacks keep state and would make fit change a parameter.
        callbacks = copy.deepcopy(self._given_callbacks())
        observers += [c for c in callbacks if isinstance(c, Observer)]
        if keras_callbacks := [c for c in callbacks if not isinstance(c, Observer)]:
            observers.append(KerasCallbacks(keras_callbacks))
        if self._effective("verbose"):
            observers.append(EpochBar(type(self).__name__))
        return observers

    def _validated(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
        """Return rows as the network takes them and targets as an array; float32 is not copied."""
        rows = self._ready_rows(X, reset=reset)
        if rows is None:
            X, y = validate_data(
                self, X, y, reset=reset, multi_output=True, y_numeric=False, **self._row_checks()
            )
        else:
            X, y = rows, check_y(y, multi_output=True, y_numeric=False, estimator=self)
            check_consistent_length(X, y)
        return self._rows(X, reset=reset), y

    def _ready_rows(self, X: Any, *, reset: bool) -> Any:
        """Return rows that scikit-learn's checks of arrays know nothing of, None for others."""
        is_view = isinstance(X, LazyRows)
        if is_view or hasattr(X, "columns"):
            # Names and number of the features.
            validate_data(self, X, reset=reset, skip_check_array=True)
        if is_view:
            return X
        encoded = self._encoded_table(X, reset=reset)
        if encoded is None:
            return None
        return check_array(encoded, estimator=self, **self._row_checks())

    def _checked_weights(self, sample_weight: Any, X: Any) -> NDArray[np.float64]:
        weight = np.asarray(sample_weight, np.float64)
        if weight.ndim == 1:
            check_weights(type(self).__name__, weight)
        return check_sample_weight(weight, X, dtype=np.float64)

    def _validation_rows(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> Any:
        X = self._ready_rows(X_val, reset=False)
        if X is None:
            validate_data(self, X_val, reset=False, skip_check_array=True)
            X = check_array(X_val, estimator=self, input_name="X_val", **self._row_checks())
        X = self._rows(X, reset=False)
        y = check_array(
            y_val, accept_sparse="csr", ensure_2d=False, dtype=None, estimator=self,
            input_name="y_val",
        )  # fmt: skip
        check_consistent_length(X, y)
        weight = None
        if sample_weight_val is not None:
            weight = self._checked_weights(sample_weight_val, X)
        targets = self._encode_targets(y, reset=False)
        weight = _as_float32(self._weigh_classes(targets, weight, reset=False))
        return self._to_job_rows(X, self._scale_targets(targets, None, reset=False), weight)

    def _held_out_rows(
        self, targets: NDArray[Any], groups: Any, rng: np.random.RandomState
    ) -> tuple[Any, Any]:
        """Return the rows to train on and those that the training is to be judged on, or None."""
        if self.early_stopping and self.monitor.startswith("val_"):
            return self._inner_split(targets, groups, rng)
        return None, None

    def _inner_split(
        self, targets: NDArray[Any], groups: Any, rng: np.random.RandomState
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the rows to train on and the rows to hold out, both shuffled."""
        owner, n_rows = type(self).__name__, len(targets)
        check_enough_rows_to_split(owner, n_rows, self.validation_fraction)
        rows = np.arange(n_rows, dtype=np.int32)
        if groups is not None:
            if len(np.unique(groups)) == 1:
                raise ValueError(
                    f"{owner}: groups holds one group, which cannot stand on both sides of the "
                    "inner validation split. Expected at least 2 groups; or pass X_val and y_val."
                )
            splitter = GroupShuffleSplit(1, test_size=self.validation_fraction, random_state=rng)
            train, held_out = next(splitter.split(rows, groups=groups))
            return rows[train], rows[held_out]
        strata = self._stratification(targets)
        if strata is not None:
            n_held_out = int(np.ceil(n_rows * self.validation_fraction))
            counts = np.unique(strata, return_counts=True)[1]
            if counts.min() < 2 or min(n_held_out, n_rows - n_held_out) < len(counts):
                warnings.warn(
                    f"{owner}: a class has too few rows to stand on both sides of the inner "
                    "validation split, which was drawn without stratification. Pass more rows, "
                    "another validation_fraction, or X_val and y_val.",
                    EarlyStoppingDataWarning,
                    stacklevel=5,
                )
                strata = None
        train, held_out = train_test_split(
            rows, test_size=self.validation_fraction, stratify=strata, random_state=rng
        )
        return train, held_out

    def _set_fitted(self, trained: Trained) -> None:
        """Set the fitted attributes from what training left behind."""
        self.__dict__.pop("_keras_model", None)
        self._trained = trained
        self.history_ = trained.history
        self.n_iter_ = trained.n_epochs
        self.best_epoch_ = trained.best_epoch

    # ------------------------------------------------------------------ the fitted estimator

    def _outputs(self, X: Any) -> NDArray[np.float32]:
        """Return the network's outputs of shape (n_samples, n_outputs) in its own units."""
        from skdl.training import predict

        check_is_fitted(self)
        rows = self._ready_rows(X, reset=False)
        if rows is None:
            rows = validate_data(self, X, reset=False, **self._row_checks())
        return predict(self._trained, self._inputs(self._rows(rows, reset=False)))

    @property
    def model_(self) -> keras.Model:
        """Compiled Keras model with the trained weights, built when first asked for.

        It computes in the network's units (see `target_scaling` of regressors). Changing it
        does not change what the estimator predicts.
        """
        check_is_fitted(self)
        model = self.__dict__.get("_keras_model")
        if model is None:
            from skdl.training import Layout, compiled_model

            trained = self._trained
            model = compiled_model(trained.network, self._optimizer(), self._metrics())
            layout = Layout.of(trained.network)
            model.set_weights(layout.split(trained.weights, trained.statistics))
            self._keras_model = model
        return model

    def __sklearn_clone__(self) -> Self:
        stand_in, shared = object.__new__(type(self)), {}
        for name, value in vars(self).items():
            given = names.shared_objects(value) if name in self._get_param_names() else None
            if given is not None:
                shared[name] = given
            stand_in.__dict__[name] = value if given is None else None
        twin: Any = super(BaseNetwork, stand_in).__sklearn_clone__()
        # Fits never change them, and Keras' copies forget arguments such as Huber's delta.
        twin.__dict__.update(shared)
        return twin

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_trained")

    def __getstate__(self) -> dict[str, Any]:
        # The Keras model is built anew when it is asked for.
        state = super().__getstate__()
        # Keras' own pickles of losses and metrics forget arguments, or are refused.
        return {
            name: names.pickled(value) for name, value in state.items() if name != "_keras_model"
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: names.unpickled(value) for name, value in state.items()})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


def units_per_layer(hidden_units: Any, hidden_layers: int) -> list[int]:
    """Return the units of each hidden layer; one number stands for every layer."""
    is_count = np.ndim(hidden_units) == 0
    return [hidden_units] * hidden_layers if is_count else list(hidden_units)


def _as_float32(weight: Any) -> Any:
    return None if weight is None else weight.astype(np.float32)


def as_list(value: Any) -> list[Any]:
    """Return a list of what may be None, one object or a sequence of them."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple | np.ndarray) else [value]
