"""Inspection: training curves, validation curves, diagnosis, TensorBoard."""

from skdl._public_path import say_public_path
from skdl.inspection._diagnose import diagnose
from skdl.inspection._diagnosis import Diagnosis, Finding
from skdl.inspection._tensorboard import TensorBoard
from skdl.inspection._training_curve import TrainingCurveDisplay
from skdl.inspection._validation_curve import ValidationCurveDisplay

__all__ = [
    "Diagnosis",
    "Finding",
    "TensorBoard",
    "TrainingCurveDisplay",
    "ValidationCurveDisplay",
    "diagnose",
]

say_public_path(globals())
