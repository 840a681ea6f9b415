"""What does a step cost on a GPU, what crosses the bus, and where does XLA begin to pay?

    python benchmarks/bench_gpu.py [--rows 20000] [--most-members 500] [--parts steps bus tf32 cnn]

Tables of

- ``steps``: milliseconds of a step for stacks of 1 to 500 networks, in the plain graph and by XLA,
  the seconds until the first epoch is over, the peak of the device's memory, and Keras beside it;
- ``bus``: copies from and to the host in an epoch, for 10 and 100 features;
- ``tf32``: test scores with TensorFloat-32 and without;
- ``cnn``: five image networks in lockstep and one after another.

The prices of `skdl.training.engine._plan` for a GPU are to be set by ``steps``. It runs without a
GPU, too, which shows that it works and nothing else.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from _harness import markdown_table
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.metrics import r2_score

import skdl
from skdl.training import _part

WIDTHS = (64, 256, 512)
MEMBERS = (1, 10, 100, 500)
BATCH_SIZE = 256
EPOCHS = 3
HAS_GPU = bool(tf.config.list_physical_devices("GPU"))


def table(n_rows, n_features=20):
    """Return inputs and targets of a smooth regression."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=n_rows)


def together(estimator, X, y, n_members):
    """Train networks in lockstep; return the seconds of the first epoch and of a later one."""
    seconds = []
    # The first traces and compiles, which the others need no more.
    for epochs in (1, 1, 1 + EPOCHS):
        estimators = [
            clone(estimator).set_params(epochs=epochs, random_state=i) for i in range(n_members)
        ]
        start = time.perf_counter()
        fit_all(estimators, X, y)
        seconds.append(time.perf_counter() - start)
    return seconds[0], (seconds[2] - seconds[1]) / EPOCHS


def fit_all(estimators, X, y):
    """Fit estimators in lockstep."""
    with skdl.lockstep():
        return Parallel(n_jobs=-1)(delayed(e.fit)(X, y) for e in estimators)


def peak_memory():
    """Return the peak of the device's memory in MB since the last call."""
    if not HAS_GPU:
        return float("nan")
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6
    tf.config.experimental.reset_memory_stats("GPU:0")
    return peak


def by_keras(width, X, y):
    """Return the seconds of the first epoch of Keras and of a later one."""
    import keras

    layers = [keras.layers.Dense(width, "relu"), keras.layers.Dense(width, "relu")]
    model = keras.Sequential([keras.Input(X.shape[1:]), *layers, keras.layers.Dense(1)])
    model.compile("adam", "mse", jit_compile=True)
    seconds = []
    for epochs in (1, EPOCHS):
        start = time.perf_counter()
        model.fit(X, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
        seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1] / EPOCHS


def steps(given):
    """Print what a step costs."""
    X, y = table(given.rows)
    n_steps = -(-len(X) // BATCH_SIZE)
    rows = []
    for width in given.widths:
        first, later = by_keras(width, X, y)
        rows.append(
            [f"{width}-{width}", 1, "Keras, XLA", 1e3 * later / n_steps, first, peak_memory()]
        )
        network = skdl.MLPRegressor((width, width), batch_size=BATCH_SIZE)
        for n_members in (m for m in MEMBERS if m <= given.most_members):
            for compiled in (False, True):
                _part.worth_compiling = lambda *_, compiled=compiled: compiled
                first, later = together(network, X, y, n_members)
                rows.append([
                    f"{width}-{width}", n_members, "XLA" if compiled else "plain",
                    1e3 * later / n_steps, first, peak_memory(),
                ])  # fmt: skip
        columns = ["units", "networks", "graph", "ms a step", "first epoch s", "peak MB"]
        print(
            markdown_table(
                columns, [[*map(str, r[:3]), *(f"{n:.2f}" for n in r[3:])] for r in rows]
            )
        )


def copies_of(train):
    """Count the copies from and to the host while something runs."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        train()
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for file in Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(file.read_bytes())
    counts = {"MemcpyH2D": 0, "MemcpyD2H": 0}
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                for kind in counts:
                    counts[kind] += name.startswith(kind)
    return counts


def bus(given):
    """Print what crosses the bus in an epoch: it must not grow with rows times features."""
    rows = []
    for n_features in (10, 100):
        X, y = table(given.rows, n_features)
        for compiled in (False, True):
            _part.worth_compiling = lambda *_, compiled=compiled: compiled
            counts = []
            for epochs in (1, 1 + EPOCHS):
                network = skdl.MLPRegressor(
                    (64, 64), dropout=0.2, batch_size=BATCH_SIZE, epochs=epochs, random_state=0
                )
                network.fit(X, y)  # traces and compiles
                counts.append(copies_of(lambda network=network, X=X, y=y: network.fit(X, y)))
            rows.append([
                str(n_features), "XLA" if compiled else "plain",
                *(f"{(counts[1][kind] - counts[0][kind]) / EPOCHS:.1f}" for kind in counts[0]),
            ])  # fmt: skip
    print(f"{-(-given.rows // BATCH_SIZE)} steps an epoch\n")
    print(markdown_table(["features", "graph", "copies to the GPU", "from it"], rows))


def tf32(given):
    """Print test scores with TensorFloat-32 and without."""
    X, y = table(given.rows)
    half = len(X) // 2
    rows = []
    for is_on in (True, False):
        tf.config.experimental.enable_tensor_float_32_execution(is_on)
        scores = []
        start = time.perf_counter()
        for seed in range(5):
            network = skdl.MLPRegressor(
                (256, 256), batch_size=BATCH_SIZE, epochs=5, random_state=seed
            )
            scores.append(r2_score(y[half:], network.fit(X[:half], y[:half]).predict(X[half:])))
        seconds = time.perf_counter() - start
        rows.append(
            [str(is_on), f"{np.mean(scores):.5f}", f"{np.std(scores):.5f}", f"{seconds:.1f}"]
        )
    tf.config.experimental.enable_tensor_float_32_execution(enabled=True)
    print(markdown_table(["TensorFloat-32", "mean R²", "spread over seeds", "seconds"], rows))


def cnn(given):
    """Print what five image networks cost in lockstep, and one after another."""
    rng = np.random.default_rng(0)
    n_images = max(64, given.rows // 10)
    X = rng.integers(0, 256, (n_images, 32, 32, 3), np.uint8)
    y = rng.integers(0, 10, n_images)
    network = skdl.CNNClassifier(batch_size=64, epochs=EPOCHS)
    estimators = [clone(network).set_params(random_state=i) for i in range(5)]
    rows = []
    for name, fit in (
        ("one after another", lambda: [e.fit(X, y) for e in estimators]),
        ("in lockstep", lambda: fit_all(estimators, X, y)),
    ):
        fit()  # traces and compiles
        start = time.perf_counter()
        fit()
        rows.append([name, f"{time.perf_counter() - start:.1f}", f"{peak_memory():.0f}"])
    print(markdown_table(["five CNNs", "seconds", "peak MB"], rows))


def main():
    """Print the tables that are asked for."""
    parts = {"steps": steps, "bus": bus, "tf32": tf32, "cnn": cnn}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--widths", type=int, nargs="*", default=WIDTHS)
    parser.add_argument("--most-members", type=int, default=max(MEMBERS))
    parser.add_argument("--parts", nargs="*", default=list(parts), choices=parts)
    given = parser.parse_args()
    print("devices:", [d.name for d in tf.config.list_physical_devices()])
    rule = _part.worth_compiling
    for name in given.parts:
        print(f"\n## {name}\n", flush=True)
        _part.worth_compiling = rule
        parts[name](given)


if __name__ == "__main__":
    main()
