"""Pipelines whose samplers change the rows of ``fit``, and held-out rows that cannot be scored."""

import numpy as np
import optuna
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import MLPClassifier
from skdl.model_selection import KFoldEnsembleClassifier, OptunaSearchCV, cross_validate


class EverySecondRow(BaseEstimator):
    """A sampler, as imbalanced-learn's are: it has no ``transform``."""

    def fit_resample(self, X, y):
        return X[::2], y[::2]


class SamplerPipeline(Pipeline):
    """What imbalanced-learn's Pipeline does, without it."""

    def fit(self, X, y):
        self.steps = list(self.steps)
        for _, step in self.steps[:-1]:
            if hasattr(step, "fit_resample"):
                X, y = step.fit_resample(X, y)
            elif step != "passthrough":
                X = step.fit(X, y).transform(X)
        self.steps[-1][1].fit(X, y)
        return self

    def predict(self, X):
        return self.steps[-1][1].predict(self._prepared(X))

    def predict_proba(self, X):
        return self.steps[-1][1].predict_proba(self._prepared(X))

    def score(self, X, y):
        return self.steps[-1][1].score(self._prepared(X), y)

    def _prepared(self, X):
        for _, step in self.steps[:-1]:
            X = step.transform(X) if hasattr(step, "transform") else X
        return X


def stand_in(network):
    steps = [("scale", StandardScaler()), ("none", "passthrough"), ("sample", EverySecondRow())]
    return SamplerPipeline([*steps, ("mlpclassifier", network)])


def sampler_first(network):
    return SamplerPipeline([("sample", EverySecondRow()), ("mlpclassifier", network)])


def imbalanced_learn(network):
    pipeline = pytest.importorskip("imblearn.pipeline")
    from imblearn.under_sampling import RandomUnderSampler

    return pipeline.make_pipeline(StandardScaler(), RandomUnderSampler(random_state=0), network)


@pytest.fixture(params=[stand_in, sampler_first, imbalanced_learn])
def pipeline_around(request):
    return request.param


@pytest.fixture
def iris():
    X, y = load_iris(return_X_y=True)
    return X[:120], y[:120]


def test_held_out_rows_are_scored_as_the_finished_pipeline_scores_them(pipeline_around, iris):
    X, y = iris
    pipe = pipeline_around(MLPClassifier(8, epochs=3, random_state=0))
    result = cross_validate(
        pipe, X, y, cv=3, return_estimator=True, return_indices=True, baseline=False
    )
    histories = result.histories
    assert sorted(set(histories["fold"])) == [0, 1, 2]
    for fold, test in enumerate(result["indices"]["test"]):
        losses = histories[(histories["fold"] == fold) & (histories["metric"] == "test_loss")]
        expected = log_loss(y[test], result["estimator"][fold].predict_proba(X[test]))
        assert losses["value"].iloc[-1] == pytest.approx(expected, rel=1e-4)


def test_ensemble_stops_on_held_out_rows_that_no_sampler_has_touched(pipeline_around, iris):
    X, y = iris
    pipe = pipeline_around(MLPClassifier(8, epochs=4, early_stopping=True, random_state=0))
    ensemble = KFoldEnsembleClassifier(pipe, cv=3, random_state=0).fit(X, y)
    assert np.isfinite(ensemble.oof_predictions_).all()
    assert 1 <= ensemble.best_epoch_ <= 4


def test_search_prunes_pipelines_with_samplers(pipeline_around, iris):
    pipe = pipeline_around(MLPClassifier(8, epochs=12, random_state=0))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1)
    search = OptunaSearchCV(
        pipe,
        {"mlpclassifier__learning_rate": [1e-7, 1e-2]},
        n_trials=6,
        start_trial=False,
        cv=3,
        pruner=pruner,
        random_state=1,
    ).fit(*iris)
    assert all(trial.intermediate_values for trial in search.study_.trials)
    assert "pruned" in search.cv_results_["state"]


FAILED = []


class FailsOnce(TransformerMixin, BaseEstimator):
    """Refuses the first rows that it is shown and was not fitted on."""

    def fit(self, X, y=None):
        self.n_rows_ = len(X)
        return self

    def transform(self, X):
        if len(X) != self.n_rows_ and not FAILED:
            FAILED.append(len(X))
            raise ValueError("not these rows")
        return X


@pytest.fixture
def fails_once():
    FAILED.clear()
    return make_pipeline(FailsOnce(), MLPClassifier(8, epochs=2, random_state=0))


def test_held_out_rows_that_cannot_be_scored_are_told_of(fails_once, iris):
    with pytest.warns(UserWarning, match=r"of 1 of 3 folds .*not these rows.*There are no hist"):
        result = cross_validate(fails_once, *iris, cv=3, baseline=False)
    assert len(set(result.histories["fold"])) == 2
    assert np.isfinite(result["test_score"]).all()


def test_search_that_cannot_prune_a_trial_tells_of_it(fails_once, iris):
    search = OptunaSearchCV(
        fails_once,
        {"mlpclassifier__hidden_units": [4, 8]},
        n_trials=2,
        start_trial=False,
        cv=3,
        pruner=optuna.pruners.MedianPruner(),
        random_state=0,
    )
    with pytest.warns(UserWarning, match=r"not these rows.*such folds were not pruned"):
        search.fit(*iris)
    assert len(search.cv_results_["params"]) == 2


def test_pruner_that_never_saw_an_epoch_is_told_of(iris):
    from sklearn.ensemble import BaggingClassifier

    bagging = BaggingClassifier(MLPClassifier(4, epochs=2), n_estimators=2, random_state=0)
    search = OptunaSearchCV(
        bagging,
        {"estimator__dropout": [0.0, 0.1]},
        n_trials=2,
        start_trial=False,
        cv=3,
        pruner=optuna.pruners.MedianPruner(),
        random_state=0,
    )
    with pytest.warns(
        UserWarning, match=r"pruner=MedianPruner judged no trial.*Expected a network"
    ):
        search.fit(*iris)
