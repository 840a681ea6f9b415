"""Lockstep: scikit-learn's own functions train what they clone together, and survive faults."""

import contextlib
import functools
import gc
import multiprocessing
import textwrap
import threading
import time
import types

import keras
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    RandomForestRegressor,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    RepeatedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl.exceptions import DivergenceError
from skdl.training.lockstep import _backend, _rendezvous
from tests.checks import slow_but, slow_case

TINY = {"hidden_units": 4, "epochs": 2, "learning_rate": 0.01, "random_state": 0}
RATES = {"mlpregressor__learning_rate": [0.001, 0.01, 0.1]}

# In tests of faults, what waits for ever is the failure to be found.
hangs_show = pytest.mark.timeout(60)


def regressor(**params):
    return make_pipeline(StandardScaler(), MLPRegressor(**TINY | params))


def classifier(**params):
    return make_pipeline(StandardScaler(), MLPClassifier(**TINY | params))


@pytest.fixture(scope="module")
def regression(diabetes):
    X, y = diabetes
    return X[:60, :3], y[:60]


@pytest.fixture(scope="module")
def classification(iris):
    X, y = iris
    return X[:90], y[:90]


@pytest.fixture(autouse=True)
def no_thread_stays():
    """Fail tests that leave a thread of lockstep behind."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = [t for t in threading.enumerate() if t not in before and "_run" in t.name]
        if not left:
            return
        time.sleep(0.01)
    assert not left


# ------------------------------------------------------------------ scikit-learn's functions


def first_layer_sizes(pipeline):
    kernel = pipeline[-1].model_.get_weights()[0]
    return np.abs(kernel).sum(1)


def scores_of_search(search, X, y):
    search.fit(X, y)
    return np.append(search.cv_results_["mean_test_score"], search.predict(X))


def by_repeated_k_fold(X, y):
    cv = RepeatedKFold(n_splits=5, n_repeats=10, random_state=0)
    return cross_val_score(regressor(), X, y, cv=cv)


def by_cross_validate(X, y):
    results = cross_validate(regressor(), X, y, cv=4, return_train_score=True)
    return np.stack([results["train_score"], results["test_score"]])


def by_cross_val_predict(X, y):
    return cross_val_predict(regressor(), X, y, cv=5)


def by_grid_search(X, y):
    return scores_of_search(GridSearchCV(regressor(), RATES, cv=4), X, y)


def by_randomized_search(X, y):
    search = RandomizedSearchCV(regressor(), RATES, n_iter=2, cv=4, random_state=0)
    return scores_of_search(search, X, y)


def by_halving_search(X, y):
    search = HalvingGridSearchCV(
        regressor(), RATES, cv=2, factor=3, min_resources=20, random_state=0
    )
    return scores_of_search(search, X, y)


def by_learning_curve(X, y):
    _, train, test = learning_curve(regressor(), X, y, train_sizes=[0.3, 0.6, 1.0], cv=4)
    return np.stack([train, test])


def by_validation_curve(X, y):
    (name,) = RATES
    train, test = validation_curve(
        regressor(), X, y, param_name=name, param_range=RATES[name], cv=4
    )
    return np.stack([train, test])


def by_permutation_test(X, y):
    score, permuted, _ = permutation_test_score(
        regressor(), X, y, cv=3, n_permutations=6, random_state=0
    )
    return np.append(permuted, score)


def by_bagging(X, y):
    return BaggingRegressor(regressor(), n_estimators=20, random_state=0).fit(X, y).predict(X)


def by_multi_output(X, y):
    return MultiOutputRegressor(regressor()).fit(X, np.stack([y, -y, y**2], 1)).predict(X)


def by_rfecv(X, y):
    selection = RFECV(regressor(), cv=4, importance_getter=first_layer_sizes).fit(X, y)
    return selection.cv_results_["mean_test_score"]


def by_nested_search(X, y):
    search = GridSearchCV(regressor(), RATES, cv=2)
    return cross_val_score(search, X, y, cv=4)


def by_one_vs_rest(X, y):
    return OneVsRestClassifier(classifier()).fit(X, y).predict_proba(X)


def by_stacking(X, y):
    members = [("small", classifier()), ("large", classifier(hidden_units=8))]
    stack = StackingClassifier(members, LogisticRegression(), cv=5)
    return stack.fit(X, y).predict_proba(X)


def by_calibration(X, y):
    return CalibratedClassifierCV(classifier(), cv=3).fit(X, y).predict_proba(X)


@pytest.mark.parametrize(
    ("function", "batches"),
    [
        (by_repeated_k_fold, [50]),
        (by_cross_validate, [4]),
        (by_cross_val_predict, [5]),
        (by_grid_search, [3 * 4]),  # the refit is no task
        (by_randomized_search, [2 * 4]),
        (by_halving_search, [3 * 2, 1 * 2]),
        (by_learning_curve, [3 * 4]),
        (by_validation_curve, [3 * 4]),
        (by_permutation_test, [6] * 3),  # each task fits fold after fold
        (by_bagging, [20]),
        (by_multi_output, [3]),
        slow_case((by_rfecv, [4] * 3)),  # each task fits with 3, 2 and 1 features
        (by_nested_search, [4 * 3 * 2, 4]),
        (by_one_vs_rest, [3]),
        (by_stacking, [2, 2 * 5]),
        (by_calibration, [3]),
    ],
)
def test_function_trains_its_clones_together(function, batches, request):
    of_classes = function in {by_one_vs_rest, by_stacking, by_calibration}
    X, y = request.getfixturevalue("classification" if of_classes else "regression")
    with skdl.lockstep() as session:
        together = function(X, y)
    assert session.batches == batches
    alone = function(X, y)
    assert session.batches == batches
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4 * alone.std())


def test_nested_cross_validation_three_levels_deep(regression):
    members = VotingRegressor([("a", regressor()), ("b", regressor(hidden_units=8))])
    search = GridSearchCV(members, {"a__mlpregressor__l2": [0.0, 0.1]}, cv=2)
    with skdl.lockstep() as session:
        together = cross_val_score(search, *regression, cv=3)
    assert session.batches == [3 * 2 * 2 * 2, 3 * 2]
    np.testing.assert_allclose(together, cross_val_score(search, *regression, cv=3), rtol=1e-3)


@hangs_show
@pytest.mark.parametrize("generator", [None, "generator"])
def test_callers_that_wake_late_are_waited_for(generator, regression):
    """Joblib looks every 10 ms whether results can be handed on: each outer task at other times."""

    def fit_twice():
        for _ in range(2):
            fits = (delayed(regressor().fit)(*regression) for _ in range(3))
            list(Parallel(**({"return_as": generator} if generator else {}))(fits))

    for _ in range(4):
        with skdl.lockstep() as session:
            Parallel()(delayed(fit_twice)() for _ in range(4))
        assert session.batches == [12, 12]


def test_callers_sleep_until_their_tasks_have_ended(regression, monkeypatch):
    """A race has hundreds: if each looked at its tasks every 10 ms, nothing else would be done."""
    looks = []
    clock = types.SimpleNamespace(time=time.time, sleep=lambda _: looks.append(time.sleep(0.01)))
    monkeypatch.setattr("joblib.parallel.time", clock)
    with skdl.lockstep() as session:
        by_nested_search(*regression)
        cross_val_score(regressor(), *regression, cv=4)
    assert session.batches == [4 * 3 * 2, 4, 4]
    assert looks == []


@hangs_show
def test_a_failure_wakes_the_caller_at_once(regression):
    is_over = threading.Event()

    def fail():
        raise LookupError("too bad")

    def wait():
        is_over.wait(5)  # on one core the other one begins after it

    with skdl.lockstep() as session:
        with pytest.raises(LookupError, match="too bad"):
            Parallel()([delayed(wait)(), delayed(fail)()])
        is_over.set()
        cross_val_score(regressor(), *regression, cv=4)
    assert session.batches == [4]


@hangs_show
def test_timeout_ends_a_call(regression):
    with skdl.lockstep() as session:
        with pytest.raises(multiprocessing.TimeoutError):
            Parallel(timeout=0.05)([delayed(time.sleep)(0.5)])
        cross_val_score(regressor(), *regression, cv=4)
    assert session.batches == [4]


def test_estimators_not_ours_give_the_same(regression, classification):
    forest = RandomForestRegressor(5, random_state=0)
    grid = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3)
    expected = [cross_val_score(forest, *regression), cross_val_score(grid, *classification)]
    with skdl.lockstep() as session:
        found = [cross_val_score(forest, *regression), cross_val_score(grid, *classification)]
    assert session.batches == []
    np.testing.assert_array_equal(found, expected)


def test_ours_and_others_in_one_search(regression):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPRegressor(**TINY)),
        {"mlpregressor": [MLPRegressor(**TINY), DummyRegressor(), RandomForestRegressor(3)]},
        cv=4,
    )
    with skdl.lockstep() as session:
        search.fit(*regression)
    assert session.batches == [4]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.fixture
def trained(monkeypatch):
    """Return a list to which the size of every batch is appended, whichever session it is of."""
    sizes, train = [], _backend.train

    def recorded(jobs, **options):
        sizes.append(len(jobs))
        return train(jobs, **options)

    monkeypatch.setattr(_backend, "train", recorded)
    return sizes


def test_backend_is_known_to_joblib_by_name(regression, trained):
    with parallel_config(backend="skdl"):
        cross_val_score(regressor(), *regression, cv=6)
    assert trained == [6]


def test_no_fit_waits_after_the_context_has_ended(regression, trained):
    with skdl.lockstep() as session:
        pass
    cross_val_score(regressor(), *regression, cv=3)
    assert session.batches == trained == []


def fit_folds(X, y, cv):
    Parallel()(delayed(regressor().fit)(X[train], y[train]) for train, _ in KFold(cv).split(X))


def test_tasks_that_are_submitted_late_join_the_batch(regression, monkeypatch):
    submit = _backend.LockstepBackend.submit

    def submit_slowly(self, *arguments, **options):
        task = submit(self, *arguments, **options)
        time.sleep(0.03)  # a task is through with its fit before the next one comes
        return task

    monkeypatch.setattr(_backend.LockstepBackend, "submit", submit_slowly)
    fit_folds(*regression, 2)  # what is traced now does not have to be traced below
    with skdl.lockstep() as session:
        fit_folds(*regression, 5)
        Parallel()(delayed(fit_folds)(*regression, 4) for _ in range(3))
    assert session.batches == [5, 3 * 4]


# ------------------------------------------------------------------ limits


def test_small_memory_limit_gives_several_batches_and_the_same_scores(regression):
    with skdl.lockstep(memory_limit=1) as session:
        found = cross_val_score(regressor(), *regression, cv=10)
    assert sum(session.batches) == 10
    assert max(session.batches) < 10
    np.testing.assert_allclose(found, cross_val_score(regressor(), *regression, cv=10), rtol=1e-3)


def test_what_several_fits_hold_counts_once():
    one, other = (
        types.SimpleNamespace(held_data=data)
        for data in [(8, {1: 100, 2: 50}), (4, {1: 100, 3: 30})]
    )
    held = _rendezvous._HeldData()
    sizes = []
    for change in (held.add, held.remove):
        for job in (one, other):
            change(job)
            sizes.append(held.n_bytes)
    assert sizes == [158, 192, 134, 0]


@pytest.mark.parametrize("most", slow_but([2, 5], 2))
def test_more_fits_than_may_wait_are_trained_batch_by_batch(most, regression, monkeypatch):
    expected = by_repeated_k_fold(*regression)
    for module in (_backend, _rendezvous):
        monkeypatch.setattr(module, "MOST_WAITING", most)
    with skdl.lockstep() as session:
        found = by_repeated_k_fold(*regression)
    assert sum(session.batches) == 50
    assert max(session.batches) <= most
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@hangs_show
@pytest.mark.parametrize("limits", [{"most": 2}, {"memory_limit": 1}])
def test_nested_tasks_within_tight_limits_do_not_hang(limits, regression, monkeypatch):
    expected = by_nested_search(*regression)
    if "most" in limits:
        for module in (_backend, _rendezvous):
            monkeypatch.setattr(module, "MOST_WAITING", limits["most"])
    with skdl.lockstep(memory_limit=limits.get("memory_limit")) as session:
        found = by_nested_search(*regression)
    assert sum(session.batches) == 4 * 3 * 2 + 4
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize("limit", [0, -1, "2 GB"])
def test_bad_memory_limit_is_told_at_the_door(limit):
    with (
        pytest.raises(ValueError, match=r"memory_limit.*Expected"),
        skdl.lockstep(memory_limit=limit),
    ):
        pass


# ------------------------------------------------------------------ progress


def test_verbose_shows_one_bar_for_the_batch(regression, capfd):
    with skdl.lockstep(verbose=1):
        cross_val_score(regressor(epochs=3), *regression, cv=7)
    shown = "".join(capfd.readouterr())
    assert shown.count("lockstep: 7 fits") == 1
    assert "epoch 3/3" in shown


def test_nothing_is_shown_unless_asked_for(regression, capfd):
    with skdl.lockstep():
        cross_val_score(regressor(), *regression, cv=3)
    assert "".join(capfd.readouterr()) == ""


# ------------------------------------------------------------------ faults


def splits_of(n_rows, *, bad):
    """Return three splits, of which the second one has training rows `bad`."""
    rows = np.arange(n_rows)
    return [(bad if i == 1 else rows[rows % 3 != i], rows[rows % 3 == i]) for i in range(3)]


@hangs_show
def test_fold_with_bad_labels_fails_alone(breast_cancer):
    X, y = breast_cancer
    cv = splits_of(len(y), bad=np.flatnonzero(y == 1))
    with skdl.lockstep() as session:
        with pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 3"):
            scores = cross_val_score(classifier(), X, y, cv=cv, error_score=np.nan)
        np.testing.assert_array_equal(np.isnan(scores), [False, True, False])
        with pytest.raises(ValueError, match="class"):
            cross_val_score(classifier(), X, y, cv=cv, error_score="raise")
    assert session.batches[0] == 2
    good = cross_val_score(classifier(), X, y, cv=[cv[0], cv[2]])
    np.testing.assert_allclose(scores[[0, 2]], good)


@hangs_show
def test_grid_point_that_diverges_fails_alone(regression):
    grid = {"mlpregressor__learning_rate": [0.01, 1e25]}
    search = GridSearchCV(regressor(optimizer="sgd"), grid, cv=3, error_score=np.nan)
    with (
        skdl.lockstep() as session,
        pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 6"),
        pytest.warns(UserWarning, match="scores are non-finite"),
    ):
        search.fit(*regression)
    assert session.batches == [6]
    np.testing.assert_array_equal(np.isnan(search.cv_results_["mean_test_score"]), [False, True])
    alone = GridSearchCV(regressor(optimizer="sgd"), {}, cv=3).fit(*regression)
    np.testing.assert_allclose(search.best_score_, alone.best_score_, rtol=1e-3)


@hangs_show
def test_diverging_fold_is_raised_on_request(regression):
    model = regressor(optimizer="sgd", learning_rate=1e25)
    with skdl.lockstep(), pytest.raises(DivergenceError, match="learning_rate"):
        cross_val_score(model, *regression, cv=3, error_score="raise")


class Calling(keras.callbacks.Callback):
    """Calls a function at the end of every epoch."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def __deepcopy__(self, memo):
        return Calling(self.function)

    def on_epoch_end(self, epoch, logs=None):
        self.function()


def fail():
    raise ZeroDivisionError("the user's own mistake")


@hangs_show
def test_exception_in_a_callback_reaches_the_caller_and_training_goes_on(regression):
    with skdl.lockstep() as session:
        with pytest.raises(ZeroDivisionError, match="the user's own mistake"):
            cross_val_score(
                regressor(callbacks=Calling(fail)), *regression, cv=4, error_score="raise"
            )
        scores = cross_val_score(regressor(), *regression, cv=4)
    assert session.batches == [4, 4]
    np.testing.assert_allclose(scores, cross_val_score(regressor(), *regression, cv=4), rtol=1e-3)


@hangs_show
def test_exception_in_a_callback_ends_its_member_alone(regression):
    grid = {"mlpregressor__callbacks": [None, Calling(fail)]}
    with (
        skdl.lockstep() as session,
        pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 6"),
        pytest.warns(UserWarning, match="scores are non-finite"),
    ):
        search = GridSearchCV(regressor(), grid, cv=3).fit(*regression)
    assert session.batches == [6]
    np.testing.assert_array_equal(np.isnan(search.cv_results_["mean_test_score"]), [False, True])


@hangs_show
def test_callback_that_fits_does_not_hang(regression):
    inner = []

    def fit_inside():
        inner.append(regressor(epochs=1).fit(*regression).predict(regression[0]))

    with skdl.lockstep() as session:
        cross_val_score(regressor(callbacks=Calling(fit_inside)), *regression, cv=3)
    assert session.batches == [3]  # what a callback fits is in no batch
    assert len(inner) == 3 * 2
    expected = regressor(epochs=1).fit(*regression).predict(regression[0])
    for predictions in inner:
        np.testing.assert_array_equal(predictions, expected)


@hangs_show
def test_callback_that_cross_validates_does_not_hang(regression):
    inner = []

    def cross_validate_inside():
        inner.append(cross_val_score(regressor(epochs=1), *regression, cv=2))

    with skdl.lockstep() as session:
        cross_val_score(regressor(callbacks=Calling(cross_validate_inside)), *regression, cv=3)
    assert session.batches == [3]
    assert len(inner) == 3 * 2


@hangs_show
def test_lockstep_inside_a_task_of_lockstep_does_not_hang(regression):
    sizes = []

    def fit_inside():
        with skdl.lockstep() as inner:
            scores = cross_val_score(regressor(), *regression, cv=3)
        sizes.append(sum(inner.batches))
        return scores

    with skdl.lockstep():
        found = Parallel()(delayed(fit_inside)() for _ in range(4))
    assert len(sizes) == 4
    expected = cross_val_score(regressor(), *regression, cv=3)
    np.testing.assert_allclose(found, [expected] * 4, rtol=1e-3)


def test_traces_of_an_error_that_all_raise_stay_short(regression, monkeypatch):
    """Formatting them took half a minute for 300 fits, and a hundred times that for 3,000."""

    def broken(*_, **__):
        raise LookupError("out of order")

    def length_of_trace():
        with pytest.raises(LookupError, match="out of order") as caught:
            regressor().fit(*regression)
        return len(caught.traceback)

    monkeypatch.setattr(_backend, "train", broken)
    with skdl.lockstep():
        lengths = Parallel()(delayed(length_of_trace)() for _ in range(40))
    assert max(lengths) <= 2 * min(lengths)


@hangs_show
def test_failed_calls_do_not_cancel_later_ones(regression):
    X, y = regression

    def fail_then_fit():
        found = []
        for _ in range(10):
            with contextlib.suppress(ZeroDivisionError):
                Parallel()(delayed(fail)() for _ in range(2))
            for _ in range(2):
                gc.collect()  # so that a call may get the place in memory of the one that failed
                (fitted,) = Parallel()([delayed(regressor().fit)(X, y)])
            found.append(fitted.predict(X))
        return found

    with skdl.lockstep():
        (found,) = Parallel()([delayed(fail_then_fit)()])
    assert len(found) == 10


class FitsOften(RegressorMixin, BaseEstimator):
    """Fits our regressor any number of times in one task."""

    def __init__(self, n_fits=1):
        self.n_fits = n_fits

    def fit(self, X, y):
        self.models_ = [MLPRegressor(**TINY).fit(X, y) for _ in range(self.n_fits)]
        return self

    def predict(self, X):
        return sum((model.predict(X) for model in self.models_), np.zeros(len(X)))


@hangs_show
def test_tasks_that_fit_never_once_and_thrice(regression):
    members = VotingRegressor([(f"m{i}", FitsOften(n)) for i, n in enumerate((0, 1, 3, 0, 1))])
    with skdl.lockstep() as session:
        found = members.fit(*regression).predict(regression[0])
    assert session.batches == [3, 1, 1]
    np.testing.assert_allclose(found, members.fit(*regression).predict(regression[0]), rtol=1e-3)


class Slow(TransformerMixin, BaseEstimator):
    """Passes rows on after a while, a long one for some folds."""

    def fit(self, X, y=None):
        time.sleep(0.2 if X[0, 0] > 0 else 0.0)
        return self

    def transform(self, X):
        return X


def test_batch_waits_for_the_slowest_preprocessing(regression):
    model = make_pipeline(Slow(), MLPRegressor(**TINY))
    cv = KFold(6, shuffle=True, random_state=1)
    with skdl.lockstep() as session:
        cross_val_score(model, *regression, cv=cv)
    assert session.batches == [6]


class Late(TransformerMixin, BaseEstimator):
    """Passes rows on after a while that is another one every time."""

    def fit(self, X, y=None):
        time.sleep(np.random.default_rng().uniform(0, 0.02))
        return self

    def transform(self, X):
        return X


def test_equal_seeds_give_equal_bits_whichever_task_arrives_first(regression):
    X, y = regression
    model = make_pipeline(Late(), MLPRegressor((6,), epochs=4, dropout=0.2, random_state=0))
    search = GridSearchCV(model, RATES, cv=3)

    def scores():
        with skdl.lockstep():
            flat = cross_val_score(model, X, y, cv=7)
            return np.append(flat, cross_val_score(search, X, y, cv=3))

    first = scores()
    for _ in range(4):
        np.testing.assert_array_equal(scores(), first)


@hangs_show
def test_interrupted_dispatch_leaves_the_session_usable(regression):
    X, y = regression

    def tasks():
        yield delayed(regressor().fit)(X, y)
        raise LookupError("no more tasks")

    with skdl.lockstep() as session:
        with pytest.raises(LookupError, match="no more tasks"):
            Parallel(pre_dispatch=1)(tasks())
        n_before = len(session.batches)
        cross_val_score(regressor(), X, y, cv=4)
    assert session.batches[n_before:] == [4]


@hangs_show
def test_results_can_be_taken_one_by_one(regression):
    X, y = regression
    with skdl.lockstep() as session:
        for generator in ("generator", "generator_unordered"):
            tasks = (delayed(regressor().fit)(X, y) for _ in range(4))
            assert len(list(Parallel(return_as=generator)(tasks))) == 4
    assert session.batches == [4, 4]


INTERRUPTED = """
    import os, signal, threading, time
    import keras, numpy as np
    import skdl
    from sklearn.model_selection import GridSearchCV, cross_val_score

    # A shell that runs the tests in the background has its children ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0]
    TIMES = []

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3 and not TIMES:
                TIMES.append(time.monotonic())
                if by_timer:
                    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
                else:
                    os.kill(os.getpid(), signal.SIGINT)

    def n_threads_of_ours():
        return sum("_run" in thread.name for thread in threading.enumerate())

    endless = skdl.MLPRegressor(4, epochs=10**6, callbacks=Interrupt())
    nested = GridSearchCV(endless, {"l2": [0.0, 0.1]}, cv=2)
    short = skdl.MLPRegressor(4, epochs=2, random_state=0)
    expected = cross_val_score(short, X, y, cv=4)
    for model in (endless, nested):
        for by_timer in (False, True):
            TIMES.clear()
            with skdl.lockstep() as session:
                try:
                    cross_val_score(model, X, y, cv=5)
                except KeyboardInterrupt:
                    assert time.monotonic() - TIMES[0] < 5
                else:
                    raise AssertionError("not interrupted")
                deadline = time.monotonic() + 5
                while n_threads_of_ours() and time.monotonic() < deadline:
                    time.sleep(0.01)
                assert n_threads_of_ours() == 0
                n_before = len(session.batches)
                again = cross_val_score(short, X, y, cv=4)
                assert session.batches[n_before:] == [4], session.batches
            np.testing.assert_allclose(again, expected, rtol=1e-3)
            with skdl.lockstep() as session:
                cross_val_score(short, X, y, cv=4)
            assert session.batches == [4]
    print("trained again")
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ctrl_c_frees_every_thread_and_the_process_can_train_again(fresh_python):
    assert "trained again" in fresh_python(textwrap.dedent(INTERRUPTED)).stdout


# ------------------------------------------------------------------ other backends


IN_WORKERS = """
    import numpy as np
    from joblib import Parallel, delayed
    from sklearn.model_selection import cross_val_score
    import skdl

    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0]

    def in_lockstep(l2):
        model = skdl.MLPRegressor(4, epochs=2, l2=l2, random_state=0)
        with skdl.lockstep() as session:
            scores = cross_val_score(model, X, y, cv=5)
        return session.batches, scores

    found = Parallel(n_jobs=2, backend="loky")(delayed(in_lockstep)(l2) for l2 in (0.0, 0.1))
    for (batches, scores), l2 in zip(found, (0.0, 0.1)):
        assert batches == [5], batches
        np.testing.assert_allclose(scores, in_lockstep(l2)[1], rtol=1e-4)
    print("equal")
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_lockstep_inside_each_process_of_loky(fresh_python):
    assert "equal" in fresh_python(textwrap.dedent(IN_WORKERS)).stdout


@pytest.mark.parametrize(
    "function", slow_but([by_repeated_k_fold, by_nested_search], by_nested_search)
)
def test_threads_without_lockstep_give_what_one_after_the_other_gives(function, regression):
    with parallel_config(backend="threading", n_jobs=4):
        in_threads = function(*regression)
    np.testing.assert_array_equal(in_threads, function(*regression))


# ------------------------------------------------------------------ stress


@functools.cache
def lone_prediction(seed):
    X, y = stress_data()
    return MLPRegressor(2, epochs=1, random_state=seed).fit(X, y).predict(X).sum()


@functools.cache
def stress_data():
    X = np.random.default_rng(0).normal(size=(20, 2))
    return X, X[:, 0]


def stress_task(plan):
    """Carry out a plan: a list of things that a task may do, one after the other."""
    X, y = stress_data()
    found = []
    for what, detail in plan:
        if what == "fit":
            seed, callbacks = detail
            model = MLPRegressor(2, epochs=1, random_state=seed, callbacks=callbacks)
            found.append((seed, model.fit(X, y).predict(X).sum()))
        elif what == "sleep":
            time.sleep(detail)
        elif what == "fail":
            raise LookupError(detail)
        elif what == "caught":
            try:
                model = MLPRegressor(2, epochs=1, callbacks=Calling(fail), random_state=detail)
                model.fit(X, y)
            except ZeroDivisionError:
                continue
            raise AssertionError("an error in a callback was lost")
        else:
            for inner in Parallel()(delayed(stress_task)(plan) for plan in detail):
                found += inner
    return found


def stress_plan(draw, depth):
    plan = []
    for _ in range(draw.integers(0, 4)):
        what = draw.choice(
            ["fit", "sleep", "fail", "caught", "nested"], p=[0.6, 0.1, 0.02, 0.08, 0.2]
        )
        seed = int(draw.integers(10))
        if what == "nested" and depth == 0:
            continue
        detail = {
            "fit": lambda s=seed: (s, None),
            "sleep": lambda: draw.uniform(0, 0.005),
            "fail": lambda: "planned",
            "caught": lambda s=seed: s,
            "nested": lambda: [stress_plan(draw, depth - 1) for _ in range(draw.integers(1, 5))],
        }[str(what)]()
        plan.append((str(what), detail))
    return plan


def fails(plans):
    return any(
        what == "fail" or (what == "nested" and fails(detail))
        for plan in plans
        for what, detail in plan
    )


@pytest.mark.slow
@pytest.mark.timeout(30)
@pytest.mark.parametrize("seed", range(100))
def test_mixed_tasks_end(seed):
    draw = np.random.default_rng(seed)
    plans = [stress_plan(draw, depth=2) for _ in range(draw.integers(1, 12))]
    limit = 1 if seed % 5 == 0 else None
    with skdl.lockstep(memory_limit=limit):
        if fails(plans):
            with pytest.raises(LookupError, match="planned"):
                Parallel()(delayed(stress_task)(plan) for plan in plans)
        else:
            for found in Parallel()(delayed(stress_task)(plan) for plan in plans):
                for inner, value in found:
                    assert value == pytest.approx(lone_prediction(inner), rel=1e-3, abs=1e-3)
        # Whatever went wrong, the session goes on.
        (again,) = Parallel()(delayed(stress_task)([("fit", (0, None))]) for _ in range(1))
        assert again[0][1] == pytest.approx(lone_prediction(0), rel=1e-3, abs=1e-3)
