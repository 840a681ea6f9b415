"""How long does cross-validation of a network take, with all folds trained together?

    python benchmarks/bench_cross_validation.py [--only iterated,wide] [--markdown FILE]

Needs winequality-red.csv in ``../shared/data`` or in the folder that ``SKDL_DATA`` names. Our side
is plain scikit-learn code under ``with skdl.lockstep()``. Slow peers are timed on fewer fits and
scaled; the tables say where. Expect the whole to take half an hour on two cores.
"""

import argparse
import itertools
import json
import os
import statistics
import sys

import _peers
from _harness import (
    add_common_arguments,
    data_folder,
    format_ratio,
    format_seconds,
    machine_description,
    markdown_table,
    measure,
    run_as_child,
    timed,
    write_report,
)

VERSIONS_OF = (
    "skdl", "tensorflow", "keras", "scikeras", "scikit-learn", "skorch", "torch", "numpy",
)  # fmt: skip
WINE_FILE = "winequality-red.csv"
N_SPLITS, N_ITERATIONS = 5, 10
N_FITS = N_SPLITS * N_ITERATIONS
TRAINING = {"epochs": 30, "batch_size": 32}
NETWORK = {"units": (64, 64), "dropout": 0.2, "batch_norm": True}
PEERS = ("skdl", "scikeras", "keras.wrappers", "skorch", "sklearn")

GRID_UNITS, GRID_DROPOUT, GRID_L2 = (16, 32, 64, 128), (0.0, 0.2, 0.4), (0.0, 1e-4)
N_GRID_FITS = len(GRID_UNITS) * len(GRID_DROPOUT) * len(GRID_L2) * N_SPLITS
# What a slow peer fits of the grid: every width once, with the dropouts and L2 in turn.
GRID_SAMPLE = tuple(
    (n_units, GRID_DROPOUT[i % len(GRID_DROPOUT)], GRID_L2[i % len(GRID_L2)])
    for i, n_units in enumerate(GRID_UNITS)
)
MEMBER_COUNTS = (1, 2, 5, 10, 25, 50, 100)
N_MANY_ROWS = 1_000_000
LARGE_BATCHES = (8_192, 65_536)
WIDE = {"n_rows": 20_000, "n_features": 64, "units": (512, 512), "batch_size": 256, "epochs": 5}


# ------------------------------------------------------------------------- tasks of the children


def wine_without_duplicates():
    """Return features and target of the red wines, each row once."""
    import pandas as pd

    wine = pd.read_csv(data_folder() / WINE_FILE, sep=";").drop_duplicates()
    return wine.drop(columns="quality").to_numpy(), wine["quality"].to_numpy(dtype=float)


def iterated_k_fold(n_iterations, seed):
    """Return the splitter for shuffled 5-fold, repeated."""
    from sklearn.model_selection import RepeatedKFold

    return RepeatedKFold(n_splits=N_SPLITS, n_repeats=n_iterations, random_state=seed)


def wine_pipeline(peer):
    """Return the pipeline that is cross-validated, and the arguments for its ``fit``."""
    return _peers.make_pipeline(*_peers.make_regressor(peer, **NETWORK, **TRAINING))


def cross_validated(pipeline, fit_params, X, y, cv, n_jobs=None):
    """Return what scikit-learn's ``cross_validate`` returns; errors are raised, not scored."""
    from sklearn.model_selection import cross_validate

    return cross_validate(
        pipeline,
        X,
        y,
        cv=cv,
        scoring="neg_root_mean_squared_error",
        params=fit_params or None,
        n_jobs=n_jobs,
        error_score="raise",
    )


def ours_cross_validation(n_iterations):
    """Time ours: in the cold process, once more with other splits, and lone fits after that."""
    _peers.import_libraries("skdl")
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score

    import skdl

    X, y = wine_without_duplicates()
    pipeline, _ = wine_pipeline("skdl")

    def scores(seed):
        with skdl.lockstep():
            return cross_val_score(
                pipeline,
                X,
                y,
                cv=iterated_k_fold(n_iterations, seed),
                scoring="neg_root_mean_squared_error",
                n_jobs=-1,
                error_score="raise",
            )

    cold, first_scores = timed(scores, 0)
    warm, _ = timed(scores, 1)
    folds = [train for train, _ in iterated_k_fold(1, 2).split(X)]
    # A lone fit is a stack of one: the first of them may still have to compile.
    lone = [timed(clone(pipeline).fit, X[train], y[train])[0] for train in folds]
    return {
        "cold": cold,
        "warm": warm,
        "first_lone_fit": lone[0],
        "warm_fit": statistics.median(lone[1:]),
        "rmse": float(-first_scores.mean()),
    }


def peer_cross_validation(peer, n_iterations, n_jobs=None):
    """Time a peer; with ``n_jobs`` the processes are joblib's, and their start is counted."""
    _peers.import_libraries(peer)
    X, y = wine_without_duplicates()
    pipeline, fit_params = wine_pipeline(peer)
    cv = iterated_k_fold(n_iterations, 0)
    cold, result = timed(cross_validated, pipeline, fit_params, X, y, cv, n_jobs)
    return {
        "cold": cold,
        "warm_fit": float(statistics.median(result["fit_time"][1:])),
        "later_fit": float((result["fit_time"] + result["score_time"])[1:].mean()),
        "rmse": float(-result["test_score"].mean()),
        "n_fits": len(result["fit_time"]),
    }


def ours_grid():
    """Time ``GridSearchCV`` in lockstep, without the refit."""
    _peers.import_libraries("skdl")
    from sklearn.model_selection import GridSearchCV

    import skdl

    X, y = wine_without_duplicates()
    pipeline, _ = wine_pipeline("skdl")
    search = GridSearchCV(
        pipeline,
        {
            "regressor__net__hidden_units": [(n_units, n_units) for n_units in GRID_UNITS],
            "regressor__net__dropout": GRID_DROPOUT,
            "regressor__net__l2": GRID_L2,
        },
        cv=iterated_k_fold(1, 0),
        scoring="neg_root_mean_squared_error",
        n_jobs=-1,
        refit=False,
        error_score="raise",
    )

    def fit():
        with skdl.lockstep():
            search.fit(X, y)

    return {"cold": timed(fit)[0]}


def peer_grid(peer):
    """Time a peer on one fold of a sample of the grid."""
    _peers.import_libraries(peer)
    X, y = wine_without_duplicates()
    one_fold = [next(iter(iterated_k_fold(1, 0).split(X)))]
    seconds = []
    # The first one is fitted twice and counted once: the library's start is not a fit's cost.
    for n_units, dropout, l2 in (GRID_SAMPLE[0], *GRID_SAMPLE):
        network = NETWORK | {"units": (n_units, n_units), "dropout": dropout, "l2": l2}
        pipeline, fit_params = _peers.make_pipeline(
            *_peers.make_regressor(peer, **network, **TRAINING)
        )
        seconds.append(timed(cross_validated, pipeline, fit_params, X, y, one_fold)[0])
    counted = seconds[1:]
    return {
        "cold": sum(counted),
        "later_fit": statistics.mean(counted),
        "n_fits": len(counted),
    }


def ours_members(n_members):
    """Time ``n_members`` fits of equal size in one lockstep batch, cold and once more."""
    _peers.import_libraries("skdl")
    from sklearn.model_selection import ShuffleSplit, cross_val_score

    import skdl

    X, y = wine_without_duplicates()
    pipeline, _ = wine_pipeline("skdl")

    def scores(seed):
        cv = ShuffleSplit(n_splits=n_members, test_size=0.2, random_state=seed)
        with skdl.lockstep():
            return cross_val_score(pipeline, X, y, cv=cv, n_jobs=-1, error_score="raise")

    return {"cold": timed(scores, 0)[0], "warm": timed(scores, 1)[0]}


def predictions():
    """Time ``predict`` of ours, and ``keras.Model.predict`` of the very same network."""
    _peers.import_libraries("skdl")
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    X, y = wine_without_duplicates()
    X = StandardScaler().fit_transform(X).astype(np.float32)
    regressor, _ = _peers.make_regressor("skdl", **NETWORK, **(TRAINING | {"epochs": 2}))
    regressor.fit(X, y)
    model = regressor.model_
    many_rows = np.resize(X, (N_MANY_ROWS, X.shape[1]))

    one_row = X[:1]
    regressor.predict(one_row)
    one = sorted(timed(regressor.predict, one_row)[0] for _ in range(200))
    keras_one = [timed(model.predict, one_row, verbose=0)[0] for _ in range(20)]

    first_many, ours = timed(regressor.predict, many_rows)
    result = {
        "one_median": statistics.median(one),
        "one_95_percent": one[int(0.95 * len(one))],
        "keras_one_median": statistics.median(keras_one),
        "many_first": first_many,
        "many": min(timed(regressor.predict, many_rows)[0] for _ in range(3)),
    }
    for batch_size in LARGE_BATCHES:
        arguments = {"batch_size": batch_size, "verbose": 0}
        theirs = model.predict(many_rows, **arguments)
        result[f"keras_many_{batch_size}"] = min(
            timed(model.predict, many_rows, **arguments)[0] for _ in range(3)
        )
    result["largest_difference"] = float(np.max(np.abs(np.ravel(theirs) - np.ravel(ours))))
    return result


def wide_rows():
    """Return made-up rows whose target a wide network can learn."""
    import numpy as np

    random = np.random.default_rng(0)
    X = random.standard_normal((WIDE["n_rows"], WIDE["n_features"]), dtype=np.float32)
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * random.standard_normal(WIDE["n_rows"])
    return X, y.astype(np.float32)


def wide_folds(X):
    """Return the training and test rows of each fold."""
    from sklearn.model_selection import KFold

    return list(KFold(N_SPLITS, shuffle=True, random_state=0).split(X))


def ours_wide():
    """Time a 5-fold ``cross_val_score`` of the wide network, cold and once more."""
    _peers.import_libraries("skdl")
    from sklearn.model_selection import cross_val_score

    import skdl

    X, y = wide_rows()
    regressor, _ = _peers.make_regressor(
        "skdl", units=WIDE["units"], epochs=WIDE["epochs"], batch_size=WIDE["batch_size"]
    )

    def scores():
        with skdl.lockstep():
            return cross_val_score(
                regressor, X, y, cv=wide_folds(X), n_jobs=-1, error_score="raise"
            )

    return {"cold": timed(scores)[0], "warm": timed(scores)[0]}


def keras_wide():
    """Time ``keras.Model.fit`` of the same folds, one after another; no scoring."""
    _peers.import_libraries("skdl")
    import keras

    X, y = wide_rows()

    def fit_all():
        for train, _ in wide_folds(X):
            model = _peers.build_keras(
                X.shape[1], "linear", 1, units=WIDE["units"], dropout=0, batch_norm=False, l2=0
            )
            model.compile(optimizer=keras.optimizers.Adam(0.001), loss="mse")
            model.fit(
                X[train],
                y[train],
                batch_size=WIDE["batch_size"],
                epochs=WIDE["epochs"],
                verbose=0,
            )

    return {"cold": timed(fit_all)[0], "warm": timed(fit_all)[0]}


def products_wide():
    """Time the matrix products alone, in NumPy, over a leading fold axis."""
    import numpy as np

    n_train = len(wide_folds(wide_rows()[0])[0][0])
    n_steps = WIDE["epochs"] * -(-n_train // WIDE["batch_size"])
    random = np.random.default_rng(0)

    def draw(*shape):
        return random.standard_normal((N_SPLITS, *shape), dtype=np.float32)

    sizes = (WIDE["n_features"], *WIDE["units"], 1)
    layers = [
        (draw(WIDE["batch_size"], n_in), draw(n_in, n_out), draw(WIDE["batch_size"], n_out))
        for n_in, n_out in itertools.pairwise(sizes)
    ]

    def step():
        for position, (inputs, kernel, gradient) in enumerate(layers):
            np.matmul(inputs, kernel)
            np.matmul(inputs.transpose(0, 2, 1), gradient)
            if position:  # nothing needs the gradient of the features
                np.matmul(gradient, kernel.transpose(0, 2, 1))

    def all_steps():
        for _ in range(n_steps):
            step()

    step()
    return {"warm": timed(all_steps)[0]}


TASKS = {
    task.__name__: task
    for task in (
        ours_cross_validation,
        peer_cross_validation,
        ours_grid,
        peer_grid,
        ours_members,
        predictions,
        ours_wide,
        keras_wide,
        products_wide,
    )
}

# ----------------------------------------------------------------- sections: what to ask, to say


def comparison_rows(medians, key, n_fits_wanted, fallback_reference=None):
    """Return one table row per peer: time, ratio to ours, RMSE, and how it was timed."""
    reference = medians.get("skdl", {}).get(key, fallback_reference)
    rows = []
    for name, answer in medians.items():
        label = _peers.LABELS.get(name, name)
        if "missing" in answer:
            rows.append([label, "–", "–", "–", f"skipped: {answer['missing']}"])
            continue
        n_fits = answer.get("n_fits", n_fits_wanted)
        # Only the fits that were not run are estimated, by later fits: the first one in a process
        # also pays for its library's start, and that must not be multiplied.
        seconds = answer[key] + (n_fits_wanted - n_fits) * answer.get("later_fit", 0.0)
        how = "all fits" if n_fits == n_fits_wanted else f"{n_fits} of {n_fits_wanted} fits, scaled"
        rows.append(
            [
                label,
                format_seconds(seconds),
                format_ratio(seconds, reference) if reference else "–",
                f"{answer['rmse']:.3f}" if "rmse" in answer else "–",
                how,
            ]
        )
    return rows


COMPARISON_HEADERS = ["", "time", "ratio to skdl", "RMSE", "timed on"]
WINE_TEXT = (
    "Red wine without duplicates, features standardised per fold, 64-64 units, batch "
    "normalisation before the activation, dropout 0.2, batches of 32, 30 epochs. Scikit-learn's "
    "MLP has neither dropout nor batch normalisation. Other peers run with `n_jobs=None`, their "
    "libraries free to use both cores; scikit-learn's MLP also with `n_jobs=2`."
)


def iterated_section(options):
    """10×5 iterated K-fold: slow peers are timed on one iteration."""
    slow = {"task": "peer_cross_validation", "n_iterations": options.slow_iterations}
    requests = {"skdl": {"task": "ours_cross_validation", "n_iterations": N_ITERATIONS}}
    requests |= {peer: slow | {"peer": peer} for peer in ("scikeras", "keras.wrappers", "skorch")}
    full = {"task": "peer_cross_validation", "peer": "sklearn", "n_iterations": N_ITERATIONS}
    requests["sklearn"] = full
    requests["scikit-learn's MLP, n_jobs=2"] = full | {"n_jobs": 2}
    medians = options.measure(requests)
    table = markdown_table(COMPARISON_HEADERS, comparison_rows(medians, "cold", N_FITS))
    warm = format_seconds(medians["skdl"]["warm"])
    return (
        f"### 10×5 iterated K-fold\n\n{WINE_TEXT}\n\n{table}\n\n"
        f"The same 50 fits once more in the same process: {warm} for skdl."
    ), medians


def fivefold_section(options):
    """5-fold, in a cold process and once compiled, and one more fit in the warm process."""
    requests = {"skdl": {"task": "ours_cross_validation", "n_iterations": 1}}
    requests |= {
        peer: {"task": "peer_cross_validation", "peer": peer, "n_iterations": 1}
        for peer in PEERS
        if peer != "skdl"
    }
    medians = options.measure(requests)
    ours = medians["skdl"]
    first = markdown_table(COMPARISON_HEADERS, comparison_rows(medians, "cold", N_SPLITS))
    compiled = medians | {"skdl": ours | {"cold": ours["warm"]}}
    second = markdown_table(COMPARISON_HEADERS, comparison_rows(compiled, "cold", N_SPLITS))
    lone = {
        name: {key: value for key, value in answer.items() if key in {"warm_fit", "missing"}}
        for name, answer in medians.items()
    }
    third = markdown_table(
        ["", "time", "ratio to skdl"], [row[:3] for row in comparison_rows(lone, "warm_fit", 1)]
    )
    return (
        f"### 5-fold, cold process\n\n{WINE_TEXT}\n\n{first}\n\n"
        f"### 5-fold, skdl's program compiled before\n\nThe peers compile for every fit, or never: "
        f"their times are those above.\n\n{second}\n\n"
        f"### One more fit in a warm process\n\nMedian of four fits after the first, on other "
        f"rows. Ours are lone fits after two rounds of lockstep; the first of them took "
        f"{format_seconds(ours['first_lone_fit'])}.\n\n{third}"
    ), medians


def grid_section(options):
    """Grid search over widths, dropouts and L2; the peers on one fold of every width."""
    requests = {"skdl": {"task": "ours_grid"}}
    requests |= {peer: {"task": "peer_grid", "peer": peer} for peer in PEERS if peer != "skdl"}
    medians = options.measure(requests)
    rows = comparison_rows(medians, "cold", N_GRID_FITS)
    table = markdown_table(
        [*COMPARISON_HEADERS[:3], COMPARISON_HEADERS[4]], [[*row[:3], row[4]] for row in rows]
    )
    return (
        f"### GridSearchCV, {N_GRID_FITS} fits\n\nWidths {GRID_UNITS}, dropouts {GRID_DROPOUT}, "
        f"L2 {GRID_L2}, {N_SPLITS} folds, no refit; otherwise as above. A peer's sample holds "
        f"every width once, so its mean cost is that of the grid; "
        f"its library's start is not counted.\n\n{table}"
    ), medians


def members_section(options):
    """Members trained together, from one to a hundred."""
    requests = {
        str(n_members): {"task": "ours_members", "n_members": n_members}
        for n_members in MEMBER_COUNTS
    }
    medians = options.measure(requests)
    five = medians["5"]
    rows = [
        [
            count,
            *(
                text
                for key in ("cold", "warm")
                for text in (
                    format_seconds(answer[key]),
                    format_seconds(answer[key] / int(count)),
                    format_ratio(answer[key], five[key]),
                )
            ),
        ]
        for count, answer in medians.items()
    ]
    headers = ["members", "cold", "a member", "to 5", "compiled", "a member", "to 5"]
    return (
        f"### Members trained together\n\n{WINE_TEXT.partition(' Scikit')[0]}\n\n"
        f"{markdown_table(headers, rows)}"
    ), medians


def predict_section(options):
    """Predictions of one row and of a million."""
    medians = options.measure({"predictions": {"task": "predictions"}})
    answer = medians["predictions"]
    many = [["skdl `predict`, first call", format_seconds(answer["many_first"])]]
    many.append(["skdl `predict`", format_seconds(answer["many"])])
    many += [
        [f"`keras.Model.predict(batch_size={size})`", format_seconds(answer[f"keras_many_{size}"])]
        for size in LARGE_BATCHES
    ]
    one = [
        ["skdl `predict`, median", format_seconds(answer["one_median"])],
        ["skdl `predict`, 95 of 100 calls within", format_seconds(answer["one_95_percent"])],
        ["`keras.Model.predict`, median", format_seconds(answer["keras_one_median"])],
    ]
    return (
        "### Predictions\n\nThe same fitted network on float32 rows of 11 features, warm process; "
        "for many rows the best of three calls, for both.\n\n"
        f"{markdown_table(['1 row', 'time'], one)}\n\n"
        f"{markdown_table([f'{N_MANY_ROWS:,} rows', 'time'], many)}\n\n"
        f"Largest difference between the two: {answer['largest_difference']:.1e}."
    ), medians


def wide_section(options):
    """Wide networks, where the arithmetic is what costs."""
    tasks = {
        "skdl": "ours_wide",
        "keras.Model.fit, folds in turn": "keras_wide",
        "NumPy, matrix products alone": "products_wide",
    }
    medians = options.measure({name: {"task": task} for name, task in tasks.items()})
    products = medians["NumPy, matrix products alone"]["warm"]
    rows = [
        [
            name,
            format_seconds(answer["cold"]) if "cold" in answer else "–",
            format_seconds(answer["warm"]),
            format_ratio(answer["warm"], products),
        ]
        for name, answer in medians.items()
    ]
    units = "-".join(str(n_units) for n_units in WIDE["units"])
    return (
        f"### Wide networks\n\n{WIDE['n_rows']:,} rows of {WIDE['n_features']} features, "
        f"{units} units, batches of {WIDE['batch_size']}, {WIDE['epochs']} epochs, {N_SPLITS} "
        "folds. Ours is the whole `cross_val_score`, scoring included; Keras' is `fit` alone.\n\n"
        f"{markdown_table(['', 'cold', 'once more', 'to the products'], rows)}"
    ), medians


SECTIONS = {
    "iterated": iterated_section,
    "fivefold": fivefold_section,
    "grid": grid_section,
    "members": members_section,
    "predict": predict_section,
    "wide": wide_section,
}
NEED_WINE = set(SECTIONS) - {"wide"}


def section_names(text):
    """Return the sections named on the command line, in the order of the report."""
    names = [name.strip() for name in text.split(",")]
    unknown = sorted(set(names) - set(SECTIONS))
    if unknown:
        msg = f"unknown: {', '.join(unknown)}. Choose from {', '.join(SECTIONS)}."
        raise argparse.ArgumentTypeError(msg)
    return [name for name in SECTIONS if name in names]


def main():
    """Measure the sections that are asked for, and report."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    run_as_child(TASKS)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--only",
        type=section_names,
        default=list(SECTIONS),
        metavar="NAMES",
        help=f"sections, separated by commas: {', '.join(SECTIONS)}",
    )
    parser.add_argument(
        "--slow-iterations",
        type=int,
        default=1,
        metavar="N",
        help="of the 10 iterations, how many the slow peers run before scaling (1)",
    )
    add_common_arguments(parser)
    options = parser.parse_args()
    if NEED_WINE & set(options.only) and not (data_folder() / WINE_FILE).exists():
        skipped = [name for name in options.only if name in NEED_WINE]
        print(f"Skipping {', '.join(skipped)}: {data_folder() / WINE_FILE} is missing.")
        options.only = [name for name in options.only if name not in NEED_WINE]

    known = {}

    def measure_section(requests):
        # Two sections may ask for the very same timing: it is taken once.
        keys = {name: json.dumps(request, sort_keys=True) for name, request in requests.items()}
        new = {name: request for name, request in requests.items() if keys[name] not in known}
        fresh = measure(__file__, new, options.repeats, keep_caches=options.keep_caches)
        known.update({keys[name]: answer for name, answer in fresh.items()})
        return {name: known[key] for name, key in keys.items()}

    options.measure = measure_section
    texts, medians = [], {}
    for name in options.only:
        print(f"{name}:", file=sys.stderr, flush=True)
        text, medians[name] = SECTIONS[name](options)
        texts.append(text)
    if not texts:
        return
    heading = (
        "## Cross-validation\n\n"
        f"Medians of {options.repeats} fresh processes for every entry, imports not counted; one "
        f"process at a time.\n\n{machine_description(VERSIONS_OF)}"
    )
    write_report(options, "\n\n".join([heading, *texts]), medians)


if __name__ == "__main__":
    main()
