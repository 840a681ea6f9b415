"""
How much dropout?
=================

Dropout silences a share of the hidden units at random in each training step, so that no unit can
rely on another one being there (Srivastava et al. 2014). A little of it does nothing, too much
leaves a network that cannot learn. Rates between 0.2 and 0.5 are where the textbooks begin.

A network that is too large for the breast cancer data, and nine rates, each over 2 × 5 folds:
ninety networks in one stack, as the rate is a number in which they may differ.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.inspection import TrainingCurveDisplay, ValidationCurveDisplay
from skdl.model_selection import cross_validate

X, y = load_breast_cancer(return_X_y=True)
folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
network = skdl.MLPClassifier(128, epochs=60, learning_rate=0.003, random_state=0)
model = make_pipeline(StandardScaler(), network)

# %%
# The rate against the loss
# -------------------------

rates = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
display = ValidationCurveDisplay.from_estimator(
    model, X, y, param_name="dropout", param_range=rates, cv=folds, scoring="neg_log_loss",
    negate_score=True, score_name="log loss",
)  # fmt: skip
linear = make_pipeline(StandardScaler(), LogisticRegression())
baseline = -cross_val_score(linear, X, y, cv=folds, scoring="neg_log_loss").mean()
display.ax_.axhline(baseline, linestyle=":", color="0.6", label="logistic regression")
display.ax_.legend()
plt.show()

# %%
# Without dropout the network is sure of itself where it is wrong, which the log loss punishes. The
# best rate takes a good part of that away.

loss = dict(zip(rates, -display.test_scores.mean(axis=1), strict=True))
best = rates[display.best_index]
assert best > 0
assert loss[best] < 0.8 * loss[0.0]

# %%
# The same by epoch
# -----------------

_, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
gaps = []
for ax, rate in zip(axes, [0.0, best], strict=True):
    model.set_params(mlpclassifier__dropout=rate)
    result = cross_validate(model, X, y, cv=folds)
    TrainingCurveDisplay.from_cross_validation(result, ax=ax)
    ax.set(title=f"dropout {rate:g}", ylim=(0, 0.4))
    gaps.append(result.curve("test_loss")["mean"].iloc[-1] - result.curve("loss")["mean"].iloc[-1])
plt.show()

# The gap between rows trained on and rows held out closes.
assert gaps[1] < 0.5 * gaps[0]
