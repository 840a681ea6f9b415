"""How much memory does training take beside the table that the caller holds?

    python benchmarks/bench_memory.py [--rows 400000] [--features 50] [--markdown FILE]

Each line is a process of its own. It makes a float32 table, trains on a small one first, so that
imports and traces are not counted, and then reads the peak of its resident memory over what it
held just before the call. ``memory_limit`` is tried at three sizes. No timings: see
``bench_cross_validation.py`` for those.
"""

import argparse
import resource
from pathlib import Path

from _harness import (
    add_common_arguments,
    machine_description,
    markdown_table,
    measure,
    run_as_child,
    write_report,
)

FEATURES, ROWS = 50, 400_000
MIB = 2**20
VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikit-learn", "numpy")
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
WHAT_IS_RUN = {
    "fit": "`MLPClassifier.fit`",
    "early_stopping": "`MLPClassifier.fit`, early stopping",
    "cross_validate": "`skdl.model_selection.cross_validate`, 5 folds",
    "repeated": "`skdl.model_selection.cross_validate`, 5 folds, 4 times",
    "regression": "`skdl.model_selection.cross_validate`, 5 folds, regression",
    "sklearn": "`cross_val_score` in `skdl.lockstep()`, 5 folds",
    "pipeline": "`skdl.model_selection.cross_validate`, 5 folds, scaler in a pipeline",
    "float64": "`skdl.model_selection.cross_validate`, 5 folds, float64",
    "frame": "`skdl.model_selection.cross_validate`, 5 folds, DataFrame",
    "predict_proba": "`predict_proba`, 1,000 classes",
    "predict": "`predict`, 1,000 classes",
}


def peak_beyond(function):
    """Return by how many bytes a call's peak memory exceeds what was held before."""
    CLEAR.write_text("5")
    before = _status("VmRSS")
    result = function()
    del result
    # Where Linux does not let a process reset its peak, the whole process counts.
    peak = _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return peak - before


def _status(name):
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def table(rows, features, kind):
    """Return a table, and targets: two classes, or numbers."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, features), np.float32)
    target = X[:, 0] + X[:, 1] * X[:, 2]
    y = target if kind == "regression" else (target > 0).astype(int)
    if kind == "float64":
        X = X.astype(np.float64)
    if kind == "frame":
        import pandas as pd

        X = pd.DataFrame(X, columns=[f"x{i}" for i in range(features)])
    return X, y


def call_of(kind, limit):
    """Return what is measured, as a function of a table and its targets."""
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import skdl
    from skdl.model_selection import cross_validate

    own = skdl.MLPRegressor if kind == "regression" else skdl.MLPClassifier
    stops = kind == "early_stopping"
    model = own(64, hidden_layers=2, epochs=1, batch_size=1024, early_stopping=stops)
    limit = limit and limit * MIB
    if kind in {"fit", "early_stopping"}:
        return model.fit

    def by_sklearn(X, y):
        with skdl.lockstep(memory_limit=limit):
            return cross_val_score(model, X, y, cv=5)

    def by_skdl(X, y):
        estimator = make_pipeline(StandardScaler(), model) if kind == "pipeline" else model
        repeats = 4 if kind == "repeated" else 1
        with skdl.lockstep(memory_limit=limit):
            return cross_validate(estimator, X, y, cv=5, n_iterations=repeats, baseline=False)

    return by_sklearn if kind == "sklearn" else by_skdl


def train(kind, rows, features, limit=None):
    """Measure one kind of call on one table."""
    call = call_of(kind, limit)
    call(*table(4000, features, kind))
    X, y = table(rows, features, kind)
    return {"beyond": peak_beyond(lambda: call(X, y)), "table": _nbytes(X)}


def _nbytes(X):
    return int(X.memory_usage(index=False).sum()) if hasattr(X, "memory_usage") else X.nbytes


def predict(kind, rows, classes=1000):
    """Measure predictions of many classes; the table is the float32 output of the network."""
    import numpy as np

    import skdl

    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, 20), np.float32)
    y = np.arange(len(X)) % classes
    model = skdl.MLPClassifier(16, epochs=1, batch_size=1024).fit(
        X[: 4 * classes], y[: 4 * classes]
    )
    call = getattr(model, kind)
    call(X[:2000])
    return {"beyond": peak_beyond(lambda: call(X)), "table": rows * classes * 4}


def requests_of(options):
    """Return what to measure, by name."""
    requests = {}
    size = {"rows": options.rows, "features": options.features}
    for kind in options.only:
        if kind.startswith("predict"):
            requests[kind] = {"task": "predict", "kind": kind, "rows": options.rows // 8}
        else:
            requests[kind] = {"task": "train", "kind": kind, **size}
    for limit in options.limits:
        for kind in ("cross_validate", "sklearn"):
            name = f"{kind}, memory_limit={limit} MiB"
            requests[name] = {"task": "train", "kind": kind, "limit": limit, **size}
    return requests


def report(medians, options):
    """Return the table as Markdown."""
    lines = []
    for name, values in medians.items():
        kind, _, limit = name.partition(", ")
        held, beyond = values["table"] / MIB, values["beyond"] / MIB
        what = ", ".join(filter(None, [WHAT_IS_RUN[kind], limit]))
        lines.append([what, f"{held:.0f}", f"{beyond:.0f}", f"{beyond / held:.1f}"])
    heads = ["call", "table, MB", "peak beyond it, MB", "times the table"]
    note = (
        f"{options.rows:,} rows of {options.features} features, one epoch, 64-64, batches of "
        "1024. Of predictions the table is the network's float32 output."
    )
    return f"{markdown_table(heads, lines)}\n\n{note}\n\n{machine_description(VERSIONS_OF)}"


def main():
    """Measure every kind of call."""
    run_as_child({"train": train, "predict": predict})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_common_arguments(parser)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--only", nargs="+", choices=WHAT_IS_RUN, default=list(WHAT_IS_RUN))
    parser.add_argument("--limits", type=int, nargs="*", default=[], help="memory_limit, in MiB")
    options = parser.parse_args()
    requests = requests_of(options)
    medians = measure(__file__, requests, options.repeats, keep_caches=options.keep_caches)
    write_report(options, report(medians, options), medians)


if __name__ == "__main__":
    main()
