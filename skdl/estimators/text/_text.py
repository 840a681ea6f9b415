"""What the two networks for texts share: rows of texts or ids, and the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from skdl._input_kinds import refuse_streams
from skdl._validation import Boolean, Constraint, Integer, OneOf
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._described_prediction import InputForm
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import CONSTRAINTS, units_per_layer
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.text._texts import checked_texts, holds_texts, without_arrow
from skdl.estimators.text._token_sequences import TOKEN_CONSTRAINTS, UNKNOWN, TokenSequences
from skdl.exceptions import InvalidParameterError
from skdl.networks import text_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.estimators.base._targets import Output
    from skdl.networks import Network

__all__ = ["TEXT_CONSTRAINTS", "BaseText"]

# Embeddings of folds whose vocabularies differ a little have the same number of rows.
_IDS_AT_A_TIME = 256

_NOT_OURS = {"input_dropout", "input_batch_norm"}
TEXT_CONSTRAINTS: dict[str, Constraint] = {
    **{name: constraint for name, constraint in CONSTRAINTS.items() if name not in _NOT_OURS},
    **TOKEN_CONSTRAINTS,
    "encoder": OneOf("mean", "conv", "gru", "lstm", "attention"),
    "embedding_dim": Integer(1, example=32),
    "encoder_units": Integer(1, example=64),
    "kernel_size": Integer(1, example=5),
    "bidirectional": Boolean(),
    "n_heads": Integer(1, example=4),
    "pooling": OneOf("max", "mean", "last", "attention"),
    "embedding_dropout": CONSTRAINTS["dropout"],
}


class BaseText(BaseNetwork):
    """What the two networks for texts share: rows of texts or ids, and the network."""

    encoder: Any
    embedding_dim: int
    encoder_units: int
    kernel_size: int
    bidirectional: bool
    n_heads: int
    pooling: Any
    hidden_units: Any
    hidden_layers: int
    max_tokens: int
    max_length: int
    analyzer: Any
    lowercase: bool
    token_pattern: str
    min_df: float
    truncation: str
    activation: Any
    embedding_dropout: float
    dropout: float
    l1: float
    l2: float
    batch_norm: Any

    token_sequences_: TokenSequences | None
    _n_ids: int

    # Whole numbers are exact in float32 up to 2**24, which `max_tokens` does not exceed.
    _accepted_rows: ClassVar[dict[str, Any]] = {"dtype": [np.float32]}
    _why_not_described = (
        "it makes token ids of texts in Python, which no file holds. Expected a network that was "
        "fitted on ids, TokenSequences().fit_transform(texts)"
    )
    _kinds_of_state: ClassVar[dict[str, Any]] = {
        "token_sequences_": (TokenSequences, type(None)),
        "_n_ids": int,
    }

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.encoder != "attention":
            return
        if self.encoder_units % self.n_heads:
            raise InvalidParameterError(
                f"{type(self).__name__}: n_heads={self.n_heads!r} does not divide encoder_units="
                f"{self.encoder_units!r}. Expected a divisor, or a multiple of it as encoder_units."
            )
        if self.batch_norm is not None:
            raise InvalidParameterError(
                f"{type(self).__name__}: batch_norm={self.batch_norm!r} has no place beside "
                "encoder='attention', which normalises by layer. Expected batch_norm=None."
            )

    def _encoded_table(self, X: Any, *, reset: bool) -> Any:
        owner = type(self).__name__
        if isinstance(X, Iterator):  # to look whether it holds texts would use them up
            refuse_streams(owner, X)
        X = without_arrow(X)
        are_texts = holds_texts(X)
        tokens = None if reset else self.token_sequences_
        if not reset and are_texts != (tokens is not None):
            held, holds = ("token ids", "texts") if are_texts else ("texts", "no texts")
            raise ValueError(f"{owner}: fit saw {held}, but X holds {holds}. Expected {held}.")
        if reset:
            self.token_sequences_ = None
        if not are_texts:
            _refuse_unequal_lengths(owner, X)
            return None
        texts = checked_texts(owner, X)
        if tokens is not None:
            return tokens.transform(texts).astype(np.float32)
        tokens = self.token_sequences_ = TokenSequences(
            self.max_tokens, max_length=self.max_length, analyzer=self.analyzer,
            lowercase=self.lowercase, token_pattern=self.token_pattern, min_df=self.min_df,
            truncation=self.truncation,
        )  # fmt: skip
        return tokens.fit_transform(texts).astype(np.float32)

    def _to_network_rows(self, X: NDArray[np.float32], *, reset: bool) -> NDArray[np.float32]:
        is_id = (X >= 0) & (np.floor(X) == X)
        if not is_id.all():
            row, column = np.argwhere(~is_id)[0]
            raise ValueError(
                f"{type(self).__name__}: X[{row}, {column}] is {X[row, column]:g}, no token id. "
                "Expected texts; or whole numbers from 0 on, where 0 is padding and 1 an unknown "
                "token, as TokenSequences gives them."
            )
        if reset:
            largest = int(X.max())
            if largest >= self.max_tokens:
                raise ValueError(
                    f"{type(self).__name__}: X holds the id {largest}, but max_tokens="
                    f"{self.max_tokens!r}. Expected ids below it: set max_tokens to that of "
                    "TokenSequences."
                )
            n_ids = -(-(largest + 1) // _IDS_AT_A_TIME) * _IDS_AT_A_TIME
            self._n_ids = min(n_ids, int(self.max_tokens))
        if X.max(initial=0) >= self._n_ids:
            X = np.where(self._n_ids > X, X, np.float32(UNKNOWN))
        return X

    def _input_form(self) -> InputForm | None:
        if self.token_sequences_ is not None:
            return None
        return InputForm(self._trained.network.input_shape)

    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        return text_network(
            length=shape[0],
            n_ids=self._n_ids,
            n_outputs=output.n_outputs,
            encoder=self.encoder,
            activation=names.resolved_activation(self.activation),
            output_activation=output.activation,
            loss=output.loss,
            embedding_dim=self.embedding_dim,
            encoder_units=self.encoder_units,
            kernel_size=self.kernel_size,
            bidirectional=bool(self.bidirectional),
            n_heads=self.n_heads,
            pooling=self.pooling,
            hidden_units=units_per_layer(self.hidden_units, self.hidden_layers),
            embedding_dropout=self.embedding_dropout,
            dropout=self.dropout,
            l1=self.l1,
            l2=self.l2,
            batch_norm=self.batch_norm,
        )

    def _search_space(self) -> dict[str, Choice | Number]:
        space: dict[str, Choice | Number] = {"embedding_dim": Choice(16, 32, 64)}
        if self.encoder != "mean":
            space["encoder_units"] = Choice(32, 64, 128)
        return {
            **space,
            "dropout": Number(0.0, 0.6, step=0.05),
            "l2": Number(1e-6, 1e-2, log=True),
            **super()._search_space(),
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        # Checks for tables of any numbers do not apply.
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.positive_only = True
        return tags


def _refuse_unequal_lengths(owner: str, X: Any) -> None:
    """Refuse token ids of texts that were not padded."""
    is_column = isinstance(X, pd.Series) or (isinstance(X, np.ndarray) and X.ndim == 1)
    if not (is_column or isinstance(X, list | tuple)):
        return
    lengths = {len(row) for row in X if hasattr(row, "__len__")}
    if len(lengths) > 1:
        raise ValueError(
            f"{owner}: rows of X hold from {min(lengths)} to {max(lengths)} token ids. Expected "
            "rows of one length, padded with 0 at the end: TokenSequences makes them of texts, "
            "keras.utils.pad_sequences(X, padding='post') of ids."
        )
