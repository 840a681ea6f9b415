"""Times are given once, and no split inside trains on a later row to judge an earlier one."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import KerasRegressor, MLPClassifier, MLPRegressor
from skdl.estimators.base import FitMetadata, RowMetadata
from skdl.estimators.base._training_data import TrainingData
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import (
    KFoldEnsembleClassifier,
    KFoldEnsembleRegressor,
    OptunaSearchCV,
    TimeOrderedSplit,
    cross_validate,
)
from skdl.model_selection.search import _workers

pytestmark = pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning")

# Two rows of each of 48 days, in no order.
DAYS = np.random.default_rng(0).permutation(np.repeat(np.arange(48), 2))
DATES = np.datetime64("2026-01-01") + DAYS
STOPPING = MLPRegressor(
    4, epochs=2, early_stopping=True, patience=1, validation_fraction=0.25, random_state=0
)
GAP = np.timedelta64(2, "D")
SPACE = {"network__learning_rate": [0.01, 0.02]}


@pytest.fixture
def rows():
    rng = np.random.default_rng(1)
    return rng.normal(size=(len(DAYS), 3)), rng.normal(size=len(DAYS))


@pytest.fixture
def inner_splits(monkeypatch):
    """The times on both sides of each split that a network draws; None where it knows none."""
    found = []
    inner_split = TrainingData.inner_split

    def watched(data, network, rng):
        split = inner_split(data, network, rng)
        time = data.metadata.time
        known = None if time is None else (time[split.train_index], time[split.held_out_index])
        found.append(known)
        return split

    monkeypatch.setattr(TrainingData, "inner_split", watched)
    return found


def pipeline(network=STOPPING):
    return Pipeline([("scaler", StandardScaler()), ("network", network)])


def search(cv=3, **options):
    return OptunaSearchCV(
        pipeline(), SPACE, n_trials=2, cv=cv, pruner=None, random_state=0, **options
    )


def assert_in_order(splits):
    for train, held_out in splits:
        assert len(train)
        assert len(held_out)
        assert train.max() < held_out.min()


# ------------------------------------------------------------------ the splitter


def test_blocks_follow_one_another_and_hold_all_rows_but_the_earliest():
    splits = list(TimeOrderedSplit(5).split(np.zeros(len(DAYS)), time=DATES))
    assert len(splits) == TimeOrderedSplit(5).get_n_splits() == 5
    # 48 days make 6 blocks of 8 days, of 2 rows each.
    for number, (train, test) in enumerate(splits, start=1):
        assert sorted(set(DAYS[train])) == list(range(8 * number))
        assert sorted(set(DAYS[test])) == list(range(8 * number, 8 * number + 8))
        assert len(train) == 16 * number
        assert len(test) == 16


def test_in_ordered_rows_of_distinct_times_the_splits_are_those_of_scikit_learn():
    X = np.zeros((60, 1))
    ours = TimeOrderedSplit(5).split(X, time=np.arange(60))
    for split, expected in zip(ours, TimeSeriesSplit(5).split(X), strict=True):
        np.testing.assert_array_equal(split[0], expected[0])
        np.testing.assert_array_equal(split[1], expected[1])


def test_equal_times_are_not_torn_apart():
    time = [0] * 10 + [1] * 2 + [2] * 2 + [3] * 10
    splits = list(TimeOrderedSplit(3).split(time, time=time))
    assert [(len(train), len(test)) for train, test in splits] == [(10, 2), (12, 2), (14, 10)]


@pytest.mark.parametrize(
    ("time", "gap"),
    [
        (DAYS, 2),
        (DAYS.astype(float), 2.0),
        (DATES, pd.Timedelta(days=2)),
        (DATES, np.timedelta64(48, "h")),
        (pd.Series(DATES).astype(str), pd.Timedelta(days=2)),
    ],
    ids=["int", "float", "pandas", "numpy", "texts"],
)
def test_rows_in_the_gap_are_left_out(time, gap):
    splits = TimeOrderedSplit(5, gap=gap).split(np.zeros(len(DAYS)), time=time)
    for number, (train, test) in enumerate(splits, start=1):
        # Day 6 is two days before day 8, and stays; day 7 is not.
        assert sorted(set(DAYS[train])) == list(range(8 * number - 1))
        assert DAYS[test].min() == 8 * number


@pytest.mark.parametrize(
    ("arguments", "time", "match"),
    [
        ({"n_splits": 3}, [0, 0, 1, 1, 2, 2], r"3 distinct times, too few for 4 .* fewer splits"),
        ({"n_splits": 2, "gap": 9}, [0, 1, 2, 3, 4, 5], r"gap=9 .* split 0.* smaller gap"),
        ({"n_splits": 2, "gap": pd.Timedelta(1)}, range(6), r"times that are numbers.* gap=7"),
        ({"n_splits": 2, "gap": 7}, DATES[:6], r"times that are dates.*timedelta\(days=7\)"),
        ({"n_splits": 2}, None, r"time was not given.*split\(X, time=\.\.\.\).*TimeSeriesSplit"),
    ],
    ids=["few times", "wide gap", "gap of time", "gap of number", "no time"],
)
def test_what_cannot_be_split_is_refused_with_the_cure(arguments, time, match):
    with pytest.raises(ValueError, match=match):
        list(TimeOrderedSplit(**arguments).split(np.zeros(6), time=time))


def test_groups_are_refused_by_the_splitter():
    with pytest.raises(InvalidParameterError, match="groups were given"):
        next(TimeOrderedSplit(2).split(np.zeros(6), groups=range(6), time=range(6)))


@pytest.mark.parametrize("gap", [-1, True, np.timedelta64("NaT"), pd.Timedelta(-1), "7D"])
def test_bad_gaps_are_refused_at_once(gap):
    with pytest.raises(InvalidParameterError, match=r"gap=.* a timedelta such as"):
        TimeOrderedSplit(gap=gap)


def test_scikit_learn_routes_times_to_the_splitter(rows):
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(Ridge(), *rows, cv=TimeOrderedSplit(3), params={"time": DATES})
    splits = TimeOrderedSplit(3).split(rows[0], time=DATES)
    X, y = rows
    expected = [Ridge().fit(X[a], y[a]).score(X[b], y[b]) for a, b in splits]
    np.testing.assert_allclose(scores, expected)


# ------------------------------------------------------------------ the network


def test_the_latest_rows_are_held_out(rows, inner_splits):
    STOPPING.fit(*rows, time=DATES)
    ((train, held_out),) = inner_splits
    # A quarter of 48 days.
    assert train.max() == np.datetime64("2026-02-05")
    assert held_out.min() == np.datetime64("2026-02-06")
    assert (len(train), len(held_out)) == (72, 24)


def test_times_may_be_a_column_which_stays_a_feature(rows, inner_splits):
    X = pd.DataFrame(rows[0], columns=["a", "b", "c"]).assign(day=DAYS.astype(float))
    fitted = STOPPING.fit(X, rows[1], time="day")
    assert_in_order(inner_splits)
    assert fitted.n_features_in_ == 4


def test_rows_of_weight_zero_take_their_times_along(rows, inner_splits):
    STOPPING.fit(*rows, sample_weight=np.where(DAYS % 2, 1.0, 0.0), time=DAYS)
    ((train, held_out),) = inner_splits
    assert set(train) | set(held_out) == set(range(1, 48, 2))
    assert_in_order(inner_splits)


def test_keras_models_of_the_user_take_times(rows, inner_splits):
    import keras

    def model(meta):
        return keras.Sequential([keras.Input((meta["n_features_in_"],)), keras.layers.Dense(1)])

    network = KerasRegressor(model, loss="mse", epochs=2, early_stopping=True, random_state=0)
    network.fit(*rows, time=DATES)
    assert_in_order(inner_splits)


def test_one_moment_cannot_be_split(rows):
    with pytest.raises(ValueError, match=r"inner validation split: time holds 1 distinct times"):
        STOPPING.fit(*rows, time=np.zeros(len(DAYS)))


def test_groups_and_time_together_are_refused_with_the_cure(rows):
    cure = r"groups and time were both given.*transform\('max'\)"
    with pytest.raises(InvalidParameterError, match=rf"MLPRegressor: {cure}"):
        STOPPING.fit(*rows, groups=DAYS, time=DATES)
    with pytest.raises(InvalidParameterError, match=rf"cross_validate: {cure}"):
        cross_validate(pipeline(), *rows, groups=DAYS, time=DATES)


# ------------------------------------------------------------------ who splits around it

AROUND = {
    "network": STOPPING,
    "pipeline": pipeline(),
    "target": TransformedTargetRegressor(pipeline(), transformer=StandardScaler()),
    "target inside": make_pipeline(
        StandardScaler(), TransformedTargetRegressor(STOPPING, transformer=StandardScaler())
    ),
}


@pytest.mark.parametrize("name", AROUND)
def test_networks_of_a_cross_validation_keep_to_time(name, rows, inner_splits):
    result = cross_validate(AROUND[name], *rows, cv=3, time=DATES, return_indices=True)
    train, test = result["indices"]["train"], result["indices"]["test"]
    expected = TimeOrderedSplit(3).split(rows[0], time=DATES)
    for number, (expected_train, expected_test) in enumerate(expected):
        np.testing.assert_array_equal(train[number], expected_train)
        np.testing.assert_array_equal(test[number], expected_test)
    assert len(inner_splits) == 3
    assert_in_order(inner_splits)
    latest = sorted(DATES[rows].max() for rows in train)
    assert sorted(held_out.max() for _, held_out in inner_splits) == latest


def test_nothing_is_split_by_time_unless_told(rows, inner_splits):
    cross_validate(pipeline(), *rows, cv=3)
    assert inner_splits == [None] * 3


def test_a_gap_of_the_splitter_reaches_the_networks(rows, inner_splits):
    gap = pd.Timedelta(days=2)
    cross_validate(pipeline(), *rows, cv=TimeOrderedSplit(3, gap), time=DATES)
    assert len(inner_splits) == 3
    for train, held_out in inner_splits:
        assert held_out.min() - train.max() == np.timedelta64(2, "D")


def test_a_gap_that_leaves_a_network_nothing_is_refused(rows):
    network = MLPRegressor(4, epochs=1, early_stopping=True, validation_fraction=0.9)
    with pytest.raises(ValueError, match=r"MLPRegressor: gap=.* leaves no row .* smaller gap"):
        cross_validate(network, *rows, cv=TimeOrderedSplit(2, 6), time=DAYS, error_score="raise")


def test_times_given_to_the_network_itself_come_first(rows, inner_splits):
    own = DAYS + 100
    cross_validate(pipeline(), *rows, cv=3, time=DATES, params={"network__time": own})
    assert_in_order(inner_splits)
    assert all(train.min() == 100 for train, _ in inner_splits)


def test_networks_of_a_search_keep_to_time_and_so_does_its_refit(rows, inner_splits):
    X = pd.DataFrame(rows[0], columns=list("abc")).assign(day=DAYS.astype(float))
    fitted = search().fit(X, rows[1], time="day")
    assert fitted.n_splits_ == 3
    assert len(inner_splits) == 2 * 3 + 1
    assert_in_order(inner_splits)
    train, held_out = inner_splits[-1]
    assert set(train) | set(held_out) == set(range(48))


@pytest.mark.parametrize("cv", [3, TimeOrderedSplit(3)], ids=["number", "splitter"])
def test_folds_of_a_search_inside_keep_to_time(cv, rows, monkeypatch, inner_splits):
    seen = []
    fit = MLPRegressor.fit

    def watched(network, X, y, **params):
        seen.append(FitMetadata.of_rows(network, X).time)
        return fit(network, X, y, **params)

    monkeypatch.setattr(MLPRegressor, "fit", watched)
    cross_validate(search(cv), *rows, cv=3, time=DATES)
    assert len(seen) == 3 * (2 * 3 + 1)
    assert_in_order(inner_splits)
    # Days are whole, and those before the first of a search's folds are in every one.
    for time in seen:
        days, counts = np.unique(time, return_counts=True)
        assert set(counts) == {2}
        assert len(days) == (days[-1] - days[0]) / np.timedelta64(1, "D") + 1


def test_a_search_inside_that_shuffles_is_refused(rows):
    inside = search(KFold(3, shuffle=True, random_state=0))
    cure = r"OptunaSearchCV: cv=KFold.* does not keep to time: split 0 .*TimeOrderedSplit\(5\)"
    with pytest.raises(InvalidParameterError, match=cure):
        cross_validate(inside, *rows, cv=3, time=DATES, error_score="raise")


def test_folds_of_an_ensemble_inside_keep_to_time(rows):
    ensemble = KFoldEnsembleRegressor(MLPRegressor(4, epochs=1), cv=3, random_state=0)
    model = make_pipeline(StandardScaler(), ensemble)
    result = cross_validate(model, *rows, cv=3, time=DATES, return_estimator=True, baseline=False)
    # The first of 4 blocks, of 12 days, is what the first ensemble learns from; 3 of these days
    # are the earliest block of its own.
    is_known = np.isfinite(result["estimator"][0][-1].oof_predictions_)
    assert len(is_known) == 24
    assert (~is_known).sum() == 6


# ------------------------------------------------------------------ splits of the user's own


def test_splits_of_the_user_that_keep_to_time_are_taken(rows):
    order = np.argsort(DAYS, kind="stable")
    X, y = rows[0][order], rows[1][order]
    splits = list(TimeSeriesSplit(3).split(X))
    by_splitter = cross_validate(Ridge(), X, y, cv=TimeSeriesSplit(3), time=DATES[order])
    by_list = cross_validate(Ridge(), X, y, cv=splits, time=DATES[order])
    expected = [Ridge().fit(X[a], y[a]).score(X[b], y[b]) for a, b in splits]
    np.testing.assert_allclose(by_splitter["test_score"], expected)
    np.testing.assert_allclose(by_list["test_score"], expected)


def test_a_fold_that_trains_on_later_rows_is_named(rows):
    splits = [([0, 1], [2]), ([0, 3], [2])]
    time = np.r_[[5, 6, 7, 8], np.zeros(len(DAYS) - 4)]
    match = (
        r"cross_validate: cv=.* split 1 trains on row 3 of 8\.0, and tests on row 2 of 7\.0, which "
        r"is earlier.*TimeOrderedSplit\(5\)"
    )
    with pytest.raises(InvalidParameterError, match=match):
        cross_validate(Ridge(), *rows, cv=splits, time=time)


def test_rows_out_of_order_under_time_series_split_are_refused_with_the_cure(rows):
    with pytest.raises(InvalidParameterError, match=r"TimeSeriesSplit, sort the rows by time"):
        cross_validate(Ridge(), *rows, cv=TimeSeriesSplit(3), time=DATES)


def test_iterations_make_no_sense_in_time(rows):
    for fit in (
        lambda: cross_validate(Ridge(), *rows, n_iterations=2, time=DATES),
        lambda: search(n_iterations=2).fit(*rows, time=DATES),
        lambda: KFoldEnsembleRegressor(Ridge(), n_iterations=2).fit(*rows, time=DATES),
    ):
        with pytest.raises(InvalidParameterError, match=r"n_iterations=2 .* beside time"):
            fit()


def test_the_splitter_alone_says_where_times_go(rows):
    with pytest.raises(ValueError, match=r"time was not given.*cross_validate\(\.\.\., cv="):
        cross_validate(Ridge(), *rows, cv=TimeOrderedSplit(3))


# ------------------------------------------------------------------ ensembles over folds


def test_members_of_an_ensemble_learn_from_the_past(rows):
    X, y = rows
    ensemble = KFoldEnsembleRegressor(Ridge(), cv=3, refit=None, random_state=0)
    ensemble.fit(X, y, time=DATES)
    splits = list(TimeOrderedSplit(3).split(X, time=DATES))
    members = [Ridge().fit(X[train], y[train]) for train, _ in splits]
    expected = np.mean([member.predict(X) for member in members], axis=0)
    np.testing.assert_allclose(ensemble.predict(X), expected)
    out_of_fold = np.full(len(y), np.nan)
    for member, (_, test) in zip(members, splits, strict=True):
        out_of_fold[test] = member.predict(X[test])
    np.testing.assert_allclose(ensemble.oof_predictions_, out_of_fold)
    # The first of 4 blocks, of 12 days.
    assert set(DAYS[np.isnan(out_of_fold)]) == set(range(12))
    known = np.isfinite(out_of_fold)
    share = ((y - out_of_fold)[known] ** 2).sum() / ((y[known] - y[known].mean()) ** 2).sum()
    assert ensemble.oof_score_ == pytest.approx(1 - share)


@pytest.mark.parametrize(("refit", "n_members"), [(1, 1), ("time", 3)])
def test_members_refitted_on_all_rows_are_those_that_predict(refit, n_members, rows):
    X, y = rows
    ensemble = KFoldEnsembleRegressor(Ridge(), cv=3, refit=refit, random_state=0)
    ensemble.fit(X, y, time=DATES)
    assert len(ensemble.estimators_) == n_members
    np.testing.assert_allclose(ensemble.predict(X), Ridge().fit(X, y).predict(X))


def test_only_time_refits_by_default(rows):
    X, y = rows
    params = {"epochs": 8, "early_stopping": True, "patience": 8, "learning_rate": 0.05}
    ensemble = KFoldEnsembleRegressor(MLPRegressor(4, **params), cv=3, random_state=0)
    assert ensemble.refit == "time"
    ensemble.fit(X, y, time=DATES)
    assert len(ensemble.estimators_) == len(ensemble.fold_estimators_) == 3
    for member in ensemble.estimators_:
        assert "val_loss" not in member.history_
        assert member.n_iter_ == ensemble.best_epoch_
    for refit in ("time", None):
        ensemble.set_params(refit=refit).fit(X, y)
        assert ensemble.estimators_ is ensemble.fold_estimators_


def test_an_ensemble_in_time_gives_no_intervals_and_no_sets(rows):
    X, y = rows
    regressor = KFoldEnsembleRegressor(Ridge(), cv=3).fit(X, y, time=DATES)
    with pytest.raises(
        ValueError, match=r"CV\+ asks for rows .*Expected folds that hold out each row, and no time"
    ):
        regressor.predict_interval(X)
    classifier = KFoldEnsembleClassifier(LogisticRegression(), cv=3)
    classifier.fit(X, y > 0, time=DATES)
    with pytest.raises(ValueError, match="Expected folds that hold out each row, and no time"):
        classifier.predict_set(X)


def test_networks_inside_an_ensemble_split_by_time(rows, inner_splits):
    KFoldEnsembleRegressor(search(), cv=3, random_state=0).fit(*rows, time=DATES)
    # Three on the past, three on all rows.
    assert len(inner_splits) == (3 + 3) * (2 * 3 + 1)
    assert_in_order(inner_splits)


def test_classifiers_are_split_by_time_too(rows, inner_splits):
    network = MLPClassifier(4, epochs=2, early_stopping=True, random_state=0)
    ensemble = KFoldEnsembleClassifier(pipeline(network), cv=3, random_state=0)
    X, y = rows
    ensemble.fit(X, y > 0, time=DATES)
    assert np.isnan(ensemble.oof_predictions_).any(axis=1).sum() == 24
    cross_validate(pipeline(network), X, y > 0, cv=3, time=DATES)
    assert_in_order(inner_splits)


def test_a_search_that_makes_an_ensemble_keeps_to_time(rows, inner_splits):
    fitted = search(refit="ensemble").fit(*rows, time=DATES)
    assert_in_order(inner_splits)
    assert np.isfinite(fitted.predict(rows[0])).all()


# ------------------------------------------------------------------ where nothing is told


def test_rows_drawn_anew_have_unknown_times(rows, inner_splits):
    bagging = BaggingRegressor(STOPPING, n_estimators=2, random_state=0)
    cross_validate(bagging, *rows, cv=3, time=DATES)
    assert inner_splits == [None] * 6


def test_a_search_of_scikit_learn_gets_times_by_its_own_splitter(rows):
    X, y = rows
    splits = list(TimeOrderedSplit(3).split(X, time=DATES))
    grid = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=splits).fit(X, y)
    expected = np.mean([Ridge().fit(X[a], y[a]).score(X[b], y[b]) for a, b in splits])
    assert grid.best_score_ == pytest.approx(expected)


@pytest.mark.parametrize("inside", ["search", "ensemble"])
def test_routed_times_reach_the_folds(inside, rows):
    X, y = rows
    model = (
        search()
        if inside == "search"
        else KFoldEnsembleRegressor(MLPRegressor(4, epochs=1), cv=3, random_state=0)
    )
    with sklearn.config_context(enable_metadata_routing=True):
        model.fit(X, y, time=DATES)
        routed = model.get_metadata_routing().consumes("fit", ["time"])
    assert routed == {"time"}
    if inside == "ensemble":
        assert np.isnan(model.oof_predictions_).sum() == 24


class ReachedError(Exception):
    pass


@pytest.mark.parametrize("is_inside", [False, True])
def test_workers_of_a_search_are_told_what_is_known_of_the_rows(
    is_inside, rows, monkeypatch, tmp_path
):
    told = []

    def on_workers(search, X, y, params, metadata, trials_together):
        assert not params
        told.append(metadata)
        raise ReachedError

    monkeypatch.setattr("skdl.model_selection.search._search.search_on_workers", on_workers)
    inside = search(engine="loky", storage=str(tmp_path / "study.log"), study_name="days")
    known = RowMetadata(time=DATES, gap=GAP) if is_inside else RowMetadata()
    with FitMetadata(inside, known), pytest.raises(ReachedError):
        inside.fit(*rows, **({} if is_inside else {"time": DATES}))
    (metadata,) = told
    np.testing.assert_array_equal(metadata.time, DATES)
    assert metadata.gap == (GAP if is_inside else None)


def test_a_worker_of_a_search_keeps_the_gap_of_a_split_outside(rows, inner_splits):
    known = RowMetadata(time=DATES, gap=GAP)
    _workers._take_part(search(refit=False), *rows, {}, known)
    assert len(inner_splits) == 6
    for train, held_out in inner_splits:
        assert held_out.min() - train.max() >= GAP
