"""What is built into a program's trace."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from skdl.layers import blueprint_of
from skdl.training._optimizers import rule_options

if TYPE_CHECKING:
    from collections.abc import Hashable

    from skdl.networks import Network
    from skdl.training._metrics import GraphMetric
    from skdl.training._settings import Optimizer

__all__ = ["ProgramSpec"]


@dataclasses.dataclass(frozen=True)
class ProgramSpec:
    """What is built into a program's trace.

    Parameters
    ----------
    network : Network
        One of the stack's; only its structure matters, and its widths where `compiled`.
    optimizer : Optimizer or None
        None for a program that only predicts.
    active_scalars : tuple of bool
        Which of the network's scalars are not zero for some member.
    metrics : tuple of GraphMetric
    collect : bool
        Whether predictions come back beside the sums.
    rows : {"float32", "float16", "uint8", "csr", "sparse", "in place"}
        What the rows to train on and to score are held as, see `RowPool`; batches of them become
        float32, with all their zeros unless "sparse".
    compiled : bool
        By XLA, for given shapes.
    prunes : bool
        Whether zeros in kernels of some member stay zero.
    pads : bool
        Whether the networks of some members are padded, see `skdl.training.engine._padding`.
    """

    network: Network
    optimizer: Optimizer | None = None
    active_scalars: tuple[bool, ...] = ()
    metrics: tuple[GraphMetric, ...] = ()
    collect: bool = False
    rows: str = "float32"
    compiled: bool = False
    prunes: bool = False
    pads: bool = False

    @property
    def is_static(self) -> bool:
        """Whether widths are built in: under XLA, and where Keras layers have weights."""
        network = self.network
        blueprint = blueprint_of(network)
        variables = blueprint.layout.variables
        fixed = [own for own in blueprint.layers if own.rule.has_fixed_widths]
        is_fixed = any(own.variables for own in fixed) or (fixed and network.source is not None)
        if self.compiled or is_fixed:
            return True
        # Rows of a CSR matrix take their width from the first variable, see `Program._gathered`.
        return self.rows == "csr" and (
            not variables or variables[0].shape[0] != network.input_shape[0]
        )

    @property
    def key(self) -> Hashable:
        """Equal for specs that share a program."""
        optimizer, blueprint = self.optimizer, blueprint_of(self.network)
        return (
            blueprint.structure,
            optimizer and (optimizer.kind, tuple(sorted(rule_options(optimizer).items()))),
            self.active_scalars,
            self.metrics,
            self.collect,
            self.rows,
            self.compiled,
            self.prunes,
            self.pads,
            (blueprint.layout, self.network.input_shape) if self.is_static else None,
        )
