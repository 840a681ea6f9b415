"""How long does one row take, and a new process, in the estimator and in its ONNX file?

    python benchmarks/bench_export.py [--repeats 3] [--markdown FILE]

Needs penguins.csv in ``../shared/data`` or in the folder that ``SKDL_DATA`` names. A pipeline
(imputation, scaling, one-hot encoding, 64-64 units with batch normalisation) and
``MLPClassifier.tabular()`` are fitted once; every way to predict runs in processes of its own, on
one thread. Beside them stand the pipeline with SciKeras and ``keras.Model.predict`` of the network
alone, which takes rows that are encoded already.
"""

import argparse
import os
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _harness import (
    add_common_arguments,
    data_folder,
    format_seconds,
    machine_description,
    markdown_table,
    measure,
    run_as_child,
    write_report,
)

ROOT = Path(__file__).resolve().parent.parent
VERSIONS_OF = ("skdl", "onnxruntime", "skl2onnx", "tensorflow", "keras", "scikit-learn", "numpy")
WAYS = {
    "onnx pipeline": "pipeline, ONNX file",
    "skdl pipeline": "pipeline, skdl",
    "scikeras pipeline": "pipeline, SciKeras",
    "onnx tabular": "tabular(), ONNX file",
    "skdl tabular": "tabular(), skdl",
    "keras network": "network alone, keras.Model.predict",
}
FAST, SLOW = 2000, 30


def rows():
    """Return the penguins and their species."""
    import pandas as pd

    frame = pd.read_csv(data_folder() / "penguins.csv")
    return frame, frame.pop("species").to_numpy(object)


def encoded(network, X):
    """Return a pipeline in front of a network."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = X.select_dtypes("number").columns.tolist()
    texts = [name for name in X if name not in numbers]
    fill = SimpleImputer(strategy="most_frequent")
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (make_pipeline(fill, OneHotEncoder()), texts),
    )
    return make_pipeline(columns, network)


def prepare(folder):
    """Fit all that predicts, and write it into a folder."""
    import skdl
    from skdl.export import to_onnx

    folder = Path(folder)
    X, y = rows()
    network = skdl.MLPClassifier(64, batch_norm="before_activation", epochs=20, random_state=0)
    models = {
        "pipeline": encoded(network, X).fit(X, y),
        "tabular": skdl.MLPClassifier.tabular(epochs=20, random_state=0).fit(X, y),
    }
    differences = {}
    for name, model in models.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model))
        report = to_onnx(model, X, folder / f"{name}.onnx")
        differences[name] = {
            "difference": report.largest_difference,
            "bytes": report.n_bytes,
            "pickle_bytes": (folder / f"{name}.pkl").stat().st_size,
        }
    models["pipeline"][-1].model_.save(folder / "network.keras")
    return differences


def predictor(way, folder):
    """Return a function without arguments that predicts one row."""
    kind, _, what = way.partition(" ")
    folder = Path(folder)
    if kind == "onnx":
        from skdl.export import OnnxModel

        model = OnnxModel(folder / f"{what}.onnx")
        row = model.inputs(rows()[0][:1])
        return lambda: model.session_.run(["probabilities"], row)
    X, y = rows()
    if kind == "skdl":
        model = pickle.loads((folder / f"{what}.pkl").read_bytes())  # noqa: S301 - written above
        return lambda: model.predict_proba(X[:1])
    if kind == "keras":
        import keras

        pipeline = pickle.loads((folder / "pipeline.pkl").read_bytes())  # noqa: S301 - as above
        model = keras.saving.load_model(folder / "network.keras")
        row = pipeline[:-1].transform(X[:1])
        return lambda: model.predict(row, verbose=0)
    import keras
    from scikeras.wrappers import KerasClassifier

    def build(meta):
        block = ["dense", "norm", "relu"] * 2
        make = {
            "dense": lambda: keras.layers.Dense(64),
            "norm": lambda: keras.layers.BatchNormalization(momentum=0.9),
            "relu": lambda: keras.layers.Activation("relu"),
        }
        layers = [make[name]() for name in block]
        return keras.Sequential(
            [
                keras.Input((meta["n_features_in_"],)),
                *layers,
                keras.layers.Dense(3, activation="softmax"),
            ]
        )

    loss = "sparse_categorical_crossentropy"
    network = KerasClassifier(build, loss=loss, optimizer="adam", epochs=2, verbose=0)
    model = encoded(network, X).fit(X, y)
    return lambda: model.predict_proba(X[:1])


def one_row(way, folder):
    """Time one row: median and 99th percentile of many calls, in seconds."""
    call = predictor(way, folder)
    call()
    seconds = []
    for _ in range(FAST if way.startswith("onnx") else SLOW * 10 if "skdl" in way else SLOW):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return {"median": statistics.median(seconds), "p99": sorted(seconds)[len(seconds) * 99 // 100]}


COLD = {
    "onnx": """
import importlib.util
spec = importlib.util.spec_from_file_location("onnx_model", {module!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
model = module.OnnxModel({path!r} + ".onnx")
model.predict_proba({row!r})
""",
    "skdl": """
import pickle
with open({path!r} + ".pkl", "rb") as file:
    model = pickle.load(file)
import pandas as pd
row = pd.DataFrame({row!r})
row = row.astype({{name: "str" for name in ("island", "sex")}})
model.predict_proba(row)
""",
    "import numpy": "import numpy",
    "import tensorflow": "import tensorflow",
}


def cold_start(way, folder):
    """Return the CPU seconds of a new process up to its end, one prediction in it."""
    kind, _, what = way.partition(" ")
    frame = rows()[0][:1]
    row = {name: frame[name].tolist() for name in frame}
    code = COLD.get(way) or COLD[kind].format(
        module=str(ROOT / "skdl" / "export" / "_onnx_model.py"),
        path=str(Path(folder) / what), row=row,
    )  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime}


def report(medians, cold, files, repeats):
    """Return the tables as Markdown."""
    ways = [
        [
            label,
            format_microseconds(medians[way]["median"]),
            format_microseconds(medians[way]["p99"]),
        ]
        for way, label in WAYS.items()
        if "missing" not in medians[way]
    ]
    starts = [[label, format_seconds(answer["cpu"])] for label, answer in cold.items()]
    sizes = [
        [name, f"{own['bytes'] / 1000:.1f} KB", f"{own['pickle_bytes'] / 1000:.1f} KB",
         f"{own['difference']:.1e}"]
        for name, own in files.items()
    ]  # fmt: skip
    return (
        "## Predicting from an exported file\n\n"
        f"Penguins, one row as a DataFrame or as arrays for onnxruntime, one thread. Median of "
        f"{repeats} fresh processes.\n\n"
        f"{markdown_table(['one row', 'median', '99th percentile'], ways)}\n\n"
        f"{markdown_table(['a new process with one prediction', 'CPU time'], starts)}\n\n"
        f"{markdown_table(['file', 'ONNX', 'pickle', 'largest difference'], sizes)}\n\n"
        f"{machine_description(VERSIONS_OF)}"
    )


def format_microseconds(seconds):
    """Return a short time with three figures."""
    return f"{1e6 * seconds:.3g} µs" if seconds < 1e-3 else format_seconds(seconds)


def main():
    """Measure and report."""
    run_as_child({"prepare": prepare, "one_row": one_row, "cold_start": cold_start})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_common_arguments(parser)
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, "1")
    with tempfile.TemporaryDirectory() as folder:
        files = measure(__file__, {"files": {"task": "prepare", "folder": folder}}, 1)["files"]
        requests = {way: {"task": "one_row", "way": way, "folder": folder} for way in WAYS}
        medians = measure(__file__, requests, arguments.repeats)
        ways = ("onnx pipeline", "skdl pipeline", "onnx tabular", "skdl tabular")
        labels = {way: WAYS[way] for way in ways} | {
            "import numpy": "import numpy", "import tensorflow": "import tensorflow",
        }  # fmt: skip
        requests = {
            label: {"task": "cold_start", "way": way, "folder": folder}
            for way, label in labels.items()
        }
        cold = measure(__file__, requests, arguments.repeats)
    results = {"one_row": medians, "cold_start": cold, "files": files}
    write_report(arguments, report(medians, cold, files, arguments.repeats), results)


if __name__ == "__main__":
    main()
