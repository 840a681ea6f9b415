"""What a fitted network computes from the rows that users pass, as plain data for other runtimes.

The rows become the network's inputs by an `InputForm`, its outputs become predictions by a
`TargetForm`; what lies between, `skdl.layers.ForwardPass` computes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from skdl.networks import Network

__all__ = [
    "CategoryColumn",
    "DescribedPrediction",
    "InputForm",
    "NumericColumn",
    "TargetForm",
]


@dataclasses.dataclass(frozen=True)
class NumericColumn:
    """A column of a DataFrame that the network sees as a number.

    Parameters
    ----------
    column : int
        Its position in the frame.
    kind : {"number", "date", "duration"}
        Dates become days since `origin`, durations days.
    origin : int
        Nanoseconds since 1970; of dates.
    offset : float
        What is subtracted in float64.
    """

    column: int
    kind: Literal["number", "date", "duration"]
    origin: int = 0
    offset: float = 0.0


@dataclasses.dataclass(frozen=True)
class CategoryColumn:
    """A column of a DataFrame that the network sees as the number of a level, 0 for others.

    Parameters
    ----------
    column : int
        Its position in the frame.
    numbers : dict of object to int
        Of the levels that ``fit`` saw; None is a missing value.
    """

    column: int
    numbers: dict[Any, int]


@dataclasses.dataclass(frozen=True, eq=False)
class InputForm:
    """How rows become the network's inputs.

    Parameters
    ----------
    row_shape : tuple of int
        Shape in which the network takes one row.
    columns : tuple of NumericColumn and CategoryColumn, optional
        In the order in which the network takes them, where it takes DataFrames with categories.
    offsets : ndarray of shape (n_features,), optional
        What is subtracted in float64, before rows become float32.
    """

    row_shape: tuple[int, ...]
    columns: tuple[NumericColumn | CategoryColumn, ...] | None = None
    offsets: NDArray[np.float64] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class TargetForm:
    """How outputs of the network become predictions.

    Parameters
    ----------
    is_flat : bool
        Whether predictions have one axis.
    scale, offset : ndarray of shape (n_outputs,), optional
        Of a regressor: ``y = output * scale + offset`` in float64.
    classes : ndarray, optional
        Of a classifier: the labels, sorted.
    is_multilabel : bool
        Whether each output is the probability of one label, of several.
    temperature : float
        Of a classifier: by what logits are divided before they become probabilities.
    median_weights : ndarray of shape (n_quantiles,), optional
        Of a regressor whose outputs are quantiles, to be sorted: what it predicts is their sum
        with these weights.
    """

    is_flat: bool
    scale: NDArray[np.float64] | None = None
    offset: NDArray[np.float64] | None = None
    classes: NDArray[Any] | None = None
    is_multilabel: bool = False
    temperature: float = 1.0
    median_weights: NDArray[np.float64] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class DescribedPrediction:
    """All that predicting takes.

    Parameters
    ----------
    inputs : InputForm
    network : Network
    arrays : list of ndarray
        Its weights and statistics in Keras' order.
    targets : TargetForm
    """

    inputs: InputForm
    network: Network
    arrays: list[NDArray[np.float32]]
    targets: TargetForm
