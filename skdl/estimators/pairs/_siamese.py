"""Embeddings of rows, learned from which rows are alike, as a scikit-learn transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from skdl._compat_tensorflow import check_not_forked
from skdl._data_checks import check_outputs, naming
from skdl._tensorflow_import import announced
from skdl._validation import (
    AnyOf,
    Boolean,
    Constraint,
    Integer,
    OneOf,
    Real,
    SequenceOf,
    check_parameters,
)
from skdl.estimators.base import CONSTRAINTS, PublicEstimatorMixin, all_or_nothing
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._image_shape import AXES_OF_A_TABLE, AXES_OF_SPACE, ImageRows
from skdl.estimators.base._parameters import MAX_LAYERS, check_learning_rate
from skdl.estimators.base._training_data import checked_targets
from skdl.estimators.base._user_functions import check_activation
from skdl.estimators.pairs._pair_batches import ClassBatches
from skdl.estimators.pairs._pair_losses import pair_loss
from skdl.exceptions import DivergenceError, InvalidParameterError
from skdl.layers import blueprint_of, keras_model
from skdl.networks import Loss, cnn, mlp, preserved_generators
from skdl.training import Job, Rows, Trained, initial_weights, predict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import keras
    from numpy.typing import NDArray

    from skdl.networks import Network

__all__ = ["SiameseTransformer"]

_UNITS = AnyOf(Integer(1, example=64), SequenceOf(Integer(1), max_length=MAX_LAYERS))
# Hadsell et al. 2006 leave it open; 0.2 is that of Schroff et al. 2015, section 3.1.
_MARGINS = {"contrastive": 1.0, "triplet": 0.2}
_SMALLEST_LENGTH = 1e-12


class SiameseTransformer(
    ImageRows,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    PublicEstimatorMixin,
    BaseEstimator,
):
    """Embeddings in which rows of one class are near each other: a Keras network as a transformer.

    One network embeds all rows of a pair or triplet. ``transform`` gives the embeddings, so that a
    nearest-neighbour classifier or a search for similar rows follows in a Pipeline.

    Parameters
    ----------
    n_components : int, default=16
        Length of an embedding.
    loss : {"triplet", "contrastive"}, default="triplet"
        ``"triplet"``: a row is nearer to rows of its class than to others, by `margin` in squared
        distances (Schroff et al. 2015, Eq. 1 to 3), over all triplets of a batch that are not yet.
        ``"contrastive"``: rows of one class meet, others are `margin` apart (Hadsell et al. 2006,
        Eq. 4), over all pairs of a batch, those alike with the same weight as the others.
    margin : float > 0 or None, default=None
        None is 0.2 for triplets and 1 for pairs.
    normalize : bool, default=True
        Divide embeddings by their length, so that distances are at most 2.
    hidden_units : int or sequence of int, default=(128,)
        Units of each hidden layer; of images, between the convolutions and the embedding.
    filters : int or sequence of int, default=(16, 32)
        Filters of the 3×3 convolutions of images, each followed by max pooling; not used for
        tables.
    image_shape : sequence of int or None, default=None
        Shape of one image where rows of `X` are flat: ``(height, width)`` or
        ``(height, width, channels)``. Without it, flat rows are a table.
    activation : str, callable or Keras layer, default="relu"
        Activation of all layers but the last.
    dropout : float in [0, 1), default=0.0
        Fraction of the values of each hidden layer that is dropped at random in every training
        step (Srivastava et al. 2014).
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    optimizer : str, class or keras.optimizers.Optimizer, default="adam"
        ``fit`` does not change an object, and uses the object's own learning rate.
    learning_rate : float or Keras schedule, default=0.001
        Must be left at its default when `optimizer` is an object.
    batch_size : int, default=64
        Rows per training step, of which all pairs or triplets count.
    rows_per_class : int, default=4
        Rows of each class in a batch, more where there are few classes; at least 2.
    epochs : int, default=20
        Times ``n_samples / batch_size`` training steps.
    random_state : int, RandomState or None, default=None
        Decides initial weights, batches and dropout.
    verbose : int, default=0
        1 prints a line for each epoch.

    Attributes
    ----------
    model_ : keras.Model
        Keras model from rows to embeddings with the trained weights, built when first asked for.
    history_ : dict of str to list of float
        ``loss`` per epoch: the mean over its batches, regularisation included.
    n_iter_ : int
        Number of epochs run.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    image_shape_ : tuple of int
        Shape of one image: (height, width, channels).
    n_features_in_ : int
        Length of X's second axis in fit: features of flat rows, the height of images.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.

    See Also
    --------
    KerasTransformer : Codes of a model of your own, such as an autoencoder.
    sklearn.neighbors.NeighborhoodComponentsAnalysis : A linear map, for small tables.

    Notes
    -----
    A batch is drawn class by class: ``batch_size // rows_per_class`` classes, or all if there are
    fewer, and as many rows of each. So small classes count as much as large ones.

    It trains through ``keras.Model.fit``, as a loss of pairs is none of single rows: folds do not
    train in lockstep.

    Images of uint8 are divided by 255 inside the network; other numbers stay unchanged.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdl import SiameseTransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> pipeline = make_pipeline(
    ...     SiameseTransformer(8, epochs=5, random_state=0), KNeighborsClassifier(5)
    ... )
    >>> bool(pipeline.fit(X[:1000] / 16, y[:1000]).score(X[1000:] / 16, y[1000:]) > 0.9)
    True
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **{
            name: CONSTRAINTS[name]
            for name in (
                "activation", "dropout", "l2", "optimizer", "learning_rate", "epochs",
                "random_state", "verbose",
            )
        },
        "n_components": Integer(1, example=16),
        "loss": OneOf("triplet", "contrastive"),
        "margin": AnyOf(OneOf(None), Real(0, low_open=True, example=0.2)),
        "normalize": Boolean(),
        "hidden_units": _UNITS,
        "filters": _UNITS,
        "image_shape": AnyOf(
            OneOf(None), SequenceOf(Integer(1, example=8), min_length=2, max_length=3)
        ),
        "batch_size": Integer(4, example=64),
        "rows_per_class": Integer(2, example=4),
    }  # fmt: skip
    _trained: Trained
    _is_table: bool
    # As of CNNs; no parameter of this estimator.
    rescale = "auto"
    _kinds_of_state: ClassVar[dict[str, Any]] = {"_trained": Trained}

    def __init__(
        self,
        n_components: int = 16,
        *,
        loss: Literal["triplet", "contrastive"] = "triplet",
        margin: float | None = None,
        normalize: bool = True,
        hidden_units: int | Sequence[int] = (128,),
        filters: int | Sequence[int] = (16, 32),
        image_shape: Sequence[int] | None = None,
        activation: Any = "relu",
        dropout: float = 0.0,
        l2: float = 0.0,
        optimizer: Any = "adam",
        learning_rate: Any = 0.001,
        batch_size: int = 64,
        rows_per_class: int = 4,
        epochs: int = 20,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.loss = loss
        self.margin = margin
        self.normalize = normalize
        self.hidden_units = hidden_units
        self.filters = filters
        self.image_shape = image_shape
        self.activation = activation
        self.dropout = dropout
        self.l2 = l2
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.rows_per_class = rows_per_class
        self.epochs = epochs
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------ fitting

    def fit(self, X: Any, y: Any) -> Self:
        """Train the network on pairs or triplets of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
            Finite numbers; images may be uint8. For flat images see `image_shape`.
        y : array-like of shape (n_samples,)
            Labels: rows of one label are alike.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described; the message says which.
        DivergenceError
            If the loss becomes NaN or infinite.
        """
        owner = type(self).__name__
        check_not_forked(owner)
        with announced(self.verbose), all_or_nothing(self):
            check_parameters(owner, self.get_params(deep=False), self._constraints)
            check_activation(owner, self.activation)
            check_learning_rate(owner, self.optimizer, self.learning_rate)
            if y is not None:
                y = checked_targets(self, y, "y")
            with naming(owner, "X"):
                X, y = validate_data(self, X, y, **self._accepted_rows)
            check_classification_targets(y)
            classes, codes = np.unique(y, return_inverse=True)
            _check_pairs(owner, classes, codes)
            self.classes_ = classes
            rows = self._to_network_rows(X, reset=True)
            rng = check_random_state(self.random_state)
            seed = int(rng.randint(np.iinfo(np.int32).max))
            self._set_fitted(self._train(rows, codes, seed))
        return self

    def _auto_scale(self, X: NDArray[Any]) -> float:
        return 1 / 255 if X.dtype == np.uint8 else 1.0

    def _to_network_rows(self, X: NDArray[Any], *, reset: bool) -> NDArray[Any]:
        """Return checked rows as features, or as images with their channels."""
        if reset:
            self._is_table = X.ndim == AXES_OF_A_TABLE and self.image_shape is None
        if self._is_table:
            return X.astype(np.float32, copy=False)
        images = self._as_images(X, AXES_OF_SPACE, reset=reset)
        n_poolings = np.size(self.filters)
        if reset and min(self.image_shape_[:2]) < 2**n_poolings:
            raise ValueError(
                f"{type(self).__name__}: {n_poolings} poolings leave nothing of images of shape "
                f"{self.image_shape_}. Expected fewer filters (filters={self.filters!r}), or "
                "larger images."
            )
        return images

    def _network(self, shape: tuple[int, ...]) -> Network:
        common: dict[str, Any] = {
            "n_outputs": self.n_components,
            "hidden_units": [int(n) for n in np.atleast_1d(self.hidden_units)],
            "activation": names.resolved_activation(self.activation),
            "output_activation": "linear",
            # Stands for the loss of pairs, of which the network knows nothing.
            "loss": Loss("mse"),
            "dropout": self.dropout,
            "l2": self.l2,
        }
        if len(shape) == 1:
            return mlp(n_features=shape[0], **common)
        return cnn(
            input_shape=shape,
            filters=[int(n) for n in np.atleast_1d(self.filters)],
            kernel_size=(3, 3),
            scale=self._scale,
            **common,
        )

    def _train(self, X: NDArray[Any], codes: NDArray[np.intp], seed: int) -> Trained:
        network = self._network(X.shape[1:])
        optimizer = names.described_optimizer(self.optimizer, self.learning_rate)
        labels = codes.astype(np.float32)[:, None]
        first = Job(network, Rows(X, labels), optimizer, self.epochs, self.batch_size, seed)
        model = keras_model(network, seed)
        model.set_weights(initial_weights(first))
        margin = _MARGINS[self.loss] if self.margin is None else float(self.margin)
        loss = pair_loss(self.loss, margin=margin, normalize=self.normalize)
        batches = ClassBatches(
            codes, self.batch_size, self.rows_per_class, np.random.default_rng(seed)
        )
        with preserved_generators():
            model.compile(optimizer=optimizer.source.build(), loss=loss)
            history = model.fit(
                _endless(X, labels, batches),
                steps_per_epoch=batches.n_batches,
                epochs=self.epochs,
                shuffle=False,
                verbose=2 if self.verbose else 0,
            ).history
        losses = [float(value) for value in history["loss"]]
        wrong = ~np.isfinite(losses)
        if wrong.any():
            epoch = int(wrong.argmax())
            raise DivergenceError(type(self).__name__, epoch + 1, losses[epoch])
        weights, statistics = blueprint_of(network).layout.join(model.get_weights())
        n_steps = self.epochs * batches.n_batches
        return Trained(
            network, weights, statistics, {"loss": losses}, self.epochs, self.epochs, n_steps
        )

    def _set_fitted(self, trained: Trained) -> None:
        self.__dict__.pop("_keras_model", None)
        self._trained = trained
        self.history_ = trained.history
        self.n_iter_ = trained.n_epochs
        self._n_features_out = blueprint_of(trained.network).n_outputs
        # What `transform` does follows the fit, whatever parameters are set later.
        self._divides_by_length = bool(self.normalize)

    # ------------------------------------------------------------------ the fitted estimator

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the embeddings of rows.

        Parameters
        ----------
        X : array-like
            Rows in the form in which ``fit`` was given them.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, n_components), float32
            Of length 1 if `normalize`.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        owner = type(self).__name__
        check_not_forked(owner)
        with naming(owner, "X"):
            if self._is_table:
                X = validate_data(self, X, reset=False, **self._accepted_rows)
            else:
                X = self._checked_as_in_fit(X)
        rows = self._to_network_rows(X, reset=False)
        embeddings = predict(self._trained, rows)
        check_outputs(owner, rows, embeddings)
        if self._divides_by_length:
            lengths = np.sqrt(np.square(embeddings).sum(1, keepdims=True))
            embeddings = embeddings / np.maximum(lengths, _SMALLEST_LENGTH)
        return embeddings

    @property
    def model_(self) -> keras.Model:
        """Keras model from rows to embeddings, built when first asked for."""
        check_is_fitted(self)
        model = self.__dict__.get("_keras_model")
        if model is None:
            import keras

            model = keras_model(self._trained.network)
            model.set_weights(self._trained.arrays)
            if self._divides_by_length:
                model = keras.Sequential([model, keras.layers.UnitNormalization()])
            self._keras_model = model
        return model

    def _kept_state(self) -> dict[str, Any]:
        state = super()._kept_state()
        return {
            name: names.pickled(value) for name, value in state.items() if name != "_keras_model"
        }

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state({name: names.unpickled(value) for name, value in state.items()})

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_trained")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _check_pairs(owner: str, classes: NDArray[Any], codes: NDArray[np.intp]) -> None:
    """Refuse labels of which no two rows are alike, or no two unlike."""
    n_classes = len(classes)
    if n_classes < _LEAST_CLASSES or np.bincount(codes).max() < _LEAST_ROWS:
        plural = "es" if n_classes > 1 else ""
        raise InvalidParameterError(
            f"{owner}: y has {n_classes} class{plural} in {len(codes)} rows. Expected rows of at "
            "least 2 classes, one of them with at least 2 rows: pairs of rows that are alike, and "
            "of rows that are not, are what it learns from."
        )


_LEAST_CLASSES, _LEAST_ROWS = 2, 2


def _endless(
    X: NDArray[Any], labels: NDArray[np.float32], batches: ClassBatches
) -> Iterator[tuple[NDArray[Any], NDArray[np.float32]]]:
    while True:
        for rows in batches:
            yield X[rows], labels[rows]
