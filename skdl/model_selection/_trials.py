"""What one trial of a search is: parameters in, the scores of all folds out."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from optuna.exceptions import TrialPruned
from optuna.pruners import NopPruner, WilcoxonPruner
from sklearn.base import clone

from skdl.model_selection._lockstep import together
from skdl.model_selection._pruning import MeanCurve
from skdl.model_selection._study import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import optuna

    from skdl.model_selection._folds import Fold, Folds
    from skdl.model_selection._progress import SearchProgress
    from skdl.model_selection._space import Space
    from skdl.training import Member

__all__ = ["N_EPOCHS", "SCORES", "SECONDS", "Trials"]

# What a trial leaves in the study, so that every process can read the results of all.
SCORES = "skdl:scores"
N_EPOCHS = "skdl:n_epochs"
SECONDS = "skdl:seconds"


@dataclasses.dataclass
class Trials:
    """Evaluates trials of one search, each by cross-validation.

    Parameters
    ----------
    estimator : object
        Cloned for each trial.
    space : Space
    folds : Folds
        The splits, the same for all trials.
    objectives : list of str
        Metrics to maximize; ``"score"`` where there is one without a name.
    epoch_scorer : callable
        Scores held-out rows after each epoch, in the units of the objective.
    pruner : optuna.pruners.BasePruner
    splits_per_iteration : int
        How many splits a pruner that judges fold by fold lets train together.
    n_jobs : int or None
        For estimators without networks.
    progress : SearchProgress
    """

    estimator: Any
    space: Space
    folds: Folds
    objectives: list[str]
    epoch_scorer: Callable[..., float]
    pruner: optuna.pruners.BasePruner
    splits_per_iteration: int
    n_jobs: int | None
    progress: SearchProgress

    def __call__(self, trials: list[optuna.Trial]) -> list[Outcome]:
        """Evaluate trials together; return how each ended."""
        asked = [(trial, self.space.suggest(trial)) for trial in trials]
        if len(asked) == 1:
            return [self._outcome(*asked[0])]
        with together():
            return list(Parallel()(delayed(self._outcome)(*each) for each in asked))

    def _outcome(self, trial: optuna.Trial, params: dict[str, Any]) -> Outcome:
        start = time.monotonic()
        curve = MeanCurve(
            _epoch_value,
            lambda value, epoch: self._report(trial, value, epoch),
            n_folds=len(self.folds.splits),
        )
        try:
            estimator = clone(self.estimator).set_params(**params)
            folds = self._run(trial, estimator, curve)
        except TrialPruned as error:
            outcome = Outcome.pruned(str(error))
        except Exception as error:
            if self.folds.error_score == "raise":
                raise
            outcome = Outcome.failed(f"{type(error).__name__}: {error}")
        else:
            outcome = self._judged(trial, folds)
        trial.set_user_attr(N_EPOCHS, curve.n_epochs)
        trial.set_user_attr(SECONDS, time.monotonic() - start)
        return outcome

    def _run(self, trial: optuna.Trial, estimator: Any, curve: MeanCurve) -> list[Fold]:
        if isinstance(self.pruner, WilcoxonPruner) and len(self.objectives) == 1:
            return self._run_fold_by_fold(trial, estimator, curve)
        is_judged = not isinstance(self.pruner, NopPruner) and len(self.objectives) == 1
        return self.folds.run(
            estimator,
            n_jobs=self.n_jobs,
            epoch_scorer=self.epoch_scorer if is_judged else None,
            observers=[curve],
        )

    def _run_fold_by_fold(
        self, trial: optuna.Trial, estimator: Any, curve: MeanCurve
    ) -> list[Fold]:
        """Judge a trial by the scores of single folds, against the best trial's on the same."""
        n_splits = len(self.folds.splits)
        # One pass over the rows trains together, as judging it needs all of it; with a single
        # pass, each fold is one to be judged.
        at_once = self.splits_per_iteration if self.splits_per_iteration < n_splits else 1
        done: list[Fold] = []
        for start in range(0, n_splits, at_once):
            part = self.folds.splits[start : start + at_once]
            folds = dataclasses.replace(self.folds, splits=part)
            done += folds.run(estimator, n_jobs=self.n_jobs, observers=[curve])
            for i in range(start, len(done)):
                trial.report(_scores_of(done[i]).get(self.objectives[0], math.nan), i)
            if trial.should_prune():
                raise TrialPruned(f"Pruned after {len(done)} of {n_splits} folds.")
        return done

    def _report(self, trial: optuna.Trial, value: float, epoch: int) -> bool:
        self.progress.epoch(trial.number, epoch, value)
        if isinstance(self.pruner, NopPruner | WilcoxonPruner) or len(self.objectives) > 1:
            return False
        trial.report(value, epoch)
        return trial.should_prune()

    def _judged(self, trial: optuna.Trial, folds: Sequence[Fold]) -> Outcome:
        """Record the scores of all folds, and return what they come to."""
        failed = [f.result["fit_error"] for f in folds if f.result["fit_error"] is not None]
        if len(failed) == len(folds):
            return Outcome.failed(_last_line(failed[0]))
        error = dict.fromkeys(_names(folds), self.folds.error_score)
        scores: dict[str, Any] = {
            part: [_scores_of(fold, part) or error for fold in folds]
            for part in ("test", "train")
            if f"{part}_scores" in folds[0].result
        }
        for name in ("fit_time", "score_time"):
            scores[name] = [fold.result[name] for fold in folds]
        # JSON, in which databases keep it, has no NaN.
        trial.set_user_attr(SCORES, _without_nan(scores))
        values = [float(np.mean([s[name] for s in scores["test"]])) for name in self.objectives]
        if any(map(math.isnan, values)):
            return Outcome.failed(_last_line(failed[0]) if failed else "a score is NaN")
        return Outcome.completed(values)


def _epoch_value(member: Member, logs: dict[str, float]) -> float:
    """Return a fold's value after an epoch, larger is better: its score, or else its loss."""
    del logs
    score = member.held_out.get("score", math.nan)
    return score if not math.isnan(score) else -member.held_out.get("loss", math.nan)


def _names(folds: Sequence[Fold]) -> list[str]:
    return list(next(s for s in map(_scores_of, folds) if s))


def _scores_of(fold: Fold, part: str = "test") -> dict[str, float]:
    """Return a fold's scores by name; none for a fit that failed."""
    if fold.result["fit_error"] is not None:
        return {}
    scores = fold.result[f"{part}_scores"]
    return dict(scores) if isinstance(scores, dict) else {"score": scores}


def _last_line(error: str) -> str:
    """Return what a traceback ends with: the exception and its message."""
    lines = error.strip().splitlines()
    start = max(i for i, line in enumerate(lines) if not line.startswith(" "))
    return "\n".join(lines[start:])


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return float(value) if math.isfinite(value) else None
