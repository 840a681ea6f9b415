"""What comes out of training: a trained network, as plain data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from skdl.networks import Network

__all__ = ["Trained"]


@dataclasses.dataclass(eq=False)
class Trained:
    """What a job leaves behind: arrays and plain Python, small and safe to pickle.

    Parameters
    ----------
    network : Network
    weights : ndarray of shape (n_trainable,), float32
        All trainable weights, one after the other in the order of the layout.
    statistics : ndarray of shape (n_statistics,), float32
        Weights that are not trained by gradient (moving moments of batch normalisation).
    history : dict of str to list of float
        One value per epoch.
    n_epochs : int
        Epochs run, those of earlier jobs it went on from included.
    best_epoch : int
        Number of epochs after which the monitored value was best (from 1); `n_epochs` where
        nothing was monitored.
    n_steps : int
        Optimizer steps taken.
    slots : tuple of ndarray
        The optimizer's state, where it was asked for.
    learning_rate : float, optional
        After the last epoch; None under a schedule of Keras.
    """

    network: Network
    weights: NDArray[np.float32]
    statistics: NDArray[np.float32]
    history: dict[str, list[float]]
    n_epochs: int
    best_epoch: int
    n_steps: int = 0
    slots: tuple[NDArray[np.float32], ...] = ()
    learning_rate: float | None = None
