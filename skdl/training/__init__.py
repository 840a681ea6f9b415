"""Training: jobs in, trained networks out. Knows nothing of estimators and labels."""

from skdl.layers import LayerSummary, layer_summaries
from skdl.training._compiled_model import compiled_model
from skdl.training._initial_weights import initial_weights
from skdl.training._job import Job, Rows
from skdl.training._keras_callbacks import KerasCallbacks
from skdl.training._observer import ObservedMember, Observer
from skdl.training._optimizer_state import optimizer_state, settable_rate
from skdl.training._optimizers import describe_optimizer, with_learning_rate, with_scalars
from skdl.training._pruning import n_nonzero_weights
from skdl.training._settings import EarlyStopping, Optimizer, Pruning, Schedule
from skdl.training._signals import InterruptedFit
from skdl.training._train import train
from skdl.training._trained import Trained
from skdl.training.engine._prediction import predict

__all__ = [
    "EarlyStopping",
    "InterruptedFit",
    "Job",
    "KerasCallbacks",
    "LayerSummary",
    "ObservedMember",
    "Observer",
    "Optimizer",
    "Pruning",
    "Rows",
    "Schedule",
    "Trained",
    "compiled_model",
    "describe_optimizer",
    "initial_weights",
    "layer_summaries",
    "n_nonzero_weights",
    "optimizer_state",
    "predict",
    "settable_rate",
    "train",
    "with_learning_rate",
    "with_scalars",
]
