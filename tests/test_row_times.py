"""Times of rows come in many forms, and leave the door in few."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdl._row_times import checked_times
from skdl.exceptions import InvalidParameterError

X = np.zeros((3, 2))
DATES = np.array(["2026-01-02", "2025-12-31", "2026-01-01"], "datetime64[D]")
TEXTS = ["2026-01-02", "2025-12-31", "2026-01-01"]
PYTHON_DATES = [dt.date(2026, 1, 2), dt.date(2025, 12, 31), dt.date(2026, 1, 1)]


@pytest.mark.parametrize(
    "time",
    [
        DATES,
        TEXTS,
        PYTHON_DATES,
        pd.to_datetime(TEXTS),
        pd.Series(TEXTS, index=[7, 8, 9]),
        pd.Series(TEXTS, dtype="category"),
        pd.PeriodIndex(TEXTS, freq="D"),
        pd.to_datetime(TEXTS).tz_localize("UTC"),
        pl.Series(PYTHON_DATES),
        pl.Series(TEXTS),
        pl.Series(PYTHON_DATES).cast(pl.Datetime("us", "UTC")),
        DATES[:, None],
    ],
    ids=[
        "numpy", "texts", "dates", "index", "series", "categories", "periods", "zone", "polars",
        "polars texts", "polars zone", "column",
    ],
)  # fmt: skip
def test_dates_of_any_kind_are_dates(time):
    times = checked_times("fit", time, X)
    assert times.dtype.kind == "M"
    np.testing.assert_array_equal(times.astype("datetime64[D]"), DATES)


def test_dates_of_zones_are_ordered_by_the_moment():
    # 23:00 in New York is 04:00 of the next day in UTC.
    times = checked_times("fit", ["2026-01-01T23:00-05:00", "2026-01-02T01:00+00:00"], X[:2])
    assert times[0] - times[1] == np.timedelta64(3, "h")
    zone = pd.to_datetime(["2026-07-01T12:00"] * 3).tz_localize("Europe/Zurich")
    assert set(checked_times("fit", zone, X)) == {np.datetime64("2026-07-01T10:00")}


@pytest.mark.parametrize(
    "time",
    [
        [3, 1, 2],
        np.array([3, 1, 2], np.uint8),
        [3.0, 1.0, 2.0],
        pd.array([3, 1, 2], dtype="Int64"),
        np.array([3, 1, 2], object),
        [decimal.Decimal(3), decimal.Decimal(1), decimal.Decimal(2)],
        pl.Series([3, 1, 2]),
    ],
    ids=["list", "bytes", "floats", "nullable", "objects", "decimals", "polars"],
)
def test_numbers_of_any_kind_are_numbers(time):
    times = checked_times("fit", time, X)
    assert times.dtype in (np.int64, np.float64)
    np.testing.assert_array_equal(times, [3, 1, 2])


def test_durations_keep_their_order():
    times = checked_times("fit", pd.to_timedelta(["3h", "1h", "2h"]), X)
    np.testing.assert_array_equal(np.argsort(times), [1, 2, 0])


@pytest.mark.parametrize(
    ("kind", "time"),
    [
        ("date32", DATES),
        ("timestamp", pd.to_datetime(TEXTS)),
        ("zone", pd.to_datetime(TEXTS).tz_localize("Europe/Zurich")),
        ("duration", pd.to_timedelta(["3h", "1h", "2h"])),
    ],
)
def test_columns_of_arrow_are_those_of_numpy(kind, time):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is optional")
    values = {
        "date32": lambda: arrow.array(PYTHON_DATES, arrow.date32()),
        "timestamp": lambda: arrow.array(time),
        "zone": lambda: arrow.array(time),
        "duration": lambda: arrow.array(time.to_numpy()),
    }[kind]()
    series = pd.Series(pd.arrays.ArrowExtensionArray(values))
    times = checked_times("fit", series, X)
    np.testing.assert_array_equal(times, checked_times("fit", time, X))
    assert times.dtype.kind in {"m", "M"}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_name_is_that_of_a_column(frame):
    table = frame({"day": PYTHON_DATES, "size": [1.0, 2.0, 3.0]})
    np.testing.assert_array_equal(checked_times("fit", "size", table), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(checked_times("fit", "day", table), DATES)


@pytest.mark.parametrize(
    "time",
    [
        [1.0, np.nan, 2.0],
        [None, "2026-01-01", None],
        np.array(["2026", "NaT", "2027"], "datetime64[D]"),
        pd.array([1, None, 2], dtype="Int64"),
        pl.Series([dt.date(2026, 1, 1), None, dt.date(2026, 1, 2)]),
    ],
    ids=["nan", "none", "nat", "nullable", "polars"],
)
def test_missing_times_are_refused_and_counted(time):
    n_missing = int(pd.isna(pd.Series(list(time))).sum())
    match = (
        rf"fit: time is missing .* in {n_missing} of 3 rows, the first of them row \d.*leave out"
    )
    with pytest.raises(ValueError, match=match):
        checked_times("fit", time, X)


@pytest.mark.parametrize(
    ("time", "match"),
    [
        (["spring", "summer", "autumn"], r"holds 'spring'.*pandas\.to_datetime"),
        (["01.02.2026", "02.02.2026", "03.02.2026"], r"pandas\.to_datetime\(\.\.\., format="),
        ([True, False, True], "order cannot be told"),
        ([1j, 2j, 3j], "order cannot be told"),
        ([1, "2026-01-01", 2], "order cannot be told"),
        ([1, 2], r"shape \(2,\), and X has 3 rows"),
        (np.zeros((3, 2)), r"shape \(3, 2\), and X has 3 rows"),
        (5, r"time=5 is not allowed.*one number, date"),
        ({"a": 1}, "is not allowed"),
        ("day", r"time='day' is not allowed: X has no columns of names"),
    ],
    ids=[
        "words", "other dates", "booleans", "complex", "mixed", "short", "wide", "number", "dict",
        "no frame",
    ],
)  # fmt: skip
def test_what_has_no_order_is_refused_with_what_was_expected(time, match):
    with pytest.raises(InvalidParameterError, match=match):
        checked_times("fit", time, X)


def test_a_mistyped_column_is_told_its_neighbour():
    table = pd.DataFrame({"day": [1, 2, 3], "size": [1, 2, 3]})
    with pytest.raises(InvalidParameterError, match="Did you mean 'day'"):
        checked_times("fit", "dya", table)
    with pytest.raises(InvalidParameterError, match=r"Expected one of 'day', 'size'"):
        checked_times("fit", "xxxxxxx", table)
