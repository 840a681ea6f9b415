"""Model selection: cross-validation in lockstep, and search that prunes across folds."""

from skdl._public_path import say_public_path
from skdl.model_selection._duplicates import duplicate_groups
from skdl.model_selection._split import IteratedKFold, train_validation_test_split
from skdl.model_selection.cross_validation._cross_validate import cross_validate
from skdl.model_selection.cross_validation._result import CrossValidationResult
from skdl.model_selection.ensembles._averaging import AveragingClassifier, AveragingRegressor
from skdl.model_selection.ensembles._kfold import KFoldEnsembleClassifier, KFoldEnsembleRegressor
from skdl.model_selection.search._pruning import OptunaPruning
from skdl.model_selection.search._search import OptunaSearchCV

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

say_public_path(globals())
