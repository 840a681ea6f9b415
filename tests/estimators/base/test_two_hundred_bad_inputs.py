"""Over two hundred bad inputs: each is told before training, with parameter, value and remedy.

Kinds: values that no parameter takes, names of other libraries, functions of the user's with a
wrong signature or result, losses of another kind of target, sizes that no memory holds, and data.
"""

import functools
import logging

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import sparse

import skdl
from skdl import (
    CNNClassifier,
    CNNRegressor,
    KerasClassifier,
    KerasRegressor,
    KerasTransformer,
    MLPClassifier,
    MLPRegressor,
    PretrainedCNNClassifier,
    PretrainedCNNRegressor,
    PretrainedFeatures,
    SmoothClipScaler,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4))
Y = X[:, 0]
LABELS = np.where(Y > 0, "high", "low")
THREE = np.arange(30) % 3
IMAGES = RNG.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
FRAME = pd.DataFrame(X, columns=list("abcd"))


def build(meta):
    rows = keras.Input((meta["n_features_in_"],))
    return keras.Model(rows, keras.layers.Dense(1)(rows))


def tiny_backbone():
    images = keras.Input((32, 32, 3))
    return keras.Model(images, keras.layers.Conv2D(2, 3)(images))


BACKBONE = tiny_backbone()
MADE_WITH = {
    KerasClassifier: {"model": build, "loss": "binary_crossentropy"},
    KerasRegressor: {"model": build, "loss": "mse"},
    KerasTransformer: {"model": build, "loss": "mse"},
    PretrainedFeatures: {"backbone": BACKBONE},
    PretrainedCNNClassifier: {"backbone": BACKBONE},
    PretrainedCNNRegressor: {"backbone": BACKBONE},
}
ON_IMAGES = {
    CNNClassifier, CNNRegressor, PretrainedFeatures, PretrainedCNNClassifier, PretrainedCNNRegressor
}  # fmt: skip


def data_for(estimator):
    rows = IMAGES if estimator in ON_IMAGES else X
    is_classifier = estimator.__name__.endswith("Classifier")
    return rows, LABELS if is_classifier else Y


# ------------------------------------------------------------------ functions of the user's


def of_no_argument():
    return 1.0


def of_one(a):
    return a


def gives_none(*tensors):
    del tensors


def gives_text(*tensors):
    del tensors
    return "loss"


def divides_by_zero(*tensors):
    return 1 / 0 * tensors[0]


def of_numpy(y_true, y_pred):
    return np.mean(np.square(y_true - y_pred), axis=-1)


def with_if(y_true, y_pred=None):
    if tf.reduce_sum(y_true) > 0:
        return y_true if y_pred is None else tf.reduce_mean(tf.square(y_true - y_pred), -1)
    return y_true


def of_all_rows(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred))


def by_column(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), 0)


def without_slope(y_true, y_pred):
    return tf.reduce_mean(tf.round(y_true - tf.stop_gradient(y_pred)), -1)


def of_integers(y_true, y_pred):
    return tf.cast(tf.reduce_mean(tf.square(y_true - y_pred), -1), tf.int32)


def constant(y_true, y_pred):
    del y_pred
    return tf.zeros(tf.shape(y_true)[0])


def halves(x):
    return x[..., :2]


def sums(x):
    return tf.reduce_sum(x, -1)


def in_float64(x):
    return tf.cast(x, tf.float64)


def numpy_tanh(x):
    return np.array(np.tanh(np.asarray(x)))


class FailingMetric(keras.metrics.Metric):
    """Has no room for targets."""

    def update_state(self, values):
        self.values = values

    def result(self):
        return 0.0


class BatchLoss(keras.losses.Loss):
    """Gives one number for a batch."""

    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.square(y_true - y_pred))


LOSS_EXPECTED = r"one number per row.*keras\.ops.*axis=-1"
WRONG_LOSSES = [
    (of_no_argument, "raised TypeError.*2 were given"),
    (of_one, "raised TypeError.*2 were given"),
    (gives_none, "gave None: is there a return"),
    (gives_text, "gave 'loss'"),
    (divides_by_zero, "raised ZeroDivisionError"),
    (of_numpy, "raised NotImplementedError"),
    (with_if, "raised OperatorNotAllowedInGraphError"),
    (of_all_rows, "one number for all rows"),
    (without_slope, "without a gradient"),
    (of_integers, "int32, which has no gradient"),
    (constant, "without a gradient"),
]
WRONG_METRICS = [
    (function, fault)
    for function, fault in WRONG_LOSSES
    if function not in {without_slope, of_integers, constant}
]
WRONG_ACTIVATIONS = [
    (of_no_argument, "raised TypeError"),
    (gives_none, "gave None: is there a return"),
    (gives_text, "gave 'loss'"),
    (divides_by_zero, "raised ZeroDivisionError"),
    (halves, r"gave shape \(3, 2\)"),
    (sums, r"gave shape \(3,\)"),
    (in_float64, "gave float64"),
    (numpy_tanh, "raised NotImplementedError"),
    (with_if, "raised OperatorNotAllowedInGraphError"),
    (of_numpy, "raised TypeError"),
]
ACTIVATION_EXPECTED = r"same shape and dtype.*keras\.ops"
WRONG_PREPROCESSING = [
    (of_no_argument, "raised TypeError"),
    (gives_none, "gave None: is there a return"),
    (gives_text, "gave 'loss'"),
    (divides_by_zero, "raised ZeroDivisionError"),
    (sums, r"gave shape \(None, 32, 32\)"),
    (halves, r"gave shape \(None, 32, 32, 2\)"),
    (numpy_tanh, "raised NotImplementedError"),
]


def named(estimators, name, table, expected):
    return [
        (
            estimator,
            {name: function},
            rf"{name}=<function {function.__name__} .*{fault}.*{expected}",
        )
        for estimator in estimators
        for function, fault in table
    ]


FUNCTIONS = [
    *named([MLPRegressor, CNNClassifier], "loss", WRONG_LOSSES, LOSS_EXPECTED),
    *named([KerasRegressor], "loss", WRONG_LOSSES[:8], LOSS_EXPECTED),
    *named([MLPClassifier, KerasRegressor], "metrics", WRONG_METRICS, LOSS_EXPECTED),
    *named([MLPClassifier, CNNRegressor], "activation", WRONG_ACTIVATIONS, ACTIVATION_EXPECTED),
    *named([PretrainedCNNRegressor], "activation", WRONG_ACTIVATIONS[:4], ACTIVATION_EXPECTED),
    *named(
        [PretrainedFeatures, PretrainedCNNClassifier], "preprocessing", WRONG_PREPROCESSING,
        r"float32 tensor of shape \(None, 32, 32, 3\)",
    ),
    (MLPRegressor, {"loss": BatchLoss()}, "loss=<BatchLoss> .*one number for all rows.*per row"),
    (MLPRegressor, {"metrics": [FailingMetric()]}, "metrics=<FailingMetric> failed.*takes such"),
    (MLPRegressor, {"activation": keras.layers.Dense}, "activation=.*Dense.*'units'.*LeakyReLU"),
    (
        MLPRegressor, {"activation": keras.layers.Conv2D(2, 3)},
        "activation=<Conv2D.*does not take rows of 4 numbers.*LeakyReLU",
    ),
]  # fmt: skip


# ------------------------------------------------------------------ models of the user's


def model_of_units(units):
    return units


def model_that_raises():
    raise OSError("no such weights")


def model_is_none():
    return None


def model_is_a_layer():
    return keras.layers.Dense(1)


def empty_model():
    return keras.Sequential()


MODELS = [
    ({"model": "mlp"}, "model='mlp' .*a callable"),
    ({"model": None}, "model=None .*Expected a function"),
    ({"model": 3}, "model=3 .*a callable"),
    ({"model": model_of_units}, r"model=<function model_of_units.*\(units\).*'units'.*model__NAME"),
    ({"model": model_that_raises}, "model=<function model_that_raises.*OSError: no such weights"),
    ({"model": model_is_none}, "model returned NoneType.*keras.Model"),
    ({"model": model_is_a_layer}, "model returned Dense.*keras.Model"),
    ({"model": empty_model}, "model=<function empty_model .*failed to build.*keras.Model"),
    ({"model": keras.layers.Dense}, "model=<class .*Dense.*'units'.*keras.Model"),
    ({"model": build, "loss": None}, "loss=None .*loss='mse'"),
    ({"model": build, "loss": "hubr"}, "loss='hubr' .*'huber'"),
    ({"model": build, "metrics": "acuracy"}, "metrics='acuracy'.*Did you mean 'accuracy'"),
    (
        {"model": build, "loss": "categorical_crossentropy"},
        "loss=<CategoricalCrossentropy> .*one output.*loss='mse' for numbers",
    ),
    (
        {"model": build, "optimizer__foo": 3},
        "optimizer='rmsprop' with optimizer__foo=3 .*optimizer__NAME",
    ),
    (
        {"model": build, "optimizer__learning_rate": "x"},
        "optimizer='rmsprop' with optimizer__learning_rate='x' .*optimizer__NAME",
    ),
    ({"model": build, "loss": "huber", "loss__foo": 1}, "loss=.*loss__foo=1 .*loss__NAME"),
    ({"model": build, "model__units": 3}, r"model=<function build.*'units'.*\(meta\).*model__NAME"),
    ({"model": build, "optimizer": "adm"}, "optimizer='adm' .*'adam'"),
    ({"model": build, "batch_size": 0}, "batch_size=0 .*>= 1"),
    ({"model": build, "validation_split": 1.5}, r"validation_split=1\.5 .*\[0, 1\)"),
    ({"model": build, "epochs": 0}, "epochs=0 .*>= 1"),
    ({"model": build, "callbacks": [3]}, "callbacks.*3.*keras.callbacks"),
]  # fmt: skip


# ------------------------------------------------------------------ values and names


ALL = [MLPRegressor, MLPClassifier]
VALUES = [
    *[(e, {"hidden_layers": 10**6}, r"hidden_layers=1000000 .*\[0, 1000\]") for e in ALL],
    *[(e, {"hidden_units": [4] * 2000}, "hidden_units=.*0 to 1000 entries") for e in ALL],
    *[(e, {"hidden_units": 10**12}, "hidden_units=1000000000000 .*weights.*GiB") for e in ALL],
    *[(e, {"shared_members": 10**10}, "shared_members=10000000000 .*GiB.*smaller") for e in ALL],
    (CNNClassifier, {"filters": 10**9}, "filters=1000000000 .*GiB.*smaller"),
    (CNNClassifier, {"convs_per_block": 10**6}, r"convs_per_block=1000000 .*\[1, 1000\]"),
    (CNNRegressor, {"hidden_units": 10**11}, "hidden_units=100000000000 .*GiB"),
    (PretrainedCNNClassifier, {"hidden_units": 10**12}, "hidden_units=10{12} .*GiB"),
    (
        MLPRegressor, {"n_bins": 10**10, "numeric_embedding": "piecewise_linear"},
        "n_bins=10000000000 .*GiB",
    ),
    (MLPRegressor, {"metrics": ["acuracy"]}, "metrics=.*Did you mean 'accuracy'.*keras.metrics"),
    (MLPRegressor, {"metrics": "r2"}, "metrics='r2' .*metrics='R2Score'"),
    (MLPRegressor, {"metrics": "rmse"}, "metrics='rmse' .*'RootMeanSquaredError'"),
    (MLPClassifier, {"metrics": "roc_auc"}, "metrics='roc_auc' .*metrics='AUC'"),
    (MLPClassifier, {"metrics": "f1"}, "metrics='f1' .*metrics='F1Score'"),
    (MLPClassifier, {"metrics": "Mean"}, "metrics='Mean' .*averages.*Expected"),
    (MLPClassifier, {"metrics": "MeanIoU"}, "metrics='MeanIoU' .*num_classes.*as an object"),
    (MLPClassifier, {"metrics": 5}, "metrics=5 .*keras.metrics"),
    *[(e, {"activation": "logistic"}, "activation='logistic' .*activation='sigmoid'") for e in ALL],
    (CNNClassifier, {"activation": "logistic"}, "'logistic' .*activation='sigmoid'"),
    (MLPRegressor, {"activation": "identity"}, "activation='identity' .*activation='linear'"),
    (MLPRegressor, {"activation": "rellu"}, "activation='rellu' .*Did you mean 'relu'"),
    (MLPRegressor, {"activation": "prelu"}, r"activation='prelu' .*keras\.layers\.PReLU\(\)"),
    (MLPRegressor, {"activation": 3}, "activation=3 .*keras.activations"),
    (MLPRegressor, {"learning_rate": "adaptive"}, "'adaptive' .*learning_rate_schedule='plateau'"),
    (MLPClassifier, {"learning_rate": "invscaling"}, "'invscaling' .*InverseTimeDecay"),
    (MLPRegressor, {"optimizer": "lbfgs"}, "optimizer='lbfgs' .*try 'adam'"),
    (MLPRegressor, {"optimizer": "sdg"}, "optimizer='sdg' .*Did you mean 'sgd'"),
    (MLPRegressor, {"optimizer": 0.1}, r"optimizer=0\.1 .*'adam'"),
    *[
        (e, {"loss": loss}, f"loss='{loss}' .*for classes: write loss='mse'.*classifier")
        for e in (MLPRegressor, CNNRegressor)
        for loss in (
            "categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy",
            "hinge", "squared_hinge", "categorical_hinge", "kl_divergence", "crossentropy",
            "focal", "KLDivergence", "CategoricalFocalCrossentropy",
        )
    ],
    (
        MLPRegressor, {"loss": keras.losses.CategoricalCrossentropy()},
        "loss=.*categorical_crossentropy.*for classes: write loss='mse'",
    ),
    (
        MLPRegressor, {"loss": keras.losses.BinaryCrossentropy},
        "loss=.*Binary.*for classes: write loss='mse'",
    ),
    (
        MLPRegressor, {"loss": keras.losses.categorical_crossentropy},
        "loss=<function categorical_crossentropy.*for classes: write loss='mse'",
    ),
    *[
        (e, {"loss": loss}, f"loss='{loss}' .*for numbers: write loss='crossentropy'.*regressor")
        for e in (MLPClassifier, PretrainedCNNClassifier)
        for loss in (
            "mse", "mean_absolute_error", "mae", "huber", "log_cosh", "poisson", "quantile",
            "MeanSquaredError", "mean_absolute_percentage_error",
        )
    ],
    (MLPRegressor, {"loss": "dice"}, "loss='dice' .*all rows of a batch.*'mse'"),
    (MLPClassifier, {"loss": "ctc"}, "loss='ctc' .*sequences.*'crossentropy'"),
    (MLPClassifier, {"loss": "log_loss"}, "loss='log_loss' .*loss='crossentropy'"),
    (MLPRegressor, {"loss": "squared_error"}, "loss='squared_error' .*loss='mse'"),
    (MLPRegressor, {"loss": "absolute_error"}, "loss='absolute_error' .*loss='mae'"),
    (MLPRegressor, {"loss": "hubr"}, "loss='hubr' .*Did you mean 'huber'"),
    (MLPClassifier, {"class_weight": {"high": 0, "low": 0}}, "class_weight=.*weight 0.*factor > 0"),
    (MLPClassifier, {"class_weight": {"hgih": 1}}, "class_weight .*'hgih'.*Did you mean 'high'"),
    (CNNClassifier, {"image_shape": (5, 5)}, r"image_shape=\(5, 5\) .*25 values.*3072"),
    (CNNClassifier, {"kernel_size": 0}, "kernel_size=0 .*>= 1"),
    (CNNClassifier, {"augment": "mirror"}, "augment='mirror' .*'flip'"),
    (CNNClassifier, {"dimensions": 3}, "dimensions=3 .*1, 2"),
    (CNNClassifier, {"rescale": -1}, "rescale=-1 .*> 0"),
    (CNNRegressor, {"conv_blocks": 9}, "conv_blocks"),
    (CNNRegressor, {"filters": []}, r"filters=\[\] .*1 to 1000 entries"),
]  # fmt: skip

BACKBONES = [
    ({"backbone": "MobilNet"}, "backbone='MobilNet' .*Did you mean 'MobileNet'"),
    ({"backbone": 5}, "backbone=5 .*a name or path"),
    ({"backbone": "nowhere.keras"}, "backbone='nowhere.keras' is no file.*keras.Model"),
    ({"weights": "nowhere.h5"}, "weights.*'nowhere.h5'.*Expected"),
    ({"pooling": "mean"}, "pooling='mean' .*'average'"),
    ({"image_size": 0}, "image_size=0 .*>= 1"),
    ({"image_size": (32,)}, r"image_size=\(32,\) .*pair"),
    ({"image_size": 64}, r"image_size=\(64, 64\) .*built for.*\(32, 32\).*image_size=None"),
    ({"image_size": 10**6}, r"image_size=\(1000000, 1000000\) .*GiB.*image_size=224"),
    ({"rescale": 0}, "rescale=0 .*> 0"),
    ({"preprocessing": "vgg"}, "preprocessing='vgg' .*'auto'"),
    ({"backbone_params": {"alpha": 1}}, "backbone_params={'alpha': 1} .*backbone_params=None"),
    ({"backbone_params": "alpha"}, "backbone_params='alpha' .*dict"),
    *[
        (
            {"backbone": "MobileNetV2", "weights": None, "backbone_params": {name: value}},
            f"backbone_params=.*{name}.*{remedy}",
        )
        for name, value, remedy in (
            ("include_top", True, "probabilities of 1,000 classes.*without it"),
            ("classes", 10, "no classifier.*without it"),
            ("classifier_activation", None, "no classifier.*without it"),
            ("pooling", "avg", "own parameter pooling"),
            ("weights", None, "own parameter weights"),
            ("input_shape", (32, 32, 3), "own parameter image_size"),
            ("alhpa", 1.0, "alhpa.*correct backbone_params"),
        )
    ],
]  # fmt: skip

# What scikit-learn, Keras and skorch call it, and what to write here.
UNKNOWN = [
    ("hidden_layer_sizes", "hidden_units=(100, 50)"),
    ("max_iter", "epochs"),
    ("alpha", "l2"),
    ("solver", "optimizer"),
    ("learning_rate_init", "learning_rate"),
    ("n_iter_no_change", "patience"),
    ("tol", "min_delta"),
    ("power_t", "learning_rate_schedule"),
    ("momentum", "keras.optimizers.SGD"),
    ("nesterovs_momentum", "nesterov=True"),
    ("beta_1", "keras.optimizers.Adam"),
    ("epsilon", "keras.optimizers.Adam"),
    ("max_fun", "epochs"),
    ("units", "hidden_units"),
    ("validation_split", "validation_fraction"),
    ("lr", "learning_rate"),
    ("max_epochs", "epochs"),
    ("criterion", "loss"),
    ("seed", "random_state"),
    ("hiden_units", "Did you mean 'hidden_units'?"),
    ("droput", "Did you mean 'dropout'?"),
]


def fails(action, pattern, kinds=(ValueError, TypeError)):
    with pytest.raises(kinds, match=f"(?s){pattern}") as told:
        action()
    # A page is no message; nor are Keras' colours one.
    assert len(str(told.value)) < 1500
    assert "\x1b" not in str(told.value)


@pytest.fixture(autouse=True)
def _no_training(monkeypatch):
    def refuse(job):
        raise AssertionError(f"training of {job.owner} began")

    monkeypatch.setattr("skdl.training.lockstep.train_one", refuse)


def ids_of(cases):
    return [f"{case[0].__name__}-{'-'.join(case[1])}-{i}" for i, case in enumerate(cases)]


CASES = [
    *VALUES,
    *FUNCTIONS,
    *((KerasRegressor, params, message) for params, message in MODELS),
    *((KerasTransformer, params, message) for params, message in MODELS[:8]),
    *((PretrainedFeatures, params, message) for params, message in BACKBONES),
    *((PretrainedCNNRegressor, params, message) for params, message in BACKBONES[-7:]),
]


@pytest.mark.parametrize(("estimator", "params", "message"), CASES, ids=ids_of(CASES))
def test_parameter_is_told_before_training(estimator, params, message):
    rows, y = data_for(estimator)
    network = estimator(**MADE_WITH.get(estimator, {}) | params)
    fails(lambda: network.fit(rows, y), f"{estimator.__name__}: .*{message}")


@pytest.mark.parametrize("estimator", [MLPRegressor, MLPClassifier])
@pytest.mark.parametrize(("name", "cure"), UNKNOWN)
def test_unknown_argument_says_what_to_write(estimator, name, cure):
    owner = estimator.__name__
    with pytest.raises(TypeError) as told:
        estimator(**{name: 1})
    assert str(told.value).startswith(f"{owner} has no parameter {name!r}.")
    assert cure in str(told.value)
    with pytest.raises(ValueError) as told_later:  # noqa: PT011 - the text is checked below
        estimator().set_params(**{name: 1})
    assert str(told_later.value) == str(told.value)


def test_every_unknown_argument_is_told():
    with pytest.raises(TypeError, match=r"(?s)'max_iter'.*epochs.*'alpha'.*l2"):
        MLPClassifier(max_iter=3, alpha=0.1)


def test_constructor_still_shows_its_own_parameters():
    import inspect

    signature = inspect.signature(MLPRegressor)
    assert "hidden_units" in signature.parameters
    assert "kwargs" not in signature.parameters
    assert list(MLPRegressor().get_params()) == sorted(signature.parameters)


# ------------------------------------------------------------------ data


def fit(estimator=MLPClassifier, rows=X, y=LABELS, **given):
    return lambda: estimator(**MADE_WITH.get(estimator, {})).fit(rows, y, **given)


def with_value(array, value):
    changed = np.array(array, np.float64)
    changed.flat[3] = value
    return changed


REGRESSION = functools.partial(fit, MLPRegressor, X)
DATA = {
    "X None": (fit(rows=None), "X|array"),
    "X text": (fit(rows="a"), "X .*array|X is not as expected"),
    "X number": (fit(rows=3.0), "X .*array|X is not as expected"),
    "X without rows": (fit(rows=X[:0], y=LABELS[:0]), r"X .*0 sample\(s\).*minimum of 1"),
    "X without columns": (fit(rows=X[:, :0]), r"X .*0 feature\(s\).*minimum of 1"),
    "X 1-d": (fit(rows=Y), "X .*1D array.*reshape"),
    "X 3-d": (fit(rows=X.reshape(30, 2, 2)), "X .*dim 3.*<= 2"),
    "X complex": (fit(rows=X + 1j), "X .*[Cc]omplex"),
    "X NaN": (fit(rows=with_value(X, np.nan)), "X contains NaN"),
    "X infinite": (fit(rows=with_value(X, np.inf)), "X contains infinity"),
    "X ragged": (fit(rows=[[1.0], [2.0, 3.0]] * 15), "X .*inhomogeneous"),
    "X of dicts": (fit(rows=[{"a": 1}] * 30), "X .*"),
    "y None": (fit(y=None), "y .*None"),
    "y of fewer rows": (fit(y=LABELS[:9]), "inconsistent numbers of samples"),
    "y NaN": (REGRESSION(with_value(Y, np.nan)), "y contains NaN"),
    "y infinite": (REGRESSION(with_value(Y, np.inf)), "y contains infinity"),
    "y text": (REGRESSION(np.full(30, "word")), "y .*|could not convert"),
    "y one class": (fit(y=np.full(30, "low")), "1 class, 'low'.*at least 2"),
    "y numbers": (fit(y=Y), "[Uu]nknown label type.*continuous"),
    "y negative counts": (
        lambda: MLPRegressor(loss="poisson").fit(X, Y), "loss='poisson' .*>= 0.*shift y",
    ),
    "weight NaN": (fit(sample_weight=np.full(30, np.nan)), "sample_weight .*NaN.*>= 0"),
    "weight negative": (fit(sample_weight=-np.ones(30)), "sample_weight .*negative.*>= 0"),
    "weight zero": (fit(sample_weight=np.zeros(30)), "sample_weight .*zero"),
    "weight 1e38": (fit(sample_weight=np.full(30, 1e38)), r"sample_weight .*1e\+38.*divide"),
    "weight 1e300": (fit(sample_weight=np.full(30, 1e300)), r"sample_weight .*1e\+300.*divide"),
    "weight text": (fit(sample_weight=["a"] * 30), "sample_weight .*could not convert"),
    "weights of fewer rows": (fit(sample_weight=np.ones(3)), "sample_weight"),
    "weights 2-d": (fit(sample_weight=np.ones((30, 2))), "[Ss]ample.weight.*1D"),
    "X_val text": (fit(X_val="a", y_val=LABELS), "X_val "),
    "X_val number": (fit(X_val=3.0, y_val=LABELS), "X_val "),
    "X_val without rows": (fit(X_val=X[:0], y_val=LABELS[:0]), r"X_val .*0 sample\(s\)"),
    "X_val 1-d": (fit(X_val=Y, y_val=LABELS), "X_val .*1D array"),
    "X_val NaN": (fit(X_val=with_value(X, np.nan), y_val=LABELS), "X_val contains NaN"),
    "X_val of 3 columns": (fit(X_val=X[:, :3], y_val=LABELS), "X_val has 3 features.*4 features"),
    "X_val of other names": (
        fit(rows=FRAME, X_val=FRAME.rename(columns={"a": "z"}), y_val=LABELS),
        "X_val .*feature names.*z",
    ),
    "X_val alone": (fit(X_val=X), "X_val .*without y_val"),
    "y_val alone": (fit(y_val=LABELS), "y_val .*without X_val"),
    "y_val of fewer rows": (fit(X_val=X, y_val=LABELS[:9]), "y_val .*inconsistent"),
    "y_val unseen": (fit(X_val=X, y_val=np.full(30, "mid")), "'mid'.*'high', 'low'"),
    "y_val NaN": (
        lambda: MLPRegressor().fit(X, Y, X_val=X, y_val=with_value(Y, np.nan)), "y_val .*NaN",
    ),
    "weights of X_val alone": (fit(sample_weight_val=np.ones(30)), "sample_weight_val .*X_val"),
    "negative weights of X_val": (
        fit(X_val=X, y_val=LABELS, sample_weight_val=-np.ones(30)),
        "sample_weight_val .*negative.*>= 0",
    ),
    "groups of fewer rows": (fit(groups=np.arange(3)), "groups has 3 entries.*30"),
    "groups 2-d": (fit(groups=np.ones((30, 2))), "groups is of shape .*Expected an array"),
    "images of 5 channels": (
        fit(PretrainedFeatures, RNG.random((4, 32, 32, 5)), None), "5 channels.*takes 3",
    ),
    "images without channels": (
        fit(CNNClassifier, np.zeros((30, 8, 8, 0)), LABELS), "X of shape|X .*0 ",
    ),
    "images 5-d": (fit(CNNClassifier, np.zeros((30, 2, 2, 2, 2)), LABELS), "X of shape"),
    "images with NaN": (
        fit(CNNClassifier, np.full((30, 8, 8), np.nan), LABELS), "X contains NaN",
    ),
    "scaler text": (lambda: SmoothClipScaler().fit("a"), "X|array"),
    "scaler sparse": (lambda: SmoothClipScaler().fit(sparse.csr_array(X)), "[Ss]parse.*dense"),
    "scaler without rows": (lambda: SmoothClipScaler().fit(X[:0]), "0 sample"),
    "scaler infinite": (lambda: SmoothClipScaler().fit(with_value(X, np.inf)), "X .*infinity"),
    "classes of partial_fit": (
        lambda: MLPClassifier().partial_fit(X, LABELS, classes=["low"]), "'high'.*'low'|1 class",
    ),
    "rows of a model": (
        lambda: KerasRegressor(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]),
                               loss="mse").fit(X, Y),
        r"X have shape \(4,\).*model takes.*\(3,\)",
    ),
    "outputs of a model": (
        lambda: KerasRegressor(build, loss="mse").fit(X, np.column_stack([Y, Y])),
        "model has 1 outputs.*y has 2 columns.*meta",
    ),
    "classes of a model": (
        lambda: KerasClassifier(build, loss="binary_crossentropy").fit(X, THREE),
        "1 outputs.*3 classes.*meta",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("case", DATA)
def test_data_are_told_before_training(case):
    action, message = DATA[case]
    fails(action, message)


@pytest.fixture(scope="module")
def fitted():
    return MLPRegressor(4, epochs=1, random_state=0).fit(FRAME, Y)


@pytest.fixture(scope="module")
def fitted_on_many_features():
    return MLPRegressor(32, epochs=1, random_state=0).fit(RNG.normal(size=(30, 200)), Y)


PREDICTIONS = {
    "text": ("a", "X"),
    "None": (None, "X|array"),
    "no rows": (FRAME[:0], r"0 sample\(s\)"),
    "three columns": (FRAME[["a", "b", "c"]], "feature names.*d"),
    "another name": (FRAME.rename(columns={"a": "z"}), "feature names.*z"),
    "NaN": (FRAME.replace({FRAME.iloc[0, 0]: np.nan}), "X contains NaN"),
    "1-d": (Y, "1D array"),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("case", PREDICTIONS)
def test_rows_to_predict_are_told(fitted, case):
    rows, message = PREDICTIONS[case]
    fails(lambda: fitted.predict(rows), message)


def test_features_for_which_predictions_are_nan_are_told(fitted_on_many_features):
    rows = np.full((2, 200), 3e38)
    fails(
        lambda: fitted_on_many_features.predict(rows),
        r"MLPRegressor: .* of 2 rows.* X holds values up to 3e\+38.*SmoothClipScaler",
    )


def test_labels_that_all_weigh_nothing_are_told():
    labels = (X[:, :3] > 0).astype(int)
    network = MLPClassifier(class_weight=[{0: 0, 1: 0}] * 3)
    fails(lambda: network.fit(X, labels), "class_weight=.*weight 0.*factor > 0")


def test_a_backbone_with_its_classifier_is_warned_of():
    images = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(images)
    model = keras.Model(images, keras.layers.Dense(5, activation="softmax")(flat))
    with pytest.warns(UserWarning, match=r"ends in softmax.*without its classifier"):
        PretrainedFeatures(model, pooling=None).fit(IMAGES[:2, :8, :8])


def test_there_are_two_hundred():
    assert len(CASES) + 2 * len(UNKNOWN) + len(DATA) + len(PREDICTIONS) >= 200


# ------------------------------------------------------------------ what stays allowed


def test_functions_are_tried_once(caplog):
    def loss(y_true, y_pred):
        # Not by a list of the test's: a function that reads something new is tried anew.
        logging.getLogger("tried").warning("called")
        return tf.reduce_mean(tf.square(y_true - y_pred), -1)

    for _ in range(3):
        with pytest.raises(AssertionError, match="training of MLPRegressor began"):
            MLPRegressor(4, loss=loss).fit(X, Y)
    assert [record.message for record in caplog.records].count("called") == 1


@pytest.mark.parametrize(
    "params",
    [
        {"activation": tf.nn.relu6},
        {"activation": lambda x: x * tf.sigmoid(x)},
        {"activation": keras.layers.PReLU()},
        {"activation": keras.layers.LeakyReLU},
        {"loss": lambda y, p: tf.abs(y - p)},
        {"loss": keras.losses.Huber(2.0)},
        {"loss": "MeanSquaredError"},
        {"loss": "mean_squared_logarithmic_error"},
        {"metrics": ["mse", keras.metrics.R2Score(), lambda y, p: tf.abs(y - p)[:, 0]]},
        {"metrics": lambda y, p: tf.abs(y - p) < 1},
        {"hidden_units": 1000, "hidden_layers": 10},
    ],
)
def test_what_makes_sense_reaches_the_training(params):
    with pytest.raises(AssertionError, match="training of MLPRegressor began"):
        MLPRegressor(**params).fit(X, Y)


def test_brier_score_may_be_given_as_an_object():
    with pytest.raises(AssertionError, match="training of MLPClassifier began"):
        MLPClassifier(loss=keras.losses.MeanSquaredError()).fit(X, LABELS)


def test_public_names_are_those_of_the_package():
    assert skdl.MLPRegressor is MLPRegressor
