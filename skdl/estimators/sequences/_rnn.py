"""What the two recurrent networks share: the network of the parameters, and what is searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._validation import AnyOf, Boolean, Constraint, Integer, OneOf, SequenceOf
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import CONSTRAINTS, MAX_LAYERS, units_per_layer
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.sequences._sequence_rows import SEQUENCE_CONSTRAINTS, SequenceRows
from skdl.networks import rnn, with_step_mask

if TYPE_CHECKING:
    from skdl.estimators.base._targets import Output
    from skdl.networks import Network

__all__ = ["RNN_CONSTRAINTS", "BaseRNN"]

RNN_CONSTRAINTS: dict[str, Constraint] = {
    **SEQUENCE_CONSTRAINTS,
    "cell": OneOf("lstm", "gru", "simple"),
    "units": AnyOf(
        Integer(1, example=32), SequenceOf(Integer(1), min_length=1, max_length=MAX_LAYERS)
    ),
    "layers": Integer(1, MAX_LAYERS, example=2),
    "bidirectional": Boolean(),
    "recurrent_dropout": CONSTRAINTS["dropout"],
    "normalization": OneOf(None, "batch", "layer"),
}


class BaseRNN(SequenceRows, BaseNetwork):
    """What the two recurrent networks share."""

    cell: Any
    units: Any
    layers: int
    bidirectional: bool
    pooling: Any
    hidden_units: Any
    activation: Any
    dropout: float
    recurrent_dropout: float
    l1: float
    l2: float
    input_batch_norm: bool
    normalization: Any

    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        del shape  # rows may be shorter
        hidden = [] if self.hidden_units is None else units_per_layer(self.hidden_units, 1)
        network = rnn(
            input_shape=self.sequence_shape_,
            n_outputs=output.n_outputs,
            cell=self.cell,
            units=units_per_layer(self.units, self.layers),
            activation=names.resolved_activation(self.activation),
            output_activation=output.activation,
            loss=output.loss,
            bidirectional=bool(self.bidirectional),
            pooling=self.pooling,
            hidden_units=hidden,
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            l1=self.l1,
            l2=self.l2,
            input_batch_norm=bool(self.input_batch_norm),
            normalization=self.normalization,
        )
        return with_step_mask(network) if self._is_masked else network

    def _search_space(self) -> dict[str, Choice | Number]:
        space: dict[str, Choice | Number] = {}
        if np.ndim(self.units) == 0:
            space |= {"units": Choice(16, 32, 64), "layers": Number(1, 2)}
        return {
            **space,
            "dropout": Number(0.0, 0.5, step=0.05),
            "l2": Number(1e-6, 1e-2, log=True),
            "normalization": Choice(None, "layer"),
            **super()._search_space(),
        }
