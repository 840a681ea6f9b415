"""Scores with their intervals, beside the baseline."""

from __future__ import annotations

import functools
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from skdl._score_range import range_of_score
from skdl.reporting._blocks import Section, Table, Text
from skdl.reporting._drawing import INK, drawing
from skdl.reporting._numbers import between, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skdl.reporting._blocks import Block
    from skdl.reporting._predictions import Predictions
    from skdl.reporting._subject import Subject

    Metric = Callable[[Predictions, NDArray[np.intp]], float]

__all__ = ["score_section"]

_SOURCE = (
    "Intervals of 95 % and paired tests over the folds: Nadeau and Bengio (2003). Higher scores "
    "are better."
)
_BOOTSTRAP = "Intervals of 95 %: bootstrap over the rows."
_N_BOOTSTRAP, _MOST_ROWS = 200, 20_000
_UNKNOWN_ROWS = (
    "If the estimator was fitted on these rows, the scores are too good. Cross-validate it, or "
    "pass rows that it has not seen."
)


def score_section(
    subject: Subject, predictions: Predictions | None, reason: str
) -> tuple[Section, list[tuple[str, str]]]:
    """Return the section on scores, and the facts that stand at the top of the page.

    Parameters
    ----------
    subject : Subject
    predictions : Predictions or None
    reason : str
        Why there are none, although there was something to predict.
    """
    facts: list[tuple[str, str]] = []
    blocks: list[Block] = []
    if subject.kind == "cross-validation":
        blocks += _of_cross_validation(subject, facts)
    elif subject.kind == "search":
        blocks += _of_search(subject, facts)
    elif subject.kind == "ensemble" and not (predictions and predictions.is_out_of_fold):
        facts.append((f"out-of-fold {_default(subject)}", number(subject.given.oof_score_)))
    if predictions is not None and subject.kind != "cross-validation":
        blocks += _of_rows(predictions, facts)
    elif reason and subject.kind != "cross-validation":
        blocks.append(Text(f"The rows are not scored. {reason}", "warning"))
    elif not blocks:
        blocks.append(
            Text(
                "No rows were passed, so there is nothing to score: `skdl.report(estimator, "
                "X_test, y_test)`. Cross-validation has scores with intervals and a baseline."
            )
        )
    return Section("Scores", tuple(blocks)), facts


def _default(subject: Subject) -> str:
    """Return what ``estimator.score`` is."""
    return "accuracy" if subject.is_classifier else "R²"


def _of_cross_validation(subject: Subject, facts: list[tuple[str, str]]) -> Iterator[Block]:
    result = subject.given
    table = result.summary()
    for metric in result.metrics:
        name = (result.scoring or _default(subject)) if metric == "score" else metric
        part = table.loc[metric]
        rows = [
            (
                str(who),
                number(row["mean"]),
                between(row["ci_low"], row["ci_high"]),
                number(row["difference"]),
                _p_value(row["p_value"]),
                f"{row['fit_time']:.2f} s",
            )
            for who, row in part.iterrows()
        ]
        header = ("", "mean", "95 % interval", "difference", "p-value", "fit time")
        yield Table(header, rows, f"{name} over {int(part['n_folds'].iloc[0])} folds")
        ours = part.iloc[0]
        if metric == result.metrics[0]:
            interval = between(ours["ci_low"], ours["ci_high"])
            told = number(ours["mean"]) + (f" ({interval})" if interval else "")
            facts.append((f"{name}, held out", told))
            if "baseline" in part.index:
                facts.append(("baseline", number(part.loc["baseline", "mean"])))
        yield drawing(
            functools.partial(_draw_intervals, part=part, name=name),
            f"{name}: mean and interval of each estimator",
            height=0.9 + 0.4 * len(part),
        )
    yield Text(_SOURCE, "note")


def _draw_intervals(ax: Axes, part: Any, name: str) -> None:
    for place, (_, row) in enumerate(part.iterrows()):
        color = INK if place == 0 else "#59636e"
        ax.plot(row["mean"], place, "o", color=color)
        if not math.isnan(row["ci_low"]):
            ax.plot([row["ci_low"], row["ci_high"]], [place, place], color=color, linewidth=2)
    ax.set_yticks(range(len(part)), [str(who)[:24] for who in part.index])
    ax.set_ylim(len(part) - 0.5, -0.5)
    ax.set_xlabel(name)


def _p_value(value: float) -> str:
    if math.isnan(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _of_search(subject: Subject, facts: list[tuple[str, str]]) -> Iterator[Block]:
    search = subject.given
    scoring = search.scoring if search.scoring is not None else _default(subject)
    name = f" ({scoring})" if isinstance(scoring, str) else ""
    if not hasattr(search, "best_score_"):
        yield Text("The search has several objectives, so it has no single best score.")
        return
    facts.append(("best score", number(search.best_score_)))
    rows = [("best trial", *_mean_and_std(search, search.best_index_))]
    start = getattr(search, "start_score_", math.nan)
    if not math.isnan(start):
        facts.append(("score of the start", number(start)))
        first = [i for i, mean in enumerate(_means(search)) if mean == start]
        rows.append(("start", *(_mean_and_std(search, first[0]) if first else (number(start), ""))))
    yield Table(("", "mean", "std over the folds"), rows, f"Scores of the search{name}")
    yield Text(
        "The best of many trials is a little too good on the rows that chose it. Score the search "
        "on rows that it has not seen, or cross-validate the search itself.",
        "note",
    )


def _means(search: Any) -> NDArray[np.float64]:
    refit = search.refit if isinstance(search.refit, str) else "score"
    results = search.cv_results_
    key = f"mean_test_{refit}" if f"mean_test_{refit}" in results else "mean_test_score"
    return np.asarray(results.get(key, np.full(len(results["params"]), np.nan)), float)


def _mean_and_std(search: Any, place: int) -> tuple[str, str]:
    refit = search.refit if isinstance(search.refit, str) else "score"
    results = search.cv_results_
    key = f"std_test_{refit}" if f"std_test_{refit}" in results else "std_test_score"
    return number(float(_means(search)[place])), number(float(results[key][place]))


# ------------------------------------------------------------------ of rows


def _of_rows(found: Predictions, facts: list[tuple[str, str]]) -> Iterator[Block]:
    metrics = _metrics_of(found)
    rng = np.random.default_rng(0)
    n_rows = len(found.y)
    every = np.arange(n_rows)
    n_draws = _N_BOOTSTRAP if n_rows <= _MOST_ROWS else _N_BOOTSTRAP // 4
    draws = [rng.integers(n_rows, size=n_rows) for _ in range(n_draws)]
    rows = []
    for name, (metric, baseline) in metrics.items():
        value = metric(found, every)
        with warnings.catch_warnings():
            # Of a class that a draw lacks, for example.
            warnings.simplefilter("ignore")
            drawn = np.array([metric(found, draw) for draw in draws])
        known = drawn[np.isfinite(drawn)]
        low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (math.nan, math.nan)
        bounds = range_of_score(name.lower())
        interval = between(max(low, bounds[0]), min(high, bounds[1]))
        rows.append((name, number(value), interval, number(baseline)))
    yield Table(("", "score", "95 % interval", "baseline"), rows, f"Of {found.source}")
    yield Text(
        f"{_BOOTSTRAP} The baseline predicts the mean, or the frequencies of the classes, of the "
        "same rows.",
        "note",
    )
    first, score, spread, of_baseline = rows[0]
    where = "out-of-fold " if found.is_out_of_fold else ""
    facts.append((f"{where}{first}", f"{score} ({spread})" if spread else score))
    facts.append(("baseline", of_baseline))
    if not found.is_out_of_fold:
        yield Text(_UNKNOWN_ROWS, "note")


def _metrics_of(found: Predictions) -> dict[str, tuple[Metric, float]]:
    """Return functions of predictions and rows, each with the baseline's score."""
    if not found.classes:
        y = found.y
        spread = float(y.std())
        return {
            "R²": (_r2, 0.0),
            "RMSE": (lambda f, i: float(np.sqrt(np.mean((f.y - f.predicted)[i] ** 2))), spread),
            "MAE": (
                lambda f, i: float(np.abs((f.y - f.predicted)[i]).mean()),
                float(np.abs(y - y.mean()).mean()),
            ),
        }
    shares = np.bincount(found.y, minlength=len(found.classes)) / len(found.y)
    metrics: dict[str, tuple[Metric, float]] = {
        "accuracy": (lambda f, i: float((f.y == f.predicted)[i].mean()), float(shares.max()))
    }
    if found.probabilities is not None:
        labels = np.arange(len(found.classes))
        entropy = float(-sum(p * math.log(p) for p in shares if p > 0))
        metrics["log loss"] = (
            lambda f, i: float(log_loss(f.y[i], _of(f)[i], labels=labels)),
            entropy,
        )
        if len(found.classes) == 2:
            metrics["ROC AUC"] = (_auc, 0.5)
    return metrics


def _of(found: Predictions) -> NDArray[np.float64]:
    return np.asarray(found.probabilities)


def _r2(found: Predictions, rows: NDArray[np.intp]) -> float:
    y, rest = found.y[rows], (found.y - found.predicted)[rows]
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float((rest**2).sum()) / total if total else math.nan


def _auc(found: Predictions, rows: NDArray[np.intp]) -> float:
    y = found.y[rows]
    return float(roc_auc_score(y, _of(found)[rows, 1])) if 0 < y.mean() < 1 else math.nan
