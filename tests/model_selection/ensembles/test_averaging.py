"""Averaging ensembles: what their members are, and what they make of them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdl.estimators import MLPClassifier, MLPRegressor
from skdl.exceptions import InvalidParameterError
from skdl.model_selection.ensembles._averaging import AveragingClassifier, AveragingRegressor
from skdl.training.lockstep import lockstep

# Splits at random, so members of different seeds differ.
TREE = DecisionTreeRegressor(max_depth=3, splitter="random")
CLASSIFIER_TREE = DecisionTreeClassifier(max_depth=3, splitter="random")


def parameters_but_random_states(pipeline):
    params = pipeline.get_params()
    return {
        name: value
        for name, value in params.items()
        if isinstance(value, str | int | float) and not name.endswith("random_state")
    }


@parametrize_with_checks(
    [
        AveragingRegressor(Ridge(), n_members=2),
        AveragingClassifier(LogisticRegression(), n_members=2),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        AveragingClassifier(
            MLPClassifier(8, batch_size=8, epochs=12, learning_rate=0.02), n_members=2
        )
    ]
)
def test_scikit_learn_checks_around_a_network(estimator, check):
    check(estimator)


def test_members_differ_in_random_state_only(diabetes):
    pipeline = make_pipeline(StandardScaler(), TREE)
    members = AveragingRegressor(pipeline, 3, random_state=0).fit(*diabetes).estimators_
    states = {member.get_params()["decisiontreeregressor__random_state"] for member in members}
    assert len(states) == 3
    for member in members:
        assert parameters_but_random_states(member) == parameters_but_random_states(pipeline)


def test_every_nested_random_state_is_set(iris):
    X, y = iris
    inner = AveragingClassifier(CLASSIFIER_TREE, n_members=2)
    for member in AveragingClassifier(inner, n_members=2, random_state=0).fit(X, y).estimators_:
        assert member.random_state is not None
        assert member.estimator.random_state not in {None, member.random_state}


def test_same_seed_gives_the_same_ensemble_and_another_seed_another(diabetes):
    X, _ = diabetes
    a, b, c = (AveragingRegressor(TREE, 3, seed).fit(*diabetes).predict(X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_first_members_do_not_depend_on_how_many_there_are(diabetes):
    X, _ = diabetes
    few, many = (AveragingRegressor(TREE, n, random_state=0).fit(*diabetes) for n in (2, 4))
    for ours, theirs in zip(few.estimators_, many.estimators_[:2], strict=True):
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_estimator_without_random_state_is_taken_too(diabetes):
    X, y = diabetes
    ensemble = AveragingRegressor(LinearRegression(), n_members=2).fit(X, y)
    np.testing.assert_allclose(ensemble.predict(X), LinearRegression().fit(X, y).predict(X))


def test_fit_leaves_the_estimator_unfitted_and_as_it_was(diabetes):
    tree = clone(TREE)
    AveragingRegressor(tree, 2, random_state=0).fit(*diabetes)
    assert not hasattr(tree, "tree_")
    assert tree.random_state is None


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_regressor_predicts_the_mean_of_its_members(diabetes, n_outputs):
    X, y = diabetes
    y = y if n_outputs is None else np.column_stack([y, -y])
    ensemble = AveragingRegressor(TREE, 3, random_state=0).fit(X, y)
    first, second, third = (member.predict(X) for member in ensemble.estimators_)
    np.testing.assert_allclose(ensemble.predict(X), (first + second + third) / 3)
    assert ensemble.predict(X).shape == y.shape


def test_classifier_predicts_the_label_of_highest_mean_probability(iris):
    X, codes = iris
    y = np.array(["setosa", "versicolor", "virginica"])[codes]
    ensemble = AveragingClassifier(CLASSIFIER_TREE, 3, random_state=0).fit(X, y)
    first, second, third = (member.predict_proba(X) for member in ensemble.estimators_)
    mean = (first + second + third) / 3
    np.testing.assert_allclose(ensemble.predict_proba(X), mean)
    np.testing.assert_array_equal(ensemble.predict(X), ensemble.classes_[mean.argmax(1)])
    assert ensemble.classes_.tolist() == ["setosa", "versicolor", "virginica"]


@pytest.mark.parametrize(
    "classifier", [SklearnMLPClassifier(4, max_iter=2), MLPClassifier(4, epochs=2)]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_multilabel_predictions_are_mean_probabilities_over_one_half(iris, classifier):
    X, y = iris
    labels = np.column_stack([y > 0, y > 1]).astype(int)
    ensemble = AveragingClassifier(classifier, 3, random_state=0).fit(X, labels)
    mean = np.mean([member.predict_proba(X) for member in ensemble.estimators_], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(X), mean)
    np.testing.assert_array_equal(ensemble.predict(X), mean > 0.5)
    assert ensemble.predict(X).shape == labels.shape


def test_members_with_a_list_of_probabilities_are_averaged_output_by_output(iris):
    X, y = iris
    outputs = np.column_stack([y, y > 0])
    ensemble = AveragingClassifier(KNeighborsClassifier(3), n_members=2).fit(X, outputs)
    alone = KNeighborsClassifier(3).fit(X, outputs)
    np.testing.assert_array_equal(ensemble.predict(X), alone.predict(X))
    for ours, theirs in zip(ensemble.predict_proba(X), alone.predict_proba(X), strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_networks_are_trained_together_and_as_they_would_be_alone(diabetes):
    X, y = diabetes
    ensemble = AveragingRegressor(MLPRegressor(8, epochs=3), 3, random_state=0)
    with lockstep() as session:
        ensemble.fit(X, y)
    assert session.batches == [3]
    seeds = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=3)
    alone = [MLPRegressor(8, epochs=3, random_state=int(seed)).fit(X, y) for seed in seeds]
    mean = np.mean([network.predict(X) for network in alone], axis=0)
    np.testing.assert_allclose(ensemble.predict(X), mean, atol=1e-3 * y.std())


def test_data_frames_reach_the_members_as_they_are():
    X = pd.DataFrame({"size": np.arange(20.0), "colour": ["red", "blue"] * 10})
    columns = make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["size"]))
    ensemble = AveragingRegressor(make_pipeline(columns, Ridge()), n_members=2)
    ensemble.fit(X, X["size"])
    assert ensemble.feature_names_in_.tolist() == ["size", "colour"]
    assert ensemble.n_features_in_ == 2
    assert ensemble.predict(X).shape == (20,)


def test_scikit_learn_sees_what_kind_of_estimator_it_is():
    regressor, classifier = AveragingRegressor(Ridge()), AveragingClassifier(LogisticRegression())
    assert is_regressor(regressor)
    assert is_classifier(classifier)
    assert is_classifier(make_pipeline(StandardScaler(), classifier))
    assert AveragingRegressor(MLPRegressor()).__sklearn_tags__().input_tags.sparse
    assert AveragingRegressor(MLPRegressor()).__sklearn_tags__().target_tags.multi_output
    assert AveragingClassifier(MLPClassifier()).__sklearn_tags__().classifier_tags.multi_label


def test_cross_validation_and_pickle_work(diabetes):
    X, y = diabetes
    ensemble = AveragingRegressor(TREE, 3, random_state=0)
    assert np.isfinite(cross_val_score(ensemble, X, y, cv=3)).all()
    twin = pickle.loads(pickle.dumps(ensemble.fit(X, y)))
    np.testing.assert_array_equal(twin.predict(X), ensemble.predict(X))


def test_fit_parameters_reach_every_member(diabetes):
    X, y = diabetes
    weight = np.arange(len(y), dtype=float)
    ensemble = AveragingRegressor(Ridge(), n_members=2).fit(X, y, sample_weight=weight)
    expected = Ridge().fit(X, y, sample_weight=weight).predict(X)
    np.testing.assert_allclose(ensemble.predict(X), expected)


def test_routed_metadata_reaches_the_members_that_request_it(diabetes):
    X, y = diabetes
    weight = np.arange(len(y), dtype=float)
    with sklearn.config_context(enable_metadata_routing=True):
        requesting = Ridge().set_fit_request(sample_weight="importance")
        ensemble = AveragingRegressor(requesting, n_members=2).fit(X, y, importance=weight)
        with pytest.raises(TypeError, match="sample_weight"):
            ensemble.fit(X, y, sample_weight=weight)
    expected = Ridge().fit(X, y, sample_weight=weight).predict(X)
    np.testing.assert_allclose(ensemble.predict(X), expected)


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        (
            AveragingRegressor(Ridge(), 0),
            r"n_members=0 .* an integer in .1, 100000., for example 5",
        ),
        (AveragingRegressor(LogisticRegression()), r"LogisticRegression\(\) .*AveragingClassifier"),
        (AveragingRegressor(StandardScaler()), r"StandardScaler\(\) .*Expected a regressor"),
        (AveragingClassifier(RidgeClassifier()), r"Expected a classifier with predict_proba"),
        (AveragingRegressor(Ridge(), random_state="0"), r"random_state='0'"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(ensemble, message, iris):
    with pytest.raises(InvalidParameterError, match=message):
        ensemble.fit(*iris)


def test_predict_proba_is_there_only_if_the_members_have_it():
    assert hasattr(AveragingClassifier(LogisticRegression()), "predict_proba")
    assert not hasattr(AveragingClassifier(RidgeClassifier()), "predict_proba")
