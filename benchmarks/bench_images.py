"""How good and how fast are networks for images?

    python benchmarks/bench_images.py [--only mnist,digits,transfer,memory] [--markdown FILE]

Needs mnist.npz, ants_bees_128.npz and the MobileNet weights in ``../shared/data`` or in the folder
that ``SKDL_DATA`` names; digits come with scikit-learn. Slow peers run fewer fits and are scaled;
the tables say where. Expect the whole to take half an hour on two cores, half of it for MNIST.
"""

import argparse
import itertools
import statistics
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
    tell,
    timed,
    write_report,
)

VERSIONS_OF = ("skdl", "tensorflow", "keras", "scikeras", "scikit-learn", "numpy")
MNIST = {"filters": (32, 64), "dropout": 0.5, "batch_size": 128, "random_state": 0}
N_VALIDATION = 6_000
TIMED_EPOCHS = 3
DIGITS = {"filters": 32, "dropout": 0.3, "epochs": 30, "random_state": 0}
WEIGHTS = "mobilenet_2_5_224_tf_no_top.h5"


def mnist_images():
    """Return 54,000 images to learn from, 6,000 to stop by, and the test images."""
    import numpy as np

    with np.load(data_folder() / "mnist.npz", allow_pickle=False) as data:
        X, y, X_test, y_test = (data[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    return X[N_VALIDATION:], y[N_VALIDATION:], X[:N_VALIDATION], y[:N_VALIDATION], X_test, y_test


class Stopwatch:
    """Seconds of each epoch of a fit, as a Keras callback."""

    def __new__(cls):
        """Return the callback; Keras is imported by then."""
        import keras

        class EpochTimes(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                del logs
                self.seconds, self.last = [], time.perf_counter()

            def on_epoch_end(self, epoch, logs=None):
                del logs
                now = time.perf_counter()
                self.seconds.append(now - self.last)
                self.last = now
                tell(f"epoch {epoch + 1}: {format_seconds(self.seconds[-1])}")

        return EpochTimes()


# ------------------------------------------------------------------------- tasks of the children


def mnist_accuracy():
    """Train once, stopped by the validation images, and judge once on the test images."""
    _peers.import_libraries("skdl")
    import skdl

    X, y, X_val, y_val, X_test, y_test = mnist_images()
    network = skdl.CNNClassifier(
        **MNIST, epochs=30, early_stopping=True, patience=2, metrics=["accuracy"],
        monitor="val_accuracy", callbacks=[Stopwatch()],
    )  # fmt: skip
    seconds, _ = timed(network.fit, X, y, X_val=X_val, y_val=y_val)
    return {
        "seconds": seconds,
        "epochs": network.n_iter_,
        "best_epoch": network.best_epoch_,
        "accuracy": network.score(X_test, y_test),
    }


def mnist_epochs(peer):
    """Time some epochs of the same network, in our graph or by ``keras.Model.fit``."""
    _peers.import_libraries("skdl")
    import skdl
    from skdl.training import Observer

    X, y, *_ = mnist_images()
    network = skdl.CNNClassifier(**MNIST, epochs=1 if peer == "keras" else TIMED_EPOCHS)
    if peer == "keras":
        model = network.fit(X[:256], y[:256]).model_
        stopwatch = Stopwatch()
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        model.fit(
            X[..., None], y, batch_size=MNIST["batch_size"], epochs=TIMED_EPOCHS,
            callbacks=[stopwatch], verbose=0,
        )  # fmt: skip
        return {"epochs": stopwatch.seconds}
    marks = [time.perf_counter()]

    class Marks(Observer):
        def on_epoch_end(self, member, epoch, logs):
            del member, logs
            marks.append(time.perf_counter())
            tell(f"epoch {epoch + 1}: {format_seconds(marks[-1] - marks[-2])}")

    network.set_params(callbacks=Marks()).fit(X, y)
    return {"epochs": [b - a for a, b in itertools.pairwise(marks)]}


def digits(peer, n_fits):
    """Cross-validate the same network, flat pixels through a scaler."""
    _peers.import_libraries(peer)
    from sklearn.datasets import load_digits
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    X, y = load_digits(return_X_y=True)
    cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
    if peer == "skdl":
        import skdl

        network = skdl.CNNClassifier(**DIGITS, image_shape=(8, 8))
        with skdl.lockstep():
            seconds, scores = timed(
                cross_val_score, make_pipeline(MinMaxScaler(), network), X, y, cv=cv
            )
        return {"seconds": seconds, "timed": seconds, "accuracy": float(scores.mean())}
    pipeline = make_pipeline(MinMaxScaler(), scikeras_cnn())
    fits, scores = [], []
    for train, test in itertools.islice(cv.split(X, y), n_fits):
        started = time.perf_counter()
        pipeline.fit(X[train], y[train])
        # SciKeras' own scorer does not see a classifier under scikit-learn 1.9.
        scores.append(float((pipeline.predict(X[test]) == y[test]).mean()))
        fits.append(time.perf_counter() - started)
        tell(f"fit {len(fits)}: {format_seconds(fits[-1])}")
    n_all = cv.get_n_splits()
    # The first fit holds the start of the library, which is paid once.
    seconds = fits[0] + (n_all - 1) * statistics.mean(fits[1:])
    return {"seconds": seconds, "timed": sum(fits), "accuracy": statistics.mean(scores)}


def scikeras_cnn():
    """Return the network of ``DIGITS`` for SciKeras."""
    from scikeras.wrappers import KerasClassifier

    def build():
        import keras

        layers = [keras.Input((64,)), keras.layers.Reshape((8, 8, 1))]
        for filters in (DIGITS["filters"], 2 * DIGITS["filters"]):
            layers += [
                keras.layers.Conv2D(filters, 3, padding="same", activation="relu"),
                keras.layers.MaxPooling2D(2),
            ]
        layers += [
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(DIGITS["dropout"]),
            keras.layers.Dense(10, activation="softmax"),
        ]
        return keras.Sequential(layers)

    return KerasClassifier(
        model=build, loss="sparse_categorical_crossentropy", optimizer="adam",
        epochs=DIGITS["epochs"], batch_size=32, verbose=0,
    )  # fmt: skip


def transfer(is_recomputed):
    """Cross-validate a head on a frozen backbone; features once per image, or for every fold."""
    _peers.import_libraries("skdl")
    import numpy as np

    import skdl
    from skdl.model_selection import cross_validate

    with np.load(data_folder() / "ants_bees_128.npz", allow_pickle=False) as data:
        X, y = data["x_train"], data["y_train"]
    network = skdl.PretrainedCNNClassifier(
        "MobileNet", weights=data_folder() / WEIGHTS, backbone_params={"alpha": 0.25},
        hidden_layers=0, epochs=100, random_state=0,
    )  # fmt: skip
    network.fit(X[:32], y[:32])  # the backbone's graph is built for both
    if is_recomputed:
        # A network that holds its backbone takes the training images of each fold, 4 fifths of
        # all, through it in every epoch, and the others once.
        per_pass, _ = timed(network._extractor._compute, X, np.arange(len(X)))  # noqa: SLF001
        return {"seconds": per_pass * (5 * 0.8 * network.epochs + 1)}
    seconds, result = timed(cross_validate, network, X, y, cv=5, baseline=False)
    return {"seconds": seconds, "accuracy": float(result["test_score"].mean())}


def memory():
    """Return what cross-validating all MNIST images adds to what the process held before."""
    _peers.import_libraries("skdl")
    import threading

    import numpy as np
    import psutil

    import skdl
    from skdl.model_selection import cross_validate

    process = psutil.Process()
    network = skdl.CNNClassifier(filters=(8, 8), hidden_units=32, batch_size=256, epochs=1)
    rng = np.random.default_rng(0)
    few = rng.integers(0, 256, (2_000, 28, 28), dtype=np.uint8)
    cross_validate(network, few, rng.integers(0, 10, 2_000), cv=5, baseline=False)  # warm
    without_images = process.memory_info().rss
    with np.load(data_folder() / "mnist.npz", allow_pickle=False) as data:
        X, y = data["x_train"], data["y_train"]
    with_images = process.memory_info().rss
    most, done = [with_images], threading.Event()

    def watch():
        while not done.wait(0.01):
            most[0] = max(most[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    cross_validate(network, X, y, cv=5, baseline=False)
    done.set()
    watcher.join()
    return {
        "array": X.nbytes,
        "beyond_the_images": most[0] - with_images,
        "images_included": most[0] - without_images,
    }


TASKS = {
    "mnist_accuracy": mnist_accuracy,
    "mnist_epochs": mnist_epochs,
    "digits": digits,
    "transfer": transfer,
    "memory": memory,
}


# ------------------------------------------------------------------------------------- sections


def mnist_section(arguments):
    """Accuracy on the test images, and the time of an epoch beside Keras."""
    once = measure(__file__, {"mnist": {"task": "mnist_accuracy"}}, 1)["mnist"]
    epochs = measure(
        __file__,
        {peer: {"task": "mnist_epochs", "peer": peer} for peer in ("skdl", "keras")},
        arguments.repeats,
    )
    # The first epoch holds tracing and, in Keras, building.
    later = {peer: statistics.median(answer["epochs"][1:]) for peer, answer in epochs.items()}
    text = (
        "### MNIST\n\n32 and 64 filters, dropout 0.5, batches of 128, early stopping with patience "
        "2 on the accuracy of 6,000 images, trained on the other 54,000 and judged once on the "
        f"10,000 test images: accuracy {once['accuracy']:.4f} after {once['epochs']} epochs (best "
        f"{once['best_epoch']}), in {format_seconds(once['seconds'])}.\n\n"
    )
    rows = [
        [name, format_seconds(later[peer]), format_ratio(later[peer], later["skdl"])]
        for peer, name in (("skdl", "skdl"), ("keras", "keras.Model.fit, same network"))
    ]
    table = markdown_table(["54,000 images, no validation", "an epoch", "ratio to skdl"], rows)
    return text + table, {"accuracy": once, "epochs": epochs}


def digits_section(arguments):
    """5×2 iterated K-fold of the digits beside SciKeras."""
    requests = {
        peer: {"task": "digits", "peer": peer, "n_fits": 3} for peer in ("skdl", "scikeras")
    }
    answers = measure(__file__, requests, arguments.repeats)
    rows = [
        [
            _peers.LABELS[peer],
            format_seconds(answer["seconds"]),
            format_ratio(answer["seconds"], answers["skdl"]["seconds"]),
            f"{answer['accuracy']:.4f}",
            "all fits" if peer == "skdl" else "3 of 10 fits, scaled",
        ]
        for peer, answer in answers.items()
    ]
    text = (
        "### Digits, 5×2 iterated K-fold\n\nFlat rows through a `MinMaxScaler`; 32 and 64 filters, "
        "dropout 0.3, 30 epochs, batches of 32.\n\n"
    )
    headers = ["", "time", "ratio to skdl", "accuracy", "timed on"]
    return text + markdown_table(headers, rows), answers


def transfer_section(arguments):
    """5 folds of a head on a frozen backbone."""
    requests = {
        "once": {"task": "transfer", "is_recomputed": False},
        "always": {"task": "transfer", "is_recomputed": True},
    }
    answers = measure(__file__, requests, arguments.repeats)
    names = {
        "once": "features once per image",
        "always": "through the backbone in every epoch (one pass timed, scaled)",
    }
    rows = [
        [
            names[key],
            format_seconds(answer["seconds"]),
            format_ratio(answer["seconds"], answers["once"]["seconds"]),
        ]
        for key, answer in answers.items()
    ]
    text = (
        "### Transfer learning, 5 folds\n\n245 photographs of 128×128, MobileNet (alpha 0.25) with "
        "ImageNet weights, 100 epochs of a linear head.\n\n"
    )
    return text + markdown_table(["", "time", "ratio"], rows), answers


def memory_section(arguments):
    """Memory that 60,000 images take."""
    answer = measure(__file__, {"memory": {"task": "memory"}}, arguments.repeats)["memory"]
    rows = [
        [name, f"{answer[key] / 2**20:.0f} MiB", f"{answer[key] / answer['array']:.1f}×"]
        for key, name in (
            ("array", "the images"),
            ("beyond_the_images", "cross-validation beyond them, at its peak"),
            ("images_included", "both"),
        )
    ]
    text = (
        "### Memory\n\n`cross_validate` of all 60,000 uint8 images with 5 folds, after a "
        "cross-validation of few others.\n\n"
    )
    return text + markdown_table(["", "memory", "to the images"], rows), answer


SECTIONS = {
    "mnist": mnist_section,
    "digits": digits_section,
    "transfer": transfer_section,
    "memory": memory_section,
}


def main():
    """Run the sections that the command line names."""
    run_as_child(TASKS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_common_arguments(parser)
    parser.add_argument("--only", default=",".join(SECTIONS), help="some of %(default)s")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if unknown := set(names) - set(SECTIONS):
        parser.error(f"unknown sections: {', '.join(sorted(unknown))}")
    parts, medians = ["## Images", machine_description(VERSIONS_OF)], {}
    for name in names:
        text, medians[name] = SECTIONS[name](arguments)
        parts.append(text)
    write_report(arguments, "\n\n".join(parts), medians)


if __name__ == "__main__":
    main()
