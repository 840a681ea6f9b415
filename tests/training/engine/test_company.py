"""What a member learns does not depend on who else is in its stack."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPRegressor
from skdl.exceptions import DivergenceError
from skdl.training import _part
from skdl.training.engine import _plan, _stack
from tests.checks import PLAIN_OR_XLA

X, Y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(X)

# What the design page promises after 20 epochs, in standard deviations of the predictions.
TOLERANCE = 1e-3
# float32 losses that differ by less than this share may be told apart by rounding alone.
ROUNDING = 1e-4


class StopAfter(keras.callbacks.Callback):
    def __init__(self, last_epoch):
        super().__init__()
        self.last_epoch = last_epoch

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch >= self.last_epoch


@pytest.fixture
def stack_sizes(monkeypatch):
    """Return a list to which the size of every stack trained from now on is appended."""
    sizes = []

    class Recorded(_part.Stack):
        def __init__(self, members, **options):
            sizes.append(len(members))
            super().__init__(members, **options)

    monkeypatch.setattr(_part, "Stack", Recorded)
    return sizes


def fitted(estimator, rows, weight):
    """Return the fitted estimator, or the error that its fit raised."""
    try:
        return clone(estimator).fit(X[rows], Y[rows], sample_weight=weight)
    except DivergenceError as error:
        return error


def fitted_alone(fits):
    return [fitted(*fit) for fit in fits]


def fitted_together(fits):
    with skdl.lockstep() as session:
        outcomes = Parallel()(delayed(fitted)(*fit) for fit in fits)
    assert session.batches == [len(fits)]
    return outcomes


def distance(one, other):
    """Return the largest difference of predictions in standard deviations."""
    expected = other.predict(X)
    return np.abs(one.predict(X) - expected).max() / expected.std()


def is_decided_by_rounding(losses):
    """Tell whether some epoch was better or worse than the best before it by rounding alone."""
    losses = np.array(losses)
    best = np.minimum.accumulate(losses)[:-1]
    return (np.abs(losses[1:] - best) <= ROUNDING * best).any()


def fifty_different_fits():
    """Return fits that differ in everything that members of one stack may differ in."""
    draw = np.random.default_rng(0)
    fits = []
    for seed in range(50):
        estimator = MLPRegressor(
            6,
            batch_norm="before_activation",
            loss="huber",
            huber_delta=draw.choice([0.5, 1.0, 2.0]),
            dropout=draw.choice([0.0, 0.1, 0.4]),
            input_dropout=draw.choice([0.0, 0.2]),
            l1=draw.choice([0.0, 1e-3]),
            l2=draw.choice([0.0, 1e-3, 1e-2]),
            learning_rate=draw.choice([3e-3, 1e-2, 3e-2]),
            batch_size=16,
            epochs=int(draw.choice([7, 20])),
            early_stopping=True,
            patience=int(draw.choice([1, 3, 20])),
            restore_best_weights=bool(seed % 2),
            random_state=seed,
        )
        n_rows = int(draw.integers(40, 81))
        weight = draw.uniform(0.2, 3.0, n_rows) if seed % 3 == 0 else None
        fits.append((estimator, draw.permutation(len(X))[:n_rows], weight))
    return fits


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compiled", "n_cores"), [(False, 2), (True, 1), (True, 3)], ids=["plain", "xla", "xla_parts"]
)
def test_each_of_50_members_equals_its_job_alone(compiled, n_cores, stack_sizes, monkeypatch):
    # Three cores get 17, 17 and 16 members, and a place that stays vacant.
    monkeypatch.setattr(_stack, "n_cores", lambda: n_cores)
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)
    fits = fifty_different_fits()
    together = fitted_together(fits)
    assert stack_sizes == [50]
    # XLA compiles several programs for them: a third of the members, of all kinds, shows enough.
    some = slice(None, None, 3 if compiled else 1)
    alone = fitted_alone(fits[some])
    assert stack_sizes == [50] + [1] * len(alone)

    n_undecided = 0
    for one, other in zip(together[some], alone, strict=True):
        if one.n_iter_ != other.n_iter_ or one.best_epoch_ != other.best_epoch_:
            assert is_decided_by_rounding(other.history_["val_loss"])
            n_undecided += 1
            continue
        assert distance(one, other) < TOLERANCE
    assert n_undecided <= 2
    # Without these the test would claim more than it shows.
    n_epochs = [estimator.n_iter_ for estimator in alone]
    assert min(n_epochs) < 7
    assert max(n_epochs) == 20
    assert sum(e.n_iter_ < e.epochs for e in alone) >= len(alone) // 5


@pytest.mark.slow
def test_plain_and_compiled_graph_agree(monkeypatch):
    fits = fifty_different_fits()[:3]
    plain = fitted_together(fits)
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: True)
    for one, other in zip(fitted_together(fits), plain, strict=True):
        assert one.n_iter_ == other.n_iter_
        assert distance(one, other) < TOLERANCE


def some_fits(n_fits, **params):
    """Return fits that differ in seeds and rows, and one for each of `params` that is a list."""
    base = {"hidden_units": 5, "dropout": 0.2, "batch_size": 16, "epochs": 5}
    fits = []
    for i in range(n_fits):
        own = {name: v[i] if isinstance(v, list) else v for name, v in params.items()}
        fits.append((MLPRegressor(**base | own, random_state=i), np.arange(40 + 7 * i), None))
    return fits


@pytest.mark.parametrize("compiled", PLAIN_OR_XLA, ids=["plain", "xla"])
@pytest.mark.parametrize("batch_norm", [None, "before_activation"])
def test_diverging_member_hurts_nobody_else(batch_norm, compiled, stack_sizes, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: compiled)
    rates = [1e-3, 1e25, 1e-3]
    fits = some_fits(3, learning_rate=rates, batch_norm=batch_norm, optimizer="sgd")
    together = fitted_together(fits)
    assert stack_sizes == [3]
    assert isinstance(together[1], DivergenceError)
    assert isinstance(fitted(*fits[1]), DivergenceError)
    for i in (0, 2):
        assert distance(together[i], fitted(*fits[i])) < TOLERANCE


def test_members_that_end_sooner_leave_the_others_unchanged(stack_sizes):
    callbacks = [None, None, [StopAfter(2)], None]
    fits = some_fits(4, epochs=[1, 20, 20, 8], callbacks=callbacks)
    together = fitted_together(fits)
    assert stack_sizes == [4]
    assert [estimator.n_iter_ for estimator in together] == [1, 20, 3, 8]
    for one, other in zip(together, fitted_alone(fits), strict=True):
        assert one.n_iter_ == other.n_iter_
        assert distance(one, other) < TOLERANCE


def test_members_stopped_early_leave_the_others_unchanged(stack_sizes):
    # A learning rate of 0 never improves, so its members stop when their patience ends.
    fits = some_fits(
        4,
        epochs=20,
        early_stopping=True,
        learning_rate=[1e-2, 0.0, 0.0, 1e-2],
        patience=[20, 2, 5, 20],
    )
    together = fitted_together(fits)
    assert stack_sizes == [4]
    assert [estimator.n_iter_ for estimator in together] == [20, 3, 6, 20]
    for one, other in zip(together, fitted_alone(fits), strict=True):
        assert distance(one, other) < TOLERANCE


def test_company_in_another_order_and_number_gives_the_same():
    fits = some_fits(5, l2=[0.0, 0.1, 0.0, 1e-3, 0.0], dropout=[0.0, 0.0, 0.5, 0.2, 0.0])
    five = fitted_together(fits)
    two = fitted_together([fits[4], fits[1]])
    assert distance(two[0], five[4]) < TOLERANCE
    assert distance(two[1], five[1]) < TOLERANCE


@st.composite
def mixed_fits(draw):
    """Two to five fits, of which any may differ from any other in structure or in numbers."""
    fits = []
    for seed in range(draw(st.integers(2, 5))):
        params = {
            # structural: these form stacks of their own
            "hidden_units": draw(st.sampled_from([3, 6])),
            "hidden_layers": draw(st.integers(1, 2)),
            "activation": draw(st.sampled_from(["relu", "tanh"])),
            "batch_norm": draw(st.sampled_from([None, "before_activation"])),
            "loss": draw(st.sampled_from(["mse", "huber"])),
            "batch_size": draw(st.sampled_from([8, 32])),
            "early_stopping": draw(st.booleans()),
            # numbers of a member
            "dropout": draw(st.sampled_from([0.0, 0.3])),
            "input_dropout": draw(st.sampled_from([0.0, 0.2])),
            "l1": draw(st.sampled_from([0.0, 1e-3])),
            "l2": draw(st.sampled_from([0.0, 1e-2])),
            "sparsity": draw(st.sampled_from([0.0, 0.6])),
            "learning_rate": draw(st.floats(1e-4, 3e-2)),
            "epochs": draw(st.integers(1, 4)),
            "patience": draw(st.integers(1, 3)),
        }
        rows = np.arange(seed, draw(st.integers(20, 60)))
        weight = np.linspace(0.5, 2, len(rows)) if draw(st.booleans()) else None
        fits.append((MLPRegressor(**params, random_state=seed), rows, weight))
    return fits


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(mixed_fits())
def test_mixed_stacks_equal_their_jobs_alone(fits):
    for one, other in zip(fitted_together(fits), fitted_alone(fits), strict=True):
        if one.n_iter_ != other.n_iter_ or one.best_epoch_ != other.best_epoch_:
            assert is_decided_by_rounding(other.history_["val_loss"])
        else:
            assert distance(one, other) < TOLERANCE


def test_large_networks_under_xla_learn_the_same_bits_in_any_company(monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda *_: True)
    monkeypatch.setattr(_plan, "_LARGE_NETWORK", 100)
    monkeypatch.setattr(_plan, "_WORTH_A_CALL", 0.0)
    calls = []

    class Recorded(_stack.Shard):
        def __init__(self, shared, members, n_places):
            calls.append((len(members), n_places))
            super().__init__(shared, members, n_places)

    monkeypatch.setattr(_stack, "Shard", Recorded)
    fits = [
        (MLPRegressor(9, dropout=0.2, batch_size=16, epochs=3 + i, random_state=i), rows, None)
        for i, rows in enumerate(np.split(np.arange(150), 3))
    ]
    together = fitted_together(fits)
    assert calls[:3] == [(1, 1)] * 3
    for one, other in zip(together, fitted_alone(fits), strict=True):
        for ours, theirs in zip(one.model_.get_weights(), other.model_.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
