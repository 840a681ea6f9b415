"""Files against their estimators on real data: 1e-5 of a probability, or of the largest number."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skdl
from skdl.export import OnnxModel, to_onnx
from skdl.model_selection import AveragingRegressor, KFoldEnsembleClassifier, KFoldEnsembleRegressor

pytestmark = pytest.mark.slow

NETWORK = {"hidden_units": 64, "epochs": 3, "random_state": 0, "dropout": 0.1}
TABULAR = {"epochs": 2, "random_state": 0}


def encoded(network):
    """Return a pipeline that makes numbers of text and fills gaps."""
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()),
         make_column_selector(dtype_include="number")),
        (
            make_pipeline(
                SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
            ),
            make_column_selector(dtype_exclude="number"),
        ),
    )  # fmt: skip
    return make_pipeline(columns, network)


def assert_same(estimator, X, path):
    report = to_onnx(estimator, X, path)
    assert report.largest_difference < 1e-5
    model = OnnxModel(path)
    if hasattr(estimator, "predict_proba"):
        expected = estimator.predict_proba(X)
        np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-5)
        best = np.sort(expected, axis=1)
        is_clear = best[:, -1] - best[:, -2] > 2e-5
        assert (model.predict(X) == estimator.predict(X))[is_clear].all()
    else:
        expected = estimator.predict(X)
        limit = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(model.predict(X), expected, rtol=0, atol=limit)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(skdl.MLPClassifier(**NETWORK, batch_norm="before_activation")),
        lambda: skdl.MLPClassifier.tabular(**TABULAR),
        lambda: KFoldEnsembleClassifier(skdl.MLPClassifier.tabular(**TABULAR), cv=3),
    ],
    ids=["pipeline", "tabular", "ensemble"],
)
@pytest.mark.parametrize(
    ("name", "target"), [("penguins.csv", "species"), ("adult_train.csv.gz", "income")]
)
def test_penguins_and_adult(make, name, target, shared_data, path):
    frame = pd.read_csv(shared_data(name), skipinitialspace=True, na_values="?")
    target = target if target in frame else frame.columns[-1]
    frame = frame.sample(min(4000, len(frame)), random_state=0)
    X, y = frame.drop(columns=target), frame[target].to_numpy(object)
    assert_same(make().fit(X, y), X, path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(
            skdl.MLPRegressor(**NETWORK, activation="selu", batch_norm="after_activation")),
        lambda: skdl.MLPRegressor.tabular(**TABULAR),
        lambda: skdl.MLPRegressor.tabular(**TABULAR, numeric_embedding="pbld"),
        lambda: KFoldEnsembleRegressor(skdl.MLPRegressor.tabular(**TABULAR), cv=3),
    ],
    ids=["pipeline", "tabular", "waves", "ensemble"],
)  # fmt: skip
def test_california(make, shared_data, path):
    frame = pd.read_csv(shared_data("housing.csv.gz")).sample(5000, random_state=0)
    y = frame.pop("median_house_value").to_numpy(float)
    assert_same(make().fit(frame, y), frame, path)


@pytest.mark.parametrize("parameters", [{}, {"numeric_embedding": "plr", "feature_scale": True}])
def test_red_wine(parameters, shared_data, path):
    frame = pd.read_csv(shared_data("winequality-red.csv"), sep=";")
    y = frame.pop("quality").to_numpy(float)
    network = skdl.MLPRegressor(**NETWORK, activation="mish", **parameters)
    ensemble = AveragingRegressor(make_pipeline(StandardScaler(), network), n_members=3)
    assert_same(ensemble.fit(frame, y), frame, path)


def test_digits(path):
    X, y = load_digits(return_X_y=True)
    assert_same(encoded_digits().fit(X, y), X, path)
    network = skdl.CNNClassifier(filters=8, image_shape=(8, 8), epochs=2, random_state=0)
    assert_same(network.fit(X, y), X, path)


def encoded_digits():
    return make_pipeline(StandardScaler(), skdl.MLPClassifier(**NETWORK))


def test_mnist(shared_data, path):
    with np.load(shared_data("mnist.npz"), allow_pickle=False) as data:
        X, y = data["x_train"][:3000], data["y_train"][:3000]
    network = skdl.CNNClassifier(
        filters=(8, 16), batch_norm="before_activation", augment="shift", epochs=2, random_state=0
    )
    assert_same(network.fit(X, y), X, path)
    flat = X.reshape(len(X), -1) / 255
    assert_same(skdl.MLPClassifier(**NETWORK).fit(flat, y), flat, path)
