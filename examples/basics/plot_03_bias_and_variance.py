"""
High bias, high variance, or a good fit?
========================================

Two circles, one inside the other: no straight line separates them. We train three networks: one is
too simple, one fits every single row, and one is right. :func:`skdl.diagnose` tells them apart by
the scores and the curves alone.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import make_circles
from sklearn.inspection import DecisionBoundaryDisplay

import skdl
from skdl.inspection import TrainingCurveDisplay
from skdl.model_selection import cross_validate

X, y = make_circles(120, noise=0.15, factor=0.45, random_state=3)
NETWORKS = {
    "high bias": skdl.MLPClassifier(hidden_layers=0, epochs=40, learning_rate=0.03),
    "high variance": skdl.MLPClassifier(256, hidden_layers=3, epochs=150, learning_rate=0.005),
    "good fit": skdl.MLPClassifier(32, epochs=40, learning_rate=0.01, l2=3e-3),
}
results = {}
for name, network in NETWORKS.items():
    network.set_params(random_state=0)
    results[name] = cross_validate(
        network, X, y, n_iterations=2, return_train_score=True, scoring="accuracy"
    )

# %%
# What they draw
# --------------
# Where each network, fitted to all rows, draws the border; and below it the loss by epoch over ten
# folds.

figure, axes = plt.subplots(2, 3, figsize=(11, 7), layout="constrained")
for column, (name, result) in zip(axes.T, results.items(), strict=True):
    fitted = NETWORKS[name].fit(X, y)
    DecisionBoundaryDisplay.from_estimator(
        fitted, X, response_method="predict_proba", cmap="PuOr", alpha=0.6, ax=column[0]
    )
    for label, marker in enumerate("os"):
        rows = X[y == label]
        column[0].scatter(*rows.T, marker=marker, c="white", edgecolors="black", s=18)
    column[0].set(title=name, xticks=[], yticks=[])
    TrainingCurveDisplay.from_cross_validation(result, ax=column[1]).ax_.set_ylim(0, 1.2)
plt.show()

# %%
# What the numbers say
# --------------------
# Without a score to reach, bias cannot be told from noise. Guessing is right in half of the
# cases; let 95 % be what we want. Of the network with high variance:

found = {name: skdl.diagnose(result, target_score=0.95) for name, result in results.items()}
found["high variance"]

# %%

table = pd.DataFrame(
    {
        name: {
            "training": round(result["train_score"].mean(), 3),
            "held out": round(result["test_score"].mean(), 3),
            "findings": ", ".join(found[name].kinds),
        }
        for name, result in results.items()
    }
).T
table.loc["baseline", "held out"] = result.summary().loc[("score", "baseline"), "mean"]
table.fillna("")

# %%
# The linear network hardly does better on rows that it knows than by guessing: more rows would not
# help, more units do. The large one knows its rows by heart and does worse on others.

score, training = table["held out"], table["training"]
assert score["baseline"] == 0.5
assert training["high bias"] < 0.6
assert training["high variance"] > 0.99
assert found["high bias"].kinds[:2] == ("no_better_than_baseline", "bias")
assert found["high variance"].kinds[0] == "variance"
assert found["good fit"].kinds == ("good",)
assert score["good fit"] > score["high variance"] > score["high bias"]
