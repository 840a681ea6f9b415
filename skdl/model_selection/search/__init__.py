"""Hyperparameter search on Optuna that prunes across folds."""

from skdl.model_selection.search._pruning import OptunaPruning
from skdl.model_selection.search._search import OptunaSearchCV

__all__ = ["OptunaPruning", "OptunaSearchCV"]
