"""Layers and settings for tables: equal to NumPy's, to Keras' fit, and in any company."""

import logging

import keras
import numpy as np
import pytest
from joblib import Parallel, delayed
from scipy import sparse, special
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skdl
from skdl import MLPClassifier, MLPRegressor, SmoothClipScaler
from skdl.estimators.base._auto_sizes import (
    auto_batch_size,
    auto_epochs,
    auto_hidden_units,
    auto_n_bins,
)
from skdl.exceptions import InvalidParameterError
from skdl.layers._numeric_embeddings import bins
from skdl.layers._registry import rule_of
from skdl.networks import Layer
from skdl.training import _part
from tests.checks import PLAIN_OR_XLA, slow_but, slow_case

EMBEDDINGS = ("periodic", "plr", "pbld", "piecewise_linear")
SIZES = {"n_frequencies": 3, "frequency_scale": 0.3, "embedding_units": 5, "n_bins": 4}
PLAIN = {"hidden_units": 6, "hidden_layers": 1, "batch_size": 16, "epochs": 4, "random_state": 0}
EVERYTHING = {
    "input_scaling": "smooth_clip",
    "numeric_embedding": "pbld",
    "feature_scale": True,
    "parametric_activation": True,
    "activation": "mish",
    "weight_decay": 0.1,
    "beta_2": 0.95,
    "learning_rate": 0.01,
    "learning_rate_schedule": "coslog4",
}


# ------------------------------------------------------------------ an independent forward pass


def softplus(x):
    return np.logaddexp(0, x)


NUMPY_ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "gelu": lambda x: x * special.ndtr(x),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
}


def numpy_clipped(x, weights):
    center, factor = weights.pop(0), weights.pop(0)
    z = (x - center) * factor
    return z / np.sqrt(1 + z**2 / 9)


def numpy_embedded(form, x, weights):
    if form == "piecewise_linear":
        start, slope, low, high = (weights.pop(0) for _ in range(4))
        return np.clip((x[:, :, None] - start) * slope, low, high)
    frequency = weights.pop(0)
    angle = 2 * np.pi * x[:, :, None] * frequency
    if form == "pbld":
        waves = np.cos(angle + weights.pop(0))
    else:
        waves = np.concatenate([np.sin(angle), np.cos(angle)], 2)
    if form == "periodic":
        return waves
    weight, bias = weights.pop(0), weights.pop(0)
    mixed = np.stack([waves[:, i] @ weight[i] + bias[i] for i in range(x.shape[1])], 1)
    if form == "plr":
        return np.maximum(mixed, 0)
    return np.concatenate([x[:, :, None], mixed], 2)


def numpy_prediction(network, X):
    """Return what a fitted regressor of one hidden layer must predict."""
    weights = [w.astype(float) for w in network.model_.get_weights()]
    x = np.asarray(X, float)
    if network.input_scaling:
        x = numpy_clipped(x, weights)
    if network.numeric_embedding:
        x = numpy_embedded(network.numeric_embedding, x, weights).reshape(len(x), -1)
    if network.feature_scale:
        x = x * (1 + 6 * weights.pop(0))
    x = x @ weights.pop(0) + weights.pop(0)
    bent = NUMPY_ACTIVATIONS[network.activation](x)
    if network.parametric_activation:
        share = 1 + weights.pop(0)
        bent = (1 - share) * x + share * bent
    output = bent @ weights.pop(0) + weights.pop(0)
    assert not weights
    return output[:, 0] * network.target_scale_ + network.target_offset_


@pytest.mark.parametrize(
    "params",
    [
        # Each is among those with everything.
        *(slow_case({"numeric_embedding": form}) for form in EMBEDDINGS),
        {"input_scaling": "smooth_clip"},
        {"feature_scale": True},
        # One activation and the two forms least alike stand for the others.
        *slow_but(
            [{"activation": name, "parametric_activation": True} for name in NUMPY_ACTIVATIONS],
            {"activation": "mish", "parametric_activation": True},
        ),
        *slow_but(
            [{**EVERYTHING, "numeric_embedding": form} for form in EMBEDDINGS],
            {**EVERYTHING, "numeric_embedding": "pbld"},
        ),
    ],
    ids=str,
)
def test_predictions_are_those_of_numpy_and_of_the_keras_model(params, diabetes):
    X, y = diabetes
    network = MLPRegressor(**PLAIN | SIZES | {"learning_rate": 0.03} | params).fit(X, y)
    expected = numpy_prediction(network, X)
    np.testing.assert_allclose(network.predict(X), expected, atol=1e-4 * y.std())
    theirs = np.asarray(network.model_(X))[:, 0]
    np.testing.assert_allclose(
        theirs * network.target_scale_ + network.target_offset_, expected, atol=1e-4 * y.std()
    )


def test_learned_factors_and_activations_move(diabetes):
    network = MLPRegressor(**PLAIN | {"feature_scale": True, "parametric_activation": True})
    weights = network.fit(*diabetes).model_.get_weights()
    assert (weights[0] != 0).any()
    assert (weights[3] != 0).any()


# ------------------------------------------------------------------ constants of the first layers


def test_scaling_inside_is_that_of_the_transformer(diabetes):
    X, y = diabetes
    X = np.exp(X)  # skewed
    inside = MLPRegressor(**PLAIN, input_scaling="smooth_clip").fit(X, y)
    scaler = SmoothClipScaler().fit(X)
    outside = MLPRegressor(**PLAIN).fit(scaler.transform(X), y)
    np.testing.assert_allclose(
        inside.predict(X), outside.predict(scaler.transform(X)), atol=1e-3 * y.std()
    )


def test_scaling_inside_knows_the_training_rows_alone(diabetes):
    X, y = diabetes
    params = {**PLAIN, "input_scaling": "smooth_clip", "early_stopping": True, "patience": 9}
    network = MLPRegressor(**params).fit(X, y)
    center = network.model_.get_weights()[0]
    assert not np.allclose(center, np.median(X, 0), atol=1e-6)
    assert np.allclose(center, np.median(X, 0), atol=0.5)
    rows, others = np.arange(100), np.arange(100, 150)
    given = MLPRegressor(**params).fit(X[rows], y[rows], X_val=X[others], y_val=y[others])
    np.testing.assert_allclose(
        given.model_.get_weights()[0], np.median(X[rows], 0).astype(np.float32), atol=1e-6
    )


def test_further_fits_keep_the_scaling_of_the_first(diabetes):
    X, y = diabetes
    network = MLPRegressor(**PLAIN, input_scaling="smooth_clip").partial_fit(X[:50], y[:50])
    first = network.model_.get_weights()[0]
    network.partial_fit(X[50:] + 10, y[50:])
    np.testing.assert_array_equal(network.model_.get_weights()[0], first)


def test_bins_by_hand():
    # Quartiles of 0, 1, 2, 3, 100 are its values; the other feature has two values, so one bin.
    X = np.column_stack([[0, 1, 2, 3, 100], [5, 5, 5, 5, 7]]).astype(float)
    own = bins(X, 4)
    np.testing.assert_array_equal(own["start"], [[0, 1, 2, 3], [5, 0, 0, 0]])
    np.testing.assert_allclose(own["slope"], [[1, 1, 1, 1 / 97], [0.5, 0, 0, 0]])

    def encoded(values):
        values = np.array([values], float)
        return np.clip((values[:, :, None] - own["start"]) * own["slope"], own["low"], own["high"])

    # Gorishniy et al. 2022, Eq. 1: 1 for bins that lie behind, 0 for those to come.
    np.testing.assert_allclose(encoded([2.5, 6])[0], [[1, 1, 0.5, 0], [0.5, 0, 0, 0]])
    np.testing.assert_allclose(encoded([-1, 9])[0], [[-1, 0, 0, 0], [2, 0, 0, 0]])
    np.testing.assert_allclose(encoded([197, 5])[0], [[1, 1, 1, 2], [0, 0, 0, 0]])


def test_bins_where_most_rows_have_one_value():
    rng = np.random.default_rng(0)
    few = np.where(rng.random(1000) < 0.9, 0, rng.integers(1, 15, 1000))
    many = np.where(rng.random(1000) < 0.9, 0, rng.exponential(size=1000))
    start, slope = (bins(np.column_stack([few, many]), 16)[name] for name in ("start", "slope"))
    np.testing.assert_array_equal(start[0, :14], np.arange(14))  # all values, 14 being the end
    assert np.count_nonzero(slope[0]) == 14
    assert np.count_nonzero(slope[1]) == 16
    # Besides 0, as many of the other rows in each bin, up to one.
    counts = np.histogram(many[many > 0], np.append(start[1], many.max()))[0]
    assert counts.min() >= 1
    assert counts.max() <= 12


def test_frequencies_start_as_wide_as_asked_for(diabetes):
    wide, narrow = (
        MLPRegressor(
            4, epochs=1, learning_rate=0.0, numeric_embedding="plr", n_frequencies=200,
            frequency_scale=scale, random_state=0,
        ).fit(*diabetes).model_.get_weights()[0]
        for scale in (2.0, 0.1)
    )  # fmt: skip
    assert wide.shape == (10, 200)
    assert wide.std() == pytest.approx(2.0, rel=0.1)
    np.testing.assert_allclose(wide, 20 * narrow, rtol=1e-5)


# ------------------------------------------------------------------ against Keras' fit


def kept_in(weights):
    class InitialWeights(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            weights.extend(self.model.get_weights())

    return InitialWeights()


EPOCHS_BESIDE_KERAS = 3
STEPS_BESIDE_KERAS = EPOCHS_BESIDE_KERAS * 5  # 75 rows in batches of 16


def assert_equal_to_keras(params, optimizer, X, y, callbacks=()):
    initial = []
    settings = {"shuffle": False, "target_scaling": False, "learning_rate": 0.01}
    settings["epochs"] = EPOCHS_BESIDE_KERAS
    network = MLPRegressor(**PLAIN | SIZES | settings | params, callbacks=[kept_in(initial)])
    network.fit(X[:75], y[:75])
    twin = keras.models.clone_model(network.model_)
    twin.set_weights(initial)
    twin.compile(optimizer, keras.losses.MeanSquaredError(), run_eagerly=True)
    settings = {"batch_size": 16, "epochs": EPOCHS_BESIDE_KERAS, "shuffle": False, "verbose": 0}
    twin.fit(X[:75], y[:75], callbacks=[*callbacks], **settings)
    theirs = np.asarray(twin(X))[:, 0]
    np.testing.assert_allclose(network.predict(X), theirs, rtol=1e-3, atol=1e-4)
    assert np.abs(theirs - theirs.mean()).max() > 0.1
    return network, twin


@pytest.fixture
def rows(diabetes):
    X, y = diabetes
    return X.astype(np.float32), (y - y.mean()) / y.std()


@pytest.mark.slow
@pytest.mark.parametrize("form", EMBEDDINGS)
def test_learns_what_keras_learns(form, rows):
    layers = {
        "numeric_embedding": form,
        "input_scaling": "smooth_clip",
        "feature_scale": True,
        "parametric_activation": True,
        "activation": "selu",
    }
    assert_equal_to_keras(layers, keras.optimizers.Adam(0.01), *rows)


@pytest.mark.parametrize(
    ("name", "Optimizer"),
    [slow_case(("adam", keras.optimizers.Adam)), ("adamw", keras.optimizers.AdamW)],
)
def test_weight_decay_and_beta_2_are_those_of_keras(name, Optimizer, rows):
    optimizer = Optimizer(0.01, beta_2=0.9, weight_decay=0.5)
    params = {"optimizer": name, "weight_decay": 0.5, "beta_2": 0.9}
    network, _ = assert_equal_to_keras(params, optimizer, *rows)
    assert network.model_.optimizer.weight_decay == 0.5
    assert network.model_.optimizer.beta_2 == 0.9


def test_weight_decay_goes_with_optimizers_of_any_kind(rows):
    optimizer = keras.optimizers.SGD(0.01, weight_decay=0.5)
    assert_equal_to_keras({"optimizer": "sgd", "weight_decay": 0.5}, optimizer, *rows)


def test_cosine_is_the_cosine_decay_of_keras(rows):
    rate = keras.optimizers.schedules.CosineDecay(0.01, STEPS_BESIDE_KERAS)
    params = {"learning_rate_schedule": "cosine"}
    assert_equal_to_keras(params, keras.optimizers.Adam(rate), *rows)


def coslog4(share):
    return (1 - np.cos(2 * np.pi * np.log(1 + 15 * share) / np.log(2))) / 2


def test_coslog4_sets_the_rate_of_every_step(rows):
    class ByStep(keras.callbacks.Callback):
        step = 0

        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = 0.01 * coslog4(ByStep.step / STEPS_BESIDE_KERAS)
            ByStep.step += 1

    params = {"learning_rate_schedule": "coslog4"}
    assert_equal_to_keras(params, keras.optimizers.Adam(0.01), *rows, [ByStep()])


def test_plateau_is_the_callback_of_keras(rows):
    # At such a rate the loss goes up and down.
    reduce = keras.callbacks.ReduceLROnPlateau("loss", factor=0.2, patience=1, min_delta=0)
    params = {"learning_rate_schedule": "plateau", "patience": 2, "learning_rate": 0.5}
    network, twin = assert_equal_to_keras(params, keras.optimizers.Adam(0.5), *rows, [reduce])
    assert float(twin.optimizer.learning_rate) < 0.5
    assert network._trained.learning_rate == pytest.approx(float(twin.optimizer.learning_rate))


class OnBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize("schedule", slow_but(["cosine", "coslog4", "plateau"], "coslog4"))
def test_schedules_hold_where_keras_itself_trains(schedule, diabetes, caplog):
    params = {**PLAIN, **EVERYTHING, "learning_rate_schedule": schedule, "patience": 2}
    ours = MLPRegressor(**params).fit(*diabetes)
    with caplog.at_level(logging.INFO, logger="skdl"):
        theirs = MLPRegressor(**params, callbacks=[OnBatches()]).fit(*diabetes)
    assert "keras.Model.fit" in caplog.text
    X, y = diabetes
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=2e-3 * y.std())


@pytest.mark.parametrize("form", slow_but(EMBEDDINGS, "plr", "piecewise_linear"))
def test_the_keras_model_can_be_saved_and_loaded(form, diabetes, tmp_path):
    params = PLAIN | SIZES | EVERYTHING | {"numeric_embedding": form}
    network = MLPRegressor(**params).fit(*diabetes)
    network.model_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        np.asarray(loaded(diabetes[0])), np.asarray(network.model_(diabetes[0]))
    )


# ------------------------------------------------------------------ company


def fits_that_differ(**common):
    """Return networks that differ in every number that members of one stack may differ in."""
    draw = np.random.default_rng(0)
    schedules = ["constant", "cosine", "coslog4", "plateau"]
    return [
        MLPRegressor(
            **PLAIN | SIZES | EVERYTHING | common | {
                "random_state": i,
                "epochs": int(draw.choice([6, 12])),
                "frequency_scale": float(draw.choice([0.1, 1.0])),
                "weight_decay": float(draw.choice([0.0, 0.1, 1.0])),
                "beta_2": float(draw.choice([0.9, 0.999])),
                "learning_rate": float(draw.choice([0.003, 0.01])),
                "learning_rate_schedule": schedules[i % 4],
                "patience": 2,
            }
        )
        for i in range(6)
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("compiled", PLAIN_OR_XLA, ids=["plain", "xla"])
@pytest.mark.parametrize("form", EMBEDDINGS)
def test_each_member_equals_its_fit_alone(form, compiled, diabetes, monkeypatch):
    X, y = diabetes
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)
    networks = fits_that_differ(numeric_embedding=form)

    def fitted(i):
        return clone(networks[i]).fit(X[10 * i :], y[10 * i :])

    with skdl.lockstep() as session:
        together = Parallel()(delayed(fitted)(i) for i in range(6))
    assert session.batches == [6]
    # Alone, XLA compiles each number of rows anew.
    for i in (2, 5) if compiled else range(6):
        alone, found = fitted(i).predict(X), together[i].predict(X)
        assert np.abs(found - alone).max() < 1e-3 * alone.std()


def test_they_are_one_stack(diabetes, monkeypatch):
    sizes = []

    class Recorded(_part.Stack):
        def __init__(self, members, **options):
            sizes.append(len(members))
            super().__init__(members, **options)

    monkeypatch.setattr(_part, "Stack", Recorded)
    with skdl.lockstep():
        Parallel()(delayed(network.fit)(*diabetes) for network in fits_that_differ())
    assert sizes == [6]


# ------------------------------------------------------------------ sizes and errors


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(10, 32), (3000, 32), (8000, 64), (13_209, 128), (10**6, 256)]
)
def test_batches_grow_with_the_rows(n_rows, expected):
    assert auto_batch_size(n_rows) == expected


@pytest.mark.parametrize(
    ("n_rows", "units", "n_bins"),
    [
        (10, 64, 8),
        (450, 64, 8),
        (455, 64, 16),
        (1_600, 64, 32),
        (2_000, 64, 64),
        (8_200, 128, 128),
        (33_000, 256, 128),
        (10**6, 256, 128),
    ],
)
def test_widths_and_bins_grow_with_the_rows(n_rows, units, n_bins):
    assert (auto_hidden_units(n_rows), auto_n_bins(n_rows)) == (units, n_bins)


def test_automatic_sizes_follow_the_rows_that_are_trained_on():
    X = np.random.default_rng(0).normal(size=(3000, 2))
    parts = {
        "numeric_embedding": "piecewise_linear", "epochs": 1, "batch_size": 256,
        "early_stopping": True, "validation_fraction": 0.5, "random_state": 0,
    }  # fmt: skip
    network = MLPRegressor("auto", n_bins="auto", **parts).fit(X, X[:, 0])
    # 1,500 rows to train on: sqrt(1500) = 39 and 1500 / 40 = 37.
    given = MLPRegressor(64, n_bins=32, **parts).fit(X, X[:, 0])
    np.testing.assert_array_equal(network.predict(X), given.predict(X))


@pytest.mark.parametrize(("n_rows", "same_as"), [(499, None), (500, "piecewise_linear")])
def test_automatic_embedding_wants_rows_to_train_on(n_rows, same_as):
    X = np.random.default_rng(0).normal(size=(2 * n_rows, 2))
    parts = {"epochs": 1, "early_stopping": True, "validation_fraction": 0.5, "random_state": 0}
    network, given = (
        MLPRegressor(8, numeric_embedding=kind, **parts).fit(X, X[:, 0])
        for kind in ("auto", same_as)
    )
    assert network.model_.count_params() == given.model_.count_params()
    np.testing.assert_array_equal(network.predict(X), given.predict(X))


@pytest.mark.parametrize("embedding", ["auto", "piecewise_linear"])
def test_training_that_goes_on_keeps_its_automatic_sizes(embedding):
    X = np.random.default_rng(0).normal(size=(5000, 2))
    network = MLPRegressor("auto", n_bins="auto", numeric_embedding=embedding)
    network.set_params(epochs=1, batch_size=256, warm_start=True)
    network.partial_fit(X[:300], X[:300, 0]).partial_fit(X, X[:, 0]).fit(X, X[:, 0])
    assert network.model_.layers[-2].output.shape[-1] == 64


def test_automatic_batches_and_epochs(diabetes):
    X, y = diabetes
    network = MLPRegressor(4, batch_size="auto", epochs="auto", random_state=0).fit(X, y)
    assert network.n_iter_ == 256
    assert network._trained.n_steps == 256 * 5  # 150 rows in batches of 32
    given = MLPRegressor(4, batch_size=32, epochs=256, random_state=0).fit(X, y)
    np.testing.assert_array_equal(network.predict(X), given.predict(X))


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "epochs"),
    [
        (10, 32, 256),  # one step an epoch
        (1_024, 32, 256),  # 8192 / 32
        (2_500, 32, 128),  # 8192 / 79 = 104, nearest to 128
        (13_209, 128, 64),  # 8192 / 104 = 79
        (10**6, 256, 64),
        (2_500, 2_500, 256),  # large batches are few steps
    ],
)
def test_epochs_follow_the_steps(n_rows, batch_size, epochs):
    assert auto_epochs(n_rows, batch_size) == epochs


def test_parameters_tell_what_they_became():
    X = np.random.default_rng(0).normal(size=(600, 2))
    network = MLPRegressor.tabular(hidden_layers=1, shared_members=1, epochs=1, random_state=0)
    with pytest.raises(NotFittedError):
        _ = network.effective_params_
    # 480 rows to train on: a square root of 22 and batches of 4, both raised to the least there
    # is; 12 bins, nearest to 16; too few rows for an embedding.
    expected = {"hidden_units": 64, "numeric_embedding": None, "n_bins": 16, "batch_size": 32}
    assert network.fit(X, X[:, 0]).effective_params_ == expected
    assert network.set_params(hidden_units=4, n_bins=5).effective_params_ == {
        "numeric_embedding": None,
        "batch_size": 32,
    }
    network = MLPRegressor(4, epochs="auto", batch_size=600, random_state=0).fit(X, X[:, 0])
    assert network.effective_params_ == {"epochs": 256} == {"epochs": network.n_iter_}


@pytest.mark.parametrize("params", [{"input_scaling": "smooth_clip"}, {"numeric_embedding": "plr"}])
def test_sparse_rows_are_refused_with_a_remedy(params, diabetes):
    X, y = diabetes
    with pytest.raises(ValueError, match=r"X is sparse.*Expected dense rows"):
        MLPRegressor(**params).fit(sparse.csr_matrix(X), y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"optimizer": "sgd", "beta_2": 0.9}, r"optimizer='sgd' has no beta_2"),
        (
            {"optimizer": keras.optimizers.Adam(), "weight_decay": 0.1},
            r"weight_decay=0.1 was given beside an optimizer object",
        ),
        (
            {
                "learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 10),
                "learning_rate_schedule": "cosine",
            },
            r"beside a schedule of Keras",
        ),
        (
            {"activation": keras.layers.LeakyReLU(), "parametric_activation": True},
            r"beside a Keras layer",
        ),
        ({"numeric_embedding": "ple"}, r"numeric_embedding='ple' is not known. .*'piecewise_l"),
        ({"learning_rate_schedule": "cos"}, r"Did you mean 'cosine'"),
        ({"beta_2": 1.0}, r"beta_2=1.0 is not allowed"),
        ({"embedding_units": 1}, r"embedding_units=1 is not allowed"),
        ({"batch_size": "automatic"}, r"batch_size='automatic' is not known"),
        ({"hidden_units": "automatic"}, r"hidden_units='automatic' .*'auto'"),
        ({"n_bins": "automatic"}, r"n_bins='automatic' .*'auto'"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_at_the_door(params, message, iris):
    with pytest.raises(InvalidParameterError, match=message):
        MLPClassifier(**params).fit(*iris)


# ------------------------------------------------------------------ the starting point for tables


@pytest.mark.parametrize("Estimator", [MLPRegressor, MLPClassifier])
def test_starting_point_is_an_ordinary_estimator(Estimator):
    network = Estimator.tabular(random_state=3, hidden_units=32)
    assert type(network) is Estimator
    assert network.hidden_units == 32
    assert network.random_state == 3
    assert network.numeric_embedding == "auto"
    assert clone(network).get_params() == network.get_params()
    with pytest.raises(TypeError, match="hidden_unit"):
        Estimator.tabular(hidden_unit=3)


@pytest.mark.slow
def test_starting_point_learns_what_plain_networks_miss():
    # One of many bumps: sin(6x) is no line, and an outlier of 1e4 spoils standardisation.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(750, 3))
    y = np.sin(6 * X[:, 0]) + 0.1 * rng.normal(size=750)
    X[0, 1] = 1e4
    network = MLPRegressor.tabular(epochs=60, hidden_units=64, random_state=0).fit(X[:650], y[:650])
    assert network.score(X[650:], y[650:]) > 0.5


# ------------------------------------------------------------------ the number beside its bins


def test_a_number_stands_beside_its_bins_in_robust_units():
    X = np.column_stack([np.arange(1.0, 10.0), np.full(9, 7.0)]).astype(np.float32)
    layer = Layer.of("PiecewiseLinearEmbedding", n_bins=4, with_number=True, n_numeric=None)
    constants, _ = rule_of(layer).constants(layer, X)
    rows = np.array([[5.0, 7.0], [7.0, 8.0], [105.0, -90.0]])
    places = (rows[..., None] - constants["start"]) * constants["slope"]
    found = np.clip(places, constants["low"], constants["high"])
    assert found.shape == (3, 2, 5)
    # Median 5, quartiles 3 and 7; it goes on far beyond the training rows, and a constant is 0.
    np.testing.assert_allclose(found[..., 0], [[0.0, 0.0], [0.5, 0.0], [25.0, 0.0]])
    alone = Layer.of("PiecewiseLinearEmbedding", n_bins=4, n_numeric=None)
    own, _ = rule_of(alone).constants(alone, X)
    for name, values in own.items():
        np.testing.assert_array_equal(constants[name][:, 1:], values)


def test_layers_of_keras_without_the_argument_are_bins_alone():
    layer = Layer.of("PiecewiseLinearEmbedding", n_bins=4, with_number=True, n_numeric=None)
    kind = rule_of(layer).keras_class(layer)
    config = kind(n_bins=4).get_config()
    assert kind.from_config(config | {"with_number": True}).width() == 5
    del config["with_number"]
    assert kind.from_config(config).width() == 4
