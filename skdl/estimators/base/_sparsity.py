"""Networks whose kernels training can drive to zero, see `skdl.training._pruning`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.utils.validation import check_is_fitted

from skdl.estimators.base._network_estimator import BaseNetwork

if TYPE_CHECKING:
    from skdl.training import Pruning

__all__ = ["SparseNetwork"]


class SparseNetwork(BaseNetwork):
    """Base of networks with the parameter `sparsity`."""

    sparsity: float

    def _pruning(self, n_epochs: int) -> Pruning | None:
        from skdl.training import Pruning

        if not self.sparsity:
            return None
        # The last quarter of the epochs makes up for what the last pruning cost.
        return Pruning(float(self.sparsity), max(1, n_epochs * 3 // 4) if n_epochs else 0)

    @property
    def n_nonzero_weights_(self) -> int:
        """Number of trained weights that are not zero in the kernels."""
        from skdl.training import n_nonzero_weights

        check_is_fitted(self)
        return n_nonzero_weights(self._trained.network, self._trained.weights)
