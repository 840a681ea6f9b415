"""Predictions of few rows by NumPy: the same numbers, without TensorFlow."""

import pickle

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.training.engine import _numpy_prediction, _prediction
from skdl.training.engine._numpy_prediction import MOST_ROWS, numpy_predictor
from tests.checks import slow_case

SHORT = {"epochs": 2, "random_state": 0}


def both_ways(network, X, monkeypatch):
    """Return what TensorFlow and what NumPy predict of the same rows."""
    rows = network._to_network_rows(np.asarray(X, np.float32), reset=False)
    by_numpy = _numpy_prediction.NumpyPredictor(network._trained)(rows)
    monkeypatch.setattr(_prediction, "numpy_predictor", lambda trained, n_rows: None)
    by_tensorflow = _prediction.predict(network._trained, rows)
    monkeypatch.undo()
    return by_tensorflow, by_numpy


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        slow_case({"activation": "selu", "batch_norm": "before_activation", "hidden_units": 200}),
        slow_case(
            {"activation": "mish", "parametric_activation": True, "shared_members": 4,
             "numeric_embedding": "piecewise_linear", "n_bins": 40, "feature_scale": True}
        ),
        slow_case(
            {"activation": "gelu", "numeric_embedding": "plr", "input_scaling": "smooth_clip"}
        ),
    ],
    ids=["plain", "wide", "shared", "waves"],
)  # fmt: skip
def test_numpy_predicts_what_tensorflow_does(parameters, breast_cancer, diabetes, monkeypatch):
    X, y = breast_cancer
    network = skdl.MLPClassifier(**{"hidden_units": 16, **SHORT, **parameters}).fit(X, y)
    by_tensorflow, by_numpy = both_ways(network, X, monkeypatch)
    np.testing.assert_allclose(by_numpy, by_tensorflow, rtol=0, atol=2e-6)
    X, y = diabetes
    network = skdl.MLPRegressor(**{"hidden_units": 16, **SHORT, **parameters}).fit(X, y)
    by_tensorflow, by_numpy = both_ways(network, X, monkeypatch)
    np.testing.assert_allclose(by_numpy, by_tensorflow, rtol=0, atol=5e-6)


def test_the_number_of_rows_decides(iris):
    X, y = iris
    network = skdl.MLPClassifier(8, **SHORT).fit(X, y)
    assert numpy_predictor(network._trained, MOST_ROWS) is not None
    assert numpy_predictor(network._trained, MOST_ROWS + 1) is None
    few, many = np.resize(X, (MOST_ROWS, 4)), np.resize(X, (MOST_ROWS + 1, 4))
    np.testing.assert_allclose(
        network.predict_proba(few), network.predict_proba(many)[:-1], rtol=0, atol=1e-6
    )
    np.testing.assert_array_equal(network.predict_proba(few), network.predict_proba(few))


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_units": (37, 51)},
        {"hidden_units": 300, "shared_members": 3, "numeric_embedding": "plr"},
        {"shared_members": 2, "numeric_embedding": "piecewise_linear"},
    ],
    ids=["plain", "waves", "bins"],
)
def test_a_row_is_predicted_alike_in_any_company(parameters, diabetes):
    X, y = diabetes
    network = skdl.MLPRegressor(**{"hidden_units": 16, **SHORT, **parameters}).fit(X, y)
    whole = network.predict(X[:100])
    rng = np.random.default_rng(0)
    for n_rows in (1, 2, 3, 17, 64, 100):
        rows = rng.permutation(100)[:n_rows]
        np.testing.assert_array_equal(network.predict(X[rows]), whole[rows])


def bent(x):
    return x * 2


def test_code_of_the_users_and_images_are_left_to_tensorflow(iris):
    X, y = iris
    network = skdl.MLPClassifier(8, activation=bent, **SHORT).fit(X, y)
    assert numpy_predictor(network._trained, 1) is None
    assert network.predict(X[:3]).shape == (3,)
    images = np.resize(X, (len(X), 6, 6))
    network = skdl.CNNClassifier(filters=2, conv_blocks=1, hidden_units=4, **SHORT).fit(images, y)
    assert numpy_predictor(network._trained, 1) is None


def test_sparse_rows(iris):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = iris
    network = skdl.MLPClassifier(8, **SHORT).fit(X, y)
    found = network.predict_proba(sparse.csr_matrix(X[:20]))
    np.testing.assert_allclose(found, network.predict_proba(X[:20]), rtol=0, atol=1e-6)


def test_a_refit_network_predicts_anew(iris):
    X, y = iris
    network = skdl.MLPClassifier(8, **SHORT).fit(X, y)
    first = network.predict_proba(X[:5])
    assert not np.array_equal(network.fit(X, (y + 1) % 3).predict_proba(X[:5]), first)


PREDICT = """
import pickle, sys, numpy as np

with open(sys.argv[1], "rb") as file:
    model, X = pickle.load(file)
np.save(sys.argv[2], model.predict_proba(X))
needless = {
    "keras", "matplotlib", "optuna", "polars", "skops", "tensorflow",
    "skdl.estimators.images", "skdl.estimators.keras_models", "skdl.inspection",
    "skdl.model_selection", "skdl.training.lockstep",
    "sklearn.compose", "sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection",
}
assert not needless & set(sys.modules), needless & set(sys.modules)
"""


@pytest.mark.parametrize("kind", ["plain", slow_case("tabular")])
def test_a_fresh_process_predicts_without_tensorflow(kind, iris, tmp_path, fresh_python):
    import pandas as pd

    X, y = iris
    if kind == "plain":
        model = make_pipeline(StandardScaler(), skdl.MLPClassifier(8, **SHORT)).fit(X, y)
    else:
        X = pd.DataFrame(X, columns=list("abcd")).assign(e=np.where(X[:, 0] > 0, "x", "y"))
        model = skdl.MLPClassifier.tabular(**SHORT).fit(X, y)
    path, found = tmp_path / "model.pkl", tmp_path / "found.npy"
    path.write_bytes(pickle.dumps((model, X[:100])))
    fresh_python(PREDICT, path, found)
    np.testing.assert_array_equal(np.load(found), model.predict_proba(X[:100]))
