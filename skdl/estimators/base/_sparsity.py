"""Networks whose kernels training can drive to zero, see `skdl.training._pruning`."""

from __future__ import annotations

from sklearn.utils.validation import check_is_fitted

from skdl.estimators.base._network_estimator import BaseNetwork

__all__ = ["SparseNetwork"]


class SparseNetwork(BaseNetwork):
    """Base of networks with the parameter `sparsity`."""

    sparsity: float

    @property
    def n_nonzero_weights_(self) -> int:
        """Number of weights in the kernels that are not zero."""
        from skdl.training import n_nonzero_weights

        check_is_fitted(self)
        return n_nonzero_weights(self._trained.network, self._trained.weights)
