"""What to write here for the names that users bring from scikit-learn, Keras and skorch."""

from __future__ import annotations

import functools
import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from skdl._validation import nearest_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "ACTIVATION_CURES",
    "LOSS_CURES",
    "METRIC_CURES",
    "OPTIMIZER_CURES",
    "RATE_CURES",
    "name_bad_arguments",
    "unknown_parameter",
]

_SKLEARN = "scikit-learn's"

# For names of parameters that do not exist here; the first word is a parameter where there is one.
_PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        # sklearn.neural_network.MLPClassifier and MLPRegressor
        "hidden_layer_sizes": "hidden_units=(100, 50), one entry a hidden layer",
        "max_iter": "epochs",
        "alpha": "l2 = alpha / (2 * batch_size), of regressors alpha / batch_size",
        "solver": "optimizer, for example optimizer='adam'",
        "learning_rate_init": "learning_rate",
        "n_iter_no_change": "patience, together with early_stopping=True",
        "tol": "min_delta, together with early_stopping=True, monitor='loss'",
        "power_t": "learning_rate_schedule",
        "momentum": "optimizer=keras.optimizers.SGD(0.001, momentum=0.9)",
        "nesterovs_momentum": "optimizer=keras.optimizers.SGD(0.001, momentum=0.9, nesterov=True)",
        "beta_1": "optimizer=keras.optimizers.Adam(0.001, beta_1=0.9)",
        "epsilon": "optimizer=keras.optimizers.Adam(0.001, epsilon=1e-7)",
        "max_fun": "epochs; there is no optimizer 'lbfgs' here",
        "n_jobs": "n_jobs of whatever fits several networks, such as OptunaSearchCV",
        "class_weights": "class_weight",
        # Keras
        "units": "hidden_units",
        "layers": "hidden_units=(100, 50), one entry a hidden layer",
        "validation_split": "validation_fraction, which counts with early_stopping=True",
        "validation_data": "fit(X, y, X_val=..., y_val=...)",
        "kernel_regularizer": "l1 or l2",
        "dropout_rate": "dropout",
        "clipnorm": "optimizer=keras.optimizers.Adam(0.001, clipnorm=1.0)",
        "nb_epoch": "epochs",
        "strides": "pooling and pool_size, which make images smaller here",
        "input_shape": "image_shape where rows are flat; else shapes come from X",
        "seed": "random_state",
        # skorch and PyTorch
        "lr": "learning_rate",
        "max_epochs": "epochs",
        "n_epochs": "epochs",
        "criterion": "loss",
        "n_layers": "hidden_layers",
        "hidden_size": "hidden_units",
        "hidden_dim": "hidden_units",
        "device": "nothing: TensorFlow takes a GPU that it sees",
    }
)

ACTIVATION_CURES: Mapping[str, str] = MappingProxyType(
    {
        "logistic": f"{_SKLEARN} 'logistic' is activation='sigmoid' here.",
        "identity": f"{_SKLEARN} 'identity' is activation='linear' here.",
        "lrelu": "That is activation='leaky_relu' here.",
        "swiglu": "It halves the width of a layer, which an activation keeps here.",
        "glu": "It halves the width of a layer, which an activation keeps here.",
        "prelu": "It has weights: write activation=keras.layers.PReLU().",
    }
)
OPTIMIZER_CURES: Mapping[str, str] = MappingProxyType(
    {
        "lbfgs": "It needs all rows in each step, which no optimizer of Keras does; try 'adam'.",
        "lossscaleoptimizer": "It wraps another optimizer: give it as an object.",
        "multioptimizer": "It wraps other optimizers: give it as an object.",
    }
)
LOSS_CURES: Mapping[str, str] = MappingProxyType(
    {
        "squared_error": f"{_SKLEARN} 'squared_error' is loss='mse' here.",
        "absolute_error": f"{_SKLEARN} 'absolute_error' is loss='mae' here.",
        "log_loss": f"{_SKLEARN} 'log_loss' is loss='crossentropy' here.",
        "logloss": "That is loss='crossentropy' here.",
        "cross_entropy": "That is loss='crossentropy' here.",
        "rmse": "Write loss='mse', which has the same minimum.",
        "mape": "Write loss='mean_absolute_percentage_error'.",
        "msle": "Write loss='mean_squared_logarithmic_error'.",
        "gaussian": "Write loss='mse'.",
        "pinball": "That is loss='quantile' here.",
    }
)
RATE_CURES: Mapping[str, str] = MappingProxyType(
    {
        "constant": "Write a number as learning_rate: it stays constant by default.",
        "adaptive": "Write a number as learning_rate, and learning_rate_schedule='plateau'.",
        "invscaling": "Write keras.optimizers.schedules.InverseTimeDecay(...) as learning_rate.",
    }
)
METRIC_CURES: Mapping[str, str] = MappingProxyType(
    {
        "r2": "That is metrics='R2Score' here.",
        "rmse": "That is metrics='RootMeanSquaredError' here.",
        "f1": "That is metrics='F1Score' here.",
        "roc_auc": "That is metrics='AUC' here.",
        "neg_mean_squared_error": "Write metrics='mse': metrics keep their sign here.",
        "neg_mean_absolute_error": "Write metrics='mae': metrics keep their sign here.",
        "neg_root_mean_squared_error": "Write metrics='RootMeanSquaredError'.",
        "neg_log_loss": "Write metrics='crossentropy': metrics keep their sign here.",
        "log_loss": "That is metrics='crossentropy' here.",
        "balanced_accuracy": "Keras has none: pass a scorer to cross_validate(scoring=...).",
        "Mean": "It averages numbers and does not compare predictions with targets.",
        "Sum": "It sums numbers and does not compare predictions with targets.",
        "MeanMetricWrapper": "Give the function that it should wrap.",
    }
)


def unknown_parameter(owner: str, name: str, known: Collection[str]) -> str:
    """Return an error's text for a parameter that an estimator does not have.

    Parameters
    ----------
    owner : str
        Name of the estimator.
    name : str
        What the user wrote.
    known : collection of str
        Names of the estimator's parameters.
    """
    cure = _PARAMETERS.get(name, "")
    first = cure.replace(",", " ").replace("=", " ").replace(";", " ").split(" ", 1)[0]
    nearest = nearest_name(name, known)
    if cure and (first in known or first not in _OURS):
        expected = f"Expected {cure}."
    elif nearest:
        expected = f"Did you mean {nearest!r}?"
    else:
        expected = f"Expected some of {', '.join(sorted(known))}."
    return f"{owner} has no parameter {name!r}. {expected}"


# Parameters that cures begin with and that not every estimator has.
_OURS = frozenset({
    "epochs", "hidden_layers", "hidden_units", "learning_rate_schedule", "class_weight",
    "image_shape", "pooling", "l1", "l2", "dropout", "loss", "optimizer", "learning_rate",
    "patience", "min_delta", "random_state", "validation_fraction",
})  # fmt: skip


def name_bad_arguments(cls: type) -> None:
    """Let a class's ``__init__`` say what to write for arguments that it does not have.

    The signature stays what it was, without ``**kwargs``, and the error stays Python's
    ``TypeError``; only its text is ours.
    """
    init: Any = vars(cls)["__init__"]
    signature = inspect.signature(init)
    kinds = {p.kind for p in signature.parameters.values()}
    known = [name for name in signature.parameters if name != "self"]

    @functools.wraps(init)
    def named(self: Any, *args: Any, **kwargs: Any) -> None:
        unknown = [name for name in kwargs if name not in signature.parameters]
        if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
            owner = type(self).__name__
            raise TypeError("\n".join(unknown_parameter(owner, name, known) for name in unknown))
        init(self, *args, **kwargs)

    # scikit-learn asks for it at each `get_params`: several times for each clone and fit.
    wrapped: Any = named
    wrapped.__signature__ = signature
    type.__setattr__(cls, "__init__", wrapped)
