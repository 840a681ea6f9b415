"""Held-out rows are scored after every epoch, as Keras scores them, and steer nothing."""

import keras
import numpy as np
import pytest
from scipy import sparse

from skdl import MLPClassifier, MLPRegressor
from skdl.estimators.base._training_data import TrainingData
from skdl.layers import keras_model
from skdl.training import Observer, _part, train
from skdl.training.engine import _shard
from skdl.training.engine._row_pool import batches
from tests.checks import PLAIN_OR_XLA

N_TRAIN = 90
# XLA compiles for seconds, and what it compiles are the operations of the plain graph.
MODES = [
    "plain",
    pytest.param("xla", marks=pytest.mark.slow),
    pytest.param("keras", marks=pytest.mark.slow),
]


class BatchWatcher(keras.callbacks.Callback):
    """Makes a fit go through ``keras.Model.fit``."""

    def on_train_batch_end(self, batch, logs=None):
        pass


class Recorder(Observer):
    """Keeps what each epoch said of the held-out rows, and the weights it was said of."""

    def __init__(self):
        self.held_out, self.weights = [], []

    def on_epoch_end(self, member, epoch, logs):
        self.held_out.append(dict(member.held_out))
        self.weights.append(member.weights)


@pytest.fixture(params=MODES)
def mode(request, monkeypatch):
    """Train in the plain graph, under XLA or by Keras."""
    monkeypatch.setattr(
        _part, "worth_compiling", lambda members, n_epochs=0: request.param == "xla"
    )
    return request.param


@pytest.fixture
def stacks(monkeypatch):
    """Return a list to which every stack that is made is appended as the number of its members."""
    sizes = []

    class Recorded(_part.Stack):
        def __init__(self, members, **options):
            sizes.append(len(members))
            super().__init__(members, **options)

    monkeypatch.setattr(_part, "Stack", Recorded)
    return sizes


def job_of(estimator, X, y, *, score=None, held_out=True, mode="plain", **more):
    """Return the job of a fit on the first rows, the others held out, and its recorder."""
    if mode == "keras":
        estimator.set_params(callbacks=BatchWatcher())
    job = estimator._make_job(X[:N_TRAIN], y[:N_TRAIN], **more)
    recorder = Recorder()
    job.observers = [*job.observers, recorder]
    if held_out:
        job.held_out = TrainingData.to_score(estimator, X[N_TRAIN:], y[N_TRAIN:]).scoring_rows(
            estimator
        )
        job.held_out_score = score
    return job, recorder


def trained(*jobs, **options):
    outcomes = train(list(jobs), **options)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


def assert_bitwise_equal(one, other):
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.statistics, other.statistics)
    assert one.history == other.history
    assert (one.n_epochs, one.best_epoch, one.n_steps) == (
        other.n_epochs,
        other.best_epoch,
        other.n_steps,
    )


# ------------------------------------------------------------------ what is scored


def evaluated_by_keras(job, recorder):
    """Return what Keras' ``evaluate`` says of the held-out rows with each epoch's weights."""
    model = keras_model(job.network)
    loss = job.network.loss.to_keras()
    model.compile("sgd", loss, metrics=[*job.metrics], run_eagerly=True)
    rows, found = job.held_out, []
    y = rows.y
    if job.network.loss.target == "one_hot":
        y = keras.utils.to_categorical(y[:, 0], job.network.layers[-1]["units"])
    X = rows.X.toarray() if sparse.issparse(rows.X) else rows.X
    for weights in recorder.weights:
        model.set_weights(weights)
        logs = model.evaluate(X, y, sample_weight=rows.weight, return_dict=True, verbose=0)
        found.append(logs)
    return found


def assert_as_by_keras(job, recorder, *, n_epochs):
    assert len(recorder.held_out) == n_epochs
    for found, expected in zip(recorder.held_out, evaluated_by_keras(job, recorder), strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_loss_and_metrics_are_those_of_keras(mode, diabetes):
    estimator = MLPRegressor(
        (8, 4), epochs=3, batch_norm="before_activation", dropout=0.2, l1=1e-3, l2=1e-2,
        target_scaling=False, metrics=["mae"], learning_rate=0.01, random_state=0,
    )  # fmt: skip
    job, recorder = job_of(estimator, *diabetes, mode=mode)
    trained(job)
    assert_as_by_keras(job, recorder, n_epochs=3)


@pytest.mark.slow
def test_class_weights_count_among_the_held_out_rows(mode, iris):
    estimator = MLPClassifier(
        6, epochs=2, class_weight={0: 1.0, 1: 5.0, 2: 0.5}, label_smoothing=0.1,
        metrics=["accuracy"], random_state=0,
    )  # fmt: skip
    job, recorder = job_of(estimator, *iris, mode=mode)
    trained(job)
    assert job.held_out.weight is not None
    assert_as_by_keras(job, recorder, n_epochs=2)


def by_hand(weights, X):
    """Return the outputs of a network with one hidden layer of rectified linear units."""
    first, first_bias, second, second_bias = weights
    return np.maximum(X @ first + first_bias, 0) @ second + second_bias


@pytest.mark.parametrize("kind", ["graph metrics", "host metric"])
def test_metrics_and_score_are_in_the_units_of_the_target(kind, mode, diabetes):
    X, y = diabetes
    metrics = ["mae", keras.metrics.RootMeanSquaredError()]
    if kind == "host metric":
        metrics.append(keras.metrics.R2Score())
    estimator = MLPRegressor((6,), epochs=3, learning_rate=0.01, metrics=metrics, random_state=0)
    seen = []

    def score(predictions):
        seen.append(predictions.copy())
        return predictions.max()

    job, recorder = job_of(estimator, X, y, score=score, mode=mode)
    trained(job)
    X_test, y_test = X[N_TRAIN:], y[N_TRAIN:]
    assert len(seen) == len(recorder.held_out) == 3
    for found, weights, predictions in zip(recorder.held_out, recorder.weights, seen, strict=True):
        outputs = by_hand(weights, X_test)[:, 0]
        expected = outputs * y[:N_TRAIN].std() + y[:N_TRAIN].mean()
        assert predictions.shape == (len(X_test), 1)
        np.testing.assert_allclose(predictions[:, 0], expected, rtol=1e-4)
        errors = expected - y_test
        by_numpy = {
            "loss": (errors**2).mean() / y[:N_TRAIN].var(),
            "mae": np.abs(errors).mean(),
            "root_mean_squared_error": np.sqrt((errors**2).mean()),
            "score": expected.max(),
        }
        if kind == "host metric":
            by_numpy["r2_score"] = 1 - (errors**2).mean() / y_test.var()
        assert found == pytest.approx(by_numpy, rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_sparse_rows(diabetes):
    X, y = diabetes
    estimator = MLPRegressor((6,), epochs=2, target_scaling=False, metrics=["mae"], random_state=0)
    X = np.where(np.abs(X) < 1, 0, X)
    job, recorder = job_of(estimator, sparse.csr_matrix(X), y)
    assert sparse.issparse(job.held_out.X)
    trained(job)
    assert_as_by_keras(job, recorder, n_epochs=2)
    dense_job, dense = job_of(estimator, X, y)
    trained(dense_job)
    for found, expected in zip(recorder.held_out, dense.held_out, strict=True):
        assert found == pytest.approx(expected, rel=1e-5)


def test_more_rows_than_are_looked_at_at_once(diabetes, monkeypatch):
    monkeypatch.setattr(_shard, "chunks", lambda orders, width: batches(orders, 7))
    seen = []
    estimator = MLPRegressor((6,), epochs=1, target_scaling=False, metrics=["mae"], random_state=0)
    job, recorder = job_of(estimator, *diabetes, score=lambda p: seen.append(p.copy()) or 0.5)
    trained(job)
    (found,) = recorder.held_out
    assert found.pop("score") == 0.5
    assert_as_by_keras(job, recorder, n_epochs=1)
    np.testing.assert_allclose(
        seen[0], by_hand(recorder.weights[0], diabetes[0][N_TRAIN:]), rtol=1e-4, atol=1e-6
    )


# ------------------------------------------------------------------ nothing is steered

EVERYTHING = {
    "hidden_units": (6,),
    "epochs": 6,
    "learning_rate": 0.03,
    "batch_norm": "before_activation",
    "dropout": 0.3,
    "early_stopping": True,
    "patience": 1,
    "metrics": ["mae"],
}


@pytest.mark.parametrize(
    ("mode", "n_fits"), [("plain", 4), pytest.param("keras", 1, marks=pytest.mark.slow)]
)
def test_with_and_without_held_out_rows_bits_are_the_same(mode, n_fits, diabetes):
    def outcome(seed, *, held_out):
        estimator = MLPRegressor(**EVERYTHING, random_state=seed)
        job, recorder = job_of(estimator, *diabetes, mode=mode, held_out=held_out, score=np.mean)
        (outcome,) = trained(job)
        assert all(bool(own) == held_out for own in recorder.held_out)
        return outcome

    found = [outcome(seed, held_out=True) for seed in range(n_fits)]
    for seed, one in enumerate(found):
        assert_bitwise_equal(one, outcome(seed, held_out=False))
    # Without these the test would claim more than it shows.
    assert min(one.n_epochs for one in found) < 6
    assert any(one.best_epoch < one.n_epochs for one in found)


@pytest.mark.parametrize("compiled", PLAIN_OR_XLA, ids=["plain", "xla"])
def test_a_whole_stack_with_and_without_held_out_rows(compiled, diabetes, stacks, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)

    def outcomes(*, held_out):
        jobs, recorders = zip(
            *[
                job_of(
                    MLPRegressor(
                        **EVERYTHING | {"patience": 1 + 3 * (seed % 2)}, random_state=seed
                    ),
                    *diabetes,
                    held_out=held_out,
                    score=np.mean if seed else None,
                )
                for seed in range(5)
            ],
            strict=True,
        )
        return trained(*jobs), jobs, recorders

    found, jobs, recorders = outcomes(held_out=True)
    expected, *_ = outcomes(held_out=False)
    assert stacks == [5, 5]
    for one, other in zip(found, expected, strict=True):
        assert_bitwise_equal(one, other)
    assert len({one.n_epochs for one in found}) > 1
    # Members that stop early are scored as often as they trained, and not with others' weights.
    for seed, (one, job, recorder) in enumerate(zip(found, jobs, recorders, strict=True)):
        assert len(recorder.held_out) == one.n_epochs
        assert ("score" in recorder.held_out[0]) == bool(seed)
        del recorder.weights[:-1]
        (expected,) = evaluated_by_keras(job, recorder)
        assert recorder.held_out[-1]["loss"] == pytest.approx(expected["loss"], rel=1e-4)


def test_jobs_with_and_without_validation_and_held_out_rows_in_one_call(diabetes, stacks):
    combinations = [(early, held_out) for early in (False, True) for held_out in (False, True)]

    def job(early, held_out, seed):
        estimator = MLPRegressor((6,), epochs=3, early_stopping=early, random_state=seed)
        return job_of(estimator, *diabetes, held_out=held_out)

    found = [job(*each, seed) for each in combinations for seed in range(2)]
    together = trained(*[one for one, _ in found])
    assert sorted(stacks) == [2] * 4
    for (early, held_out), (_, recorder), outcome in zip(
        np.repeat(combinations, 2, axis=0), found, together, strict=True
    ):
        assert set(outcome.history) == ({"loss", "val_loss"} if early else {"loss"})
        assert [set(own) for own in recorder.held_out] == [{"loss"} if held_out else set()] * 3
    for each, one, other in zip(combinations, together[::2], together[1::2], strict=True):
        for alone, in_company in zip(
            trained(job(*each, 0)[0], job(*each, 1)[0]), (one, other), strict=True
        ):
            assert_bitwise_equal(alone, in_company)


def test_a_stack_that_is_split_by_memory(diabetes, stacks):
    def jobs():
        return zip(
            *[
                job_of(MLPRegressor((6,), epochs=2, random_state=seed), *diabetes, score=np.mean)
                for seed in range(3)
            ],
            strict=True,
        )

    (split, split_recorders), (whole, recorders) = jobs(), jobs()
    trained(*split, memory_limit=1)
    assert stacks == [1, 1, 1]
    trained(*whole)
    assert stacks == [1, 1, 1, 3]
    for recorder, expected in zip(split_recorders, recorders, strict=True):
        for own, other in zip(recorder.held_out, expected.held_out, strict=True):
            assert own == pytest.approx(other, rel=1e-4, abs=1e-4)


# ------------------------------------------------------------------ scores that fail


def fails_in_the_second_epoch():
    n_calls = 0

    def score(predictions):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 2:
            raise LookupError("no such score")
        return 1.0

    return score


def test_a_score_that_raises_ends_its_member_alone(diabetes, stacks):
    scores = [np.mean, fails_in_the_second_epoch(), lambda predictions: np.nan, None]
    jobs, recorders = zip(
        *[
            job_of(MLPRegressor((6,), epochs=3, random_state=0), *diabetes, score=score)
            for score in scores
        ],
        strict=True,
    )
    outcomes = train(list(jobs))
    assert stacks == [4]
    assert isinstance(outcomes[1], LookupError)
    assert [len(recorder.held_out) for recorder in recorders] == [3, 1, 3, 3]
    assert np.isnan([own["score"] for own in recorders[2].held_out]).all()
    for outcome in (outcomes[0], outcomes[2]):
        np.testing.assert_allclose(outcome.weights, outcomes[3].weights, rtol=1e-3)


def test_a_score_that_raises_ends_a_fit_by_keras(diabetes):
    score = fails_in_the_second_epoch()
    estimator = MLPRegressor((6,), epochs=3, random_state=0)
    job, recorder = job_of(estimator, *diabetes, score=score, mode="keras")
    (outcome,) = train([job])
    assert isinstance(outcome, LookupError)
    assert len(recorder.held_out) == 1
