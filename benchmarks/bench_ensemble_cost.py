"""What does the 5-fold ensemble cost beside one fit, on small tables?

    python benchmarks/bench_ensemble_cost.py [--repeats 3] [--markdown FILE]

`tabular()` and its 5-fold ensemble, each in processes of its own: the first fit, which traces and
compiles, and the median of three later ones.
"""

import argparse

from _harness import (
    add_common_arguments,
    format_ratio,
    format_seconds,
    machine_description,
    markdown_table,
    measure,
    median_seconds,
    run_as_child,
    timed,
    write_report,
)
from _tables import TABLES
from bench_accuracy import make_model

TASKS = ("diabetes", "penguins", "breast_cancer", "red_wine_unique")
MODELS = ("tabular", "tabular_5fold")
VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikit-learn", "numpy")
LATER_FITS = 3


def fit(table, model):
    """Time the first and later fits of one model on the training rows of a table's first split."""
    import skdl

    data = TABLES[table]()
    train, _ = data.splits[0]
    X, y = data.X.iloc[train], data.y[train]
    own = make_model(model, X, is_classifier=data.score != "RMSE", seed=0)
    skdl.MLPRegressor(2, epochs=1).fit([[0.0], [1.0]], [0.0, 1.0])  # imports TensorFlow
    first, _ = timed(own.fit, X, y)
    return {"first": first, "later": median_seconds(own.fit, X, y, calls=LATER_FITS)}


def report(medians, repeats):
    """Return the table as Markdown."""
    rows = []
    for table in TASKS:
        one, five = (medians[f"{table} {model}"] for model in MODELS)
        cells = [str(len(TABLES[table]().splits[0][0]))]
        for when in ("first", "later"):
            ratio = format_ratio(five[when], one[when])
            cells += [format_seconds(one[when]), format_seconds(five[when]), ratio]
        rows.append([table, *cells])
    heads = ["table", "rows", "first fit", "of an ensemble", "", "later fit", "of an ensemble", ""]
    text = markdown_table(heads, rows)
    return f"{text}\n\nMedian of {repeats} processes.\n\n{machine_description(VERSIONS_OF)}"


def main():
    """Measure and report."""
    run_as_child({"fit": fit})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_common_arguments(parser)
    arguments = parser.parse_args()
    requests = {
        f"{table} {model}": {"task": "fit", "table": table, "model": model}
        for table in TASKS
        for model in MODELS
    }
    medians = measure(__file__, requests, arguments.repeats)
    write_report(arguments, report(medians, arguments.repeats), medians)


if __name__ == "__main__":
    main()
