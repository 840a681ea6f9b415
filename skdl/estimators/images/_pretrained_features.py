"""Images to features by a pretrained network, as a scikit-learn transformer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skdl._validation import (
    RANDOM_STATE,
    AnyOf,
    Constraint,
    Integer,
    OneOf,
    Predicate,
    Real,
    SequenceOf,
    check_parameters,
)
from skdl.estimators.base._image_shape import AXES_OF_SPACE, IMAGE_SHAPE, ImageRows
from skdl.estimators.base._parameters import CALLABLE, is_keras
from skdl.estimators.base._public_estimator import PublicEstimatorMixin
from skdl.estimators.base._whole_fit import all_or_nothing
from skdl.estimators.images._backbone import Extractor
from skdl.estimators.images._chosen_backbone import extractor_for, is_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import keras
    from numpy.typing import NDArray

__all__ = ["BACKBONE_CONSTRAINTS", "BackboneRows", "PretrainedFeatures"]

_PATH = Predicate(lambda value: isinstance(value, str | os.PathLike), "a name or path")
BACKBONE_CONSTRAINTS: dict[str, Constraint] = {
    "backbone": AnyOf(_PATH, Predicate(is_keras("Model"), "a keras.Model")),
    "weights": AnyOf(OneOf(None), _PATH),
    "backbone_params": AnyOf(
        OneOf(None), Predicate(lambda value: isinstance(value, dict), "a dict of arguments")
    ),
    "preprocessing": AnyOf(OneOf("auto", None), CALLABLE),
    "image_size": AnyOf(
        OneOf(None),
        Integer(1, example=224),
        Predicate(
            lambda value: SequenceOf(Integer(1), 1).accepts(value) and len(value) == AXES_OF_SPACE,
            "a pair (height, width)",
        ),
    ),
    "image_shape": IMAGE_SHAPE,
    "rescale": AnyOf(OneOf("auto", None), Real(0, low_open=True, example=255)),
    "pooling": OneOf("average", "max", None),
}


class BackboneRows(ImageRows):
    """What estimators share that look at images through a backbone."""

    backbone: Any
    weights: Any
    backbone_params: Any
    preprocessing: Any
    image_size: Any
    pooling: Any
    random_state: Any
    _extractor: Extractor
    _kinds_of_state: ClassVar[dict[str, Any]] = {"_extractor": Extractor}

    def _images(self, X: NDArray[Any], *, reset: bool) -> NDArray[Any]:
        """Return rows as images; the backbone is got ready where `reset`."""
        if self.image_shape is None and not X.shape[2:]:
            X = X[:, None, :]
        images = self._as_images(X, 2, reset=reset)
        if reset:
            seed = self.random_state
            self._extractor = extractor_for(
                type(self).__name__,
                backbone=self.backbone,
                weights=self.weights,
                backbone_params=self.backbone_params,
                preprocessing=self.preprocessing,
                image_size=self.image_size,
                pooling=self.pooling,
                image_shape=self.image_shape_,
                scale=self._scale,
                seed=None if seed is None or isinstance(seed, np.random.RandomState) else int(seed),
            )
        return images

    def _auto_scale(self, X: NDArray[Any]) -> float:
        is_named = is_name(self.backbone) and isinstance(self.preprocessing, str)
        if not is_named or X.dtype == np.uint8:
            return 1.0
        return 255.0 if X.min() >= 0 and X.max() <= 1 else 1.0

    @property
    def backbone_(self) -> keras.Model:
        """The backbone with its weights, fine-tuned ones where it was fine-tuned."""
        check_is_fitted(self)
        return self._extractor.model


class PretrainedFeatures(
    BackboneRows,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    PublicEstimatorMixin,
    BaseEstimator,
):
    """Features of images by a pretrained Keras network: a transformer for any pipeline.

    The network is not trained. Features of each image are computed once as long as the process
    remembers them (up to 1 GiB for each of the last four networks), so folds and trials that meet
    an image again, in whatever split, find its features there.

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
    random_state : int, RandomState or None, default=None
        An int decides the random weights of ``weights=None``; else each ``fit`` draws new ones.

    Attributes
    ----------
    backbone_ : keras.Model
        The network with its weights.
    image_shape_ : tuple of int
        Shape of one image: (height, width, channels).
    n_features_in_ : int
        Length of X's second axis in fit: features of flat rows, the height of images.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.

    See Also
    --------
    PretrainedCNNClassifier : A backbone with a head of its own, and fine-tuning.

    Examples
    --------
    >>> import numpy as np
    >>> from skdl import PretrainedFeatures
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> features = PretrainedFeatures(
    ...     "MobileNet", weights=None, backbone_params={"alpha": 0.25}, random_state=0
    ... )
    >>> features.fit_transform(images).shape
    (4, 256)
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **BACKBONE_CONSTRAINTS,
        "random_state": RANDOM_STATE,
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
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.backbone_params = backbone_params
        self.preprocessing = preprocessing
        self.image_size = image_size
        self.image_shape = image_shape
        self.rescale = rescale
        self.pooling = pooling
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the backbone and learn the shape and scale of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, channels]) or (n_samples, n_features)
            Images of uint8 or finite numbers; for flat rows see `image_shape`.
        y : ignored
            For pipelines.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the parameters or the images are not as described, or weights cannot be had.
        """
        del y
        check_parameters(type(self).__name__, self.get_params(deep=False), self._constraints)
        with all_or_nothing(self):
            X = validate_data(self, X, **self._accepted_rows)
            self._images(X, reset=True)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the features of images.

        Parameters
        ----------
        X : array-like
            Images in the form in which ``fit`` was given them.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
        """
        check_is_fitted(self)
        return self._extractor(self._images(self._checked_as_in_fit(X), reset=False))

    @property
    def _n_features_out(self) -> int:
        return self._extractor.n_features

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_extractor")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
