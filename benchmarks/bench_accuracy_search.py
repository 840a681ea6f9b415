"""How much does a search add to the starting point for tables?

    python benchmarks/bench_accuracy_search.py [--table california] [--minutes 20] [--splits 3]
        [--storage FILE] [--results FILE]

`OptunaSearchCV` searches around `tabular()` on the training rows of the first split, a fifth of
which it holds out. What it finds is judged on the test rows of several splits: one network, and an
ensemble over five folds; `bench_accuracy.py` has the starting point itself. Lower is better. With a
journal file as storage, another run goes on with the search where it was.
"""

import argparse
import json
import statistics
from pathlib import Path

from _harness import format_seconds, machine_description, markdown_table, timed
from _tables import TABLES

VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikit-learn", "optuna", "numpy")


def search_space():
    """Return what is searched, around the values of the starting point."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        "hidden_units": CategoricalDistribution([96, 128, 192, 256]),
        "hidden_layers": CategoricalDistribution([2, 3, 4]),
        "n_bins": CategoricalDistribution([64, 96, 128, 192]),
        "shared_members": CategoricalDistribution([8, 16]),
        "batch_size": CategoricalDistribution([64, 128, 256]),
        "dropout": FloatDistribution(0.0, 0.35, step=0.05),
        "learning_rate": FloatDistribution(0.0015, 0.008, log=True),
        "weight_decay": FloatDistribution(0.002, 0.2, log=True),
        "beta_2": CategoricalDistribution([0.95, 0.98]),
        "activation": CategoricalDistribution(["mish", "relu", "selu"]),
    }


def searched(data, minutes, storage):
    """Search on the training rows of the first split; return the search.

    The starting point is the first trial, so the search cannot end behind it.
    """
    import optuna
    from sklearn.model_selection import ShuffleSplit

    import skdl
    from skdl.model_selection import OptunaSearchCV

    train, _ = data.splits[0]
    search = OptunaSearchCV(
        skdl.MLPRegressor.tabular(random_state=0),
        search_space(),
        n_trials=None,
        timeout=60 * minutes,
        cv=ShuffleSplit(1, test_size=0.2, random_state=0),
        scoring="neg_root_mean_squared_error",
        sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=0),
        # The rate comes down to 0 in the 4th, 13th and 30th of 64 epochs, and in the last: in
        # between, those that learn slowly but well look bad.
        pruner=optuna.pruners.PercentilePruner(
            33.0, n_startup_trials=4, n_warmup_steps=12, interval_steps=17
        ),
        storage=storage,
        study_name=None if storage is None else "search",
        refit=False,
        trials_together=2,
        random_state=0,
        verbose=1,
    )
    return search.fit(data.X.iloc[train], data.y[train])


def judged(data, network, n_splits):
    """Return the root mean squared error on each split, and the seconds of one of them."""
    import joblib
    from sklearn.base import clone
    from sklearn.metrics import root_mean_squared_error

    import skdl

    def score(network, split):
        train, test = data.splits[split]
        fitted = clone(network).fit(data.X.iloc[train], data.y[train])
        return float(root_mean_squared_error(data.y[test], fitted.predict(data.X.iloc[test])))

    with skdl.lockstep():
        tasks = [joblib.delayed(score)(network, split) for split in range(n_splits)]
        seconds, scores = timed(joblib.Parallel(n_jobs=-1), tasks)
    print(scores, flush=True)
    return {"scores": scores, "seconds": seconds / n_splits}


def main():
    """Search, judge what was found, and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--table", default="california", choices=list(TABLES))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--splits", type=int, default=3, help="for one network (%(default)s)")
    parser.add_argument("--ensemble-splits", type=int, default=2, help="for five (%(default)s)")
    parser.add_argument("--storage", type=Path, help="journal file (default: memory)")
    parser.add_argument("--results", type=Path, default=Path("accuracy_search.json"))
    arguments = parser.parse_args()
    import skdl
    from skdl.model_selection import KFoldEnsembleRegressor

    data = TABLES[arguments.table]()
    if data.score != "RMSE":
        parser.error(f"--table {arguments.table} is of classes; only numbers are searched for")
    seconds, search = timed(searched, data, arguments.minutes, arguments.storage)
    states = [str(state) for state in search.cv_results_["state"]]
    print(search.best_params_, search.best_score_, len(states), flush=True)
    best = skdl.MLPRegressor.tabular(random_state=0, **search.best_params_)
    ensemble = KFoldEnsembleRegressor(best, random_state=0)
    found = {
        "what was found": judged(data, best, arguments.splits),
        "in a 5-fold ensemble": judged(data, ensemble, arguments.ensemble_splits),
    }
    answer = {
        "params": search.best_params_,
        "held_out": -float(search.best_score_),
        "trials": len(states),
        "pruned": states.count("pruned"),
        "seconds": seconds,
        "judged": found,
    }
    arguments.results.write_text(json.dumps(answer, indent=1))
    rows = [
        [
            name,
            f"{statistics.mean(own['scores']):.4f}",
            ", ".join(f"{score:.4f}" for score in own["scores"]),
            format_seconds(own["seconds"]),
        ]
        for name, own in found.items()
    ]
    print(f"{len(states)} trials, {states.count('pruned')} pruned, in {format_seconds(seconds)}")
    print(markdown_table(["", "RMSE", "the splits", "one fit"], rows))
    print(machine_description(VERSIONS_OF))


if __name__ == "__main__":
    main()
