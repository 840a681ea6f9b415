"""A fit that fails leaves an estimator as it was: fitted before, or not at all."""

import functools

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

import skdl
from skdl.exceptions import DivergenceError
from skdl.model_selection import AveragingClassifier, KFoldEnsembleClassifier
from skdl.training import Observer

RNG = np.random.default_rng(0)
LABELS = np.array(["a", "b"] * 8)
NUMBERS = RNG.normal(size=16)
TABLE = RNG.normal(size=(16, 4)).astype(np.float32)
NAMED = pd.DataFrame(TABLE, columns=list("pqrs"))
OTHER_TABLE = pd.DataFrame(np.hstack([TABLE, TABLE]) * 100 + 5, columns=list("ijklmnop"))
IMAGES = RNG.integers(0, 255, size=(16, 8, 8), dtype=np.uint8)
SEQUENCES = RNG.normal(size=(16, 6, 2)).astype(np.float32)
TEXTS = ["one two", "three four"] * 8
TINY = {"epochs": 1, "random_state": 0}


class Failing(Observer):
    """Ends a training by an error, once all was learned that is learned before it."""

    def on_epoch_begin(self, member, epoch):
        raise ArithmeticError("in the first epoch")


def small_model(meta):
    n_features, n_classes = meta["n_features_in_"], meta["n_classes_"]
    n_outputs = 1 if n_classes == 2 else n_classes
    return keras.Sequential(
        [keras.layers.Input((n_features,)), keras.layers.Dense(n_outputs, "sigmoid")]
    )


# An estimator, its rows and targets, and rows and targets of a second fit that look different.
CASES = {
    "MLPClassifier": (
        lambda: skdl.MLPClassifier(3, **TINY),
        (NAMED, LABELS),
        (OTHER_TABLE, np.array(list("wxyz") * 4)),
    ),
    "MLPRegressor": (
        lambda: skdl.MLPRegressor(3, **TINY),
        (NAMED, NUMBERS),
        (OTHER_TABLE, 1e4 + 1e3 * np.stack([NUMBERS, NUMBERS], 1)),
    ),
    "KerasClassifier": (
        lambda: skdl.KerasClassifier(small_model, loss="binary_crossentropy", **TINY),
        (NAMED, LABELS),
        (OTHER_TABLE, np.array(["w", "x"] * 8)),
    ),
    "CNNClassifier": (
        lambda: skdl.CNNClassifier(filters=(2,), hidden_units=3, **TINY),
        (IMAGES, LABELS),
        (IMAGES[:, :4].astype(np.float32) / 255, np.array(list("wxyz") * 4)),
    ),
    "RNNRegressor": (
        lambda: skdl.RNNRegressor(hidden_units=3, **TINY),
        (SEQUENCES, NUMBERS),
        (SEQUENCES[:, :4, :1], 1e4 + 1e3 * NUMBERS),
    ),
    "TextClassifier": (
        lambda: skdl.TextClassifier(max_length=4, **TINY),
        (TEXTS, LABELS),
        (["five", "six seven"] * 8, np.array(list("wxyz") * 4)),
    ),
}  # fmt: skip


@functools.cache
def fitted(name):
    make, data, _ = CASES[name]
    return make().fit(*data)


def failing_fits(name, model):
    """Yield fits that fail: one in the targets, in the validation rows, and in the training."""
    _, first, (X, y) = CASES[name]
    no_targets = np.full(len(y), "one")
    yield lambda: model.fit(X, no_targets)
    yield lambda: model.partial_fit(X, no_targets)
    yield lambda: model.fit(X, y, X_val=first[0], y_val=first[1])
    model.set_params(callbacks=[Failing()])
    yield lambda: model.fit(X, y)
    yield lambda: model.set_params(warm_start=True).fit(*first)
    model.set_params(callbacks=None, warm_start=False)


def state(model):
    params = model.get_params(deep=False)
    return {name: value for name, value in vars(model).items() if name not in params}


def refused(fit):
    with pytest.raises((ValueError, TypeError, ArithmeticError)):
        fit()


@pytest.mark.parametrize(
    "name", [n if n == "MLPClassifier" else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_failed_refit_leaves_the_earlier_fit_whole(name):
    model, (X, _) = fitted(name), CASES[name][1]
    before, predictions = state(model), model.predict(X)
    for fit in failing_fits(name, model):
        refused(fit)
        after = state(model)
        assert after.keys() == before.keys()
        assert all(after[key] is before[key] for key in before)
    np.testing.assert_array_equal(model.predict(X), predictions)


@pytest.mark.parametrize("name", CASES)
def test_failed_first_fit_leaves_nothing(name):
    model = CASES[name][0]()
    before = state(model)
    for fit in failing_fits(name, model):
        refused(fit)
        assert state(model) == before
        with pytest.raises(NotFittedError):
            check_is_fitted(model)


@pytest.mark.slow
def test_regressor_that_diverged_predicts_in_its_earlier_units():
    model = skdl.MLPRegressor(3, epochs=1, random_state=0).fit(TABLE, NUMBERS)
    before = model.predict(TABLE)
    model.set_params(learning_rate=1e30, optimizer="sgd", epochs=50)
    with pytest.raises(DivergenceError):
        model.fit(TABLE * 1e3, NUMBERS * 1e3 + 1e4)
    np.testing.assert_array_equal(model.predict(TABLE), before)
    assert (model.learning_rate, model.n_iter_) == (1e30, 1)


def test_failed_fit_tears_callbacks_down_and_leaves_none_of_their_attributes():
    callback_api = pytest.importorskip("sklearn.callback")

    class Watching(callback_api.ProgressBar):
        n_torn_down = 0

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, *args, **kwargs):
            pass

        def on_fit_task_end(self, *args, **kwargs):
            pass

        def teardown(self, estimator, context):
            self.n_torn_down += 1

    watching = Watching()
    model = skdl.MLPRegressor(3, **TINY, callbacks=[Failing()]).set_callbacks(watching)
    before = dict(vars(model))
    with pytest.raises(ArithmeticError):
        model.fit(TABLE, NUMBERS)
    assert watching.n_torn_down == 1
    assert vars(model) == before


@pytest.mark.slow
def test_failed_fit_leaves_encoders_of_an_earlier_fit():
    class Encoding(skdl.KerasClassifier):
        feature_encoder = StandardScaler()
        target_encoder = LabelEncoder()

    model = Encoding(small_model_of_codes, loss="binary_crossentropy", **TINY).fit(TABLE, LABELS)
    scaler, labels = model.feature_encoder_, model.target_encoder_
    model.set_params(callbacks=[Failing()])
    with pytest.raises(ArithmeticError):
        model.fit(TABLE * 100, np.array(["w", "x"] * 8))
    assert (model.feature_encoder_, model.target_encoder_) == (scaler, labels)
    np.testing.assert_allclose(scaler.mean_, TABLE.mean(0), atol=1e-6)
    assert labels.classes_.tolist() == ["a", "b"]


def small_model_of_codes(meta):
    return keras.Sequential(
        [keras.layers.Input((meta["n_features_in_"],)), keras.layers.Dense(1, "sigmoid")]
    )


@pytest.mark.slow
def test_failed_initialize_leaves_the_earlier_weights():
    model = fitted("KerasClassifier")
    before = state(model)
    with pytest.raises(ValueError):  # noqa: PT011 - it is Keras that refuses them
        model.initialize(OTHER_TABLE, np.array(["w", "x"] * 8), weights=[np.zeros(1)])
    after = state(model)
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] for key in before)


def test_refused_rows_leave_the_scaler_its_columns():
    scaler = skdl.SmoothClipScaler().fit(NAMED)
    with pytest.raises(ValueError, match="infinity"):
        scaler.fit(NAMED[list("srqp")].replace(NAMED.iloc[0, 0], np.inf))
    assert scaler.feature_names_in_.tolist() == list("pqrs")


@pytest.mark.parametrize(
    "ensemble",
    [
        KFoldEnsembleClassifier(LogisticRegression(), cv=2),
        AveragingClassifier(LogisticRegression(), n_members=2),
    ],
    ids=["KFoldEnsembleClassifier", "AveragingClassifier"],
)
def test_failed_refit_leaves_an_ensemble_its_labels(ensemble):
    ensemble.fit(TABLE, LABELS)
    before = state(ensemble)
    broken = np.where(np.arange(4) == 1, np.nan, TABLE)
    with pytest.raises(ValueError, match="NaN"):
        ensemble.fit(broken, np.array(["w", "x"] * 8))
    after = state(ensemble)
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] for key in before)
    assert set(ensemble.predict(TABLE)) <= {"a", "b"}
