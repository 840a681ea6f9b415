"""Texts as rows of token ids."""

import re
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer

from skdl import TokenSequences
from skdl.exceptions import InvalidParameterError

TEXTS = ["A good film.", "Not a good film: a bad one!", "a"]
# By hand: a 4, film 2, good 2, then one each, by the alphabet.
VOCABULARY = {"a": 2, "film": 3, "good": 4, "bad": 5, "not": 6, "one": 7}


def test_tokens_are_numbered_from_two_by_frequency_then_by_the_alphabet():
    assert TokenSequences().fit(TEXTS).vocabulary_ == VOCABULARY
    assert TokenSequences().fit(TEXTS[::-1]).vocabulary_ == VOCABULARY


def test_padding_stands_at_the_end_and_unknown_tokens_are_one():
    ids = TokenSequences(max_length=4).fit(TEXTS).transform(["a good book", "", "???"])
    np.testing.assert_array_equal(ids, [[2, 4, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert ids.dtype == np.int32


@pytest.mark.parametrize(
    ("truncation", "expected"), [("start", [2, 5, 7]), ("end", [6, 2, 4])], ids=["start", "end"]
)
def test_truncation_cuts_off_the_side_that_it_names(truncation, expected):
    tokens = TokenSequences(max_length=3, truncation=truncation).fit(TEXTS)
    np.testing.assert_array_equal(tokens.transform(TEXTS[1:2]), [expected])


def test_max_tokens_counts_padding_and_unknown():
    tokens = TokenSequences(max_tokens=5).fit(TEXTS)
    assert tokens.vocabulary_ == {"a": 2, "film": 3, "good": 4}
    assert tokens.transform(TEXTS).max() == 4


@pytest.mark.parametrize("min_df", [2, 0.6, np.float32(0.6)])
def test_rare_tokens_are_unknown(min_df):
    # In texts: a in 3, good and film in 2 of 3, the others in 1.
    tokens = TokenSequences(min_df=min_df).fit(TEXTS)
    assert tokens.vocabulary_ == {"a": 2, "film": 3, "good": 4}


def test_a_token_twice_in_one_text_is_in_one_text():
    assert TokenSequences(min_df=2).fit(["a b b", "a"]).vocabulary_ == {"a": 2}


@pytest.mark.parametrize("truncation", ["start", "end"])
@pytest.mark.parametrize("parameters", [{}, {"min_df": 2}, {"max_tokens": 4}])
def test_fit_transform_is_fit_and_transform(truncation, parameters):
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(30)])
    texts = [" ".join(rng.choice(words, n)) for n in rng.integers(0, 20, 50)]
    tokens = TokenSequences(max_length=8, truncation=truncation, **parameters)
    at_once, twin = tokens.fit_transform(texts), clone(tokens).fit(texts)
    np.testing.assert_array_equal(at_once, twin.transform(texts))
    assert tokens.vocabulary_ == twin.vocabulary_


def test_counts_are_the_same_in_many_pieces(monkeypatch):
    monkeypatch.setattr("skdl.estimators.text._token_sequences._TOKENS_AT_A_TIME", 2)
    assert TokenSequences().fit(TEXTS).vocabulary_ == VOCABULARY


@pytest.mark.parametrize(
    ("parameters", "text", "expected"),
    [
        ({}, "Don't go, I said", ["don't", "go", "i", "said"]),
        ({"lowercase": False}, "To be", ["To", "be"]),
        ({"token_pattern": r"(?u)\b\w\w+\b"}, "I do", ["do"]),
        ({"token_pattern": r"#(\w+)"}, "#one two", ["one"]),
        ({"analyzer": "char"}, "Ab  a", ["a", "b", " ", "a"]),
        ({"analyzer": str.split}, "A-b C.", ["A-b", "C."]),
    ],
)
def test_what_a_token_is(parameters, text, expected):
    tokens = TokenSequences(**parameters).fit([text])
    known = {number: token for token, number in tokens.vocabulary_.items()}
    row = tokens.transform([text])[0]
    assert [known[number] for number in row[row > 0]] == expected


def test_words_are_those_of_scikit_learn_with_its_pattern():
    theirs = CountVectorizer().fit(TEXTS)
    ours = TokenSequences(token_pattern=theirs.token_pattern).fit(TEXTS)
    assert set(ours.vocabulary_) == set(theirs.vocabulary_)


@pytest.mark.parametrize(
    "as_container",
    [
        list, tuple, np.array, iter, pd.Series, lambda t: np.array(t, object),
        lambda t: pd.Series(t, dtype="string"), lambda t: pd.DataFrame({"text": t}),
        lambda t: np.array(t)[:, None], pl.Series, lambda t: pl.DataFrame({"text": t}),
        pa.array, lambda t: pa.chunked_array([t]), lambda t: pa.table({"text": t}),
        lambda t: pa.array(t).dictionary_encode(),
    ],
)  # fmt: skip
def test_texts_come_in_any_container(as_container):
    expected = TokenSequences().fit_transform(TEXTS)
    np.testing.assert_array_equal(TokenSequences().fit_transform(as_container(TEXTS)), expected)


def test_columns_are_positions_in_a_text():
    tokens = TokenSequences(max_length=2).set_output(transform="pandas").fit(TEXTS)
    assert tokens.get_feature_names_out().tolist() == ["token0", "token1"]
    assert tokens.transform(TEXTS).columns.tolist() == ["token0", "token1"]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("a text", r"X is one text, 'a text'. Expected a list.*\[text\]"),
        (b"a text", "X is one text"),
        ([], "X holds 0 texts"),
        (["a", b"b"], r"row 1 of X is b'b', of type bytes.*decode\('utf-8'\)"),
        (["a", None], r"row 1 of X is None.*fillna"),
        (pd.Series(["a", np.nan]), r"row 1 of X is nan.*fillna"),
        (pd.Series(["a", None], dtype="string"), r"row 1 of X is <NA>.*fillna"),
        ([["a"], ["b"]], r"row 0 of X is \['a'\], of type list"),
        (np.array([["a", "b"]]), r"X has shape \(1, 2\)"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"X has shape \(1, 2\).*X\['text'\]"),
        ([1, 2], r"row 0 of X is 1, of type int.*str\(value\)"),
    ],
)
def test_what_is_no_text_is_refused_with_the_cure(X, message):
    with pytest.raises(ValueError, match=f"TokenSequences: {message}"):
        TokenSequences().fit(X)
    with pytest.raises(ValueError, match=f"TokenSequences: {message}"):
        TokenSequences().fit(["a"]).transform(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_tokens": 2}, r"max_tokens=2 .*\[3, "),
        ({"max_length": 0}, "max_length=0 .*>= 1"),
        ({"analyzer": "words"}, "analyzer='words' .*'word'"),
        ({"token_pattern": "("}, r"token_pattern='\(' .*regular expression"),
        ({"token_pattern": r"(\w)(\w)"}, "at most one group"),
        ({"min_df": 1.5}, r"min_df=1.5 .*\[0, 1\)"),
        ({"truncation": "left"}, "truncation='left' .*'start', 'end'"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        TokenSequences(**parameters).fit(TEXTS)


def test_texts_without_a_token_are_refused():
    with pytest.raises(ValueError, match=r"no token of X .*0 tokens were found.*token_pattern"):
        TokenSequences().fit(["?", "!"])


def test_transform_needs_fit():
    with pytest.raises(NotFittedError):
        TokenSequences().transform(TEXTS)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_tokens():
    # 3 million tokens; as strings in a list they would take 24 MB for the references alone.
    texts = ["a b c d e f " * 500] * 1000
    tracemalloc.start()
    TokenSequences(max_length=10).fit(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_no_tensorflow_is_loaded(fresh_python):
    done = fresh_python(
        "import sys, skdl\n"
        "print(skdl.TokenSequences(max_length=3).fit_transform(['to be', 'to do']).tolist())\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)\n"
    )
    assert re.sub(r"\s", "", done.stdout) == "[[2,3,0],[2,4,0]]"


def test_analyzers_may_yield_tokens():
    tokens = TokenSequences(analyzer=lambda text: (word for word in text.split()), max_length=2)
    expected = TokenSequences(analyzer=str.split, max_length=2).fit_transform(TEXTS)
    np.testing.assert_array_equal(tokens.fit_transform(TEXTS), expected)
    np.testing.assert_array_equal(tokens.transform(TEXTS), expected)
    once = TokenSequences(analyzer=lambda text: dict.fromkeys(text.split()).keys(), max_length=2)
    np.testing.assert_array_equal(once.fit_transform(TEXTS), expected)


@pytest.mark.parametrize("result", [None, {"a", "b"}], ids=["nothing", "set"])
def test_analyzers_give_tokens_in_their_order(result):
    with pytest.raises(ValueError, match=r"The analyzer returned .* in their order"):
        TokenSequences(analyzer=lambda text: result).fit(TEXTS)


def test_parameters_that_were_set_after_fit_are_checked():
    tokens = TokenSequences().fit(TEXTS).set_params(max_length=-1)
    with pytest.raises(InvalidParameterError, match="max_length=-1"):
        tokens.transform(TEXTS)
