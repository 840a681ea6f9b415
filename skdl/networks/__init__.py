"""Networks: hyperparameters and shapes in, a frozen description of an architecture out."""

from skdl.networks._augmentation import augmentation_layers, is_augmentation
from skdl.networks._cnn import cnn, shapes_by_block
from skdl.networks._loss import KerasObject, Loss
from skdl.networks._mlp import mlp
from skdl.networks._network import Layer, Network, preserved_generators

__all__ = [
    "KerasObject",
    "Layer",
    "Loss",
    "Network",
    "augmentation_layers",
    "cnn",
    "is_augmentation",
    "mlp",
    "preserved_generators",
    "shapes_by_block",
]
