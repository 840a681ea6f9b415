"""Callbacks of Keras, of the user and of scikit-learn; progress on the screen."""

import csv
import itertools
import logging
import re

import keras
import numpy as np
import pytest
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import MLPClassifier, MLPRegressor
from skdl.exceptions import DivergenceError
from skdl.layers import keras_model
from skdl.training import Observer, initial_weights
from skdl.training.engine._member import Member
from tests.checks import slow_case

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

PLAIN = {
    "hidden_units": 8,
    "learning_rate": 0.01,
    "epochs": 5,
    "shuffle": False,
    "target_scaling": False,
    "random_state": 0,
}
KERAS_PATH = "keras.Model.fit"


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    y = (y - y.mean()) / y.std()
    return {"X": X[:100], "y": y[:100], "X_val": X[100:], "y_val": y[100:]}


@pytest.fixture
def log(caplog):
    with caplog.at_level(logging.INFO, logger="skdl"):
        yield caplog


class Watcher(keras.callbacks.Callback):
    """Hands every epoch's number, logs and weights to a function."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def on_epoch_end(self, epoch, logs=None):
        self.told(epoch, dict(logs), self.model)


class BatchWatcher(keras.callbacks.Callback):
    def __init__(self, told):
        super().__init__()
        self.told = told

    def on_train_batch_end(self, batch, logs=None):
        self.told(batch)


def fit(data, *callbacks, **params):
    return MLPRegressor(**PLAIN | {"callbacks": list(callbacks)} | params).fit(**data)


def fit_by_keras(data, *callbacks):
    """Return the predictions of a Keras model with our initial weights, trained by Keras."""
    job = MLPRegressor(**PLAIN)._make_job(data["X"], data["y"])
    model = keras_model(job.network)
    model.set_weights(initial_weights(job))
    model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    model.fit(
        data["X"],
        data["y"][:, None],
        validation_data=(data["X_val"], data["y_val"][:, None]),
        epochs=5,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    return np.asarray(model(data["X"]))[:, 0]


def halved(epoch, learning_rate):
    return learning_rate if epoch == 0 else learning_rate / 2


def test_early_stopping_of_keras_stops_and_restores(data, log):
    stopping = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    model = fit(data, stopping, epochs=300, hidden_units=64)
    losses = model.history_["val_loss"]
    assert model.n_iter_ == len(losses) == np.argmin(losses) + 1 + 3 < 300
    loss = mean_squared_error(data["y_val"], model.predict(data["X_val"]))
    assert loss == pytest.approx(min(losses), rel=1e-5)
    assert KERAS_PATH not in log.text


@pytest.mark.parametrize("weights_only", [False, True])
def test_model_checkpoint_holds_the_model_of_its_epoch(weights_only, data, log, tmp_path):
    suffix = ".weights.h5" if weights_only else ".keras"
    checkpoint = keras.callbacks.ModelCheckpoint(
        str(tmp_path / f"{{epoch}}{suffix}"), save_weights_only=weights_only
    )
    model = fit(data, checkpoint, epochs=3)
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}{suffix}" for n in (1, 2, 3)}
    saved = model.model_
    for epoch in (3, 1):
        if weights_only:
            saved.load_weights(tmp_path / f"{epoch}{suffix}")
        else:
            saved = keras.models.load_model(tmp_path / f"{epoch}{suffix}")
        expected = fit(data, epochs=epoch).predict(data["X"])
        np.testing.assert_allclose(
            saved.predict(data["X"], verbose=0)[:, 0], expected, rtol=1e-4, atol=1e-6
        )
    assert KERAS_PATH not in log.text


@pytest.mark.parametrize(
    "callback",
    [
        # Held against Keras in test_callbacks_of_keras too.
        slow_case(lambda: keras.callbacks.LearningRateScheduler(halved)),
        lambda: keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.3, min_delta=100.0),
    ],
    ids=["LearningRateScheduler", "ReduceLROnPlateau"],
)
def test_learning_rates_change_as_in_keras(callback, data, log):
    model = fit(data, callback())
    assert KERAS_PATH not in log.text
    np.testing.assert_allclose(
        model.predict(data["X"]), fit_by_keras(data, callback()), rtol=1e-4, atol=1e-5
    )
    assert not np.allclose(model.predict(data["X"]), fit(data).predict(data["X"]), rtol=1e-2)


def test_csv_logger_writes_the_history(data, log, tmp_path):
    model = fit(data, keras.callbacks.CSVLogger(tmp_path / "log.csv"))
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(5))
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose([float(row[name]) for row in rows], model.history_[name])
    assert KERAS_PATH not in log.text


def test_tensorboard_gets_a_file_with_both_losses(data, log, tmp_path):
    fit(data, keras.callbacks.TensorBoard(tmp_path))
    for side in ("train", "validation"):
        (events,) = (tmp_path / side).glob("events.out.tfevents.*")
        assert b"epoch_loss" in events.read_bytes()
    assert KERAS_PATH not in log.text


def test_terminate_on_nan_stays_in_the_graph(data, log):
    assert fit(data, keras.callbacks.TerminateOnNaN()).n_iter_ == 5
    assert KERAS_PATH not in log.text
    with pytest.raises(DivergenceError, match="epoch 1"):
        fit(data, keras.callbacks.TerminateOnNaN(), optimizer="sgd", learning_rate=1e30)


def test_lambda_callback_is_told_of_train_and_epochs(data, log):
    told = []
    fit(
        data,
        keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: told.append("train begin"),
            on_epoch_begin=lambda epoch, logs: told.append(f"{epoch} begin"),
            on_epoch_end=lambda epoch, logs: told.append(f"{epoch} {' '.join(sorted(logs))}"),
            on_train_end=lambda logs: told.append("train end"),
        ),
        epochs=2,
    )
    assert told == [
        "train begin",
        "0 begin",
        "0 loss val_loss",
        "1 begin",
        "1 loss val_loss",
        "train end",
    ]
    assert KERAS_PATH not in log.text


def test_callback_sees_the_weights_of_its_epoch(data):
    seen = []
    model = fit(
        data, Watcher(lambda epoch, logs, keras_model: seen.append(keras_model.get_weights()))
    )
    for earlier, later in itertools.pairwise(seen):
        assert not np.allclose(earlier[0], later[0])
    for last, final in zip(seen[-1], model.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(last, final)


def test_logs_are_the_history(data):
    seen = []
    model = fit(data, Watcher(lambda epoch, logs, _: seen.append(logs)), metrics=["mae"])
    for name, values in model.history_.items():
        assert [logs[name] for logs in seen] == pytest.approx(values)


def test_callback_may_stop_training(data):
    def stop_after_second(epoch, _, keras_model):
        keras_model.stop_training = epoch == 1

    assert fit(data, Watcher(stop_after_second)).n_iter_ == 2


def test_weights_that_a_callback_sets_are_trained_on(data):
    def reset(epoch, _, keras_model):
        keras_model.set_weights([np.zeros_like(weight) for weight in keras_model.get_weights()])

    model = fit(data, Watcher(reset))
    np.testing.assert_array_equal(model.predict(data["X"]), 0)


@pytest.mark.parametrize("Callback", [Watcher, BatchWatcher])
def test_exception_of_a_callback_reaches_the_caller(Callback, data):
    def fail(*_):
        raise OSError("the disk of the user is full")

    with pytest.raises(OSError, match="disk of the user"):
        fit(data, Callback(fail))


def test_batch_hooks_take_the_keras_path_and_the_log_says_why(data, log):
    batches = []
    model = fit(data, BatchWatcher(batches.append), batch_size=32)
    assert batches == [0, 1, 2, 3] * 5
    (message,) = [
        record.getMessage() for record in log.records if KERAS_PATH in record.getMessage()
    ]
    assert "BatchWatcher" in message
    assert "batches" in message
    np.testing.assert_allclose(
        model.predict(data["X"]), fit(data, batch_size=32).predict(data["X"]), rtol=1e-4, atol=1e-5
    )


def test_keras_path_gives_the_same_attributes(data):
    graph = fit(data, metrics=["mae"])
    by_keras = fit(data, BatchWatcher(lambda _: None), metrics=["mae"])
    assert vars(by_keras).keys() == vars(graph).keys()
    assert by_keras.n_iter_ == graph.n_iter_
    assert by_keras.best_epoch_ == graph.best_epoch_
    assert by_keras.history_.keys() == graph.history_.keys()
    for name, values in graph.history_.items():
        np.testing.assert_allclose(by_keras.history_[name], values, rtol=1e-4, err_msg=name)


def test_keras_path_takes_rows_in_the_order_of_the_graph(data):
    # Rounding grows over the steps; another order of rows would be off by percents at once.
    params = {"shuffle": True, "batch_size": 32, "epochs": 3}
    graph, by_keras = fit(data, **params), fit(data, BatchWatcher(lambda _: None), **params)
    np.testing.assert_allclose(by_keras.history_["loss"], graph.history_["loss"], rtol=1e-5)
    np.testing.assert_allclose(by_keras.predict(data["X"]), graph.predict(data["X"]), atol=1e-4)


def furthest(y_true, y_pred):
    return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)


@pytest.mark.slow
def test_keras_path_reports_metrics_in_the_units_of_the_target(data):
    metrics = ["mae", keras.metrics.RootMeanSquaredError(), keras.metrics.R2Score(), furthest]
    data = {**data, "y": data["y"] * 50 + 100, "y_val": data["y_val"] * 50 + 100}
    params = {"target_scaling": True, "metrics": metrics, "epochs": 2}
    by_keras = fit(data, BatchWatcher(lambda _: None), **params)
    for name, values in fit(data, **params).history_.items():
        np.testing.assert_allclose(by_keras.history_[name], values, rtol=1e-4, err_msg=name)
    error = np.abs(by_keras.predict(data["X_val"]) - data["y_val"]).mean()
    assert by_keras.history_["val_mae"][-1] == pytest.approx(error, rel=1e-4)


@pytest.fixture
def sklearn_callback():
    return pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")


class EpochCounter:
    """Counts epochs; a class attribute, because meta-estimators may copy a callback."""

    max_propagation_depth = None
    ended: list[str] = []  # noqa: RUF012
    stop_after = None

    def setup(self, estimator, context):
        type(self).ended.clear()

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.estimator_name == "MLPClassifier" and context.max_subtasks == 0:
            type(self).ended.append(context.task_name)
            return len(type(self).ended) == self.stop_after
        return False

    def teardown(self, estimator, context):
        pass


SMALL = {"hidden_units": 4, "epochs": 3, "random_state": 0}


def test_scikit_learn_callback_is_told_of_every_epoch(sklearn_callback, iris):
    model = MLPClassifier(**SMALL).set_callbacks(EpochCounter()).fit(*iris)
    assert model.n_iter_ == len(EpochCounter.ended) == 3


def test_scikit_learn_callback_may_stop_training(sklearn_callback, iris):
    counter = EpochCounter()
    counter.stop_after = 2
    assert MLPClassifier(**SMALL).set_callbacks(counter).fit(*iris).n_iter_ == 2


def test_scikit_learn_callback_goes_through_a_grid_search(sklearn_callback, iris):
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    search = GridSearchCV(pipe, {"mlpclassifier__dropout": [0.0, 0.1]}, cv=2)
    search.set_callbacks(EpochCounter()).fit(*iris)
    assert len(EpochCounter.ended) == 3 * (2 * 2 + 1)


@pytest.mark.parametrize("around", ["pipeline", "grid_search"])
def test_progress_bar_of_scikit_learn_shows_our_epochs(around, sklearn_callback, iris, capfd):
    model = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    if around == "grid_search":
        model = GridSearchCV(model, {"mlpclassifier__dropout": [0.0, 0.1]}, cv=2)
    model.set_callbacks(sklearn_callback.ProgressBar(max_propagation_depth=None)).fit(*iris)
    bars = [line for line in capfd.readouterr().out.splitlines() if "MLPClassifier" in line]
    assert len(bars) == (1 if around == "pipeline" else 5)
    assert all("100%" in bar for bar in bars)


def test_verbose_shows_epoch_and_both_losses(data, capfd):
    model = fit(data, verbose=1, epochs=3)
    shown = "".join(capfd.readouterr())
    assert "3/3" in shown
    for name in ("loss", "val_loss"):
        last = re.findall(rf"\b{name}\W+([\d.]+)", shown)[-1]
        assert float(last) == pytest.approx(model.history_[name][-1], rel=1e-2)


def test_nothing_is_printed_unless_asked(data, capfd):
    fit(data)  # TensorFlow itself may greet once
    capfd.readouterr()
    fit(data, BatchWatcher(lambda _: None)).predict(data["X"])
    MLPClassifier(**SMALL).fit(data["X"], data["y"] > 0).predict_proba(data["X"])
    assert capfd.readouterr() == ("", "")


class FailingTwice(Observer):
    """Never gets ready, and fails again for that."""

    def on_epoch_begin(self, member, epoch):
        raise ArithmeticError("not ready")

    def on_epoch_end(self, member, epoch, logs):
        raise AttributeError("as it never got ready")


def test_of_errors_of_callbacks_the_first_is_raised(data):
    job = MLPRegressor(**PLAIN, callbacks=[FailingTwice()])._make_job(data["X"], data["y"])
    member = Member(job)
    member.observe("on_epoch_begin", 0)
    member.observe("on_epoch_end", 0, {})
    assert member.stopped
    assert isinstance(member.error, ArithmeticError)
