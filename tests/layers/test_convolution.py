"""Networks with convolutions learn what ``keras.Model.fit`` makes of them, whatever the company."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from skdl.layers import blueprint_of, keras_model
from skdl.layers._augmentation import _seed_class
from skdl.layers._registry import rule_of
from skdl.layers._rule import LayerContext, Pass
from skdl.networks import Layer, Loss, augmentation_layers, cnn
from skdl.training import EarlyStopping, Job, Rows, _part, predict, train
from skdl.training._initial_weights import initial_weights
from skdl.training._optimizers import describe_optimizer
from skdl.training.engine._plan import worth_compiling
from tests.checks import PLAIN_OR_XLA, plain_and_xla, slow_but

ROWS = {"image": (9, 7, 2), "signal": (12, 3)}
SIDES = {"image": ((3, 2), (2, 2)), "signal": ((3,), (2,))}
EPOCHS = 2
LABELS = Loss("categorical_crossentropy", (("label_smoothing", 0.0),), "one_hot")


@pytest.fixture(params=PLAIN_OR_XLA, ids=["plain", "xla"])
def compiled(request, monkeypatch):
    """Whether XLA compiles every stack, by the worth of compiling."""
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: request.param)
    return request.param


def data_of(kind, n_rows=43, *, as_bytes=False):
    rng = np.random.default_rng(0)
    shape = (n_rows, *ROWS[kind])
    X = rng.integers(0, 256, shape) if as_bytes else rng.normal(size=shape)
    y = rng.integers(0, 3, (n_rows, 1))
    return X.astype(np.uint8 if as_bytes else np.float32), y.astype(np.float32)


def network_of(kind, **parameters):
    kernel_size, pool_size = SIDES[kind]
    options = {
        "filters": (4, 6), "activation": "relu", "hidden_units": (5,), "loss": LABELS,
        "n_outputs": 3, "output_activation": "softmax",
    }  # fmt: skip
    return cnn(
        input_shape=ROWS[kind],
        kernel_size=kernel_size,
        pool_size=pool_size,
        **options | parameters,
    )


# Full steps along gradients that are only rounding would let Keras differ from Keras.
def robust_adam():
    return keras.optimizers.Adam(0.01, epsilon=1e-4)


def job_of(network, X, y, **parameters):
    options = {"epochs": EPOCHS, "batch_size": 16, "seed": 0, "shuffle": False}
    optimizer = describe_optimizer(robust_adam())
    return Job(network=network, train=Rows(X, y), optimizer=optimizer, **options | parameters)


def trained(*jobs):
    outcomes = train(jobs)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


def one_hot(y):
    return np.eye(3)[y[:, 0].astype(int)]


def learned_by_keras(job):
    """Return the model and history that Keras' own fit makes of a job."""
    model = keras_model(job.network)
    model.set_weights(initial_weights(job))
    model.compile(robust_adam(), job.network.loss.to_keras(), run_eagerly=True)
    validation = job.validation and (
        job.validation.X,
        np.eye(3)[job.validation.y[:, 0].astype(int)],
    )
    history = model.fit(
        job.train.X[job.train.rows],
        np.eye(3)[job.train.y[job.train.rows, 0].astype(int)],
        batch_size=16,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        validation_data=validation,
    ).history
    return model, history


VARIANTS = {
    "plain": {},
    "valid": {"padding": "valid", "filters": (4,)},
    "average": {"pooling": "average"},
    "unpooled": {"pooling": None},
    "two_convolutions": {"convs_per_block": 2},
    "global_max": {"global_pooling": "max"},
    "global_average": {"global_pooling": "average"},
    "l1_l2": {"l1": 1e-3, "l2": 1e-2},
    "batch_norm_before": {"batch_norm": "before_activation"},
    "batch_norm_after": {"batch_norm": "after_activation", "l2": 1e-3},
    "scaled": {"scale": 1 / 3},
    "no_hidden_layer": {"hidden_units": ()},
}


# XLA takes other ways through windows, their pooling and what follows at once.
IMAGES_UNDER_XLA = ("plain", "valid", "average", "two_convolutions", "batch_norm_after")
IMAGES = ("plain", *[variant for variant in VARIANTS if variant not in IMAGES_UNDER_XLA])
SIGNALS_UNDER_XLA = ("valid", "average", "batch_norm_before")
SIGNALS = ("plain", "valid", "global_max")


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(
        [f"image {v}" for v in IMAGES] + [f"signal {v}" for v in SIGNALS],
        [f"image {v}" for v in IMAGES_UNDER_XLA] + [f"signal {v}" for v in SIGNALS_UNDER_XLA],
    ),
    indirect=["compiled"],
)
def test_equal_to_keras_fit(name, compiled):
    kind, variant = name.split()
    # 16 does not divide 43: the last batch has 11 rows.
    X, y = data_of(kind)
    job = job_of(network_of(kind, **VARIANTS[variant]), X, y, validation=Rows(X[:20], y[:20]))
    (ours,) = trained(job)
    model, history = learned_by_keras(job)
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(predict(ours, X), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.history["loss"], history["loss"], rtol=1e-4)
    np.testing.assert_allclose(ours.history["val_loss"], history["val_loss"], rtol=1e-4)
    weights = blueprint_of(job.network).layout.split(ours.weights, ours.statistics)
    for ours_, theirs in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours_, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "compiled"),
    plain_and_xla(["before_activation"], ["none", "before_activation"]),
    indirect=["compiled"],
)
def test_members_of_unequal_rows_each_equal_keras(name, compiled):
    X, y = data_of("image")
    network = network_of("image", batch_norm=None if name == "none" else name)
    more, fewer = np.arange(43, dtype=np.int32), np.arange(5, 26, dtype=np.int32)
    jobs = [
        Job(
            network=network, train=Rows(X, y, index=index), optimizer=describe_optimizer(
                robust_adam()), epochs=EPOCHS, batch_size=16, seed=seed, shuffle=False,
        )
        for seed, index in enumerate([more, fewer])
    ]  # fmt: skip
    for job, result in zip(jobs, trained(*jobs), strict=True):
        model, history = learned_by_keras(job)
        expected = model.predict(X, verbose=0)
        np.testing.assert_allclose(predict(result, X), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(result.history["loss"], history["loss"], rtol=1e-4)


def test_bytes_are_rescaled_in_the_network(compiled):
    X, y = data_of("image", as_bytes=True)
    job = job_of(network_of("image", scale=1 / 255), X, y)
    (ours,) = trained(job)
    model, _ = learned_by_keras(job)
    np.testing.assert_allclose(predict(ours, X), model.predict(X, verbose=0), rtol=1e-4)
    (of_floats,) = trained(job_of(job.network, X.astype(np.float32), y))
    np.testing.assert_array_equal(of_floats.weights, ours.weights)


REGULARISED = {
    "conv_dropout": 0.3,
    "dropout": 0.4,
    "batch_norm": "before_activation",
    "augmentation": tuple(
        augmentation_layers(("flip", "shift", "rotate", "zoom", ("contrast", 0.3)))
    ),
}


@pytest.mark.parametrize(
    "parameters", slow_but([{}, REGULARISED], REGULARISED), ids=["plain", "regularised"]
)
@pytest.mark.slow
def test_company_changes_no_bit_in_the_plain_graph(parameters):
    X, y = data_of("image")
    network = network_of("image", **parameters)

    def job(seed):
        rows = Rows(X, y, index=np.arange(20 + 5 * seed, dtype=np.int32))
        optimizer = describe_optimizer(robust_adam())
        return Job(
            network=network, train=rows, optimizer=optimizer, epochs=3, batch_size=16, seed=seed
        )

    together = trained(job(0), job(1), job(2))
    alone = [trained(job(seed))[0] for seed in range(3)]
    for ours, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours.weights, expected.weights)
        np.testing.assert_array_equal(ours.statistics, expected.statistics)
    assert not np.allclose(alone[0].weights, alone[1].weights)


# Compiles for seconds. What it does to companies is seen in training/engine/test_company too.
@pytest.mark.slow
@pytest.mark.parametrize("parameters", [{}, REGULARISED], ids=["plain", "regularised"])
def test_company_changes_nothing_but_rounding_under_xla(parameters, monkeypatch):
    monkeypatch.setattr(_part, "worth_compiling", lambda members, n_epochs=0: True)
    X, y = data_of("image")
    network = network_of("image", **parameters)
    jobs = [
        job_of(network, X, y, seed=seed, shuffle=True, validation=Rows(X[:20], y[:20]))
        for seed in range(3)
    ]
    for job, ours in zip(jobs, trained(*jobs), strict=True):
        (alone,) = trained(job)
        expected = predict(alone, X)
        difference = np.abs(predict(ours, X) - expected).max()
        assert difference < 1e-3 * expected.std()
        np.testing.assert_allclose(ours.history["val_loss"], alone.history["val_loss"], rtol=1e-4)


def test_a_member_that_stops_early_leaves_the_others_running(compiled):
    X, y = data_of("image")
    network = network_of("image")
    stopping = EarlyStopping("loss", "min", 0, 10.0, restore_best_weights=False)
    optimizer = describe_optimizer(robust_adam())
    jobs = [
        Job(
            network=network, train=Rows(X, y), optimizer=optimizer, epochs=4, batch_size=16,
            seed=seed, early_stopping=stopping if seed == 1 else None,
        )
        for seed in range(3)
    ]  # fmt: skip
    assert [result.n_epochs for result in trained(*jobs)] == [4, 2, 4]


def test_dropout_of_images_drops_the_share_asked_for():
    import tensorflow as tf

    layer = Layer.of("Dropout", rate=0.4)
    noise = np.random.default_rng(0).integers(0, 2**32, (1, 50, 6, 6, 4), np.uint32)
    run = Pass(training=True, noise=lambda position, shape: tf.constant(noise))
    ones = tf.ones([1, 50, 6, 6, 4])
    dropped, _ = rule_of(layer).apply(
        layer, ones, LayerContext(0, [], {"rate": tf.constant([0.4])}, run)
    )
    values, counts = np.unique(dropped.numpy(), return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.6], rtol=1e-6)
    # Its standard deviation is 0.006.
    assert counts[0] / counts.sum() == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("name", ["flip", "shift", "rotate", "zoom", "contrast"])
def test_augmentation_is_what_the_keras_layer_makes_of_the_same_seed(name):
    import tensorflow as tf

    X, _ = data_of("image", 6)
    (layer,) = augmentation_layers(name)
    rule = rule_of(layer)
    key = tf.constant([12345], tf.uint32)
    run = Pass(training=True, key=lambda position: key)

    @tf.function(input_signature=[tf.TensorSpec([None] * 5, tf.float32)], autograph=False)
    def ours(x):
        return rule.apply(layer, x, LayerContext(0, [], {}, run))[0]

    theirs = rule.keras_layer(layer, seed=0)
    theirs.generator.state.assign([12345, 0])
    expected = theirs(X, training=True)
    np.testing.assert_allclose(ours(X[None])[0], expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(expected, X)
    unchanged, _ = rule.apply(layer, X[None], LayerContext(0, [], {}, Pass(training=False)))
    np.testing.assert_array_equal(unchanged, X[None])


def test_seeds_of_one_step_differ():
    import tensorflow as tf

    seed = _seed_class()(tf.constant(7, tf.uint32))
    assert [seed.next().numpy().tolist() for _ in range(2)] == [[7, 0], [7, 1]]


def test_convolutions_are_compiled_where_windows_are_few():
    def is_worth_it(network):
        job = job_of(network, *data_of("image"), epochs=10_000)
        member = SimpleNamespace(network=network, job=job, next_stop=10_000, n_epochs=0)
        return worth_compiling([member])

    assert is_worth_it(network_of("image"))
    large = cnn(
        input_shape=(64, 64, 3), filters=(32,), kernel_size=(3, 3), pool_size=(2, 2),
        activation="relu", hidden_units=(), loss=LABELS, n_outputs=3, output_activation="softmax",
    )  # fmt: skip
    assert not is_worth_it(large)
    assert not is_worth_it(network_of("image", augmentation=augmentation_layers("flip")))


def test_predictions_in_chunks_equal_those_of_all_rows(monkeypatch):
    from skdl.training.engine import _prediction

    X, y = data_of("image", 100)
    (ours,) = trained(job_of(network_of("image"), X, y, epochs=1))
    expected = predict(ours, X)
    monkeypatch.setattr(_prediction, "_MOST_NUMBERS", 1)
    ours.network = network_of("image")
    _prediction._predictors.clear()
    np.testing.assert_allclose(predict(ours, X), expected, rtol=1e-5)
    assert _prediction._predictors[ours]._rows_at_once == 8


def test_kernel_penalties_reach_the_keras_model():
    model = keras_model(network_of("image", l1=0.1, l2=0.2))
    convolution = model.layers[0]
    assert isinstance(convolution, keras.layers.Conv2D)
    assert convolution.kernel_regularizer.l1 == pytest.approx(0.1)
    assert convolution.kernel_regularizer.l2 == pytest.approx(0.2)


def test_layers_that_only_train_are_in_the_keras_model():
    network = network_of("image", augmentation=[Layer.of("RandomFlip", mode="horizontal")])
    assert isinstance(keras_model(network).layers[0], keras.layers.RandomFlip)
