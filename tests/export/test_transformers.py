"""Steps in front of a network, one by one, against scikit-learn."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)

import skdl
from skdl.exceptions import ExportError
from skdl.export._graph import Graph
from skdl.export._inputs import add_inputs
from skdl.export._onnx_model import _cells, _rows
from skdl.export._transformers import emit_transformer


def exported(step, X):
    """Return what the graph of a fitted transformer makes of rows."""
    graph = Graph()
    table = emit_transformer(graph, step, add_inputs(graph, X))
    width = sum(block.width for block in table)
    model = graph.model([(graph.joined(table, "float64"), "y", "float64", [width])])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def run(X):
        described = [vars(own) for own in graph.inputs]
        if described[0]["kind"] == "array":
            return session.run(None, {"X": _rows(described[0], X)})[0]
        # Levels are left to the graph here.
        cells = {own["name"]: _cells({**own, "refuses_others": False}, X[own["name"]])
                 for own in described}  # fmt: skip
        return session.run(None, cells)[0]

    return run


def assert_same(step, X, y=None, atol=1e-12):
    step.fit(X, y)
    expected = step.transform(X)
    expected = expected.toarray() if hasattr(expected, "toarray") else np.asarray(expected)
    found = exported(step, X)(X)
    np.testing.assert_allclose(found, expected.astype(float), rtol=0, atol=atol)


STEPS = {
    "standard": StandardScaler(),
    "standard without mean": StandardScaler(with_mean=False),
    "standard without scale": StandardScaler(with_std=False),
    "robust": RobustScaler(),
    "robust without centre": RobustScaler(with_centering=False),
    "max abs": MaxAbsScaler(),
    "min max": MinMaxScaler((-1, 1)),
    "min max clipped": MinMaxScaler(clip=True),
    "smooth clip": skdl.SmoothClipScaler(),
    "function": FunctionTransformer(np.square),
    "no function": FunctionTransformer(),
    "log1p": make_pipeline(FunctionTransformer(np.abs), FunctionTransformer(np.log1p)),
    "select": SelectKBest(f_classif, k=2),
    "union": FeatureUnion(
        [("a", StandardScaler()), ("b", MinMaxScaler()), ("c", "drop"), ("d", "passthrough")],
        transformer_weights={"b": 0.5},
    ),
    "columns": make_column_transformer(
        (StandardScaler(), [3, 0]), ("passthrough", [1]), ("drop", [2])
    ),
    "columns by mask": make_column_transformer(
        (StandardScaler(), [True, False, False, True]), remainder=MinMaxScaler()
    ),
    "columns by slice": make_column_transformer(
        (StandardScaler(), slice(1, 3)), remainder="passthrough"
    ),
}
BY_SKL2ONNX = {
    "pca": PCA(2),
    "normalizer": Normalizer(),
    "polynomials": PolynomialFeatures(2),
    "bins": KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
    "power": PowerTransformer(),
    "quantiles": QuantileTransformer(n_quantiles=20),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_our_own_compute_in_float64(name, iris):
    X, y = iris
    assert_same(STEPS[name], 1e6 + X, y, atol=1e-5 if name in {"function", "log1p"} else 1e-9)
    assert_same(STEPS[name], X, y)


@pytest.mark.parametrize("name", BY_SKL2ONNX)
def test_steps_of_skl2onnx(name, iris):
    X, y = iris
    assert_same(BY_SKL2ONNX[name], X, y, atol=1e-5)


def test_float32_stays_float32(iris):
    X, y = iris
    assert_same(StandardScaler(), X.astype(np.float32), y, atol=1e-6)


GAPS = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 5.0], [4.0, np.nan, 0.0], [7.0, np.nan, 3.0]])


@pytest.mark.parametrize(
    "step",
    [
        SimpleImputer(),
        SimpleImputer(strategy="median", add_indicator=True),
        SimpleImputer(strategy="constant", fill_value=-1),
        SimpleImputer(keep_empty_features=True),
        SimpleImputer(missing_values=3.0),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_imputed_numbers(step):
    X = GAPS if np.isnan(step.missing_values) else np.nan_to_num(GAPS)
    assert_same(step, X)


FRAME = pd.DataFrame(
    {
        "letter": ["a", "b", "c", "a", "b", "a", "a", "d"],
        "size": ["small", None, "large", "small", None, "small", "large", "small"],
        "number": [3, 1, 1, 2, 3, 1, 1, 1],
    }
)


@pytest.mark.parametrize(
    "step",
    [
        OneHotEncoder(),
        OneHotEncoder(handle_unknown="ignore", drop="if_binary"),
        OneHotEncoder(drop="first"),
        OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist"),
        OneHotEncoder(max_categories=2, sparse_output=False),
        OrdinalEncoder(encoded_missing_value=-2),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1,
                       encoded_missing_value=-3),
        OrdinalEncoder(min_frequency=2, encoded_missing_value=-2),
    ],
    ids=str,
)  # fmt: skip
def test_encoders(step):
    assert_same(step, FRAME)


@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
@pytest.mark.parametrize("encoder", [OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder()])
def test_imputed_texts(strategy, encoder):
    assert_same(make_pipeline(SimpleImputer(strategy=strategy), encoder), FRAME[["letter", "size"]])


@pytest.mark.parametrize(
    "step",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist"),
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ),
    ],
    ids=str,
)
def test_unknown_categories_that_an_encoder_lets_pass(step):
    other = FRAME.assign(letter="z", number=9, size="huge")
    run = exported(step.fit(FRAME), FRAME)
    expected = step.transform(other)
    expected = expected.toarray() if hasattr(expected, "toarray") else expected
    np.testing.assert_array_equal(run(other), expected)


@pytest.mark.parametrize(
    "step", [OneHotEncoder(), OrdinalEncoder(encoded_missing_value=-2)], ids=str
)
@pytest.mark.parametrize(("column", "value"), [("letter", "z"), ("number", 9)])
def test_unknown_categories_that_an_encoder_refuses_are_refused_by_the_graph(step, column, value):
    run = exported(step.fit(FRAME), FRAME)
    with pytest.raises(Exception, match="out of data bounds"):
        run(FRAME.assign(**{column: value}))


def test_an_encoder_keeps_its_kind_of_output():
    step = OneHotEncoder(sparse_output=False).set_output(transform="pandas").fit(FRAME)
    exported(step, FRAME)
    assert isinstance(step.transform(FRAME), pd.DataFrame)
    assert list(step.feature_names_in_) == list(FRAME)


def test_frames_inside_a_pipeline():
    columns = make_column_transformer(
        (OrdinalEncoder(), ["letter"]), ("passthrough", ["number"]), verbose_feature_names_out=False
    ).set_output(transform="pandas")
    second = make_column_transformer((StandardScaler(), ["number"]), ("drop", ["letter"]))
    assert_same(make_pipeline(columns, second), FRAME)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (FunctionTransformer(np.cbrt), r"'cbrt' is code.*Expected one of np\.absolute, np\.exp"),
        (SplineTransformer(), r"SplineTransformer: skl2onnx cannot.*supported_converters"),
        (ColumnTransformer([("a", StandardScaler(), [0])], transformer_weights={"a": 2}),
         r"the weight 2.*scale the columns"),
        (FunctionTransformer(np.square, kw_args={"where": True}), "kw_args"),
    ],
    ids=["function", "spline", "weights", "arguments"],
)  # fmt: skip
def test_steps_that_are_refused(step, message, iris):
    X, y = iris
    with pytest.raises(ExportError, match=message):
        exported(step.fit(X, y), X)


@pytest.mark.parametrize(
    ("step", "frame", "message"),
    [
        (SimpleImputer(strategy="most_frequent"), FRAME, "text and numbers.*ColumnTransformer"),
        (SimpleImputer(strategy="most_frequent", add_indicator=True), FRAME[["size"]], "for text"),
        (OneHotEncoder(), pd.DataFrame({"a": [b"x", b"y"]}), "'a' of X holds b'x' of type bytes"),
    ],
    ids=["mixture", "indicator", "bytes"],
)
def test_columns_that_are_refused(step, frame, message):
    with pytest.raises(ExportError, match=message):
        exported(step.fit(frame), frame)


def test_a_step_of_many_columns_takes_text_or_numbers():
    step = KNNImputer().fit(FRAME[["number"]])
    with pytest.raises(ExportError, match="hold text and numbers"):
        exported(step, FRAME)
