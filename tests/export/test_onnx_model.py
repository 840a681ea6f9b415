"""Predictions from a file: what comes in, and what is refused."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler

import skdl
from skdl.export import OnnxModel, _onnx_model, to_onnx


@pytest.fixture(scope="session")
def file(tabular, table, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "tabular.onnx"
    to_onnx(tabular, table, path)
    return path


@pytest.mark.slow
def test_a_dict_of_lists_and_one_of_arrays(file, tabular, table):
    model = OnnxModel(file)
    expected = tabular.predict_proba(table)
    lists = {name: table[name].tolist() for name in table.columns}
    arrays = {name: table[name].to_numpy() for name in table.columns}
    for rows in (lists, arrays):
        np.testing.assert_allclose(model.predict_proba(rows), expected, rtol=0, atol=1e-6)


def test_a_row_alone(file, tabular, table):
    found = OnnxModel(file).predict_proba(table.iloc[[5]])
    np.testing.assert_allclose(found, tabular.predict_proba(table.iloc[[5]]), rtol=0, atol=1e-6)


def test_missing_values_of_every_kind(file, tabular, table):
    gone = table.head(4).astype(object)
    for row, missing in enumerate([None, np.nan, pd.NA, pd.NaT]):
        gone.loc[row, ["length", "sex"]] = missing
    known = table.head(4).copy()
    known["length"] = np.nan
    known["sex"] = pd.Series([None] * 4, dtype=object)
    np.testing.assert_allclose(
        OnnxModel(file).predict_proba(gone), tabular.predict_proba(known), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.drop(columns=["sex", "mass"]), r"X has no columns \['mass', 'sex'\]"),
        (lambda X: X.assign(length="long"), "column 'length' does not hold numbers"),
        (lambda X: X.assign(island=3), "column 'island' does not hold text: 3 is of type int"),
        (lambda X: X.assign(seen=1.5), "column 'seen' does not hold dates"),
        (lambda X: X.assign(stay="long"), "column 'stay' does not hold durations"),
        (lambda X: X.to_numpy(), r"X has no columns \['length', .* and 4 more"),
    ],
    ids=["missing", "text", "numbers", "date", "duration", "array"],
)
def test_columns_that_hold_something_else(change, message, file, table):
    with pytest.raises(ValueError, match=message):
        OnnxModel(file).predict(change(table))


def test_levels_that_the_encoder_refuses_are_named(table, species, tmp_path):
    encoder = make_column_transformer((OneHotEncoder(), ["island", "grade"]))
    network = skdl.MLPClassifier(4, epochs=1, random_state=0)
    pipeline = make_pipeline(encoder, network).fit(table, species)
    to_onnx(pipeline, table, tmp_path / "model.onnx")
    model = OnnxModel(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"'island' holds \['Mars'\].*one of \['Biscoe'"):
        model.predict(table.head(1).assign(island="Mars"))
    with pytest.raises(ValueError, match=r"'grade' holds \[9\.0\].*handle_unknown"):
        model.predict(table.head(1).assign(grade=9))


def test_rows_of_another_shape(iris, tmp_path):
    X, y = iris
    to_onnx(skdl.MLPClassifier(4, epochs=1).fit(X, y), X, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"rows of X have shape \(3,\)\. Expected \(4,\)"):
        OnnxModel(tmp_path / "model.onnx").predict(X[:, :3])


def test_a_regressor_has_no_probabilities(diabetes, tmp_path):
    X, y = diabetes
    to_onnx(skdl.MLPRegressor(4, epochs=1).fit(X, y), X, tmp_path / "model.onnx")
    model = OnnxModel(tmp_path / "model.onnx")
    assert not hasattr(model, "classes_")
    with pytest.raises(AttributeError, match=r"holds a regressor.*Use predict\."):
        model.predict_proba(X)


def test_no_file_and_a_file_of_others(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file.*to_onnx wrote"):
        OnnxModel(tmp_path / "none.onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "other", [value], [other])
    onnx.save(onnx.helper.make_model(graph, ir_version=9), tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"was not written by skdl\.export\.to_onnx"):
        OnnxModel(tmp_path / "other.onnx")


def test_a_file_that_is_cut(file, tmp_path):
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"is no ONNX file, or a damaged one.*to_onnx wrote"):
        OnnxModel(cut)


def test_the_name_at_the_door_is_the_public_one(fresh_python):
    done = fresh_python(
        "import sys\n"
        "from skdl.export import OnnxModel\n"
        "print(OnnxModel.__module__, {'sklearn', 'pandas', 'tensorflow'} & set(sys.modules))"
    )
    assert done.stdout.strip() == "skdl.export set()"


def test_a_missing_onnxruntime_says_what_to_install(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="pip install onnxruntime"):
        OnnxModel(file)


PREDICT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from onnx_model import OnnxModel

model = OnnxModel(sys.argv[2])
rows = dict(np.load(sys.argv[3], allow_pickle=True))
np.save(sys.argv[4], model.predict_proba(rows))
imported = {"skdl", "tensorflow", "keras", "sklearn", "scipy", "pandas", "onnx", "joblib"}
assert not imported & set(sys.modules), imported & set(sys.modules)
"""


def predict_elsewhere(python, file, table, folder):
    """Predict in another Python by a copy of the module, from columns as NumPy has them."""
    shutil.copy(_onnx_model.__file__, folder / "onnx_model.py")
    np.savez(folder / "rows.npz", **{name: table[name].to_numpy() for name in table.columns})
    done = subprocess.run(
        [python, "-c", PREDICT, folder, file, folder / "rows.npz", folder / "found.npy"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return np.load(folder / "found.npy")


def test_a_copy_of_the_module_needs_numpy_and_onnxruntime_alone(file, tabular, table, tmp_path):
    plain = table.astype({"island": object, "sex": object, "grade": int})
    plain["sex"] = plain["sex"].where(plain["sex"].notna(), None)
    found = predict_elsewhere(sys.executable, file, plain, tmp_path)
    np.testing.assert_allclose(found, tabular.predict_proba(table), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_an_environment_of_onnxruntime_and_numpy_alone(file, tabular, table, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    if not python.is_file():
        python = Path(tmp_path / "venv" / "Scripts" / "python.exe")
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "onnxruntime", "numpy"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"pip cannot install here: {done.stderr[-200:]}")
    plain = table.astype({"island": object, "sex": object, "grade": int})
    plain["sex"] = plain["sex"].where(plain["sex"].notna(), None)
    found = predict_elsewhere(python, file, plain, tmp_path)
    np.testing.assert_allclose(found, tabular.predict_proba(table), rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39, -1e39])
def test_numbers_beyond_float32_are_refused_as_by_predict(value, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    model = make_pipeline(StandardScaler(), skdl.MLPRegressor(4, epochs=1)).fit(X, X["a"])
    bad = X.copy()
    bad.loc[3, "b"] = value
    for rows, wrong, what in ((X, bad, "column 'b'"), (X.to_numpy(), bad.to_numpy(), "X")):
        with pytest.raises(ValueError, match="infinity or a value too large"):
            model.fit(rows, X["a"]).predict(wrong)
        to_onnx(model, rows, tmp_path / "model.onnx")
        exported = OnnxModel(tmp_path / "model.onnx")
        with pytest.raises(ValueError, match=f"row 3 of {what} holds infinity, or a number beyond"):
            exported.predict(wrong)


@pytest.mark.parametrize("scaler", [StandardScaler(), PowerTransformer()])
def test_gaps_are_refused_where_the_estimator_refuses_them(scaler, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    y = np.where(X["a"] > 0, "yes", "no")
    steps = make_column_transformer((SimpleImputer(), ["a"]), (scaler, ["b"]))
    network = skdl.MLPClassifier(4, epochs=1, random_state=0)
    gap_in_a, gap_in_b = X.copy(), X.copy()
    gap_in_a.loc[3, "a"] = gap_in_b.loc[3, "b"] = np.nan
    model = make_pipeline(steps, network).fit(X, y)
    to_onnx(model, X, tmp_path / "model.onnx")
    exported = OnnxModel(tmp_path / "model.onnx")
    np.testing.assert_array_equal(exported.predict(gap_in_a), model.predict(gap_in_a))
    # As an array, whose columns are one input.
    plain = make_pipeline(scaler, network).fit(X.to_numpy(), y)
    to_onnx(plain, X.to_numpy(), tmp_path / "plain.onnx")
    of_arrays = OnnxModel(tmp_path / "plain.onnx")
    for refusing, other, wrong, what in (
        (model, exported, gap_in_b, "column 'b'"),
        (plain, of_arrays, gap_in_b.to_numpy(), "X"),
    ):
        with pytest.raises(ValueError, match="contains NaN"):
            refusing.predict(wrong)
        with pytest.raises(ValueError, match=f"row 3 of {what} has a missing value.*imputer"):
            other.predict(wrong)


@pytest.mark.parametrize("n_more", [0, 200])
def test_gaps_in_some_columns_of_an_array_are_never_a_label(n_more, tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3 + n_more))
    steps = make_column_transformer((SimpleImputer(), [0]), remainder="passthrough")
    model = make_pipeline(steps, skdl.MLPClassifier(4, epochs=1, random_state=0)).fit(
        X, X[:, 0] > 0
    )
    to_onnx(model, X, tmp_path / "model.onnx")
    exported = OnnxModel(tmp_path / "model.onnx")
    filled, lost = X.copy(), X.copy()
    filled[3, 0] = lost[3, 1] = np.nan
    np.testing.assert_array_equal(exported.predict(filled), model.predict(filled))
    for why in ("row 3 of X has a missing value", "row 3 of X is no number"):
        for predict in (exported.predict, exported.predict_proba):
            with pytest.raises(ValueError, match=why):
                predict(lost)
        exported.metadata_["inputs"][0]["refuses_gaps"] = []  # as of what nobody tried


@pytest.mark.parametrize("handle_unknown", ["ignore", "error"])
def test_an_empty_text_is_not_a_missing_one(handle_unknown, table, species, tmp_path):
    X = table[["mass", "sex"]]
    encoder = OneHotEncoder(handle_unknown=handle_unknown)
    steps = make_column_transformer((encoder, ["sex"]), (StandardScaler(), ["mass"]))
    network = skdl.MLPClassifier(4, epochs=1, random_state=0)
    model = make_pipeline(steps, network).fit(X, species)
    to_onnx(model, X, tmp_path / "model.onnx")
    exported = OnnxModel(tmp_path / "model.onnx")
    empty = X.head(3).assign(sex="")
    if handle_unknown == "error":
        with pytest.raises(ValueError, match=r"column 'sex' holds \['', '', ''\]"):
            exported.predict(empty)
        return
    expected = model.predict_proba(empty)
    np.testing.assert_allclose(exported.predict_proba(empty), expected, rtol=0, atol=1e-6)


def test_rows_of_no_use_are_refused_in_words(file, table, iris, tmp_path):
    X, y = iris
    to_onnx(skdl.MLPClassifier(4, epochs=1).fit(X, y), X, tmp_path / "plain.onnx")
    model = OnnxModel(tmp_path / "plain.onnx")
    for rows, message in (
        (X[:0], "X has no rows"),
        (sparse.csr_array(X), r"X is sparse.*toarray\(\)"),
        (X.astype(complex), "X does not hold numbers"),
        ([*X.astype(str)[:1].tolist(), ["a"] * 4], "X does not hold numbers.*'a'"),
        ([X[0].tolist(), [1.0]], "X does not hold numbers"),
        (X[0], r"rows of X have shape \(\)"),
        (3.0, r"rows of X have shape \(\)"),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict(rows)
    with pytest.raises(ValueError, match="X has no rows"):
        OnnxModel(file).predict(table.head(0))
    lists = {name: table[name].tolist() for name in table.columns} | {"mass": [1.0]}
    with pytest.raises(ValueError, match=r"columns of X have.*'mass': 1.*one of each for a row"):
        OnnxModel(file).predict(lists)


def test_images_of_bytes_take_no_other_numbers(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 1), dtype=np.uint8)
    network = skdl.CNNClassifier(conv_blocks=1, epochs=1, random_state=0).fit(X, np.arange(20) % 2)
    to_onnx(network, X, tmp_path / "images.onnx")
    model = OnnxModel(tmp_path / "images.onnx")
    np.testing.assert_array_equal(model.predict(X.astype(float)), model.predict(X))
    for wrong in (X / 255, X.astype(int) + 1000, -X.astype(int) - 1):
        with pytest.raises(ValueError, match=r"other numbers than bytes.*0 to 255"):
            model.predict(wrong)


@pytest.mark.parametrize(
    "held", ["", "{}", "[]", "nonsense", '{"task": "regression", "inputs": []}']
)
def test_metadata_that_were_changed(held, file, tmp_path):
    model = onnx.load(file)
    onnx.helper.set_model_props(model, {"skdl": held})
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(ValueError, match=r"metadata 'skdl' of .*changed.onnx' are damaged"):
        OnnxModel(tmp_path / "changed.onnx")


def test_a_file_is_written_whole_and_where_it_can_be(file, iris, tmp_path, monkeypatch):
    network = skdl.MLPClassifier(4, epochs=1).fit(*iris)
    with pytest.raises(IsADirectoryError, match=r"is a folder. Expected the path of a file"):
        to_onnx(network, iris[0], tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing'"):
        to_onnx(network, iris[0], tmp_path / "missing" / "a.onnx")
    path = tmp_path / "a.onnx"
    path.write_bytes(file.read_bytes())

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        to_onnx(network, iris[0], path)
    assert path.read_bytes() == file.read_bytes()
    assert list(tmp_path.iterdir()) == [path]
