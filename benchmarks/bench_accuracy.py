"""How well do networks predict on tables, beside trees and other networks?

    python benchmarks/bench_accuracy.py [--tables california ...] [--models tabular ...]
        [--splits 3] [--results FILE] [--markdown FILE]

Every model has a fresh process for every table, and fits all its splits there, ours in lockstep.
What is in the file of results already is not measured again, so a run can be broken off and gone on
with. Lower scores are better. ``--ablation`` takes the ingredients of `tabular()` away one by one.
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
    tell,
    timed,
)
from _tables import TABLES

VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikit-learn", "pytabkit", "numpy")
LONGEST_SECONDS = 4 * 3600
# What `tabular()` is without one of its ingredients, or with what others take in its place.
WITHOUT = {
    "shared_members": {"shared_members": 1},
    "embedding": {"numeric_embedding": None},
    "automatic_embedding": {"numeric_embedding": "piecewise_linear"},
    "beta_2": {"beta_2": None},
    "schedule": {"learning_rate_schedule": "constant", "learning_rate": 0.001},
    "smooth_clip": {"input_scaling": None},
    "parametric_activation": {"parametric_activation": False},
    "label_smoothing": {"label_smoothing": 0.0},
    "less_smoothing": {"label_smoothing": 0.1},
    "automatic_sizes": {"hidden_units": 256, "n_bins": 48, "batch_size": 256},
    "feature_scale": {"feature_scale": False},
    "dropout": {"dropout": 0.0},
    "weight_decay": {"weight_decay": None},
}
# What learns rows by heart, for tables in which rows come back.
BY_HEART = {"early_stopping": False, "epochs": 256, "dropout": 0.0}
REALMLP = {
    "realmlp": {},
    "realmlp_5fold": {"n_cv": 5},
    # As it comes, its classifier is made for few errors.
    "realmlp_for_loss": {"val_metric_name": "cross_entropy", "use_ls": False},
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
    if name.startswith("realmlp"):
        return _realmlp(X, is_classifier=is_classifier, seed=seed, **REALMLP[name])
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
    layers = {"hidden_layer_sizes": (128, 128)}
    held_out = {"early_stopping": True, "validation_fraction": 0.2, "random_state": seed}
    others = {
        "linear": make_pipeline(scaled, lines[kind]),
        "svm": make_pipeline(scaled, machines[kind]),
        "extra_trees": make_pipeline(plain, getattr(ensemble, f"ExtraTrees{kind}")(**trees)),
        "hist_gradient_boosting": getattr(ensemble, f"HistGradientBoosting{kind}")(
            categorical_features=texts or None, random_state=seed
        ),
        "sklearn_mlp": make_pipeline(
            scaled, getattr(neural_network, f"MLP{kind}")(**layers, max_iter=500, **held_out)
        ),
        "defaults": make_pipeline(scaled, network(**held_out)),
    }
    if name in others:
        return others[name]
    missing = name.removeprefix("tabular_without_")
    changes = BY_HEART if name.endswith("_by_heart") else WITHOUT.get(missing, {})
    model = network.tabular(random_state=seed, **changes)
    if missing == "smooth_clip":
        model = make_pipeline(scaled, model)
    if name.startswith("tabular_5fold"):
        folds = KFoldEnsembleClassifier if is_classifier else KFoldEnsembleRegressor
        model = folds(model, refit=5 if name.endswith("refit") else None, random_state=seed)
    return model


def _realmlp(X, *, is_classifier, seed, **params):
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    try:
        from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
    except ImportError as error:
        raise PeerMissingError(str(error)) from None
    network = RealMLP_TD_Classifier if is_classifier else RealMLP_TD_Regressor
    # It takes gaps among categories only.
    filled = make_column_transformer(
        (SimpleImputer(strategy="median"), list(X.select_dtypes("number"))),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    return make_pipeline(filled, network(random_state=seed, device="cpu", **params))


MODELS = (
    "linear", "svm", "extra_trees", "hist_gradient_boosting", "sklearn_mlp", "realmlp",
    "defaults", "tabular", "tabular_5fold",
)  # fmt: skip


def fit_and_score_all(table, model, splits):
    """Fit a model on some splits of a table; return what was found on each, and the seconds."""
    import contextlib

    import joblib

    data = TABLES[table]()
    is_ours = model == "defaults" or model.startswith("tabular")
    tasks = [joblib.delayed(fit_and_score)(data, model, split) for split in splits]
    together = contextlib.nullcontext()
    if is_ours:
        import skdl

        together = skdl.lockstep()
    with together:
        seconds, found = timed(joblib.Parallel(n_jobs=-1 if is_ours else 1), tasks)
    tell(f"{table}, {model}: {format_seconds(seconds / len(found))} a fit")
    return {"splits": found, "seconds": seconds / len(found)}


def fit_and_score(data, model, split):
    """Fit a model on one split; return what was found on its test rows."""
    import numpy as np
    from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

    train, test = data.splits[split]
    is_classifier = data.score != "RMSE"
    estimator = make_model(model, data.X, is_classifier=is_classifier, seed=split)
    X_train, X_test = data.X.iloc[train], data.X.iloc[test]
    if model == "hist_gradient_boosting" or model.startswith("realmlp"):
        texts = [name for name in data.X if data.X[name].dtype.kind not in "iuf"]
        X_train, X_test = (X.astype(dict.fromkeys(texts, "category")) for X in (X_train, X_test))
    estimator.fit(X_train, data.y[train])
    if is_classifier:
        labels = np.unique(data.y)
        shares = estimator.predict_proba(X_test)
        own = shares[:, 1] if len(labels) == 2 else shares
        return {
            "score": float(log_loss(data.y[test], shares, labels=labels)),
            "AUC": float(roc_auc_score(data.y[test], own, multi_class="ovr")),
        }
    found = {"score": float(root_mean_squared_error(data.y[test], estimator.predict(X_test)))}
    if hasattr(estimator, "predict_interval"):
        ends = estimator.predict_interval(X_test, coverage=0.9)
        inside = (ends[:, 0] <= data.y[test]) & (data.y[test] <= ends[:, 1])
        found["covered"] = float(inside.mean())
    return found


def mean_and_spread(splits, name):
    """Return one figure of all splits as text, empty where they have none."""
    values = [split[name] for split in splits if name in split]
    if len(values) < 2:
        return "".join(f"{value:.4f}" for value in values)
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def report(results, tables):
    """Return one Markdown table for each table, best first, and the mean ranks over them."""
    parts, ranks = [], {}
    for table in tables:
        data = TABLES[table]()
        own = {
            key.split("/")[1]: found
            for key, found in results.items()
            if key.split("/")[0] == table and "splits" in found
        }
        order = sorted(own, key=lambda m: statistics.mean(s["score"] for s in own[m]["splits"]))
        rows = []
        for rank, model in enumerate(order, 1):
            splits = own[model]["splits"]
            figures = [mean_and_spread(splits, name) for name in ("score", "AUC", "covered")]
            rows.append([model, *figures, format_seconds(own[model]["seconds"]), str(len(splits))])
            ranks.setdefault(model, []).append(rank)
        heads = ["", data.score, "AUC", "held by 90 % intervals", "one fit", "splits"]
        parts.append(f"### {table}\n\n{data.about}.\n\n{markdown_table(heads, rows)}")
    everywhere = {m: statistics.mean(r) for m, r in ranks.items() if len(r) == len(tables)}
    rows = [[m, f"{rank:.2f}"] for m, rank in sorted(everywhere.items(), key=lambda item: item[1])]
    parts.append(f"### Mean ranks\n\n{markdown_table(['', 'mean rank'], rows)}")
    return "\n\n".join([*parts, machine_description(VERSIONS_OF)])


def main():
    """Measure what is not in the results yet, and report."""
    run_as_child({"fit_and_score_all": fit_and_score_all})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    ablated = [f"tabular_without_{name}" for name in WITHOUT]
    rarer = ["tabular_5fold_refit", "tabular_5fold_by_heart", *REALMLP]
    known = sorted({*MODELS, *rarer, *ablated})
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=known)
    parser.add_argument("--ablation", action="store_true", help="the recipe without each part")
    parser.add_argument("--splits", type=int, default=100, help="use at most so many (all)")
    parser.add_argument("--results", type=Path, default=Path("accuracy.json"), metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here too")
    arguments = parser.parse_args()
    models = ["tabular", *ablated] if arguments.ablation else arguments.models
    results = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    for table in arguments.tables:
        splits = list(range(min(arguments.splits, len(TABLES[table]().splits))))
        is_regression = TABLES[table]().score == "RMSE"
        for model in models:
            if is_regression and model.endswith("_smoothing"):
                continue
            key = f"{table}/{model}/{len(splits)}"
            if key in results:
                continue
            print(f"  {key} …", file=sys.stderr, flush=True)
            results[key] = run_in_fresh_process(
                __file__, task="fit_and_score_all", table=table, model=model, splits=splits,
                timeout_seconds=LONGEST_SECONDS,
            )  # fmt: skip
            arguments.results.write_text(json.dumps(results, indent=1))
    text = report(results, arguments.tables)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
