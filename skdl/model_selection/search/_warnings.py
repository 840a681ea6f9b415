"""What a search warns of in the end: no gain over its start, and trials that were not judged."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.pruners import BasePruner, NopPruner
from optuna.trial import TrialState

from skdl._compat import HAS_CALLBACKS
from skdl._validation import list_values
from skdl.exceptions import NoImprovementWarning
from skdl.model_selection._split import rows_of_splits
from skdl.model_selection.cross_validation import corrected_t_test
from skdl.model_selection.search._start import place_of_start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from optuna.trial import FrozenTrial

    from skdl._compat_model_selection import BaseSearchCV
    from skdl.model_selection.search._trials import Trials

__all__ = ["warn_if_no_better", "warn_of_trials"]

_OWNER = "OptunaSearchCV"
# Chance of a warning too few, were there no difference: that of the usual two-sided test.
_SIGNIFICANCE = 0.05
_MOST_NAMED = 5


def warn_if_no_better(
    search: BaseSearchCV, trials: list[FrozenTrial], splits: list[Any], objectives: list[str]
) -> None:
    """Warn if the best trial is not better than the start beyond the noise of the folds.

    Parameters
    ----------
    search : OptunaSearchCV
        With its results.
    trials : list of FrozenTrial
        Those that the results tell of.
    splits : list of (train, test)
    objectives : list of str
    """
    start = place_of_start(trials)
    if start is None or len(trials) == 1 or not hasattr(search, "best_score_"):
        return
    if trials[start].state != TrialState.COMPLETE:
        return
    metric = objectives[0] if f"mean_test_{objectives[0]}" in search.cv_results_ else "score"
    _warn_if_within_noise(
        search.cv_results_, metric, search.best_index_, start, rows_of_splits(splits)
    )


def _warn_if_within_noise(
    results: Mapping[str, Any],
    metric: str,
    best: int,
    start: int,
    n_rows: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Warn of no gain, or of one that may be chance.

    Parameters
    ----------
    results : mapping
        ``cv_results_``.
    metric : str
    best, start : int
        Their places in `results`.
    n_rows : tuple of ndarray of shape (n_splits,)
        Training and test rows of each fold.
    """
    n_splits = len(n_rows[0])
    scores, start_scores = (
        np.array([results[f"split{k}_test_{metric}"][i] for k in range(n_splits)])
        for i in (best, start)
    )
    start_score, score = (results[f"mean_test_{metric}"][i] for i in (start, best))
    number = results["trial_number"][best]
    if best == start or score <= start_score:
        n_others = len(results["state"]) - 1
        told = f"none of {n_others} other trials scores better than the start ({start_score:.4g})"
        kept = "The best_params_ are the start's"
    else:
        p_value = corrected_t_test(scores, start_scores, *n_rows).p_value
        if np.isnan(p_value) or p_value < _SIGNIFICANCE:
            return  # of a single fold, nobody knows the noise
        told = (
            f"trial {number}, the best, scores {score:.4g} and the start {start_score:.4g}: no "
            f"more than the folds differ among themselves (p = {p_value:.2g} in a paired test)"
        )
        kept = f"The best_params_ are those of trial {number}"
    warnings.warn(
        f"{_OWNER}: {told}. {kept}. On new rows there may be no gain: "
        "search for longer, in another space or with more folds, or keep the estimator as it is.",
        NoImprovementWarning,
        stacklevel=4 + HAS_CALLBACKS,  # whose decorator is a frame of its own
    )


def warn_of_trials(search: BaseSearchCV, trials: Trials, *, is_judged: bool) -> None:
    """Warn of trials that were not what they were to be."""
    _warn_of_unjudged_trials(search, trials, is_judged=is_judged)
    _warn_of_unused_names(trials)


def _warn_of_unjudged_trials(search: BaseSearchCV, trials: Trials, *, is_judged: bool) -> None:
    """Warn where trials could not be pruned, though they were to be."""
    is_chosen = isinstance(search.pruner, BasePruner) and not isinstance(search.pruner, NopPruner)
    reported = (t.intermediate_values for t in search.study_.get_trials(deepcopy=False))
    if trials.problem and not isinstance(trials.pruner, NopPruner):
        message = f"{trials.problem} Trials with such folds were not pruned."
    elif is_judged and is_chosen and not any(reported):
        message = (
            f"pruner={type(search.pruner).__name__} judged no trial, as none reported its "
            "epochs. Expected a network at the end of the estimator, of a Pipeline or of a "
            "TransformedTargetRegressor; pass pruner=None if none is to be pruned."
        )
    else:
        return
    # The decorator of `fit` is a frame of its own.
    warnings.warn(f"{_OWNER}: {message}", UserWarning, stacklevel=4 + HAS_CALLBACKS)


def _warn_of_unused_names(trials: Trials) -> None:
    """Warn of guesses that name what the function of the user's does not suggest."""
    if not trials.unused:
        return
    number, names = next(iter(trials.unused.items()))
    warnings.warn(
        f"{_OWNER}: initial_params name {list_values(names, _MOST_NAMED)}, which the function "
        f"given as param_distributions did not suggest in trial {number}: the sampler chose in "
        "their place. Expected the names that it gives to trial.suggest_float or the like.",
        UserWarning,
        stacklevel=4 + HAS_CALLBACKS,
    )
