"""Targets of estimators around a user's model, and in which form its loss is given them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target

from skdl._plain_data import any_value, one_of, truth
from skdl.estimators.base._classification import CLASS_TARGET_CHECKS, N_BINARY, ClassTargets
from skdl.estimators.base._regression import NUMBER_TARGET_CHECKS, RegressionTargets
from skdl.estimators.base._targets import Output, Targets, register_targets
from skdl.estimators.keras_models._losses import Meaning, loss_target
from skdl.estimators.keras_models._scikeras import is_one_hot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.estimators.keras_models._losses import Target

__all__ = ["EncodedTargets", "UserModelClasses", "UserModelNumbers", "UserModelTargets"]


class UserModelNumbers(RegressionTargets):
    """Numbers that a user's model is trained on."""

    def kind(self, targets: NDArray[Any]) -> str:
        """Return scikit-learn's name of this kind of targets."""
        return _kind_of_numbers(targets)

    def form(self, loss: Any, n_outputs: int | None) -> Target:
        """Return in which form a loss is given the targets; refuse outputs that do not fit."""
        del loss
        if n_outputs is not None and n_outputs != self.n_outputs:
            raise ValueError(
                f"{self.owner}: the model has {n_outputs} outputs for each row, but y has "
                f"{self.n_outputs} columns. Expected equal numbers: build the last layer for "
                "meta['n_outputs_']."
            )
        return "values"

    def take_over(self, theirs: Any) -> None:
        """Take over what a fitted SciKeras estimator knows of its targets."""
        self.n_outputs = theirs.n_outputs_
        self.is_multioutput = self.n_outputs > 1
        self.offset = np.zeros(self.n_outputs)
        self.scale = np.ones(self.n_outputs)


class UserModelClasses(ClassTargets):
    """Classes that a user's model is trained on, also as columns of which one is 1."""

    learned: ClassVar[tuple[str, ...]] = (*ClassTargets.learned, "is_one_hot", "meaning")

    is_one_hot: bool
    # Known once the model is read.
    meaning: Meaning = "probabilities"

    def encode(self, y: Any, *, reset: bool) -> NDArray[np.float32]:
        targets = super().encode(y, reset=reset)
        if reset:
            self.is_one_hot = self.is_multilabel and bool((targets.sum(1) == 1).all())
        return targets

    def _warn_of_one_hot(self, y: NDArray[Any]) -> None:
        del y  # These are trained as classes.

    def fitted_attributes(self) -> dict[str, Any]:
        return {**super().fitted_attributes(), "n_classes_": len(self.classes)}

    def kind(self, targets: NDArray[Any]) -> str:
        """Return scikit-learn's name of this kind of targets."""
        del targets
        if self.is_multilabel:
            return "multilabel-indicator"
        # Of all classes that were announced, whether these rows show them or not.
        return "multiclass" if len(self.classes) > N_BINARY else "binary"

    def form(self, loss: Any, n_outputs: int | None) -> Target:
        """Return in which form a loss is given the targets; refuse outputs that do not fit."""
        n_classes = len(self.classes)
        is_by_class = self.is_multilabel or n_classes > N_BINARY
        fitting = {n_classes} if is_by_class else {1, N_BINARY}
        if n_outputs is not None and n_outputs not in fitting:
            binary = "Only binary classification is supported. " if n_outputs == 1 else ""
            raise ValueError(
                f"{self.owner}: {binary}The type of the target is {self.kind(self.classes)}, "
                f"the model has {n_outputs} outputs for each row, but y has {n_classes} classes. "
                f"Expected {' or '.join(map(str, sorted(fitting)))} outputs: build the last layer "
                "for meta['n_classes_']."
            )
        return loss_target(loss, n_outputs or 1, None if self.is_multilabel else n_classes)

    def take_over(self, theirs: Any) -> None:
        """Take over what a fitted SciKeras estimator knows of its targets."""
        self.is_multilabel = theirs.target_type_ == "multilabel-indicator"
        self.is_one_hot = is_one_hot(theirs)
        self.classes = np.asarray(theirs.classes_)
        self.n_outputs = len(self.classes) if self.is_multilabel else 1

    def probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        # Where they are none by their activation, a loss that takes logarithms clips them too.
        values = np.clip(outputs.astype(np.float64), 0.0, 1.0)
        if self.is_multilabel and not self.is_one_hot:
            return values
        if values.shape[1] == 1:
            return np.hstack([1.0 - values, values])
        total = values.sum(1, keepdims=True)
        return np.where(total == 0, 1 / values.shape[1], values / np.where(total == 0, 1.0, total))

    @property
    def border(self) -> float:
        """The output between two classes."""
        return 0.0 if self.meaning == "margins" else 0.5

    def decision(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return numbers that are above 0 for the second of two classes or a label that is there.

        Of several classes, the one of the highest number is meant.
        """
        values = outputs.astype(np.float64)
        if self.is_multilabel and not self.is_one_hot:
            return values - self.border
        if values.shape[1] == 1:
            return values[:, 0] - self.border
        return values[:, 1] - values[:, 0] if self.is_binary else values

    def decode(self, outputs: NDArray[np.float32]) -> NDArray[Any]:
        decision = self.decision(outputs)
        if self.is_one_hot:
            return np.eye(len(self.classes), dtype=int)[decision.argmax(1)]
        if self.is_multilabel:
            return (decision > 0).astype(int)
        return self.classes[(decision > 0).astype(int) if self.is_binary else decision.argmax(1)]


class EncodedTargets(Targets):
    """Targets that a transformer of the user's, ``target_encoder``, encodes and decodes.

    Parameters
    ----------
    owner : str
        Name of the estimator.
    are_classes : bool
        Whether targets are labels.
    class_weight : object
        As the classifier's.

    Attributes
    ----------
    encoder : transformer
        Fitted to the targets, for the estimator to set.
    """

    learned: ClassVar[tuple[str, ...]] = ("encoder",)

    encoder: Any

    def __init__(self, owner: str, *, are_classes: bool, class_weight: Any = None) -> None:
        super().__init__(owner)
        self._are_classes = are_classes
        self._class_weight = class_weight

    def encode(self, y: Any, *, reset: bool) -> NDArray[Any]:
        del reset
        return np.asarray(y)

    def scaled(self, targets: NDArray[Any]) -> Any:
        return self.encoder.transform(targets)

    def weighted(self, targets: NDArray[Any], weight: Any, *, reset: bool) -> Any:
        del reset
        if self._class_weight is None:
            return weight
        by_row = compute_sample_weight(self._class_weight, targets)
        return by_row if weight is None else weight * by_row

    def kind(self, targets: NDArray[Any]) -> str:
        """Return scikit-learn's name of this kind of targets."""
        if self._are_classes:
            return str(type_of_target(targets, input_name="y"))
        return _kind_of_numbers(targets)

    def form(self, loss: Any, n_outputs: int | None) -> Target:
        """Return the form of targets that are left as the encoder gives them."""
        del loss, n_outputs
        return "values"

    def take_over(self, theirs: Any) -> None:
        """Refuse a SciKeras estimator with an encoder of its own, as `from_scikeras` does."""
        raise NotImplementedError

    def output(self) -> Output:
        raise NotImplementedError  # the user's model brings its own

    def decode(self, outputs: Any) -> Any:
        return self.encoder.inverse_transform(outputs)

    def probabilities(self, outputs: Any) -> Any:
        """Return what the encoder gives for probabilities."""
        return self.encoder.inverse_transform(outputs, return_proba=True)


register_targets(UserModelNumbers, NUMBER_TARGET_CHECKS)
register_targets(
    UserModelClasses,
    {**CLASS_TARGET_CHECKS, "is_one_hot": truth, "meaning": one_of(*get_args(Meaning))},
)
register_targets(
    EncodedTargets,
    {"_are_classes": truth, "_class_weight": any_value, "encoder": any_value},
)

UserModelTargets = UserModelNumbers | UserModelClasses | EncodedTargets


def _kind_of_numbers(targets: NDArray[Any]) -> str:
    is_wide = targets.ndim > 1 and targets.shape[1] > 1
    return "continuous-multioutput" if is_wide else "continuous"
