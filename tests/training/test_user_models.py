"""Models of the user's own in the graph: layer by layer as in Keras, in lockstep as alone."""

import logging

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.model_selection import RepeatedKFold, cross_val_predict, cross_validate

from skdl import KerasClassifier, KerasRegressor, lockstep
from skdl.layers import keras_model
from tests.checks import slow_but

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

N_FEATURES = 8
N_LEVELS = 5
EPOCHS, N_ROWS = 2, 43  # 16 does not divide 43


@pytest.fixture(scope="module")
def rows():
    """Rows whose last column is a number of a level."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(110, N_FEATURES)).astype(np.float32)
    X[:, -1] = rng.integers(0, N_LEVELS, len(X))
    y = X[:, 0] - 0.5 * X[:, 1] * X[:, 2] + 0.3 * np.sin(X[:, -1])
    return X, y.astype(np.float32)


def everything(meta, dropout=0.0):
    """Return a model with an embedded column, batch normalisation and a residual connection."""
    inputs = keras.Input((meta["n_features_in_"],))
    level = layers.Embedding(N_LEVELS, 3)(inputs[:, -1:])
    x = layers.Concatenate()([inputs[:, :-1], layers.Flatten()(level)])
    # A bias there would have no gradient but rounding, of which Adam makes full steps in Keras.
    x = layers.Dense(12, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    shortcut = x
    x = layers.Dense(12, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3))(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Add()([x, shortcut])
    return keras.Model(inputs, layers.Dense(1)(x))


def chain(*stack):
    def build(meta):
        return keras.Sequential([keras.Input(meta["X_shape_"][1:]), *[make() for make in stack]])

    return build


def functional(body):
    def build(meta):
        inputs = keras.Input(meta["X_shape_"][1:])
        return keras.Model(inputs, layers.Dense(1)(body(inputs)))

    return build


def nested(inputs):
    inner = keras.Sequential([layers.Dense(6, activation="tanh"), layers.BatchNormalization()])
    return layers.Dense(4, activation="elu")(inner(inputs))


def frozen(inputs):
    x = layers.Dense(6, activation="tanh", trainable=False)(inputs)
    normalised = layers.BatchNormalization(trainable=False)(x)
    return layers.Dense(4, activation="relu")(normalised)


class Scaled(layers.Layer):
    """A user's layer with a weight of its own."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor


class Centred(layers.Layer):
    """A user's layer in which rows meet."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)


def noisy(inputs):
    return layers.GaussianNoise(0.1)(inputs)


def with_lambda(inputs):
    return layers.Lambda(lambda x: x**2)(inputs)


def centred(inputs):
    return Centred()(inputs)


def one_layer_twice(inputs):
    layer = layers.Dense(N_FEATURES)
    return layer(layer(inputs))


MODELS = {
    "everything": everything,
    "without bias": chain(
        lambda: layers.Dense(6, use_bias=False),
        lambda: layers.BatchNormalization(scale=False, momentum=0.8, epsilon=1e-2),
        lambda: layers.Activation("selu"),
        lambda: layers.Dense(1),
    ),
    "normalised": chain(
        lambda: layers.Dense(6, activation="gelu"),
        layers.LayerNormalization,
        lambda: layers.Dense(1, kernel_regularizer="l1"),
    ),
    "operations": functional(
        lambda x: layers.Dense(5, activation="relu")(
            keras.ops.concatenate([x[:, :3] * 2.0, keras.ops.abs(x[:, 3:])], axis=-1)
        )
    ),
    "two branches": functional(
        lambda x: layers.Multiply()(
            [layers.Dense(5, activation="sigmoid")(x), layers.Dense(5, activation="tanh")(x)]
        )
    ),
    "nested": functional(nested),
    "frozen": functional(frozen),
    "own layer": functional(lambda x: layers.Dense(4, activation="relu")(Scaled()(x))),
    "reshaped": functional(
        lambda x: layers.Flatten()(layers.Dense(3, activation="relu")(layers.Reshape((4, 2))(x)))
    ),
}
LEFT_TO_KERAS = {
    "noise": (functional(noisy), "statistics or noise"),
    "rows meet": (functional(centred), "statistics or noise"),
    "rows meet in an operation": (
        functional(lambda x: x - keras.ops.mean(x, axis=0)), "statistics or noise"
    ),
    "lambda": (functional(with_lambda), "Lambda"),
    "one layer twice": (
        functional(one_layer_twice),
        "more than once",
    ),
    "bias regulariser": (
        chain(lambda: layers.Dense(1, bias_regularizer="l2")), "adds to the loss"
    ),
}  # fmt: skip


def estimator(build, **params):
    fixed = {"optimizer": "adam", "loss": "mse", "epochs": 5, "batch_size": 16, "random_state": 0}
    return KerasRegressor(build, **fixed | params)


def optimizer_for(name):
    """Return one under which Keras' sums over uses of a row of an embedding are ours."""
    has_embedding = name == "everything"
    return keras.optimizers.SGD(0.02, momentum=0.9) if has_embedding else "adam"


def twin_of(build, X, y, optimizer="adam"):
    """Return a Keras model as the estimator's was before its first step."""
    job = estimator(build, shuffle=False)._make_job(X, y)
    twin = keras_model(job.network)
    twin.set_weights(job.weights)
    # Few steps, which tracing a graph would cost more than.
    twin.compile(optimizer, "mse", run_eagerly=True)
    return twin


@pytest.fixture
def log(caplog):
    with caplog.at_level(logging.INFO, logger="skdl"):
        yield caplog


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_models_train_as_in_keras(name, rows, log):
    X, X_val, y, y_val = *np.split(rows[0], [N_ROWS]), *np.split(rows[1], [N_ROWS])
    build = MODELS[name]
    twin = twin_of(build, X, y, optimizer_for(name))
    history = twin.fit(
        X, y[:, None], batch_size=16, epochs=EPOCHS, shuffle=False, verbose=0,
        validation_data=(X_val, y_val[:, None]),
    ).history  # fmt: skip
    ours = estimator(build, shuffle=False, optimizer=optimizer_for(name), epochs=EPOCHS)
    ours.fit(X, y, X_val=X_val, y_val=y_val)
    assert "keras.Model.fit" not in log.text
    np.testing.assert_allclose(
        ours.predict(X_val), np.asarray(twin(X_val))[:, 0], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(ours.history_["loss"], history["loss"], rtol=1e-4)
    np.testing.assert_allclose(ours.history_["val_loss"], history["val_loss"], rtol=1e-4)


@pytest.mark.parametrize("name", slow_but(LEFT_TO_KERAS, "one layer twice", "lambda"))
def test_what_the_graph_cannot_do_goes_to_keras_and_says_why(name, rows, log):
    X, y = rows
    build, reason = LEFT_TO_KERAS[name]
    ours = estimator(build, epochs=2).fit(X, y)
    assert "keras.Model.fit" in log.text
    assert reason in log.text
    assert np.isfinite(ours.predict(X)).all()


@pytest.mark.slow
def test_embedding_learns_what_a_dense_layer_of_indicators_learns(rows):
    X, y = rows

    def network(level):
        inputs = keras.Input((N_FEATURES,))
        return keras.Model(inputs, layers.Dense(1)(level(inputs[:, -1])))

    def indicators(column):
        return layers.Dense(3, use_bias=False)(keras.ops.one_hot(column, N_LEVELS, dtype="float32"))

    ours = estimator(lambda: network(layers.Embedding(N_LEVELS, 3)), shuffle=False)
    job = ours._make_job(X, y)
    twin = network(lambda column: indicators(keras.ops.cast(column, "int32")))
    twin.set_weights(job.weights)
    twin.compile("adam", "mse", jit_compile=False)
    twin.fit(X, y[:, None], batch_size=16, epochs=5, shuffle=False, verbose=0)
    np.testing.assert_allclose(
        ours.fit(X, y).predict(X), twin.predict(X, verbose=0)[:, 0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_model_with_trained_weights_predicts_what_the_estimator_predicts(rows):
    X, y = rows
    ours = estimator(everything, dropout=0.3).fit(X, y)
    np.testing.assert_allclose(
        ours.model_.predict(X, verbose=0)[:, 0], ours.predict(X), rtol=1e-4, atol=1e-5
    )
    assert ours.model_.compiled


@pytest.mark.slow
def test_repeated_folds_in_lockstep_learn_what_they_learn_alone(rows):
    X, y = rows
    cv = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
    ours = estimator(everything, dropout=0.2, epochs=20)
    alone = cross_validate(ours, X, y, cv=cv, return_estimator=True)
    with lockstep() as session:
        together = cross_validate(ours, X, y, cv=cv, return_estimator=True)
    assert session.batches == [10]
    for one, other in zip(alone["estimator"], together["estimator"], strict=True):
        expected = one.predict(X)
        np.testing.assert_allclose(other.predict(X), expected, atol=1e-3 * expected.std())


def test_embedding_numbers_outside_the_table_are_not_read_silently(rows):
    X, y = rows
    X = X.copy()
    X[3, -1] = N_LEVELS
    with pytest.raises(Exception, match=r"not in \[0|nan"):
        estimator(everything).fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "units", "activation"),
    [
        ("binary_crossentropy", 1, "sigmoid"),
        (keras.losses.BinaryCrossentropy(from_logits=True), 1, None),
        ("sparse_categorical_crossentropy", 2, "softmax"),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), 2, None),
        ("categorical_crossentropy", 2, "softmax"),
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), 2, "softmax"),
        ("hinge", 1, "tanh"),
        ("mse", 2, "softmax"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_classifiers_train_as_in_keras(loss, units, activation, rows, log):
    X, y = (part[:N_ROWS] for part in rows)
    labels = y > 0

    def build(meta):
        return keras.Sequential(
            [
                keras.Input((meta["n_features_in_"],)),
                layers.Dense(6, activation="relu"),
                layers.Dense(units, activation=activation),
            ]
        )

    ours = KerasClassifier(
        build, loss=loss, optimizer="adam", metrics=["accuracy"], epochs=EPOCHS, batch_size=16,
        shuffle=False, random_state=0,
    )  # fmt: skip
    job = ours._make_job(X, labels)
    twin = keras_model(job.network)
    twin.set_weights(job.weights)
    twin.compile("adam", loss, metrics=["accuracy"], run_eagerly=True)
    is_sparse = "sparse" in getattr(loss, "name", loss)
    targets = labels[:, None] if units == 1 or is_sparse else np.eye(2)[labels.astype(int)]
    history = twin.fit(
        X, targets.astype(float), batch_size=16, epochs=EPOCHS, shuffle=False, verbose=0
    ).history
    ours.fit(X, labels)
    assert "keras.Model.fit" not in log.text
    np.testing.assert_allclose(ours.history_["loss"], history["loss"], rtol=1e-4)
    if activation:
        np.testing.assert_allclose(ours.history_["accuracy"], history["accuracy"], rtol=1e-4)
    for one, other in zip(ours.model_.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    if loss == "hinge":
        assert not hasattr(ours, "predict_proba")
        return
    probabilities = ours.predict_proba(X)
    assert probabilities.shape == (len(X), 2)
    if activation is None:
        assert (probabilities >= 0).all()
        np.testing.assert_allclose(probabilities.sum(1), 1)


@pytest.mark.slow
def test_sparse_rows_learn_what_dense_rows_learn(rows):
    from scipy import sparse

    X, y = rows
    X = np.where(X > 0.5, X, 0).astype(np.float32)
    for build in (MODELS["without bias"], everything):
        dense, thin = (
            cross_val_predict(estimator(build), kind(X), y, cv=3)
            for kind in (np.asarray, sparse.csr_matrix)
        )
        np.testing.assert_allclose(thin, dense, rtol=1e-3, atol=1e-4)
