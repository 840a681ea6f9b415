"""Training: jobs in, trained networks out. Knows nothing of estimators and labels."""

from skdl.training._initial import initial_weights
from skdl.training._job import EarlyStopping, Job, Optimizer, Rows, Schedule, Trained
from skdl.training._lockstep import LockstepBackend, Session, lockstep
from skdl.training._member import Member, compiled_model
from skdl.training._observers import KerasCallbacks, Observer
from skdl.training._optimizers import describe_optimizer, with_learning_rate, with_numbers
from skdl.training._prediction import predict
from skdl.training._rendezvous import current_call
from skdl.training._rules import Layout, n_outputs_of, row_shapes
from skdl.training._summary import LayerSummary, layer_summaries
from skdl.training._train import train, train_one

__all__ = [
    "EarlyStopping",
    "Job",
    "KerasCallbacks",
    "LayerSummary",
    "Layout",
    "LockstepBackend",
    "Member",
    "Observer",
    "Optimizer",
    "Rows",
    "Schedule",
    "Session",
    "Trained",
    "compiled_model",
    "current_call",
    "describe_optimizer",
    "initial_weights",
    "layer_summaries",
    "lockstep",
    "n_outputs_of",
    "predict",
    "row_shapes",
    "train",
    "train_one",
    "with_learning_rate",
    "with_numbers",
]
