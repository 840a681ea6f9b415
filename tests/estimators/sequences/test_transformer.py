"""Transformers as estimators: parameters, lengths, what they learn."""

import numpy as np
import pytest

from skdl import TransformerClassifier, TransformerRegressor
from skdl.estimators import describe_space
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import cross_validate

SMALL = {"n_blocks": 1, "n_heads": 2, "width": 4, "epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 9, 40)
RAGGED = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]


def layers_of(estimator):
    return [type(layer).__name__ for layer in estimator.model_.layers]


@pytest.mark.slow
def test_layers_follow_from_the_parameters():
    network = TransformerClassifier(
        2, n_heads=2, width=4, feed_forward_units=5, hidden_units=3, dropout=0.1, epochs=1
    ).fit(RAGGED, LENGTHS > 4)
    block = [
        "LayerNormalization", "MultiHeadAttention", "Dropout", "Add", "LayerNormalization",
        "Dense", "Activation", "Dense", "Dropout", "Add",
    ]  # fmt: skip
    assert layers_of(network) == [
        "InputLayer", "StepMask", "Dense", "PositionEncoding", *block, *block,
        "LayerNormalization", "SequencePooling", "Dropout", "Dense", "Activation", "Dropout",
        "Dense", "Activation",
    ]  # fmt: skip
    attention, wide = network.model_.layers[5], network.model_.layers[9]
    assert (attention.num_heads, attention.key_dim, wide.units) == (2, 2, 5)
    without = TransformerRegressor(**SMALL, positional_encoding=False).fit(RAGGED, LENGTHS)
    assert "PositionEncoding" not in layers_of(without)


def test_predictions_depend_on_neither_padding_nor_company():
    network = TransformerRegressor(**SMALL).fit(RAGGED, LENGTHS)
    together = network.predict(RAGGED)
    alone = np.concatenate([network.predict([sequence]) for sequence in RAGGED[:8]])
    np.testing.assert_allclose(alone, together[:8], atol=1e-5)
    longer = network.predict([*RAGGED, np.ones((30, 2), np.float32)])
    np.testing.assert_allclose(longer[:-1], together, atol=1e-5)


def test_training_goes_on_with_longer_sequences():
    network = TransformerRegressor(**SMALL, warm_start=True).fit(RAGGED, LENGTHS)
    network.fit([*RAGGED[:-1], np.ones((20, 2), np.float32)], LENGTHS)
    assert (network.n_iter_, network.sequence_shape_) == (4, (20, 2))
    assert network.predict(RAGGED).shape == (40,)


@pytest.mark.slow
def test_model_predicts_what_the_estimator_predicts():
    X = RNG.normal(size=(40, 6, 2)).astype(np.float32)
    network = TransformerClassifier(**SMALL, pooling="attention").fit(X, X[:, 0, 0] > 0)
    np.testing.assert_allclose(
        np.asarray(network.model_(X))[:, 0], network.predict_proba(X)[:, 1], atol=1e-6
    )


def test_heads_share_the_width():
    with pytest.raises(InvalidParameterError, match=r"width=6 .*n_heads=4\. .*width=8"):
        TransformerRegressor(n_heads=4, width=6).fit(RAGGED, LENGTHS)


def test_search_space():
    assert dict(describe_space(TransformerClassifier()))["width"] == "32, 64, 128"
    assert "width" not in dict(describe_space(TransformerClassifier(n_heads=7, width=7)))


@pytest.mark.slow
def test_the_order_of_steps_is_learned():
    """Rows with the same values in another order: a mean over the steps says nothing."""
    rng = np.random.default_rng(0)
    rows = np.sort(rng.normal(size=(300, 10)), 1)
    y = rng.integers(0, 2, 300)
    rows[y == 1] = rows[y == 1, ::-1]
    options = {"width": 16, "epochs": 15, "learning_rate": 0.01, "random_state": 0}
    with_order = cross_validate(TransformerClassifier(1, **options), rows, y, cv=3)
    assert with_order["test_score"].min() > 0.95
    options["positional_encoding"] = False
    without = cross_validate(TransformerClassifier(1, **options), rows, y, cv=3)
    assert without["test_score"].mean() < 0.7
