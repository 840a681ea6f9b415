"""What all estimators share; the names here are all that other packages may use of it."""

from skdl.estimators.base._describe_space import describe_space
from skdl.estimators.base._described_prediction import (
    CategoryColumn,
    DescribedPrediction,
    NumericColumn,
    TargetForm,
)
from skdl.estimators.base._fit_conditions import FitOverrides
from skdl.estimators.base._held_out import HeldOutScoring
from skdl.estimators.base._keras_names import monitor_mode
from skdl.estimators.base._network_estimator import (
    BaseNetwork,
    described_prediction,
    max_epochs_of,
    plainly_named,
    why_not_described,
)
from skdl.estimators.base._parameters import CONSTRAINTS
from skdl.estimators.base._public_estimator import PublicEstimatorMixin
from skdl.estimators.base._regression import (
    has_quantiles,
    predicted_quantiles,
    quantile_levels,
)
from skdl.estimators.base._row_metadata import FitMetadata, RowMetadata
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._temperature import (
    added_to_probabilities,
    fitted_temperature,
    tempered,
)
from skdl.estimators.base._whole_fit import all_or_nothing

__all__ = [
    "CONSTRAINTS",
    "BaseNetwork",
    "CategoryColumn",
    "Choice",
    "DescribedPrediction",
    "FitMetadata",
    "FitOverrides",
    "HeldOutScoring",
    "Number",
    "NumericColumn",
    "PublicEstimatorMixin",
    "RowMetadata",
    "TargetForm",
    "added_to_probabilities",
    "all_or_nothing",
    "describe_space",
    "described_prediction",
    "fitted_temperature",
    "has_quantiles",
    "max_epochs_of",
    "monitor_mode",
    "plainly_named",
    "predicted_quantiles",
    "quantile_levels",
    "tempered",
    "why_not_described",
]
