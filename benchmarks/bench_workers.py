"""What do folds cost in lockstep on workers, beside one process?

    python benchmarks/bench_workers.py [--engines loky dask ray] [--folds 200] [--epochs 30]

Red wine, two workers. CPU seconds are those of each worker, the least of some rounds, warm: the
same folds were trained once before, so that imports and compilation do not count. Those of the
first time stand beside them. Rounds go round the engines, so that a busy minute of the machine
does not hit one alone.
Scores and batches are compared with those of one process.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from _harness import markdown_table
from sklearn.model_selection import RepeatedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl

N_WORKERS = 2
DATA = Path(os.environ.get("SKDL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def cpu_seconds(process):
    """Return the CPU seconds of one process."""
    times = process.cpu_times()
    return times.user + times.system


def cpu_of_processes():
    """Return the CPU seconds of this process and of all that it has started, by number."""
    here, found = psutil.Process(), {}
    for process in (here, *here.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            found[process.pid] = cpu_seconds(process)
    return found


def measure(engine, model, X, y, cv):
    """Return scores, batches, CPU seconds of the caller, and of each worker."""
    before = cpu_of_processes()
    options = {} if engine is None else {"engine": engine, "n_workers": N_WORKERS}
    with skdl.lockstep(**options) as session:
        scores = cross_val_score(
            model, X, y, cv=cv, scoring="neg_root_mean_squared_error", error_score="raise"
        )
    spent = {pid: after - before.get(pid, 0.0) for pid, after in cpu_of_processes().items()}
    caller = spent.pop(os.getpid())
    workers = sorted(spent.values(), reverse=True)[:N_WORKERS]
    return scores, session.batches, caller, workers


def check(is_as_claimed, row):
    """End the benchmark where a claim does not hold."""
    if not is_as_claimed:
        raise SystemExit(f"This is not as claimed: {row}")


def main():
    """Measure one process, then the engines, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="*", default=["loky"])
    parser.add_argument("--folds", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    table = pd.read_csv(DATA / "winequality-red.csv", sep=";")
    X, y = table.drop(columns="quality").to_numpy(float), table["quality"].to_numpy(float)
    network = skdl.MLPRegressor(
        (64, 64), batch_norm="before_activation", dropout=0.2, epochs=given.epochs, random_state=0
    )
    model = make_pipeline(StandardScaler(), network)
    cv = RepeatedKFold(n_splits=5, n_repeats=given.folds // 5, random_state=0)
    if "dask" in given.engines:
        from dask.distributed import Client, LocalCluster

        Client(LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=None))
    if "ray" in given.engines:
        import ray

        ray.init(num_cpus=N_WORKERS, include_dashboard=False)
    engines = [None, *given.engines]
    first = {engine: measure(engine, model, X, y, cv) for engine in engines}
    rounds = {engine: [] for engine in engines}
    for number in range(given.rounds):
        print(f"  round {number + 1} of {given.rounds} …", file=sys.stderr, flush=True)
        for engine in engines:
            rounds[engine].append(measure(engine, model, X, y, cv))
    rows = []
    expected = alone = None
    for engine in engines:
        # Whatever else runs on the machine adds to CPU seconds; it never takes any away.
        scores, batches, caller, workers = min(
            rounds[engine], key=lambda r: max(r[3]) if engine else r[2]
        )
        np.testing.assert_allclose(scores, first[engine][0], rtol=1e-6)
        if engine is None:
            expected, alone = scores, caller
            check(batches == [given.folds], batches)
        else:
            check(batches == [given.folds // N_WORKERS] * N_WORKERS, batches)
        at_first = first[engine][3] if engine else [first[engine][2]]
        rows.append(
            [
                engine or "one process",
                f"{batches}",
                f"{scores.mean():.5f}",
                f"{np.abs(scores - expected).max():.1e}",
                f"{caller:.1f}",
                ", ".join(f"{s:.1f}" for s in workers if engine),
                "" if engine is None else f"{max(workers) / alone:.2f}",
                ", ".join(f"{s:.1f}" for s in at_first),
            ]
        )
    columns = ["engine", "batches", "mean score", "largest difference", "CPU s here"]
    print(markdown_table([*columns, "of each worker", "share", "first time"], rows))


if __name__ == "__main__":
    main()
