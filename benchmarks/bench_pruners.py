"""Which pruner saves most epochs, and what does it lose?

    python benchmarks/bench_pruners.py [--tables diabetes ...] [--trials 40] [--keep FOLDER]

Every trial of a search is trained to its end, once, and the scores of its folds are kept after each
epoch. Then each pruner is asked, for several random orders of the same trials, where it would have
ended them. So all pruners judge the same trials, and what they lose is known: by how much the best
trial that is left scores less than the best of all, in standard errors of the latter's mean. In the
last rows, the pruner of `OptunaSearchCV` itself judges trials that come in rounds.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from _harness import format_seconds, markdown_table, timed
from _tables import TABLES, by_column

EPOCHS = 100
N_SPLITS = 5
MOST_ROWS = 1_000
N_ORDERS = 50
FEWEST_COMPLETE = 5
EARLY = (5, 10, 20, 40, 80)
ROUNDS = (12, 24, 40)
RUNGS = sorted({*EARLY, 15, 45})
# Of a fold's rows, those scored for each one trained on.
TEST_SHARE = 1 / (N_SPLITS - 1)


# ------------------------------------------------------------------------- the trials


def model_of(table):
    """Return a pipeline of our defaults around a table."""
    from sklearn.pipeline import make_pipeline

    import skdl

    kind = skdl.MLPRegressor if table.score == "RMSE" else skdl.MLPClassifier
    return make_pipeline(by_column(), kind(epochs=EPOCHS, random_state=0))


def curves_of(name, n_trials):
    """Return the folds' scores of all trials after each rung and in the end: {epoch: scores}."""
    import optuna

    from skdl.model_selection import OptunaSearchCV

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = TABLES[name]()
    rows = np.random.default_rng(0).permutation(len(table.X))[:MOST_ROWS]
    X, y = table.X.iloc[rows].reset_index(drop=True), table.y[rows]
    # It takes notes at each rung, and ends nobody.
    watcher = racing_pruner(RUNGS, n_trials=n_trials + 1)
    regression = table.score == "RMSE"
    search = OptunaSearchCV(
        model_of(table),
        n_trials=n_trials,
        cv=N_SPLITS,
        scoring="neg_root_mean_squared_error" if regression else "neg_log_loss",
        pruner=watcher,
        random_state=0,
        refit=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    found = []
    for i, number in enumerate(search.cv_results_["trial_number"]):
        if search.cv_results_["state"][i] != "complete":
            continue
        trial = search.study_.trials[number]
        curve = {int(epoch): own for epoch, own in trial.system_attrs["skdl:rungs"].items()}
        curve[EPOCHS] = [
            float(search.cv_results_[f"split{k}_test_score"][i]) for k in range(N_SPLITS)
        ]
        found.append(curve)
    return found


# ------------------------------------------------------------------------- the pruners


def racing_pruner(rungs, **options):
    """Return the pruner of `OptunaSearchCV` for folds of equal size."""
    from skdl.model_selection.search._racing import RacingPruner

    return RacingPruner(rungs, np.full(N_SPLITS, N_SPLITS - 1), np.ones(N_SPLITS, int), **options)


def is_behind(own, other, critical):
    """Tell whether scores are behind others' by the corrected t-test for paired folds."""
    difference = own - other
    spread = difference.std(ddof=1) * np.sqrt(1 / N_SPLITS + TEST_SHARE)
    return difference.mean() < 0 and difference.mean() <= -critical * spread


def race(level, quantile=0.0):
    """Return a pruner that compares with the trial at a quantile of those at the rung."""
    from scipy import stats

    critical = stats.t.ppf(1 - level, N_SPLITS - 1)

    def judge(epoch, own, at_rung, completed):
        del completed
        if epoch not in EARLY or len(at_rung) < FEWEST_COMPLETE:
            return False
        ranked = sorted(at_rung.values(), key=np.mean, reverse=True)
        return is_behind(own, ranked[int(quantile * len(ranked))], critical)

    return judge


def race_with_completed(level):
    """Return a pruner that compares with the best of the completed trials, at the same epoch."""
    from scipy import stats

    critical = stats.t.ppf(1 - level, N_SPLITS - 1)

    def judge(epoch, own, at_rung, completed):
        if epoch not in EARLY:
            return False
        best = max(completed, key=lambda i: np.mean(completed[i]))
        return is_behind(own, at_rung[best], critical)

    return judge


def halving(rungs, factor):
    """Return successive halving: the best ``1 / factor`` of those at a rung go on."""

    def judge(epoch, own, at_rung, completed):
        del completed
        if epoch not in rungs:
            return False
        means = sorted([*(np.mean(v) for v in at_rung.values()), np.mean(own)], reverse=True)
        return np.mean(own) < means[max(len(means) // factor, 1) - 1]

    return judge


PRUNERS = {
    "race against the best so far, at 15 %": lambda: race(0.15),
    "race against the best tenth, at 15 %": lambda: race(0.15, 0.1),
    "race against the best tenth, at 10 %": lambda: race(0.1, 0.1),
    "race against the best quarter, at 15 %": lambda: race(0.15, 0.25),
    "race against the best of those completed, at 15 %": lambda: race_with_completed(0.15),
    "successive halving, best quarter after 5 %, 20 % and 80 %": lambda: halving((5, 20, 80), 4),
    "successive halving, best third after 5 %, 15 % and 45 %": lambda: halving((5, 15, 45), 3),
}


def replay(curves, judge, order):
    """Return the share of epochs that a pruner would have trained, and what it would have lost."""
    reached, completed, n_epochs = {}, {}, 0
    for i in order:
        ended = EPOCHS
        for epoch in RUNGS:
            own = curves[i][epoch]
            at_rung = reached.setdefault(epoch, {})
            may_end = i != 0 and len(completed) >= FEWEST_COMPLETE
            is_over = may_end and judge(epoch, own, at_rung, completed)
            at_rung[i] = own
            if is_over:
                ended = epoch
                break
        if ended == EPOCHS:
            completed[i] = curves[i][EPOCHS]
        n_epochs += ended
    return summary(curves, completed, n_epochs)


def replay_rounds(curves, size, order):
    """Return the same for the pruner of `OptunaSearchCV`, the trials in rounds of a size."""
    import optuna
    from optuna.trial import TrialState

    from skdl.model_selection.search._racing import record_rung

    study = optuna.create_study(direction="maximize", pruner=racing_pruner(EARLY))
    completed, n_epochs = {}, 0
    for begin in range(0, len(order), size):
        going = {i: study.ask() for i in order[begin : begin + size]}
        ended = []
        for epoch in EARLY:
            for i, trial in going.items():
                record_rung(trial, epoch, curves[i][epoch])
                trial.report(float(np.mean(curves[i][epoch])), epoch)
            over = [i for i, trial in going.items() if i != 0 and trial.should_prune()]
            n_epochs += epoch * len(over)
            ended += [going.pop(i) for i in over]
        # What a round has ended is told when all of it has.
        for trial in ended:
            study.tell(trial, state=TrialState.PRUNED)
        for i, trial in going.items():
            completed[i] = curves[i][EPOCHS]
            study.tell(trial, float(np.mean(completed[i])))
        n_epochs += EPOCHS * len(going)
    return summary(curves, completed, n_epochs)


def summary(curves, completed, n_epochs):
    """Return the share of epochs trained, and what was lost."""
    ends = [curve[EPOCHS] for curve in curves]
    best = max(ends, key=np.mean)
    left = max(completed.values(), key=np.mean)
    error = best.std(ddof=1) / np.sqrt(N_SPLITS)
    return n_epochs / (EPOCHS * len(curves)), (best.mean() - left.mean()) / error


def main():
    """Train, replay, and print the table."""
    import optuna

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tables", nargs="+", default=["diabetes", "penguins", "red_wine_unique"])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--keep", type=Path, help="folder for the curves, read if they are there")
    arguments = parser.parse_args()
    tables = []
    for name in arguments.tables:
        file = arguments.keep and arguments.keep / f"{name}.json"
        if file and file.exists():
            curves = json.loads(file.read_text())
        else:
            seconds, curves = timed(curves_of, name, arguments.trials)
            print(f"{name}: {len(curves)} trials in {format_seconds(seconds)}", flush=True)
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(curves))
        tables.append([{int(e): np.array(v, float) for e, v in c.items()} for c in curves])
    replays = {
        label: lambda curves, order, make=make: replay(curves, make(), order)
        for label, make in PRUNERS.items()
    } | {
        f"`OptunaSearchCV`, rounds of {size}": lambda curves, order, size=size: replay_rounds(
            curves, size, order
        )
        for size in ROUNDS
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = []
    for label, run in replays.items():
        generator = np.random.default_rng(0)
        found = np.array(
            [
                run(curves, [0, *(1 + generator.permutation(len(curves) - 1))])
                for curves in tables
                for _ in range(N_ORDERS)
            ]
        )
        shares, lost = found.T
        rows.append([label, f"{shares.mean():.0%}", f"{lost.mean():.2f} ({lost.max():.2f})"])
    print(markdown_table(["Pruner", "Epochs trained", "Lost, mean (largest)"], rows))


if __name__ == "__main__":
    main()
