"""Groups and times of rows, known to whoever splits them, for those inside that split them again.

A network that stops early holds out rows of its own. If these share a patient, a storm or a day
with rows that it learns from, or are earlier than these, it stops too late. So cross-validation,
searches and ensembles that were given `groups` or `time` tell whom they fit, through pipelines too.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

from sklearn.pipeline import Pipeline

from skdl._compat_sklearn import num_samples
from skdl._row_groups import checked_groups
from skdl._row_times import checked_times
from skdl.estimators.base._fit_context import FitContext
from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NO_METADATA", "FitMetadata", "RowMetadata"]


@dataclasses.dataclass(frozen=True, eq=False)
class RowMetadata:
    """What is known of rows beside features and targets, and decides how they may be split.

    Parameters
    ----------
    groups : ndarray of shape (n_rows,), optional
        Rows of one group stay on one side of a split.
    time : ndarray of shape (n_rows,), optional
        No later row is trained on to judge an earlier one; rows of equal times stay together.
    gap : float or timedelta64, optional
        In the unit of the times: so much earlier are rows to train on, at least.
    """

    groups: NDArray[Any] | None = None
    time: NDArray[Any] | None = None
    gap: Any = None

    @classmethod
    def checked(cls, owner: str, X: Any, groups: Any = None, time: Any = None) -> Self:
        """Return what the user passed beside `X`, after checks.

        Raises
        ------
        InvalidParameterError
            If both are given, or if they are no groups or times of these rows.
        ValueError
            If groups or times are missing.
        """
        if groups is not None and time is not None:
            raise InvalidParameterError(
                f"{owner}: groups and time were both given. Expected one of them. Where groups "
                "follow one another, the time of the last row of each keeps them whole: "
                "time=pandas.Series(time).groupby(groups).transform('max')."
            )
        if time is not None:
            return cls(time=checked_times(owner, time, X))
        return cls() if groups is None else cls(checked_groups(owner, groups, num_samples(X)))

    def __bool__(self) -> bool:
        return self.groups is not None or self.time is not None

    def __len__(self) -> int:
        known = self.groups if self.time is None else self.time
        return 0 if known is None else len(known)

    def as_arguments(self) -> dict[str, NDArray[Any]]:
        """Return groups and times by name, as arguments of ``fit``; a gap is none."""
        known = {"groups": self.groups, "time": self.time}
        return {name: values for name, values in known.items() if values is not None}

    def of_rows(self, rows: Any) -> Self:
        """Return the metadata of some of the rows."""
        groups, time = (None if v is None else v[rows] for v in (self.groups, self.time))
        return dataclasses.replace(self, groups=groups, time=time)


NO_METADATA = RowMetadata()


class FitMetadata(FitContext):
    """Context in which an estimator is fitted whose rows belong to groups or have times.

    Parameters
    ----------
    estimator : object
        What is fitted inside the context, in this thread: a network, a search or an ensemble, or
        a Pipeline or TransformedTargetRegressor that ends in one. Others inside it are told
        nothing, as their rows may be a part of these, drawn anew.
    metadata : RowMetadata
        Of the rows that `estimator` is fitted on.
    """

    def __init__(self, estimator: Any, metadata: RowMetadata) -> None:
        super().__init__(estimator)
        self._metadata = metadata

    @classmethod
    def of_rows(cls, estimator: Any, X: Any) -> RowMetadata:
        """Return what is known of the rows `X` that an estimator is being fitted on.

        Returns
        -------
        metadata : RowMetadata
            An empty one where nobody has told any.

        Raises
        ------
        ValueError
            If a step in front of it changes which rows there are.
        """
        context = cls.current()
        if context is None or not context._metadata:
            return NO_METADATA
        way = _steps_before(estimator, context._estimator)
        if way is None:
            return NO_METADATA
        metadata = context._metadata
        changes_rows = any(hasattr(step, "fit_resample") for step in way)
        if changes_rows or num_samples(X) != len(metadata):
            name = "groups" if metadata.time is None else "times"
            raise ValueError(
                f"{type(estimator).__name__}: {name} are known of {len(metadata)} rows, but a step "
                f"in front of it changes which rows there are; now there are {num_samples(X)}. "
                "Expected steps that keep the rows. For a network, X_val and y_val or "
                f"early_stopping=False do without {name}."
            )
        return metadata


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
