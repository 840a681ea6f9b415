"""The base of estimators around a Keras model of the user's.

What the model looks like is the user's; which parameters reach the function that builds it follows
SciKeras. The engine reads the model's layers where it can, and then trains it as any network of
ours, in lockstep too; what it cannot read goes through ``keras.Model.fit``.
"""

from __future__ import annotations

import copy
import inspect
import math
import os
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdl.estimators.base._network_estimator import plainly_named
from skdl.estimators.base._training_data import checked_rows
from skdl.estimators.base._whole_fit import all_or_nothing
from skdl.estimators.keras_models._arguments import callbacks_of
from skdl.estimators.keras_models._building import ModelBuilder, zeros_like
from skdl.estimators.keras_models._calls import fit_arguments, split_rows
from skdl.estimators.keras_models._encoders import RowEncoder, TargetEncoder
from skdl.estimators.keras_models._history import History
from skdl.estimators.keras_models._model_weights import (
    trained_as,
    with_optimizer_of,
    with_weights_of,
)
from skdl.estimators.keras_models._parameters import USER_MODEL_CONSTRAINTS, UserModelParameters
from skdl.estimators.keras_models._reader import ModelReader
from skdl.estimators.keras_models._targets import (
    EncodedTargets,
    UserModelClasses,
    UserModelNumbers,
)
from skdl.estimators.keras_models._template import LookedAt, Template, shared_template

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl._validation import Constraint
    from skdl.estimators.base._targets import Output
    from skdl.estimators.base._training_data import TrainingData
    from skdl.estimators.keras_models._targets import UserModelTargets
    from skdl.networks import Network
    from skdl.training import Rows, Trained

__all__ = ["UserModelEstimator"]


class UserModelEstimator(UserModelParameters):
    """What the estimators around a user's model share."""

    model: Any
    loss: Any
    batch_size: Any
    validation_split: float
    target_scaling: bool | tuple[Any, Any]

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
        y: Any = None,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
        time: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, ...)
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
            return super().fit(X, y, sample_weight, X_val, y_val, sample_weight_val, groups, time)

    def _partial_fit(
        self, X: Any, y: Any, sample_weight: Any, targets: Any = None, n_samples: int | None = None
    ) -> Self:
        self._adopt_weights()
        return super()._partial_fit(X, y, sample_weight, targets, n_samples)

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
        self._check_parameters()
        with all_or_nothing(self):
            job = self._make_job(X, y, is_partial=True)
            values = [np.asarray(value, np.float32) for value in job.weights or ()]
            self._set_fitted(trained_as(job.network, values, {}))
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
        model = self.__dict__.get("_keras_model")
        if model is not None:
            self._trained = with_weights_of(model, self._trained)

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

    def _kept_state(self) -> dict[str, Any]:
        self._adopt_weights()
        state = super()._kept_state()
        # Files name no classes beside the estimator's own and those of plain data.
        made_anew = {
            name
            for name in ("feature_encoder_", "target_encoder_")
            if isinstance(state.get(name), RowEncoder | TargetEncoder)
        }
        state = {name: value for name, value in state.items() if name not in made_anew}
        return state | ({"history_": dict(state["history_"])} if "history_" in state else {})

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
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
            # A copy, as fit changes no parameter; an earlier fit may still need what it learned.
            self.feature_encoder_ = copy.deepcopy(encoder).fit(X)
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
                self.target_encoder_ = copy.deepcopy(self.target_encoder).fit(y)
                self._targets.encoder = self.target_encoder_
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

    def _builder(self) -> ModelBuilder:
        """Return how models are made, and what they are read as."""
        owner, params = type(self).__name__, self.get_params(deep=False)
        compiling = ("optimizer", "loss", "metrics")
        defaults = {name: _default_of(type(self), name) for name in compiling}
        reader = ModelReader(
            owner=owner,
            params=params,
            has_feature_encoder=self.feature_encoder is not None,
            has_target_encoder=self.target_encoder is not None,
            target_form=self._targets.form,
            default_loss=defaults["loss"],
        )
        own_method = getattr(self, "_keras_build_fn", None)
        names = self._user_names()
        return ModelBuilder(owner, self._model_given, own_method, params, names, defaults, reader)

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
        given = self._model_given

        def build() -> Template:
            sample, shape = zeros_like(self._encoded(X[:1])), X.shape[1:]
            return self._builder().template(sample, shape, seed=seed, params=params, meta=meta)

        # A method of the estimator's own reads what it likes of it.
        template = build() if given is None else shared_template(build, given, params, meta)
        return {**self._took(template.described), "weights": template.weights(seed)}

    def _took(self, described: dict[str, Any]) -> dict[str, Any]:
        """Remember what a model was read as; return what a `Job` is told of it."""
        self._compiled_with = {name: described[name] for name in ("optimizer", "metrics")}
        if isinstance(self._targets, UserModelClasses):
            self._targets.meaning = described["meaning"]
        return {name: value for name, value in described.items() if name != "meaning"}

    def _take_over(self, theirs: Any) -> None:
        """Become fitted as a SciKeras estimator is."""
        for name in ("n_features_in_", "X_shape_", "target_type_", "y_dtype_", "y_ndim_"):
            setattr(self, name, getattr(theirs, name))
        self.X_dtype_ = np.dtype(np.float32)
        self.n_outputs_expected_ = 1
        self._targets = self._make_targets()
        self._targets.take_over(theirs)
        self._show_targets()
        self.feature_encoder_, self.target_encoder_ = RowEncoder(), TargetEncoder(self._targets)
        shape = self.X_shape_[1:]
        builder = self._builder()
        source = builder.source(np.zeros((1, *shape), np.float32), self._metadata())
        model = theirs.model_
        described = self._took(builder.reader.read(model, model, source, shape))
        history = {name: list(values) for name, values in getattr(theirs, "history_", {}).items()}
        trained = trained_as(described["network"], model.get_weights(), history)
        self._set_fitted(with_optimizer_of(model, described["optimizer"], trained))

    def _compilation(self) -> tuple[Any, Any]:
        return self._compiled_with["optimizer"], self._compiled_with["metrics"]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _default_of(kind: type, name: str) -> Any:
    """Return the default of a parameter, of the nearest class that names it; None without one."""
    for base in kind.__mro__:
        if "__init__" in vars(base) and base is not object:
            parameter = inspect.signature(vars(base)["__init__"]).parameters.get(name)
            if parameter is not None:
                return None if parameter.default is inspect.Parameter.empty else parameter.default
    return None
