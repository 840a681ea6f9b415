"""How well do networks predict on tables, beside trees and other networks?

    python benchmarks/bench_accuracy.py [--tables california ...] [--models tabular ...]
        [--splits 3] [--results FILE] [--markdown FILE]

Every model fits every split in a fresh process; what is in the file of results already is not
measured again, so a run can be broken off and gone on with. Lower scores are better.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from _harness import (
    PeerMissingError,
    format_seconds,
    machine_description,
    markdown_table,
    run_as_child,
    run_in_fresh_process,
    timed,
)
from _tables import TABLES

VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikit-learn", "pytabkit", "numpy")
# What `tabular()` is without one of its ingredients.
WITHOUT = {
    "embedding": {"numeric_embedding": None},
    "beta_2": {"beta_2": None},
    "schedule": {"learning_rate_schedule": "constant", "learning_rate": 0.001},
    "smooth_clip": {"input_scaling": None},
    "parametric_activation": {"parametric_activation": False},
    "label_smoothing": {"label_smoothing": 0.0},
    "feature_scale": {"feature_scale": False},
    "dropout": {"dropout": 0.0},
    "weight_decay": {"weight_decay": None},
}


def numbers_and_columns(X, *, is_scaled):
    """Return what makes numbers of a table: gaps filled, one column for each category."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts = [name for name in X if X[name].dtype.kind not in "iuf"]
    numbers = [name for name in X if name not in texts]
    filled = [SimpleImputer(strategy="median"), *([StandardScaler()] if is_scaled else [])]
    columns = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer((make_pipeline(*filled), numbers), (columns, texts))


def make_model(name, X, *, is_classifier, seed):
    """Return an unfitted model for a table."""
    from sklearn import ensemble, linear_model, neural_network, svm
    from sklearn.pipeline import make_pipeline

    import skdl
    from skdl.model_selection import KFoldEnsembleClassifier, KFoldEnsembleRegressor

    kind = "Classifier" if is_classifier else "Regressor"
    scaled, plain = (numbers_and_columns(X, is_scaled=s) for s in (True, False))
    network = getattr(skdl, f"MLP{kind}")
    texts = list(X.select_dtypes(exclude="number"))
    lines = {
        "Classifier": linear_model.LogisticRegression(max_iter=1000),
        "Regressor": linear_model.LinearRegression(),
    }
    machines = {"Classifier": svm.SVC(probability=True, random_state=seed), "Regressor": svm.SVR()}
    trees = {"n_estimators": 300, "random_state": seed, "n_jobs": -1}
    held_out = {"early_stopping": True, "validation_fraction": 0.2, "random_state": seed}
    others = {
        "linear": make_pipeline(scaled, lines[kind]),
        "svm": make_pipeline(scaled, machines[kind]),
        "extra_trees": make_pipeline(plain, getattr(ensemble, f"ExtraTrees{kind}")(**trees)),
        "hist_gradient_boosting": getattr(ensemble, f"HistGradientBoosting{kind}")(
            categorical_features=texts or None, random_state=seed
        ),
        "sklearn_mlp": make_pipeline(
            scaled, getattr(neural_network, f"MLP{kind}")((128, 128), max_iter=500, **held_out)
        ),
        "defaults": make_pipeline(scaled, network(**held_out)),
    }
    if name in others:
        return others[name]
    if name == "realmlp":
        return _realmlp(kind, seed)
    missing = name.removeprefix("tabular_without_")
    model = network.tabular(random_state=seed, **WITHOUT.get(missing, {}))
    if missing == "smooth_clip":
        model = make_pipeline(scaled, model)
    if name.startswith("tabular_5fold"):
        folds = KFoldEnsembleClassifier if is_classifier else KFoldEnsembleRegressor
        model = folds(model, refit=5 if name.endswith("refit") else None, random_state=seed)
    return model


def _realmlp(kind, seed):
    try:
        import pytabkit
    except ImportError as error:
        raise PeerMissingError(str(error)) from None
    return getattr(pytabkit, f"RealMLP_TD_{kind}")(random_state=seed, device="cpu")


MODELS = (
    "linear", "svm", "extra_trees", "hist_gradient_boosting", "sklearn_mlp", "realmlp",
    "defaults", "tabular", "tabular_5fold",
)  # fmt: skip


def fit_and_score(table, model, split):
    """Fit one model on one split; return its score and seconds."""
    import numpy as np
    from sklearn.metrics import log_loss, root_mean_squared_error

    data = TABLES[table]()
    train, test = data.splits[split]
    is_classifier = data.score != "RMSE"
    estimator = make_model(model, data.X, is_classifier=is_classifier, seed=split)
    X_train, X_test = data.X.iloc[train], data.X.iloc[test]
    if model == "hist_gradient_boosting":
        texts = [name for name in data.X if data.X[name].dtype.kind not in "iuf"]
        X_train, X_test = (X.astype(dict.fromkeys(texts, "category")) for X in (X_train, X_test))
    seconds, _ = timed(estimator.fit, X_train, data.y[train])
    if is_classifier:
        labels = np.unique(data.y)
        score = log_loss(data.y[test], estimator.predict_proba(X_test), labels=labels)
    else:
        score = root_mean_squared_error(data.y[test], estimator.predict(X_test))
    result = {"score": float(score), "seconds": seconds}
    if hasattr(estimator, "predict_interval"):
        ends = estimator.predict_interval(X_test, coverage=0.9)
        result["covered"] = float(
            np.mean((ends[:, 0] <= data.y[test]) & (data.y[test] <= ends[:, 1]))
        )
    return result


def report(results, tables):
    """Return one Markdown table for each table: score, s.d. over the splits, seconds."""
    parts = []
    for table in tables:
        data = TABLES[table]()
        own = {key.split("/")[1]: [] for key in results if key.startswith(f"{table}/")}
        for key, result in results.items():
            name, model, _ = key.split("/")
            if name == table and "score" in result:
                own[model].append(result)
        rows = []
        for model, found in own.items():
            if not found:
                continue
            scores = [result["score"] for result in found]
            spread = statistics.stdev(scores) if len(scores) > 1 else float("nan")
            time = statistics.mean(result["seconds"] for result in found)
            score = f"{statistics.mean(scores):.4f} ± {spread:.4f}"
            covered = [result["covered"] for result in found if "covered" in result]
            share = f"{statistics.mean(covered):.3f}" if covered else ""
            rows.append([model, score, format_seconds(time), str(len(scores)), share])
        rows.sort(key=lambda row: float(row[1].split()[0]))
        heads = ["", data.score, "one fit", "splits", "held by 90 % intervals"]
        parts.append(f"### {table}\n\n{data.about}.\n\n{markdown_table(heads, rows)}")
    return "\n\n".join([*parts, machine_description(VERSIONS_OF)])


def main():
    """Measure what is not in the results yet, and report."""
    run_as_child({"fit_and_score": fit_and_score})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    ablated = [f"tabular_without_{name}" for name in WITHOUT]
    known = [*MODELS, "tabular_5fold_refit", *ablated]
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=known)
    parser.add_argument("--splits", type=int, default=100, help="use at most so many (all)")
    parser.add_argument("--results", type=Path, default=Path("accuracy.json"), metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here too")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    for table in arguments.tables:
        n_splits = min(arguments.splits, len(TABLES[table]().splits))
        for split in range(n_splits):
            for model in arguments.models:
                key = f"{table}/{model}/{split}"
                if key in results:
                    continue
                print(f"  {key} …", file=sys.stderr, flush=True)
                results[key] = run_in_fresh_process(
                    __file__, task="fit_and_score", table=table, model=model, split=split
                )
                arguments.results.write_text(json.dumps(results, indent=1))
    text = report(results, arguments.tables)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
