"""Cross-validation in lockstep, with intervals, a baseline and training curves."""

from skdl.model_selection.cross_validation._cross_validate import cross_validate
from skdl.model_selection.cross_validation._folds import Fold, Folds, unscored
from skdl.model_selection.cross_validation._result import CrossValidationResult
from skdl.model_selection.cross_validation._routing import router_of
from skdl.model_selection.cross_validation._statistics import corrected_t_test

__all__ = [
    "CrossValidationResult",
    "Fold",
    "Folds",
    "corrected_t_test",
    "cross_validate",
    "router_of",
    "unscored",
]
