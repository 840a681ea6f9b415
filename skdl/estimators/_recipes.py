"""Starting points for tables.

After RealMLP-TD of Holzmüller et al. 2024 ("Better by default: Strong pre-tuned MLPs and boosted
trees on tabular data"), who tuned it on 118 data sets. Their networks are parametrised by neural
tangents, with rates of their own for some weights; the rate and the weight decay here are those
that do about the same to weights of 256 units in Keras' parametrisation.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CLASSIFIER_RECIPE", "REGRESSOR_RECIPE"]

_RECIPE: dict[str, Any] = {
    "hidden_units": 256,
    "hidden_layers": 3,
    "parametric_activation": True,
    "categorical_features": "from_dtype",
    "missing_numbers": "learn",
    "input_scaling": "smooth_clip",
    "numeric_embedding": "pbld",
    "n_frequencies": 16,
    "frequency_scale": 0.1,
    "embedding_units": 4,
    "feature_scale": True,
    "dropout": 0.15,
    "weight_decay": 0.02,
    "learning_rate": 0.01,
    "learning_rate_schedule": "coslog4",
    "beta_2": 0.95,
    "batch_size": "auto",
    "epochs": "auto",
    # The rate rises and falls in waves, so it is the best epoch that counts, not the first peak.
    "early_stopping": True,
    "validation_fraction": 0.2,
    "patience": 256,
}
REGRESSOR_RECIPE: dict[str, Any] = {**_RECIPE, "activation": "mish"}
CLASSIFIER_RECIPE: dict[str, Any] = {**_RECIPE, "activation": "selu", "label_smoothing": 0.1}
