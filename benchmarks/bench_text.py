"""How good and how fast are networks for texts?

    python benchmarks/bench_text.py [--only test,folds,table] [--markdown FILE]

The IMDB reviews of the shared data, 25,000 to learn from and 25,000 to test on, as ids of 10,000
words; the last 200 words of each, as the literature has it, and the last 500. "mean, pairs" has a
vector for each of the 90,000 most frequent pairs of neighbouring words too. Each network runs in a
fresh process, imports not counted. SciKeras fits one of its folds, which is scaled.
"""

import argparse
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
    timed,
    write_report,
)

FAST = {"batch_size": 128, "learning_rate": 0.003, "random_state": 0}
NETWORKS = {
    "mean": ("mean", {"dropout": 0.3, "epochs": 6, **FAST}),
    "mean, pairs": (
        "mean",
        {"max_tokens": 100_000, "embedding_dim": 10, "dropout": 0.5, "epochs": 8, **FAST},
    ),
    "conv": (
        "conv",
        {
            "dropout": 0.5, "embedding_dropout": 0.5, "epochs": 3, "batch_size": 32,
            "random_state": 0,
        },
    ),
    "gru, both ways": (
        "gru",
        {
            "encoder_units": 32, "bidirectional": True, "dropout": 0.5, "embedding_dropout": 0.3,
            "epochs": 2, **FAST,
        },
    ),
}  # fmt: skip
FOLDS = {"dropout": 0.3, "epochs": 4, **FAST}


def reviews(name, length):
    """Return the last words of each review of one half as ids, 0 behind its end, and labels."""
    import numpy as np

    with np.load(data_folder() / "imdb_seq10k.npz", allow_pickle=False) as data:
        ids, offsets, y = (data[k] for k in (f"{name}_ids", f"{name}_offsets", f"y_{name}"))
    rows = np.zeros((len(y), length), np.int32)
    for row, start, stop in zip(rows, offsets[:-1], offsets[1:], strict=True):
        part = ids[max(start, stop - length) : stop]
        row[: len(part)] = part
    return rows, y


def with_pairs(halves, n_kept=90_000, first_id=10_000):
    """Return the ids of both halves with those of pairs of words that are frequent in the first."""
    import numpy as np

    pairs = []
    for ids in halves:
        left, right = ids[:, :-1].astype(np.int64), ids[:, 1:]
        pairs.append(np.where((left > 0) & (right > 0), left * first_id + right, 0))
    found, counts = np.unique(pairs[0][pairs[0] > 0], return_counts=True)
    kept = np.sort(found[np.argsort(-counts, kind="stable")[:n_kept]])
    joined = []
    for ids, own in zip(halves, pairs, strict=True):
        place = np.searchsorted(kept, own).clip(0, len(kept) - 1)
        known = np.where(kept[place] == own, first_id + place, 0)
        joined.append(np.hstack([ids, known]).astype(np.int32))
    return joined


def cpu_seconds(function, *args):
    """Return the CPU seconds of a call on all cores, and its result."""
    started = time.process_time()
    result = function(*args)
    return time.process_time() - started, result


# ------------------------------------------------------------------------- tasks of the children


def on_test(network, length):
    """Train a network on one half, and judge it once on the other."""
    _peers.import_libraries("skdl")
    import skdl

    encoder, parameters = NETWORKS[network]
    (X, y), (X_test, y_test) = reviews("train", length), reviews("test", length)
    if network == "mean, pairs":
        X, X_test = with_pairs([X, X_test])
    estimator = skdl.TextClassifier(encoder, **parameters)
    seconds, _ = cpu_seconds(estimator.fit, X, y)
    return {"cpu": seconds, "accuracy": estimator.score(X_test, y_test)}


def linear(length):
    """Do the same with weighted counts of the words and logistic regression."""
    import numpy as np
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def counts(X):
        rows = np.repeat(np.arange(len(X)), X.shape[1])
        ones = np.ones(X.size)
        return sparse.csr_matrix((ones, (rows, X.ravel())), shape=(len(X), 10_000))[:, 1:]

    X, y = reviews("train", length)
    X_test, y_test = reviews("test", length)
    model = make_pipeline(TfidfTransformer(sublinear_tf=True), LogisticRegression(C=3))
    seconds, _ = cpu_seconds(lambda: model.fit(counts(X), y))
    return {"cpu": seconds, "accuracy": model.score(counts(X_test), y_test)}


def folds(peer):
    """Cross-validate the mean encoder in five folds."""
    _peers.import_libraries(peer)
    from sklearn.model_selection import StratifiedKFold

    X, y = reviews("train", 200)
    splits = list(StratifiedKFold(5).split(X, y))
    if peer == "skdl":
        import skdl
        from skdl.model_selection import cross_validate

        network = skdl.TextClassifier(**FOLDS)
        started = time.process_time()
        seconds, result = timed(cross_validate, network, X, y, cv=splits, baseline=False)
        cpu = time.process_time() - started
        return {"cpu": cpu, "seconds": seconds, "accuracy": float(result["test_score"].mean())}
    import keras
    from scikeras.wrappers import KerasClassifier

    def build():
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((200,)), layers.Embedding(10_000, 32, mask_zero=True),
                layers.GlobalAveragePooling1D(), layers.Dropout(0.3),
                layers.Dense(1, activation="sigmoid"),
            ]
        )  # fmt: skip

    network = KerasClassifier(
        build, loss="binary_crossentropy", optimizer="adam", optimizer__learning_rate=0.003,
        epochs=4, batch_size=128, verbose=0,
    )  # fmt: skip
    train, test = splits[0]
    started = time.process_time()
    seconds, _ = timed(network.fit, X[train], y[train])
    cpu = time.process_time() - started
    return {"cpu": 5 * cpu, "seconds": 5 * seconds, "accuracy": network.score(X[test], y[test])}


def table(max_tokens):
    """Time an epoch of the mean encoder, where the table of vectors has so many rows."""
    _peers.import_libraries("skdl")
    import skdl

    X, y = reviews("train", 200)
    X[0, 0] = max_tokens - 1  # ids of the largest vocabulary
    X = X % max_tokens
    network = skdl.TextClassifier(max_tokens=max_tokens, **FOLDS)
    spent = []
    for epochs in (4, 4, 8):  # the first compiles
        network.set_params(epochs=epochs)
        spent.append(cpu_seconds(network.fit, X, y)[0])
    return {"cpu": (spent[2] - spent[1]) / 4}


TASKS = {"on_test": on_test, "linear": linear, "folds": folds, "table": table}


# ------------------------------------------------------------------------------------- sections


def test_section(arguments):
    """Return accuracy on the test reviews."""
    del arguments
    requests = {
        (name, length): {"task": "on_test", "network": name, "length": length}
        for name in NETWORKS
        for length in (200, 500)
        if name.startswith("mean") or length == 200
    }
    requests |= {
        ("tf-idf, LogisticRegression", length): {"task": "linear", "length": length}
        for length in (200, 500)
    }
    answers = measure(__file__, requests, 1)
    rows = [
        [name, str(length), f"{answer['accuracy']:.4f}", format_seconds(answer["cpu"])]
        for (name, length), answer in answers.items()
    ]
    headers = ["", "last words", "test accuracy", "CPU time of fit"]
    named = {f"{name}, {length}": answer for (name, length), answer in answers.items()}
    return f"### 25,000 test reviews\n\n{markdown_table(headers, rows)}", named


def folds_section(arguments):
    """Return the time of five folds beside SciKeras."""
    requests = {peer: {"task": "folds", "peer": peer} for peer in ("skdl", "scikeras")}
    answers = measure(__file__, requests, arguments.repeats)
    rows = [
        [
            _peers.LABELS[peer],
            format_seconds(answer["cpu"]),
            format_ratio(answer["cpu"], answers["skdl"]["cpu"]),
            format_seconds(answer["seconds"]),
            f"{answer['accuracy']:.4f}",
            "all folds" if peer == "skdl" else "1 of 5 folds, scaled",
        ]
        for peer, answer in answers.items()
    ]
    headers = ["", "CPU time", "ratio to skdl", "time", "accuracy", "timed on"]
    return f"### Mean encoder, five folds, 4 epochs\n\n{markdown_table(headers, rows)}", answers


def table_section(arguments):
    """Return what Adam over the whole table costs."""
    requests = {str(n): {"task": "table", "max_tokens": n} for n in (1_000, 10_000, 50_000)}
    answers = measure(__file__, requests, arguments.repeats)
    rows = [[name, format_seconds(answer["cpu"])] for name, answer in answers.items()]
    headers = ["max_tokens", "CPU time of an epoch"]
    return f"### Vectors of 32 numbers, batches of 128\n\n{markdown_table(headers, rows)}", answers


SECTIONS = {"test": test_section, "folds": folds_section, "table": table_section}


def main():
    """Measure and print the sections asked for."""
    run_as_child(TASKS)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by commas")
    add_common_arguments(parser)
    arguments = parser.parse_args()
    parts, medians = ["## Texts"], {}
    for name in arguments.only.split(","):
        text, medians[name] = SECTIONS[name](arguments)
        parts.append(text)
    write_report(arguments, "\n\n".join([*parts, machine_description()]), medians)


if __name__ == "__main__":
    main()
