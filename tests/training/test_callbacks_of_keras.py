"""Every class of ``keras.callbacks`` in our fit beside the same one in ``keras.Model.fit``."""

import inspect
import logging

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skdl import KerasClassifier, KerasRegressor, MLPClassifier, MLPRegressor
from skdl.exceptions import InvalidParameterError
from skdl.layers import keras_model
from skdl.training import initial_weights
from tests.checks import slow_but, slow_case

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

EPOCHS = 4
HOOKS = [
    f"on_{when}_{edge}"
    for when in ("train", "epoch", "test", "predict")
    for edge in ("begin", "end")
]


class Recorder(keras.callbacks.Callback):
    """Writes down which hook was called with which epoch and with which names in its logs."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        steps = {name: self.params[name] for name in ("epochs", "steps")}
        self.calls.append(("on_train_begin", steps, sorted(logs)))

    def on_train_end(self, logs=None):
        self.calls.append(("on_train_end", sorted(logs)))

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("on_epoch_begin", epoch, sorted(logs)))

    def on_epoch_end(self, epoch, logs=None):
        iterations = int(self.model.optimizer.iterations)
        self.calls.append(("on_epoch_end", epoch, iterations, sorted(logs)))

    def on_test_begin(self, logs=None):
        self.calls.append(("on_test_begin", int(self.model.optimizer.iterations), sorted(logs)))

    def on_test_end(self, logs=None):
        self.calls.append(("on_test_end", sorted(logs)))


class Writer(keras.callbacks.Callback):
    """Reports a value of its own, from the second epoch on, and changes another."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch:
            logs["twice_the_loss"] = 2 * logs["loss"]
        logs["val_mae"] = -1.0


class OnBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class Resetting(keras.callbacks.Callback):
    """Changes the weights for as long as they are tested."""

    def on_test_begin(self, logs=None):
        self.kept = self.model.get_weights()
        self.model.set_weights([np.zeros_like(weight) for weight in self.kept])

    def on_test_end(self, logs=None):
        self.model.set_weights(self.kept)


# From a folder for files to a callback.
CALLBACKS = {
    "BackupAndRestore": lambda folder: keras.callbacks.BackupAndRestore(folder / "backup"),
    "CSVLogger": lambda folder: keras.callbacks.CSVLogger(folder / "log.csv"),
    "EarlyStopping": lambda _: keras.callbacks.EarlyStopping("val_mae", patience=0, min_delta=9.0),
    "EarlyStopping restoring": lambda _: keras.callbacks.EarlyStopping(
        "mae", patience=1, min_delta=9.0, restore_best_weights=True
    ),
    "History": lambda _: keras.callbacks.History(),
    "LambdaCallback": lambda _: keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: None),
    "LearningRateScheduler": lambda _: keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rate / (1 + epoch)
    ),
    "ModelCheckpoint": lambda folder: keras.callbacks.ModelCheckpoint(
        folder / "best.keras", monitor="val_mae", save_best_only=True
    ),
    "ProgbarLogger": lambda _: keras.callbacks.ProgbarLogger(),
    "ReduceLROnPlateau": lambda _: keras.callbacks.ReduceLROnPlateau(
        "val_mae", patience=1, factor=0.3, min_delta=100.0
    ),
    "TensorBoard": keras.callbacks.TensorBoard,
    "TerminateOnNaN": lambda _: keras.callbacks.TerminateOnNaN(),
    "a writer": lambda _: Writer(),
    "one that changes weights": lambda _: Resetting(),
}
# What they need is not installed: orbax; a server. SwapEMAWeights needs another optimizer, below.
ELSEWHERE = {"Callback", "CallbackList", "OrbaxCheckpoint", "RemoteMonitor", "SwapEMAWeights"}


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    y = (y - y.mean()) / y.std()
    return {"X": X[:100], "y": y[:100], "X_val": X[100:], "y_val": y[100:]}


def regressor(callbacks, **params):
    own = {
        "hidden_units": 8,
        "learning_rate": 0.01,
        "epochs": EPOCHS,
        "batch_size": 32,
        "shuffle": False,
        "target_scaling": False,
        "metrics": ["mae"],
        "random_state": 0,
    }
    return MLPRegressor(**own | params, callbacks=callbacks)


def twin_of(estimator, data, optimizer=None):
    """Return a Keras model with the weights that an estimator begins with."""
    job = clone(estimator)._make_job(data["X"], data["y"])
    model = keras_model(job.network)
    model.set_weights(initial_weights(job))
    model.compile(
        optimizer or keras.optimizers.Adam(0.01), "mse", metrics=["mae"], run_eagerly=True
    )
    return model


def fit_twin(model, data, callbacks):
    history = model.fit(
        data["X"], data["y"][:, None], validation_data=(data["X_val"], data["y_val"][:, None]),
        epochs=EPOCHS, batch_size=32, shuffle=False, verbose=0, callbacks=callbacks,
    )  # fmt: skip
    return history.history


def assert_as_keras(estimator, model, data, callbacks):
    """Hold history, calls and predictions against Keras; the last callback is a recorder."""
    estimator.fit(**data)
    history = fit_twin(model, data, callbacks)
    assert estimator.callbacks_[-1].calls == callbacks[-1].calls
    assert estimator.history_.keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(estimator.history_[name], values, rtol=1e-3, err_msg=name)
    expected = np.asarray(model(data["X"]))[:, 0]
    np.testing.assert_allclose(estimator.predict(data["X"]), expected, rtol=1e-3, atol=1e-4)


def test_every_callback_of_keras_is_held_against_keras():
    classes = {
        name
        for name, kind in vars(keras.callbacks).items()
        if inspect.isclass(kind) and issubclass(kind, keras.callbacks.Callback)
    }
    assert classes - ELSEWHERE <= set(CALLBACKS)


@pytest.mark.parametrize(
    "name",
    slow_but(CALLBACKS, "EarlyStopping restoring"),
)
def test_callback_does_what_it_does_in_keras(name, data, tmp_path, capsys, caplog):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    estimator = regressor([CALLBACKS[name](ours), Recorder()])
    model = twin_of(estimator, data)
    with caplog.at_level(logging.INFO, logger="skdl"):
        assert_as_keras(estimator, model, data, [CALLBACKS[name](theirs), Recorder()])
    assert "keras.Model.fit" not in caplog.text
    files = [sorted(p.name for p in folder.iterdir()) for folder in (ours, theirs)]
    assert files[0] == files[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", slow_but(["a writer", "LearningRateScheduler", "EarlyStopping"], "a writer")
)
def test_callback_does_what_it_does_in_keras_where_keras_trains(name, data, tmp_path):
    others = [OnBatches(), CALLBACKS[name](tmp_path)]
    estimator = regressor([*others, Recorder()])
    model = twin_of(estimator, data)
    assert_as_keras(estimator, model, data, [OnBatches(), CALLBACKS[name](tmp_path), Recorder()])


@pytest.mark.slow
def test_averaged_weights_are_swapped_in_for_validation_as_in_keras(data):
    def optimizer():
        return keras.optimizers.Adam(0.01, use_ema=True)

    def callbacks():
        return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True), Recorder()]

    estimator = regressor(callbacks(), optimizer=optimizer(), learning_rate=0.001)
    model = twin_of(estimator, data, optimizer())
    assert_as_keras(estimator, model, data, callbacks())


def classification(iris):
    X, y = iris
    return {"X": X[:100], "y": y[:100], "X_val": X[100:], "y_val": y[100:]}


RISING = ["val_accuracy", slow_case("accuracy")]


@pytest.mark.parametrize(
    "kind", slow_but(["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"], "EarlyStopping")
)
@pytest.mark.parametrize("monitor", RISING)
def test_accuracy_is_taken_to_rise(kind, monitor, iris, tmp_path):
    options = {"filepath": tmp_path / "best.keras", "save_best_only": True}
    options = options if kind == "ModelCheckpoint" else {"patience": 2}
    callback = getattr(keras.callbacks, kind)(monitor=monitor, **options)
    params = {"epochs": 12, "random_state": 0, "learning_rate": 0.02, "metrics": ["accuracy"]}
    model = MLPClassifier(8, callbacks=[callback], **params).fit(**classification(iris))
    used = model.callbacks_[0]
    assert used.monitor_op is keras.ops.greater
    # The best so far is the largest so far.
    assert used.best == max(model.history_[monitor])


@pytest.mark.parametrize("batches", [False, slow_case(case=True)], ids=["graph", "keras.Model.fit"])
def test_directions_are_known_in_the_units_of_the_target(batches, data):
    stopping = keras.callbacks.EarlyStopping("val_r2_score", patience=1)
    metrics = [keras.metrics.R2Score(name="r2_score")]

    callbacks = [stopping, *[OnBatches()] * batches]
    model = regressor(callbacks, metrics=metrics, target_scaling=True, epochs=2).fit(**data)
    assert model.callbacks_[0].monitor_op is keras.ops.greater


# ------------------------------------------------------------------ backup and restore


class Crash(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise OSError("the power is off")


@pytest.mark.parametrize("batches", [False, slow_case(case=True)], ids=["graph", "keras.Model.fit"])
def test_only_the_rest_is_trained_after_a_restore(batches, data, tmp_path):
    def with_backup(*more, folder="ours"):
        backup = keras.callbacks.BackupAndRestore(tmp_path / folder)
        return [backup, *[OnBatches()] * batches, *more]

    whole = regressor(None).fit(**data)
    with pytest.raises(OSError, match="power"):
        regressor(with_backup(Crash(1))).fit(**data)
    resumed = regressor(with_backup(Recorder())).fit(**data)
    epochs = [call[1] for call in resumed.callbacks_[-1].calls if call[0] == "on_epoch_begin"]
    assert epochs == [2, 3]
    assert resumed.n_iter_ == EPOCHS
    assert len(resumed.history_["loss"]) == 2
    # Weights, moments of Adam and its number of steps go on where they stood.
    np.testing.assert_allclose(resumed.history_["loss"], whole.history_["loss"][2:], rtol=1e-4)
    np.testing.assert_allclose(resumed.predict(data["X"]), whole.predict(data["X"]), atol=1e-4)


@pytest.mark.slow
def test_saved_model_goes_on_training_as_keras_would(data, tmp_path):
    path = tmp_path / "saved.keras"
    estimator = regressor([keras.callbacks.ModelCheckpoint(path)], epochs=2)
    theirs = twin_of(estimator, data)
    estimator.fit(**data)
    fit_twin(theirs, data, [])
    saved = keras.models.load_model(path)
    arrays = {"x": data["X"], "y": data["y"][:, None]}
    saved.fit(**arrays, epochs=EPOCHS - 2, batch_size=32, shuffle=False, verbose=0)
    np.testing.assert_allclose(
        saved.predict(data["X"], verbose=0), theirs.predict(data["X"], verbose=0), atol=1e-4
    )


def test_request_to_stop_before_the_first_epoch_ends_after_it(data):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.stop_training = True

    assert regressor([Stop()]).fit(**data).n_iter_ == 1


# ------------------------------------------------------------------ the callbacks of a fit


def test_callbacks_that_were_used_are_offered(data):
    given = Recorder()
    model = regressor([given]).fit(**data)
    assert given.calls == []
    assert [call[0] for call in model.callbacks_[0].calls][-1] == "on_train_end"
    assert not hasattr(clone(model), "callbacks_")


def stopping(**params):
    return keras.callbacks.EarlyStopping(patience=3, **params)


def build(meta):
    return keras.Sequential([keras.Input((meta["n_features_in_"],)), keras.layers.Dense(1)])


@pytest.mark.parametrize("estimator", [MLPRegressor(8), KerasRegressor(build, loss="mse")])
def test_argument_of_a_callback_is_a_parameter(estimator, data):
    own = stopping()
    model = clone(estimator).set_params(callbacks=[own], epochs=9)
    assert model.get_params()["callbacks__0__patience"] == 3
    model.set_params(callbacks__0__patience=5)
    assert model.get_params()["callbacks__0__patience"] == 5
    assert clone(model).get_params()["callbacks__0__patience"] == 5
    assert own.patience == 3
    model.set_params(epochs=1).fit(data["X"], data["y"], X_val=data["X_val"], y_val=data["y_val"])
    assert model.callbacks_[0].patience == 5


def test_argument_of_a_callback_in_a_grid_search(data):
    own = stopping(min_delta=100.0, monitor="loss")
    search = GridSearchCV(
        regressor([own], epochs=9), {"callbacks__0__patience": [1, 4]}, cv=2, refit=False
    )
    search.fit(data["X"], data["y"])
    counts = [
        regressor([own], epochs=9)
        .set_params(callbacks__0__patience=patience)
        .fit(data["X"], data["y"])
        .n_iter_
        for patience in (1, 4)
    ]
    # The first epoch is the best so far, and none gains 100 over it.
    assert counts == [2, 5]
    assert own.patience == 3


def test_single_callback_needs_no_number(data):
    model = MLPRegressor(8, callbacks=stopping()).set_params(callbacks__patience=7)
    assert model.callbacks.patience == 7


@pytest.mark.parametrize("name", ["callbacks__0__patienc", "callbacks__1__patience"])
def test_unknown_argument_of_a_callback_lists_the_known(name):
    with pytest.raises(InvalidParameterError, match="patience"):
        MLPRegressor(8, callbacks=[stopping()]).set_params(**{name: 5})


def test_class_and_object_of_a_callback_take_the_same_parameter(data, iris):
    X, y = iris

    def model():
        inside = [keras.layers.Dense(3, activation="softmax")]
        return keras.Sequential([keras.Input((4,)), *inside])

    kinds = (keras.callbacks.EarlyStopping, keras.callbacks.EarlyStopping())
    for kind in kinds:
        own = KerasClassifier(
            model, loss="sparse_categorical_crossentropy", callbacks=[kind], epochs=1,
            callbacks__0__patience=5, callbacks__0__monitor="loss",
        )  # fmt: skip
        (used,) = own.fit(X, y).callbacks_
        assert (used.patience, used.monitor) == (5, "loss")


# ------------------------------------------------------------------ seen without the copies


class Shared(Recorder):
    """Writes into a list that its copies share."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def __deepcopy__(self, memo):
        return type(self)(self.calls)


@pytest.mark.parametrize(
    ("name", "batches"),
    slow_but(
        [(name, b) for name in ("a writer", "LearningRateScheduler") for b in (False, True)],
        ("LearningRateScheduler", False),
    ),
)
def test_history_holds_what_callbacks_write(name, batches, data, tmp_path):
    def callbacks():
        return [CALLBACKS[name](tmp_path), *[OnBatches()] * batches]

    estimator = regressor(callbacks())
    expected = fit_twin(twin_of(estimator, data), data, callbacks())
    history = estimator.fit(**data).history_
    assert {key: len(values) for key, values in history.items()} == {
        key: len(values) for key, values in expected.items()
    }
    if name == "a writer":
        assert history["twice_the_loss"] == [2 * loss for loss in history["loss"][1:]]
        assert history["val_mae"] == [-1.0] * EPOCHS
    else:
        # 0.01, divided by the number of the epoch each time.
        np.testing.assert_allclose(
            history["learning_rate"], np.divide(0.01, [1, 2, 6, 24]), rtol=1e-6
        )


@pytest.mark.parametrize("batches", [False, slow_case(case=True)], ids=["graph", "keras.Model.fit"])
def test_a_whole_fit_that_was_saved_leaves_only_the_rest_to_train(batches, data, tmp_path):
    # The user deletes nothing: half of the epochs are done, then a fit of all of them begins.
    def callbacks(calls):
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        return [backup, *[OnBatches()] * batches, Shared(calls)]

    regressor(callbacks([]), epochs=EPOCHS // 2).fit(**data)
    calls = []
    resumed = regressor(callbacks(calls)).fit(**data)
    assert [call[1] for call in calls if call[0] == "on_epoch_begin"] == [2, 3]
    expected = regressor(None).fit(**data).predict(data["X"])
    np.testing.assert_allclose(resumed.predict(data["X"]), expected, atol=1e-4)


def test_hooks_around_validation_are_called(data):
    calls = []
    regressor([Shared(calls)]).fit(**data)
    around = [call[0] for call in calls if call[0].startswith("on_test")]
    assert around == ["on_test_begin", "on_test_end"] * EPOCHS
