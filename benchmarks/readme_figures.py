"""Draw the README's figures of speed and accuracy from the tables of the documentation.

python benchmarks/readme_figures.py
"""

import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

DOCS = Path(__file__).resolve().parents[1] / "docs"
OURS, OTHERS = "#0072b2", "#999999"  # Okabe and Ito
MODELS = {
    "``tabular()``, 5-fold ensemble": ("skdl: tabular(), 5-fold ensemble", "#0072b2", "D"),
    "``tabular()``": ("skdl: tabular()", "#56b4e9", "o"),
    "RealMLP-TD (pytabkit)": ("RealMLP-TD (pytabkit)", "#d55e00", "s"),
    "scikit-learn's MLP, 128-128": ("scikit-learn's MLP", "#999999", "^"),
}
BOOSTING = "gradient boosting (HistGradientBoosting)"


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


def errors():
    """Return {table: {model: mean error}}, where both a model and gradient boosting were run."""
    found = {}
    for name in ("accuracy_numbers.inc", "accuracy_classes.inc"):
        head, *rows = rows_of((DOCS / name).read_text(encoding="utf-8"))
        for cells in rows:
            for table, cell in zip(head[1:], cells[1:], strict=True):
                if cell:
                    found.setdefault(table, {})[cells[0]] = float(cell.split()[0])
    return found


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
    """Draw the errors of each table, those of gradient boosting being 100 percent."""
    tables = errors()
    figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    ax.axhline(100, color="black", linewidth=1, label="gradient boosting (scikit-learn)")
    for model, (label, color, marker) in MODELS.items():
        has_model = [table for table in tables if model in tables[table]]
        ax.plot(
            [list(tables).index(table) for table in has_model],
            [100 * tables[table][model] / tables[table][BOOSTING] for table in has_model],
            marker,
            color=color,
            label=label,
        )
    ax.set_xticks(range(len(tables)), [name.replace(" ", "\n") for name in tables])
    ax.set_title("Error on test rows, mean over random splits", loc="left", fontsize=11)
    ax.set(ylabel="percent of gradient boosting's\n(less is better)")
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, ncols=2, loc="lower left")
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
