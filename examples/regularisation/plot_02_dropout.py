"""
How much dropout?
=================

Dropout drops a fraction of the hidden units at random in each training step, so that no unit can
rely on another one (Srivastava et al. 2014). With too little dropout the network memorises its
rows, with too much it cannot learn. Textbooks begin with rates between 0.2 and 0.5.

The network is too large for the diabetes data. We try ten rates, each on 2 × 5 folds. These hundred
networks train together, as they differ only in the rate.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import RepeatedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.inspection import TrainingCurveDisplay, ValidationCurveDisplay
from skdl.model_selection import cross_validate

SCORING = "neg_root_mean_squared_error"
X, y = load_diabetes(return_X_y=True)
folds = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
network = skdl.MLPRegressor(64, epochs=60, learning_rate=0.003, random_state=0)
model = make_pipeline(StandardScaler(), network)

# %%
# The rate against the error
# --------------------------

rates = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
display = ValidationCurveDisplay.from_estimator(
    model,
    X,
    y,
    param_name="dropout",
    param_range=rates,
    cv=folds,
    scoring=SCORING,
    negate_score=True,
    score_name="RMSE",
)
linear = -cross_val_score(LinearRegression(), X, y, cv=folds, scoring=SCORING).mean()
display.ax_.axhline(linear, linestyle=":", color="0.6", label="linear regression")
display.ax_.legend()
plt.show()

# %%
# The best rate lies where the textbooks begin, and any rate in their range is nearly as good: it
# need not be searched finely. The most extreme one is worse than none. These data are nearly
# linear: a linear regression stays a little better still.

rmse = dict(zip(rates, -display.test_scores.mean(axis=1), strict=True))
best = rates[display.best_index]
assert 0.2 <= best <= 0.5
assert rmse[best] < 0.9 * rmse[0.0]
assert max(rmse[rate] for rate in (0.2, 0.3, 0.4, 0.5)) < 1.04 * rmse[best]
assert rmse[0.9] > rmse[0.0]
assert linear < rmse[best] < 1.05 * linear

# %%
# The same by epoch
# -----------------

_, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
gaps = []
for ax, rate in zip(axes, [0.0, best], strict=True):
    model.set_params(mlpregressor__dropout=rate)
    result = cross_validate(model, X, y, cv=folds, scoring=SCORING, return_train_score=True)
    TrainingCurveDisplay.from_cross_validation(result, ax=ax)
    ax.set(title=f"dropout {rate:g}", ylim=(0, 1.2))
    gaps.append(float((result["train_score"] - result["test_score"]).mean()))
plt.show()

# %%
# The gap between the errors of rows trained on and of rows held out closes by more than half.

print(f"gap without: {gaps[0]:.1f}, with dropout {best:g}: {gaps[1]:.1f}")
assert gaps[1] < 0.5 * gaps[0]
assert -result["test_score"].mean() < -result.summary().loc[("score", "baseline"), "mean"]
