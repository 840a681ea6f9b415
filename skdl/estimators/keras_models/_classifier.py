"""A Keras model of the user's as a scikit-learn classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from sklearn.utils.metaestimators import available_if

from skdl.estimators.base._classification import CLASSIFIER_CONSTRAINTS, ClassificationNetwork
from skdl.estimators.keras_models._arguments import loss_name
from skdl.estimators.keras_models._base import UserModelEstimator
from skdl.estimators.keras_models._building import n_outputs_of
from skdl.estimators.keras_models._calls import check_predict_arguments, fit_arguments
from skdl.estimators.keras_models._parameters import USER_MODEL_CONSTRAINTS
from skdl.estimators.keras_models._scorer import user_score
from skdl.estimators.keras_models._targets import EncodedTargets, UserModelClasses

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from skdl._validation import Constraint
    from skdl.estimators.keras_models._losses import Meaning

__all__ = ["KerasClassifier"]


def _meaning(estimator: Any) -> Meaning:
    """Return what the outputs of a classifier are; before ``fit``, as far as its loss tells."""
    if "_trained" in vars(estimator):
        return getattr(vars(estimator)["_targets"], "meaning", "probabilities")
    try:
        name = loss_name(estimator.loss) or ""
    except ValueError:
        name = ""
    return "margins" if "hinge" in name else "probabilities"


def _gives_probabilities(estimator: Any) -> bool:
    if _meaning(estimator) == "probabilities":
        return True
    raise AttributeError(
        f"{type(estimator).__name__} has no predict_proba here: its outputs are no probabilities, "
        f"as they are trained by loss={estimator.loss!r} and come out of no sigmoid or softmax. "
        "Use decision_function, or a model that ends in a sigmoid or softmax, with a cross-entropy."
    )


def _gives_decisions(estimator: Any) -> bool:
    if _meaning(estimator) != "probabilities":
        return True
    raise AttributeError(
        f"{type(estimator).__name__} has no decision_function here: its outputs are "
        "probabilities. Use predict_proba."
    )


class KerasClassifier(UserModelEstimator, ClassificationNetwork):
    """A Keras model of the user's own as a scikit-learn classifier.

    Parameters
    ----------
    model : callable or keras.Model, default=None
        A function that returns a Keras model, compiled or not: Sequential, functional or a
        subclass. It is called for each fit with the user's own parameters that have no prefix,
        with those routed by ``model__``, and, where it has such arguments, with ``meta``, a dict
        of what is known of the data (``n_features_in_``, ``X_shape_``, ``target_type_``,
        ``n_classes_``, ...), ``compile_kwargs``, a dict for ``keras.Model.compile`` from
        `optimizer`, `loss` and `metrics`, and ``params``, all parameters. Or a Keras model, of
        which each fit trains a copy, from the weights that it has; itself it is never changed.
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
    class_weight : "balanced", dict or None, default=None
        Weight of each class in the loss; ``"balanced"`` is ``n_samples / (n_classes * count)``, so
        that all classes count alike. Multiplied by the sample weights.
    early_stopping : bool, default=False
        Stop when `monitor` has not improved for `patience` epochs. Unless there are validation
        rows, `validation_fraction` of the training rows become validation rows.
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
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multilabel and one-hot targets the column numbers.
    n_classes_ : int
        Their number.
    n_outputs_ : int
        Number of columns of `y`: 1, or the number of labels in multilabel targets.
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
    KerasRegressor : The same for numbers.
    MLPClassifier : A network from parameters, without a function.

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
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl import KerasClassifier
    >>> def build(units, meta):
    ...     return keras.Sequential(
    ...         [
    ...             keras.Input((meta["n_features_in_"],)),
    ...             keras.layers.Dense(units, activation="relu"),
    ...             keras.layers.Dense(meta["n_classes_"], activation="softmax"),
    ...         ]
    ...     )
    >>> X, y = load_iris(return_X_y=True)
    >>> network = KerasClassifier(
    ...     build,
    ...     loss="sparse_categorical_crossentropy",
    ...     optimizer="adam",
    ...     epochs=100,
    ...     units=16,
    ...     random_state=0,
    ... )
    >>> pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> bool(pipeline.score(X, y) > 0.9)
    True
    """

    # Said here, too: others of the package load it by its own module.
    __module__ = "skdl.estimators"

    _constraints: ClassVar[dict[str, Constraint]] = {
        **USER_MODEL_CONSTRAINTS,
        "class_weight": CLASSIFIER_CONSTRAINTS["class_weight"],
    }

    # `UserModelClasses`, or `EncodedTargets` in a subclass with an encoder.
    _targets: Any

    def __init__(
        self,
        model: Any = None,
        *,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int = 1,
        batch_size: int | None = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        class_weight: Any = None,
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
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.callbacks = callbacks
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.shuffle = shuffle
        self.class_weight = class_weight
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

    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: ArrayLike | None = None,
        sample_weight: Any = None,
        n_samples: int | None = None,
        **fit_params: Any,
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
        **fit_params : object
            `batch_size`, `callbacks`, `class_weight` (of classifiers), `shuffle` and `verbose`,
            for this call alone, as in SciKeras.

        Returns
        -------
        self : object
        """
        taken = fit_arguments(
            type(self).__name__, fit_params, method="partial_fit", takes_class_weight=True
        )
        with self._for_one_call(taken):
            return super().partial_fit(X, y, classes, sample_weight, n_samples)

    def predict(self, X: Any, **predict_params: Any) -> Any:
        """Predict the most probable class of each row, or for multilabel targets 0 and 1.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.
        **predict_params : object
            `batch_size` and `verbose`, as in SciKeras; they change nothing.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            With a ``target_encoder``, what that gives.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_predict_arguments(type(self).__name__, "predict", predict_params)
        return super().predict(X)

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any, **predict_params: Any) -> Any:
        """Predict the probability of each class.

        It is there if the network's outputs are probabilities: they come out of a sigmoid or
        softmax, or are trained by a cross-entropy. Otherwise there is `decision_function`.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.
        **predict_params : object
            `batch_size` and `verbose`, as in SciKeras; they change nothing.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            Columns follow ``classes_``; each row sums to 1. For multilabel targets the
            probability of each label. With a ``target_encoder``, what that gives.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_predict_arguments(type(self).__name__, "predict_proba", predict_params)
        return super().predict_proba(X)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the logarithm of the probability of each class, where there are probabilities.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), float64
            ``-inf`` where a probability is 0.
        """
        return super().predict_log_proba(X)

    @available_if(_gives_decisions)
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the network's outputs, from the border between the classes.

        It is there if the outputs are no probabilities. The border is 0 for hinge losses, and 0.5
        for all others, whose targets are 0 and 1.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        decision : ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_labels)
            Above 0 for the second of two classes, or for a label that is predicted; of several
            classes, the one with the highest number is predicted.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        return self._targets.decision(self._outputs(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows predicted right; for multilabel targets in all labels.

        Parameters
        ----------
        X : array-like or CSR matrix
            Rows in the form in which ``fit`` was given them.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True labels; rows of labels that were not seen in ``fit`` count as wrong.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float
            What a subclass's own ``scorer`` returns, if it has one.
        """
        own_score = user_score(self, X, y, sample_weight)
        return super().score(X, y, sample_weight) if own_score is None else own_score

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        n_outputs = n_outputs_of(self._model_given)
        if n_outputs is not None:
            tags.classifier_tags.multi_class = n_outputs > 1
            tags.classifier_tags.multi_label = n_outputs > 1
        return tags

    def _make_targets(self, announced: NDArray[Any] | None = None) -> Any:
        owner, weights = type(self).__name__, self._effective("class_weight")
        if self.target_encoder is not None:
            return EncodedTargets(owner, are_classes=True, class_weight=weights)
        return UserModelClasses(owner, loss=self.loss, class_weight=weights, announced=announced)
