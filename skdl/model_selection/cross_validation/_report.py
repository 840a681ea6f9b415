"""How the result of a cross-validation looks, as text and in a notebook."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

__all__ = ["Report", "as_html", "as_text"]

_HEADER = ("", "mean ± 95 % interval", "difference", "p-value", "fit time")
_SOURCE = "Higher scores are better. Intervals and paired tests: Nadeau and Bengio (2003)."
_LONGEST_NAME = 36
_MOST_DECIMALS = 6
_MOST_POINTS = 200
# What three decimals can show.
_LEAST_P_VALUE = 0.001


@dataclass(frozen=True)
class Report:
    """What is shown of a result.

    Attributes
    ----------
    title, splits : str
        What was cross-validated, and how.
    n_splits : int
        Number of folds, those that failed included.
    summary : DataFrame
        As from ``CrossValidationResult.summary()``; the first row of each metric is ours.
    scoring : str or None
        What the metric ``score`` is, where it has a name.
    curve : Series or None
        Mean test loss by epoch.
    best_epoch : int or None
        Where it is lowest.
    """

    title: str
    splits: str
    n_splits: int
    summary: pd.DataFrame
    scoring: str | None
    curve: pd.Series | None
    best_epoch: int | None

    def tables(self) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
        """Yield each metric with its rows of cells, as `_HEADER` has them."""
        for metric, group in self.summary.groupby(level="metric", sort=False):
            decimals = _decimals(group["std"])
            yield (
                self.scoring if self.scoring and metric == "score" else str(metric),
                [
                    (
                        str(name),
                        _with_interval(row.mean, row.ci_low, row.ci_high, decimals),
                        _number(row.difference, decimals, sign="+"),
                        _p_value(row.p_value),
                        f"{row.fit_time:.2f} s",
                    )
                    for (_, name), row in zip(
                        group.index, group.itertuples(index=False), strict=True
                    )
                ],
            )

    def notes(self) -> list[str]:
        """Return the lines that stand below the table."""
        notes = []
        n_scored = self.summary.groupby(level="estimator", sort=False)["n_folds"].min()
        for name, n_failed in (self.n_splits - n_scored).items():
            if n_failed:
                notes.append(
                    f"{name}: {n_failed} of {self.n_splits} folds failed and are left out."
                )
        if self.curve is not None and self.best_epoch is not None:
            more = " It is the last: more may do better." * (self.best_epoch == len(self.curve))
            notes.append(
                f"Best epoch: {self.best_epoch} of {len(self.curve)} (mean test loss "
                f"{self.curve[self.best_epoch]:.4g}).{more}"
            )
        return [*notes, _SOURCE]


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines: list[tuple[str, ...]] = []
    for metric, rows in report.tables():
        lines.append((_shorten(metric),))
        lines += [(f"  {_shorten(row[0])}", *row[1:]) for row in rows]
    # Of a line with a metric alone, zip pairs that cell alone.
    widths = [max(len(line[i]) for line in [_HEADER, *lines] if i < len(line)) for i in range(5)]
    table = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in [_HEADER, *lines]
    ]
    head = [report.title, report.splits]
    return "\n".join([*head, "", *table, "", *report.notes()])


# Colours are those of the notebook's theme, light or dark, but for greys and this blue.
_ACCENT = "#2f81f7"
_STYLE = """
.skdl-cv { font-size: 0.9em; line-height: 1.5; color: inherit; }
.skdl-cv table { border-collapse: collapse; margin: 0.5em 0; font-variant-numeric: tabular-nums; }
.skdl-cv th, .skdl-cv td { padding: 0.15em 0.8em; border: 0; background: none; color: inherit;
  text-align: right; font-weight: normal; white-space: nowrap; }
.skdl-cv thead th { opacity: 0.65; border-bottom: 1px solid rgba(128, 128, 128, 0.6); }
.skdl-cv th:first-child { text-align: left; padding-left: 0; }
.skdl-cv .skdl-metric th { padding-top: 0.6em; opacity: 0.65; }
.skdl-cv .skdl-ours th, .skdl-cv .skdl-ours td { font-weight: bold; }
.skdl-cv .skdl-dim { opacity: 0.65; }
.skdl-cv svg { display: block; margin: 0.3em 0; }
"""


def as_html(report: Report) -> str:
    """Return the report for a notebook, as a block that needs nothing from outside."""
    header = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in _HEADER)
    body = []
    for metric, rows in report.tables():
        body.append(
            f'<tr class="skdl-metric"><th colspan="{len(_HEADER)}" scope="rowgroup">'
            f"{html.escape(metric)}</th></tr>"
        )
        for row, (name, *cells) in enumerate(rows):
            ours = ' class="skdl-ours"' if row == 0 else ""
            values = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            body.append(f'<tr{ours}><th scope="row">{html.escape(name)}</th>{values}</tr>')
    notes = "<br/>".join(map(html.escape, report.notes()))
    drawing = ""
    if report.curve is not None and report.best_epoch is not None:
        drawing = _sparkline(report.curve, report.best_epoch)
    return (
        f'<div class="skdl-cv"><style>{_STYLE}</style>'
        f"<strong>{html.escape(report.title)}</strong><br/>"
        f'<span class="skdl-dim">{html.escape(report.splits)}</span>'
        f"<table><thead><tr>{header}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        f'{drawing}<span class="skdl-dim">{notes}</span></div>'
    )


def _sparkline(curve: pd.Series, best_epoch: int, width: int = 320, height: int = 56) -> str:
    """Return a small SVG of a loss by epoch, with its lowest point marked."""
    losses = curve.to_numpy()
    # The steep first epochs would flatten the rest: what lies above the top runs along it.
    top, bottom = np.nanquantile(losses, 0.9), np.nanmin(losses)
    down = 3 + (top - np.minimum(losses, top)) / ((top - bottom) or 1.0) * (height - 6)
    across = 3 + np.linspace(0, 1, len(losses)) * (width - 6)
    shown = {*range(0, len(losses), math.ceil(len(losses) / _MOST_POINTS)), len(losses) - 1}
    points = " ".join(
        f"{across[i]:.1f},{down[i]:.1f}" for i in sorted(shown) if np.isfinite(down[i])
    )
    x, y = across[best_epoch - 1], down[best_epoch - 1]
    label = f"Mean test loss over {len(losses)} epochs, lowest after epoch {best_epoch}"
    # Drawn by attributes, not by _STYLE, which some viewers of notebooks drop.
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{label}">'
        f'<title>{label}</title><path d="M{points}" fill="none" stroke="currentColor"/>'
        f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height}" stroke="{_ACCENT}" '
        f'stroke-dasharray="3 2"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_ACCENT}"/></svg>'
    )


def _decimals(stds: pd.Series) -> int | None:
    """Return the decimals that show two digits of the first standard deviation that has any."""
    first = next((std for std in stds if math.isfinite(std) and std > 0), None)
    decimals = _MOST_DECIMALS + 1 if first is None else max(0, 1 - math.floor(math.log10(first)))
    return decimals if decimals <= _MOST_DECIMALS else None


def _number(value: float, decimals: int | None, sign: str = "-") -> str:
    if math.isnan(value):
        return ""
    kind = ".4g" if decimals is None else f",.{decimals}f"
    # "z": no minus in front of what is rounded to zero.
    return f"{value:{sign}z{kind}}"


def _with_interval(mean: float, low: float, high: float, decimals: int | None) -> str:
    if math.isnan(mean):
        return "failed"
    if math.isnan(low) or math.isnan(high):
        return _number(mean, decimals)
    if math.isclose(mean - low, high - mean, rel_tol=1e-6, abs_tol=1e-12):
        return f"{_number(mean, decimals)} ± {_number(high - mean, decimals)}"
    # Cut at the end of what the metric can be.
    return f"{_number(mean, decimals)} ({_number(low, decimals)} to {_number(high, decimals)})"


def _p_value(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"< {_LEAST_P_VALUE}" if value < _LEAST_P_VALUE else f"{value:.3f}"


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
