"""Calibration and confusions of classifiers, residuals of regressors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.reporting._blocks import Section, Table, Text
from skdl.reporting._drawing import INK, OTHER, drawing
from skdl.reporting._numbers import number, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skdl.reporting._blocks import Block
    from skdl.reporting._predictions import Predictions

__all__ = ["prediction_section", "wilson_interval"]

_MOST_CLASSES = 12
_MOST_POINTS = 1500
_N_BINS = 10
_LEAST_ROWS_OF_A_BIN = 10
_Z = 1.959964


def prediction_section(
    found: Predictions | None, reason: str, *, is_classifier: bool, advice: str
) -> Section:
    """Return the section on predictions.

    Parameters
    ----------
    found : Predictions or None
    reason : str
        Why there are none, although there was something to predict.
    is_classifier : bool
    advice : str
        What to do to have predictions.
    """
    title = "Calibration and errors" if is_classifier else "Residuals"
    if found is None:
        return Section(title, (Text(reason, "warning") if reason else Text(advice),))
    blocks = _of_classes(found) if found.classes else _of_numbers(found)
    notes = [Text(each, "note") for each in (*found.notes, f"From {found.source}.")]
    return Section(title, (*blocks, *notes))


# ------------------------------------------------------------------ classes


def _of_classes(found: Predictions) -> Iterator[Block]:
    if found.probabilities is not None:
        yield from _calibration(found, found.probabilities)
    if len(found.classes) > _MOST_CLASSES:
        yield Text(
            f"The table of predicted classes is left out: {len(found.classes)} classes are more "
            f"than the {_MOST_CLASSES} that it has room for.",
            "note",
        )
    else:
        counts = np.zeros((len(found.classes), len(found.classes)), int)
        np.add.at(counts, (found.y, found.predicted), 1)
        rows = [
            (name, *(f"{n:,}" for n in of_class), share(of_class[i], of_class.sum()))
            for i, (name, of_class) in enumerate(zip(found.classes, counts, strict=True))
        ]
        header = ("true class", *(f"as {name}" for name in found.classes), "recall")
        yield Table(header, rows, "Predicted classes of each true class")


def _calibration(found: Predictions, probabilities: NDArray[np.float64]) -> Iterator[Block]:
    if len(found.classes) == 2:
        told, is_so = probabilities[:, 1], found.y == 1
        what, share_of = f"probability of {found.classes[1]}", f"share of {found.classes[1]}"
    else:
        told, is_so = probabilities.max(axis=1), found.y == probabilities.argmax(axis=1)
        what, share_of = "probability of the predicted class", "share predicted right"
    means, shares, errors, counts = reliability(told, is_so)

    def draw(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], color="#8c959f", linewidth=1, linestyle=":", label="perfect")
        # A line between the shares of a few rows each would go up and down by chance.
        fmt = "o-" if counts.min() >= _LEAST_ROWS_OF_A_BIN else "o"
        ax.errorbar(
            means, shares, np.abs(errors.T - shares), fmt=fmt, color=INK, capsize=2, label="found"
        )
        ax.set(xlabel=what, ylabel=share_of, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.legend()

    def draw_counts(ax: Axes) -> None:
        ax.hist(told, bins=np.linspace(0, 1, 21).tolist(), color=INK)
        ax.set(xlabel=what, ylabel="rows", xlim=(-0.02, 1.02))

    yield drawing(draw, f"Calibration: {what} against the share of rows where it is so")
    yield drawing(draw_counts, f"How often each {what} occurs")
    gap = float(counts @ np.abs(means - shares) / counts.sum())
    yield Text(
        f"On average the probabilities are off by {gap:.3f} (expected calibration error, "
        f"{_N_BINS} bins); the mean is {told.mean():.3f}, the share of rows {is_so.mean():.3f}."
    )


def reliability(
    told: NDArray[np.float64], is_so: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int_]]:
    """Return, for each bin that has rows, mean probability, share, interval and number of rows."""
    places = np.minimum((told * _N_BINS).astype(int), _N_BINS - 1)
    counts = np.bincount(places, minlength=_N_BINS)
    used = counts > 0
    n = counts[used]
    means = np.bincount(places, told, _N_BINS)[used] / n
    hits = np.bincount(places, is_so, _N_BINS)[used]
    errors = np.array([wilson_interval(h, k) for h, k in zip(hits, n, strict=True)])
    return means, hits / n, errors, n


def wilson_interval(hits: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), which never leaves [0, 1]."""
    p = hits / n
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)


# ------------------------------------------------------------------ numbers


def _of_numbers(found: Predictions) -> Iterator[Block]:
    shown = np.arange(len(found.y))
    if len(shown) > _MOST_POINTS:
        shown = np.random.default_rng(0).choice(shown, _MOST_POINTS, replace=False)
    y, predicted = found.y[shown], found.predicted[shown]
    ends = [float(min(y.min(), predicted.min())), float(max(y.max(), predicted.max()))]
    point: dict[str, Any] = {"s": 12, "alpha": 0.6, "color": INK, "linewidths": 0}

    def draw(ax: Axes) -> None:
        ax.scatter(predicted, y, **point)
        ax.plot(ends, ends, color=OTHER, linewidth=1)
        ax.set(xlabel="predicted", ylabel="true")

    def draw_residuals(ax: Axes) -> None:
        ax.scatter(predicted, y - predicted, **point)
        ax.axhline(0, color=OTHER, linewidth=1)
        ax.set(xlabel="predicted", ylabel="true less predicted")

    yield drawing(draw, "True against predicted targets, with the diagonal")
    yield drawing(draw_residuals, "Residuals against predictions")
    rest = found.y - found.predicted
    quantiles = [number(float(v)) for v in np.quantile(rest, [0.05, 0.25, 0.5, 0.75, 0.95])]
    header = ("true less predicted", "mean", "5 %", "25 %", "median", "75 %", "95 %")
    yield Table(header, [("", number(float(rest.mean())), *quantiles)])
    if len(shown) < len(rest):
        yield Text(
            f"The figures show {len(shown):,} of {len(rest):,} rows, drawn at random.", "note"
        )
