"""Classification: what every network does with labels as targets, whatever its layers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from skdl._data_checks import check_known_labels, check_two_classes
from skdl._plain_data import any_value, count, instance, number, optional, truth
from skdl._validation import (
    AnyOf,
    Constraint,
    Names,
    OneOf,
    Predicate,
    Real,
    SequenceOf,
)
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._described_prediction import TargetForm
from skdl.estimators.base._network_estimator import BaseNetwork, plainly_named
from skdl.estimators.base._parameters import loss_constraint
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._targets import Output, Targets, as_columns, known_loss, register_targets
from skdl.estimators.base._temperature import fitted_temperature, tempered
from skdl.exceptions import InvalidParameterError
from skdl.networks import KerasObject, Loss, formula_of_loss_name, loss_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from skdl._plain_data import Check
    from skdl.training import Job, Trained

__all__ = [
    "CLASSIFIER_CONSTRAINTS",
    "CLASS_TARGET_CHECKS",
    "N_BINARY",
    "ClassTargets",
    "ClassificationNetwork",
]

N_BINARY = 2
_THRESHOLD = 0.5
# Probabilities that are computed at once.
_BLOCK = 2**20


def _is_weights(value: Any) -> bool:
    return isinstance(value, dict) and all(map(Real(0).accepts, value.values()))


CLASSIFIER_CONSTRAINTS: dict[str, Constraint] = {
    "loss": loss_constraint(loss_names(of_classes=True), of_classes=True),
    "label_smoothing": Real(0, 1, high_open=True, example=0.1),
    "calibrate": OneOf(None, "temperature"),
    "class_weight": AnyOf(
        OneOf(None, "balanced"),
        Predicate(_is_weights, "a dict of a factor >= 0 for each class"),
        SequenceOf(Predicate(_is_weights, "a dict for each label")),
    ),
}


class ClassTargets(Targets):
    """Targets that are labels of classes, or 0 and 1 for each of several labels.

    Parameters
    ----------
    owner : str
        Name of the estimator.
    loss, label_smoothing, class_weight : object
        Its parameters.
    announced : ndarray, optional
        All labels that will ever come, sorted; by default those of the first targets.
    """

    learned: ClassVar[tuple[str, ...]] = ("n_outputs", "is_multilabel", "classes", "_factors")

    n_outputs: int
    classes: NDArray[Any]

    def __init__(
        self,
        owner: str,
        *,
        loss: Any,
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        announced: NDArray[Any] | None = None,
    ) -> None:
        super().__init__(owner)
        self._loss = loss
        self._label_smoothing = label_smoothing
        self._class_weight = class_weight
        self._announced = announced
        self.temperature = 1.0

    @property
    def is_binary(self) -> bool:
        """Whether one output tells two classes apart."""
        return not self.is_multilabel and len(self.classes) == N_BINARY

    def encode(self, y: Any, *, reset: bool) -> NDArray[np.float32]:
        if reset:
            check_classification_targets(y)
            kind = type_of_target(y, input_name="y")
            self.is_multilabel = kind == "multilabel-indicator"
            if kind == "multiclass-multioutput":
                raise ValueError(
                    f"{self.owner}: y has several columns that are not 0 and 1. Expected one "
                    "column of labels or a multilabel indicator; wrap the classifier in "
                    "sklearn.multioutput.MultiOutputClassifier for several multiclass targets."
                )
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        if self.is_multilabel:
            if reset:
                self.n_outputs = y.shape[1]
                self.classes = np.arange(y.shape[1])
                self._warn_of_one_hot(y)
            return y.astype(np.float32)
        y = as_columns(y, warn=reset)[:, 0]
        if reset:
            self.classes = np.unique(y) if self._announced is None else self._announced
            self.n_outputs = 1
            check_two_classes(self.owner, self.classes)
        check_known_labels(self.owner, y, self.classes)
        return np.searchsorted(self.classes, y).astype(np.float32)[:, None]

    def _warn_of_one_hot(self, y: NDArray[Any]) -> None:
        """Warn of classes as columns, which are taken for independent labels."""
        if (y.sum(1) == 1).all():
            warnings.warn(
                f"{self.owner}: each row of y has exactly one 1, as if its {y.shape[1]} columns "
                "were classes, but a table of 0 and 1 is taken for several labels: predict may "
                "then return rows of zeros. If the columns are classes, pass their numbers: "
                "y.argmax(axis=1).",
                DataConversionWarning,
                stacklevel=2,
            )

    def fitted_attributes(self) -> dict[str, Any]:
        return {"classes_": self.classes, "n_outputs_": self.n_outputs}

    def strata(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        return None if self.is_multilabel else targets[:, 0]

    def weighted(self, targets: NDArray[Any], weight: Any, *, reset: bool) -> Any:
        if self._class_weight is None:
            return weight
        if self.is_multilabel:
            by_row = compute_sample_weight(self._class_weight, targets.astype(int))
        else:
            codes = targets[:, 0].astype(int)
            if reset:
                self._check_class_weight()
                self._factors = self._factors_of(codes)
            by_row = self._factors[codes]
        weight = by_row if weight is None else weight * by_row
        if reset and not weight.any():
            raise InvalidParameterError(
                f"{self.owner}: class_weight={self._class_weight!r} gives every row the weight 0, "
                "which leaves no rows to learn from. Expected a factor > 0 for at least one class "
                "with rows."
            )
        return weight

    def _factors_of(self, codes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return a factor for each class; 1 for those without rows."""
        factors = np.ones(len(self.classes))
        # Calls of `partial_fit`, and fits that go on from others, need not see all classes.
        present = np.unique(codes)
        is_dict = isinstance(self._class_weight, dict)
        known = np.arange(len(self.classes)) if is_dict else present
        factors[known] = compute_class_weight(
            self._class_weight, classes=self.classes[known], y=self.classes[codes]
        )
        return factors

    def _check_class_weight(self) -> None:
        if not isinstance(self._class_weight, dict):
            return
        labels = self.classes.tolist()
        unknown = [label for label in self._class_weight if label not in labels]
        if unknown:
            spelled = {str(label): label for label in labels}
            nearest = Names(list(spelled), "class").suggest(str(unknown[0]))
            meant = spelled.get(nearest) if nearest else None
            hint = "" if meant is None else f" Did you mean {meant!r}?"
            if str(unknown[0]) in spelled:
                hint = f"{hint} Labels in y are of type {type(meant).__name__}."
            raise InvalidParameterError(
                f"{self.owner}: class_weight names {unknown}, which are not among the labels."
                f"{hint} Expected some of {labels}."
            )

    def output(self) -> Output:
        by_label = self.is_multilabel or self.is_binary
        loss = self._described_loss(by_label=by_label)
        if self.is_multilabel:
            return Output(self.n_outputs, "sigmoid", loss)
        if self.is_binary:
            return Output(1, "sigmoid", loss)
        return Output(len(self.classes), "softmax", loss)

    def _described_loss(self, *, by_label: bool) -> Loss:
        """Return the loss of outputs that are one probability each, or one distribution."""
        target: Literal["values", "labels", "one_hot"] = "values" if by_label else "one_hot"
        name = known_loss(self._loss, of_classes=True)
        formula = name and formula_of_loss_name(name, of_classes=True, by_label=by_label)
        if not formula:
            function = names.resolved_loss(self._loss)
            spelled = function.config if isinstance(function, KerasObject) else str(function)
            is_sparse = "sparse" in spelled.lower()
            return Loss("keras", target="labels" if is_sparse else target, function=function)
        scalars = {**dict(formula.scalars), "label_smoothing": float(self._label_smoothing)}
        return Loss(formula.name, tuple(sorted(scalars.items())), target)

    def learn_temperature(
        self, outputs: NDArray[np.float32], targets: NDArray[Any], weight: NDArray[Any] | None
    ) -> None:
        """Learn by what the logits are divided from outputs for rows that were not learned from."""
        truth = (
            targets if self.is_multilabel else np.eye(len(self.classes))[targets[:, 0].astype(int)]
        )
        raw = self._raw_probabilities(outputs)
        self.temperature = fitted_temperature(
            raw, truth, by_label=self.is_multilabel, weight=weight
        )

    def probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each class or label, filled in some rows at a time."""
        n_columns = N_BINARY if not self.is_multilabel and self.is_binary else outputs.shape[1]
        result = np.empty((len(outputs), n_columns))
        for rows in _blocks(outputs):
            result[rows] = self._probabilities_of_block(outputs[rows])
        return result

    def _probabilities_of_block(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        raw = self._raw_probabilities(outputs)
        return tempered(raw, self.temperature, by_label=self.is_multilabel)

    def _raw_probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        values = outputs.astype(np.float64)
        if self.is_multilabel:
            return values
        if self.is_binary:
            return np.hstack([1.0 - values, values])
        return values / values.sum(1, keepdims=True)

    def decode(self, outputs: NDArray[np.float32]) -> NDArray[Any]:
        # Of many classes, all probabilities would take several times the memory of the outputs.
        shape = outputs.shape if self.is_multilabel else outputs.shape[:1]
        codes = np.empty(shape, int)
        for rows in _blocks(outputs):
            probabilities = self._probabilities_of_block(outputs[rows])
            codes[rows] = (
                probabilities > _THRESHOLD if self.is_multilabel else probabilities.argmax(1)
            )
        return codes if self.is_multilabel else self.classes[codes]

    def described(self) -> TargetForm:
        return TargetForm(
            not self.is_multilabel,
            classes=self.classes,
            is_multilabel=self.is_multilabel,
            temperature=self.temperature,
        )


def _blocks(outputs: NDArray[Any]) -> Iterator[slice]:
    """Yield which rows of outputs are looked at at once."""
    n_rows = max(1, _BLOCK // max(1, outputs.shape[1]))
    return (slice(start, start + n_rows) for start in range(0, len(outputs), n_rows))


# What each attribute may be in files.
CLASS_TARGET_CHECKS: dict[str, Check] = {
    "_loss": any_value,
    "_label_smoothing": any_value,
    "_class_weight": any_value,
    "temperature": number,
    "_announced": optional(instance(np.ndarray)),
    "n_outputs": count,
    "is_multilabel": truth,
    "classes": instance(np.ndarray),
    "_factors": instance(np.ndarray),
}
register_targets(ClassTargets, CLASS_TARGET_CHECKS)


class ClassificationNetwork(ClassifierMixin, BaseNetwork):
    """A network whose outputs are probabilities."""

    loss: Any
    label_smoothing: float
    class_weight: Any
    calibrate: str | None = None
    _targets: ClassTargets

    def _make_targets(self, announced: NDArray[Any] | None = None) -> Targets:
        return ClassTargets(
            type(self).__name__,
            loss=self.loss,
            label_smoothing=self.label_smoothing,
            class_weight=self.class_weight,
            announced=announced,
        )

    def _train(self, job: Job) -> Trained:
        if self.calibrate is not None and job.validation is None:
            raise InvalidParameterError(
                f"{type(self).__name__}: calibrate={self.calibrate!r} needs rows that are not "
                "learned from, and none are held out here. Expected early_stopping=True with a "
                "monitor such as 'val_loss', X_val and y_val in fit, or calibrate=None. A "
                "KFoldEnsembleClassifier can calibrate where the network in it does not."
            )
        return super()._train(job)

    def _learn_after_training(self, trained: Trained, job: Job) -> None:
        from skdl.training import predict

        rows = job.validation
        if self.calibrate is None or rows is None:
            return
        weight = None if rows.weight is None else rows.weight[rows.rows]
        outputs = predict(trained, self._to_inputs(rows.X[rows.rows]))
        self._targets.learn_temperature(outputs, rows.y[rows.rows], weight)

    @property
    def temperature_(self) -> float:
        """By what logits are divided before they become probabilities; 1 without `calibrate`."""
        check_is_fitted(self)
        return float(self._targets.temperature)

    @plainly_named
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: ArrayLike | None = None,
        sample_weight: Any = None,
        n_samples: int | None = None,
    ) -> Self:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X : array-like, or CSR matrix where ``fit`` takes one
            Rows in the form in which ``fit`` takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come, in the first call; those of `y` by default.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss.
        n_samples : int, default=None
            Rows of one pass over all data, of which these are a block: ``n_iter_`` then counts
            passes. None: each call is a pass.

        Returns
        -------
        self : object

        Notes
        -----
        Learning rate, weights and the optimizer's state go on from the last call. ``fit`` keeps the
        optimizer's state only with ``warm_start=True``, as it is up to twice the size of the
        weights. After a ``fit`` without, the optimizer begins anew.
        ``set_params(learning_rate=...)`` between calls takes effect, and a Keras schedule counts
        the steps of all calls; `learning_rate_schedule` and `early_stopping` have no effect.
        """
        announced = None if classes is None else np.unique(np.asarray(classes))
        is_first = not hasattr(self, "_trained")
        if not (announced is None or is_first or np.array_equal(announced, self.classes_)):
            raise ValueError(
                f"{type(self).__name__}: classes={announced.tolist()} differ from those of the "
                f"first call, {self.classes_.tolist()}. Expected the same, or None."
            )
        targets = self._make_targets(announced)
        return self._partial_fit(X, y, sample_weight, targets, n_samples)

    @plainly_named
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
        outputs = self._outputs(X)
        return self._targets.decode(outputs)

    @plainly_named
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
        outputs = self._outputs(X)
        return self._targets.probabilities(outputs)

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
            True labels; rows of labels that were not seen in ``fit`` count as wrong.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float in [0, 1]

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        return float(super().score(X, y, sample_weight))

    def _search_space(self) -> dict[str, Choice | Number]:
        space = super()._search_space()
        if known_loss(self.loss, of_classes=True) is not None:
            space["label_smoothing"] = Number(0.0, 0.2, step=0.05)
        return space

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
