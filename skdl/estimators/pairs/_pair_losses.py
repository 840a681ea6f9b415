"""Losses of a batch of embeddings, over all its pairs or triplets, as Keras calls them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tensorflow import Tensor

__all__ = ["pair_loss"]

# Keeps the gradient of a distance of 0 finite.
_SMALLEST = 1e-12


def pair_loss(kind: str, *, margin: float, normalize: bool) -> Callable[[Tensor, Tensor], Any]:
    """Return a loss ``(labels, embeddings)`` of a batch.

    Parameters
    ----------
    kind : {"contrastive", "triplet"}
    margin : float
    normalize : bool
        Whether embeddings are divided by their length first.
    """
    formula = {"contrastive": _contrastive, "triplet": _triplet}[kind]

    def loss(labels: Tensor, embeddings: Tensor) -> Any:
        from keras import ops

        labels = ops.reshape(labels, (-1,))
        if normalize:
            embeddings = ops.normalize(embeddings, axis=-1)
        squared = ops.sum(ops.square(embeddings[:, None] - embeddings[None]), -1)
        is_same = labels[:, None] == labels[None]
        itself = ops.cast(ops.eye(ops.shape(labels)[0]), "bool")
        alike = ops.cast(ops.logical_and(is_same, ops.logical_not(itself)), squared.dtype)
        unlike = ops.cast(ops.logical_not(is_same), squared.dtype)
        return formula(squared, alike, unlike, margin)

    return functools.wraps(formula)(loss)


def _contrastive(squared: Tensor, alike: Tensor, unlike: Tensor, margin: float) -> Any:
    """Return Eq. 4 of Hadsell et al. 2006, as many pairs alike as unlike."""
    from keras import ops

    apart = ops.maximum(margin - ops.sqrt(squared + _SMALLEST), 0.0)
    of_alike = _mean(0.5 * squared, alike)
    of_unlike = _mean(0.5 * ops.square(apart), unlike)
    return 0.5 * (of_alike + of_unlike)


def _triplet(squared: Tensor, alike: Tensor, unlike: Tensor, margin: float) -> Any:
    """Return Eq. 3 of Schroff et al. 2015, the mean over the triplets that violate Eq. 1."""
    from keras import ops

    excess = ops.maximum(squared[:, :, None] - squared[:, None, :] + margin, 0.0)
    is_triplet = alike[:, :, None] * unlike[:, None, :]
    violates = is_triplet * ops.cast(excess > 0.0, squared.dtype)
    return _mean(excess, violates)


def _mean(values: Tensor, counts: Tensor) -> Any:
    """Return the mean of the values that count, 0 where none does."""
    from keras import ops

    return ops.sum(values * counts) / ops.maximum(ops.sum(counts), 1.0)
