"""How long does cross-validation of a Keras model of one's own take?

    python benchmarks/bench_bring_your_own.py [--repeats 3] [--markdown FILE]

5-fold cross-validation, twice over (10 fits), of a functional model on one input: a dense branch
and an embedded column, batch normalisation, dropout and a residual connection. The same function
builds the model for each peer. Every peer runs in processes of its own; imports are not counted.
Scores are compared as means over the folds, since each library shuffles in its own way.
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
    run_as_child,
    timed,
    write_report,
)

PEERS = ("skdl", "skdl alone", "scikeras")
LABELS = {"skdl": "skdl in lockstep", "skdl alone": "skdl, fold by fold", "scikeras": "SciKeras"}
VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikeras", "scikit-learn", "numpy")
N_LEVELS = 8
EPOCHS, BATCH_SIZE = 20, 32
N_ROWS = 1000


def build(meta, units=32):
    """Return the model, not compiled."""
    import keras
    from keras import layers

    inputs = keras.Input((meta["n_features_in_"],))
    level = layers.Flatten()(layers.Embedding(N_LEVELS, 4)(inputs[:, -1:]))
    x = layers.Concatenate()([inputs[:, :-1], level])
    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(x)))
    shortcut = x
    x = layers.Dropout(0.2)(layers.Dense(units, activation="relu")(x))
    x = layers.Add()([x, shortcut])
    return keras.Model(inputs, layers.Dense(1)(x))


def rows():
    """Return California-like numbers with a column of levels; no file is needed."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 12)).astype(np.float32)
    X[:, -1] = rng.integers(0, N_LEVELS, N_ROWS)
    effect = rng.normal(size=N_LEVELS)[X[:, -1].astype(int)]
    y = X[:, 0] + X[:, 1] * X[:, 2] + effect + 0.3 * rng.normal(size=N_ROWS)
    return X, y.astype(np.float32)


def cross_validate(peer):
    """Time one peer, in seconds."""
    _peers.import_libraries("scikeras" if peer == "scikeras" else "skdl")
    from sklearn.model_selection import RepeatedKFold, cross_val_score

    X, y = rows()
    options = {
        "loss": "mse", "optimizer": "adam", "epochs": EPOCHS, "batch_size": BATCH_SIZE,
        "verbose": 0, "random_state": 0,
    }  # fmt: skip
    cv = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
    if peer == "scikeras":
        from scikeras.wrappers import KerasRegressor

        seconds, scores = timed(
            cross_val_score, KerasRegressor(build, **options), X, y, cv=cv, scoring="r2"
        )
    else:
        import skdl

        estimator = skdl.KerasRegressor(build, **options)

        def run():
            if peer == "skdl alone":
                return cross_val_score(estimator, X, y, cv=cv, scoring="r2")
            with skdl.lockstep():
                return cross_val_score(estimator, X, y, cv=cv, scoring="r2")

        seconds, scores = timed(run)
    return {"seconds": seconds, "score": float(scores.mean())}


def report(medians, repeats):
    """Return the table as Markdown."""
    reference = medians["skdl"]["seconds"]
    table = [
        [
            LABELS[peer],
            format_seconds(medians[peer]["seconds"]),
            format_ratio(medians[peer]["seconds"], reference),
            f"{medians[peer]['score']:.3f}",
        ]
        for peer in PEERS
    ]
    return (
        "## A Keras model of one's own\n\n"
        f"RepeatedKFold(5, 2) of a functional model with an embedded column, batch normalisation, "
        f"dropout and a residual connection: {N_ROWS} rows, {EPOCHS} epochs, batches of "
        f"{BATCH_SIZE}. Median of {repeats} fresh processes, imports not counted.\n\n"
        f"{markdown_table(['', 'seconds', 'ratio', 'mean R²'], table)}\n\n"
        f"{machine_description(VERSIONS_OF)}"
    )


def main():
    """Measure and report."""
    run_as_child({"cross_validate": cross_validate})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_common_arguments(parser)
    arguments = parser.parse_args()
    requests = {peer: {"task": "cross_validate", "peer": peer} for peer in PEERS}
    medians = measure(__file__, requests, arguments.repeats, keep_caches=arguments.keep_caches)
    write_report(arguments, report(medians, arguments.repeats), medians)


if __name__ == "__main__":
    main()
