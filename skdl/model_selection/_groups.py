"""Groups of rows on their way from whoever was given them to all who split the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils.metadata_routing import get_routing_for_object

from skdl.estimators.base import RowGroups

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["known_groups"]


def known_groups(
    estimator: Any, cv: Any, X: Any, split_params: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return the groups of the rows that an estimator splits, its own or those told from outside.

    Parameters
    ----------
    estimator : object
        Is being fitted.
    cv : int, splitter, iterable or None
        How it splits.
    X : array-like of shape (n_samples, ...)
    split_params : mapping of str to array-like or None
        What it was given for the splitter.

    Returns
    -------
    groups : array-like of shape (n_samples,) or None
    split_params : dict of str to array-like
        For the splitter, with the groups if it takes any.
    """
    given = {name: value for name, value in split_params.items() if value is not None}
    if "groups" in given:
        return given["groups"], given
    groups = RowGroups.of_rows(estimator, X)
    if groups is not None and _takes_groups(cv):
        given["groups"] = groups
    return groups, given


def _takes_groups(cv: Any) -> bool:
    if hasattr(cv, "split"):
        return bool(get_routing_for_object(cv).consumes("split", ["groups"]))
    # A number of folds keeps groups together; of an iterable the splits are made already.
    return cv is None or not hasattr(cv, "__iter__")
