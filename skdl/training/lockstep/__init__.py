"""Lockstep: jobs of several threads wait for each other and train together."""

from skdl.training.lockstep._backend import LockstepBackend, LockstepSession, lockstep
from skdl.training.lockstep._fit import train_one
from skdl.training.lockstep._rendezvous import current_call

__all__ = ["LockstepBackend", "LockstepSession", "current_call", "lockstep", "train_one"]
