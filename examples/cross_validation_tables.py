"""How does a small Keras network do on four real tables, beside the models one would try first?

Red wine, penguins, California housing and adult: numbers, categories, missing values, duplicates,
a target that needs a logarithm. On each, a plain network, a dummy and at least two models of
scikit-learn are scored by iterated K-fold on the very same splits. A fifth part measures what the
duplicates among the red wines do to the scores of those who leave them in.

Run all of it, or some: ``python examples/cross_validation_tables.py penguins wine``. With
``--rst FILE`` the tables are written for the documentation. The data come from ``skdl.datasets``;
what cannot be fetched is skipped.
"""

import argparse
import math
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skdl
from skdl.datasets import fetch_adult, fetch_housing, fetch_penguins, fetch_red_wine
from skdl.exceptions import DuplicateRowsWarning
from skdl.model_selection import cross_validate, duplicate_groups

SEED = 0

# %%
# Preparation
# -----------
# Networks and linear models get standardised numbers and one column for each category, gaps filled
# in; all of it is fitted on the training rows of each fold. Gradient boosting takes the table as it
# is, with its gaps and categories.


def prepared(model, numbers="mean", categories="most_frequent"):
    """Return a pipeline that fills gaps, scales numbers and encodes categories for a model."""
    is_number = make_column_selector(dtype_include="number")
    is_category = make_column_selector(dtype_include="category")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy=numbers), StandardScaler()), is_number),
        (make_pipeline(SimpleImputer(strategy=categories, fill_value="?"), one_hot), is_category),
    )
    return make_pipeline(columns, model)


# %%
# The data sets
# -------------
# One recipe for all: two layers, dropout, a fixed number of epochs, batches that grow with the
# table. The networks' settings were chosen by hand, after a first run and a few variants on one
# split of housing and of adult, so they have seen these rows; the others keep their defaults.
# Nothing was searched.


def penguins():
    """Three species of penguins, by their measures, island and sex."""
    X, y = fetch_penguins(return_X_y=True)
    return {
        "title": "Penguins",
        "data": (X, y),
        "network": prepared(
            skdl.MLPClassifier(hidden_units=32, dropout=0.2, epochs=60, random_state=SEED)
        ),
        "others": {
            "LogisticRegression": prepared(LogisticRegression()),
            "RandomForest": prepared(RandomForestClassifier(random_state=SEED)),
            "HistGradientBoosting": HistGradientBoostingClassifier(random_state=SEED),
        },
        "scoring": {"accuracy": "accuracy", "log loss": "neg_log_loss"},
        "n_iterations": 10,
        "network_is": "32-32 units, dropout 0.2, 60 epochs, batches of 32",
    }


def wine_network():
    """Return the network for the red wines."""
    return make_pipeline(
        StandardScaler(),
        skdl.MLPRegressor(
            hidden_units=64,
            batch_norm="before_activation",
            dropout=0.2,
            epochs=30,
            random_state=SEED,
        ),
    )


def wine():
    """Taste of red wines, from 3 to 8, by what the laboratory says; no wine twice."""
    X, y = fetch_red_wine(return_X_y=True)
    first = np.unique(duplicate_groups(X, y), return_index=True)[1]
    return {
        "title": "Red wine without duplicates",
        "data": (X.iloc[first], y.iloc[first]),
        "network": wine_network(),
        "others": {
            "Ridge": make_pipeline(StandardScaler(), Ridge()),
            "RandomForest": RandomForestRegressor(random_state=SEED),
            "HistGradientBoosting": HistGradientBoostingRegressor(random_state=SEED),
        },
        "scoring": {"RMSE": "neg_root_mean_squared_error", "R²": "r2"},
        "n_iterations": 10,
        "network_is": "64-64 units, batch normalisation, dropout 0.2, 30 epochs, batches of 32",
    }


def housing():
    """Median price of the houses in each block of California, in dollars, learnt as logarithm."""

    def of_log(model):
        return TransformedTargetRegressor(model, func=np.log1p, inverse_func=np.expm1)

    network = skdl.MLPRegressor(
        hidden_units=128, dropout=0.1, epochs=60, batch_size=256, random_state=SEED
    )
    return {
        "title": "California housing",
        "data": fetch_housing(return_X_y=True),
        "network": of_log(prepared(network, numbers="median")),
        "others": {
            "Ridge": of_log(prepared(Ridge(), numbers="median")),
            "HistGradientBoosting": of_log(HistGradientBoostingRegressor(random_state=SEED)),
        },
        "scoring": {"RMSE": "neg_root_mean_squared_error", "R²": "r2"},
        "n_iterations": 2,
        "network_is": "128-128 units, dropout 0.1, 60 epochs, batches of 256",
    }


def adult():
    """Income above or below 50,000 dollars a year, by what a census asks for."""
    network = skdl.MLPClassifier(
        hidden_units=64,
        batch_norm="before_activation",
        dropout=0.2,
        epochs=12,
        batch_size=256,
        random_state=SEED,
    )
    return {
        "title": "Adult (census income)",
        "data": fetch_adult(return_X_y=True),
        "network": prepared(network, categories="constant"),
        "others": {
            "LogisticRegression": prepared(LogisticRegression(max_iter=500), categories="constant"),
            "HistGradientBoosting": HistGradientBoostingClassifier(random_state=SEED),
        },
        "scoring": {"accuracy": "accuracy", "ROC AUC": "roc_auc"},
        "n_iterations": 2,
        "network_is": "64-64 units, batch normalisation, dropout 0.2, 12 epochs, batches of 256",
    }


# %%
# Scores
# ------
# ``cross_validate`` shuffles and splits anew in each iteration, stratified for classifiers, scores
# the dummy and the others on the same splits, and prints all of it.


def score(task):
    """Cross-validate and print the result; our network must be better than the dummy."""
    X, y = task["data"]
    result = cross_validate(
        task["network"],
        X,
        y,
        n_iterations=task["n_iterations"],
        scoring=task["scoring"],
        compare_with=task["others"],
        n_jobs=-1,
    )
    print(f"\n{task['title']}: {len(X):,} rows\n\n{result}\n", flush=True)

    summary = result.summary()
    for metric in task["scoring"]:
        dummy = summary.loc[(metric, "baseline")]
        assert dummy["difference"] < 0, f"no better than the dummy on {task['title']!r}"
        assert dummy["p_value"] < 0.001, f"hardly better than the dummy on {task['title']!r}"
    return result


def cells(result, scoring):
    """Return a header and one row of texts for each estimator.

    Scikit-learn negates errors so that greater is better; people read them the right way up, and
    their differences likewise.
    """
    summary = result.summary()
    header = [""]
    for metric in scoring:
        header += [metric, "difference", "p"]
    rows = {name: [name] for name in summary.index.get_level_values("estimator").unique()}
    for metric, scorer in scoring.items():
        sign = -1 if scorer.startswith("neg_") else 1
        decimals = max(0, 1 - math.floor(math.log10(summary.loc[metric, "std"].iloc[0])))
        for name, row in summary.loc[metric].iterrows():
            mean, half = sign * row["mean"], row["ci_high"] - row["mean"]
            rows[name] += [
                f"{mean:z,.{decimals}f} ± {half:,.{decimals}f}",
                "" if math.isnan(row.difference) else f"{sign * row.difference:+z,.{decimals}f}",
                p_value(row.p_value),
            ]
    return header, list(rows.values())


def p_value(value):
    """Return a p-value as text."""
    if math.isnan(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


# %%
# Duplicates
# ----------
# Of the 1,599 red wines 240 repeat another one, value by value. Split at random, a model is asked
# about wines that it was told of. The same models and as many splits, once as it comes and once
# with duplicates on the same side:


def duplicates():
    """Return the RMSE of some models on red wine, with duplicates torn apart and kept together."""
    X, y = fetch_red_wine(return_X_y=True)
    groups = duplicate_groups(X)
    long_trained = skdl.MLPRegressor(hidden_units=128, epochs=100, random_state=SEED)
    models = {
        "estimator": wine_network(),
        "baseline": False,
        "compare_with": {
            "MLPRegressor, 128-128, 100 epochs, no dropout": make_pipeline(
                StandardScaler(), long_trained
            ),
            "Ridge": make_pipeline(StandardScaler(), Ridge()),
            "RandomForest": RandomForestRegressor(random_state=SEED),
            "ExtraTrees": ExtraTreesRegressor(random_state=SEED),
        },
        "scoring": "neg_root_mean_squared_error",
        "n_iterations": 2,
        "n_jobs": -1,
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DuplicateRowsWarning)
        torn = cross_validate(X=X, y=y, **models)
    assert [warning.category for warning in caught] == [DuplicateRowsWarning]
    together = cross_validate(X=X, y=y, groups=groups, **models)
    print(f"\nRed wine with its duplicates: {len(X):,} rows\n\n{caught[0].message}\n\n{torn}\n")
    print(f"Duplicates kept on one side\n\n{together}\n", flush=True)

    rmse = pd.DataFrame(
        {
            "split at random": -torn.summary().loc["score", "mean"],
            "duplicates kept together": -together.summary().loc["score", "mean"],
        }
    )
    rmse["illusion"] = rmse["duplicates kept together"] - rmse["split at random"]
    assert rmse["illusion"]["RandomForest"] > 0.03
    rows = [
        [str(name), *(f"{value:.3f}" for value in row)] for name, *row in rmse.itertuples(name=None)
    ]
    return ["RMSE", *rmse.columns], rows


# %%
# Tables for the documentation
# ----------------------------


def list_table(header, rows):
    """Return a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [header, *rows]:
        lines += [f"   {' ' if i else '*'} - {cell}".rstrip() for i, cell in enumerate(row)]
    return "\n".join(lines)


def section(task, result):
    """Return a data set's part of the documentation."""
    X, _ = task["data"]
    title = task["title"]
    n_splits = len(result["fit_time"]) // task["n_iterations"]
    text = (
        f"{len(X):,} rows, {X.shape[1]} columns. {task['n_iterations']} × {n_splits} folds; "
        f"network: {task['network_is']}."
    )
    table = list_table(*cells(result, task["scoring"]))
    return f"{title}\n{'~' * len(title)}\n\n{text}\n\n{table}\n"


# %%
# All of it
# ---------

# The documentation shows what stands below this comment at a place of its own.
DUPLICATES_MARK = ".. Duplicates:"
TASKS = {"penguins": penguins, "wine": wine, "housing": housing, "adult": adult}


def main():
    """Score what the command line names, or everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*TASKS, "duplicates"]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--rst", type=Path, metavar="FILE", help="write the tables here too")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}. Expected some of {', '.join(known)}.")

    sections = []
    for name in arguments.names or known:
        started = time.perf_counter()
        try:
            if name == "duplicates":
                sections.append(f"{DUPLICATES_MARK}\n\n{list_table(*duplicates())}\n")
            else:
                task = TASKS[name]()
                sections.append(section(task, score(task)))
        except OSError as error:
            print(f"{name}: skipped. {error}")
            continue
        print(f"{name} took {time.perf_counter() - started:.0f} s.", flush=True)
    if arguments.rst is not None:
        arguments.rst.write_text("\n".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
