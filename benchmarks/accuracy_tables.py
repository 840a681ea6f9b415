"""Write the tables and claims of docs/accuracy.rst from what `bench_tables.py` measured.

    python benchmarks/accuracy_tables.py tables.jsonl
    python benchmarks/readme_figures.py

Only the judging half is read (see `_table_registry`): no recipe was made on its tables. The second
command draws the figures from the tables that the first one writes.
"""

import math
import statistics
import sys
from pathlib import Path

from _table_registry import JUDGING, REGISTRY
from bench_tables import difference, mean, ranks, read

DOCS = Path(__file__).resolve().parents[1] / "docs"
OURS = ("tabular_5fold", "tabular")
BOOSTING = "hist_gradient_boosting"
MODELS = {
    "tabular_5fold": "``tabular()``, 5-fold ensemble",
    "tabular": "``tabular()``",
    "realmlp": "RealMLP-TD (pytabkit)",
    "tabm": "TabM (pytabkit)",
    "catboost": "CatBoost",
    "lightgbm": "LightGBM",
    BOOSTING: "HistGradientBoosting",
    "extra_trees": "extra trees, 300",
    "linear": "linear or logistic regression",
    "defaults": "skdl without ``tabular()``, standardised",
}
SHORT = {
    "tabular_5fold": "the 5-fold ensemble",
    BOOSTING: "gradient boosting",
    "extra_trees": "extra trees",
}
NAMES = {**MODELS, **SHORT}
NAMES = {model: name.split(" (")[0] for model, name in NAMES.items()}
# A model that was run on fewer tables than this share has no rank, so that the others keep theirs.
LEAST_SHARE = 0.5


def list_table(head, rows, widths):
    """Return a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}"]
    for row in [head, *rows]:
        marks = ["   * -", *["     -"] * (len(row) - 1)]
        cells = [f"{mark} {cell}".rstrip() for mark, cell in zip(marks, row, strict=True)]
        lines += ["", *cells] if row is head else cells
    return "\n".join(lines) + "\n"


def tables_of(found, *models):
    """Return the tables of the judging half that all these models were run on."""
    return [t for t in JUDGING if all((t, model) in found for model in models)]


def ranked(found):
    """Return the models that have a rank, best first, and the tables they are ranked on."""
    least = LEAST_SHARE * len(JUDGING)
    models = [m for m in MODELS if len(tables_of(found, m)) >= least]
    common, mean_ranks = ranks(found, list(JUDGING), models)
    return sorted(mean_ranks, key=mean_ranks.get), common, mean_ranks


def relative_error(found, model, common):
    """Return the geometric mean of a model's errors, those of gradient boosting being 100."""
    logs = [math.log(mean(found, t, model) / mean(found, t, BOOSTING)) for t in common]
    return 100 * math.exp(statistics.mean(logs))


def cpu_seconds(found, model, tables):
    """Return the CPU seconds of one fit, for each table."""
    return [mean(found, t, model, "cpu_seconds") for t in tables]


def duel(found, ours, theirs):
    """Return on how many tables ours is better, worse, and both beyond chance."""
    tables = tables_of(found, ours, theirs)
    gaps = [difference(found, t, ours, theirs) for t in tables]
    return (
        sum(gap < 0 for gap, _ in gaps),
        sum(gap > 0 for gap, _ in gaps),
        sum(gap + half < 0 for gap, half in gaps),
        sum(gap - half > 0 for gap, half in gaps),
    )


def judging(found):
    """Return ranks, errors, times and duels of each model: the table that the figure shows."""
    order, common, mean_ranks = ranked(found)
    unranked = [m for m in MODELS if m not in order and tables_of(found, m)]
    rows = []
    for model in [*order, *unranked]:
        tables = common if model in order else tables_of(found, model)
        times = cpu_seconds(found, model, tables)
        rows.append([
            MODELS[model],
            f"{mean_ranks[model]:.1f}" if model in order else "",
            f"{relative_error(found, model, common):.1f}" if model in order else "",
            _seconds(statistics.median(times)),
            _seconds(max(times)),
            *(_duel(found, ours, model) for ours in OURS),
        ])  # fmt: skip
    head = [
        f"{len(common)} tables", "mean rank", "error, % of gradient boosting's",
        "CPU s a fit, median", "CPU s a fit, most",
        "5-fold ensemble better : worse than it", "``tabular()`` better : worse than it",
    ]  # fmt: skip
    return list_table(head, rows, [28, 10, 13, 12, 11, 13, 13])


def claims(found):
    """Return what the page says of these figures, so that it says no more than they do."""
    order, common, mean_ranks = ranked(found)
    first = order[0]
    listed = ", ".join(f"{NAMES[m]} {mean_ranks[m]:.1f}" for m in order[1:])
    told = f"the {len(common)} tables that all of these models were run on"
    lines = [f"- Mean ranks on {told}: {NAMES[first]} {mean_ranks[first]:.1f}, {listed}."]
    for ours in OURS:
        told = []
        for theirs in (BOOSTING, "lightgbm", "catboost", "realmlp", "tabm"):
            won, lost, _, _ = duel(found, ours, theirs)
            if won + lost:
                told.append(f"{NAMES[theirs]} on {won} of {won + lost} tables")
        who = "One network of ``tabular()``" if ours == "tabular" else "The 5-fold ensemble"
        if told:
            lines.append(f"- {who} is better than {', '.join(told)}.")
    behind = {}
    for table in tables_of(found, "tabular"):
        others = [m for m in MODELS if m not in OURS and (table, m) in found]
        best = min(others, key=lambda m: mean(found, table, m))
        ratio = mean(found, table, "tabular") / mean(found, table, best)
        behind[table] = ratio, best
    worst = max(behind, key=lambda table: behind[table][0])
    best = behind[worst][1]
    lines.append(
        f"- ``tabular()`` is furthest behind on {_title(worst)} "
        f"({REGISTRY[worst].split} splits): an error of {mean(found, worst, 'tabular'):.3g}, where "
        f"{NAMES[best]} has {mean(found, worst, best):.3g}."
    )
    return "\n".join(lines) + "\n"


def scores(found):
    """Return the errors of all models, one row for each table."""
    models = [m for m in MODELS if tables_of(found, m)]
    rows = []
    for table in JUDGING:
        own = [m for m in models if (table, m) in found]
        # A table that next to nobody was run on compares nothing.
        if len(own) < 2:
            continue
        best = min(mean(found, table, m) for m in own)
        cells = [_score(mean(found, table, m), best) if m in own else "" for m in models]
        n_train = next(iter(found[table, own[0]].values()))["n_train"]
        rows.append([_title(table), REGISTRY[table].kind, f"{n_train:,}", *cells])
    head = ["table", "kind", "rows to train on", *(_short(m) for m in models)]
    return list_table(head, rows, [15, 15, 10, *[10] * len(models)])


def _title(table):
    return table.replace("_", " ")


def _short(model):
    return "5-fold ensemble" if model == "tabular_5fold" else MODELS[model].partition(" (")[0]


def _score(value, best):
    return f"**{value:.4g}**" if value == best else f"{value:.4g}"


def _seconds(value):
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _duel(found, ours, theirs):
    if ours == theirs:
        return ""
    won, lost, surely_won, surely_lost = duel(found, ours, theirs)
    return f"{won} : {lost} ({surely_won} : {surely_lost})" if won + lost else ""


def main():
    """Write the tables for which there are results."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    file = Path(sys.argv[1])
    if not file.is_file():
        raise SystemExit(f"There is no file {file}. Expected what bench_tables.py wrote.")
    found = read(file)
    for function in (judging, claims, scores):
        path = DOCS / f"accuracy_{function.__name__}.inc"
        path.write_text(function(found), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
