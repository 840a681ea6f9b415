"""
Which loss when some targets are wrong?
=======================================

Someone types a target with the decimal point one place off: the number is ten times too large. How
much harm that does depends on the loss. The squared error (MSE) lets a row that is ten times as
far off pull a hundred times as hard; the absolute error (MAE) lets all rows pull alike; Huber's
loss is the square near zero and the absolute error beyond ``huber_delta``.

We spoil 8 % of the targets of the diabetes data, train with each loss, and score on rows that were
not spoilt, by the mean absolute error.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import RepeatedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.model_selection import cross_validate

# %%
# The three losses
# ----------------

error = np.linspace(-4, 4, 201)
delta = 0.2
_, ax = plt.subplots(layout="constrained")
ax.plot(error, error**2, "-", label="mse")
ax.plot(error, np.abs(error), "--", label="mae")
huber = np.where(np.abs(error) <= delta, error**2 / 2, delta * (np.abs(error) - delta / 2))
ax.plot(error, huber, "-.", label="huber, delta 0.2")
ax.set(xlabel="error, in standard deviations of y", ylabel="loss of one row", ylim=(0, 8))
ax.legend()
plt.show()

# %%
# Spoilt targets
# --------------
# The rows to test on are those of each fold that were left alone, so every model is judged by the
# truth.

X, y = load_diabetes(return_X_y=True)
rng = np.random.default_rng(0)
is_spoilt = rng.random(len(y)) < 0.08
y_spoilt = np.where(is_spoilt, 10 * y, y)
folds = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
splits = [(train, test[~is_spoilt[test]]) for train, test in folds.split(X)]


def mean_absolute_errors(targets):
    """Return the mean absolute error on clean rows by loss, and that of the median."""
    errors = {}
    for loss in ("mse", "mae", "huber"):
        network = skdl.MLPRegressor(
            32,
            loss=loss,
            huber_delta=delta,
            epochs=40,
            dropout=0.2,
            random_state=0,
        )
        result = cross_validate(
            make_pipeline(StandardScaler(), network),
            X,
            targets,
            cv=splits,
            scoring="neg_mean_absolute_error",
            baseline=False,
            compare_with={"median": DummyRegressor(strategy="median")},
        )
        errors[loss] = -result["test_score"]
        rows = result.summary().loc["score"]
    errors["baseline: median"] = -rows.loc["median", "mean"]
    return errors


clean, spoilt = mean_absolute_errors(y), mean_absolute_errors(y_spoilt)
table = pd.DataFrame(
    {
        "clean targets": {name: np.mean(values) for name, values in clean.items()},
        "8 % spoilt": {name: np.mean(values) for name, values in spoilt.items()},
    }
).round(1)
table

# %%
# Clean, the three are close. Spoilt, the squared error does worst, and by far: it chases the rows
# that are wrong. The other two lose little.

_, ax = plt.subplots(layout="constrained")
losses = ["mse", "mae", "huber"]
ax.boxplot([spoilt[loss] for loss in losses])
ax.set_xticks(range(1, 4), losses)
ax.axhline(table.loc["baseline: median", "8 % spoilt"], linestyle=":", color="0.25")
ax.set(ylabel="mean absolute error on clean rows, 10 folds", title="8 % of the targets ten-fold")
ax.text(0.52, table.loc["baseline: median", "8 % spoilt"], "predicting the median", va="bottom")
plt.show()

mean = table["8 % spoilt"]
assert table.loc[losses, "clean targets"].max() < 1.1 * table.loc[losses, "clean targets"].min()
assert mean["mse"] > 1.2 * mean[["mae", "huber"]].max()
assert mean[["mae", "huber"]].max() < mean["baseline: median"]
assert (mean[["mae", "huber"]] < 1.25 * table.loc[["mae", "huber"], "clean targets"]).all()
