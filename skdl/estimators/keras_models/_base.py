"""The base of estimators around a Keras model of the user's.

What the model looks like is the user's; which parameters reach the function that builds it follows
SciKeras. The engine reads the model's layers where it can, and then trains it as any network of
ours, in lockstep too; what it cannot read goes through ``keras.Model.fit``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skdl.estimators.base._parameters import is_keras
from skdl.estimators.keras_models._arguments import build_arguments
from skdl.estimators.keras_models._model_errors import naming_model
from skdl.estimators.keras_models._parameters import USER_MODEL_CONSTRAINTS, UserModelParameters
from skdl.estimators.keras_models._reader import Built, ModelReader
from skdl.estimators.keras_models._targets import EncodedTargets, UserModelNumbers
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
    from skdl.training import Rows

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

    # ------------------------------------------------------------------ data

    def _to_network_rows(self, X: Any, *, reset: bool) -> Any:
        if reset:
            self.X_shape_ = X.shape
            self.X_dtype_ = X.dtype
            self.n_outputs_expected_ = 1
            if self.feature_encoder is not None:
                self.feature_encoder_ = self.feature_encoder.fit(X)
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
        given = self.model
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

        def build() -> Template:
            source = self._source(_zeros(self._encoded(X[:1])), meta)
            with naming_model(type(self).__name__, source):
                model = source.build(seed)
            is_given = isinstance(source, GivenModel)
            given = source.model if isinstance(source, GivenModel) else model
            initializers, is_explained = initializers_of(model)
            values = model.get_weights()
            if is_given and given.built:
                # Its own weights are where it begins, random as they may look.
                initializers, is_explained = [None] * len(values), True
            described = self._read(model, given, source, X.shape[1:])
            looked_at = None if is_given else meta
            return Template(
                described, values, initializers, is_explained, self.model, params, looked_at
            )

        # A method of the estimator's own reads what it likes of it.
        shared = self.model is not None
        template = shared_template(build, self.model, params, meta) if shared else build()
        self._compiled_with = {k: template.described[k] for k in ("optimizer", "metrics")}
        return {**template.described, "weights": template.weights(seed)}

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
        shape = self.X_shape_[1:]
        source = self._source(np.zeros((1, *shape), np.float32), self._metadata())
        model = theirs.model_
        described = self._read(model, model, source, shape)
        network = described["network"]
        history = {name: list(values) for name, values in getattr(theirs, "history_", {}).items()}
        n_epochs = len(history.get("loss", ()))
        weights, statistics = blueprint_of(network).layout.join(model.get_weights())
        self._compiled_with = {k: described[k] for k in ("optimizer", "metrics")}
        self._set_fitted(Trained(network, weights, statistics, history, n_epochs, n_epochs))

    def _compilation(self) -> tuple[Any, Any]:
        return self._compiled_with["optimizer"], self._compiled_with["metrics"]

    def _user_score(self, X: Any, y: Any, sample_weight: Any) -> float | None:
        """Return what a subclass's ``scorer`` says, or None without one."""
        scorer = getattr(self, "scorer", None)
        if scorer is None:
            return None
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(scorer(y, self.predict(X), **weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _given_outputs(self) -> int | None:
        """Return how many outputs a model has that was given as such; None if that is open."""
        import keras

        if not isinstance(self.model, keras.Model):
            return None
        if self.model.built and hasattr(self.model, "output_shape"):
            shape = self.model.output_shape
            return int(shape[-1]) if isinstance(shape, tuple) and shape[-1] is not None else None
        return getattr((self.model.layers or [None])[-1], "units", None)


def _zeros(sample: Any) -> Any:
    """Return zeros of the shape of a row, or of each of its parts."""
    if isinstance(sample, dict):
        return {name: _zeros(part) for name, part in sample.items()}
    if isinstance(sample, list | tuple):
        return type(sample)(_zeros(part) for part in sample)
    return np.zeros(sample.shape, np.dtype(sample.dtype))
