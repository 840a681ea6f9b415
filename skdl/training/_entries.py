"""Whether a network knows all entries of its rows, before it meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from skdl._lazy_rows import LazyRows
from skdl.layers import blueprint_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.networks import Network

__all__ = ["check_entries"]


def check_entries(
    network: Network,
    X: Any,
    index: NDArray[np.int32] | None = None,
    *,
    owner: str = "predict",
    extents: dict[int, tuple[float, float]] | None = None,
) -> None:
    """Refuse rows in which an Embedding would look for a vector that it does not have.

    What comes of that in the graph depends on who computes it: an error of TensorFlow's, NaN or
    another entry's vector. Rows that are read from elsewhere are not looked at beforehand.

    Parameters
    ----------
    network : Network
    X : array, CSR matrix or row source
    index : ndarray of int, optional
        Which rows of `X` count; all of them by default.
    owner : str
        Whose error it is.
    extents : dict, optional
        The least and largest entry of arrays that were looked at, by their ids; added to.

    Raises
    ------
    ValueError
        If an entry is below 0, or not below the least ``input_dim``.
    """
    if network.is_opaque or not isinstance(X, np.ndarray | LazyRows | sparse.csr_matrix):
        return
    n_entries = blueprint_of(network).n_entries
    if n_entries is None or not X.shape[0]:
        return
    extents = {} if extents is None else extents
    if id(X) not in extents:
        extents[id(X)] = _extent(X)
    if _outside(extents[id(X)], n_entries) is None:
        return
    # Those of other folds are theirs to be refused.
    own = X if index is None else X[index]
    own = np.asarray(own) if isinstance(own, LazyRows) else own
    outside = _outside(_extent(own), n_entries)
    if outside is not None:
        raise ValueError(
            f"{owner}: X holds {outside:g}, for which an Embedding of the network has no vector. "
            f"Expected whole numbers from 0 to {n_entries - 1}, as its input_dim is {n_entries}. "
            "Make input_dim larger than the largest number there can be, or replace numbers that "
            "are not known by one kept for them."
        )


def _extent(X: Any) -> tuple[float, float]:
    return float(X.min()), float(X.max())


def _outside(extent: tuple[float, float], n_entries: int) -> float | None:
    """Return a number without a vector, if there is one; NaN is for others to refuse."""
    # Fractions are cut off.
    least, largest = extent
    if least <= -1:
        return least
    return largest if largest >= n_entries else None
