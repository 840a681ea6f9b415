"""Which jobs train together, padded or not, and how their graph is run.

All of it follows from the jobs, never from a clock.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from skdl._rows import RowSource
from skdl.layers import blueprint_of, size
from skdl.training._losses import reduction_of
from skdl.training.engine._devices import has_gpu
from skdl.training.engine._padding import padded_network
from skdl.training.engine._program_spec import ProgramSpec
from skdl.training.engine._row_pool import needs_no_zeros

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from skdl.networks import Network
    from skdl.training.engine._member import Member

__all__ = [
    "batch_rows",
    "fit_together",
    "is_large",
    "padded_stacks",
    "split_by_memory",
    "stack_key",
    "worth_compiling",
    "worth_recompiling",
]

# Numbers in the windows of one member's batch, up to which they stay in the cache. Beyond,
# TensorFlow's own convolutions are faster than matrix products of windows.
_MOST_WINDOWS = 300_000
# Weights from which on the products of one member keep a core as busy as those of several, and the
# seconds beside which a call is cheap.
_LARGE_NETWORK = 50_000
_WORTH_A_CALL = 0.01


@dataclasses.dataclass(frozen=True)
class Prices:
    """What training costs on a device, in seconds; only their ratios matter.

    Parameters
    ----------
    step, loop_step : float
        A step of training, and one of a recurrent layer, in the plain graph apart from arithmetic.
    weight, activation : float
        One of them, in the plain graph, beyond what it costs under XLA.
    compiling : float
        Of a program, by XLA.
    arithmetic : float
        One weight under XLA for each row of a batch: forwards, backwards and in the update.
    program : float
        Tracing and compiling one.
    """

    step: float
    loop_step: float
    weight: float
    activation: float
    compiling: float
    arithmetic: float
    program: float


# Measured on two cores, see benchmarks/.
ON_CPU = Prices(
    step=5e-4, loop_step=1e-4, weight=4e-9, activation=3e-9, compiling=0.5,
    arithmetic=1.7e-10, program=1.0,
)  # fmt: skip
# Estimated, not measured: 300 kernels of 5 microseconds a step and 20 in a recurrent step, which
# XLA fuses; numbers that pass through memory of 1 TB/s some ten times more often; products of
# 10 TFLOP/s; the autotuning that XLA does for a GPU. benchmarks/bench_gpu.py measures them.
ON_GPU = Prices(
    step=1.5e-3, loop_step=1e-4, weight=4e-11, activation=4e-11, compiling=4.0,
    arithmetic=6e-13, program=6.0,
)  # fmt: skip


def _prices() -> Prices:
    return ON_GPU if has_gpu() else ON_CPU


def stack_key(member: Member, network: Network) -> Hashable:
    """Return what members of one stack share.

    Parameters
    ----------
    member : Member
    network : Network
        The member's, as its job has it or padded.
    """
    job = member.job
    return (
        ProgramSpec(network=network, optimizer=job.optimizer, compiled=True).key,
        job.batch_size,
        member.metrics,
        job.validation is not None,
        job.held_out is not None,
        reduction_of(network.loss),
        sparse.issparse(job.train.X),
        needs_no_zeros(job.train.X, network),
        job.train.X.dtype == np.uint8,
        isinstance(job.train.X, RowSource),
    )


def worth_compiling(members: Sequence[Member], n_epochs: int = 0) -> bool:
    """Tell whether what XLA saves on these jobs outweighs the time it takes to compile.

    Jobs that may be ended at any time first have to train for so long that compiling would have
    paid: whenever they end, they then cost at most twice what the better choice would have cost.
    Jobs that wait at rungs are sure to come to the next one, and count until there.

    Parameters
    ----------
    members : sequence of Member
    n_epochs : int, default=0
        Epochs that they have trained so far.
    """
    blueprint = blueprint_of(members[0].network)
    if not blueprint.compiles or blueprint.im2col_size * batch_rows(members) > _MOST_WINDOWS:
        return False
    prices = _prices()
    per_step = len(members) * _member_seconds(members)
    per_step += 0.0 if blueprint.one_member_at_a_time else prices.step
    per_step += prices.loop_step * blueprint.n_loop_steps
    if any(m.job.may_end_early and not m.rungs for m in members):
        n_steps = n_epochs * max(m.job.steps_per_epoch for m in members)
        if n_steps * per_step < prices.compiling:
            return False
    return _steps_to_come(members) * per_step > prices.compiling


def worth_recompiling(running: Sequence[Member], n_gone: int) -> bool:
    """Tell whether a compiled stack should be made anew without the places of those who left.

    Under XLA a member costs about as much again as the plain graph takes on top.
    """
    saved = _steps_to_come(running) * n_gone * _member_seconds(running)
    return saved > _prices().compiling


def is_large(members: Sequence[Member]) -> bool:
    """Tell whether an epoch of one member under XLA is worth a call of its own."""
    blueprint = blueprint_of(members[0].network)
    n_weights = blueprint.layout.n_numbers(trainable=True)
    if has_gpu() or blueprint.n_loop_steps or n_weights < _LARGE_NETWORK:
        return False
    per_step = _prices().arithmetic * n_weights * batch_rows(members)
    return per_step * min(m.job.steps_per_epoch for m in members) > _WORTH_A_CALL


def padded_stacks(stacks: Sequence[list[Member]]) -> list[list[Member]]:
    """Return stacks of which some are put together, where units that pad them pay.

    What a network is padded to follows from itself, whether it is padded from the work to come:
    the arithmetic of units that do not count against programs that need not be compiled.
    """
    if len(stacks) == 1:
        return list(stacks)
    alike: dict[Hashable, list[list[Member]]] = {}
    for stack in stacks:
        alike.setdefault(stack_key(stack[0], padded_network(stack[0].job)), []).append(stack)
    found: list[list[Member]] = []
    for several in alike.values():
        if len(several) == 1 or not _worth_padding(several):
            found += several
            continue
        together = [member for stack in several for member in stack]
        for member in together:
            member.pad()
        found.append(together)
    return found


def _worth_padding(stacks: Sequence[Sequence[Member]]) -> bool:
    more = 0.0
    for stack in stacks:
        job = stack[0].job
        own, padded = (
            blueprint_of(network).layout.n_numbers(trainable=True)
            for network in (job.network, padded_network(job))
        )
        per_step = _prices().arithmetic * (padded - own) * batch_rows(stack)
        more += per_step * sum(m.job.steps_per_epoch * m.job.epochs for m in stack)
    n_programs = sum(worth_compiling(stack) for stack in stacks)
    return more < _prices().program * (n_programs - 1)


def _steps_to_come(members: Sequence[Member]) -> int:
    """Return how many steps are sure to come: until the next rung, if members wait at rungs."""
    return max(m.job.steps_per_epoch * (m.next_stop - m.n_epochs) for m in members)


def _member_seconds(members: Sequence[Member]) -> float:
    """Return what one member adds to a step in the plain graph, beyond its cost under XLA."""
    blueprint = blueprint_of(members[0].network)
    variables = blueprint.layout.variables
    n_weights = sum(size(v.shape) for v in variables)
    width = sum(size(v.shape[-1:]) for v in variables) + sum(blueprint.peak_widths)
    prices, rows = _prices(), batch_rows(members)
    alone = prices.step if blueprint.one_member_at_a_time else 0.0
    return alone + prices.weight * n_weights + prices.activation * rows * width


def batch_rows(members: Sequence[Member]) -> int:
    """Return how many rows the largest batch of any member has."""
    return min(members[0].job.batch_size, max(len(m.job.train) for m in members))


def split_by_memory(members: Sequence[Member], limit: float) -> list[list[Member]]:
    """Cut the members of one stack into stacks that take at most `limit` bytes each.

    A member that takes more than that alone still gets a stack of its own.
    """
    parts: list[list[Member]] = []
    taken, held = 0, set[int]()
    for member in members:
        with_it = set(held)
        more = member.job.data_bytes(with_it) + _working_bytes(member)
        if parts and taken + more <= limit:
            parts[-1].append(member)
            taken, held = taken + more, with_it
        else:
            parts.append([member])
            held = set()
            taken = member.job.data_bytes(held) + _working_bytes(member)
    return parts


def fit_together(stacks: Sequence[Sequence[Member]], limit: float) -> bool:
    """Tell whether several stacks may be held at once."""
    held = set[int]()
    members = itertools.chain.from_iterable(stacks)
    return sum(m.job.data_bytes(held) + _working_bytes(m) for m in members) <= limit


def _working_bytes(member: Member) -> int:
    """Return what one member takes besides its data: weights in many roles, and one batch."""
    job = member.job
    roles = 4 + len(member.state)
    blueprint = blueprint_of(member.network)
    if blueprint.one_member_at_a_time:
        # One batch is held on each core, whoever's it is, or windows that are small.
        return 4 * (roles * len(member.state[0]) + 4 * _MOST_WINDOWS)
    variables = blueprint.layout.variables
    width = sum(size(v.shape[-1:]) for v in variables)
    if not needs_no_zeros(job.train.X, member.network):
        width += size(job.network.input_shape)
    width += sum(blueprint.peak_widths)
    rows = batch_rows([member])
    return 4 * (roles * blueprint.layout.n_numbers(trainable=True) + 4 * rows * width)
