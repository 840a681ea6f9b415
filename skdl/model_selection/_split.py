"""How rows are split: iterated K-fold, and a training, a validation and a test part.

Without groups the work is done by scikit-learn's own splitters, whose splits ours equal for equal
seeds. With groups and without classes it is done here: of scikit-learn's splitters those that
shuffle groups (``GroupKFold(shuffle=True)``, ``GroupShuffleSplit``) balance the number of groups,
not that of rows, so that a few large groups make some folds several times as large as others.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupKFold,
    KFold,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
    train_test_split,
)
from sklearn.utils import check_random_state, indexable

from skdl._compat_sklearn import num_samples, safe_indexing
from skdl._row_groups import checked_groups
from skdl._validation import (
    RANDOM_STATE,
    AnyOf,
    Boolean,
    Constraint,
    Integer,
    OneOf,
    Predicate,
    Real,
    check_parameters,
)
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._arguments import check_rows
from skdl.model_selection._time_split import TimeOrderedSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CONSTRAINTS",
    "SHUFFLE_SEED",
    "IteratedKFold",
    "check_folds",
    "rows_of_splits",
    "splits_per_iteration",
    "train_validation_test_split",
]

# An integer `cv` means the same splits in every call and process, as it does in scikit-learn.
SHUFFLE_SEED = 0

_SIZE = AnyOf(Real(0, 1, low_open=True, high_open=True, example=0.2), Integer(1))


def _is_splitter(value: object) -> bool:
    has_splits = hasattr(value, "split") or hasattr(value, "__iter__")
    return has_splits and not isinstance(value, str | bytes | type)


CONSTRAINTS: dict[str, Constraint] = {
    "cv": AnyOf(
        OneOf(None),
        Integer(2, example=5),
        Predicate(_is_splitter, "a scikit-learn splitter or an iterable of (train, test) indices"),
    ),
    "n_splits": Integer(2, example=5),
    "n_iterations": Integer(1, 100_000, example=10),
    "random_state": RANDOM_STATE,
    "stratified": Boolean(),
    "shuffle": Boolean(),
    "validation_size": _SIZE,
    "test_size": _SIZE,
}


class IteratedKFold(BaseCrossValidator):
    """Iterated K-fold with shuffling: K-fold over and over, each time in a new order of rows.

    The way to score a model as precisely as possible where data are few [1]_. Without groups the
    splits are those of scikit-learn's ``RepeatedKFold`` or, with ``stratified=True``,
    ``RepeatedStratifiedKFold`` of the same `random_state`. Unlike those, it also takes groups.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds in each iteration; at least 2.
    n_iterations : int, default=10
        Number of times that the rows are shuffled and split; at least 1.
    random_state : int, RandomState or None, default=None
        Pass an int to get the same splits from every call of ``split``; the iterations still
        differ from one another, and a larger `n_iterations` only adds splits at the end.
    stratified : bool, default=False
        Whether each fold has about the same share of each class of `y` as all rows.

    See Also
    --------
    sklearn.model_selection.RepeatedKFold : The same without groups.

    Notes
    -----
    With groups, the rows of a group stay on one side of every split:

    - ``stratified=False``: the groups are shuffled and dealt out, each to the fold with the fewest
      rows. So two folds of an iteration never differ by more rows than the largest group has.
      (``GroupKFold(shuffle=True)`` deals out equally many *groups*, however large.)
    - ``stratified=True``: scikit-learn's ``StratifiedGroupKFold(shuffle=True)``. It shuffles only
      among groups of similar make-up, so iterations over few groups may resemble each other, and
      it takes about a second per iteration for 10,000 groups.

    References
    ----------
    .. [1] F. Chollet: Deep Learning with Python (2nd edition, Manning 2021), section 5.2.1,
       "Iterated K-fold validation with shuffling".

    Examples
    --------
    >>> import numpy as np
    >>> folds = IteratedKFold(n_splits=2, n_iterations=2, random_state=0)
    >>> folds.get_n_splits()
    4
    >>> for train, test in folds.split(np.zeros((4, 1))):
    ...     print(train, test)
    [0 1] [2 3]
    [2 3] [0 1]
    [1 3] [0 2]
    [0 2] [1 3]
    >>> for train, test in folds.split(np.zeros((4, 1)), groups=["a", "a", "a", "b"]):
    ...     print(train, test)
    [0 1 2] [3]
    [3] [0 1 2]
    [3] [0 1 2]
    [0 1 2] [3]
    """

    # Groups are handed on to `split` wherever they are passed, and may be left out.
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def __init__(
        self,
        n_splits: int = 5,
        n_iterations: int = 10,
        random_state: int | np.random.RandomState | None = None,
        *,
        stratified: bool = False,
    ) -> None:
        self.n_splits = n_splits
        self.n_iterations = n_iterations
        self.random_state = random_state
        self.stratified = stratified
        # As in scikit-learn, a splitter has no `fit` and checks its parameters at once.
        check_parameters("IteratedKFold", vars(self), CONSTRAINTS)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Return the number of splits: folds times iterations.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored; here for scikit-learn.

        Returns
        -------
        n_splits : int
            ``n_splits * n_iterations``.
        """
        del X, y, groups
        return self.n_splits * self.n_iterations

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the rows to train and to test on, all folds of an iteration before the next one.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Only the number of rows matters.
        y : array-like of shape (n_samples,), default=None
            Classes; needed for ``stratified=True``, ignored else.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group stay on one side of every split.

        Yields
        ------
        train, test : ndarray of int
            Row numbers in ascending order.

        Raises
        ------
        ValueError
            If there are fewer rows, groups or (in every class) members than folds, if groups are
            missing (None, NaN), or if `y` is not of classes though ``stratified=True``.
        """
        for name, value in {"X": X, "y": y, "groups": groups}.items():
            if name == "X" or value is not None:
                check_rows("IteratedKFold", name, value)
        X, y, groups = indexable(X, y, groups)
        if self.stratified and y is None:
            raise ValueError(
                "IteratedKFold: stratified=True needs the classes, got y=None. Pass y, or use "
                "stratified=False."
            )
        if groups is not None:
            groups = _number_groups("IteratedKFold", groups, self.n_splits)
        rng = check_random_state(self.random_state)
        for _ in range(self.n_iterations):
            yield from self._split_once(X, y, groups, rng)

    def _split_once(
        self, X: Any, y: Any, groups: NDArray[np.intp] | None, rng: np.random.RandomState
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        if groups is not None and not self.stratified:
            return PredefinedSplit(_deal_groups(groups, [1] * self.n_splits, rng)).split()
        if groups is not None:
            kind = StratifiedGroupKFold
        else:
            kind = StratifiedKFold if self.stratified else KFold
        return kind(self.n_splits, shuffle=True, random_state=rng).split(X, y, groups)


def check_folds(
    cv: Any,
    y: Any = None,
    *,
    n_iterations: int = 1,
    is_classifier: bool = False,
    groups: Any = None,
    time: Any = None,
    gap: Any = None,
    random_state: Any = None,
    owner: str = "check_folds",
) -> Any:
    """Return the splitter that `cv` stands for.

    Parameters
    ----------
    cv : int, splitter, iterable of (train, test) or None
        Number of folds (None: 5), or the splits themselves.
    y : array-like of shape (n_samples,), default=None
        Targets, which decide whether an int `cv` is stratified.
    n_iterations : int, default=1
        With 1, the rows are not shuffled and the splitter is that of scikit-learn's ``check_cv``
        or, with groups, ``GroupKFold`` or ``StratifiedGroupKFold``. With more, it is an
        `IteratedKFold`. With times, it is a `TimeOrderedSplit`.
    is_classifier : bool, default=False
        Whether to stratify if `y` is binary or multiclass.
    groups : array-like of shape (n_samples,), default=None
        Groups, if rows come in groups. To be passed to ``split`` of what is returned.
    time : array-like of shape (n_samples,), default=None
        Times, if rows have any. To be passed likewise.
    gap : object, default=None
        That of `TimeOrderedSplit`, where `cv` is a number and there are times.
    random_state : int, RandomState or None, default=None
        For an int `cv` with ``n_iterations > 1``.
    owner : str, default="check_folds"
        Name of the caller, which begins the messages.

    Returns
    -------
    splitter : object
        Something with ``split`` and ``get_n_splits``.

    Raises
    ------
    InvalidParameterError
        If a parameter is not as described, or if ``n_iterations > 1`` though `cv` is a splitter or
        an iterable, which says itself how often to split, or though there are times.

    Examples
    --------
    >>> check_folds(5, ["a", "b"] * 5, is_classifier=True)
    StratifiedKFold(n_splits=5, random_state=None, shuffle=False)
    >>> check_folds(5, n_iterations=10, random_state=0)
    IteratedKFold(n_iterations=10, n_splits=5, random_state=0, stratified=False)
    """
    values = {"cv": cv, "n_iterations": n_iterations, "random_state": random_state}
    check_parameters(owner, values, CONSTRAINTS)
    folds = check_cv(cv, y, classifier=is_classifier)
    if cv is None or CONSTRAINTS["n_splits"].accepts(cv):
        if time is not None:
            return _folds_by_time(owner, folds.n_splits, n_iterations, gap)
        if n_iterations > 1:
            stratified = isinstance(folds, StratifiedKFold)
            return IteratedKFold(folds.n_splits, n_iterations, random_state, stratified=stratified)
        if groups is None:
            return folds
        kind = StratifiedGroupKFold if isinstance(folds, StratifiedKFold) else GroupKFold
        return kind(folds.n_splits)
    if n_iterations > 1:
        raise InvalidParameterError(
            f"{owner}: n_iterations={n_iterations} was given beside a cv that says itself how "
            f"often to split, {type(cv).__name__}. Expected an integer cv with n_iterations, for "
            f"example cv=5, or n_iterations=1 with cv=IteratedKFold(5, {n_iterations})."
        )
    return folds


def _folds_by_time(owner: str, n_splits: int, n_iterations: int, gap: Any) -> TimeOrderedSplit:
    """Return the splits that a number of folds stands for where rows have times."""
    if n_iterations > 1:
        raise InvalidParameterError(
            f"{owner}: n_iterations={n_iterations} was given beside time. Expected n_iterations=1: "
            "rows have one order in time, so shuffling them anew is not possible. A larger cv "
            "gives more splits."
        )
    return TimeOrderedSplit(n_splits, gap)


def splits_per_iteration(splitter: Any, n_splits: int) -> int:
    """Return how many splits make one pass over the rows."""
    for name in ("n_iterations", "n_repeats"):
        n_iterations = getattr(splitter, name, None)
        if n_iterations and n_splits % n_iterations == 0:
            return n_splits // int(n_iterations)
    return n_splits


def train_validation_test_split(
    *arrays: Any,
    validation_size: float = 0.2,
    test_size: float = 0.2,
    random_state: int | np.random.RandomState | None = None,
    shuffle: bool = True,
    stratify: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> list[Any]:
    """Split arrays into rows to train on, rows to tune on and rows for the final score.

    Parameters
    ----------
    *arrays : lists, arrays, sparse matrices or frames of shape (n_samples, ...)
        What to split, all of the same number of rows.
    validation_size, test_size : float or int, default=0.2
        A share of all rows, in (0, 1) and rounded up as in ``train_test_split``, or a number of
        rows. What is left is for training.
    random_state : int, RandomState or None, default=None
        Pass an int to get the same split from every call.
    shuffle : bool, default=True
        With False the rows keep their order, the first for training and the last for testing, as
        time series need it.
    stratify : array-like of shape (n_samples,), default=None
        Labels of which each part gets about the same share.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group stay in one part. The groups are shuffled and dealt out, each to the part
        that is least full for its size; it may come out larger by less than its last group.

    Returns
    -------
    parts : list of length 3 * len(arrays)
        Training, validation and test part of the first array, then of the next, of the types
        that went in (sparse matrices become CSR).

    Raises
    ------
    InvalidParameterError
        If a parameter is not as described, or if two exclude each other: `stratify` or `groups`
        with ``shuffle=False``, and `stratify` with `groups`.
    ValueError
        If no rows are left to train on, a class has too few rows to be stratified, there are fewer
        than three groups, or the arrays differ in length.

    See Also
    --------
    sklearn.model_selection.train_test_split : Two parts. Except with groups, of the same
        `test_size` and `random_state` it makes the same test part.

    Examples
    --------
    >>> X, y = [[0], [1], [2], [3], [4], [5]], ["a", "b", "c", "d", "e", "f"]
    >>> X_train, X_validation, X_test, y_train, y_validation, y_test = train_validation_test_split(
    ...     X, y, shuffle=False
    ... )
    >>> y_train, y_validation, y_test
    (['a', 'b'], ['c', 'd'], ['e', 'f'])
    """
    owner = "train_validation_test_split"
    sizes = {"validation_size": validation_size, "test_size": test_size}
    values = {**sizes, "random_state": random_state, "shuffle": shuffle}
    check_parameters(owner, values, CONSTRAINTS)
    _check_company(owner, shuffle=shuffle, stratify=stratify, groups=groups)
    if not arrays:
        raise ValueError(f"{owner}: there is nothing to split. Pass at least one array.")
    for number, array in enumerate(arrays):
        check_rows(owner, f"array {number}", array)
    for name, value in {"stratify": stratify, "groups": groups}.items():
        if value is not None:
            check_rows(owner, name, value)
    *arrays, stratify, groups = indexable(*arrays, stratify, groups)

    rows = np.arange(arrays[0].shape[0] if hasattr(arrays[0], "shape") else len(arrays[0]))
    n_validation, n_test = (
        math.ceil(size * len(rows)) if size < 1 else int(size) for size in sizes.values()
    )
    n_train = len(rows) - n_validation - n_test
    if n_train < 1:
        raise ValueError(
            f"{owner}: n_samples={len(rows)} with {validation_size=} and {test_size=} leaves no "
            "rows to train on. Expected at least one: pass more rows, or lower the sizes."
        )
    rng = check_random_state(random_state)
    if groups is not None:
        part_of = _deal_groups(
            _number_groups(owner, groups, 3), [n_train, n_validation, n_test], rng
        )
        parts = [rows[part_of == part] for part in range(3)]
    else:
        options = {"shuffle": shuffle, "random_state": rng if shuffle else None}
        try:
            rest, test = train_test_split(rows, test_size=n_test, stratify=stratify, **options)
            if stratify is not None:
                stratify = safe_indexing(stratify, rest)
            train, validation = train_test_split(
                rest, test_size=n_validation, stratify=stratify, **options
            )
        except ValueError as error:
            raise ValueError(
                f"{owner}: the rows cannot be stratified into {n_train} for training, "
                f"{n_validation} for validation and {n_test} for testing. {error} Merge rare "
                "classes, change the sizes, or pass stratify=None."
            ) from error
        parts = [train, validation, test]
    return [safe_indexing(array, part) for array in arrays for part in parts]


def _check_company(owner: str, *, shuffle: bool, stratify: object, groups: object) -> None:
    """Refuse parameters of a split of which one excludes the other."""
    if stratify is not None and groups is not None:
        raise InvalidParameterError(
            f"{owner}: stratify and groups were both given. Expected one of them. To have both, "
            "take the folds of sklearn.model_selection.StratifiedGroupKFold(5, shuffle=True)."
        )
    for name, value in {"stratify": stratify, "groups": groups}.items():
        if not shuffle and value is not None:
            raise InvalidParameterError(
                f"{owner}: {name} was given with shuffle=False, which keeps the rows in order. "
                f"Expected {name}=None, or shuffle=True."
            )


def _number_groups(owner: str, groups: Any, n_parts: int) -> NDArray[np.intp]:
    """Return the number of each row's group, after checks."""
    # Numbered in sorted order, as scikit-learn does it: the splits then equal its own.
    codes, names = pd.factorize(checked_groups(owner, groups, num_samples(groups)), sort=True)
    if len(names) < n_parts:
        raise ValueError(
            f"{owner}: groups holds {len(names)} distinct groups, too few to split them into "
            f"{n_parts} parts. Expected at least {n_parts}: ask for fewer parts, or use finer "
            "groups."
        )
    return np.asarray(codes, np.intp)


def _deal_groups(
    groups: NDArray[np.intp], sizes: Sequence[int], rng: np.random.RandomState
) -> NDArray[np.intp]:
    """Return the part of each row: groups are dealt in random order to the least full part.

    Fullness is relative to the parts' sizes. So large groups do not drift into the large part,
    every part gets a group, and none ends up overfull by as much as the last group that it got.
    """
    n_rows = np.bincount(groups).tolist()
    part_of = np.empty(len(n_rows), np.intp)
    fullness = [(0.0, part) for part in range(len(sizes))]
    for group in rng.permutation(len(n_rows)).tolist():
        filled, part = fullness[0]
        part_of[group] = part
        heapq.heapreplace(fullness, (filled + n_rows[group] / sizes[part], part))
    return part_of[groups]


def rows_of_splits(
    splits: Sequence[tuple[Any, Any]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many rows each fold trains on, and how many it is scored on.

    Parameters
    ----------
    splits : sequence of (train, test)
        Masks count as scikit-learn counts them: by their rows.

    Returns
    -------
    n_train, n_test : ndarray of shape (n_splits,)
    """
    counts = np.array(
        [
            [np.count_nonzero(rows) if rows.dtype == bool else len(rows) for rows in pair]
            for pair in ([np.asarray(rows) for rows in split] for split in splits)
        ]
    )
    return counts[:, 0], counts[:, 1]
