"""How long does a search take whose folds train side by side, and what does pruning save?

    python benchmarks/bench_search.py [--only peers | pruning] [--markdown FILE]

Needs winequality-red.csv in ``../shared/data`` or in the folder that ``SKDL_DATA`` names. Each
search runs in a process of its own and says every few seconds how far it is. Slow peers are timed
on fewer trials and scaled; the tables say where. Which pruner is best can be asked like this:

    python benchmarks/bench_search.py --only pruning --pruner auto \
        --pruner "SuccessiveHalvingPruner(min_resource=5)"
"""

import argparse
import itertools
import os
import statistics
import sys
import time

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
    tell,
    timed,
    write_report,
)
from bench_cross_validation import WINE_FILE, wine_without_duplicates

VERSIONS_OF = (
    "skdl", "tensorflow", "keras", "optuna", "scikeras", "scikit-learn", "numpy",
)  # fmt: skip
N_SPLITS = 5
SCORING = "neg_root_mean_squared_error"
AT_MOST = 0.5  # of the time without pruning: what issue 4 asks for
SECONDS_BETWEEN_LINES = 10
LONGEST_SEARCH_SECONDS = 6 * 3600
LABELS = {"skdl": "skdl", "scikeras": "SciKeras", "sklearn": "scikit-learn's MLP, n_jobs=-1"}


# ------------------------------------------------------------------------- tasks of the children


def folds(seed):
    """Return the splitter, the same for all who search with this seed."""
    from sklearn.model_selection import KFold

    return KFold(N_SPLITS, shuffle=True, random_state=seed)


def sampler(seed):
    """Return the sampler, the same for all who search with this seed."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed)


def pruner_from(text):
    """Return the pruner that a person named: "auto", "None", or a call in ``optuna.pruners``."""
    import optuna

    if text in {"auto", "None"}:
        return text if text == "auto" else None
    try:
        pruner = eval(text, dict(vars(optuna.pruners)))  # noqa: S307 (their own command line)
    except Exception as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error
    if not isinstance(pruner, optuna.pruners.BasePruner):
        msg = f"{text} is no pruner. Expected for example 'MedianPruner(n_startup_trials=3)'."
        raise argparse.ArgumentTypeError(msg)
    return pruner


def pruner_name(text):
    """Check what the command line says about a pruner, and return it as it is."""
    pruner_from(text)
    return text


def make_ours(epochs, seed):
    """Return our pipeline, which standardises the target by itself."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    import skdl

    network = skdl.MLPRegressor(epochs=epochs, random_state=seed)
    return Pipeline([("scale", StandardScaler()), ("net", network)])


def quiet_optuna():
    """Keep Optuna from printing a line per trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


def teller(n_trials):
    """Return a callback for Optuna that says now and then how far a search is."""
    started = time.perf_counter()
    told = -SECONDS_BETWEEN_LINES

    def tell_trial(study, trial):
        nonlocal told
        elapsed = time.perf_counter() - started
        if elapsed - told < SECONDS_BETWEEN_LINES and trial.number + 1 < n_trials:
            return
        told = elapsed
        trials = study.get_trials(deepcopy=False)
        scores = [t.value for t in trials if t.state.name == "COMPLETE"]
        n_pruned = sum(t.state.name == "PRUNED" for t in trials)
        best = f"{max(scores):.4f}" if scores else "none yet"
        tell(
            f"{trial.number + 1} of {n_trials} trials, {format_seconds(elapsed)}, "
            f"{n_pruned} pruned, best {best}"
        )

    return tell_trial


def search_answer(seconds, trials):
    """Return what the parent needs to know of a search.

    Parameters
    ----------
    seconds : float
        Of the whole search.
    trials : list of dict
        ``seconds``, ``epochs`` (summed over the folds), ``state``, ``params``, and the ``scores``
        of all folds where it was completed.
    """
    import numpy as np

    completed = [trial["scores"] for trial in trials if trial["state"] == "complete"]
    best = max(completed, key=np.mean, default=[float("nan")] * N_SPLITS)
    answer = {
        "seconds": seconds,
        "epochs": sum(trial["epochs"] for trial in trials),
        "n_trials": len(trials),
        "n_pruned": sum(trial["state"] == "pruned" for trial in trials),
        "best": float(np.mean(best)),
        "standard_error": float(np.std(best, ddof=1) / np.sqrt(N_SPLITS)),
        # In a dict, of which the last repeat's is kept: there is no median of trials.
        "trials": {str(number): trial for number, trial in enumerate(trials)},
    }
    tell(
        f"done: {format_seconds(seconds)}, {answer['n_pruned']} of {len(trials)} pruned, "
        f"{answer['epochs']:,} epochs, best {answer['best']:.4f}"
    )
    return answer


def ours_search(n_trials, epochs, seed, pruner):
    """Time `OptunaSearchCV` with its automatic space, without the refit."""
    _peers.import_libraries("skdl")
    from skdl.model_selection import OptunaSearchCV

    quiet_optuna()
    X, y = wine_without_duplicates()
    search = OptunaSearchCV(
        make_ours(epochs, seed),
        n_trials=n_trials,
        cv=folds(seed),
        scoring=SCORING,
        sampler=sampler(seed),
        pruner=pruner_from(pruner),
        callbacks=[teller(n_trials)],
        refit=False,
    )
    seconds, _ = timed(search.fit, X, y)
    results = search.cv_results_
    trials = [
        {
            "seconds": float(results["seconds"][i]),
            "epochs": int(results["n_epochs"][i]),
            "state": str(results["state"][i]),
            "scores": [float(results[f"split{k}_test_score"][i]) for k in range(N_SPLITS)],
            "params": search.study_.trials[results["trial_number"][i]].params,
        }
        for i in range(len(results["state"]))
    ]
    return search_answer(seconds, trials)


def peer_search(peer, n_trials, epochs, seed):
    """Time an ordinary Optuna objective around ``cross_val_score``."""
    _peers.import_libraries(peer)
    import optuna
    from sklearn.model_selection import cross_val_score

    make_regressor, n_jobs = {"scikeras": (scikeras_maker, None), "sklearn": (sklearn_maker, -1)}[
        peer
    ]
    make = make_regressor(epochs, seed)
    quiet_optuna()
    X, y = wine_without_duplicates()
    trials = []

    def objective(trial):
        pipeline, _ = _peers.make_pipeline(make(trial), {})
        seconds, scores = timed(
            cross_val_score, pipeline, X, y, scoring=SCORING, cv=folds(seed), n_jobs=n_jobs
        )
        mean = float(scores.mean())
        trials.append(
            {
                "seconds": seconds,
                "epochs": N_SPLITS * epochs,
                "state": "failed" if mean != mean else "complete",  # noqa: PLR0124 (NaN)
                "scores": scores.tolist(),
                "params": trial.params,
            }
        )
        return mean

    study = optuna.create_study(direction="maximize", sampler=sampler(seed))
    seconds, _ = timed(study.optimize, objective, n_trials=n_trials, callbacks=[teller(n_trials)])
    return search_answer(seconds, trials)


def scikeras_maker(epochs, seed):
    """Return a function that makes a SciKeras regressor from our own automatic space."""
    import keras
    from scikeras.wrappers import KerasRegressor

    from skdl.model_selection.search._space import make_space

    # The same names and ranges in the same order: equal seeds then suggest equal first trials.
    space = make_space(make_ours(epochs, seed))
    keras.utils.set_random_seed(seed)

    def make(trial):
        params = {name.removeprefix("net__"): v for name, v in space.suggest(trial).items()}
        loss = {"loss": "mse"}
        if params["loss"] == "huber":
            loss = {"loss": keras.losses.Huber, "loss__delta": params["huber_delta"]}
        return KerasRegressor(
            model=lambda meta: keras_network(meta["n_features_in_"], params),
            optimizer="adam",
            optimizer__learning_rate=params["learning_rate"],
            batch_size=params["batch_size"],
            epochs=epochs,
            verbose=0,
            **loss,
        )

    return make


def keras_network(n_features, params):
    """Return an uncompiled Keras network, layer by layer the one that our estimator makes."""
    import keras

    def dense(n_units):
        penalty = keras.regularizers.L1L2(l1=params["l1"], l2=params["l2"])
        return keras.layers.Dense(n_units, kernel_regularizer=penalty)

    layers = [keras.Input((n_features,))]
    for _ in range(params["hidden_layers"]):
        layers.append(dense(params["hidden_units"]))
        if params["batch_norm"] == "before_activation":
            layers.append(keras.layers.BatchNormalization(momentum=0.9))
        layers.append(keras.layers.Activation("relu"))
        layers.append(keras.layers.Dropout(params["dropout"]))
    return keras.Sequential([*layers, dense(1)])


def sklearn_maker(epochs, seed):
    """Return a function that makes scikit-learn's MLP from what it has of our space."""
    from sklearn.neural_network import MLPRegressor

    def make(trial):
        n_units = trial.suggest_categorical("hidden_units", [32, 64, 128, 256])
        n_layers = trial.suggest_int("hidden_layers", 1, 4)
        l2 = trial.suggest_float("l2", 1e-6, 1e-2, log=True)
        learning_rate = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
        batch_size = trial.suggest_categorical("batch_size", [32, 64, 128])
        return MLPRegressor(
            hidden_layer_sizes=(n_units,) * n_layers,
            alpha=l2 * batch_size,  # it halves the squared error and divides alpha by the rows
            learning_rate_init=learning_rate,
            batch_size=batch_size,
            max_iter=epochs,
            n_iter_no_change=epochs,  # never stop before the last epoch
            random_state=seed,
        )

    return make


TASKS = {task.__name__: task for task in (ours_search, peer_search)}

# ----------------------------------------------------------------- sections: what to ask, to say


def trials_of(answer):
    """Return the trials of a search, in order."""
    return list(answer["trials"].values())


def mean_score(trial):
    """Return the mean over the folds."""
    return statistics.mean(trial["scores"])


def best_within(trials, n_epochs):
    """Return how many trials fit into ``n_epochs``, and the best score among them or None."""
    totals = itertools.accumulate(trial["epochs"] for trial in trials)
    n_done = sum(total <= n_epochs for total in totals)
    scores = [mean_score(trial) for trial in trials[:n_done] if trial["state"] == "complete"]
    return n_done, max(scores, default=None)


def scaled_seconds(answer, n_trials):
    """Return the seconds of a search of ``n_trials``, estimated by its later trials."""
    trials = trials_of(answer)
    # The first trial in a process also pays for its library's start: that is not multiplied.
    later = [trial["seconds"] for trial in trials[1:]] or [trials[0]["seconds"]]
    return answer["seconds"] + (n_trials - len(trials)) * statistics.mean(later)


def peers_section(options):
    """Compare with the same sampler around SciKeras and around scikit-learn's MLP."""
    search = {"epochs": options.epochs, "seed": 0, "timeout_seconds": LONGEST_SEARCH_SECONDS}
    n_wanted = options.n_trials
    requests = {
        "skdl": search | {"task": "ours_search", "pruner": "auto", "n_trials": n_wanted},
    }
    n_timed = {
        "scikeras": min(options.peer_trials, n_wanted),
        "sklearn": n_wanted
        if options.sklearn_trials is None
        else min(options.sklearn_trials, n_wanted),
    }
    requests |= {
        peer: search | {"task": "peer_search", "peer": peer, "n_trials": n_trials}
        for peer, n_trials in n_timed.items()
        if n_trials
    }
    medians = measure(__file__, requests, options.repeats, keep_caches=options.keep_caches)
    found = {peer: answer for peer, answer in medians.items() if "missing" not in answer}
    ours = found["skdl"]

    rows, equal_rows = [], []
    for peer, answer in found.items():
        n_trials = answer["n_trials"]
        seconds = scaled_seconds(answer, n_wanted)
        is_scaled = n_trials < n_wanted
        rows.append(
            [
                LABELS[peer],
                format_seconds(seconds),
                format_ratio(seconds, ours["seconds"]),
                f"{n_trials} of {n_wanted} trials, scaled" if is_scaled else "all trials",
                format_seconds(answer["seconds"]),
                f"{answer['epochs']:,}",
                f"{answer['best']:.4f} ± {answer['standard_error']:.4f}",
            ]
        )
        if peer != "skdl":
            n_done, score = best_within(trials_of(ours), answer["epochs"])
            equal_rows.append(
                [
                    LABELS[peer],
                    f"{answer['epochs']:,}",
                    f"{answer['best']:.4f} ({n_trials} trials)",
                    "none yet" if score is None else f"{score:.4f} ({n_done} trials)",
                    f"{ours['best']:.4f} ({ours['epochs']:,} epochs)",
                ]
            )
    headers = [
        "", f"{n_wanted} trials", "ratio to skdl", "timed on", "seconds timed",
        "epochs in them", "best score in them",
    ]  # fmt: skip
    introduction = (
        f"### Search, {n_wanted} trials × {N_SPLITS} folds\n\nRed wine without duplicates, "
        f"`OptunaSearchCV` with its automatic space and pruner around a pipeline of "
        f"`StandardScaler` and `MLPRegressor(epochs={options.epochs})`, no refit; against the same "
        f"`TPESampler`, seed and folds in an Optuna objective around `cross_val_score`. SciKeras "
        f"trains the same networks from the same suggestions, its library free to use all cores; "
        f"scikit-learn's MLP, which has neither dropout, batch normalisation, L1 nor Huber loss, "
        f"searches the rest. Scores are negative RMSE, ± their standard error over the folds; "
        f"epochs are summed over the folds."
    )
    texts = [introduction, markdown_table(headers, rows)]
    texts += [
        f"{LABELS[peer]}: skipped, {answer['missing']}."
        for peer, answer in medians.items()
        if "missing" in answer
    ]
    if equal_rows:
        headers = ["", "epochs trained", "its best score", "skdl after as many", "skdl at the end"]
        texts.append(
            "At an equal number of epochs trained (skdl may never train as many: then the score "
            f"at its end stands twice):\n\n{markdown_table(headers, equal_rows)}"
        )
    if "scikeras" in found:
        texts.append(same_trials_text(ours, found["scikeras"]))
    return "\n\n".join(texts), medians


def same_trials_text(ours, theirs):
    """Return a line on the first trials, which the sampler draws alike before it learns."""
    pairs = list(
        itertools.takewhile(
            lambda pair: (
                pair[0]["params"] == pair[1]["params"]
                and all(trial["state"] == "complete" for trial in pair)
            ),
            zip(trials_of(ours), trials_of(theirs), strict=False),
        )
    )
    n_pairs = len(pairs)
    if not n_pairs:
        return (
            "The first trial is not the same in skdl and in SciKeras, or was not completed by both."
        )
    sides = list(zip(*pairs, strict=True))
    seconds = [sum(trial["seconds"] for trial in side) for side in sides]
    scores = [statistics.mean(mean_score(trial) for trial in side) for side in sides]
    return (
        f"The first {n_pairs} trials have the same parameters in skdl and in SciKeras, and no "
        f"pruning: {format_seconds(seconds[0])} and {format_seconds(seconds[1])}, "
        f"{format_ratio(seconds[1], seconds[0])}; mean score {scores[0]:.4f} and {scores[1]:.4f}."
    )


def pruning_section(options):
    """Each pruner against none, seed by seed."""
    pruners = ["None", *dict.fromkeys(name for name in options.pruner if name != "None")]
    requests = {
        f"pruner {pruner}, seed {seed}": {
            "task": "ours_search",
            "n_trials": options.n_trials,
            "epochs": options.epochs,
            "seed": seed,
            "pruner": pruner,
            "timeout_seconds": LONGEST_SEARCH_SECONDS,
        }
        for seed in range(options.n_seeds)
        for pruner in pruners
    }
    medians = measure(__file__, requests, options.repeats, keep_caches=options.keep_caches)
    by_pruner = {
        pruner: [medians[f"pruner {pruner}, seed {seed}"] for seed in range(options.n_seeds)]
        for pruner in pruners
    }
    introduction = (
        f"### Pruning\n\nRed wine without duplicates, {options.n_trials} trials × {N_SPLITS} folds "
        f"of up to {options.epochs} epochs, automatic space, no refit; for each seed the same "
        f"folds, sampler and initial weights with pruning and without. Scores are negative RMSE; "
        f"the standard error is that of the best score without pruning (standard deviation over "
        f"the folds / √{N_SPLITS}). Asked: at most {AT_MOST:g} of the time, the same best score "
        'within one standard error; "better" is a score above that.'
    )
    texts = [introduction]
    summary = []
    for pruner in pruners[1:]:
        table, line = compare_with_none(by_pruner["None"], by_pruner[pruner])
        texts.append(f"`pruner={quoted(pruner)}`\n\n{table}")
        summary.append([f"`{quoted(pruner)}`", *line])
    if len(summary) > 1:
        headers = [
            "median", "seconds", "ratio", "largest ratio", "epochs", "best score", "agree",
        ]  # fmt: skip
        texts.append(markdown_table(headers, summary))
    return "\n\n".join(texts), medians


def quoted(pruner):
    """Return a pruner as one writes it in Python."""
    return '"auto"' if pruner == "auto" else pruner


def compare_with_none(without, pruned):
    """Return the table of one pruner, seed by seed, and its cells in the summary."""
    rows, ratios, verdicts = [], [], []
    for seed, (off, on) in enumerate(zip(without, pruned, strict=True)):
        difference = on["best"] - off["best"]
        verdict = "yes"
        if not abs(difference) <= off["standard_error"]:
            verdict = "better" if difference > 0 else "no"
        verdicts.append(verdict)
        ratios.append(on["seconds"] / off["seconds"])
        rows.append(
            [
                str(seed),
                *cells("seconds", off, on, format_seconds),
                f"{ratios[-1]:.2f}",
                *cells("epochs", off, on, "{:,}".format),
                f"{on['n_pruned']} of {on['n_trials']}",
                *cells("best", off, on, "{:.4f}".format),
                f"{off['standard_error']:.4f}",
                f"{on['standard_error']:.4f}",
                verdict,
            ]
        )
    agreement = f"{verdicts.count('yes')} of {len(verdicts)}"
    if "better" in verdicts:
        agreement += f", {verdicts.count('better')} better"

    def median(answers, key):
        return statistics.median(answer[key] for answer in answers)

    ratio = statistics.median(ratios)
    middle = {
        key: (median(without, key), median(pruned, key))
        for key in ("seconds", "epochs", "best", "standard_error")
    }
    is_met = ratio <= AT_MOST
    rows.append(
        [
            "median",
            *(format_seconds(value) for value in middle["seconds"]),
            f"{ratio:.2f} ({'met' if is_met else 'missed'})",
            *(f"{value:,.0f}" for value in middle["epochs"]),
            f"{median(pruned, 'n_pruned'):g}",
            *(f"{value:.4f}" for value in middle["best"]),
            *(f"{value:.4f}" for value in middle["standard_error"]),
            agreement,
        ]
    )
    headers = [
        "seed", "off", "on", f"ratio (≤ {AT_MOST:g})", "epochs off", "on", "pruned",
        "best off", "on", "std. error off", "on", "agree",
    ]  # fmt: skip
    line = [
        format_seconds(middle["seconds"][1]),
        f"{ratio:.2f}",
        f"{max(ratios):.2f}",
        f"{middle['epochs'][1]:,.0f}",
        f"{middle['best'][1]:.4f} (off {middle['best'][0]:.4f})",
        agreement,
    ]
    return markdown_table(headers, rows), line


def cells(key, off, on, text_of):
    """Return two cells: without pruning, and with."""
    return text_of(off[key]), text_of(on[key])


SECTIONS = {"peers": peers_section, "pruning": pruning_section}


def main():
    """Measure what is asked for, and report."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    run_as_child(TASKS)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", choices=SECTIONS, help="one part alone")
    add = parser.add_argument
    add("--n-trials", type=int, default=60, metavar="N", help="trials per search (%(default)s)")
    add("--epochs", type=int, default=100, metavar="N", help="epochs per fit (%(default)s)")
    add("--n-seeds", type=int, default=5, metavar="N", help="for pruning (%(default)s)")
    add(
        "--peer-trials",
        type=int,
        default=4,
        metavar="N",
        help="trials that SciKeras is timed on before scaling; 0: leave it out (%(default)s)",
    )
    add(
        "--sklearn-trials",
        type=int,
        metavar="N",
        help="the same for scikit-learn's MLP (all)",
    )
    add(
        "--pruner",
        type=pruner_name,
        action="append",
        metavar="PRUNER",
        help="compare with no pruning: 'auto', or a call in optuna.pruners; can be repeated (auto)",
    )
    add_common_arguments(parser)
    parser.set_defaults(repeats=1)
    options = parser.parse_args()
    options.pruner = options.pruner or ["auto"]
    if not (data_folder() / WINE_FILE).exists():
        print(f"Nothing to do: {data_folder() / WINE_FILE} is missing.")
        return

    texts, medians = [], {}
    for name in [options.only] if options.only else SECTIONS:
        print(f"{name}:", file=sys.stderr, flush=True)
        text, medians[name] = SECTIONS[name](options)
        texts.append(text)
    heading = (
        "## Search\n\n"
        f"{options.repeats} fresh process{'es' if options.repeats > 1 else ''} for every entry, "
        f"imports not counted; one process at a time.\n\n{machine_description(VERSIONS_OF)}"
    )
    write_report(options, "\n\n".join([heading, *texts]), medians)


if __name__ == "__main__":
    main()
