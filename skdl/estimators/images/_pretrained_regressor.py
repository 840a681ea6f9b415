"""Transfer learning as a scikit-learn regressor: a pretrained backbone and a trained head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from skdl.estimators.base._regression import REGRESSOR_CONSTRAINTS, RegressionNetwork
from skdl.estimators.images._pretrained import PRETRAINED_CONSTRAINTS, BasePretrainedCNN
from skdl.networks import SQUARED_ERROR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from skdl._validation import Constraint

__all__ = ["PretrainedCNNRegressor"]


class PretrainedCNNRegressor(BasePretrainedCNN, RegressionNetwork):
    """Transfer learning for regression: a pretrained network with a new head for numbers.

    The backbone is frozen: features of each image are computed once, however many folds, epochs
    and trials follow, and the head learns from them. With `fine_tune`, the last layers of the
    backbone are trained after the head, together with it, at a learning rate of their own.

    Parameters
    ----------
    backbone : str, path or keras.Model, default="MobileNetV2"
        Name of a network of ``keras.applications``, taken without its classifier; the path of a
        ``.keras`` file; or a model, which is copied.
    weights : str, path or None, default="imagenet"
        ``"imagenet"`` downloads Keras' weights of a named network, and leaves a file or model the
        weights that it came with; else the path of a file of weights, or None for random ones.
    backbone_params : dict, default=None
        Further arguments of a named network, for example ``{"alpha": 0.25}``.
    preprocessing : "auto", callable or None, default="auto"
        Converts values between 0 and 255 into the range that the backbone was trained on.
        ``"auto"`` is the named network's own, None for files and models; a callable takes and
        returns a float32 batch.
    image_size : int, (height, width) or None, default=None
        Size to which images are resized, bilinearly. None keeps their size, or takes the size that
        a file or model is built for.
    image_shape : sequence of int, default=None
        Shape of one image where rows of `X` are flat: ``(height, width)`` or
        ``(height, width, channels)``. Without it, a flat row is an image of height 1.
    rescale : "auto", float or None, default="auto"
        Factor on all values before the preprocessing. ``"auto"`` is 255 where a named network's
        own preprocessing is used and ``fit`` is given floats between 0 and 1, else 1.
    pooling : {"average", "max"} or None, default="average"
        Pooling of each channel of the backbone's output; None passes all values on.
    hidden_units : int or sequence of int, default=128
        Units per hidden layer after the features; a sequence has one entry per layer.
    hidden_layers : int, default=1
        Number of hidden layers, unless `hidden_units` is a sequence; 0 gives a linear model.
    activation : str, callable or Keras layer, default="relu"
        Activation of the hidden layers: a name of ``keras.activations``, a function of single
        rows, or a Keras layer such as ``keras.layers.LeakyReLU(0.1)``.
    dropout : float in [0, 1), default=0.0
        Fraction of each hidden layer's units that is dropped at random in every training step
        (Srivastava et al. 2014).
    input_dropout : float in [0, 1), default=0.0
        The same for the features.
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    batch_norm : {"before_activation", "after_activation"} or None, default=None
        Batch normalisation in every hidden layer (Ioffe and Szegedy 2015), with a momentum of
        0.9: Keras' default of 0.99 suits trainings of many thousand steps.
    input_batch_norm : bool, default=False
        Batch normalisation of the features.
    fine_tune : int, default=0
        Number of the backbone's last layers that are trained too, in a second phase after the
        head. Batch normalisation stays frozen, its moving moments included. With 0 the backbone
        does not change.
    fine_tune_epochs : int, default=10
        Epochs of the second phase; with `early_stopping`, which starts anew, the maximum.
    fine_tune_learning_rate : float or Keras schedule, default=1e-05
        Learning rate of the second phase.
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
        Decides the head's initial weights (and with ``weights=None`` an int the backbone's),
        order of rows, dropout and the inner validation split. Equal
        integers give equal predictions, to the bit.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and validation loss.

    Attributes
    ----------
    model_ : keras.Model
        Compiled Keras model of the head, from features to outputs, built when first asked for.
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
    backbone_ : keras.Model
        The backbone with its weights, fine-tuned ones where it was fine-tuned.
    image_shape_ : tuple of int
        Shape of one image: (height, width, channels).
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
    PretrainedCNNClassifier : The same for classes.
    PretrainedFeatures : Features for any other estimator.
    CNNRegressor : A network that learns from the images alone.

    Notes
    -----
    ``partial_fit`` trains the head alone. The features that a process remembers take up to 1 GiB
    for each of the last four backbones.

    Examples
    --------
    >>> import numpy as np
    >>> from skdl import PretrainedCNNRegressor
    >>> images = np.zeros((20, 32, 32, 3), np.uint8)
    >>> images[10:, 8:24] = 255
    >>> y = np.repeat([0, 1], 10)
    >>> network = PretrainedCNNRegressor("MobileNet", weights=None, epochs=5, random_state=0)
    >>> network.fit(images, y).predict(images).shape
    (20,)
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **PRETRAINED_CONSTRAINTS,
        **REGRESSOR_CONSTRAINTS,
    }

    def __init__(
        self,
        backbone: Any = "MobileNetV2",
        *,
        weights: Any = "imagenet",
        backbone_params: Mapping[str, Any] | None = None,
        preprocessing: Any = "auto",
        image_size: Any = None,
        image_shape: Sequence[int] | None = None,
        rescale: Any = "auto",
        pooling: Literal["max", "average"] | None = "average",
        hidden_units: int | Sequence[int] = 128,
        hidden_layers: int = 1,
        activation: Any = "relu",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        batch_norm: Literal["before_activation", "after_activation"] | None = None,
        input_batch_norm: bool = False,
        fine_tune: int = 0,
        fine_tune_epochs: int = 10,
        fine_tune_learning_rate: Any = 1e-5,
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
        self.backbone = backbone
        self.weights = weights
        self.backbone_params = backbone_params
        self.preprocessing = preprocessing
        self.image_size = image_size
        self.image_shape = image_shape
        self.rescale = rescale
        self.pooling = pooling
        self.hidden_units = hidden_units
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.l1 = l1
        self.l2 = l2
        self.batch_norm = batch_norm
        self.input_batch_norm = input_batch_norm
        self.fine_tune = fine_tune
        self.fine_tune_epochs = fine_tune_epochs
        self.fine_tune_learning_rate = fine_tune_learning_rate
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
