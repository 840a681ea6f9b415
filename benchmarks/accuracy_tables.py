"""Write the tables of docs/accuracy.rst from what `bench_accuracy.py` measured.

python benchmarks/accuracy_tables.py accuracy.json [more.json ...]
"""

import json
import statistics
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs"
MODELS = {
    "tabular_5fold": "``tabular()``, 5-fold ensemble",
    "tabular": "``tabular()``",
    "realmlp": "RealMLP-TD (pytabkit)",
    "defaults": "skdl's defaults, standardised",
    "sklearn_mlp": "scikit-learn's MLP, 128-128",
    "hist_gradient_boosting": "gradient boosting (HistGradientBoosting)",
    "extra_trees": "extra trees, 300",
    "svm": "SVR or SVC",
    "linear": "linear or logistic regression",
}
TABLES = {
    "california": "California",
    "red_wine": "red wine, raw",
    "red_wine_unique": "red wine",
    "diabetes": "diabetes",
    "sunshine": "sunshine",
    "adult": "adult",
    "breast_cancer": "breast cancer",
    "penguins": "penguins",
    "california_few": "California, 2,000 rows",
}
WITHOUT = {
    "shared_members": "one network that shares nothing",
    "embedding": "no embedding of numbers",
    "automatic_embedding": "numbers embedded, however few the rows",
    "feature_scale": "no scale layer",
    "schedule": "constant learning rate, 0.001",
    "dropout": "no dropout",
    "label_smoothing": "no label smoothing",
    "less_smoothing": "label smoothing of 0.1",
    "smooth_clip": "standardised, not smoothly clipped",
    "beta_2": r"β\ :sub:`2` of 0.999",
    "parametric_activation": "activations not parametric",
    "weight_decay": "no weight decay",
    "automatic_sizes": "always 256 units, 48 bins, batches of 256",
}
# On few tables, as a fit takes minutes without a GPU.
OPTIONAL = "realmlp"


def read(paths):
    """Return what was measured: {table: {model: list of splits, seconds}}."""
    found = {}
    for path in paths:
        for key, own in json.loads(Path(path).read_text()).items():
            if "splits" in own:
                table, model, _ = key.split("/")
                models = found.setdefault(table, {})
                # The ablation measures the whole recipe on few splits once more.
                if model not in models or len(own["splits"]) >= len(models[model]["splits"]):
                    models[model] = own
    return found


def values(own, name="score"):
    """Return one figure of each split."""
    return [split[name] for split in own["splits"]]


def spread(figures, digits):
    """Return mean and standard deviation as text."""
    return f"{statistics.mean(figures):.{digits}f} ± {statistics.stdev(figures):.{digits}f}"


def standard_error(figures):
    """Return the standard error of a mean."""
    return statistics.stdev(figures) / len(figures) ** 0.5


def list_table(head, rows, widths):
    """Return a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}"]
    for row in [head, *rows]:
        marks = ["   * -", *["     -"] * (len(row) - 1)]
        cells = [f"{mark} {cell}".rstrip() for mark, cell in zip(marks, row, strict=True)]
        lines += ["", *cells] if row is head else cells
    return "\n".join(lines) + "\n"


def ranks(found, tables):
    """Return the mean rank of each model, judged on the splits that all of them have."""
    models = [m for m in MODELS if m != OPTIONAL]
    places = {model: [] for model in models}
    for table in tables:
        own = found[table]
        n_splits = min(len(own[model]["splits"]) for model in models)
        means = {m: statistics.mean(values(own[m])[:n_splits]) for m in models}
        for place, model in enumerate(sorted(means, key=means.get), 1):
            places[model].append(place)
    return {model: statistics.mean(own) for model, own in places.items() if own}


def scores(found):
    """Return the scores of all models, and mean ranks over the tables that have all of them.

    The raw red wine is not among these, as twins stand on both sides of its splits.
    """
    tables = [name for name in TABLES if name in found and name != "california_few"]
    needed = {*MODELS} - {OPTIONAL}
    complete = [t for t in tables if t != "red_wine" and needed <= found[t].keys()]
    mean_ranks = ranks(found, complete)
    order = sorted(MODELS, key=lambda m: mean_ranks.get(m, 99))
    rows = []
    for model in order:
        cells = [
            spread(values(found[t][model]), 1 if t == "diabetes" else 3)
            if model in found[t]
            else ""
            for t in tables
        ]
        rank = f"{mean_ranks[model]:.1f}" if model in mean_ranks else ""
        rows.append([MODELS[model], *cells, rank])
    head = ["model", *[TABLES[t] for t in tables], "mean rank"]
    return list_table(head, rows, [20, *[10] * len(tables), 7])


def areas(found):
    """Return the area under the curve of the classifiers."""
    judged = [
        table
        for table in TABLES
        if any("AUC" in own["splits"][0] for own in found.get(table, {}).values())
    ]
    rows = []
    for model, title in MODELS.items():
        cells = [
            f"{statistics.mean(values(found[t][model], 'AUC')):.4f}" if model in found[t] else ""
            for t in judged
        ]
        rows.append([title, *cells])
    return list_table(["model", *[TABLES[t] for t in judged]], rows, [40, *[20] * len(judged)])


def ablation(found):
    """Return by how many percent the score gets worse without each ingredient."""
    tables = [t for t in TABLES if any(m.startswith("tabular_without") for m in found.get(t, {}))]
    rows = []
    for name, title in WITHOUT.items():
        cells = []
        for table in tables:
            own = found[table].get(f"tabular_without_{name}")
            if own is None:
                cells.append("")
                continue
            n_splits = len(own["splits"])
            whole = values(found[table]["tabular"])[:n_splits]
            worse = [
                100 * (b - a) / statistics.mean(whole)
                for a, b in zip(whole, values(own), strict=True)
            ]
            cells.append(f"{statistics.mean(worse):+.1f} ± {standard_error(worse):.1f}")
        rows.append([title, *cells])
    return list_table(["instead", *[TABLES[t] for t in tables]], rows, [30, *[12] * len(tables)])


def intervals(found):
    """Return the share of test rows that the intervals hold."""
    rows = []
    for table, title in TABLES.items():
        own = found.get(table, {}).get("tabular_5fold")
        if own and "covered" in own["splits"][0]:
            held = values(own, "covered")
            figure = f"{statistics.mean(held):.3f} ± {standard_error(held):.3f}"
            rows.append([title, str(len(held)), figure])
    return list_table(["table", "splits", "mean ± s.e."], rows, [40, 20, 40])


def main():
    """Write the tables for which there are results."""
    found = read(sys.argv[1:])
    for function in (scores, areas, ablation, intervals):
        path = FOLDER / f"accuracy_{function.__name__}.inc"
        path.write_text(function(found), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
