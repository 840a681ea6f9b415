"""A look at tables that are split at random, whose rows may be ordered in time, or grouped.

Only frames say so, by dates and by columns that are called an id. Better no word than a false one:
a table of independent rows must pass in silence.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    KFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from skdl._row_times import checked_times
from skdl.estimators.base import FitMetadata
from skdl.exceptions import RandomSplitWarning
from skdl.model_selection._split import IteratedKFold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from skdl.estimators.base import RowMetadata

    Splits = Sequence[tuple[NDArray[Any], NDArray[Any]]]

__all__ = ["warn_about_random_splits"]

_AT_RANDOM = (
    IteratedKFold,
    KFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
_DATE_TYPES = ("date", "timestamp")  # "datetime64[ns]" and "Date", or "timestamp[ns][pyarrow]"
_BIRTH = re.compile(r"birth|born|\bdob\b|_dob\b|\bdob_", re.IGNORECASE)
# "id", "storm_id", "stormId" and "storm ID", but neither "humid" nor "covid".
_ID = re.compile(r"(?i:^|[_\W])(?i:id|uid|uuid|guid)$|(?<=[a-z])I[Dd]$")
_WHO = re.compile(
    r"^(?:patient|subject|participant|respondent|user|customer|household)s?"
    r"[_\W]*(?:id|no|nr|num|number|code)?\W*$",
    re.IGNORECASE,
)
# Of fewer values, a column is rather a category: of someone's, or of anything else.
_LEAST_PERSONS, _LEAST_IDS = 10, 20
_LEAST_ROWS_OF_AN_ID = 2
# Of the test rows, with an id among the training rows too.
_LEAST_SHARE = 0.1


def warn_about_random_splits(
    owner: str, cv: Any, X: Any, splits: Splits, metadata: RowMetadata, *, stacklevel: int = 3
) -> None:
    """Warn if rows that look ordered in time, or grouped, are split as if they were independent.

    - Ordered: a column of dates, none of them missing and not of births, by which splits train on
      rows that are later than some that they test on.
    - Grouped: a column of integers or texts that is called an id, with values that repeat, and
      that at least 10 % of the test rows share with training rows. Where the name does not say
      that these are persons, there must also be many values with few rows each.

    Nothing is said where groups or times were given, of splitters that someone chose for such
    data, nor inside of another cross-validation, search or ensemble.

    Parameters
    ----------
    owner : str
        Begins the message.
    cv : object
        As the user passed it.
    X : array-like of shape (n_samples, ...)
    splits : sequence of (train, test)
    metadata : RowMetadata
    stacklevel : int, default=3
        Of the warning, so that it points to the user's line.

    Warns
    -----
    RandomSplitWarning
        If the rows look so.
    """
    is_at_random = not hasattr(cv, "__iter__") and (
        not hasattr(cv, "split") or isinstance(cv, _AT_RANDOM)
    )
    if metadata or not is_at_random or FitMetadata.current() is not None:
        return
    told = _told_of_dates(owner, X, splits) or _told_of_ids(X, splits)
    if told:
        message = f"{owner}: {told} If the rows are independent, ignore RandomSplitWarning."
        warnings.warn(message, RandomSplitWarning, stacklevel=stacklevel)


def _columns(X: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and types of the columns of a frame of pandas or polars."""
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        names_and_types = zip(X.columns, X.dtypes, strict=True)
        yield from ((name, kind) for name, kind in names_and_types if isinstance(name, str))


def _told_of_dates(owner: str, X: Any, splits: Splits) -> str:
    for name, kind in _columns(X):
        if not str(kind).lower().startswith(_DATE_TYPES) or _BIRTH.search(name):
            continue
        try:
            times = checked_times(owner, X[name], X)
        except ValueError:
            # Missing dates, or two columns of one name.
            continue
        wrong = sum(times[train].max() > times[test].min() for train, test in splits)
        # So many that there can be a split in their order.
        if wrong and len(np.unique(times)) > len(splits):
            return (
                f"column {name!r} holds dates, and {wrong} of {len(splits)} splits train on rows "
                "that are later than some that they test on. If rows depend on earlier ones, this "
                f"flatters the scores: pass time={name!r}, with cv as a number."
            )
    return ""


def _told_of_ids(X: Any, splits: Splits) -> str:
    for name, kind in _columns(X):
        is_person = bool(_WHO.search(name))
        if not is_person and not _ID.search(name):
            continue
        if not str(kind).lower().startswith(("int", "uint", "str", "object", "categ")):
            continue
        codes, values = pd.factorize(np.asarray(X[name]))
        n_rows, n_values = len(codes), len(values)
        if (codes < 0).any() or n_rows < _LEAST_ROWS_OF_AN_ID * n_values:
            continue
        is_group = (
            n_values >= _LEAST_PERSONS
            if is_person
            else n_values >= _LEAST_IDS and n_rows <= n_values**2
        )
        if not is_group:
            continue
        n_torn = sum(np.isin(codes[test], codes[train]).sum() for train, test in splits)
        share = n_torn / sum(len(test) for _, test in splits)
        if share >= _LEAST_SHARE:
            return (
                f"column {name!r} has {n_values} values in {n_rows} rows, and {100 * share:.0f} % "
                "of the rows to test on share theirs with rows to train on. If rows of one value "
                "are alike, and new rows will be of others, this flatters the scores: pass "
                f"groups=X[{name!r}]."
            )
    return ""
