"""What networks whose kernels training can prune say of them, see `skdl.training._pruning`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from skdl.estimators.base._network_estimator import BaseNetwork

__all__ = ["nonzero_weights"]


def _n_nonzero_weights(network: BaseNetwork) -> int:
    """Return the number of weights in the kernels that are not zero."""
    from skdl.training import n_nonzero_weights

    check_is_fitted(network)
    return n_nonzero_weights(network._trained.network, network._trained.weights)


nonzero_weights = property(_n_nonzero_weights)
