"""What an estimator knows of its targets, as an object that it holds.

Targets are checked and encoded into columns, brought into the network's units, weighed by class,
and the network's outputs are decoded into predictions. Which of the estimator's parameters matter
to it is said when it is made; what it learns it takes over from the targets of an earlier fit,
where training goes on from there.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from sklearn.exceptions import DataConversionWarning

from skdl._plain_data import register, text
from skdl.networks import formula_of_loss_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from skdl._plain_data import Check
    from skdl.estimators.base._described_prediction import TargetForm
    from skdl.networks import Loss

__all__ = ["Output", "Targets", "as_columns", "known_loss", "register_targets"]


def known_loss(loss: Any, *, of_classes: bool) -> str | None:
    """Return the name that users write for a loss with a formula of ours; None for other losses.

    Parameters
    ----------
    loss : object
        An estimator's parameter.
    of_classes : bool
        For a classifier, else for a regressor.
    """
    if not isinstance(loss, str):
        return None
    for by_label in (False, True):
        formula = formula_of_loss_name(loss, of_classes=of_classes, by_label=by_label)
        if formula is not None:
            return formula.public_name or formula.name
    return None


class Output(NamedTuple):
    """The end of a network: how many outputs, behind which activation, trained by which loss."""

    n_outputs: int
    activation: str
    loss: Loss


class Targets(ABC):
    """Targets of one estimator, from what the user passes to what the network learns and back.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins a message.
    """

    # Attributes that are learned from targets.
    learned: ClassVar[tuple[str, ...]] = ()

    is_multilabel = False

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def resume(self, earlier: Targets) -> None:
        """Take over what the targets of an earlier fit have learned."""
        vars(self).update({k: v for k, v in vars(earlier).items() if k in self.learned})

    @abstractmethod
    def encode(self, y: Any, *, reset: bool) -> NDArray[Any]:
        """Check targets, learn what they are where `reset`, and return them as columns."""

    def fitted_attributes(self) -> dict[str, Any]:
        """Return the public attributes of the estimator that tell what was learned."""
        return {}

    def learn_units(self, targets: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        """Learn offset and scale from the encoded targets of the rows to train on."""
        del targets, weight

    def warn_of_drift(self, targets: NDArray[Any]) -> None:
        """Warn if later targets lie far from those that the units were learned from."""
        del targets

    def scaled(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Bring encoded targets into the network's units."""
        return targets.astype(np.float32, copy=False)

    @property
    def units(self) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """Scale and offset of the targets' units, or None twice."""
        return None, None

    def strata(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        """Return by what to stratify the inner validation split, or None."""
        del targets
        return None

    def weighted(self, targets: NDArray[Any], weight: Any, *, reset: bool) -> Any:
        """Return the rows' weights with those of their classes multiplied in, or None."""
        del targets, reset
        return weight

    @abstractmethod
    def output(self) -> Output:
        """Return with what a network of our own ends."""

    @abstractmethod
    def decode(self, outputs: NDArray[np.float32]) -> NDArray[Any]:
        """Return predictions in the form of the targets in ``fit``."""

    def described(self) -> TargetForm | None:
        """Return what `decode` does as plain data; None if no data can say it."""
        return None


def register_targets(kind: type[Targets], checks: Mapping[str, Check]) -> None:
    """Say what targets of a class are made of in files.

    Parameters
    ----------
    kind : type
    checks : mapping of str to callable
        Its attributes, the owner apart, see `skdl._plain_data.register`.
    """

    def read(**attributes: Any) -> Targets:
        targets = object.__new__(kind)
        vars(targets).update(attributes)
        return targets

    register(kind, {"owner": text, **checks}, read=read, may_lack=kind.learned)


def as_columns(y: NDArray[Any], *, warn: bool) -> NDArray[Any]:
    """Return targets as columns; a column vector is taken for a 1-d target, with a warning."""
    if y.ndim == 1:
        return y[:, None]
    if warn and y.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Predictions will be 1d; "
            "pass y.ravel(), or of a DataFrame its column, to say so.",
            DataConversionWarning,
            stacklevel=2,
        )
    return y
