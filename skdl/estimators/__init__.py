"""Estimators: what users construct."""

from skdl._public_path import say_public_path
from skdl.estimators.base import describe_space
from skdl.estimators.images._cnn_classifier import CNNClassifier
from skdl.estimators.images._cnn_regressor import CNNRegressor
from skdl.estimators.images._pretrained_classifier import PretrainedCNNClassifier
from skdl.estimators.images._pretrained_features import PretrainedFeatures
from skdl.estimators.images._pretrained_regressor import PretrainedCNNRegressor
from skdl.estimators.keras_models._classifier import KerasClassifier
from skdl.estimators.keras_models._from_scikeras import from_scikeras
from skdl.estimators.keras_models._regressor import KerasRegressor
from skdl.estimators.keras_models._transformer import KerasTransformer
from skdl.estimators.mlp._classifier import MLPClassifier
from skdl.estimators.mlp._regressor import MLPRegressor
from skdl.estimators.mlp._smooth_clip import SmoothClipScaler

__all__ = [
    "CNNClassifier",
    "CNNRegressor",
    "KerasClassifier",
    "KerasRegressor",
    "KerasTransformer",
    "MLPClassifier",
    "MLPRegressor",
    "PretrainedCNNClassifier",
    "PretrainedCNNRegressor",
    "PretrainedFeatures",
    "SmoothClipScaler",
    "describe_space",
    "from_scikeras",
]

say_public_path(globals())
