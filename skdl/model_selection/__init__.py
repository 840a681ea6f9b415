"""Model selection: cross-validation in lockstep, and search that prunes across folds."""

from skdl.model_selection._cross_validate import cross_validate
from skdl.model_selection._duplicates import duplicate_groups
from skdl.model_selection._ensemble import AveragingClassifier, AveragingRegressor
from skdl.model_selection._kfold_ensemble import KFoldEnsembleClassifier, KFoldEnsembleRegressor
from skdl.model_selection._pruning import OptunaPruning
from skdl.model_selection._result import CrossValidationResult
from skdl.model_selection._search import OptunaSearchCV
from skdl.model_selection._split import IteratedKFold, train_validation_test_split

__all__ = [
    "AveragingClassifier",
    "AveragingRegressor",
    "CrossValidationResult",
    "IteratedKFold",
    "KFoldEnsembleClassifier",
    "KFoldEnsembleRegressor",
    "OptunaPruning",
    "OptunaSearchCV",
    "cross_validate",
    "duplicate_groups",
    "train_validation_test_split",
]
