"""What do int8 kernels save, and what do they cost?

    python benchmarks/bench_int8.py [--repeats 1] [--markdown FILE]

Needs mnist.npz and penguins.csv in ``../shared/data`` or in the folder that ``SKDL_DATA`` names. A
CNN of 206,922 weights on MNIST, an MLP of 85,002 on digits and a pipeline with an MLP of 69,379 on
penguins are fitted on training rows, the CNN also for 10 epochs with and without ``sparsity=0.9``.
They are exported with ``quantize=None`` and ``"int8"``, with 500 training rows as representative;
accuracy is that of rows which neither saw.
"""

import argparse
import gzip
import statistics
import tempfile
import time
from pathlib import Path

from _harness import (
    add_common_arguments,
    data_folder,
    machine_description,
    markdown_table,
    measure,
    run_as_child,
    write_report,
)

VERSIONS_OF = ("skdl", "onnxruntime", "ai-edge-litert", "tensorflow", "keras", "numpy")
N_REPRESENTATIVE, N_CALLS = 500, 2000


def mnist():
    """Return a CNN and the rows of MNIST, 8,000 to train on."""
    import numpy as np

    import skdl

    with np.load(data_folder() / "mnist.npz", allow_pickle=False) as data:
        rows = data["x_train"][:8000], data["y_train"][:8000], data["x_test"], data["y_test"]
    return skdl.CNNClassifier(filters=(16, 32), epochs=4, random_state=0), rows


def long_mnist():
    """Return the CNN for as many epochs as its pruned twin."""
    network, rows = mnist()
    return network.set_params(epochs=10), rows


def sparse_mnist():
    """Return the CNN with nine of ten kernel weights at zero."""
    network, rows = long_mnist()
    return network.set_params(sparsity=0.9), rows


def digits():
    """Return an MLP and the rows of digits."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    import skdl

    X, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    network = skdl.MLPClassifier(256, epochs=20, random_state=0)
    return network, (train, y_train, test, y_test)


def penguins():
    """Return a pipeline and the rows of penguins."""
    import pandas as pd
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    import skdl

    frame = pd.read_csv(data_folder() / "penguins.csv")
    y = frame.pop("species").to_numpy(object)
    fill = SimpleImputer(strategy="most_frequent")
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()),
         make_column_selector(dtype_include="number")),
        (make_pipeline(fill, OneHotEncoder()), make_column_selector(dtype_exclude="number")),
    )  # fmt: skip
    network = skdl.MLPClassifier(256, epochs=20, random_state=0)
    train, test, y_train, y_test = train_test_split(frame, y, random_state=0)
    return make_pipeline(columns, network), (train, y_train, test, y_test)


TASKS = {
    "MNIST, CNN": mnist,
    "MNIST, CNN for 10 epochs": long_mnist,
    "MNIST, CNN for 10 epochs with sparsity=0.9": sparse_mnist,
    "digits, MLP": digits,
    "penguins, pipeline": penguins,
}


def export(which):
    """Fit, export in every form, and score the files."""
    estimator, (X, y, X_test, y_test) = TASKS[which]()
    estimator.fit(X, y)
    answer = {"estimator": score(estimator.predict(X_test), y_test)}
    network = estimator[-1] if hasattr(estimator, "steps") else estimator
    answer["weights"] = network.model_.count_params()
    answer["nonzero"] = network.n_nonzero_weights_
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for quantize in (None, "int8"):
            answer[f"ONNX {quantize}"] = of_onnx(
                estimator, X[:N_REPRESENTATIVE], X_test, y_test, path, quantize
            )
        if network is estimator:
            for quantize in (None, "float16", "int8"):
                answer[f"LiteRT {quantize}"] = of_litert(
                    estimator, X[:N_REPRESENTATIVE], X_test, y_test, path, quantize
                )
    return answer


def of_onnx(estimator, X, X_test, y_test, path, quantize):
    """Return size, accuracy and time of an ONNX file."""
    from skdl.export import OnnxModel, to_onnx

    to_onnx(estimator, X, path, quantize=quantize)
    model = OnnxModel(path)
    row = model.inputs(X_test[:1])
    seconds = median(lambda: model.session_.run(["probabilities"], row))
    return of_file(path) | {"seconds": seconds, "score": score(model.predict(X_test), y_test)}


def of_litert(estimator, X, X_test, y_test, path, quantize):
    """Return size, accuracy and time of a file of LiteRT."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from skdl.export import to_litert

    to_litert(estimator, X, path, quantize=quantize)
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]
    labels = []
    for row in np.asarray(X_test, np.float32):
        interpreter.set_tensor(given, row[None])
        interpreter.invoke()
        labels.append(estimator.classes_[interpreter.get_tensor(result)[0].argmax()])
    seconds = median(interpreter.invoke)
    return of_file(path) | {"seconds": seconds, "score": score(np.array(labels), y_test)}


def of_file(path):
    """Return the size of a file, as it is and compressed."""
    content = path.read_bytes()
    return {"bytes": len(content), "gzip": len(gzip.compress(content))}


def score(labels, y):
    """Return the accuracy in percent."""
    return 100 * float((labels == y).mean())


def median(call):
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(N_CALLS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def report(results):
    """Return the tables as Markdown."""
    tables = []
    for task, answer in results.items():
        rows = []
        for name, own in answer.items():
            if not isinstance(own, dict):
                continue
            runtime, _, quantize = name.partition(" ")
            whole = answer[f"{runtime} None"]
            rows.append([
                runtime, quantize.replace("None", "float32"), f"{own['bytes'] / 1000:.1f} KB",
                f"{own['bytes'] / whole['bytes']:.2f}", f"{own['gzip'] / 1000:.1f} KB",
                f"{own['score']:.2f} %", f"{own['score'] - answer['estimator']:+.2f}",
                f"{1e6 * own['seconds']:.3g} µs",
            ])  # fmt: skip
        headers = ["file", "kernels", "size", "of float32", "compressed", "accuracy",
                   "from the estimator", "one row"]  # fmt: skip
        tables.append(
            f"### {task}, {answer['weights']:,} weights, {answer['nonzero']:,} in kernels not zero"
            f"\n\n{markdown_table(headers, rows)}"
        )
    return (
        "## Files with kernels of int8\n\n"
        + "\n\n".join(tables)
        + "\n\nOne thread; 500 representative rows of the training data at most.\n\n"
        + f"{machine_description(VERSIONS_OF)}"
    )


def main():
    """Measure and report."""
    run_as_child({"export": export})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_common_arguments(parser)
    arguments = parser.parse_args()
    requests = {task: {"task": "export", "which": task} for task in TASKS}
    results = measure(__file__, requests, arguments.repeats)
    write_report(arguments, report(results), results)


if __name__ == "__main__":
    main()
