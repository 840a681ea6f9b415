"""Trials that go wrong, and Ctrl-C: what was found stays, and the reasons can be read."""

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from optuna.pruners import MedianPruner
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sqlalchemy import event
from sqlalchemy.engine import Engine

from skdl import MLPRegressor
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import OptunaSearchCV
from skdl.model_selection.shared_study import is_counted
from skdl.model_selection.shared_study._worker import RETRY_OF
from skdl.training import Observer
from skdl.training.engine._stack import Stack
from tests.checks import slow_case

EPOCHS = 3


@pytest.fixture(scope="module")
def data(diabetes):
    X, y = diabetes
    return X[:60, :4], y[:60]


class InOrder(RandomSampler):
    """Suggests the choices, or given values, in the order of the trials."""

    def __init__(self, *values):
        super().__init__()
        self.values = values

    def sample_independent(self, study, trial, name, distribution):
        if isinstance(distribution, FloatDistribution):
            return self.values[trial.number]
        return distribution.choices[trial.number % len(distribution.choices)]


def pipeline(**params):
    fixed = {"hidden_units": (4,), "epochs": EPOCHS, "random_state": 0}
    return Pipeline([("scaler", StandardScaler()), ("mlp", MLPRegressor(**fixed | params))])


def searched(estimator, space, **params):
    fixed = {"n_trials": 3, "cv": 3, "sampler": InOrder(), "pruner": None, "start_trial": False}
    return OptunaSearchCV(estimator, space, **fixed | params)


def check_second_failed(fitted, *parts):
    """The second of three trials has failed, for the reason given, and the others have not."""
    results = fitted.cv_results_
    assert list(results["state"]) == ["complete", "failed", "complete"]
    assert list(results["reason"][[0, 2]]) == ["", ""]
    for part in parts:
        assert part in results["reason"][1]
    assert "Traceback" not in results["reason"][1]
    assert np.isnan(results["mean_test_score"][1])
    assert results["rank_test_score"][1] == 3
    assert fitted.best_index_ != 1
    assert fitted.best_params_ == results["params"][fitted.best_index_]
    frozen = fitted.study_.trials[1]
    assert frozen.state == TrialState.FAIL
    assert frozen.user_attrs["skdl:reason"] == results["reason"][1]
    assert fitted.predict(np.zeros((1, 4))).shape == (1,)


# ---------------------------------------------------------------- trials that fail


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("pruner", [None, MedianPruner(n_startup_trials=1)])
def test_trial_that_diverges(together, pruner, data):
    search = searched(
        pipeline(optimizer="sgd"), {"mlp__learning_rate": [1e-3, 1e6, 1e-2]}, pruner=pruner,
        trials_together=together,
    )  # fmt: skip
    with pytest.warns(FitFailedWarning, match="1 of 3 trials failed.*trial 1: DivergenceError"):
        search.fit(*data)
    check_second_failed(search, "DivergenceError: MLPRegressor: ", "in epoch", "learning_rate")


def test_trial_whose_parameters_are_refused(data):
    search = searched(pipeline(), {"mlp__batch_size": [16, -1, 32]})
    with pytest.warns(FitFailedWarning, match="1 of 3.*batch_size=-1") as told:
        search.fit(*data)
    assert told[0].filename == __file__
    check_second_failed(search, "InvalidParameterError: MLPRegressor: batch_size=-1")


@pytest.mark.parametrize("where", ["lockstep", "one_by_one"])
@pytest.mark.parametrize("kind", ["python", "tensorflow"])
def test_trial_that_runs_out_of_memory(kind, where, monkeypatch, data):
    import tensorflow as tf

    run_epoch = Stack._run_epoch

    def run_epoch_if_small(self):
        if any(layer.get("units") == 13 for layer in self.network.layers):
            raise (
                MemoryError("no memory for 13 units")
                if kind == "python"
                else tf.errors.ResourceExhaustedError(
                    None, None, "OOM when allocating tensor\n\nfor 13 units\n\t [[node]]"
                )
            )
        run_epoch(self)

    monkeypatch.setattr(Stack, "_run_epoch", run_epoch_if_small)
    search = searched(
        pipeline(), {"mlp__hidden_units": [(4,), (13,), (5,)]},
        trials_together=3 if where == "lockstep" else 1,
    )  # fmt: skip
    with pytest.warns(FitFailedWarning, match="1 of 3"):
        search.fit(*data)
    name = {"python": "MemoryError: no", "tensorflow": "ResourceExhaustedError: "}[kind]
    check_second_failed(search, name, "13 units")
    assert search.cv_results_["params"][1] == {"mlp__hidden_units": (13,)}


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
@pytest.mark.parametrize("several", [False, True])
def test_trial_whose_scorer_fails(several, data):
    def scoring(estimator, X, y):
        if estimator["mlp"].l2 == 0.1:
            raise ZeroDivisionError("there is nothing to divide")
        return estimator.score(X, y)

    search = searched(
        pipeline(), {"mlp__l2": [0.0, 0.1, 0.2]},
        scoring={"r2": "r2", "score": scoring} if several else scoring,
        refit="score" if several else True,
    )  # fmt: skip
    with pytest.warns(FitFailedWarning, match="1 of 3.*ZeroDivisionError"):
        search.fit(*data)
    check_second_failed(search, "ZeroDivisionError: there is nothing to divide")


def test_trial_whose_score_is_nan(data):
    def scoring(estimator, X, y):
        return np.nan if estimator.alpha == 2 else estimator.score(X, y)

    search = searched(Ridge(), {"alpha": [1, 2, 3]}, scoring=scoring)
    with pytest.warns(FitFailedWarning, match="trial 1: a score is NaN"):
        search.fit(*data)
    check_second_failed(search, "a score is NaN")


class Picky(TransformerMixin, BaseEstimator):
    """Fails where the first row of all is among those it is fitted on."""

    def __init__(self, is_picky=False, row=None):
        self.is_picky, self.row = is_picky, row

    def fit(self, X, y=None):
        if self.is_picky and (np.asarray(X) == self.row).all(axis=1).any():
            raise RuntimeError("not this row,\nplease")
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X


def test_trial_that_fails_in_some_folds(data):
    """Of three folds, the first alone leaves the first row out of training."""
    X, y = data
    model = make_pipeline(Picky(row=X[0]), MLPRegressor((4,), epochs=EPOCHS, random_state=0))
    space = {"picky__is_picky": [False, True], "mlpregressor__l2": [0.1]}
    search = searched(model, space, n_trials=2)
    with pytest.warns(FitFailedWarning, match=r"1 of 2 .*(?s:trial 1: RuntimeError: not this row)"):
        search.fit(X, y)
    assert list(search.cv_results_["state"]) == ["complete", "failed"]
    assert search.cv_results_["reason"][1] == "RuntimeError: not this row,\nplease"

    counted = searched(model, space, n_trials=2, error_score=-5.0, refit=False)
    with pytest.warns(FitFailedWarning, match="1 of 2 trials failed, in some folds at least"):
        counted.fit(X, y)
    results = counted.cv_results_
    assert list(results["state"]) == ["complete", "complete"]
    assert results["reason"][1] == "RuntimeError: not this row,\nplease"
    assert [results[f"split{i}_test_score"][1] for i in (1, 2)] == [-5, -5]
    assert results["mean_test_score"][1] == pytest.approx(
        (results["split0_test_score"][1] - 10) / 3
    )


@pytest.mark.parametrize("scoring", [None, ["r2", "neg_mean_absolute_error"]])
def test_number_as_error_score_counts_for_trials_that_fail_altogether(scoring, data):
    search = searched(
        pipeline(), {"mlp__batch_size": [-1, 16]}, n_trials=2, error_score=-7, scoring=scoring,
        refit="r2" if scoring else True,
    )  # fmt: skip
    with pytest.warns(FitFailedWarning, match="1 of 2"):
        search.fit(*data)
    for name in scoring or ["score"]:
        assert search.cv_results_[f"mean_test_{name}"][0] == -7
    assert list(search.cv_results_["state"]) == ["complete", "complete"]
    assert search.study_.trials[0].value == -7


def test_function_of_the_trial_that_raises(data):
    def space(trial):
        rate = trial.suggest_float("rate", 0.01, 0.1)
        if trial.number == 1:
            raise LookupError("no such place")
        return {"mlp__learning_rate": rate}

    search = searched(pipeline(), space, sampler=InOrder(0.01, 0.02, 0.03))
    with pytest.warns(FitFailedWarning, match="LookupError: no such place"):
        search.fit(*data)
    check_second_failed(search, "LookupError: no such place")
    assert search.cv_results_["params"][1] == {}
    with pytest.raises(LookupError, match="no such place"):
        searched(pipeline(), space, sampler=InOrder(0.01, 0.02, 0.03), error_score="raise").fit(
            *data
        )


def test_all_failed_is_an_error_with_the_reason(data):
    search = searched(pipeline(), {"mlp__batch_size": [-1, -2, -3]})
    with pytest.raises(
        ValueError, match=r"(?s)3 of 3 trials failed.*batch_size=-1.*error_score='raise'"
    ):
        search.fit(*data)
    assert list(search.cv_results_["state"]) == ["failed"] * 3
    assert not hasattr(search, "best_params_")


@pytest.mark.parametrize("together", [1, 3])
def test_error_score_raise_raises(together, data):
    search = searched(
        pipeline(), {"mlp__batch_size": [16, -1, 8]}, error_score="raise", trials_together=together
    )
    with pytest.raises(InvalidParameterError, match="batch_size=-1"):
        search.fit(*data)
    assert not [t for t in search.study_.trials if t.state == TrialState.RUNNING]


def test_long_reasons_are_cut(data):
    class Talkative(Ridge):
        def fit(self, X, y):
            raise ValueError("x" * 10_000)

    search = searched(Talkative(), {"alpha": [1.0]}, n_trials=1)
    with pytest.raises(ValueError, match="1 of 1"):
        search.fit(*data)
    assert len(search.cv_results_["reason"][0]) < 1100


# ---------------------------------------------------------------- Ctrl-C


class Interrupt(Observer):
    """Presses Ctrl-C in the second epoch of the trials with a certain penalty."""

    is_armed = True

    def __deepcopy__(self, memo):
        return self

    def on_epoch_end(self, member, epoch, logs):
        if self.is_armed and epoch == 1 and self.n_begun > 6:
            raise KeyboardInterrupt

    def on_train_begin(self, member):
        self.n_begun = getattr(self, "n_begun", 0) + 1


def check_kept(search, n_complete):
    results = search.cv_results_
    assert list(results["state"]) == ["complete"] * n_complete
    assert search.best_params_ == results["params"][int(np.argmax(results["mean_test_score"]))]
    assert search.best_score_ == results["mean_test_score"].max()
    assert not hasattr(search, "best_estimator_")
    assert not [t for t in search.study_.trials if t.state == TrialState.RUNNING]


@pytest.mark.parametrize("kept", ["memory", "sqlite", "journal"])
def test_ctrl_c_while_folds_train(kept, tmp_path, data):
    storage = {
        "memory": {},
        "sqlite": {"storage": f"sqlite:///{tmp_path / 'study.db'}", "study_name": "it"},
        "journal": {"storage": tmp_path / "study.log", "study_name": "it"},
    }[kept]
    interrupt = Interrupt()
    search = OptunaSearchCV(
        pipeline(callbacks=[interrupt]), {"mlp__l2": FloatDistribution(0.01, 1)}, n_trials=4, cv=3,
        random_state=0, pruner=None, start_trial=False, **storage,
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        search.fit(*data)
    check_kept(search, 2)
    cut = search.study_.trials[2]
    assert not is_counted(cut)
    done = search.cv_results_

    interrupt.is_armed = False
    search.fit(*data)
    assert list(search.cv_results_["state"]) == ["complete"] * 4
    if storage:
        assert search.cv_results_["params"][:2] == done["params"]
        assert list(search.cv_results_["seconds"][:2]) == list(done["seconds"])
        # What was cut short is done again, with the same parameters.
        (again,) = [t for t in search.study_.trials if t.user_attrs.get(RETRY_OF) == cut.number]
        assert again.params == cut.params
    assert search.predict(data[0]).shape == (60,)


@pytest.mark.parametrize(
    ("statement", "nth"), [("SELECT", 4), slow_case(("INSERT", 5)), slow_case(("UPDATE", 2))]
)
def test_ctrl_c_inside_a_transaction_leaves_no_lock(statement, nth, tmp_path, monkeypatch, data):
    """SQLite's lock lasts for as long as the statement lives that Ctrl-C has cut short."""
    seconds = "skdl.model_selection.shared_study._storage.SECONDS_TO_WAIT_FOR_SQLITE"
    monkeypatch.setattr(seconds, 2.0)
    left = None

    def callback(study, trial):
        nonlocal left
        left = nth if trial.number == 1 else left

    def interrupt(connection, cursor, text, *arguments):
        nonlocal left
        if left and text.startswith(statement):
            left -= 1
            if not left:
                raise KeyboardInterrupt

    search = searched(
        Ridge(), {"alpha": FloatDistribution(0.1, 1)}, n_trials=5, callbacks=[callback],
        sampler=None, storage=f"sqlite:///{tmp_path / 'study.db'}", study_name="it",
    )  # fmt: skip
    event.listen(Engine, "after_cursor_execute", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            search.fit(*data)
    finally:
        event.remove(Engine, "after_cursor_execute", interrupt)
    check_kept(search, 2)
    left = None
    search.fit(*data)
    assert list(search.cv_results_["state"]) == ["complete"] * 5


@pytest.mark.parametrize("together", [1, 2])
def test_ctrl_c_between_trials(together, data):
    def callback(study, trial):
        if trial.number == 1:
            raise KeyboardInterrupt

    search = searched(
        pipeline(), {"mlp__l2": [0.0, 0.1, 0.2, 0.3]}, n_trials=4, callbacks=[callback],
        trials_together=together,
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        search.fit(*data)
    check_kept(search, 2)


def test_ctrl_c_while_a_trial_is_suggested(data):
    def space(trial):
        if trial.number == 2:
            raise KeyboardInterrupt
        return {"mlp__l2": trial.suggest_float("l2", 0.01, 0.1)}

    search = searched(pipeline(), space, sampler=None)
    with pytest.raises(KeyboardInterrupt):
        search.fit(*data)
    check_kept(search, 2)


def test_ctrl_c_before_anything_is_finished(data):
    def space(trial):
        trial.suggest_float("l2", 0.01, 0.1)
        if trial.study.study_name == "it":
            raise KeyboardInterrupt
        return {}

    search = searched(pipeline(), space, sampler=None, study_name="it")
    with pytest.raises(KeyboardInterrupt):
        search.fit(*data)
    assert search.cv_results_["params"] == []
    assert not hasattr(search, "best_params_")


@pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning")
@pytest.mark.parametrize("together", [1, 4])
def test_an_error_that_is_raised_costs_no_other_trial_of_a_study_that_goes_on(
    together, data, tmp_path
):
    search = searched(
        pipeline(),
        {"mlp__batch_size": [8, 16, -1]},
        error_score="raise",
        trials_together=together,
        n_trials=4,
        start_trial=True,
        storage=str(tmp_path / "study.log"),
        study_name="mended",
    )
    with pytest.raises(InvalidParameterError, match="batch_size=-1"):
        search.fit(*data)
    blamed = [t for t in search.study_.trials if is_counted(t) and t.state == TrialState.FAIL]
    assert [t.params["mlp__batch_size"] for t in blamed] == [-1]
    with pytest.warns(FitFailedWarning, match="1 of 4 trials failed"):
        search.set_params(error_score=np.nan).fit(*data)
    assert sorted(search.cv_results_["state"]) == ["complete"] * 3 + ["failed"]
    assert np.isfinite(search.start_score_)
