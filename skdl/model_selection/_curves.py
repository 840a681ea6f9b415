"""Training curves of all folds: one tidy table, and the mean over the folds.

Folds that stopped early are carried on at the value of the weights that they kept, which are those
of their last epoch or, where those were restored, of their best: from there on, more epochs would
not have changed them, so the mean at epoch e is what the folds would have come to with
``epochs=e``.
The alternatives mislead. A mean over the folds that are still training compares epochs on
different folds, and the late ones on those that happen to learn for longest; a mean over the
epochs that all folds reached is cut short by the first fold to stop. The price is that a fold
which stopped because it began to overfit says nothing against later epochs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    History = Mapping[str, Sequence[float]]

__all__ = ["mean_curve", "tidy_histories"]


def tidy_histories(
    histories: Sequence[History], iterations: ArrayLike, folds: ArrayLike
) -> pd.DataFrame:
    """Return one row for each split, epoch and metric.

    Parameters
    ----------
    histories : sequence of dict of str to sequence of float
        For each split, the values per epoch of each metric; empty where there are none.
    iterations, folds : array-like of shape (n_splits,)
        Numbers of each split.

    Returns
    -------
    table : DataFrame
        Columns ``iteration``, ``fold``, ``epoch`` (from 1), ``metric`` and ``value``.
    """
    splits = zip(np.asarray(iterations), np.asarray(folds), histories, strict=True)
    curves = [
        (iteration, fold, metric, np.asarray(values, float))
        for iteration, fold, history in splits
        for metric, values in history.items()
    ]
    lengths = [len(values) for *_, values in curves]

    def repeated(column: int, dtype: Any) -> Any:
        return np.repeat(np.array([curve[column] for curve in curves], dtype), lengths)

    epochs = [np.arange(1, length + 1) for length in lengths]
    values = [values for *_, values in curves]
    return pd.DataFrame(
        {
            "iteration": repeated(0, int),
            "fold": repeated(1, int),
            "epoch": np.concatenate([np.empty(0, int), *epochs]),
            "metric": pd.Series(repeated(2, object), dtype="str"),
            "value": np.concatenate([np.empty(0), *values]),
        }
    )


def mean_curve(
    histories: Sequence[History], metric: str, kept_epochs: Sequence[int | None] | None = None
) -> pd.DataFrame:
    """Return the mean over the folds at each epoch of the longest fold.

    Parameters
    ----------
    histories : sequence of dict of str to sequence of float
        For each split, the values per epoch of each metric; those without `metric` do not count.
    metric : str
        Name of a curve, such as ``"test_loss"``.
    kept_epochs : sequence of int or None, default=None
        For each split, the epoch (from 1) whose weights were kept; None is the last.

    Returns
    -------
    curve : DataFrame
        Indexed by ``epoch`` (from 1): ``mean`` and ``std`` over all folds, those that stopped
        earlier carried on at the value of the epoch they kept, or their last finite one, and
        ``n_folds``, how many were trained in that epoch.
    """
    kept_epochs = [None] * len(histories) if kept_epochs is None else kept_epochs
    curves, kept = [], []
    for history, epoch in zip(histories, kept_epochs, strict=True):
        if metric in history:
            curves.append(np.asarray(history[metric], float))
            kept.append(len(history[metric]) if epoch is None else epoch)
    lengths = np.array([len(curve) for curve in curves], int)
    n_epochs = int(lengths.max(initial=0))
    values = np.full((len(curves), n_epochs), np.nan)
    for row, curve, epoch in zip(values, curves, kept, strict=True):
        row[: len(curve)] = curve
        row[len(curve) :] = curve[min(epoch, len(curve)) - 1]
    # A fold that diverged went back to where its loss was finite, and stays there too.
    values[~np.isfinite(values)] = np.nan
    by_epoch = pd.DataFrame(values).ffill(axis="columns")
    epochs = np.arange(1, n_epochs + 1)
    return pd.DataFrame(
        {
            "mean": by_epoch.mean().to_numpy(),
            "std": by_epoch.std().to_numpy(),
            "n_folds": (lengths[:, None] >= epochs).sum(0),
        },
        index=pd.Index(epochs, name="epoch"),
    )
