"""Narrow networks padded to a common width learn what they learn unpadded."""

import keras
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl.layers import blueprint_of
from skdl.training import _part
from skdl.training.engine import _plan
from skdl.training.engine._padding import padded_network, padding_of
from tests.training.engine.test_company import (
    TOLERANCE,
    distance,
    fitted_alone,
    fitted_together,
    is_decided_by_rounding,
)
from tests.training.test_against_keras import (
    OPTIMIZER_OPTIONS,
    REGULARISERS,
    initial_weights_kept_in,
)

X, Y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(X)
ROWS = np.arange(75)


@pytest.fixture
def stacks(monkeypatch):
    """Pad wherever it can be done; return the stacks trained from now on, as lists of members."""
    found = []

    class Recorded(_part.Stack):
        def __init__(self, members, **options):
            found.append(list(members))
            super().__init__(members, **options)

    monkeypatch.setattr(_part, "Stack", Recorded)
    monkeypatch.setattr(_plan, "_worth_padding", lambda _: True)
    return found


def fits_of(*widths, **params):
    base = {"dropout": 0.3, "input_dropout": 0.1, "batch_size": 16, "epochs": 20}
    return [
        (MLPRegressor(units, **base | params, random_state=i), np.arange(60 + 5 * i), None)
        for i, units in enumerate(widths)
    ]


@pytest.mark.parametrize("params", [
    {"batch_norm": "before_activation", "l2": 1e-2},
    pytest.param({"activation": "sigmoid", "optimizer": "rmsprop"}, marks=pytest.mark.slow),
    pytest.param({"early_stopping": True, "patience": 3, "l1": 1e-3}, marks=pytest.mark.slow),
    pytest.param({"activation": "softplus", "batch_norm": "after_activation"},
                 marks=pytest.mark.slow),
], ids=lambda params: next(iter(params)))  # fmt: skip
def test_members_of_several_widths_train_in_one_stack_and_equal_themselves_alone(
    params, compiled, stacks
):
    del compiled
    fits = fits_of(3, (17, 40), 64, (40, 5), hidden_layers=2, **params)
    together = fitted_together(fits)
    assert [len(stack) for stack in stacks] == [4]
    alone = fitted_alone(fits)
    assert [len(stack) for stack in stacks] == [4, 1, 1, 1, 1]
    for one, other in zip(together, alone, strict=True):
        if one.n_iter_ != other.n_iter_ or one.best_epoch_ != other.best_epoch_:
            assert is_decided_by_rounding(other.history_["val_loss"])
            continue
        assert distance(one, other) < TOLERANCE
        for ours, theirs in zip(one.model_.get_weights(), other.model_.get_weights(), strict=True):
            assert ours.shape == theirs.shape


# Adam and RMSprop divide by the root of a gradient, and so make rounding large where it is tiny.
ROBUST_OPTIMIZERS = {
    "adam": lambda rate: keras.optimizers.Adam(rate, epsilon=1e-3),
    "adamw": lambda rate: keras.optimizers.AdamW(rate, epsilon=1e-3),
    "rmsprop": lambda rate: keras.optimizers.RMSprop(rate, epsilon=1e-3),
    "sgd": keras.optimizers.SGD,
}


@st.composite
def fits_of_any_width(draw):
    """Two to four fits of networks with narrow layers, alike in what is built into a program."""
    common = {
        "hidden_layers": draw(st.integers(1, 3)),
        "activation": draw(st.sampled_from(["relu", "tanh", "sigmoid", "elu", "mish", "softplus"])),
        "batch_norm": draw(st.sampled_from([None, "before_activation", "after_activation"])),
        "batch_size": draw(st.sampled_from([8, 16, 32])),
        "early_stopping": draw(st.booleans()),
    }
    optimizer = draw(st.sampled_from(list(ROBUST_OPTIMIZERS.values())))
    # Behind one batch normalisation, the shift of another one has no gradient but rounding.
    may_follow = common["batch_norm"] != "before_activation"
    common["input_batch_norm"] = may_follow and draw(st.booleans())
    fits = []
    for seed in range(draw(st.integers(2, 4))):
        own = {
            "hidden_units": draw(st.integers(4, 64)),
            "dropout": draw(st.sampled_from([0.0, 0.3])),
            "input_dropout": draw(st.sampled_from([0.0, 0.2])),
            "l1": draw(st.sampled_from([0.0, 1e-3])),
            "l2": draw(st.sampled_from([0.0, 1e-2])),
            "optimizer": optimizer(draw(st.floats(1e-4, 1e-2))),
            "epochs": draw(st.sampled_from([5, 20])),
            "patience": draw(st.integers(1, 5)),
        }
        rows = np.arange(seed, draw(st.integers(30, 70)))
        fits.append((MLPRegressor(**common | own, random_state=seed), rows, None))
    return fits


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(fits_of_any_width())
def test_any_padded_member_equals_itself_alone(fits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_plan, "_worth_padding", lambda _: True)
        together = fitted_together(fits)
    # Some trainings make much of rounding: allowed is what a millionth in rows' weights changes.
    shake = np.random.default_rng(0).normal
    shaken = [(network, rows, 1 + 1e-6 * shake(size=len(rows))) for network, rows, _ in fits]
    for one, other, near in zip(together, fitted_alone(fits), fitted_alone(shaken), strict=True):
        if one.n_iter_ != other.n_iter_ or one.best_epoch_ != other.best_epoch_:
            assert is_decided_by_rounding(other.history_["val_loss"])
        else:
            assert distance(one, other) < max(TOLERANCE, 10 * distance(near, other))


KERAS_CASES = {
    "adam": {},
    **{name: {"optimizer": make} for name, make in OPTIMIZER_OPTIONS.items()},
    **{f"regularisers_{name}": params for name, params in REGULARISERS.items()},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KERAS_CASES)
def test_a_padded_member_learns_what_keras_learns(name, stacks):
    params = dict(KERAS_CASES[name])
    make = params.pop("optimizer", lambda: keras.optimizers.Adam(0.01, epsilon=1e-3))
    y = (Y - Y.mean()) / Y.std()
    plain = {
        "batch_size": 16, "epochs": 3, "shuffle": False, "target_scaling": False, "random_state": 0,
        "hidden_layers": 2, "optimizer": make(),
    }  # fmt: skip
    first = []
    ours = MLPRegressor(5, **plain | params, callbacks=[initial_weights_kept_in(first)])
    ours = fitted_with(ours, MLPRegressor(9, **plain | params), y)
    n_widened = sum(member.padding is not None for member in stacks[0])
    assert n_widened == (0 if params.get("hidden_layers") == 0 else 2)
    twin = keras.models.clone_model(ours.model_)
    twin.set_weights(first)
    twin.compile(make(), "mse", run_eagerly=True)
    twin.fit(X[ROWS], y[ROWS, None], batch_size=16, epochs=3, shuffle=False, verbose=0)
    expected = np.asarray(twin(X))[:, 0]
    np.testing.assert_allclose(ours.predict(X), expected, rtol=1e-4, atol=1e-5)


def fitted_with(ours, company, y):
    def fit(estimator):
        return clone(estimator).fit(X[ROWS], y[ROWS])

    with skdl.lockstep():
        found, _ = Parallel()(delayed(fit)(estimator) for estimator in (ours, company))
    return found


@pytest.mark.slow
def test_callbacks_see_and_set_a_members_own_weights(stacks):
    shapes = []

    class Doubled(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights = self.model.get_weights()
            shapes.append([w.shape for w in weights])
            if epoch == 1:
                self.model.set_weights([2 * w for w in weights])

    fits = fits_of(3, 40, 64, epochs=3, callbacks=[Doubled()])
    together = fitted_together(fits)
    assert [len(stack) for stack in stacks] == [3]
    assert {shape[0] for shape in shapes[:3]} == {(10, 3), (10, 40), (10, 64)}
    for one, other in zip(together, fitted_alone(fits), strict=True):
        assert distance(one, other) < TOLERANCE


@pytest.mark.slow
def test_what_may_not_be_padded_is_not(stacks):
    # Softmax makes units depend on each other; pruning counts the weights; 65 units stay as wide.
    for params in ({"activation": "softmax"}, {"sparsity": 0.5}, {"hidden_units": 65},
                   {"tabular": True}):  # fmt: skip
        if params.pop("tabular", False):
            fits = [
                (MLPRegressor.tabular(hidden_units=units, epochs=2, random_state=0), ROWS, None)
                for units in (8, 16)
            ]
        else:
            own = {"hidden_units": 8, "epochs": 4, "batch_size": 16} | params
            fits = [
                (MLPRegressor(**own, random_state=0), ROWS, None),
                (MLPRegressor(**own | {"hidden_units": own["hidden_units"] + 8}), ROWS, None),
            ]
        stacks.clear()
        fitted_together(fits)
        assert [len(stack) for stack in stacks] == [1, 1]


def test_widths_of_a_grid_share_a_program_where_that_pays(monkeypatch):
    seen = []

    class NotTrained(_part.Stack):
        """Ends its members before their first epoch: only the plan counts."""

        def __init__(self, members, *, compiled, n_epochs):
            units = members[0].network.layers[1]["units"]
            seen.append((len(members), units, compiled))
            super().__init__(members, compiled=compiled, n_epochs=n_epochs)

        def prepare(self):
            pass

        def epochs(self):
            for member in self.members:
                member.stop()
            return iter(())

    monkeypatch.setattr(_part, "Stack", NotTrained)
    grid = {"hidden_units": [16, 32, 64, 128]}
    rng = np.random.default_rng(0)
    many, target = rng.normal(size=(1000, 10)), rng.normal(size=1000)
    for epochs, expected in ((60, [(15, 64, True), (5, 128, True)]),
                             (3000, [(5, n, True) for n in (16, 32, 64, 128)])):  # fmt: skip
        seen.clear()
        network = MLPRegressor(hidden_layers=2, epochs=epochs, batch_size=32, random_state=0)
        search = GridSearchCV(network, grid, cv=5, refit=False, error_score="raise")
        with skdl.lockstep():
            search.fit(many, target)
        assert sorted(seen, key=lambda s: s[1]) == expected


def test_places_of_a_padded_network():
    estimator = MLPClassifier(2, hidden_layers=2, epochs=1, random_state=0)
    network = estimator.fit(X[ROWS], Y[ROWS] > 100)._trained.network
    wide = padded_network(type("Job", (), {"pruning": None, "network": network}))
    assert [layer["units"] for layer in wide.layers if layer.kind == "Dense"] == [64, 64, 1]
    padding = padding_of(network, wide)
    layout = blueprint_of(wide).layout
    flat = np.arange(1, 1 + sum(np.prod(v.shape) for v in blueprint_of(network).layout.variables))
    kernel, bias, second, *_ = layout.split(*padding.widened([flat, np.zeros(0)]))
    np.testing.assert_array_equal(kernel[:, :2], 1 + np.arange(20).reshape(10, 2))
    assert not kernel[:, 2:].any()
    np.testing.assert_array_equal(bias[:3], [21, 22, 0])
    np.testing.assert_array_equal(second[:3, :3], [[23, 24, 0], [25, 26, 0], [0, 0, 0]])
    (again, _) = padding.narrowed(padding.widened([flat, np.zeros(0)]))
    np.testing.assert_array_equal(again, flat)
    assert padding.is_own.sum() == len(flat)
