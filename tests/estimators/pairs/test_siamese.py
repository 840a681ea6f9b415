"""Embeddings by pairs and triplets: losses, batches, tables and images, what they learn."""

import itertools
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import SiameseTransformer
from skdl.estimators.pairs._pair_batches import ClassBatches
from skdl.estimators.pairs._pair_losses import pair_loss
from skdl.exceptions import InvalidParameterError
from tests.checks import run_to_float32_rounding, scikit_learn_checks

RNG = np.random.default_rng(0)
LABELS = np.array([0, 0, 1, 1, 2, 2, 2])
EMBEDDINGS = RNG.normal(size=(7, 3)).astype(np.float32) / 2
X = RNG.normal(size=(60, 4)).astype(np.float32)
y = np.where(X[:, 0] > 0, "high", "low")
SMALL = {"n_components": 3, "hidden_units": 4, "batch_size": 8, "epochs": 2, "random_state": 0}


@scikit_learn_checks([SiameseTransformer(2, hidden_units=4, epochs=1)], is_slow=lambda *_: True)
def test_scikit_learn_checks(estimator, check):
    run_to_float32_rounding(check, estimator)


# -------------------------------------------------------------------------------- losses


def of_length_one(embeddings):
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


@pytest.mark.parametrize("normalize", [False, True])
def test_contrastive_loss_is_that_of_hadsell_2006(normalize):
    """Eq. 4 pair by pair: half of D² where alike, half of max(0, m - D)² where not."""
    z = of_length_one(EMBEDDINGS) if normalize else EMBEDDINGS
    alike, unlike = [], []
    for i, j in itertools.combinations(range(7), 2):
        distance = np.linalg.norm(z[i] - z[j])
        if LABELS[i] == LABELS[j]:
            alike.append(distance**2 / 2)
        else:
            unlike.append(max(0.0, 0.9 - distance) ** 2 / 2)
    loss = pair_loss("contrastive", margin=0.9, normalize=normalize)
    found = float(loss(LABELS[:, None].astype(np.float32), EMBEDDINGS))
    assert found == pytest.approx((np.mean(alike) + np.mean(unlike)) / 2, rel=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
def test_triplet_loss_is_that_of_schroff_2015(normalize):
    """Eq. 3 triplet by triplet, over those with a loss."""
    z = of_length_one(EMBEDDINGS) if normalize else EMBEDDINGS
    losses = []
    for anchor, positive, negative in itertools.permutations(range(7), 3):
        if LABELS[anchor] == LABELS[positive] != LABELS[negative]:
            near = np.sum((z[anchor] - z[positive]) ** 2)
            losses.append(near - np.sum((z[anchor] - z[negative]) ** 2) + 0.2)
    violating = [loss for loss in losses if loss > 0]
    assert 0 < len(violating) < len(losses)
    loss = pair_loss("triplet", margin=0.2, normalize=normalize)
    found = float(loss(LABELS[:, None].astype(np.float32), EMBEDDINGS))
    assert found == pytest.approx(np.mean(violating), rel=1e-5)


@pytest.mark.parametrize("kind", ["contrastive", "triplet"])
def test_equal_embeddings_have_a_finite_gradient(kind):
    import tensorflow as tf

    embeddings = tf.ones((4, 2))
    labels = tf.constant([[0.0], [0.0], [1.0], [1.0]])
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = pair_loss(kind, margin=1.0, normalize=True)(labels, embeddings)
    assert np.isfinite(tape.gradient(loss, embeddings)).all()


# -------------------------------------------------------------------------------- batches


def test_batches_have_equal_numbers_of_rows_of_each_class():
    codes = np.repeat(np.arange(10), 7)
    batches = ClassBatches(codes, 12, 3, np.random.default_rng(0))
    assert batches.n_batches == 6
    for rows in batches:
        counts = np.bincount(codes[rows], minlength=10)
        assert sorted(counts[counts > 0]) == [3, 3, 3, 3]
        assert len(set(rows)) == 12


def test_few_classes_have_more_rows_and_small_ones_all_they_have():
    codes = np.array([0] * 30 + [1] * 2)
    (rows, *_) = ClassBatches(codes, 16, 4, np.random.default_rng(0))
    assert np.bincount(codes[rows]).tolist() == [8, 2]


# -------------------------------------------------------------------------------- estimator


def test_embeddings_are_of_length_one_unless_asked():
    fitted = SiameseTransformer(**SMALL).fit(X, y)
    embeddings = fitted.transform(X)
    assert embeddings.shape == (60, 3)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(fitted.model_(X)), embeddings, atol=1e-5)
    assert list(fitted.get_feature_names_out()) == [f"siamesetransformer{i}" for i in range(3)]
    assert list(fitted.classes_) == ["high", "low"]
    assert (fitted.n_iter_, len(fitted.history_["loss"])) == (2, 2)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), embeddings)
    alone = np.concatenate([fitted.transform(row[None]) for row in X[:5]])
    np.testing.assert_allclose(alone, embeddings[:5], atol=1e-6)
    free = SiameseTransformer(**SMALL, normalize=False).fit(X, y)
    assert np.ptp(np.linalg.norm(free.transform(X), axis=1)) > 0.1


def test_images_may_be_flat_grey_or_bytes():
    images = RNG.integers(0, 256, (40, 8, 8), dtype=np.uint8)
    labels = np.arange(40) % 2
    options = {**SMALL, "filters": 2, "epochs": 1}
    grey = SiameseTransformer(**options).fit(images, labels)
    kinds = [type(layer).__name__ for layer in grey.model_.layers[0].layers]
    assert kinds[:4] == ["Rescaling", "Conv2D", "Activation", "MaxPooling2D"]
    flat = SiameseTransformer(**options, image_shape=(8, 8)).fit(images.reshape(40, 64), labels)
    np.testing.assert_array_equal(flat.transform(images.reshape(40, 64)), grey.transform(images))
    with pytest.raises(ValueError, match=r"shape \(8, 9\)\. Expected \(8, 8, 1\)"):
        grey.transform(np.zeros((2, 8, 9)))


BAD = [
    ({}, X[:20], np.arange(20), "20 classes in 20 rows. Expected .*2 rows"),
    ({}, X, np.zeros(60), "1 class in 60 rows"),
    ({"image_shape": (3, 3)}, X, y, r"image_shape=\(3, 3\) .* 9 values, but rows .* 4\. Expected"),
    ({"filters": (2, 2)}, np.zeros((60, 2, 2)), y, "2 poolings leave nothing .*larger images"),
    ({}, np.zeros((60, 2, 2, 1, 1)), y, r"X of shape \(60, 2, 2, 1, 1\) .*images .*or flat"),
    ({"loss": "hinge"}, X, y, "loss='hinge' .*'triplet'"),
    ({"rows_per_class": 1}, X, y, "rows_per_class=1 .*2"),
    ({"margin": 0.0}, X, y, "margin=0.0"),
    ({"learning_rate": -1}, X, y, "learning_rate=-1"),
]


@pytest.mark.parametrize(("parameters", "rows", "labels", "message"), BAD)
def test_what_it_cannot_learn_from(parameters, rows, labels, message):
    with pytest.raises(
        (ValueError, InvalidParameterError), match=f"SiameseTransformer: .*{message}"
    ):
        SiameseTransformer(**SMALL | parameters).fit(rows, labels)


@pytest.mark.parametrize("loss", ["triplet", pytest.param("contrastive", marks=pytest.mark.slow)])
def test_neighbours_among_embeddings_beat_those_among_raw_rows(loss):
    """Two columns of twenty tell the class; the others are noise."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 20))
    labels = 2 * (rows[:, 0] > 0) + (rows[:, 1] > 0)
    siamese = SiameseTransformer(
        4, loss=loss, hidden_units=32, epochs=15, learning_rate=0.01, l2=1e-3, random_state=0
    )
    learned = make_pipeline(StandardScaler(), siamese, KNeighborsClassifier(5))
    raw = make_pipeline(StandardScaler(), KNeighborsClassifier(5))
    scores = [
        pipeline.fit(rows[:200], labels[:200]).score(rows[200:], labels[200:])
        for pipeline in (learned, raw)
    ]
    assert scores[0] > scores[1] + 0.15


@pytest.mark.slow
def test_new_classes_of_digits_lie_apart():
    """Trained on eight digits, it tells the other two apart, of which it has seen none."""
    digits, labels = load_digits(return_X_y=True)
    is_known = labels < 8
    siamese = SiameseTransformer(image_shape=(8, 8), epochs=10, random_state=0)
    siamese.fit(digits[is_known] / 16, labels[is_known])
    embeddings, new = siamese.transform(digits[~is_known] / 16), labels[~is_known]
    neighbours = KNeighborsClassifier(1).fit(embeddings[:20], new[:20])
    assert neighbours.score(embeddings[20:], new[20:]) > 0.8


IMAGES = RNG.integers(0, 256, (24, 8, 6)).astype(np.uint8)
OF_IMAGES = np.arange(24) % 2


def of_images(**parameters):
    return SiameseTransformer(filters=2, **SMALL, **parameters)


@pytest.mark.parametrize(
    ("image_shape", "X"),
    [((6, 8), IMAGES), ((8, 6, 3), np.zeros((24, 3, 8, 6), np.float32))],
    ids=["height and width", "channels first"],
)
def test_an_image_shape_other_than_that_of_the_images_is_refused(image_shape, X):
    with pytest.raises(ValueError, match=r"image_shape=.* differs from the shape of X's rows"):
        of_images(image_shape=image_shape).fit(X, OF_IMAGES)


def test_bytes_are_refused_where_fit_saw_numbers_from_0_to_1():
    network = of_images().fit(IMAGES / 255, OF_IMAGES)
    with pytest.raises(ValueError, match=r"X is uint8, but .* prepare these as those of fit\."):
        network.transform(IMAGES)


def test_tables_of_bytes_are_tables_of_numbers():
    table = IMAGES.reshape(24, -1)
    expected = SiameseTransformer(**SMALL).fit(table.astype(float), OF_IMAGES).transform(table)
    found = SiameseTransformer(**SMALL).fit(table, OF_IMAGES).transform(table)
    np.testing.assert_array_equal(found, expected)


def test_images_of_another_shape_are_refused_and_flat_ones_taken():
    network = of_images().fit(IMAGES, OF_IMAGES)
    with pytest.raises(ValueError, match=r"rows of X have shape \(6, 8\). Expected \(8, 6, 1\)"):
        network.transform(IMAGES.transpose(0, 2, 1))
    flat = network.transform(IMAGES.reshape(24, -1))
    np.testing.assert_array_equal(flat, network.transform(IMAGES))
