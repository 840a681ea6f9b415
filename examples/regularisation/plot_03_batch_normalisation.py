"""
Where does batch normalisation belong?
======================================

Batch normalisation gives its inputs mean 0 and variance 1 in each batch (Ioffe and Szegedy 2015).
There are three places for it: on the features, in each hidden layer before the activation (as in
the paper), or after it.

The features of the breast cancer data have very different sizes, from 0.001 to 4,000. We leave out
the scaler on purpose. A network without normalisation then learns badly, and each of the three
places helps.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.model_selection import cross_validate

X, y = load_breast_cancer(return_X_y=True)
network = skdl.MLPClassifier(32, epochs=20, random_state=0)
PLACES = {
    "none": {},
    "inputs": {"input_batch_norm": True},
    "before activation": {"batch_norm": "before_activation"},
    "after activation": {"batch_norm": "after_activation"},
}
models = {
    name: skdl.MLPClassifier(32, epochs=20, random_state=0, **p) for name, p in PLACES.items()
}
models["a scaler instead"] = make_pipeline(StandardScaler(), models["none"])
results = {
    name: cross_validate(model, X, y, n_iterations=2, scoring=["accuracy", "neg_log_loss"])
    for name, model in models.items()
}

# %%
# How fast they learn
# -------------------
# The median over the folds: with normalisation after the activation, a single huge tumour, wrongly
# classified without any doubt, has a loss so large that it decides the mean.

_, ax = plt.subplots(layout="constrained")
for (name, result), style in zip(results.items(), ["-", "--", "-.", ":", (0, (5, 1))], strict=True):
    losses = result.histories.query("metric == 'test_loss'").groupby("epoch")["value"]
    losses.median().plot(ax=ax, label=name, linestyle=style)
ax.set(ylabel="held-out loss, median of 10 folds", yscale="log")
ax.legend(title="normalisation")
plt.show()

# %%

table = pd.DataFrame(
    {
        name: {
            "accuracy": result["test_accuracy"].mean(),
            "log loss": -result["test_neg_log_loss"].mean(),
        }
        for name, result in results.items()
    }
    | {
        "baseline": {
            "accuracy": result.summary().loc[("accuracy", "baseline"), "mean"],
            "log loss": -result.summary().loc[("neg_log_loss", "baseline"), "mean"],
        }
    }
).T.round(3)
table

# %%
# Each of the three places is better than none. On the inputs it helps most, as it is they that
# differ in size. A scaler in front does the same, once and for all, and is what one should begin
# with.

loss = table["log loss"]
assert loss[["inputs", "before activation", "after activation"]].max() < loss["none"]
assert loss["inputs"] < loss[["before activation", "after activation"]].min()
assert abs(loss["a scaler instead"] - loss["inputs"]) < 0.01
assert table["accuracy"].drop("baseline").min() > table.loc["baseline", "accuracy"]
