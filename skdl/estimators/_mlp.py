"""Multilayer perceptrons as a scikit-learn regressor and classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from skdl.estimators import _keras_names as names
from skdl.estimators._base import CONSTRAINTS, BaseNetwork, units_per_layer
from skdl.estimators._search_space import Choice, Number
from skdl.estimators._targets import (
    CLASSIFIER_CONSTRAINTS,
    REGRESSOR_CONSTRAINTS,
    ClassificationNetwork,
    RegressionNetwork,
)
from skdl.networks import mlp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from skdl._validation import Constraint
    from skdl.networks import Loss, Network

__all__ = ["MLPClassifier", "MLPRegressor"]


class BaseMLP(BaseNetwork):
    """What the two perceptrons share: the network that their parameters describe."""

    hidden_units: int | Sequence[int]
    hidden_layers: int
    activation: Any
    dropout: float
    input_dropout: float
    l1: float
    l2: float
    batch_norm: Any
    input_batch_norm: bool

    def _with_output(
        self, shape: tuple[int, ...], n_outputs: int, output_activation: str, loss: Loss
    ) -> Network:
        return mlp(
            n_features=shape[0],
            n_outputs=n_outputs,
            hidden_units=units_per_layer(self.hidden_units, self.hidden_layers),
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


class MLPRegressor(BaseMLP, RegressionNetwork):
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

    _constraints: ClassVar[dict[str, Constraint]] = {**CONSTRAINTS, **REGRESSOR_CONSTRAINTS}

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


class MLPClassifier(BaseMLP, ClassificationNetwork):
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

    _constraints: ClassVar[dict[str, Constraint]] = {**CONSTRAINTS, **CLASSIFIER_CONSTRAINTS}

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
