"""Regression and classification: what every network does with targets, whatever its layers.

The two classes here turn targets into what a network learns and its outputs into predictions.
Subclasses say with which layers, in ``_with_output``.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from skdl._validation import (
    AnyOf,
    Boolean,
    Constraint,
    Names,
    OneOf,
    Predicate,
    Real,
    SequenceOf,
    check_known_labels,
    check_two_classes,
)
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._network_estimator import CALLABLE, BaseNetwork, is_keras
from skdl.estimators.base._search_space import Choice, Number
from skdl.exceptions import InvalidParameterError
from skdl.networks import KerasObject, Loss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from skdl.networks import Network

__all__ = [
    "CLASSIFIER_CONSTRAINTS",
    "REGRESSOR_CONSTRAINTS",
    "ClassificationNetwork",
    "NumericNetwork",
    "RegressionNetwork",
]

REGRESSION_LOSSES = ("mse", "mae", "huber", "log_cosh", "quantile", "poisson")
CLASSIFICATION_LOSSES = ("crossentropy", "focal")
# Keras' names of losses that have a formula of their own here.
_ALIASES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "binary_crossentropy": "crossentropy",
    "categorical_crossentropy": "crossentropy",
    "sparse_categorical_crossentropy": "crossentropy",
    "binary_focal_crossentropy": "focal",
    "categorical_focal_crossentropy": "focal",
}
# Lin et al. 2017, section 5.1; alpha is Keras' default and scales the loss of every class alike.
_FOCAL_GAMMA = 2.0
_FOCAL_ALPHA = 0.25


def loss_constraint(own: tuple[str, ...]) -> Constraint:
    """Return what `loss` may be."""
    return AnyOf(
        Names(lambda: [*own, *names.loss_names()], "loss"),
        Predicate(is_keras("losses.Loss"), "a keras.losses.Loss"),
        CALLABLE,
    )


def _is_weights(value: Any) -> bool:
    return isinstance(value, dict) and all(map(Real(0).accepts, value.values()))


REGRESSOR_CONSTRAINTS: dict[str, Constraint] = {
    "loss": loss_constraint(REGRESSION_LOSSES),
    "huber_delta": Real(0, low_open=True, example=1.0),
    "quantile": Real(0, 1, low_open=True, high_open=True, example=0.9),
    "target_scaling": Boolean(),
}
CLASSIFIER_CONSTRAINTS: dict[str, Constraint] = {
    "loss": loss_constraint(CLASSIFICATION_LOSSES),
    "label_smoothing": Real(0, 1, high_open=True, example=0.1),
    "class_weight": AnyOf(
        OneOf(None, "balanced"),
        Predicate(_is_weights, "a dict of a factor >= 0 for each class"),
        SequenceOf(Predicate(_is_weights, "a dict for each label")),
    ),
}


class TargetNetwork(BaseNetwork):
    """What regression and classification share."""

    loss: Any

    @abstractmethod
    def _with_output(
        self, shape: tuple[int, ...], n_outputs: int, output_activation: str, loss: Loss
    ) -> Network:
        """Return the network for rows of `shape`, with this output and loss."""

    def _loss_kind(self) -> str:
        return _ALIASES.get(self.loss, self.loss) if isinstance(self.loss, str) else "keras"


class NumericNetwork(TargetNetwork):
    """A network whose outputs are numbers, whatever they are for."""

    huber_delta: float
    quantile: float
    target_scaling: bool

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; scaled as those of the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss.

        Returns
        -------
        self : object
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict targets in their own units.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        outputs = self._outputs(X) * self.target_scale_ + self.target_offset_
        return outputs if self._is_multioutput else outputs[:, 0]

    def _encode_targets(self, y: Any, *, reset: bool) -> NDArray[np.float64]:
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        y = as_columns(y.astype(np.float64), warn=reset)
        if reset:
            self._is_multioutput = y.shape[1] > 1
            self.n_outputs_ = y.shape[1]
        if y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"{type(self).__name__}: y has {y.shape[1]} columns. Expected "
                f"{self.n_outputs_}, as in the first fit."
            )
        if self._loss_kind() == "poisson" and (y < 0).any():
            raise ValueError(
                f"{type(self).__name__}: loss='poisson' needs targets >= 0, but the least is "
                f"{y.min():g}. Use another loss, or shift y."
            )
        return y

    def _scale_targets(
        self, y: NDArray[np.float64], weight: Any, *, reset: bool
    ) -> NDArray[np.float32]:
        if reset:
            self.target_offset_ = np.zeros(y.shape[1])
            self.target_scale_ = np.ones(y.shape[1])
            if self.target_scaling:
                mean = np.average(y, axis=0, weights=weight)
                if self._loss_kind() == "poisson":
                    scale = mean
                else:
                    self.target_offset_ = mean
                    scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
                # A constant target, up to rounding, keeps its own scale.
                floor = 10 * np.finfo(np.float64).eps * np.maximum(np.abs(mean), 1e-30)
                self.target_scale_ = np.where(scale > floor, scale, 1.0)
        return ((y - self.target_offset_) / self.target_scale_).astype(np.float32)

    def _units(self) -> tuple[Any, Any]:
        return self.target_scale_.astype(np.float32), self.target_offset_.astype(np.float32)

    def _search_space(self) -> dict[str, Choice | Number]:
        space = super()._search_space()
        # Other losses say what is to be predicted, such as a quantile: not for a search to change.
        if self._loss_kind() in {"mse", "mae", "huber"}:
            # Down to 0.1 standard deviations it is nearly "mae", which needs no choice of its own.
            space["loss"] = Choice("mse", "huber")
            space["huber_delta"] = Number(0.1, 3.0, log=True, only_if=("loss", "huber"))
        return space

    def _network(self, shape: tuple[int, ...]) -> Network:
        kind = self._loss_kind()
        if kind in REGRESSION_LOSSES:
            own_scalars = {
                "huber": (("delta", float(self.huber_delta)),),
                "quantile": (("quantile", float(self.quantile)),),
            }
            loss = Loss(kind, own_scalars.get(kind, ()))
        else:
            loss = Loss("keras", function=names.resolved_loss(self.loss))
        output_activation = "exponential" if kind == "poisson" else "linear"
        return self._with_output(shape, self.n_outputs_, output_activation, loss)


class RegressionNetwork(MultiOutputMixin, RegressorMixin, NumericNetwork):
    """A network that predicts numbers."""


class ClassificationNetwork(ClassifierMixin, TargetNetwork):
    """A network whose outputs are probabilities."""

    label_smoothing: float
    class_weight: Any

    def partial_fit(
        self, X: Any, y: Any, classes: ArrayLike | None = None, sample_weight: Any = None
    ) -> Self:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come, in the first call; those of `y` by default.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss.

        Returns
        -------
        self : object
        """
        if classes is not None:
            labels = np.unique(np.asarray(classes))
            if hasattr(self, "_trained") and not np.array_equal(labels, self.classes_):
                raise ValueError(
                    f"{type(self).__name__}: classes={labels.tolist()} differ from those of the "
                    f"first call, {self.classes_.tolist()}. Expected the same, or None."
                )
            self._announced = labels
        try:
            return self._partial_fit(X, y, sample_weight)
        finally:
            self.__dict__.pop("_announced", None)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the most probable class of each row, or for multilabel targets 0 and 1.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        probabilities = self.predict_proba(X)
        if self._is_multilabel:
            return (probabilities > 0.5).astype(int)
        return self.classes_[probabilities.argmax(1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            Columns follow ``classes_``; each row sums to 1. For multilabel targets the
            probability of each label.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        return self._probabilities(self._outputs(X).astype(np.float64))

    def _probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of each class or label from the network's outputs."""
        if self._is_multilabel:
            return outputs
        if len(self.classes_) == 2:
            return np.hstack([1.0 - outputs, outputs])
        return outputs / outputs.sum(1, keepdims=True)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), float64
            ``-inf`` where a probability is 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows predicted right; for multilabel targets in all labels.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` was given them.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float in [0, 1]

        Raises
        ------
        ValueError
            If `y` holds labels that were not seen in ``fit``.
        """
        check_is_fitted(self)
        if not self._is_multilabel:
            check_known_labels(type(self).__name__, np.asarray(y), self.classes_)
        return float(super().score(X, y, sample_weight))

    def _encode_targets(self, y: Any, *, reset: bool) -> NDArray[np.float32]:
        owner = type(self).__name__
        if reset:
            check_classification_targets(y)
            kind = type_of_target(y, input_name="y")
            self._is_multilabel = kind == "multilabel-indicator"
            if kind == "multiclass-multioutput":
                raise ValueError(
                    f"{owner}: y has several columns that are not 0 and 1. Expected one column "
                    "of labels or a multilabel indicator; wrap the classifier in "
                    "sklearn.multioutput.MultiOutputClassifier for several multiclass targets."
                )
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        if self._is_multilabel:
            if reset:
                self.n_outputs_ = y.shape[1]
                self.classes_ = np.arange(y.shape[1])
            return y.astype(np.float32)
        y = as_columns(y, warn=reset)[:, 0]
        if reset:
            announced = self.__dict__.get("_announced")
            self.classes_ = np.unique(y) if announced is None else announced
            self.n_outputs_ = 1
            check_two_classes(owner, self.classes_)
        check_known_labels(owner, y, self.classes_)
        return np.searchsorted(self.classes_, y).astype(np.float32)[:, None]

    def _search_space(self) -> dict[str, Choice | Number]:
        space = super()._search_space()
        if self._loss_kind() in CLASSIFICATION_LOSSES:
            space["label_smoothing"] = Number(0.0, 0.2, step=0.05)
        return space

    def _stratification(self, y: NDArray[Any]) -> Any:
        return None if self._is_multilabel else y[:, 0]

    def _weigh_classes(self, targets: NDArray[Any], weight: Any, *, reset: bool) -> Any:
        if self.class_weight is None:
            return weight
        if self._is_multilabel:
            by_row = compute_sample_weight(self.class_weight, targets.astype(int))
            return by_row if weight is None else weight * by_row
        codes = targets[:, 0].astype(int)
        if reset:
            self._check_class_weight()
            self._class_factors = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_[codes]
            )
        by_row = self._class_factors[codes]
        return by_row if weight is None else weight * by_row

    def _check_class_weight(self) -> None:
        if isinstance(self.class_weight, dict):
            known = Names([str(label) for label in self.classes_.tolist()], "class")
            unknown = [label for label in self.class_weight if label not in self.classes_.tolist()]
            if unknown:
                nearest = known.suggest(str(unknown[0]))
                hint = f" Did you mean {nearest!r}?" if nearest else ""
                raise InvalidParameterError(
                    f"{type(self).__name__}: class_weight names {unknown}, which are not among "
                    f"the labels.{hint} Expected some of {self.classes_.tolist()}."
                )

    def _network(self, shape: tuple[int, ...]) -> Network:
        is_binary = not self._is_multilabel and len(self.classes_) == 2
        by_label = self._is_multilabel or is_binary
        name = self._loss_kind()
        own = {"label_smoothing": float(self.label_smoothing)}
        if name == "focal":
            own["gamma"] = _FOCAL_GAMMA
            if not by_label:
                own["alpha"] = _FOCAL_ALPHA
        if name in CLASSIFICATION_LOSSES:
            kind = f"{'binary' if by_label else 'categorical'}_{name}"
            loss = Loss(kind, tuple(sorted(own.items())), "values" if by_label else "one_hot")
        else:
            function = names.resolved_loss(self.loss)
            spelled = function.config if isinstance(function, KerasObject) else str(function)
            target: Literal["values", "labels", "one_hot"] = "values" if by_label else "one_hot"
            if "sparse" in spelled.lower():
                target = "labels"
            loss = Loss("keras", target=target, function=function)
        if self._is_multilabel:
            return self._with_output(shape, self.n_outputs_, "sigmoid", loss)
        if is_binary:
            return self._with_output(shape, 1, "sigmoid", loss)
        return self._with_output(shape, len(self.classes_), "softmax", loss)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


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
