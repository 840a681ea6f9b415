"""Networks as files of LiteRT and as SavedModels, against their estimators."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skdl
from skdl.exceptions import ExportError
from skdl.export import to_litert, to_saved_model
from skdl.model_selection import KFoldEnsembleClassifier
from tests.checks import slow_case

SHORT = {"hidden_units": 32, "epochs": 5, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


@pytest.fixture(scope="module")
def iris_network(iris):
    return skdl.MLPClassifier(**SHORT).fit(*iris)


@pytest.fixture(scope="module")
def diabetes_network(diabetes):
    X, y = diabetes
    return skdl.MLPRegressor(**SHORT).fit(X, 100 * y + 5000)


def user_model():
    layers = [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3, "softmax")]
    loss = "sparse_categorical_crossentropy"
    model = keras.Sequential([keras.Input((4,)), *layers])
    return skdl.KerasClassifier(model, loss=loss, epochs=2, random_state=0)


def litert_of(path, rows):
    """Return what a file says of rows, as the manual of LiteRT has it."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for row in np.asarray(rows, np.float32):
        interpreter.set_tensor(given["index"], row[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(result["index"])[0])
    return np.array(answers)


def served_by(path, rows):
    """Return what a SavedModel says of rows, as arrays."""
    loaded = tf.saved_model.load(str(path))
    results = loaded.serve(np.asarray(rows, np.float32))
    return tf.nest.map_structure(np.asarray, results)


# ------------------------------------------------------------------------- LiteRT


@pytest.mark.slow
def test_temperatures_and_medians_of_quantiles_are_part_of_the_file(iris, path):
    X, y = iris
    labels = np.column_stack([y == 0, y > 1]).astype(int)
    for targets in (y, y > 1, labels):
        network = skdl.MLPClassifier(**SHORT, calibrate="temperature")
        network.fit(X, targets, X_val=X, y_val=targets)
        assert network.temperature_ != 1
        to_litert(network, X, path)
        np.testing.assert_allclose(litert_of(path, X), network.predict_proba(X), atol=1e-5)
    median = skdl.MLPRegressor(**SHORT, loss="quantile", quantiles=[0.2, 0.4, 0.8])
    median.fit(X[:, 1:], X[:, 0])
    to_litert(median, X[:, 1:], path)
    found = litert_of(path, X[:, 1:])[:, 0]
    np.testing.assert_allclose(found, median.predict(X[:, 1:]), rtol=1e-5)


def test_litert_gives_probabilities(iris, iris_network, path):
    X, _ = iris
    report = to_litert(iris_network, X, path)
    np.testing.assert_allclose(litert_of(path, X), iris_network.predict_proba(X), atol=1e-6)
    assert report.largest_difference < 1e-6
    assert (report.path, report.n_rows, report.n_bytes) == (path, len(X), path.stat().st_size)


@pytest.mark.parametrize("quantize", ["int8", slow_case("float16")])
def test_litert_gives_predictions_in_their_units(quantize, diabetes, diabetes_network, path):
    X, _ = diabetes
    report = to_litert(diabetes_network, X, path, quantize=quantize, tolerance=0.05)
    expected = diabetes_network.predict(X)
    error = np.sqrt(np.mean((litert_of(path, X)[:, 0] - expected) ** 2)) / expected.std()
    assert report.quantization_error == pytest.approx(error, rel=1e-3)
    assert 0 < error < {"int8": 0.05, "float16": 5e-3}[quantize]


@pytest.mark.slow
@pytest.mark.parametrize(("quantize", "share"), [("float16", 0.55), ("int8", 0.3)])
def test_litert_of_images_is_smaller(quantize, share, shared_data, path):
    with np.load(shared_data("mnist.npz"), allow_pickle=False) as data:
        X, y = data["x_train"][:2000], data["y_train"][:2000]
    network = skdl.CNNClassifier(filters=(8, 16), hidden_units=64, epochs=2, random_state=0)
    network.fit(X, y)
    floats = to_litert(network, X[:200], path).n_bytes
    report = to_litert(network, X[:200], path, quantize=quantize, representative=X[:100])
    assert report.n_bytes < share * floats


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"numeric_embedding": "plr"},
        {"shared_members": 4, "feature_scale": True},
        {"batch_norm": "before_activation", "activation": "mish"},
    ],
)
def test_litert_and_saved_models_of_every_ingredient(parameters, breast_cancer, path):
    X, y = breast_cancer
    network = skdl.MLPClassifier(**SHORT, **parameters).fit(X, y == 1)
    to_litert(network, X, path.with_suffix(".tflite"))
    to_saved_model(network, X, path)
    found = litert_of(path.with_suffix(".tflite"), X)
    np.testing.assert_allclose(found, network.predict_proba(X), atol=1e-5)


@pytest.mark.slow
def test_litert_of_several_labels(iris, path):
    X, y = iris
    labels = np.column_stack([y == 0, y < 2, y == 2]).astype(int)
    network = skdl.MLPClassifier(**SHORT).fit(X, labels)
    report = to_litert(network, X, path, quantize="int8", tolerance=0.1)
    changed = ((litert_of(path, X) > 0.5) != network.predict(X)).any(1).mean()
    assert report.quantization_error == changed


# ------------------------------------------------------------------------- SavedModel


def test_saved_models_give_the_numbers_of_the_estimator(diabetes, diabetes_network, path):
    X, _ = diabetes
    assert to_saved_model(diabetes_network, X, path) < 1e-5
    served = served_by(path, X)
    np.testing.assert_allclose(served["prediction"][:, 0], diabetes_network.predict(X), rtol=1e-5)


@pytest.mark.slow
def test_saved_models_of_two_classes(breast_cancer, path):
    X, y = breast_cancer
    network = skdl.MLPClassifier(**SHORT).fit(X, y)
    to_saved_model(network, X, path)
    served = served_by(path, X[:5])
    np.testing.assert_allclose(served["probabilities"], network.predict_proba(X[:5]), atol=1e-6)


def test_models_of_keras_go_through_its_exporter(iris, path):
    X, y = iris
    network = user_model().fit(X, y)
    to_saved_model(network, X, path)
    served = served_by(path, X)
    np.testing.assert_allclose(served["outputs"], network.predict_proba(X), atol=1e-6)


@pytest.mark.slow
def test_litert_of_models_of_keras(iris, path):
    X, y = iris
    network = user_model().fit(X, y)
    to_litert(network, X, path)
    np.testing.assert_allclose(litert_of(path, X), network.predict_proba(X), atol=1e-6)


class OfTwoInputs(skdl.KerasRegressor):
    """A model that takes the first two columns, and the others, by name."""

    @property
    def feature_encoder(self):
        return FunctionTransformer(lambda X: {"a": X[:, :2], "b": X[:, 2:]})


def two_inputs():
    inputs = [keras.Input((2,), name=name) for name in "ab"]
    joined = keras.layers.Concatenate()(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(joined))


@pytest.mark.slow
def test_a_model_of_two_inputs(iris, path):
    X, _ = iris
    network = OfTwoInputs(two_inputs, loss="mse", epochs=1, random_state=0).fit(X, X[:, 0])
    to_saved_model(network, X, path)
    loaded = tf.saved_model.load(str(path))
    served = loaded.serve([X[:, :2].astype("float32"), X[:, 2:].astype("float32")])
    np.testing.assert_allclose(np.asarray(served)[:, 0], network.predict(X), rtol=1e-4, atol=1e-6)
    with pytest.raises(ExportError, match=r"several inputs or outputs\. Expected one of each"):
        to_litert(network, X, path)


# ------------------------------------------------------------------------- refusals


EXPORTERS = pytest.mark.parametrize("export", [to_litert, to_saved_model])


def test_float16_does_not_hold_large_units(diabetes, path):
    X, y = diabetes
    network = skdl.MLPRegressor(**SHORT).fit(X, 1e6 * y)
    with pytest.raises(ExportError, match=r"up to 65,504, but the targets.*y / 1000 in fit"):
        to_litert(network, X, path, quantize="float16")


@EXPORTERS
def test_a_pipeline_says_what_to_pass(export, iris, path):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), skdl.MLPClassifier(8, epochs=1)).fit(X, y)
    with pytest.raises(ExportError, match=r"pass its last step.*pipeline\[:-1\]\.transform\(X\)"):
        export(pipeline, X, path)


@EXPORTERS
def test_what_is_no_network_of_numbers(export, tabular, table, path):
    with pytest.raises(ExportError, match=r"takes a DataFrame with categories.*to_onnx"):
        export(tabular, table, path)
    with pytest.raises(ExportError, match=r"KFoldEnsembleClassifier is not a network"):
        export(KFoldEnsembleClassifier(skdl.MLPClassifier()), table, path)
    with pytest.raises(NotFittedError):
        export(skdl.MLPClassifier(), table, path)
    with pytest.raises(ExportError, match=r"tolerance=0\. Expected a number > 0"):
        export(tabular, table, path, tolerance=0)


def test_a_difference_beyond_the_tolerance_writes_nothing(iris, iris_network, path):
    with pytest.raises(ExportError, match=r"to_saved_model: the file differs from MLPClassifier"):
        to_saved_model(iris_network, iris[0], path, tolerance=1e-20)
    with pytest.raises(ExportError, match=r"to_litert: the quantized file predicts another"):
        to_litert(iris_network, iris[0], path, quantize="int8", representative=iris[0] / 100)
    assert not path.exists()


def test_a_folder_that_exists_is_not_overwritten(iris, iris_network, tmp_path):
    with pytest.raises(ExportError, match=r"exists\. Expected a folder that does not"):
        to_saved_model(iris_network, iris[0], tmp_path)


def test_values_that_to_litert_refuses(iris, iris_network, path):
    X, _ = iris
    with pytest.raises(ExportError, match=r"quantize='int4'.*None or 'float16' or 'int8'"):
        to_litert(iris_network, X, path, quantize="int4")
    with pytest.raises(ExportError, match="X has 5 rows"):
        to_litert(iris_network, X[:5], path, quantize="int8")


def test_a_missing_extra_says_what_to_install(iris, iris_network, path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ImportError, match=r'pip install "skdl\[litert\]"'):
        to_litert(iris_network, iris[0], path)
