"""Columns of frames: what they hold in fit, they hold afterwards, or are refused with the cure."""

import datetime as dt
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import cross_val_score

from skdl import MLPClassifier, MLPRegressor
from skdl.estimators.mlp._table_encoder import TableEncoder

PLAIN = {"hidden_units": 6, "hidden_layers": 1, "batch_size": 16, "epochs": 3, "random_state": 0}
FROM_DTYPE = {**PLAIN, "categorical_features": "from_dtype"}
DAYS = pd.date_range("2024-01-01", periods=4, freq="D")
ZONED = DAYS.tz_localize("Europe/Berlin")
OBJECT = {"dtype": object}
CODES = ["01067", "80331", "01067", "20095"]
AS_CODES, AS_DAYS, AS_NUMBERS = [1, 3, 1, 2], [-1.5, -0.5, 0.5, 1.5], [1, 2, 3, 4]

# What a column holds in fit, and the numbers that the network must see.
HELD = {
    "object of text": (pd.Series(CODES, **OBJECT), AS_CODES),
    "text": (pd.Series(CODES, dtype="str"), AS_CODES),
    "string": (pd.Series(CODES, dtype="string"), AS_CODES),
    "category": (pd.Series(CODES, dtype="category"), AS_CODES),
    "category of numbers": (pd.Series([5, 9, 5, 7], dtype="category"), AS_CODES),
    "bool": (pd.Series([True, False, True, False]), [2, 1, 2, 1]),
    "boolean": (pd.Series([True, None, True, False], dtype="boolean"), [2, 3, 2, 1]),
    "object of bool": (pd.Series([True, None, True, False], **OBJECT), [2, 3, 2, 1]),
    "interval": (pd.cut(pd.Series([1.0, 9.0, 1.0, 5.0]), 3), AS_CODES),
    "interval dtype": (pd.Series(pd.arrays.IntervalArray.from_breaks(range(5))), AS_NUMBERS),
    "bytes": (pd.Series([b"a", b"c", b"a", b"b"]), AS_CODES),
    "int8": (pd.Series(AS_NUMBERS, dtype="int8"), AS_NUMBERS),
    "uint64": (pd.Series(AS_NUMBERS, dtype="uint64"), AS_NUMBERS),
    "float16": (pd.Series(AS_NUMBERS, dtype="float16"), AS_NUMBERS),
    "Int64": (pd.Series([1, None, 3, 4], dtype="Int64"), [1, np.nan, 3, 4]),
    "Float32": (pd.Series([1, None, 3, 4], dtype="Float32"), [1, np.nan, 3, 4]),
    "sparse": (pd.Series(pd.arrays.SparseArray([0.0, 0.0, 3.0, 4.0])), [0, 0, 3, 4]),
    "object of numbers": (pd.Series([1, 2.5, None, np.float32(4)], **OBJECT), [1, 2.5, np.nan, 4]),
    "decimals": (pd.Series([Decimal("1.5"), None, Decimal(3), Decimal(4)]), [1.5, np.nan, 3, 4]),
    "datetime64[ns]": (pd.Series(DAYS.as_unit("ns")), AS_DAYS),
    "datetime64[s]": (pd.Series(DAYS.as_unit("s")), AS_DAYS),
    "with a time zone": (pd.Series(ZONED), AS_DAYS),
    "period": (pd.Series(DAYS.to_period("D")), AS_DAYS),
    "object of periods": (pd.Series(DAYS.to_period("D")).astype(object), AS_DAYS),
    "object of dates": (pd.Series([d.date() for d in DAYS], **OBJECT), AS_DAYS),
    "object of datetimes": (pd.Series(DAYS).astype(object), AS_DAYS),
    "dates with gaps": (pd.Series(DAYS).where([True, False, True, True]), [-2, np.nan, 0, 1]),
    "timedelta64[ns]": (pd.Series(pd.to_timedelta([3, 6, 12, 36], "h")), [1 / 8, 1 / 4, 0.5, 1.5]),
    "object of durations": (
        pd.Series([dt.timedelta(days=i) for i in AS_NUMBERS], **OBJECT), AS_NUMBERS,
    ),
    "times of day": (
        pd.Series([dt.time(6), dt.time(12), None, dt.time(0)]), [0.25, 0.5, np.nan, 0],
    ),
}  # fmt: skip


def encoder_of(values):
    return TableEncoder.of(pd.DataFrame({"own": values}), 8)


@pytest.mark.parametrize("kind", HELD)
def test_what_the_network_sees_of_a_column(kind):
    values, expected = HELD[kind]
    codes = encoder_of(values).encoded("MLP", pd.DataFrame({"own": values}))
    np.testing.assert_allclose(codes[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", HELD)
def test_a_column_without_values_may_be_of_any_dtype(kind):
    encoder = encoder_of(HELD[kind][0])
    for dtype in (object, float, "datetime64[ns]", "str"):
        empty = pd.DataFrame({"own": pd.Series([None, None], dtype=dtype)})
        assert encoder.encoded("MLP", empty).shape == (2, 1)


NUMBERS = pd.Series([1067, 80331, 1067, 20095])
TEXT = pd.Series(["1067.0", "80331.0", "old", "2024-01-01"])
CSV_CURE = (
    r"text, such as '01067' in fit, but not in X: numbers, such as 1067\. "
    r"Expected text.*pd\.read_csv\(\.\.\., dtype=\{'own': str\}"
)
DIFFERENT = {
    "postcodes through a CSV": ("text", NUMBERS, CSV_CURE),
    "object of text": ("object of text", NUMBERS * 1.0, r"dtype=\{'own': str\}"),
    "half read as numbers": ("text", pd.Series(["01067", 80331], dtype=object), "numbers.*80331"),
    "category": ("category", NUMBERS, r"dtype=\{'own': str\}"),
    "text for dates": ("datetime64[ns]", TEXT, r"dates in fit.*'1067.0'.*pd\.to_datetime"),
    "numbers for dates": ("with a time zone", NUMBERS, r"dates in fit.*numbers.*pd\.to_datetime"),
    "no time zone": ("with a time zone", pd.Series(DAYS), "with a time zone in fit.*tz_localize"),
    "a time zone": ("datetime64[ns]", pd.Series(ZONED), "without a time zone in fit.*tz_localize"),
    "text for durations": ("timedelta64[ns]", TEXT, r"durations in fit.*pd\.to_timedelta"),
    "text for numbers": ("int8", TEXT, r"numbers in fit.*'1067.0'.*pd\.to_numeric"),
    "dates for numbers": ("int8", pd.Series(DAYS), r"numbers in fit.*dates, such as '2024-01-01"),
    "text for numbers in objects": ("object of numbers", TEXT, r"pd\.to_numeric"),
    "text for levels that are numbers": ("category of numbers", TEXT, "numbers, as in fit"),
    "text for booleans": ("bool", pd.Series(["True", "False"]), "numbers, as in fit"),
    "dates for text": ("text", pd.Series(DAYS), "text, such as '01067' in fit.*dates"),
    "lists for text": ("text", pd.Series([["01067"]]), "text, such as '01067' in fit.*lists"),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_column_that_holds_something_else_is_refused_with_the_cure(case):
    kind, values, message = DIFFERENT[case]
    encoder = encoder_of(HELD[kind][0])
    with pytest.raises(ValueError, match=rf"(?s)^MLP: columns \['own'\] held .*{message}"):
        encoder.encoded("MLP", pd.DataFrame({"own": values}))


@pytest.mark.parametrize(
    ("fitted", "later"),
    [
        ("object of text", "text"), ("text", "category"), ("string", "object of text"),
        ("bool", "boolean"), ("int8", "Float32"), ("Int64", "object of numbers"),
        ("object of numbers", "sparse"), ("datetime64[s]", "datetime64[ns]"),
        ("datetime64[ns]", "object of dates"), ("period", "datetime64[ns]"),
        ("timedelta64[ns]", "object of durations"),
    ],
)  # fmt: skip
def test_other_dtypes_of_the_same_kind_are_the_same(fitted, later):
    encoder = encoder_of(HELD[fitted][0])
    codes = encoder.encoded("MLP", pd.DataFrame({"own": HELD[later][0]}))
    assert codes.shape == (4, 1)
    if fitted in {"object of text", "text", "string"}:
        np.testing.assert_array_equal(codes[:, 0], AS_CODES)
    if fitted in {"datetime64[s]", "datetime64[ns]", "period"}:
        np.testing.assert_array_equal(codes[:, 0], AS_DAYS)


@pytest.mark.parametrize(
    ("name", "kind", "as_arrow"),
    [
        ("datetime64[ns]", "object of dates", lambda arrow: arrow.date32()),
        ("datetime64[ns]", "object of dates", lambda arrow: arrow.date64()),
        ("datetime64[ns]", "object of datetimes", lambda arrow: arrow.timestamp("s")),
        ("with a time zone", "with a time zone", lambda arrow: arrow.timestamp("us", "Asia/Tokyo")),
        ("timedelta64[ns]", "object of durations", lambda arrow: arrow.duration("us")),
        ("times of day", "times of day", lambda arrow: arrow.time64("us")),
        ("decimals", "decimals", lambda arrow: arrow.decimal128(8, 2)),
        ("bool", "bool", lambda arrow: arrow.bool_()),
        ("text", "text", lambda arrow: arrow.string()),
    ],
)
def test_columns_of_arrow_are_those_of_numpy(name, kind, as_arrow):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is optional")
    values, expected = HELD[kind]
    table = pd.DataFrame({"own": values.astype(pd.ArrowDtype(as_arrow(arrow)))})
    codes = encoder_of(table["own"]).encoded("MLP", table)
    np.testing.assert_allclose(codes[:, 0], expected, rtol=1e-6)
    encoder_of(HELD[name][0]).encoded("MLP", table)  # of the same kind


@pytest.mark.parametrize("options", [FROM_DTYPE, PLAIN], ids=["from dtype", "plain"])
def test_cells_of_arrow_that_hold_several_values_are_refused(options):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is optional")
    for cells in ([[1], None], [{"a": 1}, None]):
        own = pd.Series(pd.arrays.ArrowExtensionArray(arrow.array(cells)))
        with pytest.raises(ValueError, match=r"\['own'\] of X hold (lists|a list|a dict)"):
            MLPRegressor(**options).fit(pd.DataFrame({"own": own}), [0.0, 1.0])


@pytest.mark.parametrize("options", [FROM_DTYPE, PLAIN], ids=["from dtype", "plain"])
def test_decimals_of_arrow_with_gaps_are_numbers(options):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is optional")
    own = HELD["decimals"][0].astype(pd.ArrowDtype(arrow.decimal128(8, 2)))
    decimals = pd.DataFrame({"own": own})
    options = {**options, "missing_numbers": "learn"}
    network = MLPRegressor(**options).fit(decimals, np.arange(4.0))
    numbers = decimals.astype("float64")
    twin = MLPRegressor(**options).fit(numbers, np.arange(4.0))
    np.testing.assert_array_equal(network.predict(numbers), twin.predict(decimals))


def test_levels_that_are_numbers_are_found_by_value():
    encoder = encoder_of(HELD["category of numbers"][0])
    codes = encoder.encoded("MLP", pd.DataFrame({"own": [5.0, 7.0, np.nan, 8.0]}))
    np.testing.assert_array_equal(codes[:, 0], [1, 2, 0, 0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2], [3, 4], [5, 6], [7, 8]], r"\['own'\] of X hold lists.*pd\.DataFrame\(column"),
        ([[1, 2], 3, None, 4], r"\['own'\] of X hold lists"),
        ([{"a": 1}] * 4, r"\['own'\] of X hold lists or the like"),
        ([1 + 2j, 0, 0, 0], r"\['own'\] of X hold complex numbers.*imaginary part as two columns"),
        (np.array([1 + 2j, 0, 0, 0], object), r"\['own'\] of X hold complex numbers"),
    ],
)
def test_what_is_no_value_is_refused(values, message):
    X = pd.DataFrame({"own": pd.Series(values), "other": 1.0})
    with pytest.raises(ValueError, match=rf"^MLPRegressor: columns {message}"):
        MLPRegressor(**FROM_DTYPE).fit(X, np.zeros(4))


def hourly(n=600):
    rng = np.random.default_rng(0)
    when = pd.Timestamp("2023-11-14") + pd.to_timedelta(np.sort(rng.uniform(0, 24, n)), "h")
    hours = (when - when[0]) / pd.Timedelta(hours=1)
    return when, np.sin(hours / 4)


@pytest.mark.parametrize("form", ["dates", "zoned", "durations", "objects"])
def test_a_network_learns_from_dates_and_durations(form):
    when, y = hourly()
    column = {
        "dates": when, "zoned": when.tz_localize("Europe/Berlin"), "durations": when - when[0],
        "objects": when.to_pydatetime(),
    }[form]  # fmt: skip
    X = pd.DataFrame({"when": column, "colour": ["red", "red", "blue"] * 200})
    network = MLPRegressor(
        32, categorical_features="from_dtype", input_scaling="smooth_clip", learning_rate=0.01,
        epochs=40, random_state=0,
    )  # fmt: skip
    assert network.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.95


def test_numbers_in_objects_are_those_numbers(diabetes):
    X, y = diabetes
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(
        sex=np.where(X[:, 1] > 0, "f", "m")
    )
    imputer = SimpleImputer(strategy="most_frequent").set_output(transform="pandas")
    objects = imputer.fit_transform(frame)
    assert objects["a"].dtype == object
    expected = MLPRegressor(**FROM_DTYPE).fit(frame, y).predict(frame)
    network = MLPRegressor(**FROM_DTYPE).fit(objects, y)
    np.testing.assert_array_equal(network.predict(objects), expected)
    np.testing.assert_array_equal(network.predict(frame), expected)


@pytest.mark.parametrize("options", [FROM_DTYPE, PLAIN], ids=["from dtype", "plain"])
def test_numbers_in_objects_are_those_of_a_table_that_was_all_numbers(options, diabetes):
    X, y = diabetes
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    frame.loc[5, "a"] = np.nan
    network = MLPRegressor(**options, missing_numbers="learn").fit(frame, y)
    expected = network.predict(frame)
    for missing in (np.nan, None, pd.NA):
        objects = frame.astype(object).where(frame.notna(), missing)
        np.testing.assert_array_equal(network.predict(objects), expected)
    twin = MLPRegressor(**options, missing_numbers="learn").fit(objects, y)
    np.testing.assert_array_equal(twin.predict(frame), expected)
    decimals = frame.assign(b=[Decimal(float(cell)) for cell in frame["b"]])
    np.testing.assert_array_equal(network.predict(decimals), expected)
    from_json = pd.DataFrame([{"a": None, "b": 0.1, "c": 0.2}])
    np.testing.assert_array_equal(
        network.predict(from_json), network.predict(from_json.astype(float))
    )
    for wrong in ("old", dt.date(2024, 1, 1), [1.0]):
        with pytest.raises(ValueError, match=r"^MLPRegressor:.*olumns \['a'\] of X hold"):
            network.predict(pd.DataFrame([{"a": wrong, "b": 0.1, "c": None}]))
    strict = MLPRegressor(**options).fit(frame.fillna(0), y)
    with pytest.raises(ValueError, match=r"contains NaN, in columns \['a'\].*missing_numbers"):
        strict.predict(from_json)


def test_postcodes_keep_their_kind_through_pickles_and_partial_fits():
    X = pd.DataFrame({"code": CODES * 5, "size": np.arange(20.0)})
    network = MLPRegressor(**FROM_DTYPE).partial_fit(X, X["size"])
    wrong = X.assign(code=X["code"].astype(int))
    twin = pickle.loads(pickle.dumps(network))
    for call in (lambda: twin.predict(wrong), lambda: network.partial_fit(wrong, X["size"])):
        with pytest.raises(ValueError, match=r"\['code'\] held text.*dtype=\{'code': str\}"):
            call()
    numeric = MLPRegressor(**FROM_DTYPE).fit(wrong, X["size"])
    with pytest.raises(ValueError, match=r"\['code'\] of X hold no numbers.*pd\.to_numeric"):
        numeric.predict(X)


def test_polars_frames_are_those_of_pandas():
    polars = pytest.importorskip("polars", reason="polars is optional")
    rng = np.random.default_rng(0)
    days = [dt.date(2024, 1, 1 + i % 28) for i in range(60)]
    columns = {
        "town": rng.choice(["Rome", "Oslo", None], 60).tolist(),
        "size": [None if i % 7 == 0 else float(i) for i in range(60)],
        "rooms": list(range(60)),
        "is_new": (rng.random(60) > 0.5).tolist(),
        "day": days,
        "moment": [dt.datetime(2024, 1, 1, i % 24, tzinfo=dt.UTC) for i in range(60)],
        "span": [dt.timedelta(hours=i) for i in range(60)],
        "price": [Decimal(i) / 4 for i in range(60)],
    }
    X = polars.DataFrame(columns).with_columns(
        kind=polars.col("town").cast(polars.Categorical),
        level=polars.col("town").cast(polars.Enum(["Oslo", "Paris", "Rome"])),
    )
    theirs = pd.DataFrame(columns).assign(
        kind=columns["town"], level=pd.Categorical(columns["town"], ["Oslo", "Paris", "Rome"])
    )
    y = rng.normal(size=60)
    network = MLPRegressor(**FROM_DTYPE, missing_numbers="learn").fit(X, y)
    twin = MLPRegressor(**FROM_DTYPE, missing_numbers="learn").fit(theirs, y)
    np.testing.assert_array_equal(network.predict(X), twin.predict(theirs))
    np.testing.assert_array_equal(network.predict(theirs), twin.predict(X))
    assert network.feature_names_in_.tolist() == X.columns
    with pytest.raises(ValueError, match=r"\['town'\] held text"):
        network.predict(X.with_columns(town=polars.col("rooms")))
    lists = X.with_columns(size=polars.concat_list("rooms", "rooms"))
    with pytest.raises(ValueError, match=r"\['size'\] of X hold lists"):
        MLPRegressor(**FROM_DTYPE).fit(lists, y)
    with pytest.raises(ValueError, match=r"'town'.* hold text.*categorical_features"):
        MLPRegressor(**PLAIN).fit(X[["rooms", "town"]], y)


def test_polars_frames_with_text_in_cross_validation():
    polars = pytest.importorskip("polars", reason="polars is optional")
    X = polars.DataFrame({"town": ["Rome", "Oslo"] * 20, "size": np.arange(40.0)})
    y = np.tile([0, 1], 20)
    assert np.isfinite(cross_val_score(MLPClassifier(**FROM_DTYPE), X, y, cv=2)).all()
