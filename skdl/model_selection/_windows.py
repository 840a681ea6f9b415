"""From a table in the order of time to windows and what follows them, without a leak at a border.

A window is `length` rows in a row; its targets are those of the `horizon` rows behind it. Windows
that overlap share rows: split at random, nearly every test window would have a twin among the
training windows. So the rows are split first, and the windows follow (`Windows.split`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.model_selection import check_cv
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from skdl._data_checks import naming
from skdl._row_groups import checked_groups
from skdl._validation import Constraint, Integer, check_parameters, show
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._arguments import checked_splits

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Windows"]

_OWNER = "Windows"
_CONSTRAINTS: dict[str, Constraint] = {
    "length": Integer(1, example=30),
    "horizon": Integer(1, example=1),
    "stride": Integer(1, example=1),
    "season": Integer(1, example=7),
}


class Windows:
    """Windows of a table in the order of time, their targets, and splits that leak nothing.

    Window i is `length` rows of the table from row ``start_[i]`` on; its targets are `y` of the
    next `horizon` rows. No window crosses from one group into another.

    Parameters
    ----------
    X : array-like of shape (n_times, n_channels) or (n_times,)
        Numbers, in the order of time; the rows of a group stand together.
    y : array-like of shape (n_times,) or (n_times, n_targets), default=None
        What is to be forecast, in the same order; it may be a column of `X`. Without it there are
        windows to predict from, up to the last row.
    length : int, default=30
        Rows of a window.
    horizon : int, default=1
        Rows behind a window to forecast; more than one gives as many columns of targets.
    stride : int, default=1
        Rows from the start of one window to that of the next.
    groups : array-like of shape (n_times,), default=None
        Series that stand one after the other in the table, such as stations.

    Attributes
    ----------
    X : ndarray of shape (n_windows, length, n_channels), float32
        Views of one array without `groups`; not to be written to.
    y : ndarray of shape (n_windows,) or (n_windows, horizon or n_targets), or None
        Targets.
    start_ : ndarray of shape (n_windows,)
        First row of each window.
    groups : ndarray of shape (n_windows,) or None
        Group of each window.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> series = np.arange(10.0)
    >>> windows = Windows(series, series, length=3)
    >>> windows.X.shape, windows.y
    ((7, 3, 1), array([3., 4., 5., 6., 7., 8., 9.]))
    >>> for train, test in windows.split(TimeSeriesSplit(2)):
    ...     print(train, test)
    [0] [1 2 3]
    [0 1 2 3] [4 5 6]
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        length: int = 30,
        horizon: int = 1,
        stride: int = 1,
        groups: ArrayLike | None = None,
    ) -> None:
        given = {"length": length, "horizon": horizon, "stride": stride}
        check_parameters(_OWNER, given, _CONSTRAINTS)
        table = _as_table(X)
        self._n_times = len(table)
        self._targets = None if y is None else _as_targets(y, table, horizon)
        self._rows_of_groups = (
            None if groups is None else checked_groups(_OWNER, groups, len(table))
        )
        self.length, self.horizon, self.stride = int(length), int(horizon), int(stride)
        runs = _runs(self._rows_of_groups, len(table))
        # Rows that a window and its targets cover.
        self._span = self.length + (0 if y is None else self.horizon)
        starts = [np.arange(a, b - self._span + 1, self.stride) for a, b in runs]
        self.start_ = np.concatenate(starts)
        if not len(self.start_):
            longest = max(b - a for a, b in runs)
            of_group = "" if groups is None else " of one group"
            raise InvalidParameterError(
                f"{_OWNER}: a window of length={length!r} with horizon={horizon!r} takes "
                f"{self._span} rows{of_group}, but X has {longest} at most. Expected a shorter "
                "window, or more rows."
            )
        views = np.moveaxis(sliding_window_view(table, self.length, axis=0), -1, 1)
        last = self.start_[-1] + 1
        self.X = views[: last : self.stride] if len(runs) == 1 else views[self.start_]
        ahead = (self.start_ + self.length)[:, None] + np.arange(self.horizon)
        self.y = None if self._targets is None else _at(self._targets, ahead)
        rows = self._rows_of_groups
        self.groups = None if rows is None else rows[self.start_]

    def __len__(self) -> int:
        return len(self.start_)

    def __repr__(self) -> str:
        channels = self.X.shape[2]
        return (
            f"Windows({len(self)} of {self.length} rows and {channels} channels, "
            f"horizon={self.horizon}, stride={self.stride})"
        )

    def split(self, cv: Any = 5) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Split the rows of the table, and return which windows follow on either side.

        A window is a training window if all its rows and targets are training rows, and a test
        window if all its targets are test rows: it may look back into the past, as it will when
        the model is used. So no training window holds a row whose target is scored. Others are
        left out.

        Parameters
        ----------
        cv : int, splitter or iterable of (train, test), default=5
            Splits the rows of the table, given `y` and the groups: ``TimeSeriesSplit`` for one
            series, ``GroupKFold`` for windows of series that are not seen in training.

        Returns
        -------
        splits : list of (train, test)
            Positions of windows, as ``cv`` of any function.

        Raises
        ------
        InvalidParameterError
            If a split is no pair of positions, or masks, of rows.
        ValueError
            If a side of a split has no window.
        """
        rows = np.empty((self._n_times, 1))
        of_rows = checked_splits(
            _OWNER, cv, check_cv(cv), rows, self._targets, groups=self._rows_of_groups
        )
        splits = []
        for number, (train, test) in enumerate(of_rows):
            in_train = self._all_within(train, self.start_, self._span)
            # Of windows without targets the last row counts.
            has_targets = self._targets is not None
            behind = self.start_ + self.length - (not has_targets)
            in_test = self._all_within(test, behind, self.horizon if has_targets else 1)
            for side, is_in, n_rows in (
                ("training", in_train, len(train)),
                ("test", in_test, len(test)),
            ):
                if not is_in.any():
                    raise ValueError(
                        f"{_OWNER}: split {number} of cv={show(cv)} has {n_rows} {side} rows, in "
                        f"which no window of length={self.length} with horizon={self.horizon} "
                        "has its place. Expected fewer splits, shorter windows or more rows."
                    )
            splits.append((np.flatnonzero(in_train), np.flatnonzero(in_test)))
        return splits

    def naive(self, season: int = 1) -> NDArray[Any]:
        """Return forecasts that take no model: the last value, or that of the last season.

        Parameters
        ----------
        season : int, default=1
            Rows after which values recur: 1 repeats the last value of the window, 7 in a table of
            days the value of the same weekday.

        Returns
        -------
        y_naive : ndarray of the shape of ``y``
            As ``baseline`` of `cross_validate`.

        Raises
        ------
        InvalidParameterError
            If there are no targets, or the season is longer than a window.
        """
        check_parameters(_OWNER, {"season": season}, _CONSTRAINTS)
        if self._targets is None or season > self.length:
            wrong = "there is no y" if self._targets is None else f"season={season!r} is too long"
            raise InvalidParameterError(
                f"{_OWNER}: {wrong} for a naive forecast from {self.length} rows. Expected a y, "
                "and a season of at most the length of a window."
            )
        steps_back = season - np.arange(self.horizon) % season
        return _at(self._targets, (self.start_ + self.length)[:, None] - steps_back)

    # ------------------------------------------------------------------ inside

    def _all_within(
        self, rows: NDArray[np.intp], start: NDArray[np.intp], n: int
    ) -> NDArray[np.bool_]:
        """Tell of which windows all rows from `start` on, so many, are among some rows."""
        counts = np.zeros(self._n_times + 1, np.intp)
        counts[rows + 1] = 1
        counts = counts.cumsum()
        stop = np.minimum(start + n, self._n_times)
        return counts[stop] - counts[start] == n


def _at(targets: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return the targets of some rows ``[n_windows, horizon]``."""
    found: NDArray[Any] = targets[rows]
    return found[:, 0] if rows.shape[1] == 1 else found


def _as_table(X: Any) -> NDArray[np.float32]:
    with naming(_OWNER, "X"):
        table = check_array(
            X, dtype=np.float32, ensure_2d=False, ensure_all_finite="allow-nan", input_name="X"
        )
    return table[:, None] if table.ndim == 1 else table


def _as_targets(y: Any, table: NDArray[Any], horizon: int) -> NDArray[Any]:
    with naming(_OWNER, "y"):
        targets: NDArray[Any] = check_array(y, dtype=None, ensure_2d=False, input_name="y")
        check_consistent_length(table, targets)
    if targets.ndim > 1 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim > 1 and horizon > 1:
        raise InvalidParameterError(
            f"{_OWNER}: horizon={horizon!r} and y of shape {targets.shape} would give targets in "
            "three dimensions. Expected one column of y, or horizon=1."
        )
    return targets


def _runs(groups: NDArray[Any] | None, n_times: int) -> list[tuple[int, int]]:
    """Return first row and end of each group."""
    if groups is None:
        return [(0, n_times)]
    codes = pd.factorize(groups)[0]
    begins = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    if len(begins) > codes.max() + 1:
        seen, counts = np.unique(codes[begins], return_counts=True)
        torn = groups[codes == seen[counts > 1][0]].tolist()[0]
        raise InvalidParameterError(
            f"{_OWNER}: the rows of group {show(torn)} do not stand together. Expected one group "
            "after the other, each in the order of time: sort by group, then by time."
        )
    return list(zip(begins.tolist(), [*begins[1:].tolist(), n_times], strict=True))
