"""Splits in the order of time: train on the past, test on what came next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.metadata_routing import UNUSED

from skdl._compat_sklearn import num_samples
from skdl._row_times import block_starts, check_gap, checked_times, is_gap, rows_before
from skdl._validation import AnyOf, Constraint, Integer, OneOf, Predicate, check_parameters, show
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._arguments import check_rows

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["TimeOrderedSplit", "check_order"]

_OWNER = "TimeOrderedSplit"
_CONSTRAINTS: dict[str, Constraint] = {
    "n_splits": Integer(2, example=5),
    "gap": AnyOf(
        OneOf(None),
        Predicate(is_gap, "a number >= 0, or for dates a timedelta such as pandas.Timedelta('7D')"),
    ),
}


class TimeOrderedSplit(BaseCrossValidator):
    """Expanding windows by time: train on all rows before a block, test on the block.

    The rows, in the order of their times, make ``n_splits + 1`` blocks of about equal size. Each
    block but the first is tested on once, by what was trained on all blocks before it. Rows of
    equal times are in one block, so that no row is judged by another of the same moment.

    Parameters
    ----------
    n_splits : int, default=5
        Number of splits; at least 2.
    gap : float, timedelta or None, default=None
        In the unit of the times, or a duration where they are dates: rows to train on are at least
        so much earlier than the first row to test on; those between are left out. For targets
        that look ahead, such as sales of the next 7 days, or features that look back.

    See Also
    --------
    sklearn.model_selection.TimeSeriesSplit : For rows that are in order, by their positions; its
        gap is a number of rows.
    cross_validate : With ``time`` and `cv` as a number, it splits so by itself.

    Examples
    --------
    >>> import numpy as np
    >>> X, years = np.zeros((6, 1)), [2003, 2001, 2002, 2001, 2004, 2003]
    >>> for train, test in TimeOrderedSplit(n_splits=2).split(X, time=years):
    ...     print(train, test)
    [1 3] [2]
    [1 2 3] [0 4 5]
    >>> for train, test in TimeOrderedSplit(n_splits=2, gap=2).split(X, time=[0, 1, 2, 4, 5, 6]):
    ...     print(train, test)
    [0] [2 3]
    [0 1 2] [4 5]
    """

    # The times are handed on to `split` wherever they are passed.
    __metadata_request__split: ClassVar[dict[str, Any]] = {"time": True, "groups": UNUSED}

    def __init__(
        self, n_splits: int = 5, gap: float | dt.timedelta | np.timedelta64 | None = None
    ) -> None:
        self.n_splits = n_splits
        self.gap = gap
        # As in scikit-learn, a splitter has no `fit` and checks its parameters at once.
        check_parameters(_OWNER, vars(self), _CONSTRAINTS)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored; here for scikit-learn.

        Returns
        -------
        n_splits : int
            As given.
        """
        del X, y, groups
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None, time: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the rows to train and to test on, the earliest block to test on first.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : object, default=None
            Ignored; here for scikit-learn.
        groups : None
            Must be left out; here for scikit-learn.
        time : array-like of shape (n_samples,) or str
            Numbers or dates, or the name of a column of `X`.

        Yields
        ------
        train, test : ndarray of int
            Row numbers in ascending order.

        Raises
        ------
        ValueError
            If there are no times, if some are missing, if fewer than ``n_splits + 1`` of them are
            distinct, or if the gap leaves no row to train on.
        """
        del y
        check_rows(_OWNER, "X", X)
        if time is None or groups is not None:
            told = "time was not given" if time is None else "groups were given"
            raise InvalidParameterError(
                f"{_OWNER}: {told}. Expected the time of each row alone: split(X, time=...), or "
                "cross_validate(..., cv=TimeOrderedSplit(), time=...) of skdl. For rows that are "
                "in order, sklearn.model_selection.TimeSeriesSplit needs no times."
            )
        times = checked_times(_OWNER, time, X)
        gap = check_gap(_OWNER, self.gap, times)
        n_rows = num_samples(X)
        wanted = [n_rows * k // (self.n_splits + 1) for k in range(1, self.n_splits + 1)]
        starts = block_starts(_OWNER, times, wanted)
        for number, start in enumerate(starts):
            train = np.flatnonzero(rows_before(times, start, gap))
            if not len(train):
                raise ValueError(
                    f"{_OWNER}: gap={self.gap!r} leaves no row to train on in split {number}, the "
                    f"rows to test on of which begin at {start}; the earliest row is of "
                    f"{times.min()}. Expected a smaller gap, or fewer splits."
                )
            is_tested = times >= start
            if number + 1 < len(starts):
                is_tested &= times < starts[number + 1]
            yield train, np.flatnonzero(is_tested)


def are_in_order(
    splits: Sequence[tuple[NDArray[Any], NDArray[Any]]], time: NDArray[Any] | None = None
) -> bool:
    """Tell whether each split trains on the past alone, of all that is known.

    Parameters
    ----------
    splits : sequence of (train, test)
        Several are in order if each trains on rows that stand before those that it judges.
    time : ndarray of shape (n_rows,), optional
        To which splits keep, wherever their rows stand, see `check_order`.

    Examples
    --------
    >>> from sklearn.model_selection import KFold, TimeSeriesSplit
    >>> [are_in_order(list(cv(3).split(np.zeros(9)))) for cv in (TimeSeriesSplit, KFold)]
    [True, False]
    """
    if time is not None:
        return True
    return len(splits) > 1 and all(
        len(train) and len(test) and np.max(train) < np.min(test) for train, test in splits
    )


def check_order(
    owner: str, cv: Any, splits: Sequence[tuple[NDArray[Any], NDArray[Any]]], times: NDArray[Any]
) -> None:
    """Refuse splits that train on a row later than one that they judge.

    Raises
    ------
    InvalidParameterError
        If there is such a split; the message says which, and what to write.
    """
    for number, (train, test) in enumerate(splits):
        latest, earliest = train[times[train].argmax()], test[times[test].argmin()]
        if times[latest] > times[earliest]:
            raise InvalidParameterError(
                f"{owner}: cv={show(cv)} does not keep to time: split {number} trains on row "
                f"{latest} of {times[latest]}, and tests on row {earliest} of {times[earliest]}, "
                "which is earlier. Expected that no row to test on is earlier than one to train "
                "on: cv as a number of splits, such as cv=5, or TimeOrderedSplit(5); for "
                "TimeSeriesSplit, sort the rows by time first."
            )
