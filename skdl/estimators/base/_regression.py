"""Regression: what every network does with numbers as targets, whatever its layers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

from skdl._plain_data import any_value, count, instance, truth
from skdl._validation import AnyOf, Constraint, OneOf, Predicate, Real, SequenceOf, show
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._described_prediction import TargetForm
from skdl.estimators.base._network_estimator import BaseNetwork, plainly_named
from skdl.estimators.base._parameters import TARGET_SCALING, loss_constraint
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._targets import Output, Targets, as_columns, register_targets
from skdl.exceptions import InvalidParameterError
from skdl.networks import (
    HUBER,
    QUANTILE,
    Loss,
    LossFormula,
    formula_of_loss_name,
    loss_names,
    searched_losses,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from skdl._plain_data import Check

__all__ = [
    "NUMBER_TARGET_CHECKS",
    "REGRESSOR_CONSTRAINTS",
    "RegressionNetwork",
    "RegressionTargets",
    "has_quantiles",
    "predicted_quantiles",
    "quantile_levels",
]

_SHARE = Real(0, 1, low_open=True, high_open=True, example=0.9)
_ARE_SHARES = SequenceOf(_SHARE, min_length=1)
REGRESSOR_CONSTRAINTS: dict[str, Constraint] = {
    "loss": loss_constraint(loss_names(of_classes=False), of_classes=False),
    "huber_delta": Real(0, low_open=True, example=1.0),
    "quantile": _SHARE,
    "quantiles": AnyOf(
        OneOf(None),
        Predicate(
            lambda value: _ARE_SHARES.accepts(value) and bool((np.diff(value) > 0).all()),
            "a list of numbers in (0, 1), in increasing order, for example [0.05, 0.5, 0.95]",
        ),
    ),
    "target_scaling": TARGET_SCALING,
}


# Beyond so many scales, the first rows tell little of later ones.
_FAR = 5.0
# What float32 holds with full precision, and room for sums.
_LEAST, _MOST = 1e-37, 1e37


def _fit_float32(sizes: NDArray[np.float64]) -> NDArray[np.bool_]:
    is_held: NDArray[np.bool_] = (sizes == 0) | ((sizes > _LEAST) & (sizes < _MOST))
    return is_held


def _formula_of(loss: Any) -> LossFormula | None:
    return formula_of_loss_name(loss, of_classes=False) if isinstance(loss, str) else None


class RegressionTargets(Targets):
    """Targets that are numbers.

    Parameters
    ----------
    owner : str
        Name of the estimator.
    loss, scaling, huber_delta, quantile, quantiles : object
        Its parameters, `scaling` under the name ``target_scaling``.
    """

    learned: ClassVar[tuple[str, ...]] = ("n_outputs", "is_multioutput", "offset", "scale")

    n_outputs: int
    is_multioutput: bool
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __init__(
        self,
        owner: str,
        *,
        loss: Any,
        scaling: bool | tuple[ArrayLike, ArrayLike],
        huber_delta: float = 1.0,
        quantile: float = 0.5,
        quantiles: Sequence[float] | None = None,
    ) -> None:
        super().__init__(owner)
        self._loss = loss
        self._scaling = scaling
        self._huber_delta = huber_delta
        self._quantile = quantile
        self._quantiles = quantiles

    @property
    def _formula(self) -> LossFormula | None:
        return _formula_of(self._loss)

    @property
    def _is_of_counts(self) -> bool:
        """Whether targets are counts or the like, which only a factor may change."""
        return self._formula is not None and self._formula.nonnegative_targets

    def encode(self, y: Any, *, reset: bool) -> NDArray[np.float64]:
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        y = as_columns(self._as_numbers(y), warn=reset)
        if reset:
            self.is_multioutput = y.shape[1] > 1
            self.n_outputs = y.shape[1]
        if y.shape[1] != self.n_outputs:
            raise ValueError(
                f"{self.owner}: y has {y.shape[1]} columns. Expected {self.n_outputs}, as in the "
                "first fit."
            )
        if self._quantiles is not None and self.is_multioutput:
            raise ValueError(
                f"{self.owner}: y has {y.shape[1]} columns, but quantiles={self._quantiles!r} are "
                "those of one target. Expected one column, a network for each; or quantiles=None."
            )
        if self._is_of_counts and (y < 0).any():
            raise ValueError(
                f"{self.owner}: loss={self._loss!r} needs targets >= 0, but the least is "
                f"{y.min():g}. Use another loss, or shift y."
            )
        return y

    def _as_numbers(self, y: NDArray[Any]) -> NDArray[np.float64]:
        if y.dtype.kind in "mM":
            raise ValueError(
                f"{self.owner}: y is of dtype {y.dtype}. Expected numbers: the time in a unit of "
                "your choice, such as y / np.timedelta64(1, 'D') for days; of dates that since "
                "some day."
            )
        try:
            return y.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self.owner}: y holds no numbers: {error}. Expected numbers; for labels of "
                "classes, take a classifier."
            ) from error

    def fitted_attributes(self) -> dict[str, Any]:
        public = {"n_outputs": "n_outputs_", "offset": "target_offset_", "scale": "target_scale_"}
        return {public[k]: v for k, v in vars(self).items() if k in public}

    def learn_units(self, targets: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        n_outputs = targets.shape[1]
        self.offset, self.scale = np.zeros(n_outputs), np.ones(n_outputs)
        if isinstance(self._scaling, tuple | list):
            self.offset, self.scale = self._given_units(*self._scaling, n_outputs=n_outputs)
        elif self._scaling:
            self.offset, self.scale = self._learned_units(targets, weight)
        elif np.abs(targets).max() >= _MOST:
            raise ValueError(
                f"{self.owner}: y holds numbers of size {np.abs(targets).max():.3g}, but networks "
                "compute in float32, which ends at 3e38. Expected target_scaling=True, or y in "
                "another unit."
            )
        if not self._is_shown_in_own_units.all():
            warnings.warn(
                f"{self.owner}: y has a scale of {self.scale} around {self.offset}, beyond what "
                "float32 holds. Predictions are right, but metrics in history_ are in multiples "
                "of that scale; pass y in another unit to have them in units of y.",
                DataConversionWarning,
                stacklevel=2,
            )

    def _given_units(
        self, offset: Any, scale: Any, *, n_outputs: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        offset, scale = (np.asarray(part, np.float64).reshape(-1) for part in (offset, scale))
        for name, part in (("offset", offset), ("scale", scale)):
            if len(part) not in {1, n_outputs}:
                raise ValueError(
                    f"{self.owner}: target_scaling has {len(part)} numbers as {name}, and y has "
                    f"{n_outputs} columns. Expected one number, or one for each column."
                )
        if self._is_of_counts and offset.any():
            raise ValueError(
                f"{self.owner}: loss={self._loss!r} needs targets >= 0, which only a factor may "
                f"change. Expected the offset 0: target_scaling=(0.0, {scale.tolist()})."
            )
        return np.zeros(n_outputs) + offset, np.zeros(n_outputs) + scale

    def warn_of_drift(self, targets: NDArray[Any]) -> None:
        if isinstance(self._scaling, tuple | list) or not self._scaling:
            return
        apart = np.abs(targets.mean(0) - self.offset) / self.scale
        spread = targets.std(0) / self.scale
        if (apart > _FAR).any() or (spread > _FAR).any():
            # Numbers of these rows would make a new warning of each call.
            warnings.warn(
                f"{self.owner}: the first rows had targets of scale {self.scale} around "
                f"{self.offset}, and later ones lie {_FAR:g} times as far away, or apart. They are "
                "learned in the units of the first. Give the units of all rows: "
                "target_scaling=(mean, standard deviation), as StandardScaler learns them from a "
                "pass over y; or shuffle the rows.",
                DataConversionWarning,
                stacklevel=5,
            )

    def _learned_units(
        self, targets: NDArray[Any], weight: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Squares of numbers beyond these sizes are infinite, or 0.
        size = np.abs(targets).max(0)
        unit = np.where((size > 1e100) | (size < 1e-100), np.where(size > 0, size, 1.0), 1.0)
        targets = targets / unit
        mean = np.average(targets, axis=0, weights=weight)
        if self._is_of_counts:
            offset, scale = np.zeros(len(unit)), mean
        else:
            offset = mean
            scale = np.sqrt(np.average((targets - mean) ** 2, axis=0, weights=weight))
        # A constant target, up to rounding, keeps its own scale.
        is_constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        return offset * unit, np.where(is_constant, 1.0, scale * unit)

    def scaled(self, targets: NDArray[Any]) -> NDArray[np.float32]:
        return ((targets - self.offset) / self.scale).astype(np.float32)

    @property
    def units(self) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """Scale and offset of the targets' units; 1 and 0 where float32 does not hold them."""
        is_held = self._is_shown_in_own_units
        scale, offset = np.where(is_held, self.scale, 1.0), np.where(is_held, self.offset, 0.0)
        return scale.astype(np.float32), offset.astype(np.float32)

    @property
    def _is_shown_in_own_units(self) -> NDArray[np.bool_]:
        is_held: NDArray[np.bool_] = _fit_float32(self.scale) & (np.abs(self.offset) < _MOST)
        return is_held

    def output(self) -> Output:
        formula = self._formula
        if formula is None:
            loss = Loss("keras", function=names.resolved_loss(self._loss))
            return Output(self.n_outputs, "linear", loss)
        several = self._quantiles
        quantile = self._quantile if several is None else several
        scalars = formula.spelled(delta=self._huber_delta, quantile=quantile)
        n_outputs = self.n_outputs if several is None else len(several)
        return Output(n_outputs, formula.output_activation, Loss(formula.name, scalars))

    def decode(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        if self._median_weights is not None:
            return self.decoded_quantiles(outputs) @ self._median_weights
        values = outputs * self.scale + self.offset
        return values if self.is_multioutput else values[:, 0]

    def decoded_quantiles(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return quantiles in increasing order.

        Sorting what was learned brings it nearer to the true quantiles, never further from them
        (Chernozhukov, Fernández-Val and Galichon 2010, Econometrica 78, Proposition 4).
        """
        return np.sort(outputs, axis=1) * self.scale + self.offset

    @property
    def _median_weights(self) -> NDArray[np.float64] | None:
        """By which weights quantiles add up to the median, interpolated between neighbours.

        Where all of them lie on one side of it, it is the nearest.
        """
        if self._quantiles is None:
            return None
        each = np.eye(len(self._quantiles))
        return np.array([np.interp(0.5, self._quantiles, one) for one in each])

    def described(self) -> TargetForm:
        return TargetForm(
            not self.is_multioutput,
            scale=self.scale,
            offset=self.offset,
            median_weights=self._median_weights,
        )


# What each attribute may be in files.
NUMBER_TARGET_CHECKS: dict[str, Check] = {
    "_loss": any_value,
    "_scaling": any_value,
    "_huber_delta": any_value,
    "_quantile": any_value,
    "_quantiles": any_value,
    "n_outputs": count,
    "is_multioutput": truth,
    "offset": instance(np.ndarray),
    "scale": instance(np.ndarray),
}
register_targets(RegressionTargets, NUMBER_TARGET_CHECKS)


def _learns_quantiles(network: Any) -> bool:
    """Tell whether a network learns several quantiles; the error says what to write."""
    if network.quantiles is None:
        raise AttributeError(
            f"{type(network).__name__} has predict_quantiles only with several quantiles. Expected "
            f"loss={QUANTILE!r}, quantiles=[0.05, 0.5, 0.95], for example."
        )
    return True


def has_quantiles(estimator: Any) -> bool:
    """Tell whether an estimator, or what ends a pipeline, predicts several quantiles."""
    if isinstance(estimator, Pipeline):
        return has_quantiles(estimator.steps[-1][1])
    return hasattr(getattr(estimator, "best_estimator_", estimator), "predict_quantiles")


def predicted_quantiles(estimator: Any, X: Any) -> NDArray[np.float64]:
    """Return the quantiles of a fitted estimator that has some, through the steps of pipelines.

    Parameters
    ----------
    estimator : object
        See `has_quantiles`.
    X : array-like
        Rows as its ``predict`` takes them.

    Returns
    -------
    quantiles : ndarray of shape (n_samples, n_quantiles)
    """
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            X = step.transform(X) if hasattr(step, "transform") else X
        return predicted_quantiles(estimator.steps[-1][1], X)
    if not hasattr(estimator, "predict_quantiles"):
        return predicted_quantiles(estimator.best_estimator_, X)
    return np.asarray(estimator.predict_quantiles(X), np.float64)


def quantile_levels(estimator: Any) -> NDArray[np.float64]:
    """Return which quantiles an estimator predicts that has some."""
    if isinstance(estimator, Pipeline):
        return quantile_levels(estimator.steps[-1][1])
    for inside in ("best_estimator_", "estimator"):
        if hasattr(estimator, inside):
            return quantile_levels(getattr(estimator, inside))
    return np.array(estimator.quantiles, float)


class RegressionNetwork(MultiOutputMixin, RegressorMixin, BaseNetwork):
    """A network that predicts numbers."""

    loss: Any
    huber_delta: float
    quantile: float
    quantiles: Sequence[float] | None = None
    target_scaling: bool | tuple[ArrayLike, ArrayLike]

    def _make_targets(self) -> Targets:
        return RegressionTargets(
            type(self).__name__,
            loss=self.loss,
            scaling=self.target_scaling,
            huber_delta=self.huber_delta,
            quantile=self.quantile,
            quantiles=self.quantiles,
        )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.quantiles is not None and self.loss != QUANTILE:
            raise InvalidParameterError(
                f"{type(self).__name__}: quantiles={self.quantiles!r} was given beside "
                f"loss={show(self.loss)}. Expected loss={QUANTILE!r}, or quantiles=None."
            )

    @plainly_named
    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, n_samples: int | None = None
    ) -> Self:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets; scaled as those of the first call, or as `target_scaling` says.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss.
        n_samples : int, default=None
            Rows of one pass over all data, of which these are a block: ``n_iter_`` then counts
            passes. None: each call is a pass.

        Returns
        -------
        self : object

        Warns
        -----
        DataConversionWarning
            If targets lie far from those that the units were learned from.

        Notes
        -----
        Learning rate, weights and the optimizer's state go on from the last call. ``fit`` keeps the
        optimizer's state only with ``warm_start=True``, as it is up to twice the size of the
        weights. After a ``fit`` without, the optimizer begins anew.
        ``set_params(learning_rate=...)`` between calls takes effect, and a Keras schedule counts
        the steps of all calls; `learning_rate_schedule` and `early_stopping` have no effect.
        """
        return self._partial_fit(X, y, sample_weight, n_samples=n_samples)

    @plainly_named
    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict targets in their own units.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        outputs = self._outputs(X)
        return self._targets.decode(outputs)

    @available_if(_learns_quantiles)
    @plainly_named
    def predict_quantiles(self, X: Any) -> NDArray[np.float64]:
        """Predict the quantiles of the target that `quantiles` names.

        They do not cross: the network's outputs are sorted for each row (Chernozhukov,
        Fernández-Val and Galichon 2010), which never takes them further from the true quantiles.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles), float64
            In the target's own units; columns follow `quantiles` and never fall from left to
            right.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        outputs = self._outputs(X)
        return cast("RegressionTargets", self._targets).decoded_quantiles(outputs)

    def _search_space(self) -> dict[str, Choice | Number]:
        space = super()._search_space()
        formula = _formula_of(self.loss)
        if formula is not None and formula.in_search != "kept":
            space["loss"] = Choice(*searched_losses())
            space["huber_delta"] = Number(0.1, 3.0, log=True, only_if=("loss", HUBER))
        return space
