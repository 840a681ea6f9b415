"""Draw the README's figures of speed and accuracy from the tables of the documentation.

python benchmarks/readme_figures.py
"""

import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

DOCS = Path(__file__).resolve().parents[1] / "docs"
OURS, OTHERS = "#0072b2", "#999999"  # Okabe and Ito


def rows_of(text):
    """Return the rows of the first list-table in a text, each a list of cells."""
    table = text[text.index(".. list-table::") :]
    table = re.split(r"\n(?=\S)", table.partition("\n")[2])[0]
    return [
        [
            re.sub(r"\s+", " ", cell).strip()
            for cell in re.split(r"\n +-(?: |(?=\n)|$)", f"\n  - {row}")[1:]
        ]
        for row in re.split(r"\n   \* -(?: |(?=\n)|$)", f"{table}\n")[1:]
    ]


def seconds_of(cell):
    """Return a time such as ``257 ms`` or ``2,060 s`` in seconds."""
    number, unit = cell.replace(",", "").split()
    return float(number) / {"s": 1, "ms": 1000}[unit]


def speed():
    """Return {peer: seconds} of the 10×5 iterated K-fold."""
    page = (DOCS / "performance.rst").read_text(encoding="utf-8")
    section = page[page.index("\n10×5 iterated K-fold\n") :]
    return {cells[0]: seconds_of(cells[1]) for cells in rows_of(section)[1:]}


def accuracy():
    """Return (number of tables, {model: (mean rank, relative error, CPU seconds)}), best first."""
    head, *rows = rows_of((DOCS / "accuracy_judging.inc").read_text(encoding="utf-8"))
    # Models without a rank were run on few tables.
    figures = {name: tuple(map(float, cells[:3])) for name, *cells in rows if cells[0]}
    return int(head[0].split()[0]), figures


def draw_speed():
    """Draw one bar for each peer."""
    seconds = speed()
    figure, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
    names = list(seconds)[::-1]
    bars = ax.barh(
        names,
        [seconds[name] for name in names],
        color=[OURS if name == "skdl" else OTHERS for name in names],
    )
    labels = [
        f"{seconds[name]:.3g} s"
        + ("" if name == "skdl" else f"  ({seconds[name] / seconds['skdl']:.2g}×)")
        for name in names
    ]
    ax.bar_label(bars, labels, padding=4)
    ax.set_title(
        "50 networks: 10×5 iterated K-fold of red wine, two cores", loc="left", fontsize=11
    )
    ax.set(xlabel="seconds (less is better)", xlim=(0, 1.18 * max(seconds.values())))
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def draw_accuracy():
    """Draw mean ranks, and errors against the time of a fit."""
    n_tables, figures = accuracy()
    names = {model: re.sub(r"``| \(pytabkit\)", "", model) for model in figures}
    colors = {model: OURS if "tabular()" in model else OTHERS for model in figures}
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.4), layout="constrained", width_ratios=[1, 1.25]
    )
    worst_first = list(figures)[::-1]
    bars = left.barh(
        [names[model] for model in worst_first],
        [figures[model][0] for model in worst_first],
        color=[colors[model] for model in worst_first],
    )
    left.bar_label(bars, fmt="{:.1f}", padding=3)
    left.set_title(f"Mean rank on {n_tables} tables", loc="left", fontsize=11)
    left.set(xlabel="rank (less is better)", xlim=(0, 1.15 * len(figures)))
    by_error = sorted(figures, key=lambda model: figures[model][1])
    for place, model in enumerate(by_error):
        _, error, seconds = figures[model]
        right.plot([seconds], [error], "o", color=colors[model])
        # Names on the right of the last points would leave the axes, and those of neighbours meet.
        is_late = seconds > 5
        below, above = (
            any(abs(figures[other][1] - error) < 1.5 for other in others)
            for others in (by_error[max(place - 1, 0) : place], by_error[place + 1 : place + 2])
        )
        rise = 6 * (below - above)
        right.annotate(
            names[model].replace(", 5-fold", ",\n5-fold"),
            (seconds, error),
            xytext=(-7 if is_late else 7, rise),
            textcoords="offset points",
            ha="right" if is_late else "left",
            va="center",
            fontsize=8.5,
        )
    right.set_title("Error against the time of a fit", loc="left", fontsize=11)
    right.set(
        xscale="log",
        xlabel="CPU seconds a fit, median of the tables",
        ylabel="error, % of gradient boosting's",
    )
    right.xaxis.set_major_formatter("{x:g}")
    right.margins(x=0.12, y=0.12)
    right.grid(alpha=0.3)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def main():
    """Write both figures beside the pages."""
    mpl.use("svg")
    # Equal tables give equal files.
    mpl.rcParams["svg.hashsalt"] = "skdl"
    for name, draw in (("speed.svg", draw_speed), ("accuracy.svg", draw_accuracy)):
        draw().savefig(DOCS / name, metadata={"Date": None})
        # Spaces at the ends of lines, which hooks would take off.
        text = (DOCS / name).read_text(encoding="utf-8")
        (DOCS / name).write_text(re.sub(r" +$", "", text, flags=re.MULTILINE), encoding="utf-8")
        print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
