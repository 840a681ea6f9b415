"""Lockstep: jobs of several threads wait for each other and train together."""

from skdl.training.lockstep._backend import LockstepBackend
from skdl.training.lockstep._fit import train_one
from skdl.training.lockstep._rendezvous import MOST_WAITING, current_call
from skdl.training.lockstep._session import LockstepSession, lockstep
from skdl.training.lockstep._worker import is_dask_worker
from skdl.training.lockstep._workers import WorkersBackend

__all__ = [
    "MOST_WAITING",
    "LockstepBackend",
    "LockstepSession",
    "WorkersBackend",
    "current_call",
    "is_dask_worker",
    "lockstep",
    "train_one",
]
