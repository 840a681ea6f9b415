"""Estimators: what users construct."""

from skdl.estimators._cnn import CNNClassifier, CNNRegressor
from skdl.estimators._keras_estimators import KerasClassifier, KerasRegressor, from_scikeras
from skdl.estimators._keras_transformer import KerasTransformer
from skdl.estimators._mlp import MLPClassifier, MLPRegressor
from skdl.estimators._pretrained import PretrainedCNNClassifier, PretrainedCNNRegressor
from skdl.estimators._pretrained_features import PretrainedFeatures
from skdl.estimators._search_space import describe_space
from skdl.estimators._smooth_clip import SmoothClipScaler

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
