"""Ensembles of networks that are trained together."""

from skdl._public_path import say_public_path
from skdl.model_selection.ensembles._averaging import (
    AveragingClassifier,
    AveragingRegressor,
    aligned_probabilities,
)
from skdl.model_selection.ensembles._coverage import coverage_by_group
from skdl.model_selection.ensembles._kfold import KFoldEnsembleClassifier, KFoldEnsembleRegressor
from skdl.model_selection.ensembles._of_trials import (
    TrialEnsembleClassifier,
    TrialEnsembleRegressor,
)

__all__ = [
    "AveragingClassifier",
    "AveragingRegressor",
    "KFoldEnsembleClassifier",
    "KFoldEnsembleRegressor",
    "TrialEnsembleClassifier",
    "TrialEnsembleRegressor",
    "aligned_probabilities",
    "coverage_by_group",
]

say_public_path(globals())
