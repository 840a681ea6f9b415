"""Networks for texts: what they take as rows, what they learn, and what they refuse."""

import pickle

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skdl import TextClassifier, TextRegressor, TokenSequences
from skdl.estimators import describe_space
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import OptunaSearchCV, cross_validate
from tests.checks import slow_but

SMALL = {"embedding_dim": 3, "encoder_units": 4, "max_length": 6, "epochs": 2, "random_state": 0}
ENCODERS = ["mean", "conv", "gru", "lstm", "attention"]
RNG = np.random.default_rng(0)
FILLERS = ["the", "film", "was", "plot", "and", "cast"]


def reviews(n=80):
    """Return texts that hold "good" or "bad" among other words, and which of them."""
    is_good = RNG.random(n) < 0.5
    texts = []
    for good in is_good:
        words = RNG.choice(FILLERS, RNG.integers(2, 6)).tolist()
        words.insert(RNG.integers(0, len(words) + 1), "good" if good else "bad")
        texts.append(" ".join(words))
    return texts, np.where(is_good, "+", "-")


TEXTS, LABELS = reviews()
IDS = TokenSequences(max_length=6).fit_transform(TEXTS)


@pytest.fixture(scope="module")
def fitted():
    return TextClassifier(**SMALL).fit(TEXTS, LABELS)


# ------------------------------------------------------------------------------------ learning


@pytest.mark.parametrize("encoder", slow_but(ENCODERS, "mean"))
def test_words_decide(encoder):
    network = TextClassifier(**SMALL | {"encoder": encoder, "epochs": 20, "learning_rate": 0.03})
    assert network.fit(TEXTS, LABELS).score(*reviews(40)) == 1


def test_the_mean_knows_no_order_and_a_convolution_does():
    texts = ["dog bites man", "man bites dog"] * 30
    labels = ["dull", "news"] * 30
    settings = SMALL | {"epochs": 20, "learning_rate": 0.03}
    mean = TextClassifier(**settings).fit(texts, labels)
    np.testing.assert_allclose(*mean.predict_proba(texts[:2]), atol=1e-6)
    assert TextClassifier("conv", **settings).fit(texts, labels).score(texts, labels) == 1


def test_regressor_learns_numbers_in_their_own_units():
    y = np.where(LABELS == "+", 300.0, 100.0)
    network = TextRegressor(**SMALL | {"epochs": 40, "learning_rate": 0.03}).fit(TEXTS, y)
    assert network.score(TEXTS, y) > 0.9


@pytest.mark.parametrize("encoder", slow_but(ENCODERS, "mean", "gru"))
def test_keras_model_predicts_the_same(encoder):
    network = TextClassifier(encoder, **SMALL).fit(IDS, LABELS)
    theirs = network.model_.predict(IDS, verbose=0)
    np.testing.assert_allclose(network.predict_proba(IDS)[:, 1], theirs[:, 0], atol=1e-5)


def test_the_mean_by_hand_leaves_padding_out(fitted):
    table, kernel, bias = fitted.model_.get_weights()
    ids = fitted.token_sequences_.transform(["the good plot"])[0]
    logit = table[ids[:3]].mean(0) @ kernel + bias
    assert (ids[3:] == 0).all()
    expected = 1 / (1 + np.exp(-logit))
    np.testing.assert_allclose(fitted.predict_proba(["the good plot"])[0, 1], expected, rtol=1e-5)


@pytest.mark.slow
def test_parameters_shape_the_network():
    network = TextClassifier(
        "gru", bidirectional=True, pooling="attention", hidden_units=(5, 4), embedding_dropout=0.1,
        dropout=0.2, **SMALL,
    ).fit(IDS, LABELS)  # fmt: skip
    kinds = [type(layer).__name__ for layer in network.model_.layers]
    assert kinds[:4] == ["Embedding", "Dropout", "Bidirectional", "SequencePooling"]
    shapes = [w.shape for w in network.model_.get_weights()]
    # Ids in blocks of 256; two directions of 4 units, their score, then 8 -> 5 -> 4 -> 1.
    assert shapes[0] == (256, 3)
    assert shapes[-7:] == [(8, 1), (8, 5), (5,), (5, 4), (4,), (4, 1), (1,)]
    rates = [own.rate for own in network.model_.layers if isinstance(own, keras.layers.Dropout)]
    assert rates == [0.1, 0.2, 0.2, 0.2]


# ---------------------------------------------------------------------------------------- rows


def test_texts_and_ids_of_a_pipeline_learn_the_same(fitted):
    tokens = TokenSequences(max_length=6)
    pipeline = make_pipeline(tokens, TextClassifier(**SMALL)).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(pipeline.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert fitted.token_sequences_.vocabulary_ == tokens.vocabulary_
    assert pipeline[-1].token_sequences_ is None
    assert pipeline[-1].n_features_in_ == 6


@pytest.mark.parametrize(
    "as_container",
    [
        tuple, np.array, pd.Series, lambda t: pd.Series(t, dtype="string"), pl.Series,
        lambda t: pd.DataFrame({"text": t}), lambda t: np.array(t, object)[:, None],
        pa.array, lambda t: pa.table({"text": t}),
    ],
)  # fmt: skip
def test_texts_come_in_any_container(as_container, fitted):
    network = TextClassifier(**SMALL).fit(as_container(TEXTS), LABELS)
    np.testing.assert_array_equal(
        network.predict_proba(as_container(TEXTS)), fitted.predict_proba(TEXTS)
    )


def test_ids_may_be_frames_and_floats():
    expected = TextClassifier(**SMALL).fit(IDS, LABELS).predict_proba(IDS)
    for rows in (pd.DataFrame(IDS).add_prefix("token"), IDS.astype(float), IDS.tolist()):
        network = TextClassifier(**SMALL).fit(rows, LABELS)
        np.testing.assert_array_equal(network.predict_proba(rows), expected)


def test_tokens_and_ids_that_fit_did_not_see_are_unknown(fitted):
    new, unknown = fitted.predict_proba(["the zebra", "the quagga"])
    np.testing.assert_array_equal(new, unknown)
    network = TextClassifier(**SMALL).fit(IDS, LABELS)
    rows = IDS[:2].copy()
    rows[0, 0], rows[1] = 999, rows[0]
    rows[1, 0] = 1
    large, one = network.predict_proba(rows)
    np.testing.assert_array_equal(large, one)


def test_a_text_without_a_token_is_predicted_from_the_bias(fitted):
    _, _, bias = fitted.model_.get_weights()
    expected = 1 / (1 + np.exp(-bias))
    np.testing.assert_allclose(fitted.predict_proba([""])[0, 1], expected, rtol=1e-5)


def test_predictions_do_not_depend_on_the_other_rows(fitted):
    together = fitted.predict_proba(TEXTS)
    alone = np.concatenate([fitted.predict_proba([text]) for text in TEXTS[:5]])
    np.testing.assert_allclose(alone, together[:5], atol=1e-6)


def test_vocabulary_is_that_of_the_training_rows():
    texts = [f"{text} only{i}" for i, text in enumerate(TEXTS)]
    result = cross_validate(
        TextClassifier(**SMALL), texts, LABELS, cv=KFold(4), return_estimator=True
    )
    for network, (train, test) in zip(result["estimator"], KFold(4).split(texts), strict=True):
        words = set(network.token_sequences_.vocabulary_)
        assert words >= {f"only{i}" for i in train}
        assert not words & {f"only{i}" for i in test}


@pytest.mark.parametrize("as_container", [list, pd.Series])
def test_folds_together_are_folds_apart(as_container):
    X = as_container(TEXTS)
    network, folds = TextClassifier(**SMALL), KFold(3)
    result = cross_validate(network, X, LABELS, cv=folds, return_estimator=True)
    for twin, (train, _) in zip(result["estimator"], folds.split(TEXTS), strict=True):
        alone = TextClassifier(**SMALL).fit([TEXTS[i] for i in train], LABELS[train])
        np.testing.assert_allclose(twin.predict_proba(TEXTS), alone.predict_proba(TEXTS), atol=1e-5)


def test_validation_rows_are_texts_too(fitted):
    texts, labels = reviews(20)
    network = TextClassifier(**SMALL).fit(TEXTS, LABELS, X_val=texts, y_val=labels)
    p = np.clip(fitted.predict_proba(texts), 1e-7, 1)
    expected = -np.log(p[np.arange(20), (labels == "-").astype(int)]).mean()
    assert network.history_["val_loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_partial_fit_keeps_the_vocabulary():
    network = TextClassifier(**SMALL)
    network.partial_fit(TEXTS[:40], LABELS[:40], classes=["+", "-"])
    words = dict(network.token_sequences_.vocabulary_)
    network.partial_fit(["a new word", "and another"], ["+", "-"])
    assert network.token_sequences_.vocabulary_ == words


def test_early_stopping_holds_texts_out():
    network = TextClassifier(**SMALL | {"epochs": 3}, early_stopping=True, patience=0)
    assert "val_loss" in network.fit(TEXTS, LABELS).history_


def test_pickle_keeps_the_vocabulary(fitted):
    twin = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(twin.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


@pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning")
def test_search_varies_what_the_encoder_has():
    mean, conv = (dict(describe_space(TextClassifier(e))) for e in ("mean", "conv"))
    assert {"embedding_dim", "dropout", "l2", "learning_rate"} <= mean.keys()
    assert conv.keys() - mean.keys() == {"encoder_units"}
    search = OptunaSearchCV(TextClassifier(**SMALL), n_trials=2, cv=2, random_state=0)
    assert search.fit(TEXTS, LABELS).best_estimator_.predict(TEXTS[:3]).shape == (3,)


# -------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("good", r"X is one text, 'good'.*\[text\]"),
        (["good", None, "bad"], "row 1 of X is None.*fillna"),
        (pd.Series(["good", np.nan]), "row 1 of X is nan.*fillna"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"X has shape \(1, 2\).*X\['text'\]"),
        ([[1, 2], [3, -4]], r"X\[1, 1\] is -4, no token id.*TokenSequences"),
        ([[1, 2.5], [3, 4]], r"X\[0, 1\] is 2.5, no token id"),
        ([[1, 2], [3, 10_000]], "id 10000, but max_tokens=10000.*set max_tokens"),
        ([[1, np.nan], [3, 4]], "NaN"),
        ([1, 2], "2D array"),
        ([[1, 2], [3]], "from 1 to 2 token ids.*padded with 0.*pad_sequences"),
        (pd.Series([[1, 2], [3]]), "from 1 to 2 token ids"),
    ],
)
def test_rows_that_are_neither_texts_nor_ids_are_refused(X, message):
    y = ["+", "-", "+"][: len(X)] if not isinstance(X, str) else ["+"]
    with pytest.raises(ValueError, match=message):
        TextClassifier(**SMALL).fit(X, y)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([None], "row 0 of X is None, .*Leave rows without a text out"),
        (np.array([np.nan, None], object), "row 0 of X is nan, .*fillna"),
        (pd.Series([None] * 101 + ["good"]), "row 0 of X is .*fillna"),
        ([], "X holds 0 texts"),
        ([[text] for text in TEXTS], r"row 0 of X is \['.*Flatten nested lists"),
    ],
)
def test_gaps_and_nested_lists_are_told_as_texts(X, message, fitted):
    for call in (fitted.predict, lambda X: TextClassifier(**SMALL).fit(X, LABELS[: len(X)])):
        with pytest.raises(ValueError, match=message):
            call(X)


def test_fit_on_texts_and_ids_afterwards_do_not_go_together(fitted):
    with pytest.raises(ValueError, match="fit saw texts, but X holds no texts"):
        fitted.predict(IDS)
    with pytest.raises(ValueError, match="fit saw token ids, but X holds texts"):
        TextClassifier(**SMALL).fit(IDS, LABELS).predict(TEXTS)


def test_ids_of_another_length_are_refused():
    network = TextClassifier(**SMALL).fit(IDS, LABELS)
    with pytest.raises(ValueError, match=r"5 features.*expecting 6"):
        network.predict(IDS[:, :5])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"encoder": "cnn"}, "encoder='cnn' .*'mean', 'conv'"),
        ({"embedding_dim": 0}, "embedding_dim=0 .*>= 1"),
        ({"pooling": "sum"}, "pooling='sum' .*'max'"),
        ({"max_tokens": 1}, r"max_tokens=1 .*\[3"),
        ({"truncation": "right"}, "truncation='right' .*'start', 'end'"),
        ({"encoder": "attention", "n_heads": 5}, "n_heads=5 does not divide encoder_units=64"),
        (
            {"encoder": "attention", "batch_norm": "before_activation"},
            "batch_norm='before_activation' has no place",
        ),
        ({"embedding_dim": 10**9}, "embedding_dim=1000000000 .*GiB"),
        ({"encoder": "conv", "encoder_units": 10**9}, "encoder_units=1000000000.*GiB"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        TextClassifier(**parameters).fit(TEXTS, LABELS)


def test_generators_are_refused_by_name():
    with pytest.raises(TypeError, match="X is a generator"):
        TextClassifier(**SMALL).fit((text for text in TEXTS), LABELS)
