"""How long do a first fit, a later fit, and predictions take?

    python benchmarks/bench_fit_predict.py [--repeats 3] [--markdown FILE]

Breast cancer (569 rows, 30 features), two hidden layers of 64 units, the same number of epochs and
the same batch size for each peer. Every peer runs in processes of its own; imports are not counted.
"""

import argparse

import _peers
from _harness import (
    add_common_arguments,
    format_ratio,
    format_seconds,
    machine_description,
    markdown_table,
    measure,
    median_seconds,
    run_as_child,
    timed,
    write_report,
)

PEERS = ("skdl", "scikeras", "keras.wrappers", "sklearn")
VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikeras", "scikit-learn", "numpy")
EPOCHS, BATCH_SIZE = 10, 32
N_FEWER_ROWS = 500
N_MANY_ROWS = 100_000
ROWS = {
    "first_fit": "first fit (569 rows)",
    "second_fit": f"second fit, other row count ({N_FEWER_ROWS} rows)",
    "first_predict": "first predict, 1 row",
    "predict_one": "predict 1 row, later calls",
    "predict_many": f"predict {N_MANY_ROWS:,} rows",
    "accuracy": "accuracy on the training rows",
}


def fit_and_predict(peer):
    """Time one peer, in seconds."""
    _peers.import_libraries(peer)
    import numpy as np
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    many_rows = np.resize(X, (N_MANY_ROWS, X.shape[1]))

    first, fit_params = _peers.make_classifier(peer, epochs=EPOCHS, batch_size=BATCH_SIZE)
    second, _ = _peers.make_classifier(peer, epochs=EPOCHS, batch_size=BATCH_SIZE)
    first_fit, _ = timed(first.fit, X, y, **fit_params)
    second_fit, _ = timed(second.fit, X[:N_FEWER_ROWS], y[:N_FEWER_ROWS], **fit_params)
    first_predict, _ = timed(second.predict, X[:1])
    return {
        "first_fit": first_fit,
        "second_fit": second_fit,
        "first_predict": first_predict,
        "predict_one": median_seconds(second.predict, X[:1], calls=20),
        "predict_many": median_seconds(second.predict, many_rows, calls=3),
        # keras.wrappers gives predictions of another shape than y, so no `score` here.
        "accuracy": float(np.mean(np.ravel(first.predict(X)) == y)),
    }


def report(medians, repeats):
    """Return the table as Markdown."""
    rows = []
    for key, label in ROWS.items():
        cells = []
        for peer in PEERS:
            value = medians[peer].get(key)
            if value is None:
                cells.append("not installed")
            elif key == "accuracy":
                cells.append(f"{value:.3f}")
            elif peer == "skdl" or "missing" in medians["skdl"]:
                cells.append(format_seconds(value))
            else:
                ratio = format_ratio(value, medians["skdl"][key])
                cells.append(f"{format_seconds(value)} ({ratio})")
        rows.append([label, *cells])
    table = markdown_table(["", *(_peers.LABELS[peer] for peer in PEERS)], rows)
    return (
        "## Fit and predict\n\n"
        f"MLP classifiers, 30 features, 64-64 units, {EPOCHS} epochs, batches of {BATCH_SIZE}. "
        f"Median of {repeats} fresh processes, imports not counted; in brackets the ratio to "
        f"skdl.\n\n{table}\n\n{machine_description(VERSIONS_OF)}"
    )


def main():
    """Measure and report."""
    run_as_child({"fit_and_predict": fit_and_predict})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_common_arguments(parser)
    arguments = parser.parse_args()
    requests = {peer: {"task": "fit_and_predict", "peer": peer} for peer in PEERS}
    medians = measure(__file__, requests, arguments.repeats, keep_caches=arguments.keep_caches)
    write_report(arguments, report(medians, arguments.repeats), medians)


if __name__ == "__main__":
    main()
