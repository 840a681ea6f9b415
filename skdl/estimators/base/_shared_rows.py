"""Rows in one place, of which the folds of a cross-validation hold no copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdl._lazy_rows import TakesLazyRows

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["shared_rows"]


def shared_rows(estimator: Any, X: Any, known: dict[Hashable, Any]) -> Any:
    """Return rows in the form that the folds of an estimator share.

    Parameters
    ----------
    estimator : object
    X : array-like
        All rows.
    known : dict
        Forms of the same rows that other estimators asked for; is added to.

    Returns
    -------
    rows : LazyRows or array-like
        `X` itself for estimators and rows of which each fold gets a copy.
    """
    if not isinstance(estimator, TakesLazyRows):
        return X
    key = type(estimator), estimator._form_of_lazy_rows()
    if key not in known:
        try:
            known[key] = estimator._lazy_rows(X)
        except ValueError:  # each fit says what is wrong with the rows
            known[key] = X
    return known[key]
