"""Parameters of estimators around a user's model: those that a class names, and the user's own.

What is set on such an estimator under a public name is a parameter, as in SciKeras: arguments of
the function that builds the model, and routed ones.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

from skdl._validation import (
    AnyOf,
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
from skdl.estimators.base._parameters import CALLABLE, CONSTRAINTS, TARGET_SCALING, is_keras
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.keras_models._arguments import callbacks_of
from skdl.estimators.keras_models._calls import PREDICT_ARGUMENTS, meant
from skdl.estimators.keras_models._routing import (
    PREFIXES,
    accepts,
    has_prefix,
    is_routed,
    names_argument,
)
from skdl.exceptions import InvalidParameterError, MigrationWarning
from skdl.networks import SHORT_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["USER_MODEL_CONSTRAINTS", "UserModelParameters"]

_TAKEN = {
    "epochs", "shuffle", "early_stopping", "validation_fraction", "monitor", "patience",
    "min_delta", "restore_best_weights", "warm_start", "random_state", "verbose",
}  # fmt: skip
_LOSS_ALIASES = (*SHORT_NAMES, *map(str.upper, SHORT_NAMES))
# Arguments of ``keras.Model.fit`` that may be routed, as ``fit__epochs``.
_ROUTED_FIT = {"batch_size", "epochs", "shuffle", "validation_split", "verbose"}
# Arguments of ``keras.Model.compile``.
_COMPILE = {
    "auto_scale_loss", "jit_compile", "loss", "loss_weights", "metrics", "optimizer",
    "run_eagerly", "steps_per_execution", "weighted_metrics",
}  # fmt: skip
_MODEL = AnyOf(OneOf(None), Predicate(is_keras("Model"), "a keras.Model"), CALLABLE)

USER_MODEL_CONSTRAINTS: dict[str, Constraint] = {
    **{name: CONSTRAINTS[name] for name in _TAKEN},
    "model": _MODEL,
    "build_fn": _MODEL,
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
    "target_scaling": TARGET_SCALING,
}


# Of SciKeras, for itself.
_NOT_OF_THE_MODEL = {"build_fn", "run_eagerly", "validation_batch_size"}


def _meant_prefix(name: str) -> str:
    """Return ``" Did you mean ...?"`` for a routed name with a mistyped prefix, else ""."""
    prefix, separator, rest = name.partition("__")
    near = get_close_matches(prefix, PREFIXES, n=1) if rest else []
    return f" Did you mean {near[0]}{separator}{rest}?" if near else ""


def _storing_what_is_routed(init: Callable[..., None]) -> Callable[..., None]:
    """Return an ``__init__`` that stores the routed parameters which it names, if it did not.

    A class in SciKeras' guide names ``optimizer__learning_rate`` and does not store it. Without
    this, the parameter would be lost without a word.
    """
    signature = inspect.signature(init)
    routed = [name for name in signature.parameters if is_routed(name)]
    if not routed:
        return init

    @functools.wraps(init)
    def storing(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        for name in routed:
            vars(self).setdefault(name, given.arguments[name])

    return storing


class UserModelParameters(BaseNetwork):
    """What an estimator around a user's model does with its parameters."""

    model: Any
    optimizer: Any
    batch_size: Any

    def __init_subclass__(cls, **options: Any) -> None:
        if "__init__" in vars(cls):
            init: Any = _storing_what_is_routed(vars(cls)["__init__"])
            cls.__init__ = init  # type: ignore[method-assign]
        super().__init_subclass__(**options)

    @property
    def _model_given(self) -> Any:
        """What the user gave as model, by its old name too."""
        return self.model if self.model is not None else self.__dict__.get("build_fn")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the user's own included.

        Parameters
        ----------
        deep : bool, default=True
            Also return the arguments of callbacks, such as ``callbacks__0__patience``.

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
            By name, arguments of callbacks included: ``callbacks__0__patience``.

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
            hint = _meant_prefix(unknown[0]) or meant(unknown[0], known)
            raise ValueError(
                f"{type(self).__name__}: {unknown[0]!r} is not a parameter.{hint} Expected one of "
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
        shared = {
            name: value
            for name in ("model", "build_fn")
            if (value := self.__dict__.get(name)) is not None and is_keras("Model")(value)
        }
        stand_in.__dict__.update(dict.fromkeys(shared))
        twin: Self = super(UserModelParameters, stand_in).__sklearn_clone__()
        twin.__dict__.update(shared)
        return twin

    def _check_parameters(self) -> None:
        owner = type(self).__name__
        params = self.get_params(deep=False)
        effective = {**params, **{name: self._effective(name) for name in self._fit_names()}}
        check_parameters(owner, effective, self._constraints)
        self._check_model()
        self._check_names(params)

    def _check_model(self) -> None:
        owner = type(self).__name__
        build_fn = self.__dict__.get("build_fn")
        if build_fn is not None:
            if self.model is not None:
                raise InvalidParameterError(
                    f"{owner}: build_fn was given beside model, of which it is the old name. "
                    "Expected model=... alone."
                )
            warnings.warn(
                f"{owner}: build_fn is the old name of model. Better model=...",
                MigrationWarning,
                stacklevel=4,
            )
        builds_itself = hasattr(self, "_keras_build_fn")
        if self._model_given is None and not builds_itself:
            raise InvalidParameterError(
                f"{owner}: model=None is not allowed. Expected a function that returns a Keras "
                "model, or a Keras model."
            )
        if self._model_given is not None and builds_itself:
            raise InvalidParameterError(
                f"{owner}: model={self._model_given!r} was given, but this class builds its model "
                "in _keras_build_fn. Expected model=None, or a class without that method."
            )

    def _check_names(self, params: dict[str, Any]) -> None:
        """Refuse parameters that would reach nobody."""
        owner = type(self).__name__
        of = {
            "fit": {*self._fit_names(), "callbacks", "validation_data"},
            "predict": {*PREDICT_ARGUMENTS, "callbacks"},
            "compile": _COMPILE,
        }
        for name in params:
            prefix, _, rest = name.partition("__")
            allowed = of.get(prefix, set())
            if rest and allowed and rest.partition("__")[0] not in allowed:
                hint = meant(name, {f"{prefix}__{known}" for known in allowed})
                raise InvalidParameterError(
                    f"{owner}: {name} is not allowed.{hint} Expected {prefix}__ in front of one of "
                    f"{sorted(allowed)}."
                )
        function = self._model_given
        is_model = function is not None and is_keras("Model")(function)
        for name in sorted(self._user_names() - _NOT_OF_THE_MODEL):
            if has_prefix(name):
                self._check_prefix(name, None if is_model else function)
            elif is_model or not accepts(function or self._keras_build_fn, name):
                taker = "a keras.Model" if is_model else "the function that builds the model"
                raise InvalidParameterError(
                    f"{owner}: {name} is neither a parameter nor an argument of "
                    f"{taker}.{meant(name, set(params) - {name})} Expected "
                    f"{'no further parameters' if is_model else 'an argument that it has'}."
                )

    def _check_prefix(self, name: str, function: Any) -> None:
        """Refuse a name with an unknown prefix, unless whoever builds the model may look at it."""
        is_method = self._model_given is None
        if function is not None and names_argument(function, name):
            return
        hint = _meant_prefix(name)
        reads_params = is_method or (function is not None and accepts(function, "params"))
        if hint or not reads_params:
            raise InvalidParameterError(
                f"{type(self).__name__}: {name} has an unknown prefix, so it would reach "
                f"nothing.{hint} Expected one of {'__, '.join(PREFIXES)}__ in front."
            )

    def _fit_names(self) -> set[str]:
        """Return the parameters that may be routed to ``fit``, or given to one call of it."""
        return {*_ROUTED_FIT, *({"class_weight"} & self._constraints.keys())}

    @contextmanager
    def _for_one_call(self, arguments: dict[str, Any]) -> Iterator[None]:
        """Let arguments of ``fit`` hold while it runs."""
        self.__dict__["_of_this_call"] = arguments
        try:
            yield
        finally:
            del self.__dict__["_of_this_call"]

    def _effective(self, name: str) -> Any:
        of_this_call = self.__dict__.get("_of_this_call", {})
        if name in of_this_call:
            return of_this_call[name]
        return getattr(self, f"fit__{name}", getattr(self, name, None))

    def _batch_size(self, n_rows: int) -> int:
        size = self._effective("batch_size")
        if size is None:
            return 32
        return n_rows if size == -1 else int(size)

    def _given_callbacks(self) -> list[Any]:
        from skdl.training import Observer

        owner = type(self).__name__
        of_this_call = {"callbacks": self.__dict__.get("_of_this_call", {}).get("callbacks")}
        given = callbacks_of(owner, self.get_params(deep=False)) + callbacks_of(owner, of_this_call)
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
