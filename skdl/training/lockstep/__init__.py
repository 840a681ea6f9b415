"""Lockstep: jobs of several threads wait for each other and train together."""

from skdl.training.lockstep._backend import LockstepBackend, LockstepSession, lockstep
from skdl.training.lockstep._fit import train_one
from skdl.training.lockstep._rendezvous import MOST_WAITING, current_call

__all__ = [
    "MOST_WAITING",
    "LockstepBackend",
    "LockstepSession",
    "current_call",
    "lockstep",
    "train_one",
]
