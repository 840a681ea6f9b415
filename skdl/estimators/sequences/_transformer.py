"""What the two transformers share: the network of the parameters, and what is searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdl._validation import AnyOf, Boolean, Constraint, Integer, OneOf
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import MAX_LAYERS, units_per_layer
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.sequences._sequence_rows import SEQUENCE_CONSTRAINTS, SequenceRows
from skdl.exceptions import InvalidParameterError
from skdl.networks import transformer, with_step_mask

if TYPE_CHECKING:
    from skdl.estimators.base._targets import Output
    from skdl.networks import Network

__all__ = ["TRANSFORMER_CONSTRAINTS", "BaseTransformer"]

TRANSFORMER_CONSTRAINTS: dict[str, Constraint] = {
    **SEQUENCE_CONSTRAINTS,
    "n_blocks": Integer(1, MAX_LAYERS, example=2),
    "n_heads": Integer(1, example=4),
    "width": Integer(1, example=64),
    "feed_forward_units": AnyOf(OneOf(None), Integer(1, example=128)),
    "positional_encoding": Boolean(),
}


class BaseTransformer(SequenceRows, BaseNetwork):
    """What the two transformers share."""

    n_blocks: int
    n_heads: int
    width: int
    feed_forward_units: int | None
    positional_encoding: bool
    pooling: Any
    hidden_units: Any
    activation: Any
    dropout: float
    l1: float
    l2: float
    input_batch_norm: bool

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.width % self.n_heads:
            raise InvalidParameterError(
                f"{type(self).__name__}: width={self.width} cannot be shared by "
                f"n_heads={self.n_heads}. Expected a multiple, for example "
                f"width={-(-self.width // self.n_heads) * self.n_heads}."
            )

    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        del shape  # rows may be shorter
        hidden = [] if self.hidden_units is None else units_per_layer(self.hidden_units, 1)
        network = transformer(
            input_shape=self.sequence_shape_,
            n_outputs=output.n_outputs,
            n_blocks=self.n_blocks,
            n_heads=self.n_heads,
            width=self.width,
            feed_forward_units=self.feed_forward_units or 2 * self.width,
            activation=names.resolved_activation(self.activation),
            output_activation=output.activation,
            loss=output.loss,
            positional_encoding=bool(self.positional_encoding),
            pooling=self.pooling,
            hidden_units=hidden,
            dropout=self.dropout,
            l1=self.l1,
            l2=self.l2,
            input_batch_norm=bool(self.input_batch_norm),
        )
        return with_step_mask(network) if self._is_masked else network

    def _search_space(self) -> dict[str, Choice | Number]:
        widths = [n for n in (32, 64, 128) if n % self.n_heads == 0]
        return {
            "n_blocks": Number(1, 3),
            **({"width": Choice(*widths)} if widths else {}),
            "dropout": Number(0.0, 0.5, step=0.05),
            "l2": Number(1e-6, 1e-2, log=True),
            **super()._search_space(),
        }
