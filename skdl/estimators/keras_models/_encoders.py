"""What SciKeras calls the encoders of an estimator that has none of the user's own.

Functions that build a model find them in ``meta``, and code written for SciKeras calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from skdl._plain_data import instance, register
from skdl.estimators.base._targets import Targets

if TYPE_CHECKING:
    from skdl.estimators.keras_models._targets import UserModelTargets

__all__ = ["RowEncoder", "TargetEncoder"]


class RowEncoder(TransformerMixin, BaseEstimator):
    """Leaves rows as they are."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Return the encoder, which has nothing to learn."""
        del X, y
        return self

    def transform(self, X: Any) -> Any:
        """Return the rows."""
        return X

    def inverse_transform(self, X: Any) -> Any:
        """Return the rows."""
        return X

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class TargetEncoder(TransformerMixin, BaseEstimator):
    """Targets as the network learns them, and predictions out of what it gives.

    Parameters
    ----------
    targets : UserModelTargets
        Of a fitted estimator.
    """

    def __init__(self, targets: UserModelTargets) -> None:
        self.targets: Any = targets

    def fit(self, y: Any) -> Self:
        """Return the encoder, which has learned from the estimator's targets."""
        del y
        return self

    def transform(self, y: Any) -> Any:
        """Return targets as columns: class numbers, numbers, or 0 and 1 for each label."""
        targets = self.targets
        return targets.scaled(targets.encode(np.asarray(y), reset=False))

    def inverse_transform(self, y: Any, return_proba: bool = False) -> Any:
        """Return the predictions that a network's outputs stand for, or class probabilities."""
        outputs = np.asarray(y, np.float32)
        outputs = outputs[:, None] if outputs.ndim == 1 else outputs
        if return_proba:
            return self.targets.probabilities(outputs)
        return self.targets.decode(outputs)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TargetEncoder):
            return False
        one: Any = self.targets
        two: Any = other.targets
        return type(one) is type(two) and all(
            np.array_equal(vars(one).get(name, 0), vars(two).get(name, 0)) for name in one.learned
        )

    def __hash__(self) -> int:
        return hash(type(self.targets))


register(RowEncoder, {})
register(TargetEncoder, {"targets": instance(Targets)})
