"""Estimators: what users construct."""

from skdl.estimators.base import describe_space
from skdl.estimators.images._cnn import CNNClassifier, CNNRegressor
from skdl.estimators.images._pretrained import PretrainedCNNClassifier, PretrainedCNNRegressor
from skdl.estimators.images._pretrained_features import PretrainedFeatures
from skdl.estimators.keras_models._estimators import KerasClassifier, KerasRegressor, from_scikeras
from skdl.estimators.keras_models._transformer import KerasTransformer
from skdl.estimators.mlp._mlp import MLPClassifier, MLPRegressor
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
