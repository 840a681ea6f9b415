"""Do networks gain by knowing which rows depend on one another when they split rows again?

    python benchmarks/bench_dependent_rows.py [--rows 3000] [--only storms,sunshine,red_wine]

Three tables on splits of the right kind: storms by storm, sunshine in the order of time, red wine
with twins kept together. ``tabular()`` stops early on rows of its own: drawn at random ("not
told"), or by ``groups`` or ``time`` ("told"). Beside it gradient boosting of scikit-learn as it
comes, which holds out rows at random above 10,000. Needs the files of `_table_registry.py`.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from _harness import machine_description, markdown_table
from _table_registry import REGISTRY
from _tables import red_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import GroupShuffleSplit

import skdl
from skdl.model_selection import cross_validate, duplicate_groups

N_SPLITS = 3


def of_registry(name, n_rows):
    """Return rows, targets, splits and what is known of the rows."""
    entry = REGISTRY[name]
    data = entry.limited(entry.load(), n_rows)
    known = (
        {"groups": data.groups} if entry.split == "grouped" else {"time": np.arange(len(data.y))}
    )
    return data.X, data.y, entry.splits(data), known


def wine_with_twins(n_rows):
    """Return all red wines, with the twins among them kept on one side of each split."""
    table = red_wine()
    X, y = table.X.iloc[:n_rows].reset_index(drop=True), table.y[:n_rows]
    groups = duplicate_groups(X)
    splitter = GroupShuffleSplit(N_SPLITS, test_size=0.2, random_state=0)
    return X, y, list(splitter.split(X, y, groups)), {"groups": groups}


TABLES = {
    "storms": lambda n_rows: of_registry("storms", n_rows),
    "sunshine": lambda n_rows: of_registry("sunshine", n_rows),
    "red_wine": wine_with_twins,
}


def error(estimator, X, y):
    """Return minus the RMSE, or minus the log loss where classes may be missing in the test."""
    if not hasattr(estimator, "predict_proba"):
        return -root_mean_squared_error(y, estimator.predict(X))
    labels = np.union1d(y, estimator.classes_)
    shares = np.full((len(y), len(labels)), 1e-7)
    shares[:, np.isin(labels, estimator.classes_)] = estimator.predict_proba(X)
    shares = np.clip(shares, 1e-7, 1)
    return -log_loss(y, shares / shares.sum(1, keepdims=True), labels=labels)


def line(name, n_rows):
    """Return the line of a table: errors with the standard deviation over the splits."""
    X, y, splits, known = TABLES[name](n_rows)
    is_classifier = REGISTRY[name].task != "regression"
    ours = skdl.MLPClassifier if is_classifier else skdl.MLPRegressor
    boosting = HistGradientBoostingClassifier if is_classifier else HistGradientBoostingRegressor
    options = {"cv": splits, "scoring": error, "baseline": False, "error_score": "raise"}
    model = ours.tabular(random_state=0)
    not_told = cross_validate(model, X, y, **options)["test_score"]
    numbers = X.assign(
        **{column: pd.factorize(X[column])[0] for column in X.select_dtypes(exclude="number")}
    )
    peer = cross_validate(boosting(random_state=0), numbers, y, **options)["test_score"]
    told = cross_validate(model, X, y, **known, **options)["test_score"]
    scores = [f"{-s.mean():.4f} ± {s.std(ddof=1):.4f}" for s in (not_told, told, peer)]
    gain = 100 * (1 - told.mean() / not_told.mean())
    kind = "log loss" if is_classifier else "RMSE"
    return [f"{name} ({kind})", f"{len(X):,}", next(iter(known)), *scores, f"{gain:+.1f} %"]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000, help="rows of a table at most")
    parser.add_argument("--only", default=",".join(TABLES), help="tables, separated by commas")
    arguments = parser.parse_args()
    # Some of the splits of storms lack a class; the wines have twins on purpose.
    warnings.simplefilter("ignore", UserWarning)
    headers = ["table", "rows", "by", "not told", "told", "gradient boosting", "gain of telling"]
    lines = [line(name, arguments.rows) for name in arguments.only.split(",")]
    print(markdown_table(headers, lines))
    print(f"\n{N_SPLITS} splits each. {machine_description()}")


if __name__ == "__main__":
    main()
