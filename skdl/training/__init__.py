"""Training: jobs in, trained networks out. Knows nothing of estimators and labels."""

from skdl.layers import LayerSummary, Layout, layer_summaries
from skdl.training._initial_weights import initial_weights
from skdl.training._job import EarlyStopping, Job, Optimizer, Rows, Schedule, Trained
from skdl.training._keras_callbacks import KerasCallbacks, Observer
from skdl.training._optimizers import describe_optimizer, with_learning_rate, with_scalars
from skdl.training._train import train
from skdl.training.engine._member import Member, compiled_model
from skdl.training.engine._prediction import predict

__all__ = [
    "EarlyStopping",
    "Job",
    "KerasCallbacks",
    "LayerSummary",
    "Layout",
    "Member",
    "Observer",
    "Optimizer",
    "Rows",
    "Schedule",
    "Trained",
    "compiled_model",
    "describe_optimizer",
    "initial_weights",
    "layer_summaries",
    "predict",
    "train",
    "with_learning_rate",
    "with_scalars",
]
