"""From what the user gave as model, and parameters, to a model that is built and read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.estimators.base._parameters import is_keras
from skdl.estimators.keras_models._arguments import build_arguments
from skdl.estimators.keras_models._ignored_parameters import check_compiled
from skdl.estimators.keras_models._model_errors import naming_model
from skdl.estimators.keras_models._reader import Built
from skdl.estimators.keras_models._routing import accepts
from skdl.estimators.keras_models._template import Template, initializers_of
from skdl.networks import CalledModel, GivenModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skdl.estimators.keras_models._reader import ModelReader
    from skdl.estimators.keras_models._template import LookedAt
    from skdl.networks import UserModel

__all__ = ["ModelBuilder", "n_outputs_of", "zeros_like"]


@dataclasses.dataclass(frozen=True)
class ModelBuilder:
    """How an estimator makes its models, and what they are read as.

    Parameters
    ----------
    owner : str
        Name of the estimator, for errors.
    given : keras.Model, callable or None
        What the user gave as model.
    own_method : callable
        What builds the model where nothing was given; else None.
    params : mapping of str to object
        Parameters of the estimator.
    user_names : set of str
        Those that no class names in its ``__init__``.
    defaults : mapping of str to object
        The parameters' defaults: those nobody set may differ from what a model is compiled with.
    reader : ModelReader
    """

    owner: str
    given: Any
    own_method: Any
    params: Mapping[str, Any]
    user_names: set[str]
    defaults: Mapping[str, Any]
    reader: ModelReader

    def source(self, sample: Any, meta: dict[str, Any]) -> UserModel:
        """Return how models are made.

        Parameters
        ----------
        sample : array, or list or dict of arrays
            One row, of zeros.
        meta : dict of str to object
            What functions get as ``meta``.
        """
        complete = Built(self.owner, sample)
        if self.given is not None and is_keras("Model")(self.given):
            return GivenModel(self.given, complete=complete)
        function = self.given if self.given is not None else self.own_method
        arguments = build_arguments(function, self.params, self.user_names, meta)
        return CalledModel(function, arguments, complete=complete)

    def template(
        self,
        sample: Any,
        shape: tuple[int, ...],
        *,
        seed: int,
        params: Mapping[str, Any],
        meta: LookedAt,
    ) -> Template:
        """Build a model and read it.

        Parameters
        ----------
        sample : array, or list or dict of arrays
            One row, of zeros, as the model takes it.
        shape : tuple of int
            Of one row of X.
        seed : int
        params : mapping of str to object
            What the template is to serve for.
        meta : LookedAt
            What functions get as ``meta``.
        """
        source = self.source(sample, meta)
        with naming_model(self.owner, source):
            model = source.build(seed)
        is_given = isinstance(source, GivenModel)
        given = source.model if isinstance(source, GivenModel) else model
        initializers, is_explained = initializers_of(model)
        self._check_compiled(given)
        values = model.get_weights()
        if is_given and given.built:
            # Its own weights are where it begins, random as they may look.
            initializers, is_explained = [None] * len(values), True
        described = self.reader.read(model, given, source, shape)
        looked_at = None if is_given else meta
        return Template(
            described, values, initializers, is_explained, self.given, params, looked_at
        )

    def _check_compiled(self, built: Any) -> None:
        """Refuse or tell parameters for compiling a model that is compiled without them."""
        function = self.given
        reads_them = function is None or (
            not is_keras("Model")(function)
            and (accepts(function, "compile_kwargs") or accepts(function, "params"))
        )
        if built.compiled and not reads_them:
            check_compiled(self.owner, built, self.params, self.defaults)


def n_outputs_of(given: Any) -> int | None:
    """Return how many outputs a model has that was given as such; None if that is open."""
    import keras

    if not isinstance(given, keras.Model):
        return None
    if given.built and hasattr(given, "output_shape"):
        shape = given.output_shape
        return int(shape[-1]) if isinstance(shape, tuple) and shape[-1] is not None else None
    return getattr((given.layers or [None])[-1], "units", None)


def zeros_like(sample: Any) -> Any:
    """Return zeros of the shape of a row, or of each of its parts."""
    if isinstance(sample, dict):
        return {name: zeros_like(part) for name, part in sample.items()}
    if isinstance(sample, list | tuple):
        return type(sample)(zeros_like(part) for part in sample)
    return np.zeros(sample.shape, np.dtype(sample.dtype))
