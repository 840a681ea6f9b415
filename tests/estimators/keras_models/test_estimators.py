"""Estimators around a user's own model: what they promise beyond SciKeras' ways."""

import copy
import logging
import pickle

import keras
import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import KerasClassifier, KerasRegressor, from_scikeras, lockstep
from skdl.exceptions import InvalidParameterError
from tests.checks import slow_but, slow_case

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

layers = keras.layers


def build(units=8, activation="relu"):
    return keras.Sequential([layers.Dense(units, activation=activation), layers.Dense(1)])


def build_classifier(meta, units=8):
    n_outputs = 1 if meta["target_type_"] == "binary" else meta["n_classes_"]
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            layers.Dense(units, activation="relu"),
            layers.Dense(n_outputs, activation="sigmoid" if n_outputs == 1 else "softmax"),
        ]
    )


class Net(keras.Model):
    """A subclassed model."""

    def __init__(self, units):
        super().__init__()
        self.hidden = layers.Dense(units, activation="relu")
        self.out = layers.Dense(1)

    def call(self, rows):
        return self.out(self.hidden(rows))


def squared_error(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), -1)


class OwnStep(Net):
    """One with a training step of its own, which counts its steps."""

    def train_step(self, data):
        logs = super().train_step(data)
        return {**logs, "doubled": 2 * logs["loss"]}


def regressor(model=build, **params):
    fixed = {"loss": "mse", "optimizer": "adam", "epochs": 3, "random_state": 0}
    return KerasRegressor(model, **fixed | params)


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    return X, (y - y.mean()) / y.std()


@pytest.fixture
def log(caplog):
    with caplog.at_level(logging.INFO, logger="skdl"):
        yield caplog


def keeping_state():
    rows = keras.Input((3, 2), batch_size=4)
    recurrent = layers.SimpleRNN(2, stateful=True, kernel_initializer=keras.initializers.Ones())
    return keras.Model(rows, layers.Dense(1, kernel_initializer="ones")(recurrent(rows)))


SERIES = np.random.default_rng(0).normal(size=(12, 3, 2)).astype(np.float32)


@pytest.mark.slow
def test_states_that_go_from_batch_to_batch_are_left_to_keras():
    y = SERIES.sum((1, 2))
    ours = KerasRegressor(keeping_state, optimizer="sgd", loss="mse", batch_size=4, shuffle=False)
    ours.fit(SERIES, y)
    theirs = keras.models.clone_model(ours.model_)
    theirs.set_weights(ours.model_.get_weights())
    expected = np.concatenate([theirs(SERIES[i : i + 4]) for i in (0, 4, 8)])[:, 0]
    # The second call begins without a state too, and 6 rows are a batch and a half.
    for n_rows in (12, 6):
        np.testing.assert_allclose(ours.predict(SERIES[:n_rows]), expected[:n_rows], rtol=1e-5)


@pytest.mark.slow
def test_training_with_states_is_that_of_keras():
    y = SERIES.sum((1, 2))
    ours = KerasRegressor(keeping_state, optimizer="sgd", loss="mse", batch_size=4, shuffle=False)
    ours.set_params(epochs=2, random_state=0)
    begun = clone(ours).initialize(SERIES, y).model_.get_weights()
    ours.fit(SERIES, y, X_val=SERIES[:8], y_val=y[:8])
    theirs = keeping_state()
    theirs.compile("sgd", "mse")
    theirs.set_weights(begun)
    validation = SERIES[:8], y[:8]
    theirs.fit(
        SERIES, y, batch_size=4, epochs=2, shuffle=False, verbose=0, validation_data=validation
    )
    for one, other in zip(ours.model_.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("n_rows", "batch_size", "message"), [
    (12, 32, "for 4 rows at once, but there are 12 training rows, in batches of 32"),
    (10, 4, "10 training rows.* Expected batch_size=4"),
])  # fmt: skip
def test_rows_that_do_not_fill_batches_with_states_are_refused(n_rows, batch_size, message):
    own = KerasRegressor(keeping_state, loss="mse", batch_size=batch_size)
    with pytest.raises(ValueError, match=message):
        own.fit(SERIES[:n_rows], np.zeros(n_rows))


# ---------------------------------------------------------------------------- models given


def given_model(kind, n_features):
    if kind == "functional":
        inputs = keras.Input((n_features,))
        normalised = layers.BatchNormalization()(layers.Dense(6, activation="relu")(inputs))
        model = keras.Model(inputs, layers.Dense(1)(normalised))
    elif kind == "subclass":
        model = NetWithConfig(6)
        model(np.zeros((1, n_features), np.float32))
    else:
        model = keras.Sequential([layers.Dense(6, activation="relu"), layers.Dense(1)])
    if kind != "not built":
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
    return model


@keras.saving.register_keras_serializable(package="skdl-tests")
class NetWithConfig(Net):
    def __init__(self, units):
        super().__init__(units)
        self.units = units

    def get_config(self):
        return {"units": self.units}


def state_of(model):
    optimizer = getattr(model, "optimizer", None)
    return {
        "weights": [w.copy() for w in model.get_weights()] if model.built else None,
        "built": model.built,
        "compiled": model.compiled,
        "compile": model.get_compile_config(),
        "optimizer": optimizer and [np.array(v) for v in optimizer.variables],
        "trainable": [layer.trainable for layer in model.layers],
    }


@pytest.mark.parametrize(
    "kind", slow_but(["functional", "subclass", "not built"], "functional", "not built")
)
def test_given_model_is_untouched_by_fits_and_searches(kind, data):
    X, y = data
    model = given_model(kind, X.shape[1])
    before = state_of(model)
    params = {"loss": "mse", "optimizer": "adam"} if kind == "not built" else {}
    ours = KerasRegressor(model, epochs=2, random_state=0, **params)
    ours.fit(X, y)
    assert ours.model_ is not model
    cross_val_score(ours, X, y, cv=2)
    with lockstep():
        search = GridSearchCV(ours, {"epochs": [1, 2]}, cv=2).fit(X, y)
    search.predict(X)
    assert clone(ours).model is model
    after = state_of(model)
    for name, value in before.items():
        if name in {"weights", "optimizer"} and value is not None:
            for one, other in zip(value, after[name], strict=True):
                np.testing.assert_array_equal(one, other, err_msg=name)
        else:
            assert after[name] == value, name


def test_given_model_begins_with_its_own_weights(data):
    X, y = data
    model = given_model("functional", X.shape[1])
    job = KerasRegressor(model)._make_job(X, y)
    for one, other in zip(job.weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_given_model_trains_in_lockstep(data):
    X, y = data
    ours = KerasRegressor(given_model("functional", X.shape[1]), epochs=5, random_state=0)
    alone = cross_val_score(ours, X, y, cv=4)
    with lockstep() as session:
        together = cross_val_score(ours, X, y, cv=4)
    assert session.batches == [4]
    np.testing.assert_allclose(together, alone, rtol=1e-3)


# --------------------------------------------------------------------------- what Keras trains


@pytest.mark.slow
def test_subclassed_model_goes_through_keras_and_learns(data, log):
    X, y = data
    ours = regressor(Net, units=16, epochs=30, optimizer__learning_rate=0.01)
    assert ours.fit(X, y).score(X, y) > 0.4
    assert "is a class of the user's" in log.text
    assert len(ours.history_["loss"]) == 30


def test_own_train_step_is_used_and_its_logs_are_kept(data, log):
    X, y = data
    ours = regressor(lambda: OwnStep(4), validation_split=0.2).fit(X, y)
    assert "train_step" in log.text
    assert set(ours.history_) == {"loss", "doubled", "val_loss"}
    np.testing.assert_allclose(ours.history_["doubled"], 2 * np.array(ours.history_["loss"]))


def test_batch_callback_goes_through_keras(data, log):
    seen = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(1))
    regressor(callbacks=callback).fit(*data)
    assert "acts on batches" in log.text
    assert len(seen) == 3 * 5


@pytest.mark.slow
def test_early_stopping_and_warm_start_of_what_keras_trains(data):
    X, y = data
    ours = regressor(lambda: Net(4), early_stopping=True, patience=0, min_delta=1e6, epochs=9)
    assert ours.fit(X, y).n_iter_ == 2
    ours = regressor(lambda: Net(4), warm_start=True, epochs=2).fit(X, y)
    weights = ours.model_.get_weights()
    assert ours.fit(X, y).n_iter_ == 4
    assert not np.array_equal(weights[0], ours.model_.get_weights()[0])
    steps = int(ours._trained.slots[0])
    assert steps == 4 * 5


ON_BATCHES = [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]
LOSS_SCALED = keras.optimizers.LossScaleOptimizer
OPTIMIZERS = {
    "adam": (lambda: keras.optimizers.Adam(0.01), ON_BATCHES),
    "nadam": (lambda: keras.optimizers.Nadam(0.01), ON_BATCHES),
    "rmsprop": (lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True), ON_BATCHES),
    "adafactor": (lambda: keras.optimizers.Adafactor(0.01), None),
    "accumulated": (lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2), None),
    "loss scaled": (lambda: LOSS_SCALED(keras.optimizers.Adam(0.01)), None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fits_in_parts_are_one_fit_where_keras_trains(name, data):
    X, y = data[0][:70], data[1][:70]
    make, callbacks = OPTIMIZERS[name]

    def own(**params):
        return regressor(optimizer=make(), callbacks=callbacks, shuffle=False, **params)

    whole = own(epochs=3).fit(X, y).model_.get_weights()
    parts = own(epochs=2, warm_start=True).fit(X, y).set_params(epochs=1).fit(X, y)
    for one, other in zip(whole, parts.model_.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    passes = own()
    for _ in range(3):
        passes.partial_fit(X, y)
    for one, other in zip(whole, passes.model_.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    "callbacks", [(None, ON_BATCHES), pytest.param((ON_BATCHES, None), marks=pytest.mark.slow)]
)
def test_optimizer_state_goes_from_the_graph_to_keras_and_back(callbacks, data):
    X, y = data[0][:70], data[1][:70]
    own = regressor(optimizer="nadam", shuffle=False, epochs=2, warm_start=True)
    own.set_params(callbacks=callbacks[0]).fit(X, y)
    own.set_params(callbacks=callbacks[1]).fit(X, y)
    whole = regressor(optimizer="nadam", shuffle=False, epochs=4).fit(X, y)
    np.testing.assert_allclose(own.predict(X), whole.predict(X), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("params", [{"callbacks": ON_BATCHES}, {"compile__run_eagerly": True}])
def test_learning_rate_goes_on_as_callbacks_left_it_unless_it_is_set(params, data):
    X, y = data[0][:70], data[1][:70]
    rates = []

    def schedule(epoch, rate):
        rates.append(rate)
        return rate / 2

    halving = keras.callbacks.LearningRateScheduler(schedule)
    callbacks = [halving, *params.get("callbacks", [])]
    own = regressor(
        optimizer=keras.optimizers.SGD(0.08), epochs=2, warm_start=True,
        **params | {"callbacks": callbacks},
    )  # fmt: skip
    own.fit(X, y).fit(X, y)
    own.set_params(optimizer=keras.optimizers.SGD(0.4)).fit(X, y)
    np.testing.assert_allclose(rates, [0.08, 0.04, 0.02, 0.01, 0.4, 0.2], rtol=1e-6)


@pytest.mark.parametrize("copied", slow_but(["pickle", "deepcopy"], "pickle"))
def test_copies_of_what_keras_trained_predict_the_same(copied, data):
    X, y = data
    ours = regressor(build_net).fit(X, y)
    twin = pickle.loads(pickle.dumps(ours)) if copied == "pickle" else copy.deepcopy(ours)
    np.testing.assert_array_equal(twin.predict(X), ours.predict(X))


def build_net():
    return Net(4)


# ------------------------------------------------------------------------- scikit-learn's side


def test_kinds_of_estimators_are_seen(data):
    assert is_classifier(KerasClassifier(build_classifier))
    assert is_regressor(regressor())


def test_user_parameters_are_parameters(data):
    X, y = data
    ours = regressor(units=4, model__activation="tanh", optimizer__learning_rate=0.1)
    params = ours.get_params()
    assert (params["units"], params["model__activation"]) == (4, "tanh")
    twin = clone(ours)
    assert twin.get_params() == params
    assert "units=4" in repr(ours)
    twin.set_params(units=6).fit(X, y)
    assert twin.model_.layers[0].units == 6
    assert twin.model_.layers[0].activation is keras.activations.tanh
    assert ours.units == 4


def test_sample_weight_reaches_training_through_a_pipeline(data):
    X, y = data
    weight = np.where(y > 0, 1.0, 1e-6)
    with sklearn.config_context(enable_metadata_routing=True):
        network = regressor(epochs=20, optimizer__learning_rate=0.02).set_fit_request(
            sample_weight=True
        )
        network.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, network)
        plain = pipeline.fit(X, y).predict(X)
        weighted = pipeline.fit(X, y, sample_weight=weight).predict(X)
        # Named, as scikit-learn 1.7 cannot route to the pipeline's own `score`.
        scorer = get_scorer("r2").set_score_request(sample_weight=True)
        scores = sklearn.model_selection.cross_validate(
            pipeline,
            X,
            y,
            params={"sample_weight": weight},
            scoring=scorer,
            cv=2,
            return_estimator=True,
        )
    by_hand = clone(network).fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    np.testing.assert_allclose(
        weighted, by_hand.predict(StandardScaler().fit_transform(X)), rtol=1e-5
    )
    assert weighted.mean() > plain.mean() + 0.2
    for fitted in scores["estimator"]:
        assert fitted.predict(X).mean() > plain.mean() + 0.2


def test_validation_rows_early_stopping_and_feature_names(data):
    import pandas as pd

    X, y = data
    X = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    ours = regressor(early_stopping=True, patience=0, min_delta=1e6, epochs=9).fit(X, y)
    assert ours.n_iter_ == 2
    assert list(ours.feature_names_in_) == list(X.columns)
    ours = regressor().fit(X, y, X_val=X[:20], y_val=y[:20])
    assert len(ours.history_["val_loss"]) == 3


def test_validation_split_holds_out_the_last_rows(data):
    X, y = data
    ours = regressor(validation_split=0.2, shuffle=False)
    by_hand = regressor(shuffle=False).fit(X[:120], y[:120], X_val=X[120:], y_val=y[120:])
    assert ours.fit(X, y).history_["val_loss"] == pytest.approx(by_hand.history_["val_loss"])


def test_target_scaling_keeps_predictions_in_the_units_of_y(diabetes):
    X, y = diabetes
    plain, scaled = (
        regressor(target_scaling=scaling, epochs=30, optimizer__learning_rate=0.01).fit(X, y)
        for scaling in (False, True)
    )
    assert scaled.score(X, y) > 0.3 > plain.score(X, y)


def test_the_users_generators_are_left_alone(data):
    import random

    X, y = data
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    regressor().fit(X, y)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


@pytest.mark.parametrize(
    ("looks_at", "draws", "n_calls"), [(1, False, 1), (0, False, 2), (1, True, 4)]
)
def test_folds_share_one_building_where_it_would_be_the_same(looks_at, draws, n_calls, data):
    X, y = data  # 150 rows: two folds train on 112, two on 113
    calls = []

    def counted(meta):
        calls.append(meta["X_shape_"][looks_at] if looks_at else meta["X_shape_"])
        model = keras.Sequential([keras.Input((meta["n_features_in_"],)), layers.Dense(1)])
        if draws:
            model.layers[0].set_weights([np.full((X.shape[1], 1), 0.1), np.ones(1)])
        return model

    def by_width(meta):
        # Sees nothing of the number of rows.
        return counted({"X_shape_": (0, X.shape[1]), "n_features_in_": meta["n_features_in_"]})

    with lockstep() as session:
        cross_val_score(regressor(by_width if looks_at else counted), X, y, cv=4)
    assert session.batches == [4]
    assert len(calls) == n_calls


def test_lockstep_with_functions_that_draw_their_own_weights(data):
    X, y = data

    def drawn():
        model = keras.Sequential([keras.Input((X.shape[1],)), layers.Dense(1)])
        weights = np.random.normal(size=(X.shape[1], 1))  # noqa: NPY002 - as users do
        model.layers[0].set_weights([weights, np.ones(1)])
        return model

    ours = regressor(drawn)
    alone = cross_val_score(ours, X, y, cv=6)
    with lockstep() as session:
        together = cross_val_score(ours, X, y, cv=6)
    assert session.batches == [6]
    np.testing.assert_allclose(together, alone, rtol=1e-4)


# ------------------------------------------------------------------------------ at the door


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"model": None}, "a function that returns a Keras model"),
        ({"model": 3}, "model=3 is not allowed"),
        ({"model": lambda: 3}, "returned int"),
        ({"loss": None}, "a loss, for example"),
        ({"loss": "msee"}, "did you mean|Did you mean"),
        ({"epochs": 0}, "epochs=0"),
        ({"fit__epochs": 0}, "epochs=0"),
        ({"fit__initial_epoch": 3}, "fit__initial_epoch is not allowed"),
        ({"validation_split": 1.0}, "validation_split=1.0"),
        ({"batch_size": -2}, "batch_size=-2"),
        ({"callbacks": [3]}, "callbacks holds 3"),
        ({"build_fn": build}, r"Expected model="),
    ],
)
def test_bad_parameters_are_told_at_the_door(params, message, data):
    with pytest.raises((InvalidParameterError, TypeError), match=message):
        regressor(**{"model": build} | params).fit(*data)


def test_model_that_does_not_fit_the_data_is_told(data):
    X, y = data

    def wide():
        return keras.Sequential([keras.Input((3,)), layers.Dense(1)])

    with pytest.raises(ValueError, match=r"rows of shape \(3,\)"):
        regressor(wide).fit(X, y)
    with pytest.raises(ValueError, match="2 columns"):
        regressor().fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="n_classes_"):
        KerasClassifier(build, loss="mse").fit(X, np.digitize(y, [-0.5, 0.5]))


def test_loss_beside_a_model_compiled_with_another_is_refused(data):
    def compiled():
        model = build()
        model.compile("adam", "mse")
        return model

    with pytest.raises(ValueError, match="compiled with"):
        regressor(compiled, loss="mae").fit(*data)


MSE = keras.losses.MeanSquaredError
AVERAGED = {"name": "mse", "class": MSE, "function": squared_error}


def zeros():
    net = keras.Sequential([keras.Input((2,)), layers.Dense(1, kernel_initializer="zeros")])
    net.build()
    return net


class Zeros(keras.Model):
    """The same as a subclassed model."""

    def __init__(self):
        super().__init__()
        self.out = layers.Dense(1, kernel_initializer="zeros")

    def call(self, rows):
        return self.out(rows)


def compiled_with_what_it_gets(compile_kwargs):
    net = zeros()
    net.compile(**compile_kwargs)
    return net


PATHS = {
    "graph": {"model": zeros},
    "keras": {"model": zeros, "callbacks": ON_BATCHES},
    "eager": {"model": zeros, "compile__run_eagerly": True},
    "subclass": {"model": Zeros},
    "compile_kwargs": {"model": compiled_with_what_it_gets},
}
WEIGHTED = np.float32([1, 1, 1, 5]), np.float32([0, 0, 0, 2])  # weights and targets


@pytest.mark.parametrize("loss", slow_but(AVERAGED, "function"))
@pytest.mark.parametrize("path", slow_but(PATHS, "graph", "eager"))
def test_losses_are_averaged_by_the_weights_on_every_path(path, loss):
    weight, y = WEIGHTED
    X = np.eye(4, 2, dtype=np.float32)
    # 5 × 2² / 8 before the only step, whatever all weights are multiplied by.
    for factor in (1, 2):
        own = regressor(**PATHS[path], loss=AVERAGED[loss], epochs=1)
        own.fit(X, y, sample_weight=weight * factor)
        assert own.history_["loss"][0] == pytest.approx(20 / 8)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_class_weights_are_averaged_by_on_every_path(path):
    X, y = np.eye(4, 2, dtype=np.float32), [0, 0, 0, 1]
    own = KerasClassifier(**PATHS[path], loss="mse", class_weight={0: 1, 1: 5})
    assert own.fit(X, y).history_["loss"][0] == pytest.approx(5 / 8)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_loss_given_as_object_keeps_its_reduction_on_every_path(path):
    weight, y = WEIGHTED
    own = regressor(**PATHS[path], loss=MSE(), epochs=1)
    own.fit(np.eye(4, 2, dtype=np.float32), y, sample_weight=weight)
    assert own.history_["loss"][0] == pytest.approx(20 / 4)


@pytest.mark.slow
@pytest.mark.parametrize("loss", AVERAGED)
@pytest.mark.parametrize("build_it", [zeros, Zeros])
def test_model_that_compiles_itself_weighs_as_keras_does(build_it, loss):
    weight, y = WEIGHTED
    X = np.eye(4, 2, dtype=np.float32)

    def compiled():
        net = build_it()
        net.compile("sgd", AVERAGED[loss])
        return net

    ours = KerasRegressor(compiled).fit(X, y, sample_weight=weight)
    assert ours.history_["loss"][0] == pytest.approx(20 / 4)
    theirs = compiled()
    theirs.fit(X, y, sample_weight=weight, verbose=0, shuffle=False)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X, verbose=0)[:, 0], rtol=1e-5)


ADAM, HUBER = keras.optimizers.Adam, keras.losses.Huber


def compiled_by_itself():
    model = build()
    model.compile(ADAM(0.01), HUBER(2.0), metrics=["mae", keras.metrics.R2Score()])
    return model


@pytest.mark.parametrize(("params", "message"), [
    ({"optimizer": "sgd"}, r"optimizer='sgd' .* Adam\(learning_rate=0\.01\)"),
    ({"optimizer": ADAM(0.1)}, r"Adam\(learning_rate=0\.1\) .*=0\.01\).*leave out optimizer"),
    ({"metrics": "mse"}, r"metrics='mse' .* \['mae', R2Score\(\)\]"),
    ({"metrics": ["mae", keras.metrics.RootMeanSquaredError()]}, "let the function take compile_k"),
    ({"loss": HUBER(1.0)}, "loss=.*leave out loss"),
])  # fmt: skip
def test_parameters_other_than_what_a_model_is_compiled_with_are_refused(data, params, message):
    with pytest.raises(ValueError, match=message):
        KerasRegressor(compiled_by_itself, **params).fit(*data)


@pytest.mark.parametrize("params", [
    {"optimizer": "adam", "loss": "huber", "metrics": "mean_absolute_error"},
    *map(slow_case, [
        {"optimizer": ADAM, "loss": HUBER, "metrics": [keras.metrics.MeanAbsoluteError]},
        {"optimizer": ADAM(0.01), "loss": HUBER(2.0), "metrics": [keras.metrics.R2Score(), "mae"]},
        {"optimizer": "rmsprop", "metrics": []},  # what nobody set
    ]),
])  # fmt: skip
def test_parameters_that_say_what_a_model_is_compiled_with_are_taken(data, params):
    fitted = KerasRegressor(compiled_by_itself, **params).fit(*data)
    assert set(fitted.history_) == {"loss", "mae", "r2_score"}


def test_default_of_a_class_beside_a_model_compiled_with_another_is_no_matter(data):
    class Own(KerasRegressor):
        def __init__(self, model=None, optimizer="sgd", **rest):
            super().__init__(model, optimizer=optimizer, **rest)

    class Further(Own):
        def __init__(self, model=None, **rest):
            super().__init__(model, **rest)

    Further(compiled_by_itself).fit(*data)
    for kind in (Own, Further):
        with pytest.raises(ValueError, match="optimizer='nadam'"):
            kind(compiled_by_itself, optimizer="nadam").fit(*data)


def test_variables_that_the_user_excludes_from_weight_decay_do_not_decay():
    def compiled():
        ones = {"kernel_initializer": "ones", "bias_initializer": "ones"}
        model = keras.Sequential([keras.Input((2,)), layers.Dense(1, **ones)])
        optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["kernel"])
        model.compile(optimizer, "mse")
        return model

    # Rows of zeros: no gradient reaches the kernel.
    X, y = np.zeros((8, 2), np.float32), np.zeros(8, np.float32)
    network = KerasRegressor(compiled, epochs=3).fit(X, y)
    model = compiled()
    model.fit(X, y, epochs=3, verbose=0)
    kernel, bias = network.model_.get_weights()
    np.testing.assert_array_equal(kernel, np.ones((2, 1)))
    np.testing.assert_allclose(bias, model.get_weights()[1], rtol=1e-6)


# ------------------------------------------------------------------------------- from SciKeras


@pytest.fixture(scope="module")
def theirs(data, iris):
    """Fitted estimators of SciKeras."""
    import scikeras.wrappers as scikeras

    X, y = data
    regressor = scikeras.KerasRegressor(
        build_input, units=5, loss="mse", optimizer="adam", epochs=2, verbose=0, random_state=0
    )
    classifier = scikeras.KerasClassifier(
        build_classifier, loss="sparse_categorical_crossentropy", epochs=2, verbose=0,
        model__units=6,
    )  # fmt: skip
    return regressor.fit(X, y), classifier.fit(*iris)


def build_input(meta, units):
    return keras.Sequential([
        keras.Input((meta["n_features_in_"],)), layers.Dense(units, "relu"), layers.Dense(1)
    ])  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_fitted_estimators_of_scikeras_become_ours(theirs, data, iris):
    X, y = data
    regressor, classifier = map(from_scikeras, theirs)
    assert isinstance(regressor, skdl.KerasRegressor)
    np.testing.assert_allclose(
        regressor.predict(X), theirs[0].predict(X).ravel(), rtol=1e-4, atol=1e-5
    )
    assert len(regressor.history_["loss"]) == 2
    assert regressor.units == 5
    assert isinstance(classifier, skdl.KerasClassifier)
    np.testing.assert_allclose(
        classifier.predict_proba(iris[0]), theirs[1].predict_proba(iris[0]), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(classifier.predict(iris[0]), theirs[1].predict(iris[0]))
    assert clone(classifier).fit(*iris).n_iter_ == 2
    assert regressor.partial_fit(X, y).n_iter_ == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_optimizer_of_scikeras_goes_on_in_ours(data):
    wrappers = pytest.importorskip("scikeras.wrappers")
    X, y = data
    theirs = wrappers.KerasRegressor(
        build_input,
        model__units=5,
        loss="mse",
        optimizer="adam",
        epochs=2,
        shuffle=False,
        verbose=0,
    ).fit(X, y)
    ours = from_scikeras(theirs).partial_fit(X, y)
    theirs.partial_fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X).ravel(), rtol=1e-4, atol=1e-5)


def test_only_estimators_of_scikeras_are_taken():
    with pytest.raises(TypeError, match=r"KerasClassifier or KerasRegressor of scikeras"):
        from_scikeras(build)


@pytest.mark.slow
def test_scikeras_is_not_loaded_before_it_is_needed(fresh_python):
    done = fresh_python(
        "import sys, skdl\n"
        "skdl.KerasRegressor(lambda: None).get_params()\n"
        "print('scikeras' in sys.modules)"
    )
    assert done.stdout.strip() == "False"
