"""Masked steps: networks learn what Keras makes of them, and padding shows nowhere."""

import dataclasses
import logging

import keras
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from skdl import KerasRegressor, lockstep
from skdl.layers import blueprint_of, keras_model
from skdl.networks import CannotReadError, Layer, Loss, Network, read_layers
from skdl.training import Job, Rows, Trained, _part, describe_optimizer, predict, train
from tests.checks import PLAIN_OR_XLA, plain_and_xla, slow_but

# 16 does not divide 43: the last batch has 11 rows.
N_ROWS, N_STEPS, N_CHANNELS = 43, 7, 3
TRAINING = {"epochs": 5, "batch_size": 16, "shuffle": False}
RNN, GRU, LSTM = keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM
Both, Masking = keras.layers.Bidirectional, keras.layers.Masking


@pytest.fixture(params=PLAIN_OR_XLA, ids=["plain", "xla"])
def compiled(request, monkeypatch):
    """Whether XLA compiles every stack, by the worth of compiling."""
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: request.param)
    return request.param


@pytest.fixture
def rows():
    """Sequences of 1 to 7 steps, zeros behind; one has a gap and one has no step at all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_STEPS, N_CHANNELS)).astype(np.float32)
    y = X[:, 0, 0] * 2 + X[:, -1, 1]
    lengths = rng.integers(1, N_STEPS + 1, N_ROWS)
    X[np.arange(N_STEPS) >= lengths[:, None]] = 0
    X[3], X[5, 1] = 0, 0
    return X, y


def sequential(*layers, masking=True):
    first = [keras.Input((N_STEPS, N_CHANNELS)), *[Masking()] * masking]
    return keras.Sequential([*first, *layers, keras.layers.Dense(1)])


def drawn(model, seed=0):
    """Set all weights, biases among them, to numbers that are nowhere 0."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.1, 0.6, w.shape) for w in model.get_weights()])
    return model


def sgd():
    return keras.optimizers.SGD(0.05)


def kinds_of(estimator):
    return [placed.layer.kind for placed in blueprint_of(estimator._trained.network).layers]


def learned_by_keras(model, X, y):
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile(sgd(), "mse", run_eagerly=True)
    twin.fit(X, y[:, None], verbose=0, **TRAINING)
    return twin


def assert_learned_as_in_keras(model, X, y, caplog):
    with caplog.at_level(logging.INFO, logger="skdl"):
        ours = KerasRegressor(model, optimizer=sgd(), loss="mse", **TRAINING).fit(X, y)
    assert "keras.Model.fit" not in caplog.text
    twin = learned_by_keras(model, X, y)
    for own, expected in zip(ours.model_.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.predict(X), np.asarray(twin(X))[:, 0], rtol=1e-4, atol=1e-5)
    return ours


LAYERS = {
    "SimpleRNN": lambda: [RNN(4)],
    "GRU": lambda: [GRU(4)],
    "GRU reset before": lambda: [GRU(4, reset_after=False)],
    "GRU backwards": lambda: [GRU(4, go_backwards=True)],
    "LSTM": lambda: [LSTM(4)],
    "LSTM unrolled": lambda: [LSTM(4, unroll=True)],
    "two layers": lambda: [LSTM(5, return_sequences=True), GRU(3)],
    "two layers backwards": lambda: [
        GRU(5, return_sequences=True, go_backwards=True), LSTM(3, go_backwards=True)
    ],
    "sequences": lambda: [GRU(4, return_sequences=True), keras.layers.Flatten()],
    "Bidirectional": lambda: [Both(LSTM(4, return_sequences=True)), Both(GRU(3))],
    "Bidirectional sum": lambda: [Both(RNN(4), merge_mode="sum")],
    "layers that hand masks on": lambda: [
        keras.layers.Dense(4, activation="tanh"), keras.layers.LayerNormalization(),
        keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.Dropout(0.0), LSTM(3),
    ],
    "BatchNormalization": lambda: [keras.layers.BatchNormalization(), GRU(3)],
    "layers that drop masks": lambda: [keras.layers.MaxPooling1D(1), LSTM(3)],
}  # fmt: skip
# Every kind of loop, and masks that pass through and behind other layers; what else there is to
# these layers is the same to both.
UNDER_XLA = (
    "SimpleRNN", "GRU", "LSTM", "two layers backwards", "Bidirectional",
    "layers that hand masks on",
)  # fmt: skip
IN_THE_PLAIN_GRAPH = ("GRU", *[name for name in LAYERS if name not in UNDER_XLA])


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(IN_THE_PLAIN_GRAPH, UNDER_XLA, "GRU"),
    indirect=["compiled"],
)
def test_masked_layers_train_as_in_keras(name, rows, compiled, caplog):
    X, y = rows
    ours = assert_learned_as_in_keras(drawn(sequential(*LAYERS[name]())), X, y, caplog)
    assert kinds_of(ours)[0] == "Masking"


@pytest.mark.slow
def test_masked_steps_of_any_number_are_left_out(rows, caplog):
    X, y = rows
    X[X == 0] = -9.0
    model = keras.Sequential(
        [keras.Input((N_STEPS, N_CHANNELS)), Masking(-9), LSTM(3), keras.layers.Dense(1)]
    )
    assert_learned_as_in_keras(drawn(model), X, y, caplog)


@pytest.mark.slow
def test_the_mean_over_steps_leaves_masked_ones_out_as_in_keras(rows, compiled, caplog):
    X, y = rows
    X[3, 0] = 1  # of no step, Keras has NaN
    layers = [keras.layers.Dense(4), keras.layers.GlobalAveragePooling1D()]
    ours = assert_learned_as_in_keras(drawn(sequential(*layers)), X, y, caplog)
    assert kinds_of(ours) == ["Masking", "Dense", "GlobalAveragePooling1D", "Dense"]
    X[3] = 0
    assert np.isfinite(ours.predict(X)).all()


BEHIND_EMBEDDINGS = {"GRU": lambda: GRU(3), "mean": keras.layers.GlobalAveragePooling1D}


@pytest.mark.parametrize("name", slow_but(list(BEHIND_EMBEDDINGS), "mean"))
def test_masked_embeddings_train_as_in_keras(name, rows, caplog):
    ids = np.random.default_rng(1).integers(1, 9, (N_ROWS, N_STEPS)).astype(np.int32)
    ids[rows[0][:, :, 0] == 0] = 0
    ids[3, 0] = 1
    inputs = keras.Input((N_STEPS,), dtype="int32")
    hidden = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    outputs = keras.layers.Dense(1)(BEHIND_EMBEDDINGS[name]()(hidden))
    ours = assert_learned_as_in_keras(drawn(keras.Model(inputs, outputs)), ids, rows[1], caplog)
    assert kinds_of(ours)[0] == "Embedding"


def merged(merge):
    inputs = keras.Input((N_STEPS, N_CHANNELS))
    masked = Masking()(inputs)
    pair = [GRU(4, return_sequences=True)(masked), keras.layers.Dense(4)(masked)]
    return keras.Model(inputs, keras.layers.Dense(1)(LSTM(3)(merge(pair))))


@pytest.mark.slow
@pytest.mark.parametrize("merge", [keras.layers.Add, keras.layers.Concatenate])
def test_masks_of_branches_are_joined_as_in_keras(merge, rows, caplog):
    assert_learned_as_in_keras(drawn(merged(merge())), *rows, caplog)


@pytest.mark.slow
def test_a_branch_without_a_mask_ends_the_mask(rows, caplog):
    inputs = keras.Input((N_STEPS, N_CHANNELS))
    added = keras.layers.Add()([Masking()(inputs), keras.layers.Dense(N_CHANNELS)(inputs)])
    model = keras.Model(inputs, keras.layers.Dense(1)(LSTM(3)(added)))
    assert_learned_as_in_keras(drawn(model), *rows, caplog)


@pytest.mark.slow
def test_masks_of_saved_models_are_read(rows, tmp_path, caplog):
    model = drawn(merged(keras.layers.Add()))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_learned_as_in_keras(loaded, *rows, caplog)


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(["GRU", "LSTM"], ["Bidirectional"], "GRU"),
    indirect=["compiled"],
)
def test_folds_of_masked_networks_learn_the_same_together_as_alone(name, rows, compiled):
    def build():
        return sequential(*LAYERS[name]())

    ours = KerasRegressor(build, optimizer="adam", loss="mse", epochs=5, random_state=0)
    alone = cross_val_score(ours, *rows, cv=4)
    with lockstep() as session:
        together = cross_val_score(ours, *rows, cv=4)
    assert session.batches == [4]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def given_mask():
    inputs = keras.Input((N_STEPS, N_CHANNELS))
    hidden = LSTM(3)(inputs, mask=inputs[..., 0] > 0)
    return keras.Model(inputs, keras.layers.Dense(1)(hidden))


def test_masks_given_by_hand_are_left_to_keras_and_the_log_says_why(rows, caplog):
    with caplog.at_level(logging.INFO, logger="skdl"):
        KerasRegressor(given_mask(), optimizer="sgd", loss="mse", epochs=1).fit(*rows)
    assert "called with arguments of its own" in caplog.text


def test_a_softmax_that_takes_a_mask_is_not_read():
    model = sequential(keras.layers.Dense(N_STEPS), keras.layers.Softmax(), LSTM(3))
    with pytest.raises(CannotReadError, match=r"'softmax.*' has no rule for masked steps"):
        read_layers(model)


def test_a_mask_in_attention_is_left_to_keras_and_the_log_says_why(rows, caplog):
    inputs = keras.Input((N_STEPS, N_CHANNELS))
    masked = Masking()(inputs)
    hidden = keras.layers.Attention()([masked, masked])
    model = keras.Model(inputs, keras.layers.Dense(1)(GRU(3)(hidden)))
    with caplog.at_level(logging.INFO, logger="skdl"):
        KerasRegressor(model, optimizer="sgd", loss="mse", epochs=1).fit(*rows)
    assert "has no rule for masked steps" in caplog.text


def test_a_mask_that_would_reach_the_loss_is_left_to_keras():
    layers = (Layer.of("Masking", mask_value=0.0), Layer.of("Dense", units=1))
    network = Network((N_STEPS, N_CHANNELS), layers, "linear", Loss("mse"))
    assert not blueprint_of(network).is_faithful


# ---------------------------------------------------------------------- layers of our own

MODES = ["last", "mean", "max", "attention"]


def own_network(*layers, n_steps=N_STEPS):
    dense = Layer.of("Dense", units=1, l1=0.0, l2=0.0)
    return Network((n_steps, N_CHANNELS), (*layers, dense), "linear", Loss("mse"))


def lstm(**options):
    return Layer.of("LSTM", units=4, l1=0.0, l2=0.0, **options)


def masked_conv(size):
    return Layer.of("MaskedConv1D", filters=4, kernel_size=(size,), padding="same", l1=0.0, l2=0.0)


def batch_norm():
    return Layer.of("BatchNormalization", momentum=0.9)


def pooled(mode):
    return [
        Layer.of("StepMask"),
        lstm(return_sequences=True),
        Layer.of("SequencePooling", mode=mode),
    ]


OWN = {
    "StepMask": [Layer.of("StepMask"), lstm()],
    **{f"SequencePooling {mode}": pooled(mode) for mode in MODES},
    "MaskedConv1D": [
        Layer.of("StepMask"),
        masked_conv(4),
        batch_norm(),
        masked_conv(3),
        Layer.of("SequencePooling", mode="mean"),
    ],
    "mean of inputs": [Layer.of("StepMask"), Layer.of("SequencePooling", mode="mean")],
}


def with_gaps(X):
    """Return the rows with NaN for masked steps."""
    return np.where(X == 0, np.nan, X).astype(np.float32)


def drawn_arrays(network, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [variable.shape for variable in blueprint_of(network).layout.variables]
    return [rng.uniform(-0.6, 0.6, shape).astype(np.float32) for shape in shapes]


def job_of(network, X, y, seed=0):
    rows = Rows(X, y[:, None], np.ones(len(X), np.float32))
    arrays = drawn_arrays(network, seed)
    return Job(network, rows, describe_optimizer(sgd()), seed=seed, weights=arrays, **TRAINING)


def assert_same_arrays(found, expected, rtol=1e-4, atol=1e-6):
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(
        ["StepMask", "MaskedConv1D", "SequencePooling mean", "SequencePooling max"],
        ["MaskedConv1D", "SequencePooling last", "SequencePooling attention", "mean of inputs"],
        "StepMask",
        "MaskedConv1D",
    ),
    indirect=["compiled"],
)
def test_own_layers_for_sequences_train_as_in_keras(name, rows, compiled):
    X, y = with_gaps(rows[0]), rows[1]
    network = own_network(*OWN[name])
    (ours,) = train([job_of(network, X, y)])
    model = keras_model(network)
    model.set_weights(drawn_arrays(network))
    twin = learned_by_keras(model, X, y)
    assert_same_arrays(ours.arrays, twin.get_weights())
    np.testing.assert_allclose(predict(ours, X), np.asarray(twin(X)), rtol=1e-4, atol=1e-5)
    assert np.isfinite(predict(ours, X)).all()


@pytest.mark.parametrize("mode", slow_but(MODES, "last"))
def test_pooling_without_masks_is_what_keras_computes(mode, rows):
    network = own_network(Layer.of("SequencePooling", mode=mode))
    model = keras_model(network)
    model.set_weights(drawn_arrays(network))
    (ours,) = train([job_of(network, *rows)])
    assert_same_arrays(ours.arrays, learned_by_keras(model, *rows).get_weights())


def test_a_sequence_pools_to_what_numpy_makes_of_its_own_steps(rows):
    X = with_gaps(rows[0])
    for mode, of in {
        "last": lambda x: x[-1],
        "mean": lambda x: x.mean(0),
        "max": lambda x: x.max(0),
    }.items():
        layers = [Layer.of("StepMask"), Layer.of("SequencePooling", mode=mode)]
        network = Network((N_STEPS, N_CHANNELS), tuple(layers), "linear", Loss("mse"))
        pooled = predict(
            Trained(network, np.zeros(0, np.float32), np.zeros(0, np.float32), {}, 0, 0), X
        )
        for row, found in zip(X, pooled, strict=True):
            own = row[~np.isnan(row[:, 0])]
            np.testing.assert_allclose(found, of(own) if len(own) else np.zeros(3), atol=1e-6)


@pytest.mark.parametrize("name", slow_but(list(OWN), "SequencePooling attention", "MaskedConv1D"))
def test_predictions_depend_neither_on_padding_nor_on_other_rows(name, rows):
    X = with_gaps(rows[0])
    network = own_network(*OWN[name])
    (ours,) = train([job_of(network, X, rows[1])])
    together = predict(ours, X)
    longer = dataclasses.replace(ours, network=own_network(*OWN[name], n_steps=3 * N_STEPS))
    padding = np.full((N_ROWS, 2 * N_STEPS, N_CHANNELS), np.nan, np.float32)
    padded = predict(longer, np.concatenate([X, padding], 1))
    np.testing.assert_allclose(padded, together, atol=1e-6)
    alone = np.concatenate([predict(ours, X[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, together[:5], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(
        ["SequencePooling attention", "SequencePooling max", "mean of inputs", "MaskedConv1D"],
        ["SequencePooling last", "MaskedConv1D"],
        "SequencePooling attention",
    ),
    indirect=["compiled"],
)
def test_members_of_other_lengths_and_widths_learn_in_company_what_they_learn_alone(
    name, rows, compiled
):
    X, y = with_gaps(rows[0]), rows[1]
    cases = [(own_network(*OWN[name]), X[: 20 + i], y[: 20 + i]) for i in range(4)]
    jobs = [job_of(*case, seed=i) for i, case in enumerate(cases)]
    together = train(jobs)
    # Alone, XLA compiles each number of rows anew.
    for seed in (0, 3) if compiled else range(4):
        (alone,) = train([job_of(*cases[seed], seed=seed)])
        assert_same_arrays(together[seed].arrays, alone.arrays, rtol=1e-5)
