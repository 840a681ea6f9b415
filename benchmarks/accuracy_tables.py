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
    "tabular_5fold_by_heart": "5-fold ensemble, by heart (see below)",
    "realmlp": "RealMLP-TD (pytabkit)",
    "realmlp_for_loss": "RealMLP-TD, for log loss",
    "realmlp_5fold": "RealMLP-TD, 5-fold ensemble",
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
# Not run on every table, and without a rank: some of their fits take many minutes.
OPTIONAL = ("svm", "tabular_5fold_by_heart", "realmlp_5fold", "realmlp_for_loss")


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


def spread(figures):
    """Return mean and standard deviation as text."""
    mean = statistics.mean(figures)
    digits = 1 if mean >= 10 else 3
    return f"{mean:.{digits}f} ± {statistics.stdev(figures):.{digits}f}"


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


def ranks(found):
    """Return the mean rank of each model, over the tables on which all but a few were run.

    Judged on the splits that all of them have. The raw red wine is not among the tables, as twins
    stand on both sides of its splits.
    """
    models = [m for m in MODELS if m not in OPTIONAL]
    places = {model: [] for model in models}
    for table in TABLES.keys() - {"red_wine", "california_few"}:
        own = found.get(table, {})
        if not own.keys() >= set(models):
            continue
        n_splits = min(len(own[model]["splits"]) for model in models)
        means = {m: statistics.mean(values(own[m])[:n_splits]) for m in models}
        for place, model in enumerate(sorted(means, key=means.get), 1):
            places[model].append(place)
    return {model: statistics.mean(own) for model, own in places.items() if own}


def cells_of(found, tables, cell):
    """Return the cells of each model, one for each table, empty where it was not run."""
    cells = {
        model: [cell(found[t][model]) if model in found[t] else "" for t in tables]
        for model in MODELS
    }
    return {model: own for model, own in cells.items() if any(own)}


def rows_of(cells):
    """Return rows that begin with the titles of the models."""
    return [[MODELS[model], *own] for model, own in cells.items()]


def shown(found):
    """Return the names of the tables whose scores are shown."""
    return [table for table in TABLES if table in found and table != "california_few"]


def of_classes(models):
    """Tell whether classes are predicted on a table."""
    return "AUC" in next(iter(models.values()))["splits"][0]


def numbers(found):
    """Return the errors of all models where numbers are predicted."""
    tables = [t for t in shown(found) if not of_classes(found[t])]
    rows = rows_of(cells_of(found, tables, lambda own: spread(values(own))))
    return list_table(["RMSE", *[TABLES[t] for t in tables]], rows, [25, *[15] * len(tables)])


def classes(found):
    """Return the losses of all models where classes are predicted, and how well they rank."""
    tables = [t for t in shown(found) if of_classes(found[t])]

    def cell(own):
        return f"{spread(values(own))}; {statistics.mean(values(own, 'AUC')):.4f}"

    head = ["log loss; AUC", *[TABLES[t] for t in tables]]
    return list_table(head, rows_of(cells_of(found, tables, cell)), [40, *[20] * len(tables)])


def times(found):
    """Return mean ranks, and how many seconds a fit takes."""
    tables = shown(found)

    def cell(own):
        seconds = own["seconds"]
        return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}"

    mean_ranks = ranks(found)
    cells = {
        model: [f"{mean_ranks[model]:.1f}" if model in mean_ranks else "", *own]
        for model, own in cells_of(found, tables, cell).items()
    }
    head = ["seconds a fit", "mean rank", *[TABLES[t] for t in tables]]
    return list_table(head, rows_of(cells), [25, 10, *[8] * len(tables)])


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
    for function in (numbers, classes, times, ablation, intervals):
        path = FOLDER / f"accuracy_{function.__name__}.inc"
        path.write_text(function(found), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
