"""The base of all estimators: training, prediction, and what subclasses say of their network.

Subclasses say which network their parameters describe and what their targets are; how a network
is trained is the business of `skdl.training`.
"""

from __future__ import annotations

import math
import sys
from abc import ABCMeta, abstractmethod
from numbers import Real as RealNumber
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from skdl._compat import CallbackSupportMixin, with_callbacks
from skdl._compat_tensorflow import check_not_forked
from skdl._data_checks import check_outputs
from skdl._rows import targets_of
from skdl._tensorflow_import import announced
from skdl._validation import AnyOf, Constraint, Integer, OneOf, check_parameters
from skdl.estimators.base import _diagram as diagram
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._auto_sizes import auto_batch_size, auto_epochs
from skdl.estimators.base._callback_parameters import (
    callback_parameters,
    with_callback_parameters,
)
from skdl.estimators.base._callbacks import reported_fit
from skdl.estimators.base._described_prediction import DescribedPrediction
from skdl.estimators.base._fit_conditions import FitOverrides
from skdl.estimators.base._held_out import HeldOutScoring
from skdl.estimators.base._job import described_job
from skdl.estimators.base._other_libraries import name_bad_arguments, unknown_parameter
from skdl.estimators.base._parameters import CONSTRAINTS, as_list, check_learning_rate
from skdl.estimators.base._public_estimator import PublicEstimatorMixin
from skdl.estimators.base._refit import refitted
from skdl.estimators.base._row_metadata import FitMetadata, RowMetadata
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._targets import Targets
from skdl.estimators.base._training_data import TrainingData, checked_rows, rows_in_place
from skdl.estimators.base._user_functions import check_activation
from skdl.estimators.base._whole_fit import all_or_nothing
from skdl.networks import let_sklearn_clone
from skdl.training import InterruptedFit, Trained

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

    from skdl.estimators.base._described_prediction import InputForm
    from skdl.estimators.base._targets import Output
    from skdl.networks import Network
    from skdl.training import Job, Optimizer, Rows, Schedule

__all__ = ["BaseNetwork", "described_prediction", "max_epochs_of", "plainly_named"]

_OF_PARTIAL_FIT: dict[str, Constraint] = {
    "n_samples": AnyOf(OneOf(None), Integer(1, example=1_000_000))
}
MethodT = TypeVar("MethodT", bound="Callable[..., Any]")


def plainly_named(method: MethodT) -> MethodT:
    """Let Python's errors about arguments say ``fit()``, not a class that users do not know."""
    method.__qualname__ = method.__name__
    return method


class BaseNetwork(CallbackSupportMixin, PublicEstimatorMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of estimators that are one Keras network."""

    callbacks: Any
    _constraints: ClassVar[dict[str, Constraint]] = CONSTRAINTS
    # What scikit-learn's checks of arrays should let through.
    _accepted_rows: ClassVar[dict[str, Any]] = {
        "accept_sparse": "csr",
        "accept_large_sparse": False,
        "dtype": np.float32,
    }
    _targets: Targets
    # Why no data say what it predicts, and which networks have such data: ends messages of exports.
    _why_not_described: ClassVar[str] = (
        "what it computes is written in Keras, not in layers of skdl. Expected one of the MLPs or "
        "CNNs"
    )
    # Rows trained on since the pass began that `partial_fit` is in; 0 between passes.
    _rows_of_pass: int = 0
    # Calls of `partial_fit` that went on with a pass: epochs of the engine, but none of `n_iter_`.
    _n_continued: int = 0
    # Learning rate that the last training asked for; None under a schedule of Keras.
    _asked_rate: float | None = None
    _kinds_of_state: ClassVar[dict[str, Any]] = {"_trained": Trained, "_targets": Targets}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            name_bad_arguments(cls)

    # ------------------------------------------------------------------ what subclasses say

    @abstractmethod
    def _make_targets(self) -> Targets:
        """Return the targets that the parameters describe, which have learned nothing yet."""

    @abstractmethod
    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        """Return the network that the parameters describe, for rows of `shape`."""

    def _row_checks(self) -> dict[str, Any]:
        """Return the arguments of scikit-learn's checks of rows."""
        return self._accepted_rows

    def _check_features(self, X: Any, *, reset: bool) -> None:
        """Learn names and number of the features, or hold rows against them."""
        validate_data(self, X, reset=reset, skip_check_array=True)

    def _encoded_table(self, X: Any, *, reset: bool) -> Any:
        """Return rows as numbers where the estimator itself makes them of `X`, else None."""
        del X, reset

    def _to_network_rows(self, X: Any, *, reset: bool) -> Any:
        """Return checked rows in the form in which the network takes them."""
        del reset
        return X

    def _to_inputs(self, rows: Any) -> Any:
        """Return checked rows as what the trained network computes from, if that is more."""
        return rows

    def _prediction(self, rows: Any) -> tuple[Trained, Any]:
        """Return the trained network for checked rows, and its inputs."""
        return self._trained, self._to_inputs(rows)

    def _network_outputs(self, rows: Any) -> Any:
        """Return what the trained network gives for checked rows."""
        from skdl.training import predict

        return predict(*self._prediction(rows))

    def _input_form(self) -> InputForm | None:
        """Return how rows become inputs of the trained network; None if no data can say it."""

    def _described(self, X: Any, seed: int) -> dict[str, Any]:
        """Return the arguments of `Job` that say what is trained: network, optimizer, metrics."""
        del seed
        return {
            "network": self._network(X.shape[1:], self._targets.output()),
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

    def _to_job_rows(self, X: Any, targets: Any, weight: Any, index: Any = None) -> Rows:
        """Return rows to train on or to score, in the form in which the network takes them."""
        return rows_in_place(X, targets, weight, index)

    def _optimizer(self) -> Optimizer:
        """Return the description of the optimizer that the parameters ask for."""
        return names.described_optimizer(self.optimizer, self.learning_rate)

    def _schedule(self) -> Schedule:
        """Return how the learning rate changes in the course of a fit."""
        from skdl.training import Schedule

        return Schedule()

    def _constants(self, network: Network, data: TrainingData) -> Any:
        """Return what layers must know of the rows to train on, as `Job.constants`."""
        del network, data

    def _holding_out(self, data: TrainingData, rng: np.random.RandomState) -> TrainingData:
        """Return the data with rows held out where the training is to be judged on some."""
        wants_to = self.early_stopping and self.monitor.startswith("val_")
        return data.inner_split(self, rng) if wants_to else data

    @property
    def _max_epochs(self) -> int:
        """Epochs of a fit at most."""
        if self.epochs == "auto":
            return self._epochs_for(self._n_train)
        return self._effective("epochs")

    def _epochs_for(self, n_train: int) -> int:
        """Return the epochs that ``"auto"`` stands for, with so many rows to train on."""
        return auto_epochs(n_train, self._batch_size(n_train))

    def _search_space(self) -> dict[str, Choice | Number]:
        """Return what an automatic search varies; it replaces what these parameters are set to."""
        space: dict[str, Choice | Number] = {}
        # An optimizer object and a schedule are learning rates that the user chose.
        if isinstance(self.optimizer, str | type) and isinstance(self.learning_rate, RealNumber):
            space["learning_rate"] = Number(1e-4, 1e-2, log=True)
        return {**space, "batch_size": Choice(32, 64, 128)}

    # ------------------------------------------------------------------ fitting

    @with_callbacks
    @plainly_named
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
        time: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Finite numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
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
            Those given to ``cross_validate``, `OptunaSearchCV` or a K-fold ensemble of skdl come
            here by themselves, through pipelines too.
        time : array-like of shape (n_samples,) or str, default=None
            Numbers, dates, or the name of a column of `X`. With ``early_stopping=True``, the latest
            rows are held out, and equal times stay on one side. It comes here as `groups` do.

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

        Notes
        -----
        After an error the estimator is what it was before: fitted as it was, or not at all. After
        Ctrl-C it keeps the epochs that it has learned.
        """
        check_not_forked(type(self).__name__)
        with announced(self.verbose), all_or_nothing(self, keeps=(InterruptedFit,)):
            self._check_parameters()
            y = targets_of(X, y)
            y_val = targets_of(X_val, y_val)
            initial = self._trained if self.warm_start and hasattr(self, "_trained") else None
            overrides = FitOverrides.concerning(self)
            if overrides is not None and X_val is None:
                X_val, y_val = overrides.validation_rows(self)
            metadata = RowMetadata.checked(type(self).__name__, X, groups, time)
            if not metadata and X_val is None and self.early_stopping:
                metadata = FitMetadata.of_rows(self, X)
            data = (X, y, sample_weight, X_val, y_val, sample_weight_val, metadata)
            may_stop = overrides is None or not overrides.ends_early
            job = self._make_job(*data, initial=initial, may_stop=may_stop)
            if overrides is not None:
                overrides.attach(job)
            held_out = HeldOutScoring.current()
            if held_out is not None:
                held_out.attach(self, job)
            with reported_fit(self, job, X, y, sample_weight) as reporter:
                try:
                    trained = self._fine_tuned(self._train(job), job)
                    self._asked_rate = _rate_of(job)
                    holds_out = job.early_stopping is not None and job.validation is not None
                    if holds_out and X_val is None and self._refits(metadata):
                        trained = refitted(self, trained, job, data, initial, reporter)
                    else:
                        self._learn_after_training(trained, job)
                    self._set_fitted(trained)
                except InterruptedFit as interrupt:
                    self._set_fitted(interrupt.trained)
                    raise
        return self

    def _partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        targets: Targets | None = None,
        n_samples: int | None = None,
    ) -> Self:
        """Train for one more epoch, going on from where the last call left off."""
        check_not_forked(type(self).__name__)
        self._check_parameters()
        check_parameters(type(self).__name__, {"n_samples": n_samples}, _OF_PARTIAL_FIT)
        initial = getattr(self, "_trained", None)
        with all_or_nothing(self):
            y = targets_of(X, y)
            job = self._make_job(
                X, y, sample_weight, initial=initial, is_partial=True, targets=targets
            )
            trained = self._train(job)
            self._asked_rate = _rate_of(job)
            before = self._rows_of_pass if n_samples is not None else 0
            n_rows = before + (X.shape[0] if hasattr(X, "shape") else len(X))
            self._rows_of_pass = 0 if n_samples is None or n_rows >= n_samples else n_rows
            self._n_continued += before > 0
            self._set_fitted(trained)
        return self

    @property
    def _epochs_in_all(self) -> int:
        """Epochs that ``fit`` runs at the most, a second phase included."""
        return self._max_epochs

    def _train(self, job: Job) -> Trained:
        from skdl.training.lockstep import train_one

        return train_one(job)

    def _fine_tuned(self, trained: Trained, job: Job) -> Trained:
        """Return what a second phase of ``fit`` makes of the network, if there is one."""
        del job
        return trained

    def _refits(self, metadata: RowMetadata) -> bool:
        """Tell whether a network that held out some of its rows is fitted to all of them."""
        del metadata
        return False

    def _learn_after_training(self, trained: Trained, job: Job) -> None:
        """Learn from the trained network what its weights do not hold."""
        del trained, job

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Also return the arguments of callbacks, such as ``callbacks__0__patience``.

        Returns
        -------
        params : dict of str to object
        """
        params: dict[str, Any] = super().get_params(deep=deep)
        return params | callback_parameters(self.callbacks) if deep else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Parameters
        ----------
        **params : object
            By name, arguments of callbacks included: ``callbacks__0__patience``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there is no parameter of such a name; the message says what to write instead.
        """
        known = self.get_params(deep=False)
        for name in params:
            if name.partition("__")[0] not in known:
                raise ValueError(unknown_parameter(type(self).__name__, name, known))
        inside = {name: params.pop(name) for name in list(params) if name.startswith("callbacks__")}
        super().set_params(**params)
        if inside:
            self.callbacks = with_callback_parameters(type(self).__name__, self.callbacks, inside)
        return self

    def _check_parameters(self) -> None:
        owner = type(self).__name__
        values = self.get_params(deep=False)
        check_parameters(owner, values, self._constraints)
        self._check_activation()
        check_learning_rate(owner, self.optimizer, self.learning_rate)

    def _check_activation(self) -> None:
        """Refuse functions that cannot be an activation."""
        check_activation(type(self).__name__, self.activation)

    def _make_job(self, *data: Any, **options: Any) -> Job:
        """Return the job of a fit; arguments as those of `described_job`."""
        return described_job(self, *data, **options)

    def _encode_targets(self, y: Any, *, reset: bool) -> NDArray[Any]:
        """Return checked targets as columns, and say in attributes what was learned of them."""
        encoded = self._targets.encode(y, reset=reset)
        self._show_targets()
        return encoded

    def _show_targets(self) -> None:
        """Set the public attributes that tell what was learned of the targets."""
        self.__dict__.update(self._targets.fitted_attributes())

    def _set_fitted(self, trained: Trained) -> None:
        """Set the fitted attributes from what training left behind."""
        self.__dict__.pop("_keras_model", None)
        self._trained = trained
        self.history_ = trained.history
        self.n_iter_ = trained.n_epochs - self._n_continued
        self.best_epoch_ = trained.best_epoch - self._n_continued

    # ------------------------------------------------------------------ the fitted estimator

    def _outputs(self, X: Any) -> NDArray[np.float32]:
        """Return the network's outputs of shape (n_samples, n_outputs) in its own units."""
        check_is_fitted(self)
        check_not_forked(type(self).__name__)
        rows = checked_rows(self, X)
        outputs = self._network_outputs(rows)
        check_outputs(type(self).__name__, rows, outputs)
        return outputs

    @property
    def model_(self) -> keras.Model:
        """Compiled Keras model with the trained weights, built when first asked for.

        It computes in the network's units (see `target_scaling` of regressors). Changing it
        does not change what the estimator predicts.
        """
        check_is_fitted(self)
        model = self.__dict__.get("_keras_model")
        if model is None:
            from skdl.training import compiled_model

            model = compiled_model(self._trained.network, *self._compilation())
            model.set_weights(self._keras_weights())
            self._keras_model = model
        return model

    def _keras_weights(self) -> list[NDArray[np.float32]]:
        """Return the weights of the Keras model in its order."""
        return self._trained.arrays

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        return diagram.fitted_attributes_html(self, doc_link)

    def _html_repr(self) -> str:
        return diagram.estimator_html(self)

    def _compilation(self) -> tuple[Optimizer, tuple[Any, ...]]:
        """Return optimizer and metrics of `model_`."""
        return self._optimizer(), self._metrics()

    def __sklearn_clone__(self) -> Self:
        if "keras" in sys.modules:
            let_sklearn_clone()
        twin: Self = super().__sklearn_clone__()
        return twin

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_trained")

    def _kept_state(self) -> dict[str, Any]:
        # The Keras model is built anew when it is asked for; callbacks hold models and open files.
        state = super()._kept_state()
        left_out = {"_keras_model", "callbacks_"}
        # Keras' own pickles of losses and metrics forget arguments, or are refused.
        return {name: names.pickled(value) for name, value in state.items() if name not in left_out}

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state({name: names.unpickled(value) for name, value in state.items()})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


def _rate_of(job: Job) -> float | None:
    rate = job.optimizer.learning_rate
    return rate if isinstance(rate, float) else None


def max_epochs_of(network: BaseNetwork, n_rows: int) -> int:
    """Return the epochs that a fit of a network to `n_rows` has at most."""
    if getattr(network, "epochs", None) == "auto":
        held_out = network.validation_fraction if network.early_stopping else 0.0
        return network._epochs_for(n_rows - math.ceil(held_out * n_rows))
    return network._max_epochs


def why_not_described(network: BaseNetwork) -> str:
    """Return why `described_prediction` is None, and what was expected instead."""
    return network._why_not_described


def described_prediction(network: BaseNetwork) -> DescribedPrediction | None:
    """Return what a fitted network predicts by as plain data; None if no data can say it."""
    check_is_fitted(network)
    inputs, targets = network._input_form(), network._targets.described()
    if inputs is None or targets is None:
        return None
    trained = network._trained
    return DescribedPrediction(inputs, trained.network, trained.arrays, targets)
