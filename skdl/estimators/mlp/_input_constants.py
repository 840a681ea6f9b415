"""What a network's first layers must know of the training rows: units and bins of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.estimators.mlp._smooth_clip import robust_units, smoothly_clipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.networks import Network

__all__ = ["input_constants"]

# Beyond any number of float32 that a network computes with, and yet finite.
_OPEN_END = 1e38


def input_constants(
    network: Network, X: NDArray[Any]
) -> dict[tuple[int, str], NDArray[np.float32]]:
    """Return the constants of a network's first layers, learned of rows.

    Parameters
    ----------
    network : Network
    X : ndarray of shape (n_samples, n_features)
        The rows to train on, which may hold NaN.

    Returns
    -------
    constants : dict
        See `Job.constants`.
    """
    constants: dict[tuple[int, str], Any] = {}
    for position, layer in enumerate(network.layers):
        if layer.kind == "Categories":
            X = X[:, : layer["n_numeric"]]
        elif layer.kind == "SmoothClip":
            center, scale = robust_units(X)
            X = smoothly_clipped(X, center, scale)
            constants |= {(position, "center"): center, (position, "factor"): 1.0 / scale}
        elif layer.kind == "PiecewiseLinearEmbedding":
            named = bins(X, layer["n_bins"])
            constants |= {(position, name): values for name, values in named.items()}
    return {key: np.asarray(values, np.float32) for key, values in constants.items()}


def bins(X: NDArray[Any], n_bins: int) -> dict[str, NDArray[np.float64]]:
    """Return where the bins of each feature start, their slopes and bounds, (n_features, n_bins).

    Edges are quantiles (Gorishniy et al. 2022, section 3.2.1); where many rows have one value,
    quantiles of the other rows replace those that fall together. A feature of few values has
    fewer bins, and the rest of its columns gives 0.
    """
    shape = (X.shape[1], n_bins)
    start, slope, low, high = (np.zeros(shape) for _ in range(4))
    X = np.asarray(X, np.float64)
    X = np.where(np.isnan(X).all(0), 0.0, X)
    # In float32, as the network sees them: two edges must not become one.
    quantiles = np.nanquantile(X, np.linspace(0, 1, n_bins + 1), axis=0).astype(np.float32)
    for feature, at_quantiles in enumerate(quantiles.T):
        edges, counts = np.unique(at_quantiles, return_counts=True)
        if len(edges) > 1 and len(edges) <= n_bins:
            others = X[:, feature].astype(np.float32)
            others = others[~np.isin(others, edges[counts > 1]) & ~np.isnan(others)]
            edges = _with_more_edges(edges, others, n_bins + 1 - len(edges))
        edges = edges.astype(np.float64)
        n_filled = len(edges) - 1
        if n_filled < 1:
            continue
        start[feature, :n_filled] = edges[:-1]
        slope[feature, :n_filled] = 1.0 / np.diff(edges)
        high[feature, :n_filled] = 1.0
        low[feature, 0] = -_OPEN_END
        high[feature, n_filled - 1] = _OPEN_END
    return {"start": start, "slope": slope, "low": low, "high": high}


def _with_more_edges(
    edges: NDArray[np.float32], values: NDArray[np.float32], n_more: int
) -> NDArray[np.float32]:
    """Return edges with at most so many more, at quantiles of some values."""
    distinct = np.setdiff1d(values, edges)
    if len(distinct) > n_more:
        shares = np.linspace(0, 1, n_more + 2)[1:-1]
        distinct = np.quantile(values, shares, method="nearest")
    return np.union1d(edges, distinct)
