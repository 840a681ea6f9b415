r"""Do intervals and prediction sets hold what they promise, and does calibration gain?

python benchmarks/bench_probabilities.py [--tables NAME ...] [--splits N] [--tabular] \
    [--results FILE] [--inc FOLDER]

Ensembles of five networks, as they come but for early stopping, on random splits of each table.
Of numbers: the share of test rows in 90 % intervals and their mean width, by errors of predictions
(CV+) and of quantiles (CQR), around each member and around their mean. Of classes: the share of
test rows in 90 % sets and how many classes they hold, and the log loss without and with a
temperature. What stands in the results is not measured
again. ``--inc`` writes the tables of docs/probabilities.rst.
"""

import argparse
import functools
import json
import statistics
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from _harness import (
    data_folder,
    machine_description,
    markdown_table,
    run_as_child,
    run_in_fresh_process,
    tell,
    timed,
)
from _tables import by_column
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

COVERAGE = 0.9
TABULAR = ", tabular()"
# Of random numbers that break ties: on few rows their noise is larger than 0.01.
N_DRAWS = 5
BY_MEAN = ", around the mean"
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]
MOST_TO_TRAIN, MOST_TO_TEST = 1000, 2000
# A class of fewer rows cannot be in every fold.
LEAST_OF_A_CLASS = 20
PLAIN = {"early_stopping": True, "batch_size": 128, "learning_rate": 0.003}


WINE = [
    "fixed acidity", "volatile acidity", "citric acid", "residual sugar", "chlorides",
    "free sulfur dioxide", "total sulfur dioxide", "density", "pH", "sulphates", "alcohol",
    "quality",
]  # fmt: skip


def _file(name, target, *unused, **options):
    def read():
        rows = pd.read_csv(data_folder() / name, **options)
        rows = rows.drop(columns=["rownames", *unused], errors="ignore")
        rows = rows.drop_duplicates().dropna(subset=[target])
        return rows.drop(columns=target), rows[target].to_numpy()

    return read


def _of_sklearn(load):
    def read():
        X, y = load(return_X_y=True, as_frame=True)
        return X, y.to_numpy()

    return read


NUMBERS = {
    "California": _file("housing.csv.gz", "median_house_value"),
    "red wine": _file("winequality-red.csv", "quality", sep=";"),
    "white wine": _file("winequality-white.csv.gz", "quality", header=None, names=WINE),
    "diabetes": _of_sklearn(load_diabetes),
    "concrete": _file("concrete.csv.gz", "compressive_strength"),
    "ames": _file("ames.csv.gz", "Sale_Price"),
}
CLASSES = {
    "breast cancer": _of_sklearn(load_breast_cancer),
    "penguins": _file("penguins.csv", "species"),
    "digits": _of_sklearn(load_digits),
    "adult": _file("adult_train.csv.gz", "income", skipinitialspace=True, na_values="?"),
    "credit": _file("credit_data.csv.gz", "Status"),
    "churn": _file("mlc_churn.csv.gz", "churn"),
    "storms": _file("storms.csv.gz", "status", "name", "category"),
    "red wine, classes": _file("winequality-red.csv", "quality", sep=";"),
}


def read_table(name):
    """Return rows, targets and whether these are classes."""
    is_classes = name in CLASSES
    X, y = (CLASSES if is_classes else NUMBERS)[name]()
    if is_classes:
        y = y.astype(str)
        labels, counts = np.unique(y, return_counts=True)
        kept = np.isin(y, labels[counts >= LEAST_OF_A_CLASS])
        X, y = X[kept], y[kept]
    else:
        y = y.astype(float)
    return X.reset_index(drop=True), y, is_classes


def measure_table(table, n_splits, *, is_tabular):
    """Fit and score all splits of one table, in lockstep."""
    import joblib

    import skdl

    X, y, is_classes = read_table(table)
    n_train = min(int(0.8 * len(y)), MOST_TO_TRAIN)
    n_test = min(len(y) - n_train, MOST_TO_TEST)
    splitter = StratifiedShuffleSplit if is_classes else ShuffleSplit
    splits = splitter(n_splits, train_size=n_train, test_size=n_test, random_state=0)
    measure = measure_numbers
    if is_classes:
        measure = functools.partial(measure_classes, is_tabular=is_tabular)
    tasks = [
        joblib.delayed(measure)(X, y, train, test, seed)
        for seed, (train, test) in enumerate(splits.split(X, y))
    ]
    with skdl.lockstep():
        seconds, found = timed(joblib.Parallel(n_jobs=-1), tasks)
    tell(f"{table}: {seconds:.0f} s")
    return {"splits": found, "n_train": n_train, "n_test": n_test, "seconds": seconds}


def measure_numbers(X, y, train, test, seed):
    """Return coverage and width of intervals around means and around quantiles."""
    from sklearn.pipeline import make_pipeline

    import skdl

    found = {}
    for name, params in (
        ("CV+", {}),
        ("CQR", {"loss": "quantile", "quantiles": QUANTILES}),
    ):
        network = make_pipeline(by_column(), skdl.MLPRegressor(**PLAIN, **params))
        ensemble = skdl.model_selection.KFoldEnsembleRegressor(network, random_state=seed)
        ensemble.fit(X.iloc[train], y[train])
        for around, suffix in (("members", ""), ("mean", BY_MEAN)):
            ends = ensemble.predict_interval(X.iloc[test], COVERAGE, around=around)
            held = (ends[:, 0] <= y[test]) & (y[test] <= ends[:, 1])
            found[name + suffix] = {"coverage": held.mean(), "width": np.diff(ends).mean()}
    return found


def measure_classes(X, y, train, test, seed, *, is_tabular):
    """Return coverage and size of sets, and the log loss without and with a temperature."""
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline

    import skdl

    network = skdl.MLPClassifier.tabular() if is_tabular else skdl.MLPClassifier(**PLAIN)
    network = make_pipeline(by_column(), network)
    ensemble = skdl.model_selection.KFoldEnsembleClassifier(
        network, random_state=seed, calibrate="temperature"
    )
    ensemble.fit(X.iloc[train], y[train])
    found = {"temperature": ensemble.temperature_}
    codes = np.searchsorted(ensemble.classes_, y[test])
    for kind, options in (
        ("", {}),
        ("any size ", {"allow_empty": True}),
        ("by mean ", {"allow_empty": True, "around": "mean"}),
        ("punished ", {"allow_empty": True, "size_penalty": 0.1}),
    ):
        held, sizes = [], []
        for draw in range(N_DRAWS):
            vars(ensemble).update(_seed=[seed, draw])
            sets = ensemble.predict_set(X.iloc[test], COVERAGE, **options)
            held.append(sets[np.arange(len(codes)), codes].mean())
            sizes.append(sets.sum(1).mean())
        found[f"{kind}coverage"] = statistics.mean(held)
        found[f"{kind}size"] = statistics.mean(sizes)
    shares = ensemble.predict_proba(X.iloc[test])
    found["calibrated"] = log_loss(y[test], shares, labels=ensemble.classes_)
    # The same members without it.
    ensemble.temperature_ = 1.0
    shares = ensemble.predict_proba(X.iloc[test])
    found["as it is"] = log_loss(y[test], shares, labels=ensemble.classes_)
    return {"ensemble": found}


# ------------------------------------------------------------------------------------- tables


def column(found, model, name):
    """Return one figure of all splits."""
    return [split[model][name] for split in found["splits"]]


def with_error(values, digits=3):
    """Return mean and standard error over the splits."""
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.{digits}f} ± {error:.{digits}f}"


def counts(found):
    """Return the rows to train on and the splits."""
    return [f"{found['n_train']:,}", str(len(found["splits"]))]


def rows_of_numbers(results):
    """Yield a line for each table of numbers."""
    models = ["CV+", f"CV+{BY_MEAN}", "CQR", f"CQR{BY_MEAN}"]
    heads = [f"{model} holds" for model in models[:1]]
    for model in models[1:]:
        heads += [f"{model} holds", "width to that of CV+"]
    yield ["", "rows", "splits", *heads]
    for table in NUMBERS:
        if table in results:
            found = results[table]
            widths = column(found, "CV+", "width")
            cells = []
            for model in models:
                cells.append(with_error(column(found, model, "coverage")))
                own = column(found, model, "width")
                cells.append(with_error([a / b for a, b in zip(own, widths, strict=True)]))
            # That of CV+ to its own is 1.
            yield [table, *counts(found), cells[0], *cells[2:]]


def rows_of_sets(results):
    """Yield a line for each table of classes."""
    heads = [
        "sets hold",
        "classes",
        "may be empty: hold",
        "classes",
        "around the mean: hold",
        "classes",
        "with penalty: hold",
        "classes",
    ]
    yield ["", "rows", "splits", *heads]
    for table in CLASSES:
        if table in results:
            found = results[table]
            cells = [
                with_error(column(found, "ensemble", f"{kind}{name}"), digits)
                for kind in ("", "any size ", "by mean ", "punished ")
                for name, digits in (("coverage", 3), ("size", 2))
            ]
            yield [table, *counts(found), *cells]


def rows_of_calibration(results):
    """Yield a line for each table of classes."""
    yield ["", "rows", "splits", "log loss", "with temperature", "change", "temperature"]
    for name in CLASSES:
        for table in (name, f"{name}{TABULAR}"):
            if table in results:
                found = results[table]
                losses = [column(found, "ensemble", kind) for kind in ("as it is", "calibrated")]
                changes = [100 * (own / other - 1) for other, own in zip(*losses, strict=True)]
                means = [f"{statistics.mean(values):.4f}" for values in losses]
                temperature = f"{statistics.mean(column(found, 'ensemble', 'temperature')):.2f}"
                yield [
                    table, *counts(found), *means, f"{with_error(changes, 1)} %", temperature
                ]  # fmt: skip


TABLES = {
    "intervals": rows_of_numbers,
    "sets": rows_of_sets,
    "calibration": rows_of_calibration,
}


def list_table(rows):
    """Return rows as a table of reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def main():
    """Measure what is not in the results yet, and report."""
    run_as_child({"measure_table": measure_table})
    known = [*NUMBERS, *CLASSES]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tables", nargs="+", default=known, choices=known)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--tabular", action="store_true", help="classes by MLPClassifier.tabular()")
    parser.add_argument("--results", type=Path, default=Path("probabilities.json"), metavar="FILE")
    parser.add_argument("--inc", type=Path, metavar="FOLDER", help="write the tables of the docs")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    for table in arguments.tables:
        key = table + TABULAR * (arguments.tabular and table in CLASSES)
        if key not in results:
            print(f"  {key} …", file=sys.stderr, flush=True)
            results[key] = run_in_fresh_process(
                __file__, task="measure_table", table=table, n_splits=arguments.splits,
                is_tabular=arguments.tabular,
            )  # fmt: skip
            arguments.results.write_text(json.dumps(results, indent=1))
    for name, rows_of in TABLES.items():
        rows = list(rows_of(results))
        print(f"### {name}\n\n{markdown_table(rows[0], rows[1:])}\n")
        if arguments.inc:
            path = arguments.inc / f"probabilities_{name}.inc"
            path.write_text(list_table(rows), encoding="utf-8")
    print(machine_description())


if __name__ == "__main__":
    main()
