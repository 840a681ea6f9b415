"""
When should training stop?
==========================

If training stops too early, there is more to learn; if it stops too late, the network memorises its
rows. Early stopping takes some training rows as validation rows. It ends training when their loss
has not improved by more than ``min_delta`` for ``patience`` epochs. ``restore_best_weights`` then
goes back to the best epoch; otherwise the last one, ``patience`` epochs later, is kept.

The network is too large for the breast cancer data; we train it on 2 × 5 folds.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.inspection import TrainingCurveDisplay
from skdl.model_selection import cross_validate

X, y = load_breast_cancer(return_X_y=True)
SETTINGS = {
    "none, 100 epochs": {},
    "patience 0": {"early_stopping": True, "patience": 0},
    "patience 10": {"early_stopping": True},
    "patience 10, last weights": {"early_stopping": True, "restore_best_weights": False},
    "patience 10, min_delta 0.05": {"early_stopping": True, "min_delta": 0.05},
}


def cross_validated(**setting):
    """Return the result of a network with one way of stopping."""
    network = skdl.MLPClassifier(
        128, epochs=100, learning_rate=0.003, validation_fraction=0.2, random_state=0, **setting
    )
    return cross_validate(
        make_pipeline(StandardScaler(), network),
        X,
        y,
        n_iterations=2,
        scoring="neg_log_loss",
        compare_with={"LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression())},
    )


results = {name: cross_validated(**setting) for name, setting in SETTINGS.items()}

# %%
# Without, and with
# -----------------
# Orange are the rows that decide when to stop, red rows that decide nothing. The triangles on the
# axis are the epochs whose weights the ten folds kept.

_, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, name in zip(axes, ["none, 100 epochs", "patience 10"], strict=True):
    TrainingCurveDisplay.from_cross_validation(results[name], ax=ax)
    ax.set(title=name, ylim=(0, 0.4))
plt.show()

# %%
# What it brings
# --------------

rows = {}
for name, result in results.items():
    folds = result.folds
    rows[name] = {
        "log loss": -result["test_score"].mean(),
        "epochs run": folds["n_epochs"].mean(),
        "epochs kept": folds["kept_epoch"].mean(),
    }
rows["LogisticRegression"] = {
    "log loss": -result.summary().loc[("score", "LogisticRegression"), "mean"]
}
rows["baseline"] = {"log loss": -result.summary().loc[("score", "baseline"), "mean"]}
table = pd.DataFrame(rows).T.round(3)
table

# %%
# Stopping is far better than not stopping. Going back to the best weights is better than keeping
# the last, and a ``min_delta`` that ignores small steps stops a little too early. Without any
# patience the folds stop sooner still: a gamble that costs hardly anything on curves this smooth.
# On data this easy a logistic regression needs no stopping and is at least as good.

loss = table["log loss"]
assert loss["patience 10"] < 0.8 * loss["none, 100 epochs"]
assert loss["patience 10"] < loss["patience 10, last weights"]
run = table["epochs run"]
assert run["patience 10, min_delta 0.05"] < run["patience 10"]
assert run["patience 0"] < table.loc["patience 10", "epochs kept"]
assert loss["patience 10"] < loss["patience 10, min_delta 0.05"]
assert abs(loss["patience 10"] - loss["patience 0"]) < 0.01
assert loss["LogisticRegression"] < loss["patience 10"]
assert loss.drop("baseline").max() < loss["baseline"]
