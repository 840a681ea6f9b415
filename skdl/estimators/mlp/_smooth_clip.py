"""Robust scaling with smooth clipping, as a transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skdl._data_checks import naming
from skdl.estimators.base._public_estimator import PublicEstimatorMixin
from skdl.estimators.base._whole_fit import all_or_nothing
from skdl.layers import robust_units, smoothly_clipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SmoothClipScaler"]


class SmoothClipScaler(OneToOneFeatureMixin, TransformerMixin, PublicEstimatorMixin, BaseEstimator):
    """Robust scaling with smooth clipping: networks see outliers, but none far away.

    A column x becomes z / √(1 + (z / 3)²) with z = (x − median) / (distance of the quartiles),
    which lies between −3 and 3 and is almost z where z is small (Holzmüller et al. 2024, "Better
    by default", section 3). Where the quartiles coincide, z is taken by half the distance between
    the extremes; a constant column becomes 0.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Medians.
    scale_ : ndarray of shape (n_features,)
        What distances from the median are divided by; infinite for constant columns.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.

    See Also
    --------
    sklearn.preprocessing.RobustScaler : The same without clipping.

    Examples
    --------
    >>> X = [[0.0], [1.0], [2.0], [3.0], [1000.0]]
    >>> SmoothClipScaler().fit_transform(X).round(2).ravel()
    array([-0.95, -0.49,  0.  ,  0.49,  3.  ])
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn medians and scales.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers; NaN does not count. Dense, as the median of sparse columns would fill them.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        del y
        with all_or_nothing(self), naming(type(self).__name__, "X"):
            X = validate_data(
                self, X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
            )
        self.center_, self.scale_ = robust_units(X)
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Scale and clip.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers; NaN stays NaN.

        Returns
        -------
        X_scaled : ndarray of shape (n_samples, n_features)
            Between −3 and 3; float32 where `X` is.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        X = validate_data(
            self, X, reset=False, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
        )
        return smoothly_clipped(X, self.center_, self.scale_).astype(X.dtype, copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
