"""Model selection: cross-validation in lockstep, and search that prunes across folds."""

from skdl._public_path import say_public_path
from skdl.model_selection._duplicates import duplicate_groups
from skdl.model_selection._split import IteratedKFold, train_validation_test_split
from skdl.model_selection._time_split import TimeOrderedSplit
from skdl.model_selection._windows import Windows
from skdl.model_selection.cross_validation import CrossValidationResult, cross_validate
from skdl.model_selection.ensembles import (
    AveragingClassifier,
    AveragingRegressor,
    KFoldEnsembleClassifier,
    KFoldEnsembleRegressor,
    coverage_by_group,
)
from skdl.model_selection.search import OptunaPruning, OptunaSearchCV

__all__ = [
    "AveragingClassifier",
    "AveragingRegressor",
    "CrossValidationResult",
    "IteratedKFold",
    "KFoldEnsembleClassifier",
    "KFoldEnsembleRegressor",
    "OptunaPruning",
    "OptunaSearchCV",
    "TimeOrderedSplit",
    "Windows",
    "coverage_by_group",
    "cross_validate",
    "duplicate_groups",
    "train_validation_test_split",
]

say_public_path(globals())
