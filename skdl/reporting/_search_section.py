"""What a search tried: history, importances, parallel coordinates, the best trials."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.reporting._blocks import Section, Table, Text
from skdl.reporting._drawing import INK, OTHER, drawing
from skdl.reporting._numbers import count, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skdl.reporting._blocks import Block
    from skdl.reporting._subject import Subject

__all__ = ["search_section"]

_MOST_PARAMS, _MOST_TRIALS, _MOST_LINES = 7, 10, 200
_LEAST_RATIO_FOR_LOG = 20


def search_section(subject: Subject) -> Section:
    """Return the section on the trials; empty where nothing was searched."""
    if subject.kind != "search":
        return Section("Search", ())
    return Section("Search", tuple(_blocks(subject.given)))


def _blocks(search: Any) -> Iterator[Block]:
    results = search.cv_results_
    params: list[dict[str, Any]] = results["params"]
    n_trials = len(params)
    states = list(results.get("state", ["complete"] * n_trials))
    told = [f"{states.count(s):,} {s}" for s in ("complete", "pruned", "failed") if s in states]
    yield Text(f"{count(n_trials, 'trial')}: {', '.join(told)}.")
    scores = _scores(search)
    numbers = list(results.get("trial_number", range(n_trials)))
    if np.isfinite(scores).any():
        yield drawing(
            lambda ax: _draw_history(ax, numbers, scores, states, params),
            "Score of each trial and the best so far",
        )
    importances, reason = _importances(search)
    if reason:
        yield Text(f"Importances are left out: {reason}.", "note")
    else:
        yield drawing(
            lambda ax: _draw_importances(ax, importances),
            "Importance of each parameter",
            height=max(1.6, 0.8 + 0.3 * min(len(importances), _MOST_PARAMS)),
        )
    names = _names(params, importances)
    complete = np.flatnonzero(np.isfinite(scores))
    if len(names) > 1 and len(complete) > 1:
        best_first = complete[np.argsort(-scores[complete], kind="stable")][:_MOST_LINES]
        yield drawing(
            lambda ax: _draw_parallel(ax, names, params, scores, numbers, best_first),
            "Parameters of each trial side by side, the best ones dark",
            width=1.5 + 1.35 * len(names), height=3.6, is_wide=True,
        )  # fmt: skip
    n_more = len(_varied(params)) - len(names)
    if n_more:
        what = "parameter differs" if n_more == 1 else "parameters differ"
        yield Text(f"{n_more} more {what} between trials, and not shown.", "note")
    rows = [
        (f"{numbers[i]}", number(float(scores[i])), *(_short(params[i].get(n, "")) for n in names))
        for i in complete[np.argsort(-scores[complete], kind="stable")][:_MOST_TRIALS]
    ]
    if rows:
        rest = len(complete) - len(rows)
        more = f"; {rest:,} more not shown" if rest else ""
        yield Table(("trial", "score", *map(_last, names)), rows, f"The best trials{more}")
    else:
        yield Text("Figures of the trials are left out: none has a score.", "warning")
    reasons = zip(states, results.get("reason", ()), strict=False)
    failed = [str(reason) for state, reason in reasons if reason and state != "pruned"]
    if failed:
        first = failed[0].splitlines()[0]
        n_failed = f"{count(len(failed), 'trial')} failed, in some folds at least."
        yield Text(f"{n_failed} The first reason: {first}", "warning")


def _scores(search: Any) -> NDArray[np.float64]:
    results = search.cv_results_
    metric = search.refit if isinstance(search.refit, str) else "score"
    keys = [f"mean_test_{metric}", "mean_test_score"]
    keys += sorted(key for key in results if key.startswith("mean_test_"))
    values = next((results[key] for key in keys if key in results), ())
    return np.asarray(values, float)


def _importances(search: Any) -> tuple[dict[str, float], str]:
    """Return how much of the scores' spread each parameter explains, or why that is not known."""
    study = getattr(search, "study_", None)
    if study is None:
        return {}, "they are worked out from a study of Optuna, which this search does not have"
    from optuna.importance import get_param_importances

    try:
        with warnings.catch_warnings():
            # That few trials say little, which the page shows by their number.
            warnings.simplefilter("ignore", UserWarning)
            found = dict(get_param_importances(study))
    except (ValueError, RuntimeError) as error:  # one trial, one value, several objectives
        return {}, str(error).splitlines()[0].rstrip(".")
    return found, "" if found else "no parameter differs between the trials"


def _names(params: list[dict[str, Any]], importances: dict[str, float]) -> list[str]:
    """Return the parameters that differ between trials, the most important first."""
    # A study may know them by shorter names.
    return sorted(
        _varied(params),
        key=lambda name: -importances.get(name, importances.get(_last(name), 0.0)),
    )[:_MOST_PARAMS]


def _varied(params: list[dict[str, Any]]) -> list[str]:
    known = dict.fromkeys(name for each in params for name in each)
    return [n for n in known if len({_short(each.get(n, "")) for each in params}) > 1]


def _draw_history(
    ax: Axes,
    numbers: Sequence[int],
    scores: NDArray[np.float64],
    states: Sequence[str],
    params: Sequence[dict[str, Any]],
) -> dict[str, str]:
    hover = {}
    for i, (trial, score) in enumerate(zip(numbers, scores, strict=True)):
        if math.isfinite(score):
            ax.plot([trial], [score], "o", color=INK, markersize=4, gid=f"trial{i}")
            hover[f"trial{i}"] = _described(trial, score, params[i])
    order = np.argsort(numbers)
    best = np.fmax.accumulate(scores[order])
    ax.step(np.asarray(numbers)[order], best, where="post", color=OTHER, label="best so far")
    pruned = [n for n, state in zip(numbers, states, strict=True) if state == "pruned"]
    if pruned:
        ax.plot(
            pruned, np.full(len(pruned), 0.02), "|", color="#8c959f",
            transform=ax.get_xaxis_transform(), label="pruned",
        )  # fmt: skip
    ax.set(xlabel="trial", ylabel="score")
    ax.legend(loc="lower right")
    return hover


def _draw_importances(ax: Axes, importances: dict[str, float]) -> None:
    shown = sorted(importances.items(), key=lambda item: -item[1])[:_MOST_PARAMS]
    names = [_last(name) for name, _ in shown]
    ax.barh(range(len(shown)), [value for _, value in shown], color=INK)
    ax.set_yticks(range(len(shown)), names)
    ax.invert_yaxis()
    ax.set_xlabel("importance")


def _draw_parallel(
    ax: Axes,
    names: Sequence[str],
    params: Sequence[dict[str, Any]],
    scores: NDArray[np.float64],
    numbers: Sequence[int],
    best_first: NDArray[np.intp],
) -> dict[str, str]:
    columns = [_placed([params[i].get(name) for i in best_first]) for name in names]
    hover = {}
    n_lines = len(best_first)
    for rank in range(n_lines - 1, -1, -1):
        i = int(best_first[rank])
        is_best = rank == 0
        gid = f"line{i}"
        ax.plot(
            range(len(names)),
            [heights[rank] for heights, _ in columns],
            color=OTHER if is_best else INK,
            alpha=1.0 if is_best else max(0.12, 0.7 * (1 - rank / n_lines)),
            linewidth=2.2 if is_best else 1.2,
            gid=gid,
        )
        hover[gid] = _described(numbers[i], scores[i], params[i])
    for place, (_, ticks) in enumerate(columns):
        ax.axvline(place, color="#8c959f", linewidth=0.8)
        for height, label in ticks:
            ax.annotate(
                label,
                (place, height),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=8,
                va="center",
                bbox={"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.75},
            )
    ax.set_xticks(range(len(names)), [_last(name) for name in names])
    ax.set_yticks([])
    ax.set_xlim(-0.2, len(names) - 0.4)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    return hover


def _placed(values: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Return heights from 0 to 1, and where to write which values."""
    is_known = [_is_number(value) for value in values]
    if any(is_known) and all(
        known or value is None for known, value in zip(is_known, values, strict=True)
    ):
        heights, ends = _placed_numbers([v for v in values if _is_number(v)])
        if all(is_known):
            return heights, ends
        # None stands at the foot, apart from the numbers.
        raised = iter([0.2 + 0.8 * height for height in heights])
        places = [next(raised) if known else 0.0 for known in is_known]
        return places, [(0.0, "None"), *((0.2 + 0.8 * h, label) for h, label in ends)]
    words = [_short(value) for value in values]
    known = sorted(set(words))
    by_word = {word: i / max(len(known) - 1, 1) for i, word in enumerate(known)}
    return [by_word[word] for word in words], [(h, word) for word, h in by_word.items()]


def _placed_numbers(values: Sequence[float]) -> tuple[list[float], list[tuple[float, str]]]:
    numbers = np.array(values, float)
    low, high = float(numbers.min()), float(numbers.max())
    is_wide = low > 0 and high / low > _LEAST_RATIO_FOR_LOG
    scaled = np.log(numbers) if is_wide else numbers
    least, most = float(scaled.min()), float(scaled.max())
    heights = (scaled - least) / ((most - least) or 1.0)
    middle = math.exp((least + most) / 2) if is_wide else (least + most) / 2
    ends = [(0.0, low), (0.5, middle), (1.0, high)] if most > least else [(0.0, low)]
    return heights.tolist(), [(h, f"{v:.3g}") for h, v in ends]


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
    return is_real and math.isfinite(value)


def _described(trial: int, score: float, params: dict[str, Any]) -> str:
    told = ", ".join(f"{_last(name)}={_short(value)}" for name, value in params.items())
    return f"trial {trial}: {score:.4g}; {told}"


def _last(name: str) -> str:
    """Return a parameter without the steps that lead to it."""
    return name.rpartition("__")[2]


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= 24 else f"{text[:23]}…"
