"""Convolutional networks as a scikit-learn regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from skdl.estimators.base._regression import REGRESSOR_CONSTRAINTS, RegressionNetwork
from skdl.estimators.images._cnn import CNN_CONSTRAINTS, BaseCNN
from skdl.networks import SQUARED_ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from skdl._validation import Constraint

__all__ = ["CNNRegressor"]


class CNNRegressor(BaseCNN, RegressionNetwork):
    """Convolutional network for regression: a Keras network as a scikit-learn regressor.

    Parameters
    ----------
    conv_blocks : int, default=2
        Number of blocks, used when `filters` is an int. Each block is `convs_per_block` times
        convolution, batch normalisation and activation, then pooling, then dropout.
    filters : int or sequence of int, default=32
        Filters of the first block's convolutions, doubled from block to block; a sequence has
        one entry per block.
    kernel_size : int or sequence of int, default=3
        Side length of the convolutions' windows; a sequence has one entry per spatial axis.
    convs_per_block : int, default=1
        Convolutions before each pooling.
    padding : {"same", "valid"}, default="same"
        ``"same"`` pads the image with zeros, so that convolutions keep its size and only pooling
        shrinks it; with ``"valid"``, Keras' default, each convolution takes ``kernel_size - 1``
        off height and width.
    pooling : {"max", "average"} or None, default="max"
        Pooling over windows of `pool_size` at the end of a block; None for no pooling.
    pool_size : int or sequence of int, default=2
        Side length of the pooling windows, which do not overlap; an incomplete window at the edge
        is dropped.
    global_pooling : {"max", "average"} or None, default=None
        Pooling of each channel after the last block; None passes all values on.
    hidden_units : int or sequence of int, default=128
        Units per hidden layer after the blocks; a sequence has one entry per layer.
    hidden_layers : int, default=1
        Number of hidden layers, unless `hidden_units` is a sequence; with 0 the blocks lead
        directly to the output.
    image_shape : sequence of int, default=None
        Shape of one image where rows of `X` are flat: ``(height, width)``,
        ``(height, width, channels)``, ``(length,)``, or with ``dimensions=1``
        ``(length, channels)``. Without it, a flat row is a signal of one channel.
    dimensions : {"auto", 1, 2}, default="auto"
        Number of spatial axes. ``"auto"`` takes three-dimensional `X` for grey images
        ``(n_samples, height, width)``; 1 takes it for signals ``(n_samples, length, channels)``.
    rescale : "auto", float or None, default="auto"
        Factor on all values inside the network; ``"auto"`` is 1/255 if ``fit`` is given uint8,
        else 1. Such rows stay uint8 in memory until they are in a batch.
    augment : str, sequence of str or (str, strength), or None, default=None
        Random changes of the images of training batches, a new draw for every image and epoch:
        ``"flip"`` (strength ``"horizontal"``, ``"vertical"`` or ``"horizontal_and_vertical"``),
        ``"shift"`` (share of height and width, 0.1), ``"rotate"`` (share of a full turn, 0.1),
        ``"zoom"`` (share of the size, 0.1) and ``"contrast"`` (share, 0.1), in the order given, by
        Keras' layers RandomFlip, RandomTranslation, RandomRotation, RandomZoom and RandomContrast.
    activation : str, callable or Keras layer, default="relu"
        Activation of convolutions and hidden layers: a name of ``keras.activations``, a
        function of single rows, or a Keras layer such as ``keras.layers.LeakyReLU(0.1)``.
    conv_dropout : float in [0, 1), default=0.0
        Fraction of the values after each block that is dropped at random in every training step.
    dropout : float in [0, 1), default=0.0
        Fraction of each hidden layer's units that is dropped at random in every training step
        (Srivastava et al. 2014).
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    sparsity : float in [0, 1), default=0.0
        Fraction of the weights that training sets to zero in each kernel, except the output
        layer's unless it is the only one (Zhu and Gupta 2017, Eq. 1). During the first three
        quarters of the `epochs`, more of the smallest weights become zero after each epoch and
        stay zero; in the last quarter the other weights adapt. Early stopping looks only at that
        last quarter, and ``partial_fit`` prunes nothing more.
    batch_norm : {"before_activation", "after_activation"} or None, default=None
        Batch normalisation of every convolution and hidden layer (Ioffe and Szegedy 2015), with
        a momentum of 0.9: Keras' default of 0.99 suits trainings of many thousand steps.
    loss : str, callable or keras.losses.Loss, default="mse"
        ``"mse"``, ``"mae"``, ``"huber"``, ``"log_cosh"``, ``"quantile"``, ``"poisson"``, a name
        of ``keras.losses``, a function ``(y_true, y_pred)`` giving one number per row, or a Keras
        loss. All but the last are averaged by the sample weights.
    huber_delta : float > 0, default=1.0
        Where the Huber loss turns from square to linear, in the network's units: standard
        deviations of `y` with `target_scaling` (Huber 1964).
    quantile : float in (0, 1), default=0.5
        Which quantile ``loss="quantile"`` predicts (Koenker and Bassett 1978).
    quantiles : list of float in (0, 1) or None, default=None
        Let ``loss="quantile"`` learn several quantiles at once, in increasing order, instead of
        `quantile`. ``predict_quantiles`` returns them all, ``predict`` the median of a single
        target. Metrics are means over the quantiles.
    target_scaling : bool or pair, default=True
        Let the network learn ``(y - mean) / standard deviation`` of the training rows, each
        output apart (with ``loss="poisson"``: ``y / mean``). Predictions and metrics are in y's
        own units, losses in the network's.
        A pair ``(offset, scale)``, of numbers or one for each output, takes the place of mean and
        standard deviation: ``partial_fit`` would learn them from its first rows alone.
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
        Fraction of the training rows that become validation rows, drawn at random.
    monitor : str, default="val_loss"
        What early stopping looks at: ``"loss"``, the name of a metric, or either with
        ``"val_"`` in front. Accuracies and their like are maximised, all else is minimised.
    patience : int, default=10
        Epochs without improvement before training stops.
    min_delta : float >= 0, default=0.0
        Smallest change that counts as an improvement, in units of `monitor`.
    restore_best_weights : bool, default=True
        With `early_stopping`, keep the weights of the best epoch instead of the last.
    metrics : str, callable, keras.metrics.Metric, or list of them, default=None
        Reported per epoch in ``history_``, in y's own units.
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
    n_nonzero_weights_ : int
        Number of weights in the kernels of dense layers and convolutions that are not zero.
    callbacks_ : list of keras.callbacks.Callback
        Copies of the callbacks that the last fit used, with what they collected.
    image_shape_ : tuple of int
        Shape of one row in the network: (height, width, channels) or (length, channels).
    n_features_in_ : int
        Length of X's second axis in fit: features of flat rows, the height of images.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.
    n_outputs_ : int
        Number of targets.
    target_offset_, target_scale_ : ndarray of shape (n_outputs,)
        ``y = output * target_scale_ + target_offset_``; 0 and 1 without `target_scaling`.

    See Also
    --------
    CNNClassifier : The same for classes.
    MLPRegressor : For rows whose features have no order.

    Notes
    -----
    `X` is one of ``(n_samples, height, width)``, ``(n_samples, height, width, channels)``, with
    ``dimensions=1`` ``(n_samples, length, channels)``, or flat ``(n_samples, n_features)``, as
    the steps of a Pipeline hand it on; see `image_shape`. It is dense: uint8, or numbers that
    become float32.

    Examples
    --------
    How many pixels of a digit are black:

    >>> from sklearn.datasets import load_digits
    >>> from skdl import CNNRegressor
    >>> images = load_digits().images / 16
    >>> ink = (images > 0.5).sum(axis=(1, 2))
    >>> network = CNNRegressor(1, filters=8, epochs=10, random_state=0).fit(images, ink)
    >>> bool(network.score(images, ink) > 0.6)
    True
    """

    _constraints: ClassVar[dict[str, Constraint]] = {**CNN_CONSTRAINTS, **REGRESSOR_CONSTRAINTS}

    def __init__(
        self,
        conv_blocks: int = 2,
        *,
        filters: int | Sequence[int] = 32,
        kernel_size: int | Sequence[int] = 3,
        convs_per_block: int = 1,
        padding: Literal["same", "valid"] = "same",
        pooling: Literal["max", "average"] | None = "max",
        pool_size: int | Sequence[int] = 2,
        global_pooling: Literal["max", "average"] | None = None,
        hidden_units: int | Sequence[int] = 128,
        hidden_layers: int = 1,
        image_shape: Sequence[int] | None = None,
        dimensions: Any = "auto",
        rescale: Any = "auto",
        augment: Any = None,
        activation: Any = "relu",
        conv_dropout: float = 0.0,
        dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        sparsity: float = 0.0,
        batch_norm: Literal["before_activation", "after_activation"] | None = None,
        loss: Any = SQUARED_ERROR,
        huber_delta: float = 1.0,
        quantile: float = 0.5,
        quantiles: Sequence[float] | None = None,
        target_scaling: bool | tuple[Any, Any] = True,
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
        self.conv_blocks = conv_blocks
        self.filters = filters
        self.kernel_size = kernel_size
        self.convs_per_block = convs_per_block
        self.padding = padding
        self.pooling = pooling
        self.pool_size = pool_size
        self.global_pooling = global_pooling
        self.hidden_units = hidden_units
        self.hidden_layers = hidden_layers
        self.image_shape = image_shape
        self.dimensions = dimensions
        self.rescale = rescale
        self.augment = augment
        self.activation = activation
        self.conv_dropout = conv_dropout
        self.dropout = dropout
        self.l1 = l1
        self.l2 = l2
        self.sparsity = sparsity
        self.batch_norm = batch_norm
        self.loss = loss
        self.huber_delta = huber_delta
        self.quantile = quantile
        self.quantiles = quantiles
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
