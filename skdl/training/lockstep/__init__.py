"""Lockstep: jobs of several threads wait for each other and train together."""

from skdl.training.lockstep._backend import LockstepBackend, Session, lockstep
from skdl.training.lockstep._fit import train_one
from skdl.training.lockstep._rendezvous import current_call

__all__ = ["LockstepBackend", "Session", "current_call", "lockstep", "train_one"]
