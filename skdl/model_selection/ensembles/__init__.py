"""Ensembles of networks that are trained together."""

from skdl.model_selection.ensembles._averaging import AveragingClassifier, AveragingRegressor
from skdl.model_selection.ensembles._kfold import KFoldEnsembleClassifier, KFoldEnsembleRegressor

__all__ = [
    "AveragingClassifier",
    "AveragingRegressor",
    "KFoldEnsembleClassifier",
    "KFoldEnsembleRegressor",
]
