"""Parameters of estimators around a user's model: those that a class names, and the user's own.

What is set on such an estimator under a public name is a parameter, as in SciKeras: arguments of
the function that builds the model, and routed ones.
"""

from __future__ import annotations

import inspect
from typing import Any, Self

from skdl._validation import (
    AnyOf,
    Boolean,
    Constraint,
    Instance,
    Integer,
    Names,
    OneOf,
    Predicate,
    Real,
    SequenceOf,
    check_parameters,
)
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import CALLABLE, CONSTRAINTS, is_keras
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.keras_models._arguments import callbacks_of
from skdl.estimators.keras_models._routing import PREFIXES, is_routed
from skdl.exceptions import InvalidParameterError

__all__ = ["USER_MODEL_CONSTRAINTS", "UserModelParameters"]

_TAKEN = {
    "epochs", "shuffle", "early_stopping", "validation_fraction", "monitor", "patience",
    "min_delta", "restore_best_weights", "warm_start", "random_state", "verbose",
}  # fmt: skip
_LOSS_ALIASES = ("bce", "BCE", "kld", "KLD", "mae", "MAE", "mse", "MSE", "mape", "msle")
# Arguments of ``keras.Model.fit`` that may be routed, as ``fit__epochs``.
_ROUTED_FIT = {"batch_size", "epochs", "shuffle", "validation_split", "verbose"}

USER_MODEL_CONSTRAINTS: dict[str, Constraint] = {
    **{name: CONSTRAINTS[name] for name in _TAKEN},
    "model": AnyOf(OneOf(None), Predicate(is_keras("Model"), "a keras.Model"), CALLABLE),
    "optimizer": CONSTRAINTS["optimizer"],
    "loss": AnyOf(
        OneOf(None),
        Names(lambda: [*_LOSS_ALIASES, *names.loss_names()], "loss", home="keras.losses"),
        Predicate(is_keras("losses.Loss"), "a keras.losses.Loss"),
        CALLABLE,
        Predicate(lambda value: isinstance(value, list | tuple | dict), "one for each output"),
    ),
    "metrics": AnyOf(
        CONSTRAINTS["metrics"],
        SequenceOf(AnyOf(CONSTRAINTS["metrics"], Instance(dict, list, tuple))),
        Instance(dict),
    ),
    "batch_size": AnyOf(OneOf(None, -1), Integer(1, example=32)),
    "validation_split": Real(0, 1, high_open=True, example=0.2),
    "target_scaling": Boolean(),
}


class UserModelParameters(BaseNetwork):
    """What an estimator around a user's model does with its parameters."""

    model: Any
    optimizer: Any
    batch_size: Any

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
        unknown = [name for name in params if name not in known and not is_routed(name)]
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: {unknown[0]!r} is not a parameter. Expected one of "
                f"{sorted(known)}, or a name with {'__, '.join(PREFIXES)}__ in front. "
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
        return {n for n in self._public_names() if not (n in named or is_routed(n))}

    def __sklearn_clone__(self) -> Self:
        # A model is shared, not copied: fits never change it, and copies would lose what its
        # files do not hold, such as losses that are functions.
        stand_in = object.__new__(type(self))
        stand_in.__dict__.update(self.__dict__)
        is_model = self.model is not None and is_keras("Model")(self.model)
        if is_model:
            stand_in.model = None
        twin: Self = super(UserModelParameters, stand_in).__sklearn_clone__()
        if is_model:
            twin.model = self.model
        return twin

    def _check_parameters(self) -> None:
        owner = type(self).__name__
        params = self.get_params(deep=False)
        if "build_fn" in params:
            raise InvalidParameterError(f"{owner}: build_fn is not allowed. Expected model=...")
        effective = {**params, **{name: self._effective(name) for name in _ROUTED_FIT}}
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

    def _effective(self, name: str) -> Any:
        return getattr(self, f"fit__{name}", getattr(self, name))

    def _batch_size(self, n_rows: int) -> int:
        size = self._effective("batch_size")
        if size is None:
            return 32
        return n_rows if size == -1 else int(size)

    def _given_callbacks(self) -> list[Any]:
        from skdl.training import Observer

        given = callbacks_of(type(self).__name__, self.get_params(deep=False))
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
