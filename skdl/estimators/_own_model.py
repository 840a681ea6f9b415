"""The base of estimators around a Keras model of the user's own.

What the model looks like is the user's; which parameters reach the function that builds it follows
SciKeras. The engine reads the model's layers where it can, and then trains it as any network of
ours, in lockstep too; what it cannot read goes through ``keras.Model.fit``.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from skdl._validation import (
    AnyOf,
    Boolean,
    Constraint,
    Integer,
    Names,
    OneOf,
    Predicate,
    Real,
)
from skdl.estimators import _keras_names as names
from skdl.estimators import _scikeras as conventions
from skdl.estimators._base import CALLABLE, CONSTRAINTS, BaseNetwork, as_list, is_keras
from skdl.estimators._own_loss import Target, described_loss
from skdl.estimators._search_space import Choice, Number
from skdl.estimators._template import LookedAt, Template, initializers_of, shared_template
from skdl.exceptions import InvalidParameterError
from skdl.networks import (
    CalledModel,
    CannotReadError,
    GivenModel,
    KerasObject,
    Layer,
    Loss,
    Network,
    UserModel,
    preserved_generators,
    read_layers,
)

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from skdl.training import Optimizer, Rows

__all__ = ["OWN_CONSTRAINTS", "OwnModel"]

_TAKEN = {
    "epochs", "shuffle", "early_stopping", "validation_fraction", "monitor", "patience",
    "min_delta", "restore_best_weights", "warm_start", "random_state", "verbose",
}  # fmt: skip
_LOSS_ALIASES = ("bce", "BCE", "kld", "KLD", "mae", "MAE", "mse", "MSE", "mape", "msle")
# Arguments of ``keras.Model.fit`` that may be routed, as ``fit__epochs``.
_ROUTED_FIT = {"batch_size", "epochs", "shuffle", "validation_split", "verbose"}

OWN_CONSTRAINTS: dict[str, Constraint] = {
    **{name: CONSTRAINTS[name] for name in _TAKEN},
    "model": AnyOf(OneOf(None), Predicate(is_keras("Model"), "a keras.Model"), CALLABLE),
    "optimizer": CONSTRAINTS["optimizer"],
    "loss": AnyOf(
        OneOf(None),
        Names(lambda: [*names.loss_names(), *_LOSS_ALIASES], "loss"),
        Predicate(is_keras("losses.Loss"), "a keras.losses.Loss"),
        CALLABLE,
        Predicate(lambda value: isinstance(value, list | tuple | dict), "one for each output"),
    ),
    "batch_size": AnyOf(OneOf(None, -1), Integer(1, example=32)),
    "validation_split": Real(0, 1, high_open=True, example=0.2),
    "target_scaling": Boolean(),
}


@dataclasses.dataclass(frozen=True, eq=False)
class _Built:
    """What is done to each model that was made: it gets its weights, and is compiled if asked.

    Parameters
    ----------
    owner : str
    sample : array, or list or dict of arrays
        One row, of zeros.
    compiling : CompileArguments, optional
        How to compile a model that is not compiled yet.
    given : keras.Model, optional
        A model that copies are to be compiled as.
    """

    owner: str
    sample: Any
    compiling: conventions.CompileArguments | None = None
    given: keras.Model | None = None

    def __call__(self, model: Any) -> None:
        import keras

        if not isinstance(model, keras.Model):
            raise TypeError(
                f"{self.owner}: the function given as model returned {type(model).__name__}. "
                "Expected it to return a keras.Model."
            )
        if not model.built:
            if isinstance(model, keras.Sequential):
                model.build((None, *self.sample.shape[1:]))
            else:
                model(self.sample)
        if self.compiling is None or model.compiled:
            return
        if self.given is None or not self.given.compiled:
            model.compile(**self.compiling.fresh())
        else:
            _compile_as(model, self.given)


def _compile_as(model: keras.Model, given: keras.Model) -> None:
    """Compile a copy of a compiled model alike."""
    config = given.get_compile_config()
    if not config:
        raise ValueError(
            f"The compiled model of class {type(given).__name__} does not tell how it was "
            "compiled. Expected a function that builds and compiles the model."
        )
    model.compile_from_config(config)


class OwnModel(BaseNetwork):
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

    # ------------------------------------------------------------------ parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the user's own included.

        Parameters
        ----------
        deep : bool, default=True
            Also return the parameters of parameters that are estimators.

        Returns
        -------
        params : dict of str to object
        """
        params = super().get_params(deep=deep)
        params.update({name: getattr(self, name) for name in self._public_names()})
        return dict(sorted(params.items()))

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also routed ones such as ``model__units`` that were not set before.

        Parameters
        ----------
        **params : object
            By name.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a name is neither a parameter nor routed.
        """
        known = self.get_params(deep=False)
        unknown = [name for name in params if name not in known and not conventions.is_routed(name)]
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: {unknown[0]!r} is not a parameter. Expected one of "
                f"{sorted(known)}, or a name with {'__, '.join(conventions.PREFIXES)}__ in front. "
                f"To give the function that builds the model an argument, use "
                f"model__{unknown[0]}=..., or name it when the estimator is made."
            )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _public_names(self) -> list[str]:
        return [name for name in vars(self) if not (name.startswith("_") or name.endswith("_"))]

    def _user_names(self) -> set[str]:
        """Return the parameters that no class names in its ``__init__``, routed ones apart."""
        named = {
            name
            for kind in type(self).__mro__
            if "__init__" in vars(kind) and kind is not object
            for name in inspect.signature(vars(kind)["__init__"]).parameters
        }
        return {n for n in self._public_names() if not (n in named or conventions.is_routed(n))}

    def __sklearn_clone__(self) -> Self:
        # A model is shared, not copied: fits never change it, and copies would lose what its
        # files do not hold, such as losses that are functions.
        stand_in = object.__new__(type(self))
        stand_in.__dict__.update(self.__dict__)
        is_model = self.model is not None and is_keras("Model")(self.model)
        if is_model:
            stand_in.model = None
        twin: Self = super(OwnModel, stand_in).__sklearn_clone__()
        if is_model:
            twin.model = self.model
        return twin

    def _check_parameters(self) -> None:
        from skdl._validation import check_parameters

        owner = type(self).__name__
        params = self.get_params(deep=False)
        if "build_fn" in params:
            raise InvalidParameterError(f"{owner}: build_fn is not allowed. Expected model=...")
        effective = {**params, **{name: self._setting(name) for name in _ROUTED_FIT}}
        check_parameters(owner, effective, self._constraints)
        for name in params:
            prefix, _, rest = name.partition("__")
            if prefix == "fit" and rest.partition("__")[0] not in {*_ROUTED_FIT, "callbacks"}:
                raise InvalidParameterError(
                    f"{owner}: {name} is not allowed. Expected fit__ in front of one of "
                    f"{sorted(_ROUTED_FIT)} or callbacks."
                )
        if self.model is None and not hasattr(self, "_keras_build_fn"):
            raise InvalidParameterError(
                f"{owner}: model=None is not allowed. Expected a function that returns a Keras "
                "model, or a Keras model."
            )

    def _setting(self, name: str) -> Any:
        return getattr(self, f"fit__{name}", getattr(self, name))

    def _batch_size(self, n_rows: int) -> int:
        size = self._setting("batch_size")
        if size is None:
            return 32
        return n_rows if size == -1 else int(size)

    def _given_callbacks(self) -> list[Any]:
        from skdl.training import Observer

        given = conventions.callbacks_of(self.get_params(deep=False))
        is_callback = is_keras("callbacks.Callback")
        wrong = [c for c in given if not (isinstance(c, Observer) or is_callback(c))]
        if wrong:
            raise InvalidParameterError(
                f"{type(self).__name__}: callbacks holds {wrong[0]!r}. Expected objects or classes "
                "of keras.callbacks, alone or in a list or dict."
            )
        return given

    def _search_space(self) -> dict[str, Choice | Number]:
        space: dict[str, Choice | Number] = {}
        if isinstance(self.optimizer, str | type):
            space["optimizer__learning_rate"] = Number(1e-4, 1e-2, log=True)
        return {**space, "batch_size": Choice(32, 64, 128)}

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

    def _as_rows(self, X: Any, targets: Any, weight: Any, index: Any = None) -> Rows:
        from skdl.training import Rows

        if index is None:
            index = np.arange(X.shape[0], dtype=np.int32)
        if self.target_encoder is not None:
            targets = self.target_encoder_.transform(targets)
        return Rows(self._encoded(X), targets, weight, index)

    def _held_out_rows(
        self, targets: NDArray[Any], groups: Any, rng: np.random.RandomState
    ) -> tuple[Any, Any]:
        share = self._setting("validation_split")
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
        complete = _Built(type(self).__name__, sample)
        given = self.model
        if given is not None and is_keras("Model")(given):
            return GivenModel(given, complete=complete)
        function = given if given is not None else self._keras_build_fn
        arguments = conventions.build_arguments(
            function, self.get_params(deep=False), self._user_names(), meta
        )
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
        """Describe a model by its layers, or as a whole where these cannot be read.

        Parameters
        ----------
        model : keras.Model
            As `source` makes it.
        given : keras.Model
            The one whose compilation holds, if it is compiled.
        source : UserModel
        shape : tuple of int
            Of one row of X.
        """
        n_inputs = len(getattr(model, "inputs", None) or [None])
        if n_inputs > 1 and self.feature_encoder is None:
            raise ValueError(
                f"{type(self).__name__}: the model has {n_inputs} inputs. Expected one, or a "
                "subclass with a feature_encoder that gives the rows of each."
            )
        compiling = self._compilation(given)
        try:
            return self._read_network(model, compiling, source, shape)
        except CannotReadError as error:
            return self._opaque_network(model, given, compiling, source, str(error))

    def _compilation(self, given: Any) -> dict[str, Any]:
        """Return optimizer, loss and metrics that hold, of the model or of the parameters."""
        owner = type(self).__name__
        if not given.compiled:
            arguments = conventions.CompileArguments(self.get_params(deep=False)).fresh()
            if arguments.get("loss") is None and _needs_loss(given):
                raise InvalidParameterError(
                    f"{owner}: loss=None is not allowed for a model that is not compiled. Expected "
                    "a loss, for example loss='mse' or loss='binary_crossentropy', or a compiled "
                    "model."
                )
            return arguments
        loss = getattr(given, "loss", None)
        if (
            self.loss is not None
            and loss is not None
            and not conventions.same_loss(self.loss, loss)
        ):
            raise ValueError(
                f"{owner}: loss={self.loss!r} was given beside a model compiled with {loss!r}. "
                "Expected one of them: leave out loss, or return the model uncompiled."
            )
        metrics = getattr(given, "_compile_metrics", None)
        losses = getattr(given, "_compile_loss", None)
        return {
            "optimizer": getattr(given, "optimizer", None),
            "loss": loss,
            "metrics": getattr(metrics, "_user_metrics", None),
            "weighted_metrics": getattr(metrics, "_user_weighted_metrics", None),
            "loss_weights": getattr(losses, "_user_loss_weights", None),
            "run_eagerly": getattr(given, "run_eagerly", False),
        }

    def _read_network(
        self, model: Any, compiling: dict[str, Any], source: UserModel, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        from skdl.training import Layout, describe_optimizer, n_outputs_of, row_shapes

        if self.feature_encoder is not None or self.target_encoder is not None:
            raise CannotReadError("features or targets have an encoder of their own")
        extra = [
            name
            for name in ("loss_weights", "weighted_metrics", "run_eagerly")
            if compiling.get(name)
        ]
        if extra:
            raise CannotReadError(f"the model is compiled with {extra[0]}")
        reading = read_layers(model)
        _check_shape(type(self).__name__, model.input_shape, shape)
        network = Network(
            shape, tuple(reading.layers), reading.output_activation, Loss("keras"),
            inputs=() if reading.is_chain else tuple(reading.inputs), source=source,
        )  # fmt: skip
        variables = Layout.of(network).variables
        if [(v.shape, v.trainable) for v in variables] != _weights_of(model):
            raise CannotReadError("its weights are not those that its layers have by themselves")
        if len(row_shapes(network)[-1]) != 1:
            raise CannotReadError("its output is not one row of numbers for each row")
        given_loss = _only(compiling["loss"])
        target = self._target_form(given_loss, n_outputs_of(network))
        try:
            loss, output_activation = described_loss(given_loss, network.output_activation, target)
            optimizer = describe_optimizer(compiling["optimizer"])
            optimizer.source.build()
        except Exception as error:
            raise CannotReadError(f"its compilation cannot be described: {error}") from error
        network = dataclasses.replace(network, loss=loss, output_activation=output_activation)
        return {
            "network": network,
            "optimizer": optimizer,
            "metrics": self._read_metrics(compiling["metrics"]),
        }

    def _read_metrics(self, metrics: Any) -> tuple[Any, ...]:
        read = []
        for metric in _flat_metrics(metrics):
            resolved = names.resolved_metric(metric)
            if isinstance(resolved, KerasObject):
                try:
                    with preserved_generators():
                        resolved.build()
                except Exception as error:
                    raise CannotReadError(f"metric {metric!r} cannot be made again") from error
            read.append(resolved)
        return tuple(read)

    def _opaque_network(
        self, model: Any, given: Any, compiling: dict[str, Any], source: UserModel, reason: str
    ) -> dict[str, Any]:
        """Describe a model as a whole, compiled as the user says."""
        complete: Any = source.complete
        params = conventions.CompileArguments(self.get_params(deep=False))
        complete = dataclasses.replace(
            complete, compiling=params, given=given if isinstance(source, GivenModel) else None
        )
        source = dataclasses.replace(source, complete=complete)
        outputs = model(complete.sample)
        n_outputs = None
        if hasattr(outputs, "shape"):
            n_outputs = int(outputs.shape[-1]) if len(outputs.shape) == 2 else 1  # noqa: PLR2004
        elif self.target_encoder is None:
            raise ValueError(
                f"{type(self).__name__}: the model has {len(outputs)} outputs. Expected one, or a "
                "subclass with a target_encoder that gives the targets of each."
            )
        target: Target = "values"
        if self.target_encoder is None:
            target = self._target_form(compiling["loss"], n_outputs)
        layer = Layer.of(
            "Model", weights=tuple(_weights_of(model)), n_outputs=n_outputs or 1, reason=reason
        )
        loss, activation = Loss("keras", target=target), "linear"
        if is_keras("losses.Loss")(compiling["loss"]):
            try:
                described, behind = described_loss(compiling["loss"], "linear", target)
            except Exception:  # noqa: BLE001 - a class of the user's own
                described = loss
            if described.takes_logits:
                loss, activation = dataclasses.replace(described, kind="keras"), behind
        network = Network((1,), (layer,), activation, loss, source=source)
        optimizer = _opaque_optimizer(compiling["optimizer"])
        return {"network": network, "optimizer": optimizer, "metrics": ()}

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
        self._take(Trained(network, weights, statistics, history, n_epochs, n_epochs))

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


def _needs_loss(model: Any) -> bool:
    """Tell whether Keras' own training step is used, which needs a loss."""
    import keras

    kind = type(model)
    return (
        kind.train_step is keras.Model.train_step and kind.compute_loss is keras.Model.compute_loss
    )


def _zeros(sample: Any) -> Any:
    """Return zeros of the shape of a row, or of each of its parts."""
    if isinstance(sample, dict):
        return {name: _zeros(part) for name, part in sample.items()}
    if isinstance(sample, list | tuple):
        return type(sample)(_zeros(part) for part in sample)
    return np.zeros(sample.shape, np.dtype(sample.dtype))


def _weights_of(model: Any) -> list[tuple[tuple[int, ...], bool]]:
    """Return shape of each weight, and whether it is trained."""
    trained = {id(weight) for weight in model.trainable_weights}
    return [(tuple(w.shape), id(w) in trained) for w in model.weights]


def _check_shape(owner: str, expected: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    """Refuse rows that the model does not take."""
    own = tuple(expected[1:])
    fits = len(own) == len(shape) and all(n in {None, m} for n, m in zip(own, shape, strict=True))
    if not fits:
        raise ValueError(
            f"{owner}: rows of X have shape {shape}, but the model takes rows of shape {own}. "
            "Expected equal ones: build the model for meta['X_shape_'], or reshape X."
        )


def _only(loss: Any) -> Any:
    """Return the one loss in a list or dict."""
    while isinstance(loss, list | tuple | dict) and len(loss) == 1:
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    if isinstance(loss, list | tuple | dict):
        raise CannotReadError("it has several losses")
    return loss


def _flat_metrics(metrics: Any) -> list[Any]:
    if isinstance(metrics, dict):
        metrics = list(metrics.values())
    return [m for part in as_list(metrics) for m in (
        _flat_metrics(part) if isinstance(part, list | tuple | dict) else [part]
    )]  # fmt: skip


def _opaque_optimizer(optimizer: Any) -> Optimizer:
    """Describe an optimizer with which Keras alone works, as far as that is possible."""
    from skdl.training import Optimizer, describe_optimizer

    try:
        described = describe_optimizer(optimizer)
    except Exception:  # noqa: BLE001 - an optimizer of the user's own, or none
        return Optimizer("Keras", (), (), 0.0, KerasObject("optimizers", ""))
    return dataclasses.replace(described, kind="Keras")
