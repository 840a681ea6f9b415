"""Groups are given once, and every split inside keeps to them."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import MLPRegressor
from skdl.estimators.base import FitMetadata, RowMetadata
from skdl.estimators.base._training_data import TrainingData
from skdl.model_selection import (
    KFoldEnsembleRegressor,
    OptunaSearchCV,
    _metadata,
    cross_validate,
)

pytestmark = pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning")

GROUPS = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 8))
STOPPING = MLPRegressor(
    4, epochs=2, early_stopping=True, patience=1, validation_fraction=0.3, random_state=0
)
SPACE = {"network__learning_rate": [0.01, 0.02]}


@pytest.fixture
def rows():
    """Rows that tell where they come from: the first feature is their number."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(len(GROUPS), 3))
    X[:, 0] = np.arange(len(GROUPS))
    return X, rng.normal(size=len(GROUPS))


@pytest.fixture
def inner_splits(monkeypatch):
    """The groups on both sides of each split that a network draws; None where it knows none."""
    found = []
    inner_split = TrainingData.inner_split

    def watched(data, network, rng):
        split = inner_split(data, network, rng)
        groups = data.metadata.groups
        if groups is None:
            found.append(None)
        else:
            found.append((set(groups[split.train_index]), set(groups[split.held_out_index])))
        return split

    monkeypatch.setattr(TrainingData, "inner_split", watched)
    return found


def pipeline(network=STOPPING):
    return Pipeline([("scaler", StandardScaler()), ("network", network)])


def search(cv=3, **options):
    return OptunaSearchCV(
        pipeline(), SPACE, n_trials=2, cv=cv, pruner=None, random_state=0, **options
    )


AROUND = {
    "network": STOPPING,
    "pipeline": pipeline(),
    "target": TransformedTargetRegressor(pipeline(), transformer=StandardScaler()),
    "target inside": make_pipeline(
        StandardScaler(), TransformedTargetRegressor(STOPPING, transformer=StandardScaler())
    ),
}


@pytest.mark.parametrize("name", AROUND)
def test_networks_of_a_cross_validation_keep_to_groups(name, rows, inner_splits):
    result = cross_validate(AROUND[name], *rows, cv=3, groups=GROUPS, return_indices=True)
    assert len(inner_splits) == 3
    outer = [set(GROUPS[train]) for train in result["indices"]["train"]]
    for train, held_out in inner_splits:
        assert train
        assert held_out
        assert not train & held_out
        assert train | held_out in outer


def test_nothing_is_split_by_groups_unless_told(rows, inner_splits):
    cross_validate(pipeline(), *rows, cv=3)
    assert inner_splits == [None] * 3


def test_groups_given_to_the_network_itself_come_first(rows, inner_splits):
    own = np.arange(len(GROUPS)) // 4
    cross_validate(pipeline(), *rows, cv=3, groups=GROUPS, params={"network__groups": own})
    assert all(train | held_out <= set(own) for train, held_out in inner_splits)
    assert any(max(train | held_out) > GROUPS.max() for train, held_out in inner_splits)


def test_networks_of_a_search_keep_to_groups_and_so_does_its_refit(rows, inner_splits):
    fitted = search().fit(*rows, groups=GROUPS)
    assert len(inner_splits) == 2 * 3 + 1
    assert all(not train & held_out for train, held_out in inner_splits)
    train, held_out = inner_splits[-1]
    assert train | held_out == set(GROUPS)
    assert fitted.n_splits_ == 3


@pytest.mark.parametrize("cv", [3, GroupKFold(3)], ids=["number", "splitter"])
def test_folds_of_a_search_inside_keep_to_groups(cv, rows, monkeypatch, inner_splits):
    seen = []
    fit = MLPRegressor.fit

    def watched(network, X, y, **params):
        seen.append(FitMetadata.of_rows(network, X).groups)
        return fit(network, X, y, **params)

    monkeypatch.setattr(MLPRegressor, "fit", watched)
    cross_validate(search(cv), *rows, cv=3, groups=GROUPS)
    assert len(seen) == 3 * (2 * 3 + 1)
    # Groups are whole in what each network gets.
    sizes = [np.unique(groups, return_counts=True)[1] for groups in seen]
    assert all((size == 8).all() for size in sizes)
    assert all(not train & held_out for train, held_out in inner_splits)


def test_a_splitter_without_groups_is_left_as_it_is(rows, inner_splits):
    cross_validate(search(KFold(3)), *rows, cv=GroupKFold(3), groups=GROUPS)
    assert all(not train & held_out for train, held_out in inner_splits)


def test_folds_of_an_ensemble_inside_keep_to_groups(rows, monkeypatch):
    found = []
    checked_splits = _metadata.checked_splits

    def watched(owner, *args, **params):
        splits = checked_splits(owner, *args, **params)
        if owner == "KFoldEnsembleRegressor":
            found.append((params.get("groups"), splits))
        return splits

    monkeypatch.setattr(_metadata, "checked_splits", watched)
    ensemble = KFoldEnsembleRegressor(MLPRegressor(4, epochs=1), cv=3, random_state=0)
    cross_validate(make_pipeline(StandardScaler(), ensemble), *rows, cv=3, groups=GROUPS)
    assert len(found) == 3
    for groups, splits in found:
        for train, test in splits:
            assert not set(groups[train]) & set(groups[test])


def test_networks_inside_an_ensemble_split_by_groups(rows, inner_splits):
    ensemble = KFoldEnsembleRegressor(search(), cv=3, random_state=0)
    ensemble.fit(*rows, groups=GROUPS)
    assert len(inner_splits) == 3 * (2 * 3 + 1)
    assert all(not train & held_out for train, held_out in inner_splits)


def test_rows_drawn_anew_are_of_unknown_groups(rows, inner_splits):
    bagging = BaggingRegressor(STOPPING, n_estimators=2, random_state=0)
    cross_validate(bagging, *rows, cv=3, groups=GROUPS)
    assert inner_splits == [None] * 6


class Dropping(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def fit_transform(self, X, y=None):
        return X[1:]

    def transform(self, X):
        return X


def test_a_step_that_changes_the_rows_is_told(rows):
    X, y = rows
    model = make_pipeline(Dropping(), STOPPING)
    with (
        FitMetadata(model, RowMetadata(GROUPS)),
        pytest.raises(ValueError, match=r"96 rows, but a step .* 95"),
    ):
        model.fit(X, y[1:])


class Sampler(BaseEstimator):
    def fit_resample(self, X, y):
        return X, y


def test_a_sampler_is_told_though_the_number_of_rows_stays(rows):
    network = MLPRegressor(4, epochs=1, early_stopping=True)
    model = Pipeline([("network", network)])
    model.steps.insert(0, ("sampler", Sampler()))
    with (
        FitMetadata(model, RowMetadata(GROUPS)),
        pytest.raises(ValueError, match="changes which rows there are"),
    ):
        network.fit(*rows)


def test_no_groups_are_needed_where_nothing_is_split(rows):
    X, y = rows
    model = make_pipeline(Dropping(), MLPRegressor(4, epochs=1))
    with FitMetadata(model, RowMetadata(GROUPS)):
        model.fit(X, y[1:])
