"""``cv_results_`` of a search, read from its study: all trials, whichever process ran them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState
from scipy.stats import rankdata

from skdl.model_selection._study import REASON, is_counted
from skdl.model_selection._trials import N_EPOCHS, SCORES, SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from numpy.typing import NDArray
    from optuna.trial import FrozenTrial

    from skdl.model_selection._space import Space

__all__ = ["cv_results", "finished_trials"]

_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that a search of ours has finished, in the order of their numbers.

    Trials that plain Optuna has added to the study have no scores of folds and are left out.
    """
    return [
        t
        for t in study.get_trials(deepcopy=False)
        if is_counted(t) and (SECONDS in t.user_attrs or REASON in t.user_attrs)
    ]


def cv_results(
    trials: Sequence[FrozenTrial],
    space: Space,
    metrics: Sequence[str],
    n_splits: int,
    *,
    return_train_score: bool,
) -> dict[str, Any]:
    """Return what scikit-learn's searches call ``cv_results_``.

    Parameters
    ----------
    trials : sequence of FrozenTrial
        From `finished_trials`.
    space : Space
    metrics : sequence of str
        ``["score"]`` where there is one without a name.
    n_splits : int
    return_train_score : bool

    Returns
    -------
    results : dict of str to array
        One entry per trial. Beyond scikit-learn's keys ``trial_number``, ``state`` (``complete``,
        ``pruned``, ``failed``), ``reason``, ``n_epochs`` (summed over the folds) and ``seconds``.
        Scores of trials that were pruned or failed are NaN, and rank last.
    """
    results: dict[str, Any] = {
        "trial_number": np.array([t.number for t in trials], int),
        "state": np.array([_STATES[t.state] for t in trials], dtype=object),
        "reason": np.array([t.user_attrs.get(REASON, "") for t in trials], dtype=object),
        "n_epochs": np.array([t.user_attrs.get(N_EPOCHS, 0) for t in trials], int),
        "seconds": np.array([t.user_attrs.get(SECONDS, math.nan) for t in trials], float),
    }
    params = [space.params_of(t) for t in trials]
    results["params"] = params
    for name in dict.fromkeys(name for each in params for name in each):
        column = np.ma.MaskedArray(np.empty(len(trials), object), mask=True)
        for i, each in enumerate(params):
            if name in each:
                column[i] = each[name]
        results[f"param_{name}"] = column
    scores = [
        t.user_attrs.get(SCORES, {}) if t.state == TrialState.COMPLETE else {} for t in trials
    ]
    for name in ("fit_time", "score_time"):
        _store(results, name, _table([s.get(name) for s in scores], n_splits))
    for metric in metrics:
        for part in ["test", "train"] if return_train_score else ["test"]:
            own = [[fold[metric] for fold in s[part]] if part in s else None for s in scores]
            table = _table(own, n_splits)
            name = f"{part}_{metric}"
            for i in range(n_splits):
                results[f"split{i}_{name}"] = table[:, i]
            _store(results, name, table)
            if part == "test":
                mean = results[f"mean_{name}"]
                lowest = np.nanmin(mean) - 1 if np.isfinite(mean).any() else 0.0
                filled = np.where(np.isnan(mean), lowest, mean)
                results[f"rank_{name}"] = rankdata(-filled, method="min").astype(np.int32)
    return results


def _table(rows: Sequence[Sequence[float | None] | None], n_splits: int) -> NDArray[np.float64]:
    """Return an array of shape (n_trials, n_splits), NaN where there is nothing."""
    table = np.full((len(rows), n_splits), math.nan)
    for i, row in enumerate(rows):
        if row is not None:
            table[i] = [math.nan if value is None else value for value in row]
    return table


def _store(results: dict[str, Any], name: str, table: NDArray[np.float64]) -> None:
    results[f"mean_{name}"] = table.mean(1)
    results[f"std_{name}"] = table.std(1)
