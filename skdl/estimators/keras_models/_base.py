"""The base of estimators around a Keras model of the user's.

What the model looks like is the user's; which parameters reach the function that builds it follows
SciKeras. The engine reads the model's layers where it can, and then trains it as any network of
ours, in lockstep too; what it cannot read goes through ``keras.Model.fit``.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import check_is_fitted

from skdl.estimators.base._network_estimator import plainly_named
from skdl.estimators.base._parameters import is_keras
from skdl.estimators.base._training_data import checked_rows
from skdl.estimators.keras_models._arguments import build_arguments, callbacks_of
from skdl.estimators.keras_models._calls import fit_arguments, split_rows
from skdl.estimators.keras_models._encoders import RowEncoder, TargetEncoder
from skdl.estimators.keras_models._history import History
from skdl.estimators.keras_models._model_errors import naming_model
from skdl.estimators.keras_models._parameters import USER_MODEL_CONSTRAINTS, UserModelParameters
from skdl.estimators.keras_models._reader import Built, ModelReader
from skdl.estimators.keras_models._routing import accepts, routed_to
from skdl.estimators.keras_models._targets import (
    EncodedTargets,
    UserModelClasses,
    UserModelNumbers,
)
from skdl.estimators.keras_models._template import (
    LookedAt,
    Template,
    initializers_of,
    shared_template,
)
from skdl.networks import CalledModel, GivenModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl._validation import Constraint
    from skdl.estimators.base._targets import Output
    from skdl.estimators.base._training_data import TrainingData
    from skdl.estimators.keras_models._targets import UserModelTargets
    from skdl.networks import Network, UserModel
    from skdl.training import Rows, Trained

__all__ = ["UserModelEstimator"]


class UserModelEstimator(UserModelParameters):
    """What the estimators around a user's model share."""

    model: Any
    loss: Any
    batch_size: Any
    validation_split: float
    target_scaling: bool

    # Transformers of features and targets, for subclasses to set, as in SciKeras.
    feature_encoder: Any = None
    target_encoder: Any = None

    _constraints: ClassVar[dict[str, Constraint]] = USER_MODEL_CONSTRAINTS
    _accepted_rows: ClassVar[dict[str, Any]] = {
        "accept_sparse": "csr",
        "accept_large_sparse": False,
        "allow_nd": True,
        "dtype": np.float32,
    }

    _targets: UserModelTargets

    # ------------------------------------------------------------------ fitting

    @plainly_named
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, ...)
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
        **fit_params : object
            Arguments of ``keras.Model.fit`` for this call alone, as in SciKeras: `epochs`,
            `batch_size`, `callbacks` (beside those of the estimator), `class_weight` (of
            classifiers), `shuffle`, `validation_data`, `validation_split`, `verbose`. A
            `MigrationWarning` says what is better.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described; the message says which.
        TypeError
            If there is no argument of a name.
        DivergenceError
            If the loss becomes NaN or infinite and there is no earlier epoch to go back to.
        """
        owner = type(self).__name__
        is_class = "class_weight" in self._constraints
        taken = fit_arguments(owner, fit_params, takes_class_weight=is_class)
        if X_val is None and y_val is None:
            default = getattr(self, "fit__validation_data", None)
            rows = taken.get("validation_data", default)
            X_val, y_val, weights = split_rows(owner, rows)
            sample_weight_val = weights if sample_weight_val is None else sample_weight_val
        self._adopt_weights()
        with self._for_one_call(taken):
            return super().fit(X, y, sample_weight, X_val, y_val, sample_weight_val, groups)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, targets: Any = None) -> Self:
        self._adopt_weights()
        return super()._partial_fit(X, y, sample_weight, targets)

    @plainly_named
    def initialize(self, X: Any, y: Any, weights: Any = None) -> Self:
        """Build the network for these rows without training it, as a way to use given weights.

        The estimator is fitted afterwards: a Keras model given as `model` predicts with the
        weights that it has. ``fit`` does not need this, and begins anew unless `warm_start`.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, ...)
            Rows; what matters is their shape and, with a ``feature_encoder``, what it learns.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, of all classes that there are.
        weights : str, path or list of ndarray, default=None
            Weights of the network: a file as ``keras.Model.load_weights`` takes it, or arrays as
            ``keras.Model.get_weights`` gives them; by default those that the model begins with.

        Returns
        -------
        self : object
            The estimator, which counts as fitted.

        Raises
        ------
        ValueError
            If a parameter, the data or the weights do not fit.
        """
        from skdl.layers import blueprint_of
        from skdl.training import Trained

        self._check_parameters()
        job = self._make_job(X, y, is_partial=True)
        values = [np.asarray(value, np.float32) for value in job.weights or ()]
        trainable, statistics = blueprint_of(job.network).layout.join(values)
        self._set_fitted(Trained(job.network, trainable, statistics, {}, 0, 0))
        if isinstance(weights, str | os.PathLike):
            self.model_.load_weights(weights)
        elif weights is not None:
            self.model_.set_weights(weights)
        self._adopt_weights()
        return self

    @property
    def current_epoch(self) -> int:
        """Epochs of the fitted network; 0 before ``fit``. As in SciKeras; see `n_iter_`."""
        return len(getattr(self, "history_", {}).get("loss", ()))

    @property
    def initialized_(self) -> bool:
        """Whether ``predict`` can be called. As in SciKeras."""
        return self.__sklearn_is_fitted__()

    def _adopt_weights(self) -> None:
        """Take over what was done to the weights of `model_`: loaded, set, or trained further."""
        from skdl.layers import blueprint_of

        model = self.__dict__.get("_keras_model")
        if model is None:
            return
        layout = blueprint_of(self._trained.network).layout
        weights, statistics = layout.join(model.get_weights())
        held = self._trained
        if not (
            np.array_equal(weights, held.weights) and np.array_equal(statistics, held.statistics)
        ):
            self._trained = dataclasses.replace(held, weights=weights, statistics=statistics)

    def _outputs(self, X: Any) -> NDArray[np.float32]:
        self._adopt_weights()
        if "predict__callbacks" in vars(self):
            check_is_fitted(self)
            callbacks = callbacks_of(
                type(self).__name__, self.get_params(deep=False), ("predict__callbacks",)
            )
            rows = self._to_inputs(checked_rows(self, X))
            self.model_.predict(rows, callbacks=callbacks, verbose=0)
        return super()._outputs(X)

    def _set_fitted(self, trained: Trained) -> None:
        super()._set_fitted(trained)
        self.history_ = History(trained.history)

    def __getstate__(self) -> dict[str, Any]:
        self._adopt_weights()
        state = super().__getstate__()
        # Files name no classes beside the estimator's own and those of plain data.
        made_anew = {
            name
            for name in ("feature_encoder_", "target_encoder_")
            if isinstance(state.get(name), RowEncoder | TargetEncoder)
        }
        state = {name: value for name, value in state.items() if name not in made_anew}
        return state | ({"history_": dict(state["history_"])} if "history_" in state else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_trained" in state:
            self.history_ = History(self.history_)
            self.__dict__.setdefault("feature_encoder_", RowEncoder())
            self.__dict__.setdefault("target_encoder_", TargetEncoder(self._targets))

    # ------------------------------------------------------------------ data

    def _to_network_rows(self, X: Any, *, reset: bool) -> Any:
        if reset:
            self.X_shape_ = X.shape
            self.X_dtype_ = X.dtype
            self.n_outputs_expected_ = 1
            encoder = RowEncoder() if self.feature_encoder is None else self.feature_encoder
            self.feature_encoder_ = encoder.fit(X)
            self._take_metadata(self.feature_encoder_)
        elif X.shape[1:] != self.X_shape_[1:]:
            raise ValueError(
                f"{type(self).__name__}: rows of X have shape {X.shape[1:]}. Expected "
                f"{self.X_shape_[1:]}, as in fit."
            )
        return X

    def _make_targets(self) -> Any:
        owner = type(self).__name__
        if self.target_encoder is not None:
            return EncodedTargets(owner, are_classes=False)
        return UserModelNumbers(owner, loss=self.loss, scaling=self.target_scaling)

    def _encode_targets(self, y: Any, *, reset: bool) -> NDArray[Any]:
        targets = super()._encode_targets(y, reset=reset)
        if reset:
            # What a function that builds a model may want to know of the targets.
            y = np.asarray(y) if not hasattr(y, "toarray") else y
            self.target_type_ = self._targets.kind(targets)
            self.y_dtype_ = y.dtype
            self.y_ndim_ = y.ndim
            if isinstance(self._targets, EncodedTargets):
                self.target_encoder_ = self._targets.encoder = self.target_encoder.fit(y)
                self._take_metadata(self.target_encoder_)
            else:
                self.target_encoder_ = TargetEncoder(self._targets)
        return targets

    def _take_metadata(self, encoder: Any) -> None:
        self.__dict__.update(getattr(encoder, "get_metadata", dict)())

    def _encoded(self, X: Any) -> Any:
        """Return rows as the model takes them."""
        return X if self.feature_encoder is None else self.feature_encoder_.transform(X)

    def _to_job_rows(self, X: Any, targets: Any, weight: Any, index: Any = None) -> Rows:
        from skdl.training import Rows

        if index is None:
            index = np.arange(X.shape[0], dtype=np.int32)
        return Rows(self._encoded(X), targets, weight, index)

    def _holding_out(self, data: TrainingData, rng: np.random.RandomState) -> TrainingData:
        share = self._effective("validation_split")
        if not share:
            return super()._holding_out(data, rng)
        # The last rows, as Keras holds them out.
        n_rows = len(data)
        first = math.floor(n_rows * (1 - share))
        if not 0 < first < n_rows:
            raise ValueError(
                f"{type(self).__name__}: validation_split={share!r} leaves no rows on one side of "
                f"n_samples={n_rows}. Expected a share nearer to 0.5, or more rows."
            )
        rows = np.arange(n_rows, dtype=np.int32)
        return data.holding_out(rows[:first], rows[first:])

    def _to_inputs(self, rows: Any) -> Any:
        return self._encoded(rows)

    # ------------------------------------------------------------------ the model

    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        raise NotImplementedError  # `_described` is what is asked here

    def _metadata(self) -> dict[str, Any]:
        """Return what functions get as ``meta``: all that is known by now."""
        return {
            name: value
            for name, value in vars(self).items()
            if name.endswith("_") and not name.startswith("_") and name != "history_"
        }

    def _source(self, sample: Any, meta: dict[str, Any]) -> UserModel:
        """Return how models are made."""
        complete = Built(type(self).__name__, sample)
        given = self._model_given
        if given is not None and is_keras("Model")(given):
            return GivenModel(given, complete=complete)
        function = given if given is not None else self._keras_build_fn
        arguments = build_arguments(function, self.get_params(deep=False), self._user_names(), meta)
        return CalledModel(function, arguments, complete=complete)

    def _described(self, X: Any, seed: int) -> dict[str, Any]:
        known = ("n_classes_", "n_outputs_")
        params = {
            **self.get_params(deep=False),
            "(rows)": X.shape[1:],
            "(targets)": [
                *(getattr(self, name, None) for name in known),
                self._targets.is_multilabel,
            ],
        }
        meta = LookedAt(self._metadata())
        given_model = self._model_given

        def build() -> Template:
            source = self._source(_zeros(self._encoded(X[:1])), meta)
            with naming_model(type(self).__name__, source):
                model = source.build(seed)
            is_given = isinstance(source, GivenModel)
            given = source.model if isinstance(source, GivenModel) else model
            initializers, is_explained = initializers_of(model)
            self._warn_of_what_is_lost(given)
            values = model.get_weights()
            if is_given and given.built:
                # Its own weights are where it begins, random as they may look.
                initializers, is_explained = [None] * len(values), True
            described = self._read(model, given, source, X.shape[1:])
            looked_at = None if is_given else meta
            return Template(
                described, values, initializers, is_explained, given_model, params, looked_at
            )

        # A method of the estimator's own reads what it likes of it.
        shared = given_model is not None
        template = shared_template(build, given_model, params, meta) if shared else build()
        return {**self._took(template.described), "weights": template.weights(seed)}

    def _warn_of_what_is_lost(self, given: Any) -> None:
        """Warn of parameters for compiling a model that is compiled without them."""
        function = self._model_given
        reads_them = function is None or (
            not is_keras("Model")(function)
            and (accepts(function, "compile_kwargs") or accepts(function, "params"))
        )
        if reads_them or not given.compiled:
            return
        prefixes = ("compile__", "loss__", "metrics__", "optimizer__")
        lost = sorted(name for name in self._public_names() if name.startswith(prefixes))
        if lost:
            owner = type(self).__name__
            warnings.warn(
                f"{owner}: {', '.join(lost)} changed nothing, as the model is compiled already. "
                "Return it uncompiled, or let the function take compile_kwargs and call "
                "model.compile(**compile_kwargs).",
                UserWarning,
                stacklevel=2,
            )

    def _took(self, described: dict[str, Any]) -> dict[str, Any]:
        """Remember what a model was read as; return what a `Job` is told of it."""
        self._compiled_with = {name: described[name] for name in ("optimizer", "metrics")}
        if isinstance(self._targets, UserModelClasses):
            self._targets.meaning = described["meaning"]
        return {name: value for name, value in described.items() if name != "meaning"}

    def _read(
        self, model: Any, given: Any, source: UserModel, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        """Describe a model; arguments as those of `ModelReader.read`."""
        reader = ModelReader(
            owner=type(self).__name__,
            params=self.get_params(deep=False),
            has_feature_encoder=self.feature_encoder is not None,
            has_target_encoder=self.target_encoder is not None,
            target_form=self._targets.form,
            default_loss=_default_of(type(self), "loss"),
        )
        return reader.read(model, given, source, shape)

    def _take_over(self, theirs: Any) -> None:
        """Become fitted as a SciKeras estimator is."""
        from skdl.layers import blueprint_of
        from skdl.training import Trained

        for name in ("n_features_in_", "X_shape_", "target_type_", "y_dtype_", "y_ndim_"):
            setattr(self, name, getattr(theirs, name))
        self.X_dtype_ = np.dtype(np.float32)
        self.n_outputs_expected_ = 1
        self._targets = self._make_targets()
        self._targets.take_over(theirs)
        self._show_targets()
        self.feature_encoder_, self.target_encoder_ = RowEncoder(), TargetEncoder(self._targets)
        shape = self.X_shape_[1:]
        source = self._source(np.zeros((1, *shape), np.float32), self._metadata())
        model = theirs.model_
        described = self._took(self._read(model, model, source, shape))
        network = described["network"]
        history = {name: list(values) for name, values in getattr(theirs, "history_", {}).items()}
        n_epochs = len(history.get("loss", ()))
        weights, statistics = blueprint_of(network).layout.join(model.get_weights())
        self._set_fitted(Trained(network, weights, statistics, history, n_epochs, n_epochs))

    def _compilation(self) -> tuple[Any, Any]:
        return self._compiled_with["optimizer"], self._compiled_with["metrics"]

    def _user_score(self, X: Any, y: Any, sample_weight: Any) -> float | None:
        """Return what a subclass's ``scorer`` says, or None without one."""
        routed = routed_to("score", self.get_params(deep=False))
        scorer = getattr(self, "scorer", None)
        if scorer is None and not routed:
            return None
        if scorer is None:
            scorer = accuracy_score if is_classifier(self) else r2_score
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(scorer(y, self.predict(X), **routed | weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _given_outputs(self) -> int | None:
        """Return how many outputs a model has that was given as such; None if that is open."""
        import keras

        model = self._model_given
        if not isinstance(model, keras.Model):
            return None
        if model.built and hasattr(model, "output_shape"):
            shape = model.output_shape
            return int(shape[-1]) if isinstance(shape, tuple) and shape[-1] is not None else None
        return getattr((model.layers or [None])[-1], "units", None)


def _default_of(kind: type, name: str) -> Any:
    """Return the default of a parameter of a class; None without one."""
    parameter = inspect.signature(kind).parameters.get(name)
    has_default = parameter is not None and parameter.default is not inspect.Parameter.empty
    return parameter.default if parameter is not None and has_default else None


def _zeros(sample: Any) -> Any:
    """Return zeros of the shape of a row, or of each of its parts."""
    if isinstance(sample, dict):
        return {name: _zeros(part) for name, part in sample.items()}
    if isinstance(sample, list | tuple):
        return type(sample)(_zeros(part) for part in sample)
    return np.zeros(sample.shape, np.dtype(sample.dtype))
