"""Multilayer perceptrons as a scikit-learn regressor and classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy import sparse

from skdl._validation import AnyOf, Boolean, Constraint, Integer, OneOf, Real
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._auto_sizes import auto_hidden_units, auto_n_bins, auto_numeric_embedding
from skdl.estimators.base._network_estimator import CONSTRAINTS, BaseNetwork, units_per_layer
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._targets import (
    CLASSIFIER_CONSTRAINTS,
    REGRESSOR_CONSTRAINTS,
    ClassificationNetwork,
    RegressionNetwork,
)
from skdl.estimators.mlp._presets import CLASSIFIER_RECIPE, REGRESSOR_RECIPE
from skdl.estimators.mlp._table_encoder import TableEncoder, holds_categories
from skdl.exceptions import InvalidParameterError
from skdl.layers import blueprint_of
from skdl.networks import KerasObject, Layer, mlp, numeric_embedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skdl.networks import Loss, Network
    from skdl.training import Optimizer, Schedule

__all__ = ["MLPClassifier", "MLPRegressor"]

# Fewer rows with a gap would be learned by heart, and some folds have none: their networks would be
# of another shape, and could not train with the others.
_LEAST_GAPS_TO_SHOW = 10
_COUNT = Integer(1, example=16)
MLP_CONSTRAINTS: dict[str, Constraint] = {
    **CONSTRAINTS,
    "hidden_units": AnyOf(OneOf("auto"), CONSTRAINTS["hidden_units"]),
    "parametric_activation": Boolean(),
    "categorical_features": OneOf(None, "from_dtype"),
    "max_one_hot": Integer(0, example=8),
    "category_units": Integer(1, example=8),
    "missing_numbers": OneOf(None, "learn"),
    "input_scaling": OneOf(None, "smooth_clip"),
    "numeric_embedding": OneOf(None, "auto", "plr", "pbld", "periodic", "piecewise_linear"),
    "n_frequencies": _COUNT,
    "frequency_scale": Real(0, low_open=True, example=0.1),
    "embedding_units": Integer(2, example=4),
    "n_bins": AnyOf(OneOf("auto"), _COUNT),
    "feature_scale": Boolean(),
    "shared_members": Integer(1, example=8),
    "weight_decay": AnyOf(OneOf(None), Real(0, example=0.01)),
    "learning_rate_schedule": OneOf("constant", "cosine", "coslog4", "plateau"),
    "beta_2": AnyOf(OneOf(None), Real(0, 1, low_open=True, high_open=True, example=0.95)),
    "batch_size": AnyOf(OneOf("auto"), Integer(1, example=32)),
    "epochs": AnyOf(OneOf("auto"), Integer(1, example=100)),
}


class BaseMLP(BaseNetwork):
    """What the two perceptrons share: the network that their parameters describe."""

    _recipe: ClassVar[dict[str, Any]]

    hidden_units: int | str | Sequence[int]
    hidden_layers: int
    activation: Any
    parametric_activation: bool
    categorical_features: Any
    max_one_hot: int
    category_units: int
    missing_numbers: Any
    input_scaling: Any
    numeric_embedding: Any
    n_frequencies: int
    frequency_scale: float
    embedding_units: int
    n_bins: int | str
    feature_scale: bool
    shared_members: int
    dropout: float
    input_dropout: float
    l1: float
    l2: float
    weight_decay: float | None
    batch_norm: Any
    input_batch_norm: bool
    learning_rate_schedule: Any
    beta_2: float | None

    @classmethod
    def tabular(cls, **overrides: Any) -> Self:
        """Return an unfitted network with a strong starting point for tables.

        After RealMLP-TD (Holzmüller et al. 2024): robust scaling with smooth clipping, embedded
        numbers, a scale layer, parametric activations, and a learning rate that rises and falls
        in waves, with the weights of the best epoch on held-out rows kept. After TabM (Gorishniy
        et al. 2025): eight networks that share their weights. Widths, bins, batches, and whether
        numbers are embedded at all, follow the number of rows. Takes DataFrames with categories
        and gaps. It is an ordinary estimator; its parameters spell it all out, and can be changed
        and searched as any.

        Parameters
        ----------
        **overrides : dict
            Parameters that shall differ, and those such as ``random_state`` that the starting
            point leaves open.

        Returns
        -------
        network : object
            Give it to a `KFoldEnsembleRegressor` or `KFoldEnsembleClassifier` for the best
            predictions.

        Raises
        ------
        TypeError
            If there is no parameter of such a name.
        """
        return cls(**{**cls._recipe, **overrides})

    def _check_parameters(self) -> None:
        super()._check_parameters()
        owner = type(self).__name__
        given = {name: value for name, value in self._numbers().items() if value is not None}
        is_object = not isinstance(self.optimizer, str | type)
        if given and is_object:
            raise InvalidParameterError(
                f"{owner}: {_listed(given)} was given beside an optimizer object, which has "
                "numbers of its own. Expected one of them: set it in the optimizer, or give the "
                "optimizer by name."
            )
        missing = names.missing_numbers(self.optimizer, given)
        if missing:
            raise InvalidParameterError(
                f"{owner}: optimizer={self.optimizer!r} has no {' and no '.join(missing)}. "
                "Expected None there, or an optimizer such as 'adam'."
            )
        if self.learning_rate_schedule != "constant" and self._has_keras_schedule():
            raise InvalidParameterError(
                f"{owner}: learning_rate_schedule={self.learning_rate_schedule!r} was given "
                "beside a schedule of Keras. Expected one of them: a number as learning rate, or "
                "learning_rate_schedule='constant'."
            )
        activation = names.resolved_activation(self.activation)
        if self.parametric_activation and isinstance(activation, KerasObject):
            raise InvalidParameterError(
                f"{owner}: parametric_activation=True was given beside a Keras layer as "
                "activation. Expected a name or a function as activation, or "
                "parametric_activation=False."
            )

    def _numbers(self) -> dict[str, float | None]:
        """Return the numbers of the optimizer that are parameters here."""
        return {"weight_decay": self.weight_decay, "beta_2": self.beta_2}

    def _has_keras_schedule(self) -> bool:
        return isinstance(super()._optimizer().learning_rate, str)

    def _optimizer(self) -> Optimizer:
        from skdl.training import with_scalars

        given = {name: value for name, value in self._numbers().items() if value is not None}
        return with_scalars(super()._optimizer(), **given)

    def _schedule(self) -> Schedule:
        from skdl.training import Schedule

        return Schedule(
            kind=self.learning_rate_schedule,
            monitor=self.monitor,
            mode=names.monitor_mode(self.monitor),
            patience=max(1, self.patience // 2),
        )

    def _needs_dense_rows(self) -> bool:
        wants = (self.input_scaling, self.numeric_embedding, self.missing_numbers)
        return any(value is not None for value in wants)

    def _row_checks(self) -> dict[str, Any]:
        finite = True if self.missing_numbers is None else "allow-nan"
        return {**super()._row_checks(), "ensure_all_finite": finite}

    def _encoded_table(self, X: Any, *, reset: bool) -> Any:
        if reset:
            is_table = self.categorical_features is not None and holds_categories(X)
            self._encoder = TableEncoder.of(X, self.max_one_hot) if is_table else None
        if self._encoder is None:
            return None
        return self._encoder.encoded(type(self).__name__, X)

    def _constants(self, network: Network, X: Any, index: Any) -> Any:
        return blueprint_of(network).constants(X[index]) if self._needs_dense_rows() else None

    def _rows(self, X: Any, *, reset: bool) -> Any:
        if sparse.issparse(X) and self._needs_dense_rows():
            raise ValueError(
                f"{type(self).__name__}: X is sparse, but input_scaling={self.input_scaling!r}, "
                f"numeric_embedding={self.numeric_embedding!r} and "
                f"missing_numbers={self.missing_numbers!r} look at every value. Expected dense "
                "rows (X.toarray()), or None for all of them."
            )
        if reset and self.missing_numbers is not None:
            n_numeric = X.shape[1] if self._encoder is None else len(self._encoder.numbers)
            n_missing = np.isnan(X[:, :n_numeric]).sum(0)
            self._with_gaps = tuple(np.flatnonzero(n_missing >= _LEAST_GAPS_TO_SHOW).tolist())
        return super()._rows(X, reset=reset)

    def _with_output(
        self, shape: tuple[int, ...], n_outputs: int, output_activation: str, loss: Loss
    ) -> Network:
        return mlp(
            n_features=shape[0],
            n_outputs=n_outputs,
            hidden_units=units_per_layer(self._hidden_units(), self.hidden_layers),
            activation=names.resolved_activation(self.activation),
            output_activation=output_activation,
            loss=loss,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            l1=self.l1,
            l2=self.l2,
            batch_norm=self.batch_norm,
            input_batch_norm=bool(self.input_batch_norm),
            **self._first_layers(shape[0]),
            feature_scale=bool(self.feature_scale),
            parametric_activation=bool(self.parametric_activation),
            shared_members=int(self.shared_members),
        )

    def _hidden_units(self) -> Any:
        is_auto = isinstance(self.hidden_units, str)
        return auto_hidden_units(self._n_train) if is_auto else self.hidden_units

    def _first_layers(self, n_features: int) -> dict[str, Layer]:
        """Return what makes numbers of categories and gaps, scales numbers and embeds them."""
        encoder = self._encoder
        n_numeric = n_features if encoder is None else len(encoder.numbers)
        layers: dict[str, Layer] = {}
        if encoder is not None:
            layers["categories"] = Layer.of(
                "Categories",
                n_numeric=n_numeric,
                one_hot=encoder.one_hot,
                embedded=encoder.embedded,
                units=int(self.category_units),
            )
        if n_numeric == 0:
            return layers
        where = {} if encoder is None else {"n_numeric": n_numeric}
        if self.input_scaling is not None:
            layers["smooth_clip"] = Layer.of("SmoothClip", **where)
        if self.missing_numbers is not None:
            layers["missing"] = Layer.of(
                "MissingNumbers", n_numeric=n_numeric, shown=self._with_gaps
            )
            # Behind the others now stand columns that say where numbers were missing.
            where = {"n_numeric": n_numeric}
        kind = self.numeric_embedding
        if kind == "auto":
            kind = auto_numeric_embedding(self._n_train)
        if kind is not None:
            layers["embedding"] = numeric_embedding(
                kind,
                n_frequencies=self.n_frequencies,
                frequency_scale=self.frequency_scale,
                units=self.embedding_units,
                n_bins=auto_n_bins(self._n_train) if self.n_bins == "auto" else int(self.n_bins),
                **where,
            )
        return layers

    def _search_space(self) -> dict[str, Choice | Number]:
        space: dict[str, Choice | Number] = {}
        if isinstance(self.optimizer, str | type):
            space["weight_decay"] = Number(1e-5, 1e-1, log=True)
            if self.optimizer in {"adam", "adamw", "nadam"}:
                space["beta_2"] = Choice(0.95, 0.999)
        # Embeddings want dense rows, so whether there are any is for the user to say.
        if self.numeric_embedding in {"periodic", "plr", "pbld"}:
            space["n_frequencies"] = Choice(8, 16, 32)
            space["frequency_scale"] = Number(0.01, 10.0, log=True)
        elif self.numeric_embedding in {"auto", "piecewise_linear"}:
            space["n_bins"] = Choice(8, 16, 32, 64, 128)
        return {
            "hidden_units": Choice(32, 64, 128, 256),
            "hidden_layers": Number(1, 4),
            "dropout": Number(0.0, 0.5, step=0.05),
            "l1": Number(1e-7, 1e-3, log=True),
            "l2": Number(1e-6, 1e-2, log=True),
            "batch_norm": Choice(None, "before_activation"),
            **space,
            **super()._search_space(),
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self._needs_dense_rows()
        tags.input_tags.allow_nan = self.missing_numbers is not None
        tags.input_tags.categorical = self.categorical_features is not None
        return tags


def _listed(values: dict[str, Any]) -> str:
    return " and ".join(f"{name}={value!r}" for name, value in values.items())


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
        Let each hidden unit learn how much of the activation f there is: ``x + a (f(x) - x)``
        with a = 1 at first (Holzmüller et al. 2024). Not with a Keras layer.
    categorical_features : {"from_dtype"} or None, default=None
        ``"from_dtype"`` takes columns of a DataFrame that hold no numbers (categories, texts,
        booleans) for categories. Each of their levels seen in ``fit``, missing values among them,
        becomes a column of its own or a learned vector; levels not seen become zeros.
    max_one_hot : int, default=8
        Columns of more levels become learned vectors.
    category_units : int, default=8
        Length of the vectors.
    missing_numbers : {"learn"} or None, default=None
        ``"learn"`` takes NaN among the numbers: the network sees a learned value instead, and for
        columns with NaN in ten rows of ``fit`` or more also where it is. None refuses NaN.
    input_scaling : {"smooth_clip"} or None, default=None
        Scale the features inside the network as `SmoothClipScaler` does, by medians and quartiles
        of the training rows. Dense rows only.
    numeric_embedding : {"auto", "plr", "pbld", "periodic", "piecewise_linear"} or None, \
default=None
        Turn each feature into several numbers in front of the first layer: sines and cosines of
        learned frequencies (``"periodic"``), the same through a dense layer and ReLU for each
        feature (``"plr"``), or the place of the value among quantiles of the training rows
        (``"piecewise_linear"``), all by Gorishniy et al. 2022; or cosines with learned phases
        through a dense layer, beside the feature itself (``"pbld"``, Holzmüller et al. 2024).
        ``"auto"`` is ``"piecewise_linear"`` from 500 rows to train on, none below. Expects
        features of about unit scale. Dense rows only.
    n_frequencies : int, default=16
        Frequencies for each feature, with the first three.
    frequency_scale : float > 0, default=0.1
        Standard deviation of the frequencies at first, in periods per unit of the feature. What
        matters most of these sizes.
    embedding_units : int >= 2, default=4
        Numbers that each feature becomes with ``"plr"`` and ``"pbld"``.
    n_bins : int or "auto", default=16
        Bins for each feature with ``"piecewise_linear"``; features of few values have fewer.
        ``"auto"`` is the power of two nearest to a 40th of the rows to train on, from 8 to 128.
    feature_scale : bool, default=False
        Learn a factor for each number that enters the first layer (Holzmüller et al. 2024).
    shared_members : int, default=1
        So many networks that share their weights but for factors of each layer's inputs and
        outputs, biases, and the last layer; trained on the mean of their losses, averaged in
        prediction (TabM, Gorishniy et al. 2025). Needs a hidden layer to share.
    dropout : float in [0, 1), default=0.0
        Share of each hidden layer's units that is dropped at random in every training step
        (Srivastava et al. 2014).
    input_dropout : float in [0, 1), default=0.0
        The same for the inputs.
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    weight_decay : float >= 0 or None, default=None
        Share of each weight, times the learning rate, taken off in every step, apart from the
        gradient (Loshchilov and Hutter 2019); None for the optimizer's own, which is none but
        for ``"adamw"``.
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
    learning_rate_schedule : {"constant", "cosine", "coslog4", "plateau"}, default="constant"
        How `learning_rate` changes over the `epochs`: falling to 0 along half a cosine
        (``"cosine"``), in four ever longer waves (``"coslog4"``, Holzmüller et al. 2024), or to
        a fifth whenever `monitor` (the loss, where that is not reported) has not improved for
        half of `patience` (``"plateau"``). In ``partial_fit`` it stays constant.
    beta_2 : float in (0, 1) or None, default=None
        Decay of the mean squared gradient in Adam and its kin; None for the optimizer's own, 0.999
        in Adam. Networks on tables often gain by 0.95.
    batch_size : int or "auto", default=32
        Rows per training step; the last batch of an epoch may be smaller. ``"auto"`` is the power
        of two nearest to a 128th of the training rows, between 32 and 256.
    epochs : int or "auto", default=100
        Passes over the training rows; the most there will be with `early_stopping`. ``"auto"``
        is 64.
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

    _constraints: ClassVar[dict[str, Constraint]] = {**MLP_CONSTRAINTS, **REGRESSOR_CONSTRAINTS}
    _recipe: ClassVar[dict[str, Any]] = REGRESSOR_RECIPE

    def __init__(
        self,
        hidden_units: int | str | Sequence[int] = 128,
        *,
        hidden_layers: int = 2,
        activation: Any = "relu",
        parametric_activation: bool = False,
        categorical_features: str | None = None,
        max_one_hot: int = 8,
        category_units: int = 8,
        missing_numbers: str | None = None,
        input_scaling: str | None = None,
        numeric_embedding: str | None = None,
        n_frequencies: int = 16,
        frequency_scale: float = 0.1,
        embedding_units: int = 4,
        n_bins: int | str = 16,
        feature_scale: bool = False,
        shared_members: int = 1,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        weight_decay: float | None = None,
        batch_norm: str | None = None,
        input_batch_norm: bool = False,
        loss: Any = "mse",
        huber_delta: float = 1.0,
        quantile: float = 0.5,
        target_scaling: bool = True,
        optimizer: Any = "adam",
        learning_rate: Any = 0.001,
        learning_rate_schedule: str = "constant",
        beta_2: float | None = None,
        batch_size: int | str = 32,
        epochs: int | str = 100,
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
        self.batch_norm = batch_norm
        self.input_batch_norm = input_batch_norm
        self.loss = loss
        self.huber_delta = huber_delta
        self.quantile = quantile
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
        Let each hidden unit learn how much of the activation f there is: ``x + a (f(x) - x)``
        with a = 1 at first (Holzmüller et al. 2024). Not with a Keras layer.
    categorical_features : {"from_dtype"} or None, default=None
        ``"from_dtype"`` takes columns of a DataFrame that hold no numbers (categories, texts,
        booleans) for categories. Each of their levels seen in ``fit``, missing values among them,
        becomes a column of its own or a learned vector; levels not seen become zeros.
    max_one_hot : int, default=8
        Columns of more levels become learned vectors.
    category_units : int, default=8
        Length of the vectors.
    missing_numbers : {"learn"} or None, default=None
        ``"learn"`` takes NaN among the numbers: the network sees a learned value instead, and for
        columns with NaN in ten rows of ``fit`` or more also where it is. None refuses NaN.
    input_scaling : {"smooth_clip"} or None, default=None
        Scale the features inside the network as `SmoothClipScaler` does, by medians and quartiles
        of the training rows. Dense rows only.
    numeric_embedding : {"auto", "plr", "pbld", "periodic", "piecewise_linear"} or None, \
default=None
        Turn each feature into several numbers in front of the first layer: sines and cosines of
        learned frequencies (``"periodic"``), the same through a dense layer and ReLU for each
        feature (``"plr"``), or the place of the value among quantiles of the training rows
        (``"piecewise_linear"``), all by Gorishniy et al. 2022; or cosines with learned phases
        through a dense layer, beside the feature itself (``"pbld"``, Holzmüller et al. 2024).
        ``"auto"`` is ``"piecewise_linear"`` from 500 rows to train on, none below. Expects
        features of about unit scale. Dense rows only.
    n_frequencies : int, default=16
        Frequencies for each feature, with the first three.
    frequency_scale : float > 0, default=0.1
        Standard deviation of the frequencies at first, in periods per unit of the feature. What
        matters most of these sizes.
    embedding_units : int >= 2, default=4
        Numbers that each feature becomes with ``"plr"`` and ``"pbld"``.
    n_bins : int or "auto", default=16
        Bins for each feature with ``"piecewise_linear"``; features of few values have fewer.
        ``"auto"`` is the power of two nearest to a 40th of the rows to train on, from 8 to 128.
    feature_scale : bool, default=False
        Learn a factor for each number that enters the first layer (Holzmüller et al. 2024).
    shared_members : int, default=1
        So many networks that share their weights but for factors of each layer's inputs and
        outputs, biases, and the last layer; trained on the mean of their losses, averaged in
        prediction (TabM, Gorishniy et al. 2025). Needs a hidden layer to share.
    dropout : float in [0, 1), default=0.0
        Share of each hidden layer's units that is dropped at random in every training step
        (Srivastava et al. 2014).
    input_dropout : float in [0, 1), default=0.0
        The same for the inputs.
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    weight_decay : float >= 0 or None, default=None
        Share of each weight, times the learning rate, taken off in every step, apart from the
        gradient (Loshchilov and Hutter 2019); None for the optimizer's own, which is none but
        for ``"adamw"``.
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
    learning_rate_schedule : {"constant", "cosine", "coslog4", "plateau"}, default="constant"
        How `learning_rate` changes over the `epochs`: falling to 0 along half a cosine
        (``"cosine"``), in four ever longer waves (``"coslog4"``, Holzmüller et al. 2024), or to
        a fifth whenever `monitor` (the loss, where that is not reported) has not improved for
        half of `patience` (``"plateau"``). In ``partial_fit`` it stays constant.
    beta_2 : float in (0, 1) or None, default=None
        Decay of the mean squared gradient in Adam and its kin; None for the optimizer's own, 0.999
        in Adam. Networks on tables often gain by 0.95.
    batch_size : int or "auto", default=32
        Rows per training step; the last batch of an epoch may be smaller. ``"auto"`` is the power
        of two nearest to a 128th of the training rows, between 32 and 256.
    epochs : int or "auto", default=100
        Passes over the training rows; the most there will be with `early_stopping`. ``"auto"``
        is 64.
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

    _constraints: ClassVar[dict[str, Constraint]] = {**MLP_CONSTRAINTS, **CLASSIFIER_CONSTRAINTS}
    _recipe: ClassVar[dict[str, Any]] = CLASSIFIER_RECIPE

    def __init__(
        self,
        hidden_units: int | str | Sequence[int] = 128,
        *,
        hidden_layers: int = 2,
        activation: Any = "relu",
        parametric_activation: bool = False,
        categorical_features: str | None = None,
        max_one_hot: int = 8,
        category_units: int = 8,
        missing_numbers: str | None = None,
        input_scaling: str | None = None,
        numeric_embedding: str | None = None,
        n_frequencies: int = 16,
        frequency_scale: float = 0.1,
        embedding_units: int = 4,
        n_bins: int | str = 16,
        feature_scale: bool = False,
        shared_members: int = 1,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        weight_decay: float | None = None,
        batch_norm: str | None = None,
        input_batch_norm: bool = False,
        loss: Any = "crossentropy",
        label_smoothing: float = 0.0,
        optimizer: Any = "adam",
        learning_rate: Any = 0.001,
        learning_rate_schedule: str = "constant",
        beta_2: float | None = None,
        batch_size: int | str = 32,
        epochs: int | str = 100,
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
        self.batch_norm = batch_norm
        self.input_batch_norm = input_batch_norm
        self.loss = loss
        self.label_smoothing = label_smoothing
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
        self.class_weight = class_weight
        self.metrics = metrics
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
