"""Which jobs train together, and how their graph is run. Follows from the jobs, never a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl.training._rules import Layout, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skdl.training._member import Member

__all__ = ["worth_compiling"]

# Measured on two cores (see benchmarks/): what a step costs apart from its arithmetic, what one
# weight and one activation cost in the plain graph beyond what they cost under XLA, and what
# compiling costs. Only their ratios matter.
_STEP_SECONDS = 2e-4
_WEIGHT_SECONDS = 4e-9
_ACTIVATION_SECONDS = 4e-9
_COMPILE_SECONDS = 1.5


def worth_compiling(members: Sequence[Member]) -> bool:
    """Tell whether what XLA saves on these jobs outweighs the time it takes to compile."""
    job = members[0].job
    n_steps = max(-(-len(m.job.train) // m.job.batch_size) * m.job.epochs for m in members)
    variables = Layout.of(job.network).variables
    n_weights = sum(size(v.shape) for v in variables)
    width = sum(v.shape[-1] for v in variables)
    rows = min(job.batch_size, max(len(m.job.train) for m in members))
    per_step = len(members) * (
        _WEIGHT_SECONDS * n_weights + _ACTIVATION_SECONDS * rows * width
    )
    return n_steps * (_STEP_SECONDS + per_step) > _COMPILE_SECONDS
