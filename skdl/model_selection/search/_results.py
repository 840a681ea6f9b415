"""``cv_results_`` of a search, read from its study: all trials, whichever process ran them."""

from __future__ import annotations

import contextlib
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState
from scipy.stats import rankdata
from sklearn.exceptions import FitFailedWarning

from skdl._compat import HAS_CALLBACKS
from skdl._compat_model_selection import is_multimetric, scorers_by_name
from skdl._compat_optuna import hidden_attrs
from skdl.model_selection.search._start import is_start
from skdl.model_selection.search._trials import FAILED_FOLDS, N_EPOCHS, SCORES, SECONDS
from skdl.model_selection.shared_study import REASON, is_counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna
    from numpy.typing import NDArray
    from optuna.trial import FrozenTrial

    from skdl.model_selection.search._space import Space
    from skdl.model_selection.search._start import Start

__all__ = [
    "check_outcome",
    "cv_results",
    "finished_trials",
    "forget_results",
    "metrics_of_scorers",
    "metrics_of_trials",
]

_OWNER = "OptunaSearchCV"

_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def forget_results(search: Any) -> None:
    """Drop what an earlier fit of a search has left behind: this one may be interrupted."""
    for name in [name for name in vars(search) if name.endswith("_") and name[0] != "_"]:
        delattr(search, name)


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that a search of ours has finished, in the order of their numbers.

    Trials that plain Optuna has added to the study have no scores of folds and are left out.
    """
    return [
        t
        for t in study.get_trials(deepcopy=False)
        if is_counted(t) and (SECONDS in hidden_attrs(t) or REASON in t.user_attrs)
    ]


def metrics_of_scorers(scorers: Any) -> list[str]:
    """Return the names of the metrics, ``["score"]`` where there is one without a name."""
    return list(scorers_by_name(scorers)) if is_multimetric(scorers) else ["score"]


def metrics_of_trials(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the same where `scoring` is a function of one score or a dict: only a call tells."""
    scored = [hidden_attrs(t)[SCORES] for t in trials if SCORES in hidden_attrs(t)]
    return list(scored[0]["test"][0]) if scored else ["score"]


def cv_results(
    trials: Sequence[FrozenTrial],
    space: Space,
    start: Start,
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
    start : Start
        Whose parameters are those of the trial that scored the estimator as it is.
    metrics : sequence of str
        ``["score"]`` where there is one without a name.
    n_splits : int
    return_train_score : bool

    Returns
    -------
    results : dict of str to array
        One entry per trial. Beyond scikit-learn's keys ``trial_number``, ``state`` (``complete``,
        ``pruned``, ``failed``), ``reason``, ``n_epochs`` (summed over the folds) and ``seconds``.
        Scores of trials that were pruned or failed are NaN, and rank last; the parameters of one
        that failed before it had them are empty.
    """
    results: dict[str, Any] = {
        "trial_number": np.array([t.number for t in trials], int),
        "state": np.array([_STATES[t.state] for t in trials], dtype=object),
        "reason": np.array([t.user_attrs.get(REASON, "") for t in trials], dtype=object),
        "n_epochs": np.array([hidden_attrs(t).get(N_EPOCHS, 0) for t in trials], int),
        "seconds": np.array([hidden_attrs(t).get(SECONDS, math.nan) for t in trials], float),
    }
    params = [_params_of(t, space, start) for t in trials]
    results["params"] = params
    for name in dict.fromkeys(name for of_trial in params for name in of_trial):
        dtype = _dtype_of([of_trial[name] for of_trial in params if name in of_trial])
        column = np.ma.MaskedArray(np.empty(len(trials), dtype), mask=True)
        for i, of_trial in enumerate(params):
            if name in of_trial:
                column[i] = of_trial[name]
        results[f"param_{name}"] = column
    scores = [
        hidden_attrs(t).get(SCORES, {}) if t.state == TrialState.COMPLETE else {} for t in trials
    ]
    for name in ("fit_time", "score_time"):
        _store(results, name, _table([s.get(name) for s in scores], n_splits))
    for metric in metrics:
        for rows in ["test", "train"] if return_train_score else ["test"]:
            values = [[fold[metric] for fold in s[rows]] if rows in s else None for s in scores]
            table = _table(values, n_splits)
            name = f"{rows}_{metric}"
            for i in range(n_splits):
                results[f"split{i}_{name}"] = table[:, i]
            _store(results, name, table)
            if rows == "test":
                mean = results[f"mean_{name}"]
                lowest = np.nanmin(mean) - 1 if np.isfinite(mean).any() else 0.0
                filled = np.where(np.isnan(mean), lowest, mean)
                results[f"rank_{name}"] = rankdata(-filled, method="min").astype(np.int32)
    return results


def check_outcome(
    results: Mapping[str, Any], trials: Sequence[FrozenTrial], timeout: float | None
) -> None:
    """Warn of trials that failed; raise if none was completed, or every single fit failed.

    Parameters
    ----------
    results : mapping
        From `cv_results`.
    trials : sequence of FrozenTrial
        Those that it tells of.
    timeout : float or None
        The search's.

    Raises
    ------
    ValueError
        With the first reason.
    """
    is_complete = results["state"] == "complete"
    is_failed = (results["state"] == "failed") | (is_complete & (results["reason"] != ""))
    n_trials = len(is_failed)
    if not is_failed.any():
        if n_trials and not is_complete.any():
            raise ValueError(
                f"{_OWNER}: all {n_trials} trials were pruned. Expected at least one that was "
                "not; let the pruner wait for longer, or pass pruner=None."
            )
        if not n_trials:
            raise ValueError(
                f"{_OWNER}: no trial was finished. Expected at least one; allow more time "
                f"than timeout={timeout!r}."
            )
        return
    first = int(is_failed.argmax())
    message = (
        f"{_OWNER}: {is_failed.sum()} of {n_trials} trials failed, in some folds at least. The "
        f"first is trial {results['trial_number'][first]}: {results['reason'][first]}"
    )
    # With a number as error_score, trials count as completed though nothing was ever fitted.
    is_in_vain = [
        state == "failed"
        or hidden_attrs(t).get(FAILED_FOLDS) == len(hidden_attrs(t)[SCORES]["test"])
        for t, state in zip(trials, results["state"], strict=True)
        if state != "pruned"
    ]
    if is_complete.any() and all(is_in_vain):
        raise ValueError(
            f"{message}\nNot a single fit succeeded, so error_score is all that there is to "
            "compare. Expected at least one that did. Pass error_score='raise' to see where it "
            "fails."
        )
    if not is_complete.any():
        raise ValueError(
            f"{message}\nNone was completed. Pass error_score='raise' to see where it fails."
        )
    warnings.warn(
        f"{message}\nThe others' reasons stand in cv_results_['reason'].",
        FitFailedWarning,
        stacklevel=3 + HAS_CALLBACKS,  # whose decorator is a frame of its own
    )


def _dtype_of(values: list[Any]) -> np.dtype[Any]:
    """Return the type of a column of parameters, as scikit-learn 1.5 and later choose it."""
    if not any(hasattr(value, "get_params") for value in values):
        with contextlib.suppress(ValueError):  # lists of different lengths, say
            array = np.array(values)
            if array.dtype.kind != "U" and array.ndim == 1:
                return array.dtype
    return np.dtype(object)


def _params_of(trial: FrozenTrial, space: Space, start: Start) -> dict[str, Any]:
    """Return a trial's parameters; those that it never got are no reason to lose the others."""
    if is_start(trial):
        return dict(start.params)
    try:
        return space.params_of(trial)
    except Exception:
        if trial.state == TrialState.COMPLETE:
            raise
        return {}


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
