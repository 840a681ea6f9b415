"""Networks that no memory holds are refused before anything of their size is made."""

from __future__ import annotations

import functools
import inspect
import os
from typing import TYPE_CHECKING, Any

from skdl._validation import show
from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from skdl.networks import Network

__all__ = ["check_size", "memory"]

# A weight, its gradient, and two numbers of the optimizer, as Adam has them.
_ROLES = 4
_BYTES = 4
_GIB = 2**30
# Parameters that decide the size; those at their default are not to blame.
_SIZES = (
    "hidden_units", "hidden_layers", "shared_members", "n_bins", "n_frequencies",
    "embedding_units", "category_units", "filters", "kernel_size", "conv_blocks",
    "convs_per_block", "embedding_dim", "encoder_units", "max_tokens", "max_length",
    "units", "layers", "n_blocks", "width", "feed_forward_units",
)  # fmt: skip


def check_size(estimator: Any, network: Network, n_rows: int) -> None:
    """Refuse a network whose weights and activations exceed this machine's memory.

    Parameters
    ----------
    estimator : BaseNetwork
    network : Network
    n_rows : int
        Of one batch.
    """
    from skdl.layers import blueprint_of, size

    blueprint = blueprint_of(network)
    n_weights = sum(size(v.shape) for v in blueprint.layout.variables)
    needed = _BYTES * (_ROLES * n_weights + n_rows * sum(blueprint.row_sizes))
    available = memory()
    if available is None or needed <= available:
        return
    defaults = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name in _SIZES and value is not None
    }
    fresh = _defaults(type(estimator))
    blamed = {n: v for n, v in defaults.items() if not _is_equal(v, fresh.get(n))} or defaults
    named = ", ".join(f"{name}={show(value)}" for name, value in blamed.items())
    raise InvalidParameterError(
        f"{type(estimator).__name__}: {named} make a network of {n_weights:.3g} weights, for rows "
        f"of shape {network.input_shape}. Training it takes {needed / _GIB:,.1f} GiB at least, and "
        f"this machine has {available / _GIB:,.1f}. Expected smaller numbers there, or fewer "
        "columns of X."
    )


@functools.cache
def memory() -> int | None:
    """Return the bytes of memory of this machine, None where that is not known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _defaults(kind: type) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(kind).parameters.items()}


def _is_equal(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)
