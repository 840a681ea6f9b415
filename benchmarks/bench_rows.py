"""How much memory and time does training take on more rows than fit into memory?

    python benchmarks/bench_rows.py [--rows 1000000] [--folder FOLDER] [--markdown FILE]

Makes a folder of Parquet files of 50 float32 columns and a target of two classes, and trains a
64-64 network for 2 epochs on it: skdl on ``ParquetRows``, and Keras on a ``tf.data.Dataset`` that
reads the same row groups in a shuffled order, shuffles the rows of each and cuts them into the
same batches. On a part of the rows, skdl also trains in memory. Each line is a process of its own,
which trains on one file first, so that imports and traces are not counted. Needs pyarrow.
"""

import argparse
import contextlib
import resource
import tempfile
import time
from pathlib import Path

from _harness import (
    add_common_arguments,
    machine_description,
    markdown_table,
    measure,
    run_as_child,
    write_report,
)

FEATURES, ROWS = 50, 1_000_000
ROWS_OF_A_FILE, ROWS_OF_A_GROUP, ROWS_OF_THE_PART = 500_000, 2**16, 500_000
BATCH, EPOCHS = 1024, 2
NAMES = [f"x{i}" for i in range(FEATURES)]
MIB = 2**20
VERSIONS_OF = ("skdl", "tensorflow", "keras", "numpy", "pyarrow")
WHAT_IS_RUN = {
    "skdl": "`MLPClassifier.fit` on `ParquetRows`",
    "keras": "`keras.Model.fit` on `tf.data`",
    "part": "`MLPClassifier.fit` on `ParquetRows`, a part of the rows",
    "memory": "`MLPClassifier.fit` on that part in memory",
    "folds": "`cross_validate` on `ParquetRows`, 5 folds",
}


def make_files(folder, n_rows):
    """Write the rows, and a file of others to score; leave those of an earlier run."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    def write(path, rows, seed):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((FEATURES, rows), np.float32)
        columns = dict(zip(NAMES, X, strict=True))
        columns["y"] = (X[0] + X[1] * X[2] > 0).astype(np.int8)
        parquet.write_table(pa.table(columns), path, row_group_size=ROWS_OF_A_GROUP)

    train = folder / "train"
    train.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, n_rows, ROWS_OF_A_FILE)):
        path = train / f"part-{number:04d}.parquet"
        if not path.exists():
            write(path, min(ROWS_OF_A_FILE, n_rows - start), number)
    if not (folder / "test.parquet").exists():
        write(folder / "test.parquet", 50_000, 10**6)


class Costs:
    """Seconds of all threads, and the peak of the process's memory."""

    def __enter__(self):
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak so far
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_):
        self.cpu, self.wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        status = Path("/proc/self/status")
        lines = status.read_text().splitlines() if status.exists() else []
        peak = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        self.peak = (peak or [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss])[0] * 1024


def result(costs, score, n_rows):
    """Return what a process hands back."""
    return {
        "peak": costs.peak,
        "cpu_of_a_row": costs.cpu / n_rows / EPOCHS,
        "wall": costs.wall,
        "score": float(score),
        "rows": n_rows,
    }


def with_skdl(folder, kind):
    """Train on the files, on a part of them, or on that part in memory."""
    import numpy as np

    import skdl
    from skdl.model_selection import cross_validate

    folder = Path(folder)
    first = folder / "train" / "part-0000.parquet"
    model = skdl.MLPClassifier(64, hidden_layers=2, epochs=EPOCHS, batch_size=BATCH, random_state=0)
    model.fit(skdl.ParquetRows(first, target="y")[:50_000], np.arange(50_000) % 2)
    rows = skdl.ParquetRows(folder / "train" if kind in {"skdl", "folds"} else first, target="y")
    if kind == "folds":
        with Costs() as costs:
            scores = cross_validate(model, rows, baseline=False)["test_score"]
        return result(costs, scores.mean(), len(rows))
    X, y = (np.asarray(rows), rows.y) if kind == "memory" else (rows, None)
    with Costs() as costs:
        model.fit(X, y)
    test = skdl.ParquetRows(folder / "test.parquet", target="y")
    return result(costs, model.score(test, test.y), len(rows))


def with_keras(folder, kind):
    """Train Keras' model on a stream of row groups."""
    import keras
    import numpy as np
    import pyarrow.dataset
    import tensorflow as tf

    del kind
    folder = Path(folder)

    def stream(path):
        groups = [
            group
            for fragment in pyarrow.dataset.dataset(path).get_fragments()
            for group in fragment.split_by_row_group()
        ]
        rng = np.random.default_rng(0)

        def arrays():
            for number in rng.permutation(len(groups)):
                table = groups[number].to_table()
                order = rng.permutation(table.num_rows)
                X = np.column_stack([table[name].to_numpy() for name in NAMES])
                yield X[order], table["y"].to_numpy()[order].astype(np.float32)[:, None]

        signature = (tf.TensorSpec([None, FEATURES]), tf.TensorSpec([None, 1]))
        data = tf.data.Dataset.from_generator(arrays, output_signature=signature)
        n_rows = sum(group.row_groups[0].num_rows for group in groups)
        return data.rebatch(BATCH).prefetch(tf.data.AUTOTUNE), n_rows

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(64, "relu"), keras.layers.Dense(64, "relu")]
    model = keras.Sequential([keras.Input((FEATURES,)), *layers, keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(stream(folder / "test.parquet")[0], epochs=1, verbose=0)
    data, n_rows = stream(folder / "train")
    with Costs() as costs:
        model.fit(data, epochs=EPOCHS, verbose=0)
    score = model.evaluate(stream(folder / "test.parquet")[0], verbose=0)[1]
    return result(costs, score, n_rows)


def report(medians):
    """Return the table as Markdown."""
    lines = [
        [
            WHAT_IS_RUN[kind],
            f"{values['rows']:,.0f}",
            f"{values['peak'] / MIB:.0f}",
            f"{values['cpu_of_a_row'] * 1e6:.2f}",
            f"{values['wall']:.1f}",
            f"{values['score']:.4f}",
        ]
        for kind, values in medians.items()
    ]
    heads = ["call", "rows", "peak of the process, MB", "CPU µs a row and epoch", "s", "accuracy"]
    note = f"{FEATURES} features, {EPOCHS} epochs, 64-64, batches of {BATCH}."
    return f"{markdown_table(heads, lines)}\n\n{note}\n\n{machine_description(VERSIONS_OF)}"


def main():
    """Measure every kind of call."""
    run_as_child({"skdl": with_skdl, "keras": with_keras})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_common_arguments(parser)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path, help="where the files are made and stay")
    parser.add_argument("--only", nargs="+", choices=WHAT_IS_RUN, default=list(WHAT_IS_RUN))
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_files(folder, options.rows)
        requests = {
            kind: {
                "task": "keras" if kind == "keras" else "skdl",
                "folder": str(folder),
                "kind": kind,
            }
            for kind in options.only
        }
        medians = measure(__file__, requests, options.repeats, keep_caches=options.keep_caches)
    write_report(options, report(medians), medians)


if __name__ == "__main__":
    main()
