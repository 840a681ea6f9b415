"""How well do networks predict on tables that nobody tuned on, beside trees and other networks?

    python benchmarks/bench_tables.py [--half judging] [--tables ames ...] [--models tabular ...]
        [--rows 50000] [--peers-python PYTHON] [--results FILE] [--markdown FILE]

Recipes are made on one half of the tables and judged on the other (see `_table_registry`). Every
model has a fresh process for each table and fits all splits there, ours in lockstep. Ours are told
which rows belong together or come first; the others take no such thing. The file of results has one
line of JSON for each table, model and split; what stands in it is not measured again, so a run can
be broken off and gone on with. ``--only-report`` measures nothing, and
`accuracy_tables.py` writes the tables of the documentation. Lower scores are better.

LightGBM, CatBoost and pytabkit (RealMLP-TD, TabM) may live in an environment of their own:
``--peers-python`` names its interpreter. Models whose package is missing are left out, and named.
"""

import argparse
import json
import math
import resource
import statistics
import sys
import time
from pathlib import Path

from _harness import (
    PeerMissingError,
    format_seconds,
    machine_description,
    markdown_table,
    run_as_child,
    run_in_fresh_process,
    tell,
)
from _table_registry import JUDGING, MAKING, REGISTRY

VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikit-learn", "numpy")
LONGEST_SECONDS = 4 * 3600
PEERS = ("lightgbm", "catboost", "realmlp", "tabm")
OURS = ("defaults", "tabular", "tabular_5fold", "tabular_5fold_refit")
MODELS = ("linear", "extra_trees", "hist_gradient_boosting", *PEERS, *OURS)
SEARCHES = ("search", "search_ensemble")
# The starting point as it was before this benchmark, to tell what changes to it are worth.
FIRST = {"epochs": 64, "patience": 64, "dropout": 0.2}


# ------------------------------------------------------------------------------------ the child


def columns(X):
    """Return the names of the columns of texts, and of numbers."""
    texts = [name for name in X if X[name].dtype.kind not in "iufb"]
    return texts, [name for name in X if name not in texts]


def encoded(X, *, is_scaled):
    """Return what makes numbers of a table: gaps filled, one column for each category."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts, numbers = columns(X)
    filled = [SimpleImputer(strategy="median"), *([StandardScaler()] if is_scaled else [])]
    hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, sparse_output=False)
    return make_column_transformer((make_pipeline(*filled), numbers), (hot, texts))


def as_categories(X, *, as_text=False):
    """Return a table whose texts are categories, for models that take these; gaps are one."""
    texts = columns(X)[0]
    X = X.copy()
    for name in texts:
        filled = X[name].astype(object).where(X[name].notna(), "missing").astype(str)
        X[name] = filled if as_text else filled.astype("category")
    return X


def make_model(name, X, *, is_classifier, seed):
    """Return an unfitted model of scikit-learn or of other libraries, for one table."""
    kind = "Classifier" if is_classifier else "Regressor"
    if name in {"lightgbm", "catboost", "realmlp", "tabm"}:
        return _peer(name, X, kind, seed)
    from sklearn import ensemble, linear_model
    from sklearn.pipeline import make_pipeline

    if name == "linear":
        line = linear_model.LogisticRegression(max_iter=1000) if is_classifier else None
        return make_pipeline(encoded(X, is_scaled=True), line or linear_model.RidgeCV())
    if name == "extra_trees":
        trees = getattr(ensemble, f"ExtraTrees{kind}")(300, random_state=seed, n_jobs=-1)
        return make_pipeline(encoded(X, is_scaled=False), trees)
    if name == "hist_gradient_boosting":
        boosting = getattr(ensemble, f"HistGradientBoosting{kind}")
        return boosting(categorical_features="from_dtype", random_state=seed)
    return _ours(name, X, kind, seed)


def _peer(name, X, kind, seed):
    try:
        if name == "lightgbm":
            import lightgbm

            return getattr(lightgbm, f"LGBM{kind}")(random_state=seed, verbosity=-1)
        if name == "catboost":
            import catboost

            return getattr(catboost, f"CatBoost{kind}")(
                random_seed=seed, verbose=False, allow_writing_files=False,
                cat_features=columns(X)[0],
            )  # fmt: skip
        import pytabkit
    except ImportError as error:
        raise PeerMissingError(f"{error.name} is not installed") from None
    title = {"realmlp": "RealMLP_TD", "tabm": "TabM_D"}[name]
    loss = {"val_metric_name": "cross_entropy"} if kind == "Classifier" else {}
    # The metric is the one that is judged here; as they come, they look at the share of errors.
    return getattr(pytabkit, f"{title}_{kind}")(random_state=seed, device="cpu", **loss)


def _ours(name, X, kind, seed):
    from sklearn.pipeline import make_pipeline

    import skdl
    from skdl import model_selection

    network = getattr(skdl, f"MLP{kind}")
    if name == "defaults":
        held_out = {"early_stopping": True, "validation_fraction": 0.2, "random_state": seed}
        return make_pipeline(encoded(X, is_scaled=True), network(**held_out))
    tabular = network.tabular(random_state=seed, **(FIRST if name == "tabular_first" else {}))
    if name in {"tabular", "tabular_first"}:
        return tabular
    if name.startswith("tabular_5fold"):
        folds = getattr(model_selection, f"KFoldEnsemble{kind}")
        return folds(tabular, refit=5 if name.endswith("refit") else "time", random_state=seed)
    search = {"n_trials": 30, "cv": 0.2, "random_state": seed}
    if name == "search_ensemble":
        search["ensemble_size"] = 10
    return model_selection.OptunaSearchCV(tabular, **search)


def prepared(name, X):
    """Return a table in the form in which a model takes it."""
    if name == "catboost":
        return as_categories(X, as_text=True)
    if name in {"hist_gradient_boosting", "lightgbm"}:
        return as_categories(X)
    if name in {"realmlp", "tabm"}:
        X = as_categories(X)
        numbers = columns(X)[1]
        # They take gaps among categories only.
        return X.assign(**{n: X[n].astype(float).fillna(X[n].median()) for n in numbers})
    return X


def is_ours(model):
    """Tell whether a model takes `groups` and `time` in ``fit``."""
    return model in {*OURS, "tabular_first", *SEARCHES}


def known_of_rows(entry, data, rows):
    """Return what is known of rows that depend on one another, for the splits inside ``fit``."""
    if entry.split == "grouped":
        return {"groups": data.groups[rows]}
    # The rows of ordered tables come in their order.
    return {"time": rows} if entry.split == "ordered" else {}


def fit_and_score(table, model, split, n_rows):
    """Fit a model on one split; return what was found on its test rows."""
    import numpy as np
    from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

    entry = REGISTRY[table]
    data = entry.limited(entry.load(), n_rows)
    train, test = entry.splits(data)[split]
    is_classifier = entry.task != "regression"
    X = prepared(model, data.X)
    estimator = make_model(model, X, is_classifier=is_classifier, seed=split)
    y = data.y
    if is_classifier and model in PEERS:
        labels, y = np.unique(y, return_inverse=True)
    fit_params = known_of_rows(entry, data, train) if is_ours(model) else {}
    if model == "defaults":
        fit_params = {f"{estimator.steps[-1][0]}__{name}": own for name, own in fit_params.items()}
    started = time.perf_counter()
    estimator.fit(X.iloc[train], y[train], **fit_params)
    found = {"fit_seconds": time.perf_counter() - started, "n_train": len(train)}
    found["n_test"] = len(test)
    if not is_classifier:
        predicted = np.ravel(estimator.predict(X.iloc[test]))
        return {**found, "score": float(root_mean_squared_error(y[test], predicted))}
    labels = np.unique(y)
    shares = np.full((len(test), len(labels)), 1e-7)
    shares[:, np.isin(labels, estimator.classes_)] = estimator.predict_proba(X.iloc[test])
    shares = np.clip(shares, 1e-7, 1)
    shares /= shares.sum(1, keepdims=True)
    if len(labels) == 2:
        found["AUC"] = float(roc_auc_score(y[test], shares[:, 1]))
    return {**found, "score": float(log_loss(y[test], shares, labels=labels))}


def fit_and_score_all(table, model, splits, n_rows):
    """Fit a model on some splits of a table; return what was found, processor time and memory."""
    import contextlib

    import joblib

    together = contextlib.nullcontext()
    if is_ours(model):
        import skdl

        together = skdl.lockstep()
    before, started = time.process_time(), time.perf_counter()
    tasks = [joblib.delayed(fit_and_score)(table, model, split, n_rows) for split in splits]
    with together:
        found = joblib.Parallel(n_jobs=-1 if is_ours(model) else 1)(tasks)
    shared = {
        "seconds": (time.perf_counter() - started) / len(splits),
        "cpu_seconds": (time.process_time() - before) / len(splits),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    tell(f"{table}, {model}: {format_seconds(shared['cpu_seconds'])} of processor time a fit")
    return {"splits": [{**own, **shared} for own in found]}


# ----------------------------------------------------------------------------------- the parent


def read(path):
    """Return what was measured: {(table, model): {split: figures}}."""
    found = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.setdefault((row["table"], row["model"]), {})[row["split"]] = row
    return found


def measure(arguments, found):
    """Measure what is not in the results yet, and add it to their file."""
    missing = {}
    for table in arguments.tables:
        for model in arguments.models:
            splits = [s for s in range(arguments.splits) if s not in found.get((table, model), {})]
            if not splits or model in missing:
                continue
            print(f"  {table}, {model} …", file=sys.stderr, flush=True)
            python = arguments.peers_python if model in PEERS else sys.executable
            try:
                answer = run_in_fresh_process(
                    __file__, python=python, task="fit_and_score_all", table=table, model=model,
                    splits=splits, n_rows=arguments.rows, timeout_seconds=LONGEST_SECONDS,
                )  # fmt: skip
            except RuntimeError as error:
                print(f"  {error}", file=sys.stderr, flush=True)
                continue
            if "missing" in answer:
                missing[model] = answer["missing"]
                continue
            with arguments.results.open("a", encoding="utf-8") as file:
                for split, own in zip(splits, answer["splits"], strict=True):
                    row = {"table": table, "model": model, "split": split, **own}
                    file.write(json.dumps(row) + "\n")
                    found.setdefault((table, model), {})[split] = row
    for model, reason in missing.items():
        print(f"Left out: {model} ({reason}).", file=sys.stderr)


def mean(found, table, model, name="score"):
    """Return the mean of one figure over the splits."""
    return statistics.mean(row[name] for row in found[table, model].values())


def difference(found, table, one, other):
    """Return the mean of `one` minus `other`, and half its 95 % interval.

    The splits share rows to train on, so the variance of the mean is not that of independent
    ones: it is ``(1 / n_splits + n_test / n_train)`` times that of the differences, with Student's
    t of ``n_splits - 1`` degrees of freedom (Nadeau & Bengio 2003, "Inference for the
    generalization error").
    """
    from scipy.stats import t

    ours, theirs = found[table, one], found[table, other]
    shared = sorted(ours.keys() & theirs.keys())
    gaps = [ours[s]["score"] - theirs[s]["score"] for s in shared]
    if len(gaps) < 2:
        return statistics.mean(gaps), math.inf
    ratio = statistics.mean(ours[s]["n_test"] / ours[s]["n_train"] for s in shared)
    error = math.sqrt((1 / len(gaps) + ratio) * statistics.variance(gaps))
    return statistics.mean(gaps), float(t.ppf(0.975, len(gaps) - 1)) * error


def ranks(found, tables, models):
    """Return the mean rank of each model on the tables that all of them were fitted on."""
    tables = [t for t in tables if all((t, model) in found for model in models)]
    places = {model: [] for model in models}
    for table in tables:
        order = sorted(models, key=lambda model: mean(found, table, model))
        for place, model in enumerate(order, 1):
            places[model].append(place)
    return tables, {m: statistics.mean(own) for m, own in places.items() if own}


def report(found, tables, models):
    """Return the scores, the ranks, and how often `tabular()` and its ensemble win."""
    models = [m for m in models if any((t, m) in found for t in tables)]
    rows = []
    for table in tables:
        own = [m for m in models if (table, m) in found]
        if own:
            best = min(mean(found, table, m) for m in own)
            cells = [
                _figure(mean(found, table, m), best) if (table, m) in found else "" for m in models
            ]
            n_train = next(iter(found[table, own[0]].values()))["n_train"]
            rows.append([table, REGISTRY[table].kind, f"{n_train:,}", *cells])
    parts = [markdown_table(["table", "kind", "rows to train on", *models], rows)]
    common, mean_ranks = ranks(found, tables, models)
    rows = []
    for model in sorted(models, key=lambda m: mean_ranks.get(m, math.inf)):
        own = [t for t in tables if (t, model) in found]
        cells = [f"{mean_ranks[model]:.2f}" if model in mean_ranks else ""]
        for ours in ("tabular", "tabular_5fold"):
            cells.append(_wins(found, own, ours, model) if ours in models else "")
        times = [mean(found, t, model, "cpu_seconds") for t in own]
        cells += [f"{statistics.median(times):.1f}", f"{max(times):.0f}"]
        cells.append(f"{max(mean(found, t, model, 'peak_mb') for t in own):,.0f}")
        rows.append([model, *cells])
    heads = ["", f"mean rank ({len(common)} tables)", "tabular against it",
             "tabular_5fold against it", "median CPU s a fit", "most", "peak MB"]  # fmt: skip
    parts.append(markdown_table(heads, rows))
    return "\n\n".join([*parts, machine_description(VERSIONS_OF)])


def _figure(value, best):
    return f"**{value:.4g}**" if value == best else f"{value:.4g}"


def _wins(found, tables, ours, model):
    """Return on how many tables ours is better and worse, and how many beyond doubt."""
    tables = [t for t in tables if (t, ours) in found]
    if ours == model or not tables:
        return ""
    gaps = [difference(found, t, ours, model) for t in tables]
    won, lost = sum(gap < 0 for gap, _ in gaps), sum(gap > 0 for gap, _ in gaps)
    surely = sum(gap + half < 0 for gap, half in gaps), sum(gap - half > 0 for gap, half in gaps)
    return f"{won} : {lost} ({surely[0]} : {surely[1]} beyond doubt)"


def main():
    """Measure what is not in the results yet, and report."""
    run_as_child({"fit_and_score_all": fit_and_score_all})
    halves = {"making": MAKING, "judging": JUDGING, "both": tuple(REGISTRY)}
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--half", default="judging", choices=list(halves))
    parser.add_argument("--tables", nargs="+", choices=list(REGISTRY), help="instead of a half")
    parser.add_argument(
        "--models", nargs="+", default=list(MODELS), choices=[*MODELS, "tabular_first", *SEARCHES],
        help="the first starting point, and searches, which take long, run only when named",
    )  # fmt: skip
    parser.add_argument("--splits", type=int, default=3, choices=[1, 2, 3])
    parser.add_argument("--rows", type=int, default=50_000, help="of a table at most")
    parser.add_argument("--peers-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--results", type=Path, default=Path("tables.jsonl"), metavar="FILE")
    parser.add_argument("--only-report", action="store_true", help="measure nothing")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here too")
    arguments = parser.parse_args()
    arguments.tables = arguments.tables or halves[arguments.half]
    found = read(arguments.results)
    if not arguments.only_report:
        measure(arguments, found)
    text = report(found, arguments.tables, arguments.models)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
