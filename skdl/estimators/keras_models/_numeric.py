"""User's models whose outputs are numbers: what regressors and transformers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.estimators.base._targets import NumericNetwork
from skdl.estimators.keras_models._base import OwnModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.estimators.keras_models._losses import Target

__all__ = ["OwnNumericModel"]


class OwnNumericModel(OwnModel, NumericNetwork):
    """A user's model that is trained on numbers."""

    def predict(self, X: Any) -> Any:
        """Predict targets in their own units.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
            With a ``target_encoder``, what that gives.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        if self.target_encoder is None:
            return super().predict(X)
        return self.target_encoder_.inverse_transform(self._outputs(X))

    def _encode_targets(self, y: Any, *, reset: bool) -> NDArray[Any]:
        if self.target_encoder is None:
            targets: NDArray[Any] = super()._encode_targets(y, reset=reset)
        else:
            targets = np.asarray(y)
        if reset:
            kind = "continuous-multioutput" if targets.ndim > 1 and targets.shape[1] > 1 else ""
            self._learn_targets(y, kind or "continuous")
        return targets

    def _scale_targets(self, y: NDArray[Any], weight: Any, *, reset: bool) -> NDArray[Any]:
        if self.target_encoder is None:
            return super()._scale_targets(y, weight, reset=reset)
        return y

    def _units(self) -> tuple[Any, Any]:
        return super()._units() if self.target_encoder is None else (None, None)

    def _target_form(self, loss: Any, n_outputs: int | None) -> Target:
        del loss
        if n_outputs is not None and n_outputs != self.n_outputs_:
            raise ValueError(
                f"{type(self).__name__}: the model has {n_outputs} outputs for each row, but y has "
                f"{self.n_outputs_} columns. Expected equal numbers: build the last layer for "
                "meta['n_outputs_']."
            )
        return "values"

    def _take_over_targets(self, theirs: Any) -> None:
        self.n_outputs_ = theirs.n_outputs_
        self._is_multioutput = self.n_outputs_ > 1
        self.target_offset_ = np.zeros(self.n_outputs_)
        self.target_scale_ = np.ones(self.n_outputs_)
