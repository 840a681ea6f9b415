"""`cross_validate`: scikit-learn's scores on the same splits, and what stands beside them."""

import logging
import pickle
import threading
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from joblib import Parallel, delayed, parallel_config
from scipy import sparse
from sklearn import model_selection
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.exceptions import FitFailedWarning, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, get_scorer, log_loss, make_scorer, mean_absolute_error
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, RepeatedKFold, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdl import CNNClassifier, MLPClassifier, MLPRegressor, lockstep
from skdl.exceptions import DuplicateRowsWarning, InvalidParameterError
from skdl.model_selection import AveragingRegressor, IteratedKFold, cross_validate
from tests.checks import slow_but, slow_case

TINY = {"hidden_units": (6,), "epochs": 3, "learning_rate": 0.02, "random_state": 0}
TIMES = {"fit_time", "score_time"}

# Alone, each fold is a stack of one, which rounds differently (see tests/training/test_company).
ROUNDING = 1e-4


def regressor(**params):
    return make_pipeline(StandardScaler(), MLPRegressor(**TINY | params))


def classifier(**params):
    return make_pipeline(StandardScaler(), MLPClassifier(**TINY | params))


@pytest.fixture(scope="module")
def regression(diabetes):
    X, y = diabetes
    return X[:80, :4], y[:80]


@pytest.fixture(scope="module")
def classification(iris):
    X, y = iris
    return X[:90], y[:90]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(autouse=True)
def no_thread_stays():
    """Wait for tasks whose call has failed: Python keeps one list of filters for all threads."""
    yield
    deadline = time.monotonic() + 10
    while any("_run" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_same_scores(result, expected, rtol=ROUNDING):
    assert set(result) == set(expected)
    for name in set(expected) - TIMES - {"estimator", "indices"}:
        assert result[name].shape == expected[name].shape
        np.testing.assert_allclose(result[name], expected[name], rtol, ROUNDING, err_msg=name)


def compared(estimator, X, y, *, cv=4, groups=None, own=None, **options):
    """Cross-validate with our function and with scikit-learn's; return ours if they agree."""
    expected = model_selection.cross_validate(
        clone(estimator), X, y, cv=cv, groups=groups, **options
    )
    result = cross_validate(estimator, X, y, cv=cv, groups=groups, **options, **(own or {}))
    assert_same_scores(result, expected)
    return result


# ------------------------------------------------------------------ scikit-learn's scores


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_by_column_names(frame, regression):
    X, y = regression
    table = frame(
        {"a": X[:, 0], "b": X[:, 1], "sort": np.where(X[:, 2] > 0, "high", "low"), "c": X[:, 3]}
    )
    encoder = make_column_transformer(
        (StandardScaler(), ["a", "b", "c"]), (OneHotEncoder(handle_unknown="ignore"), ["sort"])
    )
    series = (pd.Series if frame is pd.DataFrame else pl.Series)(y)
    result = compared(make_pipeline(encoder, MLPRegressor(**TINY)), table, series)
    assert set(result.histories["metric"]) == {"loss", "test_loss"}
    assert result.refit().predict(table).shape == y.shape


@pytest.mark.parametrize(
    "scoring",
    [
        None,
        "neg_root_mean_squared_error",
        make_scorer(mean_absolute_error, greater_is_better=False),
        ["r2", "neg_mean_absolute_error"],
        ("neg_max_error",),
        {"own": "r2", "other": make_scorer(mean_absolute_error)},
        lambda estimator, X, y: {"mean": estimator.predict(X).mean(), "n": len(y)},
        lambda estimator, X, y: estimator.predict(X).std(),
    ],
    ids=["none", "name", "scorer", "list", "tuple", "dict", "callable of a dict", "callable"],
)
def test_one_metric_and_several(scoring, regression):
    result = compared(regressor(), *regression, scoring=scoring, return_train_score=True)
    metrics = {name.removeprefix("test_") for name in result if name.startswith("test_")}
    assert {f"train_{metric}" for metric in metrics} < set(result)
    assert set(result.summary().index.get_level_values("metric")) == metrics


def test_a_classifier_is_stratified_as_by_scikit_learn(classification):
    scoring = ["accuracy", "neg_log_loss", "roc_auc_ovr"]
    compared(classifier(epochs=15), *classification, cv=3, scoring=scoring)


def test_labels_that_are_strings(classification):
    X, y = classification
    compared(classifier(), X, np.array(["one", "two", "three"])[y], scoring="neg_log_loss")


def test_multilabel_and_multioutput_targets(regression):
    X, y = regression
    compared(regressor(), X, np.stack([y, -(y**2)], 1), scoring="neg_mean_absolute_error")
    labels = np.stack([X[:, 0] > 0, X[:, 1] > 0.3, y > 150], 1).astype(int)
    compared(classifier(), X, labels, scoring=["roc_auc", "f1_micro"])


def test_sparse_rows(regression):
    X, y = regression
    X = sparse.csr_array(np.where(np.abs(X) < 0.7, 0, X))
    scaler = StandardScaler(with_mean=False)
    result = compared(make_pipeline(scaler, MLPRegressor(**TINY)), X, y)
    assert set(result.histories["metric"]) == {"loss", "test_loss"}


def test_targets_transformed_around_and_inside_a_pipeline(regression):
    X, y = regression
    outside = TransformedTargetRegressor(regressor(), func=np.log1p, inverse_func=np.expm1)
    inside = make_pipeline(
        StandardScaler(),
        TransformedTargetRegressor(MLPRegressor(**TINY), transformer=PowerTransformer()),
    )
    for estimator in (outside, inside):
        result = compared(estimator, X, y, scoring=["r2", "neg_mean_absolute_error"])
        assert set(result.histories["metric"]) == {"loss", "test_loss"}


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        slow_case((lambda network: make_pipeline(StandardScaler(), network), "MLPRegressor")),
        slow_case((lambda net: TransformedTargetRegressor(make_pipeline(net)), "MLPRegressor")),
        slow_case((lambda net: model_selection.GridSearchCV(net, {}, cv=2), "MLPRegressor")),
        (lambda network: StackingRegressor([("net", network)], cv=2), "StackingRegressor"),
        slow_case((lambda network: VotingRegressor([("net", network)]), "VotingRegressor")),
        slow_case((lambda net: make_pipeline(BaggingRegressor(net, 1)), "BaggingRegressor")),
    ],
    ids=["pipeline", "targets", "search", "stacking", "voting", "bagging"],
)
def test_the_name_is_that_of_what_predicts(wrap, name, regression):
    X, y = regression
    result = cross_validate(wrap(MLPRegressor(2, epochs=1, random_state=0)), X, y, cv=2)
    assert repr(result).startswith(f"Cross-validation of {name}\n")


@pytest.mark.parametrize(
    "cv", [5, KFold(3, shuffle=True, random_state=1), None, "splits", "generator"]
)
def test_forms_of_cv(cv, regression):
    splits = [(np.arange(60), np.arange(60, 80)), (np.arange(30, 80), np.arange(10))]
    given = {"splits": splits, "generator": splits}.get(cv, cv)
    expected = model_selection.cross_validate(regressor(), *regression, cv=given)
    result = cross_validate(
        regressor(), *regression, cv=iter(splits) if cv == "generator" else given
    )
    assert_same_scores(result, expected)


def test_groups_stay_on_one_side(regression, classification):
    X, y = regression
    groups = np.arange(80) // 7
    compared(regressor(), X, y, cv=GroupKFold(4), groups=groups)
    compared(regressor(), X, y, cv=LeaveOneGroupOut(), groups=np.arange(80) // 20)
    # An integer is enough here, where scikit-learn would split groups.
    for estimator, data, n_iterations in (
        (regressor(), regression, 1),
        (regressor(), regression, 2),
        (classifier(), classification, 2),
    ):
        groups = np.arange(len(data[1])) // 7
        result = cross_validate(
            estimator, *data, cv=3, groups=groups, n_iterations=n_iterations, return_indices=True
        )
        assert len(result["test_score"]) == 3 * n_iterations
        for train, test in zip(*result["indices"].values(), strict=True):
            assert not set(groups[train]) & set(groups[test])


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).uniform(0, 3, 80)


def test_sample_weights_reach_fit(regression, weights):
    def compared_with(name, estimator):
        return compared(estimator, *regression, params={name: weights})

    weighted = compared_with("sample_weight", MLPRegressor(**TINY))
    assert not np.allclose(
        weighted["test_score"],
        cross_validate(MLPRegressor(**TINY), *regression, cv=4)["test_score"],
    )
    result = compared_with("mlpregressor__sample_weight", regressor())
    # The baseline is weighted where its fit has such an argument.
    baseline = weighted.summary().loc[("score", "baseline"), "mean"]
    expected = model_selection.cross_validate(
        DummyRegressor(), *regression, cv=4, params={"sample_weight": weights}
    )
    assert baseline == pytest.approx(expected["test_score"].mean())
    assert result.refit().predict(regression[0]).shape == (80,)


def test_sample_weights_routed_to_fit_and_scorer(routing, regression, weights):
    X, y = regression
    network = MLPRegressor(**TINY).set_fit_request(sample_weight=True, groups=False)
    plain = get_scorer("neg_mean_absolute_error").set_score_request(sample_weight=False)
    scorer = get_scorer("neg_mean_absolute_error").set_score_request(sample_weight=True)
    groups = np.arange(80) // 7
    result = compared(
        make_pipeline(StandardScaler().set_fit_request(sample_weight=False), network),
        X,
        y,
        cv=GroupKFold(4).set_split_request(groups=True),
        scoring={"weighted": scorer, "plain": plain},
        params={"sample_weight": weights, "groups": groups},
        own={"compare_with": {"ridge": Ridge().set_fit_request(sample_weight=True)}},
    )
    assert not np.allclose(result["test_weighted"], result["test_plain"])
    ridge = model_selection.cross_validate(
        Ridge().set_fit_request(sample_weight=True),
        X,
        y,
        cv=GroupKFold(4),
        scoring=scorer,
        params={"sample_weight": weights, "groups": groups},
    )
    table = result.summary()
    assert table.loc[("weighted", "ridge"), "mean"] == pytest.approx(ridge["test_score"].mean())
    assert table.loc[("weighted", "baseline"), "n_folds"] == 4


def test_metadata_that_nobody_has_asked_for_is_told(routing, regression, weights):
    with pytest.raises(UnsetMetadataPassedError, match=r"cross_validate") as raised:
        cross_validate(MLPRegressor(**TINY), *regression, params={"sample_weight": weights})
    assert "cross_validate.fit" not in str(raised.value)
    with pytest.raises(ValueError, match=r'params=\{"groups": groups\}'):
        cross_validate(MLPRegressor(**TINY), *regression, groups=np.arange(80))


def test_pipeline_that_transforms_validation_rows(routing, regression):
    X, y = regression
    network = MLPRegressor(**TINY | {"early_stopping": True, "epochs": 5, "patience": 1})
    pipeline = Pipeline(
        [
            ("scaler", StandardScaler()),
            ("network", network.set_fit_request(X_val=True, y_val=True)),
        ],
        transform_input=["X_val"],
    )
    params = {"X_val": 10 + X[:20], "y_val": y[:20]}
    result = compared(pipeline, X, y, cv=3, params=params)
    assert set(result.histories["metric"]) == {"loss", "val_loss", "test_loss"}


def test_estimators_without_networks_are_scored_exactly_as_by_scikit_learn(
    regression, classification
):
    for estimator, data in (
        (make_pipeline(StandardScaler(), Ridge()), regression),
        (DecisionTreeRegressor(max_depth=3, random_state=0), regression),
        (DecisionTreeClassifier(max_depth=3, random_state=0), classification),
    ):
        options = {"return_train_score": True, "cv": 4}
        expected = model_selection.cross_validate(estimator, *data, **options)
        for n_jobs in (None, 2):
            with parallel_config("threading"):
                result = cross_validate(estimator, *data, n_jobs=n_jobs, **options)
            for name in ("test_score", "train_score"):
                np.testing.assert_array_equal(result[name], expected[name])
        assert result.histories.empty
        with pytest.raises(AttributeError, match="holds no network"):
            _ = result.best_epoch


def test_estimators_and_indices_are_kept_on_request(regression):
    X, y = regression
    result = compared(regressor(), X, y, return_estimator=True, return_indices=True)
    assert set(result["indices"]) == {"train", "test"}
    for estimator, test, score in zip(
        result["estimator"], result["indices"]["test"], result["test_score"], strict=True
    ):
        assert estimator.score(X[test], y[test]) == pytest.approx(score, rel=1e-6)


# ------------------------------------------------------------------ lockstep


def test_all_folds_train_together_without_being_asked(regression, monkeypatch):
    sizes = []
    from skdl.training.lockstep import _backend

    train = _backend.train

    def recorded(jobs, **options):
        sizes.append(len(jobs))
        return train(jobs, **options)

    monkeypatch.setattr(_backend, "train", recorded)
    cross_validate(regressor(), *regression, n_iterations=3)
    assert sizes == [15]


def test_it_joins_the_lockstep_that_is_active(regression):
    expected = model_selection.cross_validate(regressor(), *regression, cv=4)

    def task():
        return cross_validate(regressor(), *regression, cv=4)["test_score"]

    with lockstep() as session:
        found = task()
        assert session.batches == [4]
        together = Parallel()(delayed(task)() for _ in range(3))
    assert session.batches == [4, 12]
    with parallel_config("threading", n_jobs=2):
        together += Parallel()(delayed(task)() for _ in range(2))
    for scores in (found, *together):
        np.testing.assert_allclose(scores, expected["test_score"], ROUNDING, ROUNDING)


class Records(TransformerMixin, BaseEstimator):
    """Warns, and writes down under which configuration of scikit-learn it is fitted."""

    def fit(self, X, y=None):
        self.config_ = sklearn.get_config()
        warnings.warn("fitted", UserWarning, stacklevel=1)
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("n_jobs", slow_but([None, 2], None))
@pytest.mark.parametrize("model", [MLPRegressor(**TINY), Ridge()], ids=["network", "other"])
def test_folds_have_the_configuration_of_their_caller(model, n_jobs, regression):
    with sklearn.config_context(working_memory=77), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimators = cross_validate(
            make_pipeline(Records(), model), *regression, cv=8, n_jobs=n_jobs,
            return_estimator=True,
        )["estimator"]  # fmt: skip
    assert [estimator[0].config_["working_memory"] for estimator in estimators] == [77] * 8
    # What processes warn of, they write to their own standard error.
    assert len(caught) == (8 if n_jobs is None or isinstance(model, MLPRegressor) else 0)


def test_verbose_shows_a_bar(regression, capfd):
    cross_validate(regressor(), *regression, cv=4, verbose=1)
    assert "lockstep: 4 fits" in "".join(capfd.readouterr())
    cross_validate(regressor(), *regression, cv=4)
    assert "".join(capfd.readouterr()) == ""


# ------------------------------------------------------------------ histories


def loss_of(estimator, X, y):
    """Return the mean squared error in the units of the network at the end of a pipeline."""
    network = estimator[-1]
    outputs = np.asarray(network.model_(estimator[:-1].transform(X)))[:, 0]
    return np.mean((outputs - (y - network.target_offset_) / network.target_scale_) ** 2)


def test_the_last_test_loss_is_that_of_the_estimator_on_the_rows_of_its_fold(regression):
    X, y = regression
    result = cross_validate(
        regressor(metrics=["mae"]), X, y, cv=3, n_iterations=2, return_estimator=True,
        return_indices=True,
    )  # fmt: skip
    histories = result.histories
    assert list(histories.columns) == ["iteration", "fold", "epoch", "metric", "value"]
    assert len(histories) == 6 * 3 * 4
    last = histories[histories["epoch"] == 3].pivot_table(
        index=["iteration", "fold"], columns="metric", values="value"
    )
    assert last.index.tolist() == [(i, k) for i in range(2) for k in range(3)]
    for (_, row), estimator, test in zip(
        last.iterrows(), result["estimator"], result["indices"]["test"], strict=True
    ):
        assert row["test_loss"] == pytest.approx(loss_of(estimator, X[test], y[test]), rel=1e-4)
        error = mean_absolute_error(y[test], estimator.predict(X[test]))
        assert row["test_mae"] == pytest.approx(error, rel=1e-4)
        assert row["loss"] == pytest.approx(estimator[-1].history_["loss"][-1])


def test_the_last_test_loss_of_a_classifier(classification):
    X, y = classification
    result = cross_validate(
        classifier(metrics="accuracy"), X, y, cv=3, return_estimator=True, return_indices=True
    )
    last = result.histories.query("epoch == 3").set_index(["fold", "metric"])["value"]
    for fold, (estimator, test) in enumerate(
        zip(result["estimator"], result["indices"]["test"], strict=True)
    ):
        expected = log_loss(y[test], estimator.predict_proba(X[test]))
        assert last[fold, "test_loss"] == pytest.approx(expected, rel=1e-4)
        share = accuracy_score(y[test], estimator.predict(X[test]))
        assert last[fold, "test_accuracy"] == pytest.approx(share)


def test_held_out_rows_never_steer(regression):
    X, y = regression
    model = regressor(
        epochs=8, dropout=0.2, batch_norm="before_activation", early_stopping=True, patience=1
    )
    options = {"cv": 4, "return_estimator": True}
    with lockstep():
        expected = model_selection.cross_validate(model, X, y, **options)
        result = cross_validate(model, X, y, **options)
    np.testing.assert_array_equal(result["test_score"], expected["test_score"])
    for one, other in zip(result["estimator"], expected["estimator"], strict=True):
        assert one[-1].history_ == other[-1].history_
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
    # Rows to stop on were taken from the training part.
    assert set(result.histories["metric"]) == {"loss", "val_loss", "test_loss"}
    n_epochs = [estimator[-1].n_iter_ for estimator in result["estimator"]]
    assert min(n_epochs) < 8
    assert (
        result.histories.query("metric == 'test_loss'").groupby("fold").size().tolist() == n_epochs
    )


def test_a_fold_that_went_back_to_its_best_epoch_is_carried_on_from_there(regression):
    X, y = regression
    model = regressor(epochs=30, learning_rate=0.1, early_stopping=True, patience=2)
    result = cross_validate(model, X, y, cv=4, return_estimator=True)
    networks = [estimator[-1] for estimator in result["estimator"]]
    n_epochs = max(network.n_iter_ for network in networks)
    by_fold = result.histories.query("metric == 'test_loss'").groupby("fold")["value"]
    at_the_end = [
        values.iloc[(network.best_epoch_ if network.n_iter_ < n_epochs else n_epochs) - 1]
        for network, (_, values) in zip(networks, by_fold, strict=True)
    ]
    # Without these the test would claim more than it shows.
    assert min(network.n_iter_ for network in networks) < n_epochs
    assert any(network.best_epoch_ < network.n_iter_ < n_epochs for network in networks)
    assert result.curve()["mean"].iloc[-1] == pytest.approx(np.mean(at_the_end))
    assert result.curve().index[-1] == n_epochs


def test_networks_that_are_not_followed_have_no_curves_and_say_so(regression):
    bagging = BaggingRegressor(regressor(), n_estimators=2, random_state=0)
    result = compared(bagging, *regression, cv=2)
    assert result.histories.empty
    with pytest.raises(ValueError, match=r"several networks, pass refit\(epochs=\.\.\.\)"):
        result.curve()
    assert not hasattr(result, "best_epoch")
    assert result.refit(epochs=2).estimators_[0][-1].n_iter_ == 2
    search = model_selection.GridSearchCV(regressor(), {"mlpregressor__l2": [0.0, 0.1]}, cv=2)
    assert compared(search, *regression, cv=2).histories.empty


class FailsOnOtherRows(TransformerMixin, BaseEstimator):
    """Takes the rows it was fitted on, and fails on any other in a way of its own."""

    def fit(self, X, y=None):
        self.sum_ = X.sum()
        return self

    def transform(self, X):
        if X.sum() != self.sum_:
            raise KeyError("rows never seen")
        return X


def test_held_out_rows_that_cannot_be_transformed_fail_no_fit(regression, caplog):
    estimator = make_pipeline(FailsOnOtherRows(), MLPRegressor(**TINY))
    with (
        pytest.warns(UserWarning, match="Scoring failed"),
        caplog.at_level(logging.INFO, logger="skdl"),
    ):
        result = cross_validate(
            estimator, *regression, cv=2, baseline=False, return_estimator=True,
            return_predictions=True,
        )  # fmt: skip
    assert np.isnan(result["test_score"]).all()
    assert [estimator[-1].n_iter_ for estimator in result["estimator"]] == [3, 3]
    assert "held-out rows are not scored each epoch" in caplog.text
    assert result.predictions.empty


# ------------------------------------------------------------------ faults


def splits_of(n_rows, *, bad):
    """Return three splits, of which the second one has training rows `bad`."""
    rows = np.arange(n_rows)
    return [(bad if i == 1 else rows[rows % 3 != i], rows[rows % 3 == i]) for i in range(3)]


@pytest.mark.parametrize("error_score", [np.nan, 0.25])
def test_a_fold_that_fails_leaves_the_others(error_score, breast_cancer):
    X, y = breast_cancer
    cv = splits_of(len(y), bad=np.flatnonzero(y == 1))
    options = {"cv": cv, "error_score": error_score, "return_train_score": True}
    with pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 3"):
        expected = model_selection.cross_validate(classifier(), X, y, **options)
    with pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 3"):
        result = cross_validate(
            classifier(), X, y, return_predictions=True, baseline=False, **options
        )
    assert_same_scores(result, expected)
    assert result["test_score"][1] == pytest.approx(error_score, nan_ok=True)
    assert set(result.histories["fold"]) == {0, 2}
    assert set(result.predictions["fold"]) == {0, 2}
    assert ("failed" in repr(result)) == np.isnan(error_score)
    assert result.refit().predict(X).shape == y.shape


def test_a_fold_that_fails_is_raised_on_request(breast_cancer):
    X, y = breast_cancer
    cv = splits_of(len(y), bad=np.flatnonzero(y == 1))
    with pytest.raises(ValueError, match="1 class"):
        cross_validate(classifier(), X, y, cv=cv, error_score="raise")


def test_test_rows_of_a_class_never_trained_on_have_no_curve(classification):
    X, y = classification
    rows = np.arange(90)
    cv = [(rows[y != 2], rows[y == 2]), (rows[::2], rows[1::2])]
    with pytest.warns(UserWarning, match="1 of 2 folds could not be scored after each epoch"):
        result = cross_validate(classifier(), X, y, cv=cv, baseline=False)
    # As scikit-learn has it, they are wrong, all of them.
    assert result["test_score"][0] == 0
    assert result["test_score"][1] > 0
    assert set(result.histories["fold"]) == {1}


DIVERGES = {"optimizer": "sgd", "learning_rate": 1e6}


def test_when_all_folds_diverge_the_error_says_why(regression):
    with pytest.raises(ValueError, match=r"(?s)All the 3 fits failed.*learning_rate"):
        cross_validate(regressor(**DIVERGES), *regression, cv=3)


def test_a_contender_that_fails_is_told_and_left_out(regression):
    contenders = {"wild": regressor(**DIVERGES), "ridge": Ridge()}
    with pytest.warns(FitFailedWarning, match=r"3 of 3 fits of 'wild' in compare_with failed"):
        result = cross_validate(regressor(), *regression, cv=3, compare_with=contenders)
    table = result.summary().loc["score"]
    assert table["n_folds"].to_dict() == {"MLPRegressor": 3, "baseline": 3, "wild": 0, "ridge": 3}
    assert "wild: 3 of 3 folds failed" in repr(result)
    with pytest.raises(Exception, match="learning_rate"):
        cross_validate(regressor(), *regression, cv=3, compare_with=contenders, error_score="raise")


def test_all_bad_parameters_are_told_at_once(regression):
    with pytest.raises(InvalidParameterError) as raised:
        cross_validate(
            MLPRegressor, *regression, cv=1, n_iterations=0, baseline="yes",
            compare_with={"ridge": Ridge}, params=[1], error_score="ignore", verbose=-1,
        )  # fmt: skip
    names = "estimator cv n_iterations baseline compare_with params error_score verbose"
    for name in names.split():
        assert f"{name}=" in str(raised.value)
    assert "an instance" in str(raised.value)


def test_names_that_the_summary_needs_are_refused(regression):
    for name in ("MLPRegressor", "baseline"):
        with pytest.raises(InvalidParameterError, match=f"{name}.*Expected other names"):
            cross_validate(regressor(), *regression, compare_with={name: Ridge()})
    result = cross_validate(
        regressor(), *regression, cv=2, baseline=False, compare_with={"baseline": Ridge()}
    )
    assert list(result.summary().loc["score"].index) == ["MLPRegressor", "baseline"]


def test_a_splitter_with_iterations_of_its_own_takes_no_others(regression):
    with pytest.raises(InvalidParameterError, match="n_iterations=2"):
        cross_validate(regressor(), *regression, cv=KFold(3), n_iterations=2)


# ------------------------------------------------------------------ beside the scores


def test_baseline_and_contenders_are_scored_on_the_very_same_splits(regression, classification):
    for estimator, data, dummy, other in (
        (regressor(), regression, DummyRegressor(), Ridge()),
        (classifier(), classification, DummyClassifier(), LogisticRegression()),
    ):
        cv = ShuffleSplit(5, random_state=np.random.RandomState(3))  # other splits every time
        result = cross_validate(
            estimator, *data, cv=cv, compare_with={"other": other}, return_indices=True
        )
        splits = list(zip(result["indices"]["train"], result["indices"]["test"], strict=True))
        table = result.summary().loc["score"]
        for name, contender in (("baseline", dummy), ("other", other)):
            expected = model_selection.cross_val_score(contender, *data, cv=splits)
            assert table.loc[name, "mean"] == pytest.approx(expected.mean())
            difference = (expected - result["test_score"]).mean()
            assert table.loc[name, "difference"] == pytest.approx(difference)


def test_what_stands_at_the_core_gives_the_name(regression):
    named = {
        "MLPRegressor": TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp),
        "Ridge": make_pipeline(StandardScaler(), Ridge()),
    }
    for name, estimator in named.items():
        result = cross_validate(estimator, *regression, cv=2)
        assert result.summary().index[0] == ("score", name)


def test_iterations_are_those_of_iterated_k_fold(regression):
    result = cross_validate(
        Ridge(), *regression, cv=3, n_iterations=4, return_indices=True, return_predictions=True
    )
    expected = list(IteratedKFold(3, 4, random_state=0).split(*regression))
    for found, (_, test) in zip(result["indices"]["test"], expected, strict=True):
        np.testing.assert_array_equal(found, test)
    predictions = result.predictions
    assert list(predictions.columns) == ["iteration", "fold", "row", "y_true", "y_pred"]
    for _, table in predictions.groupby("iteration"):
        assert sorted(table["row"]) == list(range(80))
    np.testing.assert_array_equal(predictions["y_true"], regression[1][predictions["row"]])


@pytest.mark.parametrize("cv", [RepeatedKFold(n_splits=3, n_repeats=2), IteratedKFold(3, 2)])
def test_iterations_of_a_splitter_are_told_apart(cv, regression):
    result = cross_validate(regressor(), *regression, cv=cv)
    folds = result.histories[["iteration", "fold"]].drop_duplicates().to_numpy().tolist()
    assert folds == [[i, k] for i in range(2) for k in range(3)]
    assert "2 × 3 folds" in repr(result)


def test_predictions_of_classifiers_have_their_probabilities(classification):
    X, y = classification
    y = np.array(["one", "two", "three"])[y]
    result = cross_validate(
        classifier(), X, y, cv=3, return_predictions=True, return_estimator=True,
        return_indices=True, scoring="neg_log_loss",
    )  # fmt: skip
    table = result.predictions
    assert sorted(table["row"]) == list(range(90))
    for fold, own in table.groupby("fold"):
        estimator, rows = result["estimator"][fold], result["indices"]["test"][fold]
        np.testing.assert_array_equal(own["row"], rows)
        np.testing.assert_array_equal(own["y_true"], y[rows])
        np.testing.assert_array_equal(own["y_pred"], estimator.predict(X[rows]))
        columns = [f"proba_{label}" for label in estimator.classes_]
        np.testing.assert_array_equal(own[columns], estimator.predict_proba(X[rows]))


def test_predictions_of_several_outputs(regression):
    X, y = regression
    result = cross_validate(regressor(), X, np.stack([y, -y], 1), cv=2, return_predictions=True)
    assert list(result.predictions.columns[3:]) == ["y_true_0", "y_true_1", "y_pred_0", "y_pred_1"]


def test_duplicates_of_red_wine_are_told_and_the_cure_works(shared_data):
    from skdl.model_selection import duplicate_groups

    table = pd.read_csv(shared_data("winequality-red.csv"), sep=None, engine="python")
    X, y = table.drop(columns="quality"), table["quality"]
    assert table.duplicated().sum() == 240
    with pytest.warns(DuplicateRowsWarning, match="duplicate_groups") as caught:
        cross_validate(Ridge(), X, y, n_iterations=2)
    assert [warning.filename for warning in caught] == [__file__]
    cross_validate(Ridge(), X, y, groups=duplicate_groups(X))  # no warning


# ------------------------------------------------------------------ best epoch and refit


def test_refit_trains_on_all_rows_for_as_many_epochs_as_were_best(regression):
    X, y = regression
    result = cross_validate(regressor(epochs=40, learning_rate=0.05), X, y, cv=4)
    curve = result.histories.query("metric == 'test_loss'").groupby("epoch")["value"].mean()
    assert result.best_epoch == curve.idxmin()
    assert 1 < result.best_epoch < 40
    model = result.refit()
    expected = regressor(epochs=result.best_epoch, learning_rate=0.05).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    assert result.refit(epochs=2)[-1].n_iter_ == 2


def test_refit_of_several_members_averages_them(regression):
    X, y = regression
    result = cross_validate(regressor(epochs=5), X, y, cv=2)
    with lockstep() as session:
        ensemble = result.refit(n_members=3)
    assert session.batches == [3]
    assert isinstance(ensemble, AveragingRegressor)
    each = np.stack([member.predict(X) for member in ensemble.estimators_])
    np.testing.assert_allclose(ensemble.predict(X), each.mean(0), rtol=1e-6)
    assert {member[-1].n_iter_ for member in ensemble.estimators_} == {result.best_epoch}
    assert each.std(0).min() > 0


# ------------------------------------------------------------------ the result


def test_result_can_be_pickled(regression):
    result = cross_validate(
        regressor(), *regression, cv=2, return_estimator=True, return_predictions=True
    )
    twin = pickle.loads(pickle.dumps(result))
    assert repr(twin) == repr(result)
    pd.testing.assert_frame_equal(twin.histories, result.histories)
    np.testing.assert_array_equal(
        twin.refit(epochs=2).predict(regression[0]), result.refit(epochs=2).predict(regression[0])
    )


def test_the_report_calls_a_metric_by_its_name(regression):
    named = cross_validate(Ridge(), *regression, cv=2, scoring="neg_root_mean_squared_error")
    assert "neg_root_mean_squared_error" in repr(named)
    assert "neg_root_mean_squared_error" in named._repr_html_()
    assert list(named.summary().index.unique("metric")) == ["score"]
    assert "\nscore" in repr(cross_validate(Ridge(), *regression, cv=2))


def test_nothing_that_was_passed_is_changed(regression):
    model = regressor()
    before = pickle.dumps(model)
    weights = np.ones(80)
    weights.setflags(write=False)
    params = {"mlpregressor__sample_weight": weights}
    contenders = {"ridge": Ridge()}
    cross_validate(model, *regression, cv=2, params=params, compare_with=contenders)
    assert pickle.dumps(model) == before
    assert list(params) == ["mlpregressor__sample_weight"]
    assert not hasattr(contenders["ridge"], "coef_")


@pytest.mark.slow
def test_import_loads_neither_keras_nor_tensorflow(fresh_python):
    done = fresh_python(
        "import sys, skdl.model_selection\n"
        "print(*sorted({'keras', 'tensorflow', 'scikeras', 'matplotlib'} & set(sys.modules)))"
    )
    assert done.stdout.strip() == ""


# ---------------------------------------------------------------------------------- images


@pytest.mark.parametrize("dtype", slow_but([np.uint8, np.float32], np.uint8))
def test_folds_of_images_are_not_copied_and_score_the_same(dtype, monkeypatch):
    digits = load_digits()
    X, y = digits.images[:200].astype(dtype), digits.target[:200]
    network = CNNClassifier(
        filters=4, hidden_units=8, epochs=2, early_stopping=True, random_state=0
    )
    jobs = []
    original = CNNClassifier._make_job

    def recording(self, *args, **kwargs):
        jobs.append(original(self, *args, **kwargs))
        return jobs[-1]

    monkeypatch.setattr(CNNClassifier, "_make_job", recording)
    weights = np.linspace(0.5, 2, 200)
    result = cross_validate(
        network, X, y, cv=3, baseline=False, return_train_score=True,
        params={"sample_weight": weights},
    )  # fmt: skip
    for job in jobs:
        for rows in (job.train, job.validation, job.held_out):
            assert np.shares_memory(rows.X, X)
    expected = model_selection.cross_validate(
        network, X, y, cv=3, return_train_score=True, params={"sample_weight": weights}
    )
    for name in ("test_score", "train_score"):
        np.testing.assert_allclose(result[name], expected[name], atol=1e-4)


def test_images_that_are_not_finite_are_told_of_as_ever():
    X = np.random.default_rng(0).normal(size=(30, 4, 4)).astype(np.float32)
    X[3] = np.nan
    network = CNNClassifier(filters=4, epochs=1)
    with pytest.raises(ValueError, match="contains NaN"):
        cross_validate(network, X, np.arange(30) % 2, cv=2, baseline=False, error_score="raise")
