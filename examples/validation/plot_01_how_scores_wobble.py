"""
Hold-out, K-fold or iterated K-fold?
====================================

With few rows, a score depends on which rows happen to be held out. We estimate the error of the
same network in three ways, twenty times each with other random splits, and compare the spread of
the estimates:

- hold-out: one split, a fifth of the rows to test on;
- 5-fold: every row is tested on once;
- iterated 5-fold, 4 × 5: the same four times, shuffled anew.

That is 20 + 100 + 400 networks. In lockstep they take a few seconds.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import KFold, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.model_selection import IteratedKFold

N_TIMES = 20
X, y = load_diabetes(return_X_y=True)
model = make_pipeline(StandardScaler(), skdl.MLPRegressor(16, epochs=15, random_state=0))


def estimates(splitters):
    """Return the mean error over the splits of each splitter, all networks trained together."""
    splits = [list(splitter.split(X, y)) for splitter in splitters]
    with skdl.lockstep():
        errors = -cross_val_score(
            model,
            X,
            y,
            cv=[pair for own in splits for pair in own],
            scoring="neg_mean_absolute_error",
        )
    return errors.reshape(len(splitters), -1).mean(axis=1)


seeds = range(N_TIMES)
errors = {
    "hold-out": estimates([ShuffleSplit(1, test_size=0.2, random_state=i) for i in seeds]),
    "5-fold": estimates([KFold(5, shuffle=True, random_state=i) for i in seeds]),
    "4 × 5-fold": estimates([IteratedKFold(5, 4, random_state=i) for i in seeds]),
}
baseline = -cross_val_score(
    DummyRegressor(strategy="median"), X, y, cv=5, scoring="neg_mean_absolute_error"
).mean()

# %%

_, ax = plt.subplots(layout="constrained")
rng = np.random.default_rng(0)
for place, (values, marker) in enumerate(zip(errors.values(), "os^", strict=True)):
    ax.plot(place + rng.uniform(-0.15, 0.15, N_TIMES), values, marker, alpha=0.7)
ax.set_xticks(range(3), errors)
ax.set(ylabel="estimated mean absolute error", title="One network, twenty estimates each")
plt.show()

# %%

table = pd.DataFrame(
    {
        name: {
            "networks per estimate": n,
            "mean": values.mean(),
            "lowest": values.min(),
            "highest": values.max(),
            "standard deviation": values.std(ddof=1),
        }
        for (name, values), n in zip(errors.items(), [1, 5, 20], strict=True)
    }
).T.round(2)
table

# %%
# All three agree on average, and all are better than predicting the median. But a single hold-out
# may be off by several units for no other reason than chance: two models compared on one split are
# compared by a throw of dice. K-fold wobbles less than a fifth as much, iterated K-fold less again.

spread = table["standard deviation"]
assert (table["highest"] - table["mean"])["hold-out"] > 3
assert spread["5-fold"] < spread["hold-out"] / 5
assert spread["4 × 5-fold"] < spread["5-fold"]
assert table["mean"].max() - table["mean"].min() < spread["hold-out"]
assert table["highest"].max() < baseline
