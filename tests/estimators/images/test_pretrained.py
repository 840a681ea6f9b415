"""Pretrained backbones: features, each computed once, heads that learn, and fine-tuning."""

import pickle
import threading

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import PretrainedCNNClassifier, PretrainedCNNRegressor, PretrainedFeatures
from skdl.estimators.base import fitted_temperature, tempered
from skdl.estimators.images._backbone import Extractor, _layer_to_cut_at
from skdl.estimators.images._row_cache import RowCache
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import cross_validate
from tests.checks import slow_case

MOBILENET = {"weights": None, "backbone_params": {"alpha": 0.25}, "random_state": 0}
WEIGHTS = "mobilenet_2_5_224_tf_no_top.h5"


def branching_model():
    """Two branches that meet, with batch normalisation: it can be cut in three places."""
    inputs = keras.Input((8, 8, 3), name="images")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(inputs)
    left = keras.layers.Conv2D(4, 1, name="left")(x)
    right = keras.layers.BatchNormalization(name="right")(x)
    x = keras.layers.Add(name="sum")([left, right])
    return keras.Model(inputs, keras.layers.Conv2D(5, 3, name="last")(x))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    path = tmp_path_factory.mktemp("backbone") / "branching.keras"
    keras.utils.set_random_seed(1)
    branching_model().save(path)
    return str(path)


@pytest.fixture(scope="module")
def images():
    """60 images of 8×8 in colour, dark or bright in the middle, and which of them is which."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 100, (60, 8, 8, 3), dtype=np.uint8)
    y = rng.integers(0, 2, 60)
    X[y == 1, 2:6, 2:6] += 60
    X.setflags(write=False)
    return X, y


@pytest.fixture
def computed(monkeypatch):
    """Return a list to which every computation of features adds its number of images."""
    counts = []
    original = Extractor._compute

    def counting(self, images, index):
        counts.append(len(index))
        return original(self, images, index)

    monkeypatch.setattr(Extractor, "_compute", counting)
    return counts


# -------------------------------------------------------------------------------- features


def test_features_are_what_keras_computes():
    X = np.random.default_rng(0).integers(0, 256, (5, 40, 36, 3), dtype=np.uint8)
    features = PretrainedFeatures("MobileNet", **MOBILENET).fit(X)
    prepared = keras.applications.mobilenet.preprocess_input(X.astype(np.float32))
    expected = features.backbone_.predict(prepared, verbose=0).mean((1, 2))
    result = features.transform(X)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["average", "max", None])
def test_pooling(pooling, backbone, images):
    X, _ = images
    features = PretrainedFeatures(backbone, pooling=pooling).fit(X)
    maps = features.backbone_.predict(X.astype(np.float32), verbose=0)
    expected = {"average": maps.mean((1, 2)), "max": maps.max((1, 2)), None: maps.reshape(60, -1)}
    np.testing.assert_allclose(features.transform(X), expected[pooling], rtol=1e-4, atol=1e-3)


def test_images_are_resized_to_what_a_file_is_built_for(backbone):
    X = np.random.default_rng(0).uniform(size=(3, 16, 12, 3)).astype(np.float32)
    features = PretrainedFeatures(backbone).fit(X)
    resized = keras.ops.convert_to_numpy(keras.ops.image.resize(X, (8, 8)))
    expected = features.backbone_.predict(resized, verbose=0).mean((1, 2))
    np.testing.assert_allclose(features.transform(X), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_grey_flat_and_scaled_images_have_the_features_of_colour_images():
    X = np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=np.uint8)
    colour = np.repeat(X[..., None], 3, axis=-1)
    expected = PretrainedFeatures("MobileNet", **MOBILENET).fit_transform(colour)
    for rows, parameters in [
        (X, {}),
        (X.reshape(4, -1), {"image_shape": (32, 32)}),
        (X.astype(np.float64), {}),
        (X / 255, {}),
        (X / 51, {"rescale": 51}),
    ]:
        features = PretrainedFeatures("MobileNet", **MOBILENET, **parameters)
        np.testing.assert_allclose(features.fit_transform(rows), expected, rtol=2e-3, atol=2e-4)


def test_bytes_after_a_fit_on_numbers_up_to_one_are_refused():
    X = np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=np.uint8)
    features = PretrainedFeatures("MobileNet", **MOBILENET).fit(X / 255)
    with pytest.raises(ValueError, match="X is uint8, but fit saw other numbers"):
        features.transform(X)


def test_names_and_containers(backbone, images):
    X, _ = images
    features = PretrainedFeatures(backbone).set_output(transform="pandas").fit(X)
    frame = features.transform(X)
    assert list(frame.columns) == [f"pretrainedfeatures{i}" for i in range(5)]
    assert (frame.dtypes == np.float32).all()


@pytest.mark.slow
def test_a_model_is_copied_and_stays_as_it_was(images):
    X, y = images
    model = branching_model()
    before = model.get_weights()
    fitted = PretrainedCNNClassifier(model, epochs=2, fine_tune=2, random_state=0).fit(X, y)
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert all(layer.trainable for layer in model.layers)
    assert fitted.backbone_ is not model


@pytest.mark.slow
def test_random_weights_follow_the_seed_and_leave_global_generators_alone(images):
    X = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, same = (PretrainedFeatures("MobileNet", **MOBILENET).fit_transform(X) for _ in range(2))
    other = PretrainedFeatures("MobileNet", **MOBILENET | {"random_state": 1}).fit_transform(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


# ------------------------------------------------------------------- each image once


def test_folds_trials_and_repeats_compute_each_image_once(backbone, images, computed):
    X, y = images
    head = PretrainedCNNClassifier(backbone, epochs=2, early_stopping=True, random_state=0)
    with skdl.lockstep():
        cross_val_score(head, X, y, cv=5)
        cross_val_score(clone(head).set_params(dropout=0.3), X, y, cv=3)
    cross_validate(head, X, y, cv=2, n_iterations=2, baseline=False)
    head.fit(X, y).predict(X)
    assert sum(computed) <= 60
    PretrainedFeatures(backbone).fit_transform(X)
    assert sum(computed) <= 60


def test_pipelines_of_other_estimators_compute_each_image_once(backbone, images, computed):
    X, y = images
    pipeline = make_pipeline(
        PretrainedFeatures(backbone, pooling="max"), StandardScaler(), LogisticRegression()
    )
    assert cross_val_score(pipeline, X, y, cv=5).mean() > 0.6
    assert sum(computed) == 60


def test_remembered_rows_are_bounded_and_right():
    cache = RowCache(max_bytes=10 * 8)
    rows = np.arange(60.0).reshape(30, 2)

    def total(rows, index):
        return rows[index].sum(1, keepdims=True)

    for _ in range(3):
        np.testing.assert_array_equal(cache(rows, total), rows.sum(1, keepdims=True))
    assert len(cache._results) == 10
    asked = []
    cache(rows[-10:], lambda rows, index: asked.append(len(index)) or total(rows, index))
    assert asked == [0]


def test_rows_that_repeat_are_computed_once_by_whichever_thread_comes_first():
    cache, n_computed = RowCache(2**20), []

    def slowly(rows, index):
        n_computed.append(len(index))
        threading.Event().wait(0.05)
        return rows[index] * 2

    rows = np.repeat(np.arange(5.0)[:, None], 3, axis=0)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(cache(rows, slowly))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(n_computed) == 5
    assert all(np.array_equal(result, rows * 2) for result in results)


# ------------------------------------------------------------------------- heads


def test_head_learns_what_a_perceptron_learns_from_the_features(backbone, images):
    X, y = images
    features = PretrainedFeatures(backbone).fit_transform(X)
    shared = {"hidden_units": 6, "hidden_layers": 1, "dropout": 0.1, "epochs": 4, "random_state": 0}
    perceptron = skdl.MLPClassifier(**shared).fit(features, y)
    head = PretrainedCNNClassifier(backbone, **shared).fit(X, y)
    np.testing.assert_array_equal(head.predict_proba(X), perceptron.predict_proba(features))
    assert head.model_.input_shape == (None, 5)


def test_folds_in_lockstep_learn_what_they_learn_alone(backbone, images):
    X, y = images
    head = PretrainedCNNRegressor(backbone, epochs=3, dropout=0.2, random_state=0)
    alone = cross_val_score(head, X, y, cv=3, scoring="neg_mean_squared_error")
    with skdl.lockstep():
        together = cross_val_score(head, X, y, cv=3, scoring="neg_mean_squared_error")
    np.testing.assert_allclose(together, alone, rtol=1e-4)


@pytest.mark.parametrize("fine_tune", [0, slow_case(3)])
def test_copies_predict_the_same_without_the_file(fine_tune, tmp_path, images):
    X, y = images
    path = tmp_path / "backbone.keras"
    branching_model().save(path)
    fitted = PretrainedCNNClassifier(
        path, epochs=2, fine_tune=fine_tune, fine_tune_epochs=2, random_state=0
    ).fit(X, y)
    expected = fitted.predict_proba(X)
    path.unlink()
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(copied.predict_proba(X), expected, rtol=1e-5)
    features = PretrainedFeatures(fitted.backbone_).fit(X)
    np.testing.assert_allclose(
        pickle.loads(pickle.dumps(features)).transform(X), features.transform(X), rtol=1e-5
    )


# --------------------------------------------------------------------- fine-tuning


@pytest.mark.parametrize(
    ("n_layers", "cut"), [(1, "sum"), (2, "first"), (3, "first"), (5, "images"), (99, "images")]
)
def test_networks_are_cut_where_one_tensor_passes(n_layers, cut):
    assert _layer_to_cut_at(branching_model(), n_layers) == cut


def test_sequential_models_can_be_cut():
    layers = [keras.layers.Conv2D(2, 1, name=f"conv{i}") for i in range(3)]
    model = keras.Sequential([keras.Input((4, 4, 3)), *layers])
    assert _layer_to_cut_at(model, 1) == "conv1"


def test_trunk_and_tail_are_the_backbone(backbone, images):
    X, _ = images
    extractor = PretrainedFeatures(backbone, pooling=None).fit(X)._extractor
    trunk, tail = extractor.cut(2)
    maps = tail.predict(trunk.maps(X), verbose=0)
    np.testing.assert_allclose(maps.reshape(60, -1), extractor(X), rtol=1e-4, atol=1e-3)
    trainable = {layer.name: layer.trainable for layer in tail.layers}
    assert trainable["last"]
    assert trainable["sum"]
    assert not trainable["left"]
    assert not trainable["right"]


@pytest.mark.slow
def test_temperature_is_that_of_the_network_after_fine_tuning(backbone, images):
    X, y = images
    network = PretrainedCNNClassifier(
        backbone, epochs=2, fine_tune=1, fine_tune_epochs=3, fine_tune_learning_rate=0.01,
        hidden_units=8, random_state=0, calibrate="temperature",
    ).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])  # fmt: skip
    raw = np.asarray(network.model_(network._extractor(X)))
    raw = np.hstack([1 - raw, raw])
    expected = fitted_temperature(raw[40:], np.eye(2)[y[40:]], by_label=False)
    assert network.temperature_ == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(
        network.predict_proba(X), tempered(raw, expected, by_label=False), atol=1e-4
    )


def test_fine_tuning_trains_the_last_layers_and_no_others(backbone, images):
    X, y = images
    network = PretrainedCNNClassifier(
        backbone, epochs=2, fine_tune=1, fine_tune_epochs=3, fine_tune_learning_rate=0.01,
        hidden_units=8, random_state=0,
    ).fit(X, y)  # fmt: skip
    pretrained = keras.models.load_model(backbone)
    for layer in pretrained.layers:
        pairs = zip(
            layer.get_weights(), network.backbone_.get_layer(layer.name).get_weights(), strict=True
        )
        same = [np.array_equal(ours, theirs) for ours, theirs in pairs]
        assert all(same) != (layer.name == "last") or not same
    assert network.n_iter_ == 5
    assert len(network.history_["loss"]) == 5
    features = network._extractor(X)
    expected = np.asarray(network.model_(features))[:, 0]
    np.testing.assert_allclose(network.predict_proba(X)[:, 1], expected, rtol=1e-4)


@pytest.mark.slow
def test_fine_tuning_lowers_the_loss_from_where_the_head_stood(backbone, images):
    X, y = images
    network = PretrainedCNNClassifier(
        backbone, epochs=5, fine_tune=2, fine_tune_epochs=10, fine_tune_learning_rate=1e-3,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    loss = network.history_["loss"]
    assert loss[5] < 1.5 * loss[4]
    assert loss[-1] < loss[4]


def test_a_second_phase_that_makes_it_worse_is_undone(backbone, images):
    X, y = images
    parameters = {"epochs": 8, "early_stopping": True, "random_state": 0}
    head = PretrainedCNNClassifier(backbone, **parameters).fit(X, y)
    network = PretrainedCNNClassifier(
        backbone, **parameters, fine_tune=2, fine_tune_epochs=2, fine_tune_learning_rate=3.0
    ).fit(X, y)
    np.testing.assert_array_equal(network.predict_proba(X), head.predict_proba(X))
    assert network.best_epoch_ == head.best_epoch_
    assert network.n_iter_ > head.n_iter_


@pytest.mark.slow
def test_folds_that_fine_tune_take_each_image_through_the_trunk_once(backbone, images, computed):
    X, y = images
    network = PretrainedCNNClassifier(
        backbone, pooling="max", epochs=1, fine_tune=1, fine_tune_epochs=1, random_state=0
    )
    with skdl.lockstep():
        cross_val_score(network, X, y, cv=3, error_score="raise")
    # Features and maps of every image, and each fold's held-out images by its own last layers.
    assert sum(computed) <= 60 + 60 + 60


@pytest.mark.slow
def test_held_out_rows_are_followed_through_both_phases(backbone, images):
    X, y = images
    network = PretrainedCNNClassifier(
        backbone, epochs=2, fine_tune=1, fine_tune_epochs=2, random_state=0
    )
    result = cross_validate(network, X, y, cv=2, baseline=False)
    tests = result.histories[result.histories["metric"] == "test_loss"]
    assert set(tests["epoch"]) == {1, 2, 3, 4}


# ------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"backbone": "MobileNet3000"},
            "is no network of keras.applications. Did you mean 'MobileNet'[?] Expected one of",
        ),
        ({"backbone": "nowhere.keras"}, "is no file"),
        ({"backbone": "MobileNet", "weights": "nowhere.h5"}, "is no file. Expected the path"),
        ({"backbone": "MobileNet", "weights": None}, "cannot be built for images of shape"),
        (
            {"backbone": "MobileNet", "weights": None, "backbone_params": {"width": 2}},
            "with backbone_params=",
        ),
    ],
)
def test_backbones_that_cannot_be_had(parameters, message, images):
    with pytest.raises(ValueError, match=message):
        PretrainedFeatures(**parameters).fit(images[0])


def test_weights_of_another_network(shared_data, images):
    with pytest.raises(ValueError, match="do not fit the backbone"):
        PretrainedFeatures("MobileNet", weights=shared_data(WEIGHTS), image_size=32).fit(images[0])


def test_weights_that_cannot_be_downloaded(monkeypatch, images):
    original = keras.applications.MobileNet

    def without_connection(weights, **options):
        if weights is not None:
            raise OSError("URL fetch failure")
        return original(weights=weights, **options)

    monkeypatch.setattr(keras.applications, "MobileNet", without_connection)
    with pytest.raises(ValueError, match="set weights to its path"):
        PretrainedFeatures("MobileNet", image_size=32).fit(images[0])


def test_channels_that_the_backbone_does_not_take(backbone):
    with pytest.raises(ValueError, match="with 5 channels, but the backbone takes 3"):
        PretrainedFeatures(backbone).fit(np.zeros((4, 8, 8, 5)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("image_size", (1, 2, 3)), ("pooling", "mean"), ("fine_tune", -1), ("backbone", 3)],
)
def test_bad_parameters(name, value, images):
    with pytest.raises(InvalidParameterError, match=name):
        PretrainedCNNClassifier(**{name: value}).fit(*images)


# ------------------------------------------------------------------------ real data


@pytest.mark.slow
def test_ants_and_bees_from_imagenet_weights(shared_data):
    with np.load(shared_data("ants_bees_128.npz"), allow_pickle=False) as data:
        X, y, X_test, y_test = (data[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    parameters = {
        "backbone_params": {"alpha": 0.25},
        "hidden_layers": 0,
        "l2": 0.03,
        "epochs": 60,
        "random_state": 0,
    }
    network = PretrainedCNNClassifier("MobileNet", weights=shared_data(WEIGHTS), **parameters)
    random = PretrainedCNNClassifier("MobileNet", weights=None, **parameters)
    score = network.fit(X, y).score(X_test, y_test)
    assert score >= 0.78
    assert score > random.fit(X, y).score(X_test, y_test) + 0.1
    network.set_params(fine_tune=10, fine_tune_epochs=3).fit(X, y)
    assert network.score(X_test, y_test) >= score - 0.04
