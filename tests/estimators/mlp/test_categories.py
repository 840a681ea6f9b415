"""Categories and gaps: what the network makes of columns that hold no numbers, or not all."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl.estimators.mlp._table_encoder import TableEncoder
from skdl.model_selection import KFoldEnsembleRegressor
from skdl.training import _part
from tests.checks import PLAIN_OR_XLA, slow_but

PLAIN = {"hidden_units": 6, "hidden_layers": 1, "batch_size": 16, "epochs": 4, "random_state": 0}
FROM_DTYPE = {**PLAIN, "categorical_features": "from_dtype", "max_one_hot": 3}
WITH_GAPS = {**FROM_DTYPE, "missing_numbers": "learn"}


@pytest.fixture
def table():
    """60 rows: two numbers with gaps, three categories of which one has many levels, a truth."""
    rng = np.random.default_rng(0)
    towns = np.array([f"town {i}" for i in range(6)])
    X = pd.DataFrame(
        {
            "colour": pd.Categorical(rng.choice(["red", "blue"], 60), ["blue", "green", "red"]),
            "size": rng.normal(3, 2, 60),
            "town": rng.choice(towns, 60),
            "is_new": rng.random(60) > 0.5,
            "age": rng.normal(0, 1, 60),
        }
    )
    effect = dict(zip(towns, rng.normal(size=6), strict=True))
    y = X["town"].map(effect) + (X["colour"] == "red") + 0.3 * X["age"]
    X.loc[::5, "size"] = np.nan
    X.loc[3:5, "town"] = None
    return X, y.fillna(0.0).to_numpy()


def test_codes_by_hand(table):
    X, _ = table
    encoder = TableEncoder.of(X, 3)
    assert encoder.numeric == (1, 4)
    assert [c.levels for c in encoder.few] == [("blue", "green", "red"), (False, True)]
    assert [c.levels for c in encoder.many] == [(*(f"town {i}" for i in range(6)), None)]
    new = X.iloc[:4].assign(
        colour=pd.Categorical(["red", "green", "black", None]),
        town=["town 0", "town 5", "Paris", None],
        is_new=[True, False, False, True],
    )
    codes = encoder.encoded("MLP", new)
    np.testing.assert_array_equal(codes[:, :2], new[["size", "age"]].to_numpy(np.float32))
    # No row of fit was green, black or of no colour: unknown, all of them.
    np.testing.assert_array_equal(codes[:, 2:], [[3, 2, 1], [0, 1, 6], [0, 1, 0], [0, 2, 7]])


def numpy_prediction(network, X):
    """Return what a network without scaling must predict of the fixture's columns."""
    weights = [w.astype(float) for w in network.model_.get_weights()]
    towns = weights.pop(0)
    value = weights.pop(0)
    numbers = X[["size", "age"]].to_numpy(float)
    filled = np.where(np.isnan(numbers), value, numbers)
    colours = np.column_stack([X["colour"] == name for name in ("blue", "green", "red")])
    new = np.column_stack([~X["is_new"], X["is_new"]])
    names = [f"town {i}" for i in range(6)]
    place = [6 if pd.isna(town) else names.index(town) for town in X["town"]]
    inputs = np.column_stack([filled, colours, new, towns[place], np.isnan(X["size"])])
    hidden = np.maximum(inputs.astype(float) @ weights[0] + weights[1], 0)
    return (hidden @ weights[2] + weights[3])[:, 0] * network.target_scale_ + network.target_offset_


def test_predictions_are_those_of_numpy_and_of_the_keras_model(table):
    X, y = table
    network = MLPRegressor(**WITH_GAPS, learning_rate=0.05).fit(X, y)
    expected = numpy_prediction(network, X)
    np.testing.assert_allclose(network.predict(X), expected, atol=1e-5)
    encoded = network._encoder.encoded("MLP", X)
    theirs = np.asarray(network.model_(encoded))[:, 0]
    np.testing.assert_allclose(theirs * network.target_scale_ + network.target_offset_, expected,
                               atol=1e-5)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("form", slow_but([None, "pbld", "piecewise_linear"], "piecewise_linear"))
def test_learns_what_keras_learns(form, table):
    X, y = table
    initial = []

    class InitialWeights(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            initial.extend(self.model.get_weights())

    settings = {
        "shuffle": False, "learning_rate": 0.01, "target_scaling": False, "feature_scale": True,
        "input_scaling": "smooth_clip", "numeric_embedding": form,
    }  # fmt: skip
    network = MLPRegressor(**WITH_GAPS | settings, callbacks=[InitialWeights()]).fit(X, y)
    twin = keras.models.clone_model(network.model_)
    twin.set_weights(initial)
    twin.compile(keras.optimizers.Adam(0.01), keras.losses.MeanSquaredError(), run_eagerly=True)
    encoded = network._encoder.encoded("MLP", X)
    twin.fit(encoded, y, batch_size=16, epochs=4, shuffle=False, verbose=0)
    theirs = np.asarray(twin(encoded))[:, 0]
    np.testing.assert_allclose(network.predict(X), theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_learns_from_categories(table):
    X, y = table
    network = MLPRegressor(**WITH_GAPS | {"epochs": 300, "learning_rate": 0.01}).fit(X, y)
    assert network.score(X, y) > 0.9


@pytest.mark.parametrize("compiled", PLAIN_OR_XLA, ids=["plain", "xla"])
def test_each_member_equals_its_fit_alone(compiled, table, monkeypatch):
    X, y = table
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)
    networks = [
        MLPRegressor(**WITH_GAPS | {"random_state": i, "dropout": 0.1 * i}) for i in range(3)
    ]
    with skdl.lockstep() as session:
        together = Parallel()(delayed(clone(network).fit)(X, y) for network in networks)
    assert session.batches == [3]
    for one, network in zip(together, networks, strict=True):
        alone = clone(network).fit(X, y)
        assert np.abs(one.predict(X) - alone.predict(X)).max() < 1e-3 * y.std()


def test_unknown_levels_are_zeros_not_noise(table):
    X, y = table
    network = MLPRegressor(**WITH_GAPS).fit(X, y)
    one = X.iloc[[0, 0]].assign(colour=pd.Categorical(["green", "black"]), town=["Rome", "Oslo"])
    first, second = network.predict(one)
    assert first == second


def test_arrays_have_no_categories(diabetes):
    X, y = diabetes
    ours = MLPRegressor(**FROM_DTYPE).fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), MLPRegressor(**PLAIN).fit(X, y).predict(X))


def test_tables_of_categories_alone(table):
    X, y = table
    X = X[["colour", "town"]]
    options = {"input_scaling": "smooth_clip", "numeric_embedding": "plr", "feature_scale": True}
    assert MLPRegressor(**WITH_GAPS, **options).fit(X, y).predict(X).shape == (60,)


def test_gaps_in_arrays_and_in_columns_that_had_none(diabetes):
    X, y = diabetes
    X = X.copy()
    X[::3, 1] = np.nan
    network = MLPRegressor(**PLAIN, missing_numbers="learn", input_scaling="smooth_clip")
    network.fit(X, y)
    assert network.model_.layers[1].shown == [1]
    new = X.copy()
    new[:, 2] = np.nan
    assert np.isfinite(network.predict(new)).all()
    with pytest.raises(ValueError, match="NaN"):
        MLPRegressor(**PLAIN).fit(X, y)


def test_few_gaps_do_not_part_the_folds(diabetes):
    X, y = diabetes
    X = X.copy()
    X[:9, 1] = np.nan
    network = MLPRegressor(**PLAIN, missing_numbers="learn", input_scaling="smooth_clip")
    with skdl.lockstep() as session:
        folds = [slice(None), slice(9, None), slice(5, None)]
        fits = [delayed(clone(network).fit)(X[rows], y[rows]) for rows in folds]
        fitted = Parallel()(fits)
    assert session.batches == [3]
    assert [one.model_.layers[1].shown for one in fitted] == [[], [], []]
    assert np.isfinite(fitted[1].predict(X)).all()
    X[9, 1] = np.nan
    assert network.fit(X, y).model_.layers[1].shown == [1]


def test_further_fits_and_pickles_keep_the_levels(table):
    X, y = table
    network = MLPRegressor(**WITH_GAPS).partial_fit(X, y)
    network.partial_fit(X.iloc[:20], y[:20])
    twin = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(twin.predict(X), network.predict(X))
    assert twin.feature_names_in_.tolist() == list(X)


@pytest.mark.slow
def test_the_starting_point_takes_tables_as_they_are(table):
    X, y = table
    network = MLPClassifier.tabular(epochs=20, hidden_units=16, random_state=0)
    assert network.fit(X, np.where(y > 0, "high", "low")).predict_proba(X).shape == (60, 2)
    ensemble = KFoldEnsembleRegressor(MLPRegressor.tabular(epochs=5, hidden_units=8), cv=3)
    assert np.isfinite(ensemble.fit(X, y).predict(X)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.to_numpy(), r"of type ndarray, but fit saw a DataFrame"),
        (lambda X: X.assign(age="old"), r"columns \['age'\] held numbers in fit"),
        (lambda X: X[list(X)[::-1]], r"feature names should match"),
    ],
)
def test_other_tables_are_refused(change, message, table):
    X, y = table
    network = MLPRegressor(**WITH_GAPS).fit(X, y)
    with pytest.raises(ValueError, match=message):
        network.predict(change(X))


@pytest.mark.parametrize("dtype", [bool, object, "boolean"])
def test_booleans_are_numbers_where_fit_saw_numbers(dtype, table):
    X, y = table
    network = MLPRegressor(**WITH_GAPS).fit(X, y)
    flags = X.assign(age=pd.Series(np.arange(len(X)) % 2 == 0, index=X.index).astype(dtype))
    expected = network.predict(X.assign(age=(np.arange(len(X)) % 2 == 0).astype(float)))
    np.testing.assert_array_equal(network.predict(flags), expected)


def test_texts_are_refused_unless_asked_for(table):
    with pytest.raises(ValueError, match=r"could not convert|Cannot cast"):
        MLPRegressor(**PLAIN).fit(*table)
