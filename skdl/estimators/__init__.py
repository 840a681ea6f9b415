"""Estimators: what users construct.

Names are loaded on first use: a process that predicts with an MLP imports no other family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl._public_path import load_name as _load_name

if TYPE_CHECKING:
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
    from skdl.estimators.pairs._siamese import SiameseTransformer
    from skdl.estimators.sequences._cnn1d_classifier import CNN1DClassifier
    from skdl.estimators.sequences._cnn1d_regressor import CNN1DRegressor
    from skdl.estimators.sequences._rnn_classifier import RNNClassifier
    from skdl.estimators.sequences._rnn_regressor import RNNRegressor
    from skdl.estimators.sequences._transformer_classifier import TransformerClassifier
    from skdl.estimators.sequences._transformer_regressor import TransformerRegressor
    from skdl.estimators.text._classifier import TextClassifier
    from skdl.estimators.text._regressor import TextRegressor
    from skdl.estimators.text._token_sequences import TokenSequences

_MODULE_OF = {
    "CNN1DClassifier": "skdl.estimators.sequences._cnn1d_classifier",
    "CNN1DRegressor": "skdl.estimators.sequences._cnn1d_regressor",
    "CNNClassifier": "skdl.estimators.images._cnn_classifier",
    "CNNRegressor": "skdl.estimators.images._cnn_regressor",
    "KerasClassifier": "skdl.estimators.keras_models._classifier",
    "KerasRegressor": "skdl.estimators.keras_models._regressor",
    "KerasTransformer": "skdl.estimators.keras_models._transformer",
    "MLPClassifier": "skdl.estimators.mlp._classifier",
    "MLPRegressor": "skdl.estimators.mlp._regressor",
    "PretrainedCNNClassifier": "skdl.estimators.images._pretrained_classifier",
    "PretrainedCNNRegressor": "skdl.estimators.images._pretrained_regressor",
    "PretrainedFeatures": "skdl.estimators.images._pretrained_features",
    "RNNClassifier": "skdl.estimators.sequences._rnn_classifier",
    "RNNRegressor": "skdl.estimators.sequences._rnn_regressor",
    "SiameseTransformer": "skdl.estimators.pairs._siamese",
    "SmoothClipScaler": "skdl.estimators.mlp._smooth_clip",
    "TextClassifier": "skdl.estimators.text._classifier",
    "TextRegressor": "skdl.estimators.text._regressor",
    "TokenSequences": "skdl.estimators.text._token_sequences",
    "TransformerClassifier": "skdl.estimators.sequences._transformer_classifier",
    "TransformerRegressor": "skdl.estimators.sequences._transformer_regressor",
    "describe_space": "skdl.estimators.base",
    "from_scikeras": "skdl.estimators.keras_models._from_scikeras",
}

__all__ = [
    "CNN1DClassifier",
    "CNN1DRegressor",
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
    "RNNClassifier",
    "RNNRegressor",
    "SiameseTransformer",
    "SmoothClipScaler",
    "TextClassifier",
    "TextRegressor",
    "TokenSequences",
    "TransformerClassifier",
    "TransformerRegressor",
    "describe_space",
    "from_scikeras",
]


def __getattr__(name: str) -> object:
    value = _load_name(globals(), name, _MODULE_OF)
    # What `say_public_path` does where all names are loaded at once.
    value.__module__ = __name__
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
