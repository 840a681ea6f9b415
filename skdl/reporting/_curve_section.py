"""Training curves with bands over folds, and what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from skdl.inspection import TrainingCurveDisplay, diagnose
from skdl.inspection._networks import first_network
from skdl.reporting._blocks import Items, Section, Table, Text
from skdl.reporting._drawing import drawing
from skdl.reporting._numbers import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from skdl.inspection import Diagnosis
    from skdl.reporting._blocks import Block
    from skdl.reporting._subject import Subject

__all__ = ["curve_section", "diagnosis_of", "diagnosis_section"]

_MOST_METRICS = 3
_NOT_KEPT = (
    "Training curves and the diagnosis are left out: no fitted network was kept. Pass "
    "`refit=True`, and fit again."
)
_NOT_RECORDED = "Training curves are left out: no network inside recorded its epochs."
# Of the median, so many times at most on an axis whose numbers are at equal distances.
_MOST_TIMES = 5


def curve_section(subject: Subject) -> Section:
    """Return the section on training curves; empty where there is no network."""
    known = _metrics_of(subject)
    blocks: list[Block] = []
    for metric in known[:_MOST_METRICS]:

        def draw(ax: Axes, metric: str = metric) -> None:
            if subject.kind == "cross-validation":
                TrainingCurveDisplay.from_cross_validation(subject.given, metric=metric, ax=ax)
            else:
                TrainingCurveDisplay.from_estimator(subject.given, metric=metric, ax=ax)
            _spread_low_values(ax)

        blocks.append(drawing(draw, f"{metric} by epoch, mean over the folds with a band"))
    if len(known) > _MOST_METRICS:
        rest = ", ".join(f"`{name}`" for name in known[_MOST_METRICS:])
        blocks.append(Text(f"Recorded too, but not drawn: {rest}.", "note"))
    if not known and first_network(subject.estimator) is not None:
        blocks.append(Text(_NOT_KEPT if subject.kind == "search" else _NOT_RECORDED, "note"))
    return Section("Training curves", tuple(blocks))


def _spread_low_values(ax: Axes) -> None:
    """Draw powers of ten at equal distances where one epoch is far above what follows."""
    # The others mark epochs from top to bottom.
    curves = [line for line in ax.get_lines() if line.get_transform() == ax.transData]
    values = np.concatenate([np.empty(0), *(np.asarray(each.get_ydata()) for each in curves)])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > _MOST_TIMES * np.median(values):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
        ax.yaxis.set_minor_locator(NullLocator())


def _metrics_of(subject: Subject) -> list[str]:
    """Return the loss and what else was recorded after each epoch."""
    if subject.kind == "cross-validation":
        names = list(subject.given.histories["metric"].unique())
    else:
        names = [name for network in subject.networks[:1] for name in network.history_]
    known = {name.removeprefix("val_").removeprefix("test_"): None for name in names}
    return sorted(known, key=lambda name: name != "loss")


def diagnosis_of(subject: Subject) -> Diagnosis | None:
    """Return what limits the network; None where there is none."""
    if subject.kind != "cross-validation" and not subject.networks:
        return None
    return diagnose(subject.given)


def diagnosis_section(diagnosis: Diagnosis | None) -> Section:
    """Return the section on the diagnosis."""
    return Section("Diagnosis", () if diagnosis is None else tuple(_blocks(diagnosis)))


def _blocks(diagnosis: Diagnosis) -> Iterator[Block]:
    for place, finding in enumerate(diagnosis.findings):
        kind = "headline" if place == 0 else "plain"
        yield Text(finding.sentence, kind, finding.code, finding.link)
        if finding.remedies:
            yield Items(finding.remedies)
    if diagnosis.scores:
        yield Table((), [(name, number(value)) for name, value in diagnosis.scores.items()])
    for note in diagnosis.notes:
        yield Text(note, "note")
