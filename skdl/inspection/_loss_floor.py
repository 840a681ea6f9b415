"""What of a loss is no error: the entropy of smoothed labels, and penalties on the weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skdl.estimators.base import BaseNetwork

__all__ = ["LossFloor", "entropy_of_smoothed_labels", "loss_floor"]


class LossFloor(NamedTuple):
    """The part of a loss that better predictions do not lower.

    Attributes
    ----------
    value : float
    source : str
        What makes it, such as ``"label_smoothing=0.1"``; "" where it is 0.
    """

    value: float = 0.0
    source: str = ""


def entropy_of_smoothed_labels(smoothing: float, n_classes: int) -> float:
    """Return the cross-entropy of a network that predicts smoothed labels as they are.

    Of ``smoothing`` each class gets an equal share, as in Keras. With two classes it does not
    matter whether there is one output or two.

    Examples
    --------
    >>> entropy_of_smoothed_labels(0.15, 3)
    0.394
    >>> entropy_of_smoothed_labels(0.0, 3)
    0.0
    """
    share = smoothing / n_classes
    right = 1 - smoothing + share
    return -sum(p * math.log(p) * n for p, n in ((right, 1), (share, n_classes - 1)) if p > 0) + 0.0


def loss_floor(
    networks: Iterable[BaseNetwork], n_classes: int | None, *, fitted: bool
) -> LossFloor:
    """Return the floor of the loss of some networks with the same parameters.

    Parameters
    ----------
    networks : iterable of BaseNetwork
    n_classes : int or None
        None for regressors; 2 for each output of several.
    fitted : bool
        Whether their weights are known, and with them the penalties.
    """
    networks = list(networks)
    params = networks[0].get_params(deep=False)
    value, sources = 0.0, []
    smoothing = params.get("label_smoothing") or 0.0
    if n_classes is not None and smoothing and "crossentropy" in str(params.get("loss")):
        value += entropy_of_smoothed_labels(smoothing, n_classes)
        sources.append(f"label_smoothing={smoothing:g}")
    if fitted and any(params.get(name) for name in ("l1", "l2")):
        value += sum(_penalty(network) for network in networks) / len(networks)
        sources += [f"{name}={params[name]:g}" for name in ("l1", "l2") if params.get(name)]
    return LossFloor(value, " and ".join(sources))


def _penalty(network: Any) -> float:
    return float(sum(float(loss) for loss in network.model_.losses))
