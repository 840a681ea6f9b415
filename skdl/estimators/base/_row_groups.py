"""Groups of rows, known to whoever splits the rows, for the network inside that splits them again.

A network that stops early holds out rows of its own. If these share a patient, a storm or a day
with rows that it learns from, it stops too late. So cross-validation, searches and ensembles that
were given `groups` tell whom they fit, through pipelines too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d

from skdl._compat_sklearn import num_samples
from skdl.estimators.base._fit_context import FitContext

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RowGroups"]


class RowGroups(FitContext):
    """Context in which an estimator is fitted whose rows belong to groups.

    Parameters
    ----------
    estimator : object
        What is fitted inside the context, in this thread: a network, a search or an ensemble, or
        a Pipeline or TransformedTargetRegressor that ends in one. Others inside it are told
        nothing, as their rows may be a part of these, drawn anew.
    groups : array-like of shape (n_samples,) or None
        Of the rows that `estimator` is fitted on.
    """

    def __init__(self, estimator: Any, groups: ArrayLike | None) -> None:
        super().__init__(estimator)
        self._groups = groups

    @classmethod
    def of_rows(cls, estimator: Any, X: Any) -> NDArray[Any] | None:
        """Return the groups of the rows `X` that an estimator is being fitted on.

        Returns
        -------
        groups : ndarray of shape (n_samples,) or None
            None where nobody has told any.

        Raises
        ------
        ValueError
            If a step in front of it changes which rows there are.
        """
        context = cls.current()
        if context is None or context._groups is None:
            return None
        way = _steps_before(estimator, context._estimator)
        if way is None:
            return None
        groups: NDArray[Any] = column_or_1d(np.asarray(context._groups))
        changes_rows = any(hasattr(step, "fit_resample") for step in way)
        if changes_rows or num_samples(X) != len(groups):
            raise ValueError(
                f"{type(estimator).__name__}: groups are known of {len(groups)} rows, but a step "
                f"in front of it changes which rows there are; now there are {num_samples(X)}. "
                "Expected steps that keep the rows. For a network, X_val and y_val or "
                "early_stopping=False do without groups."
            )
        return groups


def _steps_before(inner: Any, estimator: Any) -> list[Any] | None:
    """Return the steps between an estimator that is being fitted and the one that it ends in."""
    from sklearn.compose import TransformedTargetRegressor  # not needed to predict, and slow

    steps: list[Any] = []
    while estimator is not inner:
        if isinstance(estimator, Pipeline):
            steps += [step for _, step in estimator.steps[:-1]]
            estimator = estimator.steps[-1][1]
        elif isinstance(estimator, TransformedTargetRegressor):
            estimator = getattr(estimator, "regressor_", None)
        else:
            return None
    return steps
