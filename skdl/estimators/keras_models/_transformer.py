"""A Keras model of the user's own as a scikit-learn transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from skdl._validation import Boolean, Constraint, Predicate
from skdl.estimators.base._training_data import checked_rows
from skdl.estimators.keras_models._base import UserModelEstimator
from skdl.estimators.keras_models._parameters import USER_MODEL_CONSTRAINTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.training import Trained

__all__ = ["KerasTransformer"]

_ROWS_AT_ONCE = 1024


class KerasTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, UserModelEstimator):
    """A Keras model of the user's own as a transformer, such as an autoencoder.

    ``transform`` gives the output of a layer of the trained model, which learns to give back its
    rows, or to predict `y` if `supervised`.

    Parameters
    ----------
    model : callable or keras.Model, default=None
        A function that returns a Keras model, compiled or not: Sequential, functional or a
        subclass. It is called for each fit with the user's own parameters that have no prefix,
        with those routed by ``model__``, and, where it has such arguments, with ``meta``, a dict
        of what is known of the data (``n_features_in_``, ``X_shape_``, ``target_type_``,
        ``n_outputs_``, ...), ``compile_kwargs``, a dict for ``keras.Model.compile`` from
        `optimizer`, `loss` and `metrics`, and ``params``, all parameters. Or a Keras model, of
        which each fit trains a copy, from the weights that it has; itself it is never changed.
    layer : str or None, default=None
        Name of the layer whose output ``transform`` gives; None takes the model's own.
    supervised : bool, default=False
        Learn to predict `y`. Otherwise `y` is ignored, and targets are the rows themselves, images
        and the like as flat rows.
    optimizer : str, class or keras.optimizers.Optimizer, default="rmsprop"
        For a model that is not compiled; one compiled with another optimizer is refused, unless
        this is the default. ``optimizer__learning_rate`` and the like are given to a name or class;
        an object is not changed by ``fit``.
    loss : str, class, callable or keras.losses.Loss, default=None
        For a model that is not compiled; needed there. Names, classes and functions are averaged by
        the sample weights. An object keeps its own reduction, as does the loss of a model that the
        function compiles with a loss of its own: Keras divides by the number of rows.
        ``loss__delta`` and the like are given to a name or class.
    metrics : str, class, callable, keras.metrics.Metric, or list of them, default=None
        For a model that is not compiled; one compiled without them is refused. Reported per epoch
        in ``history_``.
    callbacks : keras.callbacks.Callback or class, or list or dict of them, default=None
        ``callbacks__patience`` and the like are given to a class; with the position or key
        between, ``callbacks__0__patience``, to one of several. Any that acts on batches makes
        ``fit`` train through ``keras.Model.fit``.
    epochs : int, default=1
        Passes over the training rows; with `early_stopping`, the maximum.
    batch_size : int or None, default=None
        Rows per training step; None takes 32, -1 all rows.
    validation_split : float in [0, 1), default=0.0
        Fraction of the rows, from the end, that become validation rows, as in ``keras.Model.fit``.
    shuffle : bool, default=True
        Draw a new order of the training rows for each epoch.
    target_scaling : bool or pair, default=False
        Let the network learn ``(y - mean) / standard deviation`` of the training rows, each
        output apart. Predictions and metrics are in y's own units, losses in the network's.
        A pair ``(offset, scale)``, of numbers or one for each output, takes the place of mean and
        standard deviation: ``partial_fit`` would learn them from its first rows alone.
    early_stopping : bool, default=False
        Stop when `monitor` has not improved for `patience` epochs. Unless there are validation
        rows, `validation_fraction` of the training rows become validation rows.
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
    warm_start : bool, default=False
        Let ``fit`` continue from the last fit's weights, and from its optimizer state if this was
        True there too.
    random_state : int, RandomState or None, default=None
        Decides initial weights, order of rows, dropout and the inner validation split. Random
        numbers that a function draws from TensorFlow itself are not under its control.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and validation loss.
    **kwargs : object
        Parameters of the user's own: arguments of the function that builds the model, and routed
        ones (``model__units``, ``optimizer__learning_rate``, ``fit__epochs``, ...). They are
        parameters as any other, to search and to clone.

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
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.
    n_outputs_ : int
        Number of targets.
    target_offset_, target_scale_ : ndarray of shape (n_outputs,)
        ``y = output * target_scale_ + target_offset_``; 0 and 1 without `target_scaling`.
    n_outputs_expected_ : int
        Number of outputs of the model: 1, unless an encoder of the targets says otherwise.
    X_shape_ : tuple of int
        Shape of `X` in fit.
    X_dtype_ : dtype
        Type of the numbers that the network is given.
    target_type_ : str
        Kind of the targets in fit, see :func:`sklearn.utils.multiclass.type_of_target`.
    y_dtype_ : dtype
        Type of the targets in fit.
    y_ndim_ : int
        Their number of axes.
    feature_encoder_ : transformer
        What rows go through before the network: the ``feature_encoder`` of a subclass, fitted, else
        one that leaves them as they are.
    target_encoder_ : transformer
        Targets as the network learns them; its ``inverse_transform`` makes predictions of outputs.
    callbacks_ : list of keras.callbacks.Callback
        Copies of the callbacks that the last fit used, with what they collected.
    current_epoch : int
        Epochs of the fitted network, 0 before ``fit``, as in SciKeras; see `n_iter_`.
    initialized_ : bool
        Whether ``predict`` can be called, as in SciKeras.

    See Also
    --------
    KerasRegressor : To predict numbers.

    Notes
    -----
    A model with one input and one output, made of layers with single uses, trains in the graph
    and in lockstep. Anything else trains through ``keras.Model.fit``, and the log says why at
    level INFO.

    A subclass may build the model in a method ``_keras_build_fn``, with `model` left at None, and
    may have properties ``feature_encoder`` and ``target_encoder``, transformers that turn `X` and
    `y` into what a model of several inputs or outputs takes, and a static method ``scorer``.

    Examples
    --------
    >>> import keras
    >>> from sklearn.datasets import load_digits
    >>> from skdl import KerasTransformer
    >>> def build(n_codes, meta):
    ...     n_features = meta["n_features_in_"]
    ...     rows = keras.Input((n_features,))
    ...     codes = keras.layers.Dense(n_codes, activation="relu", name="codes")(rows)
    ...     return keras.Model(rows, keras.layers.Dense(n_features)(codes))
    >>> X = load_digits().data / 16
    >>> network = KerasTransformer(
    ...     build, layer="codes", n_codes=8, loss="mse", optimizer="adam", epochs=5, random_state=0
    ... )
    >>> network.fit_transform(X).shape
    (1797, 8)
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **USER_MODEL_CONSTRAINTS,
        "layer": Predicate(
            lambda value: value is None or isinstance(value, str), "the name of a layer, or None"
        ),
        "supervised": Boolean(),
    }

    def __init__(
        self,
        model: Any = None,
        *,
        layer: str | None = None,
        supervised: bool = False,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int = 1,
        batch_size: int | None = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        target_scaling: bool | tuple[Any, Any] = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best_weights: bool = True,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **kwargs: Any,
    ) -> None:
        self.model = model
        self.layer = layer
        self.supervised = supervised
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.callbacks = callbacks
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.shuffle = shuffle
        self.target_scaling = target_scaling
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best_weights = restore_best_weights
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.__dict__.update(kwargs)

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
        time: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, ...)
            Finite numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, ignored unless `supervised`.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss; rows of weight 0 are left out.
        X_val, y_val : array-like, default=None
            Validation rows, scored after every epoch; with ``early_stopping=True`` they decide
            when to stop, and no rows of `X` are held out. `y_val` as `y`.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Weights of the validation rows.
        groups : array-like of shape (n_samples,), default=None
            With ``early_stopping=True``, rows of one group stay on one side of the inner split.
            Those given to ``cross_validate``, `OptunaSearchCV` or a K-fold ensemble of skdl come
            here by themselves, through pipelines too.
        time : array-like of shape (n_samples,) or str, default=None
            Numbers, dates, or the name of a column of `X`. With ``early_stopping=True``, the latest
            rows are held out, and equal times stay on one side. It comes here as `groups` do.
        **fit_params : object
            Arguments of ``keras.Model.fit`` for this call alone, as in SciKeras: `epochs`,
            `batch_size`, `callbacks` (beside those of the estimator), `class_weight` (of
            classifiers), `shuffle`, `validation_data`, `validation_split`, `verbose`. A
            `MigrationWarning` says what is better.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described; the message says which.
        DivergenceError
            If the loss becomes NaN or infinite and there is no earlier epoch to go back to.
        """
        if X_val is not None:
            y_val = self._targets_of(X_val, y_val)
        super().fit(
            X,
            self._targets_of(X, y),
            sample_weight,
            X_val,
            y_val,
            sample_weight_val,
            groups,
            time,
            **fit_params,
        )
        return self

    def initialize(self, X: Any, y: Any = None, weights: Any = None) -> Self:
        """Build the network for these rows without training it, as a way to use given weights.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, ...)
            Rows; what matters is their shape and, with a ``feature_encoder``, what it learns.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, ignored unless `supervised`.
        weights : str, path or list of ndarray, default=None
            Weights of the network: a file as ``keras.Model.load_weights`` takes it, or arrays as
            ``keras.Model.get_weights`` gives them; by default those that the model begins with.

        Returns
        -------
        self : object
            The estimator, which counts as fitted.

        Raises
        ------
        ValueError
            If a parameter, the data or the weights do not fit.
        """
        super().initialize(X, self._targets_of(X, y), weights)
        return self

    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, n_samples: int | None = None
    ) -> Self:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, ignored unless `supervised`.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss.
        n_samples : int, default=None
            Rows of one pass over all data, of which these are a block: ``n_iter_`` then counts
            passes. None: each call is a pass.

        Returns
        -------
        self : object
        """
        self._partial_fit(X, self._targets_of(X, y), sample_weight, n_samples=n_samples)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the output of the layer, one flat row for each row.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes), float32

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        if self.layer is None:
            outputs = self._outputs(X)
        else:
            rows = self._to_inputs(checked_rows(self, X))
            rows = rows.toarray() if sparse.issparse(rows) else rows
            outputs = self._inner().predict(rows, batch_size=_ROWS_AT_ONCE, verbose=0)
        return np.asarray(outputs, np.float32).reshape(len(outputs), -1)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the coefficient of determination R² of what the model gives.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What it should give, ignored unless `supervised`.

        Returns
        -------
        score : float
        """
        return float(r2_score(self._targets_of(X, y), self.reconstruct(X)))

    def reconstruct(self, X: Any) -> NDArray[np.float64]:
        """Return what the model gives: the rows again, as far as it can tell.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        rows : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        outputs = self._outputs(X)
        return self._targets.decode(outputs)

    @property
    def predict(self) -> Any:
        """Not there: a transformer does not predict."""
        raise AttributeError(
            f"{type(self).__name__} has no predict; reconstruct gives what the model gives."
        )

    def _targets_of(self, X: Any, y: Any) -> Any:
        """Return what the model is to give for rows."""
        if self.supervised:
            return y
        if sparse.issparse(X):
            return X.toarray()
        rows = np.asarray(X)
        return rows.reshape(len(rows), -1) if rows.shape[2:] else rows

    def _set_fitted(self, trained: Trained) -> None:
        self.__dict__.pop("_inner_model", None)
        super()._set_fitted(trained)
        self._n_features_out = self._shape_of_layer()

    def _shape_of_layer(self) -> int:
        """Return how many numbers `transform` gives for a row."""
        if self.layer is None:
            return self.n_outputs_
        return int(np.prod(self._inner().output_shape[1:]))

    def _inner(self) -> Any:
        """Return the Keras model from the input to the layer."""
        import keras

        inner = self.__dict__.get("_inner_model")
        if inner is None:
            model = self.model_
            names = [layer.name for layer in model.layers]
            if self.layer not in names:
                raise ValueError(
                    f"{type(self).__name__}: layer={self.layer!r} is not a layer of the model. "
                    f"Expected one of {names}."
                )
            outputs = model.get_layer(self.layer).output
            # A Sequential has no `input` before it is called. Of others, not `inputs`: given a
            # list, Keras 3.8 warns of an array that comes without one.
            inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
            inner = self._inner_model = keras.Model(inputs, outputs)
        return inner

    def _kept_state(self) -> dict[str, Any]:
        state = super()._kept_state()
        return {name: value for name, value in state.items() if name != "_inner_model"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []
        return tags
