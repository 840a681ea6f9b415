"""What a user's model is for the engine: layers that it can train, or a whole left to Keras."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import compile_arguments, compiled_with, excludes_from_weight_decay
from skdl._plain_data import any_value, instance, optional, register, text
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._parameters import as_list, is_keras
from skdl.estimators.keras_models._arguments import (
    AVERAGED,
    CompileArguments,
    copied,
    flat,
    same_loss,
)
from skdl.estimators.keras_models._losses import (
    Target,
    described_loss,
    last_activation,
    meaning_of_outputs,
)
from skdl.exceptions import InvalidParameterError
from skdl.networks import (
    CannotReadError,
    GivenModel,
    KerasObject,
    Layer,
    Loss,
    Network,
    UserModel,
    function_of,
    preserved_generators,
    read_layers,
    stateful_rows_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras

    from skdl.training import Optimizer

__all__ = ["Built", "ModelReader"]


@dataclasses.dataclass(frozen=True, eq=False)
class Built:
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
    compiling: CompileArguments | None = None
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
    import keras

    if type(given).compile is keras.Model.compile:
        model.compile(**copied(compile_arguments(given)))
        return
    config = given.get_compile_config()
    if not config:
        raise ValueError(
            f"The compiled model of class {type(given).__name__} does not tell how it was "
            "compiled. Expected a function that builds and compiles the model."
        )
    model.compile_from_config(config)


@dataclasses.dataclass
class ModelReader:
    """Describes models that were built.

    Parameters
    ----------
    owner : str
        Name of the estimator, for errors.
    params : mapping of str to object
        Its parameters.
    has_feature_encoder, has_target_encoder : bool
    target_form : callable
        ``target_form(loss, n_outputs)`` says in which form a loss is given the targets.
    default_loss : object
        What `loss` is where nobody sets it: a model may be compiled with another.
    """

    owner: str
    params: Mapping[str, Any]
    has_feature_encoder: bool
    has_target_encoder: bool
    target_form: Callable[[Any, int | None], Target]
    default_loss: Any = None

    def read(
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
        if n_inputs > 1 and not self.has_feature_encoder:
            raise ValueError(
                f"{self.owner}: the model has {n_inputs} inputs. Expected one, or a "
                "subclass with a feature_encoder that gives the rows of each."
            )
        compiling = self._compilation(given)
        _check_softmax(self.owner, model)
        try:
            return self._read_network(model, compiling, source, shape)
        except CannotReadError as error:
            return self._opaque_network(model, given, compiling, source, str(error))

    def _compilation(self, given: Any) -> dict[str, Any]:
        """Return optimizer, loss and metrics that hold, of the model or of the parameters."""
        owner = self.owner
        if not given.compiled:
            try:
                arguments = CompileArguments(self.params).fresh()
            except InvalidParameterError as error:
                raise InvalidParameterError(f"{owner}: {error}") from error
            if arguments.get("loss") is None and _needs_loss(given):
                raise InvalidParameterError(
                    f"{owner}: loss=None is not allowed for a model that is not compiled. Expected "
                    "a loss, for example loss='mse' or loss='binary_crossentropy', or a compiled "
                    "model."
                )
            return {**arguments, "by_user": False}
        loss, wanted = getattr(given, "loss", None), self.params.get("loss")
        plain = function_of(loss) or loss
        if loss is None and _needs_loss(given):
            raise InvalidParameterError(
                f"{owner}: the model is compiled without a loss, so there is nothing to learn. "
                "Expected model.compile(loss=...), or a model that is not compiled and "
                f"{owner}(loss=...)."
            )
        is_default = type(wanted) is type(self.default_loss) and wanted == self.default_loss
        both = wanted is not None and loss is not None and not is_default
        if both and not same_loss(wanted, plain):
            raise ValueError(
                f"{owner}: loss={wanted!r} was given beside a model compiled with {loss!r}. "
                "Expected one of them: leave out loss, or return the model uncompiled."
            )
        return {
            "optimizer": getattr(given, "optimizer", None),
            "loss": loss,
            **compiled_with(given),
            "by_user": True,
            "run_eagerly": getattr(given, "run_eagerly", False),
        }

    def _read_network(
        self, model: Any, compiling: dict[str, Any], source: UserModel, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        from skdl.layers import blueprint_of
        from skdl.training import describe_optimizer

        if self.has_feature_encoder or self.has_target_encoder:
            raise CannotReadError("features or targets have an encoder of their own")
        extra = [
            name
            for name in ("loss_weights", "weighted_metrics", "run_eagerly")
            if compiling.get(name)
        ]
        if extra:
            raise CannotReadError(f"the model is compiled with {extra[0]}")
        if excludes_from_weight_decay(compiling["optimizer"]):
            raise CannotReadError("its optimizer excludes variables from weight decay")
        reading = read_layers(model)
        _check_shape(self.owner, model.input_shape, shape)
        network = Network(
            shape, tuple(reading.layers), reading.output_activation, Loss("keras"),
            inputs=() if reading.is_chain else tuple(reading.inputs), source=source,
        )  # fmt: skip
        blueprint = blueprint_of(network)
        variables = blueprint.layout.variables
        if [(v.shape, v.trainable) for v in variables] != _weights_of(model):
            raise CannotReadError("its weights are not those that its layers have by themselves")
        if len(blueprint.row_shapes[-1]) != 1:
            raise CannotReadError("its output is not one row of numbers for each row")
        given_loss, reduction = _plain(_only(compiling["loss"]), by_user=compiling["by_user"])
        target = self.target_form(given_loss, blueprint.n_outputs)
        try:
            loss, output_activation = described_loss(
                given_loss, network.output_activation, target, reduction=reduction
            )
            optimizer = describe_optimizer(compiling["optimizer"])
            optimizer.source.build()
        except Exception as error:
            raise CannotReadError(f"its compilation cannot be described: {error}") from error
        network = dataclasses.replace(network, loss=loss, output_activation=output_activation)
        known = last_activation(model)
        return {
            "meaning": meaning_of_outputs(
                given_loss, known if output_activation == "linear" else output_activation
            ),
            "network": network,
            "optimizer": optimizer,
            "metrics": self._read_metrics(compiling["metrics"]),
        }

    def _read_metrics(self, metrics: Any) -> tuple[Any, ...]:
        read = []
        for metric in flat(as_list(metrics)):
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
        params = CompileArguments(self.params)
        complete = dataclasses.replace(
            complete, compiling=params, given=given if isinstance(source, GivenModel) else None
        )
        source = dataclasses.replace(source, complete=complete)
        outputs = model(_repeated(complete.sample, stateful_rows_of(model) or 1))
        n_outputs = None
        if hasattr(outputs, "shape"):
            n_outputs = int(outputs.shape[1]) if len(outputs.shape[1:]) == 1 else 1
        elif not self.has_target_encoder:
            raise ValueError(
                f"{self.owner}: the model has {len(outputs)} outputs. Expected one, or a "
                "subclass with a target_encoder that gives the targets of each."
            )
        target: Target = "values"
        single, _ = _plain(_unwrapped(compiling["loss"]), by_user=compiling["by_user"])
        if not self.has_target_encoder:
            target = self.target_form(single, n_outputs)
        layer = Layer.of(
            "Model", weights=tuple(_weights_of(model)), n_outputs=n_outputs or 1, reason=reason
        )
        loss, activation = Loss("keras", target=target), "linear"
        if is_keras("losses.Loss")(single):
            try:
                described, behind = described_loss(single, "linear", target)
            except Exception:  # noqa: BLE001 - a class of the user's own
                described = loss
            if described.takes_logits:
                loss, activation = dataclasses.replace(described, kind="keras"), behind
        network = Network((1,), (layer,), activation, loss, source=source)
        optimizer = _opaque_optimizer(compiling["optimizer"])
        known = last_activation(model) if activation == "linear" else activation
        return {
            "network": network,
            "optimizer": optimizer,
            "metrics": (),
            "meaning": meaning_of_outputs(single, known),
        }


def _repeated(sample: Any, n_rows: int) -> Any:
    """Return as many copies of a row, or of each of its parts."""
    if isinstance(sample, dict):
        return {name: _repeated(part, n_rows) for name, part in sample.items()}
    if isinstance(sample, list | tuple):
        return type(sample)(_repeated(part, n_rows) for part in sample)
    return np.repeat(sample, n_rows, axis=0)


def _check_softmax(owner: str, model: Any) -> None:
    """Refuse a model whose outputs are 1 whatever its weights are."""
    import keras

    activation, outputs = last_activation(model), getattr(model, "outputs", None) or []
    is_softmax = activation == "softmax" or activation is keras.activations.softmax
    if is_softmax and len(outputs) == 1 and outputs[0].shape[-1] == 1:
        raise ValueError(
            f"{owner}: the model ends in a softmax over one unit, which is always 1, so "
            "nothing is learned. Expected Dense(1, activation='sigmoid') or Dense(2, "
            "activation='softmax') for two classes, or Dense(1) without an activation for numbers."
        )


def _needs_loss(model: Any) -> bool:
    """Tell whether Keras' own training step is used, which needs a loss."""
    import keras

    kind = type(model)
    return (
        kind.train_step is keras.Model.train_step and kind.compute_loss is keras.Model.compute_loss
    )


def _weights_of(model: Any) -> list[tuple[tuple[int, ...], bool]]:
    """Return shape of each weight, and whether it is trained."""
    trained = {id(weight) for weight in model.trainable_weights}
    return [(tuple(w.shape), id(w) in trained) for w in model.weights]


def _check_shape(owner: str, expected: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    """Refuse rows that the model does not take."""
    taken = tuple(expected[1:])

    def fits(rows: tuple[int, ...]) -> bool:
        return len(taken) == len(rows) and all(
            n in {None, m} for n, m in zip(taken, rows, strict=True)
        )

    if fits((*shape, 1)) or (shape[-1:] == (1,) and fits(shape[:-1])):
        raise CannotReadError("Keras adds or takes away the last axis of its rows, of length 1")
    if not fits(shape):
        raise ValueError(
            f"{owner}: rows of X have shape {shape}, but the model takes rows of shape {taken}. "
            "Expected equal ones: build the model for meta['X_shape_'], or reshape X."
        )


def _plain(loss: Any, *, by_user: bool) -> tuple[Any, str]:
    """Return a loss, a function as the user gave it, and the reduction if it is no object.

    A model that the user compiles is trained as Keras does.
    """
    function = function_of(loss)
    if function is not None:
        return function, loss.reduction
    return loss, "sum_over_batch_size" if by_user else AVERAGED


def _unwrapped(loss: Any) -> Any:
    """Return the one loss in a list or dict; several as they are."""
    while isinstance(loss, list | tuple | dict) and len(loss) == 1:
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    return loss


def _only(loss: Any) -> Any:
    """Return the one loss in a list or dict."""
    loss = _unwrapped(loss)
    if isinstance(loss, list | tuple | dict):
        raise CannotReadError("it has several losses")
    return loss


def _opaque_optimizer(optimizer: Any) -> Optimizer:
    """Describe an optimizer with which Keras alone works, as far as that is possible."""
    from skdl.training import Optimizer, describe_optimizer

    try:
        described = describe_optimizer(optimizer)
    except Exception:  # noqa: BLE001 - an optimizer of the user's own, or none
        return Optimizer("Keras", (), (), 0.0, KerasObject("optimizers", ""))
    return dataclasses.replace(described, kind="Keras")


register(
    Built,
    {
        "owner": text,
        "sample": any_value,
        "compiling": optional(instance(CompileArguments)),
        "given": any_value,
    },
)
