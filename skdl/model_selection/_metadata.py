"""Groups and times of rows on their way from whoever was given them to all who split the rows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from sklearn.model_selection import GroupKFold
from sklearn.utils.metadata_routing import get_routing_for_object

from skdl._row_times import check_gap
from skdl.estimators.base import FitMetadata, RowMetadata
from skdl.model_selection._arguments import checked_splits
from skdl.model_selection._time_split import TimeOrderedSplit, check_order

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["known_metadata", "routed_splitter", "split_rows"]


class _FoldsByNumber(GroupKFold):
    """What a number of folds asks for: groups or times, if there are any."""

    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True, "time": True}


def routed_splitter(cv: Any) -> Any:
    """Return what says, where metadata are routed, which of them a `cv` takes."""
    return cv if hasattr(cv, "split") else _FoldsByNumber()


def known_metadata(
    estimator: Any, X: Any, split_params: Mapping[str, Any], time: Any
) -> RowMetadata:
    """Return groups or times of the rows that an estimator splits, its own or those of outside.

    Parameters
    ----------
    estimator : object
        Is being fitted.
    X : array-like of shape (n_samples, ...)
    split_params : mapping of str to array-like or None
        What it was given for the splitter.
    time : array-like, str or None
        What it was given as times.

    Returns
    -------
    metadata : RowMetadata
    """
    owner = type(estimator).__name__
    own = RowMetadata.checked(owner, X, split_params.get("groups"), time)
    return own or FitMetadata.of_rows(estimator, X)


def split_rows(
    owner: str,
    cv: Any,
    splitter: Any,
    X: Any,
    y: Any,
    metadata: RowMetadata,
    split_params: Mapping[str, Any],
) -> tuple[list[tuple[Any, Any]], RowMetadata]:
    """Return splits that keep to what is known of the rows.

    Parameters
    ----------
    owner : str
        Begins the messages.
    cv : object
        As the user passed it.
    splitter : object
        What it stands for; gets groups and times if it takes any.
    X, y : array-like
    metadata : RowMetadata
    split_params : mapping of str to array-like or None
        What was given for the splitter.

    Returns
    -------
    splits : list of (train, test)
    metadata : RowMetadata
        For splits inside, which keep the gap of these.

    Raises
    ------
    InvalidParameterError
        If the splits are none, or train on rows that are later than some that they judge.
    """
    given = {name: value for name, value in split_params.items() if value is not None}
    for name, value in metadata.as_arguments().items():
        if get_routing_for_object(splitter).consumes("split", [name]):
            given.setdefault(name, value)
    splits = checked_splits(owner, cv, splitter, X, y, **given)
    if metadata.time is None:
        return splits, metadata
    check_order(owner, cv, splits, metadata.time)
    if isinstance(splitter, TimeOrderedSplit):
        gap = check_gap(owner, splitter.gap, metadata.time)
        metadata = dataclasses.replace(metadata, gap=gap)
    return splits, metadata
