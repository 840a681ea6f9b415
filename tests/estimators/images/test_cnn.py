"""Convolutional networks as estimators: shapes, parameters, augmentation, what they learn."""

import logging

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import skdl
from skdl import CNNClassifier, CNNRegressor
from skdl.estimators import describe_space
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import IteratedKFold, cross_validate
from tests.checks import slow_but

SMALL = {"filters": 4, "hidden_units": 8, "epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    """200 images of 8×8 with values in 0–16, and their labels."""
    data = load_digits()
    images, labels = data.images[:200], data.target[:200]
    images.setflags(write=False)
    return images, labels


def layers_of(estimator):
    return [type(layer).__name__ for layer in estimator.model_.layers]


# ---------------------------------------------------------------------------------- shapes


@pytest.mark.slow
def test_images_with_and_without_channels_and_flat_ones_learn_the_same(digits):
    X, y = digits
    grey = CNNClassifier(**SMALL).fit(X, y)
    expected = grey.predict_proba(X)
    flat = CNNClassifier(**SMALL, image_shape=(8, 8)).fit(X.reshape(200, 64), y)
    channels = CNNClassifier(**SMALL).fit(X[..., None], y)
    np.testing.assert_array_equal(flat.predict_proba(X.reshape(200, 64)), expected)
    np.testing.assert_array_equal(channels.predict_proba(X[..., None]), expected)
    assert grey.image_shape_ == flat.image_shape_ == channels.image_shape_ == (8, 8, 1)


def test_grey_images_predict_with_and_without_their_channel(digits):
    X, y = digits
    grey = CNNClassifier(**SMALL).fit(X, y)
    np.testing.assert_array_equal(grey.predict_proba(X[..., None]), grey.predict_proba(X))


def test_colour_images_keep_their_channels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6, 9, 3))
    model = CNNRegressor(**SMALL).fit(X, X[:, 0, 0, 0]).model_
    assert model.input_shape == (None, 6, 9, 3)
    assert model.layers[0].kernel.shape == (3, 3, 3, 4)


@pytest.mark.slow
def test_signals_are_convolved_along_their_length():
    X = np.random.default_rng(0).normal(size=(40, 7, 9))
    signals = CNNRegressor(**SMALL, dimensions=1).fit(X, X[:, 0, 0])
    assert signals.image_shape_ == (7, 9)
    assert layers_of(signals)[0] == "Conv1D"
    flat = CNNRegressor(**SMALL, dimensions=1, image_shape=(7, 9)).fit(
        X.reshape(40, 63), X[:, 0, 0]
    )
    np.testing.assert_array_equal(flat.predict(X.reshape(40, 63)), signals.predict(X))


def test_flat_rows_without_a_shape_are_signals_of_one_channel():
    X = np.random.default_rng(0).normal(size=(40, 12))
    assert CNNRegressor(**SMALL).fit(X, X[:, 0]).image_shape_ == (12, 1)


def test_data_frame_of_pixels():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 16)))
    assert CNNRegressor(**SMALL, image_shape=(4, 4)).fit(X, X[0]).predict(X).shape == (40,)


BAD_SHAPES = [
    (
        {"image_shape": (3, 3)},
        (20, 8),
        r"3 × 3 = 9 values, but rows of X have 8\. Expected an",
    ),
    ({"image_shape": (4, 4)}, (20, 8, 2), r"differs from the shape of X's rows, \(8, 2\)"),
    ({"dimensions": 2}, (20, 16), r"flat, of 16 values.* Expected image_shape=\(height, width\)"),
    ({"dimensions": 1}, (20, 4, 4, 1), r"\(4, 4, 1\)\. Expected rows that are signals"),
    ({}, (20, 4, 4, 4, 1), r"\(4, 4, 4, 1\)\. Expected rows that are images"),
    ({"kernel_size": (3, 3), "dimensions": 1}, (20, 9, 2), "kernel_size=.* rows of X are signals"),
    (
        {"conv_blocks": 3},
        (20, 5, 9),
        "pooling of block 3 leaves nothing of rows of shape 5×9×1: .*: 2×4×4, .* 0×1×16. Expec",
    ),
    (
        {"padding": "valid", "convs_per_block": 2},
        (20, 8, 8),
        "convolution 1 of block 2 leaves nothing.* pooling of block 1: 2×2×4.* padding='same'",
    ),
    ({"conv_blocks": 1}, (20, 1), r"\(n_features=1\)"),
    (
        {"augment": "flip"},
        (20, 16),
        "augment='flip' changes images, but .* augment=None",
    ),
]


@pytest.mark.parametrize(("parameters", "shape", "message"), BAD_SHAPES)
def test_rows_of_a_shape_that_cannot_be(parameters, shape, message):
    X = np.random.default_rng(0).normal(size=shape)
    with pytest.raises(ValueError, match=f"^CNNRegressor: .*{message}"):
        CNNRegressor(**SMALL | parameters).fit(X, np.arange(20.0))


def test_rows_to_predict_must_have_the_shape_of_those_learned(digits):
    X, y = digits
    fitted = CNNClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"have shape \(8, 7\)\. Expected \(8, 8, 1\)"):
        fitted.predict(X[:, :, :7])


def test_sparse_rows_are_refused(digits):
    X, y = digits
    with pytest.raises(TypeError, match="dense data is required"):
        CNNClassifier(**SMALL, image_shape=(8, 8)).fit(sparse.csr_matrix(X.reshape(200, 64)), y)


BAD_PARAMETERS = [
    ("conv_blocks", 0, "conv_blocks=0 .*1"),
    ("filters", (8, 0), r"filters=\(8, 0\) .*integer"),
    ("kernel_size", 2.5, r"kernel_size=2\.5 .*integer"),
    ("padding", "causal", "padding='causal' .*'same'"),
    ("pooling", "mean", "pooling='mean' .*'average'"),
    ("global_pooling", True, "global_pooling=True .*'average'"),
    ("image_shape", (8, 8, 1, 1), "image_shape.*height"),
    ("dimensions", 3, "dimensions=3 .*'auto'"),
    ("rescale", 0, "rescale=0 .*> 0"),
    ("augment", ("flop",), "augment=.*'flip'"),
    ("augment", (("shift", 2),), r"augment=.*\(0, 1\)"),
    ("conv_dropout", 1.0, r"conv_dropout=1\.0 .*\[0, 1\)"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD_PARAMETERS)
def test_bad_parameter(name, value, message, digits):
    with pytest.raises(InvalidParameterError, match=f"CNNClassifier: {message}"):
        CNNClassifier(**SMALL | {name: value}).fit(*digits)


# -------------------------------------------------------------------------------- parameters


@pytest.mark.slow
def test_layers_follow_from_the_parameters(digits):
    network = CNNClassifier(
        filters=(4, 6),
        convs_per_block=2,
        batch_norm="before_activation",
        conv_dropout=0.1,
        dropout=0.2,
        hidden_units=8,
        epochs=1,
    ).fit(*digits)
    convolution = ["Conv2D", "BatchNormalization", "Activation"]
    block = [*convolution, *convolution, "MaxPooling2D", "Dropout"]
    dense = ["Dense", "BatchNormalization", "Activation", "Dropout", "Dense", "Activation"]
    assert layers_of(network) == [*block, *block, "Flatten", *dense]
    shapes = [layer.kernel.shape for layer in network.model_.layers if hasattr(layer, "kernel")]
    assert shapes == [(3, 3, 1, 4), (3, 3, 4, 4), (3, 3, 4, 6), (3, 3, 6, 6), (24, 8), (8, 10)]


@pytest.mark.slow
def test_filters_double_from_block_to_block(digits):
    model = CNNClassifier(3, filters=4, epochs=1).fit(*digits).model_
    filters = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert filters == [4, 8, 16]


@pytest.mark.parametrize("pooling", slow_but(["max", "average"], "average"))
def test_global_pooling_leaves_one_value_per_filter(pooling, digits):
    network = CNNClassifier(**SMALL, global_pooling=pooling).fit(*digits)
    assert f"Global{'Max' if pooling == 'max' else 'Average'}Pooling2D" in layers_of(network)
    assert network.model_.layers[-4].kernel.shape == (8, 8)


@pytest.mark.slow
def test_model_predicts_what_the_estimator_predicts(digits):
    X, y = digits
    network = CNNClassifier(**SMALL, batch_norm="after_activation", l2=0.01).fit(X, y)
    np.testing.assert_allclose(
        np.asarray(network.model_(X[..., None])), network.predict_proba(X), atol=1e-6
    )


def test_search_space_keeps_the_filters_that_a_user_listed():
    assert "filters" in dict(describe_space(CNNClassifier()))
    assert "filters" not in dict(describe_space(CNNClassifier(filters=(8, 8))))
    assert {"conv_dropout", "learning_rate", "l2"} <= dict(describe_space(CNNRegressor())).keys()


# ------------------------------------------------------------------------------------- bytes


def test_bytes_are_divided_by_255(digits):
    X, y = digits
    as_bytes = (X * 15).astype(np.uint8)
    network = CNNClassifier(**SMALL).fit(as_bytes, y)
    assert layers_of(network)[0] == "Rescaling"
    divided = CNNClassifier(**SMALL).fit(as_bytes / np.float32(255), y)
    np.testing.assert_allclose(
        network.predict_proba(as_bytes), divided.predict_proba(as_bytes / 255), rtol=1e-4
    )
    # The scale belongs to the network: the same values as floats mean the same.
    np.testing.assert_array_equal(
        network.predict_proba(as_bytes.astype(float)), network.predict_proba(as_bytes)
    )


def test_images_are_read_where_they_are(digits, monkeypatch, tmp_path):
    """Neither copied nor made floats, before the batch."""
    from skdl.training.engine._row_pool import RowPool

    X, y = digits
    held, shared = set(), set()
    rows = RowPool.rows

    def recorded(self, index):
        held.update(array.dtype.name for array in self._inputs)
        shared.update(np.shares_memory(array, as_bytes) for array in self._inputs)
        return rows(self, index)

    monkeypatch.setattr(RowPool, "rows", recorded)
    as_bytes = X.astype(np.uint8)
    CNNClassifier(**SMALL).fit(as_bytes, y, X_val=as_bytes, y_val=y)
    assert (held, shared) == ({"uint8"}, {True})
    np.save(tmp_path / "X.npy", as_bytes)
    as_bytes = np.load(tmp_path / "X.npy", mmap_mode="r")
    CNNClassifier(**SMALL).fit(as_bytes, y)
    assert shared == {True}
    CNNClassifier(**SMALL).fit(as_bytes, y, X_val=as_bytes + 0.5, y_val=y)
    assert held == {"uint8", "float32"}


def test_bytes_after_a_fit_on_other_numbers_are_refused(digits):
    X, y = digits
    network = CNNClassifier(**SMALL).fit(X / 16, y)
    with pytest.raises(ValueError, match=r"X is uint8, but fit saw other numbers.*rescale"):
        network.predict(X.astype(np.uint8))
    fixed = CNNClassifier(**SMALL, rescale=1 / 16).fit(X, y)
    np.testing.assert_array_equal(fixed.predict(X.astype(np.uint8)), fixed.predict(X))


# ------------------------------------------------------------------------------ augmentation


AUGMENT = ("flip", ("shift", 0.2), "rotate", "zoom", "contrast")


@pytest.mark.slow
def test_augmentation_changes_training_images_only(digits):
    X, y = digits
    plain = CNNClassifier(**SMALL).fit(X / 16, y)
    augmented = CNNClassifier(**SMALL, augment=AUGMENT).fit(X / 16, y)
    assert not np.allclose(augmented.predict_proba(X / 16), plain.predict_proba(X / 16), rtol=1e-2)
    np.testing.assert_array_equal(augmented.predict_proba(X), augmented.predict_proba(X))
    assert layers_of(augmented)[:5] == [
        "RandomFlip", "RandomTranslation", "RandomRotation", "RandomZoom", "RandomContrast",
    ]  # fmt: skip


def test_augmentation_stays_in_the_graph_and_follows_the_seed(digits, caplog):
    X, y = digits
    with caplog.at_level(logging.INFO, logger="skdl"):
        fits = [CNNClassifier(**SMALL, augment=AUGMENT).fit(X, y).predict_proba(X) for _ in "ab"]
    assert "keras.Model.fit" not in caplog.text
    np.testing.assert_array_equal(*fits)


@pytest.mark.slow
def test_flips_make_mirrored_images_alike():
    # Left or right is the class: what flips at random cannot be learned.
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = rng.normal(scale=0.1, size=(120, 6, 6))
    X[y == 0, :, :2] += 1
    X[y == 1, :, 4:] += 1
    parameters = SMALL | {"epochs": 15, "conv_blocks": 1, "learning_rate": 0.01}
    assert CNNClassifier(**parameters).fit(X, y).score(X, y) == 1
    flipped = CNNClassifier(**parameters, augment="flip").fit(X, y)
    np.testing.assert_allclose(flipped.predict_proba(X), 0.5, atol=0.35)
    upside_down = CNNClassifier(**parameters, augment=[("flip", "vertical")]).fit(X, y)
    assert upside_down.score(X, y) == 1


# ------------------------------------------------------------------------------ company, learning


def test_folds_in_lockstep_learn_what_they_learn_one_after_another(digits):
    X, y = digits
    network = CNNClassifier(**SMALL | {"epochs": 5}, conv_dropout=0.1, dropout=0.2)
    pipeline = make_pipeline(MinMaxScaler(), network.set_params(image_shape=(8, 8)))
    flat = X.reshape(200, 64)
    expected = cross_val_score(pipeline, flat, y, cv=3, scoring="neg_log_loss")
    with skdl.lockstep():
        together = cross_val_score(pipeline, flat, y, cv=3, scoring="neg_log_loss")
    np.testing.assert_allclose(together, expected, rtol=1e-6)


def test_early_stopping_and_warm_start(digits):
    X, y = digits
    network = CNNClassifier(
        **SMALL | {"epochs": 30}, early_stopping=True, patience=1, learning_rate=0.05
    ).fit(X, y)
    assert network.n_iter_ == network.best_epoch_ + 1 < 30
    going_on = CNNClassifier(**SMALL, warm_start=True).fit(X, y).fit(X, y)
    assert going_on.n_iter_ == 4
    assert CNNClassifier(**SMALL).partial_fit(X, y).partial_fit(X, y).n_iter_ == 2


def test_several_targets_and_multilabel(digits):
    X, y = digits
    targets = np.column_stack([X.mean((1, 2)), X[:, :4].mean((1, 2))])
    assert CNNRegressor(**SMALL).fit(X, targets).predict(X).shape == (200, 2)
    labels = np.column_stack([y > 4, y % 2]).astype(int)
    assert set(np.unique(CNNClassifier(**SMALL).fit(X, labels).predict(X))) <= {0, 1}


@pytest.mark.slow
def test_iterated_folds_of_digits_through_a_scaler():
    X, y = load_digits(return_X_y=True)
    network = CNNClassifier(
        image_shape=(8, 8), batch_norm="before_activation", dropout=0.3, epochs=15, random_state=0
    )
    pipeline = make_pipeline(MinMaxScaler(), network)
    splits = IteratedKFold(n_splits=5, n_iterations=2, random_state=0)
    scores = cross_validate(pipeline, X, y, cv=splits)["test_score"]
    assert np.mean(scores) >= 0.985


def test_rows_of_images_are_told_by_their_shape():
    """scikit-learn's check would compare heights, and refuse flat rows."""
    network = CNNClassifier(1, filters=2, hidden_units=2, epochs=1, random_state=0)
    X = np.random.default_rng(0).integers(0, 256, (8, 8, 6)).astype(np.uint8)
    y = np.arange(8) % 2
    network.fit(X, y)
    expected = network.predict_proba(X)
    np.testing.assert_array_equal(network.predict_proba(X.reshape(8, -1)), expected)
    np.testing.assert_array_equal(network.predict_proba(X.tolist()), expected)
    with pytest.raises(ValueError, match=r"shape \(6, 8\)\. Expected \(8, 6, 1\), as in fit"):
        network.predict(X.transpose(0, 2, 1))
    with pytest.raises(ValueError, match=r"shape \(6,\)\. .*X\[np.newaxis\] for one row alone"):
        network.predict(X[0])
    flat = clone(network).set_params(image_shape=(8, 6)).fit(X.reshape(8, -1), y)
    np.testing.assert_array_equal(flat.predict_proba(X), expected)


def test_numbers_from_0_to_1_are_told_of_where_fit_saw_bytes():
    network = CNNClassifier(1, filters=2, hidden_units=2, epochs=1, random_state=0)
    X = np.random.default_rng(0).integers(0, 256, (8, 8, 6)).astype(np.uint8)
    network.fit(X, np.arange(8) % 2)
    np.testing.assert_array_equal(network.predict_proba(X / 1.0), network.predict_proba(X))
    with pytest.warns(DataConversionWarning, match="fit saw bytes.*divides by 255 once more"):
        network.predict(X / 255)
