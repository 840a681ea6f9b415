"""OptunaSearchCV's pruning: what is reported each epoch, in which units, and who judges it."""

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.pruners import (
    HyperbandPruner,
    MedianPruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)
from optuna.samplers import GridSampler, RandomSampler
from optuna.trial import TrialState
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import make_scorer, mean_absolute_error, roc_auc_score
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl.model_selection import OptunaSearchCV

EPOCHS = 4
NEVER = ThresholdPruner(lower=-1e30)
GOOD, BAD = 0.05, 1e-6


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    return X[:60, :4], y[:60]


@pytest.fixture(scope="module")
def classes(iris):
    X, y = iris
    rows = np.flatnonzero(y > 0)[:60]
    return X[rows, :2], np.where(y[rows] > 1, "two", "one")


def network(kind=MLPRegressor, **params):
    fixed = {"hidden_units": (4,), "epochs": EPOCHS, "learning_rate": 0.05, "random_state": 0}
    return kind(**fixed | params)


def pipeline(*args, **params):
    return Pipeline([("scaler", StandardScaler()), ("mlp", network(*args, **params))])


def searched(estimator, space, **params):
    fixed = {
        "n_trials": 2, "cv": 3, "refit": False, "random_state": 0, "pruner": NEVER,
        "start_trial": False,
    }  # fmt: skip
    return OptunaSearchCV(estimator, space, **fixed | params)


def rates(*values):
    """Return a space and a sampler that goes through learning rates in this order."""
    return {"learning_rate": FloatDistribution(1e-7, 1)}, InOrder(values)


class InOrder(RandomSampler):
    """Suggests given values one after another."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def sample_independent(self, study, trial, name, distribution):
        return self.values[trial.number]


# ---------------------------------------------------------------- the units


def mean_squared_ratio(y, predicted, *, sample_weight=None):
    return np.average((predicted / y) ** 2, weights=sample_weight)


def own_scorer(estimator, X, y):
    return -mean_absolute_error(y, estimator.predict(X)) + 0.1 * len(X)


CASES = {
    "default": (pipeline, "data", None),
    "error": (pipeline, "data", "neg_root_mean_squared_error"),
    "made": (pipeline, "data", make_scorer(mean_squared_ratio, greater_is_better=False)),
    "own": (pipeline, "data", own_scorer),
    "log-target": (
        lambda: TransformedTargetRegressor(pipeline(), func=np.log, inverse_func=np.exp),
        "data",
        "neg_mean_absolute_error",
    ),
    "accuracy": (lambda: pipeline(MLPClassifier), "classes", None),
    "roc_auc": (lambda: pipeline(MLPClassifier), "classes", "roc_auc"),
    "log_loss": (lambda: pipeline(MLPClassifier), "classes", "neg_log_loss"),
    "f1": (
        lambda: pipeline(MLPClassifier),
        "classes",
        make_scorer(lambda y, p: float(np.mean((y == "two") == (p == "two")))),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_last_value_reported_is_the_score(case, request):
    make, rows, scoring = CASES[case]
    prefix = "regressor__mlp__" if case == "log-target" else "mlp__"
    space = {f"{prefix}learning_rate": FloatDistribution(0.01, 0.1)}
    fitted = searched(make(), space, scoring=scoring).fit(*request.getfixturevalue(rows))
    for trial in fitted.study_.trials:
        assert list(trial.intermediate_values) == list(range(1, EPOCHS + 1))
        assert trial.intermediate_values[EPOCHS] == pytest.approx(trial.value, rel=1e-4)
        assert len(set(trial.intermediate_values.values())) > 1


@pytest.mark.parametrize("refit", ["r2", "mae"])
def test_of_several_metrics_the_one_to_maximize_is_reported(refit, data):
    weight = np.linspace(0.1, 1, 60)
    fitted = searched(
        network(), {"l2": [0.0, 0.1]}, refit=refit,
        # The last of them takes no weights.
        scoring={"r2": "r2", "mae": "neg_mean_absolute_error", "worst": "neg_max_error"},
    )  # fmt: skip
    with pytest.warns(UserWarning, match="worst=.* does not support sample_weight"):
        fitted.fit(*data, sample_weight=weight)
    for i, trial in enumerate(fitted.study_.trials):
        expected = fitted.cv_results_[f"mean_test_{refit}"][i]
        assert trial.intermediate_values[EPOCHS] == pytest.approx(expected, rel=1e-4)


def test_each_epoch_is_scored_as_a_network_of_so_many_epochs_would_be(data):
    space = {"mlp__l2": [0.1]}
    fitted = searched(pipeline(), space, n_trials=1, scoring="r2").fit(*data)
    (trial,) = fitted.study_.trials
    for epoch, value in trial.intermediate_values.items():
        model = pipeline(l2=0.1, epochs=epoch)
        expected = cross_validate(model, *data, cv=KFold(3), scoring="r2")["test_score"].mean()
        assert value == pytest.approx(expected, abs=1e-3)


def test_a_scorer_that_needs_the_fitted_network_leaves_the_loss(data):
    def scoring(estimator, X, y):
        return -abs(estimator.model_.count_params()) - np.std(estimator.predict(X)) / 1e6

    fitted = searched(network(), {"l2": [0.1]}, n_trials=1, scoring=scoring).fit(*data)
    (trial,) = fitted.study_.trials
    with skdl.lockstep():
        folds = skdl.model_selection.cross_validate(network(l2=0.1), *data, cv=KFold(3))
    losses = folds.histories.query("metric == 'test_loss'").groupby("epoch")["value"].mean()
    assert list(trial.intermediate_values.values()) == pytest.approx(list(-losses), rel=1e-4)
    assert trial.value < -20


@pytest.mark.filterwarnings("ignore:Scoring failed")
def test_folds_that_cannot_be_scored_are_left_out_and_no_loss_takes_their_place(classes):
    def scoring(estimator, X, y):
        if len(set(y)) == 1:
            raise ValueError("only one class")
        return roc_auc_score(y, estimator.predict_proba(X)[:, 1])

    X, y = classes
    in_order = np.argsort(y)
    X, y = X[in_order], y[in_order]
    folds = [(np.arange(20, 60), np.arange(20)), (np.arange(0, 60, 2), np.arange(1, 60, 2))]
    fitted = searched(
        network(MLPClassifier), {"l2": [0.1]}, n_trials=1, cv=folds, scoring=scoring,
        error_score=0.0,
    ).fit(X, y)  # fmt: skip
    (trial,) = fitted.study_.trials
    score = fitted.cv_results_["split1_test_score"][0]
    assert score > 0
    assert trial.intermediate_values[EPOCHS] == pytest.approx(score, rel=1e-4)
    assert trial.value == pytest.approx(score / 2)


# ---------------------------------------------------------------- Optuna's pruners


def test_automatic_pruner_lets_those_go_on_that_are_ahead(data):
    """Each rate here is better than a lower one, in every fold."""
    first_five = (0.01, 0.005, 0.004, 0.003, 0.002)  # of which none is pruned
    space, sampler = rates(*first_five, 0.001, 0.02, BAD, 0.03)
    options = {"sampler": sampler, "pruner": "auto", "trials_together": 1}
    fitted = searched(network(epochs=12), space, n_trials=9, **options).fit(*data)
    results = fitted.cv_results_
    states = ["pruned", "complete", "pruned", "complete"]
    assert list(results["state"]) == ["complete"] * 5 + states
    pruned = results["state"] == "pruned"
    assert list(results["reason"][pruned]) == ["Pruned after epoch 3."] * 2
    assert list(results["n_epochs"]) == [36] * 5 + [9, 36, 9, 36]
    assert np.isnan(results["mean_test_score"][pruned]).all()
    assert list(results["rank_test_score"]) == [3, 4, 5, 6, 7, 8, 2, 8, 1]
    assert results["params"][7] == {"learning_rate": BAD}
    assert fitted.best_params_ == {"learning_rate": 0.03}


@pytest.mark.parametrize(
    "pruner",
    [
        MedianPruner(n_startup_trials=1),
        HyperbandPruner(1, EPOCHS, reduction_factor=2),
        SuccessiveHalvingPruner(1, reduction_factor=2, bootstrap_count=0),
        optuna.pruners.PercentilePruner(50, n_startup_trials=1),
    ],
    ids=lambda pruner: type(pruner).__name__,
)
def test_pruners_of_optuna_end_the_worst(pruner, data):
    space, sampler = rates(GOOD, 0.06, BAD, 0.04, BAD, 0.03, BAD, GOOD)
    # Hyperband deals trials to its brackets by the name of the study.
    search = searched(network(), space, n_trials=8, sampler=sampler, pruner=pruner, study_name="it")
    with skdl.lockstep() as session:
        fitted = search.fit(*data)
    assert session.batches == [3] * 8
    results = fitted.cv_results_
    pruned = np.flatnonzero(results["state"] == "pruned")
    assert len(pruned)
    assert BAD in [results["params"][i]["learning_rate"] for i in pruned]
    assert (results["n_epochs"][pruned] < 3 * EPOCHS).all()
    assert fitted.best_params_["learning_rate"] != BAD


def test_after_the_last_epoch_nothing_is_pruned(data):
    """All is paid for, so the score may as well be had."""
    always = ThresholdPruner(lower=1e9, n_warmup_steps=EPOCHS)
    fitted = searched(network(), {"l2": [0.0, 0.1]}, pruner=always).fit(*data)
    assert list(fitted.cv_results_["state"]) == ["complete"] * 2
    assert list(fitted.study_.trials[0].intermediate_values) == [1, 2, 3, 4]


def test_without_a_pruner_all_trials_run_to_their_end(data):
    space, sampler = rates(GOOD, GOOD, BAD, BAD)
    fitted = searched(network(), space, n_trials=4, sampler=sampler, pruner=None).fit(*data)
    assert set(fitted.cv_results_["state"]) == {"complete"}
    assert not fitted.study_.trials[0].intermediate_values


@pytest.mark.filterwarnings("ignore:WilcoxonPruner is experimental")
@pytest.mark.parametrize(("n_iterations", "batches"), [(1, [1] * 10), (4, [5] * 4)])
def test_wilcoxon_judges_fold_by_fold(n_iterations, batches, data):
    space, sampler = rates(GOOD, BAD)
    search = searched(
        network(), space, sampler=sampler, cv=5 if n_iterations > 1 else 10,
        n_iterations=n_iterations, pruner=WilcoxonPruner(p_threshold=0.1),
    )  # fmt: skip
    with skdl.lockstep() as session:
        fitted = search.fit(*data)
    assert session.batches[: len(batches)] == batches
    good, bad = fitted.study_.trials
    results = fitted.cv_results_
    assert (good.state, bad.state) == (TrialState.COMPLETE, TrialState.PRUNED)
    n_folds = fitted.n_splits_
    scores = [results[f"split{i}_test_score"][0] for i in range(n_folds)]
    assert list(good.intermediate_values.values()) == pytest.approx(scores)
    assert len(bad.intermediate_values) < n_folds
    assert (
        results["reason"][1] == f"Pruned after {len(bad.intermediate_values)} of {n_folds} folds."
    )
    assert results["n_epochs"][0] == n_folds * EPOCHS
    assert results["n_epochs"][1] == len(bad.intermediate_values) * EPOCHS


def test_best_trial_with_pruning_is_the_best_without(data):
    space = {"learning_rate": [0.1, 0.05, 0.03, 0.01, 1e-3, 1e-4, 1e-5, 1e-6]}
    runs = [
        searched(
            network(), space, n_trials=8, sampler=GridSampler(space, seed=1), pruner=pruner
        ).fit(*data)
        for pruner in (None, MedianPruner(n_startup_trials=2))
    ]
    assert runs[0].best_params_ == runs[1].best_params_
    assert runs[0].best_score_ == pytest.approx(runs[1].best_score_, abs=1e-3)
    assert runs[1].cv_results_["n_epochs"].sum() < runs[0].cv_results_["n_epochs"].sum()


def test_all_pruned_is_an_error_that_says_so(data):
    search = searched(network(), {"l2": [0.1]}, pruner=ThresholdPruner(lower=1e9))
    with pytest.raises(ValueError, match=r"all 2 trials were pruned.*pruner=None"):
        search.fit(*data)


def test_a_function_of_the_trial_may_prune_it(data):
    def space(trial):
        l2 = trial.suggest_categorical("l2", [0.0, 0.1])
        if trial.number == 1:
            raise optuna.TrialPruned("not that one")
        return {"l2": l2}

    fitted = searched(network(), space, n_trials=3).fit(*data)
    assert list(fitted.cv_results_["state"]) == ["complete", "pruned", "complete"]
    assert fitted.cv_results_["reason"][1] == "not that one"
    assert fitted.cv_results_["params"][1] == {}


@pytest.mark.slow
def test_networks_that_keras_trains_can_be_searched(data):
    import keras

    class Watcher(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    space, sampler = rates(GOOD, 0.04, BAD)
    estimator = network(callbacks=[Watcher()], epochs=2)
    fitted = searched(
        estimator, space, n_trials=3, sampler=sampler, cv=2,
        pruner=MedianPruner(n_startup_trials=2),
    ).fit(*data)  # fmt: skip
    assert list(fitted.cv_results_["state"]) == ["complete", "complete", "pruned"]
    first = fitted.study_.trials[0]
    assert first.intermediate_values[2] == pytest.approx(first.value, rel=1e-4)


def test_networks_that_stand_beside_others_are_searched_without_pruning(data):
    from sklearn.ensemble import VotingRegressor
    from sklearn.linear_model import Ridge

    both = VotingRegressor([("mlp", network()), ("ridge", Ridge())])
    search = searched(both, {"mlp__l2": [0.0, 0.1]}, pruner=ThresholdPruner(lower=1e9))
    with pytest.warns(UserWarning, match="pruner=ThresholdPruner judged no trial"):
        fitted = search.fit(*data)
    assert set(fitted.cv_results_["state"]) == {"complete"}
