"""The one list of layers: which rule belongs to which kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdl.layers._activation import ActivationRule, ParametricActivationRule
from skdl.layers._any_keras import ModelRule, OperationRule, keras_rule
from skdl.layers._attention import MultiHeadAttentionRule
from skdl.layers._augmentation import AugmentationRule
from skdl.layers._bidirectional import BidirectionalRule
from skdl.layers._categories import CategoriesRule, MissingValuesRule
from skdl.layers._convolution import (
    ConvRule,
    FlattenRule,
    GlobalPoolingRule,
    PoolingRule,
    RescalingRule,
)
from skdl.layers._dense import DenseRule
from skdl.layers._dropout import DropoutRule
from skdl.layers._embedding import EmbeddingRule
from skdl.layers._masked_convolution import MaskedConvRule
from skdl.layers._masks import MaskingRule, StepMaskRule
from skdl.layers._merge import ConcatenateRule, MergeRule
from skdl.layers._normalization import BatchNormalizationRule, LayerNormalizationRule
from skdl.layers._numeric_embeddings import PeriodicEmbeddingRule, PiecewiseLinearEmbeddingRule
from skdl.layers._position import PositionEncodingRule
from skdl.layers._recurrent import GRURule, LSTMRule, SimpleRNNRule
from skdl.layers._scaling import FeatureScaleRule, SmoothClipRule
from skdl.layers._sequence_pooling import SequencePoolingRule
from skdl.layers._shared import SharedDenseRule, SharedHeadsRule

if TYPE_CHECKING:
    from skdl.layers._rule import Rule
    from skdl.networks import Layer

__all__ = ["rule_of"]

# By `Layer.kind`. A layer given as a Keras object, of kind "Keras", gets its rule by its class.
_RULES: dict[str, Rule] = {
    "Activation": ActivationRule(),
    "Add": MergeRule("Add"),
    "Average": MergeRule("Average"),
    "AveragePooling1D": PoolingRule(1, "average"),
    "AveragePooling2D": PoolingRule(2, "average"),
    "BatchNormalization": BatchNormalizationRule(),
    "Bidirectional": BidirectionalRule(),
    "Categories": CategoriesRule(),
    "Concatenate": ConcatenateRule(),
    "Conv1D": ConvRule(1),
    "Conv2D": ConvRule(2),
    "Dense": DenseRule(),
    "Dropout": DropoutRule(),
    "Embedding": EmbeddingRule(),
    "FeatureScale": FeatureScaleRule(),
    "Flatten": FlattenRule(),
    "GRU": GRURule(),
    "GlobalAveragePooling1D": GlobalPoolingRule(1, "average"),
    "GlobalAveragePooling2D": GlobalPoolingRule(2, "average"),
    "GlobalMaxPooling1D": GlobalPoolingRule(1, "max"),
    "GlobalMaxPooling2D": GlobalPoolingRule(2, "max"),
    "LSTM": LSTMRule(),
    "LayerNormalization": LayerNormalizationRule(),
    "MaskedConv1D": MaskedConvRule(),
    "Masking": MaskingRule(),
    "MaxPooling1D": PoolingRule(1, "max"),
    "MaxPooling2D": PoolingRule(2, "max"),
    "Maximum": MergeRule("Maximum"),
    "Minimum": MergeRule("Minimum"),
    "MissingNumbers": MissingValuesRule(),
    "Model": ModelRule(),
    "MultiHeadAttention": MultiHeadAttentionRule(),
    "Multiply": MergeRule("Multiply"),
    "Operation": OperationRule(),
    "ParametricActivation": ParametricActivationRule(),
    "PeriodicEmbedding": PeriodicEmbeddingRule(),
    "PiecewiseLinearEmbedding": PiecewiseLinearEmbeddingRule(),
    "PositionEncoding": PositionEncodingRule(),
    "RandomContrast": AugmentationRule(),
    "RandomFlip": AugmentationRule(),
    "RandomRotation": AugmentationRule(),
    "RandomTranslation": AugmentationRule(),
    "RandomZoom": AugmentationRule(),
    "Rescaling": RescalingRule(),
    "SequencePooling": SequencePoolingRule(),
    "SharedDense": SharedDenseRule(),
    "SharedHeads": SharedHeadsRule(),
    "SimpleRNN": SimpleRNNRule(),
    "SmoothClip": SmoothClipRule(),
    "StepMask": StepMaskRule(),
    "Subtract": MergeRule("Subtract"),
}


def rule_of(layer: Layer) -> Rule:
    """Return the rule by which a layer computes."""
    return _RULES.get(layer.kind) or keras_rule(layer)
