"""Multilayer perceptrons as a scikit-learn regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from skdl.estimators.base._regression import REGRESSOR_CONSTRAINTS, RegressionNetwork
from skdl.estimators.mlp._base import MLP_CONSTRAINTS, BaseMLP
from skdl.estimators.mlp._presets import REGRESSOR_PRESET
from skdl.networks import SQUARED_ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from skdl._validation import Constraint

__all__ = ["MLPRegressor"]


class MLPRegressor(BaseMLP, RegressionNetwork):
    """Multilayer perceptron for regression: a Keras network as a scikit-learn regressor.

    Parameters
    ----------
    hidden_units : int, sequence of int or "auto", default=128
        Units per hidden layer; a sequence has one entry per layer. ``"auto"`` is the power of two
        nearest to the square root of the rows to train on, between 64 and 256.
    hidden_layers : int, default=2
        Number of hidden layers, unless `hidden_units` is a sequence; 0 gives a linear model.
    activation : str, callable or Keras layer, default="relu"
        Activation of the hidden layers: a name of ``keras.activations`` such as ``"selu"``,
        ``"mish"`` or ``"gelu"``, a function of single rows, or a Keras layer such as
        ``keras.layers.LeakyReLU(0.1)``.
    parametric_activation : bool, default=False
        Each hidden unit learns a factor a of its activation f: ``x + a (f(x) - x)``, with a = 1 at
        first (Holzmüller et al. 2024). Not with a Keras layer.
    categorical_features : {"from_dtype"} or None, default=None
        ``"from_dtype"``: columns of a DataFrame (pandas or polars) that hold categories, text or
        booleans are categories. Each level seen in ``fit``, missing values included, becomes a
        column of its own or a learned vector; a level not seen becomes zeros. Objects that are all
        numbers are numbers; dates and periods become days since the median date of ``fit``,
        durations and times of day become days. A column that held text in ``fit`` and holds
        numbers later, or the like, is refused.
    max_one_hot : int, default=8
        Columns with more levels than this become learned vectors.
    category_units : int, default=8
        Length of the vectors.
    missing_numbers : {"learn"} or None, default=None
        ``"learn"`` replaces NaN by a learned value. If a column has NaN in ten or more rows of
        ``fit``, the network also sees which rows have it. None refuses NaN.
    input_scaling : {"smooth_clip"} or None, default=None
        Scale the features inside the network as `SmoothClipScaler` does, by medians and quartiles
        of the training rows. Large offsets, as of Unix seconds, are subtracted in float64 before
        rows become float32. Dense rows only.
    numeric_embedding : {"auto", "plr", "pbld", "periodic", "piecewise_linear"} or None, \
default=None
        Turn each feature into several numbers in front of the first layer: sines and cosines of
        learned frequencies (``"periodic"``), the same through a dense layer and ReLU for each
        feature (``"plr"``), or the position of the value among quantiles of the training rows
        (``"piecewise_linear"``), all by Gorishniy et al. 2022; or cosines with learned phases
        through a dense layer, beside the feature itself (``"pbld"``, Holzmüller et al. 2024).
        Beside the position stands the feature itself too, less its median and divided by the
        distance of its quartiles, so that a trend goes on beyond the training rows.
        ``"auto"`` is ``"piecewise_linear"`` from 500 rows to train on, none below. Expects
        features of about unit scale. Dense rows only.
    n_frequencies : int, default=16
        Number of frequencies per feature, for ``"plr"``, ``"pbld"`` and ``"periodic"``.
    frequency_scale : float > 0, default=0.1
        Standard deviation of the initial frequencies, in periods per unit of the feature. The most
        important of the embedding parameters.
    embedding_units : int >= 2, default=4
        Numbers that each feature becomes with ``"plr"`` and ``"pbld"``.
    n_bins : int or "auto", default=16
        Bins for each feature with ``"piecewise_linear"``; features of few values have fewer.
        ``"auto"`` is the power of two nearest to a 40th of the rows to train on, from 8 to 128.
    feature_scale : bool, default=False
        Learn a factor for each number that enters the first layer (Holzmüller et al. 2024).
    shared_members : int, default=1
        Number of networks that share all weights except biases, the last layer, and factors of
        each layer's inputs and outputs. They train on the mean of their losses and are averaged in
        prediction (TabM, Gorishniy et al. 2025). Needs a hidden layer.
    dropout : float in [0, 1), default=0.0
        Fraction of each hidden layer's units that is dropped at random in every training step
        (Srivastava et al. 2014).
    input_dropout : float in [0, 1), default=0.0
        The same for the inputs.
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    weight_decay : float >= 0 or None, default=None
        Decoupled weight decay: each step multiplies every weight by
        ``1 - learning_rate * weight_decay`` (Loshchilov and Hutter 2019). None keeps the
        optimizer's default: no decay, except in ``"adamw"``.
    sparsity : float in [0, 1), default=0.0
        Fraction of the weights that training sets to zero in each kernel, except the output
        layer's unless it is the only one (Zhu and Gupta 2017, Eq. 1). During the first three
        quarters of the `epochs`, more of the smallest weights become zero after each epoch and
        stay zero; in the last quarter the other weights adapt. Early stopping looks only at that
        last quarter, and ``partial_fit`` prunes nothing more.
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
    learning_rate_schedule : {"constant", "cosine", "coslog4", "plateau"}, default="constant"
        How `learning_rate` changes over the `epochs`: falling to 0 along half a cosine
        (``"cosine"``), in four waves of growing length (``"coslog4"``, Holzmüller et al. 2024), or
        to a fifth whenever `monitor` (the loss, where that is not reported) has not improved for
        half of `patience` (``"plateau"``). In ``partial_fit`` it stays constant.
    beta_2 : float in (0, 1) or None, default=None
        Decay rate of the mean squared gradient in Adam and related optimizers; None keeps the
        optimizer's default, 0.999 in Adam. Networks on tables are often better with 0.95.
    batch_size : int or "auto", default=32
        Rows per training step; the last batch of an epoch may be smaller. ``"auto"`` is the power
        of two nearest to a 128th of the training rows, between 32 and 256.
    epochs : int or "auto", default=100
        Passes over the training rows; with `early_stopping`, the maximum. ``"auto"`` is the power
        of two nearest to 8,192 training steps, between 64 and 256.
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
    refit : bool or "time", default=False
        With `early_stopping`: once the best epoch is known, train anew, on all rows, for as many
        epochs (with ``epochs="auto"``, the same share of them), and predict by that. ``history_``,
        ``n_iter_`` and ``best_epoch_`` tell of the first training. ``"time"`` does so where ``fit``
        is given `time`, as the rows held out are then the latest ones, which tell most of the rows
        to come. Not where ``fit`` is given validation rows. Callbacks act in both trainings, those
        that monitor validation rows in the first alone.
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
    effective_params_ : dict of str to object
        Values of the parameters that are ``"auto"``, in the last fit.
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

    _constraints: ClassVar[dict[str, Constraint]] = {**MLP_CONSTRAINTS, **REGRESSOR_CONSTRAINTS}
    _preset: ClassVar[dict[str, Any]] = REGRESSOR_PRESET

    def __init__(
        self,
        hidden_units: int | Literal["auto"] | Sequence[int] = 128,
        *,
        hidden_layers: int = 2,
        activation: Any = "relu",
        parametric_activation: bool = False,
        categorical_features: Literal["from_dtype"] | None = None,
        max_one_hot: int = 8,
        category_units: int = 8,
        missing_numbers: Literal["learn"] | None = None,
        input_scaling: Literal["smooth_clip"] | None = None,
        numeric_embedding: Literal["auto", "plr", "pbld", "periodic", "piecewise_linear"]
        | None = None,
        n_frequencies: int = 16,
        frequency_scale: float = 0.1,
        embedding_units: int = 4,
        n_bins: int | Literal["auto"] = 16,
        feature_scale: bool = False,
        shared_members: int = 1,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        weight_decay: float | None = None,
        sparsity: float = 0.0,
        batch_norm: Literal["before_activation", "after_activation"] | None = None,
        input_batch_norm: bool = False,
        loss: Any = SQUARED_ERROR,
        huber_delta: float = 1.0,
        quantile: float = 0.5,
        quantiles: Sequence[float] | None = None,
        target_scaling: bool | tuple[Any, Any] = True,
        optimizer: Any = "adam",
        learning_rate: Any = 0.001,
        learning_rate_schedule: Literal["constant", "cosine", "coslog4", "plateau"] = "constant",
        beta_2: float | None = None,
        batch_size: int | Literal["auto"] = 32,
        epochs: int | Literal["auto"] = 100,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best_weights: bool = True,
        refit: bool | Literal["time"] = False,
        metrics: Any = None,
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_units = hidden_units
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.parametric_activation = parametric_activation
        self.categorical_features = categorical_features
        self.max_one_hot = max_one_hot
        self.category_units = category_units
        self.missing_numbers = missing_numbers
        self.input_scaling = input_scaling
        self.numeric_embedding = numeric_embedding
        self.n_frequencies = n_frequencies
        self.frequency_scale = frequency_scale
        self.embedding_units = embedding_units
        self.n_bins = n_bins
        self.feature_scale = feature_scale
        self.shared_members = shared_members
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.l1 = l1
        self.l2 = l2
        self.weight_decay = weight_decay
        self.sparsity = sparsity
        self.batch_norm = batch_norm
        self.input_batch_norm = input_batch_norm
        self.loss = loss
        self.huber_delta = huber_delta
        self.quantile = quantile
        self.quantiles = quantiles
        self.target_scaling = target_scaling
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.beta_2 = beta_2
        self.batch_size = batch_size
        self.epochs = epochs
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best_weights = restore_best_weights
        self.refit = refit
        self.metrics = metrics
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
