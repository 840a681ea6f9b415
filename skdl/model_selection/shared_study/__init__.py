"""Optuna studies that several processes share."""

from skdl.model_selection.shared_study._once import enqueue_once
from skdl.model_selection.shared_study._outcome import REASON, Outcome, is_counted
from skdl.model_selection.shared_study._storage import described_errors, find_study, open_study
from skdl.model_selection.shared_study._worker import Event, run_study

__all__ = [
    "REASON",
    "Event",
    "Outcome",
    "described_errors",
    "enqueue_once",
    "find_study",
    "is_counted",
    "open_study",
    "run_study",
]
