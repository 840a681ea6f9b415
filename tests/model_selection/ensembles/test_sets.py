"""Prediction sets by hand, and how often they hold the true class."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from scipy.special import softmax
from scipy.stats import kstest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, ShuffleSplit

from skdl import MLPClassifier
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import KFoldEnsembleClassifier, coverage_by_group
from skdl.model_selection.ensembles._sets import adaptive_scores, cross_conformal_sets, row_shares


def test_scores_are_the_probabilities_of_what_is_more_probable_and_a_share_of_its_own():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    found = adaptive_scores(probabilities, np.array([0.5, 1.0]), 0.0)
    np.testing.assert_allclose(found, [[0.9, 0.25, 0.65], [0.9, 1.0, 0.8]])
    punished = adaptive_scores(probabilities, np.array([0.5, 1.0]), 0.01)
    np.testing.assert_allclose(punished, [[0.92, 0.25, 0.66], [0.91, 1.02, 0.8]])


def test_sets_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    # Two iterations of two folds: members 0 and 1, then 2 and 3.
    member_of = np.array([rng.permutation([0, 1] * 10), rng.permutation([2, 3] * 10)])
    predictions = softmax(rng.normal(size=(4, 6, 3)), axis=2)
    row_scores, shares = rng.uniform(size=20), rng.uniform(size=6)
    expected = np.zeros((6, 3), bool)
    for new in range(6):
        for label in range(3):
            n_below = 0
            for row in range(20):
                mean = predictions[member_of[:, row], new].mean(0)
                above = mean > mean[label]
                score = mean[above].sum() + shares[new] * mean[label] + 0.1 * above.sum()
                n_below += row_scores[row] < score
            expected[new, label] = n_below < 0.8 * 21
    found = cross_conformal_sets(predictions, member_of, row_scores, shares, 0.8, 0.1)
    np.testing.assert_array_equal(found, expected)
    assert 0 < expected.sum() < 18


def test_sets_by_the_mean_compare_its_scores_with_those_out_of_fold():
    X, y = three_classes(300)
    ensemble = KFoldEnsembleClassifier(LogisticRegression(), 3, random_state=0).fit(X, y)
    options = {"allow_empty": True, "size_penalty": 0.1}
    found = ensemble.predict_set(X[:20], 0.8, around="mean", **options)
    rng = np.random.default_rng(ensemble._seed)
    codes = np.searchsorted(["a", "b", "c"], y)
    scores = adaptive_scores(ensemble.oof_predictions_, rng.uniform(size=300), 0.1)
    limit = np.sort(scores[np.arange(300), codes])[240]  # the ceil(0.8 * 301)th smallest
    by_member = np.array([m.predict_proba(X[:20]) for m in ensemble.estimators_])
    shares = row_shares(X[:20], by_member, ensemble._seed)
    new = adaptive_scores(ensemble.predict_proba(X[:20]), shares, 0.1)
    np.testing.assert_array_equal(found, new <= limit)
    assert 0 < found.sum() < found.size


class Truthful(ClassifierMixin, BaseEstimator):
    """Predict the true probabilities of `three_classes`, or those of a model that is too sure."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y):
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        return self

    def predict_proba(self, X):
        return softmax(self.factor * X, axis=1)


def three_classes(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3)) * 1.5
    chosen = (softmax(X, axis=1).cumsum(1) > rng.uniform(size=(n_rows, 1))).argmax(1)
    return X, np.array(["a", "b", "c"])[chosen]


@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("size_penalty", [0.0, 0.1])
@pytest.mark.parametrize("n_iterations", [1, 2])
def test_sets_hold_the_promised_share_whatever_the_model(factor, size_penalty, n_iterations):
    X, y = three_classes(6000)
    ensemble = KFoldEnsembleClassifier(
        Truthful(factor), 3, n_iterations=n_iterations, random_state=0
    ).fit(X[:1000], y[:1000])
    for coverage in (0.7, 0.9):
        sets = ensemble.predict_set(X[1000:], coverage, size_penalty=size_penalty, allow_empty=True)
        assert sets.dtype == bool
        held = coverage_by_group(y[1000:], sets, classes=ensemble.classes_)
        assert held.loc["all rows", "coverage"] == pytest.approx(coverage, abs=0.025)


def test_sets_are_larger_where_classes_are_harder_to_tell():
    X, y = three_classes(2000)
    ensemble = KFoldEnsembleClassifier(Truthful(), 3, random_state=0).fit(X[:1000], y[:1000])
    sets = ensemble.predict_set(X[1000:], 0.8)
    is_easy = softmax(X[1000:], axis=1).max(1) > 0.8
    sizes = coverage_by_group(y[1000:], sets, is_easy, classes=ensemble.classes_)["size"]
    assert sizes[True] < 1.3
    assert sizes[False] > 1.5


def test_no_set_is_empty_unless_that_is_asked_for():
    X, y = three_classes(600)
    ensemble = KFoldEnsembleClassifier(Truthful(), 3, random_state=0).fit(X, y)
    full, any_size = (ensemble.predict_set(X, 0.5, allow_empty=e) for e in (False, True))
    is_empty = ~any_size.any(1)
    assert is_empty.any()
    np.testing.assert_array_equal(full[~is_empty], any_size[~is_empty])
    np.testing.assert_array_equal(full[is_empty].sum(1), 1)
    expected = ensemble.predict_proba(X)[is_empty].argmax(1)
    np.testing.assert_array_equal(full[is_empty].argmax(1), expected)


def test_sets_of_networks_are_the_same_each_time_and_in_copies():
    X, y = three_classes(200)
    network = MLPClassifier(8, hidden_layers=1, epochs=5)
    ensemble = KFoldEnsembleClassifier(network, 3, random_state=0, calibrate="temperature")
    sets = ensemble.fit(X, y).predict_set(X)
    np.testing.assert_array_equal(ensemble.predict_set(X), sets)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ensemble)).predict_set(X), sets)
    assert sets.shape == (200, 3)


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, sparse.csr_array, pl.DataFrame])
def test_a_row_has_the_same_set_in_any_company(form):
    X, y = three_classes(400)
    ensemble = KFoldEnsembleClassifier(LogisticRegression(), 3, random_state=0)
    ensemble.fit(form(X[:200]), y[:200])
    together = ensemble.predict_set(form(X[200:]))
    one_by_one = [ensemble.predict_set(form(X[i : i + 1]))[0] for i in range(200, 400)]
    np.testing.assert_array_equal(one_by_one, together)
    np.testing.assert_array_equal(ensemble.predict_set(form(X[:199:-1]))[::-1], together)


def test_shares_of_rows_are_uniform_and_follow_from_the_seed():
    X = np.random.default_rng(0).normal(size=(2000, 3))
    probabilities = softmax(X, axis=1)[None]
    found = [
        row_shares(rows, probabilities, seed)
        for rows in (X, pd.DataFrame(X).astype(str), sparse.csr_array(X))
        for seed in (0, 1)
    ]
    for shares in found:
        assert kstest(shares, "uniform").pvalue > 0.01
    assert np.abs(np.corrcoef(found)[np.triu_indices(6, 1)]).max() < 0.1


def test_too_few_rows_for_so_much_coverage_give_all_classes():
    X, y = three_classes(9)
    ensemble = KFoldEnsembleClassifier(Truthful(), KFold(3)).fit(X, y)
    assert ensemble.predict_set(X, coverage=0.95).all()


def test_labels_and_splitters_that_leave_rows_out_are_refused():
    X, y = three_classes(60)
    splitter = ShuffleSplit(3, test_size=0.2, random_state=0)
    ensemble = KFoldEnsembleClassifier(Truthful(), splitter).fit(X, y)
    with pytest.raises(ValueError, match=r"does not hold out every row .*K-fold splitter"):
        ensemble.predict_set(X)
    labels = np.column_stack([y == "a", y != "c"]).astype(int)
    several = KFoldEnsembleClassifier(MLPClassifier(4, epochs=1), 2).fit(X, labels)
    with pytest.raises(ValueError, match=r"several labels.*Expected one column"):
        several.predict_set(X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coverage": 90}, r"coverage=90 is not allowed.*0\.9"),
        ({"size_penalty": -1}, r"size_penalty=-1 is not allowed.*>= 0"),
        ({"allow_empty": "no"}, r"allow_empty='no' is not allowed"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    X, y = three_classes(60)
    ensemble = KFoldEnsembleClassifier(LogisticRegression(), 3).fit(X, y)
    with pytest.raises(InvalidParameterError, match=message):
        ensemble.predict_set(X, **arguments)
