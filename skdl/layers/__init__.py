"""Layers: all that is known of one kind of layer, in Keras and for a stack of members.

Each kind has a rule, in the module of its family; `rule_of` finds it. `blueprint_of` works out once
what the rules say of all layers of a network.
"""

from skdl.layers._any_keras import KerasRule
from skdl.layers._blueprint import Blueprint, Layout, PlacedLayer, blueprint_of
from skdl.layers._forward_pass import ForwardPass
from skdl.layers._keras_model import keras_model
from skdl.layers._numpy_operations import NumpyOperations
from skdl.layers._operations import Operations, RecurrentCell, Value
from skdl.layers._rule import LayerContext, NoForwardPassError, Pass, Rule, Variable
from skdl.layers._scaling import robust_units, smoothly_clipped
from skdl.layers._shapes import Shape, concatenated, of_members, shape_of, size
from skdl.layers._sparse_rows import SparseRows
from skdl.layers._summary import LayerSummary, layer_summaries

__all__ = [
    "Blueprint",
    "ForwardPass",
    "KerasRule",
    "LayerContext",
    "LayerSummary",
    "Layout",
    "NoForwardPassError",
    "NumpyOperations",
    "Operations",
    "Pass",
    "PlacedLayer",
    "RecurrentCell",
    "Rule",
    "Shape",
    "SparseRows",
    "Value",
    "Variable",
    "blueprint_of",
    "concatenated",
    "keras_model",
    "layer_summaries",
    "of_members",
    "robust_units",
    "shape_of",
    "size",
    "smoothly_clipped",
]
