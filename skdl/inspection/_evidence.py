"""The numbers that a diagnosis rests on, read from a cross-validation or a fitted estimator.

Scores become errors, of which less is better and 0 is perfect; losses are errors already.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer_names

from skdl._score_range import range_of_score
from skdl.estimators.base import monitor_mode
from skdl.inspection._cross_validated import curves_by_fold
from skdl.inspection._loss_floor import LossFloor, loss_floor
from skdl.inspection._networks import check_fitted_networks, first_network
from skdl.inspection._training_curve import kept_epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from skdl.estimators.base import BaseNetwork
    from skdl.inspection._cross_validated import CrossValidated
    from skdl.inspection._shape import Curve

    ErrorOf = Callable[[ArrayLike], NDArray[np.float64]]

__all__ = ["LARGEST_P_VALUE", "Evidence", "of_cross_validation", "of_estimator"]

# The customary bound below which a difference is called real.
LARGEST_P_VALUE = 0.05

_OWNER = "diagnose"
# A score to reach from here on is meant in per cent, where 1 is perfect.
_LEAST_PERCENTAGE = 10
_ROOT = "neg_root_mean_squared_error"


@dataclasses.dataclass
class Evidence:
    """What is known of a training.

    Parameters
    ----------
    title : str
        What is diagnosed.
    measure : str
        What the values of bias and variance are, such as ``"accuracy"``.
    shown : dict of str to float
        Values as the user knows them, to be printed.
    train, test : ndarray of shape (n_folds,), optional
        Errors of rows trained on, and of rows not trained on.
    goal : float
        Error to be reached; 0 where none is known.
    scale : float
        Distance from `goal` to the error of knowing nothing.
    goal_source : str, optional
        Whose error `goal` is; None if it is merely the best thinkable.
    floor : LossFloor
        What of a loss no network can lower; `goal` where no other is known.
    is_reached : bool
        Whether the score to reach was given, and is reached.
    advantage, p_value : float, optional
        Mean score less that of the baseline; one-sided p-value that it is not above 0.
    ratio : float
        Rows to test on for each row to train on.
    n_train : int, optional
        Rows to train on.
    held_out_curves, training_curves : list of ndarray
        For each fold, the loss by epoch of rows not trained on (empty if there are none), and of
        rows trained on.
    kept_epochs : list of int
        For each fold, after how many epochs it had the weights that it kept.
    network : BaseNetwork, optional
        Whose parameters the remedies speak of.
    notes : list of str
        What could not be judged, and what would be needed for it.
    """

    title: str
    measure: str
    shown: dict[str, float]
    goal: float = 0.0
    scale: float = math.nan
    goal_source: str | None = None
    floor: LossFloor = dataclasses.field(default_factory=LossFloor)
    is_reached: bool = False
    train: NDArray[np.float64] | None = None
    test: NDArray[np.float64] | None = None
    advantage: float | None = None
    p_value: float = math.nan
    ratio: float = 0.0
    n_train: int | None = None
    held_out_curves: list[Curve] = dataclasses.field(default_factory=list)
    training_curves: list[Curve] = dataclasses.field(default_factory=list)
    kept_epochs: list[int] = dataclasses.field(default_factory=list)
    network: BaseNetwork | None = None
    notes: list[str] = dataclasses.field(default_factory=list)


def of_cross_validation(
    result: CrossValidated, target: float | None, metric: str | None
) -> Evidence:
    """Read the evidence from a `CrossValidationResult`."""
    metric = result.metrics[0] if metric is None else metric
    if metric not in result.metrics:
        raise ValueError(
            f"{_OWNER}: metric={metric!r} was not scored. Expected one of {result.metrics}."
        )
    name = (result.scoring or metric) if metric == "score" else metric
    _check_target(name, target)
    summary = result.summary().loc[metric]
    folds = result.folds
    test = np.asarray(result[f"test_{metric}"], float)
    evidence = Evidence(
        title=f"Diagnosis of {summary.index[0]}: {name} on {len(test)} folds",
        measure=name,
        shown={},
        ratio=float((folds["n_test"] / folds["n_train"]).mean()),
        n_train=round(float(folds["n_train"].mean())),
        network=first_network(result.unfitted_estimator),
    )
    _read_curves(evidence, result)
    train = result.get(f"train_{metric}")
    if train is not None:
        evidence.shown["training score"] = float(np.nanmean(train))
    evidence.shown["held-out score"] = float(np.nanmean(test))
    if "baseline" in summary.index:
        row = summary.loc["baseline"]
        evidence.shown["baseline"] = float(row["mean"])
        evidence.advantage = -float(row["difference"])
        p_value = float(row["p_value"])
        evidence.p_value = p_value / 2 if evidence.advantage > 0 else 1 - p_value / 2
    else:
        evidence.notes.append(
            "There is no baseline to compare with: pass baseline=True to cross_validate."
        )
    if target is not None:
        if target > 1 >= max(evidence.shown.values()):
            evidence.notes.append(
                f"No score comes near the {target:g} to be reached. If that is a percentage, pass "
                f"target_score={target / 100:g}."
            )
        evidence.shown["score to reach"] = target
        evidence.is_reached = evidence.shown["held-out score"] >= target
    error = _error_of(name, evidence.shown.values())
    if train is None or error is None:
        _use_losses(evidence, result)
        return evidence
    evidence.train, evidence.test = error(np.asarray(train, float)), error(test)
    if target is not None:
        evidence.goal, evidence.goal_source = float(error(target)), "the score to reach"
    else:
        _take_best_contender(evidence, summary, error)
    if "baseline" in evidence.shown:
        ignorance = float(error(evidence.shown["baseline"]))
    else:
        ignorance = float(np.nanmean(evidence.test))
    evidence.scale = ignorance - evidence.goal
    return evidence


def _check_target(name: str, target: float | None) -> None:
    """Refuse a score that cannot be reached, mostly an error without its sign or a percentage."""
    if target is None or name not in get_scorer_names():
        return
    is_error = name.startswith("neg_")
    highest = range_of_score(name)[1]
    if target > highest:
        as_share = target / 100 if target >= _LEAST_PERCENTAGE else 0.9
        meant = -target if is_error else as_share
        raise ValueError(
            f"{_OWNER}: target_score={target:g} cannot be reached, as {name} is never above "
            f"{highest:g}. Expected it in the metric's own sign and units, such as {meant:g}."
        )


def of_estimator(estimator: Any, target: float | None, metric: str | None) -> Evidence:
    """Read the evidence from a fitted estimator; several networks count as folds."""
    if isinstance(estimator, Mapping):
        raise TypeError(
            f"{_OWNER}: got a {type(estimator).__name__}. Expected what skdl.model_selection."
            "cross_validate returns (scikit-learn's function of that name keeps no histories), or "
            "a fitted estimator."
        )
    networks = check_fitted_networks(estimator, _OWNER)
    metric = "loss" if metric is None else metric
    histories = [network.history_ for network in networks]
    known = [name for name in histories[0] if not name.startswith("val_")]
    if metric not in known:
        raise ValueError(
            f"{_OWNER}: metric={metric!r} is not in the history. Expected one of {known}; to see "
            "more, pass metrics=... to the network."
        )
    kept = [kept_epoch(network) for network in networks]
    evidence = Evidence(
        title=f"Diagnosis of {type(networks[0]).__name__}: {metric} of its training",
        measure=metric,
        shown={},
        network=networks[0],
        kept_epochs=kept,
        training_curves=[_finite(history["loss"]) for history in histories],
        held_out_curves=[
            _finite(history["val_loss"]) for history in histories if "val_loss" in history
        ],
    )
    is_score = monitor_mode(metric) == "max"

    def error(values: ArrayLike) -> NDArray[np.float64]:
        return 1 - np.asarray(values, float) if is_score else np.asarray(values, float)

    train = _at(histories, metric, kept)
    evidence.train = error(train)
    evidence.shown[f"training {metric}"] = float(train.mean())
    if all(f"val_{metric}" in history for history in histories):
        test = _at(histories, f"val_{metric}", kept)
        evidence.test = error(test)
        evidence.shown[f"validation {metric}"] = float(test.mean())
    else:
        evidence.notes.append(
            "There were no validation rows, so nothing can be said of rows not trained on. Fit "
            "with early_stopping=True or X_val, or diagnose what skdl.model_selection."
            "cross_validate returns."
        )
    if target is not None:
        evidence.shown["to reach"] = target
        evidence.goal, evidence.goal_source = float(error(target)), "what is to be reached"
        if evidence.test is not None:
            evidence.is_reached = bool(evidence.test.mean() <= evidence.goal)
    elif metric == "loss":
        _take_floor(evidence, loss_floor(networks, _n_classes_of(networks[0]), fitted=True))
    # Of the baseline nothing is known here: the first epoch stands in, for a score its whole range.
    # At its end a network may have learned all; its mean over the training rows is from before.
    of_first = [
        max(history[name][0] for name in (metric, f"val_{metric}") if name in history)
        for history in histories
    ]
    start = float(np.mean(of_first))
    evidence.scale = (1.0 if is_score else start) - evidence.goal
    evidence.notes.append(
        "A single fit knows no baseline and no error bars: diagnose what skdl.model_selection."
        "cross_validate returns to have both."
    )
    _warn_of_dropout(evidence)
    return evidence


def _read_curves(evidence: Evidence, result: CrossValidated) -> None:
    for curves, kept in curves_by_fold(result):
        if "loss" in curves:
            evidence.training_curves.append(_finite(curves["loss"]))
            evidence.kept_epochs.append(kept)
        if "test_loss" in curves:
            evidence.held_out_curves.append(_finite(curves["test_loss"]))
    if not evidence.training_curves:
        evidence.notes.append("No epochs were recorded, so nothing can be said of the curves.")


def _use_losses(evidence: Evidence, result: CrossValidated) -> None:
    """Take bias and variance from the losses, where scores do not allow it."""
    evidence.notes.append(
        "Bias and variance are judged by the losses. Pass return_train_score=True to "
        "cross_validate to judge them by the scores."
        if "training score" not in evidence.shown
        else "Bias and variance are judged by the losses: what a perfect score would be is unknown."
    )
    if not evidence.held_out_curves or len(evidence.held_out_curves) != len(
        evidence.training_curves
    ):
        return
    pairs = list(
        zip(evidence.training_curves, evidence.held_out_curves, evidence.kept_epochs, strict=True)
    )
    evidence.measure = "loss"
    evidence.train = np.array([_value_at(train, kept) for train, _, kept in pairs])
    evidence.test = np.array([_value_at(judged, kept) for _, judged, kept in pairs])
    if evidence.network is not None:
        n_classes = (
            _n_classes_in(result.data[1]) if is_classifier(result.unfitted_estimator) else None
        )
        _take_floor(evidence, loss_floor([evidence.network], n_classes, fitted=False))
        _warn_of_penalties(evidence)
    of_first = [max(a[0], b[0]) for a, b, _ in pairs if len(a) and len(b)]
    start = float(np.mean(of_first))
    evidence.scale = start - evidence.goal
    evidence.shown["training loss"] = float(np.nanmean(evidence.train))
    evidence.shown["held-out loss"] = float(np.nanmean(evidence.test))
    _warn_of_dropout(evidence)


def _take_floor(evidence: Evidence, floor: LossFloor) -> None:
    evidence.floor, evidence.goal = floor, floor.value
    if floor.source:
        evidence.shown["lowest possible loss"] = floor.value


def _n_classes_of(network: BaseNetwork) -> int | None:
    """Return the number of classes of a fitted classifier; of several yes or no outputs 2."""
    classes = getattr(network, "classes_", None)
    return None if classes is None else 2 if network.n_outputs_ > 1 else len(classes)


def _n_classes_in(y: Any) -> int:
    y = np.asarray(y)
    return 2 if y.ndim > 1 and y.shape[1] > 1 else len(np.unique(y))


def _warn_of_penalties(evidence: Evidence) -> None:
    names = ("l1", "l2")
    active = [name for name in names if getattr(evidence.network, name, None)]
    if active:
        evidence.notes.append(
            f"The losses hold the penalties of {' and '.join(active)}, which are not errors: bias "
            "may be smaller than it looks."
        )


def _warn_of_dropout(evidence: Evidence) -> None:
    names = ("dropout", "input_dropout", "conv_dropout", "augment")
    active = [name for name in names if getattr(evidence.network, name, None)]
    if active and evidence.measure == "loss":
        evidence.notes.append(
            f"The loss of training rows is taken with {' and '.join(active)} on, so it is higher "
            "than that of the finished network: variance may be larger than it looks."
        )


def _take_best_contender(evidence: Evidence, summary: pd.DataFrame, error: ErrorOf) -> None:
    """Aim for the best of the other estimators, if it is better than ours beyond chance."""
    others = summary.iloc[1:].drop(index="baseline", errors="ignore")
    better = others[(others["difference"] > 0) & (others["p_value"] < LARGEST_P_VALUE)]
    if len(better):
        name = better["mean"].idxmax()
        evidence.goal = float(error(better.loc[name, "mean"]))
        evidence.goal_source = f"{name}"
        evidence.shown[f"score of {name}"] = float(better.loc[name, "mean"])


def _error_of(name: str, scores: Iterable[float]) -> ErrorOf | None:
    """Return the function from scores to errors, None where the perfect score is unknown.

    Skill is measured against the baseline as by Murphy (1988), whose scores are of squared errors;
    so a root mean squared error is squared.
    """
    scores = list(scores)
    if name == _ROOT:
        return lambda score: np.asarray(score, float) ** 2
    if name.startswith("neg_") or max(scores) <= 0:
        return lambda score: -np.asarray(score, float)
    if max(scores) <= 1:
        return lambda score: 1 - np.asarray(score, float)
    return None


def _at(
    histories: Sequence[Mapping[str, Sequence[float]]], name: str, kept: Sequence[int]
) -> NDArray[np.float64]:
    pairs = zip(histories, kept, strict=True)
    return np.array([_value_at(np.asarray(history[name]), epoch) for history, epoch in pairs])


def _value_at(curve: NDArray[np.float64], epoch: int) -> float:
    return float(curve[min(epoch, len(curve)) - 1]) if len(curve) else math.nan


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    """Return a curve up to where it diverged."""
    values = np.asarray(values, float)
    bad = np.flatnonzero(~np.isfinite(values))
    return values[: bad[0]] if len(bad) else values
