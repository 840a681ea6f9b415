"""Files against the estimators that they were made of, and what is refused."""

import json
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

import skdl
from skdl.exceptions import ExportError
from skdl.export import OnnxModel, register_converters, to_onnx
from skdl.model_selection import (
    AveragingClassifier,
    AveragingRegressor,
    KFoldEnsembleClassifier,
    KFoldEnsembleRegressor,
    OptunaSearchCV,
)
from tests.checks import slow_but, slow_case

SHORT = {"epochs": 2, "random_state": 0}
NUMBERS = ["length", "mass", "year"]
TEXTS = ["island", "sex"]


def classifier(**parameters):
    return skdl.MLPClassifier(8, **{**SHORT, **parameters})


def regressor(**parameters):
    return skdl.MLPRegressor(8, **{**SHORT, **parameters})


def of_mixed_columns(**parameters):
    """Return a small network that takes what `tabular()` takes."""
    return classifier(
        categorical_features="from_dtype", missing_numbers="learn", input_scaling="smooth_clip",
        hidden_layers=1, **parameters,
    )  # fmt: skip


def columns():
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), TEXTS),
    )


def assert_same(estimator, X, path, rtol=1e-6):
    """Export, and compare with the estimator by means that `to_onnx` has no part in."""
    report = to_onnx(estimator, X, path)
    assert (report.path, report.n_rows) == (path, len(X))
    assert report.n_bytes == path.stat().st_size
    model = OnnxModel(path)
    if hasattr(estimator, "predict_proba"):
        np.testing.assert_allclose(
            model.predict_proba(X), estimator.predict_proba(X), rtol=0, atol=1e-6
        )
        np.testing.assert_array_equal(model.predict(X), estimator.predict(X))
        np.testing.assert_array_equal(model.classes_, estimator.classes_)
    else:
        expected = estimator.predict(X)
        found = model.predict(X)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max())
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


# ------------------------------------------------------------------------- networks

INGREDIENTS = {
    "plain": {},
    "linear": {"hidden_layers": 0},
    "every one": {
        "activation": "mish",
        "parametric_activation": True,
        "input_scaling": "smooth_clip",
        "numeric_embedding": "pbld",
        "feature_scale": True,
        "shared_members": 3,
        "dropout": 0.2,
        "input_dropout": 0.1,
        "batch_norm": "before_activation",
        "input_batch_norm": True,
    },
    "after": {"activation": "gelu", "batch_norm": "after_activation", "numeric_embedding": "plr"},
    "bins": {"numeric_embedding": "piecewise_linear", "shared_members": 2},
    "layer": {"activation": keras.layers.LeakyReLU(0.1), "numeric_embedding": "periodic"},
}


@pytest.mark.parametrize("name", slow_but(INGREDIENTS, "plain"))
def test_ingredients_of_a_perceptron(name, iris, diabetes, path):
    X, y = iris
    assert_same(classifier(**INGREDIENTS[name]).fit(X, y), X, path)
    X, y = diabetes
    assert_same(regressor(**INGREDIENTS[name]).fit(X, y), X, path)


@pytest.mark.parametrize(
    "labels",
    [
        [5, 7, 9],
        ["a", "b", "c"],
        [-1, 1, 1],
        *map(slow_case, ([1.0, 2.0, 3.0], [False, True, True])),
    ],
    ids=str,
)
def test_labels_come_back_as_they_were(labels, iris, path):
    X, y = iris
    y = np.array(labels)[y]
    model = assert_same(classifier().fit(X, y), X, path)
    assert model.predict(X).dtype.kind == y.dtype.kind


def test_several_labels_at_once(iris, path):
    X, y = iris
    y = np.column_stack([y == 0, y > 0, X[:, 0] > 0]).astype(int)
    assert_same(classifier().fit(X, y), X, path)


@pytest.mark.parametrize("loss", slow_but(["poisson", "quantile"], "poisson"))
def test_losses_of_a_regressor(loss, diabetes, path):
    X, y = diabetes
    assert_same(regressor(loss=loss).fit(X, y), X, path)


@pytest.mark.parametrize("target_scaling", [True, False])
def test_several_outputs(target_scaling, diabetes, path):
    X, y = diabetes
    y = np.column_stack([y, 1e6 + y**2]) / (1 if target_scaling else 1e6)
    assert_same(regressor(target_scaling=target_scaling).fit(X, y), X, path)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_offsets_that_float32_does_not_hold(dtype, diabetes, path):
    X, y = diabetes
    X = (X + (1.7e9 if dtype == np.float64 else 10)).astype(dtype)
    pipeline = make_pipeline(StandardScaler(), regressor()).fit(X, y)
    assert_same(pipeline, X, path)
    assert_same(regressor(input_scaling="smooth_clip").fit(X, y), X, path)


@pytest.mark.parametrize(
    ("dtype", "is_flat"),
    [slow_case((np.uint8, False)), (np.float32, True), slow_case((np.float64, False))],
)
@pytest.mark.slow
def test_convolutional_networks(dtype, is_flat, path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (60, 8, 6)).astype(dtype)
    y = X[:, :4].mean((1, 2)) > X[:, 4:].mean((1, 2))
    X = X.reshape(60, 48) if is_flat else X
    network = skdl.CNNClassifier(
        filters=(3, 4), hidden_units=5, image_shape=(8, 6), augment="flip",
        batch_norm="before_activation", **SHORT,
    )  # fmt: skip
    model = assert_same(network.fit(X, y), X, path)
    assert model.metadata_["inputs"][0]["dtype"] == np.dtype(dtype).name


def test_convolutions_of_signals(path):
    X = np.random.default_rng(0).normal(size=(60, 20, 2))
    network = skdl.CNNRegressor(
        filters=4, conv_blocks=1, padding="valid", pooling="average", global_pooling="max",
        dimensions=1, hidden_units=5, **SHORT,
    )  # fmt: skip
    assert_same(network.fit(X, X[:, :, 0].max(1)), X, path)


# ------------------------------------------------------------------------- DataFrames


def test_categories_gaps_dates_and_durations(tabular, table, path):
    model = assert_same(tabular, table, path)
    inputs = {own["name"]: own for own in model.metadata_["inputs"]}
    assert list(inputs) == list(table.columns)
    kinds = {name: own["kind"] for name, own in inputs.items()}
    assert (kinds["island"], kinds["grade"], kinds["tagged"]) == ("string", "number", "number")
    assert (kinds["seen"], kinds["stay"]) == ("datetime", "timedelta")
    assert inputs["island"]["levels"] == ["Biscoe", "Dream", "Torgersen"]
    assert inputs["sex"]["levels"] == ["female", "male", None]
    assert inputs["grade"]["levels"] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("max_one_hot", [0, slow_case(2)])
def test_levels_that_fit_did_not_see(max_one_hot, table, species, path):
    network = of_mixed_columns(max_one_hot=max_one_hot).fit(table, species)
    to_onnx(network, table, path)
    other = table.copy()
    other["island"] = "Elsewhere"
    other["grade"] = pd.Categorical([4] * len(table))
    other["sex"] = pd.Series([None] * len(table), dtype=object)
    np.testing.assert_allclose(
        OnnxModel(path).predict_proba(other), network.predict_proba(other), rtol=0, atol=1e-6
    )


def test_dates_with_a_time_zone(table, species, path):
    zoned = table.assign(seen=table["seen"].dt.tz_localize("Europe/Berlin"))
    assert_same(of_mixed_columns().fit(zoned, species), zoned, path)


def test_dates_and_durations_of_arrow(table, species, path):
    arrow = pytest.importorskip("pyarrow")
    days, spans = table["seen"].dt.floor("D"), table["stay"]
    frame = table.assign(
        seen=days.astype(pd.ArrowDtype(arrow.date32())),
        stay=spans.astype(pd.ArrowDtype(arrow.duration("us"))),
        length=days.dt.tz_localize("UTC").astype(
            pd.ArrowDtype(arrow.timestamp("us", "Europe/Berlin"))
        ),
    )
    network = of_mixed_columns().fit(frame, species)
    model = assert_same(network, frame, path)
    other = table.assign(seen=days, length=days.dt.tz_localize("UTC"))
    np.testing.assert_allclose(
        model.predict_proba(other), network.predict_proba(frame), rtol=0, atol=1e-6
    )


def test_a_frame_of_polars(table, species, path):
    polars = pytest.importorskip("polars")
    kept = ["length", "island", "sex", "seen", "stay", "tagged"]
    frame = polars.DataFrame({
        name: [cell if isinstance(cell, str) else None for cell in table[name]]
        if name in {"island", "sex"} else table[name].to_numpy()
        for name in kept
    })  # fmt: skip
    network = of_mixed_columns().fit(frame, species)
    assert_same(network, frame, path)


def test_a_pipeline_on_a_frame(table, species, path):
    pipeline = make_pipeline(columns(), classifier()).fit(table, species)
    model = assert_same(pipeline, table, path)
    # What the pipeline drops is no input.
    assert [own["name"] for own in model.metadata_["inputs"]] == [*NUMBERS, *TEXTS]
    np.testing.assert_array_equal(
        model.predict({name: table[name] for name in [*NUMBERS, *TEXTS]}), pipeline.predict(table)
    )


def test_columns_may_stand_in_another_order(table, species, path):
    pipeline = make_pipeline(columns(), classifier()).fit(table, species)
    to_onnx(pipeline, table, path)
    turned = table[table.columns[::-1]]
    np.testing.assert_array_equal(OnnxModel(path).predict(turned), pipeline.predict(table))


def test_rows_in_another_order_and_with_more_columns(table, species, path):
    pipeline = make_pipeline(columns(), classifier()).fit(table, species)
    turned = table[table.columns[::-1]].assign(other=[object()] * len(table))
    assert_same(pipeline, turned, path)


def test_samplers_have_no_part_in_prediction(iris, path):
    pytest.importorskip("imblearn")
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline as make_sampling_pipeline

    X, y = iris
    steps = (RandomOverSampler(random_state=0), classifier())
    assert_same(make_sampling_pipeline(StandardScaler(), *steps).fit(X, y), X, path)


def test_plain_onnxruntime_predicts_a_row(tabular, table, path):
    to_onnx(tabular, table, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    row = {
        "length": 39.1, "mass": 3750.0, "year": 2007.0, "island": "Dream", "sex": "", "grade": 2.0,
        "tagged": 1.0,
    }  # fmt: skip
    cells = {
        name: np.array([[value]], object if isinstance(value, str) else np.float64)
        for name, value in row.items()
    }
    cells["seen"] = np.array([["2020-05-03T12:00"]], "datetime64[ns]").astype(np.int64)
    cells["stay"] = np.array([[60 * 10**9]], np.int64)
    label, probabilities = session.run(["label", "probabilities"], cells)
    frame = pd.DataFrame([{
        **row, "sex": None, "grade": 2, "tagged": True, "seen": pd.Timestamp("2020-05-03 12:00"),
        "stay": pd.Timedelta(minutes=1),
    }])  # fmt: skip
    frame["grade"] = frame["grade"].astype(table["grade"].dtype)
    np.testing.assert_allclose(probabilities, tabular.predict_proba(frame), rtol=0, atol=1e-6)
    assert label.tolist() == tabular.predict(frame).tolist()


# ------------------------------------------------------------------------- ensembles, wrappers


@pytest.mark.parametrize(
    "make",
    [
        lambda network: KFoldEnsembleClassifier(network, cv=2, random_state=0),
        lambda network: AveragingClassifier(network, n_members=2, random_state=0),
        lambda network: CalibratedClassifierCV(network, cv=2),
        lambda network: GridSearchCV(network, {"mlpclassifier__l2": [0.0]}, cv=2),
        lambda network: VotingClassifier([("a", network), ("b", network)], voting="soft"),
    ],
    ids=["kfold", "averaging", "calibrated", "search", "voting"],
)
def test_what_holds_classifiers(make, table, species, path):
    network = make_pipeline(columns(), classifier())
    assert_same(make(network).fit(table, species), table, path)


def test_folds_that_lack_a_class(iris, path):
    X, y = iris
    y = np.where(np.arange(len(y)) == 0, 7, y)
    splits = [(np.arange(75, 150), np.arange(75)), (np.arange(75), np.arange(75, 150))]

    class Fixed:
        def split(self, X, y=None, groups=None):
            return iter(splits)

        def get_n_splits(self, X=None, y=None, groups=None):
            return 2

    ensemble = KFoldEnsembleClassifier(classifier(), cv=Fixed(), random_state=0).fit(X, y)
    assert {len(member.classes_) for member in ensemble.estimators_} == {3, 4}
    assert_same(ensemble, X, path)


def test_calibration_of_two_classes(table, species, path):
    calibrated = CalibratedClassifierCV(make_pipeline(columns(), classifier()), cv=2)
    assert_same(calibrated.fit(table, species == "Gentoo"), table, path)


def test_a_threshold_of_the_users(table, species, path):
    network = make_pipeline(columns(), classifier())
    chosen = FixedThresholdClassifier(network, threshold=0.2).fit(table, species == "Gentoo")
    assert_same(chosen, table, path)
    assert OnnxModel(path).predict(table).sum() > (chosen.predict_proba(table)[:, 1] > 0.5).sum()


@pytest.mark.parametrize(
    "make",
    [
        lambda network: KFoldEnsembleRegressor(network, cv=2, random_state=0),
        lambda network: AveragingRegressor(network, n_members=2, random_state=0),
        lambda network: TransformedTargetRegressor(network, func=np.log, inverse_func=np.exp),
        lambda network: TransformedTargetRegressor(network, transformer=StandardScaler()),
        lambda network: TransformedTargetRegressor(network, transformer=MinMaxScaler()),
        lambda network: VotingRegressor(
            [("a", network), ("b", LinearRegression())], weights=[3, 1]
        ),
    ],
    ids=["kfold", "averaging", "function", "standard", "minmax", "voting"],
)
def test_what_holds_regressors(make, diabetes, path):
    X, y = diabetes
    assert_same(make(make_pipeline(StandardScaler(), regressor())).fit(X, y), X, path)


@pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning")
def test_an_ensemble_of_trials(iris, path):
    X, y = iris
    search = OptunaSearchCV(
        classifier(), {"l2": (1e-5, 1e-1)}, n_trials=3, cv=2, refit="ensemble", random_state=0
    )
    assert_same(search.fit(X, y), X, path)


def test_stacking_by_the_converters_of_skl2onnx(iris, path):
    X, y = iris
    stack = StackingClassifier(
        [("a", make_pipeline(StandardScaler(), classifier())), ("b", LogisticRegression())], cv=2
    )
    assert_same(stack.fit(X, y), X, path)


def test_users_of_skl2onnx(iris, diabetes):
    import skl2onnx

    register_converters()
    X, y = iris
    labels = np.array(["a", "b", "c"])[y]
    pipeline = make_pipeline(PCA(3), classifier()).fit(X, labels)
    model = skl2onnx.to_onnx(pipeline, X[:1].astype(np.float32), options={"zipmap": False})
    label, probabilities = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"X": X.astype(np.float32)}
    )
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), rtol=0, atol=1e-5)
    assert label.tolist() == pipeline.predict(X).tolist()
    X, y = diabetes
    network = regressor().fit(X, np.column_stack([y, y]))
    model = skl2onnx.to_onnx(network, X[:1])
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": X})
    np.testing.assert_allclose(found, network.predict(X), rtol=1e-5)


def test_users_of_skl2onnx_keep_the_labels_that_int64_would_change(iris):
    import skl2onnx

    register_converters()
    X, y = iris
    network = classifier().fit(X, (y > 0) + np.uint64(2**63))
    with pytest.raises(ExportError, match=r"the classes are \[.* Expected text or whole numbers"):
        skl2onnx.to_onnx(network, X[:1].astype(np.float32), options={"zipmap": False})


def test_users_of_skl2onnx_get_whole_floats_as_numbers_of_equal_value(iris):
    import skl2onnx

    register_converters()
    X, y = iris
    network = classifier().fit(X, y.astype(float))
    model = skl2onnx.to_onnx(network, X[:1].astype(np.float32), options={"zipmap": False})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    label, _ = session.run(None, {"X": X.astype(np.float32)})
    assert label.tolist() == network.predict(X).tolist()


def test_users_of_skl2onnx_are_refused_text_as_input(iris):
    import skl2onnx
    from skl2onnx.common.data_types import StringTensorType

    register_converters()
    X, y = iris
    inputs = [("X", StringTensorType([None, X.shape[1]]))]
    with pytest.raises(ExportError, match=r"hands it text.*Expected a tensor of numbers"):
        skl2onnx.to_onnx(classifier().fit(X, y), initial_types=inputs)


def test_integers_beyond_int64_are_refused_as_labels(iris, path):
    X, y = iris
    network = classifier().fit(X, (y > 0) + np.uint64(2**63))
    with pytest.raises(ExportError, match=r"integers below 2\*\*63"):
        to_onnx(network, X, path)


# ------------------------------------------------------------------------- what the file says


def test_metadata(table, species, path):
    pipeline = make_pipeline(columns(), classifier()).fit(table, species)
    report = to_onnx(pipeline, table, str(path))
    held = {own.key: own.value for own in onnx.load(path).metadata_props}
    metadata = json.loads(held["skdl"])
    assert metadata["task"] == "classification"
    assert metadata["classes"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert metadata["versions"]["skdl"] == skdl.__version__
    assert metadata["versions"]["onnx"] == onnx.__version__
    assert metadata["exported"].startswith("20")
    assert metadata["n_rows_compared"] == len(table)
    assert metadata["largest_difference"] == report.largest_difference < 1e-6
    assert metadata["inputs"][3] == {
        "name": "island", "kind": "string", "dtype": "string", "shape": [1],
        "levels": ["Biscoe", "Dream", "Torgersen"], "refuses_others": True, "fills_gaps": True,
        "refuses_gaps": False,
    }  # fmt: skip
    assert report.inputs == (*NUMBERS, *TEXTS)


# ------------------------------------------------------------------------- refusals


def test_a_difference_beyond_the_tolerance_writes_no_file(iris, path):
    X, y = iris
    network = classifier().fit(X, y)
    with pytest.raises(ExportError, match=r"differs from MLPClassifier by .*tolerance=1e-20"):
        to_onnx(network, X, path, tolerance=1e-20)
    assert not path.exists()


@pytest.mark.parametrize("tolerance", [0, -1.0, float("nan")])
def test_a_tolerance_that_is_none(tolerance, iris, path):
    X, y = iris
    with pytest.raises(ExportError, match=r"tolerance=.*Expected a number > 0"):
        to_onnx(classifier().fit(X, y), X, path, tolerance=tolerance)


def test_an_estimator_that_is_not_fitted(iris, path):
    with pytest.raises(NotFittedError):
        to_onnx(classifier(), iris[0], path)


def bent(x):
    return x * 2


def test_code_of_the_users_is_refused(iris, path):
    X, y = iris
    network = classifier(activation=bent).fit(X, y)
    with pytest.raises(ExportError, match=r"'bent' is one that only Keras.*activation='relu'"):
        to_onnx(network, X, path)


def test_models_of_keras_are_refused(iris, path):
    X, y = iris
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    network = skdl.KerasClassifier(model, epochs=1, loss="sparse_categorical_crossentropy")
    with pytest.raises(ExportError, match=r"in Keras.*install tf2onnx.*model_\.export"):
        to_onnx(network.fit(X, y), X, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (sparse.csr_matrix, r"X is sparse.*X\.toarray\(\)"),
        (lambda X: X.astype(object), r"dtype object.*Expected a DataFrame, or rows of numbers"),
        (lambda X: X[:0], "X has no rows.*compared"),
        (pd.DataFrame, r"columns of X are called \[0, 1.*names that are text"),
        (lambda X: pd.DataFrame(X, columns=list("aacd")), "each of them once"),
        (
            lambda X: pd.DataFrame({"a": [(1, 2)] * len(X)}),
            r"'a' of X holds \(1, 2\).*of type tuple",
        ),
    ],
    ids=["sparse", "objects", "none", "numbered", "twice", "nested"],
)
def test_rows_that_are_no_inputs(change, message, iris, path):
    X, y = iris
    network = classifier().fit(X, y)
    with pytest.raises(ExportError, match=message):
        to_onnx(network, change(X), path)


def test_text_and_empty_text_as_two_levels(path):
    X = pd.DataFrame({"a": ["", None, "b"] * 20, "n": np.arange(60.0)})
    network = of_mixed_columns().fit(X, np.arange(60) % 2)
    with pytest.raises(ExportError, match="'a' has missing values and empty texts as two levels"):
        to_onnx(network, X, path)


def test_a_missing_extra_says_what_to_install(iris, path, monkeypatch):
    X, y = iris
    network = classifier().fit(X, y)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'needs the package .onnx.*pip install "skdl\[export\]"'):
        to_onnx(network, X, path)


def test_columns_chosen_by_dtype(table, species, path):
    chosen = make_column_transformer(
        (SimpleImputer(), make_column_selector(dtype_include=[np.float64, np.int64])),
        (OneHotEncoder(handle_unknown="ignore"), slice("island", "island")),
        remainder="drop",
    )
    pipeline = make_pipeline(chosen, StandardScaler(), classifier()).fit(table, species)
    assert_same(pipeline, table, path)
