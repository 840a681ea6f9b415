"""Convolutional networks along sequences as a scikit-learn classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from skdl.estimators.base._classification import CLASSIFIER_CONSTRAINTS, ClassificationNetwork
from skdl.estimators.sequences._cnn1d import CNN1D_CONSTRAINTS, BaseCNN1D
from skdl.networks import CROSSENTROPY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from skdl._validation import Constraint

__all__ = ["CNN1DClassifier"]


class CNN1DClassifier(BaseCNN1D, ClassificationNetwork):
    """1-d convolutional network for sequences: a Keras network as a scikit-learn classifier.

    Two classes, several classes and multilabel indicators; the output layer follows from `y`.

    Parameters
    ----------
    filters : int or sequence of int, default=64
        Filters per convolution; a sequence has one entry per convolution.
    layers : int, default=3
        Number of convolutions, unless `filters` is a sequence. All together see
        ``1 + layers * (kernel_size - 1)`` steps at once.
    kernel_size : int or sequence of int, default=5
        Steps that a filter sees at a time; a sequence has one entry per convolution.
    pooling : {"last", "mean", "max", "attention"}, default="mean"
        What stands for the sequence after the last convolution: what it gives at the last step, or
        of each filter the mean or the maximum over all steps. ``"attention"`` is a mean whose
        weights are the softmax of a learned score of each step.
    hidden_units : int, sequence of int or None, default=None
        Units of the hidden layers between the pooling and the output; a sequence has one entry per
        layer, None leads straight to the output.
    sequence_shape : sequence of int or None, default=None
        ``(timesteps, channels)`` of one sequence where rows of `X` are flat, step after step (with
        ``channels="first"`` channel after channel). Without it, a flat row has one channel.
    channels : {"last", "first"}, default="last"
        Whether `X` is of shape ``(n_samples, timesteps, channels)``, or as in aeon and sktime
        ``(n_samples, channels, timesteps)``.
    mask_missing : bool, default=False
        Take sequences with steps of NaN in all channels, which the network skips; otherwise
        NaN is refused.
    activation : str, callable or Keras layer, default="relu"
        Activation of the hidden layers: a name of ``keras.activations``, a function of single
        rows, or a Keras layer such as ``keras.layers.LeakyReLU(0.1)``. Convolutions have ReLU.
    dropout : float in [0, 1), default=0.0
        Fraction of the values after each convolution and each hidden layer that is dropped at
        random in every training step (Srivastava et al. 2014); after the last convolution, of what
        `pooling` leaves.
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    normalization : {"batch", "layer"} or None, default=None
        Normalisation before each activation: by batch (Ioffe and Szegedy 2015) or each step by
        itself (Ba et al. 2016).
    input_batch_norm : bool, default=False
        Batch normalisation of the inputs, of each channel over all rows and steps: in place of a
        scaler, which takes flat rows alone.
    loss : str, callable or keras.losses.Loss, default="crossentropy"
        ``"crossentropy"``, ``"focal"`` (Lin et al. 2017, with gamma 2), a name of
        ``keras.losses``, a function ``(y_true, y_pred)`` giving one number per row, or a Keras
        loss. All but the last are averaged by the sample weights. Losses with "sparse" in their
        name are given class numbers, others one column per class (one column for two classes).
    label_smoothing : float in [0, 1), default=0.0
        Fraction of each row's target that is spread evenly over all classes (Szegedy et al. 2016,
        section 7); for ``"crossentropy"`` and ``"focal"``.
    optimizer : str, class or keras.optimizers.Optimizer, default="adam"
        ``fit`` does not change an object, and uses the object's own learning rate.
    learning_rate : float or Keras schedule, default=0.001
        Must be left at its default when `optimizer` is an object.
    batch_size : int, default=32
        Rows per training step; the last batch of an epoch may be smaller.
    epochs : int, default=100
        Passes over the training rows; with `early_stopping`, the maximum.
    shuffle : bool, default=True
        Draw a new order of the training rows for each epoch.
    early_stopping : bool, default=False
        Stop when `monitor` has not improved for `patience` epochs. Unless ``fit`` is given
        validation rows, `validation_fraction` of the training rows become validation rows.
    validation_fraction : float in (0, 1), default=0.1
        Fraction of the training rows that become validation rows, drawn at random, stratified by
        class.
    monitor : str, default="val_loss"
        What early stopping looks at: ``"loss"``, the name of a metric, or either with
        ``"val_"`` in front. Accuracies and their like are maximised, all else is minimised.
    patience : int, default=10
        Epochs without improvement before training stops.
    min_delta : float >= 0, default=0.0
        Smallest change that counts as an improvement, in units of `monitor`.
    restore_best_weights : bool, default=True
        With `early_stopping`, keep the weights of the best epoch instead of the last.
    class_weight : "balanced", dict or None, default=None
        Weight of each class in the loss; ``"balanced"`` is ``n_samples / (n_classes * count)``, so
        that all classes count alike. Multiplied by the sample weights.
    calibrate : "temperature" or None, default=None
        Divide the logits by the temperature (Guo et al. 2017) with the smallest log loss on the
        validation rows, those of `early_stopping` or ``X_val``. The most probable class stays the
        same. To calibrate without validation rows, see `KFoldEnsembleClassifier`.
    metrics : str, callable, keras.metrics.Metric, or list of them, default=None
        Reported per epoch in ``history_``.
    callbacks : keras.callbacks.Callback or list of them, default=None
        Those that act at the ends of epochs see a Keras model that follows the training. Any
        that acts on batches makes ``fit`` train through ``keras.Model.fit``.
    warm_start : bool, default=False
        Let ``fit`` continue from the last fit's weights, and from its optimizer state if this was
        True there too.
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
        Number of epochs run, including those of earlier fits that it continued.
    best_epoch_ : int
        Number of epochs after which `monitor` (without `early_stopping`: the validation loss)
        was best, counted from 1; ``n_iter_`` where there were no validation rows.
    callbacks_ : list of keras.callbacks.Callback
        Copies of the callbacks that the last fit used, with what they collected.
    sequence_shape_ : tuple of int
        Shape of one row in the network: (timesteps, channels). For sequences of unequal length,
        timesteps are those of the longest, or up to an eighth more.
    n_features_in_ : int
        Number of features of flat rows, else of channels.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multilabel targets the column numbers.
    n_outputs_ : int
        Number of columns of `y`: 1, or the number of labels in multilabel targets.
    temperature_ : float
        Divisor of the logits; 1 without `calibrate`, above 1 if the network was overconfident.

    See Also
    --------
    CNN1DRegressor : The same for numbers.
    CNNClassifier : With ``dimensions=1``, for signals of one length: pooling after each block.
    RNNClassifier : A memory instead of windows.

    Notes
    -----
    `X` is one of ``(n_samples, timesteps, channels)``, a list of arrays ``(timesteps, channels)``
    that may be of unequal length, or flat ``(n_samples, n_features)``, as the steps of a Pipeline
    hand it on; see `sequence_shape` and `channels`. It is dense: numbers that become float32.
    Sequences to predict may be longer or shorter than those of ``fit``.

    Steps that are not there are zeros to the convolutions, as what stands before and behind a
    sequence; the pooling leaves them out. The network without hidden units is the fully
    convolutional one of Wang et al. 2017, there with ``filters=(128, 256, 128)``,
    ``kernel_size=(8, 5, 3)`` and batch normalisation.

    Examples
    --------
    Whether the third of twelve steps was high or low:

    >>> import numpy as np
    >>> from skdl import CNN1DClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> X = rng.normal(size=(200, 12, 2))
    >>> X[:, 2] += np.where(y, 3, -3)[:, None]
    >>> network = CNN1DClassifier(8, layers=2, learning_rate=0.01, epochs=30, random_state=0)
    >>> bool(network.fit(X, y).score(X, y) > 0.9)
    True
    """

    _constraints: ClassVar[dict[str, Constraint]] = {**CNN1D_CONSTRAINTS, **CLASSIFIER_CONSTRAINTS}

    def __init__(
        self,
        filters: int | Sequence[int] = 64,
        *,
        layers: int = 3,
        kernel_size: int | Sequence[int] = 5,
        pooling: Literal["last", "mean", "max", "attention"] = "mean",
        hidden_units: int | Sequence[int] | None = None,
        sequence_shape: Sequence[int] | None = None,
        channels: Literal["first", "last"] = "last",
        mask_missing: bool = False,
        activation: Any = "relu",
        dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        normalization: Literal["batch", "layer"] | None = None,
        input_batch_norm: bool = False,
        loss: Any = CROSSENTROPY,
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
        calibrate: str | None = None,
        metrics: Any = None,
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.filters = filters
        self.layers = layers
        self.kernel_size = kernel_size
        self.pooling = pooling
        self.hidden_units = hidden_units
        self.sequence_shape = sequence_shape
        self.channels = channels
        self.mask_missing = mask_missing
        self.activation = activation
        self.dropout = dropout
        self.l1 = l1
        self.l2 = l2
        self.normalization = normalization
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
        self.calibrate = calibrate
        self.metrics = metrics
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
