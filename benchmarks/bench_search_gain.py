"""Is a search worth it on rows it has not seen: its best trial, and the ensemble of its trials?

    python benchmarks/bench_search_gain.py [--tables wine,iris] [--seeds 0,1,2] [--trials 30]
        [--epochs 50] [--rows 5000] [--results FILE] [--rst FILE]

For each table and seed at most 5,000 rows, a quarter of which are held out. One search with
``refit="ensemble"`` on the others. Three models are judged on the held-out rows: the estimator as
the search was given it, the best trial, both fitted on all rows of the search, and the ensemble.
Log loss of classes and root mean squared error of numbers; lower is better. What stands in the
file of results already is not measured again.
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


def _ames():
    rows = pd.read_csv(data_folder() / "ames.csv.gz").drop(columns="rownames")
    return rows.drop(columns="Sale_Price"), np.log(rows["Sale_Price"].to_numpy(float))


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
    "Ames": _ames,
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


def measured(name, seed, given):
    """Return the errors on held-out rows, the search's own scores, and the seconds it took."""
    from sklearn.base import clone
    from sklearn.metrics import get_scorer
    from sklearn.model_selection import train_test_split

    from skdl.model_selection import OptunaSearchCV

    X, y = LOADERS[name]()
    is_classifier = y.dtype.kind != "f" and name != "white wine"
    rows = np.random.default_rng(seed).permutation(len(X))[: given.rows]
    X, y = X.iloc[rows].reset_index(drop=True).rename(columns=str), y[rows]
    y = y if is_classifier else y.astype(float)
    X, X_new, y, y_new = train_test_split(
        X, y, test_size=0.25, random_state=seed, stratify=y if is_classifier else None
    )
    scoring = "neg_log_loss" if is_classifier else "neg_root_mean_squared_error"
    search = OptunaSearchCV(
        model_of(is_classifier=is_classifier, epochs=given.epochs),
        n_trials=given.trials,
        scoring=scoring,
        refit="ensemble",
        random_state=seed,
    )
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
        searched = time.monotonic() - start
        default = clone(search.estimator).fit(X, y)
        best = clone(search.estimator).set_params(**search.best_params_).fit(X, y)
    start = time.monotonic()
    search.ensemble()
    selected = time.monotonic() - start
    scorer = get_scorer(scoring)
    states = list(search.cv_results_["state"])
    return {
        "rows": len(X),
        "completed": states.count("complete"),
        "start score": search.start_score_,
        "best score": search.best_score_,
        "default": -scorer(default, X_new, y_new),
        "best": -scorer(best, X_new, y_new),
        "ensemble": -scorer(search.best_estimator_, X_new, y_new),
        "trials": len(search.ensemble_weights_),
        "search seconds": searched,
        "selection seconds": selected,
    }


HEAD = ("table", "rows", "seeds", "as it is", "best trial", "ensemble", "trials in it")


def lines_of(found):
    """Return the lines of the table: means over the seeds of each table."""
    return [
        [
            name,
            f"{runs[0]['rows']:,}",
            str(len(runs)),
            *(f"{_mean(runs, key):.4g}" for key in ("default", "best", "ensemble")),
            f"{_mean(runs, 'trials'):.0f}",
        ]
        for name, runs in _by_table(found).items()
    ]


def rst_of(found):
    """Return the table, and what it says, as docs/tuning.rst includes them."""
    rows = [HEAD, *lines_of(found)]
    cells = ["\n".join(f"   {'-' if i else '* -'} {c}" for i, c in enumerate(row)) for row in rows]
    table = "\n".join(cell.replace("   -", "     -") for cell in cells)
    return f".. list-table::\n   :header-rows: 1\n\n{table}\n\n{_sentence(found)}\n"


def _sentence(found):
    told = "; ".join(wins_of(found))
    return f"{told[0].upper()}{told[1:]}."


def _by_table(found):
    return {
        name: [own for key, own in found.items() if key.rsplit(" ", 1)[0] == name]
        for name in dict.fromkeys(key.rsplit(" ", 1)[0] for key in found)
    }


def _mean(runs, key):
    return float(np.mean([own[key] for own in runs]))


def wins_of(found):
    """Return in words on how many tables one is better than another, by the means of the seeds."""
    tables = list(_by_table(found).values())
    words = {"default": "the default", "best": "the best trial", "ensemble": "the ensemble"}
    lines = []
    for one, other in (("best", "default"), ("ensemble", "default"), ("ensemble", "best")):
        n_better = sum(_mean(runs, one) < _mean(runs, other) for runs in tables)
        lines.append(
            f"{words[one]} is better than {words[other]} on {n_better} of {len(tables)} tables"
        )
    n_worse = sum(own["best score"] < own["start score"] for own in found.values())
    slowest = max(own["selection seconds"] for own in found.values())
    return [
        *lines,
        f"{n_worse} of {len(found)} searches ended with a score worse than their start's",
        f"selecting an ensemble took {slowest:.2f} s at most",
    ]


def main():
    """Measure each table with each seed, and print all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tables", default=",".join(LOADERS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--rst", type=Path, help="for the docs")
    given = parser.parse_args()
    found = {}
    if given.results and given.results.exists():
        found = json.loads(given.results.read_text(encoding="utf-8"))
    for seed in map(int, given.seeds.split(",")):
        for name in given.tables.split(","):
            key = f"{name} {seed}"
            if key not in found:
                found[key] = measured(name, seed, given)
                print(key, json.dumps(found[key]), flush=True)
            if given.results:
                given.results.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(machine_description(VERSIONS_OF))
    print(markdown_table(HEAD, lines_of(found)))
    if given.rst:
        given.rst.write_text(rst_of(found), encoding="utf-8")
    print("\n".join(wins_of(found)))


if __name__ == "__main__":
    main()
