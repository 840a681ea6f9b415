"""Starting points for tables.

The ingredients are those of RealMLP-TD (Holzmüller et al. 2024, "Better by default: Strong
pre-tuned MLPs and boosted trees on tabular data"), but for two: where there are rows enough,
numbers are embedded as places among quantiles (Gorishniy et al. 2022), beside the number itself,
instead of learned waves, and eight networks share their weights (Gorishniy et al. 2025, "TabM").
RealMLP's networks are parametrised by neural tangents, with rates of their own for some weights;
what rate, dropout and smoothing are here, and how the sizes follow the rows, was tried out (see
docs/accuracy.rst).
"""

from __future__ import annotations

from typing import Any

__all__ = ["CLASSIFIER_PRESET", "REGRESSOR_PRESET"]

_PRESET: dict[str, Any] = {
    "hidden_units": "auto",
    "hidden_layers": 3,
    "parametric_activation": True,
    "categorical_features": "from_dtype",
    "missing_numbers": "learn",
    "input_scaling": "smooth_clip",
    "numeric_embedding": "auto",
    "n_bins": "auto",
    "feature_scale": True,
    "shared_members": 8,
    "dropout": 0.1,
    "weight_decay": 0.02,
    "learning_rate": 0.003,
    "learning_rate_schedule": "coslog4",
    "beta_2": 0.95,
    "batch_size": "auto",
    "epochs": "auto",
    # The rate rises and falls in waves, so it is the best epoch that counts, not the first peak.
    "early_stopping": True,
    "validation_fraction": 0.2,
    # As many as there are epochs at most: the last wave is longer than any peak of the loss.
    "patience": 256,
    # The latest rows tell most of those to come: never trained on, they raised the error
    # by 45 % on one table (docs/accuracy.rst).
    "refit": "time",
}
REGRESSOR_PRESET: dict[str, Any] = {**_PRESET, "activation": "mish"}
# Without any smoothing, networks that know small tables by heart are far too sure of themselves;
# with the 0.1 of RealMLP, which is meant for error rates, they never get sure enough. Some tables
# want a rate of 0.001, others one of 0.003 (docs/accuracy.rst).
CLASSIFIER_PRESET: dict[str, Any] = {
    **_PRESET,
    "activation": "selu",
    "learning_rate": 0.002,
    "label_smoothing": 0.02,
}
