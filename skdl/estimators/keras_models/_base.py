"""The base of estimators around a Keras model of the user's own.

What the model looks like is the user's; which parameters reach the function that builds it follows
SciKeras. The engine reads the model's layers where it can, and then trains it as any network of
ours, in lockstep too; what it cannot read goes through ``keras.Model.fit``.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skdl.estimators.base._network_estimator import is_keras
from skdl.estimators.keras_models._arguments import build_arguments
from skdl.estimators.keras_models._parameters import OWN_CONSTRAINTS, OwnParameters
from skdl.estimators.keras_models._reader import Built, ModelReader
from skdl.estimators.keras_models._template import (
    LookedAt,
    Template,
    initializers_of,
    shared_template,
)
from skdl.networks import CalledModel, GivenModel

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from skdl._validation import Constraint
    from skdl.estimators.keras_models._losses import Target
    from skdl.networks import Network, UserModel
    from skdl.training import Rows

__all__ = ["OwnModel"]


class OwnModel(OwnParameters):
    """What the estimators around a user's model share."""

    model: Any
    loss: Any
    batch_size: Any
    validation_split: float

    # Transformers of features and targets, for subclasses to set, as in SciKeras.
    feature_encoder: Any = None
    target_encoder: Any = None

    _constraints: ClassVar[dict[str, Constraint]] = OWN_CONSTRAINTS
    _accepted_rows: ClassVar[dict[str, Any]] = {
        "accept_sparse": "csr",
        "accept_large_sparse": False,
        "allow_nd": True,
        "dtype": np.float32,
    }

    # ------------------------------------------------------------------ what subclasses say

    @abstractmethod
    def _take_over_targets(self, theirs: Any) -> None:
        """Take over what a fitted SciKeras estimator knows of its targets."""

    @abstractmethod
    def _target_form(self, loss: Any, n_outputs: int | None) -> Target:
        """Return in which form a loss is given the targets; refuse outputs that do not fit."""

    # ------------------------------------------------------------------ data

    def _rows(self, X: Any, *, reset: bool) -> Any:
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

    def _learn_targets(self, y: Any, kind: str) -> None:
        """Take down what a function that builds a model may want to know of the targets."""
        y = np.asarray(y) if not hasattr(y, "toarray") else y
        self.target_type_ = kind
        self.y_dtype_ = y.dtype
        self.y_ndim_ = y.ndim
        if self.target_encoder is not None:
            self.target_encoder_ = self.target_encoder.fit(y)
            self._take_metadata(self.target_encoder_)

    def _take_metadata(self, encoder: Any) -> None:
        self.__dict__.update(getattr(encoder, "get_metadata", dict)())

    def _encoded(self, X: Any) -> Any:
        """Return rows as the model takes them."""
        return X if self.feature_encoder is None else self.feature_encoder_.transform(X)

    def _to_job_rows(self, X: Any, targets: Any, weight: Any, index: Any = None) -> Rows:
        from skdl.training import Rows

        if index is None:
            index = np.arange(X.shape[0], dtype=np.int32)
        if self.target_encoder is not None:
            targets = self.target_encoder_.transform(targets)
        return Rows(self._encoded(X), targets, weight, index)

    def _held_out_rows(
        self, targets: NDArray[Any], groups: Any, rng: np.random.RandomState
    ) -> tuple[Any, Any]:
        share = self._effective("validation_split")
        if not share:
            return super()._held_out_rows(targets, groups, rng)
        # The last rows, as Keras holds them out.
        n_rows = len(targets)
        first = math.floor(n_rows * (1 - share))
        if not 0 < first < n_rows:
            raise ValueError(
                f"{type(self).__name__}: validation_split={share!r} leaves no rows on one side of "
                f"n_samples={n_rows}. Expected a share nearer to 0.5, or more rows."
            )
        rows = np.arange(n_rows, dtype=np.int32)
        return rows[:first], rows[first:]

    def _outputs(self, X: Any) -> Any:
        from sklearn.utils.validation import check_is_fitted, validate_data

        from skdl.training import predict

        check_is_fitted(self)
        X = validate_data(self, X, reset=False, **self._accepted_rows)
        return predict(self._trained, self._encoded(self._rows(X, reset=False)))

    # ------------------------------------------------------------------ the model

    def _network(self, shape: tuple[int, ...]) -> Network:
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
        known = ("n_classes_", "n_outputs_", "_is_multilabel")
        params = {
            **self.get_params(deep=False),
            "(rows)": X.shape[1:],
            "(targets)": [getattr(self, name, None) for name in known],
        }
        meta = LookedAt(self._metadata())

        def build() -> Template:
            source = self._source(_zeros(self._encoded(X[:1])), meta)
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
            target_form=self._target_form,
        )
        return reader.read(model, given, source, shape)

    def _take_over(self, theirs: Any) -> None:
        """Become fitted as a SciKeras estimator is."""
        from skdl.training import Layout, Trained

        for name in ("n_features_in_", "X_shape_", "target_type_", "y_dtype_", "y_ndim_"):
            setattr(self, name, getattr(theirs, name))
        self.X_dtype_ = np.dtype(np.float32)
        self.n_outputs_expected_ = 1
        self._take_over_targets(theirs)
        shape = self.X_shape_[1:]
        source = self._source(np.zeros((1, *shape), np.float32), self._metadata())
        model = theirs.model_
        described = self._read(model, model, source, shape)
        network = described["network"]
        history = {name: list(values) for name, values in getattr(theirs, "history_", {}).items()}
        n_epochs = len(history.get("loss", ()))
        weights, statistics = Layout.of(network).join(model.get_weights())
        self._compiled_with = {name: described[name] for name in ("optimizer", "metrics")}
        self._set_fitted(Trained(network, weights, statistics, history, n_epochs, n_epochs))

    @property
    def model_(self) -> keras.Model:
        """Compiled Keras model with the trained weights, built when first asked for.

        Changing it does not change what the estimator predicts.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        model = self.__dict__.get("_keras_model")
        if model is None:
            from skdl.training import Layout, compiled_model

            trained = self._trained
            compiled_with = self._compiled_with
            model = compiled_model(
                trained.network, compiled_with["optimizer"], compiled_with["metrics"]
            )
            layout = Layout.of(trained.network)
            model.set_weights(layout.split(trained.weights, trained.statistics))
            self._keras_model = model
        return model

    def _make_job(self, *args: Any, **kwargs: Any) -> Any:
        job = super()._make_job(*args, **kwargs)
        self._compiled_with = {"optimizer": job.optimizer, "metrics": job.metrics}
        return job

    def _with_output(self, *_: Any) -> Network:
        raise NotImplementedError  # the user's model brings its own

    def _own_score(self, X: Any, y: Any, sample_weight: Any) -> float | None:
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
