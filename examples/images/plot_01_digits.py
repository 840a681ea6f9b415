"""
What do convolutions bring?
===========================

The data are handwritten digits of 8 × 8 pixels, which ship with scikit-learn. A dense network sees
64 unrelated numbers. A convolutional network sees an image, in which a stroke looks alike wherever
it is. We compare both with a logistic regression and the nearest neighbour.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import skdl
from skdl.inspection import TrainingCurveDisplay
from skdl.model_selection import cross_validate

X, y = load_digits(return_X_y=True)
network = skdl.CNNClassifier(
    filters=16,
    conv_blocks=2,
    hidden_units=64,
    dropout=0.3,
    image_shape=(8, 8),
    epochs=12,
    learning_rate=0.003,
    random_state=0,
)
dense = skdl.MLPClassifier(64, epochs=12, learning_rate=0.003, random_state=0)
result = cross_validate(
    make_pipeline(MinMaxScaler(), network),
    X,
    y,
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
    scoring="accuracy",
    compare_with={
        "dense network": make_pipeline(MinMaxScaler(), dense),
        "LogisticRegression": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=500)),
        "nearest neighbour": KNeighborsClassifier(1),
    },
    return_predictions=True,
)
result

# %%

TrainingCurveDisplay.from_cross_validation(result)
plt.show()

# %%
# The convolutional network comes before the dense one and that before the linear model. On digits
# that all have the same size and place, the nearest neighbour does as well as any. Three folds
# cannot tell such neighbours apart: see the p-values in the table above.

summary = result.summary().loc["score", "mean"]
assert summary["CNNClassifier"] > summary["dense network"] > summary["LogisticRegression"]
assert abs(summary["CNNClassifier"] - summary["nearest neighbour"]) < 0.02
assert (result.summary().loc["score", "p_value"].drop(["CNNClassifier", "baseline"]) > 0.05).all()
assert summary.drop("baseline").min() > summary["baseline"]
assert np.isclose(summary["baseline"], 0.1, atol=0.02)

# %%
# The digits that it gets wrong
# -----------------------------
# Twelve of them.

predictions = result.predictions
wrong = predictions[predictions["y_true"] != predictions["y_pred"]].head(12)
figure, axes = plt.subplots(2, 6, figsize=(9, 3.4), layout="constrained")
for ax in axes.flat:
    ax.axis("off")
for ax, row in zip(axes.flat, wrong.itertuples(), strict=False):
    ax.imshow(X[row.row].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{row.y_true}, not {row.y_pred}", fontsize=9)
plt.show()
