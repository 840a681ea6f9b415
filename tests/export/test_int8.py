"""ONNX files with kernels of int8 against their estimators, and what is refused."""

import json
import tempfile

import numpy as np
import onnx
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skdl
from skdl.exceptions import ExportError
from skdl.export import OnnxModel, to_onnx
from skdl.model_selection import KFoldEnsembleClassifier

WIDE = {"hidden_units": 64, "epochs": 10, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.fixture(scope="module")
def iris_network(iris):
    return skdl.MLPClassifier(**WIDE).fit(*iris)


def kernels(path):
    """Return the shapes of arrays by type, of those with two axes or more."""
    arrays = [onnx.numpy_helper.to_array(own) for own in onnx.load(path).graph.initializer]
    found = {}
    for array in arrays:
        if array.ndim > 1:
            found.setdefault(array.dtype.name, []).append(array.shape)
    return found


def test_kernels_become_int8_with_a_scale_for_each_channel(iris, iris_network, path):
    X, _ = iris
    report = to_onnx(iris_network, X, path, quantize="int8")
    assert sorted(kernels(path)["int8"]) == [(4, 64), (64, 3), (64, 64)]
    assert "float32" not in kernels(path)
    initializers = {own.name: own for own in onnx.load(path).graph.initializer}
    # Seven bits: the largest weight of a channel is 64 or -64, and its scale is a 64th of it.
    (name,) = [n for n, own in initializers.items() if n.endswith("_quantized")
               and list(own.dims) == [4, 64]]  # fmt: skip
    scale = onnx.numpy_helper.to_array(initializers[name.replace("_quantized", "_scale")])
    kernel = iris_network.model_.get_weights()[0]
    np.testing.assert_allclose(scale, np.abs(kernel).max(0) / 64, rtol=1e-5)
    changed = (OnnxModel(path).predict(X) != iris_network.predict(X)).mean()
    assert report.quantization_error == changed <= 0.02
    found = OnnxModel(path).predict_proba(X)
    difference = np.abs(found - iris_network.predict_proba(X)).max()
    assert report.largest_difference == pytest.approx(difference)
    assert 1e-5 < difference < 0.1


def test_a_wide_network_takes_a_quarter(iris, path):
    X, y = iris
    network = skdl.MLPClassifier(256, epochs=3, random_state=0).fit(X, y)
    floats = to_onnx(network, X, path).n_bytes
    assert to_onnx(network, X, path, quantize="int8").n_bytes < 0.3 * floats
    held = {own.key: own.value for own in onnx.load(path).metadata_props}
    assert set(held) == {"skdl"}
    metadata = json.loads(held["skdl"])
    assert metadata["quantize"] == "int8"
    assert metadata["quantization_error"] <= 0.02


def test_a_regressor_in_its_units(diabetes, path):
    X, y = diabetes
    y = y * 1000 + 5000
    network = skdl.MLPRegressor(**WIDE).fit(X, y)
    report = to_onnx(network, X, path, quantize="int8", representative=X[:100])
    expected = network.predict(X)
    error = np.sqrt(np.mean((OnnxModel(path).predict(X) - expected) ** 2)) / expected.std()
    assert report.quantization_error == pytest.approx(error)
    # By arithmetic with saturation, which some processors have for 8 bits, it is 0.09.
    assert 1e-4 < error < 0.02


def test_steps_in_front_stay_in_floats(table, species, path):
    X = table[["mass", "year", "island"]]
    columns = make_column_transformer(
        (StandardScaler(), ["mass", "year"]), (OneHotEncoder(), ["island"])
    )
    pipeline = make_pipeline(columns, skdl.MLPClassifier(**WIDE)).fit(X, species)
    report = to_onnx(pipeline, X, path, quantize="int8", tolerance=0.05)
    assert report.inputs == ("mass", "year", "island")
    assert all(64 in shape for shape in kernels(path)["int8"])


def test_convolutions_become_int8(rng_images, path):
    X, y = rng_images
    network = skdl.CNNClassifier(filters=8, image_shape=(8, 8), epochs=2, random_state=0)
    to_onnx(network.fit(X, y), X, path, quantize="int8", tolerance=0.1)
    assert any(len(shape) == 4 for shape in kernels(path)["int8"])


@pytest.mark.slow
def test_kernels_of_shared_members_become_int8_with_one_scale(rng_images, path):
    X, y = rng_images
    network = skdl.MLPClassifier(**{**WIDE, "epochs": 2}, shared_members=3)
    to_onnx(network.fit(X, y), X, path, quantize="int8", tolerance=0.1)
    assert any(shape[0] == 3 for shape in kernels(path)["int8"])


@pytest.fixture
def rng_images():
    """Return 80 images of two kinds: bright above, or bright below."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    images = rng.random((80, 8, 8))
    images[y == 1, :4] += 1
    images[y == 0, 4:] += 1
    return images.reshape(80, 64), y


def test_an_ensemble_has_all_its_kernels_as_int8(iris, path):
    X, y = iris
    ensemble = KFoldEnsembleClassifier(skdl.MLPClassifier(**WIDE), cv=2).fit(X, y)
    to_onnx(ensemble, X, path, quantize="int8")
    assert kernels(path)["int8"].count((64, 64)) == 2


def test_no_temporary_files_are_left(iris, iris_network, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    to_onnx(iris_network, iris[0], tmp_path / "model.onnx", quantize="int8")
    assert {own.name for own in tmp_path.iterdir()} == {"temporary", "model.onnx"}
    assert list(folder.iterdir()) == []


# ------------------------------------------------------------------------- refusals


def test_a_value_of_quantize_that_is_none(iris, iris_network, path):
    with pytest.raises(ExportError, match=r"quantize='int4'\. Expected None or 'int8'"):
        to_onnx(iris_network, iris[0], path, quantize="int4")


def test_too_few_rows_to_take_ranges_from(iris, iris_network, path):
    X, _ = iris
    with pytest.raises(ExportError, match=r"X has 10 rows.*at least 32.*as representative"):
        to_onnx(iris_network, X[:10], path, quantize="int8")
    with pytest.raises(ExportError, match="representative has 31 rows"):
        to_onnx(iris_network, X, path, quantize="int8", representative=X[:31])


def test_rows_that_are_not_predicted(iris, iris_network, path):
    X = iris[0].copy()
    X[3, 1] = np.nan
    with pytest.raises(ExportError, match="rows of representative have NaN"):
        to_onnx(iris_network, iris[0], path, quantize="int8", representative=X)


def test_an_estimator_without_kernels(iris, path):
    X, y = iris
    with pytest.raises(ExportError, match="no layer of the estimator has a kernel"):
        to_onnx(LogisticRegression().fit(X, y), X, path, quantize="int8")


def test_ranges_that_do_not_hold_for_the_rows_are_refused(iris, iris_network, path):
    X, _ = iris
    with pytest.raises(ExportError, match=r"predicts another class than MLPClassifier in \d+ of"):
        to_onnx(iris_network, X, path, quantize="int8", representative=X / 100)
    assert not path.exists()
