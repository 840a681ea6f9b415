"""Texts as sequences of token ids, as a transformer."""

from __future__ import annotations

import re
from collections import defaultdict
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdl._validation import (
    AnyOf,
    Boolean,
    Constraint,
    Integer,
    OneOf,
    Predicate,
    Real,
    check_parameters,
)
from skdl.estimators.base._public_estimator import PublicEstimatorMixin
from skdl.estimators.text._texts import checked_texts, tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["N_SPECIAL", "TOKEN_CONSTRAINTS", "UNKNOWN", "WORDS", "TokenSequences"]

UNKNOWN = 1
# Ids that stand for no token: padding and unknown.
N_SPECIAL = 2
WORDS = r"\w+(?:'\w+)*"
# Tokens that are counted at a time; they take 4 bytes each.
_TOKENS_AT_A_TIME = 2**20


def _is_pattern(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return re.compile(value).groups <= 1
    except re.error:
        return False


TOKEN_CONSTRAINTS: dict[str, Constraint] = {
    "max_tokens": Integer(N_SPECIAL + 1, 2**24, example=10_000),
    "max_length": Integer(1, example=200),
    "analyzer": AnyOf(
        OneOf("word", "char"), Predicate(callable, "a function from a text to its tokens")
    ),
    "lowercase": Boolean(),
    "token_pattern": Predicate(
        _is_pattern, f"a regular expression of one token with at most one group, such as {WORDS!r}"
    ),
    "min_df": AnyOf(Integer(1), Real(0, 1, high_open=True)),
    "truncation": OneOf("start", "end"),
}


class TokenSequences(TransformerMixin, PublicEstimatorMixin, BaseEstimator):
    r"""Texts as rows of token ids of one length, for networks with an embedding.

    The most frequent tokens of the training texts are numbered from 2 on, in falling frequency. 1
    stands for all others, 0 pads shorter texts at their end. Needs no TensorFlow.

    Parameters
    ----------
    max_tokens : int, default=10000
        Size of the vocabulary: ids are below it. Padding and unknown tokens are two of them.
    max_length : int, default=200
        Tokens of a text that are kept, the number of columns.
    analyzer : {"word", "char"} or callable, default="word"
        What a token is; a function gets a text and returns its tokens.
    lowercase : bool, default=True
        Turn texts to lower case first; a callable `analyzer` gets them as they are.
    token_pattern : str, default=r"\w+(?:'\w+)*"
        Regular expression of a word for ``analyzer="word"``; with a group in it, the group is the
        token. Unlike scikit-learn's default, words of one letter are kept, and so is ``don't``.
    min_df : int or float in [0, 1), default=1
        Texts that a token must occur in to be in the vocabulary: their number (int) or share.
    truncation : {"start", "end"}, default="start"
        Where tokens are cut off if a text has more than `max_length`: ``"start"`` keeps its last
        ones, where reviews tend to say what they come to; ``"end"`` keeps its first ones.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Id of each token, from 2 on.

    See Also
    --------
    TextClassifier : Takes these rows, or makes them itself.
    sklearn.feature_extraction.text.TfidfVectorizer : Texts as weighted counts, without an order.

    Notes
    -----
    At no time is there a list of all tokens as strings: ``fit`` keeps each kind of token once and
    counts in pieces.

    Examples
    --------
    >>> from skdl import TokenSequences
    >>> texts = ["A good film.", "Not a good film: a bad one!"]
    >>> tokens = TokenSequences(max_length=5).fit(texts)
    >>> tokens.transform(["A bad film, a very bad one", "Good"])
    array([[3, 2, 1, 5, 7],
           [4, 0, 0, 0, 0]], dtype=int32)
    >>> tokens.vocabulary_["good"]
    4
    """

    # Said here, too: others of the package load it by its own module.
    __module__ = "skdl.estimators"

    _constraints: ClassVar[dict[str, Constraint]] = TOKEN_CONSTRAINTS
    _kinds_of_state: ClassVar[dict[str, Any]] = {"vocabulary_": dict}

    vocabulary_: dict[str, int]

    def __init__(
        self,
        max_tokens: int = 10_000,
        *,
        max_length: int = 200,
        analyzer: Any = "word",
        lowercase: bool = True,
        token_pattern: str = r"\w+(?:'\w+)*",  # noqa: S107 - no password
        min_df: float = 1,
        truncation: str = "start",
    ) -> None:
        self.max_tokens = max_tokens
        self.max_length = max_length
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.min_df = min_df
        self.truncation = truncation

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the vocabulary.

        Parameters
        ----------
        X : iterable of str
            Texts: a list, an array, a Series, or a frame of one column.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or a text is not as described, or no token is left.
        """
        del y
        self._learn(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.int32]:
        """Learn the vocabulary and return the training texts as ids, in one pass.

        Parameters
        ----------
        X : iterable of str
            Texts: a list, an array, a Series, or a frame of one column.
        y : object, default=None
            Ignored.

        Returns
        -------
        ids : ndarray of shape (n_samples, max_length), int32
        """
        del y
        texts = self._checked(X)
        rows = np.zeros((len(texts), int(self.max_length)), np.int32)
        lookup = self._learn(texts, rows)
        return lookup[rows]

    def transform(self, X: Any) -> NDArray[np.int32]:
        """Return texts as ids.

        Parameters
        ----------
        X : iterable of str
            Texts: a list, an array, a Series, or a frame of one column.

        Returns
        -------
        ids : ndarray of shape (n_samples, max_length), int32
            0 pads at the end, 1 is an unknown token.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        texts = self._checked(X)
        find, split, kept = self.vocabulary_.get, self._tokenizer(), self._kept()
        rows = np.zeros((len(texts), int(self.max_length)), np.int32)
        for row, text in zip(rows, texts, strict=True):
            ids = [find(token, UNKNOWN) for token in split(text)[kept]]
            row[: len(ids)] = ids
        return rows

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns: positions in a text.

        The words are in ``vocabulary_``.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        names : ndarray of shape (max_length,), object
            ``"token0"`` and so on.
        """
        del input_features
        check_is_fitted(self)
        return np.array([f"token{i}" for i in range(int(self.max_length))], dtype=object)

    # ------------------------------------------------------------------ learning

    def _checked(self, X: Any) -> Sequence[str]:
        owner = type(self).__name__
        check_parameters(owner, self.get_params(deep=False), self._constraints)
        return checked_texts(owner, X)

    def _tokenizer(self) -> Callable[[str], Sequence[str]]:
        return tokenizer(self.analyzer, self.token_pattern, lowercase=self.lowercase)

    def _kept(self) -> slice:
        """Return the part of a text's tokens that is kept."""
        length = int(self.max_length)
        return slice(-length, None) if self.truncation == "start" else slice(length)

    def _learn(self, X: Any, rows: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        """Learn the vocabulary, and write numbers of tokens into `rows`.

        Returns
        -------
        lookup : ndarray of int32
            The id of each of these numbers; 0 is padding.
        """
        texts = self._checked(X)
        # Numbers from 1 on, in the order in which tokens come.
        numbers: defaultdict[str, int] = defaultdict()
        numbers.default_factory = lambda: len(numbers) + 1
        counts, n_texts = _Counts(), _Counts()
        is_share = not isinstance(self.min_df, Integral)
        needs_texts = is_share or self.min_df > 1
        kept = self._kept()
        for i, found in enumerate(_numbered(texts, self._tokenizer(), numbers)):
            counts.add(found)
            if needs_texts:
                n_texts.add(list(set(found)))
            if rows is not None:
                part = found[kept]
                rows[i, : len(part)] = part
        count = counts.totals(len(numbers) + 1)
        is_kept = count > 0
        if needs_texts:
            least = self.min_df * len(texts) if is_share else self.min_df
            is_kept &= n_texts.totals(len(count)) >= least
        return self._number_anew(numbers, count, is_kept)

    def _number_anew(
        self, numbers: dict[str, int], count: NDArray[np.int64], is_kept: NDArray[np.bool_]
    ) -> NDArray[np.int32]:
        """Set the vocabulary: tokens by falling frequency, equally frequent ones by the alphabet.

        So it does not depend on the order of the rows.
        """
        ordered = sorted(
            ((-int(count[number]), token, number) for token, number in numbers.items()
             if is_kept[number]),
        )[: int(self.max_tokens) - N_SPECIAL]  # fmt: skip
        if not ordered:
            raise ValueError(
                f"{type(self).__name__}: no token of X is in the vocabulary (analyzer="
                f"{self.analyzer!r}, token_pattern={self.token_pattern!r}, min_df={self.min_df!r}; "
                f"{len(numbers)} tokens were found). Expected texts with words; another "
                "token_pattern, or a smaller min_df."
            )
        lookup = np.full(len(count), UNKNOWN, np.int32)
        lookup[0] = 0
        lookup[[number for _, _, number in ordered]] = np.arange(
            N_SPECIAL, N_SPECIAL + len(ordered)
        )
        self.vocabulary_ = {token: i for i, (_, token, _) in enumerate(ordered, N_SPECIAL)}
        return lookup

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = True
        return tags


def _numbered(
    texts: Sequence[str], split: Callable[[str], Sequence[str]], numbers: defaultdict[str, int]
) -> Iterator[list[int]]:
    """Yield the numbers of the tokens of each text."""
    for text in texts:
        yield [numbers[token] for token in split(text)]


class _Counts:
    """How often each number occurs, counted in pieces."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._totals = np.zeros(0, np.int64)

    def add(self, numbers: list[int]) -> None:
        """Count some numbers."""
        self._waiting += numbers
        if len(self._waiting) >= _TOKENS_AT_A_TIME:
            self._count()

    def totals(self, n: int) -> NDArray[np.int64]:
        """Return how often each of the numbers from 0 to ``n - 1`` occurred."""
        self._count()
        return np.pad(self._totals, (0, n - len(self._totals)))

    def _count(self) -> None:
        counts = np.bincount(np.array(self._waiting, np.int64), minlength=len(self._totals))
        counts[: len(self._totals)] += self._totals
        self._totals, self._waiting = counts, []
