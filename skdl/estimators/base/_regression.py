"""Regression: what every network does with numbers as targets, whatever its layers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import DataConversionWarning

from skdl._plain_data import any_value, count, instance, truth
from skdl._validation import Boolean, Constraint, Real
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._described_prediction import TargetForm
from skdl.estimators.base._network_estimator import BaseNetwork, plainly_named
from skdl.estimators.base._parameters import loss_constraint
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._targets import Output, Targets, as_columns, register_targets
from skdl.networks import (
    HUBER,
    Loss,
    LossFormula,
    formula_of_loss_name,
    loss_names,
    searched_losses,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl._plain_data import Check

__all__ = [
    "NUMBER_TARGET_CHECKS",
    "REGRESSOR_CONSTRAINTS",
    "RegressionNetwork",
    "RegressionTargets",
]

REGRESSOR_CONSTRAINTS: dict[str, Constraint] = {
    "loss": loss_constraint(loss_names(of_classes=False), of_classes=False),
    "huber_delta": Real(0, low_open=True, example=1.0),
    "quantile": Real(0, 1, low_open=True, high_open=True, example=0.9),
    "target_scaling": Boolean(),
}


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
    loss, scaling, huber_delta, quantile : object
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
        scaling: bool,
        huber_delta: float = 1.0,
        quantile: float = 0.5,
    ) -> None:
        super().__init__(owner)
        self._loss = loss
        self._scaling = scaling
        self._huber_delta = huber_delta
        self._quantile = quantile

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
        if self._scaling:
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
        chosen = {"delta": self._huber_delta, "quantile": self._quantile}
        scalars = tuple((name, float(chosen[name])) for name, _ in formula.scalars)
        return Output(self.n_outputs, formula.output_activation, Loss(formula.name, scalars))

    def decode(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        values = outputs * self.scale + self.offset
        return values if self.is_multioutput else values[:, 0]

    def described(self) -> TargetForm:
        return TargetForm(not self.is_multioutput, scale=self.scale, offset=self.offset)


# What each attribute may be in files.
NUMBER_TARGET_CHECKS: dict[str, Check] = {
    "_loss": any_value,
    "_scaling": any_value,
    "_huber_delta": any_value,
    "_quantile": any_value,
    "n_outputs": count,
    "is_multioutput": truth,
    "offset": instance(np.ndarray),
    "scale": instance(np.ndarray),
}
register_targets(RegressionTargets, NUMBER_TARGET_CHECKS)


class RegressionNetwork(MultiOutputMixin, RegressorMixin, BaseNetwork):
    """A network that predicts numbers."""

    loss: Any
    huber_delta: float
    quantile: float
    target_scaling: bool

    def _make_targets(self) -> Targets:
        return RegressionTargets(
            type(self).__name__,
            loss=self.loss,
            scaling=self.target_scaling,
            huber_delta=self.huber_delta,
            quantile=self.quantile,
        )

    @plainly_named
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; scaled as those of the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss.

        Returns
        -------
        self : object
        """
        return self._partial_fit(X, y, sample_weight)

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

    def _search_space(self) -> dict[str, Choice | Number]:
        space = super()._search_space()
        formula = _formula_of(self.loss)
        if formula is not None and formula.in_search != "kept":
            space["loss"] = Choice(*searched_losses())
            space["huber_delta"] = Number(0.1, 3.0, log=True, only_if=("loss", HUBER))
        return space
