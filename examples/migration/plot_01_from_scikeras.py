"""
How does one move from SciKeras to skdl?
========================================

With SciKeras you write a function that builds a Keras model, and its arguments are the
hyperparameters. For dense and convolutional networks you no longer need that function: its
arguments are parameters of the estimator. This page trains the same network both ways on the same
folds.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scikeras.wrappers import KerasRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl

X, y = load_diabetes(return_X_y=True)
y = (y - y.mean()) / y.std()
folds = KFold(3, shuffle=True, random_state=0)

# %%
# Before
# ------


def build(meta, units=32, dropout=0.2):
    """Return the Keras model that SciKeras is to train."""
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(1),
        ]
    )


before = make_pipeline(
    StandardScaler(),
    KerasRegressor(
        build,
        loss="mse",
        optimizer="adam",
        units=32,
        dropout=0.2,
        epochs=30,
        batch_size=32,
        verbose=0,
    ),
)
predicted_before = cross_val_predict(before, X, y, cv=folds)

# %%
# After
# -----
# ``model__units`` in a grid becomes ``hidden_units``, ``model__dropout`` becomes ``dropout``;
# callbacks, optimizers, losses and metrics of Keras may stay as they are. ``model_`` is a compiled
# Keras model.

after = make_pipeline(
    StandardScaler(), skdl.MLPRegressor(hidden_units=32, dropout=0.2, epochs=30, random_state=0)
)
with skdl.lockstep():
    predicted_after = cross_val_predict(after, X, y, cv=folds)

# %%
# They learn the same
# -------------------
# Not to the bit: the seeds differ, and so do initial weights and dropout. But about as close as two
# of our fits are to one another.

with skdl.lockstep():
    again = cross_val_predict(after.set_params(mlpregressor__random_state=1), X, y, cv=folds)
rmse = {
    "SciKeras": np.sqrt(np.mean((predicted_before - y) ** 2)),
    "skdl": np.sqrt(np.mean((predicted_after - y) ** 2)),
    "skdl, another seed": np.sqrt(np.mean((again - y) ** 2)),
    "baseline: the mean": y.std(),
}
_, ax = plt.subplots(layout="constrained")
ax.plot(predicted_before, predicted_after, "o", alpha=0.5, markersize=4)
ax.axline((0, 0), slope=1, linestyle=":", color="0.25")
ax.set(xlabel="predicted by SciKeras", ylabel="predicted by skdl", aspect="equal")
plt.show()
pd.DataFrame({"RMSE, in standard deviations": rmse}).round(3)

# %%


def distance(one, other):
    """Return how far predictions lie apart, as a root mean square."""
    return np.sqrt(np.mean((one - other) ** 2))


assert distance(predicted_before, predicted_after) < 1.3 * distance(predicted_after, again)
assert np.corrcoef(predicted_before, predicted_after)[0, 1] > 0.9
assert abs(rmse["SciKeras"] - rmse["skdl"]) < 0.05
assert max(rmse["SciKeras"], rmse["skdl"]) < rmse["baseline: the mean"]
