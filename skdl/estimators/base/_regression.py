"""Regression: what every network does with numbers as targets, whatever its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin

from skdl._validation import Boolean, Constraint, Real, check_targets_fit_float32
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import loss_constraint
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._targets import Output, Targets, as_columns
from skdl.networks import Loss, LossFormula, formula_of_loss_name, loss_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["REGRESSOR_CONSTRAINTS", "RegressionNetwork", "RegressionTargets"]

REGRESSOR_CONSTRAINTS: dict[str, Constraint] = {
    "loss": loss_constraint(loss_names(of_classes=False), of_classes=False),
    "huber_delta": Real(0, low_open=True, example=1.0),
    "quantile": Real(0, 1, low_open=True, high_open=True, example=0.9),
    "target_scaling": Boolean(),
}


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
        y = as_columns(y.astype(np.float64), warn=reset)
        check_targets_fit_float32(self.owner, y)
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

    def fitted_attributes(self) -> dict[str, Any]:
        public = {"n_outputs": "n_outputs_", "offset": "target_offset_", "scale": "target_scale_"}
        return {public[k]: v for k, v in vars(self).items() if k in public}

    def learn_units(self, targets: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        n_outputs = targets.shape[1]
        self.offset, self.scale = np.zeros(n_outputs), np.ones(n_outputs)
        if not self._scaling:
            return
        mean = np.average(targets, axis=0, weights=weight)
        if self._is_of_counts:
            scale = mean
        else:
            self.offset = mean
            scale = np.sqrt(np.average((targets - mean) ** 2, axis=0, weights=weight))
        # Smaller numbers are zero in float32, so a network could tell nothing of them.
        spread = np.abs(targets - self.offset).max(axis=0)
        too_small = (spread > 10 * np.finfo(np.float64).eps * np.abs(mean)) & (
            spread < np.finfo(np.float32).tiny
        )
        if too_small.any():
            raise ValueError(
                f"{self.owner}: y varies by {spread[too_small].max():g} only, too little for "
                "float32. Expected at least about 1e-37: multiply y by a factor."
            )
        # A constant target, up to rounding, keeps its own scale.
        floor = 10 * np.finfo(np.float64).eps * np.maximum(np.abs(mean), 1e-30)
        self.scale = np.where(scale > floor, scale, 1.0)

    def scaled(self, targets: NDArray[Any]) -> NDArray[np.float32]:
        return ((targets - self.offset) / self.scale).astype(np.float32)

    @property
    def units(self) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """Scale and offset of the targets' units."""
        return self.scale.astype(np.float32), self.offset.astype(np.float32)

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
        # Other losses say what is to be predicted, such as a quantile: not for a search to change.
        formula = _formula_of(self.loss)
        if formula is not None and formula.may_be_searched:
            # Down to 0.1 standard deviations it is nearly "mae", which needs no choice of its own.
            space["loss"] = Choice("mse", "huber")
            space["huber_delta"] = Number(0.1, 3.0, log=True, only_if=("loss", "huber"))
        return space
