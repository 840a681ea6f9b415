"""What is read of the result of a cross-validation, which lives in the room next door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["CrossValidated", "curves_by_fold"]


class CrossValidated(Protocol):
    """The attributes of `skdl.model_selection.CrossValidationResult` that inspection uses."""

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""

    @property
    def scoring(self) -> str | None:
        """What the metric ``"score"`` is, where it has a name."""

    @property
    def unfitted_estimator(self) -> Any:
        """The estimator that was cross-validated."""

    @property
    def data(self) -> tuple[Any, Any]:
        """All rows and their targets."""

    @property
    def folds(self) -> pd.DataFrame:
        """One row per fold: ``iteration``, ``fold``, ``n_train``, ``n_test``, ``kept_epoch``."""

    @property
    def histories(self) -> pd.DataFrame:
        """One row per fold, epoch and metric."""

    def summary(self, confidence: float = 0.95) -> pd.DataFrame:
        """One row per metric and estimator."""

    def __getitem__(self, key: str, /) -> Any: ...

    def get(self, key: str, default: Any = None, /) -> Any:
        """Return scores by name, such as ``"train_score"``."""


def curves_by_fold(result: CrossValidated) -> Iterator[tuple[dict[str, NDArray[np.float64]], int]]:
    """Yield, for each fold that recorded its epochs, its curves and the epoch it kept.

    Parameters
    ----------
    result : CrossValidationResult

    Yields
    ------
    curves : dict of str to ndarray
        The values per epoch of each metric.
    kept_epoch : int
        Epoch, from 1, whose weights the fold kept.
    """
    table = result.histories
    for fold in result.folds.itertuples(index=False):
        of_fold = table[(table["iteration"] == fold.iteration) & (table["fold"] == fold.fold)]
        if len(of_fold):
            by_metric = of_fold.groupby("metric")["value"]
            yield {name: values.to_numpy() for name, values in by_metric}, int(fold.kept_epoch)
