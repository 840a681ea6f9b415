"""With shuffling and dropout off and equal initial weights, ``fit`` learns what Keras' fit learns.

Ours average a loss by the sample weights, so twins are compiled with
``reduction="mean_with_sample_weight"``.
"""

import itertools
import logging
import types

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from skdl import MLPClassifier, MLPRegressor
from tests.checks import slow_but, slow_case

N_ROWS = 43  # 16 does not divide 43: the last batch has 11 rows
ROWS, VALID = slice(0, N_ROWS), slice(75, 95)

EPOCHS = 2  # of three steps each

PLAIN = {
    "hidden_units": 8,
    "batch_size": 16,
    "epochs": EPOCHS,
    "shuffle": False,
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def path(caplog):
    """Fail where a fit went to ``keras.Model.fit`` unasked: Keras would be compared to itself."""
    expected = types.SimpleNamespace(keras=False)
    with caplog.at_level(logging.INFO, logger="skdl"):
        yield expected
    messages = [record.getMessage() for record in caplog.get_records("call")]
    assert any("keras.Model.fit" in message for message in messages) == expected.keras


def regressor(**params):
    return MLPRegressor(**PLAIN | {"target_scaling": False} | with_rate(params))


def classifier(**params):
    return MLPClassifier(**PLAIN | with_rate(params))


def with_rate(params):
    """Return the parameters and, unless an optimizer object brings its own, a learning rate."""
    brings_its_own = isinstance(params.get("optimizer"), keras.optimizers.Optimizer)
    return params if brings_its_own else {"learning_rate": 0.01} | params


def averaged(loss, **numbers):
    return loss(**numbers, reduction="mean_with_sample_weight")


class Quantile(keras.losses.Loss):
    """max(q e, (q - 1) e), which Keras lacks."""

    def __init__(self, quantile, reduction):
        super().__init__(reduction=reduction)
        self.quantile = np.array(quantile, np.float32)

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return keras.ops.mean(
            keras.ops.where(error > 0, self.quantile * error, (self.quantile - 1) * error), axis=-1
        )


def initial_weights_kept_in(weights):
    class InitialWeights(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            weights.extend(self.model.get_weights())

    return InitialWeights()


def keras_twin(estimator, X, y, loss, optimizer=None, **fit_params):
    """Fit the estimator; return a compiled Keras model as it was before its first step."""
    weights = []
    estimator.set_params(callbacks=[initial_weights_kept_in(weights)])
    estimator.fit(X, y, **fit_params)
    twin = keras.models.clone_model(estimator.model_)
    twin.set_weights(weights)
    compiled_for_few_steps(twin, optimizer or keras.optimizers.Adam(0.01), loss)
    return twin


def compiled_for_few_steps(model, optimizer, loss, **arguments):
    """Compile without a graph, whose tracing costs more than the six steps."""
    model.compile(optimizer, loss, run_eagerly=True, **arguments)


def fit_twin(twin, X, targets, **fit_params):
    return twin.fit(
        X, targets, batch_size=16, epochs=EPOCHS, shuffle=False, verbose=0, **fit_params
    ).history


def keras_outputs(estimator, X):
    """Return what the network of an estimator without target scaling must put out."""
    if hasattr(estimator, "predict_quantiles"):
        return estimator.predict_quantiles(X)
    if hasattr(estimator, "classes_"):
        probabilities = np.asarray(estimator.predict_proba(X))
        return probabilities[:, 1:] if estimator.model_.output_shape[1] == 1 else probabilities
    return estimator.predict(X).reshape(len(X), -1)


def assert_equal_predictions(estimator, twin, X):
    expected = np.asarray(twin(X))
    np.testing.assert_allclose(keras_outputs(estimator, X), expected, rtol=1e-4, atol=1e-5)


def assert_equal_weights(estimator, twin):
    for ours, theirs in zip(estimator.model_.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.fixture
def regression(diabetes):
    """Targets of both signs, of the order of one."""
    X, y = diabetes
    return X, (y - y.mean()) / y.std()


def classification_task(kind, iris):
    """Return X, y as a user gives it and the targets of Keras."""
    X, y = iris
    if kind == "binary":
        names = np.where(y == 1, "versicolor", "other")
        return X, names, (names == "versicolor")[:, None].astype(float)
    if kind == "multiclass":
        return X, np.array(["setosa", "versicolor", "virginica"])[y], np.eye(3)[y]
    indicators = np.column_stack([y > 0, y == 1]).astype(int)
    return X, indicators, indicators.astype(float)


REGRESSION_LOSSES = {
    "mse": ({"loss": "mse"}, keras.losses.MeanSquaredError, {}),
    "mae": ({"loss": "mae"}, keras.losses.MeanAbsoluteError, {}),
    "huber": ({"loss": "huber"}, keras.losses.Huber, {"delta": 1.0}),
    "huber_0.3": ({"loss": "huber", "huber_delta": 0.3}, keras.losses.Huber, {"delta": 0.3}),
    "log_cosh": ({"loss": "log_cosh"}, keras.losses.LogCosh, {}),
    "quantile": ({"loss": "quantile"}, Quantile, {"quantile": 0.5}),
    "quantiles": (
        {"loss": "quantile", "quantiles": [0.1, 0.5, 0.9]},
        Quantile,
        {"quantile": [0.1, 0.5, 0.9]},
    ),
    "quantile_0.9": ({"loss": "quantile", "quantile": 0.9}, Quantile, {"quantile": 0.9}),
}
CLASSIFICATION_LOSSES = {
    "crossentropy": (keras.losses.BinaryCrossentropy, keras.losses.CategoricalCrossentropy),
    "focal": (keras.losses.BinaryFocalCrossentropy, keras.losses.CategoricalFocalCrossentropy),
}
OPTIMIZERS = {
    "adam": ("adam", keras.optimizers.Adam),
    "adamw": ("adamw", keras.optimizers.AdamW),
    "rmsprop": ("rmsprop", keras.optimizers.RMSprop),
    "sgd": ("sgd", keras.optimizers.SGD),
    "class": (keras.optimizers.Adam, keras.optimizers.Adam),
}
OPTIMIZER_OPTIONS = {
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True, beta_1=0.8, epsilon=1e-3),
    "adam_weight_decay": lambda: keras.optimizers.Adam(0.01, weight_decay=0.1),
    "adamw_weight_decay": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "nesterov": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "centered": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "clipvalue": lambda: keras.optimizers.SGD(0.01, clipvalue=0.01),
    "clipnorm": lambda: keras.optimizers.SGD(0.01, clipnorm=0.1),
    "global_clipnorm": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.01),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=7, decay_rate=0.5)
    ),
}
NOT_ELEMENTWISE = {
    "moving_average": lambda: keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.8),
    "accumulation": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
}
PENALTIES = ("l1", "l2", "linear_l1_l2")
REGULARISERS = {
    "l1": {"l1": 0.01},
    "l2": {"l2": 0.01},
    "linear_l1_l2": {"hidden_layers": 0, "l1": 0.01, "l2": 0.01},
    "batch_norm_before": {"batch_norm": "before_activation"},
    "batch_norm_after": {"batch_norm": "after_activation"},
    "input_batch_norm": {"input_batch_norm": True},
    "all": {
        "l1": 1e-3,
        "l2": 1e-3,
        "batch_norm": "after_activation",
        "input_batch_norm": True,
        "activation": "elu",
    },
}


@pytest.mark.parametrize("name", slow_but(REGRESSION_LOSSES, "huber_0.3"))
def test_regression_losses(name, regression):
    X, y = regression
    params, loss, numbers = REGRESSION_LOSSES[name]
    ours = regressor(**params)
    twin = keras_twin(
        ours, X[ROWS], y[ROWS], averaged(loss, **numbers), X_val=X[VALID], y_val=y[VALID]
    )
    history = fit_twin(twin, X[ROWS], y[ROWS, None], validation_data=(X[VALID], y[VALID, None]))
    # Several quantiles come sorted.
    assert_equal_predictions(ours, lambda rows: np.sort(twin(rows), axis=1), X)
    assert_equal_weights(ours, twin)
    np.testing.assert_allclose(ours.history_["loss"], history["loss"], rtol=1e-4)
    np.testing.assert_allclose(ours.history_["val_loss"], history["val_loss"], rtol=1e-4)


@pytest.mark.slow
def test_poisson_loss_on_counts(diabetes):
    X, _ = diabetes
    counts = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 2]))
    ours = regressor(loss="poisson")
    twin = keras_twin(ours, X[ROWS], counts[ROWS], averaged(keras.losses.Poisson))
    history = fit_twin(twin, X[ROWS], counts[ROWS, None].astype(float))
    assert_equal_predictions(ours, twin, X)
    np.testing.assert_allclose(ours.history_["loss"], history["loss"], rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "loss", "smoothing"),
    slow_but(
        [
            *itertools.product(
                ("binary", "multiclass", "multilabel"), CLASSIFICATION_LOSSES, [0.1]
            ),
            # Crossentropy of classes without smoothing stands in tests of weights and metrics.
            ("binary", "focal", 0.0),
            ("multilabel", "crossentropy", 0.0),
        ],
        ("binary", "crossentropy", 0.1),
        ("multiclass", "crossentropy", 0.1),
    ),
)
def test_classification_losses(kind, loss, smoothing, iris):
    X, y, targets = classification_task(kind, iris)
    ours = classifier(loss=loss, label_smoothing=smoothing)
    keras_loss = CLASSIFICATION_LOSSES[loss][kind == "multiclass"]
    twin = keras_twin(
        ours,
        X[ROWS],
        y[ROWS],
        averaged(keras_loss, label_smoothing=smoothing),
        X_val=X[VALID],
        y_val=y[VALID],
    )
    history = fit_twin(twin, X[ROWS], targets[ROWS], validation_data=(X[VALID], targets[VALID]))
    assert_equal_predictions(ours, twin, X)
    assert_equal_weights(ours, twin)
    np.testing.assert_allclose(ours.history_["loss"], history["loss"], rtol=1e-4)
    np.testing.assert_allclose(ours.history_["val_loss"], history["val_loss"], rtol=1e-4)


@pytest.mark.parametrize("name", slow_but(OPTIMIZERS, "rmsprop"))
def test_optimizers_by_name_and_class(name, regression):
    X, y = regression
    spelling, optimizer = OPTIMIZERS[name]
    ours = regressor(optimizer=spelling)
    twin = keras_twin(
        ours, X[ROWS], y[ROWS], averaged(keras.losses.MeanSquaredError), optimizer(0.01)
    )
    fit_twin(twin, X[ROWS], y[ROWS, None])
    assert_equal_predictions(ours, twin, X)
    assert_equal_weights(ours, twin)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZER_OPTIONS)
def test_options_of_optimizer_instances(name, regression):
    X, y = regression
    ours = regressor(optimizer=OPTIMIZER_OPTIONS[name]())
    twin = keras_twin(
        ours,
        X[ROWS],
        y[ROWS],
        averaged(keras.losses.MeanSquaredError),
        OPTIMIZER_OPTIONS[name](),
    )
    fit_twin(twin, X[ROWS], y[ROWS, None])
    assert_equal_predictions(ours, twin, X)
    assert_equal_weights(ours, twin)


def test_schedule_as_learning_rate(regression):
    X, y = regression
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=7, decay_rate=0.5)
    by_name = regressor(learning_rate=schedule).fit(X, y)
    by_object = regressor(optimizer=keras.optimizers.Adam(schedule)).fit(X, y)
    np.testing.assert_array_equal(by_name.predict(X), by_object.predict(X))
    assert not np.allclose(by_name.predict(X), regressor().fit(X, y).predict(X), rtol=1e-3)


@pytest.mark.parametrize("name", slow_but(NOT_ELEMENTWISE, "moving_average"))
def test_optimizers_that_are_not_elementwise_are_left_to_keras(name, regression, path):
    path.keras = True
    X, y = regression
    ours = regressor(optimizer=NOT_ELEMENTWISE[name]())
    twin = keras_twin(
        ours, X[ROWS], y[ROWS], averaged(keras.losses.MeanSquaredError), NOT_ELEMENTWISE[name]()
    )
    fit_twin(twin, X[ROWS], y[ROWS, None])
    assert_equal_predictions(ours, twin, X)


def robust_adam():
    """Adam that takes no full steps along gradients which are only rounding.

    With the default epsilon, biases in front of batch normalisation drift, and Keras differs
    from Keras: by 4e-3 in these predictions after 5 epochs, with XLA and without.
    """
    return keras.optimizers.Adam(0.01, epsilon=1e-4)


def descent():
    return keras.optimizers.SGD(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        # How large a penalty is shows in full in the steps of gradient descent.
        *itertools.product([*PENALTIES, "all"], [descent]),
        *itertools.product([name for name in REGULARISERS if name not in PENALTIES], [robust_adam]),
    ],
)
def test_regularisers(name, optimizer, regression):
    X, y = regression
    ours = regressor(**REGULARISERS[name], optimizer=optimizer())
    twin = keras_twin(
        ours,
        X[ROWS],
        y[ROWS],
        averaged(keras.losses.MeanSquaredError),
        optimizer(),
        X_val=X[VALID],
        y_val=y[VALID],
    )
    history = fit_twin(twin, X[ROWS], y[ROWS, None], validation_data=(X[VALID], y[VALID, None]))
    assert_equal_predictions(ours, twin, X)
    np.testing.assert_allclose(ours.history_["loss"], history["loss"], rtol=1e-4)
    np.testing.assert_allclose(ours.history_["val_loss"], history["val_loss"], rtol=1e-4)


@pytest.mark.parametrize(
    "batch_norm", slow_but([None, "before_activation", "after_activation"], "after_activation")
)
def test_sample_weights(batch_norm, regression):
    # Weights count in the loss, but as in Keras not in the moments of batch normalisation.
    X, y = regression
    weights = np.random.default_rng(0).choice([0.1, 0.5, 3.0], size=N_ROWS)
    ours = regressor(batch_norm=batch_norm, optimizer=robust_adam())
    twin = keras_twin(
        ours,
        X[ROWS],
        y[ROWS],
        averaged(keras.losses.MeanSquaredError),
        robust_adam(),
        sample_weight=weights,
    )
    fit_twin(twin, X[ROWS], y[ROWS, None], sample_weight=weights)
    assert_equal_predictions(ours, twin, X)


@pytest.mark.parametrize("batch_norm", [None, "before_activation"])
def test_rows_of_weight_zero_are_left_out(batch_norm, regression):
    # Where Keras keeps them in batches and moments, we follow scikit-learn.
    X, y = regression
    weights = np.random.default_rng(0).choice([0.0, 1.0, 3.0], size=N_ROWS)
    kept = np.flatnonzero(weights)
    ours = regressor(batch_norm=batch_norm).fit(X[ROWS], y[ROWS], sample_weight=weights)
    fewer = regressor(batch_norm=batch_norm).fit(X[kept], y[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(ours.predict(X), fewer.predict(X))


@pytest.mark.parametrize(
    ("class_weight", "weighted"),
    [
        ("balanced", True),
        ({"setosa": 1, "versicolor": 5, "virginica": 0.5}, False),
        slow_case(("balanced", False)),
        slow_case(({"setosa": 1, "versicolor": 5, "virginica": 0.5}, True)),
    ],
)
def test_class_weights(class_weight, weighted, iris):
    X, y, targets = classification_task("multiclass", iris)
    rows = np.flatnonzero((y != "setosa") | (np.arange(len(y)) % 3 == 0))[:N_ROWS]
    own = np.random.default_rng(0).uniform(0.5, 2, size=N_ROWS) if weighted else np.ones(N_ROWS)
    ours = classifier(class_weight=class_weight)
    twin = keras_twin(
        ours,
        X[rows],
        y[rows],
        averaged(keras.losses.CategoricalCrossentropy),
        sample_weight=own if weighted else None,
    )
    expected = own * compute_sample_weight(class_weight, y[rows])
    fit_twin(twin, X[rows], targets[rows], sample_weight=expected)
    assert_equal_predictions(ours, twin, X)


def test_scaled_target_comes_back_in_its_own_units(diabetes):
    X, y = diabetes
    ours = regressor(target_scaling=True)
    twin = keras_twin(ours, X[ROWS], y[ROWS], averaged(keras.losses.MeanSquaredError))
    mean, std = y[ROWS].mean(), y[ROWS].std()
    fit_twin(twin, X[ROWS], (y[ROWS, None] - mean) / std)
    expected = mean + std * np.asarray(twin(X))[:, 0]
    np.testing.assert_allclose(ours.predict(X), expected, rtol=1e-4)


def test_several_targets(regression):
    X, y = regression
    targets = np.column_stack([y, X[:, 0] - y])
    ours = regressor()
    twin = keras_twin(ours, X[ROWS], targets[ROWS], averaged(keras.losses.MeanSquaredError))
    fit_twin(twin, X[ROWS], targets[ROWS])
    assert_equal_predictions(ours, twin, X)
    assert_equal_weights(ours, twin)


@pytest.mark.parametrize(
    ("kind", "metrics"), [slow_case(("multiclass", ["accuracy"])), ("regression", ["mae", "mse"])]
)
@pytest.mark.slow
def test_metrics_of_both_sides(kind, metrics, iris, regression):
    if kind == "regression":
        X, y = regression
        ours, targets, loss = regressor(metrics=metrics), y[:, None], keras.losses.MeanSquaredError
    else:
        X, y, targets = classification_task(kind, iris)
        ours, loss = classifier(metrics=metrics), keras.losses.CategoricalCrossentropy
    twin = keras_twin(ours, X[ROWS], y[ROWS], averaged(loss), X_val=X[VALID], y_val=y[VALID])
    compiled_for_few_steps(twin, keras.optimizers.Adam(0.01), averaged(loss), metrics=metrics)
    history = fit_twin(twin, X[ROWS], targets[ROWS], validation_data=(X[VALID], targets[VALID]))
    assert ours.history_.keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(ours.history_[name], values, rtol=1e-4, err_msg=name)


def test_callbacks_change_no_bit(regression):
    X, y = regression
    watched = regressor(callbacks=[initial_weights_kept_in([])]).fit(X, y)
    np.testing.assert_array_equal(watched.predict(X), regressor().fit(X, y).predict(X))


@pytest.mark.parametrize(
    ("kind", "spelling"),
    [
        ("binary", "binary_crossentropy"),
        ("multiclass", "categorical_crossentropy"),
        ("multiclass", "sparse_categorical_crossentropy"),
        ("multiclass", keras.losses.CategoricalCrossentropy()),
        ("multiclass", keras.losses.SparseCategoricalCrossentropy()),
        ("multilabel", "binary_crossentropy"),
    ],
)
def test_keras_spellings_of_crossentropy(kind, spelling, iris):
    X, y, _ = classification_task(kind, iris)
    expected = classifier().fit(X, y).predict_proba(X)
    actual = classifier(loss=spelling).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("spelling", "ours"),
    [
        ("mean_squared_error", {"loss": "mse"}),
        slow_case(("MeanAbsoluteError", {"loss": "mae"})),
        (keras.losses.Huber(delta=0.3), {"loss": "huber", "huber_delta": 0.3}),
        slow_case(
            (
                lambda y_true, y_pred: keras.ops.mean((y_true - y_pred) ** 2, axis=-1),
                {"loss": "mse"},
            )
        ),
    ],
    ids=["name", "class_name", "instance", "callable"],
)
def test_keras_spellings_of_regression_losses(spelling, ours, regression):
    X, y = regression
    expected = regressor(**ours).fit(X, y).predict(X)
    actual = regressor(loss=spelling).fit(X, y).predict(X)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
