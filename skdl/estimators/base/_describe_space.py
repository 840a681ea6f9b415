"""What an automatic search varies, in words: for the documentation and for users who ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skdl.estimators.base._network_estimator import BaseNetwork

__all__ = ["describe_space"]


def describe_space(estimator: BaseNetwork) -> list[tuple[str, str]]:
    """Return what an automatic search of an estimator varies, in words.

    Parameters
    ----------
    estimator : BaseNetwork
        Its other parameters decide on part of the space.

    Returns
    -------
    rows : list of (str, str)
        Name and range of each parameter.

    Examples
    --------
    >>> from skdl import MLPClassifier
    >>> dict(describe_space(MLPClassifier()))["learning_rate"]
    '0.0001 to 0.01, on a log scale'
    """
    return [(name, str(values)) for name, values in estimator._search_space().items()]
