"""Do networks of the user's own reach the published figures on film reviews?

    python benchmarks/bench_imdb.py [--networks base small] [--epochs 20] [--markdown FILE]

The IMDB reviews of the shared data as rows of 10,000 zeros and ones, one for each word, from a CSR
matrix that is never made dense as a whole. Networks of the Keras tutorial on over- and
underfitting: 16-16, 4-4 and 512-512 units, and 16-16 with L2 or dropout; 20 epochs, batches of 512,
validated on the test reviews. The last epoch shows what regularisation buys, the best
does not.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _harness import data_folder, format_seconds, machine_description, markdown_table
from scipy import sparse

N_WORDS = 10_000
# Best validation accuracy, and that after the last epoch, as published.
PUBLISHED = {
    "base": (0.8905, 0.8487),
    "small": (0.8899, 0.8617),
    "big": (0.8901, 0.8682),
    "l2": (0.8898, 0.8704),
    "dropout": (0.8917, 0.8738),
}
NETWORKS = {
    "base": {"units": 16},
    "small": {"units": 4},
    "big": {"units": 512},
    "l2": {"units": 16, "l2": 0.002},
    "dropout": {"units": 16, "dropout": 0.5},
}


def reviews(name):
    """Return the multi-hot rows of one half of the reviews, and their labels."""
    with np.load(data_folder() / "imdb_seq10k.npz", allow_pickle=False) as data:
        ids, offsets = data[f"{name}_ids"], data[f"{name}_offsets"]
        labels = data[f"y_{name}"]
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    ones = np.ones(len(ids), np.float32)
    counts = sparse.csr_matrix((ones, (rows, ids)), shape=(len(offsets) - 1, N_WORDS))
    counts.data[:] = 1
    return counts, labels


def build(meta, units, l2=0.0, dropout=0.0):
    """Return one of the networks."""
    import keras
    from keras import layers

    penalty = keras.regularizers.L2(l2) if l2 else None
    stack = [keras.Input((meta["n_features_in_"],))]
    for _ in range(2):
        stack.append(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        if dropout:
            stack.append(layers.Dropout(dropout))
    return keras.Sequential([*stack, layers.Dense(1, activation="sigmoid")])


def curve(name, epochs, data):
    """Train one network; return its validation accuracy per epoch, and the seconds it took."""
    import skdl

    X, y, X_val, y_val = data
    network = skdl.KerasClassifier(
        build, optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"], epochs=epochs,
        batch_size=512, random_state=0, **NETWORKS[name],
    )  # fmt: skip
    started = time.perf_counter()
    network.fit(X, y, X_val=X_val, y_val=y_val)
    return network.history_, time.perf_counter() - started


def main():
    """Train the networks and print their curves beside the published figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    data = (*reviews("train"), *reviews("test"))
    print(f"{data[0].shape[0]} rows, {data[0].nnz / data[0].shape[0]:.0f} words each", flush=True)
    rows, curves = [], {}
    for name in arguments.networks:
        history, seconds = curve(name, arguments.epochs, data)
        accuracy = curves[name] = history["val_accuracy"]
        best, last = PUBLISHED[name]
        rows.append([
            name, f"{max(accuracy):.4f}", f"{best:.4f}", f"{accuracy[-1]:.4f}", f"{last:.4f}",
            f"{history['val_loss'][-1]:.3f}", format_seconds(seconds),
        ])  # fmt: skip
        print(name, [round(a, 4) for a in accuracy], format_seconds(seconds), flush=True)
    headers = [
        "network", "best", "published", "last epoch", "published", "last val_loss", "seconds"
    ]  # fmt: skip
    epochs = [
        [str(i + 1), *(f"{curves[name][i]:.4f}" for name in curves)]
        for i in range(arguments.epochs)
    ]
    text = (
        f"## IMDB\n\n{markdown_table(headers, rows)}\n\n"
        f"{markdown_table(['epoch', *curves], epochs)}\n\n{machine_description()}"
    )
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
