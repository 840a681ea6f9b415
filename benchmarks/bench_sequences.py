"""How long does 5-fold cross-validation of a recurrent network take, and one step of a fold?

    python benchmarks/bench_sequences.py [--rows 1000] [--epochs 10] [--lengths 30,100]

A GRU and an LSTM of 32 units with a dense output on top, on sequences of three channels. Steps are
counted in CPU seconds of a warm process, so that other work on the machine does little harm; whole
cross-validations in seconds, from the first call of a cold process. Peers are timed on fewer fits
and scaled; the table says so.
"""

import argparse
import statistics
import time

import _peers
from _harness import (
    add_common_arguments,
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

VERSIONS_OF = (
    "skdl", "tensorflow", "keras", "scikeras", "scikit-learn", "skorch", "torch", "numpy",
)  # fmt: skip
N_SPLITS, N_CHANNELS, UNITS, BATCH_SIZE = 5, 3, 32, 32
CELLS = ("gru", "lstm")
LABELS = {
    "skdl": "skdl",
    "keras": "keras.Model.fit",
    "scikeras": "SciKeras",
    "skorch": "skorch (torch, CPU)",
}


# ------------------------------------------------------------------------- tasks of the children


def sequences(n_rows, n_steps):
    """Return noisy sequences, and whether the first channel was above 0 in their first third."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_steps, N_CHANNELS)).astype(np.float32)
    return X, (X[:, : n_steps // 3, 0].mean(1) > 0).astype(int)


def folds(X):
    """Return the training and test rows of each fold."""
    from sklearn.model_selection import KFold

    return list(KFold(N_SPLITS, shuffle=True, random_state=0).split(X))


def cpu_seconds(function, *args, **kwargs):
    """Return the CPU seconds of all threads that a call took."""
    started = time.process_time()
    function(*args, **kwargs)
    return time.process_time() - started


def ours(cell, n_steps, n_rows, epochs):
    """Cross-validate in lockstep: cold, and then for the cost of further epochs."""
    _peers.import_libraries("skdl")
    from sklearn.model_selection import cross_val_score

    import skdl

    X, y = sequences(n_rows, n_steps)

    def scores(n_epochs):
        network = skdl.RNNClassifier(
            cell, units=UNITS, epochs=n_epochs, batch_size=BATCH_SIZE, random_state=0
        )
        with skdl.lockstep():
            return cross_val_score(network, X, y, cv=folds(X), error_score="raise")

    seconds, found = timed(scores, epochs)
    tell(f"cross-validation: {format_seconds(seconds)}")
    # The difference of two runs holds neither the start nor the predictions.
    more = cpu_seconds(scores, 3 * epochs) - cpu_seconds(scores, epochs)
    n_member_steps = 2 * epochs * sum(-(-len(train) // BATCH_SIZE) for train, _ in folds(X))
    return {
        "seconds": seconds,
        "step": more / n_member_steps,
        "accuracy": float(found.mean()),
        "n_fits": N_SPLITS,
    }


def keras_model(cell, n_steps):
    """Return the same network, compiled."""
    import keras

    kind = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]
    model = keras.Sequential(
        [keras.Input((n_steps, N_CHANNELS)), kind(UNITS), keras.layers.Dense(1, "sigmoid")]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def peer(name, cell, n_steps, n_rows, epochs, n_fits):
    """Time some fits of a peer, each with its predictions, and a step of a warm fit."""
    X, y = sequences(n_rows, n_steps)
    fit = {"keras": fit_keras, "scikeras": fit_scikeras, "skorch": fit_skorch}[name]
    seconds, steps, accuracy = [], [], []
    for train, test in folds(X)[:n_fits]:
        started = time.perf_counter()
        predict, fit_again = fit(cell, n_steps, epochs, X[train], y[train])
        accuracy.append(float((predict(X[test]) == y[test]).mean()))
        seconds.append(time.perf_counter() - started)
        tell(f"fit {len(seconds)}: {format_seconds(seconds[-1])}")
        n = epochs * -(-len(train) // BATCH_SIZE)
        steps.append(cpu_seconds(fit_again) / n)
    # The first fit holds the start of the library, which is paid once.
    rest = statistics.mean(seconds[1:] or seconds)
    return {
        "seconds": seconds[0] + (N_SPLITS - 1) * rest,
        "step": statistics.median(steps),
        "accuracy": statistics.mean(accuracy),
        "n_fits": len(seconds),
    }


def fit_keras(cell, n_steps, epochs, X, y):
    """Fit by Keras alone."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras_model(cell, n_steps)
    options = {"epochs": epochs, "batch_size": BATCH_SIZE, "verbose": 0}
    model.fit(X, y, **options)
    return (
        lambda rows: (model.predict(rows, verbose=0)[:, 0] > 0.5).astype(int),
        lambda: model.fit(X, y, **options),
    )


def fit_scikeras(cell, n_steps, epochs, X, y):
    """Fit by SciKeras."""
    _peers.import_libraries("scikeras")
    from scikeras.wrappers import KerasClassifier

    network = KerasClassifier(
        model=lambda: keras_model(cell, n_steps), epochs=epochs, batch_size=BATCH_SIZE, verbose=0,
        random_state=0,
    )  # fmt: skip
    network.fit(X, y)
    return network.predict, lambda: [network.partial_fit(X, y) for _ in range(epochs)]


def fit_skorch(cell, n_steps, epochs, X, y):
    """Fit the same in PyTorch."""
    del n_steps
    _peers.import_libraries("skorch")
    import skorch
    import torch

    kind = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]

    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = kind(N_CHANNELS, UNITS, batch_first=True)
            self.out = torch.nn.Linear(UNITS, 1)

        def forward(self, rows):
            return self.out(self.cell(rows)[0][:, -1])

    network = skorch.NeuralNetBinaryClassifier(
        Recurrent, max_epochs=epochs, batch_size=BATCH_SIZE, lr=0.001, train_split=None, verbose=0,
        optimizer=torch.optim.Adam, iterator_train__shuffle=True,
    )  # fmt: skip
    network.fit(X, y.astype("float32"))
    return network.predict, lambda: network.partial_fit(X, y.astype("float32"))


TASKS = {"ours": ours, "peer": peer}


# ------------------------------------------------------------------------------------ the parent


def table(medians, lengths):
    """Return one line a peer, cell and length."""
    headers = ["network", "", "CPU a fold and step", "", "5-fold", "", "accuracy", "fits timed"]
    rows = []
    for cell in CELLS:
        for n_steps in lengths:
            reference = medians[f"skdl {cell} {n_steps}"]
            for name, label in LABELS.items():
                found = medians[f"{name} {cell} {n_steps}"]
                what = f"{cell.upper()}({UNITS}), T={n_steps}"
                if "missing" in found:
                    rows.append([what, label, found["missing"], "", "", "", "", ""])
                    continue
                cells = []
                for key in ("step", "seconds"):
                    cells += [
                        format_seconds(found[key]),
                        format_ratio(found[key], reference[key]),
                    ]
                rows.append([what, label, *cells, f"{found['accuracy']:.3f}", str(found["n_fits"])])
    return markdown_table(headers, rows)


def main():
    """Measure and report."""
    run_as_child(TASKS)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    add_common_arguments(parser)
    parser.add_argument("--rows", type=int, default=1000, help="rows (%(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs (%(default)s)")
    parser.add_argument("--lengths", default="30,100", help="timesteps (%(default)s)")
    parser.add_argument("--peer-fits", type=int, default=3, help="folds of peers (%(default)s)")
    arguments = parser.parse_args()
    lengths = [int(n) for n in arguments.lengths.split(",")]
    requests = {}
    for cell in CELLS:
        for n_steps in lengths:
            size = {
                "cell": cell, "n_steps": n_steps, "n_rows": arguments.rows,
                "epochs": arguments.epochs,
            }  # fmt: skip
            requests[f"skdl {cell} {n_steps}"] = {"task": "ours", **size}
            for name in list(LABELS)[1:]:
                requests[f"{name} {cell} {n_steps}"] = {
                    "task": "peer", "name": name, "n_fits": arguments.peer_fits, **size,
                }  # fmt: skip
    medians = measure(__file__, requests, arguments.repeats, keep_caches=arguments.keep_caches)
    text = (
        f"# Recurrent networks: {arguments.rows} rows, batches of {BATCH_SIZE}, "
        f"{arguments.epochs} epochs\n\n{table(medians, lengths)}\n\n"
        f"Median of {arguments.repeats} processes. Peers are timed on the fits that the last "
        "column says, and scaled to five. Ratios are to skdl.\n\n"
        f"{machine_description(VERSIONS_OF)}"
    )
    write_report(arguments, text, medians)


if __name__ == "__main__":
    main()
