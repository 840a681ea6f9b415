"""Tables that look ordered or grouped are not split at random without a word."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import datasets
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdl.exceptions import RandomSplitWarning
from skdl.model_selection import (
    IteratedKFold,
    KFoldEnsembleRegressor,
    OptunaSearchCV,
    cross_validate,
)

N_ROWS = 120
RNG = np.random.default_rng(0)
Y = RNG.normal(size=N_ROWS)
DATES = pd.date_range("2026-01-01", periods=N_ROWS)
SIZE = RNG.normal(size=N_ROWS)
# 30 of four rows each.
IDS = RNG.permutation(np.repeat(np.arange(30), 4))


def _size(table):
    return np.asarray(table["size"])[:, None]


SIZE_ALONE = make_pipeline(FunctionTransformer(_size), Ridge())


def table(**columns):
    return pd.DataFrame({"size": SIZE, **columns})


SPLITTING = {
    "cross_validate": lambda X: cross_validate(SIZE_ALONE, X, Y, cv=3),
    "OptunaSearchCV": lambda X: OptunaSearchCV(SIZE_ALONE, {}, cv=3).fit(X, Y),
    "KFoldEnsembleRegressor": lambda X: KFoldEnsembleRegressor(SIZE_ALONE, cv=3).fit(X, Y),
}


@pytest.mark.parametrize("owner", SPLITTING)
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_dates_are_told_with_what_to_write(owner, is_shuffled):
    dates = RNG.permutation(DATES) if is_shuffled else DATES
    told = rf"{owner}: column 'day' holds dates, and [23] of 3 splits train .*pass time='day'"
    with pytest.warns(RandomSplitWarning, match=told) as caught:
        SPLITTING[owner](table(day=dates))
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("owner", SPLITTING)
def test_ids_are_told_with_what_to_write(owner):
    told = rf"{owner}: column 'storm_id' has 30 values in 120 rows.*groups=X\['storm_id'\]"
    with pytest.warns(RandomSplitWarning, match=told) as caught:
        SPLITTING[owner](table(storm_id=IDS))
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([day.date() for day in DATES]),
        pl.Series(list(DATES.tz_localize("UTC").to_pydatetime())),
    ],
    ids=["date", "datetime"],
)
def test_dates_of_polars_are_seen(column):
    X = pl.DataFrame({"size": SIZE, "day": column})
    with pytest.warns(RandomSplitWarning, match="'day' holds dates"):
        cross_validate(SIZE_ALONE, X, Y, cv=3)


@pytest.mark.parametrize(
    "columns",
    [
        {"patientId": IDS},
        {"subject#": IDS},
        {"Patient": [f"p{i}" for i in IDS]},
        {"user_id": pd.Categorical(IDS)},
        # Few persons, of many rows each.
        {"participant": IDS % 10},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_persons_are_groups_in_any_spelling(columns):
    with pytest.warns(RandomSplitWarning, match=r"pass groups=X\["):
        cross_validate(SIZE_ALONE, table(**columns), Y, cv=3)


SILENT = {
    "births": table(date_of_birth=DATES),
    "dates that are missing": table(left=DATES.where(DATES.day > 1)),
    "few dates": table(census=DATES.to_period("Y").to_timestamp()),
    "ids that do not repeat": table(id=np.arange(N_ROWS)),
    "few values": table(ward_id=IDS % 3),
    "no id": table(humid=IDS, covid=IDS, paid=IDS, code=IDS),
    "numbers": table(id=IDS + 0.5),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_is_neither_passes_in_silence(name):
    cross_validate(SIZE_ALONE, SILENT[name], Y, cv=3)


@pytest.mark.parametrize(
    "load", ["load_breast_cancer", "load_diabetes", "load_digits", "load_iris", "load_linnerud",
             "load_wine"],
)  # fmt: skip
def test_tables_of_scikit_learn_pass_in_silence(load):
    X, y = getattr(datasets, load)(as_frame=True, return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RandomSplitWarning)
        cross_validate(Ridge(), X, y, cv=3)


@pytest.mark.parametrize(
    "cv",
    [GroupKFold(3), PredefinedSplit(IDS % 3), TimeSeriesSplit(3), list(KFold(3).split(Y))],
    ids=["groups", "predefined", "time", "list"],
)
def test_splits_that_were_chosen_for_the_table_are_not_commented(cv):
    groups = IDS if isinstance(cv, GroupKFold) else None
    cross_validate(SIZE_ALONE, table(day=DATES, storm_id=IDS), Y, cv=cv, groups=groups)


@pytest.mark.parametrize("cv", [KFold(3, shuffle=True, random_state=0), IteratedKFold(3, 2)])
def test_splitters_that_shuffle_are(cv):
    with pytest.warns(RandomSplitWarning, match="'day' holds dates"):
        cross_validate(SIZE_ALONE, table(day=DATES), Y, cv=cv)


def test_who_has_told_hears_nothing():
    X = table(day=DATES, storm_id=IDS)
    cross_validate(SIZE_ALONE, X, Y, cv=3, time="day")
    cross_validate(SIZE_ALONE, X, Y, cv=3, groups=IDS)


def test_it_is_said_once_and_not_in_every_fold():
    inside = KFoldEnsembleRegressor(SIZE_ALONE, cv=3)
    with pytest.warns(RandomSplitWarning) as caught:
        cross_validate(inside, table(day=DATES), Y, cv=3)
    assert [str(warning.message)[:14] for warning in caught] == ["cross_validate"]


def test_ids_that_no_split_tears_apart_are_not_told():
    X = table(storm_id=np.sort(IDS))
    assert all(
        not set(X.storm_id[train]) & set(X.storm_id[test]) for train, test in KFold(3).split(X)
    )
    cross_validate(SIZE_ALONE, X, Y, cv=3)
