"""What the two networks share that convolve along sequences: the network, and what is searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._validation import AnyOf, Constraint, Integer, OneOf, SequenceOf
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import MAX_LAYERS, units_per_layer
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.sequences._sequence_rows import SEQUENCE_CONSTRAINTS, SequenceRows
from skdl.exceptions import InvalidParameterError
from skdl.networks import cnn1d, with_step_mask

if TYPE_CHECKING:
    from skdl.estimators.base._targets import Output
    from skdl.networks import Network

__all__ = ["CNN1D_CONSTRAINTS", "BaseCNN1D"]


def _per_layer(example: int) -> AnyOf:
    return AnyOf(
        Integer(1, example=example), SequenceOf(Integer(1), min_length=1, max_length=MAX_LAYERS)
    )


CNN1D_CONSTRAINTS: dict[str, Constraint] = {
    **SEQUENCE_CONSTRAINTS,
    "filters": _per_layer(64),
    "layers": Integer(1, MAX_LAYERS, example=3),
    "kernel_size": _per_layer(5),
    "normalization": OneOf(None, "batch", "layer"),
}


class BaseCNN1D(SequenceRows, BaseNetwork):
    """What the two networks share that convolve along sequences."""

    filters: Any
    layers: int
    kernel_size: Any
    pooling: Any
    hidden_units: Any
    activation: Any
    dropout: float
    l1: float
    l2: float
    normalization: Any
    input_batch_norm: bool

    def _check_parameters(self) -> None:
        super()._check_parameters()
        n_sizes = np.size(self.kernel_size)
        n_layers = len(units_per_layer(self.filters, self.layers))
        if np.ndim(self.kernel_size) and n_sizes != n_layers:
            raise InvalidParameterError(
                f"{type(self).__name__}: kernel_size={self.kernel_size!r} has {n_sizes} entries "
                f"for {n_layers} convolutions (filters={self.filters!r}, layers={self.layers!r}). "
                "Expected one number, or one for each convolution."
            )

    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        del shape  # rows may be shorter
        hidden = [] if self.hidden_units is None else units_per_layer(self.hidden_units, 1)
        filters = units_per_layer(self.filters, self.layers)
        network = cnn1d(
            input_shape=self.sequence_shape_,
            n_outputs=output.n_outputs,
            filters=filters,
            kernel_size=units_per_layer(self.kernel_size, len(filters)),
            activation=names.resolved_activation(self.activation),
            output_activation=output.activation,
            loss=output.loss,
            pooling=self.pooling,
            hidden_units=hidden,
            dropout=self.dropout,
            l1=self.l1,
            l2=self.l2,
            normalization=self.normalization,
            input_batch_norm=bool(self.input_batch_norm),
        )
        return with_step_mask(network) if self._is_masked else network

    def _search_space(self) -> dict[str, Choice | Number]:
        space: dict[str, Choice | Number] = {}
        if np.ndim(self.filters) == 0:
            space["filters"] = Choice(32, 64, 128)
        if np.ndim(self.kernel_size) == 0:
            space["kernel_size"] = Choice(3, 5, 9)
        return {
            **space,
            "dropout": Number(0.0, 0.5, step=0.05),
            "l2": Number(1e-6, 1e-2, log=True),
            "normalization": Choice(None, "batch"),
            **super()._search_space(),
        }
