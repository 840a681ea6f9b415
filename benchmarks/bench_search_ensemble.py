"""Is the ensemble of a search's trials better than its best trial, on rows it has not seen?

    python benchmarks/bench_search_ensemble.py [--tables wine,iris] [--trials 15] [--epochs 30]
        [--results FILE]

For each table at most 2,000 rows, a quarter of which are held out. One search with
``refit="ensemble"`` on the others; its ensemble is judged on the held-out rows beside its best
trial, fitted on all rows of the search. Log loss of classes and root mean squared error of
numbers; lower is better.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _harness import data_folder, machine_description, markdown_table
from _tables import TABLES, by_column
from sklearn import datasets

N_ROWS = 2_000
VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikit-learn", "optuna", "numpy")


def _of_sklearn(loader):
    def load():
        X, y = loader(return_X_y=True, as_frame=True)
        return X, y.to_numpy()

    return load


def _of_accuracy(name):
    def load():
        table = TABLES[name]()
        return table.X, table.y

    return load


def _file(name, target, **options):
    def load():
        rows = pd.read_csv(data_folder() / name, **options).drop_duplicates()
        return rows.drop(columns=[target, *({"rownames"} & set(rows))]), rows[target].to_numpy()

    return load


LOADERS = {
    "iris": _of_sklearn(datasets.load_iris),
    "wine": _of_sklearn(datasets.load_wine),
    "digits": _of_sklearn(datasets.load_digits),
    "breast cancer": _of_accuracy("breast_cancer"),
    "penguins": _of_accuracy("penguins"),
    "adult": _of_accuracy("adult"),
    "churn": _file("mlc_churn.csv.gz", "churn"),
    "diabetes": _of_accuracy("diabetes"),
    "red wine": _of_accuracy("red_wine_unique"),
    "white wine": _file("winequality-white.csv.gz", 11, header=None),
    "California": _of_accuracy("california"),
    "sunshine": _of_accuracy("sunshine"),
    "concrete": _file("concrete.csv.gz", "compressive_strength"),
}


def model_of(*, is_classifier, epochs):
    """Return a network behind the usual preparation of numbers and categories."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from skdl import MLPClassifier, MLPRegressor

    network = MLPClassifier if is_classifier else MLPRegressor
    pipe = make_pipeline(by_column(), network(epochs=epochs, random_state=0))
    return pipe if is_classifier else TransformedTargetRegressor(pipe, transformer=StandardScaler())


def measured(name, n_trials, epochs):
    """Return the errors of both on held-out rows, and the seconds of the selection."""
    from sklearn.base import clone
    from sklearn.metrics import get_scorer
    from sklearn.model_selection import train_test_split

    from skdl.model_selection import OptunaSearchCV

    X, y = LOADERS[name]()
    is_classifier = y.dtype.kind != "f" and name != "white wine"
    rows = np.random.default_rng(0).permutation(len(X))[:N_ROWS]
    X, y = X.iloc[rows].reset_index(drop=True).rename(columns=str), y[rows]
    y = y if is_classifier else y.astype(float)
    X, X_new, y, y_new = train_test_split(
        X, y, test_size=0.25, random_state=0, stratify=y if is_classifier else None
    )
    scoring = "neg_log_loss" if is_classifier else "neg_root_mean_squared_error"
    search = OptunaSearchCV(
        model_of(is_classifier=is_classifier, epochs=epochs),
        n_trials=n_trials,
        scoring=scoring,
        refit="ensemble",
        random_state=0,
    )
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
        searched = time.monotonic() - start
        best = clone(search.estimator).set_params(**search.best_params_).fit(X, y)
    start = time.monotonic()
    search.ensemble()
    selected = time.monotonic() - start
    scorer = get_scorer(scoring)
    states = list(search.cv_results_["state"])
    return {
        "rows": len(X),
        "completed": states.count("complete"),
        "best": -scorer(best, X_new, y_new),
        "ensemble": -scorer(search.best_estimator_, X_new, y_new),
        "trials": len(search.ensemble_weights_),
        "search seconds": searched,
        "selection seconds": selected,
    }


def table_of(found):
    """Return the table of the docs."""
    head = ["table", "rows", "completed trials", "best trial, refitted", "ensemble", "trials in it"]
    lines = [
        [
            name,
            f"{own['rows']:,}",
            str(own["completed"]),
            f"{own['best']:.4g}",
            f"{own['ensemble']:.4g}",
            str(own["trials"]),
        ]
        for name, own in found.items()
    ]
    return markdown_table(head, lines)


def main():
    """Measure each table, and print all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tables", default=",".join(LOADERS))
    parser.add_argument("--trials", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--results", type=Path)
    given = parser.parse_args()
    found = {}
    for name in given.tables.split(","):
        found[name] = measured(name, given.trials, given.epochs)
        print(name, json.dumps(found[name]), flush=True)
        if given.results:
            given.results.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(machine_description(VERSIONS_OF))
    print(table_of(found))
    n_better = sum(own["ensemble"] < own["best"] for own in found.values())
    print(f"The ensemble is better on {n_better} of {len(found)} tables.")
    print(f"Selection: at most {max(o['selection seconds'] for o in found.values()):.2f} s.")


if __name__ == "__main__":
    main()
