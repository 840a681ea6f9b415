"""Losses, metrics, layers and functions of the user's count as they are, at the time of a fit."""

import functools
import pickle
import types

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from skdl import KerasClassifier, KerasRegressor, MLPClassifier, MLPRegressor, lockstep
from skdl.networks import Layer, UserFunction
from skdl.training.engine._program import Program
from tests.checks import slow_but, slow_case

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

ops = keras.ops
settings = types.SimpleNamespace(factor=1.0)
FACTOR = 1.0
FIXED = {"epochs": 2, "random_state": 0, "batch_size": 32}


class Weighted(keras.losses.Loss):
    """A loss without ``get_config``."""

    def __init__(self, weight=1.0, **keywords):
        super().__init__(**keywords)
        self.weight = weight

    def call(self, y_true, y_pred):
        return self.weight * ops.mean(ops.square(y_true - y_pred), -1)


class WeightedWithoutDefault(Weighted):
    def __init__(self, weight):
        super().__init__(weight)


class WeightedError(keras.metrics.MeanSquaredError):
    """A metric that forgets its argument."""

    def __init__(self, weight=1.0, name="weighted_error", **keywords):
        super().__init__(name=name, **keywords)
        self.weight = weight

    def result(self):
        return self.weight * super().result()


class Sum(keras.metrics.Metric):
    """A metric with a variable, whose name is its own affair."""

    def __init__(self):
        super().__init__(name="total")
        self.total = self.add_weight(initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(ops.sum(ops.abs(y_true - y_pred)))

    def result(self):
        return self.total

    def reset_state(self):
        self.total.assign(0.0)


class SumAbove(Sum):
    def __init__(self, least, **keywords):
        keras.metrics.Metric.__init__(self, name="total", **keywords)
        self.least = least
        self.total = self.add_weight(initializer="zeros")

    def result(self):
        return ops.maximum(self.total, self.least)


class Gain(keras.layers.Layer):
    """A layer whose ``get_config`` forgets the argument."""

    def __init__(self, gain=1.0, **keywords):
        super().__init__(**keywords)
        self.gain = gain

    def call(self, x):
        return x * self.gain

    def get_config(self):
        return {"name": self.name}


class GainOf(keras.layers.Layer):
    """A layer that cannot be made of its configuration."""

    def __init__(self, gains):
        super().__init__()
        self.gains = gains

    def call(self, x):
        return x * self.gains["all"]


class Inner(keras.layers.Layer):
    """A layer with layers inside."""

    def __init__(self, gain, **keywords):
        super().__init__(**keywords)
        self.steps = [keras.layers.Dense(4), Gain(gain)]

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x

    def get_config(self):
        return {"name": self.name, "gain": 1.0}


class Penalty(keras.regularizers.Regularizer):
    def __init__(self, factor=0.0):
        self.factor = factor

    def __call__(self, x):
        return self.factor * ops.sum(ops.square(x))

    def get_config(self):
        return {}


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, first):
        self.first = first

    def __call__(self, step):
        return self.first / (ops.cast(step, "float32") + 1.0)


class Slow(keras.optimizers.SGD):
    def __init__(self, slowness=1.0, learning_rate=0.01, **keywords):
        super().__init__(learning_rate, **keywords)
        self.slowness = slowness

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient / self.slowness, variable, learning_rate)


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).normal(size=(96, 4)).astype(np.float32)
    return X, (X[:, 0] - X[:, 1]).astype(np.float32)


def model_with(*layers):
    """Return a function that builds a model; the layers are made anew for each."""

    def build(meta):
        stack = [keras.layers.Dense(4, "tanh"), *[make() for make in layers]]
        return keras.Sequential([keras.Input((4,)), *stack, keras.layers.Dense(1)])

    return build


def regressors(loss):
    return [
        MLPRegressor((4,), loss=loss, **FIXED),
        KerasRegressor(model_with(), loss=loss, **FIXED),
    ]


# ------------------------------------------------------------------ arguments


@pytest.mark.slow
@pytest.mark.parametrize("kind", slow_but([Weighted, WeightedWithoutDefault], Weighted))
def test_loss_keeps_an_argument_that_its_config_leaves_out(kind, rows):
    for plain, own in zip(regressors("mse"), regressors(kind(100.0)), strict=True):
        ratio = own.fit(*rows).history_["loss"][0] / plain.fit(*rows).history_["loss"][0]
        # Adam's steps do not depend on the loss's scale.
        assert ratio == pytest.approx(100.0, rel=1e-4)


def test_loss_argument_survives_clone_pickle_and_processes(rows):
    for loss in (Weighted(100.0), keras.losses.Huber(delta=0.1)):
        estimator = MLPRegressor((4,), loss=loss, **FIXED)
        expected = estimator.fit(*rows).history_["loss"]
        for copied in (clone(estimator), pickle.loads(pickle.dumps(clone(estimator)))):
            assert copied.fit(*rows).history_["loss"] == expected
    assert isinstance(pickle.loads(pickle.dumps(estimator)).loss, type(loss))


@pytest.mark.slow
def test_loss_argument_reaches_processes_of_joblib(rows):
    estimator = MLPRegressor((4,), loss=keras.losses.Huber(delta=0.1), **FIXED)
    alone = cross_val_score(estimator, *rows, cv=2)
    with joblib.parallel_config("loky", n_jobs=2):
        np.testing.assert_allclose(cross_val_score(estimator, *rows, cv=2), alone, rtol=1e-4)


@pytest.mark.slow
def test_metric_keeps_an_argument_that_its_config_leaves_out(rows):
    metrics = ["mse", WeightedError(100.0)]
    for estimator in (
        MLPRegressor((4,), metrics=metrics, **FIXED),
        KerasRegressor(model_with(), loss="mse", metrics=metrics, **FIXED),
    ):
        history = estimator.fit(*rows).history_
        expected = np.multiply(history["mse"], 100.0)
        np.testing.assert_allclose(history["weighted_error"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("metric", "least"),
    [(Sum(), 0.0), (SumAbove(1e3), 1e3)],
    ids=lambda value: type(value).__name__,
)
def test_metric_makes_its_variables_whatever_its_arguments(metric, least, rows):
    X, y = rows
    estimator = MLPRegressor(4, metrics=[metric], shuffle=False, learning_rate=0.0, **FIXED)
    estimator = pickle.loads(pickle.dumps(clone(estimator))).fit(X, y)
    difference = np.abs(estimator.predict(X) - y).sum()
    expected = [max(difference, least)] * FIXED["epochs"]
    np.testing.assert_allclose(estimator.history_["total"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Gain(0.0),
        # The layers that are activations below are of these two kinds.
        slow_case(lambda: GainOf({"all": 0.0})),
        slow_case(lambda: Inner(0.0)),
        slow_case(lambda: keras.layers.Activation(functools.partial(ops.multiply, 0.0))),
        slow_case(lambda: keras.Sequential([Gain(0.0)])),
        lambda: keras.layers.Lambda(lambda x: x * settings.nothing),
    ],
    ids=["forgotten", "without default", "inside", "partial", "in a model", "lambda"],
)
def test_layer_keeps_an_argument_that_its_config_leaves_out(make, rows):
    settings.nothing = 0.0
    X, y = rows
    for estimator in (
        KerasRegressor(model_with(make), loss="mse", **FIXED),
        KerasRegressor(model_with(make)({}), loss="mse", **FIXED),
    ):
        predictions = estimator.fit(X, y).predict(X)
        # Rows times zero: every prediction is the last layer's offset.
        assert np.ptp(predictions) == 0.0
        np.testing.assert_array_equal(np.asarray(estimator.model_(X))[:, 0], predictions)


@pytest.mark.slow
def test_activation_layer_keeps_its_argument(rows):
    X, y = rows
    for layer in (Gain(0.0), GainOf({"all": 0.0})):
        estimator = MLPRegressor((4,), activation=layer, **FIXED).fit(X, y)
        assert np.ptp(estimator.predict(X)) == np.ptp(np.asarray(estimator.model_(X))) == 0


@pytest.mark.slow
def test_grid_over_a_forgotten_argument_sees_each_value(rows):
    grid = {"activation": [Gain(0.0), Gain(1.0), Gain(2.0)]}
    estimator = MLPRegressor((4,), **FIXED)
    alone = GridSearchCV(estimator, grid, cv=2).fit(*rows)
    with lockstep():
        together = GridSearchCV(estimator, grid, cv=2).fit(*rows)
    scores = alone.cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    np.testing.assert_allclose(together.cv_results_["mean_test_score"], scores, rtol=1e-4)


@pytest.mark.slow
def test_parts_of_keras_layers_and_optimizers_keep_their_arguments(rows):
    def penalised(factor):
        dense = functools.partial(keras.layers.Dense, 4, kernel_regularizer=Penalty(factor))
        return KerasRegressor(model_with(dense), loss="mse", **FIXED).fit(*rows)

    assert penalised(10.0).history_["loss"][0] > 10 * penalised(0.0).history_["loss"][0]

    still = {
        "schedule": keras.optimizers.SGD(Falling(0.0)),
        "optimizer": Slow(1e12, learning_rate=0.1),
    }
    for optimizer in still.values():
        for estimator in (
            MLPRegressor((4,), optimizer=optimizer, **FIXED),
            KerasRegressor(model_with(), loss="mse", optimizer=optimizer, **FIXED),
        ):
            first, second = estimator.fit(*rows).history_["loss"]
            assert second == pytest.approx(first, rel=1e-5)


@pytest.mark.slow
def test_compiled_model_of_the_users_keeps_its_loss(rows):
    def compiled(weight):
        model = model_with(lambda: keras.layers.GaussianNoise(0.0))({})
        keras.utils.set_random_seed(0)
        model.set_weights([np.full(w.shape, 0.1, np.float32) for w in model.weights])
        model.compile("adam", Weighted(weight), metrics=[WeightedError(weight)])
        return KerasRegressor(model, **FIXED).fit(*rows).history_

    plain, heavy = compiled(1.0), compiled(100.0)
    for name in ("loss", "weighted_error"):
        assert heavy[name][0] == pytest.approx(100.0 * plain[name][0], rel=1e-3)


def test_equal_objects_share_a_stack(rows):
    with lockstep() as session:
        cross_val_score(MLPRegressor((4,), loss=Weighted(3.0), **FIXED), *rows, cv=3)
    assert session.batches == [3]


# ------------------------------------------------------------------ values from outside


def by_global(y_true, y_pred):
    return FACTOR * ops.mean(ops.square(y_true - y_pred), -1)


def by_attribute(y_true, y_pred):
    return settings.factor * ops.mean(ops.square(y_true - y_pred), -1)


def through_another(y_true, y_pred):
    return by_global(y_true, y_pred)


class ByGlobal(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return FACTOR * ops.mean(ops.square(y_true - y_pred), -1)


def closed_over():
    factor = 1.0

    def loss(y_true, y_pred):
        return factor * ops.mean(ops.square(y_true - y_pred), -1)

    def change(value):
        nonlocal factor
        factor = value

    return loss, change


CLOSED, CHANGE = closed_over()


@pytest.fixture
def change(monkeypatch):
    def set_factor(value):
        monkeypatch.setattr(settings, "factor", value)
        monkeypatch.setitem(globals(), "FACTOR", value)
        CHANGE(value)

    yield set_factor
    CHANGE(1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    slow_but([by_global, by_attribute, through_another, CLOSED, ByGlobal()], by_attribute),
    ids=["global", "attribute", "through another", "closed over", "in a class"],
)  # fmt: skip
def test_loss_reads_from_outside_at_each_fit(loss, rows, change):
    for estimator in regressors(loss):
        first, then, again = [], [], []
        for value, found in ((1.0, first), (100.0, then), (1.0, again)):
            change(value)
            found.append(estimator.fit(*rows).history_["loss"][0])
        assert then[0] == pytest.approx(100.0 * first[0], rel=1e-4)
        assert again == first


def scaled(x):
    return FACTOR * x


class ScaledByGlobal(keras.layers.Layer):
    def call(self, x):
        return FACTOR * x


@pytest.mark.parametrize(
    "activation", [slow_case(scaled), ScaledByGlobal()], ids=["function", "layer"]
)
def test_activation_and_layer_read_from_outside_at_each_fit(activation, rows, change):
    X, y = rows
    estimator = MLPRegressor((4,), activation=activation, **FIXED)
    for value in (1.0, 0.0, 1.0):
        change(value)
        estimator.fit(X, y)
        assert (np.ptp(estimator.predict(X)) == 0.0) == (value == 0.0)
        model = estimator.model_
        assert (np.ptp(np.asarray(model(X))) == 0.0) == (value == 0.0)


def test_predictions_keep_the_values_of_their_first_call(rows, change):
    X, y = rows
    estimator = MLPRegressor((4,), activation=scaled, **FIXED).fit(X, y)
    expected = estimator.predict(X)
    change(0.0)
    np.testing.assert_array_equal(estimator.predict(X), expected)
    late = MLPRegressor((4,), activation=scaled, **FIXED).fit(X, y)
    assert np.ptp(late.predict(X)) == 0.0
    # A program that was traced with one value never serves another.
    change(1.0)
    early = MLPRegressor((4,), activation=scaled, **FIXED).fit(X, y)
    np.testing.assert_array_equal(early.predict(X), expected)


def test_metric_reads_from_outside_at_each_fit_in_lockstep_too(rows, change):
    estimator = MLPRegressor((4,), metrics=["mse", by_global], **FIXED)
    for value in (1.0, 100.0):
        change(value)
        history = estimator.fit(*rows).history_
        np.testing.assert_allclose(history["by_global"], np.multiply(history["mse"], value), 1e-4)
        with lockstep():
            folds = cross_validate(estimator, *rows, cv=2, return_estimator=True)["estimator"]
        for fold in folds:
            expected = np.multiply(fold.history_["mse"], value)
            np.testing.assert_allclose(fold.history_["by_global"], expected, rtol=1e-4)


def test_same_values_share_a_program(rows, change, monkeypatch):
    change(7.0)
    MLPRegressor((4,), loss=by_attribute, activation=scaled, **FIXED).fit(*rows)
    traced = []
    init = Program.__init__
    monkeypatch.setattr(Program, "__init__", lambda *args: (traced.append(1), init(*args))[1])
    MLPRegressor((4,), loss=by_attribute, activation=scaled, **FIXED).fit(*rows)
    MLPRegressor((4,), loss=by_attribute, activation=scaled, **FIXED).fit(*rows)
    assert not traced
    change(8.0)
    MLPRegressor((4,), loss=by_attribute, activation=scaled, **FIXED).fit(*rows)
    assert traced


def test_what_cannot_be_compared_is_never_equal():
    generator = (i for i in range(3))

    def reads_generator(x):
        return x + next(generator)

    assert UserFunction(reads_generator) != UserFunction(reads_generator)
    own = UserFunction(reads_generator)
    assert own == own.now()
    assert Layer.of("Activation", function=scaled) == Layer.of("Activation", function=scaled)


# ------------------------------------------------------------------ names


class Youden(keras.metrics.AUC):
    def __init__(self, name="youden", **keywords):
        super().__init__(name=name, **keywords)


class Sensitivity(keras.metrics.Recall):
    pass


def classifiers(metrics, **params):
    def build(meta):
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(1, "sigmoid")]
        )

    return [
        MLPClassifier((4,), metrics=metrics, **FIXED, **params),
        KerasClassifier(build, loss="binary_crossentropy", metrics=metrics, **FIXED, **params),
    ]


@pytest.mark.slow
def test_metric_names_are_those_of_a_new_process(rows):
    X, y = rows
    metrics = [
        keras.metrics.AUC(), keras.metrics.AUC(curve="PR"), keras.metrics.Recall(name="recall"),
        keras.metrics.AUC(name="area"), Youden(), Sensitivity(),
    ]  # fmt: skip
    expected = ["auc", "auc_1", "recall", "area", "youden", "sensitivity"]
    for estimator in classifiers(metrics):
        estimator.fit(X, y > 0)
        assert list(estimator.history_) == ["loss", *expected]
        logs = estimator.model_.evaluate(X, (y > 0)[:, None], verbose=0, return_dict=True)
        assert set(logs) == {"loss", *expected}


@pytest.mark.slow
def test_named_metric_can_be_monitored(rows):
    X, y = rows
    params = {"early_stopping": True, "monitor": "val_auc", "validation_fraction": 0.3}
    for estimator in classifiers([keras.metrics.AUC(name="auc")], **params):
        assert "val_auc" in estimator.fit(X, y > 0).history_


def test_metric_has_one_name_in_all_folds(rows):
    X, y = rows
    for estimator in classifiers([keras.metrics.Recall()]):
        folds = cross_validate(estimator, X, y > 0, cv=3, return_estimator=True)["estimator"]
        assert [list(fold.history_) for fold in folds] == [["loss", "recall"]] * 3
        with lockstep():
            folds = cross_validate(estimator, X, y > 0, cv=3, return_estimator=True)["estimator"]
        assert [list(fold.history_) for fold in folds] == [["loss", "recall"]] * 3
