"""What SciKeras 0.13 documents, row by row, with one import changed.

The rows stand in SciKeras' guides and docstrings; each is written anew here. A row works as it
is, works with a `MigrationWarning` that says what is better, or does not, for a reason that the
migration page gives. That page's figures are counted here.
"""

import functools
import pickle
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import AdaBoostClassifier, BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skdl
from skdl import KerasClassifier, KerasRegressor
from skdl.exceptions import InvalidParameterError, MigrationWarning
from tests.checks import slow_but

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

layers = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
Y3 = np.digitize(X[:, 0], [-0.4, 0.4])
NAMES = np.array(["ant", "bee", "cow"])[Y3]
ONE_HOT = np.eye(3)[Y3]
LABELS = np.column_stack([Y, X[:, 2] > 0]).astype(int)
NUMBERS = X[:, 0] - 2 * X[:, 1]

ROWS = []
# By default, each third row stands for the others.
A_THIRD = 3


def behaviour(text, works="yes"):
    def add(check):
        marks = [pytest.mark.slow] if len(ROWS) % A_THIRD else []
        ROWS.append(pytest.param(works, check, id=text, marks=marks))
        return check

    return add


def for_numbers(meta, units=4):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            layers.Dense(units, activation="relu"),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def for_classes(meta, units=4):
    kind, n_classes = meta["target_type_"], meta["n_classes_"]
    last = {
        "binary": (1, "sigmoid"),
        "multiclass": (n_classes, "softmax"),
        "multilabel-indicator": (n_classes, "sigmoid"),
    }[kind]
    rows = keras.Input((meta["n_features_in_"],))
    return keras.Model(rows, layers.Dense(*last)(layers.Dense(units, activation="relu")(rows)))


def linear():
    return keras.Sequential([keras.Input((4,)), layers.Dense(1)])


def compiled_for_numbers(meta, compile_kwargs):
    model = for_numbers(meta)
    model.compile(**compile_kwargs)
    return model


def regressor(model=for_numbers, **params):
    return KerasRegressor(model, **{"loss": "mse", "random_state": 0} | params)


def classifier(model=for_classes, **params):
    return KerasClassifier(model, **{"loss": "binary_crossentropy", "random_state": 0} | params)


def rate_of(estimator):
    return float(estimator.model_.optimizer.learning_rate)


# ------------------------------------------------------------------------------------ the model


@behaviour("model: a function, called with its own arguments")
def _():
    fitted = regressor(units=7).fit(X, NUMBERS)
    assert fitted.model_.layers[0].units == 7


@behaviour("model: a functools.partial")
def _():
    fitted = regressor(functools.partial(for_numbers, units=3)).fit(X, NUMBERS)
    assert fitted.model_.layers[0].units == 3


@behaviour("model: a Keras model")
def _():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("adam", "mse")
    assert KerasRegressor(model).fit(X, NUMBERS).predict(X).shape == (48,)


@behaviour("model: an uncompiled model is compiled with the parameters")
def _():
    fitted = regressor(loss="mae", optimizer="sgd").fit(X, NUMBERS)
    assert fitted.model_.loss.name == "mean_absolute_error"


@behaviour("model: one that the function compiled keeps its compilation")
def _():
    def build(meta):
        model = for_numbers(meta)
        model.compile(keras.optimizers.SGD(0.25), "mae")
        return model

    assert rate_of(KerasRegressor(build).fit(X, NUMBERS)) == 0.25


@behaviour("model=None with a method _keras_build_fn")
def _():
    class Own(KerasRegressor):
        def _keras_build_fn(self, units=5):
            return keras.Sequential(
                [keras.Input((self.n_features_in_,)), layers.Dense(units), layers.Dense(1)]
            )

    fitted = Own(loss="mse", model__units=6).fit(X, NUMBERS)
    assert fitted.model_.layers[0].units == 6


@behaviour("model beside a method _keras_build_fn is refused")
def _():
    class Own(KerasRegressor):
        def _keras_build_fn(self):
            return None

    with pytest.raises(ValueError, match="_keras_build_fn"):
        Own(for_numbers, loss="mse").fit(X, NUMBERS)


@behaviour("neither model nor _keras_build_fn is refused")
def _():
    with pytest.raises(ValueError, match="model=None"):
        KerasRegressor().fit(X, NUMBERS)


@behaviour("build_fn, the old name of model", "by warning")
def _():
    old = KerasRegressor(build_fn=for_numbers, loss="mse", units=3, random_state=0)
    assert clone(old).fit(X, NUMBERS).model_.layers[0].units == 3


@behaviour("the function's argument meta: what is known of the data")
def _():
    seen = {}

    def build(meta):
        seen.update(meta)
        return for_classes(meta)

    classifier(build, loss="sparse_categorical_crossentropy").fit(X, NAMES)
    assert seen["n_features_in_"] == 4
    assert seen["X_shape_"] == (48, 4)
    assert seen["target_type_"] == "multiclass"
    assert seen["n_classes_"] == 3
    assert seen["n_outputs_"] == seen["n_outputs_expected_"] == 1
    assert seen["y_dtype_"] == NAMES.dtype
    assert seen["y_ndim_"] == 1
    assert seen["classes_"].tolist() == ["ant", "bee", "cow"]


@behaviour("meta holds feature_encoder_ and target_encoder_")
def _():
    def build(meta):
        assert meta["feature_encoder_"].transform(X) is X
        codes = meta["target_encoder_"].transform(np.array(["cow", "ant"]))
        assert codes.ravel().tolist() == [2, 0]
        return for_classes(meta)

    classifier(build, loss="sparse_categorical_crossentropy").fit(X, NAMES)


@behaviour("the function's argument compile_kwargs")
def _():
    fitted = regressor(compiled_for_numbers, optimizer="sgd", optimizer__learning_rate=0.5)
    assert rate_of(fitted.fit(X, NUMBERS)) == 0.5


@behaviour("the function's argument params: all parameters")
def _():
    def build(meta, params):
        assert params["epochs"] == 1
        assert params["note"] == 3
        return for_numbers(meta)

    regressor(lambda meta, params, note: build(meta, params), note=3).fit(X, NUMBERS)


@behaviour("a function of ** gets meta, compile_kwargs and params")
def _():
    def build(**given):
        assert {"meta", "compile_kwargs", "params", "units"} == set(given)
        return for_numbers(given["meta"], given["units"])

    regressor(build, units=3).fit(X, NUMBERS)


# ------------------------------------------------------------------------------------ compiling


@pytest.mark.parametrize(
    "name", slow_but(["adam", "Adam", "ADAM", "SGD", "RMSprop"], "adam", "Adam", "ADAM", "SGD")
)
@pytest.mark.parametrize("kind", ["user's model", "network of ours"])
def test_optimizers_by_name_in_capitals_too(name, kind):
    if kind == "network of ours":
        fitted = skdl.MLPRegressor(hidden_units=4, epochs=1, optimizer=name).fit(X, NUMBERS)
    else:
        fitted = regressor(optimizer=name).fit(X, NUMBERS)
    assert type(fitted.model_.optimizer).__name__.lower() == name.lower()


@behaviour("optimizer: a name, in capitals as Keras takes it")
def _():
    fitted = regressor(optimizer="Adam").fit(X, NUMBERS)
    assert isinstance(fitted.model_.optimizer, keras.optimizers.Adam)


@behaviour("optimizer: a class, with routed arguments")
def _():
    fitted = regressor(optimizer=keras.optimizers.SGD, optimizer__learning_rate=0.25)
    assert rate_of(fitted.fit(X, NUMBERS)) == 0.25


@behaviour("optimizer: a name, with routed arguments")
def _():
    fitted = regressor(optimizer="sgd", optimizer__momentum=0.5).fit(X, NUMBERS)
    assert fitted.model_.optimizer.momentum == 0.5


@behaviour("optimizer: an object")
def _():
    assert rate_of(regressor(optimizer=keras.optimizers.SGD(0.125)).fit(X, NUMBERS)) == 0.125


@behaviour("optimizer: routed arguments that are classes are made too")
def _():
    schedule = keras.optimizers.schedules.InverseTimeDecay
    fitted = regressor(
        optimizer="sgd",
        optimizer__learning_rate=schedule,
        optimizer__learning_rate__initial_learning_rate=0.5,
        optimizer__learning_rate__decay_steps=10**6,
        optimizer__learning_rate__decay_rate=0.5,
    ).fit(X, NUMBERS)
    assert rate_of(fitted) == pytest.approx(0.5)


@behaviour("routed arguments of what is an object are refused")
def _():
    with pytest.raises(TypeError, match="class"):
        regressor(optimizer=keras.optimizers.SGD(), optimizer__momentum=0.5).fit(X, NUMBERS)


@behaviour("loss: a name")
def _():
    assert regressor(loss="MAE").fit(X, NUMBERS).model_.loss.name == "mean_absolute_error"


@behaviour("loss: a class, with routed arguments")
def _():
    fitted = regressor(loss=keras.losses.Huber, loss__delta=0.25).fit(X, NUMBERS)
    value = float(fitted.model_.loss(np.zeros((1, 1)), np.full((1, 1), 2.0)))
    assert value == pytest.approx(0.25 * (2 - 0.5 * 0.25))


@behaviour("loss: a function")
def _():
    def twice(y_true, y_pred):
        return 2 * keras.ops.mean(keras.ops.square(y_true - y_pred), -1)

    fitted = regressor(loss=twice, optimizer="sgd", optimizer__learning_rate=0.0).fit(X, NUMBERS)
    expected = 2 * np.mean((NUMBERS - fitted.predict(X)) ** 2)
    assert fitted.history_["loss"][0] == pytest.approx(expected, rel=1e-5)


@behaviour("loss: an object")
def _():
    assert regressor(loss=keras.losses.LogCosh()).fit(X, NUMBERS).model_.loss.name == "log_cosh"


@behaviour("loss: a list of one")
def _():
    fitted = classifier(loss=["sparse_categorical_crossentropy"]).fit(X, Y3)
    assert fitted.predict_proba(X).shape == (48, 3)


@behaviour("loss: none anywhere is refused")
def _():
    with pytest.raises(ValueError, match="a loss"):
        KerasRegressor(for_numbers).fit(X, NUMBERS)


@behaviour("loss: a model compiled without one is refused")
def _():
    def build(meta):
        model = for_numbers(meta)
        model.compile("adam")
        return model

    with pytest.raises(ValueError, match="compiled without a loss"):
        KerasRegressor(build).fit(X, NUMBERS)


@behaviour("loss: one beside a model compiled with another is refused")
def _():
    def build(meta):
        model = for_numbers(meta)
        model.compile("adam", "mse")
        return model

    with pytest.raises(ValueError, match="compiled with"):
        KerasRegressor(build, loss="mae").fit(X, NUMBERS)


@behaviour("loss: a subclass' default beside a model compiled with another is no matter")
def _():
    class Own(KerasRegressor):
        def __init__(self, model=None, loss="mse", **kwargs):
            super().__init__(model, loss=loss, **kwargs)

        def _keras_build_fn(self):
            model = for_numbers({"n_features_in_": 4, "n_outputs_": 1})
            model.compile("adam", "mae")
            return model

    assert Own().fit(X, NUMBERS).model_.loss.name == "mean_absolute_error"
    with pytest.raises(ValueError, match="compiled with"):
        Own(loss="huber").fit(X, NUMBERS)


@behaviour("metrics: names")
def _():
    assert set(regressor(metrics=["mae"]).fit(X, NUMBERS).history_) == {"loss", "mae"}


@behaviour("metrics: one that is not in a list")
def _():
    assert set(regressor(metrics="mae").fit(X, NUMBERS).history_) == {"loss", "mae"}


@behaviour("metrics: classes, with routed arguments by position")
def _():
    metrics = [keras.metrics.MeanAbsoluteError]
    fitted = regressor(metrics=metrics, metrics__0__name="error").fit(X, NUMBERS)
    assert "error" in fitted.history_


@behaviour("metrics: a dict")
def _():
    metrics = {"out": keras.metrics.MeanAbsoluteError}

    def build(meta):
        rows = keras.Input((meta["n_features_in_"],))
        return keras.Model(rows, layers.Dense(1, name="out")(rows))

    fitted = regressor(build, metrics=metrics, metrics__out__name="error").fit(X, NUMBERS)
    assert "error" in fitted.history_


@behaviour("metrics: history_ knows Keras' long names")
def _():
    own = regressor(metrics=["mae"], validation_split=0.25).fit(X, NUMBERS)
    assert own.history_["mean_absolute_error"] == own.history_["mae"]
    assert own.history_["val_mean_absolute_error"] == own.history_["val_mae"]
    with pytest.raises(KeyError, match="mean_squared_error"):
        own.history_["mean_squared_error"]


@behaviour("run_eagerly")
def _():
    assert regressor(run_eagerly=True).fit(X, NUMBERS).predict(X).shape == (48,)


@behaviour("loss_weights and weighted_metrics by compile__")
def _():
    fitted = regressor(compile__weighted_metrics=["mae"]).fit(X, NUMBERS)
    assert "mae" in fitted.history_


# ------------------------------------------------------------------------------------ callbacks

STOP = keras.callbacks.EarlyStopping
AT_ONCE = {"monitor": "loss", "patience": 0, "min_delta": 1e6}


def routed(prefix):
    return {f"{prefix}__{name}": value for name, value in AT_ONCE.items()}


@behaviour("callbacks: an object")
def _():
    assert regressor(callbacks=STOP(**AT_ONCE), epochs=9).fit(X, NUMBERS).n_iter_ == 2


@behaviour("callbacks: a class, with routed arguments")
def _():
    assert regressor(callbacks=STOP, epochs=9, **routed("callbacks")).fit(X, NUMBERS).n_iter_ == 2


@behaviour("callbacks: a list, with routed arguments by position")
def _():
    own = regressor(callbacks=[STOP], epochs=9, **routed("callbacks__0"))
    assert own.fit(X, NUMBERS).n_iter_ == 2


@behaviour("callbacks: a dict, with routed arguments by key")
def _():
    own = regressor(callbacks={"stop": STOP}, epochs=9, **routed("callbacks__stop"))
    assert own.fit(X, NUMBERS).n_iter_ == 2


@behaviour("callbacks: lists in lists")
def _():
    assert regressor(callbacks=[[STOP(**AT_ONCE)]], epochs=9).fit(X, NUMBERS).n_iter_ == 2


@behaviour("callbacks: fit__callbacks")
def _():
    assert regressor(fit__callbacks=[STOP(**AT_ONCE)], epochs=9).fit(X, NUMBERS).n_iter_ == 2


@behaviour("callbacks: what is none is refused")
def _():
    with pytest.raises(TypeError, match="callbacks"):
        regressor(callbacks=[3]).fit(X, NUMBERS)


@behaviour("callbacks: predict__callbacks")
def _():
    class Told(keras.callbacks.Callback):
        calls = 0

        def on_predict_end(self, logs=None):
            type(self).calls += 1

    own = regressor(predict__callbacks=Told).fit(X, NUMBERS)
    assert Told.calls == 0
    own.predict(X)
    assert Told.calls == 1


# --------------------------------------------------------------------- parameters and routing


@behaviour("epochs")
def _():
    assert regressor(epochs=3).fit(X, NUMBERS).n_iter_ == 3


@behaviour("fit__epochs wins over epochs")
def _():
    assert regressor(epochs=3, fit__epochs=2).fit(X, NUMBERS).n_iter_ == 2


class Steps(keras.callbacks.Callback):
    """Counts the steps of an epoch; kept outside, as callbacks are copied."""

    counts: ClassVar = []

    def on_train_batch_end(self, batch, logs=None):
        self.counts[-1] += 1


def steps_of(**params):
    Steps.counts.append(0)
    regressor(callbacks=[Steps()], **params).fit(X, NUMBERS)
    return Steps.counts[-1]


@behaviour("batch_size, 32 by default")
def _():
    assert steps_of() == 2
    assert steps_of(batch_size=12) == 4


@behaviour("batch_size=-1: all rows")
def _():
    assert steps_of(batch_size=-1) == 1


@behaviour("fit__batch_size wins over batch_size")
def _():
    assert steps_of(batch_size=12, fit__batch_size=24) == 2


@behaviour("predict__batch_size")
def _():
    own = regressor(predict__batch_size=7).fit(X, NUMBERS)
    np.testing.assert_allclose(own.predict(X), np.asarray(own.model_(X))[:, 0], rtol=1e-4)


@behaviour("validation_split: the last rows")
def _():
    own = regressor(validation_split=0.25).fit(X, NUMBERS)
    expected = np.mean((NUMBERS[36:] - own.predict(X[36:])) ** 2)
    assert own.history_["val_loss"][0] == pytest.approx(expected, rel=1e-4)


@behaviour("fit__validation_split, fit__shuffle and fit__verbose")
def _():
    own = regressor(fit__validation_split=0.25, fit__shuffle=False, fit__verbose=0)
    assert "val_loss" in own.fit(X, NUMBERS).history_


@behaviour("fit__validation_data")
def _():
    own = regressor(fit__validation_data=(X[:8], NUMBERS[:8])).fit(X, NUMBERS)
    expected = np.mean((NUMBERS[:8] - own.predict(X[:8])) ** 2)
    assert own.history_["val_loss"][0] == pytest.approx(expected, rel=1e-4)


@behaviour("validation_batch_size")
def _():
    assert regressor(validation_batch_size=9, validation_split=0.5).fit(X, NUMBERS).history_


@behaviour("shuffle=False")
def _():
    one, other = (
        regressor(for_numbers, shuffle=False, random_state=0).fit(X, NUMBERS) for _ in range(2)
    )
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


@behaviour("fit__initial_epoch, or fit(initial_epoch=)", "no")
def _():
    with pytest.raises(TypeError, match="initial_epoch"):
        regressor().fit(X, NUMBERS, initial_epoch=2)
    with pytest.raises(InvalidParameterError, match="fit__initial_epoch is not allowed"):
        regressor(fit__initial_epoch=2).fit(X, NUMBERS)


@behaviour("model__units wins over units")
def _():
    own = regressor(units=3, model__units=6).fit(X, NUMBERS)
    assert own.model_.layers[0].units == 6


@behaviour("the user's own parameters are parameters")
def _():
    own = regressor(units=3, model__depth=2)
    params = own.get_params()
    assert (params["units"], params["model__depth"]) == (3, 2)
    assert clone(own).get_params() == params


@behaviour("set_params sets routed parameters that were not there")
def _():
    own = regressor().set_params(model__units=6, optimizer__learning_rate=0.25, fit__epochs=2)
    own.fit(X, NUMBERS)
    assert (own.model_.layers[0].units, own.n_iter_) == (6, 2)
    assert rate_of(own) == 0.25


@behaviour("set_params of an unknown name is refused")
def _():
    with pytest.raises(ValueError, match="Did you mean epochs"):
        regressor().set_params(epoch=2)


@behaviour("random_state: an int gives equal models")
def _():
    one, other = (regressor(random_state=1).fit(X, NUMBERS).predict(X) for _ in range(2))
    np.testing.assert_array_equal(one, other)


@behaviour("random_state: a RandomState")
def _():
    one, other = (
        regressor(random_state=np.random.RandomState(1)).fit(X, NUMBERS).predict(X)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)


@behaviour("warm_start goes on with the weights")
def _():
    own = regressor(warm_start=True, epochs=2).fit(X, NUMBERS)
    first = own.history_["loss"][-1]
    assert own.fit(X, NUMBERS).history_["loss"][-1] < first


@behaviour("without warm_start a fit begins anew")
def _():
    own = regressor(epochs=2).fit(X, NUMBERS)
    first = own.predict(X)
    np.testing.assert_array_equal(own.fit(X, NUMBERS).predict(X), first)


@behaviour("a Keras model given as model is itself trained", "no")
def _():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    before = model.get_weights()
    regressor(model, epochs=3).fit(X, NUMBERS)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@behaviour("verbose=1 is the default", "no")
def _():
    assert regressor().get_params()["verbose"] == 0


@behaviour("random_state seeds TensorFlow as a whole", "no")
def _():
    own = regressor(random_state=1)
    keras.utils.set_random_seed(5)
    expected = np.random.rand()  # noqa: NPY002
    keras.utils.set_random_seed(5)
    own.fit(X, NUMBERS)
    assert np.random.rand() == expected  # noqa: NPY002


@behaviour("verbose=0 and verbose=1")
def _():
    assert regressor(verbose=1).fit(X, NUMBERS).get_params()["verbose"] == 1


class Forgetful(KerasClassifier):
    """As in SciKeras' guide: a routed parameter is named, and not stored."""

    def __init__(
        self, units=4, optimizer="adam", optimizer__learning_rate=0.25, epochs=1, **kwargs
    ):
        super().__init__(**kwargs)
        self.units = units
        self.optimizer = optimizer
        self.epochs = epochs

    def _keras_build_fn(self, compile_kwargs):
        model = for_classes(vars(self), self.units)
        model.compile(loss="binary_crossentropy", optimizer=compile_kwargs["optimizer"])
        return model


@behaviour("a subclass that names optimizer__learning_rate and does not store it")
def _():
    assert rate_of(Forgetful().fit(X, Y)) == 0.25
    other = clone(Forgetful(optimizer__learning_rate=0.5))
    assert other.get_params()["optimizer__learning_rate"] == 0.5
    assert rate_of(other.fit(X, Y)) == 0.5
    assert rate_of(pickle.loads(pickle.dumps(Forgetful(8, "sgd", 0.125))).fit(X, Y)) == 0.125


# ------------------------------------------------------------------------- arguments of one call


def by_one_call(**arguments):
    own = regressor()
    own.fit(X, NUMBERS, **arguments)
    assert "_of_this_call" not in vars(own)
    return own


@behaviour("fit(epochs=)", "by warning")
def _():
    own = by_one_call(epochs=3)
    assert own.n_iter_ == 3
    assert own.fit(X, NUMBERS).n_iter_ == 1


@behaviour("fit(batch_size=)", "by warning")
def _():
    Steps.counts.append(0)
    regressor(callbacks=[Steps()]).fit(X, NUMBERS, batch_size=8)
    assert Steps.counts[-1] == 6


@behaviour("fit(callbacks=)", "by warning")
def _():
    Steps.counts.append(0)
    by_one_call(callbacks=[Steps()])
    assert Steps.counts[-1] == 2


@behaviour("fit(verbose=)", "by warning")
def _():
    by_one_call(verbose=0)


@behaviour("fit(shuffle=)", "by warning")
def _():
    expected = regressor(shuffle=False).fit(X, NUMBERS).predict(X)
    np.testing.assert_array_equal(by_one_call(shuffle=False).predict(X), expected)


@behaviour("fit(validation_split=)", "by warning")
def _():
    assert by_one_call(validation_split=0.25).history_["val_loss"]


@behaviour("fit(validation_data=)", "by warning")
def _():
    weight = np.arange(1.0, 9.0)
    own = by_one_call(validation_data=(X[:8], NUMBERS[:8], weight))
    expected = np.average((NUMBERS[:8] - own.predict(X[:8])) ** 2, weights=weight)
    assert own.history_["val_loss"][0] == pytest.approx(expected, rel=1e-4)


@behaviour("fit(class_weight=)", "by warning")
def _():
    own = classifier(epochs=5)
    weighted = clone(own).fit(X, Y, class_weight={0: 1, 1: 9}).predict_proba(X)
    expected = own.set_params(class_weight={0: 1, 1: 9}).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(weighted, expected)


@behaviour("pipeline.fit(clf__epochs=)", "by warning")
def _():
    pipeline = make_pipeline(StandardScaler(), regressor())
    pipeline.fit(X, NUMBERS, kerasregressor__epochs=2)
    assert pipeline[-1].n_iter_ == 2


@behaviour("cross_val_score with arguments of fit", "by warning")
def _():
    assert len(cross_val_score(regressor(), X, NUMBERS, cv=2, params={"epochs": 2})) == 2


@behaviour("fit of an argument that there is not is refused")
def _():
    with pytest.raises(TypeError, match="Did you mean epochs") as error:
        regressor().fit(X, NUMBERS, epoch=2)
    assert "KerasRegressor.fit" in str(error.value)


@behaviour("partial_fit(batch_size=)", "by warning")
def _():
    Steps.counts.append(0)
    regressor(callbacks=[Steps()]).partial_fit(X, NUMBERS, batch_size=8)
    assert Steps.counts[-1] == 6


@behaviour("partial_fit(epochs=) is refused")
def _():
    with pytest.raises(TypeError, match="epochs"):
        regressor().partial_fit(X, NUMBERS, epochs=2)


@behaviour("predict(batch_size=, verbose=)")
def _():
    own = regressor().fit(X, NUMBERS)
    np.testing.assert_array_equal(own.predict(X, batch_size=5, verbose=0), own.predict(X))


@behaviour("predict_proba(batch_size=, verbose=)")
def _():
    own = classifier().fit(X, Y)
    np.testing.assert_array_equal(
        own.predict_proba(X, batch_size=5, verbose=1), own.predict_proba(X)
    )


# ---------------------------------------------------------------------- weights of a class or row


@behaviour("class_weight: a dict, and multiplied with sample_weight")
def _():
    heavy = np.where(Y == 1, 9.0, 1.0)
    one = classifier(epochs=3, class_weight={0: 1, 1: 9}).fit(X, Y).predict_proba(X)
    other = classifier(epochs=3).fit(X, Y, sample_weight=heavy).predict_proba(X)
    np.testing.assert_allclose(one, other, rtol=1e-5)


@behaviour("class_weight: balanced")
def _():
    one = classifier(class_weight="balanced").fit(X, Y).predict_proba(X)
    counts = np.bincount(Y)
    weights = {label: 48 / (2 * counts[label]) for label in (0, 1)}
    np.testing.assert_allclose(one, classifier(class_weight=weights).fit(X, Y).predict_proba(X))


@behaviour("fit__class_weight")
def _():
    one = classifier(fit__class_weight={0: 1, 1: 9}).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(
        one, classifier(class_weight={0: 1, 1: 9}).fit(X, Y).predict_proba(X)
    )


@behaviour("sample_weight: rows of weight 0 are left out")
def _():
    weight = np.r_[np.ones(32), np.zeros(16)]
    one = regressor().fit(X, NUMBERS, sample_weight=weight).predict(X)
    np.testing.assert_allclose(one, regressor().fit(X[:32], NUMBERS[:32]).predict(X), rtol=1e-5)


@behaviour("sample_weight: only zeros are refused")
def _():
    with pytest.raises(ValueError, match="zero"):
        regressor().fit(X, NUMBERS, sample_weight=np.zeros(48))


# -------------------------------------------------------------------------------------- targets


@behaviour("classes: text labels, two classes, one output")
def _():
    own = classifier().fit(X, np.array(["no", "yes"])[Y])
    assert set(own.predict(X)) <= {"no", "yes"}
    assert own.predict_proba(X).shape == (48, 2)


@behaviour("classes: two classes, two outputs")
def _():
    def build():
        return keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="softmax")])

    own = classifier(build, loss="sparse_categorical_crossentropy").fit(X, Y)
    np.testing.assert_array_equal(own.predict(X), own.predict_proba(X).argmax(1))


@behaviour("classes: several, sparse_categorical_crossentropy")
def _():
    own = classifier(loss="sparse_categorical_crossentropy").fit(X, NAMES)
    np.testing.assert_allclose(own.predict_proba(X).sum(1), 1)


@behaviour("classes: several, categorical_crossentropy encodes them")
def _():
    assert set(classifier(loss="categorical_crossentropy").fit(X, NAMES).predict(X)) <= set(NAMES)


@behaviour("classes: one-hot rows")
def _():
    def build(meta):
        return for_classes({**meta, "target_type_": "multiclass"})

    own = classifier(build, loss="categorical_crossentropy").fit(X, ONE_HOT)
    np.testing.assert_array_equal(own.predict(X).sum(1), 1)


@behaviour("classes: several labels for a row")
def _():
    own = classifier().fit(X, LABELS)
    np.testing.assert_array_equal(own.predict(X), (own.predict_proba(X) > 0.5).astype(int))


@behaviour("classes: several columns of classes without an encoder", "no")
def _():
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        classifier().fit(X, np.column_stack([Y, Y3]))


@behaviour("classes: partial_fit(classes=)")
def _():
    own = classifier(loss="sparse_categorical_crossentropy")
    own.partial_fit(X[Y3 < 2], Y3[Y3 < 2], classes=[0, 1, 2])
    assert own.predict_proba(X).shape == (48, 3)


@behaviour("numbers: one column and several")
def _():
    both = np.column_stack([NUMBERS, -NUMBERS])
    assert regressor().fit(X, both).predict(X).shape == (48, 2)
    assert regressor().fit(X, NUMBERS).predict(X).shape == (48,)


@behaviour("a model with another number of outputs is refused")
def _():
    def build():
        return keras.Sequential([keras.Input((4,)), layers.Dense(2)])

    with pytest.raises(ValueError, match="2 outputs"):
        regressor(build).fit(X, NUMBERS)


class TwoTargets(TransformerMixin, BaseEstimator):
    def fit(self, y):
        return self

    def transform(self, y):
        return [y[:, :1].astype(np.float32), y[:, 1:].astype(np.float32)]

    def inverse_transform(self, y, return_proba=False):
        if return_proba:
            return y
        return np.column_stack([y[0][:, 0] > 0.5, y[1].argmax(1)]).astype(int)

    def get_metadata(self):
        return {"n_outputs_": 2, "n_outputs_expected_": 2, "widths_": (1, 3)}


@behaviour("target_encoder: several outputs, and its get_metadata")
def _():
    class Own(KerasClassifier):
        @property
        def target_encoder(self):
            return TwoTargets()

        @staticmethod
        def scorer(y_true, y_pred, **kwargs):
            return np.mean([accuracy_score(y_true[:, i], y_pred[:, i], **kwargs) for i in (0, 1)])

    def build(meta):
        one, three = meta["widths_"]
        rows = keras.Input((4,))
        heads = [layers.Dense(one, "sigmoid")(rows), layers.Dense(three, "softmax")(rows)]
        return keras.Model(rows, heads)

    y = np.column_stack([Y, Y3])
    own = Own(build, loss=["binary_crossentropy", "sparse_categorical_crossentropy"]).fit(X, y)
    assert [part.shape for part in own.predict_proba(X)] == [(48, 1), (48, 3)]
    expected = [accuracy_score(y[:, i], own.predict(X)[:, i]) for i in (0, 1)]
    assert own.score(X, y) == pytest.approx(np.mean(expected))


@behaviour("feature_encoder: several inputs")
def _():
    class Own(KerasRegressor):
        @property
        def feature_encoder(self):
            return FunctionTransformer(lambda X: [X[:, :1], X[:, 1:]])

    def build():
        one, three = keras.Input((1,)), keras.Input((3,))
        return keras.Model([one, three], layers.Dense(1)(layers.Concatenate()([one, three])))

    assert Own(build, loss="mse").fit(X, NUMBERS).predict(X).shape == (48,)


@behaviour("feature_encoder: with a list of one loss")
def _():
    class Own(KerasClassifier):
        @property
        def feature_encoder(self):
            return FunctionTransformer(lambda X: 2 * X)

    own = Own(for_classes, loss=["sparse_categorical_crossentropy"], random_state=0).fit(X, Y3)
    assert own.predict_proba(X).shape == (48, 3)


@behaviour("target_encoder_.inverse_transform of what the network gives")
def _():
    own = classifier(loss="sparse_categorical_crossentropy").fit(X, NAMES)
    outputs = np.asarray(own.model_(X))
    np.testing.assert_array_equal(own.target_encoder_.inverse_transform(outputs), own.predict(X))


@behaviour("scorer: a subclass' own")
def _():
    class Own(KerasRegressor):
        @staticmethod
        def scorer(y_true, y_pred, **kwargs):
            return -np.abs(y_true - y_pred).max()

    own = Own(for_numbers, loss="mse").fit(X, NUMBERS)
    assert own.score(X, NUMBERS) == pytest.approx(-np.abs(NUMBERS - own.predict(X)).max())


@behaviour("score: accuracy and R², with sample_weight")
def _():
    weight = np.arange(1.0, 49.0)
    own = regressor().fit(X, NUMBERS)
    expected = r2_score(NUMBERS, own.predict(X), sample_weight=weight)
    assert own.score(X, NUMBERS, weight) == pytest.approx(expected)
    own = classifier().fit(X, Y)
    assert own.score(X, Y) == accuracy_score(Y, own.predict(X))


@behaviour("score__ arguments of the scorer")
def _():
    own = classifier(score__normalize=False).fit(X, Y)
    assert own.score(X, Y) == (own.predict(X) == Y).sum()


# ----------------------------------------------------------------------------------------- rows


@behaviour("rows: sparse")
def _():
    own = regressor().fit(sparse.csr_matrix(X), NUMBERS)
    np.testing.assert_allclose(own.predict(sparse.csr_matrix(X)), own.predict(X), rtol=1e-5)


@behaviour("rows: images")
def _():
    images = RNG.normal(size=(12, 4, 4, 1))

    def build(meta):
        return keras.Sequential(
            [keras.Input(meta["X_shape_"][1:]), layers.Flatten(), layers.Dense(1)]
        )

    assert regressor(build).fit(images, np.arange(12)).predict(images).shape == (12,)


@pytest.mark.parametrize(("rows", "taken"), [((48, 4, 1), (4,)), ((48, 4), (4, 1))])
def test_a_last_axis_of_one_is_as_good_as_none(rows, taken):
    def build():
        kernel = keras.initializers.Ones()
        return keras.Sequential(
            [keras.Input(taken), layers.Flatten(), layers.Dense(1, kernel_initializer=kernel)]
        )

    own = regressor(build).initialize(X.reshape(rows), NUMBERS)
    np.testing.assert_allclose(own.predict(X.reshape(rows)), X.sum(1), rtol=1e-4, atol=1e-5)
    assert own.fit(X.reshape(rows), NUMBERS).n_iter_ == 1


@behaviour("rows: of shape (n, d, 1) for an input of shape (d,)")
def _():
    assert regressor(lambda: keras.Sequential([keras.Input((4,)), layers.Dense(1)])).fit(
        X[..., None], NUMBERS
    ).predict(X[..., None]).shape == (48,)


@behaviour("rows: a list of lists, and numbers as text")
def _():
    assert regressor().fit(X.astype(str).tolist(), NUMBERS).predict(X).shape == (48,)


@behaviour("rows: of another number of features are refused")
def _():
    with pytest.raises(ValueError, match="features"):
        regressor().fit(X, NUMBERS).predict(X[:, :3])


@behaviour("rows: before fit there is a NotFittedError")
def _():
    with pytest.raises(NotFittedError):
        regressor().predict(X)


# --------------------------------------------------------------------------- the fitted estimator


@behaviour("history_: a list for each name")
def _():
    history = regressor(epochs=2, metrics=["mae"]).fit(X, NUMBERS).history_
    assert {name: len(values) for name, values in history.items()} == {"loss": 2, "mae": 2}


@behaviour("current_epoch, and how partial_fit counts it on")
def _():
    own = regressor(epochs=2)
    assert own.current_epoch == 0
    assert own.fit(X, NUMBERS).current_epoch == 2
    assert own.partial_fit(X, NUMBERS).current_epoch == 3


@behaviour("initialized_")
def _():
    own = regressor()
    assert not own.initialized_
    assert own.fit(X, NUMBERS).initialized_


@behaviour("initialize, then predict without a fit")
def _():
    own = classifier().initialize(X, Y)
    assert own.initialized_
    assert own.current_epoch == 0
    expected = np.asarray(own.model_(X))[:, 0]
    np.testing.assert_allclose(own.predict_proba(X)[:, 1], expected, rtol=1e-5)


@behaviour("initialize with a network that is trained already")
def _():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.set_weights([np.ones((4, 1)), np.zeros(1)])
    own = KerasClassifier(model).initialize(X, Y)
    expected = 1 / (1 + np.exp(-X.sum(1)))
    np.testing.assert_allclose(own.predict_proba(X)[:, 1], expected, rtol=1e-4)
    np.testing.assert_array_equal(own.predict(X), X.sum(1) > 0)


@behaviour("initialize, then partial_fit or a warm start go on from there")
def _():
    def build():
        return keras.Sequential([keras.Input((4,)), layers.Dense(1)])

    weights = [np.array([[1.0], [-2], [0], [0]]), np.zeros(1)]
    own = regressor(build, warm_start=True, optimizer="sgd", optimizer__learning_rate=0.0)
    own.initialize(X, NUMBERS, weights)
    assert own.fit(X, NUMBERS).history_["loss"][0] == pytest.approx(0, abs=1e-9)
    assert own.initialize(X, NUMBERS, weights).partial_fit(X, NUMBERS).current_epoch == 1


def test_initialize_loads_a_file_of_weights(tmp_path):
    trained = regressor(epochs=3).fit(X, NUMBERS)
    file = tmp_path / "net.weights.h5"
    trained.model_.save_weights(file)
    own = regressor().initialize(X, NUMBERS, weights=file)
    np.testing.assert_allclose(own.predict(X), trained.predict(X), rtol=1e-6)


@behaviour("model_ is what predicts: weights set or loaded there count")
def _():
    own = regressor(linear).fit(X, NUMBERS)
    own.model_.set_weights([np.ones((4, 1)), np.ones(1)])
    np.testing.assert_allclose(own.predict(X), X.sum(1) + 1, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(own)).predict(X), own.predict(X))


@behaviour("model_.evaluate and model_.save")
def _():
    own = regressor().fit(X, NUMBERS)
    expected = np.mean((NUMBERS - own.predict(X)) ** 2)
    value = own.model_.evaluate(X, NUMBERS, verbose=0)
    assert value == pytest.approx(expected, rel=1e-4)


@behaviour("X_dtype_, X_shape_, y_dtype_, y_ndim_, target_type_, n_features_in_")
def _():
    own = regressor().fit(X, NUMBERS)
    assert own.X_dtype_ == np.float32
    assert (own.X_shape_, own.y_ndim_, own.n_features_in_) == ((48, 4), 1, 4)
    assert (own.y_dtype_, own.target_type_) == (NUMBERS.dtype, "continuous")


@behaviour("pickle, clone and copies predict the same")
def _():
    own = classifier().fit(X, Y)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(own)).predict_proba(X), own.predict_proba(X)
    )
    assert not clone(own).initialized_


# ------------------------------------------------------------------------- scikit-learn around it


@behaviour("GridSearchCV over routed parameters")
def _():
    grid = {"model__units": [2, 3], "optimizer__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(regressor(), grid, cv=2).fit(X, NUMBERS)
    assert search.best_params_.keys() == grid.keys()


@behaviour("RandomizedSearchCV over optimizers")
def _():
    search = RandomizedSearchCV(regressor(), {"optimizer": ["Adam", "sgd"]}, n_iter=2, cv=2)
    assert search.fit(X, NUMBERS).best_params_["optimizer"] in {"Adam", "sgd"}


@behaviour("a Pipeline")
def _():
    pipeline = make_pipeline(StandardScaler(), classifier()).fit(X, Y)
    assert pipeline.predict_proba(X).shape == (48, 2)


@behaviour("cross_val_score")
def _():
    assert np.isfinite(cross_val_score(classifier(), X, Y, cv=2)).all()


@behaviour("bagging and boosting")
def _():
    pair = {"n_estimators": 2, "random_state": 0}
    assert BaggingRegressor(regressor(), **pair).fit(X, NUMBERS).predict(X).shape == (48,)
    # It refuses networks that are no better than chance, as after one epoch from some weights.
    trained = classifier(epochs=30, optimizer="adam", optimizer__learning_rate=0.05)
    assert AdaBoostClassifier(trained, **pair).fit(X, Y).predict(X).shape == (48,)


@behaviour("models that a class of the user's own derives from keras.Model")
def _():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, rows):
            return self.dense(rows)

    assert regressor(Own).fit(X, NUMBERS).predict(X).shape == (48,)


@behaviour("BaseWrapper, to derive transformers from", "no")
def _():
    assert not hasattr(skdl, "BaseWrapper")
    assert hasattr(skdl, "KerasTransformer")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: skdl.MLPRegressor().fit(X, NUMBERS, epochs=2), r"^fit\(\) got .*'epochs'"),
        (lambda: skdl.MLPClassifier().predict(X, verbose=0), r"^predict\(\) got"),
        (lambda: skdl.MLPClassifier().predict_proba(X, verbose=0), r"^predict_proba\(\) got"),
        (lambda: skdl.MLPRegressor().partial_fit(X, NUMBERS, epochs=2), r"^partial_fit\(\) got"),
    ],
    ids=["epochs", "predict", "predict_proba", "partial_fit"],
)
def test_errors_of_arguments_name_no_internal_class(call, message):
    with pytest.raises(TypeError, match=message):
        call()


# Rows of a file bring their targets along, so that `y` may be left out there.
@pytest.mark.parametrize("estimator", [skdl.MLPClassifier(), regressor()], ids=["ours", "theirs"])
def test_targets_that_are_missing_are_asked_for(estimator):
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        estimator.fit(X)


@pytest.mark.parametrize(("works", "check"), ROWS)
def test_documented_behaviour(works, check):
    if works == "by warning":
        with pytest.warns(MigrationWarning, match="Better"):
            check()
    else:
        check()


def test_the_migration_page_tells_the_share():
    works = [row.values[0] for row in ROWS]
    n_no = works.count("no")
    page = Path(__file__).parents[3].joinpath("docs", "migration.rst").read_text()
    share = (len(works) - n_no) / len(works)
    assert len(works) >= 60
    assert share >= 0.95
    n_warned = works.count("by warning")
    counted = f"Of {len(works)} behaviours that SciKeras documents, {len(works) - n_no} work"
    assert counted in " ".join(page.split())
    assert f"{n_warned} of them with a warning" in " ".join(page.split())
