"""Multilayer perceptrons as a scikit-learn regressor and classifier."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

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
from skdl.estimators import _keras_names as names
from skdl.estimators._base import CALLABLE, CONSTRAINTS, BaseNetwork, is_keras
from skdl.estimators._search_space import Choice, Number
from skdl.exceptions import InvalidParameterError
from skdl.networks import KerasObject, Loss, Network, mlp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["MLPClassifier", "MLPRegressor"]

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


class BaseMLP(BaseNetwork):
    """What the two perceptrons share: the network that their parameters describe."""

    def _mlp(self, n_features: int, n_outputs: int, output_activation: str, loss: Loss) -> Network:
        units = self.hidden_units
        is_count = np.ndim(units) == 0
        return mlp(
            n_features=n_features,
            n_outputs=n_outputs,
            hidden_units=[units] * self.hidden_layers if is_count else list(units),
            activation=names.resolved_activation(self.activation),
            output_activation=output_activation,
            loss=loss,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            l1=self.l1,
            l2=self.l2,
            batch_norm=self.batch_norm,
            input_batch_norm=bool(self.input_batch_norm),
        )

    def _search_space(self) -> dict[str, Choice | Number]:
        return {
            "hidden_units": Choice(32, 64, 128, 256),
            "hidden_layers": Number(1, 4),
            "dropout": Number(0.0, 0.5, step=0.05),
            "l1": Number(1e-7, 1e-3, log=True),
            "l2": Number(1e-6, 1e-2, log=True),
            "batch_norm": Choice(None, "before_activation"),
            **super()._search_space(),
        }

    def _loss_kind(self) -> str:
        return _ALIASES.get(self.loss, self.loss) if isinstance(self.loss, str) else "keras"


class MLPRegressor(MultiOutputMixin, RegressorMixin, BaseMLP):
    """Multilayer perceptron for regression: a Keras network as a scikit-learn regressor.

    Parameters
    ----------
    hidden_units : int or sequence of int, default=128
        Units per hidden layer; a sequence has one entry per layer.
    hidden_layers : int, default=2
        Number of hidden layers, used when `hidden_units` is an int; 0 gives a linear model.
    activation : str, callable or Keras layer, default="relu"
        Activation of the hidden layers: a name of ``keras.activations``, a function of single
        rows, or a Keras layer such as ``keras.layers.LeakyReLU(0.1)``.
    dropout : float in [0, 1), default=0.0
        Share of each hidden layer's units that is dropped at random in every training step
        (Srivastava et al. 2014).
    input_dropout : float in [0, 1), default=0.0
        The same for the inputs.
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    batch_norm : {"before_activation", "after_activation"} or None, default=None
        Batch normalisation in every hidden layer (Ioffe and Szegedy 2015), with a momentum of
        0.9: Keras' default of 0.99 suits trainings of many thousand steps.
    input_batch_norm : bool, default=False
        Batch normalisation of the inputs.
    loss : str, callable or keras.losses.Loss, default="mse"
        ``"mse"``, ``"mae"``, ``"huber"``, ``"log_cosh"``, ``"quantile"``, ``"poisson"``, a name
        of ``keras.losses``, a function ``(y_true, y_pred)`` giving one number per row, or a Keras
        loss. All but the last are averaged by the sample weights.
    huber_delta : float > 0, default=1.0
        Where the Huber loss turns from square to linear, in the network's units: standard
        deviations of `y` with `target_scaling` (Huber 1964).
    quantile : float in (0, 1), default=0.5
        Which quantile ``loss="quantile"`` predicts (Koenker and Bassett 1978).
    target_scaling : bool, default=True
        Let the network learn ``(y - mean) / standard deviation`` of the training rows, each
        output apart (with ``loss="poisson"``: ``y / mean``). Predictions and metrics are in y's
        own units, losses in the network's.
    optimizer : str, class or keras.optimizers.Optimizer, default="adam"
        An object is not changed by ``fit``; its own learning rate holds.
    learning_rate : float or Keras schedule, default=0.001
        Must be left at its default when `optimizer` is an object.
    batch_size : int, default=32
        Rows per training step; the last batch of an epoch may be smaller.
    epochs : int, default=100
        Passes over the training rows; the most there will be with `early_stopping`.
    shuffle : bool, default=True
        Draw a new order of the training rows for each epoch.
    early_stopping : bool, default=False
        Stop when `monitor` has not improved for `patience` epochs. Unless ``fit`` is given
        validation rows, a share of the training rows is held out for it.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows held out, drawn at random.
    monitor : str, default="val_loss"
        What early stopping looks at: ``"loss"``, the name of a metric, or either with
        ``"val_"`` in front. Accuracies and their like are maximised, all else is minimised.
    patience : int, default=10
        Epochs without improvement before training stops.
    min_delta : float >= 0, default=0.0
        The least change that counts as an improvement, in units of `monitor`.
    restore_best_weights : bool, default=True
        With `early_stopping`, keep the weights of the best epoch instead of the last.
    metrics : str, callable, keras.metrics.Metric, or list of them, default=None
        Reported per epoch in ``history_``, in y's own units.
    callbacks : keras.callbacks.Callback or list of them, default=None
        Those that act at the ends of epochs see a Keras model that follows the training. Any
        that acts on batches makes ``fit`` train through ``keras.Model.fit``.
    warm_start : bool, default=False
        Let ``fit`` go on from the last fit's weights and optimizer state.
    random_state : int, RandomState or None, default=None
        Decides initial weights, order of rows, dropout and the inner validation split. Equal
        integers give equal predictions, to the bit.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and validation loss.

    Attributes
    ----------
    model_ : keras.Model
        Compiled Keras model with the trained weights, built when first asked for.
    history_ : dict of str to list of float
        Per epoch: ``loss`` (regularisation included), metrics, and both with ``val_`` in front
        where there were validation rows.
    n_iter_ : int
        Epochs run, those of earlier fits it went on from included.
    best_epoch_ : int
        Number of epochs after which `monitor` (without `early_stopping`: the validation loss)
        was best, counted from 1; ``n_iter_`` where there were no validation rows.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.
    n_outputs_ : int
        Number of targets.
    target_offset_, target_scale_ : ndarray of shape (n_outputs,)
        ``y = output * target_scale_ + target_offset_``; 0 and 1 without `target_scaling`.

    See Also
    --------
    MLPClassifier : The same for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = MLPRegressor(32, epochs=30, l2=0.01, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> bool(pipeline.score(X, y) > 0.4)
    True
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **CONSTRAINTS,
        "loss": loss_constraint(REGRESSION_LOSSES),
        "huber_delta": Real(0, low_open=True, example=1.0),
        "quantile": Real(0, 1, low_open=True, high_open=True, example=0.9),
        "target_scaling": Boolean(),
    }

    def __init__(
        self,
        hidden_units: int | Sequence[int] = 128,
        *,
        hidden_layers: int = 2,
        activation: Any = "relu",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        batch_norm: str | None = None,
        input_batch_norm: bool = False,
        loss: Any = "mse",
        huber_delta: float = 1.0,
        quantile: float = 0.5,
        target_scaling: bool = True,
        optimizer: Any = "adam",
        learning_rate: Any = 0.001,
        batch_size: int = 32,
        epochs: int = 100,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best_weights: bool = True,
        metrics: Any = None,
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_units = hidden_units
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.l1 = l1
        self.l2 = l2
        self.batch_norm = batch_norm
        self.input_batch_norm = input_batch_norm
        self.loss = loss
        self.huber_delta = huber_delta
        self.quantile = quantile
        self.target_scaling = target_scaling
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best_weights = restore_best_weights
        self.metrics = metrics
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Finite numbers.
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
        X : array-like or CSR matrix of shape (n_samples, n_features)

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
        y = as_columns(y.astype(np.float64))
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

    def _network(self, n_features: int) -> Network:
        kind = self._loss_kind()
        if kind in REGRESSION_LOSSES:
            own_numbers = {
                "huber": (("delta", float(self.huber_delta)),),
                "quantile": (("quantile", float(self.quantile)),),
            }
            loss = Loss(kind, own_numbers.get(kind, ()))
        else:
            loss = Loss("keras", function=names.resolved_loss(self.loss))
        output_activation = "exponential" if kind == "poisson" else "linear"
        return self._mlp(n_features, self.n_outputs_, output_activation, loss)


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron for classification: a Keras network as a scikit-learn classifier.

    Two classes, several classes and multilabel indicators; the output layer follows from `y`.

    Parameters
    ----------
    hidden_units : int or sequence of int, default=128
        Units per hidden layer; a sequence has one entry per layer.
    hidden_layers : int, default=2
        Number of hidden layers, used when `hidden_units` is an int; 0 gives a linear model.
    activation : str, callable or Keras layer, default="relu"
        Activation of the hidden layers: a name of ``keras.activations``, a function of single
        rows, or a Keras layer such as ``keras.layers.LeakyReLU(0.1)``.
    dropout : float in [0, 1), default=0.0
        Share of each hidden layer's units that is dropped at random in every training step
        (Srivastava et al. 2014).
    input_dropout : float in [0, 1), default=0.0
        The same for the inputs.
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    batch_norm : {"before_activation", "after_activation"} or None, default=None
        Batch normalisation in every hidden layer (Ioffe and Szegedy 2015), with a momentum of
        0.9: Keras' default of 0.99 suits trainings of many thousand steps.
    input_batch_norm : bool, default=False
        Batch normalisation of the inputs.
    loss : str, callable or keras.losses.Loss, default="crossentropy"
        ``"crossentropy"``, ``"focal"`` (Lin et al. 2017, with gamma 2), a name of
        ``keras.losses``, a function ``(y_true, y_pred)`` giving one number per row, or a Keras
        loss. All but the last are averaged by the sample weights. Losses with "sparse" in their
        name are given class numbers, others one column per class (one column for two classes).
    label_smoothing : float in [0, 1), default=0.0
        Share of each row's target that is spread evenly over all classes (Szegedy et al. 2016,
        section 7); for ``"crossentropy"`` and ``"focal"``.
    optimizer : str, class or keras.optimizers.Optimizer, default="adam"
        An object is not changed by ``fit``; its own learning rate holds.
    learning_rate : float or Keras schedule, default=0.001
        Must be left at its default when `optimizer` is an object.
    batch_size : int, default=32
        Rows per training step; the last batch of an epoch may be smaller.
    epochs : int, default=100
        Passes over the training rows; the most there will be with `early_stopping`.
    shuffle : bool, default=True
        Draw a new order of the training rows for each epoch.
    early_stopping : bool, default=False
        Stop when `monitor` has not improved for `patience` epochs. Unless ``fit`` is given
        validation rows, a share of the training rows is held out for it.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows held out, drawn at random, stratified by class.
    monitor : str, default="val_loss"
        What early stopping looks at: ``"loss"``, the name of a metric, or either with
        ``"val_"`` in front. Accuracies and their like are maximised, all else is minimised.
    patience : int, default=10
        Epochs without improvement before training stops.
    min_delta : float >= 0, default=0.0
        The least change that counts as an improvement, in units of `monitor`.
    restore_best_weights : bool, default=True
        With `early_stopping`, keep the weights of the best epoch instead of the last.
    class_weight : "balanced", dict or None, default=None
        Factor by which rows of each class count; ``"balanced"`` makes all classes count alike,
        ``n_samples / (n_classes * count)``. Multiplied with the sample weights.
    metrics : str, callable, keras.metrics.Metric, or list of them, default=None
        Reported per epoch in ``history_``.
    callbacks : keras.callbacks.Callback or list of them, default=None
        Those that act at the ends of epochs see a Keras model that follows the training. Any
        that acts on batches makes ``fit`` train through ``keras.Model.fit``.
    warm_start : bool, default=False
        Let ``fit`` go on from the last fit's weights and optimizer state.
    random_state : int, RandomState or None, default=None
        Decides initial weights, order of rows, dropout and the inner validation split. Equal
        integers give equal predictions, to the bit.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and validation loss.

    Attributes
    ----------
    model_ : keras.Model
        Compiled Keras model with the trained weights, built when first asked for.
    history_ : dict of str to list of float
        Per epoch: ``loss`` (regularisation included), metrics, and both with ``val_`` in front
        where there were validation rows.
    n_iter_ : int
        Epochs run, those of earlier fits it went on from included.
    best_epoch_ : int
        Number of epochs after which `monitor` (without `early_stopping`: the validation loss)
        was best, counted from 1; ``n_iter_`` where there were no validation rows.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multilabel targets the column numbers.
    n_outputs_ : int
        Number of columns of `y`: 1, or the number of labels in multilabel targets.

    See Also
    --------
    MLPRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, epochs=100, dropout=0.1, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> bool(pipeline.score(X, y) > 0.9)
    True
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **CONSTRAINTS,
        "loss": loss_constraint(CLASSIFICATION_LOSSES),
        "label_smoothing": Real(0, 1, high_open=True, example=0.1),
        "class_weight": AnyOf(
            OneOf(None, "balanced"),
            Predicate(_is_weights, "a dict of a factor >= 0 for each class"),
            SequenceOf(Predicate(_is_weights, "a dict for each label")),
        ),
    }

    def __init__(
        self,
        hidden_units: int | Sequence[int] = 128,
        *,
        hidden_layers: int = 2,
        activation: Any = "relu",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        batch_norm: str | None = None,
        input_batch_norm: bool = False,
        loss: Any = "crossentropy",
        label_smoothing: float = 0.0,
        optimizer: Any = "adam",
        learning_rate: Any = 0.001,
        batch_size: int = 32,
        epochs: int = 100,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best_weights: bool = True,
        class_weight: Any = None,
        metrics: Any = None,
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_units = hidden_units
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.l1 = l1
        self.l2 = l2
        self.batch_norm = batch_norm
        self.input_batch_norm = input_batch_norm
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best_weights = restore_best_weights
        self.class_weight = class_weight
        self.metrics = metrics
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(
        self, X: Any, y: Any, classes: ArrayLike | None = None, sample_weight: Any = None
    ) -> Self:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Finite numbers.
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
        X : array-like or CSR matrix of shape (n_samples, n_features)

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
            return (probabilities > 0.5).astype(int)  # noqa: PLR2004
        return self.classes_[probabilities.argmax(1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

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
        probabilities = self._outputs(X).astype(np.float64)
        if self._is_multilabel:
            return probabilities
        if len(self.classes_) == 2:  # noqa: PLR2004
            return np.hstack([1.0 - probabilities, probabilities])
        return probabilities / probabilities.sum(1, keepdims=True)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

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
        X : array-like or CSR matrix of shape (n_samples, n_features)
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
        y = as_columns(y)[:, 0]
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

    def _network(self, n_features: int) -> Network:
        is_binary = not self._is_multilabel and len(self.classes_) == 2  # noqa: PLR2004
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
            return self._mlp(n_features, self.n_outputs_, "sigmoid", loss)
        if is_binary:
            return self._mlp(n_features, 1, "sigmoid", loss)
        return self._mlp(n_features, len(self.classes_), "softmax", loss)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def as_columns(y: NDArray[Any]) -> NDArray[Any]:
    """Return targets as columns; a column vector is taken for a 1-d target, with a warning."""
    if y.ndim == 1:
        return y[:, None]
    if y.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Predictions will be 1d; "
            "pass y.ravel() to say so.",
            DataConversionWarning,
            stacklevel=2,
        )
    return y
